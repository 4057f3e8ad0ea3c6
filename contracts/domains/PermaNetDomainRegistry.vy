# pragma version ~=0.4.3
# pragma nonreentrancy on
# pragma optimize gas
"""
@title PermaNet domain registry
@custom:contract-name PermaNetDomainRegistry
@license GNU Affero General Public License v3.0 only
@author JoyNet contributors
@notice Names that mean models: ERC-721 tokens with a rent in JOY, had by commit and
        reveal, each pointing to a resolver that holds its records.
@dev ERC-721 is written here and not taken from snekmate, whose enumeration costs four
     more storage writes per transfer. A name is three slots: owner, expiry and generation
     in one word, resolver and TLD id in a second, the label in a third (two when it is
     over 31 bytes). Spare bits are zero, for roles and locks.
     Its transfer functions are not payable, which EIP-721 allows and Vyper's IERC721 does
     not, so that no ether is caught here (a test compares the ABI with the standard).
     Views are reentrant on purpose: state is always final before another contract is
     called, so a receiver or a resolver that asks back sees the truth.
     Rent is one transfer in; it is split when `settle` is called, under the split that
     was in force when it was paid, with treasury and TLD owner as they are then.
@custom:security The owner sets the link to `TldRegistry` (timelocked once in use) and,
        like the guardian, can stop new registrations for a bounded time. Nobody can move,
        revoke or shorten a name, and no more than the payer's `max_price` is ever taken.
        A successor TldRegistry keeps TLD ids.
@custom:kill `pause()`: only `register` stops. Renewals, transfers, `settle` and `claim`
        never do. A commitment goes on ageing in a pause; it holds no money, make another.
"""


# 1. interfaces
from ethereum.ercs import IERC165
from ethereum.ercs import IERC20
from ethereum.ercs import IERC721
from snekmate.tokens.interfaces import IERC721Metadata
from snekmate.tokens.interfaces import IERC721Receiver
from ..interfaces import IJoyToken
from ..interfaces import IPermaNetDomainRegistry
from ..interfaces import IPermaNetResolver
from ..interfaces import ITldRegistry
implements: IERC165
implements: IERC721Metadata
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


# 3. exports
exports: (
    ownable.owner,
    ownable.transfer_ownership,
    circuit_breaker.__interface__,
    links.__interface__,
    rate_limit.__interface__,
)


# 4. constants and immutables
name: public(constant(String[25])) = "PermaNet Domains"
symbol: public(constant(String[5])) = "PNET"

GRACE: public(constant(uint256)) = 30 * 86_400  # seconds
MIN_DURATION: public(constant(uint256)) = 28 * 86_400  # seconds of one payment
MAX_TERM: public(constant(uint256)) = 10 * 365 * 86_400  # seconds paid ahead
MAX_COMMIT_AGE: public(constant(uint256)) = 86_400  # seconds
# @dev Seconds. The commit age must outlast the time in which a revealed name could be
#      committed to and registered ahead of the reveal; below 2 s a chain with a block
#      every second would allow it. Public chains take 10 s, a devnet 2 s.
MIN_COMMIT_AGE_FLOOR: public(constant(uint256)) = 2
MIN_COMMIT_AGE_CEILING: public(constant(uint256)) = 3_600  # seconds

JOY: public(immutable(IJoyToken))
MIN_COMMIT_AGE: public(immutable(uint256))  # seconds

_BPS: constant(uint256) = 10_000
_MAX_RECORD: constant(uint256) = 768  # bytes of one resolver call
_MAX_RECORDS: constant(uint256) = 8
_ADDRESS_MASK: constant(uint256) = 2**160 - 1
# @dev Bit i is set if ASCII character i may be in a label: a-z 0-9 - _ $ (ENSIP-15).
_ASCII_ALLOWED: constant(uint256) = 10633823847437083212121934246193397760
_SUPPORTED_INTERFACES: constant(bytes4[3]) = [
    0x01FFC9A7,  # ERC-165
    0x80AC58CD,  # ERC-721
    0x5B5E139F,  # ERC-721 metadata
]


