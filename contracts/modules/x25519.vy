# pragma version ~=0.4.3
# pragma nonreentrancy on
"""
@title X25519: key agreement on Curve25519
@custom:contract-name x25519
@license GNU Affero General Public License v3.0 only
@author JoyNet contributors
@notice The function X25519 of RFC 7748, section 5, on keys as bytes.
@dev About 190,000 gas a call. Coordinates stay below p = 2^255 - 19, so a sum of two, or
     p more than a difference, fits 256 bits and is reduced by the next `mulmod` only.
     Nothing here is secret: whoever calls it has published the private key.
@custom:security The inversion's gas is fixed: a caller that starves the precompile makes the
        whole call revert, never answer falsely.
@custom:kill Nothing to stop: a pure function.
"""


# 4. constants and immutables
_P: constant(uint256) = 2**255 - 19
_A24: constant(uint256) = 121_665  # (486,662 - 2) / 4
_BASE_POINT: constant(bytes32) = 0x0900000000000000000000000000000000000000000000000000000000000000
# @dev Every second group of 1, 2, 4 and 8 bytes.
_BYTES: constant(uint256) = max_value(uint256) // 257
_PAIRS: constant(uint256) = max_value(uint256) // 65_537
_FOURS: constant(uint256) = max_value(uint256) // (2**32 + 1)
_EIGHTS: constant(uint256) = max_value(uint256) // (2**64 + 1)
_MODEXP: constant(address) = 0x0000000000000000000000000000000000000005
_MODEXP_GAS: constant(uint256) = 5_000  # EIP-7883 charges 4,080, EIP-2565 charged 1,360


# 9. internal
@internal
@view
def _public_key(private_key: bytes32) -> bytes32:
    """
    @dev The public key of a private key.
    @param private_key 32 bytes, clamped here.
    @return bytes32 u coordinate, little-endian.
    """
    return self._x25519(private_key, _BASE_POINT)


@internal
@view
def _x25519(private_key: bytes32, public_key: bytes32) -> bytes32:
    """
    @dev X25519(k, u) of RFC 7748, section 5, with the Montgomery ladder given there.
    @param private_key k, little-endian, clamped here.
    @param public_key u, little-endian; the top bit is ignored and values over p are reduced.
    @return bytes32 The shared secret, little-endian; zero for points of low order.
    """
    k: uint256 = self._reverse(private_key) & (2**254 - 8) | 2**254
    x1: uint256 = (self._reverse(public_key) & (2**255 - 1)) % _P
    x2: uint256 = 1
    z2: uint256 = 0
    x3: uint256 = x1
    z3: uint256 = 1
    last: uint256 = 0
    k <<= 1  # its top bit, number 254, is now number 255

    for _: uint256 in range(255):
        bit: uint256 = k >> 255
        k <<= 1
        if bit != last:
            last = bit
            held: uint256 = x2
            x2 = x3
            x3 = held
            held = z2
            z2 = z3
            z3 = held

        a: uint256 = unsafe_add(x2, z2)
        b: uint256 = unsafe_sub(unsafe_add(x2, _P), z2)
        da: uint256 = uint256_mulmod(unsafe_sub(unsafe_add(x3, _P), z3), a, _P)
        cb: uint256 = uint256_mulmod(unsafe_add(x3, z3), b, _P)
        a = uint256_mulmod(a, a, _P)
        b = uint256_mulmod(b, b, _P)
        x2 = uint256_mulmod(a, b, _P)
        b = unsafe_sub(unsafe_add(a, _P), b)
        z2 = uint256_mulmod(b, unsafe_add(a, uint256_mulmod(_A24, b, _P)), _P)
        a = unsafe_add(da, cb)
        x3 = uint256_mulmod(a, a, _P)
        a = unsafe_sub(unsafe_add(da, _P), cb)
        z3 = uint256_mulmod(x1, uint256_mulmod(a, a, _P), _P)

    if last == 1:
        x2 = x3
        z2 = z3
    u: uint256 = uint256_mulmod(x2, self._inverse(z2), _P)
    return convert(self._reverse(convert(u, bytes32)), bytes32)


@internal
@view
def _inverse(z: uint256) -> uint256:
    """
    @dev z^(p-2) mod p, by the precompile (EIP-198).
    @param z Below p.
    @return uint256 The inverse; 0 for 0.
    """
    answered: bool = False
    answer: Bytes[32] = b""
    answered, answer = raw_call(
        _MODEXP,
        abi_encode(
            convert(32, uint256), convert(32, uint256), convert(32, uint256), z, _P - 2, _P
        ),
        max_outsize=32,
        gas=_MODEXP_GAS,
        is_static_call=True,
        revert_on_failure=False,
    )
    assert answered and len(answer) == 32, "x25519: inversion failed"
    return extract32(answer, 0, output_type=uint256)


@internal
@pure
def _reverse(word: bytes32) -> uint256:
    """
    @dev The bytes of a word, last first.
    @param word 32 bytes.
    @return uint256 Its value as a little-endian number.
    """
    x: uint256 = convert(word, uint256)
    x = x >> 8 & _BYTES | (x & _BYTES) << 8
    x = x >> 16 & _PAIRS | (x & _PAIRS) << 16
    x = x >> 32 & _FOURS | (x & _FOURS) << 32
    x = x >> 64 & _EIGHTS | (x & _EIGHTS) << 64
    return x >> 128 | x << 128
