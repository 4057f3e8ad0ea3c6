"""`joynet profile`: named sets of settings."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from joynet_cli._errors import UsageError
from joynet_cli._output import out
from joynet_cli._session import current, stop_if_dry_run
from joynet_sdk.paths import Home

app = typer.Typer(help="Keep named sets of settings.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Profile name.")]


@dataclass(frozen=True)
class Profile:
    """A profile: its name, whether it is in use, its file, and what it sets (masked)."""

    name: str
    is_active: bool
    file: Path
    settings: dict[str, Any]


@app.command("list")
def list_() -> None:
    """List profiles.

    Examples:
      joynet profile list
    """
    from joynet_sdk.config import profile_names

    def human(profiles: list[Profile]) -> None:
        rows = [(p.name, p.is_active, ", ".join(p.settings) or "-") for p in profiles]
        out.table(["profile", "in use", "sets"], rows)

    out.result([_profile(name) for name in profile_names(_home())], human)


@app.command("show")
def show(name: Name) -> None:
    """Show what a profile sets.

    Examples:
      joynet profile show main
    """

    def human(profile: Profile) -> None:
        out.table(["setting", "value"], list(profile.settings.items()))

    out.result(_profile(name), human)


@app.command("create")
def create(
    name: Name,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="KEY=VALUE; may be repeated.")
    ] = None,
) -> None:
    """Create a profile.

    Examples:
      joynet profile create main --set network=https://rpc.example.org --set account=alice
    """
    from joynet_sdk.config import create_profile

    changes = dict(_pair(text) for text in settings or [])
    stop_if_dry_run(f"create profile {name}")
    create_profile(_home(), name, changes)
    out.result(_profile(name), lambda profile: out.line(f"created profile {profile.name}"))
    out.note(f"next: joynet profile use {name}")


@app.command("use")
def use(name: Name) -> None:
    """Use a profile from now on.

    Examples:
      joynet profile use main
    """
    from joynet_sdk.config import PROFILE, change_file, find_profile

    home = _home()
    find_profile(home, name)
    stop_if_dry_run(f"use profile {name}")
    change_file(home.config, "user", {PROFILE.key: name}, mode=0o600)
    origin = current().resolved().origins[PROFILE.key]
    if origin.layer != "user":
        out.warn(f"{origin.where} chooses {current().resolved().profile!r} and comes first")
    out.result(_profile(name), lambda profile: out.line(f"using profile {profile.name}"))


@app.command("delete")
def delete(name: Name) -> None:
    """Delete a profile. The one that the user configuration chooses is kept.

    Examples:
      joynet profile delete main --yes
    """
    from joynet_sdk.config import delete_profile, find_profile

    file = find_profile(_home(), name)
    stop_if_dry_run(f"delete {file}")
    out.confirm(f"Delete profile {name}?")
    delete_profile(_home(), name)
    out.result({"name": name, "file": file}, lambda _: out.line(f"deleted profile {name}"))


def _home() -> Home:
    return Home(current().home)


def _profile(name: str) -> Profile:
    from joynet_sdk.config import find_profile, mask, read_file

    file = find_profile(_home(), name)
    values = {key: mask(key, value) for key, (value, _) in read_file(file, "profile").items()}
    return Profile(name, current().resolved().profile == name, file, values)


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"--set is {text!r}, expected KEY=VALUE")
    return key.strip(), value.strip()
