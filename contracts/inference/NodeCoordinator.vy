# pragma version ~=0.4.3
# pragma nonreentrancy on
# pragma optimize codesize
"""
@title Node coordinator
@custom:contract-name NodeCoordinator
@license GNU Affero General Public License v3.0 only
@author JoyNet contributors
@notice The register of nodes and their offers; the bonds and the reputation of nodes at work for
        ProofOfInference and ProvenInference; and the escrow from which payers' vouchers become
        node earnings, model royalties and the platform fee.
@dev JOY held here is, to the wei: free balances + allocations not redeemed + earnings + fees
     to flush + royalties that the marketplace refused. Stake is never here, it stays in
     JoyToken as provision to this contract.
@custom:security The owner can raise the fee up to MAX_FEE_BPS after FEE_NOTICE, replace links
        after a delay, and pause new business for a bounded time. A replaced marketplace
        can name its price for calls redeemed later, so nodes redeem within the delay. The
        owner cannot touch a node, a bond, an escrow, or stop an exit.
@custom:kill Call `pause()`: registrations, offers, deposits, allocations and new bonds stop;
        redemption, withdrawal, deallocation and unlocking go on.
"""


# 1. interfaces
from ..interfaces import IJoyToken
from ..interfaces import IModelLicenses
from ..interfaces import IModelMarketplace
from ..interfaces import INodeCoordinator
from ..interfaces import IVoucherEscrow
from ethereum.ercs import IERC20
from snekmate.utils.interfaces import IERC5267
implements: INodeCoordinator
implements: IVoucherEscrow
implements: IERC5267


# 2. modules
from snekmate.auth import ownable
initializes: ownable

from snekmate.utils import eip712_domain_separator
initializes: eip712_domain_separator

from ..modules import circuit_breaker
initializes: circuit_breaker[ownable := ownable]

from ..modules import links
initializes: links[ownable := ownable]

from ..modules import voucher_escrow
initializes: voucher_escrow[
    eip712_domain_separator := eip712_domain_separator, circuit_breaker := circuit_breaker
]


# 3. exports
exports: (
    ownable.owner,
    ownable.transfer_ownership,
    eip712_domain_separator.eip712Domain,
    circuit_breaker.__interface__,
    links.__interface__,
    voucher_escrow.__interface__,
)


# 4. constants and immutables
MAX_FEE_BPS: public(constant(uint256)) = 500
FEE_NOTICE: public(constant(uint256)) = 86_400  # seconds
_MAX_OFFERS: constant(uint256) = 64  # per model
_MAX_MODELS: constant(uint256) = 16  # per node
_BPS: constant(uint256) = 10_000
_ONE: constant(uint256) = 10**18

# Reputation is kept as its deviation from 1.0.
_MAX_DEVIATION: constant(int256) = 5 * 10**17
_GOOD_STEP: constant(int256) = 2 * 10**16
_BAD_STEP: constant(int256) = 10**17
_FADE_PERIOD: constant(uint256) = 30 * 86_400  # seconds in which the largest deviation fades

_PEER_KEY_TAG: constant(bytes32) = keccak256("joynet peer key")


# 5. state
struct Standing:
    deviation: int256  # from 1.0, 1e18-scaled, as of `at`
    at: uint256  # unix seconds


struct ScheduledFee:
    bps: uint256
    effective_at: uint256  # unix seconds


# @dev Nodes registered so far; ids run from 1 to this.
node_count: public(uint256)
# @dev Node id -> record.
_nodes: HashMap[uint256, INodeCoordinator.Node]
# @dev Node id -> address of its peer key, the signer that `ecrecover` returns.
_peer_signers: HashMap[uint256, address]
# @dev x of a peer key -> used by some node, for ever.
_peer_key_used: HashMap[bytes32, bool]

# @dev Node id -> model -> offer.
_offers: HashMap[uint256, HashMap[bytes32, INodeCoordinator.Offer]]
# @dev Model -> nodes that offer it.
_offering_nodes: HashMap[bytes32, DynArray[uint256, _MAX_OFFERS]]
# @dev Node id -> models that it offers.
_offered_models: HashMap[uint256, DynArray[bytes32, _MAX_MODELS]]
# @dev Vault -> model -> whether one of its nodes offers it.
_vault_offers: HashMap[address, HashMap[bytes32, bool]]

