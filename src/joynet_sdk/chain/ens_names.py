"""ENSIP-15 normalisation of whole names, and what a buyer should know about a name's looks."""

import re
import unicodedata

from joynet_sdk.errors import InvalidInputError

_PLAIN = re.compile(r"[a-z0-9]+(\.[a-z0-9]+)*")  # what every rule of ENSIP-15 leaves as it is
KEYCAP = "\u20e3"  # part of emoji such as 1⃣
_ASCII_TWINS = {"0": "o", "1": "l"}


def normalise(name: str) -> str:
    """The one form of a name.

    Raises:
        InvalidInputError: ENSIP-15 forbids it; the message says which rule.
    """
    if _PLAIN.fullmatch(name):
        return name
    from joynet_sdk.chain.ensip15 import DisallowedError, normalise_label

    try:
        return ".".join(map(normalise_label, name.split("."))) if name else ""
    except DisallowedError as error:
        raise InvalidInputError(
            f"name {name!r:.100} cannot be normalised: {error}", hint="see ENSIP-15"
        ) from None


def warnings(name: str) -> list[str]:
    """What a person should see before paying for a name: sentences, the worst first.

    Args:
        name: As it was typed. What was left out or changed is seen in comparison with its
            normal form, everything else is about the normal form.
    """
    normal = normalise(name)
    found = _invisible(name, normal)
    for label in normal.split("."):
        if not _PLAIN.fullmatch(label) or any(char in label for char in _ASCII_TWINS):
            found += _about_label(label)
    if normal != name and not found:
        found.append(f"{name!r} is written {normal!r}")
    return found


def _invisible(name: str, normal: str) -> list[str]:
    hidden = sorted({c for c in name if unicodedata.category(c) == "Cf"})
    dropped = [char for char in hidden if char not in normal]
    kept = [char for char in hidden if char in normal]
    found = []
    if kept:
        found.append(
            f"{normal!r} holds characters that are not seen ({_points(kept)}): a name without them"
            " looks the same and is another name"
        )
    if dropped:
        found.append(
            f"{name!r:.100} holds characters that are not seen ({_points(dropped)});"
            f" the name is {normal!r}"
        )
    return found


def _about_label(label: str) -> list[str]:
    from joynet_sdk.chain.ensip15 import group_of_label, is_mark, look_alikes

    if label.isascii():
        return _ascii_twins(label)
    found = []
    group = group_of_label(label)
    twins = {char: look_alikes(char) for char in dict.fromkeys(label) if not char.isascii()}
    doubles = [f"{char} (U+{ord(char):04X})" for char, others in twins.items() if others]
    if doubles:
        found.append(
            f"{label!r} is {group}; characters of other scripts look like its {', '.join(doubles)}"
        )
    elif group not in ("ASCII", "Emoji", "Latin"):
        found.append(f"{label!r} is written in {group} characters")
    marks = [char for char in unicodedata.normalize("NFD", label) if is_mark(char)]
    if any(char != KEYCAP for char in marks):
        found.append(f"{label!r} holds accents or other marks that are easily overlooked")
    return found


def _ascii_twins(label: str) -> list[str]:
    """Digits among letters that read as letters."""
    twins = [char for char in dict.fromkeys(label) if char in _ASCII_TWINS]
    if not twins or not any(char.isalpha() for char in label):
        return []
    other, char = label, twins[0]
    for twin in twins:
        other = other.replace(twin, _ASCII_TWINS[twin])
    return [f"{label!r} is easily taken for {other!r}: {char!r} looks like {_ASCII_TWINS[char]!r}"]


def _points(chars: list[str]) -> str:
    return ", ".join(f"U+{ord(char):04X}" for char in chars)
