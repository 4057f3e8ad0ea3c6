# pragma version ~=0.4.3
# pragma nonreentrancy on
# pragma optimize codesize
"""
@title PermaNet subnames
@custom:contract-name PermaNetSubnames
@license GNU Affero General Public License v3.0 only
@author JoyNet contributors
@notice Names under registered names, such as `pay.alice.joy`: tokens that the parent's
        owner gives, for a time, with or without the promise not to take them back.
@dev The tokens are `name_tokens` without a grace period. A subname never ends after the
     time its parent had when the subname's time was set, and a parent's time only grows
     while it has an owner: so whether a subname is live is written in the subname alone.
     The one exception is a parent that is itself a subname and was taken back; what is
     under it could be neither locked nor let to extend itself, and whoever gets it next may
     take that back too.
@custom:security Nobody owns this contract. A subname can be taken back by the owner of its
        live parent (and the owner's operators) as long as it is not locked against it
        (bit 16). It can be locked, or let to extend itself (bit 32), only if its parent
        cannot be taken back before it expires either: no promise outlives who made it, to
        bind the parent's next owner. Expired, it is free to the parent's owner at once.
@custom:kill Nothing to stop: no money is held, and owners keep what they have.
"""


# 1. interfaces
from ethereum.ercs import IERC165
from ethereum.ercs import IERC721
from snekmate.tokens.interfaces import IERC721Metadata
from ..interfaces import INameTokens
from ..interfaces import IPermaNetResolver
from ..interfaces import IPermaNetSubnames
from ..interfaces import ITldRegistry
implements: IERC165
implements: IERC721Metadata
implements: INameTokens
implements: IPermaNetSubnames


# 2. modules
from ..modules import name_tokens
initializes: name_tokens


# 3. exports
exports: name_tokens.__interface__


# 4. constants and immutables
name: public(constant(String[25])) = "PermaNet Subnames"
symbol: public(constant(String[5])) = "PSUB"
MAX_NAME: public(constant(uint256)) = 255  # bytes of a whole name (RFC 1035)

REGISTRY: public(immutable(INameTokens))
TLD_REGISTRY: public(immutable(ITldRegistry))

_ALL_LOCKS: constant(uint256) = 63
_GRANTS: constant(uint256) = 48


# 5. state
struct Parent:
    node: bytes32
    owner: address
    expires_at: uint256  # unix seconds
    locks: uint256
    is_live: bool
    is_firm: bool  # nobody can take it back before it expires
    is_registered: bool  # in REGISTRY, else here


# @dev Node -> node of its parent.
parent_of: public(reentrant(HashMap[bytes32, bytes32]))
# @dev Node -> the name in full.
_names: HashMap[bytes32, String[255]]


# 6. constructor
@deploy
def __init__(registry: INameTokens, tld_registry: ITldRegistry):
    """
    @param registry Who has the registered names that subnames are under.
    @param tld_registry Says which labels are well-formed.
    """
    assert registry.address.is_contract, "PermaNetSubnames: no registry"
    assert tld_registry.address.is_contract, "PermaNetSubnames: no TLD registry"
    name_tokens.__init__(0)
    REGISTRY = registry
    TLD_REGISTRY = tld_registry


# 7. external, state-changing
@external
def create(
    parent: bytes32,
    label: String[63],
    owner: address,
    resolver: address,
    expires_at: uint256,
    locks: uint256,
    records: DynArray[Bytes[768], 8],
) -> bytes32:
    """
    @notice Give a name under one's own. Replaces a subname that can be taken back. The
            parent's owner or the owner's operator, while the parent is live and not locked
            against subnames.
    @param parent Node of the parent, a registered name or a subname.
    @param label Label, ENSIP-15 normalised.
    @param owner Who gets it.
    @param resolver Where its records are; zero: none.
    @param expires_at Unix seconds, in the future and at most the parent's.
    @param locks Bits of INameTokens; 16 and 32 only if the parent cannot be taken back.
    @param records Calls to the resolver, each about this node.
    @return bytes32 Node of the subname.
    """
    above: Parent = self._managed_parent(parent)
    assert above.locks & name_tokens.LOCK_SUBNAMES == 0, "PermaNetSubnames: subnames are locked"
    assert staticcall TLD_REGISTRY.label_length(label) != 0, "PermaNetSubnames: bad label"
    assert locks <= _ALL_LOCKS, "PermaNetSubnames: no such locks"
    self._check_grant(above, locks)
    assert expires_at > block.timestamp, "PermaNetSubnames: already over"
    assert expires_at <= above.expires_at, "PermaNetSubnames: ends after its parent"
    node: bytes32 = keccak256(concat(parent, keccak256(label)))
    assert self._is_takeable(node), "PermaNetSubnames: name taken"

    generation: uint256 = name_tokens._give(node, owner, expires_at, locks)
    if generation == 1:
        self.parent_of[node] = parent
        self._names[node] = self._full_name(above, label)
    name_tokens._routes[node] = convert(resolver, uint256)
    log IPermaNetSubnames.SubnameCreated(
        node=node,
        parent=parent,
        owner=owner,
        name=self._names[node],
        expires_at=expires_at,
        generation=generation,
        locks=locks,
    )
    if resolver != empty(address):
        log INameTokens.ResolverSet(node=node, resolver=resolver)
    if len(records) != 0:
        assert resolver != empty(address), "PermaNetSubnames: records without resolver"
        extcall IPermaNetResolver(resolver).set_records(node, records)
    return node


