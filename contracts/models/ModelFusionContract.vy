# pragma version ~=0.4.3
# pragma nonreentrancy on
"""
@title Model fusion
@custom:contract-name ModelFusionContract
@license GNU Affero General Public License v3.0 only
@author JoyNet contributors
@notice Publishes models that were made of other models, on their parents' terms, and settles
        claims of parents that were left out: a bond, a share of the child's income that is
        frozen in ModelMarketplace, a defence with an equal bond, and a decision by the DAO
        of a TLD.
@dev JOY held here is, to the wei: bonds of open claims + withdrawable balances.
     Who judges: the owner (governance) admits TLDs as courts, the child's publisher names one
     of them when it publishes, and a model that named none, or one without a DAO, has
     DEFAULT_COURT. So neither side can bring its own judge. The TLD must belong to its DAO's
     executor as the claim is opened, and still to the same as it is decided.
     A claim costs its bond if it is denied and false, and DELAY_BPS of it if no decision
     comes. Both go to the defender: a claimant that defends against itself, with a second
     account, pays only with two bonds that lie still. A claim ends at the latest after both
     windows, and the same parent cannot claim on the same child twice. Anyone may defend, so
     that a publisher who sleeps, or who is in league with the claimant, does not cost its
     co-owners their share. At most 8 claimed shares, of 10,000 bps together, lie on a child, and
     open claims freeze at most half of its income.
     Answers of JoyToken are not looked at: it reverts and never answers False.
@custom:security The owner admits courts for later publications and can pause new business for a
        bounded time; it cannot touch a fusion, a claim, a bond or a share. A publisher
        cannot change a fusion. The DAO of the TLD decides claims, and nothing else.
@custom:kill Call `pause()`: publications and new claims stop; defence, decision, lapse and
        withdrawal go on, and their clocks stop with the pause.
"""


# 1. interfaces
from ethereum.ercs import IERC20
from ..interfaces import IModelFusionContract
from ..interfaces import IModelMarketplace
from ..interfaces import IPermaNetDAORegistry
from ..interfaces import ITldRegistry
implements: IModelFusionContract


# 2. modules
from snekmate.auth import ownable
initializes: ownable

from ..modules import circuit_breaker
initializes: circuit_breaker[ownable := ownable]

from ..modules import links
initializes: links[ownable := ownable]


# 3. exports
exports: (
    ownable.owner,
    ownable.transfer_ownership,
    circuit_breaker.__interface__,
    links.__interface__,
)


# 4. constants and immutables
MAX_PARENT_BPS: public(constant(uint256)) = 5_000  # a parent's minimum share
DEFAULT_CLAIM_BPS: public(constant(uint256)) = 1_000  # claimable where nothing was allowed
DELAY_BPS: public(constant(uint256)) = 1_000  # of a bond, lost if no decision comes
MIN_BOND: public(constant(uint256)) = 10**18  # JOY wei
MAX_BOND: public(constant(uint256)) = 100_000 * 10**18  # JOY wei: claims stay in reach
MIN_WINDOW: public(constant(uint256)) = 60  # seconds
MAX_WINDOW: public(constant(uint256)) = 60 * 86_400  # seconds
_BPS: constant(uint256) = 10_000
_OPEN: constant(uint8) = 1
_UPHELD: constant(uint8) = 2
_REJECTED: constant(uint8) = 3
_LAPSED: constant(uint8) = 4

JOY: public(immutable(IERC20))
MARKET: public(immutable(IModelMarketplace))
DEFAULT_COURT: public(immutable(bytes32))  # node of a TLD
CLAIM_BOND: public(immutable(uint256))  # JOY wei, of claimant and defender each
DEFENCE_WINDOW: public(immutable(uint256))  # seconds in which a claim can be denied
DECISION_WINDOW: public(immutable(uint256))  # seconds after it in which a court decides


