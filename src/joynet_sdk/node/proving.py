"""A node's part in proven jobs: watch, prove, submit (docs/spec/proven-jobs.md).

Each poll brings every open job one step further, from its state on chain and the ledger alone, so
a node that was killed anywhere goes on where it stopped. One proof is made at a time.
"""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from joynet_sdk.errors import (
    InvalidInputError,
    JoyNetError,
    NotFoundError,
    RevertedError,
    UnavailableError,
    VerificationError,
)
from joynet_sdk.formats import Manifest
from joynet_sdk.inference.proven import COMMITTED, CONTRACT, NO_POINT, OPEN, PACKED, PROVEN
from joynet_sdk.logs import get_logger
from joynet_sdk.node.circuits import Circuits, Shelf
from joynet_sdk.node.ledger import Ledger, ProofTask
from joynet_sdk.node.serving import Identity
from joynet_sdk.p2p import messages as wire
from joynet_sdk.p2p.translate import infer_answer
from joynet_sdk.ports import Chain
from joynet_sdk.receipts import Receipt, salted_digest, sign
from joynet_sdk.types import Address, ProofAnswer, ProofRequest

log = get_logger(__name__)

FIRST_LOOK = 20_000  # blocks that a node without a ledger looks back, once: a job may last a day
REORG_BLOCKS = 32  # seen again at each poll: a chain may take back its latest blocks
FIX_SALT_AFTER = 128  # blocks; a block's hash can be read by contracts for 256
UNREACHABLE_S = 15.0  # a committed input that is not there by then is refused
RETRY_S = 5.0  # after a step that failed
THREADS = 4  # for the chain, beside the one that proves
NO_SALT = bytes(32)
CURSOR = "proven"

T = TypeVar("T")


class UnprovableError(JoyNetError):
    """A job's input cannot be proved, by nobody's fault but the client's."""


Fault = Callable[[bytes], bytes]


