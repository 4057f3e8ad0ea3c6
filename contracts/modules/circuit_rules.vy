# pragma version ~=0.4.3
"""
@title Structural rules of a descriptor
@custom:contract-name circuit_rules
@license GNU Affero General Public License v3.0 only
@author JoyNet contributors
@notice Says whether bytes are a well formed circuit: every index exists, every range and slot is in
        bounds, no value before sumcheck 1 depends on it, input is read and output bound, every
        unused byte is zero. The Python side checks the same (`proofs.codec`, `proofs.rules`).
@dev The verifier takes a checked descriptor as it is: an index that passes here cannot make it
     revert. A record lies in the lower 128 bits of a word here, and nothing above it.
@custom:security Pure functions. What the relations mean is not checked here: for that a circuit is
        compiled again from the published model.
@custom:kill Nothing to stop.
"""


# 4. constants and immutables
MAX_RECIPES: constant(uint256) = 128
MAX_VALUES: constant(uint256) = 512
MAX_RECORDS: constant(uint256) = 704
MAX_WIRE: constant(uint256) = 512  # positions of one dimension, outside, in the kernel and inside
_MAX_VARIABLES: constant(uint256) = 24
_MIN_VARIABLES: constant(uint256) = 4  # of the opening
_MAX_PACKED: constant(uint256) = 256  # bytes
_PACKED: constant(uint256) = 0
_COMMITTED: constant(uint256) = 1
_TOKENS: constant(uint256) = 2
_WORD_16: constant(uint256) = 2**16 - 1
_WORD_32: constant(uint256) = 2**32 - 1
# @dev How many low bits of a record are unused: byte op & 31, from the lowest.
_UNUSED: constant(uint256) = (
    58018677487189474427401625885283643378727732251820238615271835544084584
)
_RECORD_MASK: constant(uint256) = 2**128 - 1

# Sources of a range
_R: constant(uint256) = 1
_RHO: constant(uint256) = 2
_BITS: constant(uint256) = 3

# Records (docs/spec/proof.md has them in hexadecimal)
_RECIPE: constant(uint256) = 1
_CLAIM: constant(uint256) = 16
_EQ: constant(uint256) = 17
_BLOCK: constant(uint256) = 18
_LESS: constant(uint256) = 19
_RAMP: constant(uint256) = 20
_CLAMP: constant(uint256) = 21
_WIRE: constant(uint256) = 22
_INPUT: constant(uint256) = 23
_OUTPUT: constant(uint256) = 24
_READ_TOKENS: constant(uint256) = 25
_INDEX: constant(uint256) = 26
_DATA: constant(uint256) = 27
_DEFINE: constant(uint256) = 28
_TERM: constant(uint256) = 29
_START: constant(uint256) = 32
_SUM: constant(uint256) = 33
_ZERO: constant(uint256) = 34
_LOOKUP: constant(uint256) = 35
_TABLE: constant(uint256) = 36


# 5. state
struct Bounds:
    rounds: uint256  # n1
    variables: uint256  # n2
    rho: uint256
    recipes: uint256
    input: uint256  # kind and three dims
    output: uint256


