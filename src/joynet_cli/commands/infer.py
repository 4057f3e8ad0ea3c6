"""`joynet infer`: run a model on the network."""

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from joynet_cli._output import out
from joynet_cli._session import open_joynet, stop_if_dry_run

if TYPE_CHECKING:
    from joynet_sdk.client import JoyNet
    from joynet_sdk.errors import ConfigError
    from joynet_sdk.inference.routing import Route
    from joynet_sdk.inference.service import Result

app = typer.Typer(help="Run a model on the network.", no_args_is_help=True)

Ref = Annotated[str, typer.Argument(help="Name (digits.joy), manifest CID, or 0x model id.")]


@app.command()
def run(
    ref: Ref,
    source: Annotated[str, typer.Argument(metavar="INPUT", help="A file, or the text itself.")],
    verify: Annotated[
        str,
        typer.Option(
            "--verify", help="none, redundant:N (a majority of N nodes), or zk (a checked proof)."
        ),
    ] = "none",
    save_receipt: Annotated[
        Path | None, typer.Option("--save-receipt", help="Write the receipt file here.")
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Say why each node was asked or not.")
    ] = False,
    max_price: Annotated[
        str | None, typer.Option("--max-price", help="Most JOY a node may ask for the call.")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option("--only", help="Ask this node id or operator (repeat).")
    ] = None,
    ignore: Annotated[
        list[str] | None, typer.Option("--ignore", help="Leave out this node (repeat).")
    ] = None,
) -> None:
    """Infer once, pay for it, and check the answer.

    The payment is a signed voucher on your escrow (joynet payment deposit), or for redundant:N
    and zk a job that the nodes are paid from. With zk, one node proves its answer, a contract
    checks the proof, and pays for it.

    Examples:
      joynet infer run digits.joy seven.json
      joynet infer run digits.joy seven.json --verify zk
      joynet infer run digits.joy seven.json --verify redundant:3 --save-receipt seven.receipt
      joynet infer run minilm.joy "names mean models" --json
    """
    from joynet_cli._session import ctx
    from joynet_sdk.inference.service import DEFAULT_TIMEOUT_S, parse_verify, read_input
    from joynet_sdk.units import parse_joy

    parse_verify(verify)
    data = read_input(source)
    if data == source.encode() and re.fullmatch(r"\S*(/\S*|\.\w{1,5})", source):
        out.note(f"there is no file {source}: taken as the input itself")
    options: dict[str, Any] = {
        "verify": verify,
        "max_price": None if max_price is None else parse_joy(max_price),
        "only": only or (),
        "ignore": ignore or (),
        "timeout_s": ctx().timeout_s or DEFAULT_TIMEOUT_S,
    }
    if save_receipt is not None:
        _check_writable(save_receipt)
    with open_joynet("Inferring") as joynet:
        _stop_if_dry_run(joynet, ref, options)
        _ = joynet.chain.account  # a password is asked for outside the event loop
        result = joynet.infer(ref, data, **options)
    problem = _save(result, save_receipt) if save_receipt is not None else None
    shown = None if problem else save_receipt
    out.result(_document(result, explain), lambda _: _print(result, explain, shown), error=problem)


@app.command()
def resume(
    job: Annotated[
        int | None, typer.Argument(help="Number of the journaled job [the latest unfinished].")
    ] = None,
    save_receipt: Annotated[
        Path | None, typer.Option("--save-receipt", help="Write the receipt file here.")
    ] = None,
) -> None:
    """Finish an interrupted redundant:N or zk inference: it was paid once, and is not paid again.

    Examples:
      joynet infer resume
      joynet infer resume 12 --save-receipt seven.receipt
    """
    if save_receipt is not None:
        _check_writable(save_receipt)
    with open_joynet("Resuming") as joynet:
        stop_if_dry_run(f"finish {'job ' + str(job) if job else 'the latest inference'}")
        _ = joynet.chain.account
        result = joynet.wait(joynet.inference.resume(job))
    problem = _save(result, save_receipt) if save_receipt is not None else None
    shown = None if problem else save_receipt
    out.result(_document(result, False), lambda _: _print(result, False, shown), error=problem)


def _stop_if_dry_run(joynet: "JoyNet", ref: str, options: dict[str, Any]) -> None:
    """With --dry-run, say whom the call would ask first and what it would cost."""
    from joynet_cli._session import ctx
    from joynet_sdk.inference.service import parse_verify
    from joynet_sdk.units import format_joy

    if not ctx().dry_run:
        return
    filters = {key: options[key] for key in ("max_price", "only", "ignore")}
    chosen = parse_verify(options["verify"])
    model_id = joynet.inference.resolve(ref)
    ranked = joynet.inference.routes(model_id, **filters, proving=chosen.is_proof)
    first = next((route for route in ranked if route.is_eligible), None)
    seats = chosen.seats
    whom = f"{seats} nodes drawn by stake" if seats else f"node {first.node_id}" if first else ""
    price = f"{format_joy(first.price)} a node" if first else ""
    plan = f"ask {whom} for {price}" if first else "ask nobody: no node fits"
    stop_if_dry_run(plan, routes=[_route(route) for route in ranked])


def _check_writable(path: Path) -> None:
    """Refuse a place for the receipt before the call is paid for."""
    from joynet_sdk.errors import ConfigError, NotFoundError

    if not path.parent.is_dir():
        raise NotFoundError("folder", path.parent, hint=f"mkdir -p {path.parent}")
    if path.is_dir() or not os.access(path.parent, os.W_OK):
        raise ConfigError(f"cannot write {path}", hint="--save-receipt FILE, in a folder of yours")


