"""What the chart grants each service on Kubernetes, from the manifests that lie in `deploy/`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from runbus.contracts.transitions import Publisher
from support.rbac import Grant, grants_of

RENDERED = Path(__file__).resolve().parents[2] / "deploy/rendered"
NAMESPACED = RENDERED / "rbac-namespaced.yaml"
CLUSTER_WIDE = RENDERED / "rbac-cluster-wide.yaml"
NAMESPACES = ("nlp", "cv")  # of the namespaced one


def manifests(path: Path) -> list[dict[str, Any]]:
    """Return the objects of a file."""
    return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))


def grants_of_services(path: Path = NAMESPACED) -> dict[Publisher, list[Grant]]:
    """Return the grants of each service, through the bindings of its account."""
    objects = manifests(path)
    return {publisher: _grants(objects, f"runbus-{publisher.value}") for publisher in Publisher}


def _grants(objects: list[dict[str, Any]], account: str) -> list[Grant]:
    found: list[Grant] = []
    for binding in objects:
        if account not in {each["name"] for each in binding.get("subjects", ())}:
            continue
        namespace = binding["metadata"].get("namespace", "")
        for role in objects:
            if role["kind"] == binding["roleRef"]["kind"] and (
                role["metadata"]["name"] == binding["roleRef"]["name"]
                and role["metadata"].get("namespace", "") == namespace
            ):
                found += grants_of(role["rules"], namespace)
    return found
