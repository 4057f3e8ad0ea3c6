# pragma version ~=0.4.3
# pragma nonreentrancy on
"""
@title Royalty split: who a model's revenue belongs to
@custom:contract-name royalty_split
@license GNU Affero General Public License v3.0 only
@author JoyNet contributors
@notice Every model has an account. A payment credits it in one write; `_distribute` empties
        it one level: parents' parts go to the parents' accounts, the rest to the owners'
        claimable balances. Shares are fixed when the model is founded.
@dev Pure bookkeeping, no token calls: accounts and claimable balances together grow by
     exactly what is credited. Parents exist before their child and nothing is ever
     edited, so the graph has no cycle. Write `initializes: royalty_split`.
@custom:security Nobody can change a founded model's shares. A part is rounded down by less
        than 1 wei per distribution, in favour of the first owner.
@custom:kill Nothing to stop: owed money stays owed.
"""


# 1. interfaces
from ..interfaces import IModelMarketplace


# 4. constants and immutables
MAX_DEPTH: public(constant(uint256)) = 8  # levels, the model itself included
_BPS: constant(uint256) = 10_000


# 5. state
# @dev Model -> owners, summing to 10,000 bps of what the parents leave.
_owners: HashMap[bytes32, DynArray[IModelMarketplace.Share, 8]]
# @dev Model -> parents, summing to at most 10,000 bps of everything.
_parents: HashMap[bytes32, DynArray[IModelMarketplace.Parent, 8]]
# @dev Model -> length of its longest chain of parents, itself included; 0: not founded.
_depths: HashMap[bytes32, uint256]
# @dev Model -> JOY wei credited and not distributed yet.
_accounts: HashMap[bytes32, uint256]
# @dev Owner -> JOY wei distributed to it and not claimed yet.
_claimable: HashMap[address, uint256]


# 8. external, view
@external
@view
def owners_of(model_id: bytes32) -> DynArray[IModelMarketplace.Share, 8]:
    """
    @notice Who shares what is left after the parents.
    @param model_id The model.
    @return DynArray The shares, summing to 10,000 bps; empty if never listed.
    """
    return self._owners[model_id]


@external
@view
def parents_of(model_id: bytes32) -> DynArray[IModelMarketplace.Parent, 8]:
    """
    @notice The models that receive a part of every payment.
    @param model_id The model.
    @return DynArray Parents and their bps; empty for an original model.
    """
    return self._parents[model_id]


@external
@view
def depth_of(model_id: bytes32) -> uint256:
    """
    @notice Levels of the longest chain of parents, itself included.
    @param model_id The model.
    @return uint256 1 to MAX_DEPTH; 0 if never listed.
    """
    return self._depths[model_id]


@external
@view
def account_of(model_id: bytes32) -> uint256:
    """
    @notice What was paid to the model and is not distributed yet.
    @param model_id The model.
    @return uint256 JOY wei.
    """
    return self._accounts[model_id]


@external
@view
def claimable(account: address) -> uint256:
    """
    @notice What `claim_for(account)` would send, outflow limit aside.
    @param account An owner of some model.
    @return uint256 JOY wei.
    """
    return self._claimable[account]


# 9. internal
@internal
def _found(
    model_id: bytes32,
    owners: DynArray[IModelMarketplace.Share, 8],
    parents: DynArray[IModelMarketplace.Parent, 8],
) -> uint256:
    """
    @dev Fix a model's shares for ever.
    @param model_id A model that was not founded before.
    @param owners At least one, summing to 10,000 bps.
    @param parents Founded models, each once, summing to at most 10,000 bps.
    @return uint256 The model's depth.
    """
    assert self._depths[model_id] == 0, "royalty_split: model already founded"

    owned: uint256 = 0
    for share: IModelMarketplace.Share in owners:
        assert share.account != empty(address), "royalty_split: zero owner"
        assert share.bps > 0, "royalty_split: zero owner share"
        owned += share.bps
    assert owned == _BPS, "royalty_split: owner shares must sum to 10000"

    depth: uint256 = 1
    passed_on: uint256 = 0
    seen: DynArray[bytes32, 8] = []
    for parent: IModelMarketplace.Parent in parents:
        parent_depth: uint256 = self._depths[parent.model_id]
        assert parent_depth > 0, "royalty_split: unknown parent"
        assert parent.model_id not in seen, "royalty_split: parent twice"
        assert parent.bps > 0, "royalty_split: zero parent share"
        seen.append(parent.model_id)
        passed_on += parent.bps
        depth = max(depth, parent_depth + 1)
    assert passed_on <= _BPS, "royalty_split: parent shares over 10000"
    assert depth <= MAX_DEPTH, "royalty_split: too many levels of parents"

    self._owners[model_id] = owners
    self._parents[model_id] = parents
    self._depths[model_id] = depth
    return depth


@internal
def _credit(model_id: bytes32, amount: uint256):
    """
    @dev Book a payment.
    @param model_id A founded model.
    @param amount JOY wei.
    """
    self._accounts[model_id] += amount


@internal
def _distribute(model_id: bytes32) -> (uint256, uint256):
    """
    @dev Empty a model's account, one level.
    @param model_id A founded model.
    @return uint256 JOY wei that went to parents' accounts.
    @return uint256 JOY wei that went to owners.
    """
    total: uint256 = self._accounts[model_id]
    self._accounts[model_id] = 0

    to_parents: uint256 = 0
    for parent: IModelMarketplace.Parent in self._parents[model_id]:
        part: uint256 = total * parent.bps // _BPS
        self._accounts[parent.model_id] += part
        to_parents += part

    to_owners: uint256 = total - to_parents
    dust: uint256 = to_owners
    owners: DynArray[IModelMarketplace.Share, 8] = self._owners[model_id]
    for share: IModelMarketplace.Share in owners:
        part: uint256 = to_owners * share.bps // _BPS
        self._claimable[share.account] += part
        dust -= part
    self._claimable[owners[0].account] += dust
    return to_parents, to_owners
