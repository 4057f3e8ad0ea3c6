"""Read a header piece by piece, never past the file and never more than a budget."""

import math
import struct
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import BinaryIO, NamedTuple

from joynet_sdk.errors import InvalidInputError

MAX_DIMENSIONS = 16
_LARGEST = 1 << 62


class Weights(NamedTuple):
    """What a weights file holds, told from its header.

    Attributes:
        format: "safetensors", "gguf" or "onnx".
        tensors: Number of tensors.
        parameters: Their elements added up.
        bytes: Their bytes added up.
        architecture: What the file says it is, e.g. "qmodel/2", or None.
        dtypes: Elements of each dtype, by its short name, e.g. "bf16".
        scheme: Name of a whole file's quantisation, e.g. "Q4_K_M" (GGUF), or None.
    """

    format: str
    tensors: int
    parameters: int
    bytes: int
    architecture: str | None = None
    dtypes: Mapping[str, int] = MappingProxyType({})
    scheme: str | None = None


class Header:
    """A file's beginning.

    Args:
        file: Open for reading, at 0.
        name: For errors.
        size: Bytes of the file.
        budget: Bytes that may be read in all.

    Attributes:
        at: Where the next byte is read.
        items: Small pieces met so far, counted by the format's reader.
    """

    def __init__(self, file: BinaryIO, name: str, size: int, budget: int) -> None:
        self._file, self.name, self.size, self._budget = file, name, size, budget
        self.at = self.items = 0

    def bad(self, what: str, hint: str | None = None) -> InvalidInputError:
        """An error about this file."""
        return InvalidInputError(f"{self.name}: {what}", hint=hint)

    def take(self, count: int, what: str) -> bytes:
        """The next `count` bytes.

        Raises:
            InvalidInputError: They lie past the end of the file or of the budget.
        """
        if count > self.size - self.at:
            raise self.bad(f"{what} has {count} bytes, {self.size - self.at} are left in the file")
        if self.at + count > self._budget:
            raise self.bad(f"{what} ends at byte {self.at + count}, expected <= {self._budget}")
        data = self._file.read(count)
        if len(data) != count:
            raise self.bad(f"{what} was cut short while reading")
        self.at += count
        return data

    def u32(self, what: str) -> int:
        """A little-endian 32-bit number."""
        return int.from_bytes(self.take(4, what), "little")

    def u64(self, what: str) -> int:
        """A little-endian 64-bit number."""
        return int(struct.unpack("<Q", self.take(8, what))[0])

    def skip(self, count: int, what: str) -> None:
        """Move on without reading.

        Raises:
            InvalidInputError: It leads past the end of the file or of the budget.
        """
        if count > self.size - self.at or self.at + count > self._budget:
            raise self.bad(f"{what} has {count} bytes, past the end of the header")
        self._file.seek(count, 1)
        self.at += count

    def elements(self, tensor: str, shape: Sequence[int]) -> int:
        """Number of elements of a shape.

        Raises:
            InvalidInputError: Over 16 dimensions, a negative one, or over 2^62 elements.
        """
        if len(shape) > MAX_DIMENSIONS or any(not 0 <= side < _LARGEST for side in shape):
            raise self.bad(
                f"tensor {tensor[:80]!r} has shape {list(shape)[:20]}, "
                f"expected <= {MAX_DIMENSIONS} sizes from 0 to 2^62"
            )
        count = math.prod(shape)
        if count >= _LARGEST:
            raise self.bad(f"tensor {tensor[:80]!r} has {count} elements, expected < 2^62")
        return count
