"""What an audit of the protocol found: inputs without a proof, circuits that harm their verifier,
statements that mean something else than they seem to."""

from dataclasses import replace

import numpy as np
import pytest

from joynet_sdk.errors import ConfigError, InvalidInputError, VerificationError
from joynet_sdk.paths import Home
from joynet_sdk.proofs import g1
from joynet_sdk.proofs.circuit import (
    Circuit,
    Group,
    Index,
    Tokens,
    Value,
    Wire,
    bits,
    r,
)
from joynet_sdk.proofs.compiler.compile import CompiledModel, Witness, build_witness, compile_model
from joynet_sdk.proofs.evaluation import Evaluation, unpack
from joynet_sdk.proofs.extensions import eq_bits, eq_table
from joynet_sdk.proofs.field import FR
from joynet_sdk.proofs.inference import InferenceProver
from joynet_sdk.proofs.prooffile import ProofFile
from joynet_sdk.proofs.reference_prover import ReferenceProver
from joynet_sdk.proofs.rules import check
from joynet_sdk.proofs.srs import development_digest
from joynet_sdk.proofs.statement import Statement, circuit_id
from joynet_sdk.proofs.transcript import keccak256
from joynet_sdk.proofs.verifier import verify
from joynet_sdk.qmodel.model import Input, QModel
from joynet_sdk.qmodel.ops import Embed, Gemm, MatMul, MaxPool, Op

from .forging import SRS_DIGEST, honest
from .openings import PROVER, VERIFIER, KnownTau
from .satisfy import failures


def gemm(
    name: str, given: str, weight: object, bias: object, multiplier: int, table: str = "clamp"
) -> Gemm:
    rows = np.array(weight, np.int8)
    factors = np.full(len(rows), multiplier, np.uint32)
    return Gemm(name, given, rows, np.array(bias, np.int32), factors, table)


def satisfied(compiled: CompiledModel, x: object) -> list[str]:
    """Instances of the circuit that an input's witness breaks."""
    witness = build_witness(compiled, np.array(x, compiled.model.input.dtype))
    circuit = compiled.circuit
    groups = {Group.W: compiled.weights, Group.A: witness.advice, **witness.public}
    return failures(
        circuit,
        groups,
        input=unpack(circuit.input, witness.input),
        output=unpack(circuit.output, witness.output),
    )


# --- every input has a proof: rows of padding satisfy the relations too


def pooled(*ops: Op) -> QModel:
    """(1, 3, 3) through relu and a maxpool whose padding is -128, then the ops, which read p."""
    first = gemm("a", "x", 127 * np.eye(3), [0] * 3, 132_104, "relu-clamp")
    pool = MaxPool("p", "a", (1, 1), (1, 1), (0, 0, 0, 0))
    return QModel(Input("x", (1, 3, 3), scale="1"), (first, pool, *ops), "1")


def test_padding_below_a_relu_fits_the_table_of_a_matmul() -> None:
    """q is 0 to 255 for the model's values, -257 for -128 in the padding: for one input only."""
    compiled = compile_model(pooled(MatMul("m", "p", "a", False, 88_500, "clamp")))
    for x in ([127] * 9, [0] * 9, [-128, 127, 5] * 3):
        assert satisfied(compiled, x) == []


