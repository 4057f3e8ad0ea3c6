"""What a proposal would change: its calls tried on a copy of the chain, read before and after."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from joynet_sdk.domains.names import namehash
from joynet_sdk.governance.describe import Describer
from joynet_sdk.governance.model import REGISTRY, Call, Dao
from joynet_sdk.ports import Chain
from joynet_sdk.units import format_joy


class Tried(Protocol):
    """What one call did (`chain.simulation.Tried`)."""

    is_ok: bool
    output: bytes
    reason: str
    events: Any
    gas: int


class Run(Protocol):
    """Calls tried one after the other (`chain.simulation.Run`)."""

    block: int
    calls: Any


# Tries (sender, target, data, wei of ether) in order, each on the state the ones before it left.
Simulate = Callable[[Sequence[tuple[str, str, bytes, int]]], Run]


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that differs afterwards, in words."""

    what: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.what}: {self.before} -> {self.after}"


@dataclass(frozen=True, slots=True)
class Step:
    """One call of the proposal, tried.

    Attributes:
        reason: Why it reverts; "" when it does not.
        moves: Tokens that it moves, in words.
    """

    title: str
    is_ok: bool
    reason: str
    gas: int
    moves: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Simulation:
    """What the calls would do to the chain of one block.

    Attributes:
        block: Its number.
    """

    block: int
    steps: tuple[Step, ...]
    differences: tuple[Difference, ...]

    @property
    def is_ok(self) -> bool:
        """Whether every call succeeds."""
        return all(step.is_ok for step in self.steps)

    @property
    def document(self) -> dict[str, Any]:
        """As it is stored with the proposal: canonical JSON values."""
        return {
            "block": self.block,
            "steps": [
                {
                    "title": step.title,
                    "ok": step.is_ok,
                    "reason": step.reason,
                    "moves": list(step.moves),
                }
                for step in self.steps
            ],
            "changes": [
                {"what": each.what, "before": each.before, "after": each.after}
                for each in self.differences
            ],
        }


@dataclass(frozen=True, slots=True)
class _View:
    """Something to read before and after."""

    what: str
    contract: str
    function: str
    args: tuple[Any, ...]


class Simulator:
    """Tries the calls of one DAO's proposals."""

    def __init__(self, chain: Chain, dao: Dao, simulate: Simulate) -> None:
        self._chain, self._dao, self._simulate = chain, dao, simulate
        self._words = Describer(chain, dao)

    def run(self, calls: Sequence[Call]) -> Simulation:
        """Read, make the calls as the executor, read again: in one simulated block.

        Raises:
            ConfigError: The node cannot simulate.
        """
        views = self._views(calls)
        reads = [self._encoded(view) for view in views]
        executor = self._dao.executor
        made = [(executor, call.target, call.data, call.amount) for call in calls]
        run = self._simulate([*reads, *made, *reads])
        before, tried = run.calls[: len(reads)], run.calls[len(reads) : len(reads) + len(made)]
        after = run.calls[len(reads) + len(made) :]
        steps = [self._step(c, t) for c, t in zip(calls, tried, strict=True)]
        found: list[Difference] = []
        for view, old, new in zip(views, before, after, strict=True):
            if old.is_ok and new.is_ok and old.output != new.output:
                found += self._differences(view, old.output, new.output)
        return Simulation(run.block, tuple(steps), tuple(found))

    def _views(self, calls: Sequence[Call]) -> list[_View]:
        dao, node = self._dao, namehash(self._dao.tld)
        executor = dao.executor
        views = [
            _View(f".{dao.tld}", "TldRegistry", "tld_of", (node,)),
            _View("DAO", REGISTRY, "dao", (dao.id,)),
            _View("treasury JOY", "JoyToken", "balanceOf", (executor,)),
        ]
        token = self._chain.contract("JoyToken")
        for call in calls:
            if call.target == token.address:
                function, args = token.abi.decode_input(call.data)
                if function == "transfer":
                    who = str(args[0])
                    views.append(_View(f"{who} JOY", "JoyToken", "balanceOf", (who,)))
        return list(dict.fromkeys(views))

    def _encoded(self, view: _View) -> tuple[str, str, bytes, int]:
        contract = self._chain.contract(view.contract)
        data = contract.abi.encode_call(view.function, view.args)
        return (self._dao.executor, contract.address, data, 0)

    def _step(self, call: Call, tried: Tried) -> Step:
        moves = []
        for event in tried.events:
            if event.name == "Transfer" and event.contract == "JoyToken":
                a = event.args
                moves.append(f"{format_joy(a['value'])} from {a['sender']} to {a['receiver']}")
        return Step(self._words.call(call), tried.is_ok, tried.reason, tried.gas, tuple(moves))

    def _differences(self, view: _View, old: bytes, new: bytes) -> list[Difference]:
        abi = self._chain.contract(view.contract).abi
        before, after = (
            _flat(abi.decode_output(view.function, len(view.args), raw)) for raw in (old, new)
        )
        found = []
        for key in before:
            if before[key] != after[key]:
                what = f"{view.what} {key.replace('_', ' ')}".strip()
                unit = key.rpartition(" ")[2] or view.what
                values = (self._words.value(unit, side[key]) for side in (before, after))
                found.append(Difference(what, *values))
        return found


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """A struct's fields by name, nested ones with a space; a plain value by ""."""
    if not isinstance(value, Mapping):
        return {prefix: value}
    flat: dict[str, Any] = {}
    for key, item in value.items():
        flat |= _flat(item, f"{prefix} {key}".strip())
    return flat
