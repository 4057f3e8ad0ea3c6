"""Names under names: who gives them, for how long, and who can take them from whom."""

import json

import boa
import pytest
from eth_abi import decode

DAY = 86_400
YEAR = 365 * DAY
GRACE = 30 * DAY
ANY = 2**256 - 1
PERMANENT = 2**256 - 1
ZERO = "0x" + "00" * 20
RESOLVER, TRANSFER, SUBNAMES, RECORDS, PARENT, EXTEND = 1, 2, 4, 8, 16, 32
SUB = "PermaNetSubnames: "
TOKEN = "name_tokens: "


@pytest.fixture
def expiry(registry, alice_joy):
    return registry.registration(alice_joy).expires_at


@pytest.fixture
def give(names, subnames, resolver, alice_joy, alice, bob, expiry):
    """Return a function that gives bob `pay.alice.joy` until it ends; some arguments changed."""

    def _give(*, sender=alice, **changed):
        arguments = {
            "parent": alice_joy,
            "label": "pay",
            "owner": bob,
            "resolver": resolver.address,
            "expires_at": expiry,
            "locks": 0,
            "records": [],
        }
        assert not changed.keys() - arguments.keys()
        return subnames.create(*(arguments | changed).values(), sender=sender)

    return _give


@pytest.fixture
def pay(give):
    """Node of `pay.alice.joy`: bob's, for as long as alice likes."""
    return give()


def test_create_gives_a_token_with_records(
    names, subnames, registry, resolver, give, alice_joy, bob
):
    node = names.under(alice_joy, "pay")
    record = names.record("set_payto(bytes32,address)", node, bob)
    assert give(records=[record]) == node
    found = subnames.subname(node)
    assert (found.owner, found.parent, found.resolver) == (bob, alice_joy, resolver.address)
    assert (found.name, found.is_live, found.generation, found.locks) == (
        "pay.alice.joy",
        True,
        1,
        0,
    )
    assert subnames.ownerOf(int.from_bytes(node, "big")) == subnames.live_owner(node) == bob
    assert subnames.balanceOf(bob) == 1
    assert resolver.payto(node) == bob
    # ENS clients ask the domain registry for every resolver.
    assert registry.resolver(node) == subnames.resolver(node) == resolver.address
    resolver.set_payto(node, ZERO, sender=bob)
    assert resolver.payto(node) == ZERO


def test_registry_knows_no_resolver_without_the_link(deploy_registry, names, tlds, joy, alice):
    registry = deploy_registry()
    assert registry.resolver(names.node("never")) == ZERO


def test_metadata_of_the_longest_name(names, subnames, give, pay, alice, bob):
    document = json.loads(subnames.tokenURI(int.from_bytes(pay, "big")).split(",", 1)[1])
    assert document["name"] == "pay.alice.joy" == subnames.name_of(pay)
    node = pay
    for label in ("x" * 63, "y" * 63, "z" * 63):
        node = give(parent=node, label=label, owner=bob, sender=bob)
    give(parent=node, label="w" * 49, owner=bob, sender=bob)
    with boa.reverts(SUB + "name too long"):
        give(parent=node, label="w" * 50, owner=bob, sender=bob)
    longest = names.under(node, "w" * 49)
    assert len(subnames.name_of(longest)) == 255
    uri = subnames.tokenURI(int.from_bytes(longest, "big"))
    assert json.loads(uri.split(",", 1)[1])["name"] == subnames.name_of(longest)


def test_only_the_live_parents_owner_gives(names, registry, give, alice_joy, expiry, alice, bob):
    registry.approve(bob, names.token_id("alice"), sender=alice)
    not_owner = SUB + "not the parent's live owner"
    with boa.reverts(not_owner):
        give(sender=bob)
    with boa.reverts(not_owner):
        give(parent=names.node("never"))
    with boa.env.anchor():
        registry.setApprovalForAll(bob, True, sender=alice)
        give(sender=bob)
    names.at(expiry)
    with boa.reverts(not_owner):
        give(expires_at=expiry + DAY)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"label": ""}, SUB + "bad label"),
        ({"label": "a.b"}, SUB + "bad label"),
        ({"label": '"'}, SUB + "bad label"),
        ({"locks": 64}, SUB + "no such locks"),
        ({"locks": 2**16 | 1}, SUB + "no such locks"),
        ({"owner": ZERO}, TOKEN + "zero owner"),
        ({"expires_at": 0}, SUB + "already over"),
        ({"expires_at": 2**48 - 1}, SUB + "ends after its parent"),
        ({"expires_at": ANY}, SUB + "ends after its parent"),
        ({"resolver": ZERO, "records": [b"x"]}, SUB + "records without resolver"),
        ({"records": [b"\1" * 36]}, "PermaNetResolver: record of another name"),
    ],
)
def test_bad_creation_reverts(give, changed, reason):
    with boa.reverts(reason):
        give(**changed)


