"""`joynet domain records`: what a name means, record by record or as a file."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from joynet_cli._output import out
from joynet_cli._session import ctx, open_joynet, stop_if_dry_run

if TYPE_CHECKING:
    from joynet_sdk.domains import Record, Records
    from joynet_sdk.domains.recordbook import Plan
    from joynet_sdk.domains.zone import Zone

app = typer.Typer(help="Read, set and plan the records of a name.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Full name, e.g. alice.joy.")]
ZoneFile = Annotated[Path, typer.Argument(help="YAML file; - reads stdin.")]


@app.command()
def show(
    name: Name,
    as_zone: Annotated[
        bool, typer.Option("--zone", help="As a zone file, to edit and apply.")
    ] = False,
) -> None:
    """Show every record of a name.

    Examples:
      joynet domain records show alice.joy
      joynet domain records show alice.joy --zone > zone.yaml
    """
    from joynet_sdk.domains.zone import dump_zone

    with open_joynet() as joynet:
        records = joynet.domains.records.show(name)
        normal = joynet.domains.registry.normalise(name)
    zone = dump_zone(normal, records)
    if as_zone:
        out.result({"zone": zone}, lambda _: out.line(zone.rstrip("\n")))
    else:
        _print(normal, records)


@app.command("set")
def set_records(
    name: Name,
    assignments: Annotated[
        list[str], typer.Argument(help="KEY=VALUE; an empty value deletes the record.")
    ],
) -> None:
    """Set records of a name of yours, all in one transaction.

    Keys: address, addr.btc, addr.evm:10, contenthash, pubkey, model, payto, wildcard; every other
    word is a text record, such as url, endpoint or rpc.

    Examples:
      joynet domain records set alice.joy url=https://example.org addr.btc=bc1q... rpc=
      joynet domain records set alice.joy contenthash=ipfs://bafy... wildcard=yes
    """
    from joynet_sdk.domains.records import parse_assignment

    records = [parse_assignment(text) for text in assignments]
    with open_joynet(f"Setting records of {name}") as joynet:
        found = joynet.domains.records.set(name, records)
        after = joynet.domains.records.show(name)
    _print(found.name, after)


@app.command()
def clear(name: Name) -> None:
    """Delete all records of a name of yours at once.

    Examples:
      joynet domain records clear alice.joy --yes
    """
    with open_joynet(f"Clearing {name}") as joynet:
        joynet.domains.check_mine(name)
        if not ctx().dry_run:
            out.confirm(f"Delete all records of {name}?")
        found = joynet.domains.records.clear(name)
    _print(found.name, [])


@app.command()
def plan(name: Name, zone: ZoneFile) -> None:
    """Show what a zone file would change.

    Examples:
      joynet domain records plan alice.joy zone.yaml
    """
    wanted = read_zone(zone)
    with open_joynet() as joynet:
        result = joynet.domains.records.plan(name, wanted)
    out.result(_described_plan(result), lambda _: _print_plan(result))


@app.command()
def apply(name: Name, zone: ZoneFile) -> None:
    """Bring a name's records to what a zone file says; others are deleted.

    Examples:
      joynet domain records apply alice.joy zone.yaml
      joynet domain records apply alice.joy zone.yaml --dry-run
    """
    wanted = read_zone(zone)
    with open_joynet(f"Applying {zone}") as joynet:
        result = joynet.domains.records.plan(name, wanted)
        if not result.calls:
            stop_if_dry_run("change nothing", **_described_plan(result))
        for line in _plan_lines(result):
            out.note(line)
        after = joynet.domains.records.apply(result)
    document = {**_described_plan(result), "records": {r.key: r.value for r in after}}
    changes = len(result.changes)
    out.result(document, lambda _: out.line(f"{result.name}: {changes} records changed"))


def read_zone(path: Path) -> "Zone":
    """A zone file, or stdin for "-"."""
    import sys

    from joynet_sdk.domains.zone import parse_zone

    return parse_zone(sys.stdin.read() if str(path) == "-" else path.read_text("utf-8"))


def described(records: "Records") -> dict[str, Any]:
    """What a name means, as a command prints it."""
    from joynet_sdk.formats import model_cid

    cid = model_cid(bytes.fromhex(records.model[2:])) if records.model else None
    return {
        "name": records.name,
        "owner": records.owner,
        "address": records.address,
        "model": records.model,
        "model_cid": cid,
        "endpoint": records.endpoint,
        "rpc": records.rpc,
        "payto": records.payto,
        "contenthash": records.contenthash,
        "source": records.source,
    }


def _print(name: str, records: "list[Record]") -> None:
    def human(_: object) -> None:
        out.table(["record", "value"], [[record.key, record.value] for record in records])

    document = {"name": name, "records": {record.key: record.value for record in records}}
    out.result(document, human)


def _described_plan(plan: "Plan") -> dict[str, Any]:
    return {
        "name": plan.name,
        "changes": [
            {"record": each.key, "before": each.before or None, "after": each.after or None}
            for each in plan.changes
        ],
        "clears_first": plan.is_cleared,
        "sets_resolver": plan.needs_resolver,
        "transactions": -(-plan.calls // 16) + plan.needs_resolver,
    }


def _plan_lines(plan: "Plan") -> list[str]:
    lines = [str(change) for change in plan.changes]
    if plan.needs_resolver:
        lines.insert(0, "! the name gets the JoyNet resolver")
    if plan.is_cleared:
        lines.append("(all records are cleared first: fewer calls)")
    return lines


def _print_plan(plan: "Plan") -> None:
    if not plan.changes:
        out.line(f"{plan.name} is as the file says")
    for line in _plan_lines(plan):
        out.line(line)
