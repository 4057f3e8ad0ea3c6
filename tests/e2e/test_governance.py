"""Names and DAOs as users have them: a devnet, homes of their own, kill -9.

Commands run in this process, through the real parser, but for the one that is killed.
"""

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from joynet_cli.testing import Result, run_cli
from joynet_sdk.chain import Devnet, Journal, Keys
from joynet_sdk.chain.deploy import DEVNET, deploy_all
from joynet_sdk.chain.rpc import Rpc

from .harness import start, wait_until

JOY = 10**18
PASSWORD = "correct horse"
DAY_S = 86_400
RULES = (
    *("--threshold", "200", "--quorum", "50", "--voting-delay", "200", "--voting-period", "400"),
    *("--late-extension", "0", "--delay", "1d", "--grace", "3d", "--guardian-days", "30"),
)
CHEAPER = """
title: Make long names cheaper
actions:
  - set_price_band: {band: 5+, price: 4}
"""
SHORTER = "title: Sell short names only\nactions:\n  - set_lengths: 1-4\n"
CLOSED = "title: Close for a while\nactions:\n  - pause\n"


class User:
    """Somebody with a home, a key and the command; nothing is shared with others but the chain."""

    def __init__(self, name: str, home: Path, url: str, deployments: Path) -> None:
        self.name, self.home, self.url = name, home, url
        home.mkdir()
        shutil.copytree(deployments, home / "deployments")

    @property
    def env(self) -> dict[str, str]:
        return {
            "JOYNET_NETWORK": self.url,
            "JOYNET_ACCOUNT": self.name,
            "JOYNET_PASSWORD": PASSWORD,
            "JOYNET_YES": "1",
        }

    @property
    def address(self) -> str:
        return Keys(self.home).info(self.name).address

    def start(self, *argv: object) -> subprocess.Popen:
        """Start a command as a process of its own."""
        return start(self.home, *map(str, argv), **self.env)

    def run(self, *argv: object) -> Result:
        """Run a command to its end."""
        env = self.env | {"JOYNET_HOME": str(self.home)}
        return run_cli([*map(str, argv), "--json"], env=env, cwd=self.home)

    def ask(self, *argv: object):
        """The result of a command that must succeed."""
        return self.run(*argv).value

    def error(self, *argv: object) -> dict:
        """How a command fails."""
        done = self.run(*argv)
        assert done.exit_code != 0, done
        return done.document["error"] | {"exit_code": done.exit_code}


class World:
    """A devnet with every contract, run by its deployer."""

    def __init__(self, home: Path) -> None:
        self.home, self.devnet = home, Devnet(home)
        self.devnet.up()
        with self.devnet.session(timeout_s=60) as session:
            deploy_all(session, DEVNET)
        self.url = self.devnet.url

    def user(self, name: str, *, keyfile: Path | None = None) -> User:
        """A new user with a new key and some money, or with a copy of a keyfile and nothing."""
        number = len(list(self.home.parent.glob(f"{name}-*")))
        folder = self.home.parent / f"{name}-{number}"
        user = User(name, folder, self.url, self.home / "deployments")
        if keyfile is not None:
            (user.home / "keys").mkdir(mode=0o700)
            shutil.copy2(keyfile, user.home / "keys" / keyfile.name)
            return user
        address = Keys(user.home, scrypt_n=2**12).new(name, PASSWORD).address
        self.devnet.fund(address, joy_wei=1_000 * JOY, eth_wei=100 * JOY)
        return user

    def joynet(self, *argv: object):
        """A command of the deployer, who owns the TLD registry."""
        env = {"JOYNET_HOME": str(self.home), "JOYNET_ACCOUNT": "devnet", "JOYNET_YES": "1"}
        return run_cli([*map(str, argv), "--json"], env=env, cwd=self.home).value

    def mine_past(self, block: int) -> None:
        """Let blocks pass."""
        with Rpc(self.url) as rpc:
            missing = block + 1 - int(rpc.call("eth_blockNumber"), 16)
            rpc.call("anvil_mine", hex(max(missing, 1)), "0x1")


@pytest.fixture(scope="module")
def world(anvil_binary: Path, tmp_path_factory: pytest.TempPathFactory):
    running = World(tmp_path_factory.mktemp("names") / "deployer")
    yield running
    running.devnet.down()


def propose(user: User, tld: str, plan: str) -> dict:
    """Propose a plan; what the command prints."""
    (user.home / "plan.yaml").write_text(plan)
    return user.ask("dao", "propose", tld, "--from", user.home / "plan.yaml")


