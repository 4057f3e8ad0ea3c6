"""Post-training quantisation: a float graph and sample inputs give a QModel.

Jacob et al. 2017, "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-
Only Inference", with zero points of 0; weights per channel. Nodes are quantised in order, each on
what the integer ops before it really give, so that a bias also takes back the mean error of the
rounding before it (Nagel et al. 2019, "Data-Free Quantization", section 4.2).
"""

from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from joynet_sdk.errors import InvalidInputError
from joynet_sdk.progress import stage
from joynet_sdk.qmodel import fast, floats
from joynet_sdk.qmodel.bounds import INT8, Bounds, bounds_of, reach
from joynet_sdk.qmodel.floats import (
    Clamped,
    Convolution,
    FloatGraph,
    Floats,
    Linear,
    Node,
    Pointwise,
    Softmaxed,
)
from joynet_sdk.qmodel.lower import least_scale, lower, softmax_op, table_op, weight_scales
from joynet_sdk.qmodel.model import Input, QModel, check_scale
from joynet_sdk.qmodel.ops import PROBABILITY_STEPS, Conv, Embed, Gemm, Op, Shape
from joynet_sdk.qmodel.shapes import output_shape

MAX_SAMPLES = 512
MAX_VALUES = 1 << 25  # values of all tensors together, for the samples that calibrate
NARROW_BITS = 13  # q of this width costs one small table in a proof
NARROW_COST = 1.3  # a step may grow by this factor to get there
MIN_MEAN = 64  # values that a mean error must come from
SEARCH = np.linspace(0.35, 1.0, 40)  # ranges tried, as parts of the largest magnitude
SEARCH_VALUES = 1 << 16


@dataclass(frozen=True, slots=True)
class Layer:
    """What became of one node.

    Attributes:
        source: The node of the source that it came from.
        scale: Real value of one step of its output.
        q_bits: Width of its quotient in the worst case; 0 where nothing is requantised.
        snr_db: Signal to noise of its output, all integer ops up to here included.
    """

    name: str
    kind: str
    source: str
    shape: Shape
    scale: float
    q_bits: int
    snr_db: float


@dataclass(frozen=True, slots=True)
class Quantised:
    """A model, and how well each of its ops follows the float graph."""

    model: QModel
    layers: tuple[Layer, ...]


def quantize(
    graph: FloatGraph, calibration: NDArray[Any], *, input_scale: str | None = None
) -> Quantised:
    """Make the integer model of a float graph.

    Args:
        calibration: (samples, input_size) real inputs, or ids, that look like what will be served;
            512 at most are used, evenly spread.
        input_scale: Real value of one int8 step of the input, e.g. "0.0625"; chosen when None.

    Raises:
        InvalidInputError: Calibration data of another width, not finite, ids that are too large,
            or a graph whose integers cannot fit.
    """
    check_data(graph, calibration)
    if input_scale is not None:
        check_scale(input_scale, "input scale")
        if graph.vocab:
            raise InvalidInputError("token ids have no scale, expected no input scale")
    count = _samples(graph, len(calibration))
    spread = np.linspace(0, len(calibration) - 1, count).astype(int)  # it may be sorted
    work = _Quantiser(graph, calibration[spread], input_scale)
    for number, node in enumerate(graph.nodes, 1):
        stage(f"quantising {node.name} ({number} of {len(graph.nodes)})")
        work.add(node)
    return work.finish()


def check_data(graph: FloatGraph, data: NDArray[Any]) -> None:
    """Refuse sample inputs that the graph cannot read."""
    width = prod(graph.input_shape)
    if data.ndim != 2 or data.shape[1] != width or not len(data):
        raise InvalidInputError(
            f"calibration data is {data.shape}, expected (samples, {width}) "
            f"for inputs of shape {list(graph.input_shape)}"
        )
    if not np.isfinite(data).all():
        raise InvalidInputError("calibration data holds a value that is not finite")
    if graph.vocab and not (
        data.dtype.kind in "iu" and 0 <= data.min() <= data.max() < graph.vocab
    ):
        raise InvalidInputError(
            f"calibration data is no token ids, expected 0 to {graph.vocab - 1}"
        )


def choose_scale(values: Floats) -> float:
    """The step with the least squared error: ranges below the largest magnitude clip outliers.

    Measured on an MLP, two CNNs and a transformer encoder of the digits: the same best output as
    the float graph on as many inputs as with the full range or the 99.99th percentile, or more.
    """
    flat = values.reshape(-1)
    largest = float(np.abs(flat).max())
    if largest == 0.0:
        return 1.0 / 127
    if flat.size > SEARCH_VALUES:  # at random: every n-th value would be one channel's
        flat = flat[np.random.default_rng(0).integers(0, flat.size, SEARCH_VALUES)]
    scales = SEARCH * largest / 127
    errors = [
        float(np.square(flat - scale * np.clip(np.rint(flat / scale), -128, 127)).mean())
        for scale in scales
    ]
    return float(scales[int(np.argmin(errors))])


