"""Kill, lose, replace: what the journal makes of it. Nothing is paid twice."""

import signal
import subprocess
import sys
import textwrap

import pytest

from joynet_sdk.chain import flows
from joynet_sdk.chain.transactions import ReplacedError
from joynet_sdk.errors import AuthError, ConfigError, PendingError

BOB = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
PRELUDE = """
import os, signal, sys
from pathlib import Path
from joynet_sdk.chain import Account, ChainSession, flows, _ape
from joynet_sdk.chain.journal import Journal

def pay_thrice(run):
    for step in ("one", "two", "three"):
        run.transfer(step, run.args["to"], 1)

flows.register("test.pay", pay_thrice)
url, home, number = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
account = Account.from_key(number.to_bytes(32, "big"))
session = ChainSession(url, home, account=account, timeout_s=20)

def die():
    os.kill(os.getpid(), signal.SIGKILL)
"""
PAY = f"flows.start(session, 'test.pay', 'pay Bob', {{'to': {BOB!r}}})"
KILLS = {
    # between two transactions: the second was not even signed
    "before the second is signed": """
        seen = []
        def confirm(plan):
            seen.append(plan)
            if len(seen) == 2: die()
        session.confirm = confirm
        """,
    # signed and stored, never broadcast
    "before the broadcast": """
        send = _ape.broadcast
        sent = []
        def broadcast(provider, raw):
            if len(sent) == 1: die()
            sent.append(raw)
            send(provider, raw)
        _ape.broadcast = broadcast
        """,
    # broadcast, but the journal does not know yet
    "after the broadcast": """
        send = _ape.broadcast
        sent = []
        def broadcast(provider, raw):
            send(provider, raw)
            sent.append(raw)
            if len(sent) == 2: die()
        _ape.broadcast = broadcast
        """,
    # mined, but the journal does not know yet
    "before the receipt is stored": """
        keep = Journal.set_state
        mined = []
        def set_state(self, step, state, **more):
            if state == "mined":
                mined.append(step)
                if len(mined) == 2: die()
            keep(self, step, state, **more)
        Journal.set_state = set_state
        """,
}


def pay_thrice(run):
    for step in ("one", "two", "three"):
        run.transfer(step, run.args["to"], 1)


flows.register("test.pay", pay_thrice)


