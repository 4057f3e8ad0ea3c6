# pragma version ~=0.4.3
# pragma nonreentrancy on
"""
@title Name tokens: who holds a name until when, and what its owner gave up
@custom:contract-name name_tokens
@license GNU Affero General Public License v3.0 only
@author JoyNet contributors
@notice ERC-721 tokens that end by themselves, with locks that their owners can set for as
        long as a name is registered. Shared by PermaNetDomainRegistry and
        PermaNetSubnames, which say who gets a name.
@dev ERC-721 is written here and not taken from snekmate, whose enumeration costs four
     more storage writes per transfer. A name is two slots: owner, expiry, generation and
     locks in one word, resolver and what the importing contract puts beside it in a second.
     Its transfer functions are not payable, which EIP-721 allows and Vyper's IERC721 does
     not, so that no ether is caught here (a test compares the ABI with the standard).
     Views are reentrant on purpose: state is always final before another contract is
     called, so a receiver or a resolver that asks back sees the truth.
     Write `initializes: name_tokens`, call `name_tokens.__init__(grace)`, give names out
     with `_give`, and write `resolver`, `name_of` and `tokenURI`.
@custom:security A name moves by its owner, the owner's operators and whom the owner
        approved, unless its owner locked it. What the importing contract adds to that, it
        must say.
@custom:kill Nothing to stop: owners can always move what they did not lock.
"""


# 1. interfaces
from ethereum.ercs import IERC721
from snekmate.tokens.interfaces import IERC721Receiver
from snekmate.tokens.interfaces import IERC4906
from ..interfaces import INameTokens


# 4. constants and immutables
LOCK_RESOLVER: public(constant(uint256)) = 1
LOCK_TRANSFER: public(constant(uint256)) = 2
LOCK_SUBNAMES: public(constant(uint256)) = 4
LOCK_RECORDS: public(constant(uint256)) = 8
LOCK_PARENT: public(constant(uint256)) = 16
MAY_EXTEND: public(constant(uint256)) = 32
PERMANENT_EXPIRY: public(constant(uint256)) = 2**48 - 1  # unix seconds; never reached

# @dev Seconds after its expiry in which a name still has its owner.
GRACE: public(immutable(uint256))

_OWNER_LOCKS: constant(uint256) = 15
_ADDRESS_MASK: constant(uint256) = 2**160 - 1
_SUPPORTED_INTERFACES: constant(bytes4[4]) = [
    0x01FFC9A7,  # ERC-165
    0x80AC58CD,  # ERC-721
    0x5B5E139F,  # ERC-721 metadata
    0x49064906,  # ERC-4906
]


# 5. state
# @dev Names held, those included that expired and were not given out anew.
_balances: HashMap[address, uint256]
# @dev Node -> owner | expires_at << 160 | generation << 208 | locks << 240.
_tenures: HashMap[bytes32, uint256]
# @dev Node -> resolver | 96 bits of the importing contract << 160.
_routes: HashMap[bytes32, uint256]
_token_approvals: HashMap[uint256, address]
isApprovedForAll: public(reentrant(HashMap[address, HashMap[address, bool]]))


# 6. constructor
@deploy
def __init__(grace: uint256):
    """
    @param grace Seconds after its expiry in which a name still has its owner.
    """
    GRACE = grace


# 7. external, state-changing
@external
def set_resolver(node: bytes32, resolver: address):
    """
    @notice Set where the records of a live name are. Its owner or the owner's operator.
    @param node Node of the name.
    @param resolver The resolver; zero for none.
    """
    tenure: uint256 = self._managed(node)
    assert self._locks(tenure) & LOCK_RESOLVER == 0, "name_tokens: resolver is locked"
    self._routes[node] = self._routes[node] >> 160 << 160 | convert(resolver, uint256)
    log INameTokens.ResolverSet(node=node, resolver=resolver)


@external
def lock(node: bytes32, locks: uint256):
    """
    @notice Give something up for as long as the name is registered. Its owner or the
            owner's operator, while it is live. Cannot be undone.
    @param node Node of the name.
    @param locks Bits 1, 2, 4, 8 to set; those that are set stay.
    """
    tenure: uint256 = self._managed(node)
    assert locks != 0 and locks <= _OWNER_LOCKS, "name_tokens: no such locks"
    self._add_locks(node, tenure, locks)


