"""The devnet's own life: start, kill, restart, reset."""

import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from joynet_sdk.chain import ChainSession, Devnet
from joynet_sdk.chain.rpc import Rpc, RpcError
from joynet_sdk.errors import InvalidInputError, NotFoundError, UnavailableError
from joynet_sdk.types import DEVELOPMENT_CHAIN_IDS

BOB = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
DEADLINE_S = 60


@pytest.fixture
def devnet(anvil_binary, tmp_path):
    devnet = Devnet(tmp_path / "home")
    yield devnet
    devnet.down()


def wait_until(is_true, what):
    deadline = time.monotonic() + DEADLINE_S
    while not is_true():
        assert time.monotonic() < deadline, f"still waiting for {what}"
        time.sleep(0.02)


def kill(devnet, name):
    process = devnet._files.read_processes()[name]
    os.kill(process.pid, signal.SIGKILL)
    wait_until(lambda: not process.is_alive(), f"{name} to die")
    wait_until(lambda: not devnet.status().is_running, "the devnet to stop")
    return process


def wait_for_dump(devnet):
    """Wait until what is on the chain now is on disk."""
    before = devnet._files.state.stat().st_mtime_ns if devnet._files.state.exists() else 0
    changed = []

    def is_newer():
        now = devnet._files.state.stat().st_mtime_ns if devnet._files.state.exists() else 0
        if now > (changed[-1] if changed else before):
            changed.append(now)
        return len(changed) >= 2  # the first may have begun before the call

    wait_until(is_newer, "a dump")


def balance(devnet, address=BOB):
    with ChainSession(devnet.url, devnet.home) as session:
        return session.balance(address)


def block_hash(devnet, tag):
    with Rpc(devnet.url) as rpc:
        return rpc.call("eth_getBlockByNumber", tag, False)["hash"]


def test_up_is_idempotent_and_remembers_its_chain(devnet):
    first = devnet.up()
    assert first.chain_id in DEVELOPMENT_CHAIN_IDS
    assert devnet.up().pid == first.pid
    genesis = block_hash(devnet, "0x0")
    for _ in range(3):  # anvil makes a second block 0 on each load
        wait_for_dump(devnet)
        devnet.down()
        assert not devnet.status().is_running
        again = devnet.up()
        assert (again.chain_id, again.url) == (first.chain_id, first.url)
        assert block_hash(devnet, "0x0") == block_hash(devnet, "earliest") == genesis


def test_blocks_come_every_second_and_on_each_transaction(devnet):
    devnet.up()
    with devnet.session() as session:
        start = session.block_number()
        session.wait_until(lambda: session.block_number() >= start + 2, "two idle blocks", 30)
        began = time.monotonic()
        session.transfer(BOB, 1)
        session.transfer(BOB, 1)
        assert balance(devnet) == 2
        assert time.monotonic() - began < 10


def test_two_homes_share_nothing(devnet, tmp_path):
    other = Devnet(tmp_path / "other")
    try:
        one, two = devnet.up(), other.up()
        assert one.url != two.url
        assert devnet.deployer().address != other.deployer().address
    finally:
        other.down()


@pytest.mark.parametrize("victim", ["anvil", "keeper"])
def test_kill_9_loses_at_most_the_last_second(devnet, victim):
    devnet.up()
    devnet.fund(BOB, eth_wei=5)
    wait_for_dump(devnet)
    processes = devnet._files.read_processes()
    kill(devnet, victim)
    wait_until(lambda: not processes["anvil"].is_alive(), "anvil to go with its keeper")
    devnet.up()
    assert balance(devnet) == 5


def test_clean_stop_loses_nothing(devnet):
    devnet.up()
    devnet.fund(BOB, eth_wei=7)
    devnet.down()
    devnet.up()
    assert balance(devnet) == 7


def test_damaged_state_falls_back_to_the_copy_before(devnet):
    devnet.up()
    devnet.fund(BOB, eth_wei=5)
    wait_for_dump(devnet)
    wait_for_dump(devnet)
    kill(devnet, "anvil")
    state = devnet._files.state
    state.write_bytes(state.read_bytes()[:-200])
    devnet.up()
    assert balance(devnet) == 5


