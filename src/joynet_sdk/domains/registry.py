"""Who holds a name until when: registered names (`alice.joy`) and subnames (`pay.alice.joy`)."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Protocol

from joynet_sdk.domains.names import namehash
from joynet_sdk.errors import AuthError, InvalidInputError, NotFoundError
from joynet_sdk.ports import Chain
from joynet_sdk.types import Address, JoyWei

ZERO = "0x" + "00" * 20
REGISTRY, SUBNAMES, TLDS = "PermaNetDomainRegistry", "PermaNetSubnames", "TldRegistry"
LOCKS = {1: "resolver", 2: "transfer", 4: "subnames", 8: "records", 16: "parent", 32: "extend"}
LOCK_MEANINGS = {
    "resolver": "where its records are cannot be changed",
    "transfer": "it cannot change hands",
    "subnames": "no subname can be created under it",
    "records": "its records cannot be changed",
    "parent": "the parent's owner cannot take it back",
    "extend": "its owner may extend it up to the parent's expiry",
}


class Names(Protocol):
    """The form and the looks of names: `chain.ens_names` in use."""

    def normalise(self, name: str) -> str:
        """ENSIP-15; InvalidInputError for what it forbids."""

    def warnings(self, name: str) -> list[str]:
        """What a person should know about a name's looks before paying."""


@dataclass(frozen=True, slots=True)
class Registration:
    """A name and who holds it until when.

    Attributes:
        expires_at: None: it is permanent.
        locks: Words of LOCKS.
        price_cap: Wei of JOY per second that it never renews above; None: no such promise.
        generation: 1 for the first term of the name, one more each time it was free.
        parent: The name it is under, for a subname.
    """

    name: str
    owner: Address
    expires_at: datetime | None
    is_live: bool
    resolver: Address
    locks: tuple[str, ...] = ()
    price_cap: JoyWei | None = None
    generation: int = 1
    parent: str | None = None

    @property
    def node(self) -> bytes:
        """EIP-137 node."""
        return namehash(self.name)


class NameRegistry:
    """Reads of both registries, and the normal form of names."""

    def __init__(self, chain: Chain, names: Names) -> None:
        self._chain, self._names = chain, names

    def normalise(self, name: str) -> str:
        """The normal form of a name under a TLD.

        Raises:
            InvalidInputError: No dot in it, or ENSIP-15 forbids it.
        """
        normal = self._names.normalise(name.strip())
        if "." not in normal or not all(normal.split(".")):
            raise InvalidInputError(f"name {name!r:.100}, expected label.tld such as alice.joy")
        return normal

    def parse(self, name: str) -> tuple[str, str]:
        """Normalise a second-level name into (label, tld).

        Raises:
            InvalidInputError: Not `label.tld`, or ENSIP-15 forbids it.
        """
        label, _, tld = self.normalise(name).partition(".")
        if "." in tld:
            raise InvalidInputError(f"name {name!r:.100}, expected label.tld such as alice.joy")
        return label, tld

    def normalise_label(self, label: str) -> str:
        """The normal form of one label.

        Raises:
            InvalidInputError: ENSIP-15 forbids it.
        """
        return self._names.normalise(label.strip())

    def warnings(self, name: str) -> list[str]:
        """What to know about a name's looks."""
        return self._names.warnings(name.strip())

    @cached_property
    def permanent_expiry(self) -> int:
        """`expires_at` of a name that never ends."""
        return int(self._chain.contract(REGISTRY).call("PERMANENT_EXPIRY"))

    def moment(self, seconds: int) -> datetime | None:
        """An expiry as a date; None for a name that never ends."""
        is_permanent = seconds >= self.permanent_expiry
        return None if is_permanent else datetime.fromtimestamp(seconds, UTC)

    def show(self, name: str) -> Registration:
        """Who holds a name.

        Raises:
            NotFoundError: It was never registered, or has expired for good.
        """
        name = self.normalise(name)
        if name.count(".") > 1:
            return self._subname(name)
        stored = self._chain.contract(REGISTRY).call("registration", namehash(name))
        if stored["owner"] == ZERO:
            self.tld_node(name.partition(".")[2])
            raise NotFoundError("name", name, hint=f"joynet domain register {name}")
        return self._registration(name, stored)

    def _subname(self, name: str) -> Registration:
        stored = self._chain.contract(SUBNAMES).call("subname", namehash(name))
        parent = name.partition(".")[2]
        if stored["owner"] == ZERO:
            raise NotFoundError(
                "subname",
                name,
                hint=f"its parent's owner creates it: joynet domain subname create {name}",
            )
        return self._registration(name, stored, parent=parent)

    def _registration(
        self, name: str, stored: dict[str, Any], parent: str | None = None
    ) -> Registration:
        return Registration(
            name,
            Address(stored["owner"]),
            self.moment(stored["expires_at"]),
            stored["is_live"],
            Address(stored["resolver"]),
            words_of(stored["locks"]),
            JoyWei(stored["price_cap"]) if stored.get("price_cap") else None,
            stored["generation"],
            parent,
        )

    def live(self, name: str) -> Registration:
        """Who holds a live name.

        Raises:
            NotFoundError: It is not registered, or expired.
        """
        found = self.show(name)
        if not found.is_live:
            renew = f"joynet domain renew {found.name}"
            hint = renew if found.parent is None else f"joynet domain show {found.parent}"
            raise NotFoundError("live name", found.name, hint=hint)
        return found

    def mine(self, name: str) -> Registration:
        """A live name that this account owns.

        Raises:
            NotFoundError: No such live name.
            AuthError: Somebody else owns it.
        """
        found, me = self.live(name), self._chain.account.address
        if found.owner != me:
            raise AuthError(
                f"{found.name} belongs to {found.owner}, this account is {me}",
                hint="--account NAME of its owner",
            )
        return found

    def tokens(self, registration: Registration) -> Any:
        """The contract that keeps a name as a token: the registry, or that of subnames."""
        return self._chain.contract(REGISTRY if registration.parent is None else SUBNAMES)

    def tld_node(self, tld: str) -> bytes:
        """The node of a TLD that exists.

        Raises:
            NotFoundError: It does not.
        """
        node = namehash(tld)
        if self._chain.contract(TLDS).call("owner_of", node) == ZERO:
            raise NotFoundError("TLD", tld, hint="joynet tld list")
        return node


def words_of(locks: int) -> tuple[str, ...]:
    """Lock bits as words."""
    return tuple(word for bit, word in LOCKS.items() if locks & bit)


def bits_of(words: list[str] | tuple[str, ...]) -> int:
    """Lock words as bits.

    Raises:
        InvalidInputError: A word that is no lock.
    """
    bits = {word: bit for bit, word in LOCKS.items()}
    for word in words:
        if word not in bits:
            raise InvalidInputError(f"lock is {word!r:.40}, expected {', '.join(bits)}")
    return sum(bits[word] for word in dict.fromkeys(words))
