"""Proofs of inference for applications: estimate, prove, verify, check, register."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from joynet_sdk.errors import InvalidInputError, VerificationError
from joynet_sdk.inference.proven import NO_CIRCUIT, VERIFIER, circuit_of, read_proof, srs_digest
from joynet_sdk.ports import Chain, Flows, Run
from joynet_sdk.types import Point, PostedProof

REGISTER = "proof.register"
UNPUBLISHED = bytes(32)
HOW_TO_BIND = "joynet infer run REF INPUT --verify zk, then joynet proof fetch JOB"


class Prover(Protocol):
    """The machine's prover; `proofs.inference.InferenceProver` in use."""

    def estimate(self, model: Path, batch: int = 1) -> Any:
        """What a proof of the model will take, for `batch` inputs."""

    def input_of(self, model: Path) -> Any:
        """What the model reads."""

    def prove_offline(self, model: Path, model_id: bytes, data: bytes, batch: int = 1) -> Any:
        """A proof file that is bound to no job."""

    def check(self, file: Any) -> None:
        """Raise VerificationError unless the proof shows its statement."""

    def compare(self, model: Path, file: Any) -> None:
        """Raise VerificationError unless the proof's circuit is the model's."""

    def circuit(self, model: Path) -> Any:
        """The circuit's id and sizes."""

    def file_of(self, posted: PostedProof) -> Any:
        """The proof file of a job, from what the chain has of it."""

    def registration(
        self, model: Path, model_id: bytes, publisher: str, verifier: str, chain_id: int
    ) -> Any:
        """What the publisher hands in: descriptors, commitment, attestation's proof."""


@dataclass(frozen=True, slots=True)
class Located:
    """A model whose files are here.

    Attributes:
        model_id: 32 bytes; zero for a file that is not published.
        folder: The folder, or the file itself.
    """

    model_id: bytes
    folder: Path


Locate = Callable[[str], Located]


