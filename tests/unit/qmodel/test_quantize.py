"""Quantisation: what it costs in accuracy, and what it promises about the integers."""

import numpy as np
import pytest

from joynet_sdk import qmodel
from joynet_sdk.errors import InvalidInputError
from joynet_sdk.progress import listening
from joynet_sdk.qmodel import floats, reference
from joynet_sdk.qmodel.onnx_import import read_onnx
from joynet_sdk.qmodel.ops import Gemm, Lookup, Softmax
from joynet_sdk.qmodel.quantize import choose_scale, quantize
from joynet_sdk.qmodel.report import encode, measure

from .graphs import node, onnx_file

LOSS = 0.01  # of top-1
NARROW = 13  # bits of q


def split(digits, size=None, ids=False):
    """(calibration, held-out inputs, held-out labels)."""
    inputs = digits.inputs(size).astype(np.float64)
    inputs = np.rint(inputs * 16).astype(np.int64) if ids else inputs
    return inputs[: digits.count], inputs[digits.count :], digits.labels[digits.count :]


def check_accuracy(path, data, least, **options):
    """At least this right in float, at most a point less in integers."""
    calibration, inputs, labels = data
    graph = read_onnx(path)
    made = quantize(graph, calibration, **options)
    accuracy = measure(graph, made.model, inputs, labels)
    assert accuracy.float_top1 >= least
    assert accuracy.integer_top1 >= accuracy.float_top1 - LOSS
    assert accuracy.cosine > 0.99
    answers = reference.execute(made.model, encode(made.model, inputs[:8]))
    np.testing.assert_array_equal(
        qmodel.execute(made.model, encode(made.model, inputs[:8])), answers
    )
    assert max(bounds.q_bits for bounds in made.model.bounds.values()) <= NARROW
    return made, accuracy


def test_perceptron_keeps_its_accuracy(perceptron, digits):
    made, _ = check_accuracy(perceptron, split(digits), 0.94)
    assert [layer.kind for layer in made.layers] == ["gemm"] * 3
    assert made.model.parameters == 8970
    assert min(layer.snr_db for layer in made.layers) > 30


def test_lenet_keeps_its_accuracy(lenet, digits):
    made, _ = check_accuracy(lenet, split(digits, 28), 0.9)
    kinds = ["conv", "maxpool", "conv", "maxpool", "view", "gemm", "gemm", "gemm"]
    assert [layer.kind for layer in made.layers] == kinds
    assert made.model.parameters == 44426


def test_cnn_keeps_its_accuracy(torch_cnn, digits):
    made, _ = check_accuracy(torch_cnn, split(digits), 0.95)
    kinds = ["conv", "avgpool", "conv", "conv", "lookup", "avgpool", "view", "gemm"]
    assert [layer.kind for layer in made.layers] == kinds
    relu6 = made.layers[2]
    assert relu6.scale * 127 <= 6 + 1e-9


def test_encoder_keeps_its_accuracy(torch_encoder, digits):
    made, _ = check_accuracy(torch_encoder(17), split(digits, ids=True), 0.6)
    kinds = [layer.kind for layer in made.layers]
    assert {"embed", "layernorm", "softmax", "matmul", "lookup", "view"} <= set(kinds)
    assert made.model.input.kind == "tokens"
    assert made.model.input.vocab == 17
    scores = next(op for op in made.model.ops if op.kind == "matmul")
    assert scores.transposed


@pytest.mark.parametrize("model", ["perceptron", "torch_cnn", "lenet"])
def test_extreme_inputs_run(request, model, digits):
    size = 28 if model == "lenet" else None
    graph = read_onnx(request.getfixturevalue(model))
    made = quantize(graph, split(digits, size)[0][:20]).model
    extremes = np.array([[-128], [127]], np.int8) * np.ones(made.input_size, np.int8)
    np.testing.assert_array_equal(qmodel.execute(made, extremes), reference.execute(made, extremes))