# 5. state
struct StoredFusion:
    spec_digest: bytes32
    court: bytes32
    published_at: uint256  # unix seconds


struct StoredClaim:
    child: bytes32
    parent: bytes32
    claimant: address
    defender: address  # zero: nobody denied it
    share_bps: uint256
    spec_digest: bytes32
    court: bytes32
    judge: address  # executor of the court's DAO
    deadline: uint256  # in `circuit_breaker._clock()` time: of the defence, then the decision
    state: uint8


# @dev TLDs that publishers may name as their court.
is_court: public(HashMap[bytes32, bool])
# @dev Model -> number of terms it ever had, and each: set_at << 32 | allowed << 16 | bps.
_terms_count: HashMap[bytes32, uint256]
_terms: HashMap[bytes32, HashMap[uint256, uint256]]
# @dev Model -> how it was fused.
_fusions: HashMap[bytes32, StoredFusion]
# @dev Claims opened so far; ids run from 1 to this.
claim_count: public(uint256)
# @dev Child -> parent -> the one claim ever made.
claim_between: public(HashMap[bytes32, HashMap[bytes32, uint256]])
_claims: HashMap[uint256, StoredClaim]
# @dev Account -> bonds that were freed or won, JOY wei.
withdrawable: public(HashMap[address, uint256])


# 6. constructor
@deploy
def __init__(
    joy: IERC20,
    market: IModelMarketplace,
    default_court: bytes32,
    claim_bond: uint256,
    defence_window: uint256,
    decision_window: uint256,
    link_delay: uint256,
    guardian: address,
    outflow_bps: uint256,
    outflow_floor: uint256,
):
    """
    @param joy JoyToken, which bonds are paid in.
    @param market ModelMarketplace, where models are listed and shares frozen.
    @param default_court Node of the TLD whose DAO decides where the publisher named none.
    @param claim_bond JOY wei, in [MIN_BOND, MAX_BOND].
    @param defence_window Seconds in which a claim can be denied, in [MIN_WINDOW, MAX_WINDOW].
    @param decision_window Seconds after that in which a court decides, likewise; more than a
           DAO needs to vote and to sit out its timelock.
    @param link_delay Seconds before a link in use changes.
    @param guardian Account that may pause besides the owner.
    @param outflow_bps Basis points of the holdings that may leave in one epoch.
    @param outflow_floor JOY wei that may always leave in one epoch.
    """
    assert joy.address != empty(address), "ModelFusionContract: zero token"
    assert market.address != empty(address), "ModelFusionContract: zero marketplace"
    assert default_court != empty(bytes32), "ModelFusionContract: zero court"
    assert claim_bond >= MIN_BOND, "ModelFusionContract: bond too small"
    assert claim_bond <= MAX_BOND, "ModelFusionContract: bond too big"
    assert min(defence_window, decision_window) >= MIN_WINDOW, (
        "ModelFusionContract: window too short"
    )
    assert max(defence_window, decision_window) <= MAX_WINDOW, (
        "ModelFusionContract: window too long"
    )
    ownable.__init__()
    circuit_breaker.__init__(guardian, outflow_bps, outflow_floor)
    links.__init__(link_delay)
    JOY = joy
    MARKET = market
    DEFAULT_COURT = default_court
    CLAIM_BOND = claim_bond
    DEFENCE_WINDOW = defence_window
    DECISION_WINDOW = decision_window
    self.is_court[default_court] = True
    log IModelFusionContract.CourtSet(court=default_court, is_admitted=True)


# 7. external, state-changing
@external
def set_court(court: bytes32, is_admitted: bool):
    """
    @notice Let publishers name a TLD whose DAO decides claims, or no longer. Owner only.
            Models that named it keep it.
    @param court Node of the TLD.
    @param is_admitted Whether it may be named from now on.
    """
    ownable._check_owner()
    assert court != empty(bytes32), "ModelFusionContract: zero court"
    self.is_court[court] = is_admitted
    log IModelFusionContract.CourtSet(court=court, is_admitted=is_admitted)


