"""What every object of a run is called, and what it is labelled with.

The run's own labels are the only way in which the state-watcher and the aborter find what belongs
to a run; users' labels never replace them. It must not know kinds or containers.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

from runbus.contracts import labels
from runbus.contracts.document import RunDocument
from runbus.contracts.identity import object_name
from runbus.contracts.states import Role

Manifest = dict[str, object]


class Attempt(Struct, frozen=True, kw_only=True):
    """Which attempt of which run, and where its objects go."""

    run_id: str
    number: int
    shard: str
    namespace: str


def metadata(document: RunDocument, attempt: Attempt) -> Manifest:
    """Return the metadata of an attempt's object."""
    found: Manifest = {
        "name": object_name(document.name or "", attempt.run_id, attempt.number),
        "namespace": attempt.namespace,
        "labels": run_labels(document, attempt, Role.MAIN),
    }
    annotations = _annotations(document)
    if annotations:
        found["annotations"] = annotations
    return found


def run_labels(document: RunDocument, attempt: Attempt, role: Role) -> dict[str, str]:
    """Return the labels of a pod: the user's first, so that none can replace the run's own."""
    return {
        **(document.labels or {}),
        labels.RUN_ID: attempt.run_id,
        labels.PROJECT: document.project or "",
        labels.KIND: document.kind.value if document.kind is not None else "",
        labels.ROLE: role.value,
        labels.ATTEMPT: str(attempt.number),
        labels.SHARD: attempt.shard,
        labels.MANAGED_BY: labels.MANAGER,
    }


def _annotations(document: RunDocument) -> dict[str, str]:
    """Return the user's annotations and the thresholds in force, for people to see."""
    found = dict(document.annotations or {})
    thresholds = msgspec.to_builtins(document.state_thresholds)
    if thresholds:
        found[labels.STATE_THRESHOLDS_ANNOTATION] = msgspec.json.encode(thresholds).decode()
    return found
