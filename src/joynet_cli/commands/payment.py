"""`joynet payment`: the escrow that pays for inference."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from joynet_cli._output import out
from joynet_cli._session import open_joynet

if TYPE_CHECKING:
    from joynet_sdk.payments import Balance

app = typer.Typer(help="Set JOY aside to pay for inference.", no_args_is_help=True)

Amount = Annotated[str, typer.Argument(help="JOY, e.g. 1.5, or '250 wei'.")]
Operator = Annotated[str, typer.Argument(help="Address of the node's operator.")]


@app.command()
def deposit(amount: Amount) -> None:
    """Move JOY from your account into escrow.

    Examples:
      joynet payment deposit 10
    """
    from joynet_sdk.units import parse_joy

    wei = parse_joy(amount)
    with open_joynet("Depositing") as joynet:
        joynet.payments.deposit(wei)
        balance = joynet.payments.balance()
    _show(balance)


@app.command()
def balance(
    operator: Annotated[
        list[str] | None, typer.Option("--operator", help="Only its allocation (repeat).")
    ] = None,
) -> None:
    """Show what is in your account, in escrow, and set aside for nodes.

    Examples:
      joynet payment balance
    """
    with open_joynet() as joynet:
        operators = [_address(each) for each in operator] if operator else None
        result = joynet.payments.balance(operators)
    _show(result)


@app.command()
def withdraw(amount: Amount) -> None:
    """Move JOY from the free part of the escrow back to your account.

    Examples:
      joynet payment withdraw 2.5
    """
    from joynet_sdk.units import parse_joy

    wei = parse_joy(amount)
    with open_joynet("Withdrawing") as joynet:
        joynet.payments.withdraw(wei)
        balance = joynet.payments.balance()
    _show(balance)


@app.command()
def allocate(operator: Operator, amount: Amount) -> None:
    """Set free escrow aside for one node; infer run does this by itself when it must.

    Examples:
      joynet payment allocate 0x70997970C51812dc3A010C7d01b50e0d17dc79C8 5
    """
    from joynet_sdk.units import parse_joy

    address, wei = _address(operator), parse_joy(amount)
    with open_joynet("Allocating") as joynet:
        joynet.payments.allocate(address, wei)
        balance = joynet.payments.balance()
    _show(balance)


@app.command()
def deallocate(
    operator: Operator,
    amount: Annotated[str | None, typer.Argument(help="JOY; leave out to finish a thaw.")] = None,
) -> None:
    """Take escrow back from a node: start the thaw, or finish it once it is over.

    Examples:
      joynet payment deallocate 0x70997970C51812dc3A010C7d01b50e0d17dc79C8 5
      joynet payment deallocate 0x70997970C51812dc3A010C7d01b50e0d17dc79C8
    """
    from joynet_sdk.units import parse_joy

    address = _address(operator)
    with open_joynet("Deallocating") as joynet:
        if amount is None:
            joynet.payments.finish_deallocate(address)
        else:
            joynet.payments.deallocate(address, parse_joy(amount))
        balance = joynet.payments.balance()
    _show(balance)


def _address(text: str) -> Any:
    from joynet_sdk.chain.abi import checksum

    return checksum(text)


def _show(balance: "Balance") -> None:
    from joynet_sdk.units import format_joy

    result = {
        "wallet_wei": str(balance.wallet),
        "escrow_free_wei": str(balance.free),
        "escrow_allocated_wei": str(balance.allocated),
    }

    def human(_: dict[str, Any]) -> None:
        out.line(f"account           {format_joy(balance.wallet)}")
        out.line(f"escrow, free      {format_joy(balance.free)}")
        out.line(f"escrow, for nodes {format_joy(balance.allocated)}")

    out.result(result, human)
