"""Interpretation of a descriptor's records at one point: the algebra of the verifier."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from joynet_sdk.proofs.circuit import (
    BETA,
    GAMMA,
    GAMMA2,
    Block,
    Circuit,
    Claim,
    Clamp,
    Define,
    Eq,
    Index,
    Input,
    Io,
    IoShape,
    Less,
    Lookup,
    Output,
    Ramp,
    Range,
    Recipe,
    Source,
    Sum,
    Table,
    Term,
    Tokens,
    Value,
    Wire,
    Zero,
)
from joynet_sdk.proofs.extensions import (
    clamp,
    eq,
    eq_bits,
    eq_table,
    less,
    ramp,
    select,
    tensor,
    wire,
)
from joynet_sdk.proofs.field import FR

HALF = (FR + 1) // 2


def unpack(shape: IoShape, packed: bytes) -> list[int]:
    """Values of a packed input or output: int8, or u16 token ids, little-endian."""
    if shape.kind is Io.TOKENS:
        return [int.from_bytes(packed[i : i + 2], "little") for i in range(0, len(packed), 2)]
    return [byte - 256 if byte > 127 else byte for byte in packed]


@dataclass
class Evaluation:
    """The values of one proof, as far as they are known.

    Attributes:
        claims: The proof's claims not used yet.
        rho: Fixed variables.
        r: Variables of sumcheck 1; empty before it.
    """

    circuit: Circuit
    input: Sequence[int]
    output: Sequence[int]
    gamma: int
    beta: int
    rho: Sequence[int]
    r: Sequence[int] = ()

    def __post_init__(self) -> None:
        self.values = [1, self.gamma, self.gamma * self.gamma % FR, self.beta]

    def variables(self, part: Range) -> list[int]:
        """The variables of a range."""
        match part.source:
            case Source.R:
                return list(self.r[part.start : part.start + part.count])
            case Source.RHO:
                return list(self.rho[part.start : part.start + part.count])
            case Source.BITS:
                return [part.start] * part.count
            case Source.NONE:
                return []

    def point(self, recipe: Recipe) -> list[int]:
        """The point that a recipe describes."""
        return [x for part in recipe for x in self.variables(part)]

    def define(self, values: Sequence[Value], claims: Sequence[int]) -> None:
        """Append the records' values; `claims` are those of these records, in order."""
        given = iter(claims)
        for value in values:
            self.values.append(self.evaluate(value, given))

    def terms(self, terms: Sequence[Term]) -> int:
        """A sum of terms."""
        v = self.values
        return sum(t.coefficient * v[t.a] * v[t.b] % FR * v[t.c] for t in terms) % FR

    def start(self, weight: int) -> int:
        """The total that sumcheck 1 begins with; `weight` is lambda."""
        total, power = 0, 1
        for each in self.circuit.sums:
            power = power * weight % FR
            total += power * self.terms(each.start)
        return total % FR

    def end(self, weight: int) -> int:
        """What the last claim of sumcheck 1 must be; `weight` is lambda."""
        circuit = self.circuit
        halves = [pow(HALF, circuit.rounds - n, FR) for n in range(circuit.rounds + 1)]
        equal = [1]
        for a, b in zip(self.rho, self.r, strict=False):
            equal.append(equal[-1] * (1 - a - b + 2 * a * b) % FR)
        total, power = 0, 1
        for each in circuit.instances:
            power = power * weight % FR
            match each:
                case Sum():
                    value = power * self.terms(each.terms)
                case Zero():
                    value = power * equal[each.variables] % FR * self.terms(each.terms)
                case Lookup():
                    h = self.values[each.h]
                    relation = h * self._denominator(each) - 1
                    value = power * equal[each.variables] % FR * relation + h
                case Table():
                    h = self.values[each.h]
                    relation = h * self._denominator(each) - self.values[each.m]
                    value = power * equal[each.variables] % FR * relation - h
            total += value % FR * halves[each.variables]
        return total % FR

    def _denominator(self, each: Lookup | Table) -> int:
        v = self.values
        return (v[BETA] - v[each.v] - v[GAMMA] * v[each.y] - v[GAMMA2] * v[each.id]) % FR

    def evaluate(self, value: Value, claims: Iterator[int]) -> int:
        """One record; a CLAIM takes the next of `claims`."""
        match value:
            case Claim():
                return next(claims)
            case Eq():
                return eq(self.variables(value.a), self.variables(value.b))
            case Block():
                return eq_bits(self.variables(value.range), value.bits)
            case Less():
                return less(self.variables(value.range), value.bound)
            case Ramp():
                return ramp(self.variables(value.range), value.offset)
            case Clamp():
                return clamp(self.variables(value.range), value.kind)
            case Wire():
                return self._wire(value)
            case Input():
                point = self.point(self.circuit.recipes[value.recipe])
                return tensor(self.input, self.circuit.input.sizes, point)
            case Output():
                point = self.point(self.circuit.recipes[value.recipe])
                return tensor(self.output, self.circuit.output.sizes, point)
            case Tokens():
                return self._select(value.position, value.vocabulary, self.input)
            case Index():
                return self._select(value.position, value.target, value.indices)
            case Define():
                return self.terms(value.terms)

    def _wire(self, value: Wire) -> int:
        p = eq_table(self.variables(value.p), value.size_p)
        q = eq_table(self.variables(value.q), value.size_q)
        pad = value.pad
        match value.k.source:
            case Source.NONE:
                k = [1] * value.size_k
            case Source.BITS:
                k, pad = [1], pad - value.k.start
            case _:
                k = eq_table(self.variables(value.k), value.size_k)
        return wire(p, k, q, stride=value.stride, pad=pad)

    def _select(self, position: Range, target: Range, indices: Sequence[int]) -> int:
        rows = eq_table(self.variables(position), len(indices))
        targets = eq_table(self.variables(target), max(indices, default=0) + 1)
        return select(rows, targets, indices)
