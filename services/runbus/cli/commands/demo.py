"""`runbus demo`: what `make demo` runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def demo(
    *,
    examples: Annotated[
        Path | None, Parameter(help="The folder `examples` of a checkout. Default: the nearest.")
    ] = None,
    prepare: Annotated[
        bool,
        Parameter(
            negative="",
            help="Only put the training script and its data into the cluster of `runbus up`.",
        ),
    ] = False,
) -> int:
    """Show five runs and their fates: completed, rejected, and stuck three ways and aborted.

    Starts a bus, a cluster and the services of its own, and ends by itself within two minutes.
    """
    import os

    from runbus.cli.connection import choose_kubeconfig
    from runbus.cli.demo.files import PROJECT, find_files
    from runbus.cli.problems import CliError
    from runbus.cli.running import run_async

    files = find_files(examples)
    if prepare:
        from runbus.cli.demo import preparing
        from runbus.cli.output.printing import say

        kubeconfig = choose_kubeconfig(None, os.environ)
        if kubeconfig is None:
            raise CliError("there is no `runbus up` to prepare", way_out="start it first")
        run_async(preparing.prepare(kubeconfig, files))
        say(f"script and data are in namespace {PROJECT}: submit what is in examples/demo")
        return 0
    from runbus.cli.demo.show import run_demo

    return run_async(run_demo(files))
