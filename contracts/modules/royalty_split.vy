# pragma version ~=0.4.3
# pragma nonreentrancy on
"""
@title Royalty split: who a model's revenue belongs to
@custom:contract-name royalty_split
@license GNU Affero General Public License v3.0 only
@author JoyNet contributors
@notice Every model has an account. A payment credits it in one write; `_distribute` empties
        it one level: parents' parts go to the parents' accounts, the rest to the owners'
        claimable balances. Shares are fixed when the model is founded; an owner may split its
        own, and a parent that was left out may claim one.
@dev Pure bookkeeping, no calls: accounts, claimable balances and frozen parts together grow
     by exactly what is credited. A claimed share comes first, out of the owners' part; only
     where that is too small do the founding parents' parts shrink, in proportion, so that
     nobody can crowd a left-out parent out by naming others. A part whose claim is open is
     frozen, at most half of the income at a time. Claimed and founding parents are listed before their child, so the graph has no
     cycle. A claimed parent lifts the depth of its child; children of that child that were
     founded before keep theirs. Write `initializes: royalty_split`.
@custom:security Nobody can lower a founding parent's share but a claim that was upheld. A part
        is rounded down by less than 1 wei per distribution, in favour of the first owner.
@custom:kill Nothing to stop: owed money stays owed.
"""


# 1. interfaces
from ..interfaces import IModelMarketplace


# 4. constants and immutables
MAX_DEPTH: public(constant(uint256)) = 8  # levels, the model itself included
MAX_FROZEN_BPS: public(constant(uint256)) = 5_000  # of a model's income at a time
_BPS: constant(uint256) = 10_000


# 5. state
# @dev Model -> owners, summing to 10,000 bps of what the parents leave.
_owners: HashMap[bytes32, DynArray[IModelMarketplace.Share, 8]]
# @dev Model -> parents, summing to at most 10,000 bps of everything.
_parents: HashMap[bytes32, DynArray[IModelMarketplace.Parent, 8]]
# @dev Model -> shares that parents claim or have claimed, summing to at most 10,000 bps of
#      everything.
_claimed: HashMap[bytes32, DynArray[IModelMarketplace.ClaimedShare, 8]]
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
def claimed_of(model_id: bytes32) -> DynArray[IModelMarketplace.ClaimedShare, 8]:
    """
    @notice Parents that were left out and claim, or were granted, a part of every payment.
    @param model_id The child.
    @return DynArray Their shares, in no order, summing to at most 10,000 bps.
    """
    return self._claimed[model_id]


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
def _distribute(model_id: bytes32) -> (uint256, uint256, uint256):
    """
    @dev Empty a model's account, one level.
    @param model_id A founded model.
    @return uint256 JOY wei that went to parents' accounts.
    @return uint256 JOY wei that open claims froze.
    @return uint256 JOY wei that went to owners.
    """
    total: uint256 = self._accounts[model_id]
    if total == 0:
        return 0, 0, 0
    self._accounts[model_id] = 0

    to_parents: uint256 = 0
    frozen: uint256 = 0
    room: uint256 = _BPS
    claims: DynArray[IModelMarketplace.ClaimedShare, 8] = self._claimed[model_id]
    for i: uint256 in range(len(claims), bound=8):
        part: uint256 = total * claims[i].bps // _BPS
        room -= claims[i].bps
        if claims[i].holder == empty(address):
            self._accounts[claims[i].parent] += part
            to_parents += part
        else:
            self._claimed[model_id][i].frozen += part
            frozen += part

    parents: DynArray[IModelMarketplace.Parent, 8] = self._parents[model_id]
    named: uint256 = self._sum(parents)
    if named > 0:
        to_parents += self._credit_parents(parents, total * min(named, room), named * _BPS)
    to_owners: uint256 = total - to_parents - frozen
    self._credit_owners(model_id, to_owners)
    return to_parents, frozen, to_owners


@internal
def _freeze(child: bytes32, parent: bytes32, bps: uint256, holder: address):
    """
    @dev Hold a share of a child's income back for a parent that claims it.
    @param child A founded model.
    @param parent A founded model that is not its parent yet and was listed before it.
    @param bps The share.
    @param holder Who alone may resolve the claim, not zero.
    """
    depth: uint256 = self._depths[parent]
    assert depth > 0, "royalty_split: unknown parent"
    assert depth < MAX_DEPTH, "royalty_split: too many levels of parents"
    assert bps > 0, "royalty_split: zero parent share"
    for named: IModelMarketplace.Parent in self._parents[child]:
        assert named.model_id != parent, "royalty_split: parent twice"
    claimed: uint256 = bps
    frozen: uint256 = bps
    claims: DynArray[IModelMarketplace.ClaimedShare, 8] = self._claimed[child]
    for claim: IModelMarketplace.ClaimedShare in claims:
        assert claim.parent != parent, "royalty_split: parent twice"
        claimed += claim.bps
        if claim.holder != empty(address):
            frozen += claim.bps
    assert frozen <= MAX_FROZEN_BPS, "royalty_split: over half would be frozen"
    assert claimed <= _BPS, "royalty_split: claimed shares over 10000"
    assert len(claims) < 8, "royalty_split: too many claims"
    self._claimed[child].append(
        IModelMarketplace.ClaimedShare(parent=parent, bps=bps, frozen=0, holder=holder)
    )


