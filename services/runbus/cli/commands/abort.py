"""`runbus abort`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from runbus.cli import completing
from runbus.cli.options import NatsUrl, RunName, Timeout


def abort(
    run: RunName,
    /,
    *more: Annotated[str, Parameter(name="MORE", help="More of them.", completer=completing.runs)],
    message: Annotated[
        str, Parameter(name=["-m", "--message"], help="Why; kept with each run.")
    ] = "",
    wait: Annotated[bool, Parameter(negative="", help="Until nothing of them is left.")] = False,
    timeout: Timeout = None,
    nats_url: NatsUrl = None,
) -> int:
    """End runs, in whatever state they are. One that is over stays as it is.

    Where one of them cannot be found, none is ended.
    """
    from runbus.cli.aborting import abort_runs
    from runbus.cli.running import detached, run_async
    from runbus.cli.timeouts import timeout_of

    return run_async(
        abort_runs(
            [run, *more], message, nats_url=nats_url, wait=wait, timeout_s=timeout_of(timeout)
        ),
        if_interrupted=lambda: detached(" ".join((run, *more))),
    )
