"""Relations of every op: complete for every input, and nothing else satisfies them."""

from dataclasses import replace
from math import prod

import numpy as np
import pytest
from numpy.typing import NDArray

from joynet_sdk.errors import InvalidInputError
from joynet_sdk.proofs.circuit import Group, width
from joynet_sdk.proofs.codec import decode
from joynet_sdk.proofs.compiler.compile import CompiledModel, Witness, build_witness, compile_model
from joynet_sdk.proofs.compiler.layout import padded_shape
from joynet_sdk.proofs.compiler.registration import attest
from joynet_sdk.proofs.compiler.requantise import COLUMNS
from joynet_sdk.proofs.evaluation import unpack
from joynet_sdk.qmodel.model import Input, QModel
from joynet_sdk.qmodel.ops import Add, Gather, Gemm, Op, View
from joynet_sdk.qmodel.reference import execute

from ..qmodel.graphs import random_inputs, random_model
from .satisfy import Checker, steep
from .small_models import small_models

MODELS = small_models()
family = pytest.mark.parametrize("name", MODELS)


def checker(compiled: CompiledModel, witness: Witness) -> Checker:
    circuit = compiled.circuit
    groups = {Group.W: compiled.weights, Group.A: witness.advice, **witness.public}
    given, output = unpack(circuit.input, witness.input), unpack(circuit.output, witness.output)
    return Checker(circuit, groups, input=given, output=output)


def output_of(compiled: CompiledModel, witness: Witness) -> bytes:
    """The output's bytes, without padding."""
    if Group.Y not in witness.public:
        return witness.output
    shape = (compiled.batch, *compiled.model.output_shape)
    real = tuple(slice(0, side) for side in shape)
    return witness.public[Group.Y].reshape(padded_shape(shape))[real].astype(np.int8).tobytes()


def expect_complete(model: QModel, inputs: NDArray[np.generic], batch: int = 1) -> None:
    compiled = compile_model(model, batch)
    assert decode(compiled.descriptor) == compiled.circuit
    assert steep(compiled.circuit) == []
    expected = execute(model, inputs)
    for start in range(0, len(inputs), batch):
        rows = inputs[start : start + batch]
        witness = build_witness(compiled, rows)
        assert output_of(compiled, witness) == expected[start : start + batch].tobytes()
        assert checker(compiled, witness).failures(witness.advice) == []


@family
def test_every_input_satisfies(name: str) -> None:
    model = MODELS[name]
    expect_complete(model, random_inputs(model, 3))


@pytest.mark.parametrize("seed", range(6))
def test_random_models_are_satisfied(seed: int) -> None:
    model = random_model(seed)
    expect_complete(model, random_inputs(model, 3, seed)[seed % 3 :][:1])


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(6, 106))
def test_many_random_models_are_satisfied(seed: int) -> None:
    model = random_model(seed)
    expect_complete(model, random_inputs(model, 3, seed))


@pytest.mark.parametrize("name", [name for name in MODELS if name != "tokens"])
def test_a_batch_satisfies_under_the_same_weights(name: str) -> None:
    model = MODELS[name]
    single, batch = compile_model(model), compile_model(model, 3)
    assert np.array_equal(single.weights, batch.weights)
    expect_complete(model, random_inputs(model, 3), batch=3)


def test_a_batch_of_token_ids_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="token ids"):
        compile_model(MODELS["tokens"], 2)


def test_inputs_that_are_no_batch_are_refused() -> None:
    compiled = compile_model(MODELS["gemm"], 3)
    with pytest.raises(InvalidInputError, match="2 inputs, expected 3"):
        build_witness(compiled, np.zeros((2, 3), np.int8))


def test_a_model_without_weights_is_refused() -> None:
    picked = Gather("g", "x", 0, np.array([1, 1], np.uint32))
    with pytest.raises(InvalidInputError, match="no weights"):
        compile_model(QModel(Input("x", (3, 2), scale="1"), (picked,), "1"))


def mixed_view(*ops: Op) -> QModel:
    """(3, 2) read as (2, 3): elements of odd rows move to other variables."""
    view = View("v", "x", (6,), (0,), (2, 3))
    return QModel(Input("x", (3, 2), scale="1"), (view, *ops), "1")


def test_views_that_no_point_can_express_are_refused_by_name() -> None:
    weight = np.ones((2, 3), np.int8)
    gemm = Gemm("g", "v", weight, np.zeros(2, np.int32), np.ones(2, np.uint32), "clamp")
    with pytest.raises(InvalidInputError, match=r"g \(gemm\) reads v, a view across sides"):
        compile_model(mixed_view(gemm))
    with pytest.raises(InvalidInputError, match=r"a \(add\): v: a view across sides"):
        compile_model(mixed_view(Add("a", "v", "v", 1, 1, "clamp")))


def test_a_model_of_too_many_layers_is_refused_in_words_about_models() -> None:
    weight = np.ones((2, 2), np.int8)
    ops = tuple(
        Gemm(f"g{i}", f"g{i - 1}" if i else "x", weight, np.zeros(2, np.int32),
             np.ones(2, np.uint32), "clamp")
        for i in range(120)
    )  # fmt: skip
    model = QModel(Input("x", (2,), scale="1"), ops, "1")
    with pytest.raises(InvalidInputError, match="the model's circuit needs .* expected at most"):
        compile_model(model)


# --- forgeries


