"""A winner of a committee job may hand its client a receipt for another answer than it revealed."""

import hashlib
from types import SimpleNamespace

import pytest

from joynet_sdk.errors import VerificationError
from joynet_sdk.inference.committee import Verdict
from joynet_sdk.inference.service import Inference
from joynet_sdk.receipts import Answer, Domain, Receipt, salted_digest, sign

from ..node.world import DOMAIN, INPUT, MANIFEST, MODEL, OPERATOR, PAYER

GOOD, BAD = b"\x07", b"\x01"


def answer_of(output):
    salt = (5).to_bytes(32, "big")
    receipt = Receipt(
        version=1,
        job_id=5,
        request_id=salt,
        client=PAYER.address,
        operator=OPERATOR.address,
        peer_id="16Uiu2HAm",
        model_id=MODEL,
        engine_profile="qmodel/2",
        request_digest=salted_digest(salt, INPUT),
        response_digest=salted_digest(salt, output),
        verification_class="redundant:3",
        price=1,
        voucher_hash=bytes(32),
        time=0,
    )
    return Answer(output, receipt, sign(DOMAIN, receipt, OPERATOR))


@pytest.fixture
def check():
    """Return a function that checks a member's answer to a job that GOOD won, 2 to 1."""
    coordinator = SimpleNamespace(address=DOMAIN.coordinator)
    chain = SimpleNamespace(chain_id=DOMAIN.chain_id, account=PAYER, contract=lambda _: coordinator)
    inference = Inference.__new__(Inference)  # what checks a receipt needs the chain alone
    inference._chain = chain
    winner = hashlib.sha256(GOOD).digest()
    votes = {"0x" + winner.hex(): 2, "0x" + hashlib.sha256(BAD).hexdigest(): 1}
    verdict = Verdict(5, winner, GOOD, votes, (1, 2), (3,), 1, True)
    route = SimpleNamespace(operator=OPERATOR.address)
    return lambda output: inference._check_job(answer_of(output), route, MANIFEST, INPUT, verdict)


def test_receipt_of_the_winning_answer_is_taken(check):
    file = check(GOOD)
    file.verify()
    assert file.domain == Domain(DOMAIN.chain_id, DOMAIN.coordinator)


@pytest.mark.parametrize("output", [BAD, b"never revealed"])
def test_receipt_of_another_answer_is_refused(check, output):
    with pytest.raises(VerificationError, match="job 5"):
        check(output)
