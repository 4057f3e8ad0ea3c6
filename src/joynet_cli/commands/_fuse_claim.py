"""`joynet fuse claim`: a model was built from yours, and does not say so."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from joynet_cli._output import out
from joynet_cli._session import open_joynet, stop_if_dry_run

if TYPE_CHECKING:
    from joynet_sdk.fusion.publishing import Claim

app = typer.Typer(help="Claim the share of a parent that was left out.", no_args_is_help=True)

Number = Annotated[int, typer.Argument(help="Number of the claim.", min=1)]
Ref = Annotated[str, typer.Argument(help="The child: name, manifest CID, or 0x model id.")]


@app.command("open")
def open_(
    child: Ref,
    parent: Annotated[str, typer.Option("--parent", help="Your model that was left out.")],
    spec: Annotated[
        Path,
        typer.Option(
            "--spec", help="Canonical JSON of a spec that rebuilds the child.", dir_okay=False
        ),
    ],
    share: Annotated[
        str | None, typer.Option("--share", help="Part to ask for, e.g. 5% [the largest].")
    ] = None,
) -> None:
    """Claim a part of a child's income, with a bond; the part is frozen until the decision.

    The spec must rebuild the child: it is rebuilt first, before anything is paid. If nobody denies
    the claim in time it is upheld; else the DAO of the child's TLD decides, and the loser's bond
    goes to the winner.

    Examples:
      joynet fuse claim open copycat.joy --parent digits.joy --spec copycat.spec.json
    """
    from joynet_cli.commands._fuse_publish import basis_points
    from joynet_sdk.errors import VerificationError
    from joynet_sdk.formats import MAX_SPEC_BYTES
    from joynet_sdk.fusion.spec import decode_spec
    from joynet_sdk.units import format_joy

    with spec.open("rb") as file:
        given = decode_spec(file.read(MAX_SPEC_BYTES + 1))
    with open_joynet("Claiming") as joynet:
        resolve, market = joynet.inference.resolve, joynet.fusion.market
        child_id, parent_id = resolve(child), resolve(parent)
        rebuilt = joynet.fusion.verify(child_id, given)
        if not rebuilt.is_same:
            raise VerificationError(
                f"the spec does not rebuild {child}", hint=f"joynet fuse verify {child} --spec FILE"
            )
        bond = market.bond()
        stop_if_dry_run(f"claim a share of {child}, bond {format_joy(bond)}", bond_wei=str(bond))
        part = None if share is None else basis_points(share, "--share")
        claim = market.open_claim(child_id, parent_id, given, part)
    out.result(_document(claim), lambda _: _print(claim))


@app.command()
def show(
    ref: Annotated[str, typer.Argument(help="Number of a claim, or the child's REF.")],
) -> None:
    """Show a claim, or all claims on a model.

    Examples:
      joynet fuse claim show 3
      joynet fuse claim show copycat.joy
    """
    with open_joynet() as joynet:
        market = joynet.fusion.market
        if ref.isdigit():
            found = [market.claim(int(ref))]
        else:
            found = market.claims_on(joynet.inference.resolve(ref))

    def human(_: list[dict[str, Any]]) -> None:
        for claim in found:
            _print(claim)
        if not found:
            out.note("none")

    out.result([_document(claim) for claim in found], human)


@app.command()
def defend(claim_id: Number) -> None:
    """Deny a claim, with an equal bond that you lose if the claim is upheld.

    Examples:
      joynet fuse claim defend 3
    """
    from joynet_sdk.units import format_joy

    with open_joynet("Defending") as joynet:
        bond = joynet.fusion.market.claim(claim_id).bond
        stop_if_dry_run(f"deny claim {claim_id}, bond {format_joy(bond)}", bond_wei=str(bond))
        claim = joynet.fusion.market.defend(claim_id)
    out.result(_document(claim), lambda _: _print(claim))


@app.command()
def lapse(claim_id: Number) -> None:
    """Close a claim whose time is over: not denied, it is upheld; not decided, it lapses.

    Examples:
      joynet fuse claim lapse 3
    """
    with open_joynet("Closing") as joynet:
        stop_if_dry_run(f"close claim {claim_id}")
        claim = joynet.fusion.market.lapse(claim_id)
    out.result(_document(claim), lambda _: _print(claim))


@app.command()
def withdraw() -> None:
    """Withdraw bonds that were freed or won.

    Examples:
      joynet fuse claim withdraw
    """
    from joynet_sdk.units import format_joy

    with open_joynet("Withdrawing") as joynet:
        stop_if_dry_run("withdraw bonds")
        amount = joynet.fusion.market.withdraw()
    out.result({"amount_wei": str(amount)}, lambda _: out.line(format_joy(amount)))


def _document(claim: "Claim") -> dict[str, Any]:
    return {
        "claim_id": claim.claim_id,
        "state": claim.state,
        "child": claim.child,
        "parent": claim.parent,
        "claimant": claim.claimant,
        "defender": claim.defender,
        "share_bps": claim.share_bps,
        "frozen_wei": str(claim.frozen),
        "spec": claim.spec_digest,
        "bond_wei": str(claim.bond),
        "deadline": claim.deadline,
    }


def _print(claim: "Claim") -> None:
    from datetime import UTC, datetime

    from joynet_sdk.units import format_joy

    out.line(f"claim {claim.claim_id}: {claim.state}")
    out.line(f"child     {claim.child}")
    out.line(f"parent    {claim.parent}, of {claim.claimant}")
    out.line(f"asks for  {claim.share_bps / 100:g}%, {format_joy(claim.frozen)} frozen")
    out.line(f"spec      {claim.spec_digest}")
    out.line(f"defender  {claim.defender or 'nobody yet'}")
    if claim.deadline:
        out.line(f"until     {datetime.fromtimestamp(claim.deadline, UTC):%Y-%m-%d %H:%M} UTC")
