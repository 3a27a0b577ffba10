"""What kubectl's tables show of pods and the rest."""

from typing import Any

import pytest

from runbus.localcluster.api.ages import ago, duration
from runbus.localcluster.api.columns import columns_of
from runbus.localcluster.api.pod_columns import pod_cells, pod_reason
from runbus.localcluster.api.tables import as_row, as_table, bookmark_table, wants_table
from runbus.localcluster.rules.resources import LEASES, PODS, QUOTAS, RESOURCES
from runbus.localcluster.store.history import Stored
from runbus.localcluster.store.pages import Page

BORN = "2026-01-01T00:00:00Z"
BORN_S = 1767225600.0
META = {"name": "x", "namespace": "n", "creationTimestamp": BORN}


def a_pod(status: dict[str, Any], **meta: Any) -> dict[str, Any]:
    return {
        "metadata": {**META, **meta},
        "spec": {
            "initContainers": [{"name": "init"}, {"name": "side", "restartPolicy": "Always"}],
            "containers": [{"name": "main"}],
        },
        "status": status,
    }


def state(name: str = "main", **state: Any) -> dict[str, Any]:
    return {"name": name, "state": state}


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-5, "0s"),
        (119, "119s"),
        (190, "3m10s"),
        (240, "4m"),
        (1500, "25m"),
        (5 * 3600 + 120, "5h2m"),
        (30 * 3600, "30h"),
        (3 * 86400 + 4 * 3600, "3d4h"),
        (90 * 86400, "90d"),
        (740 * 86400, "2y10d"),
        (9 * 365 * 86400, "9y"),
    ],
)
def test_ages_are_as_kubectl_writes_them(seconds: int, shown: str) -> None:
    assert duration(seconds) == shown


def test_what_is_no_time_has_no_age() -> None:
    assert (ago(None, 0), ago("yesterday", 0)) == ("<unknown>", "<invalid>")


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        ({"phase": "Pending"}, "Pending"),
        ({"phase": "Failed", "reason": "Evicted"}, "Evicted"),
        (
            {
                "phase": "Pending",
                "conditions": [{"type": "PodScheduled", "reason": "SchedulingGated"}],
            },
            "SchedulingGated",
        ),
        ({"initContainerStatuses": [state("init", running={})]}, "Init:0/1"),
        (
            {"initContainerStatuses": [state("init", waiting={"reason": "ImagePullBackOff"})]},
            "Init:ImagePullBackOff",
        ),
        (
            {"initContainerStatuses": [state("init", terminated={"exitCode": 2})]},
            "Init:ExitCode:2",
        ),
        (
            {
                "phase": "Running",
                "initContainerStatuses": [
                    state("init", terminated={"exitCode": 0}),
                    {**state("side", running={}), "started": True},
                ],
                "containerStatuses": [state(waiting={"reason": "CrashLoopBackOff"})],
            },
            "CrashLoopBackOff",
        ),
    ],
)
def test_the_status_of_a_pod_is_what_it_is_at(status: dict[str, Any], shown: str) -> None:
    assert pod_reason(a_pod(status)) == shown


def test_a_pod_that_is_deleted_terminates_unless_it_had_ended() -> None:
    assert pod_reason(a_pod({"phase": "Running"}, deletionTimestamp=BORN)) == "Terminating"
    ended = a_pod({"phase": "Succeeded", "reason": "Completed"}, deletionTimestamp=BORN)
    assert pod_reason(ended) == "Completed"


def test_restarts_tell_when_the_last_one_was_and_sidecars_count() -> None:
    last = {"lastState": {"terminated": {"finishedAt": BORN}}, "restartCount": 2}
    shown = pod_cells(
        a_pod(
            {
                "containerStatuses": [{**state(running={}), **last, "ready": True}],
                "initContainerStatuses": [{**state("side", running={}), "ready": True}],
            }
        ),
        BORN_S + 60,
    )
    assert shown[1:5] == ["2/2", "Init:0/1", "2 (60s ago)", "60s"]


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda each: each.plural)
def test_every_kind_fills_its_columns_from_the_barest_object(resource: Any) -> None:
    columns, cells = columns_of(resource)
    bare = (
        {"metadata": META, "spec": {"containers": []}} if resource is PODS else {"metadata": META}
    )
    assert len(cells(bare, BORN_S)) == len(columns)


def test_a_quota_shows_requests_and_limits_apart() -> None:
    status = {"hard": {"pods": "5", "limits.cpu": "2"}, "used": {"pods": "1", "limits.cpu": "0"}}
    _, cells = columns_of(QUOTAS)
    assert cells({"metadata": META, "status": status}, BORN_S)[1:3] == [
        "pods: 1/5",
        "limits.cpu: 0/2",
    ]


def test_a_table_includes_of_each_object_what_was_asked_for() -> None:
    stored = Stored(("n", "x"), 7, {"metadata": META, "spec": {"holderIdentity": "h"}}, b"")
    page = Page([stored], 9, "more", 3)

    def included(include: str) -> Any:
        return as_table(LEASES, page, BORN_S, include)["rows"][0]["object"]

    assert included("None") is None
    assert included("")["kind"] == "PartialObjectMetadata"
    assert included("Object")["spec"] == {"holderIdentity": "h"}
    assert as_table(LEASES, page, BORN_S)["metadata"] == {
        "resourceVersion": "9",
        "continue": "more",
        "remainingItemCount": 3,
    }
    row = as_row(LEASES, stored, BORN_S, "", with_head=False)
    assert (row["columnDefinitions"], row["rows"][0]["cells"]) == (None, ["x", "h", "0s"])


def test_bookmarks_and_headers_of_tables() -> None:
    assert bookmark_table(7, initial_end=True)["metadata"] == {
        "resourceVersion": "7",
        "annotations": {"k8s.io/initial-events-end": "true"},
    }
    table = "application/json;as=Table;v=v1;g=meta.k8s.io"
    assert wants_table(f"{table},application/json")
    assert not wants_table(f"application/json,{table}")
