"""One node: wires chain, peers, store, engines and the control API together, and runs them."""

import asyncio
import contextlib
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from joynet_sdk.chain.accounts import Account
from joynet_sdk.chain.session import ChainSession
from joynet_sdk.compute.workers import Limits, Workers
from joynet_sdk.errors import ConfigError, JoyNetError, NotFoundError
from joynet_sdk.formats import Cid, Manifest, decode_cid
from joynet_sdk.logs import get_logger
from joynet_sdk.node.circuits import Circuits, ProofOffers, ProvingTerms, withdraw_terms
from joynet_sdk.node.control import ControlServer, node_folder
from joynet_sdk.node.disputes import DisputeProofs
from joynet_sdk.node.faults import fault
from joynet_sdk.node.heartbeat import EVERY_S, Heartbeats
from joynet_sdk.node.ledger import Ledger
from joynet_sdk.node.licences import ModelKeys
from joynet_sdk.node.metrics import Metrics
from joynet_sdk.node.money import EscrowView, Redeemer
from joynet_sdk.node.provers import open_prover
from joynet_sdk.node.proving import ProofMaker
from joynet_sdk.node.serving import Identity, InferenceServer
from joynet_sdk.node.shelf import Shelf
from joynet_sdk.node.voting import CommitteeMember
from joynet_sdk.p2p.host import INFER_PROTOCOL, P2PHost
from joynet_sdk.p2p.identity import load_or_create, peer_key_path
from joynet_sdk.receipts import Domain
from joynet_sdk.storage.blocks import DiskBlockStore
from joynet_sdk.storage.manifest import load_manifest
from joynet_sdk.types import Address, ModelId

log = get_logger(__name__)

POLL_S = 0.5  # committee jobs
REFRESH_S = 5.0  # offers and prices
THAW_CHECK_S = 15.0
REDEEM_EVERY_S = 600.0
STOP_S = 10.0
INPUT_BYTES = 1 << 20  # a committee input by CID


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """What a node is started with.

    Attributes:
        url: The chain's RPC address.
        unsecured_limit: Wei per payer served beyond its allocation.
        fault: Name of a fault; development chains only.
        proving: On what terms it takes proven jobs; None: it takes none.
    """

    home: Path
    url: str
    listen: list[str]
    bootstrap: list[str]
    quota_bytes: int
    unsecured_limit: int = 0
    fault: str = ""
    proving: ProvingTerms | None = None


