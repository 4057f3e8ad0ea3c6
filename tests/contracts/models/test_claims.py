"""Claims of parents that were left out: who may claim, deny and decide, and what it moves."""

import boa
import pytest

from .conftest import (
    AI_TLD,
    CLAIM_BOND,
    DAY,
    DECISION_WINDOW,
    DEFENCE_WINDOW,
    JOY_TLD,
    SPEC,
)

ME = "ModelFusionContract: "
OPEN, UPHELD, REJECTED, LAPSED = range(1, 5)


@pytest.fixture
def author(actor):
    """Published the model that was left out."""
    return actor("author")


@pytest.fixture
def left_out(family, author):
    """Model 1, whose derivatives owe 3,000 basis points."""
    return family.original(1, by=author, share=3_000)


@pytest.fixture
def child(family, left_out):
    """Model 3, published with one parent (model 2, 2,000 basis points), not with model 1."""
    return family.publish(3, [(family.original(2, share=0), 2_000)])


@pytest.fixture
def claim(family, court, child, left_out, author):
    """An open claim of 3,000 basis points."""
    return family.claim(child, left_out, 3_000, author)


def later(seconds):
    boa.env.time_travel(seconds=seconds)


def earn(pay, market, child, amount):
    pay(child, amount)
    market.distribute(child)


# Opening


def test_claim_freezes_the_share_from_now_on(
    family, fusions, market, pay, court, child, left_out, author, publisher
):
    pay(child, 1_000)
    claim_id = family.claim(child, left_out, 3_000, author)
    assert market.claimable(publisher) == 800  # what came in before is not touched
    earn(pay, market, child, 1_000)
    record = fusions.claim_of(claim_id)
    assert (record.child, record.parent, record.claimant) == (child, left_out, author)
    assert (record.state, record.share_bps, record.frozen) == (OPEN, 3_000, 300)
    assert (record.spec_digest, record.bond, record.court) == (SPEC, CLAIM_BOND, JOY_TLD)
    assert record.deadline == boa.env.timestamp + DEFENCE_WINDOW
    assert record.judge == court(1) == fusions.judge_of(JOY_TLD)
    assert fusions.claim_between(child, left_out) == claim_id == fusions.claim_count() == 1
    assert market.claimable(publisher) == 800 + 500
    assert family.joy.balanceOf(fusions) == CLAIM_BOND


def test_claim_on_a_model_that_was_listed_as_an_original(family, market, pay, court, left_out,
                                                         author, fusions):  # fmt: skip
    """The usual way to leave parents out is to name none at all."""
    sham = family.original(4)
    claim_id = family.claim(sham, left_out, 3_000, author)
    later(DEFENCE_WINDOW)
    fusions.lapse(claim_id)
    earn(pay, market, sham, 1_000)
    assert market.account_of(left_out) == 300
    assert market.depth_of(sham) == 2


def test_refused_claims(family, fusions, market, court, child, left_out, author, publisher,
                        stranger, model):  # fmt: skip
    cases = [
        ((child, left_out, 3_000, stranger), ME + "caller is not the publisher"),
        ((child, left_out, 3_001, author), ME + "share asked for is too big"),
        ((child, left_out, 0, author), "royalty_split: zero parent share"),
        ((child, left_out, 3_000, author, bytes(32)), ME + "zero spec digest"),
        ((child, model(9), 1, author), ME + "model not listed"),
        ((model(9), left_out, 1, author), ME + "model not listed"),
        ((child, model(2), 1, publisher), ME + "claim against oneself"),
        ((left_out, left_out, 1, author), ME + "claim against oneself"),
    ]
    for args, reason in cases:
        with boa.reverts(reason):
            family.claim(*args)
    named = family.original(5, by=author, share=1_000)
    heir = family.publish(6, [(named, 1_000)])
    with boa.reverts("royalty_split: parent twice"):
        family.claim(heir, named, 1_000, author)
    family.claim(child, left_out, 3_000, author)
    with boa.reverts(ME + "claimed before"):
        family.claim(child, left_out, 3_000, author)
    younger = family.original(7, by=author, share=1_000)
    fusions.set_parent_terms(younger, False, 1_000, sender=author)
    with boa.reverts("ModelMarketplace: parent is not older than child"):
        family.claim(child, younger, 1_000, author)


