"""The first event of a run: what was accepted, or what was wrong with it."""

from __future__ import annotations

from runbus.contracts import codec, subjects
from runbus.contracts.events import RunAccepted, RunRejected
from runbus.contracts.states import EventType, RunState
from runbus.contracts.status import RunStatus
from runbus.contracts.streams import EVENTS
from runbus.sdk.client import Client


async def verdict_event(client: Client, status: RunStatus) -> RunAccepted | RunRejected | None:
    """Return the event with which a run was accepted or rejected; None where it is gone.

    Runs that ended long ago are purged from the bus.
    """
    verdict = EventType.REJECTED if status.state is RunState.REJECTED else EventType.ACCEPTED
    subject = subjects.event(status.project, status.run_id, status.shard, verdict)
    found = await client.bus.last_message(EVENTS, subject)
    event = codec.decode_event(verdict, found.data) if found is not None else None
    return event if isinstance(event, RunAccepted | RunRejected) else None
