"""`joynet proof srs`: the powers of tau that proofs are made and checked with."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from joynet_cli._output import out
from joynet_cli._session import ctx, stop_if_dry_run

if TYPE_CHECKING:
    from joynet_sdk.proofs.runtime import Runtime
    from joynet_sdk.proofs.srs import Srs, SrsStore

app = typer.Typer(help="Make, import and show the SRS of proofs.", no_args_is_help=True)

Device = Annotated[
    str | None, typer.Option("--device", help="OpenCL device: a number or a part of its name.")
]


@app.command()
def new(
    power: Annotated[
        int, typer.Option("--power", min=2, max=24, help="Make at least 2^N points.")
    ] = 16,
    seed: Annotated[
        str | None, typer.Option("--seed", help="Public text that fixes tau [the common one].")
    ] = None,
    device: Device = None,
) -> None:
    """Make or enlarge a development SRS. UNSAFE: whoever knows the seed can forge proofs.

    Contracts and nodes of the development chains use the common seed; other chains refuse it.

    Examples:
      joynet proof srs new
      joynet proof srs new --power 20
      joynet proof srs new --seed "our test network"
    """
    from joynet_sdk.proofs.srs import DEVELOPMENT_SEED

    stop_if_dry_run(f"make 2^{power} points for development", points=2**power)
    with out.progress(f"Making 2^{power} points"):
        srs = _store().development(_runtime(device), power, seed or DEVELOPMENT_SEED)
    out.warn("a development SRS: whoever knows its seed can forge proofs")
    out.result(_described(srs))


@app.command("import")
def import_ptau(
    file: Annotated[Path, typer.Argument(help="A .ptau file of bn128, as snarkjs makes them.")],
    power: Annotated[
        int | None, typer.Option("--power", min=2, max=24, help="Take 2^N points [all].")
    ] = None,
    device: Device = None,
) -> None:
    """Verify a ceremony's powers of tau and keep them.

    Examples:
      joynet proof srs import powersOfTau28_hez_final_20.ptau
      joynet proof srs import powersOfTau28_hez_final_20.ptau --power 16
    """
    stop_if_dry_run(f"verify and keep the points of {file}")
    with out.progress(f"Verifying {file.name}"):
        srs = _store().import_ptau(_runtime(device), file, power)
    out.result(_described(srs))


@app.command()
def show() -> None:
    """Show every SRS of this home.

    Examples:
      joynet proof srs show
      joynet proof srs show --json
    """
    found = [_described(srs) for srs in _store().all()]
    rows = [[each["digest"], each["origin"], each["points"], each["source"]] for each in found]
    out.result(found, lambda _: out.table(["digest", "origin", "points", "source"], rows))


def _store() -> "SrsStore":
    from joynet_sdk.paths import Home
    from joynet_sdk.proofs.srs import SrsStore

    return SrsStore(Home(ctx().home).srs)


def _runtime(device: str | None) -> "Runtime":
    from joynet_sdk.paths import Home
    from joynet_sdk.proofs.runtime import Runtime

    return Runtime.open(device, cache=Home(ctx().home).cache / "kernels")


def _described(srs: "Srs") -> dict[str, Any]:
    return {
        "digest": "0x" + srs.digest.hex(),
        "origin": srs.origin,
        "points": srs.size,
        "source": srs.file.header.source,
        "path": srs.file.path,
    }
