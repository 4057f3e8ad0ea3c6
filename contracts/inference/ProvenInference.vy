# pragma version ~=0.4.3
# pragma nonreentrancy on
# pragma optimize codesize
"""
@title Proven inference
@custom:contract-name ProvenInference
@license GNU Affero General Public License v3.0 only
@author JoyNet contributors
@notice Runs jobs of class `zk`: a client orders an answer from one node that offers proofs, the
        node's operator submits output and proof, InferenceVerifier checks it, the node is paid.
        A proof that does not hold, or none by the deadline, costs the node its bond. A proof
        can also end a committee's dispute. Normative text: docs/spec/proven-jobs.md.
@dev JOY held here is, to the wei: balances + fees + held royalties + fee and price of every
     open job. Bonds stay in JoyToken, locked by NodeCoordinator. A job keeps to the contracts
     it started with (its route), so that a change of links cannot strand it. Deadlines are kept
     in the breaker's clock. Every field of a statement comes from storage or is checked against
     it; `payee` is in it, so a proof seen in the mempool pays nobody else.
@custom:security The owner can replace links after a delay and pause requests for a bounded
        time. The owner cannot touch a job, a bond or a balance, or stop an exit. A replaced
        verifier decides later jobs only; whoever controls the linked verifier decides what is
        true. JoyToken must keep a NodeCoordinator admitted until the last job on it is over.
@custom:kill Call `pause()`: `request` and `set_terms` stop, deadlines stand still; submit,
        refuse, expire, prove_dispute and claim go on.
"""


# 1. interfaces
from ethereum.ercs import IERC20
from ..interfaces import IInferenceVerifier
from ..interfaces import IJoyToken
from ..interfaces import IModelMarketplace
from ..interfaces import INodeCoordinator
from ..interfaces import IProofOfInference
from ..interfaces import IProvenInference
implements: IProvenInference


# @dev The words that `NodeCoordinator.node` answers before its strings, which are not decoded.
struct NodeHead:
    offset: uint256
    vault: address
    operator: address
    payout: address
    peer_key_at: uint256
    endpoint_at: uint256
    cell_at: uint256
    capacity: uint256
    active: bool


interface ICoordinator:
    def node(node_id: uint256) -> NodeHead: view
    def link(name: String[32]) -> address: view


# 2. modules
from snekmate.auth import ownable
initializes: ownable

from ..modules import circuit_breaker
initializes: circuit_breaker[ownable := ownable]

from ..modules import links
initializes: links[ownable := ownable]

from ..modules import proven_store
initializes: proven_store


# 3. exports
exports: (
    ownable.owner,
    ownable.transfer_ownership,
    circuit_breaker.__interface__,
    links.__interface__,
    proven_store.job_count,
)


# 4. constants and immutables
DISPUTE: public(constant(uint256)) = 2**255  # added to a committee job's id in a statement
REFUSAL_COOLDOWN: public(constant(uint256)) = 3_600  # seconds
_BOND_FEES: constant(uint256) = 4  # fees that a bond is worth at least
_MIN_SECONDS: constant(uint256) = 10  # of a job
_MAX_SECONDS: constant(uint256) = 86_400
_MAX_OPEN: constant(uint256) = 1_000
_MAX_PACKED: constant(uint256) = 256  # bytes
_MAX_INPUT: constant(uint256) = 2**20  # bytes
_MAX_OUTPUT: constant(uint256) = 4_096  # bytes
_MAX_FEE_BPS: constant(uint256) = 500
_BPS: constant(uint256) = 10_000
_MAX_PART: constant(uint256) = 2**88  # JOY wei; above the supply, and a bond fits 96 bits
_HASH_BLOCKS: constant(uint256) = 256  # blocks whose hash can be read
_VERIFY_MARGIN: constant(uint256) = 50_000  # gas to call the verifier with

_EXACT: constant(uint256) = 0
_DISPUTED: constant(uint256) = 6  # status of a job of ProofOfInference

_COMMITTED: constant(uint256) = 1  # input kinds; 0 is packed int8
_TOKENS: constant(uint256) = 2

_OPEN: constant(uint256) = 1
_PROVEN: constant(uint256) = 2
_FAILED: constant(uint256) = 3
_EXPIRED: constant(uint256) = 4
_REFUSED: constant(uint256) = 5

