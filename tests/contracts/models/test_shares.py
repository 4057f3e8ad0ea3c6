"""ModelMarketplace: owners that split or hand on their share, and who may freeze shares."""

import boa
import pytest

ZERO = "0x" + "00" * 20
SPLIT = "royalty_split: "


@pytest.fixture
def people(actor):
    """Owners, by a letter."""
    return {letter: actor(f"owner {letter}") for letter in "abcdefghij"}


def shares(people, text):
    """Make `"a:9000 b:1000"` a list of shares."""
    return [(people[part[0]], int(part[2:])) for part in text.split()]


def shown(people, market, model_id):
    names = {account: letter for letter, account in people.items()}
    return " ".join(f"{names[s.account]}:{s.bps}" for s in market.owners_of(model_id))


@pytest.mark.parametrize(
    ("before", "by", "after", "found"),
    [
        ("a:10000", "a", "b:10000", "b:10000"),
        ("a:9000 b:1000", "a", "a:8000 c:1000", "a:8000 c:1000 b:1000"),
        ("a:9000 b:1000", "b", "c:1 d:999", "a:9000 c:1 d:999"),
        ("a:5000 b:1000 a:4000", "a", "c:9000", "c:9000 b:1000"),
        ("a:9000 b:1000", "b", "a:1000", "a:9000 a:1000"),
        ("a:10000", "a", "a:1 b:1 c:1 d:1 e:1 f:1 g:1 h:9993", None),
    ],
)
def test_share_is_replaced_in_its_place(market, listed, people, before, by, after, found):
    model_id = listed(1, shares(people, before))
    market.split_share(model_id, shares(people, after), sender=people[by])
    (event,) = [e for e in market.get_logs() if type(e).__name__ == "ShareSplit"]
    assert event.account == people[by]
    assert shown(people, market, model_id) == (found or after)


def test_what_came_in_before_is_the_old_owners(market, listed, people, pay):
    model_id = listed(1, shares(people, "a:6000 b:4000"))
    pay(model_id, 1_000)
    market.split_share(model_id, shares(people, "c:6000"), sender=people["a"])
    pay(model_id, 100)
    market.distribute(model_id)
    assert [market.claimable(people[x]) for x in "abc"] == [600, 440, 60]


@pytest.mark.parametrize(
    ("before", "by", "after", "reason"),
    [
        ("a:10000", "b", "b:10000", "not an owner"),
        ("a:10000", "b", "", "not an owner"),
        ("a:9000 b:1000", "a", "", "shares must sum to the owner's"),
        ("a:9000 b:1000", "a", "c:8999", "shares must sum to the owner's"),
        ("a:9000 b:1000", "a", "c:9001", "shares must sum to the owner's"),
        ("a:9000 b:1000", "a", "c:9000 d:0", "zero owner share"),
        ("a:9000 b:1000", "a", "a:1 c:1 d:1 e:1 f:1 g:1 h:1 i:8993", "over 8 owners"),
        ("a:9000 b:1000", "b", "a:1 c:1 d:1 e:1 f:1 g:1 h:1 i:993", "over 8 owners"),
    ],
)
def test_refused_splits(market, listed, people, before, by, after, reason):
    model_id = listed(1, shares(people, before))
    with boa.reverts(SPLIT + reason):
        market.split_share(model_id, shares(people, after), sender=people[by])


def test_split_to_nobody_or_of_nothing_reverts(market, listed, people, model):
    with boa.reverts(SPLIT + "zero owner"):
        market.split_share(listed(1), [(ZERO, 10_000)], sender=market.listing(model(1)).publisher)
    with boa.reverts("ModelMarketplace: model not listed"):
        market.split_share(model(9), [(people["a"], 10_000)], sender=people["a"])


def test_overflowing_split_reverts(market, listed, people):
    model_id = listed(1, shares(people, "a:10000"))
    with boa.reverts():
        market.split_share(
            model_id,
            [(people["b"], 2**256 - 1), (people["c"], 10_001)],
            sender=people["a"],
        )


