"""The examples run as a newcomer runs them, against the network that quickstart leaves up."""

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from joynet_sdk import decode_receipt_file

EXAMPLES = Path(__file__).parents[2] / "examples"
KERNEL_S = 180

# One network for both, in one worker: starting a second one costs more than the examples do.
pytestmark = pytest.mark.xdist_group("e2e")


@pytest.fixture
def environment(network):
    """What the examples see: the network's home, and nothing else of JoyNet."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("JOYNET_")}
    return {**inherited, "JOYNET_HOME": str(network.home)}


def test_script(environment, tmp_path):
    done = subprocess.run(
        [sys.executable, EXAMPLES / "01_first_inference.py"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=KERNEL_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "digits.joy says: 7, " in done.stdout
    assert "verified offline" in done.stdout
    # Either the sentences were compared, or the script says why not.
    assert "A puppy plays in the garden.'" in done.stdout or "--lite" in done.stdout
    decode_receipt_file((tmp_path / "digit.receipt").read_bytes()).verify()


def test_script_without_a_network_says_what_to_type(tmp_path):
    done = subprocess.run(
        [sys.executable, EXAMPLES / "01_first_inference.py"],
        cwd=tmp_path,
        env={**os.environ, "JOYNET_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        timeout=KERNEL_S,
        check=False,
    )
    assert done.returncode == 1
    assert "joynet quickstart --keep" in done.stderr
    assert "Traceback" not in done.stderr


def test_notebook(environment, tmp_path, monkeypatch):
    for key in [key for key in os.environ if key.startswith("JOYNET_")]:
        monkeypatch.delenv(key)
    monkeypatch.setenv("JOYNET_HOME", environment["JOYNET_HOME"])
    notebook = nbformat.read(EXAMPLES / "01_first_inference.ipynb", as_version=4)
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
    assert "7, " in printed
    assert "forged: signed by" in printed
    assert "rank 1" in printed
    decode_receipt_file((tmp_path / "digit.receipt").read_bytes()).verify()


def test_notebook_is_committed_without_outputs():
    notebook = nbformat.read(EXAMPLES / "01_first_inference.ipynb", as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code
    assert not [cell for cell in code if cell.outputs or cell.execution_count]
