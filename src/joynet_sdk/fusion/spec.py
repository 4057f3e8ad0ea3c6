"""`FusionSpec`: how a model is made from others. docs/spec/fusion.md is the format.

People write YAML (`fusion.mergekit_yaml` reads it); what is hashed and published is canonical JSON,
where every number of a parameter is a decimal string, since canonical JSON has integers only.
"""

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from joynet_sdk import merges
from joynet_sdk.compositions.document import Composition
from joynet_sdk.errors import InvalidInputError, NotFoundError, VerificationError
from joynet_sdk.formats import (
    MAX_SPEC_BYTES,
    canonical_json,
    parse_canonical_json,
    parse_hex,
)
from joynet_sdk.merges import Value

FORMAT = "joynet-fusion/1"
MAX_LAYERS = 10_000
MAX_MODELS = 64
MAX_SEED = 2**53 - 1
SHARD_BYTES = 2 * 10**9  # most bytes of tensors in one file
MIN_SHARD_BYTES = 10**6
Dtype = Literal["float32", "float16", "bfloat16", "float64"]


def _read_number(value: object) -> object:
    """Decimal strings, which canonical JSON has and YAML 1.1 makes of `1e-3`, are numbers."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return value
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _check_number(value: bool | float) -> bool | float:
    if not math.isfinite(value):
        raise ValueError(f"{value} is not finite")
    return value


def _check_ref(text: str) -> str:
    if not text.strip() or len(text) > 1024 or any(char in text for char in "\0\n\r"):
        raise ValueError(f"{text!r:.60} names no model")
    return text


Scalar = Annotated[
    bool | float,
    BeforeValidator(_read_number),
    AfterValidator(_check_number),
    PlainSerializer(lambda value: value if isinstance(value, bool) else repr(value)),
]
ModelName = Annotated[str, AfterValidator(_check_ref)]


class _Part(BaseModel):
    """Base of the document: frozen, strict, and a misspelt key is named with the nearest one."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    aliases: ClassVar[Mapping[str, str]] = {}

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, value: Any) -> Any:
        if isinstance(value, dict):
            for key in value:
                if key not in cls.model_fields:
                    raise PydanticCustomError("unknown_key", "{text}", {"text": _unknown(key, cls)})
        return value


def _unknown(key: object, part: type[BaseModel]) -> str:
    near = get_close_matches(str(key), part.model_fields, n=1, cutoff=0.5)
    known = ", ".join(part.model_fields)
    tail = f"did you mean {near[0]!r}?" if near else f"expected one of {known}"
    return f"unknown key {str(key)[:60]!r}: {tail}"


class Rule(_Part):
    """A parameter's value for the tensors whose name contains `filter` (None: for all).

    Several values are a gradient over the layers, from the first to the last.
    """

    filter: Annotated[str, Field(max_length=256)] | None = None
    value: Annotated[list[Scalar], Field(min_length=1, max_length=1024)]

    def at(self, place: float, *, is_switch: bool) -> Value:
        """The value at `place` of the gradient, 0 to 1: numbers interpolate, switches do not."""
        if len(self.value) == 1:
            return self.value[0]
        scaled = place * (len(self.value) - 1)
        low = int(scaled)
        if is_switch:
            return self.value[low]
        high, part = min(len(self.value) - 1, low + 1), scaled - low
        return (1 - part) * float(self.value[low]) + part * float(self.value[high])


Rules = Annotated[list[Rule], Field(min_length=1, max_length=256)]
Parameters = Annotated[dict[str, Rules], Field(max_length=32)]


def _check_layers(layers: list[int]) -> list[int]:
    first, last = layers
    if not 0 <= first < last <= MAX_LAYERS:
        raise ValueError(f"layers {first} to {last}, expected first < last, last excluded")
    return layers


class Input(_Part):
    """A model, or some of its layers."""

    model: ModelName
    parameters: Parameters = {}


class Slice(Input):
    """Layers of a model: the first, and the one after the last."""

    layer_range: Annotated[
        list[int], Field(min_length=2, max_length=2), AfterValidator(_check_layers)
    ]


class OutputSlice(_Part):
    """Layers of the result, merged from as many layers of each source."""

    sources: Annotated[list[Slice], Field(min_length=1, max_length=MAX_MODELS)]
    base_model: ModelName | None = None
    parameters: Parameters = {}


class Module(_Part):
    """One stack of layers of the result, e.g. an encoder."""

    models: Annotated[list[Input], Field(min_length=1, max_length=MAX_MODELS)] | None = None
    slices: Annotated[list[OutputSlice], Field(min_length=1, max_length=1024)] | None = None
    parameters: Parameters = {}

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        if (self.models is None) == (self.slices is None):
            raise ValueError("expected either models or slices")
        return self


