"""Every fate of a run, end to end, on real processes."""

from __future__ import annotations

import asyncio

import pytest

from runbus.contracts.states import OutcomeClass, RunState
from support.system import PROJECT, System, sleeping

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.system]

TOO_MUCH = {"requests": {"cpu": "5000"}}


async def path_of(system: System, run_id: str) -> list[str]:
    """Return the states that a run went through, without repeats."""
    found: list[str] = []
    async with system.client.events(PROJECT, run_id) as events:
        async for event in events:
            if not found or found[-1] != event.status.state.value:
                found.append(event.status.state.value)
    return found


async def test_a_job_runs_to_completion_and_its_log_is_kept(system: System) -> None:
    run_id = await system.submit("fine", command=["sh", "-c", "echo one; echo two"])

    final = await system.over(run_id)

    assert (final.state, final.exit_code, final.attempt) == (RunState.COMPLETED, 0, 1)
    path = await path_of(system, run_id)
    assert path[:2] == ["accepted", "admitted"]
    assert path[-1] == "completed"
    async with asyncio.timeout(10):
        while not (tails := await system.client.logs(PROJECT, run_id)):
            await asyncio.sleep(0.05)
    assert [tail.text for tail in tails] == ["one\ntwo\n"]


async def test_a_program_that_fails_is_an_error_of_its_user(system: System) -> None:
    final = await system.over(await system.submit("fails", command=["sh", "-c", "exit 3"]))

    assert (final.state, final.exit_code) == (RunState.ERROR, 3)
    assert final.outcome_class is OutcomeClass.USER
    assert "3" in final.status_text


async def test_an_image_that_does_not_exist_is_waited_for_and_then_aborted(
    system: System,
) -> None:
    run_id = await system.submit(
        "noimage", image="missing:1", state_thresholds={"image_pull_backoff": "2s"}
    )

    final = await system.over(run_id)

    assert (final.state, final.reason) == (RunState.ABORTED, "ThresholdExceeded")
    assert final.status_text == (
        "aborted after 2s in image_pull_backoff: cannot pull missing:1: not found"
    )
    assert await system.pods_of(run_id) == []


async def test_a_job_that_fits_on_no_node_is_waited_for_and_then_aborted(system: System) -> None:
    run_id = await system.submit(
        "toobig", resources=TOO_MUCH, state_thresholds={"pending_not_scheduled": "2s"}
    )

    final = await system.over(run_id)

    assert final.state is RunState.ABORTED
    assert final.status_text.startswith("aborted after 2s in pending_not_scheduled: no node fits")
    assert "Insufficient cpu" in final.status_text
    assert await system.pods_of(run_id) == []


async def test_a_job_that_runs_too_long_is_aborted_and_its_log_is_kept(system: System) -> None:
    run_id = await system.submit(
        "toolong",
        command=["sh", "-c", "echo still here; sleep 100"],
        state_thresholds={"running": "2s"},
    )

    final = await system.over(run_id)

    assert final.status_text == "aborted after 2s in running"
    evidence = await system.client.evidence(PROJECT, run_id)
    assert evidence[0].cause == "aborting"
    tails = [c.log_tail for each in evidence for pod in each.pods for c in pod.containers]
    assert "still here\n" in tails
    assert evidence[0].node is not None
    assert {each.reason for each in evidence[0].kube_events} >= {"Scheduled", "Started"}


async def test_what_can_never_be_pulled_is_aborted_at_once(system: System) -> None:
    run_id = await system.submit("badname", image="registry.example.com/UPPER:1")

    final = await system.over(run_id)

    assert (final.state, final.reason) == (RunState.ABORTED, "ImageNeverPullable")


async def test_a_refused_document_lists_every_violation_and_nothing_else_happens(
    system: System,
) -> None:
    reply = await system.reply(
        "Bad_Name", kind="jobb", env=[{"name": "X", "value": 3}], retry={"limit": -1}
    )

    assert not reply.accepted
    paths = {violation.path for violation in reply.violations}
    assert {"/name", "/kind", "/env/0/value", "/retry/limit"} <= paths
    record = await system.client.get(PROJECT, reply.run_id)
    assert record.status.state is RunState.REJECTED


