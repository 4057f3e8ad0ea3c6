"""What goes wrong, and how `joynet` says so: exit code, message, hint, in both formats."""

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from .conftest import ALICE_KEY, PASSWORD, POOR_KEY, spawn

BOB = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
ROOT_BLOCK = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"
PAY = ("token", "transfer", BOB, "1", "--yes")
DEAD = "http://127.0.0.1:1"
DEADLINE_S = 60


@dataclass(frozen=True)
class Case:
    """A situation and what it must look like.

    Attributes:
        argv: The command line.
        code: Exit code.
        word: `error.code` with --json.
        says: Parts of the message.
        hint: Part of the hint; "" when there is none to give.
        env: Changed variables; None removes one.
        stdin: What is typed or piped.
        tty: Whether there is a terminal.
    """

    argv: tuple[str, ...]
    code: int
    word: str
    says: tuple[str, ...]
    hint: str = ""
    env: dict[str, str | None] = field(default_factory=dict)
    stdin: str = ""
    tty: bool = False


NO_FILE: dict[str, str | None] = {"JOYNET_PASSWORD_FILE": None}
CASES = {
    "wrong password": Case(
        PAY,
        4,
        "auth",
        ("wrong password for alice",),
        "JOYNET_PASSWORD",
        {**NO_FILE, "JOYNET_PASSWORD": "not it"},
    ),
    "wrong password on stdin": Case(
        (*PAY, "--password-stdin"), 4, "auth", ("wrong password for alice",), "", NO_FILE, "no\n"
    ),
    "no password, no terminal": Case(
        PAY, 4, "auth", ("the password of alice", "no terminal"), "--password-stdin", NO_FILE
    ),
    "empty password": Case(
        (*PAY, "--password-stdin"), 4, "auth", ("password of alice is empty",), "", NO_FILE
    ),
    "password file that is not there": Case(
        PAY, 4, "auth", ("/nowhere/pw",), "one line", {"JOYNET_PASSWORD_FILE": "/nowhere/pw"}
    ),
    "unknown account": Case(
        (*PAY, "--account", "nobody"), 5, "not_found", ("account: nobody",), "alice, poor"
    ),
    "no account chosen": Case(
        PAY, 2, "usage", ("no account",), "one of alice, poor", {"JOYNET_ACCOUNT": None}
    ),
    "unknown receiver": Case(
        ("token", "transfer", "nobody", "1"), 5, "not_found", ("nobody",), "account new"
    ),
    "unknown name": Case(
        ("domain", "resolve", "nobody.joy"), 5, "not_found", ("name: nobody.joy",), "register"
    ),
    "unknown TLD": Case(
        ("domain", "show", "alice.nope"), 5, "not_found", ("TLD: nope",), "tld list"
    ),
    "name that is none": Case(
        ("domain", "check", "alice"), 2, "invalid_input", ("'alice'", "label.tld"), ""
    ),
    "name with a bad letter": Case(
        ("domain", "check", "al ice.joy"), 2, "invalid_input", ("al ice.joy",), "ENSIP-15"
    ),
    "unknown model": Case(("model", "show", "0x" + "ab" * 32), 5, "not_found", ("0xababab",), ""),
    "model by an unknown name": Case(
        ("infer", "run", "nobody.joy", "x"), 5, "not_found", ("nobody.joy",), "domain register"
    ),
    "model that nobody serves": Case(
        ("infer", "run", "0x" + "ab" * 32, "x"), 5, "not_found", ("nobody offers it",), "node offer"
    ),
    "bad REF": Case(
        ("model", "show", "0xabc"), 2, "invalid_input", ("'0xabc'", "64 hex digits"), ""
    ),
    "bad verification": Case(
        ("infer", "run", "x.joy", "1", "--verify", "redundant:2"),
        *(2, "invalid_input", ("redundant:2", "odd", "zk"), ""),
    ),
    "receipt into no folder": Case(
        ("infer", "run", "x.joy", "1", "--save-receipt", "no/where/r"),
        *(5, "not_found", ("no/where",), "mkdir -p no/where"),
    ),
    "unknown job": Case(("infer", "show", "99"), 5, "not_found", ("job: 99",), ""),
    "dead RPC": Case(
        ("token", "info"),
        6,
        "unavailable",
        ("no chain at 127.0.0.1:1",),
        "",
        {"JOYNET_NETWORK": DEAD},
    ),
    "dead RPC before paying": Case(
        PAY, 6, "unavailable", ("no chain at 127.0.0.1:1",), "", {"JOYNET_NETWORK": DEAD}
    ),
    "devnet that does not run": Case(
        *(("token", "info"), 6, "unavailable", ("devnet is not running",), "joynet devnet up"),
        {"JOYNET_NETWORK": "devnet"},
    ),
    "RPC that is no address": Case(
        ("token", "info"), 3, "config", ("ftp://x",), "", {"JOYNET_NETWORK": "ftp://x"}
    ),
    "wrong chain": Case(
        *(PAY, 3, "config", ("expected chain 1",), "config show --origin"),
        {"JOYNET_CHAIN_ID": "1"},
    ),
    "not enough JOY": Case(
        ("token", "transfer", BOB, "11", "--yes"), 7, "reverted", ("balance",), "devnet fund"
    ),
    "not enough JOY for the name": Case(
        ("domain", "register", "ab.joy", "--yes"), 8, "insufficient_funds", ("have 10",), "balance"
    ),
    "name past the price one wants": Case(
        ("domain", "register", "alice.joy", "--max-price", "1", "--yes"),
        *(8, "insufficient_funds", ("--max-price", "have 1, need 5"), "domain quote alice.joy"),
    ),
    "not enough JOY to set aside": Case(
        ("payment", "withdraw", "3", "--yes"), 8, "insufficient_funds", ("need 3",), "joynet"
    ),
    "not enough ETH for gas": Case(
        (*PAY, "--account", "poor"), 8, "insufficient_funds", ("ETH", "have 0"), "devnet fund 0x"
    ),
    "amount that is a word": Case(
        ("token", "transfer", BOB, "much"), 2, "invalid_input", ("'much'", "decimal"), ""
    ),
    "amount with a wrong unit": Case(
        ("payment", "deposit", "1 gwei"), 2, "invalid_input", ("'1 gwei'", "'250 wei'"), ""
    ),
    "amount below a wei": Case(
        ("payment", "deposit", "0.1 wei"), 2, "invalid_input", ("'0.1 wei'",), ""
    ),
    "amount below zero": Case(
        ("payment", "deposit", "--", "-1"), 2, "invalid_input", ("'-1'", "0 or more"), ""
    ),
    "bad address": Case(
        ("token", "transfer", "0x1234", "1"), 2, "invalid_input", ("'0x1234'", "40 hex"), ""
    ),
    "address with a wrong checksum": Case(
        ("token", "transfer", BOB.replace("C51", "c51"), "1"), 2, "invalid_input", ("checksum",), ""
    ),
    "unknown command": Case(("domian",), 2, "usage", ("'domian'", "'domain'"), "joynet --help"),
    "unknown verb": Case(
        ("domain", "registr"), 2, "usage", ("'registr'", "'register'"), "joynet domain --help"
    ),
    "unknown option": Case(
        ("domain", "quote", "a.joy", "--year", "2"),
        *(2, "usage", ("--year", "--years"), "joynet domain quote --help"),
    ),
    "option without its value": Case(
        ("token", "info", "--network"), 2, "usage", ("--network needs a value",), "--help"
    ),
    "years out of range": Case(
        ("domain", "quote", "a.joy", "--years", "11"), 2, "usage", ("--years",), "--help"
    ),
    "no yes, no terminal": Case(
        ("devnet", "reset"), 2, "usage", ("needs a yes", "no terminal"), "--yes"
    ),
    "declined": Case(("devnet", "reset"), 1, "aborted", ("cancelled",), "", {}, "n\n", tty=True),
    "end of input at the question": Case(
        ("devnet", "reset"), 1, "aborted", ("cancelled",), "", {}, "", tty=True
    ),
    "node that is not there": Case(
        ("node", "status"), 5, "not_found", ("no such node in",), "joynet node init"
    ),
    "earnings without a node": Case(
        ("node", "earnings"), 5, "not_found", ("no such node in",), "joynet node init"
    ),
    "p2p without a node": Case(
        ("p2p", "peers"), 5, "not_found", ("running node",), "joynet node start"
    ),
    "peer that is none": Case(
        ("p2p", "connect", "tcp://x"), 2, "invalid_input", ("'tcp://x'", "/p2p/PEER_ID"), "p2p id"
    ),
    "content that is not stored": Case(
        ("store", "ls", ROOT_BLOCK), 5, "not_found", (ROOT_BLOCK,), "fetch"
    ),
    "CID that is none": Case(("store", "ls", "bafy"), 2, "invalid_input", ("'bafy'",), ""),
    "file that is not there": Case(("store", "add", "gone"), 5, "not_found", ("gone",), ""),
    "receipt that is not there": Case(("receipt", "verify", "gone"), 5, "not_found", ("gone",), ""),
    "unknown setting": Case(
        ("config", "set", "storage.quota", "1"), 3, "config", ("storage.quota",), "quota_gb"
    ),
    "variable that is no number": Case(
        ("token", "info"), 3, "config", ("'soon'",), "", {"JOYNET_TIMEOUT": "soon"}
    ),
    "unknown profile": Case(
        ("config", "show", "--profile", "nope"), 5, "not_found", ("nope",), "profile create"
    ),
    "unknown transaction job": Case(("tx", "show", "999"), 5, "not_found", ("999",), "tx list"),
}


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_failure(joynet, state, case):
    before = state()
    options = {"changes": case.env, "stdin": case.stdin, "tty": case.tty}
    human = joynet(*case.argv, **options)
    document = joynet("--json", *case.argv, **options)
    assert (human.exit_code, document.exit_code) == (case.code, case.code), human.stderr
    error = document.document["error"]
    assert document.document["ok"] is False
    assert (error["code"], error["retryable"]) == (case.word, case.word == "unavailable")
    for part in case.says:
        assert part in error["message"]
    assert case.hint in (error["hint"] or "")
    assert human.stdout == ""
    assert f"error: {error['message']}\n" in human.stderr.replace("\x1b[31m", "").replace(
        "\x1b[0m", ""
    )
    if error["hint"]:
        assert human.stderr.endswith(f"hint: {error['hint']}\n")
    assert "error:" not in document.stderr
    assert state() == before


