"""Royalties under random family trees and payments: every wei is somewhere, and only once."""

import boa
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

shares = st.lists(st.integers(1, 10_000), min_size=1, max_size=8)


def scale(weights, total):
    """Positive integers in about these proportions that sum to `total`."""
    whole = sum(weights)
    parts = [1 + weight * (total - len(weights)) // whole for weight in weights]
    parts[0] += total - sum(parts)
    return parts


class RoyaltyMachine(RuleBasedStateMachine):
    """Models with random owners and parents, paid, distributed and claimed in random order."""

    def __init__(self, world):
        super().__init__()
        vars(self).update(world)
        self.models = []
        self.depth = {}
        self.expected = {}  # model -> JOY wei in its account
        self.due = dict.fromkeys(self.owners, 0)
        self.paid = self.claimed = 0

    @rule(
        weights=shares,
        parent_weights=shares,
        parent_total=st.integers(8, 10_000),
        data=st.data(),
    )
    def publish(self, weights, parent_weights, parent_total, data):
        model_id = (len(self.models) + 1).to_bytes(32, "big")
        owners = [(data.draw(st.sampled_from(self.owners)), bps) for bps in scale(weights, 10_000)]
        eligible = [m for m in self.models if self.depth[m] < 8]
        parents = []
        if eligible:
            chosen = data.draw(st.lists(st.sampled_from(eligible), unique=True, max_size=8))
            if chosen:
                parts = scale([*parent_weights, *([1] * 8)][: len(chosen)], parent_total)
                parents = list(zip(chosen, parts, strict=True))
        terms = (model_id, 1, 0, 0, 0, owners)
        if parents:
            self.market.list_derived(self.publisher, *terms, parents, sender=self.fusion)
        else:
            self.market.list_model(*terms, sender=self.publisher)
        self.depth[model_id] = 1 + max((self.depth[m] for m, _ in parents), default=0)
        assert self.market.depth_of(model_id) == self.depth[model_id] <= 8
        self.models.append(model_id)
        self.expected[model_id] = 0

    @rule(amount=st.one_of(st.integers(0, 50), st.integers(0, 10**18)), data=st.data())
    def pay(self, amount, data):
        if self.models:
            model_id = data.draw(st.sampled_from(self.models))
            self.market.pay(model_id, amount, sender=self.client)
            self.expected[model_id] += amount
            self.paid += amount

    @rule(data=st.data())
    def distribute(self, data):
        if not self.models:
            return
        model_id = data.draw(st.sampled_from(self.models))
        total = self.expected[model_id]
        assert self.market.distribute(model_id) == total
        self.expected[model_id] = 0
        paid = total
        for parent, bps in self.market.parents_of(model_id):
            self.expected[parent] += paid * bps // 10_000
            total -= paid * bps // 10_000
        owners = self.market.owners_of(model_id)
        parts = [total * bps // 10_000 for _, bps in owners]
        parts[0] += total - sum(parts)
        for (owner, _), part in zip(owners, parts, strict=True):
            self.due[owner] += part

    @rule(data=st.data())
    def claim(self, data):
        owner = data.draw(st.sampled_from(self.owners))
        if self.due[owner]:
            assert self.market.claim(sender=owner) == self.due[owner]
            self.claimed += self.due[owner]
            self.due[owner] = 0

    @invariant()
    def every_wei_is_somewhere_once(self):
        for model_id in self.models:
            assert self.market.account_of(model_id) == self.expected[model_id]
        for owner in self.owners:
            assert self.market.claimable(owner) == self.due[owner]
        held = sum(self.expected.values()) + sum(self.due.values())
        assert self.joy.balanceOf(self.market) == held == self.paid - self.claimed


def test_royalties_conserve_every_wei(market, joy, fund, fusion, publisher, client, actor):
    fund(client, 10**24)
    joy.approve(market, 2**256 - 1, sender=client)
    world = {
        "market": market,
        "joy": joy,
        "fusion": fusion,
        "publisher": publisher,
        "client": client,
        "owners": [actor(f"owner {n}") for n in range(4)],
    }

    class Machine(RoyaltyMachine):
        def __init__(self):
            self._anchor = boa.env.anchor()
            self._anchor.__enter__()
            super().__init__(world)

        def teardown(self):
            self._anchor.__exit__(None, None, None)

    run_state_machine_as_test(Machine, settings=settings(stateful_step_count=25, deadline=None))
