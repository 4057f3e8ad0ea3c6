"""What each step costs as a transaction of its own, printed with `-s`, and that the code fits."""

import sys

import boa
import pytest

EIP_170 = 24_576
BLOCK_GAS = 30_000_000


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

        def call(*args, sender=None):
            receipt = self._transact(function, *args, sender=sender or str(boa.env.eoa))
            sys.stdout.write(f"\n{f'{name} {self.label}':40}{receipt.gas:>12,} gas")
            assert receipt.gas < BLOCK_GAS
            return receipt.result

        return call


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
