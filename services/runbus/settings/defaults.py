"""The operator's defaults file: settings of the service level, allowed lists, limits.

The same checks as for run documents, on Structs that say which keys there are; what a later
release brings is known and not available, never unknown. It must not know where the file comes
from. Source: the page on settings, sections 2 and 11.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from runbus.contracts.document import RunDocument
from runbus.contracts.document_findings import Findings
from runbus.contracts.document_scalars import is_bad
from runbus.contracts.document_shape import check_of
from runbus.contracts.grammars import ObjectName, Project
from runbus.contracts.placement import Platform, Toleration
from runbus.contracts.violations import Violation, ViolationCode, pointer
from runbus.settings.merge import merge
from runbus.settings.merged_checks import GPU_COUNT_PATH, InForce, violations_of, volume_positions
from runbus.settings.model import Level, Read, Refused
from runbus.settings.reading import read_documents
from runbus.settings.shipped import SHIPPED

RUNS_MAX = 10_000_000  # nothing runs more at once: a larger limit is a slip
ROOT = "/"

# They say which run a document is: a default would make documents mean something else.
_OF_EACH_RUN = ("project", "name", "user", "kind")


class Limits(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How much may run at once."""

    concurrent_runs: Annotated[
        int | None,
        Meta(
            description="runs that are admitted and not final; left out: no limit",
            extra={"least": 0, "most": RUNS_MAX},
        ),
    ] = None


