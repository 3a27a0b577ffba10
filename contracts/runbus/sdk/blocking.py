"""Sessions and handles for programs without a loop, and for notebooks with one.

    run = Session().run(fn)
    status = run.wait(timeout=3600)

A facade: each method is that of `session` or `handle`, carried out on a loop in a thread of its
own. A test holds methods and signatures of both to be the same.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Collection, Iterator, Mapping
from types import TracebackType
from typing import Any, Self

from runbus.contracts.replies import LintReply
from runbus.contracts.states import RunState
from runbus.contracts.status import RunStatus
from runbus.contracts.violations import Violation
from runbus.sdk.client import VERDICT_TIMEOUT_S
from runbus.sdk.errors import BusError
from runbus.sdk.functions.function import Function
from runbus.sdk.handle import AsyncRun
from runbus.sdk.log_sources import LogSource
from runbus.sdk.loop_thread import LoopThread
from runbus.sdk.runs import EventRecord
from runbus.sdk.session import AsyncSession

# What a notebook shows must not wait for a bus that is gone.
SHOW_TIMEOUT_S = 2.0

_LOOP = LoopThread()


class Session:
    """One connection to the bus, made when it is first needed; see `AsyncSession`."""

    def __init__(
        self,
        url: str | None = None,
        *,
        user: str = "",
        log_source: LogSource | None = None,
        **credentials: Any,
    ) -> None:
        """Make a session; nothing is connected yet.

        Args:
            url: `nats://[token@]host:port`, several separated by commas. Default: RUNBUS_NATS_URL,
                else the `runbus up` of this user, else nats://127.0.0.1:4222.
            user: who asks, for documents that name nobody; default: this machine's user.
            log_source: where the output of pods is read; default: what is installed for it.
            credentials: as in `connecting.connect`.

        """
        self._session = AsyncSession(url, user=user, log_source=log_source, **credentials)

    @property
    def log_source(self) -> LogSource | None:
        """Where the output of pods is read; None where nothing is installed for it."""
        return self._session.log_source

    def run(
        self,
        function: Function | Mapping[str, Any],
        *,
        key: str | None = None,
        timeout_s: float = VERDICT_TIMEOUT_S,
        **changes: Any,
    ) -> Run:
        """Submit a run and return its handle; see `AsyncSession.run`."""
        return Run(_LOOP.call(self._session.run(function, key=key, timeout_s=timeout_s, **changes)))

    def lint(
        self, function: Function | Mapping[str, Any], *, timeout_s: float = VERDICT_TIMEOUT_S
    ) -> LintReply:
        """Return the validator's verdict without running anything; see `AsyncSession.lint`."""
        return _LOOP.call(self._session.lint(function, timeout_s=timeout_s))

    def get(self, run: str) -> Run:
        """Return the handle of a run; see `AsyncSession.get`."""
        return Run(_LOOP.call(self._session.get(run)))

    def list_runs(
        self, project: str | None = None, *, states: Collection[RunState | str] = ()
    ) -> list[Run]:
        """Return runs; see `AsyncSession.list_runs`."""
        return [Run(each) for each in _LOOP.call(self._session.list_runs(project, states=states))]

    def list_valid_priority_class_names(self, project: str) -> list[str]:
        """Return the priority classes that may be named; see the method of `AsyncSession`."""
        return _LOOP.call(self._session.list_valid_priority_class_names(project))

    def close(self) -> None:
        """End the connection; the runs go on."""
        _LOOP.call(self._session.close())

    def __enter__(self) -> Self:
        _LOOP.call(self._session.__aenter__())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class Run:
    """One run; `status` and `state` read the bus anew, until the run is over."""

    def __init__(self, run: AsyncRun) -> None:
        self._run = run

    @property
    def id(self) -> str:
        """The run's id: 12 characters, unique."""
        return self._run.id

    @property
    def project(self) -> str:
        """Whose run it is."""
        return self._run.project

    @property
    def name(self) -> str:
        """The document's name."""
        return self._run.name

    @property
    def ref(self) -> str:
        """`<project>/<run id>`: names exactly one run, also on the command line."""
        return self._run.ref

    @property
    def status(self) -> RunStatus:
        """The whole status, as it is now."""
        return self.refresh()

    @property
    def state(self) -> RunState:
        """Where the run stands now."""
        return self.status.state

    @property
    def warnings(self) -> tuple[Violation, ...]:
        """What the validator found doubtful when this handle submitted the run."""
        return self._run.warnings

    def refresh(self) -> RunStatus:
        """Read the status from the bus and return it; a final one is never read again."""
        return _LOOP.call(self._run.refresh())

    def wait(self, timeout: float | None = None, *, raise_on_failure: bool = True) -> RunStatus:
        """Wait until the run is over and return its final status; see `AsyncRun.wait`."""
        return _LOOP.call(self._run.wait(timeout, raise_on_failure=raise_on_failure))

    def events(self) -> Iterator[EventRecord]:
        """Yield the run's events from its first one on, as they come, to its final one."""
        return _LOOP.items(self._run.events())

    def logs(self, follow: bool = False, *, attempt: int | None = None) -> Iterator[str]:
        """Yield the lines of the main container's output; see `AsyncRun.logs`."""
        return _LOOP.items(self._run.logs(follow, attempt=attempt))

    def abort(self, reason: str = "") -> RunStatus:
        """Ask for the end of the run, and return its status; see `AsyncRun.abort`."""
        return _LOOP.call(self._run.abort(reason))

    def rerun(self, *, key: str | None = None, **changes: Any) -> Run:
        """Submit what this run was asked for again, with changes; see `AsyncRun.rerun`."""
        return Run(_LOOP.call(self._run.rerun(key=key, **changes)))

    def document(self) -> dict[str, Any]:
        """Return what the run was asked for; see `AsyncRun.document`."""
        return _LOOP.call(self._run.document())

    def __repr__(self) -> str:
        return repr(self._run).replace("AsyncRun", "Run", 1)

    def _repr_html_(self) -> str:
        from runbus.sdk.notebook import run_html_now

        return run_html_now(self._shown())

    def _shown(self) -> RunStatus:
        """Return the newest status, or the newest known where the bus does not answer."""
        try:
            return _LOOP.call(_within(self._run, SHOW_TIMEOUT_S))
        except (BusError, TimeoutError):
            return self._run.status


class _Default:
    """The session of this process, made when it is first asked for."""

    def __init__(self) -> None:
        self._making = threading.Lock()
        self._session: Session | None = None
        self._pid = 0

    def get(self) -> Session:
        """Return the session; a forked child gets one of its own."""
        with self._making:
            if self._session is None or self._pid != os.getpid():
                self._session, self._pid = Session(), os.getpid()
            return self._session


_DEFAULT = _Default()


def default_session() -> Session:
    """Return the session that `Function.run` takes where it is given none.

    Its bus is that of RUNBUS_NATS_URL, else of this user's `runbus up`.
    """
    return _DEFAULT.get()


async def _within(run: AsyncRun, timeout_s: float) -> RunStatus:
    async with asyncio.timeout(timeout_s):
        return await run.refresh()
