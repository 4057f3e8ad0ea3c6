"""The devnet's own process: runs anvil and keeps its state on disk.

`python -m joynet_sdk.chain._keeper FOLDER ANVIL`, started by `devnet`. anvil's own `--state`
rewrites its file in place once a second, so that a kill can leave half of it, and with
`--preserve-historical-states` each idle block adds tens of kilobytes. The keeper asks anvil for the
state instead and writes it whole: tmp + fsync + rename, the previous copy kept.

What anvil 1.7.1 gets wrong after loading a state, and how it is put right here:
- it makes a second block 0, which later dumps carry along: dropped before each start;
- its clock falls back to the wall clock: `--timestamp` continues the chain's own.
BLOCKHASH of a block from before a restart is not the hash in its header; nothing here can help.
"""

import contextlib
import ctypes
import fcntl
import gzip
import json
import os
import signal
import subprocess
import sys
import time
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from joynet_sdk.chain.rpc import Rpc, quantity
from joynet_sdk.errors import JoyNetError
from joynet_sdk.paths import atomic_write
from joynet_sdk.processes import Process

DUMP_INTERVAL_S = 1.0
DUMP_DUTY = 4.0  # a dump that took t seconds is followed by at least this many t of rest
KEPT_EMPTY_BLOCKS = 1_000  # older ones without transactions are dropped at a restart
START_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 5.0
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class DevnetConfig:
    """What a devnet remembers across restarts.

    Attributes:
        chain_id: In the dev range; new on reset.
        port: TCP port on loopback.
        genesis_time: Timestamp of block 0, unix seconds.
    """

    chain_id: int
    port: int
    genesis_time: int

    @property
    def url(self) -> str:
        """The node's address."""
        return f"http://127.0.0.1:{self.port}"


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")  # the devnet's log file
    sys.stderr.flush()


class Files:
    """The files of a devnet's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "devnet.json"
        self.state = folder / "state.json.gz"
        self.previous = folder / "state.previous.json.gz"
        self.boot = folder / "boot.json"
        self.process = folder / "process.json"
        self.lock = folder / "keeper.lock"
        self.log = folder / "devnet.log"

    def read_config(self) -> DevnetConfig | None:
        """The remembered configuration, None before the first start (or when it is damaged)."""
        try:
            return DevnetConfig(**json.loads(self.config.read_bytes()))
        except (OSError, ValueError, TypeError):
            return None

    def write_config(self, config: DevnetConfig) -> None:
        """Remember the configuration."""
        atomic_write(self.config, json.dumps(asdict(config)) + "\n")

    def read_processes(self) -> dict[str, Process]:
        """The keeper and its anvil, as last written down; they may be gone."""
        try:
            document = json.loads(self.process.read_bytes())
            return {name: Process(**fields) for name, fields in document.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}

    def read_state(self) -> tuple[dict[str, Any], float] | None:
        """The newest state that is whole, and when it was written; damaged ones are set aside."""
        for path in (self.state, self.previous):
            try:
                raw = path.read_bytes()
                state = json.loads(gzip.decompress(raw))
                if not isinstance(state["blocks"], list) or not state["block"]["number"]:
                    raise ValueError("no blocks")
                return state, path.stat().st_mtime
            except FileNotFoundError:
                continue
            except (OSError, EOFError, ValueError, KeyError, TypeError, zlib.error) as error:
                _say(f"{path} is damaged ({error!r}): using the copy before it")
                path.replace(path.with_name(f"damaged-{path.name}"))
        return None

    def write_state(self, dump: bytes) -> None:
        """Store a gzip dump; the one before becomes the previous copy."""
        if self.state.exists():
            keep = self.folder / ".previous"
            keep.unlink(missing_ok=True)
            keep.hardlink_to(self.state)
            keep.replace(self.previous)
        atomic_write(self.state, dump)


def prepare(state: dict[str, Any], config: DevnetConfig) -> dict[str, Any]:
    """Make a dump fit to load: one block 0, and no old empty blocks."""
    head = quantity(state["block"]["number"])

    def is_kept(block: dict[str, Any]) -> bool:
        number = quantity(block["header"]["number"])
        if number == 0:
            return quantity(block["header"]["timestamp"]) == config.genesis_time
        return number > head - KEPT_EMPTY_BLOCKS or bool(block["transactions"])

    return {**state, "blocks": [block for block in state["blocks"] if is_kept(block)]}


def first_timestamp(state: dict[str, Any], written: float, now: float) -> int:
    """Where the chain's clock goes on: past the last block, and as far ahead of us as it was."""
    head_time = quantity(state["block"]["timestamp"])
    ahead = head_time - written
    return max(int(now + ahead) if ahead > 2 else int(now), head_time + 1)


