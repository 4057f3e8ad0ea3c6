"""Verification of a proof, step by step as docs/spec/proof.md and `InferenceVerifier.vy` do it."""

from collections.abc import Sequence
from dataclasses import dataclass

from joynet_sdk.errors import VerificationError
from joynet_sdk.proofs import g1
from joynet_sdk.proofs.circuit import Circuit, Group, Io, Recipe, Tokens
from joynet_sdk.proofs.codec import decode
from joynet_sdk.proofs.evaluation import Evaluation, unpack
from joynet_sdk.proofs.extensions import eq, eq_bits
from joynet_sdk.proofs.field import FR
from joynet_sdk.proofs.opening import PROOF_BYTES as OPENING_BYTES
from joynet_sdk.proofs.pcs import OpeningVerifier
from joynet_sdk.proofs.rules import check
from joynet_sdk.proofs.statement import Statement
from joynet_sdk.proofs.sumcheck import encode
from joynet_sdk.proofs.sumcheck import verify as verify_sumcheck
from joynet_sdk.proofs.transcript import Transcript, keccak256

WORD = 32
Messages = list[list[int]]


@dataclass(frozen=True, slots=True)
class Proof:
    """A proof, parsed: every scalar is below r, every point on the curve.

    Attributes:
        advice: C_A.
        inverses: C_H.
        before: Claims before sumcheck 1.
        rounds: Messages of sumcheck 1, 3 scalars each.
        after: Claims after it.
        reduction: Messages of sumcheck 2, 2 scalars each.
        opening: Bytes of the opening.
    """

    advice: g1.G1
    inverses: g1.G1
    before: list[int]
    rounds: Messages
    after: list[int]
    reduction: Messages
    opening: bytes

    @classmethod
    def decode(cls, circuit: Circuit, raw: bytes) -> "Proof":
        """Parse the bytes of a proof for a circuit.

        Raises:
            VerificationError: Of another length, a scalar >= r, or a point off the curve.
        """
        expected = WORD * circuit.proof_words + OPENING_BYTES
        if len(raw) != expected:
            raise VerificationError(f"the proof has {len(raw)} bytes, expected {expected}")
        words = [
            int.from_bytes(raw[i : i + WORD])
            for i in range(4 * WORD, expected - OPENING_BYTES, WORD)
        ]
        for number, word in enumerate(words):
            if word >= FR:
                raise VerificationError(f"scalar {number} of the proof is not below r")
        take = iter(words)
        return cls(
            g1.decode(raw[: 2 * WORD]),
            g1.decode(raw[2 * WORD : 4 * WORD]),
            [next(take) for _ in range(circuit.claims_before)],
            [[next(take) for _ in range(3)] for _ in range(circuit.rounds)],
            [next(take) for _ in range(circuit.claims_after)],
            [[next(take) for _ in range(2)] for _ in range(circuit.variables)],
            raw[expected - OPENING_BYTES :],
        )

    def encode(self) -> bytes:
        """The bytes that `decode` reads."""
        scalars = [*self.before, *_flat(self.rounds), *self.after, *_flat(self.reduction)]
        return g1.encode(self.advice) + g1.encode(self.inverses) + encode(scalars) + self.opening


def verify(descriptor: bytes, statement: Statement, proof: bytes, opening: OpeningVerifier) -> None:
    """Check a proof.

    Args:
        descriptor: The circuit; the caller trusts that it is the model's.
        statement: What is claimed; the caller trusts every field of it.
        proof: The prover's bytes.
        opening: Checks openings under the SRS of the statement's circuit.

    Raises:
        VerificationError: The proof does not show the statement; says at which step.
        InvalidInputError: The descriptor is malformed.
    """
    circuit = decode(descriptor)
    check(circuit)
    if keccak256(descriptor) != statement.descriptor_hash:
        raise VerificationError("the statement is about another descriptor")
    _check_public(circuit, statement)
    parsed = Proof.decode(circuit, proof)
    transcript = statement.transcript()
    point = _relations(circuit, statement, parsed, transcript)
    commitment, value = point.reduce(parsed, statement, transcript)
    opening.verify(commitment, point.z, value, parsed.opening, transcript)


