"""A committee member's part in a job: answer, commit, reveal, and stand up to a false verdict.

Each poll brings every open vote one step further, from the job's state on chain and the ledger
alone, so a node that was killed anywhere goes on where it stopped (docs/spec/committee.md).
"""

import asyncio
import hashlib
import secrets
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol, TypeVar

from joynet_sdk.compute.engine import EngineError
from joynet_sdk.errors import (
    InvalidInputError,
    JoyNetError,
    OverloadedError,
    RevertedError,
    UnavailableError,
)
from joynet_sdk.formats import Manifest
from joynet_sdk.inference.codec import committee_output
from joynet_sdk.inference.committee import best_proposal
from joynet_sdk.logs import get_logger
from joynet_sdk.node.ledger import Ledger, Vote
from joynet_sdk.node.serving import Catalogue, Identity
from joynet_sdk.p2p import messages as wire
from joynet_sdk.p2p.translate import infer_answer
from joynet_sdk.ports import Chain
from joynet_sdk.receipts import Receipt, salted_digest, sign
from joynet_sdk.types import Address

log = get_logger(__name__)

REQUESTED, COMMIT, REVEAL, PROPOSE, READY, DISPUTED, SETTLED, REFUNDED = range(1, 9)
DRAWN, COMMITTED = 0, 1
NO_VERDICT = bytes(32)
FIRST_LOOK = 255  # blocks that a new node looks back for its jobs
REORG_BLOCKS = 32  # seen again at each poll: a chain may take back its latest blocks
UNREACHABLE_S = 5.0  # a committee input that is not there by then is UNAVAILABLE
THREADS = 16  # that votes have for themselves: a flood of callers cannot keep them from the chain

T = TypeVar("T")


def unavailable_digest() -> bytes:
    """What a member commits to when it cannot answer: keccak256("joynet.unavailable")."""
    from eth_utils.crypto import keccak

    return keccak(text="joynet.unavailable")


def job_salt(job_id: int) -> bytes:
    """The receipt salt of a committee job; its input is public, so the salt hides nothing."""
    return job_id.to_bytes(32, "big")


def commitment(operator: Address, vote: Vote, chain_id: int, proof_of_inference: str) -> bytes:
    """keccak256(abi.encode(operator, job, model, digest, salt, chain, contract)): 32 bytes."""
    from eth_utils.crypto import keccak

    words = (
        bytes.fromhex(operator[2:]),
        vote.job_id.to_bytes(32, "big"),
        vote.model_id,
        vote.digest,
        vote.salt,
        chain_id.to_bytes(32, "big"),
        bytes.fromhex(proof_of_inference[2:]),
    )
    return keccak(b"".join(word.rjust(32, b"\0") for word in words))


class InputFetcher(Protocol):
    """Fetches a job input that is not inline; `daemon` uses the block exchange."""

    async def __call__(self, cid: str) -> bytes: ...


class SettleByProof(Protocol):
    """Ends a dispute with a proof where there is one; `disputes.DisputeProofs` in use."""

    async def __call__(
        self, job_id: int, job: Mapping[str, Any], data: bytes, output: bytes
    ) -> bool: ...


@dataclass(frozen=True, slots=True)
class _Seat:
    """This node's seat in a job."""

    job_id: int
    index: int
    job: dict[str, Any]
    members: list[dict[str, Any]]

    @property
    def me(self) -> dict[str, Any]:
        return self.members[self.index]

    @property
    def lost(self) -> bool:
        """This member's revealed digest is not the verdict."""
        return bool(self.me["digest"] != self.job["winner"])


