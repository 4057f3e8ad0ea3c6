"""Every refusal, with its text."""

from hashlib import sha256

import boa
import pytest

LONG_DIGEST = sha256(bytes(range(256)) * 4).digest()


def refused(reason: str):
    return boa.reverts(f"ProvenInference: {reason}")


def test_constructor_checks_the_rules(deploy_proven):
    for reason, changed in (
        ("fee too high", {"fee_bps": 501}),
        ("bond out of range", {"min_bond": 0}),
        ("bond out of range", {"min_bond": 2**88}),
        ("verifier needs more gas", {"verify_gas": 10**6 - 1}),
        ("circuit age is zero", {"circuit_age": 0}),
    ):
        with refused(reason):
            deploy_proven(**changed)


def test_terms_are_the_nodes_own(prover, model, node, stranger):
    with refused("caller is not the vault or operator"):
        prover.proven.set_terms(node.id, model, prover.terms(model), sender=stranger)
    with refused("caller is not the vault or operator"):
        prover.proven.set_terms(99, model, prover.terms(model), sender=stranger)
    with refused("caller is not the vault or operator"):
        prover.proven.remove_terms(node.id, model, sender=stranger)
    prover.proven.remove_terms(node.id, model, sender=node.vault)
    with refused("no such terms"):
        prover.proven.remove_terms(node.id, model, sender=node.vault)


def test_terms_are_in_range(prover, model, node):
    for reason, changed in (
        ("zero circuit id", {"circuit_id": bytes(32)}),
        ("not the model's circuit", {"circuit_id": b"\x01" * 32}),
        ("fee too big", {"fee": 2**88}),
        ("seconds out of range", {"seconds": 9}),
        ("seconds out of range", {"seconds": 86_401}),
        ("open jobs out of range", {"max_open": 0}),
        ("open jobs out of range", {"max_open": 1_001}),
        ("unknown input kind", {"input_kind": 3}),
        ("input size out of range", {"input_size": 0}),
        ("input size out of range", {"input_size": 2**20 + 1, "input_kind": 1}),
        ("input above 256 bytes is committed", {"input_size": 257}),
        ("input above 256 bytes is committed", {"input_size": 256, "input_kind": 1}),
        ("output size out of range", {"output_size": 0}),
        ("output size out of range", {"output_size": 4_097}),
    ):
        with refused(reason):
            prover.offer(node, model, **changed)
    assert prover.proven.terms(node.id, model) == prover.terms(model)


def test_request_refuses_what_the_node_did_not_offer(prover, model, node, client):
    for reason, changed in (
        ("node asks a higher fee", {"max_fee": prover.FEE - 1}),
        ("input has another size", {"data": bytes(63)}),
        ("give the input or its CID", {"input": b""}),
        ("give the input or its CID", {"cid": "bafy"}),
        ("input digest mismatch", {"digest": bytes(32)}),
        ("this input is given inline", {"input": b"", "cid": "bafy"}),
        ("this input has no commitment", {"commitment": prover.C_X}),
        ("this input has no commitment", {"commitment": (0, 1)}),
    ):
        with refused(reason):
            prover.request(model, node, **changed)
    other = prover.network.list_model(2)
    with refused("node proves no such model"):
        prover.request(other, node)


def test_request_needs_model_node_and_offer(prover, model, node):
    network = prover.network
    network.market.delist(model, sender=network.publisher)
    with refused("model is not listed"):
        prover.request(model, node)
    network.market.relist(model, sender=network.publisher)
    network.coordinator.set_active(node.id, False, sender=node.operator)
    with refused("node does not offer the model"):
        prover.request(model, node)
    network.coordinator.set_active(node.id, True, sender=node.operator)
    network.coordinator.remove_offer(node.id, model, sender=node.operator)
    with refused("node does not offer the model"):
        prover.request(model, node)


