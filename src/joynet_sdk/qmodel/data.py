"""Sample inputs and labels from npy, npz and JSON files; nothing that could run code is read."""

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from joynet_sdk.errors import InvalidInputError
from joynet_sdk.formats import check_json_depth

MAX_DATA_BYTES = 1 << 30
MAX_JSON_BYTES = 1 << 26


def read_samples(path: Path) -> NDArray[Any]:
    """Inputs, (samples, values): the first axis counts samples, the others are laid flat.

    Args:
        path: .npy, .npz with one array (or one named `x`), or .json (nested arrays).

    Raises:
        InvalidInputError: Another format, too large, ragged, or not numbers.
    """
    array = _read(path, "x")
    if array.ndim < 1 or not array.size:
        raise InvalidInputError(f"{path.name} holds {list(array.shape)}, expected samples")
    flat = array.reshape(len(array), -1)
    return flat.astype(np.int64 if flat.dtype.kind in "iub" else np.float64)


def read_labels(path: Path, count: int) -> NDArray[np.int64]:
    """Class indices, one for each sample; in an .npz the array `y`.

    Raises:
        InvalidInputError: As `read_samples`, or no `count` integers from 0 up.
    """
    array = _read(path, "y")
    if array.shape != (count,) or array.dtype.kind not in "iu" or array.min() < 0:
        raise InvalidInputError(
            f"{path.name} holds {array.dtype} {list(array.shape)}, expected {count} class indices"
        )
    return array.astype(np.int64)


def _read(path: Path, name: str) -> NDArray[Any]:
    readers = {".npy": _read_npy, ".npz": _read_npz, ".json": _read_json}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise InvalidInputError(f"{path.name}: expected a file {', '.join(readers)}")
    if path.stat().st_size > MAX_DATA_BYTES:
        raise InvalidInputError(f"{path.name} has {path.stat().st_size} bytes, expected <= 1 GiB")
    try:
        array = np.asarray(reader(path, name))
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        if isinstance(error, InvalidInputError):
            raise
        raise InvalidInputError(f"{path.name} cannot be read: {error!s:.120}") from None
    if array.dtype.kind not in "biuf":
        raise InvalidInputError(f"{path.name} holds {array.dtype}, expected numbers")
    return array


def _read_npy(path: Path, name: str) -> NDArray[Any]:
    mapped: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    return mapped


def _read_npz(path: Path, name: str) -> NDArray[Any]:
    with zipfile.ZipFile(path) as archive:
        if sum(item.file_size for item in archive.infolist()) > MAX_DATA_BYTES:
            raise InvalidInputError(f"{path.name} unpacks to more than {MAX_DATA_BYTES} bytes")
    with np.load(path, allow_pickle=False) as arrays:
        names = arrays.files
        if name not in names and len(names) != 1:
            raise InvalidInputError(
                f"{path.name} holds {names!s:.100}, expected one named {name!r}"
            )
        found: NDArray[Any] = arrays[name if name in names else names[0]]
        return found


def _read_json(path: Path, name: str) -> NDArray[Any]:
    if path.stat().st_size > MAX_JSON_BYTES:
        raise InvalidInputError(f"{path.name} has {path.stat().st_size} bytes, expected <= 64 MiB")
    data = path.read_bytes()
    check_json_depth(data)
    return np.asarray(json.loads(data))
