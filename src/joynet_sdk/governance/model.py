"""DAOs, proposals and votes as values."""

from dataclasses import dataclass, fields
from typing import Any

from joynet_sdk.errors import InvalidInputError
from joynet_sdk.types import Address

REGISTRY = "PermaNetDAORegistry"
STATES = (
    "pending",
    "active",
    "cancelled",
    "defeated",
    "succeeded",
    "queued",
    "expired",
    "executed",
)
SUPPORT = {"against": 0, "for": 1, "abstain": 2}
MAX_CALLS, MAX_CALL_BYTES = 8, 1_024
BPS = 10_000


@dataclass(frozen=True, slots=True)
class Rules:
    """How a DAO decides; within constants that no vote can pass.

    Attributes:
        voting_delay: Blocks from proposal to snapshot.
        voting_period: Blocks.
        late_quorum_extension: Blocks that voting stays open after quorum is reached.
        execution_delay: Seconds in the timelock.
        grace_period: Seconds in which a queued proposal can be executed.
        proposal_threshold: Wei of votes needed to propose.
        quorum_bps: Of the total stake at the snapshot.
    """

    voting_delay: int
    voting_period: int
    late_quorum_extension: int
    execution_delay: int
    grace_period: int
    proposal_threshold: int
    quorum_bps: int

    @classmethod
    def of(cls, stored: dict[str, Any]) -> "Rules":
        """From the contract's struct."""
        return cls(**{field.name: stored[field.name] for field in fields(cls)})

    @property
    def struct(self) -> dict[str, int]:
        """As the contract takes it."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


@dataclass(frozen=True, slots=True)
class Dao:
    """The DAO of a TLD.

    Attributes:
        executor: Holds the treasury, owns the TLD, makes the calls.
        owns_tld: Whether it has accepted the TLD.
        guardian: May cancel proposals until `guardian_until`; None when its term is over.
        guardian_until: Unix seconds.
    """

    id: int
    tld: str
    executor: Address
    owns_tld: bool
    guardian: Address | None
    guardian_until: int
    rules: Rules


@dataclass(frozen=True, slots=True)
class Call:
    """One call that the executor makes.

    Attributes:
        amount: Wei of ether sent along.
        title: What it does, in words.
    """

    target: Address
    amount: int
    data: bytes
    title: str = ""

    @property
    def struct(self) -> dict[str, Any]:
        """As the contract takes it."""
        return {"target": self.target, "amount": self.amount, "data": self.data}


@dataclass(frozen=True, slots=True)
class Proposal:
    """One proposal.

    Attributes:
        state: One of STATES.
        snapshot: Block whose votes count.
        deadline: Last block of voting.
        votes_for, votes_against, votes_abstain: Wei of staked JOY.
        quorum: Votes for and abstaining that it needs; None until its snapshot is past.
        ready_at: Unix seconds at which it can be executed; 0: not queued.
        expires_at: Unix seconds after which it no longer can; 0: not queued.
        digest: SHA-256 of its document.
        next_step: What can happen now, in words.
    """

    id: int
    dao: Dao
    proposer: Address
    state: str
    snapshot: int
    deadline: int
    votes_for: int
    votes_against: int
    votes_abstain: int
    quorum: int | None
    ready_at: int
    expires_at: int
    digest: bytes
    calls: tuple[Call, ...]
    next_step: str = ""


@dataclass(frozen=True, slots=True)
class Power:
    """What an account can decide.

    Attributes:
        votes: Wei of stake delegated to it now.
        staked: Its own stake, in wei.
        delegate: Who votes with that; None before the first stake.
        threshold: Wei of votes that a proposal needs; None without a DAO.
        missing: Wei of votes that it lacks to propose.
        total: Wei of all votes.
    """

    account: Address
    votes: int
    staked: int
    delegate: Address | None
    threshold: int | None
    missing: int
    total: int


def support_of(word: str) -> int:
    """The number of a vote.

    Raises:
        InvalidInputError: Not for, against or abstain.
    """
    if word not in SUPPORT:
        raise InvalidInputError(f"vote is {word!r:.40}, expected {', '.join(SUPPORT)}")
    return SUPPORT[word]
