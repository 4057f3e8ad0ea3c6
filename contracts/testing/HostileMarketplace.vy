# pragma version ~=0.4.3
# pragma nonreentrancy off
"""
@title A marketplace that turned against NodeCoordinator
@custom:contract-name HostileMarketplace
@license GNU Affero General Public License v3.0 only
@author JoyNet contributors
@notice Names any price, refuses payment, takes more than its approval, or calls back. Used to
        show that redemption neither stops nor pays twice whatever the linked marketplace does.
"""


# 1. interfaces
from ethereum.ercs import IERC20


# 5. state
price: public(uint256)
# @dev What `price_of` does: 0 answers, 1 reverts, 2 answers with 31 bytes.
price_mode: public(uint256)
# @dev What `pay` does: 0 takes the money, 1 reverts, 2 takes one wei too much, 3 calls back.
pay_mode: public(uint256)
# @dev JoyToken.
joy: public(IERC20)
# @dev What `pay` calls back with, and whether the last call back succeeded.
call_back: public(Bytes[4096])
called_back: public(bool)


# 6. constructor
@deploy
def __init__(joy: IERC20):
    """
    @param joy JoyToken.
    """
    self.joy = joy


# 7. external, state-changing
@external
def behave(price: uint256, price_mode: uint256, pay_mode: uint256, call_back: Bytes[4096]):
    """
    @notice Choose what to do from now on.
    @param price What `price_of` answers.
    @param price_mode See `price_mode`.
    @param pay_mode See `pay_mode`.
    @param call_back Calldata for the caller of `pay`.
    """
    self.price = price
    self.price_mode = price_mode
    self.pay_mode = pay_mode
    self.call_back = call_back


@external
def pay(model_id: bytes32, amount: uint256):
    """
    @notice Do what `pay_mode` says.
    @param model_id Ignored.
    @param amount JOY wei.
    """
    assert self.pay_mode != 1, "HostileMarketplace: refused"
    if self.pay_mode == 3:
        self.called_back = raw_call(msg.sender, self.call_back, revert_on_failure=False)
    taken: uint256 = amount
    if self.pay_mode == 2:
        taken += 1
    assert extcall self.joy.transferFrom(msg.sender, self, taken), "HostileMarketplace: not paid"


# 8. external, view
@external
@view
def is_active(model_id: bytes32) -> bool:
    """
    @notice Every model is on this market.
    @param model_id Ignored.
    @return bool True.
    """
    return True


@external
@view
@raw_return
def price_of(model_id: bytes32) -> Bytes[64]:
    """
    @notice Do what `price_mode` says.
    @param model_id Ignored.
    @return Bytes The price, well formed or not.
    """
    assert self.price_mode != 1, "HostileMarketplace: refused"
    if self.price_mode == 2:
        return slice(abi_encode(self.price), 0, 31)
    return abi_encode(self.price)