@external
def extend(node: bytes32, expires_at: uint256):
    """
    @notice Give a live subname more time. The parent's owner, or its own if it has the
            right (bit 32); their operators.
    @param node Node of the subname.
    @param expires_at Unix seconds, later than now set and at most the parent's.
    """
    tenure: uint256 = self._live(node)
    above: Parent = self._parent(self.parent_of[node])
    may_itself: bool = name_tokens._locks(
        tenure
    ) & name_tokens.MAY_EXTEND != 0 and name_tokens._is_owner_or_operator(
        name_tokens._owner(tenure), msg.sender
    )
    assert may_itself or self._is_manager(above, msg.sender), (
        "PermaNetSubnames: not the parent's live owner"
    )
    assert above.is_live and expires_at <= above.expires_at, (
        "PermaNetSubnames: ends after its parent"
    )
    assert expires_at > name_tokens._expires_at(tenure), "PermaNetSubnames: not an extension"
    name_tokens._extend(node, tenure, expires_at)
    log IPermaNetSubnames.SubnameExtended(
        node=node, account=msg.sender, expires_at=expires_at
    )


@external
def revoke(node: bytes32):
    """
    @notice Take back a live subname that is not locked against it. The parent's owner or
            the owner's operator.
    @param node Node of the subname.
    """
    self._live(node)
    self._managed_parent(self.parent_of[node])
    assert self._is_takeable(node), "PermaNetSubnames: cannot be taken back"
    generation: uint256 = name_tokens._release(node)
    name_tokens._tenures[node] = name_tokens._pack(
        empty(address), block.timestamp, generation, 0
    )
    log IPermaNetSubnames.SubnameRevoked(node=node, account=msg.sender)


@external
def grant(node: bytes32, locks: uint256):
    """
    @notice Promise not to take a live subname back (16), or let its owner extend it (32).
            Cannot be undone while the name is registered. The parent's owner or the
            owner's operator; only if the parent cannot be taken back.
    @param node Node of the subname.
    @param locks Bits 16 and 32 to set.
    """
    tenure: uint256 = self._live(node)
    assert locks != 0 and locks | _GRANTS == _GRANTS, "PermaNetSubnames: no such locks"
    above: Parent = self._managed_parent(self.parent_of[node])
    self._check_grant(above, locks)
    assert name_tokens._expires_at(tenure) <= above.expires_at, (
        "PermaNetSubnames: ends after its parent"
    )
    name_tokens._add_locks(node, tenure, locks)


# 8. external, view
@external
@view
@reentrant
def subname(node: bytes32) -> IPermaNetSubnames.Subname:
    """
    @notice Everything stored about a subname.
    @param node Node of the subname.
    @return Subname All zero if it never was.
    """
    tenure: uint256 = name_tokens._tenures[node]
    owner: address = empty(address)
    locks: uint256 = 0
    if not name_tokens._is_free(tenure):
        owner = name_tokens._owner(tenure)
        locks = name_tokens._locks(tenure)
    return IPermaNetSubnames.Subname(
        owner=owner,
        expires_at=name_tokens._expires_at(tenure),
        resolver=name_tokens._address(name_tokens._routes[node]),
        generation=name_tokens._generation(tenure),
        parent=self.parent_of[node],
        locks=locks,
        is_live=name_tokens._is_live(tenure),
        name=self._names[node],
    )


@external
@view
@reentrant
def can_take(node: bytes32, account: address) -> bool:
    """
    @notice Whether an account could take a subname now with `create` or `revoke`.
    @param node Node of a subname that was created once.
    @param account The account.
    @return bool True for the owner of the live parent and its operators, if the subname is
            free or not locked against it.
    """
    return self._is_takeable(node) and self._is_manager(
        self._parent(self.parent_of[node]), account
    )


