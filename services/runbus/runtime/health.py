"""`/livez`, `/readyz` and `/metrics` of a service.

Alive: the event loop turns. Ready: every named check passes, such as "the bus answers" or "the
first list of pods is in". A failed check is named with its problem, in the answer and in the log.
`/readyz?exclude=NAME` leaves a check out, once or more, as on Kubernetes' own servers.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager

import msgspec
from aiohttp import web

from runbus.runtime.clock import Clock
from runbus.runtime.metrics import CONTENT_TYPE, Metrics

HEARTBEAT_S = 1.0
HEARTBEAT_MISSED_S = 10.0

Check = Callable[[], str | None]


class Health:
    """The checks of one process. A check returns its problem, or None."""

    def __init__(self, clock: Clock, metrics: Metrics | None = None) -> None:
        self._clock = clock
        self._metrics = metrics or Metrics()
        self._checks: dict[str, Check] = {}
        self._beat_at = clock.monotonic()
        self._is_complete = False
        self.port = 0

    def add(self, name: str, check: Check) -> None:
        """Add a readiness check."""
        self._checks[name] = check

    def complete(self) -> None:
        """Say that every check has been added: before, the process is not ready."""
        self._is_complete = True

    def problems(self, excluded: Collection[str] = ()) -> dict[str, str]:
        """Return the readiness checks that fail, with their problems, but for the excluded."""
        found = {name: check() for name, check in self._checks.items() if name not in excluded}
        if not self._is_complete:
            found["start"] = "the service is still being set up"
        return {name: problem for name, problem in found.items() if problem is not None}

    def is_alive(self) -> bool:
        """Whether the loop has turned lately."""
        return self._clock.monotonic() - self._beat_at < HEARTBEAT_MISSED_S

    async def beat(self) -> None:
        """Turn with the loop, until cancelled."""
        while True:
            self._beat_at = self._clock.monotonic()
            await asyncio.sleep(HEARTBEAT_S)
            late_s = self._clock.monotonic() - self._beat_at - HEARTBEAT_S
            self._metrics.loop_lag_s.set(max(late_s, 0.0))

    @asynccontextmanager
    async def serve(self, host: str, port: int) -> AsyncIterator[int]:
        """Serve the three endpoints within a block; gives the port."""
        app = web.Application()
        app.router.add_get("/livez", self._livez)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", self._scrape)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            site = web.TCPSite(runner, host, port, shutdown_timeout=1.0)
            await site.start()
            self.port = runner.addresses[0][1]
            yield self.port
        finally:
            await runner.cleanup()

    async def _livez(self, _request: web.Request) -> web.Response:
        alive = self.is_alive()
        return _answer({"alive": alive}, alive)

    async def _readyz(self, request: web.Request) -> web.Response:
        excluded = frozenset(request.query.getall("exclude", ()))
        problems = self.problems(excluded)
        return _answer({"ready": not problems, "problems": problems}, not problems)

    async def _scrape(self, _request: web.Request) -> web.Response:
        headers = {"Content-Type": CONTENT_TYPE}
        return web.Response(body=self._metrics.render(), headers=headers)


def _answer(body: object, good: bool) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(body),
        status=200 if good else 503,
        content_type="application/json",
    )
