# pragma version ~=0.4.3
# pragma nonreentrancy on
"""
@title TLD registry
@custom:contract-name TldRegistry
@license GNU Affero General Public License v3.0 only
@author JoyNet contributors
@notice The TLDs of JoyNet: who owns each, and its charter: what names under it cost, which
        can be had, and who gets the rent.
@dev What a registrar needs for one sale (`terms`) is three storage slots: a packed policy
     word, one price, and whether the word is reserved.
@custom:security The owner creates TLDs, sets the treasury, and can close new
        registrations of a TLD for a bounded time. It cannot take a TLD, nor amend its
        charter. A TLD owner can move a price by at most `MAX_PRICE_FACTOR` in one change,
        after `PRICE_NOTICE`, and cannot cut the treasury below its first share. Nobody can
        touch time that is already paid for; lengths, reserved words and pauses close new
        registrations only, never a renewal.
@custom:kill `pause_tld`: no new names under that TLD; renewals and transfers go on.
"""


# 1. interfaces
from ..interfaces import ITldRegistry
implements: ITldRegistry


# 2. modules
from snekmate.auth import ownable
initializes: ownable

from ..modules import labels


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
MIN_PERMANENT_TERM: public(constant(uint256)) = 10 * 365 * 86_400  # seconds of rent
MAX_PERMANENT_TERM: public(constant(uint256)) = 200 * 365 * 86_400  # seconds of rent
MAX_PREMIUM: public(constant(uint256)) = 10**9 * 10**18  # wei of JOY
PREMIUM_DAYS: public(constant(uint256)) = 21  # halvings of a premium, one a day, until 0
_DAY: constant(uint256) = 86_400  # seconds
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
    max_length: uint256  # bits 184-191
    permanent_term: uint256  # bits 192-231, seconds
    keeps_price: bool  # bit 232


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
# @dev TLD node -> wei of JOY.
_premium_start: HashMap[bytes32, uint256]
# @dev TLD node -> keccak256 of a label -> whether it is reserved.
_reserved: HashMap[bytes32, HashMap[bytes32, bool]]


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
    label: String[63], tld_owner: address, charter: ITldRegistry.Charter
) -> bytes32:
    """
    @notice Create a TLD. Owner of the registry only.
    @param label Its label, without a dot: 2 to 63 of a-z, 0-9 and inner hyphens.
    @param tld_owner Who amends its charter and gets the owner's part of the rent.
    @param charter Its charter; the treasury's part in it is the least it will ever get.
    @return bytes32 Node of the TLD.
    """
    ownable._check_owner()
    self._check_label(label)
    assert tld_owner != empty(address), "TldRegistry: zero owner"
    node: bytes32 = keccak256(concat(empty(bytes32), keccak256(label)))
    assert self.owner_of[node] == empty(address), "TldRegistry: TLD exists"
    for price: uint256 in charter.prices:
        assert price >= 1 and price <= MAX_PRICE, "TldRegistry: price out of range"
    self._check_lengths(charter.min_length, charter.max_length)
    self._check_permanent_term(charter.permanent_term)
    treasury_bps: uint256 = self._treasury_bps(charter.owner_bps, charter.burn_bps)

    id: uint256 = self.count + 1
    self.count = id
    self.node_at[id] = node
    self.owner_of[node] = tld_owner
    self.label_of[node] = label
    self._next_prices[node] = charter.prices
    self._policy[node] = self._pack(
        Policy(
            id=id,
            min_length=charter.min_length,
            owner_bps=charter.owner_bps,
            burn_bps=charter.burn_bps,
            treasury_floor_bps=treasury_bps,
            paused_until=0,
            switch_at=block.timestamp,
            max_length=charter.max_length,
            permanent_term=charter.permanent_term,
            keeps_price=charter.keeps_price,
        )
    )
    log ITldRegistry.TldCreated(tld=node, owner=tld_owner, id=id, label=label)
    log ITldRegistry.PricesSet(
        tld=node, prices=charter.prices, switch_at=block.timestamp
    )
    log ITldRegistry.LengthsSet(
        tld=node, min_length=charter.min_length, max_length=charter.max_length
    )
    log ITldRegistry.SplitSet(
        tld=node,
        treasury_bps=treasury_bps,
        owner_bps=charter.owner_bps,
        burn_bps=charter.burn_bps,
    )
    log ITldRegistry.PermanenceSet(tld=node, permanent_term=charter.permanent_term)
    log ITldRegistry.KeepsPriceSet(tld=node, keeps_price=charter.keeps_price)
    self._set_premium(node, charter.premium_start)
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
def set_lengths(tld: bytes32, min_length: uint256, max_length: uint256):
    """
    @notice Set how many characters new names may have; existing names stay. TLD owner only.
    @param tld Node of the TLD.
    @param min_length Fewest characters, in [1, max_length].
    @param max_length Most characters, at most 63.
    """
    self._check_tld_owner(tld)
    self._check_lengths(min_length, max_length)
    policy: Policy = self._unpack(self._policy[tld])
    policy.min_length = min_length
    policy.max_length = max_length
    self._policy[tld] = self._pack(policy)
    log ITldRegistry.LengthsSet(tld=tld, min_length=min_length, max_length=max_length)


