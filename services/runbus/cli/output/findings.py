"""The lines of `runbus doctor`. Pure."""

from __future__ import annotations

from runbus.cli.doctor.findings import Finding, Grade

_CODES = {Grade.OK: 32, Grade.WARNING: 33, Grade.PROBLEM: 31}
_GRADE_WIDTH = max(len(grade.value) for grade in Grade)
_SECTION_WIDTH = 8


def finding_lines(finding: Finding, *, is_coloured: bool = False) -> list[str]:
    """Return a finding as a line, and its way out below it."""
    grade = f"{finding.grade.value:<{_GRADE_WIDTH}}"
    if is_coloured:
        grade = f"\x1b[{_CODES[finding.grade]}m{grade}\x1b[0m"
    lines = [f"{grade}  {finding.section.value:<{_SECTION_WIDTH}}  {finding.what}"]
    if finding.way_out:
        indent = " " * (_GRADE_WIDTH + _SECTION_WIDTH + 4)
        lines.append(f"{indent}-> {finding.way_out}")
    return lines


def summary(findings: list[Finding]) -> str:
    """Return how many of which there were."""
    problems = sum(each.grade is Grade.PROBLEM for each in findings)
    warnings = sum(each.grade is Grade.WARNING for each in findings)
    if not problems and not warnings:
        return "everything is fine"
    told = [
        f"{count} {name}{'s' if count != 1 else ''}"
        for count, name in ((problems, "problem"), (warnings, "warning"))
        if count
    ]
    return ", ".join(told)