@external
def set_parent_terms(model_id: bytes32, derivatives_allowed: bool, min_share_bps: uint256):
    """
    @notice State on which terms a model may be a parent. Its publisher only. Children that
            are published already keep the terms they were published under.
    @param model_id SHA-256 of the model's manifest.
    @param derivatives_allowed Whether others may build on it.
    @param min_share_bps Least share of a child's income, at most `MAX_PARENT_BPS`.
    """
    assert msg.sender == self._origin(model_id)[0], (
        "ModelFusionContract: caller is not the publisher"
    )
    assert min_share_bps <= MAX_PARENT_BPS, "ModelFusionContract: minimum share too big"
    count: uint256 = self._terms_count[model_id]
    if count > 0 and self._set_at(self._terms[model_id][count - 1]) == block.timestamp:
        count -= 1
    self._terms[model_id][count] = (
        block.timestamp << 32 | convert(derivatives_allowed, uint256) << 16 | min_share_bps
    )
    self._terms_count[model_id] = count + 1
    log IModelFusionContract.ParentTermsSet(
        model_id=model_id, derivatives_allowed=derivatives_allowed, min_share_bps=min_share_bps
    )


@external
def publish(
    model_id: bytes32,
    spec_digest: bytes32,
    price: uint256,
    token_price: uint256,
    verification: uint8,
    tolerance: uint16,
    owners: DynArray[IModelMarketplace.Share, 8],
    parents: DynArray[IModelMarketplace.Parent, 8],
    court: bytes32,
):
    """
    @notice List a fused model; its parents and their shares are fixed for good. Every
            parent's terms must allow it, unless the caller published the parent too.
    @param model_id SHA-256 of the child's manifest.
    @param spec_digest SHA-256 of the FusionSpec that builds it.
    @param price Wei of JOY per call.
    @param token_price Wei of JOY per 1,000 output tokens.
    @param verification 0 exact, 1 tolerant.
    @param tolerance L-infinity distance over int16; 0 for exact models.
    @param owners Who shares what the parents leave; empty: the publisher alone.
    @param parents 1 to 8 different listed models, each at or above its minimum share.
    @param court Node of an admitted TLD, whose DAO decides claims; zero: `DEFAULT_COURT`.
    """
    circuit_breaker._require_not_paused()
    assert spec_digest != empty(bytes32), "ModelFusionContract: zero spec digest"
    chosen: bytes32 = court
    if court == empty(bytes32):
        chosen = DEFAULT_COURT
    assert self.is_court[chosen], "ModelFusionContract: not an admitted court"
    for parent: IModelMarketplace.Parent in parents:
        terms: IModelFusionContract.ParentTerms = self._terms_now(parent.model_id)
        if not terms.derivatives_allowed or parent.bps < terms.min_share_bps:
            if self._origin(parent.model_id)[0] != msg.sender:
                assert terms.derivatives_allowed, (
                    "ModelFusionContract: parent allows no derivatives"
                )
                raise "ModelFusionContract: below parent's minimum share"
    self._fusions[model_id] = StoredFusion(
        spec_digest=spec_digest, court=chosen, published_at=block.timestamp
    )
    extcall MARKET.list_derived(
        msg.sender,
        model_id,
        price,
        token_price,
        verification,
        tolerance,
        owners,
        parents,
    )
    log IModelFusionContract.FusionPublished(
        model_id=model_id,
        publisher=msg.sender,
        spec_digest=spec_digest,
        court=chosen,
        depth=staticcall MARKET.depth_of(model_id),
    )