def test_models_of_one_second_cannot_claim_on_each_other(market, family, court, model, author,
                                                         stranger):  # fmt: skip
    """So no two claims can close a circle."""
    for n, by in ((11, author), (12, stranger)):
        market.list_model(model(n), 1, 0, 0, 0, [], sender=by)
    for child, parent, by in ((12, 11, author), (11, 12, stranger)):
        with boa.reverts("ModelMarketplace: parent is not older than child"):
            family.claim(model(child), model(parent), 1_000, by)


def test_claim_without_a_judge_is_refused(family, fusions, daos, owner, child, left_out, author):
    fusions.set_link("TldRegistry", daos.tlds, sender=owner)
    fusions.set_link("PermaNetDAORegistry", daos.registry, sender=owner)
    daos.tlds.propose_owner(JOY_TLD, owner, sender=daos.executor(1))
    daos.tlds.accept_owner(JOY_TLD, sender=owner)
    with boa.reverts(ME + "no DAO to decide"):
        family.claim(child, left_out, 3_000, author)


def test_claim_while_paused_is_refused(family, fusions, court, child, left_out, author, guardian):
    fusions.pause(sender=guardian)
    with boa.reverts("circuit_breaker: paused"):
        family.claim(child, left_out, 3_000, author)


def test_share_asked_for_is_bounded_by_the_terms_of_that_day(family, fusions, author, publisher):
    """Terms set after the child was listed do not count, in the same second neither."""
    never, closed, free = (family.original(n, by=author) for n in (21, 22, 23))
    fusions.set_parent_terms(closed, False, 4_000, sender=author)
    fusions.set_parent_terms(free, True, 7, sender=author)
    later(1)
    child = family.publish(24, [(family.original(25, share=0), 1)])
    boa.env.timestamp -= 1
    for model_id in (never, closed, free):
        fusions.set_parent_terms(model_id, True, 5_000, sender=author)
    assert [fusions.claimable_bps(child, m) for m in (never, closed, free)] == [1_000, 4_000, 7]


# Denial


def test_anyone_else_defends_once(family, fusions, claim, author, stranger, actor):
    family.bond(author)
    with boa.reverts(ME + "claimant cannot defend"):
        fusions.defend(claim, sender=author)
    family.defend(claim, stranger)
    record = fusions.claim_of(claim)
    assert record.defender == stranger
    assert record.deadline == boa.env.timestamp + DEFENCE_WINDOW + DECISION_WINDOW
    with boa.reverts(ME + "defended already"):
        family.defend(claim, actor("second"))
    assert family.joy.balanceOf(fusions) == 2 * CLAIM_BOND


def test_late_defence_is_refused(family, claim, stranger):
    later(DEFENCE_WINDOW)
    with boa.reverts(ME + "too late to defend"):
        family.defend(claim, stranger)


def test_claim_that_nobody_denies_is_upheld(
    fusions, market, pay, claim, child, left_out, author, publisher, stranger
):
    earn(pay, market, child, 1_000)
    later(DEFENCE_WINDOW - 1)
    with boa.reverts(ME + "claim can still be defended or decided"):
        fusions.lapse(claim)
    later(1)
    fusions.lapse(claim, sender=stranger)
    assert fusions.claim_of(claim).state == UPHELD
    assert market.account_of(left_out) == 300
    assert fusions.withdrawable(author) == CLAIM_BOND
    earn(pay, market, child, 1_000)  # and for good
    assert market.account_of(left_out) == 600
    assert market.claimable(publisher) == 1_000


# Decision


