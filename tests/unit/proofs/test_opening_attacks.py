"""Lies about openings. Each attack that a check stops is shown to work without that check."""

import random

import pytest

from joynet_sdk.errors import VerificationError
from joynet_sdk.proofs import g1, opening, pcs
from joynet_sdk.proofs.extensions import eq_table
from joynet_sdk.proofs.field import FQ, FR
from joynet_sdk.proofs.transcript import Transcript

from .openings import PROVER, Case, KnownTau, case, forge

POINTS = {"G": 0, "q": 64, "D": 128, "S": 192, "W": 288, "W'": 352}
SCALARS = {"e": 256, "inv": 416}


def some(count: int, seed: int = 0) -> list[int]:
    rng = random.Random(1000 * count + seed)
    return [rng.randrange(FR) for _ in range(count)]


@pytest.fixture(scope="module")
def honest() -> Case:
    made = case(some(64), some(6, 1))
    made.verify()
    return made


def replaced(proof: bytes, at: int, new: bytes) -> bytes:
    return proof[:at] + new + proof[at + len(new) :]


def refuses(made: Case, **changes: object) -> None:
    with pytest.raises(VerificationError):
        made.verify(**changes)


# --- bytes


def test_every_changed_byte_is_refused(honest):
    rng = random.Random(7)
    for at in range(len(honest.proof)):
        flipped = honest.proof[at] ^ rng.randrange(1, 256)
        refuses(honest, proof=replaced(honest.proof, at, bytes([flipped])))


@pytest.mark.parametrize("name", POINTS)
def test_other_valid_points_are_refused(honest, name):
    at = POINTS[name]
    old = g1.decode(honest.proof[at : at + 64])
    others = [g1.IDENTITY, g1.GENERATOR, g1.negate(old), g1.multiply(old, 2), honest.commitment]
    for other in others:
        refuses(honest, proof=replaced(honest.proof, at, g1.encode(other)))


@pytest.mark.parametrize("name", POINTS)
def test_points_must_be_canonical_and_on_the_curve(honest, name):
    at = POINTS[name]
    x, y = g1.decode(honest.proof[at : at + 64])
    for wrong in ((x + FQ, y), (x, y + FQ), (FQ, FQ), (x, (y + 1) % FQ), (0, 1)):
        encoded = b"".join(c.to_bytes(32, "big") for c in wrong)
        with pytest.raises(VerificationError, match="is not a point of BN254"):
            honest.verify(proof=replaced(honest.proof, at, encoded))


@pytest.mark.parametrize("name", SCALARS)
def test_scalars_must_be_canonical(honest, name):
    at = SCALARS[name]
    value = int.from_bytes(honest.proof[at : at + 32], "big")
    for wrong in (value + FR, FR, 2**256 - 1):
        with pytest.raises(VerificationError, match="expected one below r"):
            honest.verify(proof=replaced(honest.proof, at, wrong.to_bytes(32, "big")))


@pytest.mark.parametrize("length", [0, 447, 449, 480])
def test_other_lengths_are_refused(honest, length):
    with pytest.raises(VerificationError, match=f"448 bytes, got {length}"):
        honest.verify(proof=(honest.proof + bytes(64))[:length])


def test_identities_prove_nothing(honest):
    refuses(honest, proof=bytes(448))
    inverse = honest.proof[416:]
    refuses(honest, proof=bytes(416) + inverse, value=0)


# --- statements


def test_another_statement_is_refused(honest):
    refuses(honest, value=(honest.value + 1) % FR)
    refuses(honest, value=-honest.value % FR)
    refuses(honest, commitment=[(2, honest.commitment)])
    refuses(honest, commitment=[(1, g1.GENERATOR)])
    refuses(honest, commitment=[])
    refuses(honest, transcript=Transcript(b"another job"))
    for i in range(6):
        point = [*honest.point]
        point[i] = (point[i] + 1) % FR
        refuses(honest, point=point)
    refuses(honest, point=honest.point[::-1])
    refuses(honest, point=honest.point[:5])
    refuses(honest, point=[*honest.point, 0])  # the same polynomial in one more variable


