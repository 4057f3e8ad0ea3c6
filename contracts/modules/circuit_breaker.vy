# pragma version ~=0.4.3
# pragma nonreentrancy on
"""
@title Circuit breaker: a pause that ends by itself, and an outflow limit
@custom:contract-name circuit_breaker
@license GNU Affero General Public License v3.0 only
@author JoyNet contributors
@notice A guardian or the owner can stop new business for at most `MAX_PAUSE`; after a
        pause, `PAUSE_COOLDOWN` must pass before the next. While paused, `_clock()`
        stands still, so no deadline and no thaw runs out. Apart from pauses, what
        leaves in one `OUTFLOW_EPOCH` is limited: what is over the limit waits for the
        next epoch, it is never cancelled.
@dev Write `initializes: circuit_breaker[ownable := ownable]` and call
     `circuit_breaker.__init__(guardian, outflow_bps, outflow_floor)`.
     - New business (never an exit): `circuit_breaker._require_not_paused()` first.
     - Deadlines: store and compare `circuit_breaker._clock()` values, not timestamps.
     - Paying out: `granted = circuit_breaker._take_outflow(wanted, holdings)`, pay
       `granted`, keep `wanted - granted` owed. Taking in:
       `circuit_breaker._add_inflow(amount, holdings)`. Both get the holdings from before
       the movement. Inflow makes room for the same outflow, so nobody can use up the
       limit of others by paying in and out.
@custom:security Guardian and owner can delay by one bounded pause, never seize and never
        stop an exit. The outflow limit is fixed at deployment.
@custom:kill Call `pause()`; it expires by itself.
"""


# 2. modules
from snekmate.auth import ownable
uses: ownable


# 4. constants and immutables
MAX_PAUSE: public(constant(uint256)) = 3 * 86_400  # seconds
PAUSE_COOLDOWN: public(constant(uint256)) = 7 * 86_400  # seconds
OUTFLOW_EPOCH: public(constant(uint256)) = 86_400  # seconds
MIN_OUTFLOW_BPS: public(constant(uint256)) = 1_000  # basis points of the holdings
_BPS: constant(uint256) = 10_000

OUTFLOW_BPS: public(immutable(uint256))  # basis points of the holdings at epoch start
OUTFLOW_FLOOR: public(immutable(uint256))  # wei of JOY that can always leave in an epoch


# 5. state
event GuardianSet:
    guardian: indexed(address)


event Paused:
    account: indexed(address)
    until: uint256


event Unpaused:
    account: indexed(address)


# @dev Account that may pause besides the owner; zero: the owner alone.
guardian: public(address)
# @dev The latest pause, [from, until) in unix seconds; both 0 before the first.
_paused_from: uint256
paused_until: public(uint256)
# @dev Seconds of all pauses before the latest one.
_paused_before: uint256
# @dev The epoch that `_outflow_room` belongs to, and wei of JOY that may still leave in it.
_outflow_epoch: uint256
_outflow_room: uint256


# 6. constructor
@deploy
def __init__(guardian_: address, outflow_bps: uint256, outflow_floor: uint256):
    """
    @param guardian_ Account that may pause besides the owner; zero for none.
    @param outflow_bps Basis points of the holdings that may leave in one epoch, in
           [MIN_OUTFLOW_BPS, 10_000].
    @param outflow_floor Wei of JOY that may leave in an epoch however small the holdings,
           more than 0.
    """
    assert outflow_bps >= MIN_OUTFLOW_BPS, "circuit_breaker: outflow share too small"
    assert outflow_bps <= _BPS, "circuit_breaker: outflow share too big"
    assert outflow_floor > 0, "circuit_breaker: zero outflow floor"
    OUTFLOW_BPS = outflow_bps
    OUTFLOW_FLOOR = outflow_floor
    self.guardian = guardian_
    log GuardianSet(guardian=guardian_)


# 7. external, state-changing
@external
def set_guardian(guardian_: address):
    """
    @notice Replace the guardian. Owner only.
    @param guardian_ The next guardian; zero for none.
    """
    ownable._check_owner()
    self.guardian = guardian_
    log GuardianSet(guardian=guardian_)


@external
def pause():
    """
    @notice Stop new business for `MAX_PAUSE`, or until `unpause`. Guardian or owner.
    """
    self._check_guardian()
    until: uint256 = self.paused_until
    if until != 0:
        assert block.timestamp >= until + PAUSE_COOLDOWN, "circuit_breaker: cooling down"
    self._paused_before += until - self._paused_from
    self._paused_from = block.timestamp
    self.paused_until = block.timestamp + MAX_PAUSE
    log Paused(account=msg.sender, until=block.timestamp + MAX_PAUSE)


@external
def unpause():
    """
    @notice End a pause before it expires. Guardian or owner.
    """
    self._check_guardian()
    assert block.timestamp < self.paused_until, "circuit_breaker: not paused"
    self.paused_until = block.timestamp
    log Unpaused(account=msg.sender)


# 8. external, view
@external
@view
def paused() -> bool:
    """
    @notice Whether new business is stopped now.
    @return bool True during a pause.
    """
    return block.timestamp < self.paused_until


@external
@view
def paused_seconds() -> uint256:
    """
    @notice How long this contract has been paused since it was deployed.
    @return uint256 Seconds, the running pause included.
    """
    return self._paused_seconds()


# 9. internal
@internal
@view
def _check_guardian():
    """
    @dev Let only the guardian and the owner pass.
    """
    assert msg.sender == self.guardian or msg.sender == ownable.owner, (
        "circuit_breaker: caller is not the guardian"
    )


@internal
@view
def _require_not_paused():
    """
    @dev Guard of everything that starts new business. Exits never call it.
    """
    assert block.timestamp >= self.paused_until, "circuit_breaker: paused"


@internal
@view
def _paused_seconds() -> uint256:
    """
    @dev Seconds of all pauses until now.
    @return uint256 Seconds.
    """
    return self._paused_before + min(block.timestamp, self.paused_until) - self._paused_from


@internal
@view
def _clock() -> uint256:
    """
    @dev Time that stands still during a pause. Deadlines are set and compared in it.
    @return uint256 Seconds: the block's timestamp less all paused seconds.
    """
    return block.timestamp - self._paused_seconds()


@internal
def _take_outflow(wanted: uint256, holdings: uint256) -> uint256:
    """
    @dev Ask for a payment out; the caller keeps owing what is not granted.
    @param wanted Wei of JOY to pay.
    @param holdings Wei of JOY the contract holds before the payment.
    @return uint256 Wei of JOY that may leave now, at most `wanted`.
    """
    room: uint256 = self._room(holdings)
    granted: uint256 = min(wanted, room)
    self._outflow_room = room - granted
    return granted


@internal
def _add_inflow(amount: uint256, holdings: uint256):
    """
    @dev Note a payment in: it makes room for as much to leave in this epoch.
    @param amount Wei of JOY received.
    @param holdings Wei of JOY the contract held before it.
    """
    self._outflow_room = self._room(holdings) + amount


@internal
def _room(holdings: uint256) -> uint256:
    """
    @dev What may still leave in this epoch; opens the epoch if it is new.
    @param holdings Wei of JOY the contract holds.
    @return uint256 Wei of JOY.
    """
    epoch: uint256 = block.timestamp // OUTFLOW_EPOCH
    if epoch == self._outflow_epoch:
        return self._outflow_room
    self._outflow_epoch = epoch
    return max(OUTFLOW_FLOOR, holdings * OUTFLOW_BPS // _BPS)
