"""Values that cross layer boundaries. Frozen, comparable, free of I/O."""

from dataclasses import dataclass
from typing import NewType

JoyWei = NewType("JoyWei", int)  # JOY base units: 10**18 of them make 1 JOY
Address = NewType("Address", str)  # EIP-55 checksummed
ModelId = NewType("ModelId", bytes)  # 32 bytes: SHA-256 of a manifest's canonical JSON
# Of managed development chains: a new one at random at every reset, so that nothing is replayed.
DEVELOPMENT_CHAIN_IDS = range(412_346_000, 412_347_000)

Point = tuple[int, int]  # affine BN254 G1; (0, 0) is the identity


@dataclass(frozen=True, slots=True)
class CircuitInfo:
    """What a model's circuit says about itself (docs/spec/proof.md).

    Attributes:
        circuit_id: 32 bytes, recomputed from the model's files.
        input_kind: 0 packed int8, 1 committed, 2 token ids.
        input_size: Bytes of an input.
        output_size: Bytes of an output; above 256 a commitment stands for them.
    """

    circuit_id: bytes
    input_kind: int
    input_size: int
    output_size: int


@dataclass(frozen=True, slots=True)
class ProofRequest:
    """What a proof is to be about, as far as the prover cannot know it itself.

    Attributes:
        verifier: The InferenceVerifier that will check it.
        job_id: As in the statement; 0 for no job.
        payee: Whom the job pays.
        salt: 32 bytes.
        input: The input bytes, also where a commitment stands for them.
    """

    chain_id: int
    verifier: Address
    model_id: bytes
    circuit_id: bytes
    job_id: int
    payee: Address
    salt: bytes
    input: bytes


@dataclass(frozen=True, slots=True)
class ProofAnswer:
    """An output and the proof of it.

    Attributes:
        output_commitment: (0, 0) for an output of at most 256 bytes.
        proof: As `InferenceVerifier.verify` takes it.
    """

    output: bytes
    output_commitment: Point
    proof: bytes


@dataclass(frozen=True, slots=True)
class PostedProof:
    """A proof that a job was answered with, as the chain has it.

    Attributes:
        request: What it is about.
        descriptor: The registered circuit.
        weights: C_W.
        srs_digest: 32 bytes, of the verifier's SRS.
        input_commitment: (0, 0) for a packed input.
        answer: Output and proof.
    """

    request: ProofRequest
    descriptor: bytes
    weights: Point
    srs_digest: bytes
    input_commitment: Point
    answer: ProofAnswer


@dataclass(frozen=True, slots=True)
class CircuitRegistration:
    """What the publisher hands to `InferenceVerifier.register`.

    Attributes:
        commitment: C_W.
        attestation: Descriptor of the registration circuit.
        proof: Its proof: every weight is in range, padding is zero.
    """

    circuit_id: bytes
    descriptor: bytes
    commitment: Point
    attestation: bytes
    proof: bytes
