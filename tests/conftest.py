"""What holds for every test: how Hypothesis looks for counterexamples; a control plane, an image.

Slowness is not a counterexample: the machine may be busy with the other half of the suite. In
continuous integration the same examples are tried every time, so that a red build is red again.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from support.containers import BuiltImage, built
from support.control_plane.kubelet import QUICK_NODE, Kubelet
from support.control_plane.plane import ControlPlane, NotBuiltError, binaries

_NUMBERS = count(1)
ROOT = Path(__file__).resolve().parents[1]
IMAGE_BASE = ROOT / "tests/support/image_base.sh"

settings.register_profile("here", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("here"), derandomize=True, database=None)
settings.load_profile("ci" if os.environ.get("CI") else "here")


@pytest.fixture(scope="session")
def kube_binaries() -> Path:
    """The folder of etcd, kube-apiserver and the rest; without them the test is skipped.

    Continuous integration builds them first, so there a test that finds none fails.
    """
    try:
        return binaries()
    except NotBuiltError as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def control_plane(
    kube_binaries: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ControlPlane]:
    """A real control plane, one for all tests of a process: each uses namespaces of its own."""
    with ControlPlane(tmp_path_factory.mktemp("kube") / "plane", kube_binaries) as plane:
        yield plane


@pytest.fixture(scope="module")
def namespace(control_plane: ControlPlane) -> Iterator[str]:
    """A module's own namespace of the control plane."""
    name = f"module-{next(_NUMBERS)}"
    control_plane.create_namespace(name)
    yield name
    control_plane.request("DELETE", f"/api/v1/namespaces/{name}")


@pytest.fixture(scope="module")
def kubelet(
    control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Kubelet]:
    """The local cluster's runner as the kubelet of the node `worker`."""
    folder = tmp_path_factory.mktemp("node") / "kubelet"
    with Kubelet(control_plane, folder, node_name="worker", **QUICK_NODE) as kubelet:
        yield kubelet
    control_plane.request("DELETE", "/api/v1/nodes/worker")


@pytest.fixture(scope="session")
def built_image() -> Iterator[BuiltImage]:
    """The image, built for real; without a builder, root and a base the test is skipped."""
    found = subprocess.run([IMAGE_BASE, "--where"], capture_output=True, text=True, check=False)
    if found.returncode != 0:
        pytest.skip(found.stderr.strip())
    with built(ROOT, ROOT / "deploy/docker/Dockerfile", found.stdout.strip()) as image:
        yield image
