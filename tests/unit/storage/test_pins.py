"""Pins and garbage collection."""

import io
import tempfile
import threading
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from joynet_sdk.errors import InvalidInputError, NotFoundError, VerificationError
from joynet_sdk.formats import DAG_PB, RAW, Cid
from joynet_sdk.storage import dagpb, pins
from joynet_sdk.storage.blocks import DiskBlockStore
from joynet_sdk.storage.exporter import read_file
from joynet_sdk.storage.importer import Entry, Node, build_directory, import_stream
from joynet_sdk.storage.profiles import Profile

SMALL = Profile("small", 64, 3, "block-bytes")


def folder(store: DiskBlockStore, *seeds: int) -> Node:
    """A directory of files; two folders share the blocks of a seed they share."""
    with store.batch() as batch:
        entries = [
            Entry(f"f{seed}", import_stream(io.BytesIO(bytes([seed]) * 500), batch, SMALL))
            for seed in seeds
        ]
        return build_directory(entries, batch, SMALL)


def test_collection_keeps_pinned_dags_and_removes_the_rest(store: DiskBlockStore) -> None:
    kept, loose = folder(store, 1, 2), folder(store, 2, 3)
    pins.pin(store, kept.cid, "kept")
    wanted = {cid.digest for cid in pins.reachable(store, kept.cid)}
    planned = pins.collect(store, dry_run=True)
    assert store.has(loose.cid)
    done = pins.collect(store)
    assert (done.blocks, done.bytes) == (planned.blocks, planned.bytes)
    assert done.blocks > 0
    assert set(store.index.digests()) == wanted
    assert not store.has(loose.cid)
    assert [(entry.cid, entry.name) for entry in pins.list_pins(store)] == [(str(kept.cid), "kept")]
    pins.unpin(store, kept.cid)
    pins.collect(store)
    assert store.stat()[1:3] == (0, 0)
    assert not [path for path in (store.root / "blocks").rglob("*") if path.is_file()]


def test_remove_takes_one_dag_and_spares_what_pins_share(store: DiskBlockStore) -> None:
    kept, loose, other = folder(store, 1, 2), folder(store, 2, 3), folder(store, 9)
    pins.pin(store, kept.cid)
    with pytest.raises(InvalidInputError, match="is pinned"):
        pins.remove(store, kept.cid)
    pins.remove(store, loose.cid)
    assert not store.has(loose.cid)
    assert store.has(other.cid)
    assert len(list(pins.reachable(store, kept.cid))) > 2
    with pytest.raises(NotFoundError):
        pins.remove(store, loose.cid)


def test_pinning_needs_every_block(store: DiskBlockStore) -> None:
    root = folder(store, 1)
    leaf = next(cid for cid in pins.reachable(store, root.cid) if cid.codec == RAW)
    store.delete(leaf)
    with pytest.raises(NotFoundError, match="no such block"):
        pins.pin(store, root.cid)
    assert pins.list_pins(store) == []
    with pytest.raises(NotFoundError, match="no such pin"):
        pins.unpin(store, root.cid)
    with pytest.raises(InvalidInputError, match="256 characters"):
        pins.pin(store, root.cid, "x" * 256)
    pins.remove(store, root.cid)
    assert not store.has(root.cid)


def test_nothing_is_removed_while_a_pinned_dag_is_incomplete(store: DiskBlockStore) -> None:
    root, loose = folder(store, 1), folder(store, 2)
    pins.pin(store, root.cid)
    store.delete(next(cid for cid in pins.reachable(store, root.cid) if cid.codec == RAW))
    with pytest.raises(VerificationError, match="nothing was removed"):
        pins.collect(store)
    assert store.has(loose.cid)


def test_a_block_pinned_under_two_codecs_keeps_its_children(store: DiskBlockStore) -> None:
    """A raw pin of a node's bytes must not hide the links that a dag-pb pin follows."""
    child = folder(store, 1)
    block = dagpb.encode_node(
        [dagpb.encode_link(b"c", child.cid, child.tsize)], dagpb.DIRECTORY_MESSAGE
    )
    store.put(Cid.of(RAW, block), block)
    pins.pin(store, Cid.of(RAW, block))
    pins.pin(store, Cid.of(DAG_PB, block))
    pins.collect(store)
    assert store.has(child.cid)


def test_strays_are_swept(store: DiskBlockStore) -> None:
    stray = store.root / "blocks" / "ab" / ("ab" * 32)
    stray.parent.mkdir()
    stray.write_bytes(b"left by a crash")
    assert pins.collect(store).strays == 1
    assert not stray.exists()


def test_adding_while_collecting_never_loses_what_gets_pinned(tmp_path: Path) -> None:
    errors: list[BaseException] = []
    roots: list[Cid] = []
    finished = threading.Event()

    def add() -> None:
        try:
            with DiskBlockStore(tmp_path / "s") as store:
                for seed in range(15):
                    with store.adding():
                        roots.append(folder(store, seed, seed + 100).cid)
                        pins.pin(store, roots[-1])
        except BaseException as error:  # noqa: BLE001  (shown by the assertion below)
            errors.append(error)
        finally:
            finished.set()

    thread = threading.Thread(target=add)
    thread.start()
    with DiskBlockStore(tmp_path / "s") as store:
        while not finished.is_set():
            pins.collect(store)
        thread.join(60)
        assert errors == []
        pins.collect(store)
        for root in roots:
            assert list(pins.reachable(store, root))


class StoreMachine(RuleBasedStateMachine):
    """Whatever order things happen in: pinned content reads back, totals are true."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.store = DiskBlockStore(Path(self.folder.name))
        self.files: dict[Cid, bytes] = {}
        self.pinned: set[Cid] = set()

    def teardown(self) -> None:
        self.store.close()
        self.folder.cleanup()

    @rule(seed=st.integers(0, 5), size=st.integers(0, 400), keep=st.booleans())
    def add(self, seed: int, size: int, keep: bool) -> None:
        data = bytes([seed]) * size
        with self.store.adding():
            cid = import_stream(io.BytesIO(data), self.store, SMALL).cid
            self.files[cid] = data
            if keep:
                pins.pin(self.store, cid)
                self.pinned.add(cid)

    @precondition(lambda self: self.pinned)
    @rule(data=st.data())
    def unpin(self, data: st.DataObject) -> None:
        cid = data.draw(st.sampled_from(sorted(self.pinned)))
        pins.unpin(self.store, cid)
        self.pinned.remove(cid)

    @rule()
    def collect(self) -> None:
        pins.collect(self.store)

    @rule()
    def reopen(self) -> None:
        self.store.close()
        self.store = DiskBlockStore(Path(self.folder.name))

    @invariant()
    def pinned_content_reads_back(self) -> None:
        for cid in self.pinned:
            assert b"".join(read_file(self.store, cid)) == self.files[cid]

    @invariant()
    def totals_are_true(self) -> None:
        sizes = [self.store.index.size(digest) for digest in self.store.index.digests()]
        assert self.store.stat()[1:3] == (len(sizes), sum(size or 0 for size in sizes))


TestStoreMachine = StoreMachine.TestCase
TestStoreMachine.settings = settings(max_examples=15, stateful_step_count=20, deadline=None)
