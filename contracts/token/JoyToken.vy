# pragma version ~=0.4.3
# pragma nonreentrancy on
"""
@title JOY, the token of JoyNet
@custom:contract-name JoyToken
@license GNU Affero General Public License v3.0 only
@author JoyNet contributors
@notice A fixed supply of JOY (ERC-20 + EIP-2612) with staking inside: stake votes, earns
        platform fees, and is provisioned to services that may slash what was provisioned
        to them, and nothing else.
@dev The life of stake:

         stake -> free -> provision -> thawing (still slashable) -> free
                  free or thawing -> request_unstake -> unbonding ticket -> balance

     Per vault, in wei: `active <= staked` and `active + thawing <= staked + unbonding`.
     Unstaking may take stake that is thawing, so that both delays run at once; such a
     ticket has no vote, earns nothing, and is still slashed where it backs the thawing
     provision. The contract's own balance is, to the wei, total_staked + total_unbonding
     + reward_pool: nobody can transfer to it from outside.

     The token calls no other contract.
@custom:security There is no mint. The owner admits services and changes the unbonding
        delay within constants, after `DELAY_NOTICE`, for new requests only; it cannot
        move, slash, lock or re-delay anyone's tokens. Admitting a service gives it no
        power over stake that was not provisioned to it. A service whose disputes can
        outlast `MIN_UNBONDING_DELAY` must not be admitted. Removing a service takes its
        power to slash at once, pending slashes included.
@custom:kill Nothing here can be paused. A bad service is stopped with
        `admit_service(service, False)`; its provisions then thaw and leave as ever.
"""


# 1. interfaces
from ethereum.ercs import IERC20
from ethereum.ercs import IERC20Detailed
from snekmate.tokens.interfaces import IERC20Permit
from snekmate.utils.interfaces import IERC5267
from ..interfaces import IJoyToken
implements: IERC20
implements: IERC20Detailed
implements: IERC20Permit
implements: IERC5267
implements: IJoyToken


# 2. modules
from snekmate.auth import ownable
initializes: ownable

from . import erc20_core
initializes: erc20_core

from ..modules import checkpoints
initializes: checkpoints

from ..modules import stake_rewards
initializes: stake_rewards


# 3. exports, one by one: the external surface is visible in one place
exports: (
    ownable.owner,
    ownable.transfer_ownership,
    erc20_core.name,
    erc20_core.symbol,
    erc20_core.decimals,
    erc20_core.INITIAL_SUPPLY,
    erc20_core.totalSupply,
    erc20_core.balanceOf,
    erc20_core.allowance,
    erc20_core.transfer,
    erc20_core.transferFrom,
    erc20_core.approve,
    erc20_core.burn,
    erc20_core.permit,
    erc20_core.nonces,
    erc20_core.DOMAIN_SEPARATOR,
    erc20_core.eip712Domain,
    checkpoints.clock,
    checkpoints.CLOCK_MODE,
    stake_rewards.REWARD_PERIOD,
    stake_rewards.MIN_TOTAL_STAKE,
    stake_rewards.reward_pool,
)


# 4. constants and immutables
MIN_UNBONDING_DELAY: public(constant(uint256)) = 7 * 86_400  # seconds
MAX_UNBONDING_DELAY: public(constant(uint256)) = 60 * 86_400  # seconds
DELAY_NOTICE: public(constant(uint256)) = 7 * 86_400  # seconds from proposal to change
MAX_BENEFICIARY_BPS: public(constant(uint256)) = 5_000  # basis points of a slash
MAX_TICKETS: public(constant(uint256)) = 16  # unbonding tickets of a vault at a time

_BPS: constant(uint256) = 10_000
_DELEGATION_TYPE_HASH: constant(bytes32) = keccak256(
    "Delegation(address delegatee,uint256 nonce,uint256 expiry)"
)


# 5. state
total_staked: public(uint256)
total_unbonding: public(uint256)
_vaults: HashMap[address, IJoyToken.Vault]
# @dev Vault -> service -> what it put there.
_provisions: HashMap[address, HashMap[address, IJoyToken.Provision]]
# @dev Vault -> ticket number -> ticket; all zero once paid or slashed away.
_tickets: HashMap[address, HashMap[uint256, IJoyToken.Ticket]]
is_service: public(HashMap[address, bool])
delegates: public(HashMap[address, address])

