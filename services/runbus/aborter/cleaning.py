"""The shell of CleanUpObjects and KeepEvidence: judge again on the newest event, then act."""

from __future__ import annotations

from msgspec.structs import replace

from runbus.aborter.cluster import Cluster
from runbus.aborter.config import AborterConfig
from runbus.aborter.deleting import Deleter
from runbus.aborter.keeping import EvidenceKeeper
from runbus.aborter.model import DeleteOrder
from runbus.contracts.commands import CleanUpCause, CleanUpObjects, KeepEvidence, ObjectFence
from runbus.reading.forcing import Force, force
from runbus.reading.late import cause_to_go
from runbus.reading.objects import Pod
from runbus.reading.owners import attempt_of, run_of
from runbus.reading.pods import read_pod
from runbus.runtime.clock import Clock
from runbus.runtime.commands import known_of, read_command
from runbus.runtime.errors import RetryableError
from runbus.runtime.inbox import Delivery
from runbus.runtime.kube_errors import KubeConflictError, KubeError
from runbus.runtime.logs import Log
from runbus.runtime.runlog import RunLog, RunRecord
from runbus.sdk.errors import BusError

KUBE_AGAIN_S = 2.0
# The owner asks again every few seconds: an old command that fails is better dropped.
CLEAN_UP_AGE_MAX_S = 60.0
# What Kubernetes does not tell at once it may tell later, while the pod is kept. Where a node is
# dead it never does: then what there is is stored.
EVIDENCE_AGE_MAX_S = 120.0
EVIDENCE_AGAIN_S = 5.0


class CleanUpHandler:
    """Carries out CleanUpObjects."""

    def __init__(
        self,
        run_log: RunLog,
        cluster: Cluster,
        deleter: Deleter,
        clock: Clock,
        log: Log,
        config: AborterConfig,
    ) -> None:
        self._run_log = run_log
        self._cluster = cluster
        self._deleter = deleter
        self._clock = clock
        self._log = log
        self._config = config

    async def handle(self, delivery: Delivery) -> str:
        """Delete the objects named, as far as they have to go by the run's newest event."""
        command, project, run_id = read_command(delivery, CleanUpObjects)
        since = known_of(delivery, command.if_sequence, self._clock.now())
        record = await self._run_log.newest(project, run_id, since=since)
        if record is None:
            return "dropped: unknown run"
        try:
            outcomes = [await self._clean_up(record, fence) for fence in command.objects]
        except KubeError as error:
            age_s = (self._clock.now() - delivery.stored_at).total_seconds()
            if age_s > CLEAN_UP_AGE_MAX_S:
                return f"dropped: {error}"
            raise RetryableError(str(error), delay_s=error.wait_s(KUBE_AGAIN_S)) from error
        return ", ".join(outcomes) or "nothing named"

    async def _clean_up(self, record: RunRecord, fence: ObjectFence) -> str:
        status = record.status
        pod = await self._cluster.pod(fence.namespace, fence.name)
        if pod is None or pod.metadata.uid != fence.uid:
            return "gone"
        if run_of(pod) != (status.project, status.run_id):
            return "not of this run"
        cause = cause_to_go(status, attempt_of(pod), read_pod(pod))
        if cause is None:
            return "may stay"
        if pod.metadata.deletion_timestamp is not None:
            return await self._force(pod)
        if cause is CleanUpCause.ABORTING:
            await self._deleter.delete_all(record)
        else:
            await self._delete(pod, None)
        self._log.info("object cleaned up", run_id=status.run_id, pod=fence.name, cause=cause.value)
        return f"deleted: {cause.value}"

    async def _force(self, pod: Pod) -> str:
        """Delete a pod that is past its grace with grace 0, where that is safe."""
        node_name = pod.spec.node_name
        node = await self._cluster.node(node_name) if node_name else None
        verdict = force(
            pod.metadata.deletion_timestamp,
            node,
            self._clock.now(),
            self._config.unreachable_force_after_s,
        )
        if verdict is not Force.YES:
            return f"waits ({verdict.value})"
        self._log.warning("pod deleted by force", pod=pod.metadata.name, node=node_name)
        await self._delete(pod, 0)
        return "deleted by force"

    async def _delete(self, pod: Pod, grace_s: int | None) -> None:
        meta = pod.metadata
        order = DeleteOrder(namespace=meta.namespace, name=meta.name, uid=meta.uid, grace_s=grace_s)
        try:
            await self._cluster.delete(order)
        except KubeConflictError:
            return  # another object has its name now


class EvidenceHandler:
    """Carries out KeepEvidence."""

    def __init__(self, run_log: RunLog, keeper: EvidenceKeeper, clock: Clock) -> None:
        self._run_log = run_log
        self._keeper = keeper
        self._clock = clock

    async def handle(self, delivery: Delivery) -> str:
        """Store the evidence of an attempt that has ended, or whose pod is going.

        Raises:
            RetryableError: Kubernetes may say more later, or the bus did not take it.

        """
        command, project, run_id = read_command(delivery, KeepEvidence)
        record = await self._run_log.newest(project, run_id)
        if record is None:
            return "dropped: unknown run"
        # The run may have gone on: the evidence is of the attempt that the command names.
        status = replace(record.status, attempt=command.attempt, namespace=command.namespace)
        names = [fence.name for fence in command.objects]
        age_s = (self._clock.now() - delivery.stored_at).total_seconds()
        or_nothing = age_s < EVIDENCE_AGE_MAX_S
        try:
            is_kept = await self._keeper.keep(
                status,
                names,
                cause=command.cause,
                or_nothing=or_nothing,
                traceparent=delivery.envelope.traceparent,
            )
        except BusError as error:
            text = f"evidence of {run_id}: {error}"
            raise RetryableError(text, delay_s=KUBE_AGAIN_S) from error
        if not is_kept:
            text = f"evidence of {run_id}: Kubernetes does not tell everything now"
            raise RetryableError(text, delay_s=EVIDENCE_AGAIN_S)
        return "kept"
