"""A marketplace, and short ways to list models on it and pay them."""

import hashlib
from dataclasses import dataclass
from typing import Any

import boa
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from eth_abi import encode
from eth_utils import keccak

from ..governance.conftest import charter, daos, members, tld_owner, tlds  # noqa: F401

DAY = 86_400  # seconds
RELEASE_WINDOW = 3 * DAY
DISPUTE_WINDOW = DAY
FEE_BPS = 250
CLAIM_BOND = 100 * 10**18  # JOY wei
DEFENCE_WINDOW = 7 * DAY
DECISION_WINDOW = 30 * DAY
JOY_TLD = keccak(bytes(32) + keccak(text="joy"))
AI_TLD = keccak(bytes(32) + keccak(text="ai"))
SPEC = b"\x5e" * 32
CONTENT_KEY = hashlib.sha256(b"a content key").digest()
KEY_HASH = hashlib.sha256(b"joynet/content-key/1" + CONTENT_KEY).digest()
ZERO = "0x" + "00" * 20
BUYER_SECRET = hashlib.sha256(b"the buyer's key of one purchase").digest()
EPHEMERAL_SECRET = hashlib.sha256(b"the seller's key of one release").digest()
LINK_DELAY = 86_400  # seconds
OUTFLOW_BPS = 1_000
OUTFLOW_FLOOR = 10**24  # JOY wei: out of the way unless a test wants it
EXACT, TOLERANT = 0, 1


def public_key(secret: bytes) -> bytes:
    """X25519 public key, by `cryptography`."""
    return X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()


def pad(shared: bytes, ephemeral: bytes, buyer_key: bytes, license_id: int, at: str) -> bytes:
    """What a content key is wrapped with, as docs/spec/sealed-models.md says."""
    return hashlib.sha256(
        b"joynet/key-wrap/1"
        + (shared + ephemeral + buyer_key)
        + license_id.to_bytes(32, "big")
        + bytes.fromhex(at[2:])
        + boa.env.evm.patch.chain_id.to_bytes(32, "big")
    ).digest()


def xor(a: bytes, b: bytes) -> bytes:
    """Bytewise."""
    return bytes(x ^ y for x, y in zip(a, b, strict=True))


@dataclass
class Shop:
    """Both sides of a sale."""

    licenses: Any
    joy: Any
    fund: Any
    publisher: str

    def offer(self, model_id: bytes, by: str | None = None, **changed: Any) -> bytes:
        """Set terms: 1,000 wei, for ever, open, but for what is changed."""
        self.licenses.set_terms(model_id, self.terms(**changed), sender=by or self.publisher)
        return model_id

    def terms(self, **changed: Any) -> tuple[Any, ...]:
        """price, period, key_hash, key_holder, is_required, is_transferable, resale_bps."""
        values = {
            "price": 1_000,
            "period": 0,
            "key_hash": bytes(32),
            "key_holder": ZERO,
            "is_required": False,
            "is_transferable": True,
            "resale_bps": 500,
        }
        assert not changed.keys() - values.keys()
        return tuple((values | changed).values())

    def digest(self, model_id: bytes) -> bytes:
        """Of the present terms, computed here from what the contract shows."""
        kinds = "(uint256,uint256,bytes32,address,bool,bool,uint256)"
        return keccak(encode(["bytes32", kinds], [model_id, tuple(self.licenses.terms(model_id))]))

    def pay(self, account: str, model_id: bytes) -> None:
        """Give an account the price and approve it."""
        price = self.licenses.terms(model_id).price
        self.fund(account, price)
        self.joy.approve(self.licenses, price, sender=account)

    def buy(self, model_id: bytes, by: str, secret: bytes = BUYER_SECRET) -> int:
        """Buy as `by`, with the key that the model needs."""
        self.pay(by, model_id)
        is_sealed = self.licenses.terms(model_id).key_hash != bytes(32)
        key = public_key(secret) if is_sealed else bytes(32)
        return self.licenses.buy(model_id, key, self.digest(model_id), sender=by)

    def renew(self, license_id: int, by: str) -> None:
        """Renew at the present terms."""
        model_id = self.licenses.license(license_id).model_id
        self.pay(by, model_id)
        self.licenses.renew(license_id, self.digest(model_id), sender=by)

    def wrap(self, license_id: int, key: bytes = CONTENT_KEY) -> tuple[bytes, bytes]:
        """What the seller posts: (ephemeral, wrapped)."""
        buyer_key = self.licenses.license(license_id).buyer_key
        secret = X25519PrivateKey.from_private_bytes(EPHEMERAL_SECRET)
        shared = secret.exchange(X25519PublicKey.from_public_bytes(buyer_key))
        ephemeral = public_key(EPHEMERAL_SECRET)
        wrapped = xor(key, pad(shared, ephemeral, buyer_key, license_id, self.licenses.address))
        return ephemeral, wrapped

    def release(self, license_id: int, key: bytes = CONTENT_KEY, by: str | None = None) -> None:
        """Post a key, by default the right one."""
        self.licenses.release(license_id, *self.wrap(license_id, key), sender=by or self.publisher)


