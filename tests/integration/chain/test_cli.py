"""The chain commands: real parsing, exit codes, both output formats, no secret anywhere."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from joynet_cli.main import run_cli
from joynet_sdk.chain import Journal, Keys

PASSWORD = "correct horse battery"
KEY = "4f3edf983ac636a65a842ce7c78d9aa706d3b113bce9c46f30d7d21715b23b1d"
BOB = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
DEADLINE_S = 40


@pytest.fixture
def env(home, anvil, tmp_path):
    password = tmp_path / "password"
    password.write_text(PASSWORD + "\n")
    return {
        "JOYNET_HOME": str(home),
        "JOYNET_NETWORK": anvil.url,
        "JOYNET_PASSWORD_FILE": str(password),
        "JOYNET_TIMEOUT": "20",
    }


@pytest.fixture
def joynet(env, tmp_path):
    """Run the command line in an empty folder."""
    outputs = []

    def run(*argv, **options):
        options = {"env": env, **options}
        result = run_cli(argv, cwd=tmp_path, **options)
        outputs.append(result.stdout + result.stderr)
        return result

    yield run
    assert not any(secret in text for text in outputs for secret in (PASSWORD, KEY))


@pytest.fixture
def alice(home, token, session):
    """A key in the home, with JOY and ETH."""
    info = Keys(home, scrypt_n=2).new("alice", PASSWORD)
    session.transfer(info.address, 10**18)
    token.transact("transfer", info.address, 10 * 10**18)
    return info


def test_transfer_and_balance(joynet, alice):
    plan = joynet("token", "transfer", BOB, "1.5", "--dry-run", "--json").value
    assert plan["joy_change_wei"] == "-1500000000000000000"
    assert plan["plan"] == f"JoyToken.transfer({BOB}, 1500000000000000000)"
    assert joynet("token", "balance", BOB, "--json").value["joy_wei"] == "0"
    receipt = joynet("token", "transfer", BOB, "1.5", "--yes", "--json").value
    assert receipt["events"][0]["args"]["value"] == "1500000000000000000"
    assert joynet("token", "balance", BOB).stdout.startswith("1.5 JOY")
    jobs = joynet("tx", "list", "--all", "--json").value
    assert jobs[-1]["title"] == "JoyToken.transfer"
    shown = joynet("tx", "show", str(jobs[-1]["job"]), "--json").value
    assert [(s["state"], s["tx"]) for s in shown["steps"]] == [("mined", receipt["tx"])]


def test_approve_names_a_contract(joynet, alice, token):
    joynet("token", "approve", "JoyToken", "2", "--yes")
    assert token.call("allowance", alice.address, token.address) == 2 * 10**18


def test_contracts_are_listed_called_and_described(joynet, alice, token):
    names = [row["name"] for row in joynet("contracts", "list", "--json").value]
    assert "JoyToken" in names
    assert joynet("contracts", "addresses", "--json").value["JoyToken"] == token.address
    assert joynet("contracts", "call", "JoyToken", "symbol").stdout == "JOY\n"
    functions = [e.get("name") for e in joynet("contracts", "abi", "JoyToken", "--json").value]
    assert "transfer" in functions
    refused = joynet("contracts", "call", "JoyToken", "approve", BOB, "5")
    assert (refused.exit_code, "--send" in refused.stderr) == (2, True)
    call = ["contracts", "call", "JoyToken", "approve", BOB, "5", "--send", "--yes", "--json"]
    assert joynet(*call).value["events"][0]["event"] == "Approval"
    assert token.call("allowance", alice.address, BOB) == 5


def test_accounts(joynet, home):
    new = joynet("account", "new", "carol", "--json").value
    assert joynet("account", "list", "--json").value[0]["name"] == "carol"
    assert joynet("account", "address").stdout.strip() == new["address"]
    imported = joynet("account", "import", "dave", stdin=f"0x{KEY}\n")
    assert imported.stdout.strip() == "0x90F8bf6A479f320ead074411a4B0e7944Ea8c9C1"
    balance = joynet("account", "balance", "dave", "--json").value
    assert balance == {"address": imported.stdout.strip(), "eth_wei": "0"}
    again = joynet("account", "import", "dave", stdin=KEY)
    assert (again.exit_code, "already" in again.stderr) == (2, True)
    keyfile = (home / "keys" / "dave.json").read_bytes()
    assert joynet("account", "import", "erin", stdin=keyfile).exit_code == 0
    bad = joynet("account", "import", "frank", stdin=KEY + "0")
    assert bad.exit_code == 2


def test_real_money_needs_a_yes(joynet, alice, monkeypatch, session):
    """On a devnet nothing is asked; elsewhere a plan is shown and a yes is needed."""
    monkeypatch.setattr("joynet_sdk.types.DEVELOPMENT_CHAIN_IDS", range(0))
    refused = joynet("token", "transfer", BOB, "1")
    assert (refused.exit_code, "hint: --yes" in refused.stderr) == (2, True)
    assert "JOY -1 JOY" in refused.stderr
    declined = joynet("token", "transfer", BOB, "1", stdin="n\n", tty=True)
    assert declined.exit_code == 1
    assert session.contract("JoyToken").call("balanceOf", BOB) == 0
    assert joynet("tx", "list", "--json").value == []
    assert joynet("token", "transfer", BOB, "1", stdin="y\n", tty=True).exit_code == 0
    assert session.contract("JoyToken").call("balanceOf", BOB) == 10**18


@pytest.mark.parametrize(
    ("argv", "changes", "code", "word", "hint"),
    [
        (["token", "transfer", BOB, "1", "--yes"], {"PASSWORD_FILE": "bad"}, 4, "auth", "PASSWORD"),
        (["token", "transfer", BOB, "1", "--yes"], {"PASSWORD_FILE": None}, 4, "auth", "PASSWORD"),
        (["token", "transfer", "nobody", "1", "--yes"], {}, 5, "not_found", "account new"),
        (["token", "transfer", BOB, "11", "--yes"], {}, 7, "reverted", "fund"),
        (["token", "transfer", BOB, "x"], {}, 2, "invalid_input", None),
        (["token", "info"], {"NETWORK": "http://127.0.0.1:1"}, 6, "unavailable", "devnet up"),
        (["token", "info"], {"NETWORK": "devnet"}, 6, "unavailable", "devnet up"),
        (["token", "info"], {"CHAIN_ID": "1"}, 3, "config", "chain_id"),
        (["contracts", "call", "Nothing", "x"], {}, 5, "not_found", "contracts deploy"),
        (["contracts", "call", "JoyToken", "x"], {}, 5, "not_found", "balanceOf"),
        (["contracts", "deploy", "Nothing"], {}, 5, "not_found", "JoyToken"),
        (["tx", "show", "999"], {}, 5, "not_found", "tx list"),
        (["account", "new", "alice"], {}, 2, "invalid_input", "another name"),
        (["devnet", "time-travel", "soon"], {}, 2, "invalid_input", None),
        (["devnet", "restore", "none", "--yes"], {}, 5, "not_found", "snapshot"),
        (["devnet", "fund", "alice"], {}, 6, "unavailable", "devnet up"),
    ],
)
def test_failures_have_their_exit_code_and_a_hint(
    joynet, alice, env, tmp_path, argv, changes, code, word, hint
):
    bad = tmp_path / "bad"
    bad.write_text("wrong\n")
    chosen = dict(env)
    for key, value in changes.items():
        chosen.pop(f"JOYNET_{key}", None)
        if value is not None:
            chosen[f"JOYNET_{key}"] = str(bad) if value == "bad" else value
    human = joynet(*argv, env=chosen)
    document = joynet(*argv, "--json", env=chosen)
    assert (human.exit_code, document.exit_code) == (code, code), human.stderr
    error = document.document["error"]
    assert error["code"] == word
    lines = human.stderr.strip().splitlines()
    assert lines[-2 if error["hint"] else -1] == f"error: {error['message']}"
    if hint:
        assert hint in error["hint"]
        assert lines[-1] == f"hint: {error['hint']}"


def start(env, *argv):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("JOYNET_")}
    command = [sys.executable, "-c", "from joynet_cli.main import main; main()", *argv]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, env={**environment, **env}, **pipes)


DEPLOYED = [
    "JoyToken",
    "TldRegistry",
    "PermaNetDomainRegistry",
    "PermaNetSubnames",
    "PermaNetResolver",
]


def test_deploy_killed_in_the_middle_is_finished_by_resume(joynet, alice, home, env, session):
    """kill -9 between two transactions, then `tx resume`: same addresses, nothing sent twice."""
    (home / "deployments" / f"{session.chain_id}.json").unlink()
    before = session.journal.jobs()[-1].id
    victim = start(env, "contracts", "deploy", *DEPLOYED, "--yes")
    deadline = time.monotonic() + DEADLINE_S
    with Journal(home) as journal:
        while len([s for s in journal.steps(before + 1) if s.state == "mined"]) < 2:
            assert victim.poll() is None, victim.communicate()[1]
            assert time.monotonic() < deadline
        victim.send_signal(signal.SIGKILL)
        victim.communicate()
        done = {s.name: s.hash for s in journal.steps(before + 1) if s.state == "mined"}
    assert joynet("tx", "list", "--json").value[0]["kind"] == "contracts.deploy"
    resumed = joynet("tx", "resume", "--yes", "--json").value
    assert [job["state"] for job in resumed["jobs"]] == ["done"]
    steps = session.journal.steps(before + 1)
    assert {s.name: s.hash for s in steps if s.name in done} == done
    addresses = joynet("contracts", "addresses", "--json").value
    assert sorted(addresses) == sorted(DEPLOYED)
    sent = int(session.rpc.call("eth_getTransactionCount", alice.address, "latest"), 16)
    assert sent == len(steps)
    registry = session.contract("PermaNetDomainRegistry", addresses["PermaNetDomainRegistry"])
    assert registry.call("link", "TldRegistry") == addresses["TldRegistry"]
    assert joynet("tx", "resume", "--json").value == {"resent": [], "jobs": []}


def test_two_commands_at_once_on_one_account(joynet, alice, env, token):
    children = [start(env, "token", "transfer", BOB, "1", "--yes", "--json") for _ in range(3)]
    results = [child.communicate(timeout=DEADLINE_S) for child in children]
    documents = [json.loads(out) for out, _ in results]
    assert [d["ok"] for d in documents] == [True] * 3, results
    assert len({d["result"]["tx"] for d in documents}) == 3
    assert token.call("balanceOf", BOB) == 3 * 10**18


def test_secret_is_in_no_argv_environment_or_log(env, home, alice):
    """While a command runs, `ps` shows no secret; afterwards no file but the keyfile holds one."""
    child = start(env, "token", "transfer", BOB, "1", "--yes", "-vv")
    out, err = child.communicate(timeout=DEADLINE_S)
    assert child.returncode == 0, err
    key = Keys(home).unlock("alice", PASSWORD)._signer.key.hex()
    for text in (out, err, *(p.read_bytes().decode("latin-1") for p in files(home))):
        assert PASSWORD not in text
        assert key not in text


def files(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def test_home_in_the_way_of_a_file(joynet, env, tmp_path):
    (tmp_path / "file").write_text("in the way")
    for noun in (["account", "new", "x"], ["tx", "list"], ["devnet", "up"]):
        result = joynet(*noun, env={**env, "JOYNET_HOME": str(tmp_path / "file")})
        assert result.exit_code == 3, result.stderr
        assert f"error: cannot use {tmp_path / 'file'}" in result.stderr


FULL_DISK = """
mount -t tmpfs -o size=64k tmpfs "$0" || exit 99
head -c 100000 /dev/zero > "$0/filler" 2>/dev/null
"$@"
code=$?
rm "$0/filler"
find "$0" -type f
exit $code
"""


@pytest.mark.parametrize("argv", [["account", "new", "x"], ["tx", "list"], ["devnet", "up"]])
def test_full_disk_is_told_and_leaves_no_part(env, tmp_path, argv):
    """A real full file system, in a mount namespace of its own."""
    disk = tmp_path / "disk"
    disk.mkdir()
    program = "from joynet_cli.main import main; main()"
    command = [sys.executable, "-c", program, *argv]
    done = subprocess.run(
        ["unshare", "--map-root-user", "--mount", "bash", "-c", FULL_DISK, str(disk), *command],
        env={**os.environ, **env, "JOYNET_HOME": str(disk / "home"), "JOYNET_NETWORK": "devnet"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 99 or "unshare" in done.stderr:
        pytest.skip("no mounts here; test_journal fills a limited file instead")
    assert done.returncode == 3, done.stderr
    assert "the disk is full" in done.stderr
    parts = [line for line in done.stdout.splitlines() if ".new" in line or line.endswith(".tmp")]
    assert parts == []
