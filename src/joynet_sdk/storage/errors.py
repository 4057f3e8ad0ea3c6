"""What can go wrong with the store itself, translated from what the operating system says."""

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from joynet_sdk.errors import JoyNetError, VerificationError
from joynet_sdk.formats import Cid


class StoreError(JoyNetError):
    """The store's folder cannot be read or written: full disk, permissions, a damaged index."""

    code = "store"


class QuotaError(StoreError):
    """The store would grow past its quota.

    Attributes:
        used: Bytes stored now.
        needed: Bytes that were to be added.
        quota: The limit in bytes.
    """

    code = "quota"

    def __init__(self, used: int, needed: int, quota: int) -> None:
        self.used, self.needed, self.quota = used, needed, quota
        super().__init__(
            f"store quota: {used} bytes used, {needed} more asked, expected at most {quota}",
            hint="joynet store gc, or raise the quota (joynet config set storage.quota_gb N)",
        )


class CorruptBlockError(VerificationError):
    """A block on disk is missing or is not what its CID says; it was taken out of the index.

    Attributes:
        cid: The block.
    """

    code = "corrupt_block"

    def __init__(self, cid: Cid, what: str) -> None:
        self.cid = cid
        super().__init__(
            f"block {cid} is damaged on disk: {what}",
            hint="add or fetch its content again: joynet store add PATH",
        )


_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_DENIED = {errno.EACCES, errno.EPERM, errno.EROFS}


@contextmanager
def translated(folder: Path) -> Iterator[None]:
    """Turn OSError and sqlite3.Error inside the block into a StoreError about `folder`."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StoreError(
                f"no space left for {folder}: {error.strerror}",
                hint="free disk space or run joynet store gc",
            ) from error
        if error.errno in _DENIED:
            raise StoreError(
                f"cannot write {folder}: {error.strerror}",
                hint="make the folder writable or choose another with JOYNET_HOME",
            ) from error
        raise StoreError(f"cannot use {folder}: {error}") from error
    except sqlite3.Error as error:
        raise StoreError(f"index of {folder}: {error}", hint=_sqlite_hint(str(error))) from error


def _sqlite_hint(message: str) -> str:
    if "full" in message:
        return "free disk space or run joynet store gc"
    if "readonly" in message or "unable to open" in message:
        return "make the folder writable or choose another with JOYNET_HOME"
    if "locked" in message:
        return "another joynet process is busy with this store: try again"
    return "move the store's folder aside and add the content again"
