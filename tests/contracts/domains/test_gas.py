"""Gas of what people do with names, as a transaction pays it, each under its cap."""

import boa
import pytest

YEAR = 365 * 86_400
RENT = (3 * 10**11 + 7) * YEAR
# Ending a transaction in py-evm forbids to roll back past it: each test has a chain of its own.
pytestmark = pytest.mark.ignore_isolation
CAPS = {"register": 300_000, "renew": 90_000, "record": 80_000, "transfer": 70_000}


@pytest.fixture(autouse=True)
def own_chain():
    with boa.swap_env(boa.Env()):
        yield


def transact(function, *args, sender):
    """Call as a transaction of its own: cold slots, intrinsic gas, refunds (EIP-2929, 3529)."""
    boa.env._reset_access_counters()
    boa.env.evm.vm.state.lock_changes()
    function(*args, sender=sender)
    computation = function.contract._computation
    data = bytes(computation.msg.data)
    used = 21_000 + sum(16 if byte else 4 for byte in data) + computation.get_gas_used()
    return used - min(computation.get_gas_refund(), used // 5)


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


def test_first_registration_ever_with_one_record(registry, request_with_record, alice):
    """The dearest case: every slot it writes, the registry's own balance too, is new."""
    assert transact(registry.register, request_with_record, RENT, sender=alice) <= CAPS["register"]


def test_renew(names, registry, joy, alice_joy, bob):
    joy.approve(registry, 2 * RENT, sender=bob)
    assert transact(registry.renew, "alice", names.tld, YEAR, RENT, sender=bob) <= CAPS["renew"]


def test_set_one_record(resolver, alice_joy, alice):
    for function, *args in (
        (resolver.setAddr, alice_joy, 60, b"\5" * 20),
        (resolver.setText, alice_joy, "endpoint", "https://node.example:9000/x"),
        (resolver.set_model, alice_joy, b"\3" * 32),
        (resolver.set_payto, alice_joy, alice),
    ):
        assert transact(function, *args, sender=alice) <= CAPS["record"]


def test_transfer_to_an_account_without_names(names, registry, alice_joy, alice, bob):
    token_id = names.token_id("alice")
    gas = transact(registry.transferFrom, alice, bob, token_id, sender=alice)
    assert gas <= CAPS["transfer"]


@pytest.mark.parametrize("contract", ["TldRegistry", "PermaNetDomainRegistry", "PermaNetResolver"])
def test_deployed_code_is_under_eip_170_and_3860(contract):
    compiled = boa.load_partial(f"contracts/domains/{contract}.vy").compiler_data
    assert len(compiled.bytecode_runtime) <= 24_576
    assert len(compiled.bytecode) <= 49_152
