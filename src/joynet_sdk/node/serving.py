"""`/joynet/infer/1` (docs/spec/wire.md): check a paid request, run it, answer with a receipt."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from joynet_sdk.compute.engine import EngineError
from joynet_sdk.errors import InvalidInputError, JoyNetError, OverloadedError, VerificationError
from joynet_sdk.formats import Manifest
from joynet_sdk.node.ledger import Ledger
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


class RefusalError(JoyNetError):
    """A request that gets an error answer. `wire_code` is the code it carries."""

    def __init__(self, wire_code: wire.ErrorCode, message: str, hint: str = "") -> None:
        self.wire_code = wire_code
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
    """What payers have set aside for this node; `escrow.EscrowView` in use."""

    async def available(self, payer: Address, needed: int) -> int:
        """Wei this node can still redeem from the payer, fresh enough to decide about `needed`."""
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


class InferenceServer:
    """Handles frames; one instance a node."""

    def __init__(
        self, identity: Identity, ledger: Ledger, catalogue: Catalogue, escrow: Escrow
    ) -> None:
        self._me, self._ledger = identity, ledger
        self._catalogue, self._escrow = catalogue, escrow
        self._busy_lanes: set[tuple[Address, bytes, int]] = set()
        self._reserved: Counter[Address] = Counter()  # wei that requests in flight will add
        self._running: dict[tuple[Address, bytes], asyncio.Future[bytes]] = {}
        self.answered = 0
        self.refused = 0

    async def handle(self, frame: bytes, peer_id: str) -> bytes:
        """One request frame to one answer frame; never raises."""
        try:
            request = wire.decode_request(frame)
            if isinstance(request, wire.InferRequest):
                return await self._infer_once(request)
            if isinstance(request, wire.ResultRequest):
                return self._result(request)
            return self._job(request.job_id)
        except RefusalError as error:
            self.refused += 1
            return wire.encode_error(error.wire_code, str(error), hint=error.hint or "")
        except InvalidInputError as error:
            self.refused += 1
            return wire.encode_error("bad_request", str(error), hint=error.hint or "")
        except OverloadedError as error:
            self.refused += 1
            return wire.encode_error("overloaded", str(error), retryable=True)
        except EngineError as error:
            self.refused += 1
            return wire.encode_error("engine_failed", str(error), retryable=True)

    # --- infer ------------------------------------------------------------------------------

    async def _infer_once(self, request: wire.InferRequest) -> bytes:
        """Idempotent by (client, request id): a repeat waits for, or gets, the first answer."""
        key = (to_address(request.client), request.request_id)
        if (stored := self._ledger.answer(*key)) is not None:
            return stored
        if key not in self._running:
            task = asyncio.ensure_future(self._infer(request))
            self._running[key] = task
            task.add_done_callback(lambda _: self._running.pop(key, None))
        # Shielded: a caller that hangs up does not stop a call that is being paid for.
        return await asyncio.shield(self._running[key])

    async def _infer(self, request: wire.InferRequest) -> bytes:
        served = await self._catalogue.served(request.model_id)
        if served is None:
            raise RefusalError(
                "unknown_model", f"model 0x{request.model_id.hex()} is not served here"
            )
        voucher = core_voucher(request.voucher)
        self._check_voucher(request, voucher, served.price)
        async with self._lane(voucher, served.price):
            output = await self._catalogue.run(served.manifest, request.input)
            frame = self._answer(request, voucher, served, output)
            self._ledger.record_answer(
                voucher, request.voucher.signature, served.price, request.request_id, frame
            )
        self.answered += 1
        return frame

    @asynccontextmanager
    async def _lane(self, voucher: Voucher, price: int) -> AsyncIterator[None]:
        """Hold the lane, and the escrow that its voucher needs, while a request runs."""
        lane = (voucher.payer, voucher.model_id, voucher.lane)
        if lane in self._busy_lanes:
            raise RefusalError("lane_busy", f"lane {voucher.lane} has a request in flight")
        added = self._check_promise(voucher, price)
        self._busy_lanes.add(lane)
        self._reserved[voucher.payer] += added
        try:
            await self._check_escrow(voucher.payer)
            yield
        finally:
            self._busy_lanes.discard(lane)
            self._reserved[voucher.payer] -= added

    def _check_voucher(self, request: wire.InferRequest, voucher: Voucher, price: int) -> None:
        if request.voucher.operator != bytes.fromhex(self._me.operator[2:]):
            raise RefusalError("voucher_invalid", f"voucher is not made out to {self._me.operator}")
        if request.voucher.payer != request.client or voucher.model_id != request.model_id:
            raise RefusalError("voucher_invalid", "voucher names another payer or model")
        try:
            signer = recover(self._me.domain, voucher, request.voucher.signature)
        except VerificationError as error:
            raise RefusalError("voucher_invalid", str(error)) from None
        if signer != voucher.payer:
            raise RefusalError(
                "voucher_invalid", f"voucher is signed by {signer}, not by its payer"
            )

    def _check_promise(self, voucher: Voucher, price: int) -> int:
        """The voucher pays for one more call; returns the wei it adds to the one held."""
        lane = self._ledger.lane(voucher)
        if voucher.calls < lane.calls or voucher.amount < lane.amount:
            raise RefusalError(
                "voucher_invalid", "voucher is older than the one held for this lane"
            )
        if voucher.calls <= lane.answered_calls or voucher.amount < lane.answered_amount + price:
            raise RefusalError(
                "payment_required",
                f"voucher of {voucher.amount} wei for {voucher.calls} calls, expected at least "
                f"{lane.answered_amount + price} wei for {lane.answered_calls + 1}",
            )
        return voucher.amount - lane.amount

    async def _check_escrow(self, payer: Address) -> None:
        """All that the payer promised and this node has not redeemed is covered."""
        held = self._ledger.unredeemed(payer)
        owed = sum(each.voucher.amount - each.redeemed for each in held)
        exposure = owed + self._reserved[payer]
        covered = await self._escrow.available(payer, exposure)
        if exposure > covered + self._me.unsecured_limit:
            raise RefusalError(
                "payment_required",
                f"{exposure} wei are promised, {covered} wei of escrow are allocated to this node",
                hint="joynet payment deposit AMOUNT, then joynet payment allocate",
            )

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

    # --- asking again -------------------------------------------------------------------------

    def _result(self, request: wire.ResultRequest) -> bytes:
        from eth_account import Account
        from eth_account.messages import encode_defunct

        client = to_address(request.client)
        message = encode_defunct(text=f"joynet result 0x{request.request_id.hex()}")
        try:
            check_signature_form(request.signature)
            signer = Account.recover_message(message, signature=request.signature)
        except (VerificationError, ValueError) as error:
            raise RefusalError("bad_request", f"signature: {error}") from None
        stored = self._ledger.answer(client, request.request_id) if signer == client else None
        if stored is None:
            raise RefusalError("not_found", "no answer is kept for this request")
        return stored

    def _job(self, job_id: int) -> bytes:
        vote = self._ledger.vote(job_id)
        if vote is None or vote.frame is None or vote.stage not in ("revealed", "closed"):
            raise RefusalError("not_found", f"no revealed answer for job {job_id}")
        return vote.frame
