"""From a spec to layers: which layer of which parents makes each layer of the result."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from joynet_sdk import merges
from joynet_sdk.errors import InvalidInputError
from joynet_sdk.fusion.layers import Stacks
from joynet_sdk.fusion.spec import Input, Module, OutputSlice, Parameters, Slice, WeightsSpec
from joynet_sdk.merges import Parameter, Value


class Part(NamedTuple):
    """A parent's layers in one slice: `layer` counts on with the output's."""

    parent: int
    first: int
    last: int
    parameters: Parameters


@dataclass(frozen=True)
class Section:
    """A run of output layers that share their sources.

    Attributes:
        stack: Prefix of the layers, "" for a model without any.
        parts: The models, the base among them where the method has one.
        base: The base's index in the plan's parents, or None.
        scopes: Parameters of slice, module and spec, the nearest first.
    """

    stack: str
    parts: tuple[Part, ...]
    base: int | None
    scopes: tuple[Parameters, ...]

    @property
    def length(self) -> int:
        """Layers."""
        return self.parts[0].last - self.parts[0].first

    def gradient(self, layer: int) -> float:
        """Where a layer of the section is, from 0 to 1; 1 for the only one, as mergekit has it."""
        return layer / (self.length - 1) if self.length > 1 else 1.0

    def setting(self, parameter: Parameter, tensor: str, place: float) -> Value | None:
        """A parameter of the tensor as a whole; None when nothing is said."""
        return resolve(parameter, self.scopes, tensor, place)

    def setting_of(self, part: Part, parameter: Parameter, tensor: str, at: float) -> Value | None:
        """A parameter of one model; None when nothing is said."""
        return resolve(parameter, (part.parameters, *self.scopes), tensor, at)


def resolve(
    parameter: Parameter, scopes: Sequence[Parameters], tensor: str, place: float
) -> Value | None:
    """The first rule whose filter the tensor's name contains, in the nearest scope that has one."""
    for scope in scopes:
        for rule in scope.get(parameter.name, ()):
            if rule.filter is None or rule.filter in tensor:
                value = rule.at(place, is_switch=parameter.is_switch)
                return bool(value) if parameter.is_switch else float(value)
    return None


def outline(spec: WeightsSpec, stacks: Mapping[str, Stacks]) -> tuple[Section, ...]:
    """The sections of the result, in its order; several in a row may be of one stack.

    Args:
        stacks: Of every model that gives weights, by name.

    Raises:
        InvalidInputError: Layers that are not there, sources of different lengths, a method that
            does not take these models, or slices of a model with several stacks.
    """
    names = list(spec.references)
    found = list(dict.fromkeys(stack for model in stacks.values() for stack in model.layers))
    sections: list[Section] = []
    for stack, module, where in _modules(spec, found):
        scopes = (module.parameters, spec.parameters)
        for index, output in enumerate(_slices(spec, module, stack, stacks)):
            at = f"{where}slices[{index}]" if module.slices else f"{where}models"
            _check_slice(output, stack, stacks, at)
            base = output.base_model or spec.base_model
            sections.append(_section(spec, output, stack, names, base, scopes, at))
    return tuple(sections)


def _modules(spec: WeightsSpec, found: list[str]) -> Iterator[tuple[str, Module, str]]:
    """(stack, what makes it, where the spec says so)."""
    if spec.models is not None:
        for stack in found or [""]:
            yield stack, Module(models=spec.models), ""
    elif spec.slices is not None:
        if len(found) != 1:
            listed = ", ".join(found) or "none"
            raise InvalidInputError(
                f"slices of a model with the stacks {listed}, expected one",
                hint="say which with modules: {STACK: {slices: [...]}}",
            )
        yield found[0], Module(slices=spec.slices), ""
    else:
        for name, module in sorted((spec.modules or {}).items()):
            if name not in found and len(found) != 1:
                raise InvalidInputError(
                    f"modules.{name}: no such stack, expected one of {', '.join(found)}"
                )
            yield name if name in found else found[0], module, f"modules.{name}."


def _slices(
    spec: WeightsSpec, module: Module, stack: str, stacks: Mapping[str, Stacks]
) -> list[OutputSlice]:
    """A module's slices; models mean all of their layers, and the base is one of them."""
    if module.slices is not None:
        return module.slices
    models = list(module.models or ())
    base = spec.base_model
    if base is not None and base not in [entry.model for entry in models]:
        _check_added_base(spec, base)
        models.append(Input(model=base))
    counts = {entry.model: stacks[entry.model].count(stack) for entry in models}
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise InvalidInputError(
            f"{stack} has different numbers of layers: {told}", hint="take slices: joynet fuse init"
        )
    last = max(counts.values(), default=0)
    sources = [
        Slice.model_construct(model=entry.model, parameters=entry.parameters, layer_range=[0, last])
        for entry in models
    ]
    return [OutputSlice.model_construct(sources=sources, base_model=None, parameters={})]


def _check_added_base(spec: WeightsSpec, base: str) -> None:
    """A method without a base counts it as one more model, which needs a weight."""
    method = merges.METHODS[spec.merge_method]
    if method.base == "none" and "weight" not in spec.parameters:
        raise InvalidInputError(
            f"{method.name} has no base, so {base} would be merged in, without a weight",
            hint="leave base_model out, or list it under models with its weight",
        )


def _check_slice(output: OutputSlice, stack: str, stacks: Mapping[str, Stacks], where: str) -> None:
    lengths = {}
    for source in output.sources:
        first, last = source.layer_range
        lengths[f"{source.model}[{first}:{last}]"] = last - first
        if last > stacks[source.model].count(stack):
            raise InvalidInputError(
                f"{where}: layers {first} to {last} of {source.model}, which has "
                f"{stacks[source.model].count(stack)} of them in {stack}"
            )
    if len(set(lengths.values())) > 1:
        raise InvalidInputError(
            f"{where}: {', '.join(lengths)} have different lengths, expected equal ones"
        )


def _span(source: Slice) -> tuple[int, int]:
    first, last = source.layer_range
    return first, last


def _section(
    spec: WeightsSpec,
    output: OutputSlice,
    stack: str,
    names: list[str],
    base: str | None,
    scopes: tuple[Parameters, ...],
    where: str,
) -> Section:
    parts = tuple(
        Part(names.index(source.model), *_span(source), source.parameters)
        for source in output.sources
    )
    models = [part.parent for part in parts]
    if len(set(models)) != len(models):
        raise InvalidInputError(f"{where}: a model is listed twice, expected each once")
    method = merges.METHODS[spec.merge_method]
    at = names.index(base) if base is not None and method.base != "none" else None
    if at is not None and at not in models:
        raise InvalidInputError(
            f"{where}: the base {base} is not among the sources",
            hint=f"list its layers as a source, as {method.name} needs them",
        )
    try:
        method.check_counts(len(models) - (at is not None), has_base=at is not None)
    except InvalidInputError as error:
        raise InvalidInputError(f"{where}: {error}", hint=error.hint) from None
    return Section(stack, parts, at, (output.parameters, *scopes))
