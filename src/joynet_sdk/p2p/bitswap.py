"""Bitswap 1.2 over streams (trio side), wire compatible with Kubo and Helia.

Two things libp2p 0.8.1's own client does not do: replies go on a stream that *we* open (Kubo and
Helia never read the stream they asked on), and blocks may have 2 MiB.

Source: https://specs.ipfs.tech/bitswap-protocol/
"""

import logging
from collections import OrderedDict, defaultdict
from dataclasses import dataclass, field
from typing import NamedTuple

import trio
from google.protobuf.message import DecodeError
from libp2p.abc import INetStream
from libp2p.bitswap.pb.bitswap_pb2 import Message
from libp2p.custom_types import TProtocol
from libp2p.network.stream.exceptions import StreamEOF
from libp2p.peer.id import ID

from joynet_sdk.errors import InvalidInputError, JoyNetError, UnavailableError
from joynet_sdk.formats import DAG_PB, Cid
from joynet_sdk.p2p.dagpb import read_varint, write_varint
from joynet_sdk.p2p.host import BlockStore
from joynet_sdk.p2p.limits import MAX_BLOCK_BYTES
from joynet_sdk.p2p.node import TrioNode, is_finished
from joynet_sdk.p2p.streams import RESET_S, open_stream, read_exactly, reset, unavailable

log = logging.getLogger(__name__)

PROTOCOLS = ["/ipfs/bitswap/1.2.0", "/ipfs/bitswap/1.1.0"]
MAX_MESSAGE_BYTES = 4 * 1024 * 1024
MAX_QUESTION_BYTES = 256 * 1024  # a message of a peer that owes us nothing
MAX_WANTS_PER_PEER = 1024
MESSAGE_S = 30.0  # one message, first to last byte
REMEMBERED = 4096  # blocks that are no longer wanted, but whose late arrival is no offence
LATE_S = 60.0  # for this long after a fetch ended, its blocks may still arrive
WRONG_BLOCK_STRIKES = 3.0


class Missing(Exception):  # noqa: N818  # an answer, not a failure
    """The peer says it does not have the block."""


@dataclass(slots=True)
class _Want:
    """A block somebody waits for. `asked` are the peers that may deliver it."""

    asked: set[ID] = field(default_factory=set)
    missing: set[ID] = field(default_factory=set)
    data: bytes | None = None
    changed: trio.Event = field(default_factory=trio.Event)

    def wake(self) -> None:
        self.changed.set()
        self.changed = trio.Event()


@dataclass(slots=True)
class _Asker:
    """The stream our questions to one peer go on."""

    stream: INetStream | None = None
    lock: trio.Lock = field(default_factory=trio.Lock)


class _Debt(NamedTuple):
    """What a peer wants to know about a block."""

    wants_data: bool
    say_missing: bool


@dataclass(slots=True)
class Traffic:
    """What one host exchanged, in blocks and bytes."""

    sent_blocks: int = 0
    sent_bytes: int = 0
    received_blocks: int = 0
    received_bytes: int = 0
    wrong_blocks: int = 0


