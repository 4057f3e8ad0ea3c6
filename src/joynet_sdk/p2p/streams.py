"""Frames on libp2p streams (trio side): u32 big-endian length, then that many bytes."""

import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import trio
from libp2p.abc import IHost, INetStream
from libp2p.custom_types import TProtocol
from libp2p.exceptions import BaseLibp2pError
from libp2p.network.stream.exceptions import StreamEOF
from libp2p.peer.id import ID

from joynet_sdk.errors import InvalidInputError, UnavailableError
from joynet_sdk.p2p.limits import MAX_FRAME_BYTES

RESET_S = 1.0  # a goodbye may take this long
LENGTH = struct.Struct(">I")
# What a broken, slow or hostile peer makes libp2p raise.
STREAM_ERRORS = (
    BaseLibp2pError,
    trio.TooSlowError,
    trio.BrokenResourceError,
    trio.ClosedResourceError,
    OSError,
)


async def read_exactly(stream: INetStream, size: int) -> bytes:
    """Read `size` bytes; memory grows as they arrive, never ahead of them.

    Raises:
        StreamEOF: The peer closed first.
    """
    buffer = bytearray()
    while len(buffer) < size:
        chunk = await stream.read(size - len(buffer))
        if not chunk:
            raise StreamEOF(f"stream ended after {len(buffer)} of {size} bytes")
        buffer += chunk
    return bytes(buffer)


async def read_frame(stream: INetStream, *, first_byte_s: float, frame_s: float) -> bytes:
    """Read one frame.

    Args:
        first_byte_s: Seconds until the frame must begin.
        frame_s: Seconds from its first to its last byte.

    Raises:
        InvalidInputError: The announced length passes MAX_FRAME_BYTES; nothing was allocated.
        trio.TooSlowError: A deadline passed.
        StreamEOF: The peer closed.
    """
    with trio.fail_after(first_byte_s):
        first = await read_exactly(stream, 1)
    with trio.fail_after(frame_s):
        (size,) = LENGTH.unpack(first + await read_exactly(stream, LENGTH.size - 1))
        if size > MAX_FRAME_BYTES:
            raise InvalidInputError(f"frame of {size} bytes, expected at most {MAX_FRAME_BYTES}")
        return await read_exactly(stream, size)


async def write_frame(stream: INetStream, frame: bytes, *, frame_s: float) -> None:
    """Write one frame within `frame_s` seconds.

    Raises:
        InvalidInputError: The frame passes MAX_FRAME_BYTES.
        trio.TooSlowError: The peer does not drain.
    """
    if len(frame) > MAX_FRAME_BYTES:
        raise InvalidInputError(f"frame of {len(frame)} bytes, expected at most {MAX_FRAME_BYTES}")
    with trio.fail_after(frame_s):
        await stream.write(LENGTH.pack(len(frame)) + frame)


async def reset(stream: INetStream) -> None:
    """Abandon a stream, whatever its state; libp2p leaks those that nobody resets."""
    with trio.CancelScope(shield=True, deadline=trio.current_time() + RESET_S):
        await stream.reset()


@asynccontextmanager
async def open_stream(host: IHost, peer: ID, protocols: list[str]) -> AsyncIterator[INetStream]:
    """A new stream that is closed after success and reset after anything else.

    Raises:
        UnavailableError: The peer cannot be reached or speaks none of the protocols.
    """
    with unavailable(peer):
        stream = await host.new_stream(peer, [TProtocol(name) for name in protocols])
    try:
        yield stream
        await stream.close()
    except BaseException:
        await reset(stream)
        raise


@contextmanager
def unavailable(peer: ID) -> Iterator[None]:
    """Turn what libp2p raises about a peer into UnavailableError."""
    try:
        yield
    except STREAM_ERRORS as error:
        reason = str(error) or type(error).__name__
        raise UnavailableError(f"peer {peer}: {reason:.300}") from error
