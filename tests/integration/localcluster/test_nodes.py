"""Simulated nodes: spot, GPUs, memory limits, and what befalls a node."""

import asyncio
import pathlib
from typing import Any

from support.cluster import LocalClusterProcess, until
from support.cluster_pods import (
    PODS,
    condition,
    ended,
    phase,
    pod,
    python,
    running,
    state_of,
    terminated,
)
from support.cluster_processes import lives, wait_dead

SLEEPER = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
SPOT = "name=spot-1,cpu=2,memory=2Gi,spot=gke"
ON_SPOT: dict[str, Any] = {
    "nodeSelector": {"cloud.google.com/gke-spot": "true"},
    "tolerations": [{"key": "cloud.google.com/gke-spot", "operator": "Exists"}],
}
GPU = "nvidia.com/gpu"


async def order(cluster: LocalClusterProcess, node: str, kind: str, **body: Any) -> None:
    code, answer = await cluster.request("POST", f"/localcluster/v1/nodes/{node}/{kind}", body)
    assert code == 202, answer


async def pid_of(cluster: LocalClusterProcess, name: str) -> int:
    await cluster.wait_for(f"{PODS}/{name}", running)

    async def written() -> bool:
        return bool((await cluster.request("GET", f"{PODS}/{name}/log"))[1])

    await until(written)
    return int((await cluster.request("GET", f"{PODS}/{name}/log"))[1])


async def test_a_spot_node_is_labelled_tainted_and_reclaimed_with_notice(
    tmp_path: pathlib.Path,
) -> None:
    async with LocalClusterProcess(tmp_path / "c", node=SPOT) as cluster:
        await cluster.create(PODS, pod("stays", python(SLEEPER)))
        await cluster.create(PODS, pod("goes", python(SLEEPER), **ON_SPOT))
        pid = await pid_of(cluster, "goes")
        assert (await cluster.get(f"{PODS}/goes"))["spec"]["nodeName"] == "spot-1"
        assert (await cluster.wait_for(f"{PODS}/stays", running))["spec"]["nodeName"] == "local"

        await order(cluster, "spot-1", "reclaim", notice_s=2)
        gone = await cluster.wait_for(f"{PODS}/goes", ended)
        assert (phase(gone), gone["status"]["reason"]) == ("Failed", "Terminated")
        assert gone["status"]["message"] == (
            "Pod was terminated in response to imminent node shutdown."
        )
        assert condition(gone, "DisruptionTarget")["reason"] == "TerminationByKubelet"
        assert terminated(gone)["exitCode"] == 143
        await wait_dead(pid)
        await cluster.wait_gone("/api/v1/nodes/spot-1")
        assert running(await cluster.get(f"{PODS}/stays"))

        await order(cluster, "spot-1", "restore")
        await cluster.create(PODS, pod("again", python("print(1)"), **ON_SPOT))
        assert phase(await cluster.wait_for(f"{PODS}/again", ended, 30)) == "Succeeded"


async def test_a_node_reclaimed_without_notice_takes_its_pods_with_it(
    tmp_path: pathlib.Path,
) -> None:
    options = {"node": SPOT, "orphan_grace_s": 0.5}
    async with LocalClusterProcess(tmp_path / "c", **options) as cluster:
        await cluster.create(PODS, pod("goes", python(SLEEPER), **ON_SPOT))
        pid = await pid_of(cluster, "goes")
        last: dict[str, Any] = {}
        watch = cluster.events(PODS, fieldSelector="metadata.name=goes")
        await order(cluster, "spot-1", "reclaim")
        async with asyncio.timeout(20):
            async for event in watch:
                if event["type"] == "DELETED":
                    break
                last = event["object"]
        await watch.aclose()
        assert not lives(pid)
        assert phase(last) == "Failed"
        disrupted = condition(last, "DisruptionTarget")
        assert (disrupted["reason"], disrupted["message"]) == (
            "DeletionByPodGC",
            "PodGC: node no longer exists",
        )


async def test_a_lost_node_is_not_heard_of_and_comes_back_with_its_pods(
    tmp_path: pathlib.Path,
) -> None:
    options = {"node": SPOT, "node_grace_s": 1, "heartbeat_s": 0.3}
    async with LocalClusterProcess(tmp_path / "c", **options) as cluster:
        await cluster.create(PODS, pod("far", python(SLEEPER), **ON_SPOT))
        pid = await pid_of(cluster, "far")
        await order(cluster, "spot-1", "lose")
        lost = await cluster.wait_for(
            "/api/v1/nodes/spot-1",
            lambda node: (
                {"NoSchedule", "NoExecute"}
                == {
                    each["effect"]
                    for each in node["spec"].get("taints", [])
                    if each["key"] == "node.kubernetes.io/unreachable"
                }
            ),
        )
        assert condition(lost, "Ready")["status"] == "Unknown"
        code, answer = await cluster.request("GET", f"{PODS}/far/log")
        assert (code, answer["reason"]) == (500, "InternalError")
        assert lives(pid), "it goes on where nobody can see it"
        await order(cluster, "spot-1", "restore")
        await cluster.wait_for(
            "/api/v1/nodes/spot-1", lambda node: condition(node, "Ready")["status"] == "True"
        )
        assert running(await cluster.get(f"{PODS}/far"))
        assert await pid_of(cluster, "far") == pid
        await cluster.request("DELETE", f"{PODS}/far", {"gracePeriodSeconds": 1})
        await wait_dead(pid, 20)


