"""What a proven job goes through, and where the money goes."""

import boa


def test_request_pulls_fee_and_price_and_locks_the_bond(prover, model, node):
    order = prover.request(model, node)
    job = prover.job(order)
    assert (job.client, job.model_id, job.node_id) == (prover.client, model, node.id)
    assert (job.status, job.payee, job.salt) == (prover.OPEN, node.payout, prover.SALT)
    assert job.circuit_id == prover.verifier.circuit_of(model).circuit_id
    assert (job.fee, job.price) == (prover.FEE, prover.PRICE)
    assert job.bond == 4 * prover.FEE + prover.PRICE == prover.locked(node)
    assert job.deadline == boa.env.evm.patch.timestamp + prover.SECONDS
    assert job.refusable_until == 0
    assert prover.joy.balanceOf(prover.client) == 0
    prover.check()


def test_request_announces_everything_a_node_needs(prover, model, node):
    order = prover.request(model, node)
    [event] = [e for e in prover.proven.get_logs() if type(e).__name__ == "Requested"]
    assert (event.job_id, event.client, event.node_id) == (order.id, prover.client, node.id)
    assert (event.model_id, event.input, event.input_cid) == (model, prover.INPUT, "")
    assert (event.fee, event.price, event.payee) == (prover.FEE, prover.PRICE, node.payout)
    assert event.deadline == prover.job(order).deadline


def test_cheap_job_locks_the_minimum(prover, model, node):
    prover.offer(node, model, fee=0)
    prover.network.market.set_price(model, 0, 0, sender=prover.network.publisher)
    prover.network.models[model] = 0
    order = prover.request(model, node)
    assert prover.job(order).bond == prover.MIN_BOND == prover.locked(node)
    prover.mine(1, 1)
    assert prover.submit(order) is True
    prover.check()


def test_proof_pays_node_model_and_platform(prover, model, node):
    order = prover.started(model, node)
    assert prover.submit(order) is True
    assert prover.status(order) == prover.PROVEN
    assert prover.proven.claimable(node.payout) == prover.FEE - prover.PLATFORM
    assert prover.proven.fees() == prover.PLATFORM
    assert prover.network.market.account_of(model) == prover.PRICE
    assert prover.proven.claimable(prover.client) == 0
    assert prover.locked(node) == 0
    prover.check()


def test_proof_publishes_the_output(prover, model, node):
    order = prover.started(model, node)
    prover.submit(order)
    [event] = [e for e in prover.proven.get_logs() if type(e).__name__ == "Proven"]
    assert (event.job_id, event.node_id, event.output) == (order.id, node.id, prover.OUTPUT)


def test_proof_is_no_reason_for_reputation(prover, model, node):
    """The client picks the node, so praise would be for sale."""
    prover.submit(prover.started(model, node))
    assert prover.network.coordinator.reputation(node.id) == 10**18


def test_false_proof_burns_the_bond_and_refunds(prover, model, node, joy):
    order, supply = prover.started(model, node), joy.totalSupply()
    bond = prover.job(order).bond
    assert prover.submit(order, proof=b"no proof") is False
    assert prover.status(order) == prover.FAILED
    assert prover.proven.claimable(prover.client) == prover.FEE + prover.PRICE
    assert prover.proven.claimable(node.payout) == 0
    assert joy.totalSupply() == supply - bond
    assert joy.provision_of(node.vault, prover.network.coordinator) == (
        prover.network.PROVISION - bond
    )
    assert prover.network.coordinator.reputation(node.id) < 10**18
    prover.check()


def test_missed_deadline_burns_the_bond_and_refunds(prover, model, node, joy, stranger):
    order, supply = prover.started(model, node), joy.totalSupply()
    bond = prover.job(order).bond
    prover.mine(1, prover.SECONDS)
    prover.proven.expire(order.id, sender=stranger)
    assert prover.status(order) == prover.EXPIRED
    assert prover.proven.claimable(prover.client) == prover.FEE + prover.PRICE
    assert joy.totalSupply() == supply - bond
    assert prover.network.coordinator.reputation(node.id) < 10**18
    prover.check()


def test_bond_that_is_gone_does_not_stop_the_refund(prover, model, node, joy, owner):
    """A slash elsewhere may have taken the stake; the client still gets its money."""
    order = prover.started(model, node)
    coordinator = prover.network.coordinator
    with boa.env.prank(coordinator.address):
        joy.slash(node.vault, prover.network.PROVISION, prover.client, 0)
    prover.mine(1, prover.SECONDS)
    prover.proven.expire(order.id)
    assert prover.proven.claimable(prover.client) == prover.FEE + prover.PRICE
    prover.check()


