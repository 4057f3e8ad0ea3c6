"""The prover in plain Python integers: small circuits only, the oracle of the device prover.

It follows docs/spec/proof.md step by step and gives the same bytes as `prover.Prover`. Each step
is a method, so that a test can lie in one of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from joynet_sdk.proofs import g1
from joynet_sdk.proofs.circuit import (
    FIRST_VALUE,
    Circuit,
    Claim,
    Group,
    Lookup,
    Sum,
    Table,
    Zero,
)
from joynet_sdk.proofs.evaluation import HALF, Evaluation, unpack
from joynet_sdk.proofs.extensions import eq_table
from joynet_sdk.proofs.field import FR
from joynet_sdk.proofs.pcs import PolynomialCommitment
from joynet_sdk.proofs.statement import Statement
from joynet_sdk.proofs.sumcheck import ROUND_TAG, encode
from joynet_sdk.proofs.tables import Tables
from joynet_sdk.proofs.transcript import Transcript
from joynet_sdk.proofs.verifier import Proof

Polynomial = list[int]
Product = tuple[int, tuple[Polynomial, ...]]
"""A coefficient times a product of tables."""


@dataclass
class Part:
    """An instance of a sumcheck: a sum of products over the first `variables` variables."""

    variables: int
    products: list[Product]


class ReferenceProver:
    """Proves statements about one circuit.

    Args:
        circuit: The circuit.
        weights: Group W as far as its span goes.
        scheme: Commits and opens lists of ints.
    """

    def __init__(
        self,
        circuit: Circuit,
        weights: Sequence[int],
        scheme: PolynomialCommitment[Polynomial],
    ) -> None:
        self.circuit = circuit
        self.weights = [int(value) % FR for value in weights]
        self.scheme = scheme

    def prove(
        self,
        statement: Statement,
        advice: Sequence[int],
        public: Mapping[Group, Sequence[int]] | None = None,
    ) -> bytes:
        """The proof's bytes.

        Args:
            statement: What is claimed.
            advice: Group A as far as its span goes.
            public: Groups X and Y where the circuit has them.
        """
        circuit, transcript = self.circuit, statement.transcript()
        groups: dict[Group, Polynomial] = {
            Group.W: self.weights,
            Group.A: [int(value) % FR for value in advice],
            **{group: [int(v) % FR for v in values] for group, values in (public or {}).items()},
        }
        commitment = self.scheme.commit(groups[Group.A])
        transcript.absorb(b"advi", g1.encode(commitment))
        gamma, beta = transcript.challenge(), transcript.challenge()
        tables = self._tables(statement, groups, gamma, beta, [0] * circuit.rho)
        groups[Group.H] = self.inverses(tables)
        inverses = self.scheme.commit(groups[Group.H])
        transcript.absorb(b"invs", g1.encode(inverses))
        rho = list(transcript.challenges(circuit.rho))
        tables = self._tables(statement, groups, gamma, beta, rho)
        before = self.claims(tables, circuit.before, 0, ())
        transcript.absorb(b"pre_", encode(before))
        weight = transcript.challenge()
        evaluation = Evaluation(circuit, *self._public(statement), gamma, beta, rho)
        evaluation.define(circuit.before, before)
        parts = self.parts(tables, weight)
        point, rounds = self.sumcheck(
            parts, evaluation.start(weight), circuit.rounds, 3, transcript
        )
        after = self.claims(tables, circuit.after, len(circuit.before), point)
        transcript.absorb(b"post", encode(after))
        mu = transcript.challenge()
        evaluation.r = point
        parts = self.reduction(groups, evaluation, mu)
        total = sum(pow(mu, j, FR) * claim for j, claim in enumerate(before + after)) % FR
        z, reduction = self.sumcheck(parts, total, circuit.variables, 2, transcript)
        opening = self.scheme.open(self.combination(groups, parts, z), z, transcript)
        return Proof(commitment, inverses, before, rounds, after, reduction, opening).encode()

    def inverses(self, tables: Tables) -> Polynomial:
        """Group H: what every lookup and table says its h must be."""
        h = [0] * (1 << self.circuit.variables)
        for each in self.circuit.instances:
            if not isinstance(each, Lookup | Table):
                continue
            claim = self.circuit.claim(each.h)
            start = claim.slot << each.variables
            counts = tables.cube(each.m, each.variables) if isinstance(each, Table) else None
            for i, denominator in enumerate(tables.denominators(each)):
                count = 1 if counts is None else counts[i]
                h[start + i] = count * pow(denominator, -1, FR) % FR if count else 0
        return h

    def claims(
        self, tables: Tables, records: Sequence[object], offset: int, r: Sequence[int]
    ) -> list[int]:
        """Values of the claims among the records, at r."""
        found = []
        for i, record in enumerate(records, offset + FIRST_VALUE):
            if isinstance(record, Claim):
                table = tables.value(i)
                weights = eq_table([r[v] for v in table.variables])
                found.append(sum(a * b for a, b in zip(table.entries, weights, strict=True)) % FR)
        return found

    def parts(self, tables: Tables, weight: int) -> list[Part]:
        """Sumcheck 1 as products of tables."""
        parts, power = [], 1
        for each in self.circuit.instances:
            power = power * weight % FR
            n = each.variables
            equal = eq_table(tables.rho[:n])
            match each:
                case Sum():
                    products = [
                        (power * t.coefficient, tuple(tables.cube(i, n) for i in (t.a, t.b, t.c)))
                        for t in each.terms
                    ]
                case Zero():
                    # one table for the whole sum would have a degree of its own
                    products = [
                        (
                            power * t.coefficient,
                            (equal, *(tables.cube(i, n) for i in (t.a, t.b, t.c) if i)),
                        )
                        for t in each.terms
                    ]
                case Lookup():
                    h = tables.cube(each.h, n)
                    products = [
                        (power, (equal, h, tables.denominators(each))),
                        (-power, (equal,)),
                        (1, (h,)),
                    ]
                case Table():
                    h = tables.cube(each.h, n)
                    products = [
                        (power, (equal, h, tables.denominators(each))),
                        (-power, (equal, tables.cube(each.m, n))),
                        (-1, (h,)),
                    ]
            parts.append(Part(n, products))
        return parts

    def reduction(
        self, groups: Mapping[Group, Polynomial], evaluation: Evaluation, mu: int
    ) -> list[Part]:
        """Sumcheck 2: each group's polynomial times the weights of its claims."""
        size = 1 << self.circuit.variables
        weights: dict[Group, Polynomial] = {}
        power = 1
        for claim in self.circuit.claims:
            point = evaluation.point(self.circuit.recipes[claim.recipe])
            table = weights.setdefault(claim.group, [0] * size)
            start = claim.slot << len(point)
            for i, value in enumerate(eq_table(point), start):
                table[i] = (table[i] + power * value) % FR
            power = power * mu % FR
        self._groups = list(weights)
        full = {group: (groups[group] + [0] * size)[:size] for group in weights}
        variables = self.circuit.variables
        return [Part(variables, [(1, (weights[group], full[group]))]) for group in weights]

    def combination(
        self, groups: Mapping[Group, Polynomial], parts: Sequence[Part], z: Sequence[int]
    ) -> Polynomial:
        """sum_g c_g P_g, c_g the value of the group's weights at z."""
        at = eq_table(z)
        total = [0] * (1 << self.circuit.variables)
        for group, part in zip(self._groups, parts, strict=True):
            weights = part.products[0][1][0]
            factor = sum(a * b for a, b in zip(weights, at, strict=True)) % FR
            for i, value in enumerate(groups[group]):
                total[i] = (total[i] + factor * value) % FR
        return total

    def sumcheck(
        self,
        parts: Sequence[Part],
        claim: int,
        rounds: int,
        degree: int,
        transcript: Transcript,
    ) -> tuple[list[int], list[list[int]]]:
        """Point and messages. `parts` are left as they were."""
        live = [Part(part.variables, list(part.products)) for part in parts]
        point: list[int] = []
        messages: list[list[int]] = []
        for number in range(rounds):
            values = [_round(live, number, x) for x in range(degree + 1)]
            coefficients = _interpolate(values)
            message = [coefficients[0], *coefficients[2:]]
            transcript.absorb(ROUND_TAG, encode(message))
            r = transcript.challenge()
            point.append(r)
            messages.append(message)
            for part in live:
                if number < part.variables:
                    part.products = [(c, tuple(_fold(t, r) for t in ts)) for c, ts in part.products]
        return point, messages

    def _tables(
        self,
        statement: Statement,
        groups: Mapping[Group, Polynomial],
        gamma: int,
        beta: int,
        rho: Sequence[int],
    ) -> Tables:
        given, output = self._public(statement)
        return Tables(
            self.circuit, groups, input=given, output=output, gamma=gamma, beta=beta, rho=rho
        )

    def _public(self, statement: Statement) -> tuple[list[int], list[int]]:
        circuit = self.circuit
        return unpack(circuit.input, statement.input), unpack(circuit.output, statement.output)


