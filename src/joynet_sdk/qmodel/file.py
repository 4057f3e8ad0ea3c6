"""A QModel on disk: one safetensors file whose metadata holds the document."""

import dataclasses
from pathlib import Path
from typing import Any, cast, get_type_hints

import numpy as np
from numpy.typing import NDArray

from joynet_sdk.errors import InvalidInputError, VerificationError
from joynet_sdk.formats import canonical_json, parse_canonical_json
from joynet_sdk.qmodel.model import MAX_CONSTANTS, MAX_OPS, Input, QModel
from joynet_sdk.qmodel.ops import BY_KIND, Op, Pads, Pair, Shape
from joynet_sdk.qmodel.shapes import MAX_SIDES

FORMAT = "qmodel/2"
MAX_FILE_BYTES = 1 << 30
MAX_DOCUMENT_BYTES = 1 << 20
_LENGTHS = {Pair: (2, 2), Pads: (4, 4), Shape: (1, MAX_SIDES)}
_KEYS = {"constants", "format", "input", "ops", "output"}


def save(model: QModel, path: Path) -> None:
    """Write one safetensors file; the document is its `qmodel` metadata entry."""
    from safetensors.numpy import save as serialise

    tensors: dict[str, NDArray[Any]] = dict(model.constants)
    for op in model.ops:
        tensors |= {f"{op.name}.{name}": getattr(op, name) for name in op.arrays}
    contiguous = {name: np.ascontiguousarray(value) for name, value in tensors.items()}
    metadata = {"qmodel": canonical_json(_document(model)).decode()}
    path.write_bytes(serialise(contiguous, metadata))


def load(path: Path) -> QModel:
    """Read and check a QModel file.

    Raises:
        InvalidInputError: Not a QModel file, a missing or spare tensor, or a broken rule.
    """
    from safetensors import SafetensorError, safe_open

    if path.stat().st_size > MAX_FILE_BYTES:
        raise InvalidInputError(f"{path.name} has {path.stat().st_size} bytes, expected <= 1 GiB")
    try:
        with safe_open(path, framework="numpy") as file:
            return _read(file, (file.metadata() or {}).get("qmodel"))
    except (SafetensorError, VerificationError, TypeError) as error:
        raise InvalidInputError(
            f"{path.name} is not a QModel: {error!s:.200}",
            hint="expected a file made by joynet model quantize",
        ) from None


# --- writing ------------------------------------------------------------------------------------


def _document(model: QModel) -> dict[str, Any]:
    return {
        "constants": sorted(model.constants),
        "format": FORMAT,
        "input": _input_document(model.input),
        "ops": [_op_document(op) for op in model.ops],
        "output": {"scale": model.output_scale},
    }


def _input_document(source: Input) -> dict[str, Any]:
    common = {"kind": source.kind, "name": source.name, "shape": list(source.shape)}
    own = {"vocab": source.vocab} if source.kind == "tokens" else {"scale": source.scale}
    return common | own


def _op_document(op: Op) -> dict[str, Any]:
    values = {name: getattr(op, name) for name in _attributes(type(op))}
    plain = {key: list(v) if isinstance(v, tuple) else v for key, v in values.items()}
    return plain | {"op": op.kind}


def _attributes(kind: type[Op]) -> dict[str, Any]:
    """Fields of an op that are in the document, with their types."""
    hints = get_type_hints(kind)
    fields = dataclasses.fields(kind)
    return {item.name: hints[item.name] for item in fields if item.name not in kind.arrays}


# --- reading ------------------------------------------------------------------------------------


def _read(file: Any, text: str | None) -> QModel:
    if text is None or len(text) > MAX_DOCUMENT_BYTES:
        raise VerificationError("no metadata entry qmodel of at most 1 MiB")
    document = _expect(parse_canonical_json(text.encode()), dict, "the document")
    if document.get("format") != FORMAT:
        raise VerificationError(f"format is {document.get('format')!r:.40}, expected {FORMAT!r}")
    _expect_keys(document, _KEYS, "the document")
    names = _strings(document["constants"], MAX_CONSTANTS, "constants")
    entries = _expect(document["ops"], list, "ops")
    if len(entries) > MAX_OPS:
        raise VerificationError(f"{len(entries)} ops, expected at most {MAX_OPS}")
    output = _expect(document["output"], dict, "output")
    _expect_keys(output, {"scale"}, "output")
    tensors = _Tensors(file)
    constants = {name: tensors.take(name) for name in names}
    ops = tuple(_op(entry, tensors) for entry in entries)
    tensors.expect_all_taken()
    scale = _expect(output["scale"], str, "output scale")
    return QModel(_input(document["input"]), ops, scale, constants)


class _Tensors:
    """The file's tensors, each taken exactly once."""

    def __init__(self, file: Any) -> None:
        self._file, self._left = file, set(file.keys())

    def take(self, name: str) -> NDArray[Any]:
        if name not in self._left:
            raise VerificationError(f"tensor {name!r:.100} is missing or used twice")
        self._left.remove(name)
        return cast(NDArray[Any], self._file.get_tensor(name))

    def expect_all_taken(self) -> None:
        if self._left:
            raise VerificationError(f"spare tensors {sorted(self._left)[:5]!s:.200}")


def _expect(value: Any, kind: type, what: str) -> Any:
    """A JSON value of one type; a boolean is no integer."""
    if type(value) is not kind:
        raise VerificationError(f"{what} is {value!r:.60}, expected a {kind.__name__}")
    return value


def _expect_keys(entry: dict[str, Any], keys: set[str], what: str) -> None:
    if entry.keys() != keys:
        raise VerificationError(f"{what} has {sorted(entry)!s:.200}, expected {sorted(keys)}")


def _strings(value: Any, most: int, what: str) -> list[str]:
    items = _expect(value, list, what)
    if len(items) > most:
        raise VerificationError(f"{len(items)} {what}, expected at most {most}")
    return [_expect(item, str, what) for item in items]


def _integers(value: Any, length: tuple[int, int], what: str) -> tuple[int, ...]:
    items = _expect(value, list, what)
    if not length[0] <= len(items) <= length[1]:
        raise VerificationError(f"{what} has {len(items)} entries, expected {length}")
    return tuple(_expect(item, int, what) for item in items)


def _input(entry: Any) -> Input:
    _expect(entry, dict, "input")
    tokens = entry.get("kind") == "tokens"
    _expect_keys(entry, {"kind", "name", "shape", "vocab" if tokens else "scale"}, "input")
    name = _expect(entry["name"], str, "input name")
    shape = _integers(entry["shape"], (1, MAX_SIDES), "input shape")
    if tokens:
        return Input(name, shape, "tokens", vocab=_expect(entry["vocab"], int, "vocab"))
    return Input(name, shape, entry["kind"], _expect(entry["scale"], str, "input scale"))


def _op(entry: Any, tensors: _Tensors) -> Op:
    kind = BY_KIND.get(str(_expect(entry, dict, "an op").get("op")))
    if kind is None:
        raise VerificationError(f"op {entry.get('op')!r:.40}, expected one of {sorted(BY_KIND)}")
    attributes = _attributes(kind)
    _expect_keys(entry, {"op", *attributes}, f"op {entry.get('name')!r:.80}")
    values: dict[str, Any] = {}
    for name, hint in attributes.items():
        what = f"{name} of {entry['name']!r:.80}"
        if hint in _LENGTHS:
            values[name] = _integers(entry[name], _LENGTHS[hint], what)
        else:
            values[name] = _expect(entry[name], hint, what)
    for name in kind.arrays:
        values[name] = tensors.take(f"{values['name']}.{name}")
    return kind(**values)