class TokenSource(_Part):
    """Where a token's embedding comes from: a model's own row, another token's, or zeros."""

    kind: Literal["model", "model_token", "zero"]
    model: ModelName | None = None
    token: Annotated[str, Field(max_length=1024)] | None = None
    token_id: Annotated[int, Field(ge=0)] | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.model is None) != (self.kind == "zero"):
            raise ValueError(f"a source of kind {self.kind!r}: model is missing or too much")
        if ((self.token is None) == (self.token_id is None)) != (self.kind != "model_token"):
            raise ValueError("kind 'model_token' has either token or token_id")
        return self


class Token(_Part):
    """How one token is treated; `force` replaces it also where a parent has it."""

    source: TokenSource | None = None
    force: bool = False


class Tokenizer(_Part):
    """The result's vocabulary: "base", "union", or a model's."""

    source: ModelName = "union"
    tokens: Annotated[dict[str, Token], Field(max_length=10_000)] = {}
    pad_to_multiple_of: Annotated[int, Field(ge=1, le=65_536)] | None = None


class WeightsSpec(_Part):
    """A merge of weights."""

    format: Literal["joynet-fusion/1"] = "joynet-fusion/1"
    kind: Literal["weights"] = "weights"
    merge_method: str
    base_model: ModelName | None = None
    models: Annotated[list[Input], Field(min_length=1, max_length=MAX_MODELS)] | None = None
    slices: Annotated[list[OutputSlice], Field(min_length=1, max_length=1024)] | None = None
    modules: Annotated[dict[str, Module], Field(min_length=1, max_length=16)] | None = None
    parameters: Parameters = {}
    dtype: Dtype | None = None
    out_dtype: Dtype | None = None
    tokenizer: Tokenizer | None = None
    chat_template: Annotated[str, Field(min_length=1, max_length=65_536)] | None = None
    seed: Annotated[int, Field(ge=0, le=MAX_SEED)] = 0
    shard_bytes: Annotated[int, Field(ge=MIN_SHARD_BYTES, le=2**40)] = SHARD_BYTES

    @model_validator(mode="after")
    def _check(self) -> Self:
        given = [name for name in ("models", "slices", "modules") if getattr(self, name)]
        if len(given) != 1:
            named = " and ".join(given) or "none of them"
            raise ValueError(f"expected one of models, slices and modules, found {named}")
        if self.merge_method not in merges.METHODS:
            known = list(merges.METHODS)
            near = get_close_matches(self.merge_method, known, n=1, cutoff=0.5)
            tail = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
            raise ValueError(f"unknown merge_method {self.merge_method[:60]!r}: {tail}")
        for parameters in self._all_parameters():
            _check_parameters(self.merge_method, parameters)
        return self

    def _all_parameters(self) -> Iterator[Parameters]:
        yield self.parameters
        for part in self.parts():
            yield part.parameters
            for source in [*(getattr(part, "sources", None) or ()), *(_models_of(part))]:
                yield source.parameters

    def parts(self) -> "Iterator[Input | OutputSlice | Module]":
        """Inputs, output slices and modules: lists in their order, keys sorted.

        Canonical JSON sorts keys, so nothing may depend on the order they were written in.
        """
        yield from self.models or ()
        yield from self.slices or ()
        for _, module in sorted((self.modules or {}).items()):
            yield module
            yield from module.slices or ()

    @property
    def references(self) -> tuple[str, ...]:
        """Every model it names, each once: the base first, then in the order of the document."""
        found = [self.base_model] if self.base_model else []
        for part in self.parts():
            if isinstance(part, Input):
                found.append(part.model)
            elif isinstance(part, Module):
                found += [source.model for source in part.models or ()]
            else:
                found += [part.base_model] if part.base_model else []
                found += [source.model for source in part.sources]
        if self.tokenizer is not None:
            if self.tokenizer.source not in ("base", "union"):
                found.append(self.tokenizer.source)
            sources = (token.source for _, token in sorted(self.tokenizer.tokens.items()))
            found += [source.model for source in sources if source and source.model]
        return tuple(dict.fromkeys(found))

    def renamed(self, names: Mapping[str, str]) -> "WeightsSpec":
        """The same with other names for its models; those that `names` lacks stay."""
        document = _renamed(self.model_dump(exclude_none=True), lambda old: names.get(old, old))
        return WeightsSpec.model_validate(document)

    def with_shards(self, shard_bytes: int) -> "WeightsSpec":
        """The same with another largest size of a file.

        Raises:
            InvalidInputError: Under 1 MB or over 1 TiB.
        """
        if not MIN_SHARD_BYTES <= shard_bytes <= 2**40:
            raise InvalidInputError(f"shard of {shard_bytes} bytes, expected 1 MB to 1 TiB")
        return self.model_copy(update={"shard_bytes": shard_bytes})

    def encode(self) -> bytes:
        """Canonical JSON."""
        return canonical_json(_slim(self.model_dump(exclude_none=True)))

    @property
    def digest(self) -> bytes:
        """SHA-256 of the canonical JSON, 32 bytes; also the CID's, as one raw block."""
        return hashlib.sha256(self.encode()).digest()

    @property
    def notes(self) -> tuple[str, ...]:
        """Parameters that this method does not have, though another one does."""
        own = {parameter.name for parameter in merges.METHODS[self.merge_method].parameters}
        unused = {name for parameters in self._all_parameters() for name in parameters} - own
        return tuple(f"{name} has no meaning in {self.merge_method}" for name in sorted(unused))


