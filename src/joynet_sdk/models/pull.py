"""Pull a model: its blocks from every peer that has them, verified, and its files to a folder."""

import asyncio
import random
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from joynet_sdk.errors import (
    InvalidInputError,
    NotFoundError,
    UnavailableError,
    VerificationError,
)
from joynet_sdk.formats import (
    MAX_SPEC_BYTES,
    RAW,
    Cid,
    Manifest,
    check_lister,
    decode_cid,
    fusion_cid,
)
from joynet_sdk.inference.routing import routes
from joynet_sdk.models.listing import Market
from joynet_sdk.ports import Chain
from joynet_sdk.progress import stage
from joynet_sdk.types import ModelId

MAX_PEERS = 16  # nodes asked for one pull, and as many of our bootstrap peers
CONNECT_S = 10.0
MANIFEST_S = 15.0
CARDS_S = 8.0  # for all manifests that a search asks for
CARD_S = 3.0  # for each of them
CARDS_TOGETHER = 8
SPEC_S = 15.0
MAX_MANIFEST_BYTES = 64 * 1024
MAX_README_BYTES = 256 * 1024
PULL_S = 7 * 24 * 3600.0  # a stall ends a pull long before
MAX_STALLS = 3  # attempts in a row that bring nothing

OnBytes = Callable[[int, int, int], None]
"""Hears bytes that are here, bytes in all, and those of them that came over the network."""


class BlockClient(Protocol):
    """`p2p.inferclient.InferClient` in use."""

    async def connect(self, addresses: Sequence[str]) -> str:
        """Reach a node; returns its peer id."""

    async def peers(self) -> list[str]:
        """Peer ids of everybody connected."""

    async def fetch(
        self,
        cid: Cid,
        peer_ids: Sequence[str],
        *,
        timeout_s: float,
        max_bytes: int,
        on_bytes: OnBytes,
    ) -> None:
        """Bring a DAG into the store, each block from whichever peer has it."""


class Shelf(Protocol):
    """The local models; `storage.library.Library` in use."""

    def load(self, model_id: ModelId) -> Manifest:
        """A stored manifest."""

    def keep(self, manifest: Manifest) -> None:
        """Pin a model; NotFoundError when a block is missing."""

    def has(self, cid: Cid) -> bool:
        """Whether a block is stored."""

    def export(self, manifest: Manifest, target: Path, content_key: bytes | None) -> None:
        """Verify every file and write them, opened, to a new folder."""

    def adding(self) -> AbstractContextManager[None]:
        """While it is held, nothing that is stored is collected."""


KeyOf = Callable[[Manifest], bytes]
"""The content key of a sealed model; AuthError without a licence, `Licenses.content_key` in use."""

OpenClient = Callable[[], AbstractAsyncContextManager[BlockClient]]


@dataclass(frozen=True, slots=True)
class Pulled:
    """A model that was pulled.

    Attributes:
        folder: Where its files are now.
        bytes_fetched: What came over the network; the rest was stored before.
        peers: How many were asked.
    """

    model_id: str
    folder: Path
    bytes_total: int
    bytes_fetched: int
    peers: int


