"""Which nodes are spot nodes."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from runbus.reading.nodes import is_spot_node

GKE = {"cloud.google.com/gke-spot": "true", "cloud.google.com/gke-provisioning": "spot"}


@pytest.mark.parametrize(
    ("labels", "spot_labels", "expected"),
    [
        pytest.param(GKE, GKE, True, id="all of the labels"),
        pytest.param({"cloud.google.com/gke-provisioning": "spot"}, GKE, True, id="any of them"),
        pytest.param({"cloud.google.com/gke-spot": "false"}, GKE, False, id="another value"),
        pytest.param({"kubernetes.io/os": "linux"}, GKE, False, id="none of them"),
        pytest.param({}, GKE, False, id="no label"),
        pytest.param(GKE, {}, False, id="no spot nodes configured"),
        pytest.param({}, {"spot": ""}, False, id="an empty value is not an absent label"),
        pytest.param({"spot": ""}, {"spot": ""}, True, id="an empty value"),
    ],
)
def test_a_spot_node_has_any_of_the_labels_with_their_values(
    labels: Mapping[str, str], spot_labels: Mapping[str, str], expected: bool
) -> None:
    assert is_spot_node(labels, spot_labels) is expected
