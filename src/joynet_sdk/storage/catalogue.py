"""The search index of models: one SQLite file for each market, in WAL mode.

Events are kept as they came, with the block they came in; the row of a model is made from its
events. So a reorganisation takes events away again and makes the rows of their models anew. What
a manifest says hangs on the model id, which is its digest, and no reorganisation touches it.
"""

import fcntl
import json
import os
import re
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from joynet_sdk.errors import InvalidInputError
from joynet_sdk.formats import Manifest
from joynet_sdk.paths import database_refusal, file_errors, private_dir
from joynet_sdk.searching import Hit, Mark, MarketEvent, Query
from joynet_sdk.types import Address, JoyWei

VERSION = 1  # of the schema; a file of another version is made anew, all of it can be had again
MAX_WORDS = 16
MAX_README = 64 * 1024  # characters of a README that are searched
MARKS_KEPT = 256
_WEI_DIGITS = 78  # of 2^256 - 1: padded, texts sort as numbers do

_SCHEMA = f"""
PRAGMA user_version = {VERSION};
CREATE TABLE marks (block INTEGER PRIMARY KEY, hash TEXT NOT NULL);
CREATE TABLE events (
    block INTEGER, log_index INTEGER, time INTEGER NOT NULL, kind TEXT NOT NULL,
    model TEXT NOT NULL, data TEXT NOT NULL, PRIMARY KEY (block, log_index)) WITHOUT ROWID;
CREATE INDEX events_model ON events (model, block, log_index);
CREATE TABLE models (
    model TEXT PRIMARY KEY, publisher TEXT NOT NULL, price TEXT NOT NULL,
    token_price TEXT NOT NULL, next_price TEXT NOT NULL, next_token_price TEXT NOT NULL,
    effective_at INTEGER NOT NULL, verification INTEGER NOT NULL, active INTEGER NOT NULL,
    listed_at INTEGER NOT NULL, listed_block INTEGER NOT NULL);
CREATE TABLE parents (child TEXT, parent TEXT, bps INTEGER NOT NULL, PRIMARY KEY (child, parent));
CREATE INDEX parents_parent ON parents (parent);
CREATE TABLE cards (
    id INTEGER PRIMARY KEY, model TEXT UNIQUE NOT NULL, publisher TEXT, title TEXT NOT NULL,
    summary TEXT NOT NULL, task TEXT, license TEXT NOT NULL, architecture TEXT NOT NULL,
    version TEXT NOT NULL, quantization TEXT, sealed INTEGER NOT NULL, has_readme INTEGER NOT NULL);
CREATE VIRTUAL TABLE texts USING fts5(
    title, summary, tags, readme, tokenize = "unicode61 remove_diacritics 2");
CREATE TABLE market (name TEXT NOT NULL);
CREATE TABLE attempts (model TEXT PRIMARY KEY, time REAL NOT NULL);
"""

_PRICE = "CASE WHEN m.effective_at <= :now THEN m.next_price ELSE m.price END"
_TOKENS = "CASE WHEN m.effective_at <= :now THEN m.next_token_price ELSE m.token_price END"
_ALL = "FROM models m LEFT JOIN cards c ON c.model = m.model"
# The words are looked up once, before anything else.
_MATCHED = (
    """FROM found f CROSS JOIN cards c ON c.id = f.id CROSS JOIN models m ON m.model = c.model"""
)
_FOUND = """WITH found AS MATERIALIZED (SELECT rowid AS id, bm25(texts, 8.0, 4.0, 3.0, 1.0) AS rank
    FROM texts WHERE texts MATCH :words) """
# A manifest that names another publisher than who listed it is a copy, and its listing is nothing.
_IS_OWN = "(c.publisher IS NULL OR lower(c.publisher) = lower(m.publisher))"
_FILTERS = {
    "task": "c.task = :task",
    "license": "lower(c.license) = lower(:license)",
    "architecture": "lower(c.architecture) = lower(:architecture)",
    "publisher": "lower(m.publisher) = lower(:publisher)",
    "verification": "m.verification = :class_number",
    "max_price": f"{_PRICE} <= :most",
}
_ORDER = {
    "relevance": "rank, m.listed_block DESC, m.model",
    "newest": "m.listed_block DESC, m.model",
    "price": f"{_PRICE}, m.model",
    "title": "c.title IS NULL, lower(c.title), m.model",
}