JOY: public(immutable(IERC20))
RULES: public(immutable(IProvenInference.Rules))


# 5. state
struct Route:
    coordinator: INodeCoordinator
    market: IModelMarketplace
    verifier: IInferenceVerifier


# @dev Links that jobs and terms started with.
_routes: DynArray[Route, 65_535]
# @dev Job -> block hash that its salt is made of; zero: that of the request's block.
_anchors: HashMap[uint256, bytes32]
# @dev keccak256(ProofOfInference, its job, circuit id) -> block hash.
_dispute_anchors: HashMap[bytes32, bytes32]
# @dev Client -> node -> breaker's clock until which the client's requests are not taken.
_refused_until: HashMap[address, HashMap[uint256, uint256]]
# @dev Account -> JOY wei to claim.
claimable: public(HashMap[address, uint256])
# @dev Platform fees not flushed yet, JOY wei.
fees: public(uint256)
# @dev Model -> its part that the marketplace refused, JOY wei.
held_royalty: public(HashMap[bytes32, uint256])


# 6. constructor
@deploy
def __init__(
    joy: IERC20,
    rules: IProvenInference.Rules,
    link_delay: uint256,
    guardian: address,
    outflow_bps: uint256,
    outflow_floor: uint256,
):
    """
    @param joy JoyToken.
    @param rules Bonds, fees and the verifier's gas.
    @param link_delay Seconds before a link in use changes.
    @param guardian Account that may pause besides the owner.
    @param outflow_bps Basis points of the holdings that may leave in one epoch.
    @param outflow_floor JOY wei that may always leave in one epoch.
    """
    assert rules.fee_bps <= _MAX_FEE_BPS, "ProvenInference: fee too high"
    assert rules.min_bond > 0 and rules.min_bond < _MAX_PART, "ProvenInference: bond out of range"
    assert rules.verify_gas >= 10**6, "ProvenInference: verifier needs more gas"
    assert rules.circuit_age > 0, "ProvenInference: circuit age is zero"
    ownable.__init__()
    circuit_breaker.__init__(guardian, outflow_bps, outflow_floor)
    links.__init__(link_delay)
    JOY = joy
    RULES = rules


# 7. external, state-changing: nodes
@external
def set_terms(node_id: uint256, model_id: bytes32, terms: IProvenInference.Terms):
    """
    @notice Let clients order proofs of a model from a node, or change on what terms. Vault or
            operator. Open jobs keep the terms that they were requested on.
    @param node_id The node.
    @param model_id A model with a registered circuit.
    @param terms The terms; `circuit_id` is the registered circuit's, which the node has checked.
    """
    circuit_breaker._require_not_paused()
    route: uint256 = self._current_route()
    self._check_controller(route, node_id)
    assert terms.circuit_id != empty(bytes32), "ProvenInference: zero circuit id"
    circuit: IInferenceVerifier.Circuit = staticcall self._routes[route].verifier.circuit_of(
        model_id
    )
    assert circuit.circuit_id == terms.circuit_id, "ProvenInference: not the model's circuit"
    assert terms.fee < _MAX_PART, "ProvenInference: fee too big"
    assert terms.seconds >= _MIN_SECONDS and terms.seconds <= _MAX_SECONDS, (
        "ProvenInference: seconds out of range"
    )
    assert terms.max_open > 0 and terms.max_open <= _MAX_OPEN, (
        "ProvenInference: open jobs out of range"
    )
    assert terms.input_kind <= _TOKENS, "ProvenInference: unknown input kind"
    assert terms.input_size > 0 and terms.input_size <= _MAX_INPUT, (
        "ProvenInference: input size out of range"
    )
    assert (terms.input_size > _MAX_PACKED) == (terms.input_kind == _COMMITTED), (
        "ProvenInference: input above 256 bytes is committed"
    )
    assert terms.output_size > 0 and terms.output_size <= _MAX_OUTPUT, (
        "ProvenInference: output size out of range"
    )
    proven_store._save_terms(node_id, model_id, terms, route)
    log IProvenInference.TermsSet(node_id=node_id, model_id=model_id, terms=terms)


@external
def remove_terms(node_id: uint256, model_id: bytes32):
    """
    @notice Stop new orders. Vault or operator; never paused.
    @param node_id The node.
    @param model_id The model.
    """
    self._check_controller(self._current_route(), node_id)
    assert proven_store._packed_terms[node_id][model_id].circuit_id != empty(bytes32), (
        "ProvenInference: no such terms"
    )
    proven_store._packed_terms[node_id][model_id] = empty(proven_store.PackedTerms)
    log IProvenInference.TermsRemoved(node_id=node_id, model_id=model_id)


