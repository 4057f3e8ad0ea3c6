"""Which method to use, and why."""

from collections.abc import Sequence

from joynet_sdk.fusion.compatibility.composing import fitting
from joynet_sdk.fusion.compatibility.facts import Model
from joynet_sdk.fusion.compatibility.report import ERROR, Advice, Estimate, Finding, Similarity
from joynet_sdk.fusion.compatibility.rules import Plan

# Cosine of the weights: in the committed merges strangers have at most 0.1, kin at least 0.7.
UNRELATED = 0.3
DISAGREE = 0.6  # of the signs; those of strangers agree by chance, half of two, a quarter of three
_NOTICEABLE = 0.1  # of the accuracy that is kept: less is within the score's error


def advise(
    models: Sequence[Model],
    plan: Plan,
    findings: Sequence[Finding],
    similarity: Similarity | None,
    estimates: Sequence[Estimate],
) -> Advice:
    """What to do with the models.

    Args:
        models: Parents; the base is the last if the plan has one.
        findings: Of all rules.
    """
    parents = models[: len(models) - plan.has_base]
    if any(finding.severity == ERROR for finding in findings):
        fit = fitting(parents)
        codes = sorted({finding.code for finding in findings if finding.severity == ERROR})
        return Advice(None, fit.kind, (f"no merge of weights: {', '.join(codes)}", fit.reason))
    if plan.has_base:
        method, reason = _with_base(len(parents), similarity)
    else:
        method, reason = _without_base(len(parents))
    known = {each.method: each.kept for each in estimates if each.kept is not None}
    if not known:
        return Advice(method, None, (reason,))
    best = max(known, key=lambda name: known[name])
    if method not in known or known[best] - known[method] > _NOTICEABLE:
        said = f"the score expects {known[best]:.2f} of the parents' accuracy from it"
        return Advice(best, None, (said, f"else {method}: {reason}"))
    return Advice(method, None, (reason, f"the score expects {known[method]:.2f} from it"))


def _with_base(count: int, similarity: Similarity | None) -> tuple[str, str]:
    if count == 1:
        return "task_arithmetic", "one model and its base: scale its task vector"
    if similarity is None or similarity.sign_agreement is None:
        return "ties", "one base: TIES settles where the task vectors pull in opposite directions"
    agreed = f"{similarity.sign_agreement:.0%} of the changes go the same way in all models"
    if similarity.sign_agreement < DISAGREE:
        return "ties", f"{agreed}: TIES settles the others"
    return "linear", f"{agreed}: their average keeps them"


def _without_base(count: int) -> tuple[str, str]:
    if count == 2:
        return "slerp", "two models, no base: SLERP keeps the norm of the weights between them"
    return "linear", f"{count} models, no base: their average; with --base there is TIES"
