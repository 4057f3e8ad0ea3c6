# pragma version ~=0.4.3
# pragma nonreentrancy on
"""
@title Voucher escrow: prepaid calls, settled by cumulative signed vouchers
@custom:contract-name voucher_escrow
@license GNU Affero General Public License v3.0 only
@author JoyNet contributors
@notice A payer deposits, allocates to nodes, and signs one EIP-712 voucher per answer; a node
        turns the latest voucher of each channel into money (docs/spec/money.md).
@dev Money is keyed by (payer, node id), so it survives a change of operator key; channels by
     (payer, operator, model, lane). A channel holds the component-wise maximum of all
     vouchers seen, so the order of redemption cannot matter. What the allocation cannot
     cover stays `unpaid` in the channel and is taken by the next redemption after the payer
     allocated more. Payers are accounts with a key: ERC-1271 contract signatures are not
     supported, a contract wallet lets a plain account pay for it.
     Answers of JoyToken are not looked at: it reverts and never answers False.
     Write `initializes: voucher_escrow[circuit_breaker := circuit_breaker,
     eip712_domain_separator := eip712_domain_separator]`, call `_bind_operator` once for each
     operator key and `_settle` for each voucher.
@custom:security Only a payer's own signature moves its allocation, never more than the highest
        amount it signed and never more than it allocated. The importing contract decides
        who may redeem: it must be the node, because a payer could sign vouchers that shift
        money from the node's part to the model's.
@custom:kill Deposits and allocations stop with the circuit breaker; everything else is an exit.
"""


# 1. interfaces
from ethereum.ercs import IERC20
from ..interfaces import IVoucherEscrow


# 2. modules
from snekmate.utils import eip712_domain_separator
uses: eip712_domain_separator

from . import circuit_breaker
uses: circuit_breaker


# 4. constants and immutables
MIN_THAW_PERIOD: public(constant(uint256)) = 60  # seconds
_VOUCHER_TYPEHASH: constant(bytes32) = keccak256(
    "Voucher(address payer,address operator,bytes32 modelId,uint256 lane,uint256 calls,uint256 amount)"
)
# @dev Half the order of secp256k1: a larger s is the malleable twin of a lower one (EIP-2).
_MAX_S: constant(uint256) = (
    57_896_044_618_658_097_711_785_492_504_343_953_926_418_782_139_537_452_191_302_581_570_759_080_747_168
)

JOY: public(immutable(IERC20))
THAW_PERIOD: public(immutable(uint256))  # seconds


# 5. state
struct Channel:
    calls: uint256  # highest seen
    amount: uint256  # highest seen, JOY wei
    unpaid: uint256  # of `amount`, not covered by the allocation yet
    royalty_due: uint256  # of `unpaid`, the model's part


struct Settlement:
    calls: uint256  # newly accounted
    taken: uint256  # JOY wei that left the allocation
    royalty: uint256  # of `taken`, the model's part


# @dev Operator key -> node id, for ever.
_node_of_operator: HashMap[address, uint256]
# @dev Payer -> JOY wei deposited and not allocated.
_free: HashMap[address, uint256]
# @dev Payer -> node id -> allocation; `thaw_ends` in `circuit_breaker._clock()` time.
_allocations: HashMap[address, HashMap[uint256, IVoucherEscrow.Allocation]]
# @dev keccak256(abi.encode(payer, operator, model id, lane)) -> channel.
_channels: HashMap[bytes32, Channel]


# 6. constructor
@deploy
def __init__(joy: IERC20, thaw_period: uint256):
    """
    @param joy JoyToken.
    @param thaw_period Seconds from `request_deallocate` to `finish_deallocate`, at least
           MIN_THAW_PERIOD: long enough for a node to notice and redeem.
    """
    assert joy.address != empty(address), "voucher_escrow: zero token"
    assert thaw_period >= MIN_THAW_PERIOD, "voucher_escrow: thaw period too short"
    JOY = joy
    THAW_PERIOD = thaw_period


# 7. external, state-changing
@external
def deposit(amount: uint256):
    """
    @notice Pull `amount` JOY from the caller (who approved it) into its free balance.
    @param amount JOY wei.
    """
    circuit_breaker._require_not_paused()
    circuit_breaker._add_inflow(amount, staticcall JOY.balanceOf(self))
    self._free[msg.sender] += amount
    extcall JOY.transferFrom(msg.sender, self, amount)
    log IVoucherEscrow.Deposited(payer=msg.sender, amount=amount)


@external
def withdraw(amount: uint256) -> uint256:
    """
    @notice Send JOY from the caller's free balance back to it. Never paused.
    @param amount JOY wei.
    @return uint256 JOY wei sent; the outflow limit may hold back the rest until later.
    """
    free: uint256 = self._enough_free(amount)
    sent: uint256 = self._grant_outflow(amount)
    self._free[msg.sender] = free - sent
    self._send(msg.sender, sent)
    log IVoucherEscrow.Withdrawn(payer=msg.sender, amount=sent)
    return sent


