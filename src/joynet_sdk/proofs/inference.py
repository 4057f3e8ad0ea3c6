"""Proofs of inference for the SDK: prove, check, compare, estimate."""

import secrets
from collections.abc import Sequence
from math import prod
from pathlib import Path

import numpy as np

from joynet_sdk.errors import InvalidInputError, VerificationError
from joynet_sdk.paths import Home
from joynet_sdk.progress import stage
from joynet_sdk.proofs import g1
from joynet_sdk.proofs.circuit import Circuit, Group, Io, IoShape
from joynet_sdk.proofs.codec import decode
from joynet_sdk.proofs.compiler.layout import Integers, pad
from joynet_sdk.proofs.estimate import Estimate, estimate
from joynet_sdk.proofs.keys import CircuitKey, Workshop
from joynet_sdk.proofs.prooffile import ProofFile
from joynet_sdk.proofs.statement import Statement, circuit_id
from joynet_sdk.proofs.transcript import keccak256
from joynet_sdk.proofs.verifier import verify
from joynet_sdk.qmodel.model import Input
from joynet_sdk.types import (
    Address,
    CircuitInfo,
    CircuitRegistration,
    Point,
    PostedProof,
    ProofAnswer,
    ProofRequest,
)

STAGE_TEXTS = {
    "advice": "committing to the model's integers",
    "inverses": "committing to the lookups",
    "relations": "proving every relation",
    "claims": "evaluating the claims",
    "reduction": "reducing them to one point",
    "opening": "opening the commitments",
}


