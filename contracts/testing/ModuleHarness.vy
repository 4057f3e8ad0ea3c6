# pragma version ~=0.4.3
# pragma nonreentrancy on
"""
@title Harness of the small modules
@custom:contract-name ModuleHarness
@license GNU Affero General Public License v3.0 only
@author JoyNet contributors
@notice Test contract: makes the internal functions of `links`, `circuit_breaker`,
        `rate_limit` and `checkpoints` callable, and holds a pot that pays out only what
        the outflow limit grants.
@custom:security Test contract; never deployed to a real chain.
@custom:kill Not needed.
"""


# 2. modules
from snekmate.auth import ownable
initializes: ownable

from ..modules import links
initializes: links[ownable := ownable]

from ..modules import circuit_breaker
initializes: circuit_breaker[ownable := ownable]

from ..modules import rate_limit
initializes: rate_limit

from ..modules import checkpoints
initializes: checkpoints


# 3. exports
exports: (
    ownable.owner,
    ownable.transfer_ownership,
    links.__interface__,
    circuit_breaker.__interface__,
    rate_limit.__interface__,
    checkpoints.__interface__,
)


# 5. state
# @dev Units in the pot, and units that each account was promised but not yet paid.
pot: public(uint256)
owed: public(HashMap[address, uint256])
deadline: public(uint256)


# 6. constructor
@deploy
def __init__(
    link_delay: uint256,
    guardian: address,
    outflow_bps: uint256,
    outflow_floor: uint256,
    capacity: uint256,
    window: uint256,
):
    """
    @param link_delay Seconds, for `links`.
    @param guardian Account, for `circuit_breaker`.
    @param outflow_bps Basis points, for `circuit_breaker`.
    @param outflow_floor Units, for `circuit_breaker`.
    @param capacity Units, for `rate_limit`.
    @param window Seconds, for `rate_limit`.
    """
    ownable.__init__()
    links.__init__(link_delay)
    circuit_breaker.__init__(guardian, outflow_bps, outflow_floor)
    rate_limit.__init__(capacity, window)


# 7. external, state-changing
@external
def put_in(amount: uint256):
    """
    @notice Pay into the pot: new business, so it stops during a pause.
    @param amount Units; owed back to the caller.
    """
    circuit_breaker._require_not_paused()
    circuit_breaker._add_inflow(amount, self.pot)
    self.pot += amount
    self.owed[msg.sender] += amount


@external
def take_out() -> uint256:
    """
    @notice Take what is owed, as far as the outflow limit grants: an exit.
    @return uint256 Units paid now.
    """
    granted: uint256 = circuit_breaker._take_outflow(self.owed[msg.sender], self.pot)
    self.owed[msg.sender] -= granted
    self.pot -= granted
    return granted


@external
def start_deadline(duration: uint256):
    """
    @notice Set a deadline on the breaker's clock.
    @param duration Seconds from now.
    """
    self.deadline = circuit_breaker._clock() + duration


@external
def consume(cost: uint256):
    """
    @notice Take units from the caller's bucket.
    @param cost Units.
    """
    rate_limit._consume(msg.sender, cost)


@external
def push(account: address, amount: uint256):
    """
    @notice Write a checkpoint.
    @param account Its account.
    @param amount Its value.
    """
    checkpoints._push(account, amount)


# 8. external, view
@external
@view
def is_deadline_over() -> bool:
    """
    @notice Whether the deadline has passed on the breaker's clock.
    @return bool True from the deadline on.
    """
    return circuit_breaker._clock() >= self.deadline


@external
@view
def linked(name: String[32]) -> address:
    """
    @notice A link that must be there.
    @param name Name of the linked contract.
    @return address Its address.
    """
    return links._link(name)


@external
@view
def latest(account: address) -> uint256:
    """
    @notice Current value of an account.
    @param account The account.
    @return uint256 The value.
    """
    return checkpoints._latest(account)


@external
@view
def value_at(account: address, timepoint: uint256) -> uint256:
    """
    @notice Past value of an account.
    @param account The account.
    @param timepoint Block number.
    @return uint256 The value.
    """
    return checkpoints._at(account, timepoint)
