"""Pods on the local cluster, with real processes: their lives, ends, logs and environment."""

import asyncio
import base64
import contextlib
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


async def test_init_containers_run_in_order_before_the_main_one(
    cluster: LocalClusterProcess,
) -> None:
    mounts = [{"name": "work", "mountPath": "/work"}]
    add = "import time; time.sleep(0.3); open('/work/order', 'a').write('{}\\n')"
    read = "print(open('/work/order').read(), end='')"
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
