"""`joynet doctor`: what is installed, what answers, what to do about the rest."""

import typer

from joynet_cli._output import out
from joynet_cli._session import ctx
from joynet_sdk.errors import ConfigError

app = typer.Typer(help="Check what is installed and what answers.")


@app.command()
def doctor() -> None:
    """Check every part; print the command that fixes what is missing or broken.

    Exits with 3 when a part that JoyNet cannot do without is missing or broken.

    Examples:
      joynet doctor
      joynet doctor --json
    """
    from joynet_sdk.doctor import Check, examine

    context = ctx()

    def human(rows: list[Check]) -> None:
        out.table(
            ["", "part", "version", "detail"],
            [(row.state, row.name, row.version, row.detail) for row in rows],
        )
        fixes = [row for row in rows if row.fix]
        if fixes:
            out.line()
            out.table(["to fix", "run"], [(row.name, row.fix) for row in fixes])

    with out.progress("Checking"):
        rows = examine(context.home, context.settings)
    bad = [row.name for row in rows if row.is_needed and row.state in ("missing", "broken")]
    error = ConfigError(f"JoyNet needs these, and they do not work: {', '.join(bad)}")
    out.result(rows, human, error=error if bad else None)
