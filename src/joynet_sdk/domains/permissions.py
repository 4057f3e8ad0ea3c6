"""Who can do what to a name, and until when: read from the chain, said in words."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from joynet_sdk.domains.names import namehash
from joynet_sdk.domains.registry import (
    LOCK_MEANINGS,
    REGISTRY,
    TLDS,
    ZERO,
    NameRegistry,
    Registration,
)
from joynet_sdk.errors import NotFoundError
from joynet_sdk.ports import Chain


@dataclass(frozen=True, slots=True)
class Power:
    """One thing that somebody can do to a name.

    Attributes:
        who: In words, with the address.
        can: What.
        until: Until when, in words.
        is_threat: It takes the name from its owner.
    """

    who: str
    can: str
    until: str
    is_threat: bool = False


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything about one name.

    Attributes:
        verdict: One sentence: who can take it, until when.
        powers: Threats first.
        locks: What its owner gave up, in words.
    """

    name: str
    owner: str
    verdict: str
    powers: tuple[Power, ...]
    locks: tuple[str, ...]


class Permissions:
    """Reached as `joynet.domains.permissions`."""

    def __init__(self, chain: Chain, registry: NameRegistry) -> None:
        self._chain, self._registry = chain, registry

    def explain(self, name: str) -> Explanation:
        """Who can take a name from its owner or act for the owner, until when.

        Raises:
            NotFoundError: Nobody has it.
        """
        found = self._registry.show(name)
        above = [self._registry.show(each) for each in _above(found.name)]
        powers = [*self._takers(found, above), *self._agents(found)]
        for parent in above:
            powers += self._agents(parent, of="parent ")
        powers += self._tld_powers(found.name.rpartition(".")[2])
        threats = [power for power in powers if power.is_threat]
        powers = threats + [power for power in powers if not power.is_threat]
        locks = tuple(f"{word}: {LOCK_MEANINGS[word]}" for word in found.locks)
        return Explanation(found.name, found.owner, _verdict(found, threats), tuple(powers), locks)

    def _takers(self, found: Registration, above: list[Registration]) -> list[Power]:
        if found.parent is None:
            return [self._after_expiry(found)]
        powers = []
        for child, parent in zip([found, *above[:-1]], above, strict=True):
            if "parent" not in child.locks:
                can = f"take {child.name} back" + ("" if child is found else _and_then(found))
                until = "any time while it holds " + parent.name
                powers.append(Power(f"owner of {parent.name} {parent.owner}", can, until, True))
                break
        until = _date(found.expires_at)
        can = f"give {found.name} to anybody, once it has ended"
        who = f"owner of {above[0].name} {above[0].owner}"
        return [*powers, Power(who, can, f"from {until} on", True)]

    def _after_expiry(self, found: Registration) -> Power:
        if found.expires_at is None:
            return Power("nobody", f"take {found.name}: it never expires", "for ever")
        grace = int(self._chain.contract(REGISTRY).call("GRACE"))
        free_at = datetime.fromtimestamp(int(found.expires_at.timestamp()) + grace, UTC)
        return Power(
            "anybody",
            f"register {found.name}, if nobody renews it before {_date(found.expires_at)}"
            f" (its owner: before {_date(free_at)})",
            f"from {_date(free_at)} on",
            True,
        )

    def _agents(self, found: Registration, of: str = "") -> list[Power]:
        """Accounts that the owner lets act: operators of all its names, and one approved."""
        tokens = self._registry.tokens(found)
        events = tokens.events("ApprovalForAll", filters={"owner": found.owner})
        operators = sorted({event.args["operator"] for event in events})
        powers = [
            Power(f"operator {each} of the {of}owner", "do all that the owner can", "revoked", True)
            for each in operators
            if tokens.call("isApprovedForAll", found.owner, each)
        ]
        approved = tokens.call("getApproved", int.from_bytes(found.node, "big"))
        if approved != ZERO and "transfer" not in found.locks:
            what = f"transfer {found.name}, once"
            powers.append(Power(f"approved account {approved}", what, "revoked", True))
        return powers

    def _tld_powers(self, tld: str) -> list[Power]:
        stored = self._chain.contract(TLDS).call("tld_of", namehash(tld))
        registry = self._chain.contract(REGISTRY)
        who = f"owner of .{tld} {stored['owner']}"
        if self._is_dao(namehash(tld), stored["owner"]):
            who = f"the DAO of .{tld} (executor {stored['owner']}), by vote and after its delay"
        return [
            Power(who, "change prices with notice, close new registrations", "for good"),
            Power(who, "not take, shorten or change registered names", "ever"),
            Power(
                f"owner {registry.call('owner')} and guardian of the registry",
                "stop new registrations for a bounded time; renewals, transfers and records go on",
                _paused(registry, self._chain.now()),
            ),
        ]

    def _is_dao(self, tld: bytes, owner: str) -> bool:
        try:
            registry = self._chain.contract("PermaNetDAORegistry")
        except NotFoundError:  # a deployment without governance
            return False
        return bool(registry.call("executor_of", tld) == owner != ZERO)


def _above(name: str) -> list[str]:
    """Registered names and subnames above a name, the nearest first; the TLD not included."""
    labels = name.split(".")
    return [".".join(labels[i:]) for i in range(1, len(labels) - 1)]


def _and_then(found: Registration) -> str:
    return f", and whoever has it next may take {found.name}"


def _verdict(found: Registration, threats: list[Power]) -> str:
    if not found.is_live:
        return f"{found.name} has expired: renew it before somebody else registers it"
    now = [power for power in threats if not power.until.startswith("from ")]
    if now:
        whom = "; ".join(f"{power.who}: {power.can}" for power in now)
        return f"{found.name} can be taken now: {whom}"
    if found.expires_at is None:
        return f"nobody can take {found.name}, ever"
    return f"nobody can take {found.name} before {_date(found.expires_at)}"


def _date(moment: datetime | None) -> str:
    return "never" if moment is None else f"{moment:%Y-%m-%d %H:%M} UTC"


def _paused(registry: Any, now: int) -> str:
    until = int(registry.call("paused_until"))
    if until <= now:
        return "not paused now"
    return f"paused until {_date(datetime.fromtimestamp(until, UTC))}"