def test_same_data_gives_the_same_file(perceptron, digits, tmp_path):
    graph, calibration = read_onnx(perceptron), split(digits)[0]
    for name in "ab":
        qmodel.save(quantize(graph, calibration).model, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_stages_are_told(perceptron, digits):
    heard = []
    with listening(heard.append):
        quantize(read_onnx(perceptron), split(digits)[0])
    assert heard[-1] == "quantising gemm2 (3 of 3)"


# --- small graphs ---------------------------------------------------------------------------------


def graph_of(tmp_path, nodes, tensors=None, shape=(1, 4)):
    return read_onnx(onnx_file(tmp_path / "m.onnx", nodes, tensors, shape))


def test_linear_is_close_to_float(tmp_path):
    rng = np.random.default_rng(5)
    tensors = {"w": rng.normal(size=(4, 3)).astype(np.float32), "b": np.ones(3, np.float32)}
    graph = graph_of(tmp_path, [node("Gemm", "x w b")], tensors)
    inputs = rng.integers(-100, 100, (200, 4)) * 0.01
    made = quantize(graph, inputs, input_scale="0.01").model
    accuracy = measure(graph, made, inputs)
    assert accuracy.max_error <= 3 * float(made.output_scale)
    assert made.input.scale == "0.01"
    assert accuracy.float_top1 is accuracy.integer_top1 is None


def test_dead_channel_with_a_bias_still_fits(tmp_path):
    tensors = {"w": np.full((4, 3), 1e-30, np.float32), "b": np.ones(3, np.float32)}
    graph = graph_of(tmp_path, [node("Gemm", "x w b")], tensors)
    made = quantize(graph, np.ones((2, 4)), input_scale="1").model
    got = qmodel.execute(made, np.ones((1, 4), np.int8)) * float(made.output_scale)
    np.testing.assert_allclose(got, 1.0, atol=0.01)


@pytest.mark.parametrize("peak", [1e-9, 1.0, 1e6])
def test_zero_weights_and_zero_data(tmp_path, peak):
    graph = graph_of(tmp_path, [node("MatMul", "x w")], {"w": np.zeros((4, 3), np.float32)})
    for data in (np.zeros((3, 4)), np.full((3, 4), peak)):
        made = quantize(graph, data).model
        assert not qmodel.execute(made, encode(made, data)).any()


def test_outliers_are_clipped_when_that_helps():
    values = np.r_[np.random.default_rng(1).normal(size=60_000), 12.0]
    assert choose_scale(values) < 0.9 * 12 / 127
    assert choose_scale(np.zeros(4)) > 0
    flat = np.linspace(-1, 1, 999)
    assert choose_scale(flat) == pytest.approx(1 / 127, rel=0.05)


def test_one_loud_channel_of_many_is_not_overlooked():
    values = np.random.default_rng(1).normal(size=(20_000, 16))
    values[:, 5] *= 30
    assert choose_scale(values) == pytest.approx(np.abs(values).max() / 127, rel=0.3)


def test_wide_quotients_take_a_coarser_step(tmp_path):
    """Typical outputs are far below the worst case: 2,000 weights that nearly cancel."""
    rng = np.random.default_rng(2)
    weight = rng.choice([-1.0, 1.0], (2000, 2)).astype(np.float32)
    graph = graph_of(tmp_path, [node("MatMul", "x w")], {"w": weight}, (1, 2000))
    made = quantize(graph, rng.normal(size=(100, 2000)) * 0.01 + 1e-4, input_scale="0.5")
    assert made.layers[0].q_bits <= 16


def test_mean_error_goes_into_the_bias(tmp_path):
    rng = np.random.default_rng(8)
    tensors = {"w": rng.normal(size=(4, 3)).astype(np.float32)}
    graph = graph_of(tmp_path, [node("MatMul", "x w")], tensors)
    data = rng.uniform(0.0, 1.0, (400, 4)) + 0.3  # rounding to steps of 1 is off on average
    made = quantize(graph, data, input_scale="1").model
    [gemm] = made.ops
    assert isinstance(gemm, Gemm)
    got = qmodel.execute(made, encode(made, data)) * float(made.output_scale)
    off = (got - floats.run(graph, data)).mean(axis=0)
    assert np.abs(off).max() < 0.02


def test_sorted_data_is_sampled_evenly(tmp_path):
    graph = graph_of(tmp_path, [node("MatMul", "x w")], {"w": np.eye(4, dtype=np.float32)})
    data = np.repeat(np.linspace(0, 1, 3000)[:, None], 4, axis=1)
    made = quantize(graph, data)
    assert float(made.model.input.scale) == pytest.approx(1 / 127, rel=0.05)


def test_tables_hold_the_function(tmp_path):
    graph = graph_of(tmp_path, [node("Tanh", "x")])
    made = quantize(graph, np.linspace(-3, 3, 64).reshape(16, 4), input_scale="0.03")
    [op] = made.model.ops
    assert isinstance(op, Lookup)
    real = np.tanh(np.arange(-128, 128) * 0.03)
    assert np.abs(op.values * float(made.model.output_scale) - real).max() < 0.005


def test_softmax_table_starts_at_its_peak(tmp_path):
    graph = graph_of(tmp_path, [node("Softmax", "x")])
    [op] = quantize(graph, np.random.default_rng(1).normal(size=(9, 4))).model.ops
    assert isinstance(op, Softmax)
    assert op.exp[0] == 65535
    assert (np.diff(op.exp.astype(int)) <= 0).all()


def test_negative_outputs_of_the_graph(tmp_path):
    """A factor below zero at the very end becomes a table, and the scale stays positive."""
    tensors = {"w": np.eye(4, dtype=np.float32), "m": np.float32(-2)}
    nodes = [node("MatMul", "x w", "a"), node("Relu", "a", "r"), node("Mul", "r m")]
    graph = graph_of(tmp_path, nodes, tensors)
    data = np.linspace(-1, 1, 40).reshape(10, 4)
    accuracy = measure(graph, quantize(graph, data).model, data)
    assert accuracy.max_error < 0.02


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        (np.ones((3, 5)), {}, "expected (samples, 4) for inputs of shape [4]"),
        (np.ones((0, 4)), {}, "calibration data is (0, 4)"),
        (np.full((3, 4), np.nan), {}, "not finite"),
        (np.ones((3, 4)), {"input_scale": "-1"}, "input scale is '-1'"),
    ],
)
def test_bad_calibration_is_refused(tmp_path, data, options, message):
    graph = graph_of(tmp_path, [node("Relu", "x")])
    with pytest.raises(InvalidInputError) as caught:
        quantize(graph, data, **options)
    assert message in str(caught.value)


def test_bad_ids_and_labels_are_refused(torch_encoder, perceptron, digits):
    graph = read_onnx(torch_encoder(17))
    for data in (np.full((3, 64), 17), np.full((3, 64), -1), np.ones((3, 64))):
        with pytest.raises(InvalidInputError, match="no token ids, expected 0 to 16"):
            quantize(graph, data)
    with pytest.raises(InvalidInputError, match="no scale"):
        quantize(graph, np.ones((3, 64), np.int64), input_scale="1")
    graph, inputs = read_onnx(perceptron), split(digits)[1]
    with pytest.raises(InvalidInputError, match="label 10, expected below 10"):
        measure(graph, quantize(graph, inputs).model, inputs, np.full(len(inputs), 10))
