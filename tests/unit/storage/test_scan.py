"""Scanning: what is a model, and every header built to lie."""

import contextlib
import json
import os
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from joynet_sdk.errors import InvalidInputError, JoyNetError, NotFoundError
from joynet_sdk.storage.scan import scan_model
from joynet_sdk.storage.scan.config import check_claim, estimate_parameters, read_config

BERT = {"model_type": "bert", "hidden_size": 384, "num_hidden_layers": 6, "vocab_size": 30522,
        "intermediate_size": 1536, "max_position_embeddings": 512}  # fmt: skip


def safetensors(header: Any, data: bytes = b"", *, length: int | None = None) -> bytes:
    body = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(body) if length is None else length) + body + data


def tensor(shape: list[int], begin: int, end: int, dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value.encode())) + value.encode()


def gguf(
    tensors: list[tuple[str, list[int], int, int]],
    keys: bytes = b"",
    *,
    key_count: int = 0,
    data: int = 64,
    tensor_count: int | None = None,
) -> bytes:
    count = len(tensors) if tensor_count is None else tensor_count
    out = b"GGUF" + struct.pack("<IQQ", 3, count, key_count) + keys
    for name, shape, kind, offset in tensors:
        out += text(name) + struct.pack("<I", len(shape))
        out += b"".join(struct.pack("<Q", side) for side in shape)
        out += struct.pack("<IQ", kind, offset)
    return out + bytes(-len(out) % 32) + bytes(data)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    weights = {"a": np.zeros((4, 3), np.float32), "b": np.ones(5, np.int8)}
    save_file(weights, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(BERT))
    (folder / "tokenizer.json").write_text("{}")
    (folder / "README.md").write_text("# hello")
    (folder / ".gitattributes").write_text("hidden")
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text("{}")
    return folder


def test_a_folder_is_listed_with_what_it_holds(model: Path) -> None:
    scan = scan_model(model)
    assert [(file.path, file.kind) for file in scan.files] == [
        ("1_Pooling/config.json", "config"),
        ("README.md", "document"),
        ("config.json", "config"),
        ("model.safetensors", "weights"),
        ("tokenizer.json", "tokenizer"),
    ]
    assert (scan.format, scan.parameters, scan.weights_bytes) == ("safetensors", 17, 53)
    assert scan.architecture == "bert"
    assert scan.root == model


def test_one_file_is_a_model_too(model: Path) -> None:
    scan = scan_model(model / "model.safetensors")
    assert [file.path for file in scan.files] == ["model.safetensors"]
    assert scan.architecture is None


def test_qmodels_say_so(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    save_file({"w": np.zeros(4, np.int8)}, path, metadata={"qmodel": '{"format":"qmodel/2"}'})
    assert scan_model(path).architecture == "qmodel/2"


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("pytorch_model.bin", b"abc", "pickle"),
        ("model.pt", b"PK\x03\x04", "pickle"),
        ("tokenizer.json", b"\x80\x04\x95", "pickle"),
        ("evil.safetensors", b"PK\x03\x04" + bytes(30), "pickle"),
        ("modeling_custom.py", b"import os", "not a file of a model"),
        ("run.sh", b"#!/bin/sh", "not a file of a model"),
        ("vocab.txt", b"\x00\x01", "is binary"),
        ("config.json", b"[1]", "holds list, expected a JSON object"),
        ("config.json", b"{", "is not JSON"),
        ("config.json", b"[" * 100_000, "nested deeper than 32 levels"),
        ("config.json", b'{"' + b'\\"' * 400_000, "is not JSON"),  # takes hours if quadratic
        ("config.json", b" " * 1_048_577, "has 1048577 bytes, expected <= 1048576"),
        ("README.md", b"a" * 1_048_577, "1048577 bytes"),
    ],
)
def test_files_that_do_not_belong_are_named(
    model: Path, name: str, data: bytes, message: str
) -> None:
    (model / name).write_bytes(data)
    with pytest.raises(InvalidInputError, match=message) as caught:
        scan_model(model)
    assert name in str(caught.value)


