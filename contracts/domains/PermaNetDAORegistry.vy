# pragma version ~=0.4.3
# pragma nonreentrancy on
"""
@title PermaNet DAO registry
@custom:contract-name PermaNetDAORegistry
@license GNU Affero General Public License v3.0 only
@author JoyNet contributors
@notice A DAO for each TLD: JOY stakers propose, vote, wait, and have the DAO's executor act.
@dev A proposal is six storage slots: DAO, blocks and state in one word, its rules in
     another, proposer, hash of its calls, and two of votes. The calls themselves are in
     the log `Proposed`. Blocks are counted for votes (ERC-6372), seconds for the timelock.
     `set_rules` and `retire_guardian` are reentrant on purpose: executors call them while
     `execute` runs. They call nothing.
@custom:security Nobody owns this contract. It calls out through the executor of the
        proposal's own DAO only, so no DAO can act as another. Votes are stake at a block
        that is over when voting starts: stake borrowed for a block votes nothing, and a
        moved or delegated stake votes once. No vote can set a delay below `MIN_DELAY`, a
        quorum below `MIN_QUORUM_BPS`, or give a guardian power again. A guardian can
        cancel, until its term ends, and nothing else.
@custom:kill A bad proposal is cancelled by the guardian, or voted down; a queued one waits
        at least `MIN_DELAY`. The rest cannot be stopped: treasuries belong to their DAOs.
"""


# 1. interfaces
from snekmate.utils.interfaces import IERC5267
from ..interfaces import IDaoExecutor
from ..interfaces import IJoyToken
from ..interfaces import IPermaNetDAORegistry
from ..interfaces import ITldRegistry
implements: IERC5267
implements: IPermaNetDAORegistry


# 2. modules
from snekmate.utils import eip712_domain_separator
initializes: eip712_domain_separator


# 3. exports
exports: eip712_domain_separator.eip712Domain


# 4. constants and immutables
MIN_DELAY: public(constant(uint256)) = 86_400  # seconds
MAX_DELAY: public(constant(uint256)) = 30 * 86_400  # seconds
MIN_QUORUM_BPS: public(constant(uint256)) = 400  # basis points of the total stake
MAX_GUARDIAN_TERM: public(constant(uint256)) = 365 * 86_400  # seconds
MIN_VOTING_PERIOD: public(constant(uint256)) = 10  # blocks
MAX_BLOCKS: public(constant(uint256)) = 20_000_000  # of any period
MAX_THRESHOLD: public(constant(uint256)) = 10**7 * 10**18  # wei of votes

JOY: public(immutable(IJoyToken))
TLD_REGISTRY: public(immutable(ITldRegistry))
EXECUTOR_CODE: public(immutable(address))

_BPS: constant(uint256) = 10_000
_AGAINST: constant(uint8) = 0
_FOR: constant(uint8) = 1
_ABSTAIN: constant(uint8) = 2
# @dev States of a proposal, as `state` gives them.
_PENDING: constant(uint8) = 0
_ACTIVE: constant(uint8) = 1
_CANCELLED: constant(uint8) = 2
_DEFEATED: constant(uint8) = 3
_SUCCEEDED: constant(uint8) = 4
_QUEUED: constant(uint8) = 5
_EXPIRED: constant(uint8) = 6
_EXECUTED: constant(uint8) = 7
_VOTE_TYPE_HASH: constant(bytes32) = keccak256(
    "Vote(uint256 proposalId,uint8 support,address voter,uint256 nonce,uint256 deadline)"
)
_VALID_SIGNATURE: constant(bytes4) = 0x1626BA7E  # EIP-1271
# @dev Half the order of secp256k1: a larger s is the malleable twin of a lower one (EIP-2).
_MAX_S: constant(uint256) = (
    57_896_044_618_658_097_711_785_492_504_343_953_926_418_782_139_537_452_191_302_581_570_759_080_747_168
)


