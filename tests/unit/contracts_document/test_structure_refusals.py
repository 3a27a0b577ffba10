"""Every mistake that the structural check knows, a row each: place, code, words of its hint."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from runbus.contracts.structure import check

Raw = dict[str, Any]
REQUIRED_NODES = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def _node(*requirements: object) -> Raw:
    return {"nodeAffinity": {REQUIRED_NODES: {"nodeSelectorTerms": [_terms(*requirements)]}}}


def _terms(*requirements: object) -> Raw:
    return {"matchExpressions": list(requirements)}


def _fields(requirement: Raw) -> Raw:
    terms = {"nodeSelectorTerms": [{"matchFields": [requirement]}]}
    return {"nodeAffinity": {REQUIRED_NODES: terms}}


def _near(term: object) -> Raw:
    return {"podAffinity": {REQUIRED_NODES: [term]}}


def _volume(**more: object) -> list[Raw]:
    return [{"name": "a", "mount": "/a", **more}]


TERM = f"nodeAffinity/{REQUIRED_NODES}/nodeSelectorTerms/0"

# setting, value, path below the setting, code, words that the finding has
REFUSED: list[tuple[str, Any, str, str, str]] = [
    # keys
    ("comand", "x", "", "unknown_key", "did you mean command?"),
    ("stateThresholds", {}, "", "unknown_key", "did you mean state_thresholds?"),
    ("xyzzy", 1, "", "unknown_key", "image"),
    ("resources", {"request": {}}, "/request", "unknown_key", "did you mean requests?"),
    ("env", [{"name": "A", "valeu": "x", "value": ""}], "/0/valeu", "unknown_key", "value?"),
    ("retry", {1: 2}, "/1", "wrong_type", "put the key in quotes"),
    # names
    ("project", "NLP", "", "invalid_name", "did you mean nlp?"),
    ("project", "a" * 64, "", "invalid_name", "63"),
    ("project", "a.b", "", "invalid_name", "dashes"),
    ("project", "a\n", "", "invalid_name", "dashes"),
    ("project", 3, "", "wrong_type", 'put it in quotes: "3"'),
    ("name", "1x", "", "invalid_name", "starts with a letter"),
    ("name", "a-", "", "invalid_name", "dashes"),
    ("name", "", "", "invalid_name", "1 to 26"),
    ("name", "a" * 27, "", "invalid_name", "it has 27 characters, 26 are possible"),
    ("name", "my_Job", "", "invalid_name", "did you mean my-job?"),
    ("name", "jöb", "", "invalid_name", "dashes"),
    ("user", "", "", "empty", "fill it in"),
    ("user", "a\x1b[31m", "", "invalid_value", "one line"),
    ("kind", "Job", "", "invalid_value", "did you mean job?"),
    ("kind", "unknown", "", "invalid_value", "job"),
    ("kind", ["job"], "", "wrong_type", "one of job"),
    ("priority_class", "High", "", "invalid_name", "did you mean high?"),
    ("service_account", "a_b", "", "invalid_name", "did you mean a-b?"),
    # container
    ("image", " ", "", "empty", "an image, like"),
    ("image", "python:3 -m x", "", "invalid_value", "`args`"),
    ("image", "python:3\n", "", "invalid_value", "spaces"),
    ("image_pull_policy", "always", "", "invalid_value", "did you mean Always?"),
    ("command", "", "", "empty", "leave it out"),
    ("command", [" ", "a"], "", "empty", "a program"),
    ("command", {"a": 1}, "", "wrong_type", "list of texts"),
    ("command", ["sleep", 5], "/1", "wrong_type", 'put it in quotes: "5"'),
    ("args", "a b", "", "wrong_type", "put it in brackets"),
    ("args", [None], "/0", "wrong_type", "text in quotes"),
    ("args", [True], "/0", "wrong_type", 'put it in quotes: "true"'),
    ("args", ["a\x00b"], "/0", "invalid_value", "NUL"),
    ("args", ["\ud800"], "/0", "invalid_value", "surrogate"),
    ("args", [datetime.date(2026, 11, 1)], "/0", "wrong_type", "put it in quotes"),
    ("workdir", "app", "", "invalid_path", "did you mean /app?"),
    ("workdir", "/a/../b", "", "invalid_path", "'..'"),
    ("auto_mount", "false", "", "wrong_type", "without quotes"),
    ("auto_mount", 0, "", "wrong_type", "true or false"),
    ("log_level", "warning", "", "invalid_value", "did you mean warn?"),
    ("log_level", False, "", "wrong_type", "one of error, warn, info, debug"),
    ("preemption_mode", "prevnt", "", "invalid_value", "did you mean prevent?"),
    # env
    ("env", {"A": "1"}, "", "wrong_type", "write a list of entries"),
    ("env", ["A=1"], "/0", "wrong_type", "{name: …}"),
    ("env", [{"value": "1"}], "/0/name", "required", "give name"),
    ("env", [{"name": "A"}], "/0", "no_source", "value, secret, config_map, field"),
    ("env", [{"name": "A", "value": None}], "/0/value", "null_value", "leave the key out"),
    ("env", [{"name": "A", "value": 1.5}], "/0/value", "wrong_type", 'quotes: "1.5"'),
    ("env", [{"name": "A", "value": True}], "/0/value", "wrong_type", 'quotes: "true"'),
    ("env", [{"name": "A", "value": "x", "field": "metadata.name"}], "/0", "several_sources",
     "keep one"),
    ("env", [{"name": "2A", "value": ""}], "/0/name", "invalid_name", "digit"),
    ("env", [{"name": "A=B", "value": ""}], "/0/name", "invalid_name", "letters"),
    ("env", [{"name": "A", "secret": {"name": "s"}}], "/0/secret/key", "required", "give key"),
    ("env", [{"name": "A", "config_map": {"key": "s"}}], "/0/config_map/name", "required", "name"),
    ("env", [{"name": "A", "secret": {"name": "s", "key": "a/b"}}], "/0/secret/key",
     "invalid_name", "letters"),
    ("env", [{"name": "A", "field": "spec.node"}], "/0/field", "invalid_value", "spec.nodeName"),
    ("env_from", [{}], "/0", "no_source", "secret, config_map"),
    ("env_from", [{"secret": "a", "config_map": "b"}], "/0", "several_sources", "keep one"),
    # resources
    ("resources", {"requests": {"cpu": "-1"}}, "/requests/cpu", "invalid_quantity", "negative"),
    ("resources", {"requests": {"cpu": -1}}, "/requests/cpu", "invalid_quantity", "negative"),
    ("resources", {"requests": {"cpu": "."}}, "/requests/cpu", "invalid_quantity", "number"),
    ("resources", {"limits": {"memory": "1GG"}}, "/limits/memory", "invalid_quantity", "suffix"),
    ("resources", {"limits": {"memory": "1 G"}}, "/limits/memory", "invalid_quantity", "write 1G"),
    ("resources", {"limits": {"cpu": True}}, "/limits/cpu", "wrong_type", "quantity"),
    ("resources", {"limits": {"cpu": float("nan")}}, "/limits/cpu", "invalid_quantity", "number"),
    ("resources", {"limits": {"cpu": 10**400}}, "/limits/cpu", "invalid_quantity", "too large"),
    ("resources", {"limits": {"mem": "1Gi"}}, "/limits/mem", "unknown_key", "mean memory?"),
    ("resources", {"limits": {"gpu": "1"}}, "/limits/gpu", "unknown_key", "gpus: {type"),
    ("resources", {"requests": {"cpu": 2}, "limits": {"cpu": "1500m"}}, "/requests/cpu",
     "request_above_limit", "/resources/limits/cpu"),
    ("resources", {"requests": {"a.b/c": 1}, "limits": {"a.b/c": 2}}, "/requests/a.b~1c",
     "conflict", "never shared"),
    ("resources", {"limits": {"nvidia.com/gpu": "0.5"}}, "/limits/nvidia.com~1gpu",
     "invalid_quantity", "whole"),
    ("resources", {"limits": {"nvidia.com/gpu": 2}, "gpus": {"count": 1}},
     "/limits/nvidia.com~1gpu", "conflict", "gpus.count says 1"),
    ("resources", {"gpus": {"count": -1}}, "/gpus/count", "out_of_range", "0 to"),
    ("resources", {"gpus": {"count": 1.0}}, "/gpus/count", "wrong_type", "without a fraction: 1"),
    ("resources", {"gpus": {"count": "1"}}, "/gpus/count", "wrong_type", "without quotes"),
    ("resources", {"gpus": {"count": True}}, "/gpus/count", "wrong_type", "whole number"),
    ("resources", {"gpus": {"type": "nvidia"}}, "/gpus/type", "invalid_name", "nvidia.com/gpu"),
    ("security_context", {"run_as_user": -1}, "/run_as_user", "out_of_range", "0 to"),
    # volumes
    ("volumes", _volume(), "/0", "no_source", "pvc, config_map, secret, empty_dir, v3io, host"),
    ("volumes", _volume(pvc="a", host_path="/x"), "/0", "several_sources", "keep one"),
    ("volumes", _volume(host_path="x"), "/0/host_path", "invalid_path", "did you mean /x?"),
    ("volumes", _volume(host_path="/x/../etc"), "/0/host_path", "invalid_path", "'..'"),
    ("volumes", _volume(v3io={"container": "c", "access_key": "k", "secret": "s"}),
     "/0/v3io/access_key", "unknown_key", "put it into a Secret"),
    ("volumes", _volume(v3io={"container": "c", "accessKey": "k", "secret": "s"}),
     "/0/v3io/accessKey", "unknown_key", "put it into a Secret"),
    ("volumes", _volume(v3io={"container": "c"}), "/0/v3io/secret", "required", "v3io/fuse"),
    ("volumes", _volume(v3io={"secret": "s"}), "/0/v3io/container", "required", "projects"),
    ("volumes", _volume(v3io={"path": None, "secret": "s"}), "/0/v3io/container", "required",
     "quote the path"),
    ("volumes", _volume(v3io={"container": "c", "path": "~/a", "secret": "s"}),
     "/0/v3io/container", "conflict", "the container users"),
    ("volumes", _volume(v3io={"container": "c/d", "secret": "s"}), "/0/v3io/container",
     "invalid_name", "`path`"),
    ("volumes", _volume(v3io={"container": "c", "path": "../b", "secret": "s"}), "/0/v3io/path",
     "invalid_path", "'..'"),
    ("volumes", _volume(v3io={"container": "c", "path": "/b", "secret": "s"}), "/0/v3io/path",
     "invalid_path", "did you mean b?"),
    ("volumes", _volume(v3io={"container": "c", "path": "~bob", "secret": "s"}), "/0/v3io/path",
     "invalid_path", "users as container"),
    ("volumes", _volume(empty_dir=None), "/0", "no_source", "empty_dir: {}"),
    ("volumes", _volume(pvc="a", secret="b"), "/0", "several_sources", "keep one"),
    ("volumes", [{"name": "a", "pvc": "a"}], "/0/mount", "required", "give mount"),
    ("volumes", [{"name": "A", "mount": "/a", "pvc": "a"}], "/0/name", "invalid_name", "mean a?"),
    ("volumes", _volume(mount="a", pvc="a"), "/0/mount", "invalid_path", "did you mean /a?"),
    ("volumes", _volume(mount="/a/../b", pvc="a"), "/0/mount", "invalid_path", "'..'"),
    ("volumes", _volume(mount="/a//b", pvc="a"), "/0/mount", "invalid_path", "mean /a/b?"),
    ("volumes", _volume(mount="/a/./b", pvc="a"), "/0/mount", "invalid_path", "mean /a/b?"),
    ("volumes", _volume(mount="/", pvc="a"), "/0/mount", "invalid_path", "below"),
    ("volumes", _volume(mount="/a:b", pvc="a"), "/0/mount", "invalid_path", "':'"),
    ("volumes", [*_volume(pvc="a"), {"name": "a", "mount": "/b", "pvc": "a"}], "/1/name",
     "duplicate", "name of its own"),
    ("volumes", [*_volume(pvc="a"), {"name": "b", "mount": "/a/", "pvc": "a"}], "/1/mount",
     "duplicate", "volume a is mounted there"),
    ("volumes", _volume(pvc="a", items={"a": "b"}), "/0/items", "conflict", "config_map"),
    ("volumes", _volume(secret="a", items={"a": "../b"}), "/0/items/a", "invalid_path", "inside"),
    ("volumes", _volume(secret="a", items={"a": "x", "b": "x"}), "/0/items/b", "duplicate", "a is"),
    ("volumes", _volume(pvc="a", sub_path="/x"), "/0/sub_path", "invalid_path", "inside"),
    ("volumes", _volume(empty_dir={"size": "8GiB"}), "/0/empty_dir/size", "invalid_quantity", "Gi"),
    ("volumes", _volume(empty_dir={"medium": "memory"}), "/0/empty_dir/medium", "invalid_value",
     "did you mean Memory?"),
    # the catalogue, scaling, queues, roles
    ("function", "finetune", "", "invalid_name", "did you mean hub://finetune?"),
    ("function", "hub:finetune:1", "", "invalid_name", "did you mean hub://finetune:1?"),
    ("function", "hub://a/b/c", "", "invalid_name", "[source/]name[:tag]"),
    ("function", "hub://a:", "", "invalid_name", "[source/]name[:tag]"),
    ("function", "https://a.b/c", "", "invalid_name", "hub://"),
    ("replicas", -1, "", "out_of_range", "0 to"),
    ("replicas", "4", "", "wrong_type", "without quotes"),
    ("max_replicas", 0, "", "out_of_range", "1 to"),
    ("target_cpu", 0, "", "out_of_range", "1 to"),
    ("target_cpu", "60%", "", "wrong_type", "whole number"),
    ("queue", {"system": "Kueue"}, "/system", "invalid_value", "did you mean kueue?"),
    ("queue", {"name": "A"}, "/name", "invalid_name", "did you mean a?"),
    ("queue", "batch", "", "wrong_type", "mapping"),
    ("roles", {"workers": {}}, "/workers", "unknown_key", "did you mean worker?"),
    ("roles", {"worker": {"image": "x"}}, "/worker/image", "unknown_key", "node_selector"),
    ("roles", {"driver": {"resources": {"requests": {"cpu": 2}, "limits": {"cpu": 1}}}},
     "/driver/resources/requests/cpu", "request_above_limit", "at most"),
    ("roles", {"driver": {"node_selector": {"a b": "x"}}}, "/driver/node_selector/a b",
     "invalid_label", "letters"),
    # sections of kinds
    ("mpi", {"slots_per_worker": 0}, "/slots_per_worker", "out_of_range", "1 to"),
    ("mpi", {"clean_pod_policy": "running"}, "/clean_pod_policy", "invalid_value", "Running?"),
    ("spark", {"type": "python"}, "/type", "invalid_value", "did you mean Python?"),
    ("spark", {"conf": {"a": 64}}, "/conf/a", "wrong_type", 'put it in quotes: "64"'),
    ("dask", {"mode": "clustr"}, "/mode", "invalid_value", "did you mean cluster?"),
    ("dask", {"idle_timeout": "-1"}, "/idle_timeout", "invalid_duration", "not possible"),
    ("nuclio", {"handlr": "x"}, "/handlr", "unknown_key", "did you mean handler?"),
    ("nuclio", {"http": {"workers": 0}}, "/http/workers", "out_of_range", "1 to"),
    ("nuclio", {"http": {"worker_timeout": 10}}, "/http/worker_timeout", "wrong_type", "unit"),
    ("nuclio", {"http": {"worker_timeout": "30s", "gateway_timeout": "30s"}},
     "/http/gateway_timeout", "conflict", "give it longer"),
    ("nuclio", {"http": {"host": "https://A.example.com/x"}}, "/http/host", "invalid_name",
     "did you mean a.example.com?"),
    ("nuclio", {"http": {"paths": ["x"]}}, "/http/paths/0", "invalid_path", "mean /x?"),
    ("nuclio", {"v3io_stream": {}}, "/v3io_stream/path", "required", "give path"),
    ("nuclio", {"v3io_stream": {"path": "v3io://projects/a"}}, "/v3io_stream/path",
     "invalid_path", "did you mean v3io:///projects/a?"),
    ("nuclio", {"v3io_stream": {"path": "v3io:///projects"}}, "/v3io_stream/path",
     "invalid_path", "v3io:///container/path"),
    ("nuclio", {"v3io_stream": {"path": "v3io:///a/b", "seek_to": "time"}},
     "/v3io_stream/seek_to", "invalid_value", "latest or earliest only"),
    ("nuclio", {"v3io_stream": {"path": "v3io:///a/b", "seek_to": "erliest"}},
     "/v3io_stream/seek_to", "invalid_value", "did you mean earliest?"),
    ("nuclio", {"v3io_stream": {"path": "v3io:///a/b", "password": "x"}},
     "/v3io_stream/password", "unknown_key", "V3IO_ACCESS_KEY"),
    # where it runs
    ("node_selector", {"a b": "x"}, "/a b", "invalid_label", "letters"),
    ("node_selector", {"a": "x y"}, "/a", "invalid_label", "letters"),
    ("node_selector", {"gpu": True}, "/gpu", "wrong_type", 'put it in quotes: "true"'),
    ("tolerations", [{}], "/0/key", "required", "Exists"),
    ("tolerations", [{"key": "", "value": "x"}], "/0/key", "required", "Exists"),
    ("tolerations", [{"key": "a b"}], "/0/key", "invalid_label", "letters"),
    ("tolerations", [{"key": "a", "operator": "Exists", "value": "x"}], "/0/value", "conflict",
     "take the value out"),
    ("tolerations", [{"key": "a", "operator": "exists"}], "/0/operator", "invalid_value",
     "did you mean Exists?"),
    ("tolerations", [{"key": "a", "effect": "Never"}], "/0/effect", "invalid_value", "NoSchedule"),
    ("tolerations", [{"key": "a", "toleration_seconds": 3}], "/0/toleration_seconds",
     "unknown_key", "did you mean tolerationSeconds?"),
    ("tolerations", [{"key": "a", "tolerationSeconds": 3}], "/0/tolerationSeconds", "conflict",
     "NoExecute"),
    ("affinity", {"node_affinity": {}}, "/node_affinity", "unknown_key", "mean nodeAffinity?"),
    ("affinity", {"nodeAffinity": {REQUIRED_NODES: {"nodeSelectorTerms": []}}},
     f"/nodeAffinity/{REQUIRED_NODES}/nodeSelectorTerms", "empty", "at least one"),
    ("affinity", _node({"key": "a", "operator": "In"}), f"/{TERM}/matchExpressions/0/values",
     "required", "at least one value"),
    ("affinity", _node({"key": "a", "operator": "Exists", "values": ["x"]}),
     f"/{TERM}/matchExpressions/0/values", "conflict", "take the values out"),
    ("affinity", _node({"key": "a", "operator": "Gt", "values": ["x"]}),
     f"/{TERM}/matchExpressions/0/values", "invalid_value", "one number"),
    ("affinity", _node({"key": "a", "operator": "Lt", "values": ["1", "2"]}),
     f"/{TERM}/matchExpressions/0/values", "invalid_value", "one number"),
    ("affinity", _node({"key": "a", "operator": "Lt", "values": [1]}),
     f"/{TERM}/matchExpressions/0/values/0", "wrong_type", 'put it in quotes: "1"'),
    ("affinity", _node({"key": "a", "operator": "in", "values": ["x"]}),
     f"/{TERM}/matchExpressions/0/operator", "invalid_value", "did you mean In?"),
    ("affinity", _node({"key": "a b", "operator": "Exists"}), f"/{TERM}/matchExpressions/0/key",
     "invalid_label", "letters"),
    ("affinity", _fields({"key": "metadata.uid", "operator": "In", "values": ["x"]}),
     f"/{TERM}/matchFields/0/key", "invalid_value", "metadata.name"),
    ("affinity", _fields({"key": "metadata.name", "operator": "In", "values": ["x", "y"]}),
     f"/{TERM}/matchFields/0", "invalid_value", "several terms"),
    ("affinity", {"nodeAffinity": {PREFERRED: [{"weight": 101, "preference": {}}]}},
     f"/nodeAffinity/{PREFERRED}/0/weight", "out_of_range", "1 to 100"),
    ("affinity", _near({"labelSelector": {}}), f"/podAffinity/{REQUIRED_NODES}/0/topologyKey",
     "required", "topologyKey"),
    ("affinity", _near({"topologyKey": "a", "matchLabelKeys": ["b"]}),
     f"/podAffinity/{REQUIRED_NODES}/0/matchLabelKeys", "conflict", "labelSelector"),
    # durations
    ("termination_grace_period", 25, "", "wrong_type", "quote it, with a unit"),
    ("termination_grace_period", "25", "", "invalid_duration", "has no unit"),
    ("termination_grace_period", "-1", "", "invalid_duration", "not possible"),
    ("ttl_after_finish", -1, "", "wrong_type", 'quote it: "-1"'),
    ("ttl_after_finish", "500ms", "", "invalid_duration", "shorter"),
    ("state_thresholds", {"running": "1h30"}, "/running", "invalid_duration", "at character 3"),
    ("state_thresholds", {"running": None}, "/running", "null_value", "leave the key out"),
    ("state_thresholds", {"running": 3600}, "/running", "wrong_type", "quote it, with a unit"),
    ("state_thresholds", {"running": "1M"}, "/running", "invalid_duration", "month"),
    ("state_thresholds", {"runing": "1h"}, "/runing", "unknown_key", "did you mean running?"),
    ("state_thresholds", {"running": "1h", "executing": "1h"}, "/executing", "conflict", "same"),
    # retry
    ("retry", {"limit": 101}, "/limit", "out_of_range", "0 to 100"),
    ("retry", {"limit": "2"}, "/limit", "wrong_type", "without quotes"),
    ("retry", {"backoff": "2h", "backoff_max": "1h"}, "/backoff", "conflict", "backoff_max, 1h"),
    ("retry", {"on": "user"}, "/on", "wrong_type", "brackets"),
    ("retry", {"on": ["infra"]}, "/on/0", "invalid_value", "infrastructure"),
    ("retry", {"on": ["completed"]}, "/on/0", "invalid_value", "infrastructure"),
    ("retry", {"on": ["AbortedByUser"]}, "/on/0", "invalid_value", "never retried"),
    # labels
    ("labels", {"runbus.dev/role": "x"}, "/runbus.dev~1role", "reserved", "another key"),
    ("labels", {"app.kubernetes.io/managed-by": "x"}, "/app.kubernetes.io~1managed-by",
     "reserved", "another key"),
    ("labels", {"-a": "x"}, "/-a", "invalid_label", "letters"),
    ("labels", {"Example.com/a": "x"}, "/Example.com~1a", "invalid_label", "DNS"),
    ("labels", {"a/b/c": "x"}, "/a~1b~1c", "invalid_label", "slash"),
    ("labels", {"": "x"}, "/", "invalid_label", "letters"),
    ("labels", {"a": "x" * 64}, "/a", "invalid_label", "63"),
    ("labels", {"a": 1}, "/a", "wrong_type", 'put it in quotes: "1"'),
    ("labels", [], "", "wrong_type", "mapping"),
    ("annotations", {"runbus.dev/x": "x"}, "/runbus.dev~1x", "reserved", "another key"),
    ("labels", {"runbus.dev/rerun-of": "x"}, "/runbus.dev~1rerun-of", "reserved", "another key"),
    ("annotations", {"a": "x" * 262144}, "", "too_large", "262144"),
    # parameters
    ("parameters", {1: "x"}, "/1", "wrong_type", "quote the key"),
    ("parameters", {"a": [float("inf")]}, "/a/0", "invalid_value", "NaN"),
    ("parameters", {"a": 2**64}, "/a", "out_of_range", "write it as text"),
    ("parameters", {"a": {"b": datetime.date(2026, 11, 1)}}, "/a/b", "wrong_type", "quotes"),
    ("parameters", {"a": "\ud800"}, "/a", "invalid_value", "surrogate"),
]  # fmt: skip


# several settings of one document, and the finding
TOGETHER: list[tuple[Raw, str, str, str]] = [
    ({"replicas": 2, "max_replicas": 4}, "/replicas", "conflict", "a number or a range"),
    ({"replicas": 2, "min_replicas": 1}, "/replicas", "conflict", "a number or a range"),
    ({"min_replicas": 4, "max_replicas": 2}, "/min_replicas", "conflict", "max_replicas, 2"),
]


@pytest.mark.parametrize(("raw", "path", "code", "words"), TOGETHER)
def test_settings_that_cannot_stand_beside_each_other_are_told_once(
    raw: Raw, path: str, code: str, words: str
) -> None:
    (found,) = check(raw).violations
    assert (found.path, found.code) == (path, code)
    assert words in f"{found.allowed} {found.hint}"


@pytest.mark.parametrize(
    ("setting", "value", "below", "code", "words"),
    REFUSED,
    ids=[f"{row[0]}{row[2]} {row[3]} {at}".replace("/", ".") for at, row in enumerate(REFUSED)],
)
def test_a_mistake_is_told_once_with_its_place_and_the_way_out(
    setting: str, value: Any, below: str, code: str, words: str
) -> None:
    found = check({setting: value}).violations
    assert [(each.path, each.code) for each in found] == [(f"/{setting}{below}", code)]
    assert words in f"{found[0].allowed} {found[0].hint}"
