"""`runbus function put | get | history | list`."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import App, Parameter

from runbus.cli import completing
from runbus.cli.options import NatsUrl, NoHeaders, Output

Name = Annotated[
    str,
    Parameter(
        name="NAME",
        help="name, name:tag or hub://name:tag.",
        completer=completing.functions,
    ),
]

app = App(name="function", help="The function catalogue on the bus: store, show and list.")


@app.command
def put(
    file: Annotated[
        str, Parameter(name="FILE", help="A function.yaml; - is stdin.", allow_leading_hyphen=True)
    ],
    /,
    *,
    tag: Annotated[str | None, Parameter(help="Instead of the file's own.")] = None,
    nats_url: NatsUrl = None,
) -> int:
    """Check a function and store it, under its name and tag (latest if it has none).

    What of MLRun's does not map is listed. Exit code 3 if the file is refused.
    """
    from runbus.cli.functions import put_function
    from runbus.cli.running import run_async

    return run_async(put_function(file, tag, nats_url))


@app.command
def get(
    name: Name,
    /,
    *,
    revision: Annotated[
        int | None,
        Parameter(
            help="One that `runbus function history` shows; default: the newest.",
        ),
    ] = None,
    output: Annotated[
        Literal["file", "yaml", "json"],
        Parameter(name=["-o", "--output"], help="file: as it was stored; else what is made of it."),
    ] = "file",
    nats_url: NatsUrl = None,
) -> int:
    """Show a function. Exit code 4 if there is none of that name and tag."""
    from runbus.cli.functions import get_function
    from runbus.cli.running import run_async

    return run_async(get_function(name, revision, output, nats_url))


@app.command
def history(
    name: Name,
    /,
    *,
    output: Annotated[
        Literal["table", "json", "yaml", "jsonl"],
        Parameter(name=["-o", "--output"], help="How to print; json has what each says."),
    ] = "table",
    no_headers: NoHeaders = False,
    nats_url: NatsUrl = None,
) -> int:
    """List the revisions of a function that are kept (the last ten): when, by whom, its hash.

    The hash is what a run records as `function_hash`. Exit code 4 if there is no such function.
    """
    from runbus.cli.functions import show_history
    from runbus.cli.running import run_async

    return run_async(show_history(name, output, nats_url, with_headers=not no_headers))


@app.command(name="list", alias="ls")
def list_(
    *, output: Output = "table", no_headers: NoHeaders = False, nats_url: NatsUrl = None
) -> int:
    """List the functions on the bus: name, tag, kind, and who stored it when."""
    from runbus.cli.functions import list_functions
    from runbus.cli.running import run_async

    return run_async(list_functions(output, nats_url, with_headers=not no_headers))
