"""What each step costs as a transaction of its own, printed with `-s`, and that the code fits."""

import sys

import boa
import pytest

EIP_170 = 24_576
BLOCK_GAS = 30_000_000


@pytest.fixture
def transact(monkeypatch):
    """Return a function that calls, prints and returns the gas that a transaction would pay.

    Titanoboa runs a session as one transaction: slots stay warm (EIP-2929) and stores are priced
    against the value at its start. Here each call gets books of its own.
    """
    state = type(boa.env.evm.vm.state)
    stored = state.get_storage

    def _transact(step, function, *args, sender):
        at_start, slots = {}, set()
        accounts = {bytes.fromhex(sender[2:]), function.contract.address.canonical_address}

        def get_storage(self, address, slot, from_journal=True):
            value = stored(self, address, slot)
            return value if from_journal else at_start.setdefault((address, slot), value)

        with monkeypatch.context() as patch:
            patch.setattr(state, "get_storage", get_storage)
            patch.setattr(state, "is_storage_warm", lambda _, *key: key in slots)
            patch.setattr(state, "mark_storage_warm", lambda _, *key: slots.add(key))
            patch.setattr(state, "is_address_warm", lambda _, account: account in accounts)
            patch.setattr(state, "mark_address_warm", lambda _, account: accounts.add(account))
            result = function(*args, sender=sender)
        computation = function.contract._computation
        data = bytes(computation.msg.data)
        used = 21_000 + sum(16 if byte else 4 for byte in data) + computation.get_gas_used()
        gas = used - min(computation.get_gas_refund(), used // 5)
        sys.stdout.write(f"\n{step:40}{gas:>12,} gas")
        assert gas < BLOCK_GAS
        return result

    return _transact


class Metered:
    """A contract whose functions go through `transact`, under their names and a label."""

    def __init__(self, contract, transact):
        self._contract, self._transact, self.label = contract, transact, ""

    def __getattr__(self, name):
        function = getattr(self._contract, name)
        if not getattr(function, "fn_ast", None) or function.fn_ast.is_view:
            return function

        def _call(*args, sender=None):
            return self._transact(
                f"{name}, {self.label}", function, *args, sender=sender or str(boa.env.eoa)
            )

        return _call


def test_deployed_code_fits_eip_170(network):
    """Immutables are part of the deployed code, so it is longer than the compiler says."""
    size = len(boa.env.evm.get_code(network.poi.address))
    sys.stdout.write(f"\nProofOfInference: {size} of {EIP_170} bytes")
    assert size <= EIP_170
