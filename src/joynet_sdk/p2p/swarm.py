"""A libp2p host with its limits on (trio side): TCP, noise and yamux only.

libp2p 0.8.1 leaves these to its user, so they are here:
- an inbound slot is held until the swarm stops, not until its connection ends;
- neither streams per peer, nor connections per IP, nor bytes received but unread are bounded;
- a task that is cancelled while it writes spoils the connection for all others;
- the connection manager dials peers on its own below a watermark.
"""

import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, cast
from weakref import WeakSet

import trio
from libp2p.abc import IMuxedConn, INetStream, ISecureConn
from libp2p.crypto.keys import KeyPair
from libp2p.crypto.secp256k1 import create_new_key_pair
from libp2p.crypto.x25519 import create_new_key_pair as create_noise_key_pair
from libp2p.custom_types import TProtocol
from libp2p.host.basic_host import BasicHost
from libp2p.io.abc import ReadWriteCloser
from libp2p.io.exceptions import ConnectionClosedError
from libp2p.network.config import ConnectionConfig, RetryConfig
from libp2p.network.connection.raw_connection import RawConnection
from libp2p.network.swarm import Swarm
from libp2p.peer.id import ID
from libp2p.peer.peerstore import PeerStore
from libp2p.rcmgr.manager import ResourceLimits, ResourceManager
from libp2p.rcmgr.metrics import Direction
from libp2p.security.noise.transport import PROTOCOL_ID as NOISE_ID
from libp2p.security.noise.transport import Transport as NoiseTransport
from libp2p.stream_muxer.muxer_multistream import MuxerMultistream
from libp2p.stream_muxer.yamux.yamux import PROTOCOL_ID as YAMUX_ID
from libp2p.stream_muxer.yamux.yamux import Yamux
from libp2p.transport.manager import TransportManager
from libp2p.transport.tcp.tcp import TCP
from libp2p.transport.upgrader import TransportUpgrader
from multiaddr import Multiaddr  # type: ignore[import-untyped]

from joynet_sdk.p2p.limits import Limits

log = logging.getLogger(__name__)

MAX_YAMUX_BODY = 1024 * 1024  # go, js and py send at most 64 KiB per yamux frame
MAX_YAMUX_STREAMS = 1024  # half-closed ones that the peer never finishes included
FAIR_UNREAD_BYTES = 1024 * 1024  # a connection below this is never cut for the others' sake
NEGOTIATE_S = 5
MAX_BANS = 4096


