"""`runbus logs`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from runbus.cli.options import Kubeconfig, NatsUrl, RunName


def logs(
    run: RunName,
    /,
    *,
    follow: Annotated[
        bool,
        Parameter(
            name=["-f", "--follow"],
            negative="",
            help="Wait for it to start, go on as it writes, through all attempts, to its end.",
        ),
    ] = False,
    tail: Annotated[
        int | None, Parameter(help="Only the last so many lines.", validator=Number(gte=0))
    ] = None,
    attempt: Annotated[
        int | None,
        Parameter(help="Of this attempt. Default: the current one.", validator=Number(gte=1)),
    ] = None,
    container: Annotated[str, Parameter(name=["-c", "--container"], help="Which one.")] = "main",
    kubeconfig: Kubeconfig = None,
    nats_url: NatsUrl = None,
) -> int:
    """Show or follow the log of a run. Its end can still be read when the pod is gone."""
    from runbus.cli.connection import connected
    from runbus.cli.exits import Exit
    from runbus.cli.running import detached, run_async
    from runbus.cli.tailing import Tailing

    tailing = Tailing(kubeconfig=kubeconfig, tail=tail, attempt=attempt, container=container)

    async def work() -> Exit:
        async with connected(nats_url) as client:
            return await (tailing.follow if follow else tailing.show)(client, run)

    return run_async(work(), if_interrupted=(lambda: detached(run)) if follow else None)
