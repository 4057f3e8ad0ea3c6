"""What can go wrong with the store itself, translated from what the operating system says."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from joynet_sdk.errors import ConfigError, VerificationError
from joynet_sdk.formats import Cid
from joynet_sdk.paths import database_refusal, refusal_of


class StoreError(ConfigError):
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


@contextmanager
def translated(folder: Path) -> Iterator[None]:
    """Turn OSError and sqlite3.Error inside the block into a StoreError about `folder`."""
    try:
        yield
    except OSError as error:
        refusal = refusal_of(error, folder)
        if refusal is None:
            raise StoreError(f"cannot use {folder}: {error}") from error
        raise StoreError(str(refusal), hint=refusal.hint) from error
    except sqlite3.Error as error:
        refusal = database_refusal(error, folder)
        raise StoreError(str(refusal), hint=refusal.hint) from error
