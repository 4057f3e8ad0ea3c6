"""Looking at models before anything is downloaded: in a folder, in the store, or at peers.

Wires `fusion.compatibility` to what reads headers and weights. A model on this machine needs
neither chain nor network: they are opened for the first one that is elsewhere.
"""

import asyncio
import os
import re
import shutil
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from joynet_sdk.errors import AuthError, InvalidInputError, NotFoundError, UnavailableError
from joynet_sdk.formats import Manifest, check_lister, parse_ref
from joynet_sdk.fusion.compatibility import Machine, Plan, Report, check
from joynet_sdk.fusion.compatibility.report import Similarity
from joynet_sdk.progress import stage
from joynet_sdk.storage.blocks import DiskBlockStore
from joynet_sdk.storage.exporter import Source
from joynet_sdk.storage.headers import IO, Headers, read_folder, read_stored
from joynet_sdk.storage.manifest import load_manifest
from joynet_sdk.types import ModelId

if TYPE_CHECKING:
    from joynet_sdk.client import JoyNet
    from joynet_sdk.compute.merging.similarity import Speed
    from joynet_sdk.p2p.host import P2PHost

MAX_PROVIDERS = 4
_GB = 10**9

OpenJoyNet = Callable[[], AbstractContextManager["JoyNet"]]


@dataclass(frozen=True)
class Checked:
    """A report, and what it cost.

    Attributes:
        fetched_bytes: That came over the network; never weights.
    """

    report: Report
    fetched_bytes: int


def check_fusion(
    refs: Sequence[str], plan: Plan, *, home: Path, quota_gb: float, open_joynet: OpenJoyNet
) -> Checked:
    """Judge whether models can be fused.

    Args:
        refs: Paths, names, manifest CIDs or model ids; with `plan.has_base` the last is the base.
        home: Its store is looked at first.
        quota_gb: Of the store.
        open_joynet: Opens a client, when a model is not on this machine.

    Raises:
        NotFoundError: No such model, or nobody has it.
        InvalidInputError: A model's files are refused: pickles, lying headers, absurd configs...
        AuthError: A sealed model: its headers are encrypted too.
        UnavailableError: No peer delivers.
    """
    with ExitStack() as stack:  # the store stays open: vocabularies are read when they are needed
        store = None
        if (home / "store").is_dir():
            quota_bytes = int(quota_gb * _GB)
            store = stack.enter_context(DiskBlockStore(home / "store", quota_bytes=quota_bytes))
        found = [read_here(ref, store, home) for ref in refs]
        here = [headers for headers in found if headers is not None]
        if len(here) == len(refs):
            return Checked(_judge(here, plan, home), 0)
        joynet = stack.enter_context(open_joynet())
        return joynet.wait(_check_with_peers(joynet, refs, found, plan))


# --- on this machine --------------------------------------------------------------------------


def read_here(ref: str, store: DiskBlockStore | None, home: Path) -> Headers | None:
    """Headers of a model in a folder, or by id in the store; None when it is elsewhere.

    Args:
        store: Must stay open as long as the headers are used; None for a home without one.

    Raises:
        NotFoundError: It is written as a path, and nothing is there.
        InvalidInputError: Its files are refused.
    """
    path = Path(ref).expanduser()
    if path.exists() or path.is_symlink():
        return read_folder(path, ref).described_by(lambda: _described(path))
    try:
        parsed = parse_ref(ref)
    except InvalidInputError:
        raise NotFoundError(
            "model", ref, hint="a path, a name, a manifest CID or a model id"
        ) from None
    if parsed.name is not None and (os.sep in ref or ref.endswith(".safetensors")):
        raise NotFoundError("model file", ref)
    if parsed.model_id is None or store is None:
        return None
    return _read_stored_here(store, parsed.model_id, ref, home)


def _described(path: Path) -> IO | None:
    """What the model of a folder takes and gives, as publishing it would say."""
    from joynet_sdk.models import describe

    if not (path / "config.json").is_file():
        return None
    try:
        card = describe(path, title=path.name)
    except InvalidInputError:  # nothing that an engine runs, so no part of a composition
        return None
    return card.input, card.output


def _read_stored_here(
    store: DiskBlockStore, model_id: ModelId, name: str, home: Path
) -> Headers | None:
    try:
        manifest = load_manifest(store, model_id)
        return _read_published(store, manifest, name, home)
    except NotFoundError:  # no manifest, or a block that was never fetched
        return None


