"""`joynet doctor` on this machine, and its rows when something is wrong."""

import threading
from pathlib import Path

import pytest

from joynet_sdk import doctor
from joynet_sdk.config import Settings
from joynet_sdk.errors import ConfigError, MissingDependencyError
from joynet_sdk.storage.blocks import DiskBlockStore

STATES = {"ok", "warn", "missing", "broken"}


@pytest.fixture
def only(monkeypatch):
    """Replace every check by the given ones."""
    return lambda **checks: monkeypatch.setattr(doctor, "CHECKS", checks)


def patient(tmp_path, **settings):
    return doctor.Patient(doctor.Home(tmp_path), Settings(**settings))


def test_every_part_has_a_row(joynet):
    result = joynet("doctor", "--json")
    rows = {row["name"]: row for row in result.value}
    assert list(rows) == list(doctor.CHECKS)
    assert {row["state"] for row in rows.values()} <= STATES
    assert rows["python"]["state"] == rows["home"]["state"] == rows["digits"]["state"] == "ok"
    assert rows["libp2p"]["version"].startswith("0.")
    assert rows["chain"]["fix"] == "joynet devnet up"
    assert set(rows["python"]) == {"name", "state", "version", "detail", "fix", "is_needed"}
    assert "joynet devnet up" in joynet("doctor").stdout


def test_a_needed_part_that_is_broken_exits_3(joynet, home):
    home.write_text("a file where the folder should be")
    result = joynet("doctor", "--json")
    rows = {row["name"]: row for row in result.document["result"]}
    assert result.exit_code == 3
    assert result.document["error"]["code"] == "config"
    assert "home" in result.document["error"]["message"]
    assert rows["home"]["state"] == "broken"
    assert str(home) in rows["home"]["detail"]


def test_a_dead_rpc_is_broken_and_named(joynet):
    result = joynet("doctor", "--network", "http://127.0.0.1:9", "--json")
    rows = {row["name"]: row for row in result.document["result"]}
    assert result.exit_code == 3
    assert rows["chain"]["state"] == "broken"
    assert "127.0.0.1:9" in rows["chain"]["detail"]


def test_a_check_that_hangs_costs_its_row_only(only, tmp_path):
    release = threading.Event()

    def hang(_: object) -> doctor.Check:
        release.wait(30)
        return doctor.Check("home", "ok")

    only(home=hang, digits=doctor.check_digits)
    home, digits = doctor.examine(tmp_path, Settings(), deadline_s=0.05)
    release.set()
    assert (home.state, home.detail, home.is_needed) == ("broken", "no answer within 0.05 s", True)
    assert digits.state == "ok"


@pytest.mark.parametrize(
    ("error", "state", "fix"),
    [
        (MissingDependencyError("x", "pip install x"), "missing", "pip install x"),
        (
            MissingDependencyError("x >= 2", "pip install x", why="found 1"),
            "broken",
            "pip install x",
        ),
        (ConfigError("no device", hint="do this"), "broken", "do this"),
        (OSError("odd"), "broken", None),
        (KeyError("odd"), "broken", None),
    ],
)
def test_failures_become_rows(only, tmp_path, error, state, fix):
    def fail(_: object) -> doctor.Check:
        raise error

    only(opencl=fail)
    (row,) = doctor.examine(tmp_path, Settings())
    assert (row.state, row.fix, row.is_needed) == (state, fix, False)


def test_an_open_home_is_a_warning(tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home").chmod(0o755)
    row = doctor.check_home(patient(tmp_path / "home"))
    assert (row.state, row.fix) == ("warn", f"chmod 700 {tmp_path / 'home'}")


def test_little_space_is_a_warning(tmp_path, monkeypatch):
    monkeypatch.setattr(doctor, "MIN_FREE_BYTES", 2**70)
    (tmp_path / "home").mkdir(mode=0o700)
    assert doctor.check_home(patient(tmp_path / "home")).state == "warn"


def test_damaged_blocks_are_a_warning(tmp_path):
    folder = doctor.Home(tmp_path).store
    with DiskBlockStore(folder):
        pass
    assert doctor.check_storage(patient(tmp_path)).state == "ok"
    (folder / "corrupt").mkdir(exist_ok=True)
    (folder / "corrupt" / "abcd").write_bytes(b"x")
    row = doctor.check_storage(patient(tmp_path))
    assert row.state == "warn"
    assert "1 damaged" in row.detail


def test_a_named_anvil_is_asked_for_its_version(tmp_path, monkeypatch):
    monkeypatch.setenv("JOYNET_ANVIL", "/bin/true")  # any binary that knows --version
    row = doctor.check_anvil(patient(tmp_path))
    assert (row.state, row.detail) == ("ok", "/bin/true")
    assert row.version[0].isdigit()
    monkeypatch.setenv("JOYNET_ANVIL", str(tmp_path / "absent"))
    with pytest.raises(ConfigError, match="JOYNET_ANVIL"):
        doctor.check_anvil(patient(tmp_path))


def test_opencl_devices_are_listed():
    from joynet_sdk.proofs.devices import list_devices

    devices = list_devices()
    assert devices
    for device in devices:
        assert device.kind in {"CPU", "GPU", "ACCELERATOR", "OTHER"}
        assert device.compute_units >= 1
        assert device.memory_bytes > 0


def test_the_shipped_model_is_where_doctor_looks():
    assert (Path(doctor.__file__).parent / "demo" / "digits.safetensors").is_file()
