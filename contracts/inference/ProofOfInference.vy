# pragma version ~=0.4.3
# pragma nonreentrancy on
# pragma optimize codesize
"""
@title Proof of inference
@custom:contract-name ProofOfInference
@license GNU Affero General Public License v3.0 only
@author JoyNet contributors
@notice Runs committee jobs: nodes are drawn by stake, commit to an output, reveal it, and the
        majority's output is paid for. A node that revealed another output of an `exact` model
        is slashed, unless it escalates to a fresh committee that sides with it.
        Normative text: docs/spec/committee.md.
@dev JOY held here is, to the wei: balances + fees + for every open job its seats x max_fee,
     price and (before the draw) draw bond + the escrow of open escalations. Bonds of members
     stay in JoyToken, locked by NodeCoordinator.
     A job keeps to the NodeCoordinator and ModelMarketplace it started with (its route), so
     that a change of links cannot strand it. Deadlines are kept in the breaker's clock.
@custom:security The owner can replace links after a delay and pause requests and draws for a
        bounded time. The owner cannot touch a job, a bond or a balance, or stop an exit.
        JoyToken must keep a NodeCoordinator admitted until the last job on it is over.
        Randomness is a block hash mixed with a salt that the client committed to before:
        who makes blocks can steer the draw of an escalation, which has no salt, and whoever
        also knows the salt any draw. See docs/spec/committee.md, "Randomness".
@custom:kill Call `pause()`: `request`, `draw` and fresh committees stop, deadlines stand still;
        commit, reveal, propose, finalise, expire, escalate, settle and claim go on.
"""


# 1. interfaces
from ethereum.ercs import IERC20
from ..interfaces import IJoyToken
from ..interfaces import IModelMarketplace
from ..interfaces import INodeCoordinator
from ..interfaces import IProofOfInference
implements: IProofOfInference


# @dev The start of what `NodeCoordinator.node` answers; the strings behind it are not decoded.
struct NodeStart:
    offset: uint256
    vault: address
    operator: address
    payout: address


interface ICoordinator:
    def node(node_id: uint256) -> NodeStart: view
    def link(name: String[32]) -> address: view
    def paused_seconds() -> uint256: view


# 2. modules
from snekmate.auth import ownable
initializes: ownable

from ..modules import circuit_breaker
initializes: circuit_breaker[ownable := ownable]

from ..modules import links
initializes: links[ownable := ownable]

from ..modules import job_store
initializes: job_store

from ..modules import committee_vote
initializes: committee_vote[job_store := job_store]

from ..modules import committee_draw


# 3. exports
exports: (
    ownable.owner,
    ownable.transfer_ownership,
    circuit_breaker.guardian,
    circuit_breaker.set_guardian,
    circuit_breaker.pause,
    circuit_breaker.unpause,
    circuit_breaker.paused,
    circuit_breaker.paused_until,
    circuit_breaker.paused_seconds,
    links.LINK_DELAY,
    links.set_link,
    links.propose_link,
    links.cancel_link,
    links.apply_link,
    links.link,
    links.pending_link,
    job_store.job_count,
)


# 4. constants and immutables
MAX_N: constant(uint256) = 21
MAX_SEATS: constant(uint256) = job_store.MAX_SEATS
MAX_CANDIDATES: constant(uint256) = committee_draw.MAX_CANDIDATES
_DRAW_DELAY: constant(uint256) = 2  # blocks from the request to the block that decides
_DRAW_BLOCKS: constant(uint256) = 256  # blocks in which its hash can be read
UNAVAILABLE: public(constant(bytes32)) = keccak256("joynet.unavailable")
SLASH_REWARD_BPS: constant(uint256) = 2_500  # of a slash; the rest is burned
_MAX_FEE_BPS: constant(uint256) = 500
_MIN_CHALLENGE: constant(uint256) = 3_600  # seconds
_MIN_WINDOW: constant(uint256) = 10  # seconds
_BPS: constant(uint256) = 10_000
_MAX_PART: constant(uint256) = 2**88  # JOY wei; above the supply, and a bond fits 96 bits

_EXACT: constant(uint256) = 0
_TOLERANT: constant(uint256) = 1

_REQUESTED: constant(uint256) = 1
_COMMIT: constant(uint256) = 2
_REVEAL: constant(uint256) = 3
_PROPOSE: constant(uint256) = 4
_READY: constant(uint256) = 5
_DISPUTED: constant(uint256) = 6
_SETTLED: constant(uint256) = 7
_REFUNDED: constant(uint256) = 8
_LAPSED: constant(uint256) = 9

_DRAWN: constant(uint256) = 0
_COMMITTED: constant(uint256) = 1
_REVEALED: constant(uint256) = 2
_ABSTAINED: constant(uint256) = 3
_SLASHED: constant(uint256) = 4

_TOO_FEW_SEATS: constant(uint256) = 1
_DRAW_MISSED: constant(uint256) = 2
_UNAVAILABLE: constant(uint256) = 3
_NO_QUORUM: constant(uint256) = 4

JOY: public(immutable(IERC20))
WINDOWS: public(immutable(IProofOfInference.Windows))
TERMS: public(immutable(IProofOfInference.Terms))


# 5. state
struct Route:
    coordinator: INodeCoordinator
    market: IModelMarketplace


# @dev Job -> its escalation.
_disputes: HashMap[uint256, IProofOfInference.Dispute]
# @dev Links that jobs started with.
_routes: DynArray[Route, 65_535]
# @dev Account -> JOY wei to claim.
claimable: public(HashMap[address, uint256])
# @dev Platform fees not flushed yet, JOY wei.
fees: public(uint256)


