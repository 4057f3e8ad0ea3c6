"""UnixFS blocks back to files: list, read a range, write to disk. Every DAG is taken as hostile.

A block's bytes are checked against its CID by the store. Here every claim inside is checked too:
sizes against what is really below, names, shard slots, depth, number of entries, total bytes.
"""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from joynet_sdk.errors import InvalidInputError, NotFoundError, VerificationError
from joynet_sdk.formats import RAW, Cid
from joynet_sdk.paths import sync_dir
from joynet_sdk.storage import dagpb, hamt
from joynet_sdk.storage.dagpb import Kind, Link, UnixFs
from joynet_sdk.storage.errors import translated
from joynet_sdk.storage.importer import MAX_DEPTH, check_name

MAX_FILE_DEPTH = 16
"""Levels of nodes above the chunks of one file; ours have at most 4 below 1 PiB."""


class Source(Protocol):
    """Where blocks come from."""

    def get(self, cid: Cid) -> bytes | None:
        """A block's verified bytes, or None."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one export may produce; a DAG that asks for more is refused.

    Attributes:
        max_bytes: Bytes of all files together.
        max_entries: Files and folders together.
        max_depth: Folders inside folders.
    """

    max_bytes: int = 1 << 40
    max_entries: int = 100_000
    max_depth: int = MAX_DEPTH


class Child(NamedTuple):
    """One entry of a directory.

    Attributes:
        name: A safe file name.
        cid: Its root.
    """

    name: str
    cid: Cid


class Info(NamedTuple):
    """What a CID is.

    Attributes:
        cid: The root.
        is_directory: Whether it is a directory, sharded or not.
        size: Bytes of a file as its root claims, 0 for a directory.
    """

    cid: Cid
    is_directory: bool
    size: int


class _Node(NamedTuple):
    links: list[Link]
    unixfs: UnixFs


def _load(source: Source, cid: Cid) -> bytes:
    block = source.get(cid)
    if block is None:
        raise NotFoundError("block", cid, hint="fetch the content first, or check the CID")
    return block


def _parse(source: Source, cid: Cid) -> _Node:
    """Read a node and check what it says about itself.

    Raises:
        NotFoundError: The block is not stored.
        VerificationError: It is malformed or contradicts itself.
    """
    block = _load(source, cid)
    if cid.codec == RAW:
        return _Node([], UnixFs(Kind.RAW, block, len(block)))
    links, message = dagpb.decode_node(block)
    unixfs = dagpb.decode_unixfs(message)
    if unixfs.kind in (Kind.FILE, Kind.RAW):
        total = len(unixfs.data) + sum(unixfs.block_sizes)
        if len(links) != len(unixfs.block_sizes) or 0 in unixfs.block_sizes:
            raise VerificationError(
                f"file node {cid} has {len(links)} links and {len(unixfs.block_sizes)} sizes, "
                "expected one size above 0 for each link"
            )
        if (unixfs.size if unixfs.size is not None else total) != total:
            raise VerificationError(f"file node {cid} claims {unixfs.size} bytes, holds {total}")
        unixfs = unixfs._replace(size=total)
    elif unixfs.kind not in (Kind.DIRECTORY, Kind.SHARD):
        raise VerificationError(
            f"{cid} is a {unixfs.kind.name.lower()}, expected file or directory"
        )
    return _Node(links, unixfs)


def info(source: Source, cid: Cid) -> Info:
    """Say what a CID is, from its root block.

    Raises:
        NotFoundError: The block is not stored.
        VerificationError: The block is not a UnixFS file or directory.
    """
    unixfs = _parse(source, cid).unixfs
    directory = unixfs.kind in (Kind.DIRECTORY, Kind.SHARD)
    return Info(cid, directory, 0 if directory else unixfs.size or 0)


# --- directories ------------------------------------------------------------------------------


def list_directory(source: Source, cid: Cid, limits: Limits | None = None) -> list[Child]:
    """The entries of a directory, sharded or not, sorted by the bytes of their names.

    Raises:
        InvalidInputError: It is a file.
        NotFoundError: A block is not stored.
        VerificationError: Bad or repeated names, slots that do not fit, or over the limits.
    """
    limits = limits or Limits()
    node = _parse(source, cid)
    if node.unixfs.kind is Kind.DIRECTORY:
        found = [Child(link.name, link.cid) for link in node.links]
    elif node.unixfs.kind is Kind.SHARD:
        found = []
        for child in _walk_shard(source, cid, node, 0, node.unixfs.fanout):
            found.append(child)
            _check_entries(cid, len(found), limits)
    else:
        raise InvalidInputError(f"{cid} is a file, expected a directory")
    _check_entries(cid, len(found), limits)
    names = set()
    for child in found:
        _check_child(cid, child.name)
        if child.name in names:
            raise VerificationError(f"directory {cid} has two entries named {child.name[:80]!r}")
        names.add(child.name)
    return sorted(found, key=lambda child: child.name.encode())