@external
def allocate(operator: address, amount: uint256):
    """
    @notice Set part of the free balance aside for one node.
    @param operator An operator key of the node.
    @param amount JOY wei.
    """
    circuit_breaker._require_not_paused()
    node_id: uint256 = self._known_node(operator)
    self._free[msg.sender] = self._enough_free(amount) - amount
    self._allocations[msg.sender][node_id].amount += amount
    log IVoucherEscrow.Allocated(
        payer=msg.sender, node_id=node_id, operator=operator, amount=amount
    )


@external
def request_deallocate(operator: address, amount: uint256):
    """
    @notice Start to take an allocation back. It stays redeemable until `finish_deallocate`.
            Asking again adds to the thawing amount and starts the clock anew. Never paused.
    @param operator An operator key of the node.
    @param amount JOY wei that is neither redeemed nor thawing.
    """
    node_id: uint256 = self._known_node(operator)
    held: IVoucherEscrow.Allocation = self._allocations[msg.sender][node_id]
    assert amount <= held.amount - held.redeemed - held.thawing, (
        "voucher_escrow: allocation too low"
    )
    held.thawing += amount
    held.thaw_ends = circuit_breaker._clock() + THAW_PERIOD
    self._allocations[msg.sender][node_id] = held
    log IVoucherEscrow.ThawStarted(
        payer=msg.sender,
        node_id=node_id,
        thawing=held.thawing,
        thaw_ends=held.thaw_ends + circuit_breaker._paused_seconds(),
    )


@external
def finish_deallocate(operator: address) -> uint256:
    """
    @notice Move what thawed and was not redeemed meanwhile to the free balance. Never paused,
            but a pause stops the thaw's clock.
    @param operator An operator key of the node.
    @return uint256 JOY wei moved.
    """
    node_id: uint256 = self._known_node(operator)
    held: IVoucherEscrow.Allocation = self._allocations[msg.sender][node_id]
    assert held.thaw_ends != 0, "voucher_escrow: nothing thawing"
    assert circuit_breaker._clock() >= held.thaw_ends, "voucher_escrow: still thawing"
    amount: uint256 = held.thawing
    held.amount -= amount
    held.thawing = 0
    held.thaw_ends = 0
    self._allocations[msg.sender][node_id] = held
    self._free[msg.sender] += amount
    log IVoucherEscrow.Deallocated(payer=msg.sender, node_id=node_id, amount=amount)
    return amount


# 8. external, view
@external
@view
def free_balance(payer: address) -> uint256:
    """
    @notice Deposited, not allocated.
    @param payer The payer.
    @return uint256 JOY wei.
    """
    return self._free[payer]


@external
@view
def allocation(payer: address, operator: address) -> IVoucherEscrow.Allocation:
    """
    @notice What a payer set aside for the node of an operator key.
    @param payer The payer.
    @param operator Any key that is or was the node's.
    @return Allocation All zero if there is none.
    """
    held: IVoucherEscrow.Allocation = self._allocations[payer][self._node_of_operator[operator]]
    if held.thaw_ends != 0:
        held.thaw_ends += circuit_breaker._paused_seconds()
    return held


@external
@view
def channel(
    payer: address, operator: address, model_id: bytes32, lane: uint256
) -> (uint256, uint256):
    """
    @notice The highest voucher values seen in a channel.
    @param payer The payer.
    @param operator The key that the vouchers are made out to.
    @param model_id The model.
    @param lane The lane.
    @return uint256 Calls.
    @return uint256 JOY wei owed, paid or not.
    """
    key: bytes32 = self._channel_key(payer, operator, model_id, lane)
    return self._channels[key].calls, self._channels[key].amount


@external
@view
def unpaid(payer: address, operator: address, model_id: bytes32, lane: uint256) -> uint256:
    """
    @notice The part of a channel's amount that the allocation could not cover yet.
    @param payer The payer.
    @param operator The key that the vouchers are made out to.
    @param model_id The model.
    @param lane The lane.
    @return uint256 JOY wei.
    """
    return self._channels[self._channel_key(payer, operator, model_id, lane)].unpaid


@external
@view
def hash_voucher(voucher: IVoucherEscrow.Voucher) -> bytes32:
    """
    @notice The EIP-712 signing hash: `voucherHash` of a receipt.
    @param voucher The voucher.
    @return bytes32 keccak256(0x1901 || domain || struct).
    """
    return self._hash_voucher(voucher)


# 9. internal
@internal
def _bind_operator(operator: address, node_id: uint256):
    """
    @dev Tie an operator key to a node, for ever.
    @param operator A key that was never bound.
    @param node_id The node, not 0.
    """
    assert operator != empty(address), "voucher_escrow: zero operator"
    assert self._node_of_operator[operator] == 0, "voucher_escrow: operator was used before"
    self._node_of_operator[operator] = node_id


