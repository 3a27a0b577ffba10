"""The shell: pods and events in, one look at a run at a time, decisions carried out.

Gather (tracking) -> decide -> act. Every input only marks its run to be looked at; the work queue
looks at each run with one worker at a time and rings at its next deadline.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from functools import partial
from typing import Protocol, assert_never

from msgspec.structs import replace

from runbus.contracts import codec, envelope, subjects
from runbus.contracts.commands import AbortRun, CleanUpObjects, KeepEvidence
from runbus.contracts.identity import shard_of
from runbus.contracts.states import OBJECT_STATES, RunState
from runbus.contracts.status import RunStatus
from runbus.reading.clocks import by_our_clock
from runbus.reading.nodes import is_spot_node
from runbus.reading.objects import Pod, UnreadableObjectError, decode_pod
from runbus.reading.owners import attempt_of, run_of
from runbus.runtime.clock import Clock
from runbus.runtime.errors import RetryableError
from runbus.runtime.kube import Kube
from runbus.runtime.kube_errors import KubeError, KubeNotFoundError
from runbus.runtime.logs import Log
from runbus.runtime.metrics import Metrics
from runbus.runtime.runlog import RunLog, RunRecord, StaleError
from runbus.runtime.tracing import Sent, Tracing
from runbus.runtime.workqueue import WorkQueue
from runbus.sdk.bus import MESSAGE_ID, Bus
from runbus.sdk.errors import BusError
from runbus.state_watcher.decide import Rules, decide
from runbus.state_watcher.holding import Runs
from runbus.state_watcher.model import Command, Decision, Known, Look, Publish
from runbus.state_watcher.nodes import Nodes
from runbus.state_watcher.packing import HeldRecord
from runbus.state_watcher.pod_events import ask_autoscaler
from runbus.state_watcher.purging import LivePurger
from runbus.state_watcher.scopes import Scopes
from runbus.state_watcher.tracking import Tracked

STEPS_MAX = 20  # of one look: events stored and questions asked in a row
UNREACHABLE_DELAY_S = 5.0
REPEATED_ABORT_S = 60
LEASE_AGAIN_S = 0.5
# Of these only a list tells whether their object is there.
_WITH_OBJECTS = OBJECT_STATES - {RunState.ADMITTED}


class Fence(Protocol):
    """Whose runs they are."""

    def holds(self, run_id: str) -> bool:
        """Whether a run is one of ours to know about."""
        ...

    def may_act(self, run_id: str) -> bool:
        """Whether it cannot be another's yet, by our own clock (ADR 27)."""
        ...


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
        scopes: Scopes,
        runs: Runs,
        nodes: Nodes,
        purger: LivePurger,
        fence: Fence,
        metrics: Metrics | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        self._run_log = run_log
        self._bus = bus
        self._kube = kube
        self._queue = queue
        self._rules = rules
        self._clock = clock
        self._log = log
        self._runs = runs
        self._scopes = scopes
        self._nodes = nodes
        self._purger = purger
        self._fence = fence
        self._metrics = metrics or Metrics()
        self._tracing = tracing or Tracing()

    def __len__(self) -> int:
        """Return how many runs are held in memory."""
        return len(self._runs)

    # What comes in. Each only takes note and marks the run.

    def on_record(self, record: RunRecord) -> None:
        """Take an event of a run."""
        if not self._fence.holds(record.status.run_id):
            return
        key = _key(record.status.project, record.status.run_id)
        if record.status.state.is_final:
            self._purger.add(record.status)
        if record.status.state.is_final and key not in self._runs:
            return  # nothing of it is in sight: a pod that turns up brings it back
        tracked = self._runs.add(key)
        if not tracked.take_record(record, self._clock.now()):
            return
        if self._waits_for_list(key, record.status):
            self._queue.set_alarm(key, record.status.deadline)
        else:
            self._queue.add(key)

    def on_pod(self, pod: Pod, seen_at: datetime, live: bool) -> None:
        """Take a pod as it is now."""
        key = _key_of(pod)
        if key is None or not self._fence.holds(_run_id_of(key)):
            return
        tracked = self._runs.add(key)
        listing = self._scopes.listing(pod.metadata.namespace)
        if tracked.take_pod(pod, seen_at, live, listing):
            self._mark(key, tracked.newest)

    def on_pod_gone(self, pod: Pod, seen_at: datetime) -> None:
        """Take the last version of a pod that has been removed."""
        key = _key_of(pod)
        tracked = self._runs.get(key) if key is not None else None
        if key is not None and tracked is not None:
            tracked.take_gone(pod, seen_at)
            self._mark(key, tracked.newest)

    def on_list_begun(self, scope: str) -> int:
        """Learn that a list of one scope begins; return its number."""
        return self._scopes.begin_list(scope)

    def on_list(self, scope: str, number: int, shards: Collection[str]) -> None:
        """Learn that a list of shards is in: whom it did not show is asked for, run by run."""
        self._scopes.complete_list(scope, number, shards)
        for key in self._runs:
            if shard_of(_run_id_of(key)) in shards:
                self._queue.add(key)

    def on_reachable(self, scope: str, reachable: bool, shards: Collection[str]) -> None:
        """Learn whether a watch of shards is answered; look again at their runs once it is."""
        again = self._scopes.set_reachable(scope, reachable, self._clock.now(), shards)
        for key in self._runs if again else ():
            if shard_of(_run_id_of(key)) in again:
                self._queue.add(key)

    def drop(self, shards: Collection[str]) -> None:
        """Forget the runs that are not ours any more, and their timers."""
        self._scopes.forget(shards)
        for key in self._runs:
            if not self._fence.holds(_run_id_of(key)):
                self._runs.remove(key)
                self._queue.forget(key)

    def _mark(self, key: str, newest: HeldRecord | None) -> None:
        """Have a run looked at, unless its first list comes before anything of it counts."""
        if newest is None or not self._waits_for_list(key, newest):
            self._queue.add(key)

    def _waits_for_list(self, key: str, run: HeldRecord | RunStatus) -> bool:
        if run.state not in _WITH_OBJECTS:
            return False
        return not self._scopes.is_synced(run.namespace, shard_of(_run_id_of(key)))

    # Looking at one run.

    async def look_at(self, key: str) -> None:
        """Decide about a run and act, until there is nothing to do now."""
        with self._runs.in_hand(key):
            tracked = self._runs.get(key)
            if tracked is not None:
                await self._look_at(key, tracked)

    async def _look_at(self, key: str, tracked: Tracked) -> None:
        for _ in range(STEPS_MAX):
            record = tracked.record or await self._look_up(key, tracked)
            if record is None:
                return
            if self._waits_for_list(key, record.status) and not self._is_overdue(record.status):
                self._queue.set_alarm(key, record.status.deadline)
                return
            tracked.take_lists(partial(self._scopes.complete, shard=record.status.shard))
            known = self._with_node(key, self._known(record, tracked), tracked)
            decision = decide(known, self._clock.now(), self._rules)
            with self._tracing.within(record.traceparent):
                is_done = await self._carry_out(decision, record, tracked)
            if is_done:
                self._settle(key, tracked, decision)
                return
        text = f"{key} did not come to rest within {STEPS_MAX} steps"
        raise RetryableError(text, delay_s=1.0)

    def _is_overdue(self, status: RunStatus) -> bool:
        """Whether a limit has passed: a question by name says enough, ahead of the list."""
        return status.deadline is not None and status.deadline <= self._clock.now()

    async def _carry_out(self, decision: Decision, record: RunRecord, tracked: Tracked) -> bool:
        """Do what was decided; True if nothing is left to decide now."""
        for command in decision.commands:
            await self._send(command, record, tracked)
        if decision.publish is not None:
            await self._publish(decision.publish, record, tracked)
        elif decision.look is not None:
            await self._look(decision.look, tracked, record.status)
        elif decision.ask is not None:
            now = self._clock.now()
            tracked.autoscaler = await ask_autoscaler(self._kube, decision.ask, now, self._log)
        else:
            return True
        return False

    def _known(self, record: RunRecord, tracked: Tracked) -> Known:
        """Return the snapshot to decide on. What is not watched is asked for by name."""
        namespace, scopes = record.status.namespace, self._scopes
        return tracked.known(
            record,
            synced=scopes.is_synced(namespace, record.status.shard),
            reachable=scopes.is_reachable(namespace, record.status.shard),
            watched=scopes.is_watched(namespace),
            reconnected_at=scopes.reconnected_at(namespace, record.status.shard),
        )

    def _with_node(self, key: str, known: Known, tracked: Tracked) -> Known:
        """Note what sort of node the run's pod is on, as far as it is known: nothing waits."""
        pod = known.on_unknown_node
        node = self._nodes.ask(pod.reading.node_name, key) if pod is not None else None
        if pod is None or node is None:
            return known
        if node.labels is None:
            return replace(known, is_node_lost=True)
        tracked.take_node(pod.uid, is_spot=is_spot_node(node.labels, known.status.spot_labels))
        return replace(known, pods=tuple(tracked.pods.values()))

    def _settle(self, key: str, tracked: Tracked, decision: Decision) -> None:
        if decision.forget and self._runs.get(key) is tracked:
            self._runs.remove(key)
            self._queue.forget(key)
        else:
            self._queue.set_alarm(key, decision.wake_at)

    async def _look_up(self, key: str, tracked: Tracked) -> RunRecord | None:
        """Find the run of a pod that came before any of its events, from the leader."""
        project, _, run_id = key.partition("/")
        record = await self._run_log.newest(project, run_id)
        if record is not None:
            tracked.take_record(record, self._clock.now())
        if tracked.record is not None:  # or an event of it has come meanwhile
            return tracked.record
        self._log.warning("pod of a run that nobody knows", run_id=run_id, project=project)
        self._runs.remove(key)
        return None

    async def _publish(self, publish: Publish, record: RunRecord, tracked: Tracked) -> None:
        status = publish.event.status
        self._check_lease(status.run_id)
        log = self._log.bind(run_id=status.run_id, attempt=status.attempt)
        try:
            stored = await self._run_log.publish(publish.event_type, publish.event, record)
        except StaleError as error:
            log.info("run moved on", type=publish.event_type.value, outcome="stale")
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
        self._check_lease(status.run_id)
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
                once = f"evidence-{status.run_id}-{body.attempt}-{body.cause}"
            case _:
                assert_never(body)
        subject = subjects.command(verb, status.project, status.run_id)
        headers = {MESSAGE_ID: once} if once else {}
        began_ns, traceparent = self._tracing.now_ns(), self._tracing.child(record.traceparent)
        if traceparent is not None:
            headers[envelope.TRACEPARENT] = traceparent
        try:
            await self._bus.publish(subject, codec.encode(body), headers)
        except BusError as error:
            text = f"cannot send {verb} of {status.run_id}: {error}"
            raise RetryableError(text) from error
        if traceparent is not None:
            sent = Sent(
                subject=subject,
                message_id=once,
                traceparent=traceparent,
                parent=record.traceparent,
                began_ns=began_ns,
            )
            self._tracing.sent(sent)
        tracked.take_sent(body, now)
        if isinstance(body, AbortRun) and body.overdue_ms is not None:
            self._metrics.abort_lateness_s.observe(body.overdue_ms / 1000)
        self._log.info("command sent", run_id=status.run_id, attempt=status.attempt, type=verb)

    def _check_lease(self, run_id: str) -> None:
        """Refuse to act on what may be another's by now; if it is not, it comes back."""
        if not self._fence.may_act(run_id):
            text = f"run {run_id} is not ours while the lease is not renewed"
            raise RetryableError(text, delay_s=LEASE_AGAIN_S)

    async def _look(self, look: Look, tracked: Tracked, status: RunStatus) -> None:
        """Ask the API server for the pod by name: the answer is as new as the question."""
        asked_at = self._clock.now()
        path = f"/api/v1/namespaces/{look.namespace}/pods/{look.name}"
        try:
            found = decode_pod(await self._kube.request("GET", path))
        except KubeNotFoundError:
            self._take_absence(look, tracked, asked_at)
            return
        except (KubeError, UnreadableObjectError) as error:
            text = f"cannot ask for pod {look.name}: {error}"
            delay_s = UNREACHABLE_DELAY_S
            if isinstance(error, KubeError):
                delay_s = error.wait_s(delay_s)
            raise RetryableError(text, delay_s=delay_s) from error
        pod = by_our_clock(found, self._kube.clock_offset)
        tracked.confirmed_at = asked_at
        tracked.take_name(look.name, pod.metadata.uid, asked_at)
        if _key_of(pod) != _key(status.project, status.run_id):
            tracked.foreign_uid = pod.metadata.uid
        elif attempt_of(pod) == status.attempt:
            is_live = self._scopes.is_synced(status.namespace, status.shard)
            # A list that is under way may be of a moment after this one: it has to show the pod.
            listing = self._scopes.complete(look.namespace, status.shard)
            tracked.take_answer(pod, asked_at, listing, live=is_live)

    @staticmethod
    def _take_absence(look: Look, tracked: Tracked, asked_at: datetime) -> None:
        tracked.confirmed_at = tracked.absent_at = asked_at
        tracked.take_name(look.name, "", asked_at)


def _key(project: str, run_id: str) -> str:
    return f"{project}/{run_id}"


def _run_id_of(key: str) -> str:
    return key.rpartition("/")[2]


def _key_of(pod: Pod) -> str | None:
    found = run_of(pod)
    return _key(*found) if found is not None else None
