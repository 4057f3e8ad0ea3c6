"""Licences as tokens: ERC-721, ERC-2981, ERC-165, and which licence counts."""

import boa
import pytest
from eth_utils import function_signature_to_4byte_selector as selector

from .conftest import DAY, DISPUTE_WINDOW, ZERO

TOKEN = "license_tokens: "
RECEIVED = bytes.fromhex("150b7a02")
ERC721 = [
    "balanceOf(address)", "ownerOf(uint256)", "safeTransferFrom(address,address,uint256,bytes)",
    "safeTransferFrom(address,address,uint256)", "transferFrom(address,address,uint256)",
    "approve(address,uint256)", "setApprovalForAll(address,bool)", "getApproved(uint256)",
    "isApprovedForAll(address,address)",
]  # fmt: skip


@pytest.fixture
def held(shop, open_model, client):
    """A settled licence of `client`."""
    return shop.buy(open_model, client)


def interface(signatures):
    found = 0
    for signature in signatures:
        found ^= int.from_bytes(selector(signature), "big")
    return found.to_bytes(4, "big")


def test_standards(licenses):
    royalties = ["royaltyInfo(uint256,uint256)"]
    for signatures in (ERC721, royalties, ["supportsInterface(bytes4)"]):
        assert licenses.supportsInterface(interface(signatures))
    for other in (b"\xff" * 4, bytes.fromhex("5b5e139f")):
        assert not licenses.supportsInterface(other)
    functions = {
        f"{e['name']}({','.join(i['type'] for i in e['inputs'])})": e["stateMutability"]
        for e in licenses.abi
        if e["type"] == "function"
    }
    for signature in ERC721 + royalties:
        assert functions[signature] in ("view", "nonpayable")


def test_purchase_mints(licenses, held, client):
    assert (licenses.ownerOf(held), licenses.balanceOf(client)) == (client, 1)
    assert licenses.getApproved(held) == ZERO


def test_transfer_moves_the_licence(licenses, held, open_model, client, stranger):
    licenses.transferFrom(client, stranger, held, sender=client)
    assert (licenses.ownerOf(held), licenses.balanceOf(client)) == (stranger, 0)
    assert licenses.balanceOf(stranger) == 1
    assert licenses.holds(open_model, stranger)
    assert not licenses.holds(open_model, client)
    assert licenses.license_of(open_model, client) == 0
    assert licenses.license_of(open_model, stranger) == held


def test_transfer_by_approval_ends_it(licenses, held, client, stranger, actor):
    other = actor("other")
    licenses.approve(stranger, held, sender=client)
    assert licenses.getApproved(held) == stranger
    licenses.transferFrom(client, other, held, sender=stranger)
    assert licenses.getApproved(held) == ZERO
    with boa.reverts(TOKEN + "not owner or approved"):
        licenses.transferFrom(other, stranger, held, sender=stranger)


def test_transfer_by_operator(licenses, held, client, stranger, actor):
    licenses.setApprovalForAll(stranger, True, sender=client)
    licenses.approve(actor("other"), held, sender=stranger)
    licenses.transferFrom(client, stranger, held, sender=stranger)
    assert licenses.ownerOf(held) == stranger


def test_refused_transfers(licenses, held, client, stranger):
    cases = [
        ((stranger, client, held), client, "wrong owner"),
        ((client, ZERO, held), client, "zero receiver"),
        ((client, stranger, held), stranger, "not owner or approved"),
        ((client, stranger, 9), client, "no such licence"),
    ]
    for args, sender, reason in cases:
        with boa.reverts(TOKEN + reason):
            licenses.transferFrom(*args, sender=sender)


def test_refused_views_and_approvals(licenses, held, stranger):
    with boa.reverts(TOKEN + "not owner or operator"):
        licenses.approve(stranger, held, sender=stranger)
    with boa.reverts(TOKEN + "zero owner"):
        licenses.balanceOf(ZERO)
    for call in (licenses.ownerOf, licenses.getApproved, licenses.favour):
        with boa.reverts(TOKEN + "no such licence"):
            call(9)
    with boa.reverts(TOKEN + "no such licence"):
        licenses.royaltyInfo(9, 100)


def test_licence_moves_only_once_it_is_settled(shop, licenses, bought, client, stranger):
    for step in (lambda: shop.release(bought), lambda: boa.env.time_travel(DISPUTE_WINDOW)):
        with boa.reverts(TOKEN + "not settled yet"):
            licenses.transferFrom(client, stranger, bought, sender=client)
        step()
    with boa.reverts(TOKEN + "not settled yet"):
        licenses.transferFrom(client, stranger, bought, sender=client)
    licenses.settle(bought)
    licenses.transferFrom(client, stranger, bought, sender=client)


