"""The store's SQLite index: which blocks count, how large they are, and what is pinned.

A block exists when it has a row here; its file is on disk before the row is committed.
"""

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from joynet_sdk.storage.errors import translated

BUSY_TIMEOUT_S = 60.0

_SCHEMA = """
CREATE TABLE IF NOT EXISTS blocks (digest BLOB PRIMARY KEY, size INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS totals (
    id INTEGER PRIMARY KEY CHECK (id = 1), blocks INTEGER NOT NULL, bytes INTEGER NOT NULL
);
INSERT OR IGNORE INTO totals VALUES (1, 0, 0);
CREATE TRIGGER IF NOT EXISTS block_added AFTER INSERT ON blocks BEGIN
    UPDATE totals SET blocks = blocks + 1, bytes = bytes + new.size;
END;
CREATE TRIGGER IF NOT EXISTS block_removed AFTER DELETE ON blocks BEGIN
    UPDATE totals SET blocks = blocks - 1, bytes = bytes - old.size;
END;
CREATE TABLE IF NOT EXISTS pins (
    cid TEXT PRIMARY KEY, name TEXT NOT NULL, created_at INTEGER NOT NULL
) WITHOUT ROWID;
"""


class Pin(NamedTuple):
    """A root that garbage collection keeps, with everything it links to.

    Attributes:
        cid: Root CID.
        name: Free text for people, "" if none.
        created_at: Unix seconds.
    """

    cid: str
    name: str
    created_at: int


class Index:
    """One SQLite connection (WAL, synchronous=FULL) guarded by a lock: safe between threads."""

    def __init__(self, path: Path) -> None:
        self._folder = path.parent
        self._lock = threading.RLock()
        with translated(self._folder):
            self._db = sqlite3.connect(
                path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
            )
            try:
                self._db.execute("PRAGMA journal_mode=WAL")
                self._db.execute("PRAGMA synchronous=FULL")
                self._db.executescript(_SCHEMA)
            except sqlite3.Error:
                self._db.close()
                raise

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._db.close()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """One write transaction: committed and on disk at the end, or undone by any exception."""
        with self._lock, translated(self._folder):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def _rows(self, sql: str, *values: object) -> list[Any]:
        with self._lock, translated(self._folder):
            return self._db.execute(sql, values).fetchall()

    def size(self, digest: bytes) -> int | None:
        """Bytes of a block, None when it is not stored."""
        rows = self._rows("SELECT size FROM blocks WHERE digest = ?", digest)
        return int(rows[0][0]) if rows else None

    def totals(self) -> tuple[int, int]:
        """Number of blocks, and their bytes."""
        ((blocks, size),) = self._rows("SELECT blocks, bytes FROM totals")
        return int(blocks), int(size)

    def digests(self) -> list[bytes]:
        """Every block's digest."""
        return [row[0] for row in self._rows("SELECT digest FROM blocks")]

    def add(self, sizes: dict[bytes, int]) -> None:
        """Insert blocks that are not there yet. Call inside `writing`."""
        self._db.executemany("INSERT OR IGNORE INTO blocks VALUES (?, ?)", sizes.items())

    def remove(self, digests: list[bytes]) -> None:
        """Delete blocks. Call inside `writing`."""
        self._db.executemany("DELETE FROM blocks WHERE digest = ?", [(d,) for d in digests])

    def pin(self, cid: str, name: str) -> None:
        """Add or rename a pin."""
        with self.writing():
            self._db.execute(
                "INSERT INTO pins VALUES (?, ?, ?) ON CONFLICT (cid) DO UPDATE SET name = ?",
                (cid, name, int(time.time()), name),
            )

    def unpin(self, cid: str) -> bool:
        """Remove a pin; False when there was none."""
        with self.writing():
            return self._db.execute("DELETE FROM pins WHERE cid = ?", (cid,)).rowcount > 0

    def pins(self) -> list[Pin]:
        """Every pin, oldest first."""
        return [Pin(*row) for row in self._rows("SELECT * FROM pins ORDER BY created_at, cid")]
