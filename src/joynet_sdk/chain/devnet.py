"""A private development chain: anvil, kept by a process of its own, its state on disk."""

import fcntl
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from joynet_sdk.chain._keeper import DevnetConfig, Files
from joynet_sdk.chain.accounts import DEPLOYER
from joynet_sdk.chain.anvil import check_platform, ensure_anvil
from joynet_sdk.chain.rpc import Rpc, RpcError, quantity
from joynet_sdk.errors import (
    ConfigError,
    InvalidInputError,
    JoyNetError,
    NotFoundError,
    UnavailableError,
)
from joynet_sdk.paths import Home, atomic_write, file_errors, private_dir
from joynet_sdk.types import DEVELOPMENT_CHAIN_IDS

if TYPE_CHECKING:
    from joynet_sdk.chain.accounts import Account
    from joynet_sdk.chain.session import ChainSession

DEPLOYER_ETH_WEI = 10**9 * 10**18
START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 15.0
_DEPLOYER_SCRYPT_N = 2**12  # its password is random, so a slow key derivation adds nothing
_PORT_TRIES = 3
_SNAPSHOT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class DevnetStatus:
    """What a devnet is doing.

    Attributes:
        is_running: Whether its process lives and answers.
        url: Its RPC address, or None before the first start.
        chain_id: Its chain id, or None before the first start.
        pid: anvil's process id, or None.
        block: Latest block, or None.
        time: The chain's clock, unix seconds, or None.
        state_bytes: Size of the state on disk.
        folder: Where it keeps its files; the log is `devnet.log`.
        snapshots: Names of snapshots, oldest first.
    """

    is_running: bool
    url: str | None
    chain_id: int | None
    pid: int | None
    block: int | None
    time: int | None
    state_bytes: int
    folder: Path
    snapshots: tuple[str, ...]


