"""The models that proofs are measured on, trained here and written as ONNX: deterministic, small.

a: MLP 64-64-64-10 on scikit-learn's digits · b: MLP 784-512-512-10 and c: LeNet, both on the
digits enlarged to 28 x 28 · d: one transformer block, d = 64, 16 positions, random weights.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

TRAINING = 1400  # of scikit-learn's 1,797 digits
OPSET = 13
Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class OnnxModel:
    """A model with data to calibrate and to test it.

    Attributes:
        calibration: (n, ...) float32, training inputs.
        inputs: (n, ...) float32, held-out inputs.
        labels: (n,) classes of the held-out inputs; None where there are none.
    """

    path: Path
    calibration: NDArray[np.float32]
    inputs: NDArray[np.float32]
    labels: NDArray[np.int64] | None


def build(name: str, folder: Path) -> OnnxModel:
    """Train and write model a, b, c or d."""
    return _BUILDERS[name](folder / f"{name}.onnx")


def _digits(side: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Shuffled digits, (n, side, side) in [0, 1], and their classes."""
    import torch
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(images))
    pixels = torch.tensor(images[order] / 16, dtype=torch.float32).reshape(-1, 1, 8, 8)
    if side != 8:
        pixels = torch.nn.functional.interpolate(pixels, size=(side, side), mode="bilinear")
    return pixels[:, 0].numpy(), labels[order].astype(np.int64)


def _train(
    module: Any, inputs: NDArray[np.float32], labels: NDArray[np.int64], epochs: int
) -> None:
    import torch

    torch.set_num_threads(1)
    x, y = torch.tensor(inputs[:TRAINING]), torch.tensor(labels[:TRAINING])
    optimiser = torch.optim.Adam(module.parameters(), 3e-3)
    for _ in range(epochs):
        for batch in torch.randperm(TRAINING).split(128):
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(module(x[batch]), y[batch]).backward()
            optimiser.step()


def _mlp(path: Path, sides: Sequence[int], pixels: int, epochs: int) -> OnnxModel:
    import torch
    from torch import nn

    torch.manual_seed(0)
    images, labels = _digits(pixels)
    inputs = images.reshape(len(images), -1)
    layers = [nn.Linear(a, b) for a, b in pairwise(sides)]
    stack = [part for layer in layers for part in (layer, nn.ReLU())][:-1]
    _train(nn.Sequential(*stack), inputs, labels, epochs)
    weights: Arrays = {}
    nodes: list[Any] = []
    last = "x"
    for i, layer in enumerate(layers):
        last = _dense(nodes, weights, f"fc{i}", last, layer, relu=i < len(layers) - 1)
    _save(path, nodes, weights, (1, sides[0]), last, (1, sides[-1]))
    return _split(path, inputs, labels)


def _lenet(path: Path) -> OnnxModel:
    import torch
    from torch import nn

    torch.manual_seed(0)
    images, labels = _digits(28)
    inputs = images[:, None]
    convolutions = [nn.Conv2d(1, 6, 5), nn.Conv2d(6, 16, 5)]
    dense = [nn.Linear(256, 120), nn.Linear(120, 84), nn.Linear(84, 10)]
    front = [part for conv in convolutions for part in (conv, nn.ReLU(), nn.MaxPool2d(2))]
    back = [part for layer in dense for part in (layer, nn.ReLU())][:-1]
    _train(nn.Sequential(*front, nn.Flatten(), *back), inputs, labels, 15)
    weights: Arrays = {}
    nodes: list[Any] = []
    last = "x"
    for i, conv in enumerate(convolutions):
        last = _convolution(nodes, weights, f"conv{i}", last, conv)
    nodes.append(_node("Flatten", [last], "flat", axis=1))
    last = "flat"
    for i, layer in enumerate(dense):
        last = _dense(nodes, weights, f"fc{i}", last, layer, relu=i < 2)
    _save(path, nodes, weights, (1, 1, 28, 28), last, (1, 10))
    return _split(path, inputs, labels)


