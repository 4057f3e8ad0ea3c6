# pragma version ~=0.4.3
# pragma nonreentrancy on
# pragma optimize gas
"""
@title Inference verifier
@custom:contract-name InferenceVerifier
@license GNU Affero General Public License v3.0 only
@author JoyNet contributors
@notice Checks succinct proofs of inference for every registered model: a model is a descriptor, a
        program of fixed records, which this contract interprets. Normative text:
        docs/spec/proof.md; the Python verifier takes the same steps.
@dev `verify` first follows the transcript, which fixes every challenge, and then walks the records
     once. It is one function because Vyper hands memory over by copying it, and every copy lies
     below what is paid for. All arithmetic on scalars is mod r; sums of a few elements stay below
     2^256, which is 5.29 r, and are reduced late. Indices are those of checked descriptors.
@custom:security Proofs hold under the structured reference string given at deployment: whoever
        knows its tau can prove anything. A circuit is registered once, by the model's publisher,
        for good; what it computes is for everybody to check against the published model. There is
        no owner; library and marketplace are fixed.
@custom:kill Nothing to stop: it holds no money, and registered circuits stay.
"""


# 1. interfaces
from ..interfaces import ICircuitLibrary
from ..interfaces import IInferenceVerifier
from ..interfaces import IModelMarketplace
implements: IInferenceVerifier


# 2. modules
from ..modules import proof_opening
initializes: proof_opening

from ..modules import proof_extensions
from ..modules import proof_points


# 3. exports
exports: proof_opening.srs_power


# 4. constants and immutables
R: constant(uint256) = proof_opening.R
LIBRARY: public(immutable(ICircuitLibrary))
MARKETPLACE: public(immutable(IModelMarketplace))
_VERSION: constant(uint256) = 1
_FACTS_AT: constant(uint256) = 1  # in a circuit's code
_RECORDS_AT: constant(uint256) = 161
_OPENING_BYTES: constant(uint256) = 448
_COMMITTED: constant(uint256) = 1  # input and output kinds; 0 is packed int8
_TOKENS: constant(uint256) = 2

_DOMAIN: constant(bytes32) = keccak256(b"JN-PoI/v1\x00")
# Tags and lengths that are absorbed
_CUBIC: constant(bytes8) = 0x73635f5f00000060  # "sc__", 96 bytes
_QUADRATIC: constant(bytes8) = 0x73635f5f00000040  # "sc__", 64 bytes
_STATEMENT: constant(bytes8) = 0x73746d74000001a0  # "stmt", 416 bytes
_ADVICE: constant(bytes8) = 0x6164766900000040  # "advi", 64 bytes
_INVERSES: constant(bytes8) = 0x696e767300000040  # "invs", 64 bytes
_BEFORE: constant(bytes4) = 0x7072655f  # "pre_"
_AFTER: constant(bytes4) = 0x706f7374  # "post"

# Records (docs/spec/proof.md has them in hexadecimal)
_RECIPE: constant(uint256) = 1
_CLAIM: constant(uint256) = 16
_BLOCK: constant(uint256) = 18
_RAMP: constant(uint256) = 20
_CLAMP: constant(uint256) = 21
_WIRE: constant(uint256) = 22
_INPUT: constant(uint256) = 23
_OUTPUT: constant(uint256) = 24
_READ_TOKENS: constant(uint256) = 25
_DATA: constant(uint256) = 27
_DEFINE: constant(uint256) = 28
_TERM: constant(uint256) = 29
_START: constant(uint256) = 32
_SUM: constant(uint256) = 33
_ZERO: constant(uint256) = 34
_LOOKUP: constant(uint256) = 35
_BITS: constant(uint256) = 3  # source of constant bits
_ONE: constant(uint256) = 1


# 5. state
# @dev Model -> its circuit's contract (CircuitLibrary) | number of records << 160
#      | unix seconds of registration << 176; zero: none registered.
_circuits: HashMap[bytes32, uint256]
# @dev Model -> who registered its circuit.
_publishers: HashMap[bytes32, address]


