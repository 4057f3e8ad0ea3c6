# pragma version ~=0.4.3
# pragma nonreentrancy on
# pragma optimize codesize
"""
@title PermaNet domain registry
@custom:contract-name PermaNetDomainRegistry
@license GNU Affero General Public License v3.0 only
@author JoyNet contributors
@notice Names that mean models: tokens with a rent in JOY, had by commit and reveal, each
        pointing to a resolver that holds its records.
@dev The tokens are `name_tokens`, prices and label rules are TldRegistry's. A name is three
     slots: the two of its token, with TLD id and price cap beside the resolver, and the
     label (a fourth slot when it is over 31 bytes).
     Rent is one transfer in; it is split when `settle` is called, under the split that
     was in force when it was paid, with treasury and TLD owner as they are then.
@custom:security The owner sets the links to TldRegistry and PermaNetSubnames (timelocked
        once in use) and, like the guardian, can stop new registrations for a bounded time.
        Nobody can move, revoke or shorten a name, and no more than the payer's `max_price`
        is ever taken. A successor TldRegistry keeps TLD ids. PermaNetSubnames is only asked
        for resolvers of names that were never registered here.
@custom:kill `pause()`: only `register` stops. Renewals, transfers, `settle` and `claim`
        never do. A commitment goes on ageing in a pause; it holds no money, make another.
"""


# 1. interfaces
from ethereum.ercs import IERC165
from ethereum.ercs import IERC20
from snekmate.tokens.interfaces import IERC721Metadata
from ..interfaces import IJoyToken
from ..interfaces import INameTokens
from ..interfaces import IPermaNetDomainRegistry
from ..interfaces import IPermaNetResolver
from ..interfaces import ITldRegistry
implements: IERC165
implements: IERC721Metadata
implements: INameTokens
implements: IPermaNetDomainRegistry


# 2. modules
from snekmate.auth import ownable
initializes: ownable

from ..modules import circuit_breaker
initializes: circuit_breaker[ownable := ownable]

from ..modules import links
initializes: links[ownable := ownable]

from ..modules import rate_limit
initializes: rate_limit

from ..modules import labels

from ..modules import name_tokens
initializes: name_tokens


# 3. exports
exports: (
    ownable.owner,
    ownable.transfer_ownership,
    circuit_breaker.__interface__,
    links.__interface__,
    rate_limit.__interface__,
    name_tokens.__interface__,
)


# 4. constants and immutables
name: public(constant(String[25])) = "PermaNet Domains"
symbol: public(constant(String[5])) = "PNET"

MIN_DURATION: public(constant(uint256)) = 28 * 86_400  # seconds of one payment
MAX_TERM: public(constant(uint256)) = 10 * 365 * 86_400  # seconds paid ahead
MAX_COMMIT_AGE: public(constant(uint256)) = 86_400  # seconds
# @dev Seconds. The commit age must outlast the time in which a revealed name could be
#      committed to and registered ahead of the reveal; below 2 s a chain with a block
#      every second would allow it. Public chains take 10 s, a devnet 2 s.
MIN_COMMIT_AGE_FLOOR: public(constant(uint256)) = 2
MIN_COMMIT_AGE_CEILING: public(constant(uint256)) = 3_600  # seconds
MAX_COMMIT_BLOCKS: public(constant(uint256)) = 300  # ceiling of MIN_COMMIT_BLOCKS
# @dev In place of a duration: a name for ever.
PERMANENT: public(constant(uint256)) = max_value(uint256)

JOY: public(immutable(IJoyToken))
MIN_COMMIT_AGE: public(immutable(uint256))  # seconds
# @dev Whoever sees a reveal and commits to the same name must hold that reveal up for more
#      blocks than these, however slow blocks are.
MIN_COMMIT_BLOCKS: public(immutable(uint256))

_BPS: constant(uint256) = 10_000
_GRACE: constant(uint256) = 30 * 86_400  # seconds


# 5. state
# @dev Node -> one byte length, then the label, then zeros.
_labels: HashMap[bytes32, bytes32[2]]
# @dev Commitment -> unix seconds | block number << 64 at which it was made.
_commitments: HashMap[bytes32, uint256]
# @dev TLD node -> owner_bps << 16 | burn_bps -> wei of JOY paid under that split.
_unsettled: HashMap[bytes32, HashMap[uint256, uint256]]
claimable: public(reentrant(HashMap[address, uint256]))


