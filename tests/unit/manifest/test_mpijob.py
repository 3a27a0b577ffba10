"""An MPIJob: what the launcher runs, what the workers get, and that it is tried once."""

from __future__ import annotations

from typing import Any

import pytest

from support.documents import RUN_ID, objects_of

GPU: dict[str, Any] = {"requests": {"cpu": "6"}, "gpus": {"count": 1}}


def mpijob_of(**settings: Any) -> Any:
    (mpijob,) = objects_of("mpijob", **settings)
    return mpijob


def replicas_of(role: str, **settings: Any) -> Any:
    return mpijob_of(**settings)["spec"]["mpiReplicaSpecs"][role]


def container_of(role: str, **settings: Any) -> Any:
    (container,) = replicas_of(role, **settings)["template"]["spec"]["containers"]
    return container


COMMANDS: list[tuple[dict[str, Any], list[str]]] = [
    ({}, ["mpirun", "-np", "1", "train"]),
    ({"replicas": 4}, ["mpirun", "-np", "4", "train"]),
    ({"replicas": 4, "mpi": {"slots_per_worker": 2}}, ["mpirun", "-np", "8", "train"]),
    ({"mpi": {"args": ["-x", "A=1"]}}, ["mpirun", "-np", "1", "-x", "A=1", "train"]),
    (
        {"args": ["--epochs={epochs}"], "parameters": {"epochs": 3}},
        ["mpirun", "-np", "1", "train", "--epochs=3"],
    ),
]


@pytest.mark.parametrize(("settings", "command"), COMMANDS)
def test_the_launcher_runs_the_program_under_mpirun_on_every_slot(
    settings: dict[str, Any], command: list[str]
) -> None:
    launcher = container_of("Launcher", **{"command": "train", **settings})
    assert (launcher["name"], launcher["command"], "args" in launcher) == ("main", command, False)


def test_workers_have_neither_command_nor_arguments_so_that_the_operator_starts_sshd() -> None:
    worker = container_of("Worker", command="train", args=["x"], replicas=2)
    assert {"command", "args"} & worker.keys() == set()
    assert worker["name"] == "main"


def test_resources_of_the_run_are_the_workers_and_the_launchers_come_from_its_role() -> None:
    roles = {"launcher": {"resources": {"requests": {"cpu": "500m"}}}}
    settings: dict[str, Any] = {"resources": GPU, "roles": roles}
    assert container_of("Launcher", **settings)["resources"] == {"requests": {"cpu": "500m"}}
    assert container_of("Worker", **settings)["resources"]["limits"] == {"nvidia.com/gpu": "1"}
    assert "resources" not in container_of("Launcher", resources=GPU)


def test_only_pods_with_a_gpu_tolerate_what_gpu_nodes_are_tainted_with() -> None:
    toleration = {"key": "gpu", "operator": "Exists"}
    settings = {"resources": GPU, "platform": {"gpu_tolerations": [toleration]}}
    specs = {
        role: replicas_of(role, **settings)["template"]["spec"] for role in ("Launcher", "Worker")
    }
    assert specs["Worker"]["tolerations"] == [toleration]
    assert "tolerations" not in specs["Launcher"]


def test_each_role_has_the_preemption_mode_of_its_own() -> None:
    settings = {
        "preemption_mode": "constrain",
        "roles": {"launcher": {"preemption_mode": "prevent"}},
        "platform": {"preemptible_nodes": {"node_selector": {"spot": "yes"}}},
    }
    operators = {}
    for role in ("Launcher", "Worker"):
        affinity = replicas_of(role, **settings)["template"]["spec"]["affinity"]
        required = affinity["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
        operators[role] = required["nodeSelectorTerms"][0]["matchExpressions"][0]["operator"]
    assert operators == {"Launcher": "NotIn", "Worker": "In"}


def test_neither_operator_nor_kubernetes_tries_again() -> None:
    spec = mpijob_of()["spec"]
    restarts = {part["restartPolicy"] for part in spec["mpiReplicaSpecs"].values()}
    assert (spec["runPolicy"]["backoffLimit"], restarts) == (0, {"Never"})


@pytest.mark.parametrize(("given", "policy"), [(None, "Running"), ("All", "All")])
def test_workers_do_not_keep_their_gpus_after_the_end_unless_asked_to(
    given: str | None, policy: str
) -> None:
    mpi = {"clean_pod_policy": given} if given else {}
    assert mpijob_of(mpi=mpi)["spec"]["runPolicy"]["cleanPodPolicy"] == policy


def test_under_kueue_it_is_created_suspended_and_labelled_but_its_pods_are_not() -> None:
    mpijob = mpijob_of(queue={"system": "kueue", "name": "team"})
    key = "kueue.x-k8s.io/queue-name"
    assert mpijob["spec"]["runPolicy"]["suspend"] is True
    assert mpijob["metadata"]["labels"][key] == "team"
    parts = mpijob["spec"]["mpiReplicaSpecs"].values()
    assert all(key not in each["template"]["metadata"]["labels"] for each in parts)


def test_without_kueue_it_starts_at_once() -> None:
    mpijob = mpijob_of(queue={"system": "runbus", "name": "team"})
    assert mpijob["spec"]["runPolicy"]["suspend"] is False
    assert "kueue.x-k8s.io/queue-name" not in mpijob["metadata"]["labels"]


def test_the_object_has_no_role_and_the_name_of_the_attempt() -> None:
    metadata = mpijob_of()["metadata"]
    assert metadata["name"] == f"finetune-{RUN_ID}-1"
    assert "runbus.dev/role" not in metadata["labels"]
