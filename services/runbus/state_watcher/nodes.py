"""What labels nodes have: each node is asked about once when a pod is first seen on it.

Asking never makes anybody wait: the answer wakes the runs that asked. A node that is gone, or that
may not be read, is answered for as well, so that nobody asks again and again (ADR-0013). It
must not know what the labels are for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from msgspec import Struct

from runbus.reading.objects import UnreadableObjectError, decode_node
from runbus.runtime.clock import Clock
from runbus.runtime.kube import Kube
from runbus.runtime.kube_errors import KubeError, KubeNotFoundError, KubeRefusedError
from runbus.runtime.logs import Log

# Long enough for the pods that are bound together; a name may come back as another node.
KEPT_S = 60.0
KEPT_MAX = 1000
# Where nodes may not be read: until the right may have been given.
REFUSED_S = 300.0
AT_ONCE = 4
ASKED_MAX = 10_000
UNREACHABLE_AGAIN_S = 5.0


class NodeLabels(Struct, frozen=True):
    """A node's labels; None where it is gone, or may not be read."""

    labels: dict[str, str] | None


_UNREADABLE = NodeLabels(None)


class Nodes:
    """Answers by what was asked lately; `run` does the asking. `wake` is told who waited."""

    def __init__(self, kube: Kube, clock: Clock, log: Log, wake: Callable[[str], None]) -> None:
        self._kube = kube
        self._clock = clock
        self._log = log
        self._wake = wake
        self._kept: dict[str, tuple[NodeLabels, float]] = {}  # with when to ask again, oldest first
        self._waiting: dict[str, set[str]] = {}
        self._asked: asyncio.Queue[str] = asyncio.Queue(ASKED_MAX)
        self._refused_until = float("-inf")

    def ask(self, name: str, key: str) -> NodeLabels | None:
        """Return a node's labels; None while they are being asked for: `key` is woken then."""
        now = self._clock.monotonic()
        if now < self._refused_until:
            return _UNREADABLE
        kept = self._kept.get(name)
        if kept is not None and now < kept[1]:
            return kept[0]
        if name in self._waiting:
            self._waiting[name].add(key)
        elif len(self._waiting) < ASKED_MAX:
            self._waiting[name] = {key}
            self._asked.put_nowait(name)
        return None

    async def run(self) -> None:
        """Ask for what is waited for, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for _ in range(AT_ONCE):
                tasks.create_task(self._keep_asking())

    async def _keep_asking(self) -> None:
        while True:
            name = await self._asked.get()
            answer = await self._labels_of(name)
            if answer is None:
                await asyncio.sleep(UNREACHABLE_AGAIN_S)
                self._asked.put_nowait(name)
            else:
                self._keep(name, answer)

    async def _labels_of(self, name: str) -> NodeLabels | None:
        """Ask the API server; None where it cannot be asked now."""
        if self._clock.monotonic() < self._refused_until:
            return _UNREADABLE
        try:
            node = decode_node(await self._kube.request("GET", f"/api/v1/nodes/{name}"))
        except KubeNotFoundError:
            return _UNREADABLE
        except KubeRefusedError as error:
            self._log.warning("nodes cannot be read: spot nodes are not told", reason=str(error))
            self._refused_until = self._clock.monotonic() + REFUSED_S
            return _UNREADABLE
        except UnreadableObjectError as error:
            self._log.error("unreadable node", node=name, error=str(error))
            return _UNREADABLE
        except KubeError:
            return None
        return NodeLabels(node.metadata.labels)

    def _keep(self, name: str, answer: NodeLabels) -> None:
        self._kept.pop(name, None)
        self._kept[name] = (answer, self._clock.monotonic() + KEPT_S)
        if len(self._kept) > KEPT_MAX:
            del self._kept[next(iter(self._kept))]
        for key in self._waiting.pop(name, ()):
            self._wake(key)