# 6. constructor
@deploy
def __init__(
    joy: IERC20,
    windows: IProofOfInference.Windows,
    terms: IProofOfInference.Terms,
    link_delay: uint256,
    guardian: address,
    outflow_bps: uint256,
    outflow_floor: uint256,
):
    """
    @param joy JoyToken.
    @param windows Seconds of each phase.
    @param terms Bonds and fees.
    @param link_delay Seconds before a link in use changes.
    @param guardian Account that may pause besides the owner.
    @param outflow_bps Basis points of the holdings that may leave in one epoch.
    @param outflow_floor JOY wei that may always leave in one epoch.
    """
    assert min(windows.commit, min(windows.reveal, windows.propose)) >= _MIN_WINDOW, (
        "ProofOfInference: window too short"
    )
    assert windows.challenge >= _MIN_CHALLENGE, "ProofOfInference: challenge too short"
    assert windows.escalation >= windows.challenge, "ProofOfInference: escalation too short"
    assert terms.fee_bps <= _MAX_FEE_BPS, "ProofOfInference: fee too high"
    assert terms.min_bond > 0 and terms.min_bond < _MAX_PART, (
        "ProofOfInference: bond out of range"
    )
    ownable.__init__()
    circuit_breaker.__init__(guardian, outflow_bps, outflow_floor)
    links.__init__(link_delay)
    JOY = joy
    WINDOWS = windows
    TERMS = terms


# 7. external, state-changing: request and draw
@external
def request(
    model_id: bytes32,
    input: Bytes[4096],
    input_digest: bytes32,
    input_cid: String[64],
    n: uint256,
    max_fee: uint256,
    salt_commitment: bytes32,
) -> uint256:
    """
    @notice Order an answer from a committee. Pulls n x max_fee + the model's
            price + the draw bond, in JOY.
    @param model_id An active model of class exact or tolerant.
    @param input The input bytes; empty if given by CID.
    @param input_digest sha256 of the input bytes.
    @param input_cid CID of an input that is not inline; empty otherwise.
    @param n Seats, odd, at most 21.
    @param max_fee JOY wei for each member on the winning side.
    @param salt_commitment keccak256 of a 32-byte salt that only the client knows.
    @return uint256 The job id, counted from 1.
    """
    circuit_breaker._require_not_paused()
    job_store._require(n % 2 == 1 and n <= MAX_N, "n must be odd and at most 21")
    job_store._require((len(input) > 0) != (len(input_cid) > 0), "give the input or its CID")
    if len(input) > 0:
        job_store._require(sha256(input) == input_digest, "input digest mismatch")
    listing: IModelMarketplace.Listing = staticcall IModelMarketplace(
        links._link("ModelMarketplace")
    ).listing(model_id)
    job_store._require(listing.active, "model is not listed")
    verification: uint256 = convert(listing.verification, uint256)
    job_store._require(verification <= _TOLERANT, "class has no committee")
    job_id: uint256 = self._open(
        0,
        msg.sender,
        n,
        max_fee,
        listing.price,
        model_id,
        input_digest,
        salt_commitment,
        verification,
        convert(listing.tolerance, uint256),
        input,
        input_cid,
    )
    job_store._require(job_id != 0, "too few candidates")
    self._pull(msg.sender, n * max_fee + listing.price + TERMS.draw_bond)
    return job_id


@external
def draw(
    job_id: uint256,
    salt: bytes32,
    candidates: DynArray[INodeCoordinator.Candidate, MAX_CANDIDATES],
):
    """
    @notice Draw the members, by anyone who knows the salt, from request block + 3 to + 258.
    @param job_id A requested job.
    @param salt The committed salt; zero for an escalation.
    @param candidates As emitted in `Requested`.
    """
    circuit_breaker._require_not_paused()
    head: job_store.Head = self._in_status(job_id, _REQUESTED)
    deciding: uint256 = head.request_block + _DRAW_DELAY
    job_store._require(block.number > deciding, "too early to draw")
    job_store._require(block.number <= deciding + _DRAW_BLOCKS, "draw missed")
    seal: bytes32 = self._seal(keccak256(salt), candidates)
    job_store._require(
        seal == job_store._records[job_id].seal, "wrong salt or candidates"
    )

    seed: bytes32 = keccak256(concat(blockhash(deciding), convert(job_id, bytes32), salt))
    bond: uint256 = job_store._bond(job_id)
    coordinator: INodeCoordinator = self._routes[head.route].coordinator
    drawn: DynArray[uint256, MAX_SEATS] = committee_draw._draw(
        seed, candidates, head.n, bond, coordinator
    )
    self._give_back(job_id, head.parent, self._draw_bond(head))
    if len(drawn) < head.n:
        self._refund(job_id, head, _TOO_FEW_SEATS, 0)
        return

    head.status = _COMMIT
    head.deadline = circuit_breaker._clock() + WINDOWS.commit
    job_store._save(job_id, head)
    node_ids: DynArray[uint256, MAX_SEATS] = []
    for index: uint256 in drawn:
        candidate: INodeCoordinator.Candidate = candidates[index]
        job_store._add_seat(
            job_id, len(node_ids), candidate.vault, candidate.node_id, candidate.operator
        )
        node_ids.append(candidate.node_id)
        extcall coordinator.lock_bond(candidate.vault, bond)
    log IProofOfInference.Drawn(
        job_id=job_id, seed=seed, node_ids=node_ids, deadline=self._unix(head.deadline)
    )


