"""What may stand in group W, and the digits that prove it at registration."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from joynet_sdk.proofs.compiler.layout import Column, Integers, pad


@dataclass(frozen=True)
class Kind:
    """Integers from `low` to low + 256^digits - 1.

    A value is offset + d_0 + 256 d_1 + 256^2 d_2 + .., every d_i an int8.
    """

    digits: int
    low: int

    @property
    def offset(self) -> int:
        """The value whose digits are all zero."""
        return self.low + 128 * sum(1 << 8 * i for i in range(self.digits))

    def split(self, values: Integers) -> list[Integers]:
        """The digits d_1, d_2, .. of values in range; d_0 is what is left."""
        shifted = values - self.low
        return [(shifted >> 8 * i & 255) - 128 for i in range(1, self.digits)]


INT8 = Kind(1, -128)
EXPONENTIAL = Kind(2, 0)  # uint16
MULTIPLIER = Kind(3, 0)
SIGNED_MULTIPLIER = Kind(3, -(1 << 23))
BIAS = Kind(4, -(1 << 31))


@dataclass(frozen=True, eq=False)
class Weight:
    """A tensor of group W.

    Attributes:
        shape: Where its values may differ from zero; the column is this shape, sides padded.
        values: All of the column.
    """

    column: Column
    kind: Kind
    shape: tuple[int, ...]
    values: Integers


def weight(column: Column, kind: Kind, array: NDArray[np.generic]) -> Weight:
    """A tensor as it is."""
    return Weight(column, kind, array.shape, pad(array).ravel())