class CommitteeMember:
    """Watches ProofOfInference for the jobs this node was drawn for."""

    def __init__(
        self,
        identity: Identity,
        node_id: int,
        chain: Chain,
        ledger: Ledger,
        catalogue: Catalogue,
        fetch_input: InputFetcher,
        settle_by_proof: SettleByProof | None = None,
    ) -> None:
        self._me, self._node_id = identity, node_id
        self._settle_by_proof = settle_by_proof
        self._chain, self._ledger = chain, ledger
        self._catalogue, self._fetch_input = catalogue, fetch_input
        self._proof = chain.contract("ProofOfInference")
        self._threads = ThreadPoolExecutor(THREADS, "votes")
        self._at_work: dict[int, asyncio.Task[None]] = {}

    async def poll(self) -> None:
        """Take up new jobs and set each open vote on its next step.

        Jobs go on side by side, beyond this call: a slow input, model or transaction of one must
        not cost another one its commit window, and with it the bond.
        """
        latest, drawn = await self._in_thread(self._newly_drawn)
        unseen = {job: block for job, block in drawn.items() if self._ledger.vote(job) is None}
        self._ledger.set_block("drawn", min([latest, *unseen.values()]))
        for job_id in [*unseen, *(vote.job_id for vote in self._ledger.open_votes())]:
            if job_id not in self._at_work:
                task = self._at_work[job_id] = asyncio.create_task(self._work(job_id))
                task.add_done_callback(partial(self._done, job_id))

    async def close(self) -> None:
        """Drop what is being worked on; the ledger has all it takes to go on."""
        tasks = list(self._at_work.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _work(self, job_id: int) -> None:
        """One job one step further; what fails is tried again at the next poll."""
        try:
            vote = self._ledger.vote(job_id) or await self._prepare(job_id)
            await self._advance(vote)
        except RevertedError as error:  # the job moved on between the look and the step
            log.info("vote_step_reverted", job=job_id, reason=error.reason)
        except (JoyNetError, TimeoutError) as error:
            log.warning("vote_step_failed", job=job_id, reason=str(error))

    def _done(self, job_id: int, task: "asyncio.Task[None]") -> None:
        del self._at_work[job_id]
        if not task.cancelled() and (bug := task.exception()) is not None:
            log.error("vote_step_crashed", job=job_id, exc_info=bug)

    async def _in_thread(self, function: Callable[..., T], *args: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *args)

    def _newly_drawn(self) -> tuple[int, dict[int, int]]:
        """The latest block; jobs drawn with this node since about the last poll, and where."""
        latest = self._chain.block_number()
        since = self._ledger.block("drawn")
        start = latest - FIRST_LOOK if since is None else min(since, latest) - REORG_BLOCKS
        drawn = {
            event.args["job_id"]: event.block
            for event in self._proof.events("Drawn", max(start, 0), latest)
            if self._node_id in event.args["node_ids"]
        }
        return latest, drawn

    def _seat(self, job_id: int) -> _Seat | None:
        job = self._proof.call("job", job_id)
        members = self._proof.call("members", job_id)
        for index, member in enumerate(members):
            if member["node_id"] == self._node_id:
                return _Seat(job_id, index, job, members)
        return None

    # --- answering ----------------------------------------------------------------------------

    async def _prepare(self, job_id: int) -> Vote:
        """Run the model and store what will be committed, before anything is sent.

        A job that this node met too late to commit, after a downtime, is only noted down.
        """
        job = await self._in_thread(self._proof.call, "job", job_id)
        if job["status"] > COMMIT:
            late = Vote(job_id, job["model_id"], unavailable_digest(), b"", None, None, "closed")
            self._ledger.save_vote(late)
            return late
        output = frame = None
        try:
            data = await self._input_of(job_id, job)
            output, frame = await self._answer(job_id, job, data)
        except (JoyNetError, TimeoutError) as error:
            log.warning("vote_unavailable", job=job_id, reason=str(error))
        digest = unavailable_digest() if output is None else hashlib.sha256(output).digest()
        salt = secrets.token_bytes(32)
        vote = Vote(job_id, job["model_id"], digest, salt, output, frame, "prepared")
        self._ledger.save_vote(vote)
        return vote

    async def _input_of(self, job_id: int, job: dict[str, Any]) -> bytes:
        """The input of the job, or of the job it judges, checked against its digest."""
        root = job_id
        while job["parent"]:
            root, job = (
                job["parent"],
                await self._in_thread(self._proof.call, "job", job["parent"]),
            )
        found = await self._in_thread(
            lambda: list(
                self._proof.events(
                    "Requested", job["request_block"], job["request_block"], {"job_id": root}
                )
            )
        )
        if not found:
            raise UnavailableError(f"the chain's node does not know the request of job {root}")
        requested = found[0]
        data: bytes = requested.args["input"]
        if requested.args["input_cid"]:
            data = await asyncio.wait_for(
                self._fetch_input(requested.args["input_cid"]), UNREACHABLE_S
            )
        if hashlib.sha256(data).digest() != job["input_digest"]:
            raise InvalidInputError(f"input of job {root} does not match its digest")
        return data

    async def _answer(self, job_id: int, job: dict[str, Any], data: bytes) -> tuple[bytes, bytes]:
        """The output to reveal, and the frame with the receipt for the client."""
        served = await self._catalogue.served(job["model_id"])
        if served is None:
            raise InvalidInputError(f"model 0x{job['model_id'].hex()} is not served here")
        manifest = served.manifest
        output = committee_output(manifest, await self._catalogue.run(manifest, data))
        receipt = self._receipt(job_id, job, manifest, data, output)
        signature = sign(self._me.domain, receipt, self._me.signer)
        return output, wire.encode(infer_answer(output, receipt, signature))

    def _receipt(
        self, job_id: int, job: dict[str, Any], manifest: Manifest, data: bytes, output: bytes
    ) -> Receipt:
        salt = job_salt(job_id)
        return Receipt(
            version=1,
            job_id=job_id,
            request_id=salt,
            client=job["client"],
            operator=self._me.operator,
            peer_id=self._me.peer_id,
            model_id=job["model_id"],
            engine_profile=manifest.engine.profile,
            request_digest=salted_digest(salt, data),
            response_digest=salted_digest(salt, output),
            verification_class=f"redundant:{job['n']}",
            price=job["max_fee"],
            voucher_hash=bytes(32),
            time=int(time.time()),
        )

    # --- one step -----------------------------------------------------------------------------

    async def _advance(self, vote: Vote) -> None:
        seat = None if vote.stage == "closed" else await self._in_thread(self._seat, vote.job_id)
        if seat is None:
            return
        status, state = seat.job["status"], seat.me["state"]
        if status == COMMIT and state == DRAWN:
            await self._send("commit", vote.job_id, self._commitment(vote))
            self._ledger.save_vote(replace(vote, stage="committed"))
        elif status == REVEAL and state == COMMITTED:
            if vote.output is None:
                await self._send("reveal_unavailable", vote.job_id, vote.salt)
            else:
                await self._send("reveal", vote.job_id, vote.output, vote.salt)
            self._ledger.save_vote(replace(vote, stage="revealed"))
        elif status == PROPOSE and await self._is_my_turn(seat):
            await self._propose(seat)
        elif status == READY and await self._is_my_turn(seat):
            await self._send("finalise", vote.job_id)
        elif status == DISPUTED:
            await self._in_dispute(seat, vote)
        elif status >= SETTLED:
            await self._after_dispute(seat, vote)

    async def _propose(self, seat: _Seat) -> None:
        """Put forward the best supported vector: a client could read it and let its job expire."""
        best, support, outputs = await self._in_thread(
            best_proposal, self._chain, seat.job_id, seat.job, seat.members
        )
        _, leading, _ = await self._in_thread(self._proof.call, "proposal", seat.job_id)
        if 2 * support > seat.job["n"] and support > leading:
            await self._try("propose", seat.job_id, best, outputs)

    def _commitment(self, vote: Vote) -> bytes:
        domain = self._me.domain
        return commitment(self._me.operator, vote, domain.chain_id, self._proof.address)

    async def _is_my_turn(self, seat: _Seat) -> bool:
        """Seats take turns of three seconds at what anyone may do, so that they do not collide."""
        turn = await self._in_thread(self._chain.now) // 3 % len(seat.members)
        return turn == seat.index

    async def _in_dispute(self, seat: _Seat, vote: Vote) -> None:
        """Prove or escalate when this node lost and its answer was honest; else settle when time
        comes."""
        dispute = await self._in_thread(self._proof.call, "dispute", vote.job_id)
        escalated = int(dispute["vault"], 16) != 0
        if seat.lost and vote.output is not None and not escalated:
            data = await self._input_of(vote.job_id, seat.job)
            if await self._still_answers_the_same(seat, vote, data):
                prove = self._settle_by_proof
                if prove and await prove(vote.job_id, seat.job, data, vote.output):
                    return
                log.warning("escalating", job=vote.job_id)
                await self._send("escalate", vote.job_id)
            return
        if not await self._is_my_turn(seat):
            return
        if escalated:
            await self._bring_escalation_on(vote.job_id, dispute["escalation"])
        await self._try("settle", vote.job_id)

    async def _bring_escalation_on(self, job_id: int, escalation: int) -> None:
        """Convene the fresh committee, again if the last one did not decide, and draw it."""
        call = self._proof.call
        child = await self._in_thread(call, "job", escalation) if escalation else None
        if child is None or child["status"] >= REFUNDED:
            await self._try("convene", job_id)
        elif child["status"] == REQUESTED:
            [requested] = await self._in_thread(
                lambda: list(
                    self._proof.events(
                        "Requested",
                        child["request_block"],
                        child["request_block"],
                        {"job_id": escalation},
                    )
                )
            )
            await self._try("draw", escalation, bytes(32), requested.args["candidates"])

    async def _still_answers_the_same(self, seat: _Seat, vote: Vote, data: bytes) -> bool:
        """Run the input again: only a member that stands by its answer risks a second bond."""
        try:
            output, _ = await self._answer(vote.job_id, seat.job, data)
        except (InvalidInputError, EngineError, OverloadedError):
            return False
        return output == vote.output

    async def _after_dispute(self, seat: _Seat, vote: Vote) -> None:
        """Slash who was wrong in the end, then close the vote."""
        verdict = seat.job["winner"]
        if seat.job["status"] == SETTLED and verdict != NO_VERDICT and not seat.lost:
            for index, member in enumerate(seat.members):
                if member["state"] == 2 and member["digest"] != verdict:
                    await self._try("execute_slash", vote.job_id, index)
        self._ledger.save_vote(replace(vote, stage="closed"))

    async def _send(self, function: str, *args: Any) -> None:
        await self._in_thread(self._proof.transact, function, *args)
        log.info("vote_step", step=function, job=args[0])

    async def _try(self, function: str, *args: Any) -> None:
        """A step that anyone may do and that may not be due: its refusal costs nothing."""
        try:
            await self._send(function, *args)
        except RevertedError as error:
            log.debug("not_due", step=function, job=args[0], reason=error.reason)
