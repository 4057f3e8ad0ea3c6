"""Two real hosts on loopback: frames, pings, deadlines, life and death."""

import asyncio
import contextlib
import socket
import threading

import pytest
import trio

from joynet_sdk.errors import InvalidInputError, NotFoundError, UnavailableError, VerificationError
from joynet_sdk.p2p.host import INFER_PROTOCOL, LOOPBACK, P2PHost
from joynet_sdk.p2p.identity import Identity
from joynet_sdk.p2p.limits import MAX_FRAME_BYTES, Limits
from joynet_sdk.p2p.messages import ErrorAnswer, InferAnswer, LaneAnswer, decode_answer
from joynet_sdk.p2p.streams import STREAM_ERRORS

OTHER = Identity(bytes(31) + b"\x01").peer_id


async def echo(frame: bytes, peer_id: str) -> bytes:
    return peer_id.encode() + b":" + frame


def open_streams(host: P2PHost) -> int:
    connections = host.running_node().swarm.get_connections()
    return sum(len(connection.get_streams()) for connection in connections)


def test_request_reaches_the_handler_with_the_senders_id(play):
    async def scenario(stage):
        client, server = await stage.pair()
        await server.serve(INFER_PROTOCOL, echo)
        answer = await client.request(server.peer_id, INFER_PROTOCOL, b"one")
        assert answer == client.peer_id.encode() + b":one"
        await client.serve("/joynet/other/1", echo)  # the other way, on the same connection
        answer = await server.request(client.peer_id, "/joynet/other/1", b"two")
        assert answer == server.peer_id.encode() + b":two"

    play(scenario)


def test_largest_frame_passes_both_ways(play):
    async def scenario(stage):
        client, server = await stage.pair()

        async def same(frame: bytes, _: str) -> bytes:
            return frame

        await server.serve(INFER_PROTOCOL, same)
        frame = bytes(MAX_FRAME_BYTES)
        assert await client.request(server.peer_id, INFER_PROTOCOL, frame) == frame

    play(scenario)


def test_longer_frame_is_refused_before_it_is_sent(play):
    async def scenario(stage):
        client, server = await stage.pair()
        await server.serve(INFER_PROTOCOL, echo)
        with pytest.raises(InvalidInputError, match="expected at most 1048576"):
            await client.request(server.peer_id, INFER_PROTOCOL, bytes(MAX_FRAME_BYTES + 1))

    play(scenario)


def test_too_long_answer_of_a_handler_becomes_an_error(play):
    async def scenario(stage):
        client, server = await stage.pair()

        async def long(_frame: bytes, _peer: str) -> bytes:
            return bytes(MAX_FRAME_BYTES + 1)

        await server.serve(INFER_PROTOCOL, long)
        answer = decode_answer(
            await client.request(server.peer_id, INFER_PROTOCOL, b""), InferAnswer
        )
        assert isinstance(answer, ErrorAnswer)
        assert answer.code == "too_large"

    play(scenario)


def test_answer_that_announces_too_much_is_not_read(play):
    async def scenario(stage):
        client, liar = await stage.pair()

        async def announce(stream) -> None:
            await stream.write((MAX_FRAME_BYTES + 1).to_bytes(4, "big"))

        liar.running_node().host.set_stream_handler(INFER_PROTOCOL, announce)
        with pytest.raises(VerificationError, match="answers with a frame of 1048577 bytes"):
            await client.request(liar.peer_id, INFER_PROTOCOL, b"")

    play(scenario)


def test_streams_are_kept_and_reused(play):
    async def scenario(stage):
        client, server = await stage.pair()
        await server.serve(INFER_PROTOCOL, echo)
        await client.request(server.peer_id, INFER_PROTOCOL, b"")
        before = open_streams(client)
        for _ in range(20):
            await client.request(server.peer_id, INFER_PROTOCOL, b"")
        assert open_streams(client) <= before

    play(scenario)


def test_parallel_requests_are_not_mixed_up(play):
    async def scenario(stage):
        client, server = await stage.pair(Limits(max_requests_per_peer=50))
        await server.serve(INFER_PROTOCOL, echo)
        frames = [b"%d" % n for n in range(40)]
        calls = [client.request(server.peer_id, INFER_PROTOCOL, frame) for frame in frames]
        answers = await asyncio.gather(*calls)
        assert [answer.partition(b":")[2] for answer in answers] == frames

    play(scenario)


def test_raising_handler_costs_one_request(play):
    async def scenario(stage):
        client, server = await stage.pair()

        async def moody(frame: bytes, _: str) -> bytes:
            if frame == b"crash":
                raise ZeroDivisionError
            if frame == b"refuse":
                raise NotFoundError("model", "0x12", hint="look elsewhere")
            return b"\x83\xa2ok\xc3\xa5calls\x01\xa6amount\xa15"

        await server.serve(INFER_PROTOCOL, moody)

        async def ask(frame: bytes):
            answer = await client.request(server.peer_id, INFER_PROTOCOL, frame)
            return decode_answer(answer, LaneAnswer)

        assert (await ask(b"crash")).code == "internal"
        refused = await ask(b"refuse")
        assert (refused.code, refused.hint) == ("bad_request", "look elsewhere")
        assert (await ask(b"")).amount == "5"

    play(scenario)


