"""Making of a circuit: values without repetition, claims numbered, lookups and tables stacked."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import cast

from joynet_sdk.errors import InvalidInputError
from joynet_sdk.proofs import circuit as c
from joynet_sdk.proofs.circuit import (
    Block,
    Circuit,
    Define,
    Group,
    IoShape,
    Range,
    Source,
    Term,
    r,
    width,
)
from joynet_sdk.proofs.compiler.layout import Column, Layout, Place, whole

AFTER = 1 << 14  # values after sumcheck 1 are numbered from here until the circuit is built
ONE = c.ONE


@dataclass(frozen=True)
class PendingClaim:
    """A claim whose slot is known once the layout is placed."""

    place: Place
    recipe: int


@dataclass(frozen=True)
class Query:
    """One lookup on every row of a row space: (v, y) in a table; sums of terms."""

    v: tuple[Term, ...]
    y: tuple[Term, ...]
    id: tuple[Term, ...]


class Builder:
    """Collects the records of one circuit."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self._recipes: dict[c.Recipe, int] = {}
        self._values: tuple[list[object], list[object]] = ([], [])
        self._known: dict[object, int] = {}
        self._sums: list[c.Sum] = []
        self._others: list[c.Instance] = []

    def recipe(self, *ranges: Range) -> int:
        """The number of a point; empty ranges drop out, neighbours join.

        Raises:
            InvalidInputError: It has more parts than a record holds.
        """
        joined: list[Range] = []
        for part in ranges:
            last = joined[-1] if joined else None
            if part.count == 0:
                continue
            if last and last.source == part.source and _follows(last, part):
                joined[-1] = replace(last, count=last.count + part.count)
            else:
                joined.append(part)
        if len(joined) > c.RECIPE_RANGES:
            raise InvalidInputError(
                f"a tensor that is read in {len(joined)} parts, expected at most {c.RECIPE_RANGES}",
                hint="its views mix too many sides",
            )
        return self._recipes.setdefault(tuple(joined), len(self._recipes))

    def claim(self, place: Place, *ranges: Range) -> int:
        """The value of a place at a point of exactly its variables."""
        recipe = self.recipe(*ranges)
        length = sum(part.count for part in ranges)
        if length != place.bits:
            raise ValueError(f"{place.column.name}: a point of {length} for {place.bits} variables")
        before = all(part.source is not Source.R for part in ranges)
        return self._add(PendingClaim(place, recipe), before=before)

    def value(self, record: c.Value) -> int:
        """A value that needs no claim; known before sumcheck 1 if it reads no r."""
        return self._add(record, before=not _reads(record, self._recipes, Source.R))

    def define(self, terms: Iterable[Term]) -> int:
        """A sum of terms; a single value stays itself."""
        kept = _collect(terms)
        if not kept:
            return self._add(Define(()), before=False)
        only = kept[0]
        if len(kept) == 1 and only.coefficient == 1 and (only.b, only.c) == (ONE, ONE):
            return only.a
        return self._add(Define(tuple(kept)), before=False)

    def sum(self, variables: int, start: Iterable[Term], terms: Iterable[Term]) -> None:
        """sum over r_0 .. r_(variables - 1) of `terms` = `start`."""
        self._sums.append(c.Sum(variables, tuple(_collect(start)), tuple(_collect(terms))))

    def zero(self, variables: int, terms: Iterable[Term]) -> None:
        """`terms` vanish on the cube."""
        self._others.append(c.Zero(variables, tuple(_collect(terms))))

    def lookups(self, rows: int, queries: Sequence[Query], spare: int, name: str) -> Column:
        """Stack queries of a row space of 2^rows rows; spare places look up (0, 0, spare)."""
        height = width(len(queries))
        blocks = [
            self.value(Block(r(rows, height), i)) if height else ONE for i in range(len(queries))
        ]
        column = self.layout.column(Group.H, rows + height, f"h {name}")
        h = self.claim(whole(column), r(0, rows + height))
        v = self.define(_weighted(blocks, [q.v for q in queries]))
        y = self.define(_weighted(blocks, [q.y for q in queries]))
        ids = [Term(spare)]
        for block, query in zip(blocks, queries, strict=True):
            ids += _weighted([block], [(*query.id, Term(-spare))])
        self._others.append(c.Lookup(rows + height, h, v, y, self.define(ids)))
        return column

    def tables(
        self, rows: int, tables: Sequence[tuple[int, tuple[Term, ...], tuple[Term, ...]]], name: str
    ) -> Column:
        """Stack tables (id, v, y) of 2^rows rows; returns the column of multiplicities."""
        height = width(len(tables))
        blocks = [
            self.value(Block(r(rows, height), i)) if height else ONE for i in range(len(tables))
        ]
        point = r(0, rows + height)
        h = self.layout.column(Group.H, rows + height, f"h {name}")
        m = self.layout.column(Group.A, rows + height, f"m {name}")
        self._others.append(
            c.Table(
                rows + height,
                self.claim(whole(h), point),
                self.define(_weighted(blocks, [v for _, v, _ in tables])),
                self.define(_weighted(blocks, [y for _, _, y in tables])),
                self.define(_weighted(blocks, [(Term(number),) for number, _, _ in tables])),
                self.claim(whole(m), point),
            )
        )
        return m

    def build(self, given: IoShape, output: IoShape) -> Circuit:
        """The circuit. Places the layout."""
        self.layout.place()
        instances = [*self._sums, *self._others]
        before, after = self._values
        shift = c.FIRST_VALUE + len(before) - AFTER

        def number(index: int) -> int:
            return index + shift if index >= AFTER else index

        return Circuit(
            max(each.variables for each in instances),
            max(self.layout.variables, 4),
            self._rho(instances),
            given,
            output,
            tuple(self._recipes),
            tuple(_final(record, number) for record in before),
            tuple(_final(record, number) for record in after),
            tuple(_final_instance(each, number) for each in instances),
        )

    def _rho(self, instances: Sequence[c.Instance]) -> int:
        needed = [each.variables for each in instances if not isinstance(each, c.Sum)]
        for record in self._values[0] + self._values[1]:
            needed += [
                part.start + part.count for part in _reads(record, self._recipes, Source.RHO)
            ]
        return max(needed)

    def _add(self, record: object, *, before: bool) -> int:
        key = (record, before)
        if key not in self._known:
            values = self._values[0 if before else 1]
            base = c.FIRST_VALUE if before else AFTER
            self._known[key] = base + len(values)
            values.append(record)
        return self._known[key]


