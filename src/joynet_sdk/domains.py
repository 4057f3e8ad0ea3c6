"""PermaNet names: register, renew, set records, resolve."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from joynet_sdk.errors import (
    AuthError,
    InsufficientFundsError,
    InvalidInputError,
    NotFoundError,
)
from joynet_sdk.ports import Chain, Flows, Run
from joynet_sdk.progress import stage
from joynet_sdk.types import Address, JoyWei, ModelId
from joynet_sdk.units import format_joy

REGISTER_FLOW, RENEW_FLOW = "domain.register", "domain.renew"
SECONDS_PER_YEAR = 365 * 86_400
MAX_YEARS = 10
ETHEREUM_COIN = 60
ZERO = "0x" + "00" * 20


@dataclass(frozen=True, slots=True)
class Quote:
    """What a name costs now.

    Attributes:
        rent: Wei of JOY for the whole duration.
        duration: Seconds.
    """

    name: str
    is_available: bool
    rent: JoyWei
    duration: int


@dataclass(frozen=True, slots=True)
class Registration:
    """A name and who holds it until when."""

    name: str
    owner: Address
    expires_at: datetime
    is_live: bool
    resolver: Address


@dataclass(frozen=True, slots=True)
class Records:
    """What a live name resolves to; None where nothing is set."""

    name: str
    owner: Address
    address: Address | None
    model: str | None
    endpoint: str | None
    payto: Address | None


def namehash(name: str) -> bytes:
    """EIP-137 node of a normalised name, 32 bytes."""
    from eth_utils.crypto import keccak

    node = bytes(32)
    for label in reversed(name.split(".")) if name else ():
        node = keccak(node + keccak(text=label))
    return node


class Domains:
    """Reached as `JoyNet().domains`."""

    def __init__(self, chain: Chain, flows: Flows, normalise: Callable[[str], str]) -> None:
        self._chain, self._flows, self._normalise = chain, flows, normalise

    def parse(self, name: str) -> tuple[str, str]:
        """Normalise a second-level name into (label, tld).

        Raises:
            InvalidInputError: Not `label.tld`, or ENSIP-15 forbids it.
        """
        label, _, tld = self._normalise(name.strip()).partition(".")
        if not label or not tld or "." in tld:
            raise InvalidInputError(f"name {name!r:.100}, expected label.tld such as alice.joy")
        return label, tld

    def quote(self, name: str, *, years: int = 1) -> Quote:
        """Price a registration or renewal without buying it."""
        if not 1 <= years <= MAX_YEARS:
            raise InvalidInputError(f"years is {years}, expected 1 to {MAX_YEARS}")
        label, tld = self.parse(name)
        node, duration = self._tld_node(tld), years * SECONDS_PER_YEAR
        registry = self._chain.contract("PermaNetDomainRegistry")
        rent = JoyWei(registry.call("quote", label, node, duration))
        is_available = bool(registry.call("available", label, node))
        return Quote(f"{label}.{tld}", is_available, rent, duration)

    def register(
        self, quote: Quote, *, owner: Address | None = None, model: ModelId | None = None
    ) -> Registration:
        """Buy what `quote` priced: approve exactly the rent, commit, wait, reveal.

        The secret of the commitment is derived from a signature of this account, so the same key
        can finish the registration from any machine.

        Args:
            owner: Who gets the name; the account itself by default.
            model: Bound to the name in the same transaction.

        Raises:
            InvalidInputError: The name is taken.
            InsufficientFundsError: Less JOY than the rent.
        """
        if not quote.is_available:
            raise InvalidInputError(
                f"{quote.name} is taken or reserved", hint=f"joynet domain show {quote.name}"
            )
        self._check_funds(quote)
        args = {
            "name": quote.name,
            "owner": owner or self._chain.account.address,
            "duration": str(quote.duration),
            "rent": str(quote.rent),
            "model": "0x" + model.hex() if model else "",
        }
        self._flows(REGISTER_FLOW, f"register {quote.name}", args)
        return self.show(quote.name)

    def renew(self, quote: Quote) -> Registration:
        """Pay for more time."""
        self.show(quote.name)
        self._check_funds(quote)
        args = {"name": quote.name, "duration": str(quote.duration), "rent": str(quote.rent)}
        self._flows(RENEW_FLOW, f"renew {quote.name}", args)
        return self.show(quote.name)

    def _check_funds(self, quote: Quote) -> None:
        have = self._chain.contract("JoyToken").call("balanceOf", self._chain.account.address)
        if have < quote.rent:
            raise InsufficientFundsError("JOY", have, quote.rent, hint="joynet token balance")

    def show(self, name: str) -> Registration:
        """Who holds a name.

        Raises:
            NotFoundError: It was never registered, or has expired for good.
        """
        label, tld = self.parse(name)
        full = f"{label}.{tld}"
        record = self._chain.contract("PermaNetDomainRegistry").call("registration", namehash(full))
        if record["owner"] == ZERO:
            self._tld_node(tld)
            raise NotFoundError("name", full, hint=f"joynet domain register {full}")
        expires = datetime.fromtimestamp(record["expires_at"], UTC)
        return Registration(
            full, Address(record["owner"]), expires, record["is_live"], Address(record["resolver"])
        )

    # --- records --------------------------------------------------------------------------------

    def resolve(self, name: str) -> Records:
        """Every record of a live name that JoyNet reads.

        Raises:
            NotFoundError: No such live name.
        """
        resolver, node, registration = self._resolver_of(name)
        binary = resolver.call("addr", node, ETHEREUM_COIN)
        model = resolver.call("model", node)
        payto = resolver.call("payto", node)
        return Records(
            name=registration.name,
            owner=registration.owner,
            address=_checksum(binary) if len(binary) == 20 else None,
            model="0x" + model.hex() if any(model) else None,
            endpoint=resolver.call("text", node, "endpoint") or None,
            payto=Address(payto) if payto != ZERO else None,
        )

    def model_of(self, name: str, version: str | None = None) -> ModelId:
        """The model a name is bound to.

        Args:
            version: A tag; read from the text record `model@<version>`.

        Raises:
            NotFoundError: The name is not live, or binds no (such) model.
        """
        resolver, node, _ = self._resolver_of(name)
        if version is None:
            model: bytes = resolver.call("model", node)
        else:
            text = resolver.call("text", node, f"model@{version}")
            model = bytes.fromhex(text.removeprefix("0x")) if text else bytes(32)
        if len(model) != 32 or not any(model):
            tag = f"@{version}" if version else ""
            raise NotFoundError("model bound to", name + tag, hint=f"joynet domain resolve {name}")
        return ModelId(model)

    def check_mine(self, name: str) -> None:
        """Make sure that this account owns a live name, before work that needs it.

        Raises:
            NotFoundError: No such live name.
            AuthError: Somebody else owns it.
        """
        _, _, registration = self._resolver_of(name)
        me = self._chain.account.address
        if registration.owner != me:
            raise AuthError(
                f"{registration.name} belongs to {registration.owner}, this account is {me}",
                hint="--account NAME of its owner",
            )

    def bind_model(self, name: str, model_id: ModelId) -> None:
        """Make a name of this account mean a model."""
        resolver, node, _ = self._resolver_of(name)
        resolver.transact("set_model", node, model_id)

    def set_address(self, name: str, address: Address) -> None:
        """Set the name's Ethereum address."""
        resolver, node, _ = self._resolver_of(name)
        resolver.transact("setAddr", node, ETHEREUM_COIN, bytes.fromhex(address[2:]))

    def set_text(self, name: str, key: str, value: str) -> None:
        """Set a text record; an empty value deletes it."""
        resolver, node, _ = self._resolver_of(name)
        resolver.transact("setText", node, key, value)

    def transfer(self, name: str, to: Address) -> Registration:
        """Give the name away, with its records."""
        registration = self.show(name)
        registry = self._chain.contract("PermaNetDomainRegistry")
        token_id = int.from_bytes(namehash(registration.name), "big")
        registry.transact("safeTransferFrom", registration.owner, to, token_id)
        return self.show(name)

    def owned(self, owner: Address) -> list[Registration]:
        """Live names of an account, from the registry's events."""
        registry = self._chain.contract("PermaNetDomainRegistry")
        seen = {
            event.args["token_id"].to_bytes(32, "big")
            for event in registry.events("Transfer", filters={"receiver": owner})
        }
        names = (registry.call("name_of", node) for node in sorted(seen))
        found = []
        for name in names:
            try:
                registration = self.show(name)
            except NotFoundError:
                continue
            if registration.owner == owner:
                found.append(registration)
        return found

    def _resolver_of(self, name: str) -> tuple[Any, bytes, Registration]:
        registration = self.show(name)
        if not registration.is_live:
            raise NotFoundError(
                "live name", registration.name, hint=f"joynet domain renew {registration.name}"
            )
        if registration.resolver == ZERO:
            raise NotFoundError("resolver of", registration.name)
        resolver = self._chain.contract("PermaNetResolver")
        if registration.resolver != resolver.address:
            raise NotFoundError(
                "JoyNet resolver of", f"{registration.name}: it uses {registration.resolver}"
            )
        return resolver, namehash(registration.name), registration

    def _tld_node(self, tld: str) -> bytes:
        node = namehash(tld)
        if self._chain.contract("TldRegistry").call("owner_of", node) == ZERO:
            raise NotFoundError("TLD", tld, hint="joynet domain check NAME.joy")
        return node


