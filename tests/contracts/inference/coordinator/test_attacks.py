"""NodeCoordinator: what a cheating payer, node or marketplace cannot do."""

import boa
import pytest
from eth_account import Account

DAY = 86_400  # seconds
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def bad_at(index):
    return boa.reverts(f"NodeCoordinator: bad signature at index {index}")


def test_replay_on_other_contract_reverts(
    coordinator, deploy_coordinator, node, register, payer, voucher, redeem
):
    twin = deploy_coordinator()
    same = register("same", vault=node.vault, operator=node.operator, at=twin)
    someone = payer(operator=node.operator)
    payer(operator=node.operator, at=twin)
    with bad_at(0):
        redeem(same, voucher(someone, node.operator, bytes(32), 1, 100), at=twin)


def test_replay_on_other_chain_reverts(coordinator, node, payer, voucher, redeem):
    someone = payer(operator=node.operator)
    signed = voucher(someone, node.operator, bytes(32), 1, 100)
    assert redeem(node, voucher(someone, node.operator, bytes(32), 1, 1)) == 1
    chain_id = boa.env.evm.patch.chain_id
    boa.env.evm.patch.chain_id = chain_id + 1
    try:
        with bad_at(0):
            redeem(node, signed)
    finally:
        boa.env.evm.patch.chain_id = chain_id
    assert redeem(node, signed) == 99


def test_malleable_twin_reverts(coordinator, node, payer, voucher, redeem):
    someone = payer(operator=node.operator)
    fields, signature = voucher(someone, node.operator, bytes(32), 1, 100)
    high_s = (ORDER - int.from_bytes(signature[32:64], "big")).to_bytes(32, "big")
    twin = signature[:32] + high_s + bytes([55 - signature[64]])
    # The twin is a signature by the payer as far as plain ecrecover can tell.
    digest = coordinator.hash_voucher(fields)
    vrs = (twin[64], int.from_bytes(twin[:32], "big"), int.from_bytes(high_s, "big"))
    assert Account._recover_hash(digest, vrs=vrs) == someone.address
    with bad_at(0):
        redeem(node, (fields, twin))


@pytest.mark.parametrize("v", [0, 1, 26, 29, 255])
def test_odd_v_reverts(coordinator, node, payer, voucher, redeem, v):
    someone = payer(operator=node.operator)
    fields, signature = voucher(someone, node.operator, bytes(32), 1, 100)
    with bad_at(0):
        redeem(node, (fields, signature[:64] + bytes([v])))


@pytest.mark.parametrize("size", [0, 64])
def test_short_signature_reverts(coordinator, node, payer, voucher, redeem, size):
    someone = payer(operator=node.operator)
    fields, signature = voucher(someone, node.operator, bytes(32), 1, 100)
    with bad_at(0):
        redeem(node, (fields, signature[:size]))


def test_zero_payer_with_garbage_signature_reverts(coordinator, node, redeem):
    """ecrecover answers zero for garbage; zero must not pass for a payer."""
    zero = boa.eval("empty(address)")
    fields = (zero, node.operator, bytes(32), 0, 1, 100)
    with bad_at(0):
        redeem(node, (fields, bytes(64) + b"\x1b"))


@pytest.mark.parametrize("field", [0, 2, 3, 4, 5])
def test_any_changed_field_breaks_the_signature(coordinator, node, payer, voucher, redeem, field):
    someone, other = payer(operator=node.operator), payer("other", operator=node.operator)
    fields, signature = voucher(someone, node.operator, bytes(32), 1, 100)
    changed = list(fields)
    changed[field] = {0: other.address, 2: b"\x01" * 32}.get(field, 101)
    with bad_at(0):
        redeem(node, (tuple(changed), signature))


def test_payer_cannot_spend_more_than_it_allocated(coordinator, node, payer, voucher, redeem):
    """Over-redemption in many lanes takes nothing from other payers."""
    honest = payer("honest", deposit=1_000, operator=node.operator)
    cheat = payer("cheat", deposit=100, operator=node.operator)
    signed = [voucher(cheat, node.operator, bytes(32), 1, 90, lane=n) for n in range(16)]
    assert redeem(node, *signed) == 100
    assert coordinator.allocation(honest.address, node.operator) == (1_000, 0, 0, 0)


def test_same_voucher_twice_in_a_batch_is_paid_once(coordinator, node, payer, voucher, redeem):
    someone = payer(operator=node.operator)
    signed = voucher(someone, node.operator, bytes(32), 1, 100)
    assert redeem(node, signed, signed) == 100


def test_deallocate_race(coordinator, node, payer, voucher, redeem):
    """Whichever comes first, redeeming and deallocating never pay more than was allocated."""
    someone = payer(deposit=100, operator=node.operator)
    signed = voucher(someone, node.operator, bytes(32), 1, 80)
    coordinator.request_deallocate(node.operator, 100, sender=someone.address)
    boa.env.time_travel(seconds=DAY)
    with boa.env.anchor():
        assert redeem(node, signed) == 80
        assert coordinator.finish_deallocate(node.operator, sender=someone.address) == 20
    assert coordinator.finish_deallocate(node.operator, sender=someone.address) == 100
    assert redeem(node, signed) == 0
    coordinator.allocate(node.operator, 100, sender=someone.address)
    assert redeem(node, signed) == 80


