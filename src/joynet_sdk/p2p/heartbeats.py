"""Heartbeats on gossipsub (trio side): nothing is stored or forwarded before it is judged.

libp2p's own path marks, caches and logs a message in ways a hostile peer can use, so `push_msg`
is ours; mesh, scores and control messages are libp2p's.
"""

import hashlib
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum

import trio
from libp2p.abc import INetStream
from libp2p.network.stream.exceptions import StreamReset
from libp2p.peer.id import ID
from libp2p.pubsub.gossipsub import PROTOCOL_ID, PROTOCOL_ID_V11, GossipSub
from libp2p.pubsub.pb import rpc_pb2
from libp2p.pubsub.pubsub import Pubsub
from libp2p.pubsub.score import ScoreParams, TopicScoreParams
from libp2p.pubsub.validators import signature_validator
from libp2p.tools.anyio_service import background_trio_service

from joynet_sdk.errors import InvalidInputError, UnavailableError
from joynet_sdk.p2p.host import parse_peer_address
from joynet_sdk.p2p.identity import compressed_of
from joynet_sdk.p2p.limits import MAX_HEARTBEAT_BYTES
from joynet_sdk.p2p.messages import Heartbeat, SignedHeartbeat, decode
from joynet_sdk.p2p.node import TrioNode
from joynet_sdk.p2p.streams import reset

log = logging.getLogger(__name__)

PROTOCOLS = [PROTOCOL_ID_V11, PROTOCOL_ID]
DEGREE, DEGREE_LOW, DEGREE_HIGH = 6, 4, 12
MAX_RPC_BYTES = 64 * 1024
MAX_CLOCK_SKEW_S = 60
MAX_OPERATORS = 4096
MAX_PENDING_PER_PEER = 32  # messages of one forwarder that wait for their verdict
RESTART_S = 1.0
MEET_EVERY_S = 4.0
SEEN_S = 150  # above twice the clock skew: what was forgotten here is too old to be valid

Judge = Callable[[bytes, bytes], Awaitable[bool | None]]


class Verdict(Enum):
    """What becomes of a gossip message."""

    ACCEPT = "accept"  # kept and forwarded
    IGNORE = "ignore"  # dropped; nobody is to blame
    REJECT = "reject"  # dropped, and counts against the peer that sent it


@dataclass(frozen=True, slots=True)
class LatestHeartbeat:
    """The newest valid heartbeat of one operator.

    Attributes:
        heartbeat: What it says.
        payload: The bytes that were signed.
        signature: 65 bytes, by the operator.
        received_at: Unix seconds, our clock.
    """

    heartbeat: Heartbeat
    payload: bytes
    signature: bytes
    received_at: float


class HeartbeatTable:
    """The latest heartbeat of each operator, bounded in number and age."""

    def __init__(self, expire_s: float, max_operators: int = MAX_OPERATORS) -> None:
        self._expire_s, self._max = expire_s, max_operators
        self._latest: dict[bytes, LatestHeartbeat] = {}

    def is_newer(self, heartbeat: Heartbeat) -> bool:
        """True when its seq is above the operator's latest."""
        known = self._latest.get(heartbeat.operator)
        return known is None or heartbeat.seq > known.heartbeat.seq

    def put(self, entry: LatestHeartbeat) -> bool:
        """Keep a heartbeat; False when the table is full of live operators."""
        operator = entry.heartbeat.operator
        if operator not in self._latest and len(self._latest) >= self._max:
            self._drop_expired()
            if len(self._latest) >= self._max:
                return False
        self._latest[operator] = entry
        return True

    def live(self) -> list[LatestHeartbeat]:
        """Heartbeats that have not expired."""
        self._drop_expired()
        return list(self._latest.values())

    def _drop_expired(self) -> None:
        oldest = time.time() - self._expire_s
        for operator, entry in list(self._latest.items()):
            if entry.received_at < oldest:
                del self._latest[operator]


