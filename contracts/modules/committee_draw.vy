# pragma version ~=0.4.3
"""
@title Committee draw: by stake, without replacement, one seat per vault
@custom:contract-name committee_draw
@license GNU Affero General Public License v3.0 only
@author JoyNet contributors
@notice Picks the members of a committee from a list of candidates and a seed. The result
        follows from both and from the bonds that vaults can still lock, so anyone can
        recompute it (docs/spec/committee.md, "Draw").
@custom:security View functions. The seed's randomness is the caller's business.
@custom:kill Nothing to stop.
"""


# 1. interfaces
from ..interfaces import INodeCoordinator


# 4. constants and immutables
MAX_CANDIDATES: constant(uint256) = 64
MAX_SEATS: constant(uint256) = 43  # as in job_store


# 9. internal
@internal
@view
def _draw(
    seed: bytes32,
    candidates: DynArray[INodeCoordinator.Candidate, MAX_CANDIDATES],
    seats: uint256,
    bond: uint256,
    coordinator: INodeCoordinator,
) -> DynArray[uint256, MAX_SEATS]:
    """
    @dev Every round removes one vault, whether it gets a seat or cannot lock the bond. At most
         (seats + 1) / 2 are passed over: with more, whoever keeps vaults from locking would
         choose the committee.
    @param seed Random bytes.
    @param candidates Who may be drawn, with their weights.
    @param seats How many to draw.
    @param bond JOY wei that a member must be able to lock.
    @param coordinator Where bonds are locked.
    @return DynArray Indices into `candidates`, in seat order; fewer than `seats` if the
            candidates do not suffice or too many were passed over.
    """
    weights: uint256[MAX_CANDIDATES] = empty(uint256[MAX_CANDIDATES])
    total: uint256 = 0
    for i: uint256 in range(len(candidates), bound=MAX_CANDIDATES):
        weights[i] = candidates[i].weight
        total += weights[i]

    drawn: DynArray[uint256, MAX_SEATS] = []
    for attempt: uint256 in range(MAX_CANDIDATES):
        if total == 0 or len(drawn) == seats:
            break
        point: uint256 = (
            convert(keccak256(concat(seed, convert(attempt, bytes32))), uint256) % total
        )
        chosen: uint256 = 0
        for i: uint256 in range(len(candidates), bound=MAX_CANDIDATES):
            if point < weights[i]:
                chosen = i
                break
            point -= weights[i]
        vault: address = candidates[chosen].vault
        for i: uint256 in range(len(candidates), bound=MAX_CANDIDATES):
            if candidates[i].vault == vault:
                total -= weights[i]
                weights[i] = 0
        if staticcall coordinator.free_provision(vault) >= bond:
            drawn.append(chosen)
        elif attempt - len(drawn) >= (seats + 1) // 2:
            break
    return drawn


@internal
@pure
def _without(
    candidates: DynArray[INodeCoordinator.Candidate, MAX_CANDIDATES],
    excluded: DynArray[address, MAX_SEATS],
) -> DynArray[INodeCoordinator.Candidate, MAX_CANDIDATES]:
    """
    @dev The candidates that are not excluded, in their order.
    @param candidates Who serves the model.
    @param excluded Vaults that may not be drawn.
    @return DynArray Who may be drawn.
    """
    fresh: DynArray[INodeCoordinator.Candidate, MAX_CANDIDATES] = []
    for candidate: INodeCoordinator.Candidate in candidates:
        if candidate.vault not in excluded:
            fresh.append(candidate)
    return fresh
