"""Serves container logs over HTTP, as a kubelet does: /containerLogs/{ns}/{pod}/{container}.

The local API server asks with its token. A real one asks over TLS, and shows a certificate.
"""

import asyncio
import hmac
import pathlib
import ssl
from collections.abc import Callable

from aiohttp import web

from runbus.localcluster.rules.timestamps import from_time
from runbus.localcluster.runner.context import LogKeys
from runbus.localcluster.runner.log_files import LogQuery, read_from, read_log, render, stamp
from runbus.localcluster.runner.states import ContainerView, Running, Waiting
from runbus.localcluster.runner.worker import PodWorker

FindWorker = Callable[[str, str], PodWorker | None]
_POLL_S = 0.2
_WRITE_LIMIT_S = 30.0


class LogRefusal(Exception):  # noqa: N818 - an answer
    """An answer other than 200: status and a kubelet's words."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class LogServer:
    """Answers requests that carry the token; finds pods through ``find``.

    A token of None lets everybody in: TLS has looked at who asks.
    """

    def __init__(
        self,
        find: FindWorker,
        token: str | None,
        now_s: Callable[[], float],
        is_cut_off: Callable[[], bool],
    ) -> None:
        self._find = find
        self._is_cut_off = is_cut_off
        self._authorization = None if token is None else f"Bearer {token}".encode()
        self._now_s = now_s

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request; none where the node is cut off."""
        if self._is_cut_off():
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=503)
        if not self._is_let_in(request):
            return web.Response(status=401, text="Unauthorized")
        if request.path == "/healthz":
            return web.Response(text="ok")
        parts = request.path.strip("/").split("/")
        if len(parts) != 4 or parts[0] != "containerLogs" or request.method != "GET":
            return web.Response(status=404, text="404 page not found\n")
        try:
            return await self._serve(request, parts[1], parts[2], parts[3])
        except LogRefusal as refusal:
            return web.Response(status=refusal.status, text=str(refusal))

    def _is_let_in(self, request: web.BaseRequest) -> bool:
        if self._authorization is None:
            return True
        given = request.headers.get("Authorization", "").encode()
        return hmac.compare_digest(given, self._authorization)

    async def _serve(
        self, request: web.BaseRequest, namespace: str, pod: str, container: str
    ) -> web.StreamResponse:
        worker = self._find(namespace, pod)
        if worker is None or container not in worker.views:
            raise LogRefusal(404, f'pod "{pod}" in namespace "{namespace}" is not on this node')
        query = _query(request, self._now_s())
        follow = request.query.get("follow") in {"1", "true"}
        previous = request.query.get("previous") in {"1", "true"}
        run = which_run(pod, container, worker.views[container], previous)
        path = worker.folder.logs / container / f"{run}.log"
        text, position = await asyncio.to_thread(read_log, path, query)
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        try:
            await _write(response, text)
            if follow and not previous:
                await self._follow(response, worker, container, run, path, position, query)
            await response.write_eof()
        except (ConnectionError, TimeoutError):
            if request.transport is not None:
                request.transport.abort()
        return response

    async def _follow(
        self,
        response: web.StreamResponse,
        worker: PodWorker,
        container: str,
        run: int,
        path: pathlib.Path,
        position: int,
        query: LogQuery,
    ) -> None:
        shown = LogQuery(timestamps=query.timestamps)
        while True:
            view = worker.views[container]
            live = isinstance(view.state, Running) and view.restarts == run
            lines, position = await asyncio.to_thread(read_from, path, position)
            await _write(response, render(lines, shown))
            if not live:
                return
            await asyncio.sleep(_POLL_S)


def log_tls(keys: LogKeys) -> ssl.SSLContext:
    """What to serve with, to those only whom the authority has signed."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=keys.authority)
    context.load_cert_chain(keys.certificate, keys.key)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def which_run(pod: str, container: str, view: ContainerView, previous: bool) -> int:
    """The number of the run whose log is asked for; raises LogRefusal in a kubelet's words."""
    if previous:
        if view.last is None or view.restarts == 0:
            text = f'previous terminated container "{container}" in pod "{pod}" not found'
            raise LogRefusal(400, text)
        return view.restarts - 1
    if isinstance(view.state, Waiting):
        if view.last is not None:
            return view.restarts
        why = {
            "ImagePullBackOff": "trying and failing to pull image",
            "ErrImagePull": "image can't be pulled",
        }.get(view.state.reason, view.state.reason)
        text = f'container "{container}" in pod "{pod}" is waiting to start: {why}'
        raise LogRefusal(400, text)
    return view.restarts


def _query(request: web.BaseRequest, now_s: float) -> LogQuery:
    since = None
    try:
        if request.query.get("sinceSeconds"):
            since = stamp(now_s - int(request.query["sinceSeconds"]))
        elif request.query.get("sinceTime"):
            since = stamp(from_time(request.query["sinceTime"]))
        tail = request.query.get("tailLines")
        limit = request.query.get("limitBytes")
        return LogQuery(
            int(tail) if tail else None,
            int(limit) if limit else None,
            since,
            request.query.get("timestamps") in {"1", "true"},
        )
    except ValueError as error:
        raise LogRefusal(400, f"bad log query: {error}") from error


async def _write(response: web.StreamResponse, data: bytes) -> None:
    if data:
        async with asyncio.timeout(_WRITE_LIMIT_S):
            await response.write(data)
