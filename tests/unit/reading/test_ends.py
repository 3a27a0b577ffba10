"""How pods end: the state, the reason, whose fault it was, and what is told about it."""

from __future__ import annotations

import pytest

from runbus.contracts.states import OutcomeClass, RunState
from runbus.reading.pods import read_pod
from support.pods import PodBuilder, a_bound_pod, a_pod, at

USER = OutcomeClass.USER
INFRASTRUCTURE = OutcomeClass.INFRASTRUCTURE
COMPLETED = RunState.COMPLETED
ERROR = RunState.ERROR

RUNS = a_bound_pod().running()
FAILED = a_bound_pod().phase("Failed")
BESIDE = a_bound_pod().with_container().running(container="logger")
PROXY = a_bound_pod().with_init("proxy", sidecar=True).running(container="proxy")

ENDS: dict[str, tuple[PodBuilder, RunState, str, OutcomeClass | None, int | None]] = {
    "succeeded": (
        a_bound_pod().terminated(0).phase("Succeeded"),
        COMPLETED,
        "Completed",
        None,
        0,
    ),
    "succeeded, whatever main still says": (
        RUNS.phase("Succeeded"),
        COMPLETED,
        "Completed",
        None,
        None,
    ),
    "failed, whatever main still says": (RUNS.phase("Failed"), ERROR, "Error", USER, None),
    "failed while main waits for its image": (
        a_bound_pod().waiting("ErrImagePull").phase("Failed"),
        ERROR,
        "Error",
        USER,
        None,
    ),
    "failed, and gated": (a_pod().gated("a").phase("Failed"), ERROR, "Error", USER, None),
    "exit code": (a_bound_pod().terminated(3).phase("Failed"), ERROR, "Error", USER, 3),
    "out of memory": (
        a_bound_pod().terminated(137, reason="OOMKilled").phase("Failed"),
        ERROR,
        "OOMKilled",
        USER,
        137,
    ),
    "deadline of the pod": (
        FAILED.phase("Failed", reason="DeadlineExceeded"),
        ERROR,
        "DeadlineExceeded",
        USER,
        None,
    ),
    "init container failed": (
        FAILED.with_init().terminated(3, container="init-data").waiting("PodInitializing"),
        ERROR,
        "Error",
        USER,
        3,
    ),
    "init container out of memory": (
        FAILED.with_init().terminated(137, reason="OOMKilled", container="init-data"),
        ERROR,
        "OOMKilled",
        USER,
        137,
    ),
    "main's end weighs more than an init container's": (
        FAILED.with_init().terminated(0, container="init-data").terminated(5),
        ERROR,
        "Error",
        USER,
        5,
    ),
    "failed by a container beside main": (
        BESIDE.terminated(0).terminated(9, container="logger").phase("Failed"),
        ERROR,
        "Error",
        USER,
        9,
    ),
    "failed though every container says 0": (
        a_bound_pod().terminated(0).phase("Failed"),
        ERROR,
        "Error",
        USER,
        0,
    ),
    "status reason before the disruption's and the container's": (
        FAILED.terminated(143).disrupted("TerminationByKubelet").phase("Failed", reason="Evicted"),
        ERROR,
        "Evicted",
        INFRASTRUCTURE,
        143,
    ),
    "the disruption's reason before the container's": (
        FAILED.terminated(143).disrupted("PreemptionByScheduler"),
        ERROR,
        "PreemptionByScheduler",
        INFRASTRUCTURE,
        143,
    ),
    "a disruption nobody has heard of": (
        FAILED.terminated(1).disrupted("Meteorite"),
        ERROR,
        "Meteorite",
        INFRASTRUCTURE,
        1,
    ),
    "a disruption without a reason": (
        FAILED.terminated(1).disrupted(""),
        ERROR,
        "DisruptionTarget",
        INFRASTRUCTURE,
        1,
    ),
    "a disruption that was called off": (
        FAILED.terminated(1).condition("DisruptionTarget", "False", reason="EvictionByEvictionAPI"),
        ERROR,
        "Error",
        USER,
        1,
    ),
    "a disrupted pod that succeeded anyway": (
        a_bound_pod().terminated(0).disrupted("EvictionByEvictionAPI").phase("Succeeded"),
        COMPLETED,
        "Completed",
        None,
        0,
    ),
    "main done, plain sidecar runs": (
        BESIDE.terminated(0).phase("Running"),
        COMPLETED,
        "Completed",
        None,
        0,
    ),
    "main failed, plain sidecar runs": (
        BESIDE.terminated(2).phase("Running"),
        ERROR,
        "Error",
        USER,
        2,
    ),
    "main done, native sidecar runs": (
        PROXY.terminated(0).phase("Running"),
        COMPLETED,
        "Completed",
        None,
        0,
    ),
    "main done under OnFailure": (
        a_bound_pod(restart_policy="OnFailure").terminated(0).phase("Running"),
        COMPLETED,
        "Completed",
        None,
        0,
    ),
    "init container failed under Never, phase not yet told": (
        a_bound_pod().with_init().terminated(3, container="init-data"),
        ERROR,
        "Error",
        USER,
        3,
    ),
    "failed under Always while being deleted: not restarted": (
        a_bound_pod(restart_policy="Always")
        .terminated(4, finished="10:19:00")
        .deleting(asked_at="10:20:00"),
        ERROR,
        "Error",
        USER,
        4,
    ),
    "killed by somebody's deletion": (
        a_bound_pod().terminated(143, finished="10:20:02").deleting().phase("Failed"),
        ERROR,
        "PodDeleted",
        USER,
        143,
    ),
    "out of memory while being deleted": (
        a_bound_pod().terminated(137, reason="OOMKilled", finished="10:20:02").deleting(),
        ERROR,
        "OOMKilled",
        USER,
        137,
    ),
    "killed by an eviction": (
        FAILED.terminated(143, finished="10:20:02").deleting().disrupted("EvictionByEvictionAPI"),
        ERROR,
        "EvictionByEvictionAPI",
        INFRASTRUCTURE,
        143,
    ),
}


