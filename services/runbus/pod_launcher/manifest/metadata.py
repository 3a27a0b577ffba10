"""What every object of a run is called, and what it is labelled with.

The run's own labels are the only way in which the state-watcher and the aborter find what belongs
to a run; users' labels never replace them. It must not know kinds or containers.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

from runbus.contracts import labels
from runbus.contracts.document import QueueSystem, RunDocument
from runbus.contracts.identity import object_name
from runbus.contracts.states import Role
from runbus.settings.kinds import rules_of

Manifest = dict[str, object]

KUEUE_DEFAULT_QUEUE = "default"  # the LocalQueue that Kueue itself falls back to


class Attempt(Struct, frozen=True, kw_only=True):
    """Which attempt of which run, and where its objects go.

    `order` is the stream sequence of the run's accepted event: a later run has a larger one.
    """

    run_id: str
    number: int
    shard: str
    namespace: str
    order: int = 0


def name_of(document: RunDocument, attempt: Attempt) -> str:
    """Return the name of an attempt's objects."""
    return object_name(document.name or "", attempt.run_id, attempt.number)


def metadata(document: RunDocument, attempt: Attempt, role: Role | None = None) -> Manifest:
    """Return the metadata of an attempt's object; it has a role if it is itself a pod.

    Kueue takes the label on the object that it is to admit, never on pods below that.
    """
    own_labels = run_labels(document, attempt, role)
    if is_kueues(document):
        own_labels[labels.KUEUE_QUEUE] = _queue_name(document)
    return {
        "name": name_of(document, attempt),
        "namespace": attempt.namespace,
        "labels": own_labels,
        **_annotated(document),
    }


def template_metadata(document: RunDocument, attempt: Attempt, role: Role) -> Manifest:
    """Return the metadata of a pod template: operators do not copy the object's own."""
    return {"labels": run_labels(document, attempt, role), **_annotated(document)}


def run_labels(document: RunDocument, attempt: Attempt, role: Role | None) -> dict[str, str]:
    """Return the labels of a pod: the user's first, so that none can replace the run's own."""
    found = {
        **(document.labels or {}),
        labels.RUN_ID: attempt.run_id,
        labels.PROJECT: document.project or "",
        labels.KIND: document.kind.value if document.kind is not None else "",
        labels.ATTEMPT: str(attempt.number),
        labels.SHARD: attempt.shard,
        labels.MANAGED_BY: labels.MANAGER,
    }
    if role is not None:
        found[labels.ROLE] = role.value
    return found


def annotations_of(document: RunDocument) -> dict[str, str]:
    """Return the user's annotations and the thresholds in force, for people to see."""
    found = dict(document.annotations or {})
    thresholds = msgspec.to_builtins(document.state_thresholds)
    if thresholds:
        found[labels.STATE_THRESHOLDS_ANNOTATION] = msgspec.json.encode(thresholds).decode()
    return found


def is_kueues(document: RunDocument) -> bool:
    """Say whether Kueue decides when the objects of a run may start."""
    queue, kind = document.queue, document.kind
    is_asked_for = queue is not None and queue.system is QueueSystem.KUEUE
    return is_asked_for and kind is not None and rules_of(kind).is_kueues


def _annotated(document: RunDocument) -> Manifest:
    annotations = annotations_of(document)
    return {"annotations": annotations} if annotations else {}


def _queue_name(document: RunDocument) -> str:
    name = document.queue.name if document.queue is not None else None
    return name or KUEUE_DEFAULT_QUEUE
