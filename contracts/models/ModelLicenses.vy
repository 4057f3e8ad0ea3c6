# pragma version ~=0.4.3
# pragma nonreentrancy on
"""
@title Model licences
@custom:contract-name ModelLicenses
@license GNU Affero General Public License v3.0 only
@author JoyNet contributors
@notice Sells licences of models. Of an open model a licence is valid at once and the money goes
        on to the model. Of a sealed one the money waits until the content key is posted,
        wrapped for the buyer, and the buyer had time to prove it wrong; without a key the
        buyer gets the money back.
@dev JOY held here is, to the wei: escrows + withdrawable balances + fees to flush.
     A licence says who may use a model; it cannot make a buyer forget a key. The money of a
     sale takes the same way as any other income of the model: ModelMarketplace.pay.
     Deadlines run on the breaker's clock, which a pause stops; a licence's own expiry does not.
     Answers of JoyToken are not looked at: it reverts and never answers False.
@custom:security The owner can pause new sales for a bounded time, and replace links after a
        delay. Nobody but the buyer gets an escrow back, and only without a key or with a
        wrong one; nobody but the model gets it otherwise. A publisher can change the terms of
        later sales only; its key hash never.
@custom:kill Call `pause()`: sales and renewals stop; release, settle, refund, dispute and
        withdrawal go on.
"""


# 1. interfaces
from ethereum.ercs import IERC20
from ..interfaces import IJoyToken
from ..interfaces import IModelLicenses
from ..interfaces import IModelMarketplace
implements: IModelLicenses


# 2. modules
from snekmate.auth import ownable
initializes: ownable

from ..modules import circuit_breaker
initializes: circuit_breaker[ownable := ownable]

from ..modules import links
initializes: links[ownable := ownable]

from ..modules import license_tokens
initializes: license_tokens

from ..modules import x25519


# 3. exports
exports: (
    ownable.owner,
    ownable.transfer_ownership,
    circuit_breaker.__interface__,
    links.__interface__,
    license_tokens.__interface__,
)


# 4. constants and immutables
MAX_FEE_BPS: public(constant(uint256)) = 500
MAX_RESALE_BPS: public(constant(uint256)) = 1_000
MIN_PERIOD: public(constant(uint256)) = 86_400  # seconds
MAX_PERIOD: public(constant(uint256)) = 36_525 * 86_400  # seconds
MIN_WINDOW: public(constant(uint256)) = 60  # seconds
MAX_WINDOW: public(constant(uint256)) = 30 * 86_400  # seconds
_BPS: constant(uint256) = 10_000
_PRICE_MASK: constant(uint256) = 2**96 - 1
_TIME_MASK: constant(uint256) = 2**48 - 1
_WRAP_TAG: constant(Bytes[17]) = b"joynet/key-wrap/1"
_KEY_TAG: constant(Bytes[20]) = b"joynet/content-key/1"

JOY: public(immutable(IERC20))
RELEASE_WINDOW: public(immutable(uint256))  # seconds from sale to the last chance to release
DISPUTE_WINDOW: public(immutable(uint256))  # seconds from release to settlement
FEE_BPS: public(immutable(uint256))  # platform fee, basis points of a sale


# 5. state
# @dev Model -> price | period << 96 | resale_bps << 144 | is_required << 160 |
#      is_transferable << 161 | 1 << 162; 0: no terms.
_offers: HashMap[bytes32, uint256]
# @dev Model -> what commits to its content key; zero: not sealed.
_key_hashes: HashMap[bytes32, bytes32]
# @dev Model -> who may release keys besides the publisher.
_key_holders: HashMap[bytes32, address]
# @dev Licence -> money that waits | deadline << 96 | period << 144. The deadline is in
#      `circuit_breaker._clock()` time.
_escrows: HashMap[uint256, uint256]
# @dev Licence -> X25519 public keys of buyer and release, and the wrapped content key.
_buyer_keys: HashMap[uint256, bytes32]
_ephemerals: HashMap[uint256, bytes32]
_wrapped: HashMap[uint256, bytes32]
# @dev Account -> refunds, JOY wei.
withdrawable: public(HashMap[address, uint256])
# @dev Platform fees not flushed yet, JOY wei.
pending_fees: public(uint256)


