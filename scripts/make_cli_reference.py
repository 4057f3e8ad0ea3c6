"""Write docs/reference/cli.md from the command tree: `python scripts/make_cli_reference.py`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typer.core import TyperGroup

from joynet_cli import commands
from joynet_cli._options import FLAG_VARIABLES
from joynet_cli.main import PROGRAM, root_command
from joynet_sdk.config import PROFILE, SETTINGS

TARGET = Path(__file__).parents[1] / "docs" / "reference" / "cli.md"
HEAD = """\
# The `joynet` command

Written by `scripts/make_cli_reference.py` from the commands themselves; a test keeps it fresh.

Results go to stdout, everything else to stderr. With `--json` a command prints one document,
`{"ok": true, "result": ...}` or `{"ok": false, "error": {"code", "message", "hint", "retryable"}}`;
a report whose finding is bad news holds both `error` and `result`. Streams print one JSON object
a line.

| exit code | meaning |
|---|---|
| 0 | ok |
| 1 | error |
| 2 | usage |
| 3 | configuration, or something is not installed |
| 4 | no key, or a wrong password |
| 5 | not found |
| 6 | the network, the chain or a peer did not answer |
| 7 | a contract reverted |
| 8 | not enough funds |
| 9 | pending, and resumable |
| 10 | verification failed |
| 130 | interrupted |
"""


def reference() -> str:
    """The whole page."""
    root = root_command()
    context = root.context_class(root, info_name=PROGRAM)
    parts = [HEAD, "## Global options\n\nThey may stand anywhere on the line.\n", _table(root)]
    parts += ["## Settings\n", _settings()]
    for title, nouns in commands.SECTIONS.items():
        present = [noun for noun in nouns if noun in commands.present()]
        if present:
            parts.append(f"## {title}\n")
        for noun in present:
            parts += _describe(noun, root.get_command(context, noun), context)
    return "\n".join(parts).rstrip() + "\n"


def _describe(words: str, command: Any, context: Any) -> Iterator[str]:
    """A command's section; a group's own line and then its commands."""
    level = "#" * (words.count(" ") + 3)
    if isinstance(command, TyperGroup):
        yield f"{level} {PROGRAM} {words}\n\n{command.help}\n"
        for verb in command.list_commands(context):
            yield from _describe(f"{words} {verb}", command.get_command(context, verb), context)
        return
    summary, _, examples = (command.help or "").replace("\b\n", "").partition("Examples:\n")
    arguments = [p._usage_display_name() for p in command.params if p.param_type_name == "argument"]
    usage = " ".join([PROGRAM, words, *arguments])
    yield f"{level} {PROGRAM} {words}\n\n{summary.strip()}\n"
    if arguments:
        yield f"Usage: `{usage}`\n"
    lines = "\n".join(line.strip() for line in examples.strip().splitlines())
    yield f"```sh\n{lines}\n```\n"
    if any(not param.hidden for param in command.params):
        yield _table(command)


def _table(command: Any) -> str:
    rows = ["| option or argument | | default |", "|---|---|---|"]
    context = command.context_class(command, info_name=PROGRAM)
    for param in command.params:
        if param.hidden:
            continue
        is_argument = param.param_type_name == "argument"
        names = [param.metavar or param.name] if is_argument else param.opts + param.secondary_opts
        shown = ", ".join(f"`{name}`" for name in names)
        if not is_argument and not param.is_flag and not param.count:
            shown += f" {_escape(param.display_type(context))}"
        default = "required" if param.required else _default(param.default)
        rows.append(f"| {shown} | {_escape(param.help or '')} | {default} |")
    return "\n".join(rows) + "\n"


def _default(value: object) -> str:
    is_plain = value in (None, False, (), [], "") or callable(value)
    return "" if is_plain else f"`{getattr(value, 'value', value)}`"


def _escape(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def _settings() -> str:
    intro = (
        "From flags, `JOYNET_*` variables, `.env`, the project's `joynet.toml`, the profile, the\n"
        "user configuration, defaults: the first that has it wins. `joynet config show --origin`\n"
        "says which.\n"
    )
    rows = [intro, "| setting | variable | | default |", "|---|---|---|---|"]
    for setting in (PROFILE, *SETTINGS.values()):
        default = setting.default
        shown = ", ".join(default) if isinstance(default, tuple) else default
        cell = "" if shown in (None, "") else f"`{shown}`"
        rows.append(f"| `{setting.key}` | `{setting.variable}` | {setting.description} | {cell} |")
    flags = ", ".join(f"`{name}`" for name in FLAG_VARIABLES)
    outside = "`JOYNET_HOME`, `JOYNET_PASSWORD_FILE`, `JOYNET_PASSWORD`"
    rows.append(
        f"\nVariables that are no settings: {outside}; {flags} (1 or 0) switch a flag on.\n"
    )
    return "\n".join(rows)


if __name__ == "__main__":
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(reference())
