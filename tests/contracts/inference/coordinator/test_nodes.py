"""NodeCoordinator: who may register a node, with which keys, and who may change it."""

import boa
import pytest
from eth_abi import encode
from eth_utils import keccak

ENDPOINT = ("/ip4/127.0.0.1/tcp/4001", "8928308280fffff", 4)
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def test_fee_over_cap_reverts(deploy_coordinator):
    with boa.reverts("NodeCoordinator: fee too high"):
        deploy_coordinator(fee_bps=501)


def test_zero_token_reverts(deploy_coordinator):
    with boa.reverts("voucher_escrow: zero token"):
        deploy_coordinator(joy=boa.eval("empty(address)"))


def test_short_thaw_reverts(deploy_coordinator):
    with boa.reverts("voucher_escrow: thaw period too short"):
        deploy_coordinator(thaw_period=59)


def test_register_stores_node(coordinator, register, public_key):
    node = register()
    stored = coordinator.node(node.id)
    assert (node.id, coordinator.node_count()) == (1, 1)
    assert (stored.vault, stored.operator, stored.payout) == (
        node.vault,
        node.operator,
        node.payout,
    )
    assert stored.peer_key == public_key("node peer").to_compressed_bytes()
    assert (stored.endpoint, stored.cell, stored.capacity) == ENDPOINT
    assert stored.active
    assert stored.registered_at == boa.env.evm.patch.timestamp
    assert coordinator.node_of_operator(node.operator) == node.id


def test_compressed_keys_of_both_parities(coordinator, register, public_key):
    names = [f"node {n}" for n in range(6)]
    stored = [coordinator.node(register(name).id).peer_key for name in names]
    assert stored == [public_key(f"{name} peer").to_compressed_bytes() for name in names]
    assert {key[0] for key in stored} == {2, 3}


def test_peer_key_digest_is_the_documented_hash(coordinator, vault, operator):
    assert coordinator.peer_key_digest(vault, operator) == keccak(
        encode(
            ["bytes32", "uint256", "address", "address", "address"],
            [
                keccak(text="joynet peer key"),
                boa.env.evm.patch.chain_id,
                coordinator.address,
                vault,
                operator,
            ],
        )
    )


def test_register_copied_by_other_vault_reverts(
    coordinator, vault, operator, stranger, sign, public_key
):
    """Whoever copies a registration from the mempool lacks the peer key's word on its vault."""
    v, r, s = sign(coordinator.peer_key_digest(vault, operator), "peer")
    key = public_key("peer").to_bytes()
    with boa.reverts("NodeCoordinator: bad peer key signature"):
        coordinator.register(operator, stranger, key, v, r, s, *ENDPOINT, sender=stranger)


def test_register_with_signature_for_other_contract_reverts(
    coordinator, deploy_coordinator, vault, operator, sign, public_key
):
    v, r, s = sign(deploy_coordinator().peer_key_digest(vault, operator), "peer")
    key = public_key("peer").to_bytes()
    with boa.reverts("NodeCoordinator: bad peer key signature"):
        coordinator.register(operator, vault, key, v, r, s, *ENDPOINT, sender=vault)


def test_register_with_high_s_reverts(coordinator, vault, operator, sign, public_key):
    v, r, s = sign(coordinator.peer_key_digest(vault, operator), "peer")
    high_s = (ORDER - int.from_bytes(s, "big")).to_bytes(32, "big")
    key = public_key("peer").to_bytes()
    with boa.reverts("NodeCoordinator: bad peer key signature"):
        coordinator.register(operator, vault, key, 55 - v, r, high_s, *ENDPOINT, sender=vault)


def test_register_with_short_key_reverts(coordinator, vault, operator, sign):
    v, r, s = sign(coordinator.peer_key_digest(vault, operator), "peer")
    with boa.reverts("NodeCoordinator: peer key must be 64 bytes"):
        coordinator.register(operator, vault, bytes(63), v, r, s, *ENDPOINT, sender=vault)


def test_register_zero_payout_reverts(coordinator, vault, operator, sign, public_key):
    v, r, s = sign(coordinator.peer_key_digest(vault, operator), "peer")
    key, zero = public_key("peer").to_bytes(), boa.eval("empty(address)")
    with boa.reverts("NodeCoordinator: zero payout"):
        coordinator.register(operator, zero, key, v, r, s, *ENDPOINT, sender=vault)


def test_register_zero_operator_reverts(register):
    with boa.reverts("voucher_escrow: zero operator"):
        register(operator=boa.eval("empty(address)"))


def test_register_used_operator_reverts(register, node):
    with boa.reverts("voucher_escrow: operator was used before"):
        register("other", operator=node.operator)


def test_register_used_peer_key_reverts(register, node, actor):
    with boa.reverts("NodeCoordinator: peer key was used before"):
        register("node", operator=actor("other operator"))


def test_register_while_paused_reverts(coordinator, register, guardian):
    coordinator.pause(sender=guardian)
    with boa.reverts("circuit_breaker: paused"):
        register()


