"""`joynet model key`: content keys of sealed models. They are never printed."""

from pathlib import Path
from typing import Annotated, Any

import typer

from joynet_cli._output import out
from joynet_cli._session import open_joynet, password_for, stop_if_dry_run

app = typer.Typer(help="Keep the content keys of sealed models.", no_args_is_help=True)


@app.command("list")
def list_keys() -> None:
    """List the content keys in this home, by hash.

    Examples:
      joynet model key list
    """
    from joynet_cli._session import ctx
    from joynet_sdk.paths import Home
    from joynet_sdk.storage.content_keys import ContentKeys

    kept = list(ContentKeys(Home(ctx().home).content_keys))
    rows = [{"key_hash": key.key_hash, "published_here": bool(key.content)} for key in kept]

    def human(_: Any) -> None:
        cells = [[f"0x{k.key_hash.hex()}", "published" if k.content else "imported"] for k in kept]
        out.table(["key hash", "from"], cells)

    out.result(rows, human)


@app.command("export")
def export_key(
    ref: Annotated[str, typer.Argument(help="Name, manifest CID, or 0x model id.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="New file, locked by password.")],
) -> None:
    """Write a model's content key to a file that a password locks: a copy, or for a key holder.

    Without this key nobody can release it to buyers. Who has file and password can open the
    model. You may export the key of a model that you published or hold a valid licence of.

    Examples:
      joynet model key export minilm.joy -o minilm.key
    """
    from joynet_sdk.errors import InvalidInputError
    from joynet_sdk.paths import atomic_write
    from joynet_sdk.storage.manifest import load_manifest

    if output.exists():
        raise InvalidInputError(f"{output} exists", hint="choose another path with -o")
    with open_joynet("Exporting the key") as joynet:
        manifest = load_manifest(joynet.store, joynet.inference.resolve(ref))
        key = joynet.licenses.content_key(manifest)
        stop_if_dry_run(f"write the locked content key to {output}")
        document = joynet.content_keys.lock(key, password_for("the exported key", confirm=True))
        atomic_write(output, document)
    out.result({"path": str(output)}, lambda _: out.line(f"written: {output}, 0600, locked"))


@app.command("import")
def import_key(
    path: Annotated[Path, typer.Argument(help="A file of `key export`.", exists=True)],
) -> None:
    """Keep a content key that was exported elsewhere, under its password.

    Examples:
      joynet model key import minilm.key
    """
    from joynet_cli._session import ctx
    from joynet_sdk.paths import Home
    from joynet_sdk.storage.content_keys import ContentKeys

    stop_if_dry_run(f"keep the content key of {path}")
    keys = ContentKeys(Home(ctx().home).content_keys)
    kept = keys.add_exported(path, password_for("the exported key"))
    result = {"key_hash": kept.key_hash}
    out.result(result, lambda _: out.line(f"kept the key with hash 0x{kept.key_hash.hex()}"))
