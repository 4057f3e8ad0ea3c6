"""`joynet eval`: measure models, compare them, check the reports."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from joynet_cli._output import out
from joynet_cli._session import open_joynet, stop_if_dry_run

if TYPE_CHECKING:
    from joynet_sdk.client import JoyNet
    from joynet_sdk.evaluation.comparison import Comparison
    from joynet_sdk.evaluation.items import Dataset
    from joynet_sdk.evaluation.measuring import Options
    from joynet_sdk.evaluation.report import EvalReport, MetricPart, ReportFile
    from joynet_sdk.evaluation.service import Quote

app = typer.Typer(help="Measure models against each other.", no_args_is_help=True)

TaskOption = Annotated[
    str, typer.Option("--task", "-t", help="A task of `joynet eval tasks`, or a JSONL file.")
]
LimitOption = Annotated[
    int | None, typer.Option("--limit", help="Most items, drawn by --seed.", min=1)
]
SeedOption = Annotated[
    int, typer.Option("--seed", help="Of the choice of items and of the bootstrap.", min=0)
]
BatchOption = Annotated[
    int, typer.Option("--batch-size", help="Questions in one forward pass.", min=1)
]
DtypeOption = Annotated[
    str,
    typer.Option("--dtype", help="profile (what nodes run), float32, bfloat16 or float16."),
]
SplitOption = Annotated[
    str | None, typer.Option("--split", help="test, train or all [test, where there is one].")
]
KindOption = Annotated[
    str | None,
    typer.Option("--kind", help="Of a JSONL file: classify, regress, similarity, perplexity."),
]
PlotOption = Annotated[Path | None, typer.Option("--plot", help="Draw it: .png or .svg.")]
DTYPES = ("profile", "float32", "bfloat16", "float16")
SPLITS = ("test", "train", "all")
KINDS = ("classify", "regress", "similarity", "perplexity")


@app.command()
def tasks() -> None:
    """List the built-in tasks; a JSONL file of yours is one too.

    Examples:
      joynet eval tasks
      joynet eval tasks --json
    """
    from joynet_sdk.evaluation.tasks import TASKS

    rows = [(t.name, t.kind, t.input, t.summary, t.install or "nothing") for t in TASKS.values()]
    out.result(
        list(TASKS.values()),
        lambda _: out.table(["task", "measures", "input", "what", "needs"], rows),
    )


@app.command()
def run(
    model: Annotated[str, typer.Argument(help="Folder of a model, or REF of a published one.")],
    task: TaskOption,
    to: Annotated[Path, typer.Option("--out", help="Where to write the report.")],
    limit: LimitOption = None,
    seed: SeedOption = 0,
    batch_size: BatchOption = 1,
    dtype: DtypeOption = "profile",
    split: SplitOption = None,
    kind: KindOption = None,
    local: Annotated[
        bool, typer.Option("--local", help="Run a published model's files here; pay nobody.")
    ] = False,
    plot: PlotOption = None,
    unsigned: Annotated[bool, typer.Option("--unsigned", help="Needs no account.")] = False,
) -> None:
    """Measure one model and write a signed report.

    A folder runs on this machine. A published model runs on the network, one paid call for each
    item, after a quote; with --local its files, which must be stored here. Answers are kept: an
    interrupted run goes on where it stopped, and nothing is paid twice.

    Examples:
      joynet eval run ./digits --task sklearn:digits --out digits.report
      joynet eval run digits.joy --task sklearn:digits --limit 50 --out paid.report
      joynet eval run ./bert --task reviews.jsonl --batch-size 16 --dtype float32 --out b.report
    """
    from joynet_sdk.evaluation import plot as plots
    from joynet_sdk.evaluation.service import is_path
    from joynet_sdk.paths import atomic_write

    if plot is not None:
        plots.check_target(plot)
    options = make_options(seed, batch_size, dtype)
    dataset = load_dataset(task, split, limit, seed, kind)
    with open_joynet() as joynet:
        is_here = local or is_path(model) or Path(model).is_dir()
        quote = None if is_here else _quoted(joynet, model, dataset)
        stop_if_dry_run(f"measure {model} on {len(dataset.items):,} items and write {to}")
        file = measure(joynet, model, dataset, options, quote=quote, is_signed=not unsigned)
    atomic_write(to, file.encode(), mode=0o644)
    if plot is not None:
        plots.draw([file.report], plot)
    result = {"path": to, "plot": plot, **summary(file)}

    def human(_: dict[str, Any]) -> None:
        print_report(file.report)
        out.line(f"wrote {to}" + ("" if file.signature else " (not signed)"))

    out.result(result, human)


def _quoted(joynet: "JoyNet", model: str, dataset: "Dataset") -> "Quote":
    """What asking nodes costs, agreed to."""
    from joynet_sdk.units import format_joy

    quote = joynet.evaluation.quote(model, dataset)
    stop_if_dry_run(
        f"pay at most {format_joy(quote.total)} for {quote.calls:,} calls of {model}",
        calls=quote.calls,
        price_wei=str(quote.price),
        total_wei=str(quote.total),
    )
    if quote.total:
        about = [f"{quote.calls:,} calls of {model}, at most {format_joy(quote.price)} each"]
        out.confirm(f"Pay at most {format_joy(quote.total)}?", about)
    return quote


def make_options(seed: int, batch_size: int, dtype: str) -> "Options":
    """The options of a run, checked."""
    from joynet_sdk.evaluation.measuring import Options

    return Options(seed=seed, batch_size=batch_size, dtype=_one_of("--dtype", dtype, DTYPES))


def load_dataset(
    task: str, split: str | None, limit: int | None, seed: int, kind: str | None
) -> "Dataset":
    """The examples of a task, from the words of the command line."""
    from joynet_sdk.evaluation.tasks import load

    return load(
        task,
        split=_one_of("--split", split, SPLITS),
        limit=limit,
        seed=seed,
        kind=_one_of("--kind", kind, KINDS),
    )


def _one_of(option: str, value: str | None, expected: Sequence[str]) -> Any:
    from joynet_sdk.errors import InvalidInputError

    if value is not None and value not in expected:
        raise InvalidInputError(f"{option} is {value!r:.40}, expected one of {', '.join(expected)}")
    return value


def measure(
    joynet: "JoyNet", model: str, dataset: "Dataset", options: "Options", **how: Any
) -> "ReportFile":
    """`Evaluation.run` with a progress bar."""
    from joynet_sdk.progress import listening

    questions = sum(len(item.queries) for item in dataset.items)
    with out.progress(f"Measuring {model}", questions) as bar, listening(bar.stage):
        advance: Callable[[int], None] = bar.advance
        return joynet.evaluation.run(model, dataset, options, advance=advance, **how)


# --- reports --------------------------------------------------------------------------------------


@app.command()
def report(file: Annotated[Path, typer.Argument(help="Written by eval run.")]) -> None:
    """Check a report's signature and print it; works offline.

    Exits 10 when the file is damaged, not signed, or signed by another than it says.

    Examples:
      joynet eval report digits.report
      joynet eval report digits.report --json
    """
    from joynet_sdk.errors import VerificationError
    from joynet_sdk.evaluation.report import UNKNOWN

    read = read_file(file)
    problem: VerificationError | None = None
    try:
        read.verify()
    except VerificationError as error:
        problem = error
    is_verified = problem is None
    result = {"verified": is_verified, **summary(read), "not_checked": list(UNKNOWN)}

    def human(_: dict[str, Any]) -> None:
        print_report(read.report)
        if is_verified:
            out.line(f"signed by {read.report.evaluator}: the signature is good")
        out.note("a signature cannot say:")
        for item in UNKNOWN:
            out.note(f"  {item}")

    out.result(result, human, error=problem)


@app.command()
def compare(
    files: Annotated[list[Path], typer.Argument(help="Reports; the first is the reference.")],
    plot: PlotOption = None,
) -> None:
    """Say whether models differ by more than chance, item by item.

    Classifiers are compared by McNemar's exact test, everything else by a paired bootstrap.
    Reports over other data or with other settings are not compared; what differs is named.

    Examples:
      joynet eval compare parent.report child.report
      joynet eval compare a.report b.report c.report --plot abc.svg
    """
    from joynet_sdk.evaluation import plot as plots
    from joynet_sdk.evaluation.comparison import compare as decide

    if plot is not None:
        plots.check_target(plot)
    read = [read_file(path) for path in files]
    for path, item in zip(files, read, strict=True):
        if item.signature is None:
            out.warn(f"{path} is not signed")
        else:
            item.verify()
    found = decide([item.report for item in read])
    if plot is not None:
        plots.draw([item.report for item in read], plot)
    out.result({"comparisons": found, "plot": plot}, lambda _: print_comparisons(found))


def read_file(path: Path) -> "ReportFile":
    """A report file.

    Raises:
        NotFoundError: There is none.
        VerificationError: It is none.
    """
    from joynet_sdk.errors import NotFoundError, VerificationError
    from joynet_sdk.evaluation.report import MAX_REPORT_BYTES, decode_report_file
    from joynet_sdk.paths import file_errors

    try:
        with file_errors(path), path.open("rb") as stream:
            return decode_report_file(stream.read(MAX_REPORT_BYTES + 1))
    except FileNotFoundError:
        raise NotFoundError("report", path, hint="joynet eval run writes one") from None
    except VerificationError as error:
        raise VerificationError(f"{path} is no report: {error}") from None


def summary(file: "ReportFile") -> dict[str, Any]:
    """A report for programs, without the outcomes of each item."""
    return {**file.report.model_dump(exclude={"outcomes"}), "signature": file.signature}


def print_report(report: "EvalReport") -> None:
    """A report for people."""
    model, task = report.model, report.task
    out.line(f"{model.ref}: {model.model_id or model.digest}")
    out.line(f"on {task.name} ({task.source}), {task.split}, {task.items:,} items, {task.data}")
    out.line(
        f"{model.profile}, {model.dtype}, batch {report.settings.batch_size}, "
        f"seed {report.settings.seed}; {report.machine}; "
        f"{datetime.fromtimestamp(report.time, UTC):%Y-%m-%d %H:%M} UTC"
    )
    rows = [_row(part) for part in [*report.metrics, *report.classes]]
    out.table(["metric", "value", "stderr", "95% interval", "items", "by"], rows)
    work = report.work
    paid = f", {work.paid} wei paid" if work.paid != "0" else ""
    out.note(f"{work.answers:,} answers, {work.from_cache:,} had before, {work.seconds} s{paid}")


def _row(part: "MetricPart") -> list[object]:
    interval = f"{_short(part.low)} .. {_short(part.high)}"
    return [part.name, _short(part.value), _short(part.stderr), interval, part.items, part.method]


def _short(text: str) -> str:
    return f"{float(text):.4f}" if abs(float(text)) < 1000 else f"{float(text):.4g}"


def print_comparisons(found: "Sequence[Comparison]") -> None:
    """Each model against the reference, for people."""
    rows = [
        (c.model, c.metric, f"{c.value:.4f}", f"{c.reference:.4f}", f"{c.difference:+.4f}",
         f"{c.stderr:.4f}", f"{c.p:.3g}", c.verdict)
        for c in found
    ]  # fmt: skip
    headers = ["model", "metric", "value", "reference", "difference", "stderr", "p", "verdict"]
    out.table(headers, rows)
    for c in found:
        proof = f"({c.test}, p = {c.p:.3g})"
        if c.verdict == "within the error":
            out.line(f"{c.model} and {c.against}: no difference beyond the error {proof}")
        else:
            out.line(f"{c.model} is {c.verdict} than {c.against} {proof}")
