"""PermaNetResolver: every record, who may write it, and when it reads as empty."""

import boa
import pytest
from eth.exceptions import Revert
from eth_abi import decode, encode
from eth_utils import function_signature_to_4byte_selector as selector
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

DAY = 86_400
YEAR = 365 * DAY
GRACE = 30 * DAY
ZERO = "0x" + "00" * 20
NOT_OWNER = "PermaNetResolver: not the live owner"


def ens_addr(resolver, node):
    """`addr(bytes32)` with the ABI that ENS clients have."""
    data = selector("addr(bytes32)") + node
    return decode(["address"], boa.env.raw_call(resolver.address, data=data).output)[0]


def read_all(resolver, node):
    return (
        resolver.addr(node, 60),
        resolver.addr(node, 0),
        ens_addr(resolver, node),
        resolver.text(node, "url"),
        resolver.contenthash(node),
        tuple(resolver.pubkey(node)),
        resolver.model(node),
        resolver.payto(node),
    )


EMPTY = (b"", b"", ZERO, "", b"", (bytes(32), bytes(32)), bytes(32), ZERO)


@pytest.fixture
def write_all(resolver, names):
    """Return a function that sets one record of each kind."""

    def _write(node, sender):
        resolver.setAddr(node, 60, b"\5" * 20, sender=sender)
        resolver.setAddr(node, 0, b"\6" * 25, sender=sender)
        resolver.setText(node, "url", "https://joy.example", sender=sender)
        resolver.setContenthash(node, b"\7" * 38, sender=sender)
        resolver.setPubkey(node, b"\1" * 32, b"\2" * 32, sender=sender)
        resolver.set_model(node, b"\3" * 32, sender=sender)
        resolver.set_payto(node, sender, sender=sender)

    return _write


def test_every_record_reads_back(resolver, write_all, alice_joy, alice):
    assert read_all(resolver, alice_joy) == EMPTY
    write_all(alice_joy, alice)
    assert read_all(resolver, alice_joy) == (
        b"\5" * 20,
        b"\6" * 25,
        "0x" + "05" * 20,
        "https://joy.example",
        b"\7" * 38,
        (b"\1" * 32, b"\2" * 32),
        b"\3" * 32,
        alice,
    )
    assert resolver.text(alice_joy, "other") == ""
    assert resolver.addr(alice_joy, 61) == b""


def test_records_are_empty_from_expiry_on_and_come_back_on_renewal(
    names, registry, resolver, write_all, alice_joy, alice
):
    write_all(alice_joy, alice)
    before = read_all(resolver, alice_joy)
    expiry = registry.registration(alice_joy).expires_at
    names.at(expiry - 1)
    assert read_all(resolver, alice_joy) == before
    names.at(expiry)
    assert read_all(resolver, alice_joy) == EMPTY
    assert resolver.recordVersions(alice_joy) == 0
    with boa.reverts(NOT_OWNER):
        resolver.set_model(alice_joy, b"\1" * 32, sender=alice)
    registry.renew("alice", names.tld, YEAR, 2**255, sender=alice)
    assert read_all(resolver, alice_joy) == before


def test_clear_starts_a_new_version(resolver, write_all, alice_joy, alice):
    write_all(alice_joy, alice)
    assert resolver.recordVersions(alice_joy) == 1 << 32
    resolver.clearRecords(alice_joy, sender=alice)
    (event,) = resolver.get_logs()
    assert event.newVersion == resolver.recordVersions(alice_joy) == (1 << 32) + 1
    assert read_all(resolver, alice_joy) == EMPTY


