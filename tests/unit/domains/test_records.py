"""Addresses of many chains (EIP-2304), content hashes (EIP-1577), and records as text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joynet_sdk.domains.addresses import coin_name, coin_type, decode_address, encode_address
from joynet_sdk.domains.contenthash import decode_contenthash, encode_contenthash
from joynet_sdk.domains.records import Record, call_of, long_key, parse_assignment, parse_record
from joynet_sdk.errors import InvalidInputError

ALICE = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"


@pytest.mark.parametrize(
    ("coin", "address", "binary"),
    [  # the examples of EIP-2304, and BIP-350's for a later witness version
        (
            "btc",
            "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
            "76a91462e907b15cbf27d5425399ebf6f0fb50ebb88f1888ac",
        ),
        (
            "btc",
            "3Ai1JZ8pdJb2ksieUV8FsxSNVJCpoPi8W6",
            "a91462e907b15cbf27d5425399ebf6f0fb50ebb88f1887",
        ),
        (
            "btc",
            "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
            "0014751e76e8199196d454941c45d1b3a323f1433bd6",
        ),
        (
            "btc",
            "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0",
            "512079be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798",
        ),
        (
            "ltc",
            "LaMT348PWRnrqeeWArpwQPbuanpXDZGEUz",
            "76a914a5f4d12ce3685781b227c1f39548ddef429e978388ac",
        ),
        (
            "ltc",
            "ltc1qdp7p2rpx4a2f80h7a4crvppczgg4egmv5c78w8",
            "0014687c150c26af5493befeed7036043812115ca36c",
        ),
        (
            "doge",
            "DBXu2kgc3xtvCUWFcxFE3r9hEYgmuaaCyD",
            "76a9144620b70031f0e9437e374a2100934fba4911046088ac",
        ),
        (
            "doge",
            "AF8ekvSf6eiSBRspJjnfzK6d1EM6pnPq3G",
            "a914f8f5d99a9fc21aa676e74d15e7b8134557615bda87",
        ),
        ("eth", ALICE, ALICE[2:].lower()),
        ("evm:10", ALICE, ALICE[2:].lower()),
        (
            "sol",
            "AHy6YZA8BsHgQfVkk7MbwpAN94iyN7Nf1zN4nPqUN32Q",
            "8a11e71b96cabbe3216e3153b09694f39fc85022cbc076f79846a3ab4d8c1991",
        ),
        ("9000", "0x00ff", "00ff"),
    ],
)
def test_addresses(coin, address, binary):
    number = coin_type(coin)
    assert encode_address(number, address).hex() == binary
    assert decode_address(number, bytes.fromhex(binary)) == address
    assert coin_type(coin_name(number)) == number


@pytest.mark.parametrize(
    ("coin", "address"),
    [
        ("eth", "0x70997970c51812dc3A010C7d01b50e0d17dc79C8"),  # wrong checksum
        ("eth", ALICE[:-2]),
        ("btc", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb"),
        ("btc", "LaMT348PWRnrqeeWArpwQPbuanpXDZGEUz"),
        ("btc", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5"),
        ("btc", "bc1pw508d6qejxtdg4y5r3zarvary0c5xw7kemeawh"),  # v1 with the checksum of v0
        ("btc", "bc1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4"),
        ("sol", "abc"),
        ("9000", "00ff"),
    ],
)
def test_addresses_that_are_none(coin, address):
    with pytest.raises(InvalidInputError, match="none of that chain"):
        encode_address(coin_type(coin), address)


@given(st.integers(0, 2**256 - 1), st.binary(min_size=1, max_size=128))
def test_whatever_is_stored_can_be_shown(number, binary):
    text = decode_address(number, binary)
    assert text
    if text != "0x" + binary.hex():
        assert encode_address(number, text) == binary


def test_chain_words():
    assert (coin_type("ETH"), coin_type("evm:1"), coin_type("60")) == (60, 60, 60)
    assert coin_name(0x8000_0000 | 10) == "evm:10"
    for word in ("nope", "evm:x", "-1", "², "):
        with pytest.raises(InvalidInputError, match="chain is"):
            coin_type(word)


@pytest.mark.parametrize(
    ("text", "binary", "shown"),
    [
        (  # the example of EIP-1577: a CIDv0
            "ipfs://QmRAQB6YaCyidP37UdDnjFY5vQuiBrcqdyoW1CuDgwxkD4",
            "e3010170122029f2d17be6139079dc48696d1f582a8530eb9805b561eda517e22a892c7e3f1f",
            "ipfs://bafybeibj6lixxzqtsb45ysdjnupvqkufgdvzqbnvmhw2kf7cfkesy7r7d4",
        ),
        (
            "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy",
            "e30101551220c7d01489080858c500065836c658f847a6ca67c4864619212be4f8200e4bbace",
            "ipfs://bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy",
        ),
        (
            "bzz://d1de9994b4d039f6548d191eb26786769f580809256b4685ef316805265ea162",
            "e40101fa011b20d1de9994b4d039f6548d191eb26786769f580809256b4685ef316805265ea162",
            "bzz://d1de9994b4d039f6548d191eb26786769f580809256b4685ef316805265ea162",
        ),
        (
            "ipns://k51qzi5uqu5dgutdk6i1ynyzgkqngpha5xpgia3a5qqp4jsh0u4csozksxel2r",
            "e50101720024080112201b002d73dc3db78649e1e3717f3dd66edd066afe2c1f861d4b1a638a155a1333",
            "ipns://k51qzi5uqu5dgutdk6i1ynyzgkqngpha5xpgia3a5qqp4jsh0u4csozksxel2r",
        ),
        ("0xbc03", "bc03", "0xbc03"),
    ],
)
def test_content_hashes(text, binary, shown):
    assert encode_contenthash(text).hex() == binary
    assert decode_contenthash(bytes.fromhex(binary)) == shown
    assert encode_contenthash(shown).hex() == binary


@pytest.mark.parametrize(
    "text",
    ["", "x", "ipfs://", "ipfs://bafk", "ipfs://Qm", "bzz://12", "ftp://x", "0x", "ipfs://z" * 99],
)
def test_content_hashes_that_are_none(text):
    with pytest.raises(InvalidInputError):
        encode_contenthash(text)


@given(st.binary(max_size=80))
def test_any_stored_content_hash_can_be_shown(binary):
    assert isinstance(decode_contenthash(binary), str)


def test_keys_and_values_have_one_form():
    assert long_key("address") == long_key("addr.60") == "addr.eth"
    assert long_key("url") == long_key("text.url") == "text.url"
    assert parse_record("address", ALICE.lower()) == Record("addr.eth", ALICE)
    assert parse_record("wildcard", "no") == Record("wildcard", "")
    assert parse_record("text.address", "here") == Record("text.address", "here")
    assert parse_assignment("url=a=b") == Record("text.url", "a=b")
    cid = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"
    assert parse_record("model", cid).value.startswith("0xc7d014890808")
    assert call_of(Record("addr.btc", "")).args == (0, b"")
    assert call_of(Record("payto", "")).args == ("0x" + "00" * 20,)