def child(session, number, *parts):
    code = PRELUDE + "".join(textwrap.dedent(part) for part in parts)
    command = [sys.executable, "-c", code, session.url, str(session.home), str(number)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def nonce(session, address):
    return int(session.rpc.call("eth_getTransactionCount", address, "latest"), 16)


@pytest.mark.parametrize("moment", KILLS)
def test_killed_job_is_finished_and_nothing_is_paid_twice(session, moment, rich):
    payer = rich(3003)
    victim = child(session, 3003, KILLS[moment], PAY)
    errors = victim.communicate(timeout=60)[1]
    assert victim.returncode == -signal.SIGKILL, errors
    assert session.balance(BOB) in (1, 2)
    session.use_account(payer)
    (job,) = flows.unfinished(session)
    raw_before = {s.name: s.raw for s in session.journal.steps(job.id) if s.raw}
    flows.resume(session, job.id)
    steps = session.journal.steps(job.id)
    assert session.balance(BOB) == 3
    assert nonce(session, payer.address) == 3
    assert [step.state for step in steps] == ["mined"] * 3
    assert {s.name: s.raw for s in steps if s.name in raw_before} == raw_before
    flows.resume(session, job.id)  # once more changes nothing
    assert session.balance(BOB) == 3
    assert flows.unfinished(session) == []


def test_new_command_after_a_kill_does_not_pay_twice(session, rich):
    """Signed but never sent, then the user simply runs it again: the old one can never be mined."""
    payer = rich(3004)
    victim = child(session, 3004, "_ape.broadcast = lambda provider, raw: die()\n", PAY)
    victim.communicate(timeout=60)
    session.use_account(payer)
    (job,) = flows.unfinished(session)
    flows.start(session, "test.pay", "again", {"to": BOB})
    with pytest.raises(ReplacedError, match="used by another transaction"):
        flows.resume(session, job.id)
    assert session.balance(BOB) == 3
    assert session.journal.job(job.id).state == "failed"


def test_lost_transactions_are_seen_and_sent_again(session, owner):
    """What a kill of the node loses: the chain goes back, the journal does not."""
    snapshot = session.rpc.call("evm_snapshot")
    session.transfer(BOB, 5)
    session.transfer(BOB, 6)
    assert session.rpc.call("evm_revert", snapshot)
    assert session.balance(BOB) == 0
    hashes = [s.hash for j in session.journal.jobs() for s in session.journal.steps(j.id)]
    assert flows.restore_lost(session) == hashes
    session.wait_until(lambda: session.balance(BOB) == 11, "both payments", 10)
    assert flows.restore_lost(session) == []
    assert nonce(session, owner.address) == 2


def test_next_transaction_brings_the_lost_ones_back_first(session, owner):
    snapshot = session.rpc.call("evm_snapshot")
    session.transfer(BOB, 5)
    assert session.rpc.call("evm_revert", snapshot)
    session.transfer(BOB, 1)
    assert session.balance(BOB) == 6
    assert nonce(session, owner.address) == 2


def test_resume_of_a_finished_job_notices_that_the_chain_lost_it(session):
    snapshot = session.rpc.call("evm_snapshot")
    job = session.transfer(BOB, 5).job
    assert session.rpc.call("evm_revert", snapshot)
    flows.resume(session, job)
    assert session.balance(BOB) == 5


def test_unmined_transaction_is_pending_and_resumable(session):
    """A node that takes a transaction and shows no receipt: exit 9, then resume."""
    session.provider()
    session.timeout_s = 0.5
    real, session.rpc = session.rpc, HidesReceipts(session.rpc)
    with pytest.raises(PendingError) as caught:
        session.transfer(BOB, 5)
    session.rpc, session.timeout_s = real, 20
    (job,) = flows.unfinished(session)
    assert caught.value.hint == f"joynet tx resume {job.id}"
    flows.resume(session, job.id)
    assert session.balance(BOB) == 5


class HidesReceipts:
    """A node that is slow to show receipts."""

    def __init__(self, rpc):
        self._rpc = rpc

    def call(self, method, *params, **options):
        if method == "eth_getTransactionReceipt":
            return None
        return self._rpc.call(method, *params, **options)

    def close(self):
        self._rpc.close()


def test_concurrent_processes_on_one_account_do_not_clash(session, rich):
    payer = rich(3005)
    children = [child(session, 3005, PAY) for _ in range(3)]
    for each in children:
        errors = each.communicate(timeout=60)[1]
        assert each.returncode == 0, errors
    assert session.balance(BOB) == 9
    assert nonce(session, payer.address) == 9


def test_killed_while_others_run(session, rich):
    """One of two processes dies with a signed payment; the other makes the very same payments.

    The two transactions are equal to the byte when they get the same nonce: one payment on the
    chain must not be counted for both jobs.
    """
    payer = rich(3006)
    victim = child(session, 3006, KILLS["before the broadcast"], PAY)
    other = child(session, 3006, PAY)
    errors = other.communicate(timeout=60)[1]
    victim.communicate(timeout=60)
    assert (victim.returncode, other.returncode) == (-signal.SIGKILL, 0), errors
    session.use_account(payer)
    (job,) = flows.unfinished(session)
    try:
        flows.resume(session, job.id)
        assert session.balance(BOB) == 6
    except ReplacedError:  # the other one used its nonce
        assert session.balance(BOB) == 4
    assert nonce(session, payer.address) == session.balance(BOB)


def test_stranger_cannot_resume(session, rich):
    rich(3007)
    victim = child(session, 3007, KILLS["before the second is signed"], PAY)
    victim.communicate(timeout=60)
    (job,) = flows.unfinished(session)
    with pytest.raises(AuthError, match="needs account"):
        flows.resume(session, job.id)


def test_job_of_another_chain_is_refused(session, home):
    job = session.journal.add_job("1:0x" + "00" * 32, BOB, "test.pay", "pay", {"to": BOB})
    with pytest.raises(ConfigError, match="is on chain 1"):
        flows.resume(session, job.id)
    unknown = session.journal.add_job(session.key, BOB, "test.unknown", "what", {})
    with pytest.raises(ConfigError, match=r"test\.unknown"):
        flows.resume(session, unknown.id)


def test_declined_plan_leaves_no_job(session):
    class NoError(Exception):
        pass

    def decline(plan):
        raise NoError

    session.confirm = decline
    with pytest.raises(NoError):
        session.transfer(BOB, 1)
    assert session.journal.jobs() == []
    assert session.balance(BOB) == 0
