"""`joynet domain`: PermaNet names."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from joynet_cli._output import out
from joynet_cli._session import ctx, open_joynet
from joynet_cli.commands import _permissions, _records, _reverse, _subnames

if TYPE_CHECKING:
    from joynet_sdk.domains import Pending, Quote, Registration
    from joynet_sdk.types import Address, JoyWei

app = typer.Typer(help="Register PermaNet names and set what they mean.", no_args_is_help=True)
app.add_typer(_records.app, name="records")
app.add_typer(_subnames.app, name="subname")
app.add_typer(_permissions.app, name="permissions")
app.add_typer(_reverse.app, name="reverse")

Name = Annotated[str, typer.Argument(help="Full name, e.g. alice.joy.")]
Years = Annotated[int, typer.Option("--years", min=1, max=10, help="Years of 365 days.")]
Permanent = Annotated[
    bool, typer.Option("--permanent", help="One payment, no expiry, where the TLD sells that.")
]


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
def quote(name: Name, years: Years = 1, permanent: Permanent = False) -> None:
    """Price a registration or renewal without buying it: rent, premium, gas, total.

    Examples:
      joynet domain quote alice.joy --years 3
      joynet domain quote alice.joy --permanent
    """
    with open_joynet() as joynet:
        result = joynet.domains.quote(name, years=years, permanent=permanent)
    _print_quote(result)


@app.command()
def register(
    name: Name,
    years: Years = 1,
    permanent: Permanent = False,
    max_price: Annotated[
        str | None, typer.Option("--max-price", help="Most JOY to pay for it.")
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", help="Model the name shall mean (CID or 0x id).")
    ] = None,
    record: Annotated[
        list[str] | None,
        typer.Option("--record", help="KEY=VALUE, set with the name; may be given again."),
    ] = None,
    owner: Annotated[
        str | None, typer.Option("--owner", help="Who gets it: account name or address [you].")
    ] = None,
) -> None:
    """Buy a name: commit, wait, reveal. Interrupted, the same command on any machine with the
    same key finishes it, and so does `joynet tx resume` on this one.

    Examples:
      joynet domain register alice.joy
      joynet domain register digits.joy --years 2 --max-price 20 --model bafk...
      joynet domain register alice.joy --record url=https://example.org --record addr.btc=bc1q...
    """
    from joynet_sdk.domains.records import parse_assignment

    records = [parse_assignment(text) for text in record or ()]
    with open_joynet(f"Registering {name}") as joynet:
        receiver = _address(owner)
        offer = joynet.domains.quote(name, years=years, permanent=permanent, owner=receiver)
        if offer.is_available:
            _note_price(offer)
        model_id = joynet.inference.resolve(model) if model else None
        registration = joynet.domains.register(
            offer,
            owner=receiver,
            model=model_id,
            records=records,
            max_price=_limit(max_price),
            warn=out.warn,
        )
    _print_registration(registration)


@app.command()
def recover(
    name: Annotated[
        str | None, typer.Argument(help="Finish this one; without it, list them.")
    ] = None,
    max_price: Annotated[
        str | None, typer.Option("--max-price", help="Most JOY to pay for it.")
    ] = None,
) -> None:
    """Find registrations that your key began anywhere, and finish one. Only the key is needed.

    Examples:
      joynet domain recover
      joynet domain recover alice.joy
    """
    from joynet_sdk.errors import NotFoundError

    with open_joynet("Looking for commitments") as joynet:
        found = joynet.domains.pending()
        if name is None:
            out.result([_describe_pending(each) for each in found], _print_pending)
            return
        normal = joynet.domains.registry.normalise(name)
        mine = [each for each in found if each.name == normal]
        if not mine:
            hint = "a commitment is good for a day: joynet domain register " + normal
            raise NotFoundError("unfinished registration of", normal, hint=hint)
        registration = joynet.domains.finish(mine[-1], max_price=_limit(max_price), warn=out.warn)
    _print_registration(registration)


@app.command()
def renew(name: Name, years: Years = 1, permanent: Permanent = False) -> None:
    """Pay for more time; anyone may, for anyone's name.

    Examples:
      joynet domain renew alice.joy --years 5
      joynet domain renew alice.joy --permanent
    """
    with open_joynet(f"Renewing {name}") as joynet:
        offer = joynet.domains.quote(name, years=years, permanent=permanent)
        if not offer.is_available:
            _note_price(offer)
        registration = joynet.domains.renew(offer)
    _print_registration(registration)


@app.command()
def show(name: Name) -> None:
    """Show who holds a name or a subname, until when.

    Examples:
      joynet domain show alice.joy
    """
    with open_joynet() as joynet:
        registration = joynet.domains.show(name)
    _print_registration(registration)


@app.command()
def resolve(
    name: Name,
    trace: Annotated[
        bool, typer.Option("--trace", help="Show each contract asked, and its answer.")
    ] = False,
) -> None:
    """Show what a name means: its model, address and other records.

    Examples:
      joynet domain resolve digits.joy
      joynet domain resolve anything.alice.joy --trace
    """
    from joynet_sdk.domains.resolution import Hop

    hops: list[Hop] = []
    with open_joynet() as joynet:
        records = joynet.domains.resolve(name, trace=hops.append)
    document = {**_records.described(records), **({"trace": hops} if trace else {})}

    def human(_: dict[str, Any]) -> None:
        out.record(_records.described(records))
        for number, hop in enumerate(hops if trace else (), 1):
            out.line(f"{number:>3}. {hop.contract} {hop.address}")
            out.line(f"     {hop.call} -> {hop.answer}")

    out.result(document, human)


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
    out.result(_records.described(records))


@app.command("set")
def set_record(
    name: Name,
    key: Annotated[str, typer.Argument(help="address, addr.btc, contenthash, url, ...")],
    value: Annotated[str, typer.Argument(help="Its value; empty deletes the record.")],
) -> None:
    """Set one record of a name of yours; `joynet domain records set` takes several.

    Examples:
      joynet domain set alice.joy address 0x70997970C51812dc3A010C7d01b50e0d17dc79C8
      joynet domain set alice.joy url https://example.org
    """
    from joynet_sdk.domains.records import parse_record

    record = parse_record(key, value)
    with open_joynet(f"Setting {key} of {name}") as joynet:
        joynet.domains.records.set(name, [record])
        records = joynet.domains.resolve(name)
    out.result(_records.described(records))


@app.command()
def transfer(
    name: Name, to: Annotated[str, typer.Argument(help="Account name or address.")]
) -> None:
    """Give a name away, with its records.

    Examples:
      joynet domain transfer alice.joy bob
    """
    from joynet_cli.commands.token import address_of

    receiver = address_of(ctx(), to)
    with open_joynet(f"Transferring {name}") as joynet:
        joynet.domains.check_mine(name)
        if not ctx().dry_run:
            out.confirm(f"Give {name} to {receiver}?")
        registration = joynet.domains.transfer(name, receiver)
    _print_registration(registration)


@app.command()
def lock(
    name: Name,
    locks: Annotated[str, typer.Argument(help="Of resolver,transfer,subnames,records.")],
) -> None:
    """Give something up for as long as the name is registered. Cannot be undone.

    Examples:
      joynet domain lock alice.joy resolver,transfer
    """
    words = _subnames.words(locks)
    with open_joynet(f"Locking {name}") as joynet:
        joynet.domains.check_mine(name)
        if not ctx().dry_run:
            out.confirm(f"Lock {', '.join(words)} of {name} for good?")
        registration = joynet.domains.lock(name, words)
    _print_registration(registration)


Owner = Annotated[str | None, typer.Argument(help="Account name or address [yours].")]


@app.command("list")
def list_names(owner: Owner = None) -> None:
    """List the names of an account, subnames included.

    Examples:
      joynet domain list
    """
    address = _address(owner)
    with open_joynet() as joynet:
        names = joynet.domains.owned(address)
    _print_names(names)


@app.command()
def expiring(
    owner: Owner = None,
    within: Annotated[int, typer.Option("--within", min=0, help="Days.")] = 30,
) -> None:
    """List names that end within some days, or are in their grace period already.

    Examples:
      joynet domain expiring --within 60
    """
    address = _address(owner)
    with open_joynet() as joynet:
        names = joynet.domains.expiring(address, days=within)
    _print_names(names)


def _address(who: str | None) -> "Address":
    """An account by name or address; the chosen one by default."""
    from joynet_cli.commands.token import address_of

    return address_of(ctx(), who)


def _limit(max_price: str | None) -> "JoyWei | None":
    from joynet_sdk.units import parse_joy

    return parse_joy(max_price) if max_price else None


def _note_price(quote: "Quote") -> None:
    out.note(f"{quote.name}: {_price(quote)}")
    for text in quote.warnings:
        out.warn(text)


def _price(quote: "Quote") -> str:
    from joynet_sdk.units import format_joy

    term = "for ever" if quote.is_permanent else f"for {quote.duration // 86_400} days"
    premium = f" + premium {format_joy(quote.premium)}" if quote.premium else ""
    return f"{format_joy(quote.rent)}{premium} {term}"


def _print_quote(quote: "Quote") -> None:
    from joynet_sdk.units import format_joy

    result = {
        "name": quote.name,
        "available": quote.is_available,
        "refusal": quote.refusal or None,
        "rent_wei": str(quote.rent),
        "premium_wei": str(quote.premium),
        "total_wei": str(quote.total),
        "gas_fee_wei": str(quote.gas_fee),
        "duration_s": None if quote.is_permanent else quote.duration,
        "permanent": quote.is_permanent,
        "warnings": list(quote.warnings),
    }

    def human(_: dict[str, Any]) -> None:
        state = "free" if quote.is_available else quote.refusal.replace("name taken", "taken")
        out.line(f"{quote.name} is {state}: {_price(quote)}")
        if quote.premium:
            out.line(f"total {format_joy(quote.total)}")
        out.line(f"gas about {quote.gas_fee / 10**18:.6g} ETH at most")
        for text in quote.warnings:
            out.warn(text)

    out.result(result, human)


def describe(registration: "Registration") -> dict[str, Any]:
    """A registration as a command prints it."""
    end = registration.expires_at
    return {
        "name": registration.name,
        "owner": registration.owner,
        "expires_at": None if end is None else int(end.timestamp()),
        "permanent": end is None,
        "live": registration.is_live,
        "resolver": registration.resolver,
        "locks": list(registration.locks),
        "price_cap_wei_per_s": None
        if registration.price_cap is None
        else str(registration.price_cap),
    }


def _print_registration(registration: "Registration") -> None:
    def human(_: dict[str, Any]) -> None:
        end = registration.expires_at
        until = "for ever" if end is None else f"until {end:%Y-%m-%d %H:%M} UTC"
        grace = " (expired, in its grace period)" if registration.parent is None else " (expired)"
        state = "" if registration.is_live else grace
        out.line(f"{registration.name} belongs to {registration.owner} {until}{state}")
        if registration.locks:
            out.line(f"locked for good: {', '.join(registration.locks)}")

    out.result(describe(registration), human)


def _print_names(names: "list[Registration]") -> None:
    def human(_: object) -> None:
        rows = [[n.name, _day(n), "" if n.is_live else "in grace"] for n in names]
        out.table(["name", "expires", "state"], rows)

    out.result([describe(name) for name in names], human)


def _day(registration: "Registration") -> str:
    end = registration.expires_at
    return "never" if end is None else f"{end:%Y-%m-%d}"


def _describe_pending(pending: "Pending") -> dict[str, Any]:
    return {
        "name": pending.name,
        "owner": pending.owner,
        "records": {record.key: record.value for record in pending.records},
        "late_records": pending.late_records,
        "made_at": pending.made_at,
        "good_until": pending.good_until,
    }


def _print_pending(rows: list[dict[str, Any]]) -> None:
    from datetime import UTC, datetime

    cells = [
        [row["name"], row["owner"], f"{datetime.fromtimestamp(row['good_until'], UTC):%m-%d %H:%M}"]
        for row in rows
    ]
    out.table(["name", "for", "good until (UTC)"], cells)