def start_anvil(anvil: str, files: Files, config: DevnetConfig) -> "subprocess.Popen[bytes]":
    """Start anvil on the newest whole state."""
    command = [
        *(anvil, "--host", "127.0.0.1", "--port", str(config.port)),
        *("--chain-id", str(config.chain_id), "--accounts", "0"),
        *("--block-time", "1", "--mixed-mining", "--prune-history", "128", "--no-cors", "--quiet"),
        *("--cache-path", str(files.folder / "cache")),
    ]
    found = files.read_state()
    if found is None:
        command += ["--timestamp", str(config.genesis_time)]
    else:
        state, written = found
        atomic_write(files.boot, json.dumps(prepare(state, config)))
        command += ["--load-state", str(files.boot)]
        command += ["--timestamp", str(first_timestamp(state, written, time.time()))]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, preexec_fn=_die_with_parent)


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class _StopRequested(Exception):  # noqa: N818  (not an error)
    """SIGTERM or SIGINT arrived."""


def _on_signal(number: int, frame: FrameType | None) -> None:
    raise _StopRequested


def keep(child: "subprocess.Popen[bytes]", files: Files, config: DevnetConfig) -> None:
    """Write the state down about once a second until anvil ends or a signal arrives."""
    rpc = Rpc(config.url, timeout_s=START_TIMEOUT_S)
    while child.poll() is None:
        began = time.monotonic()
        try:
            dump = rpc.call("anvil_dumpState")
            files.write_state(bytes.fromhex(dump[2:]))
        except JoyNetError as error:
            _say(f"state not written: {error}")
        took = time.monotonic() - began
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(max(DUMP_INTERVAL_S - took, DUMP_DUTY * took))


def wait_for_anvil(child: "subprocess.Popen[bytes]", config: DevnetConfig) -> None:
    """Wait until anvil answers with our chain id.

    Raises:
        SystemExit: It ended, or did not answer in time.
    """
    rpc = Rpc(config.url, timeout_s=1.0)
    deadline = time.monotonic() + START_TIMEOUT_S
    while child.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(JoyNetError):
            if quantity(rpc.call("eth_chainId")) == config.chain_id:
                return
        time.sleep(0.02)
    raise SystemExit(f"anvil did not start (exit code {child.poll()})")


def main(folder: Path, anvil: str) -> None:
    """Run the devnet of a folder until told to stop."""
    files = Files(folder)
    with files.lock.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SystemExit("another keeper runs this devnet") from None
        config = files.read_config()
        if config is None:
            raise SystemExit(f"{files.config} is missing")
        signal.signal(signal.SIGTERM, _on_signal)
        signal.signal(signal.SIGINT, _on_signal)
        child = start_anvil(anvil, files, config)
        try:
            wait_for_anvil(child, config)
            here, there = Process.of(os.getpid()), Process.of(child.pid)
            if here and there:
                document = {"keeper": asdict(here), "anvil": asdict(there)}
                atomic_write(files.process, json.dumps(document))
            files.boot.unlink(missing_ok=True)
            keep(child, files, config)
        except _StopRequested:
            with contextlib.suppress(JoyNetError):
                dump = Rpc(config.url, timeout_s=STOP_TIMEOUT_S).call("anvil_dumpState")
                files.write_state(bytes.fromhex(dump[2:]))
        finally:
            child.kill()
            child.wait()
            files.process.unlink(missing_ok=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