class PeerLimits(ResourceManager):
    """Admission of connections and streams, and the strikes of misbehaving peers."""

    def __init__(self, limits: Limits) -> None:
        super().__init__(
            limits=ResourceLimits(
                max_connections=limits.max_connections,
                max_streams=limits.max_connections * limits.max_streams_per_peer,
            ),
            enable_metrics=False,
            enable_connection_tracking=False,  # its refusals leak the slot taken before
            enable_memory_limits=False,
            enable_circuit_breaker=False,
            enable_graceful_degradation=False,
            enable_rate_limiting=False,
        )
        self._joynet = limits
        self._inbound_by_ip: Counter[str] = Counter()
        self._streams: Counter[tuple[str, Direction]] = Counter()
        self._strikes: dict[str, float] = {}
        self._banned_until: dict[str, float] = {}
        self.refused: Counter[str] = Counter()  # reason -> how often

    def acquire_connection(
        self, peer_id: str = "", endpoint_ip: str | None = None, direction: str = "inbound"
    ) -> bool:
        """Admit a connection: called before the handshake (no peer id) and after it."""
        if peer_id and self.is_banned(peer_id):
            return self._refuse("banned")
        counted = direction == "inbound" and endpoint_ip is not None
        # The check before the handshake and the one after it overlap: one connection, two scopes.
        allowed = self._joynet.max_connections_per_ip + (1 if peer_id else 0)
        if counted and self._inbound_by_ip[str(endpoint_ip)] >= allowed:
            return self._refuse("connections_per_ip")
        if not super().acquire_connection(peer_id, endpoint_ip, direction):
            return self._refuse("connections")
        if counted:
            self._inbound_by_ip[str(endpoint_ip)] += 1
        return True

    def release_connection(
        self, peer_id: str = "", endpoint_ip: str | None = None, direction: str = "inbound"
    ) -> None:
        """Give back what `acquire_connection` took."""
        super().release_connection(peer_id, endpoint_ip, direction)
        if direction == "inbound" and endpoint_ip is not None:
            _decrement(self._inbound_by_ip, endpoint_ip)

    def acquire_stream(self, peer_id: str, direction: Direction) -> bool:
        """Admit a stream of one peer."""
        if self._streams[peer_id, direction] >= self._joynet.max_streams_per_peer:
            if direction is Direction.INBOUND:
                self.strike(peer_id, 0.1)
            return self._refuse("streams_per_peer")
        if not super().acquire_stream(peer_id, direction):
            return self._refuse("streams")
        self._streams[peer_id, direction] += 1
        return True

    def release_stream(self, peer_id: str, direction: Direction) -> None:
        """Give back what `acquire_stream` took."""
        super().release_stream(peer_id, direction)
        _decrement(self._streams, (peer_id, direction))

    def strike(self, peer_id: str, weight: float = 1.0) -> bool:
        """Count an offence; True when the peer is banned now."""
        strikes = self._strikes.pop(peer_id, 0.0) + weight
        if strikes < self._joynet.max_strikes:
            self._strikes[peer_id] = strikes
            return self.is_banned(peer_id)
        self._banned_until[peer_id] = time.monotonic() + self._joynet.ban_s
        while len(self._banned_until) > MAX_BANS:  # the oldest go first
            del self._banned_until[next(iter(self._banned_until))]
        log.warning("peer %s is banned for %.0f s", peer_id, self._joynet.ban_s)
        return True

    def is_banned(self, peer_id: str) -> bool:
        """True while a ban of this peer lasts."""
        until = self._banned_until.get(peer_id, 0.0)
        if until and until <= time.monotonic():
            del self._banned_until[peer_id]
        return until > time.monotonic()

    def forgive(self) -> None:
        """Halve all strikes: called now and then, so that rare slips never add up to a ban."""
        self._strikes = {peer: n / 2 for peer, n in self._strikes.items() if n > 0.5}

    def _refuse(self, reason: str) -> bool:
        self.refused[reason] += 1
        return False


def _decrement(counter: Counter[Any], key: object) -> None:
    counter[key] -= 1
    if counter[key] <= 0:
        del counter[key]


class BoundedYamux(Yamux):
    """Yamux that bounds unread bytes, and whose connection outlives cancelled tasks.

    The yamux of libp2p 0.8.1 only logs a peer that ignores the receive window.
    """

    def __init__(self, conn: ISecureConn, peer_id: ID, muxer: "BoundedMuxer") -> None:
        super().__init__(conn, peer_id, is_initiator=conn.is_initiator)
        self._muxer = muxer

    @property
    def unread_bytes(self) -> int:
        """Bytes received on all streams and not read yet."""
        return sum(map(len, self.stream_buffers.values()))

    async def _read_data_body(self, length: int) -> bytes:
        if len(self.streams) > MAX_YAMUX_STREAMS or not self._muxer.has_room(self, length):
            # Yamux ends the connection on this error, and on no other.
            raise trio.TooSlowError(f"{length} more bytes pass the limit of unread bytes")
        return await super()._read_data_body(length)

    async def _write_frame(self, data: bytes) -> None:
        """Send a frame whole, also when the task that sends it is cancelled meanwhile.

        Noise counts a message when it encrypts it: after one that is counted and not sent, the
        peer can read nothing more and hangs up.

        Raises:
            ConnectionClosedError: The peer did not take it within `Limits.frame_s`; it is cut off.
        """
        async with self._write_lock:  # nothing is counted yet: this wait may be cancelled
            deadline = trio.current_time() + self._muxer.limits.frame_s
            with trio.CancelScope(shield=True, deadline=deadline) as sending:
                await self.secured_conn.write(data)
            if sending.cancelled_caught:
                await self.hang_up()
                raise ConnectionClosedError(f"peer {self.peer_id} does not read what it is sent")

    async def hang_up(self) -> None:
        """Close the socket at once, without a goodbye."""
        with trio.CancelScope(shield=True):
            await self.secured_conn.close()


