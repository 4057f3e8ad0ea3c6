"""kill -9 of nodes under load, again and again. `make soak`; the figures go to benchmarks."""

import asyncio
import random
import sqlite3
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from statistics import median

import pytest

from joynet_sdk.client import AsyncJoyNet
from joynet_sdk.errors import JoyNetError
from joynet_sdk.inference.committee import RefundedError
from joynet_sdk.quickstart import SAMPLE

from .harness import Network

pytestmark = [pytest.mark.xdist_group("e2e"), pytest.mark.soak, pytest.mark.timeout(3600)]

ROUNDS, CALLERS = 50, 3
PAUSE_S = 0.05  # of a caller, between two calls
COMMITTEE_EVERY = 5  # rounds
RESTART_S = 10.0
RESULTS = Path(__file__).parents[2] / "benchmarks/results/soak-kills.md"


class Load:
    """Callers that ask again and again until they are told to stop."""

    def __init__(self, joynet: AsyncJoyNet) -> None:
        self._joynet = joynet
        self.answers, self.failures = Counter(), Counter()
        self.is_over = False

    async def ask_for_ever(self) -> None:
        """One direct call after the other, at a pace that the escrow lasts for."""
        while not self.is_over:
            await self.ask("none")
            await asyncio.sleep(PAUSE_S)

    async def ask(self, verify: str) -> None:
        """One call; a failure is counted by its kind, a wrong answer ends the test."""
        try:
            result = await self._joynet.inference.run(
                "digits.joy", SAMPLE.read_bytes(), verify=verify
            )
        except RefundedError:
            self.failures["refunded"] += 1
        except JoyNetError as error:
            self.failures[error.code] += 1
            await asyncio.sleep(0.1)  # every node is down or busy
        else:
            assert result.decoded.value["label"] == "7"
            result.receipt_file.verify()
            self.answers[verify] += 1


def ledger_is_whole(network: Network, node_id: int) -> bool:
    """SQLite finds nothing wrong with the ledger of a node that was killed."""
    with closing(sqlite3.connect(network.node_home(node_id) / "node/ledger.db")) as ledger:
        return ledger.execute("PRAGMA integrity_check").fetchone()[0] == "ok"


def kill_and_restart(network: Network, node_id: int, chance: random.Random) -> float:
    """kill -9 at a random moment; returns the seconds until the node serves again."""
    time.sleep(chance.uniform(0, 1))  # the random moment
    network.kill(node_id)
    assert ledger_is_whole(network, node_id)
    started = time.monotonic()
    network.restart(node_id)
    network.wait_ready(node_id)
    return time.monotonic() - started


async def kill_under_load(network: Network, load: Load) -> list[float]:
    """All rounds; returns the restart times in seconds."""
    chance, times = random.Random(2), []
    callers = [asyncio.create_task(load.ask_for_ever()) for _ in range(CALLERS)]
    for number in range(ROUNDS):
        victim = 1 + number % len(network.report["nodes"])
        jobs = [load.ask("redundant:3")] if number % COMMITTEE_EVERY == 0 else []
        committee = [asyncio.create_task(job) for job in jobs]
        times.append(await asyncio.to_thread(kill_and_restart, network, victim, chance))
        await asyncio.gather(*committee)
        assert all(not caller.done() for caller in callers)
    load.is_over = True
    await asyncio.gather(*callers)
    return times


async def settle(network: Network, joynet: AsyncJoyNet) -> None:
    """Later calls settle the lanes whose last request was left open."""
    while pending := network.pending_lanes():
        operator = next(iter(pending))
        await joynet.inference.run("digits.joy", SAMPLE.read_bytes(), only=[operator])
        assert network.pending_lanes().total() < pending.total()


async def soak(network: Network, joynet: AsyncJoyNet, load: Load) -> list[float]:
    """Kill, then settle."""
    async with joynet.connected():
        times = await kill_under_load(network, load)
        await settle(network, joynet)
    return times


def test_fifty_kills_under_load(network):
    joynet = network.client()
    joynet.payments.deposit(400 * 10**18)
    load = Load(joynet)
    try:
        times = asyncio.run(soak(network, joynet, load))
        jobs = load.answers["redundant:3"] + load.failures["refunded"]
        proof = joynet.chain.contract("ProofOfInference")
        client = {"client": network.payer}
        requested = [e.args["job_id"] for e in proof.events("Requested", filters=client)]
        finals = Counter(e.args["job_id"] for e in proof.events("Finalised"))
        assert len(requested) == len(set(requested))
        assert set(finals.values()) == {1}, "a job is paid once"
    finally:
        joynet.close()
    assert max(times) <= RESTART_S, sorted(times)[-3:]
    assert load.answers["none"] > ROUNDS
    network.check_money()
    RESULTS.write_text(
        "# kill -9 of nodes under load\n\n"
        f"{ROUNDS} kills over {len(network.report['nodes'])} nodes, {CALLERS} callers and a "
        f"committee job every {COMMITTEE_EVERY} rounds.\n\n"
        "| | |\n|---|---:|\n"
        f"| answers, all right, all receipts good | {load.answers['none']} |\n"
        f"| committee jobs decided, of {jobs} | {load.answers['redundant:3']} |\n"
        f"| calls that failed and cost nothing | {sum(load.failures.values())} |\n"
        f"| restart until it serves, median | {median(times):.1f} s |\n"
        f"| restart until it serves, longest | {max(times):.1f} s |\n"
        "| books balanced to the wei | yes |\n"
    )
