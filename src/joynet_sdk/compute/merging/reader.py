"""Parents on disk: safetensors headers read within bounds, tensors as views of mapped pages."""

import hashlib
import json
import mmap
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import NamedTuple

import torch

from joynet_sdk.errors import InvalidInputError, NotFoundError
from joynet_sdk.formats import decode_typed_json
from joynet_sdk.mergeplans import INDEX, ITEM_BYTES, WEIGHTS, TensorInfo

MAX_HEADER_BYTES = 8 * 1024 * 1024
MAX_TEXT_BYTES = 64 * 1024 * 1024
MAX_SHARDS = 1024
_NORESERVE: int = getattr(mmap, "MAP_NORESERVE", 0x4000 if sys.platform == "linux" else 0)
_Entry = dict[str, str | list[int]]
DTYPES = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
    "I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8,
    "U64": torch.uint64, "U32": torch.uint32, "U16": torch.uint16, "U8": torch.uint8,
    "BOOL": torch.bool, "F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2,
}  # fmt: skip


class _Place(NamedTuple):
    file: int
    start: int
    info: TensorInfo


class _File:
    """A weights file, mapped when its first tensor is read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._map: mmap.mmap | None = None
        self._handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self.size = os.fstat(self._handle).st_size

    def read(self, count: int, at: int) -> bytes:
        return os.pread(self._handle, count, at)

    @property
    def mapped(self) -> mmap.mmap:
        if self._map is None:
            # Private and writable because torch wants that; nothing writes, so nothing is reserved.
            flags, protection = mmap.MAP_PRIVATE | _NORESERVE, mmap.PROT_READ | mmap.PROT_WRITE
            self._map = mmap.mmap(self._handle, self.size, flags=flags, prot=protection)
        return self._map

    def advise(self, start: int, count: int, advice: int) -> None:
        """Tell the kernel about a range; shared border pages are simply read again."""
        page = mmap.PAGESIZE
        first = start - start % page
        self.mapped.madvise(advice, first, min(start + count, self.size) - first)

    @property
    def identity(self) -> tuple[int, int]:
        status = os.fstat(self._handle)
        return status.st_size, status.st_mtime_ns

    def close(self) -> None:
        if self._map is not None:
            self._map.close()
        os.close(self._handle)


class FolderCheckpoint:
    """A model's folder (`mergeplans.Checkpoint`), for reading tensors one at a time.

    Example:
        with FolderCheckpoint(folder) as model, model.tensor("lm_head.weight") as weight: ...
    """

    def __init__(self, folder: Path) -> None:
        """
        Raises:
            NotFoundError: No such folder, or no safetensors in it.
            InvalidInputError: A header that lies or is over 8 MiB, or an index that does not fit.
        """
        self.folder = folder
        self._files = [_File(path) for path in _weight_files(folder)]
        self._places: dict[str, _Place] = {}
        hasher = hashlib.sha256()
        for number, file in enumerate(self._files):
            header = self._read_header(number, file)
            hasher.update(repr((file.path.name, *file.identity)).encode() + header)
        self._fingerprint = hasher.hexdigest()
        self._tensors = {name: place.info for name, place in self._places.items()}

    @property
    def tensors(self) -> Mapping[str, TensorInfo]:
        """Every tensor by name."""
        return self._tensors

    @property
    def fingerprint(self) -> str:
        """Changes when a weights file does: over headers, sizes and times of change."""
        return self._fingerprint

    def text(self, name: str) -> bytes | None:
        """A small file of the folder, or None.

        Raises:
            InvalidInputError: It has more than 64 MiB, or is no regular file.
        """
        path = self.folder / name
        if not path.exists():
            return None
        if not path.is_file() or path.is_symlink():
            raise InvalidInputError(f"{path} is no regular file")
        with path.open("rb") as file:
            data = file.read(MAX_TEXT_BYTES + 1)
        if len(data) > MAX_TEXT_BYTES:
            raise InvalidInputError(f"{path} has more than {MAX_TEXT_BYTES} bytes")
        return data

    @contextmanager
    def tensor(self, name: str) -> Iterator[torch.Tensor]:
        """A tensor as mapped pages; they leave memory at the end of the block."""
        place = self._places[name]
        file, info = self._files[place.file], place.info
        if not info.size:
            yield torch.empty(info.shape, dtype=DTYPES[info.dtype])
            return
        file.advise(place.start, info.size, mmap.MADV_WILLNEED)
        count = prod(info.shape)
        flat = torch.frombuffer(
            file.mapped, dtype=DTYPES[info.dtype], count=count, offset=place.start
        )
        try:
            yield flat.view(info.shape)
        finally:
            file.advise(place.start, info.size, mmap.MADV_DONTNEED)

    def _read_header(self, number: int, file: _File) -> bytes:
        length = int.from_bytes(file.read(8, 0), "little")
        if not 2 <= length <= min(MAX_HEADER_BYTES, file.size - 8):
            raise InvalidInputError(
                f"{file.path} has a header of {length} bytes, expected <= {MAX_HEADER_BYTES}"
            )
        header = file.read(length, 8)
        try:
            entries: dict[str, _Entry] = decode_typed_json(header, dict[str, _Entry])
        except InvalidInputError as error:
            raise InvalidInputError(f"{file.path}: {error}") from None
        entries.pop("__metadata__", None)
        for name, entry in entries.items():
            if name in self._places:
                raise InvalidInputError(f"tensor {name:.80} is in two files of {self.folder}")
            self._places[name] = _place(file, number, 8 + length, name, entry)
        return header

    def __enter__(self) -> "FolderCheckpoint":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the files."""
        for file in self._files:
            file.close()


