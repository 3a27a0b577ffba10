"""kubectl changes the local cluster: create, apply, patch, delete, and what they refuse."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from support.cluster import LocalClusterProcess
from support.cluster_pods import pod, python
from support.kubectl import Kubectl, needs_kubectl

pytestmark = [pytest.mark.asyncio(loop_scope="module"), needs_kubectl]
SLEEPER = "import time; time.sleep(600)"
FROM_STDIN = ("-f", "-")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def kubectl(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Kubectl]:
    folder = tmp_path_factory.mktemp("kubectl")
    async with LocalClusterProcess(folder / "c", cpu=4) as cluster:
        yield Kubectl(cluster.folder / "kubectl.kubeconfig", folder)


def sleeper(name: str, **labels: str) -> dict[str, Any]:
    """The document of a pod that sleeps."""
    document = pod(name, python(SLEEPER), terminationGracePeriodSeconds=1)
    document["metadata"]["labels"] = labels
    return document


async def field(kubectl: Kubectl, name: str, path: str) -> str:
    """One field of a pod."""
    return (await kubectl.ok("get", "pod", name, "-o", f"jsonpath={{{path}}}")).out


async def test_kinds_are_created_by_flags(kubectl: Kubectl) -> None:
    await kubectl.ok("create", "ns", "team")
    await kubectl.ok("create", "configmap", "cm", "-n", "team", "--from-literal=a=1")
    await kubectl.ok("create", "secret", "generic", "s", "-n", "team", "--from-literal=a=1")
    await kubectl.ok("create", "sa", "bob", "-n", "team")
    await kubectl.ok("create", "quota", "q", "-n", "team", "--hard=pods=5,requests.cpu=2")
    await kubectl.ok("create", "priorityclass", "high", "--value=10", "--description=d")
    found = (await kubectl.ok("get", "cm,secret,sa,quota", "-n", "team", "-o", "json")).json
    shown = {each["kind"]: each for each in found["items"]}
    assert shown["ConfigMap"]["data"] == {"a": "1"}
    assert shown["Secret"]["data"] == {"a": "MQ=="}
    assert shown["ResourceQuota"]["spec"] == {"hard": {"pods": "5", "requests.cpu": "2"}}
    pc = (await kubectl.ok("get", "pc", "high", "-o", "json")).json
    assert (pc["value"], pc["description"], pc.get("globalDefault")) == (10, "d", None)
    again = await kubectl.run("create", "ns", "team")
    assert again.err == 'Error from server (AlreadyExists): namespaces "team" already exists\n'
    await kubectl.ok("delete", "ns", "team")
    assert (await kubectl.run("get", "ns", "team")).code == 1


async def test_a_field_that_does_not_exist_is_refused(kubectl: Kubectl) -> None:
    wrong = sleeper("wrong")
    wrong["spec"]["containers"][0]["comand"] = ["x"]
    ran = await kubectl.run("create", *FROM_STDIN, given=wrong)
    assert ran.code == 1
    assert (
        'Pod in version "v1" cannot be handled as a Pod: strict decoding error: '
        'unknown field "spec.containers[0].comand"'
    ) in ran.err
    warned = await kubectl.ok(
        "create", *FROM_STDIN, "--validate=warn", "--dry-run=server", given=wrong
    )
    assert warned.err == 'Warning: unknown field "spec.containers[0].comand"\n'


async def test_a_dry_run_changes_nothing(kubectl: Kubectl) -> None:
    for where in ("server", "client"):
        ran = await kubectl.ok(
            "create", *FROM_STDIN, f"--dry-run={where}", "-o", "name", given=sleeper("dry")
        )
        assert ran.out == "pod/dry\n"
    assert (await kubectl.run("get", "pod", "dry")).code == 1


async def test_apply_creates_changes_and_removes(kubectl: Kubectl) -> None:
    document = sleeper("applied", a="1", b="2")
    created = await kubectl.ok("apply", *FROM_STDIN, given=document)
    assert created.out == "pod/applied created\n"
    same = await kubectl.ok("apply", *FROM_STDIN, given=document)
    assert same.out == "pod/applied unchanged\n"
    await kubectl.ok("label", "pod", "applied", "other=kept")
    document["metadata"]["labels"] = {"a": "9"}
    document["spec"]["containers"][0]["image"] = "registry.example.com/x:2"
    difference = await kubectl.run("diff", *FROM_STDIN, given=document)
    assert difference.code == 1
    assert '+    a: "9"' in difference.out
    assert (await kubectl.ok("apply", *FROM_STDIN, given=document)).out == (
        "pod/applied configured\n"
    )
    labels = (await kubectl.ok("get", "pod", "applied", "-o", "json")).json["metadata"]["labels"]
    assert labels == {"a": "9", "other": "kept"}
    assert (await kubectl.ok("diff", *FROM_STDIN, given=document)).out == ""


async def test_server_side_apply_knows_who_owns_what(kubectl: Kubectl) -> None:
    there = ("apply", "--server-side", *FROM_STDIN)
    document = sleeper("shared", a="1")
    assert (await kubectl.ok(*there, given=document)).out == "pod/shared serverside-applied\n"
    document["metadata"]["labels"] = {"a": "2"}
    ran = await kubectl.run(*there, "--field-manager=other", given=document)
    assert ran.code == 1
    assert 'conflict with "kubectl": .metadata.labels.a' in ran.err
    await kubectl.ok(*there, "--field-manager=other", "--force-conflicts", given=document)
    assert await field(kubectl, "shared", ".metadata.labels") == '{"a":"2"}'


async def test_apply_merges_lists_by_their_keys(kubectl: Kubectl) -> None:
    node = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "acc"}}
    await kubectl.ok("apply", *FROM_STDIN, given={**node, "secrets": [{"name": "a"}]})
    await kubectl.ok("patch", "sa", "acc", "-p", '{"secrets":[{"name":"b"}]}')
    await kubectl.ok("apply", *FROM_STDIN, given={**node, "secrets": [{"name": "c"}]})
    shown = (await kubectl.ok("get", "sa", "acc", "-o", "json")).json
    assert sorted(each["name"] for each in shown["secrets"]) == ["b", "c"]


async def test_a_change_that_pods_do_not_allow_is_refused(kubectl: Kubectl) -> None:
    await kubectl.ok("apply", *FROM_STDIN, given=sleeper("fixed"))
    changed = sleeper("fixed")
    changed["spec"]["containers"][0]["command"] = ["other"]
    ran = await kubectl.run("apply", *FROM_STDIN, given=changed)
    assert ran.code == 1
    assert 'The Pod "fixed" is invalid: spec: Forbidden: pod updates may not change' in ran.err


async def test_every_kind_of_patch_is_applied(kubectl: Kubectl) -> None:
    await kubectl.ok("create", *FROM_STDIN, given=sleeper("patched"))
    patch = ["patch", "pod", "patched", "-p"]
    await kubectl.ok(*patch, '{"metadata":{"labels":{"s":"1"}}}')
    await kubectl.ok(*patch, '{"metadata":{"labels":{"m":"1"}}}', "--type=merge")
    added = '[{"op":"add","path":"/metadata/labels/j","value":"1"}]'
    await kubectl.ok(*patch, added, "--type=json")
    await kubectl.ok("annotate", "pod", "patched", "note=1")
    await kubectl.ok("label", "pod", "patched", "l=1")
    await kubectl.ok("set", "image", "pod/patched", "main=registry.example.com/x:7")
    labels = await field(kubectl, "patched", ".metadata.labels")
    assert labels == '{"j":"1","l":"1","m":"1","s":"1"}'
    assert await field(kubectl, "patched", ".metadata.annotations.note") == "1"
    shown = await field(kubectl, "patched", ".spec.containers[0].image")
    assert shown == "registry.example.com/x:7"


async def test_edit_and_replace_write_the_whole_object(kubectl: Kubectl) -> None:
    await kubectl.ok("create", *FROM_STDIN, given=sleeper("edited", old="1"))
    editor = {"EDITOR": "sed -i s/old:/new:/"}
    assert (await kubectl.run("edit", "pod", "edited", more=editor)).code == 0
    assert await field(kubectl, "edited", ".metadata.labels") == '{"new":"1"}'
    shown = (await kubectl.ok("get", "pod", "edited", "-o", "json")).json
    shown["metadata"]["labels"] = {"replaced": "1"}
    await kubectl.ok("replace", *FROM_STDIN, given=shown)
    assert await field(kubectl, "edited", ".metadata.labels") == '{"replaced":"1"}'
    stale = await kubectl.run("replace", *FROM_STDIN, given=shown)
    assert "the object has been modified; please apply your changes to the latest" in stale.err


async def test_wait_waits_for_conditions_fields_and_deletion(kubectl: Kubectl) -> None:
    await kubectl.ok("create", *FROM_STDIN, given=sleeper("awaited"))
    for what in ("condition=Ready", "jsonpath={.status.phase}=Running"):
        await kubectl.ok("wait", f"--for={what}", "pod/awaited", "--timeout=30s")
    async with asyncio.TaskGroup() as group:
        gone = group.create_task(kubectl.ok("wait", "--for=delete", "pod/awaited", "--timeout=30s"))
        await kubectl.ok("delete", "pod", "awaited", "--wait=false")
    assert gone.result().code == 0
    never = await kubectl.run("wait", "--for=condition=Ready", "pod/awaited", "--timeout=1s")
    assert never.err == 'Error from server (NotFound): pods "awaited" not found\n'


async def test_delete_by_name_label_force_and_all(kubectl: Kubectl) -> None:
    for name in ("d1", "d2", "d3", "d4"):
        await kubectl.ok("create", *FROM_STDIN, given=sleeper(name, team=name))
    await kubectl.ok("delete", "pod", "d1", "--grace-period=1")
    await kubectl.ok("delete", "pod", "-l", "team=d2", "--now")
    await kubectl.ok("delete", "pod", "d3", "--grace-period=0", "--force")
    await kubectl.ok("delete", "pods", "--all")
    assert (await kubectl.ok("get", "pods", "-o", "name")).out == ""
    await kubectl.ok("delete", "pod", "d1", "--ignore-not-found")


async def test_drain_evicts_the_pods_of_a_node(kubectl: Kubectl) -> None:
    await kubectl.ok("taint", "node", "local", "key=value:PreferNoSchedule")
    await kubectl.ok("taint", "node", "local", "key-")
    await kubectl.ok("create", *FROM_STDIN, given=sleeper("drained"))
    await kubectl.ok("wait", "--for=condition=Ready", "pod/drained", "--timeout=30s")
    drained = await kubectl.ok("drain", "local", "--force")
    assert "pod/drained evicted\nnode/local drained\n" in drained.out
    assert "SchedulingDisabled" in (await kubectl.ok("get", "nodes")).out
    await kubectl.ok("uncordon", "local")
    assert "SchedulingDisabled" not in (await kubectl.ok("get", "nodes")).out
