"""What a proven job costs beside the verification, printed with `-s`, and that the code fits."""

import sys
from hashlib import sha256

import boa
import pytest

from ..poi.test_gas_and_size import EIP_170

# Gas of a whole transaction, a little above what was measured, the calldata of a short proof and
# some 15,000 for the tests' verifier included. A real proof and its verification come on top.
CAPS = {
    "request": 390_000,
    "submit": 200_000,
    "expire": 315_000,
    "refuse": 140_000,
    "fix_salt": 54_000,
}


@pytest.fixture
def spend(prover, transact):
    """Return a function that calls ProvenInference and checks the transaction's gas."""

    def _spend(step, *args, sender):
        gas = transact(getattr(prover.proven, step), *args, sender=sender).gas
        sys.stdout.write(f"\n{step:20}{gas:>12,} gas")
        assert gas <= CAPS[step]

    return _spend


def request_of(prover, model, node, data=None, commitment=(0, 0)):
    data = data or prover.INPUT
    amount = prover.FEE + prover.PRICE
    prover.joy.transfer(prover.client, amount, sender=prover.network.treasury)
    prover.joy.approve(prover.proven, amount, sender=prover.client)
    return (model, node.id, prover.FEE, prover.SALT, data, sha256(data).digest(), "", commitment)


def test_deployed_code_fits_eip_170(proven, coordinator, poi):
    for contract in (proven, coordinator, poi):
        size = len(boa.env.evm.get_code(contract.address))
        sys.stdout.write(f"\n{contract.contract_name}: {size} of {EIP_170} bytes")
        assert size <= EIP_170


def test_gas_of_a_proof(prover, model, node, spend):
    prover.submit(prover.started(model, node))  # no first entries in storage any more
    spend("request", *request_of(prover, model, node), sender=prover.client)
    prover.mine(1, 1)
    order = type("Order", (), {"id": 2, "node": node, "data": prover.INPUT})
    salt, proof = prover.proven.salt_of(2), prover.prove(order)
    with boa.env.anchor():
        spend("fix_salt", 2, sender=node.operator)
    arguments = (2, salt, order.data, prover.OUTPUT, (0, 0), proof)
    spend("submit", *arguments, sender=node.operator)
    assert prover.status(order) == prover.PROVEN


def test_gas_of_other_ends(prover, model, long_node, spend):
    order = prover.started(model, long_node, prover.LONG_INPUT, commitment=prover.C_X)
    with boa.env.anchor():
        spend("refuse", order.id, sender=long_node.operator)
    prover.mine(1, prover.SECONDS)
    spend("expire", order.id, sender=long_node.operator)
