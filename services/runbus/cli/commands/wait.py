"""`runbus wait`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from runbus.cli import completing
from runbus.cli.options import NatsUrl, Output, RunName, Timeout


def wait(
    run: RunName,
    /,
    *more: Annotated[str, Parameter(name="MORE", help="More of them.", completer=completing.runs)],
    timeout: Timeout = None,
    output: Output = "table",
    nats_url: NatsUrl = None,
) -> int:
    """Wait until runs are over, whichever way: completed, error, aborted or rejected.

    The exit code is the run's fate; of several, the worst.
    """
    from runbus.cli.running import detached, run_async
    from runbus.cli.timeouts import timeout_of
    from runbus.cli.waiting import wait_for

    return run_async(
        wait_for([run, *more], nats_url=nats_url, timeout_s=timeout_of(timeout), output=output),
        if_interrupted=lambda: detached(" ".join((run, *more))),
    )
