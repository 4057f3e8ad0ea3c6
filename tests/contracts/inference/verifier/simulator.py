"""Accepting proofs of any circuit, made with tau and no witness: what a verifier must recompute.

Whoever knows tau opens a commitment to any value, so a proof needs no satisfied relations: every
message is random, one claim is chosen so that sumcheck 1 ends where it should, and the last
quotient so that the opening's equation holds. Verifiers accept such proofs exactly if they follow
the transcript, evaluate the records and combine the claims in the same way.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from joynet_sdk.proofs import g1, g2
from joynet_sdk.proofs.circuit import Circuit, Group
from joynet_sdk.proofs.evaluation import Evaluation, unpack
from joynet_sdk.proofs.extensions import eq, eq_bits
from joynet_sdk.proofs.field import FR
from joynet_sdk.proofs.opening import (
    Equation,
    Opening,
    Weights,
    absorb_fold,
    absorb_quotient,
    absorb_split,
)
from joynet_sdk.proofs.pcs import TwoTierVerifier
from joynet_sdk.proofs.statement import Statement
from joynet_sdk.proofs.transcript import Transcript, keccak256
from joynet_sdk.proofs.verifier import Proof, encode

TAU = 0x0BAD_5EED_0000_0000_0000_0000_0000_0000_0000_0000_0000_0000_0000_0000_0000_000B
POWERS = tuple(g2.multiply(g2.GENERATOR, pow(TAU, 2**j, FR)) for j in range(13))
VERIFIER = TwoTierVerifier(POWERS)
SRS_DIGEST = keccak256(b"joynet/srs/1" + g2.encode(POWERS[0]))
Messages = list[list[int]]


def point(logarithm: int) -> g1.G1:
    """A commitment whose logarithm is known."""
    return g1.multiply(g1.GENERATOR, logarithm)


@dataclass
class Simulator:
    """Proves statements about one circuit.

    Attributes:
        circuit: Has a claim in which sumcheck 1's last claim is linear.
        free: Number of that claim among the claims after.
        logs: Logarithms of C_W, and of C_X and C_Y where the circuit has them.
        rng: Everything else.
        zero: Make the opening's first commitments the identity, as provers of small circuits do.
    """

    circuit: Circuit
    free: int
    logs: Mapping[Group, int]
    rng: random.Random
    zero: bool = False

    def prove(self, statement: Statement) -> bytes:
        """The proof's bytes."""
        circuit, transcript = self.circuit, statement.transcript()
        logs = {**self.logs, Group.A: self._scalar(), Group.H: self._scalar()}
        transcript.absorb(b"advi", g1.encode(point(logs[Group.A])))
        gamma, beta = transcript.challenge(), transcript.challenge()
        transcript.absorb(b"invs", g1.encode(point(logs[Group.H])))
        public = (
            unpack(circuit.input, statement.input),
            unpack(circuit.output, statement.output),
        )
        evaluation = Evaluation(circuit, *public, gamma, beta, transcript.challenges(circuit.rho))
        before = self._scalars(circuit.claims_before)
        transcript.absorb(b"pre_", encode(before))
        weight = transcript.challenge()
        evaluation.define(circuit.before, before)
        start = evaluation.start(weight)
        evaluation.r, rounds, last = self._rounds(circuit.rounds, 3, start, transcript)
        after = self._scalars(circuit.claims_after)
        ends = []
        for after[self.free] in (0, 1):
            known = len(evaluation.values)
            evaluation.define(circuit.after, after)
            ends.append(evaluation.end(weight))
            del evaluation.values[known:]
        after[self.free] = (last - ends[0]) * pow(ends[1] - ends[0], -1, FR) % FR
        transcript.absorb(b"post", encode(after))
        mu = transcript.challenge()
        total = sum(pow(mu, j, FR) * claim for j, claim in enumerate(before + after)) % FR
        z, reduction, value = self._rounds(circuit.variables, 2, total, transcript)
        log = sum(factor * logs[group] for group, factor in self._factors(evaluation, mu, z))
        opening = self._open(log % FR, z, value, transcript)
        commitments = point(logs[Group.A]), point(logs[Group.H])
        return Proof(*commitments, before, rounds, after, reduction, opening.encode()).encode()

    def _scalar(self) -> int:
        return self.rng.randrange(FR)

    def _scalars(self, count: int) -> list[int]:
        return [self._scalar() for _ in range(count)]

    def _rounds(
        self, count: int, degree: int, claim: int, transcript: Transcript
    ) -> tuple[list[int], Messages, int]:
        """Point, random messages, and the last claim they lead to."""
        found: list[int] = []
        messages: Messages = []
        for _ in range(count):
            message = self._scalars(degree)
            transcript.absorb(b"sc__", encode(message))
            x = transcript.challenge()
            c0, *higher = message
            c1 = claim - 2 * c0 - sum(higher)
            coefficients = [c0, c1, *higher]
            claim = sum(c * pow(x, i, FR) for i, c in enumerate(coefficients)) % FR
            found.append(x)
            messages.append(message)
        return found, messages, claim

    def _factors(
        self, evaluation: Evaluation, mu: int, z: Sequence[int]
    ) -> list[tuple[Group, int]]:
        factors = []
        for j, claim in enumerate(self.circuit.claims):
            at = evaluation.point(self.circuit.recipes[claim.recipe])
            weight = eq(at, z[: len(at)]) * eq_bits(z[len(at) :], claim.slot)
            factors.append((claim.group, pow(mu, j, FR) * weight % FR))
        return factors

    def _open(self, log: int, z: Sequence[int], value: int, transcript: Transcript) -> Opening:
        """The opening of the commitment with this logarithm, whatever it commits to."""
        fold, quotient, reverse, symmetric, both = self._scalars(5)
        if self.zero:
            fold = quotient = symmetric = 0
        share = self._scalar()
        alpha = absorb_fold(transcript, point(fold))
        first, kappa = absorb_split(transcript, point(quotient), point(reverse), point(symmetric))
        equation = Equation.at(z, alpha, first, kappa)
        y = absorb_quotient(transcript, share, point(both))
        w = Weights.at(equation, y)
        inverse = pow(w.remainder * w.denominators, -1, FR)
        scale = inverse * w.denominators % FR
        rest = (
            log
            + alpha * quotient
            + w.fold * inverse * fold
            + scale * (w.symmetric * symmetric + w.reverse * reverse + w.both * both)
            + scale * w.constant(equation.target(value, share), share)
        )
        columns = (len(z) + 1) // 2
        last = (rest - quotient * pow(TAU, 2**columns, FR)) * pow(TAU - y, -1, FR) % FR
        points = (point(log_) for log_ in (fold, quotient, reverse, symmetric))
        return Opening(*points, share, point(both), point(last), inverse)