# 5. state
struct Member:
    tld: bytes32
    executor: address
    guardian: address
    guardian_until: uint256  # unix seconds
    rules: uint256  # packed, see `_pack_rules`


# @dev What of a proposal changes in its life, in one slot (see `_pack`).
struct Course:
    dao_id: uint256  # bits 0-31
    snapshot: uint256  # bits 32-79, block
    deadline: uint256  # bits 80-127, block
    ready_at: uint256  # bits 128-175, unix seconds; 0: not queued
    is_cancelled: bool  # bit 176
    is_executed: bool  # bit 177


struct Ballot:
    course: uint256  # packed Course
    rules: uint256  # packed, those of when it was made
    proposer: address
    calls_hash: bytes32
    votes: uint256  # for | against << 128, wei of staked JOY
    abstained: uint256  # wei of staked JOY


dao_count: public(uint256)
proposal_count: public(uint256)
dao_of: public(HashMap[bytes32, uint256])
_daos: HashMap[uint256, Member]
_ballots: HashMap[uint256, Ballot]
has_voted: public(HashMap[uint256, HashMap[address, bool]])
vote_nonce: public(HashMap[address, uint256])


# 6. constructor
@deploy
def __init__(joy: IJoyToken, tld_registry: ITldRegistry, executor_code: address):
    """
    @param joy Token whose stake votes.
    @param tld_registry Who says who owns a TLD.
    @param executor_code A deployed DaoExecutor, that all executors are proxies of.
    """
    assert joy.address.is_contract, "PermaNetDAORegistry: no token"
    assert tld_registry.address.is_contract, "PermaNetDAORegistry: no TLD registry"
    assert executor_code.is_contract, "PermaNetDAORegistry: no executor code"
    eip712_domain_separator.__init__("PermaNetDAORegistry", "1")
    JOY = joy
    TLD_REGISTRY = tld_registry
    EXECUTOR_CODE = executor_code


# 7. external, state-changing
@external
def create_dao(
    tld: bytes32,
    rules: IPermaNetDAORegistry.Rules,
    guardian: address,
    guardian_until: uint256,
) -> uint256:
    """
    @notice Create the DAO of a TLD with its executor, which then accepts the TLD that its
            owner has proposed to it. TLD owner only.
    @param tld Node of a TLD; a DAO that it has and that does not own it is replaced.
    @param rules Its rules, within the constants.
    @param guardian Who may cancel proposals for a while; zero for none.
    @param guardian_until Unix seconds, at most MAX_GUARDIAN_TERM from now; 0 for no guardian.
    @return uint256 The DAO id, from 1.
    """
    assert msg.sender == staticcall TLD_REGISTRY.owner_of(tld), (
        "PermaNetDAORegistry: caller is not the TLD owner"
    )
    self._check_rules(rules)
    assert guardian_until <= block.timestamp + MAX_GUARDIAN_TERM, (
        "PermaNetDAORegistry: guardian term too long"
    )
    assert guardian != empty(address) or guardian_until == 0, (
        "PermaNetDAORegistry: guardian term without a guardian"
    )
    dao_id: uint256 = self.dao_count + 1
    self.dao_count = dao_id
    self.dao_of[tld] = dao_id
    executor: address = create_minimal_proxy_to(EXECUTOR_CODE)
    self._daos[dao_id] = Member(
        tld=tld,
        executor=executor,
        guardian=guardian,
        guardian_until=guardian_until,
        rules=self._pack_rules(rules),
    )
    extcall IDaoExecutor(executor).initialise()
    log IPermaNetDAORegistry.DaoCreated(
        dao_id=dao_id,
        tld=tld,
        executor=executor,
        guardian=guardian,
        guardian_until=guardian_until,
    )
    log IPermaNetDAORegistry.RulesSet(dao_id=dao_id, rules=rules)
    return dao_id


