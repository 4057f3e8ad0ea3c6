"""Limits, the heartbeat table, and what a missing libp2p says."""

from importlib import metadata

import pytest

from joynet_sdk.errors import InvalidInputError, MissingDependencyError
from joynet_sdk.p2p.heartbeats import HeartbeatTable, LatestHeartbeat
from joynet_sdk.p2p.limits import Limits
from joynet_sdk.p2p.messages import Heartbeat
from joynet_sdk.p2p.requirements import require_libp2p
from joynet_sdk.p2p.swarm import PeerLimits


def entry(operator: int, seq: int = 1, received_at: float = 1e12) -> LatestHeartbeat:
    heartbeat = Heartbeat(
        operator=operator.to_bytes(20, "big"),
        peer_id="p",
        seq=seq,
        time=0,
        addrs=[],
        cell="",
        capacity=0,
        queue=0,
        models=[],
    )
    return LatestHeartbeat(heartbeat, b"", b"", received_at)


def test_full_table_takes_no_new_operator_but_updates_old_ones():
    table = HeartbeatTable(expire_s=60, max_operators=2)
    assert table.put(entry(1))
    assert table.put(entry(2))
    assert not table.put(entry(3))
    assert table.put(entry(1, seq=2))
    assert sorted(found.heartbeat.seq for found in table.live()) == [1, 2]


def test_expired_operators_make_room():
    table = HeartbeatTable(expire_s=60, max_operators=1)
    assert table.put(entry(1, received_at=0))
    assert table.put(entry(2))
    assert [found.heartbeat.operator[-1] for found in table.live()] == [2]


def test_limits_must_be_positive():
    with pytest.raises(InvalidInputError, match="max_requests is 0"):
        Limits(max_requests=0)


def test_strikes_add_up_fade_and_ban(monkeypatch):
    limits = PeerLimits(Limits(max_strikes=4, ban_s=100))
    now = 1000.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    assert not limits.strike("a", 3)
    limits.forgive()
    assert not limits.strike("a", 2)
    assert limits.strike("a", 1)
    assert limits.is_banned("a")
    assert not limits.acquire_connection("a", "1.2.3.4", "inbound")
    assert limits.refused["banned"] == 1
    now += 101
    assert not limits.is_banned("a")
    assert limits.acquire_connection("a", "1.2.3.4", "inbound")
    limits.release_connection("a", "1.2.3.4", "inbound")
    assert not limits._inbound_by_ip


def test_ban_list_is_bounded(monkeypatch):
    monkeypatch.setattr("joynet_sdk.p2p.swarm.MAX_BANS", 3)
    limits = PeerLimits(Limits(max_strikes=1))
    for peer in "abcde":
        limits.strike(peer)
    assert [limits.is_banned(peer) for peer in "abcde"] == [False, False, True, True, True]


@pytest.mark.parametrize("found", [None, "0.7.9", "0.5.0"])
def test_missing_or_old_libp2p_names_the_install_line(found, monkeypatch):
    def version(_: str) -> str:
        if found is None:
            raise metadata.PackageNotFoundError
        return found

    monkeypatch.setattr(metadata, "version", version)
    with pytest.raises(MissingDependencyError) as caught:
        require_libp2p()
    assert 'pip install "libp2p==0.8.1"' in caught.value.hint
    assert found is None or found in str(caught.value)


@pytest.mark.parametrize("found", ["0.8.1", "0.10.0", "1.0.0"])
def test_newer_libp2p_is_taken(found, monkeypatch):
    monkeypatch.setattr(metadata, "version", lambda _: found)
    assert require_libp2p() == found
