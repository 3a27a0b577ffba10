"""The event with which a run was accepted: its effective document, and the level of each part."""

from __future__ import annotations

from runbus.cli.exits import Exit
from runbus.cli.output.violations import violation_lines
from runbus.cli.problems import CliError
from runbus.contracts.events import RunAccepted, RunRejected
from runbus.sdk.client import Client
from runbus.sdk.runs import RunRecord
from runbus.sdk.verdicts import verdict_event


async def accepted_event(client: Client, record: RunRecord) -> RunAccepted:
    """Return the event with which a run was accepted.

    Raises:
        CliError: the run was rejected (its violations are listed), or its events are gone.

    """
    event = await verdict_event(client, record.status)
    if event is None:
        raise CliError(
            f"the first event of {record.ref} is gone",
            why="runs that ended long ago are purged from the bus",
            code=Exit.NO_SUCH_RUN,
        )
    if isinstance(event, RunRejected):
        raise CliError(
            f"{record.ref} was rejected, and of a rejected run no document is kept",
            why="\n".join(violation_lines(event.violations, indent="")),
            way_out="mend the document and submit it: `runbus submit -f FILE`",
            code=Exit.REFUSED,
        )
    return event