def test_symlinks_pipes_and_missing_paths_are_refused(model: Path) -> None:
    with pytest.raises(NotFoundError):
        scan_model(model / "missing")
    (model / "vocab.txt").symlink_to("/etc/passwd")
    with pytest.raises(InvalidInputError, match=r"vocab\.txt is a symlink"):
        scan_model(model)
    (model / "vocab.txt").unlink()
    os.mkfifo(model / "merges.txt")
    with pytest.raises(InvalidInputError, match="device, socket or pipe"):
        scan_model(model)


def test_no_weights_or_two_formats_are_refused(model: Path) -> None:
    (model / "m.gguf").write_bytes(gguf([("t", [16], 0, 0)]))
    with pytest.raises(InvalidInputError, match="gguf and safetensors, expected one"):
        scan_model(model)
    (model / "m.gguf").unlink()
    with pytest.raises(InvalidInputError, match="bytes, expected at most 10"):
        scan_model(model, max_bytes=10)
    (model / "model.safetensors").unlink()
    with pytest.raises(InvalidInputError, match="holds no weights"):
        scan_model(model)


GOOD = {"a": tensor([2, 2], 0, 16), "b": tensor([3], 16, 28)}
BAD_SAFETENSORS = {
    "claims 4611686018427387904 bytes": safetensors(b"{}", length=2**62),
    "100000000 bytes, expected <=": safetensors(b"{}", length=100_000_000),
    "header has 500 bytes, 2 are left": safetensors(b"{}", length=500),
    "header length has 8 bytes, 3 are left": b"abc",
    "not a safetensors header": safetensors(b'{"a": 1}'),
    "not a safetensors header: JSON: JSON is malformed": safetensors(b'{"a" 1}'),
    "not a safetensors header: JSON: Expected": safetensors(b'{"a":' + b"[" * 100_000),
    "holds no tensors": safetensors({"__metadata__": {"a": "b"}}),
    "overlaps another": safetensors({"a": tensor([4], 0, 16), "b": tensor([4], 8, 24)}, bytes(24)),
    "leaves a gap": safetensors({"a": tensor([4], 0, 16), "b": tensor([1], 20, 24)}, bytes(24)),
    "tensors end at byte 28, the file's data has 27": safetensors(GOOD, bytes(27)),
    "tensors end at byte 28, the file's data has 29": safetensors(GOOD, bytes(29)),
    "has 16 bytes, expected 20": safetensors({"a": tensor([5], 0, 16)}, bytes(16)),
    "dtype 'F33'": safetensors({"a": tensor([4], 0, 16, "F33")}, bytes(16)),
    "elements, expected < 2": safetensors({"a": tensor([2**40, 2**40], 0, 16)}, bytes(16)),
    "expected <= 16 sizes": safetensors({"a": tensor([1] * 17, 0, 4)}, bytes(4)),
    "expected <= 16 sizes from": safetensors({"a": tensor([-2, -2], 0, 16)}, bytes(16)),
    "expected dtype, shape, data_offsets": safetensors(
        {"a": {**tensor([4], 0, 16), "x": [1]}}, bytes(16)
    ),
    "has -16 bytes": safetensors({"a": tensor([4], 16, 0)}, bytes(16)),
}


@pytest.mark.parametrize("message", BAD_SAFETENSORS)
def test_lying_safetensors_are_refused(tmp_path: Path, message: str) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(BAD_SAFETENSORS[message])
    with pytest.raises(InvalidInputError, match=message):
        scan_model(path)


def key(name: str, kind: int, value: bytes) -> bytes:
    return text(name) + struct.pack("<I", kind) + value