class CompositionSpec(_Part):
    """A composition at run time: docs/spec/composition.md."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)
    format: Literal["joynet-fusion/1"] = "joynet-fusion/1"
    kind: Literal["composition"]
    composition: Composition

    @property
    def references(self) -> tuple[str, ...]:
        """The components' model ids."""
        return tuple(dict.fromkeys(part.model for part in self.composition.components))

    def encode(self) -> bytes:
        """Canonical JSON."""
        document = parse_canonical_json(self.composition.encode())
        return canonical_json({"format": FORMAT, "kind": self.kind, "composition": document})

    @property
    def digest(self) -> bytes:
        """SHA-256 of the canonical JSON, 32 bytes."""
        return hashlib.sha256(self.encode()).digest()


FusionSpec = WeightsSpec | CompositionSpec
_SPEC: TypeAdapter[FusionSpec] = TypeAdapter(
    Annotated[WeightsSpec | CompositionSpec, Field(discriminator="kind")]
)


def validate(document: Mapping[str, Any], name: str = "spec") -> FusionSpec:
    """A spec from its document in canonical form (numbers may be numbers).

    Raises:
        InvalidInputError: Unknown, mistyped or missing keys, methods or parameters.
    """
    try:
        return _SPEC.validate_python({"kind": "weights", **document})
    except ValidationError as error:
        hint = "joynet fuse methods"
        if error.errors(include_url=False)[0]["type"] == "string_type":
            hint = 'YAML reads 0x... as a number: put quotes around a model id, model: "0x..."'
        raise InvalidInputError(f"{name}: {explain(error)}", hint=hint) from None


def decode_spec(data: bytes) -> FusionSpec:
    """Read a published spec: canonical JSON that names every parent by its model id.

    Raises:
        InvalidInputError: Too long, not canonical, or it breaks a rule.
    """
    if len(data) > MAX_SPEC_BYTES:
        raise InvalidInputError(f"spec has {len(data)} bytes, expected <= {MAX_SPEC_BYTES}")
    try:
        document = parse_canonical_json(data)
    except VerificationError as error:
        raise InvalidInputError(f"spec: {error}") from None
    if not isinstance(document, dict):
        raise InvalidInputError(f"spec holds {type(document).__name__}, expected a JSON object")
    spec = validate(document)
    if spec.encode() != data:
        raise InvalidInputError("spec is not in its canonical form: re-encoding gives other bytes")
    for reference in spec.references:
        parse_hex(reference, 32, "parent")
    return spec


def explain(error: ValidationError) -> str:
    """The first problem of a pydantic report: where it is, and what it is."""
    first = error.errors(include_url=False, include_input=False)[0]
    steps = [str(step) for step in first["loc"] if step not in ("weights", "composition")]
    message = first["msg"].removeprefix("Value error, ")
    where = ".".join(steps)[:160]
    return f"{where}: {message}" if where else message


def _models_of(part: object) -> list[Input]:
    return list(part.models or ()) if isinstance(part, Module) else []


def _check_parameters(method_name: str, parameters: Parameters) -> None:
    """Names must be known, and values within the bounds of the method's parameter."""
    for name, rules in parameters.items():
        try:
            parameter = merges.METHODS[method_name].parameter(name)
        except NotFoundError:
            known = {one.name for method in merges.METHODS.values() for one in method.parameters}
            if name in known:
                continue  # mergekit lets a file keep another method's parameters: told in `notes`
            near = get_close_matches(name, known, n=1, cutoff=0.5)
            tail = f": did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"unknown parameter {name[:60]!r} of {method_name}{tail}") from None
        for value in (value for rule in rules for value in rule.value):
            parameter.checked(bool(value) if parameter.is_switch else value)


def _renamed(value: Any, rename: Callable[[str], str], key: str = "") -> Any:
    """Copy a document, renaming the models in it."""
    if isinstance(value, dict):
        return {name: _renamed(item, rename, name) for name, item in value.items()}
    if isinstance(value, list):
        return [_renamed(item, rename, key) for item in value]
    is_tokenizer = key == "source" and isinstance(value, str) and value not in ("base", "union")
    return rename(value) if key in ("model", "base_model") or is_tokenizer else value


def _slim(value: Any) -> Any:
    """Without the empty parts, which say the same as none."""
    if isinstance(value, dict):
        slim = {name: _slim(item) for name, item in value.items()}
        return {name: item for name, item in slim.items() if item not in ({}, [])}
    return [_slim(item) for item in value] if isinstance(value, list) else value
