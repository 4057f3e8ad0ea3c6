"""NodeCoordinator: deposits, allocations, thaws, and the way out of each."""

import boa
import pytest

THAW = 3_600  # seconds
DAY = 86_400  # seconds


def test_deposit_and_withdraw(coordinator, joy, payer):
    someone = payer(deposit=100)
    assert coordinator.free_balance(someone.address) == 100
    assert coordinator.withdraw(60, sender=someone.address) == 60
    assert coordinator.free_balance(someone.address) == 40
    assert joy.balanceOf(someone.address) == 60


def test_deposit_while_paused_reverts(coordinator, payer, guardian):
    coordinator.pause(sender=guardian)
    with boa.reverts("circuit_breaker: paused"):
        payer()


def test_withdraw_more_than_free_reverts(coordinator, payer, node):
    someone = payer(deposit=100, operator=node.operator, allocation=30)
    with boa.reverts("voucher_escrow: free balance too low"):
        coordinator.withdraw(71, sender=someone.address)


def test_withdraw_nothing_reverts(coordinator, payer):
    with boa.reverts("voucher_escrow: nothing to send"):
        coordinator.withdraw(0, sender=payer().address)


def test_allocate_moves_free_balance(coordinator, payer, node):
    someone = payer(deposit=100, operator=node.operator, allocation=30)
    assert coordinator.free_balance(someone.address) == 70
    assert coordinator.allocation(someone.address, node.operator) == (30, 0, 0, 0)


def test_allocate_more_than_free_reverts(coordinator, payer, node, register):
    """The same escrow cannot be promised to two nodes."""
    other = register("other")
    someone = payer(deposit=100, operator=node.operator, allocation=60)
    with boa.reverts("voucher_escrow: free balance too low"):
        coordinator.allocate(other.operator, 41, sender=someone.address)


def test_allocate_to_unknown_operator_reverts(coordinator, payer, stranger):
    someone = payer()
    with boa.reverts("voucher_escrow: unknown operator"):
        coordinator.allocate(stranger, 1, sender=someone.address)


def test_allocate_while_paused_reverts(coordinator, payer, node, guardian):
    someone = payer()
    coordinator.pause(sender=guardian)
    with boa.reverts("circuit_breaker: paused"):
        coordinator.allocate(node.operator, 1, sender=someone.address)


def test_deallocate_after_thaw(coordinator, payer, node):
    someone = payer(deposit=100, operator=node.operator)
    coordinator.request_deallocate(node.operator, 40, sender=someone.address)
    thaw_ends = boa.env.evm.patch.timestamp + THAW
    assert coordinator.allocation(someone.address, node.operator) == (100, 40, thaw_ends, 0)

    boa.env.time_travel(seconds=THAW - 1)
    with boa.reverts("voucher_escrow: still thawing"):
        coordinator.finish_deallocate(node.operator, sender=someone.address)
    boa.env.time_travel(seconds=1)
    assert coordinator.finish_deallocate(node.operator, sender=someone.address) == 40
    assert coordinator.free_balance(someone.address) == 40
    assert coordinator.allocation(someone.address, node.operator) == (60, 0, 0, 0)


def test_finish_twice_reverts(coordinator, payer, node):
    someone = payer(deposit=100, operator=node.operator)
    coordinator.request_deallocate(node.operator, 40, sender=someone.address)
    boa.env.time_travel(seconds=THAW)
    coordinator.finish_deallocate(node.operator, sender=someone.address)
    with boa.reverts("voucher_escrow: nothing thawing"):
        coordinator.finish_deallocate(node.operator, sender=someone.address)


def test_second_request_adds_and_starts_the_clock_anew(coordinator, payer, node):
    someone = payer(deposit=100, operator=node.operator)
    coordinator.request_deallocate(node.operator, 40, sender=someone.address)
    boa.env.time_travel(seconds=THAW - 1)
    coordinator.request_deallocate(node.operator, 60, sender=someone.address)
    boa.env.time_travel(seconds=THAW - 1)
    with boa.reverts("voucher_escrow: still thawing"):
        coordinator.finish_deallocate(node.operator, sender=someone.address)
    boa.env.time_travel(seconds=1)
    assert coordinator.finish_deallocate(node.operator, sender=someone.address) == 100


