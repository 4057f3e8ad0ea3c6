"""`joynet model terms`, `release` and `settle`: licences of your own models."""

import time
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from joynet_cli._output import out
from joynet_cli._session import ctx, open_joynet, stop_if_dry_run
from joynet_cli.commands._license_text import (
    document,
    print_terms,
    terms_document,
    when,
)
from joynet_sdk.errors import PendingError, RevertedError, UnavailableError

if TYPE_CHECKING:
    from joynet_sdk.client import JoyNet
    from joynet_sdk.licenses import Release, Sales, Terms
    from joynet_sdk.types import ModelId

WATCH_S = 1.0
Ref = Annotated[str, typer.Argument(help="Name, manifest CID, or 0x model id.")]
OneModel = Annotated[str | None, typer.Argument(help="Only of this model.")]

# Options of `model publish`.
Encrypt = Annotated[
    bool, typer.Option("--encrypt", help="Seal the files; licence holders get the key.")
]
LicensePrice = Annotated[
    str | None, typer.Option("--license-price", help="Sell licences for this many JOY.")
]
LicenseDays = Annotated[
    int | None, typer.Option("--license-days", min=1, help="How long they are valid [for ever].")
]
LicenseRequired = Annotated[
    bool, typer.Option("--license-required", help="Nodes need one to serve the model.")
]


def published_terms(
    encrypt: bool, price: str | None, days: int | None, required: bool
) -> "Terms | None":
    """The terms that the options of `publish` ask for.

    Raises:
        UsageError: They need --license-price, and it is not there.
    """
    from joynet_cli._errors import UsageError
    from joynet_sdk.licenses.model import SECONDS_PER_DAY, Terms
    from joynet_sdk.units import parse_joy

    if price is None:
        if encrypt or required or days is not None:
            raise UsageError(
                "--encrypt, --license-days and --license-required need --license-price",
                hint="0 gives licences away",
            )
        return None
    return Terms(parse_joy(price), (days or 0) * SECONDS_PER_DAY, is_required=required)


def terms(
    ref: Ref,
    price: Annotated[str | None, typer.Option("--price", help="JOY for a licence.")] = None,
    days: Annotated[
        int | None, typer.Option("--days", min=0, help="How long it is valid; 0: for ever.")
    ] = None,
    required: Annotated[
        bool | None,
        typer.Option("--required/--not-required", help="Whether nodes need one to serve it."),
    ] = None,
    transferable: Annotated[
        bool | None,
        typer.Option("--transferable/--not-transferable", help="Whether it can change hands."),
    ] = None,
    resale_bps: Annotated[
        int | None,
        typer.Option("--resale-bps", min=0, max=1000, help="Your part of a resale (ERC-2981)."),
    ] = None,
    key_holder: Annotated[
        str | None, typer.Option("--key-holder", help="Account that may release keys as well.")
    ] = None,
) -> None:
    """Show on which terms licences are sold; with options, change them (publisher only).

    What was sold stays as it was. What is not given stays as it is.

    Examples:
      joynet model terms minilm.joy
      joynet model terms minilm.joy --price 5 --days 365 --required
    """
    from dataclasses import replace

    from joynet_cli.commands.token import address_of
    from joynet_sdk.licenses.model import SECONDS_PER_DAY, Terms
    from joynet_sdk.types import JoyWei
    from joynet_sdk.units import parse_joy

    given: dict[str, Any] = {
        "price": None if price is None else parse_joy(price),
        "period": None if days is None else days * SECONDS_PER_DAY,
        "is_required": required,
        "is_transferable": transferable,
        "resale_bps": resale_bps,
        "key_holder": address_of(ctx(), key_holder) if key_holder else None,
    }
    changes = {name: value for name, value in given.items() if value is not None}
    with open_joynet() as joynet:
        model_id = joynet.inference.resolve(ref)
        found = joynet.licenses.terms(model_id)
        if changes:
            found = replace(
                found or Terms(JoyWei(0), key_hash=_key_hash(joynet, model_id)), **changes
            )
            joynet.licenses.set_terms(model_id, found)
    out.result(terms_document(found), lambda _: print_terms(found))


