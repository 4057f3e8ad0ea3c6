"""The methods by name; `merge` checks what all of them ask for, then runs one.

A method's module is imported when it is first used.
"""

from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module

import torch

from joynet_sdk.compute.merging.inputs import MergeInputs
from joynet_sdk.errors import InvalidInputError
from joynet_sdk.merges import Method, Parameter, Value, method


def merge(name: str, inputs: MergeInputs) -> torch.Tensor:
    """Merge one tensor, shape and dtype as `inputs` says.

    The same inputs give the same bits with any number of threads.

    Raises:
        NotFoundError: No such method or parameter.
        InvalidInputError: Shapes differ, too few or many models, a parameter outside its bounds,
            integer tensors that differ, or a parent that holds NaN or infinity.
    """
    described = method(name)
    _check_shapes(described, inputs)
    completed = _completed(described, inputs)
    if any(not tensor.is_floating_point() for tensor in inputs.everything):
        return _agreed(completed)
    result: torch.Tensor = import_module(f"{__package__}.{name}").merge(completed)
    return result


def _check_shapes(described: Method, inputs: MergeInputs) -> None:
    described.check_counts(len(inputs.tensors), has_base=inputs.base is not None)
    if len(inputs.parameters) != len(inputs.tensors):
        raise InvalidInputError(
            f"{inputs.name} has parameters for {len(inputs.parameters)} models, expected "
            f"{len(inputs.tensors)}"
        )
    shape = inputs.tensors[0].shape
    for tensor in inputs.everything:
        if tensor.shape != shape:
            raise InvalidInputError(
                f"{inputs.name} has shape {list(tensor.shape)} in a model, expected {list(shape)}",
                hint="joynet fuse check names the tensors that do not fit",
            )
    out, dtype = inputs.out, inputs.result_dtype
    if out is not None and (out.shape != shape or out.dtype != dtype):
        raise InvalidInputError(
            f"{inputs.name} is to be written to {out.dtype} {list(out.shape)}, expected "
            f"{dtype} {list(shape)}"
        )


def _completed(described: Method, inputs: MergeInputs) -> MergeInputs:
    """With all parameters checked and the defaults filled in."""
    return replace(
        inputs,
        settings=_checked(described, described.of_tensor, inputs.settings),
        parameters=tuple(
            _checked(described, described.of_models, values) for values in inputs.parameters
        ),
    )


def _checked(
    described: Method, known: tuple[Parameter, ...], values: Mapping[str, Value]
) -> dict[str, Value]:
    for name in values:
        if described.parameter(name) not in known:
            where = "each model" if known == described.of_tensor else "the tensor"
            raise InvalidInputError(f"{name} is a parameter of {where} in {described.name}")
    return {
        parameter.name: parameter.checked(values.get(parameter.name, parameter.default))
        for parameter in known
    }


def _agreed(inputs: MergeInputs) -> torch.Tensor:
    """A tensor of integers or bools, which all parents must share: there is no mean of these."""
    first = inputs.everything[0]
    for tensor in inputs.everything[1:]:
        if tensor.dtype != first.dtype or not torch.equal(tensor, first):
            raise InvalidInputError(
                f"{inputs.name} holds {first.dtype} values that differ between the models, "
                "expected equal ones",
                hint="take it from one model with passthrough",
            )
    return first.clone() if inputs.out is None else inputs.out.copy_(first)
