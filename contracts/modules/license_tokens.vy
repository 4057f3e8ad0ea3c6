# pragma version ~=0.4.3
# pragma nonreentrancy on
"""
@title Licence tokens: who holds a licence of what, until when
@custom:contract-name license_tokens
@license GNU Affero General Public License v3.0 only
@author JoyNet contributors
@notice ERC-721 tokens that stand for licences of models. ModelLicenses, which knows about
        money and keys, says who gets one.
@dev One word a licence, beside its model. For each account and model one licence is
     favoured, the one `holds` looks at, so that looking costs two storage reads however many
     licences an account has, and nobody can make it dearer by sending worthless ones.
     Only a settled licence can move, so that money and keys never part from their buyer.
     Transfer functions are not payable, as in name_tokens. Views are reentrant on purpose:
     state is final before a receiver is called.
     Write `initializes: license_tokens` and export what is needed.
@custom:security A licence moves by its owner, the owner's operators and whom the owner
        approved, if it was sold as transferable.
@custom:kill Nothing to stop: owners can always move what may move.
"""


# 1. interfaces
from ethereum.ercs import IERC721
from snekmate.tokens.interfaces import IERC721Receiver
from ..interfaces import IModelLicenses


# 4. constants and immutables
AWAITING: constant(uint256) = 1  # paid, the key is not posted yet
RELEASED: constant(uint256) = 2  # the key is posted and can be disputed
SETTLED: constant(uint256) = 3
REFUNDED: constant(uint256) = 4  # no key was posted in time
VOID: constant(uint256) = 5  # the key was wrong

_TIME_MASK: constant(uint256) = 2**48 - 1
_ADDRESS_MASK: constant(uint256) = 2**160 - 1
_SUPPORTED_INTERFACES: constant(bytes4[3]) = [
    0x01FFC9A7,  # ERC-165
    0x80AC58CD,  # ERC-721
    0x2A55205A,  # ERC-2981
]


# 5. state
# @dev Licences sold so far; ids run from 1 to this.
license_count: public(reentrant(uint256))
# @dev Licence -> owner | expires_at << 160 | state << 208 | is_transferable << 216 |
#      resale_bps << 224. An expiry of 0 is never.
_tenures: HashMap[uint256, uint256]
# @dev Licence -> model.
_models: HashMap[uint256, bytes32]
# @dev Model -> account -> the licence that counts; its owner may have changed since.
_favoured: HashMap[bytes32, HashMap[address, uint256]]
_balances: HashMap[address, uint256]
_token_approvals: HashMap[uint256, address]
isApprovedForAll: public(reentrant(HashMap[address, HashMap[address, bool]]))


# 7. external, state-changing
@external
def favour(license_id: uint256):
    """
    @notice Make this the licence that `holds` looks at for its owner. Done by itself when a
            better one is bought or received; needed when an older one outlives it. Anyone, if
            the licence is valid and lasts longer than the favoured one.
    @param license_id The licence.
    """
    owner: address = self._owner_of(license_id)
    assert self._prefer(license_id, owner), "license_tokens: not better than the favoured one"


@external
def transferFrom(owner: address, to: address, token_id: uint256):
    """
    @notice Move a licence to a new owner (ERC-721). The content key of a sealed model does
            not move by itself: the old owner hands it over.
    @param owner The owner now.
    @param to The next owner, not zero.
    @param token_id The licence.
    """
    self._transfer(owner, to, token_id)


@external
def safeTransferFrom(
    owner: address, to: address, token_id: uint256, data: Bytes[1024] = b""
):
    """
    @notice `transferFrom`, and a contract that gets the licence must say that it can keep it.
    @param owner The owner now.
    @param to The next owner, not zero.
    @param token_id The licence.
    @param data Passed on to the receiver.
    """
    self._transfer(owner, to, token_id)
    if to.is_contract:
        answer: bytes4 = extcall IERC721Receiver(to).onERC721Received(
            msg.sender, owner, token_id, data
        )
        assert answer == method_id(
            "onERC721Received(address,address,uint256,bytes)", output_type=bytes4
        ), "license_tokens: unsafe receiver"


@external
def approve(approved: address, token_id: uint256):
    """
    @notice Let one account transfer one licence, until it moves (ERC-721).
    @param approved The account; zero withdraws the approval.
    @param token_id The licence.
    """
    owner: address = self._owner_of(token_id)
    assert self._is_owner_or_operator(owner), "license_tokens: not owner or operator"
    self._token_approvals[token_id] = approved
    log IERC721.Approval(owner=owner, approved=approved, token_id=token_id)


