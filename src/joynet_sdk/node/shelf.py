"""The models a node offers: fetched, verified, on disk, in memory, and what each costs."""

import asyncio
import shutil
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from joynet_sdk.compositions.nesting import Nesting
from joynet_sdk.compositions.parts import Part
from joynet_sdk.compute.workers import Workers
from joynet_sdk.errors import (
    AuthError,
    JoyNetError,
    NotFoundError,
    UnavailableError,
    VerificationError,
)
from joynet_sdk.formats import (
    MAX_MANIFEST_BYTES,
    MAX_SPEC_BYTES,
    RAW,
    Cid,
    Manifest,
    check_lister,
    decode_cid,
    fusion_cid,
)
from joynet_sdk.logs import get_logger
from joynet_sdk.node.components import check_licence, gather
from joynet_sdk.node.serving import Served
from joynet_sdk.ports import Chain
from joynet_sdk.storage import manifest as models
from joynet_sdk.storage.blocks import DiskBlockStore
from joynet_sdk.types import ModelId

log = get_logger(__name__)

State = Literal["cold", "disk", "warm", "hot"]
MAX_COMPOSITION_BYTES = 8 << 30  # of all models of one composition; a worker holds 6 GiB of them
FRAMING = 16  # a part of a DAG's bytes that is not files, at most
HOT_S = 300.0  # a loaded model that answered this recently is hot
Fetch = Callable[[Cid, int], Awaitable[object]]
Fault = Callable[[bytes], bytes]
CheckCircuit = Callable[[bytes, Path], Awaitable[object]]
ContentKey = Callable[[Manifest], bytes]


@dataclass(slots=True)
class _Entry:
    """One offered model; `parts` are the models that a composition is made of."""

    price: int
    manifest: Manifest | None = None
    folder: Path | None = None
    parts: tuple[Part, ...] = ()
    last_used: float = 0.0
    problem: str = ""
    is_distrusted: bool = False
    is_unlicensed: bool = False


