"""Builds: the same bytes however they are made, and whatever interrupts them."""

import hashlib
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from joynet_sdk.compute.merging import executor
from joynet_sdk.errors import InvalidInputError, UnavailableError

DARE = """
merge_method: dare_ties
base_model: a
models:
  - {model: b, parameters: {weight: 0.6, density: 0.5}}
  - {model: c, parameters: {weight: 0.4, density: 0.7}}
seed: 5
"""
KILLED = """
import os, signal, sys
from pathlib import Path
from joynet_sdk.compute.merging.engine import MergeEngine
from joynet_sdk.fusion.mergekit_yaml import read_spec
from joynet_sdk.fusion.planning import make_plan

root, done = Path(sys.argv[1]), []
def finished(count):
    done.append(count)
    if len(done) == 5:
        os.kill(os.getpid(), signal.SIGKILL)

engine, spec = MergeEngine(), read_spec(root / "spec.yaml")
folders = {name: root / name for name in spec.references}
with engine.open(folders) as opened:
    plan = make_plan(spec.with_shards(10**6), opened)
engine.build(plan, folders, root / "out", workers=1, on_bytes=finished)
"""


@pytest.fixture
def three(bench):
    for seed, name in enumerate("abc"):
        bench.model(name, seed)
    return bench


def digests(folder: Path) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.iterdir())
    }


def test_same_bytes_with_any_number_of_workers_and_threads(three):
    expected = digests(three.build(DARE, "first", workers=1))
    threads = torch.get_num_threads()
    try:
        for count in (1, 4):
            torch.set_num_threads(count)
            out = three.build(DARE, f"again-{count}", workers=count)
            assert digests(out) == expected
            assert torch.get_num_threads() == count
    finally:
        torch.set_num_threads(threads)
    other = three.build(DARE.replace("seed: 5", "seed: 6"), "other")
    assert digests(other)["model.safetensors"] != expected["model.safetensors"]


def test_shards_hold_what_one_file_holds(bench):
    for seed, name in enumerate("ab"):
        bench.model(name, seed, rows=20_000)
    spec = bench.spec("merge_method: linear\nmodels: [{model: a}, {model: b}]")
    bench.build(spec, "whole")
    out = bench.build(spec.with_shards(10**6), "parts")
    whole, parts = bench.load("whole"), bench.load("parts")
    assert set(whole) == set(parts)
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    index = json.loads((out / "model.safetensors.index.json").read_text())
    files = {path.name for path in out.glob("*.safetensors")}
    assert len(files) > 1
    assert set(index["weight_map"].values()) == files
    assert set(index["weight_map"]) == set(whole)


def test_mixed_dtypes_are_aligned_in_the_file(bench):
    bench.model("a", 1, dtype=torch.bfloat16, more={"odd": torch.tensor([True] * 3),
                "wide": torch.ones(3, dtype=torch.float64)})  # fmt: skip
    bench.build("merge_method: passthrough\nmodels: [{model: a}]")
    made, source = bench.load("out"), bench.load("a")
    assert all(torch.equal(made[name], source[name]) for name in source)


class Interrupt:
    """Raises Ctrl-C once so many tensors are finished."""

    def __init__(self, after: int) -> None:
        self.left = after

    def __call__(self, count: int) -> None:
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt


def made_now(monkeypatch) -> list[str]:
    """Names of the tensors that are merged from now on."""
    names: list[str] = []
    merge = executor.merge

    def watched(method, inputs):
        names.append(inputs.name)
        return merge(method, inputs)

    monkeypatch.setattr(executor, "merge", watched)
    return names


def test_interrupted_build_goes_on_where_it_stopped(three, monkeypatch):
    expected = digests(three.build(DARE, "whole"))
    with pytest.raises(KeyboardInterrupt):
        three.build(DARE, workers=1, on_bytes=Interrupt(5))
    assert not (three.root / "out").exists()
    names = made_now(monkeypatch)
    told: list[int] = []
    out = three.build(DARE, workers=1, on_bytes=told.append)
    total = len(three.plan(DARE).tensors)
    assert len(names) <= total - 5
    assert len(told) == total
    assert digests(out) == expected
    assert not out.with_name("out.partial").exists()


def test_killed_build_goes_on_where_it_stopped(three, monkeypatch):
    expected = digests(three.build(three.spec(DARE).with_shards(10**6), "whole"))
    (three.root / "spec.yaml").write_text(DARE)
    argv = [sys.executable, "-c", KILLED, str(three.root)]
    run = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == -signal.SIGKILL, run.stderr[-2000:]
    names = made_now(monkeypatch)
    out = three.build(three.spec(DARE).with_shards(10**6))
    assert 0 < len(names) < len(three.plan(DARE).tensors)
    assert digests(out) == expected


