# pragma version ~=0.4.3
# pragma nonreentrancy on
"""
@title Model marketplace
@custom:contract-name ModelMarketplace
@license GNU Affero General Public License v3.0 only
@author JoyNet contributors
@notice The register of published models: what a call costs, how answers are verified, and
        who is paid. Payments collect in the model's own account and are pulled from there.
@dev The first to list a `model_id` is its publisher for ever. A `model_id` commits to the
     manifest's content, not to a person: whoever sees a listing transaction before it is
     mined can list the same id first. A publisher that lost the race changes the manifest
     (any byte gives a new id) and sends it through a private relay; buyers follow names
     (`minilm.joy`), which only their owner can bind.
     Answers of JoyToken are not looked at: it reverts and never answers False.
@custom:security The owner can pause new listings for a bounded time, and replace links after
        a delay: a replaced ModelFusionContract could freeze and grant shares, never those
        frozen by another. The owner cannot touch a listing, an account or a claim.
@custom:kill Call `pause()`: listings stop; `pay`, `distribute`, `claim` go on.
"""


# 1. interfaces
from ethereum.ercs import IERC20
from ..interfaces import IModelMarketplace
implements: IModelMarketplace


# 2. modules
from snekmate.auth import ownable
initializes: ownable

from ..modules import circuit_breaker
initializes: circuit_breaker[ownable := ownable]

from ..modules import links
initializes: links[ownable := ownable]

from ..modules import royalty_split
initializes: royalty_split


# 3. exports
exports: (
    ownable.owner,
    ownable.transfer_ownership,
    circuit_breaker.__interface__,
    links.__interface__,
    royalty_split.__interface__,
)


# 4. constants and immutables
PRICE_NOTICE: public(constant(uint256)) = 86_400  # seconds
_EXACT: constant(uint8) = 0
_TOLERANT: constant(uint8) = 1

JOY: public(immutable(IERC20))


# 5. state
struct ScheduledPrice:
    price: uint256  # JOY wei per call
    token_price: uint256  # JOY wei per 1,000 output tokens
    effective_at: uint256  # unix seconds; 0: none


# @dev Model -> record, with the prices from before any scheduled change.
_listings: HashMap[bytes32, IModelMarketplace.Listing]
# @dev Model -> its latest scheduled change, also after it came into force.
_scheduled: HashMap[bytes32, ScheduledPrice]
# @dev Model -> paid calls << 128 | JOY wei paid for them, below 2**128 each: JOY's whole supply
#      would have to go round 2**38 times.
_usage: HashMap[bytes32, uint256]


# 6. constructor
@deploy
def __init__(
    joy: IERC20,
    link_delay: uint256,
    guardian: address,
    outflow_bps: uint256,
    outflow_floor: uint256,
):
    """
    @param joy JoyToken, which models are paid in.
    @param link_delay Seconds before a link in use changes.
    @param guardian Account that may pause besides the owner.
    @param outflow_bps Basis points of the holdings that may leave in one epoch.
    @param outflow_floor JOY wei that may always leave in one epoch.
    """
    assert joy.address != empty(address), "ModelMarketplace: zero token"
    ownable.__init__()
    circuit_breaker.__init__(guardian, outflow_bps, outflow_floor)
    links.__init__(link_delay)
    JOY = joy


# 7. external, state-changing
@external
def list_model(
    model_id: bytes32,
    price: uint256,
    token_price: uint256,
    verification: uint8,
    tolerance: uint16,
    owners: DynArray[IModelMarketplace.Share, 8],
):
    """
    @notice List a model without parents; the caller becomes its publisher for ever.
    @param model_id sha2-256 of the manifest.
    @param price JOY wei per call.
    @param token_price JOY wei per 1,000 output tokens.
    @param verification 0 exact, 1 tolerant.
    @param tolerance L-infinity distance over int16; 0 for exact models.
    @param owners Who shares the revenue, summing to 10,000 bps; empty: the publisher alone.
    """
    self._list(msg.sender, model_id, price, token_price, verification, tolerance, owners, [])


