"""Attacks that SECURITY.md names; each one fails and costs its author."""

from hashlib import sha256

import boa
from eth_utils import keccak


def test_copied_commit_cannot_be_opened(network, exact):
    """A lazy member repeats the commitment, then the output and salt, of another one."""
    job = network.started(exact)
    network.commit(job, 0, b"seven")
    network.commit(job, 1, b"seven")
    copied = network.members(job)[0].digest
    lazy = network.operator(job, 2)
    network.poi.commit(job.id, copied, sender=lazy)
    network.reveal(job, 0)
    network.reveal(job, 1)
    for output, salt in (job.work[0], job.work[1]):
        with boa.reverts("ProofOfInference: commitment mismatch"):
            network.poi.reveal(job.id, output, salt, sender=lazy)
    network.wait("reveal")
    network.poi.finalise(job.id)
    assert network.joy.staked(network.node_at(job, 2).vault) < network.PROVISION
    network.check()


def test_commitment_of_another_chain_or_contract_does_not_open(network, exact, deploy_poi):
    job = network.started(exact)
    operator, salt = network.operator(job, 0), bytes(32)
    elsewhere = network.commitment(job, operator, sha256(b"seven").digest(), salt)
    boa.env.evm.patch.chain_id += 1
    other_chain = network.commitment(job, operator, sha256(b"seven").digest(), salt)
    boa.env.evm.patch.chain_id -= 1
    assert other_chain != elsewhere
    network.poi.commit(job.id, other_chain, sender=operator)
    network.mine(1, network.WINDOWS["commit"] + 1)
    with boa.reverts("ProofOfInference: commitment mismatch"):
        network.poi.reveal(job.id, b"seven", salt, sender=operator)


def test_64_candidates_of_one_vault_take_one_seat(deploy, deploy_poi, network, exact, owner, vault):
    sybil = deploy("testing/SybilCoordinator.vy", vault)
    poi = deploy_poi()
    poi.set_link("NodeCoordinator", sybil, sender=owner)
    poi.set_link("ModelMarketplace", network.market, sender=owner)
    network.joy.transfer(network.client, 100 * 10**18, sender=network.treasury)
    network.joy.approve(poi, 100 * 10**18, sender=network.client)
    salt = keccak(b"salt")
    job_id = poi.request(
        exact, b"1", sha256(b"1").digest(), "", 3, 10**18, keccak(salt), sender=network.client
    )
    network.mine(3, 3)
    candidates = [tuple(c) for c in sybil.candidates(exact, 0, 0)]
    assert len(candidates) == 64
    poi.draw(job_id, salt, candidates)
    assert poi.job(job_id).status == network.REFUNDED
    assert poi.claimable(network.client) == network.joy.balanceOf(poi)
    one = poi.request(
        exact, b"1", sha256(b"1").digest(), "", 1, 10**18, keccak(salt), sender=network.client
    )
    network.mine(3, 3)
    with boa.reverts("SybilCoordinator: bond locked"):
        poi.draw(one, salt, candidates)


def test_one_vault_with_64_nodes_offers_a_model_once(network, exact):
    """The real coordinator does not even list the other 63."""
    whale = network.add_node(exact)
    second = network.register_for(whale.vault)
    with boa.reverts("NodeCoordinator: vault already offers this model"):
        network.coordinator.set_offer(second, exact, 1, 0, sender=whale.vault)


def test_client_that_withholds_its_input_pays_and_gains_nothing(network, exact):
    """Input by a CID that nobody can fetch: nodes vote UNAVAILABLE; a silent one burns its bond."""
    before = network.joy.balanceOf(network.client)
    job = network.request(exact, cid="bafy-nobody-has-it", payload=b"hidden")
    paid = before + 3 * network.MAX_FEE + network.PRICE + network.DRAW_BOND
    network.draw(job)
    silent = network.node_at(job, 2)
    supply = network.joy.totalSupply()
    network.run(job, {0: None, 1: None})
    assert network.status(job) == network.REFUNDED
    got = network.poi.claimable(network.client)
    assert got == paid - before - 2 * network.GAS_ALLOWANCE
    for seat in (0, 1):
        node = network.node_at(job, seat)
        assert network.poi.claimable(node.payout) == network.GAS_ALLOWANCE
        assert network.joy.staked(node.vault) == network.PROVISION
    bond = network.job(job).bond
    assert network.joy.staked(silent.vault) == network.PROVISION - bond
    assert network.joy.totalSupply() == supply - bond
    network.check()


