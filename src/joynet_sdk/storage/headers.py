"""What a model says about itself: its config and the headers of its weights, never the weights.

The files lie in a folder, or are read from blocks by ranges: of a safetensors file of any size the
root node and the first chunk are enough, so a model that only peers hold is judged before anything
is downloaded. Bounds are those of `storage.scan`; nothing is loaded that they do not allow.
"""

import hashlib
import io
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, NamedTuple

from joynet_sdk.errors import AuthError, InvalidInputError, VerificationError
from joynet_sdk.formats import (
    Cid,
    InputSpec,
    Manifest,
    OutputSpec,
    decode_cid,
    decode_typed_json,
)
from joynet_sdk.storage import exporter
from joynet_sdk.storage.exporter import Source
from joynet_sdk.storage.importer import open_regular
from joynet_sdk.storage.scan.config import MAX_CONFIG_BYTES, check_claim, read_config
from joynet_sdk.storage.scan.folder import classify, list_files
from joynet_sdk.storage.scan.safetensors import Tensor, read_table

MAX_VOCABULARY_BYTES = 32 * 1024 * 1024
MAX_TENSORS = 200_000  # of all files together
_BUFFER = 64 * 1024
_PIECE = 1024 * 1024
_CONFIG, _COMPOSITION = "config.json", "composition.json"
_TOKENIZERS = ("tokenizer.json", "tokenizer.model", "spiece.model", "vocab.txt", "vocab.json")
_TEMPLATES = ("chat_template.jinja", "chat_template.json")
_FRONT_MATTER = re.compile(r"\A---\r?\n(.*?)\r?\n---", re.DOTALL)

IO = tuple[InputSpec, OutputSpec]


@dataclass(frozen=True)
class Headers:
    """A model without its weights.

    Attributes:
        name: What the user called it.
        format: "safetensors", "gguf", "onnx" or "composition"; only the first has `tensors`.
        architecture: `model_type` of config.json, or what the weights say, or None.
        config: config.json, {} without one.
        tensors: Name -> dtype and shape, of all files together.
        weights_bytes: Bytes of all tensors.
        total_bytes: Bytes of all files.
        read_bytes: Bytes that were read to know this.
        tokenizer: SHA-256 of the tokenizer's file as 0x hex, or None.
        template: The same of the chat template.
        license: SPDX or Hugging Face id, or None.
        manifest: Of a published model, else None.
        folder: The folder or the one file that holds the weights, when they are files here.
        vocabulary: Token -> id; None when there is none that can be read.
        io: What it takes and gives; None when that is not known.
    """

    name: str
    format: str
    architecture: str | None
    config: Mapping[str, Any]
    tensors: Mapping[str, Tensor]
    weights_bytes: int
    total_bytes: int
    read_bytes: int
    tokenizer: str | None
    template: str | None
    license: str | None
    manifest: Manifest | None
    folder: Path | None
    vocabulary: Callable[[], Mapping[str, int] | None]
    io: Callable[[], IO | None]

    def at(self, folder: Path) -> "Headers":
        """The same, with its weights in a folder."""
        return replace(self, folder=folder)

    def described_by(self, io: Callable[[], IO | None]) -> "Headers":
        """The same, where somebody else knows what it takes and gives."""
        return replace(self, io=io)


class _File(NamedTuple):
    """A file of a model, wherever it is."""

    path: str
    size: int
    start: Callable[[], bytes]  # first 8 bytes, b"" when it is not worth fetching them
    open: Callable[[], BinaryIO]


# --- from a folder ----------------------------------------------------------------------------


def read_folder(path: Path, name: str | None = None) -> Headers:
    """Headers of a model on this machine.

    Args:
        path: A weights file, or a folder of a model.
        name: For messages; the path by default.

    Raises:
        NotFoundError: No such path.
        InvalidInputError: What `scan_model` refuses: pickles, lying headers, absurd configs...
    """
    root, paths = list_files(path)
    files = []
    for relative in paths:
        size = (root / relative).lstat().st_size
        opened = _opener(root / relative)
        files.append(_File(relative, size, _first_bytes(opened), opened))
    by_path = {file.path: file for file in files}
    here = root if path.is_dir() else path
    return _read(name or str(path), files, folder=here, card=_card_license(by_path))