# 9. internal
@internal
@pure
def _check(descriptor: Bytes[16_384]):
    """
    @dev Revert unless the bytes are a well formed circuit.
    @param descriptor Header and records.
    """
    size: uint256 = len(descriptor)
    assert size >= 32 and size <= 32 + 16 * MAX_RECORDS and size % 16 == 0, (
        "circuit_rules: bad length"
    )
    head: uint256 = extract32(descriptor, 0, output_type=uint256)
    bounds: Bounds = Bounds(
        rounds=(head >> 240) & 255,
        variables=(head >> 232) & 255,
        rho=(head >> 224) & 255,
        recipes=(head >> 208) & _WORD_16,
        input=(head >> 88) & (2**56 - 1),
        output=(head >> 32) & (2**56 - 1),
    )
    before: uint256 = (head >> 192) & _WORD_16
    assert (
        head >> 248 == 1
        and head & _WORD_32 == 0
        and bounds.recipes <= MAX_RECIPES
        and bounds.rounds >= 1
        and bounds.rounds <= _MAX_VARIABLES
        and bounds.variables >= _MIN_VARIABLES
        and bounds.variables <= _MAX_VARIABLES
        and bounds.rho >= 1
        and bounds.rho <= _MAX_VARIABLES
    ), "circuit_rules: bad header"
    assert size == 32 + 16 * (bounds.recipes + before + ((head >> 176) & _WORD_16)), (
        "circuit_rules: bad length"
    )
    self._check_tensor(bounds.input, bounds.variables, True)
    self._check_tensor(bounds.output, bounds.variables, False)

    # length of each recipe, and whether it uses r
    lengths: uint256[MAX_RECIPES] = empty(uint256[MAX_RECIPES])
    uses_r: bool[MAX_RECIPES] = empty(bool[MAX_RECIPES])
    at: uint256 = 32
    for i: uint256 in range(bounds.recipes, bound=MAX_RECIPES):
        record: uint256 = extract32(descriptor, at - 16, output_type=uint256) & _RECORD_MASK
        lengths[i], uses_r[i] = self._check_recipe(record, bounds)
        at += 16

    known: uint256 = 4  # values that operands may name
    claims: uint256[2] = [0, 0]
    starts: uint256 = 0
    sums: uint256 = 0
    is_other: bool = False  # an instance that is no SUM was met
    instances: uint256 = 0
    used: uint256[2] = [0, 0]  # values that operands name, one bit each
    inputs: uint256[2] = [0, 0]  # values that read the input
    outputs: uint256[2] = [0, 0]
    end: uint256 = at
    for phase: uint256 in range(2):
        is_before: bool = phase == 0
        end += 16 * before if is_before else 16 * ((head >> 176) & _WORD_16)
        for unused: uint256 in range(MAX_RECORDS):
            if at == end:
                break
            record: uint256 = extract32(descriptor, at - 16, output_type=uint256) & _RECORD_MASK
            at += 16
            op: uint256 = record >> 120
            self._check_padding(record)
            if op < _START:
                assert starts == 0 or not is_before, "circuit_rules: value after START"
                assert instances == 0, "circuit_rules: value after an instance"
            if op == _DEFINE or op == _START or op == _SUM or op == _ZERO:
                # their TERMs follow
                count: uint256 = (record >> 104) & _WORD_16
                if op >= _SUM:
                    count = (record >> 96) & _WORD_16
                assert count <= (end - at) // 16, "circuit_rules: missing TERM"
                for i: uint256 in range(count, bound=MAX_RECORDS):
                    term: uint256 = (
                        extract32(descriptor, at - 16, output_type=uint256) & _RECORD_MASK
                    )
                    at += 16
                    assert term >> 120 == _TERM, "circuit_rules: missing TERM"
                    self._check_padding(term)
                    # eq is a factor of its own: degree 3 in all
                    assert op != _ZERO or (term >> 8) & _WORD_16 == 0, (
                        "circuit_rules: ZERO of degree 4"
                    )
                    for offset: uint256 in [40, 24, 8]:
                        used = self._mark(used, (term >> offset) & _WORD_16, known)
            if op >= _SUM:
                assert not is_before, "circuit_rules: instance before sumcheck 1"
                count: uint256 = (record >> 112) & 255
                assert count <= bounds.rounds, "circuit_rules: bad variables"
                instances += 1
                if op == _SUM:
                    assert not is_other, "circuit_rules: SUM after another instance"
                    sums += 1
                else:
                    is_other = True
                    assert count <= bounds.rho, "circuit_rules: bad variables"
                if op == _LOOKUP or op == _TABLE:
                    for i: uint256 in range(5):
                        if i < 4 or op == _TABLE:
                            operand: uint256 = (record >> (96 - 16 * i)) & _WORD_16
                            used = self._mark(used, operand, known)
                else:
                    assert op <= _ZERO, "circuit_rules: unknown record"
                continue
            if op == _START:
                assert is_before, "circuit_rules: START after sumcheck 1"
                starts += 1
                continue
            reads_input: bool = False
            reads_output: bool = False
            if op == _CLAIM or op == _INPUT or op == _OUTPUT:
                recipe: uint256 = (record >> (96 if op == _CLAIM else 104)) & _WORD_16
                assert recipe < bounds.recipes, "circuit_rules: no such recipe"
                assert not (is_before and uses_r[recipe]), "circuit_rules: r before sumcheck 1"
                length: uint256 = lengths[recipe]
                if op == _CLAIM:
                    group: uint256 = (record >> 112) & 255
                    assert (record >> 64) & _WORD_32 < 1 << (bounds.variables - length), (
                        "circuit_rules: no such slot"
                    )
                    claims[phase] += 1
                    assert (
                        group < 3
                        or (group == 3 and bounds.input >> 48 == _COMMITTED)
                        or (group == 4 and bounds.output >> 48 == _COMMITTED)
                    ), "circuit_rules: no such group"
                    reads_input = group == 3
                    reads_output = group == 4
                else:
                    shape: uint256 = bounds.input if op == _INPUT else bounds.output
                    assert shape >> 48 == _PACKED, "circuit_rules: tensor is not packed"
                    assert length == self._bits(shape), "circuit_rules: bad length of a point"
                    reads_input = op == _INPUT
                    reads_output = op == _OUTPUT
            elif op == _READ_TOKENS:
                self._check_range((record >> 104) & _WORD_16, bounds, is_before)
                self._check_range((record >> 88) & _WORD_16, bounds, is_before)
                assert bounds.input >> 48 == _TOKENS, "circuit_rules: input is not tokens"
                assert self._values(bounds.input) <= 1 << ((record >> 104) & 63), (
                    "circuit_rules: bad bound"
                )
                reads_input = True
            elif op == _INDEX:
                self._check_range((record >> 104) & _WORD_16, bounds, is_before)
                self._check_range((record >> 88) & _WORD_16, bounds, is_before)
                count: uint256 = (record >> 72) & _WORD_16
                bits: uint256 = (record >> 88) & 63
                assert count <= 1 << ((record >> 104) & 63), "circuit_rules: bad bound"
                assert (count + 6) // 7 <= (end - at) // 16, "circuit_rules: missing DATA"
                for i: uint256 in range((count + 6) // 7, bound=MAX_RECORDS):
                    data: uint256 = (
                        extract32(descriptor, at - 16, output_type=uint256) & _RECORD_MASK
                    )
                    at += 16
                    assert data >> 120 == _DATA, "circuit_rules: missing DATA"
                    self._check_padding(data)
                    for j: uint256 in range(7):
                        number: uint256 = (data >> (104 - 16 * j)) & _WORD_16
                        most: uint256 = bits if 7 * i + j < count else 0
                        assert number >> most == 0, "circuit_rules: bad index"
            elif op == _WIRE:
                self._check_wire(record, bounds, is_before)
            elif op != _DEFINE:
                self._check_mask(op, record, bounds, is_before)
            if reads_input:
                inputs = self._mark(inputs, known, MAX_VALUES)
            if reads_output:
                outputs = self._mark(outputs, known, MAX_VALUES)
            known += 1
            assert known <= MAX_VALUES, "circuit_rules: too many values"
    assert sums == starts, "circuit_rules: STARTs and SUMs differ"
    assert instances > 0, "circuit_rules: no instance"
    assert (
        claims[0] == (head >> 160) & _WORD_16 and claims[1] == (head >> 144) & _WORD_16
    ), "circuit_rules: bad number of claims"
    assert (used[0] & inputs[0]) | (used[1] & inputs[1]) != 0, "circuit_rules: input is not used"
    assert (used[0] & outputs[0]) | (used[1] & outputs[1]) != 0, (
        "circuit_rules: output is not used"
    )


@internal
@pure
def _check_tensor(shape: uint256, variables: uint256, is_input: bool):
    """
    @dev Revert unless the header's words about input or output are sound.
    @param shape Kind and three dims.
    @param variables n2.
    @param is_input Whether token ids are fine.
    """
    kind: uint256 = shape >> 48
    count: uint256 = self._values(shape)
    is_sound: bool = kind == _PACKED and count <= _MAX_PACKED
    if count > 0 and kind == _COMMITTED:
        is_sound = self._bits(shape) <= variables
    elif kind == _TOKENS:
        is_sound = is_input and 2 * count <= _MAX_PACKED
    assert is_sound and count > 0, "circuit_rules: bad dims"


@internal
@pure
def _values(shape: uint256) -> uint256:
    """
    @dev Values of a tensor.
    @param shape Three dims in the lower 48 bits.
    @return uint256 Their product.
    """
    return ((shape >> 32) & _WORD_16) * ((shape >> 16) & _WORD_16) * (shape & _WORD_16)


@internal
@pure
def _bits(shape: uint256) -> uint256:
    """
    @dev Variables of a tensor whose dims are padded to powers of two.
    @param shape Three dims in the lower 48 bits, none of them zero.
    @return uint256 The sum of the widths of dims less one.
    """
    bits: uint256 = 0
    for offset: uint256 in [0, 16, 32]:
        left: uint256 = ((shape >> offset) & _WORD_16) - 1
        for i: uint256 in range(16):
            if left == 0:
                break
            left >>= 1
            bits += 1
    return bits


@internal
@pure
def _check_recipe(record: uint256, bounds: Bounds) -> (uint256, bool):
    """
    @dev Revert unless a RECIPE record is sound.
    @param record The record.
    @param bounds The circuit's bounds.
    @return (uint256, bool) Its length, and whether it uses r.
    """
    length: uint256 = 0
    uses_r: bool = False
    is_over: bool = False
    assert record >> 120 == _RECIPE and record & _WORD_32 == 0, "circuit_rules: missing RECIPE"
    for offset: uint256 in [96, 80, 64, 48, 32]:
        part: uint256 = (record >> offset) & _WORD_16
        if part == 0:
            is_over = True
            continue
        assert not is_over and part & 63 > 0, "circuit_rules: empty range"
        self._check_range(part, bounds, False)
        length += part & 63
        uses_r = uses_r or part >> 12 == _R
    assert length == (record >> 112) & 255 and length <= bounds.variables, (
        "circuit_rules: bad length of a point"
    )
    return length, uses_r


@internal
@pure
def _check_range(part: uint256, bounds: Bounds, is_before: bool):
    """
    @dev Revert unless a range is there and in bounds.
    @param part The range.
    @param bounds The circuit's bounds.
    @param is_before Whether r is not known yet.
    """
    source: uint256 = part >> 12
    start: uint256 = (part >> 6) & 63
    if source == _R:
        assert not is_before, "circuit_rules: r before sumcheck 1"
        assert start + (part & 63) <= bounds.rounds, "circuit_rules: bad range"
    elif source == _RHO:
        assert start + (part & 63) <= bounds.rho, "circuit_rules: bad range"
    else:
        assert source == _BITS and start <= 1, "circuit_rules: bad range"


@internal
@pure
def _check_mask(op: uint256, record: uint256, bounds: Bounds, is_before: bool):
    """
    @dev Revert unless an EQ, BLOCK, LESS, RAMP or CLAMP record is sound.
    @param op What it should be.
    @param record The record.
    @param bounds The circuit's bounds.
    @param is_before Whether r is not known yet.
    """
    part: uint256 = (record >> 104) & _WORD_16
    count: uint256 = part & 63
    assert op >= _EQ and op <= _CLAMP, "circuit_rules: unknown record"
    self._check_range(part, bounds, is_before)
    if op == _EQ:
        self._check_range((record >> 88) & _WORD_16, bounds, is_before)
        assert (record >> 88) & 63 == count, "circuit_rules: unlike ranges"
    elif op == _BLOCK:
        assert ((record >> 72) & _WORD_32) >> count == 0, "circuit_rules: bad bound"
    elif op == _LESS:
        assert (record >> 72) & _WORD_32 <= 1 << count, "circuit_rules: bad bound"
    elif op == _CLAMP:
        kind: uint256 = (record >> 96) & 255
        assert kind >= 1 and kind <= 3 and count >= (2 if kind == 3 else 9), (
            "circuit_rules: bad CLAMP"
        )


@internal
@pure
def _check_wire(record: uint256, bounds: Bounds, is_before: bool):
    """
    @dev Revert unless a WIRE record is sound.
    @param record The record.
    @param bounds The circuit's bounds.
    @param is_before Whether r is not known yet.
    """
    range_k: uint256 = (record >> 88) & _WORD_16
    size_k: uint256 = (record >> 24) & _WORD_16
    size_p: uint256 = (record >> 40) & _WORD_16
    size_q: uint256 = (record >> 8) & _WORD_16
    self._check_side((record >> 104) & _WORD_16, size_p, bounds, is_before)
    self._check_side((record >> 72) & _WORD_16, size_q, bounds, is_before)
    is_sound: bool = (record >> 64) & 255 > 0 and size_k > 0
    if range_k >> 12 == _BITS:
        is_sound = is_sound and range_k & 63 == 0 and (range_k >> 6) & 63 < size_k
    elif range_k != 0:
        self._check_side(range_k, size_k, bounds, is_before)
    assert is_sound and size_p + size_k + size_q <= MAX_WIRE, "circuit_rules: bad WIRE"


@internal
@pure
def _check_side(part: uint256, size: uint256, bounds: Bounds, is_before: bool):
    """
    @dev Revert unless a dimension of a WIRE record is sound.
    @param part Its range.
    @param size Its size.
    @param bounds The circuit's bounds.
    @param is_before Whether r is not known yet.
    """
    self._check_range(part, bounds, is_before)
    assert size >= 1 and size <= 1 << (part & 63), "circuit_rules: bad WIRE"


@internal
@pure
def _check_padding(record: uint256):
    """
    @dev Revert unless the bits that a record does not use are zero.
    @param record The record.
    """
    unused: uint256 = (_UNUSED >> (8 * ((record >> 120) & 31))) & 255
    assert record & ((1 << unused) - 1) == 0, "circuit_rules: bad padding"


@internal
@pure
def _mark(marks: uint256[2], index: uint256, known: uint256) -> uint256[2]:
    """
    @dev Mark a value.
    @param marks One bit a value.
    @param index The value's index.
    @param known How many values there are.
    @return uint256[2] With the value's bit set.
    """
    assert index < known, "circuit_rules: no such value"
    marked: uint256[2] = marks
    marked[index >> 8] |= 1 << (index & 255)
    return marked
