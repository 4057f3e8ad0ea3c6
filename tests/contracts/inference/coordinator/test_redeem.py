"""NodeCoordinator: what a voucher is worth, to whom, and when."""

import boa
import pytest
from eth_account.messages import encode_typed_data
from eth_utils import keccak
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

DAY = 86_400  # seconds
FEE_BPS = 200


def test_hash_voucher_is_eip712(coordinator, node, payer):
    address = payer().address
    fields = {
        "payer": address,
        "operator": node.operator,
        "modelId": b"\x07" * 32,
        "lane": 3,
        "calls": 4,
        "amount": 5,
    }
    types = ["address", "address", "bytes32", "uint256", "uint256", "uint256"]
    message = encode_typed_data(
        {
            "name": "JoyNet",
            "version": "1",
            "chainId": boa.env.evm.patch.chain_id,
            "verifyingContract": coordinator.address,
        },
        {
            "Voucher": [
                {"name": name, "type": kind} for name, kind in zip(fields, types, strict=True)
            ]
        },
        fields,
    )
    expected = keccak(b"\x19" + message.version + message.header + message.body)
    assert coordinator.hash_voucher(tuple(fields.values())) == expected


def test_eip5267_domain(coordinator):
    fields, name, version, chain_id, contract, _, _ = coordinator.eip712Domain()
    assert (fields, name, version) == (b"\x0f", "JoyNet", "1")
    assert (chain_id, contract) == (boa.env.evm.patch.chain_id, coordinator.address)


def test_redeem_splits_between_model_fee_and_node(
    coordinator, market, joy, node, payer, voucher, redeem, model
):
    model_id = model(price=10)
    someone = payer(deposit=10_000, operator=node.operator)
    before = joy.balanceOf(coordinator)
    signed = voucher(someone, node.operator, model_id, 20, 1_000)
    assert redeem(node, signed) == 1_000

    assert market.account_of(model_id) == 200
    assert coordinator.pending_fees() == 20
    assert coordinator.earnings(node.id) == 780
    assert coordinator.allocation(someone.address, node.operator) == (10_000, 0, 0, 1_000)
    assert coordinator.channel(someone.address, node.operator, model_id, 0) == (20, 1_000)
    assert joy.balanceOf(coordinator) == before - 200


def test_redeem_is_cumulative(coordinator, market, node, payer, voucher, redeem, model):
    model_id = model(price=10)
    someone = payer(deposit=10_000, operator=node.operator)
    assert redeem(node, voucher(someone, node.operator, model_id, 2, 100)) == 100
    assert redeem(node, voucher(someone, node.operator, model_id, 5, 250)) == 150
    assert market.account_of(model_id) == 50


def test_redeem_again_or_older_changes_nothing(
    coordinator, market, node, payer, voucher, redeem, model
):
    model_id = model()
    someone = payer(deposit=10_000, operator=node.operator)
    old = voucher(someone, node.operator, model_id, 2, 100)
    new = voucher(someone, node.operator, model_id, 5, 250)
    redeem(node, new)
    assert redeem(node, new) == 0
    assert redeem(node, old, new, old) == 0
    assert coordinator.channel(someone.address, node.operator, model_id, 0) == (5, 250)
    assert coordinator.earnings(node.id) == 250 - 50 - 5


def test_bulk_of_payers_models_and_lanes(coordinator, market, node, payer, voucher, redeem, model):
    models = [model(n, price=10 * n) for n in (1, 2)]
    payers = [payer(f"payer {n}", deposit=1_000, operator=node.operator) for n in range(2)]
    signed = [
        voucher(someone, node.operator, model_id, 1, 100, lane=lane)
        for lane in range(4)
        for model_id in models
        for someone in payers
    ]
    assert len(signed) == 16
    assert redeem(node, *signed) == 1_600
    assert [market.account_of(model_id) for model_id in models] == [80, 160]


def test_one_skipped_voucher_does_not_block_the_others(
    coordinator, node, payer, voucher, redeem, model
):
    model_id = model()
    someone = payer(deposit=1_000, operator=node.operator)
    done = voucher(someone, node.operator, model_id, 1, 100)
    redeem(node, done)
    assert redeem(node, done, voucher(someone, node.operator, model_id, 1, 50, lane=1)) == 50


