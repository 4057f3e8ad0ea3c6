"""The proof file: what decodes is canonical, whole, and nothing in it is without meaning."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from joynet_sdk.errors import InvalidInputError, VerificationError
from joynet_sdk.formats import canonical_json
from joynet_sdk.proofs.prooffile import MAX_FILE_BYTES, ProofFile

from .forging import SRS_DIGEST, honest


@cache
def made() -> ProofFile:
    case, proof = honest()
    statement = case.statement
    return ProofFile(
        statement, case.compiled.descriptor, SRS_DIGEST, statement.input, statement.output, proof
    )


@cache
def raw_file() -> bytes:
    return made().encode()


def test_what_is_written_is_read() -> None:
    file = made()
    assert ProofFile.decode(file.encode()) == file
    bound = replace(file, receipt=b"\x5a" * 32)
    assert ProofFile.decode(bound.encode()) == bound


def test_every_byte_counts() -> None:
    """Another byte anywhere is no proof file, or another one: nothing is ignored."""
    raw, file = raw_file(), made()
    for at, byte in enumerate(raw):
        changed = bytearray(raw)
        changed[at] = ord("1") if byte == ord("0") else ord("0")
        try:
            other = ProofFile.decode(bytes(changed))
        except VerificationError:
            continue
        assert other != file, raw[max(at - 40, 0) : at + 1]
        assert other.encode() == changed


@pytest.mark.parametrize("size", [0, 1, 2, 40, 5000, -1])
def test_truncated_files_are_refused(size: int) -> None:
    with pytest.raises(VerificationError):
        ProofFile.decode(raw_file()[:size])


@pytest.mark.parametrize(
    "raw",
    [
        b"\xff\xfe",
        b"null",
        b"[]",
        b'"joynet-proof/1"',
        b"{}",
        b'{"format":"joynet-proof/1"}',
        b'{"format":"joynet-proof/2"}',
        b'{"format":["joynet-proof/1"]}',
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b"1" * 10_000,
        b'{"format":NaN}',
        b'{"format":"\\ud800"}',
        b" " * (MAX_FILE_BYTES + 1),
    ],
    ids=lambda raw: f"{raw[:24]!r}",
)
def test_bytes_that_are_no_proof_file(raw: bytes) -> None:
    with pytest.raises(VerificationError):
        ProofFile.decode(raw)


@pytest.mark.parametrize(
    "change",
    [
        lambda raw: raw + b"\n",
        lambda raw: b" " + raw,
        lambda raw: b"\xef\xbb\xbf" + raw,
        lambda raw: raw.replace(b'":"', b'": "', 1),
        lambda raw: raw[:-1] + b',"format":"joynet-proof/1"}',
        lambda raw: json.dumps(dict(reversed(json.loads(raw).items())), separators=(",", ":")),
        lambda raw: raw.replace(b"0x", b"0X", 1),
    ],
    ids=["newline", "space", "byte order mark", "inner space", "twice", "order", "0X"],
)
def test_same_document_in_other_bytes(change: Callable[[bytes], bytes | str]) -> None:
    changed = change(raw_file())
    with pytest.raises(VerificationError):
        ProofFile.decode(changed if isinstance(changed, bytes) else changed.encode())


FIELDS = [
    *("format", "chainId", "verifier", "modelId", "circuitId", "weights", "descriptor"),
    *("srsDigest", "jobId", "payee", "salt", "input", "inputCommitment"),
    *("output", "outputCommitment", "proof", "receipt"),
]
NOTHINGS: list[Any] = [None, True, 0, 1, "", "0x", "0X00", "0x0", "0xzz", [], {}, ["0x00"]]


@pytest.mark.parametrize("name", FIELDS)
def test_fields_of_another_kind_or_missing(name: str) -> None:
    assert set(json.loads(raw_file())) == set(FIELDS)
    refused({}, without=name)
    emptied = {"input", "output", "proof"}  # any length here: the verifier compares
    for value in NOTHINGS:
        if (value == "0x" and name in emptied) or (value is None and name == "receipt"):
            continue
        refused({name: value})


@pytest.mark.parametrize("name", ["chainId", "jobId"])
@pytest.mark.parametrize("text", ["-1", "01", "1.0", "1e3", "٣", " 1", str(1 << 256), "9" * 5000])
def test_numbers_are_decimal_uint256(name: str, text: str) -> None:
    refused({name: text})


@pytest.mark.parametrize("name", ["weights", "inputCommitment", "outputCommitment"])
def test_points_are_on_the_curve(name: str) -> None:
    for x, y in ((1, 1), (0, 3), ((1 << 256) - 1, 2)):
        point = "0x" + x.to_bytes(32).hex() + y.to_bytes(32).hex()
        refused({name: point})


def test_unknown_fields_are_refused() -> None:
    assert "unknown fields ['more']" in refused({"more": "0x"})


def test_too_long_a_file_is_not_written() -> None:
    with pytest.raises(InvalidInputError, match=r"expected <= 1 MiB"):
        replace(made(), input=bytes(MAX_FILE_BYTES // 2)).encode()


def refused(changes: dict[str, Any], without: str = "") -> str:
    """Why a document with changes, and without one field, is no proof file."""
    document = json.loads(raw_file()) | changes
    document.pop(without, None)
    with pytest.raises(VerificationError) as caught:
        ProofFile.decode(canonical_json(document))
    return str(caught.value)
