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


def kill_when(person, step, states, *argv, job=1):
    """Start a command and kill it as soon as the journal has `step` in one of `states`."""
    process = start(person, *argv)
    with Journal(person.home) as journal:

        def is_reached():
            found = journal.step(job, step)
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


def test_a_second_home_with_only_the_key_finishes_it(alice, person):
    """The hint in the log says what was asked for; the key alone opens it."""
    rent = int(alice.ask("domain", "check", "alice.joy")["rent_wei"])
    asked = ("--record", "url=https://example.org", "--years", "2")
    kill_when(alice, "commit", {"mined"}, "domain", "register", "alice.joy", *asked)
    elsewhere = person("alice", home="elsewhere")
    assert elsewhere.address == alice.address
    (found,) = elsewhere.ask("domain", "recover")
    assert (found["name"], found["owner"]) == ("alice.joy", alice.address)
    assert found["records"] == {"text.url": "https://example.org"}
    dear = elsewhere.refused("domain", "register", "alice.joy", "--max-price", "6")
    assert dear.exit_code == 8  # what was begun is two years, whatever is asked for now
    done = elsewhere.joynet("domain", "register", "alice.joy", "--max-price", "10", "--json")
    assert "finishing the registration of alice.joy begun at" in done.stderr
    assert step(elsewhere, "commit") is None  # that of the first home is good
    records = elsewhere.ask("domain", "records", "show", "alice.joy")["records"]
    assert records == {"text.url": "https://example.org"}
    assert elsewhere.joy() == 1_000 * JOY - 2 * rent
    assert elsewhere.ask("domain", "recover") == []

    refused = alice.joynet("tx", "resume", "--json")
    assert refused.exit_code == 7
    assert alice.joy() == 1_000 * JOY - 2 * rent
    assert alice.ask("tx", "list") == []
    assert alice.ask("domain", "show", "alice.joy")["owner"] == alice.address


def test_recover_finishes_one_by_name_and_knows_no_other(alice, person, anvil):
    kill_when(alice, "commit", {"mined"}, "domain", "register", "alice.joy")
    stranger = person("bob")
    assert stranger.ask("domain", "recover") == []
    assert stranger.refused("domain", "recover", "alice.joy").exit_code == 5
    elsewhere = person("alice", home="elsewhere")
    assert elsewhere.refused("domain", "recover", "alice.joy", "--max-price", "1").exit_code == 8
    assert elsewhere.ask("domain", "recover", "alice.joy")["owner"] == alice.address
    kill_when(elsewhere, "commit", {"mined"}, "domain", "register", "later.joy", job=2)
    anvil.time_travel(2 * 86_400)  # a commitment is good for a day
    assert elsewhere.ask("domain", "recover") == []


def step(person, name):
    with Journal(person.home) as journal:
        return journal.step(1, name)


def test_the_same_command_twice_at_once_pays_once(alice):
    rent = int(alice.ask("domain", "check", "alice.joy")["rent_wei"])
    both = [start(alice, "domain", "register", "alice.joy") for _ in range(2)]
    for process in both:
        process.communicate(timeout=DEADLINE_S)
    assert sorted(process.returncode == 0 for process in both) == [False, True]
    assert alice.joy() == 1_000 * JOY - rent
    assert alice.ask("domain", "show", "alice.joy")["owner"] == alice.address
