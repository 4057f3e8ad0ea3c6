"""Commit and reveal: what binds, what it costs, and what a bad request says."""

import boa
import pytest
from eth.exceptions import Revert
from eth_abi import encode
from eth_utils import function_signature_to_4byte_selector as selector
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

DAY = 86_400
YEAR = 365 * DAY
GRACE = 30 * DAY
MIN_DURATION = 28 * DAY
MAX_TERM = 10 * YEAR
MIN_AGE = 10
ZERO = "0x" + "00" * 20
PRICES = [2 * 10**13, 10**13, 5 * 10**12, 10**12, 3 * 10**11 + 7]
NAME = "PermaNetDomainRegistry: "


def is_available(registry, label: bytes, tld: bytes) -> bool:
    """Call `available` with any bytes as the label; str would not carry malformed UTF-8."""
    data = selector("available(string,bytes32)") + encode(["bytes", "bytes32"], [label, tld])
    return bool(int.from_bytes(boa.env.raw_call(registry.address, data=data).output, "big"))


def test_register_gives_the_name_and_takes_the_exact_rent(names, registry, joy, alice):
    before = joy.balanceOf(alice)
    request = names.request("alice", alice)
    quote = registry.quote("alice", names.tld, YEAR)
    assert quote == PRICES[4] * YEAR
    names.commit(request, sender=alice)
    names.age()
    expires_at = registry.register(request, quote, sender=alice)
    node = names.node("alice")
    assert registry.node_of("alice", names.tld) == node
    assert expires_at == boa.env.timestamp + YEAR
    assert before - joy.balanceOf(alice) == joy.balanceOf(registry) == quote
    assert registry.ownerOf(names.token_id("alice")) == registry.live_owner(node) == alice
    found = registry.registration(node)
    assert (found.owner, found.expires_at, found.generation) == (alice, expires_at, 1)
    assert (found.resolver, found.tld) == (names.resolver.address, names.tld)
    assert (found.is_live, found.label) == (True, "alice")
    assert registry.name_of(node) == "alice.joy"
    assert registry.balanceOf(alice) == 1


def test_register_sets_records_in_the_same_transaction(names, resolver, alice):
    node = names.node("digits")
    records = [
        names.record("set_model(bytes32,bytes32)", node, b"\7" * 32),
        names.record("setText(bytes32,string,string)", node, "endpoint", "https://a.example"),
        names.record("setAddr(bytes32,uint256,bytes)", node, 60, b"\5" * 20),
    ]
    names.register("digits", alice, records=records)
    assert resolver.model(node) == b"\7" * 32
    assert resolver.text(node, "endpoint") == "https://a.example"
    assert resolver.addr(node, 60) == b"\5" * 20


def test_commitment_is_the_documented_hash(names, registry, alice):
    node = names.node("a")
    records = [names.record("set_payto(bytes32,address)", node, alice), b"", b"\1" * 768]
    request = names.request("a", alice, records=records)
    assert registry.commitment_of(request) == names.commitment(request)


@pytest.mark.parametrize(
    "changed",
    [
        {"label": "alicf"},
        {"tld": b"\1" * 32},
        {"owner": "0x" + "11" * 20},
        {"resolver": ZERO},
        {"duration": YEAR + 1},
        {"records": [b"\1" * 36]},
        {"secret": b"\1" * 32},
    ],
)
def test_commitment_binds_every_field(names, alice, changed):
    request = names.request("alice", alice)
    names.commit(request, sender=alice)
    names.age()
    fields = ("label", "tld", "owner", "resolver", "duration", "records", "secret")
    other = tuple((dict(zip(fields, request, strict=True)) | changed).values())
    with boa.reverts(NAME + "no such commitment"):
        names.reveal(other, sender=alice)


def test_commitment_binds_chain_and_contract(names, registry, alice):
    request = names.request("alice", alice)
    for other in (
        names.commitment(request, registry="0x" + "11" * 20),
        names.commitment(request, chain_id=names.chain_id() + 1),
    ):
        registry.commit(other, b"", sender=alice)
    names.age()
    with boa.reverts(NAME + "no such commitment"):
        names.reveal(request, sender=alice)


def test_commit_age_edges(names, registry, alice):
    request = names.request("alice", alice)
    start = boa.env.timestamp
    commitment = names.commit(request, sender=alice)
    assert registry.committed_at(commitment) == start
    names.at(start + MIN_AGE - 1)
    with boa.reverts(NAME + "commitment too young"):
        names.reveal(request, sender=alice)
    with boa.env.anchor():
        names.at(start + MIN_AGE)
        names.reveal(request, sender=alice)
    with boa.env.anchor():
        names.at(start + DAY)
        names.reveal(request, sender=alice)
        assert registry.committed_at(commitment) == 0
    names.at(start + DAY + 1)
    with boa.reverts(NAME + "commitment too old"):
        names.reveal(request, sender=alice)
    names.commit(request, sender=alice)
    names.age()
    names.reveal(request, sender=alice)


