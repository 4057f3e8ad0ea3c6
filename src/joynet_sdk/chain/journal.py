"""The transaction journal: every job and every signed transaction, on disk before it is broadcast.

A *job* is what a user asked for; its *steps* are transactions. A step's raw bytes are stored before
they leave the machine, so a process killed at any moment can be finished: the same bytes are sent
again, and nothing is ever signed twice. One SQLite file, WAL, full sync.

Step states: planned -> signed -> sent -> mined | failed | replaced.
Job states: open -> done | failed.
"""

import fcntl
import json
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from joynet_sdk.errors import ConfigError, NotFoundError, UnavailableError
from joynet_sdk.paths import Home, database_refusal, file_errors, private_dir

_SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    chain TEXT NOT NULL, account TEXT NOT NULL, kind TEXT NOT NULL, title TEXT NOT NULL,
    args TEXT NOT NULL, state TEXT NOT NULL, note TEXT NOT NULL DEFAULT '', created REAL NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS steps (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    job INTEGER NOT NULL REFERENCES jobs(id), name TEXT NOT NULL,
    chain TEXT NOT NULL, sender TEXT NOT NULL, receiver TEXT NOT NULL, call TEXT NOT NULL,
    value TEXT NOT NULL, nonce INTEGER, raw BLOB, hash TEXT, state TEXT NOT NULL,
    receipt TEXT, note TEXT NOT NULL DEFAULT '', UNIQUE (job, name)
) STRICT;
CREATE INDEX IF NOT EXISTS steps_by_nonce ON steps (chain, sender, nonce);
"""
_VERSION = 1
_BUSY_TIMEOUT_S = 10.0
_LOCK_POLL_S = 0.02


@dataclass(frozen=True)
class Job:
    """What a user asked for.

    Attributes:
        id: 1, 2, 3...
        chain: "<chainId>:<genesis hash>"; a devnet that was reset is another chain.
        account: Address that signs its steps.
        kind: Name of the flow that carries it out.
        title: One line for people.
        args: The flow's arguments, JSON values.
        state: "open", "done" or "failed".
        note: Why it failed, or "".
        created: Wall clock, unix seconds.
    """

    id: int
    chain: str
    account: str
    kind: str
    title: str
    args: dict[str, Any]
    state: str
    note: str
    created: float


@dataclass(frozen=True)
class Step:
    """One transaction of a job.

    Attributes:
        id: Unique over all jobs, rising.
        job: Its job's id.
        name: Unique within the job.
        chain: As `Job.chain`.
        sender: Address that signs.
        receiver: Contract or account; "" deploys.
        call: {"contract", "function", "args"} as shown to the user.
        value: ETH sent along, in wei.
        nonce: Account nonce, None while planned.
        raw: Signed bytes, None while planned.
        hash: Transaction hash, None while planned.
        state: "planned", "signed", "sent", "mined", "failed" or "replaced".
        receipt: JSON-RPC receipt once mined or failed.
        note: Why it failed, or "".
    """

    id: int
    job: int
    name: str
    chain: str
    sender: str
    receiver: str
    call: dict[str, Any]
    value: int
    nonce: int | None
    raw: bytes | None
    hash: str | None
    state: str
    receipt: dict[str, Any] | None
    note: str


class Journal:
    """The journal of one home. Safe between threads and between processes."""

    def __init__(self, home: Path) -> None:
        """
        Args:
            home: `$JOYNET_HOME`.

        Raises:
            ConfigError: The journal cannot be opened or is of a later version.
        """
        Home(home).create()
        self._folder = private_dir(Home(home).journal)
        self.path = self._folder / "journal.db"
        self._lock = threading.RLock()
        with self._errors():
            self._db = sqlite3.connect(
                self.path, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
            )
            self.path.chmod(0o600)
            self._db.row_factory = sqlite3.Row
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.execute("PRAGMA foreign_keys=ON")
            self._create()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def _create(self) -> None:
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version > _VERSION:
            raise ConfigError(f"{self.path} is of version {version}, expected {_VERSION}")
        if version < _VERSION:
            self._db.executescript(
                f"BEGIN IMMEDIATE;{_SCHEMA}PRAGMA user_version={_VERSION};COMMIT;"
            )

    @contextmanager
    def _errors(self) -> Iterator[None]:
        with self._lock:
            try:
                with file_errors(self.path):
                    yield
            except sqlite3.Error as error:
                raise database_refusal(error, self.path) from error

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:  # a full disk ends it by itself
                self._db.execute("ROLLBACK")
            raise

    def _run(self, sql: str, *values: Any) -> sqlite3.Cursor:
        with self._errors():
            return self._db.execute(sql, values)

    # --- jobs

    def add_job(
        self, chain: str, account: str, kind: str, title: str, args: Mapping[str, Any]
    ) -> Job:
        """Write down a job before its first transaction."""
        cursor = self._run(
            "INSERT INTO jobs (chain, account, kind, title, args, state, created)"
            " VALUES (?, ?, ?, ?, ?, 'open', ?)",
            *(chain, account, kind, title, json.dumps(args), time.time()),
        )
        return self.job(cursor.lastrowid or 0)

    def job(self, job_id: int) -> Job:
        """One job.

        Raises:
            NotFoundError: No such job.
        """
        row = self._run("SELECT * FROM jobs WHERE id = ?", job_id).fetchone()
        if row is None:
            raise NotFoundError("transaction job", job_id, hint="joynet tx list --all")
        return _job(row)

    def jobs(self, *, state: str | None = None, limit: int = 1_000) -> list[Job]:
        """Jobs, oldest first; the latest `limit` of them."""
        where = "WHERE state = ?" if state else ""
        rows = self._run(
            f"SELECT * FROM jobs {where} ORDER BY id DESC LIMIT ?",
            *([state] if state else []),
            limit,
        )
        return [_job(row) for row in reversed(rows.fetchall())]

    def finish_job(self, job_id: int, state: str, note: str = "") -> None:
        """Close a job as "done" or "failed"."""
        self._run("UPDATE jobs SET state = ?, note = ? WHERE id = ?", state, note, job_id)

    def discard_unsent(self, job_id: int) -> bool:
        """Forget a job of which nothing was signed; True when there is nothing left of it."""
        with self._errors():
            if any(step.raw for step in self.steps(job_id)):
                return False
            with self._transaction():
                self._db.execute("DELETE FROM steps WHERE job = ?", (job_id,))
                self._db.execute("DELETE FROM jobs WHERE id = ?", (job_id,))
        return True

    # --- steps

    def plan(self, job: Job, name: str, receiver: str, call: Mapping[str, Any], value: int) -> Step:
        """Write down a step, or update it while it is still only planned."""
        self._run(
            "INSERT INTO steps (job, name, chain, sender, receiver, call, value, state)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, 'planned') ON CONFLICT (job, name) DO UPDATE SET"
            " receiver = excluded.receiver, call = excluded.call, value = excluded.value"
            " WHERE state = 'planned'",
            *(job.id, name, job.chain, job.account, receiver, json.dumps(call), str(value)),
        )
        step = self.step(job.id, name)
        assert step is not None, "the row was just written"
        return step

    def step(self, job_id: int, name: str) -> Step | None:
        """A job's step by name."""
        row = self._run("SELECT * FROM steps WHERE job = ? AND name = ?", job_id, name).fetchone()
        return _step(row) if row else None

    def steps(self, job_id: int) -> list[Step]:
        """A job's steps in order."""
        return [
            _step(r) for r in self._run("SELECT * FROM steps WHERE job = ? ORDER BY id", job_id)
        ]

    def steps_from_nonce(self, chain: str, sender: str, nonce: int) -> list[Step]:
        """Steps with signed bytes of an account, from a nonce on, in nonce order."""
        rows = self._run(
            "SELECT * FROM steps WHERE chain = ? AND sender = ? AND nonce >= ? ORDER BY nonce, id",
            *(chain, sender, nonce),
        )
        return [_step(row) for row in rows]

    def senders(self, chain: str) -> list[str]:
        """Accounts that signed something on a chain."""
        rows = self._run(
            "SELECT DISTINCT sender FROM steps WHERE chain = ? AND raw NOT NULL ORDER BY 1", chain
        )
        return [row["sender"] for row in rows]

    def has_twin(self, step: Step) -> bool:
        """Whether another step was signed to the very same bytes: what is mined is that one."""
        query = "SELECT 1 FROM steps WHERE hash = ? AND id <> ? AND state <> 'replaced'"
        return self._run(query, step.hash, step.id).fetchone() is not None

    def set_signed(self, step: Step, nonce: int, raw: bytes, tx_hash: str) -> None:
        """Store signed bytes; must return before they are broadcast. Hold the account's lock.

        Another job's bytes with this nonce that never left (its process died in between) are
        given up, so that one payment is never taken for two.
        """
        note = f"nonce {nonce} was given to job {step.job}"
        with self._errors(), self._transaction():
            self._db.execute(
                "UPDATE steps SET state = 'replaced', note = ?"
                " WHERE chain = ? AND sender = ? AND nonce = ? AND state = 'signed'",
                (note, step.chain, step.sender, nonce),
            )
            self._db.execute(
                "UPDATE steps SET state = 'signed', nonce = ?, raw = ?, hash = ?"
                " WHERE id = ? AND state = 'planned'",
                (nonce, raw, tx_hash, step.id),
            )

    def set_state(
        self, step: Step, state: str, *, receipt: Mapping[str, Any] | None = None, note: str = ""
    ) -> None:
        """Move a step on."""
        self._run(
            "UPDATE steps SET state = ?, receipt = coalesce(?, receipt), note = ? WHERE id = ?",
            *(state, json.dumps(receipt) if receipt is not None else None, note, step.id),
        )

    def forget_after(self, chain: str, block: int) -> None:
        """Mark steps mined after a block as replaced: the chain was rewound on purpose."""
        for row in self._run("SELECT * FROM steps WHERE chain = ? AND raw NOT NULL", chain):
            step = _step(row)
            mined = int(step.receipt["blockNumber"], 16) if step.receipt else None
            if mined is None or mined > block:
                self.set_state(step, "replaced", note=f"the chain was rewound to block {block}")

    @contextmanager
    def account_lock(self, chain: str, account: str, timeout_s: float) -> Iterator[None]:
        """Hold an account of a chain, among all processes, while a nonce is chosen and used.

        Raises:
            UnavailableError: Another process held it for the whole time.
        """
        path = self._folder / f"{chain.split(':')[0]}-{account.lower()}.lock"
        deadline = time.monotonic() + timeout_s
        with file_errors(path), path.open("a") as file:
            while not _try_lock(file.fileno()):
                if time.monotonic() > deadline:
                    raise UnavailableError(f"another process uses account {account} for too long")
                time.sleep(_LOCK_POLL_S)
            yield


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _job(row: sqlite3.Row) -> Job:
    return Job(**{**dict(row), "args": json.loads(row["args"])})


def _step(row: sqlite3.Row) -> Step:
    receipt = json.loads(row["receipt"]) if row["receipt"] else None
    call, value = json.loads(row["call"]), int(row["value"])
    return Step(**{**dict(row), "call": call, "value": value, "receipt": receipt})
