"""Who may reach whom: each policy lets through what its pods use, and nothing else.

What the services use is observed on running ones, in tests/integration/deploy/test_least_rights.py.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from chart.objects import EVERYTHING, OWN_NATS, SERVICES, each_service, named, of_kind, rendered
from runbus_deploy.rendered import CHART, OWN_BUS

RIGHTS = json.loads((CHART / "files/rights.json").read_text(encoding="utf-8"))
NAMES = {("UDP", 53), ("TCP", 53)}
BUS = {"app.kubernetes.io/component": "nats"}


def policy(values: dict[str, Any], part: str) -> dict[str, Any]:
    spec: dict[str, Any] = named(rendered(values), "NetworkPolicy", f"runbus-{part}")["spec"]
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    return spec


def ways_out(spec: dict[str, Any]) -> set[tuple[str, int]]:
    ports = [port for rule in spec["egress"] for port in rule["ports"]]
    return {(port.get("protocol", "TCP"), port["port"]) for port in ports}


@each_service
def test_a_service_reaches_names_the_bus_and_where_it_asks_kubernetes_the_api_server(
    service: str,
) -> None:
    asks = bool(RIGHTS[service]["namespaced"] or RIGHTS[service]["cluster"])
    api_server = {("TCP", 443), ("TCP", 6443)} if asks else set()
    assert ways_out(policy(OWN_BUS, service)) == NAMES | {("TCP", 4222)} | api_server


@each_service
def test_a_service_is_reached_by_metrics_and_probes_only(service: str) -> None:
    (ingress,) = policy(OWN_BUS, service)["ingress"]
    assert ingress == {"from": [{"podSelector": {}}], "ports": [{"port": "health"}]}


def test_init_reaches_names_and_the_bus_and_nobody_reaches_it() -> None:
    spec = policy(OWN_BUS, "init")
    assert ways_out(spec) == NAMES | {("TCP", 4222)}
    assert "ingress" not in spec


@pytest.mark.parametrize("part", [*SERVICES, "init"])
def test_the_bus_of_the_chart_is_reached_at_its_pods_alone(part: str) -> None:
    spec = policy(OWN_NATS, part)
    (rule,) = [each for each in spec["egress"] if {"port": 4222} in each["ports"]]
    (peer,) = rule["to"]
    assert BUS.items() <= peer["podSelector"]["matchLabels"].items()


def test_the_bus_of_the_chart_is_reached_by_clients_its_peers_and_who_reads_its_monitoring() -> (
    None
):
    spec = policy(OWN_NATS, "nats")
    by_port = {rule["ports"][0]["port"]: rule.get("from") for rule in spec["ingress"]}
    assert by_port["client"] is None  # people and tenants come from anywhere, with a password
    assert by_port["monitoring"] == [{"podSelector": {}}]
    (peer,) = by_port["cluster"]
    assert BUS.items() <= peer["podSelector"]["matchLabels"].items()
    assert ways_out(spec) == NAMES | {("TCP", 6222)}


def test_where_keda_scales_it_reaches_the_monitoring() -> None:
    spec = policy(EVERYTHING, "nats")
    (rule,) = [each for each in spec["ingress"] if each["ports"][0]["port"] == "monitoring"]
    keda = {"matchLabels": {"kubernetes.io/metadata.name": "keda"}}
    assert {"namespaceSelector": keda} in rule["from"]


@each_service
def test_who_traces_reaches_the_collector(service: str) -> None:
    assert ("TCP", 4318) not in ways_out(policy(OWN_NATS, service))
    assert ("TCP", 4318) in ways_out(policy(EVERYTHING, service))


def test_names_are_asked_for_at_the_ports_of_the_clusters_own_dns() -> None:
    objects = rendered({**OWN_NATS, "networkPolicy": {"dnsPorts": [5353]}})
    for each in of_kind(objects, "NetworkPolicy"):
        ways = ways_out(each["spec"])
        assert {("UDP", 5353), ("TCP", 5353)} <= ways
        assert not NAMES & ways


def test_who_reads_metrics_from_elsewhere_is_let_in_everywhere() -> None:
    prometheus = [{"namespaceSelector": {"matchLabels": {"team": "monitoring"}}}]
    objects = rendered({**OWN_NATS, "networkPolicy": {"metricsFrom": prometheus}})
    for part in (*SERVICES, "nats"):
        spec = named(objects, "NetworkPolicy", f"runbus-{part}")["spec"]
        ports = {"health", "monitoring"}
        found = [rule for rule in spec["ingress"] if rule["ports"][0]["port"] in ports]
        assert [rule["from"] for rule in found] == [prometheus]
