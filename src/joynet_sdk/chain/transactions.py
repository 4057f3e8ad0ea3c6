"""One transaction, from simulation to receipt, written down at each stage.

simulate -> show the plan -> sign -> store the bytes -> broadcast -> wait. Choosing the nonce,
signing, storing and broadcasting happen under one lock per (chain, account) across processes.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from joynet_sdk.chain.abi import Abi, Event
from joynet_sdk.chain.journal import Job, Step
from joynet_sdk.chain.reverts import explain, reverted
from joynet_sdk.chain.rpc import RpcError, quantity
from joynet_sdk.errors import (
    ConfigError,
    InsufficientFundsError,
    JoyNetError,
    NotFoundError,
    PendingError,
    RevertedError,
)

if TYPE_CHECKING:
    from joynet_sdk.chain.session import ChainSession

GAS_MARGIN = 1.25  # what is used may grow between the simulation and the block
GAS_SPARE = 30_000  # a storage slot that was in use when simulated and is empty when mined
MIN_TIP_WEI = 10**6
BASE_FEE_HEADROOM = 3  # survives nine full blocks in a row (EIP-1559: +12.5% each)
POLL_S = 0.05
_KNOWN = ("already known", "already imported", "known transaction", "nonce too low")


class ReplacedError(JoyNetError):
    """The nonce of a stored transaction was used by another one: it can never be mined.

    Attributes:
        step: The journal's step.
    """

    code = "replaced"

    def __init__(self, step: Step) -> None:
        self.step = step
        super().__init__(
            f"job {step.job} step {step.name!r}: nonce {step.nonce} of {step.sender} was used by "
            f"another transaction; this one never took effect",
            hint="run the command again if you still want it",
        )


@dataclass(frozen=True)
class Plan:
    """What is about to be sent.

    Attributes:
        title: `Contract.function(arguments)` or what else happens.
        contract: Name of the contract called; "" for a plain transfer.
        function: Function called.
        args: Its arguments.
        sender: Who signs and pays.
        receiver: Address called; "" deploys.
        data: Calldata or initcode.
        value: ETH sent along, in wei.
        gas: Gas limit.
        max_fee_per_gas: Wei.
        max_priority_fee_per_gas: Wei.
    """

    title: str
    contract: str
    function: str
    args: Sequence[Any]
    sender: str
    receiver: str
    data: bytes
    value: int = 0
    gas: int = 0
    max_fee_per_gas: int = 0
    max_priority_fee_per_gas: int = 0

    @property
    def max_cost(self) -> int:
        """The most ETH it can cost, in wei."""
        return self.value + self.gas * self.max_fee_per_gas


@dataclass(frozen=True)
class Receipt:
    """A mined transaction.

    Attributes:
        tx_hash: 0x + 64 hex.
        block: Block number.
        gas_used: Gas.
        fee: ETH paid for gas, in wei.
        contract_address: Where a deployment landed, or None.
        events: Decoded logs of the contract called (and of others whose ABI was known).
        job: Journal job.
    """

    tx_hash: str
    block: int
    gas_used: int
    fee: int
    contract_address: str | None
    events: list[Event]
    job: int

    def event(self, name: str) -> Event:
        """The first event of this name.

        Raises:
            LookupError: The transaction logged none.
        """
        for event in self.events:
            if event.name == name:
                return event
        raise LookupError(f"{self.tx_hash} logged no {name}, only {[e.name for e in self.events]}")


def simulate(session: "ChainSession", plan: Plan) -> Plan:
    """Try it without sending: fills in gas and fees.

    Raises:
        RevertedError: The contract refuses it.
        InsufficientFundsError: The sender cannot pay for it.
    """
    request = {"from": plan.sender, "data": "0x" + plan.data.hex(), "value": hex(plan.value)}
    if plan.receiver:
        request["to"] = plan.receiver
    try:
        gas = quantity(session.rpc.call("eth_estimateGas", request))
    except RpcError as error:
        have = session.balance(plan.sender)
        raise explain(error, plan.contract, have=have, need=plan.value) from error
    block = session.block("latest")
    base_fee = quantity(block.get("baseFeePerGas", "0x0"))
    tip = max(quantity(session.rpc.call("eth_maxPriorityFeePerGas")), MIN_TIP_WEI)
    limit = min(int(gas * GAS_MARGIN) + GAS_SPARE, quantity(block["gasLimit"]))
    max_fee = base_fee * BASE_FEE_HEADROOM + tip
    plan = replace(plan, gas=limit, max_fee_per_gas=max_fee, max_priority_fee_per_gas=tip)
    have = session.balance(plan.sender)
    if have < plan.max_cost:
        hint = f"send it ETH; on a devnet: joynet devnet fund {plan.sender} --eth 1"
        raise InsufficientFundsError("ETH for gas", have, plan.max_cost, hint=hint)
    return plan


def joy_change(session: "ChainSession", plan: Plan) -> int | None:
    """How a plan changes the sender's JOY, in wei; None when the node cannot simulate logs."""
    request = {"from": plan.sender, "input": "0x" + plan.data.hex(), "value": hex(plan.value)}
    if plan.receiver:
        request["to"] = plan.receiver
    try:
        token = session.contract("JoyToken")
        query = {"blockStateCalls": [{"calls": [request]}]}
        blocks = session.rpc.call("eth_simulateV1", query, "latest")
        logs = blocks[0]["calls"][0]["logs"]
    except (RpcError, ConfigError, NotFoundError, LookupError, TypeError):
        return None
    change = 0
    for log in logs:
        if log["address"].lower() != token.address.lower():
            continue
        event = token.abi.decode_log({"blockHash": "", "transactionHash": "", **log})
        if event is not None and event.name == "Transfer":
            change += event.args["value"] * (event.args["receiver"] == plan.sender)
            change -= event.args["value"] * (event.args["sender"] == plan.sender)
    return change


