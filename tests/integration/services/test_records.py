"""Records, zone files, subnames, wildcards and reverse names, on a real chain."""

import json

import pytest

JOY = 10**18
DAY = 86_400
KEY = "0x0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"
BOB = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
BITCOIN = "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq"
SITE = "ipfs://bafybeibj6lixxzqtsb45ysdjnupvqkufgdvzqbnvmhw2kf7cfkesy7r7d4"
ZONE = """
name: alice.joy
records:
  addr: {eth: "%s", btc: %s}
  text: {url: https://example.org}
  endpoint: https://node.example.org
  contenthash: %s
"""


def records(person, name="alice.joy"):
    return person.ask("domain", "records", "show", name)["records"]


@pytest.fixture
def zone(alice, tmp_path):
    """A zone file of alice.joy, which she has."""
    alice.ask("domain", "register", "alice.joy")
    path = tmp_path / "zone.yaml"
    path.write_text(ZONE % (alice.address, BITCOIN, SITE))
    return path


def test_every_kind_of_record_is_set_in_one_transaction_and_read_back(alice):
    model = "0x" + "5a" * 32
    alice.ask("domain", "register", "alice.joy", "--record", "url=https://example.org")
    assert records(alice) == {"text.url": "https://example.org"}
    before = len(alice.ask("tx", "list", "--all"))
    after = alice.ask(
        *("domain", "records", "set", "alice.joy", f"address={alice.address}"),
        *(f"addr.btc={BITCOIN}", f"addr.evm:10={alice.address.lower()}", f"contenthash={SITE}"),
        *(f"pubkey={KEY}", f"model={model}", f"payto={alice.address}", "url="),
        *("endpoint=https://node.example.org", "rpc=wss://rpc.example.org"),
    )["records"]
    point = after.pop("pubkey")
    assert (point[:6], len(point)) == ("0x0479", 132)
    assert after == {
        "addr.eth": alice.address,
        "addr.btc": BITCOIN,
        "addr.evm:10": alice.address,
        "contenthash": SITE,
        "model": model,
        "payto": alice.address,
        "text.endpoint": "https://node.example.org",
        "text.rpc": "wss://rpc.example.org",
    }
    job = alice.ask("tx", "list", "--all")[before:]
    assert [each["kind"] for each in job] == ["domain.records"]
    assert len(alice.ask("tx", "show", job[0]["job"])["steps"]) == 1
    assert alice.ask("domain", "records", "clear", "alice.joy")["records"] == {}
    assert records(alice) == {}


BAD_RECORDS = [
    ("address=0x12", "eth address is '0x12'"),
    ("addr.btc=1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb", "which is none of that chain"),
    ("addr.nope=0x12", "chain is 'nope'"),
    ("contenthash=ftp://x", "expected ipfs://CID"),
    ("pubkey=0x02" + "00" * 32, "not on the curve"),
    ("model=alice.joy", "expected a manifest's CID"),
    ("rpc=ftp://x", "expected http://"),
    ("k" * 65 + "=x", "expected 1 to 64"),
    ("url=" + "é" * 257, "expected at most 512"),
    ("wildcard=perhaps", "expected yes or no"),
    ("url", "expected KEY=VALUE"),
]


def test_records_that_are_none_never_reach_the_chain(alice):
    for record, says in BAD_RECORDS:
        refused = alice.refused("domain", "records", "set", "alice.joy", record)
        assert refused.exit_code == 2
        assert says in refused.message