# 7. external, state-changing: jobs
@external
def request(
    model_id: bytes32,
    node_id: uint256,
    max_fee: uint256,
    salt: bytes32,
    input: Bytes[4096],
    input_digest: bytes32,
    input_cid: String[64],
    input_commitment: uint256[2],
) -> uint256:
    """
    @notice Order one proven answer. Pulls the node's fee + the model's price, in JOY, and locks
            `bond_of(fee, price)` of the node's provision.
    @param model_id An active model of class exact.
    @param node_id A node that offers the model and has terms for it.
    @param max_fee JOY wei, most that the node may ask.
    @param salt 32 random bytes.
    @param input The input bytes; empty if given by CID.
    @param input_digest sha256 of the input bytes.
    @param input_cid CID of a committed input that is not inline; empty otherwise.
    @param input_commitment Commitment to a committed input; zero otherwise.
    @return uint256 The job id, counted from 1.
    """
    circuit_breaker._require_not_paused()
    now: uint256 = circuit_breaker._clock()
    route: uint256 = self._current_route()
    terms: IProvenInference.Terms = proven_store._terms(node_id, model_id, route)
    assert terms.circuit_id != empty(bytes32), "ProvenInference: node proves no such model"
    assert terms.fee <= max_fee, "ProvenInference: node asks a higher fee"
    assert proven_store._open_jobs(node_id) < terms.max_open, (
        "ProvenInference: node has too many open jobs"
    )
    assert now >= self._refused_until[msg.sender][node_id], (
        "ProvenInference: node refused a job of yours lately"
    )
    if len(input) > 0:
        assert len(input_cid) == 0, "ProvenInference: give the input or its CID"
        assert len(input) == terms.input_size, "ProvenInference: input has another size"
        assert sha256(input) == input_digest, "ProvenInference: input digest mismatch"
    else:
        assert len(input_cid) > 0, "ProvenInference: give the input or its CID"
        assert terms.input_kind == _COMMITTED, "ProvenInference: this input is given inline"
    if terms.input_kind != _COMMITTED:
        assert input_commitment[0] == 0 and input_commitment[1] == 0, (
            "ProvenInference: this input has no commitment"
        )

    market: IModelMarketplace = self._routes[route].market
    listing: IModelMarketplace.Listing = staticcall market.listing(model_id)
    assert listing.active, "ProvenInference: model is not listed"
    assert convert(listing.verification, uint256) == _EXACT, "ProvenInference: model is not exact"
    assert listing.price < _MAX_PART, "ProvenInference: price too big"
    coordinator: INodeCoordinator = self._routes[route].coordinator
    node: NodeHead = self._node(route, node_id)
    offer: INodeCoordinator.Offer = staticcall coordinator.offer(node_id, model_id)
    assert node.active and offer.active, "ProvenInference: node does not offer the model"

    job_id: uint256 = proven_store._add(
        proven_store.Record(
            head=proven_store._pack(
                proven_store.Head(
                    status=_OPEN,
                    input_kind=terms.input_kind,
                    route=route,
                    output_size=terms.output_size,
                    seconds=terms.seconds,
                    node_id=node_id,
                    request_block=block.number,
                    deadline=now + terms.seconds,
                )
            ),
            payer=convert(msg.sender, uint256) | terms.fee << 160,
            payee=convert(node.payout, uint256) | listing.price << 160,
            model_id=model_id,
            circuit_id=terms.circuit_id,
            salt=salt,
            input_digest=input_digest,
            input_commitment=input_commitment,
        )
    )
    proven_store._counts[node_id] += 1
    bond: uint256 = self._bond(terms.fee, listing.price)
    log IProvenInference.Requested(
        job_id=job_id,
        client=msg.sender,
        node_id=node_id,
        model_id=model_id,
        circuit_id=terms.circuit_id,
        payee=node.payout,
        fee=terms.fee,
        price=listing.price,
        bond=bond,
        deadline=self._unix(now + terms.seconds),
        salt=salt,
        input_kind=terms.input_kind,
        input_digest=input_digest,
        input=input,
        input_cid=input_cid,
        input_commitment=input_commitment,
    )
    extcall coordinator.lock_bond(node.vault, bond)
    amount: uint256 = terms.fee + listing.price
    circuit_breaker._add_inflow(amount, self._holdings())
    assert extcall JOY.transferFrom(msg.sender, self, amount)
    return job_id