def test_time_travel_survives_a_restart_and_time_never_falls(devnet):
    devnet.up()
    with Rpc(devnet.url) as rpc:
        before = int(rpc.call("eth_getBlockByNumber", "latest", False)["timestamp"], 16)
    after = devnet.time_travel(86_400)
    assert after >= before + 86_400
    wait_for_dump(devnet)
    kill(devnet, "anvil")
    head = devnet.up()
    assert head.time >= after
    with ChainSession(devnet.url, devnet.home) as session:
        number = session.block_number()
        session.wait_until(lambda: session.block_number() > number + 1, "new blocks", 10)
        times = [int(session.block(n)["timestamp"], 16) for n in range(session.block_number() + 1)]
    assert times == sorted(times)
    with pytest.raises(InvalidInputError):
        devnet.time_travel(0)


def test_reset_gives_another_chain(devnet):
    first = devnet.up()
    devnet.fund(BOB, eth_wei=5)
    devnet.reset()
    assert not devnet.status().is_running
    second = devnet.up()
    assert second.chain_id != first.chain_id
    assert second.chain_id in DEVELOPMENT_CHAIN_IDS
    assert balance(devnet) == 0


def test_snapshot_and_restore(devnet):
    devnet.up()
    devnet.fund(BOB, eth_wei=5)
    devnet.snapshot("before")
    devnet.fund(BOB, eth_wei=5)
    devnet.restore("before")
    assert balance(devnet) == 5
    devnet.fund(BOB, eth_wei=3)  # the journal does not send again what was undone
    assert balance(devnet) == 8
    with pytest.raises(NotFoundError, match="after"):
        devnet.restore("after")
    with pytest.raises(InvalidInputError):
        devnet.snapshot("../up")


def test_taken_port_is_given_up(devnet):
    first = devnet.up()
    devnet.down()
    port = int(first.url.rpartition(":")[2])
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.bind(("127.0.0.1", port))
        squatter.listen()
        second = devnet.up()
        assert second.is_running
        assert second.url != first.url
        assert second.chain_id == first.chain_id


def test_stale_process_file_never_kills_a_stranger(devnet):
    devnet.up()
    kill(devnet, "keeper")
    stranger = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        document = f'{{"pid": {stranger.pid}, "started": 1}}'
        devnet._files.process.write_text(f'{{"keeper": {document}, "anvil": {document}}}')
        assert not devnet.status().is_running
        devnet.down()
        devnet.up()
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.communicate()


def test_two_at_once_start_one(devnet):
    code = (
        "import sys; from pathlib import Path; from joynet_sdk.chain import Devnet\n"
        f"print(Devnet(Path({str(devnet.home)!r})).up().pid)"
    )
    command = [sys.executable, "-c", code]
    children = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(3)]
    pids = {child.communicate(timeout=60)[0].strip() for child in children}
    assert len(pids) == 1
    assert devnet.status().is_running


def test_oversized_contract_is_refused(devnet):
    """EIP-170 and EIP-3860 are on: 24,577 bytes of code, 49,153 of initcode."""
    devnet.up()
    with Rpc(devnet.url) as rpc:
        too_big = {"data": "0x" + "61600160f3".replace("60f3", "5ff3")}  # return 24,577 zeros
        with pytest.raises(RpcError, match="(?i)size"):
            rpc.call("eth_estimateGas", too_big)
        just_fits = {"data": "0x" + "6160005ff3"}
        assert int(rpc.call("eth_estimateGas", just_fits), 16) > 4_000_000
        with pytest.raises(RpcError, match="(?i)initcode|size"):
            rpc.call("eth_estimateGas", {"data": "0x" + "00" * 49_153})


def test_url_without_a_devnet_has_a_hint(devnet):
    with pytest.raises(UnavailableError, match="not running") as caught:
        _ = devnet.url
    assert caught.value.hint == "joynet devnet up"
    devnet.down()  # nothing to stop is fine


@pytest.mark.soak
def test_fifty_kills(devnet):
    for number in range(1, 51):
        devnet.up()
        devnet.fund(BOB, eth_wei=1)
        wait_for_dump(devnet)
        assert balance(devnet) == number
        kill(devnet, ("anvil", "keeper")[number % 2])