def test_only_model_fusion_contract_freezes(market, fusion, listed, model, stranger):
    parent = listed(1)
    boa.env.time_travel(seconds=1)
    child = listed(2)
    with boa.reverts("ModelMarketplace: caller is not ModelFusionContract"):
        market.freeze_share(child, parent, 1, sender=stranger)
    for pair in ((child, model(9)), (model(9), parent)):
        with boa.reverts("ModelMarketplace: model not listed"):
            market.freeze_share(*pair, 1, sender=fusion)
    market.freeze_share(child, parent, 1, sender=fusion)
    with boa.reverts(SPLIT + "parent twice"):
        market.freeze_share(child, parent, 1, sender=fusion)


def test_only_who_froze_resolves_and_once(market, fusion, listed, stranger, model):
    parent = listed(1)
    boa.env.time_travel(seconds=1)
    child = listed(2)
    market.freeze_share(child, parent, 1, sender=fusion)
    with boa.reverts(SPLIT + "no such claim"):
        market.resolve_share(child, parent, True, sender=stranger)
    with boa.reverts("ModelMarketplace: model not listed"):
        market.resolve_share(model(9), parent, True, sender=fusion)
    market.resolve_share(child, parent, True, sender=fusion)
    for is_upheld in (True, False):
        with boa.reverts(SPLIT + "no such claim"):
            market.resolve_share(child, parent, is_upheld, sender=fusion)
    (share,) = market.claimed_of(child)
    assert tuple(share) == (parent, 1, 0, ZERO)


def test_granted_parent_deepens_the_child(market, fusion, listed, derived):
    root = listed(1)
    middle = derived(2, [(root, 1)])
    boa.env.time_travel(seconds=1)
    child = derived(3, [(root, 1)])
    market.freeze_share(child, middle, 1, sender=fusion)
    assert market.depth_of(child) == 2
    market.resolve_share(child, middle, True, sender=fusion)
    assert market.depth_of(child) == 3


def test_depth_stays_in_bounds_when_claims_deepen_parents(market, fusion, listed, derived):
    """Claims on a model and on its claimant, both opened while they were shallow."""
    chain = [listed(1)]
    for n in range(2, 8):
        chain.append(derived(n, [(chain[-1], 1)]))
    boa.env.time_travel(seconds=1)
    parent = listed(20)
    boa.env.time_travel(seconds=1)
    child = listed(21)
    market.freeze_share(child, parent, 1, sender=fusion)
    market.freeze_share(parent, chain[-1], 1, sender=fusion)
    market.resolve_share(parent, chain[-1], True, sender=fusion)
    assert market.depth_of(parent) == 8
    market.resolve_share(child, parent, True, sender=fusion)
    assert market.depth_of(child) == 8


@pytest.mark.parametrize("amount", [1, 3, 7, 9_999, 10**18 + 1])
def test_no_dust_is_lost_with_claims(market, fusion, listed, derived, pay, amount, publisher):
    parents = [listed(n) for n in range(1, 7)]
    boa.env.time_travel(seconds=1)
    child = derived(9, [(parents[0], 3_333), (parents[1], 3_333)])
    for parent, bps in zip(parents[2:], (1_111, 2_333, 777, 1), strict=True):
        market.freeze_share(child, parent, bps, sender=fusion)
    market.resolve_share(child, parents[2], True, sender=fusion)
    pay(child, amount)
    assert market.distribute(child) == amount

    def everything():
        held = sum(market.account_of(p) for p in parents) + market.claimable(publisher)
        return held + sum(share.frozen for share in market.claimed_of(child))

    assert everything() == amount
    for parent, is_upheld in ((parents[4], False), (parents[3], True), (parents[5], False)):
        market.resolve_share(child, parent, is_upheld, sender=fusion)
        assert everything() == amount
