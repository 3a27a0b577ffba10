"""Whether the API server answers a service and knows who it is: for readiness and the log.

Somebody who has nothing to ask for now finds out all the same, before it matters: while nothing was
heard for a while, the server is asked for its version, which needs no right. It must not know
what requests are for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Protocol

from runbus.runtime.logs import Log

UNAUTHORIZED = 401
# A single request may be lost, or ask a node that is dead: told once nothing is heard for so long.
UNREACHABLE_READY_S = 5.0
LOOK_EVERY_S = 5.0
IDLE_S = 15.0
PATH = "/version"


class Reach:
    """What was heard last."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._heard_at = monotonic()
        self._problem = ""
        self._problem_since = 0.0
        self._is_refused = False

    def answered(self, status: int) -> None:
        """Take note of an answer that is not about who we are."""
        if status != UNAUTHORIZED:
            self._heard_at = self._monotonic()
            self._problem = ""

    def failed(self, text: str, *, is_refused: bool) -> None:
        """Take note that there was no answer, or that our credentials are of no use."""
        if not self._problem:
            self._problem_since = self._monotonic()
        self._problem, self._is_refused = text, is_refused

    def ready_problem(self) -> str | None:
        """Return why nothing can be asked of Kubernetes; None if it can."""
        if not self._problem:
            return None
        lasts_s = self._monotonic() - self._problem_since
        return self._problem if self._is_refused or lasts_s >= UNREACHABLE_READY_S else None

    @property
    def is_in_doubt(self) -> bool:
        """Whether it is worth asking: something is wrong, or nobody has asked for a while."""
        return bool(self._problem) or self._monotonic() - self._heard_at > IDLE_S


class Asked(Protocol):
    """What of a connection is looked after."""

    @property
    def reach(self) -> Reach:
        """What was heard last."""
        ...

    @property
    def clock_offset(self) -> timedelta:
        """The server's clock less ours."""
        ...

    async def probe(self) -> None:
        """Ask for something that anybody may have; raises nothing."""
        ...


async def look_after(kube: Asked, log: Log) -> None:
    """Ask while in doubt, and say aloud what changes, until cancelled."""
    told: str | None = None
    offset = timedelta()
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        if kube.reach.is_in_doubt:
            await kube.probe()
        problem = kube.reach.ready_problem()
        if problem is not None and told is None:
            log.error("Kubernetes cannot be asked for anything", reason=problem)
        elif problem is None and told is not None:
            log.info("Kubernetes answers again")
        told = problem
        if kube.clock_offset != offset:
            offset = kube.clock_offset
            log.warning("the API server's clock is not ours", ahead_s=offset.total_seconds())
