"""A coordinator wired to a real token and marketplace, and keys that sign for payers and peers."""

from types import SimpleNamespace

import boa
import pytest
from eth_account import Account
from eth_keys import keys
from eth_utils import keccak

LINK_DELAY = 86_400  # seconds
THAW_PERIOD = 3_600  # seconds
OUTFLOW_BPS = 1_000
OUTFLOW_FLOOR = 10**24  # JOY wei: out of the way unless a test wants it
FEE_BPS = 200
JOY_WEI = 10**18


def key_of(name: str) -> bytes:
    """A private key that depends on `name` alone."""
    return keccak(text=name)


@pytest.fixture(scope="session")
def sign():
    """Return a function that signs a digest as it is with the key of `name`: (v, r, s)."""

    def _sign(digest, name):
        signature = Account.unsafe_sign_hash(digest, key_of(name))
        return signature.v, signature.r.to_bytes(32, "big"), signature.s.to_bytes(32, "big")

    return _sign


@pytest.fixture(scope="session")
def public_key():
    """Return a function that makes the public key of `name`."""
    return lambda name: keys.PrivateKey(key_of(name)).public_key


@pytest.fixture
def market(deploy, joy, owner, guardian):
    with boa.env.prank(owner):
        return deploy(
            "models/ModelMarketplace.vy", joy, LINK_DELAY, guardian, OUTFLOW_BPS, OUTFLOW_FLOOR
        )


@pytest.fixture
def deploy_coordinator(deploy, joy, owner, guardian):
    """Return a function that deploys an unlinked coordinator, some arguments changed."""

    def _deploy(**changed):
        arguments = {
            "joy": joy,
            "thaw_period": THAW_PERIOD,
            "fee_bps": FEE_BPS,
            "link_delay": LINK_DELAY,
            "guardian": guardian,
            "outflow_bps": OUTFLOW_BPS,
            "outflow_floor": OUTFLOW_FLOOR,
        } | changed
        with boa.env.prank(owner):
            return deploy("inference/NodeCoordinator.vy", *arguments.values())

    return _deploy


@pytest.fixture
def poi():
    """Stand in for ProofOfInference: an address with code, which tests call from."""
    return boa.loads("# pragma version ~=0.4.3\n@external\ndef ping():\n    pass").address


@pytest.fixture
def coordinator(deploy_coordinator, market, joy, owner, poi):
    contract = deploy_coordinator()
    contract.set_link("ModelMarketplace", market, sender=owner)
    contract.set_link("ProofOfInference", poi, sender=owner)
    joy.admit_service(contract, True, sender=owner)
    return contract


@pytest.fixture
def model(market, publisher):
    """Return a function that lists model `n` at a price (JOY wei per call) and returns its id."""

    def _model(n=1, price=10):
        model_id = n.to_bytes(32, "big")
        market.list_model(model_id, price, 0, 0, 0, [], sender=publisher)
        return model_id

    return _model


@pytest.fixture
def register(coordinator, actor, sign, public_key):
    """Return a function that registers node `name`; it has vault, operator, payout and id."""

    def _register(name="node", vault=None, at=None, operator=None):
        at = at or coordinator
        vault = vault or actor(f"{name} vault")
        operator = operator or actor(f"{name} operator")
        payout = actor(f"{name} payout")
        v, r, s = sign(at.peer_key_digest(vault, operator), f"{name} peer")
        node_id = at.register(
            operator,
            payout,
            public_key(f"{name} peer").to_bytes(),
            v,
            r,
            s,
            "/ip4/127.0.0.1/tcp/4001",
            "8928308280fffff",
            4,
            sender=vault,
        )
        return SimpleNamespace(id=node_id, vault=vault, operator=operator, payout=payout, name=name)

    return _register


@pytest.fixture
def node(register):
    return register()


@pytest.fixture
def provision(joy, stake, coordinator):
    """Return a function that stakes JOY wei for a vault and provisions it to the coordinator."""

    def _provision(vault, amount):
        stake(vault, amount)
        joy.provision(coordinator, amount, sender=vault)

    return _provision


@pytest.fixture
def payer(fund, joy, coordinator):
    """Return a function that makes payer `name`, deposits for it, and allocates to an operator."""

    def _payer(name="payer", deposit=1_000, operator=None, allocation=0, at=None):
        at = at or coordinator
        address = Account.from_key(key_of(name)).address
        fund(address, deposit)
        joy.approve(at, deposit, sender=address)
        at.deposit(deposit, sender=address)
        if operator:
            at.allocate(operator, allocation or deposit, sender=address)
        return SimpleNamespace(name=name, address=address)

    return _payer


@pytest.fixture
def voucher(coordinator, sign):
    """Return a function that signs a voucher: (voucher, signature)."""

    def _voucher(payer, operator, model_id, calls, amount, lane=0, at=None):
        at = at or coordinator
        fields = (payer.address, operator, model_id, lane, calls, amount)
        v, r, s = sign(at.hash_voucher(fields), payer.name)
        return fields, r + s + bytes([v])

    return _voucher


@pytest.fixture
def redeem(coordinator):
    """Return a function that redeems signed vouchers as a node's operator."""

    def _redeem(node, *signed, at=None):
        at = at or coordinator
        return at.redeem([v for v, _ in signed], [s for _, s in signed], sender=node.operator)

    return _redeem
