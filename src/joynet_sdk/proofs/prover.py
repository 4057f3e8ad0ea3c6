"""The prover on a device; docs/spec/proof.md step by step. Its oracle is `reference_prover.py`."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from joynet_sdk.proofs import g1
from joynet_sdk.proofs.circuit import (
    Circuit,
    Claim,
    Group,
    Lookup,
    Sum,
    Table,
    Value,
    Zero,
)
from joynet_sdk.proofs.circuit import Term as CircuitTerm
from joynet_sdk.proofs.device_tables import DeviceTables, Integers, Witness
from joynet_sdk.proofs.engines import DeviceEngine
from joynet_sdk.proofs.evaluation import Evaluation, unpack
from joynet_sdk.proofs.field import FR
from joynet_sdk.proofs.logup import lookup_inverses, table_inverses
from joynet_sdk.proofs.msm import Msm
from joynet_sdk.proofs.pcs import TwoTierProver
from joynet_sdk.proofs.runtime import Runtime
from joynet_sdk.proofs.statement import Statement
from joynet_sdk.proofs.sumcheck import Instance, Term, encode
from joynet_sdk.proofs.sumcheck import prove as prove_sumcheck
from joynet_sdk.proofs.vectors import EqClaim, FrVector, combine
from joynet_sdk.proofs.verifier import Proof

Report = Callable[[str], None]
STAGES = ("advice", "inverses", "relations", "claims", "reduction", "opening")


def _silent(_stage: str) -> None:
    pass


class Prover:
    """Proves statements about one circuit; its weights stay on the device.

    Args:
        runtime: The device.
        msm: Sums over the SRS, at least 2^circuit.variables points.
        circuit: The circuit.
        weights: Group W up to its span.
    """

    def __init__(self, runtime: Runtime, msm: Msm, circuit: Circuit, weights: Integers) -> None:
        self._runtime = runtime
        self._msm = msm
        self._scheme = TwoTierProver(DeviceEngine(msm))
        self._circuit = circuit
        self._reach = _reach(circuit)
        self._weights = self._extended(Group.W, weights)
        self._weights_vector = FrVector.from_small(runtime, self._weights)

    def commit(self, values: Integers) -> g1.G1:
        """The commitment of small integers."""
        return self._msm.run_small(values)

    def prove(
        self,
        statement: Statement,
        advice: Integers,
        public: Mapping[Group, Integers] | None = None,
        report: Report = _silent,
    ) -> bytes:
        """The proof's bytes.

        Args:
            statement: What is claimed.
            advice: Group A up to its span.
            public: Groups X and Y where the circuit has them.
            report: Told each of STAGES as it begins.
        """
        circuit, transcript = self._circuit, statement.transcript()
        report("advice")
        given = {Group.A: advice, **(public or {})}
        integers = {group: self._extended(group, values) for group, values in given.items()}
        integers[Group.W] = self._weights
        vectors: dict[Group, FrVector] = {
            group: FrVector.from_small(self._runtime, values)
            for group, values in integers.items()
            if group is not Group.W
        }
        witness = Witness(integers, {Group.W: self._weights_vector, **vectors})
        commitment = self.commit(advice)
        transcript.absorb(b"advi", g1.encode(commitment))
        evaluation = Evaluation(
            circuit,
            unpack(circuit.input, statement.input),
            unpack(circuit.output, statement.output),
            transcript.challenge(),
            transcript.challenge(),
            (0,) * circuit.rho,
        )
        report("inverses")
        tables = DeviceTables(self._runtime, circuit, witness, evaluation)
        witness.vectors[Group.H] = self._inverses(tables)
        inverses = self._scheme.commit(witness.vectors[Group.H])
        transcript.absorb(b"invs", g1.encode(inverses))
        evaluation.rho = transcript.challenges(circuit.rho)
        tables.forget_rho()
        report("relations")
        before = self._claims(witness, evaluation, circuit.before)
        transcript.absorb(b"pre_", encode(before))
        weight = transcript.challenge()
        evaluation.define(circuit.before, before)
        first = prove_sumcheck(
            self._instances(tables, weight), evaluation.start(weight), transcript, 3
        )
        evaluation.r = first.point
        report("claims")
        after = self._claims(witness, evaluation, circuit.after)
        transcript.absorb(b"post", encode(after))
        mu = transcript.challenge()
        report("reduction")
        claims = before + after
        total = sum(pow(mu, j, FR) * claim for j, claim in enumerate(claims)) % FR
        weights = self._claim_weights(witness, evaluation, mu)
        groups = list(weights)
        reduction = [
            Instance(circuit.variables, [weights[g], witness.vectors[g]], [Term(1, (0, 1))])
            for g in groups
        ]
        second = prove_sumcheck(reduction, total, transcript, 2)
        report("opening")
        combined = combine(
            [
                (values[0], witness.vectors[group])
                for group, values in zip(groups, second.values, strict=True)
            ],
            1 << circuit.variables,
        )
        opening = self._scheme.open(combined, second.point, transcript)
        return Proof(
            commitment,
            inverses,
            before,
            [list(message) for message in first.messages],
            after,
            [list(message) for message in second.messages],
            opening,
        ).encode()

    def _extended(self, group: Group, values: Integers) -> Integers:
        """A group with zeros as far as claims reach."""
        missing = self._reach.get(group, 0) - len(values)
        return np.pad(values, (0, missing)) if missing > 0 else values

    def _inverses(self, tables: DeviceTables) -> FrVector:
        """Group H."""
        parts: list[tuple[int, FrVector]] = []
        for each in self._circuit.instances:
            if not isinstance(each, Lookup | Table):
                continue
            start = self._circuit.claim(each.h).slot << each.variables
            denominators = tables.denominators(each)
            if isinstance(each, Lookup):
                parts.append((start, lookup_inverses(denominators)))
            else:
                counts = tables.integers(each.m, each.variables)
                parts.append((start, table_inverses(denominators, counts)))
        h = FrVector.zeros(self._runtime, max(start + part.length for start, part in parts))
        for start, part in parts:
            h.slice(start, part.length).write(part)
        return h

    def _claims(
        self, witness: Witness, evaluation: Evaluation, records: Sequence[Value]
    ) -> list[int]:
        """Values of the claims among the records."""
        found = []
        for record in records:
            if isinstance(record, Claim):
                point = evaluation.point(self._circuit.recipes[record.recipe])
                size = 1 << len(point)
                vector = witness.vectors[record.group].slice(record.slot * size, size)
                found.append(vector.evaluate(point))
        return found

    def _instances(self, tables: DeviceTables, weight: int) -> list[Instance]:
        """Sumcheck 1 as products of tables."""
        instances, power = [], 1
        equal: dict[int, FrVector] = {}
        for each in self._circuit.instances:
            power = power * weight % FR
            n = each.variables
            if isinstance(each, Sum):
                instances.append(_products(tables, each.terms, n, power))
                continue
            if n not in equal:
                equal[n] = tables.equal(n)
            match each:
                case Zero():
                    instances.append(_products(tables, each.terms, n, power, equal[n]))
                case Lookup():
                    columns = [equal[n], tables.cube(each.h, n), tables.denominators(each)]
                    terms = [Term(power, (0, 1, 2)), Term(-power, (0,)), Term(1, (1,))]
                    instances.append(Instance(n, columns, terms))
                case Table():
                    columns = [equal[n], tables.cube(each.h, n), tables.denominators(each)]
                    columns.append(tables.cube(each.m, n))
                    terms = [Term(power, (0, 1, 2)), Term(-power, (0, 3)), Term(-1, (1,))]
                    instances.append(Instance(n, columns, terms))
        return instances

    def _claim_weights(
        self, witness: Witness, evaluation: Evaluation, mu: int
    ) -> dict[Group, FrVector]:
        """Per group sum_j mu^j eq(point of claim j, .) in its slot."""
        claims: dict[Group, list[EqClaim]] = {}
        power = 1
        for claim in self._circuit.claims:
            point = evaluation.point(self._circuit.recipes[claim.recipe])
            at = EqClaim(claim.slot << len(point), point, power)
            claims.setdefault(claim.group, []).append(at)
            power = power * mu % FR
        found = {}
        for group, parts in claims.items():
            found[group] = FrVector.zeros(self._runtime, witness.vectors[group].length)
            found[group].accumulate_eq(parts)
        return found


def _reach(circuit: Circuit) -> dict[Group, int]:
    """Per group where the last slot of its claims ends."""
    ends: dict[Group, int] = {}
    for claim in circuit.claims:
        end = claim.slot + 1 << circuit.length(claim.recipe)
        ends[claim.group] = max(ends.get(claim.group, 0), end)
    return ends


def _products(
    tables: DeviceTables,
    terms: Sequence[CircuitTerm],
    variables: int,
    weight: int,
    equal: FrVector | None = None,
) -> Instance:
    """An instance of weighted terms; linear ones become one table."""
    columns: list[FrVector] = [] if equal is None else [equal]
    lead = () if equal is None else (0,)
    places: dict[int, int] = {}
    linear: list[CircuitTerm] = []
    found: list[Term] = []
    for term in terms:
        factors = [i for i in (term.a, term.b, term.c) if not isinstance(tables.value(i), int)]
        if len(factors) <= 1:
            linear.append(term)
            continue
        coefficient = term.coefficient
        for index in (term.a, term.b, term.c):
            constant = tables.value(index)
            if isinstance(constant, int):
                coefficient = coefficient * constant % FR
        for index in factors:
            if index not in places:
                places[index] = len(columns)
                columns.append(tables.cube(index, variables))
        found.append(Term(weight * coefficient, (*lead, *(places[i] for i in factors))))
    if linear or not found:
        columns.append(tables.spread(tables.terms(linear), range(variables)))
        found.append(Term(weight, (*lead, len(columns) - 1)))
    return Instance(variables, columns, found)
