"""Which runtime composition these models would fit in, told from what they take and give."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from joynet_sdk.errors import InvalidInputError
from joynet_sdk.formats import InputSpec, OutputSpec
from joynet_sdk.fusion.compatibility.facts import Model

Ends = tuple[InputSpec, OutputSpec]


class Fit(NamedTuple):
    """A composition that fits, or why none is known to.

    Attributes:
        kind: "pipeline", "ensemble" or "router", or None.
        reason: One line.
    """

    kind: str | None
    reason: str


def fitting(models: Sequence[Model]) -> Fit:
    """The composition that the models' inputs and outputs allow.

    Args:
        models: In the order that a pipeline would take.
    """
    known = [model.io() for model in models]
    ends = [each for each in known if each is not None]
    if len(ends) < len(models):
        names = ", ".join(m.name for m, each in zip(models, known, strict=True) if each is None)
        return Fit(None, f"what {names} takes and gives is not known: publish it, name it by REF")
    from joynet_sdk.compositions.typing import input_port  # pydantic: not for most checks

    try:
        takes = [input_port(given) for given, _ in ends]
        problem = _chain_problem(ends)
        if problem is None:
            return Fit("pipeline", "each model can read what the one before it answers")
        if len(set(takes)) > 1:
            shown = ", ".join(f"{m.name} takes {t}" for m, t in zip(models, takes, strict=True))
            return Fit(None, f"no pipeline: {problem}; no ensemble: {shown}")
        if problem := _answer_problem(ends):
            return Fit("router", f"all take {takes[0]}, but {problem}: let one answer at a time")
    except InvalidInputError as error:
        return Fit(None, f"{error}{f' ({error.hint})' if error.hint else ''}")
    return Fit("ensemble", f"all take {takes[0]} and answer with the same labels")


def _chain_problem(ends: Sequence[Ends]) -> str | None:
    """Why a model cannot read what the one before it answers, or None when all can."""
    from joynet_sdk.compositions.typing import MismatchError, connect, input_port, output_port

    for (_, given), (taken, _) in pairwise(ends):
        have, want = output_port(given), input_port(taken)
        if want.kind == "tensor" and want.dtype == "int8" and have.dtype == "float32":
            want = want.model_copy(update={"dtype": "float32"})  # its input scale is in its weights
        try:
            connect(have, want)
        except MismatchError as error:
            return f"{error} ({error.hint})"
    return None


def _answer_problem(ends: Sequence[Ends]) -> str | None:
    """Why the answers cannot be averaged, or None when they can."""
    from joynet_sdk.compositions.typing import output_port

    gives = [output_port(given) for _, given in ends]
    if not all(port.is_classifier for port in gives):
        return "not all of them are classifiers"
    if len({frozenset(port.names) for port in gives}) > 1:
        return "their labels differ"
    return None
