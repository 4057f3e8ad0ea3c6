"""Structural rules of a descriptor, as `InferenceVerifier.register` checks them too.

They make evaluation well defined: every index exists, every range and slot is in bounds, no
value before sumcheck 1 depends on it, input is read and output bound. What the relations mean
is not theirs: for that a circuit is compiled again from the published model.
"""

from joynet_sdk.errors import InvalidInputError
from joynet_sdk.proofs.circuit import (
    FIRST_VALUE,
    MAX_PACKED,
    MAX_PROOF_BYTES,
    MAX_RECIPES,
    MAX_VALUES,
    MAX_VARIABLES,
    MAX_WIRE,
    ONE,
    RECIPE_RANGES,
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
    Source,
    Squash,
    Sum,
    Table,
    Term,
    Tokens,
    Value,
    Wire,
    Zero,
)
from joynet_sdk.proofs.opening import PROOF_BYTES as OPENING_BYTES

MIN_VARIABLES = 4  # of the opening


def check(circuit: Circuit) -> None:
    """Raise InvalidInputError, naming the rule, unless the circuit is well formed."""
    _Rules(circuit).check()


class _Rules:
    def __init__(self, circuit: Circuit) -> None:
        self._circuit = circuit
        self._known = FIRST_VALUE  # values that operands may name
        self._used: set[int] = set()
        self._io: dict[type | Group, list[int]] = {}  # values by what they read

    def check(self) -> None:
        c = self._circuit
        _require(1 <= c.rounds <= MAX_VARIABLES, f"n1 is {c.rounds}")
        _require(MIN_VARIABLES <= c.variables <= MAX_VARIABLES, f"n2 is {c.variables}")
        _require(1 <= c.rho <= MAX_VARIABLES, f"{c.rho} variables rho")
        self._check_io(c.input, "input", tokens=True)
        self._check_io(c.output, "output", tokens=False)
        size = 32 * c.proof_words + OPENING_BYTES
        _require(size <= MAX_PROOF_BYTES, f"a proof of {size} bytes")
        _require(len(c.recipes) <= MAX_RECIPES, f"{len(c.recipes)} recipes")
        for recipe in c.recipes:
            _require(len(recipe) <= RECIPE_RANGES, f"a recipe of {len(recipe)} ranges")
            for part in recipe:
                self._check_range(part)
                _require(part.count >= 1, "an empty range in a recipe")
            length = sum(part.count for part in recipe)
            _require(length <= c.variables, f"a recipe of {length} variables")
        for value in c.before:
            self._check_value(value, before=True)
        for total in c.sums:
            self._check_terms(total.start)
        for value in c.after:
            self._check_value(value, before=False)
        _require(self._known <= MAX_VALUES, f"{self._known} values")
        _require(len(c.instances) >= 1, "no instance")
        ordered = sorted(c.instances, key=lambda each: not isinstance(each, Sum))
        _require(list(c.instances) == ordered, "a SUM after another instance")
        for each in c.instances:
            self._check_instance(each)
        self._check_used(c.input, "input", (Input, Tokens), Group.X)
        self._check_used(c.output, "output", (Output,), Group.Y)

    def _check_io(self, shape: IoShape, name: str, *, tokens: bool) -> None:
        _require(all(1 <= size < 1 << 16 for size in shape.sizes), f"{name} dims {shape.dims}")
        match shape.kind:
            case Io.PACKED:
                _require(shape.values <= MAX_PACKED, f"{shape.values} packed {name} values")
            case Io.TOKENS:
                _require(tokens, f"{name} of token ids")
                _require(2 * shape.values <= MAX_PACKED, f"{shape.values} {name} tokens")
            case Io.COMMITTED:
                _require(sum(shape.bits) <= self._circuit.variables, f"{name} dims {shape.dims}")

    def _check_range(self, part: Range, *, before: bool = False) -> None:
        match part.source:
            case Source.R:
                _require(not before, "a value before sumcheck 1 that uses r")
                _require(part.start + part.count <= self._circuit.rounds, f"range {part}")
            case Source.RHO:
                _require(part.start + part.count <= self._circuit.rho, f"range {part}")
            case Source.BITS:
                _require(part.start <= 1, f"range {part}")
            case Source.NONE:
                _require(part == Range(), f"range {part}")

    def _check_value(self, value: Value, *, before: bool) -> None:  # one rule per record
        def ranges(*parts: Range) -> None:
            for part in parts:
                self._check_range(part, before=before)
                _require(part.source is not Source.NONE, "a missing range")

        match value:
            case Claim():
                self._check_recipe(value.recipe, before=before)
                slots = 1 << self._circuit.variables - self._circuit.length(value.recipe)
                _require(value.slot < slots, f"slot {value.slot} of {slots}")
                for group, shape in (
                    (Group.X, self._circuit.input),
                    (Group.Y, self._circuit.output),
                ):
                    committed = shape.kind is Io.COMMITTED
                    _require(value.group is not group or committed, f"claim of group {group.name}")
                self._note(value.group)
            case Eq():
                ranges(value.a, value.b)
                _require(value.a.count == value.b.count, "EQ of unlike ranges")
            case Block():
                ranges(value.range)
                _require(value.bits >> value.range.count == 0, f"BLOCK {value.bits}")
            case Less():
                ranges(value.range)
                _require(value.bound <= 1 << value.range.count, f"LESS {value.bound}")
            case Ramp():
                ranges(value.range)
            case Clamp():
                ranges(value.range)
                least = 2 if value.kind is Squash.RELU else 9
                _require(value.range.count >= least, f"CLAMP of {value.range.count} variables")
            case Wire():
                self._check_wire(value, before=before)
            case Input():
                self._check_packed(value.recipe, self._circuit.input, before=before)
                self._note(Input)
            case Output():
                self._check_packed(value.recipe, self._circuit.output, before=before)
                self._note(Output)
            case Tokens():
                ranges(value.position, value.vocabulary)
                _require(self._circuit.input.kind is Io.TOKENS, "TOKENS of an input of int8")
                fits = self._circuit.input.values <= 1 << value.position.count
                _require(fits, "TOKENS of too few positions")
                self._note(Tokens)
            case Index():
                ranges(value.position, value.target)
                _require(len(value.indices) <= 1 << value.position.count, "INDEX past its rows")
                inside = all(i >> value.target.count == 0 for i in value.indices)
                _require(inside, "INDEX past its target")
            case Define():
                self._check_terms(value.terms)
        self._known += 1

    def _check_wire(self, value: Wire, *, before: bool) -> None:
        for part, size in ((value.p, value.size_p), (value.q, value.size_q)):
            self._check_range(part, before=before)
            _require(part.source is not Source.NONE, "a missing range")
            _require(1 <= size <= 1 << part.count, f"WIRE over {size} of {1 << part.count}")
        sizes = value.size_p + value.size_k + value.size_q
        _require(sizes <= MAX_WIRE, f"WIRE over {sizes} positions")
        _require(value.stride >= 1, "WIRE of stride 0")
        _require(value.size_k >= 1, "WIRE of no k")
        k = value.k
        if k.source is Source.BITS:  # the single k = start
            _require(k.count == 0 and k.start < value.size_k, f"WIRE at k {k.start}")
            return
        self._check_range(k, before=before)
        if k.source is not Source.NONE:
            _require(value.size_k <= 1 << k.count, f"WIRE over {value.size_k} of {1 << k.count}")

    def _check_packed(self, recipe: int, shape: IoShape, *, before: bool) -> None:
        self._check_recipe(recipe, before=before)
        _require(shape.kind is Io.PACKED, "a public tensor that is not packed")
        length = self._circuit.length(recipe)
        _require(length == sum(shape.bits), f"a public tensor read at {length} variables")

    def _check_recipe(self, recipe: int, *, before: bool) -> None:
        _require(recipe < len(self._circuit.recipes), f"recipe {recipe}")
        if before:
            for part in self._circuit.recipes[recipe]:
                self._check_range(part, before=True)

    def _check_terms(self, terms: tuple[Term, ...]) -> None:
        for term in terms:
            self._check_operands(term.a, term.b, term.c)

    def _check_operands(self, *operands: int) -> None:
        for operand in operands:
            _require(operand < self._known, f"operand {operand} of {self._known} values")
            self._used.add(operand)

    def _check_instance(self, each: Instance) -> None:
        _require(each.variables <= self._circuit.rounds, f"{each.variables} variables")
        if not isinstance(each, Sum):
            _require(each.variables <= self._circuit.rho, f"{each.variables} variables of rho")
        match each:
            case Sum():
                self._check_terms(each.terms)
            case Zero():
                self._check_terms(each.terms)
                products = all(term.c == ONE for term in each.terms)
                _require(products, "a ZERO of products of three")
            case Lookup():
                self._check_operands(each.h, each.v, each.y, each.id)
            case Table():
                self._check_operands(each.h, each.v, each.y, each.id, each.m)

    def _note(self, reads: type | Group) -> None:
        self._io.setdefault(reads, []).append(self._known)

    def _check_used(
        self, shape: IoShape, name: str, records: tuple[type, ...], group: Group
    ) -> None:
        readers = (group,) if shape.kind is Io.COMMITTED else records
        values = [value for each in readers for value in self._io.get(each, [])]
        _require(any(value in self._used for value in values), f"the {name} is not used")


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise InvalidInputError(f"malformed circuit: {what}")
