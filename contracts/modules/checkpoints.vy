# pragma version ~=0.4.3
# pragma nonreentrancy on
"""
@title Checkpoints: what an account's value was at a past block
@custom:contract-name checkpoints
@license GNU Affero General Public License v3.0 only
@author JoyNet contributors
@notice Keeps a history of one number per account, looked up by block number
        (ERC-6372 clock, https://eips.ethereum.org/EIPS/eip-6372).
@dev One storage slot a checkpoint: block number in the top 48 bits, value in the lower
     208. The zero address is free for a total. Write `initializes: checkpoints`; export
     `checkpoints.clock` and `checkpoints.CLOCK_MODE`.
@custom:security `_at` answers only for blocks that are over, so nothing done in the
        current block (a flash stake) can show in a lookup.
@custom:kill Nothing to stop: a record of the past.
"""


# 4. constants and immutables
_VALUE_BITS: constant(uint256) = 208
_MAX_VALUE: constant(uint256) = 2**208 - 1


# 5. state
# @dev Account -> number of its checkpoints.
_count: HashMap[address, uint256]
# @dev Account -> index -> block number << 208 | value, block numbers rising.
_points: HashMap[address, HashMap[uint256, uint256]]


# 8. external, view
@external
@view
def clock() -> uint48:
    """
    @notice The current time point (ERC-6372).
    @return uint48 Block number.
    """
    return convert(block.number, uint48)


@external
@view
def CLOCK_MODE() -> String[32]:
    """
    @notice What `clock` counts (ERC-6372).
    @return String Machine-readable mode: block numbers.
    """
    return "mode=blocknumber&from=default"


# 9. internal
@internal
def _push(account: address, amount: uint256):
    """
    @dev Set the current value; a second one in the same block replaces the first.
    @param account The account; zero for the total.
    @param amount The new value, below 2**208.
    """
    assert amount <= _MAX_VALUE, "checkpoints: value too big"
    count: uint256 = self._count[account]
    point: uint256 = (block.number << _VALUE_BITS) | amount
    if count > 0 and self._points[account][count - 1] >> _VALUE_BITS == block.number:
        self._points[account][count - 1] = point
    else:
        self._points[account][count] = point
        self._count[account] = count + 1


@internal
@view
def _latest(account: address) -> uint256:
    """
    @dev The current value.
    @param account The account; zero for the total.
    @return uint256 The value; 0 if it was never set.
    """
    count: uint256 = self._count[account]
    if count == 0:
        return 0
    return self._points[account][count - 1] & _MAX_VALUE


@internal
@view
def _at(account: address, timepoint: uint256) -> uint256:
    """
    @dev The value at the end of a past block, by binary search.
    @param account The account; zero for the total.
    @param timepoint Block number, strictly below the current one.
    @return uint256 The value; 0 if it was not set yet.
    """
    assert timepoint < block.number, "checkpoints: block not over"
    # Invariant: points before `low` are at or before `timepoint`, from `high` on after it.
    low: uint256 = 0
    high: uint256 = self._count[account]
    for _: uint256 in range(48):
        if low == high:
            break
        middle: uint256 = (low + high) // 2
        if self._points[account][middle] >> _VALUE_BITS <= timepoint:
            low = middle + 1
        else:
            high = middle
    if low == 0:
        return 0
    return self._points[account][low - 1] & _MAX_VALUE
