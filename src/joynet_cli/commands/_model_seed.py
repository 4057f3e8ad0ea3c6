"""`joynet model seed`: hand models out until nodes have them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from joynet_cli._output import out
from joynet_cli._session import open_joynet, stop_if_dry_run

if TYPE_CHECKING:
    from joynet_sdk.client import JoyNet
    from joynet_sdk.seeding import Holders
    from joynet_sdk.types import ModelId


def register(app: typer.Typer) -> None:
    """Add this verb to `joynet model`."""
    app.command()(seed)


def seed(
    refs: Annotated[
        list[str], typer.Argument(help="Models stored here: names, manifest CIDs, or 0x ids.")
    ],
    copies: Annotated[
        int | None,
        typer.Option("--copies", min=1, help="End when so many nodes have them [never]."),
    ] = None,
) -> None:
    """Stay connected to the nodes that offer models of yours, so that they fetch them from here.

    A node counts once a peer with an empty store could read the model from it alone. Runs until
    Ctrl-C, for the seconds of --timeout, or until --copies nodes have each model.

    Examples:
      joynet model seed minilm.joy
      joynet model seed minilm.joy digits.joy --copies 2
    """
    with open_joynet("Seeding") as joynet:
        model_ids = [joynet.inference.resolve(ref) for ref in refs]
        stop_if_dry_run(f"seed {', '.join(refs)}")
        found = until_held(joynet, model_ids, copies)

    def human(_: dict[str, Any]) -> None:
        for each in found:
            nodes = ", ".join(str(node) for node in sorted(each.found_at))
            out.line(f"0x{each.model_id.hex()} is at node {nodes or '- (none yet)'}")

    out.result({"models": [_document(each) for each in found]}, human)


def until_held(
    joynet: "JoyNet", model_ids: Sequence["ModelId"], copies: int | None
) -> "list[Holders]":
    """Seed, and tell who asks for what; see `joynet_sdk.seeding.seed`.

    Raises:
        UnavailableError: Fewer than `copies` nodes had it when --timeout was over.
    """
    from joynet_cli._session import ctx
    from joynet_sdk.errors import UnavailableError
    from joynet_sdk.seeding import Holders
    from joynet_sdk.seeding import seed as seed_models

    found = {model_id: Holders(model_id) for model_id in model_ids}

    def heard(holders: Holders) -> None:
        found[holders.model_id] = holders
        _tell(holders)

    async def work() -> list[Holders]:
        import asyncio

        try:
            async with asyncio.timeout(ctx().timeout_s):
                return await seed_models(joynet, list(found), copies=copies, on_change=heard)
        except TimeoutError:
            if copies is None:
                return list(found.values())
            fewest = min(len(each.found_at) for each in found.values())
            raise UnavailableError(
                f"{fewest} nodes had it within {ctx().timeout_s:g} s, expected {copies}",
                hint="a node fetches what it offers: joynet node offer REF; then joynet model seed",
            ) from None

    out.note("handing out to nodes that offer it; Ctrl-C ends it")
    return joynet.wait(work())


def _tell(holders: "Holders") -> None:
    model = f"0x{holders.model_id.hex()[:8]}.."
    out.note(
        f"{model}: offered by {len(holders.offered_by)} reachable nodes, "
        f"held by {len(holders.found_at)}"
    )


def _document(holders: "Holders") -> dict[str, Any]:
    return {
        "model_id": "0x" + holders.model_id.hex(),
        "offered_by": sorted(holders.offered_by),
        "held_by": sorted(holders.found_at),
    }
