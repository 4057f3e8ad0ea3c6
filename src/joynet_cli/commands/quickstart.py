"""`joynet quickstart`: the whole network on this machine, in a minute."""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from joynet_cli._output import out
from joynet_cli._session import ctx, current, stop_if_dry_run

if TYPE_CHECKING:
    from joynet_sdk.quickstart import Report

app = typer.Typer()


@app.command()
def quickstart(
    nodes: Annotated[int, typer.Option("--nodes", help="Node processes.")] = 3,
    byzantine: Annotated[
        int, typer.Option("--byzantine", help="How many of them answer wrongly.")
    ] = 0,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the network up.")] = False,
    lite: Annotated[
        bool, typer.Option("--lite", help="Only the digits model, without torch.")
    ] = False,
    zk: Annotated[
        bool, typer.Option("--zk", help="Register a circuit too, and have an answer proved.")
    ] = False,
    down: Annotated[bool, typer.Option("--down", help="End a network that was kept.")] = False,
) -> None:
    """Run a whole network on this machine: chain, nodes, models, names, inference, payment.

    Starts a chain with every contract and three node processes, publishes and names two models,
    infers by name (a majority of nodes decides on the digit), pays everybody, verifies the
    receipts offline, and adds up every balance.

    Examples:
      joynet quickstart
      joynet quickstart --byzantine 1
      joynet quickstart --zk
      joynet quickstart --keep
      joynet quickstart --down
    """
    from joynet_sdk import quickstart as network

    home = ctx().home
    if down:
        stop_if_dry_run("stop the network that quickstart left up")
        stopped = network.down(home)
        out.result({"stopped": stopped}, lambda _: out.line(f"stopped {len(stopped)} nodes"))
        return
    options = network.Options(nodes, byzantine, lite, keep, zk)
    stop_if_dry_run(f"run a network of {nodes} nodes below {home}")
    with out.progress("Starting", total=None) as bar:

        def tell(text: str) -> None:
            bar.stage(text)
            if not out.json:
                out.note(f"- {text}")

        report = network.run(home, options, tell)
    out.result(report, lambda _: _print(report, options.keep, home))


def _print(report: "Report", keep: bool, home: Path) -> None:
    from joynet_sdk.quickstart import SAMPLE
    from joynet_sdk.units import format_joy

    out.line()
    out.line(f"digits.joy says: {report.digits['summary']}")
    committee = report.digits["committee"]
    out.line(
        f"  {len(committee['winners'])} of {sum(committee['votes'].values())} nodes agree, "
        f"for {format_joy(int(report.digits['price_wei']))}"
    )
    if report.minilm:
        out.line(f"minilm.joy says: {report.minilm['summary']}")
        out.line(f"  one node, with a receipt, for {format_joy(int(report.minilm['price_wei']))}")
    if report.proved:
        out.line(f"digits.joy proves: {report.proved['summary']}")
        out.line(
            "  one node proved it and a contract checked the proof, for "
            f"{format_joy(int(report.proved['price_wei']))}"
        )
    for slash in report.slashed:
        out.line(f"node {slash['node_id']} lied and lost {format_joy(int(slash['amount_wei']))}")
    out.line()
    rows = [[e["who"], format_joy(int(e["joy_wei"])), e["what"]] for e in report.earned]
    out.table(["who", "earned", "for"], rows)
    out.line()
    _print_books(report.reconciliation)
    count = len(report.receipts)
    verified = "1 receipt verifies" if count == 1 else f"{count} receipts verify"
    out.line(f"{verified} offline; {report.seconds:g} s in all")
    out.line()
    _print_next(keep, home, SAMPLE, report.receipts)


def _print_books(books: dict[str, Any]) -> None:
    from joynet_sdk.units import format_joy

    for name, book in books["books"].items():
        out.line(
            f"{name}: holds {format_joy(int(book['holds_wei']))}, "
            f"owes {format_joy(int(book['owes_wei']))}"
        )
    held = sum(int(wei) for wei in books["holders_wei"].values())
    out.line(
        f"all {len(books['holders_wei'])} holders {format_joy(held)} + burned "
        f"{format_joy(int(books['burned_wei']))} = supply "
        f"{format_joy(int(books['initial_supply_wei']))}, to the wei"
    )


def _print_next(keep: bool, home: Path, sample: Path, receipts: list[str]) -> None:
    joynet = shlex.quote(str(Path(sys.argv[0]).resolve()))
    if current().options["home"]:
        joynet += f" --home {shlex.quote(str(home))}"
    out.line("type next:")
    if keep:
        out.line(f"  {joynet} infer run digits.joy {sample} --verify redundant:3")
        out.line(f"  {joynet} proof register digits.joy --account publisher")
        out.line(f"  {joynet} infer run digits.joy {sample} --verify zk   # once registered")
        out.line(f"  {joynet} domain resolve digits.joy")
        out.line(f"  {joynet} quickstart --down")
    else:
        out.line(f"  {joynet} quickstart --keep        # leaves the network up")
        out.line(f"  {joynet} receipt verify {receipts[0]}")
        out.line(f"  {joynet} quickstart --byzantine 1 # one node lies, and pays for it")
