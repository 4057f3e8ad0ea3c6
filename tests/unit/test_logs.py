"""Logs: one JSON object per line, no control characters, no secrets, bounded."""

import json
import logging
import subprocess
import sys
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joynet_sdk import logs

KEY = "0x" + "4c" * 32
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl"


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "logs" / "test.log"
    logs.configure(path, level="debug")
    yield path
    logs.configure(None)


def lines(path):
    return [json.loads(line) for line in path.read_text().split("\n") if line]


def test_a_line_says_when_who_and_what(log):
    logs.get_logger("joynet_sdk.test").info("job done", job=7, took_s=0.5, node="0xabc")
    (entry,) = lines(log)
    assert entry["event"] == "job done"
    assert entry["level"] == "info"
    assert entry["logger"] == "joynet_sdk.test"
    assert (entry["job"], entry["took_s"], entry["node"]) == (7, 0.5, "0xabc")
    assert entry["time"].endswith("+00:00")
    assert log.stat().st_mode & 0o777 == 0o600


@given(st.text(max_size=50), st.text(max_size=50))
def test_any_text_stays_on_one_printable_line(tmp_path_factory, event, value):
    path = tmp_path_factory.mktemp("logs") / "test.log"
    logs.configure(path)
    logs.get_logger("joynet_sdk.test").info(event, value=value, **{"key\r\n": value})
    logs.configure(None)
    raw = path.read_bytes()
    assert raw.count(b"\n") == 1
    assert raw.isascii()
    entry = json.loads(raw)
    for text in (entry["event"], entry["value"]):
        assert text.isprintable()


@pytest.mark.parametrize("evil", ["\r\n", "\x1b[2J", "\u2028", "\u2029", "\u202e", "\x00", "\x9b"])
def test_control_characters_are_escaped_also_after_decoding(log, evil):
    logs.get_logger("joynet_sdk.test").info(f"a{evil}b")
    (entry,) = lines(log)
    assert not set(evil) & set(entry["event"]) - set("[2J")


@pytest.mark.parametrize(
    "fields",
    [
        {"password": "hunter2"},
        {"keyfile_password": "hunter2"},
        {"private_key": "hunter2"},
        {"jwt_secret": "hunter2"},
        {"authorization": "hunter2"},
        {"salt": "hunter2"},
        {"prompt": "hunter2"},
        {"input": "hunter2"},
        {"nested": {"list": [{"api_key": "hunter2"}]}},
        {"text": "password=hunter2 and more"},
        {"text": 'config {"secret": "hunter2"}'},
        {"text": "Authorization: Bearer hunter2hunter2"},
        {"url": "http://alice:hunter2@host/x"},
        {"text": f"signing with {KEY}"},
        {"text": f"signing with {KEY[2:]}, twice"},
        {"where": KEY},
        {"text": f"got {JWT}"},
    ],
    ids=lambda fields: str(fields)[:40],
)
def test_secrets_are_masked(log, fields):
    logs.get_logger("joynet_sdk.test").info("event", **fields)
    text = log.read_text()
    assert logs.MASK in text
    assert "hunter2" not in text
    assert KEY[2:] not in text
    assert JWT not in text


@pytest.mark.parametrize(
    "name", ["tx_hash", "tx", "model_id", "digest", "genesis_hash", "state_root", "block_hash"]
)
def test_public_hashes_stay_readable(log, name):
    logs.get_logger("joynet_sdk.test").info("event", **{name: KEY})
    assert lines(log)[0][name] == KEY


def test_token_amounts_are_no_secret(log):
    logs.get_logger("joynet_sdk.test").info("event", tokens=5, max_tokens=6, access_token="x")
    entry = lines(log)[0]
    assert (entry["tokens"], entry["max_tokens"], entry["access_token"]) == (5, 6, logs.MASK)


def test_an_exception_is_logged_without_locals_or_secrets(log):
    try:
        local = "a local value"
        raise ValueError(f"bad key {KEY} of {len(local)}")
    except ValueError:
        logs.get_logger("joynet_sdk.test").error("failed", exc_info=True)
    (entry,) = lines(log)
    assert "ValueError: bad key [masked] of 13" in entry["traceback"]
    assert "local = " not in entry["traceback"]


