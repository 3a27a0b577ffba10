"""Deletes what belongs to deleted owners: background, foreground, orphan.

Watches the metadata of every kind that can own or be owned; decisions are in ``ownership.py``.
"""

import asyncio
from typing import Any

import msgspec
import structlog

from runbus.localcluster.client import (
    MERGE_PATCH,
    ApiClient,
    Reflector,
    RequestRefused,
    ServerUnreachableError,
)
from runbus.localcluster.janitor.ownership import (
    FOREGROUND,
    ORPHAN,
    Fate,
    OwnerState,
    blocks,
    fate,
    state_of_owner,
    without,
)
from runbus.localcluster.rules.resources import EVENTS, RESOURCES, Resource
from runbus.localcluster.rules.shapes import Meta, OwnerReference, Shape

JsonObject = dict[str, Any]
_WATCHED = tuple(each for each in RESOURCES if not each.read_only and each is not EVENTS)
_BY_KIND = {(each.api_version, each.kind): each for each in _WATCHED}
_RETRY_S = 0.5
_SETTLED = (404, 409)
_log = structlog.get_logger("janitor")


class Owned(Shape, frozen=True):
    """What is read of any object here."""

    metadata: Meta = Meta()


class Collector:
    """Collects garbage as long as ``run`` does."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client
        self._objects: dict[str, tuple[Resource, Meta]] = {}
        self._dependents: dict[str, set[str]] = {}
        self._queue: dict[str, None] = {}
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """Collect for ever; ends by cancellation only."""
        async with asyncio.TaskGroup() as group:
            for resource in _WATCHED:
                reflector = self._reflector(resource)
                group.create_task(reflector.run())
                await reflector.synced.wait()
            while True:
                await self._wake.wait()
                self._wake.clear()
                await self._work()

    def _reflector(self, resource: Resource) -> Reflector[Owned]:
        def changed(each: Owned) -> None:
            self._changed(resource, each.metadata)

        def removed(each: Owned) -> None:
            self._removed(each.metadata)

        return Reflector(self._client, _base(resource), Owned, changed, removed)

    def _changed(self, resource: Resource, meta: Meta) -> None:
        before = self._objects.get(meta.uid)
        self._objects[meta.uid] = (resource, meta)
        if before is not None:
            for each in before[1].owner_references or ():
                self._dependents.get(each.uid, set()).discard(meta.uid)
        for each in meta.owner_references or ():
            self._dependents.setdefault(each.uid, set()).add(meta.uid)
        if meta.owner_references or meta.deletion_timestamp:
            self._put(meta.uid)

    def _removed(self, meta: Meta) -> None:
        self._objects.pop(meta.uid, None)
        for each in meta.owner_references or ():
            self._dependents.get(each.uid, set()).discard(meta.uid)
            self._put(each.uid)  # it may have waited for this one
        for uid in self._dependents.pop(meta.uid, set()):
            self._put(uid)

    def _put(self, uid: str) -> None:
        self._queue[uid] = None
        self._wake.set()

    async def _work(self) -> None:
        while self._queue:
            uid = next(iter(self._queue))
            del self._queue[uid]
            if uid not in self._objects:
                continue
            try:
                await self._process(*self._objects[uid])
            except RequestRefused as refusal:
                if refusal.code not in _SETTLED:
                    _log.warning("garbage cannot be collected", why=refusal.message)
                    self._queue[uid] = None
                    await asyncio.sleep(_RETRY_S)
            except ServerUnreachableError:
                self._queue[uid] = None
                await asyncio.sleep(_RETRY_S)

    async def _process(self, resource: Resource, meta: Meta) -> None:
        finalizers = meta.finalizers or ()
        if meta.deletion_timestamp and ORPHAN in finalizers:
            await self._orphan(resource, meta)
        elif meta.deletion_timestamp and FOREGROUND in finalizers:
            await self._go_last(resource, meta)
        if not meta.owner_references or meta.deletion_timestamp:
            return
        states = [await self._state(each, meta.namespace) for each in meta.owner_references]
        match fate(states, bool(self._dependents.get(meta.uid))):
            case Fate.FORGET:
                gone = [
                    each.uid
                    for each, state in zip(meta.owner_references, states, strict=True)
                    if state is not OwnerState.THERE
                ]
                await self._forget(resource, meta, gone)
            case Fate.DELETE:
                await self._delete(resource, meta, "Background")
            case Fate.DELETE_FOREGROUND:
                await self._delete(resource, meta, "Foreground")
            case Fate.KEEP:
                return

    async def _state(self, reference: OwnerReference, namespace: str) -> OwnerState:
        known = self._objects.get(reference.uid)
        if known is not None:
            return state_of_owner(known[1])
        resource = _BY_KIND.get((reference.api_version, reference.kind))
        if resource is None:
            return OwnerState.THERE
        try:  # the watch may lag behind
            raw = await self._client.get(_path(resource, namespace, reference.name))
        except RequestRefused as refusal:
            if refusal.code == 404:
                return OwnerState.GONE
            raise
        found = msgspec.json.decode(raw, type=Owned).metadata
        return state_of_owner(found) if found.uid == reference.uid else OwnerState.GONE

    async def _orphan(self, resource: Resource, owner: Meta) -> None:
        """Let the dependents of an owner live on without it."""
        for uid in list(self._dependents.get(owner.uid, ())):
            if uid in self._objects:
                await self._forget(*self._objects[uid], [owner.uid])
        await self._drop_finalizer(resource, owner, ORPHAN)

    async def _go_last(self, resource: Resource, owner: Meta) -> None:
        """Delete the dependents of an owner; it goes when none is left that blocks it."""
        blocked = False
        for uid in list(self._dependents.get(owner.uid, ())):
            if uid not in self._objects:
                continue
            dependent = self._objects[uid][1]
            blocked = blocked or blocks(dependent, owner.uid)
            if not dependent.deletion_timestamp:
                self._put(uid)
        if not blocked:
            await self._drop_finalizer(resource, owner, FOREGROUND)

    async def _forget(self, resource: Resource, meta: Meta, gone: list[str]) -> None:
        left = without(meta.owner_references or (), gone)
        references = [_plain(msgspec.to_builtins(each)) for each in left]
        await self._patch(resource, meta, {"ownerReferences": references})

    async def _drop_finalizer(self, resource: Resource, meta: Meta, name: str) -> None:
        left = [each for each in meta.finalizers or () if each != name]
        await self._patch(resource, meta, {"finalizers": left})

    async def _patch(self, resource: Resource, meta: Meta, changes: JsonObject) -> None:
        fence = {"uid": meta.uid, "resourceVersion": meta.resource_version}
        path = _path(resource, meta.namespace, meta.name)
        await self._client.send("PATCH", path, {"metadata": {**fence, **changes}}, MERGE_PATCH)

    async def _delete(self, resource: Resource, meta: Meta, policy: str) -> None:
        options = {"preconditions": {"uid": meta.uid}, "propagationPolicy": policy}
        await self._client.send("DELETE", _path(resource, meta.namespace, meta.name), options)


def _base(resource: Resource) -> str:
    group = f"/apis/{resource.group}" if resource.group else "/api"
    return f"{group}/{resource.version}/{resource.plural}"


def _path(resource: Resource, namespace: str, name: str) -> str:
    head, _, plural = _base(resource).rpartition("/")
    if not resource.namespaced:
        return f"{head}/{plural}/{name}"
    return f"{head}/namespaces/{namespace}/{plural}/{name}"


def _plain(reference: JsonObject) -> JsonObject:
    return {key: value for key, value in reference.items() if value is not None}
