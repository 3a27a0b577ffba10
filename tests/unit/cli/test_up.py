"""What `runbus up` hands to the local cluster."""

from __future__ import annotations

import pytest

from runbus.cli.problems import CliError
from runbus.cli.upping import Up


def test_nodes_follow_the_other_options_of_the_local_cluster() -> None:
    up = Up(cluster_options=("--cpu=2",), nodes=("name=spot-1,spot=gke", "name=big,cpu=64"))
    assert up.local_options() == (
        "--cpu=2",
        "--node=name=spot-1,spot=gke",
        "--node=name=big,cpu=64",
    )


@pytest.mark.parametrize(
    "up",
    [
        Up(nodes=("name=spot-1",), context="prod"),
        Up(nodes=("name=spot-1",), kubeconfig="/etc/kubeconfig"),
        Up(cluster_options=("--cpu=2",), context="prod"),
    ],
)
def test_options_of_the_local_cluster_are_refused_with_another_cluster(up: Up) -> None:
    with pytest.raises(CliError, match="another cluster was asked for"):
        up.local_options()