def test_what_is_logged_is_bounded(log):
    deep = value = {}
    for _ in range(50):
        value["x"] = value = {}
    logs.get_logger("joynet_sdk.test").info(
        "x" * 10**6, big="y" * 10**6, many=list(range(10**4)), deep=deep, raw=b"secret bytes"
    )
    (entry,) = lines(log)
    assert log.stat().st_size < 4 * logs.MAX_TEXT
    assert len(entry["many"]) == logs.MAX_FIELDS
    assert entry["raw"] == "<12 bytes>"


def test_fields_cannot_replace_the_frame_of_a_line(log):
    logs.get_logger("joynet_sdk.test").info("event", level="debug", logger="other", time="never")
    (entry,) = lines(log)
    assert (entry["level"], entry["logger"]) == ("info", "joynet_sdk.test")


def test_libraries_log_here_too_from_warning_on(log, capfd):
    logging.getLogger("somebody.else").info("chatter")
    logging.getLogger("somebody.else").warning("careful: %s", "100%\nfoo")
    warnings.warn("old thing", stacklevel=1)
    events = [entry["event"] for entry in lines(log)]
    assert events[0] == "careful: 100%\\nfoo"
    assert "chatter" not in events
    assert capfd.readouterr().err == ""


def test_a_percent_sign_is_plain_text(log):
    logs.get_logger("joynet_sdk.test").info("50% of %s %d done", x="100%")
    assert lines(log)[0]["event"] == "50% of %s %d done"


def test_levels(tmp_path, capsys):
    path = tmp_path / "test.log"
    logs.configure(path, level="warning", stderr_level="info")
    logger = logs.get_logger("joynet_sdk.test")
    logger.debug("one")
    logger.info("two")
    logger.warning("three")
    logs.configure(None)
    assert [entry["event"] for entry in lines(path)] == ["three"]
    events = [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()]
    assert events == ["two", "three"]


def test_configuring_again_replaces_the_file(tmp_path):
    first, second = tmp_path / "a.log", tmp_path / "b.log"
    logs.configure(first)
    logs.configure(second)
    logs.get_logger("joynet_sdk.test").info("x")
    logs.configure(None)
    assert not first.exists()
    assert len(lines(second)) == 1


def test_files_rotate_and_only_so_many_are_kept(tmp_path):
    path = tmp_path / "test.log"
    logs.configure(path, max_bytes=2000, keep=2)
    for number in range(60):
        logs.get_logger("joynet_sdk.test").info("x" * 80, number=number)
    logs.configure(None)
    kept = sorted(p.name for p in tmp_path.glob("test.log*"))
    assert kept == ["test.log", "test.log.1", "test.log.2"]
    assert all((tmp_path / name).stat().st_size <= 2000 for name in kept)
    numbers = [e["number"] for name in reversed(kept) for e in lines(tmp_path / name)]
    assert numbers == list(range(numbers[0], 60))


def test_processes_share_a_file_while_it_rotates(tmp_path):
    path = tmp_path / "test.log"
    code = (
        "import sys; from pathlib import Path; from joynet_sdk import logs\n"
        "logs.configure(Path(sys.argv[1]), max_bytes=4000, keep=50)\n"
        "for n in range(60): logs.get_logger('joynet_sdk.t').info('x' * 100, n=n, who=sys.argv[2])"
    )
    children = [subprocess.Popen([sys.executable, "-c", code, path, who]) for who in "ab"]
    assert [child.wait(30) for child in children] == [0, 0]
    seen = [(e["who"], e["n"]) for p in tmp_path.glob("test.log*") for e in lines(p)]
    assert sorted(seen) == [(who, n) for who in "ab" for n in range(60)]


def test_a_log_that_cannot_be_written_says_so_once(tmp_path, capsys):
    blocker = tmp_path / "file"
    blocker.write_text("")
    logs.configure(blocker / "test.log")
    logs.get_logger("joynet_sdk.test").info("one")
    logs.get_logger("joynet_sdk.test").info("two")
    logs.configure(None)
    assert capsys.readouterr().err.count("cannot write the log") == 1
