"""`joynet devnet`: a private chain on this machine."""

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from joynet_cli._chain import open_devnet
from joynet_cli._output import out
from joynet_cli._session import stop_if_dry_run
from joynet_sdk.errors import InvalidInputError

if TYPE_CHECKING:
    from joynet_sdk.chain.devnet import DevnetStatus

app = typer.Typer(help="Run a development chain on this machine.", no_args_is_help=True)

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_DURATION = re.compile(r"(\d+)([smhdw])")


@app.command()
def up() -> None:
    """Start the devnet, or leave it running; anvil is installed when it is missing.

    Examples:
      joynet devnet up
    """
    stop_if_dry_run("start the devnet")
    with out.progress("Starting the devnet"):
        status = open_devnet().up()
    out.result(_describe(status), _print)


@app.command()
def status() -> None:
    """Show whether it runs, its address, block and clock.

    Examples:
      joynet devnet status --json
    """
    out.result(_describe(open_devnet().status()), _print)


@app.command()
def fund(
    address: Annotated[str, typer.Argument(help="Account name or address.")],
    joy: Annotated[str, typer.Option("--joy", help="JOY to give.")] = "1000",
    eth: Annotated[str, typer.Option("--eth", help="ETH to give, for gas.")] = "10",
) -> None:
    """Give an account JOY and ETH from the devnet's own treasury.

    Examples:
      joynet devnet fund alice
      joynet devnet fund 0x70997970C51812dc3A010C7d01b50e0d17dc79C8 --joy 0 --eth 1
    """
    from joynet_cli._session import ctx
    from joynet_sdk.chain import Keys
    from joynet_sdk.chain.abi import checksum
    from joynet_sdk.units import parse_joy

    to = checksum(address) if address.startswith("0x") else Keys(ctx().home).info(address).address
    joy_wei, eth_wei = parse_joy(joy), parse_joy(eth)  # ETH has 18 decimals too
    given = {"address": to, "joy_wei": str(joy_wei), "eth_wei": str(eth_wei)}
    stop_if_dry_run(f"give {joy} JOY and {eth} ETH to {to}", **given)
    with out.progress("Funding"):
        open_devnet().fund(to, joy_wei=joy_wei, eth_wei=eth_wei)
    out.result(given, lambda g: out.line(f"gave {joy} JOY and {eth} ETH to {g['address']}"))


@app.command("time-travel")
def time_travel(
    duration: Annotated[str, typer.Argument(help="How far: 90, 30s, 5m, 2h, 7d, 1d12h.")],
) -> None:
    """Move the chain's clock forward.

    Examples:
      joynet devnet time-travel 2h
    """
    seconds = parse_duration(duration)
    stop_if_dry_run(f"move the chain's clock forward by {seconds} s")
    now = open_devnet().time_travel(seconds)
    out.result({"time": now}, lambda r: out.line(f"the chain's clock is at {_date(r['time'])}"))


@app.command()
def snapshot(
    name: Annotated[str, typer.Argument(help="Name to keep the chain under.")] = "default",
) -> None:
    """Keep the chain as it is now, to come back to with `restore`.

    Examples:
      joynet devnet snapshot before-launch
    """
    stop_if_dry_run(f"keep the chain as {name}")
    open_devnet().snapshot(name)
    out.result({"snapshot": name}, lambda r: out.line(f"kept as {name}"))


@app.command()
def restore(
    name: Annotated[str, typer.Argument(help="Name of a snapshot.")] = "default",
) -> None:
    """Go back to a snapshot; what happened since is lost.

    Examples:
      joynet devnet restore before-launch
    """
    stop_if_dry_run(f"go back to snapshot {name}")
    out.confirm(f"Throw away what happened since snapshot {name}?")
    with out.progress("Restoring"):
        status = open_devnet().restore(name)
    out.result(_describe(status), _print)


@app.command()
def reset() -> None:
    """Throw the chain away; the next `up` starts a new one with another chain id.

    Examples:
      joynet devnet reset --yes
    """
    stop_if_dry_run("throw the devnet's chain away")
    out.confirm("Throw the devnet's chain away?")
    open_devnet().reset()
    out.result({"reset": True}, lambda r: out.line("the chain is gone: joynet devnet up"))


@app.command()
def down() -> None:
    """Stop the devnet; its chain stays on disk.

    Examples:
      joynet devnet down
    """
    stop_if_dry_run("stop the devnet")
    open_devnet().down()
    out.result({"stopped": True}, lambda r: out.line("stopped; the chain is kept"))


def parse_duration(text: str) -> int:
    """Seconds of "90", "30s", "2h" or "1d12h".

    Raises:
        InvalidInputError: None of these.
    """
    if text.isascii() and text.isdigit():
        return int(text)
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise InvalidInputError(f"duration is {text!r}, expected e.g. 90, 30s, 5m, 2h, 7d or 1d12h")
    return sum(int(number) * _UNITS[unit] for number, unit in parts)


def _describe(status: "DevnetStatus") -> dict[str, Any]:
    return {
        "running": status.is_running,
        "url": status.url,
        "chain_id": status.chain_id,
        "pid": status.pid,
        "block": status.block,
        "time": status.time,
        "state_bytes": status.state_bytes,
        "folder": status.folder,
        "snapshots": list(status.snapshots),
    }


def _print(status: dict[str, Any]) -> None:
    if not status["running"]:
        out.line("not running: joynet devnet up")
        return
    out.line(f"running at {status['url']}")
    clock = _date(status["time"])
    out.line(f"chain {status['chain_id']}, block {status['block']}, clock {clock}")


def _date(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"