def test_padding_below_a_relu_fits_the_table_of_a_gemm() -> None:
    """A bias as large as the sum: padding reaches twice as far as any value."""
    top = 3 * 127 * 127
    model = pooled(gemm("m", "p", [[-127] * 3], [top], (255 << 24) // top))
    assert model.bounds["m"].q == (0, 255)
    assert satisfied(compile_model(model), [127] * 9) == []


def test_padding_behind_an_embed_fits_the_table_of_a_gemm() -> None:
    """Zero is far from the constant's values."""
    table = {"t": np.arange(100, 108, dtype=np.int8).reshape(4, 2)}
    ops = (Embed("e", "x", "t"), gemm("g", "e", [[127, 127]], [-25_400], 1 << 20))
    model = QModel(Input("x", (3,), kind="tokens", vocab=4), ops, "1", constants=table)
    assert model.bounds["g"].q == (0, 111)
    assert satisfied(compile_model(model), [0, 1, 3]) == []


def test_padding_that_no_table_holds_is_refused_when_compiled() -> None:
    table = {"t": np.arange(100, 108, dtype=np.int8).repeat(4).reshape(4, 8)}
    far = gemm("g", "e", [[127] * 8], [-8 * 12_700], (1 << 24) - 1)
    model = QModel(
        Input("x", (3,), kind="tokens", vocab=4), (Embed("e", "x", "t"), far), "1", constants=table
    )
    assert model.bounds["g"].q_bits == 14
    with pytest.raises(InvalidInputError, match=r"g \(gemm\) needs 18 bits"):
        compile_model(model)


# --- commitments to zeros


def zeros_model() -> QModel:
    """2 -> 257, all zero for positive inputs: the output is committed, C_Y is the identity."""
    op = gemm("a", "x", np.full((257, 2), -1), [0] * 257, 1 << 20, "relu-clamp")
    return QModel(Input("x", (2,), scale="1"), (op,), "1")


def statement_of(compiled: CompiledModel, witness: Witness) -> Statement:
    weights = KnownTau().commit([int(value) % FR for value in compiled.weights])
    output = KnownTau().commit([int(value) % FR for value in witness.public[Group.Y]])
    return Statement(
        chain_id=0,
        verifier=bytes(20),
        model_id=b"\x22" * 32,
        circuit_id=circuit_id(weights, compiled.descriptor, SRS_DIGEST),
        weights=weights,
        descriptor_hash=keccak256(compiled.descriptor),
        job_id=0,
        payee=bytes(20),
        salt=b"\x44" * 32,
        input=witness.input,
        output=witness.output,
        output_commitment=output,
    )


def test_output_of_zeros_is_proved_without_bytes_and_survives_a_proof_file() -> None:
    """The statement looks like one without any output: who hashes its bytes hashes nothing."""
    compiled = compile_model(zeros_model())
    witness = build_witness(compiled, np.array([5, 6], np.int8))
    statement = statement_of(compiled, witness)
    assert (statement.output, statement.output_commitment) == (b"", g1.IDENTITY)
    prover = ReferenceProver(compiled.circuit, [int(v) for v in compiled.weights], PROVER)
    public = {group: [int(v) for v in values] for group, values in witness.public.items()}
    proof = prover.prove(statement, [int(value) for value in witness.advice], public)
    verify(compiled.descriptor, statement, proof, VERIFIER)
    with pytest.raises(VerificationError):
        verify(compiled.descriptor, replace(statement, output=bytes(257)), proof, VERIFIER)
    file = ProofFile(statement, compiled.descriptor, SRS_DIGEST, witness.input, bytes(257), proof)
    again = ProofFile.decode(file.encode())
    assert again.statement == statement
    verify(again.descriptor, again.statement, again.proof, VERIFIER)


def test_proof_file_under_a_development_srs_is_for_development_chains(tmp_path: object) -> None:
    """Its tau is public: anybody proves anything."""
    case, proof = honest()
    statement = replace(
        case.statement,
        chain_id=1,
        circuit_id=circuit_id(
            case.statement.weights, case.compiled.descriptor, development_digest()
        ),
    )
    file = ProofFile(
        statement,
        case.compiled.descriptor,
        development_digest(),
        statement.input,
        statement.output,
        proof,
    )
    prover = InferenceProver(Home(tmp_path))  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="chain 1 is not a development chain"):
        prover.check(file)


# --- circuits and statements that harm their verifier


def with_value(value: Value, **changes: object) -> Circuit:
    """A well formed circuit that has one more value."""
    circuit = honest()[0].compiled.circuit
    return replace(circuit, after=(*circuit.after, value), **changes)


@pytest.mark.parametrize(
    "value",
    [
        Wire(bits(0, 63), bits(0, 0), bits(0, 63), 1, 0, 1, 1, 1),
        Index(bits(0, 63), bits(0, 63), (0, 0)),
        Index(bits(0, 63), bits(1, 63), (65_535,)),
    ],
)
def test_ranges_of_many_constants_cost_nothing(value: Value) -> None:
    """63 constant bits are a cube of 2^63 points, of which few are used."""
    circuit = with_value(value)
    check(circuit)
    evaluation = Evaluation(circuit, [], [], 1, 2, [3] * circuit.rho, [4] * circuit.rounds)
    assert evaluation.evaluate(value, iter(())) in range(3)


def test_short_table_of_eq_is_the_long_one_cut() -> None:
    point = [3, FR - 5, 7, 11]
    assert [eq_bits(point, i) for i in range(16)] == eq_table(point)
    for size in range(1, 17):
        assert eq_table(point, size) == eq_table(point)[:size]


def test_token_outside_of_the_vocabulary_is_a_false_statement() -> None:
    table = {"t": np.arange(8, dtype=np.int8).reshape(4, 2)}
    op = Embed("e", "x", "t")
    model = QModel(Input("x", (2,), kind="tokens", vocab=4), (op,), "1", constants=table)
    compiled = compile_model(model)
    statement = replace(
        honest()[0].statement,
        descriptor_hash=keccak256(compiled.descriptor),
        input=b"\1\0\4\0",
        output=bytes(4),
    )
    assert any(isinstance(v, Tokens) for v in compiled.circuit.before + compiled.circuit.after)
    with pytest.raises(VerificationError, match="token id 4"):
        verify(compiled.descriptor, statement, b"", VERIFIER)


@pytest.mark.parametrize(
    ("circuit", "rule"),
    [
        (
            lambda c: replace(c, recipes=(*c.recipes, *[(bits(0),)] * (129 - len(c.recipes)))),
            "129 recipes",
        ),
        (
            lambda c: replace(
                c,
                after=(*c.after, Wire(r(0, 9), bits(0, 0), r(0, 9), 1, 0, 256, 1, 256)),
            ),
            "WIRE over 513",
        ),
        (lambda c: replace(c, after=c.after + c.after[:1] * 400), "a proof of"),
    ],
)
def test_circuits_that_the_contract_refuses_are_refused_here(circuit: object, rule: str) -> None:
    case, _ = honest()
    with pytest.raises(InvalidInputError, match=rule):
        check(circuit(case.compiled.circuit))  # type: ignore[operator]
