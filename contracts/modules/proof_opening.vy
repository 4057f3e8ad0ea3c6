# pragma version ~=0.4.3
"""
@title The opening: KZG in two tiers
@custom:contract-name proof_opening
@license GNU Affero General Public License v3.0 only
@author JoyNet contributors
@notice Whether a committed multilinear polynomial has a value at a point. Normative text, algebra
        and soundness: docs/spec/proof-opening.md, whose letters are used here.
@dev Call `proof_opening.__init__(powers)` once; `initializes: proof_opening`.
@custom:security Whoever knows tau makes proofs of anything. The powers are set at deployment, for
        good; anybody can compare them with the structured reference string that they trust.
@custom:kill Nothing to stop.
"""


# 2. modules
from . import proof_points


# 4. constants and immutables
R: constant(uint256) = 21888242871839275222246405745257275088548364400416034343698204186575808495617
POWERS: constant(uint256) = 13
_G2: constant(uint256[4]) = [
    11559732032986387107991004021392285783925812861821192530917403151452391805634,
    10857046999023057135944570762232829481370756359578518086990519993285655852781,
    4082367875863433681332203403145435568316851327593401208105741076214120093531,
    8495653923123431417604973247489272438418190587263600148770280649306958101930,
]
_FOLD: constant(bytes8) = 0x6f706e4700000040  # "opnG", 64 bytes
_SPLIT: constant(bytes8) = 0x6f706e51000000c0  # "opnQ", 192 bytes
_QUOTIENT: constant(bytes8) = 0x6f706e5700000060  # "opnW", 96 bytes

# @dev [tau^(2^j)]_2 for j = 0 .. 12: x.im, x.re, y.im, y.re each.
_TAU: immutable(uint256[4][13])
SRS_DIGEST: immutable(bytes32)


# 6. constructor
@deploy
def __init__(powers: uint256[4][13]):
    """
    @param powers [tau^(2^j)]_2 for j = 0 .. 12, points of G2 as EIP-197 encodes them. The pairing
           says whether they are in the group; what tau is, only who made them knows.
    """
    for j: uint256 in range(13):
        power: uint256[4] = powers[j]
        assert power[0] != 0 or power[1] != 0, "proof_opening: power is the identity"
        assert proof_points._is_one(abi_encode(empty(uint256[2]), power)), (
            "proof_opening: power is not in G2"
        )
    _TAU = powers
    SRS_DIGEST = keccak256(concat(b"joynet/srs/1", abi_encode(powers[0])))


# 8. external, view
@external
@view
def srs_power(j: uint256) -> uint256[4]:
    """
    @notice A power of tau that openings are checked against.
    @param j 0 .. 12.
    @return uint256[4] [tau^(2^j)]_2: x.im, x.re, y.im, y.re.
    """
    return _TAU[j]


