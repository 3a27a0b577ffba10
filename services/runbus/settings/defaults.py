"""The operator's defaults file: settings and caps of the service and of projects, limits, nodes.

Same checks as for run documents, on Structs that say which keys there are (`defaults_file`). A
file that would make every run that inherits it a refused one is refused itself. It must not know
where the file comes from. Source: the page on settings, sections 2 and 11.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from runbus.contracts.document_findings import Findings
from runbus.contracts.document_scalars import is_bad
from runbus.contracts.document_shape import check_of
from runbus.contracts.placement import Platform
from runbus.contracts.violations import Violation, ViolationCode, pointer
from runbus.settings.auto_mount import with_auto_mounts
from runbus.settings.defaults_file import Caps, DefaultsFile, Limits, ProjectSettings, spot_nodes
from runbus.settings.in_force import CapsOf, InForce
from runbus.settings.merge import merge
from runbus.settings.merged_checks import GPU_COUNT_PATH, violations_of, volume_positions
from runbus.settings.model import Level, Read, Refused
from runbus.settings.reading import read_documents
from runbus.settings.shipped import SHIPPED

__all__ = ["Defaults", "Limits", "ProjectDefaults", "defaults_of", "parse_defaults"]

ROOT = "/"

# They say which run a document is: a default would make documents mean something else.
_OF_EACH_RUN = ("project", "name", "user", "kind", "function")
_LATER_IN_LIMITS = ("gpus", "cpu", "memory")


class ProjectDefaults(Struct, frozen=True, kw_only=True):
    """What the operator says for one project; `settings` in the contracts' normal form."""

    settings: Mapping[str, Any] = {}
    caps: Caps = Caps()
    limits: Limits = Limits()


class Defaults(Struct, frozen=True, kw_only=True):
    """The operator's settings, checked; without a file, none.

    `service` is the service level in the normal form of `contracts.structure`.
    """

    service: Mapping[str, Any] = {}
    caps: Caps = Caps()
    allowed_priority_classes: tuple[str, ...] = ()
    platform: Platform = Platform()
    namespaces: dict[str, str] = {}
    limits: Limits = Limits()
    projects: dict[str, ProjectDefaults] = {}

    def of_project(self, project: str) -> ProjectDefaults:
        """Return what is said for a project; nothing, for most."""
        return self.projects.get(project) or ProjectDefaults()

    def caps_of(self, project: str) -> tuple[CapsOf, ...]:
        """Return the caps that hold for a project's runs, the service's first."""
        own = self.of_project(project).caps
        return (
            CapsOf("the service", Level.SERVICE, self.caps),
            CapsOf(f"project {project}", Level.PROJECT, own),
        )

    def namespace_of(self, project: str) -> str:
        """Return the namespace in which a project's objects are."""
        return self.namespaces.get(project, project)

    def concurrent_runs_by_project(self) -> dict[str, int]:
        """Return the limits on concurrent runs of those projects that have one."""
        return {
            name: each.limits.concurrent_runs
            for name, each in self.projects.items()
            if each.limits.concurrent_runs is not None
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
    cleaned = check_of(DefaultsFile)(raw, "", findings)
    if is_bad(cleaned):
        return Refused(tuple(findings.found))
    projects = cleaned.get("projects", {})
    _refuse_identity(cleaned, "", findings)
    _refuse_limits(cleaned, "", findings)
    for name, each in projects.items():
        _refuse_identity(each, pointer("/projects", name), findings)
        _refuse_limits(each, pointer("/projects", name), findings)
    _refuse_repeated(cleaned.get("allowed_priority_classes", ()), findings)
    file = msgspec.convert(cleaned, DefaultsFile)
    given = file.projects or {}
    defaults = Defaults(
        service=cleaned.get("defaults", {}),
        caps=file.caps or Caps(),
        allowed_priority_classes=file.allowed_priority_classes or (),
        platform=Platform(
            preemptible_nodes=spot_nodes(file.preemptible_nodes),
            gpu_tolerations=file.gpu_tolerations or (),
        ),
        namespaces=file.namespaces or {},
        limits=file.limits or Limits(),
        projects={
            name: _project(given[name], each.get("defaults", {})) for name, each in projects.items()
        },
    )
    found = [*findings.found, *_impossible(defaults, raw, findings.found)]
    return Refused(tuple(found)) if found else defaults


def _project(given: ProjectSettings, settings: Mapping[str, Any]) -> ProjectDefaults:
    return ProjectDefaults(
        settings=settings, caps=given.caps or Caps(), limits=given.limits or Limits()
    )


def _refuse_identity(level: Mapping[str, Any], at: str, findings: Findings) -> None:
    settings = level.get("defaults", {})
    for key in _OF_EACH_RUN:
        if key in settings:
            hint = f"{key} belongs to each run: take it out of the defaults"
            path = f"{at}/defaults/{key}"
            findings.add(path, ViolationCode.NOT_ALLOWED, settings[key], hint=hint)


def _refuse_limits(level: Mapping[str, Any], at: str, findings: Findings) -> None:
    """Refuse limits that nobody would keep to yet: to be silent would be worse."""
    for key in _LATER_IN_LIMITS:
        if key in level.get("limits", {}):
            hint = f"limits on resources: not available in this release; leave {key} out"
            findings.add(f"{at}/limits/{key}", ViolationCode.NOT_AVAILABLE, key, hint=hint)


def _refuse_repeated(names: list[str] | tuple[str, ...], findings: Findings) -> None:
    for position, name in enumerate(names):
        if name in names[:position]:
            path = f"/allowed_priority_classes/{position}"
            hint = "the list is in order of rank: name each class once"
            findings.add(path, ViolationCode.DUPLICATE, name, hint=hint)


def _impossible(defaults: Defaults, raw: object, told: list[Violation]) -> list[Violation]:
    """Return what would make every run that inherits the defaults a refused one."""
    known = {each.path for each in told}
    found: dict[str, Violation] = {}
    for at, settings, project in _levels(defaults):
        for each in _violations(defaults, raw, settings, project):
            path = f"{at}/defaults{each.path}"
            if path not in known and f"/defaults{each.path}" not in found:
                found[path] = msgspec.structs.replace(each, path=path)
    return list(found.values())


def _levels(defaults: Defaults) -> Iterator[tuple[str, Mapping[str, Any], str]]:
    yield "", {}, ""
    for name, each in defaults.projects.items():
        yield pointer("/projects", name), each.settings, name


def _violations(
    defaults: Defaults, raw: object, own: Mapping[str, Any], project: str
) -> Iterator[Violation]:
    levels, _ = with_auto_mounts([(Level.SERVICE, defaults.service), (Level.PROJECT, own)])
    # Whoever reads this wrote both: to them, nothing is inherited but what is shipped.
    written = [(Level.RUN, each) for _, each in levels]
    settings, origins = merge([(Level.SHIPPED, SHIPPED), *written])
    checked = InForce(
        settings=settings,
        origins=origins,
        project=project,
        platform=defaults.platform,
        caps=defaults.caps_of(project),
        priority_classes=defaults.allowed_priority_classes or None,
        volume_positions=volume_positions(raw.get("defaults") if isinstance(raw, dict) else None),
    )
    for each in violations_of(checked):
        is_shipped = origins.get(each.path) is Level.SHIPPED  # brought down to the cap by itself
        if each.path != GPU_COUNT_PATH and not is_shipped:  # the type, for those who give a number
            yield each


def _refused(path: str, code: ViolationCode, given: object, hint: str) -> Refused:
    return Refused((Violation(path, code.value, given, hint=hint),))
