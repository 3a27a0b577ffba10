"""`runbus services run NAME`."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Literal

from cyclopts import App, Parameter

Name = Literal["spec-validator", "scheduler", "pod-launcher", "state-watcher", "aborter"]

app = App(name="services", help="Run one of the services.")


@app.command
def run(name: Annotated[Name, Parameter(help="Which one.")]) -> int:
    """Run one of the five services in the foreground, until SIGTERM.

    It is told by environment variables: RUNBUS_NATS_URL, RUNBUS_KUBECONFIG, RUNBUS_DEFAULTS_FILE,
    RUNBUS_LOG_LEVEL, RUNBUS_HEALTH_PORT and those that its documentation names.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    module = f"runbus.{name.replace('-', '_')}"
    os.execv(sys.executable, [sys.executable, "-m", module])  # noqa: S606 - no shell, fixed names
