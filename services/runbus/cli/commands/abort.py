"""`runbus abort`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from runbus.cli.options import NatsUrl, RunName, Timeout


def abort(
    run: RunName,
    /,
    *,
    message: Annotated[
        str, Parameter(name=["-m", "--message"], help="Why; kept with the run.")
    ] = "",
    wait: Annotated[bool, Parameter(negative="", help="Until nothing of it is left.")] = False,
    timeout: Timeout = None,
    nats_url: NatsUrl = None,
) -> int:
    """End a run, in whatever state it is. A run that is over stays as it is."""
    from runbus.cli.aborting import abort_run
    from runbus.cli.running import detached, run_async
    from runbus.cli.timeouts import timeout_of

    return run_async(
        abort_run(run, message, nats_url=nats_url, wait=wait, timeout_s=timeout_of(timeout)),
        if_interrupted=lambda: detached(run),
    )
