"""Puts the training script and its data into a cluster, as the ConfigMap that the runs mount."""

from __future__ import annotations

import asyncio
import urllib.error
import urllib.request
from pathlib import Path

import msgspec

from runbus.cli.demo.files import CONFIG_MAP, PROJECT, DemoFiles
from runbus.cli.exits import Exit
from runbus.cli.kubeconfig import SimpleCluster, simple_cluster
from runbus.cli.problems import CliError

TIMEOUT_S = 10.0
CONFLICT = 409


async def prepare(kubeconfig: str, files: DemoFiles) -> None:
    """Make or replace the ConfigMap in the local cluster.

    Raises:
        CliError: the cluster cannot be reached, refuses, or is not one that a token opens.

    """
    cluster = simple_cluster(Path(kubeconfig))
    if cluster is None:
        raise CliError(
            "--prepare is for the cluster of `runbus up`",
            way_out="examples/README.md has the kubectl command for other clusters",
        )
    config_map = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": CONFIG_MAP, "namespace": PROJECT},
        "data": files.code,
    }
    collection = f"/api/v1/namespaces/{PROJECT}/configmaps"
    body = msgspec.json.encode(config_map)
    if await asyncio.to_thread(_send, cluster, "POST", collection, body) == CONFLICT:
        await asyncio.to_thread(_send, cluster, "PUT", f"{collection}/{CONFIG_MAP}", body)


def _send(cluster: SimpleCluster, method: str, path: str, body: bytes) -> int:
    headers = {"Content-Type": "application/json"}
    if cluster.token:
        headers["Authorization"] = f"Bearer {cluster.token}"
    request = urllib.request.Request(  # noqa: S310 - the address of a kubeconfig
        cluster.url + path, data=body, method=method, headers=headers
    )
    try:
        with urllib.request.urlopen(  # noqa: S310
            request, timeout=TIMEOUT_S, context=cluster.tls
        ) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        if error.code == CONFLICT:
            return CONFLICT
        text = error.read().decode(errors="replace")
        raise CliError(
            f"the cluster refused {method} {path}: {error.code}", why=text, code=Exit.UNREACHABLE
        ) from error
    except (OSError, TimeoutError) as error:
        raise CliError(
            f"the cluster at {cluster.url} cannot be reached",
            why=str(error),
            code=Exit.UNREACHABLE,
        ) from error
