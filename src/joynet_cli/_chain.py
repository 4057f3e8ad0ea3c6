"""What the chain commands share: open the chain, show a plan, ask."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

from joynet_cli._errors import AbortedError, UsageError
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
    with session, tell_unfinished(lambda: session):
        yield session


@contextmanager
def tell_unfinished(chain: "Callable[[], ChainSession]") -> Iterator[None]:
    """After Ctrl-C, say how to finish a job that has begun."""
    from joynet_sdk.chain import flows

    try:
        yield
    except KeyboardInterrupt:
        if flows.unfinished(chain()):
            out.note("a job is not finished: joynet tx resume")
        raise


def unlock(context: Context) -> "Account":
    """The chosen account, unlocked; with --dry-run it stays locked, and only its address counts."""
    from joynet_sdk.chain.accounts import locked_account, open_account

    if context.dry_run:
        return locked_account(context.home, account_name(context))
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
    from joynet_sdk.chain import flows
    from joynet_sdk.chain.transactions import joy_change
    from joynet_sdk.types import DEVELOPMENT_CHAIN_IDS

    change = joy_change(session, plan)
    document: dict[str, Any] = {
        "plan": plan.title,
        "from": plan.sender,
        "to": plan.receiver or "a new contract",
        "eth_wei": str(plan.value),
        "max_gas_fee_wei": str(plan.gas * plan.max_fee_per_gas),
        "joy_change_wei": None if change is None else str(change),
    }
    lines = _plan_lines(plan, change)
    if ctx().dry_run:
        job = session.journal.jobs(state="open")[-1]
        if job.kind not in (flows.CALL, flows.TRANSFER):
            document["job"] = job.title
            lines.insert(0, f"{job.title}, its first transaction:")
        with out.asking():
            out.result(document, lambda _: out.line("\n".join(lines)))
        raise typer.Exit(0)
    if session.chain_id not in DEVELOPMENT_CHAIN_IDS:
        _ask_to_send(session, lines)
        return
    for line in lines:  # a devnet's money is not real: nothing to ask
        out.note(line)


def _ask_to_send(session: "ChainSession", lines: list[str]) -> None:
    try:
        out.confirm("Send it?", lines, session.pause)
    except AbortedError as error:
        if any(session.journal.steps(job.id) for job in session.journal.jobs(state="open")):
            raise AbortedError(str(error), hint="joynet tx list shows what is unfinished") from None
        raise


def _plan_lines(plan: "Plan", change: int | None) -> list[str]:
    from joynet_sdk.units import format_joy

    lines = [plan.title, f"  from {plan.sender}"]
    if plan.value:
        lines.append(f"  sends {plan.value / 10**18:.6g} ETH")
    if change:
        lines.append(f"  JOY {'+' if change > 0 else ''}{format_joy(change)}")
    return [*lines, f"  gas at most {plan.gas * plan.max_fee_per_gas / 10**18:.6g} ETH"]


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
