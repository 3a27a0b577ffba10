"""From a document and defaults to the document in force, level by level."""

from __future__ import annotations

import copy
from typing import Any

import msgspec
import pytest

from runbus.contracts.states import Kind
from runbus.settings.defaults import Defaults, defaults_of
from runbus.settings.model import Level, Resolved
from runbus.settings.placing import placed
from runbus.settings.resolve import document_hash, resolve
from support.documents import a_job


def _defaults(**file: Any) -> Defaults:
    found = defaults_of(file)
    assert isinstance(found, Defaults), found
    return found


def _resolved(
    raw: object,
    *,
    project: str | None = None,
    defaults: Defaults | None = None,
    cluster: tuple[str, ...] | None = None,
) -> Resolved:
    found = resolve(
        raw,
        project=project,
        defaults=defaults or Defaults(),
        default_user="ann",
        cluster_priority_classes=cluster,
    )
    assert isinstance(found, Resolved), found
    return found


def _plain(value: object) -> object:
    return msgspec.json.decode(msgspec.json.encode(value))


def _merged(service: dict[str, Any], run: dict[str, Any], key: str) -> object:
    """Return one setting in force, as plain values, from two levels."""
    found = _resolved(a_job(**run), defaults=_defaults(defaults=service))
    return _plain(getattr(found.document, key))


def test_the_least_document_gets_everything_that_is_shipped() -> None:
    found = _resolved(a_job(), project="nlp")
    document = found.document
    assert (document.project, document.name, document.kind) == ("nlp", "finetune", Kind.JOB)
    assert document.user == "ann"
    assert document.preemption_mode == "prevent"
    assert document.ttl_after_finish == "1h"
    assert document.log_level == "info"
    assert _merged({}, {}, "state_thresholds") == {
        "pending_not_scheduled": "-1",
        "pending_scheduled": "1h",
        "image_pull_backoff": "1h",
        "running": "24h",
    }
    absent = (document.resources, document.priority_class, document.node_selector)
    assert absent == (None, None, None)
    assert (found.namespace, found.warnings) == ("nlp", ())


def test_the_document_is_of_the_project_that_it_was_sent_to() -> None:
    raw = a_job(project=None)
    found = _resolved(raw, project="nlp", defaults=_defaults(namespaces={"nlp": "team-nlp"}))
    assert (found.document.project, found.namespace) == ("nlp", "team-nlp")
    assert found.origins["/project"] is Level.REQUEST


def test_the_user_that_a_document_names_stands() -> None:
    assert _resolved(a_job(user="bob")).document.user == "bob"


