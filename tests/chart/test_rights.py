"""Each service's Role, its bindings, and nothing that a service does not use."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chart.objects import VARIANTS, each_service, each_variant, of_kind, rendered
from runbus_deploy.rendered import CHART, OWN_BUS


@each_service
@pytest.mark.parametrize("values", [OWN_BUS, {**OWN_BUS, "clusterWide": True}])
def test_a_role_holds_the_services_rights_and_no_more(service: str, values: dict[str, Any]) -> None:
    rights = json.loads((CHART / "files/rights.json").read_text(encoding="utf-8"))[service]
    name, objects = f"runbus-{service}", rendered(values)
    roles = [each["rules"] for each in of_kind(objects, "Role") if each["metadata"]["name"] == name]
    wide = [
        each["rules"]
        for each in of_kind(objects, "ClusterRole")
        if each["metadata"]["name"] == f"runbus-{name}"
    ]
    if values.get("clusterWide"):
        assert roles == []
        both = rights["namespaced"] + rights["cluster"]
        assert wide == ([both] if both else [])
    else:
        assert roles == ([rights["namespaced"]] if rights["namespaced"] else [])
        assert wide == ([rights["cluster"]] if rights["cluster"] else [])


@each_variant
def test_no_rule_has_a_wildcard_and_none_reads_secrets_or_writes_but_pods(
    values: dict[str, Any],
) -> None:
    for each in of_kind(rendered(values), "Role", "ClusterRole"):
        for rule in each["rules"]:
            assert not {"*"} & {*rule["apiGroups"], *rule["resources"], *rule["verbs"]}
            assert not {"secrets", "configmaps"} & set(rule["resources"])
            if not set(rule["verbs"]) <= {"get", "list", "watch"}:
                assert rule["resources"] == ["pods"]


@each_variant
def test_each_role_is_bound_to_its_own_service(values: dict[str, Any]) -> None:
    objects = rendered(values)
    accounts = {each["metadata"]["name"] for each in of_kind(objects, "ServiceAccount")}
    for each in of_kind(objects, "RoleBinding", "ClusterRoleBinding"):
        (subject,) = each["subjects"]
        assert subject["name"] in accounts
        assert each["roleRef"]["name"] in {subject["name"], f"runbus-{subject['name']}"}


def test_without_reads_of_the_cluster_there_is_no_cluster_role() -> None:
    assert of_kind(rendered(VARIANTS["least"]), "ClusterRole", "ClusterRoleBinding") == []
