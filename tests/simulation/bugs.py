"""Planted bugs: mistakes that somebody could make, each put in where the services are wired.

Nothing of the services is patched: a bug is another part in the place of the right one. The
simulation must find each of them; one that it does not find is a hole in the simulation.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import msgspec
from msgspec.structs import replace

from runbus.contracts import subjects
from runbus.contracts.events import RunEvent
from runbus.contracts.states import EventType, RunState
from runbus.contracts.status import RunStatus
from runbus.contracts.streams import EVENTS, consumer
from runbus.contracts.transitions import Publisher
from runbus.reading.objects import Pod
from runbus.runtime.inbox import ACK_ACK, Delivery, Inbox
from runbus.runtime.inbox import Handler as HandleMessage
from runbus.runtime.kube import Kube
from runbus.runtime.kube_errors import KubeNotFoundError
from runbus.runtime.leases import lease_subject
from runbus.runtime.pull import Puller
from runbus.runtime.runlog import RunLog, RunRecord, record_of
from runbus.runtime.service import Service
from runbus.sdk.bus import EXPECTED_SEQUENCE, EXPECTED_SUBJECT, Bus
from runbus.state_watcher.__main__ import run as run_watcher
from runbus.state_watcher.handler import Handler as WatcherHandler
from runbus.state_watcher.model import Known, Look
from runbus.state_watcher.owning import Shards
from runbus.state_watcher.packing import HeldRecord
from runbus.state_watcher.tracking import Tracked
from simulation.cluster.session import Session, kube_of
from simulation.services import Wiring
from simulation.world import Plant, Sabotage


def _in(publisher: Publisher, **parts: Any) -> Plant:
    """Return the planting of other parts into one service."""

    def plant(wirings: list[Wiring]) -> list[Wiring]:
        return [replace(each, **parts) if each.publisher is publisher else each for each in wirings]

    return plant


class _EarlyInbox(Inbox):
    async def _fate(self, handler: HandleMessage, delivery: Delivery) -> tuple[str, str | None]:
        await self._answer(delivery, ACK_ACK)
        return await super()._fate(handler, delivery)


class _EarlyService(Service[Any]):
    """Acknowledges before the effect."""

    def inbox(self, consumer_name: str, *, in_hand_max: int) -> Inbox:
        spec = consumer(consumer_name)
        puller = Puller(self.bus, spec.stream, spec.name, in_hand_max=in_hand_max)
        return _EarlyInbox(
            self.bus, puller, self.log, self.clock, set_aside=self.dead_letters.set_aside
        )


class _CarelessBus(Bus):
    """Forgets the expected sequence."""

    async def publish(
        self,
        subject: str,
        body: bytes,
        headers: Mapping[str, str] | None = None,
        *,
        timeout_s: float = 5.0,
    ) -> int:
        kept = dict(headers or {})
        if subject.startswith(f"{subjects.ROOT}.run."):
            kept.pop(EXPECTED_SEQUENCE, None)
            kept.pop(EXPECTED_SUBJECT, None)
        return await super().publish(subject, body, kept, timeout_s=timeout_s)


class _ClockOfTheRun(RunLog):
    """Measures every threshold from the start of the run, as others do."""

    async def publish(
        self,
        event_type: EventType,
        event: RunEvent,
        before: RunRecord | None,
        *,
        traceparent: str | None = None,
        salt: str = "",
    ) -> RunRecord:
        status = event.status
        if not status.state.is_final and status.accepted_at is not None:
            event = replace(event, status=replace(status, since=status.accepted_at))
        return await super().publish(event_type, event, before, traceparent=traceparent, salt=salt)


class _OldNews(RunLog):
    """Takes the message being handled for where the run stands."""

    async def newest(self, project: str, run_id: str, *, since: int = 0) -> RunRecord | None:
        wildcard = subjects.events_of_run(project, run_id).rpartition(".")[0]
        message = await self._bus.last_message(EVENTS, f"{wildcard}.{EventType.ADMITTED.value}")
        return record_of(message) if message is not None else None


class _AnyView(RunLog):
    """Takes what the stream's leader says for the newest, also where it is behind."""

    async def newest(self, project: str, run_id: str, *, since: int = 0) -> RunRecord | None:
        return await super().newest(project, run_id)


class _NoPreconditions(Kube):
    """Deletes whatever has that name."""

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | int] | None = None,
        body: object = None,
        timeout_s: float = 10.0,
    ) -> bytes:
        if method == "DELETE" and isinstance(body, dict):
            body = {key: value for key, value in body.items() if key != "preconditions"}
        return await super().request(method, path, query=query, body=body, timeout_s=timeout_s)


class _NoVersions(Kube):
    """Deletes by uid alone, also what has changed since it was judged."""

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | int] | None = None,
        body: object = None,
        timeout_s: float = 10.0,
    ) -> bytes:
        if method == "DELETE" and isinstance(body, dict):
            body = {**body, "preconditions": {"uid": body["preconditions"]["uid"]}}
        return await super().request(method, path, query=query, body=body, timeout_s=timeout_s)


