"""One document judged: the effective document, or every violation at once.

The only way from what a user wrote to a run: check its shape, merge the levels, check what only
the merged settings can show, settle. It never raises for anything that a user can write, and
needs no cluster. It must not know where the text came from.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import msgspec

from runbus.contracts.document import DOCUMENT_BYTES_MAX, RunDocument
from runbus.contracts.structure import check, missing_required
from runbus.contracts.violations import Violation, ViolationCode, shortened
from runbus.settings.defaults import Defaults
from runbus.settings.merge import merge
from runbus.settings.merged_checks import InForce, violations_of, volume_positions, warnings_of
from runbus.settings.model import Level, Refused, Resolved
from runbus.settings.settle import asks_for_gpu, settled, with_tolerations
from runbus.settings.shipped import SHIPPED


def resolve(
    raw: object,
    *,
    project: str | None,
    defaults: Defaults,
    default_user: str,
    cluster_priority_classes: Sequence[str] | None = None,
) -> Resolved | Refused:
    """Judge one document, as read from YAML or JSON, and merge the defaults in.

    `project` is the one that the request was addressed to: a document without one takes it over,
    and one with another is refused. `cluster_priority_classes` counts where the operator's list
    is empty. What is given is never changed.
    """
    checked = check(raw)
    violations = [*_too_large(raw), *checked.violations]
    own = dict(checked.settings)
    request = _request(own, raw, project, default_user, violations)
    merged, origins = merge(
        [
            (Level.SHIPPED, SHIPPED),
            (Level.SERVICE, defaults.service),
            (Level.REQUEST, request),
            (Level.RUN, own),
        ]
    )
    classes = defaults.allowed_priority_classes or cluster_priority_classes
    in_force = InForce(settings=merged, origins=origins, priority_classes=classes or None)
    if isinstance(raw, dict):
        violations += violations_of(in_force)
        document = msgspec.convert(merged, RunDocument)
        violations += missing_required(document, violations)
    if violations:
        return Refused(tuple(violations))
    final = settled(merged, origins)
    if asks_for_gpu(final) and defaults.gpu_tolerations:
        final = with_tolerations(final, defaults.gpu_tolerations)
    document = msgspec.convert(final, RunDocument)
    return Resolved(
        document=document,
        namespace=defaults.namespace_of(document.project or ""),
        warnings=tuple(warnings_of(in_force)),
        origins=origins,
    )


def document_hash(raw: object) -> str:
    """Return the SHA-256 of a submitted value: the same value, however it was written."""
    canonical = json.dumps(raw, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()


def _request(
    own: dict[str, Any],
    raw: object,
    project: str | None,
    default_user: str,
    violations: list[Violation],
) -> dict[str, Any]:
    """Return what the request itself says; a document that says another project is refused."""
    says: dict[str, Any] = {}
    if default_user:
        says["user"] = default_user
    if project is None:
        return says
    given = raw.get("project") if isinstance(raw, dict) else None
    if "project" in own and own["project"] != project:
        hint = f"the request was addressed to {project}: send it to the document's own project"
        violations.append(
            Violation("/project", ViolationCode.CONFLICT.value, shortened(given), project, hint)
        )
    if given is None:
        says["project"] = project
    return says


def _too_large(raw: object) -> list[Violation]:
    """Refuse what a reader let through because it was given as a value, not as text."""
    try:
        size = len(json.dumps(raw, ensure_ascii=False).encode("utf-8", "surrogatepass"))
    except (TypeError, ValueError, RecursionError):
        return []
    if size <= DOCUMENT_BYTES_MAX:
        return []
    hint = "put large data into a volume or a bucket, and name its place"
    allowed = f"at most {DOCUMENT_BYTES_MAX} bytes"
    return [Violation("/", ViolationCode.TOO_LARGE.value, size, allowed, hint)]
