"""A libp2p host with an asyncio face."""

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self, TypeVar

from joynet_sdk.errors import InvalidInputError, UnavailableError
from joynet_sdk.formats import Cid
from joynet_sdk.p2p.identity import Identity, compressed_of
from joynet_sdk.p2p.limits import MAX_FRAME_BYTES, Limits
from joynet_sdk.p2p.requirements import require_libp2p

if TYPE_CHECKING:
    from joynet_sdk.p2p.blockexchange import BlockExchange
    from joynet_sdk.p2p.bridge import TrioBridge
    from joynet_sdk.p2p.heartbeats import HeartbeatTopic, Judge
    from joynet_sdk.p2p.node import Peer, TrioNode

T = TypeVar("T")
FrameHandler = Callable[[bytes, str], Awaitable[bytes]]
INFER_PROTOCOL = "/joynet/infer/1"
LOOPBACK = "/ip4/127.0.0.1/tcp/0"
_HOST_PART = r"/(?:ip4/[0-9.]{7,15}|ip6/[0-9a-f:.]{2,45}|dns[46]?/[a-z0-9.-]{1,253})/tcp/(\d{1,5})"


class BlockStore(Protocol):
    """Where blocks live; called from worker threads. storage's stores are such stores."""

    def get(self, cid: Cid) -> bytes | None:
        """The block's bytes, or None."""

    def put(self, cid: Cid, data: bytes) -> None:
        """Store bytes that were verified against the CID."""

    def has(self, cid: Cid) -> bool:
        """True when the block is there."""


def parse_peer_address(address: str) -> str:
    """Check a multiaddr that can be dialled and return its peer id.

    Raises:
        InvalidInputError: Not /ip4|ip6|dns.../tcp/PORT/p2p/PEER with a secp256k1 peer.
    """
    match = re.fullmatch(_HOST_PART + r"/p2p/([1-9A-HJ-NP-Za-km-z]{1,64})", address)
    if match is None or not 0 < int(match[1]) < 65536:
        raise InvalidInputError(
            f"peer address {address[:200]!r}: expected /ip4/HOST/tcp/PORT/p2p/PEER_ID",
            hint="joynet p2p id shows the addresses of a node",
        )
    compressed_of(match[2])
    return match[2]