def test_nodes_are_those_of_eip_137(names, registry):
    """The vectors that EIP-137 prints for `eth` and `foo.eth`."""
    eth = bytes.fromhex("93cdeb708b7545dc668eb9280176169d1c33cfd8ed6f04690a0bcc88a93fc4ae")
    foo = "de9b09fd7c5f901e23a3f19fecc54828e9c848539801e86591bd9801b019f84f"
    assert registry.node_of("eth", bytes(32)) == eth
    assert registry.node_of("foo", eth).hex() == foo


def test_commitment_is_used_once(names, alice):
    request = names.request("alice", alice)
    names.commit(request, sender=alice)
    names.age()
    names.reveal(request, sender=alice)
    with boa.reverts(NAME + "no such commitment"):
        names.reveal(request, sender=alice)


def test_taken_name_reverts(names, alice_joy, bob):
    request = names.request("alice", bob)
    names.commit(request, sender=bob)
    names.age()
    with boa.reverts(NAME + "name taken"):
        names.reveal(request, sender=bob)


def test_price_above_maximum_reverts(names, registry, alice):
    request = names.request("alice", alice)
    names.commit(request, sender=alice)
    names.age()
    with boa.reverts(NAME + "price above maximum"):
        registry.register(request, PRICES[4] * YEAR - 1, sender=alice)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"label": ""}, "TldRegistry: bad label"),
        ({"label": "a.b"}, "TldRegistry: bad label"),
        ({"duration": MIN_DURATION - 1}, NAME + "duration too short"),
        ({"duration": MAX_TERM + 1}, NAME + "duration too long"),
        ({"owner": ZERO}, "name_tokens: zero owner"),
        ({"resolver": ZERO, "records": [b"\1" * 36]}, NAME + "records without resolver"),
    ],
)
def test_bad_request_reverts(names, alice, changed, reason):
    request = names.request(**({"label": "alice", "owner": alice} | changed))
    names.commit(request, sender=alice)
    names.age()
    with boa.reverts(reason):
        names.reveal(request, sender=alice)


def test_duration_bounds_are_inclusive(names, registry, alice):
    for label, duration in (("short", MIN_DURATION), ("long", MAX_TERM)):
        node = names.register(label, alice, duration=duration)
        assert registry.registration(node).expires_at == boa.env.timestamp + duration


def test_unknown_tld_reverts(names, registry, alice):
    names.tld = b"\1" * 32
    request = names.request("alice", alice)
    names.commit(request, sender=alice)
    names.age()
    with boa.reverts("TldRegistry: unknown TLD"):
        names.reveal(request, sender=alice)
    with boa.reverts(NAME + "unknown TLD"):
        registry.quote("alice", names.tld, YEAR)
    assert not registry.available("alice", names.tld)


def test_min_length_and_tld_pause_hold_for_new_names_only(names, registry, tlds, alice, tld_owner):
    names.register("abc", alice)
    tlds.set_lengths(names.tld, 4, 63, sender=tld_owner)
    request = names.request("xyz", alice)
    names.commit(request, sender=alice)
    names.age()
    assert not registry.available("xyz", names.tld)
    with boa.reverts("TldRegistry: label too short"):
        names.reveal(request, sender=alice)
    tlds.set_lengths(names.tld, 3, 63, sender=tld_owner)
    tlds.pause_tld(names.tld, sender=tld_owner)
    assert not registry.available("xyz", names.tld)
    with boa.reverts("TldRegistry: TLD paused"):
        names.reveal(request, sender=alice)
    registry.renew("abc", names.tld, YEAR, 2**255, sender=alice)
    tlds.unpause_tld(names.tld, sender=tld_owner)
    assert registry.available("xyz", names.tld)
    names.reveal(request, sender=alice)
    assert not registry.available("xyz", names.tld)


def test_pause_stops_register_only(names, registry, guardian, treasury, alice, bob, alice_joy):
    request = names.request("bob", bob)
    names.commit(request, sender=bob)
    names.age()
    registry.pause(sender=guardian)
    assert not registry.available("bob", names.tld)
    with boa.reverts("circuit_breaker: paused"):
        names.reveal(request, sender=bob)
    registry.renew("alice", names.tld, YEAR, 2**255, sender=alice)
    registry.set_resolver(alice_joy, ZERO, sender=alice)
    registry.transferFrom(alice, bob, names.token_id("alice"), sender=alice)
    registry.settle(names.tld, 4_000, 1_000, sender=bob)
    assert registry.claim(treasury, sender=bob) > 0
    registry.commit(b"\1" * 32, b"", sender=alice)
    registry.unpause(sender=guardian)
    names.reveal(request, sender=bob)


