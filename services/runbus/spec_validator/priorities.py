"""The cluster's priority classes, where the operator lists none. Kept up to date.

Without a cluster, or without the right to read them, a priority class is accepted with a warning
and the API server has the last word. It must not know documents.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import msgspec
from msgspec import Struct

from runbus.runtime.kube import Kube, KubeError, KubeRefusedError
from runbus.runtime.logs import Log

PATH = "/apis/scheduling.k8s.io/v1/priorityclasses"
REFRESH_S = 30.0
AGAIN_S = 5.0
# Kubernetes keeps these for its own components.
SYSTEM_PREFIX = "system-"


class _Metadata(Struct):
    name: str


class _PriorityClass(Struct):
    metadata: _Metadata
    value: int = 0


class _List(Struct):
    items: list[_PriorityClass] = []


class PriorityClasses:
    """The names, highest first; None until a cluster has been asked."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self.highest_first: tuple[str, ...] | None = None
        self.asked = asyncio.Event()

    async def run(self, kube: Kube) -> None:
        """Ask the cluster again and again, until cancelled; what was known stays meanwhile."""
        while True:
            wait_s = REFRESH_S
            try:
                answer = msgspec.json.decode(await kube.request("GET", PATH), type=_List)
                self.highest_first = _ordered(answer.items)
            except KubeRefusedError as error:
                self._log.warning("priority classes may not be read", reason=str(error))
            except (KubeError, msgspec.MsgspecError) as error:
                self._log.warning("priority classes not read", reason=str(error))
                wait_s = AGAIN_S
            self.asked.set()
            await asyncio.sleep(wait_s)


def _ordered(found: Iterable[_PriorityClass]) -> tuple[str, ...]:
    ours = [each for each in found if not each.metadata.name.startswith(SYSTEM_PREFIX)]
    ours.sort(key=lambda each: (-each.value, each.metadata.name))
    return tuple(each.metadata.name for each in ours)
