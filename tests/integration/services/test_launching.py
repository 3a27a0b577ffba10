"""The launcher's handler on a real bus, before an API server that the test answers for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from runbus.contracts import codec
from runbus.contracts.envelope import Envelope
from runbus.contracts.events import RunAdmitted
from runbus.contracts.states import EventType, RunState
from runbus.contracts.transitions import Publisher
from runbus.pod_launcher.handler import Handler
from runbus.runtime.clock import SystemClock
from runbus.runtime.errors import RetryableError
from runbus.runtime.inbox import Delivery
from runbus.runtime.runlog import RunLog, RunRecord
from support.buses import DOCUMENT, TestBus, a_bus_behind
from support.clocks import ManualClock
from support.kube_servers import (
    Answer,
    KubeServer,
    a_refusal,
    an_object,
    connected,
    running_kube_server,
)
from support.runs import PROJECT, RUN_ID, T0, limits


async def creates(_request: web.Request) -> web.StreamResponse:
    return an_object({"metadata": {"name": "p", "uid": "uid-1"}}, status=201)


def a_delivery(record: RunRecord) -> Delivery:
    event = RunAdmitted(status=record.status, document=DOCUMENT)
    return Delivery(
        subject="",
        data=codec.encode(event),
        headers={},
        envelope=Envelope(id="", type="", source=""),
        sequence=record.sequence,
        deliveries=1,
        stored_at=T0,
        reply="",
    )


class StandstillRunLog(RunLog):
    """The process stands still right after it has read where a run stands."""

    def __init__(self, on: TestBus, clock: ManualClock, still_s: float) -> None:
        super().__init__(on.bus, Publisher.POD_LAUNCHER, SystemClock())
        self._by_hand = clock
        self.still_s = still_s

    async def newest(self, project: str, run_id: str, *, since: int = 0) -> RunRecord | None:
        found = await super().newest(project, run_id, since=since)
        self._by_hand.advance(self.still_s)
        return found


@asynccontextmanager
async def launching(
    on: TestBus,
    folder: Path,
    still_s: float = 0.0,
    answer: Answer = creates,
    **settings: Any,
) -> AsyncIterator[tuple[Handler, StandstillRunLog, KubeServer]]:
    clock = ManualClock()
    run_log = StandstillRunLog(on, clock, still_s)
    async with (
        running_kube_server(answer) as server,
        connected(folder, server.url) as kube,
    ):
        yield Handler(run_log, kube, clock, on.log, **settings), run_log, server


async def newest(on: TestBus) -> RunRecord:
    found = await on.run_log(Publisher.SCHEDULER).newest(PROJECT, RUN_ID)
    assert found is not None
    return found


async def test_an_admitted_run_is_created_once(on: TestBus, tmp_path: Path) -> None:
    admitted = await on.admit(await on.accept())
    async with launching(on, tmp_path) as (handler, _, server):
        assert await handler.handle(a_delivery(admitted)) == "launched"
        assert await handler.handle(a_delivery(admitted)) == "dropped: already launched"

    assert server.asked_to("POST") == [f"/api/v1/namespaces/{PROJECT}/pods"]
    assert (await newest(on)).event_type == EventType.LAUNCHED.value


async def test_a_run_whose_deadline_was_changed_after_its_launch_is_not_created_again(
    on: TestBus, tmp_path: Path
) -> None:
    admitted = await on.admit(await on.accept())
    async with launching(on, tmp_path) as (handler, _, server):
        await handler.handle(a_delivery(admitted))
        await on.store(
            EventType.DEADLINE_CHANGED,
            Publisher.STATE_WATCHER,
            await newest(on),
            thresholds=limits(running=60),
        )
        assert await handler.handle(a_delivery(admitted)) == "dropped: already launched"

    assert len(server.asked_to("POST")) == 1


async def test_a_launcher_that_stood_still_creates_nothing_until_it_has_read_the_run_again(
    on: TestBus, tmp_path: Path
) -> None:
    admitted = await on.admit(await on.accept())
    async with launching(on, tmp_path, still_s=10.5) as (handler, run_log, server):
        with pytest.raises(RetryableError):
            await handler.handle(a_delivery(admitted))
        assert server.asked == []

        run_log.still_s = 0.0
        assert await handler.handle(a_delivery(admitted)) == "launched"


async def test_an_event_that_the_streams_leader_has_not_applied_yet_is_launched_all_the_same(
    on: TestBus, tmp_path: Path
) -> None:
    accepted = await on.accept()
    bus = await a_bus_behind(on)
    admitted = await on.admit(accepted)
    run_log = RunLog(bus, Publisher.POD_LAUNCHER, SystemClock())
    async with running_kube_server(creates) as server, connected(tmp_path, server.url) as kube:
        handler = Handler(run_log, kube, SystemClock(), on.log)
        assert await handler.handle(a_delivery(admitted)) == "launched"

    assert bus.old_answers > 0


async def test_a_run_in_a_namespace_that_nobody_watches_ends_and_says_so(
    on: TestBus, tmp_path: Path
) -> None:
    admitted = await on.admit(await on.accept())
    async with launching(on, tmp_path, namespaces=("default", "team-a")) as (handler, _, server):
        assert await handler.handle(a_delivery(admitted)) == "refused"

    assert server.asked == []
    status = (await newest(on)).status
    assert (status.state, status.reason) == (RunState.ERROR, "LaunchRefused")
    assert f"namespace {PROJECT} " in status.status_text
    assert "RUNBUS_NAMESPACES" in status.status_text


async def test_an_object_that_exists_is_an_earlier_create_of_ours(
    on: TestBus, tmp_path: Path
) -> None:
    async def exists(_request: web.Request) -> web.StreamResponse:
        return a_refusal(409, 'pods "p" already exists', "AlreadyExists")

    admitted = await on.admit(await on.accept())
    async with launching(on, tmp_path, answer=exists) as (handler, _, _server):
        assert await handler.handle(a_delivery(admitted)) == "launched"


async def test_any_other_conflict_created_nothing_and_is_tried_again(
    on: TestBus, tmp_path: Path
) -> None:
    text = 'Operation cannot be fulfilled on resourcequotas "q": the object has been modified'

    async def busy_once(request: web.Request) -> web.StreamResponse:
        if len(server.asked) == 1:
            return a_refusal(409, text, "Conflict")
        return await creates(request)

    admitted = await on.admit(await on.accept())
    async with launching(on, tmp_path, answer=busy_once) as (handler, _, server):
        with pytest.raises(RetryableError) as raised:
            await handler.handle(a_delivery(admitted))
        assert text in str(raised.value)
        assert (await newest(on)).event_type == EventType.ADMITTED.value

        assert await handler.handle(a_delivery(admitted)) == "launched"


@pytest.mark.parametrize(
    ("retry_after", "delay_s"), [(None, 1.0), ("7", 7.0), ("86400", 300.0), ("soon", 1.0)]
)
async def test_a_busy_server_says_when_to_ask_again_within_reason(
    on: TestBus, tmp_path: Path, retry_after: str | None, delay_s: float
) -> None:
    async def busy(_request: web.Request) -> web.StreamResponse:
        answer = a_refusal(429, "too many requests", "TooManyRequests")
        if retry_after is not None:
            answer.headers["Retry-After"] = retry_after
        return answer

    admitted = await on.admit(await on.accept())
    async with launching(on, tmp_path, answer=busy) as (handler, _, _server):
        with pytest.raises(RetryableError) as raised:
            await handler.handle(a_delivery(admitted))

    assert raised.value.delay_s == delay_s
