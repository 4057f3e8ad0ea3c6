"""A whole model sealed into a store, and opened by who has its key."""

import stat
from pathlib import Path

import msgspec
import numpy as np
import pytest
from safetensors.numpy import save_file

from joynet_sdk.errors import AuthError, InvalidInputError, NotFoundError, VerificationError
from joynet_sdk.formats import Card, Engine, InputSpec, Manifest, OutputSpec, decode_cid
from joynet_sdk.keywrap import content_key_hash
from joynet_sdk.storage import manifest as manifests
from joynet_sdk.storage.blocks import DiskBlockStore
from joynet_sdk.storage.content_keys import ContentKeys
from joynet_sdk.storage.exporter import read_file
from joynet_sdk.storage.importer import HashOnly

CARD = Card(
    title="Sealed",
    architecture="bert",
    engine=Engine(name="transformers", profile="embed-mean-fp32/1"),
    verification="tolerant",
    input=InputSpec(kind="text", dtype="utf-8", shape=[]),
    output=OutputSpec(kind="vector", dtype="float32", shape=[384]),
    license="Apache-2.0",
    tolerance=40,
)
SECRET = b"nobody may read this line"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "model"
    (root / "1_Pooling").mkdir(parents=True)
    weights = np.random.default_rng(1).normal(size=700_000).astype(np.float32)  # 3 chunks
    save_file({"w": weights}, root / "model.safetensors")
    (root / "config.json").write_text('{"model_type": "bert"}')
    (root / "1_Pooling" / "config.json").write_text("{}")
    (root / "README.md").write_bytes(SECRET)
    return root


@pytest.fixture
def keys(tmp_path: Path) -> ContentKeys:
    return ContentKeys(tmp_path / "content-keys")


def publish(folder: Path, store: DiskBlockStore, keys: ContentKeys) -> Manifest:
    with store.batch() as batch:
        files = manifests.import_model(folder, batch, key_for=keys.obtain)
        manifest = manifests.make_manifest(files, CARD)
        manifests.store_manifest(manifest, batch)
    return manifest


@pytest.fixture
def manifest(folder: Path, store: DiskBlockStore, keys: ContentKeys) -> Manifest:
    return publish(folder, store, keys)


def key_of(manifest: Manifest, keys: ContentKeys) -> bytes:
    assert manifest.sealed is not None
    key = keys.get(bytes.fromhex(manifest.sealed.key_hash[2:]))
    assert key is not None
    return key


def tree(root: Path) -> dict[str, bytes]:
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_who_has_the_key_gets_the_files(manifest, folder, store, keys, tmp_path) -> None:
    manifests.verify_model(store, manifest)
    target = tmp_path / "out"
    seen = []
    scan = manifests.export_model(store, manifest, target, seen.append, key_of(manifest, keys))
    assert tree(target) == tree(folder)
    assert scan.root == target
    assert scan.architecture == "bert"
    assert b"".join(seen).count(SECRET) == 1
    assert stat.S_IMODE((target / "README.md").stat().st_mode) == 0o600


def test_who_has_only_the_blocks_gets_nothing(manifest, store, tmp_path) -> None:
    with pytest.raises(AuthError, match="is sealed") as caught:
        manifests.export_model(store, manifest, tmp_path / "out")
    assert caught.value.exit_code == 4
    assert caught.value.hint == f"joynet model buy 0x{manifest.model_id.hex()}"
    with pytest.raises(VerificationError, match="not the one with hash"):
        manifests.export_model(store, manifest, tmp_path / "out", content_key=bytes(32))
    assert not (tmp_path / "out").exists()


def test_nothing_that_is_stored_holds_plaintext(manifest, folder, store) -> None:
    for file in manifest.files:
        stored = b"".join(read_file(store, decode_cid(file.cid)))
        plain = (folder / file.path).read_bytes()
        assert plain[:64] not in stored
        assert SECRET not in stored
    assert SECRET not in manifest.encode()


def test_the_manifest_holds_both_digests(manifest, folder, keys) -> None:
    plain = manifests.import_model(folder, HashOnly())
    assert [(f.path, f.size, f.sha256) for f in manifest.files] == [
        (f.path, f.size, f.sha256) for f in plain.files
    ]
    assert all(f.sealed_sha256 not in (None, f.sha256) for f in manifest.files)
    assert manifest.sealed.key_hash == "0x" + content_key_hash(key_of(manifest, keys)).hex()
    assert manifest.root != str(plain.root)


def test_publishing_the_same_files_again_is_the_same_model(manifest, folder, store, keys) -> None:
    assert publish(folder, store, keys) == manifest
    assert len(list(keys)) == 1