@external
def list_derived(
    publisher: address,
    model_id: bytes32,
    price: uint256,
    token_price: uint256,
    verification: uint8,
    tolerance: uint16,
    owners: DynArray[IModelMarketplace.Share, 8],
    parents: DynArray[IModelMarketplace.Parent, 8],
):
    """
    @notice List a model that owes royalties to parents. Only the linked
            ModelFusionContract calls this, on behalf of `publisher`.
    @param publisher Account that asked ModelFusionContract to publish.
    @param model_id sha2-256 of the manifest.
    @param price JOY wei per call.
    @param token_price JOY wei per 1,000 output tokens.
    @param verification 0 exact, 1 tolerant.
    @param tolerance L-infinity distance over int16; 0 for exact models.
    @param owners Who shares the rest, summing to 10,000 bps; empty: the publisher alone.
    @param parents Listed models and their bps of every payment, summing to at most 10,000.
    """
    assert msg.sender == links._link("ModelFusionContract"), (
        "ModelMarketplace: caller is not ModelFusionContract"
    )
    assert publisher != empty(address), "ModelMarketplace: zero publisher"
    assert len(parents) > 0, "ModelMarketplace: no parents"
    self._list(publisher, model_id, price, token_price, verification, tolerance, owners, parents)


@external
def set_price(model_id: bytes32, price: uint256, token_price: uint256):
    """
    @notice Change both prices. If neither rises it holds at once, else after PRICE_NOTICE.
            Replaces a change that is still waiting. Publisher only.
    @param model_id The model.
    @param price JOY wei per call.
    @param token_price JOY wei per 1,000 output tokens.
    """
    self._check_publisher(model_id)
    now_price: uint256 = 0
    now_token_price: uint256 = 0
    now_price, now_token_price = self._prices(model_id)
    effective_at: uint256 = block.timestamp
    if price > now_price or token_price > now_token_price:
        effective_at += PRICE_NOTICE
    self._listings[model_id].price = now_price
    self._listings[model_id].token_price = now_token_price
    self._scheduled[model_id] = ScheduledPrice(
        price=price, token_price=token_price, effective_at=effective_at
    )
    log IModelMarketplace.PriceSet(
        model_id=model_id, price=price, token_price=token_price, effective_at=effective_at
    )


@external
def delist(model_id: bytes32):
    """
    @notice Take a model off the market. Its price, account and royalties stay. Publisher only.
    @param model_id The model.
    """
    self._check_publisher(model_id)
    assert self._listings[model_id].active, "ModelMarketplace: already delisted"
    self._listings[model_id].active = False
    log IModelMarketplace.ModelDelisted(model_id=model_id)


@external
def relist(model_id: bytes32):
    """
    @notice Put a delisted model back on the market. Publisher only.
    @param model_id The model.
    """
    circuit_breaker._require_not_paused()
    self._check_publisher(model_id)
    assert not self._listings[model_id].active, "ModelMarketplace: already listed"
    self._listings[model_id].active = True
    log IModelMarketplace.ModelRelisted(model_id=model_id)


@external
def pay(model_id: bytes32, amount: uint256):
    """
    @notice Pull `amount` JOY from the caller (who approved it) into the model's account.
            Open to anyone and never paused; works for delisted models. Counts as use when a
            linked service pays: one call for each price's worth that NodeCoordinator pays,
            one for each payment of ProofOfInference or ProvenInference.
    @param model_id A model that was listed at some time.
    @param amount JOY wei.
    """
    self._check_known(model_id)
    holdings: uint256 = staticcall JOY.balanceOf(self)
    royalty_split._credit(model_id, amount)
    circuit_breaker._add_inflow(amount, holdings)
    self._count_usage(model_id, amount)
    extcall JOY.transferFrom(msg.sender, self, amount)
    log IModelMarketplace.ModelPaid(model_id=model_id, payer=msg.sender, amount=amount)


@external
def distribute(model_id: bytes32) -> uint256:
    """
    @notice Empty a model's account: parents' parts to the parents' accounts, the part of
            open claims aside, the rest to the owners' claimable balances, rounding to the
            first owner. One level only. Makes no call. Open to anyone and never paused.
    @param model_id The model.
    @return uint256 JOY wei distributed.
    """
    self._check_known(model_id)
    return self._distribute(model_id)


@external
def freeze_share(child: bytes32, parent: bytes32, bps: uint256):
    """
    @notice Hold a share of a child's income back from now on, for a parent that says it was
            left out; what came in before is distributed first. Linked ModelFusionContract only.
    @param child A listed model.
    @param parent A model listed before it that is not among its parents.
    @param bps The share of every payment.
    """
    assert msg.sender == links._link("ModelFusionContract"), (
        "ModelMarketplace: caller is not ModelFusionContract"
    )
    self._check_known(child)
    self._check_known(parent)
    assert self._listings[parent].listed_at < self._listings[child].listed_at, (
        "ModelMarketplace: parent is not older than child"
    )
    self._distribute(child)
    royalty_split._freeze(child, parent, bps, msg.sender)
    log IModelMarketplace.ShareFrozen(child=child, parent=parent, bps=bps)