# @dev Seconds, for requests made now.
unbonding_delay: public(uint256)
# @dev Seconds proposed, and the unix second it can be applied from (0: nothing proposed).
pending_unbonding_delay: public(uint256)
unbonding_delay_ready_at: public(uint256)


# 6. constructor
@deploy
def __init__(treasury: address, unbonding_delay_: uint256):
    """
    @param treasury Account that receives the whole supply.
    @param unbonding_delay_ Seconds that deprovisioning and unstaking take, in
           [MIN_UNBONDING_DELAY, MAX_UNBONDING_DELAY].
    """
    ownable.__init__()
    erc20_core.__init__(treasury)
    self._check_delay(unbonding_delay_)
    self.unbonding_delay = unbonding_delay_
    log IJoyToken.UnbondingDelaySet(delay=unbonding_delay_)


# 7. external, state-changing: staking
@external
def stake(amount: uint256):
    """
    @notice Stake the caller's tokens. The vote of a first stake goes to the caller,
            unless it delegated before.
    @param amount Wei of JOY, more than 0.
    """
    assert amount > 0, "JoyToken: zero amount"
    erc20_core._move(msg.sender, self, amount)
    if self.delegates[msg.sender] == empty(address):
        self._delegate(msg.sender, msg.sender)
    self._set_stake(msg.sender, self._vaults[msg.sender].staked + amount)
    log IJoyToken.Staked(vault=msg.sender, amount=amount)


@external
def request_unstake(amount: uint256) -> uint256:
    """
    @notice Take stake that is not actively provisioned out of staking. It loses its vote
            and its rewards now, and can be withdrawn after the delay of today.
    @param amount Wei of JOY, more than 0.
    @return uint256 Number of the ticket, to withdraw with.
    """
    assert amount > 0, "JoyToken: zero amount"
    vault: IJoyToken.Vault = self._vaults[msg.sender]
    assert amount <= vault.staked - vault.active, "JoyToken: not enough free stake"
    ticket: uint256 = vault.next_ticket
    assert ticket - vault.first_ticket < MAX_TICKETS, "JoyToken: too many open tickets"

    ends_at: uint256 = block.timestamp + self.unbonding_delay
    self._tickets[msg.sender][ticket] = IJoyToken.Ticket(amount=amount, ends_at=ends_at)
    self._vaults[msg.sender].next_ticket = ticket + 1
    self._vaults[msg.sender].unbonding = vault.unbonding + amount
    self.total_unbonding += amount
    self._set_stake(msg.sender, vault.staked - amount)
    log IJoyToken.UnstakeRequested(
        vault=msg.sender, ticket=ticket, amount=amount, ends_at=ends_at
    )
    return ticket


@external
def withdraw_unstaked(ticket: uint256) -> uint256:
    """
    @notice Get unstaked tokens back once their delay is over. A ticket that backs a
            thawing provision waits until `finish_deprovision`.
    @param ticket Number that `request_unstake` returned.
    @return uint256 Wei of JOY paid to the caller.
    """
    entry: IJoyToken.Ticket = self._tickets[msg.sender][ticket]
    assert entry.amount > 0, "JoyToken: no such ticket"
    assert block.timestamp >= entry.ends_at, "JoyToken: still unbonding"
    vault: IJoyToken.Vault = self._vaults[msg.sender]
    assert vault.active + vault.thawing + entry.amount <= vault.staked + vault.unbonding, (
        "JoyToken: ticket backs a thawing provision"
    )
    self._tickets[msg.sender][ticket] = empty(IJoyToken.Ticket)
    self._vaults[msg.sender].unbonding = vault.unbonding - entry.amount
    self.total_unbonding -= entry.amount
    self._drop_empty_tickets(msg.sender)
    erc20_core._move(self, msg.sender, entry.amount)
    log IJoyToken.UnstakeWithdrawn(vault=msg.sender, ticket=ticket, amount=entry.amount)
    return entry.amount


