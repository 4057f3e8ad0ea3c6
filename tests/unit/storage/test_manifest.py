"""From a folder to a manifest and back; every file checked against its digest and size."""

import hashlib
import json
from pathlib import Path

import msgspec
import numpy as np
import pytest
from safetensors.numpy import save_file

from joynet_sdk.errors import InvalidInputError, NotFoundError, VerificationError
from joynet_sdk.formats import RAW, Card, Cid, Engine, InputSpec, Manifest, OutputSpec, decode_cid
from joynet_sdk.storage import manifest as manifests
from joynet_sdk.storage import pins
from joynet_sdk.storage.blocks import DiskBlockStore
from joynet_sdk.storage.exporter import list_directory
from joynet_sdk.storage.importer import HashOnly, import_path
from joynet_sdk.storage.profiles import CLASSIC
from joynet_sdk.types import ModelId


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "model"
    (root / "1_Pooling").mkdir(parents=True)
    save_file({"w": np.arange(1000, dtype=np.float32)}, root / "model.safetensors")
    (root / "config.json").write_text(json.dumps({"model_type": "bert"}))
    (root / "tokenizer.json").write_text('{"a": 1}')
    (root / "1_Pooling" / "config.json").write_text("{}")
    (root / ".hidden").write_text("not part of it")
    return root


def describe(files: manifests.ModelFiles) -> Manifest:
    card = Card(
        title="Test model",
        architecture="bert",
        engine=Engine(name="transformers", profile="embed-mean-fp32/1"),
        verification="tolerant",
        input=InputSpec(kind="text", dtype="utf-8", shape=[]),
        output=OutputSpec(kind="vector", dtype="float32", shape=[384]),
        license="Apache-2.0",
        tolerance=40,
    )
    return manifests.make_manifest(files, card)


@pytest.fixture
def manifest(folder: Path, store: DiskBlockStore) -> Manifest:
    with store.batch() as batch:
        built = describe(manifests.import_model(folder, batch))
        manifests.store_manifest(built, batch)
    return built


def test_the_root_is_what_importing_the_folder_gives(folder: Path) -> None:
    for profile in (CLASSIC, None):
        chosen = {"profile": profile} if profile else {}
        built = manifests.import_model(folder, HashOnly(), **chosen)
        assert built.root == import_path(folder, HashOnly(), **chosen).cid
        assert [file.path for file in built.files] == [
            "1_Pooling/config.json", "config.json", "model.safetensors", "tokenizer.json",
        ]  # fmt: skip
        assert built.tokenizer == built.files[3].sha256
        assert built.template is None


def test_a_manifest_loads_verifies_and_exports(
    manifest: Manifest, store: DiskBlockStore, tmp_path: Path
) -> None:
    loaded = manifests.load_manifest(store, manifest.model_id)
    assert loaded == manifest
    manifests.verify_model(store, loaded)
    scan = manifests.export_model(store, loaded, tmp_path / "out")
    assert scan.architecture == "bert"
    assert not (tmp_path / "out" / ".hidden").exists()
    assert (tmp_path / "out" / "tokenizer.json").read_text() == '{"a": 1}'


def test_a_single_file_becomes_a_folder_of_one(folder: Path, store: DiskBlockStore) -> None:
    with store.batch() as batch:
        built = manifests.import_model(folder / "model.safetensors", batch)
    assert [child.name for child in list_directory(store, built.root)] == ["model.safetensors"]


def test_missing_manifests_and_blocks_are_not_found(
    manifest: Manifest, store: DiskBlockStore
) -> None:
    with pytest.raises(NotFoundError, match="no such manifest"):
        manifests.load_manifest(store, ModelId(bytes(32)))
    store.delete(decode_cid(manifest.files[2].cid))
    with pytest.raises(NotFoundError, match="no such block"):
        manifests.verify_model(store, manifest)


def test_every_difference_is_found(manifest: Manifest, store: DiskBlockStore) -> None:
    def changed(index: int, **values: object) -> Manifest:
        files = list(manifest.files)
        files[index] = msgspec.structs.replace(files[index], **values)
        return msgspec.structs.replace(manifest, files=files)

    other = manifest.files[0].cid
    cases = [
        (changed(1, size=3), "config.json has 22 bytes, the manifest says 3"),
        (changed(1, sha256="0x" + "00" * 32), "config.json has SHA-256"),
        (changed(1, cid=other), "root and manifest differ at config.json"),
        (changed(1, path="other.json"), "root and manifest differ at config.json"),
        (changed(0, path="config0.json"), "root has a folder '1_Pooling'"),
        (
            msgspec.structs.replace(manifest, files=manifest.files[:-1]),
            "root and manifest differ at tokenizer.json",
        ),
        (msgspec.structs.replace(manifest, root=other), None),
    ]
    for wrong, message in cases:
        with pytest.raises((VerificationError, InvalidInputError), match=message):
            manifests.verify_model(store, wrong)


def test_pinned_models_stay_whole(
    manifest: Manifest, store: DiskBlockStore, tmp_path: Path
) -> None:
    manifests.pin_model(store, manifest)
    loose = Cid.of(RAW, b"loose")
    store.put(loose, b"loose")
    pins.collect(store)
    assert not store.has(loose)
    manifests.export_model(store, manifest, tmp_path / "out")
    manifests.unpin_model(store, manifest)
    pins.collect(store)
    assert store.stat().blocks == 0


def test_scans_decide_what_is_stored(folder: Path, store: DiskBlockStore) -> None:
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x04")
    with pytest.raises(InvalidInputError, match="pickle"), store.batch() as batch:
        manifests.import_model(folder, batch)
    assert store.stat().blocks == 0


def test_an_export_that_the_scan_refuses_leaves_nothing(
    folder: Path, store: DiskBlockStore, tmp_path: Path
) -> None:
    """A node takes a folder that is there for one that was verified and scanned."""
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x04]q\x00.")
    (folder / ".hidden").unlink()
    with store.batch() as batch:  # as somebody would who scans nothing
        files = [
            manifests.ManifestFile(
                path=str(path.relative_to(folder)),
                size=path.stat().st_size,
                sha256="0x" + hashlib.sha256(path.read_bytes()).hexdigest(),
                cid=str(import_path(path, batch).cid),
            )
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        ]
        root = import_path(folder, batch).cid
        clean = tmp_path / "clean"
        clean.mkdir()
        (clean / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
        scan = manifests.import_model(clean, HashOnly()).scan
        hostile = describe(manifests.ModelFiles(root, files, scan))
    target = tmp_path / "out"
    with pytest.raises(InvalidInputError, match="pytorch_model.bin"):
        manifests.export_model(store, hostile, target)
    assert not target.exists()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
