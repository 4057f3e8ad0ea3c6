"""What strangers list must not stop a search for the others."""

import asyncio
from pathlib import Path

import pytest

from joynet_sdk.formats import RAW, Cid
from joynet_sdk.models import Models, Stake
from joynet_sdk.models.search import Search
from joynet_sdk.searching import Mark, MarketEvent, Query
from joynet_sdk.storage.blocks import DiskBlockStore
from joynet_sdk.storage.catalogue import Catalogue
from joynet_sdk.storage.library import Library

from .test_pull import ALICE, MANIFEST

NO_MANIFEST = b'{"format":"something else"}'


class Chain:
    """A market where everything is listed, and nothing has parents."""

    def contract(self, name: str) -> "Chain":
        return self

    def call(self, function: str, model_id: bytes):
        return {"publisher": ALICE} if function == "listing" else []


def test_a_child_that_is_no_manifest_does_not_hide_a_family(tmp_path: Path) -> None:
    bad = "0x" + Cid.of(RAW, NO_MANIFEST).digest.hex()
    with DiskBlockStore(tmp_path / "store") as store:
        for data in (NO_MANIFEST, MANIFEST.encode()):
            store.put(Cid.of(RAW, data), data)
        models = Models(Chain(), lambda *_: pytest.fail("no job"), Library(store))
        found = models.lineage(
            MANIFEST.model_id, lambda model: [Stake(bad, 100)] if model != bad else []
        )
    assert (found.title, [(each.model, each.title) for each in found.children]) == (
        "Digits",
        [(bad, None)],
    )


@pytest.mark.parametrize("is_offline", [True, False])
def test_a_listing_of_bytes_that_are_no_manifest(tmp_path: Path, is_offline: bool) -> None:
    good = "0x" + MANIFEST.model_id.hex()
    bad = "0x" + Cid.of(RAW, NO_MANIFEST).digest.hex()
    with DiskBlockStore(tmp_path / "store") as store:
        for data in (NO_MANIFEST, MANIFEST.encode()):
            store.put(Cid.of(RAW, data), data)
        index = Catalogue(tmp_path / "index.sqlite")
        events = [
            MarketEvent(1, place, 0, "listed", model, ALICE, 1)
            for place, model in enumerate((bad, good))
        ]
        index.append(None, events, Mark(1, "0x" + "11" * 32))

        async def nobody(model_ids) -> None:
            return

        search = Search(lambda: pytest.fail("not asked"), index, Library(store), nobody)
        assert asyncio.run(search.learn_cards(is_offline=is_offline)) == 1
        assert [hit.model for hit in search.find(Query(words="digits"))] == [good]
        assert search.progress().unknown == 1
        index.close()
