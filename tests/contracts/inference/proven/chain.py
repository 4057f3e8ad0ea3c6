"""The contracts of a test as the SDK's chain port, for one account or several."""

import threading
import time
from types import SimpleNamespace
from typing import Any

import boa

from joynet_sdk.errors import PendingError, RevertedError

WAIT_S = 20.0


def plain(value: Any) -> Any:
    """Structs as dicts and points as tuples, the way `chain.session` gives them."""
    if hasattr(value, "_asdict"):
        return {key: plain(part) for key, part in value._asdict().items()}
    return tuple(map(plain, value)) if isinstance(value, list) else value


class World:
    """Contracts by name, and every event since they were given here; one call at a time."""

    def __init__(self, contracts: dict[str, Any], mine: Any) -> None:
        self.contracts, self.mine = contracts, mine
        self.events: list[SimpleNamespace] = []
        self.lock = threading.RLock()

    def note(self, contract: Any) -> list[SimpleNamespace]:
        """Keep the events of the last transaction."""
        block = boa.env.evm.patch.block_number
        found = [
            SimpleNamespace(
                name=type(log).__name__, args=plain(log), block=block, tx_hash=f"0x{block:064x}"
            )
            for log in contract.get_logs()
        ]
        self.events += found
        return found


class Contract:
    """`ports.Contract` over a titanoboa contract."""

    def __init__(self, world: World, name: str, sender: str) -> None:
        self.world, self.name, self.sender = world, name, sender
        self.deployed = world.contracts[name]
        self.address = str(self.deployed.address)

    def call(self, function: str, *args: Any) -> Any:
        with self.world.lock:
            return plain(self._run(function, *args))

    def _run(self, function: str, *args: Any) -> Any:
        try:
            return getattr(self.deployed, function)(*map(struct, args), sender=self.sender)
        except boa.BoaError as error:
            reason = error.stack_trace.last_frame.pretty_vm_reason
            raise RevertedError(*reason.split(": ", 1)) from None

    def transact(self, function: str, *args: Any) -> SimpleNamespace:
        with self.world.lock:
            self._run(function, *args)
            events = self.world.note(self.deployed)
            self.world.mine(1, 1)
        return SimpleNamespace(
            events=events, event=lambda name: next(e for e in events if e.name == name)
        )

    def events(self, name: str, first: int = 0, last: int | None = None, filters: Any = None):
        with self.world.lock:
            found = list(self.world.events)
        return [
            event
            for event in found
            if event.name == name
            and event.block >= first
            and (last is None or event.block <= last)
            and all(event.args[key] == value for key, value in (filters or {}).items())
        ]


def struct(value: Any) -> Any:
    return tuple(value.values()) if isinstance(value, dict) else value


class Chain:
    """`ports.Chain` for one account; `step` is done once in each round of waiting."""

    def __init__(self, world: World, address: str) -> None:
        self.world, self.account = world, SimpleNamespace(address=address)
        self.chain_id = boa.env.evm.patch.chain_id
        self.deployment = SimpleNamespace(contracts=world.contracts)

    def contract(self, name: str) -> Contract:
        return Contract(self.world, name, self.account.address)

    def now(self) -> int:
        return int(boa.env.evm.patch.timestamp)

    def block_number(self) -> int:
        return int(boa.env.evm.patch.block_number)

    def wait_until(self, is_true: Any, what: str, timeout_s: float | None = None) -> None:
        deadline = time.monotonic() + WAIT_S
        while not is_true():
            if time.monotonic() > deadline:
                raise PendingError(f"still waiting for {what}")
            time.sleep(0.005)


class Flow:
    """`ports.Run`: steps that were done are not done again."""

    def __init__(self, chain: Chain, args: dict[str, Any], done: dict[str, Any]) -> None:
        self.session, self.args, self._done = chain, args, done

    def transact(self, step: str, contract: Contract, function: str, *args: Any) -> Any:
        if step not in self._done:
            self._done[step] = contract.transact(function, *args)
        return self._done[step]

    def approve(self, token: Contract, spender: str, amount: int, *, before: str) -> None:
        self.transact("approve", token, "approve", spender, amount)
