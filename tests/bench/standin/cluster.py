"""The stand-in's state: pods, their versions, who watches them, and when what happened.

It must not know HTTP. Times are seconds since the epoch, taken when a change is made.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from bench.standin.pods import Labels, Pod, Step
from runbus.contracts import labels

HISTORY_MAX = 20_000
# A plan's number beyond this is a moment, below it a delay after the creation.
EARLIEST_MOMENT_S = 1_000_000_000.0

Selector = Callable[[Labels], bool]
Send = Callable[[bytes], None]


class Cluster:
    """Every pod, and everything that has happened to pods."""

    def __init__(self, gone_after_s: float) -> None:
        self._gone_after_s = gone_after_s
        self.pods: dict[tuple[str, str], Pod] = {}
        self.by_run: dict[str, list[Pod]] = defaultdict(list)
        self.version = 1
        self.moments: dict[str, dict[str, float]] = {}
        self.requests: dict[str, int] = defaultdict(int)
        self._history: deque[tuple[int, Labels, str, bytes]] = deque(maxlen=HISTORY_MAX)
        self._forgotten = 0
        self._watchers: dict[int, tuple[Selector, Send]] = {}
        self._watcher_count = 0

    # Pods.

    def create(self, namespace: str, manifest: dict[str, Any]) -> Pod | None:
        """Store a pod and begin its life; None where the name is taken."""
        pod = self.add(namespace, manifest)
        if pod is not None:
            self._note(pod, "created")
            self._tell("ADDED", pod)
            self._plan(pod)
        return pod

    def add(self, namespace: str, manifest: dict[str, Any]) -> Pod | None:
        """Store a pod without telling anybody."""
        name = manifest["metadata"]["name"]
        if (namespace, name) in self.pods:
            return None
        pod = Pod(manifest, namespace, f"uid-of-{name}", now_text())
        self.version += 1
        pod.version = self.version
        self.pods[pod.key] = pod
        self.by_run[pod.labels.get(labels.RUN_ID, "")].append(pod)
        return pod

    def take(self, pod: Pod, step: Step) -> None:
        """Let something happen to a pod, if it is there still."""
        if self.pods.get(pod.key) is not pod:
            return
        self._change(pod)
        pod.take(step, now_text())
        self._note(pod, step.value)
        self._tell("MODIFIED", pod)

    def delete(self, pod: Pod) -> None:
        """Begin to delete a pod; it goes a moment later, as with a kubelet."""
        if pod.deletion:
            return
        self._change(pod)
        pod.deletion = (
            b'"deletionTimestamp":"%b","deletionGracePeriodSeconds":0,' % now_text().encode()
        )
        self._note(pod, "deleted")
        self._tell("MODIFIED", pod)
        asyncio.get_running_loop().call_later(self._gone_after_s, self._remove, pod)

    def _remove(self, pod: Pod) -> None:
        self._change(pod)
        self.pods.pop(pod.key, None)
        self.by_run[pod.labels.get(labels.RUN_ID, "")].remove(pod)
        self._note(pod, "gone")
        self._tell("DELETED", pod)

    def _plan(self, pod: Pod) -> None:
        if pod.plan:
            planned = msgspec.json.decode(pod.plan, type=dict[Step, float])
            self._go_on(pod, time.time(), sorted((at, step) for step, at in planned.items()))

    def _go_on(self, pod: Pod, created_at: float, planned: list[tuple[float, Step]]) -> None:
        """Have the next step of a plan taken in time, and then the one after it."""
        if not planned:
            return
        at, step = planned[0]
        due_at = at if at > EARLIEST_MOMENT_S else created_at + at

        def take() -> None:
            self.take(pod, step)
            self._go_on(pod, created_at, planned[1:])

        asyncio.get_running_loop().call_later(max(0.0, due_at - time.time()), take)

    def _change(self, pod: Pod) -> None:
        self.version += 1
        pod.version = self.version

    def _note(self, pod: Pod, what: str) -> None:
        moments = self.moments.setdefault(pod.labels.get(labels.RUN_ID, pod.name), {})
        moments.setdefault(what, time.time())

    # Watching.

    def watch(self, selector: Selector, send: Send, since: int) -> Callable[[], None] | None:
        """Send changes after a version, from now on; returns how to stop. None: too old."""
        if since < self._forgotten:
            return None
        for version, found, kind, encoded in self._history:
            if version > since and selector(found):
                send(line(kind, encoded))
        self._watcher_count += 1
        number = self._watcher_count
        self._watchers[number] = (selector, send)
        return lambda: self._unwatch(number)

    def bookmark(self) -> None:
        """Tell every watcher how far it has got."""
        text = b'{"kind":"Pod","apiVersion":"v1","metadata":{"resourceVersion":"%d"}}'
        for _, send in self._watchers.values():
            send(line("BOOKMARK", text % self.version))

    def selected(self, selector: Selector) -> Iterator[Pod]:
        """Yield the pods that a selector selects."""
        return (pod for pod in self.pods.values() if selector(pod.labels))

    def _unwatch(self, number: int) -> None:
        self._watchers.pop(number, None)

    def _tell(self, kind: str, pod: Pod) -> None:
        encoded = pod.encoded()
        if len(self._history) == HISTORY_MAX:
            self._forgotten = self._history[0][0]
        self._history.append((pod.version, pod.labels, kind, encoded))
        told = line(kind, encoded)
        for selector, send in self._watchers.values():
            if selector(pod.labels):
                send(told)


def line(kind: str, encoded: bytes) -> bytes:
    """Return one line of a watch."""
    return b'{"type":"%b","object":%b}\n' % (kind.encode(), encoded)


def now_text() -> str:
    """Return the time as Kubernetes writes it, floored to a second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