def test_other_files_get_another_key(manifest, folder, store, keys) -> None:
    (folder / "README.md").write_bytes(b"version two")
    again = publish(folder, store, keys)
    assert again.sealed.key_hash != manifest.sealed.key_hash


def test_files_swapped_in_the_manifest_do_not_open(manifest, store, keys, tmp_path) -> None:
    """Somebody edits a manifest so that one file's ciphertext stands under another's path."""
    one, two = manifest.files[0], manifest.files[1]
    assert (one.path, two.path) == ("1_Pooling/config.json", "README.md")
    first = msgspec.structs.replace(one, cid=two.cid, sealed_sha256=two.sealed_sha256)
    swapped = msgspec.structs.replace(manifest, files=[first, *manifest.files[1:]])
    with pytest.raises(VerificationError):
        manifests.export_model(store, swapped, tmp_path / "out", content_key=key_of(manifest, keys))
    assert_no_staging(tmp_path)
    assert not (tmp_path / "out").exists()


def assert_no_staging(folder: Path) -> None:
    assert not [path for path in folder.iterdir() if path.name.startswith(".out")]


class Hole:
    """A store that lost a block."""

    def __init__(self, store, lost) -> None:
        self.store, self.lost = store, lost

    def get(self, cid):
        return None if cid == self.lost else self.store.get(cid)


def test_an_interrupted_opening_leaves_nothing_and_starts_again(
    manifest, folder, store, keys, tmp_path
) -> None:
    target, key = tmp_path / "out", key_of(manifest, keys)
    last = decode_cid(manifest.files[-1].cid)
    with pytest.raises(NotFoundError):
        manifests.export_model(Hole(store, last), manifest, target, content_key=key)
    assert_no_staging(tmp_path)
    assert not target.exists()
    manifests.export_model(store, manifest, target, content_key=key)
    assert tree(target) == tree(folder)


def test_an_existing_folder_is_left_alone(manifest, store, keys, tmp_path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(InvalidInputError, match="exists"):
        manifests.export_model(
            store, manifest, tmp_path / "out", content_key=key_of(manifest, keys)
        )


def test_what_was_opened_is_scanned_before_it_appears(
    folder, store, keys, tmp_path, monkeypatch
) -> None:
    """A publisher who seals without scanning (another program) gains nothing."""
    from joynet_sdk.storage import sealed_models
    from joynet_sdk.storage.scan import scan_model

    scan = scan_model(folder)
    (folder / "README.md").rename(folder / "pytorch_model.bin")
    renamed = tuple(
        file._replace(path="pytorch_model.bin") if file.path == "README.md" else file
        for file in scan.files
    )
    hostile = scan._replace(files=tuple(sorted(renamed)))
    with store.batch() as batch:
        files = manifests._import_sealed(
            hostile, batch, manifests.UNIXFS_V1_2025, None, keys.obtain
        )
        manifest = manifests.make_manifest(files, CARD)
        manifests.store_manifest(manifest, batch)
    manifests.verify_model(store, manifest)
    with pytest.raises(InvalidInputError, match="pytorch_model.bin"):
        sealed_models.open_model(store, manifest, key_of(manifest, keys), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert_no_staging(tmp_path)


# --- content keys


def test_keys_are_private_files(keys, tmp_path) -> None:
    key = keys.obtain(bytes(32))
    assert keys.obtain(bytes(32)) == key
    (path,) = (tmp_path / "content-keys").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    path.chmod(0o644)
    with pytest.raises(AuthError, match="may be read by others"):
        keys.get(content_key_hash(key))


def test_a_damaged_key_says_so_and_shows_nothing(keys, tmp_path) -> None:
    key = keys.obtain(bytes(32))
    (path,) = (tmp_path / "content-keys").iterdir()
    path.write_text(path.read_text().replace(key.hex(), key.hex()[:-2]))
    with pytest.raises(AuthError, match="its key is damaged") as caught:
        keys.get(content_key_hash(key))
    assert key.hex()[:16] not in f"{caught.value}{caught.value.hint}"


def test_an_exported_key_opens_with_its_password_only(keys, tmp_path) -> None:
    key = keys.obtain(b"\1" * 32)
    key_hash = content_key_hash(key)
    file = tmp_path / "exported"
    file.write_bytes(keys.lock(key, "correct horse"))
    assert key.hex() not in file.read_text()
    other = ContentKeys(tmp_path / "other")
    with pytest.raises(AuthError, match="wrong password"):
        other.add_exported(file, "battery staple")
    assert list(other) == []
    other.add_exported(file, "correct horse")
    assert other.get(key_hash) == key
    assert list(other) == list(keys)
    assert other.obtain(b"\1" * 32) == key
