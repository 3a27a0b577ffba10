"""The nats-server that the chart can bring: its users, and what the server says to it."""

from __future__ import annotations

import base64
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import pytest

from chart.objects import EVERYTHING, OWN_NATS, SERVICES, VARIANTS, named, rendered
from runbus_deploy.rendered import CHART


def test_the_charts_bus_has_a_password_for_each_user_that_a_server_reads_as_text() -> None:
    secret = named(rendered(EVERYTHING), "Secret", "runbus-nats")["data"]
    assert set(secret) == {*SERVICES, "init", "operator", "project-nlp", "project-cv"}
    passwords = [base64.b64decode(each).decode() for each in secret.values()]
    assert all(each.startswith("p") and len(each) == 41 for each in passwords)
    assert len(set(passwords)) == len(passwords)


@pytest.mark.parametrize("values", [OWN_NATS, EVERYTHING, VARIANTS["the chart's bus, no users"]])
def test_a_server_takes_the_configuration_of_the_charts_bus(
    values: dict[str, Any], tmp_path: Path
) -> None:
    objects = rendered(values)
    for name, text in named(objects, "ConfigMap", "runbus-nats")["data"].items():
        (tmp_path / name).write_text(text.replace("/data", str(tmp_path / "data")))
    (container,) = named(objects, "StatefulSet", "runbus-nats")["spec"]["template"]["spec"][
        "containers"
    ]
    binary = shutil.which("nats-server", path=sysconfig.get_path("scripts"))
    assert binary is not None
    done = subprocess.run(
        [binary, "-t", "-c", str(tmp_path / "nats-server.conf")],
        env={each["name"]: "p0" for each in container["env"]},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_charts_bus_has_the_users_of_the_generated_accounts() -> None:
    chart = named(rendered(OWN_NATS), "ConfigMap", "runbus-nats")["data"]["accounts.conf"]
    plain = (CHART.parents[1] / "nats/accounts.conf").read_text(encoding="utf-8")
    assert subjects_in(chart) == subjects_in(plain)


def subjects_in(conf: str) -> list[str]:
    """Return every quoted text, in order, with who may what around it."""
    return [each for each in conf.split('"')[1::2] if not each.endswith(("s", "conf"))]