def test_locked_parent_gives_no_more(registry, give, pay, alice_joy, alice, subnames):
    registry.lock(alice_joy, SUBNAMES, sender=alice)
    for label in ("pay", "other"):
        with boa.reverts(SUB + "subnames are locked"):
            give(label=label)
    subnames.revoke(pay, sender=alice)


def test_parent_takes_back_what_is_not_locked(subnames, resolver, registry, give, pay, alice, bob):
    resolver.set_payto(pay, bob, sender=bob)
    assert subnames.can_take(pay, alice)
    assert not subnames.can_take(pay, bob)
    with boa.reverts(SUB + "not the parent's live owner"):
        subnames.revoke(pay, sender=bob)
    subnames.revoke(pay, sender=alice)
    tenure = subnames.tenure_of(pay)
    assert (tenure.owner, tenure.is_live, tenure.expires_at) == (ZERO, False, boa.env.timestamp)
    assert subnames.balanceOf(bob) == 0
    assert resolver.payto(pay) == registry.resolver(pay) == ZERO
    with boa.reverts(TOKEN + "no such token"):
        subnames.ownerOf(int.from_bytes(pay, "big"))
    with boa.reverts(SUB + "not live"):
        subnames.revoke(pay, sender=alice)
    give(owner=alice)
    assert (subnames.tenure_of(pay).generation, subnames.balanceOf(alice)) == (2, 1)
    assert resolver.payto(pay) == ZERO


def test_parent_replaces_what_is_not_locked(subnames, give, pay, alice, bob):
    token_id = int.from_bytes(pay, "big")
    subnames.approve(alice, token_id, sender=bob)
    give(owner=alice)
    assert (subnames.balanceOf(alice), subnames.balanceOf(bob)) == (1, 0)
    assert subnames.getApproved(token_id) == ZERO


def test_locked_subname_is_safe_until_it_expires(
    names, subnames, registry, give, alice, bob, expiry
):
    until = boa.env.timestamp + 100 * DAY
    node = give(locks=PARENT, expires_at=until)
    registry.setApprovalForAll(names.joy.address, True, sender=alice)
    assert not subnames.can_take(node, alice)
    names.at(until - 1)
    for account in (alice, names.joy.address):
        with boa.reverts(SUB + "cannot be taken back"):
            subnames.revoke(node, sender=account)
        with boa.reverts(SUB + "name taken"):
            give(owner=alice, sender=account)
    assert subnames.live_owner(node) == bob
    names.at(until)
    assert subnames.can_take(node, alice)
    give(owner=alice)
    assert subnames.live_owner(node) == alice
    assert subnames.tenure_of(node).locks == 0


def test_new_owner_of_the_parent_is_bound_too(
    names, registry, subnames, give, alice, bob, stranger
):
    kept, loose = give(locks=PARENT), give(label="loose")
    registry.transferFrom(alice, stranger, names.token_id("alice"), sender=alice)
    with boa.reverts(SUB + "cannot be taken back"):
        subnames.revoke(kept, sender=stranger)
    with boa.reverts(SUB + "not the parent's live owner"):
        subnames.revoke(loose, sender=alice)
    subnames.revoke(loose, sender=stranger)


def test_nobody_promises_what_somebody_above_could_break(subnames, give, pay, alice, bob):
    reason = SUB + "parent can be taken back"
    with boa.reverts(reason):
        give(parent=pay, label="x", locks=PARENT, sender=bob)
    child = give(parent=pay, label="x", sender=bob)
    with boa.reverts(reason):
        subnames.grant(child, PARENT, sender=bob)
    subnames.grant(pay, PARENT, sender=alice)
    subnames.grant(child, PARENT, sender=bob)
    assert not subnames.can_take(child, bob)


def test_what_is_under_a_taken_name_can_be_taken_too(subnames, give, pay, alice, bob, stranger):
    child = give(parent=pay, label="x", owner=stranger, sender=bob)
    subnames.revoke(pay, sender=alice)
    assert subnames.live_owner(child) == stranger
    assert not subnames.can_take(child, alice)
    give(owner=alice)
    subnames.revoke(child, sender=alice)


