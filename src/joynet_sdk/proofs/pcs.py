"""The polynomial commitment: KZG commitments, opened in two tiers.

A multilinear polynomial of n variables is the vector of its N = 2^n values over the cube, and
that vector is at once the coefficient vector that is committed. Opening costs one sum of N points
and five of sqrt(N), checking seven multiplications and three pairings; a proof has 448 bytes.
Normative text, algebra and soundness: docs/spec/proof-opening.md.
Sources: Eagen and Gabizon, "MERCURY", eprint 2025/385 (the two tiers); Boneh, Drake, Fisch and
Gabizon, eprint 2020/081 (opening at several points); Kate, Zaverucha and Goldberg 2010.
"""

from collections.abc import Sequence
from typing import Protocol, TypeVar

from joynet_sdk.errors import InvalidInputError, VerificationError
from joynet_sdk.proofs import g1, g2
from joynet_sdk.proofs.field import FR
from joynet_sdk.proofs.opening import (
    PROOF_BYTES,
    Equation,
    Opening,
    Weights,
    absorb_fold,
    absorb_quotient,
    absorb_split,
    split,
)
from joynet_sdk.proofs.pairing import is_product_one
from joynet_sdk.proofs.polynomials import (
    Coefficients,
    divide_linear,
    evaluate,
    linear,
    times_binomials,
)
from joynet_sdk.proofs.transcript import Transcript

V = TypeVar("V")
"""How an engine holds a long vector: a list of ints, or memory of a device."""
V_contra = TypeVar("V_contra", contravariant=True)


class Engine(Protocol[V]):
    """The work of the prover that grows with N."""

    def commit(self, vector: V) -> g1.G1:
        """sum_i vector_i [tau^i]_1."""

    def commit_short(self, coefficients: Coefficients) -> g1.G1:
        """The same for a short list."""

    def fold_rows(self, vector: V, point: Sequence[int]) -> Coefficients:
        """For each row of 2^len(point) elements, its inner product with eq(point, .)."""

    def divide(self, vector: V, columns: int, alpha: int) -> tuple[V, Coefficients]:
        """Quotient and remainder by X^columns - alpha."""


class PolynomialCommitment(Protocol[V_contra]):
    """What the proof needs of a commitment scheme."""

    @property
    def proof_bytes(self) -> int:
        """Length of every proof."""

    def commit(self, vector: V_contra) -> g1.G1:
        """Commit to a vector of any length the SRS allows."""

    def open(self, vector: V_contra, point: Sequence[int], transcript: Transcript) -> bytes:
        """Prove the value of the multilinear polynomial `vector` at `point`."""


class OpeningVerifier(Protocol):
    """What a verifier needs of it."""

    def verify(
        self,
        commitment: Sequence[tuple[int, g1.G1]],
        point: Sequence[int],
        value: int,
        proof: bytes,
        transcript: Transcript,
    ) -> None:
        """Check a proof for the sum of factor * commitment.

        Raises:
            VerificationError: The proof is malformed or wrong.
        """


class TwoTierProver(PolynomialCommitment[V]):
    """Commits and opens with the engine's powers of tau."""

    def __init__(self, engine: Engine[V]) -> None:
        self._engine = engine

    @property
    def proof_bytes(self) -> int:
        """448."""
        return PROOF_BYTES

    def commit(self, vector: V) -> g1.G1:
        """The KZG commitment of the vector as coefficients."""
        return self._engine.commit(vector)

    def open(self, vector: V, point: Sequence[int], transcript: Transcript) -> bytes:
        """Prove the value of a vector of 2^len(point) elements at a point.

        Args:
            vector: In the engine's form.
            point: Variable 0, the least significant bit of the index, first; below r.
            transcript: Has absorbed the commitment; point and value follow from what it absorbed.

        Raises:
            InvalidInputError: Not 1 to 28 variables.
            VerificationError: A challenge hit a pole (chance below 2^-220): prove again with
                another transcript.
        """
        engine = self._engine
        k, _ = split(len(point))
        fold = engine.fold_rows(vector, point[:k])
        fold_point = engine.commit_short(fold)
        alpha = absorb_fold(transcript, fold_point)
        quotient, remainder = engine.divide(vector, 2**k, alpha)
        symmetric = _symmetric(remainder, fold, point, alpha)
        points = (
            engine.commit(quotient),
            engine.commit_short(remainder[::-1]),
            engine.commit_short(symmetric),
        )
        z, kappa = absorb_split(transcript, *points)
        tail = _Tail(Equation.at(point, alpha, z, kappa), remainder, fold, symmetric)
        both_point = engine.commit_short(tail.both)
        y = absorb_quotient(transcript, tail.share, both_point)
        last, inverse = tail.last(y)
        proof = Opening(
            fold_point, *points, tail.share, both_point, engine.commit_short(last), inverse
        )
        return proof.encode()


