"""The guides of names, TLDs and DAOs, typed as they stand on a fresh devnet."""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from joynet_sdk.chain import Devnet

from .harness import environment

GUIDES = Path(__file__).parents[2] / "docs" / "guides"
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
DEADLINE_S = 120
PENDING = 9  # what is asked for comes with time: voting opens, a delay ends

pytestmark = [pytest.mark.soak, pytest.mark.timeout(900), pytest.mark.xdist_group("e2e")]


def commands(guide: str) -> list[str]:
    """Lines of the guide's shell blocks."""
    text = (GUIDES / guide).read_text()
    lines = [line for block in BLOCK.findall(text) for line in block.splitlines()]
    return [line for line in lines if line.strip()]


def type_in(line: str, folder: Path, home: Path) -> subprocess.CompletedProcess:
    """Run one line in a shell; asked to come back later, do."""
    binaries = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = environment(home, JOYNET_PASSWORD="guide", JOYNET_YES="1", PATH=binaries)
    deadline = time.monotonic() + DEADLINE_S
    while True:
        done = subprocess.run(
            ["bash", "-c", line], cwd=folder, env=env, capture_output=True, text=True, check=False
        )
        if done.returncode != PENDING or time.monotonic() > deadline:
            return done


@pytest.mark.parametrize("guide", ["names.md", "tlds.md", "governance.md"])
def test_every_command_of_a_guide_works(guide, anvil_binary, tmp_path):
    assert shutil.which("bash")
    home, folder = tmp_path / "home", tmp_path / "folder"
    home.mkdir()
    folder.mkdir()
    try:
        for line in commands(guide):
            done = type_in(line, folder, home)
            assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    finally:
        Devnet(home).down()
