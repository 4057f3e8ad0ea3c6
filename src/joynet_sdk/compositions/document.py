"""The document of a runtime composition, `composition.json`: docs/spec/composition.md."""

import re
from decimal import Decimal, InvalidOperation
from math import prod
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.functional_validators import AfterValidator

from joynet_sdk.errors import InvalidInputError, VerificationError
from joynet_sdk.formats import canonical_json, parse_canonical_json, parse_hex
from joynet_sdk.types import ModelId

FILE = "composition.json"
PROFILE = "composition/1"
MAX_DOCUMENT_BYTES = 448 * 1024  # with a frame around it, within a fusion spec's 512 KiB
MAX_COMPONENTS = 8
MAX_CONNECTIONS = 16
MAX_ADAPTERS = 4
MAX_OUTPUTS = 1024  # labels of a classifier, numbers of a vector
MAX_VALUES = 1 << 20  # of a tensor
MAX_TEXT_BYTES = 512 * 1024
MAX_WEIGHT = 10_000
MAX_TOLERANCE = 8191  # int16 steps: a quarter of the range
INPUT, OUTPUT = "input", "output"  # the two ends of a composition
_SCALE = re.compile(r"[0-9]{1,20}(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,2})?")


def _check_decimal(text: str) -> str:
    try:
        if _SCALE.fullmatch(text) and 0 < Decimal(text) < 10**9:
            return text
    except InvalidOperation:
        pass
    raise ValueError(f"{text!r:.60} is no positive decimal string, e.g. '0.0625'")


def _check_id(text: str) -> str:
    parse_hex(text, 32, "model id")
    return text


