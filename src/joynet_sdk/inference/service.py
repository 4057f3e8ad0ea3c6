"""Run a model on the network: find nodes, pay, ask, and check what comes back."""

import asyncio
import hashlib
import re
import secrets
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from joynet_sdk.errors import (
    InvalidInputError,
    JoyNetError,
    NotFoundError,
    RefusedError,
    UnavailableError,
    VerificationError,
)
from joynet_sdk.formats import Manifest, check_lister, parse_ref
from joynet_sdk.inference import committee, proven
from joynet_sdk.inference.codec import Decoded, decode_output, encode_input
from joynet_sdk.inference.lanes import Channel, Lane, VoucherBook
from joynet_sdk.inference.prover import Committer
from joynet_sdk.inference.routing import Route, rank, routes
from joynet_sdk.payments import Payments
from joynet_sdk.ports import Chain, Flows
from joynet_sdk.progress import stage
from joynet_sdk.receipts import (
    Answer,
    Domain,
    Receipt,
    ReceiptFile,
    Voucher,
    recover,
    salted_digest,
    sign,
    signing_hash,
)
from joynet_sdk.types import Address, ModelId

DEFAULT_TIMEOUT_S = 60.0


class NodeClient(Protocol):
    """Talks to nodes; `p2p.inferclient.InferClient` in use."""

    async def connect(self, addresses: Sequence[str]) -> str:
        """Reach a node; returns its peer id."""
        ...

    async def infer(
        self,
        peer_id: str,
        *,
        request_id: bytes,
        salt: bytes,
        data: bytes,
        voucher: Voucher,
        signature: bytes,
        timeout_s: float,
    ) -> Answer:
        """Ask for one paid inference."""
        ...

    async def lane(self, peer_id: str, *, payer: Address, model_id: bytes, lane: int) -> int:
        """Calls of the highest voucher that a node holds for a lane."""
        ...

    async def job(self, peer_id: str, job_id: int, *, is_proven: bool = False) -> Answer:
        """Ask a committee member for its revealed answer, or a prover for its proven one."""
        ...

    async def fetch_manifest(self, model_id: bytes, peer_ids: Sequence[str]) -> None:
        """Bring a manifest into the store."""
        ...


class Names(Protocol):
    """Resolves names; `domains.Domains` in use."""

    def model_of(self, name: str, version: str | None = None) -> ModelId:
        """The model a name is bound to."""
        ...


OpenClient = Callable[[], AbstractAsyncContextManager[NodeClient]]
LoadManifest = Callable[[ModelId], Manifest]
# Finishes a journaled committee or proven job: its arguments and its outcome.
Outcome = committee.Verdict | committee.RefundedError | proven.Proven | proven.UnprovenError
Resume = Callable[[int | None], tuple[dict[str, Any], Outcome]]


@dataclass(frozen=True, slots=True)
class Result:
    """An answer that was checked.

    Attributes:
        response: The response's bytes.
        decoded: The same for people.
        receipt_file: Proof of what was asked and answered; verifies offline.
        routes: Every node that offered the model, with the reason it was asked or not.
        verdict: The committee's decision, for `redundant:N`.
        proof: What the contract checked, for `zk`.
        price: Wei paid.
    """

    model_id: ModelId
    response: bytes
    decoded: Decoded
    receipt_file: ReceiptFile
    routes: tuple[Route, ...]
    price: int
    verdict: committee.Verdict | None = None
    proof: proven.Proven | None = None


@dataclass(frozen=True, slots=True)
class _Call:
    """One direct request to one node."""

    route: Route
    peer_id: str
    request_id: bytes
    salt: bytes
    data: bytes
    timeout_s: float