def test_hints_are_commands_that_exist(joynet):
    """Every `joynet ...` in a hint of the table parses at least as far as its --help."""
    hints = set()
    for case in CASES.values():
        options = {"changes": case.env, "stdin": case.stdin, "tty": case.tty}
        hint = joynet("--json", *case.argv, **options).document["error"]["hint"] or ""
        words = hint.partition("joynet ")[2].split()[:2]
        if len(words) == 2 and all(word.strip(":;,").isalpha() for word in words):
            hints.add(tuple(word.strip(":;,") for word in words))
    assert len(hints) >= 8
    for words in hints:
        assert joynet(*words, "--help").exit_code == 0, words


def test_bad_config_file_names_file_and_line(joynet, tmp_path):
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "config.toml").write_text('network = "devnet"\naccount = \n')
    for argv in (("token", "info"), ("account", "list"), ("config", "show")):
        result = joynet(*argv, "--json", changes={"JOYNET_HOME": str(folder)})
        error = result.document["error"]
        assert (result.exit_code, error["code"]) == (3, "config")
        assert str(folder / "config.toml") in error["message"]
        assert "line 2" in error["message"]


def test_receipt_that_is_not_one(joynet, tmp_path):
    bad = tmp_path / "bad.receipt"
    bad.write_text("{}")
    result = joynet("receipt", "verify", str(bad), "--json")
    error = result.document["error"]
    assert (result.exit_code, error["code"]) == (10, "verification_failed")
    assert f"{bad} is not a receipt file" in error["message"]


