"""Random lives of names: one owner per live name, exact prices, exact edges, no record leaks,
promises kept through every change of charter, and subnames that end with their parents."""

from dataclasses import dataclass

import boa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

DAY = 86_400
GRACE = 30 * DAY
MIN_DURATION = 28 * DAY
MAX_TERM = 10 * 365 * DAY
NOTICE = 7 * DAY
MIN_AGE = 10
PERMANENT = 2**256 - 1  # in place of a duration
PERMANENT_EXPIRY = 2**48 - 1
PERMANENT_TERM = 25 * 365 * DAY
PREMIUM = 1_000 * 10**18
PARENT = 16  # the lock that keeps a subname from its parent's owner
ANY = 2**256 - 1
ZERO = "0x" + "00" * 20
NAME = "PermaNetDomainRegistry: "
TOKEN = "name_tokens: "

LABELS = ("né", "x" * 40)
BANDS = {label: min(len(label), 5) - 1 for label in LABELS}
SPLITS = ((4_000, 1_000), (0, 5_000), (3_333, 1_667), (0, 0))
labels = st.sampled_from(LABELS)
people = st.integers(0, 2)
# Seconds after a name's expiry to go to first, if that is not past; None: stay.
edges = st.sampled_from((None, None, None, -1, 0, 0, GRACE - 1, GRACE))
durations = st.sampled_from(
    (MIN_DURATION, MIN_DURATION, 365 * DAY, 3 * 365 * DAY, 6 * 365 * DAY, PERMANENT)
)


