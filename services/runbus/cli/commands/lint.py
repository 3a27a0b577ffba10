"""`runbus lint`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from runbus.cli.options import Files, Functions

LintFormat = Literal["table", "json", "yaml", "jsonl"]


def lint(
    *,
    file: Files,
    defaults: Annotated[
        Path | None, Parameter(help="The operator's defaults file, with its caps and lists.")
    ] = None,
    functions: Functions = None,
    output: Annotated[
        LintFormat, Parameter(name=["-o", "--output"], help="json: a list of all violations.")
    ] = "table",
) -> int:
    """Check run documents, without a bus or a cluster. Exit code 3 if one would be refused."""
    from runbus.cli.linting import lint_files

    return lint_files(file, defaults, functions, output)
