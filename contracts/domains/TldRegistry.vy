# pragma version ~=0.4.3
# pragma nonreentrancy on
"""
@title TLD registry
@custom:contract-name TldRegistry
@license GNU Affero General Public License v3.0 only
@author JoyNet contributors
@notice The TLDs of JoyNet: who owns each, what names under it cost and who gets the rent.
@dev What a registrar needs for one sale (`terms`) is two storage slots: a packed policy
     word and one price.
@custom:security The owner creates TLDs, sets the treasury, and can close new
        registrations of a TLD for a bounded time. It cannot take a TLD, nor change its
        prices or split. A TLD owner can move a price by at most `MAX_PRICE_FACTOR` in one
        change, after `PRICE_NOTICE`, and cannot cut the treasury below its first share.
        Nobody can touch time that is already paid for.
@custom:kill `pause_tld`: no new names under that TLD; renewals and transfers go on.
"""


# 1. interfaces
from ..interfaces import ITldRegistry
implements: ITldRegistry


# 2. modules
from snekmate.auth import ownable
initializes: ownable


# 3. exports
exports: (ownable.owner, ownable.transfer_ownership)


# 4. constants and immutables
BANDS: public(constant(uint256)) = 5  # lengths 1, 2, 3, 4, and 5 or more characters
MAX_PRICE: public(constant(uint256)) = 10**18  # wei of JOY per second
MAX_PRICE_FACTOR: public(constant(uint256)) = 2
PRICE_NOTICE: public(constant(uint256)) = 7 * 86_400  # seconds
MAX_PAUSE: public(constant(uint256)) = 7 * 86_400  # seconds
PAUSE_COOLDOWN: public(constant(uint256)) = 14 * 86_400  # seconds
MIN_LABEL: public(constant(uint256)) = 2  # characters of a TLD's own label
MAX_LABEL: public(constant(uint256)) = 63
_BPS: constant(uint256) = 10_000


# 5. state
# @dev What of a TLD changes together, in one slot (see `_pack`).
struct Policy:
    id: uint256  # bits 0-31
    min_length: uint256  # bits 32-39
    owner_bps: uint256  # bits 40-55
    burn_bps: uint256  # bits 56-71
    treasury_floor_bps: uint256  # bits 72-87
    paused_until: uint256  # bits 88-135, unix seconds
    switch_at: uint256  # bits 136-183, unix seconds


treasury: public(address)
count: public(uint256)
node_at: public(HashMap[uint256, bytes32])
owner_of: public(HashMap[bytes32, address])
label_of: public(HashMap[bytes32, String[63]])
# @dev TLD node -> proposed next owner.
_pending_owner: HashMap[bytes32, address]
# @dev TLD node -> packed Policy.
_policy: HashMap[bytes32, uint256]
# @dev TLD node -> wei of JOY per second by band: until `switch_at`, and from it on.
_prices: HashMap[bytes32, uint256[5]]
_next_prices: HashMap[bytes32, uint256[5]]


# 6. constructor
@deploy
def __init__(treasury_: address):
    """
    @param treasury_ Who gets the treasury's part of all rent.
    """
    ownable.__init__()
    self._set_treasury(treasury_)


