"""`fast` equals `reference` bit for bit, and a trace satisfies every relation of the format."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joynet_sdk import qmodel
from joynet_sdk.errors import InvalidInputError
from joynet_sdk.qmodel import fast, reference
from joynet_sdk.qmodel.ops import (
    LAYERNORM_ROOT_BITS,
    Add,
    AvgPool,
    Conv,
    Gemm,
    LayerNorm,
    MatMul,
    Softmax,
)

from .graphs import random_inputs, random_model

SEEDS = st.integers(0, 2**32 - 1)


@given(SEEDS)
@settings(max_examples=40, deadline=None)
def test_fast_equals_reference_on_random_graphs(seed):
    model = random_model(seed)
    inputs = random_inputs(model, 5, seed)
    expected = reference.execute(model, inputs)
    np.testing.assert_array_equal(qmodel.execute(model, inputs), expected)
    assert expected.dtype == np.int8
    assert expected.shape == (5, model.output_size)


@given(SEEDS)
@settings(max_examples=25, deadline=None)
def test_both_traces_are_equal_and_hold_every_tensor(seed):
    model = random_model(seed)
    for values in random_inputs(model, 3, seed):
        slow, quick = reference.trace(model, values), qmodel.trace(model, values)
        assert set(slow.tensors) == set(model.shapes)
        for name, shape in model.shapes.items():
            assert slow.tensors[name].shape == shape
            np.testing.assert_array_equal(slow.tensors[name], quick.tensors[name])
        for op in model.ops:
            assert slow.steps[op.name].keys() == quick.steps[op.name].keys()
            for key, value in slow.steps[op.name].items():
                np.testing.assert_array_equal(value, quick.steps[op.name][key])
        output = slow.tensors[model.output].reshape(1, -1)
        np.testing.assert_array_equal(output, qmodel.execute(model, values[None]))


@given(SEEDS)
@settings(max_examples=25, deadline=None)
def test_traces_satisfy_the_relations_that_are_proven(seed):
    model = random_model(seed)
    for values in random_inputs(model, 4, seed):
        trace = reference.trace(model, values)
        for op in model.ops:
            check_relations(model, op, trace)


def check_relations(model, op, trace):
    steps, bounds, out = trace.steps[op.name], model.bounds[op.name], trace.tensors[op.name]
    assert bounds.out[0] <= out.min() <= out.max() <= bounds.out[1]
    if "q" in steps:
        assert bounds.acc[0] <= steps["acc"].min() <= steps["acc"].max() <= bounds.acc[1]
        assert bounds.q[0] <= steps["q"].min() <= steps["q"].max() <= bounds.q[1]
        half = 1 << (bounds.q_bits - 1)
        assert -half <= steps["q"].min() <= steps["q"].max() < half
        floor = 0 if op.table == "relu-clamp" else -128
        np.testing.assert_array_equal(out, np.clip(steps["q"], floor, 127))
    if isinstance(op, Gemm | Conv | MatMul | AvgPool | Add):
        scale = 1 if isinstance(op, Add) else op.multiplier
        if isinstance(op, Conv):
            scale = scale[:, None, None]
        scaled = np.asarray(scale).astype(object) * steps["acc"] + (1 << 23)
        np.testing.assert_array_equal(scaled, (steps["q"].astype(object) << 24) + steps["rem"])
        assert 0 <= steps["rem"].min() <= steps["rem"].max() < 1 << 24
    if isinstance(op, Softmax):
        check_softmax(op, trace.tensors[op.input].astype(int), steps, out.astype(int), bounds)
    if isinstance(op, LayerNorm):
        check_layernorm(op, trace.tensors[op.input].astype(int), steps)


def check_softmax(op, x, steps, y, bounds):
    np.testing.assert_array_equal(steps["mx"][..., None] - x, steps["d"])
    np.testing.assert_array_equal(op.exp[steps["d"]], steps["e"])
    total = steps["Z"][..., None]
    np.testing.assert_array_equal(steps["e"].sum(-1, keepdims=True), total)
    np.testing.assert_array_equal(254 * steps["e"] + total, 2 * total * y + steps["rem"])
    assert (steps["rem"] >= 0).all()
    assert (steps["rem"] < 2 * total).all()
    assert y.sum(-1).max() <= bounds.row_sum


def check_layernorm(op, x, steps):
    side, top = x.shape[-1], 1 << (2 * LAYERNORM_ROOT_BITS)
    np.testing.assert_array_equal(side * x - steps["sum"][..., None], steps["c"])
    np.testing.assert_array_equal((steps["c"] ** 2).sum(-1), steps["V"])
    spread = steps["V"].astype(object) + op.epsilon
    below, above = top - steps["R"] ** 2 * spread, (steps["R"] + 1) ** 2 * spread - 1 - top
    np.testing.assert_array_equal(below, steps["below"])
    np.testing.assert_array_equal(above, steps["above"])
    assert (below >= 0).all()
    assert (above >= 0).all()
    np.testing.assert_array_equal(steps["c"] * steps["R"][..., None], steps["acc"])
    scaled = (
        steps["acc"].astype(object) * op.multiplier + (op.bias.astype(object) << 24) + (1 << 35)
    )
    np.testing.assert_array_equal(scaled, (steps["q"].astype(object) << 36) + steps["rem"])
    assert 0 <= steps["rem"].min() <= steps["rem"].max() < 1 << 36


@given(st.integers(0, 2**44), st.integers(1, 2**46 - 1))
@settings(max_examples=200, deadline=None)
def test_float_square_root_is_corrected(v, epsilon):
    values = np.array([v, 0, 2**44], np.int64)
    np.testing.assert_array_equal(
        fast._inverse_root(values, epsilon), reference.inverse_root(values, epsilon)
    )


def test_large_batches_are_cut(monkeypatch):
    model = random_model(1)
    inputs = random_inputs(model, 11)
    monkeypatch.setattr(fast, "BATCH", 3)
    np.testing.assert_array_equal(fast.execute(model, inputs), reference.execute(model, inputs))
    assert fast.execute(model, inputs[:0]).shape == (0, model.output_size)


@pytest.mark.parametrize("columns", [1, 40, 300])
def test_large_convolutions_are_cut(monkeypatch, columns):
    monkeypatch.setattr(fast, "COLUMNS", columns)
    for seed in (1, 3, 5, 7, 9):
        model = random_model(seed)
        inputs = random_inputs(model, 3)
        np.testing.assert_array_equal(fast.execute(model, inputs), reference.execute(model, inputs))


@pytest.mark.parametrize("execute", [reference.execute, qmodel.execute])
def test_inputs_of_another_kind_are_refused(execute):
    ids = next(m for m in map(random_model, range(0, 40, 2)) if m.input.kind == "tokens")
    rows = next(m for m in map(random_model, range(0, 40, 2)) if m.input.kind == "tensor")
    with pytest.raises(InvalidInputError, match="token id 11, expected below 11"):
        execute(ids, np.full((1, ids.input_size), 11, np.uint16))
    with pytest.raises(InvalidInputError, match="expected uint16"):
        execute(ids, np.zeros((1, ids.input_size), np.int8))
    with pytest.raises(InvalidInputError, match="expected int8"):
        execute(rows, np.zeros((1, rows.input_size + 1), np.int8))
    with pytest.raises(InvalidInputError, match="expected one of"):
        qmodel.trace(rows, np.zeros((1, rows.input_size), np.int8))
