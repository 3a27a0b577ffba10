"""Runs that are held back until a test gives them what they wait for: a file, a secret."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from support.chaos import Chaos
from support.cluster import until
from support.system import sleeping


def waiting_for(file: Path) -> list[str]:
    """Return a command that ends with 0 once a file is there."""
    return ["sh", "-c", f"until [ -e '{file}' ]; do sleep 0.05; done"]


def waiting_for_secret(name: str, **settings: Any) -> dict[str, Any]:
    """Return the settings of a run whose pod cannot start before a secret is there."""
    return {
        "command": sleeping(1),
        "env": [{"name": "X", "secret": {"name": name, "key": "x"}}],
        "state_thresholds": {"pending_scheduled": "1s"},
    } | settings


async def give_secret(chaos: Chaos, name: str) -> None:
    body = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name},
        "data": {"x": "MQ=="},
    }
    path = f"/api/v1/namespaces/{chaos.namespace}/secrets"
    status, answer = await chaos.system.kube("POST", path, body)
    assert status == 201, answer


async def until_phase(chaos: Chaos, run_id: str, phase: str) -> None:
    async def reached() -> bool:
        pods = await chaos.system.pods_of(run_id)
        return [pod["status"]["phase"] for pod in pods] == [phase]

    await until(reached, 60)
