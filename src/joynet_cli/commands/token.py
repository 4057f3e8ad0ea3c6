"""`joynet token`: JOY."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from joynet_cli._chain import account_name, open_chain, print_receipt
from joynet_cli._output import out
from joynet_cli._session import Context, ctx

if TYPE_CHECKING:
    from joynet_sdk.types import Address

app = typer.Typer(help="Hold and send JOY.", no_args_is_help=True)

Who = Annotated[str | None, typer.Argument(help="Account name or address; yours by default.")]
Amount = Annotated[str, typer.Argument(help="JOY, e.g. 1.5, or '250 wei'.")]


@app.command()
def info() -> None:
    """Show the token: address, supply, stake.

    Examples:
      joynet token info
    """
    from joynet_sdk.units import format_joy

    with open_chain() as session:
        token = session.contract("JoyToken")
        result = {
            "name": token.call("name"),
            "symbol": token.call("symbol"),
            "decimals": token.call("decimals"),
            "address": token.address,
            "chain_id": session.chain_id,
            "total_supply_wei": str(token.call("totalSupply")),
            "total_staked_wei": str(token.call("total_staked")),
        }

    def human(_: dict[str, Any]) -> None:
        out.line(f"{result['name']} ({result['symbol']}) at {result['address']}")
        out.line(f"supply  {format_joy(int(result['total_supply_wei']))}")
        out.line(f"staked  {format_joy(int(result['total_staked_wei']))}")

    out.result(result, human)


@app.command()
def balance(who: Who = None) -> None:
    """Show how much JOY, and ETH for gas, an account holds.

    Examples:
      joynet token balance
      joynet token balance alice --json
    """
    from joynet_sdk.units import format_joy

    address = address_of(ctx(), who)
    with open_chain() as session:
        token = session.contract("JoyToken")
        joy, staked = token.call("balanceOf", address), token.call("staked", address)
        eth = session.balance(address)
    result = {
        "address": address,
        "joy_wei": str(joy),
        "staked_wei": str(staked),
        "eth_wei": str(eth),
    }

    def human(_: dict[str, Any]) -> None:
        staked_text = f" (and {format_joy(staked)} staked)" if staked else ""
        out.line(f"{format_joy(joy)}{staked_text}, {eth / 10**18:.6g} ETH")

    out.result(result, human)


@app.command()
def transfer(
    to: Annotated[str, typer.Argument(help="Account name or address.")], amount: Amount
) -> None:
    """Send JOY.

    Examples:
      joynet token transfer bob 1.5
      joynet token transfer 0x70997970C51812dc3A010C7d01b50e0d17dc79C8 "250 wei"
    """
    from joynet_sdk.units import parse_joy

    receiver, wei = address_of(ctx(), to), parse_joy(amount)
    with open_chain() as session:
        print_receipt(session.contract("JoyToken").transact("transfer", receiver, wei))


@app.command()
def approve(
    spender: Annotated[str, typer.Argument(help="Contract name, account name or address.")],
    amount: Amount,
) -> None:
    """Let a contract or account spend some of your JOY; replaces the earlier allowance.

    Examples:
      joynet token approve NodeCoordinator 100
    """
    from joynet_sdk.chain import artifacts
    from joynet_sdk.units import parse_joy

    wei = parse_joy(amount)
    with open_chain() as session:
        is_contract = spender in artifacts.names()
        who = session.deployment.address(spender) if is_contract else address_of(ctx(), spender)
        print_receipt(session.contract("JoyToken").transact("approve", who, wei))


def address_of(context: Context, who: str | None) -> "Address":
    """The address of a name or an address; of the chosen account by default."""
    from joynet_sdk.chain import Keys
    from joynet_sdk.chain.abi import checksum
    from joynet_sdk.types import Address

    who = who or account_name(context)
    if who.startswith("0x"):
        return Address(checksum(who))
    return Keys(context.home).info(who).address