def test_upheld_by_the_court(family, fusions, market, pay, court, claim, child, left_out, author,
                             stranger):  # fmt: skip
    family.defend(claim, stranger)
    earn(pay, market, child, 1_000)
    fusions.decide(claim, True, sender=court(1))
    assert fusions.claim_of(claim).state == UPHELD
    assert market.account_of(left_out) == 300
    assert fusions.withdraw(sender=author) == 2 * CLAIM_BOND == family.joy.balanceOf(author)
    assert fusions.withdrawable(stranger) == family.joy.balanceOf(fusions) == 0
    assert market.depth_of(child) == 2


def test_rejected_by_the_court(family, fusions, market, pay, court, claim, child, left_out, author,
                               publisher, stranger, model):  # fmt: skip
    family.defend(claim, stranger)
    earn(pay, market, child, 1_000)
    fusions.decide(claim, False, sender=court(1))
    assert fusions.claim_of(claim).state == REJECTED
    assert (market.account_of(left_out), market.account_of(model(2))) == (0, 200)
    assert market.claimable(publisher) == 800
    assert fusions.withdraw(sender=stranger) == 2 * CLAIM_BOND
    assert fusions.withdrawable(author) == 0
    assert market.claimed_of(child) == []
    with boa.reverts(ME + "claimed before"):
        family.claim(child, left_out, 1, author)


def test_court_may_reject_before_anyone_defends(fusions, court, claim, publisher):
    fusions.decide(claim, False, sender=court(1))
    assert fusions.withdrawable(publisher) == CLAIM_BOND


def test_only_the_court_decides_and_in_time(family, fusions, daos, owner, court, claim, stranger,
                                            author):  # fmt: skip
    family.defend(claim, stranger)
    for other in (stranger, author, court(2), owner):
        with boa.reverts(ME + "caller is not the court's DAO"):
            fusions.decide(claim, True, sender=other)
    later(DEFENCE_WINDOW + DECISION_WINDOW)
    with boa.reverts(ME + "too late to decide"):
        fusions.decide(claim, True, sender=court(1))


def test_dao_that_lost_its_tld_decides_nothing(fusions, daos, owner, court, claim):
    daos.tlds.propose_owner(JOY_TLD, owner, sender=court(1))
    daos.tlds.accept_owner(JOY_TLD, sender=owner)
    for judge, reason in ((court(1), "DAO lost its TLD"), (owner, "caller is not the court's DAO")):
        with boa.reverts(ME + reason):
            fusions.decide(claim, True, sender=judge)


def test_court_that_the_publisher_named_decides(family, fusions, court, owner, left_out, author):
    fusions.set_court(AI_TLD, True, sender=owner)
    child = family.publish(30, [(family.original(31, share=0), 1)], court=AI_TLD)
    claim = family.claim(child, left_out, 3_000, author)
    with boa.reverts(ME + "caller is not the court's DAO"):
        fusions.decide(claim, True, sender=court(1))
    fusions.decide(claim, True, sender=court(2))


def test_members_decide_by_vote(family, fusions, daos, claim, stranger, author):
    family.defend(claim, stranger)
    calls = [daos.call(fusions, "decide", claim, True)]
    daos.execute(daos.passed(calls), calls)
    assert fusions.claim_of(claim).state == UPHELD
    assert fusions.withdrawable(author) == 2 * CLAIM_BOND


def test_undecided_claim_lapses_and_the_delay_costs(
    family, fusions, market, pay, claim, child, left_out, author, publisher, stranger
):
    family.defend(claim, stranger)
    earn(pay, market, child, 1_000)
    later(DEFENCE_WINDOW + DECISION_WINDOW - 1)
    with boa.reverts(ME + "claim can still be defended or decided"):
        fusions.lapse(claim)
    later(1)
    fusions.lapse(claim)
    assert fusions.claim_of(claim).state == LAPSED
    assert fusions.withdrawable(author) == CLAIM_BOND * 9 // 10
    assert fusions.withdrawable(stranger) == CLAIM_BOND * 11 // 10
    assert (market.account_of(left_out), market.claimable(publisher)) == (0, 800)