def test_bad_signature_names_its_index(coordinator, node, payer, voucher, redeem, model):
    model_id = model()
    someone, other = (payer(n, operator=node.operator) for n in ("payer", "other"))
    good = voucher(someone, node.operator, model_id, 1, 100)
    forged = (good[0], voucher(other, node.operator, model_id, 1, 100)[1])
    with boa.reverts("NodeCoordinator: bad signature at index 0"):
        redeem(node, forged)
    with boa.reverts("NodeCoordinator: bad signature at index 2"):
        redeem(node, good, good, forged)


def test_voucher_of_other_node_names_its_index(
    coordinator, node, register, payer, voucher, redeem, model
):
    other = register("other")
    model_id = model()
    someone = payer(operator=node.operator)
    mine = voucher(someone, node.operator, model_id, 1, 100)
    theirs = voucher(someone, other.operator, model_id, 1, 100)
    with boa.reverts("NodeCoordinator: another node's voucher at index 1"):
        redeem(node, mine, theirs)


def test_redeem_by_others_reverts(coordinator, node, payer, voucher, model, stranger):
    """A payer could sign vouchers that move money from the node's part to the model's."""
    someone = payer(operator=node.operator)
    fields, signature = voucher(someone, node.operator, model(), 10**9, 100)
    for sender in (someone.address, stranger, node.payout):
        with boa.reverts("NodeCoordinator: caller is not the vault or operator"):
            coordinator.redeem([fields], [signature], sender=sender)
    assert coordinator.redeem([fields], [signature], sender=node.vault) == 100


def test_redeem_for_unknown_operator_reverts(coordinator, node, payer, voucher, redeem, stranger):
    someone = payer(operator=node.operator)
    with boa.reverts("NodeCoordinator: unknown node"):
        redeem(node, voucher(someone, stranger, bytes(32), 1, 1))


def test_redeem_nothing_reverts(node, redeem):
    with boa.reverts("NodeCoordinator: no vouchers"):
        redeem(node)


def test_redeem_without_all_signatures_reverts(coordinator, node, payer, voucher, model):
    fields, _ = voucher(payer(), node.operator, model(), 1, 1)
    with boa.reverts("NodeCoordinator: one signature per voucher"):
        coordinator.redeem([fields], [], sender=node.operator)


def test_redeem_works_while_paused(coordinator, node, payer, voucher, redeem, model, guardian):
    someone = payer(operator=node.operator)
    signed = voucher(someone, node.operator, model(), 1, 100)
    coordinator.pause(sender=guardian)
    assert redeem(node, signed) == 100
    assert coordinator.withdraw_earnings(node.id, sender=node.payout) == 88
    assert coordinator.flush_fees() == 2


def test_redeem_with_rotated_operator(
    coordinator, node, payer, voucher, redeem, model, actor, sign
):
    model_id = model()
    someone = payer(operator=node.operator)
    old = voucher(someone, node.operator, model_id, 1, 100)
    new = actor("new operator")
    signature = sign(coordinator.peer_key_digest(node.vault, new), "node peer")
    coordinator.rotate_operator(node.id, new, *signature, sender=node.vault)

    with boa.reverts("NodeCoordinator: caller is not the vault or operator"):
        redeem(node, old)
    both = [old, voucher(someone, new, model_id, 1, 50)]
    vouchers, signatures = zip(*both, strict=True)
    assert coordinator.redeem(list(vouchers), list(signatures), sender=new) == 150


def test_allocation_caps_what_is_taken_and_the_rest_comes_later(
    coordinator, market, node, payer, voucher, redeem, model
):
    model_id = model(price=10)
    someone = payer(deposit=1_000, operator=node.operator, allocation=40)
    signed = voucher(someone, node.operator, model_id, 5, 100)
    assert redeem(node, signed) == 40
    assert market.account_of(model_id) == 40  # the model first
    assert coordinator.earnings(node.id) == 0
    assert coordinator.pending_fees() == 0  # never more than the node's part
    assert coordinator.unpaid(someone.address, node.operator, model_id, 0) == 60

    coordinator.allocate(node.operator, 500, sender=someone.address)
    assert redeem(node, signed) == 60
    assert market.account_of(model_id) == 50
    assert coordinator.unpaid(someone.address, node.operator, model_id, 0) == 0
    assert redeem(node, signed) == 0


