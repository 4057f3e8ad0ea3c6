"""The batched sumcheck against sums written out in Python."""

import random
from collections.abc import Sequence
from itertools import pairwise

import pytest

from joynet_sdk.errors import InvalidInputError, VerificationError
from joynet_sdk.proofs.field import FR
from joynet_sdk.proofs.runtime import Runtime
from joynet_sdk.proofs.sumcheck import Instance, Proved, Term, last_claim, prove, verify
from joynet_sdk.proofs.transcript import Transcript
from joynet_sdk.proofs.vectors import FrVector

EDGES = (0, 1, FR - 1)


def table(runtime: Runtime, length: int, seed: int) -> FrVector:
    """Random elements, a third of them 0, 1 or r - 1."""
    rng = random.Random(seed)
    choices = [rng.choice((*EDGES, *(rng.randrange(FR) for _ in range(6)))) for _ in range(length)]
    return FrVector.from_ints(runtime, choices)


def cube(instance: Instance) -> list[list[int]]:
    """The tables with their zeros."""
    size = 1 << instance.variables
    return [each.to_ints() + [0] * (size - each.length) for each in instance.tables]


def weighted_sum(instance: Instance) -> int:
    """w_k * S_k by brute force."""
    return sum(instance.combine(row) for row in zip(*cube(instance), strict=True)) % FR


def multilinear(values: Sequence[int], point: Sequence[int]) -> int:
    for r in point:
        values = [(a + r * (b - a)) % FR for a, b in zip(values[::2], values[1::2], strict=True)]
    return values[0]


def transcript() -> Transcript:
    return Transcript(b"test")


def check(instances: Sequence[Instance], degree: int) -> Proved:
    """Prove the true total; the verifier and the tables at the point agree."""
    total = sum(map(weighted_sum, instances)) % FR
    proved = prove(instances, total, transcript(), degree)
    rounds = max(each.variables for each in instances)
    point, claim = verify(proved.messages, total, rounds, degree, transcript())
    assert (point, claim) == (proved.point, proved.claim)
    for instance, values in zip(instances, proved.values, strict=True):
        own = point[: instance.variables]
        assert values == [multilinear(each, own) for each in cube(instance)]
    assert claim == last_claim(instances, proved.values)
    return proved


@pytest.mark.parametrize("variables", [0, 1, 2, 5, 9])
@pytest.mark.parametrize("factors", [1, 2, 3])
def test_one_product(runtime: Runtime, variables: int, factors: int) -> None:
    tables = [table(runtime, 1 << variables, 10 + k) for k in range(factors)]
    check([Instance(variables, tables, [Term(3, tuple(range(factors)))], 5)], max(factors, 2))


def test_more_than_one_task(runtime: Runtime) -> None:
    """Tables longer than what one group of work-items handles."""
    tables = [table(runtime, 1 << 13, 20), table(runtime, 1 << 13, 21)]
    check([Instance(13, tables, [Term(1, (0, 1))])], 2)


@pytest.mark.parametrize("factors", [2, 3])
@pytest.mark.parametrize("pattern", [(1, 1), (1, 0), (0, 1), (1, 2)])
def test_largest_limbs_everywhere(runtime: Runtime, factors: int, pattern: tuple[int, int]) -> None:
    """Delayed reductions hold when every value and every difference is as large as it gets."""
    small = pow(2, -256, FR)
    values = (0, (FR - 1) * small % FR, ((1 << 252) - 1) * small % FR)  # r - 1 in Montgomery form
    elements = [values[pattern[0]], values[pattern[1]]] * 2048
    tables = [FrVector.from_ints(runtime, elements) for _ in range(factors)]
    check([Instance(12, tables, [Term(1, tuple(range(factors)))])], factors)


@pytest.mark.parametrize("degree", [3, 4])
def test_mixed_sizes_and_shared_tables(runtime: Runtime, degree: int) -> None:
    eq3, eq5 = table(runtime, 8, 1), table(runtime, 32, 2)
    instances = [
        Instance(3, [eq3, table(runtime, 8, 3)], [Term(1, (0, 1)), Term(-1, (0,))], 7),
        Instance(5, [eq5, table(runtime, 32, 4)], [Term(2, (0, 1, 1)), Term(9, (1,))], FR - 1),
        Instance(0, [table(runtime, 1, 5), table(runtime, 1, 6)], [Term(4, (0, 1))], 3),
        Instance(3, [table(runtime, 8, 7), eq3], [Term(1, (1, 0, 1))], -2),
        Instance(7, [table(runtime, 128, 8)], [Term(1, (0,)), Term(1, (0, 0)), Term(6, (0,) * 3)]),
        Instance(5, [eq3, eq5], [Term(1, (0, 1))], 8),  # eq3 with zeros behind it
        Instance(1, [table(runtime, 2, 9)], [Term(1, (0,))], 0),
    ]
    check(instances, degree)


def test_instances_joined_by_a_later_one(runtime: Runtime) -> None:
    a, b, c = (table(runtime, 16, k) for k in (30, 31, 32))
    product = [Term(1, (0, 1))]
    instances = [
        Instance(4, [a, a.copy()], product),
        Instance(4, [b, b.copy()], product, 2),
        Instance(4, [c], [Term(1, (0,))], 3),
        Instance(4, [a, b], product, 4),
        Instance(4, [c, a, b], [Term(1, (0, 1, 2))], 5),
    ]
    check(instances, 3)