@dataclass
class Family:
    """Models with parents, and the claims of parents that were left out."""

    market: Any
    contract: Any
    joy: Any
    fund: Any
    publisher: str

    def original(self, n: int, by: str | None = None, **terms: int) -> bytes:
        """List model `n`; derivatives are allowed for at least `share` basis points."""
        model_id = n.to_bytes(32, "big")
        by = by or self.publisher
        self.market.list_model(model_id, 10, 0, EXACT, 0, [], sender=by)
        if "share" in terms:
            self.contract.set_parent_terms(model_id, True, terms["share"], sender=by)
        boa.env.time_travel(seconds=1)
        return model_id

    def publish(self, n: int, parents: Any, by: str | None = None, **changed: Any) -> bytes:
        """Publish fused model `n`; returns its id."""
        model_id = n.to_bytes(32, "big")
        values = {"spec": SPEC, "owners": [], "court": bytes(32)} | changed
        self.contract.publish(
            *(model_id, values["spec"], 10, 0, EXACT, 0),
            *(values["owners"], list(parents), values["court"]),
            sender=by or self.publisher,
        )
        boa.env.time_travel(seconds=1)
        return model_id

    def bond(self, account: str) -> None:
        """Give an account a bond and approve it."""
        self.fund(account, CLAIM_BOND)
        self.joy.approve(self.contract, CLAIM_BOND, sender=account)

    def claim(self, child: bytes, parent: bytes, bps: int, by: str, spec: bytes = SPEC) -> int:
        """Open a claim."""
        self.bond(by)
        return self.contract.open_claim(child, parent, bps, spec, sender=by)

    def defend(self, claim_id: int, by: str) -> None:
        """Deny a claim."""
        self.bond(by)
        self.contract.defend(claim_id, sender=by)


@pytest.fixture
def deploy_market(deploy, joy, owner, guardian):
    """Return a function that deploys a marketplace with a given outflow floor (JOY wei)."""

    def _deploy(outflow_floor=OUTFLOW_FLOOR):
        with boa.env.prank(owner):
            return deploy(
                "models/ModelMarketplace.vy",
                joy,
                LINK_DELAY,
                guardian,
                OUTFLOW_BPS,
                outflow_floor,
            )

    return _deploy


@pytest.fixture
def market(deploy_market):
    return deploy_market()


@pytest.fixture
def fusion(market, owner):
    """Stand in for ModelFusionContract: an address with code, which tests call from."""
    contract = boa.loads("# pragma version ~=0.4.3\n@external\ndef ping():\n    pass")
    market.set_link("ModelFusionContract", contract, sender=owner)
    return contract.address


@pytest.fixture
def model():
    """Return a function that makes the n-th model id."""
    return lambda n: n.to_bytes(32, "big")