@internal
def _settle(
    voucher: IVoucherEscrow.Voucher, node_id: uint256, call_price: uint256
) -> Settlement:
    """
    @dev Account a voucher whose signature and operator the caller has checked. The model's
         part of new calls is fixed here, min(new amount, new calls x call_price), and leaves
         the allocation before the node's part: a node that serves beyond the allocation
         carries that risk, not the model's owners.
    @param voucher The voucher.
    @param node_id Node of `voucher.operator`.
    @param call_price The model's part of one call, JOY wei.
    @return Settlement What is new; all zero if nothing is.
    """
    key: bytes32 = self._channel_key(
        voucher.payer, voucher.operator, voucher.model_id, voucher.lane
    )
    seen: Channel = self._channels[key]
    calls: uint256 = max(voucher.calls, seen.calls) - seen.calls
    amount: uint256 = max(voucher.amount, seen.amount) - seen.amount
    due: uint256 = seen.royalty_due + self._capped_product(calls, call_price, amount)
    owed: uint256 = seen.unpaid + amount

    held: IVoucherEscrow.Allocation = self._allocations[voucher.payer][node_id]
    left: uint256 = held.amount - held.redeemed
    taken: uint256 = min(owed, left)
    royalty: uint256 = min(due, taken)
    held.redeemed += taken
    held.thawing = min(held.thawing, left - taken)
    self._allocations[voucher.payer][node_id] = held
    self._channels[key] = Channel(
        calls=seen.calls + calls,
        amount=seen.amount + amount,
        unpaid=owed - taken,
        royalty_due=due - royalty,
    )
    return Settlement(calls=calls, taken=taken, royalty=royalty)


@internal
def _grant_outflow(wanted: uint256) -> uint256:
    """
    @dev What of `wanted` may leave in this epoch.
    @param wanted JOY wei, more than 0.
    @return uint256 JOY wei, more than 0.
    """
    assert wanted > 0, "voucher_escrow: nothing to send"
    granted: uint256 = circuit_breaker._take_outflow(wanted, staticcall JOY.balanceOf(self))
    assert granted > 0, "voucher_escrow: outflow limit reached, try in the next epoch"
    return granted


@internal
def _send(account: address, amount: uint256):
    """
    @dev Send JOY.
    @param account The receiver.
    @param amount JOY wei.
    """
    extcall JOY.transfer(account, amount)


@internal
@view
def _enough_free(amount: uint256) -> uint256:
    """
    @dev The caller's free balance.
    @param amount JOY wei that it must cover.
    @return uint256 JOY wei, at least `amount`.
    """
    free: uint256 = self._free[msg.sender]
    assert amount <= free, "voucher_escrow: free balance too low"
    return free


@internal
@view
def _known_node(operator: address) -> uint256:
    """
    @dev The node of an operator key.
    @param operator The key.
    @return uint256 Node id, never 0.
    """
    node_id: uint256 = self._node_of_operator[operator]
    assert node_id != 0, "voucher_escrow: unknown operator"
    return node_id


@internal
@view
def _is_signed(voucher: IVoucherEscrow.Voucher, signature: Bytes[65]) -> bool:
    """
    @dev Whether the payer signed the voucher.
    @param voucher The voucher.
    @param signature r || s || v.
    @return bool False for every malformed signature too.
    """
    if len(signature) != 65:
        return False
    return self._is_signer(
        voucher.payer,
        self._hash_voucher(voucher),
        convert(slice(signature, 64, 1), uint256),
        extract32(signature, 0),
        extract32(signature, 32),
    )


@internal
@pure
def _is_signer(
    signer: address, digest: bytes32, v: uint256, r: bytes32, s: bytes32
) -> bool:
    """
    @dev Whether a signature is canonical and by `signer`.
    @param signer Expected signer; zero is refused.
    @param digest What was signed.
    @param v 27 or 28.
    @param r r.
    @param s s, in the lower half of the order.
    @return bool Whether it is.
    """
    if signer == empty(address) or convert(s, uint256) > _MAX_S or (v != 27 and v != 28):
        return False
    return ecrecover(digest, v, r, s) == signer


@internal
@view
def _hash_voucher(voucher: IVoucherEscrow.Voucher) -> bytes32:
    """
    @dev The EIP-712 signing hash.
    @param voucher The voucher.
    @return bytes32 keccak256(0x1901 || domain || struct).
    """
    return eip712_domain_separator._hash_typed_data_v4(
        keccak256(abi_encode(_VOUCHER_TYPEHASH, voucher))
    )


@internal
@pure
def _channel_key(
    payer: address, operator: address, model_id: bytes32, lane: uint256
) -> bytes32:
    """
    @dev Storage key of a channel.
    @param payer The payer.
    @param operator The operator key.
    @param model_id The model.
    @param lane The lane.
    @return bytes32 The key.
    """
    return keccak256(abi_encode(payer, operator, model_id, lane))


@internal
@pure
def _capped_product(calls: uint256, price: uint256, cap: uint256) -> uint256:
    """
    @dev min(calls x price, cap) that cannot overflow: a voucher or a price, however large,
         must not block an exit.
    @param calls Calls.
    @param price JOY wei per call.
    @param cap JOY wei.
    @return uint256 JOY wei.
    """
    if price == 0:
        return 0
    if calls > cap // price:
        return cap
    return calls * price
