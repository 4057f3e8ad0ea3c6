"""YAML from strangers: size, nesting, aliases and repeated keys are bounded before it is built."""

from collections.abc import Hashable
from typing import Any

import yaml  # type: ignore[import-untyped]

from joynet_sdk.errors import InvalidInputError

MAX_BYTES = 256 * 1024
MAX_DEPTH = 24
MAX_NODES = 50_000  # aliases counted as what they stand for


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """Plain values only, and each key once."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[tuple[str, str]] = set()
        for key, _ in node.value:
            place = (key.tag, key.value) if isinstance(key, yaml.ScalarNode) else None
            if place is None:
                raise yaml.constructor.ConstructorError(
                    None, None, "a key is a list or a mapping, expected text", key.start_mark
                )
            if place in seen and place[0] != "tag:yaml.org,2002:merge":
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {place[1]!r:.60} is there twice", key.start_mark
                )
            seen.add(place)
        built: dict[Hashable, Any] = super().construct_mapping(node, deep)
        return built


def read_yaml(data: bytes, name: str) -> dict[str, Any]:
    """Parse one YAML document that is a mapping.

    Args:
        name: For errors.

    Raises:
        InvalidInputError: Over 256 KiB, not YAML, nested deeper than 24, more than 50,000 values
            once aliases are followed, a cycle, a repeated key, a tag, or not a mapping.
    """
    if len(data) > MAX_BYTES:
        raise InvalidInputError(f"{name} has {len(data)} bytes, expected <= {MAX_BYTES}")
    try:
        text = data.decode()
        _check(text, name)
        document = yaml.load(text, Loader=_Loader)  # a SafeLoader
    except UnicodeDecodeError as error:
        raise InvalidInputError(f"{name} is not UTF-8: {error}") from None
    except yaml.MarkedYAMLError as error:
        place = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise InvalidInputError(f"{name}: {place}{error.problem or error.context}") from None
    except InvalidInputError:
        raise
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise InvalidInputError(f"{name} is not YAML: {error!s:.200}") from None
    if not isinstance(document, dict) or not all(isinstance(key, str) for key in document):
        raise InvalidInputError(f"{name} holds {type(document).__name__}, expected keys and values")
    return document


def _check(text: str, name: str) -> None:
    """Bound nesting and expanded size on the stream of events, where nothing is built yet."""
    sizes: dict[str, int] = {}
    open_nodes: list[tuple[str | None, int]] = []  # anchor, values before it
    total = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        line = event.start_mark.line + 1
        if isinstance(event, yaml.CollectionStartEvent):
            open_nodes.append((event.anchor, total))
            total += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = open_nodes.pop()
            if anchor is not None:
                sizes[anchor] = total - before
        elif isinstance(event, yaml.ScalarEvent):
            total += 1
            if event.anchor is not None:
                sizes[event.anchor] = 1
        elif isinstance(event, yaml.AliasEvent):
            if any(anchor == event.anchor for anchor, _ in open_nodes):
                raise InvalidInputError(f"{name}: line {line}: *{event.anchor} holds itself")
            total += sizes.get(event.anchor or "", 1)
        if len(open_nodes) > MAX_DEPTH:
            raise InvalidInputError(f"{name}: line {line}: nested deeper than {MAX_DEPTH} levels")
        if total > MAX_NODES:
            raise InvalidInputError(f"{name}: line {line}: more than {MAX_NODES} values")