# 7. external, state-changing
@external
def create(
    label: String[63],
    tld_owner: address,
    prices: uint256[5],
    min_length: uint256,
    owner_bps: uint256,
    burn_bps: uint256,
) -> bytes32:
    """
    @notice Create a TLD. Owner of the registry only.
    @param label Its label, without a dot: 2 to 63 of a-z, 0-9 and inner hyphens.
    @param tld_owner Who sets its prices and gets the owner's part of the rent.
    @param prices Wei of JOY per second by band, each in [1, MAX_PRICE].
    @param min_length Fewest characters of a new name, in [1, 63].
    @param owner_bps The TLD owner's part of the rent, in basis points.
    @param burn_bps The part that is burned; the treasury gets the rest, and that rest is
           the least it will ever get.
    @return bytes32 Node of the TLD.
    """
    ownable._check_owner()
    self._check_label(label)
    assert tld_owner != empty(address), "TldRegistry: zero owner"
    node: bytes32 = keccak256(concat(empty(bytes32), keccak256(label)))
    assert self.owner_of[node] == empty(address), "TldRegistry: TLD exists"
    for price: uint256 in prices:
        assert price >= 1 and price <= MAX_PRICE, "TldRegistry: price out of range"
    self._check_min_length(min_length)
    assert owner_bps <= _BPS and burn_bps <= _BPS - owner_bps, "TldRegistry: split over 100%"
    treasury_bps: uint256 = _BPS - owner_bps - burn_bps

    id: uint256 = self.count + 1
    self.count = id
    self.node_at[id] = node
    self.owner_of[node] = tld_owner
    self.label_of[node] = label
    self._next_prices[node] = prices
    self._policy[node] = self._pack(
        Policy(
            id=id,
            min_length=min_length,
            owner_bps=owner_bps,
            burn_bps=burn_bps,
            treasury_floor_bps=treasury_bps,
            paused_until=0,
            switch_at=block.timestamp,
        )
    )
    log ITldRegistry.TldCreated(tld=node, owner=tld_owner, id=id, label=label)
    log ITldRegistry.PricesSet(tld=node, prices=prices, switch_at=block.timestamp)
    log ITldRegistry.MinLengthSet(tld=node, min_length=min_length)
    log ITldRegistry.SplitSet(
        tld=node, treasury_bps=treasury_bps, owner_bps=owner_bps, burn_bps=burn_bps
    )
    return node


@external
def set_prices(tld: bytes32, prices: uint256[5]):
    """
    @notice Announce new prices; they are in force after `PRICE_NOTICE`. Replaces an
            announcement that is not in force yet. TLD owner only. Time that is paid for
            is never touched.
    @param tld Node of the TLD.
    @param prices Wei of JOY per second by band, each within a factor of
           `MAX_PRICE_FACTOR` of the price in force.
    """
    self._check_tld_owner(tld)
    policy: Policy = self._unpack(self._policy[tld])
    current: uint256[5] = self._prices_in_force(tld, policy.switch_at)
    for band: uint256 in range(BANDS):
        price: uint256 = prices[band]
        assert price >= 1 and price <= MAX_PRICE, "TldRegistry: price out of range"
        assert price <= current[band] * MAX_PRICE_FACTOR, "TldRegistry: price rises too much"
        assert price * MAX_PRICE_FACTOR >= current[band], "TldRegistry: price falls too much"
    policy.switch_at = block.timestamp + PRICE_NOTICE
    self._prices[tld] = current
    self._next_prices[tld] = prices
    self._policy[tld] = self._pack(policy)
    log ITldRegistry.PricesSet(tld=tld, prices=prices, switch_at=policy.switch_at)


@external
def set_min_length(tld: bytes32, min_length: uint256):
    """
    @notice Set the fewest characters of new names; existing names stay. TLD owner only.
    @param tld Node of the TLD.
    @param min_length Characters, in [1, 63].
    """
    self._check_tld_owner(tld)
    self._check_min_length(min_length)
    policy: Policy = self._unpack(self._policy[tld])
    policy.min_length = min_length
    self._policy[tld] = self._pack(policy)
    log ITldRegistry.MinLengthSet(tld=tld, min_length=min_length)


@external
def set_split(tld: bytes32, owner_bps: uint256, burn_bps: uint256):
    """
    @notice Change how rent paid from now on is split. TLD owner only.
    @param tld Node of the TLD.
    @param owner_bps The TLD owner's part, in basis points.
    @param burn_bps The part that is burned; the treasury's rest stays at or above its floor.
    """
    self._check_tld_owner(tld)
    assert owner_bps <= _BPS and burn_bps <= _BPS - owner_bps, "TldRegistry: split over 100%"
    policy: Policy = self._unpack(self._policy[tld])
    treasury_bps: uint256 = _BPS - owner_bps - burn_bps
    assert treasury_bps >= policy.treasury_floor_bps, "TldRegistry: treasury below its floor"
    policy.owner_bps = owner_bps
    policy.burn_bps = burn_bps
    self._policy[tld] = self._pack(policy)
    log ITldRegistry.SplitSet(
        tld=tld, treasury_bps=treasury_bps, owner_bps=owner_bps, burn_bps=burn_bps
    )


