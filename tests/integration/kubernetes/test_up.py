"""`runbus up --context`: bus and services on this machine, the pods on a real Kubernetes."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.control_plane.kubelet import Kubelet
from support.control_plane.plane import ControlPlane
from support.ups import Up, a_document

pytestmark = pytest.mark.system


async def test_a_run_of_runbus_up_completes_on_the_cluster_of_a_context(
    control_plane: ControlPlane,
    kubelet: Kubelet,
    namespace: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(control_plane.kubeconfig()))
    defaults, document = tmp_path / "defaults.yaml", tmp_path / "run.yaml"
    defaults.write_text(f"namespaces: {{nlp: {namespace}}}\n")
    document.write_text(a_document("hello"))
    up = Up(tmp_path, "--context", "test", "--defaults", str(defaults))
    try:
        ran = await up.command("submit", "--watch", "-f", str(document))
        assert ran.code == 0, ran
        status, found = control_plane.request("GET", f"/api/v1/namespaces/{namespace}/pods")
        assert status == 200
        assert [each["spec"]["nodeName"] for each in found["items"]] == ["worker"]
    finally:
        code, _ = up.stop()
    assert code == 0
