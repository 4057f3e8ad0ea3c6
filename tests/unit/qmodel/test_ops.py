"""Each op against its formula in docs/spec/qmodel.md, written again with Python integers."""

from itertools import product
from math import exp, prod, sqrt

import numpy as np
import pytest

from joynet_sdk.qmodel import Input, QModel, reference
from joynet_sdk.qmodel.ops import (
    Add,
    AvgPool,
    Conv,
    Embed,
    Gather,
    Gemm,
    LayerNorm,
    Lookup,
    MatMul,
    MaxPool,
    Softmax,
    View,
)

CLAMPS = {"clamp": -128, "relu-clamp": 0}


def squeeze(scaled, table, shift=24):
    """floor(x / 2^shift + 1/2), clamped."""
    return max(CLAMPS[table], min(127, (scaled + (1 << (shift - 1))) // (1 << shift)))


def int8(rng, *shape):
    return rng.integers(-128, 128, shape).astype(np.int8)


def run(op, shape, x, **constants):
    model = QModel(Input("x", shape, scale="1"), (op,), "1", constants)
    return reference.execute(model, x.reshape(1, -1)).reshape(model.output_shape)


@pytest.fixture
def rng():
    return np.random.default_rng(11)


def channels(rng, count):
    return (
        rng.integers(-9000, 9000, count).astype(np.int32),
        rng.integers(0, 2**16, count).astype(np.uint32),
    )


def test_requantise_rounds_half_up_and_saturates():
    bias, half = np.array([0, 0, 2**14], np.int32), np.full(3, 2**23, np.uint32)
    op = Gemm("g", "x", np.eye(3, dtype=np.int8), bias, half, "clamp")
    assert run(op, (3,), np.array([1, -1, 0], np.int8)).tolist() == [1, 0, 127]  # floor(x + 1/2)


@pytest.mark.parametrize("table", CLAMPS)
def test_gemm(rng, table):
    x, weight, (bias, scale) = int8(rng, 3, 5), int8(rng, 4, 5), channels(rng, 4)
    got = run(Gemm("g", "x", weight, bias, scale, table), (3, 5), x)
    for row, o in product(range(3), range(4)):
        acc = int(bias[o]) + sum(int(weight[o, j]) * int(x[row, j]) for j in range(5))
        assert got[row, o] == squeeze(int(scale[o]) * acc, table)


@pytest.mark.parametrize(
    ("groups", "strides", "pads"),
    [(1, (1, 1), (0, 0, 0, 0)), (2, (2, 1), (1, 0, 2, 1)), (4, (1, 2), (2, 1, 0, 1))],
)
def test_conv(rng, groups, strides, pads):
    x, weight, (bias, scale) = int8(rng, 4, 6, 5), int8(rng, 8, 4 // groups, 3, 2), channels(rng, 8)
    op = Conv("c", "x", weight, bias, scale, strides, pads, groups, "clamp")
    got = run(op, (4, 6, 5), x)
    sides = [(n + a + b - k) // s + 1 for n, a, b, k, s in zip(
        (6, 5), pads[:2], pads[2:], (3, 2), strides, strict=True)]  # fmt: skip
    assert got.shape == (8, *sides)
    for o, p, r in product(range(8), *map(range, sides)):
        acc = int(bias[o])
        for c, i, j in product(range(4 // groups), range(3), range(2)):
            y, z = strides[0] * p + i - pads[0], strides[1] * r + j - pads[1]
            if 0 <= y < 6 and 0 <= z < 5:
                channel = o // (8 // groups) * (4 // groups) + c
                acc += int(weight[o, c, i, j]) * int(x[channel, y, z])
        assert got[o, p, r] == squeeze(int(scale[o]) * acc, "clamp")


@pytest.mark.parametrize("transposed", [False, True])
def test_matmul(rng, transposed):
    left, right = int8(rng, 2, 3, 4), int8(rng, 2, 5, 4) if transposed else int8(rng, 2, 4, 5)
    op = MatMul("m", "x", "b", transposed, 30_000, "clamp")
    got = run(op, (2, 3, 4), left, b=right)
    for h, i, j in product(range(2), range(3), range(5)):
        column = right[h, j, :] if transposed else right[h, :, j]
        acc = sum(int(left[h, i, k]) * int(column[k]) for k in range(4))
        assert got[h, i, j] == squeeze(30_000 * acc, "clamp")


@pytest.mark.parametrize("table", CLAMPS)
def test_add(rng, table):
    a, b = int8(rng, 40), int8(rng, 40)
    got = run(Add("s", "x", "b", 2**24 - 1, 9_999_999, table), (40,), a, b=b)
    for index in range(40):
        acc = (2**24 - 1) * int(a[index]) + 9_999_999 * int(b[index])
        assert got[index] == squeeze(acc, table)


def test_largest_multiplier_is_the_identity():
    every = np.arange(-128, 128).astype(np.int8)
    op = Add("s", "x", "zero", 2**24 - 1, 0, "clamp")
    np.testing.assert_array_equal(run(op, (256,), every, zero=np.zeros(256, np.int8)), every)


def test_lookup_starts_at_minus_128(rng):
    values, every = int8(rng, 256), np.arange(-128, 128).astype(np.int8)
    np.testing.assert_array_equal(run(Lookup("l", "x", values), (256,), every), values)


@pytest.mark.parametrize("kind", ["max", "average"])
def test_pools(rng, kind):
    x, pads, strides, kernel = int8(rng, 2, 5, 6), (1, 0, 1, 2), (2, 3), (3, 3)
    if kind == "max":
        op = MaxPool("p", "x", kernel, strides, pads)
    else:
        op = AvgPool("p", "x", kernel, strides, pads, 2**24 // 9, "clamp")
    got = run(op, (2, 5, 6), x)
    assert got.shape == (2, 3, 2)
    for c, p, r in product(range(2), range(3), range(2)):
        window = [
            int(x[c, y, z]) if 0 <= y < 5 and 0 <= z < 6 else None
            for y in range(2 * p - 1, 2 * p + 2)
            for z in range(3 * r, 3 * r + 3)
        ]
        inside = [value for value in window if value is not None]
        best = max(inside) if kind == "max" else squeeze(2**24 // 9 * sum(inside), "clamp")
        assert got[c, p, r] == best


def test_softmax_is_close_to_the_real_one(rng):
    x, step = int8(rng, 6, 10) // 2, 0.05
    table = np.rint(65535 * np.exp(-np.arange(256) * step)).astype(np.uint16)
    got = run(Softmax("s", "x", table), (6, 10), x)
    for row in range(6):
        largest = max(int(v) for v in x[row])
        weights = [int(table[largest - int(v)]) for v in x[row]]
        total = sum(weights)
        assert got[row].tolist() == [(254 * w + total) // (2 * total) for w in weights]
        real = [exp(step * int(v)) for v in x[row]]
        shares = np.array(real) / sum(real)
        assert np.abs(got[row] / 127 - shares).max() <= 0.5 / 127 + 1e-3


@pytest.mark.parametrize("x", [[-128] * 9, [127] * 9, [-128] * 8 + [127]])
def test_softmax_of_extremes(x):
    for table in (np.full(256, 65535), np.r_[1, np.zeros(255)]):
        got = run(Softmax("s", "x", table.astype(np.uint16)), (9,), np.array(x, np.int8))
        assert got.min() >= 0
        assert 120 <= got.sum() <= 127 + 9 // 2


def layernorm(rng, side, step):
    """An op whose output step is 1/32, for gamma in -2..2 and beta in -1..1."""
    gamma, beta = rng.uniform(-2, 2, side), rng.uniform(-1, 1, side)
    scales = np.rint(gamma * sqrt(side) * 2**6 * 32).astype(np.int32)
    bias = np.rint(beta * 32 * 2**12).astype(np.int32)
    epsilon = max(1, round(side**3 * 1e-5 / step**2))
    return LayerNorm("n", "x", scales, bias, epsilon, "clamp"), gamma, beta


@pytest.mark.parametrize("side", [2, 5, 64, 256, 1024])
def test_layernorm_is_close_to_the_real_one(rng, side):
    op, gamma, beta = layernorm(rng, side, 0.1)
    x = int8(rng, 4, side)
    got = run(op, (4, side), x).astype(float) / 32
    real = x * 0.1
    normal = (real - real.mean(1, keepdims=True)) / np.sqrt(real.var(1, keepdims=True) + 1e-5)
    expected = np.clip(normal * gamma + beta, -4, 127 / 32)
    assert np.abs(got - expected).max() <= (0.5 + 0.3) / 32


def test_layernorm_in_integers(rng):
    op, *_ = layernorm(rng, 6, 0.02)
    x = int8(rng, 3, 6)
    got = run(op, (3, 6), x)
    for row in x.tolist():
        c = [6 * value - sum(row) for value in row]
        spread = sum(value * value for value in c) + op.epsilon
        r = int(sqrt(2**60 / spread)) + 3
        while r * r * spread > 2**60:
            r -= 1
        expected = [
            squeeze(int(m) * value * r + (int(b) << 24), "clamp", 36)
            for m, value, b in zip(op.multiplier, c, op.bias, strict=True)
        ]
        assert got[x.tolist().index(row)].tolist() == expected


@pytest.mark.parametrize("side", [2, 7, 256, 1024])
def test_layernorm_of_extremes_keeps_its_root_precise(rng, side):
    half = np.r_[np.full(side // 2, -128), np.full(side - side // 2, 127)].astype(np.int8)
    op, *_ = layernorm(rng, side, 1.0)
    model = QModel(Input("x", (side,), scale="1"), (op,), "1")
    root = int(reference.trace(model, half).steps["n"]["R"])
    assert root.bit_length() >= (12 if side <= 256 else 9)
    flat = reference.trace(model, np.full(side, 77, np.int8)).steps["n"]
    assert int(flat["V"]) == 0
    np.testing.assert_array_equal(flat["acc"], np.zeros(side))


def test_view(rng):
    x = int8(rng, 4, 6)
    got = run(View("v", "x", (4, 3, 2), (1, 0, 2), (3, 8)), (4, 6), x)
    for i, a, b in product(range(4), range(3), range(2)):
        assert got[a, 2 * i + b] == x[i, 2 * a + b]


def test_gather(rng):
    x = int8(rng, 3, 5)
    got = run(Gather("g", "x", 1, np.array([4, 0, 4], np.uint32)), (3, 5), x)
    np.testing.assert_array_equal(got, x[:, [4, 0, 4]])


def test_embed(rng):
    words = int8(rng, 9, 4)
    model = QModel(
        Input("ids", (3,), "tokens", vocab=8), (Embed("e", "ids", "words"),), "1", {"words": words}
    )
    got = reference.execute(model, np.array([[7, 0, 7]], np.uint16)).reshape(3, 4)
    np.testing.assert_array_equal(got, words[[7, 0, 7]])
    assert model.parameters == prod(words.shape)
