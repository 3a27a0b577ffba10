"""The chart installed by Helm on a real API server: what it makes, keeps over upgrades, and leaves.

Helm comes from the environment of `make chart`; without it the tests are skipped. The control plane
is older than what the chart asks for: a copy of it leaves out what that does not know, budgets.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
import shutil
import subprocess
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from support.control_plane.plane import ControlPlane
from support.control_plane.scripted import MERGE_PATCH

pytestmark = pytest.mark.system

ROOT = Path(__file__).resolve().parents[3]
PYTHON = ROOT / ".venv-chart/bin/python"
ACTION = ROOT / "tests/support/helm_action.py"
CHART = ROOT / "deploy/helm/runbus"
LIMIT_S = 120
VALUES: dict[str, Any] = {"nats": {"enabled": True}, "podDisruptionBudget": {"enabled": False}}
_RBAC = "/apis/rbac.authorization.k8s.io/v1"
KINDS = {
    "ConfigMap": "/api/v1/namespaces/{}/configmaps",
    "Secret": "/api/v1/namespaces/{}/secrets",
    "Service": "/api/v1/namespaces/{}/services",
    "ServiceAccount": "/api/v1/namespaces/{}/serviceaccounts",
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
    "StatefulSet": "/apis/apps/v1/namespaces/{}/statefulsets",
    "Job": "/apis/batch/v1/namespaces/{}/jobs",
    "NetworkPolicy": "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies",
    "Role": f"{_RBAC}/namespaces/{{}}/roles",
    "RoleBinding": f"{_RBAC}/namespaces/{{}}/rolebindings",
    "ClusterRole": f"{_RBAC}/clusterroles",
    "ClusterRoleBinding": f"{_RBAC}/clusterrolebindings",
}
_NUMBERS = count(1)


class Helm(Struct, frozen=True):
    """Helm in one namespace, as the administrator; the release is called runbus."""

    plane: ControlPlane
    namespace: str
    chart: Path

    def command(self, action: str) -> list[str]:
        where = (str(self.plane.kubeconfig()), self.namespace, str(self.chart), "runbus")
        return [str(PYTHON), str(ACTION), action, *where]

    def tried(self, action: str, values: dict[str, Any]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(action),
            input=json.dumps(values),
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )

    def done(self, action: str, values: dict[str, Any] = VALUES) -> None:
        done = self.tried(action, values)
        assert done.returncode == 0, done.stderr

    def objects(self) -> set[tuple[str, str]]:
        """Return kind and name of everything that says it is of this release."""
        selector = "?labelSelector=app.kubernetes.io/instance=runbus"
        found = set()
        for kind, path in KINDS.items():
            status, answer = self.plane.request("GET", path.format(self.namespace) + selector)
            assert status == 200, answer
            found |= {(kind, each["metadata"]["name"]) for each in answer["items"]}
        return {each for each in found if self.is_ours(*each)}

    def is_ours(self, kind: str, name: str) -> bool:
        return not kind.startswith("Cluster") or name.startswith(f"{self.namespace}-")

    def passwords(self) -> dict[str, str]:
        path = f"/api/v1/namespaces/{self.namespace}/secrets/runbus-nats"
        data = self.plane.request("GET", path)[1]["data"]
        return {name: base64.b64decode(text).decode() for name, text in data.items()}


@pytest.fixture
def helm(control_plane: ControlPlane, tmp_path: Path) -> Iterator[Helm]:
    if not PYTHON.exists():
        pytest.skip("Helm is not here: `make chart` installs it as a library")
    namespace = f"chart-{next(_NUMBERS)}"
    control_plane.create_namespace(namespace)
    chart = tmp_path / "runbus"
    shutil.copytree(CHART, chart)
    about = chart / "Chart.yaml"
    about.write_text(re.sub(r"kubeVersion:.*\n", "", about.read_text()))
    yield Helm(control_plane, namespace, chart)
    control_plane.request("DELETE", f"/api/v1/namespaces/{namespace}")


def test_an_older_kubernetes_is_refused_and_both_versions_are_named(helm: Helm) -> None:
    as_it_is = Helm(helm.plane, helm.namespace, CHART)
    told = as_it_is.tried("install", VALUES).stderr
    assert ">=1.27" in told
    assert "1.20" in told
    assert helm.objects() == set()


def test_everything_is_taken_by_the_server_and_nothing_but_data_is_left(helm: Helm) -> None:
    helm.done("install")
    made = helm.objects()
    assert {kind for kind, _ in made} == set(KINDS)
    services = ("spec-validator", "scheduler", "pod-launcher", "state-watcher", "aborter")
    assert {("Deployment", f"runbus-{each}") for each in services} <= made

    helm.done("uninstall")
    assert helm.objects() == set()
    path = f"/api/v1/namespaces/{helm.namespace}/secrets"
    left = helm.plane.request("GET", path)[1]["items"]
    assert [each for each in left if "service-account-token" not in each["type"]] == []


def test_an_upgrade_keeps_every_password_and_draws_those_that_are_new(helm: Helm) -> None:
    helm.done("install")
    before = helm.passwords()
    tenants = {**VALUES, "nats": {"enabled": True, "tenants": ["nlp"]}}

    helm.done("upgrade", tenants)
    after = helm.passwords()
    assert after.keys() - before.keys() == {"project-nlp"}
    assert {name: after[name] for name in before} == before

    helm.done("upgrade", tenants)
    assert helm.passwords() == after
    # A Job of each revision makes the streams; the one before is Helm's to remove.
    assert {name for kind, name in helm.objects() if kind == "Job"} == {"runbus-init-3"}


async def test_with_a_bus_of_ones_own_streams_are_made_before_any_service_starts(
    helm: Helm,
) -> None:
    auth = {"auth": {"existingSecret": "runbus-nats"}}
    process = await asyncio.create_subprocess_exec(
        *helm.command("install"), stdin=PIPE, stdout=PIPE, stderr=STDOUT
    )
    values = json.dumps({**VALUES, "nats": auth}).encode()
    job = f"{KINDS['Job'].format(helm.namespace)}/runbus-init"
    async with asyncio.timeout(LIMIT_S), asyncio.TaskGroup() as tasks:
        told = tasks.create_task(process.communicate(values))
        while (await asyncio.to_thread(helm.plane.request, "GET", job))[0] != 200:
            await asyncio.sleep(0.05)
        kinds = {kind for kind, _ in await asyncio.to_thread(helm.objects)}
        assert kinds == {"Job", "ServiceAccount", "NetworkPolicy"}
        done = {"status": {"succeeded": 1, "conditions": [{"type": "Complete", "status": "True"}]}}
        await asyncio.to_thread(helm.plane.request, "PATCH", f"{job}/status", done, MERGE_PATCH)
        out, _ = await told
    assert process.returncode == 0, out
    assert "Deployment" in {kind for kind, _ in helm.objects()}


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ({"serviceMonitor": {"enabled": True}}, "ServiceMonitor"),
        ({"keda": {"enabled": True}}, "ScaledObject"),
    ],
)
def test_without_its_definition_a_custom_resource_is_named_and_nothing_is_made(
    helm: Helm, values: dict[str, Any], kind: str
) -> None:
    told = helm.tried("install", {**VALUES, **values}).stderr
    assert f'no matches for kind "{kind}"' in told
    assert "CRDs" in told
    assert helm.objects() == set()


def test_a_namespace_of_runs_that_is_not_there_is_named(helm: Helm) -> None:
    told = helm.tried("install", {**VALUES, "namespaces": ["nowhere"]}).stderr
    assert 'namespaces "nowhere" not found' in told