@external
def fix_salt(job_id: uint256):
    """
    @notice Note the randomness of an open job, by anyone, once. Needed when its proof comes more
            than 256 blocks after the request; later than that the randomness is a new one.
    @param job_id An open job, in a block after its request.
    """
    head: proven_store.Head = self._open_job(job_id)
    assert self._anchors[job_id] == empty(bytes32), "ProvenInference: salt is fixed"
    assert block.number > head.request_block, "ProvenInference: too early"
    anchor: bytes32 = blockhash(block.number - 1)
    if block.number <= head.request_block + _HASH_BLOCKS:
        anchor = blockhash(head.request_block)
    self._anchors[job_id] = anchor
    log IProvenInference.SaltFixed(job_id=job_id, salt=self._salt(job_id))


@external
def submit(
    job_id: uint256,
    salt: bytes32,
    input: Bytes[256],
    output: Bytes[4096],
    output_commitment: uint256[2],
    proof: Bytes[12_288],
) -> bool:
    """
    @notice Answer a job, by the operator of its node. A proof that holds is paid; one that does
            not costs the bond. Reverts, and costs nothing but gas, where anything else is wrong.
    @param job_id An open job before its deadline.
    @param salt What `salt_of(job_id)` was when the proof was made.
    @param input The input bytes; empty if the input is committed.
    @param output The output bytes.
    @param output_commitment Commitment to an output above 256 bytes; otherwise ignored.
    @param proof The proof.
    @return bool Whether it held.
    """
    head: proven_store.Head = self._open_job(job_id)
    node: NodeHead = self._node(head.route, head.node_id)
    assert msg.sender == node.operator, "ProvenInference: caller is not the node's operator"
    assert circuit_breaker._clock() <= head.deadline, "ProvenInference: deadline is over"
    assert salt != empty(bytes32) and salt == self._salt(job_id), "ProvenInference: salt mismatch"
    assert len(output) == head.output_size, "ProvenInference: output has another size"
    if head.input_kind == _COMMITTED:
        assert len(input) == 0, "ProvenInference: this input is committed"
    else:
        assert sha256(input) == proven_store._records[job_id].input_digest, (
            "ProvenInference: input digest mismatch"
        )

    statement: IInferenceVerifier.Statement = IInferenceVerifier.Statement(
        model_id=proven_store._records[job_id].model_id,
        circuit_id=proven_store._records[job_id].circuit_id,
        job_id=job_id,
        payee=proven_store._payee(job_id),
        salt=salt,
        input=input,
        output=b"",
        input_commitment=proven_store._records[job_id].input_commitment,
        output_commitment=output_commitment,
    )
    if head.output_size <= _MAX_PACKED:
        statement.output = convert(output, Bytes[256])
        statement.output_commitment = empty(uint256[2])
    if not self._verify(self._routes[head.route].verifier, statement, proof):
        slashed: uint256 = self._fail(job_id, head, node.vault, _FAILED)
        log IProvenInference.Failed(job_id=job_id, node_id=head.node_id, slashed=slashed)
        return False

    self._close(job_id, head.node_id, _PROVEN)
    fee: uint256 = proven_store._fee(job_id)
    platform: uint256 = fee * RULES.fee_bps // _BPS
    self.fees += platform
    self.claimable[proven_store._payee(job_id)] += fee - platform
    log IProvenInference.Proven(
        job_id=job_id,
        node_id=head.node_id,
        output_digest=sha256(output),
        output=output,
        output_commitment=statement.output_commitment,
    )
    bond: uint256 = self._bond(fee, proven_store._price(job_id))
    extcall self._routes[head.route].coordinator.unlock_bond(node.vault, bond)
    self._pay_model(self._routes[head.route].market, job_id)
    return True