# --- provers that lie


def test_a_wrong_value_with_honest_parts(honest):
    lie = (honest.value + 1) % FR
    refuses(honest, value=lie, proof=forge(honest.vector, honest.point, lie))


def bent_fold(made: Case, gain: int) -> list[int]:
    """G with another value at u_hi: the first row's inner product is off."""
    k = (len(made.point) + 1) // 2
    fold = KnownTau().fold_rows(made.vector, made.point[:k])
    high = eq_table(made.point[k:])
    return [(fold[0] + gain * pow(high[0], -1, FR)) % FR, *fold[1:]]


def test_a_wrong_fold(honest):
    lie = (honest.value + 5) % FR
    fold = bent_fold(honest, 5)
    refuses(honest, value=lie, proof=forge(honest.vector, honest.point, lie, fold=fold))


def degree_attack(made: Case, lie: int) -> bytes:
    """Bend G, and bend R by c (X^K - alpha) so that its inner product agrees with G's."""
    k = (len(made.point) + 1) // 2
    fold = bent_fold(made, (lie - made.value) % FR)
    change = fold[0] - KnownTau().fold_rows(made.vector, made.point[:k])[0]
    low = eq_table(made.point[:k])

    def shift(alpha: int) -> int:
        return -change * pow(alpha * low[0], -1, FR) % FR

    return forge(made.vector, made.point, lie, fold=fold, shift_quotient=shift)


def test_a_remainder_of_too_high_degree(honest):
    lie = (honest.value + 5) % FR
    refuses(honest, value=lie, proof=degree_attack(honest, lie))


def test_the_degree_attack_works_without_the_reversed_polynomial(honest, monkeypatch):
    """kappa = 0 drops the only equation that holds D: then any value has a proof."""
    squeezed = opening.absorb_split

    def without_kappa(*arguments):
        return squeezed(*arguments)[0], 0

    monkeypatch.setattr(pcs, "absorb_split", without_kappa)
    monkeypatch.setitem(
        degree_attack.__globals__["forge"].__globals__, "absorb_split", without_kappa
    )
    lie = (honest.value + 5) % FR
    honest.verify(value=lie, proof=degree_attack(honest, lie))


# --- garbage above N


def with_garbage(made: Case, garbage: list[int]) -> tuple[list[int], g1.G1]:
    vector = made.vector + garbage
    return vector, PROVER.commit(vector)


def test_garbage_above_the_vector_is_refused(honest):
    vector, commitment = with_garbage(honest, some(8, 3))
    for value in (honest.value, (honest.value + 1) % FR):
        proof = forge(vector, honest.point, value)
        refuses(honest, commitment=[(1, commitment)], value=value, proof=proof)


def test_garbage_that_no_row_sees_changes_nothing(honest):
    """A row orthogonal to eq(u_lo), which no prover finds before u is known."""
    low = eq_table(honest.point[:3])
    row = [*some(7, 4), 0]
    row[7] = -sum(c * e for c, e in zip(row, low, strict=True)) * pow(low[7], -1, FR) % FR
    vector, commitment = with_garbage(honest, row)
    honest.verify(commitment=[(1, commitment)], proof=forge(vector, honest.point, honest.value))
    lie = (honest.value + 1) % FR
    proof = forge(vector, honest.point, lie)
    refuses(honest, commitment=[(1, commitment)], value=lie, proof=proof)


def test_a_fold_longer_than_the_rows_is_refused(honest):
    vector, commitment = with_garbage(honest, some(8, 5))
    fold = KnownTau().fold_rows(vector, honest.point[:3])
    assert len(fold) == 9
    proof = forge(vector, honest.point, honest.value, fold=fold)
    refuses(honest, commitment=[(1, commitment)], proof=proof)
