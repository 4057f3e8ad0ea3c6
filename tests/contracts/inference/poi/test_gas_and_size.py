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


VIEWS = {"job", "members", "dispute", "proposal", "claimable", "fees", "bond_of", "job_count"}


class Metered:
    """ProofOfInference, every step of it through `transact`."""

    def __init__(self, contract, transact):
        self._contract, self._transact, self.label = contract, transact, ""
        self.address = contract.address

    def __getattr__(self, name):
        function = getattr(self._contract, name)
        if name in VIEWS:
            return function
        return lambda *args, sender=None: self._transact(
            f"{name} {self.label}", function, *args, sender=sender or str(boa.env.eoa)
        )


@pytest.fixture
def metered(network, transact):
    """The network, whose steps on ProofOfInference print their gas."""
    network.poi = Metered(network.poi, transact)
    return network


def test_deployed_code_fits_eip_170(network):
    """Immutables are part of the deployed code, so it is longer than the compiler says."""
    size = len(boa.env.evm.get_code(network.poi.address))
    sys.stdout.write(f"\nProofOfInference: {size} of {EIP_170} bytes")
    assert size <= EIP_170


@pytest.mark.parametrize("n", [3, 21])
def test_gas_of_a_job(metered, exact, n):
    metered.add_nodes(n - 3, exact)
    metered.poi.label = f"n={n}"
    job = metered.vote(exact, b"one", *[b"seven"] * (n - 1), payload=bytes(64))
    metered.wait("challenge")
    metered.poi.settle(job.id)
    metered.poi.execute_slash(job.id, 0)
    metered.poi.claim_for(metered.client)


@pytest.mark.parametrize("n", [3, 21])
def test_gas_of_a_tolerant_job(metered, n):
    model_id = metered.list_model(4, verification=metered.TOLERANT, tolerance=3)
    metered.add_nodes(n, model_id)
    metered.poi.label = f"n={n}, 1,024 components"
    job = metered.started(model_id, n)
    metered.answer(job, {seat: bytes(2046) + bytes([0, seat % 3]) for seat in range(n)})
    metered.poi.propose(job.id, 0, metered.outputs(job))
    metered.poi.finalise(job.id)
    metered.check()


def test_largest_committees_fit_a_block_and_their_verdict_is_final(metered, exact):
    """21, then 43 of 64 candidates: the biggest loops there are."""
    metered.add_nodes(61, exact)
    job = metered.vote(exact, b"one", *[b"seven"] * 20)
    metered.poi.label = "n=43 of 64"
    escalation = metered.escalate(job, 0)
    metered.draw(escalation)
    metered.run(escalation, {seat: b"one" if seat < 3 else b"seven" for seat in range(43)})
    assert metered.status(escalation) == metered.SETTLED
    metered.check()
    metered.poi.settle(job.id)
    metered.poi.execute_slash(job.id, 0)
    for seat in range(3):
        metered.poi.execute_slash(escalation.id, seat)
    metered.check()