def _save(result: "Result", path: Path) -> "ConfigError | None":
    from joynet_sdk.errors import ConfigError
    from joynet_sdk.paths import atomic_write

    try:
        atomic_write(path, result.receipt_file.encode())
    except ConfigError as error:  # the answer is paid for: it is printed all the same
        return error
    return None


@app.command()
def show(
    job: Annotated[int, typer.Argument(help="Job id.")],
    proven: Annotated[
        bool, typer.Option("--proven", help="A job of class zk, not of a committee.")
    ] = False,
) -> None:
    """Show a committee job: its members, their votes, the verdict. Or a proven one.

    Examples:
      joynet infer show 1
      joynet infer show 1 --proven
    """
    from joynet_sdk.errors import NotFoundError

    if proven:
        _show_proven(job)
        return
    with open_joynet() as joynet:
        proof = joynet.chain.contract("ProofOfInference")
        record, members = proof.call("job", job), proof.call("members", job)
    if not record["status"]:
        raise NotFoundError("job", job)
    states = ("drawn", "committed", "revealed", "unavailable", "slashed")
    result = {
        "job": job,
        "status": _STATUS[record["status"]],
        "model_id": "0x" + record["model_id"].hex(),
        "client": record["client"],
        "winner": "0x" + record["winner"].hex(),
        "members": [
            {
                "node_id": m["node_id"],
                "operator": m["operator"],
                "state": states[m["state"]],
                "digest": "0x" + m["digest"].hex(),
            }
            for m in members
        ],
    }

    def human(_: dict[str, Any]) -> None:
        out.line(f"job {job}: {result['status']}, winner {result['winner'][:18]}...")
        out.table(
            ["node", "state", "digest", "operator"],
            [
                [m["node_id"], m["state"], m["digest"][:18] + "...", m["operator"]]
                for m in result["members"]
            ],
        )

    out.result(result, human)


def _show_proven(job: int) -> None:
    """A proven job: what it is about, how it ended, and the answer."""
    from joynet_sdk.errors import NotFoundError
    from joynet_sdk.inference.proven import CONTRACT, PROVEN, STATUS, read_outcome

    with open_joynet() as joynet:
        record = joynet.chain.contract(CONTRACT).call("job", job)
        is_proven = record["status"] == PROVEN
        answer = read_outcome(joynet.chain, job) if is_proven else None
    if not record["status"]:
        raise NotFoundError("proven job", job)
    result = {
        "job": job,
        "status": STATUS[record["status"]],
        "model_id": "0x" + record["model_id"].hex(),
        "circuit_id": "0x" + record["circuit_id"].hex(),
        "client": record["client"],
        "node_id": record["node_id"],
        "payee": record["payee"],
        "fee_wei": str(record["fee"]),
        "price_wei": str(record["price"]),
        "bond_wei": str(record["bond"]),
        "deadline": record["deadline"],
        "output": "0x" + answer.output.hex() if answer else None,
        "transaction": answer.transaction if answer else None,
    }

    def human(_: dict[str, Any]) -> None:
        out.line(f"proven job {job}: {result['status']}, by node {result['node_id']}")
        for key in ("model_id", "circuit_id", "output", "transaction"):
            if result[key]:
                out.line(f"{key:12} {result[key]}")

    out.result(result, human)


_STATUS = (
    "unknown",
    "requested",
    "commit",
    "reveal",
    "propose",
    "ready",
    "disputed",
    "settled",
    "refunded",
    "lapsed",
)


def _document(result: "Result", explain: bool) -> dict[str, Any]:
    document: dict[str, Any] = {
        "model_id": "0x" + result.model_id.hex(),
        **result.decoded.value,
        "price_wei": str(result.price),
        "receipt": json.loads(result.receipt_file.encode()),
    }
    verdict = result.verdict
    if verdict is not None:
        document["committee"] = {
            "job": verdict.job_id,
            "votes": dict(verdict.votes),
            "winners": list(verdict.winners),
            "losers": list(verdict.losers),
        }
    if result.proof is not None:
        document["proof"] = {
            "job": result.proof.job_id,
            "node_id": result.proof.node_id,
            "circuit_id": "0x" + result.proof.circuit_id.hex(),
            "transaction": result.proof.transaction,
        }
    if explain:
        document["routes"] = [_route(route) for route in result.routes]
    return document


def _route(route: "Route") -> dict[str, Any]:
    return {
        "node_id": route.node_id,
        "operator": route.operator,
        "price_wei": str(route.price),
        "reputation": route.reputation,
        "eligible": route.is_eligible,
        "reason": route.reason,
    }


def _print(result: "Result", explain: bool, save_receipt: Path | None) -> None:
    from joynet_sdk.units import format_joy

    out.line(result.decoded.summary)
    receipt, verdict, proof = result.receipt_file.receipt, result.verdict, result.proof
    if proof is not None:
        out.note(f"proven by node {proof.node_id}, checked on chain (job {proof.job_id})")
    elif verdict is not None:
        agreed, asked = len(verdict.winners), sum(verdict.votes.values())
        out.note(f"{agreed} of {asked} nodes agree (job {verdict.job_id})")
        if verdict.losers:
            out.note(f"another answer came from node {', '.join(map(str, verdict.losers))}")
    else:
        out.note(f"answered and signed by {receipt.operator}")
    out.note(f"cost {format_joy(result.price)}")
    if save_receipt is not None:
        out.note(f"receipt: joynet receipt verify {save_receipt}")
    if explain:
        for route in result.routes:
            mark = "asked in this order" if route.is_eligible else "left out"
            out.note(f"node {route.node_id} ({mark}): {route.reason}")
