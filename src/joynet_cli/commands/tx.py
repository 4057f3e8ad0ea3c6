"""`joynet tx`: the transaction journal."""

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from joynet_cli._output import out
from joynet_cli._session import ctx, open_joynet, password_for, stop_if_dry_run

if TYPE_CHECKING:
    from joynet_sdk.chain.accounts import Account
    from joynet_sdk.chain.journal import Job, Step

app = typer.Typer(help="See transactions and resume interrupted work.", no_args_is_help=True)


@app.command("list")
def list_jobs(
    show_all: Annotated[bool, typer.Option("--all", help="Finished jobs too.")] = False,
) -> None:
    """List jobs that are not finished.

    Examples:
      joynet tx list
      joynet tx list --all --json
    """
    from joynet_sdk.chain import Journal

    with Journal(ctx().home) as journal:
        jobs = journal.jobs(state=None if show_all else "open")
        documents = [_describe_job(job) for job in jobs]

    def human(rows: list[dict[str, Any]]) -> None:
        cells = [[r["job"], r["state"], r["kind"], f"{r['title']:.70}", r["note"]] for r in rows]
        out.table(["job", "state", "kind", "what", "note"], cells)

    out.result(documents, human)


@app.command()
def show(job: Annotated[int, typer.Argument(help="Number of the job.")]) -> None:
    """Show a job and its transactions, decoded.

    Examples:
      joynet tx show 3
    """
    from joynet_sdk.chain import Journal

    with Journal(ctx().home) as journal:
        document = _describe_job(journal.job(job))
        document["steps"] = [_describe_step(step) for step in journal.steps(job)]

    def human(d: dict[str, Any]) -> None:
        out.line(f"job {d['job']}: {d['title']} ({d['state']}) {d['note']}".rstrip())
        cells = [
            [s["step"], s["state"], f"{s['call']:.70}", s["nonce"], s["tx"]] for s in d["steps"]
        ]
        out.table(["step", "state", "call", "nonce", "transaction"], cells)

    out.result(document, human)


@app.command()
def resume(
    job: Annotated[
        int | None, typer.Argument(help="Number of the job; all of them if left out.")
    ] = None,
) -> None:
    """Finish interrupted jobs: send stored bytes again, never sign twice, do what is left.

    Examples:
      joynet tx resume
      joynet tx resume 3
    """
    from joynet_sdk.chain import flows
    from joynet_sdk.errors import JoyNetError

    with open_joynet("Resuming") as joynet:
        session = joynet.chain
        jobs = [session.journal.job(job)] if job is not None else flows.unfinished(session)
        stop_if_dry_run(f"resume {len(jobs)} jobs", jobs=[_describe_job(each) for each in jobs])
        resent = flows.restore_lost(session)
        problems: list[JoyNetError] = []
        for unfinished in jobs:
            session.use_account(partial(_signer, unfinished.account))
            out.note(f"job {unfinished.id}: {unfinished.title}")
            try:
                flows.resume(session, unfinished.id)
            except JoyNetError as error:  # told below; the other jobs are not its business
                problems.append(error)
        done = [_describe_job(session.journal.job(j.id)) for j in jobs]

    def human(d: dict[str, Any]) -> None:
        if d["resent"]:
            out.line(f"sent {len(d['resent'])} lost transactions again")
        for each in d["jobs"]:
            note = f" ({each['note']})" if each["note"] else ""
            out.line(f"job {each['job']} is {each['state']}: {each['title']}{note}")
        if not d["jobs"] and not d["resent"]:
            out.line("nothing to resume")

    out.result({"resent": resent, "jobs": done}, human, error=next(iter(problems), None))


def _signer(address: str) -> "Account":
    """The key of a job's account when it is one of this home, else the chosen account."""
    from joynet_cli._chain import unlock
    from joynet_sdk.chain import Keys, open_account

    context = ctx()
    owner = next((key.name for key in Keys(context.home).list() if key.address == address), None)
    return open_account(context.home, owner, password_for) if owner else unlock(context)


def _describe_job(job: "Job") -> dict[str, Any]:
    chain_id = int(job.chain.split(":")[0])
    return {
        "job": job.id,
        "state": job.state,
        "kind": job.kind,
        "title": job.title,
        "account": job.account,
        "chain_id": chain_id,
        "args": job.args,
        "note": job.note,
        "created": int(job.created),
    }


def _describe_step(step: "Step") -> dict[str, Any]:
    call = step.call
    args = ", ".join(map(str, call["args"]))
    return {
        "step": step.name,
        "state": step.state,
        "call": f"{call['contract']}.{call['function']}({args})"
        if call["contract"]
        else "send ETH",
        "to": step.receiver,
        "value_wei": str(step.value),
        "nonce": step.nonce,
        "tx": step.hash,
        "block": int(step.receipt["blockNumber"], 16) if step.receipt else None,
        "note": step.note,
    }