class _Cached(Kube):
    """Answers from its last list whether a pod is there."""

    _listed: frozenset[str] = frozenset()

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | int] | None = None,
        body: object = None,
        timeout_s: float = 10.0,
    ) -> bytes:
        name = path.partition("/pods/")[2]
        if name and name not in self._listed:
            raise KubeNotFoundError(404, "NotFound", f"{name} is not in the list")
        answer = await super().request(method, path, query=query, body=body, timeout_s=timeout_s)
        if not name:
            items = msgspec.json.decode(answer)["items"]
            self._listed = frozenset(each["metadata"]["name"] for each in items)
        return answer

    @asynccontextmanager
    async def stream(
        self, path: str, query: Mapping[str, str | int], silence_s: float = 90.0
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        async with super().stream(path, query, silence_s) as chunks:
            yield chunks


class _Forgetful(WatcherHandler):
    """Loses the image state between two looks at a pod."""

    def on_pod(self, pod: Pod, seen_at: Any, live: bool) -> None:
        for tracked in filter(None, map(self._runs.get, self._runs)):
            seen = tracked.pods.get(pod.metadata.uid)
            if seen is not None and seen.reading.state is RunState.IMAGE_PULL_BACKOFF:
                reading = replace(seen.reading, state=RunState.PENDING_SCHEDULED)
                tracked.pods[seen.uid] = replace(seen, reading=reading)
        super().on_pod(pod, seen_at, live)


class _Trusting(WatcherHandler):
    """Takes what the watch told last for a view confirmed after the deadline."""

    async def _look(self, look: Look, tracked: Tracked, status: RunStatus) -> None:
        if any(not pod.gone for pod in tracked.pods.values()):
            tracked.confirmed_at = self._clock.now()
        else:
            await super()._look(look, tracked, status)


class _Hasty(WatcherHandler):
    """Judges runs of shards that it has just gained before their first list."""

    def _waits_for_list(self, key: str, run: HeldRecord | RunStatus) -> bool:
        return False

    def _known(self, record: RunRecord, tracked: Tracked) -> Known:
        return replace(super()._known(record, tracked), synced=True)


class _Fearless(Shards):
    """Acts on its shards for as long as it knows nothing else."""

    def may_act(self, run_id: str) -> bool:
        return self.holds(run_id)


class _Clinging(Shards):
    """Goes on with shards that it has let go of."""

    def drop(self, shards: Collection[str]) -> None:
        pass


class _Claimant(Bus):
    """Claims shards without a look at what others claim meanwhile."""

    async def publish(
        self,
        subject: str,
        body: bytes,
        headers: Mapping[str, str] | None = None,
        *,
        timeout_s: float = 5.0,
    ) -> int:
        kept = dict(headers or {})
        if subject.startswith(lease_subject("")) and EXPECTED_SUBJECT in kept:
            del kept[EXPECTED_SUBJECT], kept[EXPECTED_SEQUENCE]
        return await super().publish(subject, body, kept, timeout_s=timeout_s)


def _kube(kind: type[Kube]) -> Callable[[Session], Kube]:
    return lambda session: kube_of(session, kind)


WATCHER, LAUNCHER, ABORTER = Publisher.STATE_WATCHER, Publisher.POD_LAUNCHER, Publisher.ABORTER

BUGS: dict[str, Sabotage] = {
    "the launcher acknowledges before it creates": Sabotage(
        plant=_in(LAUNCHER, make_service=_EarlyService)
    ),
    "the aborter acknowledges before it stores": Sabotage(
        plant=_in(ABORTER, make_service=_EarlyService)
    ),
    "the state-watcher sends no expected sequence": Sabotage(
        plant=_in(WATCHER, make_bus=lambda link: _CarelessBus(link.client.native()))
    ),
    "the server forgets compare-and-set": Sabotage(guards=False),
    "thresholds are measured from the start of the run": Sabotage(
        plant=_in(WATCHER, make_run_log=_ClockOfTheRun)
    ),
    "the launcher does not read the run again before it creates": Sabotage(
        plant=_in(LAUNCHER, make_run_log=_OldNews)
    ),
    "the launcher takes a leader's older view for the newest": Sabotage(
        plant=_in(LAUNCHER, make_run_log=_AnyView)
    ),
    "the aborter deletes without preconditions": Sabotage(
        plant=_in(ABORTER, make_kube=_kube(_NoPreconditions))
    ),
    "the aborter deletes what has changed since it was judged": Sabotage(
        plant=_in(ABORTER, make_kube=_kube(_NoVersions))
    ),
    "the state-watcher trusts a cached list": Sabotage(
        plant=_in(WATCHER, make_kube=_kube(_Cached))
    ),
    "the image state is lost between two pulls": Sabotage(
        plant=_in(WATCHER, run=partial(run_watcher, handler_type=_Forgetful))
    ),
    "deadlines are judged on what the watch told last": Sabotage(
        plant=_in(WATCHER, run=partial(run_watcher, handler_type=_Trusting))
    ),
    "a new owner judges before its first list": Sabotage(
        plant=_in(WATCHER, run=partial(run_watcher, handler_type=_Hasty))
    ),
    "an owner acts after its lease has run out": Sabotage(
        plant=_in(WATCHER, run=partial(run_watcher, shards_type=_Fearless))
    ),
    "an owner goes on with shards that it has let go of": Sabotage(
        plant=_in(WATCHER, run=partial(run_watcher, shards_type=_Clinging))
    ),
    "a claim of shards is not compared with those of others": Sabotage(
        plant=_in(WATCHER, make_bus=lambda link: _Claimant(link.client.native()))
    ),
    "a bucket's revision is taken for the event's sequence": Sabotage(true_sequences=False),
}
