"""How types meet: what an adapter makes of a type, whether a type fits, and what would help."""

from collections import Counter
from dataclasses import dataclass
from math import prod

from pydantic import ValidationError

from joynet_sdk.compositions.document import (
    Adapter,
    Dequantise,
    Normalise,
    Port,
    Probabilities,
    Quantise,
    Relabel,
    Rescale,
    Reshape,
    explain,
)
from joynet_sdk.errors import InvalidInputError
from joynet_sdk.formats import InputSpec, OutputSpec


@dataclass(frozen=True, slots=True)
class Clash:
    """Two things that do not fit.

    Attributes:
        where: The connection, or the part of the rule.
        problem: What is there and what was expected.
        fix: What would help.
    """

    where: str
    problem: str
    fix: str

    def __str__(self) -> str:
        return f"{self.where}: {self.problem}; {self.fix}"


class MismatchError(InvalidInputError):
    """Types that do not fit; the hint is the fix."""

    def __init__(self, problem: str, fix: str) -> None:
        super().__init__(problem, hint=fix)

    def at(self, where: str) -> Clash:
        """The same as a clash at one place."""
        return Clash(where, str(self), self.hint or "")


def input_port(spec: InputSpec) -> Port:
    """The type that a manifest's input takes.

    Raises:
        InvalidInputError: It is beyond the bounds of compositions.
    """
    return _port(
        kind=spec.kind,
        dtype=spec.dtype,
        shape=tuple(spec.shape),
        max_bytes=spec.max_bytes if spec.kind == "text" else 0,
    )


def output_port(spec: OutputSpec) -> Port:
    """The type that a manifest's output gives.

    Raises:
        InvalidInputError: It is beyond the bounds of compositions.
    """
    return _port(
        kind=spec.kind,
        dtype=spec.dtype,
        shape=(prod(spec.shape),),  # a QModel's logits may have several sides
        labels=tuple(spec.labels),
        scale=(spec.scale or "1") if spec.kind == "logits" else None,
    )


def _port(**fields: object) -> Port:
    try:
        return Port.model_validate(fields)
    except ValidationError as error:
        raise InvalidInputError(f"type that no composition takes: {explain(error)}") from None


# --- fitting ------------------------------------------------------------------------------------


def check_fit(have: Port, want: Port) -> None:
    """Refuse unless values of type `have` may go, as they are, where `want` is taken.

    Raises:
        MismatchError: They may not.
    """
    if (have.kind == "text") != (want.kind == "text"):
        raise MismatchError(
            f"{have} meets {want}",
            "a text can only go to a component that reads text: put an embedder or a text "
            "classifier between them"
            if have.kind == "text"
            else "numbers cannot be read as text: choose another component",
        )
    if have.max_bytes > want.max_bytes:
        raise MismatchError(
            f"texts of up to {have.max_bytes:,} bytes meet a component that takes "
            f"{want.max_bytes:,}",
            f"declare the composition's input with max_bytes {want.max_bytes}",
        )
    if have.dtype != want.dtype:
        raise MismatchError(f"{have} meets {want}", _dtype_fix(have, want))
    if have.shape != want.shape:
        same = have.size == want.size
        fix = f"adapter reshape to {list(want.shape)}" if same else _size_fix(have, want)
        raise MismatchError(f"{have} meets {want}", fix)
    if want.kind == "tensor":
        if have.kind == "logits":
            raise MismatchError(
                f"logits in steps of {have.scale} meet an int8 tensor",
                "adapter rescale, from the logits' scale to the QModel's input scale",
            )
        return
    _check_meaning(have, want)


def _check_meaning(have: Port, want: Port) -> None:
    """Values of one dtype and shape also mean the same."""
    if have.kind != want.kind:
        raise MismatchError(f"{have} meets {want}", _dtype_fix(have, want))
    if have.labels != want.labels:
        raise MismatchError(_label_problem(have, want), _label_fix(have, want))
    if have.scale != want.scale:
        raise MismatchError(
            f"logits in steps of {have.scale} meet logits in steps of {want.scale}",
            "adapter probabilities on both, or an ensemble of logits, which minds their scales",
        )


def _dtype_fix(have: Port, want: Port) -> str:
    if (have.dtype, want.dtype) == ("float32", "int8") and want.kind == "tensor":
        return "adapter quantise with the QModel's input scale"
    if have.kind == "logits" and want.kind == "vector":
        return "adapter probabilities"
    if have.dtype in ("int8", "uint8") and want.dtype == "float32":
        return "adapter dequantise with the real value of one step"
    if have.kind == "tensor" and want.kind == "vector" and not want.labels:
        return "adapter normalise"
    return "no adapter does that: choose a component that takes or gives the other type"


def _size_fix(have: Port, want: Port) -> str:
    if have.is_classifier and want.is_classifier:
        return "adapter relabel, from the one's labels to the other's"
    return (
        f"{have.size:,} values are not {want.size:,}: choose a component made for this size"
        " (a head trained on this embedder)"
    )


def _label_problem(have: Port, want: Port) -> str:
    if not have.labels or not want.labels:
        bare, named = ("gives no", "has") if not have.labels else ("has", "takes none:")
        return f"one side {bare} labels, the other {named} {len(have.labels or want.labels)}"
    off = [x for x in have.labels if x not in want.labels]
    off += [x for x in want.labels if x not in have.labels]
    if off:
        return f"labels differ: {', '.join(map(repr, off[:4]))!s:.120} on one side only"
    return "labels are the same in another order"


