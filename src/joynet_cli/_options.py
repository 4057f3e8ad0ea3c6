"""Global options: they may stand anywhere on the command line and have `JOYNET_*` variables."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from joynet_cli._errors import UsageError
from joynet_sdk.errors import ConfigError

if TYPE_CHECKING:
    from typer._click.core import Command, Context
    from typer.core import TyperGroup, TyperOption

Profile = Annotated[str | None, typer.Option("--profile", help="Use this profile's settings.")]
Network = Annotated[
    str | None, typer.Option("--network", help="RPC URL, 'devnet', or an Ape network choice.")
]
Account = Annotated[str | None, typer.Option("--account", help="Key to act with.")]
Home = Annotated[str | None, typer.Option("--home", help="Folder for all state [~/.joynet].")]
Timeout = Annotated[
    float | None, typer.Option("--timeout", help="Longest single wait on the network, in seconds.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document (streams: NDJSON).")]
Yes = Annotated[bool, typer.Option("--yes", help="Answer yes to every question.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the plan, change nothing.")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Print results only.")]
Verbose = Annotated[
    int,
    typer.Option(
        *("-v", "--verbose"),
        count=True,
        show_default=False,
        help="Log to stderr; -vv adds tracebacks.",
    ),
]
NoColor = Annotated[bool, typer.Option("--no-color", help="Plain text, no colour.")]
PasswordStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the keyfile password from stdin.")
]

# Options that are also settings get their variable through joynet_sdk.config; these are the rest.
FLAG_VARIABLES = {
    "JOYNET_JSON": "--json",
    "JOYNET_YES": "--yes",
    "JOYNET_DRY_RUN": "--dry-run",
    "JOYNET_QUIET": "--quiet",
    "JOYNET_VERBOSE": "--verbose",
    "JOYNET_NO_COLOR": "--no-color",
    "JOYNET_PASSWORD_STDIN": "--password-stdin",
}
_TRUE, _FALSE = {"1", "true", "yes", "on"}, {"", "0", "false", "no", "off"}


def flags_from(environ: Mapping[str, str]) -> list[str]:
    """Flags that the environment switches on, as command-line tokens.

    Raises:
        ConfigError: A value that is neither true nor false.
    """
    tokens = []
    for variable, flag in FLAG_VARIABLES.items():
        value = environ.get(variable, "").strip().lower()
        if flag == "--verbose" and value in {"2", "3"}:
            tokens += [flag] * int(value)
        elif value in _TRUE:
            tokens.append(flag)
        elif value not in _FALSE:
            raise ConfigError(f"{variable} is {value!r}, expected 1 or 0")
    return tokens


def hoist(
    argv: Sequence[str], root: "TyperGroup", context: "Context"
) -> tuple[list[str], list[str]]:
    """Split a command line into global options, wherever they stand, and everything else.

    Tokens after `--`, and values of the command's own options, are never taken for globals.

    Args:
        argv: Words after the program name.
        root: The command group whose own options are the global ones.
        context: A context of `root`, to look commands up with.

    Returns:
        (global tokens, each complete in itself such as `--network=devnet`; the other tokens).

    Raises:
        UsageError: A global option lacks its value.
    """
    globals_ = options_of(root)
    taken: list[str] = []
    kept: list[str] = []
    command: Command = root
    words = list(argv)
    while words:
        word = words.pop(0)
        name, equals, _ = word.partition("=")
        if word == "--":
            kept += [word, *words]
            break
        if name in globals_:
            if _takes_value(globals_[name]) and not equals:
                if not words or words[0].startswith("-"):
                    raise UsageError(f"option {name} needs a value", hint="joynet --help")
                word = f"{name}={words.pop(0)}"
            taken.append(word)
        elif _is_cluster(word, globals_):
            taken += [f"-{letter}" for letter in word[1:]]
        elif word.startswith("-") and word != "-":
            kept.append(word)
            own = options_of(command).get(name)
            if own is not None and command is not root and _takes_value(own) and not equals:
                kept += words[: own.nargs]
                del words[: own.nargs]
        else:
            kept.append(word)
            command = _descend(command, word, context)
    return taken, kept


def options_of(command: "Command") -> dict[str, "TyperOption"]:
    """A command's own options by every spelling, such as `-q` and `--quiet`."""
    return {
        spelling: param  # type: ignore[misc]  # only options have this type name
        for param in command.params
        if param.param_type_name == "option"
        for spelling in (*param.opts, *param.secondary_opts)
    }


def _takes_value(option: "TyperOption") -> bool:
    return not option.is_flag and not option.count


def _is_cluster(word: str, options: Mapping[str, "TyperOption"]) -> bool:
    return (
        len(word) > 2
        and word[0] == "-"
        and word[1] != "-"
        and all(f"-{x}" in options and not _takes_value(options[f"-{x}"]) for x in word[1:])
    )


def _descend(command: "Command", word: str, context: "Context") -> "Command":
    from typer.core import TyperGroup

    if not isinstance(command, TyperGroup):
        return command
    return command.get_command(context, word) or command
