"""npm packages that tests compare with: installed once per lock file, run by node."""

import fcntl
import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

TIMEOUT_S = 200


def run(command: list[str], folder: Path) -> str:
    """Run a tool and return what it printed; a failure shows what it said."""
    if shutil.which(command[0]) is None:
        pytest.fail(f"{command[0]} is needed: install Node.js 20 or later")
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    if done.returncode:
        said = (done.stderr or done.stdout)[-2000:]
        pytest.fail(f"{' '.join(command)} failed in {folder}:\n{said}")
    return done.stdout


def installed(scripts: Path, cache: pytest.Cache | None) -> Path:
    """A folder with the scripts of `scripts` and the packages of its lock file.

    Safe to call from several workers at once: one installs, the others wait.
    """
    assert cache is not None
    lock = (scripts / "package-lock.json").read_bytes()
    folder = cache.mkdir("npm-" + hashlib.sha256(lock).hexdigest()[:16])
    with (folder / "lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        for path in scripts.iterdir():
            if path.is_file():
                shutil.copy(path, folder / path.name)
        if not (folder / "installed").exists():
            run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], folder)
            (folder / "installed").touch()
    return folder
