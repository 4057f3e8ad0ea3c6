"""A committee job as its client sees it: request, draw, wait, finalise (docs/spec/committee.md)."""

import hashlib
import secrets
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from joynet_sdk.errors import (
    InvalidInputError,
    JoyNetError,
    UnavailableError,
)
from joynet_sdk.ports import Chain, Run
from joynet_sdk.progress import stage
from joynet_sdk.units import format_joy

FLOW = "infer.committee"
MAX_INLINE_BYTES = 4096
REQUESTED, COMMIT, REVEAL, PROPOSE, READY, DISPUTED, SETTLED, REFUNDED, LAPSED = range(1, 10)
TOLERANT = 1
REVEALED = 2
_STAGES = {
    COMMIT: "the committee computes and commits",
    REVEAL: "the committee reveals",
    PROPOSE: "answers are compared",
    READY: "finalising",
}
_REFUNDS = {
    1: "too few nodes could take a seat",
    2: "the draw was missed",
    3: "most members said UNAVAILABLE",
    4: "no answer reached a quorum",
}


class RefundedError(UnavailableError):
    """The committee gave no answer, and the payment came back.

    Attributes:
        job_id: The job.
        refund: Wei that came back.
    """

    code = "refunded"

    def __init__(self, job_id: int, reason: int, refund: int) -> None:
        self.job_id, self.refund = job_id, refund
        super().__init__(
            f"job {job_id} gave no answer: {_REFUNDS.get(reason, 'refunded')}; "
            f"{format_joy(refund)} came back",
            hint="try again, with other nodes or a smaller committee",
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a committee decided.

    Attributes:
        winner: SHA-256 of the output.
        output: The output bytes as revealed.
        votes: Digest (0x hex) or "silent"/"unavailable" -> members.
        winners: Node ids paid.
        losers: Node ids that revealed another digest.
        paid: Wei that the job cost in the end.
    """

    job_id: int
    winner: bytes
    output: bytes
    votes: Mapping[str, int]
    winners: tuple[int, ...]
    losers: tuple[int, ...]
    paid: int
    disputed: bool


def check_size(data: bytes, n: int) -> None:
    """Refuse what a committee job cannot take, before anything is paid.

    Raises:
        InvalidInputError: An even or large committee, or an input over 4 KiB.
    """
    if n < 1 or n > 21 or n % 2 == 0:
        raise InvalidInputError(f"committee of {n}, expected an odd number from 1 to 21")
    if len(data) > MAX_INLINE_BYTES:
        raise InvalidInputError(
            f"input of {len(data)} bytes, a committee takes at most {MAX_INLINE_BYTES} inline",
            hint="use --verify none, or a smaller input",
        )


def quote(chain: Chain, model_id: bytes, n: int, max_fee: int) -> int:
    """Wei that a request pulls: the members' fees, the model's price, and the draw bond.

    The draw bond comes back at the draw, and the fees of members that lose at the end.
    """
    price = chain.contract("ModelMarketplace").call("price_of", model_id)
    terms = chain.contract("ProofOfInference").call("TERMS")
    return int(n * max_fee + price + terms["draw_bond"])


def job_args(model_id: bytes, data: bytes, n: int, max_fee: int, total: int) -> dict[str, str]:
    """The journal's arguments of a job; the salt stays on this machine until the draw."""
    return {
        "model_id": "0x" + model_id.hex(),
        "input": "0x" + data.hex(),
        "n": str(n),
        "max_fee": str(max_fee),
        "total": str(total),
        "salt": "0x" + secrets.token_hex(32),
    }


def committee_flow(run: Run) -> "Verdict | RefundedError":
    """Carry a job from payment to verdict; resumable at every step.

    A refund is an outcome too: it is returned, so that the journal closes the job.
    """
    args, session = run.args, run.session
    proof, token = session.contract("ProofOfInference"), session.contract("JoyToken")
    salt, data = bytes.fromhex(args["salt"][2:]), bytes.fromhex(args["input"][2:])
    total = int(args["total"])
    stage(f"paying {format_joy(total)} for a committee of {args['n']}")
    run.approve(token, proof.address, total, before="request")
    requested = run.transact(
        "request",
        proof,
        "request",
        bytes.fromhex(args["model_id"][2:]),
        data,
        hashlib.sha256(data).digest(),
        "",
        int(args["n"]),
        int(args["max_fee"]),
        _keccak(salt),
    ).event("Requested")
    job_id = requested.args["job_id"]
    _draw(run, proof, job_id, requested, salt)
    return _decide(run, proof, job_id, total)


def _keccak(data: bytes) -> bytes:
    from eth_utils.crypto import keccak

    return keccak(data)


def _draw(run: Run, proof: Any, job_id: int, requested: Any, salt: bytes) -> None:
    session = run.session
    stage("waiting two blocks for the committee's randomness")
    session.wait_until(
        lambda: (
            session.block_number() > requested.block + 2
            or proof.call("job", job_id)["status"] != REQUESTED
        ),
        "the block that draws the committee",
    )
    if session.block_number() > requested.block + 258 and (
        proof.call("job", job_id)["status"] == REQUESTED
    ):
        run.transact("expire", proof, "expire", job_id)
        return
    stage("drawing the committee")
    run.transact("draw", proof, "draw", job_id, salt, requested.args["candidates"])


def _decide(run: Run, proof: Any, job_id: int, total: int) -> Verdict | RefundedError:
    """Wait for the members, finalise, collect the answer and what is left of the money."""
    session = run.session
    while (status := proof.call("job", job_id)["status"]) < READY:
        stage(_STAGES.get(status, "waiting"))
        if status == PROPOSE:
            _propose(run, proof, job_id)
        session.wait_until(
            lambda before=status: proof.call("job", job_id)["status"] != before,
            f"job {job_id}: {_STAGES.get(status, 'its members')}",
            timeout_s=600,
        )
    if status == READY:
        stage(_STAGES[READY])
        _finalise(run, proof, job_id)
    if proof.call("claimable", session.account.address):
        run.transact("claim", proof, "claim")
    try:
        return read_verdict(session, job_id, total)
    except RefundedError as refund:
        return refund


def _finalise(run: Run, proof: Any, job_id: int) -> None:
    """By us, unless a member was faster."""
    try:
        run.transact("finalise", proof, "finalise", job_id)
    except JoyNetError:
        if proof.call("job", job_id)["status"] <= READY:
            raise


def _propose(run: Run, proof: Any, job_id: int) -> None:
    """Propose the member whose vector most others are close to, if nobody proposed as good."""
    job, members = proof.call("job", job_id), proof.call("members", job_id)
    best, support, by_seat = best_proposal(run.session, job_id, job, members)
    if support > proof.call("proposal", job_id)[1]:
        run.transact("propose", proof, "propose", job_id, best, by_seat)


def best_proposal(
    chain: Chain, job_id: int, job: Mapping[str, Any], members: list[dict[str, Any]]
) -> tuple[int, int, list[bytes]]:
    """The seat whose vector most others are close to, how many, and all outputs by seat."""
    outputs = revealed_outputs(chain, job_id, job["request_block"])
    by_seat = [outputs.get(m["node_id"], b"") for m in members]
    support = [_support(own, by_seat, job["tolerance"]) for own in by_seat]
    best = max(range(len(by_seat)), key=support.__getitem__)
    return best, support[best], by_seat


def _support(own: bytes, outputs: list[bytes], tolerance: int) -> int:
    """How many outputs equal `own` or, as vectors, lie within the tolerance of it."""
    import numpy as np

    if not own:
        return 0
    if len(own) % 2:  # not a vector: a member may reveal any bytes
        return outputs.count(own)
    mine = np.frombuffer(own, ">i2").astype(np.int32)
    close = 0
    for other in outputs:
        if len(other) == len(own):
            distance = np.abs(np.frombuffer(other, ">i2").astype(np.int32) - mine)
            close += bool(distance.max() <= tolerance)
    return close


def revealed_outputs(chain: Chain, job_id: int, from_block: int) -> dict[int, bytes]:
    """Node id -> output bytes, from the reveals' events."""
    events = chain.contract("ProofOfInference").events(
        "Revealed", from_block, filters={"job_id": job_id}
    )
    return {event.args["node_id"]: event.args["output"] for event in events}


def read_verdict(chain: Chain, job_id: int, total: int) -> Verdict:
    """The outcome of a decided job.

    Raises:
        RefundedError: There was none.
    """
    proof = chain.contract("ProofOfInference")
    job, members = proof.call("job", job_id), proof.call("members", job_id)
    if job["status"] in (REFUNDED, LAPSED) and job["winner"] == bytes(32):
        [refund] = proof.events("Refunded", job["request_block"], filters={"job_id": job_id})
        raise RefundedError(job_id, refund.args["reason"], refund.args["refund"])
    [final] = proof.events("Finalised", job["request_block"], filters={"job_id": job_id})
    outputs = revealed_outputs(chain, job_id, job["request_block"])
    winners = tuple(m["node_id"] for i, m in enumerate(members) if final.args["winners"] >> i & 1)
    losers = tuple(
        m["node_id"] for m in members if m["state"] == REVEALED and m["node_id"] not in winners
    )
    winner = final.args["winner"]
    output = next(o for o in outputs.values() if hashlib.sha256(o).digest() == winner)
    return Verdict(
        job_id=job_id,
        winner=winner,
        output=output,
        votes=_votes(members, outputs),
        winners=winners,
        losers=losers,
        paid=len(winners) * job["max_fee"] + job["price"],
        disputed=final.args["disputed"],
    )


def _votes(members: list[dict[str, Any]], outputs: Mapping[int, bytes]) -> dict[str, int]:
    votes: Counter[str] = Counter()
    for member in members:
        output = outputs.get(member["node_id"])
        if output is not None:
            votes["0x" + hashlib.sha256(output).hexdigest()] += 1
        else:
            votes["unavailable" if member["state"] == REVEALED + 1 else "silent"] += 1
    return dict(votes)
