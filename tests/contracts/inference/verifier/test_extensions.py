"""The closed forms of CircuitLibrary are those of `proofs.extensions`."""

import random
from dataclasses import replace

from joynet_sdk.proofs.circuit import Io, IoShape, Range, Wire, bits, r, rho
from joynet_sdk.proofs.codec import encode
from joynet_sdk.proofs.evaluation import Evaluation
from joynet_sdk.proofs.extensions import tensor
from joynet_sdk.proofs.field import FR

from .harness import ATTESTATION, Chain


def variables(rng: random.Random) -> list[int]:
    """What the verifier knows: r, rho, the constants 0 and 1, and the numbers of the first r."""
    values = [rng.randrange(FR) for _ in range(48)]
    numbers = [sum(x << i for i, x in enumerate(values[:n])) % FR for n in range(25)]
    return [*values, 0, 1, *numbers]


def record_of(value: Wire) -> int:
    """The record as a number; it comes after a header, two recipes and a START."""
    blob = encode(replace(ATTESTATION, after=(value,)))
    return int.from_bytes(blob[80:96])


def draw_wire(rng: random.Random) -> Wire:
    """Strides, kernels and borders of every kind; sizes up to 64."""
    p, q = rho(rng.randint(0, 3), rng.randint(0, 6)), r(rng.randint(0, 3), rng.randint(0, 6))
    size_p, size_q = (rng.choice((1 << x.count, rng.randint(1, 1 << x.count))) for x in (p, q))
    size_k = rng.randint(1, 9)
    k = rng.choice((Range(), bits(rng.randrange(size_k), 0), r(rng.randint(0, 9), 4)))
    stride = rng.choice((1, 1, 1, 2, 3))
    return Wire(p, k, q, stride, rng.choice((0, 0, 1, 2, 3, 20)), size_p, size_k, size_q)


def test_wire(chain: Chain) -> None:
    rng = random.Random(1)
    for number in range(250):
        known, value = variables(rng), draw_wire(rng)
        evaluation = Evaluation(ATTESTATION, (), (), 0, 0, known[24:48], known[:24])
        expected = evaluation.evaluate(value, iter(()))
        given = chain.library.number("wire(uint256[75],uint256)", known, record_of(value))
        assert given == expected, (number, value)


def test_wire_without_bounds(chain: Chain) -> None:
    """Stride 1, no padding, every p, k and q: evaluated bit by bit."""
    rng = random.Random(2)
    for number in range(120):
        p, q = rho(rng.randint(0, 3), rng.randint(0, 6)), r(rng.randint(0, 3), rng.randint(0, 6))
        k = r(rng.randint(4, 9), rng.randint(0, 5))
        value = Wire(p, k, q, 1, 0, *(1 << part.count for part in (p, k, q)))
        known = variables(rng)
        evaluation = Evaluation(ATTESTATION, (), (), 0, 0, known[24:48], known[:24])
        expected = evaluation.evaluate(value, iter(()))
        given = chain.library.number("wire(uint256[75],uint256)", known, record_of(value))
        assert given == expected, (number, value)


def test_tensor(chain: Chain) -> None:
    rng = random.Random(3)
    shapes = [(256,), (1,), (7,), (8,), (9,), (130,), (1, 64, 1), (64, 1, 1), (3, 5), (2, 3, 5)]
    shapes += [(16, 16), (5, 5, 10), (10, 25), (2, 128), (4, 8, 8), (17, 15)]
    for dims in shapes:
        shape, known = IoShape(Io.PACKED, dims), variables(rng)
        length = sum(shape.bits)
        values = [rng.choice((-128, 127, rng.randrange(-128, 128))) for _ in range(shape.values)]
        recipe = 1 << 120 | length << 112 | (r(3, length).word() << 96 if length else 0)
        outer, middle, inner = shape.sizes
        given = chain.library.number(
            "tensor(uint256[75],uint256,uint256,bytes)",
            known,
            recipe,
            outer << 32 | middle << 16 | inner,
            bytes(value & 255 for value in values),
        )
        assert given == tensor(values, shape.sizes, known[3 : 3 + length]), dims
