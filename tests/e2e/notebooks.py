"""Notebooks of examples/, run as a person runs them."""

import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

EXAMPLES = Path(__file__).parents[2] / "examples"
KERNEL_S = 180


def forget_settings(monkeypatch: pytest.MonkeyPatch, **kept: str) -> None:
    """Leave nothing of JoyNet in the environment but what is given."""
    for key in [key for key in os.environ if key.startswith("JOYNET_")]:
        monkeypatch.delenv(key)
    for key, value in kept.items():
        monkeypatch.setenv(key, value)


def execute(name: str, folder: Path) -> str:
    """Run a notebook from top to bottom in `folder`; returns what it printed."""
    notebook = nbformat.read(EXAMPLES / name, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=KERNEL_S,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute()
    return "".join(
        output.get("text", "")
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
    )
