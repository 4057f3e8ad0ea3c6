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
@dev A stored circuit is a contract whose code is a program of 10 bytes, commitment (64), circuit id
     (32), descriptor hash (32), the descriptor, and zeros, so that the verifier can read the
     records in pages. Any call to it answers with the descriptor.
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
PAGE: constant(uint256) = 1_024  # bytes
_HEADER_BYTES: constant(uint256) = 32
# PUSH2 n DUP1 PUSH1 10 RETURNDATASIZE CODECOPY RETURNDATASIZE RETURN, n behind the first byte:
# deploys the n bytes that follow
_PUSH2: constant(bytes1) = 0x61
_DEPLOYER: constant(bytes7) = 0x80600a3d393df3
# PUSH2 n DUP1 PUSH1 138 PUSH0 CODECOPY PUSH0 RETURN: returns n bytes of code from byte 138 on
_PROGRAM: constant(bytes7) = 0x80608a5f395ff3
_FACTS_BYTES: constant(uint256) = 138  # the program and what comes before the descriptor



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
    size: uint256 = len(descriptor)
    padding: uint256 = (PAGE - (size - _HEADER_BYTES) % PAGE) % PAGE
    at: address = raw_create(
        concat(
            _PUSH2,
            convert(convert(_FACTS_BYTES + size + padding, uint16), bytes2),
            _DEPLOYER,
            _PUSH2,
            convert(convert(size, uint16), bytes2),
            _PROGRAM,
            abi_encode(commitment, circuit_id, descriptor_hash),
            descriptor,
            slice(abi_encode(empty(uint256[32])), 0, padding),
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
