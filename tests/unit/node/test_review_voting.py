"""Attacks on a committee member's daemon: nobody but itself may cost a node its bond."""

import asyncio
import hashlib
import time
from types import SimpleNamespace

import pytest

from joynet_sdk.errors import RevertedError, UnavailableError
from joynet_sdk.inference.committee import best_proposal
from joynet_sdk.node import voting
from joynet_sdk.node.ledger import Ledger
from joynet_sdk.node.serving import Identity
from joynet_sdk.node.voting import COMMIT, DISPUTED, PROPOSE, REVEAL, SETTLED, CommitteeMember

from . import world

NODE, ZERO = 7, "0x" + "00" * 20
SOON_S = 2.0  # far below UNREACHABLE_S, of which one withheld input costs one


class Proof:
    """ProofOfInference as far as a member reads it; it takes whatever is sent."""

    address = "0x" + "11" * 20

    def __init__(self):
        self.jobs, self.drawn, self.sent, self.refused = {}, [], [], {}
        self.block, self.clock = 1_000, 0

    def add(self, job_id, *, status=COMMIT, cid="", block=1_000, state=0, winner=bytes(32)):
        job = {
            "client": world.PAYER.address,
            "model_id": world.MODEL,
            "input_digest": hashlib.sha256(world.INPUT).digest(),
            "status": status,
            "n": 1,
            "parent": 0,
            "max_fee": 1,
            "tolerance": 1,
            "request_block": block,
            "winner": winner,
        }
        self.jobs[job_id] = SimpleNamespace(job=job, cid=cid, state=state, digest=bytes(32))
        drawn = {"job_id": job_id, "node_ids": [NODE]}
        self.drawn.append(SimpleNamespace(args=drawn, block=block))

    def contract(self, _):
        return self

    def block_number(self):
        return self.block

    def now(self):
        self.clock += 3
        return self.clock

    def call(self, function, job_id):
        entry = self.jobs[job_id]
        if function == "job":
            return dict(entry.job)
        if function == "members":
            return [{"node_id": NODE, "state": entry.state, "digest": entry.digest}]
        if function == "dispute":
            return {"vault": ZERO, "escalation": 0}
        return (0, 0, 0)

    def events(self, name, first, last=None, filters=None):
        if name == "Drawn":
            return [event for event in self.drawn if first <= event.block <= last]
        entry = self.jobs[filters["job_id"]]
        if name == "Requested":
            args = {"input": b"" if entry.cid else world.INPUT, "input_cid": entry.cid}
            return [SimpleNamespace(args=args)]
        return [SimpleNamespace(args={"node_id": NODE, "output": world.INPUT[::-1]})]

    def transact(self, function, job_id, *args):
        if problem := self.refused.get((function, job_id)):
            raise problem
        self.sent.append((function, job_id, *args))
        entry = self.jobs[job_id]
        entry.state = {"commit": 1, "reveal": 2}.get(function, entry.state)


@pytest.fixture
def member(tmp_path):
    proof, catalogue = Proof(), world.Catalogue()
    ledger = Ledger(tmp_path / "ledger.db")
    me = Identity(world.DOMAIN, world.OPERATOR.address, "16Uiu2HAm", world.OPERATOR)

    async def withheld(_):
        await asyncio.Event().wait()

    def make():
        return CommitteeMember(me, NODE, proof, ledger, catalogue, withheld)

    yield SimpleNamespace(proof=proof, catalogue=catalogue, ledger=ledger, make=make)
    ledger.close()


def drive(member, is_done):
    """Poll as the daemon does until a condition holds."""

    async def run():
        committee, deadline = member.make(), time.monotonic() + SOON_S
        try:
            while not is_done():
                assert time.monotonic() < deadline, member.proof.sent
                await asyncio.wait_for(committee.poll(), deadline - time.monotonic())
                await asyncio.sleep(0.01)
        finally:
            await committee.close()

    asyncio.run(run())


