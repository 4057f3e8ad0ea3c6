"""The client's voucher book: what was promised on each lane, kept across crashes and processes.

A lane takes one request at a time (docs/spec/money.md). Lane numbers start at a random base that
belongs to this book, so two homes that use one key never meet on a lane.
"""

import fcntl
import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
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
    answered_calls INTEGER NOT NULL, answered_amount TEXT NOT NULL, is_dead INTEGER NOT NULL,
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
        chain = str(domain.chain_id)
        return chain, domain.coordinator, self.payer, self.operator, self.model_id


class Lane:
    """One leased lane: nobody else, in any process, sends on it until the lease ends."""

    def __init__(self, book: "VoucherBook", channel: Channel, number: int) -> None:
        self._book, self.channel, self.number = book, channel, number

    def promise(self, price: int) -> Voucher:
        """The voucher for one more call of `price` wei, stored before it is returned.

        A call that was promised and never answered is credit: it is spent before more is promised.
        """
        calls, amount, answered, paid = self._book._state(self)
        if calls <= answered:
            calls = answered + 1
        amount = max(amount, paid + price)
        self._book._write(self, calls, amount, answered, paid)
        channel = self.channel
        return Voucher(
            channel.payer, channel.operator, channel.model_id, self.number, calls, amount
        )

    def answered(self, price: int) -> None:
        """The last promise was kept."""
        calls, amount, answered, paid = self._book._state(self)
        self._book._write(self, calls, amount, answered + 1, paid + price)

    def abandon(self) -> None:
        """The node holds another history of this lane: never use it again."""
        self._book._mark_dead(self)


class VoucherBook:
    """SQLite (WAL, full sync) plus one lock file a lane."""

    def __init__(self, folder: Path) -> None:
        self._locks = folder / "lanes"
        self._locks.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._path = folder / "vouchers.db"
        with closing(self._connect()) as db, db:
            db.executescript(_SCHEMA)
            db.execute(
                "INSERT INTO book SELECT ? WHERE NOT EXISTS (SELECT 1 FROM book)",
                (secrets.randbits(46),),
            )
            self._base = db.execute("SELECT base FROM book").fetchone()[0]

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._path, timeout=10)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        return db

    @contextmanager
    def lease(self, channel: Channel) -> Iterator[Lane]:
        """Take the first lane of the channel that is neither in use nor dead.

        Raises:
            OverloadedError: All lanes are in use.
        """
        for index in range(MAX_LANES):
            lane = Lane(self, channel, (self._base << 16) + index)
            with self._lock(lane) as is_ours:
                if is_ours and not self._is_dead(lane):
                    yield lane
                    return
        raise OverloadedError(
            f"all {MAX_LANES} lanes to {channel.operator} are in use", hint="wait for an answer"
        )

    @contextmanager
    def _lock(self, lane: Lane) -> Iterator[bool]:
        operator = lane.channel.operator[2:14]
        name = f"{lane.channel.domain.chain_id}-{operator}-{lane.channel.model_id[:6].hex()}"
        path = self._locks / f"{name}-{lane.number & 0xFFFF}"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
        finally:
            os.close(descriptor)

    def _state(self, lane: Lane) -> tuple[int, int, int, int]:
        """(calls, amount, answered calls, answered amount) of a lane."""
        with closing(self._connect()) as db:
            row = db.execute(
                "SELECT calls, amount, answered_calls, answered_amount FROM lanes"
                f" WHERE {_ONE_LANE}",
                (*lane.channel.key, str(lane.number)),
            ).fetchone()
        return (row[0], int(row[1]), row[2], int(row[3])) if row else (0, 0, 0, 0)

    def _write(self, lane: Lane, calls: int, amount: int, answered: int, paid: int) -> None:
        with closing(self._connect()) as db, db:
            db.execute(
                "INSERT OR REPLACE INTO lanes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)",
                (*lane.channel.key, str(lane.number), calls, str(amount), answered, str(paid)),
            )

    def _is_dead(self, lane: Lane) -> bool:
        with closing(self._connect()) as db:
            row = db.execute(
                f"SELECT is_dead FROM lanes WHERE {_ONE_LANE}",
                (*lane.channel.key, str(lane.number)),
            ).fetchone()
        return bool(row and row[0])

    def _mark_dead(self, lane: Lane) -> None:
        with closing(self._connect()) as db, db:
            db.execute(
                f"UPDATE lanes SET is_dead = 1 WHERE {_ONE_LANE}",
                (*lane.channel.key, str(lane.number)),
            )
