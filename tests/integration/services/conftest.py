"""A devnet with every contract on it, and people with homes of their own."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from joynet_cli.testing import run_cli
from joynet_sdk.chain import Account, ChainSession, Devnet, Keys
from joynet_sdk.chain.deploy import DEVNET, deploy_all
from joynet_sdk.chain.rpc import Rpc

ETH = JOY = 10**18
TREASURY = Account.from_key((9001).to_bytes(32, "big"), name="treasury")
PASSWORD = "correct horse"
SCRYPT_N = 2**12


def give_eth(url: str, address: str) -> None:
    with Rpc(url) as rpc:
        rpc.call("anvil_setBalance", address, hex(100 * ETH))


@pytest.fixture(scope="session")
def deployed_home(worker_devnet: Devnet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The treasury's home: every contract is deployed, once per worker."""
    home = tmp_path_factory.mktemp("treasury") / "home"
    give_eth(worker_devnet.url, TREASURY.address)
    with ChainSession(worker_devnet.url, home, account=TREASURY, timeout_s=60) as session:
        deploy_all(session, DEVNET)
    return home


@pytest.fixture
def treasury(deployed_home: Path, anvil: Devnet) -> Iterator[ChainSession]:
    """Holds the whole supply."""
    with ChainSession(anvil.url, deployed_home, account=TREASURY, timeout_s=60) as session:
        yield session
        session.journal.forget_after(session.key, 0)  # the chain goes back to its snapshot


class Person:
    """Somebody with a home, a key and the command line."""

    def __init__(self, name: str, key: int, home: Path, url: str) -> None:
        self.name, self.home, self.url = name, home, url
        self.account = Account.from_key(key.to_bytes(32, "big"), name=name)
        self.address = self.account.address
        Keys(home, scrypt_n=SCRYPT_N).import_key(name, key.to_bytes(32, "big"), PASSWORD)

    @property
    def env(self) -> dict[str, str]:
        return {
            "JOYNET_HOME": str(self.home),
            "JOYNET_NETWORK": self.url,
            "JOYNET_ACCOUNT": self.name,
            "JOYNET_PASSWORD": PASSWORD,
            "JOYNET_TIMEOUT_S": "30",
        }

    def joynet(self, *argv: object, **env: str):
        """Run a command that asks nothing."""
        return run_cli([*map(str, argv), "--yes"], env={**self.env, **env})

    def ask(self, *argv: object):
        """The result of a command that must succeed, from its JSON."""
        return self.joynet(*argv, "--json").value

    def refused(self, *argv: object) -> SimpleNamespace:
        """How a command fails: the same in both formats."""
        document, human = self.joynet(*argv, "--json"), self.joynet(*argv)
        assert document.exit_code == human.exit_code != 0
        error = document.document["error"]
        assert error["message"] in human.stderr
        assert human.stdout == ""
        assert "Traceback" not in human.stderr
        return SimpleNamespace(exit_code=human.exit_code, **error)

    def joy(self) -> int:
        return int(self.ask("token", "balance")["joy_wei"])


@pytest.fixture
def person(
    anvil: Devnet, deployed_home: Path, treasury: ChainSession, tmp_path: Path
) -> Callable[..., Person]:
    """Make a person by name, with ETH and some JOY."""
    people: dict[str, Person] = {}

    def make(name: str, *, joy: int = 1_000, home: str | None = None) -> Person:
        key = 7_000 + sum(name.encode())
        folder = tmp_path / (home or name)
        shutil.copytree(deployed_home / "deployments", folder / "deployments")
        found = Person(name, key, folder, anvil.url)
        if name not in people:
            give_eth(anvil.url, found.address)
            if joy:
                treasury.contract("JoyToken").transact("transfer", found.address, joy * JOY)
            people[name] = found
        return found

    return make


@pytest.fixture
def alice(person: Callable[..., Person]) -> Person:
    return person("alice")
