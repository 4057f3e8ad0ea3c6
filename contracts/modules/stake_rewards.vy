# pragma version ~=0.4.3
# pragma nonreentrancy on
"""
@title Rewards streamed to stakers
@custom:contract-name stake_rewards
@license GNU Affero General Public License v3.0 only
@author JoyNet contributors
@notice What is added streams evenly over `REWARD_PERIOD` and is shared by stake, second by
        second. The stream stands still while less than `MIN_TOTAL_STAKE` is staked, so
        rewards that arrive before the stakers do are neither lost nor taken by a first
        staker of 1 wei.
@dev Scalable reward distribution (Batog, Boca, Johnson, 2018) with nothing rounded away:
     per account the fraction of a wei is kept, and what does not divide by the total
     stake is carried to the next second. In units of wei times _SCALE, `reward_pool` is
     exactly unstreamed + carry + all that accounts have earned.
     The contract that holds the stake passes it in, and calls `_settle` with the old
     numbers before it changes them. Moving tokens is its business too.
@custom:security Time is what earns: stake that comes and goes in one block earns nothing.
        Nobody can change the period, stop the stream or redirect what was earned.
@custom:kill Nothing to stop: claiming is an exit.
"""


# 4. constants and immutables
REWARD_PERIOD: public(constant(uint256)) = 7 * 86_400  # seconds
MIN_TOTAL_STAKE: public(constant(uint256)) = 1_000 * 10**18  # wei of JOY
_SCALE: constant(uint256) = 10**18


# 5. state
struct Stream:
    unstreamed: uint256  # wei of JOY not yet given to stakers
    seconds_left: uint256  # until all of it is
    updated_at: uint256  # unix seconds
    per_stake: uint256  # wei given to each staked wei since the start, times _SCALE
    carry: uint256  # wei times _SCALE that did not divide by the total stake, for later


# @dev Wei of JOY added and not claimed yet.
reward_pool: public(uint256)
_stream: Stream
# @dev Account -> `Stream.per_stake` up to which it was settled.
_settled_at: HashMap[address, uint256]
# @dev Account -> wei earned and unclaimed, times _SCALE.
_earned: HashMap[address, uint256]


# 9. internal
@internal
def _add(amount: uint256, total: uint256) -> Stream:
    """
    @dev Add rewards. What still streams goes on: the remaining time becomes the average,
         weighted by amount, so a small addition cannot hold up a big one.
    @param amount Wei of JOY, more than 0.
    @param total Wei of JOY that all accounts have staked.
    @return Stream The stream from now on.
    """
    stream: Stream = self._stream_now(total)
    unstreamed: uint256 = stream.unstreamed + amount
    stream.seconds_left = (
        stream.unstreamed * stream.seconds_left + amount * REWARD_PERIOD
    ) // unstreamed
    stream.unstreamed = unstreamed
    self._stream = stream
    self.reward_pool += amount
    return stream


@internal
def _settle(account: address, stake: uint256, total: uint256):
    """
    @dev Store the stream, and what an account has earned, as of this second.
    @param account The account.
    @param stake Wei of JOY that it had staked until now.
    @param total Wei of JOY that all accounts had staked until now.
    """
    stream: Stream = self._stream_now(total)
    self._stream = stream
    self._earned[account] = self._earned_at(account, stake, stream.per_stake)
    self._settled_at[account] = stream.per_stake


@internal
def _take(account: address) -> uint256:
    """
    @dev Hand out what a settled account has earned; the fraction of a wei stays.
    @param account The account.
    @return uint256 Wei of JOY, which the caller pays.
    """
    earned: uint256 = self._earned[account]
    self._earned[account] = earned % _SCALE
    self.reward_pool -= earned // _SCALE
    return earned // _SCALE


@internal
@view
def _claimable(account: address, stake: uint256, total: uint256) -> uint256:
    """
    @dev What `_settle` and `_take` would hand out now.
    @param account The account.
    @param stake Wei of JOY that it has staked.
    @param total Wei of JOY that all accounts have staked.
    @return uint256 Wei of JOY.
    """
    return self._earned_at(account, stake, self._stream_now(total).per_stake) // _SCALE


@internal
@view
def _stream_now(total: uint256) -> Stream:
    """
    @dev The stream brought up to this second.
    @param total Wei of JOY that all accounts have staked.
    @return Stream To be stored, or looked at.
    """
    stream: Stream = self._stream
    elapsed: uint256 = min(block.timestamp - stream.updated_at, stream.seconds_left)
    stream.updated_at = block.timestamp
    if elapsed == 0 or total < MIN_TOTAL_STAKE:
        return stream
    released: uint256 = stream.unstreamed * elapsed // stream.seconds_left
    stream.unstreamed -= released
    stream.seconds_left -= elapsed
    scaled: uint256 = released * _SCALE + stream.carry
    stream.per_stake += scaled // total
    stream.carry = scaled % total
    return stream


@internal
@view
def _earned_at(account: address, stake: uint256, per_stake: uint256) -> uint256:
    """
    @dev What an account has earned and not claimed.
    @param account The account.
    @param stake Wei of JOY that it has staked since it was last settled.
    @param per_stake `Stream.per_stake` to settle at.
    @return uint256 Wei of JOY times _SCALE.
    """
    return self._earned[account] + stake * (per_stake - self._settled_at[account])
