"""GGUF: key-value metadata and a tensor table, then the tensors.

Source: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md . Versions 2 and 3, little-endian.
"""

from collections import Counter
from typing import BinaryIO, NamedTuple

from joynet_sdk.storage.scan.reader import Header, Weights

MAGIC = b"GGUF"
MAX_HEADER_BYTES = 64 * 1024 * 1024
MAX_KEYS = 4096
MAX_TENSORS = 65_536
MAX_STRINGS = 1_000_000  # in all arrays together; numbers are skipped in one step

_SCALAR_BYTES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_STRING, _ARRAY, _UINT32 = 8, 9, 4
# ggml type -> elements of a block, bytes of a block
_BLOCKS = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34),
    10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210),
    16: (256, 66), 17: (256, 74), 18: (256, 98), 19: (256, 50), 20: (32, 18),
    21: (256, 110), 22: (256, 82), 23: (256, 136), 24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8),
    28: (1, 8), 29: (256, 56), 30: (1, 2), 34: (256, 54), 35: (256, 66), 39: (32, 17),
}  # fmt: skip
# ggml type -> its name (ggml.h)
_TYPES = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 6: "Q5_0", 7: "Q5_1", 8: "Q8_0", 10: "Q2_K",
    11: "Q3_K", 12: "Q4_K", 13: "Q5_K", 14: "Q6_K", 16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS",
    19: "IQ1_S", 20: "IQ4_NL", 21: "IQ3_S", 22: "IQ2_S", 23: "IQ4_XS", 24: "I8", 25: "I16",
    26: "I32", 27: "I64", 28: "F64", 29: "IQ1_M", 30: "BF16", 34: "TQ1_0", 35: "TQ2_0",
    39: "MXFP4",
}  # fmt: skip
# general.file_type -> what a mix of types is called (llama.h, llama_ftype)
_SCHEMES = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K",
    11: "Q3_K_S", 12: "Q3_K_M", 13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S",
    17: "Q5_K_M", 18: "Q6_K", 19: "IQ2_XXS", 20: "IQ2_XS", 21: "Q2_K_S", 22: "IQ3_XS",
    23: "IQ3_XXS", 24: "IQ1_S", 25: "IQ4_NL", 26: "IQ3_S", 27: "IQ3_M", 28: "IQ2_S", 29: "IQ2_M",
    30: "IQ4_XS", 31: "IQ1_M", 32: "BF16", 36: "TQ1_0", 37: "TQ2_0", 38: "MXFP4_MOE",
}  # fmt: skip


class _Tensor(NamedTuple):
    """A row of the tensor table: `bytes` at `offset`, of ggml type `kind`."""

    name: str
    elements: int
    bytes: int
    offset: int
    kind: int


def read_gguf(file: BinaryIO, name: str, size: int) -> Weights:
    """Check a GGUF header against the file it begins.

    Raises:
        InvalidInputError: Another version, counts or strings out of bounds, an unknown type,
            or tensors that overlap or lie outside the file.
    """
    header = Header(file, name, size, MAX_HEADER_BYTES)
    if header.take(4, "magic") != MAGIC:
        raise header.bad("does not begin with 'GGUF'")
    version = header.u32("version")
    if version not in (2, 3):
        raise header.bad(f"has GGUF version {version}, expected 2 or 3")
    tensors, keys = header.u64("tensor count"), header.u64("key count")
    if tensors > MAX_TENSORS or keys > MAX_KEYS:
        raise header.bad(
            f"claims {tensors} tensors and {keys} keys, expected <= {MAX_TENSORS} and {MAX_KEYS}"
        )
    alignment, architecture, scheme = 32, None, None
    for _ in range(keys):
        key = _string(header, "key").decode("utf-8", "replace")
        kind = header.u32("value type")
        if key == "general.alignment" and kind == _UINT32:
            alignment = header.u32(key)
            if not 1 <= alignment <= 65_536 or alignment & (alignment - 1):
                raise header.bad(f"has alignment {alignment}, expected a power of two <= 65536")
        elif key == "general.file_type" and kind == _UINT32:
            scheme = _SCHEMES.get(header.u32(key))
        elif key == "general.architecture" and kind == _STRING:
            architecture = _string(header, key).decode("utf-8", "replace")[:64]
        else:
            _skip_value(header, kind, key)
    table = [_tensor(header) for _ in range(tensors)]
    found = _check_table(header, table, alignment, architecture)
    types: Counter[str] = Counter()
    for tensor in table:
        types[_TYPES.get(tensor.kind, f"ggml-{tensor.kind}")] += tensor.elements
    return found._replace(dtypes=types, scheme=scheme)


def _string(header: Header, what: str) -> bytes:
    return header.take(header.u64(what[:80]), what[:80])


def _skip_value(header: Header, kind: int, key: str) -> None:
    if kind in _SCALAR_BYTES:
        header.skip(_SCALAR_BYTES[kind], key[:80])
    elif kind == _STRING:
        header.skip(header.u64(key[:80]), key[:80])
    elif kind == _ARRAY:
        inner, count = header.u32(key[:80]), header.u64(key[:80])
        if inner in _SCALAR_BYTES:
            header.skip(_SCALAR_BYTES[inner] * count, key[:80])
            return
        header.items += count
        if inner != _STRING or header.items > MAX_STRINGS:
            raise header.bad(
                f"key {key[:80]!r} is an array of {count} of type {inner}, expected numbers, "
                f"or <= {MAX_STRINGS} strings in all"
            )
        for _ in range(count):
            header.skip(header.u64(key[:80]), key[:80])
    else:
        raise header.bad(f"key {key[:80]!r} has type {kind}, expected 0 to 12")


def _tensor(header: Header) -> _Tensor:
    """The next row of the tensor table."""
    name = _string(header, "tensor name").decode("utf-8", "replace")
    dimensions = header.u32("dimensions")
    if dimensions > 8:
        raise header.bad(f"tensor {name[:80]!r} has {dimensions} dimensions, expected <= 8")
    shape = [header.u64("dimension") for _ in range(dimensions)]
    kind, offset = header.u32("tensor type"), header.u64("tensor offset")
    if kind not in _BLOCKS:
        raise header.bad(f"tensor {name[:80]!r} has ggml type {kind}, not a known one")
    per_block, block_bytes = _BLOCKS[kind]
    count = header.elements(name, shape)
    if (shape[0] if shape else 1) % per_block:
        raise header.bad(f"tensor {name[:80]!r}: rows of {shape[0]} are not blocks of {per_block}")
    return _Tensor(name, count, count // per_block * block_bytes, offset, kind)


def _check_table(
    header: Header, table: list[_Tensor], alignment: int, architecture: str | None
) -> Weights:
    data = max(header.size - -(-header.at // alignment) * alignment, 0)
    if not table:
        raise header.bad("holds no tensors, expected at least one")
    end = 0
    for name, _, size, offset, _ in sorted(table, key=lambda row: row.offset):
        if offset % alignment or offset < end or offset + size > data:
            raise header.bad(
                f"tensor {name[:80]!r} lies at bytes {offset} to {offset + size} of {data}, "
                f"expected aligned to {alignment}, inside, and after byte {end}"
            )
        end = offset + size
    parameters, stored = sum(row.elements for row in table), sum(row.bytes for row in table)
    return Weights("gguf", len(table), parameters, stored, architecture)
