"""The local cluster as a process: start, restart, stop, and no container left behind."""

import asyncio
import pathlib
import stat

import pytest

from runbus.localcluster.runner.guardian import start_time
from support.cluster import ClusterNotReadyError, LocalClusterProcess, until
from support.cluster_pods import PODS, ended, phase, pod, python, running
from support.cluster_processes import wait_dead


async def start_sleeper(cluster: LocalClusterProcess, name: str) -> int:
    """A pod that ignores SIGTERM; gives its process id."""
    code = (
        "import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "print(os.getpid()); time.sleep(600)"
    )
    await cluster.create(PODS, pod(name, python(code)))
    await cluster.wait_for(f"{PODS}/{name}", running)

    async def written() -> bool:
        return bool((await cluster.request("GET", f"{PODS}/{name}/log"))[1])

    await until(written)
    return int((await cluster.request("GET", f"{PODS}/{name}/log"))[1])


async def test_the_kubeconfig_is_private_and_good(tmp_path: pathlib.Path) -> None:
    async with LocalClusterProcess(tmp_path / "c") as cluster:
        assert cluster.kubeconfig == tmp_path / "c" / "kubeconfig"
        for name in ("kubeconfig", "kubectl.kubeconfig", "server.json", "tls.pem"):
            assert stat.S_IMODE((tmp_path / "c" / name).stat().st_mode) == 0o600
        await cluster.get("/version")


async def test_sigterm_ends_it_with_its_containers_within_seconds(
    tmp_path: pathlib.Path,
) -> None:
    cluster = LocalClusterProcess(tmp_path / "c")
    await cluster.start()
    pid = await start_sleeper(cluster, "sleeper")
    async with asyncio.timeout(5):
        assert await cluster.stop() == 0
    await wait_dead(pid, 1)


async def test_containers_die_with_a_killed_cluster(tmp_path: pathlib.Path) -> None:
    cluster = LocalClusterProcess(tmp_path / "c")
    await cluster.start()
    pid = await start_sleeper(cluster, "sleeper")
    await cluster.kill()
    await wait_dead(pid, 3)


async def test_leftovers_are_killed_at_the_next_start_but_no_stranger(
    tmp_path: pathlib.Path,
) -> None:
    groups = tmp_path / "c" / "groups"
    groups.mkdir(parents=True)
    sleepers = [
        await asyncio.create_subprocess_exec("sleep", "600", start_new_session=True)
        for _ in range(2)
    ]
    ours, stranger = sleepers
    (groups / str(ours.pid)).write_text(start_time(ours.pid))
    (groups / str(stranger.pid)).write_text("12345@another")
    async with LocalClusterProcess(tmp_path / "c"):
        async with asyncio.timeout(5):
            assert await ours.wait() == -9
    assert stranger.returncode is None
    stranger.kill()
    await stranger.wait()


async def test_a_restart_keeps_address_and_token_and_versions_go_up(
    tmp_path: pathlib.Path,
) -> None:
    cluster = LocalClusterProcess(tmp_path / "c")
    await cluster.start()
    await cluster.create(PODS, pod("kept", python("print(1)")))
    before = (cluster.url, cluster.token)
    kubectls = (cluster.folder / "kubectl.kubeconfig").read_bytes()
    version = (await cluster.get(PODS))["metadata"]["resourceVersion"]
    await cluster.kill()
    await cluster.start()
    try:
        assert (cluster.url, cluster.token) == before
        assert (cluster.folder / "kubectl.kubeconfig").read_bytes() == kubectls
        listed = await cluster.get(PODS)
        assert int(listed["metadata"]["resourceVersion"]) > int(version)
        assert [each["metadata"]["name"] for each in listed["items"]] == ["kept"]
        events = [each async for each in cluster.events(PODS, resourceVersion=version)]
        assert [each["object"]["code"] for each in events] == [410]
        await cluster.create(PODS, pod("new", python("print(2)")))
        assert phase(await cluster.wait_for(f"{PODS}/new", ended)) == "Succeeded"
    finally:
        await cluster.stop()


