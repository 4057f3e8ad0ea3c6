# pragma version ~=0.4.3
"""
@title Transcript and sumchecks of the proof of inference
@custom:contract-name proof_transcript
@license GNU Affero General Public License v3.0 only
@author JoyNet contributors
@notice What turns an interactive proof into bytes, and the rounds of its two sumchecks.
        Normative text: docs/spec/proof.md.
@dev absorb(tag, data): state = keccak256(state, tag, u32 length, data); tag and length are one
     bytes8 here. challenge(): state = keccak256(state, 0x01), the challenge is state mod r.
     The last claim of a sumcheck is linear in the first: slope * first + offset. So rounds can
     be followed before the first claim is known.
@custom:security Pure functions.
@custom:kill Nothing to stop.
"""


# 4. constants and immutables
R: constant(uint256) = 21888242871839275222246405745257275088548364400416034343698204186575808495617
DOMAIN: constant(bytes32) = keccak256(b"JN-PoI/v1\x00")
_CUBIC: constant(bytes8) = 0x73635f5f00000060  # "sc__", 96 bytes
_QUADRATIC: constant(bytes8) = 0x73635f5f00000040  # "sc__", 64 bytes




# Where `known` holds what
RHO: constant(uint256) = 24
BITS: constant(uint256) = 48  # the constants 0 and 1
NUMBERS: constant(uint256) = 50  # sum of 2^i r_i over the first variables
POINT: constant(uint256) = 8  # where z begins, behind zeros


# 9. internal
@internal
@pure
def _squeeze(state: bytes32) -> bytes32:
    """
    @dev The next state of a challenge.
    @param state The state.
    @return bytes32 The state after it; mod r it is the challenge.
    """
    return keccak256(concat(state, 0x01))


@internal
@pure
def _fixed(state: bytes32, count: uint256) -> (bytes32, uint256[75]):
    """
    @dev The variables rho.
    @param state The state.
    @param count How many, at most 24.
    @return (bytes32, uint256[75]) The state after them, and what is known then.
    """
    now: bytes32 = state
    known: uint256[75] = empty(uint256[75])
    known[BITS + 1] = 1
    for i: uint256 in range(count, bound=24):
        now = keccak256(concat(now, 0x01))
        known[unsafe_add(i, RHO)] = convert(now, uint256) % R
    return now, known


@internal
@pure
def _relations(
    state: bytes32, messages: Bytes[2304], rounds: uint256, fixed: uint256[75]
) -> (bytes32, uint256, uint256, uint256[75], uint256[25]):
    """
    @dev Sumcheck 1: rounds of degree 3, c0, c2, c3 each.
    @param state The state before them.
    @param messages 96 bytes a round.
    @param rounds At most 24.
    @param fixed What is known before: rho.
    @return (bytes32, uint256, uint256, uint256[75], uint256[25]) The state, zero if a scalar is not
            below r; slope and offset; what is known; eq(rho, r) over the first variables.
    """
    now: bytes32 = state
    slope: uint256 = 1
    offset: uint256 = 0
    known: uint256[75] = fixed
    equals: uint256[25] = empty(uint256[25])
    equals[0] = 1
    equal: uint256 = 1
    number: uint256 = 0
    at: uint256 = 0
    excess: uint256 = 0  # whether a scalar is too large
    for i: uint256 in range(rounds, bound=24):
        c0: uint256 = extract32(messages, at, output_type=uint256)
        c2: uint256 = extract32(messages, unsafe_add(at, 32), output_type=uint256)
        c3: uint256 = extract32(messages, unsafe_add(at, 64), output_type=uint256)
        at = unsafe_add(at, 96)
        excess |= unsafe_div(c0, R) | unsafe_div(c2, R) | unsafe_div(c3, R)
        now = keccak256(
            concat(
                now, _CUBIC, convert(c0, bytes32), convert(c2, bytes32), convert(c3, bytes32)
            )
        )
        now = keccak256(concat(now, 0x01))
        x: uint256 = convert(now, uint256) % R
        known[i] = x
        # c0 + x (claim - 2 c0 - c2 - c3 + x (c2 + x c3))
        offset = uint256_addmod(
            c0,
            uint256_mulmod(
                x,
                uint256_addmod(
                    unsafe_sub(
                        unsafe_add(offset, 4 * R),
                        unsafe_add(unsafe_add(unsafe_add(c0, c0), c2), c3),
                    ),
                    uint256_mulmod(x, unsafe_add(c2, uint256_mulmod(x, c3, R)), R),
                    R,
                ),
                R,
            ),
            R,
        )
        slope = uint256_mulmod(slope, x, R)
        number = uint256_addmod(number, uint256_mulmod(x, 1 << i, R), R)
        known[unsafe_add(i, NUMBERS + 1)] = number
        c0 = known[unsafe_add(i, RHO)]
        equal = uint256_mulmod(
            equal,
            unsafe_sub(
                unsafe_add(uint256_mulmod(unsafe_add(x, x), c0, R), R + R + 1),
                unsafe_add(x, c0),
            ),
            R,
        )
        equals[unsafe_add(i, 1)] = equal
    if excess != 0:
        now = empty(bytes32)
    return now, slope, offset, known, equals


@internal
@pure
def _reduction(
    state: bytes32, messages: Bytes[1536], rounds: uint256, known: uint256[75]
) -> (bytes32, uint256, uint256, uint256[32], uint256[25]):
    """
    @dev Sumcheck 2: rounds of degree 2, c0, c2 each.
    @param state The state before them.
    @param messages 64 bytes a round.
    @param rounds At most 24.
    @param known The variables, r first.
    @return (bytes32, uint256, uint256, uint256[32], uint256[25]) The state, zero if a scalar is not
            below r; slope and offset; z; eq(r, z) over the first variables.
    """
    now: bytes32 = state
    slope: uint256 = 1
    offset: uint256 = 0
    point: uint256[32] = empty(uint256[32])
    equals: uint256[25] = empty(uint256[25])
    equals[0] = 1
    equal: uint256 = 1
    at: uint256 = 0
    excess: uint256 = 0  # whether a scalar is too large
    for i: uint256 in range(rounds, bound=24):
        c0: uint256 = extract32(messages, at, output_type=uint256)
        c2: uint256 = extract32(messages, unsafe_add(at, 32), output_type=uint256)
        at = unsafe_add(at, 64)
        excess |= unsafe_div(c0, R) | unsafe_div(c2, R)
        now = keccak256(
            concat(now, _QUADRATIC, convert(c0, bytes32), convert(c2, bytes32))
        )
        now = keccak256(concat(now, 0x01))
        x: uint256 = convert(now, uint256) % R
        point[unsafe_add(i, POINT)] = x
        # c0 + x (claim - 2 c0 - c2 + x c2)
        offset = uint256_addmod(
            c0,
            uint256_mulmod(
                x,
                uint256_addmod(
                    unsafe_sub(
                        unsafe_add(offset, 3 * R), unsafe_add(unsafe_add(c0, c0), c2)
                    ),
                    uint256_mulmod(x, c2, R),
                    R,
                ),
                R,
            ),
            R,
        )
        slope = uint256_mulmod(slope, x, R)
        c0 = known[i]
        equal = uint256_mulmod(
            equal,
            unsafe_sub(
                unsafe_add(uint256_mulmod(unsafe_add(x, x), c0, R), R + R + 1),
                unsafe_add(x, c0),
            ),
            R,
        )
        equals[unsafe_add(i, 1)] = equal
    if excess != 0:
        now = empty(bytes32)
    return now, slope, offset, point, equals
