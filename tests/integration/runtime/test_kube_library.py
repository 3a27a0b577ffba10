"""The services' part of kubernetes_asyncio: light, and out of the way of the whole library."""

from __future__ import annotations

import subprocess
import sys


def ran(code: str) -> str:
    """Return what a fresh Python prints."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


LOAD = "import sys; from runbus.runtime.kube_library import kube_library; found = kube_library(); "


def test_no_models_are_imported() -> None:
    models = "[each for each in sys.modules if 'kubernetes_asyncio.client.models' in each]"

    assert ran(f"{LOAD}print({models})") == "[]"


def test_what_connects_is_there() -> None:
    code = (
        f"{LOAD}print(found.Configuration.__name__, found.RESTClientObject.__name__, "
        "found.config.ConfigException.__name__, found.kube_config.KubeConfigLoader.__name__)"
    )

    assert ran(code) == "Configuration RESTClientObject ConfigException KubeConfigLoader"


def test_the_whole_library_can_be_imported_afterwards() -> None:
    code = f"{LOAD}from kubernetes_asyncio import client, config; print(client.V1Pod.__name__)"

    assert ran(code) == "V1Pod"


def test_the_whole_library_stays_where_it_was_imported_before() -> None:
    code = (
        "import kubernetes_asyncio.client as client; "
        f"{LOAD}print(sys.modules['kubernetes_asyncio.client'] is client)"
    )

    assert ran(code) == "True"
