"""A `.joy` TLD, the registry and its resolver, and a registrant's half of the protocol."""

from dataclasses import dataclass
from typing import Any

import boa
import pytest
from eth_abi import encode
from eth_utils import function_signature_to_4byte_selector as selector
from eth_utils import keccak

DAY = 86_400
YEAR = 365 * DAY
GRACE = 30 * DAY
MIN_AGE = 10  # seconds
MIN_BLOCKS = 2
MAX_AGE = DAY
PRICES = [2 * 10**13, 10**13, 5 * 10**12, 10**12, 3 * 10**11 + 7]  # wei of JOY per second, by band
OWNER_BPS, BURN_BPS = 4_000, 1_000
PERMANENT = 2**256 - 1  # in place of a duration
PERMANENT_TERM = 25 * YEAR  # seconds of rent
CHARTER = {
    "prices": PRICES,
    "min_length": 1,
    "max_length": 63,
    "owner_bps": OWNER_BPS,
    "burn_bps": BURN_BPS,
    "permanent_term": PERMANENT_TERM,
    "premium_start": 0,
    "keeps_price": False,
}
SECRET = keccak(text="a secret")
RICH = 1_000_000 * 10**18  # wei of JOY


def node_of(label: str, parent: bytes = bytes(32)) -> bytes:
    """EIP-137 in two lines, independent of the contract."""
    return keccak(parent + keccak(label.encode()))


JOY_NODE = node_of("joy")


@dataclass
class Names:
    """What a registrant does: requests, commitments computed off chain, payments."""

    registry: Any
    resolver: Any
    joy: Any
    tld: bytes = JOY_NODE

    def chain_id(self) -> int:
        return boa.env.evm.patch.chain_id

    def node(self, label: str) -> bytes:
        return node_of(label, self.tld)

    def under(self, parent: bytes, label: str) -> bytes:
        """Node of a subname."""
        return node_of(label, parent)

    def token_id(self, label: str) -> int:
        return int.from_bytes(self.node(label), "big")

    def record(self, signature: str, *args: Any) -> bytes:
        """Encode one call to the resolver, such as `set_model(bytes32,bytes32)`."""
        types = signature[signature.index("(") + 1 : -1].split(",")
        return selector(signature) + encode(types, args)

    def request(self, label, owner, *, resolver=None, duration=YEAR, records=(), secret=SECRET):
        target = self.resolver.address if resolver is None else resolver
        return (label, self.tld, owner, target, duration, list(records), secret)

    def commitment(self, request, *, registry=None, chain_id=None) -> bytes:
        label, tld, owner, resolver, duration, records, secret = request
        types = "uint256 address bytes32 bytes32 address address uint256 bytes32 bytes32"
        values = (
            self.chain_id() if chain_id is None else chain_id,
            registry or self.registry.address,
            keccak(label.encode() if isinstance(label, str) else label),
            tld,
            owner,
            resolver,
            duration,
            keccak(encode(["bytes[]"], [records])),
            secret,
        )
        return keccak(encode(types.split(), values))

    def commit(self, request, *, sender) -> bytes:
        commitment = self.commitment(request)
        self.registry.commit(commitment, b"hint", sender=sender)
        return commitment

    def reveal(self, request, *, sender, max_price=2**256 - 1) -> int:
        return self.registry.register(request, max_price, sender=sender)

    def register(self, label, owner, *, sender=None, **changed) -> bytes:
        """Commit, wait, reveal; return the node."""
        request = self.request(label, owner, **changed)
        self.commit(request, sender=sender or owner)
        self.age()
        self.reveal(request, sender=sender or owner)
        return self.node(label)

    def age(self) -> None:
        """Let just so much time pass that a commitment made now can be revealed."""
        self.at(boa.env.timestamp + MIN_AGE)

    def at(self, seconds: int) -> None:
        """Move to an exact second, a few blocks on; the clock never goes back."""
        assert seconds >= boa.env.timestamp
        boa.env.timestamp = seconds
        boa.env.evm.patch.block_number += MIN_BLOCKS


@pytest.fixture(scope="session")
def tld_owner(actor):
    """Owns `.joy`."""
    return actor("tld_owner")


@pytest.fixture(scope="session")
def alice(actor):
    """Wants names."""
    return actor("alice")


@pytest.fixture(scope="session")
def bob(actor):
    """Wants the same names."""
    return actor("bob")


@pytest.fixture(scope="session")
def charter():
    """Return a function that gives a charter as the contract takes it, some terms changed."""

    def _charter(**changed: Any) -> tuple[Any, ...]:
        assert not changed.keys() - CHARTER.keys()
        return tuple((CHARTER | changed).values())

    return _charter


@pytest.fixture
def tlds(deploy, owner, treasury, tld_owner, charter):
    with boa.env.prank(owner):
        registry = deploy("domains/TldRegistry.vy", treasury)
        registry.create("joy", tld_owner, charter())
    return registry


@pytest.fixture
def deploy_registry(deploy, owner, joy, tlds, guardian):
    """Return a function that deploys a wired registry with some constructor arguments changed."""

    def _deploy(**changed):
        arguments = {
            "joy": joy,
            "min_commit_age": MIN_AGE,
            "min_commit_blocks": MIN_BLOCKS,
            "link_delay": DAY,
            "guardian": guardian,
            "outflow_bps": 5_000,
            "outflow_floor": 10**15,
            "rate_capacity": 20,
            "rate_window": 3_600,
        }
        with boa.env.prank(owner):
            registry = deploy("domains/PermaNetDomainRegistry.vy", *(arguments | changed).values())
            registry.set_link("TldRegistry", tlds)
        return registry

    return _deploy


@pytest.fixture
def registry(deploy_registry, joy, fund, alice, bob):
    registry = deploy_registry()
    for account in (alice, bob):
        fund(account, RICH)
        joy.approve(registry, 2**256 - 1, sender=account)
    return registry


@pytest.fixture
def subnames(deploy, owner, registry, tlds):
    contract = deploy("domains/PermaNetSubnames.vy", registry, tlds)
    registry.set_link("PermaNetSubnames", contract, sender=owner)
    return contract


@pytest.fixture
def resolver(deploy, registry, subnames):
    return deploy("domains/PermaNetResolver.vy", registry, subnames)


@pytest.fixture
def names(registry, resolver, joy):
    return Names(registry, resolver, joy)


@pytest.fixture
def alice_joy(names, alice):
    """Node of `alice.joy`, registered by alice for a year."""
    return names.register("alice", alice)


@pytest.fixture
def attacker(deploy, registry, joy, fund):
    """A contract with JOY that calls back whenever it is called."""
    contract = deploy("testing/NameAttacker.vy")
    fund(contract.address, RICH)
    joy.approve(registry, 2**256 - 1, sender=contract.address)
    return contract