@external
def refuse(job_id: uint256):
    """
    @notice Decline a job whose input cannot be proved: a commitment that is not the input's, an
            input that cannot be had, token ids outside the vocabulary. By the operator of its
            node, in the first half of the job's time. Everything goes back to the client, which
            cannot order from this node again for `REFUSAL_COOLDOWN`.
    @param job_id An open job whose input is not packed int8.
    """
    head: proven_store.Head = self._open_job(job_id)
    node: NodeHead = self._node(head.route, head.node_id)
    assert msg.sender == node.operator, "ProvenInference: caller is not the node's operator"
    assert head.input_kind != 0, "ProvenInference: every packed input can be proved"
    now: uint256 = circuit_breaker._clock()
    assert now <= head.deadline - head.seconds // 2, "ProvenInference: too late to refuse"
    client: address = proven_store._client(job_id)
    self._refused_until[client][head.node_id] = now + REFUSAL_COOLDOWN
    self._close(job_id, head.node_id, _REFUSED)
    self._refund(job_id)
    log IProvenInference.Refused(job_id=job_id, node_id=head.node_id)
    bond: uint256 = self._bond(proven_store._fee(job_id), proven_store._price(job_id))
    extcall self._routes[head.route].coordinator.unlock_bond(node.vault, bond)


@external
def expire(job_id: uint256):
    """
    @notice Close a job whose proof did not come, by anyone: the client is refunded, the bond is
            burned.
    @param job_id An open job after its deadline.
    """
    head: proven_store.Head = self._open_job(job_id)
    assert circuit_breaker._clock() > head.deadline, "ProvenInference: deadline is not over"
    vault: address = self._node(head.route, head.node_id).vault
    slashed: uint256 = self._fail(job_id, head, vault, _EXPIRED)
    log IProvenInference.Expired(job_id=job_id, node_id=head.node_id, slashed=slashed)


# 7. external, state-changing: disputes of committees
@external
def fix_dispute_salt(job_id: uint256):
    """
    @notice Fix the randomness of a proof about a disputed committee job, by anyone, once.
    @param job_id A disputed job of ProofOfInference, whose model has had a circuit for long
           enough.
    """
    circuit_id: bytes32 = self._dispute_circuit(job_id)
    key: bytes32 = self._dispute_key(job_id, circuit_id)
    assert self._dispute_anchors[key] == empty(bytes32), "ProvenInference: salt is fixed"
    self._dispute_anchors[key] = blockhash(block.number - 1)
    log IProvenInference.SaltFixed(
        job_id=DISPUTE + job_id, salt=self._dispute_salt(job_id, circuit_id)
    )


@external
def prove_dispute(
    job_id: uint256,
    salt: bytes32,
    input: Bytes[256],
    output: Bytes[256],
    proof: Bytes[12_288],
):
    """
    @notice Settle a disputed committee job for good with the digest of a proven output. By
            anyone; the payee of the statement is the caller.
    @param job_id A disputed job of ProofOfInference.
    @param salt What `dispute_salt(job_id)` is.
    @param input The job's input bytes.
    @param output The output bytes that are right.
    @param proof A proof whose statement's job id is 2**255 + job_id.
    """
    poi: IProofOfInference = IProofOfInference(links._link("ProofOfInference"))
    job: IProofOfInference.Job = staticcall poi.job(job_id)
    circuit_id: bytes32 = self._dispute_circuit(job_id)
    assert salt != empty(bytes32) and salt == self._dispute_salt(job_id, circuit_id), (
        "ProvenInference: salt mismatch"
    )
    assert sha256(input) == job.input_digest, "ProvenInference: input digest mismatch"
    # to a circuit that commits to its tensors, nothing with (0, 0) is a tensor of zeros
    assert len(input) > 0 and len(output) > 0, "ProvenInference: empty input or output"
    statement: IInferenceVerifier.Statement = IInferenceVerifier.Statement(
        model_id=job.model_id,
        circuit_id=circuit_id,
        job_id=DISPUTE + job_id,
        payee=msg.sender,
        salt=salt,
        input=input,
        output=output,
        input_commitment=empty(uint256[2]),
        output_commitment=empty(uint256[2]),
    )
    verifier: IInferenceVerifier = IInferenceVerifier(links._link("InferenceVerifier"))
    assert self._verify(verifier, statement, proof), "ProvenInference: proof does not hold"
    digest: bytes32 = sha256(output)
    extcall poi.settle_by_proof(job_id, digest)
    log IProvenInference.DisputeProven(job_id=job_id, prover=msg.sender, digest=digest)


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
    assert amount > 0, "ProvenInference: no fees to flush"
    self.fees = 0
    extcall IJoyToken(JOY.address).add_rewards(amount)
    log IProvenInference.FeesFlushed(amount=amount)
    return amount


