"""What holds for any pod that Kubernetes' types allow, however unlikely."""

from __future__ import annotations

from datetime import UTC
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from runbus.contracts.states import RunState
from runbus.reading.ends import ended_on_its_own, reading_with_spot
from runbus.reading.explain import MAX_TEXT_CHARS, describe, describe_ending, shorten_pull_error
from runbus.reading.objects import (
    Condition,
    ContainerSpec,
    ContainerState,
    ContainerStatus,
    ObjectMeta,
    Pod,
    PodSpec,
    PodStatus,
    Running,
    SchedulingGate,
    Terminated,
    Waiting,
    decode_pod,
)
from runbus.reading.pods import Sticky, read_gone, read_pod
from runbus.reading.runs import WORST_FIRST
from runbus.reading.why import why

READABLE = {*WORST_FIRST, RunState.COMPLETED, RunState.ERROR}
IMAGE = ["ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"]
BETWEEN = ["ContainerCreating", "PodInitializing", ""]
OTHER = ["CrashLoopBackOff", "CreateContainerConfigError", "RunContainerError", "Nonsense"]
TEXT = st.text(max_size=20)

moments = st.none() | st.datetimes(
    # From Go's zero time to the end of the calendar, which is what `datetimes` draws from.
    timezones=st.just(UTC)
)
names = st.sampled_from(["main", "logger", "init-a", "init-b", ""])
ends = st.builds(
    Terminated,
    exit_code=st.sampled_from([0, 1, 137, 143, -1, 2**40]),
    reason=st.sampled_from(["", "Completed", "Error", "OOMKilled", "StartError"]),
    message=TEXT,
    signal=st.none() | st.integers(0, 70),
    started_at=moments,
    finished_at=moments,
)
states = st.one_of(
    st.just(ContainerState()),
    st.builds(
        ContainerState,
        waiting=st.builds(Waiting, st.sampled_from(IMAGE + BETWEEN + OTHER), TEXT),
    ),
    st.builds(ContainerState, running=st.builds(Running, moments)),
    st.builds(ContainerState, terminated=ends),
)
statuses = st.lists(
    st.builds(
        ContainerStatus,
        name=names,
        restart_count=st.integers(0, 9),
        state=states,
        last_state=states,
    ),
    max_size=4,
    unique_by=lambda status: status.name,
).map(tuple)
specs = st.lists(
    st.builds(ContainerSpec, names, TEXT, st.sampled_from(["", "Always", "Never"])),
    max_size=3,
    unique_by=lambda spec: spec.name,
).map(tuple)
conditions = st.lists(
    st.builds(
        Condition,
        type=st.sampled_from(["PodScheduled", "DisruptionTarget", "Ready"]),
        status=st.sampled_from(["True", "False", "Unknown", ""]),
        reason=TEXT,
        message=TEXT,
        last_transition_time=moments,
    ),
    max_size=3,
    unique_by=lambda condition: condition.type,
).map(tuple)
pods = st.builds(
    Pod,
    metadata=st.builds(
        ObjectMeta,
        name=TEXT,
        creation_timestamp=moments,
        deletion_timestamp=moments,
        deletion_grace_period_seconds=st.none() | st.integers(-(10**12), 10**12),
    ),
    spec=st.builds(
        PodSpec,
        node_name=TEXT,
        containers=specs,
        init_containers=specs,
        restart_policy=st.sampled_from(["Always", "OnFailure", "Never", ""]),
        scheduling_gates=st.lists(st.builds(SchedulingGate, TEXT), max_size=2).map(tuple),
    ),
    status=st.builds(
        PodStatus,
        phase=st.sampled_from(["", "Pending", "Running", "Succeeded", "Failed", "Unknown"]),
        reason=st.sampled_from(["", "Evicted", "NodeLost", "OutOfcpu", "DeadlineExceeded"]),
        message=TEXT,
        conditions=conditions,
        container_statuses=statuses,
        init_container_statuses=statuses,
    ),
)
stickies = st.none() | st.builds(Sticky, names, TEXT, TEXT)


