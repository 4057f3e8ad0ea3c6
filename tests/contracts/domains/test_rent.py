"""Where the rent goes: split as it was paid, burned, credited, paid out within the limit."""

import boa
import pytest

DAY = 86_400
YEAR = 365 * DAY
RENT = (3 * 10**11 + 7) * YEAR  # of five characters for a year
OWNER_BPS, BURN_BPS = 4_000, 1_000
ZERO = "0x" + "00" * 20
NAME = "PermaNetDomainRegistry: "


def parts(rent, owner_bps=OWNER_BPS, burn_bps=BURN_BPS):
    to_owner, burned = rent * owner_bps // 10_000, rent * burn_bps // 10_000
    return rent - to_owner - burned, to_owner, burned


def test_settle_splits_to_the_wei(names, registry, joy, alice_joy, treasury, tld_owner, stranger):
    assert registry.unsettled(names.tld, OWNER_BPS, BURN_BPS) == RENT
    supply = joy.totalSupply()
    registry.settle(names.tld, OWNER_BPS, BURN_BPS, sender=stranger)
    to_treasury, to_owner, burned = parts(RENT)
    assert registry.claimable(treasury) == to_treasury
    assert registry.claimable(tld_owner) == to_owner
    assert supply - joy.totalSupply() == burned
    assert joy.balanceOf(registry) == to_treasury + to_owner
    assert registry.unsettled(names.tld, OWNER_BPS, BURN_BPS) == 0
    with boa.reverts(NAME + "nothing to settle"):
        registry.settle(names.tld, OWNER_BPS, BURN_BPS, sender=stranger)


def test_rent_keeps_the_split_it_was_paid_under(
    names, registry, tlds, alice_joy, alice, tld_owner, treasury
):
    tlds.set_split(names.tld, 0, 5_000, sender=tld_owner)
    registry.renew("alice", names.tld, YEAR, RENT, sender=alice)
    assert registry.unsettled(names.tld, OWNER_BPS, BURN_BPS) == RENT
    assert registry.unsettled(names.tld, 0, 5_000) == RENT
    registry.settle(names.tld, 0, 5_000, sender=alice)
    assert registry.claimable(tld_owner) == 0
    registry.settle(names.tld, OWNER_BPS, BURN_BPS, sender=alice)
    assert registry.claimable(tld_owner) == parts(RENT)[1]
    assert registry.claimable(treasury) == parts(RENT)[0] + parts(RENT, 0, 5_000)[0]


def test_settle_under_another_split_finds_nothing(names, registry, alice_joy, tld_owner):
    for split in ((10_000, 0), (0, 0), (OWNER_BPS + 1, BURN_BPS)):
        with boa.reverts(NAME + "nothing to settle"):
            registry.settle(names.tld, *split, sender=tld_owner)
    for split in ((10_001, 0), (0, 2**255), (0, (OWNER_BPS << 16) | BURN_BPS)):
        with boa.reverts(NAME + "split over 100%"):
            registry.settle(names.tld, *split, sender=tld_owner)


def test_claim_pays_within_the_outflow_limit_and_the_rest_later(
    deploy_registry, names, joy, alice, treasury, tld_owner, stranger
):
    to_treasury, to_owner, _ = parts(RENT)
    limit = (to_treasury + to_owner) // 5
    names.registry = registry = deploy_registry(outflow_bps=1_000, outflow_floor=limit)
    joy.approve(registry, 2**256 - 1, sender=alice)
    names.register("alice", alice, resolver=ZERO)
    registry.settle(names.tld, OWNER_BPS, BURN_BPS, sender=alice)
    before = joy.balanceOf(treasury)
    assert registry.claim(treasury, sender=stranger) == limit
    assert joy.balanceOf(treasury) - before == limit
    assert registry.claimable(treasury) == to_treasury - limit
    with boa.reverts(NAME + "outflow limit reached"):
        registry.claim(tld_owner, sender=stranger)
    for account in (treasury, tld_owner):
        while owed := registry.claimable(account):
            boa.env.timestamp += DAY
            assert registry.claim(account, sender=stranger) == min(owed, limit)
    assert joy.balanceOf(registry) == 0
    assert joy.balanceOf(treasury) - before == to_treasury
    assert joy.balanceOf(tld_owner) == to_owner
    with boa.reverts(NAME + "nothing to claim"):
        registry.claim(treasury, sender=stranger)


def test_tld_owner_that_cannot_be_paid_blocks_nobody(
    names, registry, tlds, joy, charter, owner, alice, treasury
):
    """JoyToken refuses to be paid itself; its rent stays credited, others get theirs."""
    terms = charter(prices=[10**12] * 5, owner_bps=5_000, burn_bps=0)
    names.tld = tlds.create("bad", joy.address, terms, sender=owner)
    names.register("alice", alice)
    registry.renew("alice", names.tld, YEAR, 2**255, sender=alice)
    registry.settle(names.tld, 5_000, 0, sender=alice)
    with boa.reverts():
        registry.claim(joy.address, sender=alice)
    assert registry.claim(treasury, sender=alice) == 10**12 * YEAR


def test_link_to_tlds_changes_only_after_its_delay(registry, deploy, owner, treasury, stranger):
    successor = deploy("domains/TldRegistry.vy", treasury)
    with boa.reverts("links: already set"):
        registry.set_link("TldRegistry", successor, sender=owner)
    with boa.reverts("ownable: caller is not the owner"):
        registry.propose_link("TldRegistry", successor, sender=stranger)
    registry.propose_link("TldRegistry", successor, sender=owner)
    with boa.reverts("links: delay not over"):
        registry.apply_link("TldRegistry", sender=owner)
    boa.env.timestamp += DAY
    registry.apply_link("TldRegistry", sender=owner)
    assert registry.link("TldRegistry") == successor.address


@pytest.mark.parametrize("split", [(0, 0), (10_000, 0), (0, 10_000), (3_333, 3_333)])
def test_extreme_splits(
    names, registry, tlds, joy, charter, owner, tld_owner, alice, treasury, split
):
    terms = charter(prices=[7] * 5, owner_bps=split[0], burn_bps=split[1])
    names.tld = tlds.create("ai", tld_owner, terms, sender=owner)
    names.register("alice", alice, duration=YEAR + 1)
    supply = joy.totalSupply()
    registry.settle(names.tld, *split, sender=alice)
    credited = (registry.claimable(treasury), registry.claimable(tld_owner))
    assert (*credited, supply - joy.totalSupply()) == parts(7 * (YEAR + 1), *split)


def test_token_that_refuses_without_a_revert_moves_no_name_and_no_credit(
    deploy, deploy_registry, names, tlds, tld_owner, alice, treasury
):
    token = deploy("testing/RefusingToken.vy")
    names.registry = registry = deploy_registry(joy=token.address)
    tlds.set_split(names.tld, 0, 0, sender=tld_owner)
    request = names.request("alice", alice, resolver=ZERO)
    names.commit(request, sender=alice)
    names.age()
    token.set_refuses(True)
    with boa.reverts(NAME + "rent not paid"):
        names.reveal(request, sender=alice)
    token.set_refuses(False)
    names.reveal(request, sender=alice)
    registry.settle(names.tld, 0, 0, sender=alice)
    token.set_refuses(True)
    with boa.reverts(NAME + "rent not sent"):
        registry.claim(treasury, sender=alice)
    assert registry.claimable(treasury) == RENT
