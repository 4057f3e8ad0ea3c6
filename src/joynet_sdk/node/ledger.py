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
    settled_before TEXT NOT NULL, redeemed_amount TEXT NOT NULL,
    PRIMARY KEY (payer, operator, model_id, lane));
CREATE TABLE IF NOT EXISTS payers (payer TEXT PRIMARY KEY, redeemed_before TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS answers (
    client TEXT, request_id BLOB, frame BLOB NOT NULL, created REAL NOT NULL,
    PRIMARY KEY (client, request_id));
CREATE INDEX IF NOT EXISTS answers_created ON answers (created);
CREATE TABLE IF NOT EXISTS votes (
    job_id INTEGER PRIMARY KEY, model_id BLOB NOT NULL, digest BLOB NOT NULL, salt BLOB NOT NULL,
    output BLOB, frame BLOB, stage TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS proof_tasks (
    job_id INTEGER PRIMARY KEY, stage TEXT NOT NULL, salt BLOB NOT NULL, output BLOB NOT NULL,
    commitment BLOB NOT NULL, proof BLOB NOT NULL, frame BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS cursor (name TEXT PRIMARY KEY, block INTEGER NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class LaneState:
    """The highest voucher of a lane, and what was answered for it.

    Attributes:
        settled_before: Wei that the contract had seen on the lane when this ledger first met it;
            0 unless an earlier ledger was lost.
    """

    calls: int = 0
    amount: int = 0
    answered_calls: int = 0
    answered_amount: int = 0
    settled_before: int = 0


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


@dataclass(frozen=True, slots=True)
class ProofTask:
    """This node's work on a proven job.

    Attributes:
        stage: "open" (nothing proved yet), "proved" (to be submitted), "sent" or "closed".
        salt: What the proof was made with; empty before there is one.
        commitment: 64 bytes, x then y, of an output above 256 bytes.
        frame: The answer (output and receipt) that the client may ask for once it was sent.
    """

    job_id: int
    stage: str = "open"
    salt: bytes = b""
    output: bytes = b""
    commitment: bytes = bytes(64)
    proof: bytes = b""
    frame: bytes = b""


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

    def lane(self, voucher: Voucher) -> LaneState | None:
        """The state of the voucher's lane; None when it was never used."""
        with self._lock:
            row = self._db.execute(
                "SELECT calls, amount, answered_calls, answered_amount, settled_before FROM lanes"
                f" WHERE {_ONE_LANE}",
                _lane_key(voucher),
            ).fetchone()
        return LaneState(row[0], int(row[1]), row[2], int(row[3]), int(row[4])) if row else None

    def redeemed_before(self, payer: Address) -> int | None:
        """Wei redeemed from a payer before this ledger met it; None for a stranger."""
        with self._lock:
            row = self._db.execute(
                "SELECT redeemed_before FROM payers WHERE payer = ?", (payer,)
            ).fetchone()
        return int(row[0]) if row else None

    def promised(self, payer: Address) -> int:
        """Wei of a payer's vouchers on all lanes, redeemed or not, since this ledger met it."""
        with self._lock:
            rows = self._db.execute(
                "SELECT amount, settled_before FROM lanes WHERE payer = ?", (payer,)
            ).fetchall()
        return sum(int(amount) - int(before) for amount, before in rows)

    def record_answer(
        self,
        voucher: Voucher,
        signature: bytes,
        lane: LaneState,
        redeemed_before: int,
        request_id: bytes,
        frame: bytes,
    ) -> None:
        """Store a voucher and the answer it paid for, in one transaction.

        Args:
            lane: The lane as it is now, this answer included.
            redeemed_before: Kept for a payer that the ledger has not met yet.
        """
        with self._lock, self._db:
            self._db.execute(
                "INSERT INTO lanes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
                " ON CONFLICT DO UPDATE SET calls = excluded.calls, amount = excluded.amount,"
                " signature = excluded.signature, answered_calls = excluded.answered_calls,"
                " answered_amount = excluded.answered_amount",
                (
                    *_lane_key(voucher),
                    lane.calls,
                    str(lane.amount),
                    signature,
                    lane.answered_calls,
                    str(lane.answered_amount),
                    str(lane.settled_before),
                    str(lane.settled_before),
                ),
            )
            self._db.execute(
                "INSERT OR IGNORE INTO payers VALUES (?, ?)", (voucher.payer, str(redeemed_before))
            )
            now = time.time()
            self._db.execute("DELETE FROM answers WHERE created < ?", (now - ANSWER_KEPT_S,))
            self._db.execute(
                "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?)",
                (voucher.payer, request_id, frame, now),
            )

    def answer(self, client: Address, request_id: bytes) -> bytes | None:
        """The frame that answered a request, kept one hour."""
        with self._lock:
            row = self._db.execute(
                "SELECT frame FROM answers WHERE client = ? AND request_id = ? AND created > ?",
                (client, request_id, time.time() - ANSWER_KEPT_S),
            ).fetchone()
        return row[0] if row else None

    def unredeemed(self) -> list[HeldVoucher]:
        """Vouchers worth more than what was redeemed, those of one model side by side."""
        with self._lock:
            rows = self._db.execute(
                "SELECT payer, operator, model_id, lane, calls, amount, signature, redeemed_amount"
                " FROM lanes WHERE amount != redeemed_amount ORDER BY model_id, payer, lane"
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
        """Escrow has given up `amount` wei on the voucher's channel so far."""
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

    # --- proofs -----------------------------------------------------------------------------

    def save_proof_task(self, task: ProofTask) -> None:
        """Insert or replace a task."""
        with self._lock, self._db:
            self._db.execute(
                "INSERT OR REPLACE INTO proof_tasks VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    *(task.job_id, task.stage, task.salt, task.output),
                    *(task.commitment, task.proof, task.frame),
                ),
            )

    def proof_task(self, job_id: int) -> ProofTask | None:
        """This node's work on a proven job."""
        with self._lock:
            row = self._db.execute(
                "SELECT * FROM proof_tasks WHERE job_id = ?", (job_id,)
            ).fetchone()
        return ProofTask(*row) if row else None

    def open_proof_tasks(self) -> list[ProofTask]:
        """Tasks that may still need this node, oldest job first."""
        with self._lock:
            rows = self._db.execute(
                "SELECT * FROM proof_tasks WHERE stage != 'closed' ORDER BY job_id"
            ).fetchall()
        return [ProofTask(*row) for row in rows]

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
