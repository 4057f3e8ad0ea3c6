"""Random QModels that use every operator, and ONNX files for the importer's tests."""

from math import prod

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from joynet_sdk.qmodel import Input, QModel
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

TABLES = ("clamp", "relu-clamp")


class RandomModel:
    """Grows a model op by op; multipliers leave q within 16 bits."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.ops, self.shapes, self.constants = [], {}, {}

    def int8(self, *shape):
        low, high = ((-128, 128), (127, 128), (-128, -127))[self.rng.choice(3, p=(0.8, 0.1, 0.1))]
        return self.rng.integers(low, high, shape).astype(np.int8)

    def multiplier(self, largest):
        """At most 2^24 - 1, and |M * acc| < 2^24 * 2^14."""
        most = min(1 << 24, (1 << 38) // max(1, largest))
        return int(self.rng.integers(0, most))

    def table(self):
        return TABLES[self.rng.integers(2)]

    def push(self, op, shape):
        self.ops.append(op)
        self.shapes[op.name] = shape
        return op.name

    def name(self, kind):
        return f"{kind}-{len(self.ops)}"

    def weights(self, *shape):
        weight = self.int8(*shape)
        bias = self.rng.integers(-(2**20), 2**20, shape[0]).astype(np.int32)
        largest = int((np.abs(weight.astype(int)).reshape(shape[0], -1).sum(1) * 128).max() + 2**20)
        scales = np.array([self.multiplier(largest) for _ in bias], np.uint32)
        return weight, bias, scales

    # --- ops

    def gemm(self, x, out=None):
        shape = self.shapes[x]
        out = out or int(self.rng.integers(1, 9))
        op = Gemm(self.name("gemm"), x, *self.weights(out, shape[-1]), self.table())
        return self.push(op, (*shape[:-1], out))

    def window(self, shape, kernel):
        pads = tuple(int(self.rng.integers(0, kernel[i % 2])) for i in range(4))
        strides = tuple(int(stride) for stride in self.rng.integers(1, 3, 2))
        sides = [
            (shape[i + 1] + pads[i] + pads[i + 2] - kernel[i]) // strides[i] + 1 for i in (0, 1)
        ]
        return pads, strides, sides

    def kernel(self, shape):
        return tuple(int(self.rng.integers(1, min(4, side + 1))) for side in shape[1:])

    def conv(self, x):
        shape = self.shapes[x]
        groups = int(self.rng.choice([g for g in (1, 2, shape[0]) if shape[0] % g == 0]))
        kernel, out = self.kernel(shape), groups * int(self.rng.integers(1, 4))
        pads, strides, sides = self.window(shape, kernel)
        weights = self.weights(out, shape[0] // groups, *kernel)
        op = Conv(self.name("conv"), x, *weights, strides, pads, groups, self.table())
        return self.push(op, (out, *sides))

    def pool(self, x):
        shape = self.shapes[x]
        kernel = self.kernel(shape)
        pads, strides, sides = self.window(shape, kernel)
        if self.rng.integers(2):
            op = MaxPool(self.name("maxpool"), x, kernel, strides, pads)
        else:
            scale = self.multiplier(128 * prod(kernel))
            op = AvgPool(self.name("avgpool"), x, kernel, strides, pads, scale, self.table())
        return self.push(op, (shape[0], *sides))

    def add(self, left, right):
        pair = (int(scale) for scale in self.rng.integers(0, 1 << 24, 2))
        return self.push(Add(self.name("add"), left, right, *pair, self.table()), self.shapes[left])

    def lookup(self, x):
        return self.push(Lookup(self.name("lookup"), x, self.int8(256)), self.shapes[x])

    def softmax(self, x):
        exp = np.sort(self.rng.integers(0, 1 << 16, 256))[::-1].astype(np.uint16)
        exp[0] = max(exp[0], 1)
        return self.push(Softmax(self.name("softmax"), x, exp), self.shapes[x])

    def layernorm(self, x):
        side = self.shapes[x][-1]
        scales = self.rng.integers(-(2**19), 2**19, side).astype(np.int32)
        bias = self.rng.integers(-(2**18), 2**18, side).astype(np.int32)
        epsilon = int(self.rng.choice([1, 1000, 2**45]))
        op = LayerNorm(self.name("layernorm"), x, scales, bias, epsilon, self.table())
        return self.push(op, self.shapes[x])

    def view(self, x, split, perm, shape):
        return self.push(View(self.name("view"), x, split, perm, shape), shape)

    def matmul(self, left, right, transposed):
        a, b = self.shapes[left], self.shapes[right]
        scale = self.multiplier(a[-1] << 14)
        op = MatMul(self.name("matmul"), left, right, transposed, scale, self.table())
        return self.push(op, (*a[:-1], b[-2] if transposed else b[-1]))

    def gather(self, x):
        shape = self.shapes[x]
        axis = int(self.rng.integers(len(shape)))
        indices = self.rng.integers(0, shape[axis], int(self.rng.integers(1, 5))).astype(np.uint32)
        sides = (*shape[:axis], len(indices), *shape[axis + 1 :])
        return self.push(Gather(self.name("gather"), x, axis, indices), sides)

    # --- graphs

    def image(self):
        """Convolutions and pools, then a head."""
        sides = tuple(int(side) for side in self.rng.integers((1, 3, 3), (5, 9, 9)))
        self.shapes["x"] = sides
        x = self.conv("x")
        for _ in range(int(self.rng.integers(1, 4))):
            x = getattr(self, str(self.rng.choice(["conv", "pool", "lookup", "gather"])))(x)
        if self.rng.integers(2):
            x = self.add(x, self.lookup(x))
        size = prod(self.shapes[x])
        x = self.view(x, (size,), (0,), (size,))
        self.gemm(x)
        return QModel(Input("x", sides, scale="0.1"), tuple(self.ops), "1")

    def encoder(self):
        """One block of attention, of token ids or of rows."""
        tokens, heads, width = (int(n) for n in self.rng.integers((2, 1, 2), (6, 4, 5)))
        size = heads * width
        self.constants["positions"] = self.int8(tokens, size)
        self.shapes["positions"] = (tokens, size)
        if is_ids := bool(self.rng.integers(2)):
            self.constants["words"] = self.int8(11, size)
            x = self.push(Embed("embed", "ids", "words"), (tokens, size))
            source = Input("ids", (tokens,), "tokens", vocab=11)
        else:
            self.shapes["rows"], x = (tokens, size), "rows"
            source = Input("rows", (tokens, size), scale="1")
        x = self.add(x, "positions")
        y = self.layernorm(x) if size > 1 else x
        parts = [
            self.view(self.gemm(y, size), (tokens, heads, width), (1, 0, 2), (heads, tokens, width))
            for _ in range(3)
        ]
        scores = self.softmax(self.matmul(parts[0], parts[1], True))
        mixed = self.matmul(scores, parts[2], False)
        y = self.view(mixed, (heads, tokens, width), (1, 0, 2), (tokens, size))
        x = self.add(x, self.gemm(y, size))
        self.lookup(self.gather(x))
        assert is_ids == (source.kind == "tokens")
        return QModel(source, tuple(self.ops), "1", self.constants)


def random_model(seed):
    """A QModel that passes every check."""
    model = RandomModel(seed)
    return model.image() if seed % 2 else model.encoder()


def random_inputs(model, count, seed=0):
    """The two extremes, then random inputs."""
    rng = np.random.default_rng(seed)
    shape = (count, model.input_size)
    if model.input.kind == "tokens":
        values = rng.integers(0, model.input.vocab, shape)
        values[0], values[1] = 0, model.input.vocab - 1
    else:
        values = rng.integers(-128, 128, shape)
        values[0], values[1] = -128, 127
    return values.astype(model.input.dtype)


# --- ONNX -----------------------------------------------------------------------------------------


def onnx_file(
    path, nodes, tensors=None, shape=("n", 4), output="y", kind=TensorProto.FLOAT, opset=17
):
    """A graph from `x` to `output`."""
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", kind, list(shape))],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(v), name) for name, v in (tensors or {}).items()],
    )
    opsets = [helper.make_opsetid("", opset)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    [found] = onnx.shape_inference.infer_shapes(model).graph.output
    found.type.tensor_type.shape.SetInParent()  # what cannot be inferred is broken on purpose
    model.graph.output[0].CopyFrom(found)
    onnx.save(model, path)
    return path


def node(kind, inputs, output="y", **attributes):
    """One node, named after its kind and output."""
    return helper.make_node(
        kind, inputs.split(), [output], f"{kind.lower()}-{output}", **attributes
    )