def premium(start: int, passed: int) -> int:
    """What a name costs on top of its rent, some seconds after it became free."""
    days, rest = divmod(passed, DAY)
    if days >= 21:
        return 0
    today = start >> days
    return max(today - today * rest // (2 * DAY) - (start >> 21), 0)


@dataclass
class Held:
    """What the model knows of a name that was registered once."""

    owner: str
    expires_at: int
    generation: int
    payto: str
    cap: int | None = None  # wei per second, if the charter promised it

    def is_live(self) -> bool:
        return boa.env.timestamp < self.expires_at

    def is_free(self) -> bool:
        return boa.env.timestamp >= self.expires_at + GRACE


class NamesMachine(RuleBasedStateMachine):
    """Drives the three contracts and a model of them side by side."""

    # Set by the test, from its fixtures.
    names = tlds = subnames = folk = tld_owner = treasury = guardian = None

    def __init__(self):
        super().__init__()
        self.anchor = boa.env.anchor()
        self.anchor.__enter__()

    def teardown(self):
        self.anchor.__exit__(None, None, None)

    @initialize()
    def start(self):
        self.registry, self.joy = self.names.registry, self.names.joy
        self.held: dict[str, Held] = {}
        self.prices = list(self.tlds.tld_of(self.names.tld).prices)
        self.next_prices, self.switch_at = self.prices, 0
        self.split = SPLITS[0]
        self.keeps, self.premium, self.permanent_term = False, 0, PERMANENT_TERM
        self.subs: dict[str, tuple[str, int, int]] = {}  # label -> owner, expiry, locks
        self.unsettled = dict.fromkeys(SPLITS, 0)
        self.claimable = {self.tld_owner: 0, self.treasury: 0}
        self.wallets = {who: self.joy.balanceOf(who) for who in self.folk}
        self.paid_out = dict.fromkeys(self.claimable, 0)
        self.before = {who: self.joy.balanceOf(who) for who in self.claimable}
        self.supply = self.joy.totalSupply()
        self.burned = 0
        for label, who in zip(LABELS, self.folk, strict=False):
            expires_at = boa.env.timestamp + MIN_AGE + 365 * DAY
            self.names.register(label, who, duration=365 * DAY)
            self.held[label] = Held(who, expires_at, 1, ZERO)
            self.pay(who, self.price(label) * 365 * DAY)

    def go_to(self, label, edge, ahead=0):
        """Move to an edge of a name, less the seconds that are still to pass before it counts."""
        held = self.held.get(label)
        if edge is not None and held and held.expires_at != PERMANENT_EXPIRY:
            moment = held.expires_at + edge - ahead
            boa.env.timestamp = max(boa.env.timestamp, moment)

    def price(self, label):
        prices = self.next_prices if boa.env.timestamp >= self.switch_at else self.prices
        return prices[BANDS[label]]

    def cost(self, label, duration):
        """Of registering a name if it is free, of renewing it if not; None: not offered."""
        held, price, extra = self.held.get(label), self.price(label), 0
        if held and held.is_free():
            extra = premium(self.premium, boa.env.timestamp - held.expires_at - GRACE)
        elif held and held.cap is not None:
            price = min(price, held.cap)
        term = self.permanent_term if duration == PERMANENT else duration
        return price * term + extra if term else None

    def pay(self, payer, rent):
        self.wallets[payer] -= rent
        self.unsettled[self.split] += rent

    @rule(label=labels, owner=people, payer=people, duration=durations, edge=edges)
    def register(self, label, owner, payer, duration, edge):
        self.go_to(label, edge, ahead=MIN_AGE)
        owner, payer = self.folk[owner], self.folk[payer]
        record = self.names.record("set_payto(bytes32,address)", self.names.node(label), owner)
        request = self.names.request(label, owner, duration=duration, records=[record])
        self.names.commit(request, sender=payer)
        self.names.age()
        held, cost = self.held.get(label), self.cost(label, duration)
        if self.registry.paused():
            with boa.reverts("circuit_breaker: paused"):
                self.names.reveal(request, sender=payer)
        elif held and not held.is_free():
            with boa.reverts(NAME + "name taken"):
                self.names.reveal(request, sender=payer)
        elif cost is None:
            with boa.reverts(NAME + "no permanent names here"):
                self.names.reveal(request, sender=payer)
        else:
            assert self.registry.quote(label, self.names.tld, duration) == cost
            with boa.reverts(NAME + "price above maximum"):
                self.names.reveal(request, sender=payer, max_price=cost - 1)
            self.names.reveal(request, sender=payer, max_price=cost)
            expires_at = boa.env.timestamp + duration
            if duration == PERMANENT:
                expires_at = PERMANENT_EXPIRY
            generation = held.generation + 1 if held else 1
            cap = self.price(label) if self.keeps else None
            self.held[label] = Held(owner, expires_at, generation, owner, cap)
            self.pay(payer, cost)

    @rule(label=labels, payer=people, duration=durations, edge=edges)
    def renew(self, label, payer, duration, edge):
        self.go_to(label, edge)
        payer, held = self.folk[payer], self.held.get(label)
        if held is None or held.is_free():
            reason = "not registered"
        elif not held.is_live() and payer != held.owner:
            reason = "in grace, only its owner renews"
        elif held.expires_at == PERMANENT_EXPIRY:
            reason = "name is permanent"
        elif duration != PERMANENT and held.expires_at + duration <= boa.env.timestamp:
            reason = "duration too short"
        elif duration != PERMANENT and held.expires_at + duration > boa.env.timestamp + MAX_TERM:
            reason = "duration too long"
        elif (cost := self.cost(label, duration)) is None:
            reason = "no permanent names here"
        else:
            assert self.registry.quote(label, self.names.tld, duration) == cost
            self.registry.renew(label, self.names.tld, duration, cost, sender=payer)
            is_permanent = duration == PERMANENT
            held.expires_at = PERMANENT_EXPIRY if is_permanent else held.expires_at + duration
            self.pay(payer, cost)
            return
        with boa.reverts(NAME + reason):
            self.registry.renew(label, self.names.tld, duration, ANY, sender=payer)

    @rule(label=labels, sender=people, to=people, edge=edges)
    def transfer(self, label, sender, to, edge):
        self.go_to(label, edge)
        sender, to, held = self.folk[sender], self.folk[to], self.held.get(label)
        arguments = (sender, to, self.names.token_id(label))
        if held is None or held.is_free():
            reason = "no such token"
        elif held.owner != sender:
            reason = "wrong owner"
        else:
            self.registry.transferFrom(*arguments, sender=sender)
            held.owner = to
            return
        with boa.reverts(TOKEN + reason):
            self.registry.transferFrom(*arguments, sender=sender)

    @rule(label=labels, sender=people, payto=people, edge=edges)
    def write(self, label, sender, payto, edge):
        self.go_to(label, edge)
        sender, payto, held = self.folk[sender], self.folk[payto], self.held.get(label)
        if held and held.is_live() and held.owner == sender:
            self.names.resolver.set_payto(self.names.node(label), payto, sender=sender)
            held.payto = payto
        else:
            with boa.reverts("PermaNetResolver: not the live owner"):
                self.names.resolver.set_payto(self.names.node(label), payto, sender=sender)

    @rule(label=labels, sender=people, to=people, locks=st.sampled_from((0, PARENT)), edge=edges)
    def give_subname(self, label, sender, to, locks, edge):
        self.go_to(label, edge)
        sender, to, held = self.folk[sender], self.folk[to], self.held.get(label)
        ends = held.expires_at if held else boa.env.timestamp + DAY
        arguments = (self.names.node(label), "pay", to, ZERO, ends, locks, [])
        _, sub_ends, sub_locks = self.subs.get(label, (ZERO, 0, 0))
        if not held or not held.is_live() or held.owner != sender:
            reason = "not the parent's live owner"
        elif sub_locks and boa.env.timestamp < sub_ends:
            reason = "name taken"
        else:
            self.subnames.create(*arguments, sender=sender)
            self.subs[label] = (to, ends, locks)
            return
        with boa.reverts("PermaNetSubnames: " + reason):
            self.subnames.create(*arguments, sender=sender)

    @rule(
        keeps=st.booleans(),
        start=st.sampled_from((0, PREMIUM)),
        term=st.sampled_from((0, PERMANENT_TERM)),
    )
    def amend_charter(self, keeps, start, term):
        self.keeps, self.premium, self.permanent_term = keeps, start, term
        self.tlds.set_keeps_price(self.names.tld, keeps, sender=self.tld_owner)
        self.tlds.set_premium(self.names.tld, start, sender=self.tld_owner)
        self.tlds.set_permanence(self.names.tld, term, sender=self.tld_owner)

    @rule(percent=st.integers(50, 200))
    def change_prices(self, percent):
        if boa.env.timestamp >= self.switch_at:
            self.prices = self.next_prices
        self.next_prices = [-(-price * percent // 100) for price in self.prices]
        self.tlds.set_prices(self.names.tld, self.next_prices, sender=self.tld_owner)
        self.switch_at = boa.env.timestamp + NOTICE

    @rule(split=st.sampled_from(SPLITS))
    def change_split(self, split):
        self.tlds.set_split(self.names.tld, *split, sender=self.tld_owner)
        self.split = split

    @rule(split=st.sampled_from(SPLITS))
    def settle(self, split):
        rent = self.unsettled[split]
        if rent == 0:
            with boa.reverts(NAME + "nothing to settle"):
                self.registry.settle(self.names.tld, *split)
            return
        self.registry.settle(self.names.tld, *split)
        to_owner, burned = (rent * bps // 10_000 for bps in split)
        self.claimable[self.tld_owner] += to_owner
        self.claimable[self.treasury] += rent - to_owner - burned
        self.burned += burned
        self.unsettled[split] = 0

    @rule(is_treasury=st.booleans())
    def claim(self, is_treasury):
        account = self.treasury if is_treasury else self.tld_owner
        if self.claimable[account] == 0:
            with boa.reverts(NAME + "nothing to claim"):
                self.registry.claim(account)
            return
        boa.env.timestamp += DAY
        paid = self.registry.claim(account)
        assert 0 < paid <= self.claimable[account]
        self.claimable[account] -= paid
        self.paid_out[account] += paid

    @rule()
    def pause(self):
        if boa.env.timestamp >= self.registry.paused_until() + 7 * DAY:
            self.registry.pause(sender=self.guardian)

    @invariant()
    def one_owner_per_live_name(self):
        for label, held in self.held.items():
            node, found = self.names.node(label), self.registry.registration(self.names.node(label))
            owner = ZERO if held.is_free() else held.owner
            assert (found.owner, found.is_live) == (owner, held.is_live())
            assert (found.expires_at, found.generation) == (held.expires_at, held.generation)
            payto = held.payto if held.is_live() else ZERO
            assert self.names.resolver.payto(node) == payto
            if held.is_free():
                with boa.reverts(TOKEN + "no such token"):
                    self.registry.ownerOf(self.names.token_id(label))
            else:
                assert self.registry.ownerOf(self.names.token_id(label)) == owner
        for who in self.folk:
            count = sum(held.owner == who for held in self.held.values())
            assert self.registry.balanceOf(who) == count

    @invariant()
    def subnames_end_with_their_parents(self):
        for label, (owner, ends, _) in self.subs.items():
            found = self.subnames.live_owner(self.names.under(self.names.node(label), "pay"))
            assert found == (owner if boa.env.timestamp < ends else ZERO)
            assert ends <= self.held[label].expires_at or not self.held[label].is_live()
            assert found == ZERO or self.held[label].is_live()

    @invariant()
    def money_is_conserved(self):
        for who, amount in self.wallets.items():
            assert self.joy.balanceOf(who) == amount
        for who, owed in self.claimable.items():
            assert self.registry.claimable(who) == owed
            assert self.joy.balanceOf(who) - self.before[who] == self.paid_out[who]
        held = sum(self.unsettled.values()) + sum(self.claimable.values())
        assert self.joy.balanceOf(self.registry) == held
        assert self.supply - self.joy.totalSupply() == self.burned


def test_names_over_random_sequences(
    names, tlds, subnames, joy, fund, actor, alice, bob, tld_owner, treasury, guardian
):
    carol = actor("carol")
    for who in (alice, bob, carol):
        fund(who, 50_000_000 * 10**18)
        joy.approve(names.registry, ANY, sender=who)
    machine = type(
        "Machine",
        (NamesMachine,),
        {
            "names": names,
            "tlds": tlds,
            "subnames": subnames,
            "folk": (alice, bob, carol),
            "tld_owner": tld_owner,
            "treasury": treasury,
            "guardian": guardian,
        },
    )
    run_state_machine_as_test(
        machine,
        settings=settings(
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
