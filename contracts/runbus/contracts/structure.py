"""Whether a document is a run document: every violation of it at once, and what of it is right.

The one door to the checks of a document's own shape, for documents of users and, with no setting
required, for the operators' defaults. It must not know levels, caps or clusters: what depends on
more than the document is checked after the merge, by the settings.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Struct

from runbus.contracts.document import RunDocument
from runbus.contracts.document_findings import Findings
from runbus.contracts.document_scalars import is_bad
from runbus.contracts.document_shape import check_of
from runbus.contracts.violations import Violation, ViolationCode

# Of a merged document; everything else has a default or may be absent.
REQUIRED = ("project", "name", "kind", "image")

_EXAMPLES = {
    "project": "project: nlp",
    "name": "name: finetune",
    "kind": "kind: job",
    "image": "image: registry.example.com/nlp/finetune:3",
}


class CheckedDocument(Struct, frozen=True):
    """What is right in a document, and everything that is wrong.

    `settings` holds the sound part as plain JSON values in one normal form: no nulls, quantities
    as text, the container command as a list, `executing` as `running`. A value that was refused
    is left out of it. `document` is the same as a Struct. `violations` come in document order.
    """

    settings: dict[str, Any]
    document: RunDocument
    violations: tuple[Violation, ...] = ()

    @property
    def is_right(self) -> bool:
        """Whether nothing is wrong with the document."""
        return not self.violations


def check(raw: object, *, at: str = "") -> CheckedDocument:
    """Check a raw document, of which any part may be missing; never raise.

    `raw` is what a JSON or YAML reader gives, and is not changed. `at` is the JSON pointer at
    which it stands, for documents inside of others, such as `/defaults`.
    """
    findings = Findings()
    if not isinstance(raw, dict):
        _refuse_no_mapping(raw, at, findings)
        return CheckedDocument({}, RunDocument(), tuple(findings.found))
    cleaned = check_of(RunDocument)(raw, at.rstrip("/"), findings)
    settings: dict[str, Any] = {} if is_bad(cleaned) else cleaned
    document = msgspec.convert(settings, RunDocument)
    return CheckedDocument(settings, document, tuple(findings.found))


def missing_required(
    document: RunDocument, found: Iterable[Violation] = ()
) -> tuple[Violation, ...]:
    """Return a violation for each required setting that is absent after the merge.

    A setting that `found` already speaks of was given, and refused: it is not missing as well.
    """
    told = {each.path for each in found}
    return tuple(
        Violation(f"/{key}", ViolationCode.REQUIRED.value, hint=f"give it, like `{_EXAMPLES[key]}`")
        for key in REQUIRED
        if getattr(document, key) is None and f"/{key}" not in told
    )


def _refuse_no_mapping(raw: object, at: str, findings: Findings) -> None:
    if raw is None:
        hint = "the document is empty: write at least project, name, kind and image"
        findings.add(at, ViolationCode.EMPTY, allowed="a mapping of settings", hint=hint)
        return
    hint = "write `key: value` pairs, such as `kind: job`"
    if isinstance(raw, list | tuple):
        hint = "put each run into a document of its own, between lines of ---"
    findings.wrong_type(at, raw, "a mapping of settings", hint)