# 6. constructor
@deploy
def __init__(
    joy: IERC20,
    release_window: uint256,
    dispute_window: uint256,
    fee_bps: uint256,
    link_delay: uint256,
    guardian: address,
    outflow_bps: uint256,
    outflow_floor: uint256,
):
    """
    @param joy JoyToken, which licences are paid in.
    @param release_window Seconds from a sale to the last chance to post the key, in
           [MIN_WINDOW, MAX_WINDOW].
    @param dispute_window Seconds that a buyer has to prove a key wrong, likewise.
    @param fee_bps Platform fee in basis points of a sale, at most MAX_FEE_BPS.
    @param link_delay Seconds before a link in use changes.
    @param guardian Account that may pause besides the owner.
    @param outflow_bps Basis points of the holdings that may leave in one epoch.
    @param outflow_floor JOY wei that may always leave in one epoch.
    """
    assert joy.address != empty(address), "ModelLicenses: zero token"
    assert min(release_window, dispute_window) >= MIN_WINDOW, "ModelLicenses: window too short"
    assert max(release_window, dispute_window) <= MAX_WINDOW, "ModelLicenses: window too long"
    assert fee_bps <= MAX_FEE_BPS, "ModelLicenses: fee too high"
    ownable.__init__()
    circuit_breaker.__init__(guardian, outflow_bps, outflow_floor)
    links.__init__(link_delay)
    JOY = joy
    RELEASE_WINDOW = release_window
    DISPUTE_WINDOW = dispute_window
    FEE_BPS = fee_bps


# 7. external, state-changing
@external
def set_terms(model_id: bytes32, terms: IModelLicenses.Terms):
    """
    @notice Offer licences of a model, or change the offer. Publisher only. Licences that were
            bought keep what they were bought with. Delist the model to end the offer.
    @param model_id The model, listed on ModelMarketplace.
    @param terms The terms; a `key_hash` that is set can never change.
    """
    assert msg.sender == self._publisher(model_id), "ModelLicenses: caller is not the publisher"
    assert terms.price <= _PRICE_MASK, "ModelLicenses: price too high"
    assert terms.period == 0 or terms.period >= MIN_PERIOD, "ModelLicenses: period too short"
    assert terms.period <= MAX_PERIOD, "ModelLicenses: period too long"
    assert terms.resale_bps <= MAX_RESALE_BPS, "ModelLicenses: resale part too big"
    if self._key_hashes[model_id] != terms.key_hash:
        assert self._key_hashes[model_id] == empty(bytes32), "ModelLicenses: key hash is fixed"
        self._key_hashes[model_id] = terms.key_hash
    self._key_holders[model_id] = terms.key_holder
    self._offers[model_id] = (
        terms.price
        | terms.period << 96
        | terms.resale_bps << 144
        | convert(terms.is_required, uint256) << 160
        | convert(terms.is_transferable, uint256) << 161
        | 1 << 162
    )
    log IModelLicenses.TermsSet(
        model_id=model_id, terms=terms, digest=self._digest(model_id, terms)
    )


@external
def buy(model_id: bytes32, buyer_key: bytes32, digest: bytes32) -> uint256:
    """
    @notice Buy a licence for the terms' price, pulled in JOY from the caller (who approved it).
            Not sealed: valid at once, paid on to the model. Sealed: the money waits here.
    @param model_id A model that is on the market.
    @param buyer_key X25519 public key of this purchase alone; zero if the model is not sealed.
    @param digest `terms_digest` of the terms that the buyer saw.
    @return uint256 The licence id, from 1.
    """
    terms: IModelLicenses.Terms = self._open_terms(model_id, digest)
    is_sealed: bool = terms.key_hash != empty(bytes32)
    assert is_sealed == (buyer_key != empty(bytes32)), (
        "ModelLicenses: a buyer key is for sealed models, and for them all"
    )
    license_id: uint256 = license_tokens._mint(
        msg.sender, model_id, terms.is_transferable, terms.resale_bps
    )
    deadline: uint256 = 0
    shown: uint256 = 0
    if is_sealed:
        deadline = circuit_breaker._clock() + RELEASE_WINDOW
        shown = block.timestamp + RELEASE_WINDOW
        self._buyer_keys[license_id] = buyer_key
        self._escrows[license_id] = terms.price | deadline << 96 | terms.period << 144
    log IModelLicenses.LicenseBought(
        license_id=license_id,
        model_id=model_id,
        buyer=msg.sender,
        price=terms.price,
        period=terms.period,
        buyer_key=buyer_key,
        deadline=shown,
    )
    if is_sealed:
        circuit_breaker._add_inflow(terms.price, staticcall JOY.balanceOf(self))
        self._pull(terms.price)
        return license_id

    license_tokens._renew(
        license_id, license_tokens.SETTLED, self._expiry(block.timestamp, terms.period)
    )
    self._pull(terms.price)
    self._pay_model(license_id, model_id, terms.price)
    return license_id


