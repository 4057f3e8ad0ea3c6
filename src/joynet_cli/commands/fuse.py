"""`joynet fuse`: merge models' weights, or join models at run time."""

import typer

from joynet_cli.commands import _fuse_claim
from joynet_cli.commands._fuse_build import build, diff, plan
from joynet_cli.commands._fuse_check import check
from joynet_cli.commands._fuse_compose import compose
from joynet_cli.commands._fuse_init import init, methods
from joynet_cli.commands._fuse_publish import publish, terms, verify
from joynet_cli.commands._fuse_test import trial

app = typer.Typer(help="Fuse models into new ones.", no_args_is_help=True)
for verb in (init, methods, plan, build, diff, publish, verify, terms):
    app.command()(verb)
app.command()(check)
app.command("test")(trial)
app.command()(compose)
app.add_typer(_fuse_claim.app, name="claim")
