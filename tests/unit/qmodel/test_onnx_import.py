"""ONNX import: equal to onnxruntime node by node; what is not supported is named."""

# ruff: noqa: E501  (the tables of cases read as tables)

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from joynet_sdk.errors import InvalidInputError
from joynet_sdk.qmodel import floats, onnx_fold
from joynet_sdk.qmodel.onnx_import import read_onnx

from .graphs import node, onnx_file

RNG = np.random.default_rng(3)


def w(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def ints(*values):
    return np.array(values, np.int64)


def check(path, *, shape=None, low=None, count=3):
    """Run both on the same inputs; returns the graph."""
    import onnxruntime

    graph = read_onnx(path)
    session = onnxruntime.InferenceSession(path)
    [source] = session.get_inputs()
    sides = shape or [side if isinstance(side, int) else 1 for side in source.shape]
    for _ in range(count):
        x = RNG.normal(size=sides).astype(np.float32) * 2
        if source.type == "tensor(int64)":
            x = RNG.integers(0, graph.vocab, sides)
        [expected] = session.run(None, {source.name: x})
        got = floats.run(graph, x.reshape(1, -1))
        np.testing.assert_allclose(got.reshape(expected.shape), expected, atol=1e-5, rtol=1e-5)
    return graph


def kinds(graph):
    return [type(item).__name__ for item in graph.nodes]


CASES = {
    # name: (input shape, constants, nodes, what they become)
    "gemm": ((1, 4), {"w": w(4, 3), "b": w(3)}, [node("Gemm", "x w b", alpha=0.5, beta=2.0)], ["Linear"]),
    "gemm with a scalar bias": ((1, 4), {"w": w(3, 4), "b": w(1)}, [node("Gemm", "x w b", transB=1)], ["Linear"]),
    "gemm transposed": ((4, 1), {"w": w(4, 3)}, [node("Gemm", "x w", transA=1)], ["View", "Linear"]),
    "matmul": ((1, 5, 4), {"w": w(4, 3)}, [node("MatMul", "x w")], ["Linear"]),
    "matmul, add, scale": (
        (1, 5, 4), {"w": w(4, 3), "b": w(3), "s": w(1, 1, 3)},
        [node("MatMul", "x w", "a"), node("Add", "b a", "c"), node("Mul", "c s", "d"), node("Relu", "d")],
        ["Linear"],
    ),
    "conv, batchnorm, relu": (
        (1, 2, 6, 5), {"w": w(4, 1, 3, 2), "s": w(4), "b": w(4), "m": w(4), "v": abs(w(4))},
        [node("Conv", "x w", "a", group=2, pads=[1, 0, 2, 1], strides=[1, 2]),
         node("BatchNormalization", "a s b m v", "c"), node("Relu", "c")],
        ["Convolution"],
    ),
    "conv with bias and same padding": (
        (1, 2, 6, 5), {"w": w(4, 2, 3, 3), "b": w(4)},
        [node("Conv", "x w b", auto_pad="SAME_UPPER", strides=[2, 2])], ["Convolution"],
    ),
    "1-D conv": (
        (1, 3, 9), {"w": w(4, 3, 3), "b": w(4)},
        [node("Conv", "x w b", "c", pads=[1, 1]), node("MaxPool", "c", "m", kernel_shape=[2], strides=[2]),
         node("AveragePool", "m", kernel_shape=[2])],
        ["View", "Convolution", "MaxPool", "Average"],
    ),
    "batchnorm alone": (
        (1, 3, 2, 2), {"s": w(3), "b": w(3), "m": w(3), "v": abs(w(3))},
        [node("BatchNormalization", "x s b m v")], ["Convolution"],
    ),
    "scaled rows": ((1, 3, 4), {"s": w(4), "b": w(4)}, [node("Mul", "x s", "a"), node("Add", "a b")], ["Linear"]),
    "bias after relu": (
        (1, 4), {"w": w(4, 3), "b": w(3)},
        [node("MatMul", "x w", "a"), node("Relu", "a", "r"), node("Add", "r b")], ["Linear", "Sum"],
    ),
    "constant minus": ((1, 4), {"c": w(1, 4)}, [node("Sub", "c x")], ["Pointwise", "Sum"]),
    "minus constant": ((1, 4), {"c": w(1, 4)}, [node("Sub", "x c")], ["Sum"]),
    "divided": ((1, 4), {"c": np.float32([-4.0]), "w": w(4, 3)}, [node("Div", "x c", "a"), node("MatMul", "a w")], ["Linear"]),
    "residual": (
        (1, 3, 4), {"w": w(4, 4), "h": np.float32(0.5)},
        [node("MatMul", "x w", "a"), node("Mul", "a h", "b"), node("Add", "b x", "c"), node("Relu", "c")],
        ["Linear", "Sum"],
    ),
    "difference": ((1, 4), {"w": w(4, 4)}, [node("MatMul", "x w", "a"), node("Sub", "x a")], ["Linear", "Pointwise", "Sum"]),
    "relu of what others read": (
        (1, 4), {"w": w(4, 4)},
        [node("MatMul", "x w", "a"), node("Relu", "a", "r"), node("Add", "a r")], ["Linear", "Pointwise"],
    ),
    "relu6": (
        (1, 4), {"w": 9 * w(4, 3), "l": np.float32(0), "h": np.float32(6)},
        [node("MatMul", "x w", "a"), node("Clip", "a l h")], ["Linear"],
    ),
    "clip": ((1, 4), {"l": np.float32(-0.5), "h": np.float32(0.7)}, [node("Clip", "x l h")], ["Pointwise"]),
    "maxpool": (
        (1, 2, 6, 7), {}, [node("MaxPool", "x", kernel_shape=[3, 2], strides=[2, 3], pads=[1, 0, 0, 1])], ["MaxPool"],
    ),
    "maxpool of a negative": (
        (1, 2, 4, 4), {"h": np.float32(-0.5)},
        [node("Mul", "x h", "a"), node("MaxPool", "a", kernel_shape=[2, 2])], ["Pointwise", "MaxPool"],
    ),
    "averagepool": (
        (1, 2, 6, 6), {}, [node("AveragePool", "x", kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1)], ["Average"],
    ),
    "global average": ((1, 3, 4, 5), {}, [node("GlobalAveragePool", "x", "a"), node("Flatten", "a")], ["Average"]),
    "mean of tokens": ((1, 5, 4), {}, [node("ReduceMean", "x", axes=[1], keepdims=0)], ["View", "Average"]),
    "softmax": ((1, 5, 4), {"h": np.float32(0.3)}, [node("Mul", "x h", "a"), node("Softmax", "a", axis=-1)], ["Softmaxed"]),
    "softmax of a negative": ((1, 4), {"h": np.float32(-3)}, [node("Mul", "x h", "a"), node("Softmax", "a")], ["Pointwise", "Softmaxed"]),
    "layernorm": (
        (1, 5, 6), {"s": w(6), "b": w(6), "h": np.float32(-0.1)},
        [node("Mul", "x h", "a"), node("LayerNormalization", "a s b", axis=2, epsilon=0.01)], ["Normalised"],
    ),
    "tanh": ((1, 4), {}, [node("Tanh", "x")], ["Pointwise"]),
    "silu": ((1, 4), {}, [node("Sigmoid", "x", "s"), node("Mul", "x s")], ["Pointwise"]),
    "leaky relu": ((1, 4), {}, [node("LeakyRelu", "x", alpha=0.2)], ["Pointwise"]),
    "cube": ((1, 4), {"c": np.float32(3)}, [node("Pow", "x c")], ["Pointwise"]),
    "heads": (
        (1, 4, 6), {"a": ints(1, 4, 2, 3), "c": ints(1, 4, 6)},
        [node("Reshape", "x a", "b"), node("Transpose", "b", "t", perm=[0, 2, 1, 3]), node("Tanh", "t", "u"),
         node("Transpose", "u", "v", perm=[0, 2, 1, 3]), node("Reshape", "v c")],
        ["Pointwise"],
    ),
    "scores": (
        (1, 4, 6), {"s": ints(1, 4, 2, 3)},
        [node("Reshape", "x s", "b"), node("Transpose", "b", "q", perm=[0, 2, 1, 3]),
         node("Transpose", "b", "k", perm=[0, 2, 3, 1]), node("MatMul", "q k")],
        ["View", "Product"],
    ),
    "gather rows": ((1, 5, 4), {"i": ints(3, 0)}, [node("Gather", "x i", axis=1)], ["Gather"]),
    "gather one": ((1, 5, 4), {"i": np.array(-1)}, [node("Gather", "x i", axis=1)], ["Gather"]),
    "slice": ((1, 5, 4), {"s": ints(1, 3), "e": ints(5, -9), "a": ints(1, 2), "t": ints(2, -2)},
              [node("Slice", "x s e a t")], ["Gather", "Gather"]),
    "split of a linear": (
        (1, 5, 4), {"w": w(4, 6), "n": ints(2, 4)},
        [node("MatMul", "x w", "a"), helper.make_node("Split", ["a", "n"], ["p", "q"], axis=2),
         node("Softmax", "p", "r"), node("Identity", "r")],
        ["Linear", "Softmaxed"],
    ),
    "transposed and gathered": (
        (1, 5, 4), {"i": ints(2, 1)}, [node("Transpose", "x", "t", perm=[2, 0, 1]), node("Gather", "t i", axis=0)],
        ["Gather", "View"],
    ),
    "squeezed": (
        (1, 4, 1), {"a": ints(2), "b": ints(0, 3)}, [node("Squeeze", "x a", "s"), node("Unsqueeze", "s b", "u"), node("Neg", "u")],
        ["Pointwise"],
    ),
    "positions": ((1, 5, 4), {"p": w(5, 4)}, [node("Add", "x p")], ["Sum"]),
    "shapes are computed": (
        ("n", 4, 6), {"i": np.array(0), "m": ints(-1), "z": ints(0)},
        [node("Shape", "x", "s"), node("Gather", "s i", "b"), node("Unsqueeze", "b z", "c"),
         node("Concat", "c m", "d", axis=0), node("Reshape", "x d", "e"), node("Tanh", "e")],
        ["Pointwise"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_import_equals_onnxruntime(tmp_path, name):
    shape, tensors, nodes, expected = CASES[name]
    graph = check(onnx_file(tmp_path / "m.onnx", nodes, tensors, shape))
    assert kinds(graph) == expected


def test_decomposed_gelu_becomes_one_table(tmp_path):
    tensors = {"w": w(4, 4), "r": np.float32(2**0.5), "one": np.float32(1), "h": np.float32(0.5)}
    nodes = [
        node("MatMul", "x w", "a"), node("Div", "a r", "b"), node("Erf", "b", "c"),
        node("Add", "c one", "d"), node("Mul", "a d", "e"), node("Mul", "e h"),
    ]  # fmt: skip
    graph = check(onnx_file(tmp_path / "m.onnx", nodes, tensors))
    assert kinds(graph) == ["Linear", "Pointwise"]


@pytest.mark.parametrize("square", ["Pow", "Mul"])
def test_decomposed_layernorm_is_recognised(tmp_path, square):
    tensors = {"two": np.float32(2), "e": np.float32(1e-3), "g": w(6), "b": w(6)}
    nodes = [
        node("ReduceMean", "x", "m", axes=[-1]), node("Sub", "x m", "d"),
        node(square, "d two" if square == "Pow" else "d d", "s"),
        node("ReduceMean", "s", "v", axes=[-1]), node("Add", "v e", "u"), node("Sqrt", "u", "r"),
        node("Div", "d r", "n"), node("Mul", "n g", "o"), node("Add", "o b"),
    ]  # fmt: skip
    graph = check(onnx_file(tmp_path / "m.onnx", nodes, tensors, (1, 5, 6)))
    assert kinds(graph) == ["Normalised"]


def test_token_ids_are_embedded(tmp_path):
    tensors = {"words": w(30, 4), "few": w(20, 4), "p": w(5, 4)}
    nodes = [
        node("Cast", "x", "i", to=TensorProto.INT32), node("Gather", "words i", "a"),
        node("Gather", "few x", "b"), node("Add", "a b", "c"), node("Add", "c p"),
    ]  # fmt: skip
    path = onnx_file(tmp_path / "m.onnx", nodes, tensors, ("n", 5), kind=TensorProto.INT64)
    graph = check(path)
    assert (graph.vocab, graph.input_shape) == (20, (5,))
    assert kinds(graph) == ["Embed", "Embed", "Sum", "Sum"]


# --- PyTorch --------------------------------------------------------------------------------------


def test_torch_cnn(torch_cnn):
    graph = check(torch_cnn, shape=(1, 1, 8, 8))
    assert kinds(graph) == [
        "Convolution", "Average", "Convolution", "Convolution", "Pointwise", "Average", "View",
        "Linear",
    ]  # fmt: skip


@pytest.mark.parametrize("opset", [14, 17, 20])
def test_torch_encoder(torch_encoder, opset):
    graph = check(torch_encoder(opset))
    assert kinds(graph).count("Linear") == 7  # the joint projection is three matrices
    assert kinds(graph).count("Normalised") == 2
    assert kinds(graph).count("Pointwise") == 1
    assert "Gather" not in kinds(graph)


# --- errors ---------------------------------------------------------------------------------------

SMALL = {"w": w(4, 4), "b": w(4), "i": ints(0), "j": ints(7), "z": np.float32(0), "c": w(3, 1, 1)}
SMALL |= {"k": w(2, 1, 3, 3), "two": ints(3, 2)}


@pytest.mark.parametrize(
    ("shape", "nodes", "message"),
    [
        ((1, 4), [node("Einsum", "x x", equation="ab,ab->ab")], "node 'einsum-y' (Einsum) is not supported"),
        ((1, 4), [node("Mul", "x x", "y")], None),
        ((1, 4), [node("MatMul", "x w", "a"), node("Mul", "x a")], "a product of two tensors, 'x' and 'a'"),
        ((1, 4), [node("MatMul", "w x")], "matmul-y"),
        ((1, 3), [node("MatMul", "x w")], "expected a constant of shape (3, out)"),
        ((1, 4), [node("Div", "x z")], "a division by zero"),
        ((1, 4), [node("Div", "w x")], "expected a constant"),
        ((1, 4), [node("Add", "x c")], "expected one that fits [1, 4]"),
        ((1, 4), [node("Add", "x w")], "expected one that fits [1, 4]"),
        ((1, 4), [node("Gather", "x j", axis=1)], "indices [7], expected 0 to 3"),
        ((1, 4), [node("Pow", "x z")], "a constant 1, 2, 3 or 4"),
        ((1, 4), [node("Reshape", "x two")], "does not reshape"),
        ((1, 4), [node("Exp", "x")], "(Exp) is not supported"),
        ((1, 2, 4, 4), [node("Conv", "x k", dilations=[2, 2], group=2)], "dilations [2, 2], expected 1"),
        ((1, 3, 4, 4), [node("Conv", "x k")], "expected 3 inputs"),
        ((1, 2, 2, 2), [node("Conv", "x k", group=2)], "expected at least the kernel"),
        ((1, 2, 4, 4), [node("MaxPool", "x", kernel_shape=[2, 2], ceil_mode=1)], "ceil_mode 1"),
        ((1, 2, 4, 4), [node("AveragePool", "x", kernel_shape=[2, 2], pads=[1, 1, 1, 1])], "count_include_pad"),
        ((2, 2, 4, 4), [node("Conv", "x k", group=2)], "input [2, 2, 4, 4]"),
        ((1, 3, 4), [node("Softmax", "x", axis=1)], "expected the last axis"),
        ((1, 3, 4), [node("LayerNormalization", "x i", axis=1)], "expected the last one"),
        ((1, 3, 4), [node("Mul", "x c")], "(Mul): a constant [3, 1, 1]"),
        ((1, 4), [node("Identity", "w")], "the output does not depend on the input"),
        ((1, 4), [node("Identity", "x")], "computes nothing"),
        ((1, "seq", 4), [node("Relu", "x")], "side 1 ('seq') is not fixed"),
        ((1, 1 << 40), [node("Relu", "x")], "has shape [1, 1099511627776]"),
    ],
)  # fmt: skip
def test_what_is_not_supported_is_named(tmp_path, shape, nodes, message):
    path = onnx_file(tmp_path / "m.onnx", nodes, SMALL, shape)
    if message is None:
        assert kinds(read_onnx(path)) == ["Pointwise"]  # x * x is a table
        return
    with pytest.raises(InvalidInputError) as caught:
        read_onnx(path)
    assert message in str(caught.value)
    assert len(str(caught.value)) < 400


def test_supported_nodes_are_listed(tmp_path):
    path = onnx_file(tmp_path / "m.onnx", [node("Einsum", "x x", equation="ab,ab->ab")])
    with pytest.raises(InvalidInputError) as caught:
        read_onnx(path)
    assert "LayerNormalization" in caught.value.hint


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_refused(tmp_path, value):
    weights = np.full((4, 3), value, np.float32)
    path = onnx_file(tmp_path / "m.onnx", [node("MatMul", "x w")], {"w": weights})
    with pytest.raises(InvalidInputError, match="tensor 'w' holds a value that is not finite"):
        read_onnx(path)


def test_garbage_is_not_onnx(tmp_path):
    for data in (b"\x80\x04not onnx", b"", b"\x08" * 99, bytes(1000)):
        (tmp_path / "m.onnx").write_bytes(data)
        with pytest.raises(InvalidInputError, match="not a valid ONNX"):
            read_onnx(tmp_path / "m.onnx")


def changed(path, change):
    model = onnx.load(path)
    change(model.graph)
    path.write_bytes(model.SerializeToString())
    return path


def external(graph):
    graph.initializer[0].data_location = TensorProto.EXTERNAL
    entry = graph.initializer[0].external_data.add()
    entry.key, entry.value = "location", "../../etc/passwd"


def cycle(graph):
    graph.node[0].input[0] = "y"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (external, ""),
        (cycle, "not a valid ONNX"),
        (lambda graph: graph.initializer[0].dims.__setitem__(0, 1 << 50), "m.onnx|tensor 'w'"),
        (lambda graph: graph.initializer[0].dims.__setitem__(0, -4), "m.onnx|tensor 'w'"),
        (lambda graph: graph.node[0].input.__setitem__(1, "nothing"), "not a valid ONNX"),
        (lambda graph: graph.input.append(graph.output[0]), "has inputs|not a valid"),
        (lambda graph: graph.output.append(graph.output[0]), "outputs|not a valid"),
        (lambda graph: graph.node[0].__setattr__("domain", "evil"), "evil.MatMul|not a valid"),
    ],
)
def test_broken_graphs_are_refused(tmp_path, change, message):
    path = onnx_file(tmp_path / "m.onnx", [node("MatMul", "x w")], {"w": w(4, 3)})
    with pytest.raises(InvalidInputError, match=message):
        read_onnx(changed(path, change))


def test_constants_do_not_explode(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_fold, "MAX_ELEMENTS", 1 << 18)
    nodes = [helper.make_node("Concat", ["w", "w"], ["t0"], "grow", axis=0)]
    nodes += [
        helper.make_node("Concat", [f"t{i}", f"t{i}"], [f"t{i + 1}"], "grow", axis=0)
        for i in range(60)
    ]
    nodes.append(node("MatMul", "x t60"))
    with pytest.raises(InvalidInputError, match="'grow'.*a constant of shape"):
        read_onnx(onnx_file(tmp_path / "m.onnx", nodes, {"w": w(4, 1000)}))
    nodes = [helper.make_node("ConstantOfShape", ["s"], ["c"], "big"), node("MatMul", "x c")]
    with pytest.raises(InvalidInputError, match="'big'.*a constant of shape"):
        read_onnx(onnx_file(tmp_path / "m.onnx", nodes, {"s": ints(1 << 40, 1 << 40)}))


def test_half_precision_weights_are_read(tmp_path):
    weights = numpy_helper.from_array(w(4, 3).astype(np.float16), "h")
    path = onnx_file(
        tmp_path / "m.onnx",
        [node("Cast", "h", "w", to=TensorProto.FLOAT), node("MatMul", "x w")],
        {"h": numpy_helper.to_array(weights)},
    )
    check(path)