@external
def accept_tld(dao_id: uint256):
    """
    @notice Let the executor accept the TLD once its owner has proposed it, and make this
            the TLD's DAO, also if a later one was created meanwhile. Anyone.
    @param dao_id The DAO.
    """
    executor: address = self._executor(dao_id)
    tld: bytes32 = self._daos[dao_id].tld
    self.dao_of[tld] = dao_id
    if staticcall TLD_REGISTRY.owner_of(tld) != executor:
        call: Bytes[36] = abi_encode(tld, method_id=method_id("accept_owner(bytes32)"))
        extcall IDaoExecutor(executor).execute(TLD_REGISTRY.address, 0, call)


@external
def propose(
    dao_id: uint256,
    calls: DynArray[IPermaNetDAORegistry.Call, 8],
    description_digest: bytes32,
) -> uint256:
    """
    @notice Propose calls to be made by the DAO's executor. Needs `proposal_threshold` votes
            at the last block.
    @param dao_id The DAO.
    @param calls 1 to 8 calls.
    @param description_digest SHA-256 of the proposal's text, stored as one raw block.
    @return uint256 The proposal id, from 1.
    """
    self._executor(dao_id)
    assert len(calls) != 0, "PermaNetDAORegistry: no calls"
    packed: uint256 = self._daos[dao_id].rules
    rules: IPermaNetDAORegistry.Rules = self._unpack_rules(packed)
    assert self._last_votes(msg.sender) >= rules.proposal_threshold, (
        "PermaNetDAORegistry: votes below the threshold"
    )
    proposal_id: uint256 = self.proposal_count + 1
    self.proposal_count = proposal_id
    snapshot: uint256 = block.number + rules.voting_delay
    deadline: uint256 = snapshot + rules.voting_period
    self._ballots[proposal_id] = Ballot(
        course=self._pack(
            Course(
                dao_id=dao_id,
                snapshot=snapshot,
                deadline=deadline,
                ready_at=0,
                is_cancelled=False,
                is_executed=False,
            )
        ),
        rules=packed,
        proposer=msg.sender,
        calls_hash=self._hash_calls(calls, description_digest),
        votes=0,
        abstained=0,
    )
    log IPermaNetDAORegistry.Proposed(
        proposal_id=proposal_id,
        dao_id=dao_id,
        proposer=msg.sender,
        calls=calls,
        description_digest=description_digest,
        snapshot=snapshot,
        deadline=deadline,
    )
    return proposal_id


@external
def vote(proposal_id: uint256, support: uint8) -> uint256:
    """
    @notice Vote once on an active proposal.
    @param proposal_id The proposal.
    @param support 0 against, 1 for, 2 abstain.
    @return uint256 The weight: wei of staked JOY at the snapshot.
    """
    return self._vote(proposal_id, msg.sender, support)


@external
def vote_by_signature(
    proposal_id: uint256,
    support: uint8,
    voter: address,
    nonce: uint256,
    deadline: uint256,
    signature: Bytes[1_024],
) -> uint256:
    """
    @notice Hand in the vote of somebody who signed it (EIP-712, or EIP-1271 for contracts).
    @param proposal_id The proposal.
    @param support 0 against, 1 for, 2 abstain.
    @param voter Who signed.
    @param nonce `vote_nonce(voter)`.
    @param deadline Unix seconds after which the signature is void.
    @param signature 65 bytes r ‖ s ‖ v, s in the lower half; what it takes for a contract.
    @return uint256 The weight: wei of staked JOY at the snapshot.
    """
    assert block.timestamp <= deadline, "PermaNetDAORegistry: signature expired"
    assert nonce == self.vote_nonce[voter], "PermaNetDAORegistry: wrong nonce"
    self.vote_nonce[voter] = nonce + 1
    digest: bytes32 = self._hash_vote(proposal_id, support, voter, nonce, deadline)
    assert self._is_signed(voter, digest, signature), "PermaNetDAORegistry: bad signature"
    return self._vote(proposal_id, voter, support)


