"""From components to a document: types and adapters are chosen, and what clashes is explained."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from pydantic import ValidationError

from joynet_sdk.compositions.checking import answering, check, check_verification, tolerance_of
from joynet_sdk.compositions.document import (
    INPUT,
    MAX_DOCUMENT_BYTES,
    OUTPUT,
    Adapter,
    Cascade,
    Component,
    Composition,
    Connection,
    Ensemble,
    Pipeline,
    Port,
    Probabilities,
    Relabel,
    Router,
    Rule,
    explain,
)
from joynet_sdk.compositions.typing import (
    MismatchError,
    check_fit,
    connect,
    input_port,
    output_port,
    passed,
)
from joynet_sdk.errors import InvalidInputError
from joynet_sdk.formats import Manifest

Mapped = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model that may become a component.

    Attributes:
        name: Within the composition.
        input_scale: Real value of one input step of a QModel; None for others.
    """

    name: str
    manifest: Manifest
    input_scale: str | None = None

    @property
    def takes(self) -> Port:
        """Type of its input."""
        return input_port(self.manifest.input)

    @property
    def gives(self) -> Port:
        """Type of its output."""
        return output_port(self.manifest.output)


def compose(
    rule: Rule,
    candidates: Sequence[Candidate],
    *,
    labels: Sequence[str] = (),
    relabel: Mapped | None = None,
) -> Composition:
    """Connect components as a rule says.

    Args:
        candidates: In the order of the document.
        labels: Of the output, where they are not those of the first component that answers.
        relabel: Component -> its label -> output label, where names differ.

    Raises:
        InvalidInputError: Something clashes; says where, why, and the fix.
    """
    by_name = {candidate.name: candidate for candidate in candidates}
    if len(by_name) != len(candidates):
        raise InvalidInputError(
            "two components have one name", hint="name them: joynet fuse compose a=REF b=REF"
        )
    try:
        built = _Builder(rule, by_name, tuple(labels), relabel or {}).build()
    except KeyError as error:
        known = ", ".join(by_name)
        raise InvalidInputError(f"no component is named {error.args[0]!r}, have {known}") from None
    except ValidationError as error:
        raise InvalidInputError(f"composition: {explain(error)}") from None
    check(built)
    check_verification(built, {c.name: c.manifest for c in candidates})
    if (size := len(built.encode())) > MAX_DOCUMENT_BYTES:
        raise InvalidInputError(
            f"the document would have {size} bytes, expected <= {MAX_DOCUMENT_BYTES}",
            hint="fewer components, or fewer or shorter labels",
        )
    return built


class _Builder:
    """One composition in the making."""

    def __init__(
        self, rule: Rule, by_name: Mapping[str, Candidate], labels: tuple[str, ...], relabel: Mapped
    ) -> None:
        self._rule, self._by_name = rule, by_name
        self._labels, self._relabel = labels, relabel

    def build(self) -> Composition:
        members, answers = self._members()
        source = self._input(members)
        output = self._output(answers)
        connections = [*self._entries(source, members), *self._links(members)]
        connections += [self._to_output(name, output) for name in answers]
        manifests = {name: each.manifest for name, each in self._by_name.items()}
        is_exact = output.kind == "logits"
        return Composition(
            rule=self._rule,
            components=tuple(
                Component(name=each.name, model="0x" + each.manifest.model_id.hex())
                for each in self._by_name.values()
            ),
            connections=tuple(connections),
            input=source,
            output=output,
            tolerance=None if is_exact else tolerance_of(connections, manifests),
        )

    def _members(self) -> tuple[list[str], list[str]]:
        """Components in the order of the rule, and those whose answer is the output."""
        match self._rule:
            case Pipeline(order=order):
                return list(order), [order[-1]]
            case Ensemble(weights=weights):
                return list(weights), list(weights)
            case Cascade(order=order):
                return list(order), list(order)
            case Router() as router:
                names = answering(router)
                first = [router.classifier] if router.classifier else []
                return first + names, names

    def _input(self, members: list[str]) -> Port:
        """What the first component takes; a text is as short as the shortest one needs."""
        port = self._by_name[members[0]].takes
        if port.kind != "text" or isinstance(self._rule, Pipeline):
            return port
        texts = [self._by_name[name].takes for name in members]
        shortest = min(each.max_bytes for each in texts if each.kind == "text")
        return port.model_copy(update={"max_bytes": shortest})

    def _entries(self, source: Port, members: list[str]) -> list[Connection]:
        readers = members[:1] if isinstance(self._rule, Pipeline) else members
        step = self._by_name[members[0]].input_scale
        return [self._connect(INPUT, name, source, step) for name in readers]

    def _links(self, members: list[str]) -> list[Connection]:
        if not isinstance(self._rule, Pipeline):
            return []
        return [self._connect(a, b, self._by_name[a].gives, None) for a, b in pairwise(members)]

    def _connect(self, source: str, target: str, before: Port, step: str | None) -> Connection:
        candidate = self._by_name[target]
        after = candidate.takes
        if source == INPUT and before.kind == after.kind == "text":
            after = before if before.max_bytes <= after.max_bytes else after
        try:
            adapters = connect(before, after, step=step, input_scale=candidate.input_scale)
        except MismatchError as error:
            raise _located(source, target, error) from None
        return Connection(
            source=source, target=target, before=before, after=after, adapters=adapters
        )

    # --- the output

    def _output(self, answers: list[str]) -> Port:
        """int8 logits where every part is exact, else probabilities or a unit vector."""
        ports = [self._by_name[name].gives for name in answers]
        labels = self._labels or ports[0].names
        parts = self._by_name.values()
        is_exact = all(each.manifest.verification == "exact" for each in parts)
        if not ports[0].is_classifier:
            return ports[0]
        if is_exact and (scale := self._common_scale(ports)) is not None:
            return _logits(labels, scale)
        return Port(kind="vector", dtype="float32", shape=(len(labels),), labels=labels)

    def _common_scale(self, ports: list[Port]) -> str | None:
        """The step of an exact output; None where only probabilities can be compared."""
        scales = [port.scale for port in ports if port.scale is not None]
        match self._rule:
            case Ensemble(mean="majority"):
                return "1"
            case Ensemble(mean="logits"):
                return max(scales, key=Decimal)
            case Ensemble() | Cascade(confidence="probability"):
                return None
            case _:
                return scales[0] if len(set(scales)) == 1 else None

    def _to_output(self, name: str, output: Port) -> Connection:
        before = self._by_name[name].gives
        want = output
        if isinstance(self._rule, Ensemble) and before.kind == output.kind == "logits":
            want = output.model_copy(update={"scale": before.scale})
        first: tuple[Adapter, ...] = ()
        if mapping := self._relabel.get(name):
            relabel = Relabel(labels=output.names, mapping=dict(mapping))
            is_softened = before.kind == "logits" and output.kind == "vector"
            first = (Probabilities(), relabel) if is_softened else (relabel,)
        try:
            rest = connect(passed(before, first), want)
            check_fit(passed(before, first + rest), want)
        except MismatchError as error:
            raise _located(name, OUTPUT, error) from None
        return Connection(
            source=name, target=OUTPUT, before=before, after=want, adapters=first + rest
        )


def _logits(labels: tuple[str, ...], scale: str) -> Port:
    return Port(kind="logits", dtype="int8", shape=(len(labels),), labels=labels, scale=scale)


def _located(source: str, target: str, error: MismatchError) -> InvalidInputError:
    return InvalidInputError(f"{source} -> {target}: {error}", hint=error.hint)