@external
def set_split(tld: bytes32, owner_bps: uint256, burn_bps: uint256):
    """
    @notice Change how rent paid from now on is split. TLD owner only.
    @param tld Node of the TLD.
    @param owner_bps The TLD owner's part, in basis points.
    @param burn_bps The part that is burned; the treasury's rest stays at or above its floor.
    """
    self._check_tld_owner(tld)
    policy: Policy = self._unpack(self._policy[tld])
    treasury_bps: uint256 = self._treasury_bps(owner_bps, burn_bps)
    assert treasury_bps >= policy.treasury_floor_bps, "TldRegistry: treasury below its floor"
    policy.owner_bps = owner_bps
    policy.burn_bps = burn_bps
    self._policy[tld] = self._pack(policy)
    log ITldRegistry.SplitSet(
        tld=tld, treasury_bps=treasury_bps, owner_bps=owner_bps, burn_bps=burn_bps
    )


@external
def set_permanence(tld: bytes32, permanent_term: uint256):
    """
    @notice Set what a name for ever costs, or end the offer; permanent names stay so. TLD
            owner only.
    @param tld Node of the TLD.
    @param permanent_term Seconds of rent, in [MIN_PERMANENT_TERM, MAX_PERMANENT_TERM]; 0
           ends the offer.
    """
    self._check_tld_owner(tld)
    self._check_permanent_term(permanent_term)
    policy: Policy = self._unpack(self._policy[tld])
    policy.permanent_term = permanent_term
    self._policy[tld] = self._pack(policy)
    log ITldRegistry.PermanenceSet(tld=tld, permanent_term=permanent_term)


@external
def set_premium(tld: bytes32, premium_start: uint256):
    """
    @notice Set what a lapsed name costs on top of the rent at the second it becomes free.
            TLD owner only.
    @param tld Node of the TLD.
    @param premium_start Wei of JOY, at most MAX_PREMIUM; see `premium`.
    """
    self._check_tld_owner(tld)
    self._set_premium(tld, premium_start)


@external
def set_keeps_price(tld: bytes32, keeps_price: bool):
    """
    @notice Promise names registered from now on that they never renew at more than the
            price they were registered at, or stop promising it. Names that have the
            promise keep it. TLD owner only.
    @param tld Node of the TLD.
    @param keeps_price Whether new names get the promise.
    """
    self._check_tld_owner(tld)
    policy: Policy = self._unpack(self._policy[tld])
    policy.keeps_price = keeps_price
    self._policy[tld] = self._pack(policy)
    log ITldRegistry.KeepsPriceSet(tld=tld, keeps_price=keeps_price)


