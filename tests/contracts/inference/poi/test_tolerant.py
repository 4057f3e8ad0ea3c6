"""Tolerant jobs: vectors of int16, proposals, and what cannot be compared."""

import struct

import boa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

TOLERANCE = 3


def vector(*components: int) -> bytes:
    return struct.pack(f">{len(components)}h", *components)


@pytest.fixture
def tolerant(network):
    model_id = network.list_model(2, verification=network.TOLERANT, tolerance=TOLERANCE)
    network.add_nodes(5, model_id)
    return model_id


@pytest.fixture
def revealed(network, tolerant):
    """Return a function that brings a job to its propose window."""

    def _revealed(*outputs):
        job = network.started(tolerant, len(outputs))
        network.answer(job, dict(enumerate(outputs)))
        return job

    return _revealed


@pytest.fixture(scope="session")
def agree(deploy):
    return deploy("testing/VectorHarness.vy").agree


int16 = st.integers(-(2**15), 2**15 - 1)


@given(
    pair=st.integers(0, 70).flatmap(
        lambda n: st.tuples(
            st.lists(int16, min_size=n, max_size=n), st.lists(int16, min_size=n, max_size=n)
        )
    ),
    tolerance=st.integers(0, 2**16 - 1),
)
@settings(max_examples=60, deadline=None)
def test_agreement_is_l_infinity(agree, pair, tolerance):
    a, b = pair
    distance = max((abs(x - y) for x, y in zip(a, b, strict=True)), default=0)
    assert agree(vector(*a), vector(*b), tolerance) == (distance <= tolerance)
    assert agree(vector(*a), vector(*b), distance)
    if distance:
        assert not agree(vector(*a), vector(*b), distance - 1)


@given(
    components=st.lists(int16, min_size=1, max_size=70),
    data=st.data(),
    tolerance=st.integers(0, 100),
)
@settings(max_examples=60, deadline=None)
def test_one_component_past_the_tolerance_is_seen(agree, components, data, tolerance):
    at = data.draw(st.integers(0, len(components) - 1))
    moved = list(components)
    step = tolerance + 1 if components[at] < 0 else -(tolerance + 1)
    moved[at] += step
    assert not agree(vector(*components), vector(*moved), tolerance)
    assert not agree(vector(*moved), vector(*components), tolerance)
    assert agree(vector(*components), vector(*moved), tolerance + 1)


def test_extremes_and_lengths(agree):
    low, high = vector(*[-(2**15)] * 1024), vector(*[2**15 - 1] * 1024)
    assert not agree(low, high, 2**16 - 2)
    assert agree(low, high, 2**16 - 1)
    assert not agree(low, low[:-2], 2**16 - 1)
    assert not agree(b"\x00", b"\x00", 2**16 - 1)
    assert not agree(b"\x00\x00\x00", b"\x00\x00\x00", 0)
    assert agree(b"", b"", 0)


def test_close_vectors_win_and_nobody_is_slashed(network, revealed):
    job = revealed(vector(100, -5), vector(102, -7), vector(900, 900))
    assert network.status(job) == network.PROPOSE
    network.poi.propose(job.id, 0, network.outputs(job))
    assert network.poi.proposal(job.id) == (0, 2, 0b011)
    network.wait("propose")
    network.poi.finalise(job.id)
    record = network.job(job)
    assert record.status == network.SETTLED
    assert record.winner == network.members(job)[0].digest
    assert network.poi.claimable(network.node_at(job, 0).payout) == network.MAX_FEE - network.FEE
    assert network.poi.claimable(network.node_at(job, 1).payout) == network.MAX_FEE - network.FEE
    assert network.poi.claimable(network.node_at(job, 2).payout) == 0
    assert network.joy.staked(network.node_at(job, 2).vault) == network.PROVISION
    with boa.reverts("ProofOfInference: nothing to slash"):
        network.poi.execute_slash(job.id, 2)
    with boa.reverts("ProofOfInference: job is in another status"):
        network.escalate(job, 2)
    network.check()


def test_full_support_needs_no_wait(network, revealed):
    job = revealed(vector(1), vector(2), vector(4))
    network.poi.propose(job.id, 1, network.outputs(job))
    network.poi.finalise(job.id)
    assert network.status(job) == network.SETTLED
    network.check()


