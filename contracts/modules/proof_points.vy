# pragma version ~=0.4.3
"""
@title Points of BN254
@custom:contract-name proof_points
@license GNU Affero General Public License v3.0 only
@author JoyNet contributors
@notice The group G1 (y^2 = x^3 + 3 over Fq) and the pairing, through the precompiles of EIP-196
        and EIP-197. (0, 0) is the identity.
@dev A precompile takes all the gas it is given when it fails, so it is given a fixed amount. It
     checks its points itself: off the curve, or a coordinate that is not reduced, and it fails.
     Nothing here reverts: a failure is an answer. Who calls must hold `PRECOMPILES_GAS`, or else a
     lack of gas would look like a false proof.
@custom:security Pure functions.
@custom:kill Nothing to stop.
"""


# 4. constants and immutables
Q: constant(uint256) = 21888242871839275222246405745257275088696311157297823662689037894645226208583
_ADD: constant(address) = 0x0000000000000000000000000000000000000006
_MULTIPLY: constant(address) = 0x0000000000000000000000000000000000000007
_PAIRING: constant(address) = 0x0000000000000000000000000000000000000008
_ADD_GAS: constant(uint256) = 500  # EIP-1108: 150
_MULTIPLY_GAS: constant(uint256) = 9_000  # EIP-1108: 6,000
_PAIRING_GAS: constant(uint256) = 200_000  # EIP-1108: 147,000 for three pairs
PRECOMPILES_GAS: constant(uint256) = 280_000  # for 12 multiples, the pairing and EIP-150's part


# 9. internal
@internal
@pure
def _is_on_curve(x: uint256, y: uint256) -> bool:
    """
    @dev Whether (x, y) is the identity, or reduced and on the curve. The curve has prime order.
    @param x First coordinate.
    @param y Second coordinate.
    @return bool True if the precompiles take it.
    """
    if x >= Q or y >= Q:
        return False
    cube: uint256 = uint256_mulmod(uint256_mulmod(x, x, Q), x, Q)
    if uint256_mulmod(y, y, Q) == uint256_addmod(cube, 3, Q):
        return True
    return x == 0 and y == 0


@internal
@view
def _add_multiple(sum: Bytes[64], product: Bytes[96]) -> Bytes[64]:
    """
    @dev sum + factor * point.
    @param sum A point, or nothing after a failure.
    @param product A point and its factor.
    @return Bytes[64] A point; nothing on failure, also of what came before.
    """
    is_ok: bool = False
    raw: Bytes[64] = b""
    is_ok, raw = raw_call(
        _MULTIPLY,
        product,
        max_outsize=64,
        gas=_MULTIPLY_GAS,
        is_static_call=True,
        revert_on_failure=False,
    )
    if not is_ok or len(sum) + len(raw) != 128:
        return b""
    is_ok, raw = raw_call(
        _ADD,
        concat(sum, raw),
        max_outsize=64,
        gas=_ADD_GAS,
        is_static_call=True,
        revert_on_failure=False,
    )
    if not is_ok:
        return b""
    return raw


@internal
@view
def _is_one(pairs: Bytes[576]) -> bool:
    """
    @dev Whether the product of three pairings is one.
    @param pairs Three times a point of G1 and one of G2, as EIP-197 wants them.
    @return bool False on failure too.
    """
    is_ok: bool = False
    raw: Bytes[32] = b""
    is_ok, raw = raw_call(
        _PAIRING,
        pairs,
        max_outsize=32,
        gas=_PAIRING_GAS,
        is_static_call=True,
        revert_on_failure=False,
    )
    return is_ok and len(raw) == 32 and extract32(raw, 0, output_type=uint256) == 1
