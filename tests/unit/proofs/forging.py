"""A small model, an SRS whose tau is known, and a prover that can be made to lie."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from joynet_sdk.proofs.circuit import Group
from joynet_sdk.proofs.compiler.compile import CompiledModel, Witness, build_witness, compile_model
from joynet_sdk.proofs.field import FR
from joynet_sdk.proofs.reference_prover import ReferenceProver
from joynet_sdk.proofs.statement import Statement, circuit_id
from joynet_sdk.proofs.tables import Tables
from joynet_sdk.proofs.transcript import keccak256
from joynet_sdk.proofs.verifier import verify
from joynet_sdk.qmodel.model import Input, QModel
from joynet_sdk.qmodel.ops import Gemm

from .openings import PROVER, VERIFIER, KnownTau

SRS_DIGEST = keccak256(b"test")
Polynomial = list[int]


@cache
def model() -> QModel:
    """6 -> 5 -> 3, no side a power of two."""
    rng = np.random.default_rng(1)

    def gemm(name: str, given: str, rows: int, columns: int, table: str) -> Gemm:
        weight = rng.integers(-127, 128, (rows, columns)).astype(np.int8)
        bias = rng.integers(-5000, 5000, rows).astype(np.int32)
        multiplier = rng.integers(10_000, 20_000, rows).astype(np.uint32)
        return Gemm(name, given, weight, bias, multiplier, table)

    ops = (gemm("a", "x", 5, 6, "relu-clamp"), gemm("b", "a", 3, 5, "clamp"))
    return QModel(Input("x", (6,), scale="1"), ops, "1")


@dataclass(frozen=True)
class Case:
    """A compiled model, an honest witness and its statement."""

    compiled: CompiledModel
    witness: Witness
    statement: Statement

    @property
    def weights(self) -> Polynomial:
        return [int(value) for value in self.compiled.weights]

    @property
    def advice(self) -> Polynomial:
        return [int(value) for value in self.witness.advice]

    def at(self, column: str, index: int = 0, bits: int | None = None) -> int:
        """Position of a column's element in group A; `bits` tells columns of one name apart."""
        (found,) = [
            each
            for each in self.compiled.layout.columns[Group.A]
            if each.name == column and bits in (None, each.bits)
        ]
        return found.offset + index

    def claiming(self, output: Sequence[int]) -> Statement:
        """The statement with another output."""
        packed = bytes(value & 255 for value in output)
        return replace(self.statement, output=packed)

    def check(self, proof: bytes, statement: Statement | None = None) -> None:
        """Verify."""
        verify(self.compiled.descriptor, statement or self.statement, proof, VERIFIER)

    def prover(self, kind: type[ReferenceProver] = ReferenceProver) -> ReferenceProver:
        return kind(self.compiled.circuit, self.weights, PROVER)


def case_of(x: Sequence[int]) -> Case:
    """The model on an input."""
    compiled = compiled_model()
    witness = build_witness(compiled, np.array(x, np.int8))
    weights = KnownTau().commit([int(value) % FR for value in compiled.weights])
    return Case(
        compiled,
        witness,
        Statement(
            chain_id=412_346_001,
            verifier=b"\x11" * 20,
            model_id=b"\x22" * 32,
            circuit_id=circuit_id(weights, compiled.descriptor, SRS_DIGEST),
            weights=weights,
            descriptor_hash=keccak256(compiled.descriptor),
            job_id=7,
            payee=b"\x33" * 20,
            salt=b"\x44" * 32,
            input=witness.input,
            output=witness.output,
        ),
    )


@cache
def compiled_model() -> CompiledModel:
    """The model's circuit."""
    return compile_model(model())


@cache
def honest() -> tuple[Case, bytes]:
    """One case and its proof."""
    case = case_of([12, -77, 127, -128, 5, 90])
    return case, case.prover().prove(case.statement, case.advice)


def lying_about_inverses(change: Callable[[Polynomial, Tables], None]) -> type[ReferenceProver]:
    """A prover that changes group H before it commits to it."""

    class Liar(ReferenceProver):
        def inverses(self, tables: Tables) -> Polynomial:
            h = super().inverses(tables)
            change(h, tables)
            return h

    return Liar