@pytest.fixture
def listed(market, publisher, model):
    """Return a function that lists model `n` without parents and returns its id."""

    def _listed(n, owners=(), price=10, by=publisher):
        market.list_model(model(n), price, 0, EXACT, 0, list(owners), sender=by)
        return model(n)

    return _listed


@pytest.fixture
def derived(market, fusion, publisher, model):
    """Return a function that lists model `n` with parents [(id, bps)] and returns its id."""

    def _derived(n, parents, owners=(), by=publisher):
        market.list_derived(
            by, model(n), 10, 0, EXACT, 0, list(owners), list(parents), sender=fusion
        )
        return model(n)

    return _derived


@pytest.fixture
def pay(market, joy, fund, client):
    """Return a function that pays a model JOY wei from `client`."""

    def _pay(model_id, amount):
        fund(client, amount)
        joy.approve(market, amount, sender=client)
        market.pay(model_id, amount, sender=client)

    return _pay


@pytest.fixture
def deploy_licenses(deploy, joy, owner, guardian):
    """Return a function that deploys an unlinked ModelLicenses, some arguments changed."""

    def _deploy(**changed):
        arguments = {
            "joy": joy,
            "release_window": RELEASE_WINDOW,
            "dispute_window": DISPUTE_WINDOW,
            "fee_bps": FEE_BPS,
            "link_delay": LINK_DELAY,
            "guardian": guardian,
            "outflow_bps": OUTFLOW_BPS,
            "outflow_floor": OUTFLOW_FLOOR,
        } | changed
        with boa.env.prank(owner):
            return deploy("models/ModelLicenses.vy", *arguments.values())

    return _deploy


@pytest.fixture
def licenses(deploy_licenses, market, owner):
    contract = deploy_licenses()
    contract.set_link("ModelMarketplace", market, sender=owner)
    return contract


@pytest.fixture
def shop(licenses, joy, fund, publisher):
    """Sell and buy licences in a few words."""
    return Shop(licenses, joy, fund, publisher)


@pytest.fixture
def sealed(shop, listed):
    """Model 1, sealed, for 1,000 wei for ever."""
    return shop.offer(listed(1), key_hash=KEY_HASH)


@pytest.fixture
def open_model(shop, listed):
    """Model 2, not sealed, for 1,000 wei for 30 days."""
    return shop.offer(listed(2), period=30 * DAY)


@pytest.fixture
def bought(shop, sealed, client):
    """A licence of the sealed model that awaits its key."""
    return shop.buy(sealed, client)


@pytest.fixture
def released(shop, bought):
    """A licence whose right key is posted."""
    shop.release(bought)
    return bought


@pytest.fixture
def deploy_fusions(deploy, joy, market, owner, guardian):
    """Return a function that deploys an unlinked ModelFusionContract, some arguments changed."""

    def _deploy(**changed):
        arguments = {
            "joy": joy,
            "market": market,
            "default_court": JOY_TLD,
            "claim_bond": CLAIM_BOND,
            "defence_window": DEFENCE_WINDOW,
            "decision_window": DECISION_WINDOW,
            "link_delay": LINK_DELAY,
            "guardian": guardian,
            "outflow_bps": OUTFLOW_BPS,
            "outflow_floor": OUTFLOW_FLOOR,
        } | changed
        with boa.env.prank(owner):
            return deploy("models/ModelFusionContract.vy", *arguments.values())

    return _deploy


@pytest.fixture
def fusions(deploy_fusions, market, owner):
    """The real ModelFusionContract, which the marketplace obeys; no DAO yet."""
    contract = deploy_fusions()
    market.set_link("ModelFusionContract", contract, sender=owner)
    return contract


@pytest.fixture
def family(fusions, market, joy, fund, publisher):
    return Family(market, fusions, joy, fund, publisher)


@pytest.fixture
def court(fusions, daos, owner):  # noqa: F811
    """Executors of the DAOs of `.joy` and `.ai`, by number, which `fusions` knows."""
    fusions.set_link("TldRegistry", daos.tlds, sender=owner)
    fusions.set_link("PermaNetDAORegistry", daos.registry, sender=owner)
    return daos.executor
