"""The smoke gate: is this model fit to be published, or garbage?

It answers no more than that. A model that passes may still be poor; `eval run` measures how good
it is. Format of the record: docs/spec/eval-report.md.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from joynet_sdk.errors import NotFoundError, VerificationError
from joynet_sdk.evaluation.files import digest_of, files_of
from joynet_sdk.evaluation.report import Digest, Number, Text, decimal_text
from joynet_sdk.formats import canonical_json, parse_canonical_json
from joynet_sdk.paths import atomic_write, file_errors

MAX_SMOKE_BYTES = 256 * 1024


class SmokeGate(Protocol):
    """What publishing a built model asks; `evaluation.service.Evaluation` in use."""

    def smoke(self, model: Path, parents: Sequence[Path], task: str | None = None) -> "SmokeRecord":
        """Check a built model against its parents and write the record beside its folder.

        Args:
            model: Folder of the model.
            parents: Folders of the models it was made from; none are needed, but less is known.
            task: A task of `joynet eval tasks`, or a JSONL file, to measure all of them on.

        Returns:
            The record, passed or not; `require` raises.
        """
        ...


@dataclass(frozen=True, slots=True)
class Limits:
    """What is too bad. Shares and correlations are within [0, 1].

    Attributes:
        same_class: Share of answers in one class, where the parents stay 10 points below it.
        same_vector: Mean cosine of vectors of different texts, likewise 5 points.
        likeness: Least rank correlation of the pairwise distances between answers with those of
            one parent at least: Kriegeskorte et al. 2008, representational similarity.
        accuracy_loss: Below the parents' mean; likewise of Spearman's correlation.
        perplexity_ratio: To the parents' geometric mean; likewise of the squared error.
        repetition: Share of repeated 3-grams in generated text, where the parents stay 20 points
            below it.
    """

    same_class: float = 0.98
    same_vector: float = 0.99
    likeness: float = 0.2
    accuracy_loss: float = 0.1
    perplexity_ratio: float = 1.5
    repetition: float = 0.6


LIMITS = Limits()


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Check(_Part):
    """One check; `reason` says what was measured and what was expected."""

    name: Text
    is_passed: bool
    reason: Annotated[str, Field(max_length=2000)]


class SmokeRecord(_Part):
    """The verdict over one build, bound to the files of the model and of its parents."""

    format: Literal["joynet-smoke/1"] = "joynet-smoke/1"
    model: Digest
    parents: Annotated[list[Digest], Field(max_length=64)]
    task: Text | None
    data: Digest
    checks: Annotated[list[Check], Field(min_length=1, max_length=32)]
    limits: dict[Text, Number]
    version: Text

    @property
    def is_passed(self) -> bool:
        """Whether every check passed."""
        return all(check.is_passed for check in self.checks)

    @property
    def reasons(self) -> list[str]:
        """What failed, in words."""
        return [f"{check.name}: {check.reason}" for check in self.checks if not check.is_passed]

    def encode(self) -> bytes:
        """Canonical JSON."""
        return canonical_json(self.model_dump())

    def require(self) -> None:
        """Refuse a model that did not pass.

        Raises:
            VerificationError: With every reason.
        """
        if not self.is_passed:
            raise VerificationError(
                f"the smoke gate refuses the model: {'; '.join(self.reasons)}",
                hint="joynet fuse test shows it beside its parents; other parameters may do",
            )


def limits_text(limits: Limits = LIMITS) -> dict[str, str]:
    """The limits as the record holds them."""
    return {name: decimal_text(value) for name, value in asdict(limits).items()}


def smoke_path(folder: Path) -> Path:
    """Where the record of a model's folder lies: beside it, so that it is no part of the model."""
    folder = folder.resolve()
    return folder.with_name(f"{folder.name}.smoke.json")


def write_record(folder: Path, record: SmokeRecord) -> Path:
    """Write the record of a folder; returns its path."""
    path = smoke_path(folder)
    atomic_write(path, record.encode(), mode=0o644)
    return path


def decode_record(data: bytes) -> SmokeRecord:
    """Read a record strictly.

    Raises:
        VerificationError: Not one.
    """
    if len(data) > MAX_SMOKE_BYTES:
        raise VerificationError(f"smoke record has {len(data)} bytes, expected <= 256 KiB")
    document = parse_canonical_json(data)
    try:
        return SmokeRecord.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise VerificationError(f"smoke record: {where}: {first['msg']}") from None


def require_record(model: Path, parents: Sequence[Path]) -> SmokeRecord:
    """The passed record of a model exactly as it lies there now, made from exactly these parents.

    What `fuse publish` calls before anything is stored or paid.

    Args:
        parents: Folders, in any order.

    Raises:
        NotFoundError: The model was never checked.
        VerificationError: It did not pass, or a file of it or of a parent is another one now.
    """
    path = smoke_path(model)
    try:
        with file_errors(path), path.open("rb") as file:
            record = decode_record(file.read(MAX_SMOKE_BYTES + 1))
    except FileNotFoundError:
        raise NotFoundError("smoke record", path, hint=f"joynet fuse test {model}") from None
    again = f"joynet fuse test {model}"
    if record.model != folder_digest(model):
        raise VerificationError(f"{model} has changed since it was checked", hint=again)
    if record.parents != sorted(map(folder_digest, parents)):
        raise VerificationError(f"{model} was checked against other parents", hint=again)
    record.require()
    return record


def folder_digest(folder: Path) -> str:
    """`files.digest_of` a folder, 0x + 64 hex digits."""
    return "0x" + digest_of(files_of(folder)).hex()
