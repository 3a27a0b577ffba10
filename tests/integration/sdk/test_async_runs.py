"""Functions run through the async session against a whole system, and their handles."""

from __future__ import annotations

import asyncio

import pytest

from runbus.cli.pod_logs import PodLogs
from runbus.contracts.labels import RERUN_OF_ANNOTATION
from runbus.contracts.states import RunState
from runbus.sdk import (
    AsyncSession,
    Function,
    RunAbortedError,
    RunFailedError,
    RunRejectedError,
    RunTimeoutError,
    new_function,
)
from runbus.sdk.errors import BusUnreachableError
from support.system import System

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="module")]

WAIT_S = 40.0


def shell(script: str, name: str = "shell") -> Function:
    """Return a function that runs a script of the shell."""
    return new_function(name, "nlp", image="x:1", command=["sh", "-c", script])


async def test_a_run_completes_and_its_output_is_kept(session: AsyncSession) -> None:
    run = await session.run(shell('echo "epochs $EPOCHS"; echo done').set_env("EPOCHS", 3))
    status = await run.wait(WAIT_S)
    assert (status.state, run.state, status.user) == (RunState.COMPLETED, RunState.COMPLETED, "ada")
    lines = [line async for line in run.logs(follow=True)]
    assert lines == ["epochs 3", "done"]
    assert [line async for line in run.logs()] == lines


async def test_the_events_of_a_run_come_from_the_first_to_the_last(session: AsyncSession) -> None:
    run = await session.run(shell("exit 0"))
    seen = [event.event_type async for event in run.events()]
    assert (seen[0], seen[-1]) == ("accepted", "completed")
    assert run.state is RunState.COMPLETED


async def test_a_failed_run_says_so_with_its_final_status(session: AsyncSession) -> None:
    run = await session.run(shell("exit 3"))
    with pytest.raises(RunFailedError, match=run.ref) as found:
        await run.wait(WAIT_S)
    assert found.value.status is not None
    assert found.value.status.exit_code == 3
    assert (await run.wait(raise_on_failure=False)).state is RunState.ERROR


async def test_a_refused_run_says_everything_that_is_wrong(session: AsyncSession) -> None:
    document = {"project": "nlp", "name": "x", "kind": "job", "image": "x:1", "replcas": 2}
    with pytest.raises(RunRejectedError) as found:
        await session.run({**document, "priority_class": "urgent"})
    assert {each.path for each in found.value.violations} == {"/replcas", "/priority_class"}
    assert "high, low" in str(found.value)


async def test_a_run_that_takes_too_long_is_told_and_goes_on_until_it_is_aborted(
    session: AsyncSession,
) -> None:
    run = await session.run(shell("sleep 1000"))
    with pytest.raises(RunTimeoutError) as late:
        await run.wait(timeout=0.2)
    assert late.value.status is not None
    assert not late.value.status.state.is_final
    await run.abort("wrong data")
    with pytest.raises(RunAbortedError, match="wrong data") as found:
        await run.wait(WAIT_S)
    assert found.value.status is not None
    assert found.value.status.abort is not None
    assert found.value.status.abort.by == "ada"


async def test_a_run_over_its_threshold_is_aborted(session: AsyncSession) -> None:
    limited = shell("sleep 1000").set_state_thresholds({"running": "1s"})
    run = await session.run(limited)
    with pytest.raises(RunAbortedError, match="running"):
        await run.wait(WAIT_S)


async def test_a_rerun_asks_for_what_was_asked_for_with_changes(session: AsyncSession) -> None:
    fn = shell('echo "$A {n} $RUNBUS_PARAMETERS"').set_envs({"A": 1, "B": True})
    fn.spec.parameters = {"n": 1, "m": 2}
    first = await session.run(fn)
    again = await first.rerun(env={"A": "two"}, parameters={"n": 5})
    document = await again.document()
    assert document["env"] == [{"name": "A", "value": "two"}, {"name": "B", "value": "True"}]
    assert document["parameters"] == {"n": 5, "m": 2}
    assert "labels" not in document
    await again.wait(WAIT_S)
    accepted = [each.decoded() async for each in again.events() if each.event_type == "accepted"]
    assert accepted[0].document.annotations == {RERUN_OF_ANNOTATION: first.ref}  # type: ignore[attr-defined]
    assert [line async for line in again.logs(follow=True)] == ['two {n} {"n":5,"m":2}']


async def test_the_same_key_is_the_same_run(session: AsyncSession) -> None:
    fn = shell("exit 0")
    first, second = await session.run(fn, key="once"), await session.run(fn, key="once")
    assert first.id == second.id


async def test_runs_are_found_again_by_name_and_by_state(session: AsyncSession) -> None:
    run = await session.run(shell("sleep 1000", name="findable"))
    found = await session.get("findable")
    assert found.ref == run.ref
    live = await session.list_runs(
        "nlp",
        states=[
            "running",
            "admitted",
            "accepted",
            "queued",
            "pending_scheduled",
            "pending_not_scheduled",
        ],
    )
    assert run.id in {each.id for each in live}
    await run.abort()


async def test_the_operators_priority_classes_are_listed(session: AsyncSession) -> None:
    assert await session.list_valid_priority_class_names("nlp") == ["high", "low"]


async def test_a_document_is_judged_without_being_run(session: AsyncSession) -> None:
    reply = await session.lint(shell("exit 0").with_priority_class("urgent"))
    assert [each.path for each in reply.violations] == ["/priority_class"]


async def test_a_run_that_is_waited_for_by_many_is_told_to_all(session: AsyncSession) -> None:
    run = await session.run(shell("sleep 0.3"))
    handles = [run, await session.get(run.ref), await session.get(run.id)]
    states = [each.state for each in await asyncio.gather(*(each.wait(WAIT_S) for each in handles))]
    assert states == [RunState.COMPLETED] * 3


async def test_a_bus_that_is_not_there_is_told_with_the_way_out(system: System) -> None:
    nowhere = AsyncSession("nats://127.0.0.1:9")
    with pytest.raises(BusUnreachableError, match="start `runbus up`"):
        await nowhere.run(shell("exit 0"))


async def test_the_output_of_a_running_program_is_followed_where_its_pod_can_be_read(
    system: System,
) -> None:
    source = PodLogs(system.stack.kubeconfig)
    async with AsyncSession(system.stack.nats_url, log_source=source) as session:
        run = await session.run(shell("echo begin; sleep 1000"))
        lines = run.logs(follow=True)
        async with asyncio.timeout(WAIT_S):
            assert await anext(lines) == "begin"
        assert run.state is not RunState.COMPLETED
        assert [line async for line in run.logs()] == ["begin"]
        await run.abort("seen enough")
        assert [line async for line in lines] == []
        assert [line async for line in run.logs(follow=True)] == ["begin"]


async def test_each_attempt_is_followed_after_the_other(system: System) -> None:
    source = PodLogs(system.stack.kubeconfig)
    async with AsyncSession(system.stack.nats_url, log_source=source) as session:
        failing = shell("echo attempt $RUNBUS_ATTEMPT; sleep 0.3; exit 1")
        run = await session.run(failing.with_retry(1, on=["user"], backoff="1s"))
        lines = [line async for line in run.logs(follow=True)]
        assert lines == ["attempt 1", "attempt 2"]
        assert [line async for line in run.logs(attempt=2)] == ["attempt 2"]


async def test_what_reads_pods_is_found_where_it_is_installed(session: AsyncSession) -> None:
    assert isinstance(session.log_source, PodLogs)
