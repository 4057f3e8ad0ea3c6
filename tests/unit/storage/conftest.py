"""A store in a temporary folder, and a store that hands out hostile blocks."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from joynet_sdk.formats import Cid
from joynet_sdk.storage.blocks import DiskBlockStore


class Memory:
    """Blocks in a dict; `put` believes what it is told."""

    def __init__(self) -> None:
        self.blocks: dict[Cid, bytes] = {}
        self.reads: list[Cid] = []

    def get(self, cid: Cid) -> bytes | None:
        self.reads.append(cid)
        return self.blocks.get(cid)

    def put(self, cid: Cid, data: bytes) -> None:
        self.blocks[cid] = data


@pytest.fixture
def memory() -> Memory:
    return Memory()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DiskBlockStore]:
    with DiskBlockStore(tmp_path / "store") as opened:
        yield opened