# @dev Vault -> bonds of open jobs, JOY wei.
locked_bond: public(HashMap[address, uint256])
# @dev ProofOfInference or ProvenInference, also a former one -> vault -> bonds that it locked,
#      JOY wei.
_locked_by: HashMap[address, HashMap[address, uint256]]
# @dev Node id -> reputation.
_standings: HashMap[uint256, Standing]

# @dev Node id -> JOY wei redeemed and not withdrawn.
earnings: public(HashMap[uint256, uint256])
# @dev Platform fees not flushed yet, JOY wei.
pending_fees: public(uint256)
# @dev Model -> royalties that the marketplace refused, JOY wei.
held_royalty: public(HashMap[bytes32, uint256])
# @dev The fee from before the scheduled change, and that change (or the last one).
_fee_bps: uint256
_scheduled_fee: ScheduledFee


# 6. constructor
@deploy
def __init__(
    joy: IERC20,
    thaw_period: uint256,
    fee_bps_: uint256,
    link_delay: uint256,
    guardian: address,
    outflow_bps: uint256,
    outflow_floor: uint256,
):
    """
    @param joy JoyToken.
    @param thaw_period Seconds from `request_deallocate` to `finish_deallocate`.
    @param fee_bps_ Platform fee in basis points, at most MAX_FEE_BPS.
    @param link_delay Seconds before a link in use changes.
    @param guardian Account that may pause besides the owner.
    @param outflow_bps Basis points of the holdings that may leave in one epoch.
    @param outflow_floor JOY wei that may always leave in one epoch.
    """
    assert fee_bps_ <= MAX_FEE_BPS, "NodeCoordinator: fee too high"
    ownable.__init__()
    eip712_domain_separator.__init__("JoyNet", "1")
    circuit_breaker.__init__(guardian, outflow_bps, outflow_floor)
    links.__init__(link_delay)
    voucher_escrow.__init__(joy, thaw_period)
    self._scheduled_fee = ScheduledFee(bps=fee_bps_, effective_at=block.timestamp)


# 7. external, state-changing: nodes
@external
def register(
    operator: address,
    payout: address,
    peer_public_key: Bytes[64],
    v: uint256,
    r: bytes32,
    s: bytes32,
    endpoint: String[256],
    cell: String[16],
    capacity: uint256,
) -> uint256:
    """
    @notice Register a node; the caller becomes its vault.
    @param operator Hot key, never used by a node before.
    @param payout Receiver of earnings.
    @param peer_public_key x || y of the libp2p host's secp256k1 key, never used before.
    @param v 27 or 28.
    @param r Signature by the peer key over `peer_key_digest(vault, operator)`.
    @param s Its lower-half s.
    @param endpoint Multiaddrs, comma separated.
    @param cell H3 cell, hex.
    @param capacity Requests served at once.
    @return uint256 The node id, counted from 1.
    """
    circuit_breaker._require_not_paused()
    node_id: uint256 = self.node_count + 1
    self.node_count = node_id
    voucher_escrow._bind_operator(operator, node_id)
    self._nodes[node_id].vault = msg.sender
    self._nodes[node_id].operator = operator
    self._nodes[node_id].active = True
    self._nodes[node_id].registered_at = block.timestamp
    log INodeCoordinator.NodeRegistered(node_id=node_id, vault=msg.sender, operator=operator)
    self._set_payout(node_id, payout)
    self._set_peer_key(node_id, operator, peer_public_key, v, r, s)
    self._set_endpoint(node_id, endpoint, cell, capacity)
    return node_id


@external
def rotate_operator(node_id: uint256, operator: address, v: uint256, r: bytes32, s: bytes32):
    """
    @notice Replace the operator key. Vouchers made out to the old key stay redeemable. Vault only.
    @param node_id The node.
    @param operator New hot key, never used by a node before.
    @param v 27 or 28.
    @param r Signature by the node's peer key over `peer_key_digest(vault, operator)`.
    @param s Its lower-half s.
    """
    self._check_vault(node_id)
    self._check_peer_signature(self._peer_signers[node_id], operator, v, r, s)
    voucher_escrow._bind_operator(operator, node_id)
    log INodeCoordinator.OperatorRotated(
        node_id=node_id, old_operator=self._nodes[node_id].operator, new_operator=operator
    )
    self._nodes[node_id].operator = operator


@external
def rotate_peer_key(
    node_id: uint256, peer_public_key: Bytes[64], v: uint256, r: bytes32, s: bytes32
):
    """
    @notice Replace the libp2p key. Vault only.
    @param node_id The node.
    @param peer_public_key x || y of the new key, never used before.
    @param v 27 or 28.
    @param r Signature by the new key over `peer_key_digest(vault, operator)`.
    @param s Its lower-half s.
    """
    self._check_vault(node_id)
    self._set_peer_key(node_id, self._nodes[node_id].operator, peer_public_key, v, r, s)