class Pulls:
    """Reached as `JoyNet().pulls`."""

    def __init__(
        self,
        chain: Chain,
        shelf: Shelf,
        open_client: OpenClient,
        key_of: KeyOf,
        bootstrap: Sequence[str] = (),
    ) -> None:
        """
        Args:
            bootstrap: Multiaddrs of peers that are asked besides the nodes that offer a model.
        """
        self._bootstrap = bootstrap
        self._chain, self._shelf = chain, shelf
        self._open_client, self._key_of = open_client, key_of
        self._market = Market(chain)

    async def pull(
        self, model_id: ModelId, target: Path, on_bytes: OnBytes = lambda done, total, fetched: None
    ) -> Pulled:
        """Fetch a model from all its nodes at once and write its files to a new folder.

        What was fetched stays, so a pull that was cut short goes on where it was. The folder
        appears whole, with every file verified, or not at all.

        Args:
            target: Must not exist; its parent must.

        Raises:
            NotFoundError: Never listed, or nobody has it.
            AuthError: It is sealed, and this account cannot open it.
            InvalidInputError: `target` exists.
            UnavailableError: No peer can be reached, or they stop delivering.
            VerificationError: It is not what was listed.
            QuotaError: The store or the disk is full.
        """
        check_target(target)
        listed = await asyncio.to_thread(self._market.record, model_id)
        with self._shelf.adding():
            manifest = await self._stored(model_id)
            if manifest is not None and await self._is_kept(manifest):
                key = await self._check(manifest, listed["publisher"])
                fetched, peers = 0, 0
            else:
                async with self._open_client() as client:
                    providers = await self._providers(client, model_id)
                    if manifest is None:
                        manifest = await self._fetch_manifest(client, model_id, providers)
                    key = await self._check(manifest, listed["publisher"])
                    fetched = await self._fetch_files(client, manifest, providers, on_bytes)
                    await self._fetch_spec(client, manifest, providers)
                    peers = len(providers)
                await asyncio.to_thread(self._shelf.keep, manifest)
        stage("verifying every file")
        await asyncio.to_thread(self._shelf.export, manifest, target, key)
        total = sum(file.size for file in manifest.files)
        return Pulled("0x" + model_id.hex(), target, total, fetched, peers)

    async def fetch_manifests(self, model_ids: Sequence[ModelId]) -> None:
        """Bring what can be had of these manifests, and of their READMEs, within 8 seconds.

        Eight at a time, so that peers who keep us waiting for one do not cost all the others.
        """
        turn = asyncio.Semaphore(CARDS_TOGETHER)
        each_s = CARD_S if len(model_ids) > 1 else CARDS_S

        async def fetch(client: BlockClient, model_id: ModelId) -> None:
            try:
                async with turn, asyncio.timeout(each_s):
                    providers = await self._providers(client, model_id)
                    manifest = await self._fetch_manifest(client, model_id, providers)
                    await self._fetch_readme(client, manifest, providers)
            except (
                NotFoundError,
                UnavailableError,
                InvalidInputError,
                VerificationError,
                TimeoutError,
            ):
                return  # the others may be there

        try:
            async with asyncio.timeout(CARDS_S), self._open_client() as client:
                work = (fetch(client, model_id) for model_id in model_ids)
                ended = await asyncio.gather(*work, return_exceptions=True)
        except TimeoutError:
            return
        for error in ended:
            if error is not None:
                raise error

    # --- peers ------------------------------------------------------------------------------------

    async def _providers(self, client: BlockClient, model_id: ModelId) -> list[str]:
        """Everybody who may have a model: the nodes that offer it, and our bootstrap peers.

        Raises:
            UnavailableError: Nobody can be reached.
        """
        stage("connecting to peers that have the model")
        offers = await asyncio.to_thread(routes, self._chain, model_id, 0)
        offered = [route.addresses for route in offers if route.addresses]
        # By lot: whoever offered first must not be able to keep all others out.
        known = random.sample(offered, min(len(offered), MAX_PEERS))
        known += [(address,) for address in self._bootstrap[:MAX_PEERS]]
        tried = await asyncio.gather(*(_try(client, each) for each in known))
        found = list(dict.fromkeys([*filter(None, tried), *await client.peers()]))
        if not found:
            raise UnavailableError(
                f"model 0x{model_id.hex()}: {len(offers)} nodes offer it, "
                f"no peer of {len(known)} answers",
                hint="joynet infer nodes REF lists them; set p2p.bootstrap for other peers",
            )
        return found

    async def _fetch_manifest(
        self, client: BlockClient, model_id: ModelId, providers: Sequence[str]
    ) -> Manifest:
        stage("fetching the manifest")
        await client.fetch(
            Cid(RAW, model_id),
            providers,
            timeout_s=MANIFEST_S,
            max_bytes=MAX_MANIFEST_BYTES,
            on_bytes=_nobody,
        )
        return await asyncio.to_thread(self._shelf.load, model_id)

    async def _fetch_readme(
        self, client: BlockClient, manifest: Manifest, providers: Sequence[str]
    ) -> None:
        for file in manifest.files:
            if file.path == "README.md" and file.size <= MAX_README_BYTES and not manifest.sealed:
                await client.fetch(
                    decode_cid(file.cid),
                    providers,
                    timeout_s=CARDS_S,
                    max_bytes=2 * MAX_README_BYTES,
                    on_bytes=_nobody,
                )

    async def _fetch_spec(
        self, client: BlockClient, manifest: Manifest, providers: Sequence[str]
    ) -> None:
        """The recipe of a fused model, by which anybody can rebuild it; nodes need not have it."""
        spec = fusion_cid(manifest)
        if spec is None or await asyncio.to_thread(self._shelf.has, spec):
            return
        stage("fetching its fusion spec")
        try:
            await client.fetch(
                spec, providers, timeout_s=SPEC_S, max_bytes=MAX_SPEC_BYTES, on_bytes=_nobody
            )
        except (NotFoundError, UnavailableError, VerificationError):
            stage("no peer has its fusion spec")  # joynet fuse verify says what to do then

    async def _fetch_files(
        self,
        client: BlockClient,
        manifest: Manifest,
        providers: Sequence[str],
        on_bytes: OnBytes,
    ) -> int:
        """All blocks of the files; goes on after a stall as long as something arrives."""
        total = sum(file.size for file in manifest.files)
        most = total + total // 16 + (4 << 20)  # tree nodes, and the tags of a sealed model
        seen = before = stalls = 0

        def report(done: int, expected: int, fetched: int) -> None:
            nonlocal seen
            seen = before + fetched
            on_bytes(done, max(total, expected), seen)

        stage(f"fetching from {len(providers)} peers")
        while True:
            try:
                await client.fetch(
                    decode_cid(manifest.root),
                    providers,
                    timeout_s=PULL_S,
                    max_bytes=most,
                    on_bytes=report,
                )
            except UnavailableError as error:
                stalls = stalls + 1 if seen == before else 0
                before = seen
                if stalls == MAX_STALLS:
                    raise UnavailableError(
                        f"{error} ({seen} bytes came)", hint="pull again: it goes on from there"
                    ) from error
                stage(f"a stall after {seen} bytes: asking again")
                providers = await self._providers(client, manifest.model_id)
            else:
                return seen

    # --- the store --------------------------------------------------------------------------------

    async def _stored(self, model_id: ModelId) -> Manifest | None:
        try:
            return await asyncio.to_thread(self._shelf.load, model_id)
        except NotFoundError:
            return None

    async def _is_kept(self, manifest: Manifest) -> bool:
        """Pin a model that is stored whole."""
        try:
            await asyncio.to_thread(self._shelf.keep, manifest)
        except NotFoundError:
            return False
        return True

    async def _check(self, manifest: Manifest, lister: str) -> bytes | None:
        """Refuse what would be of no use once it is here; the key of a sealed model."""
        check_lister(manifest, lister)
        if manifest.sealed is None:
            return None
        return await asyncio.to_thread(self._key_of, manifest)


async def _try(client: BlockClient, addresses: Sequence[str]) -> str | None:
    """A node's peer id, or None when it does not answer in time."""
    try:
        async with asyncio.timeout(CONNECT_S):
            return await client.connect(addresses)
    except (UnavailableError, TimeoutError):
        return None


def _nobody(done: int, total: int, fetched: int) -> None:
    """Nobody listens."""


def check_target(target: Path) -> None:
    """Refuse a folder that `pull` could not write to, before anything is fetched.

    Raises:
        InvalidInputError: It exists, or its parent does not.
    """
    if target.is_symlink() or target.exists():
        raise InvalidInputError(f"{target} exists", hint="choose another folder with --to")
    if not target.absolute().parent.is_dir():
        raise InvalidInputError(
            f"{target.parent} is no folder", hint=f"mkdir -p {target.absolute().parent}"
        )
