"""Who acts on whose runs: what a state-watcher sends, held against the leases as the bus has them.

Compare-and-set and fences make a second owner harmless, so that no event shows one. This looks at
what each process means to send, at that moment: its lease must be there and name the run's shard,
and a run with objects is judged only once its shard has been listed by this owner; before that only
a passed deadline is, where its pod was asked for by name. And at no moment do two leases name one
shard.
"""

from __future__ import annotations

from collections.abc import Mapping

from runbus.contracts import labels, subjects
from runbus.contracts.identity import shard_of
from runbus.contracts.leases import ALL_SHARDS, read_shard_lease, replica_of
from runbus.contracts.states import OBJECT_STATES, EventType, RunState
from runbus.contracts.status import RunStatus
from runbus.contracts.streams import EVENTS, LEASES_BUCKET
from runbus.runtime.leases import lease_subject
from runbus.runtime.runlog import record_of
from runbus.sdk.bus import StoredMessage
from simulation.bus.server import SimServer
from simulation.bus.streams import EXPECTED, Stored, Stream

_LEASES = f"KV_{LEASES_BUCKET}"
_WITH_OBJECTS = OBJECT_STATES - {RunState.ADMITTED}
_AFTER_THE_LIST = {subjects.CLEANUP, subjects.EVIDENCE_OF} | {
    each.value for each in EventType if each.value not in {state.value for state in _WITH_OBJECTS}
}
_COMMANDS = (subjects.ABORT, subjects.CLEANUP, subjects.EVIDENCE_OF)


class Ownership:
    """Judges what state-watchers send."""

    def __init__(self, server: SimServer) -> None:
        self._server = server
        self._replicas: dict[str, str] = {}  # of each process
        self._unlisted: dict[str, set[str]] = {}  # of each replica: gained, and not listed since
        self._asked: dict[str, set[str]] = {}  # of each replica: runs, since gained
        self._sent: set[tuple[str, str]] = set()
        self.breaches: list[tuple[str, str]] = []

    def on_stored(self, stream: Stream, stored: Stored) -> None:
        """Take note of who has gained shards."""
        replica = self._replica_of(stored.subject) if stream.name == _LEASES else None
        lease = read_shard_lease(stored.data)
        if replica is not None and lease is not None:
            unlisted = self._unlisted.setdefault(replica, set(ALL_SHARDS))
            unlisted |= set(ALL_SHARDS) - set(lease.shards)
            asked = self._asked.get(replica, set())
            self._asked[replica] = {each for each in asked if shard_of(each) in lease.shards}
            self._check_single(replica, lease.shards)

    def _check_single(self, replica: str, shards: tuple[str, ...]) -> None:
        for other in self._unlisted:
            both = set(shards) & set(self._held(other)) if other != replica else set()
            if both:
                text = f"the leases of {replica} and {other} both name {len(both)} shards"
                self.breaches.append(("", text))

    def on_listed(self, service: str, selector: str) -> None:
        """Take note of a list of pods."""
        shards = set(ALL_SHARDS)
        if selector != labels.SHARD:
            shards = set(selector.partition("(")[2].rstrip(")").split(","))
        for process, replica in self._replicas.items():
            if process.rpartition(".")[0] == service:
                self._unlisted[replica] -= shards

    def on_request(self, service: str, method: str, path: str, _data: bytes | None) -> None:
        """Take note of a question for a pod by its name."""
        pod = path.partition("/pods/")[2]
        if method != "GET" or not pod:
            return
        for process, replica in self._replicas.items():
            if process.rpartition(".")[0] == service:
                self._asked.setdefault(replica, set()).add(pod.rsplit("-", 2)[1])

    def on_publish(self, process: str, subject: str, headers: Mapping[str, str]) -> None:
        """Judge what a process is about to send."""
        replica = self._replica_of(subject)
        if replica is not None:
            if process not in self._replicas:  # whatever was before, this one begins anew
                self._unlisted[replica] = set(ALL_SHARDS)
                self._asked[replica] = set()
            self._replicas[process] = replica
            return
        found = _about(subject)
        if found is None:
            return
        project, run_id = found
        if EXPECTED in headers:  # what was sent once may be sent again: it is stored once
            once = (process, headers.get("ce-id", ""))
            if once in self._sent:
                return
            self._sent.add(once)
        self._judge(process, subject, project, run_id)

    def _judge(self, process: str, subject: str, project: str, run_id: str) -> None:
        events = self._server.streams[EVENTS]
        newest = events.last_of(subjects.events_of_run(project, run_id))
        assert newest is not None, "a watcher knows runs from their events"
        message = StoredMessage(newest.subject, newest.sequence, newest.data, newest.headers)
        status = record_of(message).status
        replica, run = self._replicas.get(process, ""), f"{project}/{run_id}"
        if status.shard not in self._held(replica):
            text = f"{process} sends {subject}, and shard {status.shard} is not its own"
            self.breaches.append((run, text))
        elif status.state in _WITH_OBJECTS and not self._is_seen(replica, subject, status):
            text = f"{process} sends {subject} before it has listed shard {status.shard}"
            self.breaches.append((run, text))

    def _is_seen(self, replica: str, subject: str, status: RunStatus) -> bool:
        if status.shard not in self._unlisted[replica]:
            return True
        is_asked = status.run_id in self._asked.get(replica, set())
        return is_asked and set(subject.split(".")).isdisjoint(_AFTER_THE_LIST)

    def _held(self, replica: str) -> tuple[str, ...]:
        stream = self._server.streams[_LEASES]
        stored = stream.last_of(lease_subject(f"state-watcher.{replica}"))
        lease = read_shard_lease(stored.data) if stored is not None else None
        return lease.shards if lease is not None else ()

    @staticmethod
    def _replica_of(subject: str) -> str | None:
        prefix = lease_subject("")
        return replica_of(subject.removeprefix(prefix)) if subject.startswith(prefix) else None


def _about(subject: str) -> tuple[str, str] | None:
    """Return the run that a watcher's command or event is about; None for anything else."""
    tokens = subject.split(".")
    if subject.startswith(f"{subjects.ROOT}.run."):
        event = subjects.parse_event(subject)
        # Anybody may carry out a change of a deadline.
        is_owners = event.event_type != EventType.DEADLINE_CHANGED.value
        return (event.project, event.run_id) if is_owners else None
    if subject.startswith(subjects.ROOT) and tokens[2] in _COMMANDS:
        return tokens[3], tokens[4]
    return None