class HeartbeatTopic:
    """One gossip topic of a node.

    Args:
        judge: Awaited with (payload, signature) of well-formed, timely heartbeats: True accepts,
            False rejects and counts against the sender, None drops without blame.
        expire_s: Seconds after which a silent operator leaves the table.
    """

    def __init__(self, node: TrioNode, topic: str, judge: Judge, expire_s: float) -> None:
        self._node, self.topic, self._judge = node, topic, judge
        self.table = HeartbeatTable(expire_s)
        self.counts: Counter[str] = Counter()  # verdict -> messages
        self._pubsub: JudgedPubsub | None = None

    async def start(self) -> None:
        """Join the topic; returns once subscribed. Runs until the node stops."""
        started = trio.Event()
        self._node.start_soon(self._run, started)
        await started.wait()

    async def publish(self, data: bytes) -> None:
        """Judge our own message and send it out.

        Raises:
            InvalidInputError: It is not a valid heartbeat, or its seq does not rise.
            UnavailableError: Gossip is restarting.
        """
        if self._pubsub is None:
            raise UnavailableError("gossip is not running")
        if await self.verdict(data) is not Verdict.ACCEPT:
            raise InvalidInputError("our own heartbeat is not valid: seq, time, peer id or signer")
        await self._pubsub.publish(self.topic, data)

    async def verdict(self, data: bytes) -> Verdict:
        """Judge a message; an accepted one is in the table afterwards."""
        try:
            message = decode(data, SignedHeartbeat, limit=MAX_HEARTBEAT_BYTES + 256)
            heartbeat = decode(message.payload, Heartbeat, limit=MAX_HEARTBEAT_BYTES)
            _check_peer(heartbeat)
        except InvalidInputError as error:
            log.debug("malformed heartbeat: %s", error)
            return Verdict.REJECT
        if abs(heartbeat.time - time.time()) > MAX_CLOCK_SKEW_S:
            return Verdict.REJECT
        if not self.table.is_newer(heartbeat):  # late, on a slower path: honest peers do that
            return Verdict.IGNORE
        good = await self._judge(message.payload, message.signature)
        if good is None:
            return Verdict.IGNORE
        if not good:
            return Verdict.REJECT
        if not self.table.is_newer(heartbeat):  # while this one was judged
            return Verdict.IGNORE
        entry = LatestHeartbeat(heartbeat, message.payload, message.signature, time.time())
        return Verdict.ACCEPT if self.table.put(entry) else Verdict.IGNORE

    async def judge_from(self, forwarder: ID, data: bytes) -> Verdict:
        """Judge a peer's message and count the verdict."""
        verdict = await self.verdict(data)
        self.counts[verdict.value] += 1
        if verdict is Verdict.REJECT:
            await self._node.strike(forwarder)
        return verdict

    async def _run(self, started: trio.Event) -> None:
        while True:
            try:
                await self._run_once(started)
            except Exception:  # hostile input must not end the host; gossip starts afresh
                log.exception("gossip failed, starting again in %.0f s", RESTART_S)
            self._pubsub = None
            await self._reset_streams()
            await trio.sleep(RESTART_S)

    def _meet_peers(self, pubsub: "JudgedPubsub") -> None:
        """Heal what libp2p gives up on: a failed first stream, a forgotten subscription."""
        for peer in self._node.swarm.get_connections_map():
            if peer not in pubsub.peers:
                self._node.start_soon(pubsub.register, peer)
        for queue in list(pubsub.peer_queues.values()):
            queue.push(pubsub.get_hello_packet())

    async def _reset_streams(self) -> None:
        """Reset the streams that the old service read or still gets: peers then open new ones."""
        for protocol in PROTOCOLS:
            self._node.host.set_stream_handler(protocol, _refuse)
        for connection in self._node.swarm.get_connections():
            for stream in connection.get_streams():
                if stream.get_protocol() in PROTOCOLS:
                    await reset(stream)

    async def _run_once(self, started: trio.Event) -> None:
        network = self._node.swarm
        others = list(network.notifees)
        router = GossipSub(
            protocols=PROTOCOLS,
            degree=DEGREE,
            degree_low=DEGREE_LOW,
            degree_high=DEGREE_HIGH,
            heartbeat_interval=1,
            score_params=score_params(self._node.limits.max_connections_per_ip),
            adaptive_gossip_enabled=False,  # it slows the mesh heartbeat down to a minute
            eclipse_protection_enabled=False,  # P7 of the scores does this
            max_messages_per_topic_per_second=100.0,
        )
        pubsub = JudgedPubsub(self._node, router, self)
        try:
            async with background_trio_service(pubsub), background_trio_service(router):
                await pubsub.wait_until_ready()
                await pubsub.subscribe(self.topic)
                self._pubsub = pubsub
                started.set()
                while True:
                    self._meet_peers(pubsub)
                    await trio.sleep(MEET_EVERY_S)
        finally:
            network.notifees[:] = [each for each in network.notifees if each in others]


