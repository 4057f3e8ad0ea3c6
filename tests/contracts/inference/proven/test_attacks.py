"""Clients that want a node's bond, nodes that want a client's money, and thieves of proofs."""

import boa
import pytest
from eth_abi import encode
from eth_utils import keccak


def refused(reason: str):
    return boa.reverts(f"ProvenInference: {reason}")


@pytest.mark.parametrize(
    "field",
    [
        {"payee": "0x" + "66" * 20},
        {"job_id": 2},
        {"salt": b"\x01" * 32},
        {"model_id": b"\x02" * 32},
        {"circuit_id": b"\x03" * 32},
        {"input": bytes(64)},
        {"output": b"\x08" * 10},
        {"input_commitment": (11, 22)},
        {"output_commitment": (33, 44)},
    ],
    ids=lambda field: next(iter(field)),
)
def test_proof_of_another_statement_is_false(prover, model, node, field):
    """Every field comes from storage, so a proof is good for one job and one payee."""
    order = prover.started(model, node)
    assert prover.submit(order, proof=prover.prove(order, **field)) is False
    assert prover.status(order) == prover.FAILED


def test_proof_is_not_replayed_to_the_next_job(prover, model, node):
    first, second = prover.request(model, node), prover.request(model, node)
    prover.mine(1, 1)
    proof = prover.prove(first)
    assert prover.submit(first, proof=proof) is True
    with refused("job is not open"):
        prover.submit(first, proof=proof)
    assert prover.submit(second, proof=proof) is False
    prover.check()


def test_thief_of_a_proof_gets_nothing(prover, model, node):
    """A second node of the same model copies a proof from the mempool into its own job."""
    thief = prover.network.add_node(model)
    prover.offer(thief, model)
    order, own = prover.request(model, node), prover.request(model, thief)
    prover.mine(1, 1)
    proof = prover.prove(order)
    with refused("caller is not the node's operator"):
        prover.submit(order, proof=proof, sender=thief.operator)
    assert prover.submit(own, proof=proof) is False
    assert prover.submit(order, proof=proof) is True
    assert prover.proven.claimable(thief.payout) == 0


def test_salt_is_unknown_when_the_client_chooses_its_input(prover, model, node):
    order = prover.request(model, node)
    assert prover.proven.salt_of(order.id) == bytes(32)  # in the block of the request
    with refused("salt mismatch"):
        prover.submit(order, salt=bytes(32), proof=b"")
    with refused("too early"):
        prover.proven.fix_salt(order.id)
    block = prover.job(order).request_block
    prover.mine(1, 1)
    expected = keccak(
        encode(
            ["uint256", "address", "uint256", "bytes32", "bytes32"],
            [
                boa.env.evm.patch.chain_id,
                prover.proven.address,
                order.id,
                prover.SALT,
                prover.network.blockhash(block),
            ],
        )
    )
    assert prover.proven.salt_of(order.id) == expected


def test_reorganised_block_costs_no_bond(prover, model, node):
    """The salt changes with the block's hash; a proof for the old one is sent back, not judged."""
    order = prover.started(model, node)
    salt, proof = prover.proven.salt_of(order.id), prover.prove(order)
    prover.network.shake(b"another branch")
    with refused("salt mismatch"):
        prover.submit(order, salt=salt, proof=proof)
    assert prover.submit(order) is True


def test_fixed_salt_outlives_the_block_hashes(prover, model, node, stranger):
    prover.offer(node, model, seconds=86_400)
    order = prover.started(model, node)
    salt, proof = prover.proven.salt_of(order.id), prover.prove(order)
    prover.mine(200, 200)
    prover.proven.fix_salt(order.id, sender=stranger)
    prover.mine(300, 300)
    assert prover.proven.salt_of(order.id) == salt
    with refused("salt is fixed"):
        prover.proven.fix_salt(order.id)
    assert prover.submit(order, proof=proof) is True


def test_salt_that_nobody_fixed_is_rolled_anew(prover, model, node):
    prover.offer(node, model, seconds=86_400)
    order = prover.started(model, node)
    old, proof = prover.proven.salt_of(order.id), prover.prove(order)
    prover.mine(255, 255)
    assert prover.proven.salt_of(order.id) != bytes(32)
    prover.mine(1, 1)
    assert prover.proven.salt_of(order.id) == bytes(32)
    with refused("salt mismatch"):
        prover.submit(order, salt=old, proof=proof)
    prover.proven.fix_salt(order.id)
    assert prover.proven.salt_of(order.id) not in (bytes(32), old)
    assert prover.submit(order) is True
    with refused("job is not open"):
        prover.proven.fix_salt(order.id)


@pytest.mark.parametrize("gas", [1_000_000, 1_500_000, 2_000_000, 2_080_000])
def test_starved_verifier_never_makes_a_proof_false(prover, model, node, gas):
    """Whoever sends too little gas gets a revert; the job stays as it was."""
    order = prover.started(model, node)
    salt, proof = prover.proven.salt_of(order.id), prover.prove(order)
    arguments = (order.id, salt, order.data, prover.OUTPUT, prover.NO_POINT, proof)
    with refused("not enough gas to verify"):
        prover.proven.submit(*arguments, sender=node.operator, gas=gas)
    assert prover.status(order) == prover.OPEN
    assert prover.proven.submit(*arguments, sender=node.operator, gas=3_000_000) is True