@external
def resolve_share(child: bytes32, parent: bytes32, is_upheld: bool) -> uint256:
    """
    @notice Grant a claimed share for good, with what was frozen; or give what was frozen to
            those it was kept from. Whoever froze the share, also after it was replaced.
    @param child The child.
    @param parent The parent that claims.
    @param is_upheld Whether the share is granted.
    @return uint256 JOY wei that were frozen.
    """
    self._check_known(child)
    self._distribute(child)
    amount: uint256 = royalty_split._resolve(child, parent, is_upheld, msg.sender)
    log IModelMarketplace.ShareResolved(
        child=child, parent=parent, is_upheld=is_upheld, amount=amount
    )
    return amount


@external
def split_share(model_id: bytes32, shares: DynArray[IModelMarketplace.Share, 8]):
    """
    @notice Replace the caller's own share of a model by several, or hand it on; what came in
            before is distributed first. A model has at most 8 owners. Never paused.
    @param model_id A model that the caller is an owner of.
    @param shares What comes in its place; their bps sum to the caller's.
    """
    self._check_known(model_id)
    self._distribute(model_id)
    royalty_split._replace_share(model_id, msg.sender, shares)
    log IModelMarketplace.ShareSplit(model_id=model_id, account=msg.sender, shares=shares)


@external
def claim() -> uint256:
    """
    @notice Send the caller what it can claim.
    @return uint256 JOY wei sent; the outflow limit may hold back the rest until later.
    """
    return self._claim(msg.sender)


@external
def claim_for(account: address) -> uint256:
    """
    @notice Send `account` what it can claim; anyone may pay the gas.
    @param account The receiver.
    @return uint256 JOY wei sent; the outflow limit may hold back the rest until later.
    """
    return self._claim(account)


# 8. external, view
@external
@view
def listing(model_id: bytes32) -> IModelMarketplace.Listing:
    """
    @notice Look up one model, with the prices that hold now.
    @param model_id The model.
    @return Listing The record; all zero if never listed.
    """
    record: IModelMarketplace.Listing = self._listings[model_id]
    record.price, record.token_price = self._prices(model_id)
    return record


@external
@view
def origin_of(model_id: bytes32) -> (address, uint256):
    """
    @notice Who published a model, and when: the part of `listing` that never changes.
    @param model_id The model.
    @return address The publisher; zero if never listed.
    @return uint256 Unix seconds; 0 if never listed.
    """
    return self._listings[model_id].publisher, self._listings[model_id].listed_at


@external
@view
def is_active(model_id: bytes32) -> bool:
    """
    @notice Whether a model is on the market.
    @param model_id The model.
    @return bool False if it was never listed, or is delisted.
    """
    return self._listings[model_id].active


@external
@view
def price_of(model_id: bytes32) -> uint256:
    """
    @notice The price of one call now. Holds for delisted models too, because calls served
            before may still be unredeemed.
    @param model_id The model.
    @return uint256 JOY wei per call; 0 if never listed.
    """
    return self._prices(model_id)[0]


@external
@view
def scheduled_price(model_id: bytes32) -> (uint256, uint256, uint256):
    """
    @notice The price change that is waiting for its notice to pass.
    @param model_id The model.
    @return uint256 JOY wei per call.
    @return uint256 JOY wei per 1,000 output tokens.
    @return uint256 Unix seconds from which both hold; 0 if none is waiting.
    """
    change: ScheduledPrice = self._scheduled[model_id]
    if change.effective_at <= block.timestamp:
        return 0, 0, 0
    return change.price, change.token_price, change.effective_at


@external
@view
def usage_of(model_id: bytes32) -> (uint256, uint256):
    """
    @notice How much a model was used through paid calls; see `pay`.
    @param model_id The model.
    @return uint256 Calls.
    @return uint256 JOY wei paid for them.
    """
    return self._usage[model_id] >> 128, self._usage[model_id] & (2**128 - 1)


