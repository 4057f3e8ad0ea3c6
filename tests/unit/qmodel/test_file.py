"""The file: what is saved is loaded, and whatever else lies there is refused, cheaply."""

import json
import struct
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import joynet_sdk
from joynet_sdk import qmodel
from joynet_sdk.errors import InvalidInputError
from joynet_sdk.formats import canonical_json

from .graphs import random_inputs, random_model

DIGITS = Path(joynet_sdk.__file__).parent / "demo" / "digits.safetensors"


@pytest.mark.parametrize("seed", range(24))
def test_random_model_round_trip(tmp_path, seed):
    model = random_model(seed)
    qmodel.save(model, tmp_path / "a.safetensors")
    again = qmodel.load(tmp_path / "a.safetensors")
    qmodel.save(again, tmp_path / "b.safetensors")
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    inputs = random_inputs(model, 4)
    np.testing.assert_array_equal(qmodel.execute(model, inputs), qmodel.execute(again, inputs))
    assert again.input == model.input
    assert again.bounds == model.bounds


def test_shipped_model_round_trip(tmp_path):
    model = qmodel.load(DIGITS)
    qmodel.save(model, tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == DIGITS.read_bytes()


def test_shipped_model_classifies_held_out_digits():
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    _, pixels, _, labels = train_test_split(
        *load_digits(return_X_y=True), test_size=0.2, random_state=7, stratify=load_digits().target
    )
    answers = qmodel.execute(qmodel.load(DIGITS), pixels.astype(np.int8)).argmax(1)
    assert (answers == labels).mean() >= 0.97


# --- broken files ---------------------------------------------------------------------------------


class Draft:
    """The document and tensors of a good file, to be broken."""

    def __init__(self, path, seed=2):
        self.path = path / "m.safetensors"
        qmodel.save(random_model(seed), self.path)
        header = self.path.read_bytes()
        (length,) = struct.unpack_from("<Q", header)
        self.document = json.loads(json.loads(header[8 : 8 + length])["__metadata__"]["qmodel"])
        self.tensors = load_file(self.path)

    def load(self, text=None):
        text = canonical_json(self.document).decode() if text is None else text
        save_file(self.tensors, self.path, {"qmodel": text})
        return qmodel.load(self.path)


@pytest.fixture
def draft(tmp_path):
    return Draft(tmp_path)


def op_of(draft, kind):
    return next(op for op in draft.document["ops"] if op["op"] == kind)


def break_key(*path, value):
    def change(draft):
        place = draft.document
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value

    return change


def break_op(kind, key, value):
    return lambda draft: op_of(draft, kind).__setitem__(key, value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (break_key("format", value="qmodel/1"), "format is 'qmodel/1', expected 'qmodel/2'"),
        (break_key("surprise", value=1), "the document has"),
        (break_key("ops", value={}), "ops is {}, expected a list"),
        (break_key("ops", value=[]), "spare tensors"),
        (break_key("ops", value=[{}] * 1025), "1025 ops, expected at most 1024"),
        (break_key("ops", 0, value=7), "an op is 7"),
        (break_key("ops", 0, "op", value="rm -rf"), "op 'rm -rf', expected one of"),
        (break_key("ops", 0, "op", value=["gemm"]), "expected one of"),
        (break_key("ops", 0, "zip", value=1), "'zip'"),
        (break_key("constants", value=["nothing"]), "tensor 'nothing' is missing"),
        (break_key("constants", value=["positions", "positions"]), "missing or used twice"),
        (break_key("constants", value=[5]), "constants is 5, expected a str"),
        (break_key("constants", value=["x"] * 1025), "expected at most 1024"),
        (break_key("output", value={"scale": 1}), "output scale is 1, expected a str"),
        (break_key("output", value={"scale": "-1"}), "output scale"),
        (break_key("input", value=[]), "input is []"),
        (break_key("input", "kind", value="picture"), "input"),
        (break_key("input", "shape", value=[-1]), "sides of at least 1"),
        (break_key("input", "shape", value=[1 << 50, 1 << 50]), "expected <="),
        (break_key("input", "shape", value=[True]), "expected a int"),
        (break_key("input", "shape", value=[]), "has 0 entries"),
        (break_key("input", "shape", value=[1] * 9), "has 9 entries"),
        (break_key("input", "name", value="../x"), "tensor name"),
        (break_op("view", "shape", [1 << 40, 1 << 40]), "expected <="),
        (break_op("view", "perm", [0, 1]), "a permutation"),
        (break_op("matmul", "transposed", 1), "expected a bool"),
        (break_op("matmul", "multiplier", 1 << 50), "multiplier is"),
        (break_op("matmul", "multiplier", "1"), "expected a int"),
        (break_op("matmul", "left", "nothing"), "reads 'nothing'"),
        (break_op("matmul", "left", None), "expected a str"),
        (break_op("layernorm", "epsilon", 1 << 46), "epsilon is"),
        (break_op("gather", "axis", -1), "an axis of the input"),
    ],
)  # fmt: skip
def test_broken_document_is_refused(draft, change, message):
    change(draft)
    with pytest.raises(InvalidInputError) as caught:
        draft.load()
    assert message in str(caught.value)
    assert len(str(caught.value)) < 500