def test_committed_input_by_cid(prover, model, long_node):
    order = prover.started(
        model, long_node, prover.LONG_INPUT, input=b"", cid="bafy", commitment=prover.C_X
    )
    job = prover.job(order)
    assert tuple(job.input_commitment) == prover.C_X
    assert prover.submit(order) is True
    prover.check()


def test_zero_input_has_the_identity_as_its_commitment(prover, model, long_node):
    order = prover.started(model, long_node, bytes(len(prover.LONG_INPUT)))
    assert prover.submit(order) is True


def test_long_output_stands_as_a_commitment(prover, model, node):
    output = bytes(range(256)) * 2
    prover.offer(node, model, output_size=len(output))
    order = prover.started(model, node)
    assert prover.submit(order, output) is True
    [event] = [e for e in prover.proven.get_logs() if type(e).__name__ == "Proven"]
    assert (event.output, tuple(event.output_commitment)) == (output, prover.C_Y)


def test_refused_job_costs_nobody_anything(prover, model, long_node, joy):
    supply = joy.totalSupply()
    order = prover.started(model, long_node, prover.LONG_INPUT, commitment=prover.C_X)
    assert prover.job(order).refusable_until == prover.job(order).deadline - prover.SECONDS // 2
    prover.proven.refuse(order.id, sender=long_node.operator)
    assert prover.status(order) == prover.REFUSED
    assert prover.proven.claimable(prover.client) == prover.FEE + prover.PRICE
    assert joy.totalSupply() == supply
    assert prover.network.coordinator.reputation(long_node.id) == 10**18
    prover.check()


def test_rotated_operator_finishes_the_job(prover, model, node, actor):
    order, old = prover.started(model, node), node.operator
    prover.network.rotate_operator(node, actor("fresh key"))
    with boa.reverts("ProvenInference: caller is not the node's operator"):
        prover.submit(order, sender=old)
    node.operator = prover.network.coordinator.node(node.id).operator
    assert prover.submit(order) is True


def test_payee_is_the_one_of_the_request(prover, model, node, actor):
    order, before = prover.started(model, node), node.payout
    prover.network.coordinator.set_payout(node.id, actor("another payout"), sender=node.vault)
    assert prover.submit(order) is True
    assert prover.proven.claimable(before) == prover.FEE - prover.PLATFORM


def test_job_keeps_its_terms(prover, model, node):
    order = prover.started(model, node)
    prover.offer(node, model, fee=9 * prover.FEE, output_size=1, seconds=10)
    prover.proven.remove_terms(node.id, model, sender=node.operator)
    prover.mine(1, 30)
    assert prover.submit(order) is True
    assert prover.proven.claimable(node.payout) == prover.FEE - prover.PLATFORM


def test_claims_and_flushes(prover, model, node, joy):
    prover.submit(prover.started(model, node))
    assert prover.proven.claim(sender=node.payout) == prover.FEE - prover.PLATFORM
    assert joy.balanceOf(node.payout) == prover.FEE - prover.PLATFORM
    order = prover.started(model, node)
    prover.submit(order, proof=b"")
    assert prover.proven.claim_for(prover.client) == prover.FEE + prover.PRICE
    assert prover.proven.flush_fees() == prover.PLATFORM
    with boa.reverts("ProvenInference: no fees to flush"):
        prover.proven.flush_fees()
    prover.check()


def test_marketplace_cannot_keep_a_node_from_its_pay(prover, model, node, joy):
    order, market = prover.started(model, node), prover.network.market
    code = boa.env.get_code(market.address)
    boa.env.set_code(market.address, b"\xfe")
    assert prover.submit(order) is True
    assert prover.proven.claimable(node.payout) == prover.FEE - prover.PLATFORM
    assert prover.proven.held_royalty(model) == prover.PRICE
    assert joy.allowance(prover.proven, market) == 0
    prover.check()

    boa.env.set_code(market.address, code)
    assert prover.proven.flush_royalty(model) == prover.PRICE
    assert market.account_of(model) == prover.PRICE
    with boa.reverts("ProvenInference: no royalty held"):
        prover.proven.flush_royalty(model)
    prover.check()
