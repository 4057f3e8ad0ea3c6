"""Whether polynomials satisfy a circuit, instance by instance, without any proof."""

import random
from collections.abc import Mapping, Sequence

from joynet_sdk.proofs.circuit import Circuit, Group, Lookup, Sum, Table, Zero
from joynet_sdk.proofs.evaluation import Evaluation
from joynet_sdk.proofs.extensions import R
from joynet_sdk.proofs.tables import Tables


def failures(
    circuit: Circuit,
    groups: Mapping[Group, Sequence[int]],
    *,
    input: Sequence[int] = (),
    output: Sequence[int] = (),
    seed: int = 1,
) -> list[str]:
    """Names of the instances that do not hold for random challenges; [] if all do.

    LookUps hold together: "logup" is their one relation. H is not read, its columns are
    what they must be.
    """
    draw = random.Random(seed)
    gamma, beta, *rho = (draw.randrange(R) for _ in range(2 + circuit.rho))
    given = {"input": input, "output": output, "gamma": gamma, "beta": beta, "rho": rho}
    tables = Tables(circuit, groups, **given)
    evaluation = Evaluation(circuit, input, output, gamma, beta, rho)
    before = [tables.value(i).entries[0] for i in range(4, 4 + len(circuit.before))]
    evaluation.values += before
    failed, balance = [], 0
    for number, each in enumerate(circuit.instances):
        name = f"{type(each).__name__} {number}"
        match each:
            case Sum():
                table = tables.terms(each.terms)
                copies = 1 << each.variables - len(table.variables)
                total = sum(table.entries) * copies
                if (total - evaluation.terms(each.start)) % R:
                    failed.append(name)
            case Zero():
                if any(tables.terms(each.terms).entries):
                    failed.append(name)
            case Lookup():
                balance += sum(pow(d, -1, R) for d in tables.denominators(each))
            case Table():
                m = tables.cube(each.m, each.variables)
                rows = zip(m, tables.denominators(each), strict=True)
                balance -= sum(count * pow(d, -1, R) for count, d in rows if count)
    if balance % R:
        failed.append("logup")
    return failed
