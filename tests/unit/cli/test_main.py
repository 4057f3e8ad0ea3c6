"""Parsing, global options in any position, errors to exit codes, in both formats."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import pytest
import typer

from joynet_cli import commands
from joynet_cli._output import out
from joynet_cli._session import ctx
from joynet_sdk import errors

JOYNET = [sys.executable, "-c", "from joynet_cli.main import main; main()"]
Name = Annotated[str, typer.Option("--name")]
Word = Annotated[str, typer.Argument()]


def test_help_lists_the_nouns_that_exist_and_no_other(joynet):
    result = joynet("--help")
    listed = {line.split()[0] for line in result.stdout.splitlines() if line.startswith("  ")}
    assert result.exit_code == 0
    assert set(commands.present()) <= listed
    assert not (set(commands.SUMMARY) - set(commands.present())) & listed


def modules_after(code: str) -> set[str]:
    """Top-level modules and joynet modules that a fresh interpreter has after running `code`."""
    code += "; import sys; print(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    names = done.stdout.splitlines()[-1].split()
    return {name if name.startswith("joynet") else name.partition(".")[0] for name in names}


def test_help_imports_no_noun_and_nothing_heavy():
    # `benchmarks/startup.py` prints the time: the contract is 300 ms of CPU.
    loaded = modules_after("from joynet_cli.main import run; run(['--help'])")
    assert not [name for name in loaded if name.startswith("joynet_cli.commands.")]
    assert not loaded & {
        "pydantic",
        "structlog",
        "rich",
        "numpy",
        "ape",
        "web3",
        "aiohttp",
        "torch",
    }
    assert not loaded & {"eth_account", "msgspec", "asyncio", "unittest", "http"}


def test_importing_the_sdk_loads_nothing_else():
    plain = modules_after("pass")
    loaded = modules_after("import joynet_sdk") - plain
    assert not loaded - set(sys.stdlib_module_names) - {"joynet_sdk"}


@pytest.mark.parametrize(
    "argv",
    [
        ("--json", "--network", "http://one", "probe", "say", "hi", "--name", "n"),
        ("probe", "--json", "say", "--network=http://one", "hi", "--name", "n"),
        ("probe", "say", "--name", "n", "hi", "--network", "http://one", "--json"),
        ("probe", "say", "hi", "--json", "--name=n", "--network", "http://one"),
    ],
)
def test_global_options_stand_anywhere(joynet, noun, argv):
    def say(word: Word, name: Name) -> None:
        out.result({"word": word, "name": name, "network": ctx().network})

    noun(say=say)
    assert joynet(*argv).value == {"word": "hi", "name": "n", "network": "http://one"}


def test_values_and_words_after_two_dashes_are_never_globals(joynet, noun):
    def say(words: Annotated[list[str], typer.Argument()], name: Name) -> None:
        out.result([*words, name])

    noun(say=say)
    result = joynet("probe", "say", "--json", "--name", "--yes", "--", "--json", "-q")
    assert result.value == ["--json", "-q", "--yes"]


@pytest.mark.parametrize("flags", [("-qvv",), ("-v", "-q", "--verbose"), ("-vqv",)])
def test_short_flags_cluster(joynet, noun, flags):
    def say() -> None:
        out.result([ctx().quiet, ctx().verbose])

    noun(say=say)
    assert joynet("probe", "say", *flags, "--json").value == [True, 2]


def test_flags_have_variables(joynet, noun):
    def say() -> None:
        out.result([ctx().yes, ctx().dry_run, ctx().verbose])

    noun(say=say)
    env = {"JOYNET_JSON": "1", "JOYNET_YES": "true", "JOYNET_VERBOSE": "2", "JOYNET_DRY_RUN": "0"}
    assert joynet("probe", "say", env=env).value == [True, False, 2]
    wrong = joynet("probe", "say", env={"JOYNET_YES": "perhaps"})
    assert (wrong.exit_code, wrong.stderr) == (
        3,
        "error: JOYNET_YES is 'perhaps', expected 1 or 0\n",
    )


USAGE = {
    ("domein",): "no such command 'domein'",
    ("confg", "show"): "no such command 'confg'; did you mean 'config'?",
    ("config", "shw"): "no such command 'shw'. Did you mean 'show'?",
    ("config", "get"): "missing argument 'key'",
    ("config", "get", "a", "b"): "got unexpected extra argument(s) (b)",
    ("config", "show", "--nope"): "no such option: --nope",
    ("config", "show", "--network"): "option --network needs a value",
    ("--timeout", "soon", "config", "show"): "invalid value for '--timeout'",
    ("--json",): "missing command",
}


@pytest.mark.parametrize("argv", USAGE, ids=" ".join)
def test_usage_errors_exit_2_in_both_formats(joynet, argv):
    text = joynet(*(word for word in argv if word != "--json"), "-q")
    document = joynet(*argv, "--json")
    error = document.document["error"]
    assert text.exit_code == document.exit_code == 2
    assert error["code"] == "usage"
    assert error["message"].startswith(USAGE[argv])
    assert error["hint"].endswith("--help")
    assert document.stderr == ""
    assert text.stdout == ""
    if argv != ("--json",):
        assert text.stderr.startswith(f"error: {USAGE[argv]}")


def test_a_noun_alone_prints_its_help_and_exits_2(joynet):
    result = joynet("config")
    assert result.exit_code == 2
    assert "Usage: joynet config" in result.stderr
    assert joynet("config", "--json").document["error"]["message"] == "a command is missing"


ERRORS = [
    (errors.JoyNetError("x"), 1, "error"),
    (errors.InvalidInputError("x"), 2, "invalid_input"),
    (errors.ConfigError("x"), 3, "config"),
    (errors.AuthError("x"), 4, "auth"),
    (errors.NotFoundError("name", "x"), 5, "not_found"),
    (errors.UnavailableError("x"), 6, "unavailable"),
    (errors.RevertedError("JoyToken", "x"), 7, "reverted"),
    (errors.InsufficientFundsError("JOY", 1, 2), 8, "insufficient_funds"),
    (errors.PendingError("x"), 9, "pending"),
    (errors.VerificationError("x"), 10, "verification_failed"),
    (ExceptionGroup("tasks", [errors.AuthError("x")]), 4, "auth"),
    (KeyboardInterrupt(), 130, "interrupted"),
    (TimeoutError(), 6, "unavailable"),
    (BrokenPipeError(32, "peer went away"), 6, "unavailable"),
    (FileNotFoundError(2, "No such file or directory", "input.json"), 5, "not_found"),
    (OSError(28, "No space left on device"), 3, "config"),
    (OSError(30, "Read-only file system", "/data/x"), 3, "config"),
    (EOFError(), 1, "aborted"),
    (ZeroDivisionError("x"), 1, "internal"),
]


@pytest.mark.parametrize(("error", "exit_code", "code"), ERRORS, ids=lambda x: type(x).__name__)
def test_errors_become_exit_codes_and_documents(joynet, noun, error, exit_code, code):
    def fail() -> None:
        raise error

    noun(fail=fail)
    text, document = joynet("probe", "fail"), joynet("probe", "fail", "--json")
    assert text.exit_code == document.exit_code == exit_code
    assert text.stdout == document.stderr == ""
    assert document.document["ok"] is False
    assert document.document["error"]["code"] == code
    assert text.stderr.splitlines()[0] == f"error: {document.document['error']['message']}"
    assert len(text.stderr.splitlines()) <= 2


def test_a_bug_is_one_line_with_a_traceback_in_the_log_only(joynet, noun, home):
    def fail() -> None:
        password = "hunter2 is a local"  # must not show up anywhere
        raise RuntimeError(f"key {'ab' * 32} for {len(password)}")

    noun(fail=fail)
    short, long = joynet("probe", "fail"), joynet("probe", "fail", "-vv")
    assert short.exit_code == 1
    assert short.stderr.splitlines() == [
        "error: internal error: RuntimeError: key [masked] for 18",
        "hint: run it again with -vv to see where it happened",
    ]
    assert "Traceback" in long.stderr
    log = (home / "logs" / "cli.log").read_text()
    entry = json.loads(log.splitlines()[0])
    assert "Traceback" in entry["traceback"]
    assert "\n" not in entry["traceback"]
    for text in (short.stderr, long.stderr, log):
        assert "abab" not in text
        assert "hunter2 is" not in long.stderr.replace('password = "hunter2 is a local"', "")


def test_a_log_that_cannot_be_written_does_not_hide_the_error(joynet, noun, home):
    def fail() -> None:
        raise RuntimeError("boom")

    noun(fail=fail)
    home.write_text("a file where the folder should be")
    result = joynet("probe", "fail")
    assert result.exit_code == 1
    assert "RuntimeError: boom" in result.stderr


@pytest.mark.parametrize("argv", [["--help"], ["version"], ["version", "--json"], ["nope"]])
def test_a_closed_pipe_is_quiet(argv, tmp_path):
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(
            [*JOYNET, *argv, "--home", str(tmp_path)], stdout=write, stderr=subprocess.PIPE
        )
    finally:
        os.close(write)
    assert done.returncode == (2 if argv == ["nope"] else 1)
    assert b"Traceback" not in done.stderr
    assert b"Broken" not in done.stderr


def test_control_c_exits_130_with_one_line(tmp_path):
    code = (
        "import os, signal, joynet_cli.commands.version as v; from joynet_cli.main import main;"
        "v._installed = lambda _: os.kill(os.getpid(), signal.SIGINT); main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "version", "--home", str(tmp_path)], capture_output=True
    )
    assert done.returncode == 128 + signal.SIGINT
    assert done.stderr == b"error: interrupted\n"


def test_docstring_examples_keep_their_lines(joynet):
    help_text = joynet("config", "set", "--help").stdout
    assert "\n    joynet config set storage.quota_gb 20\n    joynet config set network" in help_text
    assert "Global options may stand anywhere" in help_text


def test_version_says_what_is_installed(joynet):
    from joynet_sdk import __version__

    assert joynet("version", "--json").value["joynet"] == __version__
    assert __version__ in joynet("version").stdout


def test_completion_finds_nouns_and_verbs():
    def complete(words: str) -> list[str]:
        env = {
            **os.environ,
            "_JOYNET_COMPLETE": "complete_bash",
            "COMP_WORDS": words,
            "COMP_CWORD": str(len(words.split()) - 1),
        }
        return subprocess.run(JOYNET, env=env, capture_output=True, text=True).stdout.split()

    assert complete("joynet conf") == ["config"]
    assert complete("joynet config --json s") == ["show", "set"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_name_the_program(joynet, shell):
    result = joynet("completion", shell)
    assert result.exit_code == 0
    assert "_JOYNET_COMPLETE" in result.stdout
    assert joynet("completion", "tcsh").exit_code == 2


def test_the_deleted_current_folder_is_a_clear_error(tmp_path):
    folder = tmp_path / "gone"
    folder.mkdir()
    code = f"import os; os.rmdir({str(folder)!r}); from joynet_cli.main import main; main()"
    done = subprocess.run([sys.executable, "-c", code, "version"], cwd=folder, capture_output=True)
    assert done.returncode == 5
    assert done.stderr == b"error: no such file or folder: the current folder\n"


def test_every_noun_has_a_summary():
    files = {path.stem for path in Path(commands.__file__).parent.glob("[!_]*.py")}
    assert files <= set(commands.SUMMARY)
