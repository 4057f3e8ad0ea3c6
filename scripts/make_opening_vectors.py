"""Write docs/spec/vectors/proof_opening.json.

Nothing of joynet_sdk is imported: every value comes from docs/spec/proof-opening.md with other
code. The powers of tau are those of the public development seed, so a commitment is one
multiplication of the generator, and sums and divisions can be the slow ones of the text.
"""

import json
import random
from pathlib import Path

from Crypto.Hash import keccak as _keccak
from py_ecc.optimized_bn128 import G1, G2, curve_order, multiply, normalize

R = curve_order
TARGET = Path(__file__).parents[1] / "docs" / "spec" / "vectors" / "proof_opening.json"
SEED = "joynet development"
Poly = list[int]


def keccak(data: bytes) -> bytes:
    """keccak-256."""
    return _keccak.new(digest_bits=256, data=data).digest()


TAU = int.from_bytes(keccak(b"joynet/development-tau/1" + SEED.encode()), "big") % R


def word(value: int) -> bytes:
    """32 bytes, big-endian."""
    return (value % R).to_bytes(32, "big")


def at(poly: Poly, x: int) -> int:
    """Value of a polynomial."""
    return sum(c * pow(x, i, R) for i, c in enumerate(poly)) % R


def commit(poly: Poly) -> bytes:
    """[poly(tau)]_1."""
    scalar = at(poly, TAU)
    if scalar == 0:
        return bytes(64)
    x, y = normalize(multiply(G1, scalar))
    return int(x).to_bytes(32, "big") + int(y).to_bytes(32, "big")


def g2_bytes(scalar: int) -> bytes:
    """[scalar]_2 in the order of EIP-197."""
    x, y = normalize(multiply(G2, scalar))
    parts = [x.coeffs[1], x.coeffs[0], y.coeffs[1], y.coeffs[0]]
    return b"".join(int(c).to_bytes(32, "big") for c in parts)


class Chain:
    """The transcript."""

    def __init__(self, state: bytes) -> None:
        self.state = state

    def absorb(self, tag: bytes, data: bytes) -> None:
        """Take in a message."""
        self.state = keccak(self.state + tag + len(data).to_bytes(4, "big") + data)

    def squeeze(self) -> int:
        """The next challenge."""
        self.state = keccak(self.state + b"\x01")
        return int.from_bytes(self.state, "big") % R


def eq(point: list[int]) -> Poly:
    """eq(point, i) for every i."""
    table = []
    for i in range(2 ** len(point)):
        product = 1
        for j, u in enumerate(point):
            product = product * (u if i >> j & 1 else 1 - u) % R
        table.append(product)
    return table


def add(*terms: tuple[int, Poly]) -> Poly:
    """Sum of factor * polynomial."""
    total = [0] * max(len(poly) for _, poly in terms)
    for factor, poly in terms:
        for i, c in enumerate(poly):
            total[i] = (total[i] + factor * c) % R
    return total


def over_linear(poly: Poly, root: int) -> Poly:
    """Exact quotient by (X - root)."""
    quotient, carry = [0] * (len(poly) - 1), 0
    for i in reversed(range(len(quotient))):
        carry = (poly[i + 1] + carry * root) % R
        quotient[i] = carry
    assert (poly[0] + carry * root) % R == 0
    return quotient


def symmetric(a: Poly, b: Poly) -> tuple[int, Poly]:
    """a(X) b(1/X) + a(1/X) b(X): its constant coefficient, and those of X^1, X^2, .."""
    size = max(len(a), len(b))
    out = [0] * size
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            out[abs(i - j)] += x * y * (2 if i == j else 1)
    return out[0] % R, [c % R for c in out[1:]]