class Shelf:
    """Every model of the node's offers on chain.

    Args:
        fetch: Brings a DAG of at most so many bytes into the store from peers.
        fault: Changes outputs; only ever set by the byzantine nodes of a development network.
        check_circuit: Compares a model's registered circuit with the model.
        content_key: Finds the key of a sealed model; it is called in a thread.
    """

    def __init__(
        self,
        chain: Chain,
        node_id: int,
        store: DiskBlockStore,
        folder: Path,
        workers: Workers,
        fetch: Fetch,
        fault: Fault | None = None,
        check_circuit: CheckCircuit | None = None,
        content_key: ContentKey | None = None,
    ) -> None:
        self._chain, self._node_id = chain, node_id
        self._store, self._folder = store, folder
        self._workers, self._fetch, self._fault = workers, fetch, fault
        self._check_circuit, self._content_key = check_circuit, content_key
        self._entries: dict[bytes, _Entry] = {}
        self._preparing: dict[bytes, asyncio.Lock] = {}
        self._writing: dict[bytes, asyncio.Lock] = {}
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for left in folder.glob(".*"):  # of a process that was killed; it may be opened plaintext
            shutil.rmtree(left)

    async def refresh(self) -> None:
        """Read offers and prices from the chain, and prepare what is new."""
        prices = await asyncio.to_thread(self._offered)
        for model_id in [known for known in self._entries if known not in prices]:
            del self._entries[model_id]
        for model_id, price in prices.items():
            self._entries.setdefault(model_id, _Entry(price)).price = price
        await asyncio.gather(*(self._check_licence(model_id) for model_id in prices))
        await asyncio.gather(*(self._prepare(model_id) for model_id in prices))
        for model_id, folder in self.folders().items():
            await self._check(model_id, folder)

    def _offered(self) -> Mapping[bytes, int]:
        """Model id -> wei per call, node's and model's parts together."""
        coordinator = self._chain.contract("NodeCoordinator")
        market = self._chain.contract("ModelMarketplace")
        return {
            model_id: coordinator.call("offer", self._node_id, model_id)["price"]
            + market.call("price_of", model_id)
            for model_id in coordinator.call("models_of", self._node_id)
        }

    async def _check_licence(self, model_id: bytes) -> None:
        """Stop serving a model whose terms ask nodes for a licence, once this node's has ended;
        those of a composition's components count too."""
        entry = self._entries[model_id]
        try:
            for each in (ModelId(model_id), *(part.manifest.model_id for part in entry.parts)):
                await check_licence(self._chain, self._node_id, each)
        except AuthError as error:
            if not entry.is_unlicensed:
                log.warning("no_licence", model="0x" + model_id.hex(), hint=error.hint)
            entry.is_unlicensed, entry.problem = True, f"{error}: {error.hint}"
            return
        if entry.is_unlicensed:
            entry.is_unlicensed, entry.problem = False, ""

    async def _prepare(self, model_id: bytes) -> None:
        """Fetch, verify, write out and load a model; what fails is tried at the next refresh."""
        entry = self._entries[model_id]
        async with self._preparing.setdefault(model_id, asyncio.Lock()):
            if entry.folder is not None or entry.is_unlicensed:
                return
            try:
                with self._store.adding():  # so that no gc takes what is being fetched
                    entry.manifest = await self._listed_manifest(ModelId(model_id))
                    folder = await self.materialise(entry.manifest)
                    entry.parts = await self._gather(entry.manifest, folder)
                    entry.folder = folder
                await self._workers.load(entry.manifest, entry.folder, entry.parts)
                entry.problem = ""
                log.info("model_ready", model="0x" + model_id.hex())
            except JoyNetError as error:
                entry.problem = str(error)
                log.warning("model_not_ready", model="0x" + model_id.hex(), reason=str(error))

    async def _check(self, model_id: bytes, folder: Path) -> None:
        """Stop serving an exact model whose registered circuit is another model's: a proof could
        find this node's honest answers wrong, and cost it its bond."""
        if self._check_circuit is None:
            return
        entry = self._entries[model_id]
        try:
            await self._check_circuit(model_id, folder)
        except VerificationError as error:
            if not entry.is_distrusted:
                log.error("wrong_circuit", model="0x" + model_id.hex(), reason=str(error))
            entry.is_distrusted, entry.problem = True, str(error)
        except JoyNetError as error:  # no circuit, or none that could be compiled here
            log.debug("circuit_unchecked", model="0x" + model_id.hex(), reason=str(error))

    async def _gather(self, manifest: Manifest, folder: Path) -> tuple[Part, ...]:
        """The models that a composition is made of, each fetched like an offered one."""

        def may_use(model_id: ModelId) -> Awaitable[object]:
            return check_licence(self._chain, self._node_id, model_id)

        return await gather(manifest, folder, self, may_use, Nesting(MAX_COMPOSITION_BYTES))

    async def manifest(self, model_id: ModelId) -> Manifest:
        """Fetch a manifest by its id."""
        cid = Cid(RAW, model_id)
        if not await asyncio.to_thread(self._store.has, cid):
            await self._fetch(cid, MAX_MANIFEST_BYTES)
        return await asyncio.to_thread(models.load_manifest, self._store, model_id)

    async def _listed_manifest(self, model_id: ModelId) -> Manifest:
        manifest = await self.manifest(model_id)
        market = self._chain.contract("ModelMarketplace")
        listed = await asyncio.to_thread(market.call, "listing", model_id)
        check_lister(manifest, listed["publisher"])
        return manifest

    async def materialise(self, manifest: Manifest) -> Path:
        """Fetch and verify a model's files; returns their folder."""
        target = self._folder / manifest.model_id.hex()
        async with self._writing.setdefault(manifest.model_id, asyncio.Lock()):
            if not target.exists():  # else it was written whole and verified before
                await self._write(manifest, target)
        return target

    async def _write(self, manifest: Manifest, target: Path) -> None:
        size = sum(file.size for file in manifest.files)
        most = size + size // FRAMING + (1 << 20)  # links and tags beside the files' own bytes
        await self._fetch(decode_cid(manifest.root), most)
        await self._fetch_spec(manifest)
        key = None
        if manifest.sealed is not None and self._content_key is not None:
            key = await asyncio.to_thread(self._content_key, manifest)
        await asyncio.to_thread(models.export_model, self._store, manifest, target, content_key=key)
        await asyncio.to_thread(models.pin_model, self._store, manifest)

    async def _fetch_spec(self, manifest: Manifest) -> None:
        """The recipe of a fused model, for whoever pulls it from here to rebuild it."""
        spec = fusion_cid(manifest)
        if spec is None or await asyncio.to_thread(self._store.has, spec):
            return
        try:
            await self._fetch(spec, MAX_SPEC_BYTES)
        except (NotFoundError, UnavailableError, VerificationError) as error:
            log.warning("no_fusion_spec", spec=str(spec), reason=str(error))

    # --- Catalogue ------------------------------------------------------------------------------

    async def served(self, model_id: bytes) -> Served | None:
        """The model if it is offered and ready, with the price of one call."""
        entry = self._entries.get(model_id)
        if entry is None or entry.manifest is None or entry.folder is None:
            return None
        if entry.is_distrusted or entry.is_unlicensed:
            return None
        return Served(entry.manifest, entry.price)

    async def run(self, manifest: Manifest, data: bytes) -> bytes:
        """Run the model's engine."""
        entry = self._entries.get(manifest.model_id)
        if entry is None or entry.folder is None:  # the offer was withdrawn since `served`
            raise NotFoundError("offered model", "0x" + manifest.model_id.hex())
        output = await self._workers.run(manifest, entry.folder, data, entry.parts)
        entry.last_used = time.monotonic()
        return self._fault(output) if self._fault else output

    def folders(self) -> dict[bytes, Path]:
        """Model id -> folder, of every QModel that is ready."""
        return {
            model_id: entry.folder
            for model_id, entry in self._entries.items()
            if entry.folder and entry.manifest and entry.manifest.engine.name == "qmodel"
        }

    def states(self) -> dict[bytes, State]:
        """Model id -> how fast this node could answer for it."""
        return {model_id: self._state(model_id, e) for model_id, e in self._entries.items()}

    def problems(self) -> dict[bytes, str]:
        """Model id -> why it is not served."""
        return {model_id: e.problem for model_id, e in self._entries.items() if e.problem}

    def _state(self, model_id: bytes, entry: _Entry) -> State:
        if entry.folder is None:
            return "cold"
        if not self._workers.is_loaded(model_id):
            return "disk"
        return "hot" if time.monotonic() - entry.last_used < HOT_S else "warm"
