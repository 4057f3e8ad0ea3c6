"""Files and folders to UnixFS blocks, in one pass and in memory that does not grow with size."""

import errno
import itertools
import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

from joynet_sdk.errors import InvalidInputError, NotFoundError
from joynet_sdk.formats import DAG_PB, RAW, Cid
from joynet_sdk.storage import dagpb, hamt
from joynet_sdk.storage.profiles import UNIXFS_V1_2025, Profile

MAX_DEPTH = 64
"""Folders inside folders: more is refused, on import and on export."""

OnBytes = Callable[[bytes], None]
"""Called with each chunk of file bytes, in order."""


class Sink(Protocol):
    """Where blocks go; a block store, or one of its batches."""

    def put(self, cid: Cid, data: bytes) -> None:
        """Keep one block."""


class Readable(Protocol):
    """Where the bytes of a file come from."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; none at the end."""


class HashOnly:
    """A sink that keeps nothing: imports into it only compute CIDs."""

    def put(self, cid: Cid, data: bytes) -> None:
        """Drop the block."""


class Node(NamedTuple):
    """What an import produced.

    Attributes:
        cid: Root of the file or directory.
        size: File bytes below it.
        tsize: Bytes of all its blocks, each counted as often as it is linked.
    """

    cid: Cid
    size: int
    tsize: int


class Entry(NamedTuple):
    """A named child of a directory."""

    name: str
    node: Node


def check_name(name: str) -> None:
    """Refuse a file name that could escape its folder or that not every system can hold.

    Raises:
        InvalidInputError: Empty, `.`, `..`, with `/`, `\\` or NUL, not UTF-8, or over 255 bytes.
    """
    expected = "expected 1 to 255 UTF-8 bytes without '/', '\\' or NUL, not '.' or '..'"
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        raise InvalidInputError(f"file name {name!r:.80} is not UTF-8: {expected}") from None
    if name in (".", "..") or not 1 <= size <= 255 or any(char in name for char in "/\\\x00"):
        raise InvalidInputError(f"file name {name[:80]!r}: {expected}")


# --- files ------------------------------------------------------------------------------------


def import_stream(
    stream: Readable,
    sink: Sink,
    profile: Profile = UNIXFS_V1_2025,
    on_bytes: OnBytes | None = None,
) -> Node:
    """Cut a stream into chunks and build a balanced tree over them, all leaves equally deep.

    Args:
        stream: Read to its end.
        on_bytes: Sees every chunk, e.g. to hash the file or to show progress.

    Returns:
        The root. A stream of one chunk, or of none, is that one raw block.
    """
    levels: list[list[Node]] = [[]]  # levels[i]: open children of a node at height i + 1

    def close(height: int) -> Node:
        children, levels[height] = levels[height], []
        return _file_node(children, sink)

    def push(height: int, node: Node) -> None:
        if height == len(levels):
            levels.append([])
        if len(levels[height]) == profile.max_links:
            push(height + 1, close(height))
        levels[height].append(node)

    chunk = _read_chunk(stream, profile.chunk_bytes)
    while True:
        if on_bytes is not None:
            on_bytes(chunk)
        push(0, put_raw(chunk, sink))
        chunk = _read_chunk(stream, profile.chunk_bytes)
        if not chunk:
            break
    height = 0
    while height < len(levels) - 1 or len(levels[height]) > 1:
        push(height + 1, close(height))
        height += 1
    return levels[height][0]


def _read_chunk(stream: Readable, size: int) -> bytes:
    parts = []
    while size:
        part = stream.read(size)
        if not part:
            break
        parts.append(part)
        size -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def put_raw(data: bytes, sink: Sink) -> Node:
    """Store bytes as one raw block."""
    cid = Cid.of(RAW, data)
    sink.put(cid, data)
    return Node(cid, len(data), len(data))


def _put_node(links: Sequence[bytes], message: bytes, children: Sequence[Node], sink: Sink) -> Node:
    block = dagpb.encode_node(links, message)
    cid = Cid.of(DAG_PB, block)
    sink.put(cid, block)
    return Node(
        cid, sum(node.size for node in children), len(block) + sum(node.tsize for node in children)
    )


def _file_node(children: Sequence[Node], sink: Sink) -> Node:
    links = [dagpb.encode_link(b"", node.cid, node.tsize) for node in children]
    return _put_node(links, dagpb.encode_file([node.size for node in children]), children, sink)


# --- directories ------------------------------------------------------------------------------


def build_directory(
    entries: Sequence[Entry], sink: Sink, profile: Profile = UNIXFS_V1_2025
) -> Node:
    """Build a directory node over children that are already stored, sharded if it is large.

    Raises:
        InvalidInputError: A bad or repeated name.
    """
    ordered = sorted(entries, key=lambda entry: entry.name.encode("utf-8", "surrogatepass"))
    for entry in ordered:
        check_name(entry.name)
    for first, second in itertools.pairwise(ordered):
        if first.name == second.name:
            raise InvalidInputError(f"directory has two entries named {first.name!r}")
    links = [dagpb.encode_link(e.name.encode(), e.node.cid, e.node.tsize) for e in ordered]
    if profile.shard_measure == "block-bytes":
        size = sum(map(len, links)) + len(dagpb.encode_node((), dagpb.DIRECTORY_MESSAGE))
    else:
        size = sum(len(e.name.encode()) + len(e.node.cid.binary) for e in ordered)
    if size > profile.shard_threshold:
        return _build_shard(ordered, 0, sink, profile)
    return _put_node(links, dagpb.DIRECTORY_MESSAGE, [e.node for e in ordered], sink)