@external
def transferFrom(owner: address, to: address, token_id: uint256):
    """
    @notice Move a name, live or in grace, to a new owner (ERC-721). Resolver, records and
            locks go with it; change them first or after.
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
        ), "name_tokens: unsafe receiver"


@external
def approve(approved: address, token_id: uint256):
    """
    @notice Let one account transfer one name, until the name moves (ERC-721).
    @param approved The account; zero withdraws the approval.
    @param token_id uint256 of the name's node.
    """
    owner: address = self._owner_of(token_id)
    assert self._is_owner_or_operator(owner, msg.sender), "name_tokens: not owner or operator"
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
def tenure_of(node: bytes32) -> INameTokens.Tenure:
    """
    @notice Who has a name, until when, and what its owner gave up.
    @param node Node of the name.
    @return Tenure All zero if the name never was.
    """
    tenure: uint256 = self._tenures[node]
    owner: address = empty(address)
    locks: uint256 = 0
    if not self._is_free(tenure):
        owner = self._owner(tenure)
        locks = self._locks(tenure)
    return INameTokens.Tenure(
        owner=owner,
        expires_at=self._expires_at(tenure),
        generation=self._generation(tenure),
        locks=locks,
        is_live=self._is_live(tenure),
    )


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
    @return uint256 The generation if the name is live, its records are not locked, and the
            account is its owner or an operator of all the owner's names; else 0.
    """
    # Written out, not called, to save gas: every record that is set asks this.
    tenure: uint256 = self._tenures[node]
    if block.timestamp >= (tenure >> 160) & PERMANENT_EXPIRY:
        return 0
    if (tenure >> 240) & LOCK_RECORDS != 0:
        return 0
    owner: address = convert(tenure & _ADDRESS_MASK, address)
    if account != owner and not self.isApprovedForAll[owner][account]:
        return 0
    return (tenure >> 208) & (2**32 - 1)


@external
@view
@reentrant
def balanceOf(owner: address) -> uint256:
    """
    @notice How many names an account holds (ERC-721). A name that expired counts until
            somebody gets it anew.
    @param owner The account, not zero.
    @return uint256 Number of names.
    """
    assert owner != empty(address), "name_tokens: zero owner"
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
def supportsInterface(interface_id: bytes4) -> bool:
    """
    @notice Which standard interfaces this contract has (ERC-165).
    @param interface_id The interface.
    @return bool True for ERC-165, ERC-721, its metadata, and ERC-4906.
    """
    return interface_id in _SUPPORTED_INTERFACES


# 9. internal
@internal
def _give(node: bytes32, owner: address, expires_at: uint256, locks: uint256) -> uint256:
    """
    @dev Give a name out. That it may be given is for the importing contract to know.
    @param node Node of the name.
    @param owner Who gets it, not zero.
    @param expires_at Unix seconds, at most PERMANENT_EXPIRY.
    @param locks Bits of INameTokens.
    @return uint256 Its generation: 1 for a name that never was.
    """
    assert owner != empty(address), "name_tokens: zero owner"
    generation: uint256 = self._release(node) + 1
    self._tenures[node] = self._pack(owner, expires_at, generation, locks)
    self._balances[owner] += 1
    log IERC721.Transfer(
        sender=empty(address), receiver=owner, token_id=convert(node, uint256)
    )
    return generation


@internal
def _release(node: bytes32) -> uint256:
    """
    @dev Take a name from whoever had it last.
    @param node Node of the name.
    @return uint256 Its last generation; 0 if it never was.
    """
    tenure: uint256 = self._tenures[node]
    owner: address = self._owner(tenure)
    if owner != empty(address):
        token_id: uint256 = convert(node, uint256)
        self._balances[owner] -= 1
        self._clear_approval(token_id)
        log IERC721.Transfer(sender=owner, receiver=empty(address), token_id=token_id)
    return self._generation(tenure)


@internal
def _extend(node: bytes32, tenure: uint256, expires_at: uint256):
    """
    @dev Give a name more time.
    @param node Node of the name.
    @param tenure Its packed tenure.
    @param expires_at Unix seconds, at most PERMANENT_EXPIRY.
    """
    self._tenures[node] = self._pack(
        self._owner(tenure), expires_at, self._generation(tenure), self._locks(tenure)
    )
    log IERC4906.MetadataUpdate(_tokenId=convert(node, uint256))


