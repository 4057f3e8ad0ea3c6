"""The field extensions that BN254's pairing lives in, as plain Python integers.

Fq2 = Fq[i] / (i^2 + 1), a pair (re, im).
Fq12 = Fq2[w] / (w^6 - XI) with XI = 9 + i, six Fq2 coefficients of 1, w, .., w^5.
Products are summed before they are reduced: a reduction costs three multiplications.
Tests compare with py_ecc. Source: Devegili et al., "Multiplication and squaring on pairing-friendly
fields", eprint 2006/471.
"""

from collections.abc import Sequence

from joynet_sdk.proofs.field import FQ

Fq2 = tuple[int, int]
Fq12 = tuple[Fq2, Fq2, Fq2, Fq2, Fq2, Fq2]

FQ2_ZERO: Fq2 = (0, 0)
FQ2_ONE: Fq2 = (1, 0)
XI: Fq2 = (9, 1)
ONE: Fq12 = (FQ2_ONE, FQ2_ZERO, FQ2_ZERO, FQ2_ZERO, FQ2_ZERO, FQ2_ZERO)


# --- Fq2


def fq2_add(a: Fq2, b: Fq2) -> Fq2:
    """a + b."""
    return (a[0] + b[0]) % FQ, (a[1] + b[1]) % FQ


def fq2_sub(a: Fq2, b: Fq2) -> Fq2:
    """a - b."""
    return (a[0] - b[0]) % FQ, (a[1] - b[1]) % FQ


def fq2_mul(a: Fq2, b: Fq2) -> Fq2:
    """a * b."""
    return (a[0] * b[0] - a[1] * b[1]) % FQ, (a[0] * b[1] + a[1] * b[0]) % FQ


def fq2_scale(a: Fq2, factor: int) -> Fq2:
    """a times an element of Fq."""
    return a[0] * factor % FQ, a[1] * factor % FQ


def fq2_conjugate(a: Fq2) -> Fq2:
    """a^q."""
    return a[0], -a[1] % FQ


def fq2_inverse(a: Fq2) -> Fq2:
    """1 / a; a is not zero."""
    norm = pow(a[0] * a[0] + a[1] * a[1], -1, FQ)
    return a[0] * norm % FQ, -a[1] * norm % FQ


def fq2_power(a: Fq2, exponent: int) -> Fq2:
    """a^exponent, exponent >= 0."""
    result = FQ2_ONE
    for bit in f"{exponent:b}":
        result = fq2_mul(result, result)
        if bit == "1":
            result = fq2_mul(result, a)
    return result


# --- Fq12


def _reduced(re: Sequence[int], im: Sequence[int]) -> Fq12:
    """Fold the coefficients of w^6 .. w^10 back (w^6 = 9 + i) and reduce."""
    low = [
        ((re[k] + 9 * re[k + 6] - im[k + 6]) % FQ, (im[k] + re[k + 6] + 9 * im[k + 6]) % FQ)
        for k in range(5)
    ]
    return (low[0], low[1], low[2], low[3], low[4], (re[5] % FQ, im[5] % FQ))


def mul(a: Fq12, b: Fq12) -> Fq12:
    """a * b."""
    re, im = [0] * 11, [0] * 11
    for i, (ar, ai) in enumerate(a):
        total = ar + ai
        for k, (br, bi) in enumerate(b, i):
            both, reals, imaginaries = total * (br + bi), ar * br, ai * bi
            re[k] += reals - imaginaries
            im[k] += both - reals - imaginaries
    return _reduced(re, im)


def square(a: Fq12) -> Fq12:
    """a^2: each mixed product once."""
    re, im = [0] * 11, [0] * 11
    for i, (ar, ai) in enumerate(a):
        re[2 * i] += (ar + ai) * (ar - ai)
        im[2 * i] += 2 * ar * ai
        ar, ai = 2 * ar, 2 * ai
        total = ar + ai
        for k, (br, bi) in enumerate(a[i + 1 :], 2 * i + 1):
            both, reals, imaginaries = total * (br + bi), ar * br, ai * bi
            re[k] += reals - imaginaries
            im[k] += both - reals - imaginaries
    return _reduced(re, im)


def mul_line(f: Fq12, b: Fq2, c: Fq2) -> Fq12:
    """f * (1 + b w + c w^3), the shape of a line through points of the twist."""
    (br, bi), (cr, ci) = b, c
    b9 = (9 * br - bi, br + 9 * bi)
    c9 = (9 * cr - ci, cr + 9 * ci)
    factors = ((b9, c9), (b, c9), (b, c9), (b, c), (b, c), (b, c))
    out = []
    for k, ((br, bi), (cr, ci)) in enumerate(factors):
        (fr, fi), (gr, gi), (hr, hi) = f[k], f[k - 1], f[k - 3]
        out.append(
            (
                (fr + br * gr - bi * gi + cr * hr - ci * hi) % FQ,
                (fi + br * gi + bi * gr + cr * hi + ci * hr) % FQ,
            )
        )
    return (out[0], out[1], out[2], out[3], out[4], out[5])


# w^(k (q^power - 1)), what the Frobenius map multiplies the conjugated coefficient of w^k with.
_TWISTS = {
    power: tuple(fq2_power(XI, k * (FQ**power - 1) // 6) for k in range(6)) for power in (1, 2, 3)
}


def frobenius(a: Fq12, power: int) -> Fq12:
    """a^(q^power), power 1, 2 or 3."""
    twists = _TWISTS[power]
    out = [fq2_mul((x[0], -x[1]) if power % 2 else x, t) for x, t in zip(a, twists, strict=True)]
    return (out[0], out[1], out[2], out[3], out[4], out[5])


def conjugate(a: Fq12) -> Fq12:
    """a^(q^6): the inverse of an element whose order divides q^6 + 1."""
    return (a[0], _negative(a[1]), a[2], _negative(a[3]), a[4], _negative(a[5]))


def inverse(a: Fq12) -> Fq12:
    """1 / a, by norms down to Fq2; a is not zero."""
    conjugated = conjugate(a)
    even = mul(a, conjugated)  # in Fq6 = Fq2[w^2]
    others = mul(frobenius(even, 2), frobenius(frobenius(even, 2), 2))
    norm = fq2_inverse(mul(even, others)[0])
    top = mul(conjugated, others)
    out = [fq2_mul(x, norm) for x in top]
    return (out[0], out[1], out[2], out[3], out[4], out[5])


def _negative(a: Fq2) -> Fq2:
    return -a[0] % FQ, -a[1] % FQ