# 9. internal
@internal
def _list(
    publisher: address,
    model_id: bytes32,
    price: uint256,
    token_price: uint256,
    verification: uint8,
    tolerance: uint16,
    owners: DynArray[IModelMarketplace.Share, 8],
    parents: DynArray[IModelMarketplace.Parent, 8],
):
    """
    @dev Store a new model.
    @param publisher Its publisher.
    @param model_id sha2-256 of the manifest, not listed before.
    @param price JOY wei per call.
    @param token_price JOY wei per 1,000 output tokens.
    @param verification 0 exact, 1 tolerant.
    @param tolerance L-infinity distance over int16; 0 for exact models.
    @param owners Shares; empty: the publisher alone.
    @param parents Parents; empty for an original model.
    """
    circuit_breaker._require_not_paused()
    assert model_id != empty(bytes32), "ModelMarketplace: zero model id"
    assert self._listings[model_id].listed_at == 0, "ModelMarketplace: model already listed"
    assert verification <= _TOLERANT, "ModelMarketplace: unknown verification class"
    assert verification != _EXACT or tolerance == 0, (
        "ModelMarketplace: exact models have no tolerance"
    )

    shares: DynArray[IModelMarketplace.Share, 8] = owners
    if len(owners) == 0:
        shares = [IModelMarketplace.Share(account=publisher, bps=10_000)]
    depth: uint256 = royalty_split._found(model_id, shares, parents)

    self._listings[model_id] = IModelMarketplace.Listing(
        publisher=publisher,
        price=price,
        token_price=token_price,
        verification=verification,
        tolerance=tolerance,
        active=True,
        listed_at=block.timestamp,
    )
    log IModelMarketplace.ModelListed(
        model_id=model_id,
        publisher=publisher,
        price=price,
        token_price=token_price,
        verification=verification,
        tolerance=tolerance,
        depth=depth,
    )


@internal
def _count_usage(model_id: bytes32, amount: uint256):
    """
    @dev Count a payment of a linked service as use. Nothing is taken on trust: a call that
         NodeCoordinator's payment does not cover at the present price does not count.
    @param model_id The model.
    @param amount JOY wei.
    """
    calls: uint256 = 1
    if msg.sender == links._links["NodeCoordinator"]:
        calls = unsafe_div(amount, self._prices(model_id)[0])  # 0 for a free model
    elif msg.sender != links._links["ProofOfInference"]:
        if msg.sender != links._links["ProvenInference"]:
            return
    self._usage[model_id] += calls << 128 | amount
    log IModelMarketplace.UsageRecorded(
        model_id=model_id, service=msg.sender, calls=calls, amount=amount
    )


@internal
def _distribute(model_id: bytes32) -> uint256:
    """
    @dev Empty a model's account, one level.
    @param model_id A listed model.
    @return uint256 JOY wei distributed, frozen ones included.
    """
    to_parents: uint256 = 0
    frozen: uint256 = 0
    to_owners: uint256 = 0
    to_parents, frozen, to_owners = royalty_split._distribute(model_id)
    amount: uint256 = to_parents + frozen + to_owners
    log IModelMarketplace.Distributed(
        model_id=model_id,
        amount=amount,
        to_parents=to_parents,
        frozen=frozen,
        to_owners=to_owners,
    )
    return amount


@internal
def _claim(account: address) -> uint256:
    """
    @dev Pay out what the outflow limit grants; the rest stays claimable.
    @param account The receiver.
    @return uint256 JOY wei sent.
    """
    owed: uint256 = royalty_split._claimable[account]
    assert owed > 0, "ModelMarketplace: nothing to claim"
    sent: uint256 = circuit_breaker._take_outflow(owed, staticcall JOY.balanceOf(self))
    assert sent > 0, "ModelMarketplace: outflow limit reached, claim in the next epoch"
    royalty_split._claimable[account] = owed - sent
    extcall JOY.transfer(account, sent)
    log IModelMarketplace.Claimed(account=account, amount=sent)
    return sent


@internal
@view
def _prices(model_id: bytes32) -> (uint256, uint256):
    """
    @dev The prices that hold now.
    @param model_id The model.
    @return uint256 JOY wei per call.
    @return uint256 JOY wei per 1,000 output tokens.
    """
    effective_at: uint256 = self._scheduled[model_id].effective_at
    if effective_at != 0 and effective_at <= block.timestamp:
        return self._scheduled[model_id].price, self._scheduled[model_id].token_price
    return self._listings[model_id].price, self._listings[model_id].token_price


@internal
@view
def _check_known(model_id: bytes32):
    """
    @dev Let only models pass that were listed at some time.
    @param model_id The model.
    """
    assert self._listings[model_id].listed_at != 0, "ModelMarketplace: model not listed"


@internal
@view
def _check_publisher(model_id: bytes32):
    """
    @dev Let only the model's publisher pass.
    @param model_id The model.
    """
    self._check_known(model_id)
    assert msg.sender == self._listings[model_id].publisher, (
        "ModelMarketplace: caller is not the publisher"
    )
