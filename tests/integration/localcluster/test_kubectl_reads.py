"""kubectl asks the local cluster: get, describe, discovery, explain, and what it has not."""

import asyncio
import base64
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from support.cluster import LocalClusterProcess
from support.cluster_pods import PODS, ended, pod, python, running
from support.kubectl import Kubectl, needs_kubectl

pytestmark = [pytest.mark.asyncio(loop_scope="module"), needs_kubectl]
SLEEPER = "import time; print('hello', flush=True); time.sleep(600)"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def kubectl(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Kubectl]:
    folder = tmp_path_factory.mktemp("kubectl")
    async with LocalClusterProcess(folder / "c", cpu=4) as cluster:
        one = pod("one", python(SLEEPER, env=[{"name": "A", "value": "1"}]))
        one["metadata"]["labels"] = {"app": "x"}
        await cluster.create(PODS, one)
        await cluster.create(PODS, pod("over", python("raise SystemExit(3)")))
        await cluster.wait_for(f"{PODS}/one", running)
        await cluster.wait_for(f"{PODS}/over", ended)
        yield Kubectl(cluster.folder / "kubectl.kubeconfig", folder)


async def test_get_shows_tables_with_the_columns_of_kubernetes(kubectl: Kubectl) -> None:
    head, *rows = (await kubectl.ok("get", "pods")).rows
    assert head == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    assert [row[:4] for row in rows] == [
        ["one", "1/1", "Running", "0"],
        ["over", "0/1", "Error", "0"],
    ]
    wide = await kubectl.ok("get", "pods", "-o", "wide", "--show-labels")
    assert wide.rows[1][5:] == ["127.0.0.1", "local", "<none>", "<none>", "app=x"]
    _, node = (await kubectl.ok("get", "nodes")).rows
    assert (node[0], node[1], node[-1]) == ("local", "Ready", "v1.32.0")
    every = (await kubectl.ok("get", "ns,cm,secret,sa,pc,quota,pvc,events,leases", "-A")).out
    assert "system-node-critical      2000001000   false" in every


async def test_get_selects_sorts_and_names(kubectl: Kubectl) -> None:
    names = ["get", "pods", "-o", "name"]
    assert (await kubectl.ok(*names, "-l", "app=x")).rows == [["pod/one"]]
    failed = await kubectl.ok(*names, "--field-selector", "status.phase=Failed")
    assert failed.rows == [["pod/over"]]
    by_name = await kubectl.ok("get", "pods", "--sort-by={.metadata.name}", "--no-headers")
    assert [row[0] for row in by_name.rows] == ["one", "over"]
    everywhere = await kubectl.ok("get", "all", "-A", "--no-headers")
    assert [row[:2] for row in everywhere.rows] == [
        ["default", "pod/one"],
        ["default", "pod/over"],
    ]
    none = await kubectl.ok("get", "pods", "-n", "kube-system")
    assert none.err == "No resources found in kube-system namespace.\n"


async def test_get_writes_json_yaml_jsonpath_and_columns_of_ones_own(kubectl: Kubectl) -> None:
    one = (await kubectl.ok("get", "pod", "one", "-o", "json")).json
    assert (one["kind"], one["apiVersion"]) == ("Pod", "v1")
    both = (await kubectl.ok("get", "pods", "-o", "json")).json
    assert [each["metadata"]["name"] for each in both["items"]] == ["one", "over"]
    assert "kind: Pod\n" in (await kubectl.ok("get", "pod", "one", "-o", "yaml")).out
    path = "jsonpath={.items[*].status.phase}"
    assert (await kubectl.ok("get", "pods", "-o", path)).out == "Running Failed"
    columns = "custom-columns=N:.metadata.name,P:.status.phase"
    own = await kubectl.ok("get", "pods", "-o", columns, "--no-headers")
    assert own.rows == [["one", "Running"], ["over", "Failed"]]


async def test_describe_tells_of_pods_nodes_and_namespaces(kubectl: Kubectl) -> None:
    one = (await kubectl.ok("describe", "pod", "one")).out
    for part in ("Node:             local/127.0.0.1", "A:     1", "Started container main"):
        assert part in one
    node = (await kubectl.ok("describe", "node", "local")).out
    for part in ("Allocatable:", "cpu:     4", "HolderIdentity:  local", "default  ", "one"):
        assert part in node
    assert "Failed to" not in node
    assert "Status:       Active" in (await kubectl.ok("describe", "ns", "default")).out


