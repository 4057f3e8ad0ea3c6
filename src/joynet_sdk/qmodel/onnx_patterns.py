"""Layer normalisation as older exporters write it: d / sqrt(mean(d^2) + e) with d = x - mean(x)."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from joynet_sdk.qmodel.onnx_file import OnnxNode

NORMALISE = "LayerNormalization"


def find_layernorms(
    nodes: tuple[OnnxNode, ...], constants: Mapping[str, NDArray[Any]]
) -> tuple[OnnxNode, ...]:
    """Put a LayerNormalization, without scale and bias, in place of each such Div.

    The nodes before it stay; whoever does not need them does not read them.
    """
    finder = _Finder({out: node for node in nodes for out in node.outputs}, constants)
    return tuple(finder.layernorm(node) or node for node in nodes)


class _Finder:
    """Looks back from a Div to the tensor that is normalised."""

    def __init__(
        self, makers: Mapping[str, OnnxNode], constants: Mapping[str, NDArray[Any]]
    ) -> None:
        self._makers, self._constants = makers, constants

    def layernorm(self, node: OnnxNode) -> OnnxNode | None:
        """d / sqrt(mean(d^2) + epsilon) with d = x - mean(x), else None."""
        if node.kind != "Div":
            return None
        difference, root = self._maker(node.inputs[0], "Sub"), self._maker(node.inputs[1], "Sqrt")
        total = self._maker(root.inputs[0], "Add") if root else None
        if difference is None or total is None:
            return None
        epsilon, variance = self._scalar(total.inputs[1]), total.inputs[0]
        if epsilon is None:
            epsilon, variance = self._scalar(total.inputs[0]), total.inputs[1]
        square = self._mean_of(variance)
        mean = self._mean_of(difference.inputs[1])
        if epsilon is None or square is None or mean != difference.inputs[0]:
            return None
        if not self._is_square(square, node.inputs[0]):
            return None
        attributes = {"axis": -1, "epsilon": epsilon}
        return replace(node, kind=NORMALISE, inputs=(mean,), attributes=attributes)

    def _maker(self, tensor: str, kind: str) -> OnnxNode | None:
        node = self._makers.get(tensor)
        return node if node is not None and node.kind == kind else None

    def _mean_of(self, tensor: str) -> str | None:
        """What a ReduceMean over the last axis reads."""
        node = self._maker(tensor, "ReduceMean")
        if node is None or not node.attributes.get("keepdims", 1):
            return None
        axes = node.attributes.get("axes")
        if len(node.inputs) > 1:
            given = self._array(node.inputs[1])
            axes = None if given is None else given.reshape(-1).tolist()
        return node.inputs[0] if axes is not None and list(axes) == [-1] else None

    def _is_square(self, tensor: str, of: str) -> bool:
        power, product = self._maker(tensor, "Pow"), self._maker(tensor, "Mul")
        if power is not None:
            return power.inputs[0] == of and self._scalar(power.inputs[1]) == 2.0
        return product is not None and tuple(product.inputs) == (of, of)

    def _array(self, tensor: str) -> NDArray[Any] | None:
        node = self._maker(tensor, "Constant")
        if node is not None and "value" in node.attributes:
            return np.asarray(node.attributes["value"])
        return self._constants.get(tensor)

    def _scalar(self, tensor: str) -> float | None:
        array = self._array(tensor)
        return float(array.reshape(-1)[0]) if array is not None and array.size == 1 else None
