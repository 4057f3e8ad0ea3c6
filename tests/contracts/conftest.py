"""Actors, the deployed token and small helpers that every contract test shares.

Actors are addresses named by role. Titanoboa's pytest plugin anchors every fixture and every
test, so nothing a test does to the chain reaches the next one.
"""

from collections.abc import Callable
from dataclasses import dataclass
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

_assemble = VyperContract._deployment_source_map.func


def _deployment_source_map(contract: VyperContract) -> Any:
    """Where the initcode came from in the source; made once per compiled contract."""
    data = contract.compiler_data
    if not hasattr(data, "deployment_source_map"):
        data.deployment_source_map = _assemble(contract)
    return data.deployment_source_map


# Titanoboa assembles the initcode again at every deployment, which took most of a deployment.
VyperContract._deployment_source_map = property(_deployment_source_map)


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
def at() -> Callable[[str, str], Any]:
    """Return a function that gives what is at an address, as a `contracts/<path>`."""
    return lambda path, address: _compiled(path).at(address)


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


@dataclass(frozen=True)
class Receipt:
    """What a call gave back and the gas that a transaction of its own would have paid."""

    result: Any
    gas: int


@pytest.fixture
def transact(monkeypatch) -> Callable[..., Receipt]:
    """Return a function that calls as a transaction of its own would: cold slots and accounts
    (EIP-2929), intrinsic gas (calldata floor of EIP-7623 too), refunds (EIP-3529), stores priced
    against the value at its start.

    Titanoboa runs a whole session as one transaction, and starting its books anew would break its
    snapshots, so the books are kept here.
    """
    state = type(boa.env.evm.vm.state)
    stored = state.get_storage

    def _transact(function: Any, *args: Any, sender: str) -> Receipt:
        at_start: dict[tuple[bytes, int], int] = {}
        slots: set[tuple[bytes, int]] = set()
        accounts = {bytes.fromhex(sender[2:]), function.contract.address.canonical_address}

        def get_storage(self: Any, address: bytes, slot: int, from_journal: bool = True) -> int:
            value = stored(self, address, slot)
            return value if from_journal else at_start.setdefault((address, slot), value)

        with monkeypatch.context() as patch:
            patch.setattr(state, "get_storage", get_storage)
            patch.setattr(state, "is_storage_warm", lambda _, *key: key in slots)
            patch.setattr(state, "mark_storage_warm", lambda _, *key: slots.add(key))
            patch.setattr(state, "is_address_warm", lambda _, account: account in accounts)
            patch.setattr(state, "mark_address_warm", lambda _, account: accounts.add(account))
            result = function(*args, sender=sender)
        computation = function.contract._computation
        tokens = sum(4 if byte else 1 for byte in bytes(computation.msg.data))
        used = 21_000 + 4 * tokens + computation.get_gas_used()
        used -= min(computation.get_gas_refund(), used // 5)
        return Receipt(result, max(used, 21_000 + 10 * tokens))

    return _transact
