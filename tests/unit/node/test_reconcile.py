"""Client book, node ledger and contract stay in step, whatever gets lost between them."""

import asyncio
import itertools
import shutil
import tempfile
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from joynet_sdk.compute.engine import EngineError
from joynet_sdk.inference.lanes import VoucherBook
from joynet_sdk.node.ledger import LaneState, Ledger
from joynet_sdk.node.money import EscrowView, Redeemer
from joynet_sdk.node.serving import Identity, InferenceServer
from joynet_sdk.p2p import messages as wire

from . import world
from .world import DOMAIN, MODEL, OPERATOR, PAYER, PRICE, channel, read, request

FATES = ("answered", "request lost", "answer lost", "run fails", "sent twice", "delayed")
_ids = itertools.count(1)


class Client:
    """What `inference.service` does with a lane, with the network in our hands."""

    def __init__(self, folder, node):
        self.book, self.node = VoucherBook(folder), node
        self.signed = {}  # lane -> (calls, amount) of its last voucher
        self.late = []  # frames that the network still holds
        self.outcomes = Counter()

    async def settle(self, lane):
        """Ask the node what it holds, as before every call; False when it is busy with it."""
        if lane.pending is None:
            return True
        frame = world.lane_request(lane.number)
        answer = read(await self.node.server.handle(frame, "peer"), wire.LaneAnswer)
        if isinstance(answer, wire.ErrorAnswer):
            assert answer.code == "lane_busy"
            return False
        lane.settle(answer.calls)
        return True

    def sign(self, lane, price):
        request_id = next(_ids).to_bytes(16, "big")
        promise = lane.promise(request_id, price)
        last = self.signed.get(lane.number, (0, 0))
        assert promise.calls >= last[0], "calls never fall"
        assert promise.amount >= last[1], "amounts never fall"
        self.signed[lane.number] = (promise.calls, promise.amount)
        return request(promise, request_id=request_id)

    async def call(self, lane, fate):
        if not await self.settle(lane):
            return
        frame = self.sign(lane, self.node.catalogue.price)
        if fate in ("request lost", "delayed"):
            self.late += [frame] if fate == "delayed" else []
            return
        self.node.catalogue.problem = EngineError("worker died") if fate == "run fails" else None
        answer = read(await self.node.server.handle(frame, "peer"))
        if fate == "sent twice":
            answer = read(await self.node.server.handle(frame, "peer"))
        self.outcomes[getattr(answer, "code", "ok")] += 1
        if isinstance(answer, wire.InferAnswer) and fate != "answer lost":
            lane.answered()

    def promised(self):
        return self.book.promised(DOMAIN, PAYER.address, OPERATOR.address)


class Node:
    """The real server, ledger and redeemer over the counted contract."""

    def __init__(self, path):
        self.path, self.coordinator = path, world.Coordinator()
        self.catalogue = world.Catalogue()
        self.ledger = None
        self.restart()

    def restart(self):
        if self.ledger is not None:
            self.ledger.close()
        self.ledger = Ledger(self.path)
        me = Identity(DOMAIN, OPERATOR.address, "16Uiu2HAm", OPERATOR)
        escrow = EscrowView(self.coordinator, OPERATOR.address)
        self.server = InferenceServer(me, self.ledger, self.catalogue, escrow)
        self.redeemer = Redeemer(self.coordinator, 1, OPERATOR.address, self.ledger)

    def answered(self, number):
        lane = self.ledger.lane(world.voucher(0, 0, lane=number)) or LaneState()
        return lane.answered_calls, lane.answered_amount


