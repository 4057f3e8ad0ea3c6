# pragma version ~=0.4.3
# pragma nonreentrancy on
"""
@title DAO executor
@custom:contract-name DaoExecutor
@license GNU Affero General Public License v3.0 only
@author JoyNet contributors
@notice The account of one DAO: owns its TLD, holds its treasury, and makes the calls that
        its members voted for.
@dev Each DAO has a minimal proxy (ERC-1167) to one copy of this code. Being a proxy it needs
     more than the 2,300 gas of a bare `transfer` to take ether in.
@custom:security Obeys the DAO registry that created it and nobody else; that registry calls
        it only for a proposal of its own DAO that passed its timelock. Nothing here can be
        changed or upgraded.
@custom:kill Nothing to stop: a bad proposal is cancelled in the DAO registry.
"""


# 1. interfaces
from snekmate.tokens.interfaces import IERC721Receiver
from ..interfaces import IDaoExecutor
implements: IERC721Receiver
implements: IDaoExecutor


# 5. state
dao_registry: public(address)


# 6. constructor
@deploy
def __init__():
    """
    @dev Nobody can ever use the code that the proxies point to.
    """
    self.dao_registry = self


# 7. external, state-changing
@external
@payable
@reentrant
def __default__():
    """
    @notice Take ether into the treasury, also from what a proposal calls: change, or ether
            that it unwraps. Touches no state.
    """
    assert len(msg.data) == 0, "DaoExecutor: no such function"
    log IDaoExecutor.Received(account=msg.sender, amount=msg.value)


@external
def initialise():
    """
    @notice Make the caller the one contract that this executor obeys. Once; the DAO
            registry calls it as it creates the executor.
    """
    assert self.dao_registry == empty(address), "DaoExecutor: already initialised"
    self.dao_registry = msg.sender


@external
def execute(target: address, amount: uint256, data: Bytes[1_024]):
    """
    @notice Make one call. The DAO registry only. Reverts with the target's reason.
    @param target Whom to call; must hold code if there is data.
    @param amount Wei of ether sent along.
    @param data What to send.
    """
    assert msg.sender == self.dao_registry, "DaoExecutor: caller is not the DAO registry"
    assert len(data) == 0 or target.is_contract, "DaoExecutor: no code at target"
    raw_call(target, data, value=amount)
    log IDaoExecutor.Called(target=target, amount=amount, data=data)


@external
@reentrant
def onERC721Received(
    operator: address, owner: address, token_id: uint256, data: Bytes[1024]
) -> bytes4:
    """
    @notice Take a token, such as a name, into the treasury (ERC-721).
    @param operator Who sent it.
    @param owner Who owned it.
    @param token_id The token.
    @param data Ignored.
    @return bytes4 That it can be kept.
    """
    return method_id("onERC721Received(address,address,uint256,bytes)", output_type=bytes4)