# 7. external, state-changing: provisions
@external
def provision(service: address, amount: uint256):
    """
    @notice Put free stake at the disposal of a service, which may slash it. It keeps its
            vote and its rewards.
    @param service A service that governance admitted.
    @param amount Wei of JOY, more than 0.
    """
    assert amount > 0, "JoyToken: zero amount"
    assert self.is_service[service], "JoyToken: service not admitted"
    vault: IJoyToken.Vault = self._vaults[msg.sender]
    assert vault.active + vault.thawing + amount <= vault.staked, (
        "JoyToken: not enough free stake"
    )
    self._vaults[msg.sender].active = vault.active + amount
    self._provisions[msg.sender][service].active += amount
    log IJoyToken.Provisioned(vault=msg.sender, service=service, amount=amount)


@external
def request_deprovision(service: address, amount: uint256) -> uint256:
    """
    @notice Start taking stake back from a service. It thaws, slashable, for the delay of
            today. A further request starts the delay again for all that is thawing there.
    @param service The service.
    @param amount Wei of JOY, more than 0.
    @return uint256 Unix second at which `finish_deprovision` can be called.
    """
    assert amount > 0, "JoyToken: zero amount"
    entry: IJoyToken.Provision = self._provisions[msg.sender][service]
    assert amount <= entry.active, "JoyToken: not that much provisioned"
    ends_at: uint256 = max(entry.thaw_ends, block.timestamp + self.unbonding_delay)
    self._provisions[msg.sender][service] = IJoyToken.Provision(
        active=entry.active - amount, thawing=entry.thawing + amount, thaw_ends=ends_at
    )
    self._vaults[msg.sender].active -= amount
    self._vaults[msg.sender].thawing += amount
    log IJoyToken.DeprovisionRequested(
        vault=msg.sender, service=service, amount=amount, thaw_ends=ends_at
    )
    return ends_at


@external
def finish_deprovision(service: address) -> uint256:
    """
    @notice Make thawed stake free again. Until this is called it stays slashable.
    @param service The service.
    @return uint256 Wei of JOY that left the provision.
    """
    entry: IJoyToken.Provision = self._provisions[msg.sender][service]
    assert entry.thawing > 0, "JoyToken: nothing is thawing"
    assert block.timestamp >= entry.thaw_ends, "JoyToken: still thawing"
    self._provisions[msg.sender][service].thawing = 0
    self._provisions[msg.sender][service].thaw_ends = 0
    self._vaults[msg.sender].thawing -= entry.thawing
    log IJoyToken.Deprovisioned(vault=msg.sender, service=service, amount=entry.thawing)
    return entry.thawing


@external
def slash(
    vault: address, amount: uint256, beneficiary: address, beneficiary_amount: uint256
) -> uint256:
    """
    @notice Destroy what a vault provisioned to the caller, active and thawing in
            proportion, and pay a part of it to a beneficiary. Admitted services only.
    @param vault The vault.
    @param amount Wei of JOY; more than is there takes all that is there.
    @param beneficiary Account paid; ignored if nothing is to be paid.
    @param beneficiary_amount Wei of JOY, at most half of `amount`. When less than
           `amount` is there, min(beneficiary_amount, half of the slash) is paid.
    @return uint256 Wei of JOY slashed, burned and paid parts together.
    """
    assert self.is_service[msg.sender], "JoyToken: service not admitted"
    assert beneficiary_amount <= self._beneficiary_cap(amount), (
        "JoyToken: beneficiary part over half"
    )
    entry: IJoyToken.Provision = self._provisions[vault][msg.sender]
    there: uint256 = entry.active + entry.thawing
    slashed: uint256 = min(amount, there)
    if slashed == 0:
        return 0
    from_thawing: uint256 = slashed * entry.thawing // there
    self._take_provision(vault, slashed - from_thawing, from_thawing)

    paid: uint256 = min(beneficiary_amount, self._beneficiary_cap(slashed))
    if paid > 0:
        erc20_core._check_receiver(beneficiary)
        erc20_core._move(self, beneficiary, paid)
    erc20_core._burn(self, slashed - paid)
    log IJoyToken.Slashed(
        vault=vault, service=msg.sender, amount=slashed, beneficiary=beneficiary, paid=paid
    )
    return slashed


