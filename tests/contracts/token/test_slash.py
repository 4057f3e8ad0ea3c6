"""Slashing: the service's own provision, active and thawing alike, at least half burned."""

import boa
import pytest

JOY = 10**18  # wei
STAKE = 10_000 * JOY  # as in conftest
DELAY = 14 * 86_400  # seconds, as in the shared conftest
ALL = 2**256 - 1


@pytest.fixture
def greedy(joy, deploy, owner):
    contract = deploy("testing/GreedyService.vy", joy.address)
    joy.admit_service(contract.address, True, sender=owner)
    return contract


def test_slash_burns_and_pays(joy, staked_vault, service, client, balanced):
    joy.provision(service, STAKE, sender=staked_vault)
    supply = joy.totalSupply()
    assert joy.slash(staked_vault, 1_000, client, 400, sender=service) == 1_000
    [event] = [e for e in joy.get_logs() if type(e).__name__ == "Slashed"]
    assert (event.vault, event.service, event.amount) == (staked_vault, service, 1_000)
    assert (event.beneficiary, event.paid) == (client, 400)
    assert joy.balanceOf(client) == 400
    assert joy.totalSupply() == supply - 600
    assert joy.staked(staked_vault) == joy.provision_of(staked_vault, service) == STAKE - 1_000
    balanced()


def test_slash_takes_active_and_thawing_in_proportion(joy, staked_vault, service, client):
    joy.provision(service, 900, sender=staked_vault)
    joy.request_deprovision(service, 300, sender=staked_vault)
    joy.slash(staked_vault, 90, client, 0, sender=service)
    assert joy.provision_of(staked_vault, service) == 540
    assert joy.thawing_of(staked_vault, service) == 270