@external
def expire(job_id: uint256):
    """
    @notice Close a job whose draw was missed. Its draw bond is burned, the rest refunded.
            If a pause came in between, the draw bond is refunded too.
    @param job_id A requested job, after request block + 258.
    """
    head: job_store.Head = self._in_status(job_id, _REQUESTED)
    job_store._require(
        block.number > head.request_block + _DRAW_DELAY + _DRAW_BLOCKS,
        "draw not missed yet",
    )
    draw_bond: uint256 = self._draw_bond(head)
    if self._paused_seconds(head.route) == head.deadline:
        self._burn(draw_bond)
    else:
        self._give_back(job_id, head.parent, draw_bond)
    self._refund(job_id, head, _DRAW_MISSED, 0)


# 7. external, state-changing: the committee's work
@external
def commit(job_id: uint256, commitment: bytes32):
    """
    @notice Commit to an output, by a member's operator.
    @param job_id A job in its commit window.
    @param commitment keccak256(abi.encode(operator, job_id, model_id, digest, salt, chainid,
           this)); digest is sha256(output) or UNAVAILABLE.
    """
    head: job_store.Head = self._in_status(job_id, _COMMIT)
    index: uint256 = job_store._index_of(job_id, head.n, msg.sender)
    seat: job_store.Seat = job_store._seat(job_id, index)
    job_store._require(seat.state == _DRAWN, "committed before")
    job_store._mark(job_id, index, _COMMITTED, commitment)
    head.committed += 1
    if head.committed == head.n:
        head.status = _REVEAL
        head.deadline = circuit_breaker._clock() + WINDOWS.reveal
    job_store._save(job_id, head)
    log IProofOfInference.Committed(
        job_id=job_id, node_id=seat.node_id, commitment=commitment
    )


@external
def reveal(job_id: uint256, output: Bytes[2048], salt: bytes32):
    """
    @notice Open the caller's commitment and publish the output.
    @param job_id A job in its reveal window.
    @param output The output bytes.
    @param salt Salt of the commitment.
    """
    digest: bytes32 = sha256(output)
    node_id: uint256 = self._reveal(job_id, digest, salt)
    log IProofOfInference.Revealed(
        job_id=job_id, node_id=node_id, digest=digest, output=output
    )


@external
def reveal_unavailable(job_id: uint256, salt: bytes32):
    """
    @notice Open the caller's commitment to UNAVAILABLE.
    @param job_id A job in its reveal window.
    @param salt Salt of the commitment.
    """
    node_id: uint256 = self._reveal(job_id, UNAVAILABLE, salt)
    log IProofOfInference.RevealedUnavailable(job_id=job_id, node_id=node_id)


@external
def propose(job_id: uint256, seat: uint256, outputs: DynArray[Bytes[2048], MAX_N]):
    """
    @notice Propose a winner of a tolerant job, by anyone. Replaces a proposal with less support.
    @param job_id A job in its propose window.
    @param seat The proposed member.
    @param outputs One per seat: what was revealed, empty where no output was.
    """
    head: job_store.Head = self._in_status(job_id, _PROPOSE)
    tally: committee_vote.Tally = committee_vote._propose(job_id, head, seat, outputs)
    if tally.support == head.revealed - head.unavailable:
        head.status = _READY  # nothing can have more
    job_store._save(job_id, head)
    log IProofOfInference.Proposed(
        job_id=job_id, seat=seat, support=tally.support, supporters=tally.supporters
    )


@external
def finalise(job_id: uint256):
    """
    @notice Decide a job that is ready and pay or refund, by anyone.
    @param job_id The job.
    """
    head: job_store.Head = self._in_status(job_id, _READY)
    tally: committee_vote.Tally = empty(committee_vote.Tally)
    if head.verification == _EXACT:
        tally = committee_vote._majority(job_id, head.n)
    else:
        tally = committee_vote._best_proposal(job_id)
    if tally.support * 2 > head.n:
        self._pay(job_id, head, tally)
    elif head.unavailable * 2 > head.n:
        self._abandon(job_id, head, _UNAVAILABLE)
    else:
        self._abandon(job_id, head, _NO_QUORUM)


# 7. external, state-changing: disputes
@external
def escalate(job_id: uint256) -> uint256:
    """
    @notice Ask a fresh committee of 2n + 1, by vault or operator of a member of this job, or of
            one that this job judged, whose digest lost. Pulls `job(job_id).bond` JOY from the
            vault, which approved it.
    @param job_id A disputed job in its challenge window.
    @return uint256 The fresh committee's job id; 0 if one must be called later by `convene`.
    """
    head: job_store.Head = self._in_status(job_id, _DISPUTED)
    job_store._require(self._disputes[job_id].vault == empty(address), "escalated before")
    now: uint256 = circuit_breaker._clock()
    job_store._require(now <= head.deadline, "challenge is over")
    accused: job_store.Seat = self._accused(job_id, msg.sender)
    bond: uint256 = job_store._bond(job_id)
    self._pull(accused.vault, bond)
    self._disputes[job_id] = IProofOfInference.Dispute(
        vault=accused.vault,
        digest=accused.digest,
        escalation=0,
        escrow=bond,
        owed=0,
    )
    head.deadline = now + WINDOWS.escalation
    job_store._save(job_id, head)
    log IProofOfInference.Escalated(
        job_id=job_id, vault=accused.vault, bond=bond, deadline=self._unix(head.deadline)
    )
    return self._convene(job_id, head)


