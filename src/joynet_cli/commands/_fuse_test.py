"""`joynet fuse test`: a fused model beside its parents."""

import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from joynet_cli._output import out
from joynet_cli._session import open_joynet, stop_if_dry_run
from joynet_cli.commands.eval import (
    BatchOption,
    DtypeOption,
    KindOption,
    LimitOption,
    PlotOption,
    SeedOption,
    SplitOption,
    TaskOption,
    load_dataset,
    make_options,
    print_comparisons,
    summary,
)

if TYPE_CHECKING:
    from joynet_sdk.client import JoyNet
    from joynet_sdk.errors import VerificationError
    from joynet_sdk.evaluation.smoke import SmokeRecord
    from joynet_sdk.evaluation.trial import Candidate, Trial

YAML = (".yaml", ".yml")


def trial(
    model: Annotated[
        str, typer.Argument(help="Folder of build or compose, REF, or a spec to try out.")
    ],
    task: TaskOption,
    parent: Annotated[
        list[str] | None,
        typer.Option("--parent", help="REF or folder (repeat) [those it was made from]."),
    ] = None,
    to: Annotated[
        Path | None, typer.Option("--out", help="Folder for the signed reports [none written].")
    ] = None,
    limit: LimitOption = None,
    seed: SeedOption = 0,
    batch_size: BatchOption = 1,
    dtype: DtypeOption = "profile",
    split: SplitOption = None,
    kind: KindOption = None,
    plot: PlotOption = None,
    unsigned: Annotated[bool, typer.Option("--unsigned", help="Needs no account.")] = False,
) -> None:
    """Measure a fused model and its parents on the same items, and pass it through the smoke gate.

    Everything runs on this machine. A spec is built into a folder that is thrown away. Exits with
    10 when the gate refuses the model; a model that is merely worse passes, and is called worse.

    Examples:
      joynet fuse test ./duo --task sklearn:digits --plot duo.png
      joynet fuse test fusion.yaml --task sklearn:digits --unsigned
      joynet fuse test duo.joy --parent odd.joy --task sklearn:digits --out reports
    """  # fmt: skip
    from joynet_sdk.evaluation import plot as plots

    if plot is not None:
        plots.check_target(plot)
    options = make_options(seed, batch_size, dtype)
    dataset = load_dataset(task, split, limit, seed, kind)
    if _is_spec(model):
        stop_if_dry_run(f"build {model}, and measure it and its parents")
    with open_joynet() as joynet, _built(joynet, model) as child:
        parents = _parents(joynet, model, child, parent)
        stop_if_dry_run(f"measure {model} and {len(parents)} parents on {len(dataset.items)} items")
        asked = (1 + len(parents)) * sum(len(item.queries) for item in dataset.items)
        folders = [each.folder for each in parents]
        is_kept = child.model_id is None and not _is_spec(model)
        with out.progress("Smoke gate"):
            record = joynet.evaluation.smoke(
                child.folder, folders, task, kind=dataset.kind, is_recorded=is_kept
            )
        found = None
        if record.is_passed:
            with out.progress(f"Measuring {model}", asked) as bar:
                found = joynet.evaluation.trial(
                    child, parents, dataset, options, is_signed=not unsigned, advance=bar.advance
                )
    files = _write(found, to) if found is not None else []
    if plot is not None and found is not None:
        plots.draw([file.report for file in (found.child, *found.parents)], plot)
    result = _document(record, found) | {"reports": files, "plot": plot if found else None}
    out.result(result, lambda _: _print(record, found, files), error=_refusal(record))


def _is_spec(model: str) -> bool:
    return Path(model).suffix.lower() in YAML and Path(model).is_file()


@contextmanager
def _built(joynet: "JoyNet", model: str) -> Iterator["Candidate"]:
    """The model's files; a spec is built for the length of the block."""
    from joynet_sdk.evaluation.trial import Candidate

    if not _is_spec(model):
        yield _candidate(joynet, model)
        return
    with tempfile.TemporaryDirectory(prefix="joynet-fuse-test-") as scratch:
        planned = joynet.fusion.plan(_read_spec(Path(model)))
        folder = Path(scratch) / Path(model).stem
        with out.progress(f"Building {model}", planned.plan.size) as bar:
            joynet.fusion.build(planned, folder, on_bytes=bar.advance)
        yield Candidate(Path(model).name, folder)