def test_transferability_is_what_was_bought(shop, licenses, listed, client, stranger):
    model_id = shop.offer(listed(1), is_transferable=False)
    bound = shop.buy(model_id, client)
    shop.offer(model_id, is_transferable=True)
    free = shop.buy(model_id, client)
    shop.offer(model_id, is_transferable=False)
    with boa.reverts(TOKEN + "not transferable"):
        licenses.transferFrom(client, stranger, bound, sender=client)
    licenses.transferFrom(client, stranger, free, sender=client)


def test_safe_transfer_asks_a_contract(deploy, licenses, held, client, stranger):
    wallet = deploy("testing/NameAttacker.vy")
    wallet.arm([], b"\xff" * 4)
    with boa.reverts(TOKEN + "unsafe receiver"):
        licenses.safeTransferFrom(client, wallet, held, sender=client)
    wallet.arm([], RECEIVED)
    licenses.safeTransferFrom(client, wallet, held, b"data", sender=client)
    assert licenses.ownerOf(held) == wallet.address


def test_receiver_that_calls_back_gets_nothing(deploy, licenses, held, client, open_model):
    wallet = deploy("testing/NameAttacker.vy")
    plan = [
        (licenses.address, licenses.withdraw.prepare_calldata()),
        (licenses.address, licenses.favour.prepare_calldata(held)),
        (licenses.address, licenses.transferFrom.prepare_calldata(wallet, client, held)),
        (licenses.address, licenses.holds.prepare_calldata(open_model, wallet)),
    ]
    wallet.arm(plan, RECEIVED)
    licenses.safeTransferFrom(client, wallet, held, sender=client)
    done = [outcome.succeeded for outcome in wallet.outcomes()]
    assert done == [False, False, False, True]
    assert int.from_bytes(wallet.outcomes()[3].answer, "big") == 1  # and it saw the truth
    assert licenses.ownerOf(held) == wallet.address


@pytest.mark.parametrize("price", [0, 1, 19, 20, 999_999, 10**18 + 7, 2**256 - 1])
def test_royalty_is_the_part_it_was_bought_with(licenses, shop, held, open_model, publisher, price):
    shop.offer(open_model, resale_bps=1_000)
    assert licenses.royaltyInfo(held, price) == (publisher, price * 500 // 10_000)


# Which licence counts


def test_longer_licence_counts(shop, licenses, open_model, client):
    first = shop.buy(open_model, client)
    boa.env.time_travel(DAY)
    second = shop.buy(open_model, client)
    assert licenses.license_of(open_model, client) == second
    with boa.reverts(TOKEN + "not better than the favoured one"):
        licenses.favour(first)
    with boa.reverts(TOKEN + "not better than the favoured one"):
        licenses.favour(second)
    shop.renew(first, client)
    assert licenses.license_of(open_model, client) == first


def test_older_licence_is_favoured_by_hand_when_the_better_one_left(
    shop, licenses, open_model, client, stranger
):
    first = shop.buy(open_model, client)
    boa.env.time_travel(DAY)
    second = shop.buy(open_model, client)
    licenses.transferFrom(client, stranger, second, sender=client)
    assert not licenses.holds(open_model, client)
    licenses.favour(first, sender=stranger)
    assert licenses.holds(open_model, client)


def test_worthless_licence_sent_to_a_holder_changes_nothing(
    shop, licenses, open_model, client, stranger
):
    worthless = shop.buy(open_model, stranger)
    boa.env.time_travel(30 * DAY)
    good = shop.buy(open_model, client)
    licenses.transferFrom(stranger, client, worthless, sender=stranger)
    assert licenses.license_of(open_model, client) == good
    assert licenses.balanceOf(client) == 2


def test_awaited_key_does_not_displace_a_valid_licence(shop, licenses, listed, client):
    model_id = shop.offer(listed(1), period=DAY)
    valid = shop.buy(model_id, client)
    shop.offer(model_id, period=0, key_hash=b"\x05" * 32)
    waiting = shop.buy(model_id, client)
    assert licenses.license_of(model_id, client) == valid
    assert licenses.holds(model_id, client)
    shop.release(waiting)
    assert licenses.license_of(model_id, client) == waiting


def test_expired_licence_gives_way_to_a_new_purchase(shop, licenses, open_model, client):
    shop.buy(open_model, client)
    boa.env.time_travel(30 * DAY)
    second = shop.buy(open_model, client)
    assert licenses.license_of(open_model, client) == second
    assert licenses.holds(open_model, client)