def test_request_needs_an_exact_model_of_sane_price(prover, node):
    network = prover.network
    tolerant = network.list_model(2, verification=network.TOLERANT, tolerance=3)
    prover.circuit(tolerant)
    prover.offer(node, tolerant)
    with refused("model is not exact"):
        prover.request(tolerant, node)
    dear = network.list_model(3)
    prover.circuit(dear)
    prover.offer(node, dear)
    network.market.set_price(dear, 2**88, 0, sender=network.publisher)
    network.mine(1, 2 * 86_400)
    with refused("price too big"):
        prover.request(dear, node)


def test_request_needs_room_and_a_bond(prover, model, node, client):
    prover.offer(node, model, max_open=1)
    prover.request(model, node)
    with refused("node has too many open jobs"):
        prover.request(model, node)
    poor = prover.network.add_node(model, provision=prover.MIN_BOND)
    prover.offer(poor, model)
    with boa.reverts("NodeCoordinator: free provision too low"):
        prover.request(model, poor)


def test_submit_refuses_what_is_not_the_job(prover, model, node, stranger):
    with refused("job is not open"):
        prover.proven.submit(7, bytes(32), b"", b"", prover.NO_POINT, b"", sender=node.operator)
    order = prover.started(model, node)
    for reason, changed in (
        ("caller is not the node's operator", {"sender": stranger}),
        ("caller is not the node's operator", {"sender": node.vault}),
        ("salt mismatch", {"salt": bytes(32)}),
        ("salt mismatch", {"salt": prover.SALT}),
        ("input digest mismatch", {"input": bytes(64)}),
        ("output has another size", {"output": bytes(9)}),
        ("output has another size", {"output": bytes(11)}),
    ):
        with refused(reason):
            prover.submit(order, **changed)
    prover.mine(1, prover.SECONDS)
    with refused("deadline is over"):
        prover.submit(order)
    prover.proven.expire(order.id)
    with refused("job is not open"):
        prover.proven.expire(order.id)
    prover.check()


def test_committed_input_is_not_sent_again(prover, model, long_node):
    order = prover.started(model, long_node, prover.LONG_INPUT, commitment=prover.C_X)
    with refused("this input is committed"):
        prover.submit(order, input=b"\x00")


def test_refuse_is_for_inputs_that_may_be_wrong(prover, model, node, long_node, stranger):
    order = prover.started(model, node)
    with refused("every packed input can be proved"):
        prover.proven.refuse(order.id, sender=node.operator)
    prover.offer(node, model, input_kind=prover.TOKENS)
    tokens = prover.started(model, node)
    with refused("caller is not the node's operator"):
        prover.proven.refuse(tokens.id, sender=stranger)
    prover.proven.refuse(tokens.id, sender=node.operator)
    with refused("job is not open"):
        prover.proven.refuse(tokens.id, sender=node.operator)
    late = prover.started(model, long_node, prover.LONG_INPUT, commitment=prover.C_X)
    prover.mine(1, prover.SECONDS // 2)
    with refused("too late to refuse"):
        prover.proven.refuse(late.id, sender=long_node.operator)


def test_expire_is_not_early(prover, model, node):
    order = prover.request(model, node)
    prover.mine(1, prover.SECONDS)
    with refused("deadline is not over"):
        prover.proven.expire(order.id)


def test_links_must_be_set(deploy_proven, node, model, prover):
    bare = deploy_proven()
    with boa.reverts("links: not set"):
        bare.set_terms(node.id, model, prover.terms(model), sender=node.operator)
    assert bare.terms(node.id, model).circuit_id == bytes(32)


@pytest.mark.parametrize("name", ["lock_bond", "report"])
def test_coordinator_listens_to_both_and_nobody_else(prover, proven, poi, node, stranger, name):
    coordinator = prover.network.coordinator
    arguments = (node.vault, 1) if name == "lock_bond" else (node.id, True)
    for sender in (proven.address, poi.address):
        with boa.env.prank(sender):
            getattr(coordinator, name)(*arguments)
    with boa.reverts("NodeCoordinator: caller is not ProofOfInference"):
        getattr(coordinator, name)(*arguments, sender=stranger)