@internal
def _resolve(child: bytes32, parent: bytes32, is_upheld: bool, holder: address) -> uint256:
    """
    @dev Grant a claimed share for good, or give what was frozen to those it was kept from.
    @param child The child.
    @param parent The parent that claims.
    @param is_upheld Whether the share is granted.
    @param holder Who froze it.
    @return uint256 JOY wei that were frozen.
    """
    claims: DynArray[IModelMarketplace.ClaimedShare, 8] = self._claimed[child]
    claimed: uint256 = 0
    found: uint256 = 8
    for i: uint256 in range(len(claims), bound=8):
        claimed += claims[i].bps
        if claims[i].parent == parent and claims[i].holder == holder:
            found = i
    assert found < 8, "royalty_split: no such claim"
    frozen: uint256 = claims[found].frozen
    bps: uint256 = claims[found].bps

    if is_upheld:
        self._claimed[child][found].frozen = 0
        self._claimed[child][found].holder = empty(address)
        self._accounts[parent] += frozen
        depth: uint256 = max(self._depths[child], self._depths[parent] + 1)
        self._depths[child] = min(depth, MAX_DEPTH)  # a claim may have deepened the parent
        return frozen

    last: IModelMarketplace.ClaimedShare = self._claimed[child].pop()
    if found < len(claims) - 1:
        self._claimed[child][found] = last
    parents: DynArray[IModelMarketplace.Parent, 8] = self._parents[child]
    named: uint256 = self._sum(parents)
    # What the founding parents' parts had shrunk by, in basis points of everything.
    missed: uint256 = min(named, _BPS - claimed + bps) - min(named, _BPS - claimed)
    to_parents: uint256 = 0
    if missed > 0:
        to_parents = self._credit_parents(parents, frozen * missed, named * bps)
    self._credit_owners(child, frozen - to_parents)
    return frozen


@internal
def _replace_share(
    model_id: bytes32, account: address, shares: DynArray[IModelMarketplace.Share, 8]
):
    """
    @dev Put several shares in the place of all that an owner has.
    @param model_id A founded model whose account is empty.
    @param account The owner.
    @param shares What comes instead, with the same sum.
    """
    owners: DynArray[IModelMarketplace.Share, 8] = []
    owned: uint256 = 0
    others: uint256 = 0
    for share: IModelMarketplace.Share in self._owners[model_id]:
        if share.account != account:
            others += 1
            assert others + len(shares) <= 8, "royalty_split: over 8 owners"
            owners.append(share)
            continue
        if owned == 0:
            assert len(owners) + len(shares) <= 8, "royalty_split: over 8 owners"
            for part: IModelMarketplace.Share in shares:
                owners.append(part)
        owned += share.bps
    assert owned > 0, "royalty_split: not an owner"
    replaced: uint256 = 0
    for part: IModelMarketplace.Share in shares:
        assert part.account != empty(address), "royalty_split: zero owner"
        assert part.bps > 0, "royalty_split: zero owner share"
        replaced += part.bps
    assert replaced == owned, "royalty_split: shares must sum to the owner's"
    self._owners[model_id] = owners


@internal
def _credit_parents(
    parents: DynArray[IModelMarketplace.Parent, 8], scaled: uint256, divisor: uint256
) -> uint256:
    """
    @dev Credit each parent scaled x bps / divisor, rounded down.
    @param parents The founding parents.
    @param scaled JOY wei times basis points.
    @param divisor Sum of the parents' bps times the basis points that `scaled` refers to.
    @return uint256 JOY wei credited.
    """
    credited: uint256 = 0
    for parent: IModelMarketplace.Parent in parents:
        part: uint256 = scaled * parent.bps // divisor
        self._accounts[parent.model_id] += part
        credited += part
    return credited


@internal
def _credit_owners(model_id: bytes32, amount: uint256):
    """
    @dev Credit the owners, the rounding to the first.
    @param model_id The model.
    @param amount JOY wei.
    """
    dust: uint256 = amount
    owners: DynArray[IModelMarketplace.Share, 8] = self._owners[model_id]
    for share: IModelMarketplace.Share in owners:
        part: uint256 = amount * share.bps // _BPS
        self._claimable[share.account] += part
        dust -= part
    self._claimable[owners[0].account] += dust


@internal
@pure
def _sum(parents: DynArray[IModelMarketplace.Parent, 8]) -> uint256:
    """
    @dev The founding parents' shares together.
    @param parents The parents.
    @return uint256 Basis points.
    """
    total: uint256 = 0
    for parent: IModelMarketplace.Parent in parents:
        total += parent.bps
    return total
