"""Vocabularies that differ: which rows go where."""

import json

import pytest
import torch

from joynet_sdk.errors import InvalidInputError

EMBED = "model.embed_tokens.weight"


@pytest.fixture
def pair(bench, tokens):
    bench.model("a", 1, rows=6, tokens=tokens(["<s>", "x", "y", "p", "q", "r"], ("<s>",)))
    bench.model("b", 2, rows=6, tokens=tokens(["<s>", "y", "x", "new", "<t>", "s"], ("<s>", "<t>")))
    return bench.load("a"), bench.load("b")


UNION = "merge_method: linear\nbase_model: a\nmodels: [{model: a}, {model: b}]\n"


def test_union_keeps_the_bases_ids_and_aligns_rows_by_token(bench, pair):
    a, b = pair
    out = bench.build(UNION + "tokenizer_source: union")
    made = bench.load("out")[EMBED]
    document = json.loads((out / "tokenizer.json").read_text())
    ids = {entry["content"]: entry for entry in document["added_tokens"]}
    assert [ids[token]["id"] for token in ("new", "s", "<t>")] == [6, 7, 8]
    assert ids["<t>"]["special"] is True
    assert ids["new"]["special"] is False
    assert made.shape[0] == 9
    torch.testing.assert_close(made[1], (a[EMBED][1] + b[EMBED][2]) / 2)  # x
    assert torch.equal(made[3], a[EMBED][3])  # p: only a has it, b takes a's
    assert torch.equal(made[6], b[EMBED][3])  # new: only b
    assert json.loads((out / "config.json").read_text())["vocab_size"] == 9


def test_base_vocabulary_drops_other_tokens(bench, pair):
    a, b = pair
    bench.build(UNION + "tokenizer: {source: base}")
    made = bench.load("out")[EMBED]
    assert made.shape[0] == 6
    torch.testing.assert_close(made[2], (a[EMBED][2] + b[EMBED][1]) / 2)  # y


def test_tokenizer_of_another_parent(bench, pair):
    a, b = pair
    out = bench.build(UNION + "tokenizer: {source: b}")
    made = bench.load("out")[EMBED]
    torch.testing.assert_close(made[2], (a[EMBED][1] + b[EMBED][2]) / 2)  # x
    assert (out / "tokenizer.json").read_bytes() == (bench.root / "b/tokenizer.json").read_bytes()


def test_single_tokens_can_be_told_and_padding_is_the_mean(bench, pair):
    a, b = pair
    bench.build(
        UNION
        + """
tokenizer:
  source: union
  pad_to_multiple_of: 8
  tokens:
    x: {source: b, force: true}
    more: {source: {kind: model_token, model: b, token: s}}
    p: {source: {kind: zero}}
"""
    )
    made = bench.load("out")[EMBED]
    assert made.shape[0] == 16
    assert torch.equal(made[1], b[EMBED][2])
    assert torch.equal(made[9], b[EMBED][5])
    torch.testing.assert_close(made[3], a[EMBED][3] / 2)  # b has zeros there
    torch.testing.assert_close(made[10:], made[:10].mean(0).expand(6, -1))


def test_mean_of_those_that_have_a_token_where_the_base_lacks_it(bench, tokens):
    bench.model("a", 1, rows=3, tokens=tokens(["x", "y", "z"]))
    bench.model("b", 2, rows=3, tokens=tokens(["x", "new", "z"]))
    bench.model("c", 3, rows=3, tokens=tokens(["new", "y", "z"]))
    bench.build(
        "merge_method: task_arithmetic\nbase_model: a\nmodels: [{model: b}, {model: c}]\n"
        "tokenizer_source: union"
    )
    b, c, made = bench.load("b")[EMBED], bench.load("c")[EMBED], bench.load("out")[EMBED]
    base = (b[1] + c[0]) / 2
    torch.testing.assert_close(made[3], base + (b[1] - base) + (c[0] - base))


def test_different_vocabularies_without_a_tokenizer_say_what_helps(bench, tokens):
    bench.model("a", 1, rows=3, tokens=tokens(["x", "y", "z"]))
    bench.model("b", 2, rows=4, tokens=tokens(["x", "y", "z", "w"]))
    with pytest.raises(InvalidInputError, match=r"\[3, 8\] in a, \[4, 8\] in b") as caught:
        bench.plan("merge_method: linear\nmodels: [{model: a}, {model: b}]")
    assert "tokenizer" in str(caught.value.hint)


@pytest.mark.parametrize(
    "data",
    [b"{", b"[]", b'{"model": {"vocab": {"a": -1}}}', b'{"model": {"vocab": {"a": 1e99}}}',
     b'{"model": {"vocab": {"a": 4000000}}}', b'{"model": {"vocab": {}}}',
     b'{"model": {"vocab": [[]]}}', b'{"a":' * 50_000],
)  # fmt: skip
def test_hostile_tokenizers_are_refused(bench, pair, data):
    (bench.root / "b/tokenizer.json").write_bytes(data)
    with pytest.raises(InvalidInputError, match=r"tokenizer\.json of b"):
        bench.plan(UNION + "tokenizer_source: union")
