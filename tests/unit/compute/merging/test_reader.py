"""Parents' files: what a header may say."""

import json
import struct
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from joynet_sdk.compute.merging.reader import FolderCheckpoint
from joynet_sdk.errors import InvalidInputError, NotFoundError

DTYPES = (torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.bool)


def written(folder: Path, header: object, data: bytes = b"\0" * 16, length: int | None = None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    head = struct.pack("<Q", len(text) if length is None else length)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.safetensors").write_bytes(head + text + data)
    return folder


def entry(dtype="F32", shape=(4,), offsets=(0, 16)):
    return {"w": {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}}


def test_tensors_are_read_as_they_are_stored(tmp_path):
    tensors = {
        str(dtype): (torch.randn(3, 5) * 3).to(dtype) for dtype in DTYPES
    } | {"empty": torch.zeros(0, 4), "scalar": torch.tensor(2.5)}  # fmt: skip
    save_file(tensors, tmp_path / "model.safetensors")
    with FolderCheckpoint(tmp_path) as model:
        assert set(model.tensors) == set(tensors)
        for name, expected in tensors.items():
            with model.tensor(name) as found:
                assert torch.equal(found, expected)
                del found


def test_shards_are_found_through_the_index(tmp_path):
    for number in (1, 2):
        save_file({f"w{number}": torch.ones(number)}, tmp_path / f"part{number}.safetensors")
    places = {"w1": "part1.safetensors", "w2": "part2.safetensors"}
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": places}))
    with FolderCheckpoint(tmp_path) as model:
        assert {name: info.shape for name, info in model.tensors.items()} == {
            "w1": (1,),
            "w2": (2,),
        }
    for wrong in ("../part1.safetensors", "missing.safetensors", "part1.bin", 7):
        index.write_text(json.dumps({"weight_map": {"w1": wrong}}))
        with pytest.raises((InvalidInputError, NotFoundError)):
            FolderCheckpoint(tmp_path)


@pytest.mark.parametrize(
    "lie",
    [
        entry(dtype="F31"), entry(shape=(5,)), entry(shape=(-4,)), entry(offsets=(0, 32)),
        entry(offsets=(16, 0)), entry(offsets=(-16, 0)), entry(shape=(2**62, 4)),
        {"w": {"dtype": "F32"}}, {"a\nb": entry()["w"]}, {"w": 1}, b"[" * 1000, b"{}x",
    ],
)  # fmt: skip
def test_headers_that_lie_are_refused(tmp_path, lie):
    with pytest.raises(InvalidInputError):
        FolderCheckpoint(written(tmp_path, lie))


@pytest.mark.parametrize("length", [2**62, 2**64 - 1, 9 * 1024 * 1024, 0, 1])
def test_headers_of_absurd_length_are_not_read(tmp_path, length):
    with pytest.raises(InvalidInputError, match="header of"):
        FolderCheckpoint(written(tmp_path, entry(), length=length))


def test_links_are_no_settings(tmp_path):
    written(tmp_path / "model", entry())
    (tmp_path / "secret").write_text("x")
    (tmp_path / "model" / "config.json").symlink_to(tmp_path / "secret")
    with FolderCheckpoint(tmp_path / "model") as model, pytest.raises(InvalidInputError):
        model.text("config.json")
