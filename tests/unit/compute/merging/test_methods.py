"""Every method against its NumPy reference, whatever the shapes, values and parameters."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from joynet_sdk.compute.merging import blocks as blocks_module
from joynet_sdk.compute.merging.inputs import MergeInputs
from joynet_sdk.compute.merging.methods import merge
from joynet_sdk.merges import METHODS, Parameter

from . import reference

SHAPES = st.lists(st.integers(1, 7), max_size=3).map(tuple) | st.sampled_from(
    [(0,), (3, 0), (40,), (17, 9), (2, 33)]
)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Blocks of 16 elements, so that small tensors have several."""
    monkeypatch.setattr(blocks_module, "BLOCK", 16)


def numbers(parameter: Parameter) -> st.SearchStrategy:
    """Values of a parameter, its edges among them."""
    if parameter.is_switch:
        return st.booleans()
    if parameter.name == "epsilon":
        return st.floats(0, 0.09)
    if parameter.name == "density":
        return st.sampled_from([0.0, 1.0]) | st.floats(0.1, 0.9)
    low = -2.0 if parameter.low is None else parameter.low
    high = 2.0 if parameter.high is None else parameter.high
    return st.sampled_from([1.0, 0.5]) | st.floats(low, high, width=32)


@st.composite
def merges(draw, name: str) -> MergeInputs:
    """Inputs of a method: random or small whole numbers (many ties, zeros, opposites)."""
    method, shape = METHODS[name], draw(SHAPES)
    count = draw(st.integers(method.min_models, method.max_models or 4))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    is_whole = draw(st.booleans())

    def tensor() -> torch.Tensor:
        values = random.integers(-2, 3, shape) if is_whole else random.normal(size=shape)
        return torch.from_numpy(np.asarray(values, np.float32))

    has_base = method.base == "required" or (method.base == "optional" and draw(st.booleans()))
    parameters = tuple({p.name: draw(numbers(p)) for p in method.of_models} for _ in range(count))
    if name == "linear":  # sums to zero are an error of their own; near them nothing is precise
        parameters = tuple({"weight": abs(p["weight"]) + 0.25} for p in parameters)
    return MergeInputs(
        name="layer.weight",
        tensors=tuple(tensor() for _ in range(count)),
        parameters=parameters,
        base=tensor() if has_base else None,
        settings={p.name: draw(numbers(p)) for p in method.of_tensor},
        seed=draw(st.integers(0, 2**64 - 1)),
    )


def expected(name: str, inputs: MergeInputs) -> np.ndarray:
    return reference.merge(
        name,
        [tensor.numpy() for tensor in inputs.tensors],
        inputs.parameters,
        None if inputs.base is None else inputs.base.numpy(),
        inputs.settings,
        inputs.seed,
    )


@pytest.mark.parametrize("name", METHODS)
@given(data=st.data())
@settings(max_examples=15, deadline=None)
def test_method_equals_its_reference(name, data):
    inputs = data.draw(merges(name))
    before = [tensor.clone() for tensor in inputs.everything]
    merged = merge(name, inputs)
    assert merged.shape == inputs.tensors[0].shape
    assert merged.dtype == torch.float32
    np.testing.assert_allclose(merged.numpy(), expected(name, inputs), rtol=2e-6, atol=2e-6)
    for tensor, was in zip(inputs.everything, before, strict=True):
        assert torch.equal(tensor, was)
