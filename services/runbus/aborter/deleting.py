"""Delete what an aborted run has in the cluster, with evidence first; or withdraw the abort.

Works from the run's state alone, so it can be done again by anybody: right after `aborting` is
stored, and whenever the owner reminds. What Kubernetes does not answer now is left to the next
reminder.
"""

from __future__ import annotations

import asyncio

from runbus.aborter.cluster import Cluster
from runbus.aborter.config import AborterConfig
from runbus.aborter.decide import abort_order, is_left, sticky_of, withdrawn
from runbus.aborter.evidence import collect
from runbus.contracts import codec, subjects
from runbus.contracts.events import RunAbortWithdrawn
from runbus.contracts.evidence import RunEvidence
from runbus.contracts.states import EventType
from runbus.reading.late import cause_to_go
from runbus.reading.objects import Pod
from runbus.reading.owners import attempt_of, run_of
from runbus.reading.pods import read_pod
from runbus.runtime.clock import Clock
from runbus.runtime.errors import RetryableError
from runbus.runtime.kube import KubeConflictError, KubeError
from runbus.runtime.logs import Log
from runbus.runtime.runlog import RunLog, RunRecord, StaleError
from runbus.sdk.bus import MESSAGE_ID, Bus
from runbus.sdk.errors import BusError

AT_ONCE_MAX = 64
QUEUE_MAX = 10_000
# The log of a running container gets this long before the delete; the rest is fetched after it.
EVIDENCE_BEFORE_DELETE_S = 0.1
EVIDENCE_TIMEOUT_S = 20.0
CONFLICTS_MAX = 5


class Deleter:
    """Deletes in the background; `hand_over` never blocks."""

    def __init__(
        self,
        cluster: Cluster,
        run_log: RunLog,
        bus: Bus,
        clock: Clock,
        log: Log,
        config: AborterConfig,
    ) -> None:
        self._cluster = cluster
        self._run_log = run_log
        self._bus = bus
        self._clock = clock
        self._log = log
        self._config = config
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
                await self.delete_all(record)
            except (KubeError, RetryableError, BusError) as error:
                self._log.warning("not deleted yet", run_id=record.status.run_id, reason=str(error))
            finally:
                self._queue.task_done()

    async def delete_all(self, record: RunRecord) -> None:
        """Delete what an aborting run may not have any longer, with evidence.

        Raises:
            KubeError, RetryableError: something did not answer; the owner reminds.

        """
        status = record.status
        pods = await self._cluster.pods_of(status.namespace, status.run_id)
        ours = [pod for pod in pods if run_of(pod) == (status.project, status.run_id)]
        current = [pod for pod in ours if attempt_of(pod) == status.attempt]
        async with asyncio.TaskGroup() as tasks:
            collecting = tasks.create_task(self._evidence(record, current))
            if current:
                await asyncio.wait([collecting], timeout=EVIDENCE_BEFORE_DELETE_S)
            for pod in ours:
                if cause_to_go(status, attempt_of(pod), read_pod(pod)) is None:
                    continue  # of an earlier attempt, ended: it stays until its time has passed
                tasks.create_task(self._guarded_delete(record, pod))

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

    async def _evidence(self, record: RunRecord, pods: list[Pod]) -> None:
        if not pods:
            return
        names = [pod.metadata.name for pod in pods]
        try:
            async with asyncio.timeout(EVIDENCE_TIMEOUT_S):
                await self.keep_evidence(record, names, cause="aborting")
        except (KubeError, BusError, TimeoutError) as error:
            self._log.warning("evidence not kept", run_id=record.status.run_id, reason=str(error))

    async def keep_evidence(self, record: RunRecord, names: list[str], *, cause: str) -> None:
        """Collect and store evidence of an attempt; once for each cause.

        Raises:
            BusError: it could not be stored.

        """
        status = record.status
        evidence: RunEvidence = await collect(
            self._cluster,
            status,
            names,
            cause=cause,
            log_lines=self._config.log_lines,
            now=self._clock.now(),
        )
        once = f"evidence-{status.run_id}-{status.attempt}-{cause}"
        subject = subjects.evidence(status.project, status.run_id)
        await self._bus.publish(subject, codec.encode(evidence), {MESSAGE_ID: once})
