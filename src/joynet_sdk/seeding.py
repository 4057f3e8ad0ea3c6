"""Handing models out until others have them: what a publisher without a node of its own does."""

import asyncio
import random
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from joynet_sdk.errors import JoyNetError, NotFoundError, UnavailableError
from joynet_sdk.formats import decode_cid
from joynet_sdk.inference.routing import Route
from joynet_sdk.logs import get_logger
from joynet_sdk.storage.blocks import DiskBlockStore
from joynet_sdk.storage.exporter import Source, read_file
from joynet_sdk.storage.library import Library
from joynet_sdk.storage.manifest import load_manifest
from joynet_sdk.types import ModelId

if TYPE_CHECKING:
    from joynet_sdk.client import AsyncJoyNet

log = get_logger(__name__)

POLL_S = 3.0  # between looks at who offers the models
VISITS = 4  # nodes looked at together
CONNECT_S = 10.0
PROBE_S = 60.0
PROBED_FILES = 8
STRANGER_STORE_BYTES = 1 << 30


@dataclass(slots=True)
class Holders:
    """Who has a model besides us.

    Attributes:
        offered_by: Nodes that offer it on chain.
        found_at: Nodes that gave it to a stranger.
    """

    model_id: ModelId
    offered_by: set[int] = field(default_factory=set)
    found_at: set[int] = field(default_factory=set)


OnChange = Callable[[Holders], None]
Connect = Callable[[str], Awaitable[str]]


async def seed(
    joynet: "AsyncJoyNet",
    model_ids: Sequence[ModelId],
    *,
    copies: int | None = None,
    on_change: OnChange = lambda holders: None,
) -> list[Holders]:
    """Stay connected to the nodes that offer these models, so that they can fetch them from here.

    A chain that does not answer for a while is asked again.

    A node counts as a holder once a peer that has nothing of its own (a *stranger*: a new key, an
    empty store) could read the manifest and a random place of each file from that node alone.

    Args:
        copies: Nodes that must hold each model before this returns; None to go on until cancelled.
        on_change: Hears of every node that offers, or holds, a model.

    Raises:
        NotFoundError: A model is not stored here whole.
        UnavailableError: libp2p cannot start.
    """
    from joynet_sdk.p2p.host import P2PHost
    from joynet_sdk.p2p.identity import Identity

    library = Library(joynet.store)
    for model_id in model_ids:
        await asyncio.to_thread(library.keep, library.load(model_id))
    every = [Holders(model_id) for model_id in model_ids]
    listen, bootstrap = list(joynet.settings.p2p.listen), list(joynet.settings.p2p.bootstrap)
    key = Identity.generate().private_key
    async with P2PHost(key, listen, bootstrap, block_store=joynet.store) as host:
        while True:
            for holders in every:
                try:
                    await _look(joynet, host.connect, holders, on_change)
                except UnavailableError as error:
                    log.warning("seeding_paused", reason=str(error))
            if copies is not None and all(len(each.found_at) >= copies for each in every):
                return every
            await asyncio.sleep(POLL_S)


async def _look(
    joynet: "AsyncJoyNet",
    connect: Connect,
    holders: Holders,
    on_change: OnChange,
) -> None:
    turn = asyncio.Semaphore(VISITS)  # so that dead nodes do not keep the others waiting

    async def visit(route: Route) -> None:
        async with turn:
            if not await _reached(connect, route.addresses):
                return
            if route.node_id not in holders.offered_by:
                holders.offered_by.add(route.node_id)
                on_change(holders)
            if route.node_id in holders.found_at:
                return
            if await is_held(holders.model_id, route.addresses):
                holders.found_at.add(route.node_id)
                on_change(holders)

    routes = await asyncio.to_thread(joynet.inference.routes, holders.model_id)
    await asyncio.gather(*map(visit, routes))


async def _reached(connect: Connect, addresses: Sequence[str]) -> bool:
    for address in addresses:
        try:
            async with asyncio.timeout(CONNECT_S):
                await connect(address)
        except (JoyNetError, TimeoutError):
            continue
        return True
    return False


async def is_held(model_id: ModelId, addresses: Sequence[str]) -> bool:
    """Whether a stranger can read a model from one node: its manifest, and a random place of each
    of up to eight files.

    Args:
        addresses: Of the node, each with its peer id.
    """
    from joynet_sdk.p2p.blocksource import PeerBlocks
    from joynet_sdk.p2p.host import P2PHost
    from joynet_sdk.p2p.identity import Identity
    from joynet_sdk.p2p.inferclient import InferClient

    with tempfile.TemporaryDirectory(prefix="joynet-stranger-") as folder:
        store = DiskBlockStore(Path(folder) / "store", quota_bytes=STRANGER_STORE_BYTES)
        try:
            key = Identity.generate().private_key
            async with P2PHost(key, block_store=store) as host:
                peer = await InferClient(host).connect(addresses)
                source = PeerBlocks(
                    host.blocks, asyncio.get_running_loop(), [peer], timeout_s=PROBE_S
                )
                await asyncio.to_thread(_read_some, source, model_id)
        except (NotFoundError, UnavailableError):
            return False
        finally:
            store.close()
    return True


def _read_some(source: Source, model_id: ModelId) -> None:
    manifest = load_manifest(source, model_id)
    for file in random.sample(manifest.files, min(PROBED_FILES, len(manifest.files))):
        place = random.randrange(max(file.size, 1))
        for _ in read_file(source, decode_cid(file.cid), place, 1):
            pass
