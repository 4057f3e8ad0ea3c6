"""The client's voucher book: what was promised on each lane, kept across crashes and processes.

A lane takes one request at a time (docs/spec/money.md). Lane numbers start at a random base that
belongs to this book, so two homes that use one key never meet on a lane.
"""

import fcntl
import hashlib
import os
import secrets
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from joynet_sdk.errors import OverloadedError
from joynet_sdk.receipts import Domain, Voucher
from joynet_sdk.types import Address

MAX_LANES = 64  # concurrent requests from one book to one operator for one model

_SCHEMA = """
CREATE TABLE IF NOT EXISTS book (base INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS lanes (
    chain_id TEXT, coordinator TEXT, payer TEXT, operator TEXT, model_id BLOB, lane TEXT,
    calls INTEGER NOT NULL, amount TEXT NOT NULL,
    answered_calls INTEGER NOT NULL, answered_amount TEXT NOT NULL,
    request_id BLOB, price TEXT NOT NULL DEFAULT '0',
    PRIMARY KEY (chain_id, coordinator, payer, operator, model_id, lane));
"""
_ONE_LANE = (
    "chain_id = ? AND coordinator = ? AND payer = ? AND operator = ? AND model_id = ? AND lane = ?"
)


@dataclass(frozen=True, slots=True)
class Channel:
    """Who pays whom for which model."""

    domain: Domain
    payer: Address
    operator: Address
    model_id: bytes

    @property
    def key(self) -> tuple[str, str, str, str, bytes]:
        """The channel's columns."""
        domain = self.domain
        return str(domain.chain_id), domain.coordinator, self.payer, self.operator, self.model_id


@dataclass(frozen=True, slots=True)
class Pending:
    """A request whose answer was never seen: the node may have answered it, or not."""

    request_id: bytes
    price: int


class Lane:
    """One leased lane: nobody else, in any process, sends on it until the lease ends.

    promise -> the request is sent -> answered, or `settle` with what the node says it holds.
    """

    def __init__(self, book: "VoucherBook", channel: Channel, number: int) -> None:
        self._book, self.channel, self.number = book, channel, number

    @property
    def pending(self) -> Pending | None:
        """The last request, if its fate is not known."""
        row = self._book.row(self)
        return Pending(row.request_id, row.price) if row.request_id is not None else None

    def promise(self, request_id: bytes, price: int) -> Voucher:
        """The voucher for one more call of `price` wei, stored before it is returned.

        A call that was promised and never answered is credit: it is spent before more is promised.
        """
        row, channel = self._book.row(self), self.channel
        assert row.request_id is None, "the lane's last request is settled first"
        calls, amount = row.answered_calls + 1, max(row.amount, row.answered_amount + price)
        promised = replace(row, calls=calls, amount=amount, request_id=request_id, price=price)
        self._book.write(self, promised, synced=True)
        return Voucher(
            channel.payer, channel.operator, channel.model_id, self.number, calls, amount
        )

    def answered(self) -> None:
        """The last promise was kept."""
        row = self._book.row(self)
        assert row.request_id is not None, "there is a request to be answered"
        paid = row.answered_amount + row.price
        calls = row.answered_calls + 1
        self._book.write(self, replace(row, answered_calls=calls, answered_amount=paid).closed())

    def unanswered(self) -> None:
        """The node did not answer the last request and never will: the promise is credit."""
        self._book.write(self, self._book.row(self).closed())

    def settle(self, held_calls: int) -> None:
        """Close the last request by what the node says: `calls` of the voucher it holds.

        A node that holds the last voucher can redeem it, so the call counts as answered. It
        cannot gain by lying: more than the last promise it never gets.
        """
        if (row := self._book.row(self)).request_id is not None:
            if held_calls >= row.calls:
                self.answered()
            else:
                self.unanswered()


@dataclass(frozen=True, slots=True)
class _Row:
    calls: int = 0
    amount: int = 0
    answered_calls: int = 0
    answered_amount: int = 0
    request_id: bytes | None = None
    price: int = 0

    def closed(self) -> "_Row":
        """The row without a pending request."""
        return replace(self, request_id=None, price=0)