def test_silent_server_is_given_up_at_the_deadline(play, until):
    async def scenario(stage):
        client, server = await stage.pair()

        async def never(_frame: bytes, _peer: str) -> bytes:
            return await asyncio.Event().wait()

        await server.serve(INFER_PROTOCOL, never)
        async with asyncio.timeout(10):
            with pytest.raises(UnavailableError):
                await client.request(server.peer_id, INFER_PROTOCOL, b"", timeout_s=0.3)
        await until(lambda: client.running_node().peer_limits._current_streams <= 3)

    play(scenario)


def test_slow_handler_is_cut_by_the_server(play):
    async def scenario(stage):
        client, server = await stage.pair(Limits(handler_s=0.2))
        cancelled = asyncio.Event()

        async def slow(_frame: bytes, _peer: str) -> bytes:
            try:
                return await asyncio.Event().wait()
            finally:
                cancelled.set()

        await server.serve(INFER_PROTOCOL, slow)
        answer = decode_answer(
            await client.request(server.peer_id, INFER_PROTOCOL, b""), InferAnswer
        )
        assert (answer.code, answer.retryable) == ("internal", True)
        await cancelled.wait()

    play(scenario)


def test_cancelled_request_leaves_no_stream(play, until):
    async def scenario(stage):
        client, server = await stage.pair()
        entered = asyncio.Event()

        async def never(_frame: bytes, _peer: str) -> bytes:
            entered.set()
            return await asyncio.Event().wait()

        await server.serve(INFER_PROTOCOL, never)
        await client.ping(server.peer_id)
        before = open_streams(client)
        task = asyncio.create_task(client.request(server.peer_id, INFER_PROTOCOL, b""))
        await entered.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: open_streams(client) <= before)

    play(scenario)


def test_stop_fails_pending_requests_at_once(play):
    async def scenario(stage):
        client, server = await stage.pair()
        entered = asyncio.Event()

        async def never(_frame: bytes, _peer: str) -> bytes:
            entered.set()
            return await asyncio.Event().wait()

        await server.serve(INFER_PROTOCOL, never)
        task = asyncio.create_task(client.request(server.peer_id, INFER_PROTOCOL, b""))
        await entered.wait()
        await client.stop()
        with pytest.raises(UnavailableError):
            await task
        await client.stop()  # again is fine
        with pytest.raises(UnavailableError, match="is not running"):
            await client.peers()

    play(scenario)


def test_stopped_server_makes_requests_unavailable(play, until):
    async def scenario(stage):
        client, server = await stage.pair()
        await server.serve(INFER_PROTOCOL, echo)
        await client.request(server.peer_id, INFER_PROTOCOL, b"")
        await server.stop()
        with pytest.raises(UnavailableError):
            await client.request(server.peer_id, INFER_PROTOCOL, b"", timeout_s=3)

        async def is_alone() -> bool:
            return not await client.peers()

        await until(is_alone)

    play(scenario)


def test_ping_and_peers(play, until):
    async def scenario(stage):
        client, server = await stage.pair()
        assert 0 < await client.ping(server.peer_id) < 5000
        (seen,) = await client.peers()
        assert (seen.peer_id, seen.is_inbound) == (server.peer_id, False)
        assert seen.address == server.addrs[0].partition("/p2p/")[0]

        async def server_sees_client() -> bool:
            return [(p.peer_id, p.is_inbound) for p in await server.peers()] == [
                (client.peer_id, True)
            ]

        await until(server_sees_client)
        await client.disconnect(server.peer_id)
        assert await client.peers() == []

    play(scenario)


def test_unknown_protocol_and_unknown_peer_are_unavailable(play):
    async def scenario(stage):
        client, server = await stage.pair()
        with pytest.raises(UnavailableError):
            await client.request(server.peer_id, "/joynet/none/1", b"")
        with pytest.raises(UnavailableError):
            await client.request(OTHER, INFER_PROTOCOL, b"")

    play(scenario)


def test_address_of_another_peer_is_refused(play):
    async def scenario(stage):
        client, server = await stage.host(), await stage.host()
        address = server.addrs[0].replace(server.peer_id, OTHER)
        with pytest.raises(UnavailableError, match="no answer from"):
            await client.connect(address)
        assert await client.connect(server.addrs[0]) == server.peer_id  # no grudge is kept

    play(scenario)


def test_dead_address_fails_and_works_once_somebody_is_there(play):
    async def scenario(stage):
        client, first = await stage.host(), await stage.host()
        address = first.addrs[0]
        await first.stop()
        with pytest.raises(UnavailableError, match="no answer from"):
            await client.connect(address)
        again = P2PHost(first._identity, [address.partition("/p2p/")[0]])
        async with again:
            assert await client.connect(address) == first.peer_id

    play(scenario)


