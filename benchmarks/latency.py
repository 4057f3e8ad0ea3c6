"""What a MiniLM call over the network costs more than the bare transformers call, and where.

A whole network with one node is brought up; its node is started again with timed steps. Medians
of RUNS calls.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.stopwatch import Stopwatch, cpu_ms, machine
from joynet_sdk import quickstart
from joynet_sdk.client import AsyncJoyNet
from joynet_sdk.compute.embedding import EmbeddingEngine
from joynet_sdk.inference import service
from joynet_sdk.inference.lanes import VoucherBook
from joynet_sdk.inference.service import Inference
from joynet_sdk.node import launch
from joynet_sdk.node.control import ask, read_control
from joynet_sdk.p2p.inferclient import InferClient
from joynet_sdk.payments import Payments
from joynet_sdk.settings import Settings
from joynet_sdk.storage.library import Library

WARM_UP, RUNS = 5, 5
TEXT = "Names mean models."
CLIENT_STEPS = (
    (Inference, "resolve", "resolve the name"),
    (Inference, "routes", "read offers, choose nodes"),
    (Library, "load", "load the manifest"),
    (VoucherBook, "row", "read the voucher book"),
    (VoucherBook, "write", "write the voucher book (fsync)"),
    (VoucherBook, "promised", "read the voucher book"),
    (Payments, "ensure_allocation", "check the allocation"),
    (service, "sign", "sign the voucher"),
    (service, "check_receipt", "check the answer and its receipt"),
    (InferClient, "connect", "connect (to a peer that is)"),
)
WHOLES = ("handle", "worker")  # that other steps are parts of


@dataclass(frozen=True)
class Cost:
    """Of one call, in ms: wall, and CPU over all processes that took part."""

    wall: float
    cpu: float


class Meter:
    """Costs of the calls made inside `measuring`."""

    def __init__(self, pids: Callable[[], list[int]]) -> None:
        self._pids, self._costs = pids, list[Cost]()

    @contextmanager
    def measuring(self) -> Iterator[None]:
        """Measure the block."""
        before, started = sum(map(cpu_ms, self._pids())), time.perf_counter()
        yield
        wall = 1000 * (time.perf_counter() - started)
        self._costs.append(Cost(wall, sum(map(cpu_ms, self._pids())) - before))

    def median(self) -> Cost:
        """Of the last RUNS."""
        last = self._costs[-RUNS:]
        return Cost(median(c.wall for c in last), median(c.cpu for c in last))


def bare_call(store_home: Path, model_id: bytes) -> Callable[[], bytes]:
    """The same engine in this process: transformers, one thread, and nothing else."""
    from joynet_sdk.storage.blocks import DiskBlockStore
    from joynet_sdk.storage.manifest import load_manifest

    store = DiskBlockStore(store_home / "store", quota_bytes=10**10)
    manifest = load_manifest(store, model_id)
    store.close()
    engine = EmbeddingEngine(manifest, store_home / "node/models" / model_id.hex())
    return lambda: engine.run(TEXT.encode())


def start_traced(home: Path, report: quickstart.Report, trace: Path) -> None:
    """Start the node of a home again, with its steps timed."""
    launch.stop(home)
    password = (home.parent / "password").read_text().strip()
    settings = launch.Launch(
        home=home,
        url=report.url,
        operator=quickstart.OPERATOR,
        password=password,
        listen=(report.nodes[0]["endpoint"].partition("/p2p/")[0],),
        bootstrap=(),
        quota_bytes=10**10,
    )
    module = [sys.executable, "-m", "benchmarks.traced_node"]
    process = subprocess.Popen(
        [*module, "--trace", str(trace), "--home", str(home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdin is not None
    process.stdin.write(settings.encode())
    process.stdin.close()
    launch.wait_ready(home, process)
    while not _is_ready(home):
        time.sleep(0.1)


def _is_ready(home: Path) -> bool:
    """All models are loaded."""
    states = [model["state"] for model in ask(home, "status")["models"]]
    return bool(states) and not {*states} - {"warm", "hot"}


def tree(root: int) -> list[int]:
    """A process and its children."""
    children = Path(f"/proc/{root}/task/{root}/children").read_text().split()
    return [root, *(pid for child in children for pid in tree(int(child)))]


def call_bare(engine: Callable[[], bytes], meter: Meter) -> None:
    """The bare calls, all before the paid ones: in turn, two copies of the weights would evict
    each other from the CPU's cache."""
    for _ in range(WARM_UP + RUNS):
        with meter.measuring():
            engine()


