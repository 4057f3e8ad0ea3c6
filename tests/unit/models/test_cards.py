"""Front matter of README.md: what Hugging Face writes, and what a stranger might."""

import pytest

from joynet_sdk.errors import InvalidInputError
from joynet_sdk.models.cards import choose_license, parse_card, read_card, spdx

CARD = """---
language:
- en
- no
license: apache-2.0
tags: [sentence-similarity, "  spaced  ", sentence-similarity]
datasets: s2orc
base_model: nreimers/MiniLM-L6-H384-uncased
pipeline_tag: sentence-similarity
model-index:
- name: x
  results: [{task: {type: STS}, metrics: [{value: 1e999}]}]
---

# all-MiniLM-L6-v2
![badge](https://example.com/badge.svg)

| a | table |
|---|---|

This maps sentences to a
384 dimensional space.

More.
"""


def test_a_card_of_hugging_face():
    found = parse_card(CARD)
    assert (found.license, found.version) == ("Apache-2.0", None)
    card = found.card
    assert card.summary == "This maps sentences to a 384 dimensional space."
    assert (card.task, card.languages) == ("sentence-similarity", ["en", "no"])
    assert card.tags == ["sentence-similarity", "spaced"]
    assert (card.datasets, card.base_models) == (["s2orc"], ["nreimers/MiniLM-L6-H384-uncased"])
    assert parse_card("\ufeff" + CARD.replace("\n", "\r\n")).card.task == card.task


def test_values_are_text():
    found = parse_card("---\nversion: 1.10\nlanguage: no\nsummary: 2024-99-99\n---\n")
    assert found.version == "1.10"
    assert found.card.languages == ["no"]
    assert found.card.summary == "2024-99-99"


@pytest.mark.parametrize("text", ["", "# Only a heading\n", "---\n---\n", "---\n# nothing\n---\n"])
def test_cards_that_say_nothing(text):
    assert parse_card(text).license is None
    assert parse_card(text).card.summary == ""


def test_a_long_summary_is_cut_at_a_word():
    summary = parse_card("word " * 200).card.summary
    assert len(summary) <= 512
    assert summary.endswith("word…")
    assert len(parse_card("x" * 600).card.summary) <= 512


@pytest.mark.parametrize(
    ("front", "reason"),
    [
        ("license: {a: b}", "license in README.md is a mapping"),
        ("tags: [[a], b]", "tags in README.md is a list with something else"),
        ("pipeline_tag: [a]", "pipeline_tag in README.md is a list"),
        ("- a\n- b", "is a list, expected"),
        ("a: [", "line 3 is not YAML|line 2 is not YAML"),
        ("a: \x00", "not YAML"),
        ("a: &x [b]\nc: *x", r"line 3 has an alias \*x"),
        ("a: &a [x, *a]", "has an alias"),
        ("a: " + "[" * 17 + "]" * 17, "expected <= 16 levels"),
        ("a: [" + "x," * 20_001 + "]", "20000 values"),
        ("a: " + "x" * 131_073, "bytes, expected <= 131072"),
        ("!!python/object/apply:os.system [id]: x", "not YAML|is a"),
    ],
)
def test_hostile_front_matter_is_refused(front, reason):
    with pytest.raises(InvalidInputError, match=reason):
        parse_card(f"---\n{front}\n---\nWords.\n")


def test_a_python_tag_is_only_text():
    """Tags of YAML never choose a type: nothing is made but text, lists and mappings."""
    found = parse_card("---\nlicense: !!python/name:os.system mit\n---\n")
    assert found.license == "MIT"


def test_a_nesting_that_would_exhaust_the_stack():
    with pytest.raises(InvalidInputError, match="16 levels"):
        parse_card("---\na: " + "[" * 60_000 + "\n---\n")


def test_files(tmp_path):
    assert read_card(tmp_path).license is None
    (tmp_path / "README.md").write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidInputError, match="UTF-8"):
        read_card(tmp_path)
    (tmp_path / "README.md").write_bytes(b"x" * (1 << 20) + b"x")
    with pytest.raises(InvalidInputError, match="expected <= 1048576"):
        read_card(tmp_path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("license: mit", "MIT"),
        ("license: [mit, Apache-2.0]", "MIT OR Apache-2.0"),
        ("license: cc-by-nc-4.0", "CC-BY-NC-4.0"),
        ("license: other\nlicense_name: My Own 1.0!", "LicenseRef-My-Own-1.0"),
        ("license: other", "LicenseRef-other"),
        ("license: llama3.1", "llama3.1"),
    ],
)
def test_licences(text, expected):
    assert parse_card(f"---\n{text}\n---\n").license == expected


def test_the_option_and_the_card_must_agree():
    card = parse_card("---\nlicense: mit\n---\n")
    assert choose_license("MIT", card) == choose_license("mit", card) == "MIT"
    assert choose_license(None, card) == "MIT"
    assert choose_license("gpl-3.0", parse_card("")) == spdx("GPL-3.0") == "GPL-3.0-only"
    assert choose_license(None, parse_card("")) is None
    with pytest.raises(InvalidInputError, match=r"--license is Apache-2.0, README.md says MIT"):
        choose_license("Apache-2.0", card)