def _read_published(source: Source, manifest: Manifest, name: str, home: Path) -> Headers:
    if manifest.sealed is not None:
        raise AuthError(
            f"{name} is sealed: its headers are encrypted like its weights",
            hint="joynet model buy it, joynet model pull it, then check the folder",
        )
    headers = read_stored(source, manifest, name)
    folder = home / "models" / manifest.model_id.hex()
    return headers.at(folder) if folder.is_dir() else headers


# --- at peers ---------------------------------------------------------------------------------


async def _check_with_peers(
    joynet: "JoyNet", refs: Sequence[str], found: Sequence[Headers | None], plan: Plan
) -> Checked:
    from joynet_sdk.p2p.host import P2PHost
    from joynet_sdk.p2p.identity import Identity

    key = Identity.generate().private_key
    bootstrap = list(joynet.settings.p2p.bootstrap)
    async with P2PHost(key, (), bootstrap, block_store=joynet.store) as host:
        complete = [
            headers or await _fetch(joynet, host, ref)
            for ref, headers in zip(refs, found, strict=True)
        ]
        report = await asyncio.to_thread(_judge, complete, plan, joynet.home)
        traffic = await host.blocks.traffic()  # vocabularies may have been fetched by the check
    return Checked(report, traffic.received_bytes)


async def _fetch(joynet: "JoyNet", host: "P2PHost", ref: str) -> Headers:
    model_id = await asyncio.to_thread(joynet.inference.resolve, ref)
    stored = await asyncio.to_thread(_read_stored_here, joynet.store, model_id, ref, joynet.home)
    if stored is not None:
        return stored
    routes = await asyncio.to_thread(joynet.inference.routes, model_id)
    stage(f"reading the headers of {ref}")
    headers = await fetch_headers(
        host, joynet.store, model_id, ref, [route.addresses for route in routes], joynet.home
    )
    assert headers.manifest is not None, "a published model has one"
    market = joynet.chain.contract("ModelMarketplace")
    listed = await asyncio.to_thread(market.call, "listing", model_id)
    check_lister(headers.manifest, listed["publisher"])
    return headers


async def fetch_headers(
    host: "P2PHost",
    store: DiskBlockStore,
    model_id: ModelId,
    name: str,
    addresses: Sequence[Sequence[str]],
    home: Path,
) -> Headers:
    """Headers of a model that peers hold.

    Args:
        host: Started, with `store` as its block store.
        addresses: Of each provider; up to four of those that answer are asked.

    Raises:
        UnavailableError: None of them answers, or they do not deliver.
        NotFoundError: They do not have it.
    """
    from joynet_sdk.p2p.blocksource import PeerBlocks

    peers = await _connect(host, addresses, name)
    source = PeerBlocks(host.blocks, asyncio.get_running_loop(), peers)

    def read() -> Headers:
        with store.adding():
            return _read_published(source, load_manifest(source, model_id), name, home)

    return await asyncio.to_thread(read)


async def _connect(host: "P2PHost", addresses: Sequence[Sequence[str]], name: str) -> list[str]:
    from joynet_sdk.p2p.inferclient import InferClient

    client, problem = InferClient(host), "nobody offers it"
    peers: list[str] = []
    for each in addresses:
        if len(peers) == MAX_PROVIDERS:
            break
        try:
            peers.append(await client.connect(each))
        except UnavailableError as error:
            problem = str(error)
    peers = peers or [peer.peer_id for peer in await host.peers()]
    if not peers:
        raise UnavailableError(f"no node with {name} answers: {problem}", hint="joynet model show")
    return peers


# --- the machine ------------------------------------------------------------------------------


def _judge(models: Sequence[Headers], plan: Plan, home: Path) -> Report:
    folders = [headers.folder for headers in models]
    known = [folder for folder in folders if folder is not None]

    def compare() -> Similarity | None:
        from joynet_sdk.compute.merging.similarity import compare_folders

        base = known[-1] if plan.has_base else None
        near = compare_folders(known[: len(known) - plan.has_base], base)
        return None if near is None else Similarity(**near._asdict())

    machine = Machine(
        compare=compare if len(known) == len(models) and len(models) - plan.has_base > 1 else None,
        speed=lambda: _speed(known[0] if known else None),
        memory=_free_memory(),
        disk=shutil.disk_usage(home if home.is_dir() else Path.cwd()).free,
    )
    return check(models, plan, machine)


def _speed(folder: Path | None) -> "Speed":
    from joynet_sdk.compute.merging.similarity import measure_speed

    return measure_speed(folder)


def _free_memory() -> int | None:
    """Bytes that programs may still take, or None where the system does not say."""
    try:
        text = Path("/proc/meminfo").read_text()
    except OSError:
        return None
    found = re.search(r"^MemAvailable:\s+(\d+) kB", text, re.MULTILINE)
    return int(found[1]) * 1024 if found else None