async def test_a_folder_serves_one_cluster_at_a_time(tmp_path: pathlib.Path) -> None:
    async with LocalClusterProcess(tmp_path / "c"):
        with pytest.raises(ClusterNotReadyError, match="in use by another local cluster"):
            await LocalClusterProcess(tmp_path / "c").start()


async def test_pods_survive_cut_watches_and_a_forgotten_history(tmp_path: pathlib.Path) -> None:
    async with LocalClusterProcess(tmp_path / "c") as cluster:
        for number in range(3):
            for switch in ("cut-watches", "forget-history"):
                await cluster.request("POST", f"/localcluster/v1/faults/{switch}")
            name = f"pod-{number}"
            await cluster.create(PODS, pod(name, python("print(1)")))
            assert phase(await cluster.wait_for(f"{PODS}/{name}", ended)) == "Succeeded"


async def test_pods_survive_refusals_met_by_scheduler_and_runner(
    tmp_path: pathlib.Path,
) -> None:
    async with LocalClusterProcess(tmp_path / "c") as cluster:
        await cluster.wait_for("/api/v1/nodes/local", lambda node: not node["spec"].get("taints"))
        fault = {"path": "/api/v1/namespaces/*", "status": 500, "components": True}
        for method in ("POST", "PATCH"):
            body = {**fault, "method": method, "count": 3}
            if method == "POST":
                body["path"] = "*/binding"
            await cluster.request("POST", "/localcluster/v1/faults", body)
        await cluster.create(PODS, pod("tough", python("print(1)")))
        assert phase(await cluster.wait_for(f"{PODS}/tough", ended, 30)) == "Succeeded"


async def test_a_silent_node_is_marked_and_not_used(tmp_path: pathlib.Path) -> None:
    options = {"runner": False, "node_grace_s": 0.5}
    async with LocalClusterProcess(tmp_path / "c", **options) as cluster:
        await cluster.create("/api/v1/nodes", {"metadata": {"name": "n"}})
        beat = {
            "status": {
                "allocatable": {"cpu": "4", "memory": "1Gi", "pods": "10"},
                "conditions": [
                    {
                        "type": "Ready",
                        "status": "True",
                        "lastHeartbeatTime": "2026-01-01T00:00:00Z",
                    }
                ],
            }
        }
        await cluster.request(
            "PATCH", "/api/v1/nodes/n/status", beat, "application/merge-patch+json"
        )
        shown = await cluster.wait_for(
            "/api/v1/nodes/n",
            lambda node: any(
                each["key"] == "node.kubernetes.io/unreachable"
                for each in node["spec"].get("taints", [])
            ),
        )
        ready = shown["status"]["conditions"][-1]
        assert (ready["status"], ready["reason"]) == ("Unknown", "NodeStatusUnknown")
        await cluster.create(PODS, pod("waits", python("print(1)")))
        waiting = await cluster.wait_for(
            f"{PODS}/waits", lambda each: bool(each["status"].get("conditions"))
        )
        assert waiting["status"]["conditions"][0]["message"] == (
            "0/1 nodes are available: 1 node(s) had untolerated taint "
            "{node.kubernetes.io/unreachable: }."
        )


async def test_folders_of_deleted_pods_are_removed(tmp_path: pathlib.Path) -> None:
    async with LocalClusterProcess(tmp_path / "c") as cluster:
        created = await cluster.create(PODS, pod("tidy", python("print(1)")))
        await cluster.wait_for(f"{PODS}/tidy", ended)
        uid = created["metadata"]["uid"]
        assert (tmp_path / "c" / "pods" / uid).exists()
        await cluster.request("DELETE", f"{PODS}/tidy")

        async def tidy() -> bool:
            logs = list((tmp_path / "c" / "logs").iterdir())
            return not logs and not (tmp_path / "c" / "pods" / uid).exists()

        await until(tidy)
