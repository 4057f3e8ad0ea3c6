"""`joynet model search` and `lineage`: find models, and their relatives."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from joynet_cli._output import out
from joynet_cli._session import open_joynet
from joynet_sdk.errors import NotFoundError

if TYPE_CHECKING:
    from joynet_sdk.client import JoyNet
    from joynet_sdk.models.lineage import Lineage, Relative
    from joynet_sdk.models.search import Progress
    from joynet_sdk.searching import Hit

SORTS = ("relevance", "newest", "price", "title")
CLASSES = ("exact", "tolerant")


def register(app: typer.Typer) -> None:
    """Add these verbs to `joynet model`."""
    for verb in (search, lineage):
        app.command()(verb)


def search(
    query: Annotated[
        list[str] | None, typer.Argument(help="Words of title, summary, tags or README.")
    ] = None,
    task: Annotated[
        str | None, typer.Option("--task", help="Hugging Face's task, e.g. text-classification.")
    ] = None,
    license_id: Annotated[str | None, typer.Option("--license", help="SPDX identifier.")] = None,
    max_price: Annotated[
        str | None, typer.Option("--max-price", help="JOY per call, at most.")
    ] = None,
    architecture: Annotated[
        str | None, typer.Option("--architecture", help="E.g. bert, qmodel/2.")
    ] = None,
    publisher: Annotated[str | None, typer.Option("--publisher", help="Name or address.")] = None,
    verification: Annotated[str | None, typer.Option("--class", help="exact or tolerant.")] = None,
    sort: Annotated[
        str | None, typer.Option("--sort", help="relevance, newest, price or title.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="Models to list.")] = 20,
    with_delisted: Annotated[
        bool, typer.Option("--all", help="Also models that are off the market.")
    ] = False,
    offline: Annotated[
        bool, typer.Option("--offline", help="Ask the index as it is, without the network.")
    ] = False,
) -> None:
    """Search the models on the market, in an index on this machine.

    The index is caught up from the chain first, and manifests that are not here are asked of
    peers for some seconds. All words must match; the last one may be cut short.

    Examples:
      joynet model search sentence embeddings
      joynet model search --task image-classification --max-price 0.05 --sort price
      joynet model search digits --offline
    """
    import time

    from joynet_cli._errors import UsageError
    from joynet_sdk.searching import Query
    from joynet_sdk.units import parse_joy

    for value, allowed, option in ((sort, SORTS, "--sort"), (verification, CLASSES, "--class")):
        if value is not None and value not in allowed:
            raise UsageError(f"{option} is {value!r}, expected {' or '.join(allowed)}")
    with open_joynet() as joynet:
        progress = _prepare(joynet, offline)
        asked = Query(
            words=" ".join(query or ()),
            task=task,
            license=license_id,
            architecture=architecture,
            publisher=_account(joynet, publisher, offline) if publisher else None,
            verification=verification,
            max_price=parse_joy(max_price) if max_price is not None else None,
            sort=sort,  # type: ignore[arg-type]  # one of the four
            limit=limit,
            now=int(time.time()) if offline else joynet.chain.now(),
            is_all=with_delisted,
        )
        hits = joynet.search.find(asked)
    result = {"models": [_document(hit) for hit in hits], "index": progress}
    out.result(result, lambda _: _print(hits, progress))


def _prepare(joynet: "JoyNet", offline: bool) -> "Progress":
    """Catch the index up as far as wanted; how far it is then."""
    from dataclasses import replace

    if offline:
        joynet.wait(joynet.search.learn_cards(is_offline=True))
        return joynet.search.progress()
    with out.progress("Indexing", 0) as bar:

        def show(done: int, total: int) -> None:
            bar.total(total)
            bar.at(done)

        caught_up = joynet.search.catch_up(show)
        bar.stage("Reading manifests")
        joynet.wait(joynet.search.learn_cards())
    now = joynet.search.progress()
    return replace(caught_up, models=now.models, unknown=now.unknown)


def _account(joynet: "JoyNet", publisher: str, offline: bool) -> str:
    from joynet_cli._errors import UsageError

    if publisher.startswith("0x"):
        return publisher
    if offline:
        raise UsageError(
            f"--publisher {publisher} is a name, expected an address with --offline",
            hint=f"joynet domain resolve {publisher}",
        )
    address = joynet.domains.resolve(publisher).address
    if address is None:
        raise NotFoundError("address of", publisher, hint=f"joynet domain resolve {publisher}")
    return address


def _document(hit: "Hit") -> dict[str, Any]:
    return {
        "model_id": hit.model,
        "title": hit.title,
        "summary": hit.summary,
        "publisher": hit.publisher,
        "price_wei": str(hit.price),
        "token_price_wei": str(hit.token_price),
        "class": hit.verification,
        "active": hit.is_active,
        "listed_at": hit.listed_at,
        "task": hit.task,
        "license": hit.license,
        "architecture": hit.architecture,
        "version": hit.version,
        "quantization": hit.quantization,
        "sealed": hit.is_sealed,
    }


def _print(hits: list["Hit"], progress: "Progress") -> None:
    from joynet_sdk.units import format_joy

    rows = [
        (
            _short(hit.title, 40),
            hit.model[:14] + "…",
            format_joy(hit.price),
            hit.verification + ("" if hit.is_active else ", delisted"),
            hit.task or hit.architecture,
            hit.license,
        )
        for hit in hits
    ]
    out.table(("title", "model", "a call", "class", "task", "licence"), rows)
    head = f" of {progress.head}" if progress.head is not None else " (not asked for more)"
    out.note(f"indexed to block {progress.block}{head}: {progress.models} models on the market")
    if progress.forgotten:
        out.note(f"a reorganisation took {progress.forgotten} events away; they were read anew")
    if progress.unknown:
        out.note(f"no peer had the manifests of {progress.unknown}, so no word finds these")


def _short(text: str | None, length: int) -> str | None:
    return text if text is None or len(text) <= length else text[: length - 1] + "…"


def lineage(
    ref: Annotated[str, typer.Argument(help="Name, manifest CID, or 0x model id.")],
    offline: Annotated[
        bool, typer.Option("--offline", help="Children from the index as it is.")
    ] = False,
) -> None:
    """Show what a model was made from, and what was made of it, with every share.

    Examples:
      joynet model lineage duo.joy
    """
    with open_joynet() as joynet:
        model_id = joynet.inference.resolve(ref)
        _prepare(joynet, offline)
        found = joynet.models.lineage(model_id, joynet.search.children)
    out.result(found, _print_lineage)


def _print_lineage(found: "Lineage") -> None:
    out.line(_named(found.model, found.title))
    for heading, relatives, verb in (
        ("made from", found.parents, "gets"),
        ("made of it", found.children, "pays it"),
    ):
        out.line(heading)
        if not relatives:
            out.line("  nothing")
        _print_tree(relatives, "  ", verb)
    if found.is_cut:
        out.note("there are more relatives than are listed")


def _print_tree(relatives: tuple["Relative", ...], indent: str, verb: str) -> None:
    for index, relative in enumerate(relatives):
        is_last = index == len(relatives) - 1
        again = " (see above)" if relative.is_repeated else ""
        share = f"{verb} {relative.share_bps / 100:g}%"
        branch = "└─" if is_last else "├─"
        out.line(f"{indent}{branch} {_named(relative.model, relative.title)} {share}{again}")
        _print_tree(relative.relatives, indent + ("   " if is_last else "│  "), verb)


def _named(model: str, title: str | None) -> str:
    """Title and id on one line, whatever the title holds."""
    return f"{' '.join(title.split())} {model}" if title else model
