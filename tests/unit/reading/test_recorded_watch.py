"""A watch of a real API server (1.20.2), read as the state watcher reads it.

Recorded by `support/control_plane/recording.py`, which says how.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from runbus.reading.objects import Pod, WatchEvent, decode_pod, decode_watch_event
from runbus.reading.pods import read_gone, read_pod

RECORDED = Path(__file__).parent / "recorded" / "watch-1.20.jsonl"


@cache
def recorded() -> tuple[tuple[WatchEvent, Pod], ...]:
    events = [decode_watch_event(line) for line in RECORDED.read_bytes().splitlines()]
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
