"""Gas of what people do with names, as a transaction pays it, each under its cap."""

import boa
import pytest

YEAR = 365 * 86_400
RENT = (3 * 10**11 + 7) * YEAR
CAPS = {"register": 300_000, "renew": 90_000, "record": 80_000, "transfer": 70_000}


@pytest.fixture
def transact(monkeypatch):
    """Return a function that calls as a transaction of its own would and gives its gas: cold
    slots and accounts (EIP-2929), intrinsic gas, refunds (EIP-3529), stores priced against
    the value at its start. Titanoboa runs a whole session as one transaction, and starting
    its books anew would break its snapshots, so the books are kept here."""
    state = type(boa.env.evm.vm.state)
    stored = state.get_storage

    def _transact(function, *args, sender):
        target = function.contract.address.canonical_address
        at_start, slots = {}, set()
        accounts = {bytes.fromhex(sender[2:]), target}

        def get_storage(self, address, slot, from_journal=True):
            value = stored(self, address, slot)
            return value if from_journal else at_start.setdefault((address, slot), value)

        with monkeypatch.context() as patch:
            patch.setattr(state, "get_storage", get_storage)
            patch.setattr(state, "is_storage_warm", lambda _, *key: key in slots)
            patch.setattr(state, "mark_storage_warm", lambda _, *key: slots.add(key))
            patch.setattr(state, "is_address_warm", lambda _, account: account in accounts)
            patch.setattr(state, "mark_address_warm", lambda _, account: accounts.add(account))
            function(*args, sender=sender)
        computation = function.contract._computation
        data = bytes(computation.msg.data)
        used = 21_000 + sum(16 if byte else 4 for byte in data) + computation.get_gas_used()
        return used - min(computation.get_gas_refund(), used // 5)

    return _transact


@pytest.fixture
def request_with_record(names, joy, registry, alice):
    """Committed, with exactly the rent approved, as the SDK does it."""
    node = names.node("alice")
    record = names.record("set_model(bytes32,bytes32)", node, b"\7" * 32)
    request = names.request("alice", alice, records=[record])
    names.commit(request, sender=alice)
    joy.approve(registry, RENT, sender=alice)
    boa.env.timestamp += 10
    return request


def test_first_registration_ever_with_one_record(transact, registry, request_with_record, alice):
    """The dearest case: every slot it writes, the registry's own balance too, is new."""
    assert transact(registry.register, request_with_record, RENT, sender=alice) <= CAPS["register"]


def test_renew(transact, names, registry, joy, alice_joy, bob):
    joy.approve(registry, 2 * RENT, sender=bob)
    assert transact(registry.renew, "alice", names.tld, YEAR, RENT, sender=bob) <= CAPS["renew"]


def test_set_one_record(transact, resolver, alice_joy, alice):
    for function, *args in (
        (resolver.setAddr, alice_joy, 60, b"\5" * 20),
        (resolver.setText, alice_joy, "endpoint", "https://node.example:9000/x"),
        (resolver.set_model, alice_joy, b"\3" * 32),
        (resolver.set_payto, alice_joy, alice),
    ):
        assert transact(function, *args, sender=alice) <= CAPS["record"]


def test_transfer_to_an_account_without_names(transact, names, registry, alice_joy, alice, bob):
    token_id = names.token_id("alice")
    gas = transact(registry.transferFrom, alice, bob, token_id, sender=alice)
    assert gas <= CAPS["transfer"]


def test_deployed_code_is_under_eip_170_and_3860(tlds, registry, resolver):
    for contract in (tlds, registry, resolver):
        assert len(boa.env.get_code(contract.address)) <= 24_576
        assert len(contract.compiler_data.bytecode) <= 49_152