def test_taken_port_is_refused(play):
    async def scenario(stage):
        server = await stage.host()
        address = server.addrs[0].partition("/p2p/")[0]
        with pytest.raises(UnavailableError, match="cannot listen on"):
            await P2PHost(Identity.generate().private_key, [address]).start()
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            with pytest.raises(UnavailableError, match="cannot listen on"):
                await P2PHost(
                    Identity.generate().private_key, [f"/ip4/127.0.0.1/tcp/{port}"]
                ).start()

    play(scenario)


def test_host_starts_once(play):
    async def scenario(stage):
        host = await stage.host()
        with pytest.raises(UnavailableError, match="started before"):
            await host.start()
        with pytest.raises(InvalidInputError, match="is this host itself"):
            await host.connect(host.addrs[0])

    play(scenario)


def test_a_client_listens_nowhere(play):
    async def scenario(stage):
        server = await stage.host()
        await server.serve(INFER_PROTOCOL, echo)
        async with P2PHost(Identity.generate().private_key) as client:
            assert client.addrs == []
            await client.connect(server.addrs[0])
            assert (await client.request(server.peer_id, INFER_PROTOCOL, b"x")).endswith(b":x")

    play(scenario)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "127.0.0.1:4001",
        "/ip4/127.0.0.1/tcp/1",
        "/ip4/127.0.0.1/udp/1/p2p/" + OTHER,
        "/ip4/127.0.0.1/tcp/0/p2p/" + OTHER,
        "/ip4/127.0.0.1/tcp/99999/p2p/" + OTHER,
        "/ip4/127.0.0.1/tcp/1/p2p/" + OTHER[:-1],
        "/ip4/127.0.0.1/tcp/1/p2p/" + OTHER + "\n",
    ],
)
def test_bad_addresses_are_invalid_input(address, play):
    async def scenario(stage):
        host = await stage.host()
        with pytest.raises(InvalidInputError):
            await host.connect(address)

    play(scenario)
    with pytest.raises(InvalidInputError):
        P2PHost(Identity.generate().private_key, bootstrap=[address])


def test_bad_listen_address_is_invalid_input():
    with pytest.raises(InvalidInputError, match="listen address"):
        P2PHost(Identity.generate().private_key, [LOOPBACK, "/ip4/127.0.0.1/udp/1/quic-v1"])


def test_cancelled_writes_leave_the_connection_usable(play):
    """Noise loses count when a message is encrypted and not sent: wherever it is cancelled."""

    async def scenario(stage):
        client, server = await stage.pair()
        await client.ping(server.peer_id)
        (connection,) = client.running_node().swarm.get_connections()

        async def cancel_after(ticks: int) -> None:
            stream = await connection.muxed_conn.open_stream()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(stream.write, b"never mind")
                for _ in range(ticks):
                    await trio.lowlevel.checkpoint()
                nursery.cancel_scope.cancel()
            await stream.reset()

        for ticks in range(25):
            await client.call(cancel_after, ticks)
            await client.ping(server.peer_id)
        assert client.running_node().swarm.get_connections() == [connection]

    play(scenario)


async def flood(host: P2PHost) -> None:
    """Send more than the buffers of two sockets hold."""
    muxed = host.running_node().swarm.get_connections()[0].muxed_conn

    async def fill() -> None:
        with contextlib.suppress(*STREAM_ERRORS):
            stream = await muxed.open_stream()
            await stream.write(bytes(256 * 1024))

    async with trio.open_nursery() as nursery:
        for _ in range(100):
            nursery.start_soon(fill)


@pytest.fixture
def freeze():
    """`await freeze(host)`: it reads no more until the test ends."""
    thaw = threading.Event()
    calls = []

    async def stop_reading(host: P2PHost) -> None:
        entered = threading.Event()

        async def hold() -> None:
            entered.set()
            thaw.wait(60)

        calls.append(asyncio.create_task(host.call(hold)))
        await asyncio.to_thread(entered.wait)

    stop_reading.thaw = thaw.set
    yield stop_reading
    thaw.set()


def test_peer_that_does_not_read_is_hung_up_on(play, until, freeze):
    async def scenario(stage):
        client, server = await stage.host(Limits(frame_s=1.0)), await stage.host()
        await client.connect(server.addrs[0])
        await freeze(server)
        try:
            await client.call(flood, client)

            async def is_alone() -> bool:
                return not await client.peers()

            await until(is_alone)
        finally:
            freeze.thaw()

    play(scenario)


def test_peer_that_does_not_read_cannot_hold_up_a_stop(play, until, freeze):
    async def scenario(stage):
        client, server = await stage.pair()
        await freeze(server)
        sending = asyncio.create_task(client.call(flood, client))
        muxed = client.running_node().swarm.get_connections()[0].muxed_conn
        try:
            await until(lambda: muxed._write_lock.statistics().tasks_waiting > 0)
            async with asyncio.timeout(8):  # a frame may take 15 s
                await client.stop()
            with pytest.raises(UnavailableError):
                await sending
        finally:
            freeze.thaw()

    play(scenario)