HIDDEN = """
import importlib.metadata as metadata, sys
class Hide:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("libp2p", "trio"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
find = metadata.version
def version(name):
    if name == "libp2p":
        raise metadata.PackageNotFoundError(name)
    return find(name)
metadata.version = version
sys.meta_path.insert(0, Hide())
from joynet_cli.main import main
main()
"""
PEER = "/ip4/127.0.0.1/tcp/1/p2p/16Uiu2HAmDjeqwukmNofgBQtdf6ASd2Bojr6M78Hq4hk3VBb3mbYV"


@pytest.mark.parametrize("json", [(), ("--json",)], ids=["human", "json"])
def test_missing_libp2p_names_the_line_to_type(env, json):
    command = [sys.executable, "-c", HIDDEN, "p2p", "ping", PEER, *json]
    done = subprocess.run(command, env={**os.environ, **env}, capture_output=True, text=True)
    assert done.returncode == 3, done.stderr
    told = done.stdout if json else done.stderr
    assert "is not installed" in told
    assert "pip install" in told
    assert "libp2p==" in told
    assert (done.stderr if json else done.stdout) == ""


# --- disks ----------------------------------------------------------------------------------------

READ_ONLY = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" || exit 99; "$@"'
FULL = 'mount -t tmpfs -o size=64k tmpfs "$0" && head -c 99999 /dev/zero > "$0/x"; "$@"'
LIMITED = 'ulimit -f 0; "$@"'
WRITERS = [
    ["account", "new", "zoe"],
    ["config", "set", "account", "zoe"],
    ["devnet", "up"],
    ["p2p", "id"],
    ["store", "add", "/etc/hostname"],
    ["tx", "list"],
]


