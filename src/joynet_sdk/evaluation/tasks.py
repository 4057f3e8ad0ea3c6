"""The tasks there are, and how to load one."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from joynet_sdk.errors import InvalidInputError, NotFoundError
from joynet_sdk.evaluation.items import MAX_ITEMS, Dataset, Kind, Split, choose

EXTRA = 'pip install "joynet-sdk[eval]"'


@dataclass(frozen=True, slots=True)
class Task:
    """A data set that a package ships.

    Attributes:
        name: PACKAGE:SET.
        input: What models read.
        install: How to get the package; "" when Python itself has it.
        splits: Parts it can be asked for; the first is the default.
    """

    name: str
    kind: Kind
    input: Literal["tensor", "text", "pairs of texts"]
    summary: str
    install: str
    splits: tuple[Split, ...]


_HELD_OUT: tuple[Split, ...] = ("test", "train", "all")
_WHOLE: tuple[Split, ...] = ("all",)
_GENSIM = "pip install gensim"

TASKS = {
    task.name: task
    for task in (
        Task("sklearn:digits", "classify", "tensor", "1,797 images of 8x8 pixels, 10 digits",
             EXTRA, _HELD_OUT),
        Task("sklearn:iris", "classify", "tensor", "150 flowers, 4 measures, 3 species",
             EXTRA, _HELD_OUT),
        Task("sklearn:wine", "classify", "tensor", "178 wines, 13 measures, 3 growers",
             EXTRA, _HELD_OUT),
        Task("sklearn:breast_cancer", "classify", "tensor", "569 tumours, 30 measures, 2 classes",
             EXTRA, _HELD_OUT),
        Task("python:topics", "perplexity", "text", "English: the reference manual inside Python",
             "", _WHOLE),
        Task("gensim:lee", "perplexity", "text", "300 short news stories", _GENSIM, _WHOLE),
        Task("gensim:polarity", "classify", "text", "sentences of film reviews, neg or pos",
             _GENSIM, _WHOLE),
        Task("gensim:wordsim353", "similarity", "pairs of texts", "word pairs rated by people",
             _GENSIM, _WHOLE),
        Task("gensim:simlex999", "similarity", "pairs of texts", "word pairs, similarity only",
             _GENSIM, _WHOLE),
    )
}  # fmt: skip


def load(
    task: str,
    *,
    split: Split | None = None,
    limit: int | None = None,
    seed: int = 0,
    kind: Kind | None = None,
) -> Dataset:
    """The examples of a task.

    Args:
        task: A name of `TASKS`, or the path of a JSONL file.
        split: Held-out examples ("test") by default, where a set has a split. The split itself is
            fixed: the same for every seed and every version of JoyNet.
        limit: Most items, drawn by `seed`.
        kind: What a JSONL file is for; by default what its first line shows.

    Raises:
        NotFoundError: No such task and no such file.
        InvalidInputError: A bad line, an unknown split, or a limit outside 1 to 100,000.
        MissingDependencyError: The package that ships the data is not installed.
    """
    if limit is not None and not 1 <= limit <= MAX_ITEMS:
        raise InvalidInputError(f"limit is {limit}, expected 1 to {MAX_ITEMS:,}")
    if seed < 0:
        raise InvalidInputError(f"seed is {seed}, expected 0 or more")
    known = TASKS.get(task)
    if known is None:
        return _load_file(task, split, limit, seed, kind)
    chosen = split or known.splits[0]
    if chosen not in known.splits:
        expected = ", ".join(known.splits)
        raise InvalidInputError(f"{task} has no split {chosen!r}, expected one of: {expected}")
    if kind not in (None, known.kind):
        raise InvalidInputError(f"{task} is for {known.kind}, not for {kind}")
    from joynet_sdk.evaluation import sources

    found = sources.read(task, chosen)
    items = choose(found.items, limit, seed)
    return Dataset(
        task, known.kind, chosen, found.source, seed, limit, items, found.labels, found.integer_step
    )


def _load_file(
    task: str, split: Split | None, limit: int | None, seed: int, kind: Kind | None
) -> Dataset:
    from joynet_sdk.evaluation import jsonl

    path = Path(task)
    if not path.is_file():
        raise NotFoundError(
            "task or JSONL file", task, hint="joynet eval tasks lists the built-in ones"
        )
    if split not in (None, "all"):
        raise InvalidInputError(f"{path.name} is a file, it has no split {split!r}")
    with jsonl.opened(path, kind) as lines:
        items = choose(lines, limit, seed)
        kind, labels = lines.kind, lines.labels
    if not items:
        raise InvalidInputError(f"{path.name} holds no item, expected one JSON object a line")
    return Dataset(f"file:{path.name}", kind, "all", path.name, seed, limit, items, labels)
