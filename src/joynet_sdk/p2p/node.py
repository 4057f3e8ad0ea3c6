"""The libp2p host as it runs in the trio thread: connections, requests and their handlers."""

import logging
import os
import secrets
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import trio
from libp2p.abc import INetStream
from libp2p.custom_types import TProtocol
from libp2p.network.stream.exceptions import StreamEOF
from libp2p.network.stream.net_stream import NetStream
from libp2p.peer.id import ID
from libp2p.peer.peerinfo import info_from_p2p_addr
from libp2p.stream_muxer.yamux.yamux import Yamux, YamuxStream
from multiaddr import Multiaddr  # type: ignore[import-untyped]

from joynet_sdk.errors import InvalidInputError, JoyNetError, UnavailableError, VerificationError
from joynet_sdk.p2p.bridge import TrioBridge
from joynet_sdk.p2p.limits import MAX_FRAME_BYTES, Limits
from joynet_sdk.p2p.messages import encode_error
from joynet_sdk.p2p.streams import (
    STREAM_ERRORS,
    open_stream,
    read_exactly,
    read_frame,
    reset,
    unavailable,
    write_frame,
)
from joynet_sdk.p2p.swarm import BoundedYamux, build_host

if TYPE_CHECKING:
    from joynet_sdk.p2p.heartbeats import HeartbeatTopic, Judge

log = logging.getLogger(__name__)
if "LIBP2P_DEBUG" not in os.environ:
    logging.getLogger("libp2p").addHandler(logging.NullHandler())  # else warnings reach stderr

PING_ID = "/ipfs/ping/1.0.0"
PING_BYTES = 32
FORGIVE_EVERY_S = 30.0
GOODBYE_S = 2.0
MAX_KEPT_STREAMS = 4  # per peer and protocol
KEEP_S = 20.0  # a kept stream is dropped after this; servers wait Limits.idle_s, longer

FrameHandler = Callable[[bytes, str], Awaitable[bytes]]


@dataclass(frozen=True, slots=True)
class Peer:
    """A connected peer.

    Attributes:
        peer_id: base58btc text.
        address: Multiaddr of the other end, without /p2p; "" when unknown.
        is_inbound: The peer dialled us.
    """

    peer_id: str
    address: str
    is_inbound: bool


@dataclass(slots=True)
class _Kept:
    stream: INetStream
    since: float


