"""Dtypes, broken parents, degenerate vectors and parameters, threads."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from joynet_sdk.compute.merging.inputs import MergeInputs
from joynet_sdk.compute.merging.methods import merge
from joynet_sdk.errors import InvalidInputError, NotFoundError
from joynet_sdk.merges import METHODS, Method

from . import reference

VALUES = {"density": 0.5, "epsilon": 0.1, "gamma": 0.1}
SHAPE = (9, 31)


def inputs(name: str, *, count: int | None = None, dtype=torch.float32, shape=SHAPE) -> MergeInputs:
    """Random parents for a method, with parameters that make it do what it is for."""
    method = METHODS[name]
    count = count or method.max_models or max(method.min_models, 3)
    random = np.random.default_rng(11)

    def tensor() -> torch.Tensor:
        return torch.from_numpy(random.normal(size=shape)).to(dtype)

    return MergeInputs(
        name="layer.weight",
        tensors=tuple(tensor() for _ in range(count)),
        parameters=({p.name: VALUES.get(p.name, 1.0) for p in method.of_models},) * count,
        base=tensor() if method.base == "required" else None,
        settings={p.name: p.default for p in method.of_tensor},
        seed=5,
    )


def expected(name: str, given: MergeInputs) -> np.ndarray:
    return reference.merge(
        name,
        [tensor.float().numpy() for tensor in given.tensors],
        given.parameters,
        None if given.base is None else given.base.float().numpy(),
        given.settings,
        given.seed,
    )


# --- dtypes


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_half_precision_is_rounded_once(name, dtype):
    given = inputs(name, dtype=dtype)
    merged = merge(name, given)
    assert merged.dtype == dtype
    wanted = torch.from_numpy(np.asarray(expected(name, given)))
    precise = merge(name, replace(given, dtype=torch.float32))
    np.testing.assert_allclose(precise.numpy(), wanted, rtol=2e-6, atol=2e-6)
    assert torch.equal(merged, precise.to(dtype))


@pytest.mark.parametrize("name", METHODS)
def test_float64_parents_are_merged_in_float64(name):
    given = inputs(name, dtype=torch.float64)
    first, *others = given.tensors
    merged = merge(name, replace(given, tensors=(first, *(one.float() for one in others))))
    assert merged.dtype == torch.float64
    narrow = merge(name, replace(given, dtype=torch.float32))
    assert narrow.dtype == torch.float32
    np.testing.assert_allclose(merge(name, given).numpy(), narrow.numpy(), rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(merged.numpy(), expected(name, given), rtol=1e-4, atol=1e-4)


def test_parents_of_several_dtypes():
    given = inputs("linear", count=2)
    first, second = given.tensors
    mixed = replace(given, tensors=(first.bfloat16(), second), dtype=torch.float32)
    wanted = replace(given, tensors=(first.bfloat16().float(), second))
    assert torch.equal(merge("linear", mixed), merge("linear", wanted))
    assert merge("linear", replace(mixed, dtype=None)).dtype == torch.bfloat16


def test_values_beyond_the_result_are_an_error():
    given = inputs("linear", count=2)
    large = tuple(torch.full(SHAPE, 60000.0) for _ in range(2))
    given = replace(given, tensors=large, settings={"normalize": False}, dtype=torch.float16)
    with pytest.raises(InvalidInputError, match="layer.weight has merged values beyond 65504"):
        merge("linear", given)


@pytest.mark.parametrize("name", METHODS)
def test_integers_are_copied_when_equal_and_refused_when_not(name):
    given = inputs(name)
    whole = torch.arange(6).view(2, 3)
    count = len(given.tensors)
    base = None if given.base is None else whole
    same = replace(given, tensors=(whole,) * count, base=base, dtype=torch.bfloat16)
    merged = merge(name, same)
    assert torch.equal(merged, whole)
    assert merged.dtype == torch.int64
    assert merged.data_ptr() != whole.data_ptr()
    if count + (base is not None) > 1:
        with pytest.raises(InvalidInputError, match=r"layer.weight holds torch.int64 .* differ"):
            merge(name, replace(same, tensors=(whole + 1,) + (whole,) * (count - 1)))
        with pytest.raises(InvalidInputError, match=r"layer.weight holds"):
            merge(name, replace(same, tensors=(whole.float(),) + (whole,) * (count - 1)))


def test_the_result_is_written_where_it_is_wanted():
    given = inputs("ties")
    out = torch.empty(SHAPE)
    assert merge("ties", replace(given, out=out)) is out
    assert torch.equal(out, merge("ties", given))
    with pytest.raises(
        InvalidInputError, match=r"torch.bfloat16 \[9, 31\], expected torch.float32"
    ):
        merge("ties", replace(given, out=out.bfloat16()))


# --- broken parents


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", METHODS)
def test_a_parent_with_nan_or_infinity_is_named(name, bad):
    given = inputs(name)
    broken = given.tensors[-1].clone()
    broken[4, 5] = bad
    message = f"layer.weight of model {len(given.tensors)} holds NaN or infinity"
    with pytest.raises(InvalidInputError, match=message):
        merge(name, replace(given, tensors=(*given.tensors[:-1], broken)))
    if given.base is not None:
        with pytest.raises(InvalidInputError, match="of the base holds NaN or infinity"):
            merge(name, replace(given, base=broken))


def test_shapes_must_agree():
    given = inputs("linear", count=2)
    with pytest.raises(InvalidInputError, match=r"shape \[31, 9\] in a model, expected \[9, 31\]"):
        merge("linear", replace(given, tensors=(given.tensors[0], given.tensors[1].T)))


def test_views_that_are_not_contiguous():
    given = inputs("ties", shape=(31, 9))
    turned = replace(given, tensors=tuple(t.T for t in given.tensors), base=given.base.T)
    plain = replace(
        turned, tensors=tuple(t.contiguous() for t in turned.tensors), base=turned.base.contiguous()
    )
    assert torch.equal(merge("ties", turned), merge("ties", plain))


# --- vectors without an angle


def slerp(base: list[float], model: list[float], t: float) -> list[float]:
    tensors = torch.tensor(base), torch.tensor(model)
    given = MergeInputs("w", (tensors[1],), ({},), tensors[0], {"t": t})
    return merge("slerp", given).tolist()


def test_slerp_of_right_angles_keeps_the_length():
    root = pytest.approx(math.sqrt(0.5))
    assert slerp([1.0, 0.0], [0.0, 1.0], 0.5) == [root, root]


def test_slerp_of_zero_parallel_and_opposed_vectors():
    assert slerp([0.0, 0.0], [0.0, 0.0], 0.3) == [0, 0]
    assert slerp([0.0, 0.0], [2.0, 0.0], 0.5) == [pytest.approx(math.sqrt(2)), 0]
    assert slerp([1.0, 2.0], [2.0, 4.0], 0.25) == pytest.approx([1.25, 2.5])
    assert slerp([1.0, 2.0], [-1.0, -2.0], 0.25) == pytest.approx([0.5, 1.0])
    assert slerp([1e-30, 0.0], [0.0, 1e-30], 0.5) == pytest.approx([7e-31, 7e-31], rel=0.02)
    assert slerp([1e30, 0.0], [0.0, 1e30], 0.0) == pytest.approx([1e30, 0.0])


@pytest.mark.parametrize("sign", [1, -1])
def test_nuslerp_of_parallel_and_opposed_vectors_is_linear(sign):
    one = torch.tensor([0.1, 0.2, 0.3])
    given = MergeInputs("w", (one, sign * 2 * one), ({"weight": 3.0}, {"weight": 1.0}))
    wanted = 0.75 * one + 0.25 * sign * 2 * one
    torch.testing.assert_close(merge("nuslerp", given), wanted)


def test_nuslerp_weights_that_cancel_mean_the_middle():
    given = inputs("nuslerp")
    middle = replace(given, parameters=({"weight": 1.0}, {"weight": -1.0}))
    assert torch.equal(merge("nuslerp", middle), merge("nuslerp", given))


def test_model_stock_of_opposed_models_is_the_base():
    given = inputs("model_stock", count=2)
    away = given.tensors[0] - given.base
    opposed = replace(given, tensors=(given.base + away, given.base - away))
    torch.testing.assert_close(merge("model_stock", opposed), given.base)
    same = replace(given, tensors=(given.tensors[0],) * 2)
    torch.testing.assert_close(merge("model_stock", same), given.tensors[0])


# --- parameters


def test_linear_weights_that_cancel_are_an_error_only_when_normalized():
    given = inputs("linear", count=2)
    given = replace(given, parameters=({"weight": 1.0}, {"weight": -1.0}))
    with pytest.raises(InvalidInputError, match=r"weights \[1.0, -1.0\] of layer.weight sum to 0"):
        merge("linear", given)
    difference = merge("linear", replace(given, settings={"normalize": False}))
    torch.testing.assert_close(difference, given.tensors[0] - given.tensors[1])


@pytest.mark.parametrize("name", [name for name in METHODS if METHODS[name].of_models[1:]])
def test_density_0_is_the_base_and_density_1_drops_nothing(name):
    given = inputs(name)
    values = given.parameters[0]
    none = replace(given, parameters=(values | {"density": 0.0},) * len(given.tensors))
    everything = replace(given, parameters=(values | {"density": 1.0},) * len(given.tensors))
    # TIES never trims to nothing unless told to drop everything; nothing is added here.
    if name != "task_arithmetic":
        assert torch.equal(merge(name, none), given.base)
    one = replace(everything, tensors=given.tensors[:1], parameters=everything.parameters[:1])
    torch.testing.assert_close(merge(name, one), given.tensors[0])


@pytest.mark.parametrize("density", [0.05, 0.97])
def test_della_probabilities_stay_within_0_and_1(density):
    given = inputs("della")
    values = given.parameters[0] | {"density": density}
    with pytest.raises(InvalidInputError, match="expected both within"):
        merge("della", replace(given, parameters=(values,) * 3))


def test_ties_keeps_the_first_of_equal_magnitudes():
    base = torch.zeros(6)
    delta = torch.tensor([1.0, -2.0, 2.0, 0.5, -2.0, 2.0])
    given = MergeInputs("w", (delta,), ({"density": 0.5},), base)
    assert merge("ties", given).tolist() == [0, -2, 2, 0, -2, 0]
    given = replace(given, parameters=({"density": 0.34, "gamma": 0.34},))
    assert merge("breadcrumbs", given).tolist() == [0, -2, 2, 0, 0, 0]


def test_defaults_are_filled_in():
    given = inputs("ties")
    plain = replace(given, parameters=({},) * 3, settings={})
    values = ({"weight": 1.0, "density": 1.0},) * 3
    full = replace(given, parameters=values, settings={"normalize": True, "rescale": False})
    assert torch.equal(merge("ties", plain), merge("ties", full))


def test_wrong_names_and_places_are_refused():
    given = inputs("ties")
    with pytest.raises(NotFoundError, match="no such merge method: tie") as caught:
        merge("tie", given)
    assert "ties" in caught.value.hint
    with pytest.raises(NotFoundError, match="parameter of ties: gamma"):
        merge("ties", replace(given, settings={"gamma": 0.5}))
    with pytest.raises(InvalidInputError, match="density is a parameter of each model in ties"):
        merge("ties", replace(given, settings={"density": 0.5}))
    with pytest.raises(InvalidInputError, match="lambda is a parameter of the tensor in ties"):
        merge("ties", replace(given, parameters=({"lambda": 0.5},) * 3))
    with pytest.raises(InvalidInputError, match="density is 1.5, expected a number from 0 to 1"):
        merge("ties", replace(given, parameters=({"density": 1.5},) * 3))
    with pytest.raises(InvalidInputError, match="parameters for 1 models, expected 3"):
        merge("ties", replace(given, parameters=({},)))


@pytest.mark.parametrize("method", METHODS.values(), ids=lambda method: method.name)
def test_models_and_base_are_counted(method: Method):
    given = inputs(method.name)
    with pytest.raises(InvalidInputError, match=f"{method.name} was given 0 models"):
        merge(method.name, replace(given, tensors=(), parameters=()))
    if method.base == "required":
        with pytest.raises(InvalidInputError, match="no base model, expected one"):
            merge(method.name, replace(given, base=None))
    if method.base == "none":
        with pytest.raises(InvalidInputError, match="a base model, expected none"):
            merge(method.name, replace(given, base=given.tensors[0]))


# --- the same bits


@pytest.mark.parametrize("name", METHODS)
def test_threads_do_not_change_a_bit(name):
    given = inputs(name, shape=(300, 701))
    before = torch.get_num_threads()
    merged = []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            merged.append(merge(name, given))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(*merged)


@pytest.mark.parametrize("name", [name for name, method in METHODS.items() if method.is_random])
def test_the_seed_decides(name):
    given = inputs(name)
    assert torch.equal(merge(name, given), merge(name, given))
    assert not torch.equal(merge(name, given), merge(name, replace(given, seed=6)))
    alone = replace(given, tensors=given.tensors[:1], parameters=given.parameters[:1])
    twice = replace(given, tensors=given.tensors[:1] * 2, parameters=given.parameters[:2])
    assert not torch.equal(merge(name, alone), merge(name, twice))  # each model draws its own
