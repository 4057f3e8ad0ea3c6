# pragma version ~=0.4.3
"""
@title An attacker on DAOs: it is called by proposals, gets their ether, and votes as a contract
@custom:contract-name GovernanceAttacker
@license GNU Affero General Public License v3.0 only
@author JoyNet contributors
@notice Test only. Whenever it is called it makes the calls it was armed with and notes how
        each ended.
"""


from ..interfaces import IJoyToken
from ..interfaces import IPermaNetDAORegistry


struct Attempt:
    target: address
    data: Bytes[4096]


struct Outcome:
    succeeded: bool
    answer: Bytes[256]


# @dev What `isValidSignature` returns; empty: it reverts.
signature_answer: public(Bytes[64])
refuses_ether: public(bool)
_plan: DynArray[Attempt, 4]
_outcomes: DynArray[Outcome, 4]


@external
def arm(plan: DynArray[Attempt, 4]):
    """
    @notice Set the calls to make on the next call-back.
    @param plan The calls.
    """
    self._plan = plan
    self._outcomes = []


@external
def set_refuses_ether(refuses: bool):
    """
    @notice Make ether sent here bounce.
    @param refuses Whether it does.
    """
    self.refuses_ether = refuses


@external
def set_signature_answer(answer: Bytes[64]):
    """
    @notice Set what to say about signatures (EIP-1271).
    @param answer What `isValidSignature` returns, raw; empty: it reverts.
    """
    self.signature_answer = answer


@external
def stake_and_vote(joy: IJoyToken, amount: uint256, daos: address, data: Bytes[4096]):
    """
    @notice Stake what is held, act as a member, and ask for the stake back, all at once.
    @param joy The token.
    @param amount Wei of JOY held here.
    @param daos The DAO registry.
    @param data The call to make with the stake in place.
    """
    extcall joy.stake(amount)
    self._attempt(daos, data)
    extcall joy.request_unstake(amount)


@external
def poke():
    """
    @notice Attack while a proposal that calls this is executed.
    """
    self._attack()


@external
def fail(reason: String[64]):
    """
    @notice Fail as a target of a proposal.
    @param reason Why.
    """
    assert False, reason


@external
@payable
def __default__():
    """
    @notice Take ether, and attack meanwhile; or refuse it.
    """
    assert not self.refuses_ether, "GovernanceAttacker: no ether please"
    self._attack()


@external
@view
@raw_return
def isValidSignature(digest: bytes32, signature: Bytes[1024]) -> Bytes[64]:
    """
    @notice Say what the test asked for (EIP-1271).
    @param digest What was signed.
    @param signature The signature.
    @return Bytes The answer, raw.
    """
    assert len(self.signature_answer) != 0, "GovernanceAttacker: no signature"
    return self.signature_answer


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
        self._attempt(attempt.target, attempt.data)


@internal
def _attempt(target: address, data: Bytes[4096]):
    """
    @dev Make one call and note how it ended.
    @param target Whom to call.
    @param data With what.
    """
    succeeded: bool = False
    response: Bytes[256] = b""
    succeeded, response = raw_call(target, data, max_outsize=256, revert_on_failure=False)
    self._outcomes.append(Outcome(succeeded=succeeded, answer=response))
