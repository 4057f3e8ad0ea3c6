"""Staking, unbonding tickets, provisions and the delay that governs both."""

import boa
import pytest

JOY = 10**18  # wei
STAKE = 10_000 * JOY  # as in conftest
DAY = 86_400
DELAY = 14 * DAY  # seconds, as in the shared conftest


def test_stake_moves_tokens_into_the_token(joy, vault, fund, balanced):
    fund(vault, STAKE)
    joy.stake(STAKE, sender=vault)
    [event] = [e for e in joy.get_logs() if type(e).__name__ == "Staked"]
    assert (event.vault, event.amount) == (vault, STAKE)
    assert joy.balanceOf(vault) == 0
    assert joy.staked(vault) == joy.free_stake(vault) == joy.total_staked() == STAKE
    balanced()


def test_stake_over_balance_reverts(joy, vault, fund):
    fund(vault, 5)
    with boa.reverts("JoyToken: insufficient balance"):
        joy.stake(6, sender=vault)


def test_zero_amounts_revert(joy, staked_vault, service, treasury):
    calls = [
        (joy.stake, (0,)),
        (joy.request_unstake, (0,)),
        (joy.provision, (service, 0)),
        (joy.request_deprovision, (service, 0)),
        (joy.add_rewards, (0,)),
    ]
    for function, arguments in calls:
        with boa.reverts("JoyToken: zero amount"):
            function(*arguments, sender=staked_vault)


def test_unstaked_tokens_come_back_after_the_delay(joy, staked_vault, wait, balanced):
    ends_at = boa.env.timestamp + DELAY
    ticket = joy.request_unstake(STAKE, sender=staked_vault)
    assert joy.tickets(staked_vault) == [(ticket, STAKE, ends_at)]
    assert joy.staked(staked_vault) == 0
    balanced()
    wait(DELAY - 1)
    with boa.reverts("JoyToken: still unbonding"):
        joy.withdraw_unstaked(ticket, sender=staked_vault)
    wait(1)
    assert joy.withdraw_unstaked(ticket, sender=staked_vault) == STAKE
    assert joy.balanceOf(staked_vault) == STAKE
    assert joy.tickets(staked_vault) == []
    balanced()


def test_ticket_pays_once_and_only_its_vault(joy, staked_vault, stranger, wait):
    ticket = joy.request_unstake(STAKE, sender=staked_vault)
    wait(DELAY)
    with boa.reverts("JoyToken: no such ticket"):
        joy.withdraw_unstaked(ticket, sender=stranger)
    joy.withdraw_unstaked(ticket, sender=staked_vault)
    with boa.reverts("JoyToken: no such ticket"):
        joy.withdraw_unstaked(ticket, sender=staked_vault)


def test_tickets_are_bounded_and_places_come_back(joy, staked_vault, wait):
    numbers = [joy.request_unstake(1, sender=staked_vault) for _ in range(16)]
    with boa.reverts("JoyToken: too many open tickets"):
        joy.request_unstake(1, sender=staked_vault)
    wait(DELAY)
    for ticket in reversed(numbers):
        joy.withdraw_unstaked(ticket, sender=staked_vault)
    assert joy.tickets(staked_vault) == []
    assert [joy.request_unstake(1, sender=staked_vault) for _ in range(16)] == list(range(16, 32))


def test_active_provision_cannot_be_unstaked(joy, staked_vault, service):
    joy.provision(service, STAKE - 5, sender=staked_vault)
    with boa.reverts("JoyToken: not enough free stake"):
        joy.request_unstake(6, sender=staked_vault)
    joy.request_unstake(5, sender=staked_vault)


def test_unstake_over_stake_reverts(joy, staked_vault):
    with boa.reverts("JoyToken: not enough free stake"):
        joy.request_unstake(STAKE + 1, sender=staked_vault)


