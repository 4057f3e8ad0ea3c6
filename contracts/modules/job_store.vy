# pragma version ~=0.4.3
"""
@title Job store: committee jobs and their seats, packed
@custom:contract-name job_store
@license GNU Affero General Public License v3.0 only
@author JoyNet contributors
@notice Keeps the jobs of ProofOfInference in as few storage words as they fit: six a job and
        three a seat. The numbers of status, state and class are in `IProofOfInference`.
@dev Write `initializes: job_store`. Every field fits its bits by construction: amounts are
     checked to be below 2**96 before a job is stored, ids and clocks only count up.
@custom:security Reads and writes storage; who may do what is the caller's business.
@custom:kill Nothing to stop.
"""


# 4. constants and immutables
MAX_SEATS: constant(uint256) = 43  # an escalation of a committee of 21
MAX_LEVELS: constant(uint256) = 5  # 1, 3, 7, 15, 31: the longest chain of committees
MAX_AMOUNT: constant(uint256) = 2**96 - 1

_ADDRESS: constant(uint256) = 2**160 - 1
_WORD_48: constant(uint256) = 2**48 - 1


# 5. state
# @dev The part of a job that changes; one word.
struct Head:
    status: uint256  # 8 bits; as noted by the last transaction
    verification: uint256  # 8 bits
    n: uint256  # 8 bits, seats
    committed: uint256  # 8 bits
    revealed: uint256  # 8 bits, UNAVAILABLE included
    unavailable: uint256  # 8 bits
    tolerance: uint256  # 16 bits
    route: uint256  # 16 bits, which NodeCoordinator and ModelMarketplace
    parent: uint256  # 48 bits, job that this one judges; 0: a client's job
    request_block: uint256  # 48 bits
    deadline: uint256  # 48 bits, breaker's clock; before the draw: paused seconds so far


struct Record:
    head: uint256
    payer: uint256  # client | max_fee << 160
    amounts: uint256  # bond | price << 96
    model_id: bytes32
    input_digest: bytes32
    seal: bytes32  # before the draw: what it must match; once decided: the winning digest


struct PackedSeat:
    holder: uint256  # vault | node_id << 160 | state << 248
    operator: address
    digest: bytes32


struct Seat:
    vault: address
    node_id: uint256
    state: uint256
    digest: bytes32  # commitment while committed, digest once revealed


# @dev Jobs so far; ids run from 1 to this.
job_count: public(uint256)
_records: HashMap[uint256, Record]
# @dev Job -> index -> seat.
_seats: HashMap[uint256, HashMap[uint256, PackedSeat]]


# 9. internal: jobs
@internal
def _add(record: Record) -> uint256:
    """
    @dev Store a new job.
    @param record The job.
    @return uint256 Its id.
    """
    self.job_count += 1
    self._records[self.job_count] = record
    return self.job_count


@internal
@view
def _head(job_id: uint256) -> Head:
    """
    @dev A job's head as stored.
    @param job_id The job; reverts if there is none.
    @return Head The head.
    """
    packed: uint256 = self._records[job_id].head
    self._require(packed != 0, "unknown job")
    return Head(
        status=packed & 255,
        verification=(packed >> 8) & 255,
        n=(packed >> 16) & 255,
        committed=(packed >> 24) & 255,
        revealed=(packed >> 32) & 255,
        unavailable=(packed >> 40) & 255,
        tolerance=(packed >> 48) & 65_535,
        route=(packed >> 64) & 65_535,
        parent=(packed >> 80) & _WORD_48,
        request_block=(packed >> 128) & _WORD_48,
        deadline=packed >> 176,
    )


@internal
def _save(job_id: uint256, head: Head):
    """
    @dev Store a job's head.
    @param job_id The job.
    @param head The head.
    """
    self._records[job_id].head = (
        head.status
        | head.verification << 8
        | head.n << 16
        | head.committed << 24
        | head.revealed << 32
        | head.unavailable << 40
        | head.tolerance << 48
        | head.route << 64
        | head.parent << 80
        | head.request_block << 128
        | head.deadline << 176
    )


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
def _max_fee(job_id: uint256) -> uint256:
    """
    @dev What a winning member is paid, platform fee included.
    @param job_id The job.
    @return uint256 JOY wei.
    """
    return self._records[job_id].payer >> 160


