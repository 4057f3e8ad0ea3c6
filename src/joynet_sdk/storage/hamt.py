"""Sharded directories: where a name goes in the tree (UnixFS HAMT).

A name's slot at depth d is the d-th group of log2(fanout) bits, from the top, of the first 64 bits
of its murmur3-x64-128 hash. Two names that agree in all 64 bits cannot share a directory.
Source: https://specs.ipfs.tech/unixfs/#dag-pb-hamtdirectory .
"""

from collections.abc import Sequence
from typing import TypeVar

import mmh3

from joynet_sdk.errors import InvalidInputError

T = TypeVar("T")

HASH_BITS = 64
MAX_FANOUT = 1024


def slot(name: str, depth: int, bits: int) -> int:
    """Slot of `name` at `depth` (0 at the root) where each level takes `bits` bits.

    Raises:
        InvalidInputError: The hash has no bits left at this depth.
    """
    shift = HASH_BITS - (depth + 1) * bits
    if shift < 0:
        raise InvalidInputError(f"name {name!r:.80} collides with another in all {HASH_BITS} bits")
    return (mmh3.hash64(name.encode(), signed=False)[0] >> shift) & ((1 << bits) - 1)


def prefix(index: int, fanout: int) -> str:
    """Upper-case hex that starts a link's name in slot `index`."""
    return f"{index:0{len(f'{fanout - 1:X}')}X}"


def distribute(
    entries: Sequence[tuple[str, T]], depth: int, bits: int
) -> dict[int, list[tuple[str, T]]]:
    """Group named entries by their slot at `depth`, slots ascending."""
    slots: dict[int, list[tuple[str, T]]] = {}
    for name, item in entries:
        slots.setdefault(slot(name, depth, bits), []).append((name, item))
    return dict(sorted(slots.items()))
