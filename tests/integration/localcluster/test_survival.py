"""What the local cluster keeps when one of its processes is killed, or all of it."""

import asyncio
import functools
import pathlib
from typing import Any

import aiohttp

from support.cluster import LocalClusterProcess, until
from support.cluster_parts import kill_part, part_is_back, part_pid
from support.cluster_pods import NAMESPACE, PODS, ended, phase, pod, python, running, terminated
from support.cluster_processes import lives, wait_dead

COUNTING = "import os, time\nprint(os.getpid(), flush=True)\nwhile True: time.sleep(0.05)"
UNTIL_TOLD = "import os, time\nwhile not os.path.exists('/data/go'): time.sleep(0.05)"


async def first_line(cluster: LocalClusterProcess, name: str) -> str:
    """What a pod wrote first."""

    async def written() -> bool:
        return bool((await cluster.request("GET", f"{PODS}/{name}/log"))[1])

    await until(written)
    return str((await cluster.request("GET", f"{PODS}/{name}/log"))[1]).splitlines()[0]


async def start_counting(cluster: LocalClusterProcess, name: str, **spec: Any) -> int:
    """A pod that runs until it is ended; gives its process id."""
    await cluster.create(PODS, pod(name, python(COUNTING), **spec))
    await cluster.wait_for(f"{PODS}/{name}", running)
    return int(await first_line(cluster, name))


async def test_a_killed_api_comes_back_with_its_objects_and_without_its_history(
    tmp_path: pathlib.Path,
) -> None:
    async with LocalClusterProcess(tmp_path / "c") as cluster:
        pid = await start_counting(cluster, "steady")
        secret = {"metadata": {"name": "s"}, "stringData": {"k": "v"}}
        made = await cluster.create(f"{NAMESPACE}/secrets", secret)
        await cluster.create(f"{NAMESPACE}/configmaps", {"metadata": {"name": "gone"}})
        await cluster.request("DELETE", f"{NAMESPACE}/configmaps/gone")
        before = await cluster.get(f"{PODS}/steady")
        version = (await cluster.get(PODS))["metadata"]["resourceVersion"]
        address = (cluster.url, cluster.token, cluster.kubeconfig.read_text())

        old = await kill_part(tmp_path / "c", "api")
        await part_is_back(tmp_path / "c", "api", old)

        assert (cluster.url, cluster.token, cluster.kubeconfig.read_text()) == address
        after = await cluster.get(f"{PODS}/steady")
        assert after["metadata"]["uid"] == before["metadata"]["uid"]
        assert after["status"]["containerStatuses"] == before["status"]["containerStatuses"]
        assert await cluster.get(f"{NAMESPACE}/secrets/s") == made
        assert (await cluster.request("GET", f"{NAMESPACE}/configmaps/gone"))[0] == 404
        newer = (await cluster.get(PODS))["metadata"]["resourceVersion"]
        assert int(newer) > int(version)
        events = [each async for each in cluster.events(PODS, resourceVersion=version)]
        assert [each["object"]["code"] for each in events] == [410]
        assert lives(pid), "containers must not notice"


