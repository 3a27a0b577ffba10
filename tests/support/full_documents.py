"""A document in which every setting of kind `job` is given, for tests of the whole way."""

from __future__ import annotations

from typing import Any

from support.documents import a_job

NODE_AFFINITY: dict[str, Any] = {
    "requiredDuringSchedulingIgnoredDuringExecution": {
        "nodeSelectorTerms": [
            {
                "matchExpressions": [
                    {"key": "zone", "operator": "In", "values": ["a"]},
                    {"key": "cores", "operator": "Gt", "values": ["4"]},
                ],
                "matchFields": [{"key": "metadata.name", "operator": "NotIn", "values": ["n"]}],
            }
        ]
    },
    "preferredDuringSchedulingIgnoredDuringExecution": [
        {"weight": 1, "preference": {"matchExpressions": [{"key": "a", "operator": "Exists"}]}}
    ],
}
POD_AFFINITY: dict[str, Any] = {
    "requiredDuringSchedulingIgnoredDuringExecution": [
        {
            "topologyKey": "zone",
            "labelSelector": {
                "matchLabels": {"a": "b"},
                "matchExpressions": [{"key": "c", "operator": "In", "values": ["d"]}],
            },
            "namespaces": ["nlp"],
            "namespaceSelector": {},
            "matchLabelKeys": ["e"],
        }
    ]
}
POD_ANTI_AFFINITY: dict[str, Any] = {
    "preferredDuringSchedulingIgnoredDuringExecution": [
        {"weight": 100, "podAffinityTerm": {"topologyKey": "kubernetes.io/hostname"}}
    ]
}
VOLUMES: list[dict[str, Any]] = [
    {"name": "p", "pvc": "p", "mount": "/p", "sub_path": "a", "read_only": True},
    {"name": "c", "config_map": "c", "mount": "/c", "items": {"a": "a.txt"}},
    {"name": "s", "secret": "s", "mount": "/s", "items": {"a": "a.txt"}},
    {"name": "e", "empty_dir": {"medium": "Memory", "size": "1Gi"}, "mount": "/dev/shm"},
]
ENV: list[dict[str, Any]] = [
    {"name": "A", "value": "1"},
    {"name": "B", "secret": {"name": "s", "key": "k"}},
    {"name": "C", "config_map": {"name": "c", "key": "k"}},
    {"name": "D", "field": "metadata.labels['runbus.dev/run-id']"},
]


def a_full_job(**settings: Any) -> dict[str, Any]:
    """Return a document with every setting; those given replace what is there."""
    every: dict[str, Any] = {
        "user": "data-team",
        "command": ["python", "-m"],
        "args": ["--epochs={epochs}"],
        "workdir": "/app",
        "parameters": {"epochs": 3},
        "env": ENV,
        "env_from": [{"secret": "s"}, {"config_map": "c"}],
        "image_pull_policy": "Always",
        "image_pull_secret": "regcred",
        "resources": {
            "requests": {"cpu": 0.5, "memory": "1Gi", "hugepages-2Mi": "64Mi"},
            "limits": {"memory": "2Gi", "example.com/fpga": 1},
            "gpus": {"count": 2},
        },
        "volumes": VOLUMES,
        "auto_mount": False,
        "preemption_mode": "allow",
        "priority_class": "high",
        "node_selector": {"pool": "gpu", "zone": ""},
        "node_name": "node-1",
        "tolerations": [
            {"key": "a", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 30},
            {"key": "b", "value": "c", "effect": "NoSchedule"},
        ],
        "affinity": {
            "nodeAffinity": NODE_AFFINITY,
            "podAffinity": POD_AFFINITY,
            "podAntiAffinity": POD_ANTI_AFFINITY,
        },
        "service_account": "runner",
        "security_context": {"run_as_user": 1000, "run_as_group": 1000, "fs_group": 1000},
        "termination_grace_period": "25s",
        "state_thresholds": {"executing": "6h", "total": "1d"},
        "retry": {"limit": 2, "backoff": "30s", "on": ["infrastructure", "OOMKilled"]},
        "ttl_after_finish": "-1",
        "labels": {"team": "nlp"},
        "annotations": {"example.com/owner": "me"},
        "log_level": "debug",
    }
    return a_job(**{**every, **settings})