async def test_a_document_that_is_only_published_is_judged_as_well(system: System) -> None:
    sent = await system.client.send({"project": PROJECT, "name": "UPPER", "kind": "job"})

    async with asyncio.timeout(10):
        while True:
            last = await system.client.bus.last_message(
                "RUNBUS_EVENTS", f"runbus.v1.run.{PROJECT}.{sent.rejection_id}.*.*"
            )
            if last is not None:
                break
    assert last.subject.endswith(".rejected")


async def test_the_same_key_and_document_is_one_run(system: System) -> None:
    first = await system.reply("once", key="key-1")
    second = await system.reply("once", key="key-1")

    assert second.run_id == first.run_id
    assert (first.duplicate, second.duplicate) == (False, True)


async def test_the_same_key_with_another_document_is_refused(system: System) -> None:
    first = await system.reply("one", key="key-2")
    second = await system.reply("other", key="key-2")

    assert not second.accepted
    assert second.violations[0].code == "idempotency_key_reused"
    assert first.run_id in (second.violations[0].hint or "")


async def test_a_failed_attempt_is_retried_after_its_backoff(system: System) -> None:
    run_id = await system.submit(
        "again",
        command=["sh", "-c", 'test "$RUNBUS_ATTEMPT" = 2'],
        retry={"limit": 2, "backoff": "1s", "on": ["user"]},
    )

    retrying = await system.until(run_id, RunState.RETRYING)
    final = await system.over(run_id)

    assert retrying.not_before is not None
    assert (retrying.not_before - retrying.since).total_seconds() == pytest.approx(1.0, abs=0.01)
    assert (final.state, final.attempt) == (RunState.COMPLETED, 2)


async def test_an_abort_by_a_threshold_is_retried_where_the_policy_names_the_state(
    system: System,
) -> None:
    run_id = await system.submit(
        "pullagain",
        image="missing:2",
        state_thresholds={"image_pull_backoff": "1s"},
        retry={"limit": 1, "backoff": "1s", "on": ["image_pull_backoff"]},
    )

    final = await system.over(run_id)

    assert (final.state, final.attempt) == (RunState.ABORTED, 2)


async def test_a_run_over_its_projects_limit_waits_and_says_why(system: System) -> None:
    first = await system.client.submit(
        {"project": "small", "name": "a", "kind": "job", "image": "x:1", "command": sleeping(2)}
    )
    second = await system.client.submit(
        {"project": "small", "name": "b", "kind": "job", "image": "x:1", "command": ["true"]}
    )

    async with asyncio.timeout(20), system.client.events("small", second.run_id) as events:
        statuses = [event.status async for event in events]

    queued = [status for status in statuses if status.state is RunState.QUEUED]
    assert [(each.reason, each.message) for each in queued] == [
        ("QuotaExceeded", "concurrent runs 1/1 in project small")
    ]
    assert statuses[-1].state is RunState.COMPLETED
    assert first.accepted


async def test_a_queued_run_has_a_limit_of_its_own(system: System) -> None:
    await system.client.submit(
        {"project": "small", "name": "a", "kind": "job", "image": "x:1", "command": sleeping(4)}
    )
    second = await system.client.submit(
        {
            "project": "small",
            "name": "b",
            "kind": "job",
            "image": "x:1",
            "state_thresholds": {"queued": "1s"},
        }
    )

    final = await system.over(second.run_id, "small")

    assert final.status_text == (
        "aborted after 1s in queued: queued: concurrent runs 1/1 in project small"
    )


async def test_a_refusal_by_the_api_server_ends_the_attempt_in_its_own_words(
    system: System,
) -> None:
    # Allowed by the operator's list, but no PriorityClass of the cluster.
    final = await system.over(await system.submit("nopriority", priority_class="low"))

    assert (final.state, final.reason) == (RunState.ERROR, "LaunchRefused")
    assert "no PriorityClass with name low was found" in final.message


async def test_an_exceeded_quota_ends_the_attempt_in_the_api_servers_words(
    system: System,
) -> None:
    await system.kube(
        "POST",
        "/api/v1/namespaces/nlp/resourcequotas",
        {
            "apiVersion": "v1",
            "kind": "ResourceQuota",
            "metadata": {"name": "tight"},
            "spec": {"hard": {"pods": "0"}},
        },
    )
    try:
        final = await system.over(await system.submit("overquota"))
    finally:
        await system.kube("DELETE", "/api/v1/namespaces/nlp/resourcequotas/tight")

    assert (final.state, final.reason) == (RunState.ERROR, "LaunchRefused")
    assert "exceeded quota: tight" in final.message


