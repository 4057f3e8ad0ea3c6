"""Values of a circuit as tables over the Boolean cube, for the device prover.

Most values are small integers wherever r is Boolean: these stay on the host, in int64, where a
sum of terms costs almost nothing. Values that depend on rho, and those of group H, are vectors of
the device. The reference is `tables.py`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from joynet_sdk.proofs.circuit import (
    FIRST_VALUE,
    GAMMA,
    Block,
    Circuit,
    Claim,
    Clamp,
    Define,
    Eq,
    Group,
    Index,
    Input,
    IoShape,
    Less,
    Lookup,
    Output,
    Ramp,
    Range,
    Source,
    Squash,
    Table,
    Term,
    Tokens,
    Value,
    Wire,
)
from joynet_sdk.proofs.evaluation import Evaluation
from joynet_sdk.proofs.extensions import eq_table
from joynet_sdk.proofs.field import FR
from joynet_sdk.proofs.logup import Columns, denominators
from joynet_sdk.proofs.runtime import Runtime
from joynet_sdk.proofs.vectors import FrVector
from joynet_sdk.proofs.vectors import eq_table as device_eq_table

Integers = NDArray[np.int64]
SMALL = 1 << 62
FILES = ("bn254_field", "tables")
GROUP = 64


@dataclass(frozen=True)
class IntegerTable:
    """A function of some variables with small values: entry j, bit k of j is variables[k]."""

    variables: tuple[int, ...]
    entries: Integers


@dataclass(frozen=True)
class FieldTable:
    """The same with elements of Fr, on the device."""

    variables: tuple[int, ...]
    entries: FrVector


CubeTable = IntegerTable | FieldTable | int


@dataclass(frozen=True)
class Witness:
    """Group polynomials up to their spans.

    Attributes:
        integers: W, A and where they are committed X and Y.
        vectors: All groups on the device.
    """

    integers: Mapping[Group, Integers]
    vectors: dict[Group, FrVector]


class DeviceTables:
    """Tables of every value of a circuit, computed once each.

    Args:
        witness: The groups; H may come later.
        evaluation: Holds the challenges before sumcheck 1 and the values of `before`.
    """

    def __init__(
        self, runtime: Runtime, circuit: Circuit, witness: Witness, evaluation: Evaluation
    ) -> None:
        self._runtime = runtime
        self._circuit = circuit
        self._witness = witness
        self._evaluation = evaluation
        self._records = circuit.before + circuit.after
        self._known: dict[int, CubeTable] = {}
        self._spread: dict[tuple[int, int], FrVector] = {}
        self._denominators: dict[tuple[int, ...], FrVector] = {}

    def forget_rho(self) -> None:
        """Drop what was computed before rho was known and depends on it: nothing integer does."""
        self._known = {i: t for i, t in self._known.items() if isinstance(t, IntegerTable)}
        self._spread = {key: v for key, v in self._spread.items() if key[0] in self._known}

    def value(self, index: int) -> CubeTable:
        """The table of a value; an int for one that depends on no r."""
        if index < FIRST_VALUE + len(self._circuit.before):
            return self._evaluation.values[index]
        if index not in self._known:
            self._known[index] = self._compute(self._records[index - FIRST_VALUE])
        return self._known[index]

    def integers(self, index: int, variables: int) -> Integers:
        """An integer value over r_0 .. r_(variables - 1).

        Raises:
            TypeError: The value depends on a challenge.
        """
        table = self.value(index)
        if isinstance(table, int):
            return np.full(1 << variables, _signed(table), np.int64)
        if not isinstance(table, IntegerTable):
            raise TypeError(f"value {index} is no small integer")
        return _over(table, range(variables))

    def cube(self, index: int, variables: int) -> FrVector:
        """A value over r_0 .. r_(variables - 1), on the device."""
        key = (index, variables)
        if key not in self._spread:
            self._spread[key] = self.spread(self.value(index), range(variables))
        return self._spread[key]

    def spread(self, table: CubeTable, variables: Sequence[int]) -> FrVector:
        """A table over these variables, on the device."""
        if isinstance(table, int):
            table = FieldTable((), FrVector.from_ints(self._runtime, [table]))
        if isinstance(table, IntegerTable):
            return FrVector.from_small(self._runtime, _over(table, variables))
        if table.variables == tuple(variables):
            return table.entries
        places = np.array([variables.index(v) for v in table.variables] or [0], np.uint32)
        out = FrVector.empty(self._runtime, 1 << len(variables))
        kernel = self._runtime.kernel("table_spread", *FILES)
        self._runtime.launch(
            kernel,
            -(-out.length // GROUP) * GROUP,
            table.entries.buffer,
            np.uint32(table.entries.offset),
            out.buffer,
            self._runtime.upload(places),
            np.uint32(len(table.variables)),
            np.uint32(out.length),
            group=GROUP,
        )
        return out

    def terms(self, terms: Sequence[Term]) -> CubeTable:
        """A sum of terms."""
        split = [self._operands(term) for term in terms]
        tables = [table for _, row in split for table in row]
        used = tuple(sorted({v for table in tables for v in table.variables}))
        if not used:
            return sum(factor for factor, _ in split) % FR
        if self._is_small(split):
            total = np.zeros(1 << len(used), np.int64)
            for factor, row in split:
                product = np.full(1, _signed(factor), np.int64)
                for table in row:
                    product = product * _over(_integer(table), used)
                total += product
            return IntegerTable(used, total)
        return FieldTable(used, self._field_terms(split, used))

    def equal(self, variables: int) -> FrVector:
        """eq(rho, .) over the first variables."""
        return device_eq_table(self._runtime, self._evaluation.rho[:variables])

    def denominators(self, each: Lookup | Table) -> FrVector:
        """beta - v - gamma y - gamma^2 id over the instance's cube."""
        key = (each.variables, each.v, each.y, each.id)
        if key not in self._denominators:
            columns = [
                FrVector.from_small(self._runtime, self.integers(i, each.variables))
                for i in (each.v, each.y, each.id)
            ]
            gamma, _, beta = self._evaluation.values[GAMMA : GAMMA + 3]
            self._denominators[key] = denominators(Columns(*columns), gamma, beta)
        return self._denominators[key]

    # --- sums

    def _operands(self, term: Term) -> tuple[int, list[IntegerTable | FieldTable]]:
        """The term's constant factor and its tables."""
        factor = term.coefficient % FR
        row: list[IntegerTable | FieldTable] = []
        for index in (term.a, term.b, term.c):
            table = self.value(index)
            if isinstance(table, int):
                factor = factor * table % FR
            else:
                row.append(table)
        return factor, row

    def _is_small(self, split: Sequence[tuple[int, list[IntegerTable | FieldTable]]]) -> bool:
        bound = 0
        for factor, row in split:
            size = abs(_signed(factor))
            for table in row:
                if not isinstance(table, IntegerTable):
                    return False
                size *= int(np.abs(table.entries).max())
            bound += size
        return bound < SMALL

    def _field_terms(
        self,
        split: Sequence[tuple[int, list[IntegerTable | FieldTable]]],
        used: Sequence[int],
    ) -> FrVector:
        total = FrVector.zeros(self._runtime, 1 << len(used))
        for factor, row in split:
            vectors = [self.spread(table, used) for table in row]
            if not vectors:
                vectors = [self.spread(1, used)]
            product = vectors[0]
            for vector in vectors[1:]:
                product = product.mul(vector)
            total.accumulate(factor, product)
        return total

    # --- records

    def _compute(self, value: Value) -> CubeTable:
        match value:
            case Claim():
                return self._claim(value)
            case Define():
                return self.terms(value.terms)
            case Input():
                return self._public(value.recipe, self._circuit.input, self._evaluation.input)
            case Output():
                return self._public(value.recipe, self._circuit.output, self._evaluation.output)
            case Block() | Less() | Ramp() | Clamp():
                return _closed(value, value.range)
            case Eq():
                return self._equal(value)
            case Wire():
                return self._wire(value)
            case Tokens():
                return self._select(value.position, value.vocabulary, self._evaluation.input)
            case Index():
                return self._select(value.position, value.target, value.indices)

    def _claim(self, claim: Claim) -> CubeTable:
        recipe = self._circuit.recipes[claim.recipe]
        size = 1 << self._circuit.length(claim.recipe)
        start = claim.slot * size
        if claim.group is not Group.H and all(p.source is not Source.RHO for p in recipe):
            entries = self._witness.integers[claim.group][start : start + size]
            return self._bind_integers(entries, recipe)
        vector = self._witness.vectors[claim.group].slice(start, size)
        return self._bind(vector, recipe)

    def _bind(self, vector: FrVector, recipe: Sequence[Range]) -> FieldTable:
        free = _free(recipe)
        point = [
            None if part.source is Source.R else x for part in recipe for x in self._fixed(part)
        ]
        kept = [i for i, variable in enumerate(free) if variable is not None]
        return FieldTable(tuple(v for v in free if v is not None), vector.bind_all_but(point, kept))

    def _fixed(self, part: Range) -> Sequence[int]:
        if part.source is Source.R:
            return [0] * part.count
        return self._evaluation.variables(part)

    def _bind_integers(self, entries: Integers, recipe: Sequence[Range]) -> IntegerTable:
        """Pick the entries where constant variables are what they are."""
        free = _free(recipe)
        cube = entries.reshape((2,) * len(free))
        constants = [x for part in recipe for x in self._fixed(part)]
        picked = cube[
            tuple(
                slice(None) if free[i] is not None else constants[i]
                for i in reversed(range(len(free)))
            )
        ]
        return IntegerTable(tuple(v for v in free if v is not None), picked.ravel())

    def _public(self, recipe: int, shape: IoShape, values: Sequence[int]) -> CubeTable:
        sizes = shape.sizes
        dense = np.array(values, np.int64).reshape(sizes)
        sides = [(0, (1 << (size - 1).bit_length()) - size) for size in sizes]
        entries = np.pad(dense, sides).ravel()
        ranges = self._circuit.recipes[recipe]
        if all(part.source is not Source.RHO for part in ranges):
            return self._bind_integers(entries, ranges)
        return self._bind(FrVector.from_small(self._runtime, entries), ranges)

    def _equal(self, value: Eq) -> CubeTable:
        a, b = value.a, value.b
        if a.source is Source.R:
            a, b = b, a
        if a.source is Source.R or b.source is not Source.R:
            return self._slow(value, (a, b))
        fixed = self._evaluation.variables(a)
        return FieldTable(_variables(b), device_eq_table(self._runtime, fixed))

    def _wire(self, value: Wire) -> CubeTable:
        k, q = value.k, value.q
        if value.p.source is Source.R or q.source is not Source.R or k.source is Source.RHO:
            return self._slow(value, (value.p, k, q))
        at_p = eq_table(self._evaluation.variables(value.p), value.size_p)
        first = k.start if k.source is Source.BITS else 0
        count = 1 if k.source is Source.BITS else value.size_k
        inner = 1 << k.count if k.source is Source.R else 1
        entries = [0] * (inner << q.count)
        for p, weight in enumerate(at_p):
            for j in range(first, first + count):
                at = value.stride * p + j - value.pad
                if 0 <= at < value.size_q:
                    row = j if k.source is Source.R else 0
                    entries[at * inner + row] += weight
        variables = (_variables(k) if k.source is Source.R else ()) + _variables(q)
        return FieldTable(variables, FrVector.from_ints(self._runtime, entries))

    def _select(self, position: Range, target: Range, indices: Sequence[int]) -> CubeTable:
        if position.source is Source.R and target.source is Source.R:
            entries = np.zeros((1 << target.count, 1 << position.count), np.int64)
            entries[list(indices), range(len(indices))] = 1
            return IntegerTable(_variables(position) + _variables(target), entries.ravel())
        if position.source is Source.R:
            at = eq_table(self._evaluation.variables(target))
            row = [at[index] for index in indices]
            row += [0] * ((1 << position.count) - len(row))
            return FieldTable(_variables(position), FrVector.from_ints(self._runtime, row))
        weights = eq_table(self._evaluation.variables(position))
        column = [0] * (1 << target.count)
        for i, index in enumerate(indices):
            column[index] += weights[i]
        return FieldTable(_variables(target), FrVector.from_ints(self._runtime, column))

    def _slow(self, value: Value, ranges: Sequence[Range]) -> CubeTable:
        """Entry by entry, for records that are seldom."""
        variables = tuple(dict.fromkeys(v for part in ranges for v in _variables(part)))
        saved, entries = self._evaluation.r, []
        for j in range(1 << len(variables)):
            point = [0] * self._circuit.rounds
            for k, variable in enumerate(variables):
                point[variable] = j >> k & 1
            self._evaluation.r = point
            entries.append(self._evaluation.evaluate(value, iter(())))
        self._evaluation.r = saved
        return FieldTable(variables, FrVector.from_ints(self._runtime, entries))