async def test_orders_for_unknown_nodes_and_wrong_ones_are_refused(
    tmp_path: pathlib.Path,
) -> None:
    async with LocalClusterProcess(tmp_path / "c", runner=False) as cluster:
        base = "/localcluster/v1/nodes"
        await cluster.create("/api/v1/nodes", {"metadata": {"name": "n"}})
        assert (await cluster.request("POST", f"{base}/nope/reclaim"))[0] == 404
        assert (await cluster.request("POST", f"{base}/n/explode"))[0] == 404
        code, answer = await cluster.request("POST", f"{base}/n/reclaim", {"notice": 3})
        assert (code, answer["message"]) == (
            400,
            "not an order: Object contains unknown field `notice`",
        )
        assert (await cluster.request("POST", f"{base}/n/reclaim", {"notice_s": -1}))[0] == 400


async def test_gpus_are_counted_and_each_container_sees_its_own(tmp_path: pathlib.Path) -> None:
    code = "import os, time; print(os.environ['CUDA_VISIBLE_DEVICES'], flush=True); time.sleep(600)"
    one = {"limits": {GPU: 1}}
    async with LocalClusterProcess(tmp_path / "c", node=f"name=gpu,{GPU}=2") as cluster:
        for name in ("a", "b"):
            await cluster.create(PODS, pod(name, python(code, resources=one)))
        assert {await pid_of(cluster, "a"), await pid_of(cluster, "b")} == {0, 1}
        await cluster.create(PODS, pod("c", python(code, resources=one)))
        waiting = await cluster.wait_for(
            f"{PODS}/c", lambda each: condition(each, "PodScheduled").get("status") == "False"
        )
        assert condition(waiting, "PodScheduled")["message"] == (
            f"0/2 nodes are available: 2 Insufficient {GPU}."
        )
        forced = pod("forced", python(code, resources=one), nodeName="gpu")
        await cluster.create(PODS, forced)
        refused = await cluster.wait_for(f"{PODS}/forced", ended)
        assert refused["status"]["reason"] == "UnexpectedAdmissionError"
        freed = await pid_of(cluster, "a")
        await cluster.request("DELETE", f"{PODS}/a", {"gracePeriodSeconds": 1})
        assert await pid_of(cluster, "c") == freed


async def test_who_passes_his_memory_limit_is_oom_killed_with_his_children(
    tmp_path: pathlib.Path,
) -> None:
    child = "x = bytearray(150 << 20); x[:] = b'1' * len(x); import time; time.sleep(600)"
    code = (
        "import subprocess, sys, time;"
        f"p = subprocess.Popen([sys.executable, '-c', {child!r}]);"
        "print(p.pid, flush=True); time.sleep(600)"
    )
    small = {"limits": {"memory": "100Mi"}}
    async with LocalClusterProcess(tmp_path / "c") as cluster:
        await cluster.create(PODS, pod("greedy", python(code, resources=small)))
        await cluster.create(PODS, pod("modest", python(SLEEPER, resources=small)))
        killed = await cluster.wait_for(f"{PODS}/greedy", ended)
        assert phase(killed) == "Failed"
        assert (terminated(killed)["reason"], terminated(killed)["exitCode"]) == (
            "OOMKilled",
            137,
        )
        await wait_dead(int((await cluster.request("GET", f"{PODS}/greedy/log"))[1]))
        assert "running" in state_of(await cluster.wait_for(f"{PODS}/modest", running))
        assert lives(await pid_of(cluster, "modest"))


async def test_memory_that_processes_share_is_counted_once(tmp_path: pathlib.Path) -> None:
    code = (
        "import os, time\n"
        "x = bytearray(60 << 20)\n"
        "for i in range(0, len(x), 4096): x[i] = 1\n"
        "for _ in range(4):\n"
        "    if os.fork() == 0: time.sleep(600)\n"
        "time.sleep(1.5)\n"
    )
    limit = {"limits": {"memory": "150Mi"}}
    async with LocalClusterProcess(tmp_path / "c") as cluster:
        await cluster.create(PODS, pod("forks", python(code, resources=limit)))
        assert phase(await cluster.wait_for(f"{PODS}/forks", ended)) == "Succeeded"
