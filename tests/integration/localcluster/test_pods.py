"""Pods on the local cluster, with real processes: their lives, ends, logs and environment."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from support.cluster import LocalClusterProcess, until
from support.cluster_pods import (
    NAMESPACE,
    PODS,
    condition,
    container,
    ended,
    phase,
    pod,
    python,
    running,
    state_of,
    terminated,
    waiting_reason,
)
from support.cluster_processes import wait_dead

JsonObject = dict[str, Any]
pytestmark = pytest.mark.asyncio(loop_scope="module")

OPTIONS = {
    "cpu": "4",
    "memory": "8Gi",
    "pull_backoff_initial_s": 0.3,
    "restart_backoff_initial_s": 0.3,
    "config_retry_s": 0.2,
    "missing_images": ["*missing*"],
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LocalClusterProcess]:
    folder = tmp_path_factory.mktemp("cluster") / "cluster"
    async with LocalClusterProcess(folder, **OPTIONS) as started:
        yield started


async def run(cluster: LocalClusterProcess, wanted: JsonObject) -> JsonObject:
    """Create a pod and wait for its end."""
    await cluster.create(PODS, wanted)
    return await cluster.wait_for(f"{PODS}/{wanted['metadata']['name']}", ended)


async def logs(cluster: LocalClusterProcess, name: str, **query: str) -> str:
    code, text = await cluster.request("GET", f"{PODS}/{name}/log", **query)
    assert code == 200, text
    return str(text)


async def wait_output(cluster: LocalClusterProcess, name: str) -> str:
    """Wait until a pod has written something; gives it."""

    async def written() -> bool:
        return bool(await logs(cluster, name))

    await until(written)
    return await logs(cluster, name)


async def history(cluster: LocalClusterProcess, name: str, limit_s: float = 20) -> list[JsonObject]:
    """Every version of a pod from its creation to its deletion."""
    seen = []
    async with asyncio.timeout(limit_s):
        selector = f"metadata.name={name}"
        async with contextlib.aclosing(cluster.events(PODS, fieldSelector=selector)) as events:
            async for event in events:
                seen.append(event)
                if event["type"] == "DELETED":
                    return seen
    raise AssertionError("the watch ended")


async def test_a_pod_runs_to_succeeded_and_its_logs_are_served(
    cluster: LocalClusterProcess,
) -> None:
    code = "import sys; print('one'); print('two', file=sys.stderr); print('three')"
    done = await run(cluster, pod("ok", python(code)))
    assert phase(done) == "Succeeded"
    assert terminated(done)["exitCode"] == 0
    assert terminated(done)["reason"] == "Completed"
    assert done["spec"]["nodeName"] == "local"
    assert done["status"]["startTime"] <= terminated(done)["finishedAt"]
    assert {each["type"]: each["status"] for each in done["status"]["conditions"]} == {
        "PodScheduled": "True",
        "Initialized": "True",
        "ContainersReady": "False",
        "Ready": "False",
    }
    assert await logs(cluster, "ok") == "one\ntwo\nthree\n"
    assert await logs(cluster, "ok", tailLines="1", container="main") == "three\n"
    assert await logs(cluster, "ok", limitBytes="2") == "on"
    stamped = await logs(cluster, "ok", timestamps="true", sinceSeconds="600")
    assert [line.split(" ", 1)[1] for line in stamped.splitlines()] == ["one", "two", "three"]


@pytest.mark.parametrize(
    ("name", "code", "exit_code", "signal"),
    [
        ("exit-3", "import sys; sys.exit(3)", 3, None),
        ("killed", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)", 137, 9),
        ("segfault", "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", 139, 11),
    ],
)
async def test_ends_are_mapped_as_a_kubelet_does(
    cluster: LocalClusterProcess, name: str, code: str, exit_code: int, signal: int | None
) -> None:
    done = await run(cluster, pod(name, python(code)))
    assert phase(done) == "Failed"
    assert terminated(done)["exitCode"] == exit_code
    assert terminated(done)["reason"] == "Error"
    assert terminated(done).get("signal") == signal


async def test_a_program_that_does_not_exist_is_a_start_error(
    cluster: LocalClusterProcess,
) -> None:
    done = await run(cluster, pod("nothing", container("main", "no-such-program")))
    assert phase(done) == "Failed"
    assert terminated(done)["reason"] == "StartError"
    assert terminated(done)["exitCode"] == 128
    assert (
        'exec: "no-such-program": executable file not found in $PATH'
        in (terminated(done)["message"])
    )


async def test_a_container_that_names_no_program_is_a_start_error(
    cluster: LocalClusterProcess,
) -> None:
    done = await run(cluster, pod("silent", container()))
    assert terminated(done)["reason"] == "StartError"
    assert "no command specified" in terminated(done)["message"]


async def test_sigterm_is_sent_first_and_an_exit_on_it_counts(
    cluster: LocalClusterProcess,
) -> None:
    code = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *a: sys.exit(0))
print('ready', flush=True)
time.sleep(60)
"""
    created = await cluster.create(PODS, pod("polite", python(code)))
    await cluster.wait_for(f"{PODS}/polite", running)
    await wait_output(cluster, "polite")
    watching = asyncio.gather(history(cluster, "polite"))
    await asyncio.sleep(0.1)
    body = {"preconditions": {"uid": created["metadata"]["uid"]}}
    code_, answer = await cluster.request("DELETE", f"{PODS}/polite", body)
    assert code_ == 200
    assert answer["metadata"]["deletionGracePeriodSeconds"] == 30
    assert "deletionTimestamp" in answer["metadata"]
    [seen] = await watching
    assert seen[-1]["type"] == "DELETED"
    assert terminated(seen[-1]["object"])["exitCode"] == 0
    assert phase(seen[-1]["object"]) == "Succeeded"
    assert seen[-1]["object"]["metadata"]["deletionGracePeriodSeconds"] == 0


