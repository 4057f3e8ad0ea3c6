"""`joynet proof kernels`, and the checks behind it."""

import pytest

from joynet_cli.testing import run_cli
from joynet_sdk.errors import ConfigError, VerificationError
from joynet_sdk.proofs import programs, selftest
from joynet_sdk.proofs.selftest import Check, run_selftests


@pytest.fixture
def env(tmp_path, runtime):
    """A home whose compiled kernels are those of the other tests."""
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "kernels").symlink_to(runtime.programs.folder)
    return {"JOYNET_HOME": str(tmp_path)}


def test_every_check_passes_and_every_kernel_file_is_checked(runtime, monkeypatch):
    used = set()
    source_of = programs.source_of
    monkeypatch.setattr(programs, "source_of", lambda names: used.update(names) or source_of(names))
    monkeypatch.setattr(runtime.programs, "_programs", {})
    outcomes = list(run_selftests(runtime))
    assert [(each.name, each.detail) for each in outcomes if not each.is_passed] == []
    assert used == set(programs.kernel_names())


def test_one_wrong_kernel_does_not_stop_the_others(runtime, monkeypatch):
    def fail(_):
        raise VerificationError("element 3 is 0x1, expected 0x2")

    def break_(_):
        raise ConfigError("cannot compile")

    checks = [Check("a", fail), Check("b", break_), Check("c", lambda _: None)]
    monkeypatch.setattr(selftest, "SELFTESTS", checks)
    outcomes = list(run_selftests(runtime))
    assert [each.is_passed for each in outcomes] == [False, False, True]
    assert outcomes[0].detail == "element 3 is 0x1, expected 0x2"


# --- the commands


def test_list_marks_the_chosen_device(env):
    rows = run_cli(["proof", "kernels", "list", "--json"], env=env).value
    assert [row["number"] for row in rows] == list(range(len(rows)))
    assert [row["chosen"] for row in rows] == [True] + [False] * (len(rows) - 1)
    text = run_cli(["proof", "kernels", "list", "--device", "cpu"], env=env).stdout
    assert any(line.startswith("*") and "CPU" in line for line in text.splitlines())


def test_an_unknown_device_is_an_error(env):
    result = run_cli(["proof", "kernels", "selftest", "--device", "abacus", "--json"], env=env)
    assert result.exit_code == 5
    assert result.document["error"]["message"] == "no such OpenCL device: abacus"
    assert result.document["error"]["hint"] == "joynet proof kernels list"


def test_selftest_reports_each_kernel(env, runtime):
    result = run_cli(["proof", "kernels", "selftest"], env=env)
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()[1:]
    assert len(lines) == len(selftest.SELFTESTS)
    assert all(line.startswith("ok") for line in lines)


def test_selftest_fails_when_a_kernel_is_wrong(env, monkeypatch):
    def fail(_):
        raise VerificationError("element 0 is 0x1, expected 0x0")

    monkeypatch.setattr(selftest, "SELFTESTS", [Check("msm", fail)])
    result = run_cli(["proof", "kernels", "selftest", "--json"], env=env)
    assert result.exit_code == 10
    assert result.document["error"]["message"] == "this device computes wrong: msm"
    (outcome,) = result.document["result"]
    assert outcome["detail"] == "element 0 is 0x1, expected 0x0"


def test_build_keeps_binaries_that_the_next_run_loads(env, tmp_path, monkeypatch):
    (tmp_path / "cache" / "kernels").unlink()
    checks = [check for check in selftest.SELFTESTS if check.name == "keccak"]
    monkeypatch.setattr(selftest, "SELFTESTS", checks)
    first = run_cli(["proof", "kernels", "build", "--json"], env=env).value
    second = run_cli(["proof", "kernels", "build", "--json"], env=env).value
    assert (first["built"], first["loaded"]) == (1, 0)
    assert (second["built"], second["loaded"]) == (0, 1)
    assert len(list((tmp_path / "cache" / "kernels").glob("keccak-*.bin"))) == 1


def test_build_with_dry_run_builds_nothing(env, tmp_path):
    (tmp_path / "cache" / "kernels").unlink()
    result = run_cli(["proof", "kernels", "build", "--dry-run"], env=env)
    assert result.exit_code == 0
    assert not (tmp_path / "cache" / "kernels").exists()


def test_bench_times_every_kernel(env):
    rows = run_cli(["proof", "kernels", "bench", "--power", "10", "--json"], env=env).value
    assert {"field multiplication", "msm", "msm of 8-bit scalars"} <= {row["name"] for row in rows}
    assert all(row["cpu_s"] > 0 and row["size"] > 0 for row in rows)