def _opener(path: Path) -> Callable[[], BinaryIO]:
    return lambda: open_regular(path)


def _first_bytes(opened: Callable[[], BinaryIO]) -> Callable[[], bytes]:
    def read() -> bytes:
        with opened() as file:
            return file.read(8)

    return read


def _card_license(files: Mapping[str, _File]) -> str | None:
    """`license:` in the front matter of README.md, where Hugging Face keeps it."""
    readme = files.get("README.md")
    if readme is None or readme.size > MAX_CONFIG_BYTES:
        return None
    with readme.open() as file:
        text = file.read(MAX_CONFIG_BYTES).decode("utf-8", "replace")
    matter = _FRONT_MATTER.match(text)
    found = re.search(r"^license:[ \t]*['\"]?([\w.+-]{1,64})", matter[1], re.M) if matter else None
    return found[1] if found else None


# --- from blocks ------------------------------------------------------------------------------


def read_stored(source: Source, manifest: Manifest, name: str) -> Headers:
    """Headers of a published model, from its blocks.

    Args:
        source: Gives blocks; one that asks peers makes this a read over the network.

    Raises:
        NotFoundError: A block is nowhere.
        AuthError: The model is sealed: its headers are, too.
        InvalidInputError: What `scan_model` refuses.
        VerificationError: A file is not what the manifest says.
    """
    if manifest.sealed is not None:
        raise AuthError(
            f"model {manifest.title[:80]!r} is sealed, its headers cannot be read",
            hint=f"with a licence: joynet model pull 0x{manifest.model_id.hex()}, then its folder",
        )
    files = []
    for listed in manifest.files:
        opened = _range_opener(source, decode_cid(listed.cid), listed.size, listed.path)
        files.append(_File(listed.path, listed.size, lambda: b"", opened))
    return _read(name, files, manifest=manifest)


def _range_opener(source: Source, cid: Cid, size: int, path: str) -> Callable[[], BinaryIO]:
    def opened() -> BinaryIO:
        info = exporter.info(source, cid)
        if info.is_directory or info.size != size:
            raise VerificationError(f"{path} has {info.size} bytes, the manifest says {size}")
        return io.BufferedReader(_BlockFile(source, cid, size), _BUFFER)

    return opened


class _BlockFile(io.RawIOBase):
    """A file in blocks; each read takes the blocks of its range only."""

    def __init__(self, source: Source, cid: Cid, size: int) -> None:
        self._source, self._cid, self._size, self._at = source, cid, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = start + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        at = 0
        for piece in exporter.read_file(self._source, self._cid, self._at, len(view)):
            view[at : at + len(piece)] = piece
            at += len(piece)
        self._at += at
        return at


# --- both -------------------------------------------------------------------------------------


class _Counter(io.BufferedIOBase):
    """Counts what is read through it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.count = file, 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = self._file.read(-1 if size is None else size)
        self.count += len(data)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)


class _Reading:
    """Goes through a model's files once."""

    def __init__(self) -> None:
        self.tensors: dict[str, Tensor] = {}
        self.formats: set[str] = set()
        self.configs: dict[str, dict[str, Any]] = {}
        self.weights_bytes = self.read_bytes = 0
        self.architecture: str | None = None

    def take(self, file: _File) -> None:
        start = file.start()
        self.read_bytes += len(start)
        kind = classify(file.path, file.size, start)
        if kind == "weights":
            self._take_weights(file)
        elif kind == "config":
            with file.open() as opened:
                data = opened.read(MAX_CONFIG_BYTES + 1)
            self.read_bytes += len(data)
            self.configs[file.path] = read_config(data, file.path)

    def _take_weights(self, file: _File) -> None:
        suffix = PurePosixPath(file.path).suffix
        self.formats.add(suffix[1:])
        if suffix != ".safetensors":  # judged by its format alone: it cannot be fused
            self.weights_bytes += file.size
            return
        with file.open() as opened:
            counter = _Counter(opened)
            table = read_table(counter, file.path, file.size)  # type: ignore[arg-type]
        self.read_bytes += counter.count
        self.weights_bytes += table.bytes
        self.architecture = self.architecture or table.architecture
        if twice := self.tensors.keys() & table.tensors.keys():
            raise InvalidInputError(
                f"{file.path}: tensor {min(twice)[:80]!r} is in another file too, expected once",
                hint="keep one set of weight files per folder",
            )
        self.tensors |= table.tensors
        if len(self.tensors) > MAX_TENSORS:
            raise InvalidInputError(f"over {MAX_TENSORS} tensors, the most of a model")


