"""Compare a copy of a model with its manifest, file by file."""

import hashlib
from pathlib import Path
from typing import NamedTuple

from joynet_sdk.errors import NotFoundError, VerificationError
from joynet_sdk.formats import Manifest, ManifestFile
from joynet_sdk.storage.exporter import Source
from joynet_sdk.storage.importer import OnBytes, open_regular
from joynet_sdk.storage.manifest import verify_file, verify_root
from joynet_sdk.storage.scan.folder import list_files

_PIECE = 1 << 20


class FileCheck(NamedTuple):
    """One file of a copy.

    Attributes:
        path: As the manifest lists it.
        problem: What differs, or None.
    """

    path: str
    problem: str | None


def check_folder(folder: Path, manifest: Manifest, on_bytes: OnBytes) -> list[FileCheck]:
    """Every listed file, and every file that should not be there; of a sealed model, opened.

    Raises:
        NotFoundError: No such folder.
        InvalidInputError: It holds a symlink or a special file.
    """
    root, found = list_files(folder)
    checks = [_check_copy(root, file, on_bytes) for file in manifest.files]
    extra = sorted(set(found) - {file.path for file in manifest.files})
    return checks + [FileCheck(path, "is not in the manifest") for path in extra]


def _check_copy(root: Path, file: ManifestFile, on_bytes: OnBytes) -> FileCheck:
    path = root / file.path
    if not path.is_file():
        return FileCheck(file.path, "is missing")
    hasher, size = hashlib.sha256(), 0
    with open_regular(path) as stream:
        while piece := stream.read(_PIECE):
            size += len(piece)
            hasher.update(piece)
            on_bytes(piece)
    if size != file.size:
        return FileCheck(file.path, f"has {size} bytes, the manifest says {file.size}")
    if "0x" + hasher.hexdigest() != file.sha256:
        return FileCheck(file.path, f"has SHA-256 0x{hasher.hexdigest()}, expected {file.sha256}")
    return FileCheck(file.path, None)


def check_stored(source: Source, manifest: Manifest, on_bytes: OnBytes) -> list[FileCheck]:
    """Every listed file as it is stored: of a sealed model, the ciphertext.

    Raises:
        VerificationError: The root holds other files than the manifest lists.
    """
    try:
        verify_root(source, manifest)
    except NotFoundError as error:
        return [FileCheck(file.path, str(error)) for file in manifest.files]
    checks = []
    for file in manifest.files:
        try:
            verify_file(source, file, on_bytes)
        except (NotFoundError, VerificationError) as error:
            checks.append(FileCheck(file.path, str(error)))
        else:
            checks.append(FileCheck(file.path, None))
    return checks
