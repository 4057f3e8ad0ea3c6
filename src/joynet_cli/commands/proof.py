"""`joynet proof`: succinct proofs of inference."""

import typer

from joynet_cli.commands import _proof_kernels, _proof_prove, _proof_srs

app = typer.Typer(help="Make and check succinct proofs.", no_args_is_help=True)
app.add_typer(_proof_kernels.app, name="kernels")
app.add_typer(_proof_srs.app, name="srs")
for command in ("estimate", "prove", "fetch", "verify", "check", "register", "show"):
    app.command(command)(getattr(_proof_prove, command))
