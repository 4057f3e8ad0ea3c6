"""The network that the tests of this folder share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from joynet_sdk.quickstart import SAMPLE

from .harness import Network, finish, processes_of, quickstart, start


@pytest.fixture(scope="session")
def network(anvil_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """A digits network that stays up for all tests of the worker."""
    running = quickstart(tmp_path_factory.mktemp("network"), "--lite")
    yield running
    done = finish(start(running.home, "quickstart", "--down"))
    assert done.exit_code == 0, done
    assert not processes_of(running.home)


@pytest.fixture
def home(anvil_binary: Path, tmp_path: Path) -> Iterator[Path]:
    """A home for a network of the test's own; nothing is left running in it."""
    home = tmp_path / "home"
    home.mkdir()
    yield home
    finish(start(home, "quickstart", "--down"))
    assert not processes_of(home)


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    """A seven, in the folder that the test works in."""
    copy = tmp_path / "seven.json"
    copy.write_bytes(SAMPLE.read_bytes())
    return copy