def test_allowance_is_never_more_than_the_fee(network, exact):
    job = network.vote(exact, None, None, None, max_fee=network.MAX_FEE, payload=b"x")
    assert network.poi.claimable(network.node_at(job, 0).payout) == network.GAS_ALLOWANCE
    network.check()
    cheap = network.list_model(7, price=0)
    network.add_nodes(3, cheap, price=100)
    job = network.vote(cheap, None, None, None, max_fee=100)
    assert network.poi.claimable(network.node_at(job, 0).payout) == 100
    network.check()


def test_salt_is_fixed_before_the_block_hash_is_known(network, exact):
    """A client that tries salts until it likes the committee finds only one that opens."""
    network.add_nodes(4, exact)
    job = network.request(exact)
    network.mine(3, 3)
    for guess in range(8):
        with boa.reverts("ProofOfInference: wrong salt or candidates"):
            network.poi.draw(job.id, keccak(bytes([guess])), job.candidates)
    network.poi.draw(job.id, job.salt, job.candidates)
    assert network.status(job) == network.COMMIT


def test_dropped_draw_costs_the_client_its_bond_every_time(network, exact):
    """Grinding by dropping draws: a job each, and the draw bond of each is gone."""
    supply = network.joy.totalSupply()
    for _ in range(3):
        job = network.request(exact)
        network.mine(259, 300)
        network.poi.expire(job.id)
    assert network.joy.totalSupply() == supply - 3 * network.DRAW_BOND
    network.check()


def test_escalation_is_drawn_by_anyone_so_nobody_can_drop_it(network, court, stranger):
    job = network.vote(court, b"one", b"seven", b"seven")
    escalation = network.escalate(job, 0)
    network.mine(3, 3)
    network.poi.draw(escalation.id, bytes(32), escalation.candidates, sender=stranger)
    assert network.status(escalation) == network.COMMIT


def test_unbonding_does_not_escape_a_slash(network, court):
    job = network.vote(court, b"one", b"seven", b"seven")
    liar, bond = network.node_at(job, 0), network.job(job).bond
    network.joy.request_deprovision(network.coordinator, network.PROVISION, sender=liar.vault)
    network.wait("challenge")
    network.poi.execute_slash(job.id, 0)
    assert network.joy.staked(liar.vault) == network.PROVISION - bond
    network.check()


def test_racing_proposals_end_with_the_best_support(network):
    """Two colluders propose each other first, again and again; the honest three win."""
    model_id = network.list_model(9, verification=network.TOLERANT, tolerance=1)
    network.add_nodes(5, model_id)
    job = network.started(model_id, 5)
    honest, lie = b"\x00\x05", b"\x7f\x00"
    network.answer(job, {0: lie, 1: lie, 2: honest, 3: honest, 4: honest})
    outputs = network.outputs(job)
    network.poi.propose(job.id, 0, outputs)
    for seat in (0, 1):
        with boa.reverts("ProofOfInference: not more support"):
            network.poi.propose(job.id, seat, outputs)
    network.poi.propose(job.id, 2, outputs)
    with boa.reverts("ProofOfInference: not more support"):
        network.poi.propose(job.id, 0, outputs)
    network.wait("propose")
    network.poi.finalise(job.id)
    assert network.job(job).winner == network.members(job)[2].digest
    assert network.poi.claimable(network.node_at(job, 0).payout) == 0
    network.check()
