"""From one pod that has not ended to a state: a table, and the rules that need more words."""

from __future__ import annotations

import pytest

from runbus.contracts.states import RunState
from runbus.reading.pods import read_pod
from support.pods import PodBuilder, a_bound_pod, a_pod, at

HELD = RunState.HELD
NOT_SCHEDULED = RunState.PENDING_NOT_SCHEDULED
SCHEDULED = RunState.PENDING_SCHEDULED
IMAGE = RunState.IMAGE_PULL_BACKOFF
RUNNING = RunState.RUNNING

INIT = a_bound_pod().with_init().waiting("PodInitializing")
SIDECAR = a_bound_pod().with_init("proxy", sidecar=True).waiting("PodInitializing")
ALWAYS = a_bound_pod(restart_policy="Always")
ON_FAILURE = a_bound_pod(restart_policy="OnFailure")

ALIVE: dict[str, tuple[PodBuilder, RunState, str, str]] = {
    "gated": (a_pod().gated("kueue.x-k8s.io/admission"), HELD, "SchedulingGated", "main"),
    "not seen by a scheduler": (a_pod(), NOT_SCHEDULED, "", "main"),
    "unschedulable": (a_pod().unschedulable(), NOT_SCHEDULED, "Unschedulable", "main"),
    "scheduling unknown": (
        a_pod().condition("PodScheduled", "Unknown", reason="SchedulerError"),
        NOT_SCHEDULED,
        "SchedulerError",
        "main",
    ),
    "gate lifted, scheduler silent": (
        a_pod().gated("a").gated(),
        NOT_SCHEDULED,
        "SchedulingGated",
        "main",
    ),
    "bound, kubelet silent": (a_bound_pod(), SCHEDULED, "", "main"),
    "being created": (
        a_bound_pod().waiting("ContainerCreating"),
        SCHEDULED,
        "ContainerCreating",
        "main",
    ),
    "secret missing": (
        a_bound_pod().waiting("CreateContainerConfigError"),
        SCHEDULED,
        "CreateContainerConfigError",
        "main",
    ),
    "create fails": (
        a_bound_pod().waiting("CreateContainerError"),
        SCHEDULED,
        "CreateContainerError",
        "main",
    ),
    "run fails": (
        a_bound_pod().waiting("RunContainerError"),
        SCHEDULED,
        "RunContainerError",
        "main",
    ),
    "init runs": (INIT.running(container="init-data"), SCHEDULED, "PodInitializing", "init-data"),
    "init has not begun": (
        INIT.waiting("PodInitializing", container="init-data"),
        SCHEDULED,
        "PodInitializing",
        "main",
    ),
    "init done, main begins": (
        INIT.terminated(0, container="init-data"),
        SCHEDULED,
        "PodInitializing",
        "main",
    ),
    "init crashes": (
        ON_FAILURE.with_init()
        .waiting("CrashLoopBackOff", container="init-data")
        .restarted(4, container="init-data"),
        SCHEDULED,
        "CrashLoopBackOff",
        "init-data",
    ),
    "init failed, to be restarted": (
        ON_FAILURE.with_init().terminated(1, container="init-data"),
        SCHEDULED,
        "Error",
        "init-data",
    ),
    "init lacks its secret": (
        INIT.waiting("CreateContainerConfigError", container="init-data"),
        SCHEDULED,
        "CreateContainerConfigError",
        "init-data",
    ),
    "second init runs": (
        INIT.with_init("second").terminated(0, container="init-data").running(container="second"),
        SCHEDULED,
        "PodInitializing",
        "second",
    ),
    "native sidecar runs, main begins": (
        SIDECAR.running(container="proxy"),
        SCHEDULED,
        "PodInitializing",
        "main",
    ),
    "native sidecar crashes": (
        SIDECAR.waiting("CrashLoopBackOff", container="proxy"),
        SCHEDULED,
        "CrashLoopBackOff",
        "proxy",
    ),
    "native sidecar ended under Never: it is restarted": (
        SIDECAR.terminated(1, container="proxy"),
        SCHEDULED,
        "Error",
        "proxy",
    ),
    "image of main": (a_bound_pod().waiting("ErrImagePull"), IMAGE, "ErrImagePull", "main"),
    "image of init": (
        INIT.waiting("ImagePullBackOff", container="init-data"),
        IMAGE,
        "ImagePullBackOff",
        "init-data",
    ),
    "image of native sidecar": (
        SIDECAR.waiting("ErrImagePull", container="proxy"),
        IMAGE,
        "ErrImagePull",
        "proxy",
    ),
    "image of plain sidecar does not count": (
        a_bound_pod()
        .with_container()
        .waiting("ErrImagePull", container="logger")
        .waiting("ContainerCreating"),
        SCHEDULED,
        "ContainerCreating",
        "main",
    ),
    "plain sidecar runs, image of main": (
        a_bound_pod().with_container().running(container="logger").waiting("ImagePullBackOff"),
        IMAGE,
        "ImagePullBackOff",
        "main",
    ),
    "runs": (a_bound_pod().running(), RUNNING, "", "main"),
    "runs, native sidecar lost its image": (
        SIDECAR.waiting("ErrImagePull", container="proxy").running(),
        RUNNING,
        "",
        "main",
    ),
    "crash loop": (
        ALWAYS.waiting("CrashLoopBackOff").restarted(5),
        RUNNING,
        "CrashLoopBackOff",
        "main",
    ),
    "ended under Always: restarted": (ALWAYS.terminated(0), RUNNING, "Completed", "main"),
    "failed under OnFailure: restarted": (ON_FAILURE.terminated(2), RUNNING, "Error", "main"),
    "a phase nobody knows": (a_bound_pod().running().phase("Unknown"), RUNNING, "", "main"),
}


