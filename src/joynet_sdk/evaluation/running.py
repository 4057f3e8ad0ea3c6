"""Ask a model every question of a data set: from the cache first, in batches, resumable."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from joynet_sdk.evaluation.cache import AnswerCache, answer_key
from joynet_sdk.evaluation.items import Dataset, Query, query_digest
from joynet_sdk.evaluation.ports import Model
from joynet_sdk.evaluation.statistics import Values
from joynet_sdk.progress import stage

STORE_EVERY = 64  # answers: what an interruption may lose of cheap ones


@dataclass(frozen=True, eq=False)
class Answers:
    """What a model said.

    Attributes:
        by_item: For each item and each of its queries the model's numbers.
        asked: Different questions.
        from_cache: Of these, answered before.
    """

    by_item: list[list[Values]]
    asked: int
    from_cache: int


def open_questions(
    dataset: Dataset, cache: AnswerCache, model: bytes, profile: str
) -> tuple[dict[bytes, Values], dict[bytes, Query]]:
    """Answers that the cache has, and questions that it has not, by query digest."""
    known: dict[bytes, Values] = {}
    missing: dict[bytes, Query] = {}
    for item in dataset.items:
        for query in item.queries:
            digest = query_digest(query)
            if digest in known or digest in missing:
                continue
            found = cache.get(answer_key(model, profile, digest))
            if found is None:
                missing[digest] = query
            else:
                known[digest] = found
    return known, missing


def ask_all(
    dataset: Dataset,
    model: Model,
    identity: bytes,
    cache: AnswerCache,
    batch_size: int,
    advance: Callable[[int], None] = lambda done: None,
    store_every: int = STORE_EVERY,
) -> Answers:
    """Every answer, stored as they come: what was interrupted goes on where it stopped.

    Args:
        identity: 32 bytes that name the model's files or the published model.
        advance: Told how many more answers there are.
        store_every: Answers; 1 where each one is paid for.
    """
    known, missing = open_questions(dataset, cache, identity, model.profile)
    from_cache = len(known)
    advance(from_cache)
    stage(f"asking {len(missing):,} questions, {from_cache:,} are answered already")
    pending: list[tuple[bytes, Values]] = []
    try:
        for batch in _batches(list(missing.items()), batch_size):
            for (digest, _), numbers in zip(
                batch, model.answer([q for _, q in batch]), strict=True
            ):
                known[digest] = numbers
                pending.append((answer_key(identity, model.profile, digest), numbers))
            advance(len(batch))
            if len(pending) >= store_every:
                cache.put(pending)
                pending = []
    finally:
        cache.put(pending)
    by_item = [[known[query_digest(query)] for query in item.queries] for item in dataset.items]
    return Answers(by_item, len(known), from_cache)


def _batches(
    pairs: Sequence[tuple[bytes, Query]], size: int
) -> list[Sequence[tuple[bytes, Query]]]:
    return [pairs[start : start + size] for start in range(0, len(pairs), size)]
