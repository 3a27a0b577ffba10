"""A run is one trace: through every message, in every service, and in their log lines."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from nats.aio.msg import Msg

from runbus.contracts import envelope, subjects
from runbus.contracts.identity import trace_parts
from runbus.contracts.states import RunState
from support.collectors import Collector, SeenSpan, collector
from support.system import PROJECT, System, a_job, running_system

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.system]

CLIENT, PRODUCER, CONSUMER = 3, 4, 5
EXPORT_TIMEOUT_S = 20.0
# Where nobody listens: port 9 of the loopback interface.
NO_COLLECTOR = "http://127.0.0.1:9"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def traced(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[tuple[System, Collector]]:
    async with (
        collector() as found,
        running_system(
            tmp_path_factory.mktemp("traced"),
            OTEL_EXPORTER_OTLP_ENDPOINT=found.url,
            OTEL_BSP_SCHEDULE_DELAY="200",
        ) as system,
    ):
        yield system, found


async def spans_of(found: Collector, trace: str, *names: str) -> list[SeenSpan]:
    """Return a trace's spans once those of some names have arrived."""
    async with asyncio.timeout(EXPORT_TIMEOUT_S):
        while not set(names) <= {each.name for each in found.of(trace)}:
            await asyncio.sleep(0.05)
    return found.of(trace)


async def submitted(system: System, trace: str, **settings: Any) -> str:
    parent = f"00-{trace}-00f067aa0ba902b7-01"
    reply = await system.client.submit(a_job("traced", **settings), traceparent=parent)
    assert reply.accepted, reply.violations
    return reply.run_id


async def traces_of_events(system: System, run_id: str) -> dict[str, str]:
    """Return the trace id in each event of a run that is over, by type."""
    found: dict[str, str] = {}
    async with system.client.events(PROJECT, run_id) as events:
        async for event in events:
            parts = trace_parts(event.envelope.traceparent)
            found[event.event_type] = parts[0] if parts is not None else ""
    return found


def event_span(event_type: str) -> str:
    return f"publish runbus.v1.run.{{project}}.{{run}}.{{shard}}.{event_type}"


async def test_a_traceparent_goes_from_the_submit_through_every_hop_to_the_end(
    traced: tuple[System, Collector],
) -> None:
    system, _ = traced
    trace = "a" * 32
    others: list[str] = []

    async def take(msg: Msg) -> None:
        headers = {str(name): text for name, text in (msg.headers or {}).items()}
        parts = trace_parts(envelope.header(headers, envelope.TRACEPARENT))
        others.append(parts[0] if parts is not None else "")

    for subject in (subjects.command(subjects.ABORT), subjects.evidence()):
        await system.client.bus.subscribe(subject, take)
    run_id = await submitted(
        system, trace, image="missing:1", state_thresholds={"image_pull_backoff": "1s"}
    )
    await system.over(run_id)

    found = await traces_of_events(system, run_id)
    assert {"accepted", "admitted", "image_pull_backoff", "aborting", "aborted"} <= set(found)
    assert set(found.values()) == {trace}
    assert len(others) >= 2  # the command, and the evidence
    assert set(others) == {trace}


async def test_a_run_is_one_tree_of_spans_from_its_submitters_on(
    traced: tuple[System, Collector],
) -> None:
    system, found = traced
    trace = "b" * 32
    run_id = await submitted(
        system, trace, image="missing:1", state_thresholds={"image_pull_backoff": "1s"}
    )
    await system.over(run_id)

    spans = await spans_of(
        found,
        trace,
        *(event_span(each) for each in ("accepted", "admitted", "aborting", "aborted")),
        "publish runbus.v1.abort.{project}.{run}",
        "process runbus.v1.abort.{project}.{run}",
        "process runbus.v1.run.{project}.{run}.{shard}.admitted",
        "POST /api/v1/namespaces/{namespace}/pods",
        "DELETE /api/v1/namespaces/{namespace}/pods/{name}",
    )
    known = {each.span for each in spans} | {"00f067aa0ba902b7"}
    assert "process runbus.v1.api.submit.{project}" in {each.name for each in spans}
    assert {each.service for each in spans} == {
        "runbus-spec-validator",
        "runbus-scheduler",
        "runbus-pod-launcher",
        "runbus-state-watcher",
        "runbus-aborter",
    }
    assert [each.name for each in spans if each.parent not in known] == []
    assert len({each.span for each in spans}) == len(spans)
    assert {each.attributes.get("runbus.run_id", run_id) for each in spans} == {run_id}
    created = next(each for each in spans if each.name.startswith("POST"))
    assert created.attributes["http.response.status_code"] == 201
    by_id = {each.span: each for each in spans}
    assert by_id[created.parent].kind == CONSUMER
    assert by_id[by_id[created.parent].parent].name == event_span("admitted")
    kinds = {each.name.partition(" ")[0]: each.kind for each in spans}
    assert (kinds["publish"], kinds["process"], kinds["POST"]) == (PRODUCER, CONSUMER, CLIENT)


async def test_a_users_abort_from_another_trace_does_not_take_the_run_over(
    traced: tuple[System, Collector],
) -> None:
    system, found = traced
    trace = "c" * 32
    run_id = await submitted(system, trace, command=["sleep", "60"])
    await system.until(run_id, RunState.RUNNING)

    await system.client.abort(PROJECT, run_id, by="ada")
    await system.over(run_id)

    assert set((await traces_of_events(system, run_id)).values()) == {trace}
    spans = await spans_of(found, trace, event_span("aborting"), event_span("aborted"))
    aborting = next(each for each in spans if each.name == event_span("aborting"))
    assert aborting.links  # to the handling of the user's command


async def test_log_lines_name_the_trace(traced: tuple[System, Collector]) -> None:
    system, _ = traced
    trace = "d" * 32
    await system.over(await submitted(system, trace))

    for service in ("pod-launcher", "state-watcher"):
        text = await asyncio.to_thread(system.stack.services[service].log.read_text)
        lines = [json.loads(line) for line in text.splitlines()]
        assert [line for line in lines if line.get("trace_id") == trace], service


async def test_a_collector_that_is_down_is_one_warning_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    async with running_system(
        tmp_path_factory.mktemp("untraced"),
        OTEL_EXPORTER_OTLP_ENDPOINT=NO_COLLECTOR,
        OTEL_BSP_SCHEDULE_DELAY="100",
        OTEL_EXPORTER_OTLP_TIMEOUT="1",
    ) as system:
        for _ in range(3):
            final = await system.over(await system.submit("fine"))
            assert final.state is RunState.COMPLETED
            await asyncio.sleep(0.5)
        services = dict(system.stack.services)

    for name, service in services.items():
        text = await asyncio.to_thread(service.log.read_text)
        lines = [json.loads(line) for line in text.splitlines()]  # nothing but our own lines
        told = [line for line in lines if line["event"] == "traces are not exported, and dropped"]
        assert len(told) <= 1, name
        assert lines[-1]["event"] == "stopped"
        if name == "pod-launcher":
            assert len(told) == 1
