"""The chart, rendered as Helm renders it: valid, restricted, and with what each service needs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import helm_python
import jsonschema
import kubernetes_validate
import pytest
import yaml

from chart.objects import (
    CUSTOM,
    EVERYTHING,
    OWN_NATS,
    SERVICES,
    each_service,
    each_variant,
    environment,
    named,
    of_kind,
    pods,
    rendered,
)
from runbus_deploy.rendered import CHART, OWN_BUS, SECRET


@each_variant
def test_every_object_fits_kubernetes_own_schema(values: dict[str, Any]) -> None:
    for each in rendered(values):
        if each["kind"] not in CUSTOM:
            kubernetes_validate.validate(each, "1.33", strict=True)


@pytest.mark.parametrize("values", [OWN_NATS, {**OWN_BUS}])
def test_helms_own_lint_has_nothing_to_say(values: dict[str, Any]) -> None:
    found = helm_python.lint(CHART, values, strict=True)
    assert found["errors"] == []
    assert [each["error"] for each in found["messages"]] == ["icon is recommended"]


@each_variant
def test_each_object_is_there_once(values: dict[str, Any]) -> None:
    keys = [
        (each["kind"], each["metadata"].get("namespace"), each["metadata"]["name"])
        for each in rendered(values)
    ]
    assert len(keys) == len(set(keys))


@each_variant
def test_every_pod_is_restricted(values: dict[str, Any]) -> None:
    for name, spec in pods(rendered(values)):
        security = spec["securityContext"]
        assert security["runAsNonRoot"] is True, name
        assert security["runAsUser"] > 10_000
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
        for container in spec["containers"]:
            own = container["securityContext"]
            assert own["allowPrivilegeEscalation"] is False
            assert own["readOnlyRootFilesystem"] is True
            assert own["capabilities"] == {"drop": ["ALL"]}
            assert set(container["resources"]) == {"requests", "limits"}
        allowed = {"configMap", "secret", "emptyDir"}
        assert {kind for each in spec["volumes"] for kind in each if kind != "name"} <= allowed


@each_variant
def test_a_token_for_kubernetes_is_where_it_is_used_and_nowhere_else(
    values: dict[str, Any],
) -> None:
    objects = rendered(values)
    with_token = {name for name, spec in pods(objects) if spec["automountServiceAccountToken"]}
    assert with_token == {
        "runbus-spec-validator",
        "runbus-pod-launcher",
        "runbus-state-watcher",
        "runbus-aborter",
    }
    assert all(
        each["automountServiceAccountToken"] is False for each in of_kind(objects, "ServiceAccount")
    )


@each_service
def test_a_service_runs_by_its_command_under_its_account(service: str) -> None:
    objects = rendered(OWN_BUS)
    spec = named(objects, "Deployment", f"runbus-{service}")["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    assert container["args"] == ["services", "run", service]
    assert spec["serviceAccountName"] == f"runbus-{service}"
    assert named(objects, "ServiceAccount", f"runbus-{service}")


@each_service
def test_a_service_mounts_its_own_password_and_no_other(service: str) -> None:
    objects = rendered(OWN_BUS)
    spec = named(objects, "Deployment", f"runbus-{service}")["spec"]["template"]["spec"]
    (volume,) = [each for each in spec["volumes"] if "secret" in each]
    assert volume["secret"]["secretName"] == SECRET
    assert volume["secret"]["items"] == [{"key": service, "path": "password"}]
    found = environment(objects, service)
    assert found["RUNBUS_NATS_USER"] == service
    assert found["RUNBUS_NATS_PASSWORD_FILE"] == "/run/secrets/runbus/nats/password"
    assert "@" not in found["RUNBUS_NATS_URL"]


@each_service
def test_a_service_is_probed_and_given_time_to_drain(service: str) -> None:
    spec = named(rendered(OWN_BUS), "Deployment", f"runbus-{service}")["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    assert container["livenessProbe"]["httpGet"] == {"path": "/livez", "port": "health"}
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert spec["terminationGracePeriodSeconds"] == 15


def test_the_grace_follows_the_drain() -> None:
    spec = named(rendered(EVERYTHING), "Deployment", "runbus-aborter")["spec"]["template"]["spec"]
    assert spec["terminationGracePeriodSeconds"] == 18


def test_settings_reach_the_environment_as_it_is_read() -> None:
    found = environment(rendered(EVERYTHING), "spec-validator")
    assert found["RUNBUS_FUNCTION_SOURCES"] == "hub=https://a,team=/srv"
    assert found["RUNBUS_IN_HAND_MAX"] == "1000000"
    assert environment(rendered(EVERYTHING), "aborter")["RUNBUS_DRAIN_S"] == "12.5"


def test_the_defaults_file_reaches_those_that_read_it() -> None:
    objects = rendered(EVERYTHING)
    reading = {name for name in SERVICES if "RUNBUS_DEFAULTS_FILE" in environment(objects, name)}
    assert reading == {"spec-validator", "scheduler"}
    text = named(objects, "ConfigMap", "runbus-defaults")["data"]["defaults.yaml"]
    assert text == "limits: {concurrent_runs: 9}\n"


def test_services_are_told_the_namespaces_of_their_roles() -> None:
    own = rendered(OWN_BUS)
    assert environment(own, "state-watcher")["RUNBUS_NAMESPACES"] == "runbus"
    assert environment(rendered(EVERYTHING), "aborter")["RUNBUS_NAMESPACES"] == "nlp,cv"
    wide = rendered({**OWN_BUS, "clusterWide": True})
    assert not any("RUNBUS_NAMESPACES" in environment(wide, service) for service in SERVICES)


def test_streams_are_made_before_services_start_where_the_bus_is_there() -> None:
    job = named(rendered(OWN_BUS), "Job", "runbus-init")
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    own = named(rendered(OWN_NATS), "Job", "runbus-init-1")
    assert "annotations" not in own["metadata"]
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["args"] == ["init", "--replicas", "1"]


def test_scaling_by_lag_leaves_the_number_of_replicas_alone_and_leases_out() -> None:
    objects = rendered(EVERYTHING)
    scaled = {each["metadata"]["name"]: each for each in of_kind(objects, "ScaledObject")}
    assert set(scaled) == {"runbus-spec-validator", "runbus-pod-launcher", "runbus-aborter"}
    triggers = scaled["runbus-aborter"]["spec"]["triggers"]
    assert [each["metadata"]["consumer"] for each in triggers] == [
        "aborter-abort",
        "aborter-cleanup",
        "aborter-evidence",
    ]
    for service in SERVICES:
        spec = named(objects, "Deployment", f"runbus-{service}")["spec"]
        assert ("replicas" in spec) is (f"runbus-{service}" not in scaled)


def test_each_service_with_replicas_has_a_budget() -> None:
    budgets = of_kind(rendered(OWN_BUS), "PodDisruptionBudget")
    assert {each["metadata"]["name"] for each in budgets} == {f"runbus-{n}" for n in SERVICES}
    one = rendered({**OWN_BUS, "services": {"scheduler": {"replicas": 1}}})
    assert len(of_kind(one, "PodDisruptionBudget")) == len(SERVICES) - 1


def test_with_a_digest_the_tag_does_not_count() -> None:
    digest = "sha256:" + "a" * 64
    objects = rendered({**OWN_BUS, "image": {"repository": "r.example.com/x", "digest": digest}})
    images = {c["image"] for _, spec in pods(objects) for c in spec["containers"]}
    assert images == {f"r.example.com/x@{digest}"}


def test_custom_resources_fit_their_definitions_where_these_are_at_hand() -> None:
    data = os.environ.get("RUNBUS_TEST_DATA")
    if not data:
        pytest.skip("RUNBUS_TEST_DATA names no folder with definitions of custom resources")
    crd = yaml.safe_load((Path(data) / "crds/keda/scaledobject.yaml").read_text(encoding="utf-8"))
    (version,) = [v for v in crd["spec"]["versions"] if v["name"] == "v1alpha1"]
    for each in of_kind(rendered(EVERYTHING), "ScaledObject"):
        jsonschema.validate(each, version["schema"]["openAPIV3Schema"])


@each_service
def test_traces_go_to_the_collector_that_is_named(service: str) -> None:
    told = environment(rendered(EVERYTHING), service)
    assert told["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://collector:4318"
    assert told["OTEL_TRACES_SAMPLER"] == "always_on"
    assert not any(name.startswith("OTEL_") for name in environment(rendered(OWN_NATS), service))
