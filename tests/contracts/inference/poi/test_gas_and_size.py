"""What each step costs, printed with `-s`; and that the contract can be deployed at all."""

import boa
import pytest

EIP_170 = 24_576


def gas_of(call) -> int:
    call()
    return boa.env.last_computation.get_gas_used()


def test_deployed_code_fits_eip_170(network):
    """Immutables are part of the deployed code, so it is longer than the compiler says."""
    size = len(boa.env.evm.get_code(network.poi.address))
    print(f"\nProofOfInference: {size} of {EIP_170} bytes")
    assert size <= EIP_170


@pytest.mark.parametrize("n", [3, 21])
def test_gas_of_a_job(network, exact, n):
    network.add_nodes(n - 3, exact)
    job = network.request(exact, n, payload=bytes(64))
    print(f"\nrequest  n={n}: {boa.env.last_computation.get_gas_used():>9,}")
    network.mine(3, 3)
    steps = {"draw": lambda: network.poi.draw(job.id, job.salt, job.candidates)}
    for name, step in steps.items():
        print(f"{name:8} n={n}: {gas_of(step):>9,}")
    outputs = [b"seven"] * n
    outputs[0] = b"one"
    for seat in range(n):
        network.commit(job, seat, outputs[seat])
    print(f"commit   n={n}: {boa.env.last_computation.get_gas_used():>9,}")
    for seat in range(n):
        network.reveal(job, seat)
    print(f"reveal   n={n}: {boa.env.last_computation.get_gas_used():>9,}")
    print(f"finalise n={n}: {gas_of(lambda: network.poi.finalise(job.id)):>9,} (one lie)")
    network.wait("challenge")
    print(f"settle   n={n}: {gas_of(lambda: network.poi.settle(job.id)):>9,}")
    slash = gas_of(lambda: network.poi.execute_slash(job.id, 0))
    print(f"slash    n={n}: {slash:>9,}")
    claim = gas_of(lambda: network.poi.claim_for(network.client))
    print(f"claim    n={n}: {claim:>9,}")
    network.check()


@pytest.mark.parametrize("n", [3, 21])
def test_gas_of_a_proposal(network, n):
    model_id = network.list_model(4, verification=network.TOLERANT, tolerance=3)
    network.add_nodes(n, model_id)
    job = network.started(model_id, n)
    network.answer(job, {seat: bytes(2046) + bytes([0, seat % 3]) for seat in range(n)})
    outputs = network.outputs(job)
    gas = gas_of(lambda: network.poi.propose(job.id, 0, outputs))
    print(f"\npropose  n={n}, 1,024 int16: {gas:>9,}")
    network.poi.finalise(job.id)
    network.check()


def test_gas_of_an_escalation(network, court):
    job = network.vote(court, b"one", b"seven", b"seven")
    escalation = network.escalate(job, 0)
    print(f"\nescalate n=3: {boa.env.last_computation.get_gas_used():>9,}")
    network.draw(escalation)
    print(f"draw     n=7: {boa.env.last_computation.get_gas_used():>9,} (of 25)")
    network.check()


def test_longest_chain_of_the_largest_committees(network, exact):
    """21, then 43 of 64 candidates: the biggest loops there are, and the last resort is final."""
    network.add_nodes(61, exact)
    job = network.vote(exact, *([b"one"] + [b"seven"] * 20))
    escalation = network.escalate(job, 0)
    network.draw(escalation)
    print(f"\ndraw     n=43: {boa.env.last_computation.get_gas_used():>9,} (of 64)")
    network.answer(escalation, {seat: b"one" if seat < 3 else b"seven" for seat in range(43)})
    print(f"finalise n=43: {gas_of(lambda: network.poi.finalise(escalation.id)):>9,}")
    assert network.status(escalation) == network.SETTLED
    network.check()
    network.poi.settle(job.id)
    network.poi.execute_slash(job.id, 0)
    for seat in range(3):
        network.poi.execute_slash(escalation.id, seat)
    network.check()