class Bitswap:
    """Serves a store's blocks and gets single blocks from peers."""

    def __init__(self, node: TrioNode, store: BlockStore) -> None:
        self._node, self._store = node, store
        self._wants: dict[Cid, _Want] = {}
        self._done: OrderedDict[Cid, None] = OrderedDict()
        self._owed: dict[ID, OrderedDict[Cid, _Debt]] = {}
        self._askers: defaultdict[ID, _Asker] = defaultdict(_Asker)
        self._released: OrderedDict[ID, float] = OrderedDict()
        self.last_arrival: dict[ID, float] = {}
        self.liars: set[ID] = set()
        self.traffic = Traffic()
        for protocol in PROTOCOLS:
            node.host.set_stream_handler(TProtocol(protocol), self._handle)

    # --- client -------------------------------------------------------------------------------

    async def get(self, cid: Cid, peer: ID, idle_s: float) -> bytes:
        """One block from one peer, verified.

        Args:
            idle_s: Seconds without any block from this peer after which we give up.

        Raises:
            Missing: The peer does not have it.
            UnavailableError: The peer is gone, too slow, or sends wrong blocks.
        """
        want = self._wants.setdefault(cid, _Want())
        want.asked.add(peer)
        try:
            await self._send(peer, _question(cid))
            return await self._await_block(want, cid, peer, idle_s)
        finally:
            want.asked.discard(peer)
            want.missing.discard(peer)
            if not want.asked:
                self._wants.pop(cid, None)
                self._remember(cid)

    async def _await_block(self, want: _Want, cid: Cid, peer: ID, idle_s: float) -> bytes:
        since = trio.current_time()
        while want.data is None:
            if peer in want.missing:
                raise Missing
            if peer in self.liars:
                raise UnavailableError(f"peer {peer} sends wrong blocks")
            deadline = max(since, self.last_arrival.get(peer, 0.0)) + idle_s
            if deadline <= trio.current_time():
                await self._cancel(peer, cid)
                raise UnavailableError(f"peer {peer} sent no block for {idle_s:g} s")
            with trio.move_on_at(deadline):
                await want.changed.wait()
        return want.data

    async def _cancel(self, peer: ID, cid: Cid) -> None:
        message = _question(cid)
        message.wantlist.entries[0].cancel = True
        try:
            await self._send(peer, message)
        except UnavailableError as error:
            log.debug("could not cancel: %s", error)

    def _remember(self, cid: Cid) -> None:
        self._done[cid] = None
        while len(self._done) > REMEMBERED:
            self._done.popitem(last=False)

    async def _take(self, peer: ID, cid: Cid, data: bytes) -> None:
        """A block arrived; `cid` was computed from its bytes."""
        self.last_arrival[peer] = trio.current_time()
        want = self._wants.get(cid)
        if want is not None and want.data is None:
            self.traffic.received_blocks += 1
            self.traffic.received_bytes += len(data)
            want.data = data
            want.wake()
        elif want is None and cid not in self._done:
            self.traffic.wrong_blocks += 1
            log.warning("peer %s sent a block that nobody asked for: %s", peer, cid)
            self.liars.add(peer)
            for other in self._wants.values():
                if peer in other.asked:
                    other.wake()
            await self._node.strike(peer, WRONG_BLOCK_STRIKES)

    # --- server -------------------------------------------------------------------------------

    async def _handle(self, stream: INetStream) -> None:
        peer = stream.muxed_conn.peer_id
        while True:
            try:
                message = await self._read_message(stream, peer)
            except StreamEOF:
                return
            for block in message.payload:
                await self._take(peer, _cid_of(block.prefix, block.data), block.data)
            for presence in message.blockPresences:
                self._note_presence(peer, presence)
            if message.wantlist.entries:
                self._note_wants(peer, message)

    async def _read_message(self, stream: INetStream, peer: ID) -> Message:
        with trio.fail_after(self._node.limits.idle_s):
            prefix = await read_exactly(stream, 1)
        with trio.fail_after(MESSAGE_S):
            while prefix[-1] >= 0x80 and len(prefix) < 4:
                prefix += await read_exactly(stream, 1)
            size = read_varint(prefix + b"\x00", 0)[0]
            limit = MAX_MESSAGE_BYTES if self._owes_us(peer) else MAX_QUESTION_BYTES
            if size > limit:
                raise InvalidInputError(f"bitswap message of {size} bytes, expected <= {limit}")
            data = await read_exactly(stream, size)
        message = Message()
        try:
            message.ParseFromString(data)
        except DecodeError:
            raise InvalidInputError("bitswap message is not protobuf") from None
        return message

    def _owes_us(self, peer: ID) -> bool:
        """May blocks of ours still be on their way from this peer?"""
        if trio.current_time() - self._released.get(peer, -LATE_S) < LATE_S:
            return True
        return any(peer in want.asked for want in self._wants.values())

    def _note_presence(self, peer: ID, presence: Message.BlockPresence) -> None:
        want = self._wants.get(_parse_cid(presence.cid))
        if want is not None and presence.type == Message.DontHave and peer in want.asked:
            self.last_arrival[peer] = trio.current_time()
            want.missing.add(peer)
            want.wake()

    def _note_wants(self, peer: ID, message: Message) -> None:
        is_idle = peer not in self._owed
        owed = self._owed.setdefault(peer, OrderedDict())
        for entry in message.wantlist.entries:
            try:
                cid = _parse_cid(entry.block)
            except InvalidInputError:
                continue  # a codec or hash that no store of ours holds
            if entry.cancel:
                owed.pop(cid, None)
            elif len(owed) < MAX_WANTS_PER_PEER:
                is_block = entry.wantType == Message.Wantlist.Block
                owed[cid] = _Debt(is_block, bool(entry.sendDontHave))
        if is_idle:
            self._node.start_soon(self._pay, peer)

    async def _pay(self, peer: ID) -> None:
        """Send a peer what it wants on a stream that we open, until nothing is owed."""
        owed = self._owed[peer]
        try:
            while owed:  # more may be wanted while the stream closes
                with unavailable(peer):
                    async with open_stream(self._node.host, peer, PROTOCOLS) as stream:
                        while owed:
                            cid, debt = owed.popitem(last=False)
                            await self._send_block(stream, cid, debt)
        except UnavailableError as error:
            log.debug("could not serve blocks: %s", error)
        finally:
            del self._owed[peer]

    async def _send_block(self, stream: INetStream, cid: Cid, debt: _Debt) -> None:
        data = await read_block(self._store, cid)
        message = Message()
        if data is not None and not debt.wants_data:
            message.blockPresences.add(cid=cid.binary, type=Message.Have)
        elif data is not None:
            message.payload.add(prefix=cid.binary[:4], data=data)
            self.traffic.sent_blocks += 1
            self.traffic.sent_bytes += len(data)
        elif debt.say_missing:
            message.blockPresences.add(cid=cid.binary, type=Message.DontHave)
        else:
            return
        await _write_message(stream, message)

    async def _send(self, peer: ID, message: Message) -> None:
        """Put a question to a peer on the one stream we keep for them."""
        asker = self._askers[peer]
        with unavailable(peer), trio.fail_after(MESSAGE_S):
            async with asker.lock:
                if asker.stream is not None and is_finished(asker.stream):
                    await self._drop_stream(asker)
                if asker.stream is None:
                    protocols = [TProtocol(name) for name in PROTOCOLS]
                    asker.stream = await self._node.host.new_stream(peer, protocols)
                try:
                    await _write_message(asker.stream, message)
                except BaseException:
                    await self._drop_stream(asker)
                    raise

    async def _drop_stream(self, asker: _Asker) -> None:
        if asker.stream is not None:
            stream, asker.stream = asker.stream, None
            await reset(stream)

    async def release(self, peer: ID) -> None:
        """Forget a peer that nothing is wanted from any more."""
        if any(peer in want.asked for want in self._wants.values()):
            return
        self._released[peer] = trio.current_time()
        while len(self._released) > REMEMBERED:
            self._released.popitem(last=False)
        self.last_arrival.pop(peer, None)
        self.liars.discard(peer)
        asker = self._askers.pop(peer, None)
        if asker is not None and asker.stream is not None:
            try:
                with unavailable(peer), trio.fail_after(RESET_S):
                    await asker.stream.close()
            except UnavailableError:
                await self._drop_stream(asker)