@external
def queue(proposal_id: uint256) -> uint256:
    """
    @notice Put a proposal that succeeded into the timelock. Anyone.
    @param proposal_id The proposal.
    @return uint256 Unix seconds at which it can be executed.
    """
    course: Course = self._course(proposal_id)
    assert self._state(proposal_id, course) == _SUCCEEDED, (
        "PermaNetDAORegistry: did not succeed"
    )
    rules: IPermaNetDAORegistry.Rules = self._unpack_rules(self._ballots[proposal_id].rules)
    course.ready_at = block.timestamp + rules.execution_delay
    self._ballots[proposal_id].course = self._pack(course)
    log IPermaNetDAORegistry.Queued(proposal_id=proposal_id, ready_at=course.ready_at)
    return course.ready_at


@external
def execute(
    proposal_id: uint256,
    calls: DynArray[IPermaNetDAORegistry.Call, 8],
    description_digest: bytes32,
):
    """
    @notice Make the calls of a queued proposal through the DAO's executor. Anyone. All are
            made or none; a failing one reverts with its target's reason.
    @param proposal_id The proposal.
    @param calls The calls as proposed.
    @param description_digest The digest as proposed.
    """
    course: Course = self._course(proposal_id)
    assert self._state(proposal_id, course) == _QUEUED, "PermaNetDAORegistry: not queued"
    assert block.timestamp >= course.ready_at, "PermaNetDAORegistry: delay not over"
    assert self._hash_calls(calls, description_digest) == (
        self._ballots[proposal_id].calls_hash
    ), "PermaNetDAORegistry: not the calls proposed"
    course.is_executed = True
    self._ballots[proposal_id].course = self._pack(course)
    log IPermaNetDAORegistry.Executed(proposal_id=proposal_id)
    executor: IDaoExecutor = IDaoExecutor(self._executor(course.dao_id))
    for call: IPermaNetDAORegistry.Call in calls:
        extcall executor.execute(call.target, call.amount, call.data)


@external
def cancel(proposal_id: uint256):
    """
    @notice Stop a proposal that was not executed. Its proposer before voting starts, the
            guardian while in office, or anyone when the proposer fell below the threshold.
    @param proposal_id The proposal.
    """
    course: Course = self._course(proposal_id)
    state: uint8 = self._state(proposal_id, course)
    assert state in [_PENDING, _ACTIVE, _SUCCEEDED, _QUEUED], "PermaNetDAORegistry: it is over"
    assert (
        self._is_guardian(course.dao_id, msg.sender)
        or self._may_cancel(proposal_id, state)
    ), "PermaNetDAORegistry: may not cancel"
    course.is_cancelled = True
    self._ballots[proposal_id].course = self._pack(course)
    log IPermaNetDAORegistry.Cancelled(proposal_id=proposal_id, account=msg.sender)


@external
@reentrant
def set_rules(dao_id: uint256, rules: IPermaNetDAORegistry.Rules):
    """
    @notice Change the rules for proposals made from now on. The DAO's executor only.
    @param dao_id The DAO.
    @param rules The rules, within the constants.
    """
    assert msg.sender == self._executor(dao_id), (
        "PermaNetDAORegistry: caller is not the executor"
    )
    self._check_rules(rules)
    self._daos[dao_id].rules = self._pack_rules(rules)
    log IPermaNetDAORegistry.RulesSet(dao_id=dao_id, rules=rules)


@external
@reentrant
def retire_guardian(dao_id: uint256):
    """
    @notice End the guardian's power early. The guardian or the DAO's executor.
    @param dao_id The DAO.
    """
    guardian: address = self._daos[dao_id].guardian
    assert guardian != empty(address), "PermaNetDAORegistry: no guardian"
    assert msg.sender == guardian or msg.sender == self._daos[dao_id].executor, (
        "PermaNetDAORegistry: may not retire the guardian"
    )
    self._daos[dao_id].guardian = empty(address)
    self._daos[dao_id].guardian_until = 0
    log IPermaNetDAORegistry.GuardianRetired(dao_id=dao_id, guardian=guardian)


