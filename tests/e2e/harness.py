"""A network of real processes, driven through the real `joynet` executable."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from joynet_cli.testing import Result
from joynet_sdk.chain import ChainSession
from joynet_sdk.chain._keeper import Files
from joynet_sdk.chain.accounts import Keys
from joynet_sdk.client import AsyncJoyNet
from joynet_sdk.node.control import ask, read_control
from joynet_sdk.node.ledger import Ledger
from joynet_sdk.processes import Process
from joynet_sdk.quickstart import SAMPLE
from joynet_sdk.reconciliation import reconcile
from joynet_sdk.settings import Settings

JOYNET = Path(sys.executable).with_name("joynet")
COMMAND_S = 180.0


def environment(home: Path, **more: str) -> dict[str, str]:
    """What a user's shell has: nothing of JoyNet's but the home (and where anvil lies)."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("JOYNET_")}
    return kept | {"JOYNET_HOME": str(home), "JOYNET_ANVIL": os.environ["JOYNET_ANVIL"]} | more


def start(home: Path, *argv: str | Path, cwd: Path | None = None, **env: str) -> subprocess.Popen:
    """Start `joynet ARGV --json` and go on."""
    return subprocess.Popen(
        [JOYNET, *map(str, argv), "--json"],
        cwd=cwd or home,
        env=environment(home, **env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen) -> Result:
    """Wait for a command that `start` began."""
    stdout, stderr = process.communicate(timeout=COMMAND_S)
    return Result(process.returncode, stdout, stderr)


def wait_until(is_true: Callable[[], Any], what: str, timeout_s: float = 60.0) -> Any:
    """Ask until the answer is true, and return it."""
    deadline = time.monotonic() + timeout_s
    while not (answer := is_true()):
        assert time.monotonic() < deadline, f"{what}: not within {timeout_s:g} s"
        time.sleep(0.03)
    return answer


def processes_of(home: Path) -> dict[int, str]:
    """Process id -> command line of everything that was started for a home, and its children."""
    commands, parents = {}, {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            stat = (entry / "stat").read_text().rpartition(") ")[2].split()
        except OSError:  # it ended meanwhile
            continue
        if stat[0] != "Z" and int(entry.name) != os.getpid():
            commands[int(entry.name)], parents[int(entry.name)] = command, int(stat[1])
    ours = {pid for pid, command in commands.items() if f"{home}/" in f"{command} /"}
    while more := {pid for pid, parent in parents.items() if parent in ours} - ours:
        ours |= more
    return {pid: commands[pid] for pid in ours}


@dataclass
class Network:
    """What `joynet quickstart --keep` left running.

    Attributes:
        report: Its `--json` document.
        transcript: Everything that commands printed so far.
    """

    home: Path
    report: dict[str, Any]
    transcript: list[str] = field(default_factory=list)

    # --- commands

    def run(
        self,
        *argv: str | Path,
        cwd: Path | None = None,
        home: Path | None = None,
        check: bool = True,
        **env: str,
    ) -> Result:
        """`joynet ARGV --json` as a process of its own.

        Args:
            check: Fail unless it exits 0.
        """
        done = finish(start(home or self.home, *argv, cwd=cwd or self.home, **env))
        self.transcript += [done.stdout, done.stderr]
        assert not check or done.exit_code == 0, f"joynet {argv}: {done}"
        return done

    def infer(self, *argv: str | Path, **options: Any) -> Result:
        """`joynet infer run digits.joy SAMPLE ...`."""
        return self.run("infer", "run", "digits.joy", SAMPLE, *argv, **options)

    # --- nodes

    def node_home(self, node_id: int) -> Path:
        """The home of a node."""
        return Path(self.report["nodes"][node_id - 1]["home"])

    def node_process(self, node_id: int) -> Process:
        """Its process."""
        return read_control(self.node_home(node_id)).process

    def kill(self, node_id: int) -> None:
        """kill -9."""
        process = self.node_process(node_id)
        os.kill(process.pid, signal.SIGKILL)
        wait_until(lambda: not process.is_alive(), "the end of a killed node")

    def restart(self, node_id: int, **env: str) -> Result:
        """`joynet node start` in the node's home."""
        return self.run("node", "start", home=self.node_home(node_id), **env)

    def restart_with_password_in_the_environment(self, node_id: int) -> None:
        """As a user does who keeps it there."""
        password = (self.home / "quickstart/password").read_text().strip()
        self.run("node", "stop", home=self.node_home(node_id))
        self.restart(node_id, JOYNET_PASSWORD=password)
        self.wait_ready(node_id)

    def wait_ready(self, node_id: int) -> None:
        """Until it serves its models."""

        def is_ready() -> bool:
            models = ask(self.node_home(node_id), "status")["models"]
            return bool(models) and all(m["state"] in ("warm", "hot") for m in models)

        wait_until(is_ready, f"models of node {node_id}")

    # --- the chain

    def keeper(self) -> Process:
        """The process that keeps anvil."""
        return Files(self.home / "devnet").read_processes()["keeper"]

    def session(self) -> ChainSession:
        """The chain, read-only."""
        return ChainSession(self.report["url"], self.home)

    def client(self) -> AsyncJoyNet:
        """The SDK as the quickstart's client account."""
        password = (self.home / "quickstart/password").read_text().strip()
        settings = Settings(network=self.report["url"], account="quickstart")
        return AsyncJoyNet(self.home, settings, password=lambda _: password)

    @property
    def payer(self) -> str:
        """The client's address."""
        return Keys(self.home).info("quickstart").address

    def pending_lanes(self) -> Counter[str]:
        """Operator -> lanes of the client's book whose last request has no known fate."""
        with closing(sqlite3.connect(self.home / "payments/vouchers.db")) as book:
            rows = book.execute("SELECT operator FROM lanes WHERE request_id IS NOT NULL")
            return Counter(operator for (operator,) in rows)

    def check_money(self) -> None:
        """Redeem everything: what the contract paid is what the client's book says was answered."""
        assert not self.pending_lanes()
        answered: Counter[str] = Counter()
        with closing(sqlite3.connect(self.home / "payments/vouchers.db")) as book:
            for operator, wei in book.execute("SELECT operator, answered_amount FROM lanes"):
                answered[operator] += int(wei)
        with closing(self.session()) as chain:
            coordinator = chain.contract("NodeCoordinator")
            for node in self.report["nodes"]:
                home = Path(node["home"])
                self.run("node", "redeem", home=home)
                held = coordinator.call("allocation", self.payer, node["operator"])
                assert held["redeemed"] == answered[node["operator"]], node
                with closing(Ledger(home / "node/ledger.db")) as ledger:
                    assert ledger.unredeemed() == []
        self.check_books()

    def check_books(self) -> None:
        """Every wei of JOY is where the books say it is."""
        keys, nodes = Keys(self.home), [n["node_id"] for n in self.report["nodes"]]
        holders = {name: keys.info(name).address for name in keys.names()}
        models = [bytes.fromhex(each[2:]) for each in self.report["models"].values()]
        with closing(self.session()) as chain:
            reconcile(chain, holders, nodes, models).check()


def quickstart(home: Path, *argv: str) -> Network:
    """`joynet quickstart --keep ARGV`."""
    done = finish(start(home, "quickstart", "--keep", *argv))
    assert done.exit_code == 0, done
    return Network(home, json.loads(done.stdout)["result"], [done.stdout, done.stderr])
