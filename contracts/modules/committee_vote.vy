# pragma version ~=0.4.3
"""
@title Committee vote: what a committee decided
@custom:contract-name committee_vote
@license GNU Affero General Public License v3.0 only
@author JoyNet contributors
@notice Counts reveals: exact jobs by digest, tolerant jobs by proposals whose support is
        checked against the revealed outputs.
@dev Write `initializes: committee_vote[job_store := job_store]`.
@custom:security Reads revealed data and keeps the best proposal; pays nobody.
@custom:kill Nothing to stop.
"""


# 2. modules
from . import job_store
uses: job_store

from . import vector_agreement


# 4. constants and immutables
MAX_VOTES: constant(uint256) = 21  # seats of a tolerant job
_REVEALED: constant(uint256) = 2


# 5. state
struct Tally:
    winner: bytes32  # digest
    support: uint256  # seats on it
    supporters: uint256  # which, bit i is seat i


# @dev Job -> leading proposal: supporters | seat << 64 | support << 128.
_proposals: HashMap[uint256, uint256]


# 9. internal
@internal
@view
def _majority(job_id: uint256, n: uint256) -> Tally:
    """
    @dev The only output digest that can have more than half of the seats (majority vote of
         Boyer and Moore, 1981), counted.
    @param job_id An exact job.
    @param n Its seats.
    @return Tally All zero if nobody revealed an output.
    """
    leader: bytes32 = empty(bytes32)
    lead: uint256 = 0
    for i: uint256 in range(n, bound=job_store.MAX_SEATS):
        seat: job_store.Seat = job_store._seat(job_id, i)
        if seat.state != _REVEALED:
            continue
        if lead == 0:
            leader = seat.digest
        if seat.digest == leader:
            lead += 1
        else:
            lead -= 1
    tally: Tally = Tally(winner=leader, support=0, supporters=0)
    for i: uint256 in range(n, bound=job_store.MAX_SEATS):
        seat: job_store.Seat = job_store._seat(job_id, i)
        if seat.state == _REVEALED and seat.digest == leader:
            tally.support += 1
            tally.supporters |= 1 << i
    return tally


@internal
@view
def _best_proposal(job_id: uint256) -> Tally:
    """
    @dev The leading proposal.
    @param job_id A tolerant job.
    @return Tally Support 0 if there is none.
    """
    packed: uint256 = self._proposals[job_id]
    return Tally(
        winner=job_store._seat(job_id, (packed >> 64) & 255).digest,
        support=packed >> 128,
        supporters=packed & (2**64 - 1),
    )


@internal
def _propose(
    job_id: uint256,
    head: job_store.Head,
    proposed: uint256,
    outputs: DynArray[Bytes[2048], MAX_VOTES],
) -> Tally:
    """
    @dev Check a proposal against the reveals and keep it if nothing has more support.
    @param job_id A tolerant job.
    @param head Its head.
    @param proposed A seat.
    @param outputs One per seat: what was revealed, empty where no output was.
    @return Tally Its support.
    """
    job_store._require(len(outputs) == head.n, "one output per seat")
    candidate: job_store.Seat = job_store._seat(job_id, proposed)
    job_store._require(candidate.state == _REVEALED, "seat revealed no output")
    tally: Tally = Tally(winner=candidate.digest, support=0, supporters=0)
    for i: uint256 in range(head.n, bound=MAX_VOTES):
        seat: job_store.Seat = job_store._seat(job_id, i)
        if seat.state != _REVEALED:
            job_store._require(len(outputs[i]) == 0, "output of a seat without one")
            continue
        job_store._require(sha256(outputs[i]) == seat.digest, "output digest mismatch")
        if seat.digest == candidate.digest or vector_agreement._agree(
            outputs[i], outputs[proposed], head.tolerance
        ):
            tally.support += 1
            tally.supporters |= 1 << i
    job_store._require(tally.support > self._proposals[job_id] >> 128, "not more support")
    self._proposals[job_id] = tally.supporters | proposed << 64 | tally.support << 128
    return tally
