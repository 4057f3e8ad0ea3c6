"""Logs: one JSON object per line, free of control characters and of secrets."""

import fcntl
import json
import logging
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

LEVELS = ("debug", "info", "warning", "error")
MAX_TEXT = 8192
MAX_FIELDS = 64
MAX_DEPTH = 6
MASK = "[masked]"

_SECRET_KEY = re.compile(
    r"passw|passphrase|secret|private|mnemonic|seed|token|jwt|api_?key|authorization|cookie|salt"
    r"|prompt|(^|_)(key|keyfile_json|input)$",
    re.IGNORECASE,
)
# Keys whose 64 hex digits are public: hashes, ids and digests.
_PUBLIC_HEX_KEY = re.compile(
    r"(^|_)(tx|txn|hash|digest|root|id|model|block|topic|cid|transaction)$", re.IGNORECASE
)
# A token amount or a token's name is no secret.
_PUBLIC_KEY = re.compile(r"^(tokens?|token_(price|count|ids?|address|symbol)|max_tokens)$")
_HEX_KEY = re.compile(r"(?<![0-9A-Za-z])(0x)?[0-9a-fA-F]{64}(?![0-9A-Za-z])")
_JWT = re.compile(r"\beyJ[\w-]{5,}\.[\w-]{5,}\.[\w-]*")
_URL_USER = re.compile(r"(?<=://)[^/\s:@]*:[^/\s@]+(?=@)")
_ASSIGNED = re.compile(
    r"""(?ix)\b((?:[a-z0-9]+[_-])*(?:password|passphrase|secret|mnemonic|private[_ ]?key|api[_-]?key
    |access[_-]?token|auth[_-]?token|token)["']?\s*[=:]\s*)("[^"]*"|'[^']*'|[^\s,;&]+)"""
)
_BEARER = re.compile(r"(?i)\b(bearer\s+)[\w.~+/=-]{8,}")


class Logger(Protocol):
    """What `get_logger` returns: an event in a few words, details as keyword arguments."""

    def debug(self, event: str, **fields: Any) -> Any:
        """Log what only a developer wants to know."""

    def info(self, event: str, **fields: Any) -> Any:
        """Log what happened."""

    def warning(self, event: str, **fields: Any) -> Any:
        """Log what was not expected and was dealt with."""

    def error(self, event: str, **fields: Any) -> Any:
        """Log what failed."""