class Catalogue:
    """One database file; safe from any thread, and with other processes on the same file.

    Raises:
        ConfigError: The file cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, threading.RLock()
        private_dir(path.parent)
        with _alone_with(path), self._errors():
            self._db = sqlite3.connect(path, timeout=30, check_same_thread=False)
            self._db.isolation_level = None
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")  # a power cut is caught up again
            with self._writing():
                self._prepare()
        path.chmod(0o600)

    def _prepare(self) -> None:
        if self._db.execute("PRAGMA user_version").fetchone()[0] == VERSION:
            return
        tables = self._db.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        ).fetchall()
        for (name,) in tables:
            self._db.execute(f'DROP TABLE IF EXISTS "{name}"')
        for statement in _SCHEMA.split(";"):
            self._db.execute(statement)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise database_refusal(error, self._path) from error

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """One transaction: all of it or nothing."""
        with self._lock, self._errors():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def _rows(self, sql: str, values: Any = ()) -> list[Any]:
        with self._lock, self._errors():
            return self._db.execute(sql, values).fetchall()

    # --- what the chain says ----------------------------------------------------------------------

    def bind(self, market: str) -> None:
        """Forget all events if they are another market's.

        Args:
            market: Chain id and address.
        """
        if [market] != [name for (name,) in self._rows("SELECT name FROM market")]:
            self.roll_back(None)
            with self._writing():
                self._db.execute("DELETE FROM market")
                self._db.execute("INSERT INTO market VALUES (?)", (market,))

    def marks(self) -> list[Mark]:
        """Blocks up to which events are indexed, the latest first."""
        return [
            Mark(*row) for row in self._rows("SELECT block, hash FROM marks ORDER BY block DESC")
        ]

    def append(self, after: Mark | None, events: Sequence[MarketEvent], upto: Mark) -> bool:
        """Take in the events of the blocks after one mark up to another.

        Returns:
            False when another process was faster, and nothing was taken in.
        """
        with self._writing():
            row = self._db.execute("SELECT block, hash FROM marks ORDER BY block DESC").fetchone()
            if (Mark(*row) if row else None) != after:
                return False
            self._db.executemany(
                "INSERT OR REPLACE INTO events VALUES (?, ?, ?, ?, ?, ?)",
                [
                    (e.block, e.log_index, e.time, e.kind, e.model, json.dumps(_payload(e)))
                    for e in events
                ],
            )
            self._db.execute("INSERT OR REPLACE INTO marks VALUES (?, ?)", (upto.block, upto.hash))
            self._db.execute(
                "DELETE FROM marks WHERE block NOT IN"
                " (SELECT block FROM marks ORDER BY block DESC LIMIT ?)",
                (MARKS_KEPT,),
            )
            self._rebuild({event.model for event in events})
        return True

    def roll_back(self, to: Mark | None) -> int:
        """Forget what came after a mark, or everything; returns how many events that were."""
        last = -1 if to is None else to.block
        with self._writing():
            gone = self._db.execute(
                "SELECT DISTINCT model FROM events WHERE block > ?", (last,)
            ).fetchall()
            count = self._db.execute("DELETE FROM events WHERE block > ?", (last,)).rowcount
            self._db.execute("DELETE FROM marks WHERE block > ?", (last,))
            self._rebuild({model for (model,) in gone})
        return count

    def _rebuild(self, models: Iterable[str]) -> None:
        """Make the rows of models from their events."""
        for model in models:
            self._db.execute("DELETE FROM models WHERE model = ?", (model,))
            self._db.execute("DELETE FROM parents WHERE child = ?", (model,))
            row: dict[str, Any] = {}
            for block, time, kind, data in self._db.execute(
                "SELECT block, time, kind, data FROM events WHERE model = ?"
                " ORDER BY block, log_index",
                (model,),
            ).fetchall():
                _apply(row, block, time, kind, json.loads(data))
            if "publisher" not in row:
                continue
            parents = row.pop("parents")
            columns = ", ".join(row)
            marks = ", ".join(f":{column}" for column in row)
            self._db.execute(
                f"INSERT INTO models (model, {columns}) VALUES (:model, {marks})",
                {"model": model, **row},
            )
            self._db.executemany(
                "INSERT OR REPLACE INTO parents VALUES (?, ?, ?)",
                [(model, parent, bps) for parent, bps in parents],
            )

    def children(self, model: str) -> list[tuple[str, int]]:
        """Models that name this one as a parent, and its share of their income in basis points."""
        return self._rows(
            "SELECT child, bps FROM parents WHERE parent = ? ORDER BY child", (model,)
        )

    # --- what manifests say -----------------------------------------------------------------------

    def without_card(self, not_tried_since: float, limit: int) -> list[str]:
        """Models on the market whose manifest is not known, the newest first."""
        return [
            model
            for (model,) in self._rows(
                "SELECT m.model FROM models m LEFT JOIN attempts a ON a.model = m.model"
                " WHERE m.active AND m.model NOT IN (SELECT model FROM cards)"
                " AND coalesce(a.time, 0) < ? ORDER BY m.listed_block DESC LIMIT ?",
                (not_tried_since, limit),
            )
        ]

    def tried(self, models: Sequence[str], time: float) -> None:
        """Remember that these manifests could not be had."""
        with self._writing():
            self._db.executemany(
                "INSERT OR REPLACE INTO attempts VALUES (?, ?)", [(model, time) for model in models]
            )

    def put_card(self, manifest: Manifest, readme: str = "") -> None:
        """Make a manifest searchable, with the words of its README."""
        model = "0x" + manifest.model_id.hex()
        card = manifest.card
        values = (
            model,
            manifest.publisher,
            manifest.title,
            card.summary,
            card.task,
            manifest.license,
            manifest.architecture,
            manifest.version,
            manifest.quantization,
            manifest.sealed is not None,
            bool(readme),
        )
        words = " ".join([*card.tags, *card.languages, *card.datasets, *card.base_models])
        tags = f"{words} {card.task or ''} {manifest.architecture}"
        with self._writing():
            old = self._db.execute(
                "SELECT id, has_readme FROM cards WHERE model = ?", (model,)
            ).fetchone()
            if old is not None:
                if old[1] or not readme:
                    return
                self._db.execute("DELETE FROM cards WHERE id = ?", (old[0],))
                self._db.execute("DELETE FROM texts WHERE rowid = ?", (old[0],))
            row = self._db.execute(
                "INSERT INTO cards (model, publisher, title, summary, task, license, architecture,"
                " version, quantization, sealed, has_readme)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [_storable(value) for value in values],
            ).lastrowid
            texts = [manifest.title, card.summary, tags, readme[:MAX_README]]
            self._db.execute(
                "INSERT INTO texts (rowid, title, summary, tags, readme) VALUES (?, ?, ?, ?, ?)",
                [row, *map(_storable, texts)],
            )

    def title(self, model: str) -> str | None:
        """The title in a model's manifest, if that is known."""
        rows = self._rows("SELECT title FROM cards WHERE model = ?", (model,))
        return rows[0][0] if rows else None

    # --- questions --------------------------------------------------------------------------------

    def search(self, query: Query) -> list[Hit]:
        """Models that match; those whose words match best first, or the newest without words.

        Raises:
            InvalidInputError: Over 16 words, or nothing to look for in them.
        """
        words = _match(query.words)
        chosen = [sql for key, sql in _FILTERS.items() if getattr(query, key) is not None]
        chosen += [] if query.is_all else ["m.active"]
        first, source, rank = ("", _ALL, "0") if words is None else (_FOUND, _MATCHED, "f.rank")
        order = _ORDER[query.sort or ("relevance" if words is not None else "newest")]
        sql = (
            f"{first}SELECT m.model, m.publisher, {_PRICE}, {_TOKENS}, m.verification, m.active,"
            " m.listed_at, c.title, c.summary, c.task, c.license, c.architecture, c.version,"
            f" c.quantization, coalesce(c.sealed, 0), {rank} AS rank {source}"
            f" WHERE {' AND '.join([_IS_OWN, *chosen])} ORDER BY {order} LIMIT :limit"
        )
        values = {
            "words": words,
            "task": query.task,
            "license": query.license,
            "architecture": query.architecture,
            "publisher": query.publisher,
            "class_number": int(query.verification == "tolerant"),
            "most": _padded(query.max_price or 0),
            "now": query.now,
            "limit": query.limit,
        }
        return [_hit(row) for row in self._rows(sql, values)]

    def counts(self) -> tuple[int, int]:
        """Models on the market, and how many of them have no known manifest."""
        row = self._rows(
            "SELECT count(*), coalesce(sum(model NOT IN (SELECT model FROM cards)), 0)"
            " FROM models WHERE active"
        )[0]
        return int(row[0]), int(row[1])


