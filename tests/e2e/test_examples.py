"""The examples run as a newcomer runs them, against the network that quickstart leaves up."""

import os
import re
import subprocess
import sys

import nbformat
import pytest

from joynet_sdk import JoyNet, decode_receipt_file

from .notebooks import EXAMPLES, KERNEL_S, execute, forget_settings

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
    forget_settings(monkeypatch, JOYNET_HOME=environment["JOYNET_HOME"])
    printed = execute("01_first_inference.ipynb", tmp_path)
    assert "7, " in printed
    assert "forged: signed by" in printed
    assert "rank 1" in printed
    decode_receipt_file((tmp_path / "digit.receipt").read_bytes()).verify()


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.ipynb")), ids=lambda path: path.name)
def test_notebook_is_committed_without_outputs(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code
    assert not [cell for cell in code if cell.outputs or cell.execution_count]


def test_fuse_and_earn(network, environment, tmp_path):
    """Two experts become a better model, sold by name; each owner gets its share to the wei, or
    the script fails."""
    done = subprocess.run(
        [sys.executable, EXAMPLES / "02_fuse_and_earn.py"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=KERNEL_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = re.search(r"duo is better than the best parent low by (\S+) \+- (\S+)", done.stdout)
    assert found is not None, done.stdout
    gain, error = map(float, found.groups())
    assert gain >= max(0.1, 2 * error)
    assert "duo.joy sees " in done.stdout
    for owner, joy in (("Carol", "0.12"), ("Alice", "0.081"), ("Bob", "0.09"), ("Grace", "0.009")):
        assert re.search(rf"{owner} +gets {joy} JOY", done.stdout), done.stdout
    assert (tmp_path / "duo.png").stat().st_size > 10_000
    password = (network.home / "quickstart/password").read_text().strip()
    with JoyNet.connect(home=network.home, account="vault-1", password=password) as vault:
        vault.nodes.withdraw_offer(1, vault.domains.model_of("duo.joy"))  # for the tests after this


def test_fusion_notebook(tmp_path, monkeypatch):
    forget_settings(monkeypatch, JOYNET_HOME=str(tmp_path), JOYNET_EXAMPLES=str(EXAMPLES))
    printed = execute("04_fusion.ipynb", tmp_path)
    assert "compatible: True" in printed
    assert printed.count("smoke gate: True") == 4
    assert "linear           better than the best parent" in printed
    assert (tmp_path / "duo.png").is_file()
