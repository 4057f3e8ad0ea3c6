"""scripts/check_prerequisites.sh says what is missing before any download, and exits 3."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "check_prerequisites.sh"
TOOLS = ("sh", "uname", "tr", "sort", "printf", "cc", "cpp", "as", "ld")


@pytest.fixture
def machine(tmp_path):
    """A PATH with the usual tools, to take some away from or to replace."""
    for tool in TOOLS:
        if path := shutil.which(tool):
            (tmp_path / tool).symlink_to(path)
    return tmp_path


def check(machine, python=sys.executable):
    return subprocess.run(
        [machine / "sh", SCRIPT, python],
        env={"PATH": str(machine), "HOME": os.environ.get("HOME", "/")},
        capture_output=True,
        text=True,
        check=False,
    )


def replace(machine, tool, text):
    (machine / tool).unlink(missing_ok=True)
    (machine / tool).write_text(f"#!{shutil.which('sh')}\n{text}\n")
    (machine / tool).chmod(0o755)


def test_a_machine_with_everything_is_silent(machine):
    result = check(machine)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_no_compiler_gives_one_line_to_copy(machine):
    (machine / "cc").unlink()
    result = check(machine)
    assert result.returncode == 3
    assert "sudo apt-get install -y build-essential libgmp-dev python3-dev" in result.stderr


def test_missing_headers_are_named(machine):
    replace(machine, "cc", "exit 1")
    result = check(machine)
    assert result.returncode == 3
    assert "libgmp-dev" in result.stderr


def test_old_python_is_named(machine, tmp_path):
    replace(machine, "oldpython", "exit 1")
    result = check(machine, str(machine / "oldpython"))
    assert result.returncode == 3
    assert "python3" in result.stderr


def test_another_platform_is_told_at_once(machine):
    replace(machine, "uname", '[ "$1" = -s ] && echo Darwin || echo arm64')
    result = check(machine)
    assert result.returncode == 3
    assert "Linux x86-64; this is Darwin arm64" in result.stderr
