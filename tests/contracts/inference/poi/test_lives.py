"""Whole lives of jobs, and where the money is at their end."""

import boa

JOY = 10**18
MAX_FEE, PRICE, DRAW_BOND = JOY, JOY // 2, 2 * JOY
FEE = MAX_FEE * 200 // 10_000
SETTLED, DISPUTED, REFUNDED = 7, 6, 8


def test_unanimous_exact_job_pays_everyone_once(network, exact):
    job = network.vote(exact, b"seven", b"seven", b"seven")
    record = network.job(job)
    assert record.status == SETTLED
    for node in network.nodes.values():
        assert network.poi.claimable(node.payout) == MAX_FEE - FEE
        assert network.coordinator.locked_bond(node.vault) == 0
        assert network.coordinator.reputation(node.id) > JOY
    assert network.poi.fees() == 3 * FEE
    assert network.market.account_of(exact) == PRICE
    assert network.poi.claimable(network.client) == DRAW_BOND
    network.check()
