"""From several pods to one run: the worst of those that count, and how many are where."""

from __future__ import annotations

import itertools

import pytest

from runbus.contracts.states import Role, RunState
from runbus.reading.model import Reading
from runbus.reading.runs import JOB, WORST_FIRST, RoleReading, RunShape, count_states, read_run

ALL_WORKERS = RunShape(counting=frozenset({Role.LAUNCHER, Role.WORKER}), deciding=Role.LAUNCHER)


def pod(
    state: RunState, role: Role = Role.MAIN, index: int = 0, *, never_heals: bool = False
) -> RoleReading:
    ended = state in {RunState.COMPLETED, RunState.ERROR}
    return RoleReading(role, index, Reading(state=state, ended=ended, never_heals=never_heals))


@pytest.mark.parametrize("state", [*WORST_FIRST, RunState.COMPLETED, RunState.ERROR])
def test_a_job_is_in_the_state_of_its_one_pod(state: RunState) -> None:
    run = read_run(JOB, [pod(state)])
    assert run is not None
    assert run.state is state
    assert run.counts == {"main": {state.value: 1}}


def test_a_run_without_pods_is_not_read() -> None:
    assert read_run(JOB, []) is None


def test_the_worst_pod_decides_in_the_order_of_the_rules() -> None:
    ranked = [
        RunState.IMAGE_PULL_BACKOFF,
        RunState.PENDING_NOT_SCHEDULED,
        RunState.PENDING_SCHEDULED,
        RunState.RUNNING,
    ]
    for worse, better in itertools.combinations(ranked, 2):
        pods = [pod(better, Role.WORKER, 0), pod(worse, Role.WORKER, 1)]
        for order in (pods, pods[::-1]):
            run = read_run(ALL_WORKERS, order)
            assert run is not None
            assert (run.state, run.shown.index) == (worse, 1)


def test_a_held_pod_hides_no_state_that_has_a_limit() -> None:
    held = pod(RunState.HELD, Role.WORKER, 0)
    waiting = pod(RunState.PENDING_SCHEDULED, Role.WORKER, 1)
    runs = pod(RunState.RUNNING, Role.WORKER, 2)
    run = read_run(ALL_WORKERS, [held, waiting, runs])
    assert run is not None
    assert run.state is RunState.PENDING_SCHEDULED
    run = read_run(ALL_WORKERS, [held, runs])
    assert run is not None
    assert run.state is RunState.HELD


def test_pods_of_roles_that_do_not_count_are_counted_only() -> None:
    pods = [pod(RunState.RUNNING), pod(RunState.IMAGE_PULL_BACKOFF, Role.EXECUTOR)]
    run = read_run(JOB, pods)
    assert run is not None
    assert run.state is RunState.RUNNING
    assert run.counts == {"executor": {"image_pull_backoff": 1}, "main": {"running": 1}}


def test_the_end_of_the_deciding_role_is_the_runs() -> None:
    pods = [pod(RunState.COMPLETED, Role.LAUNCHER), pod(RunState.RUNNING, Role.WORKER)]
    run = read_run(ALL_WORKERS, pods)
    assert run is not None
    assert run.state is RunState.COMPLETED


def test_the_end_of_another_role_is_not_the_runs() -> None:
    pods = [pod(RunState.RUNNING, Role.LAUNCHER), pod(RunState.ERROR, Role.WORKER)]
    run = read_run(ALL_WORKERS, pods)
    assert run is not None
    assert run.state is RunState.RUNNING
    assert read_run(ALL_WORKERS, [pod(RunState.ERROR, Role.WORKER)]) is None


def test_what_never_heals_is_shown_before_what_may() -> None:
    pods = [
        pod(RunState.IMAGE_PULL_BACKOFF, Role.WORKER, 0),
        pod(RunState.IMAGE_PULL_BACKOFF, Role.WORKER, 1, never_heals=True),
    ]
    run = read_run(ALL_WORKERS, pods)
    assert run is not None
    assert run.shown.index == 1


def test_pods_are_counted_by_role_and_state() -> None:
    pods = [
        pod(RunState.RUNNING, Role.WORKER, 0),
        pod(RunState.RUNNING, Role.WORKER, 1),
        pod(RunState.PENDING_SCHEDULED, Role.WORKER, 2),
        pod(RunState.RUNNING, Role.LAUNCHER),
    ]
    assert count_states(pods) == {
        "launcher": {"running": 1},
        "worker": {"pending_scheduled": 1, "running": 2},
    }