def test_a_zone_file_is_planned_applied_and_undone(alice, zone, tmp_path):
    alice.ask("domain", "records", "set", "alice.joy", "url=https://old.example", "mail=a@b.c")
    plan = alice.ask("domain", "records", "plan", "alice.joy", zone)
    assert {c["record"]: (c["before"], c["after"]) for c in plan["changes"]} == {
        "text.mail": ("a@b.c", None),
        "text.url": ("https://old.example", "https://example.org"),
        "addr.eth": (None, alice.address),
        "addr.btc": (None, BITCOIN),
        "text.endpoint": (None, "https://node.example.org"),
        "contenthash": (None, SITE),
    }
    assert (plan["transactions"], plan["clears_first"], plan["sets_resolver"]) == (1, False, False)
    text = alice.joynet("domain", "records", "plan", "alice.joy", zone).stdout
    assert "- text.mail = a@b.c\n" in text
    assert "~ text.url = https://old.example -> https://example.org\n" in text
    dry = alice.joynet("domain", "records", "apply", "alice.joy", zone, "--dry-run")
    assert "PermaNetResolver.multicall" in dry.stdout
    alice.ask("domain", "records", "apply", "alice.joy", zone)
    wanted = {
        "addr.eth": alice.address,
        "addr.btc": BITCOIN,
        "contenthash": SITE,
        "text.endpoint": "https://node.example.org",
        "text.url": "https://example.org",
    }
    assert records(alice) == wanted
    assert alice.ask("domain", "records", "plan", "alice.joy", zone)["changes"] == []
    shown = tmp_path / "shown.yaml"
    shown.write_text(alice.joynet("domain", "records", "show", "alice.joy", "--zone").stdout)
    assert alice.ask("domain", "records", "plan", "alice.joy", shown)["changes"] == []
    empty = tmp_path / "empty.yaml"
    empty.write_text("records: {}\n")
    assert alice.ask("domain", "records", "plan", "alice.joy", empty)["clears_first"]
    assert alice.ask("domain", "records", "apply", "alice.joy", empty)["records"] == {}


BAD_ZONES = [
    ("name: bob.joy\nrecords: {url: x}\n", "about 'bob.joy'"),
    ("url: x\n", "expected `records:`"),
    ("records: [1\n", "not YAML"),
    ("records: {url: [x]}\n", "record url is not text"),
    ("records: {addr: {eth: {}}}\n", "addr.eth is not text"),
    ("records: {url: x, text: {url: y}}\n", "text.url twice"),
    ("[1, 2]\n", "not a mapping"),
]


def test_zone_files_that_are_none(alice, zone):
    for text, says in BAD_ZONES:
        zone.write_text(text)
        refused = alice.refused("domain", "records", "plan", "alice.joy", zone)
        assert (refused.exit_code, says in refused.message) == (2, True), refused.message


def test_many_records_follow_the_registration_in_a_second_transaction(alice):
    many = [f"text.key{n}=value {n}" for n in range(20)]
    flags = [word for record in many for word in ("--record", record)]
    alice.ask("domain", "register", "alice.joy", *flags)
    assert records(alice) == {f"text.key{n}": f"value {n}" for n in range(20)}
    (job,) = alice.ask("tx", "list", "--all")
    steps = [step["step"] for step in alice.ask("tx", "show", job["job"])["steps"]]
    assert steps == ["commit", "approve", "register", "records 1", "records 2"]


def test_strangers_names_are_refused_before_anything_is_sent(alice, person):
    alice.ask("domain", "register", "alice.joy")
    bob = person("bob")
    for command in (
        ["records", "set", "alice.joy", "url=x", "mail=y"],
        ["records", "clear", "alice.joy"],
        ["subname", "create", "bob.alice.joy"],
        ["lock", "alice.joy", "transfer"],
    ):
        refused = bob.refused("domain", *command)
        assert (refused.exit_code, refused.hint) == (4, "--account NAME of its owner")
    assert bob.ask("tx", "list", "--all") == []


def test_wildcards_answer_and_the_trace_shows_the_way(alice):
    alice.ask("domain", "register", "alice.joy", "--record", f"address={alice.address}")
    refused = alice.refused("domain", "resolve", "any.thing.alice.joy")
    assert refused.exit_code == 5
    alice.ask("domain", "records", "set", "alice.joy", "wildcard=yes")
    found = alice.ask("domain", "resolve", "any.thing.alice.joy", "--trace")
    assert (found["address"], found["source"]) == (alice.address, "alice.joy")
    calls = [(hop["contract"], hop["call"]) for hop in found["trace"]]
    assert calls[:5] == [
        ("PermaNetDomainRegistry", "resolver(any.thing.alice.joy)"),
        ("PermaNetDomainRegistry", "resolver(thing.alice.joy)"),
        ("PermaNetDomainRegistry", "resolver(alice.joy)"),
        ("PermaNetResolver", "supportsInterface(0x9061b923)"),
        ("PermaNetResolver", "wildcard(alice.joy)"),
    ]
    assert calls[5][1] == "resolve(any.thing.alice.joy, addr(any.thing.alice.joy, 60))"
    text = alice.joynet("domain", "resolve", "alice.joy", "--trace").stdout
    assert "resolver(alice.joy) -> 0x" in text


