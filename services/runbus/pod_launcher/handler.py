"""The shell: an admitted event in, objects in Kubernetes, launched or launch_failed out."""

from __future__ import annotations

from typing import assert_never

import msgspec

from runbus.contracts import codec
from runbus.contracts.events import RunAdmitted, RunLaunched, RunLaunchFailed
from runbus.contracts.states import EventType
from runbus.contracts.status import PodRef
from runbus.pod_launcher.decide import decide, launched, refused
from runbus.pod_launcher.manifest import render
from runbus.pod_launcher.model import Create, Drop, Refuse
from runbus.runtime.clock import Clock
from runbus.runtime.errors import PoisonError, RetryableError
from runbus.runtime.inbox import Delivery
from runbus.runtime.kube import Kube
from runbus.runtime.kube_errors import (
    KubeConflictError,
    KubeNotFoundError,
    KubeRefusedError,
    KubeUnavailableError,
)
from runbus.runtime.logs import Log
from runbus.runtime.runlog import RunLog, RunRecord, StaleError

# From before the run's state is read to the end of the create: an abort of an admitted run that has
# no object waits this long, with a margin, and then says that there never will be one.
CREATE_DEADLINE_S = 10.0
RETRY_S = 1.0
RETRY_MAX_S = 30.0

# The reason of the one conflict that says that the object is there.
ALREADY_EXISTS = "AlreadyExists"


class _Metadata(msgspec.Struct):
    name: str = ""
    uid: str = ""


class _Created(msgspec.Struct):
    metadata: _Metadata


class Handler:
    """Launches one run at a time for each message in hand."""

    def __init__(
        self,
        run_log: RunLog,
        kube: Kube,
        clock: Clock,
        log: Log,
        namespaces: tuple[str, ...] = (),
    ) -> None:
        self._run_log = run_log
        self._kube = kube
        self._clock = clock
        self._log = log
        self._namespaces = namespaces

    async def handle(self, delivery: Delivery) -> str:
        """Launch the run that an admitted event is about.

        Raises:
            RetryableError: the API server or the bus could not be reached, or is too busy.
            PoisonError: the event cannot be read.

        """
        event = _read(delivery)
        objects = self._render(event)
        give_up_at = self._clock.monotonic() + CREATE_DEADLINE_S
        # No older view than the event itself: it would tell of a run that is not admitted.
        record = await self._run_log.newest(
            event.status.project, event.status.run_id, since=delivery.sequence
        )
        if record is None:
            return "dropped: unknown run"
        decision = decide(event.status, record.status, self._namespaces)
        match decision:
            case Drop(why=why):
                return f"dropped: {why}"
            case Refuse(message=message):
                return await self._refused(record, message, delivery, by="the pod-launcher")
            case Create():
                return await self._launch(record, objects, delivery, give_up_at)
            case _:
                assert_never(decision)

    @staticmethod
    def _render(event: RunAdmitted) -> list[dict[str, object]]:
        status = event.status
        return render(
            event.document,
            run_id=status.run_id,
            attempt=status.attempt,
            shard=status.shard,
            namespace=status.namespace,
            platform=event.platform,
        )

    async def _launch(
        self,
        record: RunRecord,
        objects: list[dict[str, object]],
        delivery: Delivery,
        give_up_at: float,
    ) -> str:
        try:
            pods = [await self._create(record, each, give_up_at) for each in objects]
        except (KubeRefusedError, KubeNotFoundError) as error:
            return await self._refused(record, error.message, delivery, by="Kubernetes")
        except KubeUnavailableError as error:
            text = f"cannot create the objects of {record.status.run_id} now: {error}"
            raise RetryableError(text, delay_s=_delay_s(error, delivery)) from error
        event = RunLaunched(status=launched(record.status, tuple(pods)))
        try:
            await self._run_log.publish(
                EventType.LAUNCHED, event, record, traceparent=delivery.envelope.traceparent
            )
        except StaleError:
            return "created"  # the watcher was first, which is as good
        return "launched"

    async def _create(
        self, record: RunRecord, manifest: dict[str, object], give_up_at: float
    ) -> PodRef:
        left_s = give_up_at - self._clock.monotonic()
        if left_s <= 0:
            # The process stood still: the run may have been aborted since its state was read.
            text = f"{record.status.run_id} was not created within {CREATE_DEADLINE_S:g} s"
            raise RetryableError(text)
        path = f"/api/v1/namespaces/{record.status.namespace}/pods"
        metadata = msgspec.convert(manifest["metadata"], _Metadata)
        try:
            answer = await self._kube.request("POST", path, body=manifest, timeout_s=left_s)
        except KubeConflictError as error:
            if error.reason != ALREADY_EXISTS:
                # Nothing was created: a quota that many use at once changed under the request.
                text = f"cannot create {metadata.name} now: {error}"
                raise RetryableError(text, delay_s=RETRY_S) from error
            # Deterministic name: an earlier try of ours. The watcher tells if it is not.
            return PodRef(name=metadata.name)
        created = msgspec.json.decode(answer, type=_Created)
        return PodRef(name=metadata.name, uid=created.metadata.uid)

    async def _refused(
        self, record: RunRecord, message: str, delivery: Delivery, *, by: str
    ) -> str:
        status = refused(record.status, message, self._clock.now(), by=by)
        try:
            await self._run_log.publish(
                EventType.LAUNCH_FAILED,
                RunLaunchFailed(status=status),
                record,
                traceparent=delivery.envelope.traceparent,
            )
        except StaleError:
            return "dropped: run moved on"
        return "refused"


def _read(delivery: Delivery) -> RunAdmitted:
    try:
        event = codec.decode_event(EventType.ADMITTED, delivery.data)
    except codec.BrokenMessageError as error:
        raise PoisonError(str(error)) from error
    if not isinstance(event, RunAdmitted):
        text = f"{delivery.subject} carries no admitted event"
        raise PoisonError(text)
    return event


def _delay_s(error: KubeUnavailableError, delivery: Delivery) -> float:
    """Return the server's own Retry-After, else a delay that doubles with each delivery."""
    doubled = RETRY_S * float(2 ** min(delivery.deliveries - 1, 10))
    return error.wait_s(min(doubled, RETRY_MAX_S))
