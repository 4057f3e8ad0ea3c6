"""`joynet model show`: everything about a listed model."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from joynet_cli._output import out
from joynet_cli._session import open_joynet

if TYPE_CHECKING:
    from joynet_sdk.formats import Manifest
    from joynet_sdk.licenses import Terms
    from joynet_sdk.models import Details


def show(
    ref: Annotated[str, typer.Argument(help="Name, manifest CID, or 0x model id.")],
    files: Annotated[bool, typer.Option("--files", help="List every file.")] = False,
) -> None:
    """Show a listed model: card, price, class, versions, parents, licence terms, usage.

    The card, versions and files come from its manifest, where that is here; `joynet model search`
    and `pull` fetch it.

    Examples:
      joynet model show digits.joy
      joynet model show digits.joy --files
    """
    with open_joynet() as joynet:
        model_id = joynet.inference.resolve(ref)
        details = joynet.models.details(model_id)
        terms = joynet.licenses.terms(model_id)
    out.result(_document(details, terms), lambda _: _print(details, terms, files))


def _document(details: "Details", terms: "Terms | None") -> dict[str, Any]:
    listing, price = details.listing, details.price
    return {
        "model_id": listing.model_id,
        "cid": listing.cid,
        "publisher": listing.publisher,
        "price_wei": str(listing.price),
        "token_price_wei": str(price.tokens),
        "next_price_wei": str(price.next_call),
        "next_token_price_wei": str(price.next_tokens),
        "price_effective_at": price.effective_at,
        "class": listing.verification,
        "tolerance": listing.tolerance,
        "active": listing.is_active,
        "nodes": listing.nodes,
        "owners": details.owners,
        "parents": details.parents,
        "versions": details.versions,
        "calls": details.calls,
        "paid_wei": str(details.paid),
        "license_terms": terms.struct() if terms else None,
        "manifest": listing.manifest,
    }


def _print(details: "Details", terms: "Terms | None", with_files: bool) -> None:
    from joynet_sdk.units import format_joy

    listing, price = details.listing, details.price
    manifest = listing.manifest
    if manifest is not None:
        out.line(_flat(f"{manifest.title} ({manifest.license})"))
        if manifest.card.summary:
            out.line(_flat(manifest.card.summary))
    out.line(f"model      {listing.model_id}")
    out.line(f"manifest   {listing.cid}")
    out.line(f"publisher  {listing.publisher}")
    out.line(f"price      {format_joy(listing.price)} a call, and the node's own price")
    if price.tokens:
        out.line(f"           and {format_joy(price.tokens)} per 1,000 output tokens")
    if price.effective_at:
        out.line(f"           {format_joy(price.next_call)} a call after its notice")
    out.line(f"class      {listing.verification}")
    if manifest is not None:
        _print_manifest(manifest)
    for version in details.versions[1:]:
        out.line(f"before     {version.version}: {version.model_id}")
    for parent in details.parents:
        out.line(f"parent     {parent.whom} gets {parent.share_bps / 100:g}%")
    if len(details.owners) > 1:
        for owner in details.owners:
            out.line(f"owner      {owner.whom} has {owner.share_bps / 100:g}%")
    if terms is not None:
        out.line(f"licence    {_terms(terms)}")
    out.line(f"paid       {details.calls} calls, {format_joy(details.paid)}")
    out.line(f"offered by {listing.nodes} nodes" + ("" if listing.is_active else " (delisted)"))
    if with_files and manifest is not None:
        rows = [(file.path, file.size, file.sha256, file.cid) for file in manifest.files]
        out.table(("file", "bytes", "sha256", "cid"), rows)


def _print_manifest(manifest: "Manifest") -> None:
    card = manifest.card
    total = sum(file.size for file in manifest.files)
    out.line(f"version    {manifest.version}")
    weights = f", {manifest.quantization}" if manifest.quantization else ""
    out.line(_flat(f"engine     {manifest.engine.profile}: {manifest.architecture}{weights}", 11))
    out.line(f"files      {len(manifest.files)}, {total} bytes" + _sealed(manifest))
    for label, words in (
        ("task", [card.task] if card.task else []),
        ("tags", card.tags),
        ("languages", card.languages),
        ("datasets", card.datasets),
        ("made from", card.base_models),
    ):
        if words:
            out.line(f"{label.ljust(10)} {_flat(', '.join(words))}")


def _flat(text: str, keep: int = 0) -> str:
    """A publisher's words on one line, so that they cannot pass for lines of ours."""
    return text[:keep] + " ".join(text[keep:].split())


def _sealed(manifest: "Manifest") -> str:
    return ", sealed: they open with a licence" if manifest.sealed is not None else ""


def _terms(terms: "Terms") -> str:
    from joynet_sdk.units import format_joy

    period = f"for {terms.period / 86_400:g} days" if terms.period else "for ever"
    needed = ", which a node needs to serve it" if terms.is_required else ""
    return f"{format_joy(terms.price)} {period}{needed}"
