"""Headers of models: from folders, from blocks by ranges, and every one built to lie."""

import json
import struct
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from joynet_sdk.errors import InvalidInputError, NotFoundError, VerificationError
from joynet_sdk.formats import Card, Engine, InputSpec, Manifest, OutputSpec
from joynet_sdk.storage.headers import Headers, read_folder, read_stored
from joynet_sdk.storage.manifest import import_model, make_manifest

BERT = {"model_type": "bert", "hidden_size": 8, "num_hidden_layers": 1, "vocab_size": 4}
TOKENIZER = {
    "version": "1.0",
    "added_tokens": [{"id": 3, "content": "<s>", "special": True}],
    "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "c": 2}, "merges": [["a", "b"]]},
}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(BERT))
    (folder / "tokenizer.json").write_text(json.dumps(TOKENIZER))
    (folder / "README.md").write_text("---\ntags: [x]\nlicense: 'cc-by-4.0'\n---\nA model.\n")
    weights = {"embed.weight": np.zeros((4, 8), np.float32), "a": np.ones((8, 8), np.float16)}
    save_file(weights, folder / "model.safetensors")
    return folder


def publish(folder: Path, memory) -> Manifest:
    card = Card(
        title="a model",
        license="MIT",
        architecture="bert",
        engine=Engine(name="transformers", profile="embed-mean-fp32/1"),
        verification="tolerant",
        input=InputSpec(kind="text", dtype="utf8", shape=[]),
        output=OutputSpec(kind="vector", dtype="float32", shape=[8]),
        tolerance=4,
    )
    return make_manifest(import_model(folder, memory), card)


def same(one: Headers, other: Headers) -> bool:
    fields = ("format", "architecture", "config", "tensors", "weights_bytes", "tokenizer")
    return all(getattr(one, name) == getattr(other, name) for name in fields)


def test_a_folder_is_read_without_its_weights(model):
    headers = read_folder(model)
    assert (headers.format, headers.architecture, headers.license) == (
        "safetensors",
        "bert",
        "cc-by-4.0",
    )
    assert headers.tensors["a"].shape == [8, 8]
    assert headers.tensors["embed.weight"].dtype == "F32"
    assert headers.weights_bytes == 4 * 8 * 4 + 8 * 8 * 2
    assert headers.read_bytes < headers.total_bytes - headers.weights_bytes + 64
    assert headers.vocabulary() == {"a": 0, "b": 1, "c": 2, "<s>": 3}
    assert headers.folder == model
    assert headers.io() is None


def test_one_file_is_a_model_too(model):
    headers = read_folder(model / "model.safetensors")
    assert headers.tensors.keys() == {"embed.weight", "a"}
    assert headers.folder == model / "model.safetensors"
    assert (headers.architecture, headers.tokenizer, headers.license) == (None, None, None)
    assert headers.vocabulary() is None


def test_blocks_say_the_same_as_the_folder(model, memory):
    headers = read_stored(memory, publish(model, memory), "model.joy")
    assert same(headers, read_folder(model))
    assert (headers.name, headers.license, headers.folder) == ("model.joy", "MIT", None)
    assert headers.vocabulary() == read_folder(model).vocabulary()
    assert headers.io() == (headers.manifest.input, headers.manifest.output)


def test_only_the_first_blocks_of_the_weights_are_read(model, memory):
    big = {f"layer.{i}": np.full((1024, 1024), i, np.float32) for i in range(4)}  # 16 MiB
    save_file(big, model / "model.safetensors")
    manifest = publish(model, memory)
    memory.reads.clear()
    headers = read_stored(memory, manifest, "big")
    read = sum(len(memory.blocks[cid]) for cid in set(memory.reads))
    assert headers.tensors.keys() == big.keys()
    assert read < 2 * 1024 * 1024 <= headers.weights_bytes // 8


def test_vocabularies_of_every_kind(model):
    unigram = {"model": {"type": "Unigram", "vocab": [["<unk>", 0.0], ["x", -1.5]]}}
    (model / "tokenizer.json").write_text(json.dumps(unigram))
    assert read_folder(model).vocabulary() == {"<unk>": 0, "x": 1}
    (model / "tokenizer.json").unlink()
    (model / "vocab.txt").write_text("[PAD]\nhello\n")
    assert read_folder(model).vocabulary() == {"[PAD]": 0, "hello": 1}
    (model / "vocab.json").write_text(json.dumps({"hello": 7}))
    assert read_folder(model).vocabulary() == {"hello": 7}


@pytest.mark.parametrize("text", ["[" * 100_000, "{}", '{"model": {"vocab": {"a": "b"}}}', "\xff"])
def test_broken_tokenizers_are_named(text, model):
    (model / "tokenizer.json").write_text(text, encoding="latin-1")
    with pytest.raises(InvalidInputError, match=r"tokenizer\.json holds no vocabulary"):
        read_folder(model).vocabulary()


def test_a_composition_has_a_format_and_no_tensors(tmp_path):
    (tmp_path / "composition.json").write_text("{}")
    headers = read_folder(tmp_path)
    assert (headers.format, headers.tensors) == ("composition", {})


# --- refusals, each well within 2 s


def header(length: int) -> bytes:
    return struct.pack("<Q", length) + b"{}"


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("pytorch_model.bin", b"\x80\x04x", "pickle"),
        ("weights.safetensors", b"PK\x03\x04zip", "pickle"),
        ("model.safetensors", header(1 << 62), "header claims 4611686018427387904 bytes"),
        ("model.safetensors", header(4096), "4096 bytes, 2 are left"),
        ("model.gguf", b"GGUF", "in one format"),
    ],
)
def test_hostile_files_are_refused_at_once(name, data, message, model):
    (model / name).write_bytes(data)
    started = time.process_time()
    with pytest.raises(InvalidInputError, match=message):
        read_folder(model)
    assert time.process_time() - started < 2


@pytest.mark.parametrize("place", ["config.json", "sub/config.json"])
def test_a_config_of_800_terabytes_is_refused(place, model):
    (model / "sub").mkdir()
    wide = {**BERT, "hidden_size": 1_000_000, "num_hidden_layers": 17}  # 12 h^2 n: 2e14 numbers
    (model / place).write_text(json.dumps(wide))
    with pytest.raises(InvalidInputError, match=r"asks for about 8\d{14} bytes"):
        read_folder(model)


def test_a_tensor_in_two_files_is_refused(model):
    save_file({"a": np.zeros(3, np.float32)}, model / "more.safetensors")
    with pytest.raises(InvalidInputError, match="'a' is in another file too"):
        read_folder(model)


def test_a_folder_without_weights_is_refused(model):
    (model / "model.safetensors").unlink()
    with pytest.raises(InvalidInputError, match="holds no weights"):
        read_folder(model)


def test_links_out_of_the_folder_are_refused(model):
    (model / "other.safetensors").symlink_to("/etc/passwd")
    with pytest.raises(InvalidInputError, match="symlink"):
        read_folder(model)


def test_a_manifest_that_lies_about_a_size_is_refused(model, memory):
    from msgspec.structs import replace

    manifest = publish(model, memory)
    lying = [replace(f, size=f.size + (f.path == "model.safetensors")) for f in manifest.files]
    with pytest.raises(VerificationError, match="the manifest says"):
        read_stored(memory, replace(manifest, files=lying), "liar")


def test_blocks_that_are_nowhere_are_named(model, memory):
    manifest = publish(model, memory)
    memory.blocks.clear()
    with pytest.raises(NotFoundError, match="no such block"):
        read_stored(memory, manifest, "gone")
