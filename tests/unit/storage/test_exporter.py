"""Reading back: ranges, listing, atomic export, and DAGs built to hurt."""

import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joynet_sdk.errors import InvalidInputError, JoyNetError, NotFoundError, VerificationError
from joynet_sdk.formats import DAG_PB, RAW, Cid
from joynet_sdk.storage import dagpb
from joynet_sdk.storage.blocks import DiskBlockStore
from joynet_sdk.storage.exporter import (
    Limits,
    export,
    info,
    list_directory,
    read_file,
    resolve,
)
from joynet_sdk.storage.importer import Entry, Node, build_directory, import_path, import_stream
from joynet_sdk.storage.profiles import Profile

from .conftest import Memory

SMALL = Profile("small", 16, 3, "block-bytes")
SHARDED = Profile("sharded", 16, 3, "block-bytes", shard_threshold=1, shard_fanout=8)


def node(memory: Memory, links: list[tuple[str, Cid]], message: bytes) -> Cid:
    """Store a node that says whatever it likes."""
    encoded = [dagpb.encode_link(name.encode(), cid, 1) for name, cid in links]
    return put(memory, DAG_PB, dagpb.encode_node(encoded, message))


def put(memory: Memory, codec: int, data: bytes) -> Cid:
    cid = Cid.of(codec, data)
    memory.put(cid, data)
    return cid


def file_message(size: int, sizes: list[int]) -> bytes:
    return (
        b"\x08\x02\x18"
        + dagpb.varint(size)
        + b"".join(b"\x20" + dagpb.varint(part) for part in sizes)
    )


def cat(memory: Memory, cid: Cid, offset: int = 0, length: int | None = None) -> bytes:
    return b"".join(read_file(memory, cid, offset, length))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 400), st.integers(0, 450), st.none() | st.integers(0, 450))
def test_ranges_are_slices(size: int, offset: int, length: int | None) -> None:
    memory, data = Memory(), bytes(index % 251 for index in range(size))
    root = import_stream(io.BytesIO(data), memory, SMALL).cid
    end = None if length is None else offset + length
    assert cat(memory, root, offset, length) == data[offset:end]


def test_a_range_reads_only_the_blocks_it_needs(memory: Memory) -> None:
    root = import_stream(io.BytesIO(bytes(range(200)) * 10), memory, SMALL)
    assert len(memory.blocks) > 150 / 16
    cat(memory, root.cid, 900, 10)
    assert len(memory.reads) <= 7


def test_import_then_export_gives_the_same_folder(store: DiskBlockStore, tmp_path: Path) -> None:
    source = tmp_path / "in"
    (source / "a" / "empty").mkdir(parents=True)
    (source / "a" / "ключ").write_bytes(b"x" * 1000)
    (source / "none").write_bytes(b"")
    for number in range(40):
        (source / f"n{number}").write_text(str(number))
    for profile in (SMALL, SHARDED):
        with store.batch() as batch:
            root = import_path(source, batch, profile)
        done = export(store, root.cid, tmp_path / profile.name)
        assert (done.files, done.bytes) == (42, root.size)
        again = import_path(tmp_path / profile.name, store, profile)
        assert again == root
        names = [child.name for child in list_directory(store, root.cid)]
        assert names == sorted(path.name for path in source.iterdir())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "sharded", "small", "store"]


def test_resolve_follows_paths(memory: Memory) -> None:
    leaf = import_stream(io.BytesIO(b"deep"), memory, SMALL)
    inner = build_directory([Entry("b", leaf)], memory, SHARDED)
    outer = build_directory([Entry("a", inner)], memory, SMALL)
    assert resolve(memory, outer.cid, "a/b") == leaf.cid
    assert resolve(memory, outer.cid, "/a/") == inner.cid
    assert resolve(memory, outer.cid) == outer.cid
    assert info(memory, leaf.cid) == (leaf.cid, False, 4)
    with pytest.raises(NotFoundError, match="no such path"):
        resolve(memory, outer.cid, "a/c")
    with pytest.raises(InvalidInputError, match="file name"):
        resolve(memory, outer.cid, "a/../a")
    with pytest.raises(InvalidInputError, match="is a file"):
        resolve(memory, outer.cid, "a/b/c")
    with pytest.raises(InvalidInputError, match="is a directory"):
        cat(memory, outer.cid)


