"""Answers already had: an interrupted evaluation goes on where it stopped, a repeated one is free.

An answer is found by what was run (files or model id, profile, dtype) and by the question's digest,
so it can never be another model's. SQLite in WAL mode; the oldest go when it is full.
"""

import hashlib
import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from joynet_sdk.evaluation.statistics import Values
from joynet_sdk.paths import database_refusal, private_dir

MAX_BYTES = 256 * 1024 * 1024  # of answers
_SCHEMA = """
CREATE TABLE IF NOT EXISTS answers (
    number INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, numbers BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS total (bytes INTEGER NOT NULL);
INSERT INTO total SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM total);
"""


def answer_key(model: bytes, profile: str, query: bytes) -> bytes:
    """What one answer is stored under: 32 bytes."""
    run = hashlib.sha256(profile.encode()).digest()
    return hashlib.sha256(b"joynet/eval-answer/1" + model + run + query).digest()


class AnswerCache:
    """Answers of one home, `$JOYNET_HOME/cache/evaluation.db`; safe to delete."""

    def __init__(self, folder: Path, max_bytes: int = MAX_BYTES) -> None:
        self._path, self._max_bytes = private_dir(folder) / "evaluation.db", max_bytes
        self._turn = threading.Lock()
        try:
            self._db = sqlite3.connect(self._path, timeout=10, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")  # what a power cut takes is asked again
            with self._db:
                self._db.executescript(_SCHEMA)
        except sqlite3.Error as error:
            raise database_refusal(error, self._path) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Flush and close."""
        with self._turn:
            self._db.close()

    def get(self, key: bytes) -> Values | None:
        """A stored answer."""
        with self._turn:
            row = self._db.execute("SELECT numbers FROM answers WHERE key = ?", (key,)).fetchone()
        return None if row is None else np.frombuffer(row[0], "<f8").astype(np.float64)

    def put(self, answers: Sequence[tuple[bytes, Values]]) -> None:
        """Store answers at once; when that passes the bound, the oldest go.

        Raises:
            ConfigError: The disk refuses.
        """
        rows = [(key, numbers.astype("<f8").tobytes()) for key, numbers in answers]
        try:
            with self._turn, self._db:
                for key, numbers in rows:
                    added = self._db.execute(
                        "INSERT OR IGNORE INTO answers (key, numbers) VALUES (?, ?)", (key, numbers)
                    ).rowcount
                    self._add(added * len(numbers))
                self._shrink()
        except sqlite3.Error as error:
            raise database_refusal(error, self._path) from None

    def _add(self, size: int) -> None:
        self._db.execute("UPDATE total SET bytes = bytes + ?", (size,))

    def _shrink(self) -> None:
        """Drop the oldest answers until nine tenths of the bound are left."""
        if self._total() <= self._max_bytes:
            return
        while (total := self._total()) > self._max_bytes * 0.9:
            oldest = self._db.execute(
                "SELECT number, length(numbers) FROM answers ORDER BY number LIMIT 256"
            ).fetchall()
            if not oldest:
                return
            freed = 0
            for number, size in oldest:
                self._db.execute("DELETE FROM answers WHERE number = ?", (number,))
                freed += size
                if total - freed <= self._max_bytes * 0.9:
                    break
            self._add(-freed)

    def _total(self) -> int:
        return int(self._db.execute("SELECT bytes FROM total").fetchone()[0])
