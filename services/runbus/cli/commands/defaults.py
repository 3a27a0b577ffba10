"""`runbus defaults get | set | unset | edit | diff | history`."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import App, Parameter

from runbus.cli import completing
from runbus.cli.options import NatsUrl, NoHeaders

Content = Literal["text", "yaml", "json"]
HistoryFormat = Literal["table", "json", "yaml", "jsonl"]

Revision = Annotated[
    int | None,
    Parameter(
        name="--revision",
        help="One that `runbus defaults history` shows; default: the newest.",
        completer=completing.revisions,
    ),
]
File = Annotated[
    str,
    Parameter(
        name=["-f", "--file"],
        help="A whole defaults file, YAML or JSON; - is stdin.",
        allow_leading_hyphen=True,
    ),
]

app = App(
    name="defaults",
    help="The operator's defaults, caps and limits on the bus: a change holds at once, for runs"
    " that are accepted from then on.",
)


@app.command
def get(
    *,
    revision: Revision = None,
    output: Annotated[
        Content, Parameter(name=["-o", "--output"], help="text: as it was written.")
    ] = "text",
    nats_url: NatsUrl = None,
) -> int:
    """Print the defaults that are on the bus, or say what holds while there are none."""
    from runbus.cli import defaulting
    from runbus.cli.running import run_async

    return run_async(defaulting.get(nats_url, revision, output))


@app.command(name="set")
def set_(
    *,
    file: File | None = None,
    revision: Annotated[
        int | None,
        Parameter(
            name="--revision",
            help="Instead of a file: bring back one that `runbus defaults history` shows.",
            completer=completing.revisions,
        ),
    ] = None,
    base: Annotated[
        int | None,
        Parameter(
            name="--base",
            help="The revision that the file was made from (0: there was none): refused if"
            " another one is the newest by now. Needed where somebody else stored the newest.",
            completer=completing.revisions,
        ),
    ] = None,
    nats_url: NatsUrl = None,
) -> int:
    """Check a defaults file and store it on the bus, whole. Exit code 3 if it is refused."""
    from runbus.cli import defaulting
    from runbus.cli.running import run_async

    return run_async(defaulting.set_(nats_url, file, revision, base))


@app.command
def unset(
    key: Annotated[
        str,
        Parameter(
            name="KEY", help="Such as limits.concurrent_runs, or projects.nlp.caps.replicas."
        ),
    ],
    /,
    *,
    nats_url: NatsUrl = None,
) -> int:
    """Take a key out of the defaults on the bus; all else stays as it was written.

    Exit code 3 if what is left would be refused.
    """
    from runbus.cli import defaulting
    from runbus.cli.running import run_async

    return run_async(defaulting.unset(nats_url, key))


@app.command
def edit(*, nats_url: NatsUrl = None) -> int:
    """Open the defaults in $VISUAL or $EDITOR; check and store what comes back."""
    from runbus.cli import defaulting

    return defaulting.edit(nats_url)


@app.command
def diff(*, file: File, revision: Revision = None, nats_url: NatsUrl = None) -> int:
    """Show what a file would change. Exit code 1 for differences, 3 if it would be refused."""
    from runbus.cli import defaulting
    from runbus.cli.running import run_async

    return run_async(defaulting.diff(nats_url, file, revision))


@app.command
def history(
    *,
    output: Annotated[
        HistoryFormat, Parameter(name=["-o", "--output"], help="How to print.")
    ] = "table",
    no_headers: NoHeaders = False,
    nats_url: NatsUrl = None,
) -> int:
    """List the revisions that are kept (the last ten): when, by whom, and which one holds."""
    from runbus.cli import defaulting
    from runbus.cli.running import run_async

    return run_async(defaulting.history(nats_url, output, with_headers=not no_headers))