@external
def flush_royalty(model_id: bytes32) -> uint256:
    """
    @notice Pay a model's part that ModelMarketplace refused at `submit`. Open to anyone.
    @param model_id The model.
    @return uint256 JOY wei paid.
    """
    held: uint256 = self.held_royalty[model_id]
    assert held > 0, "ProvenInference: no royalty held"
    self.held_royalty[model_id] = 0
    market: address = links._link("ModelMarketplace")
    extcall JOY.approve(market, held)
    extcall IModelMarketplace(market).pay(model_id, held)
    return held


# 8. external, view
@external
@view
@reentrant
def job(job_id: uint256) -> IProvenInference.Job:
    """
    @notice Look up one job.
    @param job_id Counted from 1.
    @return Job The record; all zero if there is no such job.
    """
    head: proven_store.Head = proven_store._head(job_id)
    if head.status == 0:
        return empty(IProvenInference.Job)
    record: proven_store.Record = proven_store._records[job_id]
    fee: uint256 = proven_store._fee(job_id)
    price: uint256 = proven_store._price(job_id)
    refusable_until: uint256 = 0
    if head.input_kind != 0:
        refusable_until = self._unix(head.deadline - head.seconds // 2)
    return IProvenInference.Job(
        client=proven_store._client(job_id),
        model_id=record.model_id,
        circuit_id=record.circuit_id,
        node_id=head.node_id,
        payee=proven_store._payee(job_id),
        status=head.status,
        deadline=self._unix(head.deadline),
        refusable_until=refusable_until,
        fee=fee,
        price=price,
        bond=self._bond(fee, price),
        request_block=head.request_block,
        salt=record.salt,
        input_kind=head.input_kind,
        input_digest=record.input_digest,
        input_commitment=record.input_commitment,
        output_size=head.output_size,
    )


@external
@view
@reentrant
def terms(node_id: uint256, model_id: bytes32) -> IProvenInference.Terms:
    """
    @notice On what terms a node proves a model.
    @param node_id The node.
    @param model_id The model.
    @return Terms All zero if it does not, or if it set them before a link changed.
    """
    count: uint256 = len(self._routes)
    if count == 0 or not self._is_current(self._routes[count - 1]):
        return empty(IProvenInference.Terms)
    return proven_store._terms(node_id, model_id, count - 1)


@external
@view
@reentrant
def record_of(node_id: uint256) -> IProvenInference.Record:
    """
    @notice How a node's jobs ended.
    @param node_id The node.
    @return Record The counts.
    """
    counts: uint256 = proven_store._counts[node_id]
    return IProvenInference.Record(
        open=counts & (2**64 - 1),
        proven=(counts >> 64) & (2**64 - 1),
        failed=(counts >> 128) & (2**64 - 1),
        refused=counts >> 192,
    )


@external
@view
@reentrant
def salt_of(job_id: uint256) -> bytes32:
    """
    @notice The salt of an open job's statement: keccak256(abi.encode(chainid, this, job id,
            client's salt, randomness)).
    @param job_id The job.
    @return bytes32 Zero in the block of the request, and where `fix_salt` must come first.
    """
    return self._salt(job_id)


@external
@view
@reentrant
def dispute_salt(job_id: uint256) -> bytes32:
    """
    @notice The salt of a proof about a disputed committee job: keccak256(abi.encode(chainid,
            this, 2**255 + job id, ProofOfInference, randomness)).
    @param job_id A job of ProofOfInference.
    @return bytes32 Zero before `fix_dispute_salt`.
    """
    return self._dispute_salt(job_id, self._dispute_circuit(job_id))


@external
@view
@reentrant
def bond_of(fee: uint256, price: uint256) -> uint256:
    """
    @notice The bond of a job: four times the node's fee and the model's price, at least the
            rules' minimum.
    @param fee JOY wei, the node's part.
    @param price JOY wei, the model's part.
    @return uint256 JOY wei.
    """
    return self._bond(fee, price)


# 9. internal: routes and nodes
@internal
def _current_route() -> uint256:
    """
    @dev The route over the present links, noted if it is new.
    @return uint256 Index into `_routes`.
    """
    count: uint256 = len(self._routes)
    if count > 0 and self._is_current(self._routes[count - 1]):
        return count - 1
    self._routes.append(
        Route(
            coordinator=INodeCoordinator(links._link("NodeCoordinator")),
            market=IModelMarketplace(links._link("ModelMarketplace")),
            verifier=IInferenceVerifier(links._link("InferenceVerifier")),
        )
    )
    return count


@internal
@view
def _is_current(route: Route) -> bool:
    """
    @dev Whether a route is over the present links.
    @param route The route.
    @return bool True if it is.
    """
    return (
        route.coordinator.address == links._link("NodeCoordinator")
        and route.market.address == links._link("ModelMarketplace")
        and route.verifier.address == links._link("InferenceVerifier")
    )


@internal
@view
def _node(route: uint256, node_id: uint256) -> NodeHead:
    """
    @dev The start of a node's record.
    @param route A route.
    @param node_id The node.
    @return NodeHead Vault zero if there is no such node.
    """
    coordinator: address = self._routes[route].coordinator.address
    return staticcall ICoordinator(coordinator).node(node_id)


@internal
@view
def _check_controller(route: uint256, node_id: uint256):
    """
    @dev Let only a node's vault and present operator pass.
    @param route A route.
    @param node_id The node.
    """
    node: NodeHead = self._node(route, node_id)
    assert msg.sender in [node.vault, node.operator], (
        "ProvenInference: caller is not the vault or operator"
    )


# 9. internal: jobs
@internal
@view
def _open_job(job_id: uint256) -> proven_store.Head:
    """
    @dev The head of a job that must be open.
    @param job_id The job.
    @return Head The head.
    """
    head: proven_store.Head = proven_store._head(job_id)
    assert head.status == _OPEN, "ProvenInference: job is not open"
    return head


@internal
@view
def _verify(
    verifier: IInferenceVerifier,
    statement: IInferenceVerifier.Statement,
    proof: Bytes[12_288],
) -> bool:
    """
    @dev Ask the verifier with a fixed amount of gas, all of which must be there (EIP-150 keeps
         1/64 back): a call that is starved of gas reverts and never counts as a false proof.
         A verifier that fails reverts too.
    @param verifier InferenceVerifier.
    @param statement What is claimed.
    @param proof The proof.
    @return bool Whether it holds.
    """
    assert msg.gas >= RULES.verify_gas * 64 // 63 + _VERIFY_MARGIN, (
        "ProvenInference: not enough gas to verify"
    )
    return staticcall verifier.verify(statement, proof, gas=RULES.verify_gas)