def _fold(table: Polynomial, r: int) -> Polynomial:
    return [(table[i] + r * (table[i + 1] - table[i])) % FR for i in range(0, len(table), 2)]


def _round(parts: Sequence[Part], number: int, x: int) -> int:
    """The round's polynomial at x."""
    total = 0
    for part in parts:
        ended = number >= part.variables
        for coefficient, tables in part.products:
            size = 1 if ended else len(tables[0]) // 2
            subtotal = 0
            for i in range(size):
                product = 1
                for table in tables:
                    value = (
                        table[0] if ended else table[2 * i] + x * (table[2 * i + 1] - table[2 * i])
                    )
                    product = product * value % FR
                subtotal += product
            scale = pow(HALF, number - part.variables + 1, FR) if ended else 1
            total += coefficient * subtotal % FR * scale
    return total % FR


def _interpolate(values: Sequence[int]) -> list[int]:
    """Coefficients of the polynomial with these values at 0, 1, 2, .."""
    total = [0] * len(values)
    for i, value in enumerate(values):
        basis, denominator = [1], 1
        for j in range(len(values)):
            if j != i:
                basis = [(a - j * b) % FR for a, b in zip([0, *basis], [*basis, 0], strict=True)]
                denominator = denominator * (i - j) % FR
        scale = value * pow(denominator, -1, FR) % FR
        total = [(t + scale * b) % FR for t, b in zip(total, basis, strict=True)]
    return total
