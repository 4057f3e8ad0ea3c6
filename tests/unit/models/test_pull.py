"""Whom a pull asks, and when it gives up."""

import asyncio
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path

import pytest

from joynet_sdk.errors import NotFoundError, UnavailableError, VerificationError
from joynet_sdk.formats import (
    DAG_PB,
    RAW,
    Cid,
    Engine,
    InputSpec,
    Manifest,
    ManifestFile,
    OutputSpec,
)
from joynet_sdk.models.pull import MAX_STALLS, Pulls

ALICE, BOB = "0x" + "Aa" * 20, "0x" + "Bb" * 20
MANIFEST = Manifest(
    title="Digits",
    architecture="qmodel/2",
    engine=Engine(name="qmodel", profile="qmodel/2"),
    verification="exact",
    root=str(Cid(DAG_PB, bytes(32))),
    files=[ManifestFile(path="a", size=100, sha256="0x" + "00" * 32, cid=str(Cid(RAW, bytes(32))))],
    input=InputSpec(kind="tensor", dtype="int8", shape=[64]),
    output=OutputSpec(kind="logits", dtype="int8", shape=[10]),
    license="MIT",
    publisher=ALICE,
)


class Chain:
    """Three offers: of a node that answers, one that does not, one without an address."""

    lister = ALICE
    endpoints = ("/good/1,/good/2", "/dead", "")

    def contract(self, name: str) -> "Chain":
        return self

    def call(self, function: str, *args):
        node = {"vault": BOB, "operator": BOB, "peer_key": b"", "active": False}
        return {
            "listing": lambda: {"publisher": self.lister},
            "terms": lambda: {"is_required": False},
            "offers_of": lambda: [0, 1, 2],
            "node": lambda: {**node, "endpoint": self.endpoints[args[0]]},
            "offer": lambda: {"price": 1},
            "reputation": lambda: 10**18,
        }[function]()


class Peers:
    """A client whose fetches follow a script: bytes that come before it stalls, or None for all."""

    def __init__(self, shelf: "Shelf", script: list[int | None]) -> None:
        self.shelf, self.script = shelf, script
        self.asked: list[list[str]] = []

    async def connect(self, addresses) -> str:
        if addresses[0] == "/dead":
            raise UnavailableError("no answer")
        return "peer" + addresses[0]

    async def peers(self) -> list[str]:
        return ["peer/bootstrap", "peer/good/1"]

    async def fetch(self, cid, peer_ids, *, timeout_s, max_bytes, on_bytes) -> None:
        if cid.codec == RAW:
            self.shelf.manifest = MANIFEST
            return
        self.asked.append(list(peer_ids))
        came = self.script.pop(0)
        amount = 100 if came is None else came
        on_bytes(amount, 120, amount)
        if came is not None:
            raise UnavailableError("stalled")
        self.shelf.is_whole = True


class Shelf:
    manifest: Manifest | None = None
    is_whole = False

    def load(self, model_id) -> Manifest:
        if self.manifest is None:
            raise NotFoundError("manifest", "here")
        return self.manifest

    def keep(self, manifest: Manifest) -> None:
        if not self.is_whole:
            raise NotFoundError("block", "here")

    def export(self, manifest: Manifest, target: Path, content_key: bytes | None) -> None:
        target.mkdir()

    def adding(self):
        return nullcontext()


@pytest.fixture
def pull(tmp_path):
    """Pull by a script; what came of it, and the client."""

    def run(*script, chain=None):
        shelf = Shelf()
        client = Peers(shelf, list(script))

        @asynccontextmanager
        async def open_client():
            yield client

        pulls = Pulls(chain or Chain(), shelf, open_client, lambda manifest: bytes(32), ["/boot"])
        heard = []
        done = pulls.pull(
            MANIFEST.model_id, tmp_path / "copy", lambda *numbers: heard.append(numbers)
        )
        return client, heard, lambda: asyncio.run(done)

    return run


def test_everybody_who_may_have_it_is_asked_at_once(pull, tmp_path):
    client, heard, run = pull(None)
    pulled = run()
    assert client.asked == [["peer/good/1", "peer/boot", "peer/bootstrap"]]
    assert (pulled.peers, pulled.bytes_fetched, pulled.bytes_total) == (3, 100, 100)
    assert heard == [(100, 120, 100)]
    assert (tmp_path / "copy").is_dir()


def test_it_goes_on_after_stalls_while_something_comes(pull):
    client, heard, run = pull(10, 20, 30, 40, None)
    assert run().bytes_fetched == 200
    assert [numbers[2] for numbers in heard] == [10, 30, 60, 100, 200]
    assert len(client.asked) == 5


def test_it_gives_up_when_nothing_comes(pull, tmp_path):
    client, _, run = pull(10, *[0] * MAX_STALLS, None)
    with pytest.raises(UnavailableError, match=r"stalled \(10 bytes came\)"):
        run()
    assert len(client.asked) == 1 + MAX_STALLS
    assert not (tmp_path / "copy").exists()


def test_a_copied_listing_is_not_fetched(pull):
    chain = Chain()
    chain.lister = BOB
    client, _, run = pull(None, chain=chain)
    with pytest.raises(VerificationError, match="its publisher is"):
        run()
    assert client.asked == []
