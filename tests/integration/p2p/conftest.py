"""Hosts on loopback, and a way to run a scenario under a deadline."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import pytest

from joynet_sdk.formats import Cid
from joynet_sdk.p2p.host import LOOPBACK, P2PHost
from joynet_sdk.p2p.identity import Identity
from joynet_sdk.p2p.limits import Limits

DEADLINE_S = 90.0  # conditions are met in a second or two unless the machine is busy


class Stage:
    """Starts hosts and stops them all at the end."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack

    async def host(self, limits: Limits | None = None, **options) -> P2PHost:
        host = P2PHost(Identity.generate().private_key, [LOOPBACK], limits=limits, **options)
        return await self._stack.enter_async_context(host)

    async def pair(self, limits: Limits | None = None) -> tuple[P2PHost, P2PHost]:
        """A client connected to a server that has `limits`."""
        client, server = await self.host(), await self.host(limits)
        await client.connect(server.addrs[0])
        return client, server


@pytest.fixture
def play() -> Callable[[Callable[[Stage], Awaitable[None]]], None]:
    """Run `async def scenario(stage)` to its end, or fail after DEADLINE_S."""

    def run(scenario: Callable[[Stage], Awaitable[None]]) -> None:
        async def main() -> None:
            async with asyncio.timeout(DEADLINE_S), AsyncExitStack() as stack:
                await scenario(Stage(stack))

        asyncio.run(main())

    return run


@pytest.fixture
def until() -> Callable[..., Awaitable[None]]:
    """`await until(condition)`: poll an async or plain condition until it holds."""

    async def wait(condition: Callable[[], object], within_s: float = 30.0) -> None:
        async with asyncio.timeout(within_s):
            while True:
                value = condition()
                if asyncio.iscoroutine(value):
                    value = await value
                if value:
                    return
                await asyncio.sleep(0.01)

    return wait


class MemoryStore:
    """A block store that counts."""

    def __init__(self) -> None:
        self.blocks: dict[Cid, bytes] = {}
        self.puts = 0

    def get(self, cid: Cid) -> bytes | None:
        return self.blocks.get(cid)

    def put(self, cid: Cid, data: bytes) -> None:
        self.puts += 1
        self.blocks[cid] = data

    def has(self, cid: Cid) -> bool:
        return cid in self.blocks


@pytest.fixture
def new_store() -> type[MemoryStore]:
    return MemoryStore