class Inference:
    """Reached as `JoyNet().inference`; `run` is the async core of `JoyNet.infer`."""

    def __init__(
        self,
        chain: Chain,
        flows: Flows,
        names: Names,
        payments: Payments,
        book: VoucherBook,
        open_client: OpenClient,
        load_manifest: LoadManifest,
        resume: Resume,
        committer: Committer,
    ) -> None:
        self._chain, self._flows, self._names = chain, flows, names
        self._payments, self._book = payments, book
        self._open_client, self._load_manifest = open_client, load_manifest
        self._resume, self._committer = resume, committer

    @property
    def domain(self) -> Domain:
        """The EIP-712 domain of this network."""
        coordinator = self._chain.contract("NodeCoordinator").address
        return Domain(self._chain.chain_id, Address(coordinator))

    def resolve(self, ref: str) -> ModelId:
        """A REF to a model id.

        Raises:
            InvalidInputError: Not a REF.
            NotFoundError: No such name, or it names no model.
        """
        parsed = parse_ref(ref)
        if parsed.model_id is not None:
            return parsed.model_id
        assert parsed.name is not None, "a REF is a name or a model id"
        return self._names.model_of(parsed.name, parsed.version)

    def routes(
        self,
        model_id: ModelId,
        *,
        max_price: int | None = None,
        only: Collection[str] = (),
        ignore: Collection[str] = (),
        proving: bool = False,
    ) -> list[Route]:
        """Nodes that offer a model, best first, with reasons.

        Args:
            proving: Only those that prove their answers, at the price of a proof.

        Raises:
            NotFoundError: Proofs are asked for, and the model has no circuit.
        """
        price = self._chain.contract("ModelMarketplace").call("price_of", model_id)
        found = routes(self._chain, model_id, price)
        if proving:
            proven.circuit_of(self._chain, model_id)
            found = proven.proof_routes(self._chain, model_id, price, found)
        return rank(found, max_price=max_price, only=only, ignore=ignore)

    async def run(
        self,
        ref: str,
        data: bytes,
        *,
        verify: str = "none",
        max_price: int | None = None,
        only: Collection[str] = (),
        ignore: Collection[str] = (),
        timeout_s: float = DEFAULT_TIMEOUT_S,
    ) -> Result:
        """Infer once.

        Args:
            ref: Name, manifest CID or model id.
            data: The input as a user has it: text, or JSON numbers (see `codec.encode_input`).
            verify: "none" (one node, signed receipt), "redundant:N" (majority of N nodes) or "zk"
                (one node, whose proof a contract checks).
            max_price: Most to pay a node for the call, in wei, model's part included.

        Raises:
            NotFoundError: No such model, or no node offers it.
            UnavailableError: No node answered.
            VerificationError: An answer was wrong.
            InsufficientFundsError: The escrow or the wallet does not cover the price.
        """
        chosen = parse_verify(verify)
        model_id = await asyncio.to_thread(self.resolve, ref)
        stage("choosing nodes")
        ranked = await asyncio.to_thread(
            lambda: self.routes(
                model_id, max_price=max_price, only=only, ignore=ignore, proving=chosen.is_proof
            )
        )
        eligible = [route for route in ranked if route.is_eligible]
        if not eligible:
            reasons = "; ".join(f"node {r.node_id}: {r.reason}" for r in ranked)
            offer = "joynet node start --prove" if chosen.is_proof else "joynet node offer"
            hint = "loosen --max-price, --only or --ignore" if ranked else offer
            raise NotFoundError("node for", f"{ref} ({reasons or 'nobody offers it'})", hint=hint)
        async with self._open_client() as client:
            manifest = await self._manifest(client, model_id, eligible)
            request = encode_input(manifest.input, data)
            if chosen.is_proof:
                return await self._run_proven(client, manifest, request, ranked)
            if chosen.seats:
                return await self._run_committee(client, manifest, request, ranked, chosen.seats)
            return await self._run_direct(client, manifest, request, ranked, timeout_s)

    async def resume(self, job_id: int | None = None) -> Result:
        """Finish a `redundant:N` or `zk` inference that was interrupted after it was paid.

        Args:
            job_id: The journal's number of it; the latest unfinished one by default.
        """
        args, outcome = await asyncio.to_thread(self._resume, job_id)
        decided = _decided(outcome)
        model_id = ModelId(bytes.fromhex(args["model_id"][2:]))
        ranked = await asyncio.to_thread(self.routes, model_id)
        async with self._open_client() as client:
            eligible = [route for route in ranked if route.is_eligible]
            manifest = await self._manifest(client, model_id, eligible)
            data = bytes.fromhex(args["input"][2:])
            if isinstance(decided, proven.Proven):
                return await self._proven_result(client, manifest, data, ranked, decided)
            return await self._committee_result(client, manifest, data, ranked, decided)

    async def _manifest(
        self, client: NodeClient, model_id: ModelId, eligible: list[Route]
    ) -> Manifest:
        """A model's manifest, from the store or else from a node that serves it.

        Raises:
            VerificationError: Somebody else than its publisher listed it.
        """
        try:
            manifest = await asyncio.to_thread(self._load_manifest, model_id)
        except NotFoundError:
            stage("fetching the model's manifest")
            peers = [await client.connect(route.addresses) for route in eligible[:1]]
            await client.fetch_manifest(model_id, peers)
            manifest = await asyncio.to_thread(self._load_manifest, model_id)
        market = self._chain.contract("ModelMarketplace")
        listed = await asyncio.to_thread(market.call, "listing", model_id)
        check_lister(manifest, listed["publisher"])
        return manifest

    # --- one node -------------------------------------------------------------------------------

    async def _run_direct(
        self,
        client: NodeClient,
        manifest: Manifest,
        data: bytes,
        ranked: list[Route],
        timeout_s: float,
    ) -> Result:
        """Ask eligible nodes in order until one answers."""
        problem: JoyNetError | None = None
        for route in [route for route in ranked if route.is_eligible]:
            stage(f"asking node {route.node_id}")
            try:
                peer_id = await client.connect(route.addresses)
                request_id, salt = secrets.token_bytes(16), secrets.token_bytes(32)
                call = _Call(route, peer_id, request_id, salt, data, timeout_s)
                file = await self._call_node(client, manifest.model_id, call)
            except (UnavailableError, RefusedError, VerificationError) as error:
                if isinstance(error, RefusedError) and error.wire_code == "bad_request":
                    raise
                stage(f"node {route.node_id}: {error}")
                problem = error
                continue
            return Result(
                model_id=manifest.model_id,
                response=file.response,
                decoded=decode_output(manifest.output, file.response),
                receipt_file=file,
                routes=tuple(ranked),
                price=file.receipt.price,
            )
        assert problem is not None, "there was an eligible node"
        raise problem

    async def _call_node(self, client: NodeClient, model_id: ModelId, call: _Call) -> ReceiptFile:
        route, me = call.route, self._chain.account
        channel = Channel(self.domain, me.address, route.operator, model_id)
        async with self._lane(client, channel, call.peer_id) as lane:
            voucher = lane.promise(call.request_id, route.price)
            await self._cover(lane, route)
            signature = sign(self.domain, voucher, me)
            answer = await self._ask(client, call, voucher, signature)
            self._check(answer, call, voucher)
            lane.answered()
        return ReceiptFile(
            self.domain, answer.receipt, answer.signature, call.salt, call.data, answer.output
        )

    async def _ask(
        self, client: NodeClient, call: _Call, voucher: Voucher, signature: bytes
    ) -> Answer:
        """Send the request; a broken connection is tried once more with the same request id."""
        for attempt in (1, 2):
            try:
                return await client.infer(
                    call.peer_id,
                    request_id=call.request_id,
                    salt=call.salt,
                    data=call.data,
                    voucher=voucher,
                    signature=signature,
                    timeout_s=call.timeout_s,
                )
            except UnavailableError:
                if attempt == 2:
                    raise
                await client.connect(call.route.addresses)
        raise AssertionError("unreachable")

    @asynccontextmanager
    async def _lane(
        self, client: NodeClient, channel: Channel, peer_id: str
    ) -> AsyncIterator[Lane]:
        """A leased lane that is free to use; those with a request still running are passed over."""
        with ExitStack() as leases:
            lane = leases.enter_context(self._book.lease(channel))
            while not await self._is_settled(client, lane, peer_id):
                lane = leases.enter_context(self._book.lease(channel))
            yield lane

    async def _is_settled(self, client: NodeClient, lane: Lane, peer_id: str) -> bool:
        """Learn what became of the lane's last request, if we never saw its answer."""
        if lane.pending is None:
            return True
        channel = lane.channel
        try:
            held = await client.lane(
                peer_id, payer=channel.payer, model_id=channel.model_id, lane=lane.number
            )
        except RefusedError as error:
            if error.wire_code != "lane_busy":
                raise
            return False
        lane.settle(held)
        return True

    async def _cover(self, lane: Lane, route: Route) -> None:
        """Set escrow aside for all that is promised, so also for calls that run beside this one.

        What cannot be covered is never sent.
        """
        channel = lane.channel
        promised = self._book.promised(self.domain, channel.payer, channel.operator)
        try:
            await asyncio.to_thread(
                self._payments.ensure_allocation,
                channel.operator,
                promised - route.price,
                route.price,
            )
        except JoyNetError:
            lane.unanswered()
            raise

    def _check(self, answer: Answer, call: _Call, voucher: Voucher) -> None:
        """The receipt must say exactly what was asked, by whom, and be signed by the operator.

        Raises:
            VerificationError: Naming the field that is wrong.
        """
        receipt = answer.receipt
        expected = {
            "job_id": 0,
            "request_id": call.request_id.ljust(32, b"\0"),
            "client": voucher.payer,
            "operator": voucher.operator,
            "peer_id": call.peer_id,
            "model_id": voucher.model_id,
            "request_digest": salted_digest(call.salt, call.data),
            "verification_class": "none",
            "voucher_hash": signing_hash(self.domain, voucher),
        }
        if receipt.price > call.route.price:
            raise VerificationError(
                f"the receipt says {receipt.price} wei, at most {call.route.price} were offered"
            )
        check_receipt(self.domain, answer, receipt, call.salt, expected)

    # --- a committee ----------------------------------------------------------------------------

    async def _run_committee(
        self,
        client: NodeClient,
        manifest: Manifest,
        data: bytes,
        ranked: list[Route],
        n: int,
    ) -> Result:
        model_id = manifest.model_id
        committee.check_size(data, n)
        fee = self._member_fee(model_id, ranked, n)
        total = await asyncio.to_thread(committee.quote, self._chain, model_id, n, fee)
        args = committee.job_args(model_id, data, n, fee, total)
        title = f"committee of {n} for 0x{model_id.hex()[:12]}"
        decided = _decided(await asyncio.to_thread(self._flows, committee.FLOW, title, args))
        assert isinstance(decided, committee.Verdict), "the flow of a committee ends in a verdict"
        return await self._committee_result(client, manifest, data, ranked, decided)

    def _member_fee(self, model_id: ModelId, ranked: list[Route], n: int) -> int:
        """The n-th lowest node price: what each member must be offered to fill n seats."""
        model_price = self._chain.contract("ModelMarketplace").call("price_of", model_id)
        prices = sorted(route.price - model_price for route in ranked if route.is_eligible)
        if len(prices) < n:
            raise NotFoundError(
                "committee",
                f"{n} seats, only {len(prices)} nodes offer the model",
                hint="ask for a smaller committee: --verify redundant:1",
            )
        return int(prices[n - 1])

    async def _committee_result(
        self,
        client: NodeClient,
        manifest: Manifest,
        data: bytes,
        ranked: list[Route],
        verdict: committee.Verdict,
    ) -> Result:
        """Collect a winner's receipt for the decided job."""
        stage("collecting the receipt")
        by_id = {route.node_id: route for route in ranked}
        problem: JoyNetError | None = None
        for node_id in verdict.winners:
            route = by_id.get(node_id)
            if route is None:
                continue
            try:
                peer_id = await client.connect(route.addresses)
                answer = await client.job(peer_id, verdict.job_id)
                file = self._check_job(answer, route, manifest, data, verdict)
            except (UnavailableError, RefusedError, VerificationError) as error:
                problem = error
                continue
            return Result(
                model_id=manifest.model_id,
                response=verdict.output,
                decoded=decode_output(manifest.output, verdict.output, from_committee=True),
                receipt_file=file,
                routes=tuple(ranked),
                price=verdict.paid,
                verdict=verdict,
            )
        raise problem or UnavailableError(
            f"no member of job {verdict.job_id} gives its receipt",
            hint=f"joynet infer show {verdict.job_id}",
        )

    def _check_job(
        self,
        answer: Answer,
        route: Route,
        manifest: Manifest,
        data: bytes,
        verdict: committee.Verdict,
    ) -> ReceiptFile:
        digest = "0x" + hashlib.sha256(answer.output).hexdigest()
        exact = manifest.verification == "exact"
        if digest not in ({"0x" + verdict.winner.hex()} if exact else verdict.votes):
            raise VerificationError(
                f"the receipt is for another answer than what won job {verdict.job_id}"
            )
        salt = verdict.job_id.to_bytes(32, "big")
        expected = {
            "job_id": verdict.job_id,
            "client": self._chain.account.address,
            "operator": route.operator,
            "model_id": manifest.model_id,
            "request_digest": salted_digest(salt, data),
        }
        check_receipt(self.domain, answer, answer.receipt, salt, expected)
        return ReceiptFile(self.domain, answer.receipt, answer.signature, salt, data, answer.output)

    # --- a proof --------------------------------------------------------------------------------

    async def _run_proven(
        self, client: NodeClient, manifest: Manifest, data: bytes, ranked: list[Route]
    ) -> Result:
        """Order a proof from the best node."""
        if manifest.verification != "exact":
            raise InvalidInputError(
                f"model {manifest.title[:60]!r} is of class {manifest.verification}, "
                "only an exact one can be proved",
                hint="--verify redundant:3",
            )
        model_id, node = manifest.model_id, ranked[0]
        args = await asyncio.to_thread(
            proven.job_args,
            *(self._chain, model_id, node, manifest.input.shape, data, self._committer),
        )
        title = f"proof by node {node.node_id} for 0x{model_id.hex()[:12]}"
        decided = _decided(await asyncio.to_thread(self._flows, proven.FLOW, title, args))
        assert isinstance(decided, proven.Proven), "the flow of a proof ends in a proof"
        return await self._proven_result(client, manifest, data, ranked, decided)

    async def _proven_result(
        self,
        client: NodeClient,
        manifest: Manifest,
        data: bytes,
        ranked: list[Route],
        answer: proven.Proven,
    ) -> Result:
        """Check what the contract cannot see, and collect the node's receipt."""
        await asyncio.to_thread(proven.check_output, answer, manifest.output.shape, self._committer)
        stage("collecting the receipt")
        route = next((route for route in ranked if route.node_id == answer.node_id), None)
        if route is None:
            raise NotFoundError("node", answer.node_id, hint=_show_proven(answer))
        try:
            peer_id = await client.connect(route.addresses)
            signed = await client.job(peer_id, answer.job_id, is_proven=True)
        except (UnavailableError, RefusedError) as error:
            raise UnavailableError(
                f"job {answer.job_id} is proven, but its node gives no receipt: {error}",
                hint=_show_proven(answer),
            ) from error
        salt = answer.job_id.to_bytes(32, "big")
        expected = {
            "job_id": answer.job_id,
            "client": self._chain.account.address,
            "operator": route.operator,
            "model_id": manifest.model_id,
            "request_digest": salted_digest(salt, data),
            "response_digest": salted_digest(salt, answer.output),
            "verification_class": "zk",
        }
        check_receipt(self.domain, signed, signed.receipt, salt, expected)
        return Result(
            model_id=manifest.model_id,
            response=answer.output,
            decoded=decode_output(manifest.output, answer.output),
            receipt_file=ReceiptFile(
                self.domain, signed.receipt, signed.signature, salt, data, answer.output
            ),
            routes=tuple(ranked),
            price=answer.paid,
            proof=answer,
        )


