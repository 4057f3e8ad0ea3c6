"""Gas of whole transactions, for the models of the proof benchmark.

`models/` has their descriptors as the compiler made them from trained weights; the proofs are
simulated, which costs a verifier the same.
"""

import random
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from joynet_sdk.chain.rpc import RpcError
from joynet_sdk.proofs.circuit import FIRST_VALUE, Circuit, Claim, Table
from joynet_sdk.proofs.codec import decode

from .harness import STATEMENT, Case, Chain, calldata, fields, transact

MODELS = Path(__file__).parent / "models"
CAPS = {"a": 490_000, "b": 525_000, "c": 725_000, "d": 695_000}


def case_of(chain: Chain, name: str) -> Case:
    """A proof of one of the models."""
    circuit = decode((MODELS / f"{name}.bin").read_bytes())
    return chain.case(circuit, free_claim(circuit), random.Random(1))


def free_claim(circuit: Circuit) -> int:
    """The multiplicities of the last table, in which sumcheck 1's last claim is linear."""
    table = next(each for each in reversed(circuit.instances) if isinstance(each, Table))
    index = table.m - FIRST_VALUE - len(circuit.before)
    assert isinstance(circuit.after[index], Claim)
    return sum(isinstance(value, Claim) for value in circuit.after[:index])


@pytest.mark.parametrize("name", CAPS)
def test_verification_costs_at_most(
    chain: Chain, name: str, record_property: Callable[[str, object], None]
) -> None:
    case = case_of(chain, name)
    assert chain.is_proved(case.statement, case.proof)
    data = calldata(f"verify({STATEMENT},bytes)", fields(case.statement), case.proof)
    receipt = transact(chain.rpc, data, chain.verifier.address)
    gas = int(receipt["gasUsed"], 16)
    record_property(f"gas of model {name}", gas)
    assert gas <= CAPS[name]


@pytest.mark.parametrize("name", ["a", "d"])
def test_lack_of_gas_never_makes_a_proof_false(chain: Chain, name: str) -> None:
    case = case_of(chain, name)

    def verdict(gas: int) -> bool | None:
        try:
            return chain.is_proved(case.statement, case.proof, gas=gas)
        except RpcError:
            return None

    verdicts = [verdict(gas) for gas in range(150_000, CAPS[name] + 100_000, 4_000)]
    assert verdicts[0] is None
    assert verdicts[-1] is True
    assert all(after or not before for before, after in pairwise(verdicts))
    assert False not in verdicts
