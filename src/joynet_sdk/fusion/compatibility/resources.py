"""What building a merge would take: bytes, memory, seconds."""

from collections.abc import Sequence
from typing import Protocol

from joynet_sdk.fusion.compatibility import facts
from joynet_sdk.fusion.compatibility.facts import FLOATS, Model
from joynet_sdk.fusion.compatibility.report import WARNING, Finding, Resources

# Work of a method for each byte of float32 that it reads, in that of averaging two blocks in NumPy.
# Measured on one core with 4 Mi elements in two models and a base; good to a factor of two.
COST = {
    "linear": 4,
    "passthrough": 4,
    "task_arithmetic": 4,
    "model_stock": 11,
    "slerp": 12,
    "nuslerp": 12,
    "breadcrumbs": 23,
    "dare_linear": 24,
    "breadcrumbs_ties": 26,
    "dare_ties": 27,
    "ties": 32,
    "della_linear": 67,
    "della": 80,
}
_F32 = 4


class Speed(Protocol):
    """What this machine does, in bytes per second."""

    @property
    def read(self) -> float:
        """Of weights, from their file."""

    @property
    def compute(self) -> float:
        """Of float32, averaged on one core."""


def estimate(models: Sequence[Model], method: str | None, speed: Speed | None) -> Resources:
    """What a build would take.

    Memory is that of the tensor which takes most: what is read of each parent, and the result.

    Args:
        models: Parents, base included.
        method: Or None for the plainest.
        speed: Measured, or None.
    """
    names = set.intersection(*({*model.tensors} for model in models))
    first = models[0]
    output = peak = read = elements = 0
    for name in names:
        sizes = [_bytes(model, name) for model in models]
        result = _bytes(first, name)
        output += result
        read += sum(sizes)
        elements += sum(facts.elements(model.tensors[name]) for model in models)
        peak = max(peak, sum(sizes) + result)
    seconds = None
    if speed is not None:
        work = elements * _F32 * COST.get(method or "linear", max(COST.values()))
        seconds = (read + output) / speed.read + work / speed.compute
    return Resources(output, read, peak, seconds)


def _bytes(model: Model, name: str) -> int:
    tensor = model.tensors[name]
    return facts.elements(tensor) * FLOATS.get(tensor.dtype, 8)


def shortage(needed: Resources, memory: int | None, disk: int | None) -> list[Finding]:
    """Warnings where the machine has less than the build takes.

    Args:
        memory: Free bytes of memory, or None when not known.
        disk: Free bytes where the result goes, or None.
    """
    found = []
    if memory is not None and needed.peak_bytes > memory:
        found.append(
            Finding(
                "memory",
                WARNING,
                f"the build takes {needed.peak_bytes:,} bytes of memory, {memory:,} are free",
                "close other programs, or build on a larger machine",
            )
        )
    if disk is not None and needed.output_bytes > disk:
        found.append(
            Finding(
                "disk",
                WARNING,
                f"the result has {needed.output_bytes:,} bytes, {disk:,} are free",
                "joynet store gc, or write to another disk",
            )
        )
    return found
