"""One deployed chain for the module; people who type commands on it."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from joynet_cli.main import run_cli
from joynet_cli.testing import Result
from joynet_sdk.chain import Account, ChainSession, Devnet, Journal, Keys
from joynet_sdk.chain.deploy import DEVNET, deploy_all
from joynet_sdk.chain.rpc import Rpc
from joynet_sdk.storage.blocks import DiskBlockStore

ETH = JOY = 10**18
PASSWORD = "correct horse battery"
ALICE_KEY = "4f3edf983ac636a65a842ce7c78d9aa706d3b113bce9c46f30d7d21715b23b1d"
POOR_KEY = "6cbed15c793ce57650b9877cf6fa156fbef513c4e6134f022a85b1ffdd59b2a1"
OWNER = Account.from_key((4001).to_bytes(32, "big"), name="owner")


@pytest.fixture(scope="module")
def home(worker_devnet: Devnet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home with `alice`, who has 10 JOY and ETH, and `poor`, who has 5 JOY and no ETH."""
    folder = tmp_path_factory.mktemp("cli") / "home"
    keys = Keys(folder, scrypt_n=2)
    alice = keys.import_key("alice", bytes.fromhex(ALICE_KEY), PASSWORD).address
    poor = keys.import_key("poor", bytes.fromhex(POOR_KEY), PASSWORD).address
    with Rpc(worker_devnet.url) as rpc:
        snapshot = rpc.call("evm_snapshot")
        rpc.call("anvil_setBalance", OWNER.address, hex(100 * ETH))
        rpc.call("anvil_setBalance", alice, hex(ETH))
        with ChainSession(worker_devnet.url, folder, account=OWNER, timeout_s=60) as session:
            deploy_all(session, DEVNET)
            token = session.contract("JoyToken")
            token.transact("transfer", alice, 10 * JOY)
            token.transact("transfer", poor, 5 * JOY)
        yield folder
        assert rpc.call("evm_revert", snapshot)


@pytest.fixture
def env(home: Path, worker_devnet: Devnet, tmp_path: Path) -> dict[str, str]:
    """How alice calls `joynet`."""
    password = tmp_path / "password"
    password.write_text(PASSWORD + "\n")
    return {
        "JOYNET_HOME": str(home),
        "JOYNET_NETWORK": worker_devnet.url,
        "JOYNET_ACCOUNT": "alice",
        "JOYNET_PASSWORD_FILE": str(password),
        "JOYNET_TIMEOUT": "10",
    }


Joynet = Callable[..., Result]


@pytest.fixture
def joynet(env: dict[str, str], tmp_path: Path) -> Iterator[Joynet]:
    """Run `joynet` in an empty folder; what it printed must hold no secret."""
    printed: list[str] = []
    folder = tmp_path / "cwd"
    folder.mkdir()

    def run(*argv: str, changes: dict[str, str | None] | None = None, **options) -> Result:
        chosen = {key: value for key, value in {**env, **(changes or {})}.items() if value}
        result = run_cli(argv, env=chosen, cwd=folder, **options)
        printed.append(result.stdout + result.stderr)
        return result

    yield run
    text = "\n".join(printed).lower()
    assert not any(secret in text for secret in (PASSWORD, ALICE_KEY, POOR_KEY))
    assert "traceback (most recent" not in text


@pytest.fixture
def state(home: Path, worker_devnet: Devnet) -> Callable[[], object]:
    """Everything a command could change: files, journal, store, the nonces on the chain."""

    def read() -> object:
        with Journal(home) as journal:
            jobs = [(job.id, job.state) for job in journal.jobs()]
        ignored = {home / name for name in ("logs", "journal", "ape", "store", "payments")}
        with DiskBlockStore(home / "store") as store:
            stored = store.stat()
        files = {
            path: path.read_bytes()
            for path in home.rglob("*")
            if path.is_file() and not ignored & set(path.parents)
        }
        with Rpc(worker_devnet.url) as rpc:
            nonces = [
                rpc.call("eth_getTransactionCount", info.address, "latest")
                for info in Keys(home).list()
            ]
        return jobs, files, nonces, stored

    return read


def spawn(env: dict[str, str], *argv: str, **options) -> subprocess.Popen[bytes]:
    """`joynet` as a process of its own."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("JOYNET_")}
    command = [sys.executable, "-m", "joynet_cli", *argv]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL}
    return subprocess.Popen(command, env={**inherited, **env}, **{**pipes, **options})