@contextmanager
def _alone_with(path: Path) -> Iterator[None]:
    """Hold other processes off: while a file changes to WAL mode, SQLite refuses them at once."""
    with file_errors(path):
        lock = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _payload(event: MarketEvent) -> dict[str, Any]:
    return {
        "publisher": event.publisher,
        "price": _padded(event.price),
        "token_price": _padded(event.token_price),
        "effective_at": event.effective_at,
        "verification": event.verification,
        "parents": event.parents,
    }


def _apply(row: dict[str, Any], block: int, time: int, kind: str, data: dict[str, Any]) -> None:
    """Carry one event out on the columns of a model."""
    price, tokens = data["price"], data["token_price"]
    if kind == "listed":
        row |= {
            "publisher": data["publisher"],
            "price": price,
            "token_price": tokens,
            "next_price": price,
            "next_token_price": tokens,
            "effective_at": 0,
            "verification": data["verification"],
            "active": True,
            "listed_at": time,
            "listed_block": block,
            "parents": data["parents"],
        }
    elif "publisher" not in row:
        return  # of a model whose listing lies before the first indexed block
    elif kind == "priced":
        if row["effective_at"] <= time:  # what waited holds by now; otherwise it is replaced
            row |= {"price": row["next_price"], "token_price": row["next_token_price"]}
        row |= {
            "next_price": price,
            "next_token_price": tokens,
            "effective_at": data["effective_at"],
        }
    elif kind == "granted":
        row["parents"] = [*row["parents"], *data["parents"]]
    else:
        row["active"] = kind == "relisted"