@external
def open_claim(
    child: bytes32, parent: bytes32, share_bps: uint256, spec_digest: bytes32
) -> uint256:
    """
    @notice Say that a child was built from a model that it does not name, with a bond of
            `CLAIM_BOND`. The share of the child's income is frozen from now on until the
            decision. The parent's publisher only, once for each child and parent.
    @param child A listed model, whether it was published here or as an original.
    @param parent The model that was left out, listed before the child.
    @param share_bps Share asked for, at most `claimable_bps(child, parent)`.
    @param spec_digest SHA-256 of a FusionSpec that rebuilds the child's CID.
    @return uint256 The claim id, from 1.
    """
    circuit_breaker._require_not_paused()
    assert msg.sender == self._origin(parent)[0], (
        "ModelFusionContract: caller is not the publisher"
    )
    assert msg.sender != self._origin(child)[0], (
        "ModelFusionContract: claim against oneself"
    )
    assert self.claim_between[child][parent] == 0, "ModelFusionContract: claimed before"
    assert spec_digest != empty(bytes32), "ModelFusionContract: zero spec digest"
    assert share_bps <= self._claimable_bps(child, parent), (
        "ModelFusionContract: share asked for is too big"
    )
    court: bytes32 = self._court_of(child)
    judge: address = self._judge_of(court)
    assert judge != empty(address), "ModelFusionContract: no DAO to decide"
    assert judge != msg.sender, "ModelFusionContract: judge in its own case"

    claim_id: uint256 = self.claim_count + 1
    self.claim_count = claim_id
    self.claim_between[child][parent] = claim_id
    deadline: uint256 = circuit_breaker._clock() + DEFENCE_WINDOW
    self._claims[claim_id] = StoredClaim(
        child=child,
        parent=parent,
        claimant=msg.sender,
        defender=empty(address),
        share_bps=share_bps,
        spec_digest=spec_digest,
        court=court,
        judge=judge,
        deadline=deadline,
        state=_OPEN,
    )
    self._pull_bond()
    extcall MARKET.freeze_share(child, parent, share_bps)
    log IModelFusionContract.ClaimOpened(
        claim_id=claim_id,
        child=child,
        parent=parent,
        claimant=msg.sender,
        share_bps=share_bps,
        spec_digest=spec_digest,
        court=court,
        judge=judge,
        deadline=deadline + circuit_breaker._paused_seconds(),
    )
    return claim_id


@external
def defend(claim_id: uint256):
    """
    @notice Deny a claim, with an equal bond, which wins the claimant's if the claim is
            rejected. Anyone (a co-owner, a parent, whoever ran the spec) except the claimant,
            within `DEFENCE_WINDOW`; a claim that nobody denies is upheld. Never paused.
    @param claim_id The claim.
    """
    claim: StoredClaim = self._open_claim(claim_id)
    assert claim.defender == empty(address), "ModelFusionContract: defended already"
    assert msg.sender != claim.claimant, "ModelFusionContract: claimant cannot defend"
    assert circuit_breaker._clock() < claim.deadline, "ModelFusionContract: too late to defend"
    # The court has its whole window, however early the defence came.
    deadline: uint256 = claim.deadline + DECISION_WINDOW
    self._claims[claim_id].defender = msg.sender
    self._claims[claim_id].deadline = deadline
    self._pull_bond()
    log IModelFusionContract.ClaimDefended(
        claim_id=claim_id,
        defender=msg.sender,
        deadline=deadline + circuit_breaker._paused_seconds(),
    )


@external
def decide(claim_id: uint256, is_upheld: bool):
    """
    @notice Decide a claim: the loser's bond goes to the winner (the child's publisher, if
            nobody defended), the frozen share to the rightful side, and if upheld all later
            income's share too. The claim's judge only, which must still own the TLD, within
            `DECISION_WINDOW` after the defence. Never paused.
    @param claim_id The claim.
    @param is_upheld Whether the parent was left out.
    """
    claim: StoredClaim = self._open_claim(claim_id)
    assert msg.sender == claim.judge, "ModelFusionContract: caller is not the court's DAO"
    # The DAO registry is locked while it executes a proposal: only the TLD can be asked.
    tlds: ITldRegistry = ITldRegistry(links._link("TldRegistry"))
    assert staticcall tlds.owner_of(claim.court) == claim.judge, (
        "ModelFusionContract: DAO lost its TLD"
    )
    assert circuit_breaker._clock() < claim.deadline, "ModelFusionContract: too late to decide"
    state: uint8 = _REJECTED
    if is_upheld:
        state = _UPHELD
    self._close(claim_id, claim, state)