def _weight_files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise NotFoundError("model folder", folder)
    index = folder / INDEX
    if index.is_file():
        return [folder / name for name in _shards(index)]
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    found = sorted(folder.glob("*.safetensors"))
    if len(found) != 1:
        raise NotFoundError("weights", folder / WEIGHTS, hint="only safetensors can be fused")
    return found


def _shards(index: Path) -> list[str]:
    with index.open("rb") as file:
        data = file.read(MAX_HEADER_BYTES + 1)
    try:
        document = json.loads(data) if len(data) <= MAX_HEADER_BYTES else None
        names = sorted(set(document["weight_map"].values())) if document else []
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InvalidInputError(f"{index}: {error!r:.80}, expected a weight_map") from None
    if not 1 <= len(names) <= MAX_SHARDS or not all(
        isinstance(name, str) and name == Path(name).name and name.endswith(".safetensors")
        for name in names
    ):
        raise InvalidInputError(f"{index} names no safetensors files of its folder")
    for name in names:
        if not (index.parent / name).is_file():
            raise NotFoundError("weights", index.parent / name, hint="the index names it")
    return names


def _place(file: _File, number: int, data: int, name: str, entry: _Entry) -> _Place:
    dtype, shape, offsets = (entry.get(key) for key in ("dtype", "shape", "data_offsets"))
    bad = f"{file.path}: tensor {name:.80}"
    if not name.isprintable():
        raise InvalidInputError(f"{file.path}: tensor {name!r:.80} has control characters")
    if not isinstance(dtype, str) or dtype not in ITEM_BYTES:
        raise InvalidInputError(f"{bad} has dtype {dtype!r:.20}, expected {', '.join(ITEM_BYTES)}")
    if not isinstance(shape, list) or not isinstance(offsets, list) or len(offsets) != 2:
        raise InvalidInputError(f"{bad} lacks shape or data_offsets")
    info = TensorInfo(dtype, tuple(int(side) for side in shape))
    begin, end = (int(offset) for offset in offsets)
    is_inside = 0 <= begin <= end <= file.size - data
    if any(side < 0 for side in info.shape) or not is_inside or end - begin != info.size:
        raise InvalidInputError(
            f"{bad} of shape {list(info.shape)} lies at {begin} to {end} of {file.size - data}"
        )
    return _Place(number, data + begin, info)