@external
def convene(job_id: uint256) -> uint256:
    """
    @notice Call the fresh committee of an escalated job again, by anyone, when there was none
            or the last one did not decide.
    @param job_id A disputed job that was escalated, in its escalation window.
    @return uint256 The fresh committee's job id.
    """
    head: job_store.Head = self._in_status(job_id, _DISPUTED)
    escalation: uint256 = self._convene(job_id, head)
    job_store._require(escalation != 0, "no fresh committee now")
    return escalation


@external
def settle(job_id: uint256):
    """
    @notice End a dispute whose time has come: frees the bonds of the right, ends the
            escalation bond; the wrong can be slashed from now on. By anyone.
    @param job_id A disputed job.
    """
    self._settle(job_id, empty(bytes32))


@external
def settle_by_proof(job_id: uint256, digest: bytes32):
    """
    @notice Settle a dispute for good with a digest that is proven. Linked ProvenInference only.
    @param job_id A disputed job, escalated or not.
    @param digest sha256 of the proven output.
    """
    job_store._require(msg.sender == links._link("ProvenInference"), "not ProvenInference")
    self._settle(job_id, digest)


@external
def execute_slash(job_id: uint256, seat: uint256):
    """
    @notice Slash a member whose digest lost in the end, by anyone. Settles the job first.
    @param job_id An exact job.
    @param seat The member.
    """
    if job_store._head(job_id).status == _DISPUTED:
        self._settle(job_id, empty(bytes32))
    head: job_store.Head = job_store._head(job_id)
    accused: job_store.Seat = job_store._seat(job_id, seat)
    winner: bytes32 = job_store._records[job_id].seal
    job_store._require(
        head.status == _SETTLED
        and head.verification == _EXACT
        and accused.state == _REVEALED
        and accused.digest != winner,
        "nothing to slash",
    )
    job_store._mark(job_id, seat, _SLASHED, accused.digest)

    bond: uint256 = job_store._bond(job_id)
    before: uint256 = self._holdings()
    slashed: uint256 = extcall self._routes[head.route].coordinator.slash_bond(
        accused.vault, bond, self, bond * SLASH_REWARD_BPS // _BPS
    )
    reward: uint256 = self._holdings() - before
    self._report(head.route, accused.node_id, False)
    self._share_reward(job_id, head.n, winner, reward)
    log IProofOfInference.Slashed(
        job_id=job_id, node_id=accused.node_id, amount=slashed, rewarded=reward
    )


# 7. external, state-changing: payments
@external
def claim() -> uint256:
    """
    @notice Send the caller its balance.
    @return uint256 JOY wei sent; the outflow limit may hold back the rest until later.
    """
    return self._claim(msg.sender)


@external
def claim_for(account: address) -> uint256:
    """
    @notice Send an account its balance; anyone may pay the gas.
    @param account The receiver.
    @return uint256 JOY wei sent; the outflow limit may hold back the rest until later.
    """
    return self._claim(account)


@external
def flush_fees() -> uint256:
    """
    @notice Hand the collected platform fees to JoyToken's stakers, by anyone.
    @return uint256 JOY wei handed over.
    """
    amount: uint256 = self.fees
    self.fees = 0
    extcall IJoyToken(JOY.address).add_rewards(amount)
    log IProofOfInference.FeesFlushed(amount=amount)
    return amount


# 8. external, view
@external
@view
@reentrant
def job(job_id: uint256) -> IProofOfInference.Job:
    """
    @notice Look up one job.
    @param job_id Counted from 1.
    @return Job The record; all zero if there is no such job.
    """
    record: job_store.Record = job_store._records[job_id]
    if record.head == 0:
        return empty(IProofOfInference.Job)
    head: job_store.Head = self._current(job_id)
    deadline: uint256 = 0
    winner: bytes32 = empty(bytes32)
    if head.status in [_COMMIT, _REVEAL, _PROPOSE, _DISPUTED]:
        deadline = self._unix(head.deadline)
    if head.status in [_DISPUTED, _SETTLED, _LAPSED]:
        winner = record.seal
    return IProofOfInference.Job(
        client=job_store._client(job_id),
        model_id=record.model_id,
        input_digest=record.input_digest,
        verification=head.verification,
        tolerance=head.tolerance,
        status=head.status,
        deadline=deadline,
        n=head.n,
        committed=head.committed,
        revealed=head.revealed,
        unavailable=head.unavailable,
        max_fee=record.payer >> 160,
        price=record.amounts >> 96,
        bond=record.amounts & job_store.MAX_AMOUNT,
        request_block=head.request_block,
        parent=head.parent,
        winner=winner,
    )


@external
@view
@reentrant
def members(job_id: uint256) -> DynArray[IProofOfInference.Member, MAX_SEATS]:
    """
    @notice The committee, in seat order.
    @param job_id The job.
    @return DynArray The members; empty before the draw.
    """
    result: DynArray[IProofOfInference.Member, MAX_SEATS] = []
    for i: uint256 in range(MAX_SEATS):
        seat: job_store.Seat = job_store._seat(job_id, i)
        if seat.vault == empty(address):
            break
        result.append(
            IProofOfInference.Member(
                node_id=seat.node_id,
                vault=seat.vault,
                operator=job_store._seats[job_id][i].operator,
                state=seat.state,
                digest=seat.digest,
            )
        )
    return result


@external
@view
@reentrant
def dispute(job_id: uint256) -> IProofOfInference.Dispute:
    """
    @notice The escalation of a job.
    @param job_id The job.
    @return Dispute All zero if it was not escalated.
    """
    return self._disputes[job_id]


