"""`joynet model scan`, `verify` and `pull`: a model's files."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from joynet_cli._output import out
from joynet_cli._session import open_joynet, stop_if_dry_run

if TYPE_CHECKING:
    from joynet_sdk.models import Pulled

Ref = Annotated[str, typer.Argument(help="Name, manifest CID, or 0x model id.")]


def register(app: typer.Typer) -> None:
    """Add these verbs to `joynet model`."""
    for verb in (scan, verify, pull):
        app.command()(verb)


def scan(path: Annotated[Path, typer.Argument(help="Weights file, or folder of a model.")]) -> None:
    """Look at a model's files as `publish` would, without loading or storing anything.

    Refuses pickles, symlinks, headers and configs out of bounds; says what would be published.

    Examples:
      joynet model scan ./minilm
      joynet model scan ./minilm --json
    """
    from joynet_sdk.errors import InvalidInputError
    from joynet_sdk.models import describe
    from joynet_sdk.storage.scan import scan_model

    found = scan_model(path)
    card, reason = None, None
    try:
        card = describe(path, title=path.resolve().name)
    except InvalidInputError as error:
        reason = str(error)
    result: dict[str, Any] = {
        "format": found.format,
        "architecture": found.architecture,
        "parameters": found.parameters,
        "weights_bytes": found.weights_bytes,
        "quantization": found.quantization,
        "files": [file._asdict() for file in found.files],
        "card": card,
        "not_publishable": reason,
    }

    def human(_: dict[str, Any]) -> None:
        out.line(f"format       {found.format}, {found.quantization or 'no weights'}")
        out.line(f"architecture {found.architecture or 'unknown'}")
        out.line(f"parameters   {found.parameters:,} in {found.weights_bytes:,} bytes")
        if card is not None:
            out.line(f"engine       {card.engine.profile}, class {card.verification}")
            out.line(f"licence      {card.license}")
        out.table(("file", "bytes", "kind"), [(f.path, f.size, f.kind) for f in found.files])
        if reason is not None:
            out.warn(f"safe to open, but not to be published: {reason}")

    out.result(result, human)


def verify(
    ref: Ref,
    path: Annotated[
        Path | None, typer.Argument(help="Folder with a copy [the blocks in your store].")
    ] = None,
) -> None:
    """Compare a copy of a model with the chain and its manifest, file by file.

    Exit code 10 when anything differs: a file that was changed, is missing, or is one too many.

    Examples:
      joynet model verify digits.joy
      joynet model verify digits.joy ./digits
    """
    from joynet_sdk.errors import VerificationError

    with open_joynet() as joynet:
        model_id = joynet.inference.resolve(ref)
        total = sum(file.size for file in joynet.models.manifest(model_id).files)
        with out.progress("Verifying", total, is_bytes=True) as bar:
            checks = joynet.models.verify(model_id, path, lambda piece: bar.advance(len(piece)))
    wrong = [check for check in checks if check.problem is not None]
    result = {"model_id": model_id, "files": checks, "verified": not wrong}
    error = None
    if wrong:
        error = VerificationError(
            f"{len(wrong)} of {len(checks)} files differ, first {wrong[0].path}: "
            f"{wrong[0].problem}",
            hint=f"joynet model pull {ref} --to FOLDER",
        )

    def human(_: dict[str, Any]) -> None:
        rows = [(check.path, check.problem or "as published") for check in checks]
        out.table(("file", "verdict"), rows)

    out.result(result, human, error=error)


def pull(
    ref: Ref,
    to: Annotated[
        Path | None, typer.Option("--to", help="New folder for the files [./NAME].")
    ] = None,
) -> None:
    """Fetch a model from every node that has it, and write its files to a new folder.

    Each block is checked as it comes, each file before it is written. A pull that was cut short
    goes on where it was. The blocks stay in your store, and are pinned. Sealed models open with
    your licence.

    Examples:
      joynet model pull minilm.joy
      joynet model pull minilm.joy --to ./models/minilm
    """
    from joynet_sdk.models.pull import check_target
    from joynet_sdk.progress import listening

    target = to or Path(_folder_name(ref))
    check_target(target)
    with open_joynet() as joynet:
        model_id = joynet.inference.resolve(ref)
        stop_if_dry_run(f"fetch {ref} and write it to {target}", model_id=model_id)
        with out.progress("Pulling", 0, is_bytes=True) as bar, listening(bar.stage):

            def show(done: int, total: int, fetched: int) -> None:
                bar.total(total)
                bar.at(done)

            pulled = joynet.wait(joynet.pulls.pull(model_id, target, show))
    out.result(pulled, _print_pulled)


def _print_pulled(pulled: "Pulled") -> None:
    out.line(f"{pulled.folder}")
    here = pulled.bytes_total - min(pulled.bytes_fetched, pulled.bytes_total)
    peers = f" from {pulled.peers} peers" if pulled.peers else ""
    out.note(f"{pulled.bytes_fetched} bytes fetched{peers}, {here} were here")


def _folder_name(ref: str) -> str:
    """A folder for a REF: its first label, or the beginning of its id."""
    from joynet_sdk.formats import parse_ref

    parsed = parse_ref(ref)
    if parsed.name is not None:
        return parsed.name.partition(".")[0]
    assert parsed.model_id is not None, "a REF is a name or a model id"
    return "model-" + parsed.model_id.hex()[:12]