def send(session: "ChainSession", job: Job, name: str, plan: Plan) -> Step:
    """Carry out one step of a job, or finish it if an earlier run began it.

    Returns:
        The step, mined.

    Raises:
        RevertedError, InsufficientFundsError: Before or after it was sent.
        PendingError: Sent, but not mined in time.
        ReplacedError: An earlier run signed it, and its nonce is gone.
    """
    step = session.journal.step(job.id, name)
    if step is None or step.state == "planned":
        plan = simulate(session, plan)
        session.confirm(plan)
        session.pause()
        call = {"contract": plan.contract, "function": plan.function, "args": plain(plan.args)}
        step = session.journal.plan(job, name, plan.receiver, call, plan.value)
        step = _sign_and_broadcast(session, step, plan)
    return settle(session, step)


def _sign_and_broadcast(session: "ChainSession", step: Step, plan: Plan) -> Step:
    from joynet_sdk.chain import _ape

    provider = session.provider()
    account = session.account_for(step.sender)
    with session.journal.account_lock(session.key, step.sender, session.timeout_s):
        nonce = recover(session, step.sender)
        fields: dict[str, Any] = {
            "chainId": session.chain_id,
            "from": step.sender,
            "nonce": nonce,
            "value": plan.value,
            "data": plan.data,
            "gas": plan.gas,
            "maxFeePerGas": plan.max_fee_per_gas,
            "maxPriorityFeePerGas": plan.max_priority_fee_per_gas,
        }
        if plan.receiver:
            fields["to"] = plan.receiver
        unsigned = _ape.build(provider, fields).model_dump(by_alias=True, exclude={"sender"})
        unsigned.pop("from", None)
        signed = account.sign_transaction(unsigned)
        session.journal.set_signed(step, nonce, signed.raw, signed.hash)
        step = _reload(session, step)
        _broadcast(session, step)
    return _reload(session, step)


def recover(session: "ChainSession", sender: str, lost: list[str] | None = None) -> int:
    """Send again what the chain has lost, and return the account's next nonce.

    Only bytes that were broadcast before are sent again; a transaction that was signed but never
    left is left to `tx resume`. Hold the account's lock.

    Args:
        session: The chain.
        sender: Whose transactions.
        lost: Gets the hashes of what was sent again.
    """
    nonce = quantity(session.rpc.call("eth_getTransactionCount", sender, "pending"))
    for step in session.journal.steps_from_nonce(session.key, sender, nonce):
        if step.state in ("sent", "mined", "failed") and step.nonce == nonce:
            _broadcast(session, step)
            nonce += 1
            if lost is not None and step.hash is not None:
                lost.append(step.hash)
    return nonce


def _broadcast(session: "ChainSession", step: Step) -> None:
    from joynet_sdk.chain import _ape

    assert step.raw is not None, "only signed steps are broadcast"
    try:
        _ape.broadcast(session.provider(), step.raw)
    except RpcError as error:
        if not any(text in error.text.lower() for text in _KNOWN):
            have = session.balance(step.sender)
            raise explain(error, step.call["contract"], have=have, need=step.value) from error
    session.journal.set_state(step, "sent")