@external
def lapse(claim_id: uint256):
    """
    @notice Close a claim that was not denied in time (upheld), or not decided in time (the
            share goes back, the claimant's bond too, less `DELAY_BPS` of it for the
            defender). Anyone; never paused.
    @param claim_id The claim.
    """
    claim: StoredClaim = self._open_claim(claim_id)
    assert circuit_breaker._clock() >= claim.deadline, (
        "ModelFusionContract: claim can still be defended or decided"
    )
    state: uint8 = _LAPSED
    if claim.defender == empty(address):
        state = _UPHELD
    self._close(claim_id, claim, state)


@external
def withdraw() -> uint256:
    """
    @notice Withdraw the caller's bonds that were freed or won. Never paused.
    @return uint256 Wei of JOY paid; the outflow limit may hold back the rest until later.
    """
    return self._withdraw(msg.sender)


@external
def withdraw_for(account: address) -> uint256:
    """
    @notice Send an account its freed and won bonds; anyone may pay the gas. Never paused.
    @param account The receiver.
    @return uint256 Wei of JOY paid; the outflow limit may hold back the rest until later.
    """
    return self._withdraw(account)


# 8. external, view
@external
@view
def parent_terms(model_id: bytes32) -> IModelFusionContract.ParentTerms:
    """
    @notice On which terms a model may be a parent.
    @param model_id The model.
    @return ParentTerms The terms that hold now.
    """
    return self._terms_now(model_id)


@external
@view
def terms_at(model_id: bytes32, time: uint256) -> IModelFusionContract.ParentTerms:
    """
    @notice On which terms a model could be a parent at some time.
    @param model_id The model.
    @param time Unix seconds; terms set in that very second do not count.
    @return ParentTerms The terms; all zero if none were set before.
    """
    return self._terms_at(model_id, time)


@external
@view
def claimable_bps(child: bytes32, parent: bytes32) -> uint256:
    """
    @notice The largest share that a parent can claim: its minimum share when the child was
            listed; at least `DEFAULT_CLAIM_BPS` if derivatives were not allowed then.
    @param child The child.
    @param parent The model that was left out.
    @return uint256 Basis points of every payment.
    """
    return self._claimable_bps(child, parent)


@external
@view
def fusion(model_id: bytes32) -> IModelFusionContract.Fusion:
    """
    @notice How a model was fused.
    @param model_id The model.
    @return Fusion The fusion; all zero for a model that was not published here.
    """
    stored: StoredFusion = self._fusions[model_id]
    if stored.published_at == 0:
        return empty(IModelFusionContract.Fusion)
    return IModelFusionContract.Fusion(
        publisher=self._origin(model_id)[0],
        spec_digest=stored.spec_digest,
        court=stored.court,
        depth=staticcall MARKET.depth_of(model_id),
        published_at=stored.published_at,
    )


@external
@view
def usage(model_id: bytes32) -> (uint256, uint256):
    """
    @notice How much a model was used through paid calls, as ModelMarketplace counts it in the
            payment path.
    @param model_id The model.
    @return uint256 Calls.
    @return uint256 Wei of JOY paid for them.
    """
    return staticcall MARKET.usage_of(model_id)


@external
@view
def court_of(model_id: bytes32) -> bytes32:
    """
    @notice Which TLD's DAO would decide a claim against a model that is opened now: the one
            its publisher named, or `DEFAULT_COURT` if it named none, or one without a DAO or
            whose DAO published the model.
    @param model_id The child.
    @return bytes32 Node of the TLD.
    """
    return self._court_of(model_id)


