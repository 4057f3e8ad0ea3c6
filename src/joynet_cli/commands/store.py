"""`joynet store`: content-addressed blocks on this machine."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from joynet_cli._output import out
from joynet_cli._session import ctx, stop_if_dry_run

if TYPE_CHECKING:
    from joynet_sdk.formats import Cid
    from joynet_sdk.storage.blocks import DiskBlockStore
    from joynet_sdk.storage.exporter import Info

app = typer.Typer(help="Add, read, pin and collect content by CID.", no_args_is_help=True)
pin_app = typer.Typer(help="Keep content when `store gc` runs.", no_args_is_help=True)
app.add_typer(pin_app, name="pin")

CidArg = Annotated[str, typer.Argument(metavar="CID", help="CIDv1, e.g. bafy... or bafk...")]
CidPathArg = Annotated[
    str, typer.Argument(metavar="CID[/PATH]", help="CIDv1, and a path below it.")
]


@contextmanager
def _open_store() -> "Iterator[DiskBlockStore]":
    from joynet_sdk.paths import Home
    from joynet_sdk.storage.blocks import DiskBlockStore

    context = ctx()
    quota = int(context.settings.storage.quota_gb * 10**9)
    with DiskBlockStore(Home(context.home).store, quota_bytes=quota) as store:
        yield store


def _find(store: "DiskBlockStore", text: str) -> "Cid":
    """The CID that `CID` or `CID/a/b` names."""
    from joynet_sdk.formats import decode_cid
    from joynet_sdk.storage.exporter import resolve

    root, _, path = text.removeprefix("/ipfs/").partition("/")
    return resolve(store, decode_cid(root), path)


@app.command()
def add(
    path: Annotated[Path, typer.Argument(help="File or folder.")],
    import_profile: Annotated[
        str,
        typer.Option("--import-profile", help="unixfs-v1-2025, or classic (Kubo's old defaults)."),
    ] = "unixfs-v1-2025",
    pin: Annotated[bool, typer.Option("--pin/--no-pin", help="Keep it when gc runs.")] = True,
    name: Annotated[str, typer.Option("--name", help="A name for the pin.")] = "",
    hidden: Annotated[
        bool, typer.Option("--hidden", help="Take files that start with a dot too.")
    ] = False,
) -> None:
    """Store a file or folder and print its CID; with --dry-run, only compute it.

    Examples:
      joynet store add model.safetensors
      joynet store add ./site --import-profile classic --no-pin
      joynet store add ./site --dry-run
    """
    from joynet_sdk.storage import pins
    from joynet_sdk.storage.importer import HashOnly, import_path
    from joynet_sdk.storage.profiles import profile_named

    chosen = profile_named(import_profile)
    with out.progress(f"Importing {path.name}", total=_total_bytes(path)) as bar:

        def advance(data: bytes) -> None:
            bar.advance(len(data))

        if ctx().dry_run:
            node = import_path(path, HashOnly(), chosen, hidden=hidden, on_bytes=advance)
        else:
            with _open_store() as store, store.adding():
                with store.batch() as batch:
                    node = import_path(path, batch, chosen, hidden=hidden, on_bytes=advance)
                if pin:
                    bar.stage("Pinning")
                    pins.pin(store, node.cid, name or path.absolute().name[:255])
    stored = not ctx().dry_run
    result = {
        "cid": str(node.cid),
        "bytes": node.size,
        "profile": chosen.name,
        "pinned": pin and stored,
        "stored": stored,
    }
    out.result(result, lambda _: out.line(str(node.cid)))


def _total_bytes(path: Path) -> int:
    """Bytes below `path`, for the progress bar; the import itself reports what it cannot read."""
    if path.is_dir():
        return sum(child.lstat().st_size for child in path.rglob("*") if child.is_file())
    return path.lstat().st_size if path.exists() else 0


@app.command()
def get(
    cid: CidPathArg,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="New file or folder; default: the name.")
    ] = None,
) -> None:
    """Write a stored file or folder to disk; it appears whole or not at all.

    Examples:
      joynet store get bafy... -o model
      joynet store get bafy.../config.json -o config.json
    """
    from joynet_sdk.storage.exporter import export, info

    target = output or Path(cid.rstrip("/").rpartition("/")[2])
    with _open_store() as store:
        root = _find(store, cid)
        what = info(store, root)
        size = None if what.is_directory else what.size
        stop_if_dry_run(f"write {target}")
        with out.progress(f"Writing {target.name}", total=size) as bar:
            done = export(store, root, target, on_bytes=lambda data: bar.advance(len(data)))
    out.result(done, lambda _: out.line(f"{done.path}: {done.files:,} files, {_size(done.bytes)}"))


@app.command()
def cat(
    cid: CidPathArg,
    offset: Annotated[int, typer.Option("--offset", min=0, help="First byte.")] = 0,
    length: Annotated[
        int | None, typer.Option("--length", min=0, help="How many bytes at most.")
    ] = None,
) -> None:
    """Write a stored file's bytes, or a range of them, to stdout.

    Examples:
      joynet store cat bafy.../README.md
      joynet store cat bafk... --offset 1000 --length 200 > part.bin
    """
    from joynet_cli._errors import UsageError
    from joynet_sdk.storage.exporter import read_file

    if ctx().json:
        raise UsageError("cat writes raw bytes, expected no --json", hint="drop --json")
    with _open_store() as store:
        for piece in read_file(store, _find(store, cid), offset, length):
            out.stdout_bytes(piece)


@app.command("ls")
def list_entries(cid: CidPathArg) -> None:
    """List the entries of a stored folder.

    Examples:
      joynet store ls bafy...
      joynet store ls bafy.../onnx --json
    """
    from joynet_sdk.storage.exporter import info, list_directory

    with _open_store() as store:
        entries = [
            {"name": child.name, "cid": str(child.cid), **_describe(info(store, child.cid))}
            for child in list_directory(store, _find(store, cid))
        ]
    rows = [[entry["cid"], entry["bytes"], entry["name"]] for entry in entries]
    out.result(entries, lambda _: out.table(["cid", "bytes", "name"], rows))


def _describe(what: "Info") -> dict[str, object]:
    return {
        "type": "folder" if what.is_directory else "file",
        "bytes": None if what.is_directory else what.size,
    }


@pin_app.command("add")
def pin_add(
    cid: CidArg, name: Annotated[str, typer.Option("--name", help="A name for people.")] = ""
) -> None:
    """Keep content that is stored completely.

    Examples:
      joynet store pin add bafy... --name digits
    """
    from joynet_sdk.formats import decode_cid
    from joynet_sdk.storage import pins

    stop_if_dry_run(f"pin {decode_cid(cid)}")
    with _open_store() as store:
        pin = pins.pin(store, decode_cid(cid), name)
    out.result(pin, lambda _: out.line(f"pinned {pin.cid}"))


@pin_app.command("rm")
def pin_remove(cid: CidArg) -> None:
    """Stop keeping content; `store gc` removes it later.

    Examples:
      joynet store pin rm bafy...
    """
    from joynet_sdk.formats import decode_cid
    from joynet_sdk.storage import pins

    stop_if_dry_run(f"unpin {decode_cid(cid)}")
    with _open_store() as store:
        pins.unpin(store, decode_cid(cid))
    out.result({"cid": cid, "pinned": False}, lambda _: out.line(f"unpinned {cid}"))


@pin_app.command("ls")
def pin_list() -> None:
    """List pins, oldest first.

    Examples:
      joynet store pin ls
    """
    from joynet_sdk.storage import pins

    with _open_store() as store:
        found = pins.list_pins(store)
    rows = [[pin.cid, pin.name] for pin in found]
    out.result(found, lambda _: out.table(["cid", "name"], rows))


@app.command("rm")
def remove(cid: CidArg) -> None:
    """Remove one unpinned DAG's blocks, except those that a pin needs.

    Examples:
      joynet store rm bafy...
      joynet store rm bafy... --dry-run
    """
    from joynet_sdk.formats import decode_cid
    from joynet_sdk.storage import pins

    with _open_store() as store:
        done = pins.remove(store, decode_cid(cid), dry_run=ctx().dry_run)
    out.result(done, lambda _: _print_collected(done))


@app.command()
def gc() -> None:
    """Remove every block that no pin needs.

    Examples:
      joynet store gc
      joynet store gc --dry-run
    """
    from joynet_sdk.storage import pins

    with _open_store() as store, out.progress("Collecting"):
        done = pins.collect(store, dry_run=ctx().dry_run)
    out.result(done, lambda _: _print_collected(done))


def _print_collected(done: tuple[int, int, int]) -> None:
    verb = "would remove" if ctx().dry_run else "removed"
    out.line(f"{verb} {done[0]:,} blocks, {_size(done[1])}")


@app.command()
def stat() -> None:
    """Say how much is stored, and how much may be.

    Examples:
      joynet store stat --json
    """
    with _open_store() as store:
        stat = store.stat()
    limit = "" if stat.quota_bytes is None else f" of {_size(stat.quota_bytes)}"
    text = f"{stat.blocks:,} blocks, {_size(stat.bytes)}{limit}, {stat.pins:,} pins: {stat.path}"
    out.result(stat, lambda _: out.line(text))


def _size(count: int) -> str:
    for power, unit in ((9, "GB"), (6, "MB"), (3, "kB")):
        if count >= 10**power:
            return f"{count / 10**power:.3g} {unit}"
    return f"{count} bytes"