def _check_public(circuit: Circuit, statement: Statement) -> None:
    """Lengths of packed tensors; commitments only where the circuit has them, on the curve.

    Token ids fit the vocabulary's variables.
    """
    for name, shape, packed, commitment in (
        ("input", circuit.input, statement.input, statement.input_commitment),
        ("output", circuit.output, statement.output, statement.output_commitment),
    ):
        size = 2 if shape.kind is Io.TOKENS else 1
        expected = 0 if shape.kind is Io.COMMITTED else shape.values * size
        if len(packed) != expected:
            raise VerificationError(
                f"the {name} has {len(packed)} packed bytes, expected {expected}"
            )
        if shape.kind is not Io.COMMITTED and commitment != g1.IDENTITY:
            raise VerificationError(f"a commitment to a packed {name}")
        if not g1.is_on_curve(commitment):
            raise VerificationError(f"the commitment to the {name} is not on the curve")
    largest = max(unpack(circuit.input, statement.input), default=0)
    for value in circuit.before + circuit.after:
        if isinstance(value, Tokens) and largest >> value.vocabulary.count:
            raise VerificationError(f"token id {largest} is outside of the vocabulary")


@dataclass
class _Reduction:
    """All claims, at the points that sumcheck 1 ended with, and the one point z."""

    circuit: Circuit
    evaluation: Evaluation
    z: Sequence[int] = ()

    def reduce(
        self, proof: Proof, statement: Statement, transcript: Transcript
    ) -> tuple[list[tuple[int, g1.G1]], int]:
        """Sumcheck 2: the combined commitment and its value at z."""
        claims = proof.before + proof.after
        transcript.absorb(b"post", encode(proof.after))
        mu = transcript.challenge()
        total, power = 0, 1
        for claim in claims:
            total += power * claim
            power = power * mu % FR
        variables = self.circuit.variables
        self.z, value = verify_sumcheck(proof.reduction, total % FR, variables, 2, transcript)
        commitments = {
            Group.W: statement.weights,
            Group.A: proof.advice,
            Group.H: proof.inverses,
            Group.X: statement.input_commitment,
            Group.Y: statement.output_commitment,
        }
        factors = self._factors(mu)
        return [(factor, commitments[group]) for group, factor in factors.items()], value

    def _factors(self, mu: int) -> dict[Group, int]:
        """c_g: the sum over the group's claims of mu^j eq(point and slot, z)."""
        factors: dict[Group, int] = {}
        at: dict[Recipe, int] = {}
        power = 1
        for claim in self.circuit.claims:
            recipe = self.circuit.recipes[claim.recipe]
            length = sum(part.count for part in recipe)
            if recipe not in at:
                at[recipe] = eq(self.evaluation.point(recipe), self.z[:length])
            weight = at[recipe] * eq_bits(self.z[length:], claim.slot) % FR
            factors[claim.group] = (factors.get(claim.group, 0) + power * weight) % FR
            power = power * mu % FR
        return factors


def _relations(
    circuit: Circuit, statement: Statement, proof: Proof, transcript: Transcript
) -> _Reduction:
    """Sumcheck 1: every relation holds if the claims do."""
    transcript.absorb(b"advi", g1.encode(proof.advice))
    gamma, beta = transcript.challenge(), transcript.challenge()
    transcript.absorb(b"invs", g1.encode(proof.inverses))
    evaluation = Evaluation(
        circuit,
        unpack(circuit.input, statement.input),
        unpack(circuit.output, statement.output),
        gamma,
        beta,
        transcript.challenges(circuit.rho),
    )
    transcript.absorb(b"pre_", encode(proof.before))
    weight = transcript.challenge()
    evaluation.define(circuit.before, proof.before)
    start = evaluation.start(weight)
    evaluation.r, last = verify_sumcheck(proof.rounds, start, circuit.rounds, 3, transcript)
    evaluation.define(circuit.after, proof.after)
    if evaluation.end(weight) != last:
        raise VerificationError("a relation of the circuit does not hold")
    return _Reduction(circuit, evaluation)


def _flat(messages: Messages) -> list[int]:
    return [scalar for message in messages for scalar in message]