# 6. constructor
@deploy
def __init__(
    joy: IJoyToken,
    min_commit_age: uint256,
    min_commit_blocks: uint256,
    link_delay: uint256,
    guardian: address,
    outflow_bps: uint256,
    outflow_floor: uint256,
    rate_capacity: uint256,
    rate_window: uint256,
):
    """
    @param joy Token that rent is paid in.
    @param min_commit_age Seconds from commit to reveal, in [MIN_COMMIT_AGE_FLOOR,
           MIN_COMMIT_AGE_CEILING].
    @param min_commit_blocks Blocks from commit to reveal, in [1, MAX_COMMIT_BLOCKS].
    @param link_delay Seconds that a change of the TldRegistry link takes.
    @param guardian Account that may pause besides the owner; zero for none.
    @param outflow_bps Basis points of the rent held that may leave in one epoch.
    @param outflow_floor Wei of JOY that may leave in an epoch in any case.
    @param rate_capacity Registrations that one account may make in a burst.
    @param rate_window Seconds in which that allowance fills up again.
    """
    assert joy.address != empty(address), "PermaNetDomainRegistry: zero token"
    assert min_commit_age >= MIN_COMMIT_AGE_FLOOR, "PermaNetDomainRegistry: commit age too short"
    assert min_commit_age <= MIN_COMMIT_AGE_CEILING, "PermaNetDomainRegistry: commit age too long"
    assert min_commit_blocks >= 1, "PermaNetDomainRegistry: no commit blocks"
    assert min_commit_blocks <= MAX_COMMIT_BLOCKS, (
        "PermaNetDomainRegistry: too many commit blocks"
    )
    ownable.__init__()
    name_tokens.__init__(_GRACE)
    circuit_breaker.__init__(guardian, outflow_bps, outflow_floor)
    links.__init__(link_delay)
    rate_limit.__init__(rate_capacity, rate_window)
    JOY = joy
    MIN_COMMIT_AGE = min_commit_age
    MIN_COMMIT_BLOCKS = min_commit_blocks


# 7. external, state-changing
@external
def commit(commitment: bytes32, hint: Bytes[1024]):
    """
    @notice Announce a registration without saying which. A commitment that is already
            there and can still be used keeps its time, so nobody can disturb it by
            copying it.
    @param commitment `commitment_of(request)`, made off chain.
    @param hint Stored in the log only: the request, encrypted under a key of the
           committer's wallet, to recover it on another machine. May be empty.
    """
    if block.timestamp > self._committed_at(commitment) + MAX_COMMIT_AGE:
        self._commitments[commitment] = block.timestamp | (block.number << 64)
    log IPermaNetDomainRegistry.Committed(
        commitment=commitment, account=msg.sender, hint=hint
    )


@external
def register(request: IPermaNetDomainRegistry.Request, max_price: uint256) -> uint256:
    """
    @notice Reveal a commitment, pay the rent, and give the name to `request.owner`.
            Whoever calls pays.
    @param request Exactly what was committed to.
    @param max_price Wei of JOY; reverts if the rent is more.
    @return uint256 Unix seconds at which the name expires.
    """
    circuit_breaker._require_not_paused()
    rate_limit._consume(msg.sender, 1)
    self._use_commitment(self._commitment_of(request))
    self._check_duration(request.duration)
    node: bytes32 = self._node_of(request.label, request.tld)
    assert name_tokens._is_free(name_tokens._tenures[node]), (
        "PermaNetDomainRegistry: name taken"
    )
    terms: ITldRegistry.Terms = self._terms(request.tld, request.label, request.owner)
    assert len(terms.refusal) == 0, terms.refusal
    price: uint256 = self._price(node, request.tld, terms, request.duration)

    expires_at: uint256 = name_tokens.PERMANENT_EXPIRY
    if request.duration != PERMANENT:
        expires_at = block.timestamp + request.duration
    generation: uint256 = name_tokens._give(node, request.owner, expires_at, 0)
    if generation == 1:
        self._keep_label(node, request.label)
    route: uint256 = convert(request.resolver, uint256) | (terms.id << 160)
    if terms.keeps_price:
        route |= terms.price << 192
    name_tokens._routes[node] = route
    self._take_rent(request.tld, terms, price, max_price)
    log IPermaNetDomainRegistry.NameRegistered(
        node=node,
        owner=request.owner,
        tld=request.tld,
        label=request.label,
        expires_at=expires_at,
        generation=generation,
        paid=price,
    )
    if request.resolver != empty(address):
        log INameTokens.ResolverSet(node=node, resolver=request.resolver)
    if len(request.records) != 0:
        assert request.resolver != empty(address), (
            "PermaNetDomainRegistry: records without resolver"
        )
        extcall IPermaNetResolver(request.resolver).set_records(node, request.records)
    return expires_at


