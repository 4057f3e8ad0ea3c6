"""A marketplace, and short ways to list models on it and pay them."""

import boa
import pytest

LINK_DELAY = 86_400  # seconds
OUTFLOW_BPS = 1_000
OUTFLOW_FLOOR = 10**24  # JOY wei: out of the way unless a test wants it
EXACT, TOLERANT = 0, 1


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
