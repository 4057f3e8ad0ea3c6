"""Class `zk` on the command line, where there is nothing to prove with."""

import pytest

MODEL = "0x" + "5a" * 32


def test_unknown_job_is_not_found(alice):
    error = alice.refused("infer", "show", 1, "--proven")
    assert error.exit_code == 5
    assert error.message == "no such proven job: 1"


@pytest.mark.parametrize("options", [(), ("--dry-run",), ("--explain",)])
def test_model_without_a_circuit_is_refused_before_anything_is_paid(alice, options):
    before = alice.joy()
    error = alice.refused("infer", "run", MODEL, "an input", "--verify", "zk", *options)
    assert error.exit_code == 5
    assert error.hint
    assert alice.joy() == before


def test_unknown_verification_is_refused(alice):
    error = alice.refused("infer", "run", MODEL, "an input", "--verify", "zk:2")
    assert error.exit_code == 2
    assert "expected none, zk, or redundant:N" in error.message
