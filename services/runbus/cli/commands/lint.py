"""`runbus lint`."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import Parameter

from runbus.cli.options import DefaultsFile, DefaultsFromBus, Files, Functions, NatsUrl

LintFormat = Literal["table", "json", "yaml", "jsonl"]


def lint(
    *,
    file: Files,
    defaults: DefaultsFile = None,
    defaults_from_bus: DefaultsFromBus = False,
    functions: Functions = None,
    output: Annotated[
        LintFormat, Parameter(name=["-o", "--output"], help="json: a list of all violations.")
    ] = "table",
    nats_url: NatsUrl = None,
) -> int:
    """Check run documents, without a bus or a cluster. Exit code 3 if one would be refused."""
    from runbus.cli.kept_defaults import chosen_defaults
    from runbus.cli.linting import lint_files

    chosen = chosen_defaults(defaults, from_bus=defaults_from_bus, nats_url=nats_url)
    return lint_files(file, chosen, functions, output)
