"""Blocks on disk, each verified against its CID when written and when read.

Layout of a store's folder:
    blocks/ab/abcd...      one file per block, named by the hex of its SHA-256
    tmp/                   files being written; swept when nobody writes
    corrupt/               files that were not what their name says, kept until the next collection
    index.sqlite           which blocks count (index.py)
    lock                   shared by writers, exclusive for removal, across processes

Crash safety: file fsync -> rename -> directory fsync -> index commit. A crash leaves at most files
that the index does not know; they are never served and the next collection removes them.
"""

import fcntl
import hashlib
import itertools
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Protocol, Self

from joynet_sdk.errors import InvalidInputError, OverloadedError, VerificationError
from joynet_sdk.formats import Cid
from joynet_sdk.storage.errors import CorruptBlockError, QuotaError, translated
from joynet_sdk.storage.index import Index

MAX_BLOCK_BYTES = 2 * 1024 * 1024
BATCH_BLOCKS = 256
BATCH_BYTES = 64 * 1024 * 1024
EXCLUSIVE_TIMEOUT_S = 30.0
_FSYNC_THREADS = 8
_serial = itertools.count()


class BlockStore(Protocol):
    """What importers, exporters and the block exchange need. Thread-safe."""

    def get(self, cid: Cid) -> bytes | None:
        """A block's bytes, verified, or None when it is not stored."""

    def put(self, cid: Cid, data: bytes) -> None:
        """Store a block; nothing happens if it is there."""

    def has(self, cid: Cid) -> bool:
        """Whether a block is stored."""

    def delete(self, cid: Cid) -> bool:
        """Remove a block; False when it was not there."""


class StoreStat(NamedTuple):
    """What a store holds.

    Attributes:
        path: Its folder.
        blocks: Number of blocks.
        bytes: Their sizes added up.
        quota_bytes: Largest `bytes` allowed, None for no limit.
        pins: Number of pins.
    """

    path: Path
    blocks: int
    bytes: int
    quota_bytes: int | None
    pins: int


def check_block(cid: Cid, data: bytes) -> None:
    """Refuse a block that is too large or not what its CID says.

    Raises:
        InvalidInputError: Over 2 MiB.
        VerificationError: The digest differs.
    """
    if len(data) > MAX_BLOCK_BYTES:
        raise InvalidInputError(f"block {cid} has {len(data)} bytes, expected <= {MAX_BLOCK_BYTES}")
    digest = hashlib.sha256(data).digest()
    if digest != cid.digest:
        raise VerificationError(
            f"block {cid}: its bytes have SHA-256 {digest.hex()}, expected {cid.digest.hex()}"
        )