@external
def renew(label: String[63], tld: bytes32, duration: uint256, max_price: uint256) -> uint256:
    """
    @notice Pay for more time. Anyone while the name is live; in the grace period only its
            owner or the owner's operator. Works in every pause.
    @param label Label of a registered name.
    @param tld Node of its TLD.
    @param duration Seconds to add to `expires_at`, in [MIN_DURATION, MAX_TERM], or
           PERMANENT: then it never expires again.
    @param max_price Wei of JOY; reverts if the rent is more.
    @return uint256 Unix seconds at which the name expires now.
    """
    self._check_duration(duration)
    node: bytes32 = self._node_of(label, tld)
    tenure: uint256 = name_tokens._tenures[node]
    assert not name_tokens._is_free(tenure), "PermaNetDomainRegistry: not registered"
    owner: address = name_tokens._owner(tenure)
    if not name_tokens._is_live(tenure):
        assert name_tokens._is_owner_or_operator(owner, msg.sender), (
            "PermaNetDomainRegistry: in grace, only its owner renews"
        )
    expires_at: uint256 = name_tokens._expires_at(tenure)
    assert expires_at != name_tokens.PERMANENT_EXPIRY, (
        "PermaNetDomainRegistry: name is permanent"
    )
    if duration == PERMANENT:
        expires_at = name_tokens.PERMANENT_EXPIRY
    else:
        expires_at += duration
        assert expires_at > block.timestamp, "PermaNetDomainRegistry: duration too short"
        assert expires_at <= block.timestamp + MAX_TERM, (
            "PermaNetDomainRegistry: duration too long"
        )
    name_tokens._extend(node, tenure, expires_at)

    terms: ITldRegistry.Terms = self._terms(tld, label, owner)
    price: uint256 = self._price(node, tld, terms, duration)
    self._take_rent(tld, terms, price, max_price)
    log IPermaNetDomainRegistry.NameRenewed(
        node=node, payer=msg.sender, expires_at=expires_at, paid=price
    )
    return expires_at


@external
def settle(tld: bytes32, owner_bps: uint256, burn_bps: uint256):
    """
    @notice Split the rent of a TLD that was paid under one split: burn the part to burn,
            credit treasury and TLD owner. Anyone.
    @param tld Node of the TLD.
    @param owner_bps The TLD owner's part when the rent was paid, in basis points.
    @param burn_bps The burned part when the rent was paid, in basis points.
    """
    split: uint256 = self._split_key(owner_bps, burn_bps)
    rent: uint256 = self._unsettled[tld][split]
    assert rent != 0, "PermaNetDomainRegistry: nothing to settle"
    self._unsettled[tld][split] = 0

    registry: ITldRegistry = self._tld_registry()
    owner_amount: uint256 = rent * owner_bps // _BPS
    burned: uint256 = rent * burn_bps // _BPS
    treasury_amount: uint256 = rent - owner_amount - burned
    self.claimable[staticcall registry.owner_of(tld)] += owner_amount
    self.claimable[staticcall registry.treasury()] += treasury_amount
    if burned != 0:
        extcall JOY.burn(burned)
    log IPermaNetDomainRegistry.RentSettled(
        tld=tld, treasury_amount=treasury_amount, owner_amount=owner_amount, burned=burned
    )


@external
def claim(account: address) -> uint256:
    """
    @notice Pay an account the rent it was credited, as far as the outflow limit of this
            epoch allows; the rest stays credited. Anyone, for any account.
    @param account Treasury or TLD owner.
    @return uint256 Wei of JOY paid now.
    """
    credited: uint256 = self.claimable[account]
    assert credited != 0, "PermaNetDomainRegistry: nothing to claim"
    holdings: uint256 = staticcall IERC20(JOY.address).balanceOf(self)
    paid: uint256 = circuit_breaker._take_outflow(credited, holdings)
    assert paid != 0, "PermaNetDomainRegistry: outflow limit reached"
    self.claimable[account] = credited - paid
    sent: bool = extcall IERC20(JOY.address).transfer(account, paid)
    assert sent, "PermaNetDomainRegistry: rent not sent"
    log IPermaNetDomainRegistry.RentClaimed(account=account, amount=paid)
    return paid


