"""Rewards: streamed by time and stake, never lost, never over-paid, not to be sniped."""

import boa
import pytest

JOY = 10**18  # wei
STAKE = 10_000 * JOY  # as in conftest
REWARD = 700 * JOY
PERIOD = 7 * 86_400  # seconds
MIN_TOTAL = 1_000 * JOY


@pytest.fixture
def reward(joy, treasury):
    """Return a function that adds rewards (wei) from the treasury."""

    def _reward(amount=REWARD):
        joy.add_rewards(amount, sender=treasury)

    return _reward


def test_rewards_stream_evenly_over_the_period(joy, staked_vault, reward, wait, balanced):
    reward()
    assert joy.reward_stream() == (REWARD, PERIOD)
    assert joy.rewards_of(staked_vault) == 0
    wait(PERIOD // 7)
    assert joy.rewards_of(staked_vault) == REWARD // 7
    wait(PERIOD)
    assert joy.rewards_of(staked_vault) == REWARD
    assert joy.claim_rewards(sender=staked_vault) == REWARD
    assert joy.balanceOf(staked_vault) == REWARD
    assert joy.reward_pool() == joy.claim_rewards(sender=staked_vault) == 0
    balanced()


def test_rewards_are_shared_by_stake(joy, vault, client, stake, reward, wait):
    stake(vault, STAKE)
    stake(client, 3 * STAKE)
    reward()
    wait(PERIOD)
    assert joy.rewards_of(vault) == REWARD // 4
    assert joy.rewards_of(client) == REWARD * 3 // 4


def test_late_staker_gets_only_what_streams_after_it(joy, vault, client, stake, reward, wait):
    stake(vault, STAKE)
    reward()
    wait(PERIOD // 2)
    stake(client, STAKE)
    wait(PERIOD // 2)
    assert joy.rewards_of(vault) == REWARD * 3 // 4
    assert joy.rewards_of(client) == REWARD // 4


def test_unbonding_stake_earns_nothing(joy, vault, client, stake, reward, wait):
    stake(vault, STAKE)
    stake(client, STAKE)
    joy.request_unstake(STAKE, sender=vault)
    reward()
    wait(PERIOD)
    assert joy.rewards_of(vault) == 0
    assert joy.rewards_of(client) == REWARD


def test_rewards_earned_before_a_slash_or_exit_stay(
    joy, staked_vault, service, client, reward, wait
):
    joy.provision(service, STAKE, sender=staked_vault)
    reward()
    wait(PERIOD)
    joy.slash(staked_vault, STAKE, client, 0, sender=service)
    assert joy.claim_rewards(sender=staked_vault) == REWARD


def test_rewards_wait_while_nothing_is_staked(joy, vault, stake, reward, wait, balanced):
    reward()
    wait(10 * PERIOD)
    assert joy.reward_stream() == (REWARD, PERIOD)
    stake(vault, MIN_TOTAL)
    assert joy.rewards_of(vault) == 0
    wait(PERIOD)
    assert joy.rewards_of(vault) == REWARD
    balanced()


def test_first_staker_of_one_wei_takes_nothing(joy, stranger, vault, stake, reward, wait):
    reward()
    stake(stranger, 1)
    wait(10 * PERIOD)
    assert joy.rewards_of(stranger) == 0
    stake(vault, MIN_TOTAL - 1)
    wait(PERIOD)
    assert joy.rewards_of(stranger) == REWARD // MIN_TOTAL
    assert joy.rewards_of(vault) >= REWARD - 2


def test_stream_stands_still_again_when_stake_falls_below_the_minimum(
    joy, vault, client, stake, reward, wait
):
    stake(vault, MIN_TOTAL)
    reward()
    wait(PERIOD // 2)
    joy.request_unstake(1, sender=vault)
    wait(PERIOD)
    assert joy.rewards_of(vault) == REWARD // 2
    stake(client, MIN_TOTAL)
    assert joy.reward_stream() == (REWARD // 2, PERIOD // 2)


def test_flash_stake_harvests_nothing(joy, deploy, treasury, staked_vault, reward, wait):
    reward()
    wait(PERIOD // 2)
    attacker = deploy("testing/FlashStaker.vy", joy.address)
    joy.transfer(attacker.address, 100 * STAKE, sender=treasury)
    assert attacker.stake_and_harvest(100 * STAKE) == 0
    wait(PERIOD)
    assert joy.rewards_of(attacker.address) == 0
    assert joy.rewards_of(staked_vault) == REWARD


def test_donations_cannot_move_the_books(joy, treasury, staked_vault, reward, wait, balanced):
    with boa.reverts("JoyToken: bad receiver"):
        joy.transfer(joy.address, STAKE, sender=treasury)
    reward()
    wait(PERIOD)
    assert joy.rewards_of(staked_vault) == REWARD
    balanced()


def test_one_wei_additions_do_not_hold_up_the_stream(joy, staked_vault, reward, wait):
    reward()
    for _ in range(10):
        wait(PERIOD // 10)
        reward(1)
    assert joy.rewards_of(staked_vault) >= REWARD - 1
    assert joy.reward_stream()[0] <= 10


def test_addition_stretches_the_stream_by_its_weight(joy, staked_vault, reward, wait):
    reward()
    wait(PERIOD // 2)
    reward(REWARD // 2)
    assert joy.reward_stream() == (REWARD, PERIOD * 3 // 4)


def test_no_wei_is_lost_in_rounding(joy, vault, client, stranger, stake, reward, wait):
    """Primes everywhere: each settlement rounds, yet the sum stays exact."""
    for account, amount in ((vault, MIN_TOTAL + 7), (client, 1_013), (stranger, 3)):
        stake(account, amount)
    reward(1_000_003)
    for seconds in (1, 13, 997, 5_003, PERIOD):
        wait(seconds)
        for account in (client, stranger, vault):
            joy.claim_rewards(sender=account)
    assert joy.reward_stream()[0] == 0
    assert joy.reward_pool() <= 3  # a fraction of a wei for each account, and the carry


def test_claim_without_stake_pays_nothing(joy, stranger, reward):
    reward()
    assert joy.claim_rewards(sender=stranger) == 0


def test_add_rewards_over_balance_reverts(joy, stranger):
    with boa.reverts("JoyToken: insufficient balance"):
        joy.add_rewards(1, sender=stranger)