def _read_spec(path: Path) -> Any:
    from joynet_sdk.errors import InvalidInputError
    from joynet_sdk.fusion.mergekit_yaml import read_spec
    from joynet_sdk.fusion.spec import WeightsSpec

    spec = read_spec(path)
    if not isinstance(spec, WeightsSpec):
        raise InvalidInputError(
            f"{path} is a composition, expected a merge of weights",
            hint="joynet fuse compose file SPEC --out DIR, then joynet fuse test DIR",
        )
    return spec


def _candidate(joynet: "JoyNet", ref: str) -> "Candidate":
    from joynet_sdk.evaluation.trial import Candidate

    origin = joynet.fusion.locate(ref)
    name = ref if origin.model_id is not None else origin.folder.name
    return Candidate(name, origin.folder, origin.model_id)


def _parents(
    joynet: "JoyNet", model: str, child: "Candidate", given: Sequence[str] | None
) -> list["Candidate"]:
    """What the user named, or else what the model was made from."""
    from joynet_sdk.compositions.document import FILE
    from joynet_sdk.errors import NotFoundError
    from joynet_sdk.evaluation.trial import Candidate
    from joynet_sdk.fusion.records import read_record
    from joynet_sdk.types import ModelId

    if given:
        return [_candidate(joynet, ref) for ref in given]
    if child.model_id is not None:
        manifest = joynet.models.show(ModelId(child.model_id)).manifest
        return [_candidate(joynet, each.model) for each in manifest.parents] if manifest else []
    if (child.folder / FILE).is_file():
        found = {part.manifest.title: part for part in joynet.composing.parts(child.folder)}
        return [
            Candidate(name, part.folder, part.manifest.model_id) for name, part in found.items()
        ]
    try:
        record = read_record(child.folder)
    except NotFoundError as error:
        raise NotFoundError(
            "parents of", model, hint="name them: --parent FOLDER_OR_REF, each"
        ) from error
    return [
        Candidate(
            name if origin.model_id is not None else origin.folder.name,
            origin.folder,
            origin.model_id,
        )
        for name, origin in record.parents.items()
    ]


def _write(trial: "Trial", to: Path | None) -> list[Path]:
    """One report file a model; the child's comes first."""
    from joynet_sdk.paths import atomic_write

    if to is None:
        return []
    files = []
    for index, file in enumerate((trial.child, *trial.parents)):
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", file.report.model.ref)[:60].strip("-.") or "model"
        path = to / f"{index}-{name}.report"
        atomic_write(path, file.encode(), mode=0o644)
        files.append(path)
    return files


def _document(record: "SmokeRecord", trial: "Trial | None") -> dict[str, Any]:
    gate = {"passed": record.is_passed, "checks": record.checks, "model": record.model}
    if trial is None:
        return {"smoke": gate, "verdict": None, "child": None, "parents": [], "comparisons": []}
    return {
        "smoke": gate,
        "verdict": trial.verdict,
        "child": summary(trial.child),
        "parents": [summary(file) for file in trial.parents],
        "comparisons": trial.comparisons,
        "left_out": list(trial.left_out),
    }


def _print(record: "SmokeRecord", trial: "Trial | None", files: Sequence[Path]) -> None:
    rows = [("yes" if c.is_passed else "NO", c.name, c.reason) for c in record.checks]
    out.table(["passed", "check", "measured"], rows)
    if trial is None:
        return
    measured = [
        (file.report.model.ref, part.name, f"{float(part.value):.4f}", f"{float(part.stderr):.4f}",
         part.items)
        for file in (trial.child, *trial.parents)
        for part in file.report.metrics
    ]  # fmt: skip
    out.table(["model", "metric", "value", "stderr", "items"], measured)
    print_comparisons(trial.comparisons)
    for line in trial.left_out:
        out.note(f"not compared with {line}")
    out.line(f"verdict: {trial.verdict}")
    for path in files:
        out.note(f"wrote {path}")


def _refusal(record: "SmokeRecord") -> "VerificationError | None":
    from joynet_sdk.errors import VerificationError

    try:
        record.require()
    except VerificationError as error:
        return error
    return None
