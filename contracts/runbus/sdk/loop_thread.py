"""A loop in a thread of its own, so that programs without one, and notebooks with one, can wait.

Nothing is started before the first call. Ctrl-C ends the waiting, never what is waited for on the
bus.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")

# Of an iteration: how far its source may run ahead of whoever reads it.
AHEAD_MAX = 256
STOP_TIMEOUT_S = 3.0


class LoopThread:
    """One loop, kept running in a daemon thread. A forked child gets a new one."""

    def __init__(self) -> None:
        self._starting = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._pid = 0

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Carry out a coroutine on the loop and return what it returns.

        Raises:
            RuntimeError: called on the loop's own thread, where it could never end.

        """
        loop = self._running()
        if threading.current_thread() is self._thread:
            work.close()
            message = "this would wait for itself: await the async session here"
            raise RuntimeError(message)
        future = asyncio.run_coroutine_threadsafe(work, loop)
        try:
            return future.result()
        except BaseException:  # Ctrl-C above all: nobody waits for it any longer
            future.cancel()
            raise

    def items(self, source: AsyncIterator[T]) -> Iterator[T]:
        """Yield what an async iterator yields; it runs in one task, which ends with the reading."""
        loop = self._running()
        arrived: asyncio.Queue[T | _End] = asyncio.Queue()
        room = asyncio.Semaphore(AHEAD_MAX)
        pump: Future[None] = asyncio.run_coroutine_threadsafe(_pumped(source, arrived, room), loop)
        try:
            while True:
                item = self.call(arrived.get())
                if isinstance(item, _End):
                    pump.result()
                    return
                loop.call_soon_threadsafe(room.release)
                yield item
        finally:
            pump.cancel()

    def stop(self) -> None:
        """End the loop and its thread; the next call would start new ones."""
        with self._starting:
            loop, thread, self._loop = self._loop, self._thread, None
        if loop is None or thread is None or self._pid != os.getpid():
            return
        loop.call_soon_threadsafe(loop.stop)
        thread.join(STOP_TIMEOUT_S)

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._starting:
            if self._loop is None or self._pid != os.getpid():
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=_run, args=(self._loop,), name="runbus-sdk", daemon=True
                )
                self._pid = os.getpid()
                self._thread.start()
                atexit.register(self.stop)
            return self._loop


class _End:
    """The last thing that comes of a source."""


async def _pumped(
    source: AsyncIterator[T], arrived: asyncio.Queue[T | _End], room: asyncio.Semaphore
) -> None:
    try:
        async for item in source:
            await room.acquire()
            arrived.put_nowait(item)
    finally:
        arrived.put_nowait(_End())


def _run(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()
