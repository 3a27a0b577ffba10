"""What the local cluster's API refuses, and in which words."""

import io
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from support.cluster import LocalClusterProcess
from support.cluster_pods import NAMESPACE, PODS, container, pod

JsonObject = dict[str, Any]
pytestmark = pytest.mark.asyncio(loop_scope="module")
MAPS = f"{NAMESPACE}/configmaps"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LocalClusterProcess]:
    folder = tmp_path_factory.mktemp("cluster") / "cluster"
    async with LocalClusterProcess(
        folder, scheduler=False, runner=False, bookmark_interval_s=0.2, history=200
    ) as started:
        yield started


def version_of(obj: JsonObject) -> str:
    return str(obj["metadata"]["resourceVersion"])


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        ({"containers": []}, "spec.containers", "Required value"),
        ({"restartPolicy": "Sometimes"}, "spec.restartPolicy", 'Unsupported value: "Sometimes"'),
        (
            {"containers": [{"name": "main"}]},
            "spec.containers[0].image",
            "Required value",
        ),
        (
            {"containers": [container("main"), container("main")]},
            "spec.containers[1].name",
            'Duplicate value: "main"',
        ),
        (
            {"containers": [container("Main_")]},
            "spec.containers[0].name",
            'Invalid value: "Main_": a lowercase RFC 1123 label',
        ),
        (
            {
                "containers": [
                    container(
                        resources={"requests": {"cpu": "2"}, "limits": {"cpu": "1"}},
                    )
                ]
            },
            "spec.containers[0].resources.requests",
            'Invalid value: "2": must be less than or equal to cpu limit of 1',
        ),
        (
            {"containers": [container(volumeMounts=[{"name": "v", "mountPath": "/v"}])]},
            "spec.containers[0].volumeMounts[0].name",
            'Not found: "v"',
        ),
        (
            {"volumes": [{"name": "v", "emptyDir": {}}, {"name": "v", "emptyDir": {}}]},
            "spec.volumes[1].name",
            'Duplicate value: "v"',
        ),
        (
            {"containers": [container(env=[{"name": "a=b", "value": ""}])]},
            "spec.containers[0].env[0].name",
            'Invalid value: "a=b"',
        ),
        (
            {"tolerations": [{"value": "x"}]},
            "spec.tolerations[0].operator",
            'Invalid value: "": operator must be Exists when `key` is empty',
        ),
        ({"nodeSelector": {"k": "a b"}}, "spec.nodeSelector", 'Invalid value: "a b"'),
    ],
)
async def test_an_invalid_pod_is_refused_with_its_field(
    cluster: LocalClusterProcess, change: JsonObject, field: str, message: str
) -> None:
    wanted = pod("invalid", container())
    wanted["spec"] |= change
    code, answer = await cluster.request("POST", PODS, wanted)
    assert (code, answer["reason"]) == (422, "Invalid")
    causes = {each["field"]: each["message"] for each in answer["details"]["causes"]}
    assert causes[field].startswith(message)


@pytest.mark.parametrize(
    ("spec", "part"),
    [
        ({"containers": [{"name": 1}]}, "Expected `str"),
        ({"containers": "none"}, "Expected `array"),
        (
            {"containers": [container(resources={"requests": {"cpu": "1 G"}})]},
            "quantities must match the regular expression",
        ),
    ],
)
async def test_a_pod_of_wrong_types_is_a_bad_request(
    cluster: LocalClusterProcess, spec: JsonObject, part: str
) -> None:
    wanted = pod("types", container())
    wanted["spec"] |= spec
    code, answer = await cluster.request("POST", PODS, wanted)
    assert (code, answer["reason"]) == (400, "BadRequest")
    assert answer["message"].startswith('Pod in version "v1" cannot be handled as a Pod: ')
    assert part in answer["message"]


async def test_a_pod_with_an_unknown_service_account_is_forbidden(
    cluster: LocalClusterProcess,
) -> None:
    wanted = pod("account", container(), serviceAccountName="nobody")
    code, answer = await cluster.request("POST", PODS, wanted)
    assert code == 403
    assert answer["message"] == (
        'pods "account" is forbidden: error looking up service account default/nobody: '
        'serviceaccount "nobody" not found'
    )


async def test_a_quota_refuses_the_pod_that_is_too_many(cluster: LocalClusterProcess) -> None:
    base = "/api/v1/namespaces/small"
    quota = {"metadata": {"name": "few"}, "spec": {"hard": {"pods": "2"}}}
    await cluster.create(f"{base}/resourcequotas", quota)
    for name in ("a", "b"):
        await cluster.create(f"{base}/pods", pod(name, container()))
    code, answer = await cluster.request("POST", f"{base}/pods", pod("c", container()))
    assert code == 403
    assert answer["message"] == (
        'pods "c" is forbidden: exceeded quota: few, requested: pods=1, used: pods=2, '
        "limited: pods=2"
    )
    code, answer = await cluster.request("POST", f"{base}/pods", pod("a", container()))
    assert (code, answer["reason"]) == (409, "AlreadyExists")
    shown = await cluster.get(f"{base}/resourcequotas/few")
    assert shown["status"] == {"hard": {"pods": "2"}, "used": {"pods": "2"}}
    await cluster.request("DELETE", f"{base}/pods/a")
    await cluster.create(f"{base}/pods", pod("c", container()))


async def test_a_version_from_the_future_is_refused(cluster: LocalClusterProcess) -> None:
    code, answer = await cluster.request("GET", PODS, resourceVersion="999999999999999999")
    assert (code, answer["reason"]) == (504, "Timeout")


@pytest.mark.parametrize(
    ("query", "part"),
    [
        ({"labelSelector": "a in"}, "unable to parse requirement"),
        ({"labelSelector": "a=b=c"}, "found '=', expected: ',' or 'end of string'"),
        ({"fieldSelector": "spec.color=red"}, "field label not supported: spec.color"),
        (
            {"fieldSelector": "nonsense"},
            "invalid selector: 'nonsense'; can't understand 'nonsense'",
        ),
        ({"limit": "many"}, 'strconv.ParseInt: parsing "many": invalid syntax'),
        ({"resourceVersion": "abc"}, 'invalid resource version: "abc"'),
    ],
)
async def test_a_bad_question_is_a_bad_request(
    cluster: LocalClusterProcess, query: dict[str, str], part: str
) -> None:
    code, answer = await cluster.request("GET", PODS, **query)
    assert (code, answer["reason"]) == (400, "BadRequest")
    assert part in answer["message"]


async def test_a_body_that_is_too_large_is_refused(cluster: LocalClusterProcess) -> None:
    body = io.BytesIO(b'{"metadata": {"name": "huge"}, "data": {"a": "%b"}}' % (b"x" * 4_000_000))
    headers = {"Content-Type": "application/json"}
    async with cluster.session.post(MAPS, data=body, headers=headers) as answer:
        assert answer.status == 413
        assert (await answer.json())["reason"] == "RequestEntityTooLarge"