async def test_scheduler_and_runner_go_on_after_the_api_was_away(tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "c"
    async with LocalClusterProcess(folder, restart_delay_s=1) as cluster:
        volume = {"name": "d", "hostPath": {"path": str(tmp_path)}}
        mounts = [{"name": "d", "mountPath": "/data"}]
        waits = pod("waits", python(UNTIL_TOLD, volumeMounts=mounts), volumes=[volume])
        await cluster.create(PODS, waits)
        await cluster.wait_for(f"{PODS}/waits", running)
        agents = part_pid(folder, "agents")
        old = await kill_part(folder, "api")
        await asyncio.to_thread((tmp_path / "go").touch)  # it ends while nobody can be told
        await part_is_back(folder, "api", old)
        done = await cluster.wait_for(f"{PODS}/waits", ended, 30)
        assert phase(done) == "Succeeded"
        await cluster.create(PODS, pod("new", python("print(1)")))
        assert phase(await cluster.wait_for(f"{PODS}/new", ended, 30)) == "Succeeded"
        assert part_pid(folder, "agents") == agents


async def test_the_api_may_be_killed_again_and_again_while_it_is_written_to(
    tmp_path: pathlib.Path,
) -> None:
    folder = tmp_path / "c"
    confirmed: list[str] = []
    async with LocalClusterProcess(folder, runner=False) as cluster:
        for turn in range(4):
            old = part_pid(folder, "api")
            async with asyncio.TaskGroup() as group:
                group.create_task(write_until_refused(cluster, turn, confirmed))
                await until(functools.partial(has_begun, confirmed, turn))
                await kill_part(folder, "api")
            await part_is_back(folder, "api", old)
        listed = await cluster.get(f"{NAMESPACE}/configmaps")
        names = {each["metadata"]["name"] for each in listed["items"]}
    assert set(confirmed) <= names
    assert len(names) <= len(confirmed) + 4, "at most the one under way is there unconfirmed"


async def write_until_refused(
    cluster: LocalClusterProcess, turn: int, confirmed: list[str]
) -> None:
    for number in range(100_000):
        name = f"cm-{turn}-{number}"
        try:
            await cluster.create(f"{NAMESPACE}/configmaps", {"metadata": {"name": name}})
        except aiohttp.ClientError:
            return
        confirmed.append(name)


async def has_begun(confirmed: list[str], turn: int) -> bool:
    return any(each.startswith(f"cm-{turn}-1") for each in confirmed)


async def test_a_killed_runner_maps_lost_containers_as_a_restarted_kubelet(
    tmp_path: pathlib.Path,
) -> None:
    folder = tmp_path / "c"
    async with LocalClusterProcess(folder) as cluster:
        never = await start_counting(cluster, "never")
        always = await start_counting(cluster, "always", restartPolicy="Always")
        done = pod("done", python("print(1)"), restartPolicy="OnFailure")
        await cluster.create(PODS, done)
        before = await cluster.wait_for(f"{PODS}/done", ended)

        old = await kill_part(folder, "agents")
        await wait_dead(never, 5)
        await wait_dead(always, 5)
        await part_is_back(folder, "agents", old)

        lost = await cluster.wait_for(f"{PODS}/never", ended)
        assert phase(lost) == "Failed"
        assert terminated(lost)["reason"] == "ContainerStatusUnknown"
        assert terminated(lost)["exitCode"] == 137
        again = await cluster.wait_for(
            f"{PODS}/always",
            lambda each: running(each) and each["status"]["containerStatuses"][0]["restartCount"],
        )
        status = again["status"]["containerStatuses"][0]
        assert status["restartCount"] == 1
        assert status["lastState"]["terminated"]["reason"] == "ContainerStatusUnknown"
        assert (await cluster.get(f"{PODS}/done"))["status"] == before["status"]
        assert await first_line(cluster, "done") == "1"


async def test_a_pod_that_was_being_deleted_is_gone_after_the_runner_was_killed(
    tmp_path: pathlib.Path,
) -> None:
    folder = tmp_path / "c"
    async with LocalClusterProcess(folder, restart_delay_s=1) as cluster:
        pid = await start_counting(cluster, "leaving")
        old = await kill_part(folder, "agents")
        await cluster.request("DELETE", f"{PODS}/leaving")
        await wait_dead(pid, 5)
        await part_is_back(folder, "agents", old)
        await cluster.wait_gone(f"{PODS}/leaving")


async def test_a_cluster_started_again_in_its_folder_has_its_objects(
    tmp_path: pathlib.Path,
) -> None:
    cluster = LocalClusterProcess(tmp_path / "c")
    await cluster.start()
    pid = await start_counting(cluster, "was-running")
    await cluster.create(f"{NAMESPACE}/configmaps", {"metadata": {"name": "kept"}})
    assert await cluster.stop() == 0
    assert not lives(pid)
    await cluster.start()
    try:
        await cluster.get(f"{NAMESPACE}/configmaps/kept")
        lost = await cluster.wait_for(f"{PODS}/was-running", ended)
        assert terminated(lost)["reason"] == "ContainerStatusUnknown"
    finally:
        await cluster.stop()


async def test_each_part_can_be_run_alone(tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "c"
    async with LocalClusterProcess(folder, part="api") as api:
        assert not (folder / "agents.pid").exists()
        await api.create(PODS, pod("alone", python("print(1)")))
        agents = LocalClusterProcess(folder, part="agents")
        await agents.launch()
        try:
            assert phase(await api.wait_for(f"{PODS}/alone", ended)) == "Succeeded"
        finally:
            assert await agents.stop() == 0
