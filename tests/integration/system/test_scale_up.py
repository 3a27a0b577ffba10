"""Pods without a node, and an autoscaler's Kubernetes events: more time, or the abort's reason."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from runbus.contracts import codec
from runbus.contracts.events import RunDeadlineChanged
from runbus.contracts.states import RunState
from runbus.state_watcher.pod_events import EVENTS_TIMEOUT_S
from support.pods import autoscaler_event
from support.system import PROJECT, System

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.system]

TOO_MUCH = {"requests": {"cpu": "5000"}}


async def say_as_autoscaler(system: System, run_id: str, reason: str, message: str) -> None:
    """Write a Kubernetes event on a run's pod, as a cluster autoscaler does."""
    meta = (await system.pods_of(run_id))[0]["metadata"]
    event = autoscaler_event(meta, reason, message)
    path = f"/api/v1/namespaces/{meta['namespace']}/events"
    status, answer = await system.kube("POST", path, event)
    assert status == 201, answer


async def test_while_an_autoscaler_adds_nodes_a_job_gets_ten_minutes_more(system: System) -> None:
    run_id = await system.submit(
        "scaleup", resources=TOO_MUCH, state_thresholds={"pending_not_scheduled": "3s"}
    )
    began = await system.until(run_id, RunState.PENDING_NOT_SCHEDULED)

    await say_as_autoscaler(system, run_id, "TriggeredScaleUp", "pod triggered scale-up: pool 1->2")

    async with asyncio.timeout(20), system.client.events(PROJECT, run_id) as events:
        changed = await anext(e async for e in events if e.event_type == "deadline_changed")
    assert changed.status.deadline == began.since + timedelta(seconds=603)
    body = codec.decode(RunDeadlineChanged, changed.body)
    assert (body.changed_by, body.action) == ("cluster-autoscaler", "extend")
    assert "pool 1->2" in body.why
    await system.client.abort(PROJECT, run_id, by="ada")
    await system.over(run_id)


async def test_what_an_autoscaler_would_not_do_stands_in_the_abort(system: System) -> None:
    run_id = await system.submit(
        "noscaleup", resources=TOO_MUCH, state_thresholds={"pending_not_scheduled": "3s"}
    )
    await system.until(run_id, RunState.PENDING_NOT_SCHEDULED)

    await say_as_autoscaler(system, run_id, "NotTriggerScaleUp", "max node group size reached")

    final = await system.over(run_id)
    assert final.status_text.startswith("aborted after 3s in pending_not_scheduled: no node fits")
    assert final.status_text.endswith(
        "; cluster-autoscaler: NotTriggerScaleUp: max node group size reached"
    )


@pytest.mark.parametrize("fault", [{"hang_s": 30.0}, {"status": 403}], ids=["slow", "forbidden"])
async def test_events_that_cannot_be_read_hold_up_no_abort(
    system: System, fault: dict[str, float]
) -> None:
    await system.fault(method="GET", path="*/events", for_s=20.0, **fault)
    run_id = await system.submit(
        "noevents", resources=TOO_MUCH, state_thresholds={"pending_not_scheduled": "2s"}
    )
    await system.until(run_id, RunState.ABORTING)
    await system.no_faults()

    final = await system.over(run_id)

    assert final.state is RunState.ABORTED
    assert final.abort is not None
    assert final.abort.overdue_ms is not None
    assert final.abort.overdue_ms < (EVENTS_TIMEOUT_S + 2.0) * 1000
