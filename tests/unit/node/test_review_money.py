"""Attacks on a node's purse: gas that callers make it burn, chain reads that strangers cause."""

import asyncio
import threading
from types import SimpleNamespace

from joynet_sdk.node.heartbeat import Heartbeats
from joynet_sdk.node.money import EscrowView

from .world import OTHER_PAYER, PAYER, PRICE, read, request, voucher


def pay(node, calls, payer=PAYER):
    promise = voucher(calls, calls * PRICE, payer=payer)
    frame = request(promise, signer=payer, request_id=calls.to_bytes(16, "big"))
    answer = read(asyncio.run(node.server.handle(frame, "peer")))
    assert answer.output, answer


def test_thaw_that_endangers_nothing_costs_no_gas(node):
    """A payer that thaws 1 wei and goes on calling must not make the node redeem every 15 s."""
    pay(node, 1)
    node.coordinator.allocations[PAYER.address].thawing = 1
    asyncio.run(node.redeemer.redeem_if_thawing())
    assert node.coordinator.transactions == 0
    node.coordinator.allocations[PAYER.address].thawing = 1000 - PRICE
    asyncio.run(node.redeemer.redeem_if_thawing())
    assert node.coordinator.transactions == 0, "what does not thaw covers the voucher"
    node.coordinator.allocations[PAYER.address].thawing = 1000 - PRICE + 1
    asyncio.run(node.redeemer.redeem_if_thawing())
    assert node.coordinator.transactions == 1
    assert node.coordinator.redeemed == PRICE


def test_every_endangered_payer_is_redeemed(node):
    node.coordinator.allocate(OTHER_PAYER.address, 1000)
    pay(node, 1)
    pay(node, 1, payer=OTHER_PAYER)
    for payer in (PAYER, OTHER_PAYER):
        node.coordinator.allocations[payer.address].thawing = 1000
    asyncio.run(node.redeemer.redeem_if_thawing())
    assert node.coordinator.redeemed == 2 * PRICE


class SlowChain:
    """Counts how many reads are under way at once; they end when `gate` opens."""

    def __init__(self):
        self.gate, self.lock = threading.Event(), threading.Lock()
        self.now = self.most = 0

    def contract(self, _):
        return self

    def call(self, *_):
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        self.gate.wait(5)
        with self.lock:
            self.now -= 1
        return {"amount": 0, "thawing": 0, "redeemed": 0}


def test_callers_without_escrow_do_not_flood_the_chain(node):
    """Keys are free: a stranger's request may cost a read, but votes must get through as well."""
    chain = SlowChain()
    escrow = EscrowView(chain, PAYER.address)

    async def flood():
        reads = [asyncio.create_task(escrow.refresh(f"0x{n:040x}")) for n in range(64)]
        for _ in range(100):
            await asyncio.sleep(0)
        chain.gate.set()
        await asyncio.gather(*reads)

    asyncio.run(flood())
    assert 1 <= chain.most <= 2


def test_heartbeats_of_strangers_are_not_remembered():
    """Anyone signs heartbeats with fresh keys; only registered operators may take memory."""
    zero = "0x" + "00" * 20
    chain = SimpleNamespace(contract=lambda _: SimpleNamespace(call=lambda *_: 0))
    me = SimpleNamespace(domain=SimpleNamespace(chain_id=1, coordinator=zero))
    heartbeats = Heartbeats(me, chain, None, "", 1)

    async def listen():
        return [await heartbeats._is_registered(f"0x{n:040x}", "peer") for n in range(50)]

    assert not any(asyncio.run(listen()))
    assert not heartbeats._registered
