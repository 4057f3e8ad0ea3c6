"""Sample inputs and labels: formats that are read, and what is refused."""

import json
import zipfile

import numpy as np
import pytest

from joynet_sdk.errors import InvalidInputError
from joynet_sdk.qmodel import data
from joynet_sdk.qmodel.data import read_labels, read_samples

SAMPLES = np.arange(24).reshape(3, 2, 4)


def test_samples_of_each_format_are_equal(tmp_path):
    np.save(tmp_path / "a.npy", SAMPLES)
    np.savez(tmp_path / "b.npz", SAMPLES)
    np.savez(tmp_path / "c.npz", x=SAMPLES, y=np.arange(3))
    (tmp_path / "d.json").write_text(json.dumps(SAMPLES.tolist()))
    for name in ("a.npy", "b.npz", "c.npz", "d.json"):
        got = read_samples(tmp_path / name)
        np.testing.assert_array_equal(got, SAMPLES.reshape(3, 8))
        assert got.dtype == np.int64
    assert read_labels(tmp_path / "c.npz", 3).tolist() == [0, 1, 2]
    np.save(tmp_path / "e.npy", SAMPLES.astype(np.float16))
    assert read_samples(tmp_path / "e.npy").dtype == np.float64


class Payload:
    def __reduce__(self):
        return print, ("this ran",)


def test_pickles_are_refused(tmp_path, capfd):
    np.save(tmp_path / "a.npy", np.array([Payload()], object), allow_pickle=True)
    np.savez(tmp_path / "b.npz", x=np.array([Payload()], object))
    for name in ("a.npy", "b.npz"):
        with pytest.raises(InvalidInputError, match="cannot be read"):
            read_samples(tmp_path / name)
    assert "this ran" not in capfd.readouterr().out


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"1,2", "expected a file .npy, .npz, .json"),
        ("a.npy", b"", "cannot be read"),
        ("a.npy", b"\x93NUMPY junk", "cannot be read"),
        ("a.npz", b"PK junk", "cannot be read"),
        ("a.json", b"{", "cannot be read"),
        ("a.json", b"[[1], [1, 2]]", "cannot be read"),
        ("a.json", b'["a"]', "expected numbers"),
        ("a.json", b"{}", "expected numbers"),
        ("a.json", b"1", "expected samples"),
        ("a.json", b"[]", "expected samples"),
        ("a.json", b"[" * 90_000, "nested deeper"),
    ],
)
def test_other_files_are_refused(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidInputError, match=message):
        read_samples(tmp_path / name)


def test_header_that_claims_too_much_is_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((3, 4)))
    claim = (tmp_path / "a.npy").read_bytes().replace(b"(3, 4), }     ", b"(3, 4000000000)}")
    (tmp_path / "a.npy").write_bytes(claim)
    with pytest.raises(InvalidInputError, match="cannot be read"):
        read_samples(tmp_path / "a.npy")


def test_archive_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(data, "MAX_DATA_BYTES", 1 << 20)
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", bytes(2 << 20))
    assert (tmp_path / "a.npz").stat().st_size < 1 << 20
    with pytest.raises(InvalidInputError, match="unpacks to more than"):
        read_samples(tmp_path / "a.npz")


def test_archive_without_the_array_is_refused(tmp_path):
    np.savez(tmp_path / "a.npz", a=SAMPLES, b=SAMPLES)
    with pytest.raises(InvalidInputError, match="expected one named 'x'"):
        read_samples(tmp_path / "a.npz")


@pytest.mark.parametrize("labels", [[0, 1], [0, 1, -1], [0.0, 1.0, 2.0], [[0, 1, 2]]])
def test_labels_that_do_not_fit_are_refused(tmp_path, labels):
    (tmp_path / "y.json").write_text(json.dumps(labels))
    with pytest.raises(InvalidInputError, match="expected 3 class indices"):
        read_labels(tmp_path / "y.json", 3)