@external
def release(license_id: uint256, ephemeral: bytes32, wrapped: bytes32):
    """
    @notice Post the content key, wrapped for the buyer. The model's publisher or key holder,
            before the release deadline. The licence's period starts now.
    @param license_id A licence that awaits its key.
    @param ephemeral X25519 public key made for this release.
    @param wrapped Content key XOR sha256("joynet/key-wrap/1" || shared secret || ephemeral ||
           buyer key || licence id (32 bytes) || this contract (20) || chain id (32)).
    """
    self._check_state(license_id, license_tokens.AWAITING)
    model_id: bytes32 = license_tokens._models[license_id]
    if msg.sender != self._key_holders[model_id]:
        assert msg.sender == self._publisher(model_id), (
            "ModelLicenses: caller is not the publisher or key holder"
        )
    assert ephemeral != empty(bytes32), "ModelLicenses: zero ephemeral key"
    escrow: uint256 = self._escrows[license_id]
    clock: uint256 = circuit_breaker._clock()
    assert clock < self._deadline(escrow), "ModelLicenses: release deadline passed"

    self._ephemerals[license_id] = ephemeral
    self._wrapped[license_id] = wrapped
    self._escrows[license_id] = escrow & _PRICE_MASK | (clock + DISPUTE_WINDOW) << 96
    expires_at: uint256 = self._expiry(block.timestamp, escrow >> 144)
    license_tokens._renew(license_id, license_tokens.RELEASED, expires_at)
    log IModelLicenses.KeyReleased(
        license_id=license_id,
        model_id=model_id,
        ephemeral=ephemeral,
        wrapped=wrapped,
        deadline=clock + DISPUTE_WINDOW + circuit_breaker._paused_seconds(),
        expires_at=expires_at,
    )


@external
def settle(license_id: uint256):
    """
    @notice Pay the model for a licence whose dispute window is over. Anyone; never paused.
    @param license_id A licence whose key was posted.
    """
    self._check_state(license_id, license_tokens.RELEASED)
    escrow: uint256 = self._escrows[license_id]
    assert circuit_breaker._clock() >= self._deadline(escrow), (
        "ModelLicenses: dispute window is open"
    )
    self._escrows[license_id] = 0
    expires_at: uint256 = license_tokens._expires_at(license_tokens._tenures[license_id])
    license_tokens._renew(license_id, license_tokens.SETTLED, expires_at)
    self._pay_model(license_id, license_tokens._models[license_id], escrow & _PRICE_MASK)


@external
def refund(license_id: uint256):
    """
    @notice Give the buyer's money back when no key was posted in time; it waits for
            `withdraw`. Anyone; never paused.
    @param license_id A licence that awaits its key.
    """
    self._check_state(license_id, license_tokens.AWAITING)
    assert circuit_breaker._clock() >= self._deadline(self._escrows[license_id]), (
        "ModelLicenses: key can still be released"
    )
    self._give_back(license_id, license_tokens.REFUNDED)


