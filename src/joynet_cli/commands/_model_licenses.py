"""`joynet model buy`, `licenses` and their kind: licences that one buys and holds."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from joynet_cli._output import out
from joynet_cli._session import ctx, open_joynet, password_for
from joynet_cli.commands._license_text import document, span, table, until
from joynet_cli.commands._model_keys import app as key_app
from joynet_cli.commands._model_sales import release, settle, terms

if TYPE_CHECKING:
    from joynet_sdk.chain import Account
    from joynet_sdk.client import JoyNet
    from joynet_sdk.licenses import Quote
    from joynet_sdk.types import JoyWei, ModelId

Ref = Annotated[str, typer.Argument(help="Name, manifest CID, or 0x model id.")]
Number = Annotated[int, typer.Argument(help="Number of the licence.", min=1)]
ForNode = Annotated[
    bool, typer.Option("--for-node", help="Opened by this home's node: with its operator's key.")
]
MaxPrice = Annotated[str | None, typer.Option("--max-price", help="JOY not to be passed.")]


def register(app: typer.Typer) -> None:
    """Add these verbs to `joynet model`."""
    for verb in (buy, licenses, renew, terms, release, settle, dispute, refund):
        app.command()(verb)
    app.add_typer(key_app, name="key")


# --- buying


def buy(ref: Ref, max_price: MaxPrice = None, for_node: ForNode = False) -> None:
    """Buy a licence. Of a sealed model, wait for its key, and prove a wrong one.

    The money of a sealed model's licence waits in escrow until the key is posted. If that takes
    longer than --timeout, `joynet tx resume` waits on, and takes the money back once the deadline
    is over. A node opens models with its operator's key: buy its licence as the vault, in the
    node's home, with --for-node.

    Examples:
      joynet model buy minilm.joy --max-price 5
      joynet model buy minilm.joy --for-node --account vault
    """
    from joynet_sdk.licenses import WrongKeyError
    from joynet_sdk.units import format_joy

    limit = _limit(max_price)
    with open_joynet("Buying a licence") as joynet:
        model_id = joynet.inference.resolve(ref)
        quote = joynet.licenses.quote(_with_manifest(joynet, model_id))
        price = format_joy(quote.terms.price)
        out.note(f"a licence {span(quote.terms.period)} for {price}, and gas{_gas(quote)}")
        signer = _operator() if for_node else None
        try:
            licence = joynet.licenses.buy(quote, max_price=limit, key_signer=signer)
        except WrongKeyError as error:
            _get_money_back(joynet, error, signer)
            return

    def human(_: dict[str, Any]) -> None:
        out.line(f"licence {licence.id} is {licence.state.words}{until(licence)}")
        if licence.is_valid and licence.is_sealed:
            out.note(f"next: joynet model pull {ref}")

    out.result(document(licence), human)


def _with_manifest(joynet: "JoyNet", model_id: "ModelId") -> "ModelId":
    """The same id, once its manifest is here: a purchase is checked against it."""
    from joynet_sdk.errors import NotFoundError, UnavailableError

    joynet.models.show(model_id)  # listed at all
    try:
        joynet.models.manifest(model_id)
    except NotFoundError:
        joynet.wait(joynet.pulls.fetch_manifests([model_id]))
        try:
            joynet.models.manifest(model_id)
        except NotFoundError:
            raise UnavailableError(
                f"no peer gives the manifest of 0x{model_id.hex()}, which says what is sold",
                hint="joynet infer nodes REF lists them; set p2p.bootstrap for other peers",
            ) from None
    return model_id


def _get_money_back(joynet: "JoyNet", error: Any, signer: "Account | None") -> None:
    from joynet_sdk.units import format_joy

    out.confirm("Prove it on chain and take the money back?", [str(error)])
    sent = joynet.licenses.dispute(error.license_id, signer)
    result = document(joynet.licenses.license(error.license_id))
    result["refunded_wei"] = str(sent)
    error.hint = "the money is back; buy elsewhere"
    out.result(result, lambda _: out.line(f"{format_joy(sent)} back"), error=error)


def _limit(max_price: str | None) -> "JoyWei | None":
    from joynet_sdk.units import parse_joy

    return None if max_price is None else parse_joy(max_price)


def _gas(quote: "Quote") -> str:
    return f" of at most {quote.gas_fee / 10**18:.6g} ETH, about"


def _operator() -> "Account":
    """The operator's key of this home's node."""
    from joynet_cli.commands.node import OPERATOR
    from joynet_sdk.chain.accounts import locked_account, open_account

    context = ctx()
    if context.dry_run:
        return locked_account(context.home, OPERATOR)
    return open_account(context.home, OPERATOR, password_for)


def licenses(
    ref: Annotated[str | None, typer.Argument(help="Only of this model.")] = None,
    sold: Annotated[
        bool, typer.Option("--sold", help="Those of the models that you publish.")
    ] = False,
) -> None:
    """List your licences, or with --sold those that you sold.

    Examples:
      joynet model licenses
      joynet model licenses --sold --json
    """
    with open_joynet() as joynet:
        model_id = joynet.inference.resolve(ref) if ref else None
        service = joynet.licenses
        found = (
            service.sales(model_id).all()
            if sold
            else service.of_account(joynet.chain.account.address, model_id)
        )
    out.result([document(each) for each in found], lambda _: table(found))


def renew(number: Number, max_price: MaxPrice = None) -> None:
    """Add a period to a licence, at the present price; it may have expired.

    Examples:
      joynet model renew 3 --max-price 5
    """
    with open_joynet("Renewing the licence") as joynet:
        licence = joynet.licenses.renew(number, _limit(max_price))
    out.result(document(licence), lambda _: out.line(f"licence {number} is valid{until(licence)}"))


def dispute(number: Number, for_node: ForNode = False) -> None:
    """Prove that the key posted for a licence is wrong, and take the money back.

    The proof reveals the private key of this one purchase, and is sent only if the key is wrong.

    Examples:
      joynet model dispute 3
    """
    from joynet_sdk.units import format_joy

    with open_joynet("Disputing the key") as joynet:
        sent = joynet.licenses.dispute(number, _operator() if for_node else None)
    result = {"license": number, "state": "void", "refunded_wei": str(sent)}
    out.result(result, lambda _: out.line(f"licence {number} is void, {format_joy(sent)} back"))


def refund(number: Number) -> None:
    """Take the money of a licence back when no key came in time.

    Examples:
      joynet model refund 3
    """
    from joynet_sdk.units import format_joy

    with open_joynet("Taking the money back") as joynet:
        sent = joynet.licenses.refund(number)
        licence = joynet.licenses.license(number)
    result = {"license": number, "state": licence.state.words, "refunded_wei": str(sent)}
    out.result(result, lambda _: out.line(f"licence {number}: {format_joy(sent)} back"))
