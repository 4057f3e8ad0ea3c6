"""A pause stops new business and the clocks, never an exit; a change of links strands no job."""

from hashlib import sha256

import boa
import pytest


@pytest.fixture
def pause(network, guardian):
    return lambda: network.poi.pause(sender=guardian)


def test_pause_stops_requests_and_draws(network, exact, pause):
    job = network.request(exact)
    network.mine(3, 3)
    pause()
    with boa.reverts("circuit_breaker: paused"):
        network.poi.draw(job.id, job.salt, job.candidates)
    with boa.reverts("circuit_breaker: paused"):
        network.poi.request(exact, b"1", sha256(b"1").digest(), "", 3, 1, bytes(32))


def test_paused_job_lives_on_and_pays_out(network, exact, pause):
    job = network.started(exact)
    pause()
    network.run(job, dict.fromkeys(range(3), b"seven"))
    network.poi.claim(sender=network.client)
    network.poi.flush_fees()
    network.check()
    assert network.status(job) == network.SETTLED


def test_deadlines_stand_still_while_paused(network, exact, pause, guardian):
    job = network.started(exact)
    deadline = network.job(job).deadline
    network.mine(1, 10)
    pause()
    network.mine(1, 5_000)
    assert network.status(job) == network.COMMIT
    assert network.job(job).deadline == deadline + 5_000
    network.commit(job, 0, b"seven")
    network.poi.unpause(sender=guardian)
    network.mine(1, 21)
    assert network.status(job) == network.REVEAL


def test_challenge_stands_still_while_paused(network, court, pause):
    job = network.vote(court, b"one", b"seven", b"seven")
    pause()
    network.mine(1, 5_000)
    with boa.reverts("ProofOfInference: still open"):
        network.poi.execute_slash(job.id, 0)
    assert network.escalate(job, 0) is None  # accepted; a fresh committee is new business
    with boa.reverts("ProofOfInference: no fresh committee now"):
        network.poi.convene(job.id)
    network.check()


def test_job_keeps_to_the_contracts_it_started_with(network, exact, deploy, owner, joy):
    """Links change in the middle of a job: bonds and royalties go where they came from."""
    job = network.started(exact)
    old_market, old_coordinator = network.market, network.coordinator
    for link, path, args in [
        ("ModelMarketplace", "models/ModelMarketplace.vy", (joy, 86_400)),
        ("NodeCoordinator", "inference/NodeCoordinator.vy", (joy, 3_600, 200, 86_400)),
    ]:
        with boa.env.prank(owner):
            fresh = deploy(path, *args, owner, 1_000, 10**24)
        network.poi.propose_link(link, fresh, sender=owner)
    network.coordinator.propose_link("ProofOfInference", fresh, sender=owner)
    for seat in range(3):
        network.commit(job, seat, b"seven")
    for seat in range(3):
        network.reveal(job, seat)
    network.mine(1, 86_400)
    network.poi.apply_link("ModelMarketplace", sender=owner)
    network.poi.apply_link("NodeCoordinator", sender=owner)
    old_coordinator.apply_link("ProofOfInference", sender=owner)

    network.poi.finalise(job.id)
    assert network.status(job) == network.SETTLED
    assert old_market.account_of(exact) == network.PRICE
    for node in network.nodes.values():
        assert old_coordinator.locked_bond(node.vault) == 0
        assert old_coordinator.reputation(node.id) == 10**18  # it no longer listens to us
    network.check()
    with boa.reverts("ProofOfInference: model is not listed"):
        network.request(exact)