def test_payout_that_cannot_receive_harms_only_itself(
    coordinator, joy, node, register, payer, voucher, redeem
):
    other = register("other")
    someone = payer(deposit=200, operator=node.operator, allocation=100)
    coordinator.allocate(other.operator, 100, sender=someone.address)
    redeem(node, voucher(someone, node.operator, bytes(32), 1, 100))
    redeem(other, voucher(someone, other.operator, bytes(32), 1, 100))
    coordinator.set_payout(node.id, joy, sender=node.vault)
    with boa.reverts():
        coordinator.withdraw_earnings(node.id, sender=node.vault)
    assert coordinator.withdraw_earnings(other.id, sender=other.vault) == 98
    coordinator.set_payout(node.id, node.payout, sender=node.vault)
    assert coordinator.withdraw_earnings(node.id, sender=node.vault) == 98


@pytest.fixture
def hostile(deploy, deploy_coordinator, joy, owner):
    """A coordinator whose linked marketplace is hostile: (coordinator, marketplace)."""
    coordinator = deploy_coordinator(fee_bps=0)
    market = deploy("testing/HostileMarketplace.vy", joy)
    coordinator.set_link("ModelMarketplace", market, sender=owner)
    return coordinator, market


@pytest.mark.parametrize("price_mode", [1, 2])
def test_marketplace_without_a_price_gets_nothing(
    hostile, register, payer, voucher, redeem, price_mode
):
    coordinator, market = hostile
    node = register(at=coordinator)
    someone = payer(operator=node.operator, at=coordinator)
    market.behave(10, price_mode, 0, b"")
    signed = voucher(someone, node.operator, bytes(32), 1, 100, at=coordinator)
    assert redeem(node, signed, at=coordinator) == 100
    assert coordinator.earnings(node.id) == 100


@pytest.mark.parametrize("pay_mode", [1, 2])
def test_refused_royalty_is_held_and_paid_later(
    hostile, joy, register, payer, voucher, redeem, pay_mode
):
    """Neither a refusal nor a grab for more than the royalty blocks the node."""
    coordinator, market = hostile
    node = register(at=coordinator)
    someone = payer(deposit=1_000, operator=node.operator, at=coordinator)
    market.behave(10, 0, pay_mode, b"")
    signed = voucher(someone, node.operator, bytes(32), 1, 100, at=coordinator)
    assert redeem(node, signed, at=coordinator) == 100
    assert coordinator.held_royalty(bytes(32)) == 10
    assert coordinator.earnings(node.id) == 90
    assert joy.allowance(coordinator, market) == 0
    with boa.reverts():
        coordinator.flush_royalty(bytes(32))

    market.behave(10, 0, 0, b"")
    assert coordinator.flush_royalty(bytes(32)) == 10
    assert joy.balanceOf(market) == 10
    with boa.reverts("NodeCoordinator: no royalty held"):
        coordinator.flush_royalty(bytes(32))


def test_marketplace_cannot_reenter(hostile, joy, register, payer, voucher, redeem):
    coordinator, market = hostile
    node = register(at=coordinator)
    someone = payer(deposit=1_000, operator=node.operator, at=coordinator)
    coordinator.set_payout(node.id, market, sender=node.vault)
    first = voucher(someone, node.operator, bytes(32), 1, 100, at=coordinator)
    redeem(node, first, at=coordinator)
    paid = joy.balanceOf(market)

    # As payout address the marketplace may withdraw the node's earnings, but not from inside.
    call = coordinator.withdraw_earnings.prepare_calldata(node.id)
    market.behave(10, 0, 3, call)
    second = voucher(someone, node.operator, bytes(32), 2, 200, at=coordinator)
    assert redeem(node, second, at=coordinator) == 100
    assert not market.called_back()
    assert joy.balanceOf(market) == paid + 10


def test_starving_redeem_of_gas_cannot_dodge_royalties(
    coordinator, market, node, payer, voucher, model
):
    """At every gas limit redemption fails as a whole or pays the model in full."""
    model_id = model(price=10)
    someone = payer(deposit=1_000, operator=node.operator)
    fields, signature = voucher(someone, node.operator, model_id, 1, 100)
    outcomes = set()
    for gas in range(60_000, 420_000, 4_000):
        with boa.env.anchor():
            try:
                coordinator.redeem([fields], [signature], sender=node.operator, gas=gas)
            except boa.BoaError:
                outcomes.add("failed")
                continue
            paid = market.account_of(model_id) + coordinator.held_royalty(model_id)
            assert paid == 10
            outcomes.add("paid")
    assert outcomes == {"failed", "paid"}
