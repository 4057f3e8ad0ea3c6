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


async def infer_at_once(joynet: AsyncJoyNet, **options) -> list[Result | BaseException]:
    """Many calls over one libp2p host."""
    async with joynet.connected():
        work = [
            joynet.inference.run("digits.joy", SAMPLE.read_bytes(), **options) for _ in range(CALLS)
        ]
        return await asyncio.gather(*work, return_exceptions=True)


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
        assert network.pending_lanes() > 0, "some calls to it were never answered"

        network.restart(victim)
        network.wait_ready(victim)
        # As many calls at once use every lane to the node again, so each of them is settled; a
        # node takes 16 from one peer at a time and refuses the others.
        while network.pending_lanes():
            results = asyncio.run(infer_at_once(joynet, only=[str(victim)]))
            refusals = [r.wire_code for r in results if not isinstance(r, Result)]
            assert set(refusals) <= {"overloaded"}
            assert len(refusals) < CALLS
    finally:
        joynet.close()
    network.check_money()
