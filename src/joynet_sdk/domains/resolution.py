"""From a name to the records that answer for it: its own, or a wildcard's (ENSIP-10)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from joynet_sdk.domains.names import dns_encode, namehash, parents
from joynet_sdk.domains.records import Read
from joynet_sdk.domains.registry import REGISTRY, ZERO, NameRegistry
from joynet_sdk.errors import NotFoundError
from joynet_sdk.ports import Chain

RESOLVER = "PermaNetResolver"
EXTENDED = bytes.fromhex("9061b923")  # ENSIP-10: resolve(bytes,bytes)
MAX_SHOWN = 120


@dataclass(frozen=True, slots=True)
class Hop:
    """One question on the way.

    Attributes:
        contract: Name of the contract asked.
        address: Where it is.
        call: The function and what it was asked about.
        answer: What it said.
    """

    contract: str
    address: str
    call: str
    answer: str


Trace = Callable[[Hop], None]


def no_trace(hop: Hop) -> None:
    """Nobody listens."""


@dataclass(frozen=True, slots=True)
class Route:
    """Where the records of a name are.

    Attributes:
        name: What was asked for, normalised.
        source: The name whose records answer: itself, or a wildcard above it.
        resolver: The contract that holds them.
        read: Reads one record: (function, *arguments after the node).
    """

    name: str
    source: str
    resolver: Any
    read: Read

    @property
    def is_wildcard(self) -> bool:
        """Whether a name above answers."""
        return self.name != self.source


class Resolution:
    """Finds routes."""

    def __init__(self, chain: Chain, registry: NameRegistry) -> None:
        self._chain, self._registry = chain, registry

    def route(self, name: str, trace: Trace = no_trace) -> Route:
        """Where the records of a name are.

        Args:
            name: With or without registration of its own.
            trace: Told about each question asked, those of `read` included.

        Raises:
            NotFoundError: Nothing answers for it.
        """
        name = self._registry.normalise(name)
        for candidate in parents(name)[:-1]:
            resolver = self._resolver(candidate, trace)
            if resolver is None:
                continue
            if candidate == name:
                return Route(name, name, resolver, self._direct(resolver, name, trace))
            if self._is_wildcard(resolver, candidate, trace):
                return Route(name, candidate, resolver, self._through(resolver, name, trace))
            break
        raise self._why_not(name)

    def _resolver(self, name: str, trace: Trace) -> Any | None:
        """The JoyNet resolver that a live name points to."""
        registry = self._chain.contract(REGISTRY)
        address = registry.call("resolver", namehash(name))
        none = "none" if address == ZERO else address
        trace(Hop(REGISTRY, registry.address, f"resolver({name})", none))
        if address == ZERO:
            return None
        ours = self._chain.contract(RESOLVER)
        if address != ours.address:
            raise NotFoundError("JoyNet resolver of", f"{name}: it uses {address}")
        return ours

    def _is_wildcard(self, resolver: Any, name: str, trace: Trace) -> bool:
        can_extend = bool(resolver.call("supportsInterface", EXTENDED))
        call = f"supportsInterface(0x{EXTENDED.hex()})"
        trace(Hop(RESOLVER, resolver.address, call, _show(can_extend)))
        if not can_extend:
            return False
        is_wildcard = bool(resolver.call("wildcard", namehash(name)))
        trace(Hop(RESOLVER, resolver.address, f"wildcard({name})", _show(is_wildcard)))
        return is_wildcard

    def _direct(self, resolver: Any, name: str, trace: Trace) -> Read:
        node = namehash(name)

        def read(function: str, *args: Any) -> Any:
            answer = resolver.call(function, node, *args)
            trace(Hop(RESOLVER, resolver.address, _call(function, name, args), _show(answer)))
            return answer

        return read

    def _through(self, resolver: Any, name: str, trace: Trace) -> Read:
        """Ask with `resolve(name, data)`, as ENSIP-10 clients do."""
        wire, node = dns_encode(name), namehash(name)

        def read(function: str, *args: Any) -> Any:
            data = resolver.abi.encode_call(function, [node, *args])
            raw = resolver.call("resolve", wire, data)
            answer = resolver.abi.decode_output(function, len(args) + 1, raw)
            call = f"resolve({name}, {_call(function, name, args)})"
            trace(Hop(RESOLVER, resolver.address, call, _show(answer)))
            return answer

        return read

    def _why_not(self, name: str) -> NotFoundError:
        """What is missing: the registration, time, or a resolver."""
        found = self._registry.live(name)
        return NotFoundError(
            "resolver of", found.name, hint=f"joynet domain records set {found.name} url=https://…"
        )


def _call(function: str, name: str, args: tuple[Any, ...]) -> str:
    return f"{function}({', '.join([name, *map(_show, args)])})"


def _show(value: Any) -> str:
    if isinstance(value, bytes):
        text = "0x" + value.hex() if value else "empty"
    elif isinstance(value, bool):
        text = "yes" if value else "no"
    elif isinstance(value, tuple | list):
        text = ", ".join(map(_show, value))
    else:
        text = str(value) or "empty"
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 1] + "…"
