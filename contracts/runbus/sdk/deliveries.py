"""From the messages that a follower delivers to runs and events, as they come.

Must not know subjects, or what asks for them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from runbus.contracts import codec
from runbus.sdk.bus import StoredMessage
from runbus.sdk.errors import BusTimeoutError
from runbus.sdk.follow import Follower
from runbus.sdk.runs import EventRecord, RunRecord, event_of, record_of

READ_TIMEOUT_S = 10.0
# After so long a silence the server is asked how much is left: what a purge took never comes.
SILENCE_S = 0.5


async def every_event(follower: Follower) -> AsyncIterator[EventRecord]:
    """Yield events for ever."""
    while True:
        for message in await follower.next_batch():
            try:
                yield event_of(message)
            except codec.BrokenMessageError:
                continue  # one that cannot be read must not end the watch


async def events_until_all_final(
    follower: Follower, runs: set[tuple[str, str]]
) -> AsyncIterator[EventRecord]:
    """Yield events until each of the runs (project, run id) has had a final one."""
    waiting = set(runs)
    async for event in every_event(follower):
        yield event
        if event.status.state.is_final:
            waiting.discard((event.project, event.run_id))
            if not waiting:
                return


async def until_final(events: AsyncIterator[EventRecord]) -> EventRecord:
    """Return the final one of a run's events."""
    async for event in events:
        if event.status.state.is_final:
            return event
    message = "the events of a run end with a final one"
    raise AssertionError(message)


async def changes(follower: Follower) -> AsyncIterator[list[RunRecord]]:
    """Yield all entries of the bucket of runs, then those that change, as they change."""
    records: list[RunRecord] = []
    async for message in until_caught_up(follower):
        append_readable(records, message)
    yield records
    while True:
        changed: list[RunRecord] = []
        for message in await follower.next_batch():
            append_readable(changed, message)
        if changed:
            yield changed


async def until_caught_up(follower: Follower) -> AsyncIterator[StoredMessage]:
    """Yield what a stream holds, and end there.

    Raises:
        BusTimeoutError: nothing has come for too long, and there should be more.

    """
    loop = asyncio.get_running_loop()
    heard_at = loop.time()
    while True:
        batch = await follower.next_batch(SILENCE_S)
        for message in batch:
            heard_at = loop.time()
            yield message
        if not batch and not follower.caught_up:
            await follower.ask_pending()
        if follower.caught_up:
            return
        if loop.time() - heard_at > READ_TIMEOUT_S:
            text = f"nothing has come from the stream for {READ_TIMEOUT_S:g} s"
            raise BusTimeoutError(text)


def append_readable(records: list[RunRecord], message: StoredMessage) -> None:
    """Add an entry, unless it cannot be read: one must not hide all others."""
    try:
        records.append(record_of(message))
    except codec.BrokenMessageError:
        return
