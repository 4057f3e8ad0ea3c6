"""Whether the rows of the models' embeddings stand for the same tokens."""

from collections.abc import Iterator, Mapping, Sequence

from joynet_sdk.fusion.compatibility import facts
from joynet_sdk.fusion.compatibility.facts import Model, values
from joynet_sdk.fusion.compatibility.report import ERROR, NOTE, WARNING, Finding
from joynet_sdk.fusion.compatibility.rules import COMPOSE, Plan

ALIGNABLE = 0.5  # of the tokens in both; with fewer, most aligned rows would be made up
_UNION = "align the embeddings: tokenizer_source: union in the recipe (--tokenizer union here)"


def check_tokenizers(models: Sequence[Model], plan: Plan) -> Iterator[Finding]:
    """One tokenizer, or an order to align the embeddings."""
    sizes = [facts.number(model, facts.VOCABULARY) for model in models]
    digests = [model.tokenizer for model in models]
    if len(set(digests)) == 1:
        if len(set(sizes)) > 1:
            yield from _padded(models, sizes, plan)
        return
    holders = [model for model in models if model.tokenizer]
    if len(holders) < len(models):
        without = ", ".join(model.name for model in models if not model.tokenizer)
        yield Finding(
            "tokenizer_missing",
            WARNING,
            f"{without} comes without a tokenizer, so its tokens cannot be compared",
            "add the tokenizer's files to the model",
        )
    first, *others = holders
    vocabularies = {model.name: model.vocabulary() for model in holders} if others else {}
    for other in others:
        if other.tokenizer != first.tokenizer:
            pair = vocabularies[first.name], vocabularies[other.name]
            yield _compare(first, other, pair, plan)


def _padded(models: Sequence[Model], sizes: Sequence[int | None], plan: Plan) -> Iterator[Finding]:
    is_aligned = plan.tokenizer != "same"
    yield Finding(
        "vocabulary",
        NOTE if is_aligned else ERROR,
        f"the tokenizer is one, vocab_size differs: {values(models, sizes)} (rows of padding)",
        "" if is_aligned else _UNION,
    )


def overlap(mine: Mapping[str, int], theirs: Mapping[str, int]) -> tuple[float, float]:
    """How much of two vocabularies is shared.

    Returns:
        Part of all tokens that is in both, and part of these that has the same id in both.
    """
    common = mine.keys() & theirs.keys()
    if not common:
        return 0.0, 0.0
    same = sum(mine[token] == theirs[token] for token in common)
    return len(common) / len(mine.keys() | theirs.keys()), same / len(common)


def _compare(
    first: Model,
    other: Model,
    pair: tuple[Mapping[str, int] | None, Mapping[str, int] | None],
    plan: Plan,
) -> Finding:
    mine, theirs = pair
    if mine is None or theirs is None:
        return Finding(
            "tokenizer",
            ERROR,
            f"the tokenizers of {first.name} and {other.name} differ, and cannot be compared token "
            "by token",
            "save them as tokenizer.json, or choose models with one tokenizer",
        )
    if mine == theirs:
        return Finding(
            "tokenizer",
            NOTE,
            f"the tokenizer files of {first.name} and {other.name} differ, their tokens do not",
        )
    common, same = overlap(mine, theirs)
    message = (
        f"the tokenizers of {first.name} ({len(mine):,} tokens) and {other.name} "
        f"({len(theirs):,}) differ: {common:.0%} of the tokens are in both, "
        f"{same:.0%} of these under the same id"
    )
    if common < ALIGNABLE:
        fix = f"choose models with one tokenizer, or {COMPOSE}"
        return Finding("tokenizer", ERROR, message, fix)
    if plan.tokenizer == "same":
        return Finding("tokenizer", ERROR, message, _UNION)
    return Finding(
        "tokenizer", WARNING, f"{message}; embeddings are aligned by token", "test the merge well"
    )
