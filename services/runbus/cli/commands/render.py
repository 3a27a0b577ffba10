"""`runbus render`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from runbus.cli.options import Files, Functions


def render(
    *,
    file: Files,
    defaults: Annotated[
        Path | None, Parameter(help="The operator's defaults file, with its caps and lists.")
    ] = None,
    functions: Functions = None,
    run_id: Annotated[str, Parameter(help="Of the run, in names and labels.")] = "0" * 12,
    attempt: Annotated[int, Parameter(help="Of the attempt.", validator=Number(gte=1))] = 1,
    output: Annotated[
        Literal["yaml", "json"],
        Parameter(name=["-o", "--output"], help="yaml: one document an object; json: a List."),
    ] = "yaml",
) -> int:
    """Print the Kubernetes objects of run documents, without a bus or a cluster.

    What is printed is what pod-launcher would create. Exit code 3 if a document is refused.
    """
    from runbus.cli.rendering import render_files

    return render_files(file, defaults, functions, run_id=run_id, attempt=attempt, output=output)