def test_export_refuses_to_replace(memory: Memory, tmp_path: Path) -> None:
    root = import_stream(io.BytesIO(b"data"), memory, SMALL).cid
    for target in (tmp_path / "file", tmp_path / "link"):
        target.symlink_to("nowhere") if target.name == "link" else target.write_text("old")
        with pytest.raises(InvalidInputError, match="exists"):
            export(memory, root, target)
    with pytest.raises(InvalidInputError, match="is not a folder"):
        export(memory, root, tmp_path / "no" / "file")
    assert (tmp_path / "file").read_text() == "old"


def test_failed_export_leaves_nothing(memory: Memory, tmp_path: Path) -> None:
    good = import_stream(io.BytesIO(b"data"), memory, SMALL)
    missing = Node(Cid.of(RAW, b"gone"), 4, 4)
    root = build_directory([Entry("a", good), Entry("b", missing)], memory, SMALL).cid
    with pytest.raises(NotFoundError, match="block"):
        export(memory, root, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["..", ".", "", "a/b", "/etc/passwd", "../x", "a\\b", "x" * 300])
@pytest.mark.parametrize("sharded", [False, True])
def test_names_that_escape_are_refused(
    memory: Memory, tmp_path: Path, name: str, sharded: bool
) -> None:
    leaf = put(memory, RAW, b"evil")
    if sharded:
        root = node(memory, [("0" + name, leaf)], dagpb.encode_shard(1, 8))
    else:
        root = node(memory, [(name, leaf)], dagpb.DIRECTORY_MESSAGE)
    with pytest.raises(VerificationError):
        export(memory, root, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_repeated_names_are_refused(memory: Memory) -> None:
    leaf = put(memory, RAW, b"x")
    root = node(memory, [("a", leaf), ("a", leaf)], dagpb.DIRECTORY_MESSAGE)
    with pytest.raises(VerificationError, match="two entries named 'a'"):
        list_directory(memory, root)


def test_symlinks_and_metadata_are_refused(memory: Memory, tmp_path: Path) -> None:
    for message in (b"\x08\x04\x12\x0b/etc/passwd", b"\x08\x03"):
        link = node(memory, [], message)
        root = node(memory, [("a", link)], dagpb.DIRECTORY_MESSAGE)
        with pytest.raises(VerificationError, match="expected file or directory"):
            export(memory, root, tmp_path / "out")


def test_wrong_sizes_are_refused(memory: Memory) -> None:
    leaf = put(memory, RAW, b"four")
    cases = {
        "its parent says 5": file_message(5, [5]),
        "claims 9 bytes, holds 4": file_message(9, [4]),
        "expected one size above 0": file_message(0, [0]),
        "1 links and 2 sizes": file_message(4, [2, 2]),
        "1 links and 0 sizes": file_message(4, []),
    }
    for message, body in cases.items():
        with pytest.raises(VerificationError, match=message):
            cat(memory, node(memory, [("", leaf)], body))


def test_a_directory_inside_a_file_is_refused(memory: Memory) -> None:
    inside = node(memory, [], dagpb.DIRECTORY_MESSAGE)
    with pytest.raises(VerificationError, match="directory inside a file"):
        cat(memory, node(memory, [("", inside)], file_message(3, [3])))


def test_depth_of_files_and_folders_is_bounded(memory: Memory, tmp_path: Path) -> None:
    deep = put(memory, RAW, b"x")
    for _ in range(20):
        deep = node(memory, [("", deep)], file_message(1, [1]))
    with pytest.raises(VerificationError, match="over 16 levels deep"):
        cat(memory, deep)
    folder = node(memory, [], dagpb.DIRECTORY_MESSAGE)
    for _ in range(70):
        folder = node(memory, [("d", folder)], dagpb.DIRECTORY_MESSAGE)
    with pytest.raises(VerificationError, match="deeper than 64 folders"):
        export(memory, folder, tmp_path / "out")


def test_bombs_are_stopped_by_the_limits(memory: Memory, tmp_path: Path) -> None:
    """Twelve small nodes that claim 1024^12 files, or bytes."""
    many, big = put(memory, RAW, b"x"), put(memory, RAW, bytes(1000))
    size = 1000
    for _ in range(12):
        entries = [(f"{index}", many) for index in range(1000)]
        many = node(memory, entries, dagpb.DIRECTORY_MESSAGE)
    for _ in range(4):
        big = node(memory, [("", big)] * 1000, file_message(size * 1000, [size] * 1000))
        size *= 1000
    with pytest.raises(VerificationError, match="over 2000 entries"):
        export(memory, many, tmp_path / "out", limits=Limits(max_entries=2000))
    with pytest.raises(VerificationError, match="expected at most 1099511627776"):
        export(memory, big, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_shards_must_be_what_their_names_hash_to(memory: Memory) -> None:
    leaf = put(memory, RAW, b"x")
    good = build_directory([Entry("a", Node(leaf, 1, 1))], memory, SHARDED).cid
    (link,), _ = dagpb.decode_node(memory.blocks[good])
    here = int(link.name[0], 16)
    elsewhere = (here + 1) % 8
    cases = {
        "not in the slot of its hash": ([(f"{elsewhere}a", leaf)], elsewhere, 8),
        "is not in slot": ([(f"{elsewhere}a", leaf)], here, 8),
        "bitfield says otherwise": ([(f"{here}a", leaf), (f"{elsewhere}b", leaf)], here, 8),
        "expected a power of two": ([(f"{here}a", leaf)], here, 12),
    }
    for message, (links, slot, fanout) in cases.items():
        with pytest.raises(VerificationError, match=message):
            list_directory(memory, node(memory, links, dagpb.encode_shard(1 << slot, fanout)))
    for fanout in (1 << 20, 1, 0):
        with pytest.raises(VerificationError, match="fanout"):
            list_directory(
                memory, node(memory, [("0a", leaf)], dagpb.encode_shard(1 << here, fanout))
            )


def test_shards_nested_without_end_are_refused(memory: Memory) -> None:
    shard = node(memory, [("0a", put(memory, RAW, b"x"))], dagpb.encode_shard(1, 8))
    for _ in range(30):
        shard = node(memory, [("0", shard)], dagpb.encode_shard(1, 8))
    with pytest.raises(VerificationError, match="deeper than its names have hash bits"):
        list_directory(memory, shard)


def test_truncated_and_garbled_nodes_never_crash(memory: Memory) -> None:
    leaf = import_stream(io.BytesIO(b"abc" * 50), memory, SMALL)
    block = memory.blocks[build_directory([Entry("file", leaf)], memory, SMALL).cid]
    for cut in range(1, len(block)):
        with pytest.raises(VerificationError):
            list_directory(memory, put(memory, DAG_PB, block[:cut]))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=80))
