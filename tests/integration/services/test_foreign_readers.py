"""Records set by our command are read by web3.py and by npm's viem, through ENS's own ABI."""

import json
from pathlib import Path

import pytest

from .. import npm

JS = Path(__file__).parents[1] / "names" / "js"
BITCOIN = "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq"
SCRIPT = "0014e8df018c7e326cc253faac7e46cdc51e68542c42"
CID = "ipfs://bafybeibj6lixxzqtsb45ysdjnupvqkufgdvzqbnvmhw2kf7cfkesy7r7d4"
HASH = "e3010170122029f2d17be6139079dc48696d1f582a8530eb9805b561eda517e22a892c7e3f1f"
# ERC-165, addr, addr of a coin, text, contenthash, pubkey, resolve (ENSIP-10), and what nobody has.
INTERFACES = {
    "0x01ffc9a7": True,
    "0x3b3b57de": True,
    "0xf1cb7e06": True,
    "0x59d1d43c": True,
    "0xbc1c58d1": True,
    "0xc8690233": True,
    "0x9061b923": True,
    "0xffffffff": False,
}
ABI = [
    {
        "type": "function",
        "name": name,
        "stateMutability": "view",
        "inputs": [{"type": kind, "name": ""} for kind in takes],
        "outputs": [{"type": gives, "name": ""}],
    }
    for name, takes, gives in [
        ("resolver", ["bytes32"], "address"),
        ("addr", ["bytes32"], "address"),
        ("addr", ["bytes32", "uint256"], "bytes"),
        ("text", ["bytes32", "string"], "string"),
        ("contenthash", ["bytes32"], "bytes"),
        ("supportsInterface", ["bytes4"], "bool"),
    ]
]


@pytest.fixture
def named(alice):
    """alice.joy, with records set by the command line; the registry's address."""
    alice.ask("domain", "register", "alice.joy")
    alice.ask(
        *("domain", "records", "set", "alice.joy", f"address={alice.address}"),
        *(f"addr.btc={BITCOIN}", "url=https://example.org/é", f"contenthash={CID}"),
    )
    return alice.ask("domain", "resolve", "alice.joy", "--trace")["trace"][0]["address"]


def test_web3_reads_them(alice, named):
    from ens.utils import raw_name_to_hash
    from web3 import Web3

    web3, node = Web3(Web3.HTTPProvider(alice.url)), raw_name_to_hash("alice.joy")
    registry = web3.eth.contract(address=named, abi=ABI)
    resolver = web3.eth.contract(address=registry.functions.resolver(node).call(), abi=ABI)

    def read(signature, *args):
        return resolver.get_function_by_signature(signature)(*args).call()

    assert read("addr(bytes32)", node) == alice.address
    assert read("addr(bytes32,uint256)", node, 0).hex() == SCRIPT
    assert read("addr(bytes32,uint256)", node, 60).hex() == alice.address[2:].lower()
    assert read("text(bytes32,string)", node, "url") == "https://example.org/é"
    assert read("contenthash(bytes32)", node).hex() == HASH
    for interface, is_supported in INTERFACES.items():
        assert read("supportsInterface(bytes4)", interface) is is_supported, interface


def test_viem_reads_them(alice, named, pytestconfig):
    folder = npm.installed(JS, pytestconfig.cache)
    asked = {
        "url": alice.url,
        "registry": named,
        "name": "alice.joy",
        "coin": 0,
        "interfaces": list(INTERFACES),
    }
    found = json.loads(npm.run(["node", str(folder / "read.mjs"), json.dumps(asked)], folder))
    assert found["addr"] == alice.address
    assert found["addrOfCoin"] == "0x" + SCRIPT
    assert found["text"] == "https://example.org/é"
    assert found["contenthash"] == "0x" + HASH
    assert found["supports"] == list(INTERFACES.values())