# 8. external, view
@external
@view
def dao(dao_id: uint256) -> IPermaNetDAORegistry.Dao:
    """
    @notice One DAO.
    @param dao_id The DAO.
    @return Dao The DAO; all zero if there is none.
    """
    member: Member = self._daos[dao_id]
    return IPermaNetDAORegistry.Dao(
        tld=member.tld,
        executor=member.executor,
        guardian=member.guardian,
        guardian_until=member.guardian_until,
        rules=self._unpack_rules(member.rules),
    )


@external
@view
def executor_of(tld: bytes32) -> address:
    """
    @notice The executor of the DAO of a TLD.
    @param tld Node of the TLD.
    @return address The executor; zero for none.
    """
    return self._daos[self.dao_of[tld]].executor


@external
@view
def proposal(proposal_id: uint256) -> IPermaNetDAORegistry.Proposal:
    """
    @notice One proposal.
    @param proposal_id The proposal.
    @return Proposal The proposal; all zero if there is none.
    """
    ballot: Ballot = self._ballots[proposal_id]
    course: Course = self._unpack(ballot.course)
    return IPermaNetDAORegistry.Proposal(
        dao_id=course.dao_id,
        proposer=ballot.proposer,
        calls_hash=ballot.calls_hash,
        snapshot=course.snapshot,
        deadline=course.deadline,
        votes_for=ballot.votes & (2**128 - 1),
        votes_against=ballot.votes >> 128,
        votes_abstain=ballot.abstained,
        ready_at=course.ready_at,
        is_cancelled=course.is_cancelled,
        is_executed=course.is_executed,
    )


@external
@view
def state(proposal_id: uint256) -> uint8:
    """
    @notice Where a proposal is in its life.
    @param proposal_id The proposal.
    @return uint8 0 pending, 1 active, 2 cancelled, 3 defeated, 4 succeeded, 5 queued,
            6 expired, 7 executed.
    """
    return self._state(proposal_id, self._course(proposal_id))


@external
@view
def quorum(proposal_id: uint256) -> uint256:
    """
    @notice Votes for and abstaining that a proposal needs. Reverts until its snapshot is a
            past block.
    @param proposal_id The proposal.
    @return uint256 Wei of staked JOY.
    """
    return self._quorum(proposal_id, self._course(proposal_id).snapshot)


@external
@view
def rules_of(proposal_id: uint256) -> IPermaNetDAORegistry.Rules:
    """
    @notice The rules that a proposal was made under.
    @param proposal_id The proposal.
    @return Rules The rules.
    """
    return self._unpack_rules(self._ballots[proposal_id].rules)


@external
@pure
def hash_calls(
    calls: DynArray[IPermaNetDAORegistry.Call, 8], description_digest: bytes32
) -> bytes32:
    """
    @notice What is stored of a proposal's calls: keccak256(abi.encode(calls, digest)).
    @param calls The calls.
    @param description_digest SHA-256 of the proposal's text.
    @return bytes32 The hash.
    """
    return self._hash_calls(calls, description_digest)


@external
@view
def hash_vote(
    proposal_id: uint256, support: uint8, voter: address, nonce: uint256, deadline: uint256
) -> bytes32:
    """
    @notice The EIP-712 signing hash of a vote.
    @param proposal_id The proposal.
    @param support 0 against, 1 for, 2 abstain.
    @param voter Who votes.
    @param nonce `vote_nonce(voter)`.
    @param deadline Unix seconds after which the signature is void.
    @return bytes32 The hash to sign.
    """
    return self._hash_vote(proposal_id, support, voter, nonce, deadline)


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


