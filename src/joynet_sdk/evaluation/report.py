"""`EvalReport`: what was measured, how, on what; signed by whoever measured it.

Format: docs/spec/eval-report.md. Canonical JSON without floats: numbers are decimal strings.
"""

import hashlib
import math
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from joynet_sdk.errors import InvalidInputError, VerificationError
from joynet_sdk.evaluation.items import MAX_ITEMS
from joynet_sdk.evaluation.metrics import Outcomes, value_of
from joynet_sdk.formats import canonical_json, parse_canonical_json, parse_hex
from joynet_sdk.receipts import Signer, check_signature_form
from joynet_sdk.types import Address

MAX_REPORT_BYTES = 16 * 1024 * 1024
UNKNOWN = (
    "that the measurement was made at all: the signer vouches for it, nothing proves it",
    "that the model had not seen these examples before",
    "that the machine, the versions and the time are as stated",
    "how the model does on any other data",
)
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,400})?")


def decimal_text(value: float) -> str:
    """Nine significant digits without an exponent; infinity, which few items give, is "inf".

    Raises:
        VerificationError: NaN.
    """
    if math.isnan(value):
        raise VerificationError("a metric is NaN: the model's numbers mean nothing")
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    text = format(Decimal(format(value, ".9g")), "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _is_decimal(text: str) -> str:
    if text not in ("inf", "-inf") and not _DECIMAL.fullmatch(text):
        raise ValueError(f"{text[:40]!r}, expected a decimal number without exponent")
    return text


def _is_digest(text: str) -> str:
    parse_hex(text, 32, "digest")
    return text


Number = Annotated[str, AfterValidator(_is_decimal), Field(max_length=440)]
Finite = Annotated[Number, Field(pattern=r"[0-9]$")]
Digest = Annotated[str, AfterValidator(_is_digest)]
Text = Annotated[str, Field(max_length=512)]
Count = Annotated[int, Field(ge=0, le=2**53 - 1)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class TaskPart(_Part):
    """Which examples; `data` is `Dataset.digest`."""

    name: Text
    kind: Literal["classify", "regress", "similarity", "perplexity"]
    split: Literal["test", "train", "all"]
    source: Text
    seed: Count
    limit: Count | None
    items: Annotated[int, Field(ge=1, le=MAX_ITEMS)]
    labels: Annotated[list[Text], Field(max_length=1024)]
    data: Digest


class FilePart(_Part):
    """One file of the model."""

    path: Annotated[str, Field(max_length=1024)]
    size: Count
    sha256: Digest


class ModelPart(_Part):
    """Which model: `digest` over its files where they were read, `model_id` where published."""

    ref: Text
    model_id: Digest | None
    digest: Digest | None
    files: Annotated[list[FilePart], Field(max_length=1024)]
    profile: Text
    dtype: Text
    is_remote: bool


class SettingsPart(_Part):
    """What was asked for: equal settings make reports comparable."""

    seed: Count
    batch_size: Annotated[int, Field(ge=1, le=4096)]
    dtype: Literal["profile", "float32", "bfloat16", "float16"]


class MetricPart(_Part):
    """One number; see `metrics.Metric`."""

    name: Text
    value: Number
    stderr: Number
    low: Number
    high: Number
    items: Count
    method: Literal["binomial", "bootstrap", "mean"]


class OutcomesPart(_Part):
    """One entry an item, in the data's order; see `metrics.Outcomes`."""

    expected: Annotated[list[Finite], Field(max_length=MAX_ITEMS)]
    predicted: Annotated[list[Finite], Field(max_length=MAX_ITEMS)]


class WorkPart(_Part):
    """What it took; `paid` is wei of JOY."""

    answers: Count
    from_cache: Count
    paid: Annotated[str, Field(pattern=r"^(0|[1-9][0-9]{0,77})$")]
    seconds: Number


class EvalReport(_Part):
    """A finished evaluation."""

    version: Literal[1] = 1
    evaluator: Annotated[str, Field(pattern=r"^0x[0-9a-fA-F]{40}$")] | None
    task: TaskPart
    model: ModelPart
    settings: SettingsPart
    metrics: Annotated[list[MetricPart], Field(min_length=1, max_length=16)]
    classes: Annotated[list[MetricPart], Field(max_length=1024)]
    outcomes: OutcomesPart
    work: WorkPart
    machine: Text
    versions: dict[Text, Text]
    time: Count

    def encode(self) -> bytes:
        """Canonical JSON."""
        return canonical_json(self.model_dump())

    @property
    def digest(self) -> bytes:
        """SHA-256 of the canonical JSON: 32 bytes."""
        return hashlib.sha256(self.encode()).digest()

    @property
    def metric(self) -> MetricPart:
        """The primary metric."""
        return self.metrics[0]

    @property
    def model_digest(self) -> bytes:
        """What names the model in the signature: its id where it has one, else its files'."""
        return bytes.fromhex((self.model.model_id or self.model.digest or "0x")[2:])


_FIELDS = {
    "version": "uint256",
    "evaluator": "address",
    "model": "bytes32",
    "data": "bytes32",
    "report": "bytes32",
    "time": "uint256",
}


def _typed_data(report: EvalReport) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """EIP-712 domain, types and values. No chain is in the domain: a report is about no chain."""
    types = {"EvalReport": [{"name": key, "type": kind} for key, kind in _FIELDS.items()]}
    values = {
        "version": report.version,
        "evaluator": report.evaluator,
        "model": report.model_digest,
        "data": bytes.fromhex(report.task.data[2:]),
        "report": report.digest,
        "time": report.time,
    }
    return {"name": "JoyNet", "version": "1"}, types, values


@dataclass(frozen=True)
class ReportFile:
    """A report and its signature; None for one that was not signed."""

    report: EvalReport
    signature: bytes | None

    def encode(self) -> bytes:
        """Canonical JSON, no trailing newline."""
        signature = None if self.signature is None else "0x" + self.signature.hex()
        return canonical_json({"report": self.report.model_dump(), "signature": signature})

    def verify(self) -> None:
        """Check that the evaluator signed exactly this report, and that it agrees with itself.

        Raises:
            VerificationError: Not signed, signed by another key, a malleable signature, or a
                primary metric that does not follow from the outcomes.
        """
        if self.signature is None or self.report.evaluator is None:
            raise VerificationError(
                "the report is not signed", hint="joynet eval run without --unsigned"
            )
        signer = _recover(self.report, self.signature)
        if signer != self.report.evaluator:
            raise VerificationError(f"signed by {signer}, expected {self.report.evaluator}")
        stated, found = float(self.report.metric.value), value_of(outcomes_in(self.report))
        if not math.isclose(stated, found, rel_tol=1e-6, abs_tol=1e-9):
            raise VerificationError(
                f"{self.report.metric.name} is stated as {stated:.6g}, "
                f"the outcomes give {found:.6g}"
            )


def outcomes_in(report: EvalReport) -> Outcomes:
    """A report's outcomes as numbers."""
    return Outcomes(
        report.task.kind,
        np.array([float(text) for text in report.outcomes.expected]),
        np.array([float(text) for text in report.outcomes.predicted]),
    )


def sign(report: EvalReport, signer: Signer) -> ReportFile:
    """Sign a report whose evaluator is the signer's address."""
    if report.evaluator != signer.address:
        raise InvalidInputError(f"the report's evaluator is {report.evaluator}, not the signer")
    return ReportFile(report, signer.sign_typed_data(*_typed_data(report)))


def _recover(report: EvalReport, signature: bytes) -> Address:
    from eth_account import Account
    from eth_account.messages import encode_typed_data
    from eth_keys.exceptions import BadSignature

    check_signature_form(signature)
    try:
        message = encode_typed_data(*_typed_data(report))
        return Address(Account.recover_message(message, signature=signature))
    except (BadSignature, ValueError):
        raise VerificationError(f"signature 0x{signature.hex()} belongs to no key") from None


def decode_report_file(data: bytes) -> ReportFile:
    """Read a report file strictly; `verify` is a second step.

    Raises:
        VerificationError: Too long, not canonical, a field missing, unknown or malformed, or
            numbers of outcomes that do not match.
    """
    if len(data) > MAX_REPORT_BYTES:
        raise VerificationError(f"report has {len(data)} bytes, expected at most 16 MiB")
    document = parse_canonical_json(data)
    if not isinstance(document, dict) or set(document) != {"report", "signature"}:
        raise VerificationError("expected an object with the keys report and signature")
    try:
        report = EvalReport.model_validate(document["report"])
        text = document["signature"]
        signature = None if text is None else parse_hex(str(text), 65, "signature")
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise VerificationError(f"report: {where}: {first['msg']}") from None
    except InvalidInputError as error:
        raise VerificationError(f"report: {error}") from None
    _check(report)
    return ReportFile(report, signature)


def _check(report: EvalReport) -> None:
    counts = {len(report.outcomes.expected), len(report.outcomes.predicted), report.task.items}
    if len(counts) != 1:
        raise VerificationError(f"report: {sorted(counts)} items and outcomes, expected as many")
    if report.model.model_id is None and report.model.digest is None:
        raise VerificationError("report: the model has neither an id nor a digest")
    if report.evaluator is not None:
        from eth_utils.address import is_checksum_address

        if not is_checksum_address(report.evaluator):
            raise VerificationError(f"report: evaluator {report.evaluator} is not EIP-55")
