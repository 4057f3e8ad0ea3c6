"""Actors, the deployed token and small helpers that every contract test shares.

Actors are addresses named by role. Titanoboa's pytest plugin anchors every fixture and every
test, so nothing a test does to the chain reaches the next one.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import boa
import pytest
from boa.contracts.vyper.vyper_contract import VyperContract

CONTRACTS = Path(__file__).resolve().parents[2] / "contracts"
UNBONDING_DELAY = 14 * 86_400  # seconds
JOY_WEI = 10**18


def _name_and_address(contract: VyperContract) -> str:
    return f"<{contract.compiler_data.contract_path} at {contract.address}>"


# Titanoboa shows a contract with a dump of its storage, and makes that dump at every revert. It
# reads a trace of writes that no anchor rolls back, so it breaks where an earlier test had another
# contract at the same address.
VyperContract.__repr__ = _name_and_address


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of a folder on one xdist worker: each worker compiles what it deploys."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.xdist_group(str(item.path.parent.relative_to(here))))


@cache
def _compiled(path: str) -> Any:
    return boa.load_partial(str(CONTRACTS / path))


@pytest.fixture(scope="session")
def deploy() -> Callable[..., Any]:
    """Return a function that deploys `contracts/<path>`, compiled once per session."""

    def _deploy(path: str, *args: Any) -> Any:
        return _compiled(path).deploy(*args)

    return _deploy


@pytest.fixture(scope="session")
def actor() -> Callable[[str], str]:
    """Return a function that makes a fresh address named by its role."""
    return boa.env.generate_address


@pytest.fixture(scope="session")
def owner() -> str:
    """Deploys and owns every contract until it is handed over."""
    return boa.env.eoa


@pytest.fixture(scope="session")
def treasury(actor) -> str:
    """Holds the whole supply of JOY."""
    return actor("treasury")


@pytest.fixture(scope="session")
def guardian(actor) -> str:
    """May pause a contract that has a circuit breaker."""
    return actor("guardian")


@pytest.fixture(scope="session")
def vault(actor) -> str:
    """Owns stake."""
    return actor("vault")


@pytest.fixture(scope="session")
def operator(actor) -> str:
    """Hot key of a node."""
    return actor("operator")


@pytest.fixture(scope="session")
def client(actor) -> str:
    """Pays for inference."""
    return actor("client")


@pytest.fixture(scope="session")
def publisher(actor) -> str:
    """Lists models."""
    return actor("publisher")


@pytest.fixture(scope="session")
def stranger(actor) -> str:
    """Has no role anywhere."""
    return actor("stranger")


@pytest.fixture
def joy(deploy, owner, treasury) -> Any:
    """JoyToken: the supply at `treasury`, owned by `owner`."""
    with boa.env.prank(owner):
        return deploy("token/JoyToken.vy", treasury, UNBONDING_DELAY)


@pytest.fixture
def fund(joy, treasury) -> Callable[[str, int], None]:
    """Return a function that gives an account JOY (wei) from the treasury."""

    def _fund(account: str, amount: int) -> None:
        joy.transfer(account, amount, sender=treasury)

    return _fund


@pytest.fixture
def stake(joy, fund) -> Callable[[str, int], None]:
    """Return a function that funds an account and stakes the amount (wei) for it."""

    def _stake(account: str, amount: int) -> None:
        fund(account, amount)
        joy.stake(amount, sender=account)

    return _stake
