"""Worst cases: reached by some input, passed by none, and refused where integers could wrap."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from joynet_sdk.errors import InvalidInputError
from joynet_sdk.qmodel import Input, QModel, reference
from joynet_sdk.qmodel.bounds import Bounds, signed_bits
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

from .graphs import random_model

SOFT = np.rint(65535 * np.exp(-np.arange(256) / 20)).astype(np.uint16)


def gemm(weight, bias=0, scale=2**12, table="clamp", name="g", source="x"):
    weight = np.array(weight, np.int8)
    count = len(weight)
    return Gemm(
        name,
        source,
        weight,
        np.full(count, bias, np.int32),
        np.full(count, scale, np.uint32),
        table,
    )


def model_of(*ops, shape=(3,), **constants):
    return QModel(Input("x", shape, scale="1"), ops, "1", constants)


@pytest.mark.parametrize(
    ("low", "high", "bits"),
    [(0, 0, 1), (-1, 0, 1), (0, 1, 2), (-128, 127, 8), (-129, 0, 9), (0, 128, 9), (-256, 255, 9)],
)
def test_signed_bits(low, high, bits):
    assert signed_bits(low, high) == bits


@pytest.mark.parametrize("table", ["clamp", "relu-clamp"])
def test_interval_of_gemm_is_exact(table):
    first = gemm([[3, -5, 0], [127, 127, -128]], 1000, 2**20, "relu-clamp", "first")
    second = gemm([[7, -9]], -40, 2**20, table, "second", "first")
    model = model_of(first, second)
    corners = [np.array(c, np.int8) for c in product((-128, 127), repeat=3)]
    acc = np.array([reference.trace(model, c).steps["first"]["acc"] for c in corners])
    assert model.bounds["first"].acc == (acc.min(), acc.max())
    assert model.bounds["first"].out == (0, 127)
    assert model.bounds["second"].acc == (-40 - 9 * 127, -40 + 7 * 127)
    q = [(2**20 * end + 2**23) >> 24 for end in model.bounds["second"].acc]
    assert model.bounds["second"].q == tuple(q)


def test_pads_put_zero_into_the_interval():
    lookup = Lookup("ten", "x", np.full(256, 10, np.int8))
    ones, zero = np.ones((1, 1, 2, 2), np.int8), np.zeros(1, np.int32)
    scale = np.array([2**20], np.uint32)
    conv = Conv("c", "ten", ones, zero, scale, (1, 1), (0, 0, 0, 0), 1, "clamp")
    padded = replace(conv, pads=(1, 0, 0, 0))
    assert model_of(lookup, conv, shape=(1, 3, 3)).bounds["c"].acc == (40, 40)
    assert model_of(lookup, padded, shape=(1, 3, 3)).bounds["c"].acc == (0, 40)
    pool = AvgPool("p", "ten", (2, 2), (1, 1), (0, 0, 0, 1), 2**22, "clamp")
    assert model_of(lookup, pool, shape=(1, 3, 3)).bounds["p"].acc == (0, 40)


def test_rows_of_a_softmax_bound_what_they_weigh():
    square = MatMul("m", "s", "x", False, 2**17, "clamp")
    soft = Softmax("s", "x", SOFT)
    model = model_of(soft, square, shape=(9, 9))
    assert model.bounds["m"].acc == (-128 * (127 + 4), 127 * (127 + 4))
    turned = View("v", "s", (9, 9), (1, 0), (9, 9))
    other = model_of(soft, turned, replace(square, left="v"), shape=(9, 9))
    assert other.bounds["m"].acc == (-128 * 127 * 9, 127 * 127 * 9)


def test_narrow_quotients_still_have_nine_bits():
    assert model_of(gemm([[1, 0, 0]], scale=1)).bounds["g"].q_bits == 9
    assert Bounds((0, 1)).q_bits == 0


def test_wide_quotients_are_refused():
    wide = gemm([[127, 127, 127]], scale=2**24 - 1)
    with pytest.raises(InvalidInputError, match="needs 17 bits"):
        model_of(wide)
    assert model_of(gemm([[127, 127, 0]], scale=2**24 - 1)).bounds["g"].q_bits == 16


def test_accumulators_that_pass_int32_are_refused():
    with pytest.raises(InvalidInputError, match="accumulator reaches"):
        model_of(gemm([[1, 1, 1]], 2**31 - 1))


def test_no_random_model_breaks_a_limit():
    for seed in range(60):
        for bounds in random_model(seed).bounds.values():
            assert bounds.q_bits <= 16
            if bounds.acc is not None:
                assert max(-bounds.acc[0], bounds.acc[1]) < 2**33


# --- shapes ---------------------------------------------------------------------------------------

ZERO, ONE = np.zeros(1, np.int32), np.ones(1, np.uint32)
CONV = Conv("c", "x", np.ones((1, 1, 2, 2), np.int8), ZERO, ONE, (1, 1), (0, 0, 0, 0), 1, "clamp")
POOL = MaxPool("p", "x", (2, 2), (1, 1), (0, 0, 0, 0))
NORM = LayerNorm("n", "x", np.ones(4, np.int32), np.zeros(4, np.int32), 1, "clamp")
IMAGE, ROW = (1, 4, 4), (4,)


@pytest.mark.parametrize(
    ("op", "shape", "message"),
    [
        (gemm([[1, 2]]), ROW, "g (gemm): weight is [1, 2], expected (out, 4)"),
        (replace(gemm([[1] * 4]), bias=np.zeros(1)), ROW, "bias is float64, expected int32"),
        (replace(gemm([[1] * 4]), bias=np.zeros(2, np.int32)), ROW, "bias is [2], expected [1]"),
        (gemm([[1] * 4], scale=2**24), ROW, "multiplier is 16777216"),
        (replace(gemm([[1] * 4]), table="gelu"), ROW, "table is 'gelu'"),
        (CONV, ROW, "input is [4], expected (channels, height, width)"),
        (replace(CONV, groups=2), IMAGE, "expected 1 input channels and groups of equal size"),
        (replace(CONV, pads=(2, 0, 0, 0)), IMAGE, "pads below the kernel"),
        (replace(CONV, pads=(0, 0, -1, 0)), IMAGE, "pads below the kernel"),
        (replace(CONV, strides=(0, 1)), IMAGE, "strides >= 1"),
        (replace(POOL, kernel=(5, 1)), IMAGE, "expected at least the kernel [5, 1]"),
        (replace(POOL, kernel=(0, 1)), IMAGE, "pads below the kernel"),
        (MatMul("m", "x", "x", False, 1, "clamp"), (2, 3), "one inner side"),
        (MatMul("m", "x", "x", True, -1, "clamp"), (2, 3), "multiplier is -1"),
        (Lookup("l", "x", np.zeros(255, np.int8)), ROW, "values is [255], expected [256]"),
        (Softmax("s", "x", np.zeros(256, np.uint16)), ROW, "exp[0] is 0"),
        (NORM, (5,), "multiplier is [4], expected [5]"),
        (replace(NORM, epsilon=0), ROW, "epsilon is 0"),
        (replace(NORM, multiplier=np.full(4, 2**23, np.int32)), ROW, "multipliers are 8388608"),
        (View("v", "x", (2, 2), (0, 0), (4,)), ROW, "a permutation"),
        (View("v", "x", (2, 3), (0, 1), (4,)), ROW, "one size"),
        (View("v", "x", (2, 2), (0, 1), (5,)), ROW, "one size"),
        (Gather("g", "x", 1, np.zeros(1, np.uint32)), ROW, "an axis of the input"),
        (Gather("g", "x", 0, np.array([4], np.uint32)), ROW, "an index is 4, expected below 4"),
        (Embed("e", "x", "x"), ROW, "expected the token input and a constant"),
        (Gather("g", "x", 0, np.zeros(2**22 + 1, np.uint32)), (4, 4), "expected <= 16777216"),
    ],
)  # fmt: skip
def test_broken_op_is_named(op, shape, message):
    with pytest.raises(InvalidInputError) as caught:
        model_of(op, shape=shape)
    assert op.name in str(caught.value)
    assert message in str(caught.value)


def test_unequal_sums_are_refused():
    short = Gather("h", "x", 0, np.zeros(1, np.uint32))
    with pytest.raises(InvalidInputError, match="equal shapes"):
        model_of(short, Add("s", "x", "h", 1, 1, "clamp"))


@pytest.mark.parametrize(
    ("ops", "message"),
    [
        ((), "0 ops"),
        ((gemm([[1] * 3], source="y"),), "reads 'y', expected a tensor made before"),
        ((gemm([[1] * 3], source="g"),), "reads 'g', expected a tensor made before"),
        ((gemm([[1] * 3]), gemm([[1] * 3])), "two tensors are named 'g'"),
        ((gemm([[1] * 3], name="a b"),), "tensor name 'a b'"),
        ((gemm([[1] * 3]), gemm([[1] * 3], name="h")), "nothing reads ['g']"),
    ],
)
def test_broken_graph_is_refused(ops, message):
    with pytest.raises(InvalidInputError) as caught:
        model_of(*ops)
    assert message in str(caught.value)


def test_models_that_take_too_long_or_too_much_are_refused():
    side = 2**12
    square = MatMul("m", "x", "x", False, 1, "clamp")
    assert model_of(square, shape=(side, side)).output_size == side**2  # 2^36 exactly
    with pytest.raises(InvalidInputError, match="multiply-adds on"):
        model_of(square, Lookup("l", "m", np.zeros(256, np.int8)), shape=(side, side))
    views = [View(f"v{i}", f"v{i - 1}", (2**24,), (0,), (2**24,)) for i in range(1, 5)]
    with pytest.raises(InvalidInputError, match="expected at most .* on 67108864"):
        model_of(replace(views[0], input="x"), *views[1:], shape=(2**24,))


@pytest.mark.parametrize("scale", ["0", "-1", "x", "nan", "inf", "1_0", "", "1e99"])
def test_bad_scale_is_refused(scale):
    for scales in ((scale, "1"), ("1", scale)):
        with pytest.raises(InvalidInputError, match="scale"):
            QModel(Input("x", (3,), scale=scales[0]), (gemm([[1] * 3]),), scales[1])


@pytest.mark.parametrize(
    "source",
    [
        Input("x", (3,), "tokens", "1", 5),
        Input("x", (3, 1), "tokens", vocab=5),
        Input("x", (3,), "tokens", vocab=0),
        Input("x", (3,), "tokens", vocab=65_537),
        Input("x", (3,), "tensor", "1", 5),
        Input("x", (3,), "picture", "1"),
        Input("x", (0,), scale="1"),
        Input("x", (1,) * 7, scale="1"),
        Input("x", (2**25,), scale="1"),
    ],
)
def test_bad_input_is_refused(source):
    words = np.ones((9, 4), np.int8)
    ops = (Embed("e", "x", "words"),)
    with pytest.raises(InvalidInputError):
        QModel(source, ops, "1", {"words": words})
    assert QModel(Input("x", (3,), "tokens", vocab=9), ops, "1", {"words": words}).output_size == 12


def test_only_embed_reads_ids():
    words = np.ones((9, 3), np.int8)
    source = Input("x", (3,), "tokens", vocab=9)
    with pytest.raises(InvalidInputError, match="only embed may"):
        QModel(source, (gemm([[1] * 3]),), "1")
    with pytest.raises(InvalidInputError, match="9 rows for vocab 10"):
        QModel(replace(source, vocab=10), (Embed("e", "x", "w"),), "1", {"w": words})
