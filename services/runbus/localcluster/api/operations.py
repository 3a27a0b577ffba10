"""The verbs on objects, without HTTP: rules and store put together.

Everything here is synchronous, so that a write is whole: nothing else happens between the check
of a precondition and the change. Time, uids and random suffixes come from the ``Sources`` given.
"""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from runbus.localcluster.rules import admission, binding, deletion, field_managers, writes
from runbus.localcluster.rules.deletion import DeleteOptions
from runbus.localcluster.rules.errors import forbidden, not_found
from runbus.localcluster.rules.field_managers import Writer
from runbus.localcluster.rules.resources import (
    NAMESPACES,
    PODS,
    PRIORITY_CLASSES,
    QUOTAS,
    SERVICE_ACCOUNTS,
    Resource,
    Target,
)
from runbus.localcluster.rules.timestamps import to_time
from runbus.localcluster.store.history import Stored
from runbus.localcluster.store.store import ObjectStore

JsonObject = dict[str, Any]
_ALWAYS_THERE = frozenset(("default", "kube-node-lease", "kube-public", "kube-system"))


class Sources(msgspec.Struct, frozen=True):
    """Where time and chance come from: seconds since the epoch, uids, name suffixes."""

    now_s: Callable[[], float]
    uid: Callable[[], str]
    suffix: Callable[[], str]


