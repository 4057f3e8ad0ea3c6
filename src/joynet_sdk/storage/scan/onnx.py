"""ONNX: walk the protobuf's outline without loading weights; large fields are stepped over.

Source: onnx.proto3 (message and field numbers), https://onnx.ai/onnx/repo-docs/IR.html .
"""

from collections import Counter
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from joynet_sdk.storage.scan.reader import Header, Weights

MAX_FILE_BYTES = 2**31 - 1  # protobuf's own limit
MAX_DEPTH = 16
MAX_FIELDS = 400_000
MAX_SMALL_BYTES = 65_536

# message -> field number -> message inside
_OUTLINE = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
}
_BYTES = {1: 4, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 8, 9: 1, 10: 2, 11: 8, 12: 4, 13: 8, 14: 8,
          15: 16, 16: 2, 17: 1, 18: 1, 19: 1, 20: 1, 24: 1}  # fmt: skip
_NAMES = {
    1: "f32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 9: "bool",
    10: "f16", 11: "f64", 12: "uint32", 13: "uint64", 14: "c64", 15: "c128", 16: "bf16",
    17: "f8_e4m3", 18: "f8_e4m3fnuz", 19: "f8_e5m2", 20: "f8_e5m2fnuz", 21: "uint4", 22: "int4",
}  # fmt: skip
_DIMS, _TYPE, _RAW, _EXTERNAL, _LOCATION = 1, 2, 9, 13, 14
_GRAPH = 7


class _Field(NamedTuple):
    number: int
    wire: int
    value: int  # the number, or the field's length in bytes


class _Walker:
    def __init__(self, header: Header) -> None:
        self.header = header
        self.fields = self.tensors = self.parameters = self.bytes = 0
        self.dtypes: Counter[str] = Counter()

    def _varint(self) -> int:
        value = 0
        for shift in range(0, 70, 7):
            byte = self.header.take(1, "number")[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise self.header.bad(f"has a number of over 10 bytes before byte {self.header.at}")

    def _each(self, end: int) -> Iterator[_Field]:
        """Fields up to `end`; the caller reads or skips the bytes of those that have a length."""
        while self.header.at < end:
            self.fields += 1
            if self.fields > MAX_FIELDS:
                raise self.header.bad(f"has over {MAX_FIELDS} protobuf fields")
            tag = self._varint()
            number, wire = tag >> 3, tag & 7
            if wire not in (0, 1, 2, 5):
                raise self.header.bad(f"is not protobuf: wire type {wire} at {self.header.at}")
            value = self._varint() if wire in (0, 2) else {1: 8, 5: 4}[wire]
            if wire and value > end - self.header.at:
                raise self.header.bad(
                    f"field {number} claims {value} bytes, {end - self.header.at} are left"
                )
            yield _Field(number, wire, value)
        if self.header.at != end:
            raise self.header.bad(f"a message ends at byte {self.header.at}, expected {end}")

    def walk(self, message: str, end: int, depth: int) -> set[int]:
        """Check one message and those inside; the field numbers seen."""
        if depth > MAX_DEPTH:
            raise self.header.bad(f"is nested deeper than {MAX_DEPTH} messages")
        seen = set()
        for field in self._each(end):
            seen.add(field.number)
            inside = _OUTLINE[message].get(field.number)
            if inside is None or field.wire != 2:
                self.header.skip(field.value if field.wire else 0, "field")
            elif inside == "tensor":
                self._tensor(self.header.at + field.value)
            else:
                self.walk(inside, self.header.at + field.value, depth + 1)
        return seen

    def _tensor(self, end: int) -> None:
        shape: list[int] = []
        kind, raw = 0, None
        start = self.header.at
        for field in self._each(end):
            if field.number == _DIMS and field.wire == 0:
                shape.append(field.value)
            elif field.number == _DIMS and field.wire == 2:
                shape += self._packed(field.value)
            elif field.number == _TYPE and field.wire == 0:
                kind = field.value
            elif field.number == _EXTERNAL or (field.number == _LOCATION and field.value):
                raise self.header.bad(
                    "keeps weights in another file (external data)",
                    hint="save it again as one file: onnx.save(model, path)",
                )
            else:
                raw = field.value if field.number == _RAW else raw
                self.header.skip(field.value if field.wire else 0, "field")
        count = self.header.elements(f"at byte {start}", shape)
        size = _BYTES.get(kind)
        if raw is not None and size is not None and raw != count * size:
            raise self.header.bad(
                f"tensor at byte {start} has {raw} bytes, expected {count * size} for {shape[:16]}"
            )
        if raw is None and count > 8 * (end - start):  # an element takes at least a bit
            raise self.header.bad(
                f"tensor at byte {start} claims {count} elements in {end - start}"
            )
        self.tensors, self.parameters = self.tensors + 1, self.parameters + count
        self.bytes += end - start
        self.dtypes[_NAMES.get(kind, f"onnx-{kind}")] += count

    def _packed(self, length: int) -> list[int]:
        if length > MAX_SMALL_BYTES:
            raise self.header.bad(f"a shape has {length} bytes, expected <= {MAX_SMALL_BYTES}")
        end, values = self.header.at + length, []
        while self.header.at < end:
            values.append(self._varint())
        return values


def read_onnx(file: BinaryIO, name: str, size: int) -> Weights:
    """Check an ONNX file's outline.

    Raises:
        InvalidInputError: Over 2 GiB, not protobuf, lengths past the end, too many fields, weights
            kept in other files, or tensors whose shape does not make their bytes.
    """
    header = Header(file, name, size, MAX_FILE_BYTES)
    if size > MAX_FILE_BYTES:
        raise header.bad(f"has {size} bytes, expected <= {MAX_FILE_BYTES}")
    walker = _Walker(header)
    if _GRAPH not in walker.walk("model", size, 0):
        raise header.bad("holds no graph: not an ONNX model")
    return Weights("onnx", walker.tensors, walker.parameters, walker.bytes, dtypes=walker.dtypes)
