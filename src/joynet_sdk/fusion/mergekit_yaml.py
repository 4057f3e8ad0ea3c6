"""Specs as people write them: mergekit's YAML, unchanged, which is also JoyNet's own.

The several ways to say a thing become the one of `fusion.spec`. Format facts: mergekit 0.1.5,
https://github.com/arcee-ai/mergekit#merge-configuration .
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from joynet_sdk.errors import InvalidInputError, NotFoundError
from joynet_sdk.fusion.spec import FusionSpec, validate
from joynet_sdk.fusion.yaml_reader import MAX_BYTES, read_yaml

_LISTS = ("models", "slices", "sources")
_PARTS = ("parameters", "model", "base_model")


def read_spec(path: Path) -> FusionSpec:
    """Read a YAML file.

    Raises:
        NotFoundError: No such file.
        InvalidInputError: As `parse_spec`.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise NotFoundError("spec", path, hint="joynet fuse init") from error
    return parse_spec(data, str(path))


def parse_spec(data: bytes, name: str = "spec") -> FusionSpec:
    """Read YAML: mergekit's, or with `kind: composition` a composition.

    Raises:
        InvalidInputError: Not YAML within bounds, or not a spec; names the key.
    """
    return validate(normalise(read_yaml(data, name), name), name)


def normalise(document: Mapping[str, Any], name: str = "spec") -> dict[str, Any]:
    """The canonical form of a document as people write it."""
    if document.get("kind") == "composition":
        return dict(document)
    plain: dict[str, Any] = _plain(dict(document), name)
    source = plain.pop("tokenizer_source", None)
    if source is not None:
        if plain.get("tokenizer") is not None:
            raise InvalidInputError(f"{name}: tokenizer and tokenizer_source, expected one of them")
        plain["tokenizer"] = {"source": _model(source, name)}
    elif isinstance(plain.get("tokenizer"), dict):
        plain["tokenizer"] = _tokenizer(plain["tokenizer"], name)
    modules = plain.get("modules")
    if isinstance(modules, dict):
        plain["modules"] = {key: _plain(value, name) for key, value in modules.items()}
    return plain


def _plain(value: Any, name: str) -> Any:
    """A part of the document with its models, parameters and lists in the one form."""
    if not isinstance(value, dict):
        return value
    plain = {key: item for key, item in value.items() if item is not None}
    for key in _LISTS:
        if isinstance(plain.get(key), list):
            plain[key] = [_plain(item, name) for item in plain[key]]
    for key in ("model", "base_model"):
        if key in plain:
            plain[key] = _model(plain[key], name)
    if isinstance(plain.get("parameters"), dict):
        plain["parameters"] = {
            key: _rules(item) for key, item in plain["parameters"].items() if item is not None
        }
    return plain


def _model(value: Any, name: str) -> Any:
    """mergekit also writes {model: {path, revision}, lora}."""
    if isinstance(value, dict):
        for key in ("lora", "override_architecture", "revision"):
            if value.get(key) is not None:
                raise InvalidInputError(
                    f"{name}: {key} of a model is not supported",
                    hint="merge the adapter into its model first" if key == "lora" else None,
                )
        unknown = set(value) - {"lora", "override_architecture", "revision", "model", "path"}
        if unknown or ("model" in value) == ("path" in value):
            raise InvalidInputError(f"{name}: model {value!r:.80}, expected a name or a path")
        return _model(value.get("model", value.get("path")), name)
    return value


def _rules(value: Any) -> Any:
    """A scalar, a gradient, a filtered value or a list of these become a list of rules."""
    if isinstance(value, dict):
        return [_rule(value)]
    if not isinstance(value, list):
        return [{"value": [value]}]
    if any(isinstance(item, dict) for item in value):
        return [_rule(item) for item in value]
    return [{"value": value}] if value else []


def _rule(value: Any) -> Any:
    if not isinstance(value, dict):
        return {"value": [value]}
    rule = {key: item for key, item in value.items() if item is not None}
    if "value" in rule and not isinstance(rule["value"], list):
        rule["value"] = [rule["value"]]
    if rule.get("filter") == "*":
        del rule["filter"]
    return rule


def _tokenizer(value: dict[str, Any], name: str) -> dict[str, Any]:
    plain = {key: item for key, item in value.items() if item is not None}
    if "source" in plain:
        plain["source"] = _model(plain["source"], name)
    if isinstance(plain.get("tokens"), dict):
        plain["tokens"] = {key: _token(item, name) for key, item in plain["tokens"].items()}
    return plain


def _token(value: Any, name: str) -> Any:
    if not isinstance(value, dict):
        return value
    plain = {key: item for key, item in value.items() if item is not None}
    source = plain.get("source")
    if isinstance(source, str):
        plain["source"] = {"kind": "model", "model": source}
    elif isinstance(source, dict) and "kind" not in source:
        plain["source"] = {"kind": "model", "model": _model(source, name)}
    elif isinstance(source, dict) and "model" in source:
        plain["source"] = {**source, "model": _model(source["model"], name)}
    return plain
