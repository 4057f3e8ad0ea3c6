"""JoyToken as an ERC-20: fixed supply, transfers, allowances, burning."""

import boa
import pytest

JOY = 10**18  # wei
SUPPLY = 1_000_000_000 * JOY
ZERO = "0x" + "00" * 20
UNLIMITED = 2**256 - 1
DAY = 86_400


def test_whole_supply_is_minted_to_the_treasury(joy, treasury, owner):
    assert joy.totalSupply() == joy.INITIAL_SUPPLY() == joy.balanceOf(treasury) == SUPPLY
    assert (joy.name(), joy.symbol(), joy.decimals()) == ("JoyNet", "JOY", 18)
    assert joy.owner() == owner


def test_nothing_mints(joy):
    functions = {entry["name"] for entry in joy.abi if entry["type"] == "function"}
    assert not {name for name in functions if "mint" in name.lower()}


def test_code_fits_eip_170_and_eip_3860(joy):
    assert len(joy.compiler_data.bytecode_runtime) <= 24_576
    assert len(joy.compiler_data.bytecode) <= 49_152


def test_transfer_moves_and_logs(joy, treasury, client):
    assert joy.transfer(client, 5, sender=treasury)
    [event] = [e for e in joy.get_logs() if type(e).__name__ == "Transfer"]
    assert (event.sender, event.receiver, event.value) == (treasury, client, 5)
    assert (joy.balanceOf(client), joy.balanceOf(treasury)) == (5, SUPPLY - 5)


def test_transfer_to_self_changes_nothing(joy, fund, client):
    fund(client, 7)
    joy.transfer(client, 7, sender=client)
    assert joy.balanceOf(client) == 7


def test_transfer_over_balance_reverts(joy, fund, client, stranger):
    fund(client, 7)
    with boa.reverts("JoyToken: insufficient balance"):
        joy.transfer(stranger, 8, sender=client)


def test_transfer_to_zero_or_token_reverts(joy, treasury):
    joy.approve(treasury, 1, sender=treasury)
    for receiver in (ZERO, joy.address):
        with boa.reverts("JoyToken: bad receiver"):
            joy.transfer(receiver, 1, sender=treasury)
        with boa.reverts("JoyToken: bad receiver"):
            joy.transferFrom(treasury, receiver, 1, sender=treasury)


def test_transfer_from_spends_the_allowance(joy, treasury, client, stranger):
    joy.approve(client, 10, sender=treasury)
    joy.transferFrom(treasury, stranger, 6, sender=client)
    assert joy.allowance(treasury, client) == 4
    assert joy.balanceOf(stranger) == 6
    with boa.reverts("JoyToken: insufficient allowance"):
        joy.transferFrom(treasury, stranger, 5, sender=client)


def test_unlimited_allowance_is_not_used_up(joy, treasury, client):
    joy.approve(client, UNLIMITED, sender=treasury)
    joy.transferFrom(treasury, client, 6, sender=client)
    assert joy.allowance(treasury, client) == UNLIMITED


def test_transfer_from_over_balance_reverts(joy, client, stranger):
    joy.approve(stranger, 10, sender=client)
    with boa.reverts("JoyToken: insufficient balance"):
        joy.transferFrom(client, stranger, 10, sender=stranger)


def test_burn_lowers_the_supply(joy, treasury, client, fund):
    joy.burn(SUPPLY // 4, sender=treasury)
    assert joy.totalSupply() == joy.balanceOf(treasury) == SUPPLY - SUPPLY // 4
    fund(client, 3)
    with boa.reverts("JoyToken: insufficient balance"):
        joy.burn(4, sender=client)


def test_bad_treasury_reverts(deploy):
    with boa.reverts("JoyToken: bad receiver"):
        deploy("token/JoyToken.vy", ZERO, 7 * DAY)


@pytest.mark.parametrize(
    ("delay", "reason"),
    [
        (0, "JoyToken: delay too short"),
        (7 * DAY - 1, "JoyToken: delay too short"),
        (60 * DAY + 1, "JoyToken: delay too long"),
    ],
)
def test_delay_outside_the_constants_reverts(deploy, joy, treasury, owner, delay, reason):
    with boa.reverts(reason):
        deploy("token/JoyToken.vy", treasury, delay)
    with boa.reverts(reason):
        joy.propose_unbonding_delay(delay, sender=owner)
