# pragma version ~=0.4.3
"""
@title Closed forms of the proof of inference
@custom:contract-name proof_extensions
@license GNU Affero General Public License v3.0 only
@author JoyNet contributors
@notice Multilinear extensions that the verifier evaluates by itself: masks, ramps, clamps, public
        tensors, gathers. Normative text: docs/spec/proof.md, whose records are the arguments.
@dev `known` holds the variables: r at 0, rho at 24, the constants 0 and 1 at 48, and at 50 the
     numbers sum of 2^i r_i over the first variables. A range (source, start, count) begins at
     24 (source - 1) + start; constant bits do not move on. Records were checked by
     `circuit_rules`: ranges and sizes are taken as they are.
     Sums of a few elements of Fr stay below 2^256, which is 5.29 r, and are reduced late.
@custom:security Pure functions.
@custom:kill Nothing to stop.
"""


# 1. modules
from . import circuit_rules


# 4. constants and immutables
R: constant(uint256) = 21888242871839275222246405745257275088548364400416034343698204186575808495617
MAX_WIRE: constant(uint256) = circuit_rules.MAX_WIRE
_BITS: constant(uint256) = 3  # source of constant bits
_NUMBERS: constant(uint256) = 50  # in `known`: sum of 2^i r_i over the first variables
_EQ: constant(uint256) = 17
_LESS: constant(uint256) = 19
_RAMP: constant(uint256) = 20
_RELU_CLAMP: constant(uint256) = 2
_RELU: constant(uint256) = 3
_ONE: constant(uint256) = 1
_SIGNS: constant(uint256) = 2**7 * ((2**64 - 1) // 255)  # of eight bytes


# 8. external, view
@external
@pure
def mask(known: uint256[75], record: uint256) -> uint256:
    """
    @notice An EQ, LESS, RAMP or CLAMP record.
    @param known The variables.
    @param record The record, in the lower half of the word.
    @return uint256 Its value.
    """
    op: uint256 = (record >> 120) & 255
    part: uint256 = (record >> 104) & 65_535
    count: uint256 = part & 63
    step: uint256 = 0 if part >> 12 == _BITS else 1
    at: uint256 = unsafe_add(24 * unsafe_sub(part >> 12, 1), (part >> 6) & 63)
    value: uint256 = 1
    if op == _LESS:
        bound: uint256 = (record >> 72) & (2**32 - 1)
        if bound >> count != 0:
            return 1
        value = 0
        for i: uint256 in range(count, bound=63):
            x: uint256 = known[at]
            at = unsafe_add(at, step)
            if (bound >> i) & 1 == 0:
                value = uint256_mulmod(unsafe_sub(R + 1, x), value, R)
            else:
                value = unsafe_add(uint256_mulmod(x, unsafe_add(value, R - 1), R), 1)
        return value % R
    if op == _EQ:
        other: uint256 = (record >> 88) & 65_535
        to: uint256 = unsafe_add(24 * unsafe_sub(other >> 12, 1), (other >> 6) & 63)
        step_to: uint256 = 0 if other >> 12 == _BITS else 1
        for i: uint256 in range(count, bound=63):
            x: uint256 = known[at]
            y: uint256 = known[to]
            at = unsafe_add(at, step)
            to = unsafe_add(to, step_to)
            value = uint256_mulmod(
                value,
                unsafe_sub(
                    unsafe_add(uint256_mulmod(unsafe_add(x, x), y, R), R + R + 1),
                    unsafe_add(x, y),
                ),
                R,
            )
        return value
    # RAMP, or CLAMP: T(i - 2^(w-1)); both begin with the number of the lowest variables
    kind: uint256 = (record >> 96) & 255
    low: uint256 = unsafe_sub(count, 1)
    width: uint256 = 7
    if op == _RAMP:
        width = count
    elif kind == _RELU:
        width = low
    inner: uint256 = 0
    if part >> 6 == 64:  # r from 0 on
        inner = known[unsafe_add(width, _NUMBERS)]
    else:
        i_down: uint256 = unsafe_add(at, unsafe_mul(width, step))
        for unused: uint256 in range(width, bound=63):
            i_down = unsafe_sub(i_down, step)
            inner = uint256_addmod(unsafe_add(inner, inner), known[i_down], R)
    if op == _RAMP:
        offset: uint256 = (record >> 40) & (2**64 - 1)
        if offset >= 2**63:
            offset = unsafe_add(offset, R - 2**64)
        return uint256_addmod(inner, offset, R)
    top: uint256 = known[unsafe_add(at, unsafe_mul(low, step))]
    if kind == _RELU:
        return uint256_mulmod(top, inner, R)
    zeros: uint256 = 1
    ones: uint256 = 1
    for i: uint256 in range(7, low, bound=56):
        x: uint256 = known[unsafe_add(at, unsafe_mul(i, step))]
        zeros = uint256_mulmod(zeros, unsafe_sub(R + 1, x), R)
        ones = uint256_mulmod(ones, x, R)
    # top (zeros (inner - 127) + 127), and (1 - top) (ones inner - 128) with both signs
    value = uint256_mulmod(
        top, unsafe_add(uint256_mulmod(zeros, unsafe_add(inner, R - 127), R), 127), R
    )
    if kind == _RELU_CLAMP:
        return value
    return uint256_addmod(
        value,
        uint256_mulmod(
            unsafe_sub(R + 1, top), unsafe_add(uint256_mulmod(ones, inner, R), R - 128), R
        ),
        R,
    )


@external
@pure
def index(known: uint256[75], record: uint256, first: uint256, data: uint256) -> uint256:
    """
    @notice Part of an INDEX record.
    @param known The variables.
    @param record The record, in the lower half of the word.
    @param first How many indices came before.
    @param data The next DATA record, in the lower half of the word: at most 7 indices.
    @return uint256 sum over its indices of eq(place) eq(index).
    """
    count: uint256 = (record >> 72) & 65_535
    return self._select(
        known, record, first, min(unsafe_sub(count, first), 7), data << 136
    )


@external
@pure
def tokens(known: uint256[75], record: uint256, packed: Bytes[256]) -> uint256:
    """
    @notice A TOKENS record.
    @param known The variables.
    @param record The record, in the lower half of the word.
    @param packed Token ids, 16 bits each, little-endian.
    @return uint256 sum over the tokens of eq(place) eq(token); R, which is no element, if a token
            does not fit the vocabulary.
    """
    padded: Bytes[288] = concat(packed, empty(bytes32))
    count: uint256 = len(packed) // 2
    total: uint256 = 0
    for i: uint256 in range(8):
        first: uint256 = unsafe_mul(16, i)
        if first >= count:
            break
        word: uint256 = extract32(padded, unsafe_mul(32, i), output_type=uint256)
        even: uint256 = word & (max_value(uint256) // 257)  # every second byte
        part: uint256 = self._select(
            known,
            record,
            first,
            min(unsafe_sub(count, first), 16),
            (unsafe_sub(word, even) >> 8) | (even << 8),
        )
        if part >= R:
            return R
        total = uint256_addmod(total, part, R)
    return total


@external
@pure
def tensor(
    known: uint256[75], recipe: uint256, dims: uint256, packed: Bytes[256]
) -> uint256:
    """
    @notice Extension of a dense tensor of int8 whose dims are padded to powers of two.
    @dev A row is read eight values at a time: with the sign bit flipped a byte is its value + 128,
         and the weights of eight places sum to 1.
    @param known The variables.
    @param recipe RECIPE record of the point.
    @param dims Three sizes of 16 bits, outermost first.
    @param packed The values, innermost dim first.
    @return uint256 Its value at the point.
    """
    point: uint256[24] = empty(uint256[24])
    length: uint256 = 0
    offset: uint256 = 96
    for unused: uint256 in range(5):
        part: uint256 = (recipe >> offset) & 65_535
        if part == 0:
            break
        offset = unsafe_sub(offset, 16)
        from_: uint256 = unsafe_add(24 * unsafe_sub(part >> 12, 1), (part >> 6) & 63)
        step: uint256 = 0 if part >> 12 == _BITS else 1
        for i: uint256 in range(part & 63, bound=24):
            point[length] = known[from_]
            length = unsafe_add(length, 1)
            from_ = unsafe_add(from_, step)
    values: Bytes[288] = concat(packed, empty(bytes32))
    inner: uint256 = dims & 65_535
    middle: uint256 = (dims >> 16) & 65_535
    rows: uint256 = unsafe_mul(dims >> 32, middle)
    cut: uint256 = length  # variables of the inner dim
    cut_middle: uint256 = 0
    if rows > 1:
        cut = self._width(inner)
        cut_middle = self._width(middle)
    # weights of eight neighbours, not reduced
    x0: uint256 = point[0] if cut > 0 else 0
    x1: uint256 = point[1] if cut > 1 else 0
    x2: uint256 = point[2] if cut > 2 else 0
    w1: uint256 = x0
    w0: uint256 = unsafe_sub(R + 1, x0)
    w3: uint256 = uint256_mulmod(w1, x1, R)
    w2: uint256 = uint256_mulmod(w0, x1, R)
    w1 = unsafe_sub(unsafe_add(w1, R), w3)
    w0 = unsafe_sub(unsafe_add(w0, R), w2)
    w7: uint256 = uint256_mulmod(w3, x2, R)
    w6: uint256 = uint256_mulmod(w2, x2, R)
    w5: uint256 = uint256_mulmod(w1, x2, R)
    w4: uint256 = uint256_mulmod(w0, x2, R)
    w3 = unsafe_sub(unsafe_add(w3, R), w7)
    w2 = unsafe_sub(unsafe_add(w2, R), w6)
    w1 = unsafe_sub(unsafe_add(w1, R), w5)
    w0 = unsafe_sub(unsafe_add(w0, R), w4)
    # weights of the blocks of eight in a row
    blocks: uint256[32] = empty(uint256[32])
    blocks[0] = 1
    if cut > 3:
        x0 = point[3]
        x1 = point[4] if cut > 4 else 0
        x2 = point[5] if cut > 5 else 0
        b1: uint256 = x0
        b0: uint256 = unsafe_sub(R + 1, x0)
        b3: uint256 = uint256_mulmod(b1, x1, R)
        b2: uint256 = uint256_mulmod(b0, x1, R)
        b1 = unsafe_sub(unsafe_add(b1, R), b3)
        b0 = unsafe_sub(unsafe_add(b0, R), b2)
        blocks[7] = uint256_mulmod(b3, x2, R)
        blocks[6] = uint256_mulmod(b2, x2, R)
        blocks[5] = uint256_mulmod(b1, x2, R)
        blocks[4] = uint256_mulmod(b0, x2, R)
        blocks[3] = unsafe_sub(unsafe_add(b3, R), blocks[7])
        blocks[2] = unsafe_sub(unsafe_add(b2, R), blocks[6])
        blocks[1] = unsafe_sub(unsafe_add(b1, R), blocks[5])
        blocks[0] = unsafe_sub(unsafe_add(b0, R), blocks[4])
        for i: uint256 in range(6, max(cut, 6), bound=2):
            for j: uint256 in range(16):
                if j >> unsafe_sub(i, 3) > 0:
                    break
                up: uint256 = uint256_mulmod(blocks[j], point[i], R)
                blocks[unsafe_add(j, _ONE << unsafe_sub(i, 3))] = up
                blocks[j] = uint256_addmod(blocks[j], unsafe_sub(R, up), R)
    total: uint256 = 0
    at: uint256 = 0
    for row: uint256 in range(rows, bound=256):
        end: uint256 = unsafe_add(at, inner)
        dot: uint256 = 0
        for eighth: uint256 in range(32):
            if at >= end:
                break
            eight: uint256 = extract32(values, at, output_type=uint256) >> 192
            at = unsafe_add(at, 8)
            if at > end:
                offset = unsafe_mul(8, unsafe_sub(at, end))
                eight = (eight >> offset) << offset
            eight ^= _SIGNS
            dot = uint256_addmod(
                dot,
                uint256_mulmod(
                    blocks[eighth],
                    uint256_addmod(
                        unsafe_add(
                            unsafe_add(
                                unsafe_add(
                                    uint256_mulmod(eight >> 56, w0, R),
                                    uint256_mulmod((eight >> 48) & 255, w1, R),
                                ),
                                uint256_mulmod((eight >> 40) & 255, w2, R),
                            ),
                            uint256_mulmod((eight >> 32) & 255, w3, R),
                        ),
                        unsafe_add(
                            unsafe_add(
                                unsafe_add(
                                    uint256_mulmod((eight >> 24) & 255, w4, R),
                                    uint256_mulmod((eight >> 16) & 255, w5, R),
                                ),
                                uint256_mulmod((eight >> 8) & 255, w6, R),
                            ),
                            unsafe_add(uint256_mulmod(eight & 255, w7, R), R - 128),
                        ),
                        R,
                    ),
                    R,
                ),
                R,
            )
        at = end
        if rows > 1:
            outer: uint256 = row // middle
            number: uint256 = unsafe_add(
                unsafe_sub(row, unsafe_mul(outer, middle)),
                outer << cut_middle,
            )
            for i: uint256 in range(cut, length, bound=24):
                x: uint256 = point[i]
                if (number >> unsafe_sub(i, cut)) & 1 == 0:
                    x = unsafe_sub(R + 1, x)
                dot = uint256_mulmod(dot, x, R)
        total = uint256_addmod(total, dot, R)
    return total


@external
@pure
def wire(known: uint256[75], record: uint256) -> uint256:
    """
    @notice One dimension of a convolution's wiring: a WIRE record.
    @param known The variables.
    @param record The record, in the lower half of the word.
    @return uint256 sum over p < P, k < K with 0 <= stride p + k - pad < Q of
            eq(p) eq(k) eq(q = stride p + k - pad).
    """
    size_p: uint256 = (record >> 40) & 65_535
    size_k: uint256 = (record >> 24) & 65_535
    size_q: uint256 = (record >> 8) & 65_535
    range_k: uint256 = (record >> 88) & 65_535
    first_k: uint256 = 0
    if range_k >> 12 == _BITS:  # the single k
        first_k = (range_k >> 6) & 63
        size_k = unsafe_add(first_k, 1)
    stride: uint256 = (record >> 64) & 255
    pad: uint256 = (record >> 56) & 255
    range_q: uint256 = (record >> 72) & 65_535
    range_p: uint256 = (record >> 104) & 65_535
    if (
        stride == 1
        and pad == 0
        and range_k >> 12 != _BITS
        and range_k != 0
        and size_p >> (range_p & 63) == 1
        and size_k >> (range_k & 63) == 1
        and size_q >> (range_q & 63) == 1
    ):
        return self._sum_of(known, range_p, range_k, range_q)
    # eq of q, then of p, then of k
    table: uint256[MAX_WIRE] = empty(uint256[MAX_WIRE])
    base: uint256 = 0
    for turn: uint256 in range(3):
        part: uint256 = range_k
        size: uint256 = size_k
        if turn == 0:
            part = range_q
            size = size_q
        elif turn == 1:
            part = range_p
            size = size_p
        elif part == 0 or part >> 12 == _BITS:
            break
        at: uint256 = unsafe_add(24 * unsafe_sub(part >> 12, 1), (part >> 6) & 63)
        step: uint256 = 0 if part >> 12 == _BITS else 1
        count: uint256 = part & 63
        table[base] = 1
        entries: uint256 = 1
        for i: uint256 in range(count, bound=63):
            x: uint256 = known[at]
            at = unsafe_add(at, step)
            more: uint256 = min(unsafe_sub(size, entries), entries)
            for j: uint256 in range(base, unsafe_add(base, more), bound=MAX_WIRE):
                low: uint256 = table[j]
                up: uint256 = uint256_mulmod(low, x, R)
                table[unsafe_add(j, entries)] = up
                table[j] = uint256_addmod(low, unsafe_sub(R, up), R)
            x = unsafe_sub(R + 1, x)
            for j: uint256 in range(
                unsafe_add(base, more), unsafe_add(base, entries), bound=MAX_WIRE
            ):
                table[j] = uint256_mulmod(table[j], x, R)
            entries = unsafe_add(entries, more)
        base = unsafe_add(base, size)
    is_weighted: bool = range_k != 0 and range_k >> 12 != _BITS
    total: uint256 = 0
    for k: uint256 in range(first_k, size_k, bound=MAX_WIRE):
        # 0 <= stride p + k - pad < Q
        first: uint256 = 0
        if pad > k:
            first = unsafe_add(unsafe_sub(pad, k), unsafe_sub(stride, 1)) // stride
        if k >= unsafe_add(size_q, pad):
            break
        end: uint256 = min(
            size_p, unsafe_add(unsafe_sub(unsafe_add(size_q, pad), unsafe_add(k, 1)) // stride, 1)
        )
        if first >= end:
            continue
        i: uint256 = unsafe_add(size_q, first)
        j: uint256 = unsafe_sub(unsafe_add(unsafe_mul(stride, first), k), pad)
        count: uint256 = unsafe_sub(end, first)
        inner: uint256 = 0
        for unused: uint256 in range(count >> 2, bound=MAX_WIRE):
            j1: uint256 = unsafe_add(j, stride)
            j2: uint256 = unsafe_add(j1, stride)
            j3: uint256 = unsafe_add(j2, stride)
            inner = uint256_addmod(
                inner,
                unsafe_add(
                    unsafe_add(
                        uint256_mulmod(table[i], table[j], R),
                        uint256_mulmod(table[unsafe_add(i, 1)], table[j1], R),
                    ),
                    unsafe_add(
                        uint256_mulmod(table[unsafe_add(i, 2)], table[j2], R),
                        uint256_mulmod(table[unsafe_add(i, 3)], table[j3], R),
                    ),
                ),
                R,
            )
            i = unsafe_add(i, 4)
            j = unsafe_add(j3, stride)
        for unused: uint256 in range(count & 3, bound=3):
            inner = uint256_addmod(inner, uint256_mulmod(table[i], table[j], R), R)
            i = unsafe_add(i, 1)
            j = unsafe_add(j, stride)
        if is_weighted:
            inner = uint256_mulmod(inner, table[unsafe_add(unsafe_add(size_q, size_p), k)], R)
        total = uint256_addmod(total, inner, R)
    return total


# 9. internal
@internal
@pure
def _sum_of(
    known: uint256[75], range_p: uint256, range_k: uint256, range_q: uint256
) -> uint256:
    """
    @dev sum of eq(p) eq(k) eq(q) over all p + k = q, from the lowest bit on: what the bits so far
         come to without a carry, and with one.
    @param known The variables.
    @param range_p Range of p.
    @param range_k Range of k.
    @param range_q Range of q.
    @return uint256 The sum.
    """
    without: uint256 = 1
    carried: uint256 = 0
    for i: uint256 in range(max(range_p & 63, max(range_k & 63, range_q & 63)), bound=63):
        bits: uint256[3] = [0, 0, 0]
        for j: uint256 in range(3):
            part: uint256 = range_p
            if j == 1:
                part = range_k
            elif j == 2:
                part = range_q
            if i < part & 63:
                at: uint256 = unsafe_add(24 * unsafe_sub(part >> 12, 1), (part >> 6) & 63)
                bits[j] = known[unsafe_add(at, 0 if part >> 12 == _BITS else i)]
        z: uint256 = bits[2]
        both: uint256 = uint256_mulmod(bits[0], bits[1], R)
        one: uint256 = uint256_addmod(
            unsafe_add(bits[0], bits[1]), unsafe_mul(2, unsafe_sub(R, both)), R
        )
        zero: uint256 = unsafe_sub(2 * R + 1, unsafe_add(one, both))
        one_z: uint256 = uint256_mulmod(one, z, R)
        zero_z: uint256 = uint256_mulmod(zero, z, R)
        both_z: uint256 = uint256_mulmod(both, z, R)
        kept: uint256 = uint256_addmod(
            uint256_mulmod(
                without, unsafe_add(unsafe_sub(unsafe_add(zero, R), zero_z), one_z), R
            ),
            uint256_mulmod(carried, zero_z, R),
            R,
        )
        carried = uint256_addmod(
            uint256_mulmod(without, unsafe_sub(unsafe_add(both, R), both_z), R),
            uint256_mulmod(
                carried, unsafe_add(unsafe_sub(unsafe_add(one, R), one_z), both_z), R
            ),
            R,
        )
        without = kept
    return without


@internal
@pure
def _width(size: uint256) -> uint256:
    """
    @dev Variables of a dimension: bits of size - 1.
    @param size 1 .. 65,535.
    @return uint256 The width.
    """
    width: uint256 = 0
    for i: uint256 in range(16):
        if size <= 1 << width:
            break
        width = unsafe_add(width, 1)
    return width


@internal
@pure
def _select(
    known: uint256[75], record: uint256, first: uint256, count: uint256, indices: uint256
) -> uint256:
    """
    @dev sum over i < count of eq(position, first + i) eq(target, index i).
    @param known The variables.
    @param record INDEX or TOKENS: ranges of the position and the target.
    @param first The first place.
    @param count At most 16.
    @param indices 16 bits each, from the highest bits on.
    @return uint256 The sum; R, which is no element, if an index does not fit the target.
    """
    position: uint256 = (record >> 104) & 65_535
    target: uint256 = (record >> 88) & 65_535
    total: uint256 = 0
    left: uint256 = indices
    for i: uint256 in range(count, bound=16):
        place: uint256 = unsafe_add(first, i)
        number: uint256 = left >> 240
        left <<= 16
        if number >> (target & 63) != 0:
            return R
        product: uint256 = 1
        at: uint256 = unsafe_add(24 * unsafe_sub(position >> 12, 1), (position >> 6) & 63)
        step: uint256 = 0 if position >> 12 == _BITS else 1
        for j: uint256 in range(position & 63, bound=63):
            x: uint256 = known[at]
            at = unsafe_add(at, step)
            if (place >> j) & 1 == 0:
                x = unsafe_sub(R + 1, x)
            product = uint256_mulmod(product, x, R)
        at = unsafe_add(24 * unsafe_sub(target >> 12, 1), (target >> 6) & 63)
        step = 0 if target >> 12 == _BITS else 1
        for j: uint256 in range(target & 63, bound=63):
            x: uint256 = known[at]
            at = unsafe_add(at, step)
            if (number >> j) & 1 == 0:
                x = unsafe_sub(R + 1, x)
            product = uint256_mulmod(product, x, R)
        total = uint256_addmod(total, product, R)
    return total
