"""Keep the evidence of attempts: collected beside the deletes, stored whatever could be had.

Evidence waits for logs of nodes that may be dead. So it has connections of its own (`cluster` is
bounded below all there are) and workers of its own: a delete waits for it a tenth of a second, and
the rest is collected during the pod's grace. Whatever is not there in time is named in the
evidence. It must not know what becomes of the run.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from msgspec import Struct

from runbus.aborter.cluster import Cluster, FoundPod
from runbus.aborter.config import AborterConfig
from runbus.aborter.evidence import Collection
from runbus.contracts import codec, envelope, subjects
from runbus.contracts.evidence import EvidenceCause
from runbus.contracts.status import RunStatus
from runbus.runtime.clock import Clock
from runbus.runtime.logs import Log
from runbus.runtime.runlog import RunRecord
from runbus.runtime.tracing import Tracing
from runbus.sdk.bus import MESSAGE_ID, Bus
from runbus.sdk.errors import BusUnreachableError

# Of all connections: two thirds are left to the deletes.
CONNECTIONS_MAX = 20
AT_ONCE_MAX = 64
QUEUE_MAX = 1000
# The log of a running container gets this long before the delete; the rest is fetched after it.
BEFORE_DELETE_S = 0.1
COLLECT_S = 20.0
# On SIGTERM collecting ends early, so that what there is is stored within `drain_s`.
DRAIN_SHARE = 0.4
STORE_S = 10.0
STORE_AGAIN_S = 0.5


class _Order(Struct):
    status: RunStatus
    collection: Collection
    done: asyncio.Event
    traceparent: str | None = None


class EvidenceKeeper:
    """Collects and stores, a bounded number at a time."""

    def __init__(
        self,
        cluster: Cluster,
        bus: Bus,
        clock: Clock,
        log: Log,
        config: AborterConfig,
        tracing: Tracing | None = None,
    ) -> None:
        self._cluster = cluster
        self._bus = bus
        self._clock = clock
        self._log = log
        self._config = config
        self._tracing = tracing or Tracing()
        self._queue: asyncio.Queue[_Order] = asyncio.Queue(QUEUE_MAX)
        self._limits: set[asyncio.Timeout] = set()
        self._end_at = float("inf")

    async def run(self, stopping: asyncio.Event, handed_over: asyncio.Event) -> None:
        """Keep evidence until nothing more can be handed over; then finish what was.

        Args:
            stopping: set on SIGTERM: from then on little time is left to collect.
            handed_over: set once no delete can begin any more.

        """
        async with asyncio.TaskGroup() as tasks:
            workers = [tasks.create_task(self._worker()) for _ in range(AT_ONCE_MAX)]
            workers.append(tasks.create_task(self._hurry_on(stopping)))
            await handed_over.wait()
            await self._queue.join()
            for worker in workers:
                worker.cancel()

    async def before_delete(self, record: RunRecord, pods: Sequence[FoundPod]) -> None:
        """Begin to keep the evidence of pods that are about to be deleted; wait a moment for it.

        Where too many wait already, it is what the API server has said of the pods: no logs.
        """
        status = record.status
        collection = self._collection(status, cause=EvidenceCause.ABORTING)
        collection.know(pod.raw for pod in pods)
        order = _Order(status, collection, asyncio.Event(), record.traceparent)
        try:
            self._queue.put_nowait(order)
        except asyncio.QueueFull:
            collection.problem("too many runs are aborted at once: nothing more was collected")
            await self._store(order)
            return
        try:
            async with asyncio.timeout(BEFORE_DELETE_S):
                await order.done.wait()
        except TimeoutError:
            pass

    async def keep(
        self,
        status: RunStatus,
        names: Sequence[str],
        *,
        cause: EvidenceCause,
        or_nothing: bool,
        traceparent: str | None = None,
    ) -> bool:
        """Keep the evidence of an attempt whose pod has ended or is going; say whether it is kept.

        Args:
            status: the run's, with the attempt's number and namespace.
            names: the pods'.
            cause: when it is collected.
            traceparent: of the command to keep it.
            or_nothing: keep nothing yet if Kubernetes may have more to say later.

        Raises:
            BusError: it could not be stored.

        """
        collection = self._collection(status, cause=cause)
        order = _Order(status, collection, asyncio.Event(), traceparent)
        await self._collect(order, names)
        if or_nothing and order.collection.is_unavailable:
            return False
        await self._publish(order)
        return True

    def _collection(self, status: RunStatus, *, cause: EvidenceCause) -> Collection:
        return Collection(self._cluster, status, cause=cause, log_lines=self._config.log_lines)

    async def _worker(self) -> None:
        while True:
            order = await self._queue.get()
            try:
                with self._tracing.within(order.traceparent):
                    await self._collect(order)
                    await self._store(order)
            finally:
                order.done.set()
                self._queue.task_done()

    async def _collect(self, order: _Order, names: Sequence[str] = ()) -> None:
        try:
            async with self._limit():
                await order.collection.run(names)
        except TimeoutError:
            order.collection.is_unavailable = True
            order.collection.problem("not everything could be read in time")
        except Exception as error:  # noqa: BLE001 - a loop: what there is is kept all the same
            self._log.exception("evidence not collected", run_id=order.status.run_id)
            order.collection.problem(f"internal error: {type(error).__name__}")

    async def _store(self, order: _Order) -> None:
        try:
            await self._publish(order)
        except Exception as error:  # noqa: BLE001 - a loop: one run's evidence never ends it
            self._log.exception("evidence not kept", run_id=order.status.run_id, error=str(error))

    async def _publish(self, order: _Order) -> None:
        """Store the evidence as it is now; once for each attempt and cause."""
        status = order.status
        evidence = order.collection.evidence(self._clock.now())
        body = codec.encode(evidence)
        once = f"evidence-{status.run_id}-{status.attempt}-{evidence.cause}"
        subject = subjects.evidence(status.project, status.run_id)
        headers = {MESSAGE_ID: once}
        if order.traceparent is not None:
            headers[envelope.TRACEPARENT] = order.traceparent
        give_up_at = self._clock.monotonic() + STORE_S
        while True:
            try:
                await self._bus.publish(subject, body, headers)
            except BusUnreachableError:
                if self._clock.monotonic() > give_up_at:
                    raise
                await asyncio.sleep(STORE_AGAIN_S)
            else:
                return

    @asynccontextmanager
    async def _limit(self) -> AsyncIterator[None]:
        """Bound the time within a block: less of it once the process has to end."""
        now = asyncio.get_running_loop().time()
        async with asyncio.timeout_at(min(now + COLLECT_S, self._end_at)) as limit:
            self._limits.add(limit)
            try:
                yield
            finally:
                self._limits.discard(limit)

    async def _hurry_on(self, stopping: asyncio.Event) -> None:
        await stopping.wait()
        now = asyncio.get_running_loop().time()
        self._end_at = now + self._config.drain_s * DRAIN_SHARE
        for limit in self._limits:
            if not limit.expired():
                limit.reschedule(min(limit.when() or self._end_at, self._end_at))
