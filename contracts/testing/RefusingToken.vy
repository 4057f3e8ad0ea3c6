# pragma version ~=0.4.3
"""
@title A token that says no instead of reverting
@custom:contract-name RefusingToken
@license GNU Affero General Public License v3.0 only
@author JoyNet contributors
@notice Test only. ERC-20 allows `transfer` and `transferFrom` to return False.
"""


balanceOf: public(HashMap[address, uint256])
refuses: public(bool)


@external
def set_refuses(refuses: bool):
    """
    @notice Choose the answer.
    @param refuses Whether transfers return False and move nothing.
    """
    self.refuses = refuses


@external
def transferFrom(owner: address, to: address, amount: uint256) -> bool:
    """
    @notice Pretend to move tokens, from nobody's balance.
    @param owner Ignored.
    @param to The receiver.
    @param amount How many.
    @return bool False while it refuses.
    """
    return self._move(to, amount)


@external
def transfer(to: address, amount: uint256) -> bool:
    """
    @notice Pretend to move tokens, from nobody's balance.
    @param to The receiver.
    @param amount How many.
    @return bool False while it refuses.
    """
    return self._move(to, amount)


@internal
def _move(to: address, amount: uint256) -> bool:
    """
    @dev Credit the receiver, unless it refuses.
    @param to The receiver.
    @param amount How many.
    @return bool False while it refuses.
    """
    if self.refuses:
        return False
    self.balanceOf[to] += amount
    return True