def test_node_redeems_in_the_thaw_window(coordinator, node, payer, voucher, redeem, model):
    model_id = model()
    someone = payer(deposit=100, operator=node.operator)
    coordinator.request_deallocate(node.operator, 70, sender=someone.address)
    assert redeem(node, voucher(someone, node.operator, model_id, 1, 50)) == 50
    assert coordinator.allocation(someone.address, node.operator)[1] == 50
    boa.env.time_travel(seconds=DAY)
    assert redeem(node, voucher(someone, node.operator, model_id, 2, 60)) == 10
    assert coordinator.finish_deallocate(node.operator, sender=someone.address) == 40
    assert redeem(node, voucher(someone, node.operator, model_id, 3, 100)) == 0


def test_royalty_never_exceeds_the_amount(coordinator, market, node, payer, voucher, redeem, model):
    model_id = model(price=10)
    someone = payer(deposit=100, operator=node.operator)
    redeem(node, voucher(someone, node.operator, model_id, 1_000, 100))
    assert market.account_of(model_id) == 100
    assert coordinator.earnings(node.id) == coordinator.pending_fees() == 0


def test_calls_without_amount_cost_nothing(
    coordinator, market, node, payer, voucher, redeem, model
):
    model_id = model(price=10)
    someone = payer(deposit=100, operator=node.operator)
    assert redeem(node, voucher(someone, node.operator, model_id, 5, 0)) == 0
    assert coordinator.channel(someone.address, node.operator, model_id, 0) == (5, 0)
    assert market.account_of(model_id) == 0


@pytest.mark.parametrize("calls", [1, 2**256 - 1])
def test_extreme_numbers_do_not_overflow(coordinator, node, payer, voucher, redeem, model, calls):
    model_id = model(price=2**256 - 1)
    someone = payer(deposit=100, operator=node.operator)
    huge = voucher(someone, node.operator, model_id, calls, 2**256 - 1)
    small = voucher(someone, node.operator, model_id, 1, 50, lane=1)
    assert redeem(node, huge) == 100
    assert redeem(node, small, huge) == 0
    assert coordinator.unpaid(someone.address, node.operator, model_id, 0) == 2**256 - 101


def test_unlisted_model_earns_nothing(coordinator, node, payer, voucher, redeem):
    someone = payer(deposit=100, operator=node.operator)
    assert redeem(node, voucher(someone, node.operator, b"\x05" * 32, 1, 100)) == 100
    assert coordinator.earnings(node.id) == 98


def test_delisted_model_is_still_paid(
    coordinator, market, node, payer, voucher, redeem, model, publisher
):
    model_id = model(price=10)
    market.delist(model_id, sender=publisher)
    someone = payer(deposit=100, operator=node.operator)
    redeem(node, voucher(someone, node.operator, model_id, 1, 100))
    assert market.account_of(model_id) == 10


def test_price_rise_needs_notice_before_it_counts(
    coordinator, market, node, payer, voucher, redeem, model, publisher
):
    model_id = model(price=10)
    someone = payer(deposit=1_000, operator=node.operator)
    market.set_price(model_id, 100, 0, sender=publisher)
    redeem(node, voucher(someone, node.operator, model_id, 1, 100))
    assert market.account_of(model_id) == 10


def test_unlinked_marketplace_does_not_block_redemption(
    deploy_coordinator, register, payer, voucher, redeem
):
    coordinator = deploy_coordinator()
    node = register(at=coordinator)
    someone = payer(deposit=100, operator=node.operator, at=coordinator)
    signed = voucher(someone, node.operator, bytes(32), 1, 100, at=coordinator)
    assert redeem(node, signed, at=coordinator) == 100


