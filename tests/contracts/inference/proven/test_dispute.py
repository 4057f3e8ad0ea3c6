"""A proof ends a committee's dispute for good, whoever the majority was."""

import boa
import pytest

from .conftest import DISPUTE

TRUTH, LIE, PAYLOAD = b"\x07" * 10, b"\x09" * 10, b"\x01\x02"


def refused(reason: str):
    return boa.reverts(f"ProvenInference: {reason}")


@pytest.fixture
def court(prover, model):
    """Enough nodes for a committee of 3 and one of 7; the circuit is known for long enough."""
    prover.network.add_nodes(10, model)
    prover.mine(1, prover.CIRCUIT_AGE)
    return model


@pytest.fixture
def ready(prover, court):
    """Return a function that runs a committee on outputs and fixes the salt of its dispute."""

    def _ready(*outputs):
        job = prover.network.vote(court, *outputs, payload=PAYLOAD)
        assert prover.network.status(job) == prover.network.DISPUTED
        prover.mine(1, 1)
        prover.proven.fix_dispute_salt(job.id)
        return job

    return _ready


def test_lone_honest_member_beats_a_colluding_majority(prover, ready, joy):
    network, job = prover.network, ready(TRUTH, LIE, LIE)
    honest = network.node_at(job, 0)
    prover.prove_dispute(job, TRUTH, honest.vault)
    assert network.status(job) == network.SETTLED
    assert network.free(honest) == network.PROVISION
    for seat in (1, 2):
        network.poi.execute_slash(job.id, seat)
    reward = network.job(job).bond * 2_500 // 10_000
    assert network.poi.claimable(honest.vault) == 2 * reward
    with boa.reverts("ProofOfInference: nothing to slash"):
        network.poi.execute_slash(job.id, 0)
    network.check()


def test_proof_confirms_an_honest_majority(prover, ready, stranger):
    network, job = prover.network, ready(LIE, TRUTH, TRUTH)
    prover.prove_dispute(job, TRUTH, stranger)
    network.poi.execute_slash(job.id, 0)
    with boa.reverts("ProofOfInference: nothing to slash"):
        network.poi.execute_slash(job.id, 1)
    network.check()


def test_settled_by_proof_is_final(prover, ready):
    network, job = prover.network, ready(LIE, TRUTH, TRUTH)
    prover.prove_dispute(job, TRUTH, prover.client)
    liar = network.node_at(job, 0)
    network.give(liar.vault, network.job(job).bond)
    with boa.reverts("ProofOfInference: job is in another status"):
        network.poi.escalate(job.id, sender=liar.vault)
    with boa.reverts("ProofOfInference: job is in another status"):
        network.poi.settle(job.id)
    with refused("job is not disputed"):
        prover.prove_dispute(job, LIE, liar.vault)


def test_digest_that_nobody_revealed_condemns_all(prover, ready):
    network, job = prover.network, ready(b"\x01" * 10, LIE, LIE)
    prover.prove_dispute(job, TRUTH, prover.client)
    for seat in range(3):
        network.poi.execute_slash(job.id, seat)
    network.check()


