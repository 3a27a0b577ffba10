"""The objects of all kinds, in memory.

Owns the global resourceVersion. A write replaces a whole version and appends one watch event;
watchers are woken by a callback. Knows no clock and no rules beyond metadata.
"""

import bisect
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from runbus.localcluster.rules.errors import already_exists, expired_list, not_found
from runbus.localcluster.rules.resources import Resource
from runbus.localcluster.store.history import EventType, History, Stored, WatchEvent

JsonObject = dict[str, Any]
Key = tuple[str, str]
Record = Callable[[Resource, EventType, Stored], None]
_encode = msgspec.json.Encoder().encode


class Collection:
    """The objects of one kind: by key, and their keys in order."""

    def __init__(self, resource: Resource, history: History) -> None:
        self.resource = resource
        self.history = history
        self.objects: dict[Key, Stored] = {}
        self.keys: list[Key] = []
        self.wakers: set[Callable[[], None]] = set()
        fields = "".join(f",{each}" for each in resource.bookmark)
        self._head = f'{{"kind":"{resource.kind}","apiVersion":"{resource.api_version}",'.encode()
        self._bookmark_tail = f'","creationTimestamp":null}}{fields}}}}}\n'.encode()

    def whole(self, stored: Stored) -> bytes:
        """The JSON of a version with kind and apiVersion."""
        return self._head + stored.body[1:]

    def line(self, event: WatchEvent, as_type: EventType) -> bytes:
        """One line of a watch stream, made once for all watchers."""
        line = event.lines.get(as_type)
        if line is None:
            shown = shown_by(event, as_type)
            line = b'{"type":"%b","object":%b}\n' % (as_type.encode(), self.whole(shown))
            event.lines[as_type] = line
        return line

    def bookmark(self, version: int, initial_end: bool = False) -> bytes:
        """A BOOKMARK line: every event up to ``version`` was sent."""
        head = b'{"type":"BOOKMARK","object":' + self._head
        annotation = b""
        if initial_end:
            annotation = b'"annotations":{"k8s.io/initial-events-end":"true"},'
        return b'%b"metadata":{%b"resourceVersion":"%d%b' % (
            head,
            annotation,
            version,
            self._bookmark_tail,
        )


def shown_by(event: WatchEvent, as_type: EventType) -> Stored:
    """The version that a watch event shows.

    A DELETED for an object that merely stopped matching shows its last matching state with the
    version of the change, as a kube-apiserver does.
    """
    if as_type is EventType.DELETED and event.type is EventType.MODIFIED and event.old:
        return _reversioned(event.old, event.version)
    return event.new


def _reversioned(stored: Stored, version: int) -> Stored:
    meta = {**stored.obj["metadata"], "resourceVersion": str(version)}
    obj = {**stored.obj, "metadata": meta}
    return Stored(stored.key, version, obj, _encode(obj))


def _unrecorded(_resource: Resource, _kind: EventType, _stored: Stored) -> None:
    """Keep nothing: the objects live as long as this process."""