def _check_entries(cid: Cid, count: int, limits: Limits) -> None:
    if count > limits.max_entries:
        raise VerificationError(f"{cid} has over {limits.max_entries} entries, the most allowed")


def _check_child(cid: Cid, name: str) -> None:
    try:
        check_name(name)
    except InvalidInputError as error:
        raise VerificationError(f"directory {cid}: {error}") from None


def _walk_shard(source: Source, cid: Cid, node: _Node, depth: int, fanout: int) -> Iterator[Child]:
    """Entries of one shard node and those below; checks that each lies in the slot of its name."""
    unixfs = node.unixfs
    if unixfs.kind is not Kind.SHARD or unixfs.hash_type != dagpb.MURMUR3_X64_64:
        raise VerificationError(f"{cid} is not a shard placed by murmur3-x64-64")
    bits = fanout.bit_length() - 1
    if unixfs.fanout != fanout or not 8 <= fanout <= hamt.MAX_FANOUT or fanout != 1 << bits:
        raise VerificationError(
            f"shard {cid} has fanout {unixfs.fanout}, expected a power of two from 8 to "
            f"{hamt.MAX_FANOUT}, the same in every node"
        )
    field = int.from_bytes(unixfs.data, "big")
    slots = [index for index in range(fanout) if field >> index & 1]
    if field >> fanout or len(slots) != len(node.links) or (depth and not slots):
        raise VerificationError(
            f"shard {cid} has {len(node.links)} links, its bitfield says otherwise"
        )
    for index, link in zip(slots, node.links, strict=True):
        label = hamt.prefix(index, fanout)
        if not link.name.startswith(label):
            raise VerificationError(f"shard {cid}: link {link.name[:80]!r} is not in slot {label}")
        name = link.name[len(label) :]
        if name:
            _check_slot(cid, name, depth, bits, index)
            yield Child(name, link.cid)
            continue
        for child in _walk_shard(
            source, link.cid, _parse(source, link.cid), _deeper(cid, depth, bits), fanout
        ):
            _check_slot(cid, child.name, depth, bits, index)
            yield child


def _deeper(cid: Cid, depth: int, bits: int) -> int:
    if (depth + 2) * bits > hamt.HASH_BITS:
        raise VerificationError(f"shard {cid} is deeper than its names have hash bits")
    return depth + 1


def _check_slot(cid: Cid, name: str, depth: int, bits: int, index: int) -> None:
    _check_child(cid, name)
    if hamt.slot(name, depth, bits) != index:
        raise VerificationError(f"shard {cid}: {name[:80]!r} is not in the slot of its hash")


def resolve(source: Source, cid: Cid, path: str = "") -> Cid:
    """Follow `a/b/c` below a directory.

    Raises:
        NotFoundError: No such entry.
        InvalidInputError: A part is not a file name, or is looked for inside a file.
    """
    for part in path.strip("/").split("/") if path.strip("/") else ():
        check_name(part)
        children = {child.name: child.cid for child in list_directory(source, cid)}
        if part not in children:
            raise NotFoundError("path", f"{cid}/{part}", hint=f"joynet store ls {cid}")
        cid = children[part]
    return cid


# --- files ------------------------------------------------------------------------------------


def read_file(
    source: Source, cid: Cid, offset: int = 0, length: int | None = None
) -> Iterator[bytes]:
    """Bytes of a file, or of a range of it, chunk by chunk; blocks outside are not read.

    Args:
        offset: First byte, at or after 0; past the end gives nothing.
        length: How many bytes at most, None for all.

    Raises:
        InvalidInputError: It is a directory, or a negative range.
        NotFoundError: A block is not stored.
        VerificationError: A block is malformed or holds another size than its parent says.
    """
    if offset < 0 or (length is not None and length < 0):
        raise InvalidInputError(f"range {offset}+{length}: expected offset and length >= 0")
    root = _parse(source, cid)
    if root.unixfs.kind in (Kind.DIRECTORY, Kind.SHARD):
        raise InvalidInputError(
            f"{cid} is a directory, expected a file", hint=f"joynet store ls {cid}"
        )
    size = root.unixfs.size or 0
    end = size if length is None else min(size, offset + length)
    stack: list[tuple[Cid, int, int, int]] = [(cid, 0, size, 0)]  # cid, start, bytes, depth
    while stack:
        here, start, claimed, depth = stack.pop()
        if start >= end or start + claimed <= offset:
            continue
        node = root if depth == 0 else _parse(source, here)
        _check_file_node(here, node, claimed, depth)
        data = node.unixfs.data
        piece = data[max(offset - start, 0) : max(end - start, 0)]
        if piece:
            yield piece
        at = start + len(data)
        children = []
        for link, part in zip(node.links, node.unixfs.block_sizes, strict=True):
            children.append((link.cid, at, part, depth + 1))
            at += part
        stack.extend(reversed(children))


