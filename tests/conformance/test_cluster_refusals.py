"""What an API server says no to, and in which words: errors are shown to people and judged by code.

Deletes are written as the aborter writes them: whole options, fenced by preconditions.
"""

from __future__ import annotations

from typing import Any

import pytest

from conformance.cluster_worlds import ClusterWorld, JsonObject, Run, a_binding, ask
from conformance.test_cluster import a_pod, create, get, version, watching
from runbus.runtime.kube_errors import (
    KubeConflictError,
    KubeError,
    KubeExpiredError,
    KubeNotFoundError,
    KubeRefusedError,
)


def delete_options(uid: str, **more: Any) -> JsonObject:
    preconditions = {"uid": uid}
    if "resource_version" in more:
        preconditions["resourceVersion"] = more.pop("resource_version")
    return {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "preconditions": preconditions,
        "propagationPolicy": "Background",
        **more,
    }


async def delete(world: ClusterWorld, name: str, options: JsonObject) -> JsonObject:
    return await ask(world.kube, "DELETE", f"{world.pods}/{name}", options)


async def refusal(world: ClusterWorld, method: str, path: str, body: object = None) -> KubeError:
    with pytest.raises(KubeError) as raised:
        await ask(world.kube, method, path, body)
    return raised.value


def test_a_name_that_is_taken_is_told(on_cluster: Run) -> None:
    async def case(world: ClusterWorld) -> None:
        await create(world, "a")
        told = await refusal(world, "POST", world.pods, a_pod("a"))
        assert (told.status, told.reason) == (409, "AlreadyExists")
        assert told.message == 'pods "a" already exists'

    on_cluster(case)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"containers": []}, 'Pod "a" is invalid: spec.containers: Required value'),
        ({"restartPolicy": "Now"}, 'spec.restartPolicy: Unsupported value: "Now"'),
        (
            {"containers": [{"name": "Main", "image": "x:1"}]},
            'spec.containers[0].name: Invalid value: "Main"',
        ),
        (
            {
                "containers": [
                    {
                        "name": "main",
                        "image": "x:1",
                        "resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}},
                    }
                ]
            },
            'spec.containers[0].resources.requests: Invalid value: "2"',
        ),
        ({"tolerations": [{"operator": "Exists", "value": "x"}]}, "spec.tolerations[0]."),
    ],
    ids=["no-container", "restart-policy", "container-name", "requests", "toleration"],
)
def test_a_wrong_field_is_named(on_cluster: Run, fields: JsonObject, words: str) -> None:
    async def case(world: ClusterWorld) -> None:
        told = await refusal(world, "POST", world.pods, a_pod("a", **fields))
        assert isinstance(told, KubeRefusedError)
        assert (told.status, told.reason) == (422, "Invalid")
        assert words in told.message

    on_cluster(case)


def test_a_fenced_delete_that_loses_says_to_whom(on_cluster: Run) -> None:
    async def case(world: ClusterWorld) -> None:
        created = await create(world, "a")
        uid = created["metadata"]["uid"]
        told = await refusal(world, "DELETE", f"{world.pods}/a", delete_options("other"))
        assert (told.status, told.reason) == (409, "Conflict")
        assert told.message == (
            'Operation cannot be fulfilled on Pod "a": the UID in the precondition (other) does '
            f"not match the UID in record ({uid}). The object might have been deleted and then "
            "recreated"
        )
        await world.set_status("a", {"message": "changed"})
        late = delete_options(uid, resource_version=version(created), gracePeriodSeconds=0)
        with pytest.raises(KubeConflictError):
            await delete(world, "a", late)
        assert (await get(world, "a"))["metadata"]["uid"] == uid

    on_cluster(case)


def test_a_later_delete_shortens_the_grace_and_never_lengthens_it(on_cluster: Run) -> None:
    async def case(world: ClusterWorld) -> None:
        uid = (await create(world, "a", terminationGracePeriodSeconds=60))["metadata"]["uid"]
        await world.bind("a")
        for asked, left in ((40, 40), (50, 40), (5, 5)):
            await delete(world, "a", delete_options(uid, gracePeriodSeconds=asked))
            meta = (await get(world, "a"))["metadata"]
            assert meta["deletionGracePeriodSeconds"] == left
        await delete(world, "a", delete_options(uid, gracePeriodSeconds=0))
        with pytest.raises(KubeNotFoundError):
            await get(world, "a")

    on_cluster(case)


