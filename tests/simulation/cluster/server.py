"""A Kubernetes API server in memory, as far as runbus asks for it, and what can go wrong with it.

Rules, store, lists and watches are those of the local cluster, which knows them from recorded
exchanges with a kube-apiserver; only HTTP and time are replaced. A request that was sent is
carried out even where nobody waits for its answer any more, at once or much later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from random import Random
from typing import Any

import aiohttp
import msgspec
from msgspec import Struct

from runbus.localcluster.api.operations import Operations, Sources
from runbus.localcluster.api.queries import delete_options, list_options, watch_options
from runbus.localcluster.rules.errors import ApiError, method_not_allowed, unknown_path
from runbus.localcluster.rules.resources import NODES, PODS, RESOURCES, Target, parse_target
from runbus.localcluster.store.history import EventType, Stored
from runbus.localcluster.store.pages import Page, Pages
from runbus.localcluster.store.store import ObjectStore
from simulation.cluster.watches import SimWatch
from simulation.loop import VirtualLoop

JsonObject = dict[str, Any]
Change = Callable[[str, JsonObject], None]
FIRST_VERSION = 1000
_encode = msgspec.json.Encoder().encode


class KubeFaults(Struct):
    """How often and how long things go wrong now. All off by default."""

    is_down: bool = False
    refuse: float = 0.0  # 429, 500 or 503
    hang: float = 0.0  # never carried out, never answered
    lose_answer: float = 0.0  # carried out, and the connection breaks
    delay: float = 0.0  # carried out after `delay_s`, long after its client has given up
    delay_s: float = 15.0
    latency_s: float = 0.004  # one way, at most
    watch_latency_s: float = 0.004  # until a change is told, at most


class Answer(Struct):
    """What goes back to the client."""

    status: int
    body: bytes
    headers: Mapping[str, str] = {}
    watch: SimWatch | None = None


class SimCluster:
    """The API server. `history` is how many changes of a kind watches can go back."""

    def __init__(
        self,
        loop: VirtualLoop,
        random: Random,
        faults: KubeFaults | None = None,
        *,
        history: int = 1000,
    ) -> None:
        self.loop = loop
        self.random = random
        self.faults = faults or KubeFaults()
        self.store = ObjectStore(RESOURCES, FIRST_VERSION, history, self._record)
        self.operations = Operations(
            self.store,
            Sources(now_s=self.now_s, uid=self._next_uid, suffix=self._next_suffix),
            create_namespaces=True,
        )
        self.watches: list[SimWatch] = []
        self.on_pod: list[Change] = []
        self.on_request: list[Callable[[str, str, str, bytes | None], None]] = []
        self.on_sent: list[Callable[[str, str, str, bytes | None], None]] = []
        self.on_answered: list[Callable[[], None]] = []
        self.on_listed: list[Callable[[str, str], None]] = []
        self._pages = Pages()
        self._uids = 0
        for resource in (PODS, NODES):
            self.store.collection(resource).wakers.add(self._wake)

    def now_s(self) -> float:
        """Return the seconds since the epoch."""
        return self.loop.wall().timestamp()

    def _next_uid(self) -> str:
        self._uids += 1
        return f"00000000-0000-4000-8000-{self._uids:012d}"

    def _next_suffix(self) -> str:
        return f"{self.random.randrange(100_000):05d}"

    def _record(self, resource: object, kind: EventType, stored: Stored) -> None:
        if resource is PODS:
            for tell in self.on_pod:
                tell(kind.value, stored.obj)

    def _wake(self) -> None:
        for watch in self.watches:
            watch.wake()

    # Requests.

    def send(
        self, client: str, method: str, path: str, query: Mapping[str, str], data: bytes | None
    ) -> asyncio.Future[Answer]:
        """Send a request; the future gets its answer, or the error of a broken connection."""
        future: asyncio.Future[Answer] = self.loop.create_future()
        faults = self.faults
        for tell in self.on_sent:
            tell(client, method, path, data)
        if faults.is_down:
            refused = aiohttp.ClientConnectionError("connection refused")
            self._later(self._latency_s(), _fail, future, refused)
            return future
        if self._happens(faults.hang):
            return future
        delay_s = self._latency_s()
        if self._happens(faults.delay):
            delay_s += self.random.uniform(0.5, 1.0) * faults.delay_s
        self._later(delay_s, self._carry_out, future, client, method, path, query, data)
        return future

    def _carry_out(
        self,
        future: asyncio.Future[Answer],
        client: str,
        method: str,
        path: str,
        query: Mapping[str, str],
        data: bytes | None,
    ) -> None:
        if self.faults.is_down:
            broken = aiohttp.ServerDisconnectedError()
            self._later(self._latency_s(), _fail, future, broken)
            return
        if self._happens(self.faults.refuse):
            answer = self._refusal()
        else:
            for tell in self.on_request:
                tell(client, method, path, data)
            answer = self._answer(method, path, query, data)
            for done in self.on_answered:
                done()
            if method == "GET" and path.endswith("/pods") and answer.watch is None:
                for listed in self.on_listed:
                    listed(client, query.get("labelSelector", ""))
        if answer.watch is None and self._happens(self.faults.lose_answer):
            self._later(self._latency_s(), _fail, future, aiohttp.ServerDisconnectedError())
            return
        self._later(self._latency_s(), _succeed, future, answer)

    def _refusal(self) -> Answer:
        status = self.random.choice((429, 500, 503))
        reasons = {429: "TooManyRequests", 500: "InternalError", 503: "ServiceUnavailable"}
        error = ApiError(status, reasons[status], "simulated")
        headers = {"Retry-After": "1"} if status == 429 else {}
        return Answer(status, _encode(error.body), headers)

    def _answer(
        self, method: str, path: str, query: Mapping[str, str], data: bytes | None
    ) -> Answer:
        try:
            target = parse_target(path)
            if target is None:
                raise unknown_path()
            return self._dispatch(method, target, query, data)
        except ApiError as error:
            headers = (
                {} if error.retry_after_s is None else {"Retry-After": str(error.retry_after_s)}
            )
            return Answer(error.code, _encode(error.body), headers)

    def _dispatch(
        self, method: str, target: Target, query: Mapping[str, str], data: bytes | None
    ) -> Answer:
        body = msgspec.json.decode(data) if data else None
        match (method, bool(target.name)):
            case ("GET", True) if target.subresource == "log":
                return self._log(target)
            case ("GET", True):
                return self._whole(
                    200, target, self.store.get(target.resource, target.namespace, target.name)
                )
            case ("GET", False) if query.get("watch") == "true":
                collection = self.store.collection(target.resource)
                watch = SimWatch(self, collection, watch_options(query, target))
                self.watches.append(watch)
                watch.start()
                return Answer(200, b"", watch=watch)
            case ("GET", False):
                return self._list(target, query)
            case ("POST", False):
                return self._whole(201, target, self.operations.create(target, body))
            case ("DELETE", True):
                options = delete_options(query, body)
                return self._whole(200, target, self.operations.delete(target, options)[0])
        raise method_not_allowed()

    def _whole(self, status: int, target: Target, stored: Stored) -> Answer:
        return Answer(status, self.store.collection(target.resource).whole(stored))

    def _list(self, target: Target, query: Mapping[str, str]) -> Answer:
        page = self._pages.of(self.store, target.resource, list_options(query, target))
        return Answer(200, _list_body(target, page))

    def _log(self, target: Target) -> Answer:
        pod = self.store.get(PODS, target.namespace, target.name).obj
        if not pod["spec"].get("nodeName"):
            return Answer(200, b"")
        for each in pod["status"].get("containerStatuses") or ():
            if not {"running", "terminated"}.isdisjoint(each["state"]):
                return Answer(200, b"a line of the log\n")
        text = f'container "main" in pod "{target.name}" is waiting to start'
        raise ApiError(400, "BadRequest", text)

    # Time and chance.

    def _later(self, delay_s: float, call: Callable[..., object], *args: Any) -> None:
        self.loop.in_world(self.loop.time() + delay_s, call, *args)

    def _latency_s(self) -> float:
        return self.random.random() * self.faults.latency_s

    def _happens(self, probability: float) -> bool:
        return probability > 0 and self.random.random() < probability

    # What tests and faults do to it.

    def cut_watches(self) -> None:
        """Break the connection of every watch."""
        for watch in list(self.watches):
            watch.cut()

    def forget_history(self) -> None:
        """Drop what watches and half-read lists could go back to: 410 for who asks for it."""
        self.store.forget_history()
        self._pages.forget()

    def stop(self) -> None:
        """Go down: every connection breaks, and none is made."""
        self.faults.is_down = True
        self.cut_watches()

    def start(self) -> None:
        """Come up again, with all objects."""
        self.faults.is_down = False


def _succeed(future: asyncio.Future[Answer], answer: Answer) -> None:
    if not future.done():
        future.set_result(answer)
    elif answer.watch is not None:
        answer.watch.close()


def _fail(future: asyncio.Future[Answer], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)


def _list_body(target: Target, page: Page) -> bytes:
    meta: JsonObject = {"resourceVersion": str(page.version)}
    if page.token:
        meta["continue"] = page.token
    kind, version = target.resource.kind, target.resource.api_version
    head = f'{{"kind":"{kind}List","apiVersion":"{version}","metadata":'.encode()
    items = b",".join(each.body for each in page.items)
    return b'%b%b,"items":[%b]}' % (head, _encode(meta), items)
