"""Proofs that must not verify. Each lie is a forgery that works when one rule of
docs/spec/proof.md is dropped; the honest proof beside it verifies."""

from dataclasses import replace

import pytest

from joynet_sdk.errors import InvalidInputError, VerificationError
from joynet_sdk.proofs import g1
from joynet_sdk.proofs.circuit import Group, Lookup, Output, Sum, Table
from joynet_sdk.proofs.codec import decode, encode
from joynet_sdk.proofs.field import FQ, FR
from joynet_sdk.proofs.rules import check
from joynet_sdk.proofs.statement import Statement
from joynet_sdk.proofs.tables import Tables
from joynet_sdk.proofs.verifier import verify

from .forging import (
    Case,
    Polynomial,
    case_of,
    honest,
    lying_about_inverses,
)
from .openings import VERIFIER, KnownTau

ROW = 8  # first row of the second layer's block


def rejected(case: Case, proof: bytes, statement: Statement | None = None) -> str:
    """The reason for which a proof is rejected."""
    with pytest.raises(VerificationError) as caught:
        case.check(proof, statement)
    return str(caught.value)


def test_an_honest_proof_verifies() -> None:
    case, proof = honest()
    case.check(proof)


@pytest.mark.parametrize("x", [[-128] * 6, [127] * 6, [0] * 6])
def test_every_extreme_input_has_a_proof(x: list[int]) -> None:
    case = case_of(x)
    case.check(case.prover().prove(case.statement, case.advice))


# --- mutations


def test_every_word_of_a_proof_counts() -> None:
    case, proof = honest()
    for at in range(0, len(proof), 32):
        word = int.from_bytes(proof[at : at + 32])
        changed = proof[:at] + ((word + 1) % FR).to_bytes(32) + proof[at + 32 :]
        rejected(case, changed)


def test_every_byte_of_the_commitments_and_the_opening_counts() -> None:
    case, proof = honest()
    for at in [*range(128), *range(len(proof) - 448, len(proof))]:
        changed = bytearray(proof)
        changed[at] ^= 0x10
        rejected(case, bytes(changed))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("chain_id", 412_346_002),
        ("verifier", b"\x12" * 20),
        ("model_id", b"\x23" * 32),
        ("circuit_id", b"\x23" * 32),
        ("job_id", 8),
        ("job_id", 0),
        ("payee", b"\x34" * 20),
        ("salt", b"\x45" * 32),
        ("weights", g1.GENERATOR),
        ("descriptor_hash", b"\x55" * 32),
        ("input_commitment", g1.GENERATOR),
        ("output_commitment", g1.GENERATOR),
        ("input_commitment", (1, 3)),
    ],
)
def test_every_field_of_the_statement_counts(field: str, value: object) -> None:
    case, proof = honest()
    rejected(case, proof, replace(case.statement, **{field: value}))


@pytest.mark.parametrize("field", ["input", "output"])
def test_every_value_of_input_and_output_counts(field: str) -> None:
    case, proof = honest()
    packed: bytes = getattr(case.statement, field)
    for at in range(len(packed)):
        changed = bytearray(packed)
        changed[at] ^= 1
        rejected(case, proof, replace(case.statement, **{field: bytes(changed)}))
    for longer in (packed + b"\0", packed[:-1], b""):
        said = rejected(case, proof, replace(case.statement, **{field: longer}))
        assert f"the {field} has {len(longer)} packed bytes" in said


def test_malformed_proofs_are_refused_before_any_pairing() -> None:
    case, proof = honest()
    for raw in (b"", proof[:-1], proof + b"\0", proof + proof):
        assert f"the proof has {len(raw)} bytes" in rejected(case, raw)
    for at in range(128, len(proof) - 448, 32):
        word = int.from_bytes(proof[at : at + 32])
        changed = proof[:at] + (word + FR).to_bytes(32) + proof[at + 32 :]
        assert "is not below r" in rejected(case, changed)
    for at in (0, 64):
        x, y = (int.from_bytes(proof[i : i + 32]) for i in (at, at + 32))
        for point in ((x, (y + 1) % FQ), (x + FQ, y), (x, y + FQ), (0, y)):
            raw = b"".join(value.to_bytes(32) for value in point)
            rejected(case, proof[:at] + raw + proof[at + 64 :])


# --- cheating provers


def forge(case: Case, advice: Polynomial, statement: Statement | None = None) -> str:
    """Prove honestly with dishonest integers; the reason for the rejection."""
    wanted = statement or case.statement
    return rejected(case, case.prover().prove(wanted, advice), wanted)


def test_wrong_output_with_honest_machinery() -> None:
    case, _ = honest()
    other = bytearray(case.statement.output)
    other[0] ^= 1
    forge(case, case.advice, replace(case.statement, output=bytes(other)))


def test_forged_activation() -> None:
    """Another Y in the last layer, and a statement that agrees with it."""
    case, _ = honest()
    advice = case.advice
    advice[case.at("Y", ROW)] = 100
    forge(case, advice, case.claiming([100, *case.statement.output[1:]]))


def test_free_slot_of_h_cannot_balance_the_sum() -> None:
    """If the sum ran over all of H, an entry that no relation holds could take any value."""
    case, _ = honest()
    advice = case.advice
    advice[case.at("Y", ROW)] = 100
    statement = case.claiming([100, *case.statement.output[1:]])
    circuit = case.compiled.circuit
    slots = [each for each in circuit.instances if isinstance(each, Lookup | Table)]

    def balance(h: Polynomial, _tables: Tables) -> None:
        used = case.compiled.layout.span(Group.H)
        lookups = total(case, h, Lookup)
        h[used] = (total(case, h, Table) - lookups) % FR

    assert slots
    prover = case.prover(lying_about_inverses(balance))
    rejected(case, prover.prove(statement, advice), statement)