# 7. external, state-changing: rewards
@external
def add_rewards(amount: uint256):
    """
    @notice Give tokens to all stakers, streamed over `REWARD_PERIOD`. What still streams
            from before goes on: the remaining time becomes the average, weighted by
            amount, so a small addition cannot hold up a big one.
    @param amount Wei of JOY, taken from the caller, more than 0.
    """
    assert amount > 0, "JoyToken: zero amount"
    erc20_core._move(msg.sender, self, amount)
    stream: stake_rewards.Stream = stake_rewards._add(amount, self.total_staked)
    log IJoyToken.RewardsAdded(
        payer=msg.sender,
        amount=amount,
        unstreamed=stream.unstreamed,
        seconds_left=stream.seconds_left,
    )


@external
def claim_rewards() -> uint256:
    """
    @notice Collect what the caller's stake has earned.
    @return uint256 Wei of JOY paid; a fraction of a wei stays for the next time.
    """
    stake_rewards._settle(msg.sender, self._vaults[msg.sender].staked, self.total_staked)
    amount: uint256 = stake_rewards._take(msg.sender)
    erc20_core._move(self, msg.sender, amount)
    log IJoyToken.RewardsClaimed(vault=msg.sender, amount=amount)
    return amount


# 7. external, state-changing: votes
@external
def delegate(delegatee: address):
    """
    @notice Give the vote of the caller's stake, present and future, to an account.
    @param delegatee Account that will vote; not zero.
    """
    self._delegate(msg.sender, delegatee)


@external
def delegateBySig(
    delegatee: address, nonce: uint256, expiry: uint256, v: uint8, r: bytes32, s: bytes32
):
    """
    @notice `delegate` by signature (ERC-5805).
    @param delegatee Account that will vote; not zero.
    @param nonce The signer's next nonce.
    @param expiry Unix second until which the signature is good.
    @param v Signature, recovery id 27 or 28.
    @param r Signature.
    @param s Signature, in the lower half.
    """
    assert block.timestamp <= expiry, "JoyToken: signature expired"
    struct_hash: bytes32 = keccak256(
        abi_encode(_DELEGATION_TYPE_HASH, delegatee, nonce, expiry)
    )
    signer: address = erc20_core._signer(struct_hash, v, r, s)
    assert nonce == erc20_core.nonces[signer], "JoyToken: wrong nonce"
    erc20_core.nonces[signer] = nonce + 1
    self._delegate(signer, delegatee)


# 7. external, state-changing: the owner
@external
def admit_service(service: address, admitted: bool):
    """
    @notice Let a service receive provisions and slash them, or take both from it. Owner
            only.
    @param service The service contract.
    @param admitted Whether it is a service from now on.
    """
    ownable._check_owner()
    assert service not in [empty(address), self], "JoyToken: bad service"
    self.is_service[service] = admitted
    log IJoyToken.ServiceAdmitted(service=service, admitted=admitted)


@external
def propose_unbonding_delay(delay: uint256):
    """
    @notice Announce another delay for later requests; replaces an earlier proposal.
            Owner only.
    @param delay Seconds, in [MIN_UNBONDING_DELAY, MAX_UNBONDING_DELAY].
    """
    ownable._check_owner()
    self._check_delay(delay)
    ready_at: uint256 = block.timestamp + DELAY_NOTICE
    self.pending_unbonding_delay = delay
    self.unbonding_delay_ready_at = ready_at
    log IJoyToken.UnbondingDelayProposed(delay=delay, ready_at=ready_at)


@external
def apply_unbonding_delay():
    """
    @notice Put the proposed delay into force for requests from now on, `DELAY_NOTICE`
            after it was proposed. Owner only.
    """
    ownable._check_owner()
    assert self.unbonding_delay_ready_at != 0, "JoyToken: no delay proposed"
    assert block.timestamp >= self.unbonding_delay_ready_at, "JoyToken: notice not over"
    delay: uint256 = self.pending_unbonding_delay
    self.unbonding_delay = delay
    self.pending_unbonding_delay = 0
    self.unbonding_delay_ready_at = 0
    log IJoyToken.UnbondingDelaySet(delay=delay)


# 8. external, view
@external
@view
def staked(vault: address) -> uint256:
    """
    @notice Stake of a vault that votes and earns; unbonding stake is not in it.
    @param vault The vault.
    @return uint256 Wei of JOY.
    """
    return self._vaults[vault].staked


