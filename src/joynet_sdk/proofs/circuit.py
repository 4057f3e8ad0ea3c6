"""A model's circuit: the records of its descriptor.

Normative text: docs/spec/proof.md. The verifier, the prover and the contract all interpret
these records; nothing else says what a model's proofs must satisfy.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import ClassVar

from joynet_sdk.errors import InvalidInputError

VERSION = 1
MAX_VARIABLES = 24  # of any polynomial: the SRS has at most 2^24 points
MAX_VALUES = 512
RECIPE_RANGES = 5
MAX_RECIPES = 128
MAX_WIRE = 512  # positions of one dimension of a convolution: outside, kernel, inside
MAX_PROOF_BYTES = 12_288  # the contract's calldata bound
MAX_PACKED = 256  # int8 values of a packed input or output
ONE, GAMMA, GAMMA2, BETA = range(4)  # the values before the first record
FIRST_VALUE = 4


class Group(IntEnum):
    """Committed polynomials."""

    W = 0
    A = 1
    H = 2
    X = 3
    Y = 4


class Source(IntEnum):
    """Where a variable of a point comes from."""

    NONE = 0
    R = 1
    RHO = 2
    BITS = 3


class Io(IntEnum):
    """How input or output enter the statement."""

    PACKED = 0
    COMMITTED = 1
    TOKENS = 2


class Squash(IntEnum):
    """Closed forms of T, tables of the clamped integers."""

    CLAMP = 1
    RELU_CLAMP = 2
    RELU = 3


@dataclass(frozen=True, slots=True)
class Range:
    """`count` variables from `start` on; for BITS, `count` constants equal to `start`."""

    source: Source = Source.NONE
    start: int = 0
    count: int = 0

    def word(self) -> int:
        """As it stands in a record: source, start, count."""
        return self.source << 12 | self.start << 6 | self.count

    @classmethod
    def of(cls, word: int) -> Range:
        """The range of a word."""
        return cls(Source(word >> 12), word >> 6 & 63, word & 63)


def r(start: int, count: int) -> Range:
    """Variables of sumcheck 1."""
    return Range(Source.R, start, count)


def rho(start: int, count: int) -> Range:
    """Variables fixed before sumcheck 1."""
    return Range(Source.RHO, start, count)


def bits(value: int, count: int = 1) -> Range:
    """Constant variables, all `value` (0 or 1)."""
    return Range(Source.BITS, value, count)


NO_RANGE = Range()
Recipe = tuple[Range, ...]


@dataclass(frozen=True, slots=True)
class Claim:
    """The prover's next value: the group's polynomial in a slot at a point."""

    OP: ClassVar[int] = 0x10
    group: Group
    recipe: int
    slot: int


@dataclass(frozen=True, slots=True)
class Eq:
    """eq of two ranges of the same length."""

    OP: ClassVar[int] = 0x11
    a: Range
    b: Range


@dataclass(frozen=True, slots=True)
class Block:
    """eq of a range and the bits of a number."""

    OP: ClassVar[int] = 0x12
    range: Range
    bits: int


@dataclass(frozen=True, slots=True)
class Less:
    """Extension of [i < bound]."""

    OP: ClassVar[int] = 0x13
    range: Range
    bound: int


@dataclass(frozen=True, slots=True)
class Ramp:
    """Extension of i + offset."""

    OP: ClassVar[int] = 0x14
    range: Range
    offset: int


@dataclass(frozen=True, slots=True)
class Clamp:
    """Extension of T(i - 2^(w-1)), w the length of the range."""

    OP: ClassVar[int] = 0x15
    range: Range
    kind: Squash


@dataclass(frozen=True, slots=True)
class Wire:
    """One dimension of a convolution's wiring: q = stride·p + k - pad, within bounds."""

    OP: ClassVar[int] = 0x16
    p: Range
    k: Range
    q: Range
    stride: int
    pad: int
    size_p: int
    size_k: int
    size_q: int


@dataclass(frozen=True, slots=True)
class Input:
    """The packed input at a point."""

    OP: ClassVar[int] = 0x17
    recipe: int


@dataclass(frozen=True, slots=True)
class Output:
    """The packed output at a point."""

    OP: ClassVar[int] = 0x18
    recipe: int


@dataclass(frozen=True, slots=True)
class Tokens:
    """sum_i eq(position, i) eq(vocabulary, token_i) over the input's tokens."""

    OP: ClassVar[int] = 0x19
    position: Range
    vocabulary: Range


