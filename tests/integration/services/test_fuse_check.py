"""`joynet fuse check` on a real chain: a model that only a node has is judged by its headers."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from safetensors.numpy import save_file

from joynet_sdk.chain import ChainSession, flows
from joynet_sdk.nodes import Nodes
from joynet_sdk.p2p.host import LOOPBACK, P2PHost
from joynet_sdk.p2p.identity import Identity
from joynet_sdk.storage.blocks import DiskBlockStore

JOY = 10**18
MIB = 1 << 20
TOKENIZER = {"model": {"vocab": {f"t{i}": i for i in range(1024)}}}


@contextmanager
def serving(identity: Identity, store: DiskBlockStore) -> Iterator[str]:
    """A host that serves a store, on a loop of its own; gives its address."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def wait(work):
        return asyncio.run_coroutine_threadsafe(work, loop).result(60)

    host = P2PHost(identity.private_key, [LOOPBACK], block_store=store)
    try:
        wait(host.start())
        yield host.addrs[0]
    finally:
        wait(host.stop())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture
def save(tmp_path):
    """`save("a", hidden=1024)`: an encoder of 8 MiB, or a narrow one."""

    def write(name: str, hidden: int = 1024, license_id: str = "mit"):
        folder = tmp_path / "models" / name
        folder.mkdir(parents=True)
        weights = {
            "embeddings.weight": np.full((1024, hidden), 0.1, np.float32),
            "layer.weight": np.eye(hidden, dtype=np.float32),
        }
        save_file(weights, folder / "model.safetensors")
        config = {"model_type": "bert", "hidden_size": hidden, "vocab_size": 1024}
        (folder / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 1}))
        (folder / "tokenizer.json").write_text(json.dumps(TOKENIZER))
        (folder / "README.md").write_text(f"---\nlicense: {license_id}\n---\n")
        return folder

    return write


def offer(anvil, vault, operator, identity, address, model_id):
    with ChainSession(anvil.url, vault.home, account=vault.account, timeout_s=30) as session:
        nodes = Nodes(session, lambda *job: flows.start(session, *job))
        node_id = nodes.register(
            operator=operator.address,
            payout=vault.address,
            peer_key=identity,
            endpoint=[address],
            stake=100 * JOY,
        )
    with ChainSession(anvil.url, operator.home, account=operator.account, timeout_s=30) as session:
        nodes = Nodes(session, lambda *job: flows.start(session, *job))
        nodes.offer(node_id, model_id, JOY)


def test_a_model_of_a_node_is_judged_before_it_is_downloaded(person, anvil, save):
    alice, bob, operator = person("alice"), person("bob"), person("operator", joy=0)
    published = alice.ask("model", "publish", save("far"), "--price", "0.01")
    ref, identity = published["model_id"], Identity.generate()
    with (
        DiskBlockStore(alice.home / "store") as store,
        serving(identity, store) as address,
    ):
        offer(anvil, alice, operator, identity, address, bytes.fromhex(ref[2:]))
        twin = bob.ask("fuse", "check", ref, save("near"))
        assert twin["compatible"]
        assert 0 < twin["fetched_bytes"] < 1.2 * MIB < twin["models"][0]["total_bytes"] / 6
        assert twin["similarity"] is None
        narrow = bob.joynet("fuse", "check", ref, save("narrow", 8), "--json")
        assert narrow.exit_code == 10
        codes = {each["code"] for each in narrow.document["result"]["findings"]}
        assert codes == {"hidden_size", "shape"}
        assert narrow.document["result"]["fetched_bytes"] == 0  # the headers were kept
    carol = person("carol")
    gone = carol.refused("fuse", "check", ref, "0x" + "11" * 32)
    assert gone.exit_code == 6