def _check_labels(labels: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(labels)) != len(labels):
        raise ValueError("labels repeat, expected each once")
    return labels


Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")]
Scale = Annotated[str, AfterValidator(_check_decimal)]
Id = Annotated[str, AfterValidator(_check_id)]
Label = Annotated[str, Field(max_length=256)]
Labels = Annotated[tuple[Label, ...], Field(max_length=MAX_OUTPUTS), AfterValidator(_check_labels)]
Side = Annotated[int, Field(ge=1, le=MAX_VALUES)]
Shape = Annotated[tuple[Side, ...], Field(max_length=8)]
Weight = Annotated[int, Field(ge=1, le=MAX_WEIGHT)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


# --- types --------------------------------------------------------------------------------------


class Port(_Part):
    """The type of the values at one end of a connection.

    Attributes:
        kind: "text" (UTF-8), "tensor" (C order, little-endian), "logits" (int8, probabilities are
            softmax(scale * q)) or "vector" (float32; with labels: probabilities, without: unit
            length).
        shape: Empty for text.
        labels: Names of a classifier's outputs, or empty.
        scale: Real value of one int8 step; of logits only.
        max_bytes: Longest text; 0 for the others.
    """

    kind: Literal["text", "tensor", "logits", "vector"]
    dtype: Literal["utf8", "int8", "uint8", "uint16", "float32"]
    shape: Shape = ()
    labels: Labels = ()
    scale: Scale | None = None
    max_bytes: Annotated[int, Field(ge=0, le=MAX_TEXT_BYTES)] = 0

    @model_validator(mode="after")
    def _check(self) -> Self:
        dtypes = {"text": {"utf8"}, "logits": {"int8"}, "vector": {"float32"}}
        allowed = dtypes.get(self.kind, {"int8", "uint8", "uint16", "float32"})
        if self.dtype not in allowed:
            raise ValueError(f"{self.kind} of {self.dtype}, expected one of {sorted(allowed)}")
        is_text, is_answer = self.kind == "text", self.kind in ("logits", "vector")
        if is_text != bool(self.max_bytes) or is_text != (not self.shape):
            raise ValueError(f"{self.kind}: a text has max_bytes, anything else has a shape")
        if prod(self.shape) > (MAX_OUTPUTS if is_answer else MAX_VALUES):
            raise ValueError(f"{self.kind} of shape {list(self.shape)} is too large")
        if is_answer and len(self.shape) != 1:
            raise ValueError(f"{self.kind} of shape {list(self.shape)}, expected one side")
        if self.labels and (not is_answer or len(self.labels) != self.shape[0]):
            raise ValueError(f"{len(self.labels)} labels for {self.kind} {list(self.shape)}")
        if (self.scale is not None) != (self.kind == "logits"):
            raise ValueError("scale: expected of logits, and only there")
        return self

    @property
    def size(self) -> int:
        """Values in it; 1 for a text."""
        return prod(self.shape)

    @property
    def is_classifier(self) -> bool:
        """Whether the largest value names a label."""
        return self.kind == "logits" or bool(self.labels)

    @property
    def names(self) -> tuple[str, ...]:
        """Labels of a classifier's outputs; their indexes where it has none."""
        return self.labels or tuple(map(str, range(self.size)))

    def __str__(self) -> str:
        if self.kind == "text":
            return f"text of at most {self.max_bytes:,} bytes"
        sides = "x".join(map(str, self.shape))
        labelled = f" with {len(self.labels)} labels" if self.labels else ""
        return f"{self.kind} {self.dtype} [{sides}]{labelled}"


# --- adapters -----------------------------------------------------------------------------------


class Quantise(_Part):
    """float32 -> int8: round_half_even(v / scale), clipped; `scale` is the QModel's input scale."""

    adapter: Literal["quantise"] = "quantise"
    scale: Scale


class Dequantise(_Part):
    """int8 or uint8 -> float32 tensor: q * scale."""

    adapter: Literal["dequantise"] = "dequantise"
    scale: Scale


class Rescale(_Part):
    """int8 in steps of `scale` -> int8 tensor in steps of `to`, in exact arithmetic."""

    adapter: Literal["rescale"] = "rescale"
    scale: Scale
    to: Scale


class Probabilities(_Part):
    """logits -> vector: softmax(scale * q)."""

    adapter: Literal["probabilities"] = "probabilities"


class Relabel(_Part):
    """A classifier's outputs under other labels, in another order.

    Attributes:
        labels: The new ones, in order. One that nothing maps to gets probability 0 (logit -128).
        mapping: Every old label -> a new one. Probabilities of labels that meet add up; logits may
            not meet.
    """

    adapter: Literal["relabel"] = "relabel"
    labels: Labels
    mapping: Annotated[dict[Label, Label], Field(max_length=MAX_OUTPUTS)]


class Normalise(_Part):
    """float32 with one side -> vector of length 1."""

    adapter: Literal["normalise"] = "normalise"


class Reshape(_Part):
    """The same values as a tensor of another shape."""

    adapter: Literal["reshape"] = "reshape"
    shape: Annotated[Shape, Field(min_length=1)]


Adapter = Annotated[
    Quantise | Dequantise | Rescale | Probabilities | Relabel | Normalise | Reshape,
    Field(discriminator="adapter"),
]

# --- components, connections, rules -------------------------------------------------------------


class Component(_Part):
    """A published model that takes part.

    Attributes:
        name: Within this document.
        model: Its model id, `0x` + 64 hex digits.
    """

    name: Name
    model: Id

    @property
    def model_id(self) -> ModelId:
        """32 bytes."""
        return ModelId(bytes.fromhex(self.model[2:]))


class Connection(_Part):
    """Where values go, and what they are on the way.

    Attributes:
        source: A component, or "input".
        target: A component, or "output".
        before: Type that the source gives.
        adapters: Applied in order.
        after: Type that the target takes.
    """

    source: Name
    target: Name
    before: Port
    after: Port
    adapters: Annotated[tuple[Adapter, ...], Field(max_length=MAX_ADAPTERS)] = ()

    def __str__(self) -> str:
        return f"{self.source} -> {self.target}"


class Pipeline(_Part):
    """Each component reads what the one before it answered."""

    kind: Literal["pipeline"] = "pipeline"
    order: Annotated[tuple[Name, ...], Field(min_length=1, max_length=MAX_COMPONENTS)]


class Route(_Part):
    """The classifier's best label -> the component that answers."""

    label: Label
    use: Name


class Condition(_Part):
    """A stated rule; every part that is given must hold.

    Attributes:
        contains: Text: one of these is in it, whatever the case.
        min_bytes: Text: at least so long.
        index, at_least: Tensor: the value at this flat index is at least this integer.
        use: The component that answers.
    """

    contains: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=64)], ...], Field(max_length=64)
    ] = ()
    min_bytes: Annotated[int, Field(ge=0, le=MAX_TEXT_BYTES)] = 0
    index: Annotated[int, Field(ge=0, lt=MAX_VALUES)] | None = None
    at_least: Annotated[int, Field(ge=-(2**31), lt=2**31)] | None = None
    use: Name

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.index is None) != (self.at_least is None):
            raise ValueError("index and at_least go together")
        is_text = bool(self.contains) or bool(self.min_bytes)
        if is_text == (self.index is not None):
            raise ValueError("expected contains or min_bytes (text), or index with at_least")
        return self


class Router(_Part):
    """One component answers: by a classifier's best label, or by the first rule that holds.

    Attributes:
        classifier: The component that decides; None where rules do.
        decides: Type of its answer.
        otherwise: Who answers when no route and no rule matches.
    """

    kind: Literal["router"] = "router"
    classifier: Name | None = None
    decides: Port | None = None
    routes: Annotated[tuple[Route, ...], Field(max_length=MAX_OUTPUTS)] = ()
    rules: Annotated[tuple[Condition, ...], Field(max_length=32)] = ()
    otherwise: Name | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.classifier is None) != (self.decides is None):
            raise ValueError("classifier and decides (its output type) go together")
        has_routes = self.classifier is not None and bool(self.routes) and not self.rules
        has_rules = self.classifier is None and bool(self.rules) and not self.routes
        if not (has_routes or (has_rules and self.otherwise is not None)):
            raise ValueError("a router has a classifier and routes, or rules and an otherwise")
        if len({route.label for route in self.routes}) != len(self.routes):
            raise ValueError("a label has two routes")
        return self


