"""An event loop whose clock jumps: nothing ever waits, and the same seed gives the same order.

When nothing is ready, time becomes that of the next timer. No I/O: who asks for a socket, a thread
or a signal gets NotImplementedError from asyncio's own base class. When nothing is left to happen
while somebody waits, that is a deadlock, and an error.

What runs belongs to a simulated process by its context. A frozen process (SIGSTOP) does not run
while time goes on; what became ready meanwhile runs when it is thawed.
"""

from __future__ import annotations

import asyncio
import contextvars
import gc
import heapq
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, TypeVar

T = TypeVar("T")

EPOCH = datetime(2026, 11, 1, 10, 0, 0, tzinfo=UTC)
START_S = 1000.0
# What happens in order is so far apart, at least: at one moment the order is left to chance.
TICK_S = 1e-9
# So much at one moment without the clock moving is a loop without an end.
STEPS_AT_ONCE_MAX = 200_000


class DeadlockError(Exception):
    """Somebody waits, and nothing will ever happen."""


class LivelockError(Exception):
    """Things happen without an end, and time does not go on."""


PROCESS: contextvars.ContextVar[Process | None] = contextvars.ContextVar("process", default=None)


class Process:
    """What dies and freezes as a whole. `context` is given to its first task; all inherit it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_frozen = False
        self.is_dead = False
        self.parked: list[asyncio.Handle] = []
        self.context = contextvars.copy_context()
        self.context.run(PROCESS.set, self)


class _Task(asyncio.Task[Any]):
    """A task with a number for its hash: task groups cancel in the order of a set of tasks."""

    def __init__(
        self, coro: Generator[Any, None, Any] | Coroutine[Any, Any, Any], number: int, **kwargs: Any
    ) -> None:
        self._number = number
        context: contextvars.Context | None = kwargs.get("context")
        self.process = context.get(PROCESS) if context is not None else PROCESS.get()
        super().__init__(coro, **kwargs)

    def __hash__(self) -> int:
        return self._number

    def __eq__(self, other: object) -> bool:
        return self is other


class VirtualLoop(asyncio.BaseEventLoop):
    """The loop. `shuffle` brings what is ready at one moment into another order, by its seed."""

    def __init__(self, shuffle: Random | None = None) -> None:
        super().__init__()
        self._now = START_S
        self._shuffle = shuffle
        self._numbers = 0
        self._ready: deque[Any]  # handles, with what asyncio keeps to itself
        self._scheduled: list[Any]
        self._stopping: bool
        self.problems: list[str] = []
        self.set_task_factory(self._make_task)
        self.set_exception_handler(self._on_problem)

    def time(self) -> float:
        """Return the virtual seconds."""
        return self._now

    def wall(self) -> datetime:
        """Return the virtual time of day."""
        return EPOCH + timedelta(seconds=self._now - START_S)

    def thaw(self, process: Process) -> None:
        """Let a frozen process go on, with all that has become ready."""
        process.is_frozen = False
        self._ready.extend(process.parked)
        process.parked.clear()

    def in_world(self, when: float, call: Callable[..., object], *args: Any) -> asyncio.TimerHandle:
        """Have something happen outside of every process."""
        return self.call_at(when, call, *args, context=_WORLD)

    def _asyncgen_finalizer_hook(self, agen: object) -> None:
        """Leave an abandoned generator alone: when it is found depends on the machine."""

    def _make_task(
        self,
        _loop: asyncio.AbstractEventLoop,
        coro: Coroutine[Any, Any, T] | Generator[Any, None, T],
        **kwargs: Any,
    ) -> asyncio.Task[T]:
        self._numbers += 1
        return _Task(coro, self._numbers, loop=self, **kwargs)

    def _on_problem(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        task = context.get("task") or context.get("future")
        if isinstance(task, _Task) and task.process is not None and task.process.is_dead:
            return
        self.problems.append(f"{context.get('message')}: {context.get('exception')!r}")

    # The steps of asyncio's own `_run_once`, without a selector.

    def _run_once(self) -> None:
        scheduled, ready = self._scheduled, self._ready
        while scheduled and scheduled[0]._cancelled:
            heapq.heappop(scheduled)._scheduled = False
        if not ready and not self._stopping:
            if not scheduled:
                raise DeadlockError("nothing is left to happen, and somebody waits")
            self._now = max(self._now, scheduled[0]._when)
            self._steps_at_once = 0
        while scheduled and scheduled[0]._when <= self._now:
            timer = heapq.heappop(scheduled)
            timer._scheduled = False
            ready.append(timer)
        if self._shuffle is not None and len(ready) > 1:
            self._reorder(self._shuffle)
        self._run_ready(len(ready))

    _steps_at_once = 0

    def _run_ready(self, count: int) -> None:
        self._steps_at_once += count
        if self._steps_at_once > STEPS_AT_ONCE_MAX:
            raise LivelockError(f"no end at {self._now:.3f}")
        ready = self._ready
        for _ in range(count):
            handle = ready.popleft()
            if handle._cancelled:
                continue
            process = handle._context.get(PROCESS)
            if process is not None and process.is_frozen:
                process.parked.append(handle)
                continue
            handle._run()

    def _reorder(self, random: Random) -> None:
        """Let one of those that are ready come first: as a busier machine would."""
        if random.random() < 0.5:
            self._ready.rotate(-random.randrange(len(self._ready)))


_WORLD = contextvars.Context()


def _end_all(loop: VirtualLoop) -> None:
    """Cancel what still runs: left alone, it would end whenever it is found as garbage."""
    for _ in range(10):
        tasks = [each for each in asyncio.all_tasks(loop) if isinstance(each, _Task)]
        if not tasks:
            return
        for task in sorted(tasks, key=hash):
            if task.process is not None and task.process.is_frozen:
                loop.thaw(task.process)
            task.cancel()
        loop.run_until_complete(asyncio.wait(tasks, timeout=100.0))


class VirtualClock:
    """The services' clock, by the loop."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def now(self) -> datetime:
        """Return the virtual time of day."""
        return self._loop.wall()

    def monotonic(self) -> float:
        """Return the virtual seconds."""
        return self._loop.time()


def run_virtually(
    main: Callable[[VirtualLoop], Coroutine[Any, Any, T]],
    shuffle: Random | None = None,
    at_end: Callable[[], None] = lambda: None,
) -> T:
    """Run a coroutine in a virtual loop of its own, to its end; then `at_end`, then cancel all.

    Raises:
        DeadlockError, LivelockError: it cannot come to its end.

    """
    loop = VirtualLoop(shuffle)
    collects = gc.isenabled()
    gc.disable()  # what it finds, and when, is told to the loop
    try:
        return loop.run_until_complete(main(loop))
    finally:
        at_end()
        _end_all(loop)
        loop.close()
        if collects:
            gc.enable()
