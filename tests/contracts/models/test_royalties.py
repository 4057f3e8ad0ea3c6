"""ModelMarketplace: where every wei that a model earns goes."""

import boa
import pytest

DAY = 86_400  # seconds


@pytest.mark.parametrize(
    ("owners", "message"),
    [
        ([("a", 9_999)], "royalty_split: owner shares must sum to 10000"),
        ([("a", 9_999), ("b", 2)], "royalty_split: owner shares must sum to 10000"),
        ([("a", 10_000), ("b", 0)], "royalty_split: zero owner share"),
        ([(None, 10_000)], "royalty_split: zero owner"),
    ],
)
def test_bad_owner_shares_revert(listed, actor, owners, message):
    zero = boa.eval("empty(address)")
    with boa.reverts(message):
        listed(1, [(actor(name) if name else zero, bps) for name, bps in owners])


def test_unknown_parent_reverts(derived, model):
    with boa.reverts("royalty_split: unknown parent"):
        derived(2, [(model(1), 100)])


def test_model_as_its_own_parent_reverts(derived, model):
    with boa.reverts("royalty_split: unknown parent"):
        derived(2, [(model(2), 100)])


def test_parent_twice_reverts(derived, listed):
    parent = listed(1)
    with boa.reverts("royalty_split: parent twice"):
        derived(2, [(parent, 100), (parent, 100)])


def test_zero_parent_share_reverts(derived, listed):
    with boa.reverts("royalty_split: zero parent share"):
        derived(2, [(listed(1), 0)])


def test_parent_shares_over_everything_revert(derived, listed):
    with boa.reverts("royalty_split: parent shares over 10000"):
        derived(3, [(listed(1), 9_999), (listed(2), 2)])


def test_ninth_level_reverts(derived, listed, market):
    parent = listed(1)
    for n in range(2, 9):
        parent = derived(n, [(parent, 1_000)])
    assert market.depth_of(parent) == 8
    with boa.reverts("royalty_split: too many levels of parents"):
        derived(9, [(parent, 1_000)])


def test_pay_without_approval_reverts(market, listed, client, joy):
    model_id = listed(1)
    with boa.reverts():
        market.pay(model_id, 1, sender=client)


def test_distribute_rounds_to_first_owner(market, listed, pay, actor):
    first, second, third = actor("first"), actor("second"), actor("third")
    model_id = listed(1, [(first, 3_334), (second, 3_333), (third, 3_333)])
    pay(model_id, 10)

    assert market.distribute(model_id) == 10
    assert [market.claimable(a) for a in (first, second, third)] == [4, 3, 3]
    assert market.account_of(model_id) == 0


def test_distribute_pushes_one_level(market, listed, derived, pay, publisher):
    root = listed(1)
    middle = derived(2, [(root, 5_000)])
    leaf = derived(3, [(middle, 5_000)])
    pay(leaf, 101)

    market.distribute(leaf)
    assert (market.account_of(middle), market.account_of(root)) == (50, 0)
    assert market.claimable(publisher) == 51
    market.distribute(middle)
    assert market.account_of(root) == 25
    market.distribute(root)
    assert market.claimable(publisher) == 101


def test_parents_with_all_shares_leave_dust_to_owner(market, listed, derived, pay, actor):
    parents = [(listed(n), 1_250) for n in range(1, 9)]
    leaf_owner = actor("leaf owner")
    leaf = derived(9, parents, by=leaf_owner)
    pay(leaf, 15)

    market.distribute(leaf)
    assert [market.account_of(parent) for parent, _ in parents] == [1] * 8
    assert market.claimable(leaf_owner) == 7


def test_one_account_with_two_shares_gets_both(market, listed, pay, publisher):
    model_id = listed(1, [(publisher, 4_000), (publisher, 6_000)])
    pay(model_id, 7)
    market.distribute(model_id)
    assert market.claimable(publisher) == 7


def test_distribute_empty_account_moves_nothing(market, listed, publisher):
    assert market.distribute(listed(1)) == 0
    assert market.claimable(publisher) == 0


def test_claim_sends_once(market, joy, listed, pay, publisher):
    model_id = listed(1)
    pay(model_id, 9)
    market.distribute(model_id)

    before = joy.balanceOf(publisher)
    assert market.claim(sender=publisher) == 9
    assert joy.balanceOf(publisher) == before + 9
    with boa.reverts("ModelMarketplace: nothing to claim"):
        market.claim(sender=publisher)


def test_claim_for_pays_the_owner_not_the_caller(market, joy, listed, pay, publisher, stranger):
    model_id = listed(1)
    pay(model_id, 9)
    market.distribute(model_id)
    market.claim_for(publisher, sender=stranger)
    assert joy.balanceOf(stranger) == 0
    assert market.claimable(publisher) == 0


def test_owner_that_cannot_receive_blocks_nobody(market, joy, listed, pay, actor):
    """JoyToken refuses to be paid itself: the worst receiver there is."""
    other = actor("other owner")
    model_id = listed(1, [(joy.address, 5_000), (other, 5_000)])
    pay(model_id, 10)
    market.distribute(model_id)

    with boa.reverts():
        market.claim_for(joy)
    assert market.claim_for(other) == 5
    assert market.claimable(joy) == 5


def test_exits_work_while_paused(market, joy, listed, pay, publisher, guardian):
    model_id = listed(1)
    market.pause(sender=guardian)
    pay(model_id, 10)
    market.distribute(model_id)
    assert market.claim(sender=publisher) == 10


def test_outflow_limit_delays_and_never_cancels(deploy_market, joy, fund, publisher, client, model):
    market = deploy_market(outflow_floor=100)
    market.list_model(model(1), 1, 0, 0, 0, [], sender=publisher)
    fund(client, 1_500)
    joy.approve(market, 1_500, sender=client)
    market.pay(model(1), 1_500, sender=client)
    market.distribute(model(1))
    boa.env.time_travel(seconds=DAY)  # what came in made room in its own epoch only

    assert market.claim(sender=publisher) == 150
    with boa.reverts("ModelMarketplace: outflow limit reached, claim in the next epoch"):
        market.claim(sender=publisher)
    paid = 150
    for _ in range(30):
        if not market.claimable(publisher):
            break
        boa.env.time_travel(seconds=DAY)
        paid += market.claim(sender=publisher)
    assert paid == 1_500 == joy.balanceOf(publisher)


def test_what_came_in_today_can_leave_today(deploy_market, joy, fund, publisher, client, model):
    """So nobody uses up the limit of others by paying in and claiming out."""
    market = deploy_market(outflow_floor=100)
    market.list_model(model(1), 1, 0, 0, 0, [], sender=publisher)
    fund(client, 1_500)
    joy.approve(market, 1_500, sender=client)
    market.pay(model(1), 1_500, sender=client)
    market.distribute(model(1))
    assert market.claim(sender=publisher) == 1_500
