"""Headers over the wire: of a model that another host holds, only the first blocks are fetched."""

import asyncio
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace
from safetensors.numpy import save_file

from joynet_sdk.errors import (
    InvalidInputError,
    NotFoundError,
    UnavailableError,
    VerificationError,
)
from joynet_sdk.formats import RAW, Card, Cid, Engine, InputSpec, OutputSpec, decode_cid
from joynet_sdk.fusion.compatibility import Plan, check
from joynet_sdk.p2p.blocksource import PeerBlocks
from joynet_sdk.peeking import fetch_headers
from joynet_sdk.storage.blocks import DiskBlockStore
from joynet_sdk.storage.exporter import read_file
from joynet_sdk.storage.headers import read_folder
from joynet_sdk.storage.library import Library

MIB = 1 << 20
CARD = Card(
    title="wide",
    license="Apache-2.0",
    architecture="none",
    engine=Engine(name="transformers", profile="embed-mean-fp32/1"),
    verification="tolerant",
    input=InputSpec(kind="text", dtype="utf8", shape=[]),
    output=OutputSpec(kind="vector", dtype="float32", shape=[8]),
    tolerance=4,
)


@pytest.fixture
def stores(tmp_path: Path):
    """The provider's store, and the empty one of who asks."""
    with DiskBlockStore(tmp_path / "theirs") as theirs, DiskBlockStore(tmp_path / "ours") as ours:
        yield theirs, ours


@pytest.fixture
def wide(tmp_path: Path) -> Path:
    """A model of 24 MiB in two files."""
    folder = tmp_path / "wide"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for part in "12":
        tensors = {f"{part}.{i}": rng.normal(size=(1024, 1024)).astype("f4") for i in range(3)}
        save_file(tensors, folder / f"model-{part}.safetensors")
    return folder


def test_a_peer_is_asked_for_the_first_blocks_only(play, stores, wide, tmp_path):
    theirs, ours = stores
    manifest = Library(theirs).add(wide, CARD)

    async def scenario(stage):
        server = await stage.host(block_store=theirs)
        client = await stage.host(block_store=ours)
        deaf = ["/ip4/127.0.0.1/tcp/9/p2p/" + client.peer_id]
        headers = await fetch_headers(
            client, ours, manifest.model_id, "wide.joy", [deaf, server.addrs], tmp_path
        )
        assert headers.tensors == read_folder(wide).tensors
        assert headers.license == "Apache-2.0"
        fetched = (await client.blocks.traffic()).received_bytes
        assert fetched == (await server.blocks.traffic()).sent_bytes
        assert fetched < 2.1 * MIB < headers.total_bytes / 11
        # What was fetched is kept: the second look needs nobody.
        again = await fetch_headers(
            client, ours, manifest.model_id, "wide.joy", [server.addrs], tmp_path
        )
        assert again.tensors == headers.tensors
        assert (await client.blocks.traffic()).received_bytes == fetched
        narrow = tmp_path / "narrow"
        narrow.mkdir()
        save_file({"1.0": np.zeros((8, 8), np.float32)}, narrow / "model.safetensors")
        report = check([headers, read_folder(narrow)], Plan())
        assert {each.code for each in report.findings} >= {"shape", "tensors"}

    play(scenario)


def test_a_hostile_model_at_a_peer_is_refused(play, stores, wide, tmp_path):
    theirs, ours = stores
    manifest = Library(theirs).add(wide, CARD)
    renamed = [
        replace(file, path=file.path.replace("-1.safetensors", ".bin")) for file in manifest.files
    ]
    hostile = replace(manifest, files=sorted(renamed, key=lambda file: file.path))
    theirs.put(Cid(RAW, hostile.model_id), hostile.encode())

    async def scenario(stage):
        server = await stage.host(block_store=theirs)
        client = await stage.host(block_store=ours)
        with pytest.raises(InvalidInputError, match="pickle"):
            await fetch_headers(
                client, ours, hostile.model_id, "evil.joy", [server.addrs], tmp_path
            )
        assert (await client.blocks.traffic()).received_bytes < 1.1 * MIB

    play(scenario)


@pytest.mark.parametrize("limit", [{"max_bytes": 100_000}, {"max_blocks": 2}, {"timeout_s": 0.0}])
def test_a_file_in_crumbs_is_given_up(limit, play, stores, wide):
    theirs, ours = stores
    manifest = Library(theirs).add(wide, CARD)
    file = next(each for each in manifest.files if each.path == "model-1.safetensors")

    async def scenario(stage):
        server = await stage.host(block_store=theirs)
        client = await stage.host(block_store=ours)
        await client.connect(server.addrs[0])
        source = PeerBlocks(client.blocks, asyncio.get_running_loop(), [server.peer_id], **limit)

        def read():
            for _ in read_file(source, decode_cid(file.cid)):
                pass

        with pytest.raises((VerificationError, UnavailableError), match=r"expected at most|within"):
            await asyncio.to_thread(read)
        assert source.fetched_blocks <= 2
        assert source.fetched_bytes < 1.1 * MIB

    play(scenario)


def test_nobody_has_it(play, stores, tmp_path):
    _, ours = stores
    missing = Cid.of(RAW, b"missing")

    async def scenario(stage):
        server = await stage.host(block_store=DiskBlockStore(tmp_path / "empty"))
        client = await stage.host(block_store=ours)
        with pytest.raises(UnavailableError, match="nobody offers it"):
            await fetch_headers(client, ours, missing.digest, "gone.joy", [], tmp_path)
        with pytest.raises(NotFoundError, match="asked 1 peers"):
            await fetch_headers(client, ours, missing.digest, "gone.joy", [server.addrs], tmp_path)

    play(scenario)
