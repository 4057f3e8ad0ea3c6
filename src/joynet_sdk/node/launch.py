"""Start, find and stop the node process of a home."""

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from joynet_sdk.errors import ConfigError, JoyNetError, NotFoundError, UnavailableError
from joynet_sdk.node.control import Control, node_folder, read_control

START_S = 60.0
STOP_S = 20.0
POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Launch:
    """What the node process is told on its standard input.

    Attributes:
        operator: Name of the operator's keyfile.
        password: Its password; never in arguments or the environment.
        unsecured_limit: Wei.
        proof_fee: Wei a proof; None: the node takes no proven jobs.
        proof_seconds: From a request to its deadline.
    """

    home: Path
    url: str
    operator: str
    password: str
    listen: tuple[str, ...]
    bootstrap: tuple[str, ...]
    quota_bytes: int
    unsecured_limit: int = 0
    fault: str = ""
    log_level: str = "info"
    proof_fee: int | None = None
    proof_seconds: int = 120

    def __repr__(self) -> str:
        return f"Launch({self.home}, {self.operator})"

    def encode(self) -> bytes:
        """One line of JSON."""
        document = {
            "home": str(self.home),
            "url": self.url,
            "operator": self.operator,
            "password": self.password,
            "listen": list(self.listen),
            "bootstrap": list(self.bootstrap),
            "quota_bytes": self.quota_bytes,
            "unsecured_limit": str(self.unsecured_limit),
            "fault": self.fault,
            "log_level": self.log_level,
            "proof_fee": None if self.proof_fee is None else str(self.proof_fee),
            "proof_seconds": self.proof_seconds,
        }
        return json.dumps(document).encode() + b"\n"


def spawn(launch: Launch) -> subprocess.Popen[bytes]:
    """Start the process and hand it its settings; it goes on when this process ends.

    Raises:
        ConfigError: A node runs in this home already.
    """
    try:
        running = read_control(launch.home)
    except NotFoundError:
        pass
    else:
        raise ConfigError(
            f"a node runs here already, pid {running.process.pid}", hint="joynet node stop"
        )
    node_folder(launch.home).mkdir(parents=True, exist_ok=True, mode=0o700)
    (launch.home / "logs").mkdir(exist_ok=True, mode=0o700)
    secret = ("JOYNET_PASSWORD", "JOYNET_PASSWORD_FILE")
    process = subprocess.Popen(
        [sys.executable, "-m", "joynet_sdk.node", "--home", str(launch.home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={key: value for key, value in os.environ.items() if key not in secret},
        start_new_session=True,
    )
    assert process.stdin is not None
    process.stdin.write(launch.encode())
    process.stdin.close()
    return process


def wait_ready(home: Path, process: subprocess.Popen[bytes], timeout_s: float = START_S) -> Control:
    """Wait until the node answers its control API.

    Raises:
        JoyNetError: It ended; the error is what it said.
        UnavailableError: It is still not ready.
    """
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise _failure(home, process)
        try:
            control = read_control(home)
            if control.process.pid == process.pid:
                return control
        except NotFoundError:
            pass
        time.sleep(POLL_S)
    raise UnavailableError(f"the node is not ready after {timeout_s:g} s", hint="joynet node logs")


def _failure(home: Path, process: subprocess.Popen[bytes]) -> JoyNetError:
    """What a node that ended at its start said."""
    assert process.stdout is not None
    try:
        said = json.loads(process.stdout.read())
    except ValueError:
        return JoyNetError(
            f"the node ended with code {process.returncode}", hint=f"see {home / 'logs/node.log'}"
        )
    error = JoyNetError(said["message"], hint=said["hint"])
    error.exit_code = process.returncode  # type: ignore[misc]
    error.code = said["code"]  # type: ignore[misc]
    return error


def stop(home: Path, timeout_s: float = STOP_S) -> int:
    """Stop a home's node; it redeems what it holds first. Returns its process id.

    Raises:
        NotFoundError: No node runs here.
    """
    control = read_control(home)
    control.process.stop(timeout_s)
    (node_folder(home) / "control.json").unlink(missing_ok=True)
    return control.process.pid