def test_grants_are_the_parents_and_last(subnames, names, pay, alice, bob):
    for locks in (0, RESOLVER, 15, 64, PARENT | TRANSFER, ANY):
        with boa.reverts(SUB + "no such locks"):
            subnames.grant(pay, locks, sender=alice)
    with boa.reverts(SUB + "not the parent's live owner"):
        subnames.grant(pay, EXTEND, sender=bob)
    with boa.reverts(TOKEN + "no such locks"):
        subnames.lock(pay, PARENT, sender=bob)
    subnames.grant(pay, EXTEND, sender=alice)
    subnames.lock(pay, TRANSFER, sender=bob)
    subnames.grant(pay, PARENT, sender=alice)
    assert subnames.tenure_of(pay).locks == TRANSFER | PARENT | EXTEND
    with boa.reverts(TOKEN + "transfer is locked"):
        subnames.transferFrom(bob, alice, int.from_bytes(pay, "big"), sender=bob)


def test_extension_by_parent_and_by_right(names, registry, subnames, give, alice, bob, expiry):
    half = boa.env.timestamp + YEAR // 2
    node = give(expires_at=half, locks=PARENT)
    with boa.reverts(SUB + "not the parent's live owner"):
        subnames.extend(node, half + 1, sender=bob)
    subnames.extend(node, half + 1, sender=alice)
    subnames.grant(node, EXTEND, sender=alice)
    with boa.reverts(SUB + "not an extension"):
        subnames.extend(node, half + 1, sender=bob)
    with boa.reverts(SUB + "ends after its parent"):
        subnames.extend(node, expiry + 1, sender=bob)
    subnames.extend(node, expiry, sender=bob)
    assert subnames.tenure_of(node).expires_at == expiry
    registry.renew("alice", names.tld, YEAR, ANY, sender=alice)
    subnames.extend(node, expiry + YEAR, sender=bob)
    names.at(expiry + YEAR)
    with boa.reverts(SUB + "not live"):
        subnames.extend(node, expiry + YEAR + 1, sender=bob)


def test_ends_with_its_parent_and_never_comes_back_to_a_new_owner(
    names, registry, subnames, resolver, give, expiry, alice, bob, stranger
):
    node = give(locks=PARENT | EXTEND)
    names.at(expiry)
    assert not subnames.is_live(node)
    assert registry.resolver(node) == ZERO
    names.at(expiry + GRACE)
    names.register("alice", bob)
    assert not subnames.is_live(node)
    assert subnames.tenure_of(node) == (ZERO, expiry, 1, 0, False)
    assert subnames.can_take(node, bob)


def test_permanent_names_have_permanent_subnames(names, subnames, give, alice, bob):
    parent = names.register("always", alice, duration=PERMANENT)
    node = give(parent=parent, expires_at=2**48 - 1, locks=PARENT)
    boa.env.timestamp += 1_000 * YEAR
    assert subnames.live_owner(node) == bob


def test_locked_records_and_resolver_of_a_subname(subnames, resolver, pay, bob):
    subnames.lock(pay, RESOLVER | RECORDS, sender=bob)
    with boa.reverts(TOKEN + "resolver is locked"):
        subnames.set_resolver(pay, ZERO, sender=bob)
    with boa.reverts("PermaNetResolver: not the live owner"):
        resolver.set_payto(pay, bob, sender=bob)


def test_hostile_resolver_cannot_reenter(names, subnames, resolver, attacker, give, alice_joy, bob):
    """Called while a name is given, it tries to give another and to write as the registry."""
    node = names.under(alice_joy, "pay")
    record = names.record("set_payto(bytes32,address)", alice_joy, attacker.address)
    calls = [
        (subnames.address, subnames.extend.prepare_calldata(node, 2**48 - 1)),
        (subnames.address, subnames.lock.prepare_calldata(node, 1)),
        (resolver.address, resolver.set_records.prepare_calldata(alice_joy, [record])),
    ]
    attacker.arm(calls, b"\0" * 4)
    give(owner=attacker.address, resolver=attacker.address, records=[b"x"])
    assert [outcome.succeeded for outcome in attacker.outcomes()] == [False] * 3


def test_token_moves_like_any_other(subnames, attacker, pay, alice, bob, stranger):
    token_id = int.from_bytes(pay, "big")
    with boa.reverts(TOKEN + "not owner or approved"):
        subnames.transferFrom(bob, alice, token_id, sender=alice)
    subnames.safeTransferFrom(bob, attacker.address, token_id, sender=bob)
    attacker.execute(
        subnames.address,
        subnames.transferFrom.prepare_calldata(attacker.address, stranger, token_id),
    )
    assert subnames.ownerOf(token_id) == stranger
    assert (subnames.name(), subnames.symbol()) == ("PermaNet Subnames", "PSUB")


