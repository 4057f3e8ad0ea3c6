"""`joynet domain reverse`: what an account calls itself."""

from typing import TYPE_CHECKING, Annotated

import typer

from joynet_cli._output import out
from joynet_cli._session import ctx, open_joynet

if TYPE_CHECKING:
    from joynet_sdk.domains.reverse import ReverseName

app = typer.Typer(help="Name an account; names are always checked forward.", no_args_is_help=True)


@app.command("set")
def set_name(
    name: Annotated[str, typer.Argument(help='A name whose address is yours; "" for none.')],
) -> None:
    """Make your account call itself by a name whose address it is.

    Examples:
      joynet domain reverse set alice.joy
    """
    with open_joynet("Naming the account") as joynet:
        found = joynet.domains.reverse.set(name)
    out.result(found, _print)


@app.command()
def lookup(
    account: Annotated[str | None, typer.Argument(help="Account name or address [yours].")] = None,
) -> None:
    """Show the name of an account, if that name's address is the account.

    Examples:
      joynet domain reverse lookup 0x70997970C51812dc3A010C7d01b50e0d17dc79C8
    """
    from joynet_cli.commands.token import address_of

    address = address_of(ctx(), account)
    with open_joynet() as joynet:
        found = joynet.domains.reverse.lookup(address)
    out.result(found, _print)


def _print(found: "ReverseName") -> None:
    if found.name:
        out.line(f"{found.account} is {found.name}")
    elif found.claimed:
        out.line(f"{found.account} claims {found.claimed}: not true, {found.reason}")
    else:
        out.line(f"{found.account} has no name")
