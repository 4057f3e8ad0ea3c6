import os
import resource
import subprocess
import sys
import threading

import pytest

from joynet_sdk.chain.accounts import Keys
from joynet_sdk.chain.journal import Journal
from joynet_sdk.errors import ConfigError, NotFoundError, UnavailableError

CHAIN = "1:0x" + "ab" * 32
ALICE = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
CALL = {"contract": "JoyToken", "function": "transfer", "args": ["5"]}


@pytest.fixture
def job(journal):
    return journal.add_job(CHAIN, ALICE, "call", "pay", {"n": "1"})


def signed(journal, job, name, nonce):
    step = journal.plan(job, name, ALICE, CALL, 7)
    journal.set_signed(step, nonce, b"raw", "0x" + "12" * 32)
    return journal.step(job.id, name)


def test_signed_bytes_survive_reopening(journal, job, tmp_path):
    signed(journal, job, "one", 3)
    with Journal(tmp_path / "home") as again:
        step = again.step(job.id, "one")
        assert again.job(job.id) == job
    assert (step.raw, step.nonce, step.state, step.value, step.call) == (
        b"raw",
        3,
        "signed",
        7,
        CALL,
    )


def test_signed_step_is_never_planned_or_signed_again(journal, job):
    first = signed(journal, job, "one", 3)
    journal.plan(job, "one", "0x00", {"contract": "X"}, 9)
    journal.set_signed(first, 4, b"other", "0x" + "34" * 32)
    assert journal.step(job.id, "one") == first


def test_bytes_that_never_left_are_given_up_when_their_nonce_is_used(journal, job):
    signed(journal, job, "never sent", 3)
    out = signed(journal, job, "sent", 4)
    journal.set_state(out, "sent")
    other = journal.add_job(CHAIN, ALICE, "call", "again", {})
    signed(journal, other, "one", 3)
    signed(journal, other, "two", 4)
    assert [s.state for s in journal.steps(job.id)] == ["replaced", "sent"]
    assert [s.state for s in journal.steps(other.id)] == ["signed", "signed"]


def test_steps_come_back_by_nonce(journal, job):
    for nonce in (5, 3, 4):
        signed(journal, job, f"n{nonce}", nonce)
    assert [s.nonce for s in journal.steps_from_nonce(CHAIN, ALICE, 4)] == [4, 5]
    assert journal.steps_from_nonce("2:0x", ALICE, 0) == []
    assert journal.senders(CHAIN) == [ALICE]


def test_only_an_unsent_job_is_discarded(journal, job):
    journal.plan(job, "one", ALICE, CALL, 0)
    assert journal.discard_unsent(job.id)
    with pytest.raises(NotFoundError):
        journal.job(job.id)
    other = journal.add_job(CHAIN, ALICE, "call", "pay", {})
    signed(journal, other, "one", 1)
    assert not journal.discard_unsent(other.id)
    assert journal.job(other.id).state == "open"


def test_jobs_are_listed_by_state(journal, job):
    other = journal.add_job(CHAIN, ALICE, "call", "two", {})
    journal.finish_job(job.id, "done")
    assert [j.id for j in journal.jobs(state="open")] == [other.id]
    assert [j.id for j in journal.jobs()] == [job.id, other.id]


def test_rewound_steps_are_given_up(journal, job):
    early, late = signed(journal, job, "early", 1), signed(journal, job, "late", 2)
    journal.set_state(early, "mined", receipt={"blockNumber": "0x5"})
    journal.set_state(late, "mined", receipt={"blockNumber": "0x9"})
    journal.forget_after(CHAIN, 6)
    assert [s.state for s in journal.steps(job.id)] == ["mined", "replaced"]


def test_account_lock_excludes_another_process(journal, tmp_path):
    code = (
        "import sys; from pathlib import Path; from joynet_sdk.chain.journal import Journal\n"
        f"with Journal(Path({str(tmp_path / 'home')!r})).account_lock({CHAIN!r}, {ALICE!r}, 5):\n"
        "    print('held', flush=True); sys.stdin.read()"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert child.stdout.readline() == b"held\n"
        with pytest.raises(UnavailableError), journal.account_lock(CHAIN, ALICE, 0.1):
            pass
        with journal.account_lock(CHAIN, "0xother", 0.1):
            pass
        child.kill()
        child.wait()
        with journal.account_lock(CHAIN, ALICE, 5):  # the kernel let go of a dead holder's lock
            pass
    finally:
        child.kill()
        child.communicate()


def test_account_lock_excludes_another_thread(journal):
    inside = threading.Event()
    leave = threading.Event()

    def hold():
        with journal.account_lock(CHAIN, ALICE, 5):
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    assert inside.wait(5)
    with pytest.raises(UnavailableError), journal.account_lock(CHAIN, ALICE, 0.1):
        pass
    leave.set()
    thread.join()


def test_damaged_file_is_a_config_error(tmp_path):
    with Journal(tmp_path / "home") as journal:
        path = journal.path
    path.write_bytes(b"this is no database at all, and it is long enough to be looked at" * 100)
    with pytest.raises(ConfigError, match="not a database"):
        Journal(tmp_path / "home")


def test_later_version_is_refused(journal, tmp_path):
    journal._db.execute("PRAGMA user_version = 99")
    with pytest.raises(ConfigError, match="version 99"):
        Journal(tmp_path / "home")


def test_file_in_the_way_is_a_config_error(tmp_path):
    (tmp_path / "home").write_text("a file")
    with pytest.raises(ConfigError, match="cannot use"):
        Journal(tmp_path / "home")


def test_full_disk_refuses_before_anything_is_sent(tmp_path):
    """A step whose bytes cannot be stored raises, and the journal stays whole."""
    with Journal(tmp_path / "home") as journal:
        job = journal.add_job(CHAIN, ALICE, "call", "pay", {})
        step = journal.plan(job, "one", ALICE, CALL, 0)
    code = (
        "import sys; from pathlib import Path; from joynet_sdk.chain.journal import Journal\n"
        "from joynet_sdk.errors import ConfigError\n"
        f"j = Journal(Path({str(tmp_path / 'home')!r})); step = j.step({job.id}, 'one')\n"
        "try: j.set_signed(step, 1, b'x' * 500_000, '0x00')\n"
        "except ConfigError as error: print(error); sys.exit(3)\n"
    )

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))

    done = subprocess.run(
        [sys.executable, "-c", code], preexec_fn=limit, capture_output=True, text=True, check=False
    )
    assert done.returncode == 3, done.stderr
    assert "disk" in done.stdout
    with Journal(tmp_path / "home") as journal:
        assert journal.step(job.id, "one") == step


@pytest.fixture
def ordinary_user():
    """Act as a user who may not write everywhere, also where tests run as root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65_534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_read_only_folder_is_a_config_error(tmp_path, ordinary_user):
    home = tmp_path / "home"
    with pytest.raises(ConfigError, match="permission denied") as caught:
        Journal(home)
    assert str(home) in str(caught.value)
    with pytest.raises(ConfigError, match="permission denied"):
        Keys(home, scrypt_n=2).new("alice", "pw")