def test_a_full_life_of_governance(world):
    alice, bob, guardian = (world.user(name) for name in ("alice", "bob", "guardian"))
    world.joynet("tld", "create", "fun", "--owner", alice.address, "--lengths", "3-63")
    dao = alice.ask("dao", "create", "fun", *RULES, "--guardian", guardian.address)
    assert dao["owns_tld"] is True
    for user, joy in ((alice, 300), (bob, 200)):
        user.ask("contracts", "call", "JoyToken", "stake", joy * JOY, "--send")

    first = propose(alice, "fun", CHEAPER)
    (change,) = [c for c in first["simulation"]["changes"] if c["what"] == ".fun next prices"]
    assert change["before"].endswith("5+: 5 JOY a year")
    assert change["after"].endswith("5+: 4 JOY a year")
    second, third = propose(bob, "fun", SHORTER), propose(alice, "fun", CLOSED)
    assert alice.error("dao", "vote", first["proposal"], "for")["exit_code"] == 9
    world.mine_past(third["snapshot"])

    # The first: one votes, the other signs, and somebody who has no votes hands it in and pays.
    alice.ask("dao", "vote", first["proposal"], "for")
    signed = bob.ask("dao", "vote", first["proposal"], "for", "--sign-only")
    (guardian.home / "vote.json").write_text(json.dumps(signed))
    found = guardian.ask("dao", "vote", "--from-signature", guardian.home / "vote.json")
    assert found["for_wei"] == str(500 * JOY)
    assert guardian.error("dao", "vote", first["proposal"], "for")["exit_code"] == 8
    # The second is voted down; of the third the guardian gets rid while it is in office.
    bob.ask("dao", "vote", second["proposal"], "for")
    alice.ask("dao", "vote", second["proposal"], "against")
    alice.ask("dao", "vote", third["proposal"], "for")
    assert bob.error("dao", "cancel", third["proposal"])["exit_code"] == 4
    assert guardian.ask("dao", "cancel", third["proposal"])["state"] == "cancelled"
    world.mine_past(third["deadline"])

    assert bob.ask("dao", "show", "fun", "--proposal", second["proposal"])["state"] == "defeated"
    lost = bob.error("dao", "queue", second["proposal"])
    assert (lost["exit_code"], "300 JOY against" in lost["message"]) == (2, True)
    assert bob.ask("dao", "queue", first["proposal"])["state"] == "queued"
    early = bob.error("dao", "execute", first["proposal"])
    assert (early["exit_code"], "joynet devnet time-travel" in early["hint"]) == (9, True)
    world.joynet("devnet", "time-travel", "1d")
    assert bob.ask("dao", "execute", first["proposal"])["state"] == "executed"
    charter = bob.ask("tld", "charter", "show", "fun")["charter"]
    assert charter["next prices"].endswith("5+: 4 JOY a year")
    world.joynet("devnet", "time-travel", "8d")  # the notice of a price
    quote = bob.ask("domain", "quote", "alice.fun")
    assert 3.99 * JOY < int(quote["rent_wei"]) <= 4 * JOY

    # A guardian whose term is over can stop nothing.
    world.joynet("devnet", "time-travel", "30d")
    fourth = propose(alice, "fun", CLOSED)
    refused = guardian.error("dao", "cancel", fourth["proposal"])
    assert (refused["exit_code"], "power is over" in refused["message"]) == (4, True)
    states = [p["state"] for p in bob.ask("dao", "show", "fun")["proposals"]]
    assert states == ["executed", "defeated", "cancelled", "pending"]


def test_a_killed_registration_is_finished_on_another_machine(world):
    owner = world.user("carol")
    asked = ("domain", "register", "carol.joy", "--years", "2", "--record", "url=https://c.example")
    process = owner.start(*asked)
    with Journal(owner.home) as journal:

        def is_committed() -> bool:
            step = journal.step(1, "commit")
            return step is not None and step.state == "mined"

        wait_until(is_committed, "the commitment")
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert owner.error("domain", "show", "carol.joy")["exit_code"] == 5

    other = world.user("carol", keyfile=owner.home / "keys" / "carol.json")
    assert [p["name"] for p in other.ask("domain", "recover")] == ["carol.joy"]
    found = other.ask("domain", "register", "carol.joy")
    assert found["owner"] == owner.address
    assert other.ask("domain", "recover") == []
    records = other.ask("domain", "records", "show", "carol.joy")["records"]
    assert records == {"text.url": "https://c.example"}
    years = (found["expires_at"] - world.devnet.status().time) / (365 * DAY_S)
    assert 1.99 < years <= 2
    assert owner.error("tx", "resume")["exit_code"] == 7  # nothing is paid twice
    assert int(owner.ask("token", "balance")["joy_wei"]) > 989 * JOY
