"""NodeCoordinator under random histories: the books balance to the wei, and vouchers only rise."""

import boa
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

DAY = 86_400  # seconds
FUNDS = 10_000  # JOY wei of each payer
amounts = st.integers(1, 2_000)
two = st.integers(0, 1)


class EscrowMachine(RuleBasedStateMachine):
    """Two payers, two nodes, two models; what ought to happen is kept in plain dictionaries."""

    def __init__(self, world):
        super().__init__()
        vars(self).update(world)
        self.free = [0, 0]
        self.deposited = self.withdrawn = self.earned_out = self.fees_out = 0
        self.held = {(p, n): 0 for p in (0, 1) for n in (0, 1)}  # allocated, not redeemed
        self.thawing = dict.fromkeys(self.held, 0)
        self.seen = {}  # (payer, node, model, lane) -> highest (calls, amount)
        self.taken = {}  # the same -> JOY wei redeemed

    def as_payer(self, p):
        return {"sender": self.payers[p].address}

    @rule(p=two, amount=amounts)
    def deposit(self, p, amount):
        amount = min(amount, self.joy.balanceOf(self.payers[p].address))
        self.coordinator.deposit(amount, **self.as_payer(p))
        self.free[p] += amount
        self.deposited += amount

    @rule(p=two, amount=amounts)
    def withdraw(self, p, amount):
        amount = min(amount, self.free[p])
        if amount:
            self.coordinator.withdraw(amount, **self.as_payer(p))
            self.free[p] -= amount
            self.withdrawn += amount

    @rule(p=two, n=two, amount=amounts)
    def allocate(self, p, n, amount):
        amount = min(amount, self.free[p])
        self.coordinator.allocate(self.nodes[n].operator, amount, **self.as_payer(p))
        self.free[p] -= amount
        self.held[p, n] += amount

    @rule(p=two, n=two, amount=amounts)
    def request_deallocate(self, p, n, amount):
        amount = min(amount, self.held[p, n] - self.thawing[p, n])
        if amount:
            operator = self.nodes[n].operator
            self.coordinator.request_deallocate(operator, amount, **self.as_payer(p))
            self.thawing[p, n] += amount

    @rule(p=two, n=two)
    def finish_deallocate(self, p, n):
        operator = self.nodes[n].operator
        ends = self.coordinator.allocation(self.payers[p].address, operator).thaw_ends
        if ends and ends <= boa.env.evm.patch.timestamp:
            moved = self.coordinator.finish_deallocate(operator, **self.as_payer(p))
            assert moved == self.thawing[p, n]
            self.held[p, n] -= moved
            self.free[p] += moved
            self.thawing[p, n] = 0
        else:
            with boa.reverts():
                self.coordinator.finish_deallocate(operator, **self.as_payer(p))

    @rule(
        n=two,
        wanted=st.lists(
            st.tuples(two, two, two, st.integers(0, 60), st.integers(0, 1_500)),
            min_size=1,
            max_size=4,
        ),
    )
    def redeem(self, n, wanted):
        node = self.nodes[n]
        signed = [
            self.voucher(self.payers[p], node.operator, self.models[m], calls, amount, lane=lane)
            for p, m, lane, calls, amount in wanted
        ]
        expected = 0
        for p, m, lane, calls, amount in wanted:
            key = (p, n, m, lane)
            old = self.seen.get(key, (0, 0))
            self.seen[key] = (max(old[0], calls), max(old[1], amount))
            owed = self.seen[key][1] - self.taken.get(key, 0)
            part = min(owed, self.held[p, n])
            self.taken[key] = self.taken.get(key, 0) + part
            self.held[p, n] -= part
            self.thawing[p, n] = min(self.thawing[p, n], self.held[p, n])
            expected += part
        assert self.redeem_as(node, *signed) == expected

    @rule(n=two)
    def withdraw_earnings(self, n):
        if self.coordinator.earnings(self.nodes[n].id):
            self.earned_out += self.coordinator.withdraw_earnings(
                self.nodes[n].id, sender=self.nodes[n].vault
            )

    @rule()
    def flush_fees(self):
        if self.coordinator.pending_fees():
            self.fees_out += self.coordinator.flush_fees()

    @rule(m=two, price=st.integers(0, 40))
    def set_price(self, m, price):
        self.market.set_price(self.models[m], price, 0, sender=self.publisher)

    @rule(paused=st.booleans())
    def pause_or_wait(self, paused):
        """A pause and the wait after it; no rule here may notice a pause that is over."""
        if paused:
            try:
                self.coordinator.pause(sender=self.guardian)
            except boa.BoaError:  # cooling down
                return
            boa.env.time_travel(seconds=DAY)
            self.coordinator.unpause(sender=self.guardian)
        else:
            boa.env.time_travel(seconds=1_800)

    @invariant()
    def books_balance(self):
        earnings = sum(self.coordinator.earnings(node.id) for node in self.nodes)
        fees = self.coordinator.pending_fees()
        royalties = sum(self.market.account_of(model_id) for model_id in self.models)
        assert (
            self.joy.balanceOf(self.coordinator)
            == sum(self.free) + sum(self.held.values()) + earnings + fees
        )
        assert self.joy.balanceOf(self.market) == royalties
        redeemed = sum(self.taken.values())
        assert redeemed == earnings + self.earned_out + fees + self.fees_out + royalties
        assert (
            self.deposited == self.withdrawn + sum(self.free) + sum(self.held.values()) + redeemed
        )

    @invariant()
    def payers_see_what_they_have(self):
        for p, payer in enumerate(self.payers):
            assert self.coordinator.free_balance(payer.address) == self.free[p]
            for n, node in enumerate(self.nodes):
                there = self.coordinator.allocation(payer.address, node.operator)
                assert there.amount - there.redeemed == self.held[p, n]
                assert there.thawing == self.thawing[p, n]

    @invariant()
    def channels_hold_the_highest(self):
        for (p, n, m, lane), highest in self.seen.items():
            where = (self.payers[p].address, self.nodes[n].operator, self.models[m], lane)
            assert self.coordinator.channel(*where) == highest
            unpaid = highest[1] - self.taken[p, n, m, lane]
            assert self.coordinator.unpaid(*where) == unpaid

    def teardown(self):
        """Everybody can leave with everything."""
        for p, payer in enumerate(self.payers):
            for node in self.nodes:
                there = self.coordinator.allocation(payer.address, node.operator)
                left = there.amount - there.redeemed - there.thawing
                if left:
                    self.coordinator.request_deallocate(node.operator, left, **self.as_payer(p))
            boa.env.time_travel(seconds=DAY)
            for node in self.nodes:
                if self.coordinator.allocation(payer.address, node.operator).thaw_ends:
                    self.coordinator.finish_deallocate(node.operator, **self.as_payer(p))
            if self.coordinator.free_balance(payer.address):
                self.coordinator.withdraw(
                    self.coordinator.free_balance(payer.address), **self.as_payer(p)
                )
        for n in (0, 1):
            self.withdraw_earnings(n)
        self.flush_fees()
        assert self.joy.balanceOf(self.coordinator) == 0


def test_escrow_conserves_every_wei(
    coordinator, market, joy, fund, register, model, voucher, redeem, payer, publisher, guardian
):
    payers = [payer(f"payer {n}", deposit=0) for n in (0, 1)]
    for someone in payers:
        fund(someone.address, FUNDS)
        joy.approve(coordinator, 2**256 - 1, sender=someone.address)
    world = {
        "coordinator": coordinator,
        "market": market,
        "joy": joy,
        "publisher": publisher,
        "guardian": guardian,
        "payers": payers,
        "nodes": [register(name) for name in ("first", "second")],
        "models": [model(n, price=7 * n) for n in (1, 2)],
        "voucher": voucher,
        "redeem_as": redeem,
    }

    class Machine(EscrowMachine):
        def __init__(self):
            self._anchor = boa.env.anchor()
            self._anchor.__enter__()
            super().__init__(world)

        def teardown(self):
            try:
                super().teardown()
            finally:
                self._anchor.__exit__(None, None, None)

    run_state_machine_as_test(Machine, settings=settings(stateful_step_count=25, deadline=None))
