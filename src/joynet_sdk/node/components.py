"""Gathering what a composition is made of: every model it names, of all levels, within bounds."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol

from joynet_sdk.compositions.document import Composition
from joynet_sdk.compositions.nesting import Nesting, is_composition, read_composition
from joynet_sdk.compositions.parts import Part
from joynet_sdk.errors import AuthError
from joynet_sdk.formats import Manifest
from joynet_sdk.ports import Chain
from joynet_sdk.types import ModelId


class Fetcher(Protocol):
    """How a model gets here; the shelf's own steps in use, so that sealed models are opened."""

    async def manifest(self, model_id: ModelId) -> Manifest:
        """Fetch and check a manifest."""
        ...

    async def materialise(self, manifest: Manifest) -> Path:
        """Fetch and verify a model's files; returns their folder."""
        ...


MayUse = Callable[[ModelId], Awaitable[object]]


async def gather(
    manifest: Manifest, folder: Path, fetch: Fetcher, may_use: MayUse, nesting: Nesting
) -> tuple[Part, ...]:
    """Every model that a composition needs, each once; () for a single model.

    Args:
        folder: Where the composition's own files lie.
        may_use: Raises where this node may not run a component.
        nesting: Bounds, used up as models are met.

    Raises:
        InvalidInputError: A document that does not fit together, or a bound is passed.
        AuthError: A component needs a licence that is not held.
    """
    nesting.enter(manifest, ())
    gathered: list[Part] = []
    waiting: list[tuple[Part, tuple[bytes, ...]]] = []
    if is_composition(manifest):
        waiting.append((Part(manifest, folder), ()))
    while waiting:
        part, path = waiting.pop()
        document = await asyncio.to_thread(read_composition, part.folder)
        path = (*path, part.manifest.model_id)
        for found in await _components(document, path, fetch, may_use, nesting):
            gathered.append(found)
            if is_composition(found.manifest):
                waiting.append((found, path))
    return tuple(gathered)


async def _components(
    document: Composition,
    path: tuple[bytes, ...],
    fetch: Fetcher,
    may_use: MayUse,
    nesting: Nesting,
) -> list[Part]:
    """The components of one level that were not met before; bounds are checked before files."""
    found = []
    for component in document.components:
        await may_use(component.model_id)
        manifest = await fetch.manifest(component.model_id)
        if nesting.enter(manifest, path):
            found.append(Part(manifest, await fetch.materialise(manifest)))
    return found


async def check_licence(chain: Chain, node_id: int, model_id: ModelId) -> None:
    """Refuse a model whose publisher asks nodes for a licence that this one does not hold.

    Raises:
        AuthError: Neither its vault nor its operator has one that is valid now.
    """
    licenses = chain.contract("ModelLicenses")
    node = await asyncio.to_thread(chain.contract("NodeCoordinator").call, "node", node_id)
    vault, operator = node["vault"], node["operator"]
    if not await asyncio.to_thread(licenses.call, "may_serve", model_id, vault, operator):
        name = "0x" + model_id.hex()
        raise AuthError(
            f"model {name} may be served only with a licence",
            hint=f"joynet model buy {name} --for-node",
        )
