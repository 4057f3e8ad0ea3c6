"""The output layer: what programs get, what people get, and what a terminal must never get."""

import json
from collections import namedtuple
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path

import msgspec
import pytest
from pydantic import BaseModel

from joynet_cli._output import Output, out, printable, to_json
from joynet_sdk.errors import VerificationError


class Colour(Enum):
    RED = "red"


@dataclass
class Record:
    amount: int
    path: Path


class Struct(msgspec.Struct):
    digest: bytes


class Model(BaseModel):
    name: str


Pair = namedtuple("Pair", "left right")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Record(2**53, Path("/a")), {"amount": str(2**53), "path": "/a"}),
        (2**53 - 1, 2**53 - 1),
        (-(2**60), str(-(2**60))),
        (Struct(b"\x01\xff"), {"digest": "0x01ff"}),
        (Model(name="x"), {"name": "x"}),
        (Pair(1, None), {"left": 1, "right": None}),
        ({Colour.RED: (True, 1.5)}, {"red": [True, 1.5]}),
        ({"b", "a"}, ["a", "b"]),
        (datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02T00:00:00+00:00"),
    ],
)
def test_to_json(value, expected):
    assert to_json(value) == expected


def test_to_json_refuses_what_it_does_not_know():
    with pytest.raises(TypeError, match="cannot print object as JSON"):
        to_json(object())


def test_result_is_a_document_or_a_record(joynet, noun):
    def say() -> None:
        out.note("working")
        out.line("only for people")
        out.result(Record(5, Path("/a")))

    noun(say=say)
    assert joynet("probe", "say", "--json").document == {
        "ok": True,
        "result": {"amount": 5, "path": "/a"},
    }
    people = joynet("probe", "say")
    assert people.stdout == "only for people\namount  5\npath    /a\n"
    assert people.stderr == "working\n"
    assert joynet("probe", "say", "-q").stderr == ""


def test_a_command_without_result_still_gives_a_document(joynet, noun):
    noun(say=lambda: out.line("done"))
    assert joynet("probe", "say", "--json").document == {"ok": True, "result": None}


def test_a_second_result_is_a_bug(joynet, noun):
    def say() -> None:
        out.result(1)
        out.result(2)

    noun(say=say)
    assert joynet("probe", "say").exit_code == 1


def test_a_result_with_an_error_is_one_document_and_an_exit_code(joynet, noun):
    def check() -> None:
        out.result({"valid": False}, error=VerificationError("the signature is wrong"))

    noun(check=check)
    document, people = joynet("probe", "check", "--json"), joynet("probe", "check")
    assert document.exit_code == people.exit_code == 10
    assert document.document["ok"] is False
    assert document.document["result"] == {"valid": False}
    assert document.document["error"]["code"] == "verification_failed"
    assert people.stdout == "valid  no\n"
    assert people.stderr == "error: the signature is wrong\n"


def test_a_failure_after_the_result_does_not_add_a_second_document(joynet, noun):
    def say() -> None:
        out.result(1)
        raise VerificationError("late")

    noun(say=say)
    result = joynet("probe", "say", "--json")
    assert result.exit_code == 10
    assert result.document == {"ok": True, "result": 1}
    assert result.stderr == "error: late\n"


def test_events_are_ndjson_even_with_line_separators_inside(joynet, noun):
    def stream() -> None:
        out.event({"text": "a\u2028b\nc"})
        out.event({"n": 2})

    noun(stream=stream)
    lines = joynet("probe", "stream", "--json").stdout.splitlines()
    assert [json.loads(line) for line in lines] == [{"text": "a\u2028b\nc"}, {"n": 2}]
    assert joynet("probe", "stream").stdout == ""


def test_table_aligns_and_keeps_rows_on_one_line(joynet, noun):
    def show() -> None:
        out.table(["name", "n"], [["alice", 1], ["b\nob", None]])
        out.table(["name"], [])

    noun(show=show)
    result = joynet("probe", "show")
    assert result.stdout == "NAME   N\nalice  1\nb ob   -\n"
    assert result.stderr == "none\n"


def test_terminal_controls_are_escaped(joynet, noun):
    evil = "\x1b[2J\x9b\u202e\r\x07name"
    assert printable(evil) == "\\x1b[2J\\x9b\\u202e\\r\\x07name"

    def show() -> None:
        out.line(evil)
        out.table(["x"], [[evil]])
        out.note(evil)
        raise VerificationError(evil)

    noun(show=show)
    result = joynet("probe", "show")
    assert not set(result.stdout + result.stderr) & set("\x1b\x9b\u202e\r\x07")


def test_text_the_terminal_cannot_encode_is_escaped(monkeypatch, tmp_path):
    with (tmp_path / "out").open("w", encoding="ascii") as stream:
        monkeypatch.setattr("sys.stdout", stream)
        Output().line("naïve \u2713")
    assert (tmp_path / "out").read_text() == "na\\xefve \\u2713\n"


def test_bytes_go_out_unchanged(noun, joynet):
    noun(cat=lambda: out.stdout_bytes(b"raw bytes\n"))
    assert joynet("probe", "cat").stdout == "raw bytes\n"


@pytest.mark.parametrize(
    ("options", "exit_code", "stderr"),
    [
        ({}, 2, "error: Pay 3 JOY? needs a yes, and there is no terminal\nhint: --yes\n"),
        ({"tty": True, "stdin": "y\n"}, 0, "Pay 3 JOY? [y/N] "),
        ({"tty": True, "stdin": "n\n"}, 1, "cancelled, nothing more was done"),
        ({"tty": True, "stdin": ""}, 1, "cancelled, nothing more was done"),
    ],
)
def test_confirm(joynet, noun, options, exit_code, stderr):
    noun(pay=lambda: out.confirm("Pay 3 JOY?"))
    result = joynet("probe", "pay", **options)
    assert result.exit_code == exit_code
    assert stderr in result.stderr
    assert joynet("probe", "pay", "--yes").exit_code == 0


def test_progress_is_for_terminals_only(joynet, noun):
    def work() -> None:
        with out.progress("Importing", total=2) as bar:
            bar.advance()
            bar.stage("block [2]")
            bar.total(3)
            bar.advance(2)
        out.result("done")

    noun(work=work)
    assert joynet("probe", "work").stderr == ""
    assert joynet("probe", "work", "--json", tty=True).stderr == ""
    shown = joynet("probe", "work", tty=True, env={"TERM": "xterm"})
    assert "block [2]" in shown.stderr
    assert shown.stdout.strip() == "done"


def test_colour_only_where_wanted(joynet):
    assert "\x1b[31m" in joynet("nope", tty=True).stderr
    assert "\x1b" not in joynet("nope", tty=True, env={"NO_COLOR": "1"}).stderr
    assert "\x1b" not in joynet("nope", "--no-color", tty=True).stderr
    assert "\x1b" not in joynet("nope").stderr