# 8. external, view
@external
@view
@reentrant
def available(label: String[63], tld: bytes32) -> bool:
    """
    @notice Whether anybody could register a name now. Never reverts for any label.
    @param label Label, normalised.
    @param tld Node of the TLD.
    @return bool Whether `refusal` of a stranger is empty.
    """
    return len(self._refusal(label, tld, empty(address))) == 0


@external
@view
@reentrant
def refusal(label: String[63], tld: bytes32, owner: address) -> String[48]:
    """
    @notice Why a name could not be registered now. Never reverts for any label.
    @param label Label, normalised.
    @param tld Node of the TLD.
    @param owner Who would get it: the TLD owner may have reserved words.
    @return String The revert string that `register` would give; empty if the name is free.
    """
    return self._refusal(label, tld, owner)


@external
@view
@reentrant
def quote(label: String[63], tld: bytes32, duration: uint256) -> uint256:
    """
    @notice What a name costs at the prices in force now: registering it if it is free,
            with the premium of one that lapsed; else renewing it, at no more than its
            `price_cap`.
    @param label Label, normalised.
    @param tld Node of the TLD.
    @param duration Seconds, or PERMANENT.
    @return uint256 Wei of JOY.
    """
    node: bytes32 = self._node_of(label, tld)
    terms: ITldRegistry.Terms = self._terms(tld, label, empty(address))
    assert terms.id != 0, "PermaNetDomainRegistry: unknown TLD"
    assert terms.length != 0, "PermaNetDomainRegistry: bad label"
    return self._price(node, tld, terms, duration)


@external
@view
@reentrant
def commitment_of(request: IPermaNetDomainRegistry.Request) -> bytes32:
    """
    @notice The commitment to a request. Ask a node you trust, or compute it off chain:
            keccak256(abi.encode(chainId, registry, keccak256(label), tld, owner, resolver,
            duration, keccak256(abi.encode(records)), secret)).
    @param request The request.
    @return bytes32 The commitment.
    """
    return self._commitment_of(request)


@external
@view
@reentrant
def committed_at(commitment: bytes32) -> uint256:
    """
    @notice When a commitment was made.
    @param commitment The commitment.
    @return uint256 Unix seconds; 0 if it was never made or is used up.
    """
    return self._committed_at(commitment)


@external
@view
@reentrant
def can_reveal(commitment: bytes32) -> bool:
    """
    @notice Whether a commitment has the age that `register` wants, in seconds and in
            blocks, at this block.
    @param commitment The commitment.
    @return bool True from MIN_COMMIT_AGE seconds and MIN_COMMIT_BLOCKS blocks after it was
            made, until MAX_COMMIT_AGE.
    """
    return self._is_ripe(commitment) and (
        block.timestamp <= self._committed_at(commitment) + MAX_COMMIT_AGE
    )


@external
@pure
@reentrant
def node_of(label: String[63], tld: bytes32) -> bytes32:
    """
    @notice EIP-137 node of a name.
    @param label Label, normalised.
    @param tld Node of the TLD.
    @return bytes32 keccak256(tld ‖ keccak256(label)).
    """
    return self._node_of(label, tld)


@external
@view
@reentrant
def registration(node: bytes32) -> IPermaNetDomainRegistry.Registration:
    """
    @notice Everything stored about a name.
    @param node Node of the name.
    @return Registration The registration; all zero if the name was never registered.
    """
    tenure: uint256 = name_tokens._tenures[node]
    if tenure == 0:
        return empty(IPermaNetDomainRegistry.Registration)
    route: uint256 = name_tokens._routes[node]
    owner: address = empty(address)
    locks: uint256 = 0
    price_cap: uint256 = 0
    if not name_tokens._is_free(tenure):
        owner = name_tokens._owner(tenure)
        locks = name_tokens._locks(tenure)
        price_cap = route >> 192
    return IPermaNetDomainRegistry.Registration(
        owner=owner,
        expires_at=name_tokens._expires_at(tenure),
        resolver=name_tokens._address(route),
        generation=name_tokens._generation(tenure),
        tld=self._tld_at(route),
        is_live=name_tokens._is_live(tenure),
        label=self._label_of(node),
        locks=locks,
        price_cap=price_cap,
    )


@external
@view
@reentrant
def name_of(node: bytes32) -> String[255]:
    """
    @notice The name in letters, also after it expired.
    @param node Node of the name.
    @return String `label.tld`; empty if it was never registered.
    """
    return self._name_of(node)