# 6. constructor
@deploy
def __init__(
    library: ICircuitLibrary, marketplace: IModelMarketplace, tau_powers: uint256[4][13]
):
    """
    @param library CircuitLibrary.
    @param marketplace ModelMarketplace.
    @param tau_powers [tau^(2^j)]_2 for j = 0 .. 12 of the structured reference string.
    """
    proof_opening.__init__(tau_powers)
    LIBRARY = library
    MARKETPLACE = marketplace


# 7. external, state-changing
@external
def register(
    model_id: bytes32,
    descriptor: Bytes[16_384],
    commitment: uint256[2],
    attestation: Bytes[16_384],
    proof: Bytes[12_288],
) -> bytes32:
    """
    @notice Register the circuit of a model, once and for good. Its publisher only.
    @param model_id SHA-256 of the model's manifest.
    @param descriptor The circuit: header and records.
    @param commitment C_W, BN254 G1 point of the weights, not the identity.
    @param attestation Descriptor of the registration circuit, over the same weights.
    @param proof Its proof: the committed weights, biases and multipliers are in range, and padding
           is zero. Input and output are one zero byte each, the payee is the publisher, the salt
           is the hash of `descriptor`.
    @return bytes32 The circuit id.
    """
    assert msg.sender == (staticcall MARKETPLACE.listing(model_id)).publisher, (
        "InferenceVerifier: caller is not the publisher"
    )
    assert self._circuits[model_id] == 0, "InferenceVerifier: model has a circuit"
    assert commitment[0] != 0 or commitment[1] != 0, "InferenceVerifier: commitment is zero"
    assert proof_points._is_on_curve(commitment[0], commitment[1]), (
        "InferenceVerifier: commitment is off the curve"
    )
    stored: ICircuitLibrary.Stored = self._store(model_id, attestation, commitment)
    attestation_hash: bytes32 = stored.descriptor_hash
    statement: IInferenceVerifier.Statement = empty(IInferenceVerifier.Statement)
    statement.model_id = model_id
    statement.circuit_id = stored.circuit_id
    statement.payee = msg.sender
    statement.salt = keccak256(descriptor)
    statement.input = x"00"
    statement.output = x"00"
    assert staticcall IInferenceVerifier(self).verify(statement, proof), (
        "InferenceVerifier: attestation does not hold"
    )
    stored = self._store(model_id, descriptor, commitment)
    self._publishers[model_id] = msg.sender
    log IInferenceVerifier.CircuitRegistered(
        model_id=model_id,
        circuit_id=stored.circuit_id,
        publisher=msg.sender,
        commitment=commitment,
        descriptor_hash=stored.descriptor_hash,
        attestation_hash=attestation_hash,
    )
    return stored.circuit_id


