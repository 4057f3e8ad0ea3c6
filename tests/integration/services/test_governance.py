"""TLDs and their DAOs on a real chain: charters, plans, votes, and what people are told."""

import json
from functools import cache

import pytest

from joynet_sdk.chain.rpc import Rpc

JOY = 10**18
DAY = 86_400
PLAN = """
title: Make long names cheaper
text: Five joy a year is too much.
actions:
  - set_price_band: {band: 5+, price: 4}
  - transfer: {to: "%s", joy: 7}
"""


def mine(person, blocks):
    """Let blocks pass."""
    with Rpc(person.url) as rpc:
        rpc.call("anvil_mine", hex(blocks), "0x1")


@pytest.fixture
def person(person):
    """A person by name, the same one each time."""
    return cache(person)


@pytest.fixture
def fun(alice, treasury, deployed_home):
    """`.fun`, which alice owns; the treasury owns the registry."""
    from joynet_sdk.domains import Charter, namehash
    from joynet_sdk.domains.charter import parse_prices

    charter = Charter(parse_prices("640,320,160,40,5"), min_length=3)
    treasury.contract("TldRegistry").transact("create", "fun", alice.address, charter.struct)
    return namehash("fun")


@pytest.fixture
def dao(alice, fun, person):
    """The DAO of `.fun`: alice stakes 300, bob 100; guardian carol for 30 days."""
    carol, bob = person("carol"), person("bob")
    alice.ask(
        *("dao", "create", "fun", "--threshold", 200, "--quorum", 50, "--voting-delay", 60),
        *("--voting-period", 300, "--late-extension", 0, "--delay", "1d", "--grace", "3d"),
        *("--guardian", carol.address, "--guardian-days", 30),
    )
    for who, joy in ((alice, 300), (bob, 100)):
        who.ask("stake", "add", joy)
    found = alice.ask("dao", "show", "fun")
    alice.ask("token", "transfer", found["executor"], "50")
    return found


@pytest.fixture
def plan(tmp_path, person):
    path = tmp_path / "plan.yaml"
    path.write_text(PLAN % person("dave").address)
    return path


def test_a_tld_is_made_shown_amended_and_paused(alice, fun, person):
    listed = {tld["tld"]: tld for tld in alice.ask("tld", "list")}
    assert set(listed) == {"joy", "fun"}
    assert (listed["fun"]["owner"], listed["fun"]["dao"]) == (alice.address, None)
    charter = alice.ask("tld", "charter", "show", "fun")["charter"]
    assert charter["prices"].endswith("40 JOY a year, 5+: 5 JOY a year")
    assert charter["lengths"] == "3 to 63 characters"
    assert alice.ask("domain", "check", "ab.fun")["refusal"] == "label too short"
    amended = alice.ask(
        *("tld", "charter", "amend", "fun", "--prices", "640,320,160,40,4", "--lengths", "2-40"),
        *("--split", "40,35", "--permanent-years", 30, "--premium", 50, "--no-keep-prices"),
        *("--reserve", "bank,gov"),
    )["charter"]
    assert amended["next prices"].endswith("5+: 4 JOY a year")
    del amended["prices"], amended["next prices"]
    assert amended == {
        "lengths": "2 to 40 characters",
        "split": "treasury 25%, owner 40%, burn 35%",
        "treasury at least": "25%",
        "permanent names": "for 30 years of rent",
        "premium": "50 JOY when a lapsed name becomes free",
        "renewals": "at the price of the day",
        "reserved": "bank, gov",
    }
    bob = person("bob")
    assert bob.ask("domain", "check", "bank.fun")["refusal"] == "label reserved"
    refused = bob.refused("domain", "register", "bank.fun")
    assert (refused.exit_code, refused.message) == (
        2,
        "bank.fun cannot be registered: label reserved",
    )
    assert alice.ask("domain", "register", "bank.fun")["owner"] == alice.address
    assert alice.ask("tld", "charter", "amend", "fun", "--release", "gov")["charter"][
        "reserved"
    ] == ("bank")
    dear = alice.refused("tld", "charter", "amend", "fun", "--prices", "640,320,160,40,50")
    assert (dear.exit_code, dear.hint) == (7, "a price can at most double in one change")
    assert bob.refused("tld", "charter", "amend", "fun", "--premium", "1").exit_code == 4
    assert alice.refused("tld", "charter", "amend", "fun").exit_code == 2
    assert alice.ask("tld", "pause", "fun")["paused_until"] > 0
    assert alice.ask("domain", "check", "alice.fun")["refusal"] == "TLD paused"
    assert alice.ask("tld", "unpause", "fun")["paused_until"] is None
    alice.ask("tld", "offer", "fun", bob.address)
    assert alice.refused("tld", "accept", "fun").exit_code == 4
    assert bob.ask("tld", "accept", "fun")["owner"] == bob.address


