"""Which files make a model, and whether each may be touched at all."""

import os
import stat
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from joynet_sdk.errors import InvalidInputError, NotFoundError
from joynet_sdk.formats import check_relative_path
from joynet_sdk.storage.importer import check_name, open_regular, refuse_special
from joynet_sdk.storage.scan.config import MAX_CONFIG_BYTES, check_claim, read_config
from joynet_sdk.storage.scan.gguf import read_gguf
from joynet_sdk.storage.scan.onnx import read_onnx
from joynet_sdk.storage.scan.reader import Weights
from joynet_sdk.storage.scan.safetensors import read_safetensors

MAX_FILES = 1024
MAX_DEPTH = 8
MAX_TEXT_BYTES = 64 * 1024 * 1024
MAX_MODEL_BYTES = 1 << 40

_WEIGHTS = {".safetensors": read_safetensors, ".gguf": read_gguf, ".onnx": read_onnx}
_CONFIG, _COMPOSITION = "config.json", "composition.json"
_SMALL_TEXT_SUFFIXES = {".json", ".jinja"}
_TEXT = {"tokenizer.json", "vocab.json", "vocab.txt", "merges.txt", "model.safetensors.index.json"}
_SENTENCEPIECE = {"tokenizer.model", "spiece.model", "sentencepiece.bpe.model"}
_DOCUMENTS = ("README", "LICENSE", "LICENCE", "NOTICE", "MODEL_CARD")
_DOCUMENT_SUFFIXES = ("", ".md", ".txt", ".rst")
_PICKLE_SUFFIXES = {".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".npy", ".npz"}
_PICKLE_MAGIC = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")


class ScannedFile(NamedTuple):
    """One file of a model.

    Attributes:
        path: Relative, with `/`.
        size: Bytes.
        kind: "weights", "config", "tokenizer", "settings" (other small JSON) or "document".
    """

    path: str
    size: int
    kind: str


class Scan(NamedTuple):
    """A model's files, all within bounds.

    Attributes:
        root: The folder that holds them.
        files: Sorted by path; hidden files are left out.
        format: "safetensors", "gguf", "onnx", or "composition" (composition.json, no weights).
        parameters: Elements of all tensors.
        weights_bytes: Bytes of all tensors.
        architecture: `model_type` of config.json, "qmodel/2", what a GGUF says, or None.
        quantization: What the weights are stored as, e.g. "int8", "bf16+f32", "gguf:Q4_K_M".
    """

    root: Path
    files: tuple[ScannedFile, ...]
    format: str
    parameters: int
    weights_bytes: int
    architecture: str | None
    quantization: str | None


def scan_model(path: Path, *, max_bytes: int = MAX_MODEL_BYTES) -> Scan:
    """Check a model's file or folder without loading any weights.

    Args:
        path: A weights file, or a folder of a model.
        max_bytes: Largest size of all files together.

    Raises:
        NotFoundError: No such path.
        InvalidInputError: A file of another kind (pickles above all), a symlink, a header, shape
            or config out of bounds, no weights, or too much of anything. Names file and value.
    """
    root, paths = list_files(path)
    files: list[ScannedFile] = []
    found: list[Weights] = []
    configs: dict[str, dict[str, Any]] = {}
    for relative in paths:
        with open_regular(root / relative) as file:
            size = os.fstat(file.fileno()).st_size
            kind = classify(relative, size, file.read(8))
            file.seek(0)
            if kind == "weights":
                found.append(_WEIGHTS[PurePosixPath(relative).suffix](file, relative, size))
            elif kind == "config":
                configs[relative] = read_config(file.read(MAX_CONFIG_BYTES + 1), relative)
        files.append(ScannedFile(relative, size, kind))
    _check_totals(path, files, found, max_bytes)
    if not found:
        return Scan(root, tuple(files), "composition", 0, 0, "composition/1", None)
    weights_bytes = sum(weights.bytes for weights in found)
    for name, config in configs.items():
        check_claim(config, name, weights_bytes)
    declared = configs.get(_CONFIG, {}).get("model_type")
    return Scan(
        root,
        tuple(files),
        found[0].format,
        sum(weights.parameters for weights in found),
        weights_bytes,
        found[0].architecture or (declared if isinstance(declared, str) else None),
        quantization(found),
    )


def quantization(found: Sequence[Weights]) -> str | None:
    """What the weights are stored as: each dtype with 1% of the elements, the commonest first.

    A QModel computes in int8, whatever its biases and tables are; a GGUF names its own mix.
    """
    dtypes: Counter[str] = Counter()
    for weights in found:
        dtypes.update(weights.dtypes)
    if found[0].architecture == "qmodel/2":
        return "int8"
    if found[0].format == "gguf":
        return f"gguf:{found[0].scheme or dtypes.most_common(1)[0][0]}"
    names = sorted(dtypes, key=lambda name: (-dtypes[name], name))
    return "+".join([name for name in names if dtypes[name] * 100 >= dtypes.total()][:4]) or None


def _check_totals(
    path: Path, files: list[ScannedFile], found: list[Weights], max_bytes: int
) -> None:
    if not found and not any(file.path == _COMPOSITION for file in files):
        raise InvalidInputError(
            f"{path} holds no weights", hint="expected a .safetensors, .onnx or .gguf file"
        )
    formats = sorted({weights.format for weights in found})
    if len(formats) > 1:
        raise InvalidInputError(
            f"{path} holds weights in {' and '.join(formats)}, expected one format",
            hint="publish one format per model",
        )
    total = sum(file.size for file in files)
    if total > max_bytes:
        raise InvalidInputError(f"{path} holds {total} bytes, expected at most {max_bytes}")


def list_files(path: Path) -> tuple[Path, list[str]]:
    """The folder of a model, and the relative paths of its files, sorted.

    Raises:
        NotFoundError: No such path.
        InvalidInputError: A symlink or special file, too many files, or nested too deep.
    """
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        raise NotFoundError("file or folder", path) from None
    except OSError as error:
        raise InvalidInputError(f"cannot read {path}: {error.strerror}") from None
    if stat.S_ISREG(mode):
        return path.parent, [path.name]
    if not stat.S_ISDIR(mode):
        raise refuse_special(path, mode)
    found: list[str] = []
    _collect(path, "", found, 0)
    return path, sorted(found)


def _collect(folder: Path, prefix: str, found: list[str], depth: int) -> None:
    if depth > MAX_DEPTH:
        raise InvalidInputError(f"{folder} is nested deeper than {MAX_DEPTH} folders")
    try:
        children = sorted(folder.iterdir())
    except OSError as error:
        raise InvalidInputError(f"cannot read {folder}: {error.strerror}") from None
    for child in children:
        if child.name.startswith("."):
            continue
        check_name(child.name)
        mode = child.lstat().st_mode
        if stat.S_ISDIR(mode):
            _collect(child, f"{prefix}{child.name}/", found, depth + 1)
        elif stat.S_ISREG(mode):
            check_relative_path(prefix + child.name)
            found.append(prefix + child.name)
        else:
            raise refuse_special(child, mode)
        if len(found) > MAX_FILES:
            raise InvalidInputError(f"{folder} holds over {MAX_FILES} files, the most of a model")


def classify(relative: str, size: int, start: bytes) -> str:
    """What a file is for, from its name and first bytes.

    Raises:
        InvalidInputError: A pickle, a name that is not on the list, or too large for its kind.
    """
    path = PurePosixPath(relative)
    if path.suffix.lower() in _PICKLE_SUFFIXES or start.startswith(_PICKLE_MAGIC):
        raise InvalidInputError(
            f"{relative} is a pickle or an archive, which can run code when it is loaded",
            hint="save the weights as safetensors and remove this file",
        )
    if path.suffix in _WEIGHTS:
        return "weights"
    stem, suffix = path.stem.upper(), path.suffix.lower()
    if path.name in _TEXT or path.name in _SENTENCEPIECE:
        kind, limit = "tokenizer", MAX_TEXT_BYTES
    elif suffix in _SMALL_TEXT_SUFFIXES:
        kind, limit = "config" if path.name == _CONFIG else "settings", MAX_CONFIG_BYTES
    elif stem in _DOCUMENTS and suffix in _DOCUMENT_SUFFIXES:
        kind, limit = "document", MAX_CONFIG_BYTES
    else:
        raise InvalidInputError(
            f"{relative} is not a file of a model JoyNet knows",
            hint="keep weights (.safetensors, .onnx, .gguf), .json files, tokenizer files, "
            "README and LICENSE; move the rest away",
        )
    if size > limit:
        raise InvalidInputError(f"{relative} has {size} bytes, expected <= {limit}")
    if path.name not in _SENTENCEPIECE and b"\x00" in start:
        raise InvalidInputError(f"{relative} is binary, expected text")
    return kind
