"""`runbus watch`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from runbus.cli.options import NatsUrl, Output, Timeout


def watch(
    run: Annotated[
        str | None,
        Parameter(help="Run id, a unique start of it, the document's name, or project/any."),
    ] = None,
    /,
    *,
    all_: Annotated[
        bool, Parameter(name=["-a", "--all"], negative="", help="Every run, from now on.")
    ] = False,
    project: Annotated[
        str | None,
        Parameter(name=["-p", "--project"], help="Every run of this project, from now on."),
    ] = None,
    timeout: Timeout = None,
    output: Output = "table",
    nats_url: NatsUrl = None,
) -> int:
    """Follow a run from its first event to its end; the exit code is the run's fate.

    On a terminal a live view with the time left to each deadline; otherwise a line per event.
    With -o jsonl (or json) each event is a CloudEvent on one line.
    """
    from runbus.cli.problems import CliError
    from runbus.cli.running import detached, run_async
    from runbus.cli.timeouts import timeout_of
    from runbus.cli.watching import Watching

    everything = all_ or project is not None
    if (run is None) != everything:
        raise CliError(
            "watch takes either one run, or --all", way_out="`runbus list` shows what there is"
        )
    watching = Watching(nats_url=nats_url, output=output, timeout_s=timeout_of(timeout))
    if run is None:
        run_async(watching.everything(project))
        return 0
    return run_async(watching.one(run), if_interrupted=lambda: detached(run))
