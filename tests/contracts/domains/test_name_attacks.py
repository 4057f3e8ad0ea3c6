"""Attackers on names. Each test says what the attacker hopes for, and sees it fail."""

import boa
import pytest

DAY = 86_400
YEAR = 365 * DAY
GRACE = 30 * DAY
MIN_AGE = 10
ANY = 2**256 - 1
NAME = "PermaNetDomainRegistry: "
TOKEN = "name_tokens: "
RECEIVED = bytes.fromhex("150b7a02")


@pytest.fixture
def call(registry, resolver):
    """Return a function that encodes a call to the registry or the resolver."""

    def _call(contract, function, *args):
        return (contract.address, getattr(contract, function).prepare_calldata(*args))

    return _call


def test_copied_commit_gives_the_copier_nothing(names, registry, alice, bob):
    """Bob hopes to own the name, or to spoil Alice's timing."""
    request = names.request("alice", alice)
    start = boa.env.timestamp
    commitment = names.commit(request, sender=bob)
    boa.env.timestamp += 1
    names.commit(request, sender=alice)
    assert registry.committed_at(commitment) == start
    names.at(start + MIN_AGE)
    names.commit(request, sender=bob)
    names.reveal(request, sender=alice)
    assert registry.live_owner(names.node("alice")) == alice


def test_refreshing_a_commitment_cannot_keep_it_young(names, registry, alice, bob):
    """Bob hopes to hold up the reveal for ever by committing again and again."""
    request = names.request("alice", alice)
    commitment = names.commit(request, sender=alice)
    start = boa.env.timestamp
    for _ in range(3):
        boa.env.timestamp += 3
        names.commit(request, sender=bob)
    assert registry.committed_at(commitment) == start
    names.at(start + DAY)
    names.commit(request, sender=bob)
    assert registry.committed_at(commitment) == start
    names.reveal(request, sender=alice)


def test_front_run_reveal_pays_for_the_victim(names, registry, joy, alice, bob):
    """Bob copies the reveal from the mempool and lands first."""
    request = names.request("alice", alice)
    names.commit(request, sender=alice)
    names.age()
    before = joy.balanceOf(alice)
    names.reveal(request, sender=bob)
    assert registry.live_owner(names.node("alice")) == alice
    assert joy.balanceOf(alice) == before
    with boa.reverts(NAME + "no such commitment"):
        names.reveal(request, sender=alice)


def test_front_runner_with_his_own_request_is_too_young(names, alice, bob):
    """Bob sees the reveal and commits to the same name in the same block."""
    request = names.request("alice", alice)
    names.commit(request, sender=alice)
    names.age()
    theft = names.request("alice", bob)
    names.commit(theft, sender=bob)
    with boa.reverts(NAME + "commitment too young"):
        names.reveal(theft, sender=bob)
    names.reveal(request, sender=alice)
    names.age()
    with boa.reverts(NAME + "name taken"):
        names.reveal(theft, sender=bob)


def test_old_reveal_replayed_after_expiry_pays_for_the_old_owner(names, registry, joy, alice, bob):
    """Bob replays Alice's public reveal years later; at best he renews her name for her."""
    request = names.request("alice", alice)
    names.commit(request, sender=alice)
    names.age()
    expiry = names.reveal(request, sender=alice)
    names.at(expiry + GRACE)
    with boa.reverts(NAME + "no such commitment"):
        names.reveal(request, sender=bob)
    names.commit(request, sender=bob)
    names.age()
    before = joy.balanceOf(alice)
    names.reveal(request, sender=bob)
    assert registry.live_owner(names.node("alice")) == alice
    assert joy.balanceOf(alice) == before


def test_reentrant_receiver_gets_nothing_but_the_truth(
    names, registry, resolver, attacker, call, alice_joy, alice, bob
):
    """While a name arrives, its receiver tries to take another and to pass this one on twice."""
    names.register("second", alice)
    registry.setApprovalForAll(attacker.address, True, sender=alice)
    first, second = names.token_id("alice"), names.token_id("second")
    attacker.arm(
        [
            call(registry, "transferFrom", alice, attacker.address, second),
            call(registry, "transferFrom", attacker.address, bob, first),
            call(registry, "renew", "alice", names.tld, YEAR, ANY),
            call(registry, "ownerOf", first),
        ],
        RECEIVED,
    )
    registry.safeTransferFrom(alice, attacker.address, first, sender=alice)
    outcomes = attacker.outcomes()
    assert [outcome.succeeded for outcome in outcomes] == [False, False, False, True]
    assert int(outcomes[3].answer.hex(), 16) == int(attacker.address, 16)
    assert registry.ownerOf(first) == attacker.address
    assert registry.ownerOf(second) == alice
    assert (registry.balanceOf(alice), registry.balanceOf(attacker.address)) == (1, 1)


def test_hostile_resolver_cannot_reenter_or_write_to_the_real_one(
    names, registry, resolver, attacker, call, alice_joy, alice
):
    """Called by the registry in the middle of a sale, it tries to sell twice and to use that
    moment to write records as the registry."""
    own = names.request("mine", attacker.address, resolver=attacker.address, records=[b"x"])
    names.commit(own, sender=alice)
    record = names.record("set_model(bytes32,bytes32)", alice_joy, b"\1" * 32)
    names.age()
    attacker.arm(
        [
            call(registry, "register", own, ANY),
            call(registry, "settle", names.tld, 4_000, 1_000),
            call(resolver, "set_records", alice_joy, [record]),
            call(resolver, "set_model", names.node("mine"), b"\2" * 32),
        ],
        RECEIVED,
    )
    names.reveal(own, sender=alice)
    assert [outcome.succeeded for outcome in attacker.outcomes()] == [False, False, False, True]
    assert registry.live_owner(names.node("mine")) == attacker.address
    assert resolver.model(alice_joy) == bytes(32)
    # The last one is no attack: by then the name is the attacker's.
    assert resolver.model(names.node("mine")) == b"\2" * 32