@internal
def _close(job_id: uint256, node_id: uint256, status: uint256):
    """
    @dev End a job.
    @param job_id An open job.
    @param node_id Its node.
    @param status How it ended.
    """
    proven_store._set_status(job_id, status)
    proven_store._count(node_id, status)


@internal
def _refund(job_id: uint256):
    """
    @dev Owe a client what it paid.
    @param job_id Its job.
    """
    amount: uint256 = proven_store._fee(job_id) + proven_store._price(job_id)
    self.claimable[proven_store._client(job_id)] += amount


@internal
def _fail(
    job_id: uint256, head: proven_store.Head, vault: address, status: uint256
) -> uint256:
    """
    @dev End a job by its node's fault: refund the client, burn the bond, report the node. The
         bond goes to nobody, so nobody gains by a job that fails.
    @param job_id An open job.
    @param head Its head.
    @param vault The node's vault.
    @param status How it ended.
    @return uint256 JOY wei slashed.
    """
    self._close(job_id, head.node_id, status)
    self._refund(job_id)
    bond: uint256 = self._bond(proven_store._fee(job_id), proven_store._price(job_id))
    coordinator: INodeCoordinator = self._routes[head.route].coordinator
    slashed: uint256 = extcall coordinator.slash_bond(vault, bond, empty(address), 0)
    if staticcall ICoordinator(coordinator.address).link("ProvenInference") == self:
        extcall coordinator.report(head.node_id, False)
    return slashed


@internal
@view
def _salt(job_id: uint256) -> bytes32:
    """
    @dev See `salt_of`.
    @param job_id The job.
    @return bytes32 Zero where the randomness cannot be had.
    """
    anchor: bytes32 = self._anchors[job_id]
    if anchor == empty(bytes32):
        request_block: uint256 = proven_store._head(job_id).request_block
        if block.number <= request_block or block.number > request_block + _HASH_BLOCKS:
            return empty(bytes32)
        anchor = blockhash(request_block)
    return keccak256(
        abi_encode(chain.id, self, job_id, proven_store._records[job_id].salt, anchor)
    )