def _key_hash(joynet: "JoyNet", model_id: "ModelId") -> bytes:
    from joynet_sdk.storage.manifest import load_manifest

    sealed = load_manifest(joynet.store, model_id).sealed
    return bytes.fromhex(sealed.key_hash[2:]) if sealed else bytes(32)


def release(
    ref: OneModel = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Go on until Ctrl-C, one line for each licence.")
    ] = False,
) -> None:
    """Post the keys of all buyers who wait; with --watch, also collect what is due.

    Run it with --watch where the content keys are, as the publisher or key holder: buyers get
    their keys within seconds. Without a key before the deadline a buyer gets the money back.

    Examples:
      joynet model release
      joynet model release minilm.joy --watch
    """
    with open_joynet("Releasing keys") as joynet:
        model_id = joynet.inference.resolve(ref) if ref else None
        sales = joynet.licenses.sales(model_id)
        if watch:
            stop_if_dry_run("release keys until Ctrl-C")
            _watch(sales)
        ids = [licence.id for licence in sales.waiting()]
        stop_if_dry_run(f"release the keys of {len(ids)} licences", licenses=ids)
        _tell_releases(sales.release_waiting())


def _watch(sales: "Sales") -> NoReturn:
    """Release and settle until Ctrl-C; each problem is told once, and tried again."""
    told: set[object] = set()
    out.note("waiting for buyers; Ctrl-C ends it")
    while True:
        try:
            _serve_buyers(sales, told)
        except (UnavailableError, PendingError, RevertedError) as error:
            if str(error) not in told:  # the chain is away, or somebody else settled first
                told.add(str(error))
                out.warn(str(error))
        time.sleep(WATCH_S)


def _serve_buyers(sales: "Sales", told: set[object]) -> None:
    for done in sales.release_waiting():
        if done.problem is None or done.licence.id not in told:
            out.event(_release_document(done))
            out.line(_release_line(done))
        if done.problem is not None:
            told.add(done.licence.id)
    for licence in sales.due():
        amount = sales.settle(licence.id)
        out.event({"license": licence.id, "settled_wei": str(amount)})
        out.line(f"licence {licence.id} is settled")


def _tell_releases(done: "list[Release]") -> None:
    problem = next((each.problem for each in done if each.problem is not None), None)

    def human(_: Any) -> None:
        for each in done:
            out.line(_release_line(each))
        if not done:
            out.line("nobody waits for a key")

    out.result([_release_document(each) for each in done], human, error=problem)


def _release_document(done: "Release") -> dict[str, Any]:
    problem = None if done.problem is None else str(done.problem)
    return {**document(done.licence), "problem": problem}


def _release_line(done: "Release") -> str:
    if done.problem is not None:
        return f"licence {done.licence.id}: {done.problem}"
    return f"licence {done.licence.id}: key released, can be disputed{when(done.licence.deadline)}"


def settle(
    ref: OneModel = None,
) -> None:
    """Collect the money of licences whose dispute window is over; then `royalty claim`.

    Examples:
      joynet model settle
    """
    from joynet_sdk.units import format_joy

    with open_joynet("Settling licences") as joynet:
        model_id = joynet.inference.resolve(ref) if ref else None
        sales = joynet.licenses.sales(model_id)
        ids = [licence.id for licence in sales.due()]
        stop_if_dry_run(f"settle {len(ids)} licences", licenses=ids)
        total = sum(sales.settle(number) for number in ids)
    result = {"settled": ids, "to_models_wei": str(total)}

    def human(_: dict[str, Any]) -> None:
        out.line(f"{len(ids)} licences settled, {format_joy(total)} to their models")
        if ids:
            out.note("next: joynet royalty claim REF")

    out.result(result, human)
