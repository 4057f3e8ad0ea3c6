"""Model cards: the front matter and first words of a README.md, as Hugging Face writes them.

Source: https://huggingface.co/docs/hub/model-cards#model-card-metadata . Every value is read as
text, so that `language: no` is Norwegian and `version: 1.10` keeps its zero.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from joynet_sdk.errors import InvalidInputError
from joynet_sdk.formats import ModelCard

FILE = "README.md"
MAX_README_BYTES = 1 << 20
MAX_FRONT_BYTES = 128 * 1024
MAX_DEPTH = 16
MAX_VALUES = 20_000
MAX_SUMMARY = 512
_FRONT = re.compile(r"\A---[ \t]*\r?\n(.*?)^---[ \t]*\r?$", re.DOTALL | re.MULTILINE)
_NOT_PROSE = ("#", "!", "[!", "<", "|", "```", "---", "===", "- ", "* ", "> ")

# Hugging Face's ids of licences that SPDX writes otherwise than in capitals.
_SPDX = {
    "apache-2.0": "Apache-2.0", "mit": "MIT", "isc": "ISC", "unlicense": "Unlicense",
    "bsd-2-clause": "BSD-2-Clause", "bsd-3-clause": "BSD-3-Clause",
    "bsd-3-clause-clear": "BSD-3-Clause-Clear", "artistic-2.0": "Artistic-2.0", "zlib": "Zlib",
    "gpl-2.0": "GPL-2.0-only", "gpl-3.0": "GPL-3.0-only", "agpl-3.0": "AGPL-3.0-only",
    "lgpl-2.1": "LGPL-2.1-only", "lgpl-3.0": "LGPL-3.0-only",
}  # fmt: skip


class FrontMatter(NamedTuple):
    """What a README.md says of its model.

    Attributes:
        license: SPDX identifier where there is one, or None.
        version: The publisher's label, or None.
        card: What goes into the manifest.
    """

    license: str | None = None
    version: str | None = None
    card: ModelCard = ModelCard()


def read_card(folder: Path) -> FrontMatter:
    """Read the README.md of a model's folder; nothing when there is none.

    Raises:
        InvalidInputError: Too large, not UTF-8, not YAML, or a value of another type.
    """
    path = folder / FILE
    if not path.is_file():
        return FrontMatter()
    if path.stat().st_size > MAX_README_BYTES:
        raise InvalidInputError(
            f"{FILE} has {path.stat().st_size} bytes, expected <= {MAX_README_BYTES}"
        )
    try:
        return parse_card(path.read_bytes().decode())
    except UnicodeDecodeError as error:
        raise InvalidInputError(f"{FILE} is not UTF-8: {error}") from None


def parse_card(text: str) -> FrontMatter:
    """Read a README's text.

    Raises:
        InvalidInputError: The front matter is no YAML mapping, or a value has another type.
    """
    text = text.removeprefix("\ufeff")
    found = _FRONT.match(text)
    fields = _parse_yaml(found[1]) if found else {}
    body = text[found.end() :] if found else text
    task = _text(fields, "pipeline_tag")
    return FrontMatter(
        license=_license(fields),
        version=_text(fields, "version"),
        card=ModelCard(
            summary=_shorten(_text(fields, "summary") or first_words(body)),
            task=task,
            tags=_words(fields, "tags"),
            languages=_words(fields, "language"),
            datasets=_words(fields, "datasets"),
            base_models=_words(fields, "base_model"),
        ),
    )


def first_words(body: str) -> str:
    """The first paragraph of Markdown that is prose: no heading, picture, table, list or HTML."""
    for paragraph in re.split(r"\n[ \t]*\n", body.replace("\r\n", "\n")[:65_536]):
        lines = [line.strip() for line in paragraph.splitlines() if line.strip()]
        while lines and lines[0].startswith("#"):
            lines.pop(0)
        if lines and not lines[0].startswith(_NOT_PROSE):
            return " ".join(" ".join(lines).split())
    return ""


def _shorten(text: str) -> str:
    if len(text) <= MAX_SUMMARY:
        return text
    return text[: MAX_SUMMARY - 1].rpartition(" ")[0][: MAX_SUMMARY - 1] + "…"


def spdx(license_id: str) -> str:
    """The SPDX form of a licence's id in Hugging Face's or any case."""
    lower = license_id.strip().lower()
    if lower in _SPDX:
        return _SPDX[lower]
    if re.fullmatch(r"cc(-[a-z]{2})*-[0-9.]+|cc0-1\.0", lower):
        return lower.upper()
    return license_id.strip()


def choose_license(stated: str | None, card: FrontMatter) -> str | None:
    """The licence of a model: the option, or what its card says; both must agree.

    Raises:
        InvalidInputError: They differ.
    """
    if stated is None or card.license is None:
        return spdx(stated) if stated is not None else card.license
    if spdx(stated).lower() != card.license.lower():
        raise InvalidInputError(
            f"--license is {stated}, {FILE} says {card.license}: expected the same",
            hint=f"leave out --license, or correct the front matter of {FILE}",
        )
    return card.license


def _license(fields: Mapping[str, Any]) -> str | None:
    found = _words(fields, "license")
    if len(found) > 1:
        return " OR ".join(spdx(each) for each in found)
    if not found:
        return None
    name = _text(fields, "license_name")
    if found[0].lower() == "other" and name:
        return "LicenseRef-" + re.sub(r"[^0-9A-Za-z.]+", "-", name).strip("-")[:100]
    return "LicenseRef-other" if found[0].lower() == "other" else spdx(found[0])


# --- YAML -----------------------------------------------------------------------------------------


def _parse_yaml(text: str) -> Mapping[str, Any]:
    import yaml  # type: ignore[import-untyped]

    size = len(text.encode())
    if size > MAX_FRONT_BYTES:
        raise InvalidInputError(
            f"front matter of {FILE} has {size} bytes, expected <= {MAX_FRONT_BYTES}"
        )
    try:
        _check_events(yaml, text)
        document = yaml.load(text, Loader=yaml.BaseLoader)  # lists, mappings and text only
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 2}" if mark else ""
        problem = getattr(error, "problem", None) or error
        raise InvalidInputError(
            f"front matter of {FILE}{line} is not YAML: {problem!s:.200}",
            hint="it is what stands between the two lines of ---",
        ) from None
    if document in (None, ""):
        return {}
    if not isinstance(document, dict) or not all(isinstance(key, str) for key in document):
        raise InvalidInputError(
            f"front matter of {FILE} is a {type(document).__name__}, expected `key: value` lines"
        )
    return document


def _check_events(yaml: Any, text: str) -> None:
    """Refuse what grows or nests while it is built; the parser of events does neither."""
    depth = 0
    for values, event in enumerate(yaml.parse(text, Loader=yaml.BaseLoader)):
        if isinstance(event, yaml.AliasEvent):
            raise InvalidInputError(
                f"front matter of {FILE} line {event.start_mark.line + 2} has an alias "
                f"*{event.anchor:.40}, expected plain values"
            )
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH or values > MAX_VALUES:
            raise InvalidInputError(
                f"front matter of {FILE}: expected <= {MAX_DEPTH} levels and {MAX_VALUES} values"
            )


def _text(fields: Mapping[str, Any], key: str) -> str | None:
    value = fields.get(key)
    if value is None or value in ("", "null", "~"):
        return None
    if not isinstance(value, str):
        raise InvalidInputError(f"{key} in {FILE} is a {_kind(value)}, expected one line of text")
    return value.strip()


def _words(fields: Mapping[str, Any], key: str) -> list[str]:
    """A list of words, or one word as a list of one; each once."""
    value = fields.get(key)
    if value is None or value in ("", "null", "~"):
        return []
    words = [value] if isinstance(value, str) else value
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise InvalidInputError(f"{key} in {FILE} is a {_kind(value)}, expected a list of words")
    return list(dict.fromkeys(word.strip() for word in words if word.strip()))


def _kind(value: Any) -> str:
    return "mapping" if isinstance(value, dict) else "list with something else than text in it"