class VoucherBook:
    """SQLite (WAL) plus one lock file a lane; safe from any thread."""

    def __init__(self, folder: Path) -> None:
        self._locks = folder / "lanes"
        self._locks.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._db = sqlite3.connect(folder / "vouchers.db", timeout=10, check_same_thread=False)
        self._turn = threading.Lock()
        self._db.execute("PRAGMA journal_mode = WAL")
        with self._db:
            self._db.executescript(_SCHEMA)
            self._db.execute(
                "INSERT INTO book SELECT ? WHERE NOT EXISTS (SELECT 1 FROM book)",
                (secrets.randbits(46),),
            )
        self._base = self._db.execute("SELECT base FROM book").fetchone()[0]

    def close(self) -> None:
        """Flush and close."""
        with self._turn:
            self._db.close()

    @contextmanager
    def lease(self, channel: Channel) -> Iterator[Lane]:
        """Take a lane of the channel that is not in use, first those whose last request is open.

        Raises:
            OverloadedError: All lanes are in use.
        """
        pending = self._pending(channel)
        for index in sorted(range(MAX_LANES), key=lambda index: index not in pending):
            lane = Lane(self, channel, (self._base << 16) + index)
            with self._lock(lane) as is_ours:
                if is_ours:
                    yield lane
                    return
        raise OverloadedError(
            f"all {MAX_LANES} lanes to {channel.operator} are in use", hint="wait for an answer"
        )

    @contextmanager
    def _lock(self, lane: Lane) -> Iterator[bool]:
        name = hashlib.sha256(repr(lane.channel.key).encode()).hexdigest()[:32]
        path = self._locks / f"{name}-{lane.number & 0xFFFF}"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                is_ours = True
            except BlockingIOError:
                is_ours = False
            yield is_ours
        finally:
            os.close(descriptor)

    def _pending(self, channel: Channel) -> set[int]:
        """Lanes, counted from 0, whose last request has no known fate."""
        with self._turn:
            rows = self._db.execute(
                "SELECT lane FROM lanes WHERE chain_id = ? AND coordinator = ? AND payer = ?"
                " AND operator = ? AND model_id = ? AND request_id IS NOT NULL",
                channel.key,
            ).fetchall()
        return {int(row[0]) & 0xFFFF for row in rows}

    def promised(self, domain: Domain, payer: Address, operator: Address) -> int:
        """Wei of every voucher ever signed for an operator, over all models and lanes."""
        with self._turn:
            rows = self._db.execute(
                "SELECT amount FROM lanes"
                " WHERE chain_id = ? AND coordinator = ? AND payer = ? AND operator = ?",
                (str(domain.chain_id), domain.coordinator, payer, operator),
            ).fetchall()
        return sum(int(row[0]) for row in rows)

    def row(self, lane: Lane) -> _Row:
        """A lane's state; for `Lane`."""
        with self._turn:
            row = self._db.execute(
                "SELECT calls, amount, answered_calls, answered_amount, request_id, price"
                f" FROM lanes WHERE {_ONE_LANE}",
                (*lane.channel.key, str(lane.number)),
            ).fetchone()
        return (
            _Row(row[0], int(row[1]), row[2], int(row[3]), row[4], int(row[5])) if row else _Row()
        )

    def write(self, lane: Lane, row: _Row, *, synced: bool = False) -> None:
        """Store a lane's state; for `Lane`.

        Args:
            synced: On disk before it returns, as a promise must be. What became of a promise need
                not be: after a power cut the lane is settled with its node once more.
        """
        with self._turn, self._db:
            self._db.execute(f"PRAGMA synchronous = {'FULL' if synced else 'NORMAL'}")
            self._db.execute(
                "INSERT OR REPLACE INTO lanes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *lane.channel.key,
                    str(lane.number),
                    row.calls,
                    str(row.amount),
                    row.answered_calls,
                    str(row.answered_amount),
                    row.request_id,
                    str(row.price),
                ),
            )
