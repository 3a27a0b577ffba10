"""Who looks on: the lives of all pods, and the times in which something was broken.

Asks the API server itself, past every proxy. What it could not see (its watch was gone) is an
outage like those that a test causes: nothing can be held against anybody in it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import aiohttp

from runbus.contracts import labels
from runbus.reading.history import ObjectLife, Outage, gone_life, pod_life
from runbus.reading.objects import Pod, decode_pod, decode_pod_list, decode_watch_event

AGAIN_S = 0.1
LIST_LIMIT_S = 5.0
SILENCE_S = 5.0  # the local cluster is told to send bookmarks each second
# After it is back, a service has to find out where everything stands.
CATCHING_UP = timedelta(seconds=2)


def now() -> datetime:
    """Return the time of day, which bus, services and tests of one machine share."""
    return datetime.now(UTC)


class Witness:
    """Watches pods for the length of `run`; remembers every one.

    `namespace` empty is the whole cluster; `silence_s` is how long a watch may say nothing.
    """

    def __init__(
        self,
        kube_url: str,
        http: aiohttp.ClientSession,
        namespace: str = "",
        silence_s: float = SILENCE_S,
    ) -> None:
        where = f"namespaces/{namespace}/pods" if namespace else "pods"
        self._url = f"{kube_url}/api/v1/{where}"
        self._http = http
        self._silence_s = silence_s
        self._version = ""
        self.lives: dict[str, ObjectLife] = {}
        self.outages: list[Outage] = []
        self.watching = asyncio.Event()

    @contextmanager
    def outage(self) -> Iterator[None]:
        """Take note that something is broken for the length of a block, and is back after it."""
        begins = now()
        try:
            yield
        finally:
            self.outages.append(Outage(begins, now() + CATCHING_UP))

    async def run(self) -> None:
        """List and watch until cancelled."""
        while True:
            lost_at = now()
            try:
                await self._list()
                if self.watching.is_set():
                    self.outages.append(Outage(lost_at, now() + CATCHING_UP))
                self.watching.set()
                await self._watch()
            except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
                await asyncio.sleep(AGAIN_S)

    async def _list(self) -> None:
        async with (
            asyncio.timeout(LIST_LIMIT_S),
            self._http.get(self._url, params={"labelSelector": labels.RUN_ID}) as answer,
        ):
            answer.raise_for_status()
            page = decode_pod_list(await answer.read())
        seen_at = now()
        self._version = page.metadata.resource_version
        for pod in page.items:
            self._take(pod, seen_at)
        there = {pod.metadata.uid for pod in page.items}
        for uid in self.lives.keys() - there:
            self.lives[uid] = gone_life(self.lives[uid], seen_at)

    async def _watch(self) -> None:
        query = {
            "labelSelector": labels.RUN_ID,
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version,
        }
        timeout = aiohttp.ClientTimeout(total=None, sock_read=self._silence_s)
        async with self._http.get(self._url, params=query, timeout=timeout) as answer:
            answer.raise_for_status()
            async for line in answer.content:
                event, seen_at = decode_watch_event(line), now()
                if event.type == "ERROR":
                    return  # 410: list again
                if event.type in {"ADDED", "MODIFIED", "DELETED"}:
                    pod = decode_pod(event.object)
                    self._take(pod, seen_at)
                    if event.type == "DELETED":
                        uid = pod.metadata.uid
                        self.lives[uid] = gone_life(self.lives[uid], seen_at)

    def _take(self, pod: Pod, seen_at: datetime) -> None:
        life = pod_life(self.lives.get(pod.metadata.uid), pod, seen_at)
        if life is not None:
            self.lives[pod.metadata.uid] = life
