"""The model economy under random use: every wei that goes in is somewhere, once, and comes out.

Listings with parents and grandparents, payments, distributions, claims of left-out parents
(opened, defended, decided, lapsed), licences (bought, released with right and wrong keys,
settled, disputed, refunded, renewed), shares that owners split, withdrawals.
"""

import boa
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from .conftest import BUYER_SECRET, CLAIM_BOND, DAY, FEE_BPS, KEY_HASH
from .test_stateful import scale

AWAITING, RELEASED, SETTLED = 1, 2, 3
MAX_MODELS = 14
bps = st.integers(1, 5_000)
amounts = st.one_of(st.integers(0, 60), st.integers(0, 10**20))


class EconomyMachine(RuleBasedStateMachine):
    """Money is followed in a second set of books, kept here by rules written down anew."""

    def __init__(self, world):
        super().__init__()
        vars(self).update(world)
        self.models = []  # in order of listing
        self.owner_of = {}  # model -> publisher
        self.sealed = {}  # model -> whether its licences are; absent: none on offer
        self.accounts = {}  # model -> JOY wei not distributed
        self.claimable = dict.fromkeys(self.people, 0)
        self.named = {}  # model -> {parent: bps}
        self.shares = {}  # model -> [(owner, bps)]
        self.claims = {}  # model -> {parent: [bps, frozen or None once granted]}
        self.cases = {}  # claim id -> [child, parent, claimant, defender]
        self.bonds = dict.fromkeys(self.people, 0)  # withdrawable
        self.sales = {}  # licence -> [model, buyer, price, key is right]
        self.refunds = dict.fromkeys(self.people, 0)
        self.fees = 0

    # Models

    @rule(data=st.data(), parent_total=st.integers(8, 10_000), weights=st.lists(bps, min_size=8,
          max_size=8), is_open=st.booleans(), least=st.integers(0, 5_000))  # fmt: skip
    def publish(self, data, parent_total, weights, is_open, least):
        if len(self.models) == MAX_MODELS:
            return
        by, model_id = self.someone(data), (len(self.models) + 1).to_bytes(32, "big")
        count = data.draw(st.integers(1, 3))
        shares = [(self.someone(data), part) for part in scale(weights[:count], 10_000)]
        parents = {}
        fit = [m for m in self.models if self.market.depth_of(m) < 8]
        if fit:
            chosen = data.draw(st.lists(st.sampled_from(fit), unique=True, max_size=8))
            parts = scale(weights[: len(chosen)], parent_total) if chosen else []
            pairs = zip(chosen, parts, strict=True)
            parents = {m: part for m, part in pairs if self.may_build(by, m, part)}
        if parents:
            self.family.publish(len(self.models) + 1, parents.items(), by=by, owners=shares)
        else:
            self.market.list_model(model_id, 10, 0, 0, 0, shares, sender=by)
        self.fusions.set_parent_terms(model_id, is_open, least, sender=by)
        boa.env.time_travel(seconds=1)
        self.models.append(model_id)
        self.owner_of[model_id] = by
        self.accounts[model_id] = 0
        self.named[model_id], self.shares[model_id], self.claims[model_id] = parents, shares, {}

    @rule(data=st.data(), amount=amounts)
    def pay(self, data, amount):
        if self.models:
            model_id = self.some_model(data)
            self.market.pay(model_id, amount, sender=self.client)
            self.accounts[model_id] += amount

    @rule(data=st.data())
    def distribute(self, data):
        if self.models:
            model_id = self.some_model(data)
            expected = self.accounts[model_id]
            assert self.market.distribute(model_id) == expected
            self.spread(model_id)

    @rule(data=st.data(), weights=st.lists(bps, min_size=1, max_size=3))
    def split_share(self, data, weights):
        if not self.models:
            return
        model_id = self.some_model(data)
        by = data.draw(st.sampled_from([owner for owner, _ in self.shares[model_id]]))
        owned = sum(part for owner, part in self.shares[model_id] if owner == by)
        others = [share for share in self.shares[model_id] if share[0] != by]
        weights = weights[: min(owned, 8 - len(others))]
        new = [(self.someone(data), part) for part in scale(weights, owned)]
        at = [owner for owner, _ in self.shares[model_id]].index(by)
        self.market.split_share(model_id, new, sender=by)
        self.spread(model_id)
        self.shares[model_id] = others[:at] + new + others[at:]

    @rule(data=st.data())
    def claim_income(self, data):
        who = self.someone(data)
        if self.claimable[who]:
            assert self.market.claim_for(who) == self.claimable[who]
            self.claimable[who] = 0

    # Claims of left-out parents

    @rule(data=st.data(), part=bps)
    def open_claim(self, data, part):
        pairs = [
            (child, parent)
            for at, child in enumerate(self.models)
            for parent in self.models[:at]
            if self.owner_of[child] != self.owner_of[parent]
            and parent not in self.named[child]
            and not self.fusions.claim_between(child, parent)
            and self.market.depth_of(parent) < 8
            and len(self.claims[child]) < 8
        ]
        if not pairs:
            return
        child, parent = data.draw(st.sampled_from(pairs))
        claims = self.claims[child].values()
        is_frozen = sum(claim[0] for claim in claims if claim[1] is not None)
        room = min(5_000 - is_frozen, 10_000 - sum(claim[0] for claim in claims))
        part = min(part, self.fusions.claimable_bps(child, parent), room)
        if part == 0:
            return
        by = self.owner_of[parent]
        claim_id = self.family.claim(child, parent, part, by)
        self.spread(child)
        self.claims[child][parent] = [part, 0]
        self.cases[claim_id] = [child, parent, by, None]

    @rule(data=st.data())
    def defend(self, data):
        case = self.some_case(data)
        if case and not self.cases[case][3] and not self.is_over(case):
            by = data.draw(st.sampled_from([p for p in self.people if p != self.cases[case][2]]))
            self.family.defend(case, by)
            self.cases[case][3] = by

    @rule(data=st.data(), is_upheld=st.booleans())
    def decide(self, data, is_upheld):
        case = self.some_case(data)
        if case and not self.is_over(case):
            self.fusions.decide(case, is_upheld, sender=self.judge)
            self.close(case, is_upheld, 0)

    @rule(data=st.data())
    def lapse(self, data):
        case = self.some_case(data)
        if case and self.is_over(case):
            self.fusions.lapse(case)
            is_upheld = self.cases[case][3] is None
            self.close(case, is_upheld, 0 if is_upheld else CLAIM_BOND * 9 // 10)

    @rule(data=st.data())
    def withdraw_bonds(self, data):
        who = self.someone(data)
        if self.bonds[who]:
            assert self.fusions.withdraw_for(who) == self.bonds[who]
            self.bonds[who] = 0

    # Licences

    @rule(data=st.data(), price=amounts, is_sealed=st.booleans(), days=st.integers(0, 3))
    def offer(self, data, price, is_sealed, days):
        if self.models:
            model_id = self.some_model(data)
            is_sealed = is_sealed or self.sealed.get(model_id, False)
            terms = {"price": price, "period": days * DAY, "key_hash": KEY_HASH}
            if not is_sealed:
                terms["key_hash"] = bytes(32)
            self.shop.offer(model_id, by=self.owner_of[model_id], **terms)
            self.sealed[model_id] = is_sealed

    @rule(data=st.data())
    def buy(self, data):
        if self.sealed:
            model_id = data.draw(st.sampled_from(list(self.sealed)))
            buyer = self.someone(data)
            price = self.licenses.terms(model_id).price
            sale = self.shop.buy(model_id, buyer)
            self.sales[sale] = [model_id, buyer, price, None]
            if not self.sealed[model_id]:
                self.earn_licence(model_id, price)

    @rule(data=st.data(), is_right=st.booleans())
    def release(self, data, is_right):
        sale = self.some_sale(data, AWAITING)
        if sale and not self.is_late(sale):
            by = self.owner_of[self.sales[sale][0]]
            self.shop.release(sale, *(() if is_right else (b"\x66" * 32,)), by=by)
            self.sales[sale][3] = is_right

    @rule(data=st.data())
    def refund(self, data):
        sale = self.some_sale(data, AWAITING)
        if sale and self.is_late(sale):
            self.licenses.refund(sale)
            self.refunds[self.sales[sale][1]] += self.sales[sale][2]

    @rule(data=st.data())
    def dispute(self, data):
        sale = self.some_sale(data, RELEASED)
        if sale and not self.is_late(sale):
            _, buyer, price, is_right = self.sales[sale]
            if is_right:
                with boa.reverts("ModelLicenses: the key is right"):
                    self.licenses.dispute(sale, BUYER_SECRET, sender=buyer)
            else:
                self.licenses.dispute(sale, BUYER_SECRET, sender=buyer)
                self.refunds[buyer] += price

    @rule(data=st.data())
    def settle(self, data):
        sale = self.some_sale(data, RELEASED)
        if sale and self.is_late(sale):
            self.licenses.settle(sale)
            self.earn_licence(self.sales[sale][0], self.sales[sale][2])

    @rule(data=st.data())
    def renew(self, data):
        sale = self.some_sale(data, SETTLED)
        if sale and self.licenses.license(sale).expires_at:
            model_id = self.sales[sale][0]
            self.shop.renew(sale, self.someone(data))
            self.earn_licence(model_id, self.licenses.terms(model_id).price)

    @rule(data=st.data())
    def withdraw_refund(self, data):
        who = self.someone(data)
        if self.refunds[who]:
            assert self.licenses.withdraw_for(who) == self.refunds[who]
            self.refunds[who] = 0

    @rule()
    def flush_fees(self):
        if self.fees:
            assert self.licenses.flush_fees() == self.fees
            self.fees = 0

    @rule(seconds=st.sampled_from([1, 60, DAY // 2, DAY, 8 * DAY]))
    def wait(self, seconds):
        boa.env.time_travel(seconds=seconds)

    # The second set of books

    def spread(self, model_id):
        """Claims first, then what founding parents get of the rest, then owners."""
        total, self.accounts[model_id] = self.accounts[model_id], 0
        left = total
        for parent, claim in self.claims[model_id].items():
            part = total * claim[0] // 10_000
            left -= part
            if claim[1] is None:
                self.accounts[parent] += part
            else:
                claim[1] += part
        taken = sum(claim[0] for claim in self.claims[model_id].values())
        named = self.named[model_id]
        squeeze = min(sum(named.values()), 10_000 - taken)
        for parent, part_bps in named.items():
            part = total * squeeze * part_bps // (sum(named.values()) * 10_000)
            self.accounts[parent] += part
            left -= part
        self.to_owners(model_id, left)

    def to_owners(self, model_id, amount):
        parts = [amount * part // 10_000 for _, part in self.shares[model_id]]
        parts[0] += amount - sum(parts)
        for (owner, _), part in zip(self.shares[model_id], parts, strict=True):
            self.claimable[owner] += part

    def close(self, case, is_upheld, kept):
        """Distribute, then move the frozen share and the bonds."""
        child, parent, claimant, defender = self.cases.pop(case)
        self.spread(child)
        part, frozen = self.claims[child][parent]
        bonds = CLAIM_BOND * (2 if defender else 1)
        kept = bonds if is_upheld else kept
        self.bonds[claimant] += kept
        self.bonds[defender or self.owner_of[child]] += bonds - kept
        if is_upheld:
            self.claims[child][parent][1] = None
            self.accounts[parent] += frozen
            return
        taken = sum(claim[0] for claim in self.claims[child].values())
        del self.claims[child][parent]
        named = self.named[child]
        whole = sum(named.values())
        missed = min(whole, 10_000 - taken + part) - min(whole, 10_000 - taken)
        left = frozen
        for other, other_bps in named.items():
            back = frozen * missed * other_bps // (whole * part)
            self.accounts[other] += back
            left -= back
        self.to_owners(child, left)

    def earn_licence(self, model_id, price):
        fee = price * FEE_BPS // 10_000
        self.fees += fee
        self.accounts[model_id] += price - fee

    # Choices

    def someone(self, data):
        return data.draw(st.sampled_from(self.people))

    def some_model(self, data):
        return data.draw(st.sampled_from(self.models))

    def some_case(self, data):
        return data.draw(st.sampled_from(list(self.cases))) if self.cases else None

    def some_sale(self, data, state):
        found = [sale for sale in self.sales if self.licenses.license(sale).state == state]
        return data.draw(st.sampled_from(found)) if found else None

    def is_over(self, case):
        return boa.env.timestamp >= self.fusions.claim_of(case).deadline

    def is_late(self, sale):
        return boa.env.timestamp >= self.licenses.license(sale).deadline

    def may_build(self, by, model_id, part):
        terms = self.fusions.parent_terms(model_id)
        is_allowed = terms.derivatives_allowed and part >= terms.min_share_bps
        return self.owner_of[model_id] == by or is_allowed

    # What always holds

    @invariant()
    def both_books_agree(self):
        frozen = 0
        for model_id in self.models:
            assert self.market.account_of(model_id) == self.accounts[model_id]
            shown = {c.parent: (c.bps, c.frozen) for c in self.market.claimed_of(model_id)}
            kept = {p: (part, held or 0) for p, (part, held) in self.claims[model_id].items()}
            assert shown == kept
            assert sum(part for part, _ in kept.values()) <= 10_000
            assert 1 <= self.market.depth_of(model_id) <= 8
            frozen += sum(held for _, held in kept.values())
            owners = [tuple(share) for share in self.market.owners_of(model_id)]
            assert owners == self.shares[model_id]
        for who in self.people:
            assert self.market.claimable(who) == self.claimable[who]
            assert self.fusions.withdrawable(who) == self.bonds[who]
            assert self.licenses.withdrawable(who) == self.refunds[who]
        held = sum(self.accounts.values()) + sum(self.claimable.values()) + frozen
        assert self.joy.balanceOf(self.market) == held

    @invariant()
    def bonds_and_escrows_are_whole(self):
        bonds = sum(CLAIM_BOND * (2 if case[3] else 1) for case in self.cases.values())
        assert self.joy.balanceOf(self.fusions) == bonds + sum(self.bonds.values())
        escrows = sum(self.licenses.license(sale).escrow for sale in self.sales)
        waiting = escrows + sum(self.refunds.values()) + self.fees
        assert self.joy.balanceOf(self.licenses) == waiting
        assert self.licenses.pending_fees() == self.fees

    def everybody_gets_out(self):
        """At the end all claims lapse, all sales close, and the contracts can be emptied."""
        boa.env.time_travel(seconds=40 * DAY)
        for sale in self.sales:
            state = self.licenses.license(sale).state
            if state == RELEASED:
                self.licenses.settle(sale)
            elif state == AWAITING:
                self.licenses.refund(sale)
        for case in self.cases:
            self.fusions.lapse(case)
        for model_id in reversed(self.models):  # children before parents
            self.market.distribute(model_id)
        for who in self.people:
            for contract, owed in (
                (self.market, self.market.claimable(who)),
                (self.fusions, self.fusions.withdrawable(who)),
                (self.licenses, self.licenses.withdrawable(who)),
            ):
                if owed:
                    take = contract.claim_for if contract is self.market else contract.withdraw_for
                    assert take(who) == owed
        if self.licenses.pending_fees():
            self.licenses.flush_fees()
        for contract in (self.market, self.fusions, self.licenses):
            assert self.joy.balanceOf(contract) == 0


@pytest.fixture
def world(market, fusions, family, licenses, shop, court, joy, fund, client, actor):
    fund(client, 10**26)
    joy.approve(market, 2**256 - 1, sender=client)
    return {
        "market": market,
        "fusions": fusions,
        "family": family,
        "licenses": licenses,
        "shop": shop,
        "judge": court(1),
        "joy": joy,
        "client": client,
        "people": [actor(f"person {n}") for n in range(4)],
    }


def run(world, examples, steps):
    class Machine(EconomyMachine):
        def __init__(self):
            self._anchor = boa.env.anchor()
            self._anchor.__enter__()
            super().__init__(world)

        def teardown(self):
            try:
                self.everybody_gets_out()
            finally:
                self._anchor.__exit__(None, None, None)

    limits = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(Machine, settings=limits)


def test_every_wei_is_somewhere_once_and_comes_out(world):
    run(world, 3, 30)


@pytest.mark.soak
@pytest.mark.timeout(3_600)
def test_every_wei_over_long_lives(world):
    run(world, 80, 100)
