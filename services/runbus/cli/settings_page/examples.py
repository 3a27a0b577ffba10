"""One right value for each setting, and one whole document for each kind. Data; tests check it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runbus.contracts.states import Kind

EXAMPLES: Mapping[str, Any] = {
    "project": "nlp",
    "name": "finetune",
    "user": "data-team",
    "kind": "job",
    "function": "hub://finetune:1.2",
    "image": "registry.example.com/nlp/finetune:3",
    "command": "python",
    "args": ["-m", "nlp.finetune", "--epochs={epochs}"],
    "workdir": "/app",
    "parameters": {"epochs": 3},
    "env": [
        {"name": "EPOCHS", "value": "3"},
        {"name": "HF_TOKEN", "secret": {"name": "nlp-secrets", "key": "hf-token"}},
        {"name": "CFG", "config_map": {"name": "cfg", "key": "a.yaml"}},
        {"name": "POD", "field": "metadata.name"},
    ],
    "env_from": [{"secret": "nlp-env"}, {"config_map": "nlp-env"}],
    "image_pull_policy": "IfNotPresent",
    "image_pull_secret": "regcred",
    "replicas": 4,
    "min_replicas": 1,
    "max_replicas": 4,
    "target_cpu": 60,
    "resources": {
        "requests": {"cpu": "4", "memory": "16Gi"},
        "limits": {"memory": "32Gi"},
        "gpus": {"type": "nvidia.com/gpu", "count": 1},
    },
    "volumes": [
        {"name": "data", "pvc": "nlp-data", "mount": "/data", "sub_path": "a", "read_only": True},
        {"name": "cfg", "config_map": "cfg", "mount": "/cfg", "items": {"a": "a.txt"}},
        {"name": "key", "secret": "key", "mount": "/key"},
        {"name": "scratch", "empty_dir": {"medium": "Memory", "size": "8Gi"}, "mount": "/scratch"},
        {
            "name": "lake",
            "v3io": {"container": "projects", "path": "nlp", "secret": "v3io-key"},
            "mount": "/v3io",
        },
        {"name": "disk", "host_path": "/mnt/data", "mount": "/disk"},
    ],
    "auto_mount": False,
    "preemption_mode": "constrain",
    "priority_class": "high",
    "node_selector": {"pool": "gpu", "zone": ""},
    "node_name": "node-1",
    "tolerations": [
        {
            "key": "gpu",
            "operator": "Equal",
            "value": "yes",
            "effect": "NoExecute",
            "tolerationSeconds": 60,
        },
    ],
    "affinity": {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [
                    {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a", "b"]}]}
                ]
            }
        }
    },
    "service_account": "runner",
    "security_context": {"run_as_user": 1000, "run_as_group": 1000, "fs_group": 1000},
    "termination_grace_period": "25s",
    "state_thresholds": {
        "queued": "-1",
        "held": "2h",
        "pending_not_scheduled": "-1",
        "pending_scheduled": "1h",
        "image_pull_backoff": "30m",
        "running": "6h",
        "operator_silent": "10m",
        "total": "1d 12h",
    },
    "retry": {
        "limit": 2,
        "backoff": "30s",
        "backoff_max": "10m",
        "on": ["infrastructure", "image_pull_backoff"],
    },
    "queue": {"name": "nlp-batch", "system": "runbus"},
    "ttl_after_finish": "1h",
    "labels": {"team": "nlp"},
    "annotations": {"example.com/ticket": "NLP-7"},
    "log_level": "debug",
    "roles": {
        "executor": {
            "env": [{"name": "ROLE", "value": "executor"}],
            "resources": {"requests": {"cpu": "2", "memory": "8Gi"}},
            "preemption_mode": "allow",
            "priority_class": "low",
            "node_selector": {"pool": "cpu"},
            "tolerations": [{"key": "spot", "operator": "Exists"}],
            "affinity": {"podAntiAffinity": {}},
        }
    },
    "mpi": {
        "slots_per_worker": 2,
        "args": ["--allow-run-as-root"],
        "clean_pod_policy": "Running",
    },
    "spark": {
        "version": "3.5.6",
        "type": "Scala",
        "main_class": "com.example.Etl",
        "conf": {"spark.sql.shuffle.partitions": "64"},
    },
    "dask": {"mode": "cluster", "nthreads": 2, "idle_timeout": "30m"},
    "nuclio": {
        "handler": "main:handler",
        "runtime": "python:3.11",
        "readiness_timeout": "10m",
        "http": {
            "workers": 8,
            "worker_timeout": "30s",
            "gateway_timeout": "90s",
            "host": "ranker.example.com",
            "paths": ["/"],
        },
        "v3io_stream": {
            "path": "v3io:///projects/iot/events",
            "max_workers": 4,
            "name": "events",
            "group": "serving",
            "seek_to": "earliest",
            "shards": 3,
        },
    },
}

# What the settings of a kind are judged with: the least that each needs.
LEAST: Mapping[Kind, Mapping[str, Any]] = {
    Kind.JOB: {},
    Kind.MPIJOB: {"command": "python"},
    Kind.SPARK: {"command": "local:///app/etl.py", "spark": {"version": "3.5.6"}},
    Kind.DASK: {},
    Kind.NUCLIO: {"nuclio": {"handler": "main:handler", "runtime": "python:3.11"}},
    Kind.SERVING: {"nuclio": {"handler": "main:handler", "runtime": "python:3.11"}},
}

_IMAGE = "registry.example.com/nlp/finetune:3"
DOCUMENTS: Mapping[Kind, Mapping[str, Any]] = {
    Kind.JOB: {
        "project": "nlp", "name": "finetune", "kind": "job", "image": _IMAGE,
        "command": "python", "args": ["-m", "nlp.finetune", "--epochs={epochs}"],
        "parameters": {"epochs": 3},
        "env": [{"name": "HF_TOKEN", "secret": {"name": "nlp-secrets", "key": "hf-token"}}],
        "resources": {
            "requests": {"cpu": "4", "memory": "16Gi"}, "limits": {"memory": "32Gi"},
            "gpus": {"count": 1},
        },
        "volumes": [{"name": "data", "pvc": "nlp-data", "mount": "/data"}],
        "state_thresholds": {"image_pull_backoff": "30m", "running": "6h"},
        "retry": {"limit": 2, "on": ["infrastructure"]},
    },
    Kind.MPIJOB: {
        "project": "nlp", "name": "allreduce", "kind": "mpijob", "image": _IMAGE,
        "command": "python", "args": ["train.py"], "replicas": 4,
        "resources": {"requests": {"cpu": "8"}, "gpus": {"count": 1}},
        "roles": {"launcher": {"resources": {"requests": {"cpu": "1"}}}},
        "mpi": {"slots_per_worker": 1, "args": ["--allow-run-as-root"]},
    },
    Kind.SPARK: {
        "project": "nlp", "name": "etl", "kind": "spark", "image": _IMAGE,
        "command": "local:///app/etl.py", "replicas": 3, "spark": {"version": "3.5.6"},
        "roles": {
            "driver": {"resources": {"requests": {"cpu": "1", "memory": "2Gi"}}},
            "executor": {
                "resources": {"requests": {"cpu": "2", "memory": "8Gi"}},
                "preemption_mode": "allow",
            },
        },
    },
    Kind.DASK: {
        "project": "nlp", "name": "explore", "kind": "dask", "image": _IMAGE,
        "min_replicas": 0, "max_replicas": 8,
        "resources": {"requests": {"cpu": "2", "memory": "8Gi"}},
        "dask": {"mode": "cluster", "nthreads": 2, "idle_timeout": "30m"},
    },
    Kind.NUCLIO: {
        "project": "iot", "name": "ranker", "kind": "nuclio", "image": _IMAGE,
        "min_replicas": 0, "max_replicas": 4, "target_cpu": 60,
        "resources": {"requests": {"cpu": "500m"}},
        "nuclio": {
            "handler": "main:handler", "runtime": "python:3.11",
            "http": {"workers": 8, "host": "ranker.example.com", "paths": ["/"]},
        },
    },
    Kind.SERVING: {
        "project": "iot", "name": "scorer", "kind": "serving", "image": _IMAGE,
        "nuclio": {
            "handler": "main:handler", "runtime": "python:3.11",
            "v3io_stream": {"path": "v3io:///projects/iot/events", "shards": 3},
        },
    },
}  # fmt: skip
