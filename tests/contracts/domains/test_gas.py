"""Gas of what people do with names, as a transaction pays it, each under its cap."""

import boa
import pytest

YEAR = 365 * 86_400
RENT = (3 * 10**11 + 7) * YEAR
CAPS = {
    "register": 300_000,
    "renew": 90_000,
    "record": 80_000,
    "transfer": 70_000,
    "subname": 260_000,
    "lock": 50_000,
}


@pytest.fixture
def request_with_record(names, joy, registry, alice):
    """Committed, with exactly the rent approved, as the SDK does it."""
    node = names.node("alice")
    record = names.record("set_model(bytes32,bytes32)", node, b"\7" * 32)
    request = names.request("alice", alice, records=[record])
    names.commit(request, sender=alice)
    joy.approve(registry, RENT, sender=alice)
    names.age()
    return request


def test_first_registration_ever_with_one_record(
    transact, registry, tlds, names, request_with_record, tld_owner, alice
):
    """The dearest case: every slot it writes, the registry's own balance too, is new."""
    tlds.set_keeps_price(names.tld, True, sender=tld_owner)
    receipt = transact(registry.register, request_with_record, RENT, sender=alice)
    assert receipt.gas <= CAPS["register"]


def test_renew(transact, names, registry, joy, alice_joy, bob):
    joy.approve(registry, 2 * RENT, sender=bob)
    receipt = transact(registry.renew, "alice", names.tld, YEAR, RENT, sender=bob)
    assert receipt.gas <= CAPS["renew"]


@pytest.mark.parametrize("size", [1, 30, 31, 48])
def test_set_one_text(transact, resolver, alice_joy, alice, size):
    """What longer ones cost more is their own bytes: 22,100 for 32 of storage, 16 of data each."""
    receipt = transact(resolver.setText, alice_joy, "endpoint", "x" * size, sender=alice)
    assert receipt.gas <= CAPS["record"]


def test_set_one_record(transact, resolver, alice_joy, alice):
    for function, *args in (
        (resolver.setAddr, alice_joy, 60, b"\5" * 20),
        (resolver.setAddr, alice_joy, 0, b"\5" * 62),
        (resolver.setContenthash, alice_joy, b"\5" * 38),
        (resolver.set_model, alice_joy, b"\3" * 32),
        (resolver.set_payto, alice_joy, alice),
        (resolver.set_wildcard, alice_joy, True),
        (resolver.setName, "alice.joy"),
    ):
        assert transact(function, *args, sender=alice).gas <= CAPS["record"]


def test_transfer_to_an_account_without_names(transact, names, registry, alice_joy, alice, bob):
    token_id = names.token_id("alice")
    receipt = transact(registry.transferFrom, alice, bob, token_id, sender=alice)
    assert receipt.gas <= CAPS["transfer"]


def test_subname_with_one_record_and_lock(transact, names, registry, subnames, resolver, alice):
    node = names.register("alice", alice)
    child = names.under(node, "pay")
    record = names.record("set_payto(bytes32,address)", child, alice)
    expires_at = registry.registration(node).expires_at
    arguments = (node, "pay", alice, resolver.address, expires_at, 16, [record])
    assert transact(subnames.create, *arguments, sender=alice).gas <= CAPS["subname"]
    assert transact(subnames.lock, child, 15, sender=alice).gas <= CAPS["lock"]


def test_deployed_code_is_under_eip_170_and_3860(tlds, registry, resolver, subnames):
    for contract in (tlds, registry, resolver, subnames):
        assert len(boa.env.get_code(contract.address)) <= 24_576
        assert len(contract.compiler_data.bytecode) <= 49_152
