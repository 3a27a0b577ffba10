"""Objects that cases create: no scheduler looks at the pods, and no token is mounted into them."""

from __future__ import annotations

from typing import Any

JsonObject = dict[str, Any]


def a_pod(name: str = "a", **spec: Any) -> JsonObject:
    """Return a pod with the lists that patches merge by their keys."""
    main = {
        "name": "main",
        "image": "x:1",
        "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
        "ports": [{"containerPort": 80}],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"a": "1"}, "annotations": {"n": "1"}},
        "spec": {
            "schedulerName": "nobody",
            "automountServiceAccountToken": False,
            "containers": [main],
            "volumes": [{"name": "v", "emptyDir": {}}],
            **spec,
        },
    }


def a_map(name: str = "a", data: Any = None, **metadata: Any) -> JsonObject:
    """Return a config map, whole so that it can be applied."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, **metadata},
        "data": {"k": "v"} if data is None else data,
    }


def owned_by(owner: JsonObject, **more: Any) -> JsonObject:
    """Return the metadata of what belongs to an object."""
    meta = owner["metadata"]
    reference = {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": meta["name"],
        "uid": meta["uid"],
    }
    return {"ownerReferences": [{**reference, **more}]}
