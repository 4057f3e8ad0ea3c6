"""The prover on every device: the reference's tables, and the reference's bytes."""

import random
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from joynet_sdk.proofs import g1
from joynet_sdk.proofs.circuit import FIRST_VALUE, Circuit, Claim, Group
from joynet_sdk.proofs.codec import encode
from joynet_sdk.proofs.compiler.compile import Witness as Integers
from joynet_sdk.proofs.compiler.compile import build_witness, compile_model
from joynet_sdk.proofs.compiler.registration import attest
from joynet_sdk.proofs.device_tables import DeviceTables, Witness
from joynet_sdk.proofs.evaluation import Evaluation, unpack
from joynet_sdk.proofs.field import FR
from joynet_sdk.proofs.msm import Msm
from joynet_sdk.proofs.pcs import TwoTierProver
from joynet_sdk.proofs.prover import Prover
from joynet_sdk.proofs.reference_prover import ReferenceProver
from joynet_sdk.proofs.runtime import Runtime
from joynet_sdk.proofs.srs import DEVELOPMENT_SEED, Srs, SrsStore, development_tau
from joynet_sdk.proofs.statement import Statement, circuit_id
from joynet_sdk.proofs.tables import Tables
from joynet_sdk.proofs.transcript import keccak256
from joynet_sdk.proofs.vectors import FrVector
from joynet_sdk.proofs.verifier import verify

from ..unit.proofs.openings import KnownTau
from ..unit.proofs.small_models import small_models
from ..unit.qmodel.graphs import random_inputs

MODELS = small_models()
VARIABLES = 15


@pytest.fixture(scope="module")
def srs(runtime: Runtime, tmp_path_factory: pytest.TempPathFactory) -> Srs:
    return SrsStore(Path(tmp_path_factory.mktemp("srs"))).development(runtime, VARIABLES)


@pytest.fixture(scope="module")
def msm(runtime: Runtime, srs: Srs) -> Msm:
    return Msm(runtime, srs.points(1 << VARIABLES))


def statement_of(weights: g1.G1, descriptor: bytes, srs: Srs, witness: Integers) -> Statement:
    return Statement(
        chain_id=412_346_001,
        verifier=b"\x11" * 20,
        model_id=b"\x22" * 32,
        circuit_id=circuit_id(weights, descriptor, srs.digest),
        weights=weights,
        descriptor_hash=keccak256(descriptor),
        job_id=1,
        payee=b"\x33" * 20,
        salt=b"\x44" * 32,
        input=witness.input,
        output=witness.output,
    )


@pytest.mark.parametrize("name", MODELS)
def test_a_proof_of_every_op_verifies(runtime: Runtime, msm: Msm, srs: Srs, name: str) -> None:
    compiled = compile_model(MODELS[name])
    witness = build_witness(compiled, random_inputs(MODELS[name], 3)[2])
    prover = Prover(runtime, msm, compiled.circuit, compiled.weights)
    weights = prover.commit(compiled.weights)
    statement = statement_of(weights, compiled.descriptor, srs, witness)
    proof = prover.prove(statement, witness.advice, witness.public)
    verify(compiled.descriptor, statement, proof, srs.verifier())


@pytest.mark.parametrize("name", ["gemm", "norm"])
def test_an_attestation_verifies(runtime: Runtime, msm: Msm, srs: Srs, name: str) -> None:
    compiled = compile_model(MODELS[name])
    made = attest(compiled)
    prover = Prover(runtime, msm, made.circuit, compiled.weights)
    weights = prover.commit(compiled.weights)
    zero = Integers(made.advice, b"\0", b"\0", {})
    statement = statement_of(weights, made.descriptor, srs, zero)
    proof = prover.prove(statement, made.advice)
    verify(made.descriptor, statement, proof, srs.verifier())


@pytest.mark.parametrize("name", ["gemm", "conv", "groups", "norm", "tokens"])
def test_the_device_gives_the_reference_provers_bytes(
    runtime: Runtime, msm: Msm, srs: Srs, name: str
) -> None:
    compiled = compile_model(MODELS[name])
    witness = build_witness(compiled, random_inputs(MODELS[name], 3)[2])
    same_bytes(runtime, msm, srs, compiled.circuit, compiled.weights, witness)


def test_the_device_gives_the_reference_provers_attestation(
    runtime: Runtime, msm: Msm, srs: Srs
) -> None:
    compiled = compile_model(MODELS["gemm"])
    made = attest(compiled)
    witness = Integers(made.advice, b"\0", b"\0", {})
    same_bytes(runtime, msm, srs, made.circuit, compiled.weights, witness)


def same_bytes(
    runtime: Runtime,
    msm: Msm,
    srs: Srs,
    circuit: Circuit,
    weights: NDArray[np.int64],
    witness: Integers,
) -> None:
    prover = Prover(runtime, msm, circuit, weights)
    statement = statement_of(prover.commit(weights), encode(circuit), srs, witness)
    engine = TwoTierProver(KnownTau(development_tau(DEVELOPMENT_SEED)))
    reference = ReferenceProver(circuit, weights.tolist(), engine)
    expected = reference.prove(statement, witness.advice.tolist())
    assert prover.prove(statement, witness.advice) == expected


def test_a_batch_is_proved_under_the_weights_of_one(runtime: Runtime, msm: Msm, srs: Srs) -> None:
    model = MODELS["gemm"]
    compiled = compile_model(model, 5)
    witness = build_witness(compiled, random_inputs(model, 5))
    prover = Prover(runtime, msm, compiled.circuit, compiled.weights)
    weights = prover.commit(compile_model(model).weights)
    statement = statement_of(weights, compiled.descriptor, srs, witness)
    proof = prover.prove(statement, witness.advice, witness.public)
    verify(compiled.descriptor, statement, proof, srs.verifier())


@pytest.mark.parametrize("name", MODELS)
def test_tables_are_those_of_the_reference(runtime: Runtime, name: str) -> None:
    model = MODELS[name]
    compiled = compile_model(model)
    circuit = compiled.circuit
    witness = build_witness(compiled, random_inputs(model, 3)[2])
    draw = random.Random(1)
    gamma, beta, *rho = (draw.randrange(FR) for _ in range(2 + circuit.rho))
    given, output = unpack(circuit.input, witness.input), unpack(circuit.output, witness.output)
    groups = {Group.W: compiled.weights, Group.A: witness.advice}
    reference = Tables(circuit, groups, input=given, output=output, gamma=gamma, beta=beta, rho=rho)
    evaluation = Evaluation(circuit, given, output, gamma, beta, rho)
    before = range(FIRST_VALUE, FIRST_VALUE + len(circuit.before))
    evaluation.values += [reference.value(i).entries[0] for i in before]
    vectors = {group: FrVector.from_small(runtime, values) for group, values in groups.items()}
    tables = DeviceTables(runtime, circuit, Witness(groups, vectors), evaluation)
    for index, record in enumerate(circuit.after, before.stop):
        if isinstance(record, Claim) and record.group is Group.H:
            continue
        made, expected = tables.value(index), reference.value(index)
        own = () if isinstance(made, int) else made.variables
        variables = sorted({*own, *expected.variables})
        entries = [value % FR for value in expected.over(variables)]
        assert tables.spread(made, variables).to_ints() == entries, record