@external
@view
@reentrant
def proposal(job_id: uint256) -> (uint256, uint256, uint256):
    """
    @notice The leading proposal of a tolerant job.
    @param job_id The job.
    @return uint256 Seat of the proposed member.
    @return uint256 Support; 0: there is no proposal.
    @return uint256 Supporters, bit i is seat i.
    """
    packed: uint256 = committee_vote._proposals[job_id]
    return (packed >> 64) & 255, packed >> 128, packed & (2**64 - 1)


@external
@view
@reentrant
def bond_of(n: uint256, max_fee: uint256, price: uint256) -> uint256:
    """
    @notice The bond of a seat: the model's price and twice what a fresh committee of 2n + 1 would
            cost, at least the terms' minimum. A quorum so locks more than the job is worth.
    @param n Seats.
    @param max_fee JOY wei per member.
    @param price JOY wei, the model's part.
    @return uint256 JOY wei.
    """
    return self._bond(n, max_fee, price)


# 9. internal: opening a job
@internal
def _open(
    parent: uint256,
    client: address,
    n: uint256,
    max_fee: uint256,
    price: uint256,
    model_id: bytes32,
    input_digest: bytes32,
    salt_commitment: bytes32,
    verification: uint256,
    tolerance: uint256,
    input: Bytes[4096],
    input_cid: String[64],
) -> uint256:
    """
    @dev Store and announce a job, if there are candidates enough.
    @param parent Job that it judges; 0: a client's job.
    @param client Who pays.
    @param n Seats.
    @param max_fee JOY wei per member.
    @param price JOY wei, the model's part.
    @param model_id The model.
    @param input_digest sha256 of the input.
    @param salt_commitment keccak256 of the draw's salt.
    @param verification The class.
    @param tolerance L-infinity distance over int16.
    @param input The input, if inline.
    @param input_cid Its CID, if not.
    @return uint256 The job id; 0: too few candidates.
    """
    route: uint256 = self._current_route()
    bond: uint256 = self._bond(n, max_fee, price)
    candidates: DynArray[INodeCoordinator.Candidate, MAX_CANDIDATES] = staticcall (
        self._routes[route].coordinator
    ).candidates(model_id, max_fee, bond)
    if parent != 0:
        excluded: DynArray[address, MAX_SEATS] = job_store._vaults(parent)
        candidates = committee_draw._without(candidates, excluded)
    if len(candidates) < n:
        return 0

    head: job_store.Head = empty(job_store.Head)
    head.status = _REQUESTED
    head.verification = verification
    head.n = n
    head.tolerance = tolerance
    head.route = route
    head.parent = parent
    head.request_block = block.number
    head.deadline = self._paused_seconds(route)
    seal: bytes32 = self._seal(salt_commitment, candidates)
    job_id: uint256 = job_store._add(
        job_store.Record(
            head=0,
            payer=convert(client, uint256) | max_fee << 160,
            amounts=bond | price << 96,
            model_id=model_id,
            input_digest=input_digest,
            seal=seal,
        )
    )
    job_store._save(job_id, head)
    log IProofOfInference.Requested(
        job_id=job_id,
        client=client,
        model_id=model_id,
        parent=parent,
        n=n,
        max_fee=max_fee,
        price=price,
        bond=bond,
        verification=verification,
        tolerance=tolerance,
        input_digest=input_digest,
        input=input,
        input_cid=input_cid,
        candidates=candidates,
    )
    return job_id


@internal
def _convene(job_id: uint256, head: job_store.Head) -> uint256:
    """
    @dev Open the job of a fresh committee, paid from the escalation bond.
    @param job_id A disputed job.
    @param head Its head.
    @return uint256 The new job's id; 0 if the job was not escalated, its escalation window is
            over, a committee is at work, this contract is paused, too little is left of the
            bond, or there are too few fresh candidates.
    """
    fresh: uint256 = 2 * head.n + 1
    max_fee: uint256 = job_store._max_fee(job_id)
    dispute: IProofOfInference.Dispute = self._disputes[job_id]
    if (
        dispute.vault == empty(address)
        or circuit_breaker._clock() > head.deadline
        or block.timestamp < circuit_breaker.paused_until
        or dispute.escrow < fresh * max_fee
        or not self._is_undecided(dispute.escalation)
    ):
        return 0
    dispute.escalation = self._open(
        job_id,
        dispute.vault,
        fresh,
        max_fee,
        0,
        job_store._records[job_id].model_id,
        job_store._records[job_id].input_digest,
        keccak256(empty(bytes32)),
        _EXACT,
        0,
        b"",
        "",
    )
    if dispute.escalation != 0:
        dispute.escrow -= fresh * max_fee
        self._disputes[job_id] = dispute
        log IProofOfInference.Convened(job_id=job_id, escalation=dispute.escalation)
    return dispute.escalation


@internal
def _current_route() -> uint256:
    """
    @dev The route over the present links, noted if it is new.
    @return uint256 Index into `_routes`.
    """
    route: Route = Route(
        coordinator=INodeCoordinator(links._link("NodeCoordinator")),
        market=IModelMarketplace(links._link("ModelMarketplace")),
    )
    count: uint256 = len(self._routes)
    if count > 0:
        latest: Route = self._routes[count - 1]
        if latest.coordinator == route.coordinator and latest.market == route.market:
            return count - 1
    self._routes.append(route)
    return count


