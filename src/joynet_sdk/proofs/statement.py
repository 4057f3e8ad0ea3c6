"""What a proof claims, and the words it enters the transcript as (docs/spec/proof.md)."""

from dataclasses import dataclass

from joynet_sdk.errors import InvalidInputError
from joynet_sdk.proofs import g1
from joynet_sdk.proofs.circuit import VERSION
from joynet_sdk.proofs.transcript import Transcript, keccak256

DOMAIN = b"JN-PoI/v1\0"
ZERO = bytes(32)


def circuit_id(weights: g1.G1, descriptor: bytes, srs_digest: bytes) -> bytes:
    """keccak256(version, C_W, descriptor hash, SRS digest)."""
    return keccak256(bytes([VERSION]) + g1.encode(weights) + keccak256(descriptor) + srs_digest)


@dataclass(frozen=True, slots=True)
class Statement:
    """One inference, by whom and for which job.

    Attributes:
        chain_id: The chain that pays for it; 0 for a proof that is bound to no chain.
        verifier: 20 bytes, the InferenceVerifier there; zero likewise.
        model_id: 32 bytes.
        circuit_id: 32 bytes, what the model's proofs are checked against.
        weights: C_W.
        descriptor_hash: keccak256 of the descriptor.
        job_id: 0 for no job.
        payee: 20 bytes; zero for nobody.
        salt: 32 bytes, known only after the circuit was registered and the job requested.
        input: Packed input; empty when it is committed.
        output: Packed output; empty when it is committed.
        input_commitment: C_X; the identity when the input is packed.
        output_commitment: C_Y; likewise.
    """

    chain_id: int
    verifier: bytes
    model_id: bytes
    circuit_id: bytes
    weights: g1.G1
    descriptor_hash: bytes
    job_id: int
    payee: bytes
    salt: bytes
    input: bytes
    output: bytes
    input_commitment: g1.G1 = g1.IDENTITY
    output_commitment: g1.G1 = g1.IDENTITY

    def __post_init__(self) -> None:
        sizes = {"verifier": 20, "model_id": 32, "circuit_id": 32, "descriptor_hash": 32}
        for name, size in (sizes | {"payee": 20, "salt": 32}).items():
            value: bytes = getattr(self, name)
            if len(value) != size:
                raise InvalidInputError(f"{name} has {len(value)} bytes, expected {size}")
        for name in ("chain_id", "job_id"):
            if not 0 <= getattr(self, name) < 1 << 256:
                raise InvalidInputError(f"{name} is {getattr(self, name)}, expected a uint256")

    def transcript(self) -> Transcript:
        """A transcript that has absorbed the statement."""
        commitments = g1.encode(self.input_commitment) + g1.encode(self.output_commitment)
        words = (
            self.chain_id.to_bytes(32),
            self.verifier.rjust(32, b"\0"),
            self.model_id,
            self.circuit_id,
            self.job_id.to_bytes(32),
            self.payee.rjust(32, b"\0"),
            self.salt,
            g1.encode(self.weights),
            keccak256(self.input),
            keccak256(self.output),
            keccak256(commitments),
            self.descriptor_hash,
        )
        transcript = Transcript(DOMAIN)
        transcript.absorb(b"stmt", b"".join(words))
        return transcript
