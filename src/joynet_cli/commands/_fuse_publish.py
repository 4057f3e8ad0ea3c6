"""`joynet fuse publish`, `verify` and `terms`: fused models and their parents on the market."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from joynet_cli._output import out
from joynet_cli._session import open_joynet, stop_if_dry_run
from joynet_cli.commands._fuse_build import pairs

if TYPE_CHECKING:
    from joynet_sdk.client import JoyNet
    from joynet_sdk.formats import Card
    from joynet_sdk.fusion.publishing import ParentShare, Terms
    from joynet_sdk.fusion.spec import FusionSpec

Ref = Annotated[str, typer.Argument(help="Name, manifest CID, or 0x model id.")]


def publish(
    path: Annotated[
        Path, typer.Argument(help="Folder of build or compose.", exists=True, file_okay=False)
    ],
    price: Annotated[str, typer.Option("--price", help="JOY per call, to the model.")],
    share: Annotated[
        list[str] | None,
        typer.Option("--share", help="REF=5%: a parent's part [what its terms ask for]."),
    ] = None,
    parent: Annotated[
        list[str] | None,
        typer.Option("--parent", help="NAME=REF: the model that a folder in the spec is (repeat)."),
    ] = None,
    title: Annotated[str | None, typer.Option("--title", help="One line [folder name].")] = None,
    license_id: Annotated[
        str | None, typer.Option("--license", help="SPDX identifier [README.md's].")
    ] = None,
    labels: Annotated[
        str | None, typer.Option("--labels", help="Names of a classifier's outputs, by comma.")
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="Bind this name of yours to the model.")
    ] = None,
    smoke_test: Annotated[
        bool, typer.Option("--smoke-test/--no-smoke-test", help="Insist on passed checks.")
    ] = True,
) -> None:
    """List a fused model; its parents and their shares of every payment are fixed for good.

    The spec is published with it, naming each parent by its model id, so that anyone can rebuild
    the model and compare. A model that did not pass the checks of `fuse build` is refused;
    --no-smoke-test publishes it with a tag that says so.

    Examples:
      joynet fuse publish ./duo --price 0.02 --name duo.joy
      joynet fuse publish ./duo --price 0.02 --share odd.joy=30% --share even.joy=30%
    """
    from joynet_sdk.evaluation.smoke import require_record
    from joynet_sdk.formats import model_cid
    from joynet_sdk.units import format_joy, parse_joy

    wei = parse_joy(price)
    names = labels.split(",") if labels else []
    card = _card(path, title or path.resolve().name, license_id, names)
    with open_joynet("Publishing") as joynet:
        spec, folders = _spec_of(joynet, path, pairs(parent, "--parent"))
        if smoke_test:
            require_record(path, folders)
        else:
            out.warn("published without passed checks; its card says so")
        if name is not None:
            joynet.domains.check_mine(name)  # before anything is paid
        wanted = {
            joynet.inference.resolve(ref): basis_points(part, "--share")
            for ref, part in pairs(share, "--share").items()
        }
        parents = joynet.fusion.market.shares(spec, wanted)
        told = [_parent(one) for one in parents]
        stop_if_dry_run(
            f"publish {card.title!r} for {format_joy(wei)} a call", price_wei=str(wei), parents=told
        )
        manifest = joynet.fusion.market.publish(
            path, card, spec, parents, wei, is_tested=smoke_test
        )
        if name is not None:
            joynet.domains.bind_model(name, manifest.model_id)
    result: dict[str, Any] = {
        "model_id": manifest.model_id,
        "cid": model_cid(manifest.model_id),
        "root": manifest.root,
        "spec": spec.digest,
        "price_wei": str(wei),
        "parents": told,
        "name": name,
    }

    def human(_: dict[str, Any]) -> None:
        out.line(f"published 0x{manifest.model_id.hex()}")
        out.line(f"manifest  {result['cid']}")
        out.line(f"spec      0x{spec.digest.hex()}")
        out.line(f"price     {format_joy(wei)} a call")
        for one in parents:
            out.line(f"parent    0x{one.model_id.hex()[:16]}... gets {one.share_bps / 100:g}%")
        rest = 10_000 - sum(one.share_bps for one in parents)
        out.line(f"you       {rest / 100:g}%")

    out.result(result, human)


def verify(
    ref: Ref,
    spec: Annotated[
        Path | None,
        typer.Option("--spec", help="Canonical JSON of another spec, e.g. a left-out parent's."),
    ] = None,
) -> None:
    """Rebuild a fused model from its published spec and compare every file.

    Its parents' files must be on this machine (joynet model pull). Exits with 10 when they differ.

    Examples:
      joynet fuse verify duo.joy
    """
    from joynet_sdk.errors import VerificationError
    from joynet_sdk.formats import MAX_SPEC_BYTES
    from joynet_sdk.fusion.spec import decode_spec

    with open_joynet("Rebuilding") as joynet:
        given = None
        if spec is not None:
            with spec.open("rb") as file:
                given = decode_spec(file.read(MAX_SPEC_BYTES + 1))
        model_id = joynet.inference.resolve(ref)
        found = joynet.fusion.verify(model_id, given)
    result = {
        "model_id": found.model_id,
        "spec": found.spec_digest,
        "same": found.is_same,
        "files": {file.path: file.verdict for file in found.files},
    }

    def human(_: dict[str, Any]) -> None:
        out.line(f"{ref}: " + ("the spec makes this model" if found.is_same else "differs"))
        out.table(["file", "verdict"], [[file.path, file.verdict] for file in found.files])

    error = None
    if not found.is_same:
        worst = next(file for file in found.files if not file.is_fine)
        error = VerificationError(f"{worst.path}: {worst.verdict}, expected the spec's own bytes")
    out.result(result, human, error=error)


def terms(
    ref: Ref,
    allow: Annotated[
        bool | None, typer.Option("--allow/--forbid", help="Whether others may build on it.")
    ] = None,
    min_share: Annotated[
        str | None, typer.Option("--min-share", help="Least part of a child's income, e.g. 5%.")
    ] = None,
) -> None:
    """Show on which terms a model may be a parent, or set them for a model of yours.

    Children that are published already keep the terms of their day.

    Examples:
      joynet fuse terms digits.joy
      joynet fuse terms digits.joy --allow --min-share 5%
      joynet fuse terms digits.joy --forbid
    """
    with open_joynet() as joynet:
        market, model_id = joynet.fusion.market, joynet.inference.resolve(ref)
        found = market.terms(model_id)
        if allow is not None or min_share is not None:
            least = (
                found.min_share_bps if min_share is None else basis_points(min_share, "--min-share")
            )
            is_allowed = found.is_allowed if allow is None else allow
            stop_if_dry_run(f"set the terms of {ref}", allowed=is_allowed, min_share_bps=least)
            found = market.set_terms(model_id, is_allowed=is_allowed, min_share_bps=least)
    result = {
        "model_id": model_id,
        "allowed": found.is_allowed,
        "min_share_bps": found.min_share_bps,
        "set_at": found.set_at,
    }
    out.result(result, lambda _: out.line(f"{ref}: {_told(found)}"))


def _told(found: "Terms") -> str:
    if not found.is_allowed:
        return "nobody but its publisher may build on it"
    return f"others may build on it, for at least {found.min_share_bps / 100:g}% of the income"


def _card(path: Path, title: str, license_id: str | None, labels: list[str]) -> "Card":
    from joynet_sdk.compositions.document import FILE
    from joynet_sdk.models import describe
    from joynet_sdk.models.describing import DEFAULT_LICENSE
    from joynet_sdk.models.describing_composition import describe_composition
    from joynet_sdk.storage.scan import scan_model

    if (path / FILE).is_file():
        return describe_composition(path, title, license_id or DEFAULT_LICENSE)
    scan_model(path)  # before anything reads it
    return describe(path, title=title, license_id=license_id, labels=labels)


def _spec_of(
    joynet: "JoyNet", path: Path, names: dict[str, str]
) -> tuple["FusionSpec", list[Path]]:
    """The spec to publish, and the parents' folders."""
    from joynet_sdk.compositions.document import FILE
    from joynet_sdk.fusion.records import read_record
    from joynet_sdk.fusion.spec import CompositionSpec

    if (path / FILE).is_file():
        composition = joynet.composing.check(path)
        parts = [joynet.fusion.locate(each.model).folder for each in composition.components]
        return CompositionSpec(kind="composition", composition=composition), parts
    record = read_record(path)
    folders = [origin.folder for origin in record.parents.values()]
    return joynet.fusion.published_spec(record, names), folders


def basis_points(text: str, option: str) -> int:
    """Basis points of "5%" or "0.05"."""
    from decimal import Decimal, InvalidOperation

    from joynet_cli._errors import UsageError

    try:
        number = Decimal(text.removesuffix("%")) * (100 if text.endswith("%") else 10_000)
        if number == int(number) and 0 <= number <= 10_000:
            return int(number)
    except (InvalidOperation, ValueError, OverflowError):
        pass
    raise UsageError(f"{option} {text!r}, expected e.g. 5% or 0.05, in steps of 0.01%")


def _parent(one: "ParentShare") -> dict[str, Any]:
    return {
        "model_id": one.model_id,
        "publisher": one.publisher,
        "share_bps": one.share_bps,
        "min_share_bps": one.terms.min_share_bps,
    }
