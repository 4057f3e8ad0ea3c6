"""`/joynet/infer/1` (docs/spec/wire.md): check a paid request, run it, answer with a receipt."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from joynet_sdk.compute.engine import EngineError
from joynet_sdk.errors import (
    InvalidInputError,
    JoyNetError,
    OverloadedError,
    UnavailableError,
    VerificationError,
)
from joynet_sdk.formats import Manifest
from joynet_sdk.inference.codec import check_request
from joynet_sdk.node.ledger import LaneState, Ledger
from joynet_sdk.p2p import messages as wire
from joynet_sdk.p2p.translate import core_voucher, infer_answer, to_address
from joynet_sdk.receipts import (
    Domain,
    Receipt,
    Signer,
    Voucher,
    check_signature_form,
    recover,
    salted_digest,
    sign,
    signing_hash,
)
from joynet_sdk.types import Address

MAX_CALLS = 2**63  # of one voucher; what the ledger's column holds
MAX_AMOUNT = 2**256


class RefusalError(JoyNetError):
    """A request that gets an error answer. `wire_code` is the code it carries."""

    def __init__(
        self, wire_code: wire.ErrorCode, message: str, hint: str = "", *, retryable: bool = False
    ) -> None:
        self.wire_code, self.retryable = wire_code, retryable
        super().__init__(message, hint=hint)


@dataclass(frozen=True, slots=True)
class Served:
    """A model this node serves, ready to run, and what one call costs in wei."""

    manifest: Manifest
    price: int


class Catalogue(Protocol):
    """What this node offers; `shelf.Shelf` in use."""

    async def served(self, model_id: bytes) -> Served | None:
        """The model, or None when it is not offered."""
        ...

    async def run(self, manifest: Manifest, data: bytes) -> bytes:
        """Run the model's engine."""
        ...


class Escrow(Protocol):
    """What payers have set aside for this node; `money.EscrowView` in use."""

    def allocated(self, payer: Address) -> int:
        """Wei set aside and not thawing, redeemed or not, as seen lately; 0 when not seen."""
        ...

    async def refresh(self, payer: Address) -> None:
        """See it anew."""
        ...

    async def redeemed(self, payer: Address) -> int:
        """Wei of the payer's escrow that this node ever redeemed."""
        ...

    async def channel(self, voucher: Voucher) -> tuple[int, int]:
        """(calls, wei) of the highest voucher that the contract saw on the voucher's lane."""
        ...


@dataclass(frozen=True, slots=True)
class Identity:
    """Who this node is.

    Attributes:
        signer: The operator's unlocked key.
        unsecured_limit: Wei per payer that it serves beyond the payer's allocation.
    """

    domain: Domain
    operator: Address
    peer_id: str
    signer: Signer
    unsecured_limit: int = 0


@dataclass(frozen=True, slots=True)
class _Hold:
    """A lane held by a request in flight.

    Attributes:
        lane: Its state once the request is answered.
        redeemed_before: See `Ledger.redeemed_before`.
    """

    lane: LaneState
    redeemed_before: int


