"""From `joynet domain register` to `joynet domain resolve` on a devnet, apart from the commit age.

Each command is a process of its own, as users run it. The commitment must be two seconds and two
blocks old; its age at the reveal, in the chain's own time, is taken off. The CPU time of the two
commands is shown beside: on a machine that does other things too, wall time says little.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from benchmarks.stopwatch import machine
from joynet_sdk.chain import Devnet, Keys
from joynet_sdk.chain.deploy import DEVNET, deploy_all
from joynet_sdk.chain.session import ChainSession

JOYNET = Path(sys.executable).with_name("joynet")
RUNS, PASSWORD, JOY = 5, "benchmark", 10**18


class Row(NamedTuple):
    """One name: seconds of wall and CPU time, and of chain time for the age."""

    register: float
    register_cpu: float
    age: float
    resolve: float
    resolve_cpu: float


def cpu_s() -> float:
    """CPU seconds of all finished child processes."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def joynet(home: Path, url: str, *argv: str) -> tuple[float, float, Any]:
    """Run a command; wall seconds, CPU seconds and its result."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("JOYNET_")} | {
        "JOYNET_HOME": str(home),
        "JOYNET_NETWORK": url,
        "JOYNET_ACCOUNT": "alice",
        "JOYNET_PASSWORD": PASSWORD,
        "JOYNET_YES": "1",
    }
    started, used = time.perf_counter(), cpu_s()
    done = subprocess.run(
        [JOYNET, *argv, "--json"], env=env, capture_output=True, text=True, check=True
    )
    wall = time.perf_counter() - started
    return wall, cpu_s() - used, json.loads(done.stdout)["result"]


def commit_age(session: ChainSession) -> float:
    """Seconds of chain time from the last commitment to its reveal."""
    registry = session.contract("PermaNetDomainRegistry")
    committed = list(registry.events("Committed"))[-1].block
    revealed = list(registry.events("NameRegistered"))[-1].block
    return session.block_time(revealed) - session.block_time(committed)


def run() -> str:
    """Everything; returns the report in Markdown."""
    with tempfile.TemporaryDirectory(prefix="joynet-bench-") as scratch:
        home = Path(scratch) / "home"
        devnet = Devnet(home)
        devnet.up()
        try:
            return _measure(home, devnet)
        finally:
            devnet.down()


def _measure(home: Path, devnet: Devnet) -> str:
    with devnet.session(timeout_s=60) as session:
        deploy_all(session, DEVNET)
        alice = Keys(home, scrypt_n=2**12).new("alice", PASSWORD).address
        devnet.fund(alice, joy_wei=1_000 * JOY, eth_wei=100 * JOY)
        rows: list[Row] = []
        for number in range(RUNS):
            name = f"bench{number}.joy"
            record = f"address={alice}"
            register = joynet(home, devnet.url, "domain", "register", name, "--record", record)
            age = commit_age(session)
            resolve = joynet(home, devnet.url, "domain", "resolve", name)
            assert resolve[2]["address"] == alice
            rows.append(Row(register[0], register[1], age, resolve[0], resolve[1]))
    return render(rows)


def render(rows: list[Row]) -> str:
    """The report: medians of register, the commit age in it, resolve, and the rest together."""
    register, register_cpu, age, resolve, resolve_cpu = (
        median(column) for column in zip(*rows, strict=True)
    )
    rest = median(row.register + row.resolve - row.age for row in rows)
    lines = [
        "# From register to resolve",
        "",
        f"{machine()}. A devnet on the same machine; median of {len(rows)} names.",
        f"Load average meanwhile: {os.getloadavg()[0]:.1f}.",
        "",
        "| | wall, s | CPU, s |",
        "|---|---:|---:|",
        f"| `joynet domain register NAME --record address=...` | {register:.2f}"
        f" | {register_cpu:.2f} |",
        f"| of that, the age of the commitment (chain time) | {age:.2f} | |",
        f"| `joynet domain resolve NAME` | {resolve:.2f} | {resolve_cpu:.2f} |",
        f"| register to resolve, apart from the commit age | {rest:.2f}"
        f" | {register_cpu + resolve_cpu:.2f} |",
        "",
    ]
    return "\n".join(lines)
