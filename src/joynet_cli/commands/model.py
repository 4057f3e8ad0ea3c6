"""`joynet model`: make models, publish them and look them up."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from joynet_cli._output import out
from joynet_cli._session import open_joynet, stop_if_dry_run
from joynet_cli.commands._model_quantize import quantize

if TYPE_CHECKING:
    from joynet_sdk.models import Listing

app = typer.Typer(help="Make models, publish them and look them up.", no_args_is_help=True)
app.command()(quantize)


@app.command()
def publish(
    path: Annotated[
        Path, typer.Argument(help="Folder with model.safetensors.", exists=True, file_okay=False)
    ],
    price: Annotated[str, typer.Option("--price", help="JOY per call, to the model.")],
    title: Annotated[str | None, typer.Option("--title", help="One line [folder name].")] = None,
    license_id: Annotated[
        str, typer.Option("--license", help="SPDX identifier, e.g. Apache-2.0.")
    ] = "Apache-2.0",
    labels: Annotated[
        str | None, typer.Option("--labels", help="Names of a classifier's outputs, by comma.")
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="Bind this name of yours to the model.")
    ] = None,
) -> None:
    """Scan, store and list a model; nodes may then offer it.

    Takes a QModel (model.safetensors) or a transformers encoder (config.json, tokenizer,
    model.safetensors). Pickle files are refused. A model of yours that is listed gets the new
    price: a lower one at once, a higher one after a day.

    Examples:
      joynet model publish ./digits --price 0.01 --labels 0,1,2,3,4,5,6,7,8,9
      joynet model publish ./minilm --price 0.02 --name minilm.joy
    """
    from joynet_sdk.formats import model_cid
    from joynet_sdk.models import describe
    from joynet_sdk.storage.scan import scan_model
    from joynet_sdk.units import format_joy, parse_joy

    wei = parse_joy(price)
    scan_model(path)  # before anything reads it
    names = labels.split(",") if labels else []
    card = describe(path, title=title or path.resolve().name, license_id=license_id, labels=names)
    with open_joynet("Publishing") as joynet:
        if name is not None:
            joynet.domains.check_mine(name)  # before anything is paid
        stop_if_dry_run(f"publish {card.title!r} for {format_joy(wei)} a call", price_wei=str(wei))
        manifest = joynet.models.publish(path, card, wei)
        if name is not None:
            joynet.domains.bind_model(name, manifest.model_id)
        listing = joynet.models.show(manifest.model_id)
    result = {
        "model_id": manifest.model_id,
        "cid": model_cid(manifest.model_id),
        "root": manifest.root,
        "class": manifest.verification,
        "files": len(manifest.files),
        "price_wei": str(listing.price),
        "name": name,
    }

    def human(_: dict[str, Any]) -> None:
        out.line(f"published 0x{manifest.model_id.hex()}")
        out.line(f"manifest  {result['cid']}")
        out.line(f"price     {format_joy(listing.price)} a call")
        if listing.price < wei:
            out.note(f"{format_joy(wei)} a call holds from tomorrow")
        if name:
            out.line(f"name      {name}")
        else:
            out.note(f"next: joynet domain bind NAME.joy {result['cid']}")

    out.result(result, human)


@app.command()
def show(ref: Annotated[str, typer.Argument(help="Name, manifest CID, or 0x model id.")]) -> None:
    """Show a listed model: price, class, who published it, how many nodes offer it.

    Examples:
      joynet model show digits.joy
    """
    with open_joynet() as joynet:
        listing = joynet.models.show(joynet.inference.resolve(ref))
    out.result(_document(listing), lambda _: _print(listing))


def _document(listing: "Listing") -> dict[str, Any]:
    return {
        "model_id": listing.model_id,
        "cid": listing.cid,
        "publisher": listing.publisher,
        "price_wei": str(listing.price),
        "class": listing.verification,
        "tolerance": listing.tolerance,
        "active": listing.is_active,
        "nodes": listing.nodes,
        "manifest": listing.manifest,
    }


def _print(listing: "Listing") -> None:
    from joynet_sdk.units import format_joy

    if listing.manifest is not None:
        out.line(f"{listing.manifest.title} ({listing.manifest.license})")
    out.line(f"model      {listing.model_id}")
    out.line(f"manifest   {listing.cid}")
    out.line(f"publisher  {listing.publisher}")
    out.line(f"price      {format_joy(listing.price)} a call, and the node's own price")
    out.line(f"class      {listing.verification}")
    out.line(f"offered by {listing.nodes} nodes" + ("" if listing.is_active else " (delisted)"))
