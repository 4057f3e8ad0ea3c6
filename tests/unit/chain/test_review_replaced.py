"""A step given up for lost that the chain has mined all the same is a payment that was made."""

from types import SimpleNamespace

import pytest

from joynet_sdk.chain import transactions
from joynet_sdk.chain.journal import Journal

CHAIN, SENDER, HASH = "1:0x00", "0x" + "22" * 20, "0x" + "33" * 32


class Rpc:
    """A node that has a receipt for the transaction, or has not."""

    def __init__(self, receipt):
        self.receipt = receipt

    def call(self, method, *_):
        return {"eth_getTransactionReceipt": self.receipt, "eth_getTransactionCount": "0x6"}.get(
            method
        )


@pytest.fixture
def given_up(tmp_path):
    """Job 1 was sent by a process that died before it could note that; job 2 got its nonce."""
    journal = Journal(tmp_path)
    steps = []
    for number in (1, 2):
        job = journal.add_job(CHAIN, SENDER, "transfer", "pay", {})
        step = journal.plan(job, "pay", SENDER, {"contract": ""}, 1)
        journal.set_signed(step, 5, b"raw", HASH if number == 1 else "0x" + "44" * 32)
        steps.append(journal.step(job.id, "pay"))
    first = journal.step(1, "pay")
    assert first.state == "replaced"
    yield journal, first
    journal.close()


def session(journal, receipt):
    return SimpleNamespace(journal=journal, rpc=Rpc(receipt), timeout_s=1.0, key=CHAIN)


def test_mined_step_is_not_reported_as_replaced(given_up):
    """Told that it "never took effect", the user would pay a second time."""
    journal, step = given_up
    receipt = {"status": "0x1", "blockNumber": "0x7", "gasUsed": "0x1", "logs": []}
    assert transactions.settle(session(journal, receipt), step).state == "mined"
    assert journal.step(1, "pay").state == "mined"


def test_replaced_step_stays_replaced(given_up):
    journal, step = given_up
    with pytest.raises(transactions.ReplacedError, match="nonce 5"):
        transactions.settle(session(journal, None), step)
    assert journal.step(1, "pay").state == "replaced"
