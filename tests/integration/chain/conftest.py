"""Actors on a real chain."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from joynet_sdk.chain import Account, ChainSession, Contract, Devnet
from joynet_sdk.chain.deploy import DEVNET, deploy_all
from joynet_sdk.chain.rpc import Rpc

ETH = 10**18


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home of the test's own; its chain is the worker's devnet."""
    return tmp_path / "home"


@pytest.fixture
def rich(anvil: Devnet) -> Callable[[int], Account]:
    """Make the n-th account, with ETH."""

    def make(number: int) -> Account:
        account = Account.from_key(number.to_bytes(32, "big"), name=f"actor{number}")
        with Rpc(anvil.url) as rpc:
            rpc.call("anvil_setBalance", account.address, hex(100 * ETH))
        return account

    return make


@pytest.fixture
def owner(rich: Callable[[int], Account]) -> Account:
    """Deploys, and holds the treasury."""
    return rich(1001)


@pytest.fixture
def session(anvil: Devnet, home: Path, owner: Account) -> Iterator[ChainSession]:
    """A session of the owner."""
    with ChainSession(anvil.url, home, account=owner, timeout_s=20) as opened:
        yield opened


@pytest.fixture
def token(session: ChainSession) -> Contract:
    """JoyToken, the supply with the owner."""
    deploy_all(session, DEVNET, names=["JoyToken"])
    return session.contract("JoyToken")
