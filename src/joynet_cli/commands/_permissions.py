"""`joynet domain permissions`: who can do what to a name."""

from typing import TYPE_CHECKING, Annotated

import typer

from joynet_cli._output import out
from joynet_cli._session import open_joynet

if TYPE_CHECKING:
    from joynet_sdk.domains.permissions import Explanation

app = typer.Typer(help="See who can take or change a name.", no_args_is_help=True)


@app.command()
def explain(
    name: Annotated[str, typer.Argument(help="Full name, e.g. pay.alice.joy.")],
) -> None:
    """Say who can take a name from its owner, and until when.

    Examples:
      joynet domain permissions explain alice.joy
    """
    with open_joynet() as joynet:
        found = joynet.domains.permissions.explain(name)
    out.result(found, _print)


def _print(found: "Explanation") -> None:
    out.line(found.verdict)
    out.line(f"owner {found.owner}")
    for power in found.powers:
        mark = "!" if power.is_threat else "-"
        out.line(f"{mark} {power.who}: {power.can} ({power.until})")
    for lock in found.locks:
        out.line(f"locked for good: {lock}")
