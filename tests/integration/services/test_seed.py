"""`joynet model seed` and `publish --wait-findable`: a publisher without a node, and real hosts."""

import asyncio
import json
import shutil
import signal
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.resources import files
from pathlib import Path

import pytest

from joynet_sdk.chain import Account, ChainSession
from joynet_sdk.client import AsyncJoyNet
from joynet_sdk.errors import JoyNetError
from joynet_sdk.formats import RAW, Cid, decode_cid, parse_ref
from joynet_sdk.p2p.host import LOOPBACK, P2PHost
from joynet_sdk.p2p.identity import Identity
from joynet_sdk.seeding import is_held
from joynet_sdk.settings import Settings
from joynet_sdk.storage.blocks import DiskBlockStore
from joynet_sdk.storage.manifest import load_manifest

from .conftest import PASSWORD
from .test_interrupted import start

JOY = 10**18
DEADLINE_S = 60
OPERATOR = Account.from_key((4_343).to_bytes(32, "big"), name="node-operator")


class NodeHost:
    """The host of a node, on a loop of its own: it fetches what it is asked to from who is there.

    Attributes:
        identity: Its key.
        address: Where it listens.
        store: What it has.
    """

    def __init__(self, folder: Path) -> None:
        self.identity = Identity.generate()
        self.store = DiskBlockStore(folder)
        self.address = ""

    @contextmanager
    def running(self) -> Iterator[None]:
        is_up = threading.Event()
        thread = threading.Thread(target=asyncio.run, args=(self._main(is_up),))
        thread.start()
        try:
            assert is_up.wait(DEADLINE_S)
            yield
        finally:
            self._loop.call_soon_threadsafe(self._stop.set)
            thread.join()
            self.store.close()

    async def _main(self, is_up: threading.Event) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        async with P2PHost(self.identity.private_key, [LOOPBACK], block_store=self.store) as host:
            self.host, self.address = host, host.addrs[0]
            is_up.set()
            await self._stop.wait()

    def take(self, model_id: bytes) -> None:
        """Fetch a model in the background, as soon as somebody is connected who has it."""
        asyncio.run_coroutine_threadsafe(self._take(model_id), self._loop)

    async def _take(self, model_id: bytes) -> None:
        while not self._stop.is_set():
            try:
                await self.host.blocks.fetch(Cid(RAW, model_id), timeout_s=DEADLINE_S)
                manifest = load_manifest(self.store, model_id)
                await self.host.blocks.fetch(decode_cid(manifest.root), timeout_s=DEADLINE_S)
            except JoyNetError:  # nobody is connected yet
                await asyncio.sleep(0.05)
            else:
                return


@pytest.fixture
def node(tmp_path) -> Iterator[NodeHost]:
    found = NodeHost(tmp_path / "node-store")
    with found.running():
        yield found


@pytest.fixture
def digits(tmp_path) -> Path:
    folder = tmp_path / "digits"
    folder.mkdir()
    source = Path(str(files("joynet_sdk"))) / "demo/digits.safetensors"
    shutil.copy(source, folder / "model.safetensors")
    return folder


@pytest.fixture
def model_id(alice, digits) -> str:
    published = alice.ask("model", "publish", digits, "--price", "0.01", "--license", "MIT")
    return published["model_id"]


@pytest.fixture
def vault(person, node):
    """Owns the node; its address is on chain, and so is that of one that never answers."""
    found = person("vault")
    settings = Settings(network=found.url, account="vault")
    with closing(AsyncJoyNet(found.home, settings, password=lambda _: PASSWORD)) as opened:
        opened.nodes.register(
            operator=OPERATOR.address,
            payout=found.address,
            peer_key=node.identity,
            endpoint=[node.address],
            stake=100 * JOY,
        )
    return found


def raw(model_id: str) -> bytes:
    found = parse_ref(model_id).model_id
    assert found is not None
    return found


def offer(vault, model_id: str) -> None:
    with ChainSession(vault.url, vault.home, account=vault.account, timeout_s=30) as session:
        session.contract("NodeCoordinator").transact("set_offer", 1, raw(model_id), JOY // 100, 0)


def test_a_node_fetches_what_is_seeded_and_then_counts(alice, vault, node, model_id):
    offer(vault, model_id)
    assert asyncio.run(is_held(raw(model_id), [node.address])) is False
    node.take(raw(model_id))
    (held,) = alice.ask("model", "seed", model_id, "--copies", "1")["models"]
    assert held == {"model_id": model_id, "offered_by": [1], "held_by": [1]}
    assert asyncio.run(is_held(raw(model_id), [node.address])) is True  # alice is gone


def test_seeding_ends_when_it_is_told_to(alice, vault, node, model_id):
    offer(vault, model_id)  # a node that offers and does not fetch
    late = alice.joynet("model", "seed", model_id, "--copies", "1", "--timeout", "4", "--json")
    assert late.exit_code == 6
    assert "0 nodes had it within 4 s, expected 1" in late.document["error"]["message"]
    ended = alice.joynet("model", "seed", model_id, "--timeout", "4", "--json")
    assert ended.value["models"] == [{"model_id": model_id, "offered_by": [1], "held_by": []}]
    unknown = alice.refused("model", "seed", "0x" + "5a" * 32, "--copies", "1")
    assert unknown.exit_code == 5


def test_ctrl_c_ends_seeding(alice, vault, node, model_id):
    offer(vault, model_id)
    process = start(alice, "model", "seed", model_id)
    assert process.stderr is not None
    assert b"Ctrl-C ends it" in process.stderr.readline()
    assert b"offered by 1 reachable nodes" in process.stderr.readline()  # it is well under way
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 130
    assert json.loads(output)["ok"] is False
    assert b"Traceback" not in errors


def test_a_model_that_nobody_took_is_published_all_the_same(alice, digits):
    argv = ("model", "publish", digits, "--price", "0.01", "--license", "MIT", "--wait-findable")
    done = alice.joynet(*argv, "--timeout", "5", "--json")
    assert done.exit_code == 6
    assert done.document["error"]["message"].startswith("0 nodes had it")
    model_id = done.document["result"]["model_id"]
    assert alice.ask("model", "show", model_id)["active"] is True