# 8. external, view
@external
@view
@reentrant
def verify(statement: IInferenceVerifier.Statement, proof: Bytes[12_288]) -> bool:
    """
    @notice Check one proof. False, and never a revert, for any statement and proof however
            malformed. With too little gas it reverts rather than to call a proof false.
    @dev Chain id and this contract's address are part of the statement implicitly. The caller, not
         the prover, must have read every field from its own storage.
    @param statement What is claimed.
    @param proof The proof.
    @return bool True only if the registered model gives this output for this input.
    """
    word: uint256 = self._circuits[statement.model_id]
    if word == 0:
        return False
    facts: Bytes[160] = self._facts(word)
    head: uint256 = extract32(facts, 128, output_type=uint256)
    claims_before: uint256 = (head >> 160) & 65_535
    claims_after: uint256 = (head >> 144) & 65_535
    rounds: uint256 = (head >> 240) & 255
    variables: uint256 = (head >> 232) & 255
    at_rounds: uint256 = unsafe_add(128, unsafe_mul(32, claims_before))
    at_after: uint256 = unsafe_add(at_rounds, unsafe_mul(96, rounds))
    at_reduction: uint256 = unsafe_add(at_after, unsafe_mul(32, claims_after))
    at_opening: uint256 = unsafe_add(at_reduction, unsafe_mul(64, variables))
    if len(proof) != unsafe_add(at_opening, _OPENING_BYTES):
        return False
    if extract32(facts, 64) != statement.circuit_id:
        return False
    opening: Bytes[448] = slice(proof, at_opening, _OPENING_BYTES)
    if (
        extract32(opening, 256, output_type=uint256) >= R
        or extract32(opening, 416, output_type=uint256) >= R
    ):
        return False
    if not self._is_public(
        (head >> 88) & (2**56 - 1), len(statement.input), statement.input_commitment
    ) or not self._is_public(
        (head >> 32) & (2**56 - 1), len(statement.output), statement.output_commitment
    ):
        return False

    # the transcript; `known` holds r at 0, rho at 24, the constants 0 and 1 at 48, and at 50 the
    # numbers sum of 2^i r_i over the first variables
    state: bytes32 = keccak256(
        concat(
            _DOMAIN,
            _STATEMENT,
            abi_encode(
                chain.id,
                self,
                statement.model_id,
                statement.circuit_id,
                statement.job_id,
                statement.payee,
                statement.salt,
            ),
            slice(facts, 0, 64),
            keccak256(statement.input),
            keccak256(statement.output),
            keccak256(abi_encode(statement.input_commitment, statement.output_commitment)),
            extract32(facts, 96),
        )
    )
    state = keccak256(concat(state, _ADVICE, slice(proof, 0, 64)))
    state = keccak256(concat(state, 0x01))
    gamma: uint256 = convert(state, uint256) % R
    state = keccak256(concat(state, 0x01))
    beta: uint256 = convert(state, uint256) % R
    state = keccak256(concat(state, _INVERSES, slice(proof, 64, 64)))
    known: uint256[75] = empty(uint256[75])
    known[49] = 1
    for i: uint256 in range((head >> 224) & 255, bound=24):
        state = keccak256(concat(state, 0x01))
        known[unsafe_add(i, 24)] = convert(state, uint256) % R
    state = keccak256(
        concat(
            state,
            _BEFORE,
            convert(convert(unsafe_mul(32, claims_before), uint32), bytes4),
            slice(proof, 128, unsafe_mul(32, claims_before)),
        )
    )
    state = keccak256(concat(state, 0x01))
    weight: uint256 = convert(state, uint256) % R  # lambda

    # sumcheck 1: its last claim is slope * first claim + offset
    slope: uint256 = 1
    offset: uint256 = 0
    equal: uint256[25] = empty(uint256[25])  # eq(rho, r) over the first variables
    equal[0] = 1
    product: uint256 = 1
    number: uint256 = 0
    excess: uint256 = 0  # whether a scalar is not below r
    at: uint256 = at_rounds
    for i: uint256 in range(rounds, bound=24):
        c0: uint256 = extract32(proof, at, output_type=uint256)
        c2: uint256 = extract32(proof, unsafe_add(at, 32), output_type=uint256)
        c3: uint256 = extract32(proof, unsafe_add(at, 64), output_type=uint256)
        at = unsafe_add(at, 96)
        excess |= unsafe_div(c0, R) | unsafe_div(c2, R) | unsafe_div(c3, R)
        state = keccak256(
            concat(
                state, _CUBIC, convert(c0, bytes32), convert(c2, bytes32), convert(c3, bytes32)
            )
        )
        state = keccak256(concat(state, 0x01))
        x: uint256 = convert(state, uint256) % R
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
        known[unsafe_add(i, 51)] = number
        c0 = known[unsafe_add(i, 24)]
        product = uint256_mulmod(
            product,
            unsafe_sub(
                unsafe_add(uint256_mulmod(unsafe_add(x, x), c0, R), 2 * R + 1),
                unsafe_add(x, c0),
            ),
            R,
        )
        equal[unsafe_add(i, 1)] = product
    state = keccak256(
        concat(
            state,
            _AFTER,
            convert(convert(unsafe_mul(32, claims_after), uint32), bytes4),
            slice(proof, at_after, unsafe_mul(32, claims_after)),
        )
    )
    state = keccak256(concat(state, 0x01))
    mu: uint256 = convert(state, uint256) % R

    # sumcheck 2, likewise
    slope_z: uint256 = 1
    offset_z: uint256 = 0
    point: uint256[32] = empty(uint256[32])  # z, variable 0 at 8
    equal_z: uint256[25] = empty(uint256[25])  # eq(r, z) over the first variables
    equal_z[0] = 1
    product = 1
    at = at_reduction
    for i: uint256 in range(variables, bound=24):
        c0: uint256 = extract32(proof, at, output_type=uint256)
        c2: uint256 = extract32(proof, unsafe_add(at, 32), output_type=uint256)
        at = unsafe_add(at, 64)
        excess |= unsafe_div(c0, R) | unsafe_div(c2, R)
        state = keccak256(
            concat(state, _QUADRATIC, convert(c0, bytes32), convert(c2, bytes32))
        )
        state = keccak256(concat(state, 0x01))
        x: uint256 = convert(state, uint256) % R
        point[unsafe_add(i, 8)] = x
        # c0 + x (claim - 2 c0 - c2 + x c2)
        offset_z = uint256_addmod(
            c0,
            uint256_mulmod(
                x,
                uint256_addmod(
                    unsafe_sub(
                        unsafe_add(offset_z, 3 * R), unsafe_add(unsafe_add(c0, c0), c2)
                    ),
                    uint256_mulmod(x, c2, R),
                    R,
                ),
                R,
            ),
            R,
        )
        slope_z = uint256_mulmod(slope_z, x, R)
        c0 = known[i]
        product = uint256_mulmod(
            product,
            unsafe_sub(
                unsafe_add(uint256_mulmod(unsafe_add(x, x), c0, R), 2 * R + 1),
                unsafe_add(x, c0),
            ),
            R,
        )
        equal_z[unsafe_add(i, 1)] = product
    if excess != 0:
        return False

    # weights of slots, three variables of z each, from the highest on
    top: uint256[16] = self._weights(point, unsafe_add(variables, 7))
    second: uint256[16] = self._weights(point, unsafe_add(variables, 4))
    third: uint256[16] = self._weights(point, unsafe_add(variables, 1))
    fourth: uint256[16] = self._weights(point, unsafe_sub(variables, 2))

    # the records, each once
    at_code: address = convert(word & (2**160 - 1), address)
    factors: uint256[5] = empty(uint256[5])  # c_g, but for A
    factor_a: uint256 = 0
    claimed: uint256 = 0  # sum of mu^j v_j
    mu_power: uint256 = 1
    start: uint256 = 0  # sum of lambda^k S_k
    start_power: uint256 = 1
    result: uint256 = 0  # sum of w_k v_k 2^(n_k)
    power: uint256 = 1
    at_claim: uint256 = 128
    pending: uint256 = 0  # the record whose TERMs or DATA are read
    left: uint256 = 0  # how many of them
    done: uint256 = 0  # indices of DATA so far
    total: uint256 = 0  # the sum of what they give
    keys: uint256[16] = empty(uint256[16])
    ranges: uint256[16] = empty(uint256[16])
    points: DynArray[uint256, 128] = []  # weights of the recipes' points at z
    values: DynArray[uint256, 512] = [1, gamma, uint256_mulmod(gamma, gamma, R), beta]
    pages: uint256 = unsafe_add((word >> 160) & 65_535, 63) // 64
    for page: uint256 in range(pages, bound=11):
        records: uint256[64] = abi_decode(
            slice(at_code.code, unsafe_add(_RECORDS_AT, unsafe_mul(2_048, page)), 2_048),
            uint256[64],
        )
        for record: uint256 in records:
            op: uint256 = record >> 248
            if op == _CLAIM:
                if at_claim == at_rounds:
                    at_claim = at_after
                scalar: uint256 = extract32(proof, at_claim, output_type=uint256)
                at_claim = unsafe_add(at_claim, 32)
                if scalar >= R:
                    return False
                values.append(scalar)
                claimed = uint256_addmod(claimed, uint256_mulmod(mu_power, scalar, R), R)
                slot: uint256 = (record >> 64) & (2**32 - 1)
                bits: uint256 = (record >> 128) & 255
                at_slot: uint256 = unsafe_sub(unsafe_add(variables, 8), bits)
                scalar = uint256_mulmod(points[(record >> 96) & 65_535], mu_power, R)
                if bits <= 3:
                    scalar = uint256_mulmod(scalar, top[(_ONE << bits) | slot], R)
                else:
                    bits = unsafe_sub(bits, 3)
                    scalar = uint256_mulmod(scalar, top[8 | (slot >> bits)], R)
                    if bits <= 3:
                        bits = _ONE << bits
                        scalar = uint256_mulmod(
                            scalar, second[bits | (slot & unsafe_sub(bits, 1))], R
                        )
                    else:
                        bits = unsafe_sub(bits, 3)
                        scalar = uint256_mulmod(scalar, second[8 | ((slot >> bits) & 7)], R)
                        if bits <= 3:
                            bits = _ONE << bits
                            scalar = uint256_mulmod(
                                scalar, third[bits | (slot & unsafe_sub(bits, 1))], R
                            )
                        else:
                            bits = unsafe_sub(bits, 3)
                            scalar = uint256_mulmod(scalar, third[8 | ((slot >> bits) & 7)], R)
                            if bits <= 3:
                                bits = _ONE << bits
                                scalar = uint256_mulmod(
                                    scalar, fourth[bits | (slot & unsafe_sub(bits, 1))], R
                                )
                            else:
                                bits = unsafe_sub(bits, 3)
                                scalar = uint256_mulmod(
                                    scalar, fourth[8 | ((slot >> bits) & 7)], R
                                )
                                for i: uint256 in range(bits, bound=12):
                                    z: uint256 = point[unsafe_add(at_slot, i)]
                                    if (slot >> i) & 1 == 0:
                                        z = unsafe_sub(R + 1, z)
                                    scalar = uint256_mulmod(scalar, z, R)
                group: uint256 = (record >> 112) & 255
                if group == 1:
                    factor_a = uint256_addmod(factor_a, scalar, R)
                else:
                    factors[group] = uint256_addmod(factors[group], scalar, R)
                mu_power = uint256_mulmod(mu_power, mu, R)
                continue
            if op == _TERM:
                scalar: uint256 = values[(record >> 40) & 65_535]
                count: uint256 = (record >> 56) & (2**64 - 1)
                if count != 1:
                    # the sign bit counts for -2^63, not 2^63
                    scalar = uint256_mulmod(
                        scalar,
                        unsafe_sub(unsafe_add(count, R), (count << 1) & 2**64),
                        R,
                    )
                if record & (2**40 - 2**8) != 0:
                    scalar = uint256_mulmod(scalar, values[(record >> 24) & 65_535], R)
                    if record & (2**24 - 2**8) != 0:
                        scalar = uint256_mulmod(scalar, values[(record >> 8) & 65_535], R)
                total = uint256_addmod(total, scalar, R)
                left = unsafe_sub(left, 1)
                if left > 0:
                    continue
                op = pending >> 248
            elif op == _BLOCK:
                part: uint256 = (record >> 104) & 65_535
                bits: uint256 = (record >> 72) & (2**32 - 1)
                step: uint256 = 0 if part >> 12 == _BITS else 1
                i: uint256 = unsafe_add(24 * unsafe_sub(part >> 12, 1), (part >> 6) & 63)
                scalar: uint256 = 1
                for unused_: uint256 in range(part & 63, bound=63):
                    x: uint256 = known[i]
                    i = unsafe_add(i, step)
                    if bits & 1 == 0:
                        x = unsafe_sub(R + 1, x)
                    bits >>= 1
                    scalar = uint256_mulmod(scalar, x, R)
                values.append(scalar)
                continue
            elif op < _CLAIM:
                if op == 0:
                    break
                # RECIPE
                j: uint256 = 8
                down: uint256 = 96
                scalar: uint256 = 1
                for unused_: uint256 in range(5):
                    part: uint256 = (record >> down) & 65_535
                    if part == 0:
                        break
                    down = unsafe_sub(down, 16)
                    if j == 8 and part >> 6 == 64:  # r from 0 on
                        j = part & 63
                        scalar = equal_z[j]
                        j = unsafe_add(j, 8)
                        continue
                    # recipes share ranges: eq of a range and the variables of z from j on is kept
                    key: uint256 = part | (j << 16)
                    kept: uint256 = (part ^ (part >> 6) ^ unsafe_mul(j, 5)) & 15
                    if keys[kept] != key:
                        keys[kept] = key
                        i: uint256 = unsafe_add(
                            24 * unsafe_sub(part >> 12, 1), (part >> 6) & 63
                        )
                        step: uint256 = 0 if part >> 12 == _BITS else 1
                        value_: uint256 = 1
                        for k: uint256 in range(j, unsafe_add(j, part & 63), bound=24):
                            x: uint256 = known[i]
                            z: uint256 = point[k]
                            i = unsafe_add(i, step)
                            value_ = uint256_mulmod(
                                value_,
                                unsafe_sub(
                                    unsafe_add(
                                        uint256_mulmod(unsafe_add(x, x), z, R), R + R + 1
                                    ),
                                    unsafe_add(x, z),
                                ),
                                R,
                            )
                        ranges[kept] = value_
                    scalar = uint256_mulmod(scalar, ranges[kept], R)
                    j = unsafe_add(j, part & 63)
                points.append(scalar)
                continue
            elif op >= _DEFINE:
                pending = record
                if op <= _ZERO:
                    total = 0
                    left = (record >> 104) & 65_535
                    if op >= _SUM:
                        left = (record >> 96) & 65_535
                    if left > 0:
                        continue
            if op == _DEFINE:
                values.append(total)
            elif op == _START:
                start_power = uint256_mulmod(start_power, weight, R)
                start = uint256_addmod(start, uint256_mulmod(start_power, total, R), R)
            elif op >= _SUM:
                power = uint256_mulmod(power, weight, R)
                count: uint256 = (pending >> 112) & 255
                if op >= _LOOKUP:
                    # h (beta - v - gamma y - gamma^2 id), less 1 or m
                    h: uint256 = values[(pending >> 96) & 65_535]
                    total = uint256_mulmod(
                        h,
                        unsafe_sub(
                            unsafe_add(beta, 3 * R),
                            unsafe_add(
                                values[(pending >> 80) & 65_535],
                                unsafe_add(
                                    uint256_mulmod(gamma, values[(pending >> 64) & 65_535], R),
                                    uint256_mulmod(
                                        values[2], values[(pending >> 48) & 65_535], R
                                    ),
                                ),
                            ),
                        ),
                        R,
                    )
                    if op == _LOOKUP:
                        total = unsafe_add(total, R - 1)
                    else:
                        total = unsafe_sub(unsafe_add(total, R), values[(pending >> 32) & 65_535])
                        h = unsafe_sub(R, h)
                    result = uint256_addmod(result, uint256_mulmod(h, 1 << count, R), R)
                total = uint256_mulmod(total, power, R)
                if op >= _ZERO:
                    total = uint256_mulmod(total, equal[count], R)
                result = uint256_addmod(result, uint256_mulmod(total, 1 << count, R), R)
            elif op == _RAMP and (record >> 110) & 1_023 == 64:  # r from 0 on
                scalar: uint256 = (record >> 40) & (2**64 - 1)
                if scalar >= 2**63:
                    scalar = unsafe_add(scalar, R - 2**64)
                values.append(
                    uint256_addmod(
                        scalar,
                        known[unsafe_add((record >> 104) & 63, 50)],
                        R,
                    )
                )
            elif op == _CLAMP and (record >> 110) & 1_023 == 64 and (record >> 96) & 255 < 3:
                # T(i - 2^(w-1)), r from 0 on: with both signs, or the positive one
                low: uint256 = unsafe_sub((record >> 104) & 63, 1)
                zeros: uint256 = 1
                ones: uint256 = 1
                for i: uint256 in range(7, low, bound=56):
                    x: uint256 = known[i]
                    zeros = uint256_mulmod(zeros, unsafe_sub(R + 1, x), R)
                    ones = uint256_mulmod(ones, x, R)
                scalar: uint256 = uint256_mulmod(
                    known[low],
                    unsafe_add(
                        uint256_mulmod(zeros, unsafe_add(known[57], R - 127), R), 127
                    ),
                    R,
                )
                if (record >> 96) & 255 == 1:
                    scalar = uint256_addmod(
                        scalar,
                        uint256_mulmod(
                            unsafe_sub(R + 1, known[low]),
                            unsafe_add(uint256_mulmod(ones, known[57], R), R - 128),
                            R,
                        ),
                        R,
                    )
                values.append(scalar)
            elif op <= _CLAMP:
                values.append(
                    staticcall LIBRARY.mask(known, record, skip_contract_check=True)
                )
            elif op == _WIRE:
                values.append(
                    staticcall LIBRARY.wire(known, record, skip_contract_check=True)
                )
            elif op <= _OUTPUT:
                points_at: uint256 = extract32(
                    slice(
                        at_code.code,
                        unsafe_add(
                            _RECORDS_AT, unsafe_mul(32, (record >> 104) & 65_535)
                        ),
                        32,
                    ),
                    0,
                    output_type=uint256,
                )
                packed: Bytes[256] = statement.output
                shape: uint256 = head >> 32
                if op == _INPUT:
                    packed = statement.input
                    shape = head >> 88
                values.append(
                    staticcall LIBRARY.tensor(
                        known,
                        points_at,
                        shape & (2**48 - 1),
                        packed,
                        skip_contract_check=True,
                    )
                )
            elif op == _DATA:
                total = uint256_addmod(
                    total,
                    staticcall LIBRARY.index(
                        known, pending, done, record, skip_contract_check=True
                    ),
                    R,
                )
                done = unsafe_add(done, 7)
                left = unsafe_sub(left, 1)
                if left == 0:
                    values.append(total)
            elif op == _READ_TOKENS:
                total = staticcall LIBRARY.tokens(
                    known, record, statement.input, skip_contract_check=True
                )
                if total >= R:
                    return False
                values.append(total)
            else:  # INDEX
                pending = record
                done = 0
                total = 0
                left = unsafe_add((record >> 72) & 65_535, 6) // 7
                if left == 0:
                    values.append(0)

    # sumcheck 1 ends where the relations say
    if result != uint256_mulmod(
        uint256_addmod(uint256_mulmod(slope, start, R), offset, R), 1 << rounds, R
    ):
        return False
    assert msg.gas >= proof_points.PRECOMPILES_GAS, "InferenceVerifier: not enough gas"
    factors[1] = factor_a
    commitment: Bytes[64] = abi_encode(empty(uint256[2]))
    for group: uint256 in range(5):
        if factors[group] == 0 and group > 2:
            continue  # there is no such group
        source: Bytes[64] = slice(facts, 0, 64)
        if group == 1:
            source = slice(proof, 0, 64)
        elif group == 2:
            source = slice(proof, 64, 64)
        elif group == 3:
            source = abi_encode(statement.input_commitment)
        elif group == 4:
            source = abi_encode(statement.output_commitment)
        commitment = proof_points._add_multiple(
            commitment, concat(source, convert(factors[group], bytes32))
        )
    return proof_opening._holds(
        state,
        commitment,
        point,
        variables,
        uint256_addmod(uint256_mulmod(slope_z, claimed, R), offset_z, R),
        opening,
    )


