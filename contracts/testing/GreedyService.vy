# pragma version ~=0.4.3
# pragma nonreentrancy on
"""
@title Greedy service
@custom:contract-name GreedyService
@license GNU Affero General Public License v3.0 only
@author JoyNet contributors
@notice Attacker: an admitted service that tries to take more than its provision, and to
        keep more than half of what it slashes.
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
    @param joy The token.
    """
    JOY = joy


# 7. external, state-changing
@external
def slash(vault: address, amount: uint256, beneficiary: address, part: uint256) -> uint256:
    """
    @notice Slash a vault.
    @param vault The vault.
    @param amount Wei of JOY.
    @param beneficiary Account paid.
    @param part Wei of JOY paid.
    @return uint256 Wei of JOY slashed.
    """
    return extcall JOY.slash(vault, amount, beneficiary, part)


@external
def slash_in_bits(vault: address, bit: uint256, times: uint256):
    """
    @notice Slash many small amounts, each rounded in the attacker's favour if it can be.
    @param vault The vault.
    @param bit Wei of JOY each time; half of it, rounded down, goes to this contract.
    @param times How often, at most 64.
    """
    for _: uint256 in range(times, bound=64):
        extcall JOY.slash(vault, bit, self, bit // 2)


@external
def drain_others(vault: address):
    """
    @notice Ask for everything a vault has, for this contract.
    @param vault The vault.
    """
    extcall JOY.slash(vault, max_value(uint256), self, max_value(uint256) // 2)
