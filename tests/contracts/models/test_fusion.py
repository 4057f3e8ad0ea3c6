"""ModelFusionContract: parents' terms, publication, and usage."""

import boa
import pytest

from .conftest import AI_TLD, DAY, JOY_TLD, SPEC, ZERO

ME = "ModelFusionContract: "
JOY = 10**18


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"joy": ZERO}, "zero token"),
        ({"market": ZERO}, "zero marketplace"),
        ({"default_court": bytes(32)}, "zero court"),
        ({"claim_bond": JOY - 1}, "bond too small"),
        ({"claim_bond": 100_000 * JOY + 1}, "bond too big"),
        ({"defence_window": 59}, "window too short"),
        ({"decision_window": 59}, "window too short"),
        ({"defence_window": 60 * DAY + 1}, "window too long"),
        ({"decision_window": 60 * DAY + 1}, "window too long"),
    ],
)
def test_bad_constructor_arguments_revert(deploy_fusions, changed, reason):
    with boa.reverts(ME + reason):
        deploy_fusions(**changed)


# Terms


def test_terms_of_a_parent(family, fusions, publisher):
    model_id = family.original(1)
    assert tuple(fusions.parent_terms(model_id)) == (False, 0, 0)
    fusions.set_parent_terms(model_id, True, 5_000, sender=publisher)
    assert tuple(fusions.parent_terms(model_id)) == (True, 5_000, boa.env.timestamp)


def test_terms_keep_their_history(family, fusions, publisher):
    model_id, start = family.original(1), boa.env.timestamp
    for bps in (100, 200, 300):
        fusions.set_parent_terms(model_id, bps != 200, bps, sender=publisher)
        boa.env.time_travel(seconds=10)
    at = [fusions.terms_at(model_id, start + t)[:2] for t in (0, 1, 10, 11, 20, 21, 10**9)]
    first, second, third = (True, 100), (False, 200), (True, 300)
    assert at == [(False, 0), first, first, second, second, third, third]


def test_terms_set_twice_in_a_second_are_the_later_ones(family, fusions, publisher):
    model_id = family.original(1)
    for bps in (100, 200):
        fusions.set_parent_terms(model_id, True, bps, sender=publisher)
    assert fusions.parent_terms(model_id).min_share_bps == 200
    assert fusions.terms_at(model_id, boa.env.timestamp + 1).min_share_bps == 200
    assert fusions.terms_at(model_id, boa.env.timestamp).set_at == 0


def test_refused_terms(family, fusions, publisher, stranger, model):
    model_id = family.original(1)
    with boa.reverts(ME + "minimum share too big"):
        fusions.set_parent_terms(model_id, True, 5_001, sender=publisher)
    with boa.reverts(ME + "caller is not the publisher"):
        fusions.set_parent_terms(model_id, True, 1, sender=stranger)
    with boa.reverts(ME + "model not listed"):
        fusions.set_parent_terms(model(9), True, 1, sender=publisher)


# Publication


def test_fused_model_is_listed_with_its_parents(family, fusions, market, stranger):
    one, two = family.original(1, share=1_000), family.original(2, share=0)
    child = family.publish(3, [(one, 1_000), (two, 1)], by=stranger)
    assert market.listing(child).publisher == stranger
    assert [tuple(p) for p in market.parents_of(child)] == [(one, 1_000), (two, 1)]
    published_at = boa.env.timestamp - 1
    assert tuple(fusions.fusion(child)) == (stranger, SPEC, JOY_TLD, 2, published_at)
    assert fusions.fusion(one).published_at == 0
    grandchild = family.publish(4, [(child, 5)], by=stranger)  # the publisher's own parent
    assert fusions.fusion(grandchild).depth == 3


def test_parents_terms_bind(family, fusions, publisher, stranger):
    free, closed = family.original(1, share=1_000), family.original(2)
    with boa.reverts(ME + "below parent's minimum share"):
        family.publish(3, [(free, 999)], by=stranger)
    for _ in range(2):  # never set, then refused
        with boa.reverts(ME + "parent allows no derivatives"):
            family.publish(3, [(free, 1_000), (closed, 9_000)], by=stranger)
        fusions.set_parent_terms(closed, False, 0, sender=publisher)
    family.publish(3, [(free, 999), (closed, 1)], by=publisher)  # its own models


def test_published_children_keep_their_terms(family, fusions, market, publisher, stranger):
    parent = family.original(1, share=1_000)
    child = family.publish(2, [(parent, 1_000)], by=stranger)
    fusions.set_parent_terms(parent, False, 5_000, sender=publisher)
    assert market.parents_of(child)[0].bps == 1_000