def test_deallocate_more_than_held_reverts(coordinator, payer, node):
    someone = payer(deposit=100, operator=node.operator)
    coordinator.request_deallocate(node.operator, 40, sender=someone.address)
    with boa.reverts("voucher_escrow: allocation too low"):
        coordinator.request_deallocate(node.operator, 61, sender=someone.address)


@pytest.mark.parametrize("call", ["request_deallocate", "finish_deallocate"])
def test_deallocate_unknown_operator_reverts(coordinator, payer, stranger, call):
    arguments = (1,) if call == "request_deallocate" else ()
    with boa.reverts("voucher_escrow: unknown operator"):
        getattr(coordinator, call)(stranger, *arguments, sender=payer().address)


def test_pause_stops_the_thaw_clock(coordinator, payer, node, guardian):
    someone = payer(deposit=100, operator=node.operator)
    coordinator.request_deallocate(node.operator, 100, sender=someone.address)
    boa.env.time_travel(seconds=THAW - 10)
    coordinator.pause(sender=guardian)
    boa.env.time_travel(seconds=5_000)
    with boa.reverts("voucher_escrow: still thawing"):
        coordinator.finish_deallocate(node.operator, sender=someone.address)
    coordinator.unpause(sender=guardian)

    thaw_ends = coordinator.allocation(someone.address, node.operator).thaw_ends
    assert thaw_ends == boa.env.evm.patch.timestamp + 10
    boa.env.time_travel(seconds=9)
    with boa.reverts("voucher_escrow: still thawing"):
        coordinator.finish_deallocate(node.operator, sender=someone.address)
    boa.env.time_travel(seconds=1)
    assert coordinator.finish_deallocate(node.operator, sender=someone.address) == 100


def test_exits_work_while_paused(coordinator, payer, node, guardian):
    someone = payer(deposit=100, operator=node.operator, allocation=50)
    coordinator.request_deallocate(node.operator, 20, sender=someone.address)
    boa.env.time_travel(seconds=THAW)
    coordinator.pause(sender=guardian)
    assert coordinator.finish_deallocate(node.operator, sender=someone.address) == 20
    coordinator.request_deallocate(node.operator, 30, sender=someone.address)
    assert coordinator.withdraw(70, sender=someone.address) == 70


def test_allocation_survives_rotation_of_the_operator(coordinator, payer, node, actor, sign):
    someone = payer(deposit=100, operator=node.operator, allocation=40)
    new = actor("new operator")
    signature = sign(coordinator.peer_key_digest(node.vault, new), "node peer")
    coordinator.rotate_operator(node.id, new, *signature, sender=node.vault)
    coordinator.allocate(new, 5, sender=someone.address)
    assert coordinator.allocation(someone.address, new).amount == 45
    assert coordinator.allocation(someone.address, node.operator).amount == 45


def test_outflow_limit_delays_withdrawals(deploy_coordinator, payer):
    coordinator = deploy_coordinator(outflow_floor=10)
    someone = payer(deposit=1_000, at=coordinator)
    boa.env.time_travel(seconds=DAY)
    assert coordinator.withdraw(1_000, sender=someone.address) == 100
    with boa.reverts("voucher_escrow: outflow limit reached, try in the next epoch"):
        coordinator.withdraw(1, sender=someone.address)
    assert coordinator.free_balance(someone.address) == 900
    boa.env.time_travel(seconds=DAY)
    assert coordinator.withdraw(900, sender=someone.address) == 90


def test_paying_in_and_out_does_not_use_up_the_limit_of_others(deploy_coordinator, payer):
    coordinator = deploy_coordinator(outflow_floor=10)
    honest = payer(deposit=1_000, at=coordinator)
    boa.env.time_travel(seconds=DAY)
    for n in range(3):
        griefer = payer(f"griefer {n}", deposit=5_000, at=coordinator)
        assert coordinator.withdraw(5_000, sender=griefer.address) == 5_000
    assert coordinator.withdraw(100, sender=honest.address) == 100
