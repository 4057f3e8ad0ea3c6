"""`JoyNet().domains`: names bought, kept, given away and resolved."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from joynet_sdk.domains import recovery
from joynet_sdk.domains.addresses import ETHEREUM
from joynet_sdk.domains.names import namehash
from joynet_sdk.domains.permissions import Permissions
from joynet_sdk.domains.recordbook import RecordBook
from joynet_sdk.domains.records import Record, read_record
from joynet_sdk.domains.registration import (
    REGISTER_FLOW,
    RENEW_FLOW,
    Pending,
    Quote,
    Registrar,
    pending_args,
    registration_args,
)
from joynet_sdk.domains.registry import REGISTRY, SUBNAMES, NameRegistry, Names, Registration
from joynet_sdk.domains.resolution import RESOLVER, Resolution, Trace, no_trace
from joynet_sdk.domains.reverse import ReverseNames
from joynet_sdk.domains.subnames import Subnames
from joynet_sdk.domains.tlds import Tlds
from joynet_sdk.errors import InvalidInputError, NotFoundError
from joynet_sdk.ports import Chain, Flows
from joynet_sdk.types import Address, JoyWei, ModelId

Warn = Callable[[str], None]


def _silent(text: str) -> None:
    """Nobody listens."""


@dataclass(frozen=True, slots=True)
class Records:
    """What a name means; None where nothing is set.

    Attributes:
        name: As asked, normalised.
        owner: Of the name whose records answer.
        source: That name, where it is a wildcard above this one; None: the name itself.
    """

    name: str
    owner: Address
    address: Address | None
    model: str | None
    endpoint: str | None
    rpc: str | None
    payto: Address | None
    contenthash: str | None
    source: str | None = None


class Domains:
    """Reached as `JoyNet().domains`.

    Attributes:
        registry: Who holds a name.
        resolution: Where a name's records are.
        records: Records read, set, planned.
        subnames: Names under a name.
        reverse: What an account calls itself.
        permissions: Who can do what to a name.
        tlds: Top-level names.
    """

    def __init__(self, chain: Chain, flows: Flows, names: Names) -> None:
        self._chain, self._flows = chain, flows
        self.registry = NameRegistry(chain, names)
        self.resolution = Resolution(chain, self.registry)
        self._registrar = Registrar(chain, self.registry)

    @cached_property
    def records(self) -> RecordBook:
        """Records read, set, planned."""
        return RecordBook(self._chain, self._flows, self.registry, self.resolution)

    @cached_property
    def subnames(self) -> Subnames:
        """Names under a name."""
        return Subnames(self._chain, self.registry)

    @cached_property
    def reverse(self) -> ReverseNames:
        """What an account calls itself."""
        return ReverseNames(self._chain, self.registry, self.resolution)

    @cached_property
    def permissions(self) -> Permissions:
        """Who can do what to a name."""
        return Permissions(self._chain, self.registry)

    @cached_property
    def tlds(self) -> Tlds:
        """Top-level names."""
        return Tlds(self._chain, self._flows)

    def parse(self, name: str) -> tuple[str, str]:
        """Normalise a second-level name into (label, tld).

        Raises:
            InvalidInputError: Not `label.tld`, or ENSIP-15 forbids it.
        """
        return self.registry.parse(name)

    # --- buying

    def quote(
        self,
        name: str,
        *,
        years: int = 1,
        permanent: bool = False,
        owner: Address | None = None,
    ) -> Quote:
        """Price a registration, or the renewal of a name that somebody has, without buying it.

        Args:
            years: Of 365 days.
            permanent: One payment, no expiry, where the TLD's charter sells that.
            owner: Who would get it.
        """
        return self._registrar.quote(name, years=years, permanent=permanent, owner=owner)

    def register(
        self,
        quote: Quote,
        *,
        owner: Address | None = None,
        model: ModelId | None = None,
        records: Sequence[Record] = (),
        max_price: JoyWei | None = None,
        warn: Warn = _silent,
    ) -> Registration:
        """Buy what `quote` priced: commit, approve exactly the price, wait, reveal.

        A registration of the same name that this key began anywhere else is finished instead.

        Args:
            owner: Who gets the name; the account itself by default.
            model: Bound to the name in the same transaction.
            records: Set in the same transaction, or in one right after it when they are many.
            max_price: Wei of JOY; the most to pay, also for what was begun elsewhere.
            warn: Told what the person at the keyboard should know.

        Raises:
            InvalidInputError: The name cannot be had.
            InsufficientFundsError: Less JOY than the price.
        """
        me = self._chain.account.address
        owner = owner or me
        if not quote.is_available:
            raise InvalidInputError(
                f"{quote.name} cannot be registered: {quote.refusal}",
                hint=f"joynet domain show {quote.name}",
            )
        pending = self._pending(quote.name, owner)
        if pending is not None:
            return self.finish(pending, max_price=max_price, warn=warn)
        self._registrar.check_funds(quote, max_price)
        if model is not None:
            records = [*records, Record("model", "0x" + model.hex())]
        is_dry = self._chain.account.is_locked  # a plan is the same each time
        salt = bytes(recovery.SALT_BYTES) if is_dry else recovery.new_salt()
        secret = self._own_secret(warn)
        args = registration_args(quote, owner, records, salt=salt, secret=secret)
        if args["late"] and owner != me:
            raise InvalidInputError(
                f"{len(records)} records do not fit into the registration of a name for {owner}",
                hint="let its owner set them: joynet domain records apply",
            )
        self._flows(REGISTER_FLOW, f"register {quote.name}", args)
        return self.show(quote.name)

    def _own_secret(self, warn: Warn) -> str:
        """A random secret for a wallet that cannot derive one; else ""."""
        if self._registrar.wallet_key() is not None:
            return ""
        warn(
            "this wallet signs differently each time: the registration can be finished on this"
            " machine only"
        )
        return "0x" + (recovery.new_salt() + recovery.new_salt()).hex()

    def pending(self) -> list[Pending]:
        """Registrations that this key committed to, anywhere, and that can still be revealed."""
        return self._registrar.pending()

    def _pending(self, name: str, owner: Address) -> Pending | None:
        found = [p for p in self.pending() if (p.name, p.owner) == (name, owner)]
        return found[-1] if found else None

    def finish(
        self, pending: Pending, *, max_price: JoyWei | None = None, warn: Warn = _silent
    ) -> Registration:
        """Reveal what was committed to elsewhere, at the price of now.

        Raises:
            InsufficientFundsError: Less JOY than the price, or the price is over `max_price`.
        """
        quote = self._registrar.quote_pending(pending)
        self._registrar.check_funds(quote, max_price)
        begun = datetime.fromtimestamp(pending.made_at, UTC)
        warn(f"finishing the registration of {pending.name} begun at {begun:%Y-%m-%d %H:%M} UTC")
        if pending.late_records:
            warn(f"{pending.late_records} records of it are not known here: set them afterwards")
        title = f"register {pending.name}, begun elsewhere"
        self._flows(REGISTER_FLOW, title, pending_args(pending, quote))
        return self.show(pending.name)

    def renew(self, quote: Quote) -> Registration:
        """Pay for more time."""
        self.show(quote.name)
        self._registrar.check_funds(quote)
        duration = "permanent" if quote.is_permanent else str(quote.duration)
        args = {"name": quote.name, "duration": duration, "rent": str(quote.total)}
        self._flows(RENEW_FLOW, f"renew {quote.name}", args)
        return self.show(quote.name)

    # --- holding

    def show(self, name: str) -> Registration:
        """Who holds a name, or a subname.

        Raises:
            NotFoundError: It was never registered, or has expired for good.
        """
        return self.registry.show(name)

    def check_mine(self, name: str) -> None:
        """Make sure that this account owns a live name, before work that needs it.

        Raises:
            NotFoundError: No such live name.
            AuthError: Somebody else owns it.
        """
        self.registry.mine(name)

    def transfer(self, name: str, to: Address) -> Registration:
        """Give the name away, with its records."""
        found = self.show(name)
        token_id = int.from_bytes(found.node, "big")
        self.registry.tokens(found).transact("safeTransferFrom", found.owner, to, token_id)
        return self.show(name)

    def lock(self, name: str, words: Sequence[str]) -> Registration:
        """Give something up for as long as the name is registered.

        Args:
            words: Of "resolver", "transfer", "subnames", "records".
        """
        from joynet_sdk.domains.registry import bits_of

        found = self.registry.mine(name)
        self.registry.tokens(found).transact("lock", found.node, bits_of(tuple(words)))
        return self.show(name)

    def owned(self, owner: Address) -> list[Registration]:
        """Names of an account that are not free again, subnames included, by name."""
        found = [name for kind in (REGISTRY, SUBNAMES) for name in self._received(kind, owner)]
        held = (self._find(name) for name in sorted(set(found)))
        return [each for each in held if each is not None and each.owner == owner]

    def _received(self, kind: str, owner: Address) -> list[str]:
        contract = self._chain.contract(kind)
        events = contract.events("Transfer", filters={"receiver": owner})
        nodes = {event.args["token_id"].to_bytes(32, "big") for event in events}
        return [str(contract.call("name_of", node)) for node in nodes]

    def _find(self, name: str) -> Registration | None:
        try:
            return self.show(name)
        except NotFoundError:
            return None

    def expiring(self, owner: Address, *, days: int) -> list[Registration]:
        """Names of an account that end within some days or are in their grace period now."""
        if days < 0:
            raise InvalidInputError(f"days is {days}, expected 0 or more")
        limit = datetime.fromtimestamp(self._chain.now(), UTC) + timedelta(days=days)
        ends = [(n.expires_at, n) for n in self.owned(owner) if n.expires_at is not None]
        return [name for end, name in sorted(ends, key=lambda pair: pair[0]) if end <= limit]

    # --- meaning

    def resolve(self, name: str, *, trace: Trace = no_trace) -> Records:
        """The records of a name that JoyNet reads, from itself or a wildcard above it.

        Args:
            trace: Told about each question asked.

        Raises:
            NotFoundError: Nothing answers for it.
        """
        route = self.resolution.route(name, trace)
        keys = ("addr.eth", "model", "text.endpoint", "text.rpc", "payto", "contenthash")
        values = {key: read_record(route.read, key).value or None for key in keys}
        address, payto = values["addr.eth"], values["payto"]
        return Records(
            name=route.name,
            owner=self.show(route.source).owner,
            address=Address(address) if address else None,
            model=values["model"],
            endpoint=values["text.endpoint"],
            rpc=values["text.rpc"],
            payto=Address(payto) if payto else None,
            contenthash=values["contenthash"],
            source=route.source if route.is_wildcard else None,
        )

    def model_of(self, name: str, version: str | None = None) -> ModelId:
        """The model a name is bound to.

        Args:
            version: A tag; read from the text record `model@<version>`.

        Raises:
            NotFoundError: The name is not live, or binds no (such) model.
        """
        read = self.resolution.route(name).read
        if version is None:
            model: bytes = read("model")
        else:
            text = read("text", f"model@{version}")
            model = bytes.fromhex(text.removeprefix("0x")) if text else bytes(32)
        if len(model) != 32 or not any(model):
            tag = f"@{version}" if version else ""
            raise NotFoundError("model bound to", name + tag, hint=f"joynet domain resolve {name}")
        return ModelId(model)

    def bind_model(self, name: str, model_id: ModelId) -> None:
        """Make a name of this account mean a model."""
        self._resolver_of(name).transact("set_model", self._node(name), model_id)

    def set_address(self, name: str, address: Address) -> None:
        """Set the name's Ethereum address."""
        raw = bytes.fromhex(address[2:])
        self._resolver_of(name).transact("setAddr", self._node(name), ETHEREUM, raw)

    def set_text(self, name: str, key: str, value: str) -> None:
        """Set a text record; an empty value deletes it."""
        self._resolver_of(name).transact("setText", self._node(name), key, value)

    def _resolver_of(self, name: str) -> Any:
        """The JoyNet resolver of a live name, to write to."""
        found = self.registry.live(name)
        resolver = self._chain.contract(RESOLVER)
        if found.resolver != resolver.address:
            raise NotFoundError(
                "JoyNet resolver of",
                f"{found.name}: it uses {found.resolver}",
                hint=f"joynet domain records set {found.name} KEY=VALUE",
            )
        return resolver

    def _node(self, name: str) -> bytes:
        return namehash(self.registry.normalise(name))