@pytest.mark.parametrize("argv", WRITERS, ids=" ".join)
@pytest.mark.parametrize(
    ("script", "says", "hint"),
    [
        (READ_ONLY, "the file system is read-only", "writable folder"),
        (FULL, "the disk is full", "free some space"),
        (LIMITED, "the file would pass the size limit|the disk refuses to write", "ulimit|space"),
    ],
    ids=["read-only", "full", "limited"],
)
def test_home_that_cannot_be_written(env, tmp_path, argv, script, says, hint):
    """A real read-only or full file system, in a mount namespace of its own."""
    disk = tmp_path / "disk"
    disk.mkdir()
    program = [sys.executable, "-m", "joynet_cli", *argv, "--home", str(disk / "home")]
    done = subprocess.run(
        ["unshare", "--map-root-user", "--mount", "bash", "-c", script, str(disk), *program],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 99 or "unshare" in done.stderr:
        pytest.skip("no mounts here")
    assert done.returncode == 3, done.stdout + done.stderr
    error, told = done.stderr.strip().splitlines()[-2:]
    assert error.startswith("error: ")
    assert re.search(says, error)
    assert str(disk) in error
    assert re.search(hint, told)
    assert "Traceback" not in done.stderr
    assert not [path for path in disk.rglob("*") if path.is_file() and path.stat().st_size]


# --- interruption ---------------------------------------------------------------------------------


def on_terminal(env, *argv):
    """Start `joynet` on a terminal of its own; returns (pid, the terminal's other end)."""
    pid, terminal = pty.fork()
    if pid == 0:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("JOYNET_")}
        command = [sys.executable, "-m", "joynet_cli", *argv]
        os.execve(sys.executable, command, {**inherited, **env})
    return pid, terminal


def read_until(terminal, text):
    """What the terminal shows until `text` (None: until it ends)."""
    shown, deadline = b"", time.monotonic() + DEADLINE_S
    while text is None or text not in shown:
        assert time.monotonic() < deadline, shown
        if select.select([terminal], [], [], 0.1)[0]:
            try:
                more = os.read(terminal, 65536)
            except OSError:  # the other end is closed
                more = b""
            if not more:
                assert text is None, shown
                break
            shown += more
    return shown.decode(errors="replace")


def end(pid, terminal):
    """(exit code, the rest of what it showed)"""
    rest = read_until(terminal, None)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), rest


def test_password_prompt_works_while_a_bar_is_up(env, state):
    """The bar of `payment deposit` makes way for the prompt; nothing is echoed; ^C leaves."""
    before = state()
    locked = {key: value for key, value in env.items() if key != "JOYNET_PASSWORD_FILE"}
    pid, terminal = on_terminal(locked, "payment", "deposit", "1")
    read_until(terminal, b"Password of alice: ")
    os.write(terminal, b"wrong horse\n")
    code, rest = end(pid, terminal)
    assert (code, "wrong horse" in rest) == (4, False)
    assert "wrong password for alice" in rest
    pid, terminal = on_terminal(locked, "payment", "deposit", "1")
    read_until(terminal, b"Password of alice: ")
    os.write(terminal, b"\x03")
    code, rest = end(pid, terminal)
    assert (code, rest.strip().endswith("interrupted")) == (130, True)
    assert state() == before


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
@pytest.mark.parametrize("json", [(), ("--json",)], ids=["human", "json"])
def test_signal_while_waiting_stops_with_one_line(env, number, code, json, tmp_path):
    """A registration waits for its commitment's age; what was paid stays resumable."""
    home = tmp_path / "home"
    home.mkdir()
    for folder in ("keys", "deployments"):
        source = Path(env["JOYNET_HOME"]) / folder
        subprocess.run(["cp", "-a", source, home / folder], check=True)
    own = {**env, "JOYNET_HOME": str(home)}
    name = f"sig{number.value}{len(json)}.joy"
    child = spawn(own, "domain", "register", name, "--yes", "-v", *json)
    assert child.stderr is not None
    shown = b""
    while b"commit(0x" not in shown:  # its plan is shown right before it is signed
        line = child.stderr.readline()
        assert line, shown
        shown += line
    child.send_signal(number)
    out, err = child.communicate(timeout=DEADLINE_S)
    assert child.returncode == code, err
    assert b"Traceback" not in out + err
    if json:
        assert b'"code": "interrupted"' in out
        assert out.count(b"\n") == 1
    else:
        assert err.splitlines()[-1] == b"error: interrupted"
        assert out == b""
    done = spawn(own, "tx", "resume", "--yes", "--json")
    resumed, problem = done.communicate(timeout=DEADLINE_S)
    assert done.returncode == 0, problem + resumed


