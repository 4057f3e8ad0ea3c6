"""Whether polynomials satisfy a circuit, instance by instance, without any proof."""

import random
from collections import Counter
from collections.abc import Mapping, Sequence

from joynet_sdk.proofs.circuit import (
    FIRST_VALUE,
    Circuit,
    Claim,
    Define,
    Group,
    Instance,
    Lookup,
    Sum,
    Table,
    Term,
    Zero,
)
from joynet_sdk.proofs.evaluation import Evaluation
from joynet_sdk.proofs.field import FR
from joynet_sdk.proofs.tables import Tables

Groups = Mapping[Group, Sequence[int]]


class Checker:
    """A circuit and random challenges; what does not depend on group A is computed once."""

    def __init__(
        self,
        circuit: Circuit,
        groups: Groups,
        *,
        input: Sequence[int] = (),
        output: Sequence[int] = (),
        seed: int = 1,
    ) -> None:
        draw = random.Random(seed)
        gamma, beta, *rho = (draw.randrange(FR) for _ in range(2 + circuit.rho))
        self._given = {"input": input, "output": output, "gamma": gamma, "beta": beta, "rho": rho}
        self._circuit = circuit
        self._groups = groups
        self._records = circuit.before + circuit.after
        self._reads_advice = self._dependent()
        self._base = Tables(circuit, groups, **self._given)
        self._rows: dict[int, list[int]] = {}

    def failures(self, advice: Sequence[int]) -> list[str]:
        """Names of the instances that do not hold; [] if all do.

        Lookups hold together: "logup" is their one relation, here as the multisets that it
        compares. H is not read, its columns are what they must be.
        """
        circuit = self._circuit
        tables = Tables(circuit, {**self._groups, Group.A: advice}, **self._given)
        for index in range(FIRST_VALUE, FIRST_VALUE + len(self._records)):
            if index not in self._reads_advice:
                tables._known[index] = self._base.value(index)
        evaluation = Evaluation(circuit, **self._given)
        first = range(FIRST_VALUE, FIRST_VALUE + len(circuit.before))
        evaluation.values += [tables.value(i).entries[0] for i in first]
        failed: list[str] = []
        balance: Counter[int] = Counter()
        for number, each in enumerate(circuit.instances):
            if not self._holds(each, tables, evaluation, balance, number):
                failed.append(f"{type(each).__name__} {number}")
        if any(count % FR for count in balance.values()):
            failed.append("logup")
        return failed

    def _holds(
        self,
        each: Instance,
        tables: Tables,
        evaluation: Evaluation,
        balance: Counter[int],
        number: int,
    ) -> bool:
        match each:
            case Sum():
                table = tables.terms(each.terms)
                copies = 1 << each.variables - len(table.variables)
                return (sum(table.entries) * copies - evaluation.terms(each.start)) % FR == 0
            case Zero():
                return not any(tables.terms(each.terms).entries)
            case Lookup():
                balance.update(tables.denominators(each))
            case Table():
                if number not in self._rows:
                    self._rows[number] = self._base.denominators(each)
                counts = tables.cube(each.m, each.variables)
                for count, row in zip(counts, self._rows[number], strict=True):
                    if count:
                        balance[row] -= count
        return True

    def _dependent(self) -> set[int]:
        """Values that depend on groups A or H."""
        found: set[int] = set()
        for index, record in enumerate(self._records, FIRST_VALUE):
            if isinstance(record, Claim):
                if record.group in (Group.A, Group.H):
                    found.add(index)
            elif isinstance(record, Define):
                operands = {i for term in record.terms for i in (term.a, term.b, term.c)}
                if operands & found:
                    found.add(index)
        return found


def failures(
    circuit: Circuit,
    groups: Groups,
    *,
    input: Sequence[int] = (),
    output: Sequence[int] = (),
    seed: int = 1,
) -> list[str]:
    """`Checker.failures` of the groups' own advice."""
    return Checker(circuit, groups, input=input, output=output, seed=seed).failures(groups[Group.A])


def steep(circuit: Circuit) -> list[str]:
    """Values and instances whose degree in a variable is not what the sumcheck allows.

    A value that is a factor must be multilinear, so the factors of a DEFINE's terms have no
    variable in common; those of an instance's terms are three at most, with eq of a ZERO.
    """
    records = circuit.before + circuit.after
    variables: dict[int, set[int]] = {i: set() for i in range(FIRST_VALUE)}
    tables = Tables(circuit, {}, input=(), output=(), gamma=0, beta=0, rho=())
    found = []
    for index, record in enumerate(records, FIRST_VALUE):
        if isinstance(record, Claim):
            parts = tables._free(circuit.recipes[record.recipe])
            variables[index] = {i for i in parts if i is not None}
        elif isinstance(record, Define):
            if any(_shares(term, variables) for term in record.terms):
                found.append(f"Define {index}")
            operands = {i for term in record.terms for i in (term.a, term.b, term.c)}
            variables[index] = set().union(*(variables[i] for i in operands))
        else:
            variables[index] = {
                i
                for part in tables._ranges(record)
                if part.source == 1
                for i in range(part.start, part.start + part.count)
            }
    for number, each in enumerate(circuit.instances):
        operands = _operands(each)
        if any(i >= each.variables for operand in operands for i in variables[operand]):
            found.append(f"{type(each).__name__} {number}")
    return found


def _shares(term: Term, variables: dict[int, set[int]]) -> bool:
    sets = [variables[i] for i in (term.a, term.b, term.c)]
    return len(set().union(*sets)) < sum(map(len, sets))


def _operands(each: Instance) -> set[int]:
    match each:
        case Sum() | Zero():
            return {i for term in each.terms for i in (term.a, term.b, term.c)}
        case Lookup():
            return {each.h, each.v, each.y, each.id}
        case Table():
            return {each.h, each.v, each.y, each.id, each.m}
