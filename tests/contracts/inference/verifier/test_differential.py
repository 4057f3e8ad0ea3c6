"""The contract says what Python says: random circuits of every record, valid and damaged proofs."""

import random
from collections.abc import Iterator
from dataclasses import replace

import pytest

from joynet_sdk.proofs import g1
from joynet_sdk.proofs.circuit import Circuit, Io
from joynet_sdk.proofs.field import FQ, FR
from joynet_sdk.proofs.statement import Statement

from .circuits import Builder
from .harness import Case, Chain, python_verdict

WORD, OPENING = 32, 448
Trial = tuple[str, Statement, bytes]


def regions(circuit: Circuit) -> dict[str, range]:
    """Every part of a proof: offsets of its words."""
    at, found = 0, {}
    for name, words in (
        ("C_A", 2),
        ("C_H", 2),
        ("claims before", circuit.claims_before),
        ("sumcheck 1", 3 * circuit.rounds),
        ("claims after", circuit.claims_after),
        ("sumcheck 2", 2 * circuit.variables),
        *((name, 2) for name in ("C_G", "C_q", "C_D", "C_S")),
        ("e", 1),
        *((name, 2) for name in ("C_W", "C_W'")),
        ("inv", 1),
    ):
        found[name] = range(at, at + WORD * words, WORD)
        at += WORD * words
    return {name: part for name, part in found.items() if part}


def damaged(case: Case, rng: random.Random) -> Iterator[Trial]:
    """A statement or a proof that was changed, of every kind."""
    proof, statement = case.proof, case.statement
    for name, part in regions(case.circuit).items():
        at = rng.choice(part)
        word = int.from_bytes(proof[at : at + WORD])
        flipped = word ^ 1 << rng.randrange(254)
        changes = {"flipped": flipped, "zero": 0, "not reduced": word + FR, "all ones": 2**256 - 1}
        kind = rng.choice(list(changes))
        yield f"{name} {kind}", statement, put(proof, at, changes[kind])
        if name.startswith("C_"):
            at = part[0]
            x, y = (int.from_bytes(proof[i : i + WORD]) for i in part)
            points = {"negated": (x, -y % FQ), "identity": (0, 0), "not reduced": (x + FQ, y)}
            points["another"] = g1.multiply(g1.GENERATOR, rng.randrange(FR))
            kind = rng.choice(list(points))
            yield (
                f"{name} {kind}",
                statement,
                put(put(proof, at, points[kind][0]), at + WORD, points[kind][1]),
            )
    for name, cut in (("empty", b""), ("short", proof[:-1]), ("long", proof + b"\0")):
        yield name, statement, cut
    yield "a word less", statement, proof[:-WORD]
    for changed in changed_statements(case, rng):
        names = [n for n in Statement.__slots__ if getattr(changed, n) != getattr(statement, n)]
        yield f"statement {names}", changed, proof


def put(proof: bytes, at: int, word: int) -> bytes:
    """A proof with another word."""
    return proof[:at] + (word % 2**256).to_bytes(WORD) + proof[at + WORD :]


def changed_statements(case: Case, rng: random.Random) -> Iterator[Statement]:
    """The statement with each field that a caller gives changed."""
    statement, circuit = case.statement, case.circuit
    yield replace(statement, model_id=rng.randbytes(32))
    yield replace(statement, circuit_id=rng.randbytes(32))
    yield replace(statement, job_id=statement.job_id ^ 1 << rng.randrange(256))
    yield replace(statement, payee=rng.randbytes(20))
    yield replace(statement, salt=rng.randbytes(32))
    for name, shape in (("input", circuit.input), ("output", circuit.output)):
        packed, commitment = getattr(statement, name), f"{name}_commitment"
        if shape.kind is Io.COMMITTED:
            yield replace(statement, **{name: b"\0"})
            yield replace(statement, **{commitment: g1.multiply(g1.GENERATOR, rng.randrange(FR))})
            yield replace(statement, **{commitment: (1, 3)})
            yield replace(statement, **{commitment: g1.IDENTITY})
        else:
            at = rng.randrange(len(packed))
            byte = bytes([packed[at] ^ 1 << rng.randrange(8)])
            yield replace(statement, **{name: packed[:at] + byte + packed[at + 1 :]})
            yield replace(statement, **{name: packed[:-1]})
            yield (
                replace(statement, **{name: (packed + b"\0")[:256]})
                if len(packed) < 256
                else (replace(statement, **{name: b""}))
            )
            yield replace(statement, **{commitment: g1.GENERATOR})


def compare(chain: Chain, seed: int) -> int:
    """One random circuit; how many verdicts were compared."""
    rng = random.Random(seed)
    builder = Builder(rng, size=rng.choice((4, 20, 60)))
    circuit = builder.build()
    case = chain.case(circuit, builder.free, rng, zero=seed % 4 == 0)
    assert python_verdict(case.descriptor, case.statement, case.proof), seed
    assert chain.is_proved(case.statement, case.proof), seed
    trials = list(damaged(case, rng))
    for name, statement, proof in trials:
        expected = python_verdict(case.descriptor, statement, proof)
        assert chain.is_proved(statement, proof) == expected, (seed, name)
        is_harmless = statement == case.statement and proof == case.proof
        assert expected == is_harmless, (seed, name)
    return 1 + len(trials)


def test_contract_and_python_agree(chain: Chain) -> None:
    assert sum(compare(chain, seed) for seed in (*range(15), 1_119)) > 400


@pytest.mark.soak
@pytest.mark.timeout(3_600)
def test_contract_and_python_agree_at_length(chain: Chain) -> None:
    assert sum(compare(chain, seed) for seed in range(1_000, 1_160)) > 5_000