# 5. state
# @dev Names held, those included that expired and are not registered anew.
_balances: HashMap[address, uint256]
# @dev Node -> owner | expires_at << 160 | generation << 208; the top 16 bits are spare.
_tenures: HashMap[bytes32, uint256]
# @dev Node -> resolver | TLD id << 160; the top 64 bits are spare.
_routes: HashMap[bytes32, uint256]
# @dev Node -> one byte length, then the label, then zeros.
_labels: HashMap[bytes32, bytes32[2]]
_token_approvals: HashMap[uint256, address]
isApprovedForAll: public(reentrant(HashMap[address, HashMap[address, bool]]))
committed_at: public(reentrant(HashMap[bytes32, uint256]))
# @dev TLD node -> owner_bps << 16 | burn_bps -> wei of JOY paid under that split.
_unsettled: HashMap[bytes32, HashMap[uint256, uint256]]
claimable: public(reentrant(HashMap[address, uint256]))


# 6. constructor
@deploy
def __init__(
    joy: IJoyToken,
    min_commit_age: uint256,
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
    ownable.__init__()
    circuit_breaker.__init__(guardian, outflow_bps, outflow_floor)
    links.__init__(link_delay)
    rate_limit.__init__(rate_capacity, rate_window)
    JOY = joy
    MIN_COMMIT_AGE = min_commit_age


# 7. external, state-changing
@external
def commit(commitment: bytes32, hint: Bytes[512]):
    """
    @notice Announce a registration without saying which. A commitment that is already
            there and can still be used keeps its time, so nobody can disturb it by
            copying it.
    @param commitment `commitment_of(request)`, made off chain.
    @param hint Stored in the log only: the request, encrypted under a key of the
           committer's wallet, to recover it on another machine. May be empty.
    """
    if block.timestamp > self.committed_at[commitment] + MAX_COMMIT_AGE:
        self.committed_at[commitment] = block.timestamp
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
    assert request.owner != empty(address), "PermaNetDomainRegistry: zero owner"
    self._check_duration(request.duration)

    words: bytes32[2] = self._label_words(request.label)
    length: uint256 = self._count_characters(words)
    assert length != 0, "PermaNetDomainRegistry: bad label"
    terms: ITldRegistry.Terms = self._terms(request.tld, length)
    assert terms.is_open, "PermaNetDomainRegistry: TLD paused"
    assert length >= terms.min_length, "PermaNetDomainRegistry: label too short"

    node: bytes32 = self._node_of(request.label, request.tld)
    generation: uint256 = self._release(node) + 1
    if generation == 1:
        self._labels[node][0] = words[0]
        if words[1] != empty(bytes32):
            self._labels[node][1] = words[1]
    expires_at: uint256 = block.timestamp + request.duration
    self._tenures[node] = self._tenure(request.owner, expires_at, generation)
    self._routes[node] = convert(request.resolver, uint256) | (terms.id << 160)
    self._balances[request.owner] += 1
    log IERC721.Transfer(
        sender=empty(address), receiver=request.owner, token_id=convert(node, uint256)
    )
    paid: uint256 = self._take_rent(request.tld, terms, request.duration, max_price)
    log IPermaNetDomainRegistry.NameRegistered(
        node=node,
        owner=request.owner,
        tld=request.tld,
        label=request.label,
        expires_at=expires_at,
        generation=generation,
        paid=paid,
    )
    if request.resolver != empty(address):
        log IPermaNetDomainRegistry.ResolverSet(node=node, resolver=request.resolver)
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
    @param duration Seconds to add to `expires_at`, in [MIN_DURATION, MAX_TERM].
    @param max_price Wei of JOY; reverts if the rent is more.
    @return uint256 Unix seconds at which the name expires now.
    """
    self._check_duration(duration)
    node: bytes32 = self._node_of(label, tld)
    tenure: uint256 = self._tenures[node]
    owner: address = self._owner(tenure)
    old_expiry: uint256 = self._expires_at(tenure)
    assert owner != empty(address) and block.timestamp < old_expiry + GRACE, (
        "PermaNetDomainRegistry: not registered"
    )
    if block.timestamp >= old_expiry:
        assert self._is_owner_or_operator(owner, msg.sender), (
            "PermaNetDomainRegistry: in grace, only its owner renews"
        )
    expires_at: uint256 = old_expiry + duration
    assert expires_at > block.timestamp, "PermaNetDomainRegistry: duration too short"
    assert expires_at <= block.timestamp + MAX_TERM, "PermaNetDomainRegistry: duration too long"
    self._tenures[node] = self._tenure(owner, expires_at, self._generation(tenure))

    length: uint256 = self._count_characters(self._label_words(label))
    paid: uint256 = self._take_rent(tld, self._terms(tld, length), duration, max_price)
    log IPermaNetDomainRegistry.NameRenewed(
        node=node, payer=msg.sender, expires_at=expires_at, paid=paid
    )
    return expires_at


@external
def set_resolver(node: bytes32, resolver: address):
    """
    @notice Set where the records of a live name are. Its owner or the owner's operator.
    @param node Node of the name.
    @param resolver The resolver; zero for none.
    """
    assert self._scope_for(node, msg.sender) != 0, "PermaNetDomainRegistry: not the live owner"
    self._routes[node] = self._routes[node] >> 160 << 160 | convert(resolver, uint256)
    log IPermaNetDomainRegistry.ResolverSet(node=node, resolver=resolver)


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


@external
def transferFrom(owner: address, to: address, token_id: uint256):
    """
    @notice Move a name, live or in grace, to a new owner (ERC-721). Resolver and records
            go with it; change them first or after.
    @param owner The owner now.
    @param to The next owner, not zero.
    @param token_id uint256 of the name's node.
    """
    self._transfer(owner, to, token_id)


@external
def safeTransferFrom(
    owner: address, to: address, token_id: uint256, data: Bytes[1024] = b""
):
    """
    @notice `transferFrom`, and a contract that gets the name must say that it can keep it.
    @param owner The owner now.
    @param to The next owner, not zero.
    @param token_id uint256 of the name's node.
    @param data Passed on to the receiver.
    """
    self._transfer(owner, to, token_id)
    if to.is_contract:
        answer: bytes4 = extcall IERC721Receiver(to).onERC721Received(
            msg.sender, owner, token_id, data
        )
        assert answer == method_id(
            "onERC721Received(address,address,uint256,bytes)", output_type=bytes4
        ), "PermaNetDomainRegistry: unsafe receiver"


@external
def approve(approved: address, token_id: uint256):
    """
    @notice Let one account transfer one name, until the name moves (ERC-721).
    @param approved The account; zero withdraws the approval.
    @param token_id uint256 of the name's node.
    """
    owner: address = self._owner_of(token_id)
    assert self._is_owner_or_operator(owner, msg.sender), (
        "PermaNetDomainRegistry: not owner or operator"
    )
    self._token_approvals[token_id] = approved
    log IERC721.Approval(owner=owner, approved=approved, token_id=token_id)


@external
def setApprovalForAll(operator: address, approved: bool):
    """
    @notice Let an operator manage all names of the caller, records too (ERC-721).
    @param operator The operator.
    @param approved Whether it may.
    """
    self.isApprovedForAll[msg.sender][operator] = approved
    log IERC721.ApprovalForAll(owner=msg.sender, operator=operator, approved=approved)


# 8. external, view
@external
@view
@reentrant
def available(label: String[63], tld: bytes32) -> bool:
    """
    @notice Whether a name could be registered now. Never reverts for any label.
    @param label Label, normalised.
    @param tld Node of the TLD.
    @return bool False if the label is malformed or too short, the TLD is unknown or
            closed, registrations are paused, or somebody has the name.
    """
    length: uint256 = self._count_characters(self._label_words(label))
    if length == 0 or block.timestamp < circuit_breaker.paused_until:
        return False
    terms: ITldRegistry.Terms = staticcall self._tld_registry().terms(tld, length)
    if not terms.is_open or length < terms.min_length:
        return False
    return self._is_free(self._tenures[self._node_of(label, tld)])


@external
@view
@reentrant
def quote(label: String[63], tld: bytes32, duration: uint256) -> uint256:
    """
    @notice What registering or renewing costs at the prices in force now.
    @param label Label, normalised.
    @param tld Node of the TLD.
    @param duration Seconds.
    @return uint256 Wei of JOY.
    """
    length: uint256 = self._count_characters(self._label_words(label))
    assert length != 0, "PermaNetDomainRegistry: bad label"
    return self._terms(tld, length).price * duration


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
    tenure: uint256 = self._tenures[node]
    if tenure == 0:
        return empty(IPermaNetDomainRegistry.Registration)
    route: uint256 = self._routes[node]
    owner: address = self._owner(tenure)
    if self._is_free(tenure):
        owner = empty(address)
    return IPermaNetDomainRegistry.Registration(
        owner=owner,
        expires_at=self._expires_at(tenure),
        resolver=self._address(route),
        generation=self._generation(tenure),
        tld=staticcall self._tld_registry().node_at(route >> 160),
        is_live=self._is_live(tenure),
        label=self._label_of(node),
    )


@external
@view
@reentrant
def name_of(node: bytes32) -> String[127]:
    """
    @notice The name in letters, also after it expired.
    @param node Node of the name.
    @return String `label.tld`; empty if it was never registered.
    """
    return self._name_of(node)


@external
@view
@reentrant
def is_live(node: bytes32) -> bool:
    """
    @notice Whether a name is registered and not expired.
    @param node Node of the name.
    @return bool True strictly before `expires_at`.
    """
    return self._is_live(self._tenures[node])


@external
@view
@reentrant
def live_owner(node: bytes32) -> address:
    """
    @notice Who owns a live name.
    @param node Node of the name.
    @return address The owner; zero when the name is not live.
    """
    tenure: uint256 = self._tenures[node]
    if not self._is_live(tenure):
        return empty(address)
    return self._owner(tenure)


@external
@view
@reentrant
def resolver(node: bytes32) -> address:
    """
    @notice Where the records of a live name are (the function ENS clients call).
    @param node Node of the name.
    @return address The resolver; zero for none, or when the name is not live.
    """
    if not self._is_live(self._tenures[node]):
        return empty(address)
    return self._address(self._routes[node])


@external
@view
@reentrant
def scope(node: bytes32) -> uint256:
    """
    @notice What a resolver keys records by, so that a later owner never inherits them.
    @param node Node of the name.
    @return uint256 The generation of a live name; 0 when it is not live.
    """
    tenure: uint256 = self._tenures[node]
    if not self._is_live(tenure):
        return 0
    return self._generation(tenure)


@external
@view
@reentrant
def scope_for(node: bytes32, account: address) -> uint256:
    """
    @notice `scope` for an account that wants to write records.
    @param node Node of the name.
    @param account The account.
    @return uint256 The generation if the name is live and the account is its owner or an
            operator of all the owner's names; else 0.
    """
    return self._scope_for(node, account)


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
def balanceOf(owner: address) -> uint256:
    """
    @notice How many names an account holds (ERC-721). A name that expired counts until
            somebody registers it anew.
    @param owner The account, not zero.
    @return uint256 Number of names.
    """
    assert owner != empty(address), "PermaNetDomainRegistry: zero owner"
    return self._balances[owner]


@external
@view
@reentrant
def ownerOf(token_id: uint256) -> address:
    """
    @notice Who owns a name (ERC-721). Reverts once it is free.
    @param token_id uint256 of the name's node.
    @return address The owner of a name that is live or in grace.
    """
    return self._owner_of(token_id)


@external
@view
@reentrant
def getApproved(token_id: uint256) -> address:
    """
    @notice Who may transfer one name besides its owner and operators (ERC-721).
    @param token_id uint256 of the name's node.
    @return address The account; zero for none.
    """
    self._owner_of(token_id)
    return self._token_approvals[token_id]


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
    self._owner_of(token_id)
    node: bytes32 = convert(token_id, bytes32)
    return concat(
        'data:application/json;utf8,{"name":"',
        self._name_of(node),
        '","description":"A name on JoyNet","attributes":[{"trait_type":"Expires",',
        '"display_type":"date","value":',
        uint2str(self._expires_at(self._tenures[node])),
        "}]}",
    )


@external
@view
@reentrant
def supportsInterface(interface_id: bytes4) -> bool:
    """
    @notice Which standard interfaces this contract has (ERC-165).
    @param interface_id The interface.
    @return bool True for ERC-165, ERC-721 and its metadata.
    """
    return interface_id in _SUPPORTED_INTERFACES


# 9. internal
@internal
def _use_commitment(commitment: bytes32):
    """
    @dev Use up a commitment of the right age.
    @param commitment The commitment.
    """
    committed_at: uint256 = self.committed_at[commitment]
    assert committed_at != 0, "PermaNetDomainRegistry: no such commitment"
    assert block.timestamp >= committed_at + MIN_COMMIT_AGE, (
        "PermaNetDomainRegistry: commitment too young"
    )
    assert block.timestamp <= committed_at + MAX_COMMIT_AGE, (
        "PermaNetDomainRegistry: commitment too old"
    )
    self.committed_at[commitment] = 0


@internal
def _release(node: bytes32) -> uint256:
    """
    @dev Take a free name from whoever let it lapse.
    @param node Node of the name.
    @return uint256 Its last generation; 0 if it was never registered.
    """
    tenure: uint256 = self._tenures[node]
    if tenure == 0:
        return 0
    assert self._is_free(tenure), "PermaNetDomainRegistry: name taken"
    owner: address = self._owner(tenure)
    token_id: uint256 = convert(node, uint256)
    self._balances[owner] -= 1
    self._clear_approval(token_id)
    log IERC721.Transfer(sender=owner, receiver=empty(address), token_id=token_id)
    return self._generation(tenure)


@internal
def _take_rent(
    tld: bytes32, terms: ITldRegistry.Terms, duration: uint256, max_price: uint256
) -> uint256:
    """
    @dev Pull the exact rent from the caller and note the split it was paid under.
    @param tld Node of the TLD.
    @param terms Terms in force now.
    @param duration Seconds.
    @param max_price Wei of JOY the caller is ready to pay.
    @return uint256 Wei of JOY paid.
    """
    rent: uint256 = terms.price * duration
    assert rent <= max_price, "PermaNetDomainRegistry: price above maximum"
    self._unsettled[tld][self._split_key(terms.owner_bps, terms.burn_bps)] += rent
    paid: bool = extcall IERC20(JOY.address).transferFrom(msg.sender, self, rent)
    assert paid, "PermaNetDomainRegistry: rent not paid"
    return rent


@internal
def _transfer(owner: address, to: address, token_id: uint256):
    """
    @dev Move a name that is live or in grace; ends the approval of the name.
    @param owner The owner now.
    @param to The next owner, not zero.
    @param token_id uint256 of the name's node.
    """
    node: bytes32 = convert(token_id, bytes32)
    tenure: uint256 = self._tenures[node]
    assert not self._is_free(tenure), "PermaNetDomainRegistry: no such token"
    assert self._owner(tenure) == owner, "PermaNetDomainRegistry: wrong owner"
    assert to != empty(address), "PermaNetDomainRegistry: zero receiver"
    if not self._is_owner_or_operator(owner, msg.sender):
        assert msg.sender == self._token_approvals[token_id], (
            "PermaNetDomainRegistry: not owner or approved"
        )
    self._clear_approval(token_id)
    self._balances[owner] -= 1
    self._balances[to] += 1
    self._tenures[node] = self._tenure(to, self._expires_at(tenure), self._generation(tenure))
    log IERC721.Transfer(sender=owner, receiver=to, token_id=token_id)


@internal
def _clear_approval(token_id: uint256):
    """
    @dev Forget who may transfer one name.
    @param token_id uint256 of the name's node.
    """
    if self._token_approvals[token_id] != empty(address):
        self._token_approvals[token_id] = empty(address)


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
def _terms(tld: bytes32, length: uint256) -> ITldRegistry.Terms:
    """
    @dev Terms of a TLD that must exist.
    @param tld Node of the TLD.
    @param length Characters of the label.
    @return Terms The terms in force now.
    """
    terms: ITldRegistry.Terms = staticcall self._tld_registry().terms(tld, length)
    assert terms.id != 0, "PermaNetDomainRegistry: unknown TLD"
    return terms


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
def _owner_of(token_id: uint256) -> address:
    """
    @dev The owner of a name that is not free.
    @param token_id uint256 of the name's node.
    @return address The owner.
    """
    tenure: uint256 = self._tenures[convert(token_id, bytes32)]
    assert not self._is_free(tenure), "PermaNetDomainRegistry: no such token"
    return self._owner(tenure)


@internal
@view
def _is_owner_or_operator(owner: address, account: address) -> bool:
    """
    @dev Whether an account may act for an owner on all its names.
    @param owner The owner.
    @param account The account.
    @return bool True for the owner and its operators.
    """
    return account == owner or self.isApprovedForAll[owner][account]


@internal
@view
def _scope_for(node: bytes32, account: address) -> uint256:
    """
    @dev The generation of a live name that an account may manage.
    @param node Node of the name.
    @param account The account.
    @return uint256 The generation, or 0.
    """
    tenure: uint256 = self._tenures[node]
    if self._is_live(tenure) and self._is_owner_or_operator(self._owner(tenure), account):
        return self._generation(tenure)
    return 0


@internal
@view
def _is_live(tenure: uint256) -> bool:
    """
    @dev Live: strictly before the expiry.
    @param tenure Packed tenure; 0 if never registered.
    @return bool Whether the name is live.
    """
    return block.timestamp < self._expires_at(tenure)


@internal
@view
def _is_free(tenure: uint256) -> bool:
    """
    @dev Free: from the last second of the grace period on, or never registered.
    @param tenure Packed tenure; 0 if never registered.
    @return bool Whether the name has no owner.
    """
    return tenure == 0 or block.timestamp >= self._expires_at(tenure) + GRACE


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
def _name_of(node: bytes32) -> String[127]:
    """
    @dev Label and TLD of a name that was registered once.
    @param node Node of the name.
    @return String `label.tld`; empty if it never was.
    """
    if self._tenures[node] == 0:
        return ""
    registry: ITldRegistry = self._tld_registry()
    tld: bytes32 = staticcall registry.node_at(self._routes[node] >> 160)
    return concat(self._label_of(node), ".", staticcall registry.label_of(tld))


@internal
@pure
def _check_duration(duration: uint256):
    """
    @dev Bounds of one payment.
    @param duration Seconds.
    """
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


@internal
@pure
def _tenure(owner: address, expires_at: uint256, generation: uint256) -> uint256:
    """
    @dev Pack owner, expiry (below 2**48) and generation (below 2**32) into a word.
    @param owner The owner.
    @param expires_at Unix seconds.
    @param generation Number of the registration.
    @return uint256 The word.
    """
    return convert(owner, uint256) | (expires_at << 160) | (generation << 208)


@internal
@pure
def _owner(tenure: uint256) -> address:
    """
    @dev Owner in a packed tenure.
    @param tenure The word.
    @return address The owner.
    """
    return self._address(tenure)


@internal
@pure
def _expires_at(tenure: uint256) -> uint256:
    """
    @dev Expiry in a packed tenure.
    @param tenure The word.
    @return uint256 Unix seconds.
    """
    return (tenure >> 160) & (2**48 - 1)


@internal
@pure
def _generation(tenure: uint256) -> uint256:
    """
    @dev Generation in a packed tenure.
    @param tenure The word.
    @return uint256 Number of the registration.
    """
    return (tenure >> 208) & (2**32 - 1)


@internal
@pure
def _address(word: uint256) -> address:
    """
    @dev Address in the low 160 bits of a word.
    @param word The word.
    @return address The address.
    """
    return convert(word & _ADDRESS_MASK, address)


@internal
@pure
def _label_words(label: String[63]) -> bytes32[2]:
    """
    @dev A label as two words: its length in bytes, the label, zeros.
    @param label The label.
    @return bytes32[2] The words.
    """
    size: bytes1 = convert(convert(len(label), uint8), bytes1)
    padded: Bytes[128] = concat(
        size, convert(label, Bytes[63]), empty(bytes32), empty(bytes32)
    )
    return [extract32(padded, 0), extract32(padded, 32)]


@internal
@pure
def _count_characters(words: bytes32[2]) -> uint256:
    """
    @dev Count the characters (code points) of a label and check that it is well-formed
         UTF-8 (RFC 3629) without controls, and in ASCII only a-z 0-9 - _ $. So it has no
         dot, no upper case, no space and no quote. Full ENSIP-15 is the client's duty.
    @param words The label as `_label_words` gives it.
    @return uint256 Characters; 0 if the label is empty or malformed.
    """
    first: uint256 = convert(words[0], uint256)
    second: uint256 = convert(words[1], uint256)
    characters: uint256 = 0
    awaited: uint256 = 0  # continuation bytes of the character that is being read
    point: uint256 = 0  # its bits so far
    least: uint256 = 0  # the smallest code point that needs so many bytes
    for i: uint256 in range(1, (first >> 248) + 1, bound=63):
        byte: uint256 = 0
        if i < 32:
            byte = (first >> (248 - 8 * i)) & 255
        else:
            byte = (second >> (504 - 8 * i)) & 255
        if awaited == 0:
            if byte < 128:
                if (_ASCII_ALLOWED >> byte) & 1 == 0:
                    return 0
                characters += 1
            elif byte >= 194 and byte < 224:
                awaited = 1
                point = byte & 31
                least = 160  # from 128 on are the C1 controls
            elif byte >= 224 and byte < 240:
                awaited = 2
                point = byte & 15
                least = 2**11
            elif byte >= 240 and byte < 245:
                awaited = 3
                point = byte & 7
                least = 2**16
            else:
                return 0
        else:
            if byte >> 6 != 2:
                return 0
            point = (point << 6) | (byte & 63)
            awaited -= 1
            if awaited == 0:
                is_surrogate: bool = point >> 11 == 27  # U+D800 to U+DFFF
                if point < least or point > 1_114_111 or is_surrogate:
                    return 0
                characters += 1
    if awaited != 0:
        return 0
    return characters