def sent(member, function):
    return {job_id for name, job_id, *_ in member.proof.sent if name == function}


def test_withheld_inputs_do_not_hold_up_the_commit_of_another_job(member):
    """A client asks for many jobs whose input nobody has; it gets all its money back."""
    for job_id in range(1, 9):
        member.proof.add(job_id, cid="bafy-nobody-has-it")
    member.proof.add(9)
    drive(member, lambda: sent(member, "commit") == {9})


def test_slow_model_does_not_hold_up_a_reveal(member):
    member.proof.add(1)
    drive(member, lambda: sent(member, "commit") == {1})
    member.proof.jobs[1].job["status"] = REVEAL
    member.catalogue.gate = asyncio.Event()
    member.proof.add(2)
    drive(member, lambda: sent(member, "reveal") == {1})


def test_one_job_that_always_fails_does_not_stop_the_others(member):
    """Job 1 was lost and its input is gone: its step can never be made."""
    member.proof.add(1)
    drive(member, lambda: sent(member, "commit") == {1})
    entry = member.proof.jobs[1]
    entry.state, entry.digest = 2, hashlib.sha256(world.INPUT[::-1]).digest()
    entry.job |= {"status": DISPUTED, "winner": b"\x01" * 32}
    entry.cid = "bafy-withheld-from-now-on"
    member.proof.add(2)
    member.proof.add(3)
    member.proof.refused["commit", 2] = UnavailableError("the chain hung up")
    drive(member, lambda: sent(member, "commit") == {1, 3})


def test_jobs_of_a_long_downtime_are_not_computed(member):
    member.ledger.set_block("drawn", 0)
    for job_id in range(1, 51):
        member.proof.add(job_id, status=SETTLED, block=job_id)
    member.proof.add(51)
    drive(member, lambda: sent(member, "commit") == {51})
    assert member.catalogue.runs == 1
    assert member.ledger.open_votes()[0].job_id == 51


def test_job_whose_preparation_was_cut_off_is_seen_again(member):
    """The cursor must not pass a job before its vote is stored, however far the chain goes."""
    member.catalogue.gate = asyncio.Event()
    member.proof.add(1)
    drive(member, member.catalogue.started.is_set)
    assert member.ledger.vote(1) is None
    member.proof.block += 10 * voting.FIRST_LOOK
    member.catalogue.gate = None
    drive(member, lambda: sent(member, "commit") == {1})


def test_members_propose_when_the_client_does_not(member):
    """A client reads the vectors from the reveals; without a proposal it would pay nothing."""
    member.proof.add(1)
    drive(member, lambda: sent(member, "commit") == {1})
    member.proof.jobs[1].state = 2
    member.proof.jobs[1].job["status"] = PROPOSE
    drive(member, lambda: sent(member, "propose") == {1})
    assert member.proof.sent[-1] == ("propose", 1, 0, [world.INPUT[::-1]])


def test_revert_is_no_failure(member):
    member.proof.add(1)
    member.proof.add(2)
    member.proof.refused["commit", 1] = RevertedError("ProofOfInference", "committed before")
    drive(member, lambda: sent(member, "commit") == {2})


@pytest.mark.parametrize("odd", [b"\x00", b"\x00\x05\x00"])
def test_output_that_is_no_vector_does_not_stop_the_proposal(odd):
    """One member reveals an odd number of bytes."""
    revealed = [odd, b"\x00\x05", b"\x00\x06"]
    events = [
        SimpleNamespace(args={"node_id": node, "output": output})
        for node, output in enumerate(revealed)
    ]
    proof = SimpleNamespace(events=lambda *_, **__: events)
    chain = SimpleNamespace(contract=lambda _: proof)
    job = {"request_block": 0, "tolerance": 1}
    members = [{"node_id": node} for node in range(3)]
    assert best_proposal(chain, 1, job, members) == (1, 2, revealed)
