"""What a build leaves beside its folder: the spec as it was built, and from which parents."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from joynet_sdk.errors import InvalidInputError, NotFoundError, VerificationError
from joynet_sdk.formats import canonical_json, parse_canonical_json, parse_hex
from joynet_sdk.fusion.spec import WeightsSpec, validate
from joynet_sdk.paths import atomic_write, file_errors

FORMAT = "joynet-build/1"
MAX_RECORD_BYTES = 1024 * 1024


class Origin(NamedTuple):
    """Where a parent was found.

    Attributes:
        model_id: 32 bytes of a published model, or None for a folder that is not.
        folder: Its files, at the time of the build.
    """

    model_id: bytes | None
    folder: Path


class BuildRecord(NamedTuple):
    """How a folder was built.

    Attributes:
        spec: As it was built, with the names that its writer used.
        parents: By these names.
        plan: 32 bytes: digest of the plan.
    """

    spec: WeightsSpec
    parents: Mapping[str, Origin]
    plan: bytes

    def encode(self) -> bytes:
        """Canonical JSON."""
        parents = {
            name: {
                "model": None if origin.model_id is None else "0x" + origin.model_id.hex(),
                "folder": str(origin.folder),
            }
            for name, origin in self.parents.items()
        }
        spec = parse_canonical_json(self.spec.encode())
        plan = "0x" + self.plan.hex()
        return canonical_json({"format": FORMAT, "spec": spec, "parents": parents, "plan": plan})


def record_path(folder: Path) -> Path:
    """Where the record of a folder lies: beside it, so that it is no part of the model."""
    folder = folder.resolve()
    return folder.with_name(f"{folder.name}.fusion.json")


def write_record(folder: Path, record: BuildRecord) -> None:
    """Write the record of a folder."""
    atomic_write(record_path(folder), record.encode(), mode=0o644)


def read_record(folder: Path) -> BuildRecord:
    """The record of a folder that `fuse build` made.

    Raises:
        NotFoundError: There is none.
        InvalidInputError: It is broken.
    """
    path = record_path(folder)
    try:
        with file_errors(path), path.open("rb") as file:
            data = file.read(MAX_RECORD_BYTES + 1)
    except FileNotFoundError:
        raise NotFoundError("build record", path, hint="joynet fuse build SPEC --out DIR") from None
    try:
        return _decode(data)
    except (VerificationError, KeyError, TypeError, AttributeError) as error:
        raise InvalidInputError(f"{path}: {error!s:.200}, expected what fuse build wrote") from None


def _decode(data: bytes) -> BuildRecord:
    if len(data) > MAX_RECORD_BYTES:
        raise VerificationError(f"more than {MAX_RECORD_BYTES} bytes")
    document: dict[str, Any] = parse_canonical_json(data)
    if document["format"] != FORMAT:
        raise VerificationError(f"format {document['format']!r:.40}")
    spec = validate(document["spec"])
    if not isinstance(spec, WeightsSpec):
        raise VerificationError("its spec is no merge of weights")
    parents = {
        name: Origin(
            None if entry["model"] is None else parse_hex(entry["model"], 32, "parent"),
            Path(entry["folder"]),
        )
        for name, entry in document["parents"].items()
    }
    return BuildRecord(spec, parents, parse_hex(document["plan"], 32, "plan"))
