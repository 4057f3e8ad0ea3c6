"""A proof as a small document that anybody can check. Normative text: docs/spec/proof-file.md."""

from dataclasses import dataclass
from typing import Any

from joynet_sdk.errors import InvalidInputError, VerificationError
from joynet_sdk.formats import canonical_json, parse_canonical_json, parse_hex
from joynet_sdk.proofs import g1
from joynet_sdk.proofs.circuit import Io
from joynet_sdk.proofs.codec import decode as decode_descriptor
from joynet_sdk.proofs.statement import Statement
from joynet_sdk.proofs.transcript import keccak256

FORMAT = "joynet-proof/1"
MAX_FILE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class ProofFile:
    """A proof with all that it takes to check it.

    Attributes:
        statement: What is claimed.
        descriptor: The circuit.
        srs_digest: 32 bytes; the proof's SRS.
        input: The input's bytes, also where a commitment stands for them.
        output: The output's bytes, likewise.
        proof: The prover's bytes.
        receipt: SHA-256 of the receipt that the proof belongs to; None when it belongs to none.
    """

    statement: Statement
    descriptor: bytes
    srs_digest: bytes
    input: bytes
    output: bytes
    proof: bytes
    receipt: bytes | None = None

    @property
    def is_bound(self) -> bool:
        """Whether it was made for a job."""
        return self.statement.job_id != 0

    def encode(self) -> bytes:
        """RFC 8785 JSON.

        Raises:
            InvalidInputError: More than a proof file may have.
        """
        s = self.statement
        raw = canonical_json(
            {
                "format": FORMAT,
                "chainId": str(s.chain_id),
                "verifier": _hex(s.verifier),
                "modelId": _hex(s.model_id),
                "circuitId": _hex(s.circuit_id),
                "weights": _hex(g1.encode(s.weights)),
                "descriptor": _hex(self.descriptor),
                "srsDigest": _hex(self.srs_digest),
                "jobId": str(s.job_id),
                "payee": _hex(s.payee),
                "salt": _hex(s.salt),
                "input": _hex(self.input),
                "inputCommitment": _hex(g1.encode(s.input_commitment)),
                "output": _hex(self.output),
                "outputCommitment": _hex(g1.encode(s.output_commitment)),
                "proof": _hex(self.proof),
                "receipt": None if self.receipt is None else _hex(self.receipt),
            }
        )
        if len(raw) > MAX_FILE_BYTES:
            raise InvalidInputError(
                f"the proof file would have {len(raw):,} bytes, expected <= 1 MiB",
                hint="its input and output are too long",
            )
        return raw

    @classmethod
    def decode(cls, raw: bytes) -> "ProofFile":
        """Read a proof file.

        Raises:
            VerificationError: Not the canonical bytes of a proof file, or a point off the curve.
        """
        if len(raw) > MAX_FILE_BYTES:
            raise VerificationError(f"the proof file has {len(raw)} bytes, expected <= 1 MiB")
        document = parse_canonical_json(raw)
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            raise VerificationError(f"not a proof file: expected format {FORMAT!r}")
        try:
            return cls._read(document)
        except (InvalidInputError, KeyError, TypeError, ValueError) as error:
            raise VerificationError(f"not a proof file: {error}") from None

    @classmethod
    def _read(cls, document: dict[str, Any]) -> "ProofFile":
        def take(name: str, size: int | None) -> bytes:
            return parse_hex(document.pop(name), size, name)

        document.pop("format")
        descriptor = take("descriptor", None)
        given, output = take("input", None), take("output", None)
        points = {
            name: g1.decode(take(name, 64))
            for name in ("weights", "inputCommitment", "outputCommitment")
        }
        # not by the commitment: the identity commits to zeros
        circuit = decode_descriptor(descriptor)
        committed = {
            "input": circuit.input.kind is Io.COMMITTED,
            "output": circuit.output.kind is Io.COMMITTED,
        }
        statement = Statement(
            chain_id=_number(document.pop("chainId")),
            verifier=take("verifier", 20),
            model_id=take("modelId", 32),
            circuit_id=take("circuitId", 32),
            weights=points["weights"],
            descriptor_hash=keccak256(descriptor),
            job_id=_number(document.pop("jobId")),
            payee=take("payee", 20),
            salt=take("salt", 32),
            input=b"" if committed["input"] else given,
            output=b"" if committed["output"] else output,
            input_commitment=points["inputCommitment"],
            output_commitment=points["outputCommitment"],
        )
        receipt = document.pop("receipt")
        file = cls(
            statement,
            descriptor,
            take("srsDigest", 32),
            given,
            output,
            take("proof", None),
            None if receipt is None else parse_hex(receipt, 32, "receipt"),
        )
        if document:
            raise InvalidInputError(f"unknown fields {sorted(document)}")
        return file


def _hex(data: bytes) -> str:
    return "0x" + data.hex()


def _number(text: Any) -> int:
    if (
        not isinstance(text, str)
        or not text.isascii()
        or not text.isdigit()
        or str(int(text)) != text
    ):
        raise InvalidInputError(f"number {text!r:.80}, expected a decimal string")
    return int(text)
