"""What a delete leads to."""

from typing import Any

import pytest

from runbus.localcluster.rules.deletion import (
    DeleteOptions,
    Deletion,
    decide_deletion,
    finished,
)
from runbus.localcluster.rules.errors import ApiError
from runbus.localcluster.rules.resources import CONFIG_MAPS, PODS

NOW_S = 1_000_000.0


def pod(node: str = "n", phase: str = "Running", **meta: Any) -> Any:
    return {
        "metadata": {"name": "p", "uid": "u", "resourceVersion": "7", **meta},
        "spec": {"nodeName": node, "terminationGracePeriodSeconds": 30},
        "status": {"phase": phase},
    }


def deleting(grace_s: int) -> Any:
    return pod(deletionTimestamp="1970-01-12T13:47:10Z", deletionGracePeriodSeconds=grace_s)


def decide(obj: Any, **options: Any) -> Deletion:
    return decide_deletion(PODS, obj, DeleteOptions(**options), NOW_S)


def grace_of(decided: Deletion) -> int | None:
    if decided.marked is None:
        return None
    return int(decided.marked["metadata"]["deletionGracePeriodSeconds"])


@pytest.mark.parametrize(
    ("obj", "options", "grace_s", "gone"),
    [
        (pod(), {}, 30, False),
        (pod(), {"grace_s": 5}, 5, False),
        (pod(), {"grace_s": 0}, 0, True),
        (pod(node=""), {}, 0, True),
        (pod(node=""), {"grace_s": 60}, 0, True),
        (pod(phase="Succeeded"), {}, 0, True),
        (pod(phase="Failed"), {"grace_s": 9}, 0, True),
        (pod(finalizers=["f"]), {"grace_s": 0}, 0, False),
        (deleting(30), {}, None, False),
        (deleting(30), {"grace_s": 30}, None, False),
        (deleting(30), {"grace_s": 60}, None, False),
        (deleting(30), {"grace_s": 10}, 10, False),
        (deleting(30), {"grace_s": 0}, 0, True),
        (deleting(0), {}, None, True),
    ],
)
def test_pods_are_deleted_with_grace(
    obj: Any, options: Any, grace_s: int | None, gone: bool
) -> None:
    decided = decide(obj, **options)
    assert (grace_of(decided), decided.gone) == (grace_s, gone)


def test_the_timestamp_is_now_plus_grace_and_moves_with_a_shorter_one() -> None:
    first = decide(pod(), grace_s=30).marked
    assert first is not None
    assert first["metadata"]["deletionTimestamp"] == "1970-01-12T13:47:10Z"
    second = decide(first, grace_s=10).marked
    assert second is not None
    assert second["metadata"]["deletionTimestamp"] == "1970-01-12T13:46:50Z"


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"uid": "other"}, 409),
        ({"resource_version": "6"}, 409),
        ({"uid": "u", "resource_version": "6"}, 409),
    ],
)
def test_a_precondition_that_fails_deletes_nothing(options: Any, code: int) -> None:
    with pytest.raises(ApiError) as refusal:
        decide(pod(), **options)
    assert refusal.value.code == code


def test_a_precondition_that_holds_lets_it_pass() -> None:
    assert grace_of(decide(pod(), uid="u", resource_version="7", propagation="Foreground")) == 30


def test_what_has_no_grace_goes_at_once_unless_it_has_finalizers() -> None:
    plain = {"metadata": {"name": "c", "uid": "u", "resourceVersion": "1"}}
    held = {"metadata": {**plain["metadata"], "finalizers": ["f"]}}
    assert decide_deletion(CONFIG_MAPS, plain, DeleteOptions(), NOW_S) == Deletion(None, True)
    decided = decide_deletion(CONFIG_MAPS, held, DeleteOptions(), NOW_S)
    assert (decided.gone, decided.marked is None) == (False, False)
    assert decided.marked is not None
    assert not finished(CONFIG_MAPS, decided.marked)
    freed = {"metadata": {**decided.marked["metadata"], "finalizers": []}}
    assert finished(CONFIG_MAPS, freed)
