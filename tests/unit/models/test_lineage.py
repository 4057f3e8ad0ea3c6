"""Trees of parents and children."""

import pytest

from joynet_sdk.errors import InvalidInputError
from joynet_sdk.models.lineage import MAX_RELATIVES, trace
from joynet_sdk.models.listing import Stake
from joynet_sdk.models.service import next_version


def test_both_directions_and_repeated_relatives():
    parents = {"c": [Stake("a", 500), Stake("b", 300)], "b": [Stake("a", 1_000)]}
    children = {"c": [Stake("d", 700)]}
    found = trace(
        "c", lambda m: parents.get(m, []), lambda m: children.get(m, []), {"a": "Old"}.get
    )
    assert [(each.model, each.share_bps, each.title) for each in found.parents] == [
        ("a", 500, "Old"),
        ("b", 300, None),
    ]
    again = found.parents[1].relatives[0]
    assert (again.model, again.is_repeated, again.relatives) == ("a", True, ())
    assert [each.model for each in found.children] == ["d"]
    assert not found.is_cut


def test_many_children_are_cut():
    many = [Stake(str(number), 1) for number in range(MAX_RELATIVES + 1)]
    found = trace("c", lambda m: [], lambda m: many if m == "c" else [], lambda m: None)
    assert len(found.children) == MAX_RELATIVES
    assert found.is_cut


def test_a_ring_ends():
    ring = {"a": [Stake("b", 1)], "b": [Stake("a", 1)]}
    found = trace("a", lambda m: ring[m], lambda m: [], lambda m: None)
    assert found.parents[0].relatives[0].is_repeated


@pytest.mark.parametrize(
    ("label", "after"), [("1", "2"), ("1.0.9", "1.0.10"), ("2.0-rc1", "2.0-rc2")]
)
def test_the_next_version(label, after):
    assert next_version(label) == after


def test_no_next_version():
    with pytest.raises(InvalidInputError, match="ends in no number"):
        next_version("beta")
