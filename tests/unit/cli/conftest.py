import sys
from collections.abc import Callable
from types import ModuleType

import pytest
import typer

from joynet_cli import commands
from joynet_cli.main import Result, run_cli


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


@pytest.fixture
def joynet(home, project) -> Callable[..., Result]:
    """Run the command line with a fresh home, inside an empty folder."""

    def run(*argv, env=None, **options):
        options = {"cwd": project, **options}
        return run_cli(argv, env={"JOYNET_HOME": str(home), **(env or {})}, **options)

    return run


@pytest.fixture
def noun(monkeypatch) -> Callable[..., None]:
    """Add a noun `probe` whose verbs are the given functions."""

    def add(**verbs: Callable[..., None]) -> None:
        app = typer.Typer(help="Probe.", no_args_is_help=True)
        for name, function in verbs.items():
            app.command(name.replace("_", "-"))(function)
        module = ModuleType("joynet_cli.commands.probe")
        module.app = app
        monkeypatch.setitem(sys.modules, module.__name__, module)
        present = [*commands.present(), "probe"]
        monkeypatch.setattr(commands, "present", lambda: present)

    return add
