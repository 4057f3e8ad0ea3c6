"""What a proposal still needs, in words."""

from dataclasses import replace
from datetime import UTC, datetime

from joynet_sdk.governance.model import Proposal
from joynet_sdk.units import format_joy


def next_step(found: Proposal, block: int, now: int) -> Proposal:
    """The proposal with `next_step` filled in.

    Args:
        block: Of the chain now.
        now: Unix seconds, chain time.
    """
    return replace(found, next_step=_STEPS[found.state](found, block, now))


def missing_votes(found: Proposal) -> int:
    """Wei of votes, for or abstaining, that a proposal lacks to its quorum."""
    return max(0, (found.quorum or 0) - found.votes_for - found.votes_abstain)


def _pending(found: Proposal, block: int, now: int) -> str:
    left = found.snapshot - block
    return (
        f"voting starts in {left + 1} blocks; stake held at block {found.snapshot} votes:"
        " stake or delegate before it"
    )


def _active(found: Proposal, block: int, now: int) -> str:
    lacks = missing_votes(found)
    needs = [f"{format_joy(lacks)} more votes for its quorum"] if lacks else []
    if found.votes_for <= found.votes_against:
        needs.append("more votes for than against")
    until = f"until block {found.deadline}, {found.deadline - block} from now"
    return f"vote {until}; " + (f"it needs {' and '.join(needs)}" if needs else "it would succeed")


def _succeeded(found: Proposal, block: int, now: int) -> str:
    return f"joynet dao queue {found.id}"


def _defeated(found: Proposal, block: int, now: int) -> str:
    votes = f"{format_joy(found.votes_for)} for, {format_joy(found.votes_against)} against"
    lacks = missing_votes(found)
    quorum = format_joy(found.quorum or 0)
    return votes + (f"; it lacked {format_joy(lacks)} to its quorum of {quorum}" if lacks else "")


def _queued(found: Proposal, block: int, now: int) -> str:
    until = f"until {_date(found.expires_at)}"
    if found.ready_at > now:
        return f"joynet dao execute {found.id}, from {_date(found.ready_at)} on, {until}"
    return f"joynet dao execute {found.id}, {until}"


def _expired(found: Proposal, block: int, now: int) -> str:
    return f"it could be executed until {_date(found.expires_at)}: propose it again"


def _over(found: Proposal, block: int, now: int) -> str:
    return "nothing more"


_STEPS = {
    "pending": _pending,
    "active": _active,
    "cancelled": _over,
    "defeated": _defeated,
    "succeeded": _succeeded,
    "queued": _queued,
    "expired": _expired,
    "executed": _over,
}


def _date(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