@external
def setApprovalForAll(operator: address, approved: bool):
    """
    @notice Let an operator move all licences of the caller (ERC-721).
    @param operator The operator.
    @param approved Whether it may.
    """
    self.isApprovedForAll[msg.sender][operator] = approved
    log IERC721.ApprovalForAll(owner=msg.sender, operator=operator, approved=approved)


# 8. external, view
@external
@view
@reentrant
def license_of(model_id: bytes32, account: address) -> uint256:
    """
    @notice The licence that `holds` looks at.
    @param model_id The model.
    @param account The account.
    @return uint256 The licence id, valid or not; 0 for none.
    """
    license_id: uint256 = self._favoured[model_id][account]
    if license_id == 0 or self._owner(self._tenures[license_id]) != account:
        return 0
    return license_id


@external
@view
@reentrant
def holds(model_id: bytes32, account: address) -> bool:
    """
    @notice Whether an account holds a licence that is valid now.
    @param model_id The model.
    @param account The account.
    @return bool False also while a sealed model's key is awaited.
    """
    return self._holds(model_id, account)


@external
@view
@reentrant
def balanceOf(owner: address) -> uint256:
    """
    @notice How many licences an account has, expired ones included (ERC-721).
    @param owner The account, not zero.
    @return uint256 Number of licences.
    """
    assert owner != empty(address), "license_tokens: zero owner"
    return self._balances[owner]


@external
@view
@reentrant
def ownerOf(token_id: uint256) -> address:
    """
    @notice Who owns a licence (ERC-721). Reverts once it is refunded or void.
    @param token_id The licence.
    @return address The owner.
    """
    return self._owner_of(token_id)


@external
@view
@reentrant
def getApproved(token_id: uint256) -> address:
    """
    @notice Who may transfer one licence besides its owner and operators (ERC-721).
    @param token_id The licence.
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
    @return bool True for ERC-165, ERC-721 and ERC-2981.
    """
    return interface_id in _SUPPORTED_INTERFACES


# 9. internal
@internal
def _mint(
    owner: address, model_id: bytes32, is_transferable: bool, resale_bps: uint256
) -> uint256:
    """
    @dev Give out a licence that awaits its key.
    @param owner Who gets it, not zero.
    @param model_id The model.
    @param is_transferable Whether it can change hands once it is settled.
    @param resale_bps The publisher's part of a resale.
    @return uint256 The licence id.
    """
    license_id: uint256 = self.license_count + 1
    self.license_count = license_id
    self._models[license_id] = model_id
    self._tenures[license_id] = (
        convert(owner, uint256)
        | AWAITING << 208
        | convert(is_transferable, uint256) << 216
        | resale_bps << 224
    )
    self._balances[owner] += 1
    if not self._holds(model_id, owner):
        self._favoured[model_id][owner] = license_id
    log IERC721.Transfer(sender=empty(address), receiver=owner, token_id=license_id)
    return license_id


@internal
def _burn(license_id: uint256, state: uint256) -> address:
    """
    @dev End a licence whose money goes back. It was never settled, so nobody is approved.
    @param license_id The licence.
    @param state REFUNDED or VOID.
    @return address Who owned it.
    """
    tenure: uint256 = self._tenures[license_id]
    owner: address = self._owner(tenure)
    self._tenures[license_id] = state << 208
    self._balances[owner] -= 1
    log IERC721.Transfer(sender=owner, receiver=empty(address), token_id=license_id)
    return owner


@internal
def _renew(license_id: uint256, state: uint256, expires_at: uint256):
    """
    @dev Set a licence's state and expiry, and favour it if that makes it the best.
    @param license_id The licence.
    @param state RELEASED or SETTLED.
    @param expires_at Unix seconds; 0 for never.
    """
    tenure: uint256 = self._tenures[license_id]
    owner: address = self._owner(tenure)
    self._tenures[license_id] = (
        convert(owner, uint256) | expires_at << 160 | state << 208 | tenure >> 216 << 216
    )
    self._prefer(license_id, owner)


@internal
def _prefer(license_id: uint256, owner: address) -> bool:
    """
    @dev Favour a licence if it is valid and outlasts the favoured one.
    @param license_id The licence.
    @param owner Its owner.
    @return bool Whether it was better.
    """
    model_id: bytes32 = self._models[license_id]
    favoured: uint256 = self._favoured[model_id][owner]
    if favoured == license_id or (
        self._end(favoured, owner) >= self._end(license_id, owner)
    ):
        return False
    self._favoured[model_id][owner] = license_id
    log IModelLicenses.LicenseFavoured(
        license_id=license_id, model_id=model_id, owner=owner
    )
    return True


