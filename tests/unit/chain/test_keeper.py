import gzip
import json
import os
import subprocess
import sys

import pytest

from joynet_sdk.chain._keeper import DevnetConfig, Files, first_timestamp, prepare
from joynet_sdk.processes import Process

CONFIG = DevnetConfig(chain_id=412_346_001, port=1, genesis_time=1_000)


def block(number, *, timestamp=0, transactions=()):
    header = {"number": hex(number), "timestamp": hex(timestamp)}
    return {"header": header, "transactions": list(transactions)}


def state(head, blocks):
    return {"block": {"number": hex(head), "timestamp": hex(2_000)}, "blocks": blocks}


def dump(number):
    return gzip.compress(json.dumps(state(number, [block(number)])).encode())


def test_second_genesis_is_dropped():
    true, false = block(0, timestamp=1_000), block(0, timestamp=1_500)
    assert prepare(state(1, [false, true, block(1)]), CONFIG)["blocks"] == [true, block(1)]


def test_old_empty_blocks_are_dropped_but_not_those_with_transactions():
    blocks = [block(1), block(2, transactions=["tx"]), block(2_000)]
    assert prepare(state(2_000, blocks), CONFIG)["blocks"] == blocks[1:]


@pytest.mark.parametrize(
    ("written", "now", "expected"),
    [
        (2_000.0, 2_500.4, 2_500),  # in step with the wall clock
        (1_000.0, 1_600.0, 2_600),  # 1,000 s ahead by time-travel: still ahead
        (2_000.0, 1_500.0, 2_001),  # the wall clock was set back: never before the head
    ],
)
def test_clock_goes_on(written, now, expected):
    assert first_timestamp(state(5, []), written, now) == expected


def test_newest_state_wins_and_the_one_before_is_kept(tmp_path):
    files = Files(tmp_path)
    assert files.read_state() is None
    for number in (1, 2, 3):
        files.write_state(dump(number))
    assert files.read_state()[0]["block"]["number"] == "0x3"
    assert json.loads(gzip.decompress(files.previous.read_bytes()))["block"]["number"] == "0x2"


@pytest.mark.parametrize(
    "damage",
    [
        lambda raw: raw[: len(raw) // 2],
        lambda raw: b"",
        lambda raw: b"not gzip",
        lambda raw: raw[:20] + bytes([raw[20] ^ 1]) + raw[21:],
        lambda raw: gzip.compress(b"{}"),
        lambda raw: gzip.compress(b"[1]"),
    ],
)
def test_damaged_state_falls_back_to_the_copy_before(tmp_path, damage):
    files = Files(tmp_path)
    files.write_state(dump(1))
    files.write_state(dump(2))
    files.state.write_bytes(damage(files.state.read_bytes()))
    assert files.read_state()[0]["block"]["number"] == "0x1"
    assert (tmp_path / "damaged-state.json.gz").exists()


def test_config_is_remembered(tmp_path):
    files = Files(tmp_path)
    assert files.read_config() is None
    files.write_config(CONFIG)
    assert files.read_config() == CONFIG
    files.config.write_text("{")
    assert files.read_config() is None


def test_stop_never_touches_a_process_that_took_over_the_pid():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        real = Process.of(child.pid)
        Process(child.pid, real.started - 1).stop(5)
        assert real.is_alive()
        real.stop(5)
        assert child.wait(5) != 0
        assert not real.is_alive()
        real.stop(5)  # gone already: nothing happens
    finally:
        child.kill()
        child.communicate()


def test_stop_kills_what_ignores_the_request():
    code = "from signal import *; signal(SIGTERM, SIG_IGN); print(1, flush=True); input()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    child = subprocess.Popen([sys.executable, "-c", code], **pipes)
    try:
        child.stdout.readline()
        Process.of(child.pid).stop(0.2)
        assert child.wait(5) == -9
    finally:
        child.kill()
        child.communicate()


def test_no_such_process():
    assert Process.of(2**22 + 1) is None
    assert Process.of(os.getpid()).is_alive()
