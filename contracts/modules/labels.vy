# pragma version ~=0.4.3
# pragma optimize gas
"""
@title Labels: the parts of a name between its dots
@custom:contract-name labels
@license GNU Affero General Public License v3.0 only
@author JoyNet contributors
@notice Says whether a label is well-formed and how many characters it has.
@dev A label is worked on as two words: its length in bytes, the label, zeros.
@custom:security Pure functions. What looks alike to a reader is not caught here: full
        ENSIP-15 is the client's duty.
@custom:kill Nothing to stop.
"""


# 4. constants and immutables
# @dev Bit i is set if ASCII character i may be in a label: a-z 0-9 - _ $ (ENSIP-15).
_ASCII_ALLOWED: constant(uint256) = 10633823847437083212121934246193397760


# 9. internal
@internal
@pure
def _words(label: String[63]) -> bytes32[2]:
    """
    @dev A label as two words: its length in bytes, the label, zeros.
    @param label The label.
    @return bytes32[2] The words.
    """
    size: bytes1 = convert(convert(len(label), uint8), bytes1)
    padded: Bytes[128] = concat(
        size, convert(label, Bytes[63]), empty(bytes32), empty(bytes32)
    )
    return [extract32(padded, 0), extract32(padded, 32)]


@internal
@pure
def _length(words: bytes32[2]) -> uint256:
    """
    @dev Count the characters (code points) of a label and check that it is well-formed
         UTF-8 (RFC 3629) without controls, and in ASCII only a-z 0-9 - _ $. So it has no
         dot, no upper case, no space and no quote. Full ENSIP-15 is the client's duty.
    @param words The label as `_words` gives it.
    @return uint256 Characters; 0 if the label is empty or malformed.
    """
    first: uint256 = convert(words[0], uint256)
    second: uint256 = convert(words[1], uint256)
    characters: uint256 = 0
    awaited: uint256 = 0  # continuation bytes of the character that is being read
    point: uint256 = 0  # its bits so far
    least: uint256 = 0  # the smallest code point that needs so many bytes
    for i: uint256 in range(1, (first >> 248) + 1, bound=63):
        byte: uint256 = 0
        if i < 32:
            byte = (first >> (248 - 8 * i)) & 255
        else:
            byte = (second >> (504 - 8 * i)) & 255
        if awaited == 0:
            if byte < 128:
                if (_ASCII_ALLOWED >> byte) & 1 == 0:
                    return 0
                characters += 1
            elif byte >= 194 and byte < 224:
                awaited = 1
                point = byte & 31
                least = 160  # from 128 on are the C1 controls
            elif byte >= 224 and byte < 240:
                awaited = 2
                point = byte & 15
                least = 2**11
            elif byte >= 240 and byte < 245:
                awaited = 3
                point = byte & 7
                least = 2**16
            else:
                return 0
        else:
            if byte >> 6 != 2:
                return 0
            point = (point << 6) | (byte & 63)
            awaited -= 1
            if awaited == 0:
                is_surrogate: bool = point >> 11 == 27  # U+D800 to U+DFFF
                if point < least or point > 1_114_111 or is_surrogate:
                    return 0
                characters += 1
    if awaited != 0:
        return 0
    return characters
