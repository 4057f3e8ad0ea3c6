"""Bootstrap peers are dialled again and again; peers of heartbeats only when asked."""

import pytest

from joynet_sdk.errors import UnavailableError
from joynet_sdk.p2p.discovery import dial_peers
from joynet_sdk.p2p.host import LOOPBACK, P2PHost
from joynet_sdk.p2p.identity import Identity


def sees(host: P2PHost, other: P2PHost):
    async def check() -> bool:
        return other.peer_id in [peer.peer_id for peer in await host.peers()]

    return check


def test_bootstrap_peer_is_found_and_found_again(play, until):
    async def scenario(stage):
        key = Identity.generate()
        seed = P2PHost(key.private_key, [LOOPBACK])
        await seed.start()
        address = seed.addrs[0]
        node = await stage.host(bootstrap=[address])
        await until(sees(node, seed))
        await seed.stop()
        async with P2PHost(key.private_key, [address.partition("/p2p/")[0]]) as again:
            await until(sees(node, again))

    play(scenario)


def test_dead_bootstrap_peer_delays_nothing(play, until):
    async def scenario(stage):
        seed = await stage.host()
        dead = seed.addrs[0]
        await seed.stop()
        other = await stage.host()
        node = await stage.host(bootstrap=[dead, other.addrs[0]])
        await until(sees(node, other))

    play(scenario)


def test_own_address_in_the_bootstrap_list_is_skipped(play, until):
    async def scenario(stage):
        key = Identity.generate()
        probe = P2PHost(key.private_key, [LOOPBACK])
        await probe.start()
        address = probe.addrs[0]
        await probe.stop()
        other = await stage.host()
        listen = address.partition("/p2p/")[0]
        async with P2PHost(key.private_key, [listen], [address, other.addrs[0]]) as node:
            await until(sees(node, other))
            assert node.is_running

    play(scenario)


def test_dial_peers_takes_the_address_that_answers(play):
    async def scenario(stage):
        node, first, second, third = [await stage.host() for _ in range(4)]
        dead = "/ip4/127.0.0.1/tcp/9/p2p/" + first.peer_id
        wanted = [dead, first.addrs[0], "junk", node.addrs[0], second.addrs[0], third.addrs[0]]
        found = await dial_peers(node, wanted, limit=2)
        assert found == {first.peer_id: first.addrs[0], second.peer_id: second.addrs[0]}
        assert await dial_peers(node, wanted[:2]) == {}  # connected already
        assert len(await node.peers()) == 2

    play(scenario)


def test_hosts_do_not_dial_on_their_own(play):
    async def scenario(stage):
        hub = await stage.host()
        left, right = await stage.host(), await stage.host()
        await left.connect(hub.addrs[0])
        await right.connect(hub.addrs[0])
        await left.ping(hub.peer_id)
        with pytest.raises(UnavailableError):
            await left.ping(right.peer_id)
        assert [peer.peer_id for peer in await left.peers()] == [hub.peer_id]

    play(scenario)
