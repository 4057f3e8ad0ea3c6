"""`joynet model`: make models, publish them, change them, look them up."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from joynet_cli._output import out
from joynet_cli._session import open_joynet, stop_if_dry_run
from joynet_cli.commands import (
    _model_files,
    _model_licenses,
    _model_market,
    _model_sales,
    _model_search,
    _model_seed,
)
from joynet_cli.commands._model_quantize import quantize
from joynet_cli.commands._model_show import show
from joynet_sdk.errors import UnavailableError

if TYPE_CHECKING:
    from joynet_sdk.client import JoyNet
    from joynet_sdk.formats import Manifest
    from joynet_sdk.licenses import Terms
    from joynet_sdk.types import JoyWei, ModelId

app = typer.Typer(help="Make models, publish them and look them up.", no_args_is_help=True)
app.command()(quantize)

Title = Annotated[str | None, typer.Option("--title", help="One line [folder name].")]
License = Annotated[
    str | None, typer.Option("--license", help="SPDX identifier [README.md's, or Apache-2.0].")
]
Labels = Annotated[
    str | None, typer.Option("--labels", help="Names of a classifier's outputs, by comma.")
]
Label = Annotated[
    str | None, typer.Option("--version", help='Your label, e.g. 1.2.0 [README.md\'s, or "1"].')
]


@app.command()
def publish(
    path: Annotated[
        Path, typer.Argument(help="Folder with model.safetensors.", exists=True, file_okay=False)
    ],
    price: Annotated[str, typer.Option("--price", help="JOY per call, to the model.")],
    title: Title = None,
    license_id: License = None,
    labels: Labels = None,
    name: Annotated[
        str | None, typer.Option("--name", help="Bind this name of yours to the model.")
    ] = None,
    version: Label = None,
    previous: Annotated[
        str | None, typer.Option("--previous", help="Model of yours that this one follows.")
    ] = None,
    encrypt: _model_sales.Encrypt = False,
    license_price: _model_sales.LicensePrice = None,
    license_days: _model_sales.LicenseDays = None,
    license_required: _model_sales.LicenseRequired = False,
    wait_findable: Annotated[
        bool,
        typer.Option("--wait-findable", help="Hand it out until a node has it; see model seed."),
    ] = False,
) -> None:
    """Scan, store and list a model; nodes may then offer it.

    Takes a QModel (model.safetensors) or a transformers encoder or classifier (config.json,
    tokenizer, model.safetensors). Pickle files are refused. Licence, task, tags and summary come
    from the front matter of README.md. A model of yours that is listed gets the new price: a lower
    one at once, a higher one after a day.

    Examples:
      joynet model publish ./digits --price 0.01 --labels 0,1,2,3,4,5,6,7,8,9
      joynet model publish ./minilm --price 0.02 --name minilm.joy --version 1.0.0
      joynet model publish ./minilm --price 0.02 --encrypt --license-price 5 --license-days 365
    """
    from joynet_sdk.models import describe
    from joynet_sdk.storage.scan import scan_model
    from joynet_sdk.units import format_joy, parse_joy

    wei = parse_joy(price)
    terms = _model_sales.published_terms(encrypt, license_price, license_days, license_required)
    scan_model(path)  # before anything reads it
    names = labels.split(",") if labels else []
    title = title or path.resolve().name
    card = describe(path, title=title, license_id=license_id, labels=names, version=version)
    tell_license(path, license_id, card.license)
    with open_joynet("Publishing") as joynet:
        if name is not None:
            joynet.domains.check_mine(name)  # before anything is paid
        before = joynet.inference.resolve(previous) if previous is not None else None
        if before is not None:
            joynet.models.check_mine(before)
        stop_if_dry_run(f"publish {card.title!r} for {format_joy(wei)} a call", price_wei=str(wei))
        manifest = joynet.models.publish(path, card, wei, before, terms=terms, is_sealed=encrypt)
        bind(joynet, name, manifest, version)
        result = published(joynet, manifest, name)
        problem = None
        if wait_findable:
            out.note(f"published 0x{manifest.model_id.hex()}; waiting until a node has it")
            try:
                held = _model_seed.until_held(joynet, [manifest.model_id], copies=1)
                result["held_by"] = sorted(held[0].found_at)
            except UnavailableError as error:  # it is published all the same
                problem = error
    out.result(result, lambda found: print_published(found, wei), error=problem)


@app.command()
def update(
    ref: Annotated[str, typer.Argument(help="Model of yours: name, manifest CID, or 0x id.")],
    path: Annotated[
        Path | None,
        typer.Argument(help="Folder with its new files [the same files].", file_okay=False),
    ] = None,
    price: Annotated[str | None, typer.Option("--price", help="JOY per call [as it is].")] = None,
    title: Annotated[str | None, typer.Option("--title", help="One line [as it is].")] = None,
    license_id: License = None,
    labels: Labels = None,
    version: Annotated[
        str | None, typer.Option("--version", help="Your label [the one before, plus one].")
    ] = None,
    delist: Annotated[
        bool, typer.Option("--delist", help="Take the version before off the market.")
    ] = False,
) -> None:
    """Publish a model's next version, or only change its price.

    New files, or another title, licence or labels, make a new version: a model with an id of its
    own, which says what it follows. A REF that is a name of yours is bound to it, and
    NAME@VERSION too; the version before stays listed unless --delist. Licence terms are taken
    over; licences that were sold stay valid for the version they were bought for.

    Examples:
      joynet model update digits.joy ./digits-2 --version 2.0.0
      joynet model update digits.joy --title "Digits, 8x8"
      joynet model update digits.joy --price 0.02
    """
    from joynet_cli._errors import UsageError
    from joynet_sdk.formats import parse_ref
    from joynet_sdk.units import format_joy, parse_joy

    wanted = parse_joy(price) if price is not None else None
    is_new = any(each is not None for each in (path, title, license_id, labels, version))
    if not is_new and wanted is None:
        raise UsageError("nothing to change", hint="give PATH, --price, --title, --license...")
    if delist and not is_new:
        raise UsageError("--delist is for a new version", hint="joynet model delist REF")
    with open_joynet("Updating") as joynet:
        model_id = joynet.inference.resolve(ref)
        joynet.models.check_mine(model_id)
        wei = joynet.models.price(model_id).next_call if wanted is None else wanted
        if not is_new:
            stop_if_dry_run(f"set the price to {format_joy(wei)} a call", price_wei=str(wei))
            _model_market.print_price(ref, joynet.models.set_price(model_id, wei))
            return
        name = parse_ref(ref).name
        if name is not None:
            joynet.domains.check_mine(name)
        terms = joynet.licenses.terms(model_id)
        options = {"title": title, "license": license_id, "version": version}
        names = labels.split(",") if labels else []
        stop_if_dry_run(f"publish the next version of {ref}", price_wei=str(wei))
        manifest = _next(joynet, model_id, path, options, names, wei, terms)
        bind(joynet, name, manifest, manifest.version)
        if delist:
            joynet.models.delist(model_id)
        result = published(joynet, manifest, name)
    out.result(result, lambda found: print_published(found, wei))


def _next(
    joynet: "JoyNet",
    model_id: "ModelId",
    path: Path | None,
    options: dict[str, str | None],
    labels: list[str],
    wei: "JoyWei",
    terms: "Terms | None",
) -> "Manifest":
    from joynet_sdk.models import Changes, describe, next_version
    from joynet_sdk.storage.scan import scan_model

    title, license_id, version = options["title"], options["license"], options["version"]
    if path is None:
        changes = Changes(title, version, license_id, labels)
        return joynet.models.revise(model_id, changes, wei, terms)
    old = joynet.models.manifest(model_id)
    scan_model(path)
    card = describe(
        path,
        title=title or old.title,
        license_id=license_id,
        labels=labels,
        version=version or next_version(old.version),
    )
    if not labels and card.output.shape == old.output.shape and not card.output.labels:
        card = card.with_labels(old.output.labels)
    tell_license(path, license_id, card.license)
    is_sealed = old.sealed is not None
    return joynet.models.publish(path, card, wei, model_id, terms=terms, is_sealed=is_sealed)


def tell_license(path: Path, stated: str | None, chosen: str) -> None:
    """Say so when nobody stated a licence."""
    from joynet_sdk.models.cards import read_card

    if stated is None and read_card(path).license is None:
        out.warn(f"neither --license nor README.md names a licence, so it is {chosen}")


def bind(joynet: "JoyNet", name: str | None, manifest: "Manifest", version: str | None) -> None:
    """Let a name mean a model, and NAME@VERSION too when there is a version."""
    if name is None:
        return
    joynet.domains.bind_model(name, manifest.model_id)
    if version is not None:
        joynet.domains.set_text(name, f"model@{version}", "0x" + manifest.model_id.hex())


def published(joynet: "JoyNet", manifest: "Manifest", name: str | None) -> dict[str, Any]:
    """The document about a model that was published."""
    from joynet_sdk.formats import model_cid

    listing = joynet.models.show(manifest.model_id)
    return {
        "model_id": manifest.model_id,
        "cid": model_cid(manifest.model_id),
        "root": manifest.root,
        "class": manifest.verification,
        "files": len(manifest.files),
        "price_wei": str(listing.price),
        "version": manifest.version,
        "previous": manifest.previous,
        "license": manifest.license,
        "name": name,
    }


def print_published(result: dict[str, Any], wei: "JoyWei") -> None:
    """For people."""
    from joynet_sdk.types import JoyWei
    from joynet_sdk.units import format_joy

    price = JoyWei(int(result["price_wei"]))
    out.line(f"published 0x{result['model_id'].hex()}")
    out.line(f"manifest  {result['cid']}")
    out.line(f"version   {result['version']}")
    out.line(f"price     {format_joy(price)} a call")
    if price < wei:
        out.note(f"{format_joy(wei)} a call holds from tomorrow")
    if result["name"]:
        out.line(f"name      {result['name']}")
    else:
        out.note(f"next: joynet domain bind NAME.joy {result['cid']}")
    if "held_by" not in result:
        out.note("nodes fetch it from here: joynet model seed REF, until one has it")


app.command()(show)
_model_market.register(app)
_model_files.register(app)
_model_search.register(app)
_model_seed.register(app)
_model_licenses.register(app)
