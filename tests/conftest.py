"""What holds for every test: how Hypothesis looks for counterexamples; a control plane, an image.

Slowness is not a counterexample: the machine may be busy with the other half of the suite. In
continuous integration the same examples are tried every time, so that a red build is red again.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from support.containers import BuiltImage, built
from support.control_plane.plane import ControlPlane

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "tests/support/control_plane/build.sh"
IMAGE_BASE = ROOT / "tests/support/image_base.sh"

settings.register_profile("here", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("here"), derandomize=True, database=None)
settings.load_profile("ci" if os.environ.get("CI") else "here")


@pytest.fixture(scope="session")
def kube_binaries() -> Path:
    """The folder of etcd, kube-apiserver and the rest; without them the test is skipped.

    Continuous integration builds them first, so there a test that finds none fails.
    """
    found = subprocess.run([BUILD, "--where"], capture_output=True, text=True, check=False)
    if found.returncode == 0:
        return Path(found.stdout.strip())
    why = found.stderr.strip() or "there is no Kubernetes control plane here: `make kube` builds it"
    if os.environ.get("CI"):
        pytest.fail(why)
    pytest.skip(why)


@pytest.fixture(scope="session")
def control_plane(
    kube_binaries: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ControlPlane]:
    """A real control plane, one for all tests of a process: each uses namespaces of its own."""
    with ControlPlane(tmp_path_factory.mktemp("kube") / "plane", kube_binaries) as plane:
        yield plane


@pytest.fixture(scope="session")
def built_image() -> Iterator[BuiltImage]:
    """The image, built for real; without a builder, root and a base the test is skipped."""
    found = subprocess.run([IMAGE_BASE, "--where"], capture_output=True, text=True, check=False)
    if found.returncode != 0:
        pytest.skip(found.stderr.strip())
    with built(ROOT, ROOT / "deploy/docker/Dockerfile", found.stdout.strip()) as image:
        yield image
