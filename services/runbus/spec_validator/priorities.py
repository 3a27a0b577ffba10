"""The cluster's priority classes, where the operator lists none. Kept up to date.

Without a cluster, or without the right to read them, a priority class is accepted with a warning
and the API server has the last word. It must not know documents, or where defaults come from.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable

import msgspec
from msgspec import Struct

from runbus.runtime.config import ConfigError
from runbus.runtime.kube import Kube
from runbus.runtime.kube_errors import KubeError, KubeRefusedError
from runbus.runtime.logs import Log
from runbus.settings.defaults import Defaults

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
    """The names, highest first; None until a cluster has been asked.

    `is_wanted`: whether the operator lists none. Where a change of the defaults takes the list
    away, a class is accepted with a warning for the moment until the cluster has answered.
    """

    def __init__(self, log: Log, is_wanted: Callable[[], bool]) -> None:
        self._log = log
        self._is_wanted = is_wanted
        self._look = asyncio.Event()
        self.highest_first: tuple[str, ...] | None = None
        self.looked = asyncio.Event()

    def look_again(self, _defaults: Defaults) -> None:
        """Look at once whether the cluster has to be asked: the defaults have changed."""
        self._look.set()

    async def run(self, connect: Callable[[], Awaitable[Kube]]) -> None:
        """Ask the cluster again and again while wanted, until cancelled.

        What was known stays meanwhile; without a cluster, nothing ever is.
        """
        await self._until_wanted()
        try:
            kube = await connect()
        except ConfigError as error:
            self._log.warning("no cluster to ask for priority classes", reason=str(error))
            self.looked.set()
            return
        try:
            while True:
                wait_s = await self._ask(kube)
                self.looked.set()
                await self._pause(wait_s)
                await self._until_wanted()
        finally:
            await kube.close()

    async def _ask(self, kube: Kube) -> float:
        """Ask once; return the seconds until it is worth asking again."""
        try:
            answer = msgspec.json.decode(await kube.request("GET", PATH), type=_List)
            self.highest_first = _ordered(answer.items)
        except KubeRefusedError as error:
            self._log.warning("priority classes may not be read", reason=str(error))
        except (KubeError, msgspec.MsgspecError) as error:
            self._log.warning("priority classes not read", reason=str(error))
            return AGAIN_S
        return REFRESH_S

    async def _until_wanted(self) -> None:
        while not self._is_wanted():
            self.looked.set()
            self._look.clear()
            await self._look.wait()

    async def _pause(self, wait_s: float) -> None:
        self._look.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._look.wait()


def _ordered(found: Iterable[_PriorityClass]) -> tuple[str, ...]:
    ours = [each for each in found if not each.metadata.name.startswith(SYSTEM_PREFIX)]
    ours.sort(key=lambda each: (-each.value, each.metadata.name))
    return tuple(each.metadata.name for each in ours)