# service, run, and what is in force: one row per way of merging
MERGES: list[tuple[str, Any, Any, Any]] = [
    ("labels", {"a": "1", "b": "1"}, {"b": "2", "c": "2"}, {"a": "1", "b": "2", "c": "2"}),
    ("annotations", {"a": "1"}, {"a": "2"}, {"a": "2"}),
    (
        "node_selector",
        {"region": "us-central1", "gpu": "False", "arch": "arm64"},
        {"zone": "us-east1", "gpu": "true", "arch": ""},
        {"region": "us-central1", "zone": "us-east1", "gpu": "true"},
    ),
    ("node_selector", {"zone": "a"}, {"zone": ""}, None),
    ("node_selector", {"zone": ""}, {"arch": "amd64"}, {"arch": "amd64"}),
    (
        "env",
        [{"name": "A", "value": "1"}, {"name": "B", "value": "1"}, {"name": "C", "value": "1"}],
        [{"name": "D", "value": "2"}, {"name": "B", "field": "metadata.name"}],
        [
            {"name": "A", "value": "1"},
            {"name": "B", "field": "metadata.name"},
            {"name": "C", "value": "1"},
            {"name": "D", "value": "2"},
        ],
    ),
    (
        "env",
        None,
        [{"name": "A", "value": "1"}, {"name": "B", "value": "1"}, {"name": "A", "value": "2"}],
        [{"name": "A", "value": "2"}, {"name": "B", "value": "1"}],
    ),
    (
        "volumes",
        [{"name": "a", "pvc": "x", "mount": "/a"}, {"name": "b", "pvc": "x", "mount": "/b"}],
        [{"name": "a", "empty_dir": {}, "mount": "/c"}],
        [{"name": "a", "empty_dir": {}, "mount": "/c"}, {"name": "b", "pvc": "x", "mount": "/b"}],
    ),
    (
        "state_thresholds",
        {"running": "1h", "queued": "2h"},
        {"executing": "3h"},
        {
            "queued": "2h",
            "pending_not_scheduled": "-1",
            "pending_scheduled": "1h",
            "image_pull_backoff": "1h",
            "running": "3h",
        },
    ),
    ("retry", {"limit": 3, "backoff": "5s"}, {"limit": 1}, {"limit": 1, "backoff": "5s"}),
    ("retry", {"backoff_max": "1m"}, {"backoff": "5m"}, {"backoff": "5m"}),
    ("retry", {"backoff": "5m"}, {"backoff_max": "1m"}, {"backoff_max": "1m"}),
    ("args", ["a"], ["b", "c"], ["b", "c"]),
    ("args", ["a"], None, ["a"]),
    ("command", ["bash", "-c"], "python", ["python"]),
    ("parameters", {"a": 1}, {"b": 2}, {"b": 2}),
    ("tolerations", [{"key": "a", "operator": "Exists"}], [], []),
    ("security_context", {"run_as_user": 1}, {"fs_group": 2}, {"fs_group": 2}),
    ("env_from", [{"secret": "a"}], [{"secret": "b"}], [{"secret": "b"}]),
    ("ttl_after_finish", "2h", None, "2h"),
    ("preemption_mode", "none", "allow", "allow"),
    ("log_level", "debug", None, "debug"),
    ("image", "a:1", "b:1", "b:1"),
    (
        "resources",
        {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"memory": "2Gi"}},
        {"requests": {"cpu": "2"}},
        {"requests": {"cpu": "2", "memory": "1Gi"}, "limits": {"memory": "2Gi"}},
    ),
    ("resources", {"requests": {"cpu": "1"}, "gpus": {"count": 1}}, {}, None),
    (
        "resources",
        {"gpus": {"type": "amd.com/gpu"}},
        {"gpus": {"count": 2}},
        {"gpus": {"type": "amd.com/gpu", "count": 2}},
    ),
    (
        "resources",
        None,
        {"gpus": {"count": 1}},
        {"gpus": {"type": "nvidia.com/gpu", "count": 1}},
    ),
    (
        "resources",
        {"requests": {"cpu": 1}, "gpus": {"count": 1}},
        {"gpus": {"count": 0}},
        {"requests": {"cpu": "1"}},
    ),
    (
        "resources",
        {"limits": {"nvidia.com/gpu": 1}},
        {"gpus": {"count": 2}},
        {"gpus": {"type": "nvidia.com/gpu", "count": 2}},
    ),
    (
        "resources",
        {"gpus": {"count": 2}},
        {"limits": {"nvidia.com/gpu": 4}},
        {"requests": {"nvidia.com/gpu": "4"}, "limits": {"nvidia.com/gpu": "4"}},
    ),
    (
        "resources",
        None,
        {"limits": {"example.com/nic": 1}, "requests": {"cpu": 0.5}},
        {
            "requests": {"cpu": "0.5", "example.com/nic": "1"},
            "limits": {"example.com/nic": "1"},
        },
    ),
]


@pytest.mark.parametrize(("key", "service", "run", "expected"), MERGES)
def test_a_later_level_wins_per_setting_or_per_key(
    key: str, service: Any, run: Any, expected: Any
) -> None:
    below, own = ({} if each is None else {key: each} for each in (service, run))
    assert _merged(below, own, key) == expected


def test_origins_name_the_level_of_each_setting_and_key() -> None:
    service = {"labels": {"a": "1", "b/c": "1"}, "image": "x:1", "retry": {"limit": 1}}
    found = _resolved(
        a_job(image=None, labels={"a": "2"}, env=[{"name": "A", "value": ""}]),
        defaults=_defaults(defaults=service),
    )
    assert {path: level.value for path, level in found.origins.items()} == {
        "/preemption_mode": "shipped",
        "/state_thresholds/pending_not_scheduled": "shipped",
        "/state_thresholds/pending_scheduled": "shipped",
        "/state_thresholds/image_pull_backoff": "shipped",
        "/state_thresholds/running": "shipped",
        "/ttl_after_finish": "shipped",
        "/log_level": "shipped",
        "/labels/a": "run",
        "/labels/b~1c": "service",
        "/image": "service",
        "/retry/limit": "service",
        "/user": "request",
        "/project": "run",
        "/name": "run",
        "/kind": "run",
        "/env/A": "run",
    }