def _follows(last: Range, part: Range) -> bool:
    if part.source is Source.BITS:
        return last.start == part.start
    return last.start + last.count == part.start


def _collect(terms: Iterable[Term]) -> list[Term]:
    """Like terms added up, zero ones dropped; operands in order, ONE last."""
    sums: dict[tuple[int, ...], int] = {}
    for term in terms:
        operands = sorted((term.a, term.b, term.c), key=lambda i: (i == ONE, i))
        sums[tuple(operands)] = sums.get(tuple(operands), 0) + term.coefficient
    return [Term(factor, *operands) for operands, factor in sums.items() if factor]


def _weighted(blocks: Sequence[int], sums: Sequence[Iterable[Term]]) -> list[Term]:
    """sum_i block_i * sum_i, for sums of terms of at most two operands."""
    found = []
    for block, terms in zip(blocks, sums, strict=True):
        for term in _collect(terms):
            if term.c != ONE:
                raise ValueError("a query of products of three")
            found.append(Term(term.coefficient, block, term.a, term.b))
    return found


def _reads(record: object, recipes: dict[c.Recipe, int], source: Source) -> list[Range]:
    """The record's ranges of a source."""
    ranges: list[Range] = []
    match record:
        case PendingClaim(_, recipe) | c.Input(recipe) | c.Output(recipe):
            ranges += list(recipes)[recipe]
        case c.Eq(a, b):
            ranges += [a, b]
        case c.Wire():
            ranges += [record.p, record.k, record.q]
        case c.Tokens() | c.Index():
            ranges.append(record.position)
            ranges.append(record.vocabulary if isinstance(record, c.Tokens) else record.target)
        case c.Block() | c.Less() | c.Ramp() | c.Clamp():
            ranges.append(record.range)
    return [part for part in ranges if part.source is source]


Number = Callable[[int], int]


def _final_term(term: Term, number: Number) -> Term:
    return Term(term.coefficient, number(term.a), number(term.b), number(term.c))


def _final(record: object, number: Number) -> c.Value:
    match record:
        case PendingClaim(place, recipe):
            return c.Claim(place.column.group, recipe, place.slot)
        case Define(terms):
            return Define(tuple(_final_term(term, number) for term in terms))
        case _:
            return cast(c.Value, record)


def _final_instance(each: c.Instance, number: Number) -> c.Instance:
    match each:
        case c.Sum():
            start = tuple(_final_term(term, number) for term in each.start)
            return replace(each, start=start, terms=_final_terms(each.terms, number))
        case c.Zero():
            return replace(each, terms=_final_terms(each.terms, number))
        case c.Lookup():
            h, v, y, ids = map(number, (each.h, each.v, each.y, each.id))
            return c.Lookup(each.variables, h, v, y, ids)
        case c.Table():
            h, v, y, ids, m = map(number, (each.h, each.v, each.y, each.id, each.m))
            return c.Table(each.variables, h, v, y, ids, m)


def _final_terms(terms: Iterable[Term], number: Number) -> tuple[Term, ...]:
    return tuple(_final_term(term, number) for term in terms)