def test_withdraw_earnings_goes_to_payout(coordinator, joy, node, payer, voucher, redeem, model):
    someone = payer(operator=node.operator)
    redeem(node, voucher(someone, node.operator, model(), 1, 100))
    assert coordinator.withdraw_earnings(node.id, sender=node.operator) == 88
    assert joy.balanceOf(node.payout) == 88
    with boa.reverts("voucher_escrow: nothing to send"):
        coordinator.withdraw_earnings(node.id, sender=node.vault)


def test_outflow_limit_delays_earnings(deploy_coordinator, joy, register, payer, voucher, redeem):
    coordinator = deploy_coordinator(outflow_floor=10, fee_bps=0)
    node = register(at=coordinator)
    someone = payer(deposit=1_000, operator=node.operator, at=coordinator)
    signed = voucher(someone, node.operator, bytes(32), 1, 1_000, at=coordinator)
    redeem(node, signed, at=coordinator)
    boa.env.time_travel(seconds=DAY)
    assert coordinator.withdraw_earnings(node.id, sender=node.vault) == 100
    with boa.reverts("voucher_escrow: outflow limit reached, try in the next epoch"):
        coordinator.withdraw_earnings(node.id, sender=node.vault)
    assert coordinator.earnings(node.id) == 900


def test_flush_fees_feeds_the_stakers(coordinator, joy, node, payer, voucher, redeem, model):
    someone = payer(operator=node.operator)
    redeem(node, voucher(someone, node.operator, model(), 1, 100))
    assert coordinator.flush_fees() == 2
    assert joy.reward_pool() == 2
    assert coordinator.pending_fees() == 0
    with boa.reverts("NodeCoordinator: no fees to flush"):
        coordinator.flush_fees()


def test_fee_rounds_down_by_less_than_a_wei_per_voucher(coordinator, node, payer, voucher, redeem):
    """49 wei at 2 % is 0.98 wei of fee: splitting vouchers that far costs far more gas."""
    someone = payer(deposit=490, operator=node.operator)
    for n in range(1, 11):
        redeem(node, voucher(someone, node.operator, bytes(32), n, 49 * n))
    assert coordinator.pending_fees() == 0
    assert coordinator.earnings(node.id) == 490


pairs = st.tuples(st.integers(0, 50), st.integers(0, 500))


@given(signed=st.lists(pairs, min_size=1, max_size=6), shuffled=st.randoms(use_true_random=False))
@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_order_does_not_matter(
    coordinator, market, node, payer, voucher, redeem, model, signed, shuffled
):
    """Any set of vouchers, consistent or not, ends in the same state in every order."""

    def outcome(order):
        with boa.env.anchor():
            model_id = model(price=3)
            someone = payer(deposit=400, operator=node.operator)
            taken = sum(
                redeem(node, voucher(someone, node.operator, model_id, *pair)) for pair in order
            )
            return (
                coordinator.channel(someone.address, node.operator, model_id, 0),
                coordinator.allocation(someone.address, node.operator),
                coordinator.unpaid(someone.address, node.operator, model_id, 0),
                taken,
            )

    order = list(signed)
    shuffled.shuffle(order)
    assert outcome(signed) == outcome(order)
    highest = max(amount for _, amount in signed)
    assert outcome(signed)[0] == (max(calls for calls, _ in signed), highest)
    assert outcome(signed)[3] == min(highest, 400)


@given(steps=st.lists(st.integers(3, 40), min_size=1, max_size=6), data=st.data())
@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_honest_vouchers_split_alike_however_redeemed(
    coordinator, market, node, payer, voucher, redeem, model, steps, data
):
    """When each call pays at least the listing price, skipping vouchers changes no split."""
    chosen = data.draw(st.sets(st.integers(0, len(steps) - 1)))
    with boa.env.anchor():
        model_id = model(price=3)
        someone = payer(deposit=10_000, operator=node.operator)
        for n in range(len(steps)):
            if n in chosen or n == len(steps) - 1:
                amount = sum(steps[: n + 1])
                redeem(node, voucher(someone, node.operator, model_id, n + 1, amount))
        assert market.account_of(model_id) == 3 * len(steps)
