"""Fixtures shared by every test: a real devnet, one per worker process."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from eth_utils import ValidationError
from hypothesis import settings

from joynet_sdk.chain import ChainSession, Devnet, Journal
from joynet_sdk.chain.anvil import ensure_anvil
from joynet_sdk.chain.rpc import Rpc

BUILD = Path(__file__).resolve().parents[1] / ".build"

# How many histories the stateful tests of contracts try; `make soak` asks for the longer profile.
settings.register_profile("short", max_examples=8, deadline=None)
settings.register_profile("soak", max_examples=60, deadline=None)
settings.load_profile("short")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(nextitem: pytest.Item | None) -> None:
    """Revert titanoboa's chain when a worker ends in the order of its snapshots, once.

    Its plugin does so fixture by fixture; at the end, with fixtures of several scopes left, it asks
    for snapshots that are gone. Nothing reads the chain any more then.
    """
    if nextitem is None:
        from boa.test import plugin

        plugin._work_task_list = lambda: None


def pytest_sessionfinish() -> None:
    """The reverts that were left, latest first."""
    from boa.test import plugin

    for snapshot in reversed(list(plugin._stack.values())):
        with suppress(ValidationError):
            snapshot.__exit__(None, None, None)
    plugin._stack.clear()


def share_kernels(home: Path) -> None:
    """Let a home use the OpenCL kernels that are compiled once for all tests."""
    shared = BUILD / "kernels"
    for folder in (shared, home / "cache"):
        folder.mkdir(parents=True, exist_ok=True)
    (home / "cache" / "kernels").symlink_to(shared)


@pytest.fixture(scope="session")
def anvil_binary() -> Path:
    """The anvil binary, installed once below `.build` when the machine has none."""
    BUILD.mkdir(exist_ok=True)
    with (BUILD / "anvil.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        path = ensure_anvil(BUILD / "tests-home", print)
    os.environ["JOYNET_ANVIL"] = str(path)
    return path


@pytest.fixture(scope="session")
def worker_devnet(anvil_binary: Path) -> Iterator[Devnet]:
    """A devnet that lives as long as this worker. Use `anvil`, which cleans up after each test."""
    home = Path(tempfile.mkdtemp(prefix="joynet-test-"))
    devnet = Devnet(home)
    devnet.up()
    yield devnet
    devnet.down()
    shutil.rmtree(home)


@pytest.fixture
def anvil(worker_devnet: Devnet) -> Iterator[Devnet]:
    """A running devnet in the state it started with; what a test does to the chain is undone."""
    with Rpc(worker_devnet.url) as rpc:
        snapshot = rpc.call("evm_snapshot")
        yield worker_devnet
        assert rpc.call("evm_revert", snapshot)
    with ChainSession(worker_devnet.url, worker_devnet.home) as session:
        session.journal.forget_after(session.key, 0)
        session.forget_deployment()


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """An empty journal."""
    with Journal(tmp_path / "home") as opened:
        yield opened
