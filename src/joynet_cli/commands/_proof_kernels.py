"""`joynet proof kernels`: the OpenCL devices that proofs are made on."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from joynet_cli._output import out
from joynet_cli._session import ctx, stop_if_dry_run

if TYPE_CHECKING:
    from joynet_sdk.proofs.kernel_bench import Timing
    from joynet_sdk.proofs.runtime import Runtime
    from joynet_sdk.proofs.selftest import Outcome

app = typer.Typer(help="See, test and time the OpenCL devices.", no_args_is_help=True)

Device = Annotated[
    str | None, typer.Option("--device", help="OpenCL device: a number or a part of its name.")
]


@app.command("list")
def list_(device: Device = None) -> None:
    """List the devices in the order of choice: GPU, accelerator (FPGA), CPU.

    Examples:
      joynet proof kernels list
      joynet proof kernels list --device cpu
    """
    from joynet_sdk.proofs.devices import ranked, select

    chosen = select(device)[0]
    rows = [
        {
            "number": number,
            "chosen": each == chosen,
            "kind": each.kind,
            "name": each.name,
            "platform": each.platform,
            "version": each.version,
            "driver": each.driver,
            "units": each.compute_units,
            "memory_bytes": each.memory_bytes,
        }
        for number, (each, _) in enumerate(ranked())
    ]

    def human(rows: list[dict[str, Any]]) -> None:
        out.table(
            ["", "no", "kind", "name", "platform", "units", "memory"],
            [
                (
                    "*" if row["chosen"] else "",
                    row["number"],
                    row["kind"],
                    row["name"],
                    f"{row['platform']} {row['driver']}",
                    row["units"],
                    f"{row['memory_bytes'] / 1e9:.1f} GB",
                )
                for row in rows
            ],
        )

    out.result(rows, human)


@app.command()
def selftest(device: Device = None) -> None:
    """Compare every kernel with the reference. Exits with 10 when one is wrong.

    Examples:
      joynet proof kernels selftest
      joynet proof kernels selftest --device gpu
    """
    outcomes = _checked(_open(device))
    _report(outcomes, outcomes)


@app.command()
def bench(
    device: Device = None,
    power: Annotated[
        int, typer.Option("--power", min=10, max=22, help="Use vectors of 2^N elements.")
    ] = 16,
) -> None:
    """Time the kernels that a proof is made of.

    Examples:
      joynet proof kernels bench
      joynet proof kernels bench --power 20
    """
    from joynet_sdk.proofs.kernel_bench import run_benchmarks

    runtime = _open(device)
    with out.progress(f"Timing kernels on {runtime.device.name}"):
        timings = list(run_benchmarks(runtime, power))

    def human(timings: "list[Timing]") -> None:
        out.table(
            ["kernel", "size", "cpu s", "wall s", "ns each"],
            [
                (t.name, t.size, f"{t.cpu_s:.3f}", f"{t.wall_s:.3f}", f"{t.ns_each:.1f}")
                for t in timings
            ],
        )

    out.result(timings, human)


@app.command()
def build(device: Device = None) -> None:
    """Compile all kernels, check them, and keep the binaries, which are preferred from then on.

    Devices that compile for hours, or elsewhere (FPGAs), need this once: copy the folder to the
    same place in the other machine's home.

    Examples:
      joynet proof kernels build
      joynet proof kernels build --device accelerator
    """
    runtime = _open(device)
    stop_if_dry_run(f"compile the kernels for {runtime.device.name}")
    outcomes = _checked(runtime)
    programs = runtime.programs
    _report(
        {
            "folder": programs.folder,
            "built": programs.built,
            "loaded": programs.loaded,
            "checks": outcomes,
        },
        outcomes,
    )
    out.note(f"{programs.built} built, {programs.loaded} loaded: {programs.folder}")


def _open(device: str | None) -> "Runtime":
    from joynet_sdk.paths import Home
    from joynet_sdk.proofs.runtime import Runtime

    return Runtime.open(device, cache=Home(ctx().home).cache / "kernels")


def _checked(runtime: "Runtime") -> "list[Outcome]":
    from joynet_sdk.proofs.selftest import run_selftests

    with out.progress(f"Checking kernels on {runtime.device.name}"):
        return list(run_selftests(runtime))


def _report(value: object, outcomes: "list[Outcome]") -> None:
    """Print `value`, the checks as a table; wrong kernels are an error."""
    from joynet_sdk.errors import VerificationError

    wrong = [outcome.name for outcome in outcomes if not outcome.is_passed]
    error = VerificationError(f"this device computes wrong: {', '.join(wrong)}") if wrong else None

    def human(_: object) -> None:
        rows = [
            ("ok" if each.is_passed else "WRONG", each.name, f"{each.seconds:.1f} s", each.detail)
            for each in outcomes
        ]
        out.table(["", "kernel", "took", "detail"], rows)

    out.result(value, human, error=error)