def test_provisions_never_exceed_the_stake(joy, staked_vault, service, other_service):
    joy.provision(service, STAKE // 2, sender=staked_vault)
    joy.provision(other_service, STAKE // 2, sender=staked_vault)
    assert joy.free_stake(staked_vault) == 0
    with boa.reverts("JoyToken: not enough free stake"):
        joy.provision(other_service, 1, sender=staked_vault)


def test_thawing_and_unbonding_stake_cannot_be_provisioned(
    joy, staked_vault, service, other_service
):
    joy.provision(service, STAKE, sender=staked_vault)
    joy.request_deprovision(service, STAKE // 2, sender=staked_vault)
    with boa.reverts("JoyToken: not enough free stake"):
        joy.provision(other_service, 1, sender=staked_vault)
    joy.request_unstake(STAKE // 2, sender=staked_vault)
    with boa.reverts("JoyToken: not enough free stake"):
        joy.provision(other_service, 1, sender=staked_vault)
    assert joy.free_stake(staked_vault) == 0


def test_provision_to_unknown_service_reverts(joy, staked_vault, stranger):
    with boa.reverts("JoyToken: service not admitted"):
        joy.provision(stranger, 1, sender=staked_vault)


def test_deprovisioned_stake_is_free_after_the_thaw(joy, staked_vault, service, wait):
    joy.provision(service, STAKE, sender=staked_vault)
    ends_at = joy.request_deprovision(service, STAKE // 4, sender=staked_vault)
    assert ends_at == boa.env.timestamp + DELAY == joy.thaw_ends(staked_vault, service)
    assert joy.provision_of(staked_vault, service) == STAKE - STAKE // 4
    assert joy.thawing_of(staked_vault, service) == STAKE // 4

    wait(DELAY - 1)
    with boa.reverts("JoyToken: still thawing"):
        joy.finish_deprovision(service, sender=staked_vault)
    wait(1)
    assert joy.finish_deprovision(service, sender=staked_vault) == STAKE // 4
    assert joy.free_stake(staked_vault) == STAKE // 4
    assert joy.thaw_ends(staked_vault, service) == 0
    with boa.reverts("JoyToken: nothing is thawing"):
        joy.finish_deprovision(service, sender=staked_vault)


def test_deprovision_over_provision_reverts(joy, staked_vault, service):
    joy.provision(service, 5, sender=staked_vault)
    with boa.reverts("JoyToken: not that much provisioned"):
        joy.request_deprovision(service, 6, sender=staked_vault)


def test_second_deprovision_restarts_the_thaw(joy, staked_vault, service, wait):
    joy.provision(service, STAKE, sender=staked_vault)
    joy.request_deprovision(service, 5, sender=staked_vault)
    wait(DELAY - 1)
    assert joy.request_deprovision(service, 5, sender=staked_vault) == boa.env.timestamp + DELAY
    assert joy.thawing_of(staked_vault, service) == 10


def test_thaw_and_unbonding_run_at_once(joy, staked_vault, service, wait, balanced):
    joy.provision(service, STAKE, sender=staked_vault)
    joy.request_deprovision(service, STAKE, sender=staked_vault)
    ticket = joy.request_unstake(STAKE, sender=staked_vault)
    balanced()
    wait(DELAY)
    with boa.reverts("JoyToken: ticket backs a thawing provision"):
        joy.withdraw_unstaked(ticket, sender=staked_vault)
    joy.finish_deprovision(service, sender=staked_vault)
    assert joy.withdraw_unstaked(ticket, sender=staked_vault) == STAKE
    balanced()


def test_removed_service_takes_no_provisions_but_lets_go(joy, owner, staked_vault, service, wait):
    joy.provision(service, STAKE, sender=staked_vault)
    joy.admit_service(service, False, sender=owner)
    with boa.reverts("JoyToken: service not admitted"):
        joy.provision(service, 1, sender=staked_vault)
    joy.request_deprovision(service, STAKE, sender=staked_vault)
    wait(DELAY)
    assert joy.finish_deprovision(service, sender=staked_vault) == STAKE


def test_admission_is_the_owners(joy, owner, stranger):
    with boa.reverts("ownable: caller is not the owner"):
        joy.admit_service(stranger, True, sender=stranger)
    for bad in ("0x" + "00" * 20, joy.address):
        with boa.reverts("JoyToken: bad service"):
            joy.admit_service(bad, True, sender=owner)


@pytest.mark.parametrize("delay", [7 * DAY, 60 * DAY])
def test_changed_delay_counts_for_later_requests_only(
    joy, owner, staked_vault, service, wait, delay
):
    joy.provision(service, STAKE // 2, sender=staked_vault)
    joy.propose_unbonding_delay(delay, sender=owner)
    with boa.reverts("JoyToken: notice not over"):
        joy.apply_unbonding_delay(sender=owner)
    wait(joy.DELAY_NOTICE())
    requested_at = boa.env.timestamp
    ticket = joy.request_unstake(5, sender=staked_vault)
    joy.request_deprovision(service, 5, sender=staked_vault)
    joy.apply_unbonding_delay(sender=owner)
    later = joy.request_unstake(5, sender=staked_vault)

    ends = {number: ends_at for number, _, ends_at in joy.tickets(staked_vault)}
    assert ends == {ticket: requested_at + DELAY, later: requested_at + delay}
    assert joy.thaw_ends(staked_vault, service) == requested_at + DELAY
    # A shorter delay must not pull an older thaw forward with a new request.
    joy.request_deprovision(service, 1, sender=staked_vault)
    assert joy.thaw_ends(staked_vault, service) == requested_at + max(DELAY, delay)


def test_delay_change_needs_the_owner_and_a_proposal(joy, owner, stranger, wait):
    with boa.reverts("ownable: caller is not the owner"):
        joy.propose_unbonding_delay(7 * DAY, sender=stranger)
    with boa.reverts("JoyToken: no delay proposed"):
        joy.apply_unbonding_delay(sender=owner)
    joy.propose_unbonding_delay(7 * DAY, sender=owner)
    wait(joy.DELAY_NOTICE())
    with boa.reverts("ownable: caller is not the owner"):
        joy.apply_unbonding_delay(sender=stranger)
    joy.apply_unbonding_delay(sender=owner)
    assert joy.unbonding_delay() == 7 * DAY
    with boa.reverts("JoyToken: no delay proposed"):
        joy.apply_unbonding_delay(sender=owner)


def test_every_step_logs_its_event(joy, owner, treasury, staked_vault, service, client, wait):
    def events():
        return [type(e).__name__ for e in joy.get_logs()]

    steps = [
        (joy.admit_service, (service, True), owner, ["ServiceAdmitted"]),
        (joy.provision, (service, STAKE), staked_vault, ["Provisioned"]),
        (joy.request_deprovision, (service, 9), staked_vault, ["DeprovisionRequested"]),
        (joy.request_unstake, (9,), staked_vault, ["DelegateVotesChanged", "UnstakeRequested"]),
        (
            joy.delegate,
            (client,),
            staked_vault,
            ["DelegateChanged", "DelegateVotesChanged", "DelegateVotesChanged"],
        ),
        (joy.add_rewards, (7,), treasury, ["Transfer", "RewardsAdded"]),
        (joy.propose_unbonding_delay, (9 * DAY,), owner, ["UnbondingDelayProposed"]),
    ]
    for function, arguments, sender, expected in steps:
        function(*arguments, sender=sender)
        assert events() == expected
    wait(DELAY)
    later = [
        (joy.finish_deprovision, (service,), staked_vault, ["Deprovisioned"]),
        (joy.withdraw_unstaked, (0,), staked_vault, ["Transfer", "UnstakeWithdrawn"]),
        (joy.claim_rewards, (), staked_vault, ["Transfer", "RewardsClaimed"]),
        (joy.apply_unbonding_delay, (), owner, ["UnbondingDelaySet"]),
        (joy.burn, (1,), treasury, ["Transfer"]),
        (joy.approve, (client, 1), treasury, ["Approval"]),
    ]
    for function, arguments, sender, expected in later:
        function(*arguments, sender=sender)
        assert events() == expected