async def call_paid(joynet: AsyncJoyNet, watch: Stopwatch, meter: Meter) -> None:
    """Paid calls over one kept libp2p host, as an application makes them."""
    async with joynet.connected():
        watch.watch(joynet._client, "infer", "round trip")
        watch.watch(joynet.inference, "run", "all")
        for number in range(WARM_UP + RUNS):
            if number == WARM_UP:
                watch.forget()
            with meter.measuring():
                await joynet.inference.run("minilm.joy", TEXT.encode())


def run(tell: Callable[[str], None] = print) -> str:
    """Everything; returns the report in Markdown."""
    with tempfile.TemporaryDirectory(prefix="joynet-bench-") as scratch:
        home = Path(scratch)
        options = quickstart.Options(nodes=1, keep=True)
        report = quickstart.run(home, options, lambda text: tell(f"- {text}"))
        try:
            return _measure(home, report)
        finally:
            quickstart.down(home)


def _measure(home: Path, report: quickstart.Report) -> str:
    node_home, trace = Path(report.nodes[0]["home"]), home / "trace.json"
    start_traced(node_home, report, trace)
    node = read_control(node_home).process.pid
    engine = bare_call(node_home, bytes.fromhex(report.models["minilm.joy"][2:]))
    watch = Stopwatch()
    for owner, function, name in CLIENT_STEPS:
        watch.watch(owner, function, name)
    password = (home / "quickstart/password").read_text().strip()
    settings = Settings(network=report.url, account=quickstart.CLIENT)
    joynet = AsyncJoyNet(home, settings, password=lambda _: password)
    bare, paid = Meter(lambda: [os.getpid()]), Meter(lambda: [os.getpid(), *tree(node)])
    call_bare(engine, bare)
    asyncio.run(call_paid(joynet, watch, paid))
    joynet.close()
    launch.stop(node_home)
    return render(bare.median(), paid.median(), watch, json.loads(trace.read_text()))


def render(alone: Cost, whole: Cost, watch: Stopwatch, trace: dict[str, list[float]]) -> str:
    """The report: both calls, the ratio, and a table of where the difference goes."""
    node = Stopwatch()
    node.times |= {name: times[-RUNS:] for name, times in trace.items()}
    total, handled = watch.per_call("all", RUNS), node.per_call("handle", RUNS)
    trip, worker = watch.per_call("round trip", RUNS), node.per_call("worker", RUNS)
    client = {name: watch.per_call(name, RUNS) for _, _, name in CLIENT_STEPS}
    inside = {f"node: {n}": node.per_call(n, RUNS) for n in node.times if n not in WHOLES}
    rows = client | {
        "client: the rest": total - trip - sum(client.values()),
        "libp2p: stream, frames, two event loops": trip - handled,
        **inside,
        "node: the rest": handled - worker - sum(inside.values()),
        "node: worker beyond the bare call (queue, pipe, process switch)": worker - alone.wall,
        "engine (the bare call)": alone.wall,
    }
    lines = [
        "# Latency of one MiniLM call",
        "",
        f"{machine()}. One node on the same machine.",
        f"Median of {RUNS} calls after {WARM_UP} to warm up.",
        "",
        "| | wall, ms | CPU, ms |",
        "|---|---:|---:|",
        f"| bare transformers call | {alone.wall:.1f} | {alone.cpu:.1f} |",
        f"| over the network, paid, with a receipt | {whole.wall:.1f} | {whole.cpu:.1f} |",
        f"| added | {whole.wall - alone.wall:.1f} | {whole.cpu - alone.cpu:.1f} |",
        f"| ratio | {whole.wall / alone.wall:.2f} | {whole.cpu / alone.cpu:.2f} |",
        "",
        "| where the time goes | wall, ms (mean) |",
        "|---|---:|",
        *(f"| {name} | {ms:.2f} |" for name, ms in rows.items()),
        f"| in all | {total:.2f} |",
        "",
    ]
    return "\n".join(lines)