class _LazyLogger:
    """Imports structlog on first use, which keeps it off the path of short commands."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._logger: Any = None

    def __getattr__(self, method: str) -> Any:
        if self._logger is None:
            self._logger = _bind(self._name)
        return getattr(self._logger, method)


def get_logger(name: str) -> Logger:
    """A logger named after the module: `get_logger(__name__)`.

    `structlog.contextvars.bind_contextvars` adds fields to every line of a task.
    """
    return _LazyLogger(name)


def _bind(name: str) -> Any:
    import structlog

    return structlog.wrap_logger(
        logging.getLogger(name),
        wrapper_class=structlog.stdlib.BoundLogger,
        processors=[structlog.contextvars.merge_contextvars, _to_stdlib],
    )


def _to_stdlib(logger: Any, method: str, event: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    exc_info = event.pop("exc_info", None)
    text = event.pop("event", "")
    return (str(text),), {"exc_info": exc_info, "extra": {"fields": event}}


def configure(
    path: Path | None,
    *,
    level: str = "info",
    stderr_level: str | None = None,
    max_bytes: int = 5_000_000,
    keep: int = 3,
) -> None:
    """Send every log of this process, ours and the libraries', to a file and perhaps to stderr.

    Args:
        path: Log file, made on the first line (0600); None for no file.
        level: Lowest level written to the file, one of LEVELS.
        stderr_level: Lowest level shown on stderr, or None for nothing.
        max_bytes: Size at which the file is rotated.
        keep: Rotated files kept, as `NAME.1` ... `NAME.<keep>`.
    """
    handlers: list[logging.Handler] = []
    if path is not None:
        handlers.append(_File(path, max_bytes, keep))
        handlers[-1].setLevel(level.upper())
    if stderr_level is not None:
        handlers.append(_Stderr())
        handlers[-1].setLevel(stderr_level.upper())
    root = logging.getLogger()
    for old in [handler for handler in root.handlers if isinstance(handler, _File | _Stderr)]:
        root.removeHandler(old)
    for handler in handlers:
        handler.setFormatter(_Json())
        root.addHandler(handler)
    if not handlers:
        root.addHandler(logging.NullHandler())
    joynet_level = min((handler.level for handler in handlers), default=logging.WARNING)
    for name in ("joynet_sdk", "joynet_cli"):
        logging.getLogger(name).setLevel(joynet_level)
    root.setLevel(logging.WARNING)
    logging.captureWarnings(True)


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": clean(record.getMessage()),
            "pid": record.process,
        }
        fields = getattr(record, "fields", {})
        entry |= {key: value for key, value in clean(fields).items() if key not in entry}
        if record.exc_info:
            entry["traceback"] = clean(self.formatException(record.exc_info))
        return json.dumps(entry, ensure_ascii=True, default=str)


def clean(value: Any, key: str = "", depth: int = 0) -> Any:
    """A copy of `value` fit for a log: bounded, printable, secrets masked by key and by pattern.

    Args:
        value: Anything; what JSON cannot hold is shown by its type or text.
        key: The name it has, which may mark it as a secret.
        depth: How deep it lies inside the logged value.
    """
    if is_secret_key(key):
        return MASK
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, bytes | bytearray):
        return f"<{len(value)} bytes>"
    if depth >= MAX_DEPTH:
        return f"<{type(value).__name__}>"
    if isinstance(value, dict):
        items = list(value.items())[:MAX_FIELDS]
        return {clean(str(k)): clean(v, str(k), depth + 1) for k, v in items}
    if isinstance(value, list | tuple | set | frozenset):
        return [clean(item, key, depth + 1) for item in list(value)[:MAX_FIELDS]]
    text = str(value)[: MAX_TEXT + 1]
    shown = _escape(redact(text, hex_is_public=bool(_PUBLIC_HEX_KEY.search(key))))
    return shown if len(text) <= MAX_TEXT else shown[:MAX_TEXT] + "…"


def is_secret_key(key: str) -> bool:
    """Whether a field or setting of this name holds a secret."""
    return bool(_SECRET_KEY.search(key)) and not _PUBLIC_KEY.search(key)


def redact(text: str, *, hex_is_public: bool = False) -> str:
    """Mask what looks like a secret: 64 hex digits, JWTs, `password=...`, logins in URLs.

    Args:
        text: Any text, such as a traceback.
        hex_is_public: Keep 64 hex digits, because they are known to be a hash.
    """
    text = _JWT.sub(MASK, text)
    text = _BEARER.sub(rf"\1{MASK}", text)
    text = _ASSIGNED.sub(rf"\1{MASK}", text)
    text = _URL_USER.sub(MASK, text)
    return text if hex_is_public else _HEX_KEY.sub(MASK, text)


def _escape(text: str) -> str:
    """Escape control characters, line separators and direction marks; keep other text."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class _Stderr(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        sys.stderr.write(self.format(record) + "\n")


class _File(logging.Handler):
    """Appends whole lines; several processes may share the file, also while it is rotated."""

    def __init__(self, path: Path, max_bytes: int, keep: int) -> None:
        super().__init__()
        self._path, self._max_bytes, self._keep = path, max_bytes, keep
        self._has_failed = False

    def emit(self, record: logging.LogRecord) -> None:
        line = (self.format(record) + "\n").encode()
        try:
            self._append(line)
        except OSError as error:
            if not self._has_failed:  # work goes on without its log, and says so once
                self._has_failed = True
                reason = error.strerror or type(error).__name__
                sys.stderr.write(f"warning: cannot write the log {self._path}: {reason}\n")

    def _append(self, line: bytes) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._is_full(len(line)):
            with self._lock_file():
                if self._is_full(len(line)):
                    self._rotate()
        fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.write(fd, line)
        finally:
            os.close(fd)

    def _is_full(self, extra: int) -> bool:
        return self._path.exists() and self._path.stat().st_size + extra > self._max_bytes

    @contextmanager
    def _lock_file(self) -> Iterator[None]:
        lock = self._path.with_name(f".{self._path.name}.lock")
        with lock.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _rotate(self) -> None:
        for number in range(self._keep - 1, 0, -1):
            older = self._numbered(number)
            if older.exists():
                older.replace(self._numbered(number + 1))
        self._path.replace(self._numbered(1))

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")
