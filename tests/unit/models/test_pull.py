"""Whom a pull asks, and when it gives up."""

import asyncio
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path

import msgspec
import pytest

from joynet_sdk.errors import NotFoundError, UnavailableError, VerificationError
from joynet_sdk.formats import (
    DAG_PB,
    MAX_SPEC_BYTES,
    RAW,
    Cid,
    Engine,
    InputSpec,
    Manifest,
    ManifestFile,
    OutputSpec,
)
from joynet_sdk.models.pull import CARDS_S, CARDS_TOGETHER, MAX_PEERS, MAX_STALLS, Pulls
from joynet_sdk.types import ModelId

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

SPEC = Cid(RAW, bytes.fromhex("5b" * 32))
FUSED = msgspec.structs.replace(MANIFEST, fusion="0x" + SPEC.digest.hex())


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
        self.offered = {made.model_id: made for made in (MANIFEST, FUSED)}
        self.arrived: list[bytes] = []
        self.has_spec = True

    async def connect(self, addresses) -> str:
        if addresses[0] == "/dead":
            raise UnavailableError("no answer")
        return "peer" + addresses[0]

    async def peers(self) -> list[str]:
        return ["peer/bootstrap", "peer/good/1"]

    async def fetch(self, cid, peer_ids, *, timeout_s, max_bytes, on_bytes) -> None:
        if cid == SPEC:
            assert max_bytes == MAX_SPEC_BYTES
            if self.has_spec:
                self.shelf.specs.add(cid)
                return
            raise NotFoundError("block", cid)
        if cid.codec == RAW:
            if cid.digest not in self.offered:
                await asyncio.Event().wait()  # a peer that never answers
            self.shelf.manifest = self.offered[cid.digest]
            self.arrived.append(cid.digest)
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

    def __init__(self) -> None:
        self.specs: set[Cid] = set()

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

    def has(self, cid: Cid) -> bool:
        return cid in self.specs


@pytest.fixture
def pull(tmp_path):
    """Pull by a script; what came of it, and the client."""

    def run(*script, chain=None, model_id=MANIFEST.model_id):
        shelf = Shelf()
        client = Peers(shelf, list(script))

        @asynccontextmanager
        async def open_client():
            yield client

        pulls = Pulls(chain or Chain(), shelf, open_client, lambda manifest: bytes(32), ["/boot"])
        heard = []
        done = pulls.pull(model_id, tmp_path / "copy", lambda *numbers: heard.append(numbers))
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


@pytest.mark.parametrize("has_spec", [True, False])
def test_the_spec_of_a_fused_model_comes_with_it(pull, tmp_path, has_spec):
    client, _, run = pull(None, model_id=FUSED.model_id)
    client.has_spec = has_spec
    run()
    assert client.shelf.specs == ({SPEC} if has_spec else set())
    assert (tmp_path / "copy").is_dir()  # the model is whole without it


def test_dead_offers_do_not_keep_bootstrap_peers_out(pull):
    class Crowd(Chain):
        endpoints = ("/dead",) * (4 * MAX_PEERS)

        def call(self, function, *args):
            if function == "offers_of":
                return list(range(len(self.endpoints)))
            return super().call(function, *args)

    client, _, run = pull(None, chain=Crowd())
    client.peers = nobody_else
    run()
    assert client.asked == [["peer/boot"]]


async def nobody_else() -> list[str]:
    return []


def test_peers_that_keep_silent_about_one_manifest_cost_no_other(monkeypatch):
    """The newest listings are asked for first, and anybody can make some."""
    monkeypatch.setattr("joynet_sdk.models.pull.CARD_S", 0.2)
    silent = [ModelId(bytes([number]) * 32) for number in range(CARDS_TOGETHER - 1)]
    client = Peers(Shelf(), [None])

    @asynccontextmanager
    async def open_client():
        yield client

    pulls = Pulls(Chain(), client.shelf, open_client, lambda manifest: bytes(32), ["/boot"])
    wanted = [*silent, MANIFEST.model_id]
    asyncio.run(asyncio.wait_for(pulls.fetch_manifests(wanted), 2 * CARDS_S))
    assert client.arrived == [MANIFEST.model_id]
