"""Writes Kubernetes events for a component: counted, limited, never waited for.

As in client-go: the same event again raises the count of the stored one; each component may
write so many a second, the rest is dropped, since events are a courtesy.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import msgspec

from runbus.localcluster.client import (
    MERGE_PATCH,
    ApiClient,
    RequestRefused,
    ServerUnreachableError,
)
from runbus.localcluster.rules.shapes import Meta
from runbus.localcluster.rules.timestamps import to_time

JsonObject = dict[str, Any]
_QUEUE = 1000
_REMEMBERED = 4096
_PER_SECOND, _BURST = 50.0, 200.0


class About(msgspec.Struct, frozen=True):
    """The object an event is about."""

    kind: str
    name: str
    namespace: str
    uid: str
    field_path: str = ""

    @classmethod
    def pod(cls, meta: Meta, field_path: str = "") -> "About":
        """The reference to a pod, or to a part of it."""
        return cls("Pod", meta.name, meta.namespace, meta.uid, field_path)


class _Note(msgspec.Struct, frozen=True):
    about: About
    type: str
    reason: str
    message: str


class Recorder:
    """Takes events at once (``record``) and writes them in ``run``."""

    def __init__(
        self, client: ApiClient, component: str, host: str, now_s: Callable[[], float]
    ) -> None:
        self._client = client
        self._component = component
        self._host = host
        self._now_s = now_s
        self._queue: asyncio.Queue[_Note] = asyncio.Queue(_QUEUE)
        self._known: OrderedDict[_Note, tuple[str, int]] = OrderedDict()
        self._tokens = _BURST
        self._filled_s = now_s()
        self._serial = 0

    def record(self, about: About, kind: str, reason: str, message: str) -> None:
        """Note an event; ``kind`` is Normal or Warning. Dropped where there are too many."""
        now_s = self._now_s()
        self._tokens = min(_BURST, self._tokens + (now_s - self._filled_s) * _PER_SECOND)
        self._filled_s = now_s
        if self._tokens < 1 or self._queue.full():
            return
        self._tokens -= 1
        self._queue.put_nowait(_Note(about, kind, reason, message))

    async def run(self) -> None:
        """Write what is noted, one at a time; ends by cancellation only."""
        while True:
            note = await self._queue.get()
            try:
                await self._write(note)
            except (RequestRefused, ServerUnreachableError):
                self._known.pop(note, None)

    async def _write(self, note: _Note) -> None:
        path = f"/api/v1/namespaces/{note.about.namespace or 'default'}/events"
        now = to_time(self._now_s())
        if note in self._known:
            name, count = self._known.pop(note)
            patch = {"count": count + 1, "lastTimestamp": now}
            await self._client.send("PATCH", f"{path}/{name}", patch, MERGE_PATCH)
            self._known[note] = (name, count + 1)
            return
        self._serial += 1
        name = f"{note.about.name}.{int(self._now_s() * 1e6):x}{self._serial & 0xFFF:03x}"
        await self._client.send("POST", path, self._event(note, name, now))
        self._known[note] = (name, 1)
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)

    def _event(self, note: _Note, name: str, now: str) -> JsonObject:
        about = note.about
        involved = {
            "kind": about.kind,
            "namespace": about.namespace,
            "name": about.name,
            "uid": about.uid,
            "apiVersion": "v1",
        }
        if about.field_path:
            involved["fieldPath"] = about.field_path
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": about.namespace or "default"},
            "involvedObject": {key: value for key, value in involved.items() if value},
            "reason": note.reason,
            "message": note.message,
            "source": {"component": self._component, "host": self._host},
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
            "type": note.type,
            "eventTime": None,
            "reportingComponent": self._component,
            "reportingInstance": self._host,
        }