def _padded(wei: int) -> str:
    return str(wei).rjust(_WEI_DIGITS, "0")


def _storable(value: Any) -> Any:
    """SQLite refuses lone surrogates and stops at NUL in places; neither helps a search."""
    if not isinstance(value, str):
        return value
    return value.encode("utf-8", "replace").decode().replace("\x00", " ")


def _match(words: str) -> str | None:
    """An FTS5 expression that takes every word as text, the last one as a beginning.

    Raises:
        InvalidInputError: Too many words, or only punctuation.
    """
    if not words.strip():
        return None
    found = re.findall(r"\w+", words)
    if not found or len(found) > MAX_WORDS:
        raise InvalidInputError(
            f"query {words[:60]!r} has {len(found)} words, expected 1 to {MAX_WORDS}"
        )
    return " ".join(f'"{_storable(word)}"' for word in found) + "*"


def _hit(row: Sequence[Any]) -> Hit:
    return Hit(
        model=row[0],
        publisher=Address(row[1]),
        price=JoyWei(int(row[2])),
        token_price=JoyWei(int(row[3])),
        verification="tolerant" if row[4] else "exact",
        is_active=bool(row[5]),
        listed_at=row[6],
        title=row[7],
        summary=row[8],
        task=row[9],
        license=row[10],
        architecture=row[11],
        version=row[12],
        quantization=row[13],
        is_sealed=bool(row[14]),
    )