class ProofMaker:
    """Watches ProvenInference for the jobs of this node.

    Args:
        fault: Changes outputs behind a true proof's back; only ever set by the byzantine nodes
            of a development network.
    """

    def __init__(
        self,
        identity: Identity,
        node_id: int,
        chain: Chain,
        ledger: Ledger,
        shelf: Shelf,
        circuits: Circuits,
        fetch_input: Callable[[str], Awaitable[bytes]],
        fault: Fault | None = None,
    ) -> None:
        self._me, self._node_id = identity, node_id
        self._chain, self._ledger = chain, ledger
        self._shelf, self._circuits, self._fetch_input = shelf, circuits, fetch_input
        self._fault = fault
        self._contract = chain.contract(CONTRACT)
        self._fixed: set[int] = set()
        self._threads = ThreadPoolExecutor(THREADS, "proofs")
        self._at_work: dict[int, asyncio.Task[None]] = {}

    # --- jobs ---------------------------------------------------------------------------------

    async def poll(self) -> None:
        """Take up new jobs and set each open one on its next step, side by side."""
        latest, requested = await self._in_thread(self._newly_requested)
        for job_id in requested:
            if self._ledger.proof_task(job_id) is None:
                self._ledger.save_proof_task(ProofTask(job_id))
        self._ledger.set_block(CURSOR, latest)
        for task in self._ledger.open_proof_tasks():
            if task.job_id not in self._at_work:
                work = self._at_work[task.job_id] = asyncio.create_task(self._work(task.job_id))
                work.add_done_callback(partial(self._done, task.job_id))
            elif task.job_id not in self._fixed:
                await self._keep_salt(task.job_id, latest)

    async def close(self) -> None:
        """Drop what is being worked on; the ledger has all it takes to go on."""
        tasks = list(self._at_work.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _newly_requested(self) -> tuple[int, list[int]]:
        latest = self._chain.block_number()
        since = self._ledger.block(CURSOR)
        start = latest - FIRST_LOOK if since is None else min(since, latest) - REORG_BLOCKS
        events = self._contract.events(
            "Requested", max(start, 0), latest, {"node_id": self._node_id}
        )
        return latest, [event.args["job_id"] for event in events]

    async def _work(self, job_id: int) -> None:
        """One job one step further; what fails is tried again at the next poll."""
        try:
            await self._advance(job_id)
        except RevertedError as error:  # the job moved on between the look and the step
            log.info("proof_step_reverted", job=job_id, reason=error.reason)
        except JoyNetError as error:
            log.warning("proof_step_failed", job=job_id, reason=str(error))
            await asyncio.sleep(RETRY_S)

    def _done(self, job_id: int, task: "asyncio.Task[None]") -> None:
        del self._at_work[job_id]
        if not task.cancelled() and (bug := task.exception()) is not None:
            log.error("proof_step_crashed", job=job_id, exc_info=bug)

    async def _advance(self, job_id: int) -> None:
        job = await self._in_thread(self._contract.call, "job", job_id)
        task = self._ledger.proof_task(job_id)
        assert task is not None, "only tasks of the ledger are worked on"
        now = await self._in_thread(self._chain.now)
        is_ours = job["node_id"] == self._node_id  # a chain that takes back blocks may reuse an id
        if job["status"] != OPEN or now > job["deadline"] or not is_ours:
            kept = task if job["status"] == PROVEN else ProofTask(job_id)
            self._ledger.save_proof_task(replace(kept, stage="closed"))
            log.info("proof_job_over", job=job_id, status=job["status"])
            return
        salt = await self._salt(job_id, job)
        if salt == NO_SALT:
            return  # the block of the request is the latest one: the next poll
        if task.stage == "open" or task.salt != salt:
            made = await self._make(job_id, job, salt)
            if made is None:
                return
            task = made
        await self._submit(job, task)

    async def _salt(self, job_id: int, job: Mapping[str, Any]) -> bytes:
        """The statement's salt; noted on chain first where its block is getting old."""
        latest = await self._in_thread(self._chain.block_number)
        if latest - job["request_block"] > FIX_SALT_AFTER:
            await self._fix_salt(job_id)
        salt: bytes = await self._in_thread(self._contract.call, "salt_of", job_id)
        return salt

    async def _keep_salt(self, job_id: int, latest: int) -> None:
        """While a long proof is made, do not let its salt get out of the chain's memory."""
        job = await self._in_thread(self._contract.call, "job", job_id)
        if job["status"] == OPEN and latest - job["request_block"] > FIX_SALT_AFTER:
            await self._fix_salt(job_id)

    async def _fix_salt(self, job_id: int) -> None:
        if job_id in self._fixed:
            return
        try:
            await self._send("fix_salt", job_id)
        except RevertedError as error:
            if "salt is fixed" not in error.reason:
                raise
        self._fixed.add(job_id)

    # --- proving ------------------------------------------------------------------------------

    async def _make(self, job_id: int, job: Mapping[str, Any], salt: bytes) -> ProofTask | None:
        """Prove the job and store the proof; None when it was refused."""
        model_id: bytes = job["model_id"]
        folder = self._shelf.folders().get(model_id)
        served = await self._shelf.served(model_id)
        if folder is None or served is None:
            raise NotFoundError("model at hand", "0x" + model_id.hex())
        if (await self._circuits.check(model_id, folder)).circuit_id != job["circuit_id"]:
            raise VerificationError(f"job {job_id} is on another circuit than the registered one")
        try:
            data = await self._input_of(job_id, job)
            await self._check_commitment(job, served.manifest.input.shape, data)
            answer = await self._prove(job_id, job, folder, salt, data)
        except UnprovableError as error:
            await self._refuse(job_id, job, error)
            return None
        if self._fault is not None:
            answer = replace(answer, output=self._fault(answer.output))
        task = ProofTask(
            job_id,
            "proved",
            salt,
            answer.output,
            b"".join(part.to_bytes(32, "big") for part in answer.output_commitment),
            answer.proof,
            self._frame(job_id, job, served.manifest, data, answer.output),
        )
        self._ledger.save_proof_task(task)
        return task

    async def _prove(
        self, job_id: int, job: Mapping[str, Any], folder: Path, salt: bytes, data: bytes
    ) -> ProofAnswer:
        request = ProofRequest(
            chain_id=self._me.domain.chain_id,
            verifier=Address(self._chain.contract("InferenceVerifier").address),
            model_id=job["model_id"],
            circuit_id=job["circuit_id"],
            job_id=job_id,
            payee=Address(job["payee"]),
            salt=salt,
            input=data,
        )
        started = time.monotonic()
        try:
            answer = await self._circuits.run(self._circuits.prover.prove, folder, request)
        except InvalidInputError as error:
            raise UnprovableError(str(error)) from error
        log.info("proved", job=job_id, seconds=round(time.monotonic() - started, 3))
        return answer

    async def _input_of(self, job_id: int, job: Mapping[str, Any]) -> bytes:
        """The input, checked against its digest.

        Raises:
            UnprovableError: It is another one, or cannot be had.
        """
        block = job["request_block"]
        found = await self._in_thread(
            lambda: list(self._contract.events("Requested", block, block, {"job_id": job_id}))
        )
        if not found:
            raise UnavailableError(f"the chain's node does not know the request of job {job_id}")
        data: bytes = found[0].args["input"]
        if cid := found[0].args["input_cid"]:
            try:
                data = await asyncio.wait_for(self._fetch_input(cid), UNREACHABLE_S)
            except (JoyNetError, TimeoutError) as error:
                raise UnprovableError(f"input {cid:.80} cannot be had: {error}") from error
        if hashlib.sha256(data).digest() != job["input_digest"]:
            raise UnprovableError(f"input of job {job_id} does not match its digest")
        return data

    async def _check_commitment(
        self, job: Mapping[str, Any], shape: Sequence[int], data: bytes
    ) -> None:
        if job["input_kind"] != COMMITTED:
            return
        try:
            point = await self._circuits.run(self._circuits.prover.commit, shape, data)
        except InvalidInputError as error:
            raise UnprovableError(str(error)) from error
        if point != tuple(job["input_commitment"]):
            raise UnprovableError("the commitment is not that of the input")

    async def _refuse(self, job_id: int, job: Mapping[str, Any], error: UnprovableError) -> None:
        """Decline what cannot be proved; a packed input always can, so that is a fault of ours."""
        if job["input_kind"] == PACKED:
            raise error
        log.warning("proof_refused", job=job_id, reason=str(error))
        await self._send("refuse", job_id)
        self._ledger.save_proof_task(ProofTask(job_id, "closed"))

    def _frame(
        self, job_id: int, job: Mapping[str, Any], manifest: Manifest, data: bytes, output: bytes
    ) -> bytes:
        salt = job_id.to_bytes(32, "big")  # the input is public, so the salt hides nothing
        receipt = Receipt(
            version=1,
            job_id=job_id,
            request_id=salt,
            client=Address(job["client"]),
            operator=self._me.operator,
            peer_id=self._me.peer_id,
            model_id=job["model_id"],
            engine_profile=manifest.engine.profile,
            request_digest=salted_digest(salt, data),
            response_digest=salted_digest(salt, output),
            verification_class="zk",
            price=job["fee"] + job["price"],
            voucher_hash=bytes(32),
            time=int(time.time()),
        )
        signature = sign(self._me.domain, receipt, self._me.signer)
        return wire.encode(infer_answer(output, receipt, signature))

    # --- submitting ---------------------------------------------------------------------------

    async def _submit(self, job: Mapping[str, Any], task: ProofTask) -> None:
        """Send the proof, once it is known to hold: a false one costs the bond."""
        point = _point(task.commitment)
        data = b""
        if job["input_kind"] != COMMITTED:
            data = await self._input_of(task.job_id, job)
        if self._fault is None and not await self._holds(job, task, data):
            self._ledger.save_proof_task(ProofTask(task.job_id))  # to be proved again
            raise VerificationError(f"our own proof for job {task.job_id} does not hold")
        self._ledger.save_proof_task(replace(task, stage="sent"))
        await self._send("submit", task.job_id, task.salt, data, task.output, point, task.proof)

    async def _holds(self, job: Mapping[str, Any], task: ProofTask, data: bytes) -> bool:
        """Ask the verifier without a transaction, about what the contract will ask it."""
        is_packed = job["output_size"] <= 256
        statement = {
            "model_id": job["model_id"],
            "circuit_id": job["circuit_id"],
            "job_id": task.job_id,
            "payee": job["payee"],
            "salt": task.salt,
            "input": data,
            "output": task.output if is_packed else b"",
            "input_commitment": tuple(job["input_commitment"]),
            "output_commitment": NO_POINT if is_packed else _point(task.commitment),
        }
        verifier = self._chain.contract("InferenceVerifier")
        return bool(await self._in_thread(verifier.call, "verify", statement, task.proof))

    # --- threads ------------------------------------------------------------------------------

    async def _in_thread(self, function: Callable[..., T], *args: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *args)

    async def _send(self, function: str, *args: Any) -> None:
        await self._in_thread(self._contract.transact, function, *args)
        log.info("proof_step", step=function, job=args[0])


def _point(encoded: bytes) -> tuple[int, int]:
    return int.from_bytes(encoded[:32], "big"), int.from_bytes(encoded[32:], "big")
