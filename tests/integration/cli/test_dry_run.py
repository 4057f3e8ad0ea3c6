"""`--dry-run` shows the plan, needs no password, and changes nothing."""

import pytest

BOB = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"

TRANSACTIONS = [
    (["token", "transfer", BOB, "1.5"], "JoyToken.transfer", "-1500000000000000000"),
    (["token", "approve", "NodeCoordinator", "2"], "JoyToken.approve", "0"),
    (["payment", "deposit", "3"], "JoyToken.approve", "0"),
    (["domain", "register", "dryrun.joy"], "PermaNetDomainRegistry.commit", "0"),
    (["contracts", "call", "JoyToken", "approve", BOB, "5", "--send"], "JoyToken.approve", "0"),
    (["domain", "reverse", "set", ""], "PermaNetResolver.setName", "0"),
    (["dao", "delegate", BOB], "JoyToken.delegate", "0"),
    (["stake", "add", "2"], "JoyToken.stake", "-2000000000000000000"),
    (["contracts", "deploy", "--fresh"], "deploy JoyToken", None),
]


@pytest.mark.parametrize(("argv", "title", "joy"), TRANSACTIONS)
def test_transactions_are_shown_without_a_password(joynet, state, argv, title, joy):
    before = state()
    locked = {"JOYNET_PASSWORD_FILE": None}
    document = joynet(*argv, "--dry-run", "--json", changes=locked).value
    assert document["plan"].startswith(title)
    assert int(document["max_gas_fee_wei"]) > 0
    assert document["joy_change_wei"] == joy
    human = joynet("--dry-run", *argv, changes=locked)
    assert (human.exit_code, document["plan"] in human.stdout) == (0, True)
    assert f"from {document['from']}" in human.stdout
    assert "  gas at most " in human.stdout
    assert state() == before


def test_a_job_of_several_transactions_says_which_is_first(joynet):
    human = joynet("domain", "register", "dryrun.joy", "--dry-run")
    assert human.stdout.startswith("register dryrun.joy, its first transaction:\n")
    assert "dryrun.joy: 4.99" in human.stderr  # what it will cost in the end


def test_a_plan_that_cannot_work_fails_as_the_command_would(joynet):
    assert joynet("token", "transfer", BOB, "11", "--dry-run").exit_code == 7
    broke = joynet("token", "transfer", BOB, "1", "--dry-run", changes={"JOYNET_ACCOUNT": "poor"})
    assert broke.exit_code == 8
    assert joynet("domain", "register", "x.nope", "--dry-run").exit_code == 5


CHANGES = [
    (["account", "new", "zoe"], "make the key zoe"),
    (["config", "set", "storage.quota_gb", "20"], None),
    (["profile", "create", "main"], "create profile main"),
    (["node", "init"], "make a node's keys"),
    (["p2p", "id"], "make a peer key"),
    (["store", "add", "."], None),
    (["store", "pin", "add", "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"], "pin"),
    (["devnet", "up"], "start the devnet"),
    (["devnet", "fund", BOB], "give 1000 JOY and 10 ETH"),
    (["devnet", "time-travel", "1d"], "move the chain's clock forward by 86400 s"),
    (["devnet", "snapshot", "x"], "keep the chain as x"),
    (["devnet", "restore", "x"], "go back to snapshot x"),
    (["devnet", "reset"], "throw the devnet's chain away"),
    (["devnet", "down"], "stop the devnet"),
    (["quickstart"], "run a network of 3 nodes"),
    (["quickstart", "--down"], "stop the network"),
    (["tx", "resume"], "resume 0 jobs"),
]


@pytest.mark.parametrize(("argv", "plan"), CHANGES)
def test_other_changes_are_only_told(joynet, state, argv, plan):
    before = state()
    document = joynet(*argv, "--dry-run", "--json")
    human = joynet(*argv, "--dry-run")
    assert (document.exit_code, human.exit_code) == (0, 0), human.stderr
    if plan is not None:
        assert document.value["plan"].startswith(plan)
        assert human.stdout == f"would {document.value['plan']}\n"
    assert state() == before


def test_an_import_is_checked_and_not_kept(joynet, state):
    before = state()
    assert joynet("account", "import", "zoe", "--dry-run", stdin="11" * 32).exit_code == 0
    assert joynet("account", "import", "zoe", "--dry-run", stdin="11").exit_code == 2
    assert state() == before


def test_the_variable_works_as_the_flag(joynet, state):
    before = state()
    dry = {"JOYNET_DRY_RUN": "1"}
    assert joynet("token", "transfer", BOB, "1", changes=dry).stdout.startswith("JoyToken.transfer")
    assert state() == before
