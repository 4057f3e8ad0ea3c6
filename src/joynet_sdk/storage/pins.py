"""What stays: pins, and the collection of everything no pin needs."""

from collections.abc import Iterator
from typing import NamedTuple

from joynet_sdk.errors import InvalidInputError, NotFoundError, VerificationError
from joynet_sdk.formats import RAW, Cid, decode_cid
from joynet_sdk.storage.blocks import DiskBlockStore
from joynet_sdk.storage.dagpb import decode_links
from joynet_sdk.storage.index import Pin


class Collected(NamedTuple):
    """What a collection removed, or would remove.

    Attributes:
        blocks: Number of blocks.
        bytes: Their sizes added up.
        strays: Files left by a crash, or set aside as corrupt.
    """

    blocks: int
    bytes: int
    strays: int = 0


def reachable(store: DiskBlockStore, root: Cid, seen: set[Cid] | None = None) -> Iterator[Cid]:
    """Every block of a DAG once, the root first; raw leaves are not read, only looked up.

    Args:
        seen: Blocks to leave out; grows with what is yielded.

    Raises:
        NotFoundError: A block is missing.
        VerificationError: A block is damaged or malformed.
    """
    seen = set() if seen is None else seen
    stack = [root]
    while stack:
        cid = stack.pop()
        if cid in seen:
            continue
        if cid.codec == RAW:
            if not store.has(cid):
                raise NotFoundError("block", cid)
        else:
            block = store.get(cid)
            if block is None:
                raise NotFoundError("block", cid)
            stack.extend(decode_links(cid, block))
        seen.add(cid)
        yield cid


def pin(store: DiskBlockStore, root: Cid, name: str = "") -> Pin:
    """Keep a DAG, all of which must be stored.

    Args:
        name: Free text, at most 255 characters.

    Raises:
        NotFoundError: A block of the DAG is missing.
        InvalidInputError: The name is too long.
    """
    if len(name) > 255:
        raise InvalidInputError(f"pin name has {len(name)} characters, expected at most 255")
    with store.adding():
        for _ in reachable(store, root):
            pass
        store.index.pin(str(root), name)
    return next(entry for entry in store.index.pins() if entry.cid == str(root))


def unpin(store: DiskBlockStore, root: Cid) -> None:
    """Stop keeping a DAG; its blocks stay until the next collection.

    Raises:
        NotFoundError: It is not pinned.
    """
    if not store.index.unpin(str(root)):
        raise NotFoundError("pin", root, hint="joynet store pin ls")


def list_pins(store: DiskBlockStore) -> list[Pin]:
    """Every pin, oldest first."""
    return store.index.pins()


def _live(store: DiskBlockStore) -> set[Cid]:
    """Blocks that some pin needs.

    Raises:
        VerificationError: A pinned DAG is incomplete, so what it needs cannot be known.
    """
    live: set[Cid] = set()
    for entry in store.index.pins():
        try:
            for _ in reachable(store, decode_cid(entry.cid), live):
                pass
        except (NotFoundError, VerificationError) as error:
            raise VerificationError(
                f"pinned {entry.cid} is incomplete ({error}): nothing was removed",
                hint=f"add or fetch it again, or joynet store pin rm {entry.cid}",
            ) from None
    return live


def collect(store: DiskBlockStore, *, dry_run: bool = False) -> Collected:
    """Remove every block that no pin needs. Waits for running imports to end.

    Raises:
        OverloadedError: The store was being written to all the time.
        VerificationError: A pinned DAG is incomplete; nothing was removed.
    """
    with store.exclusive():
        live = {cid.digest for cid in _live(store)}
        dead = [digest for digest in store.index.digests() if digest not in live]
        return _remove(store, dead, dry_run)


def remove(store: DiskBlockStore, root: Cid, *, dry_run: bool = False) -> Collected:
    """Remove the blocks of one DAG that no pin needs.

    Raises:
        NotFoundError: The root is not stored.
        InvalidInputError: The root is pinned.
        OverloadedError: The store was being written to all the time.
        VerificationError: A pinned DAG is incomplete; nothing was removed.
    """
    with store.exclusive():
        if not store.has(root):
            raise NotFoundError("CID", root, hint="joynet store pin ls")
        if any(entry.cid == str(root) for entry in store.index.pins()):
            raise InvalidInputError(f"{root} is pinned", hint=f"joynet store pin rm {root}")
        live = _live(store)
        kept = {cid.digest for cid in live}
        dead = {cid.digest for cid in _stored(store, root, live)} - kept
        return _remove(store, sorted(dead), dry_run)


def _stored(store: DiskBlockStore, root: Cid, seen: set[Cid]) -> Iterator[Cid]:
    """Like `reachable`, but over what is there: a DAG that is incomplete can be removed too."""
    stack = [root]
    while stack:
        cid = stack.pop()
        if cid in seen or not store.has(cid):
            continue
        seen.add(cid)
        block = store.get(cid) if cid.codec != RAW else None
        if block is not None:
            stack.extend(decode_links(cid, block))
        yield cid


def _remove(store: DiskBlockStore, dead: list[bytes], dry_run: bool) -> Collected:
    freed = sum(store.index.size(digest) or 0 for digest in dead)
    if dry_run:
        return Collected(len(dead), freed)
    store.drop(dead)
    return Collected(len(dead), freed, store.sweep())