# 9. internal: voting
@internal
def _vote(proposal_id: uint256, voter: address, support: uint8) -> uint256:
    """
    @dev Count a vote. One that makes the quorum late keeps the voting open a while.
    @param proposal_id The proposal.
    @param voter Who votes.
    @param support 0 against, 1 for, 2 abstain.
    @return uint256 The weight.
    """
    course: Course = self._course(proposal_id)
    assert self._state(proposal_id, course) == _ACTIVE, "PermaNetDAORegistry: not active"
    assert support <= _ABSTAIN, "PermaNetDAORegistry: no such vote"
    assert not self.has_voted[proposal_id][voter], "PermaNetDAORegistry: has voted"
    weight: uint256 = staticcall JOY.getPastVotes(voter, course.snapshot)
    assert weight != 0, "PermaNetDAORegistry: no votes at the snapshot"
    self.has_voted[proposal_id][voter] = True
    if support == _ABSTAIN:
        self._ballots[proposal_id].abstained += weight
    elif support == _FOR:
        self._ballots[proposal_id].votes += weight
    else:
        self._ballots[proposal_id].votes += weight << 128
    log IPermaNetDAORegistry.VoteCast(
        proposal_id=proposal_id, voter=voter, support=support, weight=weight
    )
    if support != _AGAINST:
        self._keep_open(proposal_id, course, weight)
    return weight


@internal
def _keep_open(proposal_id: uint256, course: Course, weight: uint256):
    """
    @dev If the last vote made the quorum and little time is left, give all others a while
         to answer. It happens once: the quorum is made once.
    @param proposal_id The proposal.
    @param course Its course.
    @param weight Votes that were just added for it or abstaining.
    """
    rules: IPermaNetDAORegistry.Rules = self._unpack_rules(self._ballots[proposal_id].rules)
    deadline: uint256 = block.number + rules.late_quorum_extension
    if deadline <= course.deadline:
        return
    turnout: uint256 = self._turnout(proposal_id)
    needed: uint256 = self._quorum(proposal_id, course.snapshot)
    if turnout >= needed and turnout - weight < needed:
        course.deadline = deadline
        self._ballots[proposal_id].course = self._pack(course)
        log IPermaNetDAORegistry.DeadlineExtended(proposal_id=proposal_id, deadline=deadline)


@internal
@view
def _state(proposal_id: uint256, course: Course) -> uint8:
    """
    @dev Where a proposal is in its life.
    @param proposal_id The proposal.
    @param course Its course.
    @return uint8 One of the states.
    """
    if course.is_cancelled:
        return _CANCELLED
    if course.is_executed:
        return _EXECUTED
    if block.number <= course.snapshot:
        return _PENDING
    if block.number <= course.deadline:
        return _ACTIVE
    if course.ready_at != 0:
        rules: IPermaNetDAORegistry.Rules = self._unpack_rules(
            self._ballots[proposal_id].rules
        )
        if block.timestamp > course.ready_at + rules.grace_period:
            return _EXPIRED
        return _QUEUED
    votes: uint256 = self._ballots[proposal_id].votes
    is_for: bool = votes & (2**128 - 1) > votes >> 128
    if is_for and self._turnout(proposal_id) >= self._quorum(proposal_id, course.snapshot):
        return _SUCCEEDED
    return _DEFEATED


@internal
@view
def _turnout(proposal_id: uint256) -> uint256:
    """
    @dev Votes that count for the quorum.
    @param proposal_id The proposal.
    @return uint256 Wei of staked JOY, for and abstaining.
    """
    votes: uint256 = self._ballots[proposal_id].votes
    return (votes & (2**128 - 1)) + self._ballots[proposal_id].abstained


@internal
@view
def _quorum(proposal_id: uint256, snapshot: uint256) -> uint256:
    """
    @dev Turnout that a proposal needs, rounded up.
    @param proposal_id The proposal.
    @param snapshot Block, past.
    @return uint256 Wei of staked JOY.
    """
    rules: IPermaNetDAORegistry.Rules = self._unpack_rules(self._ballots[proposal_id].rules)
    total: uint256 = staticcall JOY.getPastTotalSupply(snapshot)
    return (total * rules.quorum_bps + _BPS - 1) // _BPS


