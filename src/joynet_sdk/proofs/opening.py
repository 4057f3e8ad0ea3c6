"""What prover and verifier of the opening share: its bytes, its challenges, its equation.

Normative text and soundness: docs/spec/proof-opening.md. Names follow it: K = 2^k coefficients a
row, T = 2^t rows, z the second challenge, y the last one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from joynet_sdk.errors import InvalidInputError, VerificationError
from joynet_sdk.proofs import g1
from joynet_sdk.proofs.field import FR
from joynet_sdk.proofs.transcript import Transcript

TAG_FOLD, TAG_SPLIT, TAG_QUOTIENT = b"opnG", b"opnQ", b"opnW"
PROOF_BYTES = 448
MAX_VARIABLES = 28  # the largest ceremony there is has 2^28 powers


def split(variables: int) -> tuple[int, int]:
    """(k, t): how many variables number the columns and the rows.

    Raises:
        InvalidInputError: Not 1 .. 28 variables.
    """
    if not 1 <= variables <= MAX_VARIABLES:
        raise InvalidInputError(f"{variables} variables, expected 1 to {MAX_VARIABLES}")
    return (variables + 1) // 2, variables // 2


@dataclass(frozen=True, slots=True)
class Opening:
    """A proof that a committed polynomial has a value at a point.

    Attributes:
        fold, quotient, reverse, symmetric: Commitments to G, q, D and S.
        share: The scalar e, the value of V at 1/z.
        both, last: Commitments to the quotients W and W'.
        inverse: 1 / (c_R (alpha z - 1) (alpha - z)).
    """

    fold: g1.G1
    quotient: g1.G1
    reverse: g1.G1
    symmetric: g1.G1
    share: int
    both: g1.G1
    last: g1.G1
    inverse: int

    def encode(self) -> bytes:
        """448 bytes."""
        split_points = (self.fold, self.quotient, self.reverse, self.symmetric)
        return b"".join(
            [
                *map(g1.encode, split_points),
                self.share.to_bytes(32, "big"),
                g1.encode(self.both),
                g1.encode(self.last),
                self.inverse.to_bytes(32, "big"),
            ]
        )

    @classmethod
    def decode(cls, raw: bytes) -> "Opening":
        """Parse and check every element.

        Raises:
            VerificationError: Another length, a scalar >= r, a point off the curve.
        """
        if len(raw) != PROOF_BYTES:
            raise VerificationError(f"an opening has {PROOF_BYTES} bytes, got {len(raw)}")
        fold, quotient, reverse, symmetric = (g1.decode(raw[i : i + 64]) for i in range(0, 256, 64))
        return cls(
            fold,
            quotient,
            reverse,
            symmetric,
            decode_scalar(raw[256:288]),
            g1.decode(raw[288:352]),
            g1.decode(raw[352:416]),
            decode_scalar(raw[416:448]),
        )


def decode_scalar(raw: bytes) -> int:
    """A scalar of 32 bytes, big-endian.

    Raises:
        VerificationError: It is not below r.
    """
    value = int.from_bytes(raw, "big")
    if value >= FR:
        raise VerificationError(f"scalar 0x{raw.hex()}, expected one below r")
    return value


@dataclass(frozen=True, slots=True)
class Equation:
    """The verifier's numbers at alpha, z and kappa: everything but the last challenge.

    Attributes:
        z_columns, z_rows: z^K, z^T.
        lift: z^(K-T).
        low, low_reversed: P_lo(z), z^(K-1) P_lo(1/z).
        high, high_reversed: (h - alpha s) d1 and (h* - alpha s*) d2, free of divisions.
        d1, d2: alpha z - 1, alpha - z: the denominators of s and s*.
    """

    alpha: int
    z: int
    kappa: int
    z_columns: int
    lift: int
    low: int
    low_reversed: int
    high: int
    high_reversed: int
    d1: int
    d2: int

    @classmethod
    def at(cls, point: Sequence[int], alpha: int, z: int, kappa: int) -> "Equation":
        """The numbers for an evaluation point and the challenges so far."""
        k, t = split(len(point))
        low, low_reversed, z_columns = _products(point[:k], z)
        high, high_reversed, z_rows = _products(point[k:], z)
        alpha_rows = pow(alpha, 2**t, FR)
        d1, d2 = (alpha * z - 1) % FR, (alpha - z) % FR
        return cls(
            alpha,
            z,
            kappa,
            z_columns,
            z_rows if k > t else 1,
            low,
            low_reversed,
            (high * d1 - alpha * (alpha_rows * z_rows - 1)) % FR,
            (high_reversed * d2 - alpha * (alpha_rows - z_rows)) % FR,
            d1,
            d2,
        )

    def target(self, value: int, share: int) -> int:
        """z^2 U(z) when V(1/z) = share and the claimed value is right."""
        return self.z_columns * (2 * value * self.z - share) % FR


@dataclass(frozen=True, slots=True)
class Weights:
    """Coefficients of the last equation at y, before the division by c_R.

    Attributes:
        at_z, at_inverse: a = z y - 1 and b = y - z.
        remainder: c_R.
        fold: c_G d1 d2.
        symmetric, reverse, both: c_S, c_D, c_W.
        denominators: d1 d2.
    """

    at_z: int
    at_inverse: int
    remainder: int
    fold: int
    symmetric: int
    reverse: int
    both: int
    denominators: int

    @classmethod
    def at(cls, eq: Equation, y: int) -> "Weights":
        """The coefficients at the last challenge."""
        a, b = (eq.z * y - 1) % FR, (y - eq.z) % FR
        upper, lower = a * eq.z * eq.z % FR, b * eq.z % FR
        return cls(
            a,
            b,
            (upper * eq.alpha * eq.low_reversed + lower * (eq.alpha * eq.low - eq.kappa)) % FR,
            (upper * eq.lift * eq.high_reversed * eq.d1 + lower * eq.high * eq.d2) % FR,
            -(upper * eq.z_columns + b) % FR,
            upper * eq.kappa % FR,
            -a * b % FR,
            eq.d1 * eq.d2 % FR,
        )

    def constant(self, target: int, share: int) -> int:
        """c_1, the coefficient of the generator."""
        return -(self.at_z * target + self.at_inverse * share) % FR


def _products(point: Sequence[int], z: int) -> tuple[int, int, int]:
    """P(z), z^(2^n - 1) P(1/z) and z^(2^n), for P(X) = prod_j (1 - u_j + u_j X^(2^j))."""
    value = reverse = 1
    for u in point:
        step = u * (z - 1)
        value = value * (1 + step) % FR
        reverse = reverse * (z - step) % FR
        z = z * z % FR
    return value, reverse, z


def absorb_fold(transcript: Transcript, fold: g1.G1) -> int:
    """First message; the challenge alpha."""
    transcript.absorb(TAG_FOLD, g1.encode(fold))
    return transcript.challenge()


def absorb_split(
    transcript: Transcript, quotient: g1.G1, reverse: g1.G1, symmetric: g1.G1
) -> tuple[int, int]:
    """Second message; the challenges z and kappa."""
    transcript.absorb(TAG_SPLIT, b"".join(map(g1.encode, (quotient, reverse, symmetric))))
    return transcript.challenge(), transcript.challenge()


def absorb_quotient(transcript: Transcript, share: int, both: g1.G1) -> int:
    """Third message; the challenge y."""
    transcript.absorb(TAG_QUOTIENT, share.to_bytes(32, "big") + g1.encode(both))
    return transcript.challenge()