@internal
@view
def _bond(job_id: uint256) -> uint256:
    """
    @dev What each member has locked.
    @param job_id The job.
    @return uint256 JOY wei.
    """
    return self._records[job_id].amounts & MAX_AMOUNT


@internal
@view
def _price(job_id: uint256) -> uint256:
    """
    @dev The model's part.
    @param job_id The job.
    @return uint256 JOY wei.
    """
    return self._records[job_id].amounts >> 96


# 9. internal: seats
@internal
def _add_seat(
    job_id: uint256, index: uint256, vault: address, node_id: uint256, operator: address
):
    """
    @dev Fill a seat.
    @param job_id The job.
    @param index Which seat.
    @param vault Vault of the member.
    @param node_id Its node.
    @param operator Its operator.
    """
    self._seats[job_id][index] = PackedSeat(
        holder=convert(vault, uint256) | node_id << 160, operator=operator, digest=empty(bytes32)
    )


@internal
@view
def _seat(job_id: uint256, index: uint256) -> Seat:
    """
    @dev A seat, without its operator.
    @param job_id The job.
    @param index Which seat.
    @return Seat All zero if there is none.
    """
    holder: uint256 = self._seats[job_id][index].holder
    return Seat(
        vault=convert(holder & _ADDRESS, address),
        node_id=(holder >> 160) & (2**88 - 1),
        state=holder >> 248,
        digest=self._seats[job_id][index].digest,
    )


@internal
def _mark(job_id: uint256, index: uint256, state: uint256, digest: bytes32):
    """
    @dev Change the state and digest of a seat.
    @param job_id The job.
    @param index Which seat.
    @param state New state.
    @param digest New digest.
    """
    holder: uint256 = self._seats[job_id][index].holder
    self._seats[job_id][index].holder = (holder & (2**248 - 1)) | state << 248
    self._seats[job_id][index].digest = digest


@internal
@view
def _index_of(job_id: uint256, n: uint256, operator: address) -> uint256:
    """
    @dev The seat of an operator; reverts if it has none.
    @param job_id The job.
    @param n Its seats.
    @param operator The operator.
    @return uint256 Index of the seat.
    """
    index: uint256 = 0
    for i: uint256 in range(n, bound=MAX_SEATS):
        if self._seats[job_id][i].operator == operator:
            break
        index += 1
    self._require(index < n, "not a member")
    return index


@internal
@view
def _chain(job_id: uint256) -> DynArray[uint256, MAX_LEVELS]:
    """
    @dev A job, the one that it judges, and so on.
    @param job_id The job; 0 gives nothing.
    @return DynArray Job ids.
    """
    levels: DynArray[uint256, MAX_LEVELS] = []
    level: uint256 = job_id
    for _: uint256 in range(MAX_LEVELS):
        if level == 0:
            break
        levels.append(level)
        level = (self._records[level].head >> 80) & _WORD_48
    return levels


@internal
@view
def _vaults(job_id: uint256) -> DynArray[address, MAX_SEATS]:
    """
    @dev Everyone who sat on a job, on the one that it judges, and so on.
    @param job_id The job; 0 gives nobody.
    @return DynArray Their vaults.
    """
    vaults: DynArray[address, MAX_SEATS] = []
    levels: DynArray[uint256, MAX_LEVELS] = self._chain(job_id)
    for level: uint256 in levels:
        for i: uint256 in range(MAX_SEATS):
            vault: address = self._seat(level, i).vault
            if vault == empty(address):
                break
            vaults.append(vault)
    return vaults


# 9. internal: reasons
@internal
@pure
def _require(is_fine: bool, reason: String[32]):
    """
    @dev Revert with a reason. One place for all of them keeps the contract within EIP-170.
    @param is_fine What must hold.
    @param reason Why not, without the contract's name.
    """
    assert is_fine, concat("ProofOfInference: ", reason)