ASK_IN_A_THREAD = """
import asyncio, threading
from joynet_cli._output import out
stopped = threading.Event()
def pause(seconds):
    if stopped.wait(seconds):
        raise RuntimeError("stopped")
async def main():
    try:
        await asyncio.to_thread(out.confirm, "Send it?", ["the plan"], pause)
    finally:
        stopped.set()
with out.progress("Working"):
    asyncio.run(main())
"""


@pytest.mark.parametrize("answer", [b"y\n", b"\x03"], ids=["yes", "Ctrl-C"])
def test_question_of_a_worker_thread(answer):
    """It is readable while a bar is up, and Ctrl-C ends it without an Enter."""
    pid, terminal = pty.fork()
    if pid == 0:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a background job's workers ignore it
        os.execv(sys.executable, [sys.executable, "-c", ASK_IN_A_THREAD])
    shown = read_until(terminal, b"[y/N] ")
    assert "the plan\r\nSend it? [y/N] " in shown
    os.write(terminal, answer)
    code, _ = end(pid, terminal)
    assert (code == 0) == (answer == b"y\n")


def test_resume_knows_every_kind_of_job():
    """In a process that imported nothing but the client."""
    code = (
        "from joynet_sdk import client; from joynet_sdk.chain import flows;"
        "[flows.find(kind) for kind in (*client.FLOWS, 'contracts.deploy', 'call', 'transfer')]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# --- secrets --------------------------------------------------------------------------------------

LOUD = [
    ("token", "transfer", BOB, "0.1", "--yes", "-vv"),
    ("payment", "deposit", "0.1", "--yes", "-vv", "--json"),
    ("token", "transfer", BOB, "99", "--yes", "-vv"),
    ("account", "list", "-vv", "--json"),
    ("config", "show", "--origin", "-vv"),
]


@pytest.mark.parametrize(
    ("argv", "source"),
    [*((argv, "file") for argv in LOUD), (LOUD[0], "variable"), (LOUD[0], "stdin")],
)
def test_no_secret_in_argv_output_or_logs(env, home, argv, source):
    chosen = {key: value for key, value in env.items() if key != "JOYNET_PASSWORD_FILE"}
    if source == "file":
        chosen = env
    elif source == "variable":
        chosen["JOYNET_PASSWORD"] = PASSWORD
    else:
        argv = (*argv, "--password-stdin")
    child = spawn(chosen, *argv, stdin=subprocess.PIPE)
    assert child.stdin is not None
    if source == "stdin":
        child.stdin.write(PASSWORD.encode() + b"\n")
    child.stdin.close()
    child.stdin = None
    lines = set()
    while child.poll() is None:
        lines |= command_lines()
        select.select([], [], [], 0.02)
    out, err = child.communicate(timeout=DEADLINE_S)
    logs = b"".join(path.read_bytes() for path in (home / "logs").rglob("*") if path.is_file())
    text = (out + err + logs + b"".join(lines)).lower()
    assert any(BOB.encode() in line or b"joynet_cli" in line for line in lines)
    for secret in (PASSWORD, ALICE_KEY, POOR_KEY):
        assert secret.encode() not in text


def command_lines() -> set[bytes]:
    """The arguments of every process there is."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.add(path.read_bytes())
        except OSError:  # it has ended
            continue
    return found
