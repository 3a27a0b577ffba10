"""A raw run document that gives every setting once, each of them right and in its normal form.

Right for its structure: which kind can do what is for the settings. `replicas` is not among them,
because of the range.
"""

from __future__ import annotations

from typing import Any

WHOLE: dict[str, Any] = {
    "project": "nlp",
    "name": "finetune",
    "user": "data-team",
    "kind": "job",
    "function": "hub://team/finetune:1.2",
    "image": "registry.example.com/nlp/finetune@sha256:" + "0" * 64,
    "image_pull_policy": "IfNotPresent",
    "image_pull_secret": "regcred",
    "command": ["python"],
    "args": ["-m", "nlp.finetune", "--epochs={epochs}", ""],
    "workdir": "/app",
    "parameters": {"epochs": 3, "nested": {"a": [1, 2.5, None, True, "x"]}},
    "env": [
        {"name": "EPOCHS", "value": "3"},
        {"name": "EMPTY", "value": ""},
        {"name": "HF_TOKEN", "secret": {"name": "nlp-secrets", "key": "hf-token"}},
        {"name": "CFG", "config_map": {"name": "cfg", "key": "a.yaml"}},
        {"name": "POD", "field": "metadata.name"},
        {"name": "TEAM", "field": "metadata.labels['example.com/team']"},
    ],
    "env_from": [{"secret": "nlp-env"}, {"config_map": "nlp-env"}],
    "resources": {
        "requests": {"cpu": "4", "memory": "16Gi"},
        "limits": {"memory": "32Gi", "ephemeral-storage": "1e9"},
        "gpus": {"type": "nvidia.com/gpu", "count": 1},
    },
    "volumes": [
        {"name": "data", "pvc": "d", "mount": "/data", "sub_path": "a/b", "read_only": True},
        {"name": "cfg", "config_map": "cfg", "mount": "/cfg", "items": {"a": "a.txt"}},
        {"name": "key", "secret": "key", "mount": "/key"},
        {"name": "shm", "empty_dir": {"medium": "Memory", "size": "8Gi"}, "mount": "/dev/shm"},
        {"name": "tmp", "empty_dir": {}, "mount": "/tmp"},
        {
            "name": "lake",
            "v3io": {"container": "projects", "path": "nlp/raw", "secret": "v3io-key"},
            "mount": "/v3io",
        },
        {"name": "home", "v3io": {"path": "~", "secret": "v3io-key"}, "mount": "/User"},
        {"name": "h", "host_path": "/mnt/x", "mount": "/x"},
    ],
    "min_replicas": 1,
    "max_replicas": 4,
    "target_cpu": 60,
    "auto_mount": False,
    "preemption_mode": "constrain",
    "priority_class": "high",
    "node_selector": {"pool": "gpu", "zone": ""},
    "node_name": "node-1",
    "tolerations": [
        {"key": "spot", "operator": "Equal", "value": "yes", "effect": "NoSchedule"},
        {"key": "a", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 60},
        {"operator": "Exists"},
        {"key": "b"},
    ],
    "affinity": {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [
                    {
                        "matchExpressions": [
                            {"key": "zone", "operator": "In", "values": ["a", "b"]},
                            {"key": "cores", "operator": "Gt", "values": ["8"]},
                            {"key": "ssd", "operator": "Exists"},
                        ]
                    },
                    {
                        "matchFields": [
                            {"key": "metadata.name", "operator": "NotIn", "values": ["node-2"]}
                        ]
                    },
                ]
            },
            "preferredDuringSchedulingIgnoredDuringExecution": [
                {"weight": 100, "preference": {"matchExpressions": []}}
            ],
        },
        "podAntiAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": [
                {
                    "topologyKey": "kubernetes.io/hostname",
                    "labelSelector": {
                        "matchLabels": {"app": "x"},
                        "matchExpressions": [{"key": "b", "operator": "DoesNotExist"}],
                    },
                    "namespaces": ["nlp"],
                }
            ]
        },
    },
    "service_account": "runner",
    "security_context": {"run_as_user": 1000, "run_as_group": 0, "fs_group": 1000},
    "termination_grace_period": "25s",
    "state_thresholds": {"pending_not_scheduled": "-1", "image_pull_backoff": "30m", "total": "1w"},
    "retry": {
        "limit": 2,
        "backoff": "30s",
        "backoff_max": "10m",
        "on": ["infrastructure", "image_pull_backoff", "OOMKilled"],
    },
    "ttl_after_finish": "-1",
    "labels": {"team": "nlp", "example.com/cost": ""},
    "annotations": {"example.com/note": "any text\nwith lines"},
    "log_level": "debug",
    "queue": {"name": "nlp-batch", "system": "kueue"},
    "roles": {
        "launcher": {"resources": {"requests": {"cpu": "1"}}},
        "worker": {"node_selector": {"pool": "", "zone": "a"}, "priority_class": "high"},
        "driver": {"preemption_mode": "prevent", "env": [{"name": "A", "value": "1"}]},
        "executor": {"tolerations": [{"operator": "Exists"}], "preemption_mode": "allow"},
        "scheduler": {"affinity": {"podAntiAffinity": {}}},
        "runner": {"resources": {"gpus": {"count": 0}}},
    },
    "mpi": {"slots_per_worker": 2, "args": ["--allow-run-as-root"], "clean_pod_policy": "All"},
    "spark": {"version": "3.5.6", "type": "Scala", "main_class": "a.B", "conf": {"a.b": "c"}},
    "dask": {"mode": "job", "nthreads": 2, "idle_timeout": "30m"},
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
            "name": "events",
            "group": "serving",
            "seek_to": "earliest",
            "shards": 3,
            "max_workers": 4,
        },
    },
}