def test_only_the_owner_of_the_registry_creates_tlds(alice):
    refused = alice.refused("tld", "create", "other")
    assert (refused.exit_code, refused.hint) == (4, "--account NAME of its owner")
    for flags in (["--prices", "1,2"], ["--lengths", "9-3"], ["--split", "80,30"]):
        assert alice.refused("tld", "create", "other", *flags).exit_code == 2
    assert alice.refused("tld", "show", "nowhere").hint == "joynet tld list"


def test_a_proposal_is_simulated_voted_and_executed(alice, person, dao, plan, anvil):
    assert dao["owns_tld"] is True
    refused = alice.refused("tld", "charter", "amend", "fun", "--premium", "1")
    assert refused.hint == "joynet dao propose fun --from plan.yaml"
    dave = person("dave")
    dry = alice.joynet("dao", "propose", "fun", "--from", plan, "--dry-run")
    assert "PermaNetDAORegistry.propose" in dry.stdout
    assert "2. pay 7 JOY from the treasury to" in dry.stderr
    made = alice.ask("dao", "propose", "fun", "--from", plan)
    number, changes = made["proposal"], made["simulation"]["changes"]
    what = {each["what"]: (each["before"], each["after"]) for each in changes}
    assert what["treasury JOY"] == ("50 JOY", "43 JOY")
    assert what[f"{dave.address} JOY"] == ("1,000 JOY", "1,007 JOY")
    before, after = what[".fun next prices"]
    assert before.endswith("5+: 5 JOY a year")
    assert after.endswith("5+: 4 JOY a year")
    assert made["state"] == "pending"
    early = alice.joynet("dao", "vote", number, "for", "--json")  # it names the block of now
    assert early.exit_code == 9
    assert "voting starts after block" in early.document["error"]["message"]
    mine(alice, 61)
    bob = person("bob")
    assert person("eve").refused("dao", "vote", number, "for").exit_code == 8
    file = bob.home / "vote.json"
    file.write_text(bob.joynet("dao", "vote", number, "against", "--sign-only").stdout)
    seen = dave.ask("dao", "vote", "--from-signature", file)
    assert seen["against_wei"] == str(100 * JOY)
    again = dave.refused("dao", "vote", "--from-signature", file)
    assert (again.exit_code, "has voted" in again.message) == (2, True)
    assert "it needs 200 JOY more votes for its quorum" in seen["next_step"]
    voted = alice.ask("dao", "vote", number, "for")
    assert (voted["for_wei"], voted["state"]) == (str(300 * JOY), "active")
    assert alice.joynet("dao", "queue", number).exit_code == 9
    mine(alice, 301)
    shown = alice.ask("dao", "show", "fun", "--proposal", number, "--simulate")
    assert shown["state"] == "succeeded"
    assert shown["document"]["title"] == "Make long names cheaper"
    assert shown["simulation"]["steps"] == shown["document"]["simulation"]["steps"]
    assert dave.ask("dao", "show", "fun", "--proposal", number)["document"] is None
    dave.ask("dao", "queue", number)
    wait = dave.joynet("dao", "execute", number, "--json")  # it names the seconds left
    assert wait.exit_code == 9
    assert "joynet devnet time-travel" in wait.document["error"]["hint"]
    anvil.time_travel(DAY)
    assert dave.ask("dao", "execute", number)["state"] == "executed"
    assert dave.joy() == 1_007 * JOY
    text = alice.joynet("tld", "charter", "show", "fun").stdout
    assert "5+: 4 JOY a year" in text
    assert dave.refused("dao", "execute", number).exit_code == 2


def test_what_is_missing_is_said(alice, person, dao, plan):
    bob = person("bob")
    poor = bob.joynet("dao", "propose", "fun", "--from", plan, "--json")
    assert poor.exit_code == 8
    hint = poor.document["error"]["hint"]
    assert hint.startswith("you need 100 JOY more staked, or delegated to you, before block")
    power = bob.ask("dao", "power", "--tld", "fun")
    assert (power["votes_wei"], power["missing_wei"]) == (str(100 * JOY), str(100 * JOY))
    assert "it needs 100 JOY more staked" in bob.joynet("dao", "power", "--tld", "fun").stdout
    alice.ask("dao", "delegate", bob.address)
    assert bob.ask("dao", "power", "--tld", "fun")["missing_wei"] == "0"
    number = bob.ask("dao", "propose", "fun", "--from", plan)["proposal"]
    mine(bob, 61)
    none = alice.refused("dao", "vote", number, "for")
    assert (none.exit_code, f"votes of {alice.address} at block" in none.message) == (8, True)
    assert bob.refused("dao", "vote", number, "maybe").exit_code == 2
    refused = alice.refused("dao", "cancel", number)
    assert (refused.exit_code, "guardian" in refused.message) == (4, True)
    assert person("carol").ask("dao", "cancel", number)["state"] == "cancelled"
    assert bob.refused("dao", "vote", number, "for").exit_code == 2
    assert bob.refused("dao", "show", "fun", "--proposal", 99).exit_code == 5
    assert bob.refused("dao", "show", "joy").hint == "joynet dao create joy"