def prove(f: Poly, u: list[int], chain: Chain) -> tuple[bytes, dict[str, int]]:
    """The steps of the protocol, in the text's names."""
    n = len(u)
    k = -(-n // 2)
    columns, rows = 2**k, 2 ** (n - k)
    low, high = eq(u[:k]), eq(u[k:])
    chunks = [f[i * columns : (i + 1) * columns] for i in range(rows)]
    value = sum(c * e for c, e in zip(f, eq(u), strict=True)) % R

    g = [sum(c * e for c, e in zip(chunk, low, strict=True)) % R for chunk in chunks]
    c_g = commit(g)
    chain.absorb(b"opnG", c_g)
    alpha = chain.squeeze()

    r = add(*((pow(alpha, i, R), chunk) for i, chunk in enumerate(chunks)))
    q = [0] * (columns * (rows - 1)) or [0]
    for i in range(rows - 1):  # row i of q is sum over j > i of alpha^(j-i-1) f_j
        row = add(*((pow(alpha, j - i - 1, R), chunks[j]) for j in range(i + 1, rows)))
        q[i * columns : (i + 1) * columns] = row
    d = r[::-1]
    gh = add((1, high), (-alpha, [pow(alpha, i, R) for i in range(rows)]))
    constant_low, half_low = symmetric(r, low)
    constant_high, half_high = symmetric(g, gh)
    assert (alpha * constant_low + constant_high - 2 * value) % R == 0
    s = add((alpha, half_low), (1, half_high))
    points = commit(q) + commit(d) + commit(s)
    chain.absorb(b"opnQ", points)
    z, kappa = chain.squeeze(), chain.squeeze()

    z_inverse = pow(z, -1, R)
    p, p_star = at(low, z), at(low, z_inverse) * pow(z, columns - 1, R)
    gz, g_star = at(gh, z), at(gh, z_inverse) * pow(z, rows - 1, R)
    upper = add(
        (alpha * p_star, r), (pow(z, columns - rows, R) * g_star, g),
        (-pow(z, columns, R), s), (kappa, d),
    )  # fmt: skip
    lower = add((z * (alpha * p - kappa), r), (z * gz, g), (-1, s))
    e = at(lower, z_inverse)
    target = pow(z, columns, R) * (2 * value * z - e) % R
    assert at(upper, z) * z * z % R == target
    scaled = add((z * z, upper), (-target, [1]))
    shifted = add((1, lower), (-e, [1]))
    w = add((1, over_linear(scaled, z)), (z_inverse, over_linear(shifted, z_inverse)))
    c_w = commit(w)
    chain.absorb(b"opnW", word(e) + c_w)
    y = chain.squeeze()

    a, b = z * y - 1, y - z
    c_r = (a * z * z * alpha * p_star + b * z * (alpha * p - kappa)) % R
    last = over_linear(add((a, scaled), (b, shifted), (-a * b, w)), y)
    last = [c * pow(c_r, -1, R) % R for c in last]
    inverse = pow(c_r * (alpha * z - 1) * (alpha - z), -1, R)
    proof = c_g + points + word(e) + c_w + commit(last) + word(inverse)
    numbers = {"alpha": alpha, "z": z, "kappa": kappa, "y": y, "target": target, "cR": c_r}
    return proof, {"value": value, **numbers}


def case(name: str, f: Poly, u: list[int]) -> dict[str, object]:
    """One vector: a statement, the transcript's state before the opening, the proof."""
    value = sum(c * e for c, e in zip(f, eq(u), strict=True)) % R
    chain = Chain(keccak(b"joynet opening vectors"))
    chain.absorb(b"case", commit(f) + b"".join(map(word, [*u, value])))
    before = chain.state
    proof, numbers = prove(f, u, chain)
    return {
        "name": name,
        "vector": ["0x" + word(c).hex() for c in f],
        "point": ["0x" + word(c).hex() for c in u],
        "commitment": "0x" + commit(f).hex(),
        "state_before": "0x" + before.hex(),
        "proof": "0x" + proof.hex(),
        "state_after": "0x" + chain.state.hex(),
        **{key: "0x" + word(number).hex() for key, number in numbers.items()},
    }


def text() -> str:
    """What the file holds."""
    rnd = random.Random(2025)

    def some(count: int) -> Poly:
        return [rnd.randrange(R) for _ in range(count)]

    cases = [case(f"random, n = {n}", some(2**n), some(n)) for n in (1, 2, 3, 4, 5, 6)]
    cases += [
        case("corner of the cube", some(16), [1, 0, 0, 1]),
        case("one row only: q = 0", [*some(4), *[0] * 12], some(4)),
        case("constant", [7] * 8, some(3)),
        case("zero", [0] * 8, some(3)),
        case("small signed values", [c % R for c in (-128, 127, 0, -1, 1, 5, -7, 2)], some(3)),
    ]
    powers = [g2_bytes(pow(TAU, 2**j, R)) for j in range(4)]
    document = {
        "about": "docs/spec/proof-opening.md; `state_before` is the transcript's state when the "
        "opening begins, `target` and `cR` are the verifier's; tau_powers_g2[j] is [tau^(2^j)]_2",
        "seed": SEED,
        "srs_digest": "0x" + keccak(b"joynet/srs/1" + powers[0]).hex(),
        "tau_powers_g2": ["0x" + raw.hex() for raw in powers],
        "cases": cases,
    }
    return json.dumps(document, indent=1) + "\n"


def main() -> None:
    """Write the file."""
    TARGET.write_text(text())


if __name__ == "__main__":
    main()