async def test_discovery_names_what_is_served(kubectl: Kubectl) -> None:
    versions = (await kubectl.ok("api-versions")).out.split()
    assert {"v1", "scheduling.k8s.io/v1", "coordination.k8s.io/v1", "policy/v1"} <= set(versions)
    resources = (await kubectl.ok("api-resources", "-o", "name")).out.split()
    assert {"pods", "nodes", "events", "priorityclasses.scheduling.k8s.io"} <= set(resources)
    server = (await kubectl.ok("version", "-o", "json")).json["serverVersion"]
    assert server["gitVersion"].startswith("v1.32.")
    assert "Kubernetes control plane" in (await kubectl.ok("cluster-info")).out
    assert (await kubectl.ok("get", "--raw", "/healthz")).out == "ok"
    raw = await kubectl.ok("get", "--raw", "/api/v1/namespaces/default")
    assert raw.json["status"] == {"phase": "Active"}


async def test_explain_shows_fields_and_types(kubectl: Kubectl) -> None:
    shown = (await kubectl.ok("explain", "pod.spec.containers.resources")).out
    assert "FIELD: resources <ResourceRequirements>" in shown
    assert "limits\t<map[string]string>" in shown
    required = (await kubectl.ok("explain", "pod.spec")).out
    assert "containers\t<[]Container> -required-" in required
    unknown = await kubectl.run("explain", "pod.spec.nope")
    assert (unknown.code, unknown.err) == (1, 'error: field "nope" does not exist\n')


async def test_the_one_user_may_do_everything(kubectl: Kubectl) -> None:
    assert (await kubectl.ok("auth", "can-i", "delete", "pods")).out == "yes\n"
    assert "*.*" in (await kubectl.ok("auth", "can-i", "--list")).out
    assert "local" in (await kubectl.ok("auth", "whoami")).out


async def test_logs_are_read_in_every_way(kubectl: Kubectl) -> None:
    assert (await kubectl.ok("logs", "one")).out == "hello\n"
    assert (
        await kubectl.ok("logs", "one", "-c", "main", "--since=1h", "--tail=1")
    ).out == "hello\n"
    stamped = (await kubectl.ok("logs", "one", "--timestamps")).out.split()
    assert stamped[1] == "hello"
    assert stamped[0].endswith("Z")
    selected = await kubectl.ok("logs", "-l", "app=x", "--prefix")
    assert selected.out == "[pod/one/main] hello\n"
    assert await kubectl.lines_of(1, "logs", "-f", "one") == ["hello"]
    before = await kubectl.run("logs", "one", "-p")
    assert before.err == (
        'Error from server (BadRequest): previous terminated container "main" in pod "one" '
        "not found\n"
    )


async def test_events_are_listed_by_both_commands(kubectl: Kubectl) -> None:
    for command in (["get", "events"], ["events"], ["events", "--for", "pod/one"]):
        shown = (await kubectl.ok(*command)).out
        assert "Successfully assigned default/one to local" in shown


async def test_watches_show_rows_as_they_change(kubectl: Kubectl) -> None:
    table = ["get", "pods", "-w", "--output-watch-events", "-l", "app=x"]
    async with asyncio.TaskGroup() as group:
        rows = group.create_task(kubectl.lines_of(3, *table))
        names = group.create_task(kubectl.lines_of(2, "get", "pods", "-w", "-o", "name", "-l=app"))
        turn = 0
        while not (rows.done() and names.done()):
            turn += 1
            await kubectl.ok("annotate", "pod", "one", f"turn={turn}", "--overwrite")
    head, first, second = [line.split() for line in rows.result()]
    assert head == ["EVENT", "NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    assert first[:4] == ["ADDED", "one", "1/1", "Running"]
    assert second[:4] == ["MODIFIED", "one", "1/1", "Running"]
    assert names.result() == ["pod/one", "pod/one"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("get", "pod", "nope"), 'Error from server (NotFound): pods "nope" not found'),
        (("get", "deployments"), "the server doesn't have a resource type"),
        (("top", "pods"), "Metrics API not available"),
        (("exec", "one", "--", "ls"), "the local cluster has no exec: containers are processes"),
        (("exec", "nope", "--", "ls"), 'pods "nope" not found'),
        (("attach", "one"), "kubectl logs -f follows one"),
        (("port-forward", "one", "80"), "is there at 127.0.0.1"),
        (("debug", "one", "--image=x"), "the local cluster has no ephemeral containers"),
        (("expose", "pod", "one", "--port=80"), "the local cluster has no services"),
        (("logs", "one", "-c", "nope"), "container nope is not valid for pod one"),
    ],
)
async def test_what_is_not_there_is_refused_with_the_way_out(
    kubectl: Kubectl, arguments: tuple[str, ...], said: str
) -> None:
    ran = await kubectl.run(*arguments)
    assert ran.code == 1
    assert said in ran.err


async def test_secrets_are_base64_as_everywhere(kubectl: Kubectl) -> None:
    await kubectl.ok("create", "secret", "generic", "s", "--from-literal=k=v")
    shown = await kubectl.ok("get", "secret", "s", "-o", "jsonpath={.data.k} {.type}")
    assert shown.out == f"{base64.b64encode(b'v').decode()} Opaque"