STRINGS = struct.pack("<IQ", 8, 3) + text("a") + text("bb") + text("")
BAD_GGUF = {
    "does not begin with 'GGUF'": b"GGML" + bytes(40),
    "GGUF version 9": b"GGUF" + struct.pack("<IQQ", 9, 0, 0),
    "claims 9223372036854775808 tensors": gguf([], tensor_count=2**63),
    "and 99999 keys": gguf([], key_count=99_999),
    "holds no tensors": gguf([]),
    "key has 4611686018427387904 bytes": gguf([], struct.pack("<Q", 2**62), key_count=1),
    "has type 77": gguf([], key("k", 77, b""), key_count=1),
    "array of 1099511627776 of type 8": gguf(
        [], key("k", 9, struct.pack("<IQ", 8, 2**40)), key_count=1
    ),
    "expected numbers, or <= 1000000 strings in all": gguf(
        [], key("k", 9, struct.pack("<IQ", 8, 600_000) + bytes(4_800_000)) * 2, key_count=2
    ),
    "of type 9, expected numbers": gguf([], key("k", 9, struct.pack("<IQ", 9, 4)), key_count=1),
    "past the end of the header": gguf([], key("k", 9, struct.pack("<IQ", 4, 2**61)), key_count=1),
    "alignment 3": gguf([], key("general.alignment", 4, struct.pack("<I", 3)), key_count=1),
    "9 dimensions": gguf([("t", [1] * 9, 0, 0)]),
    "ggml type 31": gguf([("t", [4], 31, 0)]),
    "not blocks of 32": gguf([("t", [31], 8, 0)]),
    "lies at bytes 0 to 68 of 64": gguf([("t", [17], 0, 0)]),
    "lies at bytes 0 to 64 of 64, .* after byte 64": gguf([("t", [16], 0, 0), ("u", [16], 0, 0)]),
    "lies at bytes 4 to": gguf([("t", [4], 0, 4)]),
    "elements, expected": gguf([("t", [2**40, 2**40], 0, 0)]),
}


@pytest.mark.parametrize("message", BAD_GGUF)
def test_lying_ggufs_are_refused(tmp_path: Path, message: str) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(BAD_GGUF[message])
    with pytest.raises(InvalidInputError, match=message):
        scan_model(path)


def test_a_good_gguf_is_read(tmp_path: Path) -> None:
    keys = key("general.architecture", 8, text("llama")) + key("tokens", 9, STRINGS)
    keys += key("scores", 9, struct.pack("<IQ", 6, 5) + bytes(20)) + key("flag", 7, b"\x01")
    path = tmp_path / "m.gguf"
    path.write_bytes(gguf([("t", [8], 0, 0), ("q", [32], 2, 32)], keys, key_count=4))
    scan = scan_model(path)
    assert (scan.architecture, scan.parameters, scan.weights_bytes) == ("llama", 40, 32 + 18)


@pytest.fixture
def onnx_model(tmp_path: Path) -> Callable[..., Path]:
    from onnx import TensorProto, helper, numpy_helper, save

    def build(change: Callable[[Any], None] = lambda proto: None) -> Path:
        weights = numpy_helper.from_array(np.ones((3, 4), np.float32), "w")
        ends = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
            for name, shape in (("x", [1, 3]), ("y", [1, 4]))
        ]
        nodes = [helper.make_node("MatMul", ["x", "w"], ["y"])]
        graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], initializer=[weights])
        proto = helper.make_model(graph)
        change(proto)
        path = tmp_path / "model.onnx"
        save(proto, path)
        return path

    return build


def test_a_good_onnx_is_read(onnx_model: Callable[..., Path]) -> None:
    scan = scan_model(onnx_model())
    assert (scan.format, scan.parameters) == ("onnx", 12)


