"""Random circuits of every record, well formed but otherwise without sense."""

import random
from dataclasses import dataclass, field

from joynet_sdk.proofs.circuit import (
    FIRST_VALUE,
    Block,
    Circuit,
    Claim,
    Clamp,
    Define,
    Eq,
    Group,
    Index,
    Input,
    Instance,
    Io,
    IoShape,
    Less,
    Lookup,
    Output,
    Ramp,
    Range,
    Recipe,
    Squash,
    Sum,
    Table,
    Term,
    Tokens,
    Value,
    Wire,
    Zero,
    bits,
    r,
    rho,
)

MAX_CLAIMS = 60
EXTREMES = (1, -1, 2, 127, -128, 1 << 24, -(1 << 24), (1 << 63) - 1, -(1 << 63))


@dataclass
class Builder:
    """Draws one circuit.

    Attributes:
        size: About how many values.
        free: The claim that a simulator chooses, as its number among the claims after.
    """

    rng: random.Random
    size: int = 30
    recipes: list[Recipe] = field(default_factory=list)
    free: int = 0

    def build(self) -> Circuit:
        rng = self.rng
        self.n1, self.n2 = rng.randint(1, 14), rng.randint(4, 16)
        self.rho = rng.randint(1, 10)
        input_kind = rng.choice((Io.PACKED, Io.PACKED, Io.COMMITTED, Io.TOKENS))
        output_kind = rng.choice((Io.PACKED, Io.PACKED, Io.COMMITTED))
        self.input, self.output = self._shape(input_kind), self._shape(output_kind)
        before = [self._value(after=False) for _ in range(rng.randint(0, self.size // 3))]
        known = FIRST_VALUE + len(before)
        starts = [self._terms(known) for _ in range(rng.randint(0, 4))]
        after = [self._value(after=True) for _ in range(rng.randint(1, self.size))]
        after = self._with_defines(after, known)
        reads = [self._reader(self.input, Group.X), self._reader(self.output, Group.Y)]
        after += [*reads, Claim(Group.A, self._recipe(after=True), 0)]
        self.free = sum(isinstance(value, Claim) for value in after) - 1
        last = known + len(after) - 1
        tie = Sum(0, (), (Term(1, last), Term(1, last - 1), Term(-1, last - 2)))
        sums = [Sum(rng.randint(0, self.n1), start, self._terms(last)) for start in starts]
        others = [self._instance(last) for _ in range(rng.randint(0, 5))]
        return Circuit(
            self.n1,
            self.n2,
            self.rho,
            self.input,
            self.output,
            tuple(self.recipes),
            tuple(before),
            tuple(after),
            (tie, *sums, *others),
        )

    def _shape(self, kind: Io) -> IoShape:
        rng = self.rng
        limit = {Io.PACKED: 256, Io.TOKENS: 24, Io.COMMITTED: 1 << 12}[kind]
        while True:
            dims = tuple(rng.choice((1, 2, 3, 5, 8, 10, 64)) for _ in range(rng.randint(1, 3)))
            while dims[0] == 1 and len(dims) > 1:
                dims = dims[1:]
            shape = IoShape(kind, dims)
            if shape.values <= limit and sum(shape.bits) <= self.n2:
                return shape

    def _range(self, *, after: bool, least: int = 0, most: int = 12, stop: bool = True) -> Range:
        """A range of at least `least` variables; constants where nothing else is long enough."""
        rng = self.rng
        sources = [(rho, self.rho)] + ([(r, self.n1)] * 3 if after else [])
        make, count = rng.choice(sources)
        most = min(most, count)
        if most < least or (stop and rng.random() < 0.1):
            return bits(rng.randint(0, 1), rng.randint(least, max(least, most)))
        length = rng.randint(least, most)
        start = rng.choice((0, rng.randint(0, count - length)))
        return make(start, length)

    def _recipe(self, *, after: bool, length: int | None = None) -> int:
        """The number of a recipe, new or not."""
        rng = self.rng
        if length is None:
            length = rng.randint(0, self.n2)
        parts: list[Range] = []
        while length and len(parts) < 4:
            part = self._range(after=after, least=1, most=length)
            parts.append(part)
            length -= part.count
        if length:
            parts.append(bits(rng.randint(0, 1), length))
        recipe = tuple(parts)
        if recipe not in self.recipes:
            self.recipes.append(recipe)
        return self.recipes.index(recipe)

    def _reader(self, shape: IoShape, group: Group) -> Value:
        """A record that reads the input (X) or output (Y)."""
        if shape.kind is Io.COMMITTED:
            return self._claim(group, after=True)
        if shape.kind is Io.TOKENS:
            position = self._range(after=True, least=(shape.values - 1).bit_length())
            return Tokens(position, self._range(after=True, least=6))
        recipe = self._recipe(after=True, length=sum(shape.bits))
        return Input(recipe) if group is Group.X else Output(recipe)

    def _claim(self, group: Group, *, after: bool) -> Claim:
        recipe = self._recipe(after=after)
        free = self.n2 - sum(part.count for part in self.recipes[recipe])
        return Claim(group, recipe, self.rng.randrange(1 << free))

    def _value(self, *, after: bool) -> Value:
        rng = self.rng
        part = self._range(after=after)
        match rng.randint(0, 12):
            case 0:
                same = Range(part.source, part.start, part.count)
                return Eq(part, rng.choice((same, bits(1, part.count))))
            case 1 | 2:
                return Block(part, rng.randrange(1 << part.count))
            case 3:
                return Less(part, rng.choice((0, 1 << part.count, rng.randrange(1 << part.count))))
            case 4:
                return Ramp(part, rng.choice(EXTREMES))
            case 5:
                kind = rng.choice((Squash.CLAMP, Squash.RELU_CLAMP, Squash.RELU))
                least = 2 if kind is Squash.RELU else 9
                return Clamp(self._range(after=after, least=least, most=14), kind)
            case 6:
                return self._wire(after=after)
            case 7:
                target = self._range(after=after)
                count = min(rng.randint(0, 20), 1 << part.count)
                indices = tuple(rng.randrange(1 << target.count) for _ in range(count))
                return Index(part, target, indices)
            case _:
                return self._claim(rng.choice((Group.W, Group.A, Group.A, Group.H)), after=after)

    def _wire(self, *, after: bool) -> Wire:
        rng = self.rng
        p, q = self._range(after=after, most=4), self._range(after=after, most=5)
        sizes = [rng.randint(1, 1 << part.count) for part in (p, q)]
        size_k = rng.randint(1, 7)
        match rng.randint(0, 2):
            case 0:
                k = Range()
            case 1:
                k = bits(rng.randrange(size_k), 0)
            case _:
                k = self._range(after=after, most=3)
                k = r(0, 0) if k.source == 3 and after else rho(0, 0) if k.source == 3 else k
                size_k = rng.randint(1, 1 << k.count)
        stride, pad = rng.randint(1, 3), rng.randint(0, 4)
        return Wire(p, k, q, stride, pad, sizes[0], size_k, sizes[1])

    def _terms(self, known: int, *, products: bool = True) -> tuple[Term, ...]:
        rng = self.rng

        def operand() -> int:
            return rng.choice((0, rng.randrange(known)))

        return tuple(
            Term(
                rng.choice((*EXTREMES, rng.randrange(-(1 << 63), 1 << 63))),
                operand(),
                operand(),
                operand() if products else 0,
            )
            for _ in range(rng.randint(0, 4))
        )

    def _with_defines(self, values: list[Value], known: int) -> list[Value]:
        """The values with DEFINEs between them."""
        found: list[Value] = []
        for value in values:
            found.append(value)
            if self.rng.random() < 0.2:
                found.append(Define(self._terms(known + len(found))))
        return found

    def _instance(self, known: int) -> Instance:
        rng = self.rng
        variables = rng.randint(0, min(self.n1, self.rho))
        h, v, y, ident, m = (rng.randrange(known) for _ in range(5))
        match rng.randint(0, 2):
            case 0:
                return Zero(variables, self._terms(known, products=False))
            case 1:
                return Lookup(variables, h, v, y, ident)
            case _:
                return Table(variables, h, v, y, ident, m)