def _symmetric(
    remainder: Coefficients, fold: Coefficients, point: Sequence[int], alpha: int
) -> Coefficients:
    """S: the positive half of the symmetric products, K - 1 coefficients (step 2 of the spec)."""
    k, t = split(len(point))
    columns, rows = 2**k, 2**t
    reversed_low = times_binomials(remainder, [(u, 1 - u) for u in point[:k]])
    reversed_high = times_binomials(fold, [(u, 1 - u) for u in point[k:]])
    powers = times_binomials(fold, [(pow(alpha, 2**j, FR), 1) for j in range(t)])
    inner = [h - alpha * p for h, p in zip(reversed_high, powers, strict=True)]
    result = [
        alpha * (reversed_low[columns + j] + reversed_low[columns - 2 - j])
        for j in range(columns - 1)
    ]
    for j in range(rows - 1):
        result[j] += inner[rows + j] + inner[rows - 2 - j]
    return [value % FR for value in result]


class _Tail:
    """The last two messages: both quotients of the batched opening at z and 1/z."""

    def __init__(
        self,
        eq: Equation,
        remainder: Coefficients,
        fold: Coefficients,
        symmetric: Coefficients,
    ) -> None:
        length = len(remainder)
        d1_inverse, d2_inverse, z_inverse = (_inverse(value) for value in (eq.d1, eq.d2, eq.z))
        high, high_reversed = eq.high * d1_inverse, eq.high_reversed * d2_inverse
        square = eq.z * eq.z
        self._eq = eq
        self._upper = linear(
            [
                (square * eq.alpha * eq.low_reversed % FR, remainder),
                (square * eq.lift * high_reversed % FR, fold),
                (-square * eq.z_columns % FR, symmetric),
                (square * eq.kappa % FR, remainder[::-1]),
            ],
            length,
        )
        self._lower = linear(
            [
                (eq.z * (eq.alpha * eq.low - eq.kappa) % FR, remainder),
                (eq.z * high % FR, fold),
                (FR - 1, symmetric),
            ],
            length,
        )
        self.share = evaluate(self._lower, z_inverse)
        self.both = linear(
            [
                (1, divide_linear(self._upper, eq.z)),
                (z_inverse, divide_linear(self._lower, z_inverse)),
            ],
            length - 1,
        )

    def last(self, y: int) -> tuple[Coefficients, int]:
        """W' and the inverse that spares the verifier one multiplication of a point."""
        weights = Weights.at(self._eq, y)
        inverse = _inverse(weights.remainder * weights.denominators)
        total = linear(
            [
                (weights.at_z, self._upper),
                (weights.at_inverse, self._lower),
                (weights.both, self.both),
            ],
            len(self._upper),
        )
        scale = inverse * weights.denominators % FR
        return [value * scale % FR for value in divide_linear(total, y)], inverse


def _inverse(value: int) -> int:
    if not value % FR:
        raise VerificationError("a challenge hit a pole, expected never; prove again")
    return pow(value, -1, FR)


class TwoTierVerifier(OpeningVerifier):
    """Checks openings against the G2 side of an SRS."""

    def __init__(self, tau_powers: Sequence[g2.G2]) -> None:
        """
        Args:
            tau_powers: [tau^(2^j)]_2 for j = 0, 1, ..: checked points (`Srs.tau_powers`).
        """
        self._tau_powers = tau_powers

    def verify(
        self,
        commitment: Sequence[tuple[int, g1.G1]],
        point: Sequence[int],
        value: int,
        proof: bytes,
        transcript: Transcript,
    ) -> None:
        """Check that the sum of factor * commitment has `value` at `point`.

        Args:
            commitment: (factor, point) terms; points on the curve.
            point: Variable 0, the least significant bit of the index, first; below r.
            value: Below r.
            proof: 448 bytes.
            transcript: As the prover's: it has absorbed the commitments, and point and value
                follow from what it absorbed.

        Raises:
            InvalidInputError: Not 1 to 28 variables, or more than the SRS has powers for.
            VerificationError: The proof is malformed or wrong.
        """
        k, _ = split(len(point))
        if k >= len(self._tau_powers):
            raise InvalidInputError(
                f"{len(point)} variables need [tau^(2^{k})]_2, the SRS has 2^0 to "
                f"2^{len(self._tau_powers) - 1}",
                hint="joynet proof srs show",
            )
        o = Opening.decode(proof)
        alpha = absorb_fold(transcript, o.fold)
        z, kappa = absorb_split(transcript, o.quotient, o.reverse, o.symmetric)
        eq = Equation.at(point, alpha, z, kappa)
        y = absorb_quotient(transcript, o.share, o.both)
        w = Weights.at(eq, y)
        scale = o.inverse * w.denominators % FR
        if scale * w.remainder % FR != 1:
            raise VerificationError("the opening's inverse is wrong")
        constant = w.constant(eq.target(value, o.share), o.share)
        left = g1.combine(
            [
                *commitment,
                (alpha, o.quotient),
                (w.fold * o.inverse, o.fold),
                (w.symmetric * scale, o.symmetric),
                (w.reverse * scale, o.reverse),
                (w.both * scale, o.both),
                (y, o.last),
                (constant * scale, g1.GENERATOR),
            ]
        )
        pairs = (
            (left, g2.GENERATOR),
            (g1.negate(o.last), self._tau_powers[0]),
            (g1.negate(o.quotient), self._tau_powers[k]),
        )
        if not is_product_one(pairs):
            raise VerificationError("the opening's equation does not hold")
