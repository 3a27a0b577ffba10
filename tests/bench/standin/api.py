"""What the stand-in answers: the part of Kubernetes' API that services use, and its controls.

    GET    /api/v1/pods, /api/v1/namespaces/NS/pods           lists in pages, watches with bookmarks
    GET    .../pods/NAME, .../pods/NAME/log                   POST .../pods   DELETE .../pods/NAME
    GET    anything else                                      an empty list, or a silent watch
    GET    /bench/moments, /bench/requests                    what happened when; what was asked
    POST   /bench/seed, /bench/change                          many pods at once

A pod's life is planned by its annotation `bench.runbus.dev/plan`: {step: seconds after its
creation, or a moment}. Nothing is run, checked or persisted.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Struct

from bench.standin.cluster import Cluster, Selector
from bench.standin.pods import Labels, Pod, Step
from bench.standin.protocol import Answer, Request, Stream
from bench.synthetic import STARTED_AT, manifest_of
from runbus.contracts import labels

_POD = re.compile(
    r"/api/v1/namespaces/(?P<namespace>[^/]+)/pods(/(?P<name>[^/]+)(?P<log>/log)?)?\Z"
)
_NODE = re.compile(r"/api/v1/nodes/(?P<name>[^/]+)\Z")
_TERM = re.compile(r"(?P<key>[^\s=,!]+)\s*(in\s*\((?P<any>[^)]*)\)|==?\s*(?P<one>[^,]*))?\s*(,|\Z)")
LOG = b"hello\n" * 20
STARTED_TEXT = STARTED_AT.strftime("%Y-%m-%dT%H:%M:%SZ")
PAGES_MAX = 8


class Seed(Struct, frozen=True, kw_only=True):
    """Pods to be there from the start, numbered; all of them running."""

    prefix: str
    count: int


class Change(Struct, frozen=True, kw_only=True):
    """A step for seeded pods, so many a second."""

    prefix: str
    first: int
    count: int
    step: Step
    per_second: float


class _Preconditions(Struct, frozen=True, rename="camel"):
    uid: str | None = None
    resource_version: str | None = None


class _DeleteOptions(Struct):
    preconditions: _Preconditions = _Preconditions()


class Api:
    """Routes requests to the cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._seeded: dict[str, list[Pod]] = {}
        self._pages: dict[str, list[Pod]] = {}
        self._lists = 0
        self._controls: dict[str, Callable[[Request], Answer]] = {
            "/bench/moments": lambda _: _ok(self._cluster.moments),
            "/bench/requests": lambda _: _ok(self._cluster.requests),
            "/bench/seed": self._seed,
            "/bench/change": self._change,
        }

    def route(self, request: Request, stream: Stream) -> Answer | None:
        """Answer a request; None where its stream goes on."""
        control = self._controls.get(request.path)
        if control is not None:
            return control(request)
        found = _POD.match(request.path)
        if found is not None and found["name"]:
            self._cluster.requests[f"{request.method} pod{found['log'] or ''}"] += 1
            return self._one(request, found["namespace"], found["name"], found["log"] is not None)
        if request.method == "POST" and found is not None:
            self._cluster.requests["POST pods"] += 1
            return self._create(found["namespace"], request.body)
        watching = request.query.get("watch") in {"true", "1", "True"}
        self._cluster.requests["WATCH" if watching else "LIST"] += 1
        if found is None and request.path != "/api/v1/pods":
            return self._other(request, stream, watching)
        return self._watch(request, stream) if watching else self._list(request)

    # Pods.

    def _one(self, request: Request, namespace: str, name: str, log: bool) -> Answer:
        pod = self._cluster.pods.get((namespace, name))
        if pod is None:
            return _refusal(404, "NotFound", f'pods "{name}" not found')
        if log:
            return 200, LOG
        if request.method == "DELETE":
            return self._delete(pod, request.body)
        return 200, pod.encoded()

    def _create(self, namespace: str, body: bytes) -> Answer:
        pod = self._cluster.create(namespace, msgspec.json.decode(body))
        if pod is None:
            return _refusal(409, "AlreadyExists", "pods already exists")
        return 201, pod.encoded()

    def _delete(self, pod: Pod, body: bytes) -> Answer:
        wanted = msgspec.json.decode(body or b"{}", type=_DeleteOptions).preconditions
        version = wanted.resource_version
        if wanted.uid not in {None, pod.uid} or version not in {None, str(pod.version)}:
            return _refusal(409, "Conflict", "the precondition does not hold")
        self._cluster.delete(pod)
        return 200, pod.encoded()

    def _list(self, request: Request) -> Answer:
        cluster, query = self._cluster, request.query
        token, _, offset = query.get("continue", "").partition(":")
        start = int(offset or 0)
        pods = self._pages.get(token) if token else self._selected(query.get("labelSelector", ""))
        if pods is None:
            return _refusal(410, "Expired", "the continue token is too old")
        limit = int(query.get("limit", 0)) or len(pods)
        rest = ""
        if start + limit < len(pods):
            if not token:  # each list has its own: several may page at one version
                self._lists += 1
                token = str(self._lists)
            self._pages[token] = pods
            while len(self._pages) > PAGES_MAX:
                del self._pages[next(iter(self._pages))]
            rest = f"{token}:{start + limit}"
        items = b",".join(pod.encoded() for pod in pods[start : start + limit])
        return 200, (
            b'{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"%d",'
            b'"continue":"%b"},"items":[%b]}' % (cluster.version, rest.encode(), items)
        )

    def _selected(self, text: str) -> list[Pod]:
        single = re.fullmatch(rf"{re.escape(labels.RUN_ID)}=([a-z0-9]+)", text)
        if single is not None:  # of 100,000 pods, the few of one run
            return list(self._cluster.by_run.get(single[1], ()))
        return list(self._cluster.selected(selector_of(text)))

    def _watch(self, request: Request, stream: Stream) -> Answer | None:
        selector = selector_of(request.query.get("labelSelector", ""))
        since = int(request.query.get("resourceVersion") or self._cluster.version)
        stream.start()
        stop = self._cluster.watch(selector, stream.send, since)
        if stop is None:
            stream.send(b'{"type":"ERROR","object":%b}\n' % _refusal(410, "Expired", "old")[1])
            stream.end()
            return None
        _end_in_time(request, stream, stop)
        return None

    # Everything else.

    def _other(self, request: Request, stream: Stream, watching: bool) -> Answer | None:
        node = _NODE.match(request.path)
        if node is not None:
            ready = [{"type": "Ready", "status": "True"}]
            status = {"conditions": ready}
            return _ok({"kind": "Node", "metadata": {"name": node["name"]}, "status": status})
        if request.method != "GET":
            return _refusal(404, "NotFound", "the stand-in has pods only")
        if watching:
            stream.start()
            _end_in_time(request, stream, lambda: None)
            return None
        meta = {"resourceVersion": str(self._cluster.version)}
        return _ok({"kind": "List", "apiVersion": "v1", "metadata": meta, "items": []})

    def _seed(self, request: Request) -> Answer:
        seed = msgspec.json.decode(request.body, type=Seed)
        pods = self._seeded.setdefault(seed.prefix, [])
        for number in range(len(pods), len(pods) + seed.count):
            manifest = manifest_of(seed.prefix, number)
            pod = self._cluster.add(manifest["metadata"]["namespace"], manifest)
            assert pod is not None, "seeded twice"
            pod.take(Step.RUNNING, STARTED_TEXT)
            pods.append(pod)
        return _ok({"pods": len(pods)})

    def _change(self, request: Request) -> Answer:
        change = msgspec.json.decode(request.body, type=Change)
        pods = self._seeded[change.prefix][change.first : change.first + change.count]
        loop = asyncio.get_running_loop()
        for number, pod in enumerate(pods):
            loop.call_later(number / change.per_second, self._cluster.take, pod, change.step)
        return _ok({"pods": len(pods)})


def selector_of(text: str) -> Selector:
    """Return what a label selector selects; existence, `=` and `in` are understood."""
    wanted: list[tuple[str, frozenset[str] | None]] = []
    for found in _TERM.finditer(text):
        values = found["one"] if found["one"] is not None else found["any"]
        split = frozenset(each.strip() for each in values.split(",")) if values else None
        wanted.append((found["key"], split))

    def selects(carried: Labels) -> bool:
        return all(
            key in carried if values is None else carried.get(key) in values
            for key, values in wanted
        )

    return selects


def _end_in_time(request: Request, stream: Stream, stop: Callable[[], None]) -> None:
    stream.on_close = stop

    def end() -> None:
        stop()
        stream.end()

    seconds = float(request.query.get("timeoutSeconds") or 3600)
    asyncio.get_running_loop().call_later(seconds, end)


def _ok(body: Any) -> Answer:
    return 200, msgspec.json.encode(body)


def _refusal(status: int, reason: str, message: str) -> Answer:
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": status}
    return status, msgspec.json.encode({**body, "reason": reason, "message": message})