@external
@view
def free_stake(vault: address) -> uint256:
    """
    @notice Stake that can be provisioned now.
    @param vault The vault.
    @return uint256 Wei of JOY, neither active nor thawing in any provision.
    """
    entry: IJoyToken.Vault = self._vaults[vault]
    used: uint256 = entry.active + entry.thawing
    return max(entry.staked, used) - used


@external
@view
def vault(account: address) -> IJoyToken.Vault:
    """
    @notice The totals of a vault.
    @param account The vault.
    @return Vault Its stake, provisions and tickets.
    """
    return self._vaults[account]


@external
@view
def tickets(vault: address) -> DynArray[IJoyToken.OpenTicket, 16]:
    """
    @notice The unbonding tickets of a vault that still hold something.
    @param vault The vault.
    @return DynArray Number, amount and end of each, oldest first.
    """
    open: DynArray[IJoyToken.OpenTicket, MAX_TICKETS] = []
    first: uint256 = self._vaults[vault].first_ticket
    for i: uint256 in range(self._vaults[vault].next_ticket - first, bound=MAX_TICKETS):
        entry: IJoyToken.Ticket = self._tickets[vault][first + i]
        if entry.amount > 0:
            open.append(
                IJoyToken.OpenTicket(
                    ticket=first + i, amount=entry.amount, ends_at=entry.ends_at
                )
            )
    return open


@external
@view
def provision_of(vault: address, service: address) -> uint256:
    """
    @notice Active stake that a vault provisioned to a service; thawing is not in it.
    @param vault The vault.
    @param service The service.
    @return uint256 Wei of JOY.
    """
    return self._provisions[vault][service].active


@external
@view
def thawing_of(vault: address, service: address) -> uint256:
    """
    @notice Stake that a vault is taking back from a service, still slashable by it.
    @param vault The vault.
    @param service The service.
    @return uint256 Wei of JOY.
    """
    return self._provisions[vault][service].thawing


@external
@view
def thaw_ends(vault: address, service: address) -> uint256:
    """
    @notice When thawing stake can leave the provision.
    @param vault The vault.
    @param service The service.
    @return uint256 Unix second; 0 if nothing is thawing.
    """
    return self._provisions[vault][service].thaw_ends


@external
@view
def rewards_of(vault: address) -> uint256:
    """
    @notice What `claim_rewards` would pay now.
    @param vault The vault.
    @return uint256 Wei of JOY.
    """
    return stake_rewards._claimable(vault, self._vaults[vault].staked, self.total_staked)


@external
@view
def reward_stream() -> (uint256, uint256):
    """
    @notice What still streams to stakers.
    @return uint256 Wei of JOY.
    @return uint256 Seconds left; they pass only while MIN_TOTAL_STAKE is staked.
    """
    stream: stake_rewards.Stream = stake_rewards._stream_now(self.total_staked)
    return stream.unstreamed, stream.seconds_left


@external
@view
def getVotes(account: address) -> uint256:
    """
    @notice Votes of an account now.
    @param account The account.
    @return uint256 Wei of stake delegated to it.
    """
    return checkpoints._latest(account)


@external
@view
def getPastVotes(account: address, timepoint: uint256) -> uint256:
    """
    @notice Votes of an account at the end of a block that is over.
    @param account The account.
    @param timepoint Block number, strictly below `clock()`.
    @return uint256 Wei of stake delegated to it then.
    """
    return checkpoints._at(account, timepoint)


@external
@view
def getPastTotalSupply(timepoint: uint256) -> uint256:
    """
    @notice All votes at the end of a block that is over.
    @param timepoint Block number, strictly below `clock()`.
    @return uint256 Wei of stake in all vaults then.
    """
    return checkpoints._at(empty(address), timepoint)


# 9. internal: staking
@internal
@pure
def _check_delay(delay: uint256):
    """
    @dev Hold the unbonding delay within its constants.
    @param delay Seconds.
    """
    assert delay >= MIN_UNBONDING_DELAY, "JoyToken: delay too short"
    assert delay <= MAX_UNBONDING_DELAY, "JoyToken: delay too long"


@internal
def _set_stake(account: address, amount: uint256):
    """
    @dev Change the stake that votes and earns: settles the rewards of the old one first.
    @param account The vault.
    @param amount Wei of JOY that it has staked from now on.
    """
    old: uint256 = self._vaults[account].staked
    total: uint256 = self.total_staked
    stake_rewards._settle(account, old, total)
    total = total - old + amount
    self._vaults[account].staked = amount
    self.total_staked = total
    checkpoints._push(empty(address), total)
    self._change_votes(self.delegates[account], amount, old)