class TrioNode:
    """One libp2p host. Every method runs in the trio thread; TrioBridge carries the calls."""

    def __init__(self, private_key: bytes, listen: list[str], limits: Limits) -> None:
        self._listen = listen
        self.limits = limits
        self.host, self.swarm, self.peer_limits = build_host(private_key, limits, self._guard)
        self._kept: dict[tuple[ID, str], list[_Kept]] = {}
        self._running: Counter[ID] = Counter()
        self._tasks: trio.Nursery | None = None
        self._topic: HeartbeatTopic | None = None
        self.handler_failures = 0

    async def run(self, ready: Callable[[], None]) -> None:
        """Listen and serve until cancelled.

        Raises:
            UnavailableError: An address to listen on is taken.
        """
        for address in self._listen:
            await _check_free(Multiaddr(address))
        async with self.host.run([Multiaddr(addr) for addr in self._listen]):
            if self._listen and not self.addrs():
                raise UnavailableError(
                    f"cannot listen on {', '.join(self._listen)}", hint="is the port taken?"
                )
            async with trio.open_nursery() as self._tasks:
                ready()
                while True:
                    await trio.sleep(FORGIVE_EVERY_S)
                    self.peer_limits.forgive()
                    await self._drop_stale()

    async def say_goodbye(self) -> None:
        """Close every connection; libp2p leaves their sockets open when it is just cancelled."""
        connections = self.swarm.get_connections()
        with trio.move_on_after(GOODBYE_S):
            async with trio.open_nursery() as nursery:
                for connection in connections:
                    nursery.start_soon(connection.close)
        for connection in connections:  # what is still being sent to a deaf peer would hold us up
            await cast(BoundedYamux, connection.muxed_conn).hang_up()

    def addrs(self) -> list[str]:
        """Addresses we listen on, each ending in /p2p/<our peer id>."""
        return [str(addr) for addr in self.host.get_addrs()]

    # --- connections --------------------------------------------------------------------------

    async def connect(self, address: str) -> str:
        """Dial a multiaddr that ends in /p2p/<peer id>; returns the peer id."""
        info = info_from_p2p_addr(Multiaddr(address))
        if info.peer_id == self.host.get_id():
            raise InvalidInputError(f"{address} is this host itself")
        if self.peer_limits.is_banned(str(info.peer_id)):
            raise UnavailableError(f"peer {info.peer_id} is banned for misbehaving")
        if not self.is_connected(str(info.peer_id)):  # dial this address, not a remembered one
            self.host.get_peerstore().clear_addrs(info.peer_id)
            self.swarm.unblock_peer(info.peer_id)
        try:
            with unavailable(info.peer_id), trio.fail_after(self.limits.dial_s):
                await self.host.connect(info)
        except UnavailableError as error:
            raise UnavailableError(
                f"no answer from {address}", hint="is that node running, and this its peer id?"
            ) from error
        return str(info.peer_id)

    def is_connected(self, peer_id: str) -> bool:
        """True while there is a connection to the peer."""
        return self.host.is_peer_connected(ID.from_base58(peer_id))

    async def disconnect(self, peer_id: str) -> None:
        """Close the connections to a peer, if any, and forget its addresses."""
        peer = ID.from_base58(peer_id)
        for key in [key for key in self._kept if key[0] == peer]:
            for kept in self._kept.pop(key):
                await reset(kept.stream)
        with unavailable(peer), trio.fail_after(self.limits.frame_s):
            await self.host.disconnect(peer)
        self.host.get_peerstore().clear_addrs(peer)

    async def peers(self) -> list[Peer]:
        """Who is connected."""
        found = []
        for peer, connections in self.swarm.get_connections_map().items():
            for connection in connections[:1]:
                muxed = cast(Yamux, connection.muxed_conn)
                remote = muxed.get_remote_address()
                family = "ip6" if remote and ":" in remote[0] else "ip4"
                address = f"/{family}/{remote[0]}/tcp/{remote[1]}" if remote else ""
                found.append(Peer(str(peer), address, not muxed.is_initiator))
        return found

    async def join(self, topic: str, judge: "Judge", expire_s: float) -> "HeartbeatTopic":
        """Join the host's one gossip topic."""
        from joynet_sdk.p2p.heartbeats import HeartbeatTopic

        if self._topic is not None:
            raise InvalidInputError(f"this host has joined {self._topic.topic} already")
        self._topic = HeartbeatTopic(self, topic, judge, expire_s)
        await self._topic.start()
        return self._topic

    async def strike(self, peer: ID, weight: float = 1.0) -> None:
        """Count an offence; a peer with too many is banned and cut off."""
        if self.peer_limits.strike(str(peer), weight):
            self.start_soon(self._cut_off, peer)

    async def _cut_off(self, peer: ID) -> None:
        try:
            await self.disconnect(str(peer))
        except UnavailableError:
            log.info("peer %s was gone before it could be cut off", peer)

    def start_soon(self, function: Callable[..., Awaitable[None]], *args: object) -> None:
        """Run a task for as long as the host runs."""
        if self._tasks is not None:
            self._tasks.start_soon(function, *args)

    # --- requests -----------------------------------------------------------------------------

    async def ping(self, peer_id: str, timeout_s: float) -> float:
        """Round trip of 32 bytes in milliseconds, on a new stream; its set-up is not counted."""
        peer = ID.from_base58(peer_id)
        payload = secrets.token_bytes(PING_BYTES)
        with unavailable(peer), trio.fail_after(timeout_s):
            async with open_stream(self.host, peer, [PING_ID]) as stream:
                started = time.perf_counter()
                await stream.write(payload)
                echo = await read_exactly(stream, PING_BYTES)
                elapsed = time.perf_counter() - started
        if echo != payload:
            await self.strike(peer)
            raise UnavailableError(f"peer {peer_id} answers pings with other bytes")
        return elapsed * 1000

    async def request(self, peer_id: str, protocol: str, frame: bytes, timeout_s: float) -> bytes:
        """Send one frame, return the answer frame. A good stream is kept for the next request."""
        peer = ID.from_base58(peer_id)
        with unavailable(peer), trio.fail_after(timeout_s):
            stream = await self._take_stream(peer, protocol)
            try:
                await write_frame(stream, frame, frame_s=timeout_s)
                answer = await read_frame(stream, first_byte_s=timeout_s, frame_s=timeout_s)
            except InvalidInputError as error:  # the length its answer announces
                await reset(stream)
                await self.strike(peer)
                raise VerificationError(f"peer {peer_id} answers with a {error}") from None
            except BaseException:
                await reset(stream)
                raise
        await self._keep_stream(peer, protocol, stream)
        return answer

    async def _take_stream(self, peer: ID, protocol: str) -> INetStream:
        kept = self._kept.get((peer, protocol), [])
        while kept:
            stream = kept.pop().stream
            if not is_finished(stream):
                return stream
            await reset(stream)
        return await self.host.new_stream(peer, [TProtocol(protocol)])

    async def _keep_stream(self, peer: ID, protocol: str, stream: INetStream) -> None:
        kept = self._kept.setdefault((peer, protocol), [])
        if len(kept) < MAX_KEPT_STREAMS:
            kept.append(_Kept(stream, trio.current_time()))
        else:
            await reset(stream)

    async def _drop_stale(self) -> None:
        oldest = trio.current_time() - KEEP_S
        for key, kept in list(self._kept.items()):
            stale = [each for each in kept if each.since < oldest or is_finished(each.stream)]
            self._kept[key] = [each for each in kept if each not in stale]
            if not self._kept[key]:
                del self._kept[key]
            for each in stale:
                await reset(each.stream)

    # --- handlers -----------------------------------------------------------------------------

    async def serve(self, bridge: TrioBridge, protocol: str, handler: FrameHandler) -> None:
        """Answer each frame of a protocol with what the asyncio `handler` returns."""

        async def handle(stream: INetStream) -> None:
            await self._serve_stream(bridge, stream, handler)

        self.host.set_stream_handler(TProtocol(protocol), handle)

    async def _serve_stream(
        self, bridge: TrioBridge, stream: INetStream, handler: FrameHandler
    ) -> None:
        peer = stream.muxed_conn.peer_id
        limits = self.limits
        while True:
            try:
                frame = await read_frame(stream, first_byte_s=limits.idle_s, frame_s=limits.frame_s)
            except StreamEOF:
                return
            answer = await self._answer(bridge, peer, frame, handler)
            await write_frame(stream, answer, frame_s=limits.frame_s)

    async def _answer(
        self, bridge: TrioBridge, peer: ID, frame: bytes, handler: FrameHandler
    ) -> bytes:
        busy = self._running[peer] >= self.limits.max_requests_per_peer
        if busy or self._running.total() >= self.limits.max_requests:
            return encode_error("overloaded", "too many requests at once", retryable=True)
        self._running[peer] += 1
        try:
            with trio.fail_after(self.limits.handler_s):
                answer = await bridge.call_asyncio(handler, frame, str(peer))
            if len(answer) > MAX_FRAME_BYTES:
                return encode_error("too_large", f"the answer has {len(answer)} bytes")
            return answer
        except trio.TooSlowError:
            return encode_error("internal", "the request took too long", retryable=True)
        except JoyNetError as error:
            return encode_error("bad_request", str(error), hint=error.hint or "")
        except Exception:  # one request must not end the host
            self.handler_failures += 1
            log.exception("a request handler failed")
            return encode_error("internal", "the node failed to handle this request")
        finally:
            self._running[peer] -= 1
            if not self._running[peer]:
                del self._running[peer]

    async def _guard(
        self, stream: INetStream, handler: Callable[[INetStream], Awaitable[None]]
    ) -> None:
        """Run any protocol's handler: what escapes one would end the whole host."""
        peer = stream.muxed_conn.peer_id
        try:
            await handler(stream)
            with trio.fail_after(self.limits.frame_s):
                await stream.close()
            return  # a reset now could overtake what the handler wrote
        except STREAM_ERRORS as error:
            log.debug("stream of %s ended: %r", peer, error)
        except InvalidInputError as error:
            log.info("peer %s: %s", peer, error)
            await self.strike(peer)
        except Exception:  # libp2p's handlers let parser errors of hostile input escape
            self.handler_failures += 1
            log.exception("the handler of %s failed for peer %s", stream.get_protocol(), peer)
            await self.strike(peer)
        except BaseException:
            await reset(stream)
            raise
        await reset(stream)


async def _check_free(address: Multiaddr) -> None:
    """libp2p listens with SO_REUSEPORT: two hosts would share a port without a word."""
    host = next(address.value_for_protocol(each.name) for each in address.protocols())
    port = int(address.value_for_protocol("tcp"))
    if port:
        try:
            for listener in await trio.open_tcp_listeners(port, host=host):
                await listener.aclose()
        except OSError as error:
            raise UnavailableError(
                f"cannot listen on {address}: {error}", hint="is another node using this port?"
            ) from None


def is_finished(stream: INetStream) -> bool:
    """True when the peer closed or reset a stream that we kept."""
    muxed = cast(YamuxStream, cast(NetStream, stream).muxed_stream)
    return bool(muxed.closed or muxed.recv_closed or muxed.conn.event_shutting_down.is_set())
