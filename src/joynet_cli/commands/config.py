"""`joynet config`: read and change settings."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from joynet_cli._errors import UsageError
from joynet_cli._output import as_text, out
from joynet_cli._session import current
from joynet_sdk.errors import ConfigError, JoyNetError
from joynet_sdk.paths import Home

app = typer.Typer(help="Read and change settings.", no_args_is_help=True)

Key = Annotated[str, typer.Argument(help="Setting, e.g. storage.quota_gb.")]
Project = Annotated[bool, typer.Option("--project", help="In the project's joynet.toml.")]
InProfile = Annotated[str | None, typer.Option("--in-profile", help="In this profile.")]


@dataclass(frozen=True)
class Shown:
    """A setting as it is in force: masked value, layer it came from, and where in it."""

    key: str
    value: Any
    origin: str
    where: str


@dataclass(frozen=True)
class Change:
    """A changed setting: new value (None: removed) and the file that holds it."""

    key: str
    value: Any
    file: Path


@app.command("show")
def show(
    origin: Annotated[bool, typer.Option("--origin", help="Say where each came from.")] = False,
) -> None:
    """Show every setting in force. Secrets are masked.

    Examples:
      joynet config show --origin
      joynet config show --json
    """
    from joynet_sdk.config import PROFILE, SETTINGS

    columns = ("setting", "value", "origin", "where")[: 4 if origin else 2]

    def human(settings: list[Shown]) -> None:
        rows = [(s.key, s.value, s.origin, s.where) for s in settings]
        out.table(columns, [row[: len(columns)] for row in rows])

    out.result([_shown(key) for key in (PROFILE.key, *SETTINGS)], human)


@app.command("get")
def get(key: Key) -> None:
    """Print one setting. Secrets are masked.

    Examples:
      joynet config get network
    """
    out.result(_shown(key), lambda setting: out.line(as_text(setting.value)))


@app.command("set")
def set_(
    key: Key,
    value: Annotated[str, typer.Argument(help="New value; lists are comma-separated.")],
    project: Project = False,
    in_profile: InProfile = None,
) -> None:
    """Change a setting, in the user configuration unless told otherwise.

    Examples:
      joynet config set storage.quota_gb 20
      joynet config set network https://rpc.example.org --in-profile main
      joynet config set account alice --project
    """
    _change(key, value, project, in_profile)


@app.command("unset")
def unset(key: Key, project: Project = False, in_profile: InProfile = None) -> None:
    """Remove a setting, so that the layer below decides.

    Examples:
      joynet config unset account
    """
    _change(key, None, project, in_profile)


@app.command("path")
def path() -> None:
    """Show the files that are read.

    Examples:
      joynet config path
    """
    from joynet_sdk.config import find_project

    home, project = Home(current().home), find_project(current().cwd)
    out.result(
        {"home": home.root, "user": home.config, "profiles": home.profiles, "project": project}
    )


def _shown(key: str) -> Shown:
    from joynet_sdk.config import mask

    resolved = current().resolved()
    value, origin = mask(key, resolved.value(key)), resolved.origins[key]
    return Shown(key, value, origin.layer, origin.where)


def _change(key: str, value: str | None, project: bool, in_profile: str | None) -> None:
    from joynet_sdk.config import change_file, find_setting, mask

    find_setting(key)
    layer, file, mode = _target(project, in_profile)
    is_dry_run = current().options["dry_run"]
    if not is_dry_run:
        change_file(file, layer, {key: value}, mode=mode)
        _note_if_hidden(key, layer)
    verb = ("would " if is_dry_run else "") + ("unset" if value is None else "set")
    change = Change(key, mask(key, value), file)
    out.result(change, lambda done: out.line(f"{verb} {done.key} in {done.file}"))


def _target(project: bool, in_profile: str | None) -> tuple[str, Path, int]:
    from joynet_sdk.config import find_profile, find_project

    home = Home(current().home)
    if project and in_profile:
        raise UsageError("--project and --in-profile exclude each other")
    if in_profile:
        return "profile", find_profile(home, in_profile), 0o600
    if not project:
        return "user", home.config, 0o600
    file = find_project(current().cwd)
    if file is None:
        raise ConfigError(f"{current().cwd} is not in a project", hint="joynet init")
    return "project", file, 0o644


def _note_if_hidden(key: str, layer: str) -> None:
    """Say so when another layer keeps the change from having an effect."""
    try:
        setting = _shown(key)
    except JoyNetError as error:
        out.warn(f"the configuration as a whole is not valid: {error}")
        return
    if setting.origin not in (layer, "default"):
        out.warn(f"{key} stays {as_text(setting.value)}: {setting.where} comes first")
