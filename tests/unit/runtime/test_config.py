"""Settings from the environment: every problem at once, each with its variable."""

from __future__ import annotations

import pytest

from runbus.runtime.config import ConfigError, KubeConfig, ServiceConfig, load


def test_without_variables_the_defaults_hold() -> None:
    assert load(ServiceConfig, {}) == ServiceConfig()


def test_variables_are_converted_to_their_types() -> None:
    config = load(
        KubeConfig,
        {
            "RUNBUS_NATS_URL": "nats://bus:4222",
            "RUNBUS_HEALTH_PORT": "8080",
            "RUNBUS_DRAIN_S": "2.5",
            "RUNBUS_NAMESPACES": "nlp, cv",
            "OTHER": "x",
        },
    )

    assert (config.nats_url, config.health_port, config.drain_s) == ("nats://bus:4222", 8080, 2.5)
    assert config.namespaces == ("nlp", "cv")


def test_every_problem_is_named_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        load(ServiceConfig, {"RUNBUS_HEALTH_PORT": "99999", "RUNBUS_DRAIN_S": "soon"})

    assert "RUNBUS_HEALTH_PORT='99999'" in str(caught.value)
    assert "RUNBUS_DRAIN_S='soon'" in str(caught.value)


@pytest.mark.parametrize("text", ["-2", "nan", "inf", "many"])
def test_a_rate_that_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="RUNBUS_KUBE_QPS"):
        load(KubeConfig, {"RUNBUS_KUBE_QPS": text})


def test_a_rate_is_requests_a_second_and_requests_at_once() -> None:
    config = load(KubeConfig, {"RUNBUS_KUBE_QPS": "12.5", "RUNBUS_KUBE_BURST": "30"})
    assert (config.kube_qps, config.kube_burst) == (12.5, 30)
    assert load(KubeConfig, {}).kube_qps == 0, "no limit of our own: the server has its own"
