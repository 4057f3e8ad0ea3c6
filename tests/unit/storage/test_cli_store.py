"""`joynet store ...` through the real parser."""

from pathlib import Path
from typing import Any

import pytest

from joynet_cli.testing import Result, run_cli

MISSING = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"


class Shell:
    def __init__(self, home: Path) -> None:
        self.home, self.env = home, {"JOYNET_HOME": str(home)}

    def __call__(self, *words: str | Path) -> Result:
        return run_cli(["store", *map(str, words)], env=self.env)

    def value(self, *words: str | Path) -> Any:
        return self(*words, "--json").value

    def error(self, *words: str | Path) -> Any:
        return self(*words, "--json").document["error"]


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path / "home")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "content"
    (root / "sub").mkdir(parents=True)
    (root / "hello").write_text("hello world")
    (root / "sub" / "data").write_bytes(bytes(range(256)) * 8)
    return root


def test_add_prints_the_cid_and_pins(shell: Shell, folder: Path) -> None:
    assert shell("add", folder / "hello").stdout == (
        "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e\n"
    )
    added = shell.value("add", folder, "--name", "docs")
    assert added["bytes"] == 11 + 2048
    assert added["profile"] == "unixfs-v1-2025"
    assert added["pinned"] is added["stored"] is True
    assert [pin["name"] for pin in shell.value("pin", "ls")] == ["hello", "docs"]
    assert shell.value("stat")["pins"] == 2


def test_classic_profile_and_dry_run(shell: Shell, tmp_path: Path) -> None:
    large = tmp_path / "large"
    large.write_bytes(bytes(700_000))
    modern = shell.value("add", large, "--dry-run")
    classic = shell.value("add", large, "--dry-run", "--import-profile", "classic")
    assert modern["cid"].startswith("bafkrei")
    assert classic["cid"].startswith("bafybei")
    assert modern["stored"] is False
    assert not (shell.home / "store").exists()
    assert (
        "unixfs-v1-2025, classic" in shell.error("add", large, "--import-profile", "x")["message"]
    )


def test_get_cat_and_ls(shell: Shell, folder: Path, tmp_path: Path) -> None:
    cid = shell.value("add", folder)["cid"]
    got = shell.value("get", cid, "-o", tmp_path / "out")
    assert (got["files"], got["bytes"]) == (2, 2059)
    assert (tmp_path / "out" / "sub" / "data").read_bytes() == bytes(range(256)) * 8
    assert shell("cat", f"{cid}/hello", "--offset", "6", "--length", "3").stdout == "wor"
    assert shell("cat", f"/ipfs/{cid}/hello").stdout == "hello world"
    assert [(e["name"], e["type"], e["bytes"]) for e in shell.value("ls", cid)] == [
        ("hello", "file", 11),
        ("sub", "folder", None),
    ]
    assert "sub" in shell("ls", cid).stdout
    again = shell("get", cid, "-o", tmp_path / "out")
    assert again.exit_code == 2
    assert "exists" in again.stderr


def test_pins_rm_and_gc(shell: Shell, folder: Path) -> None:
    cid = shell.value("add", folder)["cid"]
    assert shell("rm", cid).exit_code == 2
    assert shell.value("gc")["blocks"] == 0
    assert shell.value("pin", "rm", cid) == {"cid": cid, "pinned": False}
    assert shell("pin", "rm", cid).exit_code == 5
    assert shell.value("pin", "add", cid, "--name", "again")["name"] == "again"
    shell("pin", "rm", cid)
    assert shell("rm", cid, "--dry-run").stdout.startswith("would remove 4 blocks")
    assert shell.value("rm", cid)["blocks"] == 4
    loose = shell.value("add", folder, "--no-pin")
    assert loose["pinned"] is False
    assert shell("gc").stdout.startswith("removed 4 blocks")
    assert shell.value("stat")["blocks"] == 0


@pytest.mark.parametrize(
    ("words", "exit_code", "code"),
    [
        (["add", "no-such-path"], 5, "not_found"),
        (["cat", "hello"], 2, "invalid_input"),
        (["cat", "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn"], 2, "invalid_input"),
        (["get", MISSING, "-o", "out"], 5, "not_found"),
        (["rm", MISSING], 5, "not_found"),
        (["pin", "add", MISSING], 5, "not_found"),
    ],
)
def test_errors_have_codes(shell: Shell, words: list[str], exit_code: int, code: str) -> None:
    result = shell(*words)
    assert result.exit_code == exit_code
    assert result.stderr.startswith("error: ")
    if words[0] != "cat":
        assert shell.error(*words)["code"] == code


def test_cat_refuses_json(shell: Shell) -> None:
    result = shell("cat", MISSING, "--json")
    assert (result.exit_code, result.document["error"]["code"]) == (2, "usage")


def test_quota_comes_from_the_settings(shell: Shell, folder: Path) -> None:
    shell.env["JOYNET_STORAGE_QUOTA_GB"] = "0.000001"
    error = shell.error("add", folder)
    assert error["code"] == "quota"
    assert "at most 1000" in error["message"]
    assert "gc" in error["hint"]


def test_hostile_names_are_escaped(shell: Shell, tmp_path: Path) -> None:
    folder = tmp_path / "names"
    folder.mkdir()
    (folder / "a\x1b[31mred").write_text("x")
    cid = shell.value("add", folder)["cid"]
    assert "\x1b" not in shell("ls", cid).stdout
