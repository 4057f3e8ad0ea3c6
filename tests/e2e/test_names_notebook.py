"""The notebook of names and governance runs from top to bottom, on a chain of its own."""

import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[2] / "examples" / "03_names_and_governance.ipynb"
KERNEL_S = 180


def test_notebook(anvil_binary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for key in [key for key in os.environ if key.startswith("JOYNET_") and key != "JOYNET_ANVIL"]:
        monkeypatch.delenv(key)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=KERNEL_S,
        kernel_name="python3",
        resources={"metadata": {"path": str(tmp_path)}},
    )
    client.execute()
    printed = "".join(
        output.get("text", "")
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
    )
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


def test_notebook_is_committed_without_outputs() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code
    assert not [cell for cell in code if cell.outputs or cell.execution_count]