def test_records_for_another_name_cannot_be_smuggled_into_a_registration(
    names, resolver, alice_joy, bob
):
    """The registry may write any record; Bob registers a name with records of Alice's."""
    for record in (
        names.record("set_model(bytes32,bytes32)", alice_joy, b"\1" * 32),
        names.record("clearRecords(bytes32)", alice_joy),
        names.record("setText(bytes32,string,string)", alice_joy, "url", "https://evil"),
    ):
        request = names.request("bobby", bob, records=[record])
        names.commit(request, sender=bob)
        names.age()
        with boa.reverts("PermaNetResolver: record of another name"):
            names.reveal(request, sender=bob)
    assert resolver.model(alice_joy) == bytes(32)


def test_records_smuggled_in_a_nested_call_do_nothing(names, resolver, alice_joy, bob):
    """A record that is itself a `set_records` or a multicall about another name. With the node
    where a multicall has its offset, that offset points far outside the call: no calls."""
    node = names.node("bobby")
    evil = names.record("set_model(bytes32,bytes32)", alice_joy, b"\1" * 32)
    multicall = names.record("multicall(bytes[])", [evil])
    posing = multicall[:4] + node + multicall[36:]
    for record in (names.record("set_records(bytes32,bytes[])", node, [evil]), multicall):
        request = names.request("bobby", bob, records=[record])
        names.commit(request, sender=bob)
        names.age()
        with boa.reverts("PermaNetResolver: record of another name"):
            names.reveal(request, sender=bob)
    names.register("bobby", bob, records=[posing])
    assert resolver.model(alice_joy) == bytes(32)


def test_previous_owner_cannot_write_after_a_sale(names, registry, resolver, alice_joy, alice, bob):
    """Nor can an operator of the previous owner."""
    registry.setApprovalForAll(names.joy.address, True, sender=alice)
    registry.transferFrom(alice, bob, names.token_id("alice"), sender=alice)
    for account in (alice, names.joy.address):
        with boa.reverts("PermaNetResolver: not the live owner"):
            resolver.set_model(alice_joy, b"\1" * 32, sender=account)
        with boa.reverts(TOKEN + "not the live owner"):
            registry.set_resolver(alice_joy, account, sender=account)
    resolver.set_model(alice_joy, b"\2" * 32, sender=bob)


def test_records_never_leak_to_the_next_owner(names, registry, resolver, alice, bob):
    """Alice leaves a payout address behind; Bob buys the lapsed name; then Alice again."""
    node = names.node("alice")
    record = names.record("set_payto(bytes32,address)", node, alice)
    text = names.record("setText(bytes32,string,string)", node, "endpoint", "https://alice")
    names.register("alice", alice, records=[record, text])
    resolver.clearRecords(node, sender=alice)
    resolver.set_payto(node, alice, sender=alice)
    names.at(registry.registration(node).expires_at + GRACE)
    names.register("alice", bob)
    assert resolver.payto(node) == "0x" + "00" * 20
    assert resolver.text(node, "endpoint") == ""
    with boa.reverts("PermaNetResolver: not the live owner"):
        resolver.set_payto(node, alice, sender=alice)
    # The version counts on, so clearing cannot lead back into old records either.
    assert resolver.recordVersions(node) == (2 << 32) + 1
    names.at(registry.registration(node).expires_at + GRACE)
    names.register("alice", alice)
    assert resolver.payto(node) == "0x" + "00" * 20


def test_lapsed_owner_cannot_come_back_through_an_approval(names, registry, alice, bob, stranger):
    """Alice approves an accomplice before her name lapses; Bob registers it."""
    names.register("alice", alice)
    token_id = names.token_id("alice")
    registry.approve(stranger, token_id, sender=alice)
    registry.setApprovalForAll(stranger, True, sender=alice)
    names.at(registry.registration(names.node("alice")).expires_at + GRACE)
    names.register("alice", bob)
    for holder in (alice, bob):
        with boa.reverts():
            registry.transferFrom(holder, stranger, token_id, sender=stranger)
    assert registry.ownerOf(token_id) == bob


def test_price_rise_between_quote_and_reveal_is_capped(names, registry, tlds, alice, tld_owner):
    """A TLD owner times a rise against a pending registration."""
    prices = tlds.tld_of(names.tld).prices
    tlds.set_prices(names.tld, [2 * price for price in prices], sender=tld_owner)
    boa.env.timestamp += 7 * DAY - MIN_AGE
    quote = registry.quote("alice", names.tld, YEAR)
    request = names.request("alice", alice)
    names.commit(request, sender=alice)
    names.age()
    with boa.reverts(NAME + "price above maximum"):
        registry.register(request, quote, sender=alice)


def test_owner_of_the_registry_has_no_power_over_names(
    names, registry, resolver, alice_joy, owner, alice
):
    token_id = names.token_id("alice")
    with boa.reverts(TOKEN + "not owner or approved"):
        registry.transferFrom(alice, owner, token_id, sender=owner)
    with boa.reverts(TOKEN + "not the live owner"):
        registry.set_resolver(alice_joy, owner, sender=owner)
    with boa.reverts("PermaNetResolver: not the live owner"):
        resolver.clearRecords(alice_joy, sender=owner)