GPU_TOLERATION = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
OWN_TOLERATION = {"key": "team", "operator": "Exists"}
TOLERATED: list[tuple[dict[str, Any], list[Any] | None]] = [
    ({"resources": {"gpus": {"count": 1}}}, [GPU_TOLERATION]),
    ({"resources": {"limits": {"nvidia.com/gpu": 1}}}, [GPU_TOLERATION]),
    ({"resources": {"limits": {"nvidia.com/mig-1g.5gb": 1}}}, [GPU_TOLERATION]),
    ({"resources": {"gpus": {"count": 0}}}, None),
    ({"resources": {"limits": {"nvidia.com/gpu": 0}}}, None),
    ({"resources": {"limits": {"example.com/nic": 1}}}, None),
    ({}, None),
    (
        {"resources": {"gpus": {"count": 1}}, "tolerations": [OWN_TOLERATION]},
        [OWN_TOLERATION, GPU_TOLERATION],
    ),
    (
        {"resources": {"gpus": {"count": 1}}, "tolerations": [GPU_TOLERATION]},
        [GPU_TOLERATION],
    ),
]


@pytest.mark.parametrize(("settings", "expected"), TOLERATED)
@pytest.mark.parametrize("mode", ["none", "prevent", "allow"])
def test_a_run_that_asks_for_gpus_tolerates_their_taint_in_every_mode(
    settings: dict[str, Any], expected: list[Any] | None, mode: str
) -> None:
    found = _resolved(
        a_job(**settings, preemption_mode=mode),
        defaults=_defaults(gpu_tolerations=[GPU_TOLERATION]),
    )
    assert _plain(placed(found.document, found.platform).tolerations) == expected


def test_the_list_of_the_operator_goes_before_that_of_the_cluster() -> None:
    listed = _defaults(allowed_priority_classes=["high", "low"])
    raw = a_job(priority_class="low")
    assert _resolved(raw, defaults=listed, cluster=("other",)).warnings == ()
    assert _resolved(raw, cluster=("low",)).warnings == ()


def test_without_any_list_a_priority_class_is_a_warning() -> None:
    (warning,) = _resolved(a_job(priority_class="low")).warnings
    assert (warning.path, warning.code) == ("/priority_class", "not_checked")


WARNINGS: list[tuple[dict[str, Any], list[str]]] = [
    ({"image": "registry.example.com/Team/X:1"}, ["/image"]),
    ({"image": "x"}, []),
    ({"args": ["{epoch}"], "parameters": {"epochs": 3}}, ["/args/0"]),
    ({"args": ["{epochs}", "{{epoch}}", '{"a": 1}'], "parameters": {"epochs": 3}}, []),
]


@pytest.mark.parametrize(("settings", "paths"), WARNINGS)
def test_what_is_probably_a_slip_is_a_warning(settings: dict[str, Any], paths: list[str]) -> None:
    assert [each.path for each in _resolved(a_job(**settings)).warnings] == paths


def test_nothing_given_is_changed() -> None:
    raw = a_job(
        resources={"requests": {"cpu": 1, "nvidia.com/gpu": 1}},
        node_selector={"a": ""},
        state_thresholds={"executing": "1h"},
        tolerations=[{"key": "x", "operator": "Exists"}],
        env=[{"name": "A", "value": "1"}],
    )
    defaults = _defaults(defaults=raw_defaults(), gpu_tolerations=[GPU_TOLERATION])
    before = copy.deepcopy((raw, defaults))
    _resolved(raw, defaults=defaults)
    assert (raw, defaults) == before


def raw_defaults() -> dict[str, Any]:
    return {
        "env": [{"name": "A", "value": "0"}],
        "resources": {"limits": {"cpu": 2}},
        "node_selector": {"a": "b"},
    }


def test_the_hash_of_a_document_does_not_depend_on_the_order_of_keys() -> None:
    assert document_hash({"a": 1, "b": [1, {"c": 2, "d": 3}]}) == document_hash(
        {"b": [1, {"d": 3, "c": 2}], "a": 1}
    )
    assert document_hash({"a": [1, 2]}) != document_hash({"a": [2, 1]})
    assert document_hash({"a": 1}) != document_hash({"a": "1"})
    assert len(document_hash(None)) == 64
