"""The loop that both executors share: feed every op what it reads, forget what nobody needs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from joynet_sdk.errors import InvalidInputError
from joynet_sdk.qmodel.model import QModel
from joynet_sdk.qmodel.ops import inputs_of

Integers = NDArray[np.int64]
Steps = dict[str, Integers]
Apply = Callable[..., tuple[NDArray[Any], Steps]]


@dataclass(frozen=True, slots=True)
class Trace:
    """One run, without the batch axis.

    Attributes:
        tensors: Every tensor by name, int8 (ids uint16): the input, constants, ops' outputs.
        steps: For each op by name, the int64 integers on the way, named as in docs/spec/qmodel.md:
            "acc", "q", "rem" where something is requantised (rem: its remainder);
            softmax "mx", "d", "e", "Z", "rem"; layernorm "sum", "c", "V", "R", "below", "above"
            besides. "mx", "Z", "sum", "V", "R", "below", "above" have no last axis.
    """

    tensors: Mapping[str, NDArray[Any]]
    steps: Mapping[str, Steps]


def run(model: QModel, inputs: NDArray[Any], apply: Apply) -> NDArray[np.int8]:
    """(batch, input_size) -> (batch, output_size) int8, keeping only tensors still needed."""
    model.check_inputs(inputs)
    last_use = {name: op.name for op in model.ops for name in inputs_of(op)}
    tensors = _sources(model, inputs)
    for op in model.ops:
        tensors[op.name] = apply(op, *(tensors[name] for name in inputs_of(op)))[0]
        for name in set(inputs_of(op)):
            if last_use[name] == op.name:
                del tensors[name]
    return tensors[model.output].reshape(len(inputs), -1).astype(np.int8)


def run_one(model: QModel, inputs: NDArray[Any], apply: Apply) -> Trace:
    """(input_size,) -> every tensor and step."""
    if inputs.ndim != 1:
        raise InvalidInputError(f"input is {inputs.shape}, expected one of ({model.input_size},)")
    model.check_inputs(inputs[None])
    tensors, steps = _sources(model, inputs[None]), {}
    for op in model.ops:
        tensors[op.name], found = apply(op, *(tensors[name] for name in inputs_of(op)))
        steps[op.name] = {key: value[0].astype(np.int64) for key, value in found.items()}
    small = {name: value[0].astype(np.int8) for name, value in tensors.items()}
    small[model.input.name] = inputs.reshape(model.input.shape)
    return Trace(small, steps)


def _sources(model: QModel, inputs: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """The input and the constants; a constant's batch axis has one row, which broadcasts."""
    values = inputs.reshape(len(inputs), *model.input.shape).astype(np.int64)
    constants = {name: value[None].astype(np.int64) for name, value in model.constants.items()}
    return {model.input.name: values, **constants}
