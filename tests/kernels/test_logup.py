"""LogUp columns against Python integers."""

import random

import numpy as np
import pytest

from joynet_sdk.errors import InvalidInputError, JoyNetError
from joynet_sdk.proofs.field import FR
from joynet_sdk.proofs.logup import (
    Columns,
    denominators,
    lookup_inverses,
    multiplicities,
    table_inverses,
)
from joynet_sdk.proofs.runtime import Runtime
from joynet_sdk.proofs.vectors import FrVector

GAMMA, BETA = (random.Random(5).randrange(FR) for _ in range(2))


def small(runtime: Runtime, values: np.ndarray) -> FrVector:
    return FrVector.from_small(runtime, values.astype(np.int64))


@pytest.mark.parametrize("rows", [1, 2, 63, 65, 1500])
@pytest.mark.parametrize("with_y", [False, True])
@pytest.mark.parametrize("number", [0, 7, "column"])
def test_denominators_and_inverses(
    runtime: Runtime, rows: int, with_y: bool, number: int | str
) -> None:
    rng = np.random.default_rng(rows)
    v, y, ids = (rng.integers(-1000, 1000, rows) for _ in range(3))
    columns = Columns(
        small(runtime, v),
        small(runtime, y) if with_y else None,
        small(runtime, ids) if number == "column" else int(number),
    )
    expected = [
        (BETA - a - with_y * GAMMA * b - GAMMA * GAMMA * (c if number == "column" else int(number)))
        % FR
        for a, b, c in zip(v.tolist(), y.tolist(), ids.tolist(), strict=True)
    ]
    found = denominators(columns, GAMMA, BETA)
    assert found.to_ints() == expected
    assert lookup_inverses(found).to_ints() == [pow(d, -1, FR) for d in expected]


def test_table_side_is_sparse_and_sums_to_the_lookups(runtime: Runtime) -> None:
    """The sums over lookups and over the table are equal for honest multiplicities only."""
    table = np.arange(4096)
    looked_up = np.random.default_rng(1).integers(0, 90, 3000) * 7
    counts = multiplicities(looked_up, len(table))
    assert counts.sum() == 3000
    lookups = lookup_inverses(
        denominators(Columns(small(runtime, looked_up), None, 3), GAMMA, BETA)
    )
    rows = denominators(Columns(small(runtime, table), None, 3), GAMMA, BETA)
    inverses = table_inverses(rows, counts).to_ints()
    expected = [
        int(m) * pow(BETA - i - 3 * GAMMA * GAMMA, -1, FR) % FR if m else 0
        for i, m in enumerate(counts)
    ]
    assert inverses == expected
    assert sum(lookups.to_ints()) % FR == sum(inverses) % FR
    counts[0] += 1
    counts[7] -= 1
    assert sum(lookups.to_ints()) % FR != sum(table_inverses(rows, counts).to_ints()) % FR


def test_table_that_nothing_looks_up(runtime: Runtime) -> None:
    rows = denominators(Columns(small(runtime, np.arange(33))), GAMMA, BETA)
    assert table_inverses(rows, np.zeros(33, np.int64)).to_ints() == [0] * 33


def test_zero_denominator_asks_for_another_salt(runtime: Runtime) -> None:
    rows = denominators(Columns(small(runtime, np.arange(50))), GAMMA, 41)
    counts = np.zeros(50, np.int64)
    counts[[3, 40]] = 2
    assert table_inverses(rows, counts).to_ints()[3] == 2 * pow(38, -1, FR) % FR
    counts[41] = 1
    for call in (lambda: lookup_inverses(rows), lambda: table_inverses(rows, counts)):
        with pytest.raises(JoyNetError, match="fingerprint of row 41") as caught:
            call()
        assert caught.value.retryable
        assert caught.value.hint == "prove again with another salt"


def test_lookup_outside_its_table_is_refused() -> None:
    assert multiplicities(np.array([[0, 2], [2, 2]]), 4).tolist() == [1, 0, 3, 0]
    for bad in (-1, 4):
        with pytest.raises(InvalidInputError, match=f"table of 4 rows, the first one at {bad}"):
            multiplicities(np.array([0, bad]), 4)


def test_bad_columns_are_refused(runtime: Runtime) -> None:
    five, four = small(runtime, np.arange(5)), small(runtime, np.arange(4))
    for columns in (Columns(five, four), Columns(five, None, four)):
        with pytest.raises(InvalidInputError, match="columns of 5 and 4 rows"):
            denominators(columns, GAMMA, BETA)
    for counts in (np.zeros(4, np.int64), np.zeros(5, np.int32), np.full(5, -1)):
        with pytest.raises(InvalidInputError, match="one int64 >= 0 per row"):
            table_inverses(five, counts)
