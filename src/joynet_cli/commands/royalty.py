"""`joynet royalty`: what models earned for their owners, and who gets what."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from joynet_cli._output import out
from joynet_cli._session import open_joynet, stop_if_dry_run

if TYPE_CHECKING:
    from joynet_sdk.models import Stake
    from joynet_sdk.models.royalties import Movement, Preview

app = typer.Typer(help="See and claim what your models earned.", no_args_is_help=True)
split_app = typer.Typer(help="Share what is yours of a model.", no_args_is_help=True)
app.add_typer(split_app, name="split")

Ref = Annotated[str, typer.Argument(help="Name, manifest CID, or 0x model id.")]


@app.command()
def show(ref: Ref) -> None:
    """Show what a model has earned, who shares it, and what you can claim.

    Examples:
      joynet royalty show digits.joy
    """
    from joynet_sdk.units import format_joy

    with open_joynet() as joynet:
        model_id = joynet.inference.resolve(ref)
        royalties = joynet.models.royalties
        earned, shares = royalties.undistributed(model_id), royalties.shares_of(model_id)
        mine = royalties.claimable(joynet.chain.account.address)
    result = {
        "model_id": model_id,
        "undistributed_wei": str(earned),
        "claimable_wei": str(mine),
        "owners": shares.owners,
        "parents": shares.parents,
        "claims": shares.claims,
    }

    def human(_: dict[str, Any]) -> None:
        out.line(f"{ref}: {format_joy(earned)} to distribute")
        rows = [("parent", each.whom, _percent(each)) for each in shares.parents]
        for claim in shares.claims:
            kind = "contested" if claim.is_open else "granted"
            rows.append((kind, claim.parent, f"{claim.share_bps / 100:g}%"))
        rows += [("owner", each.whom, _percent(each)) for each in shares.owners]
        out.table(("who", "account or model", "share"), rows)
        out.note("owners share what is left after the parents")
        out.line(f"yours to claim: {format_joy(mine)}")

    out.result(result, human)


@app.command()
def preview(
    ref: Ref,
    amount: Annotated[str, typer.Argument(help="JOY paid to the model.")] = "1",
) -> None:
    """Show who gets what of a payment, down to the parents' parents, to the wei.

    AMOUNT is what reaches the model: its price, less the platform's fee. Models on the way are
    taken as empty, and as distributed once each.

    Examples:
      joynet royalty preview duo.joy 100
    """
    from joynet_sdk.units import parse_joy

    wei = parse_joy(amount)
    with open_joynet() as joynet:
        model_id = joynet.inference.resolve(ref)
        found = joynet.models.royalties.preview(model_id, wei)
    result = {
        "model_id": model_id,
        "amount_wei": str(found.amount),
        "frozen_wei": str(found.frozen),
        "accounts": {account: str(got) for account, got in found.accounts.items()},
        "models": [
            {
                "model_id": each.model,
                "level": each.level,
                "received_wei": str(each.received),
                "parents": {parent: str(got) for parent, got in each.part.parents.items()},
                "owners": {owner: str(got) for owner, got in each.part.owners.items()},
                "frozen_wei": str(each.part.frozen),
            }
            for each in found.models
        ],
    }
    out.result(result, lambda _: _print_preview(ref, found))


def _print_preview(ref: str, found: "Preview") -> None:
    from joynet_sdk.types import JoyWei
    from joynet_sdk.units import format_joy

    out.line(f"of {format_joy(found.amount)} paid to {ref}")
    rows: list[tuple[str, str, str]] = []
    for each in found.models:
        rows.append((f"{'  ' * each.level}{each.model}", "", format_joy(each.received)))
        for owner, wei in each.part.owners.items():
            rows.append(("", owner, format_joy(JoyWei(wei))))
        if each.part.frozen:
            rows.append(("", "contested, held back", format_joy(JoyWei(each.part.frozen))))
    out.table(("model", "owner", "gets"), rows)
    if len(found.accounts) > 1:
        totals = [(who, format_joy(JoyWei(wei))) for who, wei in found.accounts.items()]
        out.table(("account", "in all"), totals)


@app.command()
def history(
    ref: Annotated[str | None, typer.Argument(help="Model [what this account claimed].")] = None,
    since_block: Annotated[
        int | None, typer.Option("--since-block", min=0, help="First block [all].")
    ] = None,
) -> None:
    """List payments to a model and its distributions, or what you claimed; the oldest first.

    Examples:
      joynet royalty history digits.joy
      joynet royalty history
    """
    with open_joynet() as joynet:
        model_id = joynet.inference.resolve(ref) if ref is not None else None
        found = joynet.models.royalties.history(model_id, since_block)
    out.result([_movement(each) for each in found], lambda _: _print_history(found))


def _movement(each: "Movement") -> dict[str, Any]:
    def text(wei: int | None) -> str | None:
        return None if wei is None else str(wei)

    return {
        "block": each.block,
        "time": each.time,
        "kind": each.kind,
        "amount_wei": str(each.amount),
        "who": each.who,
        "to_parents_wei": text(each.to_parents),
        "to_owners_wei": text(each.to_owners),
    }


def _print_history(found: list["Movement"]) -> None:
    from datetime import UTC, datetime

    from joynet_sdk.units import format_joy

    rows = [
        (
            f"{datetime.fromtimestamp(each.time, UTC):%Y-%m-%d %H:%M}",
            each.kind,
            format_joy(each.amount),
            each.who,
            None if each.to_parents is None else format_joy(each.to_parents),
            None if each.to_owners is None else format_joy(each.to_owners),
        )
        for each in found
    ]
    out.table(("utc", "what", "amount", "who", "to parents", "to owners"), rows)


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
        models = [joynet.inference.resolve(each) for each in ref or ()]
        amount = joynet.models.royalties.claim(models)
    out.result({"claimed_wei": str(amount)}, lambda _: out.line(f"claimed {format_joy(amount)}"))


@split_app.command("set")
def split_set(
    ref: Ref,
    shares: Annotated[list[str], typer.Argument(help="ACCOUNT=BPS: address, or key of this home.")],
) -> None:
    """Put several shares in the place of your own of a model: basis points of the owners' part.

    The shares must sum to what you have; name yourself for what you keep. What the model earned
    before is distributed under the old shares first. Nobody can undo it but those who then own.

    Examples:
      joynet royalty split set digits.joy alice=7000 0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A=3000
    """
    with open_joynet("Splitting") as joynet:
        model_id = joynet.inference.resolve(ref)
        wanted = [_share(each) for each in shares]
        mine = joynet.models.royalties.check_split(model_id, wanted)
        stop_if_dry_run(f"split {mine / 100:g}% of {ref} in {len(wanted)}", shares=wanted)
        joynet.models.royalties.split(model_id, wanted)
        owners = joynet.models.royalties.shares_of(model_id).owners
    result = {"model_id": model_id, "owners": owners}
    rows = [(owner.whom, _percent(owner)) for owner in owners]
    out.result(result, lambda _: out.table(("owner", "share"), rows))


def _share(text: str) -> "Stake":
    """ACCOUNT=BPS."""
    from joynet_cli._errors import UsageError
    from joynet_cli._session import ctx
    from joynet_cli.commands.token import address_of
    from joynet_sdk.models import Stake

    who, _, bps = text.rpartition("=")
    if not who or not bps.isdecimal():
        raise UsageError(f"share {text!r}, expected ACCOUNT=BPS", hint="e.g. alice=7000")
    return Stake(address_of(ctx(), who), int(bps))


def _percent(stake: "Stake") -> str:
    return f"{stake.share_bps / 100:g}%"