class InferenceProver:
    """Proves integer models on this machine; `inference.prover.Prover` in use.

    Args:
        home: Where SRS and caches lie.
        srs_digest: Which SRS; None for the common development one.
        device: OpenCL device; None for the best one.
    """

    def __init__(
        self, home: Home, *, srs_digest: bytes | None = None, device: str | None = None
    ) -> None:
        self.workshop = Workshop(home, srs_digest=srs_digest, device=device)

    def circuit(self, model: Path) -> CircuitInfo:
        """Compile a model's circuit."""
        key = self.workshop.key(model)
        circuit = key.compiled.circuit
        return CircuitInfo(
            key.circuit_id,
            int(circuit.input.kind),
            key.compiled.model.input_size * key.compiled.model.input.dtype.itemsize,
            key.compiled.model.output_size,
        )

    def input_of(self, model: Path) -> Input:
        """What a model reads."""
        return self.workshop.load(model)[1].input

    def estimate(self, model: Path, batch: int = 1) -> Estimate:
        """What a proof of a model will take on this device, for `batch` inputs."""
        key = self.workshop.key(model, batch=batch)
        return estimate(key.compiled, self.workshop.msm(key.compiled.circuit.variables))

    def commit(self, shape: Sequence[int], data: bytes) -> Point:
        """The commitment to an int8 tensor, its sides padded.

        Raises:
            InvalidInputError: Another length than the shape's.
        """
        return self.workshop.commit(_padded(shape, data))

    def prove(self, model: Path, request: ProofRequest) -> ProofAnswer:
        """Run the model and prove its output, for a job.

        Raises:
            VerificationError: The request names another circuit than the model's.
        """
        made = self.prove_for(model, request)
        return ProofAnswer(made.output, made.statement.output_commitment, made.proof)

    def prove_for(self, model: Path, request: ProofRequest) -> ProofFile:
        """The same as a proof file.

        Raises:
            VerificationError: The request names another circuit than the model's.
        """
        key = self.workshop.key(model)
        if request.circuit_id != key.circuit_id:
            raise VerificationError(
                f"the job is for circuit 0x{request.circuit_id.hex()[:16]}.., the model's is "
                f"0x{key.circuit_id.hex()[:16]}.."
            )
        return self._prove(key, request)

    def prove_offline(self, model: Path, model_id: bytes, data: bytes, batch: int = 1) -> ProofFile:
        """A proof that is bound to no job: job 0, nobody paid, a salt of its own.

        Args:
            data: The inputs of the batch, one after the other.

        Raises:
            InvalidInputError: The input is not the model's, or a batch of it cannot be proved.
        """
        key = self.workshop.key(model, batch=batch)
        _check_dense(key)
        request = ProofRequest(
            chain_id=0,
            verifier=_NOBODY,
            model_id=model_id,
            circuit_id=key.circuit_id,
            job_id=0,
            payee=_NOBODY,
            salt=secrets.token_bytes(32),
            input=data,
        )
        return self._prove(key, request)

    def registration(
        self, model: Path, model_id: bytes, publisher: str, verifier: str, chain_id: int
    ) -> CircuitRegistration:
        """What `InferenceVerifier.register` takes, the attestation proved for it alone.

        Args:
            publisher: Who will send it; the proof is nobody else's.
            verifier: The InferenceVerifier.

        Raises:
            InvalidInputError: The model cannot be proved; says which part.
        """
        key, shop = self.workshop.key(model, fresh=True), self.workshop
        attestation = key.attestation.descriptor
        statement = Statement(
            chain_id=chain_id,
            verifier=_address(verifier),
            model_id=model_id,
            circuit_id=circuit_id(key.weights, attestation, shop.srs_digest),
            weights=key.weights,
            descriptor_hash=keccak256(attestation),
            job_id=0,
            payee=_address(publisher),
            salt=key.descriptor_hash,
            input=ZERO_BYTE,
            output=ZERO_BYTE,
        )
        proof = shop.prove_attestation(key, statement, lambda name: stage(STAGE_TEXTS[name]))
        return CircuitRegistration(
            key.circuit_id, key.compiled.descriptor, key.weights, attestation, proof
        )

    def file_of(self, posted: PostedProof) -> ProofFile:
        """The proof file of a job, from what the chain has of it; not checked."""
        request, answer = posted.request, posted.answer
        circuit = decode(posted.descriptor)
        is_committed = circuit.input.kind is Io.COMMITTED, circuit.output.kind is Io.COMMITTED
        statement = Statement(
            chain_id=request.chain_id,
            verifier=_address(request.verifier),
            model_id=request.model_id,
            circuit_id=request.circuit_id,
            weights=posted.weights,
            descriptor_hash=keccak256(posted.descriptor),
            job_id=request.job_id,
            payee=_address(request.payee),
            salt=request.salt,
            input=b"" if is_committed[0] else request.input,
            output=b"" if is_committed[1] else answer.output,
            input_commitment=posted.input_commitment if is_committed[0] else g1.IDENTITY,
            output_commitment=answer.output_commitment if is_committed[1] else g1.IDENTITY,
        )
        return ProofFile(
            statement,
            posted.descriptor,
            posted.srs_digest,
            request.input,
            answer.output,
            answer.proof,
        )

    def _prove(self, key: CircuitKey, request: ProofRequest) -> ProofFile:
        stage("running the model")
        shop, circuit = self.workshop, key.compiled.circuit
        witness = shop.witness(key, request.input)
        statement = Statement(
            chain_id=request.chain_id,
            verifier=_address(request.verifier),
            model_id=request.model_id,
            circuit_id=key.circuit_id,
            weights=key.weights,
            descriptor_hash=key.descriptor_hash,
            job_id=request.job_id,
            payee=_address(request.payee),
            salt=request.salt,
            input=witness.input,
            output=witness.output,
            input_commitment=shop.commit_public(witness, Group.X),
            output_commitment=shop.commit_public(witness, Group.Y),
        )
        proof = shop.prove(key, statement, witness, lambda name: stage(STAGE_TEXTS[name]))
        output = witness.output or _dense(circuit.output, witness.public[Group.Y])
        given = witness.input or request.input
        return ProofFile(statement, key.compiled.descriptor, shop.srs_digest, given, output, proof)

    def check(self, file: ProofFile) -> None:
        """Check a proof file: the proof, and that input and output are those of the statement.

        That the circuit is the model's is another question: `compare`, or the chain.

        Raises:
            VerificationError: Something is wrong; says what.
            ConfigError: It is for a chain where anybody can forge proofs under its SRS.
        """
        statement, circuit = file.statement, decode(file.descriptor)
        if statement.chain_id:
            self.workshop.store.require_chain(file.srs_digest, statement.chain_id)
        if circuit_id(statement.weights, file.descriptor, file.srs_digest) != statement.circuit_id:
            raise VerificationError("the circuit id is not that of descriptor, weights and SRS")
        self._check_public(circuit, file)
        opening = self.workshop.store.verifier(file.srs_digest)
        try:
            verify(file.descriptor, statement, file.proof, opening)
        except InvalidInputError as error:  # the descriptor breaks a rule
            raise VerificationError(str(error)) from None

    def compare(self, model: Path, file: ProofFile) -> None:
        """Check that a proof file's circuit is the one of a model, by compiling it again.

        Raises:
            VerificationError: It is another model's.
        """
        given = decode(file.descriptor).input
        batch = max(given.values // self.workshop.load(model)[1].input_size, 1)
        key = self.workshop.key(model, batch=batch, fresh=True)
        if key.circuit_id != file.statement.circuit_id:
            raise VerificationError(
                f"the proof is about circuit 0x{file.statement.circuit_id.hex()[:16]}.., the "
                f"model's is 0x{key.circuit_id.hex()[:16]}.."
            )

    def _check_public(self, circuit: Circuit, file: ProofFile) -> None:
        statement = file.statement
        for name, shape, data, commitment in (
            ("input", circuit.input, file.input, statement.input_commitment),
            ("output", circuit.output, file.output, statement.output_commitment),
        ):
            if shape.kind is not Io.COMMITTED:
                continue
            if len(data) != shape.values:
                raise VerificationError(
                    f"the {name} has {len(data)} bytes, expected {shape.values}"
                )
            if self.commit(shape.dims, data) != commitment:
                raise VerificationError(f"the {name} is not the one that was committed to")


def _check_dense(key: CircuitKey) -> None:
    """A proof file holds tensors without padding, so their dims must be free of it."""
    circuit, model, batch = key.compiled.circuit, key.compiled.model, key.compiled.batch
    for name, shape, size, sides in (
        ("inputs", circuit.input, model.input_size, model.input.shape),
        ("outputs", circuit.output, model.output_size, model.output_shape),
    ):
        if shape.values != batch * size:
            raise InvalidInputError(
                f"{batch} {name} of {list(sides)} have more than three sides that are no powers of "
                "two: they do not fit one proof",
                hint="prove them one by one",
            )


ZERO_BYTE = b"\0"  # input, and output, of a registration circuit
_NOBODY = Address("0x" + "00" * 20)


def _address(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


def _padded(shape: Sequence[int], data: bytes) -> Integers:
    if len(data) != prod(shape):
        raise InvalidInputError(f"{len(data)} bytes, expected {prod(shape)} for {list(shape)}")
    return pad(np.frombuffer(data, np.int8).reshape(tuple(shape))).ravel()


def _dense(shape: IoShape, padded: Integers) -> bytes:
    """The bytes of a committed tensor, without padding."""
    sides = tuple(1 << count for count in reversed(shape.bits))
    inside = tuple(slice(0, size) for size in shape.sizes)
    return padded.reshape(sides)[inside].astype(np.int8).tobytes()
