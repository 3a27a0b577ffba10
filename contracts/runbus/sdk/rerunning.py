"""What a run was asked for, so that it can be asked for again (ADR-0010). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runbus.contracts.asked import asked_for
from runbus.contracts.events import RunAccepted
from runbus.contracts.labels import RERUN_OF_ANNOTATION


def document_of_run(event: RunAccepted, project: str) -> dict[str, Any]:
    """Return what a run was asked for; defaults are left to be set anew."""
    asked = asked_for(event.document, event.origins, event.overrode)
    kept = {
        key: text
        for key, text in (asked.pop("annotations", None) or {}).items()
        if key != RERUN_OF_ANNOTATION
    }
    return {"project": project, **asked, **({"annotations": kept} if kept else {})}


def with_rerun_of(document: Mapping[str, Any], ref: str) -> dict[str, Any]:
    """Return a document that names the run it repeats."""
    found = document.get("annotations") or {}
    if not isinstance(found, Mapping):
        return dict(document)  # the validator says what is wrong with them
    return {**document, "annotations": {**found, RERUN_OF_ANNOTATION: ref}}
