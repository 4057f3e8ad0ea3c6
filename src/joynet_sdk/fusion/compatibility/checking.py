"""The check as a whole: rules, licences, weights where they are at hand, score, advice."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from joynet_sdk.fusion.compatibility import facts, licences, resources, rules
from joynet_sdk.fusion.compatibility.advice import UNRELATED, advise
from joynet_sdk.fusion.compatibility.facts import Model
from joynet_sdk.fusion.compatibility.report import (
    ERROR,
    NOTE,
    WARNING,
    Estimate,
    Finding,
    Report,
    Similarity,
    Subject,
)
from joynet_sdk.fusion.compatibility.rules import COMPOSE, Plan
from joynet_sdk.fusion.compatibility.score import METHODS, Score
from joynet_sdk.fusion.compatibility.tokenizers import check_tokenizers
from joynet_sdk.merges import method as find_method

_ORDER = {ERROR: 0, WARNING: 1, NOTE: 2}
_FAR = 1.0  # |task vector| over |base|: the models left their base behind


@dataclass(frozen=True)
class Machine:
    """What is known of the machine that would build.

    Attributes:
        compare: Reads samples of the weights, when all of them are here.
        speed: Measures it, in some 20 ms.
        memory: Free bytes.
        disk: Free bytes where results go.
    """

    compare: Callable[[], Similarity | None] | None = None
    speed: Callable[[], resources.Speed] | None = None
    memory: int | None = None
    disk: int | None = None


def check(models: Sequence[Model], plan: Plan, machine: Machine | None = None) -> Report:
    """Judge whether models can be fused, before anything of their weights is fetched.

    Args:
        models: Parents; with `plan.has_base` the last one is the base.
        machine: Weights are looked at only when it can compare them and nothing else refuses.

    Raises:
        NotFoundError: The plan names no known method.
        InvalidInputError: A weight is NaN or infinite.
    """
    if plan.method is not None:
        find_method(plan.method)
    machine = machine or Machine()
    verdict, findings = licences.judge([(model.name, model.license) for model in models])
    findings += rules.check_formats(models, plan)
    if not any(finding.code in ("format", "quantised") for finding in findings):
        for rule in (*rules.RULES, check_tokenizers):
            findings += rule(models, plan)
    else:
        findings += rules.check_method(models, plan)
    similarity, estimates = None, []
    if machine.compare is not None and not _is_refused(findings) and len(models) > 1:
        similarity = machine.compare()
        findings += check_weights(similarity, models)
        if similarity is not None:
            estimates = estimate(models, plan, similarity)
    needed = None
    if not _is_refused(findings):
        speed = machine.speed() if machine.speed is not None else None
        needed = resources.estimate(models, plan.method, speed)
        findings += resources.shortage(needed, machine.memory, machine.disk)
    advice = advise(models, plan, findings, similarity, estimates)
    return Report(
        is_compatible=not _is_refused(findings),
        method=plan.method or advice.method,
        models=tuple(map(_subject, models)),
        findings=tuple(sorted(findings, key=lambda finding: _ORDER[finding.severity])),
        licence=verdict,
        resources=needed,
        advice=advice,
        similarity=similarity,
        estimates=tuple(estimates),
    )


def _is_refused(findings: Sequence[Finding]) -> bool:
    return any(finding.severity == ERROR for finding in findings)


def _subject(model: Model) -> Subject:
    return Subject(
        name=model.name,
        architecture=model.architecture,
        parameters=facts.parameters(model),
        dtypes=facts.dtypes(model),
        license=model.license,
        read_bytes=model.read_bytes,
        total_bytes=model.total_bytes,
    )


def check_weights(near: Similarity | None, models: Sequence[Model]) -> Iterator[Finding]:
    """Whether the weights have anything to do with each other."""
    if near is None:
        return
    if near.weight_cosine < UNRELATED:
        yield Finding(
            "unrelated",
            ERROR,
            f"the weights are those of unrelated networks: cosine {near.weight_cosine:.2f}, "
            f"expected at least {UNRELATED} (models tuned from one base have 0.9 and more)",
            f"choose models that were tuned from the same base, or {COMPOSE}",
        )
    if near.task_norm is not None and near.task_norm > _FAR:
        yield Finding(
            "far_from_base",
            WARNING,
            f"a model moved {near.task_norm:.2f} times its base's norm away from it",
            f"is {models[-1].name} the base of the others? --base REF names it",
        )


def estimate(models: Sequence[Model], plan: Plan, near: Similarity) -> list[Estimate]:
    """What the learned score expects: of the method asked about, else of all that could be used."""
    score = Score.load()
    count = len(models) - plan.has_base
    asked = [plan.method] if plan.method else list(METHODS)
    if not plan.method:
        asked = [
            name
            for name in asked
            if (count == 2 if name == "slerp" else plan.has_base or name == "linear")
        ]
    if reason := _foreign(models):
        return [Estimate(name, None, None, None, (reason,)) for name in asked]
    layers = sum(len(tensor.shape) == 2 for tensor in models[0].tensors.values())
    return [score.estimate(near, count, layers, name) for name in asked]


def _foreign(models: Sequence[Model]) -> str | None:
    """Why these networks are of another kind than the score's, or None."""
    kinds = {model.architecture for model in models if facts.number(model, facts.LAYERS)}
    if kinds:
        return f"trained on multilayer perceptrons, these are {', '.join(map(str, kinds))}"
    if any(len(tensor.shape) > 2 for tensor in models[0].tensors.values()):
        return "trained on multilayer perceptrons, these have tensors of more than two dimensions"
    return None
