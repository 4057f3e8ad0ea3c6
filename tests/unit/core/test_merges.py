"""The table of merge methods."""

import math
from importlib.util import find_spec

import pytest

from joynet_sdk import merges
from joynet_sdk.errors import InvalidInputError, NotFoundError

NAMES = (
    "linear slerp nuslerp task_arithmetic ties dare_linear dare_ties della della_linear "
    "breadcrumbs breadcrumbs_ties model_stock passthrough"
)


def test_every_method_is_there_and_has_a_module_of_its_own():
    assert list(merges.METHODS) == NAMES.split()
    for name, method in merges.METHODS.items():
        assert method.name == name
        assert method.paper
        assert find_spec(f"joynet_sdk.compute.merging.{name}")


@pytest.mark.parametrize("method", merges.METHODS.values(), ids=lambda method: method.name)
def test_defaults_are_within_their_bounds(method):
    names = [parameter.name for parameter in method.parameters]
    assert len(set(names)) == len(names)
    assert set(method.of_models) | set(method.of_tensor) == set(method.parameters)
    for parameter in method.parameters:
        assert parameter.checked(parameter.default) == parameter.default


@pytest.mark.parametrize("value", [-0.1, 1.1, math.nan, math.inf, "0.5", True, None])
def test_numbers_are_checked(value):
    density = merges.method("ties").parameter("density")
    assert density.checked(1) == 1.0
    with pytest.raises(InvalidInputError, match="density is .* expected a number from 0 to 1"):
        density.checked(value)


@pytest.mark.parametrize("value", [0, 1, "true", None])
def test_switches_are_true_or_false(value):
    normalize = merges.method("ties").parameter("normalize")
    assert normalize.is_switch
    assert normalize.checked(False) is False
    with pytest.raises(InvalidInputError, match="normalize is .* expected true or false"):
        normalize.checked(value)


def test_infinite_numbers_are_refused_without_bounds():
    with pytest.raises(InvalidInputError, match="weight is inf, expected a number"):
        merges.method("linear").parameter("weight").checked(math.inf)


def test_unknown_names():
    with pytest.raises(NotFoundError, match="merge method: tie"):
        merges.method("tie")
    with pytest.raises(NotFoundError, match="parameter of slerp: weight"):
        merges.method("slerp").parameter("weight")


@pytest.mark.parametrize(
    ("name", "models", "has_base", "words"),
    [
        ("slerp", 2, True, "slerp was given 2 models beside the base, expected 1"),
        ("slerp", 1, False, "slerp was given no base model, expected one"),
        ("nuslerp", 3, False, "nuslerp was given 3 models beside the base, expected 2"),
        ("model_stock", 1, True, "model_stock was given 1 models beside the base, expected 2 or"),
        ("linear", 0, False, "linear was given 0 models, expected 1 or more"),
        ("passthrough", 2, False, "passthrough was given 2 models, expected 1"),
        ("linear", 2, True, "linear was given a base model, expected none"),
    ],
)
def test_counts(name, models, has_base, words):
    with pytest.raises(InvalidInputError, match=words):
        merges.method(name).check_counts(models, has_base=has_base)
