"""The `joynet` command: finds the noun, applies global options, turns errors into exit codes."""

import importlib
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_group

from joynet_cli import _options, _session, commands
from joynet_cli._errors import explain
from joynet_cli._output import is_reader_gone, out
from joynet_cli.testing import Result, run_cli
from joynet_sdk.environment import read_environment

if TYPE_CHECKING:
    from types import FrameType

    from typer._click.core import Command, Context
    from typer._click.formatting import HelpFormatter

__all__ = ["Result", "main", "root_command", "run", "run_cli"]

PROGRAM = "joynet"
_COMPLETE = "_JOYNET_COMPLETE"
_INTERRUPTED = 130
_GLOBALS_NOTE = "Global options may stand anywhere on the line: joynet --help lists them."


class Nouns(TyperGroup):
    """A command group that imports a noun's module only when that noun is used."""

    def list_commands(self, ctx: "Context") -> list[str]:
        """The nouns that exist."""
        return commands.present()

    def get_command(self, ctx: "Context", cmd_name: str) -> "Command | None":
        """Import a noun's module; None when there is none."""
        if cmd_name not in self.commands and cmd_name in commands.present():
            self.commands[cmd_name] = _load(cmd_name)
        return self.commands.get(cmd_name)

    def resolve_command(
        self, ctx: "Context", args: list[str]
    ) -> tuple[str | None, "Command | None", list[str]]:
        """Find the noun, or fail with the names that come close."""
        if self.get_command(ctx, args[0]) is None and not ctx.resilient_parsing:
            near = " or ".join(map(repr, get_close_matches(args[0], commands.present(), 2)))
            ctx.fail(f"no such command {args[0]!r}" + (f"; did you mean {near}?" if near else ""))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: "Context", formatter: "HelpFormatter") -> None:
        """List nouns by subject without importing them."""
        present = set(commands.present())
        for title, nouns in commands.SECTIONS.items():
            rows = [(name, text) for name, text in nouns.items() if name in present]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows, col_max=12)


def _load(noun: str) -> "Command":
    app: typer.Typer = importlib.import_module(f"joynet_cli.commands.{noun}").app
    app.rich_markup_mode = None
    app._add_completion = False
    command = get_command(app) if noun in commands.WITHOUT_VERBS else get_group(app)
    command.name = noun
    _finish_help(command)
    return command


def _finish_help(command: "Command") -> None:
    """Keep the lines of `Examples:` blocks, and point to the global options."""
    if command.help:
        blocks = command.help.split("\n\n")
        command.help = "\n\n".join(
            f"\b\n{block}" if block.startswith("Examples:") else block for block in blocks
        )
    if isinstance(command, TyperGroup):
        for child in command.commands.values():
            child.short_help = " ".join((child.help or "").partition("\n\n")[0].split())
            _finish_help(child)
    elif isinstance(command, TyperCommand):
        command.epilog = _GLOBALS_NOTE


_app = typer.Typer(cls=Nouns, add_completion=False, rich_markup_mode=None, no_args_is_help=True)


@_app.callback()
def _root(
    profile: _options.Profile = None,
    network: _options.Network = None,
    account: _options.Account = None,
    home: _options.Home = None,
    timeout: _options.Timeout = None,
    json: _options.Json = False,
    yes: _options.Yes = False,
    dry_run: _options.DryRun = False,
    quiet: _options.Quiet = False,
    verbose: _options.Verbose = 0,
    no_color: _options.NoColor = False,
    password_stdin: _options.PasswordStdin = False,
) -> None:
    """Publish, name, serve, pay for and verify AI models. The options below may stand anywhere."""


def root_command() -> TyperGroup:
    """The whole command tree, for parsing and for the reference page."""
    return get_group(_app)


def main() -> None:
    """Entry point of the console script."""
    with stopping_signals() as stopped_by:
        code = run(sys.argv[1:])
    sys.exit(128 + stopped_by[0] if stopped_by and code == _INTERRUPTED else code)


@contextmanager
def stopping_signals() -> Iterator[list[signal.Signals]]:
    """Let SIGTERM and SIGHUP stop the command as Ctrl-C does; yields those that came."""
    came: list[signal.Signals] = []

    def stop(number: int, frame: "FrameType | None") -> None:
        came.append(signal.Signals(number))
        as_control_c = signal.getsignal(signal.SIGINT)  # asyncio's, while a loop runs
        if callable(as_control_c):
            as_control_c(signal.SIGINT, frame)
        else:  # ignored, as in `joynet ... &` of a script
            raise KeyboardInterrupt

    before = {}
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            before[number] = signal.signal(number, stop)
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run(argv: Sequence[str]) -> int:
    """Carry out one command line and return the exit code. Never raises."""
    out.configure(json=_wants_json(argv))
    try:
        return _carry_out(argv)
    except BrokenPipeError:
        _drop_output()
        return 1
    finally:
        _session.start(None)


def _carry_out(argv: Sequence[str]) -> int:
    try:
        _dispatch(argv)
        out.end()
    except typer.Exit as stop:
        sys.stdout.flush()
        return stop.exit_code
    except SystemExit as stop:
        if stop.code != _INTERRUPTED:  # what Ctrl-C becomes while `ape` is being imported
            raise
        return _fail(KeyboardInterrupt())
    except (Exception, KeyboardInterrupt) as error:  # the one place that maps all
        if isinstance(error, BrokenPipeError) and is_reader_gone():
            raise
        return _fail(error)
    return 0


def _dispatch(argv: Sequence[str]) -> None:
    root = root_command()
    if _COMPLETE in os.environ:
        from typer._completion_classes import completion_init

        completion_init()
        root.main(prog_name=PROGRAM, complete_var=_COMPLETE)
    cwd = Path.cwd()
    environ = read_environment(cwd)
    flags = _options.flags_from(environ)
    out.configure(json=out.json or "--json" in flags)
    probe = root.context_class(root, info_name=PROGRAM, resilient_parsing=True)
    taken, words = _options.hoist(argv, root, probe)
    out.configure(json="--json" in (*flags, *taken))
    with root.make_context(PROGRAM, [*flags, *taken, *words]) as context:
        options: dict[str, Any] = dict(context.params)
        out.configure(
            json=options["json"],
            quiet=options["quiet"],
            color=not options["no_color"],
            yes=options["yes"],
        )
        current = _session.Run(options, environ, cwd)
        _session.start(current)
        current.configure_logs()
        root.invoke(context)


def _fail(error: BaseException) -> int:
    failure = explain(error)
    if failure.code == "internal":
        _report_bug(error)
    if failure.code == "usage" and not out.json and failure.message == "a command is missing":
        out.note(str(error))
        return failure.exit_code
    out.failure(failure)
    return failure.exit_code


def _report_bug(error: BaseException) -> None:
    from traceback import format_exception

    from joynet_sdk import logs

    text = logs.redact("".join(format_exception(error)))
    logs.get_logger("joynet_cli").error("internal error", traceback=text)
    if _verbosity() >= 2:
        out.trace(text)


def _verbosity() -> int:
    try:
        return int(_session.current().options["verbose"])
    except RuntimeError:
        return 0


def _wants_json(argv: Sequence[str]) -> bool:
    words = list(argv)
    return "--json" in words[: words.index("--")] if "--" in words else "--json" in words


def _drop_output() -> None:
    """Send what is left to nowhere: the reader has gone, which is not worth a word."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.__stdout__, sys.__stderr__):
        if stream is not None:
            os.dup2(nowhere, stream.fileno())