class ProjectSettings(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the operator sets for one project."""

    limits: Annotated[Limits | None, Meta(description="of this project")] = None


class DefaultsFile(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The defaults file as an operator writes it."""

    defaults: Annotated[RunDocument | None, Meta(description="any setting of a run")] = None
    allowed_priority_classes: Annotated[
        tuple[ObjectName, ...] | None, Meta(description="highest first; empty: the cluster's own")
    ] = None
    gpu_tolerations: Annotated[
        tuple[Toleration, ...] | None, Meta(description="on each pod that asks for a GPU")
    ] = None
    namespaces: Annotated[
        dict[Project, Project] | None, Meta(description="project: namespace; default: its name")
    ] = None
    limits: Annotated[Limits | None, Meta(description="of all runs together")] = None
    projects: Annotated[
        dict[Project, ProjectSettings] | None, Meta(description="settings by project")
    ] = None


_LATER_IN_FILE = {
    "caps": "caps on what a run may ask for",
    "preemptible_nodes": "spot nodes",
}
_LATER_IN_PROJECT = {"defaults": "defaults of a project", "caps": "caps of a project"}
_LATER_IN_LIMITS = dict.fromkeys(("gpus", "cpu", "memory"), "limits on resources")


class Defaults(Struct, frozen=True, kw_only=True):
    """The operator's settings, checked; without a file, none.

    `service` is the service level in the normal form of `contracts.structure`.
    """

    service: Mapping[str, Any] = {}
    allowed_priority_classes: tuple[str, ...] = ()
    platform: Platform = Platform()
    namespaces: dict[str, str] = {}
    limits: Limits = Limits()
    projects: dict[str, ProjectSettings] = {}

    def namespace_of(self, project: str) -> str:
        """Return the namespace in which a project's objects are."""
        return self.namespaces.get(project, project)

    def concurrent_runs_by_project(self) -> dict[str, int]:
        """Return the limits on concurrent runs of those projects that have one."""
        return {
            name: each.limits.concurrent_runs
            for name, each in self.projects.items()
            if each.limits is not None and each.limits.concurrent_runs is not None
        }


def parse_defaults(text: str | bytes) -> Defaults | Refused:
    """Read and check a defaults file, YAML or JSON; an empty one changes nothing."""
    documents = read_documents(text)
    if len(documents) > 1:
        hint = "a defaults file is one document: take the lines of --- out, or the other documents"
        return _refused(ROOT, ViolationCode.INVALID_SYNTAX, len(documents), hint)
    match documents[0]:
        case Read(value=value):
            return defaults_of(value)
        case Refused(violations=(Violation(code=ViolationCode.EMPTY),)):
            return Defaults()
        case refused:
            return refused


def defaults_of(raw: object) -> Defaults | Refused:
    """Check the content of a defaults file, as a reader gives it."""
    if raw is None:
        return Defaults()
    findings = Findings()
    known = _available(raw, findings)
    cleaned = check_of(DefaultsFile)(known, "", findings)
    if is_bad(cleaned):
        return Refused(tuple(findings.found))
    _refuse_identity(cleaned.get("defaults", {}), findings)
    _refuse_repeated(cleaned.get("allowed_priority_classes", ()), findings)
    file = msgspec.convert(cleaned, DefaultsFile)
    defaults = Defaults(
        service=cleaned.get("defaults", {}),
        allowed_priority_classes=file.allowed_priority_classes or (),
        platform=Platform(gpu_tolerations=file.gpu_tolerations or ()),
        namespaces=file.namespaces or {},
        limits=file.limits or Limits(),
        projects=file.projects or {},
    )
    found = [*findings.found, *_impossible(defaults, known, findings.found)]
    return Refused(tuple(found)) if found else defaults


def _available(raw: object, findings: Findings) -> object:
    """Return a file without what a later release brings; each such key is a finding."""
    if not isinstance(raw, dict):
        return raw
    file = _without_later(raw, _LATER_IN_FILE, "", findings)
    file = _limits_available(file, "", findings)
    projects = file.get("projects")
    if isinstance(projects, dict):
        file["projects"] = {
            name: _project_available(each, pointer("/projects", name), findings)
            for name, each in projects.items()
        }
    return file


def _project_available(raw: object, path: str, findings: Findings) -> object:
    if not isinstance(raw, dict):
        return raw
    return _limits_available(_without_later(raw, _LATER_IN_PROJECT, path, findings), path, findings)


def _limits_available(raw: dict[Any, Any], path: str, findings: Findings) -> dict[Any, Any]:
    limits = raw.get("limits")
    if not isinstance(limits, dict):
        return raw
    known = _without_later(limits, _LATER_IN_LIMITS, f"{path}/limits", findings)
    return {**raw, "limits": known}


def _without_later(
    raw: dict[Any, Any], later: Mapping[str, str], path: str, findings: Findings
) -> dict[Any, Any]:
    for key, what in later.items():
        if raw.get(key) is not None:
            hint = f"{what}: not available in this release; leave {key} out"
            findings.add(f"{path}/{key}", ViolationCode.NOT_AVAILABLE, key, hint=hint)
    return {key: value for key, value in raw.items() if key not in later}


def _refuse_identity(settings: Mapping[str, Any], findings: Findings) -> None:
    for key in _OF_EACH_RUN:
        if key in settings:
            hint = f"{key} belongs to each run: take it out of the defaults"
            findings.add(f"/defaults/{key}", ViolationCode.NOT_ALLOWED, settings[key], hint=hint)


def _refuse_repeated(names: list[str] | tuple[str, ...], findings: Findings) -> None:
    for position, name in enumerate(names):
        if name in names[:position]:
            path = f"/allowed_priority_classes/{position}"
            hint = "the list is in order of rank: name each class once"
            findings.add(path, ViolationCode.DUPLICATE, name, hint=hint)


def _impossible(defaults: Defaults, raw: object, told: list[Violation]) -> list[Violation]:
    """Return what would make every run that inherits the defaults a refused one."""
    settings, origins = merge([(Level.SHIPPED, SHIPPED), (Level.RUN, defaults.service)])
    checked = InForce(
        settings=settings,
        origins=origins,
        priority_classes=defaults.allowed_priority_classes or None,
        volume_positions=volume_positions(raw.get("defaults") if isinstance(raw, dict) else None),
    )
    known = {each.path for each in told}
    found = [
        msgspec.structs.replace(each, path=f"/defaults{each.path}")
        for each in violations_of(checked)
        if each.path != GPU_COUNT_PATH  # the type alone, for those who ask for a number
    ]
    return [each for each in found if each.path not in known]


def _refused(path: str, code: ViolationCode, given: object, hint: str) -> Refused:
    return Refused((Violation(path, code.value, given, hint=hint),))
