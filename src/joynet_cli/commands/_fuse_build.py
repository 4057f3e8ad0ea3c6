"""`joynet fuse plan`, `build` and `diff`: merge weights."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from joynet_cli._output import out
from joynet_cli._session import open_joynet, stop_if_dry_run

if TYPE_CHECKING:
    from joynet_sdk.evaluation.smoke import SmokeRecord
    from joynet_sdk.fusion.service import Planned
    from joynet_sdk.fusion.spec import WeightsSpec
    from joynet_sdk.mergeplans import Difference, TensorPlan

Spec = Annotated[Path, typer.Argument(help="YAML file: JoyNet's or mergekit's.", dir_okay=False)]
Models = Annotated[
    list[str] | None,
    typer.Option("--model", help="NAME=REF: what a name in the spec stands for (repeat)."),
]
ShardSize = Annotated[
    str | None, typer.Option("--shard-size", help="Most of one file, e.g. 5GB [2GB].")
]
_UNITS = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "B": 1}


def plan(
    spec: Spec,
    model: Models = None,
    shard_size: ShardSize = None,
    tensors: Annotated[
        bool, typer.Option("--tensors", help="List every tensor with its parameters.")
    ] = False,
) -> None:
    """Say what a build will make and what it takes, without doing it.

    Reads the spec, the parents' configs and the headers of their weights.

    Examples:
      joynet fuse plan fusion.yaml
      joynet fuse plan mergekit.yaml --model mistralai/Mistral-7B-v0.1=./mistral --tensors
    """
    with open_joynet("Planning") as joynet:
        planned = joynet.fusion.plan(_read(spec, shard_size), pairs(model, "--model"))
        seconds = joynet.fusion.seconds(planned)
    result = {**_summary(planned, seconds), "tensors": [_row(one) for one in planned.plan.tensors]}

    def human(_: dict[str, Any]) -> None:
        _print_plan(planned, seconds)
        if tensors:
            rows = [
                [
                    one.name,
                    _shape(one.info.shape),
                    one.info.dtype,
                    one.method,
                    _values(planned, one),
                ]
                for one in planned.plan.tensors
            ]
            out.table(["tensor", "shape", "dtype", "method", "from"], rows)

    out.result(result, human)


def build(
    spec: Spec,
    to: Annotated[Path, typer.Option("--out", help="Folder to make; must be new.")],
    model: Models = None,
    shard_size: ShardSize = None,
    restart: Annotated[
        bool, typer.Option("--restart", help="Throw away what an interrupted build left.")
    ] = False,
    smoke_test: Annotated[
        bool, typer.Option("--smoke-test/--no-smoke-test", help="Check the result for garbage.")
    ] = True,
    task: Annotated[
        str | None, typer.Option("--task", help="Measure on this task too: joynet eval tasks.")
    ] = None,
) -> None:
    """Merge the weights tensor by tensor, then check that the result is no garbage.

    Memory holds a few tensors, whatever the size of the models. Interrupted, by Ctrl-C too, the
    same command goes on where it stopped. The same spec and parents give the same bytes.

    Examples:
      joynet fuse build fusion.yaml --out ./child
      joynet fuse build mergekit.yaml --out ./child --model org/name=./parent --no-smoke-test
    """
    with open_joynet() as joynet:
        planned = joynet.fusion.plan(_read(spec, shard_size), pairs(model, "--model"))
        stop_if_dry_run(f"build {to}", **_summary(planned, joynet.fusion.seconds(planned)))
        total = sum(one.info.size for one in planned.plan.tensors)
        with out.progress(f"Building {to}", total) as bar:
            joynet.fusion.build(planned, to, is_fresh=restart, on_bytes=bar.advance)
        for note in planned.plan.notes:
            out.warn(note)
        verdict = None
        if smoke_test:
            with out.progress("Checking the result"):
                verdict = joynet.fusion.smoke(to, list(planned.folders.values()), task)
    result = {
        "path": str(to),
        "tensors": len(planned.plan.tensors),
        "bytes": planned.plan.size,
        "smoke": None if verdict is None else verdict.is_passed,
        "reasons": [] if verdict is None else verdict.reasons,
    }

    def human(_: dict[str, Any]) -> None:
        out.line(f"built   {to}: {len(planned.plan.tensors)} tensors, {_size(planned.plan.size)}")
        if verdict is not None:
            out.line("checks  " + ("passed" if verdict.is_passed else "FAILED"))
        out.note(f"next: joynet fuse test {to}; joynet fuse publish {to} --price JOY")

    out.result(result, human, error=_refusal(verdict))


def diff(
    first: Annotated[str, typer.Argument(help="Folder or REF.")],
    second: Annotated[str, typer.Argument(help="Folder or REF.")],
    top: Annotated[
        int, typer.Option("--top", min=1, help="Show so many tensors, those furthest apart.")
    ] = 20,
) -> None:
    """Compare two models tensor by tensor: cosine, distance, largest difference.

    Examples:
      joynet fuse diff ./child ./parent
      joynet fuse diff duo.joy digits.joy --top 5
    """
    with open_joynet("Comparing") as joynet:
        found = joynet.fusion.diff(first, second)
    result = [_difference(one) for one in found]

    def human(_: list[dict[str, Any]]) -> None:
        common = [one for one in found if one.l2 is not None]
        same = [one for one in common if one.largest == 0]
        out.line(f"{len(found)} tensors: {len(same)} equal, {len(common) - len(same)} differ, "
                 f"{len(found) - len(common)} in one model only or of another shape")  # fmt: skip
        worst = sorted(found, key=lambda one: -(one.relative if one.relative is not None else 9e9))
        rows = [
            [
                one.name,
                _number(one.cosine, ".6f"),
                _number(one.l2, ".4g"),
                _number(one.relative, ".3%"),
                _number(one.largest, ".3g"),
            ]
            for one in worst[:top]
        ]
        out.table(["tensor", "cosine", "L2", "relative", "largest"], rows)

    out.result(result, human)


def pairs(values: list[str] | None, option: str) -> dict[str, str]:
    """NAME=REF options as a mapping.

    Raises:
        UsageError: No "=", or a name twice.
    """
    from joynet_cli._errors import UsageError

    found: dict[str, str] = {}
    for value in values or []:
        name, equals, ref = value.rpartition("=")
        if not equals or not name or not ref or name in found:
            raise UsageError(f"{option} {value!r}, expected NAME=VALUE, each name once")
        found[name] = ref
    return found


def _read(path: Path, shard_size: str | None) -> "WeightsSpec":
    from joynet_sdk.errors import InvalidInputError
    from joynet_sdk.fusion.mergekit_yaml import read_spec
    from joynet_sdk.fusion.spec import WeightsSpec

    spec = read_spec(path)
    if not isinstance(spec, WeightsSpec):
        raise InvalidInputError(
            f"{path} is a composition, expected a merge of weights", hint="joynet fuse compose"
        )
    return spec if shard_size is None else spec.with_shards(_bytes(shard_size))


def _bytes(text: str) -> int:
    from joynet_cli._errors import UsageError

    for unit, factor in _UNITS.items():
        number = text.upper().removesuffix(unit)
        if number != text.upper():
            try:
                return int(float(number) * factor)
            except ValueError:
                break
    raise UsageError(f"--shard-size {text!r}, expected e.g. 5GB or 500MB")


def _refusal(verdict: "SmokeRecord | None") -> Any:
    from joynet_sdk.errors import VerificationError

    if verdict is None:
        return None
    try:
        verdict.require()
    except VerificationError as error:
        return error
    return None


def _summary(planned: "Planned", seconds: float) -> dict[str, Any]:
    made = planned.plan
    return {
        "method": planned.spec.merge_method,
        "parents": {
            name: {"model": origin.model_id, "folder": str(origin.folder)}
            for name, origin in planned.parents.items()
        },
        "parameters": made.parameters,
        "bytes_read": planned.parent_bytes,
        "bytes_written": made.size,
        "files": [shard.name for shard in made.shards] + sorted(made.files),
        "peak_bytes": made.peak,
        "largest_tensor_bytes": made.largest,
        "seconds": round(seconds, 1),
        "notes": list(made.notes),
    }


def _print_plan(planned: "Planned", seconds: float) -> None:
    made = planned.plan
    out.line(f"method   {planned.spec.merge_method}")
    for name, origin in planned.parents.items():
        known = "" if origin.model_id is None else f" (0x{origin.model_id.hex()[:8]}...)"
        out.line(f"parent   {name}{known}")
    out.line(f"result   {len(made.tensors)} tensors, {made.parameters:,} parameters")
    out.line(f"files    {len(made.shards)} of weights, {len(made.files)} others")
    out.line(f"reads    {_size(planned.parent_bytes)}, writes {_size(made.size)}")
    ratio = made.peak / max(1, made.largest)
    out.line(f"memory   {_size(made.peak)} beside the program: {ratio:.1f} x the largest tensor")
    out.line(f"time     about {_time(seconds)} of computing on this machine")
    for note in made.notes:
        out.line(f"note     {note}")


def _row(tensor: "TensorPlan") -> dict[str, Any]:
    return {
        "name": tensor.name,
        "shape": list(tensor.info.shape),
        "dtype": tensor.info.dtype,
        "method": tensor.method,
        "sources": [
            {"parent": one.parent, "tensor": one.name, "parameters": dict(one.parameters)}
            for one in tensor.sources
        ],
        "base": None if tensor.base is None else tensor.base.parent,
        "settings": dict(tensor.settings),
        "aligned": tensor.alignment is not None,
    }


def _values(planned: "Planned", tensor: "TensorPlan") -> str:
    parts = []
    for source in tensor.sources:
        given = ", ".join(f"{name} {value:g}" for name, value in source.parameters.items())
        place = planned.plan.parents[source.parent]
        named = "" if source.name == tensor.name else f":{source.name}"
        parts.append(f"{place}{named}" + (f" ({given})" if given else ""))
    settings = ", ".join(f"{name} {value:g}" for name, value in tensor.settings.items())
    return "; ".join([*parts, *([settings] if settings else [])])


def _difference(one: "Difference") -> dict[str, Any]:
    return {
        "name": one.name,
        "shapes": [None if shape is None else list(shape) for shape in one.shapes],
        "cosine": one.cosine,
        "l2": one.l2,
        "relative": one.relative,
        "largest": one.largest,
    }


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "scalar"


def _size(count: int) -> str:
    for unit in ("B", "KB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count = count / 1000  # type: ignore[assignment]
    return f"{count:.3g} GB"


def _time(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
