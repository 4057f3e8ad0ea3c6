"""Top-level names: their charters, owners and pauses."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from joynet_sdk.domains.charter import Amendment, Charter, charter_text
from joynet_sdk.domains.names import namehash
from joynet_sdk.domains.registry import TLDS, ZERO
from joynet_sdk.errors import AuthError, InvalidInputError, NotFoundError
from joynet_sdk.ports import Chain, Flows, Run
from joynet_sdk.types import Address

AMEND_FLOW = "tld.amend"
MAX_RESERVED = 10_000


@dataclass(frozen=True, slots=True)
class Tld:
    """A top-level name.

    Attributes:
        id: 1, 2, 3... in order of creation.
        pending_owner: Whom it was offered to, or None.
        dao_id: Its DAO, if that owns it; else None.
        paused_until: Unix seconds; 0 when new registrations are open.
        charter: In words.
        stored: As the contract keeps it.
    """

    id: int
    label: str
    owner: Address
    pending_owner: Address | None
    dao_id: int | None
    paused_until: int
    charter: dict[str, str]
    stored: dict[str, Any]


class Tlds:
    """Reached as `joynet.domains.tlds`."""

    def __init__(self, chain: Chain, flows: Flows) -> None:
        self._chain, self._flows = chain, flows

    def list(self) -> list[Tld]:
        """Every TLD, in order of creation."""
        registry = self._chain.contract(TLDS)
        nodes = (registry.call("node_at", number + 1) for number in range(registry.call("count")))
        return [self._tld(node) for node in nodes]

    def show(self, label: str) -> Tld:
        """One TLD.

        Raises:
            NotFoundError: There is none of that name.
        """
        label = label.strip().lower().removeprefix(".")
        found = self._tld(namehash(label))
        if not found.id:
            raise NotFoundError("TLD", label, hint="joynet tld list")
        return found

    def _tld(self, node: bytes) -> Tld:
        stored = self._chain.contract(TLDS).call("tld_of", node)
        now = self._chain.now()
        pending = stored["pending_owner"]
        return Tld(
            stored["id"],
            stored["label"],
            Address(stored["owner"]),
            Address(pending) if pending != ZERO else None,
            self._dao(node, stored["owner"]),
            stored["paused_until"] if stored["paused_until"] > now else 0,
            charter_text(stored, now, self.reserved(node)),
            stored,
        )

    def _dao(self, node: bytes, owner: str) -> int | None:
        try:
            registry = self._chain.contract("PermaNetDAORegistry")
        except NotFoundError:  # a deployment without governance
            return None
        if registry.call("executor_of", node) != owner:
            return None
        return int(registry.call("dao_of", node))

    def reserved(self, node: bytes) -> tuple[str, ...]:
        """Words that only the owner of a TLD can have."""
        registry = self._chain.contract(TLDS)
        state: dict[str, bool] = {}
        for event in registry.events("WordReserved", filters={"tld": node}):
            state[event.args["label"]] = event.args["is_reserved"]
            if len(state) > MAX_RESERVED:
                raise InvalidInputError(f"more than {MAX_RESERVED} words are reserved")
        return tuple(sorted(word for word, is_reserved in state.items() if is_reserved))

    def create(self, label: str, owner: Address, charter: Charter) -> Tld:
        """Create a TLD; the owner of the registry only.

        Raises:
            AuthError: This account does not own the registry.
        """
        registry = self._chain.contract(TLDS)
        self._check(registry.call("owner"), "the TLD registry")
        registry.transact("create", label, owner, charter.struct)
        return self.show(label)

    def amend(self, label: str, amendment: Amendment) -> Tld:
        """Change a charter, one transaction for each part of it.

        Raises:
            AuthError: This account does not own the TLD.
            InvalidInputError: Nothing to change.
        """
        found = self.show(label)
        calls = amendment.calls(namehash(found.label))
        if not calls:
            raise InvalidInputError("nothing to amend", hint="joynet tld charter amend --help")
        self._check_owner(found)
        if len(calls) == 1:
            function, args = calls[0]
            self._chain.contract(TLDS).transact(function, *args)
        else:
            title = f"amend the charter of .{found.label}"
            self._flows(AMEND_FLOW, title, {"calls": _plain(calls)})
        return self.show(found.label)

    def pause(self, label: str) -> Tld:
        """Close new registrations for a bounded time; renewals and transfers go on."""
        found = self.show(label)
        self._chain.contract(TLDS).transact("pause_tld", namehash(found.label))
        return self.show(label)

    def unpause(self, label: str) -> Tld:
        """Open them again."""
        found = self.show(label)
        self._chain.contract(TLDS).transact("unpause_tld", namehash(found.label))
        return self.show(label)

    def offer(self, label: str, to: Address) -> Tld:
        """Offer the TLD to a new owner, who has to accept."""
        found = self.show(label)
        self._check_owner(found)
        self._chain.contract(TLDS).transact("propose_owner", namehash(found.label), to)
        return self.show(label)

    def accept(self, label: str) -> Tld:
        """Become the owner of a TLD that was offered to this account."""
        found, me = self.show(label), self._chain.account.address
        if found.pending_owner != me:
            whom = found.pending_owner or "nobody"
            raise AuthError(
                f".{found.label} is offered to {whom}, this account is {me}",
                hint="--account NAME of whom it is offered to",
            )
        self._chain.contract(TLDS).transact("accept_owner", namehash(found.label))
        return self.show(label)

    def _check_owner(self, found: Tld) -> None:
        if found.dao_id is not None:
            raise AuthError(
                f".{found.label} is owned by its DAO: only a vote amends it",
                hint=f"joynet dao propose {found.label} --from plan.yaml",
            )
        self._check(found.owner, f".{found.label}")

    def _check(self, owner: str, what: str) -> None:
        me = self._chain.account.address
        if owner != me:
            raise AuthError(
                f"{what} belongs to {owner}, this account is {me}",
                hint="--account NAME of its owner",
            )


def amend_flow(run: Run) -> None:
    """One transaction for each call."""
    registry = run.session.contract(TLDS)
    for number, (function, args) in enumerate(run.args["calls"], 1):
        run.transact(f"{number} {function}", registry, function, *args)


def _plain(calls: Sequence[tuple[str, list[Any]]]) -> list[list[Any]]:
    """Calls as JSON values."""

    def plain(value: Any) -> Any:
        if isinstance(value, bytes):
            return "0x" + value.hex()
        if isinstance(value, list):
            return [plain(item) for item in value]
        return value if isinstance(value, bool | str) else str(value)

    return [[function, [plain(arg) for arg in args]] for function, args in calls]