def test_inverse_that_balances_the_sum_itself() -> None:
    case, _ = honest()
    advice = case.advice
    advice[case.at("Y", ROW)] = 100
    statement = case.claiming([100, *case.statement.output[1:]])

    def balance(h: Polynomial, _tables: Tables) -> None:
        h[0] = (h[0] + total(case, h, Lookup) - total(case, h, Table)) % FR

    prover = case.prover(lying_about_inverses(balance))
    rejected(case, prover.prove(statement, advice), statement)


def total(case: Case, h: Polynomial, kind: type) -> int:
    """The sum of all slots of h of one kind of instance."""
    prover = case.prover()
    found = 0
    for each in case.compiled.circuit.instances:
        if isinstance(each, kind) and isinstance(each, Lookup | Table):
            start = prover.circuit.claim(each.h).slot << each.variables
            found += sum(h[start : start + (1 << each.variables)])
    return found % FR


@pytest.mark.parametrize("amount", [-7, 1, FR - 1])
def test_wrong_multiplicity(amount: int) -> None:
    case, _ = honest()
    advice = case.advice
    advice[5] = (advice[5] + amount) % FR
    forge(case, advice)


def test_moved_multiplicity() -> None:
    """The number of lookups is right, the values are not."""
    case, _ = honest()
    advice = case.advice
    used = next(i for i, count in enumerate(advice[:4096]) if count > 0)
    free = next(i for i, count in enumerate(advice[:4096]) if count == 0)
    advice[used] -= 1
    advice[free] += 1
    forge(case, advice)


def test_negative_remainder() -> None:
    """q + 1 with rem - 2^24: the relation holds, the limb is out of range."""
    case, _ = honest()
    advice = case.advice
    advice[case.at("Q", ROW)] += 1
    advice[case.at("L1", ROW)] -= 1 << 12
    output = list(case.statement.output)
    advice[case.at("Y", ROW)] += 1
    forge(case, advice, case.claiming([output[0] + 1, *output[1:]]))


def test_quotient_outside_of_its_table() -> None:
    """The relation holds for a q that is no small integer."""
    case, _ = honest()
    advice = case.advice
    m = multiplier_of(case, 0)
    low, high = 5, 0
    left = m * advice[case.at("ACC", ROW)] + (1 << 23) - low - (high << 12)
    advice[case.at("Q", ROW)] = left * pow(1 << 24, -1, FR) % FR
    advice[case.at("L0", ROW)], advice[case.at("L1", ROW)] = low, high
    forge(case, advice)


def multiplier_of(case: Case, channel: int) -> int:
    return int(case.compiled.model.ops[-1].multiplier[channel])  # type: ignore[union-attr]


def test_wrong_accumulator() -> None:
    """Everything after the accumulator is consistent."""
    case, _ = honest()
    advice = case.advice
    advice[case.at("ACC", ROW)] += 1 << 24
    advice[case.at("Q", ROW)] += multiplier_of(case, 0)
    forge(case, advice)


@pytest.mark.parametrize("column", ["ACC", "Q", "Y", "L0", "L1"])
def test_every_row_of_the_advice_counts(column: str) -> None:
    case, _ = honest()
    for row in (0, 4, ROW, ROW + 2):
        advice = case.advice
        advice[case.at(column, row)] += 1
        forge(case, advice)


def test_other_weights_under_the_same_commitment() -> None:
    case, _ = honest()
    prover = case.prover()
    prover.weights[0] = (prover.weights[0] + 1) % FR
    rejected(case, prover.prove(case.statement, case.advice))


def test_weights_with_dirty_padding_are_another_circuit() -> None:
    """Nonzero padding could force any accumulator; it changes C_W, so the circuit's id."""
    case, _ = honest()
    prover = case.prover()
    (column,) = [c for c in case.compiled.layout.columns[Group.W] if c.name == "a.bias"]
    prover.weights[column.offset + 5] = 1
    dirty = KnownTau().commit(prover.weights)
    assert dirty != case.statement.weights
    rejected(case, prover.prove(case.statement, case.advice))


def test_garbage_that_no_claim_reads_changes_nothing() -> None:
    case, _ = honest()
    advice = [*case.advice, 12345, FR - 1]
    assert len(advice) <= 1 << case.compiled.circuit.variables
    case.check(case.prover().prove(case.statement, advice))


def test_challenges_are_all_different() -> None:
    """gamma = beta is a forgery; each challenge has a squeeze of its own."""
    transcript = honest()[0].statement.transcript()
    drawn = [transcript.challenge() for _ in range(100)]
    assert len(set(drawn)) == 100


# --- circuits that prove nothing


def test_circuit_that_does_not_bind_its_output_is_refused() -> None:
    circuit = honest()[0].compiled.circuit
    unbound = tuple(
        replace(each, start=()) if isinstance(each, Sum) and each.variables == 0 else each
        for each in circuit.instances
    )
    with pytest.raises(InvalidInputError, match="the output is not used"):
        check(replace(circuit, instances=unbound))
    without = tuple(value for value in circuit.before if not isinstance(value, Output))
    with pytest.raises(InvalidInputError):
        check(replace(circuit, before=without))


def test_descriptor_of_another_circuit() -> None:
    case, proof = honest()
    circuit = decode(case.compiled.descriptor)
    other = replace(circuit, instances=circuit.instances[:-1])
    with pytest.raises(VerificationError, match="another descriptor"):
        verify(encode(other), case.statement, proof, VERIFIER)
