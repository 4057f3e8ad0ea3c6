# pragma version ~=0.4.3
# pragma nonreentrancy on
# pragma optimize gas
"""
@title Circuit library
@custom:contract-name CircuitLibrary
@license GNU Affero General Public License v3.0 only
@author JoyNet contributors
@notice What `InferenceVerifier` needs besides: the rules of a descriptor, its place in code, and
        the closed forms that it evaluates by itself. A contract of its own because all together
        pass EIP-170's limit. Normative text: docs/spec/proof.md.
@dev The code of a stored circuit: a STOP byte, commitment (64), circuit id (32), descriptor hash
     (32), the descriptor's header (32), then a word for each record, and zeros up to a whole page.
     A word is the op (1 byte), for a CLAIM in byte 15 how many variables its slot number takes, and
     in the lower half the record.
@custom:security No state and no owner; whatever it is told, it tells only its caller. A stored
        circuit has no way to change or to destroy itself.
@custom:kill Nothing to stop.
"""


# 1. interfaces
from ..interfaces import ICircuitLibrary
implements: ICircuitLibrary


# 2. modules
from ..modules import circuit_rules
from ..modules import proof_extensions


# 3. exports
exports: (
    proof_extensions.index,
    proof_extensions.mask,
    proof_extensions.tensor,
    proof_extensions.tokens,
    proof_extensions.wire,
)


# 4. constants and immutables
_VERSION: constant(bytes1) = 0x01  # of the protocol
MAX_RECORDS: constant(uint256) = circuit_rules.MAX_RECORDS
# PUSH2 n DUP1 PUSH1 10 RETURNDATASIZE CODECOPY RETURNDATASIZE RETURN, n behind the first byte:
# deploys the n bytes that follow
_PUSH2: constant(bytes1) = 0x61
_DEPLOYER: constant(bytes7) = 0x80600a3d393df3
_STOP: constant(bytes1) = 0x00
_FACTS_BYTES: constant(uint256) = 161  # what comes before the records
_PAGE: constant(uint256) = 64  # words that the verifier reads at once
_CLAIM: constant(uint256) = 16


# 7. external, state-changing
@external
def store(
    descriptor: Bytes[16_384], commitment: uint256[2], srs_digest: bytes32
) -> ICircuitLibrary.Stored:
    """
    @notice Check a descriptor and put the circuit into code.
    @param descriptor Header and records; reverts, naming the rule, unless well formed.
    @param commitment C_W.
    @param srs_digest The structured reference string of its proofs.
    @return Stored Where it is, its circuit id and the hash of the descriptor.
    """
    circuit_rules._check(descriptor)
    descriptor_hash: bytes32 = keccak256(descriptor)
    circuit_id: bytes32 = keccak256(
        concat(_VERSION, abi_encode(commitment, descriptor_hash, srs_digest))
    )
    # every record with what spares the verifier work
    head: uint256 = extract32(descriptor, 0, output_type=uint256)
    words: DynArray[uint256, MAX_RECORDS] = []
    for i: uint256 in range((len(descriptor) - 32) // 16, bound=MAX_RECORDS):
        record: uint256 = extract32(descriptor, 16 + 16 * i, output_type=uint256) & (2**128 - 1)
        op: uint256 = record >> 120
        if op == _CLAIM:
            recipe: uint256 = extract32(
                descriptor, 16 + 16 * ((record >> 96) & 65_535), output_type=uint256
            )
            record |= (((head >> 232) & 255) - ((recipe >> 112) & 255)) << 128
        words.append(record | op << 248)
    for i: uint256 in range(_PAGE):
        if len(words) % _PAGE == 0:
            break
        words.append(0)
    code: Bytes[24_000] = slice(abi_encode(words), 64, 32 * len(words))
    at: address = raw_create(
        concat(
            _PUSH2,
            convert(convert(_FACTS_BYTES + len(code), uint16), bytes2),
            _DEPLOYER,
            _STOP,
            abi_encode(commitment, circuit_id, descriptor_hash, head),
            code,
        )
    )
    return ICircuitLibrary.Stored(
        at=at, circuit_id=circuit_id, descriptor_hash=descriptor_hash
    )


# 8. external, view
@external
@pure
def check(descriptor: Bytes[16_384]) -> bool:
    """
    @notice Revert, naming the rule, unless a descriptor is well formed.
    @param descriptor Header and records.
    @return bool True.
    """
    circuit_rules._check(descriptor)
    return True
