"""The nats-server that the chart can bring: its users, and what the server says to it."""

from __future__ import annotations

import base64
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import pytest

from chart.objects import (
    EVERYTHING,
    OWN_NATS,
    SERVICES,
    VARIANTS,
    environment,
    named,
    pods,
    refused,
    rendered,
)
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


AUTH = {"existingSecret": "runbus-nats"}
OVER_TLS: dict[str, Any] = {
    "nats": {"url": "tls://nats:4222", "auth": AUTH, "tls": {"existingSecret": "ca"}}
}
MUTUAL: dict[str, Any] = {
    "nats": {**OVER_TLS["nats"], "tls": {"existingSecret": "ca", "clientCertificate": True}}
}


@pytest.mark.parametrize(
    ("values", "files"), [(OVER_TLS, {"ca.crt"}), (MUTUAL, {"ca.crt", "tls.crt", "tls.key"})]
)
def test_each_pod_gets_the_authority_of_the_bus_and_where_asked_for_a_certificate(
    values: dict[str, Any], files: set[str]
) -> None:
    for name, pod in pods(rendered(values)):
        (volume,) = [each for each in pod["volumes"] if each["name"] == "nats-tls"]
        assert volume["secret"]["secretName"] == "ca"
        assert {each["path"] for each in volume["secret"]["items"]} == files
        (container,) = pod["containers"]
        (mount,) = [each for each in container["volumeMounts"] if each["name"] == "nats-tls"]
        told = {each["name"]: each.get("value") for each in container["env"]}
        paths = {path for key, path in told.items() if key.startswith("RUNBUS_NATS_") and path}
        assert {f"{mount['mountPath']}/{file}" for file in files} <= paths, name


def test_without_tls_no_pod_is_told_of_certificates() -> None:
    told = environment(rendered(OWN_NATS), "scheduler")
    assert not {"RUNBUS_NATS_CA_FILE", "RUNBUS_NATS_CERT_FILE", "RUNBUS_NATS_KEY_FILE"} & set(told)


def test_tls_that_would_not_be_spoken_is_refused() -> None:
    plain = {"nats": {**OVER_TLS["nats"], "url": "nats://nats:4222"}}
    assert "needs an address that begins with tls://" in refused(plain)
    own = {"nats": {"enabled": True, "tls": {"existingSecret": "ca"}}}
    assert "that of this chart speaks no TLS" in refused(own)
    lone = {"nats": {"auth": AUTH, "tls": {"clientCertificate": True}}}
    assert "needs nats.tls.existingSecret" in refused(lone)


def subjects_in(conf: str) -> list[str]:
    """Return every quoted text, in order, with who may what around it."""
    return [each for each in conf.split('"')[1::2] if not each.endswith(("s", "conf"))]