def test_vindicated_escalation_gets_its_bond_back(prover, ready):
    """A proof comes while the fresh committee is at work: the unspent rest is burned, and made
    good out of the slashes of those who lied."""
    network, job = prover.network, ready(TRUTH, LIE, LIE)
    vault, bond = network.node_at(job, 0).vault, network.job(job).bond
    escalation = network.escalate(job, 0)
    network.draw(escalation)
    prover.prove_dispute(job, TRUTH, vault)
    assert network.poi.claimable(vault) == bond - 7 * network.MAX_FEE
    network.run(escalation, dict.fromkeys(range(7)))  # all say UNAVAILABLE: it is refunded
    assert network.status(escalation) == network.REFUNDED
    network.check()
    for seat in (1, 2):
        network.poi.execute_slash(job.id, seat)
    assert network.poi.claimable(vault) == bond - 7 * network.MAX_FEE + 2 * (bond // 4)
    network.check()


def test_lying_escalation_loses_its_bond_to_a_proof(prover, ready, joy):
    network, job = prover.network, ready(LIE, TRUTH, TRUTH)
    vault = network.node_at(job, 0).vault
    escalation = network.escalate(job, 0)
    network.draw(escalation)
    supply, left = joy.totalSupply(), network.poi.dispute(job.id).escrow
    prover.prove_dispute(job, TRUTH, network.node_at(job, 1).vault)
    assert joy.totalSupply() == supply - left
    assert network.poi.claimable(vault) == 0
    network.run(escalation, dict.fromkeys(range(7), TRUTH))
    network.wait("challenge")
    network.poi.settle(escalation.id)
    assert network.job(job).winner == network.job(escalation).winner
    network.check()


def test_committee_cannot_overturn_a_proof(prover, ready):
    network, job = prover.network, ready(TRUTH, LIE, LIE)
    escalation = network.escalate(job, 0)
    network.draw(escalation)
    prover.prove_dispute(job, TRUTH, prover.client)
    winner = network.job(job).winner
    network.run(escalation, dict.fromkeys(range(7), LIE))
    network.wait("challenge")
    network.poi.settle(escalation.id)
    assert network.job(job).winner == winner
    with boa.reverts("ProofOfInference: nothing to slash"):
        network.poi.execute_slash(job.id, 0)
    network.check()


def test_proof_of_a_later_committee_settles_those_above(prover, ready):
    network, job = prover.network, ready(TRUTH, LIE, LIE)
    escalation = network.escalate(job, 0)
    network.draw(escalation)
    network.run(escalation, {seat: LIE if seat else TRUTH for seat in range(7)})
    prover.mine(1, 1)
    prover.proven.fix_dispute_salt(escalation.id)
    prover.prove_dispute(escalation, TRUTH, prover.client)
    network.poi.settle(job.id)
    assert network.job(job).winner == network.job(escalation).winner
    network.poi.execute_slash(job.id, 1)
    network.check()


def test_only_the_linked_contract_settles(prover, ready, stranger):
    job = ready(LIE, TRUTH, TRUTH)
    with boa.reverts("ProofOfInference: not ProvenInference"):
        prover.network.poi.settle_by_proof(job.id, bytes(32), sender=stranger)


def test_false_proof_of_a_dispute_changes_nothing(prover, ready, stranger):
    job = ready(TRUTH, LIE, LIE)
    salt = prover.proven.dispute_salt(job.id)
    for statement in (
        prover.dispute_statement(job, TRUTH, stranger, payee=prover.client),
        prover.dispute_statement(job, TRUTH, stranger, job_id=job.id),  # a proven job's id
        prover.dispute_statement(job, TRUTH, stranger, job_id=DISPUTE + job.id + 1),
        prover.dispute_statement(job, LIE, stranger),
    ):
        proof = prover.verifier.proof_of(statement)
        with refused("proof does not hold"):
            prover.proven.prove_dispute(job.id, salt, PAYLOAD, TRUTH, proof, sender=stranger)
    with refused("input digest mismatch"):
        prover.prove_dispute(job, TRUTH, stranger, payload=b"\x01\x03")
    with refused("salt mismatch"):
        prover.proven.prove_dispute(job.id, bytes(32), PAYLOAD, TRUTH, b"", sender=stranger)
    with refused("not enough gas to verify"):
        prover.proven.prove_dispute(job.id, salt, PAYLOAD, TRUTH, b"", sender=stranger, gas=10**6)
    assert prover.network.status(job) == prover.network.DISPUTED


def test_commitment_to_zeros_is_no_output(prover, ready, stranger):
    """A circuit that commits to its output proves zeros with an empty one: the verifier is right,
    sha256 of nothing is not the digest of those zeros."""
    job = ready(TRUTH, TRUTH, b"\x01")
    with refused("empty input or output"):
        prover.prove_dispute(job, b"", stranger)
    assert prover.network.status(job) == prover.network.DISPUTED


def test_circuit_must_have_been_known_for_long(prover, court):
    """Its publisher could register a circuit of another model to have honest nodes slashed."""
    job = prover.network.vote(court, TRUTH, LIE, LIE, payload=PAYLOAD)
    with refused("job is not disputed"):
        prover.proven.fix_dispute_salt(job.id + 1)
    prover.circuit(court, "made for this dispute")
    prover.mine(1, prover.CIRCUIT_AGE - 1)
    with refused("circuit is too new"):
        prover.proven.fix_dispute_salt(job.id)
    prover.verifier.register(court, bytes(32))
    with refused("model has no circuit"):
        prover.proven.fix_dispute_salt(job.id)


def test_salt_of_a_dispute_is_younger_than_its_circuit(prover, ready, court):
    job = ready(TRUTH, LIE, LIE)
    first = prover.proven.dispute_salt(job.id)
    with refused("salt is fixed"):
        prover.proven.fix_dispute_salt(job.id)
    prover.mine(300, 1)
    assert prover.proven.dispute_salt(job.id) == first
    prover.circuit(court, "another one")
    prover.mine(1, prover.CIRCUIT_AGE)
    assert prover.proven.dispute_salt(job.id) == bytes(32)
    with refused("salt mismatch"):
        prover.prove_dispute(job, TRUTH, prover.client)
    prover.proven.fix_dispute_salt(job.id)
    assert prover.proven.dispute_salt(job.id) not in (bytes(32), first)
