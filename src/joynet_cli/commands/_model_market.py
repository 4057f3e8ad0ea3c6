"""`joynet model price`, `delist` and `relist`."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from joynet_cli._output import out
from joynet_cli._session import open_joynet, stop_if_dry_run

if TYPE_CHECKING:
    from joynet_sdk.models import Price

Ref = Annotated[str, typer.Argument(help="Name, manifest CID, or 0x model id.")]


def register(app: typer.Typer) -> None:
    """Add these verbs to `joynet model`."""
    for verb in (price, delist, relist):
        app.command()(verb)


def price(
    ref: Ref,
    amount: Annotated[str | None, typer.Argument(help="JOY per call [show the price].")] = None,
    tokens: Annotated[
        str | None, typer.Option("--tokens", help="JOY per 1,000 output tokens [as it is].")
    ] = None,
) -> None:
    """Show what a call of a model costs, or set it.

    A price that falls holds at once. If the call or the tokens become dearer, both prices hold
    after a day's notice, and callers pay the old ones until then; a second change replaces one that
    waits. Nodes ask for a price of their own on top.

    Examples:
      joynet model price digits.joy
      joynet model price digits.joy 0.02
      joynet model price chat.joy 0.01 --tokens 0.05
    """
    from joynet_cli._errors import UsageError
    from joynet_sdk.units import format_joy, parse_joy

    if amount is None and tokens is not None:
        raise UsageError("--tokens needs the price of a call too, expected JOY per call")
    with open_joynet("Setting the price" if amount else "") as joynet:
        model_id = joynet.inference.resolve(ref)
        if amount is None:
            found = joynet.models.price(model_id)
        else:
            wei = parse_joy(amount)
            stop_if_dry_run(f"set the price to {format_joy(wei)} a call", price_wei=str(wei))
            per_tokens = parse_joy(tokens) if tokens is not None else None
            found = joynet.models.set_price(model_id, wei, per_tokens)
    print_price(ref, found)


def print_price(ref: str, price: "Price") -> None:
    """The outcome of a command that showed or set a price."""
    from datetime import UTC, datetime

    from joynet_sdk.units import format_joy

    at = datetime.fromtimestamp(price.effective_at, UTC) if price.effective_at else None
    result = {
        "price_wei": str(price.call),
        "token_price_wei": str(price.tokens),
        "next_price_wei": str(price.next_call),
        "next_token_price_wei": str(price.next_tokens),
        "effective_at": at,
    }

    def human(_: dict[str, Any]) -> None:
        out.line(f"{ref}: {format_joy(price.call)} a call")
        if price.tokens:
            out.line(f"and {format_joy(price.tokens)} per 1,000 output tokens")
        if at is not None:
            out.line(
                f"from {at:%Y-%m-%d %H:%M} UTC: {format_joy(price.next_call)} a call"
                f" and {format_joy(price.next_tokens)} per 1,000 output tokens"
            )
            out.note("a price that rises holds after a day's notice")

    out.result(result, human)


def delist(ref: Ref) -> None:
    """Take a model of yours off the market: no node can offer it anew.

    Its id, its account and its royalties stay, and calls that were served before are still paid.

    Examples:
      joynet model delist digits.joy
    """
    _set_active(ref, is_active=False)


def relist(ref: Ref) -> None:
    """Put a model of yours back on the market.

    Examples:
      joynet model relist digits.joy
    """
    _set_active(ref, is_active=True)


def _set_active(ref: str, *, is_active: bool) -> None:
    word = "on" if is_active else "off"
    with open_joynet("Relisting" if is_active else "Delisting") as joynet:
        model_id = joynet.inference.resolve(ref)
        joynet.models.check_mine(model_id)
        stop_if_dry_run(f"take {ref} {word} the market" if not is_active else f"list {ref} again")
        models = joynet.models
        changed = models.relist(model_id) if is_active else models.delist(model_id)
    result = {"model_id": model_id, "active": is_active, "changed": changed}
    already = "" if changed else " already"
    out.result(result, lambda _: out.line(f"{ref} is {word} the market{already}"))