def test_bad_deployment_reverts(deploy, registry, tlds, alice):
    with boa.reverts(SUB + "no registry"):
        deploy("domains/PermaNetSubnames.vy", alice, tlds)
    with boa.reverts(SUB + "no TLD registry"):
        deploy("domains/PermaNetSubnames.vy", registry, alice)


# --- ENSIP-10 and reverse records


def wire(name: str) -> bytes:
    labels = name.encode().split(b".") if name else []
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


@pytest.fixture
def resolve(names, resolver):
    """Return a function that reads the payout account of a name as ENSIP-10 clients do."""

    def _resolve(name):
        query = names.record("payto(bytes32)", bytes(32))
        (account,) = decode(["address"], resolver.resolve(wire(name), query))
        return account.lower()

    return _resolve


def test_wildcard_answers_for_names_that_are_not_there(
    names, subnames, resolver, resolve, give, alice_joy, alice, bob
):
    resolver.set_payto(alice_joy, alice, sender=alice)
    assert resolve("alice.joy") == alice.lower()
    assert resolve("pay.alice.joy") == ZERO
    resolver.set_wildcard(alice_joy, True, sender=alice)
    assert resolver.wildcard(alice_joy)
    assert resolve("alice.joy") == alice.lower()
    assert resolve("pay.alice.joy") == resolve("a.b.c.alice.joy") == alice.lower()
    assert resolve("bob.joy") == resolve("joy") == resolve("") == ZERO
    # A live name speaks for itself and for what is under it, even if it says nothing.
    pay = give()
    assert resolve("pay.alice.joy") == resolve("x.pay.alice.joy") == ZERO
    resolver.set_payto(pay, bob, sender=bob)
    assert resolve("pay.alice.joy") == bob.lower()
    subnames.revoke(pay, sender=alice)
    assert resolve("pay.alice.joy") == alice.lower()
    resolver.clearRecords(alice_joy, sender=alice)
    assert resolve("pay.alice.joy") == ZERO


def test_resolve_reads_any_record_and_writes_none(names, resolver, alice_joy, alice):
    resolver.setText(alice_joy, "endpoint", "https://x", sender=alice)
    query = names.record("text(bytes32,string)", bytes(32), "endpoint")
    assert decode(["string"], resolver.resolve(wire("alice.joy"), query)) == ("https://x",)
    query = names.record("addr(bytes32)", bytes(32))
    assert decode(["address"], resolver.resolve(wire("alice.joy"), query)) == (ZERO,)
    for query in (
        names.record("set_payto(bytes32,address)", bytes(32), alice),
        names.record("clearRecords(bytes32)", bytes(32)),
    ):
        with boa.reverts():
            resolver.resolve(wire("alice.joy"), query, sender=alice)
    with boa.reverts("PermaNetResolver: query too short"):
        resolver.resolve(wire("alice.joy"), b"\1" * 35)


@pytest.mark.parametrize(
    "name", [b"", b"\5alice", b"\5alice\3joy", b"\5alice\3joy\0\0", b"\xff\0", b"\0\1", b"\1" * 255]
)
def test_malformed_wire_name_reverts(names, resolver, name):
    with boa.reverts("PermaNetResolver: malformed name"):
        resolver.resolve(name, names.record("payto(bytes32)", bytes(32)))


def test_deepest_name_is_read(names, resolver, resolve, alice_joy, alice):
    resolver.set_payto(alice_joy, alice, sender=alice)
    resolver.set_wildcard(alice_joy, True, sender=alice)
    assert resolve("a." * 122 + "alice.joy") == alice.lower()


def test_reverse_record_is_the_accounts_own(names, resolver, alice, bob):
    node = names.under(names.under(names.under(bytes(32), "reverse"), "addr"), alice[2:].lower())
    assert resolver.reverse_node(alice) == node
    assert resolver.name(node) == ""
    for name in ("alice.joy", "x" * 255, ""):
        assert resolver.setName(name, sender=alice) == node
        assert resolver.name(node) == name
        assert resolver.name(resolver.reverse_node(bob)) == ""


def test_interfaces_of_ensip_10_and_eip_181(resolver):
    for interface in ("9061b923", "691f3431", "ac9650d8", "3b3b57de", "f1cb7e06", "59d1d43c"):
        assert resolver.supportsInterface(bytes.fromhex(interface))
