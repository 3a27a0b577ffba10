"""One document judged: the effective document of its run, or every violation at once.

The only way from what a user wrote to a run: structure, project and user of the request, the
merge of the levels, and the checks of what is then in force. Nothing that a user can write makes
it fail, and nothing given is changed. It must not know where a document came from.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import structs

from runbus.contracts.document import DOCUMENT_BYTES_MAX, RunDocument
from runbus.contracts.states import Kind
from runbus.contracts.structure import CheckedDocument, check, missing_required
from runbus.contracts.violations import Violation, ViolationCode, printable, shortened
from runbus.settings.auto_mount import with_auto_mounts
from runbus.settings.capping import capped
from runbus.settings.defaults import Defaults
from runbus.settings.fitting import fitted
from runbus.settings.in_force import InForce
from runbus.settings.literal_secrets import literal_secrets
from runbus.settings.merge import Origins, merge
from runbus.settings.merged_checks import violations_of, volume_positions, warnings_of
from runbus.settings.model import Function, Level, Refused, Resolved
from runbus.settings.origins import overridden
from runbus.settings.settle import settled
from runbus.settings.shipped import shipped_of
from runbus.settings.startable import doubtful, unstartable

__all__ = ["Refused", "Resolved", "document_hash", "resolve"]

_PROJECT = "/project"
_RUNNING, _EXECUTING = "/state_thresholds/running", "/state_thresholds/executing"
_EMPTY = Violation(
    "/",
    ViolationCode.EMPTY.value,
    allowed="a mapping of settings",
    hint="the document is empty: write at least project, name, kind and image",
)


def resolve(
    raw: object,
    *,
    project: str | None,
    defaults: Defaults,
    default_user: str,
    cluster_priority_classes: Sequence[str] | None = None,
    function: Function | Refused | None = None,
) -> Resolved | Refused:
    """Judge one document, as a reader gives it, and merge the defaults in.

    `project` is the one that the request was addressed to, None where there is no request: a
    document that names none is of that project, and one that names another is refused. The
    cluster's priority classes, highest first, count where the operator lists none. `function` is
    what the catalogue gave for the function that the document names; None: it was not asked.
    """
    checked = check(raw)
    found = [*checked.violations, *_project_violations(checked, project)]
    if not isinstance(raw, dict):
        return Refused(tuple(found))
    if not raw:
        found.insert(0, _EMPTY)
    if isinstance(function, Refused):
        found += _untold(found, function.violations)
        function = None
    levels, left_out = with_auto_mounts(_levels(checked, project, default_user, defaults, function))
    settings, origins = merge(levels)
    merged = _in_force(settings, origins, defaults, cluster_priority_classes, raw)
    settings, unfit = fitted(merged, origins)
    settings = capped(settings, origins, merged.caps, merged)
    merged = structs.replace(merged, settings=settings)
    document = msgspec.convert(settled(settings, origins), RunDocument)
    unasked = _unasked(document) if function is None else ()
    missing = missing_required(document, found)
    found += [*missing, *(unasked if missing else ())]
    found += _untold(found, [*unfit, *violations_of(merged)])
    found += [*unstartable(document), *_too_large(document)] if not found else []
    if found:
        return Refused(tuple(_as_written(each, raw) for each in found))
    of_function = function.warnings if function is not None else ()
    return Resolved(
        document=document,
        namespace=defaults.namespace_of(document.project or ""),
        platform=defaults.platform,
        function_hash=function.content_hash if function is not None else "",
        warnings=(*unasked, *of_function, *left_out, *_warnings(merged, document)),
        origins=origins,
        overrode=overridden(levels, origins),
    )


def _levels(
    checked: CheckedDocument,
    project: str | None,
    default_user: str,
    defaults: Defaults,
    function: Function | None,
) -> list[tuple[Level, Mapping[str, Any]]]:
    """Return what each level says, in the order in which they win."""
    own = checked.settings
    of_function = function.settings if function is not None else {}
    kind = own.get("kind") or of_function.get("kind")
    of_project = defaults.of_project(own.get("project") or project or "")
    return [
        (Level.SHIPPED, shipped_of(Kind(kind) if kind is not None else None)),
        (Level.SERVICE, defaults.service),
        (Level.PROJECT, of_project.settings),
        (Level.FUNCTION, of_function),
        (Level.REQUEST, _of_request(own, project, default_user)),
        (Level.RUN, own),
    ]


def _in_force(
    settings: Mapping[str, Any],
    origins: Origins,
    defaults: Defaults,
    cluster_priority_classes: Sequence[str] | None,
    raw: object,
) -> InForce:
    kind, project = settings.get("kind"), settings.get("project") or ""
    return InForce(
        settings=settings,
        origins=origins,
        kind=Kind(kind) if kind is not None else None,
        project=project,
        function=settings.get("function") or "",
        user=settings.get("user") or "",
        platform=defaults.platform,
        caps=defaults.caps_of(project),
        priority_classes=defaults.allowed_priority_classes or cluster_priority_classes,
        volume_positions=volume_positions(raw),
    )


def _warnings(merged: InForce, document: RunDocument) -> list[Violation]:
    return [*warnings_of(merged), *literal_secrets(merged.settings), *doubtful(document)]


def _unasked(document: RunDocument) -> tuple[Violation, ...]:
    """Tell of a function whose settings are not in the result."""
    if document.function is None:
        return ()
    hint = "the catalogue is not at hand: what the function sets is missing here"
    return (Violation("/function", ViolationCode.NOT_CHECKED.value, document.function, hint=hint),)


def document_hash(raw: object) -> str:
    """Return the SHA-256, in hex, of a document as submitted; the order of keys does not count.

    Takes what a reader gives: plain JSON values.
    """
    return hashlib.sha256(msgspec.json.encode(raw, order="sorted")).hexdigest()


def _of_request(
    settings: Mapping[str, Any], project: str | None, default_user: str
) -> dict[str, Any]:
    """Return what the request itself says: where it was sent to, and who sent it."""
    said = {"project": project, "user": printable(default_user)}
    return {key: value for key, value in said.items() if value and key not in settings}


def _project_violations(checked: CheckedDocument, project: str | None) -> tuple[Violation, ...]:
    """Judge the project of the request, and whether the document names the same."""
    if project is None or any(each.path == _PROJECT for each in checked.violations):
        return ()
    own = checked.settings.get("project")
    if own is None:
        return check({"project": project}).violations
    if own == project:
        return ()
    shown = printable(str(shortened(project)))
    hint = f"the request went to project {shown}: send it to {own}, or leave the key out"
    return (Violation(_PROJECT, ViolationCode.PROJECT_MISMATCH.value, own, [shown], hint),)


def _untold(told: Iterable[Violation], found: Iterable[Violation]) -> list[Violation]:
    """Return the findings whose setting was not refused before: they judge what stands instead."""
    refused = {_subject(each.path) for each in told}
    return [
        each
        for each in found
        if not any(
            subject == _subject(each.path) or _subject(each.path).startswith(f"{subject}/")
            for subject in refused
        )
    ]


def _as_written(violation: Violation, raw: Mapping[str, Any]) -> Violation:
    """Return a finding about `running` with the name under which the document gives it."""
    thresholds = raw.get("state_thresholds") if violation.path == _RUNNING else None
    if not isinstance(thresholds, dict) or thresholds.get("executing") is None:
        return violation
    return structs.replace(violation, path=_EXECUTING)


def _subject(path: str) -> str:
    """Return what a finding is about: a request and its limit are judged as one."""
    return path.replace("/resources/limits", "/resources/requests", 1)


def _too_large(document: RunDocument) -> list[Violation]:
    """Refuse a document that no event can carry once the defaults are in it."""
    size = len(msgspec.json.encode(document))
    if size <= DOCUMENT_BYTES_MAX:
        return []
    allowed = f"at most {DOCUMENT_BYTES_MAX} bytes with its defaults"
    hint = f"it has {size}: put large data into a volume, and pass its place"
    return [Violation("/", ViolationCode.TOO_LARGE.value, size, allowed, hint)]
