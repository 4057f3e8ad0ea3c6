"""The notebook of names and governance runs from top to bottom, on a chain of its own."""

from pathlib import Path

import pytest

from .notebooks import execute, forget_settings


def test_notebook(anvil_binary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forget_settings(monkeypatch, JOYNET_ANVIL=str(anvil_binary), TMPDIR=str(tmp_path))
    printed = execute("03_names_and_governance.ipynb", tmp_path)
    for part in (
        "easily taken for 'paypal'",
        "answered by the wildcard alice.joy",
        "nobody can take bob.alice.joy before",
        "lent.alice.joy can be taken now",
        ".fun is owned by its DAO",
        "500 JOY for; vote until block",
        "proposal 1 is executed",
        "5+: 4 JOY a year",
    ):
        assert part in printed, printed
