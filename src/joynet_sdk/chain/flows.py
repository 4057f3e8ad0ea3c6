"""Jobs of several transactions that survive a kill between any two of them.

A *flow* is an ordinary function that calls `run.transact("step name", ...)`. To resume a job the
flow runs again from its top: steps that were mined return their receipts at once, a step that was
signed is sent again and waited for, and the rest happens for the first time. So a flow must take
the same path for the same arguments, and derive what is random or secret from its arguments or a
signature.
"""

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from joynet_sdk.chain.abi import checksum
from joynet_sdk.chain.journal import Job
from joynet_sdk.chain.transactions import (
    Plan,
    Receipt,
    ReplacedError,
    plain,
    receipt_of,
    recover,
    send,
)
from joynet_sdk.errors import ConfigError, RevertedError

if TYPE_CHECKING:
    from joynet_sdk.chain.session import ChainSession, Contract

MAX_APPROVALS = 16  # of one job, each lost to another one
Flow = Callable[["Run"], Any]
_flows: dict[str, Flow | str] = {}


def register(kind: str, flow: Flow | str) -> None:
    """Make jobs of a kind resumable.

    Args:
        kind: e.g. "domain.register"; stored in the journal.
        flow: The function, or "package.module:function", imported when it is needed.
    """
    _flows[kind] = flow


def find(kind: str) -> Flow:
    """The flow of a kind.

    Raises:
        ConfigError: Nothing registered it (the journal is of a later version).
    """
    flow = _flows.get(kind)
    if isinstance(flow, str):
        module, _, name = flow.partition(":")
        flow = getattr(import_module(module), name)
    if flow is None or isinstance(flow, str):
        raise ConfigError(
            f"this version cannot resume jobs of kind {kind!r}", hint="joynet version"
        )
    return flow


class Run:
    """One job being carried out; what a flow gets.

    Attributes:
        session: The chain.
        job: The journal's record; `args` are the job's JSON arguments.
    """

    def __init__(self, session: "ChainSession", job: Job) -> None:
        self.session, self.job = session, job
        self.args = job.args

    def transact(
        self, step: str, contract: "Contract", function: str, *args: Any, value: int = 0
    ) -> Receipt:
        """Call a contract in a transaction, once in the life of the job.

        Args:
            step: Name of the step, unique within the job and the same in every run.
            contract: What to call.
            function: Its function.
            args: Arguments.
            value: ETH to send along, in wei.
        """
        data = contract.abi.encode_call(function, args)
        title = f"{contract.name}.{function}({', '.join(map(_show, args))})"
        plan = Plan(
            title, contract.name, function, args, self.job.account, contract.address, data, value
        )
        return self._receipt(step, plan, contract)

    def approve(self, token: "Contract", spender: str, amount: int, *, before: str) -> None:
        """Allow `spender` to take tokens in a later step, anew if another job has used that up.

        Args:
            token: JoyToken.
            spender: Address that takes them.
            amount: Wei.
            before: Name of the step that takes them.
        """
        self.transact("approve", token, "approve", spender, amount)
        for attempt in range(2, MAX_APPROVALS + 1):
            later = self.session.journal.step(self.job.id, before)
            is_taken = later is not None and later.state != "planned"
            if is_taken or token.call("allowance", self.job.account, spender) >= amount:
                return
            self.transact(f"approve {attempt}", token, "approve", spender, amount)

    def deploy(self, step: str, name: str, *args: Any) -> "Contract":
        """Deploy a shipped contract, once in the life of the job."""
        from joynet_sdk.chain import artifacts

        artifact = artifacts.load(name)
        data = artifact.bytecode + artifact.abi.encode_constructor(args)
        title = f"deploy {name}({', '.join(map(_show, args))})"
        plan = Plan(title, name, "constructor", args, self.job.account, "", data)
        receipt = self._receipt(step, plan, None)
        return self.session.contract(name, checksum(receipt.contract_address or ""))

    def transfer(self, step: str, to: str, value: int) -> Receipt:
        """Send plain ETH, once in the life of the job."""
        plan = Plan(
            f"send {value} wei of ETH to {to}", "", "", [], self.job.account, to, b"", value
        )
        return self._receipt(step, plan, None)

    def _receipt(self, step: str, plan: Plan, contract: "Contract | None") -> Receipt:
        mined = send(self.session, self.job, step, plan)
        return receipt_of(mined, self.session.known_abis(contract))


def start(session: "ChainSession", kind: str, title: str, args: dict[str, Any]) -> Any:
    """Write a job down and carry it out.

    Returns:
        What the flow returns.

    Raises:
        JoyNetError: As the flow; PendingError means that `resume` can finish it.
    """
    flow = find(kind)
    job = session.journal.add_job(session.key, session.account.address, kind, title, plain(args))
    return _carry_out(session, job, flow)


def resume(session: "ChainSession", job_id: int) -> Any:
    """Finish a job that was interrupted; a finished one is checked against the chain.

    Raises:
        ConfigError: It belongs to another chain, or this version does not know its kind.
    """
    job = session.journal.job(job_id)
    if job.chain != session.key:
        chain = job.chain.split(":")[0]
        raise ConfigError(
            f"job {job_id} is on chain {chain} (genesis {job.chain.split(':')[1][:10]}), "
            f"connected to chain {session.chain_id} (genesis {session.genesis[:10]})",
            hint="a devnet that was reset is another chain; check --network",
        )
    return _carry_out(session, job, find(job.kind))


def unfinished(session: "ChainSession") -> list[Job]:
    """Jobs of this chain that are not finished, oldest first."""
    return [job for job in session.journal.jobs(state="open") if job.chain == session.key]


def restore_lost(session: "ChainSession") -> list[str]:
    """Send again every transaction that was out and that the chain has since forgotten.

    Returns:
        Their hashes, in the order sent.
    """
    lost: list[str] = []
    for sender in session.journal.senders(session.key):
        with session.journal.account_lock(session.key, sender, session.timeout_s):
            recover(session, sender, lost)
    return lost


def _carry_out(session: "ChainSession", job: Job, flow: Flow) -> Any:
    is_open = True
    try:
        result = flow(Run(session, job))
        session.journal.finish_job(job.id, "done")
        is_open = False
        return result
    except (RevertedError, ReplacedError) as error:
        if not session.journal.discard_unsent(job.id):
            session.journal.finish_job(job.id, "failed", str(error))
        is_open = False
        raise
    finally:
        if is_open:
            session.journal.discard_unsent(job.id)


def _call(run: Run) -> Receipt:
    """The flow of a single contract call."""
    a = run.args
    contract = run.session.contract(a["contract"], a["address"])
    return run.transact("call", contract, a["function"], *a["args"], value=int(a["value"]))


def _transfer(run: Run) -> Receipt:
    """The flow of a plain ETH transfer."""
    return run.transfer("transfer", run.args["to"], int(run.args["value"]))


def _show(value: Any) -> str:
    text = str(plain(value))
    return text if len(text) <= 70 else text[:67] + "..."


CALL, TRANSFER = "call", "transfer"
register(CALL, _call)
register(TRANSFER, _transfer)
register("contracts.deploy", "joynet_sdk.chain.deploy:deploy_flow")