@external
@view
@reentrant
def resolver(node: bytes32) -> address:
    """
    @notice Where the records of a live name are (the function ENS clients call).
    @param node Node of the name.
    @return address The resolver; zero for none, or when the name is not live.
    """
    return name_tokens._live_resolver(node)


@external
@view
@reentrant
def name_of(node: bytes32) -> String[255]:
    """
    @notice The name in letters, also after it expired.
    @param node Node of the name.
    @return String Such as `pay.alice.joy`; empty if it never was.
    """
    return self._names[node]


@external
@view
@reentrant
def tokenURI(token_id: uint256) -> String[512]:
    """
    @notice Metadata of a name, held on chain (ERC-721).
    @param token_id uint256 of the name's node.
    @return String A data URI with JSON.
    """
    node: bytes32 = convert(token_id, bytes32)
    return name_tokens._token_uri(node, self._names[node])


# 9. internal
@internal
@view
def _live(node: bytes32) -> uint256:
    """
    @dev The tenure of a subname that must be live.
    @param node Node of the subname.
    @return uint256 Packed tenure.
    """
    tenure: uint256 = name_tokens._tenures[node]
    assert name_tokens._is_live(tenure), "PermaNetSubnames: not live"
    return tenure


@internal
@view
def _is_takeable(node: bytes32) -> bool:
    """
    @dev Whether the parent's owner may give the name out anew.
    @param node Node of the subname.
    @return bool True if it is free or was not locked against it.
    """
    tenure: uint256 = name_tokens._tenures[node]
    return (
        name_tokens._is_free(tenure)
        or name_tokens._locks(tenure) & name_tokens.LOCK_PARENT == 0
    )


@internal
@view
def _parent(node: bytes32) -> Parent:
    """
    @dev A name that may have names under it, from here or from the domain registry.
    @param node Node of the parent.
    @return Parent What is known of it; not live if it never was.
    """
    own: uint256 = name_tokens._tenures[node]
    if own != 0:
        locks: uint256 = name_tokens._locks(own)
        return Parent(
            node=node,
            owner=name_tokens._owner(own),
            expires_at=name_tokens._expires_at(own),
            locks=locks,
            is_live=name_tokens._is_live(own),
            is_firm=locks & name_tokens.LOCK_PARENT != 0,
            is_registered=False,
        )
    tenure: INameTokens.Tenure = staticcall REGISTRY.tenure_of(node)
    return Parent(
        node=node,
        owner=tenure.owner,
        expires_at=tenure.expires_at,
        locks=tenure.locks,
        is_live=tenure.is_live,
        is_firm=True,
        is_registered=True,
    )


@internal
@view
def _is_manager(above: Parent, account: address) -> bool:
    """
    @dev Whether an account acts for a live parent.
    @param above The parent.
    @param account The account.
    @return bool True for its owner and the owner's operators.
    """
    if not above.is_live:
        return False
    if above.is_registered and account != above.owner:
        return staticcall IERC721(REGISTRY.address).isApprovedForAll(above.owner, account)
    return name_tokens._is_owner_or_operator(above.owner, account)


@internal
@view
def _managed_parent(node: bytes32) -> Parent:
    """
    @dev A parent that the caller acts for.
    @param node Node of the parent.
    @return Parent The parent, live.
    """
    above: Parent = self._parent(node)
    assert self._is_manager(above, msg.sender), (
        "PermaNetSubnames: not the parent's live owner"
    )
    return above


@internal
@pure
def _check_grant(above: Parent, locks: uint256):
    """
    @dev Nobody can promise what somebody above could break.
    @param above The parent.
    @param locks Bits to set.
    """
    if locks & _GRANTS != 0:
        assert above.is_firm, "PermaNetSubnames: parent can be taken back"


@internal
@view
def _full_name(above: Parent, label: String[63]) -> String[255]:
    """
    @dev Put a label before its parent's name.
    @param above The parent.
    @param label The label.
    @return String The name.
    """
    parent_name: String[255] = ""
    if above.is_registered:
        parent_name = staticcall REGISTRY.name_of(above.node)
    else:
        parent_name = self._names[above.node]
    full: String[319] = concat(label, ".", parent_name)
    assert len(full) <= MAX_NAME, "PermaNetSubnames: name too long"
    return convert(slice(full, 0, len(full)), String[255])
