"""`runbus explain`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from runbus.cli import completing
from runbus.cli.options import DefaultsFromBus, Files, Functions, NatsUrl, NoHeaders, Output


def explain(
    *what: Annotated[
        str,
        Parameter(
            name="RUN [SETTING]",
            help="A run, unless -f is given; and which setting: state_thresholds.running.",
            completer=completing.runs,
        ),
    ],
    file: Annotated[Files | None, Parameter(name=["-f", "--file"])] = None,
    defaults: Annotated[
        Path | None, Parameter(help="With -f: the operator's defaults file.")
    ] = None,
    defaults_from_bus: DefaultsFromBus = False,
    functions: Functions = None,
    output: Output = "table",
    no_headers: NoHeaders = False,
    nats_url: NatsUrl = None,
) -> int:
    """Say where each setting of a run comes from: its value, its level, and what it overrode.

    Levels, later wins: shipped (with runbus), service (the operator's defaults), function (of the
    catalogue), request (who sent it, and where to), run (the document). Exit code 3 if a document
    of a file is refused.
    """
    from runbus.cli.explaining import Explaining
    from runbus.cli.kept_defaults import chosen_defaults
    from runbus.cli.problems import CliError
    from runbus.cli.running import run_async

    words = list(what)
    is_of_files = defaults or defaults_from_bus or functions
    if len(words) not in ((0, 1) if file else (1, 2)) or (not file and is_of_files):
        text = (
            "explain takes a run, or -f FILE (then also --defaults, --defaults-from-bus,"
            " --functions), and perhaps a setting"
        )
        raise CliError(text, way_out="such as `runbus explain RUN state_thresholds`")
    path = words[-1] if len(words) == (1 if file else 2) else ""
    explaining = Explaining(path=path, output=output, with_headers=not no_headers)
    if file:
        chosen = chosen_defaults(defaults, from_bus=defaults_from_bus, nats_url=nats_url)
        return explaining.files(file, chosen, functions)
    return run_async(explaining.run(words[0], nats_url))