def _read(
    name: str,
    files: list[_File],
    *,
    folder: Path | None = None,
    manifest: Manifest | None = None,
    card: str | None = None,
) -> Headers:
    reading = _Reading()
    for file in files:
        reading.take(file)
    if not reading.formats and any(file.path == _COMPOSITION for file in files):
        reading.formats.add("composition")
    if len(reading.formats) != 1:
        found = " and ".join(sorted(reading.formats)) or "no weights"
        raise InvalidInputError(
            f"{name} holds {found}, expected weights in one format",
            hint="expected .safetensors files, one format per model",
        )
    for path, config in reading.configs.items():
        check_claim(config, f"{name}: {path}", reading.weights_bytes)
    by_path = {file.path: file for file in files}
    config = reading.configs.get(_CONFIG, {})
    declared = config.get("model_type")
    return Headers(
        name=name,
        format=reading.formats.pop(),
        architecture=reading.architecture or (declared if isinstance(declared, str) else None),
        config=config,
        tensors=reading.tensors,
        weights_bytes=reading.weights_bytes,
        total_bytes=sum(file.size for file in files),
        read_bytes=reading.read_bytes,
        tokenizer=manifest.tokenizer if manifest else _digest(by_path, _TOKENIZERS),
        template=manifest.template if manifest else _digest(by_path, _TEMPLATES),
        license=manifest.license if manifest else card,
        manifest=manifest,
        folder=folder,
        vocabulary=lambda: _vocabulary(by_path),
        io=lambda: None if manifest is None else (manifest.input, manifest.output),
    )


def _digest(files: Mapping[str, _File], names: Iterable[str]) -> str | None:
    for name in names:
        if name in files:
            hasher = hashlib.sha256()
            with files[name].open() as file:
                while piece := file.read(_PIECE):
                    hasher.update(piece)
            return "0x" + hasher.hexdigest()
    return None


# --- vocabularies -----------------------------------------------------------------------------


@dataclass
class _Added:
    id: int
    content: str


@dataclass
class _Model:
    # A map of ids (BPE, WordPiece), or pairs of token and score in the order of ids (Unigram).
    vocab: dict[str, int] | list[tuple[str, float]]


@dataclass
class _Tokenizer:
    model: _Model
    added_tokens: list[_Added] | None = None


def _vocabulary(files: Mapping[str, _File]) -> dict[str, int] | None:
    """Token -> id from the first file that holds them.

    Raises:
        InvalidInputError: The file is over 32 MiB or not of its format.
    """
    for name, decode in (
        ("tokenizer.json", _decode_tokenizer),
        ("vocab.json", lambda data: decode_typed_json(data, dict[str, int])),
        ("vocab.txt", lambda data: {line: i for i, line in enumerate(data.decode().splitlines())}),
    ):
        if name in files:
            if files[name].size > MAX_VOCABULARY_BYTES:
                return None
            with files[name].open() as file:
                data = file.read(MAX_VOCABULARY_BYTES + 1)
            try:
                found: dict[str, int] = decode(data)
            except ValueError as error:  # InvalidInputError and UnicodeDecodeError are some
                raise InvalidInputError(f"{name} holds no vocabulary: {error}") from None
            return found
    return None


def _decode_tokenizer(data: bytes) -> dict[str, int]:
    tokenizer: _Tokenizer = decode_typed_json(data, _Tokenizer)
    vocab = tokenizer.model.vocab
    found = dict(vocab) if isinstance(vocab, dict) else {t: i for i, (t, _) in enumerate(vocab)}
    return found | {added.content: added.id for added in tokenizer.added_tokens or ()}
