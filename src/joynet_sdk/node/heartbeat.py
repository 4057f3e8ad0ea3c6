"""Tell the network what this node serves, and know what others say (docs/spec/wire.md)."""

import asyncio
import time

from joynet_sdk.errors import InvalidInputError, UnavailableError, VerificationError
from joynet_sdk.logs import get_logger
from joynet_sdk.node.serving import Identity
from joynet_sdk.node.shelf import Shelf
from joynet_sdk.p2p import messages as wire
from joynet_sdk.p2p.gossip import HeartbeatGossip, heartbeat_topic
from joynet_sdk.p2p.host import P2PHost
from joynet_sdk.p2p.translate import to_address, to_bytes20
from joynet_sdk.ports import Chain
from joynet_sdk.receipts import check_signature_form

log = get_logger(__name__)

EVERY_S = 5.0
KNOWN_S = 30.0  # how long an operator's registration is trusted without asking the chain again


class Heartbeats:
    """Publishes this node's heartbeat and checks the others' against the chain."""

    def __init__(
        self, identity: Identity, chain: Chain, host: P2PHost, cell: str, capacity: int
    ) -> None:
        self._me, self._host = identity, host
        self._cell, self._capacity = cell, capacity
        self._coordinator = chain.contract("NodeCoordinator")
        self._registered: dict[str, tuple[float, bool]] = {}
        topic = heartbeat_topic(identity.domain.chain_id, identity.domain.coordinator)
        self._gossip = HeartbeatGossip(host, topic, self._is_genuine)

    async def start(self) -> None:
        """Join the topic."""
        await self._gossip.start()

    async def publish(self, shelf: Shelf, queue: int) -> None:
        """Send one heartbeat; a network that is not there yet is no error."""
        now = time.time()
        heartbeat = wire.Heartbeat(
            operator=to_bytes20(self._me.operator),
            peer_id=self._me.peer_id,
            seq=int(now * 1000),
            time=int(now),
            addrs=self._host.addrs,
            cell=self._cell,
            capacity=self._capacity,
            queue=queue,
            models=[
                wire.ServedModel(model_id=model_id, state=state)
                for model_id, state in shelf.states().items()
            ],
        )
        payload = wire.encode(heartbeat)
        try:
            await self._gossip.publish(payload, self._me.signer.sign_message(payload))
        except (InvalidInputError, UnavailableError) as error:
            log.warning("heartbeat_not_sent", reason=str(error))

    async def known(self) -> list[wire.Heartbeat]:
        """The latest heartbeat of every live operator."""
        return [latest.heartbeat for latest in await self._gossip.heartbeats()]

    async def _is_genuine(self, payload: bytes, signature: bytes) -> bool | None:
        """Signed by the operator it names, who is registered with that peer key."""
        from eth_account import Account
        from eth_account.messages import encode_defunct

        heartbeat = wire.decode(payload, wire.Heartbeat)
        operator = to_address(heartbeat.operator)
        try:
            check_signature_form(signature)
            if Account.recover_message(encode_defunct(payload), signature=signature) != operator:
                return False
        except (VerificationError, ValueError):
            return False
        return True if await self._is_registered(operator, heartbeat.peer_id) else None

    async def _is_registered(self, operator: str, peer_id: str) -> bool:
        seen, answer = self._registered.get(operator, (0.0, False))
        if not answer or time.monotonic() - seen > KNOWN_S:
            answer = await asyncio.to_thread(self._look_up, operator, peer_id)
            self._registered.pop(operator, None)
            if answer:  # strangers are free to make, and would fill the memory
                self._registered[operator] = (time.monotonic(), answer)
        return answer

    def _look_up(self, operator: str, peer_id: str) -> bool:
        from joynet_sdk.p2p.identity import compressed_of

        node_id = self._coordinator.call("node_of_operator", operator)
        if not node_id:
            return False
        node = self._coordinator.call("node", node_id)
        return bool(node["operator"] == operator and node["peer_key"] == compressed_of(peer_id))
