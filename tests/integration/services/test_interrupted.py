"""kill -9 in the middle of a registration: it is finished once, and paid once."""

import os
import signal
import subprocess
import sys
import time

import pytest

from joynet_sdk.chain import Journal

JOY = 10**18
DEADLINE_S = 60


def start(person, *argv):
    """The command in a process of its own."""
    code = "from joynet_cli.main import main; main()"
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("JOYNET_")}
    return subprocess.Popen(
        [sys.executable, "-c", code, *argv, "--yes", "--json"],
        env=inherited | person.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def wait_for(is_true, process, what):
    deadline = time.monotonic() + DEADLINE_S
    while not is_true():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, f"still waiting for {what}"
        time.sleep(0.002)


def kill_when(person, step, states, *argv):
    """Start a command and kill it as soon as the journal has `step` in one of `states`."""
    process = start(person, *argv)
    with Journal(person.home) as journal:

        def is_reached():
            found = journal.step(1, step)
            return found is not None and found.state in states

        wait_for(is_reached, process, f"{step} to be {states}")
    process.send_signal(signal.SIGKILL)
    process.communicate()


def steps(person):
    with Journal(person.home) as journal:
        return [(step.name, step.state) for step in journal.steps(1)]


@pytest.mark.parametrize(
    ("step", "states"),
    [
        ("commit", {"planned", "signed", "sent", "mined"}),
        ("commit", {"mined"}),
        ("approve", {"signed", "sent", "mined"}),
        ("register", {"planned", "signed", "sent", "mined"}),
    ],
    ids=["commit begun", "committed", "approve begun", "register begun"],
)
def test_tx_resume_finishes_a_killed_registration_and_pays_once(alice, step, states):
    rent = int(alice.ask("domain", "check", "alice.joy")["rent_wei"])
    kill_when(alice, step, states, "domain", "register", "alice.joy")
    alice.ask("tx", "resume")
    assert alice.ask("domain", "show", "alice.joy")["owner"] == alice.address
    assert alice.joy() == 1_000 * JOY - rent
    assert alice.ask("tx", "resume") == {"resent": [], "jobs": []}
    assert {state for _, state in steps(alice)} == {"mined"}


def test_a_second_home_with_the_same_key_finishes_it(alice, person):
    """The secret comes from a signature: the same command gives the same commitment."""
    rent = int(alice.ask("domain", "check", "alice.joy")["rent_wei"])
    kill_when(alice, "commit", {"mined"}, "domain", "register", "alice.joy")
    elsewhere = person("alice", home="elsewhere")
    assert elsewhere.address == alice.address
    elsewhere.ask("domain", "register", "alice.joy")
    commits = [job["args"] for home in (alice, elsewhere) for job in [step_call(home, "commit")]]
    assert commits[0] == commits[1]
    assert elsewhere.joy() == 1_000 * JOY - rent

    refused = alice.joynet("tx", "resume", "--json")
    assert refused.exit_code == 7
    assert alice.joy() == 1_000 * JOY - rent
    assert alice.ask("tx", "list") == []
    assert alice.ask("domain", "show", "alice.joy")["owner"] == alice.address


def step_call(person, name):
    with Journal(person.home) as journal:
        return journal.step(1, name).call


def test_the_same_command_twice_at_once_pays_once(alice):
    rent = int(alice.ask("domain", "check", "alice.joy")["rent_wei"])
    both = [start(alice, "domain", "register", "alice.joy") for _ in range(2)]
    for process in both:
        process.communicate(timeout=DEADLINE_S)
    assert sorted(process.returncode == 0 for process in both) == [False, True]
    assert alice.joy() == 1_000 * JOY - rent
    assert alice.ask("domain", "show", "alice.joy")["owner"] == alice.address