@external
def set_reserved(tld: bytes32, words: DynArray[String[63], 32], is_reserved: bool):
    """
    @notice Reserve words: only the TLD owner can have them registered, for itself. Names
            that exist stay. TLD owner only.
    @param tld Node of the TLD.
    @param words Labels, normalised.
    @param is_reserved Whether they are reserved from now on.
    """
    self._check_tld_owner(tld)
    for label: String[63] in words:
        label_hash: bytes32 = keccak256(label)
        self._reserved[tld][label_hash] = is_reserved
        log ITldRegistry.WordReserved(
            tld=tld, label_hash=label_hash, label=label, is_reserved=is_reserved
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
def terms(tld: bytes32, label: String[63], owner: address) -> ITldRegistry.Terms:
    """
    @notice What a name costs and whether it can be had: the one call a registrar makes.
            Never reverts.
    @param tld Node of the TLD.
    @param label Label of the name, normalised.
    @param owner Who would get it: the TLD owner may have reserved words.
    @return Terms The terms in force now; `id` is 0 for an unknown TLD.
    """
    policy: Policy = self._unpack(self._policy[tld])
    length: uint256 = labels._length(labels._words(label))
    terms: ITldRegistry.Terms = empty(ITldRegistry.Terms)
    terms.id = policy.id
    terms.length = length
    terms.permanent_term = policy.permanent_term
    terms.owner_bps = policy.owner_bps
    terms.burn_bps = policy.burn_bps
    terms.keeps_price = policy.keeps_price
    if policy.id == 0:
        terms.refusal = "TldRegistry: unknown TLD"
    elif length == 0:
        terms.refusal = "TldRegistry: bad label"
    else:
        terms.price = self._price_in_force(tld, policy.switch_at, min(length, BANDS) - 1)
        if block.timestamp < policy.paused_until:
            terms.refusal = "TldRegistry: TLD paused"
        elif length < policy.min_length:
            terms.refusal = "TldRegistry: label too short"
        elif length > policy.max_length:
            terms.refusal = "TldRegistry: label too long"
        elif self._reserved[tld][keccak256(label)] and owner != self.owner_of[tld]:
            terms.refusal = "TldRegistry: label reserved"
    return terms


@external
@view
def premium(tld: bytes32, freed_at: uint256) -> uint256:
    """
    @notice What a lapsed name costs now on top of its rent: `premium_start` when it
            becomes free, half as much a day later, and so on, 0 after PREMIUM_DAYS.
    @param tld Node of the TLD.
    @param freed_at Unix seconds at which the name became free.
    @return uint256 Wei of JOY.
    """
    passed: uint256 = max(block.timestamp, freed_at) - freed_at
    days: uint256 = passed // _DAY
    if days >= PREMIUM_DAYS:
        return 0
    start: uint256 = self._premium_start[tld]
    # A straight line between one halving and the next, all lowered to end at 0.
    today: uint256 = start >> days
    now: uint256 = today - today * (passed % _DAY) // (2 * _DAY)
    return now - min(now, start >> PREMIUM_DAYS)


@external
@pure
def label_length(label: String[63]) -> uint256:
    """
    @notice Count the characters (code points) of a label and check that it is well-formed:
            UTF-8 without controls, in ASCII only a-z 0-9 - _ $. Full ENSIP-15 is the
            client's duty.
    @param label The label.
    @return uint256 Characters; 0 if it is empty or malformed.
    """
    return labels._length(labels._words(label))


@external
@view
def is_reserved(tld: bytes32, label: String[63]) -> bool:
    """
    @notice Whether a word is reserved for the TLD owner.
    @param tld Node of the TLD.
    @param label Label, normalised.
    @return bool True if it is.
    """
    return self._reserved[tld][keccak256(label)]


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
        max_length=policy.max_length,
        treasury_bps=_BPS - policy.owner_bps - policy.burn_bps,
        owner_bps=policy.owner_bps,
        burn_bps=policy.burn_bps,
        treasury_floor_bps=policy.treasury_floor_bps,
        permanent_term=policy.permanent_term,
        premium_start=self._premium_start[tld],
        keeps_price=policy.keeps_price,
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
def _check_lengths(min_length: uint256, max_length: uint256):
    """
    @dev Let only lengths pass that a label can have.
    @param min_length Characters.
    @param max_length Characters.
    """
    assert min_length >= 1 and min_length <= max_length and max_length <= MAX_LABEL, (
        "TldRegistry: length out of range"
    )


@internal
@pure
def _check_permanent_term(permanent_term: uint256):
    """
    @dev Bounds of what a name for ever costs.
    @param permanent_term Seconds of rent; 0: not offered.
    """
    assert permanent_term == 0 or (
        permanent_term >= MIN_PERMANENT_TERM and permanent_term <= MAX_PERMANENT_TERM
    ), "TldRegistry: permanent term out of range"


@internal
@pure
def _treasury_bps(owner_bps: uint256, burn_bps: uint256) -> uint256:
    """
    @dev What a split leaves for the treasury.
    @param owner_bps The TLD owner's part, in basis points.
    @param burn_bps The burned part, in basis points.
    @return uint256 Basis points.
    """
    assert owner_bps <= _BPS and burn_bps <= _BPS - owner_bps, "TldRegistry: split over 100%"
    return _BPS - owner_bps - burn_bps


@internal
def _set_premium(tld: bytes32, premium_start: uint256):
    """
    @dev Set and announce the premium of lapsed names.
    @param tld Node of the TLD.
    @param premium_start Wei of JOY, at most MAX_PREMIUM.
    """
    assert premium_start <= MAX_PREMIUM, "TldRegistry: premium out of range"
    self._premium_start[tld] = premium_start
    log ITldRegistry.PremiumSet(tld=tld, premium_start=premium_start)


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
@view
def _price_in_force(tld: bytes32, switch_at: uint256, band: uint256) -> uint256:
    """
    @dev One price now, for one slot read.
    @param tld Node of the TLD.
    @param switch_at Unix seconds from which the next prices are in force.
    @param band 0 to 4.
    @return uint256 Wei of JOY per second.
    """
    if block.timestamp >= switch_at:
        return self._next_prices[tld][band]
    return self._prices[tld][band]


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
        | (policy.max_length << 184)
        | (policy.permanent_term << 192)
        | (convert(policy.keeps_price, uint256) << 232)
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
        max_length=(word >> 184) & (2**8 - 1),
        permanent_term=(word >> 192) & (2**40 - 1),
        keeps_price=(word >> 232) & 1 == 1,
    )
