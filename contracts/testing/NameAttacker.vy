# pragma version ~=0.4.3
"""
@title An attacker on names: it owns them, receives them, poses as a resolver, and calls back
@custom:contract-name NameAttacker
@license GNU Affero General Public License v3.0 only
@author JoyNet contributors
@notice Test only. Whenever it is called from a registry it makes the calls it was armed
        with and notes how each ended, so that a test sees what an attacker gets.
"""


ERC721_RECEIVED: constant(bytes4) = 0x150B7A02


struct Attempt:
    target: address
    data: Bytes[2048]


struct Outcome:
    succeeded: bool
    answer: Bytes[256]


# @dev What `onERC721Received` returns.
answer: public(bytes4)
_plan: DynArray[Attempt, 4]
_outcomes: DynArray[Outcome, 4]


@deploy
def __init__():
    self.answer = ERC721_RECEIVED


@external
def arm(plan: DynArray[Attempt, 4], answer: bytes4):
    """
    @notice Set the calls to make on the next call-back, and what to answer a sender.
    @param plan The calls.
    @param answer What `onERC721Received` returns.
    """
    self._plan = plan
    self._outcomes = []
    self.answer = answer


@external
def execute(target: address, data: Bytes[2048]):
    """
    @notice Act as a wallet.
    @param target Whom to call.
    @param data With what.
    """
    raw_call(target, data)


@external
def onERC721Received(
    operator: address, owner: address, token_id: uint256, data: Bytes[1024]
) -> bytes4:
    """
    @notice Attack while a name arrives.
    @param operator Who sent it.
    @param owner Who owned it.
    @param token_id uint256 of the name's node.
    @param data Ignored.
    @return bytes4 What the test asked for.
    """
    self._attack()
    return self.answer


@external
def set_records(node: bytes32, calls: DynArray[Bytes[768], 8]):
    """
    @notice Attack while a name is registered with this contract as its resolver.
    @param node Node of the name.
    @param calls Ignored.
    """
    self._attack()


@external
@view
def outcomes() -> DynArray[Outcome, 4]:
    """
    @notice How the calls of the last plan ended.
    @return DynArray One outcome for each call.
    """
    return self._outcomes


@internal
def _attack():
    """
    @dev Make the planned calls, swallowing failures.
    """
    for attempt: Attempt in self._plan:
        succeeded: bool = False
        response: Bytes[256] = b""
        succeeded, response = raw_call(
            attempt.target, attempt.data, max_outsize=256, revert_on_failure=False
        )
        self._outcomes.append(Outcome(succeeded=succeeded, answer=response))
