"""Where the local cluster knowingly answers otherwise than Kubernetes 1.20: ADR 21 says why.

Each is shown on both sides, so that the list there stays true.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from conformance.objects import a_map, a_pod
from conformance.side_by_side import JSON_PATCH, MERGE, STRATEGIC, BothServers, Player

JsonObject = dict[str, Any]
Step = Callable[[Player], Awaitable[object]]
NOPE = "/metadata/labels/nope"


def patched(content_type: str, patch: Any) -> Step:
    return lambda player: player.send("PATCH", "pods/a", patch, content_type)


def deleted(options: Any) -> Step:
    return lambda player: player.send("DELETE", "pods/a", options)


def asked(**query: str) -> Step:
    return lambda player: player.send("GET", "pods", **query)


def versioned(version: str) -> JsonObject:
    return {**a_pod(), "metadata": {"name": "a", "resourceVersion": version}}


@pytest.mark.parametrize(
    ("step", "real", "local"),
    [
        # 1.20's library lets pass what RFC 6902 forbids; newer versions do not
        (patched(JSON_PATCH, [{"op": "replace", "path": NOPE, "value": "1"}]), 200, 422),
        (patched(JSON_PATCH, [{"op": "copy", "from": NOPE, "path": f"{NOPE}2"}]), 200, 422),
        # what the client did wrong is the client's mistake
        (patched(MERGE, b"{nonsense"), 500, 400),
        (patched(STRATEGIC, {"spec": {"containers": [{"image": "x:3"}]}}), 500, 400),
        (patched(STRATEGIC, {"$patch": "nonsense"}), 500, 400),
        (
            patched(
                STRATEGIC,
                {
                    "metadata": {
                        "$setElementOrder/finalizers": ["x.io/a"],
                        "finalizers": ["x.io/b"],
                    }
                },
            ),
            500,
            400,
        ),
        (deleted({"gracePeriodSeconds": "x"}), 500, 400),
        (deleted({"kind": "Pod", "apiVersion": "v1"}), 500, 400),
        (deleted([]), 500, 400),
        (deleted(b"{nonsense"), 500, 400),
        (asked(resourceVersion="nonsense"), 500, 400),
        (asked(resourceVersion="nonsense", watch="true"), 500, 400),
        (lambda player: player.send("POST", "pods", versioned("1")), 500, 400),
        (lambda player: player.send("PUT", "pods/a", versioned("nonsense")), 500, 409),
    ],
)
def test_the_local_cluster_answers_otherwise(
    both: BothServers, step: Step, real: int, local: int
) -> None:
    async def case(player: Player) -> None:
        await player.ask("POST", "pods", a_pod())
        await step(player)

    shown = [each.transcript[0][1]["status"] for each in both.play(case)]
    assert shown == [real, local]


def test_initial_events_end_with_a_bookmark_where_they_are_known(both: BothServers) -> None:
    async def case(player: Player) -> None:
        await player.ask("POST", "configmaps", a_map(labels={"x": "1"}))
        query = {"sendInitialEvents": "true", "labelSelector": "x=1", "timeoutSeconds": "4"}
        await player.watch("configmaps", **query)

    kinds = [[event["type"] for event in each.transcript[0][1]] for each in both.play(case)]
    assert kinds == [["ADDED"], ["ADDED", "BOOKMARK"]]


def test_no_claim_is_protected_and_no_account_has_a_token(both: BothServers) -> None:
    async def case(player: Player) -> None:
        spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
        claim = {"metadata": {"name": "a"}, "spec": {**spec, "storageClassName": ""}}
        await player.send("POST", "persistentvolumeclaims", claim)
        await player.send("GET", "serviceaccounts/default")
        await player.send("GET", "configmaps/kube-root-ca.crt")

    real, local = ([step[1] for step in each.transcript] for each in both.play(case))
    assert real[0]["answer"]["metadata"]["finalizers"] == ["kubernetes.io/pvc-protection"]
    assert "finalizers" not in local[0]["answer"]["metadata"]
    assert "secrets" in real[1]["answer"]
    assert "secrets" not in local[1]["answer"]
    assert local[2]["status"] == 404