def _show_proven(answer: proven.Proven) -> str:
    return f"the answer is on chain: joynet infer show {answer.job_id} --proven"


def _decided(outcome: Outcome) -> committee.Verdict | proven.Proven:
    if isinstance(outcome, committee.RefundedError | proven.UnprovenError):
        raise outcome
    return outcome


def check_receipt(
    domain: Domain, answer: Answer, receipt: Receipt, salt: bytes, expected: dict[str, Any]
) -> None:
    """Compare a receipt with what it must say.

    Raises:
        VerificationError: A field differs, or the operator did not sign it.
    """
    expected = {"version": 1, "response_digest": salted_digest(salt, answer.output)} | expected
    for field, value in expected.items():
        if getattr(receipt, field) != value:
            raise VerificationError(f"the receipt's {field} is not what was asked for")
    signer = recover(domain, receipt, answer.signature)
    if signer != receipt.operator:
        raise VerificationError(f"the receipt is signed by {signer}, not by {receipt.operator}")


@dataclass(frozen=True, slots=True)
class Choice:
    """How an answer is to be verified.

    Attributes:
        seats: Of a committee; 0: none.
        is_proof: One node proves it.
    """

    seats: int = 0
    is_proof: bool = False


def parse_verify(text: str) -> Choice:
    """Read a verification choice: "none", "redundant:N" or "zk".

    Raises:
        InvalidInputError: Anything else.
    """
    if text in ("none", "zk"):
        return Choice(is_proof=text == "zk")
    match = re.fullmatch(r"redundant:(\d{1,2})", text)
    if match is None or int(match[1]) % 2 == 0 or not 1 <= int(match[1]) <= 21:
        raise InvalidInputError(
            f"--verify is {text!r:.40}, expected none, zk, or redundant:N with N odd, 1 to 21"
        )
    return Choice(seats=int(match[1]))


def read_input(argument: str) -> bytes:
    """An INPUT argument: the content of a file of that name, else the text itself.

    Raises:
        InvalidInputError: The file is too long to be an input.
    """
    from joynet_sdk.inference.codec import MAX_JSON_BYTES

    path = Path(argument)
    try:
        if not path.is_file():
            return argument.encode()
        size = path.stat().st_size
    except (OSError, ValueError):  # a long text is no path
        return argument.encode()
    if size > MAX_JSON_BYTES:
        raise InvalidInputError(
            f"{argument} has {size:,} bytes, expected at most {MAX_JSON_BYTES:,}"
        )
    return path.read_bytes()