def _variables(part: Range) -> tuple[int, ...]:
    """The variables r of a range."""
    if part.source is not Source.R:
        return ()
    return tuple(range(part.start, part.start + part.count))


def _free(recipe: Sequence[Range]) -> list[int | None]:
    """Per variable of a point: the index of r that it is, or None."""
    return [
        part.start + i if part.source is Source.R else None
        for part in recipe
        for i in range(part.count)
    ]


def _closed(value: Block | Less | Ramp | Clamp, part: Range) -> IntegerTable:
    index = np.arange(1 << part.count, dtype=np.int64)
    match value:
        case Block():
            entries = (index == value.bits).astype(np.int64)
        case Less():
            entries = (index < value.bound).astype(np.int64)
        case Ramp():
            entries = index + value.offset
        case Clamp():
            q = index - (1 << part.count - 1)
            low = -128 if value.kind is Squash.CLAMP else 0
            entries = np.maximum(q, 0) if value.kind is Squash.RELU else np.clip(q, low, 127)
    return IntegerTable(_variables(part), entries)


def _over(table: IntegerTable, variables: Sequence[int]) -> Integers:
    """Entries as a function of these variables, among which are all of its own."""
    own = table.variables
    if own == tuple(variables):
        return table.entries
    count = len(own)
    cube = table.entries.reshape((2,) * count)
    order = sorted(range(count), key=lambda k: own[k])
    if any(a > b for a, b in pairwise(order)):
        cube = cube.transpose([count - 1 - k for k in reversed(order)])
    present = set(own)
    shape = tuple(2 if v in present else 1 for v in reversed(variables))
    full = np.broadcast_to(cube.reshape(shape), (2,) * len(variables))
    return np.ascontiguousarray(full).ravel()


def _signed(value: int) -> int:
    """The representative of least absolute value."""
    return value - FR if value > FR // 2 else value


def _integer(table: IntegerTable | FieldTable) -> IntegerTable:
    if isinstance(table, FieldTable):
        raise TypeError("a table of the device where integers are due")
    return table