def test_refused_publications(family, fusions):
    parent = family.original(1, share=0)
    with boa.reverts(ME + "zero spec digest"):
        family.publish(2, [(parent, 1)], spec=bytes(32))
    with boa.reverts(ME + "not an admitted court"):
        family.publish(2, [(parent, 1)], court=AI_TLD)
    with boa.reverts("ModelMarketplace: no parents"):
        family.publish(2, [])
    with boa.reverts("ModelMarketplace: model already listed"):
        family.publish(1, [(parent, 1)])
    with boa.reverts("royalty_split: zero parent share"):
        family.publish(2, [(parent, 0)])
    with boa.reverts("royalty_split: parent twice"):
        family.publish(2, [(parent, 1), (parent, 1)])
    assert fusions.fusion(parent).published_at == 0


def test_model_cannot_be_its_own_parent_or_grandparent(family, model):
    with boa.reverts(ME + "model not listed"):
        family.publish(2, [(model(2), 1)])


def test_ninth_level_reverts(family):
    parent = family.original(1, share=0)
    for n in range(2, 9):
        parent = family.publish(n, [(parent, 1_000)])
    with boa.reverts("royalty_split: too many levels of parents"):
        family.publish(9, [(parent, 1_000)])


def test_paused_contract_publishes_nothing(family, fusions, guardian):
    parent = family.original(1, share=0)
    fusions.pause(sender=guardian)
    with boa.reverts("circuit_breaker: paused"):
        family.publish(2, [(parent, 1)])


# Courts


def test_owner_admits_courts(family, fusions, owner, stranger):
    parent = family.original(1, share=0)
    with boa.reverts("ownable: caller is not the owner"):
        fusions.set_court(AI_TLD, True, sender=stranger)
    with boa.reverts(ME + "zero court"):
        fusions.set_court(bytes(32), True, sender=owner)
    fusions.set_court(AI_TLD, True, sender=owner)
    child = family.publish(2, [(parent, 1)], court=AI_TLD)
    fusions.set_court(AI_TLD, False, sender=owner)
    assert fusions.fusion(child).court == AI_TLD
    with boa.reverts(ME + "not an admitted court"):
        family.publish(3, [(parent, 1)], court=AI_TLD)


def test_court_falls_back_to_the_default_without_a_dao(family, fusions, court, daos, owner):
    parent = family.original(1, share=0)
    fusions.set_court(AI_TLD, True, sender=owner)
    child = family.publish(2, [(parent, 1)], court=AI_TLD)
    assert (fusions.court_of(child), fusions.judge_of(AI_TLD)) == (AI_TLD, court(2))
    assert (fusions.court_of(parent), fusions.judge_of(JOY_TLD)) == (JOY_TLD, court(1))
    daos.tlds.propose_owner(AI_TLD, owner, sender=court(2))
    daos.tlds.accept_owner(AI_TLD, sender=owner)
    assert (fusions.court_of(child), fusions.judge_of(AI_TLD)) == (JOY_TLD, ZERO)
    assert fusions.judge_of(b"\x01" * 32) == ZERO  # no such TLD


# Usage


@pytest.fixture
def services(market, owner, actor):
    """Stand-ins for the contracts that pay models: addresses that tests call from."""
    names = ("NodeCoordinator", "ProofOfInference", "ProvenInference")
    ping = "# pragma version ~=0.4.3\n@external\ndef ping():\n    pass"
    found = {}
    for name in names:
        found[name] = boa.loads(ping).address
        market.set_link(name, found[name], sender=owner)
    return found


def test_usage_is_counted_in_the_payment_path_only(
    family, fusions, market, joy, fund, services, client
):
    model_id = family.original(1)  # 10 wei a call

    def pay(sender, amount):
        fund(sender, amount)
        joy.approve(market, amount, sender=sender)
        market.pay(model_id, amount, sender=sender)
        return tuple(fusions.usage(model_id))

    assert pay(client, 1_000) == (0, 0)
    assert pay(services["NodeCoordinator"], 59) == (5, 59)
    assert pay(services["ProofOfInference"], 10) == (6, 69)
    assert pay(services["ProvenInference"], 10) == (7, 79)
    assert pay(services["NodeCoordinator"], 9) == (7, 88)
    assert market.account_of(model_id) == 1_088


def test_free_models_calls_are_not_counted(market, joy, fund, services, publisher, model):
    market.list_model(model(1), 0, 0, 0, 0, [], sender=publisher)
    payer = services["NodeCoordinator"]
    fund(payer, 7)
    joy.approve(market, 7, sender=payer)
    market.pay(model(1), 7, sender=payer)
    assert tuple(market.usage_of(model(1))) == (0, 7)
