"""What one host is willing to spend on its peers."""

from dataclasses import dataclass

from joynet_sdk.errors import InvalidInputError

MAX_FRAME_BYTES = 1024 * 1024  # docs/spec/wire.md
MAX_HEARTBEAT_BYTES = 16 * 1024
MAX_BLOCK_BYTES = 2 * 1024 * 1024  # the bitswap spec; unixfs-v1-2025 chunks are 1 MiB


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of a host. Every one of them is enforced, and tested to bite.

    Attributes:
        max_connections: Connections in both directions, pending handshakes included.
        max_connections_per_ip: Inbound connections from one IP address.
        max_streams_per_peer: Streams one peer may have open with us, both directions counted apart.
        max_requests: Request handlers running at once.
        max_requests_per_peer: The same, for one peer.
        max_unread_bytes: Bytes received and not yet read, over all connections.
        max_unread_bytes_per_connection: The same, for one connection.
        max_strikes: Offences after which a peer is disconnected and banned.
        ban_s: Seconds a ban lasts.
        handshake_s: Seconds an inbound connection may take to become usable.
        dial_s: Seconds one dial may take.
        frame_s: Seconds a frame may take from its first to its last byte, ours and yamux's.
        idle_s: Seconds a kept stream may lie idle before its server closes it.
        handler_s: Seconds a request handler may take.
    """

    max_connections: int = 256
    max_connections_per_ip: int = 64
    max_streams_per_peer: int = 64
    max_requests: int = 64
    max_requests_per_peer: int = 16
    max_unread_bytes: int = 256 * 1024 * 1024
    max_unread_bytes_per_connection: int = 32 * 1024 * 1024
    max_strikes: int = 10
    ban_s: float = 300.0
    handshake_s: float = 5.0
    dial_s: float = 10.0
    frame_s: float = 15.0
    idle_s: float = 60.0
    handler_s: float = 120.0

    def __post_init__(self) -> None:
        """Refuse a limit that is not positive.

        Raises:
            InvalidInputError: Naming it.
        """
        for name in self.__slots__:
            if getattr(self, name) <= 0:
                raise InvalidInputError(f"limit {name} is {getattr(self, name)}, expected > 0")