class BoundedMuxer(MuxerMultistream):
    """Makes BoundedYamux connections that share one budget."""

    def __init__(self, limits: Limits) -> None:
        super().__init__({TProtocol(YAMUX_ID): BoundedYamux}, NEGOTIATE_S)
        self.limits = limits
        self._connections: WeakSet[BoundedYamux] = WeakSet()

    async def new_conn(self, conn: ISecureConn, peer_id: ID) -> IMuxedConn:
        """Negotiate yamux on a secured connection."""
        protocol, _ = await self._selector.select(conn, conn.is_initiator, self.negotiate_timeout)
        muxed = BoundedYamux(conn, peer_id, self)
        self._connections.add(muxed)
        return self._annotate_connection(muxed, conn, protocol)

    def has_room(self, connection: BoundedYamux, length: int) -> bool:
        """May this connection hold `length` more unread bytes?"""
        unread = connection.unread_bytes + length
        if length > MAX_YAMUX_BODY or unread > self.limits.max_unread_bytes_per_connection:
            return False
        if unread <= FAIR_UNREAD_BYTES:
            return True
        total = sum(each.unread_bytes for each in self._connections) + length
        return total <= self.limits.max_unread_bytes


class BoundedSwarm(Swarm):
    """A swarm that gives an inbound slot back when its connection ends."""

    async def _do_handle_inbound_connection(
        self, read_write_closer: ReadWriteCloser, maddr: Multiaddr, failure_event: object
    ) -> None:
        raw = RawConnection(read_write_closer, False)
        try:
            muxed = await self.upgrade_inbound_raw_conn(raw, maddr)
            await cast(Yamux, muxed).event_closed.wait()
        finally:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + 1):
                await raw.close()


class Built(NamedTuple):
    """A host and the parts of it that libp2p's interfaces hide."""

    host: BasicHost
    swarm: Swarm
    limits: PeerLimits


def build_host(
    private_key: bytes, limits: Limits, guard: Callable[[INetStream, Any], Awaitable[None]]
) -> Built:
    """A host that has not started.

    Args:
        private_key: 32 bytes, secp256k1.
        guard: Awaited with every inbound stream and libp2p's own handler of it; must not raise.
    """
    keys: KeyPair = create_new_key_pair(private_key)
    peer_id = ID.from_pubkey(keys.public_key)
    noise = NoiseTransport(keys, noise_privkey=create_noise_key_pair().private_key)
    upgrader = TransportUpgrader({NOISE_ID: noise}, {}, NEGOTIATE_S)
    upgrader.muxer_multistream = BoundedMuxer(limits)
    peerstore = PeerStore()
    peerstore.add_key_pair(peer_id, keys)
    swarm = BoundedSwarm(
        peer_id,
        peerstore,
        upgrader,
        transports=[TCP()],
        connection_config=_connection_config(limits),
        retry_config=RetryConfig(max_retries=0),  # discovery has the patience
        transport_manager=TransportManager(),
    )
    peer_limits = PeerLimits(limits)
    swarm.set_resource_manager(peer_limits, enable_stream_semaphore=False)
    host = BasicHost(swarm, negotiate_timeout=NEGOTIATE_S, disable_identify_address_discovery=True)

    async def handle(stream: INetStream) -> None:
        await guard(stream, host._swarm_stream_handler)

    swarm.set_stream_handler(handle)
    return Built(host, swarm, peer_limits)


def _connection_config(limits: Limits) -> ConnectionConfig:
    return ConnectionConfig(
        max_connections=limits.max_connections,
        high_watermark=limits.max_connections,
        min_connections=0,  # never dial on its own
        low_watermark=0,
        max_connections_per_peer=1,  # with more, every dial waits 250 ms for a second connection
        dial_timeout=limits.dial_s,
        inbound_upgrade_timeout=limits.handshake_s,
        outbound_upgrade_timeout=limits.handshake_s,
        inbound_stream_protocol_negotiation_timeout=NEGOTIATE_S,
        outbound_stream_protocol_negotiation_timeout=NEGOTIATE_S,
    )