@internal
def _add_locks(node: bytes32, tenure: uint256, locks: uint256):
    """
    @dev Set locks of a name.
    @param node Node of the name.
    @param tenure Its packed tenure.
    @param locks Bits to set.
    """
    self._tenures[node] = tenure | (locks << 240)
    log INameTokens.Locked(
        node=node, account=msg.sender, locks=self._locks(tenure) | locks
    )


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
    assert not self._is_free(tenure), "name_tokens: no such token"
    assert self._owner(tenure) == owner, "name_tokens: wrong owner"
    assert to != empty(address), "name_tokens: zero receiver"
    if not self._is_owner_or_operator(owner, msg.sender):
        assert msg.sender == self._token_approvals[token_id], (
            "name_tokens: not owner or approved"
        )
    assert self._locks(tenure) & LOCK_TRANSFER == 0, "name_tokens: transfer is locked"
    self._clear_approval(token_id)
    self._balances[owner] -= 1
    self._balances[to] += 1
    self._tenures[node] = tenure >> 160 << 160 | convert(to, uint256)
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
def _managed(node: bytes32) -> uint256:
    """
    @dev The tenure of a live name that the caller manages.
    @param node Node of the name.
    @return uint256 Packed tenure.
    """
    tenure: uint256 = self._tenures[node]
    assert self._is_live(tenure) and self._is_owner_or_operator(
        self._owner(tenure), msg.sender
    ), "name_tokens: not the live owner"
    return tenure


@internal
@view
def _owner_of(token_id: uint256) -> address:
    """
    @dev The owner of a name that is not free.
    @param token_id uint256 of the name's node.
    @return address The owner.
    """
    tenure: uint256 = self._tenures[convert(token_id, bytes32)]
    assert not self._is_free(tenure), "name_tokens: no such token"
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
def _live_resolver(node: bytes32) -> address:
    """
    @dev Where the records of a live name are.
    @param node Node of the name.
    @return address The resolver; zero for none, or when the name is not live.
    """
    if not self._is_live(self._tenures[node]):
        return empty(address)
    return self._address(self._routes[node])


@internal
@view
def _token_uri(node: bytes32, full_name: String[255]) -> String[512]:
    """
    @dev Metadata of a name that is not free.
    @param node Node of the name.
    @param full_name The name in letters. It holds no character that would need escaping.
    @return String A data URI with JSON.
    """
    self._owner_of(convert(node, uint256))
    return concat(
        'data:application/json;utf8,{"name":"',
        full_name,
        '","description":"A name on JoyNet","attributes":[{"trait_type":"Expires",',
        '"display_type":"date","value":',
        uint2str(self._expires_at(self._tenures[node])),
        "}]}",
    )


@internal
@view
def _is_live(tenure: uint256) -> bool:
    """
    @dev Live: strictly before the expiry.
    @param tenure Packed tenure; 0 if the name never was.
    @return bool Whether the name is live.
    """
    return block.timestamp < self._expires_at(tenure)


@internal
@view
def _is_free(tenure: uint256) -> bool:
    """
    @dev Free: from the last second of the grace period on, or never given out.
    @param tenure Packed tenure; 0 if the name never was.
    @return bool Whether the name has no owner.
    """
    return tenure == 0 or block.timestamp >= self._expires_at(tenure) + GRACE


@internal
@pure
def _pack(owner: address, expires_at: uint256, generation: uint256, locks: uint256) -> uint256:
    """
    @dev Pack owner, expiry (below 2**48), generation (below 2**32) and locks (below 2**16).
    @param owner The owner.
    @param expires_at Unix seconds.
    @param generation Number of the term.
    @param locks Bits.
    @return uint256 The word.
    """
    return (
        convert(owner, uint256) | (expires_at << 160) | (generation << 208) | (locks << 240)
    )


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
    return (tenure >> 160) & PERMANENT_EXPIRY


@internal
@pure
def _generation(tenure: uint256) -> uint256:
    """
    @dev Generation in a packed tenure.
    @param tenure The word.
    @return uint256 Number of the term.
    """
    return (tenure >> 208) & (2**32 - 1)


@internal
@pure
def _locks(tenure: uint256) -> uint256:
    """
    @dev Locks in a packed tenure.
    @param tenure The word.
    @return uint256 Bits.
    """
    return tenure >> 240


@internal
@pure
def _address(word: uint256) -> address:
    """
    @dev Address in the low 160 bits of a word.
    @param word The word.
    @return address The address.
    """
    return convert(word & _ADDRESS_MASK, address)