@pytest.mark.parametrize(
    ("builder", "state", "reason", "outcome_class", "exit_code"), ENDS.values(), ids=ENDS
)
def test_an_end_has_its_reason_and_class(
    builder: PodBuilder,
    state: RunState,
    reason: str,
    outcome_class: OutcomeClass | None,
    exit_code: int | None,
) -> None:
    reading = read_pod(builder.pod())
    assert reading.ended
    assert (reading.state, reading.reason) == (state, reason)
    assert (reading.outcome_class, reading.exit_code) == (outcome_class, exit_code)
    assert reading.ends_as is None


@pytest.mark.parametrize(
    "reason",
    [
        "Evicted",
        "Preempting",
        "Terminated",
        "NodeShutdown",
        "Shutdown",
        "NodeLost",
        "NodeAffinity",
        "UnexpectedAdmissionError",
        "OutOfcpu",
        "OutOfmemory",
        "OutOfnvidia.com/gpu",
    ],
)
def test_these_reasons_of_a_pod_blame_the_platform(reason: str) -> None:
    reading = read_pod(a_bound_pod().phase("Failed", reason=reason).pod())
    assert (reading.reason, reading.outcome_class) == (reason, INFRASTRUCTURE)


MESSAGES: dict[str, tuple[PodBuilder, str]] = {
    "exit code": (a_bound_pod().terminated(3), "exited with 3"),
    "signal": (a_bound_pod().terminated(139), "exited with 139 (SIGSEGV)"),
    "its last words": (a_bound_pod().terminated(1, message="no data\n"), "exited with 1: no data"),
    "out of memory": (
        a_bound_pod().terminated(137, reason="OOMKilled"),
        "killed: out of memory (OOMKilled)",
    ),
    "could not start": (
        a_bound_pod().terminated(128, reason="StartError", message='exec: "trian": not found'),
        'could not be started: exec: "trian": not found',
    ),
    "init container": (
        a_bound_pod().with_init().terminated(3, container="init-data"),
        "init container init-data exited with 3",
    ),
    "container beside main": (
        BESIDE.terminated(0).terminated(9, container="logger").phase("Failed"),
        "container logger exited with 9",
    ),
    "the pod's own": (
        a_bound_pod().terminated(143).phase("Failed", reason="Terminated", message="shutdown"),
        "shutdown",
    ),
    "the disruption's": (FAILED.terminated(143).disrupted("X", message="preempting"), "preempting"),
    "deleted": (
        a_bound_pod().terminated(143, finished="10:20:02").deleting().phase("Failed"),
        "the pod was deleted by somebody; exited with 143 (SIGTERM)",
    ),
}


@pytest.mark.parametrize(("builder", "message"), MESSAGES.values(), ids=MESSAGES)
def test_an_end_says_what_happened(builder: PodBuilder, message: str) -> None:
    assert read_pod(builder.pod()).message == message


def test_an_end_has_the_times_of_the_container_it_is_about() -> None:
    reading = read_pod(a_bound_pod().terminated(1, started="10:02:00", finished="10:09:00").pod())
    assert (reading.started_at, reading.finished_at) == (at("10:02:00"), at("10:09:00"))
    assert reading.own_timestamp == at("10:09:00")


def test_an_eviction_without_container_statuses_has_the_disruptions_time() -> None:
    reading = read_pod(FAILED.disrupted("TerminationByKubelet", time="10:19:00").pod())
    assert (reading.finished_at, reading.own_timestamp) == (None, at("10:19:00"))


def test_a_container_that_could_not_start_has_no_start_in_1970() -> None:
    pod = a_bound_pod().terminated(128, reason="StartError", started="1970-01-01T00:00:00Z").pod()
    assert read_pod(pod).started_at == at("10:20:00")


def test_a_pod_kept_by_its_sidecar_needs_a_cleanup_until_it_has_ended() -> None:
    done = BESIDE.terminated(0)
    assert read_pod(done.phase("Running").pod()).needs_cleanup
    assert not read_pod(done.phase("Succeeded").pod()).needs_cleanup
    assert not read_pod(RUNS.pod()).needs_cleanup