@internal
def _transfer(owner: address, to: address, token_id: uint256):
    """
    @dev Move a settled licence; ends its approval.
    @param owner The owner now.
    @param to The next owner, not zero.
    @param token_id The licence.
    """
    tenure: uint256 = self._tenures[token_id]
    assert self._owner_of(token_id) == owner, "license_tokens: wrong owner"
    assert to != empty(address), "license_tokens: zero receiver"
    if not self._is_owner_or_operator(owner):
        assert msg.sender == self._token_approvals[token_id], (
            "license_tokens: not owner or approved"
        )
    assert self._state(tenure) == SETTLED, "license_tokens: not settled yet"
    assert self._is_transferable(tenure), "license_tokens: not transferable"
    if self._token_approvals[token_id] != empty(address):
        self._token_approvals[token_id] = empty(address)
    self._balances[owner] -= 1
    self._balances[to] += 1
    self._tenures[token_id] = tenure >> 160 << 160 | convert(to, uint256)
    self._prefer(token_id, to)
    log IERC721.Transfer(sender=owner, receiver=to, token_id=token_id)


@internal
@view
def _holds(model_id: bytes32, account: address) -> bool:
    """
    @dev See `holds`.
    @param model_id The model.
    @param account The account.
    @return bool Whether its favoured licence is its own and valid.
    """
    return self._end(self._favoured[model_id][account], account) != 0


@internal
@view
def _end(license_id: uint256, account: address) -> uint256:
    """
    @dev Until when a licence serves an account.
    @param license_id The licence; 0 for none.
    @param account The account.
    @return uint256 Unix seconds in the future; 2**48 for ever; 0: it does not serve now.
    """
    tenure: uint256 = self._tenures[license_id]
    if self._owner(tenure) != account or not self._is_valid(tenure):
        return 0
    expires_at: uint256 = self._expires_at(tenure)
    if expires_at == 0:
        return _TIME_MASK + 1
    return expires_at


@internal
@view
def _is_valid(tenure: uint256) -> bool:
    """
    @dev Whether a licence's key is posted (or none is needed) and it has not expired.
    @param tenure Packed tenure.
    @return bool Valid strictly before the expiry.
    """
    state: uint256 = self._state(tenure)
    expires_at: uint256 = self._expires_at(tenure)
    return state in [RELEASED, SETTLED] and (expires_at == 0 or block.timestamp < expires_at)


@internal
@view
def _owner_of(license_id: uint256) -> address:
    """
    @dev The owner of a licence that is not burned.
    @param license_id The licence.
    @return address The owner.
    """
    owner: address = self._owner(self._tenures[license_id])
    assert owner != empty(address), "license_tokens: no such licence"
    return owner


@internal
@view
def _is_owner_or_operator(owner: address) -> bool:
    """
    @dev Whether the caller may act for an owner on all its licences.
    @param owner The owner.
    @return bool True for the owner and its operators.
    """
    return msg.sender == owner or self.isApprovedForAll[owner][msg.sender]


@internal
@pure
def _owner(tenure: uint256) -> address:
    """
    @dev Owner in a packed tenure.
    @param tenure The word.
    @return address The owner.
    """
    return convert(tenure & _ADDRESS_MASK, address)


@internal
@pure
def _expires_at(tenure: uint256) -> uint256:
    """
    @dev Expiry in a packed tenure.
    @param tenure The word.
    @return uint256 Unix seconds; 0 for never.
    """
    return tenure >> 160 & _TIME_MASK


@internal
@pure
def _state(tenure: uint256) -> uint256:
    """
    @dev State in a packed tenure.
    @param tenure The word.
    @return uint256 AWAITING to VOID; 0 for no licence.
    """
    return tenure >> 208 & 255


@internal
@pure
def _is_transferable(tenure: uint256) -> bool:
    """
    @dev Transferability in a packed tenure.
    @param tenure The word.
    @return bool Whether it can change hands.
    """
    return tenure >> 216 & 1 == 1


@internal
@pure
def _resale_bps(tenure: uint256) -> uint256:
    """
    @dev The publisher's part of a resale in a packed tenure.
    @param tenure The word.
    @return uint256 Basis points.
    """
    return tenure >> 224
