"""A submit command that comes twice, with stricter defaults the second time, on a real server."""

from __future__ import annotations

import os

import pytest
import structlog

from runbus.contracts import codec, subjects
from runbus.contracts.document import RunDocument
from runbus.contracts.envelope import IDEMPOTENCY_KEY, Envelope
from runbus.contracts.states import Kind
from runbus.contracts.streams import EVENTS
from runbus.contracts.transitions import Publisher
from runbus.runtime.clock import SystemClock
from runbus.runtime.functions import Catalogue
from runbus.runtime.inbox import Delivery
from runbus.settings.defaults import Defaults
from runbus.spec_validator.handler import Handler
from runbus.spec_validator.priorities import PriorityClasses
from support.buses import TestBus
from support.runs import PROJECT, at

DOCUMENT = RunDocument(kind=Kind.JOB, name="train", image="x:1", priority_class="high")


def handler(on: TestBus, defaults: Defaults) -> Handler:
    log = structlog.get_logger()
    run_log = on.run_log(Publisher.SPEC_VALIDATOR)
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
