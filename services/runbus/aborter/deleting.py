"""Delete what an aborted run has in the cluster, after a moment for its evidence; or withdraw.

Works from the run's state alone, so it can be done again by anybody: right after `aborting` is
stored, and whenever the owner reminds. What Kubernetes does not answer now is left to the next
reminder.
"""

from __future__ import annotations

import asyncio

from runbus.aborter.cluster import Cluster
from runbus.aborter.decide import abort_order, is_left, sticky_of, withdrawn
from runbus.aborter.keeping import EvidenceKeeper
from runbus.contracts.events import RunAbortWithdrawn
from runbus.contracts.states import EventType
from runbus.reading.objects import Pod
from runbus.reading.owners import attempt_of, run_of
from runbus.reading.pods import read_pod
from runbus.runtime.clock import Clock
from runbus.runtime.errors import RetryableError
from runbus.runtime.kube_errors import KubeConflictError, KubeError
from runbus.runtime.logs import Log
from runbus.runtime.runlog import RunLog, RunRecord, StaleError
from runbus.runtime.tracing import Tracing

AT_ONCE_MAX = 64
QUEUE_MAX = 10_000
CONFLICTS_MAX = 5


class Deleter:
    """Deletes in the background; `hand_over` never blocks."""

    def __init__(
        self,
        cluster: Cluster,
        run_log: RunLog,
        evidence: EvidenceKeeper,
        clock: Clock,
        log: Log,
        tracing: Tracing | None = None,
    ) -> None:
        self._cluster = cluster
        self._run_log = run_log
        self._evidence = evidence
        self._clock = clock
        self._log = log
        self._tracing = tracing or Tracing()
        self._queue: asyncio.Queue[RunRecord] = asyncio.Queue(QUEUE_MAX)

    def hand_over(self, record: RunRecord) -> None:
        """Have an aborting run's objects deleted. Beyond the maximum its owner reminds."""
        try:
            self._queue.put_nowait(record)
        except asyncio.QueueFull:
            self._log.warning("too many aborts at once", run_id=record.status.run_id)

    async def run(self, stopping: asyncio.Event) -> None:
        """Delete until told to stop; then finish what was handed over."""
        async with asyncio.TaskGroup() as tasks:
            workers = [tasks.create_task(self._worker()) for _ in range(AT_ONCE_MAX)]
            await stopping.wait()
            await self._queue.join()
            for worker in workers:
                worker.cancel()

    async def _worker(self) -> None:
        while True:
            record = await self._queue.get()
            try:
                with self._tracing.within(record.traceparent):
                    await self.delete_all(record)
            except (KubeError, RetryableError) as error:
                self._log.warning("not deleted yet", run_id=record.status.run_id, reason=str(error))
            except Exception:  # noqa: BLE001 - a loop over runs: the owner reminds of this one
                self._log.exception("not deleted", run_id=record.status.run_id)
            finally:
                self._queue.task_done()

    async def delete_all(self, record: RunRecord) -> None:
        """Delete the pods of an aborting run that have to go, and have evidence kept of them.

        Raises:
            KubeError, RetryableError: something did not answer; the owner reminds.

        """
        status = record.status
        found = await self._cluster.pods_of(status.namespace, status.run_id)
        ours = [each for each in found if run_of(each.pod) == (status.project, status.run_id)]
        current = [each for each in ours if attempt_of(each.pod) == status.attempt]
        if current:
            await self._evidence.before_delete(record, current)
        async with asyncio.TaskGroup() as tasks:
            for each in ours:
                tasks.create_task(self._guarded_delete(record, each.pod))

    async def _guarded_delete(self, record: RunRecord, pod: Pod) -> None:
        """Delete one pod; what one does not answer must not keep the others."""
        try:
            await self.delete_one(record, pod)
        except (KubeError, RetryableError) as error:
            self._log.warning(
                "not deleted yet",
                run_id=record.status.run_id,
                pod=pod.metadata.name,
                reason=str(error),
            )

    async def delete_one(self, record: RunRecord, pod: Pod) -> None:
        """Delete one pod by the fences of its abort, or withdraw the abort.

        Raises:
            KubeError: the API server did not do it.

        """
        status = record.status
        for _ in range(CONFLICTS_MAX):
            if pod.metadata.deletion_timestamp is not None:
                return  # under way; the owner sees to one that does not go
            order = abort_order(status, pod)
            if order is None:
                return
            if order.resource_version is not None and await self._is_too_late(record, pod):
                return
            try:
                await self._cluster.delete(order)
            except KubeConflictError:
                found = await self._cluster.pod(pod.metadata.namespace, pod.metadata.name)
                if found is None or found.metadata.uid != pod.metadata.uid:
                    return
                pod = found
            else:
                self._log.info("pod deleted", run_id=status.run_id, pod=pod.metadata.name)
                return

    async def _is_too_late(self, record: RunRecord, pod: Pod) -> bool:
        """Say whether the pod has left the state that was judged; the abort is then withdrawn.

        The resource version that fences the delete is this pod's: judging it comes first.
        """
        reading = read_pod(pod, sticky_of(record.status))
        if reading.ended:
            return True  # its own end: the owner stores it
        if not is_left(record.status, reading):
            return False
        await self._withdraw(record, pod)
        return True

    async def _withdraw(self, record: RunRecord, pod: Pod) -> None:
        reading = read_pod(pod, sticky_of(record.status))
        status = withdrawn(record.status, reading, pod, self._clock.now())
        try:
            await self._run_log.publish(
                EventType.ABORT_WITHDRAWN, RunAbortWithdrawn(status=status), record
            )
        except StaleError:
            return  # a user's abort came over it, or it has ended
        self._log.info("abort withdrawn", run_id=status.run_id, state=status.state.value)
