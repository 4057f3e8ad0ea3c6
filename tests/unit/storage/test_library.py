"""What a home's library reads of models that strangers made."""

from pathlib import Path

import pytest

from joynet_sdk.formats import DAG_PB, RAW, Cid, ManifestFile
from joynet_sdk.storage import pins
from joynet_sdk.storage.blocks import DiskBlockStore
from joynet_sdk.storage.dagpb import encode_file, encode_link, encode_node
from joynet_sdk.storage.importer import import_path
from joynet_sdk.storage.library import Library
from joynet_sdk.storage.manifest import pin_model

from .test_catalogue import manifest


def with_readme(cid: Cid, size: int):
    file = ManifestFile(path="README.md", size=size, sha256="0x" + "00" * 32, cid=str(cid))
    return manifest("Words", files=[file])


def test_a_readme_that_is_a_folder_has_no_words(store: DiskBlockStore, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a").write_text("text")
    with store.batch() as batch:
        cid = import_path(folder, batch).cid
    assert Library(store).readme(with_readme(cid, 100)) == ""


def test_a_readme_gives_no_more_than_it_lists(store: DiskBlockStore) -> None:
    """A few blocks that name each other stand for terabytes."""
    leaf = b"words " * 100
    cid, size = Cid.of(RAW, leaf), len(leaf)
    with store.batch() as batch:
        batch.put(cid, leaf)
        for _ in range(12):
            node = encode_node([encode_link(b"", cid, size)] * 10, encode_file([size] * 10))
            cid, size = Cid.of(DAG_PB, node), size * 10
            batch.put(cid, node)
    assert Library(store).readme(with_readme(cid, 1000)) == ("words " * 200)[:1000]


@pytest.mark.parametrize("is_stored", [True, False])
def test_a_fusion_spec_is_kept_with_its_model(store: DiskBlockStore, is_stored: bool) -> None:
    spec = b'{"format":"joynet-fusion/1"}'
    leaf = Cid.of(RAW, b"weights")
    fused = manifest(
        "Fused", root=str(leaf), fusion="0x" + Cid.of(RAW, spec).digest.hex(), parents=[]
    )
    with store.batch() as batch:
        batch.put(leaf, b"weights")
        batch.put(Cid(RAW, fused.model_id), fused.encode())
        if is_stored:
            batch.put(Cid.of(RAW, spec), spec)
    pin_model(store, fused)
    pins.collect(store)
    assert store.has(Cid.of(RAW, spec)) is is_stored
