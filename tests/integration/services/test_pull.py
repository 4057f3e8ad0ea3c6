"""`joynet model pull` between real hosts: several peers at once, cut short, refused."""

import asyncio
import json
import signal
import threading
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from joynet_sdk.formats import Cid
from joynet_sdk.p2p.host import LOOPBACK, P2PHost
from joynet_sdk.p2p.identity import Identity
from joynet_sdk.storage.blocks import DiskBlockStore

from .test_interrupted import start, wait_for

MIB = 1 << 20
WEIGHTS = 12 * MIB
OPEN_S = 60


class Gate:
    """A store that serves so many blocks, and the others once it is opened."""

    def __init__(self, store: DiskBlockStore, blocks: int = 1_000_000) -> None:
        self._store, self._left = store, blocks
        self.served: list[Cid] = []
        self._opened = threading.Event()

    def get(self, cid: Cid) -> bytes | None:
        if len(self.served) >= self._left and not self._opened.is_set():
            self._opened.wait(OPEN_S)
        data = self._store.get(cid)
        if data is not None:
            self.served.append(cid)
        return data

    def has(self, cid: Cid) -> bool:
        return self._store.has(cid)

    def put(self, cid: Cid, data: bytes) -> None:
        self._store.put(cid, data)

    def open(self) -> None:
        self._opened.set()


@contextmanager
def serving(*stores: Gate) -> Iterator[list[str]]:
    """A host for each store, on a loop of its own; their addresses."""
    addresses: list[str] = []
    is_up, stop = threading.Event(), asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def main() -> None:
        loops.append(asyncio.get_running_loop())
        async with AsyncExitStack() as stack:
            for store in stores:
                host = P2PHost(Identity.generate().private_key, [LOOPBACK], block_store=store)
                await stack.enter_async_context(host)
                addresses.append(host.addrs[0])
            is_up.set()
            await stop.wait()

    thread = threading.Thread(target=asyncio.run, args=(main(),))
    thread.start()
    try:
        assert is_up.wait(OPEN_S)
        yield addresses
    finally:
        for store in stores:
            store.open()
        loops[0].call_soon_threadsafe(stop.set)
        thread.join()


@pytest.fixture
def model(alice, tmp_path) -> str:
    """An encoder of 12 MiB, published by alice."""
    folder = tmp_path / "encoder"
    folder.mkdir()
    rng = np.random.default_rng(1)
    weights = rng.standard_normal(WEIGHTS // 4).astype(np.float32)
    save_file({"weights": weights}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"model_type": "bert", "hidden_size": 32}))
    (folder / "README.md").write_text("---\nlicense: mit\ntags: [faraway]\n---\nWords.\n")
    return alice.ask("model", "publish", folder, "--price", "0.01")["model_id"]


@pytest.fixture
def blocks(alice) -> Iterator[DiskBlockStore]:
    with DiskBlockStore(alice.home / "store") as store:
        yield store


def at(person, addresses, quota_gb: float | None = None):
    """Let a person know these peers."""
    quota = f"[storage]\nquota_gb = {quota_gb}\n" if quota_gb else ""
    peers = ", ".join(f'"{address}"' for address in addresses)
    (person.home / "config.toml").write_text(f"{quota}[p2p]\nbootstrap = [{peers}]\n")
    return person


def same_files(one: Path, other: Path) -> bool:
    names = sorted(path.name for path in one.iterdir())
    return names == sorted(path.name for path in other.iterdir()) and all(
        (one / name).read_bytes() == (other / name).read_bytes() for name in names
    )


def test_pull_from_two_peers_that_hold_everything(model, blocks, person, tmp_path):
    first, second = Gate(blocks), Gate(blocks)
    with serving(first, second) as addresses:
        bob = at(person("bob", joy=0), addresses)
        assert [hit["title"] for hit in bob.ask("model", "search", "faraway")["models"]] == [
            "encoder"
        ]
        pulled = bob.ask("model", "pull", model, "--to", tmp_path / "copy")
    assert same_files(tmp_path / "encoder", tmp_path / "copy")
    assert pulled["peers"] == 2
    assert WEIGHTS < pulled["bytes_fetched"] < WEIGHTS * 1.01
    assert min(len(first.served), len(second.served)) >= 3  # both gave their part
    again = bob.ask("model", "pull", model, "--to", tmp_path / "again")  # nobody serves now
    assert (again["bytes_fetched"], again["peers"]) == (0, 0)
    assert bob.ask("model", "verify", model, tmp_path / "again")["verified"] is True
    assert bob.refused("model", "pull", model, "--to", tmp_path / "again").exit_code == 2


def test_a_killed_pull_fetches_only_what_is_missing(model, blocks, person, tmp_path):
    target = tmp_path / "copy"
    slow = Gate(blocks, blocks=11)
    with serving(slow) as addresses:
        bob = at(person("bob", joy=0), addresses)
        process = start(bob, "model", "pull", model, "--to", str(target))
        with DiskBlockStore(bob.home / "store") as store:
            wait_for(lambda: store.stat().bytes > 2 * MIB, process, "some blocks")
        process.send_signal(signal.SIGKILL)
        process.communicate()
        with DiskBlockStore(bob.home / "store") as store:
            before = store.stat().bytes
        assert not target.exists()
        slow.open()
        pulled = bob.ask("model", "pull", model, "--to", target)
    assert same_files(tmp_path / "encoder", target)
    assert 2 * MIB < before < WEIGHTS
    assert pulled["bytes_fetched"] <= WEIGHTS * 1.01 - (before - MIB)


def test_a_sealed_model_is_refused_before_it_is_fetched(alice, person, blocks, model, tmp_path):
    sealed = alice.ask(
        *("model", "publish", tmp_path / "encoder", "--price", "0.01"),
        *("--encrypt", "--license-price", "5"),
    )["model_id"]
    store = Gate(blocks)
    with serving(store) as addresses:
        bob = at(person("bob", joy=0), addresses)
        refused = bob.refused("model", "pull", sealed, "--to", tmp_path / "copy")
    assert refused.exit_code == 4
    assert len(store.served) <= 2  # the manifest, for each of the two formats
    alice.ask("model", "pull", sealed, "--to", tmp_path / "copy")  # the publisher has the key
    assert same_files(tmp_path / "encoder", tmp_path / "copy")


def test_what_a_pull_cannot_do(model, blocks, person, tmp_path):
    nobody = at(person("bob", joy=0), [])
    refused = nobody.refused("model", "pull", model, "--to", tmp_path / "copy")
    assert refused.exit_code == 6
    assert "0 nodes offer it" in refused.message
    store = Gate(blocks)
    with serving(store) as addresses:
        small = at(person("carol", joy=0), addresses, quota_gb=0.005)
        full = small.joynet("model", "pull", model, "--to", tmp_path / "copy", "--json")
    assert full.exit_code == 3
    assert "quota" in full.document["error"]["message"]
    assert nobody.refused("model", "pull", "0x" + "5a" * 32).exit_code == 5
    assert not (tmp_path / "copy").exists()
