"""Calls by ABI signature, plan files, signature files, and what is said of a proposal."""

import json

import pytest
from eth_abi.abi import encode

from joynet_sdk.errors import InvalidInputError, VerificationError
from joynet_sdk.governance.encoding import encode_call
from joynet_sdk.governance.model import Call, Dao, Proposal, Rules
from joynet_sdk.governance.plan import parse_plan
from joynet_sdk.governance.progress import next_step
from joynet_sdk.governance.signatures import (
    SignedDelegation,
    SignedVote,
    check_place,
    decode_signed,
    encode_signed,
    signature_bytes,
)

ALICE = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
JOY = 10**18
RULES = Rules(2, 10, 0, 86_400, 86_400, 200 * JOY, 5_000)
DAO = Dao(1, "fun", ALICE, True, None, 0, RULES)


def test_calls_by_signature():
    assert encode_call("transfer(address, uint256)", [ALICE, "1_000"]).hex() == (
        "a9059cbb" + encode(["address", "uint256"], [ALICE, 1_000]).hex()
    )
    kinds = ["uint256[2]", "(bool,bytes4,string)[]", "int256"]
    args = [["1", "0x2"], [["yes", "0x01020304", "x"], ["false", "0x00000000", ""]], "-3"]
    values = [[1, 2], [(True, b"\1\2\3\4", "x"), (False, bytes(4), "")], -3]
    assert encode_call(f"f({','.join(kinds)})", args)[4:] == encode(kinds, values)
    assert len(encode_call("f()", [])) == 4


@pytest.mark.parametrize(
    ("signature", "args"),
    [
        ("f", []),
        ("f(uint256)", []),
        ("f(uint256)", ["x"]),
        ("f(uint256)", ["-1"]),
        ("f(uint8)", ["256"]),
        ("f(uint256)", [["1"]]),
        ("f(address)", ["0x12"]),
        ("f(bytes4)", ["0x0102030405"]),
        ("f(bytes4)", ["zz"]),
        ("f(bool)", ["perhaps"]),
        ("f(uint256[2])", [["1"]]),
        ("f((uint256,bool))", [["1"]]),
        ("f(nope)", ["1"]),
        ("f(" + "uint256," * 200 + ")", []),
    ],
)
def test_calls_that_are_none(signature, args):
    with pytest.raises(InvalidInputError):
        encode_call(signature, args)


def test_a_plan_is_read():
    plan = parse_plan("title: x\ntext: |\n  y\nactions:\n  - pause\n  - transfer: {joy: 1}\n")
    assert (plan.title, plan.text) == ("x", "y\n")
    assert plan.actions == (("pause", {}), ("transfer", {"joy": "1"}))


@pytest.mark.parametrize(
    "text",
    [
        "title: x",
        "actions: [pause]",
        "title: x\nactions: []",
        "title: x\nactions: pause",
        "title: x\nactions: [[pause]]",
        "title: x\nactions: [{a: 1, b: 2}]",
        "title: [x]\nactions: [pause]",
        "title: x\nmore: y\nactions: [pause]",
        f"title: {'x' * 121}\nactions: [pause]",
        "title: x\nactions: [" + "pause," * 9 + "]",
    ],
)
def test_plans_that_are_none(text):
    with pytest.raises(InvalidInputError):
        parse_plan(text)


VOTE = SignedVote(1, ALICE, 3, "for", ALICE, 0, 99, "0x" + "ab" * 65)
DELEGATION = SignedDelegation(1, ALICE, ALICE, ALICE, 0, 99, "0x" + "ab" * 65)


@pytest.mark.parametrize("signed", [VOTE, DELEGATION])
def test_signature_files_round_trip(signed):
    assert decode_signed(encode_signed(signed), type(signed)) == signed
    assert signature_bytes(signed) == b"\xab" * 65
    check_place(signed, 1, ALICE)
    for place in ((2, ALICE), (1, "0x" + "11" * 20)):
        with pytest.raises(VerificationError, match="is for chain 1"):
            check_place(signed, *place)


@pytest.mark.parametrize(
    "change",
    [
        {"format": "joynet-vote/2"},
        {"proposal": "3"},
        {"proposal": True},
        {"more": 1},
        {"signature": None},
    ],
)
def test_signature_files_that_are_none(change):
    document = {**json.loads(encode_signed(VOTE)), **change}
    with pytest.raises(InvalidInputError):
        decode_signed(json.dumps(document), SignedVote)
    for text in ("", "[]", "{", encode_signed(VOTE)):
        with pytest.raises(InvalidInputError):
            decode_signed(text, SignedDelegation)
    with pytest.raises(InvalidInputError):
        signature_bytes(SignedVote(1, ALICE, 3, "for", ALICE, 0, 99, "0xzz"))


def proposal(state, **changes):
    values = {
        "votes_for": 100 * JOY,
        "votes_against": 0,
        "votes_abstain": 0,
        "quorum": 220 * JOY,
        "ready_at": 0,
        "expires_at": 0,
        **changes,
    }
    calls = (Call(ALICE, 0, b""),)
    return Proposal(
        id=3, dao=DAO, proposer=ALICE, state=state, snapshot=10, deadline=20, digest=b"",
        calls=calls, **values,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (proposal("pending", quorum=None), "stake or delegate before it"),
        (proposal("active"), "needs 120 JOY more votes for its quorum"),
        (proposal("active", votes_for=0, votes_abstain=220 * JOY), "more votes for than against"),
        (proposal("active", votes_for=220 * JOY), "it would succeed"),
        (proposal("succeeded"), "joynet dao queue 3"),
        (proposal("defeated"), "it lacked 120 JOY to its quorum of 220 JOY"),
        (proposal("defeated", votes_for=220 * JOY, votes_against=300 * JOY), "300 JOY against"),
        (proposal("queued", ready_at=86_400, expires_at=172_800), "from 1970-01-02 00:00 UTC on"),
        (proposal("expired", ready_at=1, expires_at=86_400), "propose it again"),
        (proposal("executed"), "nothing more"),
    ],
)
def test_what_comes_next_is_said(found, says):
    assert says in next_step(found, 5, 50).next_step