@external
def propose_owner(tld: bytes32, new_owner: address):
    """
    @notice Offer the TLD to a new owner, who has to accept. TLD owner only.
    @param tld Node of the TLD.
    @param new_owner The next owner; zero withdraws the offer.
    """
    self._check_tld_owner(tld)
    self._pending_owner[tld] = new_owner
    log ITldRegistry.TldOwnerProposed(tld=tld, pending_owner=new_owner)


@external
def accept_owner(tld: bytes32):
    """
    @notice Become the owner of a TLD that was offered to the caller.
    @param tld Node of the TLD.
    """
    assert msg.sender == self._pending_owner[tld], "TldRegistry: not the proposed owner"
    previous: address = self.owner_of[tld]
    self._pending_owner[tld] = empty(address)
    self.owner_of[tld] = msg.sender
    log ITldRegistry.TldOwnerChanged(tld=tld, previous_owner=previous, new_owner=msg.sender)


@external
def pause_tld(tld: bytes32):
    """
    @notice Close new registrations for `MAX_PAUSE`, or until `unpause_tld`; renewals and
            transfers go on. TLD owner or owner of the registry.
    @param tld Node of the TLD.
    """
    self._check_pauser(tld)
    policy: Policy = self._unpack(self._policy[tld])
    if policy.paused_until != 0:
        assert block.timestamp >= policy.paused_until + PAUSE_COOLDOWN, "TldRegistry: cooling down"
    policy.paused_until = block.timestamp + MAX_PAUSE
    self._policy[tld] = self._pack(policy)
    log ITldRegistry.TldPaused(tld=tld, account=msg.sender, until=policy.paused_until)


@external
def unpause_tld(tld: bytes32):
    """
    @notice Open new registrations again. TLD owner or owner of the registry.
    @param tld Node of the TLD.
    """
    self._check_pauser(tld)
    policy: Policy = self._unpack(self._policy[tld])
    assert block.timestamp < policy.paused_until, "TldRegistry: not paused"
    policy.paused_until = block.timestamp
    self._policy[tld] = self._pack(policy)
    log ITldRegistry.TldUnpaused(tld=tld, account=msg.sender)


@external
def set_treasury(treasury: address):
    """
    @notice Set who gets the treasury's part of all rent. Owner of the registry only.
    @param treasury The treasury, not zero.
    """
    ownable._check_owner()
    self._set_treasury(treasury)


# 8. external, view
@external
@view
def terms(tld: bytes32, length: uint256) -> ITldRegistry.Terms:
    """
    @notice What a name costs and whether it can be had: the one call a registrar makes.
    @param tld Node of the TLD.
    @param length Characters of the label, at least 1.
    @return Terms The terms in force now; `id` is 0 for an unknown TLD.
    """
    assert length >= 1, "TldRegistry: zero length"
    policy: Policy = self._unpack(self._policy[tld])
    if policy.id == 0:
        return empty(ITldRegistry.Terms)
    band: uint256 = min(length, BANDS) - 1
    price: uint256 = 0
    if block.timestamp >= policy.switch_at:
        price = self._next_prices[tld][band]
    else:
        price = self._prices[tld][band]
    return ITldRegistry.Terms(
        id=policy.id,
        price=price,
        min_length=policy.min_length,
        owner_bps=policy.owner_bps,
        burn_bps=policy.burn_bps,
        is_open=block.timestamp >= policy.paused_until,
    )


