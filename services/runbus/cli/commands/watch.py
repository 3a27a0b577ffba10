"""`runbus watch`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from runbus.cli.options import NatsUrl, Output, RunNames, Timeout


def watch(
    *run: RunNames,
    all_: Annotated[
        bool,
        Parameter(
            name=["-a", "--all"],
            negative="",
            help="Every run, from now on; the same as naming none.",
        ),
    ] = False,
    project: Annotated[
        str | None,
        Parameter(name=["-p", "--project"], help="Every run of this project, from now on."),
    ] = None,
    timeout: Timeout = None,
    output: Output = "table",
    nats_url: NatsUrl = None,
) -> int:
    """Follow runs from their first events to their ends; the exit code is the (worst) fate.

    Without a run: all of them, from now on.

    On a terminal a live view with a bar for each limit; otherwise a line per event.
    With -o jsonl (or json) each event is a CloudEvent on one line.
    """
    from runbus.cli.problems import CliError
    from runbus.cli.running import detached, run_async
    from runbus.cli.timeouts import timeout_of
    from runbus.cli.watching import Watching

    if run and (all_ or project is not None):
        raise CliError(
            "watch takes either runs, or --all", way_out="`runbus list` shows what there is"
        )
    watching = Watching(nats_url=nats_url, output=output, timeout_s=timeout_of(timeout))
    if not run:
        run_async(watching.everything(project))
        return 0
    work = watching.one(run[0]) if len(run) == 1 else watching.some(run)
    return run_async(work, if_interrupted=lambda: detached(" ".join(run)))
