"""Our ENSIP-15 and npm's @adraffy/ens-normalize agree on every label of a generated corpus."""

import json
from pathlib import Path

import pytest

from joynet_sdk.chain.ensip15 import DisallowedError, normalise_label

from .. import npm
from .corpus import Corpus

JS = Path(__file__).parent / "js"
COUNT, SEED = 24_000, 15


def ours(label: str) -> str | None:
    try:
        return normalise_label(label)
    except DisallowedError:
        return None


def test_every_label_has_the_form_that_the_reference_gives(
    pytestconfig: pytest.Config, tmp_path: Path
) -> None:
    labels = Corpus(SEED).labels(COUNT)
    folder = npm.installed(JS, pytestconfig.cache)
    (tmp_path / "labels.json").write_text(json.dumps(labels))
    answer = npm.run(["node", str(folder / "normalize.mjs"), str(tmp_path / "labels.json")], folder)
    reference = json.loads(answer)
    assert len(reference) == len(labels) == COUNT >= 20_000
    wrong = [
        (label, [hex(ord(c)) for c in label], ours(label), wanted)
        for label, wanted in zip(labels, reference, strict=True)
        if ours(label) != wanted
    ]
    assert wrong == []
    refused = reference.count(None)
    assert 0.2 * COUNT < refused < 0.8 * COUNT  # it holds both kinds
    assert sum(wanted not in (None, label) for label, wanted in zip(labels, reference)) > 1_000  # noqa: B905