class JudgedPubsub(Pubsub):
    """Pubsub whose messages pass a HeartbeatTopic's verdict."""

    def __init__(self, node: TrioNode, router: GossipSub, topic: HeartbeatTopic) -> None:
        super().__init__(
            node.host,
            router,
            seen_ttl=SEEN_S,
            msg_id_constructor=_message_id,
            max_inbound_rpc_size=MAX_RPC_BYTES,
            max_subscriptions_per_rpc=16,
            max_subscriptions_per_peer=16,
            allowed_topics={topic.topic},
        )
        self._topic = topic
        self._pending: Counter[ID] = Counter()

    async def register(self, peer: ID) -> None:
        """Open the gossip stream to a connected peer, if that works within a few seconds."""
        await self.ensure_peer_stream(peer, timeout=MEET_EVERY_S / 2)

    async def push_msg(self, msg_forwarder: ID, msg: rpc_pb2.Message) -> None:
        """Judge a message; forward it when it is good, blame its forwarder when it is bad."""
        if self._is_msg_seen(msg) or list(msg.topicIDs) != [self._topic.topic]:
            return
        if msg_forwarder == self.my_id:  # `HeartbeatTopic.publish` judged it
            self._mark_msg_seen(msg)
            await self.router.publish(msg_forwarder, msg)
            return
        scorer = self.router.scorer  # type: ignore[attr-defined]  # the router is a GossipSub
        if not scorer.allow_publish(msg_forwarder, [self._topic.topic]):
            return
        if self._pending[msg_forwarder] >= MAX_PENDING_PER_PEER:
            scorer.penalize_behavior(msg_forwarder, 1.0)
            return
        self._pending[msg_forwarder] += 1
        try:
            signed = _is_signed(msg)
            if signed:  # only then: a bad envelope must not shadow a good message in it
                self._mark_msg_seen(msg)
            verdict = Verdict.REJECT
            if signed:
                verdict = await self._topic.judge_from(msg_forwarder, msg.data)
        finally:
            self._pending[msg_forwarder] -= 1
            if not self._pending[msg_forwarder]:
                del self._pending[msg_forwarder]
        if verdict is Verdict.REJECT:
            scorer.on_invalid_message(msg_forwarder, self._topic.topic)
        elif verdict is Verdict.ACCEPT:
            scorer.on_first_delivery(msg_forwarder, self._topic.topic)
            await self.router.publish(msg_forwarder, msg)


def score_params(max_peers_per_ip: int) -> ScoreParams:
    """Gossipsub 1.1 scores: five bad messages silence a peer for a while.

    Source: gossipsub v1.1 specification, "Peer Scoring".
    """
    return ScoreParams(
        p1_time_in_mesh=TopicScoreParams(weight=0.1, cap=10.0, decay=1.0),
        p2_first_message_deliveries=TopicScoreParams(weight=0.5, cap=20.0, decay=0.9),
        p4_invalid_messages=TopicScoreParams(weight=10.0, cap=100.0, decay=0.98),
        p5_behavior_penalty_weight=5.0,
        p5_behavior_penalty_decay=0.9,
        p5_behavior_penalty_threshold=6.0,
        p7_ip_colocation_weight=1.0,
        p7_ip_colocation_threshold=max_peers_per_ip,
        publish_threshold=-40.0,
        gossip_threshold=-20.0,
        graylist_threshold=-60.0,
        accept_px_threshold=10.0,
    )


async def _refuse(_: INetStream) -> None:
    raise StreamReset("gossip is starting again")


def _message_id(msg: rpc_pb2.Message) -> bytes:
    return hashlib.sha256(msg.data).digest()


def _is_signed(msg: rpc_pb2.Message) -> bool:
    """Is the envelope signed by the secp256k1 key inside its own `from`?"""
    try:
        compressed_of(ID(msg.from_id).to_base58())
    except InvalidInputError:
        return False
    return bool(signature_validator(msg))


def _check_peer(heartbeat: Heartbeat) -> None:
    compressed_of(heartbeat.peer_id)
    for address in heartbeat.addrs:
        if parse_peer_address(address) != heartbeat.peer_id:
            raise InvalidInputError(f"address {address[:200]!r} is not of {heartbeat.peer_id}")
