"""Buying and renewing names: quotes, commit and reveal, and what finishes a lost registration."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from joynet_sdk.domains import recovery
from joynet_sdk.domains.names import namehash
from joynet_sdk.domains.records import Record, call_of
from joynet_sdk.domains.registry import REGISTRY, TLDS, ZERO, NameRegistry
from joynet_sdk.domains.resolution import RESOLVER
from joynet_sdk.errors import InsufficientFundsError, InvalidInputError
from joynet_sdk.ports import Chain, Run
from joynet_sdk.progress import stage
from joynet_sdk.types import Address, JoyWei
from joynet_sdk.units import format_joy

REGISTER_FLOW, RENEW_FLOW = "domain.register", "domain.renew"
SECONDS_PER_YEAR = 365 * 86_400
MAX_YEARS = 10
MAX_REVEALED_RECORDS = 8
REVEAL_MARGIN_S = 120  # beyond the commitment's minimum age
# Gas of a whole registration and of a renewal: commit, approve, register with one record; approve,
# renew. tests/contracts/domains/test_gas.py holds the parts.
REGISTER_GAS, RENEW_GAS = 60_000 + 50_000 + 300_000, 50_000 + 90_000


@dataclass(frozen=True, slots=True)
class Quote:
    """What a name costs now.

    Attributes:
        refusal: Why it cannot be registered, in the contract's words; "" when it can.
        rent: Wei of JOY for the whole duration, the premium not included.
        premium: Wei of JOY on top, of a name that lapsed a short while ago.
        duration: Seconds; for a permanent name what its rent is counted for.
        is_permanent: One payment, no expiry.
        gas_fee: Wei of ETH that all its transactions cost at most, about.
        warnings: What to know about the looks of the name.
    """

    name: str
    refusal: str
    rent: JoyWei
    premium: JoyWei
    duration: int
    is_permanent: bool
    gas_fee: int
    warnings: tuple[str, ...] = ()

    @property
    def is_available(self) -> bool:
        """Whether this account can register it."""
        return not self.refusal

    @property
    def total(self) -> JoyWei:
        """Wei of JOY to pay."""
        return JoyWei(self.rent + self.premium)


@dataclass(frozen=True, slots=True)
class Pending:
    """A registration of this wallet that was committed to and not revealed yet.

    Attributes:
        duration: Seconds, or the contract's word for a permanent name.
        records: Set by the reveal.
        late_records: Records that were to be set after it and are in no hint.
        salt: Of its secret.
        made_at: Unix seconds, chain time.
        good_until: Unix seconds, chain time.
    """

    name: str
    owner: Address
    duration: int
    records: tuple[Record, ...]
    late_records: int
    salt: bytes
    made_at: int
    good_until: int


class Registrar:
    """Quotes and pending registrations; the payments are flows."""

    def __init__(self, chain: Chain, registry: NameRegistry) -> None:
        self._chain, self._registry = chain, registry
        self._keys: dict[str, bytes | None] = {}

    def wallet_key(self) -> bytes | None:
        """The registration key of this account, asked for once; None when it has none."""
        account = self._chain.account
        if account.address not in self._keys:
            registry = self._chain.contract(REGISTRY).address
            key = recovery.wallet_key(account, self._chain.chain_id, registry)
            self._keys[account.address] = key
        return self._keys[account.address]

    def quote(
        self, name: str, *, years: int = 1, permanent: bool = False, owner: str | None = None
    ) -> Quote:
        """Price a registration, or the renewal of a name that somebody has.

        Args:
            years: Of 365 days; not for a permanent name.
            permanent: One payment, no expiry.
            owner: Who would get it: the owner of a TLD may have its reserved words.

        Raises:
            InvalidInputError: Not 1 to 10 years; no such name; permanent names are not sold here.
        """
        if not 1 <= years <= MAX_YEARS:
            raise InvalidInputError(f"years is {years}, expected 1 to {MAX_YEARS}")
        label, tld = self._registry.parse(name)
        full, node = f"{label}.{tld}", self._registry.tld_node(tld)
        contract, me = self._chain.contract(REGISTRY), owner or ZERO
        refusal = str(contract.call("refusal", label, node, me))
        duration = years * SECONDS_PER_YEAR
        if permanent:
            term = self._chain.contract(TLDS).call("terms", node, label, me)["permanent_term"]
            if not term:
                raise InvalidInputError(
                    f"permanent names are not sold under .{tld}",
                    hint=f"joynet tld charter show {tld}",
                )
            duration = term
        asked = contract.call("PERMANENT") if permanent else duration
        total = int(contract.call("quote", label, node, asked))
        premium = 0 if refusal else self._premium(full, node)
        gas = RENEW_GAS if refusal else REGISTER_GAS
        return Quote(
            full,
            refusal.partition(": ")[2] or refusal,
            JoyWei(total - premium),
            JoyWei(premium),
            duration,
            permanent,
            gas * self._chain.gas_price(),
            tuple(self._registry.warnings(name)),
        )

    def _premium(self, name: str, tld_node: bytes) -> int:
        """What a lapsed name costs on top, in wei of JOY; 0 for one that never was."""
        registry = self._chain.contract(REGISTRY)
        expires_at = registry.call("registration", namehash(name))["expires_at"]
        if not expires_at:
            return 0
        freed_at = expires_at + registry.call("GRACE")
        return int(self._chain.contract(TLDS).call("premium", tld_node, freed_at))

    def quote_pending(self, pending: "Pending") -> Quote:
        """Price what was committed to elsewhere: its own duration, at the prices of now."""
        contract = self._chain.contract(REGISTRY)
        permanent = pending.duration == contract.call("PERMANENT")
        quote = self.quote(pending.name, permanent=permanent, owner=pending.owner)
        if permanent:
            return quote
        label, _, tld = pending.name.partition(".")
        total = int(contract.call("quote", label, namehash(tld), pending.duration))
        return replace(quote, rent=JoyWei(total - quote.premium), duration=pending.duration)

    def check_funds(self, quote: Quote, max_price: JoyWei | None = None) -> None:
        """Make sure that this account can pay, and wants to.

        Raises:
            InsufficientFundsError: Less JOY than the quote, or a limit below it.
        """
        if max_price is not None and quote.total > max_price:
            hint = f"joynet domain quote {quote.name}"
            raise InsufficientFundsError(
                "JOY within --max-price", max_price, quote.total, hint=hint
            )
        have = self._chain.contract("JoyToken").call("balanceOf", self._chain.account.address)
        if have < quote.total:
            raise InsufficientFundsError("JOY", have, quote.total, hint="joynet token balance")

    # --- lost registrations

    def pending(self) -> list[Pending]:
        """Registrations of this account that can still be revealed, oldest first.

        Only its key is needed: the hints lie on the chain. Registrations made by a wallet whose
        signatures differ each time leave no hint.
        """
        registry, account = self._chain.contract(REGISTRY), self._chain.account
        if account.is_locked:
            return []
        key = self.wallet_key()
        if key is None:
            return []
        max_age = int(registry.call("MAX_COMMIT_AGE"))
        start = first_block_since(self._chain, self._chain.now() - max_age)
        found: dict[bytes, Pending] = {}
        for event in registry.events("Committed", start, filters={"account": account.address}):
            commitment = event.args["commitment"]
            made_at = registry.call("committed_at", commitment)
            document = recovery.unseal(key, event.args["hint"]) if made_at else None
            pending = document and _pending_of(document, made_at, made_at + max_age)
            if pending and pending.good_until >= self._chain.now():
                found[commitment] = pending
        return list(found.values())


def _pending_of(document: Mapping[str, Any], made_at: int, good_until: int) -> Pending | None:
    """What a hint says; None for one of another version."""
    try:
        return Pending(
            str(document["n"]),
            Address(document["o"]),
            int(document["d"]),
            tuple(Record(str(key), str(value)) for key, value in document["r"]),
            int(document["l"]),
            bytes.fromhex(document["s"]),
            made_at,
            good_until,
        )
    except (KeyError, TypeError, ValueError):
        return None


def first_block_since(chain: Chain, moment: int) -> int:
    """Number of the first block made at a unix second or later, by bisection."""
    low, high = 0, chain.block_number()
    while low < high:
        middle = (low + high) // 2
        if chain.block_time(middle) < moment:
            low = middle + 1
        else:
            high = middle
    return low


# --- flows


def registration_args(
    quote: Quote, owner: Address, records: Sequence[Record], *, salt: bytes, secret: str
) -> dict[str, Any]:
    """The arguments of a registration job.

    Args:
        records: Those that fit go into the reveal, else all are set right after it.
        salt: Of the secret.
        secret: 0x and hex for a wallet that cannot derive one; else "".
    """
    args = {
        "name": quote.name,
        "owner": owner,
        "duration": "permanent" if quote.is_permanent else str(quote.duration),
        "rent": str(quote.total),
        "records": [[record.key, record.value] for record in records],
        "late": [],
        "salt": salt.hex(),
        "secret": secret,
        "is_committed": False,
    }
    if not _fits(args):
        args["records"], args["late"] = [], args["records"]
    return args


def pending_args(pending: Pending, quote: Quote) -> dict[str, Any]:
    """The arguments of a job that finishes a registration begun elsewhere."""
    return {
        "name": pending.name,
        "owner": pending.owner,
        "duration": str(pending.duration),
        "rent": str(quote.total),
        "records": [[record.key, record.value] for record in pending.records],
        "late": [],
        "salt": pending.salt.hex(),
        "secret": "",
        "is_committed": True,
    }


def _fits(args: Mapping[str, Any]) -> bool:
    if len(args["records"]) > MAX_REVEALED_RECORDS:
        return False
    try:
        recovery.seal(bytes(32), _hint(args, 2**255))
    except InvalidInputError:
        return False
    return True


def _hint(args: Mapping[str, Any], duration: int) -> dict[str, Any]:
    return {
        "n": args["name"],
        "o": args["owner"],
        "d": str(duration),
        "r": args["records"],
        "l": len(args["late"]),
        "s": args["salt"],
    }


def register_flow(run: Run) -> None:
    """commit, approve the price, wait for the minimum age on block time, reveal."""
    session, args = run.session, run.args
    registry, token = session.contract(REGISTRY), session.contract("JoyToken")
    label, _, tld = args["name"].partition(".")
    duration = _duration(registry, args["duration"])
    key = recovery.wallet_key(session.account, session.chain_id, registry.address)
    secret = _secret(args, key)
    request = {
        "label": label,
        "tld": namehash(tld),
        "owner": args["owner"],
        "resolver": session.contract(RESOLVER).address,
        "duration": duration,
        "records": list(encoded(session, args["name"], _records(args["records"]))),
        "secret": secret,
    }
    commitment = registry.call("commitment_of", request)
    if not args["is_committed"]:
        stage(f"committing to {args['name']}")
        is_sealed = key is not None and not session.account.is_locked  # a plan stays the same
        hint = recovery.seal(key or b"", _hint(args, duration)) if is_sealed else b""
        run.transact("commit", registry, "commit", commitment, hint)
    price = int(args["rent"])
    run.approve(token, registry.address, price, before="register")  # while the commitment ages
    if registry.call("committed_at", commitment):  # not used up by the reveal of an earlier run
        stage("waiting until the commitment is old enough")
        wait_s = registry.call("MIN_COMMIT_AGE") + REVEAL_MARGIN_S
        is_ready = partial(registry.call, "can_reveal", commitment)
        session.wait_until(is_ready, "the commitment's minimum age", wait_s)
    stage(f"paying {format_joy(price)}")
    run.transact("register", registry, "register", request, price)
    set_records(run, args["name"], _records(args["late"]))


def renew_flow(run: Run) -> None:
    """approve the rent, renew."""
    session, args = run.session, run.args
    registry, token = session.contract(REGISTRY), session.contract("JoyToken")
    label, _, tld = args["name"].partition(".")
    rent, duration = int(args["rent"]), _duration(registry, args["duration"])
    run.approve(token, registry.address, rent, before="renew")
    run.transact("renew", registry, "renew", label, namehash(tld), duration, rent)


def _duration(registry: Any, text: str) -> int:
    return int(registry.call("PERMANENT")) if text == "permanent" else int(text)


def _secret(args: Mapping[str, Any], key: bytes | None) -> bytes:
    if args["secret"]:
        return bytes.fromhex(args["secret"][2:])
    if key is None:
        raise InvalidInputError(
            "this wallet signs differently each time, so the secret of this registration is lost",
            hint=f"begin again: joynet domain register {args['name']}",
        )
    return recovery.secret_of(key, bytes.fromhex(args["salt"]))


def _records(pairs: Iterable[Sequence[str]]) -> list[Record]:
    return [Record(key, value) for key, value in pairs]


def encoded(session: Any, name: str, records: Iterable[Record]) -> Iterator[bytes]:
    """Records of a name as encoded calls of the resolver."""
    abi, node = session.contract(RESOLVER).abi, namehash(name)
    for record in records:
        call = call_of(record)
        yield abi.encode_call(call.function, [node, *call.args])


MAX_CALLS = 16  # of one multicall


def set_records(run: Run, name: str, records: Sequence[Record], first: bytes = b"") -> None:
    """Set records in as few transactions as the resolver takes: 16 calls each.

    Args:
        run: The job.
        name: A live name of the job's account.
        records: To set, or to delete where empty.
        first: An encoded call to make before them.
    """
    calls = [*([first] if first else []), *encoded(run.session, name, records)]
    resolver = run.session.contract(RESOLVER)
    for number, start in enumerate(range(0, len(calls), MAX_CALLS), 1):
        stage(f"setting {len(calls)} records")
        run.transact(f"records {number}", resolver, "multicall", calls[start : start + MAX_CALLS])
