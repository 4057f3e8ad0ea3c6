"""The parts that methods share: random words, order statistics, sums."""

import math

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from joynet_sdk.compute.merging import blocks
from joynet_sdk.compute.merging.blocks import spans
from joynet_sdk.compute.merging.random_bits import words
from joynet_sdk.compute.merging.selection import kth_smallest, position
from joynet_sdk.compute.merging.sums import Sum, folded

from . import reference


def test_philox_reference_gives_the_known_answers():
    """Random123 (D. E. Shaw Research), kat_vectors: philox4x64 of 10 rounds."""
    most = (1 << 64) - 1
    assert reference.philox([0] * 4, [0, 0]) == [
        0x16554D9ECA36314C,
        0xDB20FE9D672D0FDC,
        0xD7E772CEE186176B,
        0x7E68B68AEC7BA23B,
    ]
    assert reference.philox([most] * 4, [most, most])[0] == 0x87B092C3013FE90B


@given(st.integers(0, 2**64 - 1), st.integers(0, 40), st.integers(0, 50), st.integers(0, 50))
@settings(max_examples=25, deadline=None)
def test_words_begin_anywhere(seed, stream, start, count):
    wanted = reference.words(seed, stream, start + count)[start:]
    assert words(seed, stream, start, count).tolist() == wanted.tolist()


@given(
    st.lists(st.sampled_from([0.0, 1.0, 1e-38, 3.5]) | st.floats(0, 2.0**99, width=32), min_size=1),
    st.data(),
    st.sampled_from([torch.float32, torch.float64]),
)
@settings(max_examples=40, deadline=None)
@example([0.0] * 9, None, torch.float32)
def test_order_statistics_equal_those_of_a_sort(values, data, dtype):
    tensor = torch.tensor(values, dtype=dtype)

    def passes():
        return (tensor[start : start + 4] for start in range(0, len(tensor), 4))

    order = np.argsort(tensor.numpy(), kind="stable")
    ranks = [0] if data is None else data.draw(st.lists(st.integers(0, len(values) - 1)))
    for rank, found in zip(ranks, kth_smallest(passes, ranks, dtype), strict=True):
        assert found.value == float(tensor[order[rank]])
        assert found.equal == int((tensor == found.value).sum())
        assert position(passes, found.value, found.before) == order[rank]


def test_sums_are_exact_where_float64_is():
    random = np.random.default_rng(3).normal(size=3 * blocks.BLOCK + 5).astype(np.float32)
    total = Sum()
    for span in spans(len(random)):
        block = torch.from_numpy(random[span])
        total.add_products(block, block)
    assert total.total() == pytest.approx(math.fsum(random.astype(float) ** 2), rel=1e-14)


@pytest.mark.parametrize("shape", [(1, 1), (3, 7), (4, 8), (2, 0)])
@pytest.mark.parametrize("axis", [0, 1])
def test_folding_adds_along_an_axis(shape, axis):
    values = torch.arange(math.prod(shape), dtype=torch.float64).view(shape)
    assert torch.equal(folded(values.clone(), axis), values.sum(dim=axis))


def test_spans_are_whole_units():
    assert list(spans(0)) == []
    assert list(spans(7, 3 * blocks.BLOCK)) == [slice(0, 7)]
    cut = list(spans(3 * blocks.BLOCK, 5))
    assert all(span.start % 5 == 0 for span in cut)
    assert [span.start for span in cut[1:]] == [span.stop for span in cut[:-1]]
    assert cut[-1].stop == 3 * blocks.BLOCK
