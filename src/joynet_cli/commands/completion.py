"""`joynet completion`: shell completion scripts."""

from enum import StrEnum
from typing import Annotated

import typer

from joynet_cli._output import out

app = typer.Typer(help="Print the shell completion script.")


class Shell(StrEnum):
    """Shells with a completion script."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


@app.command()
def completion(shell: Annotated[Shell, typer.Argument(help="Your shell.")]) -> None:
    """Print the script that completes `joynet` commands in your shell.

    Examples:
      eval "$(joynet completion bash)"
      joynet completion zsh > ~/.zfunc/_joynet
      joynet completion fish > ~/.config/fish/completions/joynet.fish
    """
    from typer._completion_shared import get_completion_script

    script = get_completion_script(
        prog_name="joynet", complete_var="_JOYNET_COMPLETE", shell=shell.value
    )
    out.result({"shell": shell, "script": script}, lambda _: out.line(script))
