"""Builders of run documents for tests, and the objects that a document comes to.

`a_job()` is the least that a user can write; settings are given by name and replace what is
there. `effective()` is the same as a Struct, without any defaults, as if settings had judged it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from runbus.contracts.document import RunDocument
from runbus.contracts.placement import Platform
from runbus.pod_launcher.manifest import Manifest, render

RUN_ID = "0f3a9c1d7b52"


def a_job(**settings: Any) -> dict[str, Any]:
    """Return a document as a user writes it; a setting of None is left out."""
    least = {
        "project": "nlp",
        "name": "finetune",
        "kind": "job",
        "image": "registry.example.com/nlp/finetune:3",
    }
    return {key: value for key, value in {**least, **settings}.items() if value is not None}


def effective(**settings: Any) -> RunDocument:
    """Return a document as a Struct, without defaults."""
    return msgspec.convert(a_job(**settings), RunDocument)


def rendered(document: RunDocument, *, attempt: int = 1, namespace: str = "nlp") -> Manifest:
    """Return the one object of a document."""
    (pod,) = render(document, run_id=RUN_ID, attempt=attempt, shard="2a", namespace=namespace)
    return pod


def a_pod_of(**settings: Any) -> Any:
    """Return the pod of a job with these settings, to be looked into."""
    return rendered(effective(**settings))


def objects_of(
    kind: str, *, order: int = 0, platform: Mapping[str, Any] | None = None, **settings: Any
) -> list[Any]:
    """Return the objects of a document of a kind with these settings, to be looked into."""
    return render(
        effective(kind=kind, **settings),
        run_id=RUN_ID,
        attempt=1,
        shard="2a",
        namespace="nlp",
        platform=msgspec.convert(platform or {}, Platform),
        order=order,
    )


def data_folder(name: str) -> Path:
    """Return a folder of the shared test data, or skip the test where there is none."""
    root = os.environ.get("RUNBUS_TEST_DATA")
    if not root:
        pytest.skip("RUNBUS_TEST_DATA is not set: the shared test data is not here")
    folder = Path(root) / name
    if not folder.is_dir():
        pytest.skip(f"RUNBUS_TEST_DATA has no {name}")
    return folder


def read_yaml(path: Path) -> Any:
    """Return the content of a YAML file of the test data."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))
