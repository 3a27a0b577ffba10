"""A watch of a real API server (1.20.2), read as the state watcher reads it.

Recorded by `support/control_plane/recording.py`, which says how.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from runbus.reading.objects import (
    Pod,
    WatchEvent,
    decode_bookmark,
    decode_pod,
    decode_status,
    decode_watch_event,
)
from runbus.reading.pods import read_gone, read_pod

RECORDED = Path(__file__).parent / "recorded"


def events_of(name: str) -> list[WatchEvent]:
    raw = (RECORDED / f"{name}-1.20.jsonl").read_bytes()
    return [decode_watch_event(line) for line in raw.splitlines()]


@cache
def recorded() -> tuple[tuple[WatchEvent, Pod], ...]:
    events = events_of("watch")
    return tuple((each, decode_pod(each.object)) for each in events)


def states_of(name: str) -> list[str]:
    """What a pod was read as, without repeats: state, and reason where there is one."""
    found: list[str] = []
    for event, pod in recorded():
        if pod.metadata.name == name:
            reading = read_gone(pod) if event.type == "DELETED" else read_pod(pod)
            told = f"{reading.state.value} {reading.reason}".strip()
            if found[-1:] != [told]:
                found.append(told)
    return found


START = ["pending_not_scheduled", "pending_scheduled", "pending_scheduled ContainerCreating"]
ENDS = {
    "completes": ["running", "completed Completed"],
    # Deleted after it had failed; the watcher keeps the first end that it sees.
    "fails": ["error Error", "error PodDeleted"],
    "not-pulled": [
        "image_pull_backoff ErrImagePull",
        "image_pull_backoff ImagePullBackOff",
        "error PodDeleted",
    ],
    "deleted": ["running", "error PodDeleted"],
}


@pytest.mark.parametrize("name", ENDS)
def test_a_recorded_pod_goes_through_its_states(name: str) -> None:
    assert states_of(name) == [*START, *ENDS[name]]


def test_versions_of_a_recorded_watch_never_go_back() -> None:
    versions = [int(pod.metadata.resource_version) for _, pod in recorded()]
    assert versions == sorted(versions)


def test_a_recorded_deletion_ends_with_no_grace_left() -> None:
    gone = [
        b'"deletionGracePeriodSeconds":0' in bytes(e.object)
        for e, _ in recorded()
        if e.type == "DELETED"
    ]
    assert gone == [True] * 4


def test_what_leaves_a_selection_is_shown_as_it_was_with_a_newer_version() -> None:
    events = events_of("selection")
    kinds = [each.type for each in events]
    assert kinds[:6] == ["ADDED", "MODIFIED", "DELETED", "ADDED", "MODIFIED", "DELETED"]
    assert set(kinds[6:]) == {"BOOKMARK"}
    pods = [decode_pod(each.object) for each in events[:6]]
    _, changed, left, back, _, gone = pods
    assert left.metadata.labels == changed.metadata.labels == back.metadata.labels
    assert int(left.metadata.resource_version) > int(changed.metadata.resource_version)
    assert left.metadata.deletion_timestamp is None
    assert gone.metadata.deletion_timestamp is not None
    versions = [int(each.metadata.resource_version) for each in pods]
    assert versions == sorted(set(versions))
    assert {decode_bookmark(each.object) for each in events[6:]} == {str(versions[-1])}


def test_a_forgotten_version_is_told_by_an_event() -> None:
    (event,) = events_of("expired")
    status = decode_status(event.object)
    assert (event.type, status.code, status.reason) == ("ERROR", 410, "Expired")
