# pragma version ~=0.4.3
"""
@title A verifier that takes the hash of a statement for its proof
@custom:contract-name EchoVerifier
@license GNU Affero General Public License v3.0 only
@author JoyNet contributors
@notice Test contract: stands where InferenceVerifier stands, for tests of what is done with its
        answers. One changed byte of a statement makes a proof false. It can also fail or burn
        all the gas that it is given.
@custom:security Test contract; never deployed to a real chain: anybody can make its proofs.
@custom:kill Not needed.
"""


# 1. interfaces
from ..interfaces import IInferenceVerifier


# 4. constants and immutables
FAIL: constant(uint256) = 1
BURN: constant(uint256) = 2


# 5. state
_circuits: HashMap[bytes32, IInferenceVerifier.Circuit]
# @dev 0: answers; 1: reverts; 2: burns all gas.
mode: public(uint256)


# 7. external, state-changing
@external
def register(model_id: bytes32, circuit_id: bytes32):
    """
    @notice Give a model a circuit, as often as a test likes.
    @param model_id The model.
    @param circuit_id Its circuit.
    """
    self._circuits[model_id].circuit_id = circuit_id
    self._circuits[model_id].publisher = msg.sender
    self._circuits[model_id].registered_at = block.timestamp


@external
def set_mode(mode: uint256):
    """
    @notice Choose how to answer.
    @param mode 0, 1 or 2.
    """
    self.mode = mode


# 8. external, view
@external
@view
def verify(statement: IInferenceVerifier.Statement, proof: Bytes[12_288]) -> bool:
    """
    @notice Whether a proof is the statement's.
    @param statement The statement.
    @param proof The proof.
    @return bool True if it is `proof_of(statement)`.
    """
    assert self.mode != FAIL, "EchoVerifier: told to fail"
    if self.mode == BURN:
        for i: uint256 in range(10**9):
            if msg.gas < 2_000:
                raise "EchoVerifier: out of gas"
    return keccak256(proof) == keccak256(self._proof_of(statement))


@external
@view
def proof_of(statement: IInferenceVerifier.Statement) -> Bytes[32]:
    """
    @notice The one proof of a statement.
    @param statement The statement.
    @return Bytes[32] keccak256(abi.encode(statement, chainid, this)).
    """
    return self._proof_of(statement)


@external
@view
def circuit_of(model_id: bytes32) -> IInferenceVerifier.Circuit:
    """
    @notice The circuit of a model.
    @param model_id The model.
    @return Circuit All zero if there is none.
    """
    return self._circuits[model_id]


@external
@view
def is_registered(model_id: bytes32) -> bool:
    """
    @notice Whether a model has a circuit.
    @param model_id The model.
    @return bool True if it has.
    """
    return self._circuits[model_id].circuit_id != empty(bytes32)


# 9. internal
@internal
@view
def _proof_of(statement: IInferenceVerifier.Statement) -> Bytes[32]:
    """
    @dev See `proof_of`.
    @param statement The statement.
    @return Bytes[32] The proof.
    """
    return concat(keccak256(abi_encode(statement, chain.id, self)), b"")
