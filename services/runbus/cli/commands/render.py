"""`runbus render`."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from runbus.cli.options import DefaultsFile, DefaultsFromBus, Files, Functions, NatsUrl


def render(
    *,
    file: Files,
    defaults: DefaultsFile = None,
    defaults_from_bus: DefaultsFromBus = False,
    functions: Functions = None,
    run_id: Annotated[str, Parameter(help="Of the run, in names and labels.")] = "0" * 12,
    attempt: Annotated[int, Parameter(help="Of the attempt.", validator=Number(gte=1))] = 1,
    output: Annotated[
        Literal["yaml", "json"],
        Parameter(name=["-o", "--output"], help="yaml: one document an object; json: a List."),
    ] = "yaml",
    nats_url: NatsUrl = None,
) -> int:
    """Print the Kubernetes objects of run documents, without a bus or a cluster.

    What is printed is what pod-launcher would create. Exit code 3 if a document is refused.
    """
    from runbus.cli.kept_defaults import chosen_defaults
    from runbus.cli.rendering import render_files

    chosen = chosen_defaults(defaults, from_bus=defaults_from_bus, nats_url=nats_url)
    return render_files(file, chosen, functions, run_id=run_id, attempt=attempt, output=output)
