"""List and watch pods: every change of every pod of our shards, in order, without a hole.

List in pages, then watch from that resource version; a dropped connection resumes, 410 Gone lists
again. Raw lines are cut here and only the fields used are decoded. It must not know runs: what
arrives goes to the sink.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection, Mapping
from datetime import datetime, timedelta
from typing import Protocol

from runbus.contracts import labels
from runbus.reading.clocks import by_our_clock
from runbus.reading.objects import (
    Pod,
    PodList,
    UnreadableObjectError,
    decode_bookmark,
    decode_pod,
    decode_pod_list,
    decode_status,
    decode_watch_event,
)
from runbus.runtime.clock import Clock
from runbus.runtime.kube import WATCH_SILENCE_S, Kube
from runbus.runtime.kube_errors import KubeError, KubeExpiredError, KubeUnavailableError
from runbus.runtime.logs import Log
from runbus.runtime.metrics import Metrics

# What is decoded at once should fit the processor's cache: pages of 500 took a fifth more CPU.
PAGE_SIZE = 250
WATCH_TIMEOUT_S = 290
BACKOFF_FIRST_S = 0.2
BACKOFF_MAX_S = 5.0
RETRY_AFTER_WATCH_MAX_S = 60.0  # nothing is seen meanwhile: less than others wait
# A watch that ends sooner, for whatever reason, is not opened again at once.
STEADY_S = 1.0
LINE_BYTES_MAX = 16 * 1024 * 1024
# After a resume, what was missed arrives at once: what arrives within this is not "seen live".
CATCH_UP_S = 1.0
ANY_NAMESPACE = "*"  # a label's value for a watch over all: an empty one is as none

_Page = tuple[datetime, PodList]


class Sink(Protocol):
    """Who is told of pods."""

    def on_pod(self, pod: Pod, seen_at: datetime, live: bool) -> None:
        """Take a pod as it is now."""
        ...

    def on_pod_gone(self, pod: Pod, seen_at: datetime) -> None:
        """Take the last version of a pod that has been removed."""
        ...

    def on_list_begun(self, scope: str) -> int:
        """Learn that a list of one scope begins: what it shows is told pod by pod."""
        ...

    def on_list(self, scope: str, number: int) -> None:
        """Learn that the list of that number is in, as a whole."""
        ...

    def on_reachable(self, scope: str, reachable: bool) -> None:
        """Learn whether the API server answers about one scope."""
        ...


class PodWatch:
    """Watches the pods of one namespace, or of all (`namespace` empty)."""

    def __init__(
        self,
        kube: Kube,
        namespace: str,
        selector: str,
        sink: Sink,
        clock: Clock,
        log: Log,
        metrics: Metrics | None = None,
        silence_s: float = WATCH_SILENCE_S,
    ) -> None:
        self._kube = kube
        self._silence_s = silence_s
        self.scope = namespace
        self._path = f"/api/v1/namespaces/{namespace}/pods" if namespace else "/api/v1/pods"
        self._selector = selector
        self._sink = sink
        self._clock = clock
        self._log = log.bind(watch=self._path)
        self._metrics = metrics or Metrics()
        self._version = ""
        self._ahead: dict[str, int] = {}  # shards that have come further, to which version
        self._problem: str | None = "the first list is not in yet"

    def ready_problem(self) -> str | None:
        """Return why the view of the cluster is not up to date; None if it is."""
        return f"watch {self._path}: {self._problem}" if self._problem else None

    def select(self, selector: str) -> None:
        """Watch these pods from the next `run` on; it goes on where the last one ended."""
        self._selector = selector

    def absorb(self, other: PodWatch, own: Collection[str], others: Collection[str]) -> None:
        """Watch the pods of another watch's shards as well from the next `run` on.

        Neither runs, both watch the same namespace. It goes on from the older of both versions and
        passes over what the newer one has told. Where versions are no numbers (Kubernetes promises
        that they are since 1.35) everything is listed again. `select` comes next.
        """
        reached = {shard: self._reached(shard) for shard in own}
        reached |= {shard: other._reached(shard) for shard in others}
        versions = [each for each in (self._version, other._version) if each.isdigit()]
        self._version = min(versions, key=int) if len(versions) == 2 else ""
        self._ahead = _further(reached, self._version)

    def _reached(self, shard: str) -> int:
        """Return the version up to which a shard's changes have been told."""
        reached = int(self._version) if self._version.isdigit() else 0
        return max(reached, self._ahead.get(shard, 0))

    async def run(self) -> None:
        """List and watch until cancelled; run again, it goes on from the version reached."""
        backoff_s = BACKOFF_FIRST_S
        while True:
            started = self._clock.monotonic()
            retry_after_s = await self._list_and_watch()
            if self._clock.monotonic() - started > STEADY_S:
                backoff_s = BACKOFF_FIRST_S
                if retry_after_s is None:
                    continue
            await asyncio.sleep(max(backoff_s, retry_after_s or 0.0))
            backoff_s = min(backoff_s * 2, BACKOFF_MAX_S)

    async def _list_and_watch(self) -> float | None:
        """Watch to the watch's end; return the server's Retry-After, None if all is well."""
        try:
            if not self._version:
                await self._list()
            await self._watch()
        except asyncio.CancelledError:  # no longer watched here, and so not silent either
            with contextlib.suppress(KeyError):
                self._metrics.watch_heard_at_s.remove(self.scope or ANY_NAMESPACE)
            raise
        except KubeExpiredError as error:
            self._metrics.watch_ends.labels("expired").inc()
            self._log.info("watch expired, listing again", reason=str(error))
            self._version = ""
        except KubeError as error:
            self._problem = str(error)
            self._metrics.watch_ends.labels("interrupted").inc()
            self._sink.on_reachable(self.scope, False)
            self._log.warning("watch interrupted", reason=str(error))
            return error.wait_s(0.0, RETRY_AFTER_WATCH_MAX_S)
        else:
            self._metrics.watch_ends.labels("closed").inc()
        return None

    async def _list(self) -> None:
        self._ahead = {}
        number = self._sink.on_list_begun(self.scope)
        try:
            pods = await self._take_pages()
        except ExceptionGroup as group:
            raise group.exceptions[0] from group
        self._sink.on_list(self.scope, number)
        self._log.info("listed", pods=pods, version=self._version)

    async def _take_pages(self) -> int:
        """Take in page after page, each asked for while the one before it is read."""
        pods = 0
        async with asyncio.TaskGroup() as tasks:
            asked: asyncio.Task[_Page] | None = tasks.create_task(self._page(""))
            while asked is not None:
                asked_at, page = await asked
                asked = None
                if page.metadata.next_page:
                    asked = tasks.create_task(self._page(page.metadata.next_page))
                    await asyncio.sleep(0)  # so that it is sent now
                pods += len(page.items)
                for pod in page.items:
                    self._sink.on_pod(self._here(pod), asked_at, False)
        self._version = page.metadata.resource_version
        return pods

    async def _page(self, token: str) -> _Page:
        """Return when a page was asked for, and the page."""
        query: dict[str, str | int] = {"labelSelector": self._selector, "limit": PAGE_SIZE}
        if token:
            query["continue"] = token
        asked_at = self._clock.now()
        try:
            return asked_at, decode_pod_list(
                await self._kube.request("GET", self._path, query=query)
            )
        except UnreadableObjectError as error:
            raise KubeUnavailableError(0, "Unreadable", f"list: {error}") from error

    async def _watch(self) -> None:
        query: dict[str, str | int] = {
            "labelSelector": self._selector,
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version,
            "timeoutSeconds": WATCH_TIMEOUT_S,
        }
        async with self._kube.stream(self._path, query, self._silence_s) as chunks:
            self._problem = None
            self._sink.on_reachable(self.scope, True)
            self._heard(self._clock.now())
            live_from = self._clock.now() + timedelta(seconds=CATCH_UP_S)
            async for lines in _lines(chunks):
                seen_at = self._clock.now()
                self._heard(seen_at)
                for line in lines:
                    self._take(line, seen_at, seen_at >= live_from)

    def _heard(self, at: datetime) -> None:
        self._metrics.watch_heard_at_s.labels(self.scope or ANY_NAMESPACE).set(at.timestamp())

    def _take(self, line: bytes, seen_at: datetime, live: bool) -> None:
        try:
            event = decode_watch_event(line)
            self._metrics.watch_events.labels(event.type).inc()
            match event.type:
                case "ADDED" | "MODIFIED":
                    pod = self._here(decode_pod(event.object))
                    if not self._ahead or self._is_news(pod):
                        self._sink.on_pod(pod, seen_at, live)
                    self._version = pod.metadata.resource_version
                case "DELETED":
                    pod = self._here(decode_pod(event.object))
                    if not self._ahead or self._is_news(pod):
                        self._sink.on_pod_gone(pod, seen_at)
                    self._version = pod.metadata.resource_version
                case "BOOKMARK":
                    self._version = decode_bookmark(event.object)
                case "ERROR":
                    raise _watch_error(event.object)
                case other:
                    self._log.warning("unknown sort of watch event", type=other)
        except UnreadableObjectError as error:
            # One object that cannot be read must not hold up all others.
            self._log.error("unreadable watch event", error=str(error))

    def _here(self, pod: Pod) -> Pod:
        return by_our_clock(pod, self._kube.clock_offset)

    def _is_news(self, pod: Pod) -> bool:
        """Whether a change is one that the watch of the pod's shard has not told of."""
        version = pod.metadata.resource_version
        if not version.isdigit():
            return True
        is_news = int(version) > self._ahead.get(pod.metadata.labels.get(labels.SHARD, ""), 0)
        self._ahead = _further(self._ahead, version)
        return is_news


def _further(reached: Mapping[str, int], version: str) -> dict[str, int]:
    """Return the shards that have come further than a version."""
    behind = int(version) if version.isdigit() else 0
    return {shard: to for shard, to in reached.items() if version and to > behind}


def _watch_error(raw: bytes | memoryview) -> KubeError:
    status = decode_status(bytes(raw))
    kind = KubeExpiredError if status.code == 410 else KubeUnavailableError
    return kind(status.code, status.reason, status.message)


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[list[bytes]]:
    """Cut chunks into whole lines, those of one chunk together."""
    rest = b""
    async for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        if len(rest) > LINE_BYTES_MAX:
            text = f"a watch event of more than {LINE_BYTES_MAX} bytes"
            raise KubeUnavailableError(0, "TooLarge", text)
        whole = [line for line in lines if line]
        if whole:
            yield whole