class DiskBlockStore:
    """A block store in a folder, shared safely by threads and processes.

    Args:
        root: Its folder; made if missing.
        quota_bytes: Largest total size of blocks, None for no limit.

    Raises:
        StoreError: The folder cannot be used.
    """

    def __init__(self, root: Path, *, quota_bytes: int | None = None) -> None:
        self.root, self.quota_bytes = root, quota_bytes
        with translated(root):
            for name in ("blocks", "tmp", "corrupt"):
                (root / name).mkdir(parents=True, exist_ok=True)
        with self._flock("opening", fcntl.LOCK_EX):
            self.index = Index(root / "index.sqlite")
        with suppress(BlockingIOError), self._flock("lock", fcntl.LOCK_EX | fcntl.LOCK_NB):
            self._sweep_tmp()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the index."""
        self.index.close()

    # --- locks --------------------------------------------------------------------------------

    @contextmanager
    def _flock(self, name: str, mode: int) -> Iterator[None]:
        with translated(self.root):
            descriptor = os.open(self.root / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, mode)
            yield
        finally:
            os.close(descriptor)

    @contextmanager
    def adding(self) -> Iterator[None]:
        """Hold off removal: what is stored inside stays until a pin, made inside too, keeps it."""
        with self._flock("lock", fcntl.LOCK_SH):
            yield

    @contextmanager
    def exclusive(self, timeout_s: float = EXCLUSIVE_TIMEOUT_S) -> Iterator[None]:
        """Wait until nobody adds, and keep others from adding.

        Raises:
            OverloadedError: Somebody was adding all the time.
        """
        deadline = time.monotonic() + timeout_s
        with ExitStack() as held:
            while True:
                try:
                    held.enter_context(self._flock("lock", fcntl.LOCK_EX | fcntl.LOCK_NB))
                    break
                except BlockingIOError:
                    if time.monotonic() >= deadline:
                        raise OverloadedError(
                            f"store {self.root} is being written to for over {timeout_s:g} s",
                            hint="wait for running imports and downloads to end",
                        ) from None
                    time.sleep(0.05)
            yield

    # --- blocks -------------------------------------------------------------------------------

    def path_of(self, digest: bytes) -> Path:
        """Where a block's file lies."""
        name = digest.hex()
        return self.root / "blocks" / name[:2] / name

    def has(self, cid: Cid) -> bool:
        """Whether a block is stored."""
        return self.index.size(cid.digest) is not None

    def size(self, cid: Cid) -> int | None:
        """Bytes of a block, None when it is not stored."""
        return self.index.size(cid.digest)

    def get(self, cid: Cid) -> bytes | None:
        """A block's bytes, or None when it is not stored.

        Raises:
            CorruptBlockError: Its file is missing or damaged; it is no longer indexed.
        """
        if self.index.size(cid.digest) is None:
            return None
        data = self._read(cid)
        return data if data is not None else self._recheck(cid)

    def _read(self, cid: Cid) -> bytes | None:
        with translated(self.root):
            try:
                data = self.path_of(cid.digest).read_bytes()
            except FileNotFoundError:
                return None
        return data if hashlib.sha256(data).digest() == cid.digest else None

    def _recheck(self, cid: Cid) -> bytes | None:
        """Look again while nobody can write; take the block out if it is really bad."""
        with self.index.writing():
            if self.index.size(cid.digest) is None:
                return None
            data = self._read(cid)
            if data is not None:
                return data
            what = "its bytes have another SHA-256"
            try:
                self.path_of(cid.digest).replace(self.root / "corrupt" / cid.digest.hex())
            except FileNotFoundError:
                what = "its file is missing"
            self.index.remove([cid.digest])
        raise CorruptBlockError(cid, what)

    def put(self, cid: Cid, data: bytes) -> None:
        """Store one block durably; many at once go through `batch`.

        Raises:
            InvalidInputError: Over 2 MiB.
            VerificationError: Its bytes are not what the CID says.
            QuotaError: The store is full.
            StoreError: The disk is full or the folder cannot be written.
        """
        with self.batch() as batch:
            batch.put(cid, data)

    @contextmanager
    def batch(self) -> "Iterator[Batch]":
        """Store many blocks with few disk flushes; they count when the block ends."""
        with self.adding():
            batch = Batch(self)
            try:
                yield batch
                batch.flush()
            finally:
                batch.discard()

    def delete(self, cid: Cid) -> bool:
        """Remove one block, pinned or not; see `pins.remove` for whole DAGs."""
        with self.exclusive():
            present = self.has(cid)
            self.drop([cid.digest])
        return present

    def drop(self, digests: list[bytes]) -> None:
        """Remove blocks. Call inside `exclusive`."""
        with self.index.writing():
            self.index.remove(digests)
        with translated(self.root):
            for digest in digests:
                self.path_of(digest).unlink(missing_ok=True)

    def sweep(self) -> int:
        """Remove stray and corrupt files; their number. Call inside `exclusive`."""
        removed = 0
        with translated(self.root):
            for folder in (self.root / "blocks").iterdir():
                for path in folder.iterdir():
                    if self.index.size(bytes.fromhex(path.name)) is None:
                        path.unlink()
                        removed += 1
            for path in (self.root / "corrupt").iterdir():
                path.unlink()
                removed += 1
        return removed

    def _sweep_tmp(self) -> None:
        with translated(self.root):
            for leftover in (self.root / "tmp").iterdir():
                leftover.unlink(missing_ok=True)

    def stat(self) -> StoreStat:
        """Count what is stored."""
        blocks, size = self.index.totals()
        return StoreStat(self.root, blocks, size, self.quota_bytes, len(self.index.pins()))


class Batch:
    """Blocks on their way into a store. Used by one thread; made by `DiskBlockStore.batch`."""

    def __init__(self, store: DiskBlockStore) -> None:
        self._store = store
        self._pending: dict[bytes, tuple[Path, int]] = {}
        self._bytes = 0

    def put(self, cid: Cid, data: bytes) -> None:
        """Write a block's file; see `DiskBlockStore.put` for what is raised."""
        check_block(cid, data)
        if cid.digest in self._pending or self._store.has(cid):
            return
        self._check_quota(self._bytes + len(data))
        path = self._store.root / "tmp" / f"{os.getpid()}-{next(_serial)}-{cid.digest.hex()[:8]}"
        self._pending[cid.digest] = (path, len(data))
        with translated(self._store.root):
            path.write_bytes(data)
        self._bytes += len(data)
        if len(self._pending) >= BATCH_BLOCKS or self._bytes >= BATCH_BYTES:
            self.flush()

    def _check_quota(self, needed: int) -> None:
        quota = self._store.quota_bytes
        if quota is not None:
            _, used = self._store.index.totals()
            if used + needed > quota:
                raise QuotaError(used, needed, quota)

    def flush(self) -> None:
        """Make every block so far durable, and then visible."""
        if not self._pending:
            return
        store = self._store
        moves = {path: store.path_of(digest) for digest, (path, _) in self._pending.items()}
        with translated(store.root):
            _fsync_all(list(moves))
        with store.index.writing():
            store.index.add({digest: size for digest, (_, size) in self._pending.items()})
            self._check_quota(0)
            folders = {target.parent for target in moves.values()}
            if made := [folder for folder in folders if not folder.exists()]:
                for folder in made:
                    folder.mkdir(exist_ok=True)
                folders.add(store.root / "blocks")
            for source, target in moves.items():
                source.replace(target)
            _fsync_all(list(folders))
        self._pending.clear()
        self._bytes = 0

    def discard(self) -> None:
        """Drop what was not flushed."""
        for path, _ in self._pending.values():
            with suppress(OSError):
                path.unlink(missing_ok=True)
        self._pending.clear()
        self._bytes = 0


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _fsync_all(paths: list[Path]) -> None:
    """Flush files or folders; side by side, so that the disk can merge the work."""
    if len(paths) == 1:
        _fsync(paths[0])
        return
    with ThreadPoolExecutor(_FSYNC_THREADS) as pool:
        list(pool.map(_fsync, paths))
