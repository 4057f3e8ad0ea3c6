"""Names under a name: given by its owner, with promises in words."""

from collections.abc import Sequence
from datetime import UTC, datetime

from joynet_sdk.domains.names import namehash
from joynet_sdk.domains.records import Record
from joynet_sdk.domains.registration import encoded
from joynet_sdk.domains.registry import SUBNAMES, NameRegistry, Registration, bits_of
from joynet_sdk.domains.resolution import RESOLVER
from joynet_sdk.errors import AuthError, InvalidInputError, NotFoundError
from joynet_sdk.ports import Chain
from joynet_sdk.types import Address

MAX_LABEL_BYTES, MAX_NAME_BYTES = 63, 255
GRANTS = ("parent", "extend")  # given by the parent's owner; the other locks by the owner
DAY_S = 86_400


class Subnames:
    """Reached as `joynet.domains.subnames`."""

    def __init__(self, chain: Chain, registry: NameRegistry) -> None:
        self._chain, self._registry = chain, registry

    def create(
        self,
        name: str,
        owner: Address,
        *,
        days: int | None = None,
        locks: Sequence[str] = (),
        records: Sequence[Record] = (),
    ) -> Registration:
        """Give a name under one of this account.

        Args:
            name: In full, e.g. pay.alice.joy.
            owner: Who gets it.
            days: From now; as long as the parent by default.
            locks: Words of LOCKS, e.g. "parent": it cannot be taken back.
            records: Its first records.

        Raises:
            InvalidInputError: Not a name under another one, or longer than its parent lives.
            AuthError: The parent is somebody else's.
        """
        name = self._registry.normalise(name)
        label, _, parent = name.partition(".")
        if "." not in parent:
            raise InvalidInputError(
                f"{name!r} is no subname, expected one such as pay.alice.joy",
                hint=f"joynet domain register {name}",
            )
        if len(label.encode()) > MAX_LABEL_BYTES or len(name.encode()) > MAX_NAME_BYTES:
            raise InvalidInputError(
                f"{name!r:.100} is too long, expected labels of 63 bytes and 255 in all"
            )
        found = self._registry.mine(parent)
        calls = list(encoded(self._chain, name, records))
        expires_at = self._expiry(found, days)
        resolver = self._chain.contract(RESOLVER).address
        self._chain.contract(SUBNAMES).transact(
            "create", found.node, label, owner, resolver, expires_at, bits_of(tuple(locks)), calls
        )
        return self._registry.show(name)

    def list(self, parent: str) -> list[Registration]:
        """The live names right under a name, by name."""
        parent = self._registry.normalise(parent)
        contract = self._chain.contract(SUBNAMES)
        events = contract.events("SubnameCreated", filters={"parent": namehash(parent)})
        found = []
        for name in sorted({str(event.args["name"]) for event in events}):
            try:
                found.append(self._registry.live(name))
            except NotFoundError:
                continue
        return found

    def extend(self, name: str, *, days: int | None = None) -> Registration:
        """Give a subname more time: until its parent ends, or some days from its end."""
        found = self._subname(name)
        parent = self._registry.live(found.parent or "")
        limit = self._seconds(parent)
        wanted = limit if days is None else self._seconds(found) + days * DAY_S
        contract = self._chain.contract(SUBNAMES)
        contract.transact("extend", found.node, min(wanted, limit))
        return self._registry.show(found.name)

    def revoke(self, name: str) -> None:
        """Take a subname back."""
        found = self._subname(name)
        if "parent" in found.locks:
            raise InvalidInputError(
                f"{found.name} was given for good: it cannot be taken back before it expires",
                hint=f"joynet domain permissions explain {found.name}",
            )
        self._mine(found)
        self._chain.contract(SUBNAMES).transact("revoke", found.node)

    def grant(self, name: str, words: Sequence[str]) -> Registration:
        """Promise the owner of a subname something that cannot be undone.

        Args:
            words: "parent": not to take it back; "extend": it may extend itself.
        """
        unknown = [word for word in words if word not in GRANTS]
        if unknown or not words:
            raise InvalidInputError(f"grants are {list(words)}, expected {' or '.join(GRANTS)}")
        found = self._subname(name)
        self._mine(found)
        self._chain.contract(SUBNAMES).transact("grant", found.node, bits_of(tuple(words)))
        return self._registry.show(found.name)

    def _subname(self, name: str) -> Registration:
        found = self._registry.live(name)
        if found.parent is None:
            raise InvalidInputError(f"{found.name} is registered, and no subname")
        return found

    def _mine(self, found: Registration) -> None:
        """The parent must be this account's."""
        parent, me = self._registry.live(found.parent or ""), self._chain.account.address
        if parent.owner != me:
            raise AuthError(
                f"{parent.name} belongs to {parent.owner}, this account is {me}",
                hint="--account NAME of its owner",
            )

    def _expiry(self, parent: Registration, days: int | None) -> int:
        limit = self._seconds(parent)
        if days is None:
            return limit
        wanted = self._chain.now() + days * DAY_S
        if days < 1 or wanted > limit:
            end = datetime.fromtimestamp(limit, UTC) if parent.expires_at else "never"
            raise InvalidInputError(
                f"days is {days}, expected 1 or more, and no later than {parent.name} ends: {end}"
            )
        return wanted

    def _seconds(self, found: Registration) -> int:
        """The expiry as the contracts keep it."""
        if found.expires_at is None:
            return self._registry.permanent_expiry
        return int(found.expires_at.timestamp())
