"""`joynet tld`: top-level names."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from joynet_cli._output import out
from joynet_cli._session import ctx, open_joynet

if TYPE_CHECKING:
    from joynet_sdk.domains import Amendment
    from joynet_sdk.domains.tlds import Tld

app = typer.Typer(help="Run a top-level name.", no_args_is_help=True)
charter_app = typer.Typer(help="Read and amend what a TLD promises.", no_args_is_help=True)
app.add_typer(charter_app, name="charter")

Label = Annotated[str, typer.Argument(help="TLD, e.g. joy.")]
Prices = Annotated[
    str | None,
    typer.Option(
        "--prices", help="JOY a year for names of 1,2,3,4,5+ characters: 640,320,160,40,5."
    ),
]
Lengths = Annotated[str | None, typer.Option("--lengths", help="Fewest and most characters: 3-63.")]
Split = Annotated[
    str | None, typer.Option("--split", help="OWNER,BURN of the rent in per cent: 50,25.")
]
Permanent = Annotated[
    int | None,
    typer.Option("--permanent-years", min=0, help="Years of rent that buy a name for ever; 0: no."),
]
Premium = Annotated[
    str | None, typer.Option("--premium", help="JOY on top as a lapsed name becomes free.")
]
Keeps = Annotated[
    bool | None,
    typer.Option(
        "--keep-prices/--no-keep-prices", help="New names never renew above their first price."
    ),
]
Reserve = Annotated[str | None, typer.Option("--reserve", help="Words only the owner may have.")]
Release = Annotated[str | None, typer.Option("--release", help="Words to free again.")]


@app.command("list")
def list_tlds() -> None:
    """List every TLD, its owner and its price for long names.

    Examples:
      joynet tld list
    """
    from joynet_sdk.domains.charter import price_text

    with open_joynet() as joynet:
        tlds = joynet.domains.tlds.list()

    def human(_: object) -> None:
        rows = [
            [f".{t.label}", _owner(t), price_text(t.stored["prices"][-1]), _state(t)] for t in tlds
        ]
        out.table(["tld", "owner", "5+ characters", "state"], rows)

    out.result([describe(tld) for tld in tlds], human)


@app.command()
def show(tld: Label) -> None:
    """Show who owns a TLD, and whether it sells names now.

    Examples:
      joynet tld show joy
    """
    with open_joynet() as joynet:
        found = joynet.domains.tlds.show(tld)
    _print(found)


@app.command()
def create(
    tld: Label,
    owner: Annotated[str | None, typer.Option("--owner", help="Account [you].")] = None,
    prices: Prices = "640,320,160,40,5",
    lengths: Lengths = "1-63",
    split: Split = "50,25",
    permanent_years: Permanent = 0,
    premium: Premium = "0",
    keep_prices: Keeps = True,
) -> None:
    """Create a TLD with its charter; for the owner of the TLD registry.

    Examples:
      joynet tld create fun --owner alice --prices 640,320,160,40,5 --lengths 3-63 --account devnet
    """
    from joynet_cli.commands.token import address_of
    from joynet_sdk.domains import Charter
    from joynet_sdk.domains.charter import YEAR_S, parse_lengths, parse_prices, parse_split
    from joynet_sdk.units import parse_joy

    charter = Charter(
        parse_prices(prices or ""),
        *parse_lengths(lengths or ""),
        *parse_split(split or ""),
        (permanent_years or 0) * YEAR_S,
        parse_joy(premium or "0"),
        bool(keep_prices),
    )
    receiver = address_of(ctx(), owner)
    with open_joynet(f"Creating .{tld}") as joynet:
        found = joynet.domains.tlds.create(tld, receiver, charter)
    _print(found)


@charter_app.command("show")
def show_charter(tld: Label) -> None:
    """Show what a TLD promises: prices, lengths, split, permanence, premium, reserved words.

    Examples:
      joynet tld charter show joy
    """
    with open_joynet() as joynet:
        found = joynet.domains.tlds.show(tld)
    out.result(describe(found), lambda _: out.record(found.charter))


@charter_app.command()
def amend(
    tld: Label,
    prices: Prices = None,
    lengths: Lengths = None,
    split: Split = None,
    permanent_years: Permanent = None,
    premium: Premium = None,
    keep_prices: Keeps = None,
    reserve: Reserve = None,
    release: Release = None,
) -> None:
    """Amend a TLD of yours. Names that exist are never touched; prices change after a notice.

    A TLD that its DAO owns is amended by vote: `joynet dao propose`.

    Examples:
      joynet tld charter amend fun --prices 640,320,160,40,4 --reserve bank,gov
    """
    with open_joynet(f"Amending .{tld}") as joynet:
        amendment = _amendment(
            joynet.domains.registry.normalise_label,
            (prices, lengths, split, permanent_years, premium, keep_prices, reserve, release),
        )
        found = joynet.domains.tlds.amend(tld, amendment)
    out.result(describe(found), lambda _: out.record(found.charter))


@app.command()
def pause(tld: Label) -> None:
    """Close new registrations for a few days; renewals and transfers go on.

    Examples:
      joynet tld pause fun
    """
    with open_joynet(f"Pausing .{tld}") as joynet:
        found = joynet.domains.tlds.pause(tld)
    _print(found)


@app.command()
def unpause(tld: Label) -> None:
    """Open new registrations again.

    Examples:
      joynet tld unpause fun
    """
    with open_joynet(f"Opening .{tld}") as joynet:
        found = joynet.domains.tlds.unpause(tld)
    _print(found)


@app.command()
def offer(tld: Label, to: Annotated[str, typer.Argument(help="Account name or address.")]) -> None:
    """Offer a TLD of yours to a new owner, who has to accept it.

    Examples:
      joynet tld offer fun bob
    """
    from joynet_cli.commands.token import address_of

    receiver = address_of(ctx(), to)
    with open_joynet(f"Offering .{tld}") as joynet:
        found = joynet.domains.tlds.offer(tld, receiver)
    _print(found)


@app.command()
def accept(tld: Label) -> None:
    """Become the owner of a TLD that was offered to you.

    Examples:
      joynet tld accept fun --account bob
    """
    with open_joynet(f"Accepting .{tld}") as joynet:
        found = joynet.domains.tlds.accept(tld)
    _print(found)


def _amendment(normalise: Any, said: tuple[Any, ...]) -> "Amendment":
    from joynet_sdk.domains import Amendment
    from joynet_sdk.domains.charter import (
        YEAR_S,
        parse_lengths,
        parse_prices,
        parse_split,
        parse_words,
    )
    from joynet_sdk.units import parse_joy

    prices, lengths, split, years, premium, keeps, reserve, release = said
    return Amendment(
        parse_prices(prices) if prices else None,
        parse_lengths(lengths) if lengths else None,
        parse_split(split) if split else None,
        None if years is None else years * YEAR_S,
        parse_joy(premium) if premium else None,
        keeps,
        parse_words(reserve, normalise),
        parse_words(release, normalise),
    )


def describe(tld: "Tld") -> dict[str, Any]:
    """A TLD as a command prints it."""
    stored = {
        key: str(value) if isinstance(value, int) and not isinstance(value, bool) else value
        for key, value in tld.stored.items()
        if key not in ("id", "label", "owner", "pending_owner", "paused_until")
    }
    prices = {key: [str(price) for price in stored[key]] for key in ("prices", "next_prices")}
    return {
        "tld": tld.label,
        "id": tld.id,
        "owner": tld.owner,
        "pending_owner": tld.pending_owner,
        "dao": tld.dao_id,
        "paused_until": tld.paused_until or None,
        "charter": tld.charter,
        "stored": stored | prices,
    }


def _owner(tld: "Tld") -> str:
    return f"DAO {tld.dao_id}" if tld.dao_id else str(tld.owner)


def _state(tld: "Tld") -> str:
    from datetime import UTC, datetime

    if not tld.paused_until:
        return "open"
    return f"paused until {datetime.fromtimestamp(tld.paused_until, UTC):%Y-%m-%d %H:%M} UTC"


def _print(tld: "Tld") -> None:
    def human(_: object) -> None:
        owner = f"its DAO (executor {tld.owner})" if tld.dao_id else tld.owner
        out.line(f".{tld.label} belongs to {owner}; new registrations: {_state(tld)}")
        if tld.pending_owner:
            out.line(f"offered to {tld.pending_owner}")

    out.result(describe(tld), human)