def test_lying_onnx_files_are_refused(onnx_model: Callable[..., Path]) -> None:
    def external(proto: Any) -> None:
        entry = proto.graph.initializer[0].external_data.add()
        entry.key, entry.value = "location", "../../etc/passwd"

    def huge(proto: Any) -> None:
        proto.graph.initializer[0].dims[:] = [2**31, 2**31]

    def hidden(proto: Any) -> None:
        """External data inside a subgraph's constant."""
        inner = proto.graph.node[0].attribute.add().g
        inner.node.add().attribute.add().t.data_location = 1

    def deep(proto: Any) -> None:
        graph = proto.graph
        for _ in range(12):
            graph = graph.node.add().attribute.add().g

    def nothing(proto: Any) -> None:
        proto.ClearField("graph")

    for change, message in [
        (external, "external data"),
        (hidden, "external data"),
        (huge, "expected < 2"),
        (lambda proto: proto.graph.initializer[0].dims.append(2), "48 bytes, expected 96"),
        (deep, "nested deeper than 16"),
        (nothing, "holds no graph"),
    ]:
        with pytest.raises(InvalidInputError, match=message):
            scan_model(onnx_model(change))


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["m.onnx", "m.gguf", "m.safetensors"]), st.binary(max_size=200))
def test_random_weights_give_our_errors_only(
    tmp_path_factory: pytest.TempPathFactory, name: str, data: bytes
) -> None:
    path = tmp_path_factory.mktemp("random") / name
    path.write_bytes((b"GGUF\x03\0\0\0" if name.endswith("gguf") else b"") + data)
    with contextlib.suppress(JoyNetError):
        scan_model(path)


@pytest.mark.parametrize(
    "config",
    [
        {"hidden_size": 10**6, "num_hidden_layers": 400, "vocab_size": 10**6},
        {"d_model": 65_536, "decoder_layers": 512},
        {"text_config": {"hidden_size": 100_000, "num_layers": 100}},
        {"hidden_size": 8192, "num_hidden_layers": 64, "num_local_experts": 4096},
        {"hidden_sizes": [10**6, 10**6]},
    ],
)
def test_configs_that_ask_for_terabytes_are_refused(model: Path, config: dict[str, Any]) -> None:
    (model / "config.json").write_text(json.dumps({"model_type": "x", **config}))
    with pytest.raises(InvalidInputError, match=r"config\.json asks for about \d{12,} bytes"):
        scan_model(model)


@pytest.mark.parametrize("value", [2**31, 10**40, -5, 1e300])
def test_config_numbers_out_of_range_are_named(value: float) -> None:
    data = json.dumps({"a": {"num_attention_heads": value}}).encode()
    with pytest.raises(InvalidInputError, match="num_attention_heads is"):
        read_config(data, "config.json")


def test_the_estimate_is_near_for_a_real_model() -> None:
    assert 0.9 < estimate_parameters(BERT) / 22_700_000 < 1.1
    check_claim(BERT, "config.json", 4 * 22_700_000)


def test_large_headers_take_bounded_memory(tmp_path: Path) -> None:
    """A sparse 1 GiB file with 50,000 tensors: only the header is read."""
    path = tmp_path / "m.safetensors"
    names = {f"t{index}": tensor([0], 0, 0) for index in range(50_000)}
    header = json.dumps({**names, "last": tensor([2**28], 0, 2**30)}).encode()
    with path.open("wb") as file:
        file.write(safetensors(header))
        file.truncate(8 + len(header) + 2**30)
    tracemalloc.start()
    try:
        scan = scan_model(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert scan.parameters == 2**28
    assert peak < 100 * 2**20


@pytest.mark.parametrize(
    ("keys", "expected"),
    [(key("general.file_type", 4, struct.pack("<I", 15)), "Q4_K_M"), (b"", "F32")],
)
def test_a_gguf_names_its_quantisation(tmp_path: Path, keys: bytes, expected: str) -> None:
    """By its own name for the mix of types, or else by the commonest type."""
    data = gguf([("t", [16], 0, 0)], keys, key_count=int(bool(keys)))
    (tmp_path / "m.gguf").write_bytes(data)
    assert scan_model(tmp_path).quantization == f"gguf:{expected}"