def test_closed_claim_stays_closed(family, fusions, court, claim, stranger):
    fusions.decide(claim, False, sender=court(1))
    steps = [
        lambda: fusions.decide(claim, True, sender=court(1)),
        lambda: family.defend(claim, stranger),
        lambda: fusions.lapse(claim),
        lambda: fusions.lapse(9),
    ]
    for step in steps:
        with boa.reverts(ME + "claim is not open"):
            step()
    assert fusions.claim_of(9).state == 0


def test_pause_stops_the_clocks_and_no_exit(family, fusions, court, claim, guardian, stranger):
    later(DEFENCE_WINDOW - 1)
    fusions.pause(sender=guardian)
    later(3 * DAY)
    with boa.reverts(ME + "claim can still be defended or decided"):
        fusions.lapse(claim)
    assert fusions.claim_of(claim).deadline == boa.env.timestamp + 1
    family.defend(claim, stranger)
    later(20 * DAY)
    fusions.pause(sender=guardian)
    fusions.decide(claim, False, sender=court(1))
    assert fusions.withdraw_for(stranger) == 2 * CLAIM_BOND
    with boa.reverts(ME + "nothing to withdraw"):
        fusions.withdraw(sender=stranger)


def test_outflow_limit_delays_and_never_cancels(deploy_fusions, market, daos, owner, family, child,
                                                left_out, author):  # fmt: skip
    fusions = deploy_fusions(outflow_floor=1)
    market.propose_link("ModelFusionContract", fusions, sender=owner)
    later(DAY)
    market.apply_link("ModelFusionContract", sender=owner)
    fusions.set_link("TldRegistry", daos.tlds, sender=owner)
    fusions.set_link("PermaNetDAORegistry", daos.registry, sender=owner)
    family.contract = fusions
    claim = family.claim(child, left_out, 1_000, author)
    later(DEFENCE_WINDOW)
    fusions.lapse(claim)
    assert fusions.withdraw(sender=author) == CLAIM_BOND // 10
    with boa.reverts(ME + "outflow limit reached, withdraw in the next epoch"):
        fusions.withdraw(sender=author)
    later(DAY)
    assert fusions.withdraw(sender=author) == CLAIM_BOND * 9 // 100


def test_replaced_contract_still_closes_its_claims(deploy_fusions, market, owner, fusions, court,
                                                   claim, child, left_out, pay):  # fmt: skip
    successor = deploy_fusions()
    market.propose_link("ModelFusionContract", successor, sender=owner)
    later(DAY)
    market.apply_link("ModelFusionContract", sender=owner)
    with boa.reverts("royalty_split: no such claim"):
        market.resolve_share(child, left_out, True, sender=successor.address)
    earn(pay, market, child, 1_000)
    fusions.decide(claim, True, sender=court(1))
    assert market.account_of(left_out) == 300


# Against abuse


def test_claims_cannot_sum_over_everything(family, fusions, market, court, actor):
    authors = [actor(f"author {n}") for n in range(3)]
    parents = [family.original(40 + n, by=by, share=5_000) for n, by in enumerate(authors)]
    child = family.original(50)
    family.claim(child, parents[0], 5_000, authors[0])
    with boa.reverts("royalty_split: over half would be frozen"):
        family.claim(child, parents[1], 1, authors[1])
    fusions.decide(1, True, sender=court(1))
    family.claim(child, parents[1], 5_000, authors[1])
    fusions.decide(2, True, sender=court(1))
    with boa.reverts("royalty_split: claimed shares over 10000"):
        family.claim(child, parents[2], 1, authors[2])
    assert sum(c.bps for c in market.claimed_of(child)) == 10_000


