"""safetensors: u64 length, JSON header, then the tensors without gaps.

Source: https://github.com/huggingface/safetensors#format . The format allows a header of
100,000,000 bytes; 8 MiB hold some 80,000 tensors, and parse within a second and 200 MB.
"""

import math
from collections import Counter
from typing import BinaryIO, NamedTuple

from joynet_sdk.errors import InvalidInputError, VerificationError
from joynet_sdk.formats import decode_typed_json, parse_canonical_json
from joynet_sdk.storage.scan.reader import Header, Weights

MAX_HEADER_BYTES = 8 * 1024 * 1024
_BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8,
    "U16": 16, "I16": 16, "F16": 16, "BF16": 16,
    "U32": 32, "I32": 32, "F32": 32,
    "U64": 64, "I64": 64, "F64": 64, "C64": 64,
    "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
}  # fmt: skip
_NAMES = {
    "I8": "int8", "I16": "int16", "I32": "int32", "I64": "int64",
    "U8": "uint8", "U16": "uint16", "U32": "uint32", "U64": "uint64",
}  # fmt: skip

# Typed on purpose: a parser that never sees a free-form value never recurses.
_Entry = dict[str, str | list[int]]
_KEYS = {"dtype", "shape", "data_offsets"}


class Tensor(NamedTuple):
    """One row of a header.

    Attributes:
        dtype: As the format writes it, e.g. "BF16".
        shape: Sizes, outermost first.
        data_offsets: First byte and the one after the last, counted from the end of the header.
    """

    dtype: str
    shape: list[int]
    data_offsets: tuple[int, int]


class Table(NamedTuple):
    """A checked header.

    Attributes:
        tensors: By name.
        metadata: The free text that a writer put beside them.
        bytes: Of all tensors.
        parameters: Elements of all tensors.
    """

    tensors: dict[str, Tensor]
    metadata: dict[str, str | list[int]]
    bytes: int
    parameters: int

    @property
    def architecture(self) -> str | None:
        """What the file says it is, e.g. "qmodel/2", or None."""
        return _architecture(self.metadata)


def read_safetensors(file: BinaryIO, name: str, size: int) -> Weights:
    """Check a safetensors header and sum it up; see `read_table`."""
    table = read_table(file, name, size)
    dtypes: Counter[str] = Counter()
    for tensor in table.tensors.values():
        dtypes[_NAMES.get(tensor.dtype, tensor.dtype.lower())] += math.prod(tensor.shape)
    return Weights(
        "safetensors",
        len(table.tensors),
        table.parameters,
        table.bytes,
        table.architecture,
        dtypes,
    )


def read_table(file: BinaryIO, name: str, size: int) -> Table:
    """Check a safetensors header against the file it begins.

    Raises:
        InvalidInputError: Too large, not JSON, or tensors that overlap, leave gaps, lie outside
            the file, or whose shape and dtype do not make their bytes.
    """
    header = Header(file, name, size, 8 + MAX_HEADER_BYTES)
    length = header.u64("header length")
    if length > MAX_HEADER_BYTES:
        raise header.bad(f"header claims {length} bytes, expected <= {MAX_HEADER_BYTES}")
    body = header.take(length, "header")
    try:
        entries: dict[str, _Entry] = decode_typed_json(body, dict[str, _Entry])
    except InvalidInputError as error:
        raise header.bad(f"header is not a safetensors header: {error}") from None
    metadata = entries.pop("__metadata__", {})
    tensors = {key: _to_tensor(header, key, entry) for key, entry in entries.items()}
    if not tensors:
        raise header.bad("holds no tensors, expected at least one")
    parameters = sum(_check_tensor(header, key, tensor) for key, tensor in tensors.items())
    data = size - 8 - length
    _check_coverage(header, tensors, data)
    return Table(tensors, metadata, data, parameters)


def _to_tensor(header: Header, name: str, entry: _Entry) -> Tensor:
    dtype, shape, offsets = (entry.get(key) for key in ("dtype", "shape", "data_offsets"))
    if (
        entry.keys() != _KEYS
        or not isinstance(dtype, str)
        or not isinstance(shape, list)
        or not isinstance(offsets, list)
        or len(offsets) != 2
    ):
        raise header.bad(
            f"tensor {name[:80]!r} has {sorted(entry)[:6]}, expected dtype, shape, data_offsets"
        )
    return Tensor(dtype, shape, (offsets[0], offsets[1]))


def _check_tensor(header: Header, name: str, tensor: Tensor) -> int:
    bits = _BITS.get(tensor.dtype)
    if bits is None:
        raise header.bad(f"tensor {name[:80]!r} has dtype {tensor.dtype[:20]!r}, not a known one")
    count = header.elements(name, tensor.shape)
    begin, end = tensor.data_offsets
    if count * bits != (end - begin) * 8:
        raise header.bad(
            f"tensor {name[:80]!r} has {end - begin} bytes, "
            f"expected {count * bits / 8:g} for shape {tensor.shape} of {tensor.dtype}"
        )
    return count


def _check_coverage(header: Header, tensors: dict[str, Tensor], data: int) -> None:
    at = 0
    for name, tensor in sorted(tensors.items(), key=lambda item: item[1].data_offsets):
        begin, end = tensor.data_offsets
        if begin != at:
            problem = "overlaps another" if begin < at else "leaves a gap before it"
            raise header.bad(f"tensor {name[:80]!r} at byte {begin} {problem}, expected {at}")
        at = end
    if at != data:
        raise header.bad(f"tensors end at byte {at}, the file's data has {data}")


def _architecture(metadata: _Entry) -> str | None:
    """A QModel says so in its metadata (docs/spec/qmodel.md)."""
    text = metadata.get("qmodel")
    if not isinstance(text, str):
        return None
    try:
        document = parse_canonical_json(text.encode())
    except VerificationError:
        return None
    found = document.get("format") if isinstance(document, dict) else None
    return found if isinstance(found, str) else None