class Node:
    """A running node; `run` returns when it was stopped."""

    def __init__(self, config: NodeConfig, operator: Account) -> None:
        self._config, folder = config, node_folder(config.home)
        self._chain = ChainSession(config.url, config.home, account=operator)
        coordinator = self._chain.contract("NodeCoordinator")
        self.node_id = int(coordinator.call("node_of_operator", operator.address))
        if not self.node_id:
            raise NotFoundError("node of operator", operator.address, hint="joynet node register")
        self._record = coordinator.call("node", self.node_id)
        peer = load_or_create(peer_key_path(config.home))
        if self._record["peer_key"] != peer.compressed:
            raise ConfigError(
                f"the peer key in {config.home} is not the registered one",
                hint="restore peer.key, or register a new node",
            )
        domain = Domain(self._chain.chain_id, Address(coordinator.address))
        self.identity = Identity(
            domain, operator.address, peer.peer_id, operator, config.unsecured_limit
        )
        self._circuits = self._open_circuits()
        self._build(peer.private_key, folder)

    def _open_circuits(self) -> Circuits | None:
        """The prover: it also checks circuits where the node does not prove."""
        try:
            return Circuits(self._chain, open_prover(self._config.home, self._chain))
        except ConfigError as error:
            if self._config.proving is not None:
                raise
            log.info("circuits_unchecked", reason=str(error))
            return None

    def _build(self, peer_key: bytes, folder: Path) -> None:
        config, chain, me = self._config, self._chain, self.identity
        self._store = DiskBlockStore(config.home / "store", quota_bytes=config.quota_bytes)
        self._host = P2PHost(peer_key, config.listen, config.bootstrap, block_store=self._store)
        self._workers = Workers(Limits(queue=max(1, min(self._record["capacity"], 256))))
        self._ledger = Ledger(folder / "ledger.db")
        self._shelf = Shelf(
            chain,
            self.node_id,
            self._store,
            folder / "models",
            self._workers,
            lambda cid, most: self._host.blocks.fetch(cid, timeout_s=120, max_bytes=most),
            fault(config.fault, chain.chain_id),
            self._circuits.check if self._circuits else None,
            ModelKeys(chain, self._record["vault"], config.home, self._load).content_key,
        )
        self._server = InferenceServer(
            me, self._ledger, self._shelf, EscrowView(chain, me.operator)
        )
        self._committee = CommitteeMember(
            *(me, self.node_id, chain, self._ledger, self._shelf, self._fetch_input),
            DisputeProofs(chain, self._shelf, self._circuits).settle if self._circuits else None,
        )
        self._offers: ProofOffers | None = None
        self._proofs: ProofMaker | None = None
        if config.proving is not None and self._circuits is not None:
            self._offers = ProofOffers(chain, self.node_id, self._shelf, self._circuits)
            self._proofs = ProofMaker(
                *(me, self.node_id, chain, self._ledger, self._shelf, self._circuits),
                self._fetch_input,
                fault(config.fault, chain.chain_id),
            )
        self._redeemer = Redeemer(chain, self.node_id, me.operator, self._ledger)
        self._heartbeats = Heartbeats(
            me, chain, self._host, self._record["cell"], self._record["capacity"]
        )
        self._metrics = Metrics(self._server, self._workers, self._redeemer)
        actions: dict[str, Callable[[dict[str, Any]], Awaitable[Any]]] = {
            "status": self._status,
            "redeem": self._redeem,
            "peers": self._peers,
            "connect": self._connect,
            "ping": self._ping,
        }
        self._control = ControlServer(
            folder, actions, self._metrics.text, lambda: self._host.is_running
        )
        self._stopping = asyncio.Event()
        self._started = time.time()

    def _load(self, model_id: ModelId) -> Manifest:
        return load_manifest(self._store, model_id)

    # --- life -----------------------------------------------------------------------------------

    async def run(self) -> None:
        """Serve until stopped, by the control API, SIGTERM or SIGINT."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        try:
            await self._host.serve(INFER_PROTOCOL, self._metrics.timed(self._server.handle))
            await self._host.start()
            await self._heartbeats.start()
            if self._offers is None:
                await self._withdraw_proofs()
            await self._control.start()
            log.info("node_started", node=self.node_id, peer=self.identity.peer_id)
            await self._work()
        finally:
            await self._shut_down()

    async def _work(self) -> None:
        """Run the periodic jobs side by side until the stop."""
        jobs = [
            self._every(REFRESH_S, self._shelf.refresh),
            self._every(POLL_S, self._committee.poll),
            self._every(EVERY_S, self._beat),
            self._every(THAW_CHECK_S, self._redeemer.redeem_if_thawing),
            self._every(REDEEM_EVERY_S, self._redeem_now, first=False),
        ]
        if self._proofs is not None:
            jobs += [
                self._every(REFRESH_S, self._offer_proofs),
                self._every(POLL_S, self._proofs.poll),
            ]
        tasks = [asyncio.create_task(job) for job in jobs]
        try:
            await self._stopping.wait()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _every(
        self, seconds: float, job: Callable[[], Awaitable[object]], first: bool = True
    ) -> None:
        """Repeat a job; one that fails is logged and tried again next time."""
        if not first:
            await asyncio.sleep(seconds)
        while True:
            try:
                await job()
            except JoyNetError as error:
                log.warning("job_failed", job=job.__qualname__, reason=str(error))
            except Exception:  # a bug in one job must not end the others
                log.error("job_crashed", job=job.__qualname__, exc_info=True)
            await asyncio.sleep(seconds)

    async def _shut_down(self) -> None:
        with contextlib.suppress(JoyNetError, TimeoutError):
            await asyncio.wait_for(self._redeemer.redeem(), STOP_S)
        if self._proofs is not None:
            await self._withdraw_proofs()
            await self._proofs.close()
        if self._circuits is not None:
            self._circuits.close()
        await self._control.stop()
        await self._committee.close()
        await self._host.stop()
        await self._workers.close()
        self._ledger.close()
        self._store.close()
        self._chain.close()
        log.info("node_stopped", node=self.node_id)

    async def _beat(self) -> None:
        await self._heartbeats.publish(self._shelf, self._workers.queue_length())

    async def _redeem_now(self) -> None:
        await self._redeemer.redeem()

    async def _offer_proofs(self) -> None:
        assert self._offers is not None, "called only where the node proves"
        assert self._config.proving is not None, "likewise"
        await self._offers.offer(self._config.proving)

    async def _withdraw_proofs(self) -> None:
        """Take no proven jobs any more: one that nobody works on costs a bond."""
        try:
            await asyncio.wait_for(withdraw_terms(self._chain, self.node_id), STOP_S)
        except (JoyNetError, TimeoutError) as error:
            log.error("proof_terms_left", reason=str(error), hint="joynet node start --prove")
        if left := self._ledger.open_proof_tasks():
            log.warning("open_proofs", jobs=[task.job_id for task in left])

    async def _fetch_input(self, cid: str) -> bytes:
        """A committee input from whoever has it."""
        root: Cid = decode_cid(cid)
        await self._host.blocks.fetch(root, max_bytes=INPUT_BYTES)
        from joynet_sdk.storage.exporter import read_file

        return await asyncio.to_thread(lambda: b"".join(read_file(self._store, root)))

    # --- control ----------------------------------------------------------------------------------

    async def _status(self, _: dict[str, Any]) -> dict[str, Any]:
        states, problems = self._shelf.states(), self._shelf.problems()
        if self._offers is not None:
            problems = self._offers.problems() | problems
        return {
            "node_id": self.node_id,
            "operator": self.identity.operator,
            "peer_id": self.identity.peer_id,
            "addrs": self._host.addrs,
            "uptime_s": round(time.time() - self._started),
            "peers": len(await self._host.peers()),
            "answered": self._server.answered,
            "refused": self._server.refused,
            "queue": self._workers.queue_length(),
            "unredeemed": str(self._redeemer.outstanding()),
            "open_votes": len(self._ledger.open_votes()),
            "open_proofs": len(self._ledger.open_proof_tasks()),
            "proves": ["0x" + key.hex() for key in self._offers.proved()] if self._offers else [],
            "models": [
                {"model_id": "0x" + key.hex(), "state": state, "problem": problems.get(key, "")}
                for key, state in states.items()
            ],
        }

    async def _redeem(self, _: dict[str, Any]) -> dict[str, Any]:
        return {"redeemed": str(await self._redeemer.redeem())}

    async def _peers(self, _: dict[str, Any]) -> list[dict[str, Any]]:
        return [asdict(p) for p in await self._host.peers()]

    async def _connect(self, body: dict[str, Any]) -> dict[str, Any]:
        return {"peer_id": await self._host.connect(str(body.get("address", "")))}

    async def _ping(self, body: dict[str, Any]) -> dict[str, Any]:
        return {"ms": await self._host.ping(str(body.get("peer_id", "")))}