@external
def dispute(license_id: uint256, private_key: bytes32):
    """
    @notice Prove that the posted key is wrong, by revealing the private key of this purchase.
            The licence becomes void and the money waits for `withdraw`. Licence owner only,
            within the dispute window; reverts if the key is right. Never paused.
    @param license_id A licence whose key was posted.
    @param private_key X25519 private key of the licence's `buyer_key`.
    """
    self._check_state(license_id, license_tokens.RELEASED)
    assert msg.sender == license_tokens._owner_of(license_id), (
        "ModelLicenses: caller is not the licence's owner"
    )
    assert circuit_breaker._clock() < self._deadline(self._escrows[license_id]), (
        "ModelLicenses: dispute window is over"
    )
    buyer_key: bytes32 = self._buyer_keys[license_id]
    assert x25519._public_key(private_key) == buyer_key, (
        "ModelLicenses: not the private key of this purchase"
    )
    ephemeral: bytes32 = self._ephemerals[license_id]
    shared: bytes32 = x25519._x25519(private_key, ephemeral)
    if shared != empty(bytes32):  # else `ephemeral` is of low order: whoever made it cheats
        pad: bytes32 = sha256(
            concat(
                _WRAP_TAG,
                shared,
                ephemeral,
                buyer_key,
                convert(license_id, bytes32),
                convert(self, bytes20),
                convert(chain.id, bytes32),
            )
        )
        key: bytes32 = convert(
            convert(self._wrapped[license_id], uint256) ^ convert(pad, uint256), bytes32
        )
        model_id: bytes32 = license_tokens._models[license_id]
        assert sha256(concat(_KEY_TAG, key)) != self._key_hashes[model_id], (
            "ModelLicenses: the key is right"
        )
    self._give_back(license_id, license_tokens.VOID)


@external
def renew(license_id: uint256, digest: bytes32):
    """
    @notice Add the present terms' period to a licence, for the present price; anyone may pay.
            A sealed model's key stays the same, so the money goes to the model at once.
    @param license_id A settled licence that is not for ever; it may have expired.
    @param digest `terms_digest` of the terms that the payer saw.
    """
    self._check_state(license_id, license_tokens.SETTLED)
    model_id: bytes32 = license_tokens._models[license_id]
    terms: IModelLicenses.Terms = self._open_terms(model_id, digest)
    expires_at: uint256 = license_tokens._expires_at(license_tokens._tenures[license_id])
    assert expires_at != 0, "ModelLicenses: licence is for ever"
    expires_at = self._expiry(max(expires_at, block.timestamp), terms.period)
    assert expires_at <= block.timestamp + MAX_PERIOD, "ModelLicenses: renewed too far ahead"
    license_tokens._renew(license_id, license_tokens.SETTLED, expires_at)
    log IModelLicenses.LicenseRenewed(
        license_id=license_id, model_id=model_id, price=terms.price, expires_at=expires_at
    )
    self._pull(terms.price)
    self._pay_model(license_id, model_id, terms.price)


@external
def flush_fees() -> uint256:
    """
    @notice Hand the collected platform fees to JoyToken's stakers. Open to anyone.
    @return uint256 Wei of JOY handed over.
    """
    fees: uint256 = self.pending_fees
    assert fees > 0, "ModelLicenses: no fees to flush"
    self.pending_fees = 0
    extcall IJoyToken(JOY.address).add_rewards(fees)
    log IModelLicenses.FeesFlushed(amount=fees)
    return fees


@external
def withdraw() -> uint256:
    """
    @notice Send the caller its refunds. Never paused.
    @return uint256 Wei of JOY sent; the outflow limit may hold back the rest until later.
    """
    return self._withdraw(msg.sender)


@external
def withdraw_for(account: address) -> uint256:
    """
    @notice Send an account its refunds; anyone may pay the gas. Never paused.
    @param account The receiver.
    @return uint256 Wei of JOY sent; the outflow limit may hold back the rest until later.
    """
    return self._withdraw(account)


# 8. external, view
@external
@view
def terms(model_id: bytes32) -> IModelLicenses.Terms:
    """
    @notice On which terms licences of a model are sold.
    @param model_id The model.
    @return Terms All zero if none were set.
    """
    return self._terms(model_id)