def test_subnames_are_given_promised_and_taken_back(alice, person, anvil):
    alice.ask("domain", "register", "alice.joy")
    bob = person("bob", joy=0)
    given = alice.ask(
        *("domain", "subname", "create", "bob.alice.joy", "--owner", bob.address),
        *("--lock", "parent,extend", "--days", 30, "--record", f"address={bob.address}"),
    )
    assert (given["owner"], given["locks"]) == (bob.address, ["parent", "extend"])
    assert bob.ask("domain", "resolve", "bob.alice.joy")["address"] == bob.address
    refused = alice.refused("domain", "subname", "revoke", "bob.alice.joy")
    assert (refused.exit_code, "cannot be taken back" in refused.message) == (2, True)
    longer = bob.ask("domain", "subname", "extend", "bob.alice.joy")
    parent = alice.ask("domain", "show", "alice.joy")
    assert longer["expires_at"] == parent["expires_at"] > given["expires_at"]

    alice.ask("domain", "subname", "create", "lent.alice.joy", "--owner", bob.address)
    listed = alice.ask("domain", "subname", "list", "alice.joy")
    assert [name["name"] for name in listed] == ["bob.alice.joy", "lent.alice.joy"]
    assert [n["name"] for n in bob.ask("domain", "list", bob.address)] == [
        "bob.alice.joy",
        "lent.alice.joy",
    ]
    verdict = bob.ask("domain", "permissions", "explain", "lent.alice.joy")["verdict"]
    assert f"owner of alice.joy {alice.address}: take lent.alice.joy back" in verdict
    alice.ask("domain", "subname", "revoke", "lent.alice.joy")
    assert bob.refused("domain", "show", "lent.alice.joy").exit_code == 5

    alice.ask("domain", "subname", "create", "kept.alice.joy", "--owner", bob.address)
    granted = alice.ask("domain", "subname", "grant", "kept.alice.joy", "parent")
    assert granted["locks"] == ["parent"]
    verdict = bob.ask("domain", "permissions", "explain", "kept.alice.joy")["verdict"]
    assert verdict.startswith("nobody can take kept.alice.joy before 20")
    anvil.time_travel(400 * DAY)
    assert alice.refused("domain", "subname", "create", "x.alice.joy").exit_code == 5


def test_permissions_name_everybody_who_could_take_a_name(alice, person, treasury):
    alice.ask("domain", "register", "alice.joy")
    bob = person("bob")
    found = alice.ask("domain", "permissions", "explain", "alice.joy")
    assert found["verdict"].startswith("nobody can take alice.joy before 20")
    assert found["powers"][0]["who"] == "anybody"
    call = ["contracts", "call", "PermaNetDomainRegistry", "setApprovalForAll"]
    alice.ask(*call, bob.address, "true", "--send")
    found = alice.ask("domain", "permissions", "explain", "alice.joy")
    assert f"alice.joy can be taken now: operator {bob.address}" in found["verdict"]
    locked = alice.ask("domain", "lock", "alice.joy", "transfer,resolver")
    assert locked["locks"] == ["resolver", "transfer"]
    found = alice.ask("domain", "permissions", "explain", "alice.joy")
    assert found["locks"] == [
        "resolver: where its records are cannot be changed",
        "transfer: it cannot change hands",
    ]
    refused = alice.refused("domain", "transfer", "alice.joy", bob.address)
    assert (refused.exit_code, refused.hint) == (7, "joynet domain permissions explain NAME")


