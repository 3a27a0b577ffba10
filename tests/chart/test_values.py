"""Wrong values are refused by name, before anything is installed."""

from __future__ import annotations

from typing import Any

import pytest

from chart.objects import refused
from runbus_deploy.rendered import OWN_BUS


@pytest.mark.parametrize(
    ("values", "named_in_the_error"),
    [
        ({"replicas": 3}, "replicas"),
        ({"services": {"scheduler": {"settings": {"drain": 10}}}}, "drain"),
        ({"services": {"scheduler": {"settings": {"drain_s": "soon"}}}}, "drain_s"),
        ({"services": {"scheduler": {"settings": {"retention_days": 1}}}}, "retention_days"),
        ({"services": {"pod-launcher": {"settings": {"in_hand_max": 0}}}}, "in_hand_max"),
        ({"services": {"scheduler": {"settings": {"nats_url": "nats://x"}}}}, "nats_url"),
        ({"services": {"watcher": {}}}, "watcher"),
        ({"services": {"aborter": {"replicas": -1}}}, "replicas"),
        ({"services": {"scheduler": {"keda": {"enabled": True}}}}, "keda"),
        ({"tracing": {"endpoint": "collector:4318"}}, "endpoint"),
        ({"tracing": {"environment": {"SAMPLER": "always_on"}}}, "SAMPLER"),
        ({"image": {"pullPolicy": "Sometimes"}}, "pullPolicy"),
        ({"image": {"digest": "latest"}}, "digest"),
        ({"nats": {"url": "nats://user:secret@bus:4222"}}, "url"),
        ({"nats": {"replicas": 2}}, "replicas"),
        ({"namespaces": ["Not_A_Name"]}, "namespaces"),
        ({"clusterWide": True, "namespaces": ["nlp"]}, "namespaces"),
        ({"clusterWide": "yes"}, "clusterWide"),
    ],
)
def test_a_wrong_value_is_refused_and_named(
    values: dict[str, Any], named_in_the_error: str
) -> None:
    assert named_in_the_error in refused({**OWN_BUS, **values})


def test_users_without_passwords_and_scaling_without_monitoring_are_told() -> None:
    assert "nats.auth.existingSecret: name the Secret" in refused({})
    assert "keda.enabled needs nats.monitoring" in refused({**OWN_BUS, "keda": {"enabled": True}})
