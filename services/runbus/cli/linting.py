"""What `runbus lint` does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, assert_never

import msgspec
from msgspec import Struct

from runbus.cli.documents import Document, read_documents
from runbus.cli.exits import Exit
from runbus.cli.functions import function_in
from runbus.cli.output import printing
from runbus.cli.output.violations import refusal, violation_lines
from runbus.contracts.violations import Violation
from runbus.settings.defaults import Defaults
from runbus.settings.model import Refused, Resolved
from runbus.settings.resolve import resolve

_KEYS = ("path", "code", "given", "allowed", "hint")


class Linted(Struct, frozen=True, kw_only=True):
    """One document and what was found in it."""

    document: Document
    violations: tuple[Violation, ...] = ()
    warnings: tuple[Violation, ...] = ()


def lint_files(
    files: Sequence[str],
    defaults: Defaults,
    functions: Path | None,
    output: Literal["table", "json", "yaml", "jsonl"],
) -> Exit:
    """Check every document of files and print what is wrong; says whether all are fine."""
    linted = [linted_document(each, defaults, functions) for each in read_documents(files)]
    rows = violation_rows(linted)
    match output:
        case "json":
            printing.out(printing.json_text(rows))
        case "jsonl":
            printing.out("".join(printing.json_line(row) for row in rows))
        case "yaml":
            printing.out(printing.yaml_text(rows))
        case "table":
            for each in linted:
                lines = violation_lines(each.violations)
                printing.out("\n".join([_verdict(each), *lines]) + "\n")
    for each in linted:
        if each.warnings:
            printing.say(f"warning: {each.document.place}:")
            for line in violation_lines(each.warnings):
                printing.say(line)
    return Exit.REFUSED if any(each.violations for each in linted) else Exit.DONE


def linted_document(
    document: Document, defaults: Defaults, functions: Path | None = None
) -> Linted:
    """Check one document."""
    if document.violations:
        return Linted(document=document, violations=document.violations)
    found = resolve(
        document.raw,
        project=None,
        defaults=defaults,
        default_user="",
        function=function_in(functions, document.raw),
    )
    match found:
        case Refused():
            return Linted(document=document, violations=found.violations)
        case Resolved():
            return Linted(document=document, warnings=found.warnings)
        case _:
            assert_never(found)


def violation_rows(linted: Sequence[Linted]) -> list[dict[str, object]]:
    """Return all violations as data; `document` says which it is where there are several."""
    rows: list[dict[str, object]] = []
    for each in linted:
        for violation in each.violations:
            given: dict[str, object] = msgspec.to_builtins(violation)
            row = {key: given.get(key) for key in _KEYS}
            rows.append({"document": each.document.place, **row} if len(linted) > 1 else row)
    return rows


def _verdict(linted: Linted) -> str:
    place = linted.document.place
    return refusal(place, linted.violations) if linted.violations else f"{place}: fine"
