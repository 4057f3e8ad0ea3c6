"""checkpoints: past values by block, never the current block."""

import boa
from hypothesis import given, settings
from hypothesis import strategies as st


def next_block(blocks=1):
    boa.env.evm.patch.block_number += blocks


def test_clock_is_the_block_number(harness):
    assert harness.clock() == boa.env.evm.patch.block_number
    assert harness.CLOCK_MODE() == "mode=blocknumber&from=default"


def test_value_of_the_current_block_cannot_be_read(harness, vault):
    harness.push(vault, 7)
    block = harness.clock()
    for timepoint in (block, block + 1):
        with boa.reverts("checkpoints: block not over"):
            harness.value_at(vault, timepoint)
    next_block()
    assert harness.value_at(vault, block) == 7


def test_last_value_of_a_block_counts(harness, vault):
    block = harness.clock()
    for value in (7, 0, 9):
        harness.push(vault, value)
    next_block()
    assert harness.value_at(vault, block) == harness.latest(vault) == 9
    assert harness.value_at(vault, block - 1) == 0


def test_biggest_value_fits_and_bigger_reverts(harness, vault):
    harness.push(vault, 2**208 - 1)
    assert harness.latest(vault) == 2**208 - 1
    with boa.reverts("checkpoints: value too big"):
        harness.push(vault, 2**208)


@settings(max_examples=15, deadline=None)
@given(
    pushes=st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 1), st.integers(0, 2**208 - 1)), max_size=20
    )
)
def test_lookup_equals_a_replayed_history(deploy_harness, vault, client, pushes):
    harness = deploy_harness()
    start = harness.clock()
    history = {vault: {}, client: {}}
    for blocks, who, value in pushes:
        next_block(blocks)
        account = (vault, client)[who]
        harness.push(account, value)
        history[account][harness.clock()] = value
    next_block()
    for account, points in history.items():
        expected = 0
        for block in range(start - 1, harness.clock()):
            expected = points.get(block, expected)
            assert harness.value_at(account, block) == expected
        assert harness.latest(account) == expected