def test_slash_is_capped_at_the_provision(
    joy, staked_vault, service, other_service, client, balanced
):
    joy.provision(service, 100, sender=staked_vault)
    joy.provision(other_service, 500, sender=staked_vault)
    assert joy.slash(staked_vault, ALL, client, ALL // 2, sender=service) == 100
    assert joy.balanceOf(client) == 50
    assert joy.slash(staked_vault, 1, client, 0, sender=service) == 0
    assert joy.provision_of(staked_vault, other_service) == 500
    assert joy.staked(staked_vault) == STAKE - 100
    balanced()


def test_beneficiary_over_half_reverts(joy, staked_vault, service, client):
    joy.provision(service, 101, sender=staked_vault)
    for amount, part in ((100, 51), (101, 51), (1, 1), (0, 1)):
        with boa.reverts("JoyToken: beneficiary part over half"):
            joy.slash(staked_vault, amount, client, part, sender=service)


def test_slash_by_stranger_or_removed_service_reverts(
    joy, owner, staked_vault, service, client, stranger
):
    joy.provision(service, 100, sender=staked_vault)
    with boa.reverts("JoyToken: service not admitted"):
        joy.slash(staked_vault, 1, client, 0, sender=stranger)
    joy.admit_service(service, False, sender=owner)
    with boa.reverts("JoyToken: service not admitted"):
        joy.slash(staked_vault, 1, client, 0, sender=service)


def test_beneficiary_must_be_a_real_account(joy, staked_vault, service):
    joy.provision(service, 100, sender=staked_vault)
    for beneficiary in ("0x" + "00" * 20, joy.address):
        with boa.reverts("JoyToken: bad receiver"):
            joy.slash(staked_vault, 100, beneficiary, 50, sender=service)
        joy.slash(staked_vault, 1, beneficiary, 0, sender=service)


def test_unbonding_does_not_escape_a_slash(joy, staked_vault, service, client, wait, balanced):
    joy.provision(service, STAKE, sender=staked_vault)
    joy.request_deprovision(service, STAKE, sender=staked_vault)
    ticket = joy.request_unstake(STAKE, sender=staked_vault)
    wait(DELAY)  # over, but never finished: still slashable
    assert joy.slash(staked_vault, STAKE // 4, client, 0, sender=service) == STAKE // 4
    [event] = [e for e in joy.get_logs() if type(e).__name__ == "TicketSlashed"]
    assert (event.vault, event.ticket, event.amount) == (staked_vault, ticket, STAKE // 4)
    balanced()
    joy.finish_deprovision(service, sender=staked_vault)
    assert joy.withdraw_unstaked(ticket, sender=staked_vault) == STAKE - STAKE // 4
    balanced()


def test_slash_spares_tickets_that_were_free_stake(joy, staked_vault, service, client, wait):
    joy.request_unstake(1_000, sender=staked_vault)
    joy.provision(service, STAKE - 1_000, sender=staked_vault)
    joy.request_deprovision(service, 500, sender=staked_vault)
    joy.request_unstake(200, sender=staked_vault)
    joy.slash(staked_vault, ALL, client, 0, sender=service)
    assert joy.staked(staked_vault) == 0
    assert [(number, amount) for number, amount, _ in joy.tickets(staked_vault)] == [(0, 1_000)]
    wait(DELAY)
    assert joy.withdraw_unstaked(0, sender=staked_vault) == 1_000


def test_slash_of_many_tickets_takes_the_newest_first(joy, staked_vault, service, client):
    joy.provision(service, STAKE, sender=staked_vault)
    joy.request_deprovision(service, STAKE, sender=staked_vault)
    for _ in range(15):
        joy.request_unstake(10, sender=staked_vault)
    joy.request_unstake(STAKE - 150, sender=staked_vault)
    joy.slash(staked_vault, STAKE - 75, client, 0, sender=service)
    amounts = [amount for _, amount, _ in joy.tickets(staked_vault)]
    assert amounts == [10] * 7 + [5]
    assert joy.vault(staked_vault).unbonding == sum(amounts)


def test_places_of_slashed_tickets_come_back(joy, staked_vault, service, client, stake):
    joy.provision(service, STAKE, sender=staked_vault)
    joy.request_deprovision(service, STAKE, sender=staked_vault)
    for _ in range(16):
        joy.request_unstake(STAKE // 16, sender=staked_vault)
    joy.slash(staked_vault, ALL, client, 0, sender=service)
    assert joy.tickets(staked_vault) == []
    stake(staked_vault, 1)
    assert joy.request_unstake(1, sender=staked_vault) == 16


def test_slash_removes_votes(joy, staked_vault, service, client, next_block):
    joy.provision(service, STAKE, sender=staked_vault)
    joy.slash(staked_vault, STAKE // 2, client, 0, sender=service)
    assert joy.getVotes(staked_vault) == STAKE // 2
    block = joy.clock()
    next_block()
    assert joy.getPastTotalSupply(block) == STAKE // 2


def test_greedy_service_keeps_at_most_half_however_it_rounds(joy, staked_vault, greedy, balanced):
    joy.provision(greedy.address, 1_000, sender=staked_vault)
    for bit in (1, 2, 3):
        greedy.slash_in_bits(staked_vault, bit, 64)
    slashed = 64 * (1 + 2 + 3)
    assert joy.staked(staked_vault) == STAKE - slashed
    assert joy.balanceOf(greedy.address) == 64 * (0 + 1 + 1) <= slashed // 2
    balanced()


def test_greedy_service_cannot_touch_other_provisions_or_free_stake(
    joy, staked_vault, greedy, service
):
    joy.provision(service, STAKE // 2, sender=staked_vault)
    greedy.drain_others(staked_vault)
    assert joy.staked(staked_vault) == STAKE
    joy.provision(greedy.address, 10, sender=staked_vault)
    greedy.drain_others(staked_vault)
    assert joy.staked(staked_vault) == STAKE - 10
    assert joy.balanceOf(greedy.address) == 5


def test_thaw_that_was_slashed_away_does_not_hold_up_the_next(
    joy, owner, staked_vault, service, client, wait
):
    joy.propose_unbonding_delay(7 * 86_400, sender=owner)
    wait(joy.DELAY_NOTICE())
    joy.provision(service, 10, sender=staked_vault)
    joy.request_deprovision(service, 10, sender=staked_vault)
    joy.slash(staked_vault, ALL, client, 0, sender=service)
    assert joy.thaw_ends(staked_vault, service) == 0
    joy.apply_unbonding_delay(sender=owner)
    joy.provision(service, 10, sender=staked_vault)
    ends_at = joy.request_deprovision(service, 10, sender=staked_vault)
    assert ends_at == boa.env.timestamp + 7 * 86_400