def test_rotate_operator_keeps_old_key_bound(coordinator, node, register, actor, sign):
    new = actor("new operator")
    signature = sign(coordinator.peer_key_digest(node.vault, new), "node peer")
    coordinator.rotate_operator(node.id, new, *signature, sender=node.vault)

    assert coordinator.node(node.id).operator == new
    assert coordinator.node_of_operator(node.operator) == node.id
    with boa.reverts("voucher_escrow: operator was used before"):
        register("other", operator=node.operator)
    with boa.reverts("NodeCoordinator: caller is not the vault or operator"):
        coordinator.set_active(node.id, False, sender=node.operator)


def test_rotate_operator_without_peer_signature_reverts(coordinator, node, actor, sign):
    new = actor("new operator")
    signature = sign(coordinator.peer_key_digest(node.vault, new), "another peer")
    with boa.reverts("NodeCoordinator: bad peer key signature"):
        coordinator.rotate_operator(node.id, new, *signature, sender=node.vault)


def test_rotate_peer_key(coordinator, node, register, actor, sign, public_key):
    signature = sign(coordinator.peer_key_digest(node.vault, node.operator), "new peer")
    key = public_key("new peer")
    coordinator.rotate_peer_key(node.id, key.to_bytes(), *signature, sender=node.vault)
    assert coordinator.node(node.id).peer_key == key.to_compressed_bytes()

    new = actor("new operator")
    digest = coordinator.peer_key_digest(node.vault, new)
    with boa.reverts("NodeCoordinator: bad peer key signature"):
        coordinator.rotate_operator(node.id, new, *sign(digest, "node peer"), sender=node.vault)
    coordinator.rotate_operator(node.id, new, *sign(digest, "new peer"), sender=node.vault)


def test_rotate_back_to_old_peer_key_reverts(coordinator, node, sign, public_key):
    signature = sign(coordinator.peer_key_digest(node.vault, node.operator), "node peer")
    key = public_key("node peer").to_bytes()
    with boa.reverts("NodeCoordinator: peer key was used before"):
        coordinator.rotate_peer_key(node.id, key, *signature, sender=node.vault)


def test_set_payout_by_operator_reverts(coordinator, node):
    with boa.reverts("NodeCoordinator: caller is not the vault"):
        coordinator.set_payout(node.id, node.operator, sender=node.operator)


def test_set_payout(coordinator, node, stranger):
    coordinator.set_payout(node.id, stranger, sender=node.vault)
    assert coordinator.node(node.id).payout == stranger


@pytest.mark.parametrize("role", ["vault", "operator"])
def test_set_endpoint_and_activity(coordinator, node, role):
    sender = getattr(node, role)
    coordinator.set_endpoint(node.id, "/dns4/a/tcp/1", "89", 9, sender=sender)
    coordinator.set_active(node.id, False, sender=sender)
    stored = coordinator.node(node.id)
    assert (stored.endpoint, stored.cell, stored.capacity) == ("/dns4/a/tcp/1", "89", 9)
    assert not stored.active


def test_leave_while_paused_but_not_rejoin(coordinator, node, guardian):
    coordinator.pause(sender=guardian)
    coordinator.set_active(node.id, False, sender=node.vault)
    with boa.reverts("circuit_breaker: paused"):
        coordinator.set_active(node.id, True, sender=node.vault)


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        ("set_endpoint", ("", "", 0)),
        ("set_active", (True,)),
        ("set_offer", (bytes(32), 0, 0)),
        ("remove_offer", (bytes(32),)),
        ("withdraw_earnings", ()),
    ],
)
def test_node_functions_by_stranger_revert(coordinator, node, stranger, call, arguments):
    with boa.reverts("NodeCoordinator: caller is not the vault or operator"):
        getattr(coordinator, call)(node.id, *arguments, sender=stranger)


@pytest.mark.parametrize("node_id", [0, 2])
def test_unknown_node_reverts(coordinator, node, node_id):
    with boa.reverts("NodeCoordinator: unknown node"):
        coordinator.set_active(node_id, True, sender=node.vault)
    with boa.reverts("NodeCoordinator: unknown node"):
        coordinator.withdraw_earnings(node_id, sender=boa.eval("empty(address)"))
    assert coordinator.node(node_id).registered_at == 0


def test_fee_cut_at_once_and_rise_after_notice(coordinator, owner):
    coordinator.set_fee(100, sender=owner)
    assert coordinator.fee_bps() == 100
    coordinator.set_fee(500, sender=owner)
    effective_at = boa.env.evm.patch.timestamp + 86_400
    assert coordinator.scheduled_fee() == (500, effective_at)
    boa.env.time_travel(seconds=86_399)
    assert coordinator.fee_bps() == 100
    boa.env.time_travel(seconds=1)
    assert coordinator.fee_bps() == 500
    assert coordinator.scheduled_fee() == (0, 0)


def test_set_fee_over_cap_reverts(coordinator, owner):
    with boa.reverts("NodeCoordinator: fee too high"):
        coordinator.set_fee(501, sender=owner)


def test_set_fee_by_stranger_reverts(coordinator, stranger):
    with boa.reverts("ownable: caller is not the owner"):
        coordinator.set_fee(0, sender=stranger)


def test_deployed_code_fits_eip170(coordinator):
    """What is deployed is the runtime code and the immutables behind it."""
    assert len(boa.env.get_code(coordinator.address)) <= 24_576