def test_empty_values_delete(resolver, write_all, alice_joy, alice):
    write_all(alice_joy, alice)
    resolver.setAddr(alice_joy, 60, b"", sender=alice)
    resolver.setAddr(alice_joy, 0, b"", sender=alice)
    resolver.setText(alice_joy, "url", "", sender=alice)
    resolver.setContenthash(alice_joy, b"", sender=alice)
    resolver.setPubkey(alice_joy, bytes(32), bytes(32), sender=alice)
    resolver.set_model(alice_joy, bytes(32), sender=alice)
    resolver.set_payto(alice_joy, ZERO, sender=alice)
    assert read_all(resolver, alice_joy) == EMPTY


@pytest.mark.parametrize("size", [1, 19, 21, 32])
def test_ethereum_address_of_wrong_size_reverts(resolver, alice_joy, alice, size):
    with boa.reverts("PermaNetResolver: address is not 20 bytes"):
        resolver.setAddr(alice_joy, 60, b"\1" * size, sender=alice)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(texts=st.lists(st.integers(0, 512), min_size=1, max_size=4))
def test_text_of_any_length_replaces_the_one_before(resolver, alice_joy, alice, texts):
    for i, size in enumerate([*texts, 30, 31, 62, 63, 512, 0]):
        text = chr(97 + i) * size
        resolver.setText(alice_joy, "k", text, sender=alice)
        assert resolver.text(alice_joy, "k") == text


def test_longest_values_fit_in_a_record(names, resolver, alice):
    node = names.node("long")
    records = [
        names.record("setText(bytes32,string,string)", node, "k" * 64, "é" * 256),
        names.record("setContenthash(bytes32,bytes)", node, b"\1" * 128),
        names.record("setAddr(bytes32,uint256,bytes)", node, 2**255, b"\2" * 128),
    ]
    assert max(map(len, records)) <= 768
    names.register("long", alice, records=records)
    assert resolver.text(node, "k" * 64) == "é" * 256
    assert resolver.contenthash(node) == b"\1" * 128
    assert resolver.addr(node, 2**255) == b"\2" * 128


def test_kinds_do_not_share_storage(resolver, alice_joy, alice):
    """A text, a content hash and an address under look-alike keys stay apart."""
    resolver.setAddr(alice_joy, 0, b"address", sender=alice)
    resolver.setContenthash(alice_joy, b"contenthash", sender=alice)
    resolver.setText(alice_joy, "", "text", sender=alice)
    assert resolver.addr(alice_joy, 0) == b"address"
    assert resolver.contenthash(alice_joy) == b"contenthash"
    assert resolver.text(alice_joy, "") == "text"


def test_only_owner_and_operator_write(registry, resolver, names, alice_joy, alice, bob, stranger):
    registry.approve(bob, names.token_id("alice"), sender=alice)
    writes = [
        lambda by: resolver.setAddr(alice_joy, 60, b"", sender=by),
        lambda by: resolver.setText(alice_joy, "url", "x", sender=by),
        lambda by: resolver.setContenthash(alice_joy, b"x", sender=by),
        lambda by: resolver.setPubkey(alice_joy, bytes(32), bytes(32), sender=by),
        lambda by: resolver.set_model(alice_joy, b"\1" * 32, sender=by),
        lambda by: resolver.set_payto(alice_joy, stranger, sender=by),
        lambda by: resolver.clearRecords(alice_joy, sender=by),
    ]
    for write in writes:
        for account in (bob, stranger):
            with boa.reverts(NOT_OWNER):
                write(account)
    registry.setApprovalForAll(bob, True, sender=alice)
    for write in writes:
        write(bob)


def test_nobody_writes_for_a_name_that_was_never_registered(resolver, names, stranger):
    with boa.reverts(NOT_OWNER):
        resolver.set_model(names.node("never"), b"\1" * 32, sender=stranger)
    assert read_all(resolver, names.node("never")) == EMPTY