@external
@view
@reentrant
def resolver(node: bytes32) -> address:
    """
    @notice Where the records of a live name are (the function ENS clients call). Subnames
            are asked for in PermaNetSubnames.
    @param node Node of the name.
    @return address The resolver; zero for none, or when the name is not live.
    """
    subnames: address = links._links["PermaNetSubnames"]
    if name_tokens._tenures[node] != 0 or subnames == empty(address):
        return name_tokens._live_resolver(node)
    return staticcall INameTokens(subnames).resolver(node)


@external
@view
@reentrant
def unsettled(tld: bytes32, owner_bps: uint256, burn_bps: uint256) -> uint256:
    """
    @notice Rent that waits for `settle`.
    @param tld Node of the TLD.
    @param owner_bps The TLD owner's part when it was paid, in basis points.
    @param burn_bps The burned part when it was paid, in basis points.
    @return uint256 Wei of JOY.
    """
    return self._unsettled[tld][self._split_key(owner_bps, burn_bps)]


@external
@view
@reentrant
def tokenURI(token_id: uint256) -> String[512]:
    """
    @notice Metadata of a name, held on chain (ERC-721).
    @param token_id uint256 of the name's node.
    @return String A data URI with JSON. A label cannot hold a character that would need
            escaping in it.
    """
    node: bytes32 = convert(token_id, bytes32)
    return name_tokens._token_uri(node, self._name_of(node))


# 9. internal
@internal
def _use_commitment(commitment: bytes32):
    """
    @dev Use up a commitment of the right age.
    @param commitment The commitment.
    """
    committed_at: uint256 = self._committed_at(commitment)
    assert committed_at != 0, "PermaNetDomainRegistry: no such commitment"
    assert self._is_ripe(commitment), "PermaNetDomainRegistry: commitment too young"
    assert block.timestamp <= committed_at + MAX_COMMIT_AGE, (
        "PermaNetDomainRegistry: commitment too old"
    )
    self._commitments[commitment] = 0


@internal
def _keep_label(node: bytes32, label: String[63]):
    """
    @dev Store the label of a name that is registered for the first time.
    @param node Node of the name.
    @param label Its label.
    """
    words: bytes32[2] = labels._words(label)
    self._labels[node][0] = words[0]
    if words[1] != empty(bytes32):
        self._labels[node][1] = words[1]


@internal
def _take_rent(tld: bytes32, terms: ITldRegistry.Terms, rent: uint256, max_price: uint256):
    """
    @dev Pull the exact rent from the caller and note the split it was paid under.
    @param tld Node of the TLD.
    @param terms Terms in force now.
    @param rent Wei of JOY to pay.
    @param max_price Wei of JOY the caller is ready to pay.
    """
    assert rent <= max_price, "PermaNetDomainRegistry: price above maximum"
    self._unsettled[tld][self._split_key(terms.owner_bps, terms.burn_bps)] += rent
    paid: bool = extcall IERC20(JOY.address).transferFrom(msg.sender, self, rent)
    assert paid, "PermaNetDomainRegistry: rent not paid"


@internal
@view
def _committed_at(commitment: bytes32) -> uint256:
    """
    @dev When a commitment was made.
    @param commitment The commitment.
    @return uint256 Unix seconds, or 0.
    """
    return self._commitments[commitment] & (2**64 - 1)


@internal
@view
def _is_ripe(commitment: bytes32) -> bool:
    """
    @dev Whether a commitment is old enough to reveal.
    @param commitment The commitment.
    @return bool True after MIN_COMMIT_AGE seconds and MIN_COMMIT_BLOCKS blocks.
    """
    made: uint256 = self._commitments[commitment]
    return (
        made != 0
        and block.timestamp >= (made & (2**64 - 1)) + MIN_COMMIT_AGE
        and block.number >= (made >> 64) + MIN_COMMIT_BLOCKS
    )


@internal
@view
def _refusal(label: String[63], tld: bytes32, owner: address) -> String[48]:
    """
    @dev Why a name could not be registered now.
    @param label Label, normalised.
    @param tld Node of the TLD.
    @param owner Who would get it.
    @return String The reason; empty if there is none.
    """
    if block.timestamp < circuit_breaker.paused_until:
        return "circuit_breaker: paused"
    if not name_tokens._is_free(name_tokens._tenures[self._node_of(label, tld)]):
        return "PermaNetDomainRegistry: name taken"
    terms: ITldRegistry.Terms = self._terms(tld, label, owner)
    return terms.refusal


