"""What the chain commands share: open the chain, show a plan, ask."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

from joynet_cli._errors import UsageError
from joynet_cli._output import out
from joynet_cli._session import Context, ctx, password_for

if TYPE_CHECKING:
    from joynet_sdk.chain import Account, ChainSession, Devnet, Plan, Receipt


@contextmanager
def open_chain() -> Iterator["ChainSession"]:
    """The chain of the `network` setting; the account is unlocked when something must be signed."""
    from joynet_sdk.chain import ChainSession
    from joynet_sdk.chain.networks import resolve_url

    context = ctx()

    def confirm(plan: "Plan") -> None:
        show_plan(session, plan)

    session = ChainSession(
        resolve_url(context.home, context.network),
        context.home,
        account=lambda: unlock(context),
        chain_id=context.settings.chain_id,
        timeout_s=context.timeout_s,
        confirm=confirm,
    )
    with session:
        yield session


def unlock(context: Context) -> "Account":
    """The chosen account, unlocked."""
    from joynet_sdk.chain import open_account

    return open_account(context.home, account_name(context), password_for)


def account_name(context: Context) -> str:
    """Name of the account to act with: the setting, or the only key of yours.

    Raises:
        UsageError: None was chosen, and there is not exactly one.
    """
    from joynet_sdk.chain import Keys
    from joynet_sdk.chain.accounts import DEPLOYER

    if context.account:
        return context.account
    names = [name for name in Keys(context.home).names() if name != DEPLOYER]
    if len(names) == 1:
        return names[0]
    choice = f"one of {', '.join(names)}" if names else "none exists yet: joynet account new NAME"
    raise UsageError("no account is chosen", hint=f"--account NAME ({choice})")


def open_devnet() -> "Devnet":
    """The devnet of this home."""
    from joynet_sdk.chain import Devnet

    return Devnet(ctx().home, tell=out.note)


def show_plan(session: "ChainSession", plan: "Plan") -> None:
    """Show what a transaction does and costs, and ask; with --dry-run, stop there."""
    from joynet_sdk.chain.devnet import CHAIN_IDS
    from joynet_sdk.chain.transactions import joy_change
    from joynet_sdk.units import format_joy

    change = joy_change(session, plan)
    document: dict[str, Any] = {
        "plan": plan.title,
        "from": plan.sender,
        "to": plan.receiver or "a new contract",
        "eth_wei": str(plan.value),
        "max_gas_fee_wei": str(plan.gas * plan.max_fee_per_gas),
        "joy_change_wei": None if change is None else str(change),
    }
    if ctx().dry_run:
        out.result(document)
        raise typer.Exit(0)
    out.note(plan.title)
    out.note(f"  from {plan.sender}")
    if plan.value:
        out.note(f"  sends {plan.value / 10**18:.6g} ETH")
    if change:
        out.note(f"  JOY {'+' if change > 0 else ''}{format_joy(change)}")
    out.note(f"  gas at most {plan.gas * plan.max_fee_per_gas / 10**18:.6g} ETH")
    if session.chain_id not in CHAIN_IDS:  # a devnet's money is not real: nothing to ask
        out.confirm("Send it?")


def describe(receipt: "Receipt") -> dict[str, Any]:
    """A receipt as a command prints it."""
    from joynet_sdk.chain.transactions import plain

    return {
        "tx": receipt.tx_hash,
        "block": receipt.block,
        "fee_wei": str(receipt.fee),
        "job": receipt.job,
        "events": [{"event": e.name, "args": plain(e.args)} for e in receipt.events],
    }


def print_receipt(receipt: "Receipt") -> None:
    """Print a receipt: for people one line, with --json the document."""
    out.result(describe(receipt), lambda r: out.line(f"mined in block {r['block']}: {r['tx']}"))