def test_rejected_claim_makes_room(family, fusions, court, actor):
    authors = [actor(f"author {n}") for n in range(2)]
    parents = [family.original(40 + n, by=by, share=5_000) for n, by in enumerate(authors)]
    child = family.original(50)
    family.claim(child, parents[0], 5_000, authors[0])
    fusions.decide(1, False, sender=court(1))
    family.claim(child, parents[1], 5_000, authors[1])


def test_nobody_judges_its_own_case(family, fusions, court, owner, left_out):
    """A DAO that publishes: its claims and its models are for another court."""
    fusions.set_court(AI_TLD, True, sender=owner)
    dao = court(1)
    parent = family.original(52, by=dao, share=3_000)
    with boa.reverts(ME + "judge in its own case"):
        family.claim(family.original(53), parent, 3_000, dao)
    named = family.original(54, by=court(2), share=0)
    child = family.publish(55, [(named, 1)], by=court(2), court=AI_TLD)
    assert fusions.court_of(child) == JOY_TLD


def test_at_most_eight_claims_lie_on_a_model(family, court, author):
    parents = [family.original(60 + n, by=author, share=1) for n in range(9)]
    child = family.original(70)
    for parent in parents[:8]:
        family.claim(child, parent, 1, author)
    with boa.reverts("royalty_split: too many claims"):
        family.claim(child, parents[8], 1, author)


def test_parent_on_the_last_level_cannot_claim(family, court, author):
    parent = family.original(1, by=author, share=0)
    for n in range(2, 9):
        parent = family.publish(n, [(parent, 1)], by=author)
    child = family.original(9)
    with boa.reverts("royalty_split: too many levels of parents"):
        family.claim(child, parent, 1_000, author)


def test_named_parents_cannot_crowd_a_left_out_one_out(
    family, fusions, market, pay, court, left_out, author, publisher
):
    """A publisher gives everything to puppets; the claim comes first, they shrink alike."""
    puppets = [(family.original(80 + n), bps) for n, bps in enumerate((7_500, 2_500))]
    child = family.publish(85, puppets)
    claim = family.claim(child, left_out, 3_000, author)
    earn(pay, market, child, 1_000)
    assert [market.account_of(p) for p, _ in puppets] == [525, 175]
    fusions.decide(claim, True, sender=court(1))
    assert market.account_of(left_out) == 300
    earn(pay, market, child, 1_000)
    assert [market.account_of(p) for p, _ in puppets] == [1_050, 350]
    assert (market.account_of(left_out), market.claimable(publisher)) == (600, 0)


def test_rejected_claim_gives_named_parents_what_they_missed(
    family, fusions, market, pay, court, left_out, author, publisher
):
    named = [(family.original(80 + n), bps) for n, bps in enumerate((6_000, 2_000))]
    child = family.publish(85, named)
    claim = family.claim(child, left_out, 3_000, author)
    earn(pay, market, child, 1_000)
    assert [market.account_of(p) for p, _ in named] == [525, 175]
    fusions.decide(claim, False, sender=court(1))
    assert [market.account_of(p) for p, _ in named] == [600, 200]
    assert market.claimable(publisher) == 200


def test_two_claims_one_granted_one_refused(family, fusions, market, pay, court, child, left_out,
                                            author, actor, publisher, model):  # fmt: skip
    """The frozen part of the refused one does not swell the other."""
    second = actor("second author")
    one = family.claim(child, left_out, 3_000, author)
    earlier = family.original(90, by=second, share=2_000)
    heir = family.publish(91, [(model(2), 1_000)])
    family.claim(heir, left_out, 3_000, author)
    two = family.claim(heir, earlier, 2_000, second)
    earn(pay, market, heir, 1_000)
    fusions.decide(two, False, sender=court(1))
    fusions.decide(2, True, sender=court(1))
    assert (market.account_of(left_out), market.account_of(earlier)) == (300, 0)
    assert (market.account_of(model(2)), market.claimable(publisher)) == (100, 600)
    assert fusions.claim_of(one).state == OPEN