class InferenceServer:
    """Handles frames; one instance a node.

    Never serves what is not paid: all that a payer promised on all its lanes, redeemed or not, is
    at most what it has set aside for this node, plus the node's own unsecured limit.
    """

    def __init__(
        self, identity: Identity, ledger: Ledger, catalogue: Catalogue, escrow: Escrow
    ) -> None:
        self._me, self._ledger = identity, ledger
        self._catalogue, self._escrow = catalogue, escrow
        self._busy_lanes: set[tuple[Address, bytes, int]] = set()
        self._reserved: Counter[Address] = Counter()  # wei that requests in flight will add
        self._running: dict[tuple[Address, bytes], asyncio.Task[bytes]] = {}
        self.answered = 0
        self.refused = 0

    async def handle(self, frame: bytes, peer_id: str) -> bytes:
        """One request frame to one answer frame."""
        try:
            return await self._dispatch(wire.decode_request(frame))
        except RefusalError as error:
            return self._refuse(error.wire_code, error, retryable=error.retryable)
        except InvalidInputError as error:
            return self._refuse("bad_request", error)
        except OverloadedError as error:
            return self._refuse("overloaded", error, retryable=True)
        except EngineError as error:
            return self._refuse("engine_failed", error, retryable=True)
        except UnavailableError:
            trouble = JoyNetError("the node cannot read the chain now")
            return self._refuse("internal", trouble, retryable=True)

    async def _dispatch(self, request: wire.Request) -> bytes:
        match request:
            case wire.InferRequest():
                return await self._infer_once(request)
            case wire.ResultRequest():
                return await self._result(request)
            case wire.JobRequest():
                return self._job(request)
            case wire.LaneRequest():
                return self._lane_held(request)

    def _refuse(
        self, code: wire.ErrorCode, error: JoyNetError, *, retryable: bool = False
    ) -> bytes:
        self.refused += 1
        return wire.encode_error(code, str(error), hint=error.hint or "", retryable=retryable)

    # --- infer ------------------------------------------------------------------------------

    async def _infer_once(self, request: wire.InferRequest) -> bytes:
        """Idempotent by (client, request id): a repeat waits for, or gets, the first answer."""
        voucher = core_voucher(request.voucher)
        self._check_voucher(request, voucher)
        key = (voucher.payer, request.request_id)
        if (stored := self._ledger.answer(*key)) is not None:
            return stored
        if key not in self._running:
            task = asyncio.create_task(self._infer(request, voucher))
            self._running[key] = task
            task.add_done_callback(lambda done: self._finished(key, done))
        # Shielded: a caller that hangs up does not stop a call that is being paid for.
        return await asyncio.shield(self._running[key])

    def _finished(self, key: tuple[Address, bytes], task: asyncio.Task[bytes]) -> None:
        del self._running[key]
        if not task.cancelled():
            task.exception()  # its caller may be gone, then nobody else looks at it

    async def _infer(self, request: wire.InferRequest, voucher: Voucher) -> bytes:
        served = await self._catalogue.served(request.model_id)
        if served is None:
            raise RefusalError(
                "unknown_model", f"model 0x{request.model_id.hex()} is not served here"
            )
        check_request(served.manifest.input, request.input)
        async with self._hold(voucher, served.price) as hold:
            output = await self._catalogue.run(served.manifest, request.input)
            frame = self._answer(request, voucher, served, output)
            self._ledger.record_answer(
                voucher,
                request.voucher.signature,
                hold.lane,
                hold.redeemed_before,
                request.request_id,
                frame,
            )
        self.answered += 1
        return frame

    def _check_voucher(self, request: wire.InferRequest, voucher: Voucher) -> None:
        if voucher.operator != self._me.operator:
            raise RefusalError("voucher_invalid", f"voucher is not made out to {self._me.operator}")
        if request.voucher.payer != request.client or voucher.model_id != request.model_id:
            raise RefusalError("voucher_invalid", "voucher names another payer or model")
        if voucher.calls >= MAX_CALLS or voucher.amount >= MAX_AMOUNT:
            raise RefusalError("voucher_invalid", "voucher's calls or amount is out of range")
        try:
            signer = recover(self._me.domain, voucher, request.voucher.signature)
        except VerificationError as error:
            raise RefusalError("voucher_invalid", str(error)) from None
        if signer != voucher.payer:
            raise RefusalError(
                "voucher_invalid", f"voucher is signed by {signer}, not by its payer"
            )

    # --- money ------------------------------------------------------------------------------

    @asynccontextmanager
    async def _hold(self, voucher: Voucher, price: int) -> AsyncIterator[_Hold]:
        """Hold the lane, and the escrow that its voucher needs, while a request runs."""
        payer, key = voucher.payer, (voucher.payer, voucher.model_id, voucher.lane)
        if key in self._busy_lanes:
            raise _lane_busy(voucher.lane)
        self._busy_lanes.add(key)
        reserved = 0
        try:
            lane = await self._lane_state(voucher)
            after = _spend(lane, voucher, price)
            redeemed_before = self._ledger.redeemed_before(payer)
            if redeemed_before is None:
                redeemed_before = await self._escrow.redeemed(payer)
            await self._check_escrow(payer, redeemed_before + voucher.amount - lane.amount)
            reserved = voucher.amount - lane.amount  # nothing else ran since the check
            self._reserved[payer] += reserved
            yield _Hold(after, redeemed_before)
        finally:
            self._busy_lanes.discard(key)
            self._reserved[payer] -= reserved
            if not self._reserved[payer]:
                del self._reserved[payer]

    async def _lane_state(self, voucher: Voucher) -> LaneState:
        """The lane as the ledger has it; a lane it never met, as the contract has it."""
        lane = self._ledger.lane(voucher)
        if lane is None:  # used before only if this node has lost its ledger
            calls, amount = await self._escrow.channel(voucher)
            lane = LaneState(calls, amount, calls, amount, settled_before=amount)
        return lane

    async def _check_escrow(self, payer: Address, added: int) -> None:
        """All that the payer ever promised this node, and `added` wei more, is set aside."""

        def exposure() -> int:
            return self._ledger.promised(payer) + self._reserved[payer] + added

        limit = self._me.unsecured_limit
        if exposure() > self._escrow.allocated(payer) + limit:
            await self._escrow.refresh(payer)
            if exposure() > (allocated := self._escrow.allocated(payer)) + limit:
                raise RefusalError(
                    "payment_required",
                    f"{exposure()} wei are promised to this node, {allocated} wei are set aside",
                    f"joynet payment allocate {self._me.operator} AMOUNT",
                )

    # --- answers ------------------------------------------------------------------------------

    def _answer(
        self, request: wire.InferRequest, voucher: Voucher, served: Served, output: bytes
    ) -> bytes:
        receipt = Receipt(
            version=1,
            job_id=0,
            request_id=request.request_id.ljust(32, b"\0"),
            client=voucher.payer,
            operator=self._me.operator,
            peer_id=self._me.peer_id,
            model_id=request.model_id,
            engine_profile=served.manifest.engine.profile,
            request_digest=salted_digest(request.salt, request.input),
            response_digest=salted_digest(request.salt, output),
            verification_class="none",
            price=served.price,
            voucher_hash=signing_hash(self._me.domain, voucher),
            time=int(time.time()),
        )
        signature = sign(self._me.domain, receipt, self._me.signer)
        return wire.encode(infer_answer(output, receipt, signature))

    async def _result(self, request: wire.ResultRequest) -> bytes:
        """The answer of an earlier request, also of one that still runs."""
        from eth_account import Account
        from eth_account.messages import encode_defunct
        from eth_keys.exceptions import BadSignature

        client = to_address(request.client)
        message = encode_defunct(text=f"joynet result 0x{request.request_id.hex()}")
        try:
            check_signature_form(request.signature)
            signer = Account.recover_message(message, signature=request.signature)
        except (VerificationError, BadSignature, ValueError) as error:
            raise RefusalError("bad_request", f"signature: {error}") from None
        key = (client, request.request_id)
        if signer == client:
            if (running := self._running.get(key)) is not None:
                return await asyncio.shield(running)
            if (stored := self._ledger.answer(*key)) is not None:
                return stored
        raise RefusalError("not_found", "no answer is kept for this request")

    def _lane_held(self, request: wire.LaneRequest) -> bytes:
        """The highest voucher held for a lane, which tells its payer what was answered."""
        payer = to_address(request.payer)
        if (payer, request.model_id, request.lane) in self._busy_lanes:
            raise _lane_busy(request.lane)
        voucher = Voucher(payer, self._me.operator, request.model_id, request.lane, 0, 0)
        lane = self._ledger.lane(voucher) or LaneState()
        return wire.encode(wire.LaneAnswer(calls=lane.calls, amount=str(lane.amount)))

    def _job(self, request: wire.JobRequest) -> bytes:
        job_id = request.job_id
        if request.proven:
            task = self._ledger.proof_task(job_id)
            if task is None or not task.frame or task.stage not in ("sent", "closed"):
                raise RefusalError("not_found", f"no proven answer for job {job_id}")
            return task.frame
        vote = self._ledger.vote(job_id)
        if vote is None or vote.frame is None or vote.stage not in ("revealed", "closed"):
            raise RefusalError("not_found", f"no revealed answer for job {job_id}")
        return vote.frame


def _lane_busy(lane: int) -> RefusalError:
    return RefusalError("lane_busy", f"lane {lane} has a request in flight", retryable=True)


def _spend(lane: LaneState, voucher: Voucher, price: int) -> LaneState:
    """The lane after one more call of `price` wei, paid by `voucher`.

    Every call that the voucher counts and that was not answered yet is paid in full: with calls
    for less, a payer could shift the node's part of the amount to the model's.

    Raises:
        RefusalError: The voucher is older than the one held, or too small.
    """
    if voucher.calls < lane.calls or voucher.amount < lane.amount:
        raise RefusalError("voucher_invalid", "voucher is older than the one held for this lane")
    unanswered = max(voucher.calls - lane.answered_calls, 1)
    due = lane.answered_amount + unanswered * price
    if voucher.calls <= lane.answered_calls or voucher.amount < due:
        raise RefusalError(
            "payment_required",
            f"voucher of {voucher.amount} wei for {voucher.calls} calls, expected at least "
            f"{due} wei for {lane.answered_calls + unanswered}",
        )
    return LaneState(
        voucher.calls,
        voucher.amount,
        lane.answered_calls + 1,
        lane.answered_amount + price,
        lane.settled_before,
    )
