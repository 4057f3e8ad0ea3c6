"""What a node must not forget: vouchers it holds, answers it gave, commitments it made.

SQLite in WAL mode with full sync. A voucher is stored before the answer leaves, a commit salt
before the commit is sent, so `kill -9` at any moment costs neither money nor a bond.
"""

import sqlite3
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from joynet_sdk.receipts import Voucher
from joynet_sdk.types import Address

ANSWER_KEPT_S = 3600
_ONE_LANE = "payer = ? AND operator = ? AND model_id = ? AND lane = ?"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS lanes (
    payer TEXT, operator TEXT, model_id BLOB, lane TEXT,
    calls INTEGER NOT NULL, amount TEXT NOT NULL, signature BLOB NOT NULL,
    answered_calls INTEGER NOT NULL, answered_amount TEXT NOT NULL,
    redeemed_amount TEXT NOT NULL DEFAULT '0',
    PRIMARY KEY (payer, operator, model_id, lane));
CREATE TABLE IF NOT EXISTS answers (
    client TEXT, request_id BLOB, frame BLOB NOT NULL, created REAL NOT NULL,
    PRIMARY KEY (client, request_id));
CREATE INDEX IF NOT EXISTS answers_created ON answers (created);
CREATE TABLE IF NOT EXISTS votes (
    job_id INTEGER PRIMARY KEY, model_id BLOB NOT NULL, digest BLOB NOT NULL, salt BLOB NOT NULL,
    output BLOB, frame BLOB, stage TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS cursor (name TEXT PRIMARY KEY, block INTEGER NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class LaneState:
    """The highest voucher of a lane, and what was answered for it."""

    calls: int = 0
    amount: int = 0
    answered_calls: int = 0
    answered_amount: int = 0


@dataclass(frozen=True, slots=True)
class HeldVoucher:
    """A voucher with its signature, worth `amount - redeemed` wei more than was redeemed."""

    voucher: Voucher
    signature: bytes
    redeemed: int


@dataclass(frozen=True, slots=True)
class Vote:
    """A member's part in a committee job.

    Attributes:
        output: What it will reveal; None for UNAVAILABLE.
        frame: The answer (output and receipt) that the client may ask for after the reveal.
        stage: "prepared", "committed", "revealed" or "closed".
    """

    job_id: int
    model_id: bytes
    digest: bytes
    salt: bytes
    output: bytes | None
    frame: bytes | None
    stage: str


class Ledger:
    """One database file; safe from any thread."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._db = sqlite3.connect(path, timeout=10, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.executescript(_SCHEMA)
        self._lock = threading.Lock()

    def close(self) -> None:
        """Flush and close."""
        with self._lock:
            self._db.close()

    # --- vouchers and answers ---------------------------------------------------------------

    def lane(self, voucher: Voucher) -> LaneState:
        """The state of the voucher's lane."""
        with self._lock:
            row = self._db.execute(
                "SELECT calls, amount, answered_calls, answered_amount FROM lanes"
                f" WHERE {_ONE_LANE}",
                _lane_key(voucher),
            ).fetchone()
        return LaneState(row[0], int(row[1]), row[2], int(row[3])) if row else LaneState()

    def record_answer(
        self, voucher: Voucher, signature: bytes, price: int, request_id: bytes, frame: bytes
    ) -> None:
        """Store a voucher and the answer it paid for, in one transaction."""
        with self._lock, self._db:
            self._db.execute(
                "INSERT INTO lanes (payer, operator, model_id, lane, calls, amount, signature,"
                " answered_calls, answered_amount) VALUES (?, ?, ?, ?, ?, ?, ?, 0, '0')"
                " ON CONFLICT DO UPDATE SET calls = excluded.calls, amount = excluded.amount,"
                " signature = excluded.signature",
                (*_lane_key(voucher), voucher.calls, str(voucher.amount), signature),
            )
            answered = self._db.execute(
                f"SELECT answered_calls, answered_amount FROM lanes WHERE {_ONE_LANE}",
                _lane_key(voucher),
            ).fetchone()
            self._db.execute(
                f"UPDATE lanes SET answered_calls = ?, answered_amount = ? WHERE {_ONE_LANE}",
                (answered[0] + 1, str(int(answered[1]) + price), *_lane_key(voucher)),
            )
            self._db.execute(
                "DELETE FROM answers WHERE created < ?", (time.time() - ANSWER_KEPT_S,)
            )
            self._db.execute(
                "INSERT INTO answers VALUES (?, ?, ?, ?)",
                (voucher.payer, request_id, frame, time.time()),
            )

    def answer(self, client: Address, request_id: bytes) -> bytes | None:
        """The frame that answered a request, kept one hour."""
        with self._lock:
            row = self._db.execute(
                "SELECT frame FROM answers WHERE client = ? AND request_id = ? AND created > ?",
                (client, request_id, time.time() - ANSWER_KEPT_S),
            ).fetchone()
        return row[0] if row else None

    def unredeemed(self, payer: Address | None = None) -> list[HeldVoucher]:
        """Vouchers worth more than what was redeemed, of one payer or of all."""
        with self._lock:
            rows = self._db.execute(
                "SELECT payer, operator, model_id, lane, calls, amount, signature, redeemed_amount"
                " FROM lanes WHERE amount != redeemed_amount AND (? IS NULL OR payer = ?)",
                (payer, payer),
            ).fetchall()
        return [
            HeldVoucher(
                Voucher(Address(row[0]), Address(row[1]), row[2], int(row[3]), row[4], int(row[5])),
                row[6],
                int(row[7]),
            )
            for row in rows
        ]

    def set_redeemed(self, voucher: Voucher, amount: int) -> None:
        """The contract has paid `amount` wei on the voucher's channel so far."""
        with self._lock, self._db:
            self._db.execute(
                f"UPDATE lanes SET redeemed_amount = ? WHERE {_ONE_LANE}",
                (str(amount), *_lane_key(voucher)),
            )

    # --- committee votes --------------------------------------------------------------------

    def save_vote(self, vote: Vote) -> None:
        """Insert or replace a vote."""
        with self._lock, self._db:
            self._db.execute(
                "INSERT OR REPLACE INTO votes VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    vote.job_id,
                    vote.model_id,
                    vote.digest,
                    vote.salt,
                    vote.output,
                    vote.frame,
                    vote.stage,
                ),
            )

    def vote(self, job_id: int) -> Vote | None:
        """This node's vote in a job."""
        with self._lock:
            row = self._db.execute("SELECT * FROM votes WHERE job_id = ?", (job_id,)).fetchone()
        return Vote(*row) if row else None

    def open_votes(self) -> list[Vote]:
        """Votes whose job may still need this node."""
        with self._lock:
            rows = self._db.execute("SELECT * FROM votes WHERE stage != 'closed'").fetchall()
        return [Vote(*row) for row in rows]

    # --- chain position ---------------------------------------------------------------------

    def block(self, name: str) -> int | None:
        """The last block that a watcher finished, or None."""
        with self._lock:
            row = self._db.execute("SELECT block FROM cursor WHERE name = ?", (name,)).fetchone()
        return row[0] if row else None

    def set_block(self, name: str, block: int) -> None:
        """Remember a watcher's position."""
        with self._lock, self._db:
            self._db.execute("INSERT OR REPLACE INTO cursor VALUES (?, ?)", (name, block))


def _lane_key(voucher: Voucher) -> tuple[str, str, bytes, str]:
    return voucher.payer, voucher.operator, voucher.model_id, str(voucher.lane)