@internal
@view
def _terms(tld: bytes32, label: String[63], owner: address) -> ITldRegistry.Terms:
    """
    @dev Terms in force now.
    @param tld Node of the TLD.
    @param label Label of the name.
    @param owner Who would get it.
    @return Terms The terms; `id` is 0 for an unknown TLD.
    """
    return staticcall self._tld_registry().terms(tld, label, owner)


@internal
@view
def _price(
    node: bytes32, tld: bytes32, terms: ITldRegistry.Terms, duration: uint256
) -> uint256:
    """
    @dev The whole price of a term: of a name that has an owner at no more than was promised
         to it, of one that lapsed with the premium.
    @param node Node of the name.
    @param tld Node of the TLD.
    @param terms Terms in force.
    @param duration Seconds, or PERMANENT.
    @return uint256 Wei of JOY.
    """
    term: uint256 = duration
    if duration == PERMANENT:
        term = terms.permanent_term
        assert term != 0, "PermaNetDomainRegistry: no permanent names here"
    tenure: uint256 = name_tokens._tenures[node]
    if tenure == 0:
        return terms.price * term
    if name_tokens._is_free(tenure):
        freed_at: uint256 = name_tokens._expires_at(tenure) + _GRACE
        return terms.price * term + staticcall self._tld_registry().premium(tld, freed_at)
    price: uint256 = terms.price
    price_cap: uint256 = name_tokens._routes[node] >> 192
    if price_cap != 0:
        price = min(price, price_cap)
    return price * term


@internal
@view
def _tld_registry() -> ITldRegistry:
    """
    @dev The TldRegistry in use.
    @return ITldRegistry The contract.
    """
    return ITldRegistry(links._link("TldRegistry"))


@internal
@view
def _tld_at(route: uint256) -> bytes32:
    """
    @dev The TLD in a route.
    @param route Resolver, TLD id and price cap.
    @return bytes32 Node of the TLD.
    """
    return staticcall self._tld_registry().node_at((route >> 160) & (2**32 - 1))


@internal
@view
def _commitment_of(request: IPermaNetDomainRegistry.Request) -> bytes32:
    """
    @dev Bind a request to this chain and contract.
    @param request The request.
    @return bytes32 The commitment.
    """
    return keccak256(
        abi_encode(
            chain.id,
            self,
            keccak256(request.label),
            request.tld,
            request.owner,
            request.resolver,
            request.duration,
            keccak256(abi_encode(request.records)),
            request.secret,
        )
    )


@internal
@view
def _label_of(node: bytes32) -> String[63]:
    """
    @dev The label of a name that was registered once.
    @param node Node of the name.
    @return String The label; empty if it never was.
    """
    words: bytes32[2] = self._labels[node]
    data: Bytes[64] = concat(words[0], words[1])
    return convert(slice(data, 1, convert(words[0], uint256) >> 248), String[63])


@internal
@view
def _name_of(node: bytes32) -> String[255]:
    """
    @dev Label and TLD of a name that was registered once.
    @param node Node of the name.
    @return String `label.tld`; empty if it never was.
    """
    if name_tokens._tenures[node] == 0:
        return ""
    tld: bytes32 = self._tld_at(name_tokens._routes[node])
    return concat(
        self._label_of(node), ".", staticcall self._tld_registry().label_of(tld)
    )


@internal
@pure
def _check_duration(duration: uint256):
    """
    @dev Bounds of one payment.
    @param duration Seconds, or PERMANENT.
    """
    if duration == PERMANENT:
        return
    assert duration >= MIN_DURATION, "PermaNetDomainRegistry: duration too short"
    assert duration <= MAX_TERM, "PermaNetDomainRegistry: duration too long"


@internal
@pure
def _node_of(label: String[63], tld: bytes32) -> bytes32:
    """
    @dev EIP-137 namehash step.
    @param label Label, normalised.
    @param tld Node of the TLD.
    @return bytes32 The node.
    """
    return keccak256(concat(tld, keccak256(label)))


@internal
@pure
def _split_key(owner_bps: uint256, burn_bps: uint256) -> uint256:
    """
    @dev One word for a split. Parts of 2**16 or more match no split that rent was paid under.
    @param owner_bps The TLD owner's part, in basis points.
    @param burn_bps The burned part, in basis points.
    @return uint256 The key.
    """
    assert owner_bps <= _BPS and burn_bps <= _BPS, "PermaNetDomainRegistry: split over 100%"
    return (owner_bps << 16) | burn_bps
