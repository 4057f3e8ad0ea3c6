"""`joynet domain`: PermaNet names."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from joynet_cli._output import out
from joynet_cli._session import open_joynet

if TYPE_CHECKING:
    from joynet_sdk.domains import Quote, Registration

app = typer.Typer(help="Register PermaNet names and set what they mean.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Full name, e.g. alice.joy.")]
Years = Annotated[int, typer.Option("--years", min=1, max=10, help="Years of 365 days.")]


@app.command()
def check(name: Name) -> None:
    """Say whether a name is free, and what a year of it costs.

    Examples:
      joynet domain check alice.joy
    """
    with open_joynet() as joynet:
        quote = joynet.domains.quote(name)
    _print_quote(quote)


@app.command()
def quote(name: Name, years: Years = 1) -> None:
    """Price a registration or renewal without buying it.

    Examples:
      joynet domain quote alice.joy --years 3
    """
    with open_joynet() as joynet:
        result = joynet.domains.quote(name, years=years)
    _print_quote(result)


@app.command()
def register(
    name: Name,
    years: Years = 1,
    max_price: Annotated[
        str | None, typer.Option("--max-price", help="Most JOY to pay for it.")
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", help="Model the name shall mean (CID or 0x id).")
    ] = None,
) -> None:
    """Buy a name: commit, wait, reveal. Interrupted, `joynet tx resume` finishes it.

    Examples:
      joynet domain register alice.joy
      joynet domain register digits.joy --years 2 --max-price 20 --model bafk...
    """
    from joynet_sdk.errors import InsufficientFundsError
    from joynet_sdk.units import parse_joy

    limit = parse_joy(max_price) if max_price else None
    with open_joynet(f"Registering {name}") as joynet:
        offer = joynet.domains.quote(name, years=years)
        if limit is not None and offer.rent > limit:
            hint = f"joynet domain quote {name} --years {years}"
            raise InsufficientFundsError("JOY within --max-price", limit, offer.rent, hint=hint)
        if offer.is_available:
            _note_price(offer)
        model_id = joynet.inference.resolve(model) if model else None
        registration = joynet.domains.register(offer, model=model_id)
    _print_registration(registration)


@app.command()
def renew(name: Name, years: Years = 1) -> None:
    """Pay for more time; anyone may, for anyone's name.

    Examples:
      joynet domain renew alice.joy --years 5
    """
    with open_joynet(f"Renewing {name}") as joynet:
        offer = joynet.domains.quote(name, years=years)
        if not offer.is_available:
            _note_price(offer)
        registration = joynet.domains.renew(offer)
    _print_registration(registration)


@app.command()
def show(name: Name) -> None:
    """Show who holds a name, until when.

    Examples:
      joynet domain show alice.joy
    """
    with open_joynet() as joynet:
        registration = joynet.domains.show(name)
    _print_registration(registration)


@app.command()
def resolve(name: Name) -> None:
    """Show what a name means: its model, address and other records.

    Examples:
      joynet domain resolve digits.joy
    """
    with open_joynet() as joynet:
        records = joynet.domains.resolve(name)
    out.result(records)


@app.command()
def bind(
    name: Name,
    model: Annotated[str, typer.Argument(help="Manifest CID or 0x model id.")],
) -> None:
    """Make a name of yours mean a model.

    Examples:
      joynet domain bind digits.joy bafk...
    """
    with open_joynet(f"Binding {name}") as joynet:
        model_id = joynet.inference.resolve(model)
        joynet.domains.bind_model(name, model_id)
        records = joynet.domains.resolve(name)
    out.result(records)


@app.command("set")
def set_record(
    name: Name,
    key: Annotated[str, typer.Argument(help="address, or the key of a text record.")],
    value: Annotated[str, typer.Argument(help="Its value; empty deletes a text record.")],
) -> None:
    """Set a record of a name of yours.

    Examples:
      joynet domain set alice.joy address 0x70997970C51812dc3A010C7d01b50e0d17dc79C8
      joynet domain set alice.joy url https://example.org
    """
    from joynet_sdk.chain.abi import checksum
    from joynet_sdk.types import Address

    with open_joynet(f"Setting {key} of {name}") as joynet:
        if key == "address":
            joynet.domains.set_address(name, Address(checksum(value)))
        else:
            joynet.domains.set_text(name, key, value)
        records = joynet.domains.resolve(name)
    out.result(records)


@app.command()
def transfer(
    name: Name, to: Annotated[str, typer.Argument(help="Account name or address.")]
) -> None:
    """Give a name away.

    Examples:
      joynet domain transfer alice.joy bob
    """
    from joynet_cli._session import ctx
    from joynet_cli.commands.token import address_of

    receiver = address_of(ctx(), to)
    with open_joynet(f"Transferring {name}") as joynet:
        joynet.domains.check_mine(name)
        if not ctx().dry_run:
            out.confirm(f"Give {name} to {receiver}?")
        registration = joynet.domains.transfer(name, receiver)
    _print_registration(registration)


@app.command("list")
def list_names(
    owner: Annotated[str | None, typer.Argument(help="Account name or address [yours].")] = None,
) -> None:
    """List the live names of an account.

    Examples:
      joynet domain list
    """
    from joynet_cli._session import ctx
    from joynet_cli.commands.token import address_of

    address = address_of(ctx(), owner)
    with open_joynet() as joynet:
        names = joynet.domains.owned(address)
    out.result(
        names,
        lambda _: out.table(
            ["name", "expires"], [[n.name, f"{n.expires_at:%Y-%m-%d}"] for n in names]
        ),
    )


def _note_price(quote: "Quote") -> None:
    from joynet_sdk.units import format_joy

    days = quote.duration // 86_400
    out.note(f"{quote.name}: {format_joy(quote.rent)} for {days} days")


def _print_quote(quote: "Quote") -> None:
    from joynet_sdk.units import format_joy

    result = {
        "name": quote.name,
        "available": quote.is_available,
        "rent_wei": str(quote.rent),
        "duration_s": quote.duration,
    }
    days = quote.duration // 86_400

    def human(_: dict[str, Any]) -> None:
        state = "free" if quote.is_available else "taken"
        out.line(f"{quote.name} is {state}: {format_joy(quote.rent)} for {days} days")

    out.result(result, human)


def _print_registration(registration: "Registration") -> None:
    result = {
        "name": registration.name,
        "owner": registration.owner,
        "expires_at": int(registration.expires_at.timestamp()),
        "live": registration.is_live,
        "resolver": registration.resolver,
    }

    def human(_: dict[str, Any]) -> None:
        until = f"{registration.expires_at:%Y-%m-%d %H:%M} UTC"
        state = "" if registration.is_live else " (expired, in its grace period)"
        out.line(f"{registration.name} belongs to {registration.owner} until {until}{state}")

    out.result(result, human)
