"""`joynet fuse check`: can these models be fused, and how."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from joynet_cli._output import out
from joynet_cli._session import ctx, open_joynet
from joynet_sdk.errors import InvalidInputError, VerificationError

if TYPE_CHECKING:
    from joynet_sdk.fusion.compatibility import Report
    from joynet_sdk.peeking import Checked

_TOKENIZERS: tuple[Literal["same", "union", "base"], ...] = ("same", "union", "base")
_SHOWN = {"error": "refused", "warning": "warning", "note": "note"}


def check(
    ref: Annotated[
        list[str], typer.Argument(help="Folder, name, manifest CID or 0x model id (two or more).")
    ],
    base: Annotated[
        str | None, typer.Option("--base", help="The model that the others were tuned from.")
    ] = None,
    method: Annotated[
        str | None, typer.Option("--method", help="Judge this merge method [the best one].")
    ] = None,
    tokenizer: Annotated[
        str, typer.Option("--tokenizer", help="same, or how the merge aligns them: union, base.")
    ] = "same",
    explain: Annotated[
        bool, typer.Option("--explain", help="Say how each number came about.")
    ] = False,
) -> None:
    """Say whether models can be fused, why not and what to do, before anything is downloaded.

    Reads configs and the headers of weights only: of models that are elsewhere, some blocks of
    each file. Where the weights are on this machine, samples of them are compared too. Exits with
    0 when the models fit together and with 10 when they do not.

    Examples:
      joynet fuse check ./expert-a ./expert-b --base ./base
      joynet fuse check minilm.joy ./my-minilm --method slerp --explain
      joynet --json fuse check digits.joy 0x2f...9c
    """
    from joynet_sdk.fusion.compatibility import Plan
    from joynet_sdk.peeking import check_fusion

    context = ctx()
    names = [*ref, *([base] if base is not None else [])]
    if len(ref) < (1 if base is not None else 2):
        raise InvalidInputError(
            f"{len(ref)} model was named, expected two or more", hint="joynet fuse check A B"
        )
    checked = check_fusion(
        names,
        Plan(method, base is not None, _tokenizer(tokenizer)),
        home=context.home,
        quota_gb=context.settings.storage.quota_gb,
        open_joynet=lambda: open_joynet("Checking"),
    )
    out.result(
        _document(checked, explain),
        lambda _: _print(checked, explain),
        error=_refusal(checked.report),
    )


def _tokenizer(text: str) -> Literal["same", "union", "base"]:
    for choice in _TOKENIZERS:
        if text == choice:
            return choice
    raise InvalidInputError(f"--tokenizer is {text[:40]!r}, expected same, union or base")


def _refusal(report: "Report") -> VerificationError | None:
    """The error of the first thing that refuses, or None."""
    refused = [finding for finding in report.findings if finding.severity == "error"]
    if not refused:
        return None
    more = f" (and {len(refused) - 1} more)" if len(refused) > 1 else ""
    return VerificationError(f"{refused[0].message}{more}", hint=refused[0].fix)


def _document(checked: "Checked", explain: bool) -> dict[str, Any]:
    report = checked.report
    document = {
        "compatible": report.is_compatible,
        "method": report.method,
        "models": report.models,
        "findings": report.findings,
        "licence": report.licence,
        "resources": report.resources,
        "advice": report.advice,
        "similarity": report.similarity,
        "estimates": report.estimates,
        "read_bytes": sum(model.read_bytes for model in report.models),
        "total_bytes": sum(model.total_bytes for model in report.models),
        "fetched_bytes": checked.fetched_bytes,
    }
    return {**document, "score_figures": _figures()} if explain else document


def _figures() -> Any:
    from joynet_sdk.fusion.compatibility.score import Score

    return Score.load().figures


def _print(checked: "Checked", explain: bool) -> None:
    report = checked.report
    out.table(
        ["model", "architecture", "parameters", "dtype", "license"],
        [
            [m.name, m.architecture, f"{m.parameters:,}", "+".join(m.dtypes), m.license]
            for m in report.models
        ],
    )
    out.line()
    for finding in report.findings:
        out.line(f"{_SHOWN[finding.severity]}: {finding.message}")
        if finding.fix:
            out.line(f"  fix: {finding.fix}")
    out.line("compatible" if report.is_compatible else "not compatible")
    for reason in _advice(report):
        out.line(reason)
    if report.is_compatible:
        _print_build(report, explain)
    if explain:
        _print_licence(report)
    read = sum(model.read_bytes for model in report.models)
    total = sum(model.total_bytes for model in report.models)
    out.note(f"read {read:,} of {total:,} bytes, {checked.fetched_bytes:,} over the network")


def _advice(report: "Report") -> list[str]:
    advice = report.advice
    if advice.method is not None:
        return [f"recommended: {advice.method}: {'; '.join(advice.reasons)}"]
    if advice.composition is not None:
        kind = f"joynet fuse compose {advice.composition}"
        return [f"recommended: {kind}: {advice.reasons[-1]}"]
    return [f"no composition is known to fit: {advice.reasons[-1]}"]


def _print_build(report: "Report", explain: bool) -> None:
    needed = report.resources
    if needed is not None:
        seconds = "" if needed.seconds is None else f", about {needed.seconds:.2g} s"
        out.line(
            f"build: {needed.output_bytes:,} bytes out of {needed.read_bytes:,}, "
            f"{needed.peak_bytes:,} of memory{seconds}"
        )
    near = report.similarity
    if near is not None:
        out.line(f"weights: cosine {near.weight_cosine:.3f}, distance {near.distance:.3f}")
        if near.task_cosine is not None and near.sign_agreement is not None:
            out.line(
                f"task vectors: cosine {near.task_cosine:.3f}, "
                f"{near.sign_agreement:.0%} of the signs agree"
            )
        if explain:
            out.line(f"  least cosine {near.least_cosine:.3f}, of {near.farthest}")
            out.line(f"  {near.sampled:,} of {near.parameters:,} parameters were compared")
    elif explain:
        out.line("weights: not compared, they are not files on this machine; no score either")
    _print_scores(report, explain)


def _print_scores(report: "Report", explain: bool) -> None:
    for each in report.estimates:
        if each.kept is None:
            out.line(f"score of {each.method}: no estimate: {each.reasons[0]}")
            continue
        out.line(
            f"score of {each.method}: {each.kept:.2f} of the parents' own accuracy "
            f"({each.low:.2f} to {each.high:.2f} in four of five)"
        )
        if explain:
            out.line(f"  {', '.join(each.reasons)}")
    if explain and report.estimates:
        figures = _figures()
        unseen, related = figures["held_out"], figures["held_out_related"]
        out.line(
            f"  the score is off by {unseen['mae']:.2f} on merges it has not seen (always saying "
            f"the mean: {unseen['mae_of_mean']:.2f}); where all share a start, by "
            f"{related['mae']:.2f} ({related['mae_of_mean']:.2f})"
        )


def _print_licence(report: "Report") -> None:
    licence = report.licence
    out.line(f"licence of the merge: {licence.license or 'none that is known'}")
    out.line(f"  calls of it {'may' if licence.may_be_sold else 'may not'} be sold")
    for line in licence.keep:
        out.line(f"  keep: {line}")
