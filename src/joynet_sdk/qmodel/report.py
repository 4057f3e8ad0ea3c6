"""How close a QModel is to the float graph that it came from."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from joynet_sdk.errors import InvalidInputError
from joynet_sdk.progress import stage
from joynet_sdk.qmodel import fast, floats
from joynet_sdk.qmodel.floats import FloatGraph, Floats
from joynet_sdk.qmodel.model import QModel

BATCH = 64


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Of the outputs on some inputs.

    Attributes:
        samples: How many inputs.
        cosine: Mean cosine similarity of the float and the integer output.
        max_error: Largest difference of one value, in real units.
        mean_error: Mean magnitude of the difference.
        agreement: Part of the inputs on which both have the same largest output.
        float_top1: Part that the float graph gets right, None without labels.
        integer_top1: Part that the QModel gets right, likewise.
    """

    samples: int
    cosine: float
    max_error: float
    mean_error: float
    agreement: float
    float_top1: float | None = None
    integer_top1: float | None = None


def measure(
    graph: FloatGraph,
    model: QModel,
    inputs: NDArray[Any],
    labels: NDArray[np.int64] | None = None,
) -> Accuracy:
    """Run both on every input.

    Args:
        inputs: (samples, input_size) real inputs, or ids.
        labels: (samples,) index of the right output.

    Raises:
        InvalidInputError: A label is no index of an output.
    """
    stage(f"measuring on {len(inputs)} samples")
    if labels is not None and labels.max() >= model.output_size:
        raise InvalidInputError(
            f"label {labels.max()}, expected below {model.output_size}, the number of outputs"
        )
    real = np.concatenate(
        [floats.run(graph, inputs[at : at + BATCH]) for at in range(0, len(inputs), BATCH)]
    )
    got = fast.execute(model, encode(model, inputs)) * float(model.output_scale)
    best = real.argmax(axis=1), got.argmax(axis=1)
    off = np.abs(got - real)
    return Accuracy(
        samples=len(inputs),
        cosine=_cosine(real, got),
        max_error=float(off.max()),
        mean_error=float(off.mean()),
        agreement=float((best[0] == best[1]).mean()),
        float_top1=None if labels is None else float((best[0] == labels).mean()),
        integer_top1=None if labels is None else float((best[1] == labels).mean()),
    )


def encode(model: QModel, inputs: NDArray[Any]) -> NDArray[Any]:
    """Real inputs as the model's integers: steps of the input scale, or ids as they are."""
    if model.input.scale is None:
        return inputs.astype(model.input.dtype)
    steps: Floats = np.clip(np.rint(inputs / float(model.input.scale)), -128, 127)
    return steps.astype(model.input.dtype)


def _cosine(real: Floats, got: Floats) -> float:
    """Mean over samples; an output that is all zero counts as equal to another such."""
    lengths = np.linalg.norm(real, axis=1) * np.linalg.norm(got, axis=1)
    products = (real * got).sum(axis=1)
    equal = (real == got).all(axis=1).astype(np.float64)
    return float(np.where(lengths > 0, products / np.where(lengths > 0, lengths, 1), equal).mean())
