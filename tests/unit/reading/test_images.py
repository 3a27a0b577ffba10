"""Waiting for an image: which reasons mean it, and that the state is left only for good."""

from __future__ import annotations

import pytest

from runbus.contracts.states import RunState
from runbus.reading.pods import Sticky, read_pod
from support.pods import PodBuilder, a_bound_pod, a_pod

IMAGE = RunState.IMAGE_PULL_BACKOFF
SCHEDULED = RunState.PENDING_SCHEDULED
RUNNING = RunState.RUNNING

MAIN = a_bound_pod()
INIT = a_bound_pod().with_init().waiting("PodInitializing")
TWO_INITS = a_bound_pod().with_init("first").with_init("second").waiting("PodInitializing")
SIDECAR = a_bound_pod().with_init("proxy", sidecar=True).waiting("PodInitializing")
ON_FAILURE = a_bound_pod(restart_policy="OnFailure")


@pytest.mark.parametrize(
    ("reason", "never_heals"),
    [
        ("ErrImagePull", False),
        ("ImagePullBackOff", False),
        ("RegistryUnavailable", False),
        ("ImageInspectError", False),
        ("SignatureValidationFailed", False),
        ("InvalidImageName", True),
        ("ErrImageNeverPull", True),
    ],
)
def test_each_reason_of_the_family_is_an_image_wait(reason: str, never_heals: bool) -> None:
    reading = read_pod(MAIN.waiting(reason).pod())
    assert (reading.state, reading.never_heals) == (IMAGE, never_heals)


SEQUENCES: dict[str, list[tuple[PodBuilder, RunState]]] = {
    "the kubelet alternates": [
        (MAIN.waiting("ContainerCreating"), SCHEDULED),
        (MAIN.waiting("ErrImagePull"), IMAGE),
        (MAIN.waiting("ImagePullBackOff"), IMAGE),
        (MAIN.waiting("ContainerCreating"), IMAGE),
        (MAIN.waiting("ErrImagePull"), IMAGE),
        (MAIN.waiting("PodInitializing"), IMAGE),
        (MAIN.waiting(""), IMAGE),
        (MAIN, IMAGE),
        (MAIN.running(), RUNNING),
    ],
    "an image that came is left behind": [
        (MAIN.waiting("ErrImagePull"), IMAGE),
        (MAIN.running(), RUNNING),
        (ON_FAILURE.waiting("ContainerCreating").restarted(1), SCHEDULED),
    ],
    "left for a reason outside the family": [
        (MAIN.waiting("ImagePullBackOff"), IMAGE),
        (MAIN.waiting("CreateContainerConfigError"), SCHEDULED),
        (MAIN.waiting("ContainerCreating"), SCHEDULED),
    ],
    "left by an end": [
        (MAIN.waiting("ImagePullBackOff"), IMAGE),
        (MAIN.terminated(0), RunState.COMPLETED),
    ],
    "an init container alternates, main shows PodInitializing": [
        (INIT.waiting("ErrImagePull", container="init-data"), IMAGE),
        (INIT.waiting("PodInitializing", container="init-data"), IMAGE),
        (INIT.waiting("ImagePullBackOff", container="init-data"), IMAGE),
        (INIT.waiting("ContainerCreating", container="init-data"), IMAGE),
        (INIT.running(container="init-data"), SCHEDULED),
        (INIT.terminated(0, container="init-data"), SCHEDULED),
        (INIT.terminated(0, container="init-data").waiting("ErrImagePull"), IMAGE),
        (INIT.terminated(0, container="init-data").waiting("PodInitializing"), IMAGE),
    ],
    "an init container that has ended counts no more": [
        (INIT.waiting("ErrImagePull", container="init-data"), IMAGE),
        (INIT.terminated(0, container="init-data"), SCHEDULED),
    ],
    "a crash of the init container is another thing": [
        (INIT.waiting("ErrImagePull", container="init-data"), IMAGE),
        (INIT.waiting("CrashLoopBackOff", container="init-data"), SCHEDULED),
    ],
    "one init container hands over to the next": [
        (TWO_INITS.waiting("ErrImagePull", container="first"), IMAGE),
        (TWO_INITS.waiting("PodInitializing", container="first"), IMAGE),
        (
            TWO_INITS.terminated(0, container="first").waiting("ErrImagePull", container="second"),
            IMAGE,
        ),
        (
            TWO_INITS.terminated(0, container="first").waiting(
                "PodInitializing", container="second"
            ),
            IMAGE,
        ),
        (TWO_INITS.terminated(0, container="first").running(container="second"), SCHEDULED),
    ],
    "a native sidecar waits for its image until it runs": [
        (SIDECAR.waiting("ImagePullBackOff", container="proxy"), IMAGE),
        (SIDECAR.waiting("PodInitializing", container="proxy"), IMAGE),
        (SIDECAR.running(container="proxy"), SCHEDULED),
    ],
    "a plain sidecar that runs changes nothing": [
        (MAIN.with_container().waiting("ErrImagePull"), IMAGE),
        (MAIN.with_container().running(container="logger").waiting("ContainerCreating"), IMAGE),
    ],
    "another pod in its place that has no node": [
        (MAIN.waiting("ErrImagePull"), IMAGE),
        (a_pod().unschedulable(), RunState.PENDING_NOT_SCHEDULED),
    ],
}


