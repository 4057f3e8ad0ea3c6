"""The registry as an ERC-721: the standard's functions, events and refusals."""

import json

import boa
import pytest
from eth_utils import function_signature_to_4byte_selector as selector

ZERO = "0x" + "00" * 20
NAME = "PermaNetDomainRegistry: "
TOKEN = "name_tokens: "
RECEIVED = bytes.fromhex("150b7a02")
FUNCTIONS = [
    "balanceOf(address)", "ownerOf(uint256)", "safeTransferFrom(address,address,uint256,bytes)",
    "safeTransferFrom(address,address,uint256)", "transferFrom(address,address,uint256)",
    "approve(address,uint256)", "setApprovalForAll(address,bool)", "getApproved(uint256)",
    "isApprovedForAll(address,address)",
]  # fmt: skip
METADATA = ["name()", "symbol()", "tokenURI(uint256)"]


@pytest.fixture
def token_id(names, alice_joy):
    return names.token_id("alice")


def xor(signatures):
    found = 0
    for signature in signatures:
        found ^= int.from_bytes(selector(signature), "big")
    return found.to_bytes(4, "big")


def test_interface_ids_are_those_of_the_functions(registry):
    for signatures in (FUNCTIONS, METADATA, ["supportsInterface(bytes4)"]):
        assert registry.supportsInterface(xor(signatures))
    assert not registry.supportsInterface(b"\xff" * 4)


def test_abi_has_the_whole_standard_and_takes_no_ether(registry):
    functions = {
        f"{entry['name']}({','.join(i['type'] for i in entry['inputs'])})": entry
        for entry in registry.abi
        if entry["type"] == "function"
    }
    for signature in FUNCTIONS + METADATA:
        assert functions[signature]["stateMutability"] in ("view", "nonpayable")
    events = {
        (entry["name"], *((i["type"], i["indexed"]) for i in entry["inputs"]))
        for entry in registry.abi
        if entry["type"] == "event"
    }
    address, number = ("address", True), ("uint256", True)
    assert ("Transfer", address, address, number) in events
    assert ("Approval", address, address, number) in events
    assert ("ApprovalForAll", address, address, ("bool", False)) in events


def test_metadata_is_json_on_chain(names, registry, alice_joy, token_id):
    assert (registry.name(), registry.symbol()) == ("PermaNet Domains", "PNET")
    head, body = registry.tokenURI(token_id).split(",", 1)
    assert head == "data:application/json;utf8"
    document = json.loads(body)
    assert document["name"] == "alice.joy"
    expiry = registry.registration(alice_joy).expires_at
    assert document["attributes"] == [
        {"trait_type": "Expires", "display_type": "date", "value": expiry}
    ]


def test_longest_metadata_fits(names, registry, tlds, charter, owner, tld_owner, alice):
    names.tld = tlds.create("t" * 63, tld_owner, charter(prices=[1] * 5), sender=owner)
    names.register("n" * 63, alice)
    body = registry.tokenURI(names.token_id("n" * 63)).split(",", 1)[1]
    assert json.loads(body)["name"] == "n" * 63 + "." + "t" * 63


def test_transfer_by_owner_approved_and_operator(registry, token_id, alice, bob, stranger, actor):
    carol = actor("carol")
    registry.transferFrom(alice, bob, token_id, sender=alice)
    assert registry.ownerOf(token_id) == bob
    registry.approve(stranger, token_id, sender=bob)
    assert registry.getApproved(token_id) == stranger
    registry.transferFrom(bob, carol, token_id, sender=stranger)
    assert registry.getApproved(token_id) == ZERO
    with boa.reverts(TOKEN + "not owner or approved"):
        registry.transferFrom(carol, stranger, token_id, sender=stranger)
    registry.setApprovalForAll(stranger, True, sender=carol)
    assert registry.isApprovedForAll(carol, stranger)
    registry.safeTransferFrom(carol, alice, token_id, sender=stranger)
    counts = [registry.balanceOf(account) for account in (alice, bob, carol, stranger)]
    assert counts == [1, 0, 0, 0]


def test_transfer_to_oneself_changes_nothing(registry, token_id, alice):
    registry.transferFrom(alice, alice, token_id, sender=alice)
    assert (registry.ownerOf(token_id), registry.balanceOf(alice)) == (alice, 1)


def test_transfer_keeps_term_and_generation(registry, alice_joy, token_id, alice, bob):
    before = registry.registration(alice_joy)
    registry.transferFrom(alice, bob, token_id, sender=alice)
    assert registry.registration(alice_joy) == before._replace(owner=bob)


def test_bad_transfers_revert(registry, token_id, alice, bob, stranger):
    with boa.reverts(TOKEN + "wrong owner"):
        registry.transferFrom(bob, stranger, token_id, sender=alice)
    with boa.reverts(TOKEN + "zero receiver"):
        registry.transferFrom(alice, ZERO, token_id, sender=alice)
    with boa.reverts(TOKEN + "not owner or approved"):
        registry.transferFrom(alice, stranger, token_id, sender=stranger)
    with boa.reverts(TOKEN + "not owner or operator"):
        registry.approve(stranger, token_id, sender=stranger)
    with boa.reverts(TOKEN + "zero owner"):
        registry.balanceOf(ZERO)


def test_approved_account_cannot_approve_another(registry, token_id, alice, bob, stranger):
    registry.approve(bob, token_id, sender=alice)
    with boa.reverts(TOKEN + "not owner or operator"):
        registry.approve(stranger, token_id, sender=bob)


def test_safe_transfer_asks_a_contract(registry, attacker, joy, token_id, alice):
    attacker.arm([], b"\xde\xad\xbe\xef")
    with boa.reverts(TOKEN + "unsafe receiver"):
        registry.safeTransferFrom(alice, attacker.address, token_id, sender=alice)
    with boa.reverts():
        registry.safeTransferFrom(alice, joy.address, token_id, sender=alice)
    attacker.arm([], RECEIVED)
    registry.safeTransferFrom(alice, attacker.address, token_id, b"data", sender=alice)
    assert registry.ownerOf(token_id) == attacker.address
