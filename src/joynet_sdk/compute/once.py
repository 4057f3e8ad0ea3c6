"""One request to one model, in a worker process that ends with it."""

import asyncio
from collections.abc import Sequence

from joynet_sdk.compute.engine import Part
from joynet_sdk.compute.workers import Workers


def run_once(model: Part, parts: Sequence[Part], data: bytes) -> bytes:
    """Load a model, ask it once, unload it.

    Args:
        parts: Every model that a composition is made of.

    Raises:
        InvalidInputError: The model refuses this input.
        EngineError: It could not load, crashed, or took too long.
    """

    async def run() -> bytes:
        workers = Workers()
        try:
            return await workers.run(model.manifest, model.folder, data, parts)
        finally:
            await workers.close()

    return asyncio.run(run())