@pytest.mark.parametrize("fault", [{"status": 429, "retry_after_s": 1}, {"status": 503}])
async def test_a_busy_api_server_is_asked_again_and_nothing_is_lost(
    system: System, fault: dict[str, int]
) -> None:
    await system.fault(method="POST", path="/api/v1/namespaces/*/pods", count=2, **fault)
    try:
        final = await system.over(await system.submit("busy"))
    finally:
        await system.no_faults()

    assert (final.state, final.attempt) == (RunState.COMPLETED, 1)


async def test_a_create_whose_answer_is_lost_makes_one_pod(system: System) -> None:
    await system.fault(method="POST", path="/api/v1/namespaces/*/pods", count=1, drop="after")
    try:
        run_id = await system.submit("lostanswer", command=sleeping(1))
        final = await system.over(run_id)
    finally:
        await system.no_faults()

    assert (final.state, final.attempt) == (RunState.COMPLETED, 1)
    assert len(await system.pods_of(run_id)) == 1


async def test_a_pod_deleted_by_somebody_ends_the_attempt(system: System) -> None:
    run_id = await system.submit("deleted", command=sleeping(60))
    running = await system.until(run_id, RunState.RUNNING)

    await system.kube("DELETE", f"/api/v1/namespaces/nlp/pods/{running.pods[0].name}")
    final = await system.over(run_id)

    assert (final.state, final.reason) == (RunState.ERROR, "PodDeleted")


async def test_the_log_of_a_pod_that_somebody_deletes_is_kept_while_it_ends(
    system: System,
) -> None:
    said = 'trap "sleep 3; exit 1" TERM; echo at work; while :; do sleep 0.1; done'
    run_id = await system.submit("deleted", command=["sh", "-c", said])
    running = await system.until(run_id, RunState.RUNNING)

    await system.kube("DELETE", f"/api/v1/namespaces/nlp/pods/{running.pods[0].name}")
    await system.over(run_id)

    evidence = await system.client.evidence(PROJECT, run_id)
    assert evidence[0].cause == "deleting"
    assert [each.log_tail for each in evidence[0].pods[0].containers] == ["at work\n"]


async def test_a_pod_that_vanishes_is_an_infrastructure_failure_and_retried(
    system: System,
) -> None:
    run_id = await system.submit(
        "vanished",
        command=["sh", "-c", 'test "$RUNBUS_ATTEMPT" = 2 || sleep 60'],
        retry={"limit": 1, "backoff": "1s"},
    )
    running = await system.until(run_id, RunState.RUNNING)

    # With grace 0 there is no deletionTimestamp to see: just an object that is gone.
    await system.kube(
        "DELETE",
        f"/api/v1/namespaces/nlp/pods/{running.pods[0].name}",
        {"gracePeriodSeconds": 0},
    )
    final = await system.over(run_id)

    assert final.state in {RunState.COMPLETED, RunState.ERROR}


async def test_finished_objects_go_after_their_time_and_the_log_stays(system: System) -> None:
    run_id = await system.submit(
        "shortlived", command=["sh", "-c", "echo kept"], ttl_after_finish="1s"
    )

    await system.over(run_id)
    await system.pods_gone(run_id)

    assert [tail.text for tail in await system.client.logs(PROJECT, run_id)] == ["kept\n"]


async def test_a_pod_that_turns_up_late_is_deleted_within_a_second(system: System) -> None:
    run_id = await system.submit("late", command=["true"], ttl_after_finish="1s")
    await system.over(run_id)
    [pod] = await system.pods_of(run_id)
    await system.pods_gone(run_id)
    pod["metadata"] = {
        "name": pod["metadata"]["name"],
        "labels": pod["metadata"]["labels"],
    }
    pod["spec"] = {
        "restartPolicy": "Never",
        "containers": [{"name": "main", "image": "x:1", "command": sleeping(60)}],
        "terminationGracePeriodSeconds": 1,
    }
    status, _ = await system.kube(
        "POST",
        "/api/v1/namespaces/nlp/pods",
        {key: pod[key] for key in ("metadata", "spec")} | {"apiVersion": "v1", "kind": "Pod"},
    )
    assert status == 201

    await system.pods_gone(run_id)
