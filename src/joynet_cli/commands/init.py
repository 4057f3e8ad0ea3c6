"""`joynet init`: set up a project folder."""

from dataclasses import dataclass
from pathlib import Path

import typer

from joynet_cli import commands
from joynet_cli._output import out
from joynet_cli._session import current
from joynet_sdk.paths import Home, atomic_write

app = typer.Typer(help="Set up this folder as a JoyNet project.")

_TEMPLATE = """\
# JoyNet settings of this project; `joynet config show --origin` says what is in force and why.
# They come before the user configuration, after flags, JOYNET_* variables and .env.
# Passwords and keys do not belong here.

# network = "devnet"        # or an RPC URL
# account = "alice"         # see: joynet account list

# [storage]
# quota_gb = 50.0
"""
_NEXT = {
    "doctor": "joynet doctor",
    "account": "joynet account new alice",
    "devnet": "joynet devnet up",
    "quickstart": "joynet quickstart",
}


@dataclass(frozen=True)
class Project:
    """What `init` left behind.

    Attributes:
        project: The project's joynet.toml.
        is_new: Whether it was written now.
        home: Folder of all other state.
        next: Commands to go on with.
    """

    project: Path
    is_new: bool
    home: Path
    next: list[str]


@app.command()
def init() -> None:
    """Write joynet.toml here and prepare the home folder. What exists is kept.

    With --network or --account, the project gets these settings.

    Examples:
      joynet init
      joynet init --network https://rpc.example.org --account alice
    """
    from joynet_sdk.config import PROJECT_FILE, change_file

    run = current()
    run.resolved()
    file = run.cwd / PROJECT_FILE
    is_new = not file.exists()
    given = {key: run.options[key] for key in ("network", "account") if run.options[key]}
    if not run.options["dry_run"]:
        Home(run.home).create()
        if is_new:
            atomic_write(file, _TEMPLATE, mode=0o644)
        if given:
            change_file(file, "project", given, mode=0o644)
    steps = [step for noun, step in _NEXT.items() if noun in commands.present()]
    out.result(Project(file, is_new, run.home, steps), _print)


def _print(project: Project) -> None:
    wrote = "would write" if current().options["dry_run"] else "wrote"
    out.line(f"{wrote if project.is_new else 'kept'} {project.project}")
    out.line(f"state lives in {project.home}")
    if project.next:
        out.note("next:\n" + "\n".join(f"  {step}" for step in project.next))
