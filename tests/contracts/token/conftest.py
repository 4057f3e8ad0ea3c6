"""Services, wallets that sign, and the accounting check of JoyToken tests."""

import boa
import pytest
from eth_account import Account

JOY = 10**18  # wei
STAKE = 10_000 * JOY


@pytest.fixture(scope="session")
def signer():
    """A wallet with a key, for permit and delegateBySig."""
    return Account.from_key("0x" + "42" * 32)


@pytest.fixture
def service(joy, owner, actor):
    """An admitted service: an account that may slash what is provisioned to it."""
    account = actor("service")
    joy.admit_service(account, True, sender=owner)
    return account


@pytest.fixture
def other_service(joy, owner, actor):
    account = actor("other service")
    joy.admit_service(account, True, sender=owner)
    return account


@pytest.fixture
def staked_vault(vault, stake):
    """A vault with STAKE staked and nothing provisioned."""
    stake(vault, STAKE)
    return vault


@pytest.fixture
def balanced(joy):
    """Return a check that the token's own balance is accounted for, to the wei."""

    def _balanced():
        parts = joy.total_staked() + joy.total_unbonding() + joy.reward_pool()
        assert joy.balanceOf(joy.address) == parts

    return _balanced


@pytest.fixture(scope="session")
def wait():
    """Return a function that lets seconds pass without changing the block number."""

    def _wait(seconds):
        boa.env.timestamp += seconds

    return _wait


@pytest.fixture(scope="session")
def next_block():
    """Return a function that moves the chain on by blocks without letting time pass."""

    def _next_block(blocks=1):
        boa.env.evm.patch.block_number += blocks

    return _next_block
