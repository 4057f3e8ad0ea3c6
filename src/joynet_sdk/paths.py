"""Where state lives: one private folder, `$JOYNET_HOME` (default `~/.joynet`); safe writes."""

import errno
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from joynet_sdk.errors import ConfigError

if TYPE_CHECKING:
    import sqlite3

_PROBLEMS = {
    errno.ENOSPC: ("the disk is full", "free some space, or point JOYNET_HOME at another disk"),
    errno.EFBIG: ("the file would pass the size limit", "raise the limit: ulimit -f unlimited"),
    errno.EDQUOT: ("the disk quota is used up", "free some space, or raise the quota"),
    errno.EROFS: ("the file system is read-only", "point JOYNET_HOME at a writable folder"),
    errno.EACCES: ("permission denied", "check who owns it: ls -ld {path}"),
    errno.EPERM: ("permission denied", "check who owns it: ls -ld {path}"),
    errno.ENOTDIR: ("a part of the path is a file, expected folders", "check: ls -ld {path}"),
    errno.EISDIR: ("it is a folder, expected a file", "check: ls -ld {path}"),
    errno.EEXIST: ("something else is there already", "check: ls -ld {path}"),
    errno.ENAMETOOLONG: ("the path is too long", "use a shorter JOYNET_HOME"),
}


@dataclass(frozen=True)
class Home:
    """The folders of one user. Two homes share nothing.

    Attributes:
        root: `$JOYNET_HOME`, absolute.
    """

    root: Path

    @property
    def config(self) -> Path:
        """User configuration, TOML."""
        return self.root / "config.toml"

    @property
    def profiles(self) -> Path:
        """One `NAME.toml` of settings per profile."""
        return self.root / "profiles"

    @property
    def keys(self) -> Path:
        """v3 keyfiles, 0600."""
        return self.root / "keys"

    @property
    def journal(self) -> Path:
        """The transaction journal."""
        return self.root / "journal"

    @property
    def store(self) -> Path:
        """The block store."""
        return self.root / "store"

    @property
    def devnet(self) -> Path:
        """The development chain's state and logs."""
        return self.root / "devnet"

    @property
    def deployments(self) -> Path:
        """One `<chainId>.json` of contract addresses per chain."""
        return self.root / "deployments"

    @property
    def nodes(self) -> Path:
        """One folder per node."""
        return self.root / "nodes"

    @property
    def tools(self) -> Path:
        """Programs installed for this user only, such as anvil."""
        return self.root / "tools"

    @property
    def content_keys(self) -> Path:
        """Keys of sealed models, 0600."""
        return self.root / "content-keys"

    @property
    def srs(self) -> Path:
        """Structured reference strings of the proofs."""
        return self.root / "srs"

    @property
    def cache(self) -> Path:
        """What can be made again, such as compiled kernels; safe to delete."""
        return self.root / "cache"

    @property
    def logs(self) -> Path:
        """Log files, one JSON object per line."""
        return self.root / "logs"

    def create(self) -> None:
        """Make the folders every command relies on (0700); existing ones are kept.

        Raises:
            ConfigError: The folder cannot be made; names the path and why.
        """
        for folder in (self.root, self.profiles, self.keys, self.logs):
            private_dir(folder)


def home_root(environ: Mapping[str, str]) -> Path:
    """The home folder that `environ` asks for: `JOYNET_HOME`, else `~/.joynet`."""
    chosen = environ.get("JOYNET_HOME") or "~/.joynet"
    return Path(os.path.abspath(os.path.expanduser(chosen)))  # noqa: PTH100, PTH111  (keeps links)


@contextmanager
def file_errors(path: Path) -> Iterator[None]:
    """Turn the file system's refusals about `path` into a ConfigError that names it."""
    try:
        yield
    except OSError as error:
        refusal = refusal_of(error, path)
        if refusal is None:
            raise
        raise refusal from error


def refusal_of(error: OSError, path: Path | None = None) -> ConfigError | None:
    """What the file system refused, as a ConfigError; None when `error` is something else.

    Args:
        error: From a file operation.
        path: What was to be used, when `error` does not name it.
    """
    problem = _PROBLEMS.get(error.errno or 0)
    if problem is None:
        return None
    where = path or (Path(os.fsdecode(error.filename)) if error.filename else None)
    what, hint = problem
    named = f"cannot use {where}: {what}" if where else what
    return ConfigError(named, hint=hint.format(path=where.parent if where else "."))


def database_refusal(error: "sqlite3.Error", path: Path) -> ConfigError:
    """What SQLite refused about the database at `path`, as a ConfigError."""
    import sqlite3

    problems = {
        sqlite3.SQLITE_FULL: ("the disk is full", "free some space, or move JOYNET_HOME"),
        sqlite3.SQLITE_READONLY: ("it is read-only", "point JOYNET_HOME at a writable folder"),
        sqlite3.SQLITE_CANTOPEN: ("it cannot be opened", "check who owns the folder"),
        sqlite3.SQLITE_IOERR: ("the disk refuses to write", "free some space, check the disk"),
        sqlite3.SQLITE_NOTADB: ("it is not a database", "move it away"),
        sqlite3.SQLITE_CORRUPT: ("it is damaged", "move it away"),
        sqlite3.SQLITE_BUSY: ("another process holds it", "try again"),
    }
    primary = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
    reason, hint = problems.get(primary, (str(error), "joynet doctor"))
    return ConfigError(f"cannot use {path}: {reason}", hint=hint)


def private_dir(path: Path) -> Path:
    """Make `path` and its parents, 0700, and return it.

    Raises:
        ConfigError: It cannot be made.
    """
    with file_errors(path):
        for parent in [each for each in reversed(path.parents) if not each.exists()]:
            parent.mkdir(mode=0o700, exist_ok=True)  # parents=True would use the umask
        path.mkdir(mode=0o700, exist_ok=True)
    return path


def atomic_write(path: Path, data: bytes | str, *, mode: int = 0o600) -> None:
    """Replace `path` with `data` so that a crash leaves the old or the new bytes, never a part.

    Args:
        path: Target; its folder is made (0700) when missing.
        data: Bytes, or text written as UTF-8.
        mode: Permissions of the new file.

    Raises:
        ConfigError: Read-only or full disk, no permission; nothing is left behind.
    """
    with replacing(path, mode=mode) as file:
        file.write(data.encode() if isinstance(data, str) else data)


@contextmanager
def replacing(path: Path, *, mode: int = 0o600) -> Iterator[IO[bytes]]:
    """A new file that takes the place of `path` when the block ends without an error.

    Args:
        path: Target; its folder is made (0700) when missing.
        mode: Permissions of the new file.

    Raises:
        ConfigError: Read-only or full disk, no permission; nothing is left behind.
    """
    private_dir(path.parent)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    with file_errors(path):
        try:
            fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
            with os.fdopen(fd, "wb") as file:
                os.fchmod(file.fileno(), mode)
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise
        sync_dir(path.parent)


def sync_dir(folder: Path) -> None:
    """Make renames in `folder` durable."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
