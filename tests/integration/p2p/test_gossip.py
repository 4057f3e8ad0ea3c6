"""Heartbeats between real hosts: good ones travel, bad ones stop at the first honest host."""

import contextlib
import itertools
import time
from types import SimpleNamespace

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct
from libp2p.peer.id import ID

from joynet_sdk.errors import InvalidInputError
from joynet_sdk.p2p.gossip import HeartbeatGossip, heartbeat_topic
from joynet_sdk.p2p.limits import Limits
from joynet_sdk.p2p.messages import Heartbeat, ServedModel, SignedHeartbeat, decode, encode

TOPIC = heartbeat_topic(31337, "0x" + "AB" * 20)
OPERATOR, STRANGER = Account.create(), Account.create()


def sign(payload: bytes, account=OPERATOR) -> bytes:
    return bytes(account.sign_message(encode_defunct(payload)).signature)


def is_signed(payload: bytes, signature: bytes) -> bool:
    """The check a node makes: the operator in the payload signed it."""
    operator = decode(payload, Heartbeat).operator
    signer = Account.recover_message(encode_defunct(payload), signature=signature)
    return bytes.fromhex(signer[2:]) == operator


def heartbeat(host, seq: int, **changes) -> bytes:
    fields = {
        "operator": bytes.fromhex(OPERATOR.address[2:]),
        "peer_id": host.peer_id,
        "seq": seq,
        "time": int(time.time()),
        "addrs": host.addrs,
        "cell": "881f1d4887fffff",
        "capacity": 8,
        "queue": 0,
        "models": [ServedModel(model_id=bytes(32), state="hot")],
    }
    return encode(Heartbeat(**{**fields, **changes}))


async def send_unjudged(gossip: HeartbeatGossip, data: bytes) -> None:
    """Publish as a peer without our checks would."""
    topic = gossip._joined()
    await gossip._host.call(topic._pubsub.publish, TOPIC, data)


async def line(stage, count: int, validate=is_signed, limits=None) -> list[HeartbeatGossip]:
    """Hosts in a row, each connected to the next only."""
    hosts = [await stage.host(limits) for _ in range(count)]
    gossips = [await HeartbeatGossip(host, TOPIC, validate).start() for host in hosts]
    for left, right in itertools.pairwise(hosts):
        await left.connect(right.addrs[0])
    return gossips


def latest_seq(gossip: HeartbeatGossip):
    async def read() -> int:
        found = await gossip.heartbeats()
        return found[0].heartbeat.seq if found else 0

    return read


def seq_is(gossip: HeartbeatGossip, seq: int):
    async def check() -> bool:
        return await latest_seq(gossip)() == seq

    return check


def test_heartbeats_travel_over_two_hops_and_the_latest_wins(play, until):
    async def scenario(stage):
        first, middle, last = await line(stage, 3)
        for seq in (1, 2, 5):
            payload = heartbeat(first._host, seq)
            await first.publish(payload, sign(payload))
            await until(seq_is(last, seq))
        (entry,) = await last.heartbeats()
        assert entry.heartbeat.addrs == first._host.addrs
        assert entry.heartbeat.models[0].state == "hot"
        assert await latest_seq(middle)() == 5
        assert middle.counts == {"accept": 3}

    play(scenario)


def test_our_own_bad_heartbeat_is_refused_at_home(play):
    async def scenario(stage):
        (gossip,) = await line(stage, 1)
        payload = heartbeat(gossip._host, 3)
        await gossip.publish(payload, sign(payload))
        for bad in (payload, heartbeat(gossip._host, 2), heartbeat(gossip._host, 4, time=1)):
            with pytest.raises(InvalidInputError):
                await gossip.publish(bad, sign(bad))
        payload = heartbeat(gossip._host, 9)
        with pytest.raises(InvalidInputError):
            await gossip.publish(payload, sign(payload, STRANGER))

    play(scenario)


