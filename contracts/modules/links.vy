# pragma version ~=0.4.3
# pragma nonreentrancy on
"""
@title Timelocked links to other contracts
@custom:contract-name links
@license GNU Affero General Public License v3.0 only
@author JoyNet contributors
@notice A contract names the contracts it works with ("NodeCoordinator",
        "ModelMarketplace", ...) and its owner sets where they are. An empty link is
        set at once, so that a deployment can be wired up; a link that is in use
        changes only after a public delay.
@dev Write `initializes: links[ownable := ownable]`, call `links.__init__(delay)`,
     export `links.__interface__`, and read a target with `links._link("Name")`.
@custom:security The owner can never replace a link in use without a proposal that
        stood in the open for `LINK_DELAY`; nobody else can touch one.
@custom:kill Nothing to stop: links only point.
"""


# 2. modules
from snekmate.auth import ownable
uses: ownable


# 4. constants and immutables
MIN_LINK_DELAY: public(constant(uint256)) = 3_600  # seconds
LINK_DELAY: public(immutable(uint256))  # seconds from proposal to change


# 5. state
struct PendingLink:
    target: address
    ready_at: uint256  # unix seconds from which it can be applied; 0: nothing proposed


event LinkSet:
    name: String[32]
    target: indexed(address)


event LinkProposed:
    name: String[32]
    target: indexed(address)
    ready_at: uint256


event LinkCancelled:
    name: String[32]
    target: indexed(address)


# @dev Contract name -> address.
_links: HashMap[String[32], address]
# @dev Contract name -> proposed replacement.
_pending: HashMap[String[32], PendingLink]


# 6. constructor
@deploy
def __init__(link_delay: uint256):
    """
    @param link_delay Seconds between proposing and applying a change of a link in use,
           at least `MIN_LINK_DELAY`.
    """
    assert link_delay >= MIN_LINK_DELAY, "links: delay too short"
    LINK_DELAY = link_delay


# 7. external, state-changing
@external
def set_link(name: String[32], target: address):
    """
    @notice Fill an empty link, at once. Owner only.
    @param name Name of the linked contract.
    @param target Its address; must hold code.
    """
    ownable._check_owner()
    assert self._links[name] == empty(address), "links: already set"
    assert target.is_contract, "links: no code at target"
    self._links[name] = target
    log LinkSet(name=name, target=target)


@external
def propose_link(name: String[32], target: address):
    """
    @notice Announce a new target of a link in use; replaces an earlier proposal and
            starts the delay again. Owner only.
    @param name Name of the linked contract.
    @param target Its next address; must hold code.
    """
    ownable._check_owner()
    assert self._links[name] != empty(address), "links: not set"
    assert target.is_contract, "links: no code at target"
    ready_at: uint256 = block.timestamp + LINK_DELAY
    self._pending[name] = PendingLink(target=target, ready_at=ready_at)
    log LinkProposed(name=name, target=target, ready_at=ready_at)


@external
def cancel_link(name: String[32]):
    """
    @notice Withdraw a proposal. Owner only.
    @param name Name of the linked contract.
    """
    ownable._check_owner()
    target: address = self._pending[name].target
    assert target != empty(address), "links: nothing proposed"
    self._pending[name] = empty(PendingLink)
    log LinkCancelled(name=name, target=target)


@external
def apply_link(name: String[32]):
    """
    @notice Put a proposal into force once its delay is over. Owner only.
    @param name Name of the linked contract.
    """
    ownable._check_owner()
    pending: PendingLink = self._pending[name]
    assert pending.ready_at != 0, "links: nothing proposed"
    assert block.timestamp >= pending.ready_at, "links: delay not over"
    self._pending[name] = empty(PendingLink)
    self._links[name] = pending.target
    log LinkSet(name=name, target=pending.target)


# 8. external, view
@external
@view
def link(name: String[32]) -> address:
    """
    @notice Where a linked contract is.
    @param name Name of the linked contract.
    @return address Its address; zero while the link is empty.
    """
    return self._links[name]


@external
@view
def pending_link(name: String[32]) -> PendingLink:
    """
    @notice The change that is waiting, if any.
    @param name Name of the linked contract.
    @return PendingLink Proposed target and the unix second it may be applied at.
    """
    return self._pending[name]


# 9. internal
@internal
@view
def _link(name: String[32]) -> address:
    """
    @dev The target of a link that must be there.
    @param name Name of the linked contract.
    @return address Its address, never zero.
    """
    target: address = self._links[name]
    assert target != empty(address), "links: not set"
    return target
