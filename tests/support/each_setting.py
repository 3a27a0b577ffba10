"""For every setting of a run document two values, so that a change of it alone can be followed.

Data. `VALUE` stands where the setting is, within what gives it a meaning: a mount in a volume,
a target in a range. Every setting of the contracts is here; a test compares. It must not know
what a kind makes of a setting.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from support.full_documents import NODE_AFFINITY, POD_AFFINITY

Raw = dict[str, Any]


class _Value:
    """The place of the setting itself."""


VALUE = _Value()


class Each(NamedTuple):
    """One setting: where it stands, and two values that must not come to the same."""

    within: Raw
    one: Any
    other: Any

    @property
    def path(self) -> str:
        """The setting as people write it, `[]` behind a list."""
        found = _path(self.within)
        assert found is not None
        return found

    @property
    def pair(self) -> tuple[Raw, Raw]:
        """What a document says with the one, and with the other."""
        return _filled(self.within, self.one), _filled(self.within, self.other)


def _path(within: Any) -> str | None:
    for key, inner in within.items() if isinstance(within, dict) else ():
        entries = inner if isinstance(inner, list) else [inner]
        for each in entries:
            below = "" if each is VALUE else _path(each)
            if below is not None:
                name = f"{key}[]" if isinstance(inner, list) else key
                return f"{name}.{below}" if below else name
    return None


def _filled(within: Any, value: Any) -> Any:
    if within is VALUE:
        return value
    if isinstance(within, dict):
        return {key: _filled(each, value) for key, each in within.items()}
    return [_filled(each, value) for each in within] if isinstance(within, list) else within


_V3IO = {"container": "projects", "path": "nlp", "secret": "k"}
_MOUNTED = {"name": "v", "mount": "/v"}
_TAINT = {"key": "a", "operator": "Equal", "value": "b", "effect": "NoExecute"}
_HTTP = {"host": "a.example.com"}
_STREAM = {"path": "v3io:///projects/iot/events"}
_CPU = {"requests": {"cpu": "1"}}


def _volume(**source: Any) -> Raw:
    return {"volumes": [{**_MOUNTED, **source}]}


def _taint(**field: Any) -> Raw:
    return {"tolerations": [{**_TAINT, **field}]}


# What a role can have for itself as well.
OF_A_ROLE: tuple[Each, ...] = (
    Each({"env": [{"name": VALUE, "value": "1"}]}, "A", "B"),
    Each({"env": [{"name": "A", "value": VALUE}]}, "1", ""),
    Each({"env": [{"name": "A", "field": VALUE}]}, "metadata.name", "spec.nodeName"),
    Each({"env": [{"name": "A", "secret": {"name": VALUE, "key": "k"}}]}, "s", "t"),
    Each({"env": [{"name": "A", "secret": {"name": "s", "key": VALUE}}]}, "k", "l"),
    Each({"env": [{"name": "A", "config_map": {"name": VALUE, "key": "k"}}]}, "s", "t"),
    Each({"env": [{"name": "A", "config_map": {"name": "s", "key": VALUE}}]}, "k", "l"),
    Each({"resources": {"requests": VALUE}}, {"cpu": "1"}, {"cpu": "2"}),
    Each({"resources": {"requests": VALUE}}, {"memory": "1Gi"}, {"memory": "2Gi"}),
    Each({"resources": {"requests": VALUE}}, {"ephemeral-storage": "1Gi"}, {}),
    Each({"resources": {"limits": VALUE}}, {"cpu": "1"}, {"cpu": "2"}),
    Each({"resources": {"limits": VALUE}}, {"memory": "1Gi"}, {"memory": "2Gi"}),
    Each({"resources": {"limits": VALUE}}, {"example.com/nic": 1}, {"example.com/nic": 2}),
    Each({"resources": {"gpus": {"type": VALUE, "count": 1}}}, "nvidia.com/gpu", "amd.com/gpu"),
    Each({"resources": {"gpus": {"count": VALUE}}}, 1, 2),
    Each({"preemption_mode": VALUE}, "allow", "constrain"),
    Each({"priority_class": VALUE}, "high", "low"),
    Each({"node_selector": VALUE}, {"pool": "gpu"}, {"pool": "cpu"}),
    Each(_taint(key=VALUE), "a", "c"),
    Each({"tolerations": [{"key": "a", "operator": VALUE}]}, "Exists", "Equal"),
    Each(_taint(value=VALUE), "b", "c"),
    Each(_taint(effect=VALUE), "NoExecute", "NoSchedule"),
    Each(_taint(tolerationSeconds=VALUE), 30, 60),
    Each({"affinity": VALUE}, {"nodeAffinity": NODE_AFFINITY}, {"podAffinity": POD_AFFINITY}),
)
_OF_THE_RUN: tuple[Each, ...] = (
    Each({"project": VALUE}, "nlp", "vision"),
    Each({"name": VALUE}, "finetune", "tune"),
    Each({"user": VALUE, **_volume(v3io={"path": "~", "secret": "k"})}, "ada", "bob"),
    Each({"function": VALUE}, "hub://one", "hub://two"),
    Each({"image": VALUE}, "x:1", "x:2"),
    Each({"command": VALUE}, "python", ["local:///b.py", "b"]),
    Each({"args": VALUE}, ["--epochs={epochs}"], ["{{x}}"]),
    Each({"workdir": VALUE}, "/app", "/src"),
    Each({"parameters": VALUE}, {"epochs": 3}, [4]),
    Each({"env_from": [{"secret": VALUE}]}, "a", "b"),
    Each({"env_from": [{"config_map": VALUE}]}, "a", "b"),
    Each({"image_pull_policy": VALUE}, "Always", "Never"),
    Each({"image_pull_secret": VALUE}, "regcred", "other"),
    Each({"replicas": VALUE}, 2, 3),
    Each({"min_replicas": VALUE, "max_replicas": 5}, 2, 3),
    Each({"min_replicas": 2, "max_replicas": VALUE}, 5, 6),
    Each({"target_cpu": VALUE, "resources": _CPU}, 50, 60),
    Each({"volumes": [{"name": VALUE, "mount": "/v", "pvc": "c"}]}, "v", "w"),
    Each({"volumes": [{"name": "v", "mount": VALUE, "pvc": "c"}]}, "/v", "/w"),
    Each(_volume(pvc=VALUE), "c", "d"),
    Each(_volume(config_map=VALUE), "c", "d"),
    Each(_volume(secret=VALUE), "c", "d"),
    Each(_volume(empty_dir={"medium": VALUE}), "Memory", ""),
    Each(_volume(empty_dir={"size": VALUE}), "1Gi", "2Gi"),
    Each(_volume(v3io={**_V3IO, "container": VALUE}), "projects", "bigdata"),
    Each(_volume(v3io={**_V3IO, "path": VALUE}), "nlp", "nlp/raw"),
    Each(_volume(v3io={**_V3IO, "secret": VALUE}), "k", "l"),
    Each(_volume(host_path=VALUE), "/mnt/x", "/mnt/y"),
    Each(_volume(pvc="c", sub_path=VALUE), "a", "a/b"),
    Each(_volume(pvc="c", read_only=VALUE), True, False),
    Each(_volume(secret="c", read_only=VALUE), True, False),
    Each(_volume(config_map="c", items=VALUE), {"a": "a.txt"}, {"a": "b.txt"}),
    Each(_volume(secret="c", items=VALUE), {"a": "a.txt"}, {"b": "a.txt"}),
    Each({"auto_mount": VALUE}, True, False),
    Each({"node_name": VALUE}, "node-1", "node-2"),
    Each({"service_account": VALUE}, "runner", "trainer"),
    Each({"security_context": {"run_as_user": VALUE}}, 0, 1000),
    Each({"security_context": {"run_as_group": VALUE}}, 0, 1000),
    Each({"security_context": {"fs_group": VALUE}}, 0, 1000),
    Each({"termination_grace_period": VALUE}, "25s", "50s"),
    *(
        Each({"state_thresholds": {key: VALUE}}, "3h", "-1")
        for key in (
            "queued",
            "held",
            "pending_not_scheduled",
            "pending_scheduled",
            "image_pull_backoff",
            "running",
            "executing",
            "operator_silent",
            "total",
        )
    ),
    Each({"retry": {"limit": VALUE}}, 2, 3),
    Each({"retry": {"backoff": VALUE}}, "30s", "40s"),
    Each({"retry": {"backoff_max": VALUE}}, "1h", "2h"),
    Each({"retry": {"on": VALUE}}, ["user"], ["infrastructure", "OOMKilled"]),
    Each({"queue": {"name": VALUE, "system": "kueue"}}, "team", "other"),
    Each({"queue": {"name": VALUE}}, "team", "other"),
    Each({"queue": {"system": VALUE}}, "kueue", "runbus"),
    Each({"ttl_after_finish": VALUE}, "2h", "-1"),
    Each({"labels": VALUE}, {"team": "nlp"}, {"team": "vision"}),
    Each({"annotations": VALUE}, {"example.com/a": "1"}, {"example.com/a": "2"}),
    Each({"log_level": VALUE}, "error", "debug"),
)
_OF_ONE_KIND: tuple[Each, ...] = (
    Each({"mpi": {"slots_per_worker": VALUE}}, 2, 3),
    Each({"mpi": {"args": VALUE}}, ["--allow-run-as-root"], ["--oversubscribe"]),
    Each({"mpi": {"clean_pod_policy": VALUE}}, "All", "None"),
    Each({"spark": {"version": VALUE}}, "3.5.6", "4.0.0"),
    Each({"spark": {"type": VALUE}}, "Python", "R"),
    Each({"spark": {"type": "Scala", "main_class": VALUE}}, "a.B", "a.C"),
    Each({"spark": {"conf": VALUE}}, {"a.b": "1"}, {"a.b": "2"}),
    Each({"dask": {"mode": VALUE}}, "cluster", "job"),
    Each({"dask": {"nthreads": VALUE}}, 2, 3),
    Each({"dask": {"idle_timeout": VALUE}}, "10m", "20m"),
    Each({"nuclio": {"handler": VALUE}}, "main:handler", "main:other"),
    Each({"nuclio": {"runtime": VALUE}}, "python:3.11", "golang"),
    Each({"nuclio": {"readiness_timeout": VALUE}}, "1m", "2m"),
    Each({"nuclio": {"http": {"workers": VALUE}}}, 2, 3),
    Each({"nuclio": {"http": {"worker_timeout": VALUE}}}, "20s", "30s"),
    Each({"nuclio": {"http": {"gateway_timeout": VALUE}}}, "50s", "60s"),
    Each({"nuclio": {"http": {"host": VALUE}}}, "a.example.com", "b.example.com"),
    Each({"nuclio": {"http": {**_HTTP, "paths": VALUE}}}, ["/a"], ["/a", "/b"]),
    Each({"nuclio": {"v3io_stream": {"path": VALUE}}}, "v3io:///a/b", "v3io:///a/c"),
    Each({"nuclio": {"v3io_stream": {**_STREAM, "name": VALUE}}}, "events", "clicks"),
    Each({"nuclio": {"v3io_stream": {**_STREAM, "group": VALUE}}}, "serving", "other"),
    Each({"nuclio": {"v3io_stream": {**_STREAM, "seek_to": VALUE}}}, "latest", "earliest"),
    Each({"nuclio": {"v3io_stream": {**_STREAM, "shards": VALUE}}}, 2, 3),
    Each({"nuclio": {"v3io_stream": {**_STREAM, "max_workers": VALUE}}}, 2, 3),
)
OF_A_RUN: tuple[Each, ...] = (*_OF_THE_RUN, *OF_A_ROLE, *_OF_ONE_KIND)


def of_role(role: str, each: Each) -> Each:
    """Return a setting as one of a role's own."""
    return each._replace(within={"roles": {role: each.within}})