def test_half_written_journal_line_is_made_again(three):
    expected = digests(three.build(DARE, "whole"))
    with pytest.raises(KeyboardInterrupt):
        three.build(DARE, workers=1, on_bytes=Interrupt(3))
    journal = three.root / "out.partial" / ".joynet-build"
    journal.write_bytes(journal.read_bytes()[:-4])
    assert digests(three.build(DARE)) == expected


def test_bytes_of_another_boot_are_not_trusted_unless_synced(three, monkeypatch):
    with pytest.raises(KeyboardInterrupt):
        three.build(DARE, workers=1, on_bytes=Interrupt(3))
    journal = three.root / "out.partial" / ".joynet-build"
    head, _, rest = journal.read_text().partition("\n")
    journal.write_text(f"{head.split()[0]} another-boot\n{rest}")
    names = made_now(monkeypatch)
    three.build(DARE)
    assert len(names) == len(three.plan(DARE).tensors)


def test_another_plan_does_not_take_up_the_rest(three):
    with pytest.raises(KeyboardInterrupt):
        three.build(DARE, workers=1, on_bytes=Interrupt(3))
    other = DARE.replace("0.6", "0.7")
    with pytest.raises(InvalidInputError, match="the beginning of another fusion"):
        three.build(other)
    assert three.build(other, is_fresh=True).is_dir()


def test_changed_parent_is_another_plan(three):
    with pytest.raises(KeyboardInterrupt):
        three.build(DARE, workers=1, on_bytes=Interrupt(3))
    weights = three.root / "b" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    with pytest.raises(InvalidInputError, match="the beginning of another fusion"):
        three.build(DARE)


def test_two_builds_of_one_folder_exclude_each_other(three):
    def second(count: int) -> None:
        with pytest.raises(UnavailableError, match="being built by another process"):
            three.build(DARE)

    assert three.build(DARE, on_bytes=second).is_dir()
    with pytest.raises(InvalidInputError, match="exists"):
        three.build(DARE)


def test_broken_weights_are_refused_and_nothing_appears(bench):
    bench.model("a", 1)
    bench.model("b", 2, more={"model.bad.weight": torch.tensor([1.0, float("nan")])})
    with pytest.raises(InvalidInputError, match=r"model\.bad\.weight"):
        bench.build("merge_method: linear\nmodels: [{model: a}, {model: b}]")
    assert not (bench.root / "out").exists()


def test_differences_are_those_of_numpy(bench):
    bench.model("a", 1)
    bench.model("b", 2, without="norm", more={"extra": torch.ones(2)})
    a, b = bench.load("a"), bench.load("b")
    found = {one.name: one for one in bench.engine.compare(bench.root / "a", bench.root / "b")}
    assert set(found) == {*a, *b}
    assert found["extra"].shapes == (None, (2,))
    assert found["model.norm.weight"].l2 is None
    x, y = a["lm_head.weight"].double().flatten(), b["lm_head.weight"].double().flatten()
    one = found["lm_head.weight"]
    assert one.l2 == pytest.approx(float((x - y).norm()))
    assert one.cosine == pytest.approx(float(x @ y / x.norm() / y.norm()))
    assert one.largest == pytest.approx(float((x - y).abs().max()))
    assert one.relative == pytest.approx(float((x - y).norm() / x.norm()))


@pytest.mark.soak
def test_memory_is_a_small_multiple_of_the_largest_tensor(bench, tmp_path):
    """Four parents of some 200 MB each; the largest tensor has 32 MB."""
    for seed, name in enumerate("abcd"):
        more = {f"model.layers.{n}.w": torch.randn(4096, 2048) for n in range(6)}
        bench.model(name, seed, layers=0, more=more)
    (bench.root / "spec.yaml").write_text(
        "merge_method: ties\nbase_model: a\nparameters: {density: 0.5}\n"
        "models: [{model: b}, {model: c}, {model: d}]"
    )
    program = KILLED.replace("if len(done) == 5:", "if False:") + PEAK
    argv = [sys.executable, "-c", program, str(bench.root)]
    run = subprocess.run(argv, capture_output=True, text=True, timeout=300, check=True)
    grown, largest, need = map(int, run.stdout.split())
    assert largest == 4096 * 2048 * 4
    assert need <= 5 * largest
    assert grown <= need + 64 * 2**20, f"{grown / largest:.2f} x the largest tensor"


PEAK = """
import resource, shutil
from joynet_sdk.compute.merging import methods, ties
shutil.rmtree(root / "out")
def peak():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
open("/proc/self/clear_refs", "w").write("5")
before = peak()
engine.build(plan, folders, root / "out")
print(peak() - before, plan.largest, plan.peak)
"""