@external
@view
def judge_of(court: bytes32) -> address:
    """
    @notice Who speaks for a TLD: its DAO's executor, as long as that owns the TLD.
    @param court Node of the TLD.
    @return address The executor; zero if the TLD is not owned by its DAO.
    """
    return self._judge_of(court)


@external
@view
def claim_of(claim_id: uint256) -> IModelFusionContract.LeftOutClaim:
    """
    @notice One claim of a parent that was left out.
    @param claim_id The claim.
    @return LeftOutClaim The claim; all zero if there is none.
    """
    claim: StoredClaim = self._claims[claim_id]
    if claim.state == 0:
        return empty(IModelFusionContract.LeftOutClaim)
    frozen: uint256 = 0
    deadline: uint256 = 0
    if claim.state == _OPEN:
        deadline = claim.deadline + circuit_breaker._paused_seconds()
        for share: IModelMarketplace.ClaimedShare in staticcall MARKET.claimed_of(claim.child):
            if share.parent == claim.parent:
                frozen = share.frozen
    return IModelFusionContract.LeftOutClaim(
        child=claim.child,
        parent=claim.parent,
        claimant=claim.claimant,
        defender=claim.defender,
        share_bps=claim.share_bps,
        frozen=frozen,
        spec_digest=claim.spec_digest,
        bond=CLAIM_BOND,
        court=claim.court,
        judge=claim.judge,
        deadline=deadline,
        state=claim.state,
    )


# 9. internal
@internal
def _pull_bond():
    """
    @dev Take the caller's bond.
    """
    circuit_breaker._add_inflow(CLAIM_BOND, staticcall JOY.balanceOf(self))
    extcall JOY.transferFrom(msg.sender, self, CLAIM_BOND)


@internal
def _close(claim_id: uint256, claim: StoredClaim, state: uint8):
    """
    @dev End a claim: the frozen share and the bonds go where they belong.
    @param claim_id The claim.
    @param claim Its record, open.
    @param state How it ends.
    """
    self._claims[claim_id].state = state
    defender: address = claim.defender
    bonds: uint256 = CLAIM_BOND
    if defender != empty(address):
        bonds += CLAIM_BOND
    else:
        defender = self._origin(claim.child)[0]
    to_claimant: uint256 = 0
    if state == _UPHELD:
        to_claimant = bonds
    elif state == _LAPSED:
        to_claimant = CLAIM_BOND - CLAIM_BOND * DELAY_BPS // _BPS
    self.withdrawable[claim.claimant] += to_claimant
    self.withdrawable[defender] += bonds - to_claimant
    frozen: uint256 = extcall MARKET.resolve_share(claim.child, claim.parent, state == _UPHELD)
    log IModelFusionContract.ClaimClosed(
        claim_id=claim_id,
        child=claim.child,
        parent=claim.parent,
        state=state,
        frozen=frozen,
        to_claimant=to_claimant,
        to_defender=bonds - to_claimant,
    )


@internal
def _withdraw(account: address) -> uint256:
    """
    @dev Pay out what the outflow limit grants; the rest stays withdrawable.
    @param account The receiver.
    @return uint256 JOY wei sent.
    """
    owed: uint256 = self.withdrawable[account]
    assert owed > 0, "ModelFusionContract: nothing to withdraw"
    sent: uint256 = circuit_breaker._take_outflow(owed, staticcall JOY.balanceOf(self))
    assert sent > 0, "ModelFusionContract: outflow limit reached, withdraw in the next epoch"
    self.withdrawable[account] = owed - sent
    extcall JOY.transfer(account, sent)
    log IModelFusionContract.Withdrawn(account=account, amount=sent)
    return sent


