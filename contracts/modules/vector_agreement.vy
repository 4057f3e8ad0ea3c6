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
# A constant in each of the eight lanes of a word.
_ONES: constant(uint256) = max_value(uint256) // (2**32 - 1)
_LANES: constant(uint256) = max_value(uint256) // (2**32 - 1) * (2**16 - 1)
_SIGNS: constant(uint256) = max_value(uint256) // (2**32 - 1) * 2**15
_GUARDS: constant(uint256) = max_value(uint256) // (2**32 - 1) * 2**17


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
    padded_a: Bytes[2080] = self._pad(a)
    padded_b: Bytes[2080] = self._pad(b)
    spread: uint256 = tolerance * _ONES + _GUARDS
    guards: uint256 = _GUARDS
    for i: uint256 in range((len(a) + 31) // 32, bound=64):
        x: uint256 = extract32(padded_a, 32 * i, output_type=uint256)
        y: uint256 = extract32(padded_b, 32 * i, output_type=uint256)
        guards &= self._compare(x, y, spread) & self._compare(x >> 16, y >> 16, spread)
    return guards == _GUARDS


@internal
@pure
def _compare(x: uint256, y: uint256, spread: uint256) -> uint256:
    """
    @dev Compare the component in the low half of each lane. Nothing here wraps: see the top.
    @param x Eight lanes of 32 bits.
    @param y Eight lanes of 32 bits.
    @param spread tolerance + 2**17 in each lane.
    @return uint256 Bit 17 of a lane is set if |x - y| <= tolerance in it.
    """
    left: uint256 = (x & _LANES) ^ _SIGNS
    right: uint256 = (y & _LANES) ^ _SIGNS
    return unsafe_sub(unsafe_add(left, spread), right) & unsafe_sub(
        unsafe_add(right, spread), left
    )


@internal
@pure
def _pad(vector: Bytes[2048]) -> Bytes[2080]:
    """
    @dev Append zeros, so that the last word can be read whole.
    @param vector The vector.
    @return Bytes The vector and 32 zeros.
    """
    return concat(vector, empty(bytes32))
