"""A pause stops orders and clocks, never an exit; the outflow limit delays and keeps."""

import boa


def refused(reason: str):
    return boa.reverts(f"ProvenInference: {reason}")


def test_pause_stops_orders_and_the_clock(prover, model, node, guardian):
    order = prover.started(model, node)
    deadline = prover.job(order).deadline
    prover.proven.pause(sender=guardian)
    for call in (
        lambda: prover.request(model, node),
        lambda: prover.offer(node, model),
    ):
        with boa.reverts("circuit_breaker: paused"):
            call()
    prover.mine(1, 10 * prover.SECONDS)
    with refused("deadline is not over"):
        prover.proven.expire(order.id)
    assert prover.job(order).deadline == deadline + 10 * prover.SECONDS
    assert prover.submit(order) is True
    prover.proven.claim(sender=node.payout)
    prover.proven.remove_terms(node.id, model, sender=node.operator)
    prover.check()


def test_exits_work_during_a_pause(prover, model, node, long_node, guardian):
    late = prover.started(model, node)
    prover.mine(1, prover.SECONDS)
    junk = prover.started(model, long_node, prover.LONG_INPUT, commitment=prover.C_X)
    prover.proven.pause(sender=guardian)
    prover.proven.expire(late.id)
    prover.proven.refuse(junk.id, sender=long_node.operator)
    prover.proven.claim_for(prover.client)
    assert prover.joy.balanceOf(prover.client) == 2 * (prover.FEE + prover.PRICE)
    prover.check()


def test_coordinator_that_is_paused_or_replaced_lets_jobs_end(prover, model, node, owner):
    order, other = prover.started(model, node), prover.started(model, node)
    coordinator = prover.network.coordinator
    coordinator.pause(sender=owner)
    with boa.reverts("circuit_breaker: paused"):
        prover.request(model, node)
    assert prover.submit(order) is True
    coordinator.propose_link("ProvenInference", prover.verifier, sender=owner)
    with boa.env.anchor():
        prover.proven.pause(sender=owner)
        prover.mine(1, 86_400)
        coordinator.apply_link("ProvenInference", sender=owner)
        assert prover.submit(other, proof=b"") is False  # the bond is slashed, nothing reported
        assert coordinator.reputation(node.id) == 10**18
        prover.check()


def test_deadline_is_in_time_to_the_second(prover, model, node):
    order = prover.request(model, node)
    prover.mine(1, prover.SECONDS)
    assert prover.submit(order) is True


def test_outflow_limit_delays_and_keeps(prover, deploy_proven, link_proven, coordinator, owner):
    """Only one ProvenInference is linked at a time; this one takes its place."""
    model = prover.network.list_model()
    prover.circuit(model)
    small = link_proven(deploy_proven(outflow_floor=1))
    coordinator.propose_link("ProvenInference", small, sender=owner)
    prover.mine(1, coordinator.LINK_DELAY())
    coordinator.apply_link("ProvenInference", sender=owner)
    prover.proven = small
    node = prover.network.add_node(model)
    prover.offer(node, model)
    order = prover.started(model, node)
    prover.mine(1, prover.SECONDS)
    small.expire(order.id)
    prover.mine(1, 86_400)
    owed = prover.FEE + prover.PRICE
    assert small.claim_for(prover.client) == owed // 10
    assert small.claimable(prover.client) == owed - owed // 10
    prover.mine(1, 86_400)
    assert small.claim_for(prover.client) == (owed - owed // 10) // 10
    prover.check()


def test_jobs_of_two_models_and_nodes_do_not_mix(prover, model, node, long_node):
    first = prover.request(model, node)
    second = prover.request(model, long_node, prover.LONG_INPUT, commitment=prover.C_X)
    prover.mine(1, 1)
    assert prover.submit(second) is True
    assert (prover.status(first), prover.status(second)) == (prover.OPEN, prover.PROVEN)
    assert prover.proven.job(0) == prover.proven.job(99)
    prover.check()