def _block(path: Path) -> OnnxModel:
    """x -> attention of one head -> add -> MLP with ReLU -> add."""
    rng = np.random.default_rng(1)
    side, positions, hidden = 64, 16, 256

    def weight(rows: int, columns: int) -> NDArray[np.float32]:
        return (rng.standard_normal((rows, columns)) / np.sqrt(rows)).astype(np.float32)

    weights: Arrays = {name: weight(side, side) for name in ("wq", "wk", "wv", "wo")}
    weights |= {"w1": weight(side, hidden), "w2": weight(hidden, side)}
    weights["scale"] = np.array([side**-0.5], np.float32)
    nodes = [_node("MatMul", ["x", f"w{name}"], name) for name in "qkv"]
    nodes += [
        _node("Transpose", ["k"], "kt", perm=[0, 2, 1]),
        _node("MatMul", ["q", "kt"], "scores"),
        _node("Mul", ["scores", "scale"], "scaled"),
        _node("Softmax", ["scaled"], "weights", axis=-1),
        _node("MatMul", ["weights", "v"], "mixed"),
        _node("MatMul", ["mixed", "wo"], "projected"),
        _node("Add", ["projected", "x"], "attended"),
        _node("MatMul", ["attended", "w1"], "wide"),
        _node("Relu", ["wide"], "active"),
        _node("MatMul", ["active", "w2"], "narrow"),
        _node("Add", ["narrow", "attended"], "out"),
    ]
    shape = (1, positions, side)
    _save(path, nodes, weights, shape, "out", shape)
    data = (rng.standard_normal((192, positions, side)) * 0.5).astype(np.float32)
    return OnnxModel(path, data[:128], data[128:], None)


def _node(op: str, inputs: Sequence[str], output: str, **attributes: Any) -> Any:
    from onnx import helper

    return helper.make_node(op, list(inputs), [output], name=output, **attributes)


def _dense(
    nodes: list[Any], weights: Arrays, name: str, given: str, layer: Any, *, relu: bool
) -> str:
    weights[f"{name}.weight"] = layer.weight.detach().numpy()
    weights[f"{name}.bias"] = layer.bias.detach().numpy()
    inputs = [given, f"{name}.weight", f"{name}.bias"]
    nodes.append(_node("Gemm", inputs, name, transB=1))
    if relu:
        nodes.append(_node("Relu", [name], f"{name}.relu"))
        return f"{name}.relu"
    return name


def _convolution(nodes: list[Any], weights: Arrays, name: str, given: str, conv: Any) -> str:
    weights[f"{name}.weight"] = conv.weight.detach().numpy()
    weights[f"{name}.bias"] = conv.bias.detach().numpy()
    inputs = [given, f"{name}.weight", f"{name}.bias"]
    shape = list(conv.kernel_size)
    plain: dict[str, Any] = {"strides": [1, 1], "pads": [0] * 4, "dilations": [1, 1], "group": 1}
    nodes.append(_node("Conv", inputs, name, kernel_shape=shape, **plain))
    nodes.append(_node("Relu", [name], f"{name}.relu"))
    pool = f"{name}.pool"
    nodes.append(_node("MaxPool", [f"{name}.relu"], pool, kernel_shape=[2, 2], strides=[2, 2]))
    return pool


def _save(
    path: Path,
    nodes: Sequence[Any],
    weights: Arrays,
    given: Sequence[int],
    output: str,
    shape: Sequence[int],
) -> None:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    graph = helper.make_graph(
        list(nodes),
        path.stem,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, list(given))],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, list(shape))],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    onnx.save(model, path)


def _split(path: Path, inputs: NDArray[np.float32], labels: NDArray[np.int64]) -> OnnxModel:
    return OnnxModel(path, inputs[:TRAINING], inputs[TRAINING:], labels[TRAINING:])


_BUILDERS: dict[str, Callable[[Path], OnnxModel]] = {
    "a": lambda path: _mlp(path, (64, 64, 64, 10), 8, 60),
    "b": lambda path: _mlp(path, (784, 512, 512, 10), 28, 6),
    "c": _lenet,
    "d": _block,
}