@external
def set_payout(node_id: uint256, payout: address):
    """
    @notice Change where earnings go. Vault only.
    @param node_id The node.
    @param payout The receiver.
    """
    self._check_vault(node_id)
    self._set_payout(node_id, payout)


@external
def set_endpoint(node_id: uint256, endpoint: String[256], cell: String[16], capacity: uint256):
    """
    @notice Change where and how the node is reached. Vault or operator.
    @param node_id The node.
    @param endpoint Multiaddrs, comma separated.
    @param cell H3 cell, hex.
    @param capacity Requests served at once.
    """
    self._check_controller(node_id)
    self._set_endpoint(node_id, endpoint, cell, capacity)


@external
def set_active(node_id: uint256, active: bool):
    """
    @notice Leave or rejoin the candidate lists. Vault or operator; leaving is never paused.
    @param node_id The node.
    @param active Whether the node takes part.
    """
    self._check_controller(node_id)
    if active:
        circuit_breaker._require_not_paused()
    self._nodes[node_id].active = active
    log INodeCoordinator.ActiveSet(node_id=node_id, active=active)


# 7. external, state-changing: offers
@external
def set_offer(node_id: uint256, model_id: bytes32, price: uint256, token_price: uint256):
    """
    @notice Offer to serve a listed model, or change the offer's prices. Vault or operator.
            A vault has one offer per model, a node at most 16. When a model has 64 offers an
            entrant with more free provision than the lowest's provision takes its place.
    @param node_id An active node.
    @param model_id A model that is listed on ModelMarketplace; where its terms ask for a
           licence (ModelLicenses), the vault or the caller holds one as the offer is made.
    @param price JOY wei per call, on top of the model's price.
    @param token_price JOY wei per 1,000 output tokens, on top of the model's.
    """
    circuit_breaker._require_not_paused()
    self._check_controller(node_id)
    if not self._offers[node_id][model_id].active:
        self._enter(node_id, model_id)
    self._offers[node_id][model_id] = INodeCoordinator.Offer(
        price=price, token_price=token_price, active=True
    )
    log INodeCoordinator.OfferSet(
        node_id=node_id, model_id=model_id, price=price, token_price=token_price
    )


@external
def remove_offer(node_id: uint256, model_id: bytes32):
    """
    @notice Withdraw an offer. Vault or operator; never paused.
    @param node_id The node.
    @param model_id The model.
    """
    self._check_controller(node_id)
    assert self._offers[node_id][model_id].active, "NodeCoordinator: no such offer"
    self._remove_offer(node_id, model_id, 0)


# 7. external, state-changing: ProofOfInference and ProvenInference
@external
def lock_bond(vault: address, amount: uint256):
    """
    @notice Set part of a vault's free provision aside. Linked ProofOfInference or ProvenInference
            only.
    @param vault The vault.
    @param amount JOY wei; reverts if the free provision is smaller.
    """
    circuit_breaker._require_not_paused()
    self._check_proof_of_inference()
    assert amount <= self._free_provision(vault), "NodeCoordinator: free provision too low"
    self.locked_bond[vault] += amount
    self._locked_by[msg.sender][vault] += amount
    log INodeCoordinator.BondLocked(vault=vault, amount=amount)


@external
def unlock_bond(vault: address, amount: uint256):
    """
    @notice Free a bond that the caller locked, also after ProofOfInference was replaced.
    @param vault The vault.
    @param amount JOY wei.
    """
    self._unlock(vault, amount)
    log INodeCoordinator.BondUnlocked(vault=vault, amount=amount)


@external
def slash_bond(
    vault: address, amount: uint256, beneficiary: address, beneficiary_amount: uint256
) -> uint256:
    """
    @notice Slash a bond that the caller locked, also after ProofOfInference was replaced.
    @param vault The vault.
    @param amount JOY wei of locked bond; it is unlocked whatever is left to slash.
    @param beneficiary Receiver of `beneficiary_amount`.
    @param beneficiary_amount JOY wei, at most half; JoyToken burns the rest.
    @return uint256 JOY wei really slashed.
    """
    self._unlock(vault, amount)
    slashed: uint256 = extcall self._joy().slash(vault, amount, beneficiary, beneficiary_amount)
    log INodeCoordinator.BondSlashed(vault=vault, amount=amount, slashed=slashed)
    return slashed


