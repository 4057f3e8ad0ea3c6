"""A user's own examples: one JSON object a line, read line by line.

{"input": "a text", "label": "positive"}           classify (a name, or a class number)
{"input": [0.5, 1, ...], "label": 3.25}             regress (a number; class numbers are whole)
{"input": ["a text", "another"], "label": 0.8}      similarity
{"text": "a text"}                                  perplexity
"""

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from joynet_sdk.errors import InvalidInputError
from joynet_sdk.evaluation.items import MAX_ITEMS, Item, Kind, Query
from joynet_sdk.formats import check_json_depth
from joynet_sdk.paths import file_errors

MAX_LINE_BYTES = 1 << 20
MAX_FILE_BYTES = 1 << 30
MAX_CLASSES = 1024


@contextmanager
def opened(path: Path, kind: Kind | None = None) -> Iterator["Lines"]:
    """The items of a file, read while they are iterated.

    Raises:
        InvalidInputError: While it is read: names the line and what was expected of it.
    """
    with file_errors(path), path.open("rb") as file:
        yield Lines(path.name, file, kind)


class Lines:
    """Iterates over items once; afterwards `kind` and `labels` are known."""

    def __init__(self, name: str, file: BinaryIO, kind: Kind | None) -> None:
        self._name, self._file, self._kind = name, file, kind
        self._classes: dict[str, int] = {}
        self._form: str | None = None

    @property
    def kind(self) -> Kind:
        """What the file is for: given, or what its first line showed."""
        return self._kind or "classify"

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names: numbers in their order, names in the order they first appeared."""
        if self.kind != "classify":
            return ()
        if self._form == "number":
            return tuple(map(str, range(max(self._classes.values(), default=-1) + 1)))
        return tuple(self._classes)

    def __iter__(self) -> Iterator[Item]:
        total = count = 0
        for number in range(1, 2**31):
            line = self._file.readline(MAX_LINE_BYTES + 1)
            if not line:
                return
            total += len(line)
            if not line.strip():
                continue
            count += 1
            with self._naming(number):
                if len(line) > MAX_LINE_BYTES:
                    raise InvalidInputError("longer than 1 MiB")
                if total > MAX_FILE_BYTES or count > MAX_ITEMS:
                    raise InvalidInputError(f"past 1 GiB or {MAX_ITEMS:,} items, split the file")
                item = self._item(line)
            yield item

    @contextmanager
    def _naming(self, number: int) -> Iterator[None]:
        try:
            yield
        except InvalidInputError as error:
            raise InvalidInputError(f"{self._name} line {number}: {error}") from None

    def _item(self, line: bytes) -> Item:
        try:
            check_json_depth(line)
            document = json.loads(line)
        except ValueError as error:
            raise InvalidInputError(f"not JSON: {error}") from None
        if not isinstance(document, dict):
            raise InvalidInputError(f"{type(document).__name__}, expected a JSON object")
        if self._kind is None:
            self._kind = _kind_of(document)
        if self._kind == "perplexity":
            _check_keys(document, {"text"})
            return Item((_text(document["text"], "text"),))
        _check_keys(document, {"input", "label"})
        queries = _queries(document["input"], self._kind)
        return Item(queries, self._label(document["label"]))

    def _label(self, label: Any) -> float:
        if self._kind != "classify":
            return _number(label, "label")
        is_class = isinstance(label, int) and not isinstance(label, bool)
        form = "number" if is_class else "name"
        if not is_class and not (isinstance(label, str) and label.strip()):
            raise InvalidInputError(f"label is {label!r:.60}, expected a name or a class number")
        if self._form not in (None, form):
            raise InvalidInputError(f"label is a {form}, expected a {self._form} as before")
        self._form = form
        index = label if is_class else self._classes.get(label, len(self._classes))
        if not 0 <= index < MAX_CLASSES:
            raise InvalidInputError(f"label {label!r:.60}: expected at most {MAX_CLASSES} classes")
        self._classes[str(label)] = index
        return float(index)


def _kind_of(document: dict[str, Any]) -> Kind:
    if "text" in document:
        return "perplexity"
    given, label = document.get("input"), document.get("label")
    if isinstance(given, list) and given and all(isinstance(part, str) for part in given):
        return "similarity"
    return "regress" if isinstance(label, float) else "classify"


def _check_keys(document: dict[str, Any], expected: set[str]) -> None:
    if set(document) != expected:
        found = ", ".join(sorted(document))
        raise InvalidInputError(f"keys are {found!r:.80}, expected {', '.join(sorted(expected))}")


def _queries(value: Any, kind: Kind) -> tuple[Query, ...]:
    if kind == "similarity":
        if not isinstance(value, list) or len(value) != 2:
            raise InvalidInputError(f"input is {value!r:.60}, expected two texts")
        return tuple(_text(part, "input") for part in value)
    if isinstance(value, str):
        return (_text(value, "input"),)
    try:
        array = np.asarray(value, dtype=np.float64)
    except (ValueError, TypeError):
        array = np.empty(0)
    if not array.size or array.ndim > 8 or not np.isfinite(array).all():
        raise InvalidInputError(f"input is {value!r:.60}, expected a text or an array of numbers")
    return (array,)


def _text(value: Any, key: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise InvalidInputError(f"{key} is {value!r:.60}, expected a text that is not blank")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidInputError(f"{key} holds half of a surrogate pair, expected Unicode") from None
    return value


def _number(value: Any, key: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InvalidInputError(f"{key} is {value!r:.60}, expected a finite number")
    return float(value)