def _label_fix(have: Port, want: Port) -> str:
    if have.labels and want.labels:
        return "adapter relabel, with a mapping from the one's labels to the other's"
    return "a unit vector is no classifier's answer: publish the classifier with --labels"


# --- adapters -----------------------------------------------------------------------------------


def adapted(have: Port, adapter: Adapter) -> Port:
    """The type after one adapter.

    Raises:
        MismatchError: The adapter does not take this type.
    """
    match adapter:
        case Quantise():
            _want(have, adapter, have.dtype == "float32", "float32")
            return _tensor("int8", have.shape)
        case Dequantise():
            _want(have, adapter, have.dtype in ("int8", "uint8"), "int8 or uint8")
            return _tensor("float32", have.shape)
        case Rescale():
            _want(have, adapter, have.dtype == "int8", "int8")
            if have.scale not in (None, adapter.scale):
                raise MismatchError(
                    f"rescale from steps of {adapter.scale}, the logits have {have.scale}",
                    f"rescale with scale {have.scale}",
                )
            return _tensor("int8", have.shape)
        case Probabilities():
            _want(have, adapter, have.kind == "logits", "logits")
            return Port(kind="vector", dtype="float32", shape=have.shape, labels=have.names)
        case Normalise():
            is_row = have.dtype == "float32" and len(have.shape) == 1 and have.size <= 1024
            _want(have, adapter, is_row, "float32 with one side of at most 1,024")
            return Port(kind="vector", dtype="float32", shape=have.shape)
        case Reshape():
            _want(have, adapter, have.kind in ("tensor", "vector"), "a tensor or a vector")
            if prod(adapter.shape) != have.size:
                raise MismatchError(
                    f"reshape of {have.size} values to {list(adapter.shape)}",
                    f"a shape of {have.size} values",
                )
            return _tensor(have.dtype, adapter.shape)
        case Relabel():
            return _relabelled(have, adapter)


def _want(have: Port, adapter: Adapter, is_taken: bool, what: str) -> None:
    if not is_taken:
        raise MismatchError(
            f"adapter {adapter.adapter} meets {have}, expected {what}", "leave it out, or move it"
        )


def _tensor(dtype: str, shape: tuple[int, ...]) -> Port:
    return Port.model_validate({"kind": "tensor", "dtype": dtype, "shape": shape})


def _relabelled(have: Port, adapter: Relabel) -> Port:
    _want(have, adapter, have.is_classifier, "a classifier's answer")
    if missing := [label for label in have.names if label not in adapter.mapping]:
        raise MismatchError(
            f"relabel maps no label {missing[0]!r:.60}", "map every label of the component"
        )
    if spare := [label for label in adapter.mapping if label not in have.names]:
        raise MismatchError(
            f"relabel maps {spare[0]!r:.60}, which the component does not give", "leave it out"
        )
    if unknown := [label for label in adapter.mapping.values() if label not in adapter.labels]:
        raise MismatchError(
            f"relabel maps to {unknown[0]!r:.60}, which is not among its labels",
            "add it to labels, or map to another one",
        )
    meeting = [label for label, n in Counter(adapter.mapping.values()).items() if n > 1]
    if meeting and have.kind == "logits":
        raise MismatchError(
            f"relabel lets logits meet at {meeting[0]!r:.60}", "adapter probabilities before it"
        )
    shape = (len(adapter.labels),)
    return have.model_copy(update={"shape": shape, "labels": adapter.labels})


def passed(before: Port, adapters: tuple[Adapter, ...]) -> Port:
    """The type after all adapters.

    Raises:
        MismatchError: The first one that does not take what it gets.
    """
    port = before
    for adapter in adapters:
        port = adapted(port, adapter)
    return port


def connect(
    have: Port, want: Port, *, step: str | None = None, input_scale: str | None = None
) -> tuple[Adapter, ...]:
    """The adapters that bring `have` to `want`, where there is one plain way.

    Args:
        step: Real value of one step of `have`, where it is an int8 tensor.
        input_scale: The QModel's input scale, where `want` is its int8 input.

    Raises:
        MismatchError: There is none; says what is in the way.
    """
    chosen = [*_numbers(have, want, have.scale or step, input_scale)]
    port = passed(have, tuple(chosen))
    if want.is_classifier and port.kind == want.kind and port.labels != want.labels:
        if set(port.names) == set(want.labels):  # in another order, or indexes as labels
            mapping = {label: label for label in want.labels}
            chosen.append(Relabel(labels=want.labels, mapping=mapping))
    elif want.kind == "tensor" and _is_reshaped(port, want):
        chosen.append(Reshape(shape=want.shape))
    check_fit(passed(have, tuple(chosen)), want)
    return tuple(chosen)


def _numbers(
    have: Port, want: Port, step: str | None, input_scale: str | None
) -> tuple[Adapter, ...]:
    """The adapter between two number formats, if one is called for."""
    if have.kind == "logits" and want.kind == "vector" and want.labels:
        return (Probabilities(),)
    if want.kind != "tensor":
        return ()
    if want.dtype == "int8" and input_scale is not None:
        if have.dtype == "float32":
            return (Quantise(scale=input_scale),)
        is_other = have.kind == "logits" or step != input_scale
        if have.dtype == "int8" and step is not None and is_other:
            return (Rescale(scale=step, to=input_scale),)
    if want.dtype == "float32" and have.dtype == "int8" and step is not None:
        return (Dequantise(scale=step),)
    return ()


def _is_reshaped(have: Port, want: Port) -> bool:
    """Whether the same values lie in another shape."""
    is_array = have.kind in ("tensor", "vector")
    return is_array and have.shape != want.shape and have.size == want.size