@internal
@view
def _seal(
    salt_commitment: bytes32,
    candidates: DynArray[INodeCoordinator.Candidate, MAX_CANDIDATES],
) -> bytes32:
    """
    @dev What a draw must match.
    @param salt_commitment keccak256 of the salt.
    @param candidates The snapshot.
    @return bytes32 keccak256(salt_commitment || keccak256(abi.encode(candidates))).
    """
    return keccak256(concat(salt_commitment, keccak256(abi_encode(candidates))))


# 9. internal: reveals and decisions
@internal
def _reveal(job_id: uint256, digest: bytes32, salt: bytes32) -> uint256:
    """
    @dev Open the caller's commitment.
    @param job_id A job in its reveal window.
    @param digest What it commits to.
    @param salt Its salt.
    @return uint256 The member's node id.
    """
    head: job_store.Head = self._in_status(job_id, _REVEAL)
    index: uint256 = job_store._index_of(job_id, head.n, msg.sender)
    seat: job_store.Seat = job_store._seat(job_id, index)
    job_store._require(seat.state == _COMMITTED, "nothing to reveal")
    commitment: bytes32 = self._commitment(job_id, digest, salt)
    job_store._require(seat.digest == commitment, "commitment mismatch")
    head.revealed += 1
    if digest == UNAVAILABLE:
        head.unavailable += 1
        job_store._mark(job_id, index, _ABSTAINED, digest)
    else:
        job_store._mark(job_id, index, _REVEALED, digest)
    if head.revealed == head.committed:
        head = self._after_reveals(head, circuit_breaker._clock())
    job_store._save(job_id, head)
    return seat.node_id


@internal
@view
def _commitment(job_id: uint256, digest: bytes32, salt: bytes32) -> bytes32:
    """
    @dev What the caller has to have committed to (docs/spec/committee.md, "Commit").
    @param job_id The job.
    @param digest sha256 of the output, or UNAVAILABLE.
    @param salt The member's salt.
    @return bytes32 The commitment.
    """
    model_id: bytes32 = job_store._records[job_id].model_id
    return keccak256(abi_encode(msg.sender, job_id, model_id, digest, salt, chain.id, self))


@internal
def _pay(job_id: uint256, head: job_store.Head, tally: committee_vote.Tally):
    """
    @dev Pay the winners and the model, and give back what they do not use. Bonds of members
         that revealed an output stay locked while someone may still be slashed.
    @param job_id The job.
    @param head Its head.
    @param tally The winners.
    """
    decided: job_store.Head = head
    decided.status = _SETTLED
    decided.deadline = 0
    dissent: bool = head.parent != 0 or head.revealed - head.unavailable > tally.support
    if head.verification == _EXACT and dissent and 2 * head.n + 1 <= MAX_SEATS:
        decided.status = _DISPUTED
        decided.deadline = circuit_breaker._clock() + WINDOWS.challenge
    job_store._save(job_id, decided)
    job_store._records[job_id].seal = tally.winner

    max_fee: uint256 = job_store._max_fee(job_id)
    fee: uint256 = max_fee * TERMS.fee_bps // _BPS
    self.fees += tally.support * fee
    self._give_back(job_id, head.parent, (head.n - tally.support) * max_fee)
    for i: uint256 in range(head.n, bound=MAX_SEATS):
        if tally.supporters & (1 << i) != 0:
            node_id: uint256 = job_store._seat(job_id, i).node_id
            self._credit_node(head.route, node_id, max_fee - fee)
            self._report(head.route, node_id, True)

    released: bytes32 = UNAVAILABLE  # no output's digest: all stay locked
    if head.verification == _TOLERANT:
        released = empty(bytes32)
    elif decided.status == _SETTLED:
        released = tally.winner
    self._release(job_id, head, released, True, 0)
    price: uint256 = job_store._price(job_id)
    if price > 0:
        market: IModelMarketplace = self._routes[head.route].market
        assert extcall JOY.approve(market.address, price)  # JoyToken reverts by itself
        extcall market.pay(job_store._records[job_id].model_id, price)
    log IProofOfInference.Finalised(
        job_id=job_id,
        winner=tally.winner,
        winners=tally.supporters,
        disputed=decided.status == _DISPUTED,
        deadline=self._unix(decided.deadline),
    )


@internal
def _abandon(job_id: uint256, head: job_store.Head, reason: uint256):
    """
    @dev End a job without a winner. A majority that found the input or the model unavailable
         is paid a gas allowance out of a client's refund; an escalation's refund stays whole.
    @param job_id The job.
    @param head Its head.
    @param reason Why, see `Refunded`.
    """
    allowance: uint256 = 0
    if reason == _UNAVAILABLE and head.parent == 0:
        allowance = min(TERMS.gas_allowance, job_store._max_fee(job_id))
    self._refund(job_id, head, reason, allowance * head.unavailable)
    self._release(job_id, head, empty(bytes32), True, allowance)


@internal
def _release(
    job_id: uint256, head: job_store.Head, digest: bytes32, is_deciding: bool, allowance: uint256
):
    """
    @dev Free the bonds of members that revealed `digest`. When a job is decided also those of
         UNAVAILABLE votes, and burn those of silent members.
    @param job_id The job.
    @param head Its head.
    @param digest An output's digest; zero: every output's.
    @param is_deciding False: a dispute is settled, `finalise` was before.
    @param allowance JOY wei to pay for each UNAVAILABLE vote.
    """
    bond: uint256 = job_store._bond(job_id)
    coordinator: INodeCoordinator = self._routes[head.route].coordinator
    for i: uint256 in range(head.n, bound=MAX_SEATS):
        seat: job_store.Seat = job_store._seat(job_id, i)
        is_free: bool = seat.state == _REVEALED and digest in [empty(bytes32), seat.digest]
        if is_deciding and seat.state == _ABSTAINED:
            is_free = True
            self._credit_node(head.route, seat.node_id, allowance)
        if is_free:
            extcall coordinator.unlock_bond(seat.vault, bond)
        elif is_deciding and seat.state != _REVEALED:
            extcall coordinator.slash_bond(seat.vault, bond, empty(address), 0)
            self._report(head.route, seat.node_id, False)