@external
@view
@reentrant
def circuit_of(model_id: bytes32) -> IInferenceVerifier.Circuit:
    """
    @notice The circuit of a model.
    @param model_id SHA-256 of the model's manifest.
    @return Circuit The circuit; all zero if there is none.
    """
    word: uint256 = self._circuits[model_id]
    if word == 0:
        return empty(IInferenceVerifier.Circuit)
    facts: Bytes[160] = self._facts(word)
    return IInferenceVerifier.Circuit(
        circuit_id=extract32(facts, 64),
        publisher=self._publishers[model_id],
        commitment=[
            extract32(facts, 0, output_type=uint256), extract32(facts, 32, output_type=uint256)
        ],
        descriptor_hash=extract32(facts, 96),
        descriptor_at=convert(word & (2**160 - 1), address),
        registered_at=word >> 176,
    )


@external
@view
@reentrant
def is_registered(model_id: bytes32) -> bool:
    """
    @notice Whether inference of a model can be proved.
    @param model_id SHA-256 of the model's manifest.
    @return bool True if it has a circuit.
    """
    return self._circuits[model_id] != 0


@external
@view
@reentrant
def srs_digest() -> bytes32:
    """
    @notice Which structured reference string proofs are made with.
    @return bytes32 keccak256("joynet/srs/1", [tau]_2).
    """
    return proof_opening.SRS_DIGEST


