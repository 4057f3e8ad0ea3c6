# pragma version ~=0.4.3
"""
@title A coordinator whose 64 candidates are one vault
@custom:contract-name SybilCoordinator
@license GNU Affero General Public License v3.0 only
@author JoyNet contributors
@notice Test contract: what ProofOfInference would see if NodeCoordinator let one vault offer a
        model with 64 nodes. It fails every call that a job of one vault must not lead to.
@custom:security Test contract; never deployed to a real chain.
@custom:kill Not needed.
"""


# 1. interfaces
from ..interfaces import INodeCoordinator


# 4. constants and immutables
VAULT: immutable(address)


# 6. constructor
@deploy
def __init__(vault: address):
    """
    @param vault The one vault.
    """
    VAULT = vault


# 7. external, state-changing
@external
def lock_bond(vault: address, amount: uint256):
    """
    @notice A job that one vault could fill must not come to this.
    @param vault The vault.
    @param amount JOY wei.
    """
    raise "SybilCoordinator: bond locked"


# 8. external, view
@external
@view
def candidates(
    model_id: bytes32, max_price: uint256, bond: uint256
) -> DynArray[INodeCoordinator.Candidate, 64]:
    """
    @notice 64 nodes of one vault.
    @param model_id Ignored.
    @param max_price Ignored.
    @param bond Ignored.
    @return DynArray The candidates.
    """
    found: DynArray[INodeCoordinator.Candidate, 64] = []
    for i: uint256 in range(64):
        found.append(
            INodeCoordinator.Candidate(
                node_id=i + 1,
                vault=VAULT,
                operator=convert(i + 2**64, address),
                weight=1 + i,
            )
        )
    return found


@external
@view
def free_provision(vault: address) -> uint256:
    """
    @notice Enough for any bond.
    @param vault Ignored.
    @return uint256 JOY wei.
    """
    return 10**30


@external
@view
def paused_seconds() -> uint256:
    """
    @notice Never paused.
    @return uint256 Seconds.
    """
    return 0


@external
@view
def link(name: String[32]) -> address:
    """
    @notice Listens to nobody.
    @param name Ignored.
    @return address Zero.
    """
    return empty(address)
