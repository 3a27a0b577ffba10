"""Documents per CPU second: validated, merged with the defaults, and rendered, by kind.

One process, no bus: what spec-validator and pod-launcher compute for a document.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from bench.figures import Figure, Outcome, of_repeats
from bench.settings import Setting
from bench.synthetic import run_id
from runbus.contracts.identity import shard_of
from runbus.pod_launcher.manifest import render
from runbus.settings.defaults import Defaults
from runbus.settings.model import Refused
from runbus.settings.reading import read_json
from runbus.settings.resolve import document_hash, resolve

LEAST: dict[str, Any] = {
    "project": "nlp",
    "name": "finetune",
    "kind": "job",
    "image": "registry.example.com/nlp/finetune:3",
    "command": "python",
    "args": ["-m", "nlp.finetune", "--epochs", "{epochs}"],
    "parameters": {"epochs": 3},
}
MANY: dict[str, Any] = {
    **LEAST,
    "user": "data-team",
    "env": [
        {"name": "EPOCHS", "value": "3"},
        {"name": "HF_TOKEN", "secret": {"name": "nlp-secrets", "key": "hf-token"}},
        {"name": "POD", "field": "metadata.name"},
    ],
    "env_from": [{"secret": "nlp-env"}],
    "resources": {
        "requests": {"cpu": "4", "memory": "16Gi"},
        "limits": {"memory": "32Gi"},
        "gpus": {"type": "nvidia.com/gpu", "count": 1},
    },
    "volumes": [
        {"name": "data", "pvc": "nlp-data", "mount": "/data", "read_only": True},
        {"name": "shm", "empty_dir": {"medium": "Memory", "size": "8Gi"}, "mount": "/dev/shm"},
    ],
    "node_selector": {"pool": "gpu"},
    "state_thresholds": {"pending_scheduled": "1h", "image_pull_backoff": "30m", "running": "6h"},
    "retry": {"limit": 2, "backoff": "30s", "on": ["infrastructure", "image_pull_backoff"]},
    "labels": {"team": "nlp"},
}
DISTRIBUTED: dict[str, Any] = {
    "project": "nlp",
    "name": "finetune",
    "image": "registry.example.com/nlp/finetune:3",
    "env": MANY["env"],
    "volumes": MANY["volumes"],
    "priority_class": "high",
}
SMALL: dict[str, Any] = {"requests": {"cpu": "500m", "memory": "1Gi"}}
FUNCTION: dict[str, Any] = {
    **DISTRIBUTED,
    "resources": MANY["resources"],
    "nuclio": {"handler": "main:handler", "runtime": "python:3.11", "http": {"workers": 8}},
}
STREAM: dict[str, Any] = {"path": "v3io:///projects/iot/events", "shards": 3}
DOCUMENTS: Mapping[str, dict[str, Any]] = {
    "job": LEAST,
    "job_many_settings": MANY,
    "mpijob": {
        **DISTRIBUTED,
        "kind": "mpijob",
        "command": "python",
        "args": ["train.py"],
        "replicas": 4,
        "resources": MANY["resources"],
        "roles": {"launcher": {"resources": SMALL}},
    },
    "spark": {
        **DISTRIBUTED,
        "kind": "spark",
        "command": "local:///opt/app/agg.py",
        "replicas": 3,
        "spark": {"version": "3.5.6", "conf": {"spark.sql.shuffle.partitions": "64"}},
        "roles": {"driver": {"resources": SMALL}, "executor": {"resources": SMALL}},
    },
    "dask": {
        **DISTRIBUTED,
        "kind": "dask",
        "min_replicas": 1,
        "max_replicas": 4,
        "resources": MANY["resources"],
        "roles": {"scheduler": {"resources": SMALL}},
        "dask": {"nthreads": 2, "idle_timeout": "30m"},
    },
    "nuclio": {**FUNCTION, "kind": "nuclio", "min_replicas": 1, "max_replicas": 4},
    "serving": {
        **FUNCTION,
        "kind": "serving",
        "nuclio": {**FUNCTION["nuclio"], "v3io_stream": STREAM},
    },
}


async def run(setting: Setting) -> Outcome:
    """Judge and render each document over and over."""
    count = setting.pick(full=5000, quick=2000, smoke=20)
    repeats = setting.pick(full=5, quick=3, smoke=1)
    figures: list[Figure] = []
    for name, document in DOCUMENTS.items():
        body = msgspec.json.encode(document)
        rates = [_rate(body, count) for _ in range(repeats)]
        title = f"{name.replace('_', ' ')}: validate, merge, render"
        figures.append(of_repeats(f"rate_{name}", title, rates, "documents/CPU s"))
    sizes = {
        f"document {name}": f"{len(msgspec.json.encode(each))} bytes"
        for name, each in DOCUMENTS.items()
    }
    return Outcome(figures=tuple(figures), conditions=sizes)


def _rate(body: bytes, count: int) -> float:
    defaults, now = Defaults(), datetime.now(UTC)
    before = time.process_time()
    for number in range(count):
        _one(body, run_id("d", number), defaults, now)
    return count / (time.process_time() - before)


def _one(body: bytes, own_id: str, defaults: Defaults, now: datetime) -> None:
    raw = read_json(body)
    assert not isinstance(raw, Refused), raw
    resolved = resolve(raw.value, project="nlp", defaults=defaults, default_user="ada")
    assert not isinstance(resolved, Refused), resolved
    document_hash(raw.value)
    objects = render(
        resolved.document,
        run_id=own_id,
        attempt=1,
        shard=shard_of(own_id),
        namespace=resolved.namespace,
        platform=resolved.platform,
    )
    msgspec.json.encode(objects[0])
