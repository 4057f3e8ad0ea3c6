"""`joynet domain` on a real chain: a name's whole life, and what can go wrong."""

import pytest

JOY = 10**18
YEAR = 365 * 86_400
MODEL = "0x" + "5a" * 32


def test_a_names_life(alice, person):
    quote = alice.ask("domain", "check", "Alice.JOY")
    rent, gas = int(quote["rent_wei"]), int(quote["gas_fee_wei"])
    assert quote == {
        "name": "alice.joy",
        "available": True,
        "refusal": None,
        "rent_wei": str(rent),
        "premium_wei": "0",
        "total_wei": str(rent),
        "gas_fee_wei": str(gas),
        "duration_s": YEAR,
        "permanent": False,
        "warnings": ["'Alice.JOY' is written 'alice.joy'"],
    }
    assert 0 < gas < 10**16
    assert 4.9 * JOY < rent <= 5 * JOY

    before = alice.joy()
    bought = alice.ask("domain", "register", "alice.joy", "--model", MODEL, "--max-price", "5")
    assert (bought["owner"], bought["live"]) == (alice.address, True)
    assert alice.joy() == before - rent
    assert alice.ask("domain", "show", "alice.joy") == bought
    assert alice.ask("domain", "check", "alice.joy")["available"] is False

    records = alice.ask("domain", "resolve", "alice.joy")
    assert (records["model"], records["address"], records["endpoint"]) == (MODEL, None, None)
    alice.ask("domain", "set", "alice.joy", "address", alice.address)
    alice.ask("domain", "set", "alice.joy", "endpoint", "https://example.org")
    records = alice.ask("domain", "bind", "alice.joy", "0x" + "6b" * 32)
    assert records == {
        "name": "alice.joy",
        "owner": alice.address,
        "address": alice.address,
        "model": "0x" + "6b" * 32,
        "model_cid": records["model_cid"],
        "endpoint": "https://example.org",
        "rpc": None,
        "payto": None,
        "contenthash": None,
        "source": None,
    }
    assert records["model_cid"].startswith("bafkrei")
    cleared = alice.ask("domain", "set", "alice.joy", "endpoint", "")
    assert cleared["endpoint"] is None

    renewed = alice.ask("domain", "renew", "alice.joy", "--years", "2")
    assert renewed["expires_at"] == bought["expires_at"] + 2 * YEAR
    assert alice.joy() == before - 3 * rent

    bob = person("bob", joy=0)
    assert [name["name"] for name in alice.ask("domain", "list")] == ["alice.joy"]
    given = alice.ask("domain", "transfer", "alice.joy", bob.address)
    assert given["owner"] == bob.address
    assert alice.ask("domain", "list") == []
    (held,) = bob.ask("domain", "list", bob.address)
    assert held["name"] == "alice.joy"
    assert alice.refused("domain", "bind", "alice.joy", MODEL).exit_code == 7


def test_what_people_read(alice):
    text = alice.joynet("domain", "check", "alice.joy").stdout
    assert text.startswith("alice.joy is free: 4.99")
    assert "JOY for 365 days\ngas about 0.0" in text
    alice.ask("domain", "register", "alice.joy")
    assert f"alice.joy belongs to {alice.address} until 20" in (
        alice.joynet("domain", "show", "alice.joy").stdout
    )
    assert "alice.joy is taken" in alice.joynet("domain", "quote", "alice.joy").stdout
    assert "alice.joy" in alice.joynet("domain", "list").stdout


def test_taken_names_and_low_limits_cost_nothing(alice, person):
    alice.ask("domain", "register", "alice.joy")
    bob = person("bob")
    taken = bob.refused("domain", "register", "alice.joy")
    assert (taken.exit_code, taken.hint) == (2, "joynet domain show alice.joy")
    dear = bob.refused("domain", "register", "bob.joy", "--max-price", "5")
    assert (dear.exit_code, dear.code) == (8, "insufficient_funds")  # three letters cost more
    assert bob.joy() == 1_000 * JOY
    assert bob.ask("tx", "list", "--all") == []


def test_not_enough_joy(person):
    poor = person("poor", joy=1)
    refused = poor.refused("domain", "register", "poor1.joy")
    assert (refused.exit_code, refused.hint) == (8, "joynet token balance")
    assert "have 1" in refused.message
    assert poor.joy() == JOY


@pytest.mark.parametrize(
    ("name", "exit_code"),
    [
        ("alice", 2),
        ("a.b.joy", 2),
        ("al ice.joy", 2),
        (".joy", 2),
        ("alice.", 2),
        ("alice.nowhere", 5),
    ],
)
def test_names_that_are_none(alice, name, exit_code):
    assert alice.refused("domain", "check", name).exit_code == exit_code


def test_unknown_names_have_a_hint(alice):
    for command in (["show"], ["resolve"], ["renew"]):
        refused = alice.refused("domain", *command, "nobody.joy")
        assert (refused.exit_code, refused.hint) == (5, "joynet domain register nobody.joy")
    refused = alice.refused("domain", "bind", "nobody.joy", MODEL)
    assert refused.exit_code == 5
    assert alice.refused("domain", "bind", "nobody.joy", "no-ref").exit_code == 2


def test_dry_run_sends_nothing(alice):
    plan = alice.joynet("domain", "register", "alice.joy", "--dry-run", "--json")
    assert plan.exit_code == 0
    assert "PermaNetDomainRegistry.commit" in plan.stdout
    assert alice.ask("domain", "check", "alice.joy")["available"] is True
    assert alice.ask("tx", "list", "--all") == []


def test_expired_names_are_not_resolved_and_can_be_renewed(alice, anvil):
    alice.ask("domain", "register", "alice.joy", "--model", MODEL)
    anvil.time_travel(YEAR + 60)
    assert alice.ask("domain", "show", "alice.joy")["live"] is False
    assert "in its grace period" in alice.joynet("domain", "show", "alice.joy").stdout
    refused = alice.refused("domain", "resolve", "alice.joy")
    assert (refused.exit_code, refused.hint) == (5, "joynet domain renew alice.joy")
    assert alice.ask("domain", "renew", "alice.joy")["live"] is True
    assert alice.ask("domain", "resolve", "alice.joy")["model"] == MODEL
