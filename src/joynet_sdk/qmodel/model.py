"""The QModel document: ops, tensors, the checks that make every executor agree, and its file."""

import json
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from joynet_sdk.errors import InvalidInputError
from joynet_sdk.formats import canonical_json

FORMAT = "qmodel/1"
SHIFT = 24  # requantisation shift: multipliers are in units of 2^-24
TABLES = {"clamp": (-128, 127), "relu-clamp": (0, 127)}
MAX_FILE_BYTES = 1 << 30
MAX_OPS = 1024


@dataclass(frozen=True, slots=True)
class GemmOp:
    """y = table(requantise(W x + b)); per-channel multipliers.

    Attributes:
        weight: (out, in) int8.
        bias: (out,) int32.
        multiplier: (out,) uint32, each < 2^24.
        table: "clamp" or "relu-clamp".
    """

    name: str
    weight: NDArray[np.int8]
    bias: NDArray[np.int32]
    multiplier: NDArray[np.uint32]
    table: str


@dataclass(frozen=True, slots=True)
class QModel:
    """A chain of integer ops.

    Attributes:
        input_shape: Shape of one input; int8, flattened in C order before the first op.
        input_scale: Real value of one input step, a decimal string; no influence on integers.
        output_scale: Real value of one output step, likewise.
    """

    input_shape: tuple[int, ...]
    input_scale: str
    output_scale: str
    ops: tuple[GemmOp, ...]

    def __post_init__(self) -> None:
        _check(self)

    @property
    def input_size(self) -> int:
        """int8 values in one input."""
        return int(np.prod(self.input_shape))

    @property
    def output_size(self) -> int:
        """int8 values in one output."""
        return int(self.ops[-1].weight.shape[0])

    @property
    def parameters(self) -> int:
        """Weights and biases."""
        return sum(op.weight.size + op.bias.size for op in self.ops)


def accumulator_bound(op: GemmOp) -> int:
    """Largest |W x + b| over every int8 input: interval analysis on the actual weights."""
    rows = np.abs(op.weight.astype(np.int64)).sum(axis=1) * 128
    return int((rows + np.abs(op.bias.astype(np.int64))).max())


def _check(model: QModel) -> None:
    """Raise InvalidInputError unless every integer fits and every shape meets the next."""
    if not 1 <= len(model.ops) <= MAX_OPS:
        raise InvalidInputError(f"QModel has {len(model.ops)} ops, expected 1 to {MAX_OPS}")
    if not model.input_shape or any(side < 1 for side in model.input_shape):
        raise InvalidInputError(f"QModel input shape is {model.input_shape}, expected sides >= 1")
    for scale in (model.input_scale, model.output_scale):
        _check_scale(scale)
    width = model.input_size
    for op in model.ops:
        width = _check_op(op, width)


def _check_scale(scale: str) -> None:
    try:
        if 0 < Decimal(scale) < 10**9:
            return
    except (InvalidOperation, TypeError):
        pass
    raise InvalidInputError(f"QModel scale is {scale!r:.40}, expected a positive decimal string")


def _check_op(op: GemmOp, width: int) -> int:
    if op.weight.ndim != 2 or op.weight.shape[1] != width or op.weight.dtype != np.int8:
        raise InvalidInputError(
            f"{op.name}: weight is {op.weight.dtype} {op.weight.shape}, "
            f"expected int8 (out, {width})"
        )
    out = op.weight.shape[0]
    for label, tensor, dtype in (
        ("bias", op.bias, np.int32),
        ("multiplier", op.multiplier, np.uint32),
    ):
        if tensor.shape != (out,) or tensor.dtype != dtype:
            raise InvalidInputError(
                f"{op.name}: {label} is {tensor.dtype} {tensor.shape}, "
                f"expected {np.dtype(dtype)} ({out},)"
            )
    if out < 1 or int(op.multiplier.max()) >= 1 << SHIFT:
        raise InvalidInputError(f"{op.name}: a multiplier passes 2^{SHIFT} - 1")
    if accumulator_bound(op) >= 1 << 31:
        raise InvalidInputError(f"{op.name}: the accumulator can pass int32")
    if op.table not in TABLES:
        raise InvalidInputError(f"{op.name}: table is {op.table!r}, expected one of {list(TABLES)}")
    return int(out)


def save(model: QModel, path: Path) -> None:
    """Write one safetensors file; the document is its `qmodel` metadata entry."""
    from safetensors.numpy import save as serialise

    tensors: dict[str, NDArray[Any]] = {}
    for op in model.ops:
        tensors |= {
            f"{op.name}.weight": op.weight,
            f"{op.name}.bias": op.bias,
            f"{op.name}.multiplier": op.multiplier,
        }
    document = {
        "format": FORMAT,
        "input": {"scale": model.input_scale, "shape": list(model.input_shape)},
        "ops": [{"name": op.name, "op": "gemm", "table": op.table} for op in model.ops],
        "output": {"scale": model.output_scale},
        "shift": SHIFT,
    }
    metadata = {"qmodel": canonical_json(document).decode()}
    path.write_bytes(serialise(tensors, metadata))


def load(path: Path) -> QModel:
    """Read and check a QModel file.

    Raises:
        InvalidInputError: Not a QModel file, a missing tensor, or a broken rule.
    """
    from safetensors import SafetensorError, safe_open

    if path.stat().st_size > MAX_FILE_BYTES:
        raise InvalidInputError(f"{path.name} has {path.stat().st_size} bytes, expected <= 1 GiB")
    try:
        with safe_open(path, framework="numpy") as file:
            document = json.loads((file.metadata() or {})["qmodel"])
            if document["format"] != FORMAT or document["shift"] != SHIFT:
                raise InvalidInputError(f"{path.name}: format {document['format']!r:.40}")
            ops = tuple(_read_op(file, op) for op in document["ops"])
            return QModel(
                input_shape=tuple(int(side) for side in document["input"]["shape"]),
                input_scale=document["input"]["scale"],
                output_scale=document["output"]["scale"],
                ops=ops,
            )
    except (SafetensorError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise InvalidInputError(
            f"{path.name} is not a QModel: {error}", hint="expected a file made by qmodel.save"
        ) from None


def _read_op(file: Any, op: dict[str, Any]) -> GemmOp:
    if op["op"] != "gemm":
        raise InvalidInputError(f"op {op['op']!r:.40} of {op['name']!r:.40}, expected 'gemm'")
    name = op["name"]
    weight, bias, multiplier = (
        file.get_tensor(f"{name}.{part}") for part in ("weight", "bias", "multiplier")
    )
    return GemmOp(name, weight, bias, multiplier, op["table"])