class Ensemble(_Part):
    """Every component answers; the answers are averaged, or counted.

    Attributes:
        mean: "probabilities" (arithmetic), "logits" (of probabilities: normalised geometric) or
            "majority" (votes for the best label).
        weights: Of each component by name.
    """

    kind: Literal["ensemble"] = "ensemble"
    mean: Literal["probabilities", "logits", "majority"] = "probabilities"
    weights: Annotated[dict[Name, Weight], Field(min_length=2, max_length=MAX_COMPONENTS)]


class Cascade(_Part):
    """The first component answers; the next one only where it is not sure enough.

    Attributes:
        order: Cheap ones first.
        confidence: "probability" of the best label, or "margin" between the best two (in
            probability, or in real units of logits).
        thresholds: One for each component but the last: it answers at this confidence or more.
    """

    kind: Literal["cascade"] = "cascade"
    order: Annotated[tuple[Name, ...], Field(min_length=2, max_length=MAX_COMPONENTS)]
    confidence: Literal["probability", "margin"] = "probability"
    thresholds: Annotated[tuple[Scale, ...], Field(min_length=1, max_length=MAX_COMPONENTS)]

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(self.thresholds) != len(self.order) - 1:
            raise ValueError(
                f"{len(self.thresholds)} thresholds for {len(self.order)} components, "
                "expected one for each but the last"
            )
        if self.confidence == "probability" and any(Decimal(t) > 1 for t in self.thresholds):
            raise ValueError("a probability threshold is above 1")
        return self


Rule = Annotated[Pipeline | Router | Ensemble | Cascade, Field(discriminator="kind")]


class Composition(_Part):
    """`composition.json`. Its parts are checked one by one here; how they fit together is what
    `checking.clashes` says, and `decode` insists on.

    Attributes:
        tolerance: Largest distance of two honest answers, in int16 steps of a vector; None where
            the output is int8 logits, which are the same everywhere.
    """

    format: Literal["joynet-composition/1"] = "joynet-composition/1"
    rule: Rule
    components: Annotated[tuple[Component, ...], Field(min_length=1, max_length=MAX_COMPONENTS)]
    connections: Annotated[tuple[Connection, ...], Field(min_length=2, max_length=MAX_CONNECTIONS)]
    input: Port
    output: Port
    tolerance: Annotated[int, Field(ge=1, le=MAX_TOLERANCE)] | None = None

    @property
    def verification(self) -> Literal["exact", "tolerant"]:
        """Its class: int8 logits come from integers alone, or `check_verification` refuses."""
        return "tolerant" if self.tolerance is not None else "exact"

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.output.kind == "logits") == (self.tolerance is not None):
            raise ValueError("tolerance: expected where the output is a vector, and only there")
        names = [component.name for component in self.components]
        if len({*names, INPUT, OUTPUT}) != len(names) + 2:
            raise ValueError("components: expected unique names, none of them input or output")
        if len({component.model for component in self.components}) != len(names):
            raise ValueError("components: expected each model once")
        return self

    def component(self, name: str) -> Component:
        """A component by name."""
        return next(each for each in self.components if each.name == name)

    def connection(self, source: str, target: str) -> Connection:
        """The connection between two names."""
        return next(c for c in self.connections if (c.source, c.target) == (source, target))

    def encode(self) -> bytes:
        """Canonical JSON: the bytes of the file."""
        return canonical_json(self.model_dump(mode="json"))


def parse(document: Any) -> Composition:
    """Check a document that came as JSON or YAML values, each part by itself.

    Raises:
        InvalidInputError: Names the first field that is wrong.
    """
    try:
        return Composition.model_validate(document)
    except ValidationError as error:
        raise InvalidInputError(f"composition: {explain(error)}") from None


def explain(error: ValidationError) -> str:
    """The first problem of a pydantic report, in one line."""
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(step) for step in first["loc"])[:120]
    message = first["msg"].removeprefix("Value error, ")
    return f"{where}: {message}" if where else message


def decode_document(data: bytes) -> Composition:
    """Read `composition.json`, without judging how its parts fit together.

    Raises:
        InvalidInputError: Too long, not canonical, unknown, mistyped or missing fields.
    """
    if len(data) > MAX_DOCUMENT_BYTES:
        raise InvalidInputError(f"{FILE} has {len(data)} bytes, expected <= {MAX_DOCUMENT_BYTES}")
    try:
        composition = parse(parse_canonical_json(data))
    except VerificationError as error:
        raise InvalidInputError(
            f"{FILE}: {error}", hint="write it with joynet fuse compose"
        ) from None
    if composition.encode() != data:
        raise InvalidInputError(f"{FILE} leaves out a field, expected every field of the spec")
    return composition