@internal
@view
def _last_votes(account: address) -> uint256:
    """
    @dev Votes at the last block that is over.
    @param account The account.
    @return uint256 Wei of staked JOY.
    """
    return staticcall JOY.getPastVotes(account, block.number - 1)


@internal
@view
def _may_cancel(proposal_id: uint256, state: uint8) -> bool:
    """
    @dev Whether the caller may cancel without being guardian.
    @param proposal_id The proposal.
    @param state Its state.
    @return bool True for the proposer before voting, for anyone if the proposer has fewer
            votes than the threshold under which it proposed.
    """
    proposer: address = self._ballots[proposal_id].proposer
    if msg.sender == proposer and state == _PENDING:
        return True
    rules: IPermaNetDAORegistry.Rules = self._unpack_rules(self._ballots[proposal_id].rules)
    return self._last_votes(proposer) < rules.proposal_threshold


@internal
@view
def _is_guardian(dao_id: uint256, account: address) -> bool:
    """
    @dev Whether an account is the guardian in office.
    @param dao_id The DAO.
    @param account The account.
    @return bool True strictly before the end of its term.
    """
    return (
        account == self._daos[dao_id].guardian
        and block.timestamp < self._daos[dao_id].guardian_until
    )


# 9. internal: signatures
@internal
@view
def _is_signed(signer: address, digest: bytes32, signature: Bytes[1_024]) -> bool:
    """
    @dev Whether an account signed: with its key, or as a contract (EIP-1271).
    @param signer The account; zero signs nothing.
    @param digest What was to be signed.
    @param signature The signature.
    @return bool False for every malformed signature too.
    """
    if len(signature) == 65 and signer != empty(address):
        v: uint256 = convert(slice(signature, 64, 1), uint256)
        s: uint256 = convert(extract32(signature, 32), uint256)
        if s <= _MAX_S and (v == 27 or v == 28):
            if ecrecover(digest, v, extract32(signature, 0), s) == signer:
                return True
    if not signer.is_contract:
        return False
    succeeded: bool = False
    answer: Bytes[32] = b""
    succeeded, answer = raw_call(
        signer,
        abi_encode(digest, signature, method_id=_VALID_SIGNATURE),
        max_outsize=32,
        is_static_call=True,
        revert_on_failure=False,
    )
    return succeeded and len(answer) == 32 and convert(answer, bytes32) == convert(
        _VALID_SIGNATURE, bytes32
    )


@internal
@view
def _hash_vote(
    proposal_id: uint256, support: uint8, voter: address, nonce: uint256, deadline: uint256
) -> bytes32:
    """
    @dev The EIP-712 signing hash of a vote.
    @param proposal_id The proposal.
    @param support 0 against, 1 for, 2 abstain.
    @param voter Who votes.
    @param nonce The voter's next nonce.
    @param deadline Unix seconds.
    @return bytes32 keccak256(0x1901 || domain || struct).
    """
    return eip712_domain_separator._hash_typed_data_v4(
        keccak256(abi_encode(_VOTE_TYPE_HASH, proposal_id, support, voter, nonce, deadline))
    )


@internal
@pure
def _hash_calls(
    calls: DynArray[IPermaNetDAORegistry.Call, 8], description_digest: bytes32
) -> bytes32:
    """
    @dev What is stored of a proposal's calls.
    @param calls The calls.
    @param description_digest SHA-256 of the proposal's text.
    @return bytes32 The hash.
    """
    return keccak256(abi_encode(calls, description_digest))


# 9. internal: storage
@internal
@view
def _executor(dao_id: uint256) -> address:
    """
    @dev The executor of a DAO that must exist.
    @param dao_id The DAO.
    @return address The executor.
    """
    executor: address = self._daos[dao_id].executor
    assert executor != empty(address), "PermaNetDAORegistry: no such DAO"
    return executor