@external
@view
@reentrant
def protocol_version() -> uint256:
    """
    @notice Version of the protocol, as it enters every circuit id and transcript.
    @return uint256 The version; 1 is succinct and sound, not zero-knowledge.
    """
    return _VERSION


# 9. internal
@internal
def _store(
    model_id: bytes32, descriptor: Bytes[16_384], commitment: uint256[2]
) -> ICircuitLibrary.Stored:
    """
    @dev Check a circuit, put it into code and make it the model's.
    @param model_id The model.
    @param descriptor The circuit's descriptor.
    @param commitment C_W.
    @return Stored Where it is.
    """
    stored: ICircuitLibrary.Stored = extcall LIBRARY.store(
        descriptor, commitment, proof_opening.SRS_DIGEST
    )
    self._circuits[model_id] = (
        convert(stored.at, uint256)
        | ((len(descriptor) - 32) // 16) << 160
        | block.timestamp << 176
    )
    return stored


@internal
@view
def _facts(word: uint256) -> Bytes[160]:
    """
    @dev The facts of a circuit and the header of its descriptor.
    @param word Where the circuit is.
    @return Bytes Commitment, circuit id, descriptor hash, header.
    """
    at: address = convert(word & (2**160 - 1), address)
    return slice(at.code, _FACTS_AT, 160)


@internal
@pure
def _is_public(shape: uint256, size: uint256, commitment: uint256[2]) -> bool:
    """
    @dev Whether a statement gives input or output in the circuit's way.
    @param shape Kind (8 bits) and three dims (16 bits each).
    @param size Packed bytes.
    @param commitment C_X or C_Y.
    @return bool Bytes where it is packed, a point where it is committed.
    """
    kind: uint256 = shape >> 48
    if kind == _COMMITTED:
        return size == 0 and proof_points._is_on_curve(commitment[0], commitment[1])
    values: uint256 = unsafe_mul(
        (shape >> 32) & 65_535, unsafe_mul((shape >> 16) & 65_535, shape & 65_535)
    )
    if kind == _TOKENS:
        values = unsafe_mul(2, values)
    return size == values and commitment[0] == 0 and commitment[1] == 0


@internal
@pure
def _weights(point: uint256[32], highest: uint256) -> uint256[16]:
    """
    @dev eq of three variables and every number of at most three bits.
    @param point Variables.
    @param highest Index of the first of the three; the others lie below it.
    @return uint256[16] At 2^k + n: the k highest of the three against n.
    """
    a: uint256 = point[highest]
    b: uint256 = point[unsafe_sub(highest, 1)]
    c: uint256 = point[unsafe_sub(highest, 2)]
    w: uint256[16] = empty(uint256[16])
    w[1] = 1
    w[3] = a
    w[2] = unsafe_sub(R + 1, a)
    w[7] = uint256_mulmod(a, b, R)
    w[6] = unsafe_sub(unsafe_add(a, R), w[7])
    w[5] = uint256_mulmod(w[2], b, R)
    w[4] = unsafe_sub(unsafe_add(w[2], R), w[5])
    w[15] = uint256_mulmod(w[7], c, R)
    w[14] = unsafe_sub(unsafe_add(w[7], R), w[15])
    w[13] = uint256_mulmod(w[6], c, R)
    w[12] = unsafe_sub(unsafe_add(w[6], R), w[13])
    w[11] = uint256_mulmod(w[5], c, R)
    w[10] = unsafe_sub(unsafe_add(w[5], R), w[11])
    w[9] = uint256_mulmod(w[4], c, R)
    w[8] = unsafe_sub(unsafe_add(w[4], R), w[9])
    return w
