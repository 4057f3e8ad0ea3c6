"""Data sets that packages ship; nothing is downloaded, and no package is imported to read a text.

Splits are fixed: of each class, 30% are held out, chosen with seed 20,240,601.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module, metadata
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from joynet_sdk.errors import InvalidInputError, MissingDependencyError
from joynet_sdk.evaluation.items import Item, Split, Tensor
from joynet_sdk.evaluation.tasks import EXTRA

SPLIT_SEED = 20_240_601
HELD_OUT = 0.3
MAX_FILE_BYTES = 8 * 1024 * 1024
MIN_TEXT = 200  # characters: shorter manual entries and stories say little about a model
MAX_TEXT = 20_000


@dataclass(frozen=True, eq=False)
class Found:
    """A data set before items are chosen; see `items.Dataset`."""

    source: str
    items: Iterable[Item]
    labels: tuple[str, ...] = ()
    integer_step: float = 0.0


def read(task: str, split: Split) -> Found:
    """The examples of a built-in task."""
    package, _, name = task.partition(":")
    if package == "sklearn":
        return _sklearn(name, split)
    return _TEXTS[task]()


def held_out(labels: Tensor) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which items are in the test split, by their classes."""
    rng = np.random.default_rng(SPLIT_SEED)
    chosen = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        of_class = rng.permutation(np.flatnonzero(labels == label))
        chosen[of_class[: round(HELD_OUT * len(of_class))]] = True
    return chosen


def _sklearn(name: str, split: Split) -> Found:
    """Digits are sixteenths of full ink, (8, 8); measures are standardised over the train split."""
    try:
        datasets = import_module("sklearn.datasets")
    except ImportError:
        raise MissingDependencyError("scikit-learn", EXTRA, why=f"it ships {name}") from None
    bunch = getattr(datasets, f"load_{name}")()
    features, labels = np.asarray(bunch.data, float), np.asarray(bunch.target, float)
    is_test = held_out(labels)
    if name == "digits":
        features = features.reshape(-1, 8, 8) / 16
    else:
        train = features[~is_test]
        features = (features - train.mean(axis=0)) / train.std(axis=0)
    part = {"test": is_test, "train": ~is_test, "all": np.ones_like(is_test)}[split]
    pairs = zip(features[part], labels[part], strict=True)
    return Found(
        f"scikit-learn {metadata.version('scikit-learn')}",
        [Item((x,), float(y)) for x, y in pairs],
        tuple(str(label) for label in bunch.target_names),
        1 / 16 if name == "digits" else 0.0,
    )


# --- texts ----------------------------------------------------------------------------------------


def _topics() -> Found:
    import platform
    from pydoc_data.topics import topics

    texts = [topics[key][:MAX_TEXT] for key in sorted(topics) if len(topics[key]) >= MIN_TEXT]
    return Found(f"Python {platform.python_version()}", [Item((text,)) for text in texts])


def _gensim_file(name: str) -> Path:
    found = find_spec("gensim")  # finds it without importing it, which takes seconds
    if found is None or found.origin is None:
        raise MissingDependencyError("gensim", "pip install gensim", why=f"it ships {name}")
    return Path(found.origin).parent / "test" / "test_data" / name


def _gensim(name: str, encoding: str = "utf-8") -> tuple[str, list[str]]:
    """Where a text file comes from, and its lines."""
    path = _gensim_file(name)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
        text = data.decode(encoding)
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInputError(f"{path} cannot be read: {error}") from None
    if len(data) > MAX_FILE_BYTES:
        raise InvalidInputError(f"{path} has more than {MAX_FILE_BYTES} bytes")
    return f"gensim {metadata.version('gensim')}", text.replace("\r", "").split("\n")


def _lee() -> Found:
    source, lines = _gensim("lee_background.cor")
    return Found(source, [Item((line[:MAX_TEXT],)) for line in lines if len(line) >= MIN_TEXT])


def _polarity() -> Found:
    source, lines = _gensim("pang_lee_polarity.cor", "cp1252")
    return Found(source, list(polarity_items(lines)), ("neg", "pos"))


def polarity_items(lines: Iterable[str]) -> Iterator[Item]:
    """Lines `__label__neg TEXT` and `__label__pos TEXT`."""
    for line in lines:
        label, _, text = line.partition(" ")
        if label in ("__label__neg", "__label__pos") and text.strip():
            yield Item((text.strip(),), float(label == "__label__pos"))


def _word_pairs(name: str) -> Found:
    source, lines = _gensim(name)
    return Found(source, list(word_pair_items(lines)))


def word_pair_items(lines: Iterable[str]) -> Iterator[Item]:
    """Lines `WORD <tab> WORD <tab> RATING`; those that start with # are comments."""
    for line in lines:
        fields = line.split("\t")
        if not line.startswith("#") and len(fields) == 3:
            yield Item((fields[0], fields[1]), float(fields[2]))


_TEXTS: dict[str, Callable[[], Found]] = {
    "python:topics": _topics,
    "gensim:lee": _lee,
    "gensim:polarity": _polarity,
    "gensim:wordsim353": lambda: _word_pairs("wordsim353.tsv"),
    "gensim:simlex999": lambda: _word_pairs("simlex999.txt"),
}
