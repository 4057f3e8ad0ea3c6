"""`joynet p2p`, parsed for real, with and without a running node."""

import asyncio
import json
import stat
import threading
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import pytest

from joynet_cli.main import run_cli
from joynet_sdk.node.control import ControlServer
from joynet_sdk.p2p.host import LOOPBACK, P2PHost
from joynet_sdk.p2p.identity import Identity, load_or_create

NO_NODE = "no-node"


def actions_of(host):
    """What a node's control API can do with its host, and nothing of its chain."""

    async def status(_):
        return {"addrs": host.addrs}

    async def peers(_):
        return [asdict(peer) for peer in await host.peers()]

    async def connect(body):
        return {"peer_id": await host.connect(body["address"])}

    async def ping(body):
        return {"ms": await host.ping(body["peer_id"])}

    return {"status": status, "peers": peers, "connect": connect, "ping": ping}


@contextmanager
def running(home=Path(NO_NODE)):
    """A host on a loop of its own; with a home, behind a control API like a node's."""
    ready, loop = threading.Event(), asyncio.new_event_loop()
    box: list[P2PHost] = []

    async def main(stop: asyncio.Event) -> None:
        async with P2PHost(Identity.generate().private_key, [LOOPBACK]) as host:
            box.append(host)
            server = ControlServer(home / "node", actions_of(host), bytes, lambda: True)
            if home.name != NO_NODE:
                (home / "node").mkdir(parents=True)
                await server.start()
            ready.set()
            await stop.wait()
            await server.stop()

    stop = asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(main(stop)))
    thread.start()
    assert ready.wait(20)
    try:
        yield box[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


def joynet(home, *words):
    return run_cli([*words, "--json"], env={"JOYNET_HOME": str(home)})


def test_id_makes_a_private_key_once(tmp_path):
    first = joynet(tmp_path, "p2p", "id").value
    key_file = tmp_path / "peer.key"
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    assert first["peer_id"] == load_or_create(key_file).peer_id
    assert joynet(tmp_path, "p2p", "id").value == first
    assert run_cli(["p2p", "id"], env={"JOYNET_HOME": str(tmp_path)}).stdout.split() == [
        first["peer_id"]
    ]


def test_id_refuses_a_key_that_others_can_read(tmp_path):
    joynet(tmp_path, "p2p", "id")
    (tmp_path / "peer.key").chmod(0o644)
    result = joynet(tmp_path, "p2p", "id")
    assert result.exit_code == 4
    assert "chmod 600" in result.document["error"]["hint"]


def test_without_a_node_ping_and_connect_dial_for_themselves(tmp_path):
    with running() as host:
        pinged = joynet(tmp_path, "p2p", "ping", host.addrs[0], "--count", "2").value
        assert pinged["count"] == 2
        assert 0 < pinged["min_ms"] <= pinged["max_ms"]
        connected = joynet(tmp_path, "p2p", "connect", host.addrs[0]).value
        assert (connected["peer_id"], connected["kept"]) == (host.peer_id, False)


def test_without_a_node_peers_says_what_to_start(tmp_path):
    result = joynet(tmp_path, "p2p", "peers")
    assert result.exit_code == 5
    assert result.document["error"]["hint"] == "joynet node start"


@pytest.mark.parametrize("command", ["ping", "connect"])
def test_bad_address_and_dead_peer(command, tmp_path):
    assert joynet(tmp_path, "p2p", command, "/ip4/1.2.3.4").exit_code == 2
    dead = "/ip4/127.0.0.1/tcp/9/p2p/" + Identity.generate().peer_id
    result = joynet(tmp_path, "p2p", command, dead)
    assert result.exit_code == 6
    assert "no answer from" in result.document["error"]["message"]


def test_a_running_node_is_asked(tmp_path):
    with running(tmp_path) as node, running() as other:
        assert joynet(tmp_path, "p2p", "id").value["addrs"] == node.addrs
        assert joynet(tmp_path, "p2p", "peers").value == []
        assert joynet(tmp_path, "p2p", "connect", other.addrs[0]).value["kept"] is True
        (peer,) = joynet(tmp_path, "p2p", "peers").value
        assert (peer["peer_id"], peer["is_inbound"]) == (other.peer_id, False)
        table = run_cli(["p2p", "peers"], env={"JOYNET_HOME": str(tmp_path)})
        assert other.peer_id in table.stdout
        assert joynet(tmp_path, "p2p", "ping", other.peer_id).value["count"] == 3
        dead = "/ip4/127.0.0.1/tcp/9/p2p/" + Identity.generate().peer_id
        assert joynet(tmp_path, "p2p", "connect", dead).exit_code == 6
        stranger = Identity.generate().peer_id
        assert joynet(tmp_path, "p2p", "ping", stranger).exit_code == 6


def test_refused_token_and_stopped_node(tmp_path):
    with running(tmp_path):
        control = tmp_path / "node" / "control.json"
        document = json.loads(control.read_text())
        control.write_text(json.dumps({**document, "token": "wrong"}))
        assert joynet(tmp_path, "p2p", "peers").exit_code == 4
        control.write_text("{")
        assert joynet(tmp_path, "p2p", "peers").exit_code == 5
    assert joynet(tmp_path, "p2p", "peers").exit_code == 5