def test_a_forced_delete_is_the_last_that_a_watch_sees(on_cluster: Run) -> None:
    async def case(world: ClusterWorld) -> None:
        created = await create(world, "a", terminationGracePeriodSeconds=60)
        uid = created["metadata"]["uid"]
        await world.bind("a")
        bound = await get(world, "a")
        async with watching(world, resourceVersion=version(bound)) as watch:
            await delete(world, "a", delete_options(uid))
            kind, obj = await watch.next()
            assert (kind, obj["metadata"]["deletionGracePeriodSeconds"]) == ("MODIFIED", 60)
            await delete(world, "a", delete_options(uid, gracePeriodSeconds=0))
            seen = [await watch.next()]
            while seen[-1][0] != "DELETED":
                seen.append(await watch.next())
            assert seen[-1][1]["metadata"]["deletionGracePeriodSeconds"] == 0
            assert [int(version(each)) for _, each in seen] == sorted(
                int(version(each)) for _, each in seen
            )

    on_cluster(case)


def test_a_pod_is_bound_once(on_cluster: Run) -> None:
    async def case(world: ClusterWorld) -> None:
        await create(world, "a")
        await world.bind("a")
        if world.serves_kubelets:
            told = await refusal(world, "POST", f"{world.pods}/a/binding", a_binding("a"))
            assert (told.status, told.reason) == (409, "Conflict")

    on_cluster(case)


def test_a_selector_that_cannot_be_read_is_refused(on_cluster: Run) -> None:
    async def case(world: ClusterWorld) -> None:
        for query in ("labelSelector=a+in+(", "fieldSelector=spec.nothing=a"):
            told = await refusal(world, "GET", f"{world.pods}?{query}")
            assert (told.status, told.reason) == (400, "BadRequest")

    on_cluster(case)


def test_a_half_read_list_expires_with_the_history(on_cluster: Run) -> None:
    async def case(world: ClusterWorld) -> None:
        for name in ("a", "b"):
            await create(world, name)
        first = await ask(world.kube, "GET", world.pods, limit="1")
        await create(world, "c")
        await world.forget_history()
        query = {"limit": "1", "continue": first["metadata"]["continue"]}
        with pytest.raises(KubeExpiredError) as raised:
            await ask(world.kube, "GET", world.pods, **query)
        assert raised.value.reason == "Expired"

    on_cluster(case)


def test_a_list_of_a_moment_expires_with_the_history(on_cluster: Run) -> None:
    async def case(world: ClusterWorld) -> None:
        await create(world, "a")
        at = version(await ask(world.kube, "GET", world.pods))
        await create(world, "b")
        then = {"resourceVersion": at, "resourceVersionMatch": "Exact"}
        listed = await ask(world.kube, "GET", world.pods, **then)
        assert [each["metadata"]["name"] for each in listed["items"]] == ["a"]
        await world.forget_history()
        with pytest.raises(KubeExpiredError) as raised:
            await ask(world.kube, "GET", world.pods, **then)
        assert raised.value.message == "The resourceVersion for the provided list is too old."

    on_cluster(case)


def test_a_container_that_has_ended_does_not_run_again(on_cluster: Run) -> None:
    async def case(world: ClusterWorld) -> None:
        await create(world, "a")
        await world.bind("a")
        ended = a_status({"terminated": {"exitCode": 0}})
        await world.set_status("a", {"phase": "Succeeded", **ended})
        if world.serves_kubelets:
            pod = await get(world, "a")
            pod["status"] |= {"phase": "Running", **a_status({"running": {}})}
            told = await refusal(world, "PUT", f"{world.pods}/a/status", pod)
            assert (told.status, told.reason) == (422, "Invalid")
            assert told.message == (
                'Pod "a" is invalid: status.containerStatuses[0].state: Forbidden: may not be '
                "transitioned to non-terminated state"
            )

    on_cluster(case)


def a_status(state: JsonObject) -> JsonObject:
    container = {
        "name": "main",
        "image": "x:1",
        "imageID": "",
        "ready": False,
        "restartCount": 0,
        "state": state,
    }
    return {"containerStatuses": [container]}
