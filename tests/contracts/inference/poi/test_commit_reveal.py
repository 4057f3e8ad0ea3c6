"""Commits and reveals: windows, who may, and what does not open."""

import boa
import pytest


@pytest.fixture
def job(network, exact):
    return network.started(exact)


def test_all_commits_open_the_reveals_early(network, job):
    for seat in range(3):
        assert network.status(job) == network.COMMIT
        network.commit(job, seat, b"seven")
    record = network.job(job)
    assert record.status == network.REVEAL
    assert record.deadline == boa.env.evm.patch.timestamp + network.WINDOWS["reveal"]


def test_windows_are_the_constructor_arguments(network, job):
    record = network.job(job)
    assert record.deadline == boa.env.evm.patch.timestamp + network.WINDOWS["commit"]
    network.commit(job, 0, b"seven")
    network.mine(1, network.WINDOWS["commit"])
    assert network.status(job) == network.COMMIT
    network.mine(1, 1)
    assert network.status(job) == network.REVEAL
    assert network.job(job).deadline == record.deadline + network.WINDOWS["reveal"]
    network.mine(1, network.WINDOWS["reveal"])
    assert network.status(job) == network.READY


def test_stranger_cannot_commit_or_reveal(network, job, stranger):
    with boa.reverts("ProofOfInference: not a member"):
        network.poi.commit(job.id, bytes(32), sender=stranger)
    vault = network.members(job)[0].vault
    with boa.reverts("ProofOfInference: not a member"):
        network.poi.commit(job.id, bytes(32), sender=vault)
    for seat in range(3):
        network.commit(job, seat, b"seven")
    with boa.reverts("ProofOfInference: not a member"):
        network.poi.reveal(job.id, b"seven", bytes(32), sender=stranger)


def test_second_commit_reverts(network, job):
    network.commit(job, 0, b"seven")
    with boa.reverts("ProofOfInference: committed before"):
        network.commit(job, 0, b"one")


def test_late_commit_reverts(network, job):
    network.mine(1, network.WINDOWS["commit"] + 1)
    with boa.reverts("ProofOfInference: job is in another status"):
        network.commit(job, 0, b"seven")


def test_reveal_before_all_commits_reverts(network, job):
    network.commit(job, 0, b"seven")
    network.commit(job, 1, b"seven")
    with boa.reverts("ProofOfInference: job is in another status"):
        network.reveal(job, 0)
    with boa.reverts("ProofOfInference: job is in another status"):
        network.poi.reveal_unavailable(job.id, bytes(32), sender=network.operator(job, 0))


def test_late_reveal_reverts(network, job):
    for seat in range(3):
        network.commit(job, seat, b"seven")
    network.wait("reveal")
    with boa.reverts("ProofOfInference: job is in another status"):
        network.reveal(job, 0)


def test_member_without_a_commit_cannot_reveal(network, job):
    network.commit(job, 0, b"seven")
    network.mine(1, network.WINDOWS["commit"] + 1)
    with boa.reverts("ProofOfInference: nothing to reveal"):
        network.poi.reveal(job.id, b"seven", bytes(32), sender=network.operator(job, 1))


def test_second_reveal_reverts(network, job):
    for seat in range(3):
        network.commit(job, seat, b"seven")
    network.reveal(job, 0)
    with boa.reverts("ProofOfInference: nothing to reveal"):
        network.reveal(job, 0)


def test_reveal_of_another_output_or_salt_reverts(network, job):
    for seat in range(3):
        network.commit(job, seat, b"seven")
    operator = network.operator(job, 0)
    salt = job.work[0][1]
    for output, opening in [(b"one", salt), (b"seven", bytes(32)), (b"", salt)]:
        with boa.reverts("ProofOfInference: commitment mismatch"):
            network.poi.reveal(job.id, output, opening, sender=operator)
    with boa.reverts("ProofOfInference: commitment mismatch"):
        network.poi.reveal_unavailable(job.id, salt, sender=operator)


def test_commitment_of_another_job_does_not_open(network, exact, job):
    for seat in range(3):
        network.commit(job, seat, b"seven")
    other = network.started(exact)
    operator = network.operator(job, 0)
    stolen = network.members(job)[0].digest
    network.poi.commit(other.id, stolen, sender=operator)
    network.mine(1, network.WINDOWS["commit"] + 1)
    with boa.reverts("ProofOfInference: commitment mismatch"):
        network.poi.reveal(other.id, b"seven", job.work[0][1], sender=operator)


def test_revealed_output_is_in_the_event(network, job):
    for seat in range(3):
        network.commit(job, seat, bytes(range(256)) * 8)
    network.reveal(job, 2)
    event = next(e for e in network.poi.get_logs() if type(e).__name__ == "Revealed")
    assert event.output == bytes(range(256)) * 8
    assert event.node_id == network.members(job)[2].node_id
    assert event.digest == network.members(job)[2].digest


def test_rotation_in_the_middle_of_a_job_keeps_the_seat(network, exact, job, actor):
    node, rotated = network.node_at(job, 0), actor("rotated")
    network.rotate_operator(node, rotated)
    with boa.reverts("ProofOfInference: not a member"):
        network.poi.commit(job.id, bytes(32), sender=rotated)
    network.run(job, dict.fromkeys(range(3), b"seven"))
    assert network.status(job) == network.SETTLED
    assert rotated in {c.operator for c in network.coordinator.candidates(exact, 10**20, 1)}


def test_finalise_before_its_time_reverts(network, job):
    with boa.reverts("ProofOfInference: job is in another status"):
        network.poi.finalise(job.id)
    for seat in range(3):
        network.commit(job, seat, b"seven")
    network.reveal(job, 0)
    network.reveal(job, 1)
    with boa.reverts("ProofOfInference: job is in another status"):
        network.poi.finalise(job.id)