def test_better_proposal_replaces_in_either_order(network, revealed):
    # seat 1 agrees with 0 and 2; 0 and 2 do not agree; 3 agrees with 2 only
    outputs = [vector(0), vector(3), vector(6), vector(9), vector(500)]
    for first, second in [(0, 1), (1, 0)]:
        job = revealed(*outputs)
        network.poi.propose(job.id, first, network.outputs(job))
        if second == 1:
            network.poi.propose(job.id, second, network.outputs(job))
        else:
            with boa.reverts("ProofOfInference: not more support"):
                network.poi.propose(job.id, second, network.outputs(job))
        assert network.poi.proposal(job.id) == (1, 3, 0b00111)
        with boa.reverts("ProofOfInference: not more support"):
            network.poi.propose(job.id, 2, network.outputs(job))
        network.wait("propose")
        network.poi.finalise(job.id)
        assert network.status(job) == network.SETTLED
        network.check()


def test_best_support_below_quorum_refunds(network, revealed):
    job = revealed(vector(0), vector(3), vector(100), vector(200), vector(300))
    network.poi.propose(job.id, 0, network.outputs(job))
    network.wait("propose")
    network.poi.finalise(job.id)
    assert network.status(job) == network.REFUNDED
    network.check()


def test_no_proposal_refunds(network, revealed):
    job = revealed(vector(0), vector(0), vector(0))
    with boa.reverts("ProofOfInference: job is in another status"):
        network.poi.finalise(job.id)
    network.wait("propose")
    network.poi.finalise(job.id)
    assert network.status(job) == network.REFUNDED
    network.check()


def test_late_proposal_reverts(network, revealed):
    job = revealed(vector(0), vector(0), vector(0))
    outputs = network.outputs(job)
    network.wait("propose")
    with boa.reverts("ProofOfInference: job is in another status"):
        network.poi.propose(job.id, 0, outputs)


def test_silence_still_burns_and_proposals_go_on(network, tolerant):
    job = network.started(tolerant)
    network.answer(job, {0: vector(1), 1: vector(2)})
    assert network.status(job) == network.PROPOSE
    silent = network.node_at(job, 2)
    with boa.reverts("ProofOfInference: seat revealed no output"):
        network.poi.propose(job.id, 2, network.outputs(job))
    with boa.reverts("ProofOfInference: output of a seat without one"):
        network.poi.propose(job.id, 0, [vector(1), vector(2), vector(2)])
    network.poi.propose(job.id, 0, network.outputs(job))
    network.poi.finalise(job.id)
    assert network.joy.staked(silent.vault) == network.PROVISION - network.job(job).bond
    network.check()


def test_unavailable_majority_skips_the_proposals(network, revealed):
    job = revealed(vector(1), None, None)
    assert network.status(job) == network.READY
    network.poi.finalise(job.id)
    assert network.status(job) == network.REFUNDED
    network.check()


def test_forged_outputs_revert(network, revealed):
    job = revealed(vector(1), vector(1), vector(500))
    honest = network.outputs(job)
    for forged in [
        [vector(1), vector(1), vector(1)],
        [vector(1), vector(1), b""],
        [vector(500), vector(1), vector(1)],
    ]:
        with boa.reverts("ProofOfInference: output digest mismatch"):
            network.poi.propose(job.id, 0, forged)
    for count in (0, 2, 4):
        with boa.reverts("ProofOfInference: one output per seat"):
            network.poi.propose(job.id, 0, (honest * 2)[:count])
    for seat in (3, 44, 2**255):
        with boa.reverts("ProofOfInference: seat revealed no output"):
            network.poi.propose(job.id, seat, honest)


@pytest.mark.parametrize(
    "absurd", [b"", b"\x00", vector(1) + b"\x00", vector(1, 1), b"\xff" * 2048]
)
def test_absurd_vector_supports_only_itself(network, revealed, absurd):
    job = revealed(vector(1), vector(2), absurd)
    network.poi.propose(job.id, 2, network.outputs(job))
    assert network.poi.proposal(job.id) == (2, 1, 0b100)
    network.poi.propose(job.id, 0, network.outputs(job))
    network.wait("propose")
    network.poi.finalise(job.id)
    assert network.job(job).winner == network.members(job)[0].digest
    network.check()


def test_token_ids_agree_by_digest(network):
    """Tolerance 0 is equality, also of outputs that are not vectors (odd length)."""
    model_id = network.list_model(3, verification=network.TOLERANT, tolerance=1)
    network.add_nodes(3, model_id)
    job = network.started(model_id)
    network.answer(job, {0: b"tokens!", 1: b"tokens!", 2: b"tokens?"})
    network.poi.propose(job.id, 0, network.outputs(job))
    assert network.poi.proposal(job.id) == (0, 2, 0b011)


def test_exact_jobs_take_no_proposals(network, exact):
    job = network.started(exact)
    network.answer(job, {0: b"1", 1: b"1", 2: b"1"})
    with boa.reverts("ProofOfInference: job is in another status"):
        network.poi.propose(job.id, 0, [b"1", b"1", b"1"])
