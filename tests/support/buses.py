"""A provisioned bus on a real nats-server, and ways to put runs on it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import structlog
from msgspec import Struct

from runbus.cli.stack.nats import NatsProcess
from runbus.contracts import subjects
from runbus.contracts.document import RunDocument
from runbus.contracts.events import EVENT_STRUCTS, RunAccepted, RunAdmitted
from runbus.contracts.states import EventType, Kind, RunState
from runbus.contracts.status import RunStatus
from runbus.contracts.streams import EVENTS
from runbus.contracts.transitions import Publisher
from runbus.runtime.clock import SystemClock
from runbus.runtime.logs import Log
from runbus.runtime.runlog import RunLog, RunRecord
from runbus.sdk.bus import Bus, StoredMessage
from runbus.sdk.connecting import connect
from runbus.sdk.provision import provision
from support.runs import PROJECT, RUN_ID, a_status, replace
from support.stack import running_nats

DOCUMENT = RunDocument(project="nlp", name="train", kind=Kind.JOB, image="x:1")


class TestBus(Struct):
    """A server, a connection, and a run log for each publisher."""

    __test__ = False

    nats: NatsProcess
    bus: Bus
    log: Log

    def run_log(self, publisher: Publisher) -> RunLog:
        return RunLog(self.bus, publisher, SystemClock())

    async def accept(self, status: RunStatus | None = None) -> RunRecord:
        """Store a run as accepted."""
        event = RunAccepted(status=status or a_status(), document=DOCUMENT)
        run_log = self.run_log(Publisher.SPEC_VALIDATOR)
        return await run_log.publish(EventType.ACCEPTED, event, None)

    async def admit(self, record: RunRecord) -> RunRecord:
        """Store the admission of a run's next attempt."""
        status = replace(record.status, state=RunState.ADMITTED, attempt=record.status.attempt + 1)
        event = RunAdmitted(status=status, document=DOCUMENT)
        return await self.run_log(Publisher.SCHEDULER).publish(EventType.ADMITTED, event, record)

    async def store(
        self, event_type: EventType, publisher: Publisher, before: RunRecord, **fields: object
    ) -> RunRecord:
        """Store any other transition."""
        event = EVENT_STRUCTS[event_type](status=replace(before.status, **fields))
        return await self.run_log(publisher).publish(event_type, event, before)


class BusBehind(Bus):
    """Its first reads are answered by what was there, as by a leader that has not applied all."""

    view: StoredMessage | None = None
    answers_left = 3
    old_answers = 0

    async def last_message(self, stream: str, subject: str) -> StoredMessage | None:
        if self.answers_left > 0:
            self.answers_left -= 1
            self.old_answers += 1
            return self.view
        return await super().last_message(stream, subject)


async def a_bus_behind(on: TestBus) -> BusBehind:
    """Return a bus that goes on to answer with the newest event of now for a while."""
    bus = BusBehind(on.bus.native())
    await bus.open()
    bus.view = await on.bus.last_message(EVENTS, subjects.events_of_run(PROJECT, RUN_ID))
    return bus


@asynccontextmanager
async def running_bus(folder: Path) -> AsyncIterator[TestBus]:
    """Run a provisioned bus for the length of a block."""
    async with running_nats(folder) as nats:
        bus = await connect(nats.url, name="test", attempts_max=40)
        try:
            await provision(bus)
            yield TestBus(nats, bus, structlog.get_logger())
        finally:
            await bus.close()
