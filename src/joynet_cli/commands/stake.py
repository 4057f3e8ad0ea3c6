"""`joynet stake`: JOY that votes, earns and answers for nodes."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from joynet_cli._output import out
from joynet_cli._session import ctx, open_joynet

if TYPE_CHECKING:
    from joynet_sdk.client import JoyNet
    from joynet_sdk.token import Stake
    from joynet_sdk.types import Address

DAY_S = 86_400

app = typer.Typer(help="Stake JOY: it votes, it earns, it answers for nodes.", no_args_is_help=True)

Amount = Annotated[str, typer.Argument(help="JOY, e.g. 1.5, or '250 wei'.")]
Who = Annotated[str | None, typer.Argument(help="Account name or address; yours by default.")]


@app.command()
def show(who: Who = None) -> None:
    """Show stake, votes, provisions, what is on its way out and until when, and rewards.

    Examples:
      joynet stake show
      joynet stake show alice --json
    """
    from joynet_cli.commands.token import address_of

    address = address_of(ctx(), who)
    with open_joynet() as joynet:
        found = joynet.staking.position(address)
    _print(found)


@app.command()
def add(amount: Amount) -> None:
    """Stake JOY. It votes for you, unless you delegate it, and earns a part of platform fees.

    Examples:
      joynet stake add 200
    """
    from joynet_sdk.units import parse_joy

    wei = parse_joy(amount)
    with open_joynet("Staking") as joynet:
        joynet.staking.add(wei)
        found = joynet.staking.position()
    _print(found)


@app.command()
def provision(
    service: Annotated[str, typer.Argument(help="Contract name or address.")], amount: Amount
) -> None:
    """Let free stake answer for your nodes: a service may slash what is provisioned to it.

    Examples:
      joynet stake provision NodeCoordinator 500
    """
    from joynet_sdk.units import parse_joy

    wei = parse_joy(amount)
    with open_joynet("Provisioning") as joynet:
        joynet.staking.provision(_address(joynet, service), wei)
        found = joynet.staking.position()
    _print(found)


@app.command()
def remove(
    amount: Amount,
    service: Annotated[
        str | None,
        typer.Option("--from", help="Take it back from this service: contract name or address."),
    ] = None,
) -> None:
    """Take JOY out of stake: no vote and no rewards from now on, to withdraw after the delay.

    Examples:
      joynet stake remove 50
      joynet stake remove 500 --from NodeCoordinator
    """
    from joynet_sdk.units import parse_joy

    wei = parse_joy(amount)
    with open_joynet("Removing stake") as joynet:
        chosen = None if service is None else _address(joynet, service)
        ticket = joynet.staking.remove(wei, chosen)
        found = joynet.staking.position()
    out.note(f"from {_date(ticket.ends_at)} on: joynet stake withdraw")
    _print(found, ticket=ticket.number)


@app.command()
def withdraw() -> None:
    """Get back what was removed and whose delay is over. Interrupted: joynet tx resume.

    Examples:
      joynet stake withdraw
    """
    from joynet_sdk.units import format_joy

    with open_joynet("Withdrawing stake") as joynet:
        paid = joynet.staking.withdraw()
        found = joynet.staking.position()
    out.note(f"withdrew {format_joy(paid)}" if paid else "what has thawed is free stake again")
    _print(found, paid_wei=str(paid))


@app.command()
def claim() -> None:
    """Collect what your stake has earned.

    Examples:
      joynet stake claim
    """
    from joynet_sdk.units import format_joy

    with open_joynet("Claiming rewards") as joynet:
        paid = joynet.staking.claim()
    result = {"paid_wei": str(paid)}
    out.result(result, lambda _: out.line(f"paid {format_joy(paid)}"))


def _address(joynet: "JoyNet", service: str) -> "Address":
    """The address of a contract of the deployment, or the address itself."""
    from joynet_sdk.chain.abi import checksum
    from joynet_sdk.types import Address

    if service.startswith("0x"):
        return Address(checksum(service))
    return Address(joynet.chain.deployment.address(service))


def _print(found: "Stake", **outcome: object) -> None:
    """Print a position; `outcome` says what the command did, to programs."""
    document = {
        **outcome,
        "account": found.account,
        "joy_wei": str(found.wallet),
        "staked_wei": str(found.staked),
        "free_wei": str(found.free),
        "votes_wei": str(found.votes),
        "delegate": found.delegate,
        "rewards_wei": str(found.rewards),
        "delay_s": found.delay_s,
        "provisions": [
            {
                "service": each.service,
                "name": each.name or None,
                "active_wei": str(each.active),
                "thawing_wei": str(each.thawing),
                "thaw_ends": each.thaw_ends or None,
            }
            for each in found.provisions
        ],
        "tickets": [
            {
                "ticket": each.number,
                "amount_wei": str(each.amount),
                "ends_at": each.ends_at,
                "is_over": each.ends_at <= found.now,
            }
            for each in found.tickets
        ],
    }
    out.result(document, lambda _: _lines(found))


def _lines(found: "Stake") -> None:
    from joynet_sdk.units import format_joy

    whom = "itself" if found.delegate == found.account else found.delegate or "nobody yet"
    out.line(f"staked   {format_joy(found.staked)}, voted by {whom}")
    out.line(f"free     {format_joy(found.free)}, in no provision")
    out.line(f"votes    {format_joy(found.votes)}")
    out.line(f"rewards  {format_joy(found.rewards)}")
    out.line(f"account  {format_joy(found.wallet)}, not at stake")
    out.line(f"delay    {found.delay_s / DAY_S:g} days, to take stake out")
    for each in found.provisions:
        out.line(f"{each.name or each.service} may slash {format_joy(each.active + each.thawing)}")
        if each.thawing:
            is_over = each.thaw_ends <= found.now
            when = "has thawed" if is_over else f"thaws until {_date(each.thaw_ends)}"
            out.line(f"  of it {format_joy(each.thawing)} {when}")
    for ticket in found.tickets:
        is_over = ticket.ends_at <= found.now
        when = "its delay is over" if is_over else f"waits until {_date(ticket.ends_at)}"
        out.line(f"ticket {ticket.number}: {format_joy(ticket.amount)}, {when}")


def _date(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