class ObjectStore:
    """All collections under one resourceVersion, which starts at ``first_version``.

    ``record`` is told of every change before anybody can see it; where it raises, nothing changes.
    """

    def __init__(
        self,
        resources: tuple[Resource, ...],
        first_version: int,
        history_size: int,
        record: Record = _unrecorded,
    ) -> None:
        self.version = first_version
        self._record = record
        self._collections = {
            each: Collection(each, History(history_size, first_version)) for each in resources
        }

    def collection(self, resource: Resource) -> Collection:
        """The objects of one kind."""
        return self._collections[resource]

    def restore(self, resource: Resource, version: int, obj: JsonObject) -> None:
        """Put back an object of an earlier life: no event, no new version, not recorded."""
        collection = self._collections[resource]
        meta = obj["metadata"]
        key = (meta.get("namespace", ""), meta["name"])
        collection.objects[key] = Stored(key, version, obj, _encode(obj))
        bisect.insort(collection.keys, key)

    def find(self, resource: Resource, namespace: str, name: str) -> Stored | None:
        """The stored version, if there is one."""
        return self._collections[resource].objects.get((namespace, name))

    def get(self, resource: Resource, namespace: str, name: str) -> Stored:
        """The stored version; 404 where there is none."""
        stored = self.find(resource, namespace, name)
        if stored is None:
            raise not_found(resource, name)
        return stored

    def all(self, resource: Resource, namespace: str = "") -> Iterator[Stored]:
        """All versions in the order of their keys, of one namespace or ("") of all."""
        collection = self._collections[resource]
        keys = collection.keys
        if not namespace:
            return (collection.objects[key] for key in keys)
        start = bisect.bisect_left(keys, (namespace, ""))
        end = bisect.bisect_left(keys, (namespace + "\0", ""))
        return (collection.objects[keys[i]] for i in range(start, end))

    def at(self, resource: Resource, version: int, namespace: str = "") -> list[Stored]:
        """All versions as they were at a resourceVersion; 410 where that is forgotten."""
        history = self._collections[resource].history
        position = history.after(version)
        since = None if position is None else history.read(position, history.position)
        if since is None:
            raise expired_list()
        found = {each.key: each for each in self.all(resource, namespace)}
        for event in reversed(since):
            if namespace in {"", event.new.key[0]}:
                found.pop(event.new.key, None)
                if event.old is not None:
                    found[event.new.key] = event.old
        return [found[key] for key in sorted(found)]

    def create(self, resource: Resource, obj: JsonObject) -> Stored:
        """Store a new object; 409 AlreadyExists where its name is taken."""
        collection = self._collections[resource]
        meta = obj["metadata"]
        key = (meta.get("namespace", ""), meta["name"])
        before = collection.objects.get(key)
        if before is not None:
            going = "deletionTimestamp" in before.obj["metadata"]
            raise already_exists(resource, meta["name"], going)
        stored = self._versioned(key, obj)
        self._record(resource, EventType.ADDED, stored)
        collection.objects[key] = stored
        bisect.insort(collection.keys, key)
        self._publish(collection, EventType.ADDED, stored, None)
        return stored

    def replace(self, resource: Resource, old: Stored, obj: JsonObject) -> Stored:
        """Store a new version of an object; ``old`` itself where nothing changed."""
        if obj is old.obj or obj == old.obj:
            return old
        collection = self._collections[resource]
        stored = self._versioned(old.key, obj)
        self._record(resource, EventType.MODIFIED, stored)
        collection.objects[old.key] = stored
        self._publish(collection, EventType.MODIFIED, stored, old)
        return stored

    def remove(self, resource: Resource, old: Stored) -> Stored:
        """Remove an object; its last version gets a resourceVersion of its own."""
        collection = self._collections[resource]
        stored = self._versioned(old.key, old.obj)
        self._record(resource, EventType.DELETED, stored)
        del collection.objects[old.key]
        del collection.keys[bisect.bisect_left(collection.keys, old.key)]
        self._publish(collection, EventType.DELETED, stored, old)
        return stored

    def forget_history(self) -> None:
        """Drop the events of every kind; watches from the past get 410."""
        self.version += 1
        for collection in self._collections.values():
            collection.history.forget()
            collection.history.forgotten = self.version

    def _versioned(self, key: Key, obj: JsonObject) -> Stored:
        self.version += 1
        obj = {**obj, "metadata": {**obj["metadata"], "resourceVersion": str(self.version)}}
        return Stored(key, self.version, obj, _encode(obj))

    def _publish(
        self, collection: Collection, kind: EventType, new: Stored, old: Stored | None
    ) -> None:
        collection.history.append(WatchEvent(self.version, kind, new, old, {}))
        for wake in collection.wakers:
            wake()