@external
@view
def terms_digest(model_id: bytes32) -> bytes32:
    """
    @notice keccak256(abi.encode(model_id, Terms)) of the present terms, for `buy` and `renew`.
            A client computes it from the terms that it showed, so that no term can change
            between the quote and the purchase.
    @param model_id The model.
    @return bytes32 The digest; zero if no terms were set.
    """
    if self._offers[model_id] == 0:
        return empty(bytes32)
    return self._digest(model_id, self._terms(model_id))


@external
@view
def license(license_id: uint256) -> IModelLicenses.License:
    """
    @notice One licence.
    @param license_id The licence.
    @return License All zero if there is none.
    """
    tenure: uint256 = license_tokens._tenures[license_id]
    escrow: uint256 = self._escrows[license_id]
    deadline: uint256 = self._deadline(escrow)
    if deadline != 0:
        deadline += circuit_breaker._paused_seconds()
    return IModelLicenses.License(
        model_id=license_tokens._models[license_id],
        owner=license_tokens._owner(tenure),
        state=convert(license_tokens._state(tenure), uint8),
        is_valid=license_tokens._is_valid(tenure),
        is_transferable=license_tokens._is_transferable(tenure),
        resale_bps=license_tokens._resale_bps(tenure),
        escrow=escrow & _PRICE_MASK,
        expires_at=license_tokens._expires_at(tenure),
        deadline=deadline,
        buyer_key=self._buyer_keys[license_id],
        ephemeral=self._ephemerals[license_id],
        wrapped=self._wrapped[license_id],
    )


@external
@view
def may_serve(model_id: bytes32, vault: address, operator: address) -> bool:
    """
    @notice Whether a node may offer a model: its terms ask for no licence, or the vault or the
            operator holds one, or is the model's publisher or key holder.
    @param model_id The model.
    @param vault The node's vault.
    @param operator The node's operator.
    @return bool Whether it may.
    """
    if self._offers[model_id] >> 160 & 1 == 0:
        return True
    if license_tokens._holds(model_id, vault) or license_tokens._holds(model_id, operator):
        return True
    return vault in [self._key_holders[model_id], self._publisher(model_id)] or (
        operator in [self._key_holders[model_id], self._publisher(model_id)]
    )


@external
@view
def royaltyInfo(token_id: uint256, sale_price: uint256) -> (address, uint256):
    """
    @notice Who gets what of a resale (ERC-2981).
    @param token_id The licence.
    @param sale_price Price of the resale, in any unit.
    @return address The model's publisher.
    @return uint256 Its part, in the same unit, rounded down.
    """
    license_tokens._owner_of(token_id)
    bps: uint256 = license_tokens._resale_bps(license_tokens._tenures[token_id])
    part: uint256 = sale_price // _BPS * bps + sale_price % _BPS * bps // _BPS
    return self._publisher(license_tokens._models[token_id]), part


# 9. internal
@internal
@view
def _open_terms(model_id: bytes32, digest: bytes32) -> IModelLicenses.Terms:
    """
    @dev The terms of new business, if there may be any and they are what the payer saw.
    @param model_id The model.
    @param digest What the payer saw.
    @return Terms The present terms.
    """
    circuit_breaker._require_not_paused()
    assert self._offers[model_id] != 0, "ModelLicenses: no licences on offer"
    terms: IModelLicenses.Terms = self._terms(model_id)
    assert self._digest(model_id, terms) == digest, "ModelLicenses: terms changed"
    assert staticcall self._market().is_active(model_id), "ModelLicenses: model is not listed"
    return terms


@internal
def _pull(amount: uint256):
    """
    @dev Take a payment from the caller.
    @param amount JOY wei.
    """
    if amount > 0:
        extcall JOY.transferFrom(msg.sender, self, amount)


@internal
def _pay_model(license_id: uint256, model_id: bytes32, price: uint256):
    """
    @dev Pass a payment on: the platform fee stays, the model gets the rest.
    @param license_id The licence it was paid for.
    @param model_id The model.
    @param price JOY wei, held here already.
    """
    fee: uint256 = price * FEE_BPS // _BPS
    amount: uint256 = price - fee
    self.pending_fees += fee
    log IModelLicenses.LicenseSettled(
        license_id=license_id, model_id=model_id, amount=amount, fee=fee
    )
    if amount > 0:
        market: IModelMarketplace = self._market()
        extcall JOY.approve(market.address, amount)
        extcall market.pay(model_id, amount)