@pytest.mark.parametrize("sequence", SEQUENCES.values(), ids=SEQUENCES)
def test_an_image_wait_is_left_only_for_good(sequence: list[tuple[PodBuilder, RunState]]) -> None:
    sticky: Sticky | None = None
    states = []
    for builder, _ in sequence:
        reading = read_pod(builder.pod(), sticky)
        sticky = reading.sticky
        states.append(reading.state)
    assert states == [state for _, state in sequence]


def test_without_a_record_the_moment_between_two_tries_is_not_an_image_wait() -> None:
    assert read_pod(MAIN.waiting("ContainerCreating").pod()).state is SCHEDULED


def test_a_record_without_a_container_means_the_first_that_waits() -> None:
    between = INIT.terminated(0, container="init-data").waiting("PodInitializing")
    assert read_pod(between.pod(), Sticky()).state is IMAGE
    assert read_pod(between.pod(), Sticky()).container == "main"
    assert read_pod(INIT.running(container="init-data").pod(), Sticky("init-data")).state is (
        SCHEDULED
    )


def test_a_record_of_a_container_that_the_pod_does_not_have_is_no_record() -> None:
    reading = read_pod(MAIN.waiting("ContainerCreating").pod(), Sticky("other"))
    assert reading.state is SCHEDULED


def test_between_two_tries_reason_and_message_stay() -> None:
    failed = read_pod(MAIN.waiting("ErrImagePull", "x:1: not found").pod())
    between = read_pod(MAIN.waiting("ContainerCreating").pod(), failed.sticky)
    assert (between.reason, between.message) == ("ErrImagePull", "x:1: not found")


def test_a_bare_back_off_keeps_the_cause_that_was_seen() -> None:
    failed = read_pod(MAIN.waiting("ErrImagePull", "x:1: not found").pod())
    bare = 'Back-off pulling image "registry.example.com/x:1"'
    backed_off = read_pod(MAIN.waiting("ImagePullBackOff", bare).pod(), failed.sticky)
    assert (backed_off.reason, backed_off.message) == ("ImagePullBackOff", "x:1: not found")
    assert read_pod(MAIN.waiting("ImagePullBackOff", bare).pod()).message == bare


def test_a_back_off_with_a_new_cause_tells_the_new_one() -> None:
    failed = read_pod(MAIN.waiting("ErrImagePull", "x:1: not found").pod())
    told = 'Back-off pulling image "x:1": ErrImagePull: no such host "r"'
    backed_off = read_pod(MAIN.waiting("ImagePullBackOff", told).pod(), failed.sticky)
    assert backed_off.message == told


def test_what_never_heals_is_shown_before_what_may() -> None:
    pod = INIT.waiting("ErrImagePull", container="init-data").waiting("InvalidImageName").pod()
    reading = read_pod(pod, Sticky("init-data"))
    assert (reading.container, reading.never_heals) == ("main", True)


def test_the_container_that_was_recorded_stays_the_one_that_is_waited_for() -> None:
    pod = INIT.waiting("PodInitializing", container="init-data").waiting("ErrImagePull").pod()
    assert read_pod(pod, Sticky("init-data")).container == "init-data"