def bad_messages(host) -> dict[str, bytes]:
    def signed(payload: bytes, account=OPERATOR) -> bytes:
        return encode(SignedHeartbeat(payload=payload, signature=sign(payload, account)))

    stranger = "/ip4/127.0.0.1/tcp/1/p2p/16Uiu2HAm88VwU6yp6nsfEM9s6zjnrAJU1TnmdiSRYfnYgzfTmZfU"
    return {
        "wrong signer": signed(heartbeat(host, 11), STRANGER),
        "old": signed(heartbeat(host, 11, time=int(time.time()) - 120)),
        "from the future": signed(heartbeat(host, 11, time=int(time.time()) + 120)),
        "address of another peer": signed(heartbeat(host, 11, addrs=[stranger])),
        "no peer id": signed(heartbeat(host, 11, peer_id="nobody", addrs=[])),
        "not a heartbeat": signed(b"\x81\xa7version\x01"),
        "not messagepack": b"\xc1 garbage",
        "empty": b"",
        "too long": b"\xc4" * 20_000,
    }


def test_bad_messages_are_blamed_and_not_forwarded(play, until):
    async def scenario(stage):
        evil, middle, last = await line(stage, 3, limits=Limits(max_strikes=1000))
        payload = heartbeat(evil._host, 10)
        await evil.publish(payload, sign(payload))
        await until(seq_is(last, 10))
        scorer = middle._joined()._pubsub.router.scorer
        for count, data in enumerate(bad_messages(evil._host).values(), start=1):
            scorer.invalid_messages.clear()  # else the score silences it; see the next test
            await send_unjudged(evil, data)
            await until(lambda count=count: middle.counts.get("reject", 0) == count)
        payload = heartbeat(evil._host, 12)
        await evil.publish(payload, sign(payload))  # sent after the bad ones, on the same streams
        await until(seq_is(last, 12))
        assert last.counts == {"accept": 2}
        strikes = middle._host.running_node().peer_limits._strikes
        assert strikes[evil._host.peer_id] == len(bad_messages(evil._host))

    play(scenario)


def test_replayed_and_late_heartbeats_are_dropped_without_blame(play, until):
    async def scenario(stage):
        evil, honest, last = await line(stage, 3)
        payload = heartbeat(evil._host, 10)
        await evil.publish(payload, sign(payload))
        await until(seq_is(last, 10))
        for count, changes in enumerate(({"queue": 3}, {"seq": 4}), start=1):
            payload = heartbeat(evil._host, **{"seq": 10, **changes})
            message = SignedHeartbeat(payload=payload, signature=sign(payload))
            await send_unjudged(evil, encode(message))
            await until(lambda count=count: honest.counts.get("ignore", 0) == count)
        payload = heartbeat(evil._host, 11)
        await evil.publish(payload, sign(payload))
        await until(seq_is(last, 11))
        assert last.counts == {"accept": 2}
        assert not honest._host.running_node().peer_limits._strikes

    play(scenario)


def test_score_silences_a_peer_that_keeps_lying(play, until):
    async def scenario(stage):
        evil, honest = await line(stage, 2, limits=Limits(max_strikes=1000))
        payload = heartbeat(evil._host, 1)
        await evil.publish(payload, sign(payload))
        await until(seq_is(honest, 1))
        scorer = honest._joined()._pubsub.router.scorer
        peer = ID.from_base58(evil._host.peer_id)
        for count in range(1, 6):
            assert scorer.allow_publish(peer, [TOPIC])
            payload = heartbeat(evil._host, 1 + count)
            lie = SignedHeartbeat(payload=payload, signature=sign(payload, STRANGER))
            await send_unjudged(evil, encode(lie))
            await until(lambda count=count: honest.counts.get("reject", 0) == count)
        await until(lambda: not scorer.allow_publish(peer, [TOPIC]))
        payload = heartbeat(evil._host, 50)
        await send_unjudged(evil, encode(SignedHeartbeat(payload=payload, signature=sign(payload))))
        await evil._host.ping(honest._host.peer_id)  # it had time to arrive
        assert await latest_seq(honest)() == 1

    play(scenario)


