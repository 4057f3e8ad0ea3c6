"""Values of a circuit as tables over the Boolean cube: the reference, in plain Python.

A table depends on some of the variables r only; entry j belongs to the assignment whose bit k
is variable `variables[k]`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from joynet_sdk.proofs.circuit import (
    BETA,
    FIRST_VALUE,
    GAMMA,
    GAMMA2,
    Block,
    Circuit,
    Claim,
    Clamp,
    Define,
    Eq,
    Group,
    Index,
    Input,
    Less,
    Lookup,
    Output,
    Ramp,
    Range,
    Recipe,
    Source,
    Table,
    Term,
    Tokens,
    Value,
    Wire,
)
from joynet_sdk.proofs.evaluation import Evaluation
from joynet_sdk.proofs.field import FR


@dataclass(frozen=True)
class CubeTable:
    """A function of some variables.

    Attributes:
        variables: Indices of r, the first belongs to the lowest bit of an entry's index.
        entries: 2^len(variables) elements of Fr.
    """

    variables: tuple[int, ...]
    entries: list[int]

    def over(self, variables: Sequence[int]) -> list[int]:
        """Entries as a function of these variables, among which are all of its own."""
        shifts = [variables.index(each) for each in self.variables]
        size = 1 << len(variables)
        index = [0]
        for position in range(len(variables)):
            step = 1 << shifts.index(position) if position in shifts else 0
            index += [i + step for i in index]
        return [self.entries[index[i]] for i in range(size)]


class Tables:
    """Tables of every value of a circuit, with the challenges before sumcheck 1 fixed.

    Args:
        circuit: The circuit.
        groups: Polynomials as far as their span goes; the rest is zero.
        input: Values of a packed input.
        output: Values of a packed output.
    """

    def __init__(
        self,
        circuit: Circuit,
        groups: Mapping[Group, Sequence[int]],
        *,
        input: Sequence[int],
        output: Sequence[int],
        gamma: int,
        beta: int,
        rho: Sequence[int],
    ) -> None:
        self.rho = tuple(rho)
        self._circuit = circuit
        self._groups = groups
        self._context = (input, output, gamma, beta, tuple(rho))
        self._records = circuit.before + circuit.after
        self._known: dict[int, CubeTable] = {
            i: CubeTable((), [value])
            for i, value in enumerate((1, gamma, gamma * gamma % FR, beta))
        }

    @cached_property
    def _evaluation(self) -> Evaluation:
        values, output, gamma, beta, rho = self._context
        return Evaluation(self._circuit, values, output, gamma, beta, rho)

    def value(self, index: int) -> CubeTable:
        """The table of a value, computed once."""
        if index not in self._known:
            self._known[index] = self._compute(self._records[index - FIRST_VALUE])
        return self._known[index]

    def cube(self, index: int, variables: int) -> list[int]:
        """A value over r_0 .. r_(variables - 1)."""
        return self.value(index).over(range(variables))

    def terms(self, terms: Sequence[Term]) -> CubeTable:
        """A sum of terms."""
        operands = [[self.value(i) for i in (t.a, t.b, t.c)] for t in terms]
        used = sorted({v for row in operands for table in row for v in table.variables})
        total = [0] * (1 << len(used))
        for term, row in zip(terms, operands, strict=True):
            a, b, c = (table.over(used) for table in row)
            for i in range(len(total)):
                total[i] += term.coefficient * a[i] * b[i] % FR * c[i]
        return CubeTable(tuple(used), [value % FR for value in total])

    def denominators(self, each: Lookup | Table) -> list[int]:
        """beta - v - gamma y - gamma^2 id over the instance's cube."""
        v, y, ids = (self.cube(i, each.variables) for i in (each.v, each.y, each.id))
        beta, gamma, gamma2 = (self.value(i).entries[0] for i in (BETA, GAMMA, GAMMA2))
        return [(beta - a - gamma * b - gamma2 * c) % FR for a, b, c in zip(v, y, ids, strict=True)]

    def _compute(self, value: Value) -> CubeTable:
        match value:
            case Claim():
                return self._claim(value)
            case Define():
                return self.terms(value.terms)
            case _:
                return self._closed(value)

    def _claim(self, claim: Claim) -> CubeTable:
        recipe = self._circuit.recipes[claim.recipe]
        size = 1 << self._circuit.length(claim.recipe)
        polynomial = self._groups[claim.group]
        entries = [int(x) for x in polynomial[claim.slot * size : (claim.slot + 1) * size]]
        entries = [x % FR for x in entries] + [0] * (size - len(entries))
        free = self._free(recipe)
        for position in reversed(range(len(free))):
            if free[position] is None:
                entries = _bind(entries, position, self._fixed(recipe)[position])
        return CubeTable(tuple(v for v in free if v is not None), entries)

    def _closed(self, value: Value) -> CubeTable:
        ranges = self._ranges(value)
        variables = tuple(
            dict.fromkeys(
                i
                for part in ranges
                if part.source is Source.R
                for i in range(part.start, part.start + part.count)
            )
        )
        evaluation = self._evaluation
        entries = []
        for j in range(1 << len(variables)):
            point = [0] * self._circuit.rounds
            for k, variable in enumerate(variables):
                point[variable] = j >> k & 1
            evaluation.r = point
            entries.append(evaluation.evaluate(value, iter(())))
        return CubeTable(variables, entries)

    def _ranges(self, value: Value) -> tuple[Range, ...]:
        match value:
            case Eq():
                return value.a, value.b
            case Block() | Less() | Ramp() | Clamp():
                return (value.range,)
            case Wire():
                return value.p, value.k, value.q
            case Input() | Output():
                return self._circuit.recipes[value.recipe]
            case Tokens():
                return value.position, value.vocabulary
            case Index():
                return value.position, value.target
            case _:
                raise TypeError(f"{type(value).__name__} has no closed form")

    def _free(self, recipe: Recipe) -> list[int | None]:
        """Per variable of a point: the index of r that it is, or None."""
        return [
            part.start + i if part.source is Source.R else None
            for part in recipe
            for i in range(part.count)
        ]

    def _fixed(self, recipe: Recipe) -> list[int]:
        """Per variable of a point its value where it is not of r."""
        fixed: list[int] = []
        for part in recipe:
            skip = part.source is Source.R
            fixed += [0] * part.count if skip else self._evaluation.variables(part)
        return fixed


def _bind(entries: list[int], position: int, x: int) -> list[int]:
    """Bind one variable of a multilinear table."""
    step = 1 << position
    low = [entries[i] for i in range(len(entries)) if not i & step]
    high = [entries[i] for i in range(len(entries)) if i & step]
    return [(a + x * (b - a)) % FR for a, b in zip(low, high, strict=True)]
