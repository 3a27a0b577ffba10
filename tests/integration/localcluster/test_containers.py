"""Containers of a pod: init containers, sidecars, restarts, environment, volumes."""

import base64
import json
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
    state_of,
    terminated,
    waiting_reason,
)

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


async def test_init_containers_run_in_order_before_the_main_one(
    cluster: LocalClusterProcess,
) -> None:
    mounts = [{"name": "work", "mountPath": "/shared"}]
    add = "import time; time.sleep(0.3); open('/shared/order', 'a').write('{}\\n')"
    read = "print(open('/shared/order').read(), end='')"
    wanted = pod(
        "inits",
        python(read, volumeMounts=mounts),
        initContainers=[
            python(add.format("a"), "init-a", volumeMounts=mounts),
            python(add.format("b"), "init-b", volumeMounts=mounts),
        ],
        volumes=[{"name": "work", "emptyDir": {}}],
    )
    await cluster.create(PODS, wanted)
    during = await cluster.wait_for(
        f"{PODS}/inits",
        lambda each: "running" in state_of(each, "init-a", "initContainerStatuses"),
    )
    assert phase(during) == "Pending"
    assert waiting_reason(during) == "PodInitializing"
    initialized = condition(during, "Initialized")
    assert initialized["reason"] == "ContainersNotInitialized"
    assert initialized["message"] == "containers with incomplete status: [init-a init-b]"
    assert phase(await cluster.wait_for(f"{PODS}/inits", ended)) == "Succeeded"
    assert await logs(cluster, "inits", container="main") == "a\nb\n"


async def test_a_failed_init_container_fails_the_pod(cluster: LocalClusterProcess) -> None:
    wanted = pod(
        "init-fails",
        container("main", "true"),
        initContainers=[python("import sys; sys.exit(4)", "init")],
    )
    done = await run(cluster, wanted)
    assert phase(done) == "Failed"
    assert state_of(done, "init", "initContainerStatuses")["terminated"]["exitCode"] == 4
    assert waiting_reason(done) == "PodInitializing"


async def test_a_sidecar_keeps_the_pod_running_when_the_main_container_ended(
    cluster: LocalClusterProcess,
) -> None:
    wanted = pod("sidecar", python("print(1)"), python("import time; time.sleep(60)", "side"))
    await cluster.create(PODS, wanted)
    shown = await cluster.wait_for(f"{PODS}/sidecar", lambda each: bool(terminated(each)))
    assert phase(shown) == "Running"
    assert "running" in state_of(shown, "side")


async def test_a_native_sidecar_ends_with_the_main_container(
    cluster: LocalClusterProcess,
) -> None:
    side = python("import time; time.sleep(60)", "side", restartPolicy="Always")
    done = await run(cluster, pod("native", python("print(1)"), initContainers=[side]))
    assert phase(done) == "Succeeded"


async def test_on_failure_restarts_until_it_succeeds(cluster: LocalClusterProcess) -> None:
    code = """
import pathlib, sys
runs = pathlib.Path('/state/runs')
count = int(runs.read_text()) if runs.exists() else 0
runs.write_text(str(count + 1))
print('run', count)
sys.exit(0 if count == 2 else 1)
"""
    wanted = pod(
        "again",
        python(code, volumeMounts=[{"name": "state", "mountPath": "/state"}]),
        restartPolicy="OnFailure",
        volumes=[{"name": "state", "emptyDir": {}}],
    )
    await cluster.create(PODS, wanted)
    waiting = await cluster.wait_for(
        f"{PODS}/again", lambda each: waiting_reason(each) == "CrashLoopBackOff"
    )
    assert phase(waiting) == "Running"
    assert waiting["status"]["containerStatuses"][0]["lastState"]["terminated"]["exitCode"] == 1
    done = await cluster.wait_for(f"{PODS}/again", ended)
    assert phase(done) == "Succeeded"
    assert done["status"]["containerStatuses"][0]["restartCount"] == 2
    assert await logs(cluster, "again") == "run 2\n"
    assert await logs(cluster, "again", previous="true") == "run 1\n"


async def test_the_environment_is_clean_and_complete(cluster: LocalClusterProcess) -> None:
    await cluster.create(
        f"{NAMESPACE}/secrets",
        {"metadata": {"name": "keys"}, "data": {"token": base64.b64encode(b"s3cret").decode()}},
    )
    await cluster.create(
        f"{NAMESPACE}/configmaps", {"metadata": {"name": "cfg"}, "data": {"MODE": "fast"}}
    )
    env = [
        {"name": "PLAIN", "value": "x"},
        {"name": "COMPOSED", "value": "$(PLAIN)-$(MODE)-$$(PLAIN)-$(NOPE)"},
        {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "token"}}},
        {"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "LABEL", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['team/x']"}}},
        {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
        {
            "name": "OPTIONAL",
            "valueFrom": {"secretKeyRef": {"name": "none", "key": "k", "optional": True}},
        },
    ]
    code = """
import json, os, sys
print(json.dumps({'argv': sys.argv[1:], 'env': dict(os.environ)}))
"""
    wanted = pod(
        "env",
        python(code, env=env, envFrom=[{"configMapRef": {"name": "cfg"}}], args=["$(PLAIN)", "b"]),
    )
    wanted["metadata"]["labels"] = {"team/x": "nlp"}
    await run(cluster, wanted)
    shown = json.loads(await logs(cluster, "env"))
    assert shown["argv"] == ["x", "b"]
    expected = {
        "PLAIN": "x",
        "COMPOSED": "x-fast-$(PLAIN)-$(NOPE)",
        "MODE": "fast",
        "TOKEN": "s3cret",
        "NAME": "env",
        "LABEL": "nlp",
        "NODE": "local",
        "HOSTNAME": "env",
    }
    assert expected.items() <= shown["env"].items()
    allowed = {*expected, "PATH", "HOME", "LANG", "LC_CTYPE", "RUNBUS_LOCAL_ROOT"}
    assert set(shown["env"]) <= allowed