def _checksum(raw: bytes) -> Address:
    from eth_utils.address import to_checksum_address

    return Address(to_checksum_address(raw))


def _secret(run: Run) -> bytes:
    """The commitment's secret: the same for the same key, name, owner and network."""
    from eth_utils.crypto import keccak

    session, args = run.session, run.args
    registry = session.contract("PermaNetDomainRegistry").address
    text = (
        "JoyNet registration secret\n"
        f"chain {session.chain_id}\nregistry {registry}\n"
        f"name {args['name']}\nowner {args['owner']}"
    )
    return keccak(session.account.sign_message(text.encode()))


def register_flow(run: Run) -> None:
    """commit, wait for the minimum age on block time, approve the rent, reveal."""
    session, args = run.session, run.args
    registry, token = session.contract("PermaNetDomainRegistry"), session.contract("JoyToken")
    resolver = session.contract("PermaNetResolver")
    label, _, tld = args["name"].partition(".")
    records = []
    if args["model"]:
        call = [namehash(args["name"]), bytes.fromhex(args["model"][2:])]
        records.append(resolver.abi.encode_call("set_model", call))
    request = {
        "label": label,
        "tld": namehash(tld),
        "owner": args["owner"],
        "resolver": resolver.address,
        "duration": int(args["duration"]),
        "records": records,
        "secret": _secret(run),
    }
    stage(f"committing to {args['name']}")
    commitment = registry.call("commitment_of", request)
    run.transact("commit", registry, "commit", commitment, b"")
    ready = registry.call("committed_at", commitment) + registry.call("MIN_COMMIT_AGE")
    stage("waiting until the commitment is old enough")
    session.wait_until(lambda: session.now() >= ready, "the commitment's minimum age", 120)
    stage(f"paying {format_joy(int(args['rent']))}")
    run.approve(token, registry.address, int(args["rent"]), before="register")
    run.transact("register", registry, "register", request, int(args["rent"]))


def renew_flow(run: Run) -> None:
    """approve the rent, renew."""
    session, args = run.session, run.args
    registry, token = session.contract("PermaNetDomainRegistry"), session.contract("JoyToken")
    label, _, tld = args["name"].partition(".")
    rent = int(args["rent"])
    run.approve(token, registry.address, rent, before="renew")
    run.transact("renew", registry, "renew", label, namehash(tld), int(args["duration"]), rent)