@given(pods, stickies, st.booleans())
@settings(deadline=None)
def test_every_pod_has_a_reading_and_every_reading_its_words(
    pod: Pod, before: Sticky | None, is_spot: bool
) -> None:
    for reading in (read_pod(pod, before), read_gone(pod)):
        assert reading.state in READABLE
        assert reading.ended is (reading.state in {RunState.COMPLETED, RunState.ERROR})
        assert (reading.outcome_class is not None) is (reading.state is RunState.ERROR)
        assert reading.reason or reading.state is not RunState.ERROR
        assert len(describe(reading)) <= MAX_TEXT_CHARS
        describe_ending(reading)
        assert describe(reading_with_spot(reading, is_spot=is_spot))
        ended_on_its_own(reading)
    assert read_gone(pod).pod_ended


@given(pods, stickies)
@settings(deadline=None)
def test_a_phase_that_is_final_wins(pod: Pod, before: Sticky | None) -> None:
    reading = read_pod(pod, before)
    assert reading.pod_ended is (pod.status.phase in {"Succeeded", "Failed"})
    if pod.status.phase == "Succeeded":
        assert reading.state is RunState.COMPLETED
    if pod.status.phase == "Failed":
        assert reading.state is RunState.ERROR


@given(pods, stickies, st.randoms(use_true_random=False))
@settings(deadline=None)
def test_the_order_of_the_statuses_does_not_matter(
    pod: Pod, before: Sticky | None, random: Any
) -> None:
    def shuffled(items: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(random.sample(items, len(items)))

    other = replace(
        pod,
        status=replace(
            pod.status,
            conditions=shuffled(pod.status.conditions),
            container_statuses=shuffled(pod.status.container_statuses),
            init_container_statuses=shuffled(pod.status.init_container_statuses),
        ),
    )
    assert read_pod(other, before) == read_pod(pod, before)


@given(
    st.sampled_from(["main", "init-a"]),
    st.lists(st.sampled_from(IMAGE[:2] + BETWEEN), min_size=1, max_size=12),
    st.sampled_from(BETWEEN),
)
def test_an_image_wait_is_never_left_by_alternation(
    container: str, reasons: list[str], beside: str
) -> None:
    def showing(reason: str) -> Pod:
        shown = {"main": beside, "init-a": beside} | {container: reason}
        status = {
            name: ContainerStatus(name=name, state=ContainerState(waiting=Waiting(each)))
            for name, each in shown.items()
        }
        return Pod(
            spec=PodSpec(
                containers=(ContainerSpec("main"),), init_containers=(ContainerSpec("init-a"),)
            ),
            status=PodStatus(
                phase="Pending",
                conditions=(Condition(type="PodScheduled", status="True"),),
                container_statuses=(status["main"],),
                init_container_statuses=(status["init-a"],),
            ),
        )

    before = read_pod(showing("ErrImagePull")).sticky
    for reason in reasons:
        reading = read_pod(showing(reason), before)
        assert reading.state is RunState.IMAGE_PULL_BACKOFF
        assert reading.container == container
        before = reading.sticky


@given(pods)
@settings(deadline=None)
def test_a_pod_survives_json(pod: Pod) -> None:
    assert decode_pod(msgspec.json.encode(pod)) == pod


documents = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["kind", "items", "metadata", "spec", "status", "name", "conditions"]),
            inner | st.sampled_from(["Pod", "PodList", "List"]),
            max_size=4,
        )
    ),
    max_leaves=15,
)


@given(st.lists(documents, max_size=3))
@settings(deadline=None)
def test_why_answers_to_anything(given_documents: list[Any]) -> None:
    answer = why(given_documents)
    assert all(each.path.startswith("/") and each.problem for each in answer.problems)
    msgspec.json.encode(answer.rows)


@given(st.text())
def test_a_cause_is_never_longer_than_the_message(message: str) -> None:
    assert len(shorten_pull_error(message)) <= len(message)