class Operations:
    """What the API can do to objects. Every method raises ``ApiError`` for a refusal."""

    def __init__(self, store: ObjectStore, sources: Sources, create_namespaces: bool) -> None:
        self.store = store
        self._sources = sources
        self._create_namespaces = create_namespaces

    @property
    def now_s(self) -> float:
        """The time of this request, in seconds since the epoch."""
        return self._sources.now_s()

    def create(self, target: Target, body: Any, dry_run: bool = False) -> Stored:
        """Create an object; where a namespace does not exist, 404 or it is created first."""
        resource, namespace = target.resource, target.namespace
        sources = self._sources
        now = to_time(sources.now_s())
        self._admit_namespace(target, body, dry_run)
        obj = writes.prepare_create(resource, body, namespace, sources.uid(), now, sources.suffix())
        if resource is PODS:
            obj = self._admit_pod(obj)
        elif resource is QUOTAS:
            obj = {**obj, "status": admission.quota_status(obj, self._pods(namespace))}
        if dry_run:
            meta = {k: v for k, v in obj["metadata"].items() if k != "resourceVersion"}
            return _unstored({**obj, "metadata": meta})
        stored = self.store.create(resource, obj)
        if resource is NAMESPACES:
            self._furnish(obj["metadata"]["name"])
        if resource is PODS:
            self._count_quotas(namespace)
        return stored

    def _admit_namespace(self, target: Target, body: Any, dry_run: bool) -> None:
        if not target.resource.namespaced:
            return
        stored = self.store.find(NAMESPACES, "", target.namespace)
        if stored is None:
            if not self._create_namespaces:
                raise not_found(NAMESPACES, target.namespace)
            if not dry_run:
                self.create_namespace(target.namespace)
        elif "deletionTimestamp" in stored.obj["metadata"]:
            meta = body.get("metadata") if isinstance(body, dict) else None
            name = str((meta or {}).get("name", ""))
            why = (
                f"unable to create new content in namespace {target.namespace} "
                "because it is being terminated"
            )
            raise forbidden(target.resource, name, why)

    def create_namespace(self, name: str) -> Stored:
        """Create a namespace with its default service account."""
        labels = {"kubernetes.io/metadata.name": name}
        body = {"metadata": {"name": name, "labels": labels}}
        return self.create(Target(NAMESPACES), body)

    def _furnish(self, namespace: str) -> None:
        body = {"metadata": {"name": "default"}}
        self.create(Target(SERVICE_ACCOUNTS, namespace), body)

    def _admit_pod(self, pod: JsonObject) -> JsonObject:
        meta = pod["metadata"]
        namespace = meta["namespace"]
        classes = (each.obj for each in self.store.all(PRIORITY_CLASSES))
        pod = admission.with_priority(pod, classes)
        account = pod["spec"]["serviceAccountName"]
        if self.store.find(SERVICE_ACCOUNTS, namespace, account) is None:
            raise admission.missing_account(pod)
        if self.store.find(PODS, namespace, meta["name"]) is None:
            for quota in self.store.all(QUOTAS, namespace):
                admission.check_quota(pod, quota.obj, self._pods(namespace))
        return pod

    def _pods(self, namespace: str) -> Iterator[JsonObject]:
        return (each.obj for each in self.store.all(PODS, namespace))

    def _count_quotas(self, namespace: str) -> None:
        for quota in list(self.store.all(QUOTAS, namespace)):
            status = admission.quota_status(quota.obj, self._pods(namespace))
            self.store.replace(QUOTAS, quota, {**quota.obj, "status": status})

    def writer(self, target: Target, name: str) -> Writer:
        """Who writes now, as owner of fields."""
        now = to_time(self._sources.now_s())
        return Writer(name, target.resource.api_version, now, target.subresource)

    def apply(
        self, target: Target, config: JsonObject, writer: Writer, *, force: bool, dry_run: bool
    ) -> tuple[Stored, bool]:
        """Apply a document (server-side); says whether that created the object."""
        there = self.store.find(target.resource, target.namespace, target.name)
        if there is None and not target.subresource:
            meta = {**config["metadata"], "name": config["metadata"].get("name") or target.name}
            body = field_managers.first_applied({**config, "metadata": meta}, writer)
            if meta["name"] != target.name:
                raise writes.misnamed(meta["name"], target.name)
            return self.create(target, body, dry_run), True

        def change(shown: JsonObject) -> JsonObject:
            return field_managers.apply(shown, config, writer, force=force)

        return self.update(target, change, dry_run, patched=True), False

    def update(
        self,
        target: Target,
        change: Callable[[JsonObject], Any],
        dry_run: bool,
        writer: Writer | None = None,
        patched: bool = False,
    ) -> Stored:
        """Replace an object by what ``change`` makes of it (with kind and apiVersion).

        ``writer`` owns from now on what it changes; None: the change has said who does.
        ``patched``: the change is a patch, whose mistakes have other words.
        """
        resource = target.resource
        old = self.store.get(resource, target.namespace, target.name)
        shown = {"kind": resource.kind, "apiVersion": resource.api_version, **old.obj}
        new = writes.prepare_update(resource, old.obj, change(shown), target.subresource, patched)
        if writer is not None and new is not old.obj:
            new = field_managers.updated(old.obj, new, writer)
        if new is old.obj or dry_run:
            return old if new is old.obj else _unstored(new)
        if deletion.finished(resource, new):  # it goes as it was; the writer is shown the update
            self._remove(resource, old)
            return _unstored(new)
        stored = self.store.replace(resource, old, new)
        if resource is PODS and _ended(stored.obj) and not _ended(old.obj):
            self._count_quotas(target.namespace)
        elif resource is QUOTAS:
            self._count_quotas(target.namespace)
            stored = self.store.get(resource, target.namespace, target.name)
        return stored

    def delete(self, target: Target, options: DeleteOptions) -> tuple[Stored, bool]:
        """Delete an object; gives the version to answer with and whether it is gone by that."""
        stored = self.store.get(target.resource, target.namespace, target.name)
        return self._delete(target.resource, stored, options)

    def _delete(
        self, resource: Resource, stored: Stored, options: DeleteOptions
    ) -> tuple[Stored, bool]:
        name = stored.obj["metadata"]["name"]
        if resource is NAMESPACES and name in _ALWAYS_THERE:
            raise forbidden(resource, name, "this namespace may not be deleted")
        decided = deletion.decide_deletion(resource, stored.obj, options, self._sources.now_s())
        if options.dry_run:
            shown = stored if decided.marked is None else _unstored(decided.marked)
            return shown, decided.gone
        if decided.marked is not None:
            stored = self.store.replace(resource, stored, decided.marked)
        if decided.gone:
            self._remove(resource, stored)
        return stored, decided.gone

    def _remove(self, resource: Resource, stored: Stored) -> None:
        self.store.remove(resource, stored)
        if resource is PODS:
            self._count_quotas(stored.key[0])

    def delete_selected(
        self, resource: Resource, selected: list[Stored], options: DeleteOptions
    ) -> None:
        """Delete each object of a list, each with the same options."""
        for each in selected:
            self._delete(resource, each, options)

    def bind(self, target: Target, body: Any) -> None:
        """Give a pod its node."""
        old = self.store.get(PODS, target.namespace, target.name)
        now = to_time(self._sources.now_s())
        self.store.replace(PODS, old, binding.bind(old.obj, body, now))

    def evict(self, target: Target, options: DeleteOptions) -> None:
        """Delete a pod as an eviction: the condition DisruptionTarget stays on it."""
        stored = self.store.get(PODS, target.namespace, target.name)
        if not _ended(stored.obj) and not options.dry_run:
            pod = binding.disrupted(stored.obj, to_time(self._sources.now_s()))
            deletion.decide_deletion(PODS, stored.obj, options, self._sources.now_s())
            stored = self.store.replace(PODS, stored, pod)
            options = msgspec.structs.replace(options, resource_version=None)
        self._delete(PODS, stored, options)

    def expire_events(self, resource: Resource, older_than: str) -> int:
        """Remove Kubernetes events created before a time; gives how many."""
        old = [
            each
            for each in self.store.all(resource)
            if each.obj["metadata"]["creationTimestamp"] < older_than
        ]
        for each in old:
            self.store.remove(resource, each)
        return len(old)


def _ended(pod: JsonObject) -> bool:
    return (pod.get("status") or {}).get("phase") in {"Succeeded", "Failed"}


def _unstored(obj: JsonObject) -> Stored:
    meta = obj["metadata"]
    key = (meta.get("namespace", ""), meta["name"])
    return Stored(key, 0, obj, msgspec.json.encode(obj))
