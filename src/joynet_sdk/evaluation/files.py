"""The files of a local model, and the digest that names them together."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from joynet_sdk.errors import InvalidInputError, NotFoundError
from joynet_sdk.formats import canonical_json
from joynet_sdk.paths import file_errors

MAX_FILES = 1024


@dataclass(frozen=True, slots=True)
class File:
    """One file: path within the folder (POSIX), bytes, SHA-256 as 0x hex."""

    path: str
    size: int
    sha256: str


def files_of(folder: Path) -> list[File]:
    """Every file below a folder, sorted by path; hidden ones are no part of a model.

    Raises:
        NotFoundError: No such folder.
        InvalidInputError: A link, or more than 1,024 files.
    """
    if not folder.is_dir():
        raise NotFoundError("model folder", folder)
    found = []
    for path in sorted(folder.rglob("*"), key=lambda path: path.relative_to(folder).as_posix()):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            raise InvalidInputError(f"{name} is a link, expected plain files", hint="copy the file")
        if path.is_dir() or any(part.startswith(".") for part in name.split("/")):
            continue
        with file_errors(path), path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        found.append(File(name, path.stat().st_size, "0x" + digest))
        if len(found) > MAX_FILES:
            raise InvalidInputError(f"{folder} holds more than {MAX_FILES:,} files")
    if not found:
        raise InvalidInputError(f"{folder} is empty, expected the files of a model")
    return found


def digest_of(files: Sequence[File]) -> bytes:
    """SHA-256 of the canonical JSON of the list of files: 32 bytes; docs/spec/eval-report.md."""
    listed = [{"path": f.path, "sha256": f.sha256, "size": f.size} for f in files]
    return hashlib.sha256(canonical_json(listed)).digest()
