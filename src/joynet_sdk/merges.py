"""The methods that merge weights, as data: names, papers, bases, parameters and their bounds.

Names, parameters and defaults are those of mergekit 0.1.5, so that its files are read unchanged;
what each method computes is in `joynet_sdk.compute.merging`, one method a file.

Models are counted without the base. A per-model parameter has one value for each of them; the
others have one value for the tensor.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from joynet_sdk.errors import InvalidInputError, NotFoundError

Value = float | bool
Base = Literal["none", "optional", "required"]


@dataclass(frozen=True)
class Parameter:
    """A number or a switch that a method takes.

    Attributes:
        name: As in the file.
        default: What holds when nothing is said; a bool makes it a switch.
        low: Least value, or None.
        high: Greatest value, or None.
        per_model: Whether each model has its own.
        summary: One line for people.
    """

    name: str
    default: Value
    low: float | None
    high: float | None
    per_model: bool
    summary: str

    @property
    def is_switch(self) -> bool:
        """Whether it is true or false, not a number."""
        return isinstance(self.default, bool)

    def checked(self, value: object) -> Value:
        """The value as this parameter's type.

        Raises:
            InvalidInputError: It is of another type, not finite, or outside the bounds.
        """
        if self.is_switch:
            if isinstance(value, bool):
                return value
            raise InvalidInputError(f"{self.name} is {value!r}, expected true or false")
        bounds = f"a number{self._bounds()}"
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InvalidInputError(f"{self.name} is {value!r}, expected {bounds}")
        number = float(value)
        is_low = self.low is not None and number < self.low
        is_high = self.high is not None and number > self.high
        if not math.isfinite(number) or is_low or is_high:
            raise InvalidInputError(f"{self.name} is {value}, expected {bounds}")
        return number

    def _bounds(self) -> str:
        if self.low is not None and self.high is not None:
            return f" from {self.low:g} to {self.high:g}"
        if self.low is not None:
            return f" of at least {self.low:g}"
        return f" of at most {self.high:g}" if self.high is not None else ""


@dataclass(frozen=True)
class Method:
    """A way to merge the weights of models of one shape.

    Attributes:
        name: As in the file, e.g. "ties".
        title: For people.
        paper: Where it comes from.
        base: Whether it takes the model that the others were tuned from.
        min_models: Fewest models beside the base.
        max_models: Most models beside the base, or None.
        parameters: What it can be told.
        is_random: Whether the seed matters.
        summary: One line for people.
    """

    name: str
    title: str
    paper: str
    base: Base
    min_models: int
    max_models: int | None
    parameters: tuple[Parameter, ...]
    is_random: bool
    summary: str

    def parameter(self, name: str) -> Parameter:
        """The parameter of that name.

        Raises:
            NotFoundError: It has none such.
        """
        for parameter in self.parameters:
            if parameter.name == name:
                return parameter
        names = ", ".join(parameter.name for parameter in self.parameters)
        raise NotFoundError(
            f"parameter of {self.name}", name, hint=f"it has {names}" if names else "it has none"
        )

    @property
    def of_models(self) -> tuple[Parameter, ...]:
        """The parameters that each model has of its own."""
        return tuple(parameter for parameter in self.parameters if parameter.per_model)

    @property
    def of_tensor(self) -> tuple[Parameter, ...]:
        """The parameters that hold for a tensor as a whole."""
        return tuple(parameter for parameter in self.parameters if not parameter.per_model)

    def check_counts(self, models: int, *, has_base: bool) -> None:
        """Check how many models there are beside the base, and whether the base is there.

        Raises:
            InvalidInputError: The method does not take as many, or needs a base, or takes none.
        """
        few, many = self.min_models, self.max_models
        if models < few or (many is not None and models > many):
            span = (
                f"{few} or more" if many is None else f"{few}" if few == many else f"{few}-{many}"
            )
            beside = "" if self.base == "none" else " beside the base"
            raise InvalidInputError(
                f"{self.name} was given {models} models{beside}, expected {span}"
            )
        if self.base == "required" and not has_base:
            raise InvalidInputError(
                f"{self.name} was given no base model, expected one",
                hint="name the model that the others were tuned from: base_model: REF",
            )
        if self.base == "none" and has_base:
            raise InvalidInputError(
                f"{self.name} was given a base model, expected none",
                hint="list it as one of the models",
            )


def method(name: str) -> Method:
    """The method of that name.

    Raises:
        NotFoundError: There is none such.
    """
    if name not in METHODS:
        raise NotFoundError("merge method", name, hint=f"there are {', '.join(METHODS)}")
    return METHODS[name]


def _weight(summary: str) -> Parameter:
    return Parameter("weight", 1.0, None, None, True, summary)


def _switch(name: str, default: bool, summary: str) -> Parameter:
    return Parameter(name, default, None, None, False, summary)


_INT8_MASK = _switch("int8_mask", False, "read for mergekit's files; changes nothing here")
_DENSITY = Parameter("density", 1.0, 0.0, 1.0, True, "part of each task vector that is kept")
_UNUSED_DENSITY = Parameter(
    "density", 1.0, 0.0, 1.0, True, "read for mergekit's files; nothing is dropped here"
)
_GAMMA = Parameter(
    "gamma", 0.01, 0.0, 1.0, True, "part of each task vector, its largest, that is dropped first"
)
_EPSILON = Parameter(
    "epsilon",
    0.15,
    0.0,
    0.5,
    True,
    "the smallest are kept with density - it, the largest with + it",
)


def _task_method(
    name: str,
    title: str,
    paper: str,
    summary: str,
    *,
    normalize: bool = False,
    rescale: bool = False,
    density: Parameter = _DENSITY,
    more: Iterable[Parameter] = (),
    is_random: bool = False,
) -> Method:
    """A method that adds task vectors (a model less its base) to the base."""
    parameters = (
        _weight("factor of the model's task vector"),
        density,
        *more,
        _switch("normalize", normalize, "divide by the sum of the weights that took part"),
        _switch("rescale", rescale, "restore each task vector's sum of magnitudes after dropping"),
        Parameter("lambda", 1.0, None, None, False, "factor of what is added to the base"),
        _INT8_MASK,
    )
    return Method(name, title, paper, "required", 1, None, parameters, is_random, summary)


_TIES = "Yadav et al. 2023, TIES-Merging, arXiv:2306.01708"
_DARE = "Yu et al. 2024, Language Models are Super Mario, arXiv:2311.03099"
_DELLA = "Deep et al. 2024, DELLA-Merging, arXiv:2406.11617"
_BREADCRUMBS = "Davari and Belilovsky 2024, Model Breadcrumbs, arXiv:2312.06795"

_ALL = (
    Method(
        "linear",
        "Linear",
        "Wortsman et al. 2022, Model soups, arXiv:2203.05482",
        "none",
        1,
        None,
        (
            _weight("share of the model in the average"),
            _switch("normalize", True, "divide by the sum of the weights"),
        ),
        False,
        "the weighted average of the weights",
    ),
    Method(
        "slerp",
        "SLERP",
        "Shoemake 1985, Animating rotation with quaternion curves, SIGGRAPH '85",
        "required",
        1,
        1,
        (Parameter("t", 0.5, None, None, False, "0 is the base, 1 the other model"),),
        False,
        "from the base to another model along the arc between them",
    ),
    Method(
        "nuslerp",
        "NuSLERP",
        "Shoemake 1985, Animating rotation with quaternion curves, SIGGRAPH '85",
        "optional",
        2,
        2,
        (
            _weight("share of the model; their ratio is the place on the arc"),
            _switch("nuslerp_flatten", True, "one arc for a tensor, not one for each row"),
            _switch("nuslerp_row_wise", False, "without flatten: arcs along the first axis"),
        ),
        False,
        "along the arc between two models, or between their task vectors if there is a base",
    ),
    _task_method(
        "task_arithmetic",
        "Task arithmetic",
        "Ilharco et al. 2023, Editing Models with Task Arithmetic, arXiv:2212.04089",
        "the base plus the weighted sum of the task vectors",
        density=_UNUSED_DENSITY,
    ),
    _task_method(
        "ties",
        "TIES",
        _TIES,
        "keeps the largest of each task vector, then those whose sign agrees with the sum's",
        normalize=True,
    ),
    _task_method(
        "dare_linear",
        "DARE",
        _DARE,
        "drops parts of the task vectors at random, rescales the rest and adds them",
        rescale=True,
        is_random=True,
    ),
    _task_method(
        "dare_ties",
        "DARE with TIES",
        _DARE,
        "drops at random and rescales, then adds those whose sign agrees with the sum's",
        rescale=True,
        is_random=True,
    ),
    _task_method(
        "della",
        "DELLA",
        _DELLA,
        "drops at random, small ones more often, then adds those whose sign agrees with the sum's",
        normalize=True,
        rescale=True,
        more=(_EPSILON,),
        is_random=True,
    ),
    _task_method(
        "della_linear",
        "DELLA without consensus",
        _DELLA,
        "drops at random, small ones more often, rescales the rest and adds them",
        rescale=True,
        more=(_EPSILON,),
        is_random=True,
    ),
    _task_method(
        "breadcrumbs",
        "Model Breadcrumbs",
        _BREADCRUMBS,
        "drops the largest and the smallest of each task vector and adds the rest",
        more=(_GAMMA,),
    ),
    _task_method(
        "breadcrumbs_ties",
        "Model Breadcrumbs with TIES",
        _BREADCRUMBS,
        "drops the largest and the smallest, then adds those whose sign agrees with the sum's",
        more=(_GAMMA,),
    ),
    Method(
        "model_stock",
        "Model Stock",
        "Jang et al. 2024, Model Stock, arXiv:2403.19522",
        "required",
        2,
        None,
        (_switch("filter_wise", False, "an own ratio for each row, not one for a tensor"),),
        False,
        "between the base and the average, nearer the base the wider the angle between models",
    ),
    Method(
        "passthrough",
        "Passthrough",
        "Kim et al. 2023, SOLAR 10.7B (depth up-scaling), arXiv:2312.15166",
        "none",
        1,
        1,
        (Parameter("scale", 1.0, None, None, True, "factor of the tensor"),),
        False,
        "a tensor of one model as it is, to stack layers",
    ),
)

METHODS: Mapping[str, Method] = MappingProxyType({method.name: method for method in _ALL})