@dataclass(frozen=True, slots=True)
class Index:
    """sum_i eq(position, i) eq(target, indices[i])."""

    OP: ClassVar[int] = 0x1A
    position: Range
    target: Range
    indices: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Term:
    """coefficient · v_a · v_b · v_c, operands being indices of values."""

    OP: ClassVar[int] = 0x1D
    coefficient: int
    a: int = ONE
    b: int = ONE
    c: int = ONE


@dataclass(frozen=True, slots=True)
class Define:
    """A value that is a sum of terms."""

    OP: ClassVar[int] = 0x1C
    terms: tuple[Term, ...]


Value = Claim | Eq | Block | Less | Ramp | Clamp | Wire | Input | Output | Tokens | Index | Define


@dataclass(frozen=True, slots=True)
class Sum:
    """sum over r of `terms` = `start`; both are sums of terms, `start` of values before."""

    OP: ClassVar[int] = 0x21
    variables: int
    start: tuple[Term, ...]
    terms: tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class Zero:
    """`terms` sum to zero at every point of the cube."""

    OP: ClassVar[int] = 0x22
    variables: int
    terms: tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class Lookup:
    """h = 1 / (beta - v - gamma y - gamma^2 id) on every row."""

    OP: ClassVar[int] = 0x23
    variables: int
    h: int
    v: int
    y: int
    id: int


@dataclass(frozen=True, slots=True)
class Table:
    """h = m / (beta - v - gamma y - gamma^2 id) on every row of the table."""

    OP: ClassVar[int] = 0x24
    variables: int
    h: int
    v: int
    y: int
    id: int
    m: int


Instance = Sum | Zero | Lookup | Table


@dataclass(frozen=True, slots=True)
class IoShape:
    """Input or output of the statement; dims from outermost to innermost, at most three."""

    kind: Io
    dims: tuple[int, ...]

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Dims with leading ones, always three."""
        padded = (1,) * (3 - len(self.dims)) + self.dims
        return padded[0], padded[1], padded[2]

    @property
    def values(self) -> int:
        """How many values there are, padding not counted."""
        outer, middle, inner = self.sizes
        return outer * middle * inner

    @property
    def bits(self) -> tuple[int, int, int]:
        """Variables per dim, innermost first."""
        outer, middle, inner = (width(size) for size in self.sizes)
        return inner, middle, outer


def width(size: int) -> int:
    """Variables of a dimension: bits of size - 1."""
    return (size - 1).bit_length()


@dataclass(frozen=True)
class Circuit:
    """A descriptor.

    Attributes:
        rounds: n1, rounds of sumcheck 1.
        variables: n2, variables of every group and rounds of sumcheck 2.
        rho: Challenges that fix a point before sumcheck 1.
        before: Values known before sumcheck 1; they use no r.
        after: Values after it.
        instances: SUMs first.
    """

    rounds: int
    variables: int
    rho: int
    input: IoShape
    output: IoShape
    recipes: tuple[Recipe, ...]
    before: tuple[Value, ...]
    after: tuple[Value, ...]
    instances: tuple[Instance, ...]
    version: int = field(default=VERSION)

    @property
    def claims_before(self) -> int:
        """How many claims `before` holds."""
        return sum(isinstance(value, Claim) for value in self.before)

    @property
    def claims_after(self) -> int:
        """How many claims `after` holds."""
        return sum(isinstance(value, Claim) for value in self.after)

    @property
    def claims(self) -> tuple[Claim, ...]:
        """Every claim, in the order of their numbers."""
        return tuple(v for v in self.before + self.after if isinstance(v, Claim))

    def claim(self, index: int) -> Claim:
        """The claim that a value is.

        Raises:
            InvalidInputError: It is none.
        """
        record = (self.before + self.after)[index - FIRST_VALUE]
        if not isinstance(record, Claim):
            raise InvalidInputError(f"value {index} is no claim")
        return record

    @property
    def sums(self) -> tuple[Sum, ...]:
        """The SUM instances, which come first."""
        return tuple(each for each in self.instances if isinstance(each, Sum))

    @property
    def proof_words(self) -> int:
        """32-byte words of a proof before its opening."""
        return 4 + self.claims_before + 3 * self.rounds + self.claims_after + 2 * self.variables

    def length(self, recipe: int) -> int:
        """Variables of a recipe."""
        return sum(each.count for each in self.recipes[recipe])
