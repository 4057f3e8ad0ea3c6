"""Provers for tests of the opening: one that knows tau, and one that lies."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from joynet_sdk.proofs import g1, g2
from joynet_sdk.proofs.engines import ReferenceEngine
from joynet_sdk.proofs.extensions import eq_table
from joynet_sdk.proofs.field import FR
from joynet_sdk.proofs.opening import (
    Equation,
    Opening,
    Weights,
    absorb_fold,
    absorb_quotient,
    absorb_split,
)
from joynet_sdk.proofs.pcs import TwoTierProver, TwoTierVerifier
from joynet_sdk.proofs.polynomials import divide_linear, evaluate, linear
from joynet_sdk.proofs.transcript import Transcript

TAU = 0x1D3C_5EED_0000_0000_0000_0000_0000_0000_0000_0000_0000_0000_0000_0000_0000_0007
Poly = list[int]


class KnownTau(ReferenceEngine):
    """Commits with one multiplication, so tests may take long vectors."""

    def __init__(self, tau: int = TAU) -> None:
        super().__init__([])
        self._tau = tau

    def commit(self, vector: Poly) -> g1.G1:
        return g1.multiply(g1.GENERATOR, evaluate(vector, self._tau))


TAU_POWERS = [g2.multiply(g2.GENERATOR, pow(TAU, 2**j, FR)) for j in range(9)]
PROVER = TwoTierProver(KnownTau())
VERIFIER = TwoTierVerifier(TAU_POWERS)
DOMAIN = b"tests of the opening"


@dataclass(frozen=True)
class Case:
    """A polynomial, a point, what is true about them, and its proof."""

    vector: Poly
    point: Poly
    commitment: g1.G1
    value: int
    proof: bytes

    def verify(self, **changes: object) -> None:
        """Verify it, with some of it replaced."""
        told = {
            "commitment": [(1, self.commitment)],
            "point": self.point,
            "value": self.value,
            "proof": self.proof,
            "transcript": Transcript(DOMAIN),
            **changes,
        }
        VERIFIER.verify(**told)  # type: ignore[arg-type]


def case(vector: Poly, point: Poly) -> Case:
    """An honest proof."""
    value = sum(c * e for c, e in zip(vector, eq_table(point), strict=True)) % FR
    proof = PROVER.open(vector, point, Transcript(DOMAIN))
    return Case(vector, point, PROVER.commit(vector), value, proof)


def symmetric(a: Sequence[int], b: Sequence[int]) -> tuple[int, Poly]:
    """a(X) b(1/X) + a(1/X) b(X): its constant coefficient, and those of X^1, X^2, .."""
    out = [0] * max(len(a), len(b))
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            out[abs(i - j)] += x * y * (2 if i == j else 1)
    return out[0] % FR, [c % FR for c in out[1:]]


def rows_of(vector: Poly, columns: int) -> list[Poly]:
    return [vector[at : at + columns] for at in range(0, len(vector), columns)]


def forge(
    vector: Poly,
    point: Poly,
    value: int,
    *,
    fold: Poly | None = None,
    shift_quotient: Callable[[int], int] = lambda alpha: 0,
    transcript: Transcript | None = None,
) -> bytes:
    """A proof that `vector` has `value`, as good as lies allow; wrong remainders are dropped.

    Args:
        vector: Any length: what is above 2^len(point) is garbage.
        point: Where.
        value: Claimed.
        fold: G; None for the true one.
        shift_quotient: alpha -> c: q - c is sent, so that R + c (X^K - alpha) is meant.
        transcript: None for the verifier's.
    """
    transcript = transcript or Transcript(DOMAIN)
    engine = KnownTau()
    k = (len(point) + 1) // 2
    columns, rows = 2**k, 2 ** (len(point) - k)
    low, high = eq_table(point[:k]), eq_table(point[k:])
    fold = fold or engine.fold_rows(vector, point[:k])[:rows]
    fold_point = engine.commit(fold)
    alpha = absorb_fold(transcript, fold_point)
    quotient, remainder = engine.divide(vector, columns, alpha)
    c = shift_quotient(alpha)
    if c:
        quotient = [(quotient[0] - c) % FR, *quotient[1:]]
        remainder = [(remainder[0] - c * alpha) % FR, *remainder[1:], c]
    reverse = remainder[:columns][::-1]
    powers = [pow(alpha, i, FR) for i in range(rows)]
    _, half_low = symmetric(remainder, low)
    _, half_high = symmetric(fold, linear([(1, high), (-alpha, powers)], rows))
    half = linear([(alpha, half_low), (1, half_high)], max(len(half_low), len(half_high)))
    points = [engine.commit(poly) for poly in (quotient, reverse, half)]
    z, kappa = absorb_split(transcript, *points)
    eq = Equation.at(point, alpha, z, kappa)
    d1_inverse, d2_inverse, z_inverse = (pow(v, -1, FR) for v in (eq.d1, eq.d2, z))
    size = max(len(remainder), len(half), len(fold))
    upper = linear(
        [
            (alpha * eq.low_reversed, remainder),
            (eq.lift * eq.high_reversed * d2_inverse, fold),
            (-eq.z_columns, half),
            (kappa, reverse),
        ],
        size,
    )
    lower = linear(
        [(z * (alpha * eq.low - kappa), remainder), (z * eq.high * d1_inverse, fold), (-1, half)],
        size,
    )
    share = evaluate(lower, z_inverse)
    scaled = linear([(z * z, upper), (-eq.target(value, share), [1])], size)
    both = linear(
        [(1, divide_linear(scaled, z)), (z_inverse, divide_linear(lower, z_inverse))], size - 1
    )
    both_point = engine.commit(both)
    y = absorb_quotient(transcript, share, both_point)
    w = Weights.at(eq, y)
    total = linear([(w.at_z, scaled), (w.at_inverse, lower), (w.both, both)], size)
    scale = pow(w.remainder, -1, FR)
    last = engine.commit(linear([(scale, divide_linear(total, y))], size - 1))
    inverse = pow(w.remainder * w.denominators, -1, FR)
    return Opening(fold_point, *points, share, both_point, last, inverse).encode()
