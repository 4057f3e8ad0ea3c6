"""Vectors of Fr elements on an OpenCL device: tables of multilinear polynomials, polynomials.

A vector of 2^n elements is the table of a multilinear polynomial in n variables. **Variable 0 is
the least significant bit of the index**, bound first. Read as a polynomial in one variable, element
i is the coefficient of X^i. On the device elements are in Montgomery form; host arrays are
canonical: (n, 4) uint64, little-endian limbs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from joynet_sdk.errors import InvalidInputError
from joynet_sdk.proofs.field import FR, from_limbs, to_limbs
from joynet_sdk.proofs.runtime import Runtime

ELEMENT_BYTES = 32
FILES = {
    True: ("bn254_field", "bn254_lanes", "bn254_wide", "vectors"),
    False: ("bn254_field", "bn254_wide", "vectors"),
}  # on a CPU and elsewhere
BLOCK_VARIABLES = {True: 8, False: 6}  # of an eq block, on a CPU and elsewhere
GROUP = 64  # work-items of a group; on a CPU kernels with much work per item run alone
THIN = {
    "vector_from_canonical",
    "vector_to_canonical",
    "vector_from_small",
    "vector_add",
    "vector_sub",
    "vector_mul",
    "vector_permute",
}
MOST_WEIGHTS = 10  # variables contracted in one pass

u32, u64 = np.uint32, np.uint64


@dataclass(frozen=True)
class EqClaim:
    """`factor * eq(point, .)`, to be added to a vector at `offset`.

    Attributes:
        offset: First element, anything that leaves room for 2^len(point) elements.
        point: Coordinates below r, variable 0 first.
        factor: Below r.
    """

    offset: int
    point: Sequence[int]
    factor: int = 1

    @property
    def end(self) -> int:
        """One past the last element."""
        return self.offset + (1 << len(self.point))


@dataclass(frozen=True, eq=False)
class FrVector:
    """Elements [offset, offset + length) of a device buffer. Slices share memory.

    Attributes:
        runtime: The device.
        buffer: `pyopencl.Buffer` of Montgomery elements.
        offset: First element in the buffer.
        length: Elements, >= 1.
    """

    runtime: Runtime
    buffer: Any
    offset: int
    length: int

    # --- making and reading

    @classmethod
    def empty(cls, runtime: Runtime, length: int) -> "FrVector":
        """A vector with arbitrary content.

        Raises:
            InvalidInputError: `length` is not in [1, 2^32).
            ConfigError: It does not fit the device's memory budget.
        """
        if not 1 <= length < 1 << 32:
            raise InvalidInputError(f"a vector of {length} elements, expected 1 to 2^32 - 1")
        return cls(runtime, runtime.empty(length * ELEMENT_BYTES), 0, length)

    @classmethod
    def zeros(cls, runtime: Runtime, length: int) -> "FrVector":
        """A vector of zeros."""
        vector = cls.empty(runtime, length)
        vector.clear()
        return vector

    @classmethod
    def from_host(cls, runtime: Runtime, canonical: NDArray[np.uint64]) -> "FrVector":
        """Copy canonical elements to the device.

        Args:
            canonical: (n, 4) uint64, any 256-bit values; they are reduced mod r.
        """
        if canonical.ndim != 2 or canonical.shape[1] != 4 or canonical.dtype != np.uint64:
            raise InvalidInputError(
                f"elements of shape {canonical.shape} {canonical.dtype}, expected (n, 4) uint64"
            )
        vector = cls.empty(runtime, len(canonical))
        raw = runtime.upload(canonical)
        vector._launch("vector_from_canonical", len(canonical), raw, vector.buffer, u32(0))
        return vector

    @classmethod
    def from_small(cls, runtime: Runtime, values: NDArray[np.int64]) -> "FrVector":
        """Copy signed integers to the device.

        Args:
            values: (n,) int64.
        """
        if values.ndim != 1 or values.dtype != np.int64:
            raise InvalidInputError(
                f"integers of shape {values.shape} {values.dtype}, expected (n,) int64"
            )
        vector = cls.empty(runtime, len(values))
        raw = runtime.upload(values)
        vector._launch("vector_from_small", len(values), raw, vector.buffer, u32(0))
        return vector

    @classmethod
    def from_ints(cls, runtime: Runtime, values: Sequence[int]) -> "FrVector":
        """Copy Python integers, taken mod r, to the device."""
        return cls.from_host(runtime, to_limbs([value % FR for value in values]))

    def to_host(self) -> NDArray[np.uint64]:
        """Canonical elements: (length, 4) uint64."""
        raw = self.runtime.empty(self.length * ELEMENT_BYTES)
        self._launch("vector_to_canonical", self.length, self.buffer, raw, u32(self.offset))
        return self.runtime.download(raw, (self.length, 4), np.uint64)

    def to_ints(self) -> list[int]:
        """Canonical elements as Python integers."""
        return from_limbs(self.to_host())

    def __len__(self) -> int:
        return self.length

    def slice(self, start: int, length: int) -> "FrVector":
        """A view of elements [start, start + length).

        Raises:
            InvalidInputError: They are not all inside the vector.
        """
        if start < 0 or length < 1 or start + length > self.length:
            raise InvalidInputError(
                f"elements [{start}, {start + length}) of a vector of {self.length}"
            )
        return FrVector(self.runtime, self.buffer, self.offset + start, length)

    def copy(self) -> "FrVector":
        """The same elements in memory of their own."""
        return self.padded(self.length)

    def padded(self, length: int) -> "FrVector":
        """A copy, with zeros up to `length` elements.

        Raises:
            InvalidInputError: `length` is smaller than the vector.
        """
        if length < self.length:
            raise InvalidInputError(f"cannot pad {self.length} elements to {length}")
        out = FrVector.empty(self.runtime, length)
        out.slice(0, self.length).write(self)
        if length > self.length:
            out.slice(self.length, length - self.length).clear()
        return out

    def padded_to_power_of_two(self) -> "FrVector":
        """A copy, with zeros up to the next power of two."""
        return self.padded(1 << (self.length - 1).bit_length())

    def write(self, source: "FrVector") -> None:
        """Overwrite this vector with another one of its length, not overlapping it."""
        import pyopencl

        self._same_length(source)
        pyopencl.enqueue_copy(
            self.runtime.queue,
            self.buffer,
            source.buffer,
            src_offset=source.offset * ELEMENT_BYTES,
            dst_offset=self.offset * ELEMENT_BYTES,
            byte_count=self.length * ELEMENT_BYTES,
        )

    def clear(self) -> None:
        """Overwrite this vector with zeros."""
        import pyopencl

        pyopencl.enqueue_fill_buffer(
            self.runtime.queue,
            self.buffer,
            np.zeros(1, np.uint64),
            self.offset * ELEMENT_BYTES,
            self.length * ELEMENT_BYTES,
        )

    # --- arithmetic

    def add(self, other: "FrVector") -> "FrVector":
        """Element by element, self + other."""
        return self._binary("vector_add", other)

    def sub(self, other: "FrVector") -> "FrVector":
        """Element by element, self - other."""
        return self._binary("vector_sub", other)

    def mul(self, other: "FrVector") -> "FrVector":
        """Element by element, self * other."""
        return self._binary("vector_mul", other)

    def affine(self, scale: int, shift: int = 0) -> "FrVector":
        """scale * self + shift."""
        out = FrVector.empty(self.runtime, self.length)
        self._affine_into(out, scale, shift, accumulate=False)
        return out

    def accumulate(self, scale: int, vector: "FrVector") -> None:
        """Add scale * vector to this vector's first elements, in place.

        Raises:
            InvalidInputError: `vector` is longer than this one.
        """
        vector._affine_into(self.slice(0, vector.length), scale, 0, accumulate=True)

    def dot(self, other: "FrVector") -> int:
        """Sum of the products of elements."""
        self._same_length(other)
        runs, per = self.runs()
        sums = FrVector.empty(self.runtime, runs)
        arguments = (*self._at, *other._at, sums.buffer, u32(self.length), u32(per))
        self._launch("vector_dot", runs, *arguments)
        return sum(sums.to_ints()) % FR

    def inverse(self) -> "FrVector":
        """1 / element of every element.

        Raises:
            InvalidInputError: An element is zero.
        """
        out, zero = self.inverse_unless_zero()
        if zero is not None:
            raise InvalidInputError(f"element {zero} of {self.length} is 0: it has no inverse")
        return out

    def inverse_unless_zero(self) -> tuple["FrVector", int | None]:
        """1 / element of every element, 0 for 0, and the index of some zero or None."""
        out = FrVector.empty(self.runtime, self.length)
        runs, per = self.runs(least=32, most=1024)
        zero = self.runtime.upload(np.zeros(1, np.uint32))
        self._launch(
            "vector_inverse", runs, *self._at, out.buffer, u32(self.length), u32(per), zero
        )
        found = int(self.runtime.download(zero, 1, np.uint32)[0])
        return out, found - 1 if found else None

    # --- multilinear tables

    @property
    def variables(self) -> int:
        """log2 of the length.

        Raises:
            InvalidInputError: The length is not a power of two.
        """
        variables = self.length.bit_length() - 1
        if self.length != 1 << variables:
            raise InvalidInputError(f"{self.length} elements, expected a power of two")
        return variables

    def fold(self, challenge: int) -> "FrVector":
        """Bind variable 0 to `challenge`: half as many elements."""
        if self.variables == 0:
            raise InvalidInputError("a constant has no variable to bind")
        half = self.length // 2
        out = FrVector.empty(self.runtime, half)
        runs, per = out.runs()
        arguments = (out.buffer, u32(half), u32(per), *montgomery(challenge))
        self._launch("vector_fold", runs, *self._at, *arguments)
        return out

    def evaluate(self, point: Sequence[int]) -> int:
        """The multilinear polynomial at `point`, one coordinate per variable, variable 0 first."""
        if len(point) != self.variables:
            raise InvalidInputError(
                f"a point of {len(point)} coordinates for {self.variables} variables"
            )
        return self.bind(0, point).to_ints()[0]

    def bind(self, first: int, point: Sequence[int]) -> "FrVector":
        """Bind variables first, first + 1, ... to the coordinates of `point`.

        Returns:
            The table over the variables that are left, in their old order.

        Raises:
            InvalidInputError: There are no such variables.
        """
        if first < 0 or first + len(point) > self.variables:
            raise InvalidInputError(
                f"variables [{first}, {first + len(point)}) of {self.variables}"
            )
        table, left = self, list(point)
        while left:
            now, left = left[:MOST_WEIGHTS], left[MOST_WEIGHTS:]
            weights = eq_table(self.runtime, now)
            table = table._contract(weights, 1 << first, table.length >> len(now))
        return table

    def bind_all_but(self, point: Sequence[int | None], keep: Sequence[int]) -> "FrVector":
        """Bind every variable that has a coordinate in `point`; keep the others in a given order.

        Args:
            point: One entry per variable: its value, or None for a variable that is kept.
            keep: The kept variables; keep[k] becomes variable k of the result.
        """
        kept = [k for k, value in enumerate(point) if value is None]
        if len(point) != self.variables or sorted(keep) != kept:
            raise InvalidInputError(
                f"kept variables {list(keep)}: the point leaves {kept} of {self.variables} free"
            )
        table, end = self, len(point)
        while end > 0:  # runs of bound variables, from the top, so that lower ones keep their place
            start = end
            while start > 0 and point[start - 1] is not None:
                start -= 1
            table = table.bind(start, [value for value in point[start:end] if value is not None])
            end = start - 1
        return table.permuted([kept.index(k) for k in keep])

    def permuted(self, order: Sequence[int]) -> "FrVector":
        """The table with variable order[k] of this one as its variable k."""
        if sorted(order) != list(range(self.variables)):
            raise InvalidInputError(f"{list(order)} is no order of {self.variables} variables")
        if list(order) == sorted(order):
            return self
        out = FrVector.empty(self.runtime, self.length)
        bits = self.runtime.upload(np.array(order, np.uint32))
        arguments = (*self._at, out.buffer, bits, u32(len(order)))
        self._launch("vector_permute", self.length, *arguments)
        return out

    def accumulate_eq(self, claims: Sequence[EqClaim]) -> None:
        """Add factor * eq(point, .) of every claim at its offset, in place.

        Claims that do not overlap run in one launch.

        Raises:
            InvalidInputError: A claim reaches past the end.
        """
        layers: list[list[EqClaim]] = []
        for claim in claims:
            if claim.offset < 0 or claim.end > self.length:
                raise InvalidInputError(
                    f"elements [{claim.offset}, {claim.end}) of a vector of {self.length}"
                )
            for layer in layers:
                if all(claim.end <= old.offset or old.end <= claim.offset for old in layer):
                    layer.append(claim)
                    break
            else:
                layers.append([claim])
        for layer in layers:
            self._eq_blocks(layer, accumulate=True)

    # --- polynomials in one variable

    def evaluate_polynomial(self, x: int) -> int:
        """sum of self[i] * x^i."""
        table, weight = self, x % FR
        while table.length > 1:
            width = min(1 << MOST_WEIGHTS, table.length)
            rest = -(-table.length // width)
            table = table._contract(powers(self.runtime, weight, width), 1, rest)
            weight = pow(weight, width, FR)
        return table.to_ints()[0]

    def divide(self, root: int, stride: int = 1) -> tuple["FrVector", "FrVector"]:
        """Divide by X^stride - root.

        Returns:
            Quotient (length - stride coefficients, at least one) and remainder (stride ones).

        Raises:
            InvalidInputError: `stride` is no power of two.
        """
        if stride < 1 or stride & (stride - 1):
            raise InvalidInputError(f"division by X^{stride} - a, expected a power of two")
        if self.length <= stride:
            return FrVector.zeros(self.runtime, 1), self.padded(stride)
        rows = -(-self.length // stride)
        chunks = max(1, min(rows // 64, self._items // stride))
        per = -(-rows // chunks)
        chunks = -(-rows // per)
        carries = FrVector.empty(self.runtime, chunks * stride)
        quotient = FrVector.empty(self.runtime, self.length - stride)
        remainder = FrVector.empty(self.runtime, stride)
        shape = (u32(self.length), u32(stride), u32(per))
        a = montgomery(root)
        if chunks > 1:
            self._launch("divide_horner", carries.length, *self._at, *shape, carries.buffer, *a)
            step = montgomery(pow(root, per, FR))
            self._launch("divide_carry", stride, carries.buffer, u32(stride), u32(chunks), *step)
        else:
            carries.clear()
        outputs = (carries.buffer, quotient.buffer, remainder.buffer)
        self._launch("divide_rows", carries.length, *self._at, *shape, *outputs, *a)
        return quotient, remainder

    def polynomial_mul(self, other: "FrVector") -> "FrVector":
        """Product of two short polynomials, schoolbook: self.length + other.length - 1 elements."""
        out = FrVector.empty(self.runtime, self.length + other.length - 1)
        arguments = (*self._at, u32(self.length), *other._at, u32(other.length), out.buffer)
        self._launch("polynomial_mul", out.length, *arguments)
        return out

    # --- inside

    @property
    def _at(self) -> tuple[Any, np.uint32]:
        return self.buffer, u32(self.offset)

    @property
    def _items(self) -> int:
        """Work-items that fill the device."""
        return 256 if self.runtime.is_cpu else 1 << 15

    def runs(self, least: int = 64, most: int = 1 << 32) -> tuple[int, int]:
        """(work-items, elements of each) that cover the vector and fill the device.

        Args:
            least: Fewest elements worth a work-item.
            most: Most elements of a work-item.
        """
        per = min(max(-(-self.length // self._items), least), most, self.length)
        return -(-self.length // per), per

    def _launch(self, name: str, items: int, *arguments: Any) -> None:
        launch(self.runtime, name, items, *arguments)

    def _same_length(self, other: "FrVector") -> None:
        if other.length != self.length:
            raise InvalidInputError(f"vectors of {self.length} and {other.length} elements")

    def _binary(self, name: str, other: "FrVector") -> "FrVector":
        self._same_length(other)
        out = FrVector.empty(self.runtime, self.length)
        self._launch(name, self.length, *self._at, *other._at, *out._at)
        return out

    def _affine_into(self, out: "FrVector", scale: int, shift: int, accumulate: bool) -> None:
        runs, per = self.runs()
        shape = (u32(self.length), u32(per), u32(accumulate))
        factors = (*montgomery(scale), *montgomery(shift))
        self._launch("vector_affine", runs, *self._at, *out._at, *shape, *factors)

    def _contract(self, weights: "FrVector", low: int, length: int) -> "FrVector":
        out = FrVector.empty(self.runtime, length)
        middle = (*weights._at, u32(weights.length), u32(low))
        self._launch("vector_contract", length, *self._at, u32(self.length), *middle, out.buffer)
        return out

    def _eq_blocks(self, claims: Sequence[EqClaim], accumulate: bool) -> None:
        width = BLOCK_VARIABLES[self.runtime.is_cpu]
        blocks = [1 << max(len(claim.point) - width, 0) for claim in claims]
        records = np.zeros((len(claims), 4), np.uint32)
        records[:, 0] = [claim.offset for claim in claims]
        records[:, 1] = [len(claim.point) for claim in claims]
        records[1:, 2] = np.cumsum(records[:-1, 1])
        records[1:, 3] = np.cumsum(blocks[:-1])
        owners = np.repeat(np.arange(len(claims), dtype=np.uint32), blocks)
        coordinates = [value for claim in claims for value in claim.point] or [0]
        points = FrVector.from_ints(self.runtime, coordinates)
        factors = FrVector.from_ints(self.runtime, [claim.factor for claim in claims])
        upload = self.runtime.upload
        arguments = (upload(records), upload(owners), points.buffer, factors.buffer)
        self._launch("eq_blocks", len(owners), *arguments, *self._at, u32(accumulate))


def eq_table(runtime: Runtime, point: Sequence[int], factor: int = 1) -> FrVector:
    """factor * eq(point, i) for every i of the cube, 2^len(point) elements."""
    table = FrVector.empty(runtime, 1 << len(point))
    table._eq_blocks([EqClaim(0, point, factor)], accumulate=False)
    return table


def powers(runtime: Runtime, x: int, length: int) -> FrVector:
    """1, x, x^2, ..., x^(length - 1)."""
    out = FrVector.empty(runtime, length)
    runs, per = out.runs()
    launch(runtime, "vector_powers", runs, out.buffer, u32(length), u32(per), *montgomery(x))
    return out


def combine(terms: Sequence[tuple[int, FrVector]], length: int | None = None) -> FrVector:
    """Sum of coefficient * vector over vectors of any lengths, shorter ones padded with zeros.

    Args:
        terms: (coefficient, vector), at least one.
        length: Elements of the result; None for the longest vector's.

    Raises:
        InvalidInputError: There are no terms, or a vector is longer than `length`.
    """
    if not terms:
        raise InvalidInputError("a linear combination of no vectors")
    wanted = length or max(vector.length for _, vector in terms)
    out = FrVector.zeros(terms[0][1].runtime, wanted)
    for coefficient, vector in terms:
        out.accumulate(coefficient, vector)
    return out


def montgomery(value: int) -> tuple[np.uint64, ...]:
    """Four kernel arguments: the limbs of value * 2^256 mod r."""
    limbs = (value << 256) % FR
    mask = (1 << 64) - 1
    return tuple(u64(limbs >> shift & mask) for shift in (0, 64, 128, 192))


def launch(runtime: Runtime, name: str, items: int, *arguments: Any) -> None:
    """Enqueue a kernel of vectors.cl over `items` work-items."""
    defines = {"BLOCK_VARIABLES": BLOCK_VARIABLES[runtime.is_cpu]}
    group = 1 if runtime.is_cpu and name not in THIN else GROUP
    rounded = -(-items // group) * group
    kernel = runtime.kernel(name, *FILES[runtime.is_cpu], defines=defines)
    runtime.launch(kernel, rounded, *arguments, u32(items), group=group)
