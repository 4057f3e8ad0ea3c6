"""Signed heartbeats: publish ours, know everyone's latest."""

import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Self

from joynet_sdk.errors import UnavailableError
from joynet_sdk.p2p.host import P2PHost
from joynet_sdk.p2p.messages import SignedHeartbeat, encode

if TYPE_CHECKING:
    from joynet_sdk.p2p.heartbeats import HeartbeatTopic, LatestHeartbeat

log = logging.getLogger(__name__)

EXPIRE_S = 60.0
# True accepts, False rejects and blames the sender, None drops without blame
Validate = Callable[[bytes, bytes], "bool | Awaitable[bool | None] | None"]


def heartbeat_topic(chain_id: int, coordinator: str) -> str:
    """The topic of a network: docs/spec/wire.md."""
    return f"/joynet/{chain_id}/{coordinator.lower()}/heartbeat/1"


class HeartbeatGossip:
    """The heartbeats of one network. A host joins one topic.

    Args:
        host: A started host.
        topic: From `heartbeat_topic`.
        validate: (payload, signature) -> True, False or None; may be async; runs on this loop.
            Return False only for what no honest node forwards (a bad signature), None for what
            others may see differently (an operator that our chain view does not know yet).
        expire_s: Seconds after which a silent operator is forgotten.
    """

    def __init__(
        self, host: P2PHost, topic: str, validate: Validate, expire_s: float = EXPIRE_S
    ) -> None:
        self._host, self._name = host, topic
        self._validate, self._expire_s = validate, expire_s
        self._topic: HeartbeatTopic | None = None

    async def start(self) -> Self:
        """Join the topic."""
        self._topic = await self._host.join_topic(self._name, self._judge, self._expire_s)
        return self

    async def publish(self, payload: bytes, signature: bytes) -> None:
        """Send our heartbeat.

        Args:
            payload: An encoded `messages.Heartbeat`.
            signature: EIP-191 over the payload by the operator, 65 bytes.

        Raises:
            InvalidInputError: It is malformed, stale, or `validate` does not accept it.
            UnavailableError: Gossip is not running.
        """
        data = encode(SignedHeartbeat(payload=payload, signature=signature))
        await self._host.call(self._joined().publish, data)

    async def heartbeats(self) -> "list[LatestHeartbeat]":
        """The latest heartbeat of each live operator, ours included."""
        topic = self._joined()

        async def live() -> "list[LatestHeartbeat]":
            return topic.table.live()

        return await self._host.call(live)

    @property
    def counts(self) -> dict[str, int]:
        """Messages from peers by verdict: accept, ignore, reject."""
        return dict(self._joined().counts)

    async def _judge(self, payload: bytes, signature: bytes) -> bool | None:
        try:
            verdict = self._validate(payload, signature)
            return await verdict if inspect.isawaitable(verdict) else verdict
        except Exception:  # our validator's own failure is not the sender's fault
            log.exception("the heartbeat validator failed")
            return None

    def _joined(self) -> "HeartbeatTopic":
        if self._topic is None:
            raise UnavailableError("gossip is not started")
        return self._topic