@external
def report(node_id: uint256, good: bool):
    """
    @notice Record how a node did. Linked ProofOfInference or ProvenInference only.
    @param node_id The node.
    @param good True raises the reputation a little, False lowers it more.
    """
    self._check_proof_of_inference()
    self._check_node(node_id)
    deviation: int256 = self._deviation(node_id)
    if good:
        deviation = min(deviation + _GOOD_STEP, _MAX_DEVIATION)
    else:
        deviation = max(deviation - _BAD_STEP, -_MAX_DEVIATION)
    self._standings[node_id] = Standing(deviation=deviation, at=block.timestamp)
    log INodeCoordinator.Reported(
        node_id=node_id, good=good, reputation=self._reputation(node_id)
    )


# 7. external, state-changing: money
@external
def redeem(
    vouchers: DynArray[IVoucherEscrow.Voucher, 16], signatures: DynArray[Bytes[65], 16]
) -> uint256:
    """
    @notice Turn payers' vouchers into earnings, model royalties and the platform fee. Called by
            the vault or operator of the node that every voucher is made out to. Never paused.
            A voucher with nothing new is skipped; a bad one reverts and names its index.
    @param vouchers Cumulative vouchers; an operator may be one that was rotated away.
    @param signatures r || s || v of each payer over `hash_voucher`.
    @return uint256 JOY wei taken from allocations.
    """
    assert len(vouchers) == len(signatures), "NodeCoordinator: one signature per voucher"
    assert len(vouchers) > 0, "NodeCoordinator: no vouchers"
    node_id: uint256 = voucher_escrow._node_of_operator[vouchers[0].operator]
    self._check_controller(node_id)

    fee_bps: uint256 = self._current_fee_bps()
    market: address = links._links["ModelMarketplace"]
    total: uint256 = 0
    fees: uint256 = 0
    royalties: uint256 = 0
    # Vouchers for the same model in a row are paid to it at once.
    model_id: bytes32 = empty(bytes32)
    call_price: uint256 = 0
    run: uint256 = 0

    for i: uint256 in range(16):
        if i == len(vouchers):
            break
        voucher: IVoucherEscrow.Voucher = vouchers[i]
        assert voucher_escrow._node_of_operator[voucher.operator] == node_id, self._at_index(
            "NodeCoordinator: another node's voucher at index ", i
        )
        assert voucher_escrow._is_signed(voucher, signatures[i]), self._at_index(
            "NodeCoordinator: bad signature at index ", i
        )
        if i == 0 or voucher.model_id != model_id:
            self._pay_royalty(market, model_id, run)
            run = 0
            model_id = voucher.model_id
            call_price = self._price_of(market, model_id)

        settled: voucher_escrow.Settlement = voucher_escrow._settle(voucher, node_id, call_price)
        if settled.calls == 0 and settled.taken == 0:
            continue
        fee: uint256 = min(settled.taken * fee_bps // _BPS, settled.taken - settled.royalty)
        run += settled.royalty
        royalties += settled.royalty
        fees += fee
        total += settled.taken
        log INodeCoordinator.Redeemed(
            node_id=node_id,
            payer=voucher.payer,
            model_id=model_id,
            operator=voucher.operator,
            lane=voucher.lane,
            calls=settled.calls,
            amount=settled.taken,
            royalty=settled.royalty,
            fee=fee,
        )

    self.pending_fees += fees
    self.earnings[node_id] += total - royalties - fees
    self._pay_royalty(market, model_id, run)
    return total


@external
def withdraw_earnings(node_id: uint256) -> uint256:
    """
    @notice Send a node's earnings to its payout address. Vault, operator or payout; never paused.
    @param node_id The node.
    @return uint256 JOY wei sent; the outflow limit may hold back the rest until later.
    """
    self._check_node(node_id)
    payout: address = self._nodes[node_id].payout
    if msg.sender != payout:
        self._check_controller(node_id)
    earned: uint256 = self.earnings[node_id]
    sent: uint256 = voucher_escrow._grant_outflow(earned)
    self.earnings[node_id] = earned - sent
    voucher_escrow._send(payout, sent)
    log INodeCoordinator.EarningsWithdrawn(node_id=node_id, payout=payout, amount=sent)
    return sent


@external
def flush_fees() -> uint256:
    """
    @notice Hand the collected platform fees to JoyToken's stakers. Open to anyone.
    @return uint256 JOY wei handed over.
    """
    fees: uint256 = self.pending_fees
    assert fees > 0, "NodeCoordinator: no fees to flush"
    self.pending_fees = 0
    extcall self._joy().add_rewards(fees)
    log INodeCoordinator.FeesFlushed(amount=fees)
    return fees


@external
def flush_royalty(model_id: bytes32) -> uint256:
    """
    @notice Pay a royalty that ModelMarketplace refused at redemption. Open to anyone.
    @param model_id The model.
    @return uint256 JOY wei paid.
    """
    held: uint256 = self.held_royalty[model_id]
    assert held > 0, "NodeCoordinator: no royalty held"
    self.held_royalty[model_id] = 0
    market: address = links._link("ModelMarketplace")
    self._approve(market, held)
    extcall IModelMarketplace(market).pay(model_id, held)
    return held


@external
def set_fee(bps: uint256):
    """
    @notice Change the platform fee: a cut holds at once, a rise after FEE_NOTICE. Owner only.
    @param bps Basis points, at most MAX_FEE_BPS.
    """
    ownable._check_owner()
    assert bps <= MAX_FEE_BPS, "NodeCoordinator: fee too high"
    current: uint256 = self._current_fee_bps()
    effective_at: uint256 = block.timestamp
    if bps > current:
        effective_at += FEE_NOTICE
    self._fee_bps = current
    self._scheduled_fee = ScheduledFee(bps=bps, effective_at=effective_at)
    log INodeCoordinator.FeeSet(fee_bps=bps, effective_at=effective_at)


# 8. external, view
@external
@view
def node(node_id: uint256) -> INodeCoordinator.Node:
    """
    @notice Look up one node.
    @param node_id Counted from 1.
    @return Node The record; all zero if there is no such node.
    """
    return self._nodes[node_id]


@external
@view
def node_of_operator(operator: address) -> uint256:
    """
    @notice The node of an operator key, for ever: also of one that was rotated away, so
            compare `node(id).operator` before trusting the key today.
    @param operator A hot key.
    @return uint256 Node id; 0 if the key never belonged to a node.
    """
    return voucher_escrow._node_of_operator[operator]


@external
@view
def peer_key_digest(vault: address, operator: address) -> bytes32:
    """
    @notice What a peer key signs to prove its possession, as it is (no EIP-191 prefix):
            keccak256(abi.encode(keccak256("joynet peer key"), chainid, NodeCoordinator, vault, operator)).
    @param vault Account that calls `register`.
    @param operator The node's hot key.
    @return bytes32 The digest.
    """
    return self._peer_key_digest(vault, operator)


@external
@view
def offer(node_id: uint256, model_id: bytes32) -> INodeCoordinator.Offer:
    """
    @notice A node's offer for a model.
    @param node_id The node.
    @param model_id The model.
    @return Offer All zero if there is none.
    """
    return self._offers[node_id][model_id]


@external
@view
def offers_of(model_id: bytes32) -> DynArray[uint256, _MAX_OFFERS]:
    """
    @notice Nodes that offer a model, in no order, inactive ones included.
    @param model_id The model.
    @return DynArray Node ids.
    """
    return self._offering_nodes[model_id]


@external
@view
def models_of(node_id: uint256) -> DynArray[bytes32, _MAX_MODELS]:
    """
    @notice Models that a node offers, in no order.
    @param node_id The node.
    @return DynArray Model ids.
    """
    return self._offered_models[node_id]


@external
@view
def candidates(
    model_id: bytes32, max_price: uint256, bond: uint256
) -> DynArray[INodeCoordinator.Candidate, _MAX_OFFERS]:
    """
    @notice Active nodes that offer a model for at most `max_price` and whose vault has an active
            provision of at least `bond`, locked or not. One per vault.
    @param model_id The model.
    @param max_price JOY wei per call, the node's own part.
    @param bond JOY wei that each must have provisioned.
    @return DynArray The candidates and their drawing weights, never 0.
    """
    found: DynArray[INodeCoordinator.Candidate, _MAX_OFFERS] = []
    for node_id: uint256 in self._offering_nodes[model_id]:
        if self._offers[node_id][model_id].price > max_price:
            continue
        provision: uint256 = self._active_provision(node_id)
        if provision == 0 or provision < bond:
            continue
        found.append(
            INodeCoordinator.Candidate(
                node_id=node_id,
                vault=self._nodes[node_id].vault,
                operator=self._nodes[node_id].operator,
                weight=max(provision * self._reputation(node_id) // _ONE, 1),
            )
        )
    return found


@external
@view
def free_provision(vault: address) -> uint256:
    """
    @notice JoyToken.provision_of(vault, this) less locked bonds.
    @param vault The vault.
    @return uint256 JOY wei.
    """
    return self._free_provision(vault)


@external
@view
def reputation(node_id: uint256) -> uint256:
    """
    @notice Written only by ProofOfInference and ProvenInference; drifts back to 1.0 with time.
    @param node_id The node.
    @return uint256 1e18-scaled, in [0.5e18, 1.5e18].
    """
    return self._reputation(node_id)


@external
@view
def fee_bps() -> uint256:
    """
    @notice The platform fee that holds now, in basis points, at most 500.
    @return uint256 Basis points.
    """
    return self._current_fee_bps()


@external
@view
def scheduled_fee() -> (uint256, uint256):
    """
    @notice The fee change that is waiting for its notice to pass.
    @return uint256 Basis points.
    @return uint256 Unix seconds from which it holds; 0 if none is waiting.
    """
    if self._scheduled_fee.effective_at <= block.timestamp:
        return 0, 0
    return self._scheduled_fee.bps, self._scheduled_fee.effective_at


# 9. internal
@internal
def _set_payout(node_id: uint256, payout: address):
    """
    @dev Set where earnings go.
    @param node_id The node.
    @param payout The receiver.
    """
    assert payout != empty(address), "NodeCoordinator: zero payout"
    self._nodes[node_id].payout = payout
    log INodeCoordinator.PayoutSet(node_id=node_id, payout=payout)


@internal
def _set_endpoint(node_id: uint256, endpoint: String[256], cell: String[16], capacity: uint256):
    """
    @dev Set where and how the node is reached.
    @param node_id The node.
    @param endpoint Multiaddrs, comma separated.
    @param cell H3 cell, hex.
    @param capacity Requests served at once.
    """
    self._nodes[node_id].endpoint = endpoint
    self._nodes[node_id].cell = cell
    self._nodes[node_id].capacity = capacity
    log INodeCoordinator.EndpointSet(
        node_id=node_id, endpoint=endpoint, cell=cell, capacity=capacity
    )


@internal
def _set_peer_key(
    node_id: uint256,
    operator: address,
    public_key: Bytes[64],
    v: uint256,
    r: bytes32,
    s: bytes32,
):
    """
    @dev Check the possession of a new peer key and tie it to the caller's node, for ever. The
         key is told apart by x alone: who has the private key of (x, y) has that of (x, -y).
    @param node_id The node.
    @param operator The node's operator.
    @param public_key x || y.
    @param v 27 or 28.
    @param r Signature by the key over `peer_key_digest(caller, operator)`.
    @param s Its lower-half s.
    """
    assert len(public_key) == 64, "NodeCoordinator: peer key must be 64 bytes"
    signer: address = convert(convert(keccak256(public_key), uint256) & (2**160 - 1), address)
    self._check_peer_signature(signer, operator, v, r, s)
    x: bytes32 = extract32(public_key, 0)
    assert not self._peer_key_used[x], "NodeCoordinator: peer key was used before"
    self._peer_key_used[x] = True
    self._peer_signers[node_id] = signer
    prefix: Bytes[1] = b"\x02"
    if extract32(public_key, 32, output_type=uint256) % 2 == 1:
        prefix = b"\x03"
    peer_key: Bytes[33] = concat(prefix, x)
    self._nodes[node_id].peer_key = peer_key
    log INodeCoordinator.PeerKeySet(node_id=node_id, peer_key=peer_key)


@internal
@view
def _check_peer_signature(
    signer: address, operator: address, v: uint256, r: bytes32, s: bytes32
):
    """
    @dev Let only a peer key's proof of possession pass.
    @param signer Address of the peer key.
    @param operator The operator that it names.
    @param v 27 or 28.
    @param r r.
    @param s s.
    """
    digest: bytes32 = self._peer_key_digest(msg.sender, operator)
    assert voucher_escrow._is_signer(signer, digest, v, r, s), (
        "NodeCoordinator: bad peer key signature"
    )


@internal
def _enter(node_id: uint256, model_id: bytes32):
    """
    @dev Put a node on a model's list, in place of the lowest one if the list is full.
    @param node_id The node, which does not offer the model yet.
    @param model_id The model.
    """
    vault: address = self._nodes[node_id].vault
    assert self._nodes[node_id].active, "NodeCoordinator: node is inactive"
    assert not self._vault_offers[vault][model_id], (
        "NodeCoordinator: vault already offers this model"
    )
    assert len(self._offered_models[node_id]) < _MAX_MODELS, "NodeCoordinator: too many offers"
    market: IModelMarketplace = IModelMarketplace(links._link("ModelMarketplace"))
    assert staticcall market.is_active(model_id), "NodeCoordinator: model is not listed"
    licenses: address = links._links["ModelLicenses"]
    if licenses != empty(address):
        # Anybody can be named as operator, so only one that calls brings its own licence.
        assert staticcall IModelLicenses(licenses).may_serve(model_id, vault, msg.sender), (
            "NodeCoordinator: model needs a licence"
        )

    if len(self._offering_nodes[model_id]) == _MAX_OFFERS:
        lowest: uint256 = 0
        lowest_provision: uint256 = max_value(uint256)
        for rival: uint256 in self._offering_nodes[model_id]:
            provision: uint256 = self._active_provision(rival)
            if provision < lowest_provision:
                lowest = rival
                lowest_provision = provision
        assert self._free_provision(vault) > lowest_provision, (
            "NodeCoordinator: list is full of larger provisions"
        )
        self._remove_offer(lowest, model_id, node_id)

    self._offering_nodes[model_id].append(node_id)
    self._offered_models[node_id].append(model_id)
    self._vault_offers[vault][model_id] = True


@internal
def _remove_offer(node_id: uint256, model_id: bytes32, displaced_by: uint256):
    """
    @dev Take a node off a model's list; the last entry takes its place.
    @param node_id A node that offers the model.
    @param model_id The model.
    @param displaced_by Node id of the entrant; 0: removed by its own node.
    """
    self._offers[node_id][model_id] = empty(INodeCoordinator.Offer)
    self._vault_offers[self._nodes[node_id].vault][model_id] = False

    last_node: uint256 = self._offering_nodes[model_id].pop()
    if last_node != node_id:
        for i: uint256 in range(_MAX_OFFERS):
            if self._offering_nodes[model_id][i] == node_id:
                self._offering_nodes[model_id][i] = last_node
                break

    last_model: bytes32 = self._offered_models[node_id].pop()
    if last_model != model_id:
        for i: uint256 in range(_MAX_MODELS):
            if self._offered_models[node_id][i] == model_id:
                self._offered_models[node_id][i] = last_model
                break

    log INodeCoordinator.OfferRemoved(
        node_id=node_id, model_id=model_id, displaced_by=displaced_by
    )


@internal
def _unlock(vault: address, amount: uint256):
    """
    @dev Free part of what the caller locked.
    @param vault The vault.
    @param amount JOY wei.
    """
    locked: uint256 = self._locked_by[msg.sender][vault]
    assert amount <= locked, "NodeCoordinator: caller did not lock this bond"
    self._locked_by[msg.sender][vault] = locked - amount
    self.locked_bond[vault] -= amount


@internal
def _pay_royalty(market: address, model_id: bytes32, amount: uint256):
    """
    @dev Pay a model's account; what the marketplace refuses is held for `flush_royalty`.
         Starving the call of gas gains nothing: the money leaves the node's part anyway.
    @param market ModelMarketplace.
    @param model_id The model.
    @param amount JOY wei.
    """
    if amount == 0:
        return
    self._approve(market, amount)
    paid: bool = raw_call(
        market,
        abi_encode(model_id, amount, method_id=method_id("pay(bytes32,uint256)")),
        revert_on_failure=False,
    )
    if not paid:
        self._approve(market, 0)
        self.held_royalty[model_id] += amount
        log INodeCoordinator.RoyaltyHeld(model_id=model_id, amount=amount)


@internal
@pure
def _at_index(reason: String[64], i: uint256) -> String[142]:
    """
    @dev A revert reason that names a voucher.
    @param reason The reason.
    @param i Index of the voucher.
    @return String Both together.
    """
    return concat(reason, uint2str(i))


@internal
def _approve(spender: address, amount: uint256):
    """
    @dev Let `spender` pull exactly `amount`.
    @param spender The spender.
    @param amount JOY wei.
    """
    extcall voucher_escrow.JOY.approve(spender, amount)


@internal
@view
def _price_of(market: address, model_id: bytes32) -> uint256:
    """
    @dev The model's part of one call. A marketplace that is missing or fails must not block
         an exit: its models get nothing. A caller cannot make it fail by starving it of gas:
         the 1/64 that is left then does not pay for the rest of `redeem` (EIP-150).
    @param market ModelMarketplace; zero while the link is empty.
    @param model_id The model.
    @return uint256 JOY wei.
    """
    if market == empty(address):
        return 0
    answered: bool = False
    answer: Bytes[32] = b""
    answered, answer = raw_call(
        market,
        abi_encode(model_id, method_id=method_id("price_of(bytes32)")),
        max_outsize=32,
        is_static_call=True,
        revert_on_failure=False,
    )
    if not answered or len(answer) != 32:
        return 0
    return extract32(answer, 0, output_type=uint256)


@internal
@view
def _current_fee_bps() -> uint256:
    """
    @dev The platform fee that holds now.
    @return uint256 Basis points.
    """
    if self._scheduled_fee.effective_at <= block.timestamp:
        return self._scheduled_fee.bps
    return self._fee_bps


@internal
@view
def _free_provision(vault: address) -> uint256:
    """
    @dev Provision to this contract less locked bonds; 0 if what is locked is thawing already.
    @param vault The vault.
    @return uint256 JOY wei.
    """
    provision: uint256 = staticcall self._joy().provision_of(vault, self)
    return provision - min(provision, self.locked_bond[vault])


@internal
@view
def _active_provision(node_id: uint256) -> uint256:
    """
    @dev What stands behind a node's offers. Bonds of open jobs count too: otherwise any client
         could weigh down or displace a node with jobs that it never means to have answered.
    @param node_id The node.
    @return uint256 JOY wei; 0 while the node is inactive.
    """
    if not self._nodes[node_id].active:
        return 0
    return staticcall self._joy().provision_of(self._nodes[node_id].vault, self)


@internal
@view
def _deviation(node_id: uint256) -> int256:
    """
    @dev Reputation less 1.0, faded evenly since the last report.
    @param node_id The node.
    @return int256 1e18-scaled, in [-0.5e18, 0.5e18].
    """
    standing: Standing = self._standings[node_id]
    elapsed: int256 = convert(min(block.timestamp - standing.at, _FADE_PERIOD), int256)
    faded: int256 = elapsed * _MAX_DEVIATION // convert(_FADE_PERIOD, int256)
    if standing.deviation > 0:
        return max(standing.deviation - faded, 0)
    return min(standing.deviation + faded, 0)


@internal
@view
def _reputation(node_id: uint256) -> uint256:
    """
    @dev Reputation now.
    @param node_id The node.
    @return uint256 1e18-scaled.
    """
    return convert(convert(_ONE, int256) + self._deviation(node_id), uint256)


@internal
@view
def _peer_key_digest(vault: address, operator: address) -> bytes32:
    """
    @dev What a peer key signs. It names the vault, so that nobody can register a key with a
         signature seen in somebody else's transaction.
    @param vault The node's vault.
    @param operator The node's hot key.
    @return bytes32 The digest.
    """
    return keccak256(abi_encode(_PEER_KEY_TAG, chain.id, self, vault, operator))


@internal
@view
def _joy() -> IJoyToken:
    """
    @dev JOY with its staking functions.
    @return IJoyToken JoyToken.
    """
    return IJoyToken(voucher_escrow.JOY.address)


@internal
@view
def _check_node(node_id: uint256):
    """
    @dev Let only existing nodes pass.
    @param node_id Counted from 1.
    """
    assert self._nodes[node_id].vault != empty(address), "NodeCoordinator: unknown node"


@internal
@view
def _check_vault(node_id: uint256):
    """
    @dev Let only the node's vault pass.
    @param node_id The node.
    """
    self._check_node(node_id)
    assert msg.sender == self._nodes[node_id].vault, "NodeCoordinator: caller is not the vault"


@internal
@view
def _check_controller(node_id: uint256):
    """
    @dev Let only the node's vault and present operator pass.
    @param node_id The node.
    """
    self._check_node(node_id)
    assert msg.sender in [self._nodes[node_id].vault, self._nodes[node_id].operator], (
        "NodeCoordinator: caller is not the vault or operator"
    )


@internal
@view
def _check_proof_of_inference():
    """
    @dev Let only the linked ProofOfInference and ProvenInference pass.
    """
    if msg.sender != links._links["ProvenInference"]:
        assert msg.sender == links._link("ProofOfInference"), (
            "NodeCoordinator: caller is not ProofOfInference"
        )