class P2PHost:
    """One libp2p host, usable from one asyncio loop.

    Args:
        identity: Peer key, 32 bytes, secp256k1 (`identity.load_or_create(path).private_key`).
        listen: Multiaddrs to listen on, e.g. "/ip4/0.0.0.0/tcp/4001"; none for a pure client.
        bootstrap: Addresses of peers to stay connected to.
        limits: What peers may cost us.
        block_store: Served over bitswap and filled by `blocks.fetch`; None for neither.

    Attributes:
        peer_id: base58btc text.
    """

    def __init__(
        self,
        identity: bytes,
        listen: Sequence[str] = (),
        bootstrap: Sequence[str] = (),
        limits: Limits | None = None,
        block_store: BlockStore | None = None,
    ) -> None:
        self.peer_id = Identity(identity).peer_id
        for address in listen:
            _check_listen(address)
        for address in bootstrap:
            parse_peer_address(address)
        self.limits = limits or Limits()
        self._identity, self._listen = identity, list(listen)
        self._bootstrap = list(bootstrap)
        self._store = block_store
        self._handlers: dict[str, FrameHandler] = {}
        self._addrs: list[str] = []
        self._bridge: TrioBridge | None = None
        self._node: TrioNode | None = None
        self._blocks: BlockExchange | None = None

    # --- life ---------------------------------------------------------------------------------

    async def start(self) -> Self:
        """Listen, serve the registered protocols and dial the bootstrap peers in the background.

        Raises:
            MissingDependencyError: libp2p is absent or too old.
            UnavailableError: An address to listen on is taken, or the host was started before.
        """
        require_libp2p()
        if self._bridge is not None:
            raise UnavailableError("this host was started before", hint="make a new P2PHost")
        await asyncio.to_thread(_import_libp2p)  # 1.4 s of imports
        from joynet_sdk.p2p.bridge import TrioBridge

        bridge = self._bridge = TrioBridge(self._main, f"libp2p-{self.peer_id[-6:]}")
        await bridge.start()
        node = self.running_node()
        self._addrs = node.addrs()
        for protocol, handler in self._handlers.items():
            await bridge.call(node.serve, bridge, protocol, handler)
        if self._store is not None:
            from joynet_sdk.p2p.blockexchange import BlockExchange

            self._blocks = BlockExchange(self, self._store)
            await self._blocks.start()
        if self._bootstrap:
            from joynet_sdk.p2p.discovery import keep_connected

            for address in self._bootstrap:
                await bridge.call(keep_connected, node, address)
        return self

    async def stop(self) -> None:
        """Close every connection and end the thread; pending calls fail. May be called again."""
        if self._bridge is not None:
            if self.is_running and self._node is not None:
                with contextlib.suppress(UnavailableError):  # it crashed meanwhile
                    await self._bridge.call(self._node.say_goodbye)
            await self._bridge.close()

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    async def _main(self, ready: Callable[[], None]) -> None:
        from joynet_sdk.p2p.node import TrioNode

        self._node = TrioNode(self._identity, self._listen, self.limits)
        await self._node.run(ready)

    # --- peers --------------------------------------------------------------------------------

    @property
    def is_running(self) -> bool:
        """True between start and stop, unless the libp2p thread crashed."""
        return self._bridge is not None and self._bridge.is_running

    @property
    def addrs(self) -> list[str]:
        """Addresses we listen on, each ending in /p2p/<peer id>."""
        return list(self._addrs)

    @property
    def blocks(self) -> "BlockExchange":
        """The block exchange.

        Raises:
            UnavailableError: Not started, or made without a block store.
        """
        if self._blocks is None:
            raise UnavailableError("this host has no block store, or is not started")
        return self._blocks

    async def connect(self, address: str) -> str:
        """Connect to /ip4/.../tcp/.../p2p/PEER and return the peer id.

        Raises:
            InvalidInputError: Not such an address, or our own.
            UnavailableError: Nobody answers there within `limits.dial_s`, or another peer does.
        """
        parse_peer_address(address)
        return await self.call(self.running_node().connect, address)

    async def disconnect(self, peer_id: str) -> None:
        """Close the connections to a peer, if there are any."""
        compressed_of(peer_id)
        await self.call(self.running_node().disconnect, peer_id)

    async def peers(self) -> "list[Peer]":
        """Who is connected."""
        return await self.call(self.running_node().peers)

    async def ping(self, peer_id: str, timeout_s: float = 5.0) -> float:
        """Round trip in milliseconds.

        Raises:
            UnavailableError: No answer within `timeout_s` seconds.
        """
        compressed_of(peer_id)
        return await self.call(self.running_node().ping, peer_id, timeout_s)

    # --- frames -------------------------------------------------------------------------------

    async def request(
        self, peer_id: str, protocol: str, frame: bytes, timeout_s: float = 30.0
    ) -> bytes:
        """Send a frame to a connected peer and return its answer frame.

        Args:
            frame: At most 1 MiB, without its length prefix.
            timeout_s: Seconds for all of it.

        Raises:
            InvalidInputError: The frame is too long, or `peer_id` is none.
            UnavailableError: The peer is gone, slow, or does not speak the protocol. It may
                have handled the request all the same.
            VerificationError: The answer announces more than 1 MiB.
        """
        compressed_of(peer_id)
        if len(frame) > MAX_FRAME_BYTES:
            raise InvalidInputError(
                f"frame of {len(frame)} bytes, expected at most {MAX_FRAME_BYTES}"
            )
        return await self.call(self.running_node().request, peer_id, protocol, frame, timeout_s)

    async def serve(self, protocol: str, handler: FrameHandler) -> None:
        """Answer frames of a protocol with `await handler(frame, remote_peer_id)`.

        The handler runs on this loop, many at once up to the limits. What it raises becomes an
        error answer: `bad_request` for a JoyNetError, `internal` for anything else.
        """
        self._handlers[protocol] = handler
        if self._bridge is not None:
            await self.call(self.running_node().serve, self._bridge, protocol, handler)

    # --- for gossip.py and blockexchange.py ----------------------------------------------------

    async def join_topic(self, topic: str, judge: "Judge", expire_s: float) -> "HeartbeatTopic":
        """Join a gossip topic; use HeartbeatGossip."""
        if self._bridge is None:
            raise UnavailableError("the libp2p host is not started")
        bridge = self._bridge

        async def judge_on_our_loop(payload: bytes, signature: bytes) -> bool | None:
            return await bridge.call_asyncio(judge, payload, signature)

        return await self.call(self.running_node().join, topic, judge_on_our_loop, expire_s)

    async def call(self, function: Callable[..., Awaitable[T]], *args: object) -> T:
        """Run an async function in the libp2p thread."""
        if self._bridge is None:
            raise UnavailableError("the libp2p host is not started")
        return await self._bridge.call(function, *args)

    def running_node(self) -> "TrioNode":
        """The trio side; its methods run through `call`."""
        if self._node is None:
            raise UnavailableError("the libp2p host is not started")
        return self._node


def _check_listen(address: str) -> None:
    match = re.fullmatch(_HOST_PART, address)
    if match is None or int(match[1]) > 65535:
        raise InvalidInputError(
            f"listen address {address[:200]!r}: expected e.g. /ip4/127.0.0.1/tcp/4001"
        )


def _import_libp2p() -> None:
    from joynet_sdk.p2p import node

    _ = node


async def dial_and_ping(address: str, count: int) -> list[float]:
    """Round trips in milliseconds from a host that lives for this call, with a key of its own."""
    peer_id = parse_peer_address(address)
    async with P2PHost(Identity.generate().private_key) as host:
        await host.connect(address)
        return [await host.ping(peer_id) for _ in range(count)]