def real_entries(compiled: CompiledModel) -> NDArray[np.bool_]:
    """Which entries of group A some relation must fix: all but padding and gaps of row spaces."""
    model, layout = compiled.model, compiled.layout
    real = np.ones(layout.span(Group.A), bool)
    for column in layout.columns[Group.A]:
        part = real[column.offset : column.offset + (1 << column.bits)]
        op = column.name.split()[0].split(".")[0]
        if column.name in COLUMNS:
            part[:] = False
        elif op in model.shapes:
            shape = model.shapes[op]
            if column.name.endswith(".rows stack") or column.bits < width_of(shape):
                shape = shape[:-1]
            columns = 1 << column.bits - width_of(shape)  # of a stack
            part[:] = np.tile(inside(shape), columns)
    for space in compiled.spaces:
        for block in space.blocks:
            tensor = compiled.tensors[block.name]
            for name in COLUMNS:
                real[block.place(name).offset + tensor.positions] = True
    return real


def width_of(shape: tuple[int, ...]) -> int:
    return sum(width(side) for side in shape)


def inside(shape: tuple[int, ...]) -> NDArray[np.bool_]:
    mask = np.zeros(padded_shape(shape), bool)
    mask[tuple(slice(0, side) for side in shape)] = True
    return mask.ravel()


@family
def test_every_entry_of_the_advice_is_forced(name: str) -> None:
    model = MODELS[name]
    compiled = compile_model(model)
    witness = build_witness(compiled, random_inputs(model, 3)[2])
    check = checker(compiled, witness)
    real = real_entries(compiled)
    multiplicities = max(
        c.offset + (1 << c.bits)
        for c in compiled.layout.columns[Group.A]
        if c.name.startswith("m ")
    )
    assert multiplicities < len(real)
    rng = np.random.default_rng(3)
    entries = np.flatnonzero(real)
    small = entries[entries >= multiplicities]
    picked = rng.choice(small, min(len(small), 60), replace=False)
    free = []
    for entry in [*picked, *rng.choice(multiplicities, 4, replace=False)]:
        advice = witness.advice.copy()
        advice[entry] += int(rng.choice([-1, 1, 256, 1 << 12]))
        if not check.failures(advice):
            free.append(int(entry))
    assert free == []


@family
def test_another_output_satisfies_nothing(name: str) -> None:
    compiled = compile_model(MODELS[name])
    witness = build_witness(compiled, random_inputs(MODELS[name], 3)[2])
    circuit = compiled.circuit
    groups = {Group.W: compiled.weights, Group.A: witness.advice, **witness.public}
    output = unpack(circuit.output, witness.output)
    for entry in {0, len(output) - 1}:
        wrong = list(output)
        wrong[entry] ^= 1
        given = unpack(circuit.input, witness.input)
        assert Checker(circuit, groups, input=given, output=wrong).failures(witness.advice)


# --- registration


@family
def test_honest_weights_are_attested(name: str) -> None:
    compiled = compile_model(MODELS[name])
    made = attest(compiled)
    groups = {Group.W: compiled.weights, Group.A: made.advice}
    assert decode(made.descriptor) == made.circuit
    assert steep(made.circuit) == []
    check = Checker(made.circuit, groups, input=[0], output=[0])
    assert check.failures(made.advice) == []


@pytest.mark.parametrize("name", ["gemm", "conv", "norm", "halves"])
def test_no_entry_of_the_attestation_is_free(name: str) -> None:
    compiled = compile_model(MODELS[name])
    made = attest(compiled)
    check = Checker(
        made.circuit, {Group.W: compiled.weights, Group.A: made.advice}, input=[0], output=[0]
    )
    rng = np.random.default_rng(4)
    for entry in rng.choice(len(made.advice), min(len(made.advice), 80), replace=False):
        advice = made.advice.copy()
        advice[entry] += int(rng.choice([-1, 1]))
        assert check.failures(advice), entry


def test_weights_out_of_place_or_range_are_not_attested() -> None:
    weight = np.full((3, 5), 127, np.int8)
    ends = np.array([-(2**31), 2**31 - 1, 0], np.int64).astype(np.int32)
    gemm = Gemm("a", "x", weight, ends // 4, np.array([0, 1, 2**8], np.uint32), "clamp")
    compiled = compile_model(QModel(Input("x", (5,), scale="1"), (gemm,), "1"))
    made = attest(compiled)
    (weights,) = (w for w in compiled.tensors_of_weights if w.column.name == "a.weight")
    bias = next(w.column.offset for w in compiled.tensors_of_weights if w.column.name == "a.bias")
    for entry, value in (
        (weights.column.offset, 128),
        (weights.column.offset, -129),
        (weights.column.offset + 5, 1),  # a padded column
        (weights.column.offset + 3 * 8, 1),  # a padded row
        (bias, 2**31),
        (bias, -(2**31) - 1),
        (bias + 3, 1),  # padding
        (len(compiled.weights) - 1, 1 << 24),
    ):
        dirty = compiled.weights.copy()
        dirty[entry] = value
        check = Checker(made.circuit, {Group.W: dirty, Group.A: made.advice}, input=[0], output=[0])
        assert check.failures(made.advice), (entry, value)
        if value == 1:
            assert check.failures(attested_advice(compiled, dirty)), entry


def attested_advice(compiled: CompiledModel, weights: NDArray[np.int64]) -> NDArray[np.int64]:
    """The advice that an honest program makes of dishonest weights within their kinds."""
    tensors = tuple(
        replace(each, values=weights[each.column.offset :][: each.values.size])
        for each in compiled.tensors_of_weights
    )
    return attest(replace(compiled, weights=weights, tensors_of_weights=tensors)).advice


def test_the_sizes_of_input_and_output_follow_the_model() -> None:
    compiled = compile_model(MODELS["halves"])
    assert prod(compiled.circuit.input.sizes) == 48
    assert compiled.circuit.output.values == 3
