"""What a proof will take, before any work: from the circuit's sizes and one short measurement.

Time has three parts: sums over curve points (mostly the opening, over the longest group), the
sumchecks, and what every proof costs. The rates are ratios to the time of one sum of 2^12 points
on the device, measured on a CPU; benchmarks/proofs shows how far off they are.
Gas: a linear model fitted to measured transactions, docs/spec/proof.md.
"""

import time
from dataclasses import dataclass

import numpy as np

from joynet_sdk.proofs.circuit import (
    Circuit,
    Clamp,
    Define,
    Group,
    Index,
    Io,
    Less,
    Sum,
    Wire,
    Zero,
)
from joynet_sdk.proofs.codec import encode
from joynet_sdk.proofs.compiler.compile import CompiledModel
from joynet_sdk.proofs.field import FR, to_limbs
from joynet_sdk.proofs.msm import Msm
from joynet_sdk.proofs.opening import PROOF_BYTES as OPENING_BYTES

SAMPLE = 1 << 12  # points of the measured sum
POINT = 0.55 / SAMPLE  # of the sample's time: one more point in a long sum
ROW = 0.10 / SAMPLE  # one row of an instance of a sumcheck, all rounds
FIXED = 2.5  # samples that every proof takes
ELEMENT_BYTES = 32
COPIES = 6  # of the longest vectors that live at once
PROGRAM_BYTES = 250 << 20  # Python, OpenCL and its compiled kernels


@dataclass(frozen=True)
class Estimate:
    """Before any work.

    Attributes:
        cpu_s: CPU seconds on the device that was measured.
        memory_bytes: Peak.
        proof_bytes: Exactly.
        gas: Of the transaction that checks it, input and output included.
        variables: n2, the base-2 logarithm of the polynomials' length.
        claims: Claims that the proof carries.
    """

    cpu_s: float
    memory_bytes: int
    proof_bytes: int
    gas: int
    variables: int
    claims: int


def estimate(compiled: CompiledModel, msm: Msm) -> Estimate:
    """Estimate a proof of a compiled model on the device of `msm`."""
    circuit = compiled.circuit
    spans = {group: compiled.layout.span(group) for group in Group}
    rows = sum(1 << each.variables for each in circuit.instances)
    sample = _sample(msm)
    points = max(spans.values()) + spans[Group.H]
    length = 1 << circuit.variables
    memory = PROGRAM_BYTES + ELEMENT_BYTES * (COPIES * max(spans.values()) + 2 * length)
    return Estimate(
        sample * (FIXED + POINT * points + ROW * (rows + sum(spans.values()))),
        memory,
        32 * circuit.proof_words + OPENING_BYTES,
        gas(circuit),
        circuit.variables,
        len(circuit.claims),
    )


def gas(circuit: Circuit) -> int:
    """Gas of a transaction that checks a proof."""
    words = circuit.proof_words + OPENING_BYTES // 32
    records = len(encode(circuit)) // 16
    values = circuit.before + circuit.after
    terms = sum(len(each.terms) for each in circuit.instances if isinstance(each, Sum | Zero))
    terms += sum(len(value.terms) for value in values if isinstance(value, Define))
    wires = sum(
        value.size_p * value.size_k + (1 << value.q.count)
        for value in values
        if isinstance(value, Wire)
    )
    masks = sum(isinstance(value, Less | Clamp) for value in values)
    indices = sum(len(value.indices) for value in values if isinstance(value, Index))
    public = sum(
        shape.values for shape in (circuit.input, circuit.output) if shape.kind is not Io.COMMITTED
    )
    groups = 3 + sum(shape.kind is Io.COMMITTED for shape in (circuit.input, circuit.output))
    return int(
        21_000
        + 512 * words
        + 240_000  # opening
        + 6_700 * groups
        + 900 * circuit.rounds
        + 700 * circuit.variables
        + 1_600 * len(circuit.claims)
        + 260 * terms
        + 120 * records
        + 110 * wires
        + 1_500 * masks
        + 500 * indices
        + 420 * public
    )


def _sample(msm: Msm) -> float:
    """CPU seconds of one sum, the better of two."""
    count = min(SAMPLE, msm.length)
    rng = np.random.default_rng(1)
    scalars = to_limbs(int.from_bytes(rng.bytes(32)) % FR for _ in range(count))
    times = []
    for _ in range(3):
        begun = time.process_time()
        msm.run(scalars)
        times.append(time.process_time() - begun)
    return min(times) * SAMPLE / count
