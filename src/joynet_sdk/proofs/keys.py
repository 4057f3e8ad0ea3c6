"""What proving a model takes besides an input: its circuit, the commitment to its weights."""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from joynet_sdk import qmodel
from joynet_sdk.errors import InvalidInputError
from joynet_sdk.paths import Home, atomic_write, private_dir
from joynet_sdk.proofs import g1
from joynet_sdk.proofs.circuit import Group, width
from joynet_sdk.proofs.compiler.compile import CompiledModel, Witness, build_witness, compile_model
from joynet_sdk.proofs.compiler.registration import Attestation, attest
from joynet_sdk.proofs.msm import Msm
from joynet_sdk.proofs.prover import Prover, Report
from joynet_sdk.proofs.runtime import Runtime
from joynet_sdk.proofs.srs import Srs, SrsStore
from joynet_sdk.proofs.statement import Statement, circuit_id
from joynet_sdk.proofs.transcript import keccak256

MODEL_FILE = "model.safetensors"


@dataclass(frozen=True)
class CircuitKey:
    """A model's circuit under an SRS.

    Attributes:
        compiled: Descriptor, weights, layout.
        weights: C_W.
        circuit_id: What its proofs are checked against.
    """

    compiled: CompiledModel
    weights: g1.G1
    circuit_id: bytes

    @property
    def descriptor_hash(self) -> bytes:
        """keccak256 of the descriptor."""
        return keccak256(self.compiled.descriptor)

    @cached_property
    def attestation(self) -> Attestation:
        """The registration circuit, over the same weights."""
        return attest(self.compiled)


class Workshop:
    """Circuits, points and provers of one home, made once each.

    Args:
        srs_digest: Which SRS; None for the common development one.
        device: OpenCL device as `Runtime.open` takes it.
    """

    def __init__(
        self, home: Home, *, srs_digest: bytes | None = None, device: str | None = None
    ) -> None:
        self._home = home
        self._srs_digest = srs_digest
        self._device = device
        self._runtime: Runtime | None = None
        self._msm: Msm | None = None
        self._keys: dict[tuple[bytes, int], CircuitKey] = {}
        self._prover: tuple[bytes, Prover] | None = None

    @property
    def store(self) -> SrsStore:
        """The home's SRSs."""
        return SrsStore(self._home.srs)

    @property
    def srs_digest(self) -> bytes:
        """The SRS in use."""
        from joynet_sdk.proofs.srs import development_digest

        return self._srs_digest or development_digest()

    @property
    def runtime(self) -> Runtime:
        """The device, opened at first use."""
        if self._runtime is None:
            self._runtime = Runtime.open(self._device, cache=self._home.cache / "kernels")
        return self._runtime

    def srs(self, variables: int) -> Srs:
        """The SRS with at least 2^variables points."""
        return self.store.obtain(self.runtime, self.srs_digest, max(variables, 2))

    def msm(self, variables: int) -> Msm:
        """Sums over at least 2^variables points."""
        if self._msm is None or self._msm.length < 1 << variables:
            self._msm = Msm(self.runtime, self.srs(variables).points(1 << variables))
        return self._msm

    def load(self, model: Path) -> tuple[bytes, qmodel.QModel]:
        """A model's digest and the model; `model` is a file or a folder with model.safetensors."""
        path = model / MODEL_FILE if model.is_dir() else model
        if not path.exists():
            raise InvalidInputError(
                f"{model} has no {MODEL_FILE}: only integer models can be proved",
                hint="joynet model quantize FILE.onnx --calibrate DATA",
            )
        return hashlib.sha256(path.read_bytes()).digest(), qmodel.load(path)

    def key(self, model: Path, *, batch: int = 1, fresh: bool = False) -> CircuitKey:
        """The circuit of a model.

        Args:
            batch: Inputs of one proof; chains register circuits of 1.
            fresh: Commit to the weights again instead of trusting this home's cache.

        Raises:
            InvalidInputError: The model cannot be proved; says which part.
        """
        digest, loaded = self.load(model)
        if (digest, batch) not in self._keys or fresh:
            compiled = compile_model(loaded, batch)
            weights = self._commitment(digest, compiled, fresh=fresh)
            identity = circuit_id(weights, compiled.descriptor, self.srs_digest)
            self._keys[digest, batch] = CircuitKey(compiled, weights, identity)
        return self._keys[digest, batch]

    def witness(self, key: CircuitKey, data: bytes) -> Witness:
        """The circuit's integers for an input, or for a batch, one input after the other.

        Raises:
            InvalidInputError: The input has another size, or ids outside the vocabulary.
        """
        given = key.compiled.model.input
        batch = key.compiled.batch
        size = batch * key.compiled.model.input_size * given.dtype.itemsize
        if len(data) != size:
            raise InvalidInputError(f"the input has {len(data)} bytes, expected {size}")
        return build_witness(key.compiled, np.frombuffer(data, given.dtype).reshape(batch, -1))

    def prove(
        self, key: CircuitKey, statement: Statement, witness: Witness, report: Report
    ) -> bytes:
        """A proof. The last model's weights stay on the device."""
        if self._prover is None or self._prover[0] != key.circuit_id:
            circuit = key.compiled.circuit
            made = Prover(self.runtime, self.msm(circuit.variables), circuit, key.compiled.weights)
            self._prover = key.circuit_id, made
        return self._prover[1].prove(statement, witness.advice, witness.public, report)

    def prove_attestation(self, key: CircuitKey, statement: Statement, report: Report) -> bytes:
        """The proof of a registration circuit, made once per model."""
        made = key.attestation
        msm = self.msm(made.circuit.variables)
        prover = Prover(self.runtime, msm, made.circuit, key.compiled.weights)
        return prover.prove(statement, made.advice, report=report)

    def commit(self, values: NDArray[np.int64]) -> g1.G1:
        """The commitment to a padded tensor."""
        return self.msm(width(len(values))).run_small(values)

    def commit_public(self, witness: Witness, group: Group) -> g1.G1:
        """The commitment to a committed input or output, else the identity."""
        values = witness.public.get(group)
        return g1.IDENTITY if values is None else self.commit(values)

    def _commitment(self, digest: bytes, compiled: CompiledModel, *, fresh: bool) -> g1.G1:
        """C_W, kept in the home's cache under everything that it depends on."""
        name = hashlib.sha256(digest + self.srs_digest + keccak256(compiled.descriptor)).hexdigest()
        path = self._home.cache / "circuits" / f"{name}.json"
        if path.exists() and not fresh:
            raw = bytes.fromhex(json.loads(path.read_text())["weights"])
            return g1.decode(raw)
        weights = self.msm(compiled.circuit.variables).run_small(compiled.weights)
        private_dir(path.parent)
        atomic_write(path, json.dumps({"weights": g1.encode(weights).hex()}))
        return weights
