"""Labels made by a seeded generator: plain and odd, of one script and of several, valid and not."""

import json
import random
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

ASCII = "abcdefghijklmnopqrstuvwxyz0123456789"
ZWJ, FE0F, KEYCAP, SKIN = 0x200D, 0xFE0F, 0x20E3, 0x1F3FB
ACCENTS = [0x300, 0x301, 0x302, 0x303, 0x308, 0x323, 0x327, 0x30A]
UNSEEN = [0x200B, 0x200E, 0xAD, 0x2060, 0xFEFF]
JOINED = [ZWJ, 0x200C, FE0F, 0x1F468, 0x1F469, 0x1F9B0, 0x2764, 0x1F48B, 0x2640, 97, 98]
SCRIPTS = ["Latin", "Greek", "Cyrillic", "Arabic", "Hebrew", "Devanagari", "Thai", "Armenian"]
LOOK_ALIKES = "aeiouyn" + "\u0441\u0430\u0435\u043e\u0440\u0445" + "\u0391\u0412"  # Cyrillic, Greek


class Corpus:
    """Draws labels; the same seed gives the same labels."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        spec = find_spec("ens")
        assert spec is not None
        assert spec.submodule_search_locations
        path = Path(spec.submodule_search_locations[0]) / "specs" / "normalization_spec.json"
        tables = json.loads(path.read_text())
        self._emoji = tables["emoji"]
        self._groups = {g["name"]: g["primary"] + g["secondary"] for g in tables["groups"]}
        self._wholes = [whole["valid"] + whole["confused"] for whole in tables["wholes"]]
        self._marks, self._mapped = tables["cm"], [point for point, _ in tables["mapped"]]
        self._odd = tables["ignored"] + [point for point, _ in tables["fenced"]] + UNSEEN * 30
        self._kinds: list[Callable[[], list[int]]] = [
            lambda: self._of([ord(c) for c in ASCII]),
            lambda: self._of([ord(c) for c in ASCII + "-_ABCXYZ'$"]),
            lambda: self._of([c for c in range(33, 127) if c != ord(".")]),
            self._sequences,
            self._broken_sequence,
            lambda: self._of(JOINED),
            lambda: self._of(self._random.choice(list(self._groups.values()))),
            lambda: self._of(self._groups[self._random.choice(SCRIPTS)]),
            self._mixed,
            lambda: [self._random.choice(self._random.choice(self._wholes)) for _ in range(3)],
            self._marked,
            lambda: self._of(self._mapped, 4) + self._of([ord(c) for c in ASCII], 3),
            self._with_odd,
            self._accented,
            lambda: self._of(range(0x20, 0x3000)),
            lambda: self._of(range(0x20, 0x20000)),
        ]

    def labels(self, count: int) -> list[str]:
        """Non-empty labels without dots and lone surrogates."""
        found: list[str] = []
        while len(found) < count:
            points = self._random.choice(self._kinds)()
            is_text = not any(0xD800 <= point < 0xE000 or point == ord(".") for point in points)
            if points and is_text:
                found.append("".join(map(chr, points)))
        return found

    def _of(self, points, most: int = 9) -> list[int]:
        return [self._random.choice(points) for _ in range(self._random.randint(1, most))]

    def _sequences(self) -> list[int]:
        count = self._random.randint(1, 3)
        return [point for _ in range(count) for point in self._random.choice(self._emoji)]

    def _broken_sequence(self) -> list[int]:
        """An emoji that lost some U+FE0F and perhaps got something in a wrong place."""
        points = [
            p for p in self._random.choice(self._emoji) if p != FE0F or self._random.random() < 0.8
        ]
        if self._random.random() < 0.3:
            extra = self._random.choice([FE0F, ZWJ, SKIN, KEYCAP])
            points.insert(self._random.randint(0, len(points)), extra)
        return points + self._of([ord(c) for c in ASCII], 3)

    def _mixed(self) -> list[int]:
        first, second = self._random.sample(list(self._groups.values()), 2)
        return self._of(first, 4) + self._of(second, 4)

    def _marked(self) -> list[int]:
        letters = self._groups[self._random.choice(SCRIPTS)]
        points: list[int] = []
        for _ in range(self._random.randint(1, 4)):
            marks = self._of(self._random.choice([self._marks, ACCENTS]), 5)
            points += [self._random.choice(letters), *marks]
        return points

    def _with_odd(self) -> list[int]:
        points = self._of([ord(c) for c in ASCII])
        points.insert(self._random.randint(0, len(points)), self._random.choice(self._odd))
        return points

    def _accented(self) -> list[int]:
        points: list[int] = []
        for point in self._of([ord(c) for c in LOOK_ALIKES]):
            accent = [self._random.choice(ACCENTS)] if self._random.random() < 0.4 else []
            points += [point, *accent]
        return points
