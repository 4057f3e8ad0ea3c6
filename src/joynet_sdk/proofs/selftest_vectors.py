"""Self-tests of vectors.cl, sumcheck.cl, logup.cl and keccak.cl; `selftest` lists them."""

import random
from collections.abc import Sequence

import numpy as np

from joynet_sdk.errors import VerificationError
from joynet_sdk.proofs import extensions, polynomials, sumcheck
from joynet_sdk.proofs.field import FR, batch_inverse
from joynet_sdk.proofs.keccak import keccak256_batch
from joynet_sdk.proofs.logup import Columns, denominators, lookup_inverses, table_inverses
from joynet_sdk.proofs.runtime import Runtime
from joynet_sdk.proofs.sumcheck import Instance, Term
from joynet_sdk.proofs.transcript import Transcript, keccak256
from joynet_sdk.proofs.vectors import EqClaim, FrVector, combine, eq_table, powers


def check_vectors(runtime: Runtime) -> None:
    """Arithmetic, multilinear tables and polynomials."""
    x, y = _values(512, 1), _values(512, 2)
    a, b = FrVector.from_ints(runtime, x), FrVector.from_ints(runtime, y)
    point = y[:9]
    eq = extensions.eq_table(point)
    pairs = list(zip(x, y, strict=True))
    _compare("sum", a.add(b).to_ints(), [(p + q) % FR for p, q in pairs])
    _compare("difference", a.sub(b).to_ints(), [(p - q) % FR for p, q in pairs])
    _compare("product", a.mul(b).to_ints(), [p * q % FR for p, q in pairs])
    _compare("dot", [a.dot(b)], [sum(p * q for p, q in pairs) % FR])
    _compare("affine", a.affine(y[0], y[1]).to_ints(), [(y[0] * p + y[1]) % FR for p in x])
    mixed = combine([(y[2], a), (FR - 1, b)])
    _compare("combination", mixed.to_ints(), [(y[2] * p - q) % FR for p, q in pairs])
    _compare("eq", eq_table(runtime, point).to_ints(), eq)
    a.copy().accumulate_eq([EqClaim(0, point), EqClaim(1, [])])
    value = sum(p * e for p, e in zip(x, eq, strict=True)) % FR
    _compare("evaluation", [a.evaluate(point)], [value])
    _compare("fold", [a.fold(point[0]).evaluate(point[1:])], [value])
    turned = a.permuted([8, *range(8)])
    _compare("permutation", [turned.evaluate([point[8], *point[:8]])], [value])
    nonzero = [p or 1 for p in x]
    inverses = FrVector.from_ints(runtime, nonzero).inverse()
    _compare("inverse", inverses.to_ints(), batch_inverse(nonzero))
    _compare("powers", powers(runtime, y[3], 99).to_ints(), [pow(y[3], i, FR) for i in range(99)])
    _compare("polynomial", [a.evaluate_polynomial(y[4])], [polynomials.evaluate(x, y[4])])
    for stride in (1, 16):
        quotient, remainder = a.divide(y[5], stride)
        z = y[6]
        divisor = pow(z, stride, FR) - y[5]
        found = quotient.evaluate_polynomial(z) * divisor + remainder.evaluate_polynomial(z)
        _compare(f"division by X^{stride} - a", [found % FR], [polynomials.evaluate(x, z)])
    squared = a.polynomial_mul(b).evaluate_polynomial(y[7])
    expected = polynomials.evaluate(x, y[7]) * polynomials.evaluate(y, y[7]) % FR
    _compare("product of polynomials", [squared], [expected])


def check_sumcheck(runtime: Runtime) -> None:
    """A batch of all kinds of terms, with tables of several lengths."""

    def table(length: int, seed: int) -> FrVector:
        return FrVector.from_ints(runtime, _values(length, seed))

    shared = table(64, 3)
    instances = [
        Instance(6, [shared, table(64, 4), table(50, 5)], [Term(3, (0, 1, 2)), Term(1, (2,))]),
        Instance(6, [table(1, 6), shared], [Term(5, (0, 1)), Term(-1, (1,))], FR - 2),
        Instance(2, [table(4, 7)], [Term(1, (0, 0, 0))], 9),
        Instance(0, [table(1, 8)], [Term(1, (0,))]),
    ]
    total = 0
    for instance in instances:
        size = 1 << instance.variables
        tables = [each.to_ints() + [0] * (size - each.length) for each in instance.tables]
        total += sum(instance.combine(row) for row in zip(*tables, strict=True))
    proved = sumcheck.prove(instances, total % FR, Transcript(b"selftest"), 3)
    verified = sumcheck.verify(proved.messages, total % FR, 6, 3, Transcript(b"selftest"))
    _compare("point", proved.point, verified[0])
    _compare("last claim", [verified[1]], [sumcheck.last_claim(instances, proved.values)])
    for instance, values in zip(instances, proved.values, strict=True):
        at = proved.point[: instance.variables]
        eq = extensions.eq_table(at)
        for each, value in zip(instance.tables, values, strict=True):
            wanted = sum(p * e for p, e in zip(each.to_ints(), eq, strict=False)) % FR
            _compare("table at the point", [value], [wanted])


def check_logup(runtime: Runtime) -> None:
    """Denominators, inverses, and the sparse side of the table."""
    gamma, beta = _values(20, 9)[-2:]
    rows = np.arange(-40, 60)
    v = FrVector.from_small(runtime, rows)
    found = denominators(Columns(v, v, 3), gamma, beta)
    expected = [(beta - (1 + gamma) * int(i) - 3 * gamma * gamma) % FR for i in rows]
    _compare("denominators", found.to_ints(), expected)
    inverses = batch_inverse(expected)
    _compare("inverses", lookup_inverses(found).to_ints(), inverses)
    counts = np.where(rows % 7 == 0, rows * rows, 0)
    wanted = [int(m) * h % FR for m, h in zip(counts, inverses, strict=True)]
    _compare("table", table_inverses(found, counts).to_ints(), wanted)


def check_keccak(runtime: Runtime) -> None:
    """Messages around the length of a block."""
    for length in (0, 64, 135, 136, 300):
        messages = np.arange(3 * length, dtype=np.uint32).astype(np.uint8).reshape(3, length)
        for row, digest in zip(messages, keccak256_batch(runtime, messages), strict=True):
            if digest.tobytes() != keccak256(row.tobytes()):
                raise VerificationError(f"keccak of {length} bytes is another one")


def _values(count: int, seed: int) -> list[int]:
    """Elements, a third of them 0, 1 or r - 1."""
    rng = random.Random(seed)
    return [
        rng.choice((0, 1, FR - 1, *(rng.randrange(FR) for _ in range(6)))) for _ in range(count)
    ]


def _compare(what: str, found: Sequence[int], expected: Sequence[int]) -> None:
    for i, (got, wanted) in enumerate(zip(found, expected, strict=True)):
        if got != wanted:
            raise VerificationError(f"{what}: element {i} is {got:#x}, expected {wanted:#x}")
