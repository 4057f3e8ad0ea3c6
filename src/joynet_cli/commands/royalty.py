"""`joynet royalty`: what models earned for their owners."""

from typing import Annotated, Any

import typer

from joynet_cli._output import out
from joynet_cli._session import open_joynet

app = typer.Typer(help="See and claim what your models earned.", no_args_is_help=True)


@app.command()
def show(ref: Annotated[str, typer.Argument(help="Name, manifest CID, or 0x model id.")]) -> None:
    """Show what a model has earned and not distributed, and what you can claim.

    Examples:
      joynet royalty show digits.joy
    """
    from joynet_sdk.units import format_joy

    with open_joynet() as joynet:
        model_id = joynet.inference.resolve(ref)
        earned = joynet.models.account(model_id)
        mine = joynet.models.claimable(joynet.chain.account.address)
    result = {"model_id": model_id, "undistributed_wei": str(earned), "claimable_wei": str(mine)}

    def human(_: dict[str, Any]) -> None:
        out.line(f"{ref}: {format_joy(earned)} to distribute")
        out.line(f"yours to claim: {format_joy(mine)}")

    out.result(result, human)


@app.command()
def claim(
    ref: Annotated[
        list[str] | None, typer.Argument(help="Models to distribute first (repeat).")
    ] = None,
) -> None:
    """Distribute models' earnings and send what is yours to your account.

    Examples:
      joynet royalty claim digits.joy
      joynet royalty claim
    """
    from joynet_sdk.units import format_joy

    with open_joynet("Claiming") as joynet:
        amount = joynet.models.claim([joynet.inference.resolve(each) for each in ref or ()])
    out.result({"claimed_wei": str(amount)}, lambda _: out.line(f"claimed {format_joy(amount)}"))
