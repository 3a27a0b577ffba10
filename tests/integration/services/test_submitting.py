"""A submit command that comes twice, with stricter defaults the second time, on a real server."""

from __future__ import annotations

import os

import pytest
import structlog

from runbus.contracts import codec, subjects
from runbus.contracts.document import RunDocument
from runbus.contracts.envelope import IDEMPOTENCY_KEY, Envelope
from runbus.contracts.events import RunEvent
from runbus.contracts.identity import run_id_from_key
from runbus.contracts.states import EventType, Kind
from runbus.contracts.streams import EVENTS
from runbus.contracts.transitions import Publisher
from runbus.runtime.clock import SystemClock
from runbus.runtime.errors import RetryableError
from runbus.runtime.functions import Catalogue
from runbus.runtime.inbox import Delivery
from runbus.runtime.runlog import RunLog
from runbus.settings.defaults import Defaults
from runbus.spec_validator.handler import Handler
from runbus.spec_validator.priorities import PriorityClasses
from support.buses import TestBus
from support.runs import PROJECT, at

DOCUMENT = RunDocument(kind=Kind.JOB, name="train", image="x:1", priority_class="high")


class NewLeader(RunLog):
    """Asks for an event just when another server has become leader that has not applied it yet."""

    async def event(
        self, project: str, run_id: str, shard: str, event_type: EventType
    ) -> RunEvent | None:
        return None


def handler(on: TestBus, defaults: Defaults, run_log_type: type[RunLog] = RunLog) -> Handler:
    log = structlog.get_logger()
    run_log = run_log_type(on.bus, Publisher.SPEC_VALIDATOR, SystemClock())
    classes, catalogue = PriorityClasses(log, lambda: False), Catalogue(on.bus, {})
    return Handler(
        run_log, on.bus, lambda: defaults, classes, catalogue, SystemClock(), log, os.urandom
    )


def delivery(headers: dict[str, str]) -> Delivery:
    return Delivery(
        subject=subjects.submit(PROJECT),
        data=codec.encode(DOCUMENT),
        headers=headers,
        envelope=Envelope(id="c", type="", source="ann"),
        sequence=5,
        deliveries=2,
        stored_at=at(0),
        reply="",
    )


@pytest.mark.parametrize("headers", [{}, {IDEMPOTENCY_KEY: "k"}], ids=["no key", "a key"])
async def test_a_submit_accepted_before_is_not_rejected_when_it_comes_again(
    on: TestBus, headers: dict[str, str]
) -> None:
    accepted = await handler(on, Defaults()).handle(delivery(headers))

    stricter = Defaults(allowed_priority_classes=("low",))
    again = await handler(on, stricter).handle(delivery(headers))

    assert (accepted, again) == ("accepted", "duplicate")
    stored = await on.bus.api(f"STREAM.INFO.{EVENTS}")
    assert stored["state"]["messages"] == 1


async def test_a_key_is_not_said_to_be_anothers_because_the_leader_lags(on: TestBus) -> None:
    headers = {IDEMPOTENCY_KEY: "k"}
    await handler(on, Defaults()).handle(delivery(headers))
    run_id = run_id_from_key(PROJECT, "k")
    accepted = await on.run_log(Publisher.SCHEDULER).newest(PROJECT, run_id)
    assert accepted is not None
    await on.admit(accepted)

    with pytest.raises(RetryableError, match="does not show yet"):
        await handler(on, Defaults(), NewLeader).handle(delivery(headers))

    stored = await on.bus.api(f"STREAM.INFO.{EVENTS}")
    assert stored["state"]["messages"] == 2
