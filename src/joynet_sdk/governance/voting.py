"""Votes and delegations: cast, or signed for somebody else to hand in."""

from joynet_sdk.errors import InsufficientFundsError, InvalidInputError, PendingError
from joynet_sdk.governance.model import SUPPORT, Dao, Power, Proposal, support_of
from joynet_sdk.governance.signatures import (
    DELEGATION_TYPES,
    VOTE_TYPES,
    SignedDelegation,
    SignedVote,
    check_place,
    domain_of,
    signature_bytes,
)
from joynet_sdk.governance.views import ZERO, Views
from joynet_sdk.ports import Chain
from joynet_sdk.types import Address
from joynet_sdk.units import format_joy

DAY_S = 86_400


class Votes:
    """Reached as `joynet.governance.votes`."""

    def __init__(self, chain: Chain, views: Views) -> None:
        self._chain, self._views = chain, views

    def power(self, account: Address, dao: Dao | None = None) -> Power:
        """What an account can decide now.

        Args:
            dao: To say what it lacks to propose there.
        """
        token = self._chain.contract("JoyToken")
        votes, delegate = token.call("getVotes", account), token.call("delegates", account)
        threshold = dao.rules.proposal_threshold if dao else None
        return Power(
            account,
            votes,
            token.call("staked", account),
            Address(delegate) if delegate != ZERO else None,
            threshold,
            max(0, (threshold or 0) - votes),
            token.call("total_staked"),
        )

    def delegate(self, to: Address) -> Power:
        """Give the vote of this account's stake, present and future, to an account."""
        self._chain.contract("JoyToken").transact("delegate", to)
        return self.power(self._chain.account.address)

    def sign_delegation(self, to: Address, *, days: int = 7) -> SignedDelegation:
        """Sign a delegation for somebody else to hand in."""
        token, me = self._chain.contract("JoyToken"), self._chain.account.address
        nonce, expiry = token.call("nonces", me), self._chain.now() + days * DAY_S
        message = {"delegatee": to, "nonce": nonce, "expiry": expiry}
        signature = self._chain.account.sign_typed_data(domain_of(token), DELEGATION_TYPES, message)
        place = (self._chain.chain_id, token.address)
        return SignedDelegation(*place, me, to, nonce, expiry, "0x" + signature.hex())

    def hand_in_delegation(self, signed: SignedDelegation) -> Power:
        """Hand in somebody's signed delegation.

        Raises:
            VerificationError: It is for another chain.
            InvalidInputError: It was used or has expired.
        """
        token = self._chain.contract("JoyToken")
        check_place(signed, self._chain.chain_id, token.address)
        self._check_fresh(token.call("nonces", signed.delegator), signed.nonce, signed.expiry)
        raw = signature_bytes(signed)
        if len(raw) != 65:
            raise InvalidInputError(f"the signature has {len(raw)} bytes, expected 65")
        parts = (raw[64], raw[:32], raw[32:64])
        token.transact("delegateBySig", signed.delegatee, signed.nonce, signed.expiry, *parts)
        return self.power(Address(signed.delegator))

    def cast(self, number: int, support: str) -> Proposal:
        """Vote once on an active proposal.

        Raises:
            PendingError: Voting has not begun.
            InvalidInputError: It is over, or this account has voted.
            InsufficientFundsError: No votes at the snapshot.
        """
        code = support_of(support)
        self._check_vote(self._views.proposal(number), self._chain.account.address)
        self._views.registry.transact("vote", number, code)
        return self._views.proposal(number)

    def _check_vote(self, proposal: Proposal, voter: str) -> None:
        if proposal.state == "pending":
            raise PendingError(
                f"proposal {proposal.id} is not open yet: voting starts after block "
                f"{proposal.snapshot}, now is {self._chain.block_number()}",
                hint="only stake held at that block votes: stake or delegate before it",
            )
        if proposal.state != "active":
            raise InvalidInputError(
                f"proposal {proposal.id} is {proposal.state}, expected an active one",
                hint=f"joynet dao show {proposal.dao.tld} --proposal {proposal.id}",
            )
        if self._views.registry.call("has_voted", proposal.id, voter):
            raise InvalidInputError(f"{voter} has voted on proposal {proposal.id} already")
        token = self._chain.contract("JoyToken")
        if not token.call("getPastVotes", voter, proposal.snapshot):
            now = token.call("getVotes", voter)
            raise InsufficientFundsError(
                f"votes of {voter} at block {proposal.snapshot}",
                0,
                1,
                hint=f"what counts is the stake held, or delegated to it, at that block; now it has"
                f" {format_joy(now)}, which counts for later proposals",
            )

    def sign_vote(self, number: int, support: str, *, days: int = 7) -> SignedVote:
        """Sign a vote for somebody else to hand in: it costs the voter nothing."""
        code, proposal = support_of(support), self._views.proposal(number)
        me, registry = self._chain.account.address, self._views.registry
        if self._views.registry.call("has_voted", number, me):
            raise InvalidInputError(f"{me} has voted on proposal {proposal.id} already")
        nonce, deadline = registry.call("vote_nonce", me), self._chain.now() + days * DAY_S
        message = {
            "proposalId": number,
            "support": code,
            "voter": me,
            "nonce": nonce,
            "deadline": deadline,
        }
        signature = self._chain.account.sign_typed_data(domain_of(registry), VOTE_TYPES, message)
        place = (self._chain.chain_id, registry.address)
        return SignedVote(*place, number, support, me, nonce, deadline, "0x" + signature.hex())

    def hand_in_vote(self, signed: SignedVote) -> Proposal:
        """Hand in somebody's signed vote.

        Raises:
            VerificationError: It is for another chain.
            InvalidInputError: It was used, has expired, or the proposal is not active.
        """
        registry = self._views.registry
        check_place(signed, self._chain.chain_id, registry.address)
        self._check_vote(self._views.proposal(signed.proposal), signed.voter)
        self._check_fresh(registry.call("vote_nonce", signed.voter), signed.nonce, signed.deadline)
        registry.transact(
            "vote_by_signature",
            signed.proposal,
            SUPPORT.get(signed.support, -1),
            signed.voter,
            signed.nonce,
            signed.deadline,
            signature_bytes(signed),
        )
        return self._views.proposal(signed.proposal)

    def _check_fresh(self, nonce: int, signed_nonce: int, deadline: int) -> None:
        if nonce != signed_nonce:
            raise InvalidInputError(
                f"the signature has nonce {signed_nonce}, the next one is {nonce}:"
                " it was used already, or another one was",
                hint="have it signed again",
            )
        if deadline < self._chain.now():
            raise InvalidInputError(
                f"the signature was good until {deadline}, now is {self._chain.now()}",
                hint="have it signed again",
            )
