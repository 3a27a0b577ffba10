"""What a pod's status says, from the states of its containers."""

from typing import Any

import msgspec
import pytest

from runbus.localcluster.rules.shapes import Pod
from runbus.localcluster.runner.states import (
    ContainerView,
    PodFacts,
    Running,
    State,
    Terminated,
    Waiting,
    from_returncode,
    pod_phase,
    pod_status,
    starts_again,
)

FACTS = PodFacts(1000.0, "127.0.0.1")
UP = Running(1001.0)
DONE = Terminated(0, "Completed", 1001.0, 1002.0)
BAD = Terminated(1, "Error", 1001.0, 1002.0)
CREATING = Waiting("ContainerCreating")
CRASH = Waiting("CrashLoopBackOff")


def pod(policy: str, inits: int = 0, mains: int = 1, sidecar: bool = False) -> Pod:
    init: list[Any] = [{"name": f"i{n}"} for n in range(inits)]
    if sidecar:
        init.append({"name": "side", "restartPolicy": "Always"})
    containers = [{"name": f"c{n}"} for n in range(mains)]
    spec = {"restartPolicy": policy, "initContainers": init, "containers": containers}
    return msgspec.convert({"spec": spec}, Pod)


def view(state: State, last: Terminated | None = None) -> ContainerView:
    return ContainerView(state, last)


@pytest.mark.parametrize(
    ("policy", "views", "expected"),
    [
        ("Never", {"c0": view(CREATING)}, "Pending"),
        ("Never", {"c0": view(UP)}, "Running"),
        ("Never", {"c0": view(DONE)}, "Succeeded"),
        ("Never", {"c0": view(BAD)}, "Failed"),
        ("Never", {"c0": view(UP), "c1": view(BAD)}, "Running"),
        ("Never", {"c0": view(DONE), "c1": view(BAD)}, "Failed"),
        ("Never", {"c0": view(UP), "c1": view(CREATING)}, "Pending"),
        ("OnFailure", {"c0": view(BAD)}, "Running"),
        ("OnFailure", {"c0": view(CRASH, BAD)}, "Running"),
        ("OnFailure", {"c0": view(DONE)}, "Succeeded"),
        ("Always", {"c0": view(DONE)}, "Running"),
        ("Always", {"c0": view(CRASH, DONE)}, "Running"),
        ("Never", {"i0": view(UP), "c0": view(CREATING)}, "Pending"),
        ("Never", {"i0": view(DONE), "c0": view(CREATING)}, "Pending"),
        ("Never", {"i0": view(BAD), "c0": view(CREATING)}, "Failed"),
        ("OnFailure", {"i0": view(BAD), "c0": view(CREATING)}, "Pending"),
        ("Never", {"side": view(UP), "c0": view(UP)}, "Running"),
        ("Never", {"side": view(BAD), "c0": view(DONE)}, "Succeeded"),
        ("Never", {"side": view(CREATING), "c0": view(CREATING)}, "Pending"),
    ],
)
def test_the_phase_follows_from_the_containers(
    policy: str, views: dict[str, ContainerView], expected: str
) -> None:
    inits = sum(name.startswith("i") for name in views)
    mains = sum(name.startswith("c") for name in views)
    wanted = pod(policy, inits, mains, "side" in views)
    assert pod_phase(wanted, views, FACTS) == expected


@pytest.mark.parametrize(("state", "expected"), [(DONE, "Succeeded"), (BAD, "Failed")])
def test_a_stopping_pod_ends_whatever_its_policy(state: State, expected: str) -> None:
    facts = PodFacts(1000.0, "127.0.0.1", stopping=True)
    assert pod_phase(pod("Always"), {"c0": view(state)}, facts) == expected


def test_a_pod_failed_by_the_runner_is_failed_with_its_reason() -> None:
    facts = PodFacts(1000.0, "127.0.0.1", reason="DeadlineExceeded", message="too long")
    status = pod_status(pod("Never"), {"c0": view(UP)}, facts, 1003.0, {})
    assert (status["phase"], status["reason"], status["message"]) == (
        "Failed",
        "DeadlineExceeded",
        "too long",
    )


@pytest.mark.parametrize(
    ("returncode", "expected"), [(0, (0, 0)), (3, (3, 0)), (-9, (137, 9)), (-15, (143, 15))]
)
def test_return_codes_become_exit_codes(returncode: int, expected: tuple[int, int]) -> None:
    assert from_returncode(returncode) == expected


@pytest.mark.parametrize(
    ("policy", "code", "expected"),
    [
        ("Always", 0, True),
        ("OnFailure", 0, False),
        ("OnFailure", 1, True),
        ("Never", 1, False),
    ],
)
def test_policies_decide_on_restarts(policy: str, code: int, expected: bool) -> None:
    assert starts_again(policy, code) is expected


def test_a_condition_keeps_its_time_until_its_status_changes() -> None:
    waiting, up = {"c0": view(CREATING)}, {"c0": view(UP)}
    first = pod_status(pod("Never"), waiting, FACTS, 1000.0, {})
    before = {each["type"]: each for each in first["conditions"]}
    second = pod_status(pod("Never"), up, FACTS, 2000.0, before)
    after = {each["type"]: each for each in second["conditions"]}
    assert before["Ready"]["status"], after["Ready"]["status"] == ("False", "True")
    assert after["Ready"]["lastTransitionTime"] > before["Ready"]["lastTransitionTime"]
    assert after["PodScheduled"] == before["PodScheduled"]


def test_a_status_shows_every_container_as_a_kubelet_does() -> None:
    killed = Terminated(137, "Error", 1001.0, 1002.0, signal=9, container_id="containerd://x")
    views = {"c0": ContainerView(UP, killed, 1, "containerd://y", "img")}
    status = pod_status(pod("Always"), views, FACTS, 1003.0, {})
    assert status["containerStatuses"] == [
        {
            "name": "c0",
            "state": {"running": {"startedAt": "1970-01-01T00:16:41Z"}},
            "lastState": {
                "terminated": {
                    "exitCode": 137,
                    "reason": "Error",
                    "signal": 9,
                    "startedAt": "1970-01-01T00:16:41Z",
                    "finishedAt": "1970-01-01T00:16:42Z",
                    "containerID": "containerd://x",
                }
            },
            "ready": True,
            "restartCount": 1,
            "image": "",
            "imageID": "img",
            "started": True,
            "containerID": "containerd://y",
        }
    ]