def settle(session: "ChainSession", step: Step) -> Step:
    """Bring a signed step to its end: see whether it was mined, lost or replaced, and act.

    Returns:
        The step, mined.

    Raises:
        RevertedError: It was mined and reverted.
        ReplacedError: Another transaction used its nonce.
        PendingError: Still not mined after the session's time-out.
    """
    assert step.hash is not None, "only signed steps are settled"
    deadline = time.monotonic() + session.timeout_s
    while True:
        receipt = session.rpc.call("eth_getTransactionReceipt", step.hash)
        is_given_up = step.state == "replaced"
        if receipt is not None and not (is_given_up and session.journal.has_twin(step)):
            return _finish(session, step, receipt)  # also when it was given up and mined yet
        if is_given_up:
            raise ReplacedError(step)
        if session.rpc.call("eth_getTransactionByHash", step.hash) is None:
            _resend(session, step)
        if time.monotonic() > deadline:
            raise PendingError(
                f"transaction {step.hash} is not mined after {session.timeout_s:g} s",
                hint=f"joynet tx resume {step.job}",
            )
        session.pause(POLL_S)


def _resend(session: "ChainSession", step: Step) -> None:
    """Broadcast bytes the chain does not know, if they can still take effect."""
    with session.journal.account_lock(session.key, step.sender, session.timeout_s):
        used = quantity(session.rpc.call("eth_getTransactionCount", step.sender, "latest"))
        if session.rpc.call("eth_getTransactionReceipt", step.hash) is not None:
            return
        assert step.nonce is not None, "only signed steps are sent again"
        if _reload(session, step).state == "replaced":
            raise ReplacedError(step)
        if used > step.nonce:
            session.journal.set_state(step, "replaced", note=f"nonce {step.nonce} was used")
            raise ReplacedError(step)
        _broadcast(session, step)


def _finish(session: "ChainSession", step: Step, receipt: dict[str, Any]) -> Step:
    kept = {k: v for k, v in receipt.items() if k != "logsBloom"}
    if quantity(receipt["status"]) == 1:
        session.journal.set_state(step, "mined", receipt=kept)
        return _reload(session, step)
    error = _why_it_failed(session, step, receipt)
    session.journal.set_state(step, "failed", receipt=kept, note=str(error))
    raise error


def _why_it_failed(session: "ChainSession", step: Step, receipt: dict[str, Any]) -> JoyNetError:
    """Replay a reverted transaction on the state before its block to learn the reason."""
    tx = session.rpc.call("eth_getTransactionByHash", step.hash)
    request = {key: tx[key] for key in ("from", "to", "value") if tx.get(key)}
    request["data"] = tx["input"]
    request["gas"] = tx["gas"]
    contract = step.call["contract"]
    try:
        session.rpc.call("eth_call", request, hex(quantity(receipt["blockNumber"]) - 1))
    except RpcError as error:
        if "outofgas" in error.text.lower().replace(" ", ""):
            hint = "run it again: something changed since it was simulated"
            return RevertedError(contract, "out of gas", hint=hint)
        return explain(error, contract)
    if quantity(receipt["gasUsed"]) >= quantity(tx["gas"]):
        return InsufficientFundsError("gas", quantity(tx["gas"]), quantity(tx["gas"]) + 1)
    return reverted(b"", contract)


def _reload(session: "ChainSession", step: Step) -> Step:
    fresh = session.journal.step(step.job, step.name)
    assert fresh is not None, "steps are never deleted"
    return fresh


def receipt_of(step: Step, abis: Sequence[Abi]) -> Receipt:
    """A mined step as a receipt, its logs decoded with the first ABI that knows them."""
    raw = step.receipt
    assert raw is not None, "only mined steps have a receipt"
    gas_used = quantity(raw["gasUsed"])
    decoded = [
        next(filter(None, (abi.decode_log(log) for abi in abis)), None) for log in raw["logs"]
    ]
    return Receipt(
        tx_hash=raw["transactionHash"],
        block=quantity(raw["blockNumber"]),
        gas_used=gas_used,
        fee=gas_used * quantity(raw.get("effectiveGasPrice", "0x0")),
        contract_address=raw.get("contractAddress"),
        events=[event for event in decoded if event],
        job=step.job,
    )


def plain(value: Any) -> Any:
    """A call argument as a JSON value: bytes as 0x hex, large integers as text."""
    import dataclasses

    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, bool | str) or value is None:
        return value
    if isinstance(value, int):
        return value if abs(value) < 2**53 else str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return plain(dataclasses.asdict(value))
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return plain(value.address)  # an account or a contract