def test_cycle_is_refused(draft):
    add = op_of(draft, "add")
    add["left"] = draft.document["ops"][-1]["name"]
    with pytest.raises(InvalidInputError, match="expected a tensor made before it"):
        draft.load()


@pytest.mark.parametrize("dtype", [np.float32, np.int16, np.uint8, np.float64, np.bool_])
def test_tensor_of_another_type_is_refused(draft, dtype):
    name = next(name for name in draft.tensors if name.endswith(".weight"))
    draft.tensors[name] = draft.tensors[name].astype(dtype)
    with pytest.raises(InvalidInputError, match="weight is .*, expected int8"):
        draft.load()


def test_missing_and_spare_tensors_are_refused(draft):
    draft.tensors["spare"] = np.zeros(3)
    with pytest.raises(InvalidInputError, match="spare tensors"):
        draft.load()
    del draft.tensors["spare"]
    name = next(name for name in draft.tensors if name.endswith(".bias"))
    del draft.tensors[name]
    with pytest.raises(InvalidInputError, match=f"tensor '{name}' is missing"):
        draft.load()


def test_document_must_be_canonical_and_short(draft):
    text = canonical_json(draft.document).decode()
    for broken in (f" {text}", text.replace(":", ": ", 1), text[:-1], "[]", "1", "[" * 90_000):
        with pytest.raises(InvalidInputError, match="not a QModel"):
            draft.load(broken)
    with pytest.raises(InvalidInputError, match="at most 1 MiB"):
        draft.load(json.dumps("x" * (1 << 20)))
    double = text[:-1] + ',"output":{"scale":"1"}}'
    with pytest.raises(InvalidInputError, match="not canonical"):
        draft.load(double)


def raw_file(path, header):
    data = json.dumps(header).encode() if isinstance(header, dict) else header
    path.write_bytes(struct.pack("<Q", len(data)) + data)
    return path


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"\x80\x04junk",
        b"{" * 64,
        {"a": {"dtype": "I8", "shape": [1 << 60], "data_offsets": [0, 1 << 60]}},
        {"a": {"dtype": "I8", "shape": [1 << 60, 1 << 60], "data_offsets": [0, 0]}},
        {"a": {"dtype": "I8", "shape": [0], "data_offsets": [0, 0]}},
        {"__metadata__": {"qmodel": "{}"}},
        {},
    ],
)
def test_file_that_is_no_qmodel_is_refused(tmp_path, header):
    with pytest.raises(InvalidInputError, match="not a QModel"):
        qmodel.load(raw_file(tmp_path / "m.safetensors", header))


@pytest.mark.parametrize("data", [b"", b"\x80\x04junk", b"\xff" * 64])
def test_garbage_is_refused(tmp_path, data):
    (tmp_path / "m.safetensors").write_bytes(data)
    with pytest.raises(InvalidInputError, match="not a QModel"):
        qmodel.load(tmp_path / "m.safetensors")


def test_huge_file_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "m.safetensors"
    with path.open("wb") as file:
        file.truncate((1 << 30) + 1)
    with pytest.raises(InvalidInputError, match="expected <= 1 GiB"):
        qmodel.load(path)


def test_random_bytes_of_a_good_file_never_crash(draft):
    good = bytearray(draft.path.read_bytes())
    rng = np.random.default_rng(5)
    (length,) = struct.unpack_from("<Q", good)
    for _ in range(150):
        broken = bytearray(good)
        broken[int(rng.integers(8 + length))] = int(rng.integers(256))
        draft.path.write_bytes(broken)
        try:
            qmodel.load(draft.path)
        except InvalidInputError:
            continue
