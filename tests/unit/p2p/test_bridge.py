"""The trio thread behind asyncio: results, cancellation both ways, crashes, the end."""

import asyncio
import threading

import pytest
import trio

from joynet_sdk.p2p.bridge import BridgeClosedError, TrioBridge


async def idle(ready) -> None:
    ready()
    await trio.sleep_forever()


def play(scenario, main=idle) -> None:
    async def run() -> None:
        bridge = TrioBridge(main, "test-trio")
        try:
            async with asyncio.timeout(10):
                await bridge.start()
                await scenario(bridge)
        finally:
            await bridge.close()
        assert "test-trio" not in [thread.name for thread in threading.enumerate()]

    asyncio.run(run())


def test_calls_return_and_raise():
    async def scenario(bridge):
        async def add(a: int, b: int) -> int:
            await trio.lowlevel.checkpoint()
            return a + b

        async def fail() -> None:
            raise KeyError("why")

        assert await bridge.call(add, 2, 3) == 5
        with pytest.raises(KeyError, match="why"):
            await bridge.call(fail)
        assert bridge.is_running

    play(scenario)


def test_cancelling_asyncio_cancels_trio():
    async def scenario(bridge):
        entered, cancelled = asyncio.Event(), threading.Event()
        loop = asyncio.get_running_loop()

        async def wait() -> None:
            loop.call_soon_threadsafe(entered.set)
            try:
                await trio.sleep_forever()
            finally:
                cancelled.set()

        task = asyncio.create_task(bridge.call(wait))
        await entered.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.to_thread(cancelled.wait, 5)
        assert bridge.is_running

    play(scenario)


def test_cancelling_trio_cancels_asyncio():
    async def scenario(bridge):
        entered, cancelled = asyncio.Event(), asyncio.Event()

        async def on_asyncio() -> None:
            entered.set()
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()

        async def on_trio() -> str:
            with trio.move_on_after(0.05):
                await bridge.call_asyncio(on_asyncio)
            return "moved on"

        assert await bridge.call(on_trio) == "moved on"
        await cancelled.wait()

    play(scenario)


def test_asyncio_results_and_errors_reach_trio():
    async def scenario(bridge):
        async def double(x: int) -> int:
            await asyncio.sleep(0)
            return 2 * x

        async def fail(_: int) -> int:
            raise ValueError("no")

        async def both() -> int:
            with pytest.raises(ValueError, match="no"):
                await bridge.call_asyncio(fail, 1)
            return await bridge.call_asyncio(double, 21)

        assert await bridge.call(both) == 42

    play(scenario)


def test_crash_fails_pending_and_later_calls():
    async def scenario(bridge):
        entered = asyncio.Event()
        loop = asyncio.get_running_loop()

        async def wait() -> None:
            loop.call_soon_threadsafe(entered.set)
            await trio.sleep_forever()

        async def crash() -> None:
            raise ZeroDivisionError

        async def start_crash() -> None:
            bridge.start_soon(crash)

        pending = asyncio.create_task(bridge.call(wait))
        await entered.wait()
        await asyncio.gather(bridge.call(start_crash), return_exceptions=True)
        with pytest.raises(BridgeClosedError, match="crashed: ZeroDivisionError"):
            await pending
        assert isinstance(bridge.failure, ZeroDivisionError)
        assert not bridge.is_running
        with pytest.raises(BridgeClosedError) as caught:
            await bridge.call(wait)
        assert isinstance(caught.value.__cause__, ZeroDivisionError)

    play(scenario)


def test_error_before_ready_is_raised_by_start():
    async def main(_ready) -> None:
        raise LookupError("no address")

    async def run() -> None:
        with pytest.raises(LookupError, match="no address"):
            await TrioBridge(main, "test-trio").start()

    asyncio.run(run())


def test_end_before_ready_is_an_error():
    async def main(_ready) -> None:
        return

    async def run() -> None:
        with pytest.raises(BridgeClosedError):
            await TrioBridge(main, "test-trio").start()

    asyncio.run(run())


def test_close_is_idempotent_and_fails_pending():
    async def scenario(bridge):
        pending = asyncio.create_task(bridge.call(trio.sleep_forever))
        await asyncio.sleep(0)
        await asyncio.gather(bridge.close(), bridge.close())
        await bridge.close()
        with pytest.raises(BridgeClosedError):
            await pending
        with pytest.raises(BridgeClosedError):
            await bridge.call(trio.sleep, 0)
        with pytest.raises(BridgeClosedError):
            await bridge.start()

    play(scenario)


def test_close_before_start():
    asyncio.run(TrioBridge(idle, "test-trio").close())


def test_many_calls_at_once():
    async def scenario(bridge):
        async def echo(n: int) -> int:
            await trio.sleep(0.001)
            return n

        assert await asyncio.gather(*(bridge.call(echo, n) for n in range(300))) == [*range(300)]

    play(scenario)