async def test_a_missing_secret_is_waited_for(cluster: LocalClusterProcess) -> None:
    env = [{"name": "T", "valueFrom": {"secretKeyRef": {"name": "later", "key": "k"}}}]
    await cluster.create(PODS, pod("waits", python("import os; print(os.environ['T'])", env=env)))
    shown = await cluster.wait_for(
        f"{PODS}/waits", lambda each: waiting_reason(each) == "CreateContainerConfigError"
    )
    assert state_of(shown)["waiting"]["message"] == 'secret "later" not found'
    secret = {"metadata": {"name": "later"}, "stringData": {"other": "x"}}
    await cluster.create(f"{NAMESPACE}/secrets", secret)
    await cluster.wait_for(
        f"{PODS}/waits",
        lambda each: (
            (state_of(each).get("waiting") or {}).get("message")
            == "couldn't find key k in Secret default/later"
        ),
    )
    patch = {"data": {"k": base64.b64encode(b"now").decode()}}
    await cluster.request(
        "PATCH", f"{NAMESPACE}/secrets/later", patch, "application/merge-patch+json"
    )
    assert phase(await cluster.wait_for(f"{PODS}/waits", ended)) == "Succeeded"
    assert await logs(cluster, "waits") == "now\n"


async def test_volumes_appear_as_files_at_the_rewritten_mount_path(
    cluster: LocalClusterProcess,
) -> None:
    await cluster.create(
        f"{NAMESPACE}/configmaps",
        {"metadata": {"name": "files"}, "data": {"a": "alpha", "b": "beta"}},
    )
    await cluster.create(
        f"{NAMESPACE}/secrets", {"metadata": {"name": "key"}, "stringData": {"id": "42"}}
    )
    code = """
import os, sys
print(open(sys.argv[1]).read(), open('/keys/id').read(), os.listdir('/cfg'), os.getcwd()[-5:])
print(open(os.environ['WHERE']).read(), oct(os.stat('/keys/id').st_mode & 0o777))
open('/scratch/out', 'w').write('x')
"""
    wanted = pod(
        "volumes",
        python(
            code,
            args=["/cfg/one.txt"],
            workingDir="/cfg",
            env=[{"name": "WHERE", "value": "/keys/id"}],
            volumeMounts=[
                {"name": "cfg", "mountPath": "/cfg"},
                {"name": "keys", "mountPath": "/keys", "readOnly": True},
                {"name": "tmp", "mountPath": "/scratch"},
            ],
        ),
        volumes=[
            {
                "name": "cfg",
                "configMap": {"name": "files", "items": [{"key": "a", "path": "one.txt"}]},
            },
            {"name": "keys", "secret": {"secretName": "key", "defaultMode": 0o400}},
            {"name": "tmp", "emptyDir": {}},
        ],
    )
    done = await run(cluster, wanted)
    assert phase(done) == "Succeeded", await logs(cluster, "volumes")
    assert await logs(cluster, "volumes") == "alpha 42 ['one.txt'] g/cfg\n42 0o400\n".replace(
        "g/cfg", (await logs(cluster, "volumes")).splitlines()[0][-5:]
    )


async def test_a_missing_config_map_volume_keeps_the_container_creating(
    cluster: LocalClusterProcess,
) -> None:
    wanted = pod(
        "no-volume",
        container("main", "true", volumeMounts=[{"name": "v", "mountPath": "/v"}]),
        volumes=[{"name": "v", "configMap": {"name": "not-yet"}}],
    )
    await cluster.create(PODS, wanted)
    events = f"{NAMESPACE}/events"
    selector = "involvedObject.name=no-volume,reason=FailedMount"

    async def told() -> bool:
        return bool((await cluster.get(events, fieldSelector=selector))["items"])

    await until(told)
    items = (await cluster.get(events, fieldSelector=selector))["items"]
    assert items[0]["message"] == (
        'MountVolume.SetUp failed for volume "v" : configmap "not-yet" not found'
    )
    assert waiting_reason(await cluster.get(f"{PODS}/no-volume")) == "ContainerCreating"
    await cluster.create(f"{NAMESPACE}/configmaps", {"metadata": {"name": "not-yet"}})
    assert phase(await cluster.wait_for(f"{PODS}/no-volume", ended)) == "Succeeded"