# 9. internal
@internal
@view
def _holds(
    state: bytes32,
    commitment: Bytes[64],
    point: uint256[32],
    variables: uint256,
    claim: uint256,
    opening: Bytes[448],
) -> bool:
    """
    @dev Whether the committed polynomial has the claimed value at the point.
    @param state The transcript.
    @param commitment C_f, a point; nothing if there is none.
    @param point u, variable 0 at 8.
    @param variables 4 .. 24.
    @param claim v, below r.
    @param opening 448 bytes whose scalars are below r; its points are checked here, as they are
           multiplied.
    @return bool Whether it does.
    """
    now: bytes32 = keccak256(concat(state, _FOLD, slice(opening, 0, 64)))
    now = keccak256(concat(now, 0x01))
    alpha: uint256 = convert(now, uint256) % R
    now = keccak256(concat(now, _SPLIT, slice(opening, 64, 192)))
    now = keccak256(concat(now, 0x01))
    z: uint256 = convert(now, uint256) % R
    now = keccak256(concat(now, 0x01))
    kappa: uint256 = convert(now, uint256) % R
    now = keccak256(concat(now, _QUOTIENT, slice(opening, 256, 96)))
    now = keccak256(concat(now, 0x01))
    y: uint256 = convert(now, uint256) % R
    share: uint256 = extract32(opening, 256, output_type=uint256)

    # P_lo(z), z^(K-1) P_lo(1/z), z^K; then the same of P_hi, and alpha^T
    columns: uint256 = (variables + 1) // 2
    low: uint256 = 1
    low_reversed: uint256 = 1
    x: uint256 = z
    for i: uint256 in range(columns, bound=12):
        step: uint256 = uint256_mulmod(point[unsafe_add(i, 8)], unsafe_add(x, R - 1), R)
        low = uint256_mulmod(low, unsafe_add(step, 1), R)
        low_reversed = uint256_mulmod(low_reversed, unsafe_sub(unsafe_add(x, R), step), R)
        x = uint256_mulmod(x, x, R)
    z_columns: uint256 = x
    high: uint256 = 1
    high_reversed: uint256 = 1
    alpha_rows: uint256 = alpha
    x = z
    for i: uint256 in range(unsafe_sub(variables, columns), bound=12):
        u: uint256 = point[unsafe_add(unsafe_add(columns, i), 8)]
        step: uint256 = uint256_mulmod(u, unsafe_add(x, R - 1), R)
        high = uint256_mulmod(high, unsafe_add(step, 1), R)
        high_reversed = uint256_mulmod(high_reversed, unsafe_sub(unsafe_add(x, R), step), R)
        x = uint256_mulmod(x, x, R)
        alpha_rows = uint256_mulmod(alpha_rows, alpha_rows, R)

    r: uint256 = R  # shorter code where it runs once
    d1: uint256 = unsafe_add(uint256_mulmod(alpha, z, r), r - 1)
    d2: uint256 = unsafe_sub(unsafe_add(alpha, r), z)
    # H d2 and H* d1 times their weights give the factor of C_G
    high = uint256_addmod(
        uint256_mulmod(high, d1, r),
        unsafe_sub(
            r,
            uint256_mulmod(alpha, unsafe_add(uint256_mulmod(alpha_rows, x, r), r - 1), r),
        ),
        r,
    )
    high_reversed = uint256_addmod(
        uint256_mulmod(high_reversed, d2, r),
        unsafe_sub(
            r, uint256_mulmod(alpha, unsafe_sub(unsafe_add(alpha_rows, r), x), r)
        ),
        r,
    )
    if columns + columns == variables:
        x = 1  # the lift z^(K-T)
    a: uint256 = unsafe_add(uint256_mulmod(z, y, r), r - 1)
    b: uint256 = unsafe_sub(unsafe_add(y, r), z)
    upper: uint256 = uint256_mulmod(a, uint256_mulmod(z, z, r), r)
    lower: uint256 = uint256_mulmod(b, z, r)
    inverse: uint256 = extract32(opening, 416, output_type=uint256)
    w: uint256 = uint256_mulmod(uint256_mulmod(d1, d2, r), inverse, r)
    remainder: uint256 = uint256_addmod(
        uint256_mulmod(upper, uint256_mulmod(alpha, low_reversed, r), r),
        uint256_mulmod(
            lower, unsafe_sub(unsafe_add(uint256_mulmod(alpha, low, r), r), kappa), r
        ),
        r,
    )
    if uint256_mulmod(w, remainder, r) != 1:
        return False

    # target = z^K (2 v z - e)
    target: uint256 = uint256_mulmod(
        z_columns,
        unsafe_sub(unsafe_add(uint256_mulmod(unsafe_add(claim, claim), z, r), r), share),
        r,
    )
    left: Bytes[64] = proof_points._add_multiple(
        commitment,
        abi_encode(
            convert(1, uint256),
            convert(2, uint256),
            unsafe_sub(
                r,
                uint256_mulmod(
                    uint256_addmod(uint256_mulmod(a, target, r), uint256_mulmod(b, share, r), r),
                    w,
                    r,
                ),
            ),
        ),
    )
    # G, q, D, S, W, W' as they follow in the opening
    weights: uint256[6] = [
        uint256_mulmod(
            uint256_addmod(
                uint256_mulmod(
                    uint256_mulmod(upper, x, r), uint256_mulmod(high_reversed, d1, r), r
                ),
                uint256_mulmod(lower, uint256_mulmod(high, d2, r), r),
                r,
            ),
            inverse,
            r,
        ),
        alpha,
        uint256_mulmod(uint256_mulmod(upper, kappa, r), w, r),
        unsafe_sub(
            r,
            uint256_mulmod(uint256_addmod(uint256_mulmod(upper, z_columns, r), b, r), w, r),
        ),
        unsafe_sub(r, uint256_mulmod(uint256_mulmod(a, b, r), w, r)),
        y,
    ]
    at: uint256 = 0
    for i: uint256 in range(6):
        if i == 4:
            at = 288  # behind the scalar e
        left = proof_points._add_multiple(
            left,
            abi_encode(
                extract32(opening, at), extract32(opening, unsafe_add(at, 32)), weights[i]
            ),
        )
        at = unsafe_add(at, 64)
    if len(left) != 64:
        return False
    q: uint256 = proof_points.Q
    return proof_points._is_one(
        concat(
            left,
            abi_encode(
                _G2,
                extract32(opening, 352),
                unsafe_sub(q, extract32(opening, 384, output_type=uint256)) % q,
                _TAU[0],
                extract32(opening, 64),
                unsafe_sub(q, extract32(opening, 96, output_type=uint256)) % q,
                _TAU[columns],
            ),
        )
    )
