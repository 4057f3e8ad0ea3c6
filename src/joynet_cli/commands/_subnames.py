"""`joynet domain subname`: names under a name of yours."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from joynet_cli._output import out
from joynet_cli._session import ctx, open_joynet

if TYPE_CHECKING:
    from joynet_sdk.domains import Registration

app = typer.Typer(help="Give names under a name of yours.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Full name, e.g. pay.alice.joy.")]


@app.command()
def create(
    name: Name,
    owner: Annotated[
        str | None, typer.Option("--owner", help="Account name or address [you].")
    ] = None,
    days: Annotated[
        int | None, typer.Option("--days", min=1, help="How long [as long as the parent].")
    ] = None,
    lock: Annotated[
        str | None,
        typer.Option(
            "--lock", help="For good, of resolver,transfer,subnames,records,parent,extend."
        ),
    ] = None,
    record: Annotated[
        list[str] | None, typer.Option("--record", help="KEY=VALUE; may be given again.")
    ] = None,
) -> None:
    """Give a name under one of yours, free of charge.

    `--lock parent` promises not to take it back; `--lock extend` lets its owner extend it.

    Examples:
      joynet domain subname create pay.alice.joy
      joynet domain subname create bob.alice.joy --owner bob --lock parent,extend --days 90
    """
    from joynet_cli.commands.token import address_of
    from joynet_sdk.domains.records import parse_assignment

    receiver = address_of(ctx(), owner)
    records = [parse_assignment(text) for text in record or ()]
    with open_joynet(f"Creating {name}") as joynet:
        found = joynet.domains.subnames.create(
            name, receiver, days=days, locks=words(lock or ""), records=records
        )
    _print(found)


@app.command("list")
def list_names(
    parent: Annotated[str, typer.Argument(help="Name they are under, e.g. alice.joy.")],
) -> None:
    """List the live names right under a name.

    Examples:
      joynet domain subname list alice.joy
    """
    with open_joynet() as joynet:
        names = joynet.domains.subnames.list(parent)

    def human(_: object) -> None:
        rows = [[n.name, n.owner, _until(n), ", ".join(n.locks)] for n in names]
        out.table(["name", "owner", "until", "locked"], rows)

    out.result([_describe(name) for name in names], human)


@app.command()
def extend(
    name: Name,
    days: Annotated[
        int | None, typer.Option("--days", min=1, help="More days [to the parent's end].")
    ] = None,
) -> None:
    """Give a subname more time, at most the parent's.

    Examples:
      joynet domain subname extend pay.alice.joy
    """
    with open_joynet(f"Extending {name}") as joynet:
        found = joynet.domains.subnames.extend(name, days=days)
    _print(found)


@app.command()
def grant(
    name: Name,
    what: Annotated[str, typer.Argument(help="Of parent,extend.")],
) -> None:
    """Promise a subname's owner not to take it back (parent), or to let it extend itself.

    Examples:
      joynet domain subname grant pay.alice.joy parent
    """
    with open_joynet(f"Granting {what}") as joynet:
        if not ctx().dry_run:
            out.confirm(f"Promise {what} of {name} for good?")
        found = joynet.domains.subnames.grant(name, words(what))
    _print(found)


@app.command()
def revoke(name: Name) -> None:
    """Take a subname back that was not promised.

    Examples:
      joynet domain subname revoke pay.alice.joy --yes
    """
    with open_joynet(f"Revoking {name}") as joynet:
        if not ctx().dry_run:
            out.confirm(f"Take {name} back?")
        joynet.domains.subnames.revoke(name)
    out.result({"revoked": name}, lambda _: out.line(f"{name} is taken back"))


def words(text: str) -> list[str]:
    """Words between commas."""
    return [word.strip() for word in text.split(",") if word.strip()]


def _describe(found: "Registration") -> dict[str, Any]:
    from joynet_cli.commands.domain import describe

    return {**describe(found), "parent": found.parent}


def _until(found: "Registration") -> str:
    return "for ever" if found.expires_at is None else f"{found.expires_at:%Y-%m-%d %H:%M} UTC"


def _print(found: "Registration") -> None:
    def human(_: object) -> None:
        out.line(f"{found.name} belongs to {found.owner} until {_until(found)}")
        if found.locks:
            out.line(f"for good: {', '.join(found.locks)}")

    out.result(_describe(found), human)
