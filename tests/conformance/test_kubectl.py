"""What kubectl shows and does, the same on a real control plane and on the local cluster."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from conformance.kubectl_sides import NAMESPACE, Sides
from conformance.objects import a_map
from support.cluster_pods import container, pod
from support.control_plane.plane import ControlPlane
from support.kubectl import needs_kubectl

pytestmark = needs_kubectl
JsonObject = dict[str, Any]
STDIN = ("-f", "-")


@pytest.fixture(scope="module")
def sides(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sides]:
    with Sides(control_plane, tmp_path_factory.mktemp("sides")) as both:
        yield both


def a_pod(name: str, code: str = "sleep 600", **spec: Any) -> JsonObject:
    main = container("main", "sh", "-c", code, env=[{"name": "A", "value": "1"}])
    main["resources"] = {"requests": {"cpu": "10m"}}
    settings = {"automountServiceAccountToken": False, "terminationGracePeriodSeconds": 1}
    shown = pod(name, main, **settings, **spec)
    shown["metadata"]["labels"] = {"app": "x", "n": name}
    return shown


@pytest.fixture(scope="module")
def pods(sides: Sides) -> Sides:
    """Pods in the states that people look at."""
    for each in (
        a_pod("one", "echo hello; echo two; sleep 600"),
        a_pod("done", "echo done"),
        a_pod("bad", "echo bad; exit 3"),
        a_pod("again", "echo again; exit 1", restartPolicy="Always"),
    ):
        sides.same("create", *STDIN, given=each)
    missing = a_pod("image")
    missing["spec"]["containers"][0]["image"] = "missing:1"
    sides.same("create", *STDIN, given=missing)
    limit = "--timeout=60s"
    sides.same("wait", "--for=condition=Ready", "pod/one", limit)
    for name, path, value in (
        ("done", ".status.phase", "Succeeded"),
        ("bad", ".status.phase", "Failed"),
        ("again", ".status.containerStatuses[0].restartCount", "1"),
        ("again", ".status.containerStatuses[0].state.waiting.reason", "CrashLoopBackOff"),
        ("image", ".status.containerStatuses[0].state.waiting.reason", "ImagePullBackOff"),
    ):
        sides.same("wait", f"--for=jsonpath={{{path}}}={value}", f"pod/{name}", limit)
    return sides


def test_pods_are_shown_as_tables_and_documents(pods: Sides) -> None:
    pods.each(
        [
            "get pods",
            "get pods -o wide",
            "get pods -o name",
            "get pods --show-labels",
            "get pods -L app,nope",
            "get pods --no-headers",
            "get pods --sort-by=.metadata.name",
            "get pods --field-selector=status.phase=Running,metadata.name=one",
            "get pods -l n=one -A",
            "get pods -l n=nope",
            "get pods --chunk-size=2",
            "get pods -o custom-columns=N:.metadata.name,P:.status.phase",
            "get pod one -o jsonpath={.spec.containers[*].name}",
            "get pod one -o go-template={{.metadata.name}}",
            "get pod one -o yaml",
            "get pod one -o json",
            "get pod done -o yaml",
            "get pod bad -o yaml",
            "get pod/one pod/done",
            "get pod nope",
            "get pod nope --ignore-not-found",
            "get nopes",
            "get all",
        ]
    )


def test_objects_are_described(pods: Sides) -> None:
    pods.each(
        [
            "describe pod one",
            "describe pod done",
            "describe pod bad",
            "describe pod nope",
            f"describe ns {NAMESPACE}",
            f"get ns {NAMESPACE} -o yaml",
            "get nodes sides -o wide",
        ]
    )


def test_logs_are_read(pods: Sides) -> None:
    pods.each(
        [
            "logs one",
            "logs one --tail=1",
            "logs one --limit-bytes=3",
            "logs one --since=1h",
            "logs one --timestamps",
            "logs one -c nope",
            "logs one -p",
            "logs again -p",
            "logs done -f",
            "logs image",
            "logs nope",
            "logs -l n=one --prefix",
        ]
    )
    real, local = pods.lines_of(2, "logs", "-f", "one")
    assert real == local == ["hello", "two"]


def test_events_are_listed(pods: Sides) -> None:
    columns = "custom-columns=T:.type,R:.reason,O:.involvedObject.name,M:.message"
    about = "--field-selector=involvedObject.name=one"
    sorting = "--sort-by=.reason"
    pods.same("get", "events", about, "-o", columns, sorting)
    real, local = pods.both("events", "--for", "pod/one")
    assert {row[1] for row in real.rows} == {row[1] for row in local.rows}


def test_rows_follow_their_objects(pods: Sides) -> None:
    for more in ((), ("--output-watch-events",), ("-o", "name"), ("-o", "wide")):
        real, local = pods.lines_of(1, "get", "pod", "one", "-w", *more)
        assert real == local


def test_the_server_says_what_it_has(sides: Sides) -> None:
    sides.each(
        [
            "get --raw /healthz",
            "get --raw /nope",
            "get --raw /api/v1/nopes",
            "get --raw /apis/nope/v1",
            "auth can-i get pods",
            "explain nope",
            "cluster-info",
            "top pods",
        ]
    )
    for command in ("api-versions", "api-resources -o name"):
        real, local = sides.both(*command.split())
        newer = {"policy/v1", "poddisruptionbudgets.policy", "authentication.k8s.io/v1"}
        ours = set(local.out.split()) - newer - {"selfsubjectreviews.authentication.k8s.io"}
        assert ours <= set(real.out.split())
    real, local = sides.both("get", "--raw", f"/api/v1/namespaces/{NAMESPACE}")
    assert real.json["status"] == local.json["status"] == {"phase": "Active"}
    path = f"/api/v1/namespaces/{NAMESPACE}/configmaps"
    created = sides.both("create", "--raw", path, *STDIN, given=a_map("raw"))
    assert [each.json["data"] for each in created] == [{"k": "v"}, {"k": "v"}]
    sides.both("delete", "--raw", f"{path}/raw")
    sides.same("get", "configmap", "raw")


def test_apply_creates_changes_and_prunes(sides: Sides) -> None:
    shown = a_pod("applied")
    sides.same("apply", *STDIN, given=shown)
    sides.same("apply", *STDIN, given=shown)
    shown["metadata"]["labels"] = {"app": "y"}
    shown["spec"]["containers"][0]["image"] = "x:2"
    sides.same("apply", *STDIN, given=shown)
    sides.same("get", "pod", "applied", "-o", "jsonpath={.metadata.labels} {.spec.containers}")
    sides.same("apply", "view-last-applied", "pod", "applied")
    shown["spec"]["containers"][0]["command"] = ["other"]
    sides.same("apply", *STDIN, given=shown)
    sides.same("delete", "pod", "applied", "--wait=false")


def test_apply_merges_with_what_others_wrote(sides: Sides) -> None:
    labels = {"a": "1", "b": "2"}
    data = {"x": "1", "y": "2"}
    sides.same("apply", *STDIN, given=a_map("cm", data, labels=labels, annotations={"n": "1"}))
    for more in (
        ["{'data':{'z':'3'}}"],
        ["{'data':{'z':'4'}}", "--type=merge"],
        ["{'data':{'z':'4'}}", "--type=merge"],
        ["[{'op':'replace','path':'/data/z','value':'5'}]", "--type=json"],
        ["[{'op':'test','path':'/data/z','value':'9'}]", "--type=json"],
        ["{'data':{'z':5}}", "--type=merge"],
        ["{'metadata':{'labels':{'b':null}}}", "--dry-run=server"],
        ["nonsense"],
    ):
        sides.same("patch", "cm", "cm", "-p", more[0].replace("'", '"'), *more[1:])
    wanted = a_map("cm", {"x": "9"}, labels={"a": "1"})
    sides.same("apply", "--dry-run=server", *STDIN, given=wanted)
    sides.same("apply", *STDIN, given=wanted)
    sides.same("get", "cm", "cm", "-o", "yaml")
    sides.same("edit", "cm", "cm", more={"EDITOR": "sed -i s/x:/r:/"})
    sides.same("get", "cm", "cm", "-o", "jsonpath={.data}")
    sides.same("create", *STDIN, given=wanted)
    sides.same("replace", *STDIN, given=a_map("cm", {"rep": "1"}))
    sides.same("replace", *STDIN, given=a_map("nope"))
    sides.same("describe", "cm", "cm")
    sides.each(["delete cm cm --dry-run=server", "delete cm cm --cascade=orphan", "get cm cm"])


def test_apply_on_the_server(sides: Sides) -> None:
    first, second = a_map("ssa", {"x": "1"}), a_map("ssa", {"x": "2"})
    there = ("apply", "--server-side", *STDIN)
    sides.same(*there, given=first)
    sides.same(*there, given=first)
    sides.same(*there, "--field-manager=other", given=second)
    sides.same(*there, "--field-manager=other", "--force-conflicts", given=second)
    sides.same(*there, given=first)
    sides.same("get", "cm", "ssa", "-o", "yaml")
    sides.same("get", "cm", "ssa", "-o", "yaml", "--show-managed-fields")
    sides.same("delete", "cm", "ssa", "--cascade=foreground")
    # from one kind of apply to the other, without a conflict with oneself
    sides.same("apply", *STDIN, given=first)
    sides.same(*there, given=second)
    sides.same("get", "cm", "ssa", "-o", "jsonpath={.data}")
    sides.same("delete", "cm", "ssa")


def test_labels_annotations_and_images_are_set(sides: Sides) -> None:
    sides.same("create", *STDIN, given=a_pod("set"))
    sides.each(
        [
            "label pod set l=1",
            "label pod set l=2",
            "label pod set l=2 --overwrite",
            "label pod set l-",
            "label pod set nope-",
            "label pod set bad!=x",
            "label pod nope a=b",
            "annotate pod set note=hello",
            "annotate pod set note-",
            "set image pod/set main=x:9",
            "set image pod/set nope=x:9",
            "set env pod/set A=9",
            "scale pod/set --replicas=2",
            "get pod set -o jsonpath={.metadata.labels}{.spec.containers[0].image}",
        ]
    )
    sides.same("edit", "pod", "set", more={"EDITOR": "sed -i s/app:/application:/"})
    sides.same("edit", "pod", "set", more={"EDITOR": "true"})
    sides.each(["get pod set --show-labels --no-headers -o name", "delete pod set --wait=false"])


def test_kinds_are_created_by_flags(sides: Sides) -> None:
    sides.each(
        [
            "create cm lit --from-literal=a=1 --dry-run=server -o yaml",
            "create secret generic s --from-literal=a=1",
            "create secret generic s --from-literal=a=1",
            "get secret s -o yaml",
            "describe secret s",
            "create sa bob",
            "create quota q --hard=pods=50",
            "wait --for=jsonpath={.status.hard.pods}=50 quota/q --timeout=60s",
            "get quota q -o jsonpath={.spec}{.status.hard}",
            "create priorityclass sides --value=7 --description=d",
            "get pc sides --no-headers -o custom-columns=V:.value,G:.globalDefault",
            "delete pc/sides secret/s sa/bob quota/q",
        ]
    )


def test_waiting_and_deleting(sides: Sides) -> None:
    sides.each(
        [
            "run r --image=x:1 --restart=Never --command -- sleep 600",
            "wait --for=condition=Ready pod/r --timeout=60s",
            "wait --for=condition=Nope pod/r --timeout=1s",
            "wait --for=delete pod/nope --timeout=2s",
            "delete pod r --grace-period=1",
            "delete pod nope",
            "delete pod nope --ignore-not-found",
            "delete pods -l app=nothing",
        ]
    )
    for name in ("waits", "forced", "selected"):
        sides.same("create", *STDIN, given=a_pod(name))
    sides.each(
        [
            "delete pod waits --wait=false",
            "wait --for=delete pod/waits --timeout=60s",
            "delete pod forced --force --grace-period=0",
            "delete pods -l n=selected -o name",
            "get pods -l n=selected",
        ]
    )