@external
@view
def tld_of(tld: bytes32) -> ITldRegistry.Tld:
    """
    @notice Everything about one TLD.
    @param tld Node of the TLD.
    @return Tld The TLD; `id` is 0 if there is none.
    """
    policy: Policy = self._unpack(self._policy[tld])
    if policy.id == 0:
        return empty(ITldRegistry.Tld)
    return ITldRegistry.Tld(
        id=policy.id,
        label=self.label_of[tld],
        owner=self.owner_of[tld],
        pending_owner=self._pending_owner[tld],
        prices=self._prices_in_force(tld, policy.switch_at),
        next_prices=self._next_prices[tld],
        switch_at=policy.switch_at,
        min_length=policy.min_length,
        treasury_bps=_BPS - policy.owner_bps - policy.burn_bps,
        owner_bps=policy.owner_bps,
        burn_bps=policy.burn_bps,
        treasury_floor_bps=policy.treasury_floor_bps,
        paused_until=policy.paused_until,
    )


# 9. internal
@internal
@view
def _check_tld_owner(tld: bytes32):
    """
    @dev Let only the owner of a TLD pass.
    @param tld Node of the TLD.
    """
    assert msg.sender == self.owner_of[tld], "TldRegistry: caller is not the TLD owner"


@internal
@view
def _check_pauser(tld: bytes32):
    """
    @dev Let only the owner of an existing TLD and the owner of the registry pass.
    @param tld Node of the TLD.
    """
    tld_owner: address = self.owner_of[tld]
    assert tld_owner != empty(address), "TldRegistry: unknown TLD"
    assert msg.sender == tld_owner or msg.sender == ownable.owner, (
        "TldRegistry: caller may not pause"
    )


@internal
@pure
def _check_min_length(min_length: uint256):
    """
    @dev Let only lengths pass that a label can have.
    @param min_length Characters.
    """
    assert min_length >= 1 and min_length <= MAX_LABEL, "TldRegistry: length out of range"


@internal
@pure
def _check_label(label: String[63]):
    """
    @dev Let only a-z, 0-9 and inner hyphens pass (RFC 1123 in lower case).
    @param label Label of a TLD.
    """
    size: uint256 = len(label)
    assert size >= MIN_LABEL, "TldRegistry: bad label"
    for i: uint256 in range(size, bound=63):
        char: uint256 = convert(slice(convert(label, Bytes[63]), i, 1), uint256)
        is_inner_hyphen: bool = char == 45 and i != 0 and i != size - 1
        is_digit: bool = char >= 48 and char <= 57
        is_letter: bool = char >= 97 and char <= 122
        assert is_letter or is_digit or is_inner_hyphen, "TldRegistry: bad label"


@internal
def _set_treasury(treasury: address):
    """
    @dev Set and announce the treasury.
    @param treasury The treasury, not zero.
    """
    assert treasury != empty(address), "TldRegistry: zero treasury"
    self.treasury = treasury
    log ITldRegistry.TreasurySet(treasury=treasury)


@internal
@view
def _prices_in_force(tld: bytes32, switch_at: uint256) -> uint256[5]:
    """
    @dev The prices now.
    @param tld Node of the TLD.
    @param switch_at Unix seconds from which the next prices are in force.
    @return uint256[5] Wei of JOY per second by band.
    """
    if block.timestamp >= switch_at:
        return self._next_prices[tld]
    return self._prices[tld]


@internal
@pure
def _pack(policy: Policy) -> uint256:
    """
    @dev Write a policy as one word. Every field is checked to fit before it gets here;
         2**48 seconds are nine million years.
    @param policy The policy.
    @return uint256 The word.
    """
    return (
        policy.id
        | (policy.min_length << 32)
        | (policy.owner_bps << 40)
        | (policy.burn_bps << 56)
        | (policy.treasury_floor_bps << 72)
        | (policy.paused_until << 88)
        | (policy.switch_at << 136)
    )


@internal
@pure
def _unpack(word: uint256) -> Policy:
    """
    @dev Read a policy back from its word.
    @param word The word.
    @return Policy The policy; all zero for a TLD that does not exist.
    """
    return Policy(
        id=word & (2**32 - 1),
        min_length=(word >> 32) & (2**8 - 1),
        owner_bps=(word >> 40) & (2**16 - 1),
        burn_bps=(word >> 56) & (2**16 - 1),
        treasury_floor_bps=(word >> 72) & (2**16 - 1),
        paused_until=(word >> 88) & (2**48 - 1),
        switch_at=(word >> 136) & (2**48 - 1),
    )