class Proving:
    """Proofs of models by reference.

    Args:
        chain: Asked only for what is on chain.
        open_prover: The prover under an SRS by its digest; None for the development one.
        locate: Finds a model's files by name, CID, id or path.
    """

    def __init__(
        self,
        chain: Callable[[], Chain],
        flows: Flows,
        open_prover: Callable[[bytes | None], Prover],
        locate: Locate,
    ) -> None:
        self._chain, self._flows, self._locate = chain, flows, locate
        self._open_prover = open_prover

    @property
    def _offline(self) -> Prover:
        return self._open_prover(None)

    @property
    def _onchain(self) -> Prover:
        return self._open_prover(srs_digest(self._chain()))

    def estimate(self, ref: str, batch: int = 1) -> Any:
        """Time, memory, size and gas of a proof of `batch` inputs, before any work."""
        return self._offline.estimate(self._locate(ref).folder, batch)

    def input_of(self, ref: str) -> Any:
        """What a model reads: `qmodel.Input`."""
        return self._offline.input_of(self._locate(ref).folder)

    def prove(self, ref: str, data: bytes, batch: int = 1) -> Any:
        """Run a model and prove its output; the file is bound to no job.

        Args:
            data: The input's bytes: int8 values, or u16 token ids, little-endian.
            batch: How many inputs `data` holds, one after the other. Chains know no proofs of
                more than one.
        """
        model = self._locate(ref)
        return self._offline.prove_offline(model.folder, model.model_id, data, batch)

    def verify(self, file: Any, ref: str | None = None) -> None:
        """Check a proof file, and when a model is given, that it is about that model.

        Raises:
            VerificationError: It does not verify; says why.
        """
        prover = self._open_prover(file.srs_digest)
        prover.check(file)
        if ref is None:
            return
        model = self._locate(ref)
        named = file.statement.model_id
        if UNPUBLISHED not in (named, model.model_id) and named != model.model_id:
            raise VerificationError(
                f"the proof names model 0x{named.hex()}, expected 0x{model.model_id.hex()}"
            )
        prover.compare(model.folder, file)

    def verify_onchain(self, file: Any) -> bool:
        """Ask the chain's InferenceVerifier about a proof that was made for it.

        Raises:
            InvalidInputError: The proof is bound to no chain, or to another chain or contract.
        """
        statement = file.statement
        if statement.chain_id == 0:
            raise InvalidInputError("the proof is bound to no chain", hint=HOW_TO_BIND)
        chain = self._chain()
        contract = chain.contract(VERIFIER)
        here = chain.chain_id, contract.address.lower()
        if (statement.chain_id, "0x" + statement.verifier.hex()) != here:
            raise InvalidInputError(
                f"the proof is bound to chain {statement.chain_id} and verifier "
                f"0x{statement.verifier.hex()}, this is chain {here[0]} and {here[1]}",
                hint=HOW_TO_BIND,
            )
        return bool(contract.call("verify", statement_struct(statement), file.proof))

    def fetch(self, job_id: int) -> Any:
        """The proof of an answered job, from the chain; not checked.

        Raises:
            NotFoundError: No such job.
            UnavailableError: It has no proof, or not yet.
        """
        posted = read_proof(self._chain(), job_id)
        return self._open_prover(posted.srs_digest).file_of(posted)

    def check(self, ref: str) -> bytes:
        """Compile a published model's circuit and compare it with the registered one.

        Returns:
            The circuit id.

        Raises:
            InvalidInputError: The model is not published.
            NotFoundError: None is registered.
            VerificationError: Another circuit is registered.
        """
        model = self._published(ref)
        own: bytes = self._onchain.circuit(model.folder).circuit_id
        registered = circuit_of(self._chain(), model.model_id)
        if registered != own:
            raise VerificationError(
                f"model 0x{model.model_id.hex()} has circuit 0x{registered.hex()} registered, its "
                f"files give 0x{own.hex()}",
                hint="its proofs are about another model: do not trust them",
            )
        return own

    def register(self, ref: str) -> bytes:
        """Register a published model's circuit, once and for good; its publisher only.

        Returns:
            The circuit id.

        Raises:
            InvalidInputError: The model is not published, cannot be proved, or has a circuit.
        """
        model = self._published(ref)
        chain = self._chain()
        contract = chain.contract(VERIFIER)
        there: bytes = contract.call("circuit_of", model.model_id)["circuit_id"]
        if there != NO_CIRCUIT:
            raise InvalidInputError(
                f"model 0x{model.model_id.hex()} has circuit 0x{there.hex()} for good",
                hint="joynet proof check REF",
            )
        made = self._onchain.registration(
            model.folder,
            model.model_id,
            chain.account.address,
            contract.address,
            chain.chain_id,
        )
        args = {
            "model_id": model.model_id.hex(),
            "descriptor": made.descriptor.hex(),
            "commitment": [str(x) for x in made.commitment],
            "attestation": made.attestation.hex(),
            "proof": made.proof.hex(),
        }
        title = f"register the circuit of 0x{model.model_id.hex()[:16]}.."
        return bytes.fromhex(self._flows(REGISTER, title, args))

    def _published(self, ref: str) -> Located:
        model = self._locate(ref)
        if model.model_id == UNPUBLISHED:
            raise InvalidInputError(
                f"{ref} is a file, expected a published model",
                hint="joynet model publish FOLDER --price JOY",
            )
        return model


def register_flow(run: Run) -> str:
    """The journaled job behind `register`: one transaction."""
    args = run.args
    contract = run.session.contract(VERIFIER)
    point: Point = (int(args["commitment"][0]), int(args["commitment"][1]))
    model_id = bytes.fromhex(args["model_id"])
    run.transact(
        "register",
        contract,
        "register",
        model_id,
        bytes.fromhex(args["descriptor"]),
        list(point),
        bytes.fromhex(args["attestation"]),
        bytes.fromhex(args["proof"]),
    )
    circuit = contract.call("circuit_of", model_id)
    return bytes(circuit["circuit_id"]).hex()


def statement_struct(statement: Any) -> dict[str, Any]:
    """A statement as `InferenceVerifier.verify` takes it."""
    return {
        "model_id": statement.model_id,
        "circuit_id": statement.circuit_id,
        "job_id": statement.job_id,
        "payee": "0x" + statement.payee.hex(),
        "salt": statement.salt,
        "input": statement.input,
        "output": statement.output,
        "input_commitment": list(statement.input_commitment),
        "output_commitment": list(statement.output_commitment),
    }