def test_reverse_names_are_always_checked_forward(alice, person):
    alice.ask("domain", "register", "alice.joy")
    refused = alice.refused("domain", "reverse", "set", "alice.joy")
    assert refused.hint == f"joynet domain records set alice.joy address={alice.address}"
    alice.ask("domain", "set", "alice.joy", "address", alice.address)
    assert alice.ask("domain", "reverse", "set", "alice.joy")["name"] == "alice.joy"
    bob = person("bob")
    bob.ask("contracts", "call", "PermaNetResolver", "setName", "alice.joy", "--send")
    liar = bob.ask("domain", "reverse", "lookup", bob.address)
    assert (liar["name"], liar["claimed"]) == (None, "alice.joy")
    assert liar["reason"] == f"the address of alice.joy is {alice.address}"
    assert "claims alice.joy: not true" in bob.joynet("domain", "reverse", "lookup").stdout
    alice.ask("domain", "set", "alice.joy", "address", bob.address)
    assert alice.ask("domain", "reverse", "lookup")["name"] is None
    assert bob.ask("domain", "reverse", "lookup")["name"] == "alice.joy"


def test_permanent_names_and_what_expires(alice, anvil):
    quote = alice.ask("domain", "quote", "forever.joy", "--permanent")
    assert (quote["permanent"], quote["duration_s"]) == (True, None)
    bought = alice.ask("domain", "register", "forever.joy", "--permanent")
    assert (bought["permanent"], bought["expires_at"]) == (True, None)
    alice.ask("domain", "register", "alice.joy")
    assert alice.ask("domain", "expiring") == []
    (soon,) = alice.ask("domain", "expiring", "--within", 365)
    assert soon["name"] == "alice.joy"
    found = alice.ask("domain", "permissions", "explain", "forever.joy")
    assert found["verdict"] == "nobody can take forever.joy, ever"
    anvil.time_travel(366 * DAY)
    assert [name["live"] for name in alice.ask("domain", "expiring")] == [False]
    assert "never" in alice.joynet("domain", "list").stdout


def test_a_lapsed_name_costs_a_premium(alice, person, anvil):
    alice.ask("domain", "register", "alice.joy")
    anvil.time_travel((365 + 30) * DAY + 60)
    quote = json.loads(alice.joynet("domain", "quote", "alice.joy", "--json").stdout)["result"]
    assert quote["available"]
    assert 900 * JOY < int(quote["premium_wei"]) < 1_001 * JOY
    assert int(quote["total_wei"]) == int(quote["premium_wei"]) + int(quote["rent_wei"])
    assert "+ premium" in alice.joynet("domain", "quote", "alice.joy").stdout
    rich = person("rich", joy=3_000)
    assert rich.ask("domain", "register", "alice.joy")["owner"] == rich.address
    assert records(rich) == {}


DRY = [
    (["renew", "alice.joy"], "JoyToken.approve"),
    (["transfer", "alice.joy", BOB], "PermaNetDomainRegistry.safeTransferFrom"),
    (["lock", "alice.joy", "transfer"], "PermaNetDomainRegistry.lock"),
    (["bind", "alice.joy", "0x" + "5a" * 32], "PermaNetResolver.set_model"),
    (["set", "alice.joy", "url", "x"], "PermaNetResolver.setText"),
    (["records", "set", "alice.joy", "url=x", "mail=y"], "PermaNetResolver.multicall"),
    (["records", "clear", "alice.joy"], "PermaNetResolver.clearRecords"),
    (["subname", "create", "x.alice.joy"], "PermaNetSubnames.create"),
    (["subname", "extend", "pay.alice.joy"], "PermaNetSubnames.extend"),
    (["subname", "grant", "pay.alice.joy", "extend"], "PermaNetSubnames.grant"),
    (["subname", "revoke", "pay.alice.joy"], "PermaNetSubnames.revoke"),
    (["register", "other.joy", "--record", "url=x"], "PermaNetDomainRegistry.commit"),
]


def test_every_transaction_can_be_seen_before_it_is_sent(alice):
    """`--dry-run` needs no password and sends nothing."""
    alice.ask("domain", "register", "alice.joy")
    alice.ask("domain", "subname", "create", "pay.alice.joy", "--days", 9)
    before = alice.ask("tx", "list", "--all")
    for argv, plan in DRY:
        shown = alice.joynet("domain", *argv, "--dry-run", "--json", JOYNET_PASSWORD="").value
        assert shown["plan"].startswith(plan + "("), argv
        assert int(shown["max_gas_fee_wei"]) > 0
    assert alice.ask("tx", "list", "--all") == before
