# pragma version ~=0.4.3
# pragma nonreentrancy on
"""
@title Rate limit: one token bucket per account
@custom:contract-name rate_limit
@license GNU Affero General Public License v3.0 only
@author JoyNet contributors
@notice Each account may act `RATE_CAPACITY` times in a burst; an empty bucket fills
        evenly in `RATE_WINDOW` seconds.
@dev One storage slot an account: the bucket is kept as the moment at which it will be
     full again, in units of 1 / RATE_CAPACITY seconds, so that integers are exact
     (generic cell rate algorithm, ITU-T I.371; equal to a token bucket).
     Write `initializes: rate_limit`, call `rate_limit.__init__(capacity, window)` and
     `rate_limit._consume(account, cost)`.
@custom:security Nobody can change the limit. One person with many accounts has many
        buckets: use it where an account costs something.
@custom:kill Nothing to stop: never put it before an exit.
"""


# 4. constants and immutables
RATE_CAPACITY: public(immutable(uint256))  # units in a full bucket
RATE_WINDOW: public(immutable(uint256))  # seconds in which an empty bucket fills


# 5. state
# @dev Account -> moment the bucket is full, in 1 / RATE_CAPACITY seconds; past: full.
_full_at: HashMap[address, uint256]


# 6. constructor
@deploy
def __init__(capacity: uint256, window: uint256):
    """
    @param capacity Units in a full bucket, at least 1 and below 2**64.
    @param window Seconds in which an empty bucket fills, at least 1 and below 2**64.
    """
    assert capacity > 0 and capacity < 2**64, "rate_limit: capacity out of range"
    assert window > 0 and window < 2**64, "rate_limit: window out of range"
    RATE_CAPACITY = capacity
    RATE_WINDOW = window


# 8. external, view
@external
@view
def rate_available(account: address) -> uint256:
    """
    @notice Units that an account can use now.
    @param account The account.
    @return uint256 Whole units, at most `RATE_CAPACITY`.
    """
    now: uint256 = block.timestamp * RATE_CAPACITY
    used: uint256 = max(now, self._full_at[account]) - now
    return (RATE_CAPACITY * RATE_WINDOW - used) // RATE_WINDOW


# 9. internal
@internal
def _consume(account: address, cost: uint256):
    """
    @dev Take units from a bucket, or revert and leave it as it was.
    @param account The account that acts.
    @param cost Units that the action costs.
    """
    assert cost <= RATE_CAPACITY, "rate_limit: cost over capacity"
    now: uint256 = block.timestamp * RATE_CAPACITY
    full_at: uint256 = max(now, self._full_at[account]) + cost * RATE_WINDOW
    assert full_at - now <= RATE_CAPACITY * RATE_WINDOW, "rate_limit: too many actions"
    self._full_at[account] = full_at
