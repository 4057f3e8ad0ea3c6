# pragma version ~=0.4.3
"""
@title Proven store: jobs of class zk, nodes' terms and counts, packed
@custom:contract-name proven_store
@license GNU Affero General Public License v3.0 only
@author JoyNet contributors
@notice Layout of what ProvenInference remembers.
@dev Amounts fit 96 bits and sizes theirs because ProvenInference checks them on the way in;
     ids, blocks and clocks only count up.
@custom:security Reads and writes storage; who may do what is the caller's business.
@custom:kill Nothing to stop.
"""


# 1. interfaces
from ..interfaces import IProvenInference


# 4. constants and immutables
_ADDRESS: constant(uint256) = 2**160 - 1
_WORD_16: constant(uint256) = 2**16 - 1
_WORD_32: constant(uint256) = 2**32 - 1
_WORD_48: constant(uint256) = 2**48 - 1
_WORD_64: constant(uint256) = 2**64 - 1


# 5. state
# @dev The part of a job that is needed at every step; one word.
struct Head:
    status: uint256  # 8 bits
    input_kind: uint256  # 8 bits
    route: uint256  # 16 bits, which contracts the job keeps to
    output_size: uint256  # 16 bits
    seconds: uint256  # 32 bits, from the request to the deadline
    node_id: uint256  # 48 bits
    request_block: uint256  # 48 bits
    deadline: uint256  # 48 bits, breaker's clock


struct Record:
    head: uint256
    payer: uint256  # client | fee << 160
    payee: uint256  # payee | price << 160
    model_id: bytes32
    circuit_id: bytes32
    salt: bytes32
    input_digest: bytes32
    input_commitment: uint256[2]


struct PackedTerms:
    circuit_id: bytes32
    # fee | seconds << 96 | max_open << 128 | input_kind << 160 | input_size << 168
    # | output_size << 200 | route << 216
    rest: uint256


# @dev Jobs so far; ids run from 1 to this.
job_count: public(uint256)
_records: HashMap[uint256, Record]
# @dev Node -> model -> terms.
_packed_terms: HashMap[uint256, HashMap[bytes32, PackedTerms]]
# @dev Node -> open | proven << 64 | failed << 128 | refused << 192.
_counts: HashMap[uint256, uint256]


# 9. internal: jobs
@internal
def _add(record: Record) -> uint256:
    """
    @dev Store a new job.
    @param record The job.
    @return uint256 Its id.
    """
    job_id: uint256 = self.job_count + 1
    self.job_count = job_id
    self._records[job_id] = record
    return job_id


@internal
@pure
def _pack(head: Head) -> uint256:
    """
    @dev A head as one word.
    @param head The head.
    @return uint256 The word.
    """
    return (
        head.status
        | head.input_kind << 8
        | head.route << 16
        | head.output_size << 32
        | head.seconds << 48
        | head.node_id << 80
        | head.request_block << 128
        | head.deadline << 176
    )


@internal
@view
def _head(job_id: uint256) -> Head:
    """
    @dev A job's head.
    @param job_id The job.
    @return Head All zero if there is none.
    """
    packed: uint256 = self._records[job_id].head
    return Head(
        status=packed & 255,
        input_kind=(packed >> 8) & 255,
        route=(packed >> 16) & _WORD_16,
        output_size=(packed >> 32) & _WORD_16,
        seconds=(packed >> 48) & _WORD_32,
        node_id=(packed >> 80) & _WORD_48,
        request_block=(packed >> 128) & _WORD_48,
        deadline=packed >> 176,
    )


@internal
def _set_status(job_id: uint256, status: uint256):
    """
    @dev Change a job's status.
    @param job_id The job.
    @param status The new status.
    """
    head: uint256 = self._records[job_id].head
    self._records[job_id].head = (head >> 8 << 8) | status


@internal
@view
def _client(job_id: uint256) -> address:
    """
    @dev Who paid for a job.
    @param job_id The job.
    @return address The account.
    """
    return convert(self._records[job_id].payer & _ADDRESS, address)


@internal
@view
def _fee(job_id: uint256) -> uint256:
    """
    @dev The node's part, platform fee included.
    @param job_id The job.
    @return uint256 JOY wei.
    """
    return self._records[job_id].payer >> 160


@internal
@view
def _payee(job_id: uint256) -> address:
    """
    @dev Whom a proof is paid to.
    @param job_id The job.
    @return address The account.
    """
    return convert(self._records[job_id].payee & _ADDRESS, address)


@internal
@view
def _price(job_id: uint256) -> uint256:
    """
    @dev The model's part.
    @param job_id The job.
    @return uint256 JOY wei.
    """
    return self._records[job_id].payee >> 160


# 9. internal: terms
@internal
def _save_terms(
    node_id: uint256, model_id: bytes32, terms: IProvenInference.Terms, route: uint256
):
    """
    @dev Store a node's terms.
    @param node_id The node.
    @param model_id The model.
    @param terms The terms, every number in its range.
    @param route The contracts that they were made under.
    """
    self._packed_terms[node_id][model_id] = PackedTerms(
        circuit_id=terms.circuit_id,
        rest=terms.fee
        | terms.seconds << 96
        | terms.max_open << 128
        | terms.input_kind << 160
        | terms.input_size << 168
        | terms.output_size << 200
        | route << 216,
    )


@internal
@view
def _terms(node_id: uint256, model_id: bytes32, route: uint256) -> IProvenInference.Terms:
    """
    @dev A node's terms.
    @param node_id The node.
    @param model_id The model.
    @param route The contracts in use now.
    @return Terms All zero if there are none, or none under these contracts.
    """
    rest: uint256 = self._packed_terms[node_id][model_id].rest
    if rest >> 216 != route:
        return empty(IProvenInference.Terms)
    return IProvenInference.Terms(
        circuit_id=self._packed_terms[node_id][model_id].circuit_id,
        fee=rest & (2**96 - 1),
        seconds=(rest >> 96) & _WORD_32,
        max_open=(rest >> 128) & _WORD_32,
        input_kind=(rest >> 160) & 255,
        input_size=(rest >> 168) & _WORD_32,
        output_size=(rest >> 200) & _WORD_16,
    )


# 9. internal: counts
@internal
@view
def _open_jobs(node_id: uint256) -> uint256:
    """
    @dev Open jobs of a node.
    @param node_id The node.
    @return uint256 How many.
    """
    return self._counts[node_id] & _WORD_64


@internal
def _count(node_id: uint256, status: uint256):
    """
    @dev Note that a job of a node is over.
    @param node_id The node.
    @param status How it ended: 2 proven, 3 and 4 failed, 5 refused.
    """
    place: uint256 = 64
    if status in [3, 4]:
        place = 128
    elif status == 5:
        place = 192
    self._counts[node_id] += (1 << place) - 1