@internal
def _give_back(license_id: uint256, state: uint256):
    """
    @dev End a licence; its escrow becomes the owner's to withdraw.
    @param license_id A licence that is not settled.
    @param state REFUNDED or VOID.
    """
    amount: uint256 = self._escrows[license_id] & _PRICE_MASK
    self._escrows[license_id] = 0
    buyer: address = license_tokens._burn(license_id, state)
    self.withdrawable[buyer] += amount
    log IModelLicenses.LicenseRefunded(
        license_id=license_id,
        model_id=license_tokens._models[license_id],
        buyer=buyer,
        amount=amount,
        is_wrong_key=state == license_tokens.VOID,
    )


@internal
def _withdraw(account: address) -> uint256:
    """
    @dev Pay out what the outflow limit grants; the rest stays withdrawable.
    @param account The receiver.
    @return uint256 JOY wei sent.
    """
    owed: uint256 = self.withdrawable[account]
    assert owed > 0, "ModelLicenses: nothing to withdraw"
    sent: uint256 = circuit_breaker._take_outflow(owed, staticcall JOY.balanceOf(self))
    assert sent > 0, "ModelLicenses: outflow limit reached, withdraw in the next epoch"
    self.withdrawable[account] = owed - sent
    extcall JOY.transfer(account, sent)
    log IModelLicenses.Withdrawn(account=account, amount=sent)
    return sent


@internal
@view
def _terms(model_id: bytes32) -> IModelLicenses.Terms:
    """
    @dev The present terms.
    @param model_id The model.
    @return Terms All zero if none were set.
    """
    offer: uint256 = self._offers[model_id]
    return IModelLicenses.Terms(
        price=offer & _PRICE_MASK,
        period=offer >> 96 & _TIME_MASK,
        key_hash=self._key_hashes[model_id],
        key_holder=self._key_holders[model_id],
        is_required=offer >> 160 & 1 == 1,
        is_transferable=offer >> 161 & 1 == 1,
        resale_bps=offer >> 144 & (2**16 - 1),
    )


@internal
@view
def _market() -> IModelMarketplace:
    """
    @dev Where models are listed and paid.
    @return IModelMarketplace ModelMarketplace.
    """
    return IModelMarketplace(links._link("ModelMarketplace"))


@internal
@view
def _publisher(model_id: bytes32) -> address:
    """
    @dev Who published a model.
    @param model_id The model.
    @return address The publisher; zero, which nobody is, if it was never listed.
    """
    return (staticcall self._market().origin_of(model_id))[0]


@internal
@view
def _check_state(license_id: uint256, state: uint256):
    """
    @dev Let only licences in one state pass.
    @param license_id The licence.
    @param state The state.
    """
    is_state: uint256 = license_tokens._state(license_tokens._tenures[license_id])
    if is_state == state:
        return
    assert is_state != 0, "ModelLicenses: no such licence"
    assert state != license_tokens.AWAITING, "ModelLicenses: no key is awaited"
    assert state != license_tokens.RELEASED, "ModelLicenses: no key to settle or dispute"
    raise "ModelLicenses: licence is not settled"


@internal
@pure
def _digest(model_id: bytes32, terms: IModelLicenses.Terms) -> bytes32:
    """
    @dev What a buyer agrees to.
    @param model_id The model.
    @param terms The terms.
    @return bytes32 The digest.
    """
    return keccak256(abi_encode(model_id, terms))


@internal
@pure
def _deadline(escrow: uint256) -> uint256:
    """
    @dev Deadline in a packed escrow.
    @param escrow The word.
    @return uint256 `circuit_breaker._clock()` seconds; 0 if nothing is waited for.
    """
    return escrow >> 96 & _TIME_MASK


@internal
@pure
def _expiry(start: uint256, period: uint256) -> uint256:
    """
    @dev When a licence that starts now ends.
    @param start Unix seconds.
    @param period Seconds; 0 for ever.
    @return uint256 Unix seconds; 0 for never.
    """
    if period == 0:
        return 0
    return start + period
