# pragma version ~=0.4.3
# pragma nonreentrancy on
"""
@title Flash staker
@custom:contract-name FlashStaker
@license GNU Affero General Public License v3.0 only
@author JoyNet contributors
@notice Attacker: holds stake for the length of one transaction and tries to vote, earn
        or leave with it.
@custom:security Test contract; never deployed to a real chain.
@custom:kill Not needed.
"""


# 1. interfaces
from ..interfaces import IJoyToken


# 4. constants and immutables
JOY: immutable(IJoyToken)


# 6. constructor
@deploy
def __init__(joy: IJoyToken):
    """
    @param joy The token; this contract must hold some before it attacks.
    """
    JOY = joy


# 7. external, state-changing
@external
def stake_and_vote(amount: uint256, timepoint: uint256) -> uint256:
    """
    @notice Stake, and read the votes a governor would count.
    @param amount Wei of JOY.
    @param timepoint Block number of the snapshot.
    @return uint256 Votes counted.
    """
    extcall JOY.stake(amount)
    return staticcall JOY.getPastVotes(self, timepoint)


@external
def stake_and_harvest(amount: uint256) -> uint256:
    """
    @notice Stake, claim rewards and ask to leave.
    @param amount Wei of JOY.
    @return uint256 Wei of JOY claimed.
    """
    extcall JOY.stake(amount)
    claimed: uint256 = extcall JOY.claim_rewards()
    extcall JOY.request_unstake(amount)
    return claimed


@external
def stake_and_leave(amount: uint256) -> uint256:
    """
    @notice Stake, and withdraw at once.
    @param amount Wei of JOY.
    @return uint256 Wei of JOY withdrawn.
    """
    extcall JOY.stake(amount)
    ticket: uint256 = extcall JOY.request_unstake(amount)
    return extcall JOY.withdraw_unstaked(ticket)