def test_delegation_by_signature(alice, person, dao):
    bob, dave = person("bob"), person("dave")
    file = bob.home / "delegation.json"
    file.write_text(bob.joynet("dao", "delegate", alice.address, "--sign-only").stdout)
    power = dave.ask("dao", "delegate", "--from-signature", file)
    assert (power["account"], power["delegate"]) == (bob.address, alice.address)
    assert alice.ask("dao", "power")["votes_wei"] == str(400 * JOY)
    again = dave.refused("dao", "delegate", "--from-signature", file)
    assert (again.exit_code, "used already" in again.message) == (2, True)
    signed = json.loads(file.read_text())
    file.write_text(json.dumps({**signed, "chain_id": 1}))
    assert dave.refused("dao", "delegate", "--from-signature", file).exit_code == 10
    file.write_text("{}")
    assert dave.refused("dao", "delegate", "--from-signature", file).exit_code == 2
    assert alice.joynet("dao", "vote", "--from-signature", file).exit_code == 2


BAD_ACTIONS = [
    ("[fly]", "action is 'fly'"),
    ("[]", "0 actions"),
    ("[{transfer: {to: 0x12, joy: 1}}]", "none of that chain"),
    ("[{transfer: {joy: 1}}]", "expected eth, joy, to"),
    ("[{set_price_band: {band: 6, price: 1}}]", "band is '6'"),
    ("[{set_price_band: {band: 5+, price: 50}}]", "price rises too much"),
    ("[{set_rules: {execution_delay: 0}}]", "execution delay out of range"),
    ("[{reserve: bank}]", "expected a list"),
    ("[{call: {to: TldRegistry, function: nope}}]", "expected e.g. transfer"),
    ("[{call: {to: TldRegistry, function: 'f(uint256)', args: [x]}}]", "expected uint256"),
]


def test_plans_that_cannot_work_are_refused_with_their_reason(alice, dao, plan):
    for actions, says in BAD_ACTIONS:
        plan.write_text(f"title: x\nactions: {actions}\n")
        refused = alice.refused("dao", "propose", "fun", "--from", plan)
        assert (refused.exit_code, says in refused.message) == (2, True), refused.message
    assert alice.ask("dao", "show", "fun")["proposals"] == []


def test_raw_calls_rules_and_the_rent_of_a_treasury(alice, person, dao, plan):
    alice.ask("domain", "register", "alice.fun")
    held = alice.ask("dao", "treasury", "fun")
    rent = int(held["unsettled_wei"])
    assert rent == int(alice.ask("domain", "quote", "alice.fun")["rent_wei"])
    held = alice.ask("dao", "treasury", "fun", "--claim")
    assert held["unsettled_wei"] == "0"
    assert int(held["joy_wei"]) == 50 * JOY + rent // 2
    plan.write_text(
        "title: Mixed\nactions:\n"
        "  - set_rules: {voting_period: 40, quorum_percent: 20, proposal_threshold: 150}\n"
        "  - retire_guardian\n  - pause\n"
        f'  - call: {{to: JoyToken, function: "approve(address,uint256)",'
        f' args: ["{alice.address}", 5]}}\n'
    )
    made = alice.ask("dao", "propose", "fun", "--from", plan)
    what = {each["what"]: (each["before"], each["after"]) for each in made["simulation"]["changes"]}
    assert what["DAO rules voting period"] == ("300", "40")
    assert what["DAO rules quorum bps"] == ("50%", "20%")
    assert what["DAO rules proposal threshold"] == ("200 JOY", "150 JOY")
    assert what[".fun paused until"][0] == "never"
    titles = [call["title"] for call in made["calls"]]
    assert titles[1:3] == ["end the guardian's power", "close new registrations under .fun"]
    assert titles[3] == f"JoyToken.approve({alice.address}, 5)"


def test_every_transaction_can_be_seen_before_it_is_sent(alice, person, dao, plan):
    """`--dry-run` needs no password and sends nothing."""
    number = alice.ask("dao", "propose", "fun", "--from", plan)["proposal"]
    mine(alice, 61)
    carol = person("carol")
    cases = [
        (alice, ["dao", "vote", number, "for"], "PermaNetDAORegistry.vote("),
        (alice, ["dao", "delegate", carol.address], "JoyToken.delegate("),
        (alice, ["dao", "propose", "fun", "--from", plan], "PermaNetDAORegistry.propose("),
        (carol, ["dao", "cancel", number], "PermaNetDAORegistry.cancel("),
    ]
    before = [alice.ask("tx", "list", "--all"), carol.ask("tx", "list", "--all")]
    for who, argv, title in cases:
        shown = who.joynet(*argv, "--dry-run", "--json", JOYNET_PASSWORD="").value
        assert shown["plan"].startswith(title)
    for argv in (["vote", number, "for", "--sign-only"], ["delegate", "carol", "--sign-only"]):
        words = [carol.address if word == "carol" else word for word in argv]
        shown = alice.joynet("dao", *words, "--dry-run", "--json", JOYNET_PASSWORD="").value
        assert shown["plan"].startswith("sign a ")
    assert [alice.ask("tx", "list", "--all"), carol.ask("tx", "list", "--all")] == before
