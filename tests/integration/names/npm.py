"""npm packages that tests compare with: installed once per lock file, run by node."""

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

JS = Path(__file__).parent / "js"
INSTALL_TIMEOUT_S = 200


def run(command: list[str], folder: Path) -> str:
    """Run a tool; a failure shows what it said."""
    if shutil.which(command[0]) is None:
        pytest.fail(f"{command[0]} is needed: install Node.js 20 or later")
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S, check=False
    )
    if done.returncode:
        pytest.fail(f"{' '.join(command)} failed in {folder}:\n{done.stderr[-2000:]}")
    return done.stdout


def installed(cache: pytest.Cache) -> Path:
    """A folder with the scripts and their packages."""
    lock = (JS / "package-lock.json").read_bytes()
    folder = cache.mkdir("npm-names-" + hashlib.sha256(lock).hexdigest()[:16])
    for path in JS.iterdir():
        if path.is_file():
            shutil.copy(path, folder / path.name)
    if not (folder / "installed").exists():
        run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], folder)
        (folder / "installed").touch()
    return folder
