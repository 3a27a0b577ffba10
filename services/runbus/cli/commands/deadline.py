"""`runbus deadline`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from runbus.cli import completing
from runbus.cli.options import NatsUrl, Output, RunName, Timeout


def deadline(
    run: RunName,
    /,
    *,
    state: Annotated[
        str | None,
        Parameter(
            name=["-s", "--state"],
            help="Whose limit: a state, or total. Default: the one that passes next.",
            completer=completing.limits,
        ),
    ] = None,
    extend: Annotated[str | None, Parameter(help="Add so much time: 2h.")] = None,
    at: Annotated[
        str | None, Parameter(help="Move it to a moment: 18:30, 2026-11-25T18:30Z, +2h from now.")
    ] = None,
    pause: Annotated[bool, Parameter(negative="", help="Stop its clock.")] = False,
    resume: Annotated[bool, Parameter(negative="", help="Let its clock go on.")] = False,
    reason: Annotated[str, Parameter(name=["-m", "--reason"], help="Why; kept with the run.")] = "",
    no_wait: Annotated[
        bool, Parameter(negative="", help="Store the command and return; it is carried out later.")
    ] = False,
    timeout: Timeout = None,
    output: Output = "table",
    nats_url: NatsUrl = None,
) -> int:
    """Extend, move, pause or resume a limit of a live run; it stays so in later attempts.

    Exit code 3 if it cannot be done, with the reason.
    """
    from runbus.cli.deadline_arguments import change_of, threshold_of
    from runbus.cli.deadlining import Deadlining
    from runbus.cli.running import detached, run_async
    from runbus.cli.timeouts import timeout_of

    change = change_of(extend=extend, at=at, pause=pause, resume=resume, reason=reason)
    deadlining = Deadlining(
        change=change,
        threshold=threshold_of(state),
        is_waiting=not no_wait,
        timeout_s=timeout_of(timeout),
        output=output,
    )
    return run_async(deadlining.run(run, nats_url), if_interrupted=lambda: detached(run))
