"""The vocabulary of a fused model: which tokens it has, and where their embeddings come from.

`tokenizer.json` of Hugging Face is read as data; no tokenizer runs. The rules for missing tokens
are mergekit's: a token keeps each parent's own row; a parent without it takes the row of the only
parent that has it, else the base's, else the mean of those that have it, else zeros.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from joynet_sdk.errors import InvalidInputError
from joynet_sdk.formats import check_json_depth
from joynet_sdk.fusion.spec import Token, Tokenizer
from joynet_sdk.mergeplans import Alignment, Row

FILE = "tokenizer.json"
MAX_TOKENIZER_BYTES = 64 * 1024 * 1024
MAX_TOKENS = 4_000_000
_HINT = "expected tokenizer.json of Hugging Face tokenizers"


@dataclass(frozen=True)
class Vocabulary:
    """A tokenizer's tokens.

    Attributes:
        document: The whole tokenizer.json.
        ids: Token -> id, added tokens included.
        added: Settings of the added tokens, by token.
    """

    document: Mapping[str, Any]
    ids: Mapping[str, int]
    added: Mapping[str, Mapping[str, Any]]

    @property
    def size(self) -> int:
        """One more than the largest id."""
        return max(self.ids.values(), default=-1) + 1


def read_vocabulary(data: bytes, name: str) -> Vocabulary:
    """Read tokenizer.json.

    Args:
        name: Of the model, for errors.

    Raises:
        InvalidInputError: Too large, not JSON, or without tokens.
    """
    if len(data) > MAX_TOKENIZER_BYTES:
        raise InvalidInputError(
            f"{FILE} of {name} has {len(data)} bytes, expected <= {MAX_TOKENIZER_BYTES}"
        )
    try:
        check_json_depth(data)
        document = json.loads(data)
        vocabulary = document["model"]["vocab"]
        if isinstance(vocabulary, list):  # Unigram: [token, score], the id is the place
            vocabulary = {entry[0]: place for place, entry in enumerate(vocabulary)}
        added = {entry["content"]: dict(entry) for entry in document.get("added_tokens") or []}
        ids = {**vocabulary, **{token: entry["id"] for token, entry in added.items()}}
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise InvalidInputError(f"{FILE} of {name}: {error!r:.80}", hint=_HINT) from None
    for token, place in ids.items():
        is_id = isinstance(place, int) and not isinstance(place, bool)
        if not isinstance(token, str) or not is_id or not 0 <= place < MAX_TOKENS:
            raise InvalidInputError(f"{FILE} of {name}: token {token!r:.40} has id {place!r:.20}")
    if not ids:
        raise InvalidInputError(f"{FILE} of {name} has no tokens", hint=_HINT)
    return Vocabulary(document, ids, added)


def combine(
    vocabularies: Sequence[Vocabulary], base: int, rows: Sequence[int], wanted: Tokenizer
) -> Vocabulary:
    """The result's vocabulary, for `wanted.source` "base" or "union", and with its extra tokens.

    Args:
        vocabularies: Of all parents.
        base: Index of the one whose tokens keep their ids.
        rows: Rows of each parent's embeddings: tokens beyond them are padding, and left out.
    """
    kept = vocabularies[base]
    new: dict[str, Mapping[str, Any]] = {}
    if wanted.source == "union":
        order = [base, *(index for index in range(len(vocabularies)) if index != base)]
        for index in order:
            other = vocabularies[index]
            for token, place in sorted(other.ids.items(), key=lambda item: item[1]):
                if token not in kept.ids and place < rows[index]:
                    new.setdefault(token, other.added.get(token, {}))
        # Ordinary tokens first, then the added ones, as mergekit does.
        new = dict(sorted(new.items(), key=lambda item: bool(item[1])))
    for token in sorted(wanted.tokens):
        if token not in kept.ids:
            new.setdefault(token, {})
    return _extended(kept, new)


def _extended(kept: Vocabulary, new: Mapping[str, Mapping[str, Any]]) -> Vocabulary:
    if not new:
        return kept
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": True}
    entries = [
        {**plain, "special": False, **settings, "id": kept.size + place, "content": token}
        for place, (token, settings) in enumerate(new.items())
    ]
    document = {**kept.document}
    document["added_tokens"] = [*(kept.document.get("added_tokens") or []), *entries]
    ids = {**kept.ids, **{entry["content"]: entry["id"] for entry in entries}}
    return Vocabulary(document, ids, {**kept.added, **{e["content"]: e for e in entries}})


def own_rows(result: Vocabulary, parent: Vocabulary, rows: int) -> NDArray[np.int64]:
    """For each id of the result, the row of that token in a parent, or -1."""
    own = np.full(result.size, -1, dtype=np.int64)
    for token, place in result.ids.items():
        there = parent.ids.get(token, -1)
        own[place] = there if there < rows else -1
    return own


def align(
    result: Vocabulary,
    vocabularies: Mapping[int, Vocabulary],
    rows: Mapping[int, int],
    base: int | None,
    wanted: Tokenizer,
    names: Sequence[str],
) -> Alignment:
    """Where the rows of some parents go.

    Args:
        vocabularies: Of the parents of one tensor, by parent.
        rows: Rows that the tensor has in each.
        base: The base's index when it is among them, else None.
        wanted: How single tokens are to be treated.
        names: What the spec calls the parents.

    Raises:
        InvalidInputError: A token's source lacks the token, or is no parent of the tensor.
    """
    own = {index: own_rows(result, held, rows[index]) for index, held in vocabularies.items()}
    has = np.stack(list(own.values())) >= 0
    forced = {result.ids[token]: rule for token, rule in wanted.tokens.items()}
    lacking = set(np.flatnonzero(~has.all(axis=0)).tolist())
    used = set(result.ids.values())
    defaults: dict[int, tuple[Row, ...]] = {}
    for place in sorted((lacking | set(forced)) & used):
        rule = forced.get(place)
        if rule is not None and rule.source is not None:
            defaults[place] = _chosen(rule, place, vocabularies, own, rows, names)
        else:
            defaults[place] = _usual(place, own, base)
        if rule is not None and rule.force:
            for table in own.values():
                table[place] = -1
    tokens = result.size
    step = wanted.pad_to_multiple_of or 1
    return Alignment(-(-tokens // step) * step, tokens, own, defaults)


def _usual(place: int, own: Mapping[int, NDArray[np.int64]], base: int | None) -> tuple[Row, ...]:
    having = [Row(index, int(table[place])) for index, table in own.items() if table[place] >= 0]
    if len(having) > 1:
        of_base = [row for row in having if row.parent == base]
        return tuple(of_base or having)
    return tuple(having)


def _chosen(
    rule: Token,
    place: int,
    vocabularies: Mapping[int, Vocabulary],
    own: Mapping[int, NDArray[np.int64]],
    rows: Mapping[int, int],
    names: Sequence[str],
) -> tuple[Row, ...]:
    source = rule.source
    if source is None or source.model is None:
        return ()
    index = names.index(source.model)
    if index not in own:
        raise InvalidInputError(f"tokenizer.tokens: {source.model} is no parent of the embeddings")
    if source.kind == "model":
        row = int(own[index][place])
    elif source.token is not None:
        row = vocabularies[index].ids.get(source.token, -1)
    else:
        row = source.token_id if source.token_id is not None else -1
    if not 0 <= row < rows[index]:
        wanted = source.token if source.token is not None else source.token_id
        raise InvalidInputError(
            f"tokenizer.tokens: {source.model} has no row for {wanted or 'the token'!r}"
        )
    return (Row(index, row),)
