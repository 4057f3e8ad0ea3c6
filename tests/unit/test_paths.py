"""The home folder: private, atomic, clear when the disk refuses."""

import errno
import os
import stat
from pathlib import Path

import pytest

from joynet_sdk.errors import ConfigError
from joynet_sdk.paths import Home, atomic_write, file_errors, home_root, private_dir


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, Path("~/.joynet").expanduser()),
        ({"JOYNET_HOME": ""}, Path("~/.joynet").expanduser()),
        ({"JOYNET_HOME": "~/x/../y"}, Path("~/y").expanduser()),
        ({"JOYNET_HOME": "/a/b"}, Path("/a/b")),
    ],
)
def test_home_root(environ, expected):
    assert home_root(environ) == expected


def test_create_makes_private_folders(tmp_path):
    home = Home(tmp_path / "home")
    home.create()
    home.create()
    assert {mode(path) for path in (home.root, home.keys, home.profiles, home.logs)} == {0o700}


def test_atomic_write_replaces_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "new" / "file"
    atomic_write(path, "one")
    atomic_write(path, b"two", mode=0o644)
    assert path.read_bytes() == b"two"
    assert mode(path) == 0o644
    assert mode(path.parent) == 0o700
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("failing", ["write", "fsync", "replace"])
def test_a_full_disk_leaves_the_old_file_and_no_part(tmp_path, monkeypatch, failing):
    path = tmp_path / "file"
    atomic_write(path, "old")

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    if failing == "write":
        monkeypatch.setattr(os, "fdopen", refuse)
    elif failing == "fsync":
        monkeypatch.setattr(os, "fsync", refuse)
    else:
        monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(ConfigError, match=f"cannot use {path}: the disk is full") as caught:
        atomic_write(path, "new")
    monkeypatch.undo()
    assert "free some space" in caught.value.hint
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.EROFS, "the file system is read-only"),
        (errno.EACCES, "permission denied"),
        (errno.EDQUOT, "the disk quota is used up"),
        (errno.ENAMETOOLONG, "the path is too long"),
    ],
)
def test_refusals_name_the_path_and_help(number, reason):
    path = Path("/some/file")
    expected = pytest.raises(ConfigError, match=f"^cannot use /some/file: {reason}")
    with expected as caught, file_errors(path):
        raise OSError(number, "refused")
    assert caught.value.hint


def test_other_errors_pass_through():
    with pytest.raises(TimeoutError), file_errors(Path("/x")):
        raise TimeoutError


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "home").write_text("")
    with pytest.raises(ConfigError, match="something else is there already"):
        private_dir(tmp_path / "home")
    with pytest.raises(ConfigError, match="a part of the path is a file"):
        atomic_write(tmp_path / "home" / "x" / "y", "data")