@internal
@view
def _course(proposal_id: uint256) -> Course:
    """
    @dev The course of a proposal that must exist.
    @param proposal_id The proposal.
    @return Course Its course.
    """
    course: Course = self._unpack(self._ballots[proposal_id].course)
    assert course.dao_id != 0, "PermaNetDAORegistry: no such proposal"
    return course


@internal
@pure
def _check_rules(rules: IPermaNetDAORegistry.Rules):
    """
    @dev Hold rules within the constants.
    @param rules The rules.
    """
    assert rules.voting_delay >= 1 and rules.voting_delay <= MAX_BLOCKS, (
        "PermaNetDAORegistry: voting delay out of range"
    )
    assert rules.voting_period >= MIN_VOTING_PERIOD and rules.voting_period <= MAX_BLOCKS, (
        "PermaNetDAORegistry: voting period out of range"
    )
    assert rules.late_quorum_extension <= rules.voting_period, (
        "PermaNetDAORegistry: late quorum extension out of range"
    )
    assert rules.execution_delay >= MIN_DELAY and rules.execution_delay <= MAX_DELAY, (
        "PermaNetDAORegistry: execution delay out of range"
    )
    assert rules.grace_period >= MIN_DELAY and rules.grace_period <= MAX_DELAY, (
        "PermaNetDAORegistry: grace period out of range"
    )
    assert rules.proposal_threshold >= 1 and rules.proposal_threshold <= MAX_THRESHOLD, (
        "PermaNetDAORegistry: threshold out of range"
    )
    assert rules.quorum_bps >= MIN_QUORUM_BPS and rules.quorum_bps <= _BPS, (
        "PermaNetDAORegistry: quorum out of range"
    )


@internal
@pure
def _pack_rules(rules: IPermaNetDAORegistry.Rules) -> uint256:
    """
    @dev Write rules as one word. They are checked, so every field fits.
    @param rules The rules.
    @return uint256 The word.
    """
    return (
        rules.voting_delay
        | (rules.voting_period << 32)
        | (rules.late_quorum_extension << 64)
        | (rules.execution_delay << 96)
        | (rules.grace_period << 120)
        | (rules.quorum_bps << 144)
        | (rules.proposal_threshold << 160)
    )


@internal
@pure
def _unpack_rules(word: uint256) -> IPermaNetDAORegistry.Rules:
    """
    @dev Read rules back from their word.
    @param word The word.
    @return Rules The rules; all zero for a DAO that does not exist.
    """
    return IPermaNetDAORegistry.Rules(
        voting_delay=word & (2**32 - 1),
        voting_period=(word >> 32) & (2**32 - 1),
        late_quorum_extension=(word >> 64) & (2**32 - 1),
        execution_delay=(word >> 96) & (2**24 - 1),
        grace_period=(word >> 120) & (2**24 - 1),
        proposal_threshold=word >> 160,
        quorum_bps=(word >> 144) & (2**16 - 1),
    )


@internal
@pure
def _pack(course: Course) -> uint256:
    """
    @dev Write a course as one word.
    @param course The course.
    @return uint256 The word.
    """
    return (
        course.dao_id
        | (course.snapshot << 32)
        | (course.deadline << 80)
        | (course.ready_at << 128)
        | (convert(course.is_cancelled, uint256) << 176)
        | (convert(course.is_executed, uint256) << 177)
    )


@internal
@pure
def _unpack(word: uint256) -> Course:
    """
    @dev Read a course back from its word.
    @param word The word.
    @return Course The course; all zero for a proposal that does not exist.
    """
    return Course(
        dao_id=word & (2**32 - 1),
        snapshot=(word >> 32) & (2**48 - 1),
        deadline=(word >> 80) & (2**48 - 1),
        ready_at=(word >> 128) & (2**48 - 1),
        is_cancelled=(word >> 176) & 1 == 1,
        is_executed=(word >> 177) & 1 == 1,
    )
