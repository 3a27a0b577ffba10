"""The output of a run's pods, read from Kubernetes: for `runbus logs`, and for the Python client.

The client finds it as an entry point. Must not know the bus, or how anything is shown.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator

from runbus.cli import kube_logs
from runbus.cli.connection import choose_kubeconfig
from runbus.contracts.identity import object_name
from runbus.contracts.status import RunStatus
from runbus.sdk.log_sources import LogUnavailableError

MAIN = "main"
START_WAIT_S = 10.0
START_POLL_S = 0.25


class PodLogsGoneError(LogUnavailableError):
    """There is no such pod any longer."""


class PodNotStartedError(LogUnavailableError):
    """The container has not started."""


class PodLogs:
    """Reads one container's log.

    Args:
        kubeconfig: its path; default: RUNBUS_KUBECONFIG, that of `runbus up`, Kubernetes' own.
        container: which.
        tail: begin with the last so many lines.

    """

    def __init__(
        self, kubeconfig: str | None = None, *, container: str = MAIN, tail: int | None = None
    ) -> None:
        self._kubeconfig = kubeconfig
        self._container = container
        self._tail = tail

    async def lines(self, status: RunStatus, attempt: int, *, follow: bool) -> AsyncIterator[str]:
        """Yield the lines of an attempt's log, without their ends.

        Args:
            status: of the run.
            attempt: whose log.
            follow: wait a moment for its start, and go on until the container has ended.

        Raises:
            PodLogsGoneError, PodNotStartedError: as they say.
            LogUnavailableError: there is no way to the cluster, or it refuses.

        """
        pod = object_name(status.name, status.run_id, attempt)
        try:
            async with kube_logs.connect(choose_kubeconfig(self._kubeconfig, os.environ)) as kube:
                give_up_at = asyncio.get_running_loop().time() + START_WAIT_S
                while True:
                    try:
                        async for line in kube.lines(
                            status.namespace, pod, self._container, follow=follow, tail=self._tail
                        ):
                            yield line
                    except kube_logs.NotStartedError as error:
                        if not follow or asyncio.get_running_loop().time() > give_up_at:
                            raise PodNotStartedError(str(error)) from error
                        await asyncio.sleep(START_POLL_S)
                    else:
                        return
        except kube_logs.PodGoneError as error:
            raise PodLogsGoneError(str(error)) from error
        except kube_logs.KubeLogError as error:
            raise LogUnavailableError(str(error)) from error
