"""The pods that a cluster shows in 27 situations, each read as expected.

The pods are no part of this project: RUNBUS_TEST_DATA names the folder that holds them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from runbus.reading.objects import pod_from_document
from runbus.reading.pods import read_pod
from runbus.reading.why import why

DATA = os.environ.get("RUNBUS_TEST_DATA", "")
FOLDER = Path(DATA) / "pod_states"
EXPECTED: dict[str, dict[str, Any]] = (
    msgspec.yaml.decode((FOLDER / "expected.yaml").read_bytes()) if DATA else {}
)
NO_DATA = pytest.param("", marks=pytest.mark.skip(reason="RUNBUS_TEST_DATA is not set: no pods"))
each_pod = pytest.mark.parametrize("name", [*sorted(EXPECTED)] if EXPECTED else [NO_DATA])


def document(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = msgspec.yaml.decode((FOLDER / f"{name}.yaml").read_bytes())
    return loaded


@each_pod
def test_state_reason_class_and_never_heals_are_as_expected(name: str) -> None:
    expected = EXPECTED[name]
    reading = read_pod(pod_from_document(document(name)))
    read = {
        "state": reading.state.value,
        "reason": reading.reason,
        "class": reading.outcome_class.value if reading.outcome_class else None,
        "never_heals": reading.never_heals,
    }
    assert read == {
        "state": expected["state"],
        "reason": expected.get("reason", reading.reason),
        "class": expected.get("class"),
        "never_heals": expected.get("never_heals", False),
    }


@each_pod
def test_how_it_will_end_is_as_expected(name: str) -> None:
    ending = read_pod(pod_from_document(document(name))).ends_as
    told = ending and {
        "state": ending.state.value,
        "reason": ending.reason,
        "class": ending.outcome_class.value,
    }
    assert told == EXPECTED[name].get("ends_as")


@each_pod
def test_since_is_as_expected(name: str) -> None:
    words = EXPECTED[name].get("since")
    if words is None:
        return
    given = document(name)
    [row] = why([given]).rows
    assert row.since == _meant(words, given)
    if words.startswith("first seen by a watcher"):
        assert read_pod(pod_from_document(given)).own_timestamp is None


def test_there_are_27_of_them() -> None:
    if not DATA:
        pytest.skip("RUNBUS_TEST_DATA is not set: no pods here")
    assert len(EXPECTED) == 27
    assert {each.stem for each in FOLDER.glob("*.yaml")} == {*EXPECTED, "expected"}


def _meant(words: str, given: dict[str, Any]) -> str:
    """Find the time that the words of `expected.yaml` mean, in the document itself."""
    pod = given["status"]
    conditions = {each["type"]: each for each in pod.get("conditions", [])}
    if words.endswith("PodScheduled.lastTransitionTime"):
        return str(conditions["PodScheduled"]["lastTransitionTime"])
    if words == "metadata.creationTimestamp":
        return str(given["metadata"]["creationTimestamp"])
    [main] = pod["containerStatuses"]
    if words == "startedAt of the main container":
        return str(main["state"]["running"]["startedAt"])
    assert words == "first startedAt seen"
    return str(main["lastState"]["terminated"]["startedAt"])