@pytest.mark.parametrize("mode", [1, 2])
def test_verifier_that_fails_judges_nobody(prover, model, node, mode):
    order = prover.started(model, node)
    prover.verifier.set_mode(mode)
    with boa.reverts():
        prover.submit(order)
    assert prover.status(order) == prover.OPEN
    prover.verifier.set_mode(0)
    assert prover.submit(order) is True


def test_largest_proof_gets_all_of_its_gas(prover, model, node):
    """The margin pays for handing 12,288 bytes to the verifier, so no call is capped."""
    output = bytes(4_096)
    prover.offer(node, model, output_size=len(output))
    order = prover.started(model, node)
    prover.verifier.set_mode(1)  # it fails at once: all that counts is what it was given
    salt, arguments = prover.proven.salt_of(order.id), (output, prover.NO_POINT, bytes(12_288))
    for gas in range(2_200_000, 2_050_000, -5_000):  # down to where the contract refuses
        with boa.reverts():
            prover.proven.submit(
                order.id, salt, order.data, *arguments, sender=node.operator, gas=gas
            )
        verifier = prover.verifier.address.canonical_address
        calls = [c for c in prover.proven._computation.children if c.msg.to == verifier]
        if not calls:
            break
        assert calls[0].msg.gas == prover.VERIFY_GAS
    assert gas < 2_200_000


def test_client_cannot_lock_more_than_the_node_allows(prover, model, node):
    orders = [prover.request(model, node) for _ in range(3)]
    with refused("node has too many open jobs"):
        prover.request(model, node)
    other = prover.network.list_model(2)  # the count is the node's, not the model's
    prover.circuit(other)
    prover.network.coordinator.set_offer(node.id, other, 0, 0, sender=node.vault)
    prover.offer(node, other)
    with refused("node has too many open jobs"):
        prover.request(other, node)
    prover.mine(1, 1)
    assert prover.submit(orders[1]) is True
    prover.request(other, node)
    prover.check()


def test_client_that_sent_junk_waits(prover, model, long_node, actor):
    """It cannot fill a node's queue with inputs that are not what they say, over and over."""
    junk = {"data": prover.LONG_INPUT, "commitment": prover.C_X}
    order = prover.started(model, long_node, **junk)
    prover.proven.refuse(order.id, sender=long_node.operator)
    with refused("node refused a job of yours lately"):
        prover.request(model, long_node, **junk)
    somebody = actor("another client")
    prover.request(model, long_node, client=somebody, **junk)
    prover.mine(1, prover.COOLDOWN)
    prover.request(model, long_node, **junk)
    prover.check()


def test_failed_job_enriches_nobody(prover, model, node, joy):
    """A client that runs the node too, or brings it down, gains nothing by a burned bond."""
    order = prover.started(model, node)
    before = joy.balanceOf(prover.client)
    prover.submit(order, proof=b"")
    prover.proven.claim_for(prover.client)
    prover.proven.claim_for(node.vault)
    assert joy.balanceOf(prover.client) == before + prover.FEE + prover.PRICE
    assert joy.balanceOf(node.vault) == 0


def test_stake_on_its_way_out_still_stands_for_open_jobs(prover, model, node, joy):
    order = prover.started(model, node)
    bond = prover.job(order).bond
    joy.request_deprovision(prover.network.coordinator, prover.network.PROVISION, sender=node.vault)
    supply = joy.totalSupply()
    prover.mine(1, prover.SECONDS)
    prover.proven.expire(order.id)
    assert joy.totalSupply() == supply - bond


def test_terms_of_a_replaced_verifier_are_void(prover, model, node, deploy, owner):
    """A new verifier has other circuits: a node must check those before it is held to them."""
    order = prover.started(model, node)
    successor = deploy("testing/EchoVerifier.vy")
    prover.proven.propose_link("InferenceVerifier", successor, sender=owner)
    prover.mine(1, prover.proven.LINK_DELAY())
    with boa.env.anchor():
        prover.proven.apply_link("InferenceVerifier", sender=owner)
        assert prover.proven.terms(node.id, model).circuit_id == bytes(32)
        with refused("node proves no such model"):
            prover.request(model, node)
        successor.register(model, b"\x05" * 32)
        with refused("not the model's circuit"):
            prover.offer(node, model)
        prover.proven.set_terms(
            node.id, model, prover.terms(model, circuit_id=b"\x05" * 32), sender=node.vault
        )
        assert prover.proven.job(order.id).status == prover.OPEN


def test_open_job_keeps_its_verifier(prover, model, node, deploy, owner):
    prover.offer(node, model, seconds=86_400)
    order = prover.started(model, node)
    prover.proven.fix_salt(order.id)
    successor = deploy("testing/EchoVerifier.vy")
    successor.set_mode(1)
    prover.proven.propose_link("InferenceVerifier", successor, sender=owner)
    prover.mine(1, 86_400 - 10)
    with boa.reverts("links: delay not over"):
        prover.proven.apply_link("InferenceVerifier", sender=owner)
    prover.proven.pause(sender=owner)  # the job's clock stands still meanwhile
    prover.mine(1, 100)
    prover.proven.apply_link("InferenceVerifier", sender=owner)
    assert prover.submit(order) is True
