"""`runbus explain`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from runbus.cli import completing
from runbus.cli.options import Files, Functions, NatsUrl, NoHeaders, Output


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
    from runbus.cli.problems import CliError
    from runbus.cli.running import run_async

    words = list(what)
    if len(words) not in ((0, 1) if file else (1, 2)) or (not file and (defaults or functions)):
        text = (
            "explain takes a run, or -f FILE (then also --defaults, --functions), and perhaps a"
            " setting"
        )
        raise CliError(text, way_out="such as `runbus explain RUN state_thresholds`")
    path = words[-1] if len(words) == (1 if file else 2) else ""
    explaining = Explaining(path=path, output=output, with_headers=not no_headers)
    if file:
        return explaining.files(file, defaults, functions)
    return run_async(explaining.run(words[0], nats_url))
