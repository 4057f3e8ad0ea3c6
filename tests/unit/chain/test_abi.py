from dataclasses import dataclass

import pytest

from joynet_sdk.chain.abi import Abi, checksum
from joynet_sdk.errors import InvalidInputError, NotFoundError, VerificationError

ALICE = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
SHARE = {
    "name": "shares",
    "type": "tuple[]",
    "components": [{"name": "account", "type": "address"}, {"name": "bps", "type": "uint256"}],
}
ABI = Abi(
    "Shop",
    [
        {"type": "constructor", "inputs": [{"name": "owner", "type": "address"}]},
        {
            "type": "function",
            "name": "sell",
            "stateMutability": "nonpayable",
            "inputs": [{"name": "item", "type": "bytes32"}, SHARE],
            "outputs": [{"name": "", **{k: v for k, v in SHARE.items() if k != "name"}}],
        },
        {
            "type": "function",
            "name": "price",
            "stateMutability": "view",
            "inputs": [{"name": "item", "type": "uint256"}],
            "outputs": [{"name": "", "type": "uint256"}, {"name": "", "type": "bool"}],
        },
        {
            "type": "function",
            "name": "price",
            "stateMutability": "view",
            "inputs": [],
            "outputs": [{"name": "", "type": "uint256"}],
        },
        {
            "type": "event",
            "name": "Sold",
            "anonymous": False,
            "inputs": [
                {"name": "buyer", "type": "address", "indexed": True},
                {"name": "label", "type": "string", "indexed": True},
                {"name": "amount", "type": "uint256", "indexed": False},
            ],
        },
    ],
)


@dataclass
class Share:
    account: str
    bps: int


def word(number: int) -> bytes:
    return number.to_bytes(32, "big")


@pytest.mark.parametrize(
    "shares",
    [
        [{"account": ALICE, "bps": 5}],
        [(ALICE, 5)],
        [Share(ALICE, 5)],
        [{"account": ALICE, "bps": "5"}],
        [[ALICE.lower(), "0x5"]],
    ],
)
def test_struct_forms_encode_alike(shares):
    encoded = ABI.encode_call("sell", [b"\x01" * 32, shares])
    # selector from the Solidity ABI rule: keccak256("sell(bytes32,(address,uint256)[])")[:4]
    tail = b"\x01" * 32 + word(64) + word(1) + word(int(ALICE, 16)) + word(5)
    assert encoded[4:] == tail


def test_decoded_struct_is_a_dict():
    data = word(32) + word(1) + word(int(ALICE, 16)) + word(7)
    assert ABI.decode_output("sell", 2, data) == [{"account": ALICE, "bps": 7}]


def test_decoded_input_names_the_function():
    encoded = ABI.encode_call("sell", ["0x" + "01" * 32, []])
    assert ABI.decode_input(encoded) == ("sell", [b"\x01" * 32, []])
    assert ABI.decode_input(b"\0\0\0\0") == ("", [])


def test_overload_is_chosen_by_argument_count():
    assert ABI.decode_output("price", 0, word(3)) == 3
    assert ABI.decode_output("price", 1, word(3) + word(1)) == (3, True)
    assert ABI.is_view("price", 0)
    assert not ABI.is_view("sell", 2)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([b"\x01" * 33, []], "sell.item"),
        (["01" * 32, []], "0x-prefixed hex"),
        ([b"\x01" * 32, "no list"], "expected a list"),
        ([b"\x01" * 32, [(ALICE,)]], "a struct of"),
        ([b"\x01" * 32, [{"account": ALICE}]], "expected \\['account', 'bps'\\]"),
        ([b"\x01" * 32, [(ALICE, -1)]], "sell.shares"),
        ([b"\x01" * 32, [(ALICE, "many")]], "whole number"),
        ([b"\x01" * 32, [(ALICE[:-1] + "9", 1)]], r"sell.shares.account is"),
        ([b"\x01" * 32], "got 1 arguments"),
    ],
)
def test_wrong_argument_is_named(args, message):
    with pytest.raises(InvalidInputError, match=message):
        ABI.encode_call("sell", args)


def test_unknown_function_lists_the_known_ones():
    with pytest.raises(NotFoundError, match=r"Shop\.buy") as caught:
        ABI.encode_call("buy", [])
    assert caught.value.hint == "it has: price, sell"


def test_constructor_wants_its_arguments():
    assert ABI.encode_constructor([ALICE]) == word(int(ALICE, 16))
    with pytest.raises(InvalidInputError, match="takes address owner"):
        ABI.encode_constructor([])


def test_empty_answer_means_no_contract():
    with pytest.raises(VerificationError, match="answered 0 bytes"):
        ABI.decode_output("price", 0, b"")


def test_event_roundtrip_with_topics():
    topics = ABI.event_topics("Sold", {"buyer": [ALICE, checksum("0x" + "11" * 20)]})
    assert topics[1] == ["0x" + word(int(ALICE, 16)).hex(), "0x" + word(int("11" * 20, 16)).hex()]
    assert topics[2] is None
    log = {
        "topics": [topics[0], topics[1][0], "0x" + "ab" * 32],
        "data": "0x" + word(9).hex(),
        "address": ALICE,
        "blockNumber": "0x10",
        "blockHash": "0x" + "cd" * 32,
        "logIndex": "0x2",
        "transactionHash": "0x" + "ef" * 32,
    }
    event = ABI.decode_log(log)
    assert (event.name, event.block, event.log_index) == ("Sold", 16, 2)
    assert event.args == {"buyer": ALICE, "label": b"\xab" * 32, "amount": 9}
    assert ABI.decode_log({**log, "topics": ["0x" + "00" * 32]}) is None


def test_only_indexed_arguments_filter():
    with pytest.raises(InvalidInputError, match="cannot be filtered"):
        ABI.event_topics("Sold", {"amount": 1})
    with pytest.raises(NotFoundError):
        ABI.event_topics("Bought", {})


@pytest.mark.parametrize("text", ["", "0x12", "70997970C51812dc3A010C7d01b50e0d17dc79C8", 5, None])
def test_address_must_be_an_address(text):
    with pytest.raises(InvalidInputError, match="expected 0x and 40 hex"):
        checksum(text)