def _build_shard(
    entries: Sequence[tuple[str, Node]], depth: int, sink: Sink, profile: Profile
) -> Node:
    links: list[bytes] = []
    children: list[Node] = []
    bitfield = 0
    bits = profile.shard_fanout.bit_length() - 1
    for index, group in hamt.distribute(entries, depth, bits).items():
        label = hamt.prefix(index, profile.shard_fanout)
        if len(group) == 1:
            name, node = group[0]
            label += name
        else:
            node = _build_shard(group, depth + 1, sink, profile)
        links.append(dagpb.encode_link(label.encode(), node.cid, node.tsize))
        children.append(node)
        bitfield |= 1 << index
    return _put_node(links, dagpb.encode_shard(bitfield, profile.shard_fanout), children, sink)


# --- from disk --------------------------------------------------------------------------------


def import_path(
    path: Path,
    sink: Sink,
    profile: Profile = UNIXFS_V1_2025,
    *,
    hidden: bool = False,
    on_bytes: OnBytes | None = None,
) -> Node:
    """Import a file, or a folder with everything in it.

    Args:
        path: A regular file or a folder.
        hidden: Whether names that start with a dot are taken when found inside a folder.
        on_bytes: Sees every chunk of every file.

    Raises:
        NotFoundError: No such path.
        InvalidInputError: A symlink, a device, a bad name, too deep, or a file that changed
            while it was read.
    """
    mode = _lstat(path).st_mode
    if stat.S_ISREG(mode):
        return import_file(path, sink, profile, on_bytes)
    if stat.S_ISDIR(mode):
        return _import_folder(path, sink, profile, hidden, on_bytes, 0)
    raise refuse_special(path, mode)


def _lstat(path: Path) -> os.stat_result:
    try:
        return path.lstat()
    except FileNotFoundError:
        raise NotFoundError("file or folder", path) from None
    except OSError as error:
        raise InvalidInputError(f"cannot read {path}: {error.strerror}") from None


def refuse_special(path: Path, mode: int) -> InvalidInputError:
    """The error for something that is neither a regular file nor a folder."""
    if stat.S_ISLNK(mode):
        return InvalidInputError(
            f"{path} is a symlink, expected files and folders only",
            hint="copy what it points to in its place (cp -L)",
        )
    return InvalidInputError(f"{path} is a device, socket or pipe, expected a file or a folder")


def _import_folder(
    path: Path, sink: Sink, profile: Profile, hidden: bool, on_bytes: OnBytes | None, depth: int
) -> Node:
    if depth >= MAX_DEPTH:
        raise InvalidInputError(f"{path} is nested deeper than {MAX_DEPTH} folders")
    try:
        names = sorted(child.name for child in path.iterdir())
    except OSError as error:
        raise InvalidInputError(f"cannot read {path}: {error.strerror}") from None
    entries = []
    for name in names:
        if name.startswith(".") and not hidden:
            continue
        check_name(name)
        child = path / name
        mode = _lstat(child).st_mode
        if stat.S_ISREG(mode):
            node = import_file(child, sink, profile, on_bytes)
        elif stat.S_ISDIR(mode):
            node = _import_folder(child, sink, profile, hidden, on_bytes, depth + 1)
        else:
            raise refuse_special(child, mode)
        entries.append(Entry(name, node))
    return build_directory(entries, sink, profile)


def import_file(
    path: Path, sink: Sink, profile: Profile = UNIXFS_V1_2025, on_bytes: OnBytes | None = None
) -> Node:
    """Import one regular file; a symlink is refused even if it appears at the last moment.

    Raises:
        InvalidInputError: Not a regular file, unreadable, or it changed while it was read.
    """
    with open_regular(path) as stream:
        before = os.fstat(stream.fileno())
        seen = 0

        def observe(chunk: bytes) -> None:
            nonlocal seen
            seen += len(chunk)
            if seen > before.st_size:  # it grows: do not run after it
                raise _changed(path)
            if on_bytes is not None:
                on_bytes(chunk)

        try:
            node = import_stream(stream, sink, profile, observe)
        except OSError as error:
            raise InvalidInputError(f"cannot read {path}: {error.strerror}") from None
        after = os.fstat(stream.fileno())
    if seen != before.st_size or before.st_mtime_ns != after.st_mtime_ns:
        raise _changed(path)
    return node


def _changed(path: Path) -> InvalidInputError:
    return InvalidInputError(f"{path} changed while it was read", hint="run the command again")


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file for reading without following a symlink or waiting on a pipe.

    Raises:
        NotFoundError: It does not exist.
        InvalidInputError: It is something else, or cannot be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise NotFoundError("file", path) from None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise refuse_special(path, stat.S_IFLNK) from None
        raise InvalidInputError(f"cannot read {path}: {error.strerror}") from None
    stream = os.fdopen(descriptor, "rb")
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        stream.close()
        raise refuse_special(path, mode)
    return stream