async def test_who_ignores_sigterm_is_killed_after_the_grace(
    cluster: LocalClusterProcess,
) -> None:
    code = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])
print(child.pid, flush=True)
time.sleep(60)
"""
    await cluster.create(PODS, pod("stubborn", python(code), terminationGracePeriodSeconds=1))
    await cluster.wait_for(f"{PODS}/stubborn", running)
    text = await wait_output(cluster, "stubborn")
    watching = asyncio.gather(history(cluster, "stubborn"))
    await asyncio.sleep(0.1)
    await cluster.request("DELETE", f"{PODS}/stubborn")
    [seen] = await watching
    assert terminated(seen[-1]["object"])["exitCode"] == 137
    assert phase(seen[-1]["object"]) == "Failed"
    await wait_dead(int(text))


async def test_a_shorter_second_grace_shortens_the_wait(cluster: LocalClusterProcess) -> None:
    code = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(1)
time.sleep(60)
"""
    await cluster.create(PODS, pod("twice", python(code)))
    await cluster.wait_for(f"{PODS}/twice", running)
    await wait_output(cluster, "twice")
    await cluster.request("DELETE", f"{PODS}/twice", {"gracePeriodSeconds": 30})
    await cluster.request("DELETE", f"{PODS}/twice", {"gracePeriodSeconds": 1})
    await cluster.wait_gone(f"{PODS}/twice", 10)


async def test_a_forced_delete_ends_the_process_too(cluster: LocalClusterProcess) -> None:
    code = "import os, time; print(os.getpid()); time.sleep(600)"
    await cluster.create(PODS, pod("forced", python(code)))
    await cluster.wait_for(f"{PODS}/forced", running)
    text = await wait_output(cluster, "forced")
    code_, _ = await cluster.request("DELETE", f"{PODS}/forced", gracePeriodSeconds="0")
    assert code_ == 200
    assert (await cluster.request("GET", f"{PODS}/forced"))[0] == 404
    await wait_dead(int(text))


async def test_an_unbound_pod_is_deleted_at_once(cluster: LocalClusterProcess) -> None:
    big = container("main", "true", resources={"requests": {"cpu": "100"}})
    await cluster.create(PODS, pod("big", big))
    shown = await cluster.wait_for(
        f"{PODS}/big", lambda each: bool(condition(each, "PodScheduled"))
    )
    scheduled = condition(shown, "PodScheduled")
    assert scheduled["status"] == "False"
    assert scheduled["reason"] == "Unschedulable"
    assert scheduled["message"] == "0/1 nodes are available: 1 Insufficient cpu."
    await cluster.request("DELETE", f"{PODS}/big")
    assert (await cluster.request("GET", f"{PODS}/big"))[0] == 404


async def test_a_pod_waits_for_room_and_gets_it(cluster: LocalClusterProcess) -> None:
    wants = {"requests": {"cpu": "3"}}
    await cluster.create(PODS, pod("first", python("import time; time.sleep(60)", resources=wants)))
    await cluster.wait_for(f"{PODS}/first", running)
    await cluster.create(PODS, pod("second", python("print(1)", resources=wants)))
    await cluster.wait_for(f"{PODS}/second", lambda p: bool(condition(p, "PodScheduled")))
    await cluster.request("DELETE", f"{PODS}/first")
    assert phase(await cluster.wait_for(f"{PODS}/second", ended)) == "Succeeded"


@pytest.mark.parametrize(
    ("name", "spec", "message"),
    [
        (
            "selector",
            {"nodeSelector": {"pool": "gpu"}},
            "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.",
        ),
        (
            "gpu",
            {
                "containers": [
                    container(
                        "main",
                        "true",
                        resources={
                            "limits": {"nvidia.com/gpu": "1"},
                        },
                    )
                ]
            },
            "0/1 nodes are available: 1 Insufficient nvidia.com/gpu.",
        ),
    ],
)
async def test_an_unschedulable_pod_says_why(
    cluster: LocalClusterProcess, name: str, spec: JsonObject, message: str
) -> None:
    await cluster.create(PODS, pod(name, container("main", "true"), **spec))
    shown = await cluster.wait_for(
        f"{PODS}/{name}", lambda each: bool(condition(each, "PodScheduled"))
    )
    assert condition(shown, "PodScheduled")["message"] == message