def test_multicall_writes_and_reads_as_the_caller(names, resolver, alice_joy, alice, stranger):
    calls = [
        names.record("set_model(bytes32,bytes32)", alice_joy, b"\3" * 32),
        names.record("setText(bytes32,string,string)", alice_joy, "url", "https://x"),
        names.record("text(bytes32,string)", alice_joy, "url"),
        selector("addr(bytes32)") + alice_joy,
    ]
    answers = resolver.multicall(calls, sender=alice)
    assert answers[:2] == [b"", b""]
    assert decode(["string"], answers[2]) == ("https://x",)
    assert decode(["address"], answers[3]) == (ZERO,)
    with boa.reverts(NOT_OWNER):
        resolver.multicall(calls, sender=stranger)


def test_one_failing_call_undoes_a_multicall(names, resolver, alice_joy, alice):
    calls = [
        names.record("set_model(bytes32,bytes32)", alice_joy, b"\3" * 32),
        names.record("set_model(bytes32,bytes32)", names.node("never"), b"\3" * 32),
    ]
    with boa.reverts(NOT_OWNER):
        resolver.multicall(calls, sender=alice)
    assert resolver.model(alice_joy) == bytes(32)


def test_set_records_is_for_the_registry(names, resolver, alice_joy, alice):
    record = names.record("set_model(bytes32,bytes32)", alice_joy, b"\3" * 32)
    with boa.reverts("PermaNetResolver: caller is not a registry"):
        resolver.set_records(alice_joy, [record], sender=alice)


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (b"", "PermaNetResolver: record too short"),
        (b"\1" * 35, "PermaNetResolver: record too short"),
        (b"\1" * 36, "PermaNetResolver: record of another name"),
    ],
)
def test_malformed_first_record_reverts(names, alice, record, reason):
    request = names.request("new", alice, records=[record])
    names.commit(request, sender=alice)
    names.age()
    with boa.reverts(reason):
        names.reveal(request, sender=alice)


def test_unknown_function_reverts(names, resolver, alice_joy, alice):
    for data in (b"", selector("addr(bytes32)"), selector("nothing(bytes32)") + alice_joy):
        with pytest.raises(Revert):
            boa.env.raw_call(resolver.address, data=data)
    request = names.request("new", alice, records=[b"\1\2\3\4" + names.node("new")])
    names.commit(request, sender=alice)
    names.age()
    with boa.reverts("PermaNetResolver: no such function"):
        names.reveal(request, sender=alice)


def test_resolver_without_registries_reverts(deploy, registry, alice):
    with boa.reverts("PermaNetResolver: no registry"):
        deploy("domains/PermaNetResolver.vy", alice, registry)
    with boa.reverts("PermaNetResolver: no subnames"):
        deploy("domains/PermaNetResolver.vy", registry, alice)


def test_interface_ids_are_those_of_ens(resolver):
    for signature in (
        "supportsInterface(bytes4)",
        "addr(bytes32)",
        "addr(bytes32,uint256)",
        "text(bytes32,string)",
        "contenthash(bytes32)",
        "pubkey(bytes32)",
        "recordVersions(bytes32)",
        "model(bytes32)",
    ):
        assert resolver.supportsInterface(selector(signature))
    assert not resolver.supportsInterface(b"\xff" * 4)


def test_records_read_through_the_ens_abi(names, resolver, alice_joy, alice):
    """Byte for byte what ENS's Solidity resolver returns."""
    resolver.setText(alice_joy, "url", "https://x", sender=alice)
    resolver.setAddr(alice_joy, 0, b"\1" * 25, sender=alice)
    for signature, arguments, types, value in (
        ("text(bytes32,string)", (alice_joy, "url"), ["string"], "https://x"),
        ("addr(bytes32,uint256)", (alice_joy, 0), ["bytes"], b"\1" * 25),
        ("contenthash(bytes32)", (alice_joy,), ["bytes"], b""),
        ("recordVersions(bytes32)", (alice_joy,), ["uint64"], 1 << 32),
    ):
        answer = boa.env.raw_call(resolver.address, data=names.record(signature, *arguments))
        assert answer.output == encode(types, [value])