async def read_block(store: BlockStore, cid: Cid) -> bytes | None:
    """A stored block, or None when it is absent or damaged."""
    try:
        data = await trio.to_thread.run_sync(store.get, cid)
    except JoyNetError as error:
        log.warning("block %s: %s", cid, error)
        return None
    return data if data is not None and len(data) <= MAX_BLOCK_BYTES else None


def _question(cid: Cid) -> Message:
    message = Message()
    message.wantlist.entries.add(
        block=cid.binary, priority=1, wantType=Message.Wantlist.Block, sendDontHave=True
    )
    return message


async def _write_message(stream: INetStream, message: Message) -> None:
    data = message.SerializeToString()
    with trio.fail_after(MESSAGE_S):
        await stream.write(write_varint(len(data)) + data)


def _parse_cid(data: bytes) -> Cid:
    if len(data) == 34 and data[:2] == b"\x12\x20":  # CIDv0
        return Cid(DAG_PB, data[2:])
    return Cid.from_binary(data)


def _cid_of(prefix: bytes, data: bytes) -> Cid:
    """The CID of a received block: its codec from the prefix, its digest from the bytes."""
    if len(data) > MAX_BLOCK_BYTES:
        raise InvalidInputError(f"block of {len(data)} bytes, expected <= {MAX_BLOCK_BYTES}")
    if prefix[:2] == b"\x12\x20" or prefix[:2] == b"\x00\x70":
        return Cid.of(DAG_PB, data)
    return Cid.of(Cid.from_binary(prefix + bytes(32)).codec, data)
