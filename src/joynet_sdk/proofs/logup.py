"""Columns of the lookup argument (LogUp): denominators, inverses, multiplicities.

A row (v, y, id) has the fingerprint v + gamma * y + gamma^2 * id. Lookups contribute
h = 1 / (beta - f), tables h = m / (beta - t), and both sums are equal when every lookup is a row of
its table. Source: Haboeck 2022, "Multivariate lookups based on logarithmic derivatives".

A denominator is zero when beta hits a fingerprint: chance below 2^-230 per proof. The challenges
follow from the transcript, so the prover must start again with another salt.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from joynet_sdk.errors import InvalidInputError, JoyNetError
from joynet_sdk.proofs.runtime import Runtime
from joynet_sdk.proofs.vectors import FrVector, montgomery

FILES = ("bn254_field", "bn254_wide", "logup")
GROUP = {True: 1, False: 64}  # work-items of a group, on a CPU and elsewhere

u32 = np.uint32


@dataclass(frozen=True)
class Columns:
    """Rows of a lookup or of a table.

    Attributes:
        v: First column.
        y: Second column, of the same length; None for zeros.
        id: Table number, one for all rows or a column of the same length.
    """

    v: FrVector
    y: FrVector | None = None
    id: FrVector | int = 0


def denominators(columns: Columns, gamma: int, beta: int) -> FrVector:
    """beta - v - gamma * y - gamma^2 * id for every row.

    Raises:
        InvalidInputError: The columns have different lengths.
    """
    v, y = columns.v, columns.y
    number = columns.id if isinstance(columns.id, FrVector) else None
    constant = beta
    if isinstance(columns.id, int):
        constant -= gamma * gamma * columns.id
    for column in (y, number):
        if column is not None and column.length != v.length:
            raise InvalidInputError(f"columns of {v.length} and {column.length} rows")
    out = FrVector.empty(v.runtime, v.length)
    items, per = v.runs()
    optional = (
        argument
        for column in (y, number)
        for argument in (
            (column or v).buffer,
            u32((column or v).offset),
            u32(column is not None),
        )
    )
    _launch(
        v.runtime,
        "logup_denominators",
        items,
        v.buffer,
        u32(v.offset),
        *optional,
        out.buffer,
        u32(v.length),
        u32(per),
        *montgomery(constant),
        *montgomery(-gamma),
        *montgomery(-gamma * gamma),
    )
    return out


def lookup_inverses(denominator: FrVector) -> FrVector:
    """h = 1 / denominator of every looked up row.

    Raises:
        JoyNetError: A denominator is zero; retryable, with another salt.
    """
    inverses, zero = denominator.inverse_unless_zero()
    if zero is not None:
        raise _unlucky(zero)
    return inverses


def table_inverses(denominator: FrVector, counts: NDArray[np.int64]) -> FrVector:
    """h = m / denominator of every table row; no work is done where m is zero.

    Args:
        denominator: Of the table's rows.
        counts: m, (rows,) int64, >= 0.

    Raises:
        InvalidInputError: There are not as many counts as rows, or one is negative.
        JoyNetError: A denominator that is needed is zero; retryable, with another salt.
    """
    if counts.shape != (denominator.length,) or counts.dtype != np.int64 or (counts < 0).any():
        raise InvalidInputError(
            f"counts of shape {counts.shape} {counts.dtype} for {denominator.length} rows, "
            "expected one int64 >= 0 per row"
        )
    runtime: Runtime = denominator.runtime
    out = FrVector.zeros(runtime, denominator.length)
    rows = np.flatnonzero(counts)
    if not len(rows):
        return out
    scratch = FrVector.empty(runtime, len(rows))
    items, per = scratch.runs(least=32, most=1024)
    zero = runtime.upload(np.zeros(1, np.uint32))
    _launch(
        runtime,
        "logup_table",
        items,
        denominator.buffer,
        u32(denominator.offset),
        runtime.upload(rows.astype(np.uint32)),
        runtime.upload(counts[rows]),
        scratch.buffer,
        out.buffer,
        u32(len(rows)),
        u32(per),
        zero,
    )
    found = int(runtime.download(zero, 1, np.uint32)[0])
    if found:
        raise _unlucky(found - 1)
    return out


def multiplicities(indices: NDArray[np.int64], rows: int) -> NDArray[np.int64]:
    """How often each table row is looked up.

    Args:
        indices: Row of every lookup, any shape.
        rows: Rows of the table.

    Returns:
        (rows,) int64.

    Raises:
        InvalidInputError: A lookup is outside the table; no proof of it exists.
    """
    flat = indices.reshape(-1)
    outside = flat[(flat < 0) | (flat >= rows)]
    if len(outside):
        raise InvalidInputError(
            f"{len(outside)} lookups outside a table of {rows} rows, the first one at "
            f"{int(outside[0])}"
        )
    return np.bincount(flat, minlength=rows).astype(np.int64)


def _launch(runtime: Runtime, name: str, items: int, *arguments: Any) -> None:
    group = GROUP[runtime.is_cpu]
    rounded = -(-items // group) * group  # items past the last run do nothing
    runtime.launch(runtime.kernel(name, *FILES), rounded, *arguments, group=group)


def _unlucky(row: int) -> JoyNetError:
    error = JoyNetError(
        f"the challenge beta equals the fingerprint of row {row}",
        hint="prove again with another salt",
    )
    error.retryable = True
    return error