@pytest.mark.parametrize(("builder", "state", "reason", "container"), ALIVE.values(), ids=ALIVE)
def test_a_pod_that_lives_is_read_as_the_state_it_shows(
    builder: PodBuilder, state: RunState, reason: str, container: str
) -> None:
    reading = read_pod(builder.pod())
    assert (reading.state, reading.reason, reading.container) == (state, reason, container)
    assert not reading.ended
    assert not reading.pod_ended
    assert reading.outcome_class is None
    assert reading.exit_code is None


OWN_TIMES: dict[str, tuple[PodBuilder, str | None]] = {
    "held: none": (a_pod().gated("a"), None),
    "not scheduled: its creation": (a_pod().unschedulable(), "10:00:00"),
    "scheduled: its binding": (a_bound_pod().waiting("ContainerCreating"), "10:00:05"),
    "image: none": (a_bound_pod().waiting("ErrImagePull"), None),
    "running: the start of main": (a_bound_pod().running(time="10:03:00"), "10:03:00"),
    "running again: the first start it knows": (
        ALWAYS.running(time="11:00:00").restarted(1, started="10:01:00"),
        "10:01:00",
    ),
    "crash loop: the first start it knows": (
        ALWAYS.waiting("CrashLoopBackOff").restarted(5, started="10:01:00"),
        "10:01:00",
    ),
    "crash loop without a start (1970): the end": (
        ALWAYS.waiting("CrashLoopBackOff").restarted(5, 128, started="1970-01-01T00:00:00Z"),
        "10:20:00",
    ),
    "restarted after its sandbox was made anew: the end before": (
        ALWAYS.waiting("ContainerCreating").restarted(1, finished="12:00:00"),
        "12:00:00",
    ),
    "a crashed init container does not move the binding": (
        ON_FAILURE.with_init()
        .waiting("CrashLoopBackOff", container="init-data")
        .restarted(4, container="init-data", finished="12:00:00"),
        "10:00:05",
    ),
}


@pytest.mark.parametrize(("builder", "time"), OWN_TIMES.values(), ids=OWN_TIMES)
def test_a_state_has_the_pods_own_time_of_entry(builder: PodBuilder, time: str | None) -> None:
    assert read_pod(builder.pod()).own_timestamp == (at(time) if time else None)


def test_main_is_the_container_of_that_name_whichever_comes_first() -> None:
    pod = a_bound_pod().with_container().document()
    pod["spec"]["containers"].reverse()
    reading = read_pod(PodBuilder(pod).running(container="logger").waiting("ErrImagePull").pod())
    assert (reading.container, reading.state) == ("main", IMAGE)


def test_the_kinds_rule_names_main_before_the_first_does() -> None:
    builder = a_pod(main="istio").bound().with_container("spark-kubernetes-driver")
    pod = builder.running(container="istio").pod()
    names = ("main", "spark-kubernetes-driver")
    assert read_pod(pod, main_names=names).state is SCHEDULED
    assert read_pod(pod).state is RUNNING
    assert read_pod(pod).container == "istio"


def test_a_pod_without_containers_is_read_by_its_conditions() -> None:
    pod = a_bound_pod().document()
    del pod["spec"]["containers"]
    assert read_pod(PodBuilder(pod).pod()).state is SCHEDULED


def test_a_gate_names_itself() -> None:
    reading = read_pod(a_pod().gated("kueue.x-k8s.io/admission", "quota").pod())
    assert reading.message == "held by scheduling gate kueue.x-k8s.io/admission, quota"


def test_a_pod_for_a_node_whose_kubelet_is_silent_says_so() -> None:
    pod = a_pod().document()
    pod["spec"]["nodeName"] = "node-9"
    reading = read_pod(PodBuilder(pod).pod())
    assert reading.state is NOT_SCHEDULED
    assert reading.message == "not yet taken by the kubelet of node node-9"


def test_the_reading_tells_node_and_image() -> None:
    reading = read_pod(INIT.waiting("ErrImagePull", container="init-data").pod())
    assert reading.node_name == "node-1"
    assert reading.image == "registry.example.com/init-data:1"
    assert not reading.of_main


def test_a_crash_loop_tells_how_it_ended_last() -> None:
    reading = read_pod(ALWAYS.waiting("CrashLoopBackOff").restarted(5, 137).pod())
    assert reading.message == "keeps ending, 5 restarts; last exited with 137 (SIGKILL)"


def test_a_pod_being_deleted_is_in_the_state_it_shows() -> None:
    reading = read_pod(a_bound_pod().running().deleting(asked_at="10:20:00").pod())
    assert reading.state is RUNNING
    assert reading.is_deleting
    assert reading.deleted_at == at("10:20:00")


def test_a_deletion_without_a_grace_was_asked_for_when_it_is_due() -> None:
    pod = a_bound_pod().running().deleting(asked_at="10:20:00", grace_s=0).document()
    del pod["metadata"]["deletionGracePeriodSeconds"]
    assert read_pod(PodBuilder(pod).pod()).deleted_at == at("10:20:00")


def test_a_grace_that_no_calendar_holds_does_not_stop_the_reading() -> None:
    pod = a_bound_pod().running().deleting(asked_at="10:20:00", grace_s=0).document()
    pod["metadata"]["deletionGracePeriodSeconds"] = 10**15
    assert read_pod(PodBuilder(pod).pod()).deleted_at == at("10:20:00")