async def test_gates_hold_a_pod_until_they_are_gone(cluster: LocalClusterProcess) -> None:
    gated = pod("gated", container("main", "true"), schedulingGates=[{"name": "example.com/gate"}])
    created = await cluster.create(PODS, gated)
    assert condition(created, "PodScheduled")["reason"] == "SchedulingGated"
    code, _ = await cluster.request(
        "PATCH",
        f"{PODS}/gated",
        {"spec": {"schedulingGates": None}},
        "application/merge-patch+json",
    )
    assert code == 200
    assert phase(await cluster.wait_for(f"{PODS}/gated", ended)) == "Succeeded"


async def test_a_missing_image_alternates_and_heals_when_it_is_changed(
    cluster: LocalClusterProcess,
) -> None:
    missing = pod("missing", container("main", "true", image="registry.example.com/missing:1"))
    await cluster.create(PODS, missing)
    reasons: list[str] = []
    messages: dict[str, str] = {}
    async with asyncio.timeout(15):
        async with contextlib.aclosing(
            cluster.events(PODS, fieldSelector="metadata.name=missing")
        ) as events:
            async for event in events:
                reason = waiting_reason(event["object"])
                if reason and (not reasons or reasons[-1] != reason):
                    reasons.append(reason)
                    waiting = state_of(event["object"])["waiting"]
                    messages[reason] = waiting.get("message", "")
                if len(reasons) >= 5:
                    break
    assert reasons[:5] == [
        "ContainerCreating",
        "ErrImagePull",
        "ImagePullBackOff",
        "ErrImagePull",
        "ImagePullBackOff",
    ]
    image = "registry.example.com/missing:1"
    why = (
        f'failed to pull and unpack image "{image}": failed to resolve reference "{image}": '
        f"{image}: not found"
    )
    assert messages["ErrImagePull"] == why
    assert messages["ImagePullBackOff"] == f'Back-off pulling image "{image}": ErrImagePull: {why}'
    code, text = await cluster.request("GET", f"{PODS}/missing/log")
    assert code == 400
    assert text["message"].startswith('container "main" in pod "missing" is waiting to start: ')
    await cluster.request(
        "PATCH",
        f"{PODS}/missing",
        {"spec": {"containers": [{"name": "main", "image": "there:1"}]}},
        "application/strategic-merge-patch+json",
    )
    assert phase(await cluster.wait_for(f"{PODS}/missing", ended)) == "Succeeded"


@pytest.mark.parametrize(
    ("name", "fields", "reason"),
    [
        ("invalid-image", {"image": "Registry/UPPER:1"}, "InvalidImageName"),
        ("never", {"image": "missing:1", "imagePullPolicy": "Never"}, "ErrImageNeverPull"),
    ],
)
async def test_an_image_that_can_never_come_says_so(
    cluster: LocalClusterProcess, name: str, fields: JsonObject, reason: str
) -> None:
    await cluster.create(PODS, pod(name, container("main", "true", **fields)))
    await cluster.wait_for(f"{PODS}/{name}", lambda each: waiting_reason(each) == reason)
    await cluster.request("DELETE", f"{PODS}/{name}")
    await cluster.wait_gone(f"{PODS}/{name}")


async def test_the_active_deadline_fails_a_pod(cluster: LocalClusterProcess) -> None:
    wanted = pod("deadline", python("import time; time.sleep(60)"), activeDeadlineSeconds=1)
    done = await run(cluster, wanted)
    assert (phase(done), done["status"]["reason"]) == ("Failed", "DeadlineExceeded")


async def test_a_log_is_followed_to_the_end(cluster: LocalClusterProcess) -> None:
    code = "import time\nfor i in range(5): print(i); time.sleep(0.1)"
    await cluster.create(PODS, pod("follow", python(code)))
    await cluster.wait_for(f"{PODS}/follow", running)
    async with asyncio.timeout(10):
        assert await logs(cluster, "follow", follow="true") == "0\n1\n2\n3\n4\n"


async def test_a_large_output_without_line_ends_is_kept(cluster: LocalClusterProcess) -> None:
    await run(cluster, pod("large", python("print('x' * 300_000, end='')")))
    assert await logs(cluster, "large") == "x" * 300_000


async def test_kubernetes_events_tell_a_pods_story(cluster: LocalClusterProcess) -> None:
    await run(cluster, pod("story", container("main", "true")))
    selector = "involvedObject.name=story"
    wanted = ["Scheduled", "Pulled", "Created", "Started"]

    async def complete() -> bool:
        listed = await cluster.get(f"{NAMESPACE}/events", fieldSelector=selector)
        return sorted(each["reason"] for each in listed["items"]) == sorted(wanted)

    await until(complete)
