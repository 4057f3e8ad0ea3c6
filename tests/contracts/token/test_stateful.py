"""JoyToken under random histories: the books balance after every step, and all can leave."""

import boa
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

JOY = 10**18  # wei
DAY = 86_400
FUNDS = 100_000 * JOY  # of each vault at the start
MAX_TICKETS = 16

# How much of what is available: a wei, a part that does not divide evenly, or all of it.
shares = st.sampled_from([0, 13, 50, 100, 100])
who = st.integers(0, 2)  # a vault
where = st.integers(0, 1)  # a service


def part_of(available, share):
    """`share` percent of `available` wei; one wei for a share of 0."""
    return min(available, max(1, available * share // 100))


class TokenMachine(RuleBasedStateMachine):
    """Three vaults, two services, one beneficiary, and a treasury that pays rewards."""

    def __init__(self, joy, owner, treasury):
        super().__init__()
        self.joy, self.owner, self.treasury = joy, owner, treasury
        self.vaults = [boa.env.generate_address(f"vault {n}") for n in range(3)]
        self.services = [boa.env.generate_address(f"service {n}") for n in range(2)]
        self.beneficiary = boa.env.generate_address("beneficiary")
        self.burned = self.rewards_in = self.rewards_out = 0
        self.delay_changed = False
        self.history = {}  # block -> (total votes, votes of each vault) at its end

    @initialize()
    def start(self):
        for vault in self.vaults:
            self.joy.transfer(vault, FUNDS, sender=self.treasury)
            self.joy.stake(FUNDS // 2, sender=vault)
        for service in self.services:
            self.joy.admit_service(service, True, sender=self.owner)
        for vault in self.vaults:
            for service in self.services:
                self.joy.provision(service, FUNDS // 5, sender=vault)
        self.add_rewards(777 * JOY)

    # What vaults do

    @rule(v=who, share=shares)
    def stake(self, v, share):
        amount = part_of(self.joy.balanceOf(self.vaults[v]), share)
        if amount:
            self.joy.stake(amount, sender=self.vaults[v])

    @rule(v=who, s=where, share=shares)
    def provision(self, v, s, share):
        amount = part_of(self.joy.free_stake(self.vaults[v]), share)
        if amount and self.joy.is_service(self.services[s]):
            self.joy.provision(self.services[s], amount, sender=self.vaults[v])

    @rule(v=who, s=where, share=shares)
    def request_deprovision(self, v, s, share):
        vault, service = self.vaults[v], self.services[s]
        amount = part_of(self.joy.provision_of(vault, service), share)
        if amount:
            ends_at = self.joy.request_deprovision(service, amount, sender=vault)
            assert ends_at >= boa.env.timestamp + self.joy.unbonding_delay()

    @rule(v=who, s=where)
    def finish_deprovision(self, v, s):
        vault, service = self.vaults[v], self.services[s]
        thawing = self.joy.thawing_of(vault, service)
        if not thawing:
            return
        if boa.env.timestamp < self.joy.thaw_ends(vault, service):
            with boa.reverts("JoyToken: still thawing"):
                self.joy.finish_deprovision(service, sender=vault)
        else:
            assert self.joy.finish_deprovision(service, sender=vault) == thawing

    @rule(v=who, share=shares)
    def request_unstake(self, v, share):
        entry = self.joy.vault(self.vaults[v])
        amount = part_of(entry.staked - entry.active, share)
        if amount and entry.next_ticket - entry.first_ticket < MAX_TICKETS:
            self.joy.request_unstake(amount, sender=self.vaults[v])

    @rule(v=who)
    def flee(self, v):
        """Ask for everything back at once, as one does before a slash."""
        for s in range(2):
            self.request_deprovision(v, s, 100)
        self.request_unstake(v, 100)

    @rule(v=who, pick=st.integers(0, MAX_TICKETS - 1))
    def withdraw(self, v, pick):
        vault = self.vaults[v]
        tickets = self.joy.tickets(vault)
        if not tickets:
            return
        ticket, amount, ends_at = tickets[pick % len(tickets)]
        entry = self.joy.vault(vault)
        if boa.env.timestamp < ends_at:
            with boa.reverts("JoyToken: still unbonding"):
                self.joy.withdraw_unstaked(ticket, sender=vault)
        elif entry.active + entry.thawing + amount > entry.staked + entry.unbonding:
            with boa.reverts("JoyToken: ticket backs a thawing provision"):
                self.joy.withdraw_unstaked(ticket, sender=vault)
        else:
            assert self.joy.withdraw_unstaked(ticket, sender=vault) == amount

    @rule(v=who, to=who)
    def delegate(self, v, to):
        self.joy.delegate(self.vaults[to], sender=self.vaults[v])

    @rule(v=who)
    def claim(self, v):
        expected = self.joy.rewards_of(self.vaults[v])
        assert self.joy.claim_rewards(sender=self.vaults[v]) == expected
        self.rewards_out += expected

    # What others do

    def slashable(self):
        """(vault, service, active and thawing) of every provision that holds something."""
        held = [
            (vault, service, self.joy.provision_of(vault, service) + thawing)
            for vault in self.vaults
            for service in self.services
            for thawing in [self.joy.thawing_of(vault, service)]
        ]
        return [entry for entry in held if entry[2]]

    @rule(
        pick=st.integers(0, 5),
        share=st.sampled_from([0, 13, 50, 100, 300]),
        percent=st.integers(0, 50),
    )
    def slash(self, pick, share, percent):
        held = self.slashable()
        if not held:
            return
        vault, service, there = held[pick % len(held)]
        amount = max(1, there * share // 100)
        part = amount * percent // 100
        before, paid_before = self.joy.vault(vault), self.joy.balanceOf(self.beneficiary)
        slashed = self.joy.slash(vault, amount, self.beneficiary, part, sender=service)
        after = self.joy.vault(vault)
        paid = self.joy.balanceOf(self.beneficiary) - paid_before
        assert slashed == min(amount, there)
        assert paid == min(part, slashed // 2)
        assert before.staked + before.unbonding - after.staked - after.unbonding == slashed
        self.burned += slashed - paid

    @rule(amount=st.sampled_from([1, 1_000_003, 777 * JOY]))
    def add_rewards(self, amount):
        self.joy.add_rewards(amount, sender=self.treasury)
        self.rewards_in += amount

    @precondition(lambda self: not self.delay_changed)
    @rule(days=st.integers(7, 60))
    def change_delay(self, days):
        self.delay_changed = True
        self.joy.propose_unbonding_delay(days * DAY, sender=self.owner)
        self.pass_time(7 * DAY, 1)
        self.joy.apply_unbonding_delay(sender=self.owner)

    @rule(seconds=st.sampled_from([1, 997, 2 * DAY, 15 * DAY]), blocks=st.integers(0, 2))
    def pass_time(self, seconds, blocks):
        boa.env.timestamp += seconds
        for _ in range(blocks):
            votes = [self.joy.getVotes(vault) for vault in self.vaults]
            self.history[self.joy.clock()] = (self.joy.total_staked(), votes)
            boa.env.evm.patch.block_number += 1
        for block, (total, votes) in self.history.items():
            assert self.joy.getPastTotalSupply(block) == total == sum(votes)
            assert [self.joy.getPastVotes(vault, block) for vault in self.vaults] == votes

    # What always holds

    @invariant()
    def balance_is_accounted_for(self):
        parts = self.joy.total_staked() + self.joy.total_unbonding() + self.joy.reward_pool()
        assert self.joy.balanceOf(self.joy.address) == parts

    @invariant()
    def supply_is_what_was_not_burned(self):
        supply = self.joy.totalSupply()
        assert supply == self.joy.INITIAL_SUPPLY() - self.burned
        holders = [*self.vaults, self.beneficiary, self.treasury, self.joy.address]
        assert sum(self.joy.balanceOf(holder) for holder in holders) == supply

    @invariant()
    def vaults_add_up(self):
        entries = [self.joy.vault(vault) for vault in self.vaults]
        assert sum(entry.staked for entry in entries) == self.joy.total_staked()
        assert sum(entry.unbonding for entry in entries) == self.joy.total_unbonding()
        for vault, entry in zip(self.vaults, entries, strict=True):
            assert entry.unbonding == sum(amount for _, amount, _ in self.joy.tickets(vault))
            active = [self.joy.provision_of(vault, service) for service in self.services]
            thawing = [self.joy.thawing_of(vault, service) for service in self.services]
            assert (entry.active, entry.thawing) == (sum(active), sum(thawing))
            assert entry.active <= entry.staked
            assert entry.active + entry.thawing <= entry.staked + entry.unbonding

    @invariant()
    def votes_are_stake(self):
        votes = dict.fromkeys(self.vaults, 0)
        for vault in self.vaults:
            if stake := self.joy.staked(vault):
                votes[self.joy.delegates(vault)] += stake
        assert {vault: self.joy.getVotes(vault) for vault in self.vaults} == votes

    @invariant()
    def rewards_are_neither_overpaid_nor_lost(self):
        pool = self.joy.reward_pool()
        assert pool == self.rewards_in - self.rewards_out
        unstreamed, _ = self.joy.reward_stream()
        known = unstreamed + sum(self.joy.rewards_of(vault) for vault in self.vaults)
        # At most a wei's fraction per vault, and what did not divide by the total stake
        # (less than the biggest total ever, 3 x FUNDS, in 1e-18 wei).
        assert known <= pool <= known + len(self.vaults) + 3 * FUNDS // JOY

    def teardown(self):
        """Everybody leaves: nothing that happened can keep a vault's stake in."""
        for vault in self.vaults:
            for service in self.services:
                if active := self.joy.provision_of(vault, service):
                    self.joy.request_deprovision(service, active, sender=vault)
        boa.env.timestamp += 60 * DAY
        for vault in self.vaults:
            for service in self.services:
                if self.joy.thawing_of(vault, service):
                    self.joy.finish_deprovision(service, sender=vault)
            self._leave(vault)
        assert self.joy.total_staked() == self.joy.total_unbonding() == 0
        assert self.joy.balanceOf(self.joy.address) == self.joy.reward_pool()

    def _leave(self, vault):
        for ticket, _, _ in self.joy.tickets(vault):
            self.joy.withdraw_unstaked(ticket, sender=vault)
        if staked := self.joy.staked(vault):
            ticket = self.joy.request_unstake(staked, sender=vault)
            boa.env.timestamp += self.joy.unbonding_delay()
            assert self.joy.withdraw_unstaked(ticket, sender=vault) == staked


def test_token_holds_under_random_histories(joy, owner, treasury):
    run_state_machine_as_test(
        lambda: TokenMachine(joy, owner, treasury),
        settings=settings(stateful_step_count=30, deadline=None),
    )
