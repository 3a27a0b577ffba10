"""`runbus up`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def up(
    *,
    persist: Annotated[
        Path | None,
        Parameter(help="Keep the bus's store, the cluster's files and the logs in this folder."),
    ] = None,
    defaults: Annotated[
        Path | None, Parameter(help="A defaults file: settings, caps and limits of every run.")
    ] = None,
    kubeconfig: Annotated[
        Path | None, Parameter(help="Use this cluster instead of the local one.")
    ] = None,
    context: Annotated[
        str | None, Parameter(help="Use this context of the kubeconfig, not the local cluster.")
    ] = None,
    log_dir: Annotated[
        Path | None, Parameter(help="Where the logs go. Default: into the folder of the rest.")
    ] = None,
    ready_file: Annotated[
        Path | None,
        Parameter(help="Write addresses and process ids there, as JSON, once all is ready."),
    ] = None,
    cluster_option: Annotated[
        list[str] | None,
        Parameter(
            negative="",
            allow_leading_hyphen=True,
            help="An option of the local cluster, such as --cpu=4. Can be repeated.",
        ),
    ] = None,
    node: Annotated[
        list[str] | None,
        Parameter(
            negative="",
            help="One more node of the local cluster, such as name=spot-1,cpu=4,memory=8Gi,"
            "nvidia.com/gpu=2,spot=gke. Can be repeated.",
        ),
    ] = None,
    quiet: Annotated[
        bool, Parameter(name=["-q", "--quiet"], negative="", help="Say only what goes wrong.")
    ] = False,
) -> int:
    """Start everything on this machine: a bus, a local cluster and the five services.

    Runs until Ctrl-C. The other commands of this user find it by themselves meanwhile. Without
    --persist everything is gone at the end.
    """
    from runbus.cli.running import run_async
    from runbus.cli.upping import Up

    return run_async(
        Up(
            persist=persist,
            defaults=defaults,
            kubeconfig=str(kubeconfig) if kubeconfig is not None else None,
            context=context,
            log_dir=log_dir,
            ready_file=ready_file,
            cluster_options=tuple(cluster_option or ()),
            nodes=tuple(node or ()),
            quiet=quiet,
        ).run()
    )