def test_rate_limit_per_payer(deploy_registry, names, joy, alice, bob):
    names.registry = deploy_registry(rate_capacity=2, rate_window=100)
    for account in (alice, bob):
        joy.approve(names.registry, 2**256 - 1, sender=account)
    for label in ("one", "two", "three", "four"):
        names.commit(names.request(label, alice, resolver=ZERO), sender=alice)
    names.age()
    for label in ("one", "two"):
        names.reveal(names.request(label, alice, resolver=ZERO), sender=alice)
    with boa.reverts("rate_limit: too many actions"):
        names.reveal(names.request("three", alice, resolver=ZERO), sender=alice)
    names.reveal(names.request("three", alice, resolver=ZERO), sender=bob)
    boa.env.timestamp += 50
    names.reveal(names.request("four", alice, resolver=ZERO), sender=alice)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"min_commit_age": 1}, NAME + "commit age too short"),
        ({"min_commit_age": 3_601}, NAME + "commit age too long"),
        ({"min_commit_blocks": 0}, NAME + "no commit blocks"),
        ({"min_commit_blocks": 301}, NAME + "too many commit blocks"),
        ({"joy": ZERO}, NAME + "zero token"),
        ({"outflow_bps": 999}, "circuit_breaker: outflow share too small"),
        ({"link_delay": 3_599}, "links: delay too short"),
        ({"rate_capacity": 0}, "rate_limit: capacity out of range"),
    ],
)
def test_bad_deployment_reverts(deploy_registry, changed, reason):
    with boa.reverts(reason):
        deploy_registry(**changed)


@pytest.mark.parametrize("age", [2, 3_600])
def test_commit_age_of_deployment_is_inclusive(deploy_registry, age):
    assert deploy_registry(min_commit_age=age).MIN_COMMIT_AGE() == age


LABELS = {
    "a": 1, "0": 1, "-": 1, "_": 1, "$": 1, "é": 1, "ab": 2, "日本語": 3, "né9": 3, "🦊": 1,
    "👩‍🚀": 3, "a" * 31: 31, "a" * 32: 32, "a" * 63: 63, "é" * 31: 31, "🦊" * 15: 15, "\u00a0": 1,
    "\ud7ff": 1, "\ue000": 1, "\U0010ffff": 1, "\u0800": 1, "\U00010000": 1, "\u07ff": 1,
}  # fmt: skip


@pytest.mark.parametrize(("label", "length"), LABELS.items())
def test_label_is_accepted_and_priced_by_characters(names, registry, alice, label, length):
    assert registry.quote(label, names.tld, YEAR) == PRICES[min(length, 5) - 1] * YEAR
    node = names.register(label, alice)
    assert registry.name_of(node) == f"{label}.joy"
    assert registry.registration(node).label == label


@pytest.mark.parametrize(
    "label",
    [
        b"", b".", b"a.b", b"A", b"aB", b" ", b"a b", b"\0", b"a\n", b"\x7f", b'"', b"\\", b"%",
        b"#", b"'", b"`", b"{", b"/", b":", b"@", b"[", b"\xc2\x80", b"\xc2\x9f", b"\x80", b"a\xbf",
        b"\xc0\xae", b"\xc1\xbf", b"\xe0\x80\xaf", b"\xe0\x9f\xbf", b"\xed\xa0\x80",
        b"\xed\xbf\xbf", b"\xf0\x80\x80\xaf", b"\xf0\x8f\xbf\xbf", b"\xf4\x90\x80\x80",
        b"\xf5\x80\x80\x80", b"\xff", b"\xfe", b"\xc3", b"a\xe2\x82", b"\xf0\x9f\xa6", b"\xc3a",
        b"\xe2a\x82", b"\xe2\x82\xe2", b"a" * 31 + b"\xc3", b"a" * 31 + b".", b"a" * 32 + b"A",
        b"a" * 62 + b"\xc3",
    ],
)  # fmt: skip
def test_malformed_label_is_refused(names, registry, label):
    assert not is_available(registry, label, names.tld)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(label=st.one_of(st.binary(max_size=63), st.text(max_size=15).map(str.encode)))
def test_label_check_agrees_with_python(names, registry, label):
    allowed = set(b"abcdefghijklmnopqrstuvwxyz0123456789-_$")
    try:
        text = label.decode()
        is_good = bool(text) and all(
            ord(c) >= 0xA0 or (ord(c) < 0x80 and ord(c) in allowed) for c in text
        )
    except UnicodeDecodeError:
        is_good = False
    assert is_available(registry, label, names.tld) == is_good


def test_label_of_64_bytes_cannot_be_encoded(names, registry):
    data = selector("available(string,bytes32)")
    data += encode(["string", "bytes32"], ["a" * 64, names.tld])
    with pytest.raises(Revert):
        boa.env.raw_call(registry.address, data=data)


def test_quote_of_bad_label_reverts(names, registry):
    with boa.reverts(NAME + "bad label"):
        registry.quote("A", names.tld, YEAR)


def test_register_without_allowance_reverts(names, joy, registry, alice):
    joy.approve(registry, PRICES[4] * YEAR - 1, sender=alice)
    request = names.request("alice", alice)
    names.commit(request, sender=alice)
    names.age()
    with boa.reverts():
        names.reveal(request, sender=alice)
    joy.approve(registry, PRICES[4] * YEAR, sender=alice)
    names.reveal(request, sender=alice)


def test_commit_logs_the_hint(names, registry, alice):
    registry.commit(b"\1" * 32, b"\2" * 512, sender=alice)
    (event,) = registry.get_logs()
    assert (event.commitment, event.account, event.hint) == (b"\1" * 32, alice, b"\2" * 512)
