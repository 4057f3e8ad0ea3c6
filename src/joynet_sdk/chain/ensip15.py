"""ENSIP-15: the one form of a name, over the tables that web3's `ens` ships (Unicode 16).

web3's own routine is not used: it keeps a variation selector (U+FE0F) that ENSIP-15 refuses, gives
an empty label for one of ignored characters only, and takes 3 ms a label. A test compares this one
with the reference implementation, npm's `@adraffy/ens-normalize`. Code points are integers here.

Source: ENSIP-15 (ENS Name Normalization Standard), docs.ens.domains/ensip/15.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from pyunormalize import NFC, NFD  # type: ignore[import-untyped]

from joynet_sdk.errors import ConfigError

FE0F = 0xFE0F  # asks for the coloured picture of an emoji
UNDERSCORE, HYPHEN = ord("_"), ord("-")
MAX_MARKS = 4  # in a row, after decomposition


class DisallowedError(ValueError):
    """ENSIP-15 refuses a label; the message says which rule."""


@dataclass(slots=True)
class _Emoji:
    """A node of the emoji trie; `normal` is set where a sequence ends."""

    normal: tuple[int, ...] | None = None
    next: "dict[int, _Emoji]" = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Group:
    """A script whose characters may stand together.

    Attributes:
        has_free_marks: Combining marks are not listed one by one, so their order is checked.
    """

    name: str
    members: frozenset[int]
    has_free_marks: bool


@dataclass(frozen=True, slots=True)
class _Tables:
    mapped: dict[int, tuple[int, ...]]
    ignored: frozenset[int]
    fenced: dict[int, str]
    marks: frozenset[int]
    nonspacing: frozenset[int]
    groups: tuple[_Group, ...]
    valid: frozenset[int]
    unique: frozenset[int]  # of one group only, and like no other character
    confusable: dict[int, frozenset[int]]  # -> indexes of groups with a character like it
    emoji: _Emoji


def normalise_label(label: str) -> str:
    """The normal form of one label.

    Raises:
        DisallowedError: A rule forbids it.
    """
    tables = _tables()
    tokens = _tokens([ord(char) for char in label], tables)
    if not tokens:
        raise DisallowedError("empty label")
    norm = [point for _, points in tokens for point in points]
    _check_underscores(norm)
    chars = [point for is_emoji, points in tokens if not is_emoji for point in points]
    if len(chars) == len(norm) and all(point < 0x80 for point in norm):
        if norm[2:4] == [HYPHEN, HYPHEN]:
            raise DisallowedError('"--" in third and fourth place')
    elif chars:
        _check_marks_after_emoji(tokens, tables)
        _check_fenced(norm, tables)
        unique = list(dict.fromkeys(chars))
        group = _group_of(unique, tables)
        _check_nonspacing(group, chars, tables)
        _check_confusable(group, unique, tables)
    return "".join(map(chr, norm))


def group_of_label(label: str) -> str:
    """The script of a normalised label: "Latin", "Cyrillic"...; "ASCII" or "Emoji"."""
    tables = _tables()
    tokens = _tokens([ord(char) for char in label], tables)
    chars = [point for is_emoji, points in tokens if not is_emoji for point in points]
    if not chars:
        return "Emoji"
    if len(tokens) == 1 and all(point < 0x80 for point in chars):
        return "ASCII"
    return _group_of(list(dict.fromkeys(chars)), tables).name


def is_mark(char: str) -> bool:
    """Whether a character is a combining mark."""
    return ord(char) in _tables().marks


def look_alikes(char: str) -> str:
    """Characters of other scripts that look like this one, as ENSIP-15 lists them."""
    return _look_alikes().get(char, "")


# --- rules


def _tokens(points: list[int], tables: _Tables) -> list[tuple[bool, Sequence[int]]]:
    """Split into emoji and composed text: (is_emoji, points)."""
    found: list[tuple[bool, Sequence[int]]] = []
    text: list[int] = []
    at = 0
    while at < len(points):
        normal, length = _longest_emoji(points, at, tables.emoji)
        if normal is not None:
            if text:
                found.append((False, _nfc(text)))
                text = []
            found.append((True, normal))
            at += length
            continue
        point = points[at]
        at += 1
        if point in tables.valid:
            text.append(point)
        elif (mapping := tables.mapped.get(point)) is not None:
            text += mapping
        elif point not in tables.ignored:
            raise DisallowedError(f"character {_show(point)} is not allowed")
    if text:
        found.append((False, _nfc(text)))
    return found


def _longest_emoji(
    points: Sequence[int], start: int, root: _Emoji
) -> tuple[tuple[int, ...] | None, int]:
    node, normal, length = root, None, 0
    for at in range(start, len(points)):
        child = node.next.get(points[at])
        if child is None:
            break
        node = child
        if node.normal is not None:
            normal, length = node.normal, at + 1 - start
    return normal, length


def _check_underscores(norm: Sequence[int]) -> None:
    leading = next((i for i, point in enumerate(norm) if point != UNDERSCORE), len(norm))
    if UNDERSCORE in norm[leading:]:
        raise DisallowedError('"_" only at the start')


def _check_marks_after_emoji(tokens: Sequence[tuple[bool, Sequence[int]]], tables: _Tables) -> None:
    for is_emoji, points in tokens:
        if not is_emoji and points[0] in tables.marks:
            raise DisallowedError(f"combining mark {_show(points[0])} has nothing to stand on")


def _check_fenced(norm: Sequence[int], tables: _Tables) -> None:
    """Apostrophes and the like: not first, not last, not two in a row."""
    ends = {0, len(norm) - 1}
    for at, point in enumerate(norm):
        if point in tables.fenced and (at in ends or norm[at + 1] in tables.fenced):
            raise DisallowedError(f"{tables.fenced[point]} only between other characters")


def _group_of(unique: Sequence[int], tables: _Tables) -> _Group:
    for group in tables.groups:
        if group.members.issuperset(unique):
            return group
    first = next((g for g in tables.groups if unique[0] in g.members), None)
    if first is None:
        raise DisallowedError(f"character {_show(unique[0])} is not allowed")
    stranger = next(point for point in unique if point not in first.members)
    raise DisallowedError(f"mixed scripts: {first.name} and {_show(stranger)}")


def _check_nonspacing(group: _Group, chars: Sequence[int], tables: _Tables) -> None:
    if not group.has_free_marks:
        return
    run: list[int] = []
    for point in _nfd(chars)[1:]:
        if point not in tables.nonspacing:
            run = []
            continue
        if point in run:
            raise DisallowedError(f"combining mark {_show(point)} twice on one character")
        run.append(point)
        if len(run) > MAX_MARKS:
            raise DisallowedError(f"more than {MAX_MARKS} combining marks on one character")


def _check_confusable(group: _Group, unique: Sequence[int], tables: _Tables) -> None:
    """Refuse a label that could be written in another script and look the same."""
    makers: set[int] | None = None
    shared: list[int] = []
    for point in unique:
        if point in tables.unique:
            return
        others = tables.confusable.get(point)
        if others is None:
            shared.append(point)
            continue
        makers = set(others) if makers is None else makers & others
        if not makers:
            return
    for index in sorted(makers or ()):
        if tables.groups[index].members.issuperset(shared):
            names = f"{group.name} and {tables.groups[index].name}"
            raise DisallowedError(f"every character looks the same in {names}")


def _show(point: int) -> str:
    char = chr(point)
    return f"U+{point:04X}" + (f" {char!r}" if char.isprintable() else "")


# --- tables


def _read(name: str) -> dict[str, list[object]]:
    spec = find_spec("ens")  # where it is, without its half second of imports
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError("web3's ens tables are missing", hint="pip install web3")
    path = Path(spec.submodule_search_locations[0]) / "specs" / name
    return json.loads(path.read_text())  # type: ignore[no-any-return]


@cache
def _tables() -> _Tables:
    spec: dict = _read("normalization_spec.json")  # type: ignore[type-arg]
    groups = tuple(
        _Group(g["name"], frozenset(g["primary"]) | frozenset(g["secondary"]), "cm" not in g)
        for g in spec["groups"]
    )
    counts: dict[int, int] = {}
    for group in groups:
        for point in group.members:
            counts[point] = counts.get(point, 0) + 1
    confusable = _confusable(spec["wholes"], groups)
    decomposed = {part for point in counts for part in _nfd([point])}
    return _Tables(
        mapped={point: tuple(to) for point, to in spec["mapped"]},
        ignored=frozenset(spec["ignored"]),
        fenced=dict(spec["fenced"]),
        marks=frozenset(spec["cm"]),
        nonspacing=frozenset(spec["nsm"]),
        groups=groups,
        valid=frozenset(counts) | decomposed,
        unique=frozenset(p for p, n in counts.items() if n == 1 and p not in confusable),
        confusable=confusable,
        emoji=_emoji_trie(spec["emoji"]),
    )


def _confusable(
    wholes: Iterable[dict[str, list[int]]], groups: Sequence[_Group]
) -> dict[int, frozenset[int]]:
    """For each character that looks like another one: groups that hold such another one."""
    found: dict[int, frozenset[int]] = {}
    for whole in wholes:
        extents: list[tuple[set[int], list[int]]] = []  # groups joined by characters of both
        for point in sorted(whole["valid"] + whole["confused"]):
            mine = {i for i, group in enumerate(groups) if point in group.members}
            extent = next((each for each in extents if each[0] & mine), None)
            if extent is None:
                extents.append((mine, [point]))
            else:
                extent[0].update(mine)
                extent[1].append(point)
        union = {index for extent, _ in extents for index in extent}
        for covered, points in extents:
            confused = set(points) & set(whole["confused"])
            found |= dict.fromkeys(confused, frozenset(union - covered))
    return found


def _emoji_trie(sequences: Iterable[Sequence[int]]) -> _Emoji:
    """All sequences; U+FE0F may be left out where a sequence has it."""
    root = _Emoji()
    for sequence in sequences:
        ends = [root]
        for point in sequence:
            following = [node.next.setdefault(point, _Emoji()) for node in ends]
            ends = ends + following if point == FE0F else following
        normal = tuple(point for point in sequence if point != FE0F)
        for node in ends:
            node.normal = normal
    return root


@cache
def _look_alikes() -> dict[str, str]:
    spec: dict = _read("normalization_spec.json")  # type: ignore[type-arg]
    found: dict[str, str] = {}
    for whole in spec["wholes"]:
        members = [chr(point) for point in (*whole["valid"], *whole["confused"])]
        for char in members:
            found[char] = "".join(other for other in members if other != char)
    return found


def _nfc(points: Iterable[int]) -> list[int]:
    return [ord(char) for char in NFC("".join(map(chr, points)))]


def _nfd(points: Iterable[int]) -> list[int]:
    return [ord(char) for char in NFD("".join(map(chr, points)))]