class Devnet:
    """The devnet of one home."""

    def __init__(self, home: Path, *, tell: Callable[[str], None] = lambda text: None) -> None:
        """
        Args:
            home: `$JOYNET_HOME`.
            tell: Told in one line about slow work, such as installing anvil.
        """
        self.home, self._tell = home, tell
        self._files = Files(Home(home).devnet)

    # --- life

    def up(self) -> DevnetStatus:
        """Start it, or leave it running; returns when its RPC answers.

        Raises:
            ConfigError: The platform, the disk or a missing anvil do not allow it.
            UnavailableError: It did not start in time.
        """
        check_platform()
        Home(self.home).create()
        private_dir(self._files.folder)
        with self._exclusive():
            status = self.status()
            if status.is_running:
                return status
            anvil = ensure_anvil(self.home, self._tell)
            self._stop_processes()
            for attempt in range(_PORT_TRIES):
                config = self._configure()
                try:
                    self._start(anvil, config)
                    break
                except UnavailableError:
                    if attempt == _PORT_TRIES - 1 or _is_free(config.port):
                        raise
            self._endow(config)
            return self.status()

    def down(self) -> None:
        """Stop it; its state stays. Nothing happens when it does not run."""
        if not self._files.folder.exists():
            return
        with self._exclusive():
            self._stop_processes()

    def reset(self) -> None:
        """Stop it and forget its chain; the next start has a new chain id and genesis."""
        if not self._files.folder.exists():
            return
        with self._exclusive():
            self._stop_processes()
            files = self._files
            old = files.read_config()
            for path in files.folder.glob("*state*.json.gz"):
                path.unlink()
            shutil.rmtree(files.folder / "snapshots", ignore_errors=True)
            if old is not None:
                self._deployment_file(old.chain_id).unlink(missing_ok=True)
                files.write_config(_new_config(port=old.port, other_than=old.chain_id))

    def status(self) -> DevnetStatus:
        """What it is doing now."""
        files = self._files
        config, process = files.read_config(), files.read_processes().get("anvil")
        block: dict[str, str] | None = None
        if config is not None and process is not None and process.is_alive():
            try:
                with Rpc(config.url, timeout_s=5.0) as rpc:
                    block = rpc.call("eth_getBlockByNumber", "latest", False)
            except JoyNetError:
                block = None
        return DevnetStatus(
            is_running=block is not None,
            url=config.url if config else None,
            chain_id=config.chain_id if config else None,
            pid=process.pid if process and process.is_alive() else None,
            block=quantity(block["number"]) if block else None,
            time=quantity(block["timestamp"]) if block else None,
            state_bytes=files.state.stat().st_size if files.state.exists() else 0,
            folder=files.folder,
            snapshots=tuple(self.snapshots()),
        )

    @property
    def url(self) -> str:
        """RPC address of the running devnet.

        Raises:
            UnavailableError: It does not run.
        """
        status = self.status()
        if not status.is_running or status.url is None:
            raise UnavailableError("the devnet is not running", hint="joynet devnet up")
        return status.url

    # --- use

    def deployer(self) -> "Account":
        """The account that deploys, holds the treasury and feeds the faucet; devnet only."""
        from joynet_sdk.chain.accounts import Keys

        password = self._deployer_password()
        keys = Keys(self.home, scrypt_n=_DEPLOYER_SCRYPT_N)
        if DEPLOYER not in keys.names():
            keys.new(DEPLOYER, password)
        return keys.unlock(DEPLOYER, password)

    def session(self, timeout_s: float | None = None) -> "ChainSession":
        """A session on the devnet with the deployer's account; close it after use."""
        from joynet_sdk.chain.session import ChainSession

        return ChainSession(self.url, self.home, account=self.deployer, timeout_s=timeout_s)

    def fund(self, address: str, *, joy_wei: int = 0, eth_wei: int = 0) -> None:
        """Give an account JOY and ETH out of the deployer's.

        Raises:
            ConfigError: JOY was asked for, and the contracts are not deployed.
        """
        with self.session() as session:
            if eth_wei:
                session.transfer(address, eth_wei)
            if joy_wei:
                session.contract("JoyToken").transact("transfer", address, joy_wei)

    def time_travel(self, seconds: int) -> int:
        """Move the chain's clock forward and mine a block.

        Args:
            seconds: How far, 1 or more.

        Returns:
            The chain's clock afterwards, unix seconds.
        """
        if seconds < 1:
            raise InvalidInputError(
                f"time-travel is {seconds} s, expected 1 or more: time only rises"
            )
        with Rpc(self.url) as rpc:
            rpc.call("evm_increaseTime", hex(seconds))
            rpc.call("evm_mine")
            return quantity(rpc.call("eth_getBlockByNumber", "latest", False)["timestamp"])

    # --- snapshots

    def snapshots(self) -> list[str]:
        """Names of snapshots, oldest first."""
        folder = self._files.folder / "snapshots"
        if not folder.is_dir():
            return []
        return [p.name for p in sorted(folder.iterdir(), key=lambda p: p.stat().st_mtime)]

    def snapshot(self, name: str) -> None:
        """Keep the chain as it is now under a name; an older one of that name is replaced."""
        if not _SNAPSHOT_NAME.fullmatch(name):
            raise InvalidInputError(
                f"snapshot name is {name!r}, expected letters, digits, '.', '_' or '-'"
            )
        with Rpc(self.url) as rpc:
            dump = bytes.fromhex(rpc.call("anvil_dumpState")[2:])
            chain_id = quantity(rpc.call("eth_chainId"))
        folder = private_dir(self._files.folder / "snapshots" / name)
        deployments = self._deployment_file(chain_id)
        if deployments.exists():
            atomic_write(folder / "deployments.json", deployments.read_bytes())
        atomic_write(folder / "state.json.gz", dump)

    def restore(self, name: str) -> DevnetStatus:
        """Go back to a snapshot: chain, clock, deployments; later transactions are forgotten.

        Raises:
            NotFoundError: No such snapshot.
        """
        folder = self._files.folder / "snapshots" / name
        if name not in self.snapshots():
            have = ", ".join(self.snapshots()) or "none yet"
            raise NotFoundError(
                "snapshot", name, hint=f"joynet devnet snapshot NAME (have: {have})"
            )
        self.down()
        with self._exclusive():
            self._files.write_state((folder / "state.json.gz").read_bytes())
        status = self.up()
        saved = folder / "deployments.json"
        if saved.exists() and status.chain_id is not None:
            atomic_write(self._deployment_file(status.chain_id), saved.read_bytes(), mode=0o644)
        with self.session() as session:
            session.journal.forget_after(session.key, session.block_number())
        return status

    # --- inside

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        """One process at a time starts or stops it."""
        path = self._files.folder / "devnet.lock"
        deadline = time.monotonic() + START_TIMEOUT_S + STOP_TIMEOUT_S
        with file_errors(path), path.open("a") as file:
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise UnavailableError("another process is busy with the devnet") from None
                    time.sleep(0.02)
            yield

    def _configure(self) -> DevnetConfig:
        """The remembered configuration, with another port if its own is taken."""
        config = self._files.read_config()
        if config is None:
            if self._files.state.exists():
                raise ConfigError(
                    f"{self._files.config} is missing or damaged, but there is a chain",
                    hint="joynet devnet reset",
                )
            config = _new_config(port=_free_port())
        elif not _is_free(config.port):
            config = replace(config, port=_free_port())
        self._files.write_config(config)
        return config

    def _start(self, anvil: Path, config: DevnetConfig) -> None:
        files = self._files
        files.process.unlink(missing_ok=True)
        environment = {k: v for k, v in os.environ.items() if not k.startswith("JOYNET_")}
        with file_errors(files.log), files.log.open("wb") as log:
            keeper = subprocess.Popen(
                [sys.executable, "-m", f"{__package__}._keeper", str(files.folder), str(anvil)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self.status().is_running:
            if keeper.poll() is not None or time.monotonic() > deadline:
                keeper.kill()
                raise UnavailableError(
                    f"the devnet did not start: {_last_line(files.log)}", hint=f"see {files.log}"
                )
            time.sleep(0.02)

    def _stop_processes(self) -> None:
        """End the keeper (which ends anvil), and an anvil that outlived its keeper."""
        for name in ("keeper", "anvil"):
            process = self._files.read_processes().get(name)
            if process is not None:
                process.stop(STOP_TIMEOUT_S)
        self._files.process.unlink(missing_ok=True)

    def _endow(self, config: DevnetConfig) -> None:
        """Give the deployer its ETH on a new chain."""
        address = self.deployer().address
        with Rpc(config.url) as rpc:
            if quantity(rpc.call("eth_getTransactionCount", address, "latest")):
                return
            try:
                rpc.call("anvil_setBalance", address, hex(DEPLOYER_ETH_WEI))
            except RpcError as error:
                raise ConfigError(f"{config.url} is not anvil: {error.text}") from error

    def _deployer_password(self) -> str:
        path = self._files.folder / "deployer.password"
        if not path.exists():
            atomic_write(path, secrets.token_hex(32), mode=0o600)
        with file_errors(path):
            return path.read_text()

    def _deployment_file(self, chain_id: int) -> Path:
        from joynet_sdk.chain.deployments import deployment_path

        return deployment_path(self.home, chain_id)


def _new_config(*, port: int, other_than: int | None = None) -> DevnetConfig:
    chain_id = secrets.choice([n for n in DEVELOPMENT_CHAIN_IDS if n != other_than])
    return DevnetConfig(chain_id, port, int(time.time()))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _last_line(path: Path) -> str:
    lines = path.read_text(errors="replace").strip().splitlines()
    return lines[-1][:300] if lines else "it said nothing"
