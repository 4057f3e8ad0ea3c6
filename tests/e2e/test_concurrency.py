"""Many calls at once from one client, a node killed under them, and the money afterwards."""

import asyncio
from collections import Counter

import pytest

from joynet_sdk.client import AsyncJoyNet
from joynet_sdk.inference.service import Result
from joynet_sdk.quickstart import SAMPLE

from .harness import Network

pytestmark = pytest.mark.xdist_group("e2e")

CALLS = 32


async def infer_at_once(joynet: AsyncJoyNet, calls: int, operator: str) -> list[Result]:
    """Calls to one node, over one libp2p host."""
    async with joynet.connected():
        work = [
            joynet.inference.run("digits.joy", SAMPLE.read_bytes(), only=[operator])
            for _ in range(calls)
        ]
        return await asyncio.gather(*work)


async def infer_while_a_node_dies(
    joynet: AsyncJoyNet, network: Network, victim: int
) -> list[Result | BaseException]:
    """The same, and kill -9 of a node as soon as one call has its answer."""
    async with joynet.connected():
        calls = [
            asyncio.create_task(joynet.inference.run("digits.joy", SAMPLE.read_bytes()))
            for _ in range(CALLS)
        ]
        await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
        network.kill(victim)
        assert not all(call.done() for call in calls), "killed too late"
        return await asyncio.gather(*calls, return_exceptions=True)


def test_32_calls_at_once_through_a_kill_reconcile_to_the_wei(network):
    joynet = network.client()
    try:
        model_id = joynet.inference.resolve("digits.joy")
        victim = joynet.inference.routes(model_id)[0].node_id  # whom all ask first
        results = asyncio.run(infer_while_a_node_dies(joynet, network, victim))
        assert [r for r in results if not isinstance(r, Result)] == []
        assert {result.decoded.value["label"] for result in results} == {"7"}
        receipts = [result.receipt_file.receipt for result in results]
        assert len({receipt.voucher_hash for receipt in receipts}) == CALLS
        asked = Counter(receipt.operator for receipt in receipts)
        assert len(asked) >= 2, "calls went elsewhere when the node died"
        assert network.pending_lanes(), "some calls to it were never answered"

        network.restart(victim)
        network.wait_ready(victim)
        while pending := network.pending_lanes():  # later calls settle the open lanes first
            operator = next(iter(pending))
            later = asyncio.run(infer_at_once(joynet, min(pending[operator], 8), operator))
            assert {result.decoded.value["label"] for result in later} == {"7"}
            assert network.pending_lanes().total() < pending.total()
    finally:
        joynet.close()
    network.check_money()
