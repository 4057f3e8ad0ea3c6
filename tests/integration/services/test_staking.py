"""`joynet stake` on a real chain: in, provisioned, out again, and what is refused."""

import pytest

from joynet_cli.testing import run_cli
from joynet_sdk.chain import ChainSession, flows

JOY = 10**18
DAY = 86_400
DELAY = 7 * DAY  # of the devnet
COORDINATOR = "NodeCoordinator"


def joy(document, *keys):
    """Amounts of a result, in JOY."""
    return [int(document[f"{key}_wei"]) / JOY for key in keys]


@pytest.fixture
def coordinator(treasury):
    return treasury.contract(COORDINATOR).address


def test_stake_goes_in_votes_and_comes_out(alice, anvil):
    empty = alice.ask("stake", "show")
    assert joy(empty, "joy", "staked", "votes", "rewards") == [1000, 0, 0, 0]
    assert (empty["delegate"], empty["tickets"], empty["delay_s"]) == (None, [], DELAY)
    staked = alice.ask("stake", "add", "200.5")
    assert joy(staked, "joy", "staked", "free", "votes") == [799.5, 200.5, 200.5, 200.5]
    assert staked["delegate"] == alice.address
    removed = alice.ask("stake", "remove", "50")
    assert joy(removed, "joy", "staked", "votes") == [799.5, 150.5, 150.5]
    [ticket] = removed["tickets"]
    assert removed["ticket"] == ticket["ticket"] == 0
    assert (ticket["amount_wei"], ticket["is_over"]) == (str(50 * JOY), False)
    early = alice.joynet("stake", "withdraw", "--json")  # it names the seconds left
    assert early.exit_code == 9
    assert "joynet devnet time-travel" in early.document["error"]["hint"]
    assert "ticket 0: 50 JOY, waits until 20" in alice.joynet("stake", "show").stdout
    anvil.time_travel(DELAY)
    paid = alice.ask("stake", "withdraw")
    assert (joy(paid, "paid", "joy", "staked"), paid["tickets"]) == ([50, 849.5, 150.5], [])
    assert alice.refused("stake", "withdraw").hint == "joynet stake remove AMOUNT first"


def test_provisioned_stake_comes_back_with_one_delay(alice, anvil, coordinator):
    alice.ask("stake", "add", 300)
    held = alice.ask("stake", "provision", COORDINATOR, 200)
    assert joy(held, "staked", "free", "votes") == [300, 100, 300]
    assert held["provisions"] == [
        {
            "service": coordinator,
            "name": COORDINATOR,
            "active_wei": str(200 * JOY),
            "thawing_wei": "0",
            "thaw_ends": None,
        }
    ]
    dry = alice.joynet("stake", "remove", 200, "--from", COORDINATOR, "--dry-run")
    assert dry.stdout.startswith("take 200 JOY out of stake, its first transaction:\nJoyToken.req")
    removed = alice.ask("stake", "remove", 200, "--from", coordinator)
    [thaw], [ticket] = removed["provisions"], removed["tickets"]
    assert (joy(thaw, "active", "thawing"), joy(removed, "staked")) == ([0, 200], [100])
    assert ticket["ends_at"] - thaw["thaw_ends"] in range(60)
    assert "of it 200 JOY thaws until 20" in alice.joynet("stake", "show").stdout
    anvil.time_travel(DELAY)
    over = alice.joynet("stake", "show").stdout
    assert "of it 200 JOY has thawed\nticket 0: 200 JOY, its delay is over" in over
    done = alice.ask("stake", "withdraw")
    assert joy(done, "paid", "joy", "staked") == [200, 900, 100]
    assert (done["provisions"], done["tickets"]) == ([], [])


def test_a_ticket_that_backs_a_later_thaw_waits_for_it(alice, anvil):
    alice.ask("stake", "add", 300)
    alice.ask("stake", "provision", COORDINATOR, 300)
    alice.ask("stake", "remove", 200, "--from", COORDINATOR)
    anvil.time_travel(DAY)
    alice.ask("stake", "remove", 100, "--from", COORDINATOR)  # all 300 thaw a day longer
    anvil.time_travel(DELAY - DAY)
    assert alice.joynet("stake", "withdraw").exit_code == 9
    anvil.time_travel(DAY)
    assert joy(alice.ask("stake", "withdraw"), "paid", "joy") == [300, 1000]


def test_an_interrupted_withdrawal_goes_on(alice, anvil):
    alice.ask("stake", "add", 100)
    alice.ask("stake", "remove", 40)
    alice.ask("stake", "remove", 60)
    anvil.time_travel(DELAY)
    with ChainSession(alice.url, alice.home, account=alice.account, timeout_s=30) as session:
        args = {"services": [], "tickets": [0, 1]}
        job = session.journal.add_job(
            session.key, alice.address, "stake.withdraw", "withdraw", args
        )
        run = flows.Run(session, job)
        run.transact("ticket 0", session.contract("JoyToken"), "withdraw_unstaked", 0)
    alice.ask("tx", "resume")
    assert joy(alice.ask("stake", "show"), "joy", "staked") == [1000, 0]


def test_rewards_are_shown_and_claimed(alice, treasury, anvil):
    alice.ask("stake", "add", 1000)  # the stream runs while 1,000 are staked
    assert alice.refused("stake", "claim").exit_code == 5
    treasury.contract("JoyToken").transact("add_rewards", 70 * JOY)
    anvil.time_travel(7 * DAY)
    [shown] = joy(alice.ask("stake", "show"), "rewards")
    [paid] = joy(alice.ask("stake", "claim"), "paid")
    assert shown == paid == pytest.approx(70, rel=1e-6)


def test_what_cannot_be_is_refused(alice, person):
    poor = alice.refused("stake", "add", 1001)
    assert (poor.exit_code, poor.hint) == (8, "joynet token balance")
    assert alice.refused("stake", "add", 0).exit_code == 2
    assert alice.refused("stake", "provision", alice.address, 1).exit_code == 2
    assert alice.refused("stake", "provision", "Nope", 1).exit_code == 5
    alice.ask("stake", "add", 300)
    alice.ask("stake", "provision", COORDINATOR, 200)
    assert alice.refused("stake", "provision", COORDINATOR, 150).hint == "joynet stake add 50"
    held = alice.refused("stake", "remove", 150)
    assert held.exit_code == 8
    assert held.hint.endswith("joynet stake remove 150 --from NodeCoordinator")
    assert alice.refused("stake", "remove", 301).hint == "joynet stake show"
    much = alice.refused("stake", "remove", 201, "--from", COORDINATOR)
    assert (much.exit_code, "provisioned to NodeCoordinator" in much.message) == (8, True)
    for _ in range(16):
        alice.ask("stake", "remove", 1)
    assert alice.refused("stake", "remove", 1).hint == "joynet stake withdraw, once one is due"


def test_the_token_layer_says_what_helps_too(alice):
    call = ("contracts", "call", "JoyToken")
    assert "joynet stake add" in alice.refused(*call, "request_unstake", 1, "--send").hint


def test_help_needs_no_network():
    assert "joynet stake add 200" in run_cli(["stake", "add", "--help"]).stdout