# 9. internal: disputes
@internal
@view
def _dispute_circuit(job_id: uint256) -> bytes32:
    """
    @dev The circuit that may decide a disputed committee job. It must have been known for
         `circuit_age`: its publisher could have registered one that is not the model's, and the
         nodes that serve the model need time to see it and stop.
    @param job_id A job of ProofOfInference.
    @return bytes32 The circuit id.
    """
    poi: IProofOfInference = IProofOfInference(links._link("ProofOfInference"))
    job: IProofOfInference.Job = staticcall poi.job(job_id)
    assert job.status == _DISPUTED, "ProvenInference: job is not disputed"
    verifier: IInferenceVerifier = IInferenceVerifier(links._link("InferenceVerifier"))
    circuit: IInferenceVerifier.Circuit = staticcall verifier.circuit_of(job.model_id)
    assert circuit.circuit_id != empty(bytes32), "ProvenInference: model has no circuit"
    assert block.timestamp >= circuit.registered_at + RULES.circuit_age, (
        "ProvenInference: circuit is too new"
    )
    return circuit.circuit_id


@internal
@view
def _dispute_key(job_id: uint256, circuit_id: bytes32) -> bytes32:
    """
    @dev What the randomness of a dispute belongs to: another ProofOfInference or another
         circuit gets another one, later than itself.
    @param job_id A job of ProofOfInference.
    @param circuit_id The circuit.
    @return bytes32 The key.
    """
    return keccak256(abi_encode(links._link("ProofOfInference"), job_id, circuit_id))


@internal
@view
def _dispute_salt(job_id: uint256, circuit_id: bytes32) -> bytes32:
    """
    @dev See `dispute_salt`.
    @param job_id A job of ProofOfInference.
    @param circuit_id The circuit.
    @return bytes32 Zero before `fix_dispute_salt`.
    """
    anchor: bytes32 = self._dispute_anchors[self._dispute_key(job_id, circuit_id)]
    if anchor == empty(bytes32):
        return empty(bytes32)
    poi: address = links._link("ProofOfInference")
    return keccak256(abi_encode(chain.id, self, DISPUTE + job_id, poi, anchor))


# 9. internal: money
@internal
def _pay_model(market: IModelMarketplace, job_id: uint256):
    """
    @dev Pay a job's model its part; what the marketplace refuses waits for `flush_royalty`, so
         that it cannot keep a node from being paid.
    @param market ModelMarketplace.
    @param job_id The job.
    """
    price: uint256 = proven_store._price(job_id)
    if price == 0:
        return
    model_id: bytes32 = proven_store._records[job_id].model_id
    extcall JOY.approve(market.address, price)
    paid: bool = raw_call(
        market.address,
        abi_encode(model_id, price, method_id=method_id("pay(bytes32,uint256)")),
        revert_on_failure=False,
    )
    if not paid:
        extcall JOY.approve(market.address, 0)
        self.held_royalty[model_id] += price
        log IProvenInference.RoyaltyHeld(model_id=model_id, amount=price)


@internal
def _claim(account: address) -> uint256:
    """
    @dev Send an account its balance, as far as the outflow limit grants.
    @param account The account.
    @return uint256 JOY wei sent.
    """
    owed: uint256 = self.claimable[account]
    granted: uint256 = circuit_breaker._take_outflow(owed, self._holdings())
    self.claimable[account] = owed - granted
    assert extcall JOY.transfer(account, granted)
    log IProvenInference.Claimed(account=account, amount=granted)
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
@view
def _bond(fee: uint256, price: uint256) -> uint256:
    """
    @dev See `bond_of`.
    @param fee JOY wei, the node's part.
    @param price JOY wei, the model's part.
    @return uint256 JOY wei.
    """
    return max(RULES.min_bond, _BOND_FEES * fee + price)


# 9. internal: time
@internal
@view
def _unix(clock: uint256) -> uint256:
    """
    @dev A moment of the breaker's clock in unix seconds, if no pause comes in between.
    @param clock The moment.
    @return uint256 Unix seconds.
    """
    return clock + circuit_breaker._paused_seconds()
