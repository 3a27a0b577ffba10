"""A job's pod: how it is called and labelled, where it runs, and that it runs once."""

from __future__ import annotations

import copy
import json
from typing import Any

import msgspec
import pytest

from runbus.contracts.document import RunDocument
from runbus.contracts.states import Kind
from runbus.pod_launcher.manifest import UnavailableKindError, render
from support.documents import RUN_ID, a_job, a_pod_of, effective, rendered


def test_the_name_says_which_attempt_of_which_run_it_is() -> None:
    pod: Any = rendered(effective(), attempt=12, namespace="team-nlp")
    metadata = pod["metadata"]
    assert metadata["name"] == f"finetune-{RUN_ID}-12"
    assert metadata["namespace"] == "team-nlp"
    assert metadata["labels"]["runbus.dev/attempt"] == "12"


def test_the_longest_name_is_still_a_dns_label() -> None:
    pod: Any = rendered(effective(name="n" * 26), attempt=101)
    assert len(pod["metadata"]["name"]) == 26 + 1 + 12 + 1 + 3 <= 63


def test_labels_say_whose_pod_it_is_and_the_users_stand_beside() -> None:
    pod = a_pod_of(labels={"team": "nlp"})
    assert pod["metadata"]["labels"] == {
        "team": "nlp",
        "runbus.dev/run-id": RUN_ID,
        "runbus.dev/project": "nlp",
        "runbus.dev/kind": "job",
        "runbus.dev/role": "main",
        "runbus.dev/attempt": "1",
        "runbus.dev/shard": "2a",
        "app.kubernetes.io/managed-by": "runbus",
    }


QUEUES = [
    ({"system": "kueue", "name": "team"}, "team"),
    ({"system": "kueue"}, "default"),
    ({"system": "runbus", "name": "team"}, None),
]


@pytest.mark.parametrize(("queue", "label"), QUEUES)
def test_a_pod_is_labelled_for_kueue_where_kueue_decides(
    queue: dict[str, Any], label: str | None
) -> None:
    assert a_pod_of(queue=queue)["metadata"]["labels"].get("kueue.x-k8s.io/queue-name") == label


def test_no_label_of_a_user_can_replace_one_of_the_run() -> None:
    labels = {"runbus.dev/run-id": "another", "app.kubernetes.io/managed-by": "me"}
    found = a_pod_of(labels=labels)["metadata"]["labels"]
    assert found["runbus.dev/run-id"] == RUN_ID
    assert found["app.kubernetes.io/managed-by"] == "runbus"


def test_the_thresholds_in_force_stand_in_an_annotation_beside_the_users() -> None:
    pod = a_pod_of(
        state_thresholds={"running": "6h", "pending_not_scheduled": "-1"}, annotations={"a": "b"}
    )
    annotations = pod["metadata"]["annotations"]
    thresholds = json.loads(annotations.pop("runbus.dev/state-thresholds"))
    assert thresholds == {"running": "6h", "pending_not_scheduled": "-1"}
    assert annotations == {"a": "b"}


def test_without_thresholds_and_annotations_there_are_no_annotations() -> None:
    assert "annotations" not in a_pod_of()["metadata"]


def test_a_pod_is_never_restarted_and_gets_no_service_links() -> None:
    spec = a_pod_of()["spec"]
    del spec["containers"]
    assert spec == {"restartPolicy": "Never", "enableServiceLinks": False}


AFFINITY = {
    "nodeAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [
                {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a", "b"]}]}
            ]
        }
    },
    "podAntiAffinity": {
        "preferredDuringSchedulingIgnoredDuringExecution": [
            {
                "weight": 5,
                "podAffinityTerm": {
                    "topologyKey": "kubernetes.io/hostname",
                    "labelSelector": {"matchLabels": {"team": "nlp"}},
                },
            }
        ]
    },
}
TOLERATIONS = [
    {"key": "gpu", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 0},
    {"operator": "Exists"},
]

SPEC: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"service_account": "runner"}, {"serviceAccountName": "runner"}),
    ({"priority_class": "high"}, {"priorityClassName": "high"}),
    ({"image_pull_secret": "regcred"}, {"imagePullSecrets": [{"name": "regcred"}]}),
    ({"termination_grace_period": "25s"}, {"terminationGracePeriodSeconds": 25}),
    ({"termination_grace_period": "1500ms"}, {"terminationGracePeriodSeconds": 2}),
    ({"node_name": "node-1"}, {"nodeName": "node-1"}),
    ({"node_selector": {"pool": "gpu", "zone": ""}}, {"nodeSelector": {"pool": "gpu"}}),
    ({"node_selector": {"zone": ""}}, {}),
    ({"tolerations": TOLERATIONS}, {"tolerations": TOLERATIONS}),
    ({"tolerations": []}, {}),
    ({"affinity": AFFINITY}, {"affinity": AFFINITY}),
    ({"affinity": {}}, {}),
    (
        {"security_context": {"run_as_user": 0, "run_as_group": 1, "fs_group": 2}},
        {"securityContext": {"runAsUser": 0, "runAsGroup": 1, "fsGroup": 2}},
    ),
    ({"security_context": {}}, {}),
    ({"preemption_mode": "prevent"}, {}),
    ({"auto_mount": False}, {}),
]


@pytest.mark.parametrize(("settings", "expected"), SPEC)
def test_a_setting_of_the_pod_has_its_field(
    settings: dict[str, Any], expected: dict[str, Any]
) -> None:
    spec = a_pod_of(**settings)["spec"]
    del spec["containers"]
    assert spec == {"restartPolicy": "Never", "enableServiceLinks": False, **expected}


def test_rendering_is_deterministic_and_changes_nothing() -> None:
    raw = a_job(
        args=["{a}"],
        parameters={"a": [1]},
        labels={"b": "c"},
        affinity=AFFINITY,
        tolerations=TOLERATIONS,
        resources={"requests": {"cpu": "1"}, "gpus": {"count": 1}},
    )
    before = copy.deepcopy(raw)
    document = msgspec.convert(raw, RunDocument)
    encoded = msgspec.json.encode(document)
    assert rendered(document) == rendered(document)
    assert (msgspec.json.encode(document), raw) == (encoded, before)


def test_an_object_is_plain_json_as_it_goes_over_the_wire() -> None:
    pod = a_pod_of(tolerations=TOLERATIONS, affinity=AFFINITY, command="x", args=["y"])
    assert msgspec.json.decode(msgspec.json.encode(pod)) == pod


@pytest.mark.parametrize("kind", [Kind.UNKNOWN, None])
def test_a_kind_that_this_release_does_not_know_is_named(kind: Kind | None) -> None:
    document = effective(kind=None if kind is None else kind.value)
    with pytest.raises(UnavailableKindError, match="none" if kind is None else kind.value):
        render(document, run_id=RUN_ID, attempt=1, shard="2a", namespace="nlp")