@pytest.mark.parametrize("lengths", [(1, 1), (1, 64), (5, 64), (37, 19), (63, 64), (33, 2)])
def test_zeros_behind_short_tables(runtime: Runtime, lengths: tuple[int, int]) -> None:
    first, second = (table(runtime, size, 40 + k) for k, size in enumerate(lengths))
    terms = [Term(1, (0, 1)), Term(5, (0,)), Term(-1, (1, 1, 0))]
    check([Instance(6, [first, second], terms)], 3)


def test_tables_in_many_buffers_and_in_slices(runtime: Runtime) -> None:
    whole = table(runtime, 200, 50)
    tables = [table(runtime, 8 + k % 3, 60 + k) for k in range(20)]
    tables += [whole.slice(at, 16) for at in (0, 5, 130)]
    terms = [Term(k + 1, (k, k + 1)) for k in range(len(tables) - 1)]
    check([Instance(4, tables, terms)], 2)


def test_equal_statements_give_equal_bytes(runtime: Runtime) -> None:
    instances = [Instance(4, [table(runtime, 16, 70)], [Term(1, (0, 0))])]
    assert check(instances, 2) == check(instances, 2)


def test_wrong_claim_shows_in_the_last_claim(runtime: Runtime) -> None:
    instances = [Instance(4, [table(runtime, 16, 71), table(runtime, 11, 72)], [Term(1, (0, 1))])]
    proved = prove(instances, weighted_sum(instances[0]) + 1, transcript(), 2)
    assert proved.claim != last_claim(instances, proved.values)


def test_every_tampered_scalar_is_noticed(runtime: Runtime) -> None:
    instances = [
        Instance(4, [table(runtime, 16, 80), table(runtime, 16, 81)], [Term(1, (0, 1, 1))]),
        Instance(2, [table(runtime, 4, 82)], [Term(1, (0,))], 3),
    ]
    total = sum(map(weighted_sum, instances)) % FR
    proved = check(instances, 3)
    for number in range(4):
        for place in range(3):
            messages = [list(message) for message in proved.messages]
            messages[number][place] = (messages[number][place] + 1) % FR
            point, claim = verify(messages, total, 4, 3, transcript())
            values = [
                [multilinear(each, point[: instance.variables]) for each in cube(instance)]
                for instance in instances
            ]
            assert claim != last_claim(instances, values)


def test_malformed_proofs_are_rejected(runtime: Runtime) -> None:
    instances = [Instance(3, [table(runtime, 8, 90), table(runtime, 8, 91)], [Term(1, (0, 1))])]
    messages = check(instances, 2).messages
    for bad, expected in (
        (messages[:-1], "of 2 rounds, expected 3"),
        ([*messages, messages[0]], "of 4 rounds, expected 3"),
        ([(1, 2, 3), *messages[1:]], "round 0 has 3 scalars, expected 2"),
        ([messages[0], (1,), messages[2]], "round 1 has 1 scalars, expected 2"),
        ([*messages[:2], (0, FR)], "round 2: a scalar is not below r"),
        ([*messages[:2], (-1, 0)], "round 2: a scalar is not below r"),
    ):
        with pytest.raises(VerificationError, match=expected):
            verify(bad, 0, 3, 2, transcript())


def test_challenges_depend_on_all_earlier_messages(runtime: Runtime) -> None:
    messages = check([Instance(5, [table(runtime, 32, 95)], [Term(1, (0, 0))])], 2).messages
    points = [verify(messages, 0, 5, 2, transcript())[0]]
    for number in range(5):
        changed = [list(message) for message in messages]
        changed[number][1] ^= 1
        points.append(verify(changed, 0, 5, 2, transcript())[0])
    assert points[0][0] != points[1][0]
    for number, (honest, tampered) in enumerate(pairwise([points[0], points[5]])):
        assert honest[:4] == tampered[:4], number
        assert honest[4] != tampered[4]


def test_malformed_instances_are_refused(runtime: Runtime) -> None:
    t = table(runtime, 4, 99)
    good = [Term(1, (0,))]
    for instances, degree, expected in (
        ([], 2, "no instances"),
        ([Instance(2, [t], good)], 1, "degree 1"),
        ([Instance(2, [], good)], 2, "no tables or no terms"),
        ([Instance(2, [t], [])], 2, "no tables or no terms"),
        ([Instance(1, [t], good)], 2, r"tables of \[4\] elements in 1 variables"),
        ([Instance(2, [t], [Term(1, (0, 0, 0))])], 2, "3 factors, expected 1 to 2"),
        ([Instance(2, [t], [Term(1, (0,) * 4)])], 4, "4 factors, expected 1 to 3"),
        ([Instance(2, [t], [Term(1, ())])], 2, "0 factors"),
        ([Instance(2, [t], [Term(1, (1,))])], 2, r"factors \(1,\) of 1 tables"),
    ):
        with pytest.raises(InvalidInputError, match=expected):
            prove(instances, 0, transcript(), degree)