@internal
def _take_provision(account: address, from_active: uint256, from_thawing: uint256):
    """
    @dev Take slashed stake from the caller's provision and from the vault. The thawing
         part comes out of unbonding tickets as far as these back thawing provisions.
    @param account The vault.
    @param from_active Wei of JOY from the active part.
    @param from_thawing Wei of JOY from the thawing part.
    """
    entry: IJoyToken.Vault = self._vaults[account]
    used: uint256 = entry.active + entry.thawing
    from_tickets: uint256 = min(from_thawing, max(used, entry.staked) - entry.staked)

    self._provisions[account][msg.sender].active -= from_active
    self._provisions[account][msg.sender].thawing -= from_thawing
    if self._provisions[account][msg.sender].thawing == 0:
        self._provisions[account][msg.sender].thaw_ends = 0
    self._vaults[account].active = entry.active - from_active
    self._vaults[account].thawing = entry.thawing - from_thawing
    if from_tickets > 0:
        self._vaults[account].unbonding = entry.unbonding - from_tickets
        self.total_unbonding -= from_tickets
        self._cut_tickets(account, from_tickets)
    self._set_stake(account, entry.staked + from_tickets - from_active - from_thawing)


@internal
def _cut_tickets(account: address, amount: uint256):
    """
    @dev Slash unbonding tickets, the newest first: it is the one that took stake which
         was already thawing.
    @param account The vault.
    @param amount Wei of JOY, at most what its tickets hold.
    """
    entry: IJoyToken.Vault = self._vaults[account]
    left: uint256 = amount
    for i: uint256 in range(entry.next_ticket - entry.first_ticket, bound=MAX_TICKETS):
        ticket: uint256 = entry.next_ticket - 1 - i
        cut: uint256 = min(left, self._tickets[account][ticket].amount)
        if cut > 0:
            self._tickets[account][ticket].amount -= cut
            left -= cut
            log IJoyToken.TicketSlashed(vault=account, ticket=ticket, amount=cut)
        if left == 0:
            break
    self._drop_empty_tickets(account)


@internal
def _drop_empty_tickets(account: address):
    """
    @dev Move the start of the open tickets past those that hold nothing.
    @param account The vault.
    """
    first: uint256 = self._vaults[account].first_ticket
    end: uint256 = self._vaults[account].next_ticket
    for _: uint256 in range(MAX_TICKETS):
        if first == end or self._tickets[account][first].amount > 0:
            break
        first += 1
    self._vaults[account].first_ticket = first


@internal
@pure
def _beneficiary_cap(slashed: uint256) -> uint256:
    """
    @dev The most of a slash that may be paid to somebody.
    @param slashed Wei of JOY.
    @return uint256 Wei of JOY.
    """
    # Divided first: callers may pass 2**256 - 1 to slash all.
    return slashed // _BPS * MAX_BENEFICIARY_BPS + slashed % _BPS * MAX_BENEFICIARY_BPS // _BPS


# 9. internal: votes
@internal
def _delegate(account: address, delegatee: address):
    """
    @dev Move the vote of a vault to another account.
    @param account The vault.
    @param delegatee Account that will vote; not zero.
    """
    assert delegatee != empty(address), "JoyToken: zero delegatee"
    old: address = self.delegates[account]
    self.delegates[account] = delegatee
    log IJoyToken.DelegateChanged(delegator=account, fromDelegate=old, toDelegate=delegatee)
    amount: uint256 = self._vaults[account].staked
    self._change_votes(old, 0, amount)
    self._change_votes(delegatee, amount, 0)


@internal
def _change_votes(account: address, gained: uint256, lost: uint256):
    """
    @dev Checkpoint a change of votes.
    @param account Account that votes.
    @param gained Wei of stake.
    @param lost Wei of stake.
    """
    if gained == lost:
        return
    old: uint256 = checkpoints._latest(account)
    checkpoints._push(account, old + gained - lost)
    log IJoyToken.DelegateVotesChanged(
        delegate=account, previousVotes=old, newVotes=old + gained - lost
    )