def test_strikes_of_gossip_lead_to_a_ban(play, until):
    async def scenario(stage):
        evil, honest = await line(stage, 2, limits=Limits(max_strikes=3))
        await until(lambda: bool(evil._joined()._pubsub.peers))
        for number in range(4):
            await send_unjudged(evil, b"junk %d" % number)

        async def is_gone() -> bool:
            return not await honest._host.peers()

        await until(is_gone)

    play(scenario)


def test_unknown_operators_are_ignored_without_blame(play, until):
    async def scenario(stage):
        async def unknown(_payload: bytes, _signature: bytes) -> None:
            return None

        hosts = [await stage.host(), await stage.host()]
        sender = await HeartbeatGossip(hosts[0], TOPIC, is_signed).start()
        careful = await HeartbeatGossip(hosts[1], TOPIC, unknown).start()
        await hosts[0].connect(hosts[1].addrs[0])
        payload = heartbeat(hosts[0], 1)
        await sender.publish(payload, sign(payload))
        await until(lambda: careful.counts == {"ignore": 1})
        assert await careful.heartbeats() == []
        assert not hosts[1].running_node().peer_limits._strikes

    play(scenario)


def test_failing_validator_blames_nobody(play, until):
    async def scenario(stage):
        def broken(_payload: bytes, _signature: bytes) -> bool:
            raise ZeroDivisionError

        hosts = [await stage.host(), await stage.host()]
        sender = await HeartbeatGossip(hosts[0], TOPIC, is_signed).start()
        clumsy = await HeartbeatGossip(hosts[1], TOPIC, broken).start()
        await hosts[0].connect(hosts[1].addrs[0])
        payload = heartbeat(hosts[0], 1)
        await sender.publish(payload, sign(payload))
        await until(lambda: clumsy.counts == {"ignore": 1})
        assert not hosts[1].running_node().peer_limits._strikes

    play(scenario)


def test_silent_operators_expire(play, monkeypatch):
    async def scenario(stage):
        host = await stage.host()
        gossip = await HeartbeatGossip(host, TOPIC, is_signed, expire_s=600).start()
        payload = heartbeat(host, 1)
        await gossip.publish(payload, sign(payload))
        for later, count in ((300, 1), (601, 0)):
            clock = SimpleNamespace(time=lambda later=later: time.time() + later)
            monkeypatch.setattr("joynet_sdk.p2p.heartbeats.time", clock)
            assert len(await gossip.heartbeats()) == count

    play(scenario)


def test_a_host_joins_one_topic(play):
    async def scenario(stage):
        (gossip,) = await line(stage, 1)
        with pytest.raises(InvalidInputError, match="has joined"):
            await HeartbeatGossip(gossip._host, "/other", is_signed).start()

    play(scenario)


def test_crash_of_gossip_is_survived(play, until):
    async def scenario(stage):
        sender, receiver = await line(stage, 2)
        await until(receiver._host.peers)  # the dialler's handshake ends before ours
        peers = await receiver._host.peers()
        topic = receiver._joined()
        before = topic._pubsub

        async def crash() -> None:
            raise ZeroDivisionError

        async def start_crash() -> None:
            before.manager.run_task(crash)

        await receiver._host.call(start_crash)
        await until(lambda: topic._pubsub not in (None, before))
        await receiver._host.ping(sender._host.peer_id)
        assert await receiver._host.peers() == peers  # on the connection it had
        for seq in itertools.count(1):  # as an operator would, until the new mesh stands
            payload = heartbeat(sender._host, seq)
            await sender.publish(payload, sign(payload))
            with contextlib.suppress(TimeoutError):
                await until(receiver.heartbeats, within_s=1)
                break

    play(scenario)
