"""Checks of the kernels that the protocol runs, besides field and MSM (selftest.py)."""

import random

import numpy as np

from joynet_sdk.errors import VerificationError
from joynet_sdk.proofs import g1, logup, srs_powers
from joynet_sdk.proofs.comparison import expect_equal
from joynet_sdk.proofs.extensions import eq_table as reference_eq_table
from joynet_sdk.proofs.field import FR, batch_inverse
from joynet_sdk.proofs.keccak import keccak256_batch
from joynet_sdk.proofs.runtime import Runtime
from joynet_sdk.proofs.sumcheck import Instance, Term, last_claim, prove, verify
from joynet_sdk.proofs.transcript import Transcript, keccak256
from joynet_sdk.proofs.vectors import FrVector, eq_table

COUNT = 300  # elements, no multiple of a group


def elements(seed: int, count: int = COUNT) -> list[int]:
    """Random elements, a third of them 0, 1 or r - 1."""
    rng = random.Random(seed)
    return [
        rng.choice((0, 1, FR - 1, *(rng.randrange(FR) for _ in range(6)))) for _ in range(count)
    ]


def check_vectors(runtime: Runtime) -> None:
    """vectors.cl: arithmetic, a division and a table of eq."""
    a, b, x = elements(1), elements(2), FR - 12345
    left, right = FrVector.from_ints(runtime, a), FrVector.from_ints(runtime, b)
    pairs = list(zip(a, b, strict=True))
    expect_equal("a * b", left.mul(right).to_ints(), [p * q % FR for p, q in pairs])
    expect_equal("a - b", left.sub(right).to_ints(), [(p - q) % FR for p, q in pairs])
    expect_equal("a . b", [left.dot(right)], [sum(p * q for p, q in pairs) % FR])
    at_x = sum(value * pow(x, i, FR) for i, value in enumerate(a)) % FR
    expect_equal("a(x)", [left.evaluate_polynomial(x)], [at_x])
    quotient, rest = left.divide(x)
    expect_equal("a mod (X - x)", rest.to_ints(), [at_x])
    y = 7
    at_y = sum(value * pow(y, i, FR) for i, value in enumerate(a))
    expect_equal(
        "a div (X - x)", [quotient.evaluate_polynomial(y) * (y - x) % FR], [(at_y - at_x) % FR]
    )
    point = elements(3, 9)
    expect_equal(
        "eq", eq_table(runtime, point).to_ints(), [v % FR for v in reference_eq_table(point)]
    )


def check_sumcheck(runtime: Runtime) -> None:
    """sumcheck.cl: the verifier accepts the rounds of a sum of degree 3."""
    tables = [FrVector.from_ints(runtime, elements(seed, 1 << 9)) for seed in range(3)]
    instance = Instance(9, tables, [Term(5, (0, 1, 2)), Term(FR - 1, (0,))])
    rows = zip(*(table.to_ints() for table in tables), strict=True)
    claim = sum(instance.combine(row) for row in rows) % FR
    proved = prove([instance], claim, Transcript(b"selftest"), 3)
    point, last = verify(proved.messages, claim, 9, 3, Transcript(b"selftest"))
    expect_equal("point", point, proved.point)
    expect_equal("last claim", [last], [last_claim([instance], proved.values)])


def check_logup(runtime: Runtime) -> None:
    """logup.cl: denominators and their inverses."""
    v, gamma, beta = [value % 1000 for value in elements(4)], elements(5)[7] + 2, FR - 99
    column = FrVector.from_ints(runtime, v)
    denominator = logup.denominators(logup.Columns(column, id=3), gamma, beta)
    expected = [(beta - value - 3 * gamma * gamma) % FR for value in v]
    expect_equal("denominators", denominator.to_ints(), expected)
    expect_equal("inverses", logup.lookup_inverses(denominator).to_ints(), batch_inverse(expected))
    counts = np.array([i % 3 for i in range(COUNT)], np.int64)
    shares = [int(m) * h % FR for m, h in zip(counts, batch_inverse(expected), strict=True)]
    expect_equal("table inverses", logup.table_inverses(denominator, counts).to_ints(), shares)


def check_tables(runtime: Runtime) -> None:
    """tables.cl: the table of variables 2 and 0, spread over four variables."""
    table = elements(6, 4)
    source, out = FrVector.from_ints(runtime, table), FrVector.empty(runtime, 16)
    places = runtime.upload(np.array([2, 0], np.uint32))
    kernel = runtime.kernel("table_spread", "bn254_field", "tables")
    arguments = (source.buffer, np.uint32(0), out.buffer, places, np.uint32(2), np.uint32(16))
    runtime.launch(kernel, 64, *arguments, group=64)
    expected = [table[(i >> 2 & 1) + 2 * (i & 1)] for i in range(16)]
    expect_equal("spread table", out.to_ints(), expected)


def check_keccak(runtime: Runtime) -> None:
    """keccak.cl, at lengths around its block of 136 bytes."""
    for length in (0, 32, 135, 136, 137):
        messages = np.random.default_rng(length).integers(0, 256, (70, length), dtype=np.uint8)
        for message, digest in zip(messages, keccak256_batch(runtime, messages), strict=True):
            if digest.tobytes() != keccak256(message.tobytes()):
                raise VerificationError(f"keccak256 of {length} bytes is {digest.tobytes().hex()}")


def check_srs(runtime: Runtime) -> None:
    """srs.cl: powers of a number times the generator."""
    tau = FR - 777
    points = np.concatenate(list(srs_powers.powers(runtime, tau, 0, 130)))
    found = srs_powers.from_points(points)
    for i in (0, 1, 2, 63, 64, 129):
        if found[i] != g1.multiply(g1.GENERATOR, pow(tau, i, FR)):
            raise VerificationError(f"tau^{i} G is another point")
