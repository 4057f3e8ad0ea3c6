"""`joynet dao`: the people who hold stake decide about a top-level name."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from joynet_cli._output import out
from joynet_cli._session import ctx, open_joynet, stop_if_dry_run

if TYPE_CHECKING:
    from joynet_sdk.governance import Dao, Draft, Power, Proposal
    from joynet_sdk.governance.simulation import Simulation

app = typer.Typer(help="Govern a top-level name.", no_args_is_help=True)

Tld = Annotated[str, typer.Argument(help="TLD, e.g. joy.")]
Number = Annotated[int, typer.Argument(help="Number of the proposal.")]
Who = Annotated[str | None, typer.Argument(help="Account name or address [yours].")]
SignOnly = Annotated[
    bool, typer.Option("--sign-only", help="Print a signature file; send nothing, pay nothing.")
]
FromSignature = Annotated[
    Path | None, typer.Option("--from-signature", help="Hand in a signature file; - reads stdin.")
]
SignedDays = Annotated[
    int, typer.Option("--good-for", min=1, max=90, help="Days that the signature is good.")
]


@app.command("list")
def list_daos() -> None:
    """List every DAO.

    Examples:
      joynet dao list
    """
    with open_joynet() as joynet:
        daos = joynet.governance.daos()

    def human(_: object) -> None:
        rows = [[d.id, f".{d.tld}", d.executor, "yes" if d.owns_tld else "no"] for d in daos]
        out.table(["dao", "tld", "executor", "owns its tld"], rows)

    out.result([_describe_dao(dao) for dao in daos], human)


@app.command()
def show(
    tld: Tld,
    proposal: Annotated[
        int | None, typer.Option("--proposal", help="Show this proposal in full.")
    ] = None,
    simulate: Annotated[
        bool, typer.Option("--simulate", help="Try its calls again, on the chain as it is now.")
    ] = False,
) -> None:
    """Show a DAO, its rules and proposals; or one proposal, its text and what it changes.

    Examples:
      joynet dao show joy
      joynet dao show joy --proposal 3 --simulate
    """
    if proposal is not None:
        _show_proposal(proposal, simulate)
        return
    with open_joynet() as joynet:
        dao = joynet.governance.dao(tld)
        proposals = joynet.governance.proposals(dao)

    def human(_: object) -> None:
        _print_dao(dao)
        rows = [[p.id, p.state, p.next_step] for p in proposals]
        out.table(["proposal", "state", "next"], rows)

    document = _describe_dao(dao) | {"proposals": [_describe(p) for p in proposals]}
    out.result(document, human)


@app.command()
def create(
    tld: Tld,
    threshold: Annotated[
        str, typer.Option("--threshold", help="JOY of votes needed to propose.")
    ] = "100",
    quorum: Annotated[
        int, typer.Option("--quorum", min=4, max=100, help="Per cent of all stake.")
    ] = 10,
    voting_delay: Annotated[
        int, typer.Option("--voting-delay", min=1, help="Blocks before voting.")
    ] = 7_200,
    voting_period: Annotated[
        int, typer.Option("--voting-period", min=10, help="Blocks of voting.")
    ] = 50_400,
    extension: Annotated[
        int, typer.Option("--late-extension", min=0, help="Blocks open after a late quorum.")
    ] = 7_200,
    delay: Annotated[
        str, typer.Option("--delay", help="Timelock: 2d, 36h; at least a day.")
    ] = "2d",
    grace: Annotated[
        str, typer.Option("--grace", help="How long a queued proposal can be executed.")
    ] = "14d",
    guardian: Annotated[
        str | None, typer.Option("--guardian", help="Account that may cancel for a while.")
    ] = None,
    guardian_days: Annotated[
        int, typer.Option("--guardian-days", min=1, max=365, help="For how long.")
    ] = 180,
) -> None:
    """Give a TLD of yours to a DAO of its own: make it, offer the TLD, have it accept.

    Examples:
      joynet dao create fun --threshold 100 --quorum 10 --guardian alice --guardian-days 90
    """
    from joynet_cli.commands.devnet import parse_duration
    from joynet_cli.commands.token import address_of
    from joynet_sdk.governance import Rules
    from joynet_sdk.units import parse_joy

    rules = Rules(
        voting_delay=voting_delay,
        voting_period=voting_period,
        late_quorum_extension=min(extension, voting_period),
        execution_delay=parse_duration(delay),
        grace_period=parse_duration(grace),
        proposal_threshold=parse_joy(threshold),
        quorum_bps=quorum * 100,
    )
    who = address_of(ctx(), guardian) if guardian else None
    with open_joynet(f"Creating the DAO of .{tld}") as joynet:
        dao = joynet.governance.create(tld, rules, guardian=who, days=guardian_days)
    out.result(_describe_dao(dao), lambda _: _print_dao(dao))


@app.command()
def propose(
    tld: Tld,
    plan: Annotated[Path, typer.Option("--from", help="Plan file in YAML; - reads stdin.")],
    no_simulation: Annotated[
        bool, typer.Option("--no-simulation", help="For a node that cannot simulate.")
    ] = False,
) -> None:
    """Propose what a plan file says. It is tried on a copy of the chain first, and what it
    would change is stored with the proposal.

    Examples:
      joynet dao propose joy --from plan.yaml
      joynet dao propose joy --from plan.yaml --dry-run
    """
    from joynet_sdk.governance import parse_plan

    wanted = parse_plan(_read(plan))
    with open_joynet(f"Proposing to .{tld}") as joynet:
        draft = joynet.governance.draft(tld, wanted, is_simulated=not no_simulation)
        for line in _draft_lines(draft):
            out.note(line)
        proposal = joynet.governance.propose(draft)
        cid = joynet.governance.document_cid(proposal)

    def human(_: object) -> None:
        out.line(f"proposal {proposal.id}: {proposal.next_step}")
        out.line(f"its text is block {cid} of your store: joynet store cat {cid}")

    document = _describe(proposal) | {"document_cid": cid}
    if draft.simulation:
        document["simulation"] = draft.simulation.document
    out.result(document, human)


@app.command()
def vote(
    proposal: Annotated[int | None, typer.Argument(help="Number of the proposal.")] = None,
    support: Annotated[str | None, typer.Argument(help="for, against or abstain.")] = None,
    sign_only: SignOnly = False,
    from_signature: FromSignature = None,
    good_for: SignedDays = 7,
) -> None:
    """Vote once; or sign a vote that somebody else hands in and pays for.

    Examples:
      joynet dao vote 3 for
      joynet dao vote 3 against --sign-only > vote.json
      joynet dao vote --from-signature vote.json
    """
    from joynet_sdk.governance.signatures import SignedVote, decode_signed

    if from_signature is not None:
        signed = decode_signed(_read(from_signature), SignedVote)
        with open_joynet(f"Handing in a vote of {signed.voter}") as joynet:
            found = joynet.governance.votes.hand_in_vote(signed)
    else:
        number, word = _both(proposal, support)
        if sign_only:
            _sign_vote(number, word, good_for)
            return
        with open_joynet(f"Voting {word} proposal {number}") as joynet:
            found = joynet.governance.votes.cast(number, word)
    _print_proposal(found)


@app.command()
def delegate(
    to: Annotated[str | None, typer.Argument(help="Account name or address.")] = None,
    sign_only: SignOnly = False,
    from_signature: FromSignature = None,
    good_for: SignedDays = 7,
) -> None:
    """Give the vote of your stake to an account; back to yourself with your own name.

    Examples:
      joynet dao delegate bob
      joynet dao delegate bob --sign-only > delegation.json
      joynet dao delegate --from-signature delegation.json
    """
    from joynet_cli._errors import UsageError
    from joynet_cli.commands.token import address_of
    from joynet_sdk.governance.signatures import SignedDelegation, decode_signed, encode_signed

    if from_signature is not None:
        signed = decode_signed(_read(from_signature), SignedDelegation)
        with open_joynet(f"Handing in a delegation of {signed.delegator}") as joynet:
            power = joynet.governance.votes.hand_in_delegation(signed)
        _print_power(power)
        return
    if to is None:
        raise UsageError("to whom is missing", hint="joynet dao delegate ACCOUNT")
    receiver = address_of(ctx(), to)
    if sign_only:
        stop_if_dry_run(f"sign a delegation to {receiver}")
        with open_joynet() as joynet:
            made = joynet.governance.votes.sign_delegation(receiver, days=good_for)
        out.result(made, lambda _: out.line(encode_signed(made)))
        return
    with open_joynet(f"Delegating to {to}") as joynet:
        power = joynet.governance.votes.delegate(receiver)
    _print_power(power)


@app.command()
def power(
    account: Who = None,
    tld: Annotated[
        str | None, typer.Option("--tld", help="Say what it lacks to propose there.")
    ] = None,
) -> None:
    """Show what an account can decide: its votes, who votes with its stake, what it lacks.

    Examples:
      joynet dao power
      joynet dao power bob --tld joy
    """
    from joynet_cli.commands.token import address_of

    address = address_of(ctx(), account)
    with open_joynet() as joynet:
        dao = joynet.governance.dao(tld) if tld else None
        found = joynet.governance.votes.power(address, dao)
    _print_power(found)


@app.command()
def queue(proposal: Number) -> None:
    """Put a proposal that succeeded into the timelock. Anybody may.

    Examples:
      joynet dao queue 3
    """
    with open_joynet(f"Queueing proposal {proposal}") as joynet:
        found = joynet.governance.queue(proposal)
    _print_proposal(found)


@app.command()
def execute(proposal: Number) -> None:
    """Carry out a queued proposal once its delay is over. Anybody may.

    Examples:
      joynet dao execute 3
    """
    with open_joynet(f"Executing proposal {proposal}") as joynet:
        found = joynet.governance.execute(proposal)
    _print_proposal(found)


@app.command()
def cancel(proposal: Number) -> None:
    """Stop a proposal: its proposer before voting, the guardian while in office.

    Examples:
      joynet dao cancel 3 --account guardian
    """
    with open_joynet(f"Cancelling proposal {proposal}") as joynet:
        found = joynet.governance.cancel(proposal)
    _print_proposal(found)


@app.command()
def treasury(
    tld: Tld,
    claim: Annotated[
        bool, typer.Option("--claim", help="Have the TLD's rent split and paid in first.")
    ] = False,
) -> None:
    """Show what a DAO holds and is owed.

    Examples:
      joynet dao treasury joy
      joynet dao treasury joy --claim
    """
    from joynet_sdk.units import format_joy

    with open_joynet("Reading the treasury") as joynet:
        dao = joynet.governance.dao(tld)
        held = joynet.governance.claim(dao) if claim else joynet.governance.treasury(dao)
    document = {
        "executor": held.executor,
        "joy_wei": str(held.joy),
        "eth_wei": str(held.eth),
        "claimable_wei": str(held.claimable),
        "unsettled_wei": str(held.unsettled),
    }

    def human(_: object) -> None:
        out.line(f"{format_joy(held.joy)}, {held.eth / 10**18:.6g} ETH at {held.executor}")
        out.line(f"rent to claim {format_joy(held.claimable)}")
        out.line(f"rent of .{dao.tld} to split {format_joy(held.unsettled)}")

    out.result(document, human)


def _both(proposal: int | None, support: str | None) -> tuple[int, str]:
    from joynet_cli._errors import UsageError
    from joynet_sdk.governance.model import support_of

    if proposal is None or support is None:
        raise UsageError("proposal and vote are missing", hint="joynet dao vote 3 for")
    support_of(support)
    return proposal, support


def _sign_vote(number: int, word: str, days: int) -> None:
    from joynet_sdk.governance.signatures import encode_signed

    stop_if_dry_run(f"sign a vote {word} proposal {number}")
    with open_joynet() as joynet:
        signed = joynet.governance.votes.sign_vote(number, word, days=days)
    out.result(signed, lambda _: out.line(encode_signed(signed)))


def _read(path: Path) -> str:
    import sys

    return sys.stdin.read() if str(path) == "-" else path.read_text("utf-8")


def _show_proposal(number: int, simulate: bool) -> None:
    import json

    with open_joynet() as joynet:
        found = joynet.governance.proposal(number)
        raw = joynet.governance.text(found)
        cid = joynet.governance.document_cid(found)
        now = joynet.governance.simulate(found) if simulate else None
    stored = json.loads(raw) if raw else None
    document = _describe(found) | {"document_cid": cid, "document": stored}
    if now:
        document["simulation"] = now.document

    def human(_: object) -> None:
        out.line(f"proposal {number} of .{found.dao.tld} is {found.state}: {found.next_step}")
        if stored is None:
            out.line(f"its text is not in this store: ask its author for block {cid}")
        else:
            out.line(f"{stored['title']}\n{stored['text']}".rstrip())
        _print_calls(found)
        if now:
            _print_simulation(now)
        elif stored and stored["simulation"]:
            seen = stored["simulation"]
            out.line(f"what it changes, as its author saw it at block {seen['block']}:")
            for each in seen["changes"]:
                out.line(f"  {each['what']}: {each['before']} -> {each['after']}")

    out.result(document, human)


def _draft_lines(draft: "Draft") -> list[str]:
    lines = [f"{n}. {call.title}" for n, call in enumerate(draft.calls, 1)]
    if draft.simulation:
        lines += [f"   {each}" for each in draft.simulation.differences]
    return lines


def _describe_dao(dao: "Dao") -> dict[str, Any]:
    rules = dao.rules.struct | {"proposal_threshold": str(dao.rules.proposal_threshold)}
    return {
        "dao": dao.id,
        "tld": dao.tld,
        "executor": dao.executor,
        "owns_tld": dao.owns_tld,
        "guardian": dao.guardian,
        "guardian_until": dao.guardian_until or None,
        "rules": rules,
    }


def _print_dao(dao: "Dao") -> None:
    from datetime import UTC, datetime

    from joynet_sdk.units import format_joy

    rules, tail = dao.rules, "" if dao.owns_tld else " (does not own it yet)"
    out.line(f"DAO {dao.id} of .{dao.tld}{tail}, executor {dao.executor}")
    out.line(f"to propose: {format_joy(rules.proposal_threshold)} of votes")
    out.line(f"quorum: {rules.quorum_bps / 100:g}% of all stake")
    delay, period = rules.voting_delay, rules.voting_period
    out.line(f"voting: {period} blocks, {delay} after the proposal")
    out.line(f"timelock: {rules.execution_delay / 86_400:g} days")
    if dao.guardian:
        until = datetime.fromtimestamp(dao.guardian_until, UTC)
        out.line(f"guardian {dao.guardian} may cancel until {until:%Y-%m-%d %H:%M} UTC")


def _describe(found: "Proposal") -> dict[str, Any]:
    return {
        "proposal": found.id,
        "dao": found.dao.id,
        "tld": found.dao.tld,
        "proposer": found.proposer,
        "state": found.state,
        "snapshot": found.snapshot,
        "deadline": found.deadline,
        "for_wei": str(found.votes_for),
        "against_wei": str(found.votes_against),
        "abstain_wei": str(found.votes_abstain),
        "quorum_wei": None if found.quorum is None else str(found.quorum),
        "ready_at": found.ready_at or None,
        "expires_at": found.expires_at or None,
        "next_step": found.next_step,
        "calls": [
            {
                "title": call.title,
                "target": call.target,
                "eth_wei": str(call.amount),
                "data": call.data,
            }
            for call in found.calls
        ],
    }


def _print_proposal(found: "Proposal") -> None:
    from joynet_sdk.units import format_joy

    def human(_: object) -> None:
        out.line(f"proposal {found.id} of .{found.dao.tld} is {found.state}: {found.next_step}")
        votes = (found.votes_for, found.votes_against, found.votes_abstain)
        out.line("for {}, against {}, abstaining {}".format(*map(format_joy, votes)))

    out.result(_describe(found), human)


def _print_calls(found: "Proposal") -> None:
    from joynet_sdk.units import format_joy

    votes = (found.votes_for, found.votes_against, found.votes_abstain)
    out.line("for {}, against {}, abstaining {}".format(*map(format_joy, votes)))
    for number, call in enumerate(found.calls, 1):
        out.line(f"{number}. {call.title}")


def _print_simulation(simulation: "Simulation") -> None:
    out.line(f"tried on the chain of block {simulation.block}:")
    for step in simulation.steps:
        out.line(f"  {'ok' if step.is_ok else 'FAILS'} {step.title} {step.reason}".rstrip())
        for move in step.moves:
            out.line(f"     {move}")
    for each in simulation.differences:
        out.line(f"  {each}")


def _print_power(found: "Power") -> None:
    from joynet_sdk.units import format_joy

    document = {
        "account": found.account,
        "votes_wei": str(found.votes),
        "staked_wei": str(found.staked),
        "delegate": found.delegate,
        "threshold_wei": None if found.threshold is None else str(found.threshold),
        "missing_wei": str(found.missing),
        "total_wei": str(found.total),
    }

    def human(_: object) -> None:
        share = f" ({100 * found.votes / found.total:.3g}% of all)" if found.total else ""
        out.line(f"{found.account} has {format_joy(found.votes)} of votes{share}")
        whom = "itself" if found.delegate == found.account else found.delegate or "nobody yet"
        out.line(f"staked {format_joy(found.staked)}, voted by {whom}")
        if found.missing:
            out.line(f"it needs {format_joy(found.missing)} more staked to propose")

    out.result(document, human)
