"""The client's side of `/joynet/infer/1`: requests to nodes, answers as core values."""

from collections.abc import Callable, Sequence

from joynet_sdk.errors import InvalidInputError, RefusedError, UnavailableError, VerificationError
from joynet_sdk.formats import RAW, Cid
from joynet_sdk.p2p import messages as wire
from joynet_sdk.p2p.blockexchange import FetchProgress
from joynet_sdk.p2p.host import INFER_PROTOCOL, P2PHost
from joynet_sdk.p2p.translate import core_receipt, to_bytes20, wire_voucher
from joynet_sdk.receipts import Answer, Voucher
from joynet_sdk.types import Address

CONNECT_S = 10.0


class InferClient:
    """Speaks to nodes over a started host."""

    def __init__(self, host: P2PHost) -> None:
        self._host = host

    async def connect(self, addresses: Sequence[str]) -> str:
        """Reach a node on any of its addresses; returns its peer id.

        Raises:
            UnavailableError: None of them answers.
        """
        problem = "it announced no address"
        for address in addresses:
            try:
                return await self._host.connect(address)
            except (UnavailableError, InvalidInputError) as error:
                problem = str(error)
        raise UnavailableError(f"the node cannot be reached: {problem}")

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
        """Ask for one inference, paid by a signed voucher.

        Raises:
            RefusedError: The node says why not.
            UnavailableError: It did not answer in time; it may have taken the voucher.
            VerificationError: The answer is no message of the protocol.
        """
        request = wire.InferRequest(
            request_id=request_id,
            model_id=voucher.model_id,
            client=to_bytes20(voucher.payer),
            salt=salt,
            input=data,
            max_tokens=0,
            voucher=wire_voucher(voucher, signature),
        )
        return await self._ask(peer_id, request, timeout_s)

    async def result(
        self, peer_id: str, *, request_id: bytes, client: Address, signature: bytes
    ) -> Answer:
        """Ask again for the answer of an earlier request.

        Raises:
            RefusedError: `not_found` when the node never answered it.
        """
        request = wire.ResultRequest(
            request_id=request_id, client=to_bytes20(client), signature=signature
        )
        return await self._ask(peer_id, request, CONNECT_S)

    async def lane(self, peer_id: str, *, payer: Address, model_id: bytes, lane: int) -> int:
        """Calls of the highest voucher that a node holds for a lane; 0 for none.

        Raises:
            RefusedError: `lane_busy` while it still works on the lane's last request.
        """
        request = wire.LaneRequest(payer=to_bytes20(payer), model_id=model_id, lane=lane)
        return (await self._exchange(peer_id, request, CONNECT_S, wire.LaneAnswer)).calls

    async def job(self, peer_id: str, job_id: int, *, is_proven: bool = False) -> Answer:
        """Ask a committee member, or the node of a proven job, for its output and receipt."""
        request = wire.JobRequest(job_id=job_id, proven=is_proven)
        return await self._ask(peer_id, request, CONNECT_S)

    async def fetch_manifest(self, model_id: bytes, peer_ids: Sequence[str]) -> None:
        """Bring a manifest block into the host's store."""
        await self._host.blocks.fetch(Cid(RAW, model_id), peer_ids, timeout_s=CONNECT_S)

    async def peers(self) -> list[str]:
        """Peer ids of everybody this host is connected to, its bootstrap peers among them."""
        return [peer.peer_id for peer in await self._host.peers()]

    async def fetch(
        self,
        cid: Cid,
        peer_ids: Sequence[str],
        *,
        timeout_s: float,
        max_bytes: int,
        on_bytes: Callable[[int, int, int], None],
    ) -> None:
        """Bring a DAG into the host's store; see `BlockExchange.fetch`.

        Args:
            on_bytes: Hears bytes that are here, bytes expected in all, and bytes fetched.
        """

        def report(done: FetchProgress) -> None:
            on_bytes(done.bytes_done, done.bytes_expected, done.bytes_fetched)

        await self._host.blocks.fetch(
            cid, peer_ids, timeout_s=timeout_s, max_bytes=max_bytes, progress=report
        )

    async def _ask(self, peer_id: str, request: wire.Request, timeout_s: float) -> Answer:
        answer = await self._exchange(peer_id, request, timeout_s, wire.InferAnswer)
        return Answer(answer.output, core_receipt(answer.receipt), answer.signature)

    async def _exchange(
        self, peer_id: str, request: wire.Request, timeout_s: float, kind: type[wire.Message]
    ) -> wire.Message:
        frame = await self._host.request(peer_id, INFER_PROTOCOL, wire.encode(request), timeout_s)
        try:
            answer = wire.decode_answer(frame, kind)
        except InvalidInputError as error:
            raise VerificationError(f"node {peer_id} sent no valid answer: {error}") from None
        if isinstance(answer, wire.ErrorAnswer):
            raise RefusedError(
                answer.code, answer.message, hint=answer.hint or None, retryable=answer.retryable
            )
        return answer
