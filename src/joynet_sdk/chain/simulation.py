"""Try calls on the chain as it is now, without sending anything: JSON-RPC `eth_simulateV1`.

The node makes the calls one after the other on a copy of its latest state, from any sender, and
throws the copy away. Geth (1.14.9 and later), Reth, Nethermind, Besu and anvil have it.
Source: ethereum/execution-apis, eth_simulateV1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from joynet_sdk.chain.abi import Event
from joynet_sdk.chain.reverts import decode_reason
from joynet_sdk.chain.rpc import RpcError, quantity
from joynet_sdk.errors import ConfigError, VerificationError

if TYPE_CHECKING:
    from joynet_sdk.chain.session import ChainSession

MAX_CALLS = 64
_MISSING = (
    "method not found",
    "does not exist",
    "not supported",
    "not available",
    "unknown method",
)
_NO_METHOD = -32601  # JSON-RPC


@dataclass(frozen=True, slots=True)
class Trial:
    """One call to try.

    Attributes:
        amount: Wei of ether.
    """

    sender: str
    target: str
    data: bytes
    amount: int = 0


@dataclass(frozen=True, slots=True)
class Tried:
    """What a call did.

    Attributes:
        reason: Why it reverted, as the contract says; "" when it did not.
        events: Decoded logs of contracts that we know.
        gas: Used.
    """

    is_ok: bool
    output: bytes
    reason: str
    events: tuple[Event, ...]
    gas: int


@dataclass(frozen=True, slots=True)
class Run:
    """Calls tried one after the other.

    Attributes:
        block: Number of the block whose state they were tried on.
    """

    block: int
    calls: tuple[Tried, ...]


def simulate(session: "ChainSession", trials: Sequence[Trial]) -> Run:
    """Try calls in order, each on the state that those before it left.

    Raises:
        ConfigError: The node has no `eth_simulateV1`.
    """
    if len(trials) > MAX_CALLS:
        raise VerificationError(f"{len(trials)} calls to try, expected at most {MAX_CALLS}")
    block = session.block_number()
    calls = [
        {
            "from": trial.sender,
            "to": trial.target,
            "input": "0x" + trial.data.hex(),
            "value": hex(trial.amount),
        }
        for trial in trials
    ]
    query = {"blockStateCalls": [{"calls": calls}], "validation": False}
    try:
        (answer,) = session.rpc.call("eth_simulateV1", query, hex(block))
        results = [_tried(session, result) for result in answer["calls"]]
    except RpcError as error:
        if error.rpc_code == _NO_METHOD or any(text in error.text.lower() for text in _MISSING):
            raise ConfigError(
                f"{session.url} cannot simulate calls: it has no eth_simulateV1",
                hint="--network of a node that has it (geth 1.14.9, reth, nethermind, anvil),"
                " or --no-simulation",
            ) from None
        raise
    except (ValueError, KeyError, TypeError) as error:
        raise VerificationError(
            f"eth_simulateV1 of {session.url} answered oddly: {error}"
        ) from None
    if len(results) != len(trials):
        raise VerificationError(f"{len(trials)} calls were tried, {len(results)} were answered")
    return Run(block, tuple(results))


def _tried(session: "ChainSession", result: dict) -> Tried:  # type: ignore[type-arg]
    is_ok = quantity(result["status"]) == 1
    output = bytes.fromhex(result.get("returnData", "0x")[2:])
    problem = result.get("error") or {}
    reason = "" if is_ok else decode_reason(_revert_data(output, problem))
    abis = session.known_abis()
    logs = [{"blockHash": "", "transactionHash": "", **log} for log in result.get("logs", [])]
    events = (next(filter(None, (abi.decode_log(log) for abi in abis)), None) for log in logs)
    return Tried(
        is_ok,
        output,
        reason or ("" if is_ok else str(problem.get("message") or "no reason")),
        tuple(event for event in events if event),
        quantity(result["gasUsed"]),
    )


def _revert_data(output: bytes, problem: dict) -> bytes:  # type: ignore[type-arg]
    data = problem.get("data")
    return output or (bytes.fromhex(data[2:]) if isinstance(data, str) else b"")
