"""A deadline's change on a real bus: extending is done once, whatever becomes of the answer."""

from __future__ import annotations

from collections.abc import Mapping

from runbus.contracts import codec, subjects
from runbus.contracts.commands import ChangeDeadline, DeadlineAction
from runbus.contracts.envelope import Envelope
from runbus.contracts.states import EventType, RunState, Threshold
from runbus.contracts.transitions import Publisher
from runbus.runtime.clock import SystemClock
from runbus.runtime.inbox import Delivery
from runbus.runtime.runlog import RunLog, RunRecord
from runbus.sdk.bus import Bus
from runbus.sdk.errors import BusTimeoutError
from runbus.state_watcher.changing import ChangeHandler
from support.buses import TestBus
from support.clocks import ManualClock
from support.runs import PROJECT, RUN_ID, at, limits

EXTEND = ChangeDeadline(threshold=Threshold.RUNNING, action=DeadlineAction.EXTEND, extend_s=60)
DELIVERY = Delivery(
    subject=subjects.command(subjects.DEADLINE, PROJECT, RUN_ID),
    data=codec.encode(EXTEND),
    headers={},
    envelope=Envelope(id="c", type="", source="ann"),
    sequence=1,
    deliveries=1,
    stored_at=at(1),
    reply="",
)


class LosingBus(Bus):
    """Stores the first message and loses the answer; the run goes on before it is asked again."""

    def __init__(self, on: TestBus) -> None:
        super().__init__(on.bus.native())
        self._on: TestBus | None = on

    async def publish(
        self,
        subject: str,
        body: bytes,
        headers: Mapping[str, str] | None = None,
        *,
        timeout_s: float = 5.0,
    ) -> int:
        stored = await super().publish(subject, body, headers, timeout_s=timeout_s)
        on, self._on = self._on, None
        if on is None:
            return stored
        changed = await newest(on)
        await on.store(EventType.RUNNING, Publisher.STATE_WATCHER, changed, state=RunState.RUNNING)
        raise BusTimeoutError


async def newest(on: TestBus) -> RunRecord:
    found = await on.run_log(Publisher.STATE_WATCHER).newest(PROJECT, RUN_ID)
    assert found is not None
    return found


async def test_what_was_stored_without_an_answer_is_not_extended_again(on: TestBus) -> None:
    admitted = await on.admit(await on.accept())
    pending = await on.store(
        EventType.PENDING_SCHEDULED,
        Publisher.STATE_WATCHER,
        admitted,
        state=RunState.PENDING_SCHEDULED,
        thresholds=limits(running=100.0),
    )
    bus = LosingBus(on)
    await bus.open()
    handler = ChangeHandler(RunLog(bus, Publisher.STATE_WATCHER, SystemClock()), ManualClock(at(2)))

    assert await handler.handle(DELIVERY) == "carried out before"

    before, after = (each.status.thresholds["running"] for each in (pending, await newest(on)))
    assert after.extended_s - before.extended_s == EXTEND.extend_s
