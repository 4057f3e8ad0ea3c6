# pragma version ~=0.4.3
"""
@title Vector agreement: L-infinity over big-endian int16
@custom:contract-name vector_agreement
@license GNU Affero General Public License v3.0 only
@author JoyNet contributors
@notice Says whether two vectors of int16 differ by at most a tolerance in every component.
@dev Sixteen components are compared at once: each is moved from [-32768, 32767] to
     [0, 65535] by flipping its sign bit, then the eight odd and the eight even ones are
     spread to lanes of 32 bits. In a lane, bit 17 of a - b + tolerance + 2**17 is set if
     and only if a - b >= -tolerance, because the sum stays within [2**16, 2**18).
@custom:security Pure functions.
@custom:kill Nothing to stop.
"""


# 4. constants and immutables
_SIGNS: constant(uint256) = (
    0x8000800080008000800080008000800080008000800080008000800080008000
)
_LANES: constant(uint256) = (
    0x0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff
)
_GUARDS: constant(uint256) = (
    0x0002000000020000000200000002000000020000000200000002000000020000
)
_ONES: constant(uint256) = (
    0x0000000100000001000000010000000100000001000000010000000100000001
)


# 9. internal
@internal
@pure
def _agree(a: Bytes[2048], b: Bytes[2048], tolerance: uint256) -> bool:
    """
    @dev Vectors of different or odd byte length never agree.
    @param a Big-endian int16 components.
    @param b Big-endian int16 components.
    @param tolerance Largest difference of a component, below 2**16.
    @return bool Whether max |a_i - b_i| <= tolerance.
    """
    if len(a) != len(b) or len(a) % 2 == 1:
        return False
    padded_a: Bytes[2080] = concat(a, empty(bytes32))
    padded_b: Bytes[2080] = concat(b, empty(bytes32))
    spread: uint256 = tolerance * _ONES + _GUARDS
    for i: uint256 in range((len(a) + 31) // 32, bound=64):
        x: uint256 = extract32(padded_a, 32 * i, output_type=uint256) ^ _SIGNS
        y: uint256 = extract32(padded_b, 32 * i, output_type=uint256) ^ _SIGNS
        if not self._lanes_agree(x & _LANES, y & _LANES, spread):
            return False
        if not self._lanes_agree((x >> 16) & _LANES, (y >> 16) & _LANES, spread):
            return False
    return True


@internal
@pure
def _lanes_agree(x: uint256, y: uint256, spread: uint256) -> bool:
    """
    @dev Compare eight components.
    @param x Eight lanes of 32 bits, each in [0, 65535].
    @param y Eight lanes of 32 bits, each in [0, 65535].
    @param spread tolerance + 2**17 in each lane.
    @return bool Whether |x - y| <= tolerance in every lane.
    """
    return (x + spread - y) & (y + spread - x) & _GUARDS == _GUARDS
