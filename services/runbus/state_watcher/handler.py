"""The shell: pods and events in, one look at a run at a time, decisions carried out.

Gather (tracking) -> decide -> act. Every input only marks its run to be looked at; the work queue
looks at each run with one worker at a time and rings at its next deadline.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import assert_never

from runbus.contracts import codec, subjects
from runbus.contracts.commands import AbortRun, CleanUpObjects, KeepEvidence
from runbus.contracts.status import RunStatus
from runbus.reading.objects import Pod, UnreadableObjectError, decode_pod
from runbus.reading.owners import attempt_of, run_of
from runbus.runtime.clock import Clock
from runbus.runtime.errors import RetryableError
from runbus.runtime.kube import Kube, KubeError, KubeNotFoundError
from runbus.runtime.logs import Log
from runbus.runtime.metrics import Metrics
from runbus.runtime.runlog import RunLog, RunRecord, StaleError
from runbus.runtime.workqueue import WorkQueue
from runbus.sdk.bus import MESSAGE_ID, Bus
from runbus.sdk.errors import BusError
from runbus.state_watcher.decide import Rules, decide
from runbus.state_watcher.model import Command, Decision, Known, Look, Publish
from runbus.state_watcher.purging import LivePurger
from runbus.state_watcher.tracking import Tracked

STEPS_MAX = 20  # of one look: events stored and questions asked in a row
UNREACHABLE_DELAY_S = 5.0
REPEATED_ABORT_S = 60
EVERYWHERE = ""  # the scope of a watch over all namespaces


class Handler:
    """Looks after every run of the owned shards."""

    def __init__(
        self,
        run_log: RunLog,
        bus: Bus,
        kube: Kube,
        queue: WorkQueue,
        rules: Rules,
        clock: Clock,
        log: Log,
        scopes: Collection[str],
        purger: LivePurger,
        metrics: Metrics | None = None,
    ) -> None:
        self._run_log = run_log
        self._bus = bus
        self._kube = kube
        self._queue = queue
        self._rules = rules
        self._clock = clock
        self._log = log
        self._runs: dict[str, Tracked] = {}
        self._scopes = frozenset(scopes)
        self._unlisted = set(scopes)
        self._unreachable: set[str] = set()
        self._purger = purger
        self._metrics = metrics or Metrics()

    def __len__(self) -> int:
        """Return how many runs are held in memory."""
        return len(self._runs)

    # What comes in. Each only takes note and marks the run.

    def on_record(self, record: RunRecord) -> None:
        """Take an event of a run."""
        key = _key(record.status.project, record.status.run_id)
        if record.status.state.is_final:
            self._purger.add(record.status)
        tracked = self._runs.get(key)
        if tracked is None:
            if record.status.state.is_final:
                return  # nothing of it is in sight: a pod that turns up brings it back
            tracked = self._runs[key] = Tracked()
        if tracked.take_record(record, self._clock.now()):
            self._queue.add(key)

    def on_pod(self, pod: Pod, seen_at: datetime, live: bool) -> None:
        """Take a pod as it is now."""
        key = _key_of(pod)
        if key is None:
            return
        if self._runs.setdefault(key, Tracked()).take_pod(pod, seen_at, live):
            self._queue.add(key)

    def on_pod_gone(self, pod: Pod, seen_at: datetime) -> None:
        """Take the last version of a pod that has been removed."""
        key = _key_of(pod)
        if key is not None and key in self._runs:
            self._runs[key].take_gone(pod, seen_at)
            self._queue.add(key)

    def on_list(self, scope: str, uids: Collection[str]) -> None:
        """Mark the pods that a complete list did not show."""
        for key, tracked in self._runs.items():
            for pod in list(tracked.pods.values()):
                in_scope = not scope or pod.namespace == scope
                if in_scope and pod.uid not in uids and tracked.take_missing(pod.uid):
                    self._queue.add(key)
        if scope in self._unlisted:
            self._unlisted.discard(scope)
            self._look_at_all(scope)

    def on_reachable(self, scope: str, reachable: bool) -> None:
        """Learn whether the API server answers; look again at every run once it does."""
        if not reachable:
            self._unreachable.add(scope)
        elif scope in self._unreachable:
            self._unreachable.discard(scope)
            self._look_at_all(scope)

    def ready_problem(self) -> str | None:
        """Return why runs cannot be judged."""
        if not self._unlisted:
            return None
        scopes = ", ".join(sorted(scope or "all namespaces" for scope in self._unlisted))
        return f"the first list of pods is not in yet ({scopes})"

    # Looking at one run.

    async def look_at(self, key: str) -> None:
        """Decide about a run and act, until there is nothing to do now."""
        tracked = self._runs.get(key)
        if tracked is None:
            return
        for _ in range(STEPS_MAX):
            record = tracked.record or await self._look_up(key, tracked)
            if record is None:
                return
            known = self._known(record, tracked)
            decision = decide(known, self._clock.now(), self._rules)
            for command in decision.commands:
                await self._send(command, record, tracked)
            if decision.publish is not None:
                await self._publish(decision.publish, record, tracked)
            elif decision.look is not None:
                await self._look(decision.look, tracked, record.status)
            else:
                self._settle(key, tracked, decision)
                return
        text = f"{key} did not come to rest within {STEPS_MAX} steps"
        raise RetryableError(text, delay_s=1.0)

    def _known(self, record: RunRecord, tracked: Tracked) -> Known:
        """Return the snapshot to decide on. What is not watched is asked for by name."""
        namespace = record.status.namespace
        scope = namespace if namespace in self._scopes else EVERYWHERE
        return tracked.known(
            record,
            synced=scope not in self._unlisted,
            reachable=scope not in self._unreachable,
            watched=scope in self._scopes,
        )

    def _settle(self, key: str, tracked: Tracked, decision: Decision) -> None:
        if decision.forget and self._runs.get(key) is tracked:
            del self._runs[key]
            self._queue.forget(key)
        else:
            self._queue.set_alarm(key, decision.wake_at)

    async def _look_up(self, key: str, tracked: Tracked) -> RunRecord | None:
        """Find the run of a pod that came before any of its events, from the leader."""
        project, _, run_id = key.partition("/")
        record = await self._run_log.newest(project, run_id)
        if record is not None:
            tracked.take_record(record, self._clock.now())
            return tracked.record
        self._log.warning("pod of a run that nobody knows", run_id=run_id, project=project)
        self._runs.pop(key, None)
        return None

    async def _publish(self, publish: Publish, record: RunRecord, tracked: Tracked) -> None:
        status = publish.event.status
        log = self._log.bind(run_id=status.run_id, attempt=status.attempt)
        try:
            stored = await self._run_log.publish(publish.event_type, publish.event, record)
        except StaleError as error:
            log.info("run moved on", type=publish.event_type.value, outcome="stale")
            if error.newest is not None:
                tracked.take_record(error.newest, self._clock.now())
            return
        tracked.take_record(stored, self._clock.now())
        log.info(
            "state stored",
            type=publish.event_type.value,
            state=status.state.value,
            reason=status.reason,
            sequence=stored.sequence,
        )

    async def _send(self, command: Command, record: RunRecord, tracked: Tracked) -> None:
        status, now = record.status, self._clock.now()
        body = command.body
        match body:
            case AbortRun():
                verb = subjects.ABORT
                minute = int(now.timestamp() // REPEATED_ABORT_S)
                once = f"abort-{status.run_id}-{body.if_sequence}-{minute}"
            case CleanUpObjects():
                verb, once = subjects.CLEANUP, ""
            case KeepEvidence():
                verb = subjects.EVIDENCE_OF
                once = f"evidence-{status.run_id}-{body.attempt}"
            case _:
                assert_never(body)
        subject = subjects.command(verb, status.project, status.run_id)
        headers = {MESSAGE_ID: once} if once else {}
        if record.traceparent is not None:
            headers["traceparent"] = record.traceparent
        try:
            await self._bus.publish(subject, codec.encode(body), headers)
        except BusError as error:
            text = f"cannot send {verb} of {status.run_id}: {error}"
            raise RetryableError(text) from error
        tracked.take_sent(body, now)
        if isinstance(body, AbortRun) and body.overdue_ms is not None:
            self._metrics.abort_lateness_s.observe(body.overdue_ms / 1000)
        self._log.info("command sent", run_id=status.run_id, attempt=status.attempt, type=verb)

    async def _look(self, look: Look, tracked: Tracked, status: RunStatus) -> None:
        """Ask the API server for the pod by name: the answer is as new as the question."""
        asked_at = self._clock.now()
        path = f"/api/v1/namespaces/{look.namespace}/pods/{look.name}"
        try:
            pod = decode_pod(await self._kube.request("GET", path))
        except KubeNotFoundError:
            self._take_absence(look, tracked, asked_at)
            return
        except (KubeError, UnreadableObjectError) as error:
            text = f"cannot ask for pod {look.name}: {error}"
            raise RetryableError(text, delay_s=UNREACHABLE_DELAY_S) from error
        tracked.confirmed_at = asked_at
        tracked.take_name(look.name, pod.metadata.uid, asked_at)
        if _key_of(pod) != _key(status.project, status.run_id):
            tracked.foreign = True
        elif attempt_of(pod) == status.attempt:
            tracked.take_pod(pod, asked_at, True)

    @staticmethod
    def _take_absence(look: Look, tracked: Tracked, asked_at: datetime) -> None:
        tracked.confirmed_at = tracked.absent_at = asked_at
        tracked.take_name(look.name, "", asked_at)

    def _look_at_all(self, scope: str) -> None:
        for key, tracked in self._runs.items():
            record = tracked.record
            if not scope or record is None or record.status.namespace == scope:
                self._queue.add(key)


def _key(project: str, run_id: str) -> str:
    return f"{project}/{run_id}"


def _key_of(pod: Pod) -> str | None:
    found = run_of(pod)
    return _key(*found) if found is not None else None