def _check_file_node(cid: Cid, node: _Node, claimed: int, depth: int) -> None:
    if node.unixfs.kind not in (Kind.FILE, Kind.RAW):
        raise VerificationError(f"{cid} is a directory inside a file")
    if node.unixfs.size != claimed:
        raise VerificationError(f"{cid} holds {node.unixfs.size} bytes, its parent says {claimed}")
    if depth > MAX_FILE_DEPTH:
        raise VerificationError(f"file node {cid} is over {MAX_FILE_DEPTH} levels deep")


# --- to disk ----------------------------------------------------------------------------------


class Exported(NamedTuple):
    """What an export wrote.

    Attributes:
        path: The file or folder.
        files: Number of files.
        bytes: Their sizes added up.
    """

    path: Path
    files: int
    bytes: int


class _Writer:
    """Writes a DAG under a folder of its own, counting against the limits."""

    def __init__(
        self, source: Source, limits: Limits, on_bytes: Callable[[bytes], None] | None
    ) -> None:
        self._source, self._limits, self._on_bytes = source, limits, on_bytes
        self.files = self.bytes = 0
        self.entries = 1

    def write(self, cid: Cid, path: Path, depth: int) -> None:
        what = info(self._source, cid)
        if not what.is_directory:
            self._write_file(what, path)
            return
        if depth >= self._limits.max_depth:
            raise VerificationError(f"{cid} is nested deeper than {self._limits.max_depth} folders")
        children = list_directory(self._source, cid, self._limits)
        self.entries += len(children)  # before going on: a bomb is found while it is small
        _check_entries(cid, self.entries, self._limits)
        path.mkdir()
        for child in children:
            self.write(child.cid, path / child.name, depth + 1)
        sync_dir(path)

    def _write_file(self, what: Info, path: Path) -> None:
        self.files += 1
        self.bytes += what.size
        if self.bytes > self._limits.max_bytes:
            raise VerificationError(
                f"{what.cid} would bring the export to {self.bytes} bytes, "
                f"expected at most {self._limits.max_bytes}"
            )
        with path.open("xb") as file:
            for piece in read_file(self._source, what.cid):
                file.write(piece)
                if self._on_bytes is not None:
                    self._on_bytes(piece)
            file.flush()
            os.fsync(file.fileno())


def export(
    source: Source,
    cid: Cid,
    target: Path,
    *,
    limits: Limits | None = None,
    on_bytes: Callable[[bytes], None] | None = None,
    check: Callable[[Path], object] | None = None,
) -> Exported:
    """Write a file or a folder; it appears whole, under its name, or not at all.

    Args:
        target: Must not exist; its parent must.
        check: Sees what was written before it gets its name; what it raises leaves nothing there.

    Raises:
        InvalidInputError: `target` exists or its parent does not.
        NotFoundError: A block is not stored.
        VerificationError: The DAG is malformed or over the limits.
        StoreError: The disk is full or the folder cannot be written.
    """
    target = target.absolute()
    if target.is_symlink() or target.exists():
        raise InvalidInputError(f"{target} exists", hint="choose another path with -o")
    if not target.parent.is_dir():
        raise InvalidInputError(
            f"{target.parent} is not a folder", hint=f"mkdir -p {target.parent}"
        )
    writer = _Writer(source, limits or Limits(), on_bytes)
    with translated(target.parent):
        staging = Path(tempfile.mkdtemp(prefix=f".{target.name[:100]}.", dir=target.parent))
        try:
            writer.write(cid, staging / "content", 0)
            if check is not None:
                check(staging / "content")
            move_new(staging / "content", target)
        finally:
            with contextlib.suppress(OSError):
                shutil.rmtree(staging)
        sync_dir(target.parent)
    return Exported(target, writer.files, writer.bytes)


def move_new(source: Path, target: Path) -> None:
    """Rename without replacing what appeared at `target` meanwhile."""
    try:
        if source.is_dir():
            source.rename(target)  # fails on a file, and on a folder that is not empty
        else:
            os.link(source, target)  # fails on anything that exists
    except FileExistsError:
        raise InvalidInputError(
            f"{target} appeared meanwhile", hint="choose another path"
        ) from None
