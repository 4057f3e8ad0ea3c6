"""One trio thread, driven from asyncio.

Exactly one `trio.run` per bridge, in its own thread. A call is an asyncio future fed by a trio
task; cancelling either side cancels the other. A crash of the trio side fails every pending call.
"""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Awaitable, Callable
from typing import Any, Self, TypeVar

import trio

from joynet_sdk.errors import UnavailableError

T = TypeVar("T")
log = logging.getLogger(__name__)

CLOSE_TIMEOUT_S = 10.0


class BridgeClosedError(UnavailableError):
    """The libp2p thread is not running: never started, stopped, or crashed (see __cause__)."""


class TrioBridge:
    """Runs `main` in a trio thread.

    Args:
        main: Async function of (ready); calls `ready()` once usable and then runs until it is
            cancelled. Its exceptions end the bridge.
        name: Thread name.

    Attributes:
        failure: What ended the trio side, or None.
    """

    def __init__(self, main: Callable[[Callable[[], None]], Awaitable[None]], name: str) -> None:
        self._main, self._name = main, name
        self._thread: threading.Thread | None = None
        self._token: trio.lowlevel.TrioToken | None = None
        self._nursery: trio.Nursery | None = None
        self._pending: set[asyncio.Future[Any]] = set()
        self._closing = False
        self.failure: BaseException | None = None

    # --- asyncio side -------------------------------------------------------------------------

    async def start(self) -> Self:
        """Start the thread and wait until `main` is ready.

        Raises:
            Exception: Whatever `main` raised before it was ready.
        """
        if self._thread is not None:
            raise BridgeClosedError("this bridge was already started once")
        self._loop = asyncio.get_running_loop()
        self._ready: asyncio.Future[None] = self._loop.create_future()
        self._done = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        self._thread.start()
        try:
            await self._ready
        except BaseException:
            await self.close()
            raise
        return self

    async def call(self, function: Callable[..., Awaitable[T]], *args: Any) -> T:
        """Await `function(*args)` in the trio thread; cancelling this cancels it there.

        Raises:
            BridgeClosedError: The trio side is not running, or ended before the answer.
        """
        if self._closing or self._nursery is None or self._token is None:
            raise self._closed_error()
        future: asyncio.Future[T] = self._loop.create_future()
        scope = trio.CancelScope()
        self._pending.add(future)
        try:
            self._token.run_sync_soon(self._spawn, function, args, scope, future)
            return await future
        except trio.RunFinishedError:
            raise self._closed_error() from None
        except asyncio.CancelledError:
            with contextlib.suppress(trio.RunFinishedError):
                self._token.run_sync_soon(scope.cancel)
            raise
        finally:
            self._pending.discard(future)

    async def close(self) -> None:
        """Stop the trio side, join its thread and fail what is pending. May be called again."""
        self._closing = True
        if self._thread is None:
            return
        self._cancel_trio()
        try:
            await asyncio.wait_for(self._done.wait(), CLOSE_TIMEOUT_S)
        except TimeoutError:
            log.error("thread %s did not stop within %.0f s", self._name, CLOSE_TIMEOUT_S)
            self._fail_pending()
        else:
            await asyncio.to_thread(self._thread.join)

    @property
    def is_running(self) -> bool:
        """True from ready until the trio side ends."""
        return not self._closing and self._nursery is not None and self.failure is None

    # --- trio side ----------------------------------------------------------------------------

    async def call_asyncio(self, function: Callable[..., Awaitable[T]], *args: Any) -> T:
        """Await `function(*args)` on the asyncio loop; cancelling this trio task cancels it there.

        Raises:
            BridgeClosedError: The asyncio side cancelled it or is gone.
        """
        finished = trio.Event()
        token = trio.lowlevel.current_trio_token()
        tasks: list[asyncio.Task[T]] = []

        def on_done(_task: asyncio.Task[T]) -> None:
            with contextlib.suppress(trio.RunFinishedError):
                token.run_sync_soon(finished.set)

        async def run() -> T:
            return await function(*args)

        def start() -> None:
            tasks.append(self._loop.create_task(run()))
            tasks[0].add_done_callback(on_done)

        if not self._post(start):
            raise self._closed_error()
        try:
            await finished.wait()
        except trio.Cancelled:
            self._post(lambda: tasks[0].cancel())
            raise
        if tasks[0].cancelled():
            raise BridgeClosedError("the asyncio side cancelled the call")
        return tasks[0].result()

    def start_soon(self, function: Callable[..., Awaitable[Any]], *args: Any) -> None:
        """Run a background task in the trio thread (call from the trio thread only)."""
        if self._nursery is None:
            raise self._closed_error()
        self._nursery.start_soon(function, *args)

    def _spawn(
        self,
        function: Callable[..., Awaitable[T]],
        args: tuple[Any, ...],
        scope: trio.CancelScope,
        future: "asyncio.Future[T]",
    ) -> None:
        if self._nursery is not None:  # else the run is over and `_finish` fails the future
            self._nursery.start_soon(self._task, function, args, scope, future)

    async def _task(
        self,
        function: Callable[..., Awaitable[T]],
        args: tuple[Any, ...],
        scope: trio.CancelScope,
        future: "asyncio.Future[T]",
    ) -> None:
        result: list[T] = []
        error: BaseException | None = None
        try:
            with scope:
                result.append(await function(*args))
        except Exception as raised:  # noqa: BLE001  # handed to the caller, whose call it is
            error = raised
        if not result and error is None:
            error = self._closed_error()
        self._post(_settle, future, result, error)

    def _run(self) -> None:
        try:
            trio.run(self._root)
        except BaseException as error:  # noqa: BLE001  # a thread has nobody to raise to
            while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
                error = error.exceptions[0]  # the nurseries' wrapping
            self.failure = error
            if self._ready.done() and not self._closing:  # else `start` raises it
                log.error("thread %s crashed: %r", self._name, error)
        finally:
            self._nursery = None
            self._post(self._finish)

    async def _root(self) -> None:
        def ready() -> None:
            self._post(self._become_ready)

        self._token = trio.lowlevel.current_trio_token()
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            if self._closing:
                nursery.cancel_scope.cancel()
            await self._main(ready)
            nursery.cancel_scope.cancel()

    def _cancel_trio(self) -> None:
        def cancel() -> None:
            if self._nursery is not None:
                self._nursery.cancel_scope.cancel()

        if self._token is not None:
            with contextlib.suppress(trio.RunFinishedError):
                self._token.run_sync_soon(cancel)

    def _post(self, function: Callable[..., object], *args: Any) -> bool:
        """Run on the asyncio loop; False when that loop is closed."""
        try:
            self._loop.call_soon_threadsafe(function, *args)
        except RuntimeError:
            return False
        return True

    def _become_ready(self) -> None:
        if not self._ready.done():
            self._ready.set_result(None)

    def _finish(self) -> None:
        if not self._ready.done():
            self._ready.set_exception(self.failure or self._closed_error())
        self._fail_pending()
        self._done.set()

    def _fail_pending(self) -> None:
        for future in self._pending:
            _settle(future, [], self._closed_error())

    def _closed_error(self) -> BridgeClosedError:
        reason = f"crashed: {self.failure!r}" if self.failure else "is not running"
        error = BridgeClosedError(f"the libp2p thread {self._name} {reason}", hint="start it again")
        error.__cause__ = self.failure
        return error


def _settle(future: "asyncio.Future[T]", result: list[T], error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(result[0])
    else:
        future.set_exception(error)