@internal
def _refund(
    job_id: uint256, head: job_store.Head, reason: uint256, kept: uint256
):
    """
    @dev Close a job without a winner and give its fees and price back.
    @param job_id The job.
    @param head Its head.
    @param reason Why, see `Refunded`.
    @param kept JOY wei of them that are not given back.
    """
    closed: job_store.Head = head
    closed.status = _REFUNDED
    job_store._save(job_id, closed)
    max_fee: uint256 = job_store._max_fee(job_id)
    refund: uint256 = head.n * max_fee + job_store._price(job_id) - kept
    self._give_back(job_id, head.parent, refund)
    log IProofOfInference.Refunded(job_id=job_id, reason=reason, refund=refund)


@internal
def _give_back(job_id: uint256, parent: uint256, amount: uint256):
    """
    @dev Return unspent money: to the client, or to the escrow that pays for an escalation. When
         a proof has settled what that escalation judges, nobody waits for it: it is burned, and
         who was right gets as much out of slashes (`owed`).
    @param job_id The job.
    @param parent The job it judges; 0: a client's job.
    @param amount JOY wei.
    """
    if parent == 0:
        self._credit(job_store._client(job_id), amount)
    elif job_store._head(parent).status == _DISPUTED:
        self._disputes[parent].escrow += amount
    else:
        self._burn(amount)


# 9. internal: disputes
@internal
def _settle(job_id: uint256, proven: bytes32):
    """
    @dev End a dispute: by a proof; by itself after the challenge, by the fresh committee's
         digest once that is settled, or without a verdict when no committee decided in time.
    @param job_id The job.
    @param proven Digest of a proven output; zero: there is no proof.
    """
    head: job_store.Head = self._in_status(job_id, _DISPUTED)
    dispute: IProofOfInference.Dispute = self._disputes[job_id]
    winner: bytes32 = job_store._records[job_id].seal
    is_over: bool = circuit_breaker._clock() > head.deadline
    head.status = _SETTLED
    if proven != empty(bytes32):
        is_over = True
        winner = proven
    elif dispute.vault != empty(address):
        if self._is_undecided(dispute.escalation):
            head.status = _LAPSED
            winner = empty(bytes32)
        else:
            is_over = job_store._head(dispute.escalation).status == _SETTLED
            winner = job_store._records[dispute.escalation].seal
    job_store._require(is_over, "still open")
    job_store._save(job_id, head)
    if head.status == _SETTLED:
        job_store._records[job_id].seal = winner

    if dispute.digest == winner or head.status == _LAPSED:
        self._credit(dispute.vault, dispute.escrow)
        self._disputes[job_id].owed = job_store._bond(job_id) - dispute.escrow
    else:
        self._burn(dispute.escrow)
    self._disputes[job_id].escrow = 0
    self._release(job_id, head, winner, False, 0)
    log IProofOfInference.Settled(job_id=job_id, winner=winner)


@internal
def _share_reward(job_id: uint256, n: uint256, winner: bytes32, reward: uint256):
    """
    @dev Share what a slash pays: first what a vindicated escalation cost, then in equal parts
         to the vaults of the members that were right. What nobody gets is burned.
    @param job_id The job.
    @param n Its seats.
    @param winner The digest that holds in the end.
    @param reward JOY wei.
    """
    left: uint256 = reward
    owed: uint256 = min(self._disputes[job_id].owed, left)
    self._disputes[job_id].owed -= owed
    self._credit(self._disputes[job_id].vault, owed)
    left -= owed
    right: DynArray[address, MAX_SEATS] = []
    for i: uint256 in range(n, bound=MAX_SEATS):
        seat: job_store.Seat = job_store._seat(job_id, i)
        if seat.state == _REVEALED and seat.digest == winner:
            right.append(seat.vault)
    if len(right) > 0:
        part: uint256 = left // len(right)
        for vault: address in right:
            self._credit(vault, part)
        left -= part * len(right)
    self._burn(left)


@internal
@view
def _accused(job_id: uint256, account: address) -> job_store.Seat:
    """
    @dev The member that `account` speaks for and that this job's digest condemns; it may be a
         member of a job that this one judges. Each member escalates once in a chain of jobs.
    @param job_id The disputed job.
    @param account A vault or operator.
    @return Seat The member.
    """
    winner: bytes32 = job_store._records[job_id].seal
    levels: DynArray[uint256, job_store.MAX_LEVELS] = job_store._chain(job_id)
    accused: job_store.Seat = empty(job_store.Seat)
    for level: uint256 in levels:
        for i: uint256 in range(MAX_SEATS):
            seat: job_store.Seat = job_store._seat(level, i)
            if seat.vault == empty(address):
                break
            if seat.state == _REVEALED and seat.digest != winner:
                if account in [seat.vault, job_store._seats[level][i].operator]:
                    accused = seat
    job_store._require(accused.vault != empty(address), "caller is not accused")
    for level: uint256 in levels:
        job_store._require(
            self._disputes[level].vault != accused.vault, "escalated before"
        )
    return accused