def test_random_nodes_give_our_errors_only(data: bytes) -> None:
    memory = Memory()
    cid = put(memory, DAG_PB, data)
    for use in (lambda: list_directory(memory, cid), lambda: cat(memory, cid)):
        try:
            use()
        except JoyNetError:
            continue


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.text(max_size=20), st.binary(min_size=32, max_size=32)), max_size=5),
    st.binary(max_size=40),
)
def test_nodes_round_trip(links: list[tuple[str, bytes]], message: bytes) -> None:
    wanted = [dagpb.Link(name, Cid(RAW, digest), len(name)) for name, digest in links]
    encoded = [dagpb.encode_link(link.name.encode(), link.cid, link.tsize) for link in wanted]
    assert dagpb.decode_node(dagpb.encode_node(encoded, message)) == (wanted, message)


def test_links_of_old_content_are_read_as_dag_pb(memory: Memory) -> None:
    inner = node(memory, [], dagpb.DIRECTORY_MESSAGE)
    body = b"\x0a\x22\x12\x20" + inner.digest + b"\x12\x01a\x18\x04"
    old = b"\x12" + dagpb.varint(len(body)) + body + b"\x0a\x02" + dagpb.DIRECTORY_MESSAGE
    assert [child.cid for child in list_directory(memory, put(memory, DAG_PB, old))] == [inner]
