"""How the features (last dim) that a gemm reads lie in their block.

Features may spread over several dims of the block, as after a transposition of heads or a flatten
over odd sides, if all rows spread them alike.
"""

from dataclasses import dataclass, replace

import numpy as np

from joynet_sdk.errors import InvalidInputError
from joynet_sdk.proofs.circuit import Range, width
from joynet_sdk.proofs.compiler.context import Compiler, Run, singles
from joynet_sdk.proofs.compiler.layout import Integers, Tensor, dense
from joynet_sdk.qmodel.ops import Gemm


@dataclass(frozen=True)
class Features:
    """The input of a gemm as rows of features.

    Attributes:
        rows: Where each row lies; no bit of `variables` is set.
        variables: Variables of the block that count features, lowest first.
        shape: Dims of the block that those are, outermost first; some of it may be no feature.
        places: Of each feature, where it lies among the variables' combinations.
    """

    rows: Tensor
    variables: tuple[int, ...]
    shape: tuple[int, ...]
    places: Integers

    def scatter(self, op: Gemm) -> Integers:
        """The weights, (out, *shape)."""
        inside = dense("", None, self.shape).positions.ravel()
        weights = np.zeros((len(op.weight), 1 << len(self.variables)), np.int64)
        weights[:, self.places] = op.weight
        return weights[:, inside].reshape(len(op.weight), *self.shape)

    def read(self, compiler: Compiler, feature: Range, *row: Range) -> int:
        """The value at a feature and a row."""
        features = dict(zip(self.variables, singles(feature), strict=True))
        return compiler.read_at(self.rows, singles(*row), features)

    def padded(self, run: Run) -> Integers:
        """Rows of features, padding of both included."""
        offsets = np.zeros(1, np.int64)
        for variable in self.variables:
            offsets = np.concatenate([offsets, offsets + (1 << variable)])
        cube = self.rows.cube()[..., None] + offsets
        found: Integers = run.blocks[self.rows.root][cube]
        return found


def features_of(compiler: Compiler, op: Gemm) -> Features:
    """Features and rows of a gemm's input.

    Raises:
        InvalidInputError: Rows differ, or features and rows share dims of the block.
    """
    tensor = compiler.tensors[op.input]
    size = op.weight.shape[1]
    rows = replace(tensor, positions=tensor.positions[..., 0])
    if tensor.variables is not None:
        return Features(rows, tuple(tensor.variables[: width(size)]), (size,), np.arange(size))
    found = _spread(tensor, rows)
    if found is None:
        raise InvalidInputError(
            f"{op.name} (gemm) reads {op.input}, a view across sides that are no powers of two: "
            "this cannot be proved",
            hint="views that merge whole dims, for all rows alike, can be",
        )
    return found


def _spread(tensor: Tensor, rows: Tensor) -> Features | None:
    """Features within dims of the block that do not count rows, in any order."""
    if rows.variables is None:
        return None
    first = tensor.positions.reshape(-1, tensor.positions.shape[-1])[0]
    alike = np.array_equal(rows.positions[..., None] + (first - first[0]), tensor.positions)
    free = [i for i in range(tensor.bits) if i not in rows.variables]
    shape: list[int] = []
    start = 0
    for side in reversed(tensor.sides):
        own = range(start, start + width(side))
        start += width(side)
        if any(variable in free for variable in own):
            shape.insert(0, side)
    places = np.zeros_like(first)
    for k, variable in enumerate(free):
        places += (first >> variable & 1) << k
    box = dense("", None, tuple(shape)).positions
    if not alike or not np.isin(places, box).all():
        return None
    outer = rows.positions & ~sum(1 << variable for variable in free)
    return Features(replace(rows, positions=outer), tuple(free), tuple(shape), places)