@internal
@view
def _is_undecided(escalation: uint256) -> bool:
    """
    @dev Whether a fresh committee is missing or ended without a verdict.
    @param escalation Its job id; 0: missing.
    @return bool True if another may be called.
    """
    if escalation == 0:
        return True
    return job_store._head(escalation).status in [_REFUNDED, _LAPSED]


# 9. internal: money
@internal
def _pull(account: address, amount: uint256):
    """
    @dev Take JOY from an account that approved it.
    @param account The account.
    @param amount JOY wei.
    """
    holdings: uint256 = self._holdings()
    circuit_breaker._add_inflow(amount, holdings)
    assert extcall JOY.transferFrom(account, self, amount)


@internal
def _claim(account: address) -> uint256:
    """
    @dev Send an account its balance, as far as the outflow limit grants.
    @param account The account.
    @return uint256 JOY wei sent.
    """
    owed: uint256 = self.claimable[account]
    holdings: uint256 = self._holdings()
    granted: uint256 = circuit_breaker._take_outflow(owed, holdings)
    self.claimable[account] = owed - granted
    assert extcall JOY.transfer(account, granted)
    log IProofOfInference.Claimed(account=account, amount=granted)
    return granted


@internal
@view
def _holdings() -> uint256:
    """
    @dev What this contract holds.
    @return uint256 JOY wei.
    """
    return staticcall JOY.balanceOf(self)


@internal
def _credit(account: address, amount: uint256):
    """
    @dev Owe an amount to an account.
    @param account The account.
    @param amount JOY wei.
    """
    self.claimable[account] += amount


@internal
def _burn(amount: uint256):
    """
    @dev Destroy JOY held here.
    @param amount JOY wei.
    """
    if amount > 0:
        extcall IJoyToken(JOY.address).burn(amount)


@internal
def _credit_node(route: uint256, node_id: uint256, amount: uint256):
    """
    @dev Owe an amount to a node's payout address.
    @param route The job's route.
    @param node_id The node.
    @param amount JOY wei.
    """
    coordinator: INodeCoordinator = self._routes[route].coordinator
    node: NodeStart = staticcall ICoordinator(coordinator.address).node(node_id)
    self._credit(node.payout, amount)


@internal
def _report(route: uint256, node_id: uint256, good: bool):
    """
    @dev Note how a node did, as long as its NodeCoordinator listens to this contract.
    @param route The job's route.
    @param node_id The node.
    @param good Whether it did well.
    """
    coordinator: INodeCoordinator = self._routes[route].coordinator
    if staticcall ICoordinator(coordinator.address).link("ProofOfInference") == self:
        extcall coordinator.report(node_id, good)


@internal
@view
def _bond(n: uint256, max_fee: uint256, price: uint256) -> uint256:
    """
    @dev See `bond_of`.
    @param n Seats.
    @param max_fee JOY wei per member.
    @param price JOY wei, the model's part.
    @return uint256 JOY wei.
    """
    job_store._require(max(max_fee, price) < _MAX_PART, "amount too big")
    return max(TERMS.min_bond, (4 * n + 2) * max_fee + price)


@internal
@view
def _draw_bond(head: job_store.Head) -> uint256:
    """
    @dev The draw bond that a job carries.
    @param head Its head.
    @return uint256 JOY wei; an escalation has none.
    """
    return TERMS.draw_bond if head.parent == 0 else 0


# 9. internal: time
@internal
@view
def _in_status(job_id: uint256, status: uint256) -> job_store.Head:
    """
    @dev The head of a job that must be in a status now.
    @param job_id The job.
    @param status The status.
    @return Head The head.
    """
    head: job_store.Head = self._current(job_id)
    job_store._require(head.status == status, "job is in another status")
    return head


@internal
@view
def _current(job_id: uint256) -> job_store.Head:
    """
    @dev The head as of now, with the steps that time has taken since the last transaction.
    @param job_id A job that exists.
    @return job_store.Head The head.
    """
    head: job_store.Head = job_store._head(job_id)
    now: uint256 = circuit_breaker._clock()
    if head.status == _COMMIT and now > head.deadline:
        head.status = _REVEAL
        head.deadline += WINDOWS.reveal
        if head.revealed == head.committed:
            head.status = _READY  # nobody committed
    if head.status == _REVEAL and now > head.deadline:
        head = self._after_reveals(head, head.deadline)
    if head.status == _PROPOSE and now > head.deadline:
        head.status = _READY
    return head


@internal
@view
def _after_reveals(head: job_store.Head, ended: uint256) -> job_store.Head:
    """
    @dev The step after the reveals: proposals where they can matter, else the decision.
    @param head The head.
    @param ended Breaker's clock at the end of the reveals.
    @return job_store.Head The head after that step.
    """
    after: job_store.Head = head
    after.status = _READY
    if head.verification == _TOLERANT and 2 * (head.revealed - head.unavailable) > head.n:
        after.status = _PROPOSE
        after.deadline = ended + WINDOWS.propose
    return after


@internal
@view
def _paused_seconds(route: uint256) -> uint256:
    """
    @dev Seconds in which a draw could not happen, here or because bonds could not be locked.
    @param route A route.
    @return uint256 Seconds.
    """
    return circuit_breaker._paused_seconds() + staticcall (
        ICoordinator(self._routes[route].coordinator.address).paused_seconds()
    )


@internal
@view
def _unix(clock: uint256) -> uint256:
    """
    @dev A moment of the breaker's clock in unix seconds, if no pause comes in between.
    @param clock The moment.
    @return uint256 Unix seconds.
    """
    return clock + circuit_breaker._paused_seconds()