def _samples(graph: FloatGraph, count: int) -> int:
    """How many samples calibrate: their tensors are all in memory at once."""
    one = {name: value[:1] for name, value in _zeros(graph).items()}
    total = 0
    for node in graph.nodes:
        one[node.name] = floats.apply(node, one)
        total += one[node.name].size
    return max(1, min(count, MAX_SAMPLES, MAX_VALUES // total))


def _zeros(graph: FloatGraph) -> dict[str, NDArray[Any]]:
    return floats.sources(graph, np.zeros((1, prod(graph.input_shape))))


class _Quantiser:
    """The float and the integer value of every tensor so far, side by side."""

    def __init__(self, graph: FloatGraph, data: NDArray[Any], input_scale: str | None) -> None:
        self._graph = graph
        self._real = floats.sources(graph, data)
        self._integers: dict[str, NDArray[Any]] = {}
        self._scales: dict[str, float] = {}
        self._bounds = {graph.input: Bounds(INT8)}
        self._shapes: dict[str, Shape] = {graph.input: graph.input_shape}
        self._constants: dict[str, NDArray[np.int8]] = {}
        self._ops: list[Op] = []
        self._layers: list[Layer] = []
        self._input = self._take_input(input_scale)
        for name, constant in graph.constants.items():
            self._take_constant(name, constant)

    def _take_input(self, given: str | None) -> Input:
        graph, real = self._graph, self._real[self._graph.input]
        if graph.vocab:
            self._integers[graph.input] = real
            return Input(graph.input, graph.input_shape, "tokens", vocab=graph.vocab)
        text = given or f"{choose_scale(real):.9g}"
        self._scales[graph.input] = float(text)
        self._integers[graph.input] = np.clip(np.rint(real / float(text)), -128, 127).astype(int)
        return Input(graph.input, graph.input_shape, scale=text)

    def _take_constant(self, name: str, constant: Floats) -> None:
        scale = float(np.abs(constant).max()) / 127 or 1.0
        self._scales[name], self._shapes[name] = scale, constant.shape
        self._constants[name] = np.rint(constant / scale).astype(np.int8)
        self._integers[name] = self._constants[name][None].astype(np.int64)
        ends = int(self._constants[name].min()), int(self._constants[name].max())
        self._bounds[name] = Bounds(ends)

    def add(self, node: Node) -> None:
        """Quantise one node and run it."""
        real = floats.apply(node, self._real)
        op, scale = self._make(node, real)
        self._shapes[op.name] = output_shape(op, self._shapes)
        made, steps = self._run(op)
        if isinstance(op, Gemm | Conv) and isinstance(node, Linear | Convolution):
            corrected = self._without_mean_error(node, op, steps["acc"])
            if corrected is not op:
                op = corrected
                made, _ = self._run(op)
        bounds = bounds_of(op, self._shapes, self._bounds)
        self._ops.append(op)
        self._real[op.name], self._integers[op.name] = real, made
        self._scales[op.name], self._bounds[op.name] = scale, bounds
        noise = float(np.square(real - made * scale).sum())
        snr = 10 * np.log10(float(np.square(real).sum()) / noise) if noise and real.any() else 99.0
        source = self._graph.labels.get(op.name, op.name)
        shape = self._shapes[op.name]
        layer = Layer(op.name, op.kind, source, shape, scale, bounds.q_bits, round(float(snr), 1))
        self._layers.append(layer)

    def finish(self) -> Quantised:
        """The model of everything added."""
        scale = self._scales[self._graph.output] * self._graph.output_factor
        model = QModel(self._input, tuple(self._ops), f"{scale:.9g}", self._constants)
        return Quantised(model, tuple(self._layers))

    def _run(self, op: Op) -> tuple[NDArray[Any], dict[str, NDArray[np.int64]]]:
        names = (getattr(op, wire) for wire in op.wires)
        return fast.apply(op, *(self._integers[name] for name in names))

    def _make(self, node: Node, real: Floats) -> tuple[Op, float]:
        """The op, and the real value of one step of its output."""
        if isinstance(node, Softmaxed):
            return softmax_op(node, self._scales[node.input]), 1.0 / PROBABILITY_STEPS
        if isinstance(node, Pointwise):
            scale = choose_scale(real)
            return table_op(node, self._scales[node.input], scale), scale
        if isinstance(node, Clamped):
            return self._clamped(node, choose_scale(real))
        return node, self._scales[node.constant if isinstance(node, Embed) else node.input]

    def _clamped(self, node: Clamped, scale: float) -> tuple[Op, float]:
        """Within a multiplier's range; q in 13 bits when that is cheap, in 16 always."""
        if node.ceiling is not None:
            scale = min(scale, node.ceiling / 127)
        scale = max(scale, least_scale(node, self._scales, self._shapes))
        op = lower(node, self._scales, scale, self._shapes)
        bits = reach(op, self._shapes, self._bounds)
        largest = max(-bits.q[0] - 1, bits.q[1]) if bits.q else 0
        for width, cost in ((NARROW_BITS, NARROW_COST), (16, np.inf)):
            factor = (1.01 * largest + 2) / (1 << (width - 1))
            if bits.q_bits > width and factor <= cost:
                scale *= factor
                return lower(node, self._scales, scale, self._shapes), scale
        return op, scale

    def _without_mean_error(
        self, node: Linear | Convolution, op: Gemm | Conv, acc: NDArray[np.int64]
    ) -> Gemm | Conv:
        """The same op, its bias less the mean difference to the float node for each channel."""
        axis = 1 if isinstance(op, Conv) else acc.ndim - 1
        others = tuple(i for i in range(acc.ndim) if i != axis)
        if acc.size // acc.shape[axis] < MIN_MEAN:
            return op
        step = weight_scales(node, self._scales[op.input]) * self._scales[op.input]
        real = floats.before_relu(node, self._real).mean(axis=others)
        off = np.rint(acc.mean(axis=others) - real / step)
        fits = np.abs(off) < 1 << 24
        return replace(op, bias=(op.bias - np.where(fits, off, 0)).astype(np.int32))