class Reconciliation(RuleBasedStateMachine):
    """Calls with every fate, on up to four lanes at once, with restarts and money moving."""

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="joynet-test-"))
        self.loop = asyncio.new_event_loop()
        self.node = Node(self.folder / "ledger.db")
        self.client = Client(self.folder / "payments", self.node)
        self.dearest = PRICE

    def run(self, work):
        return self.loop.run_until_complete(work)

    @property
    def escrow(self):
        return self.node.coordinator.allocations.setdefault(PAYER.address, world.Allocation())

    def teardown(self):
        self.run(self.quiesce())
        self.node.ledger.close()
        self.run(self.loop.shutdown_default_executor())
        self.loop.close()
        shutil.rmtree(self.folder)

    @rule(fates=st.lists(st.sampled_from(FATES), min_size=1, max_size=4))
    def calls_at_once(self, fates):
        with ExitStack() as leases:
            lanes = [leases.enter_context(self.client.book.lease(channel())) for _ in fates]

            async def all_of_them():
                await asyncio.gather(*map(self.client.call, lanes, fates))

            self.run(all_of_them())

    @precondition(lambda self: self.client.late)
    @rule()
    def late_frame_arrives(self):
        self.node.catalogue.problem = None
        self.run(self.node.server.handle(self.client.late.pop(0), "peer"))

    @rule()
    def client_restarts(self):
        self.client.book = VoucherBook(self.folder / "payments")

    @rule()
    def node_restarts(self):
        self.node.restart()

    @rule(calls=st.integers(1, 12))
    def payer_allocates(self, calls):
        self.node.coordinator.allocate(PAYER.address, calls * PRICE)

    @precondition(lambda self: self.escrow.amount > self.escrow.redeemed + self.escrow.thawing)
    @rule(part=st.integers(1, 10))
    def payer_deallocates(self, part):
        """The thaw outlasts the node's look at it, as the contract's least thaw period does."""
        free = self.escrow.amount - self.escrow.redeemed - self.escrow.thawing
        self.escrow.thawing += max(free * part // 10, 1)
        self.run(self.node.redeemer.redeem_if_thawing())
        self.node.restart()  # and its look at the allocation is not older
        self.escrow.amount -= self.escrow.thawing
        self.escrow.thawing = 0

    @rule(price=st.sampled_from([PRICE - 3, PRICE, PRICE + 5]))
    def node_changes_its_price(self, price):
        self.node.catalogue.price = price
        self.dearest = max(self.dearest, price)

    @rule()
    def node_redeems(self):
        before = self.node.coordinator.redeemed
        taken = self.run(self.node.redeemer.redeem())
        assert taken == self.node.coordinator.redeemed - before

    @invariant()
    def nobody_pays_more_than_promised(self):
        held = self.node.ledger.promised(PAYER.address)
        assert self.node.coordinator.redeemed <= held <= self.client.promised()

    @invariant()
    def node_serves_nothing_unpaid(self):
        for number in self.client.signed:
            lane = self.node.ledger.lane(world.voucher(0, 0, lane=number))
            if lane is not None:
                assert lane.answered_calls <= lane.calls
                assert lane.answered_amount <= lane.amount
        assert self.node.ledger.promised(PAYER.address) <= self.escrow.amount

    async def quiesce(self):
        """Let everything arrive, settle every lane, redeem: then all three say the same."""
        self.node.catalogue.problem = None
        for frame in self.client.late:
            await self.node.server.handle(frame, "peer")
        with ExitStack() as leases:
            lanes = [leases.enter_context(self.client.book.lease(channel())) for _ in range(4)]
            for lane in lanes:
                assert await self.client.settle(lane)
                row = self.client.book.row(lane)
                calls, amount = self.node.answered(lane.number)
                assert row.answered_calls == calls
                assert row.answered_amount >= amount  # it may have got cheaper since the promise
                assert 0 <= row.amount - row.answered_amount <= self.dearest, "one call's credit"
        await self.node.redeemer.redeem()
        assert self.node.coordinator.redeemed == self.node.ledger.promised(PAYER.address)
        assert self.node.redeemer.outstanding() == 0


TestReconciliation = Reconciliation.TestCase
TestReconciliation.settings = settings(
    max_examples=20,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


def test_32_concurrent_calls_over_several_lanes_reconcile_exactly(tmp_path):
    """A third of the answers is lost, a few requests too; then everything is accounted for."""
    node = Node(tmp_path / "ledger.db")
    client = Client(tmp_path / "payments", node)
    node.coordinator.price_of = 4
    node.coordinator.allocate(PAYER.address, 64 * PRICE)

    async def caller(number):
        fate = ("answer lost", "answered", "answered", "request lost")[number % 4]
        with client.book.lease(channel()) as lane:
            await asyncio.sleep(0)  # every caller holds its lane before the first one asks
            await client.call(lane, fate)
        return fate

    async def run():
        fates = await asyncio.gather(*map(caller, range(32)))
        again = await asyncio.gather(*(caller(1) for _ in range(32)))
        return Counter(fates) + Counter(again)

    fates = asyncio.run(run())
    assert fates == {"answer lost": 8, "answered": 16 + 32, "request lost": 8}
    served = 8 + 16 + 32
    assert client.outcomes == {"ok": served}
    assert node.server.answered == served == node.catalogue.runs
    assert len(client.signed) == 32
    assert client.promised() == node.ledger.promised(PAYER.address) == served * PRICE
    taken = asyncio.run(node.redeemer.redeem())
    assert taken == served * PRICE == node.coordinator.redeemed
    assert node.coordinator.royalties == served * 4
    assert sum(calls for calls, *_ in node.coordinator.channels.values()) == served
    assert {key[2] for key in node.coordinator.channels} == {MODEL}
    node.ledger.close()
