"""QModel: the reference is the definition, the fast executor equals it, bad files are refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

import joynet_sdk
from joynet_sdk import qmodel
from joynet_sdk.errors import InvalidInputError
from joynet_sdk.qmodel import GemmOp, QModel, reference
from joynet_sdk.qmodel.onnx_import import read_onnx
from joynet_sdk.qmodel.quantize import quantize, run_float

DIGITS = Path(joynet_sdk.__file__).parent / "demo" / "digits.safetensors"


def random_op(rng, width, out, table="relu-clamp", extreme=False):
    low, high = (-128, 128) if not extreme else (127, 128)
    return GemmOp(
        f"gemm{width}x{out}",
        rng.integers(low, high, (out, width)).astype(np.int8),
        rng.integers(-(2**28), 2**28, out).astype(np.int32),
        rng.integers(0, 2**24, out).astype(np.uint32),
        table,
    )


@given(st.integers(0, 2**32 - 1), st.integers(1, 80), st.integers(1, 40), st.booleans())
@settings(max_examples=60, deadline=None)
def test_fast_equals_reference(seed, width, hidden, extreme):
    rng = np.random.default_rng(seed)
    ops = (random_op(rng, width, hidden, extreme=extreme), random_op(rng, hidden, 7, "clamp"))
    model = QModel((width,), "1", "1", ops)
    inputs = rng.integers(-128, 128, (5, width)).astype(np.int8)
    inputs[0] = -128
    np.testing.assert_array_equal(qmodel.execute(model, inputs), reference.execute(model, inputs))


def test_requantise_rounds_half_up_and_saturates():
    op = GemmOp(
        "g",
        np.eye(3, dtype=np.int8),
        np.array([0, 0, 2**28], np.int32),
        np.array([2**23, 2**23, 2**23], np.uint32),
        "clamp",
    )
    got = reference.execute(QModel((3,), "1", "1", (op,)), np.array([[1, -1, 0]], np.int8))
    assert got.tolist() == [[1, 0, 127]]  # 0.5 -> 1, -0.5 -> 0: floor(x + 1/2)


def test_save_load_round_trip(tmp_path):
    model = qmodel.load(DIGITS)
    qmodel.save(model, tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == DIGITS.read_bytes()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weight": np.zeros((3, 5), np.int8)}, "expected int8"),
        ({"bias": np.zeros(3, np.int64)}, "bias is int64"),
        ({"multiplier": np.full(3, 2**24, np.uint32)}, "multiplier passes"),
        ({"bias": np.full(3, 2**31 - 1, np.int32)}, "can pass int32"),
        ({"table": "gelu"}, "table is 'gelu'"),
    ],
)
def test_broken_op_is_named(change, message):
    op = random_op(np.random.default_rng(1), 4, 3)
    with pytest.raises(InvalidInputError, match=message):
        QModel((4,), "1", "1", (replace(op, **change),))


@pytest.mark.parametrize("scale", ["0", "-1", "x", "nan"])
def test_bad_scale_is_refused(scale):
    with pytest.raises(InvalidInputError, match="scale"):
        QModel((4,), scale, "1", (random_op(np.random.default_rng(1), 4, 3),))


@pytest.mark.parametrize("data", [b"", b"\x80\x04junk", b"\xff" * 64])
def test_file_that_is_no_qmodel(tmp_path, data):
    (tmp_path / "m.safetensors").write_bytes(data)
    with pytest.raises(InvalidInputError, match="not a QModel"):
        qmodel.load(tmp_path / "m.safetensors")


# --- ONNX -------------------------------------------------------------------------------------


def onnx_file(path, nodes, tensors, output="y"):
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["n", 3])],
        [numpy_helper.from_array(value, name) for name, value in tensors.items()],
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), path
    )
    return path


@pytest.fixture
def tensors():
    rng = np.random.default_rng(3)
    return {"w": rng.normal(size=(3, 4)).astype(np.float32), "b": np.ones(3, np.float32)}


def test_import_equals_onnxruntime(tmp_path, tensors):
    import onnxruntime

    nodes = [
        helper.make_node("Gemm", ["x", "w", "b"], ["g"], "fc", transB=1),
        helper.make_node("Relu", ["g"], ["y"], "relu"),
    ]
    path = onnx_file(tmp_path / "m.onnx", nodes, tensors)
    x = np.random.default_rng(4).normal(size=(6, 4)).astype(np.float32)
    [expected] = onnxruntime.InferenceSession(path).run(None, {"x": x})
    got = run_float(read_onnx(path), x.astype(np.float64))[-1]
    np.testing.assert_allclose(got, expected, atol=1e-5)


def test_unsupported_node_is_named(tmp_path, tensors):
    nodes = [
        helper.make_node("Gemm", ["x", "w", "b"], ["g"], "fc", transB=1),
        helper.make_node("Sigmoid", ["g"], ["y"], "squash"),
    ]
    with pytest.raises(InvalidInputError, match="'squash'.*Sigmoid.*not supported"):
        read_onnx(onnx_file(tmp_path / "m.onnx", nodes, tensors))


def test_branching_graph_is_refused(tmp_path, tensors):
    nodes = [
        helper.make_node("Gemm", ["x", "w", "b"], ["g"], "fc", transB=1),
        helper.make_node("Gemm", ["x", "w", "b"], ["y"], "skip", transB=1),
    ]
    with pytest.raises(InvalidInputError, match="'skip'.*expected 'g'"):
        read_onnx(onnx_file(tmp_path / "m.onnx", nodes, tensors))


def test_garbage_is_not_onnx(tmp_path):
    (tmp_path / "m.onnx").write_bytes(b"\x80\x04not onnx")
    with pytest.raises(InvalidInputError, match="not a valid ONNX"):
        read_onnx(tmp_path / "m.onnx")


def test_quantised_outputs_are_close_to_float(tmp_path, tensors):
    nodes = [helper.make_node("Gemm", ["x", "w", "b"], ["y"], "fc", transB=1)]
    layers = read_onnx(onnx_file(tmp_path / "m.onnx", nodes, tensors))
    x = np.random.default_rng(5).integers(-100, 100, (200, 4))
    model = quantize(layers, x * 0.01, input_scale="0.01", input_shape=(4,))
    real = run_float(layers, x * 0.01)[-1]
    got = qmodel.execute(model, x.astype(np.int8)) * float(model.output_scale)
    assert np.abs(got - real).max() <= 3 * float(model.output_scale)


def test_dead_channel_with_a_bias_still_fits(tmp_path):
    tensors = {"w": np.full((3, 4), 1e-30, np.float32), "b": np.ones(3, np.float32)}
    nodes = [helper.make_node("Gemm", ["x", "w", "b"], ["y"], "fc", transB=1)]
    layers = read_onnx(onnx_file(tmp_path / "m.onnx", nodes, tensors))
    model = quantize(layers, np.ones((2, 4)), input_scale="1", input_shape=(4,))
    got = qmodel.execute(model, np.ones((1, 4), np.int8)) * float(model.output_scale)
    np.testing.assert_allclose(got, 1.0, atol=0.01)


def test_shipped_digits_model_classifies_held_out_digits():
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    _, pixels, _, labels = train_test_split(
        *load_digits(return_X_y=True), test_size=0.2, random_state=7, stratify=load_digits().target
    )
    answers = qmodel.execute(qmodel.load(DIGITS), pixels.astype(np.int8)).argmax(1)
    assert (answers == labels).mean() >= 0.97
