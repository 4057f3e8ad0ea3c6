"""Locks: what an owner gives up stays given up, through renewals and sales, until it is free."""

import boa
import pytest

DAY = 86_400
YEAR = 365 * DAY
GRACE = 30 * DAY
ANY = 2**256 - 1
ZERO = "0x" + "00" * 20
RESOLVER, TRANSFER, SUBNAMES, RECORDS, PARENT, EXTEND = 1, 2, 4, 8, 16, 32
TOKEN = "name_tokens: "


def test_locks_add_up_and_are_announced(registry, alice_joy, alice):
    registry.lock(alice_joy, RESOLVER, sender=alice)
    registry.lock(alice_joy, RECORDS | RESOLVER, sender=alice)
    (event,) = [log for log in registry.get_logs() if type(log).__name__ == "Locked"]
    assert (event.node, event.account, event.locks) == (alice_joy, alice, RESOLVER | RECORDS)
    assert registry.tenure_of(alice_joy).locks == RESOLVER | RECORDS
    assert registry.registration(alice_joy).locks == RESOLVER | RECORDS


@pytest.mark.parametrize("locks", [0, PARENT, EXTEND, 64, 31, 2**16, 2**255, 2**256 - 1])
def test_only_an_owners_locks_can_be_set(registry, alice_joy, alice, locks):
    with boa.reverts(TOKEN + "no such locks"):
        registry.lock(alice_joy, locks, sender=alice)


def test_only_the_live_owner_and_its_operators_lock(names, registry, alice_joy, alice, bob):
    registry.approve(bob, names.token_id("alice"), sender=alice)
    with boa.reverts(TOKEN + "not the live owner"):
        registry.lock(alice_joy, RESOLVER, sender=bob)
    registry.setApprovalForAll(bob, True, sender=alice)
    registry.lock(alice_joy, RESOLVER, sender=bob)
    names.at(registry.registration(alice_joy).expires_at)
    with boa.reverts(TOKEN + "not the live owner"):
        registry.lock(alice_joy, RECORDS, sender=alice)


def test_locked_resolver_stays(registry, alice_joy, alice):
    registry.lock(alice_joy, RESOLVER, sender=alice)
    with boa.reverts(TOKEN + "resolver is locked"):
        registry.set_resolver(alice_joy, ZERO, sender=alice)


def test_locked_transfer_binds_everyone(names, registry, alice_joy, alice, bob, stranger):
    token_id = names.token_id("alice")
    registry.approve(bob, token_id, sender=alice)
    registry.setApprovalForAll(stranger, True, sender=alice)
    registry.lock(alice_joy, TRANSFER, sender=alice)
    for account in (alice, bob, stranger):
        for move in (registry.transferFrom, registry.safeTransferFrom):
            with boa.reverts(TOKEN + "transfer is locked"):
                move(alice, bob, token_id, sender=account)
    registry.set_resolver(alice_joy, ZERO, sender=alice)


def test_locked_records_stay(names, registry, resolver, alice_joy, alice, bob):
    resolver.set_payto(alice_joy, bob, sender=alice)
    registry.setApprovalForAll(bob, True, sender=alice)
    registry.lock(alice_joy, RECORDS, sender=alice)
    assert registry.scope(alice_joy) == 1
    for account in (alice, bob):
        assert registry.scope_for(alice_joy, account) == 0
        for write in (
            lambda by: resolver.set_payto(alice_joy, alice, sender=by),
            lambda by: resolver.clearRecords(alice_joy, sender=by),
        ):
            with boa.reverts("PermaNetResolver: not the live owner"):
                write(account)
    assert resolver.payto(alice_joy) == bob


def test_locks_survive_renewal_and_sale_and_end_with_the_term(
    names, registry, alice_joy, alice, bob
):
    registry.lock(alice_joy, RESOLVER | SUBNAMES, sender=alice)
    registry.renew("alice", names.tld, YEAR, ANY, sender=bob)
    registry.transferFrom(alice, bob, names.token_id("alice"), sender=alice)
    tenure = registry.tenure_of(alice_joy)
    assert (tenure.owner, tenure.locks, tenure.generation) == (bob, RESOLVER | SUBNAMES, 1)
    names.at(tenure.expires_at + GRACE - 1)
    assert registry.tenure_of(alice_joy).locks == RESOLVER | SUBNAMES
    names.at(tenure.expires_at + GRACE)
    free = registry.tenure_of(alice_joy)
    assert (free.owner, free.locks, free.is_live) == (ZERO, 0, False)
    assert (free.expires_at, free.generation) == (tenure.expires_at, 1)
    names.register("alice", alice)
    assert registry.tenure_of(alice_joy).locks == 0
    registry.set_resolver(alice_joy, ZERO, sender=alice)


def test_tenure_of_a_name_that_never_was(registry, names):
    assert registry.tenure_of(names.node("never")) == (ZERO, 0, 0, 0, False)
