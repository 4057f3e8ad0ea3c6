"""What a user types to request bytes, and response bytes to what a user reads."""

import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from joynet_sdk.errors import InvalidInputError
from joynet_sdk.formats import InputSpec, Manifest, OutputSpec, check_json_depth

MAX_INPUT_BYTES = 512 * 1024
MAX_JSON_BYTES = 4 << 20
NUMBER_BYTES = 24  # of a number in JSON; tensors of many may have longer inputs
VECTOR_STEPS = 32767  # int16 steps per unit of a vector component
_LARGEST = float(np.finfo(np.float32).max)
_RANGES = {"int8": (-128, 127), "uint8": (0, 255), "uint16": (0, 65_535)}


@dataclass(frozen=True, slots=True)
class Decoded:
    """A response in human terms.

    Attributes:
        summary: One line, e.g. "7, 0.98".
        value: What `--json` prints: label and probabilities, or the vector.
    """

    summary: str
    value: dict[str, Any]


def encode_input(spec: InputSpec, data: bytes) -> bytes:
    """Turn a file's or argument's bytes into request bytes.

    Args:
        spec: The manifest's `input`.
        data: For `text`, UTF-8; for `tensor`, JSON numbers (nested as the shape or flat).

    Raises:
        InvalidInputError: Too long, not JSON, another shape, or a value outside the dtype.
    """
    numbers = (
        0 if spec.kind == "text" else min(NUMBER_BYTES * math.prod(spec.shape), MAX_JSON_BYTES)
    )
    _check_length(len(data), max(MAX_INPUT_BYTES, numbers))
    request = data if spec.kind == "text" else _encode_tensor(spec, data)
    _check_length(len(request), MAX_INPUT_BYTES)
    check_request(spec, request)
    return request


def _check_length(length: int, most: int) -> None:
    if length > most:
        raise InvalidInputError(
            f"input has {length:,} bytes, expected at most {most:,}",
            hint="split the input, or publish a model that takes a CID",
        )


def check_request(spec: InputSpec, data: bytes) -> None:
    """Check request bytes against the manifest before anything is paid or run.

    Raises:
        InvalidInputError: Another length than the shape's, empty, too long, or not UTF-8.
    """
    if spec.kind == "tensor":
        dtype = _tensor_type(spec.dtype)
        expected = dtype.itemsize * math.prod(spec.shape)
        if len(data) != expected:
            raise InvalidInputError(f"input has {len(data)} bytes, expected {expected}")
        if dtype.kind == "f" and not np.isfinite(np.frombuffer(data, dtype)).all():
            raise InvalidInputError("input has NaN or infinite values, expected finite numbers")
        return
    if not 0 < len(data) <= spec.max_bytes:
        raise InvalidInputError(f"text has {len(data):,} bytes, expected 1 to {spec.max_bytes:,}")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise InvalidInputError(f"input is not UTF-8 text: {error.reason}") from None
    if not text.strip():
        raise InvalidInputError("text is blank, expected at least one word")


def _encode_tensor(spec: InputSpec, data: bytes) -> bytes:
    dtype, count = _tensor_type(spec.dtype), math.prod(spec.shape)
    is_float = dtype.kind == "f"
    low, high = (-_LARGEST, _LARGEST) if is_float else _integers(spec.dtype)
    numbers = "numbers" if is_float else f"integers from {low} to {high}"
    example = f"expected JSON with {count:,} {numbers}"
    try:
        check_json_depth(data)
        values = np.asarray(json.loads(data))
    except ValueError:
        raise InvalidInputError(f"input is not a JSON array of equal rows, {example}") from None
    if values.size != count or values.dtype.kind not in ("iuf" if is_float else "iu"):
        raise InvalidInputError(f"input is {values.dtype} of shape {values.shape}, {example}")
    if not (values.min() >= low and values.max() <= high):  # NaN is neither
        raise InvalidInputError(f"input spans {values.min()} to {values.max()}, {example}")
    return bytes(values.astype(dtype).tobytes())


def _tensor_type(name: str) -> "np.dtype[Any]":
    """A type that request tensors may have, little-endian."""
    if name != "float32":
        _integers(name)
    return np.dtype(name).newbyteorder("<")


def _integers(dtype: str) -> tuple[int, int]:
    """Least and largest value of an integer type that requests and responses may have."""
    if dtype not in _RANGES:
        known = [*_RANGES, "float32"]
        raise InvalidInputError(f"tensor type is {dtype!r:.20}, expected one of {known}")
    return _RANGES[dtype]


def vector_to_int16(response: bytes) -> bytes:
    """The committee's form of a float32 unit vector: big-endian int16, docs/spec/manifest.md."""
    vector = np.frombuffer(response, "<f4").astype(np.float64)
    steps = np.clip(np.rint(vector * VECTOR_STEPS), -VECTOR_STEPS, VECTOR_STEPS)
    return bytes(steps.astype(">i2").tobytes())


def committee_output(manifest: Manifest, response: bytes) -> bytes:
    """What a committee member reveals for an engine's response."""
    return vector_to_int16(response) if manifest.verification == "tolerant" else response


def decode_output(spec: OutputSpec, response: bytes, *, from_committee: bool = False) -> Decoded:
    """Read a response.

    Raises:
        InvalidInputError: Its length is not what the manifest says, or the manifest's output
            cannot be read as it says.
    """
    if spec.kind == "vector":
        return _decode_vector(spec, response, ">i2" if from_committee else "<f4")
    _integers(spec.dtype)
    scores = _values(response, spec.dtype, spec.shape).astype(np.float64) * _scale(spec)
    weights = np.exp(scores - scores.max())
    return _decode_probabilities(spec, weights / weights.sum())


def _decode_probabilities(spec: OutputSpec, probabilities: "np.ndarray[Any, Any]") -> Decoded:
    count = probabilities.size
    labels = spec.labels or [str(index) for index in range(count)]
    if len(labels) != count:
        raise InvalidInputError(f"manifest has {len(labels)} labels for {count} outputs")
    best = int(probabilities.argmax())
    value = {
        "label": labels[best],
        "probability": round(float(probabilities[best]), 6),
        "probabilities": dict(zip(labels, probabilities.round(6).tolist(), strict=True)),
    }
    return Decoded(f"{labels[best]}, {probabilities[best]:.2f}", value)


def _decode_vector(spec: OutputSpec, response: bytes, dtype: str) -> Decoded:
    """A vector with labels is a classifier's probabilities."""
    vector = _values(response, dtype, spec.shape).astype(np.float64)
    if dtype == ">i2":
        vector = vector / VECTOR_STEPS
    if spec.labels:
        return _decode_probabilities(spec, vector)
    head = ", ".join(f"{x:.4f}" for x in vector[:4])
    return Decoded(f"[{head}, ...] ({vector.size} numbers)", {"vector": vector.tolist()})


def _scale(spec: OutputSpec) -> float:
    """Real value of one output step."""
    try:
        scale = float(spec.scale or 1)
    except ValueError:
        scale = math.nan
    if not 0 < scale < math.inf:
        raise InvalidInputError(f"manifest scale is {spec.scale!r:.40}, expected more than 0")
    return scale


def _values(response: bytes, dtype: str, shape: list[int]) -> np.ndarray[Any, Any]:
    expected = np.dtype(dtype).itemsize * math.prod(shape)
    if len(response) != expected:
        raise InvalidInputError(f"response has {len(response)} bytes, expected {expected}")
    return np.frombuffer(response, dtype)
