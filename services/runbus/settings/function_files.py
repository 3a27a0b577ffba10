"""A function of the catalogue: its file read, mapped and checked; the level below a run.

A file is `kind`, `metadata` (name, tag, labels) and `spec`: settings of a run, or MLRun's. It must
not know where functions are kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from runbus.contracts.document_findings import Findings, nearest
from runbus.contracts.grammars import FUNCTION_TAG_DEFAULT, HUB
from runbus.contracts.locations import FunctionName, function_name
from runbus.contracts.structure import check
from runbus.contracts.texts import cut
from runbus.contracts.violations import Violation, ViolationCode, pointer
from runbus.settings.mlrun_functions import SPEC, Mapped, kind_of
from runbus.settings.model import Function, Refused
from runbus.settings.reading import read_documents

FUNCTION = "/function"
_KEYS = ("kind", "metadata", "spec")
# Keys of MLRun's that say nothing about a run.
_LEFT_OUT = frozenset({"verbose", "status", "apiVersion"})
_OF_EACH_RUN = ("project", "name", "user", "function", "kind")
_NAMES_SHOWN = 5


class FunctionFile(Struct, frozen=True, kw_only=True):
    """A function's file that can be used."""

    name: str
    tag: str
    labels: Mapping[str, str] = {}
    function: Function


def parse_function(content: bytes) -> FunctionFile | Refused:
    """Read and check a function.yaml; every violation has its place in the file."""
    documents = read_documents(content)
    first = documents[0]
    if len(documents) > 1:
        hint = "one function in a file: split it"
        return _refused("/", ViolationCode.INVALID_SYNTAX, len(documents), hint)
    if isinstance(first, Refused):
        return first
    findings = Findings()
    raw = _mapping(first.value, "/", findings)
    metadata = _mapping(raw.get("metadata"), "/metadata", findings)
    spec = _mapping(raw.get("spec"), SPEC, findings)
    kind = kind_of(raw.get("kind"))
    _refuse_keys(raw, spec, findings)
    mapped = Mapped({key: v for key, v in spec.items() if key not in _OF_EACH_RUN}, kind)
    checked = check({**mapped.settings, "kind": kind} if kind else mapped.settings, at=SPEC)
    found = [*findings.found, *map(_placed, checked.violations), *_name_violations(metadata)]
    if found:
        return Refused(tuple(found))
    labels = metadata.get("labels")
    return FunctionFile(
        name=metadata["name"],
        tag=str(metadata.get("tag") or FUNCTION_TAG_DEFAULT),
        labels=labels if isinstance(labels, dict) else {},
        function=Function(
            settings=checked.settings,
            content_hash=hashlib.sha256(content).hexdigest(),
            warnings=tuple(mapped.warnings),
        ),
    )


def from_catalogue(reference: str, content: bytes) -> Function | Refused:
    """Return the level that a function found in a catalogue is.

    What is wrong or left out of its file is told of the document's `function`.
    """
    parsed = parse_function(content)
    if isinstance(parsed, Refused):
        return Refused(tuple(_of_reference(each, reference) for each in parsed.violations))
    function = parsed.function
    warnings = tuple(_of_reference(each, reference) for each in function.warnings)
    return msgspec.structs.replace(function, warnings=warnings)


def reference_in(raw: object) -> FunctionName | None:
    """Return the function that a raw document names, if it names one that can be looked up."""
    text = raw.get("function") if isinstance(raw, dict) else None
    return function_name(text) if isinstance(text, str) else None


def reference_text(name: FunctionName) -> str:
    """Return a reference as a document writes it, with its tag."""
    source = f"{name.source}/" if name.source else ""
    return f"{HUB}{source}{name.name}:{name.tag}"


def no_such_function(wanted: FunctionName, known: Iterable[str]) -> Refused:
    """Refuse a function that its source does not have, with the nearest names (`name:tag`)."""
    names = list(known)
    tags = [each.partition(":")[2] for each in names if each.partition(":")[0] == wanted.name]
    where = f"source {wanted.source}" if wanted.source else "the catalogue on the bus"
    if tags:
        hint = f"{wanted.name} has the tags {', '.join(tags[:_NAMES_SHOWN])}"
    else:
        close = nearest(wanted.name, {each.partition(":")[0] for each in names})
        other = ", ".join(names[:_NAMES_SHOWN])
        hint = f"did you mean {close}?" if close else f"it has {other or 'no functions'}"
    text = cut(f"there is no such function in {where}: {hint}")
    given = reference_text(wanted)
    return _refused(FUNCTION, ViolationCode.NOT_FOUND, given, text)


def no_such_source(wanted: FunctionName, known: Iterable[str]) -> Refused:
    """Refuse a source that the operator has not set up."""
    close = nearest(wanted.source or "", known)
    hint = f"did you mean hub://{close}/{wanted.name}?" if close else "ask the operator for it"
    listed = sorted(known)
    violation = Violation(FUNCTION, ViolationCode.NOT_FOUND.value, wanted.source, listed, hint)
    return Refused((violation,))


def not_usable(wanted: FunctionName, why: str) -> Refused:
    """Refuse a function that its source has and does not give."""
    return _refused(FUNCTION, ViolationCode.INVALID_VALUE, reference_text(wanted), why)


def _refuse_keys(raw: Mapping[str, Any], spec: Mapping[str, Any], findings: Findings) -> None:
    for key in raw:
        if key not in _KEYS and key not in _LEFT_OUT:
            hint = "a function has kind, metadata and spec: settings stand in spec"
            findings.add(pointer("", key), ViolationCode.UNKNOWN_KEY, key, hint=hint)
    for key in _OF_EACH_RUN:
        if spec.get(key) not in (None, ""):
            hint = "kind stands beside spec" if key == "kind" else f"{key} belongs to each run"
            findings.add(f"{SPEC}/{key}", ViolationCode.NOT_ALLOWED, key, hint=hint)


def _name_violations(metadata: Mapping[str, Any]) -> list[Violation]:
    name, tag = metadata.get("name"), metadata.get("tag") or FUNCTION_TAG_DEFAULT
    if function_name(f"{HUB}{name}:{FUNCTION_TAG_DEFAULT}") is None or not isinstance(name, str):
        allowed = "letters, digits, '-', '_' and '.'"
        return [Violation("/metadata/name", ViolationCode.INVALID_NAME.value, allowed=allowed)]
    if function_name(f"{HUB}{name}:{tag}") is None:
        allowed = "letters, digits, '-', '_' and '.'"
        return [Violation("/metadata/tag", ViolationCode.INVALID_NAME.value, allowed=allowed)]
    return []


def _mapping(value: object, path: str, findings: Findings) -> Mapping[str, Any]:
    if isinstance(value, dict):
        return {key: each for key, each in value.items() if isinstance(key, str)}
    findings.wrong_type(path, value, "a mapping", "write kind, metadata and spec")
    return {}


def _placed(violation: Violation) -> Violation:
    path = "/kind" if violation.path == f"{SPEC}/kind" else violation.path
    return msgspec.structs.replace(violation, path=path)


def _of_reference(violation: Violation, reference: str) -> Violation:
    told = cut(f"{reference} {violation.path}: {violation.hint or violation.code}")
    return msgspec.structs.replace(violation, path=FUNCTION, hint=told)


def _refused(path: str, code: ViolationCode, given: object, hint: str) -> Refused:
    return Refused((Violation(path, code.value, given, hint=hint),))
