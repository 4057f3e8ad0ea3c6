"""Change one value of a TOML file and leave every other line, comments included, as it is."""

import json
import re
from typing import Any

from joynet_sdk.errors import ConfigError

_HEADER = re.compile(r"^\s*\[\s*([A-Za-z0-9_.-]+)\s*\]\s*(#.*)?$")


def line_of(text: str, key: str) -> int:
    """Line number, from 1, of dotted `key`; of its table, or 1, when it is written unusually."""
    table, _, name = key.rpartition(".")
    span = _span(text.splitlines(), table, name)
    if span is not None:
        return span[0] + 1
    start = _table_start(text.splitlines(), table)
    return (start or 0) + 1


def set_value(text: str, key: str, value: Any) -> str:
    """`text` with dotted `key` set to `value` (str, int, float, bool, or a sequence of str).

    Raises:
        ConfigError: The file writes this key in a form that cannot be edited line by line.
    """
    table, _, name = key.rpartition(".")
    lines = text.splitlines()
    entry = f"{name} = {_literal(value)}"
    span = _span(lines, table, name)
    if span is not None:
        first, last = span
        comment = re.search(r"\s+#[^\"'\]]*$", lines[last])
        lines[first : last + 1] = [entry + (comment.group() if comment else "")]
    elif (start := _table_start(lines, table)) is not None:
        lines.insert(_table_end(lines, start), entry)
    else:
        lines += ["", f"[{table}]", entry] if lines else [f"[{table}]", entry]
    return _checked(text, "\n".join(lines) + "\n", key, value)


def unset_value(text: str, key: str) -> str:
    """`text` without dotted `key`; unchanged when it is not there.

    Raises:
        ConfigError: As for `set_value`.
    """
    table, _, name = key.rpartition(".")
    lines = text.splitlines()
    span = _span(lines, table, name)
    if span is not None:
        del lines[span[0] : span[1] + 1]
    return _checked(text, "\n".join(lines) + "\n" if lines else "", key, None)


def _checked(before: str, after: str, key: str, value: Any) -> str:
    """Make sure that the edit changed what it was meant to, and nothing else."""
    import tomli

    expected = tomli.loads(before)
    target = expected
    *sections, name = key.split(".")
    for section in sections:
        target = target.setdefault(section, {})
    target.pop(name, None)
    if value is not None:
        target[name] = list(value) if isinstance(value, list | tuple) else value
    try:
        if _without_empty(tomli.loads(after)) == _without_empty(expected):
            return after
    except tomli.TOMLDecodeError:
        pass
    raise ConfigError(f"{key} is written in a form that cannot be edited", hint="edit it by hand")


def _without_empty(table: dict[str, Any]) -> dict[str, Any]:
    cleaned = {k: _without_empty(v) if isinstance(v, dict) else v for k, v in table.items()}
    return {k: v for k, v in cleaned.items() if v != {}}


def _table_start(lines: list[str], table: str) -> int | None:
    """Index of the first line inside `table`."""
    if not table:
        return 0
    for index, line in enumerate(lines):
        header = _HEADER.match(line)
        if header and header.group(1) == table:
            return index + 1
    return None


def _table_end(lines: list[str], start: int) -> int:
    """Index after the last entry of the table that starts at `start`."""
    end = start
    while end < len(lines) and not lines[end].lstrip().startswith("["):
        end += 1
    while end > start and not lines[end - 1].strip():
        end -= 1
    return end


def _span(lines: list[str], table: str, name: str) -> tuple[int, int] | None:
    """First and last line index of `name = ...` in `table`."""
    start = _table_start(lines, table)
    if start is None:
        return None
    entry = re.compile(rf"^\s*(?:\"{re.escape(name)}\"|'{re.escape(name)}'|{re.escape(name)})\s*=")
    for first in range(start, len(lines)):
        if lines[first].lstrip().startswith("["):
            return None
        if entry.match(lines[first]):
            return first, _last_line(lines, first)
    return None


def _last_line(lines: list[str], first: int) -> int:
    """Last line of the entry that starts at `first`: values may span lines."""
    import tomli

    for last in range(first, len(lines)):
        try:
            tomli.loads("\n".join(lines[first : last + 1]))
        except tomli.TOMLDecodeError:
            continue
        return last
    return first


def _literal(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_literal, value)) + "]"
    # A JSON string is a valid TOML basic string once DEL is escaped.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