@internal
@view
def _open_claim(claim_id: uint256) -> StoredClaim:
    """
    @dev A claim that is not closed.
    @param claim_id The claim.
    @return StoredClaim Its record.
    """
    claim: StoredClaim = self._claims[claim_id]
    assert claim.state == _OPEN, "ModelFusionContract: claim is not open"
    return claim


@internal
@view
def _origin(model_id: bytes32) -> (address, uint256):
    """
    @dev Who published a model, and when.
    @param model_id A listed model.
    @return address The publisher.
    @return uint256 Unix seconds.
    """
    publisher: address = empty(address)
    listed_at: uint256 = 0
    publisher, listed_at = staticcall MARKET.origin_of(model_id)
    assert listed_at != 0, "ModelFusionContract: model not listed"
    return publisher, listed_at


@internal
@view
def _court_of(model_id: bytes32) -> bytes32:
    """
    @dev See `court_of`.
    @param model_id The child.
    @return bytes32 Node of the TLD.
    """
    court: bytes32 = self._fusions[model_id].court
    if court == empty(bytes32) or court == DEFAULT_COURT:
        return DEFAULT_COURT
    if self._judge_of(court) in [empty(address), self._origin(model_id)[0]]:
        return DEFAULT_COURT
    return court


@internal
@view
def _judge_of(court: bytes32) -> address:
    """
    @dev See `judge_of`.
    @param court Node of the TLD.
    @return address The executor; zero if there is none.
    """
    daos: IPermaNetDAORegistry = IPermaNetDAORegistry(links._link("PermaNetDAORegistry"))
    executor: address = staticcall daos.executor_of(court)
    if executor != staticcall ITldRegistry(links._link("TldRegistry")).owner_of(court):
        return empty(address)
    return executor


@internal
@view
def _claimable_bps(child: bytes32, parent: bytes32) -> uint256:
    """
    @dev See `claimable_bps`.
    @param child The child.
    @param parent The model that was left out.
    @return uint256 Basis points.
    """
    terms: IModelFusionContract.ParentTerms = self._terms_at(
        parent, self._origin(child)[1]
    )
    if terms.derivatives_allowed:
        return terms.min_share_bps
    return max(terms.min_share_bps, DEFAULT_CLAIM_BPS)


@internal
@view
def _terms_now(model_id: bytes32) -> IModelFusionContract.ParentTerms:
    """
    @dev The terms that hold now.
    @param model_id The model.
    @return ParentTerms All zero if none were set.
    """
    count: uint256 = self._terms_count[model_id]
    if count == 0:
        return empty(IModelFusionContract.ParentTerms)
    return self._unpack(self._terms[model_id][count - 1])


@internal
@view
def _terms_at(model_id: bytes32, time: uint256) -> IModelFusionContract.ParentTerms:
    """
    @dev The terms that held before a moment, by binary search.
    @param model_id The model.
    @param time Unix seconds.
    @return ParentTerms All zero if none were set before it.
    """
    # Invariant: terms before `low` are older than `time`, from `high` on they are not.
    low: uint256 = 0
    high: uint256 = self._terms_count[model_id]
    for _: uint256 in range(48):
        if low == high:
            break
        middle: uint256 = (low + high) // 2
        if self._set_at(self._terms[model_id][middle]) < time:
            low = middle + 1
        else:
            high = middle
    if low == 0:
        return empty(IModelFusionContract.ParentTerms)
    return self._unpack(self._terms[model_id][low - 1])


@internal
@pure
def _unpack(word: uint256) -> IModelFusionContract.ParentTerms:
    """
    @dev Terms in a word.
    @param word The word.
    @return ParentTerms The terms.
    """
    return IModelFusionContract.ParentTerms(
        derivatives_allowed=word >> 16 & 1 == 1,
        min_share_bps=word & (2**16 - 1),
        set_at=self._set_at(word),
    )


@internal
@pure
def _set_at(word: uint256) -> uint256:
    """
    @dev When terms in a word were set.
    @param word The word.
    @return uint256 Unix seconds.
    """
    return word >> 32
