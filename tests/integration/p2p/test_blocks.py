"""Whole DAGs between real hosts, with peers that lie, stall, lack blocks or vanish."""

import asyncio
import hashlib
import random

import pytest
import trio
from libp2p.bitswap.pb.bitswap_pb2 import Message
from libp2p.peer.id import ID

from joynet_sdk.errors import NotFoundError, UnavailableError, VerificationError
from joynet_sdk.formats import DAG_PB, RAW, Cid
from joynet_sdk.p2p.bitswap import PROTOCOLS
from joynet_sdk.p2p.dagpb import read_varint, write_varint
from joynet_sdk.p2p.limits import MAX_BLOCK_BYTES, Limits
from joynet_sdk.p2p.streams import open_stream, read_exactly

MIB = 1024 * 1024


def add(store, codec: int, data: bytes) -> Cid:
    cid = Cid.of(codec, data)
    store.blocks[cid] = data
    return cid


def add_node(store, children: list[tuple[Cid, int]]) -> Cid:
    out = b""
    for cid, size in children:
        link = b"\x0a\x24" + cid.binary + b"\x12\x00\x18" + write_varint(size)
        out += b"\x12" + write_varint(len(link)) + link
    return add(store, DAG_PB, out + b"\x0a\x02\x08\x02")


def add_file(store, chunks: int, size: int = MIB, seed: int = 1) -> Cid:
    """Two levels of nodes above `chunks` leaves of `size` random bytes."""
    rng = random.Random(seed)
    leaves = [(add(store, RAW, rng.randbytes(size)), size) for _ in range(chunks)]
    halves = [leaves[: chunks // 2], leaves[chunks // 2 :]]
    return add_node(store, [(add_node(store, half), size * len(half)) for half in halves])


async def provider(stage, new_store, client, chunks: int = 0, size: int = MIB, limits=None):
    """A host with a file, connected to the client; (host, root)."""
    store = new_store()
    root = add_file(store, chunks, size) if chunks else None
    host = await stage.host(limits, block_store=store)
    await client.connect(host.addrs[0])
    return host, root


def replace_bitswap(host, answer) -> None:
    """Make a host answer each wanted CID with `answer(cid) -> Message | None`."""

    async def handle(stream) -> None:
        peer = stream.muxed_conn.peer_id
        while True:
            message = await read_message(stream)
            for entry in message.wantlist.entries:
                reply = answer(Cid.from_binary(entry.block))
                if reply is not None and not entry.cancel:
                    async with open_stream(host.running_node().host, peer, PROTOCOLS) as out:
                        data = reply.SerializeToString()
                        await out.write(write_varint(len(data)) + data)

    for protocol in PROTOCOLS:
        host.running_node().host.set_stream_handler(protocol, handle)


async def read_message(stream) -> Message:
    prefix = b""
    while not prefix or prefix[-1] >= 0x80:
        prefix += await read_exactly(stream, 1)
    message = Message()
    message.ParseFromString(await read_exactly(stream, read_varint(prefix, 0)[0]))
    return message


def test_ten_megabytes_arrive_verified(play, new_store):
    async def scenario(stage):
        mine = new_store()
        client = await stage.host(block_store=mine)
        host, root = await provider(stage, new_store, client, 10)
        seen = []
        done = await client.blocks.fetch(str(root), [host.peer_id], progress=seen.append)
        assert mine.blocks == host._store.blocks
        assert done.blocks == 13
        assert done.bytes_done == done.bytes_fetched == done.bytes_expected
        assert done.bytes_done == sum(map(len, mine.blocks.values()))
        await asyncio.sleep(0)
        assert [each.blocks for each in seen] == list(range(1, 14))
        again = await client.blocks.fetch(root)
        assert (again.blocks, again.bytes_fetched) == (13, 0)
        assert mine.puts == 13
        traffic = await host.blocks.traffic()
        assert (traffic.sent_blocks, traffic.sent_bytes) == (13, done.bytes_done)

    play(scenario)


def test_blocks_come_from_several_peers(play, new_store):
    async def scenario(stage):
        client = await stage.host(block_store=new_store())
        first, root = await provider(stage, new_store, client, 24, 64 * 1024)
        second, _ = await provider(stage, new_store, client, 24, 64 * 1024)
        await client.blocks.fetch(root)
        shares = [(await host.blocks.traffic()).sent_blocks for host in (first, second)]
        assert sum(shares) == 27
        assert min(shares) >= 5

    play(scenario)


@pytest.mark.parametrize("size", [0, 1, MAX_BLOCK_BYTES])
def test_single_blocks_of_every_size(size, play, new_store):
    async def scenario(stage):
        client = await stage.host(block_store=new_store())
        host, _ = await provider(stage, new_store, client)
        cid = add(host._store, RAW, bytes(size))
        done = await client.blocks.fetch(cid)
        assert (done.blocks, done.bytes_fetched) == (1, size)
        assert client._store.get(cid) == bytes(size)

    play(scenario)


def lie(cid: Cid) -> Message:
    message = Message()
    message.payload.add(prefix=cid.binary[:4], data=b"not what you wanted " + cid.digest)
    return message


def test_lying_peer_is_replaced_and_punished(play, new_store, until):
    async def scenario(stage):
        mine = new_store()
        client = await stage.host(block_store=mine)
        honest, root = await provider(stage, new_store, client, 10, 100_000)
        liar, _ = await provider(stage, new_store, client)
        replace_bitswap(liar, lie)
        await client.blocks.fetch(root, [liar.peer_id, honest.peer_id])
        assert mine.blocks == honest._store.blocks
        assert (await client.blocks.traffic()).wrong_blocks >= 1
        assert client.running_node().peer_limits._strikes[liar.peer_id] >= 3

    play(scenario)


def test_only_a_lying_peer_is_unavailable_and_leaves_nothing(play, new_store):
    async def scenario(stage):
        client = await stage.host(block_store=new_store())
        liar, _ = await provider(stage, new_store, client)
        replace_bitswap(liar, lie)
        cid = Cid(RAW, hashlib.sha256(b"x").digest())
        with pytest.raises(UnavailableError, match="sends wrong blocks"):
            await client.blocks.fetch(cid)
        assert client._store.blocks == {}

    play(scenario)


def test_lying_for_long_ends_in_a_ban(play, new_store, until):
    async def scenario(stage):
        client = await stage.host(Limits(max_strikes=5), block_store=new_store())
        liar, _ = await provider(stage, new_store, client)
        replace_bitswap(liar, lie)
        for text in (b"x", b"y"):
            with pytest.raises(UnavailableError):
                await client.blocks.fetch(Cid.of(RAW, text), [liar.peer_id])

        async def is_gone() -> bool:
            return not await client.peers()

        await until(is_gone)

    play(scenario)


def test_missing_block_is_named(play, new_store):
    async def scenario(stage):
        client = await stage.host(block_store=new_store())
        host, root = await provider(stage, new_store, client, 6, 1000)
        lost = next(cid for cid in host._store.blocks if cid.codec == RAW)
        del host._store.blocks[lost]
        with pytest.raises(NotFoundError, match=str(lost)):
            await client.blocks.fetch(root)
        assert client._store.has(root)  # what arrived stays

    play(scenario)


def test_missing_block_comes_from_the_peer_that_has_it(play, new_store):
    async def scenario(stage):
        client = await stage.host(block_store=new_store())
        first, root = await provider(stage, new_store, client, 8, 1000)
        second, _ = await provider(stage, new_store, client, 8, 1000)
        blocks = list(first._store.blocks)
        for cid in blocks[::2]:
            del first._store.blocks[cid]
        for cid in blocks[1::2]:
            del second._store.blocks[cid]
        done = await client.blocks.fetch(root)
        assert done.blocks == len(blocks)

    play(scenario)


def test_interrupted_fetch_goes_on_where_it_was(play, new_store):
    async def scenario(stage):
        mine = new_store()
        client = await stage.host(block_store=mine)
        host, root = await provider(stage, new_store, client, 40, 200_000)
        some = asyncio.Event()

        def watch(done) -> None:
            if done.blocks >= 5:
                some.set()

        task = asyncio.create_task(client.blocks.fetch(root, progress=watch))
        await some.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await client.ping(host.peer_id)
        assert not client.running_node().peer_limits._strikes  # late blocks are no offence
        had = sum(map(len, mine.blocks.values()))
        assert 5 <= len(mine.blocks) < 43
        total = sum(map(len, host._store.blocks.values()))
        done = await client.blocks.fetch(root)
        assert done.bytes_done == total
        assert done.bytes_fetched <= total - had
        assert mine.blocks == host._store.blocks
        assert mine.puts == 43

    play(scenario)


def test_stalling_peer_is_replaced(play, new_store):
    async def scenario(stage):
        client = await stage.host(block_store=new_store())
        stalled, _ = await provider(stage, new_store, client)
        replace_bitswap(stalled, lambda _: None)
        host, root = await provider(stage, new_store, client, 4, 1000)
        done = await client.blocks.fetch(root, [stalled.peer_id, host.peer_id], idle_s=1.5)
        assert done.blocks == 7
        with pytest.raises(UnavailableError, match=r"sent no block for 0\.3 s"):
            await client.blocks.fetch(Cid.of(RAW, b"?"), [stalled.peer_id], idle_s=0.3)
        with pytest.raises(UnavailableError, match="did not arrive within"):
            await client.blocks.fetch(Cid.of(RAW, b"?"), [stalled.peer_id], timeout_s=0.2)

    play(scenario)


def test_provider_that_dies_midway_is_replaced(play, new_store):
    async def scenario(stage):
        client = await stage.host(block_store=new_store())
        dying, root = await provider(stage, new_store, client, 40, 100_000)
        await provider(stage, new_store, client, 40, 100_000)
        some = asyncio.Event()
        task = asyncio.create_task(
            client.blocks.fetch(root, idle_s=2, progress=lambda _: some.set())
        )
        await some.wait()
        await dying.stop()
        assert (await task).blocks == 43

    play(scenario)


def test_root_that_is_no_dag_is_a_verification_error(play, new_store):
    async def scenario(stage):
        client = await stage.host(block_store=new_store())
        host, _ = await provider(stage, new_store, client)
        cid = add(host._store, DAG_PB, b"\xff\xff not protobuf")
        with pytest.raises(VerificationError, match="not dag-pb"):
            await client.blocks.fetch(cid)

    play(scenario)


def test_too_large_dag_is_refused(play, new_store):
    async def scenario(stage):
        client = await stage.host(block_store=new_store())
        _, root = await provider(stage, new_store, client, 10, 100_000)
        with pytest.raises(VerificationError, match="limit of 300000 bytes"):
            await client.blocks.fetch(root, max_bytes=300_000)
        held = sum(map(len, client._store.blocks.values()))
        assert held <= 300_000 + 17 * 100_000

    play(scenario)


def test_nobody_to_ask(play, new_store):
    async def scenario(stage):
        client = await stage.host(block_store=new_store())
        with pytest.raises(NotFoundError, match="asked 0 peers"):
            await client.blocks.fetch(Cid.of(RAW, b"x"))
        plain = await stage.host()
        await client.connect(plain.addrs[0])  # speaks no bitswap
        with pytest.raises(UnavailableError):
            await client.blocks.fetch(Cid.of(RAW, b"x"))
        with pytest.raises(UnavailableError, match="no block store"):
            _ = plain.blocks

    play(scenario)


def test_foreign_client_gets_presences_and_blocks_on_our_stream(play, new_store):
    """As Kubo and Helia ask: want-have first, and replies read only on streams from the server."""

    async def scenario(stage):
        foreign = await stage.host()
        host, _ = await provider(stage, new_store, foreign)
        have = add(host._store, RAW, b"here")
        lacking = Cid.of(RAW, b"elsewhere")
        answers: list[Message] = []

        async def listen(stream) -> None:
            while True:
                answers.append(await read_message(stream))

        async def ask() -> None:
            node = foreign.running_node().host
            node.set_stream_handler(PROTOCOLS[0], listen)
            message = Message()
            for cid, kind in ((have, 1), (lacking, 1), (have, 0), (lacking, 0)):
                message.Clear()
                message.wantlist.entries.add(block=cid.binary, wantType=kind, sendDontHave=True)
                data = message.SerializeToString()
                async with open_stream(node, ID.from_base58(host.peer_id), PROTOCOLS) as stream:
                    await stream.write(write_varint(len(data)) + data)
                count = len(answers)
                with trio.fail_after(30):
                    while len(answers) == count:
                        await trio.sleep(0.005)

        await foreign.call(ask)
        presences = [answer.blockPresences[0].type for answer in answers if answer.blockPresences]
        assert presences == [Message.Have, Message.DontHave, Message.DontHave]
        assert [answer.payload[0].data for answer in answers if answer.payload] == [b"here"]

    play(scenario)
